/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of pages that the host writes; a hypervisor's log does not see them.
 *
 * Marked from any thread, started, taken and stopped on the control thread. One bit per 4 KiB page
 * in one array for the whole map, set by atomic OR, taken by atomic exchange. A bit is set after the
 * bytes were written (release, pairs with the acquire of vc_mem_dirty_take()), and set even if it
 * is set already: a look first would let a page slip by that is being taken.
 */
#include "map.h"

#include <errno.h>

int vc_mem_dirty_start(struct vc_mem *mem)
{
	_Atomic uint64_t *bits;

	if (!mem || !mem->is_frozen)
		return vc_error_set(-EINVAL, "mem", NULL, "no map, or it is not frozen");
	if (atomic_load_explicit(&mem->dirty, memory_order_relaxed))
		return vc_error_set(-EALREADY, "mem", NULL, "the dirty log runs");
	bits = calloc(mem->nr_dirty_words + 1, sizeof(*bits));
	if (!bits)
		return vc_error_set(-ENOMEM, "mem", NULL, "no memory for a dirty log of %zu bytes",
				    mem->nr_dirty_words * sizeof(*bits));
	/*
	 * Release: the zeros come first; pairs with the load in vc_mem_dirty_mark(). The fence pairs
	 * with the one there: a writer either sees the log, or its bytes are seen by whoever reads
	 * the memory after this call.
	 */
	atomic_store_explicit(&mem->dirty, bits, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	return 0;
}

void vc_mem_dirty_stop(struct vc_mem *mem)
{
	if (mem)
		free((void *)atomic_exchange_explicit(&mem->dirty, NULL, memory_order_acq_rel));
}

/* Sets bits @first to @last of an entry whose bits begin at @words. */
static void set_bits(_Atomic uint64_t *words, uint64_t first, uint64_t last)
{
	for (uint64_t i = first / 64; i <= last / 64; i++) {
		uint64_t mask = UINT64_MAX;

		if (i == first / 64)
			mask &= UINT64_MAX << first % 64;
		if (i == last / 64)
			mask &= UINT64_MAX >> (63 - last % 64);
		atomic_fetch_or_explicit(&words[i], mask, memory_order_release);
	}
}

void vc_mem_dirty_mark(const struct vc_mem *mem, vc_gpa gpa, uint64_t len)
{
	_Atomic uint64_t *bits;
	vc_gpa last = 0;

	if (!mem || len == 0)
		return;
	/* Pairs with the fence in vc_mem_dirty_start(). */
	atomic_thread_fence(memory_order_seq_cst);
	bits = atomic_load_explicit(&mem->dirty, memory_order_acquire);
	if (!bits)
		return;
	if (!vc_add_u64(gpa, len - 1, &last))
		last = UINT64_MAX;
	for (size_t i = vc__mem_find(mem, gpa); i < mem->nr; i++) {
		const struct vc__mem_entry *e = &mem->entries[i];
		uint64_t from = gpa > e->gpa ? gpa - e->gpa : 0;
		uint64_t to = e->len_bytes - 1;

		if (e->gpa > last)
			break;
		if (last - e->gpa < to)
			to = last - e->gpa;
		set_bits(bits + e->dirty_word, from / VC__DIRTY_PAGE_BYTES,
			 to / VC__DIRTY_PAGE_BYTES);
	}
}

int64_t vc_mem_dirty_take(struct vc_mem *mem, size_t idx, uint64_t *bits, size_t nr_words)
{
	_Atomic uint64_t *words;
	const struct vc__mem_entry *e;
	size_t nr;
	int64_t found = 0;

	if (!mem || !bits)
		return vc_error_set(-EINVAL, "mem", NULL, "no map or no place for the bits");
	words = atomic_load_explicit(&mem->dirty, memory_order_relaxed);
	if (!words)
		return vc_error_set(-EINVAL, "mem", NULL, "no dirty log runs");
	if (idx >= mem->nr)
		return -ENOENT; /* the end of a loop, not a mistake */
	e = &mem->entries[idx];
	nr = vc__dirty_words(e->len_bytes);
	if (nr_words < nr)
		return vc_error_set(-EINVAL, "mem", NULL, "place for %zu words, expected %zu",
				    nr_words, nr);
	for (size_t i = 0; i < nr; i++) {
		_Atomic uint64_t *word = &words[e->dirty_word + i];
		uint64_t taken;

		/* Most words are 0: looking first keeps their pages untouched. */
		if (atomic_load_explicit(word, memory_order_relaxed) == 0)
			continue;
		taken = atomic_exchange_explicit(word, 0, memory_order_acquire);
		bits[i] |= taken;
		found += __builtin_popcountll(taken);
	}
	return found;
}
