/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Touches the pages of a region before a guest does.
 *
 * Runs on the control thread, or on threads made for it and joined before it returns; their signals
 * are all blocked. The threads take pieces of the region from one counter until none is left, so a
 * slow one does not hold up the others. MADV_POPULATE_* returns an error where a touch would raise
 * SIGBUS (a node or a cgroup without huge pages). [madvise(2)]
 */
#include "region.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#define PIECE_BYTES (32ull << 20)
#define STACK_BYTES (256u << 10)

struct work {
	uint8_t *hva;
	uint64_t len_bytes;
	uint64_t piece_bytes; /* multiple of the page size */
	int advice;
	_Atomic uint64_t next_off;
	_Atomic int err; /* the first -errno; stops all threads */
};

static int touch(const struct work *work, uint64_t off, uint64_t len)
{
	int r;

	do {
		r = madvise(work->hva + off, len, work->advice);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static void *touch_pieces(void *arg)
{
	struct work *work = arg;

	while (atomic_load_explicit(&work->err, memory_order_relaxed) == 0) {
		uint64_t off = atomic_fetch_add_explicit(&work->next_off, work->piece_bytes,
							 memory_order_relaxed);
		uint64_t len = work->piece_bytes;
		int none = 0, r;

		if (off >= work->len_bytes)
			break;
		if (len > work->len_bytes - off)
			len = work->len_bytes - off;
		r = touch(work, off, len);
		if (r < 0)
			atomic_compare_exchange_strong_explicit(
				&work->err, &none, r, memory_order_relaxed, memory_order_relaxed);
	}
	return NULL;
}

/* A thread of ours must never run a handler of the embedder's. */
static int init_attributes(pthread_attr_t *attr)
{
	sigset_t all;
	int r = pthread_attr_init(attr);

	if (r != 0)
		return r;
	(void)sigfillset(&all);
	r = pthread_attr_setsigmask_np(attr, &all);
	if (r == 0)
		r = pthread_attr_setstacksize(attr, STACK_BYTES);
	if (r != 0)
		(void)pthread_attr_destroy(attr);
	return r;
}

static int touch_by_threads(const struct vc_region *region, struct work *work, uint32_t nr)
{
	pthread_t threads[VC__POPULATE_THREADS_MAX];
	pthread_attr_t attr;
	uint32_t made = 0;
	int r = init_attributes(&attr);

	if (r == 0) {
		for (; made < nr && r == 0; made += (r == 0))
			r = pthread_create(&threads[made], &attr, touch_pieces, work);
		(void)pthread_attr_destroy(&attr);
	}
	if (r != 0)
		atomic_store_explicit(&work->err, -r, memory_order_relaxed);
	for (uint32_t i = 0; i < made; i++)
		(void)pthread_join(threads[i], NULL);
	if (r != 0)
		return vc_error_set(-EAGAIN, "mem", region->name,
				    "prefault thread %u of %u could not be made (error %d)",
				    made + 1, nr, r);
	return work->err;
}

int vc__region_populate(const struct vc_region *region, uint32_t nr_threads)
{
	struct work work = {
		.hva = region->hva,
		.len_bytes = region->len_bytes,
		.piece_bytes = PIECE_BYTES,
		.advice = MADV_POPULATE_WRITE,
	};
	bool is_file = region->kind == VC_REGION_FILE;
	uint64_t nr_pieces;

	/* What is mapped read-only cannot be written, a private file must keep sharing its pages. */
	if (is_file && (region->flags & (VC_REGION_READONLY | VC_REGION_PRIVATE)))
		work.advice = MADV_POPULATE_READ;
	if (work.piece_bytes < region->page_bytes)
		work.piece_bytes = region->page_bytes;
	nr_pieces = (work.len_bytes - 1) / work.piece_bytes + 1;
	if (nr_threads > nr_pieces)
		nr_threads = (uint32_t)nr_pieces;
	if (nr_threads > 0)
		return touch_by_threads(region, &work, nr_threads);
	(void)touch_pieces(&work);
	return work.err;
}
