/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF headers and notes. Control thread only. Both classes are read into one form at once; from
 * there on nothing knows of ELF32. Counts and sizes are bounded before anything is allocated or
 * looped over: at most 64 program headers, 64 KiB of notes each. Guest memory is never touched.
 * [ELF-64] [ELF 1.2] [Xen elfnote.h]
 */
#include "elf_image.h"

#include <libvirtcore/implement.h>

#include <elf.h>
#include <errno.h>
#include <string.h>

#define SUBSYSTEM "boot"

#define PHDRS_MAX	VC__ELF_SEGMENTS_MAX
#define NOTES_BYTES_MAX 65536u

/* Note of the owner "Xen": 32-bit physical entry point. */
#define NOTE_PHYS32_ENTRY 18u

struct header {
	bool is_64;
	uint64_t phoff;
	uint16_t nr_phdrs;
};

struct phdr {
	uint32_t type;
	uint64_t off, paddr, file_len, mem_len, align;
};

static int refuse(const struct vc__source *f, const char *what)
{
	return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name, "%s", what);
}

static int read_header(const struct vc__source *f, struct header *ret)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr h32;
		Elf64_Ehdr h64;
	} e;
	int r = vc__source_read(f, 0, &e.h32, sizeof(e.h32));
	if (r < 0)
		return r;
	if (memcmp(e.ident, ELFMAG, SELFMAG) != 0)
		return refuse(f, "is no ELF file");
	if (e.ident[EI_DATA] != ELFDATA2LSB || e.ident[EI_VERSION] != EV_CURRENT)
		return refuse(f, "is no little-endian ELF file of version 1");
	ret->is_64 = e.ident[EI_CLASS] == ELFCLASS64;
	if (!ret->is_64 && e.ident[EI_CLASS] != ELFCLASS32)
		return refuse(f, "is neither ELF32 nor ELF64");
	if (ret->is_64) {
		r = vc__source_read(f, 0, &e.h64, sizeof(e.h64));
		if (r < 0)
			return r;
	}
	/* Type and machine lie at the same place in both. */
	uint16_t type = e.h32.e_type, machine = e.h32.e_machine;
	if (type != ET_EXEC && type != ET_DYN)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "ELF type %u, an executable (%u or %u) was expected", type,
				    ET_EXEC, ET_DYN);
	if (machine != (ret->is_64 ? EM_X86_64 : EM_386))
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "ELF%u for machine %u, %u (x86) was expected",
				    ret->is_64 ? 64 : 32, machine, ret->is_64 ? EM_X86_64 : EM_386);
	uint16_t entry_len = ret->is_64 ? e.h64.e_phentsize : e.h32.e_phentsize;
	ret->phoff = ret->is_64 ? e.h64.e_phoff : e.h32.e_phoff;
	ret->nr_phdrs = ret->is_64 ? e.h64.e_phnum : e.h32.e_phnum;
	if (!ret->nr_phdrs || ret->nr_phdrs > PHDRS_MAX)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "%u program headers, 1 to %u expected", ret->nr_phdrs,
				    PHDRS_MAX);
	if (entry_len != (ret->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name, "program headers of %u bytes",
				    entry_len);
	return 0;
}

static int read_phdr(const struct vc__source *f, const struct header *h, unsigned int idx,
		     struct phdr *ret)
{
	Elf64_Phdr p64;
	Elf32_Phdr p32;
	uint64_t len = h->is_64 ? sizeof(p64) : sizeof(p32), off = 0;
	if (!vc_add_u64(h->phoff, idx * len, &off))
		return refuse(f, "program headers beyond 2^64");
	int r = vc__source_read(f, off, h->is_64 ? (void *)&p64 : &p32, len);
	if (r < 0)
		return r;
	if (h->is_64)
		*ret = (struct phdr){ p64.p_type,   p64.p_offset, p64.p_paddr,
				      p64.p_filesz, p64.p_memsz,  p64.p_align };
	else
		*ret = (struct phdr){ p32.p_type,   p32.p_offset, p32.p_paddr,
				      p32.p_filesz, p32.p_memsz,  p32.p_align };
	return 0;
}

