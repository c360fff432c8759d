/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: a gate holds the frames of one direction of a queue back, in order, until their
 * tokens may be used. Runs on the ring's thread; no lock, no allocation; a frame that need not wait
 * costs one look at the clock.
 *
 * Only the first in line has taken tokens. What was received and waits here keeps its slot, so the
 * end reads on only as far as there are slots: the host's own queue fills up and drops, as a slow
 * wire would have it. A limit that is changed counts within a second.
 */
#include "net.h"

#include <errno.h>
#include <time.h>

#define RECHECK_NS 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t cost_bytes(const struct vc_net_request *req)
{
	uint64_t bytes = req->is_send ? req->len : (uint32_t)req->result;

	return bytes > VC_NET_HDR_LEN ? bytes - VC_NET_HDR_LEN : 0;
}

/* True when @req, the first in line, may go now. */
static bool is_due(struct vc__net_gate *gate, const struct vc_net_request *req, uint64_t now)
{
	uint32_t generation = vc__throttle_generation(gate->limit);

	if (!gate->has_time || generation != gate->generation) {
		gate->generation = generation;
		gate->due_ns = vc_throttle_reserve(gate->limit, 1, cost_bytes(req), now);
	}
	gate->has_time = gate->due_ns > now;
	return !gate->has_time;
}

void vc__net_gate_cancel(struct vc__net_gate *gate)
{
	struct vc_net_request *req;

	gate->has_time = false;
	gate->queue->depth++;
	while ((req = vc__net_list_pop(&gate->waiting)) != NULL) {
		/* Past the gate: vc_net_complete() would bring it here again. */
		req->result = -ECANCELED;
		gate->go(gate->queue, req);
	}
	gate->queue->depth--;
}

static void arm(struct vc__net_gate *gate, uint64_t now)
{
	struct vc__net_timer *timer = gate->timer;
	uint64_t at = gate->due_ns < now + RECHECK_NS ? gate->due_ns : now + RECHECK_NS;

	if (timer->is_armed) {
		/* Left over from what was cancelled; its end arms anew. */
		if (at < timer->io.off)
			(void)vc_ring_cancel(gate->queue->ring, &timer->io);
		return;
	}
	timer->io.off = at;
	timer->is_armed = vc_ring_submit(gate->queue->ring, &timer->io) == 0;
	if (!timer->is_armed) /* the ring is stopping */
		vc__net_gate_cancel(gate);
}

static void timer_done(struct vc_ring_request *io, int res)
{
	struct vc__net_timer *timer = vc_container_of(io, struct vc__net_timer, io);
	struct vc__net_gate *gate = timer->gate;
	uint64_t now;

	(void)res; /* cancelled or not: whether anybody may go is seen below */
	timer->is_armed = false;
	if (!gate) {
		free(timer);
		return;
	}
	now = now_ns();
	/* Held: a done() that detaches the queue would take the gate from under this loop. */
	gate->queue->depth++;
	while (gate->waiting.first && is_due(gate, gate->waiting.first, now))
		gate->go(gate->queue, vc__net_list_pop(&gate->waiting));
	if (gate->waiting.first)
		arm(gate, now);
	gate->queue->depth--;
}

void vc__net_gate_pass(struct vc__net_gate *gate, struct vc_net_request *req)
{
	uint64_t now;

	if (!gate->timer) {
		gate->go(gate->queue, req);
		return;
	}
	now = now_ns();
	if (!gate->waiting.first && is_due(gate, req, now)) {
		gate->go(gate->queue, req);
		return;
	}
	vc__net_count(&gate->queue->counters.nr_throttled, 1);
	vc__net_list_add(&gate->waiting, req);
	if (gate->waiting.first == req)
		arm(gate, now);
}

int vc__net_gate_init(struct vc__net_gate *gate, struct vc_net_queue *queue,
		      struct vc_throttle *limit,
		      void (*go)(struct vc_net_queue *queue, struct vc_net_request *req))
{
	gate->queue = queue;
	gate->limit = limit;
	gate->go = go;
	vc__net_list_init(&gate->waiting);
	if (!limit)
		return 0;
	gate->timer = calloc(1, sizeof(*gate->timer));
	if (!gate->timer)
		return vc_error_set(-ENOMEM, "io", queue->net->name, "no memory");
	gate->timer->gate = gate;
	gate->timer->io.op = VC_RING_TIMER;
	gate->timer->io.flags = VC_RING_ABSOLUTE;
	gate->timer->io.done = timer_done;
	return 0;
}

void vc__net_gate_fini(struct vc__net_gate *gate)
{
	struct vc__net_timer *timer = gate->timer;

	gate->timer = NULL;
	if (timer && timer->is_armed) {
		timer->gate = NULL;
		(void)vc_ring_cancel(gate->queue->ring, &timer->io);
	} else {
		free(timer);
	}
}
