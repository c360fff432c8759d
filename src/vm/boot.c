/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot: tells kernels apart, checks what all formats have in common, and does what they share
 * (initrd, command line, boot structures). Control thread only. The formats: load_bzimage.c,
 * load_elf.c, load_flat.c; register states: entry_x86.c. Leaves out firmware and decompression: a
 * compressed vmlinux is refused by name. [boot.h]
 */
#include "load.h"

#include "layout.h"
#include "ram.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>

#include <errno.h>
#include <string.h>

#define SUBSYSTEM "boot"

/* Beginnings of files that people give by mistake. */
static const struct {
	const char *what;
	size_t len;
	uint8_t magic[8];
} known[] = {
	{ "gzip-compressed data", 2, { 0x1f, 0x8b } },
	{ "xz-compressed data", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
	{ "zstd-compressed data", 4, { 0x28, 0xb5, 0x2f, 0xfd } },
	{ "LZ4-compressed data", 4, { 0x02, 0x21, 0x4c, 0x18 } },
	{ "bzip2-compressed data", 3, { 'B', 'Z', 'h' } },
	{ "a cpio archive (an initrd?)", 6, { '0', '7', '0', '7', '0', '1' } },
	{ "an EFI program without a Linux header", 2, { 'M', 'Z' } },
	{ "a Debian package", 7, { '!', '<', 'a', 'r', 'c', 'h', '>' } },
};

/* Says what was found instead of a kernel. */
static int refuse_unknown(const struct vc__source *kernel)
{
	uint8_t head[8] = { 0 };
	if (!kernel->len)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name, "is empty");
	int r = vc__source_read(kernel, 0, head, kernel->len < 8 ? kernel->len : 8);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (memcmp(head, known[i].magic, known[i].len) == 0)
			return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
					    "is %s, a bzImage or an ELF file was expected",
					    known[i].what);
	return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
			    "begins with %02x %02x %02x %02x, neither a bzImage nor an ELF file",
			    head[0], head[1], head[2], head[3]);
}

static int probe(const struct vc__source *kernel, enum vc_boot_kind *ret_kind)
{
	int r = vc__probe_elf(kernel);
	if (r) {
		if (r > 0)
			*ret_kind = VC_BOOT_PVH;
		return r < 0 ? r : 0;
	}
	r = vc__probe_bzimage(kernel);
	if (r > 0)
		*ret_kind = VC_BOOT_BZIMAGE;
	return r > 0 ? 0 : r < 0 ? r : refuse_unknown(kernel);
}

static int check_ranges(const struct vc_boot_machine *machine)
{
	vc_gpa end = 0;
	if (machine->nr_ranges > VC_E820_MAX)
		return vc_error_set(-EINVAL, SUBSYSTEM, "memory map",
				    "%zu ranges, at most %u expected", machine->nr_ranges,
				    VC_E820_MAX);
	for (size_t i = 0; i < machine->nr_ranges; i++) {
		const struct vc_e820_range *r = &machine->ranges[i];
		vc_gpa start = end;
		if (r->gpa < start || !r->len_bytes || !vc_add_u64(r->gpa, r->len_bytes, &end))
			return vc_error_set(-EINVAL, SUBSYSTEM, "memory map",
					    "range %zu: 0x%llx bytes at 0x%llx: empty, out of "
					    "order or overlapping",
					    i, (unsigned long long)r->len_bytes,
					    (unsigned long long)r->gpa);
	}
	return 0;
}

static int check_config(const struct vc_boot_config *cfg)
{
	const struct vc_source *initrd = &cfg->initrd;
	bool has_cmdline = cfg->cmdline && cfg->cmdline[0];
	bool is_flat = cfg->kind == VC_BOOT_FLAT;
	if ((unsigned int)cfg->kind > VC_BOOT_FLAT)
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL, "kind %u is not known",
				    (unsigned int)cfg->kind);
	if (!cfg->kernel.path && !cfg->kernel.buf)
		return vc_error_set(-EINVAL, SUBSYSTEM, "kernel", "neither path nor buffer given");
	if (is_flat && (initrd->path || initrd->buf || initrd->len || has_cmdline))
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL,
				    "a flat image takes neither initrd nor command line");
	if (is_flat ? (unsigned int)cfg->flat_mode > VC_FLAT_REAL_16
		    : cfg->flat_gpa || cfg->flat_mode)
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL,
				    is_flat ? "flat_mode is not known"
					    : "flat_gpa and flat_mode belong to flat images");
	return 0;
}

bool vc__load_is_taken(vc_gpa gpa, uint64_t len)
{
	vc_gpa end = gpa + len;
	return (gpa < VC__BOOT_STRUCTS_END && end > VC__GDT_GPA) ||
	       (gpa < VC__CMDLINE_GPA + VC__CMDLINE_BYTES && end > VC__CMDLINE_GPA);
}

int vc__load_struct(const struct vc__load *load, vc_gpa gpa, const void *buf, uint64_t len)
{
	int r = buf ? vc_mem_write(load->mem, gpa, buf, len)
		    : vc__ram_zero(load->mem, gpa, len, load->is_fresh);
	if (r < 0)
		return vc_error_set(-EFAULT, SUBSYSTEM, NULL,
				    "no writable RAM at 0x%llx: boot structures need it at 0 to "
				    "640 KiB",
				    (unsigned long long)gpa);
	return 0;
}

