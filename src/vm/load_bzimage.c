/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bzImage by its 64-bit entry: places the kernel where it likes to be, hands it the zero page with
 * the memory map and the ACPI root, so it neither asks a BIOS nor scans for tables. Control thread
 * only. The file's header is hostile: every field is checked before use, and what the protocol says
 * the loader writes is written, whatever the file has there. screen_info stays zero: Linux then
 * leaves the VGA alone. Leaves out the 16- and 32-bit entries, setup_data, kernels above 4 GiB.
 * [Linux x86 boot protocol 2.15] [Linux x86 zero page]
 */
#include "load.h"

#include "layout.h"
#include "ram.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#define SUBSYSTEM "boot"

/* Offsets in the file and, as the header is copied to the same place, in the zero page. */
enum {
	HDR_START = 0x1f1,
	HDR_SETUP_SECTS = 0x1f1,
	HDR_SYSSIZE = 0x1f4, /* in 16-byte units */
	HDR_VID_MODE = 0x1fa,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP_LEN = 0x201, /* the header ends at 0x202 plus this byte */
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_TYPE_OF_LOADER = 0x210,
	HDR_LOADFLAGS = 0x211,
	HDR_CODE32_START = 0x214,
	HDR_RAMDISK_IMAGE = 0x218,
	HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMD_LINE_PTR = 0x228,
	HDR_INITRD_ADDR_MAX = 0x22c,
	HDR_KERNEL_ALIGNMENT = 0x230,
	HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_HARDWARE_SUBARCH = 0x23c,
	HDR_SUBARCH_DATA = 0x240,
	HDR_SETUP_DATA = 0x250,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_MIN_END = 0x264, /* protocol 2.12 has all of the above */
	HDR_MAX_END = 0x290, /* another field of the zero page */

	ZP_ACPI_RSDP = 0x070,
	ZP_E820_ENTRIES = 0x1e8,
	ZP_E820_TABLE = 0x2d0,
	ZP_E820_ENTRY_BYTES = 20,
	ZP_BYTES = 4096,

	PROTOCOL_2_12 = 0x20c,
	LOADED_HIGH = 1 << 0,
	CAN_USE_HEAP = 1 << 7,
	XLF_KERNEL_64 = 1 << 0,
	ENTRY_64_OFF = 0x200,
	LOADER_UNDEFINED = 0xff,
	VID_MODE_NORMAL = 0xffff,
};
static_assert(ZP_E820_TABLE + VC_E820_MAX * ZP_E820_ENTRY_BYTES <= ZP_BYTES, "e820 fits");
static_assert(ZP_BYTES <= VC__ZERO_PAGE_BYTES, "the zero page has its page");

static uint64_t get(const uint8_t *p, size_t off, size_t len)
{
	uint64_t v = 0;
	for (size_t i = len; i-- > 0;)
		v = v << 8 | p[off + i];
	return v;
}

static void put(uint8_t *p, size_t off, size_t len, uint64_t v)
{
	for (size_t i = 0; i < len; i++)
		p[off + i] = (uint8_t)(v >> (8 * i));
}

struct bzimage {
	uint8_t head[HDR_MAX_END];   /* the file's first bytes, zeros behind the header's end */
	uint64_t code_off, code_len; /* the 64-bit kernel in the file */
	uint64_t init_size, align, pref;
};

/* Reads the header up to the end that it claims. */
static int read_header(const struct vc__source *kernel, struct bzimage *bz)
{
	memset(bz, 0, sizeof(*bz));
	int r = vc__source_read(kernel, 0, bz->head, HDR_MIN_END);
	if (r < 0)
		return r;
	const uint8_t *h = bz->head;
	if (get(h, HDR_BOOT_FLAG, 2) != 0xaa55 || memcmp(h + HDR_MAGIC, "HdrS", 4) != 0)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "is no bzImage: no Linux setup header at 0x1fe");
	unsigned int version = (unsigned int)get(h, HDR_VERSION, 2);
	if (version < PROTOCOL_2_12)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "boot protocol %u.%02u, at least 2.12 expected", version >> 8,
				    version & 0xff);
	size_t end = HDR_MAGIC + (size_t)h[HDR_JUMP_LEN];
	if (end < HDR_MIN_END || end > HDR_MAX_END)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "setup header ends at 0x%zx, 0x%x to 0x%x expected", end,
				    HDR_MIN_END, HDR_MAX_END);
	return vc__source_read(kernel, HDR_MIN_END, bz->head + HDR_MIN_END, end - HDR_MIN_END);
}