static int add_segment(const struct vc__source *f, const struct phdr *p, struct vc__elf_image *img)
{
	uint64_t end;
	if (p->file_len > p->mem_len)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "segment at 0x%llx: %llu bytes in the file, %llu in memory",
				    (unsigned long long)p->paddr, (unsigned long long)p->file_len,
				    (unsigned long long)p->mem_len);
	if (!p->mem_len)
		return 0;
	if (!vc_range_within(p->off, p->file_len, f->len))
		return vc_error_set(-EIO, SUBSYSTEM, f->name,
				    "has %llu bytes, a segment of %llu at offset %llu was expected",
				    (unsigned long long)f->len, (unsigned long long)p->file_len,
				    (unsigned long long)p->off);
	if (!vc_add_u64(p->paddr, p->mem_len, &end))
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "segment of 0x%llx bytes at 0x%llx ends beyond 2^64",
				    (unsigned long long)p->mem_len, (unsigned long long)p->paddr);
	img->segments[img->nr_segments++] = (struct vc__elf_segment){
		.off = p->off, .file_len = p->file_len, .gpa = p->paddr, .mem_len = p->mem_len
	};
	return 0;
}

/* One note of a known owner. */
static int take_note(const struct vc__source *f, const Elf64_Nhdr *note, const uint8_t *bytes,
		     struct vc__elf_image *img)
{
	const uint8_t *desc = bytes + note->n_namesz;
	desc += -(uintptr_t)note->n_namesz & 3;
	if (note->n_namesz == 6 && memcmp(bytes, "Linux", 6) == 0)
		img->is_linux = true;
	if (note->n_namesz != 4 || memcmp(bytes, "Xen", 4) != 0 ||
	    note->n_type != NOTE_PHYS32_ENTRY)
		return 0;
	uint64_t entry = 0;
	if (note->n_descsz != 4 && note->n_descsz != 8)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "PVH note of %u bytes, 4 or 8 expected", note->n_descsz);
	memcpy(&entry, desc, note->n_descsz);
	if (entry > UINT32_MAX)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "PVH entry 0x%llx, an address below 4 GiB expected",
				    (unsigned long long)entry);
	img->entry = (uint32_t)entry;
	img->has_entry = true;
	return 0;
}

/* Name and description are padded to 4 bytes each, to 8 where the segment says so. */
static int take_notes(const struct vc__source *f, const uint8_t *buf, size_t len, size_t align,
		      struct vc__elf_image *img)
{
	size_t off = 0;
	while (len - off >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		memcpy(&note, buf + off, sizeof(note));
		off += sizeof(note);
		/* Sums of 32-bit numbers: these cannot wrap. */
		uint64_t name_len = ((uint64_t)note.n_namesz + 3) & ~3ull;
		uint64_t body = name_len + note.n_descsz;
		if (body > len - off)
			return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
					    "a note of %llu bytes in a segment that has %zu left",
					    (unsigned long long)body, len - off);
		int r = take_note(f, &note, buf + off, img);
		if (r < 0)
			return r;
		uint64_t next = (off + body + align - 1) & ~((uint64_t)align - 1);
		off = next < len ? (size_t)next : len;
	}
	return 0;
}

static int read_notes(const struct vc__source *f, const struct phdr *p, struct vc__elf_image *img)
{
	if (p->file_len > NOTES_BYTES_MAX)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name,
				    "%llu bytes of notes, at most %u expected",
				    (unsigned long long)p->file_len, NOTES_BYTES_MAX);
	if (!p->file_len)
		return 0;
	vc_auto_free uint8_t *buf = malloc(p->file_len);
	if (!buf)
		return vc_error_set(-ENOMEM, SUBSYSTEM, f->name,
				    "no memory for %llu bytes of notes",
				    (unsigned long long)p->file_len);
	int r = vc__source_read(f, p->off, buf, p->file_len);
	return r ? r : take_notes(f, buf, p->file_len, p->align == 8 ? 8 : 4, img);
}

static int check_entry(const struct vc__source *f, const struct vc__elf_image *img)
{
	if (!img->nr_segments)
		return refuse(f, "has no loadable segment");
	if (!img->has_entry)
		return refuse(f, "has no PVH entry note (a Linux kernel has one with CONFIG_PVH)");
	for (size_t i = 0; i < img->nr_segments; i++) {
		const struct vc__elf_segment *s = &img->segments[i];
		if (img->entry >= s->gpa && img->entry - s->gpa < s->file_len)
			return 0;
	}
	return vc_error_set(-ENOEXEC, SUBSYSTEM, f->name, "PVH entry 0x%x lies in no segment",
			    img->entry);
}

int vc__elf_read(const struct vc__source *file, struct vc__elf_image *ret)
{
	struct header h = { 0 };
	memset(ret, 0, sizeof(*ret));
	int r = read_header(file, &h);
	for (unsigned int i = 0; !r && i < h.nr_phdrs; i++) {
		struct phdr p = { 0 };
		r = read_phdr(file, &h, i, &p);
		if (!r && p.type == PT_LOAD)
			r = add_segment(file, &p, ret);
		else if (!r && p.type == PT_NOTE)
			r = read_notes(file, &p, ret);
	}
	return r ? r : check_entry(file, ret);
}
