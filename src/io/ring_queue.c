/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring's requests: checked, handed to the engine or kept in line, completed, cancelled.
 *
 * Runs on the ring's thread. A request is linked through its user's storage, so nothing here takes
 * memory or can fail for want of it. What may wait for ever (polls, timers, reads of taps) does not
 * count in the depth, or it would starve the rest, and is kept in a list of its own, because a stop
 * cancels it.
 */
#include "ring_private.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#define OP_BIT(op)	(1ull << (op))
#define OPS_WITH_BUFFER (OP_BIT(VC_RING_READ) | OP_BIT(VC_RING_WRITE))
#define OPS_WITH_IOVEC	(OP_BIT(VC_RING_READV) | OP_BIT(VC_RING_WRITEV))
#define OPS_TO_WRITE	(OP_BIT(VC_RING_WRITE) | OP_BIT(VC_RING_WRITEV))

static void push(struct vc__ring_list *list, struct vc_ring_request *req)
{
	req->ring_next = NULL;
	req->ring_prev = list->last;
	if (list->last)
		list->last->ring_next = req;
	else
		list->first = req;
	list->last = req;
}

static void unlink_from(struct vc__ring_list *list, struct vc_ring_request *req)
{
	if (req->ring_prev)
		req->ring_prev->ring_next = req->ring_next;
	else
		list->first = req->ring_next;
	if (req->ring_next)
		req->ring_next->ring_prev = req->ring_prev;
	else
		list->last = req->ring_prev;
}

static int refuse(const struct vc_ring *ring, const struct vc_ring_request *req, const char *what)
{
	return vc_error_set(-EINVAL, "io", ring->name, "request of operation %u: %s", req->op,
			    what);
}

static uint32_t flags_of(const struct vc_ring_request *req)
{
	uint64_t op = OP_BIT(req->op);
	uint32_t flags = 0;

	if (op & (OPS_WITH_BUFFER | OPS_WITH_IOVEC))
		flags |= VC_RING_WAITS;
	if (op & OPS_TO_WRITE)
		flags |= VC_RING_DSYNC;
	if (req->op == VC_RING_TIMER)
		flags |= VC_RING_ABSOLUTE;
	return flags;
}

static int check_fields(const struct vc_ring *ring, const struct vc_ring_request *req)
{
	uint64_t op;

	if (req->op < VC_RING_READ || req->op > VC_RING_TIMER)
		return refuse(ring, req, "there is no such operation");
	op = OP_BIT(req->op);
	if (!(ring->ops & op))
		return vc_error_set(-EPERM, "io", ring->name,
				    "operation %u is not among those of the ring", req->op);
	if (!req->done)
		return refuse(ring, req, "no callback");
	if (req->flags & ~flags_of(req))
		return refuse(ring, req, "flags that do not belong to it");
	if (req->op == VC_RING_TIMER && req->file != 0)
		return refuse(ring, req, "a timer has no file");
	if (req->op != VC_RING_TIMER &&
	    (req->file == 0 || req->file >= ring->nr_files || !ring->files[req->file].is_used))
		return refuse(ring, req, "the file is not registered");
	if (req->off > INT64_MAX || req->size_bytes > INT64_MAX || req->len > INT_MAX)
		return refuse(ring, req, "offset or length above the limit of a file");
	if ((op & OPS_WITH_BUFFER) && !req->buf && req->len)
		return refuse(ring, req, "no buffer");
	if ((op & OPS_WITH_IOVEC) && (!req->iov || req->len == 0 || req->len > IOV_MAX))
		return refuse(ring, req, "1 to 1024 entries of iovec are needed");
	return 0;
}

/* Looks at a whole chain; returns its length. */
static int check_chain(const struct vc_ring *ring, const struct vc_ring_request *head)
{
	const struct vc_ring_request *req;
	uint32_t nr = 0;
	int r;

	for (req = head; req; req = req->then) {
		if (++nr > VC_RING_CHAIN_MAX || nr > ring->depth)
			return refuse(ring, head, "more requests linked than the ring can take");
		if (req->ring_state != VC__RING_IDLE)
			return vc_error_set(-EBUSY, "io", ring->name,
					    "the request has not been completed yet");
		r = check_fields(ring, req);
		if (r < 0)
			return r;
		if ((nr > 1 || req->then) && vc__ring_may_wait(req))
			return refuse(ring, req, "what may wait for ever cannot be linked");
	}
	return (int)nr;
}