static int check_flags(const struct vc__source *kernel, const uint8_t *h)
{
	if (!(h[HDR_LOADFLAGS] & LOADED_HIGH))
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "is a zImage (loadflags 0x%02x), a bzImage was expected",
				    h[HDR_LOADFLAGS]);
	if (!(get(h, HDR_XLOADFLAGS, 2) & XLF_KERNEL_64))
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "has no 64-bit entry (xloadflags 0x%04x)",
				    (unsigned int)get(h, HDR_XLOADFLAGS, 2));
	return 0;
}

/* What of the file is to be loaded, and how much room it needs. */
static int read_sizes(const struct vc__source *kernel, struct bzimage *bz)
{
	const uint8_t *h = bz->head;
	uint64_t sects = h[HDR_SETUP_SECTS] ? h[HDR_SETUP_SECTS] : 4;
	uint64_t syssize = get(h, HDR_SYSSIZE, 4) * 16;
	bz->code_off = (sects + 1) * 512;
	/* The last unit of 16 bytes need not be there in full. */
	uint64_t rest = kernel->len > bz->code_off ? kernel->len - bz->code_off : 0;
	if (rest + 15 < syssize || !rest)
		return vc_error_set(
			-EIO, SUBSYSTEM, kernel->name,
			"has %llu bytes, its header says %llu of setup and %llu of code",
			(unsigned long long)kernel->len, (unsigned long long)bz->code_off,
			(unsigned long long)syssize);
	bz->code_len = rest < syssize ? rest : syssize;
	if (bz->code_len <= ENTRY_64_OFF)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "%llu bytes of code, the entry alone is at 0x%x",
				    (unsigned long long)bz->code_len, ENTRY_64_OFF);
	bz->init_size = get(h, HDR_INIT_SIZE, 4);
	if (bz->init_size < bz->code_len)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "init_size 0x%llx is less than its 0x%llx bytes of code",
				    (unsigned long long)bz->init_size,
				    (unsigned long long)bz->code_len);
	bz->pref = get(h, HDR_PREF_ADDRESS, 8);
	bz->align = get(h, HDR_KERNEL_ALIGNMENT, 4);
	if (bz->align < 4096 || bz->align & (bz->align - 1))
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "kernel_alignment 0x%llx, a power of two from 4096 expected",
				    (unsigned long long)bz->align);
	return 0;
}

/* The preferred address spares the kernel a move; else the lowest that is aligned. */
static int place(const struct vc__load *load, const struct bzimage *bz, vc_gpa *ret_gpa)
{
	bool is_relocatable = bz->head[HDR_RELOCATABLE];
	bool is_pref_legal = bz->pref >= VC__MIB && bz->pref < VC__HIGH_RAM_GPA &&
			     (!is_relocatable || bz->pref % bz->align == 0);
	const struct vc__ram_want want = {
		.len = bz->init_size,
		.align = bz->align,
		.min = VC__MIB,
		.limit = VC__HIGH_RAM_GPA,
	};
	if (is_pref_legal && vc__ram_has(load->machine, bz->pref, bz->init_size))
		*ret_gpa = bz->pref;
	else if (!is_relocatable || !vc__ram_place(load->machine, &want, ret_gpa))
		return vc_error_set(
			-ENOSPC, SUBSYSTEM, load->kernel.name,
			"needs %llu KiB of RAM%s 0x%llx, RAM below 4 GiB ends at 0x%llx",
			(unsigned long long)(bz->init_size / 1024),
			is_relocatable ? ", preferably at" : " at", (unsigned long long)bz->pref,
			(unsigned long long)vc__ram_top(load->machine, VC__HIGH_RAM_GPA));
	return 0;
}

