/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files with a PVH entry note (Linux's vmlinux, unikernels, test guests): segments go to their
 * physical addresses, the rest is told by hvm_start_info. Control thread only. The file is hostile:
 * all segments are checked against it, against RAM and against each other before the first byte is
 * written. Takes ELF64 and ELF32, notes with 4- and 8-byte entries. Leaves out relocation,
 * sections, symbols and the other entries that such files have.
 * [ELF-64] [Xen elfnote.h] [Xen hvm/start_info.h]
 */
#include "elf_image.h"
#include "load.h"

#include "layout.h"
#include "ram.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#define SUBSYSTEM "boot"

/* Linux cuts its command line silently at this length, and no note says so. */
#define LINUX_CMDLINE_MAX 2047u

#define START_MAGIC 0x336ec578u

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_gpa, cmdline_gpa, rsdp_gpa, memmap_gpa;
	uint32_t nr_memmap, reserved;
};

struct start_module {
	uint64_t gpa, len, cmdline_gpa, reserved;
};

struct start_memmap {
	uint64_t gpa, len;
	uint32_t type, reserved;
};

/* The page of the start info, as written. */
struct start_page {
	struct start_info info;
	struct start_module initrd;
	struct start_memmap memmap[VC_E820_MAX];
};
static_assert(sizeof(struct start_info) == 56 && offsetof(struct start_info, nr_memmap) == 48,
	      "hvm_start_info version 1");
static_assert(sizeof(struct start_module) == 32 && sizeof(struct start_memmap) == 24,
	      "hvm_modlist_entry, hvm_memmap_table_entry");
static_assert(sizeof(struct start_page) <= VC__START_INFO_BYTES, "start info fits into its page");

static int check_segment(const struct vc__load *load, const struct vc__elf_segment *s)
{
	unsigned long long gpa = s->gpa, len = s->mem_len;
	vc_gpa top = vc__ram_top(load->machine, UINT64_MAX);
	if (gpa + len > top)
		return vc_error_set(-ENOSPC, SUBSYSTEM, load->kernel.name,
				    "a segment has 0x%llx bytes at 0x%llx, RAM ends at 0x%llx", len,
				    gpa, (unsigned long long)top);
	if (!vc__ram_has(load->machine, gpa, len))
		return vc_error_set(-EFAULT, SUBSYSTEM, load->kernel.name,
				    "a segment has 0x%llx bytes at 0x%llx, not all of it is RAM",
				    len, gpa);
	if (vc__load_is_taken(gpa, len))
		return vc_error_set(-EFAULT, SUBSYSTEM, load->kernel.name,
				    "a segment has 0x%llx bytes at 0x%llx: boot structures are at "
				    "0x%llx-0x%llx, the command line at 0x%llx-0x%llx",
				    len, gpa, VC__GDT_GPA, VC__BOOT_STRUCTS_END - 1,
				    VC__CMDLINE_GPA, VC__CMDLINE_GPA + VC__CMDLINE_BYTES - 1);
	return 0;
}

/* Checks all segments and tells the stretch that they lie in. */
static int check_segments(const struct vc__load *load, const struct vc__elf_image *img,
			  struct vc_boot_entry *entry)
{
	vc_gpa low = UINT64_MAX, high = 0;
	for (size_t i = 0; i < img->nr_segments; i++) {
		const struct vc__elf_segment *s = &img->segments[i];
		int r = check_segment(load, s);
		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++) {
			const struct vc__elf_segment *o = &img->segments[k];
			if (s->gpa < o->gpa + o->mem_len && o->gpa < s->gpa + s->mem_len)
				return vc_error_set(-ENOEXEC, SUBSYSTEM, load->kernel.name,
						    "segments at 0x%llx and 0x%llx overlap",
						    (unsigned long long)o->gpa,
						    (unsigned long long)s->gpa);
		}
		low = s->gpa < low ? s->gpa : low;
		high = s->gpa + s->mem_len > high ? s->gpa + s->mem_len : high;
	}
	entry->kernel_gpa = low;
	entry->kernel_len = high - low;
	return 0;
}

static int load_segments(const struct vc__load *load, const struct vc__elf_image *img)
{
	for (size_t i = 0; i < img->nr_segments; i++) {
		const struct vc__elf_segment *s = &img->segments[i];
		int r = vc__source_load(&load->kernel, s->off, s->file_len, load->mem, s->gpa);
		if (r < 0)
			return r;
		r = vc__ram_zero(load->mem, s->gpa + s->file_len, s->mem_len - s->file_len,
				 load->is_fresh);
		if (r < 0)
			return vc_error_set(r, SUBSYSTEM, load->kernel.name,
					    "no writable RAM at 0x%llx for 0x%llx bytes",
					    (unsigned long long)s->gpa,
					    (unsigned long long)s->mem_len);
	}
	return 0;
}

static int write_start_info(const struct vc__load *load, struct vc_boot_entry *entry)
{
	const struct vc_boot_machine *m = load->machine;
	const vc_gpa at = VC__START_INFO_GPA;
	struct start_page page = {
		.info = { .magic = START_MAGIC,
			  .version = 1,
			  .cmdline_gpa = entry->cmdline_gpa,
			  .rsdp_gpa = m->rsdp,
			  .memmap_gpa = at + offsetof(struct start_page, memmap),
			  .nr_memmap = (uint32_t)m->nr_ranges },
	};
	if (entry->initrd_len) {
		page.info.nr_modules = 1;
		page.info.modlist_gpa = at + offsetof(struct start_page, initrd);
		page.initrd.gpa = entry->initrd_gpa;
		page.initrd.len = entry->initrd_len;
	}
	for (size_t i = 0; i < m->nr_ranges; i++) {
		page.memmap[i].gpa = m->ranges[i].gpa;
		page.memmap[i].len = m->ranges[i].len_bytes;
		page.memmap[i].type = (uint32_t)m->ranges[i].type;
	}
	entry->params_gpa = at;
	return vc__load_struct(load, at, &page, sizeof(page));
}

int vc__probe_elf(const struct vc__source *kernel)
{
	uint8_t magic[4];
	if (kernel->len < sizeof(magic))
		return 0;
	int r = vc__source_read(kernel, 0, magic, sizeof(magic));
	if (r < 0)
		return r;
	if (memcmp(magic, "\177ELF", 4) != 0)
		return 0;
	struct vc__elf_image img;
	r = vc__elf_read(kernel, &img);
	return r < 0 ? r : 1;
}

int vc__load_elf(const struct vc__load *load, struct vc_boot_entry *entry)
{
	struct vc__elf_image img;
	int r = vc__elf_read(&load->kernel, &img);
	if (!r)
		r = check_segments(load, &img, entry);
	if (!r)
		r = vc__load_cmdline(load, img.is_linux ? LINUX_CMDLINE_MAX : UINT64_MAX, entry);
	if (!r)
		r = vc__load_initrd(load, VC__HIGH_RAM_GPA, entry);
	if (!r)
		r = load_segments(load, &img);
	if (!r)
		r = write_start_info(load, entry);
	if (!r)
		r = vc__entry_protected(load, img.entry, false, entry);
	entry->regs.rbx = entry->params_gpa;
	return r;
}
