# SPDX-License-Identifier: Apache-2.0
"""Files laid over an initramfs that make-initrd has made: a second cpio archive behind the first."""


def newc(name, data, mode=0o100644):
    head = "070701" + "".join(f"{v:08x}" for v in (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0))
    out = head.encode() + name.encode() + b"\0"
    out += bytes(-len(out) % 4) + data
    return out + bytes(-len(out) % 4)


def add_files(initrd, files):
    """files: {name in the root directory: bytes}"""
    with open(initrd, "ab") as f:
        f.write(bytes(-f.tell() % 512))
        for name, data in files.items():
            f.write(newc(name, data))
        f.write(newc("TRAILER!!!", b"", 0))


def read_all(folder, names):
    """{file name: bytes} of files below a folder."""
    found = {}
    for name in names:
        with open(f"{folder}/{name}", "rb") as f:
            found[name.rsplit("/", 1)[-1]] = f.read()
    return found