static void fly(struct vc_ring *ring, struct vc_ring_request *head, uint32_t nr)
{
	struct vc_ring_request *req;

	if (vc__ring_may_wait(head))
		push(&ring->waits, head);
	else
		ring->nr_room -= nr;
	for (req = head; req; req = req->then)
		req->ring_state = VC__RING_FLYING;
	vc__ring_count_flying(ring, (int)nr);
}

/* False: no room; the engine then has none of it. */
static bool take(struct vc_ring *ring, struct vc_ring_request *head, uint32_t nr)
{
	if (!vc__ring_may_wait(head) && ring->nr_room < nr)
		return false;
	return ring->engine->start(ring, head, nr);
}

static uint32_t chain_len(const struct vc_ring_request *req)
{
	uint32_t nr = 0;

	for (; req; req = req->then)
		nr++;
	return nr;
}

int vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *req)
{
	struct vc_ring_request *each;
	int r = vc__ring_check_owner(ring);
	int nr;

	if (r < 0)
		return r;
	if (!req)
		return vc_error_set(-EINVAL, "io", ring->name, "a request is needed");
	nr = check_chain(ring, req);
	if (nr < 0)
		return nr;
	if (atomic_load_explicit(&ring->is_closed, memory_order_relaxed) ||
	    (ring->is_stopping && vc__ring_may_wait(req)))
		return vc_error_set(-ESHUTDOWN, "io", ring->name, "the ring is stopping");
	for (each = req; each; each = each->then) {
		each->ring_state = VC__RING_LINKED;
		ring->files[each->file].nr_requests++;
	}
	vc__ring_count(&ring->counters.nr_submitted, (uint64_t)nr);
	if (!ring->line.first && take(ring, req, (uint32_t)nr)) {
		fly(ring, req, (uint32_t)nr);
		return 0;
	}
	req->ring_state = VC__RING_IN_LINE;
	push(&ring->line, req);
	vc__ring_count(&ring->counters.nr_backlogged, (uint64_t)nr);
	return 0;
}

static void forget_owed(struct vc_ring *ring, const struct vc_ring_request *req)
{
	struct vc_ring_request **at = &ring->owed;

	while (*at != req)
		at = &(*at)->ring_owed;
	*at = req->ring_owed;
}

/* Gives the request back to its user: the last that is done with it here. */
static void finish(struct vc_ring *ring, struct vc_ring_request *req, int res)
{
	req->ring_state = VC__RING_IDLE;
	ring->files[req->file].nr_requests--;
	vc__ring_count(&ring->counters.nr_completed, 1);
	ring->nr_callbacks++;
	req->done(req, res);
}

/* A poll that ended by itself, because the completion queue was full: it goes on. */
static void rearm(struct vc_ring *ring, struct vc_ring_request *req)
{
	unlink_from(&ring->waits, req);
	vc__ring_count_flying(ring, -1);
	vc__ring_count(&ring->counters.nr_rearmed, 1);
	req->ring_state = VC__RING_IN_LINE;
	push(&ring->line, req);
}

void vc__ring_complete(struct vc_ring *ring, struct vc_ring_request *req, int res, bool is_last)
{
	bool is_ending = req->ring_state != VC__RING_FLYING;

	if (req == &ring->wake) {
		if (is_last)
			rearm(ring, req);
		return;
	}
	if (req->op == VC_RING_POLL && res >= 0 && !(is_last && is_ending)) {
		if (is_last)
			rearm(ring, req);
		ring->nr_callbacks++;
		req->done(req, res);
		return;
	}
	if (req->op == VC_RING_POLL && res >= 0)
		res = -ECANCELED;
	if (req->ring_state == VC__RING_OWED)
		forget_owed(ring, req);
	if (vc__ring_may_wait(req))
		unlink_from(&ring->waits, req);
	else
		ring->nr_room++;
	vc__ring_count_flying(ring, -1);
	finish(ring, req, res);
}

