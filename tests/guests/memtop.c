/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the first 8 bytes of the first page and the last 8 bytes of the last page of every RAM
 * range of the memory map, reads all of them back afterwards (two ranges that are one memory
 * would show), and puts the old contents back. Exits 1 if one does not hold its value.
 * Parameters: none. Output: "range FIRST-LAST ok|BAD" for each, "memtop ranges=N bytes=B".
 */
#include "guest.h"

static struct probe {
	u64 at, value, old;
} probes[2 * GUEST_MAX_RANGES];

static void set_probe(struct probe *probe, u64 gpa)
{
	probe->at = gpa;
	if (gpa + 8 > 1ULL << 32)
		probe->at = (u64)guest_map(gpa, 8);
	if (gpa && !probe->at) {
		guest_printf("no room to map 0x%lx\n", gpa);
		guest_exit(GUEST_EXIT_FAIL);
	}
	probe->value = ~gpa * 0x9e3779b97f4a7c15ULL;
	probe->old = guest_read64(probe->at);
	guest_write64(probe->at, probe->value);
}

static bool holds(const struct probe *probe)
{
	return guest_read64(probe->at) == probe->value;
}

static bool usable(const struct guest_range *range)
{
	return range->type == 1 && range->size >= 16;
}

int guest_main(const struct guest_info *info)
{
	u64 bytes = 0;
	u32 nr = 0;
	int r = 0;

	for (u32 i = 0; i < info->nr_ranges; i++) {
		const struct guest_range *range = &info->ranges[i];

		if (!usable(range))
			continue;
		set_probe(&probes[2 * i], (range->addr + 7) & ~7ULL);
		set_probe(&probes[2 * i + 1], ((range->addr + range->size) & ~7ULL) - 8);
	}
	for (u32 i = 0; i < info->nr_ranges; i++) {
		const struct guest_range *range = &info->ranges[i];
		bool ok;

		if (!usable(range))
			continue;
		ok = holds(&probes[2 * i]) && holds(&probes[2 * i + 1]);
		guest_write64(probes[2 * i].at, probes[2 * i].old);
		guest_write64(probes[2 * i + 1].at, probes[2 * i + 1].old);
		guest_printf("range 0x%lx-0x%lx %s\n", range->addr, range->addr + range->size - 1,
			     ok ? "ok" : "BAD");
		if (!ok)
			r = GUEST_EXIT_FAIL;
		bytes += range->size;
		nr++;
	}
	guest_printf("memtop ranges=%u bytes=0x%lx\n", nr, bytes);
	return nr ? r : GUEST_EXIT_FAIL;
}
