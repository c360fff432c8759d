/* SPDX-License-Identifier: Apache-2.0 */
/* What net_pair.c, which makes pairs, and net_pair_io.c, which moves their frames, share. */
#ifndef VC_NET_PAIR_H
#define VC_NET_PAIR_H

#include "net.h"

struct vc__pair_cell {
	_Atomic uint32_t state;
	int32_t result; /* the receiver's word to the sender */
	struct vc_net_request *req;
};

/* One way of one queue. */
struct vc__pair_row {
	struct vc__pair_cell *cells;
	uint32_t head, tail; /* the sender's: next to fill, next to give back */
	uint32_t next;	     /* the receiver's */
};

struct vc__pair;
struct vc__pair_lane;

/* One queue of one end: where its lane is, if it has one. */
struct vc__pair_side {
	struct vc__pair *pair;
	struct vc__pair_row row; /* of what it sends */
	_Atomic(struct vc__pair_lane *) lane;
	_Atomic uint32_t nr_callers; /* that may be looking at lane */
	struct vc_ring_task bell;
};

struct vc__pair_end {
	struct vc__pair *pair;
	struct vc__pair_side *sides;
	struct vc__pair_end *peer;
	_Atomic uint32_t offloads; /* accepted by its guest */
};

struct vc__pair {
	_Atomic uint32_t nr_refs; /* of ends, lanes, bells that are queued */
	uint32_t nr_queues, nr_frames;
	uint64_t wait_ns;
	struct vc__pair_cell *cells;
	struct vc__pair_end ends[2];
	struct vc__pair_side sides[];
};

/* A reference less; the last one frees it. */
void vc__pair_put(struct vc__pair *pair);

/* A side's bell. */
void vc__pair_run_bell(struct vc_ring_task *task);

/* The slots of its table of functions that move frames. */
int vc__pair_attach(void *end, struct vc_net_queue *queue, uint32_t queue_idx, struct vc_ring *ring,
		    void **ret_lane);
void vc__pair_detach(void *lane);
void vc__pair_receive(void *lane, struct vc_net_request *req);
void vc__pair_send(void *lane, struct vc_net_request *req);
void vc__pair_cancel(void *lane);

#endif /* VC_NET_PAIR_H */
