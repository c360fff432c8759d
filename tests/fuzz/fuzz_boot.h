/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets of the boot loaders share: a machine whose RAM lies between pages that
 * nobody may touch and has a legacy area that nothing may be loaded to, and what must hold of every
 * kernel that is taken.
 */
#ifndef VC_TESTS_FUZZ_BOOT_H
#define VC_TESTS_FUZZ_BOOT_H

#include "layout.h"
#include "load.h"

#include <libvirtcore/mem.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_BYTES   (8 * VC__MIB)
#define GUARD_BYTES VC__MIB
#define CANARY	    0xa5

/* An abort that fuzzers and plain programs both end on. */
static inline void must(int holds)
{
	if (!holds)
		__builtin_trap();
}

struct bed {
	uint8_t *hva;
	struct vc_mem *mem;
	struct vc__layout layout;
	struct vc_boot_machine machine;
};

static inline void make_bed(struct bed *bed)
{
	struct vc__layout_ram ram = { .len_bytes = RAM_BYTES };
	struct vc__layout_request req = { .rams = &ram, .nr_rams = 1, .has_acpi = true };
	struct vc_region *region;
	uint8_t *p = mmap(NULL, RAM_BYTES + 2 * GUARD_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	must(p != MAP_FAILED);
	bed->hva = p + GUARD_BYTES;
	must(mprotect(bed->hva, RAM_BYTES, PROT_READ | PROT_WRITE) == 0);
	must(vc__layout_make(&req, &bed->layout) == 0);
	struct vc_region_config rc = { .size = sizeof(rc),
				       .kind = VC_REGION_FOREIGN,
				       .len_bytes = RAM_BYTES,
				       .foreign = { .hva = bed->hva } };
	must(vc_region_create(&rc, &region) == 0);
	must(vc_mem_create(&bed->mem) == 0);
	must(vc_mem_map(bed->mem, region, 0, 0) == 0);
	vc_region_put(region);
	must(vc_mem_freeze(bed->mem) == 0);
	memset(bed->hva + VC__EBDA_GPA, CANARY, VC__MIB - VC__EBDA_GPA);
	bed->machine = (struct vc_boot_machine){ .ranges = bed->layout.e820,
						 .nr_ranges = bed->layout.nr_e820,
						 .rsdp = VC__ACPI_GPA };
}

static inline int is_in_ram(vc_gpa gpa, uint64_t len)
{
	return (gpa < VC__EBDA_GPA && len <= VC__EBDA_GPA - gpa) ||
	       (gpa >= VC__MIB && gpa < RAM_BYTES && len <= RAM_BYTES - gpa);
}

static inline int meet(vc_gpa a, uint64_t a_len, vc_gpa b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* True of whatever was loaded. */
static inline void check_entry(const struct vc_boot_entry *e)
{
	must(e->kernel_gpa < RAM_BYTES && e->kernel_len <= RAM_BYTES - e->kernel_gpa);
	must(e->regs.rip >= e->kernel_gpa && e->regs.rip - e->kernel_gpa < e->kernel_len);
	must(is_in_ram(e->regs.rip, 1));
	must(is_in_ram(e->params_gpa, 4096));
	if (e->initrd_len) {
		must(is_in_ram(e->initrd_gpa, e->initrd_len));
		must(!meet(e->initrd_gpa, e->initrd_len, e->kernel_gpa, e->kernel_len));
	}
}

/*
 * Loads one input. Its last byte says how: bit 0 fresh memory, bit 1 with an initrd, bit 2 with a
 * command line.
 */
static inline void load_input(struct bed *bed, enum vc_boot_kind kind, const uint8_t *data,
			      size_t len)
{
	uint8_t how = len ? data[--len] : 0;
	uint8_t *exact = malloc(len ? len : 1); /* so that a read too far is seen */
	static const uint8_t initrd[5000] = { 1 };
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kind = kind,
				      .kernel = { .buf = exact, .len = len },
				      .cmdline = how & 4 ? "console=ttyS0 panic=-1" : NULL };
	struct vc_boot_entry e;

	must(exact != NULL);
	if (len)
		memcpy(exact, data, len);
	if (how & 2)
		cfg.initrd = (struct vc_source){ .buf = initrd, .len = sizeof(initrd) };
	struct vc__boot_files files;
	int r = vc__boot_open(&cfg, &files);
	if (!r) {
		r = vc__boot_load(bed->mem, &files, &bed->machine, how & 1, &e);
		vc__boot_close(&files);
	}
	must(r <= 0);
	if (!r)
		check_entry(&e);
	enum vc_boot_kind found;
	r = vc_boot_probe(&cfg.kernel, &found);
	must(r < 0 || found == VC_BOOT_BZIMAGE || found == VC_BOOT_PVH);
	free(exact);
	/* A sample each time: all of it would cost more than the loading. */
	for (uint64_t gpa = VC__EBDA_GPA; gpa < VC__MIB; gpa += 509)
		must(bed->hva[gpa] == CANARY);
}

#endif /* VC_TESTS_FUZZ_BOOT_H */
