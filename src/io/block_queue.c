/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a request through the front: checked, held back by limits, handed to the end, counted,
 * given back. Runs on the ring's thread; no lock, no allocation, no system call.
 *
 * done() never runs within vc_block_submit(): what an end completes at once waits for the end of the
 * batch, so that a done() which submits again does not pile up on the stack. Requests that wait for a
 * limit form one line a queue; only the first has taken tokens, the disk's and then its group's.
 */
#include "block.h"

#include <errno.h>
#include <time.h>

/* A new limit is noticed after that, also by a request that the old one would hold for a year. */
#define RECHECK_NS 1000000000ull

#define NR_LIMITS 2u

enum state {
	IDLE = 0, /* the caller's; what was zeroed is so */
	IN_FLIGHT,
	COMPLETED, /* result is set, done() follows */
	UNDELIVERABLE,
};

static const uint8_t known_flags[VC_BLOCK_NR_OPS] = {
	[VC_BLOCK_WRITE] = VC_BLOCK_FUA,
	[VC_BLOCK_DISCARD] = VC_BLOCK_FUA,
	[VC_BLOCK_WRITE_ZEROES] = VC_BLOCK_FUA | VC_BLOCK_UNMAP,
};

static bool adds_up(const struct vc_block_request *req)
{
	uint64_t sum = 0;
	uint32_t i;

	if (req->nr_iov > 0 && !req->iov)
		return false;
	for (i = 0; i < req->nr_iov; i++)
		if (!vc_add_u64(sum, req->iov[i].iov_len, &sum))
			return false;
	return sum == req->len;
}

static int check(const struct vc_block *block, const struct vc_block_request *req)
{
	if (req->op >= VC_BLOCK_NR_OPS || req->op == 0)
		return -EOPNOTSUPP;
	if (block->info.is_readonly && req->op != VC_BLOCK_READ && req->op != VC_BLOCK_FLUSH)
		return -EROFS;
	if (!(block->info.ops >> req->op & 1))
		return -EOPNOTSUPP;
	if (req->flags & ~known_flags[req->op])
		return -EINVAL;
	if (req->op == VC_BLOCK_FLUSH)
		return 0;
	if ((req->off | req->len) & (block->info.block_size - 1))
		return -EINVAL;
	if (!vc_range_within(req->off, req->len,
			     atomic_load_explicit(&block->size_bytes, memory_order_relaxed)))
		return -ERANGE;
	if ((req->op == VC_BLOCK_READ || req->op == VC_BLOCK_WRITE) && !adds_up(req))
		return -EINVAL;
	return 0;
}

/* After this neither @req nor, if it was the last one, its queue may exist any more. */
static void give_back(struct vc_block_request *req, int result)
{
	struct vc_block_queue *queue = req->queue;
	struct vc__block_counters *counters = &queue->counters;

	if (result == 0) {
		vc__block_count(&counters->nr[req->op], 1);
		vc__block_count(&counters->bytes[req->op], req->len);
	} else if (result != -ECANCELED) {
		vc__block_count(&counters->nr_failed, 1);
	}
	queue->nr_in_flight--;
	req->state = IDLE;
	req->done(req, result);
}

static void deliver(struct vc_ring_task *task)
{
	struct vc_block_queue *queue = vc_container_of(task, struct vc_block_queue, deliver);
	struct vc_block_request *req = queue->completed.first, *next;

	vc__block_list_init(&queue->completed);
	for (; req; req = next) {
		next = req->next;
		give_back(req, req->result);
	}
}

void vc_block_complete(struct vc_block_request *req, int result)
{
	struct vc_block_queue *queue = req->queue;

	vc_assert(req->state == IN_FLIGHT);
	if (queue->depth == 0) {
		give_back(req, result);
		return;
	}
	req->result = result;
	req->state = COMPLETED;
	if (vc_ring_defer(queue->ring, &queue->deliver) < 0)
		req->state = UNDELIVERABLE;
	else
		vc__block_list_add(&queue->completed, req);
}

static void complete_early(struct vc_block_request *req, int result)
{
	req->queue->depth++;
	vc_block_complete(req, result);
	req->queue->depth--;
}

static void hand_over(struct vc_block_queue *queue, struct vc_block_request *req)
{
	queue->depth++;
	queue->ops->submit(queue->lane, req);
	queue->depth--;
}

/* limits */

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t cost_bytes(const struct vc_block_request *req)
{
	bool moves = req->op == VC_BLOCK_READ || req->op == VC_BLOCK_WRITE ||
		     req->op == VC_BLOCK_WRITE_ZEROES;

	return moves ? req->len : 0;
}

/* True when the first in line may go now; else due_ns is when to ask again. */
static bool is_due(struct vc_block_queue *queue, const struct vc_block_request *req, uint64_t now)
{
	struct vc_throttle *const *limits = queue->block->limits;

	/* A time that was given under limits that are no more. */
	if (queue->stage > 0 &&
	    vc__throttle_generation(limits[queue->stage - 1]) != queue->generation) {
		queue->stage--;
		queue->due_ns = 0;
	}
	while (queue->due_ns <= now) {
		struct vc_throttle *limit;

		if (queue->stage == NR_LIMITS) {
			queue->stage = 0;
			queue->due_ns = 0;
			return true;
		}
		limit = limits[queue->stage++];
		queue->generation = vc__throttle_generation(limit);
		queue->due_ns = vc_throttle_reserve(limit, 1, cost_bytes(req), now);
	}
	return false;
}

