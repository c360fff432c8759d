/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest-physical layout of an x86 machine: places RAM around the hole below 4 GiB and makes the
 * memory map that the guest is given. Control thread only; allocates nothing. RAM is contiguous
 * from 0 (one memory slot, huge pages possible): what a PC keeps for itself below 1 MiB has RAM
 * behind it and is only reserved in the map, so a guest that scans there causes no exits.
 * Leaves out hot-plug. [ACPI 6.4 15]
 */
#include "layout.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/pci.h>
#include <libvirtcore/platform.h>

#include <errno.h>
#include <string.h>

#define SUBSYSTEM "vm"
#define OBJECT	  "layout"

static_assert(VC__IOAPIC_GPA == VC_IOAPIC_BASE && VC__IOAPIC_BYTES == VC_IOAPIC_LENGTH,
	      "one place for the IOAPIC");

static bool overlap(vc_gpa a, uint64_t a_len, vc_gpa b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* All RAM together is within what a machine may have. */
static int check_total(const struct vc__layout_request *req)
{
	uint64_t total = 0;
	for (size_t i = 0; i < req->nr_rams; i++)
		if (!vc_add_u64(total, req->rams[i].len_bytes, &total))
			return vc_error_set(-EOVERFLOW, SUBSYSTEM, OBJECT,
					    "the sizes of RAM add up to more than 2^64 bytes");
	if (total < VC__RAM_BYTES_MIN)
		return vc_error_set(-ERANGE, SUBSYSTEM, OBJECT,
				    "%llu bytes of RAM, at least %llu (1 MiB) expected",
				    (unsigned long long)total, VC__RAM_BYTES_MIN);
	if (total > VC__RAM_BYTES_MAX)
		return vc_error_set(-ERANGE, SUBSYSTEM, OBJECT,
				    "%llu MiB of RAM, at most %llu (1 TiB) expected",
				    (unsigned long long)(total / VC__MIB),
				    VC__RAM_BYTES_MAX / VC__MIB);
	return 0;
}

static int check_ram(const struct vc__layout_ram *ram, size_t idx)
{
	uint64_t page = ram->page_bytes ? ram->page_bytes : 4096;
	if (page != 4096 && page != 2 * VC__MIB && page != VC__GIB)
		return vc_error_set(-EINVAL, SUBSYSTEM, OBJECT,
				    "RAM %zu: pages of %llu bytes, 4 KiB, 2 MiB or 1 GiB expected",
				    idx, (unsigned long long)page);
	if (!ram->len_bytes || ram->len_bytes % page)
		return vc_error_set(-EINVAL, SUBSYSTEM, OBJECT,
				    "RAM %zu: %llu bytes, a multiple of %llu expected", idx,
				    (unsigned long long)ram->len_bytes, (unsigned long long)page);
	if (ram->node >= VC_NUMA_NODES_MAX)
		return vc_error_set(-EINVAL, SUBSYSTEM, OBJECT,
				    "RAM %zu: node %u, at most %u expected", idx, ram->node,
				    VC_NUMA_NODES_MAX - 1);
	return 0;
}

/* Cuts the piece in two where it meets the hole. */
static int place_ram(const struct vc__layout_ram *ram, uint32_t idx, vc_gpa *cursor,
		     struct vc__layout *l)
{
	uint64_t page = ram->page_bytes ? ram->page_bytes : 4096;
	for (uint64_t off = 0; off < ram->len_bytes;) {
		if (*cursor == VC__LOW_RAM_MAX)
			*cursor = VC__HIGH_RAM_GPA;
		if (*cursor % page)
			return vc_error_set(-EINVAL, SUBSYSTEM, OBJECT,
					    "RAM %u of %llu MiB pages would begin at 0x%llx: put "
					    "RAM of larger pages first",
					    idx, (unsigned long long)(page / VC__MIB),
					    (unsigned long long)*cursor);
		uint64_t len = ram->len_bytes - off;
		if (*cursor < VC__LOW_RAM_MAX && len > VC__LOW_RAM_MAX - *cursor)
			len = VC__LOW_RAM_MAX - *cursor;
		l->ranges[l->nr_ranges++] = (struct vc__layout_range){
			.gpa = *cursor, .len_bytes = len, .off = off, .ram = idx, .node = ram->node
		};
		if (*cursor < VC__LOW_RAM_MAX)
			l->low_bytes += len;
		else
			l->high_bytes += len;
		*cursor += len;
		off += len;
	}
	return 0;
}

static int check_width(uint32_t phys_bits, vc_gpa end, const char *what)
{
	if (!phys_bits || phys_bits >= 64 || end <= 1ull << phys_bits)
		return 0;
	return vc_error_set(-ERANGE, SUBSYSTEM, OBJECT,
			    "%s ends at 0x%llx, the guest's addresses have %u bits", what,
			    (unsigned long long)end, phys_bits);
}

static int check_pci(const struct vc__layout_request *req, const struct vc__layout_fixed *f)
{
	if (!req->has_pci ||
	    (!overlap(f->gpa, f->len_bytes, VC__PCI_MEM32_GPA, VC__PCI_MEM32_BYTES) &&
	     !overlap(f->gpa, f->len_bytes, VC__PCI_ECAM_GPA, VC_PCI_ECAM_BYTES)))
		return 0;
	return vc_error_set(-EEXIST, SUBSYSTEM, f->name,
			    "0x%llx bytes at 0x%llx lie on PCI's window (0x%llx at 0x%llx) or its "
			    "configuration space (0x%llx at 0x%llx)",
			    (unsigned long long)f->len_bytes, (unsigned long long)f->gpa,
			    VC__PCI_MEM32_BYTES, VC__PCI_MEM32_GPA, VC_PCI_ECAM_BYTES,
			    VC__PCI_ECAM_GPA);
}

/* One fixed region against all RAM, PCI and the interrupt controllers. */
static int check_fixed(const struct vc__layout_request *req, const struct vc__layout_fixed *f,
		       const struct vc__layout *l)
{
	unsigned long long gpa = f->gpa, len = f->len_bytes;
	if (!len || len % 4096 || gpa % 4096)
		return vc_error_set(-EINVAL, SUBSYSTEM, f->name,
				    "%llu bytes at 0x%llx, multiples of 4096 expected", len, gpa);
	if (len > -gpa - 1)
		return vc_error_set(-EOVERFLOW, SUBSYSTEM, f->name,
				    "%llu bytes at 0x%llx end beyond 2^64", len, gpa);
	int r = check_width(req->phys_bits, gpa + len, f->name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->nr_ranges; i++)
		if (overlap(gpa, len, l->ranges[i].gpa, l->ranges[i].len_bytes))
			return vc_error_set(
				-EEXIST, SUBSYSTEM, f->name,
				"0x%llx bytes at 0x%llx lie on RAM %u (0x%llx at 0x%llx)", len, gpa,
				l->ranges[i].ram, (unsigned long long)l->ranges[i].len_bytes,
				(unsigned long long)l->ranges[i].gpa);
	r = check_pci(req, f);
	if (r < 0 || !req->has_irqchip)
		return r;
	if (overlap(gpa, len, VC__IOAPIC_GPA, VC__IOAPIC_BYTES) ||
	    overlap(gpa, len, VC__LAPIC_GPA, VC__LAPIC_BYTES))
		return vc_error_set(
			-EEXIST, SUBSYSTEM, f->name,
			"0x%llx bytes at 0x%llx lie on the IOAPIC (0x%llx) or the LAPIC "
			"(0x%llx)",
			len, gpa, VC__IOAPIC_GPA, VC__LAPIC_GPA);
	return 0;
}

static int check_all_fixed(const struct vc__layout_request *req, const struct vc__layout *l)
{
	const struct vc__layout_fixed *f = req->fixed;
	for (size_t i = 0; i < req->nr_fixed; i++) {
		int r = check_fixed(req, &f[i], l);
		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (overlap(f[i].gpa, f[i].len_bytes, f[k].gpa, f[k].len_bytes))
				return vc_error_set(-EEXIST, SUBSYSTEM, f[i].name,
						    "0x%llx bytes at 0x%llx lie on %s at 0x%llx",
						    (unsigned long long)f[i].len_bytes,
						    (unsigned long long)f[i].gpa, f[k].name,
						    (unsigned long long)f[k].gpa);
	}
	return 0;
}

/* Inserts a stretch at its place; neighbours of one type that touch become one. */
static void add_e820(struct vc__layout *l, vc_gpa gpa, uint64_t len, enum vc_e820_type type)
{
	if (!len)
		return;
	size_t at = l->nr_e820;
	while (at && l->e820[at - 1].gpa > gpa)
		at--;
	struct vc_e820_range *before = at ? &l->e820[at - 1] : NULL;
	if (before && before->type == type && before->gpa + before->len_bytes == gpa) {
		before->len_bytes += len;
		return;
	}
	memmove(&l->e820[at + 1], &l->e820[at], (l->nr_e820 - at) * sizeof(l->e820[0]));
	l->e820[at] = (struct vc_e820_range){ .gpa = gpa, .len_bytes = len, .type = type };
	l->nr_e820++;
}
static_assert(8 + VC__LAYOUT_FIXED_MAX <= VC_E820_MAX, "the memory map holds all stretches");
static_assert(VC__PCI_MEM32_GPA >= VC__LOW_RAM_MAX &&
		      VC__PCI_MEM32_GPA + VC__PCI_MEM32_BYTES <= VC__PCI_ECAM_GPA &&
		      VC__PCI_ECAM_GPA + VC_PCI_ECAM_BYTES <= VC__IOAPIC_GPA,
	      "PCI lies between RAM and the interrupt controllers");

/* Behind RAM and whatever the embedder has up there. */
static void place_pci(const struct vc__layout_request *req, vc_gpa end, struct vc__layout *l)
{
	uint64_t limit =
		req->phys_bits && req->phys_bits < 64 ? 1ull << req->phys_bits : UINT64_MAX;
	uint64_t base = end > VC__HIGH_RAM_GPA ? end : VC__HIGH_RAM_GPA;

	for (size_t i = 0; i < req->nr_fixed; i++)
		if (req->fixed[i].gpa + req->fixed[i].len_bytes > base)
			base = req->fixed[i].gpa + req->fixed[i].len_bytes;
	if (!req->has_pci || !vc_align_up_u64(base, VC__GIB, &base) || base >= limit)
		return;
	l->pci_gpa = base;
	l->pci_bytes = limit - base < VC__PCI_MEM64_BYTES ? limit - base : VC__PCI_MEM64_BYTES;
	l->pci_bytes &= ~(VC__GIB - 1);
}

static void make_e820(const struct vc__layout_request *req, struct vc__layout *l)
{
	add_e820(l, 0, VC__EBDA_GPA, VC_E820_RAM);
	add_e820(l, VC__EBDA_GPA, VC__ACPI_GPA - VC__EBDA_GPA, VC_E820_RESERVED);
	add_e820(l, VC__ACPI_GPA, VC__ACPI_BYTES, req->has_acpi ? VC_E820_ACPI : VC_E820_RESERVED);
	add_e820(l, VC__RESET_GPA, VC__MIB - VC__RESET_GPA, VC_E820_RESERVED);
	add_e820(l, VC__MIB, l->low_bytes - VC__MIB, VC_E820_RAM);
	if (req->has_pci)
		add_e820(l, VC__PCI_ECAM_GPA, VC_PCI_ECAM_BYTES, VC_E820_RESERVED);
	add_e820(l, VC__HIGH_RAM_GPA, l->high_bytes, VC_E820_RAM);
	for (size_t i = 0; i < req->nr_fixed; i++)
		add_e820(l, req->fixed[i].gpa, req->fixed[i].len_bytes, VC_E820_RESERVED);
}

int vc__layout_make(const struct vc__layout_request *req, struct vc__layout *ret)
{
	if (!req->nr_rams)
		return vc_error_set(-EINVAL, SUBSYSTEM, OBJECT, "the machine has no RAM");
	if (req->nr_rams > VC__LAYOUT_RAMS_MAX || req->nr_fixed > VC__LAYOUT_FIXED_MAX)
		return vc_error_set(-E2BIG, SUBSYSTEM, OBJECT,
				    "%zu pieces of RAM and %zu regions, at most %u and %u expected",
				    req->nr_rams, req->nr_fixed, VC__LAYOUT_RAMS_MAX,
				    VC__LAYOUT_FIXED_MAX);
	int r = check_total(req);
	struct vc__layout l = { 0 };
	vc_gpa cursor = 0;
	for (size_t i = 0; !r && i < req->nr_rams; i++) {
		r = check_ram(&req->rams[i], i);
		if (!r)
			r = place_ram(&req->rams[i], (uint32_t)i, &cursor, &l);
	}
	if (!r)
		r = check_width(req->phys_bits, cursor, "RAM");
	if (!r)
		r = check_all_fixed(req, &l);
	if (r < 0)
		return r;
	make_e820(req, &l);
	place_pci(req, cursor, &l);
	*ret = l;
	return 0;
}
