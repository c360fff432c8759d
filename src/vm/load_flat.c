/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flat images: bytes at an address, entered at their first, in one of four modes. Control thread
 * only. In all but real mode a stack is ready below VC__BOOT_STRUCTS_END and the image may not lie
 * on the boot structures; real mode has none, its stack pointer is 0 (so it wraps to 64 KiB).
 * Leaves out initrd, command line and any description of the machine. [boot.h enum vc_flat_mode]
 */
#include "load.h"

#include "layout.h"

#include <libvirtcore/implement.h>

#include <errno.h>

#define SUBSYSTEM "boot"

static int check_real(const struct vc__load *load)
{
	vc_gpa gpa = load->cfg->flat_gpa;
	if (gpa < VC__MIB && gpa % 16 == 0)
		return 0;
	return vc_error_set(-EINVAL, SUBSYSTEM, load->kernel.name,
			    "flat_gpa 0x%llx, a multiple of 16 below 1 MiB expected in real mode",
			    (unsigned long long)gpa);
}

static int check_structs(const struct vc__load *load)
{
	vc_gpa gpa = load->cfg->flat_gpa;
	uint64_t len = load->kernel.len;
	if (gpa >= VC__HIGH_RAM_GPA || len > VC__HIGH_RAM_GPA - gpa)
		return vc_error_set(
			-EINVAL, SUBSYSTEM, load->kernel.name,
			"%llu bytes at 0x%llx pass 4 GiB: only the space below is mapped",
			(unsigned long long)len, (unsigned long long)gpa);
	if (gpa < VC__BOOT_STRUCTS_END && gpa + len > VC__GDT_GPA)
		return vc_error_set(-EINVAL, SUBSYSTEM, load->kernel.name,
				    "%llu bytes at 0x%llx lie on the boot structures at 0x%llx to "
				    "0x%llx",
				    (unsigned long long)len, (unsigned long long)gpa, VC__GDT_GPA,
				    VC__BOOT_STRUCTS_END - 1);
	return 0;
}

/* The tables were written before: an image would lie on them unseen. */
static int check_tables(const struct vc__load *load)
{
	vc_gpa gpa = load->cfg->flat_gpa;
	uint64_t len = load->kernel.len;

	for (size_t i = 0; i < load->machine->nr_ranges; i++) {
		const struct vc_e820_range *r = &load->machine->ranges[i];

		if (r->type == VC_E820_ACPI && gpa < r->gpa + r->len_bytes &&
		    (gpa >= r->gpa || r->gpa - gpa < len))
			return vc_error_set(-EINVAL, SUBSYSTEM, load->kernel.name,
					    "%llu bytes at 0x%llx lie on the ACPI tables at 0x%llx "
					    "to 0x%llx",
					    (unsigned long long)len, (unsigned long long)gpa,
					    (unsigned long long)r->gpa,
					    (unsigned long long)(r->gpa + r->len_bytes - 1));
	}
	return 0;
}

int vc__load_flat(const struct vc__load *load, struct vc_boot_entry *entry)
{
	vc_gpa gpa = load->cfg->flat_gpa;
	enum vc_flat_mode mode = load->cfg->flat_mode;
	if (!load->kernel.len)
		return vc_error_set(-ENOEXEC, SUBSYSTEM, load->kernel.name, "is empty");
	int r = mode == VC_FLAT_REAL_16 ? check_real(load) : check_structs(load);
	if (!r)
		r = check_tables(load);
	if (!r)
		r = vc__source_load(&load->kernel, 0, load->kernel.len, load->mem, gpa);
	if (r < 0)
		return r;
	entry->kernel_gpa = gpa;
	entry->kernel_len = load->kernel.len;
	if (mode == VC_FLAT_REAL_16)
		vc__entry_real((uint32_t)gpa, entry);
	else if (mode == VC_FLAT_PROTECTED_32)
		r = vc__entry_protected(load, (uint32_t)gpa, true, entry);
	else
		r = vc__entry_long(load, gpa, mode == VC_FLAT_LONG_64_USER, entry);
	return r;
}
