/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed buffers: memory that the kernel pins once instead of at every request.
 *
 * Registered on the control thread before a thread attaches, in a table of its own for each queue;
 * which piece a request's buffer lies in is looked up here, so no index is given by a user, and none
 * can be wrong. A buffer that reaches over the end of a piece goes the ordinary way. What else may
 * happen to pinned memory is not decided here: see VC_REGION_PINNED. [io_uring_register(2)]
 */
#include "ring_uring.h"

#include <errno.h>
#include <string.h>

#define PIECE_BYTES (1ull << 30)

/* How many pieces begin at or below @at. */
static uint32_t pieces_below(const struct vc__uring *u, uintptr_t at)
{
	uint32_t low = 0, high = u->nr_pieces;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (u->pieces[mid].base <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct vc__piece *vc__uring_piece(const struct vc__uring *u, const void *buf, uint64_t len)
{
	uint32_t nr = pieces_below(u, (uintptr_t)buf);
	const struct vc__piece *piece = nr > 0 ? &u->pieces[nr - 1] : NULL;

	if (!piece || !vc_range_within((uintptr_t)buf - piece->base, len, piece->len))
		return NULL;
	return piece;
}

static bool overlaps(const struct vc__uring *u, uintptr_t base, uint64_t len)
{
	uint32_t nr = pieces_below(u, base + len - 1);
	const struct vc__piece *last = nr > 0 ? &u->pieces[nr - 1] : NULL;

	return last && last->base + last->len > base;
}

static int refuse_pin(const struct vc_ring *ring, int err, uint64_t len)
{
	switch (err) {
	case -ENOMEM:
		return vc_error_set(
			-ENOMEM, "io", ring->name,
			"%llu bytes cannot be pinned: RLIMIT_MEMLOCK or memory is short",
			(unsigned long long)len);
	case -EFAULT: /* an ordinary file's pages, or a hole in the address space */
	case -EOPNOTSUPP:
		return vc_error_set(
			-EOPNOTSUPP, "io", ring->name,
			"the kernel cannot pin this memory: is it of a file, or read-only?");
	default:
		return vc_error_set(err, "io", ring->name, "memory cannot be registered: %s",
				    strerrordesc_np(-err));
	}
}

/* The tables, empty, of both queues. */
static int make_tables(struct vc__uring *u)
{
	int r = io_uring_register_buffers_sparse(&u->ring, PIECES_MAX);

	if (r >= 0 && u->polled.ring_fd >= 0)
		r = io_uring_register_buffers_sparse(&u->polled, PIECES_MAX);
	return r < 0 ? r : 0;
}

static int pin(struct vc__uring *u, uint8_t *base, uint64_t len)
{
	const struct iovec iov = { .iov_base = base, .iov_len = (size_t)len };
	const __u64 tag = 0;
	uint32_t idx = u->nr_pieces, at = pieces_below(u, (uintptr_t)base);
	int r = io_uring_register_buffers_update_tag(&u->ring, idx, &iov, &tag, 1);

	if (r >= 0 && u->polled.ring_fd >= 0)
		r = io_uring_register_buffers_update_tag(&u->polled, idx, &iov, &tag, 1);
	if (r < 0)
		return r;
	memmove(&u->pieces[at + 1], &u->pieces[at], (idx - at) * sizeof(u->pieces[0]));
	u->pieces[at] =
		(struct vc__piece){ .base = (uintptr_t)base, .len = len, .buf_idx = (uint16_t)idx };
	u->nr_pieces++;
	return 0;
}

int vc__uring_add_memory(struct vc_ring *ring, uint8_t *base, uint64_t len, uint64_t piece_bytes)
{
	struct vc__uring *u = ring->engine_data;
	int r = 0;

	if (overlaps(u, (uintptr_t)base, len))
		return vc_error_set(-EEXIST, "io", ring->name, "the memory was added before");
	if ((len - 1) / piece_bytes + 1 > PIECES_MAX - u->nr_pieces)
		return vc_error_set(-ENOSPC, "io", ring->name, "more than %u pieces of memory",
				    PIECES_MAX);
	if (!u->pieces) {
		u->pieces = calloc(PIECES_MAX, sizeof(*u->pieces));
		if (!u->pieces)
			return vc_error_set(-ENOMEM, "io", ring->name, "no memory for a table");
		r = make_tables(u);
	}
	while (r == 0 && len > 0) {
		uint64_t now = len < piece_bytes ? len : piece_bytes;

		r = pin(u, base, now);
		base += now;
		len -= now;
	}
	return r < 0 ? refuse_pin(ring, r, len) : 0;
}

int vc_ring_add_memory(struct vc_ring *ring, void *base, uint64_t len_bytes)
{
	uint64_t end = 0;

	if (!ring || !base || len_bytes == 0 || !vc_add_u64((uintptr_t)base, len_bytes, &end))
		return vc_error_set(-EINVAL, "io", ring ? ring->name : NULL,
				    "a ring, and memory with a length, are needed");
	if (atomic_load_explicit(&ring->owner_state, memory_order_acquire) != VC__RING_FREE)
		return vc_error_set(-EINVAL, "io", ring->name,
				    "memory is added before a thread attaches");
	return ring->engine->add_memory
		       ? ring->engine->add_memory(ring, base, len_bytes, PIECE_BYTES)
		       : 0;
}
