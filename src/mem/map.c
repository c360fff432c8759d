/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest-physical map: which region lies at which guest address.
 *
 * Built on the control thread; once frozen it never changes, so any thread may look things up in it
 * without a lock. A sorted array and a binary search: guests have a handful of ranges. Pointers into
 * the memory are made in slice.c only; vc_mem_backing() names the mapping to hypervisor back ends.
 */
#include "map.h"
#include "region.h"
#include "region_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define RANGE_FIRST_BYTES (offsetof(struct vc_mem_range, page_bytes) + sizeof(uint64_t))

int vc_mem_create(struct vc_mem **ret_mem)
{
	struct vc_mem *mem;

	if (!ret_mem)
		return vc_error_set(-EINVAL, "mem", NULL, "no place for the map");
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return vc_error_set(-ENOMEM, "mem", NULL, "no memory for a map");
	*ret_mem = mem;
	return 0;
}

void vc_mem_clear(struct vc_mem *mem)
{
	if (!mem)
		return;
	vc_mem_dirty_stop(mem);
	for (size_t i = 0; i < mem->nr; i++) {
		struct vc_region *region = mem->entries[i].region;

		/* Release: pairs with vc_region_write(). */
		atomic_fetch_sub_explicit(&region->nr_maps, 1, memory_order_release);
		vc_region_put(region);
	}
	mem->nr = 0;
	mem->is_frozen = false;
}

void vc_mem_destroy(struct vc_mem *mem)
{
	if (!mem)
		return;
	vc_mem_clear(mem);
	free(mem->entries);
	free(mem);
}

size_t vc__mem_find(const struct vc_mem *mem, vc_gpa gpa)
{
	size_t low = 0, high = mem->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vc__mem_entry *e = &mem->entries[mid];

		if (gpa < e->gpa || gpa - e->gpa < e->len_bytes)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Refuses what does not fit into the map; *@ret_at is the place in the array. */
static int check_place(const struct vc_mem *mem, const struct vc_region *region, vc_gpa gpa,
		       size_t *ret_at)
{
	const struct vc__mem_entry *next;
	uint64_t end = 0;
	size_t at;

	if (gpa % region->page_bytes != 0)
		return vc_error_set(-EINVAL, "mem", region->name,
				    "address 0x%" PRIx64
				    " is no multiple of the page size, %" PRIu64,
				    gpa, region->page_bytes);
	if (!vc_add_u64(gpa, region->len_bytes, &end))
		return vc_error_set(-EOVERFLOW, "mem", region->name,
				    "0x%" PRIx64 " bytes at 0x%" PRIx64
				    " reach beyond the 64-bit address space",
				    region->len_bytes, gpa);
	at = vc__mem_find(mem, gpa);
	*ret_at = at;
	if (at == mem->nr)
		return 0;
	next = &mem->entries[at];
	if (next->gpa < end)
		return vc_error_set(
			-EEXIST, "mem", region->name,
			"0x%" PRIx64 "-0x%" PRIx64 " overlaps %s at 0x%" PRIx64 "-0x%" PRIx64, gpa,
			end - 1, next->region->name, next->gpa, next->gpa + next->len_bytes - 1);
	return 0;
}

static int make_room(struct vc_mem *mem)
{
	size_t cap = mem->cap ? mem->cap * 2 : 8;
	struct vc__mem_entry *entries;

	if (mem->nr < mem->cap)
		return 0;
	entries = realloc(mem->entries, cap * sizeof(*entries));
	if (!entries)
		return vc_error_set(-ENOMEM, "mem", NULL, "no memory for %zu ranges", cap);
	mem->entries = entries;
	mem->cap = cap;
	return 0;
}

int vc_mem_map(struct vc_mem *mem, struct vc_region *region, vc_gpa gpa, uint32_t guest_node)
{
	bool is_readonly;
	size_t at = 0;
	int r;

	if (!mem || !region)
		return vc_error_set(-EINVAL, "mem", NULL, "no map or no region");
	if (mem->is_frozen)
		return vc_error_set(-EBUSY, "mem", region->name, "the map is frozen");
	if (guest_node >= VC_NUMA_NODES_MAX)
		return vc_error_set(-EINVAL, "mem", region->name,
				    "guest node %" PRIu32 ", expected 0 to %u", guest_node,
				    VC_NUMA_NODES_MAX - 1);
	r = make_room(mem);
	if (r == 0)
		r = check_place(mem, region, gpa, &at);
	if (r < 0)
		return r;
	is_readonly = region->flags & VC_REGION_READONLY;
	memmove(&mem->entries[at + 1], &mem->entries[at], (mem->nr - at) * sizeof(*mem->entries));
	mem->entries[at] = (struct vc__mem_entry){
		.gpa = gpa,
		.len_bytes = region->len_bytes,
		.hva = region->hva,
		.perm = is_readonly ? VC_PERM_READ : VC_PERM_READ | VC_PERM_WRITE,
		.guest_node = guest_node,
		.region = vc_region_get(region),
	};
	atomic_fetch_add_explicit(&region->nr_maps, 1, memory_order_relaxed);
	mem->nr++;
	return 0;
}

int vc_mem_freeze(struct vc_mem *mem)
{
	int r = 0;

	if (!mem)
		return vc_error_set(-EINVAL, "mem", NULL, "no map");
	if (mem->is_frozen)
		return vc_error_set(-EALREADY, "mem", NULL, "the map is frozen");
	for (size_t i = 0; i < mem->nr && r == 0; i++)
		r = vc__region_check_file(mem->entries[i].region);
	if (r < 0)
		return r;
	mem->nr_dirty_words = 0;
	for (size_t i = 0; i < mem->nr; i++) {
		mem->entries[i].dirty_word = mem->nr_dirty_words;
		mem->nr_dirty_words += vc__dirty_words(mem->entries[i].len_bytes);
	}
	mem->is_frozen = true;
	return 0;
}

int vc_mem_range(const struct vc_mem *mem, size_t idx, struct vc_mem_range *ret_range)
{
	const struct vc__mem_entry *e;
	struct vc_mem_range range;
	int r;

	if (!mem || !ret_range)
		return vc_error_set(-EINVAL, "mem", NULL, "no map or no place for the range");
	r = vc_result_fill(ret_range, RANGE_FIRST_BYTES, NULL, 0);
	if (r < 0)
		return r;
	if (idx >= mem->nr)
		return -ENOENT; /* the end of a loop, not a mistake */
	e = &mem->entries[idx];
	range = (struct vc_mem_range){
		.size = sizeof(range),
		.gpa = e->gpa,
		.len_bytes = e->len_bytes,
		.name = e->region->name,
		.kind = e->region->kind,
		.flags = e->region->flags,
		.guest_node = e->guest_node,
		.page_bytes = e->region->page_bytes,
	};
	return vc_result_fill(ret_range, RANGE_FIRST_BYTES, &range, sizeof(range));
}

int vc_mem_backing(const struct vc_mem *mem, size_t idx, void **ret_hva)
{
	if (!mem || !ret_hva || !mem->is_frozen)
		return vc_error_set(-EINVAL, "mem", NULL, "no frozen map or no place");
	if (idx >= mem->nr)
		return -ENOENT;
	*ret_hva = mem->entries[idx].hva;
	return 0;
}
