/* SPDX-License-Identifier: Apache-2.0 */
/* The guest-physical map as the files of this layer see it. */
#ifndef VC_MEM_MAP_H
#define VC_MEM_MAP_H

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>

#include <stdatomic.h>

/* The grain of the dirty log, whatever pages the host uses. */
#define VC__DIRTY_PAGE_BYTES 4096u

struct vc__mem_entry {
	vc_gpa gpa;
	uint64_t len_bytes; /* gpa + len_bytes does not wrap */
	uint8_t *hva;
	uint32_t perm; /* enum vc_perm */
	uint32_t guest_node;
	size_t dirty_word; /* first word of its bits in the log; set when frozen */
	struct vc_region *region;
};

struct vc_mem {
	struct vc__mem_entry *entries; /* sorted by gpa, never overlapping */
	size_t nr, cap;
	bool is_frozen;
	size_t nr_dirty_words;
	/* NULL while no log runs; swapped by the control thread, read by all. */
	_Atomic(_Atomic uint64_t *) dirty;
};

/* Index of the first entry that ends above @gpa; @mem->nr when there is none. */
size_t vc__mem_find(const struct vc_mem *mem, vc_gpa gpa);

/* Words that hold one bit per page of @len_bytes. */
static inline size_t vc__dirty_words(uint64_t len_bytes)
{
	return (size_t)((len_bytes / VC__DIRTY_PAGE_BYTES + 63) / 64);
}

#endif /* VC_MEM_MAP_H */