static void fail_waiting(struct vc_block_queue *queue, int result)
{
	queue->stage = 0;
	queue->due_ns = 0;
	while (queue->waiting.first)
		complete_early(vc__block_list_pop(&queue->waiting), result);
}

static void arm(struct vc_block_queue *queue, uint64_t now)
{
	struct vc__block_timer *timer = queue->timer;
	uint64_t at = queue->due_ns < now + RECHECK_NS ? queue->due_ns : now + RECHECK_NS;

	if (timer->is_armed) {
		/* Left over from what was cancelled; its end arms anew. */
		if (at < timer->io.off)
			(void)vc_ring_cancel(queue->ring, &timer->io);
		return;
	}
	timer->io.off = at;
	timer->is_armed = vc_ring_submit(queue->ring, &timer->io) == 0;
	if (!timer->is_armed) /* the ring is stopping */
		fail_waiting(queue, -ECANCELED);
}

static void timer_done(struct vc_ring_request *io, int res)
{
	struct vc__block_timer *timer = vc_container_of(io, struct vc__block_timer, io);
	struct vc_block_queue *queue = timer->queue;
	uint64_t now;

	(void)res; /* cancelled or not: whether anybody may go is seen below */
	timer->is_armed = false;
	if (!queue) {
		free(timer);
		return;
	}
	now = now_ns();
	while (queue->waiting.first && is_due(queue, queue->waiting.first, now))
		hand_over(queue, vc__block_list_pop(&queue->waiting));
	if (queue->waiting.first)
		arm(queue, now);
}

static void submit_limited(struct vc_block_queue *queue, struct vc_block_request *req)
{
	uint64_t now;

	if (queue->waiting.first) {
		vc__block_count(&queue->counters.nr_throttled, 1);
		vc__block_list_add(&queue->waiting, req);
		return;
	}
	now = now_ns();
	if (is_due(queue, req, now)) {
		hand_over(queue, req);
		return;
	}
	vc__block_count(&queue->counters.nr_throttled, 1);
	vc__block_list_add(&queue->waiting, req);
	arm(queue, now);
}

int vc__block_queue_init(struct vc_block_queue *queue)
{
	vc__block_list_init(&queue->completed);
	vc__block_list_init(&queue->waiting);
	queue->deliver.run = deliver;
	if (!queue->block->limits[0] && !queue->block->limits[1])
		return 0;
	queue->timer = calloc(1, sizeof(*queue->timer));
	if (!queue->timer)
		return vc_error_set(-ENOMEM, "io", queue->block->name, "no memory");
	queue->timer->queue = queue;
	queue->timer->io.op = VC_RING_TIMER;
	queue->timer->io.flags = VC_RING_ABSOLUTE;
	queue->timer->io.done = timer_done;
	return 0;
}

void vc__block_queue_fini(struct vc_block_queue *queue)
{
	struct vc__block_timer *timer = queue->timer;

	queue->timer = NULL;
	if (timer && timer->is_armed) {
		timer->queue = NULL;
		(void)vc_ring_cancel(queue->ring, &timer->io);
	} else {
		free(timer);
	}
}

int vc_block_submit(struct vc_block_queue *queue, struct vc_block_request *req)
{
	int r;

	if (!queue || !req || !req->done || !vc_ring_is_current(queue->ring))
		return vc_error_set(-EINVAL, "io", queue ? queue->block->name : "block",
				    "a queue, a request with done, and the ring's thread are "
				    "needed");
	if (req->state != IDLE)
		return vc_error_set(-EBUSY, "io", queue->block->name,
				    "the request is in flight already");
	req->queue = queue;
	req->state = IN_FLIGHT;
	req->end_off = 0;
	req->end_idx = 0;
	req->end_step = req->end_tries = 0;
	req->end_flags = 0;
	req->end_data[0] = req->end_data[1] = NULL;
	queue->nr_in_flight++;
	r = check(queue->block, req);
	if (r < 0)
		vc__block_count(&queue->counters.nr_refused, 1);
	if (r < 0 || (req->len == 0 && req->op != VC_BLOCK_FLUSH))
		complete_early(req, r);
	else if (queue->timer)
		submit_limited(queue, req);
	else
		hand_over(queue, req);
	/* done() has not run: the request is still ours to look at. */
	if (req->state != UNDELIVERABLE)
		return 0;
	req->state = IDLE;
	queue->nr_in_flight--;
	return vc_error_set(-ESHUTDOWN, "io", queue->block->name, "the ring is drained");
}

int vc_block_cancel(struct vc_block_queue *queue)
{
	if (!queue || !vc_ring_is_current(queue->ring))
		return vc_error_set(-EINVAL, "io", queue ? queue->block->name : "block",
				    "a queue and the ring's thread are needed");
	fail_waiting(queue, -ECANCELED);
	queue->depth++;
	if (queue->ops->cancel)
		queue->ops->cancel(queue->lane);
	queue->depth--;
	return 0;
}