int vc__load_cmdline(const struct vc__load *load, uint64_t max, struct vc_boot_entry *entry)
{
	if (max > VC__CMDLINE_BYTES - 1)
		max = VC__CMDLINE_BYTES - 1;
	if (load->cmdline_len > max)
		return vc_error_set(-ENAMETOOLONG, SUBSYSTEM, "command line",
				    "is %llu bytes long, this kernel takes %llu",
				    (unsigned long long)load->cmdline_len, (unsigned long long)max);
	entry->cmdline_gpa = VC__CMDLINE_GPA;
	return vc__load_struct(load, VC__CMDLINE_GPA, load->cmdline, load->cmdline_len + 1);
}

int vc__load_initrd(const struct vc__load *load, uint64_t limit, struct vc_boot_entry *entry)
{
	const struct vc__source *initrd = &load->initrd;
	entry->initrd_gpa = 0;
	entry->initrd_len = 0;
	if (initrd->fd < 0 && !initrd->buf)
		return 0;
	if (!initrd->len)
		return vc_error_set(-EINVAL, SUBSYSTEM, initrd->name, "the initrd is empty");
	const struct vc__ram_want want = {
		.len = initrd->len,
		.align = 4096,
		.min = VC__MIB,
		.limit = limit < VC__HIGH_RAM_GPA ? limit : VC__HIGH_RAM_GPA,
		.avoid = entry->kernel_gpa,
		.avoid_len = entry->kernel_len,
		.is_high = true,
	};
	vc_gpa gpa;
	if (!vc__ram_place(load->machine, &want, &gpa))
		return vc_error_set(-ENOSPC, SUBSYSTEM, initrd->name,
				    "initrd of %llu KiB does not fit: RAM below 0x%llx ends at "
				    "0x%llx, the kernel has 0x%llx bytes at 0x%llx",
				    (unsigned long long)(initrd->len / 1024),
				    (unsigned long long)want.limit,
				    (unsigned long long)vc__ram_top(load->machine, want.limit),
				    (unsigned long long)entry->kernel_len,
				    (unsigned long long)entry->kernel_gpa);
	entry->initrd_gpa = gpa;
	entry->initrd_len = initrd->len;
	return vc__source_load(initrd, 0, initrd->len, load->mem, gpa);
}

static int load_kind(const struct vc__load *load, struct vc_boot_entry *entry)
{
	entry->kind = load->cfg->kind;
	if (entry->kind == VC_BOOT_AUTO) {
		int r = probe(&load->kernel, &entry->kind);
		if (r < 0)
			return r;
	}
	switch (entry->kind) {
	case VC_BOOT_BZIMAGE:
		return vc__load_bzimage(load, entry);
	case VC_BOOT_PVH:
		return vc__load_elf(load, entry);
	default:
		return vc__load_flat(load, entry);
	}
}

int vc__boot_open(const struct vc_boot_config *cfg, struct vc__boot_files *ret_files)
{
	struct vc__boot_files files = { .cfg = *cfg,
					.kernel = { .fd = -EBADF },
					.initrd = { .fd = -EBADF } };
	int r = check_config(cfg);

	if (!r)
		r = vc__source_open(&cfg->kernel, "kernel", &files.kernel);
	if (!r)
		r = vc__source_open(&cfg->initrd, "initrd", &files.initrd);
	if (r < 0) {
		vc__source_close(&files.kernel);
		return r;
	}
	files.is_open = true;
	*ret_files = files;
	return 0;
}

void vc__boot_close(struct vc__boot_files *files)
{
	if (!files->is_open)
		return;
	vc__source_close(&files->kernel);
	vc__source_close(&files->initrd);
	files->is_open = false;
}

int vc__boot_load(const struct vc_mem *mem, const struct vc__boot_files *files,
		  const struct vc_boot_machine *machine, bool is_fresh,
		  struct vc_boot_entry *ret_entry)
{
	struct vc_boot_entry entry = { 0 };
	struct vc__load load = {
		.mem = mem,
		.machine = machine,
		.cfg = &files->cfg,
		.kernel = files->kernel,
		.initrd = files->initrd,
		.cmdline = files->cfg.cmdline ? files->cfg.cmdline : "",
		.is_fresh = is_fresh,
	};
	int r = check_ranges(machine);

	load.cmdline_len = strlen(load.cmdline);
	if (!r)
		r = load_kind(&load, &entry);
	if (!r)
		*ret_entry = entry;
	return r;
}

int vc_boot_load(const struct vc_mem *mem, const struct vc_boot_config *user_cfg,
		 const struct vc_boot_machine *machine, struct vc_boot_entry *ret_entry)
{
	struct vc__boot_files files;
	struct vc_boot_config cfg;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (!mem || !machine || !ret_entry || (machine->nr_ranges && !machine->ranges))
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL, "memory, machine or result is NULL");
	r = vc__boot_open(&cfg, &files);
	if (r < 0)
		return r;
	r = vc__boot_load(mem, &files, machine, false, ret_entry);
	vc__boot_close(&files);
	return r;
}

int vc_boot_probe(const struct vc_source *kernel, enum vc_boot_kind *ret_kind)
{
	if (!kernel || !ret_kind || (!kernel->path && !kernel->buf))
		return vc_error_set(-EINVAL, SUBSYSTEM, "kernel", "neither path nor buffer given");
	struct vc__source s;
	int r = vc__source_open(kernel, "kernel", &s);
	if (r < 0)
		return r;
	r = probe(&s, ret_kind);
	vc__source_close(&s);
	return r;
}
