# SPDX-License-Identifier: Apache-2.0
"""Reads the project's C sources well enough for its lints and its manual pages.

Leans on the form that .clang-format enforces: a function's body opens with `{` and closes with `}`
in column 0, statements are indented with tabs.
"""
import pathlib
import re

LAYERS = ("base", "mem", "cpu", "io", "devices", "vm", "container")
# Which layer a public header belongs to.
HEADERS = {
    "base": "types error implement snapshot",
    "mem": "region mem",
    "cpu": "host cpu_model vcpu vcpu_state irq partition fake",
    "io": "ring ring_request block block_ops net net_ops stream throttle jail",
    "devices": "device pci virtio virtio_devices virtq platform",
    "vm": "boot seed vm vm_device run runner libvirtcore",
    "container": "container",
}
LAYER_OF = {h: layer for layer, names in HEADERS.items() for h in names.split()}


def blank(text):
    """`text` with every character but newlines made a space."""
    return re.sub(r"[^\n]", " ", text)


_TOKENS = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def strip(text, keep_strings=False):
    """The code alone: comments become spaces, strings become empty ones; lines stay lines."""

    def swap(m):
        t = m.group(0)
        if t[0] == "/":
            return blank(t)
        return t if keep_strings else t[0] + " " * (len(t) - 2) + t[-1]

    return _TOKENS.sub(swap, text)


def split_args(text):
    """Splits at the commas outside of brackets."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            out.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return out + [last] if last else out


def match_paren(text, at):
    """Index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text) - 1


def parse_signature(text):
    """-> (name, [parameter, ...]) of a prototype or of a definition's head."""
    for m in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", text):
        if m.group(1).isupper() or m.group(1).startswith("__attribute") or "VC_" in m.group(1):
            continue
        end = match_paren(text, m.end() - 1)
        args = split_args(" ".join(text[m.end() : end].split()))
        return m.group(1), [] if args == ["void"] else args
    return None, []


def param_name(param):
    """The name that a parameter declaration declares: `struct vc_x *x` -> x."""
    if param == "...":
        return "..."
    m = re.search(r"\(\s*\*\s*(?:const\s+)?(\w+)", param) or re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*$", param)
    return m.group(1) if m else param


class Function:
    def __init__(self, name, params, first, last, body):
        self.name, self.params, self.first, self.last, self.body = name, params, first, last, body

    @property
    def nr_lines(self):
        return self.last - self.first + 1


class Source:
    def __init__(self, path, root):
        self.path = path
        self.name = str(path.relative_to(root))
        self.text = path.read_text(errors="replace")
        self.lines = self.text.split("\n")
        self.code = strip(self.text)
        self.code_lines = self.code.split("\n")

    @property
    def nr_lines(self):
        return self.text.count("\n") + (not self.text.endswith("\n"))

    def comment_share(self):
        """(lines that carry a comment, lines that are not empty)."""
        comment = filled = 0
        for raw, bare in zip(self.lines, strip(self.text, keep_strings=True).split("\n")):
            filled += bool(raw.strip())
            comment += raw.rstrip() != bare.rstrip()
        return comment, filled

    def functions(self):
        found = []
        for i, line in enumerate(self.code_lines):
            if line.rstrip() != "{":
                continue
            head = i
            while head > 0:
                above = self.code_lines[head - 1].rstrip()
                if not above or above[-1] in ";}" or above.startswith("#"):
                    break
                head -= 1
            end = i
            while end < len(self.code_lines) - 1 and not self.code_lines[end].startswith("}"):
                end += 1
            name, params = parse_signature("\n".join(self.code_lines[head:i]))
            if name:
                found.append(Function(name, params, head + 1, end + 1, self.code_lines[i + 1 : end]))
        return found


def sources(root, *folders, suffixes=(".c", ".h")):
    """Every C file under the folders of `root`, sorted; trees of bad examples are left out."""
    root = pathlib.Path(root)
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            inner = path.relative_to(root)
            if path.suffix in suffixes and "bad" not in inner.parts[:-1] and path.is_file():
                yield Source(path, root)


class Prototype:
    """A public function: its declaration and the comment above it."""

    def __init__(self, source, line, text, doc):
        self.source, self.line, self.doc = source, line, doc
        self.text = " ".join(text.split())
        self.name, self.params = parse_signature(self.text)


def prototypes(source):
    """Every `VC_API ...;` of a header."""
    out = []
    for m in re.finditer(r"^VC_API\b[^;{]*;", source.code, re.M):
        doc = None
        above = source.text[: m.start()].rstrip()
        if above.endswith("*/"):
            start = above.rfind("/*")
            if above[start:].startswith("/**"):
                doc = above[start:]
        out.append(Prototype(source, source.text.count("\n", 0, m.start()) + 1, m.group(0), doc))
    return out


def doc_lines(doc):
    """The text of a docstring, one list entry per line, without the comment's own characters."""
    lines = doc[3:-2].split("\n")
    return [re.sub(r"^\s*\*? ?", "", l).rstrip() for l in lines]


def parse_doc(doc):
    """-> (title line, {section: text}); sections are @param and Context, Returns, Spec, Since."""
    title, sections, name = "", {}, None
    for line in doc_lines(doc):
        m = re.match(r"(@[\w.]+|Context|Returns|Spec|Since):\s*(.*)", line)
        if m:
            name, rest = m.group(1), m.group(2)
            since = re.search(r"\s*\bSince:\s*(.*)$", rest)
            if name != "Since" and since:
                sections["Since"] = since.group(1)
                rest = rest[: since.start()]
            sections[name] = rest.strip()
        elif name:
            since = re.search(r"\s*\bSince:\s*(.*)$", line)
            if since:
                sections["Since"] = since.group(1)
                line = line[: since.start()]
            sections[name] = (sections[name] + " " + line.strip()).strip()
        elif line.strip():
            title = (title + " " + line.strip()).strip()
    return title, sections


class Report:
    """Collects what is wrong; each line names file and place."""

    def __init__(self, lint):
        self.lint, self.nr = lint, 0

    def bad(self, where, what):
        print(f"{where}: {what}")
        self.nr += 1

    def done(self):
        print(f"{self.lint}: {'ok' if not self.nr else f'{self.nr} violations'}")
        return 1 if self.nr else 0
