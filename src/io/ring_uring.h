/* SPDX-License-Identifier: Apache-2.0 */
/* The io_uring of a ring, or the two: its engine's data. */
#ifndef VC_RING_URING_H
#define VC_RING_URING_H

#include <liburing.h>

#include "ring_private.h"

#define NS_PER_S 1000000000ull

/* Places in the submission queue above the depth: for polls, timers and cancels. */
#define SQ_SPARE 16u

/* Fixed buffers: the kernel takes 1 GiB in one. */
#define PIECES_MAX 256u

struct vc__piece {
	uintptr_t base;
	uint64_t len;
	uint16_t buf_idx;
};

struct vc__uring {
	struct io_uring ring;
	/* IOPOLL; ring_fd -1 = there is none */
	struct io_uring polled;
	uint32_t nr_polled; /* requests that it has */
	/* memory that is registered, by address; read-only once a thread has attached */
	struct vc__piece *pieces;
	uint32_t nr_pieces;
};

/* ring_setup.c: on failure close() ends what was begun. */
int vc__uring_setup(struct vc_ring *ring, struct vc__uring *u, const struct vc_ring_config *cfg);

/* ring_memory.c */
int vc__uring_add_memory(struct vc_ring *ring, uint8_t *base, uint64_t len, uint64_t piece_bytes);
/* The piece that holds all of [buf, buf + len), or NULL. */
const struct vc__piece *vc__uring_piece(const struct vc__uring *u, const void *buf, uint64_t len);

#endif /* VC_RING_URING_H */
