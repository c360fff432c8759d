/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM for loaders: pieces between region borders, zeroing, and a search for room in the
 * guest's memory map. Control thread only; allocates nothing. Leaves out any account of what was
 * placed: a loader names the one range to avoid. Sizes come from kernel headers, so no sum here may
 * wrap. [ACPI 6.4 15]
 */
#include "ram.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>

#include <errno.h>
#include <string.h>

/* The entry of the map that holds @gpa. Maps are short; this is no data path. */
static bool find_range(const struct vc_mem *mem, vc_gpa gpa, struct vc_mem_range *ret)
{
	struct vc_mem_range r = { .size = sizeof(r) };
	for (size_t i = 0; vc_mem_range(mem, i, &r) == 0; i++) {
		if (gpa >= r.gpa && gpa - r.gpa < r.len_bytes) {
			*ret = r;
			return true;
		}
	}
	return false;
}

int vc__ram_slice(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, struct vc_slice *ret)
{
	struct vc_mem_range range = { .size = sizeof(range) };
	if (!find_range(mem, gpa, &range))
		return -EFAULT;
	uint64_t rest = range.len_bytes - (gpa - range.gpa);
	return vc_slice_get(mem, gpa, len < rest ? len : rest, VC_PERM_WRITE, ret);
}

int vc__ram_zero(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, bool is_fresh)
{
	while (len) {
		struct vc_mem_range range = { .size = sizeof(range) };
		struct vc_slice slice;
		if (!find_range(mem, gpa, &range))
			return -EFAULT;
		int r = vc__ram_slice(mem, gpa, len, &slice);
		if (r < 0)
			return r;
		uint64_t part = slice.len;
		/* Files and foreign memory come with content. */
		bool is_zero =
			is_fresh && range.kind != VC_REGION_FILE && range.kind != VC_REGION_FOREIGN;
		if (!is_zero)
			memset(slice.ptr, 0, part);
		vc_slice_put(&slice);
		gpa += part;
		len -= part;
	}
	return 0;
}

bool vc__ram_has(const struct vc_boot_machine *machine, vc_gpa gpa, uint64_t len)
{
	for (size_t i = 0; i < machine->nr_ranges; i++) {
		const struct vc_e820_range *r = &machine->ranges[i];
		if (r->type == VC_E820_RAM && gpa >= r->gpa &&
		    vc_range_within(gpa - r->gpa, len, r->len_bytes))
			return true;
	}
	return false;
}

vc_gpa vc__ram_top(const struct vc_boot_machine *machine, uint64_t limit)
{
	vc_gpa top = 0;
	for (size_t i = 0; i < machine->nr_ranges; i++) {
		const struct vc_e820_range *r = &machine->ranges[i];
		if (r->type != VC_E820_RAM || r->gpa >= limit)
			continue;
		top = r->len_bytes < limit - r->gpa ? r->gpa + r->len_bytes : limit;
	}
	return top;
}

/* The lowest or highest place within [lo, hi). */
static bool place_within(const struct vc__ram_want *want, uint64_t lo, uint64_t hi, vc_gpa *ret)
{
	if (lo < want->min)
		lo = want->min;
	if (hi > want->limit)
		hi = want->limit;
	if (!vc_align_up_u64(lo, want->align, &lo) || lo >= hi || want->len > hi - lo)
		return false;
	*ret = want->is_high ? (hi - want->len) & ~(want->align - 1) : lo;
	return true;
}

/* As above in [lo, hi) without the range to avoid: before it, behind it. */
static bool place_around(const struct vc__ram_want *want, uint64_t lo, uint64_t hi, vc_gpa *ret)
{
	uint64_t avoid_end = 0;
	if (!want->avoid_len || !vc_add_u64(want->avoid, want->avoid_len, &avoid_end) ||
	    avoid_end <= lo || want->avoid >= hi)
		return place_within(want, lo, hi, ret);
	bool has_low = want->avoid > lo, has_high = avoid_end < hi;
	if (want->is_high)
		return (has_high && place_within(want, avoid_end, hi, ret)) ||
		       (has_low && place_within(want, lo, want->avoid, ret));
	return (has_low && place_within(want, lo, want->avoid, ret)) ||
	       (has_high && place_within(want, avoid_end, hi, ret));
}

bool vc__ram_place(const struct vc_boot_machine *machine, const struct vc__ram_want *want,
		   vc_gpa *ret_gpa)
{
	bool found = false;
	for (size_t i = 0; i < machine->nr_ranges; i++) {
		const struct vc_e820_range *r = &machine->ranges[i];
		vc_gpa at;
		if (r->type != VC_E820_RAM ||
		    !place_around(want, r->gpa, r->gpa + r->len_bytes, &at))
			continue;
		*ret_gpa = at;
		found = true;
		if (!want->is_high)
			break;
	}
	return found;
}
