/* SPDX-License-Identifier: Apache-2.0 */
/* The io_uring of a ring: its engine's data. */
#ifndef VC_RING_URING_H
#define VC_RING_URING_H

#include <liburing.h>

#include "ring_private.h"

#define NS_PER_S 1000000000ull

/* Places in the submission queue above the depth: for polls, timers and cancels. */
#define SQ_SPARE 16u

struct vc__uring {
	struct io_uring ring;
};

#endif /* VC_RING_URING_H */