static int write_zero_page(const struct vc__load *load, const struct bzimage *bz,
			   struct vc_boot_entry *entry)
{
	uint8_t zp[ZP_BYTES] = { 0 };
	memcpy(zp + HDR_START, bz->head + HDR_START, HDR_MAX_END - HDR_START);
	put(zp, HDR_VID_MODE, 2, VID_MODE_NORMAL);
	put(zp, HDR_TYPE_OF_LOADER, 1, LOADER_UNDEFINED);
	put(zp, HDR_LOADFLAGS, 1, bz->head[HDR_LOADFLAGS] & ~CAN_USE_HEAP & 0xff);
	put(zp, HDR_CODE32_START, 4, entry->kernel_gpa);
	put(zp, HDR_RAMDISK_IMAGE, 4, entry->initrd_gpa);
	put(zp, HDR_RAMDISK_SIZE, 4, entry->initrd_len);
	put(zp, HDR_CMD_LINE_PTR, 4, entry->cmdline_gpa);
	put(zp, HDR_HARDWARE_SUBARCH, 4, 0);
	put(zp, HDR_SUBARCH_DATA, 8, 0);
	put(zp, HDR_SETUP_DATA, 8, 0);
	/* Told where the tables are, the kernel need not scan the BIOS area. */
	put(zp, ZP_ACPI_RSDP, 8, load->machine->rsdp);
	put(zp, ZP_E820_ENTRIES, 1, load->machine->nr_ranges);
	for (size_t i = 0; i < load->machine->nr_ranges; i++) {
		const struct vc_e820_range *r = &load->machine->ranges[i];
		size_t off = ZP_E820_TABLE + i * ZP_E820_ENTRY_BYTES;
		put(zp, off, 8, r->gpa);
		put(zp, off + 8, 8, r->len_bytes);
		put(zp, off + 16, 4, r->type);
	}
	entry->params_gpa = VC__ZERO_PAGE_GPA;
	return vc__load_struct(load, VC__ZERO_PAGE_GPA, zp, sizeof(zp));
}

int vc__probe_bzimage(const struct vc__source *kernel)
{
	uint8_t head[HDR_VERSION];
	if (kernel->len < sizeof(head))
		return 0;
	int r = vc__source_read(kernel, 0, head, sizeof(head));
	if (r < 0)
		return r;
	return get(head, HDR_BOOT_FLAG, 2) == 0xaa55 && memcmp(head + HDR_MAGIC, "HdrS", 4) == 0;
}

int vc__load_bzimage(const struct vc__load *load, struct vc_boot_entry *entry)
{
	struct bzimage bz;
	const struct vc__source *kernel = &load->kernel;
	int r = vc__probe_bzimage(kernel);
	if (r < 0)
		return r;
	if (!r)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, kernel->name,
				    "is no bzImage: no Linux setup header at 0x1fe");
	r = read_header(kernel, &bz);
	if (!r)
		r = check_flags(kernel, bz.head);
	if (!r)
		r = read_sizes(kernel, &bz);
	if (!r)
		r = place(load, &bz, &entry->kernel_gpa);
	if (r < 0)
		return r;
	entry->kernel_len = bz.init_size;

	r = vc__load_cmdline(load, get(bz.head, HDR_CMDLINE_SIZE, 4), entry);
	if (!r)
		r = vc__load_initrd(load, get(bz.head, HDR_INITRD_ADDR_MAX, 4) + 1, entry);
	if (!r)
		r = vc__source_load(kernel, bz.code_off, bz.code_len, load->mem, entry->kernel_gpa);
	if (!r)
		r = write_zero_page(load, &bz, entry);
	if (!r)
		r = vc__entry_long(load, entry->kernel_gpa + ENTRY_64_OFF, false, entry);
	entry->regs.rsi = entry->params_gpa;
	return r;
}