void vc__ring_retry(struct vc_ring *ring, struct vc_ring_request *req)
{
	if (req->ring_state != VC__RING_FLYING) {
		vc__ring_complete(ring, req, -ECANCELED, true);
		return;
	}
	ring->nr_room++;
	vc__ring_count_flying(ring, -1);
	req->ring_state = VC__RING_IN_LINE;
	push(&ring->line, req);
}

int vc_ring_cancel(struct vc_ring *ring, struct vc_ring_request *req)
{
	int r = vc__ring_check_owner(ring);

	if (r < 0)
		return r;
	if (!req)
		return vc_error_set(-EINVAL, "io", ring->name, "a request is needed");
	switch (req->ring_state) {
	case VC__RING_IDLE:
		return vc_error_set(-ENOENT, "io", ring->name, "the request is not in flight");
	case VC__RING_IN_LINE:
		unlink_from(&ring->line, req);
		req->ring_state = VC__RING_CANCELLED;
		push(&ring->ended, req);
		return 0;
	case VC__RING_FLYING:
		req->ring_state = VC__RING_ENDING;
		if (ring->engine->cancel(ring, req))
			return 0;
		req->ring_state = VC__RING_OWED;
		req->ring_owed = ring->owed;
		ring->owed = req;
		return 0;
	default: /* asked already; or linked behind one that has not gone out: ends with that */
		return 0;
	}
}

/* First what is to end, then the line, in order. */
bool vc__ring_refill(struct vc_ring *ring)
{
	struct vc_ring_request *req;

	while ((req = ring->owed) != NULL) {
		if (!ring->engine->cancel(ring, req))
			return false;
		ring->owed = req->ring_owed;
		req->ring_state = VC__RING_ENDING;
	}
	while ((req = ring->line.first) != NULL) {
		uint32_t nr = chain_len(req);

		if (!take(ring, req, nr))
			return !vc__ring_may_wait(req) && ring->nr_room < nr;
		unlink_from(&ring->line, req);
		fly(ring, req, nr);
	}
	return true;
}

/* The poll behind vc_ring_post(); it has no callback, because every turn looks into the mailbox. */
void vc__ring_start_wake(struct vc_ring *ring)
{
	struct vc_ring_request *wake = &ring->wake;

	wake->op = VC_RING_POLL;
	wake->arg = POLLIN;
	wake->ring_state = VC__RING_IN_LINE;
	push(&ring->line, wake);
	(void)vc__ring_refill(ring);
}

/* Those that were cancelled while in line, each with all that is linked to it. */
void vc__ring_finish_cancelled(struct vc_ring *ring)
{
	struct vc_ring_request *req, *next;

	while ((req = ring->ended.first) != NULL) {
		unlink_from(&ring->ended, req);
		for (; req; req = next) {
			next = req->then;
			finish(ring, req, -ECANCELED);
		}
	}
}

/* What is in line and may wait for ever comes first: once it flew it would have to be awaited. */
void vc__ring_cancel_waits(struct vc_ring *ring)
{
	struct vc_ring_request *req, *next;

	for (req = ring->line.first; req; req = next) {
		next = req->ring_next;
		if (vc__ring_may_wait(req) && req != &ring->wake)
			(void)vc_ring_cancel(ring, req);
	}
	for (req = ring->waits.first; req; req = req->ring_next)
		if (req != &ring->wake)
			(void)vc_ring_cancel(ring, req);
}

/* Nothing is left of any user's. */
bool vc__ring_is_idle(const struct vc_ring *ring)
{
	const struct vc_ring_request *wake = &ring->wake;

	return ring->nr_room == ring->depth && !ring->ended.first &&
	       (!ring->line.first || (ring->line.first == wake && ring->line.last == wake)) &&
	       (!ring->waits.first || (ring->waits.first == wake && ring->waits.last == wake));
}
