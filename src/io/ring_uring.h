/* SPDX-License-Identifier: Apache-2.0 */
/* The io_uring of a ring, or the two: its engine's data. */
#ifndef VC_RING_URING_H
#define VC_RING_URING_H

#include <liburing.h>

#include "ring_private.h"

#define NS_PER_S 1000000000ull

/* Places in the submission queue above the depth: for polls, timers and cancels. */
#define SQ_SPARE 16u

struct vc__uring {
	struct io_uring ring;
	/* IOPOLL; ring_fd -1 = there is none */
	struct io_uring polled;
	uint32_t nr_polled; /* requests that it has */
};

/* ring_setup.c: on failure close() ends what was begun. */
int vc__uring_setup(struct vc_ring *ring, struct vc__uring *u, const struct vc_ring_config *cfg);

#endif /* VC_RING_URING_H */
