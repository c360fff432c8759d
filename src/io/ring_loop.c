/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turning a ring: who owns it, one batch after the other, the graceful end.
 *
 * A turn hands the engine what is in line, enters the kernel once (submits and waits), then calls
 * back: completions, cancelled requests, posts, and last what was deferred to the end of the batch.
 * vc_ring_run() does nothing else; vc_ring_step() also submits what the callbacks left, because its
 * caller may sleep on vc_ring_fd() next. The last reference may go while the ring's thread is in
 * here: then that thread drains and frees it.
 */
#include "ring_private.h"

#include <errno.h>

bool vc_ring_is_current(const struct vc_ring *ring)
{
	/* Acquire: pairs with vc_ring_attach(). */
	return ring &&
	       atomic_load_explicit(&ring->owner_state, memory_order_acquire) == VC__RING_OWNED &&
	       pthread_equal(ring->owner, pthread_self());
}

int vc__ring_check_owner(const struct vc_ring *ring)
{
	if (vc_ring_is_current(ring))
		return 0;
	return vc_error_set(-EINVAL, "io", ring ? ring->name : NULL,
			    ring ? "this thread has not attached to the ring" : "a ring is needed");
}

static bool is_closed(const struct vc_ring *ring)
{
	return atomic_load_explicit(&ring->is_closed, memory_order_relaxed);
}

static int refuse_closed(const struct vc_ring *ring)
{
	return vc_error_set(-ESHUTDOWN, "io", ring->name, "the ring has stopped");
}

int vc_ring_attach(struct vc_ring *ring)
{
	unsigned int free_now = VC__RING_FREE;
	int r;

	if (!ring)
		return vc_error_set(-EINVAL, "io", NULL, "a ring is needed");
	if (vc_ring_is_current(ring))
		return is_closed(ring) ? refuse_closed(ring) : 0;
	if (!atomic_compare_exchange_strong_explicit(&ring->owner_state, &free_now,
						     VC__RING_ATTACHING, memory_order_acquire,
						     memory_order_relaxed))
		return vc_error_set(-EINVAL, "io", ring->name,
				    "another thread has attached to the ring");
	ring->owner = pthread_self();
	r = ring->engine->attach(ring);
	if (r == 0)
		vc__ring_start_wake(ring);
	/* Release: pairs with vc_ring_is_current(), and a failed try with the next one. */
	atomic_store_explicit(&ring->owner_state, r < 0 ? VC__RING_FREE : VC__RING_OWNED,
			      memory_order_release);
	return r;
}

/* The last tasks may submit once more: they are waited for as well. */
static void try_close(struct vc_ring *ring)
{
	if (!vc__ring_is_idle(ring) || ring->deferred)
		return;
	if (!ring->is_mail_closed) {
		ring->is_mail_closed = true;
		vc__ring_close_mail(ring);
	}
	if (vc__ring_is_idle(ring) && !ring->deferred)
		atomic_store_explicit(&ring->is_closed, true, memory_order_relaxed);
}

static int turn(struct vc_ring *ring, int64_t timeout_ns)
{
	int r;

	if (!vc__ring_refill(ring) || ring->ended.first || vc__ring_has_tasks(ring))
		timeout_ns = 0;
	r = ring->engine->enter(ring, timeout_ns);
	if (r < 0)
		return r;
	ring->engine->reap(ring);
	vc__ring_finish_cancelled(ring);
	vc__ring_run_mail(ring);
	vc__ring_run_deferred(ring);
	if (ring->is_stopping)
		try_close(ring);
	return 0;
}

/* What callbacks left is on its way; what waits for another turn makes the ring's fd readable. */
static int settle(struct vc_ring *ring)
{
	bool has_more = !vc__ring_refill(ring);
	int r = ring->engine->flush(ring);

	if (r < 0)
		return r;
	if (r > 0 || has_more || ring->ended.first || vc__ring_has_tasks(ring))
		vc__ring_wake(ring);
	return 0;
}

int vc__ring_drain(struct vc_ring *ring)
{
	int r = 0;

	while (r == 0 && !is_closed(ring))
		r = turn(ring, -1);
	return r;
}

/* Marks the ring as in use by its thread; refuses a call from a callback. */
static int enter_use(struct vc_ring *ring)
{
	unsigned int unused = VC__RING_UNUSED;

	if (is_closed(ring))
		return refuse_closed(ring);
	if (!atomic_compare_exchange_strong_explicit(&ring->use, &unused, VC__RING_BUSY,
						     memory_order_relaxed, memory_order_relaxed))
		return vc_error_set(-EINVAL, "io", ring->name, "not from a callback of the ring");
	return 0;
}

/* Returns @r; or, when nobody has a reference any more, drains the ring, frees it: -ESHUTDOWN. */
static int leave_use(struct vc_ring *ring, int r)
{
	unsigned int busy = VC__RING_BUSY;

	/* Acquire, release: pairs with vc_ring_put(). */
	if (atomic_compare_exchange_strong_explicit(&ring->use, &busy, VC__RING_UNUSED,
						    memory_order_acq_rel, memory_order_acquire))
		return r;
	if (r < 0 || vc__ring_drain(ring) < 0)
		return r; /* the kernel may still write: better lost than freed */
	vc__ring_free(ring);
	return -ESHUTDOWN;
}

int vc_ring_step(struct vc_ring *ring, int64_t timeout_ns)
{
	int r = vc__ring_check_owner(ring);

	if (r == 0 && timeout_ns < -1)
		r = vc_error_set(-EINVAL, "io", ring->name, "timeout_ns is below -1");
	if (r == 0)
		r = enter_use(ring);
	if (r < 0)
		return r;
	ring->nr_callbacks = 0;
	r = turn(ring, timeout_ns);
	if (r == 0)
		r = settle(ring);
	return leave_use(ring, r < 0 ? r : (int)ring->nr_callbacks);
}

int vc__ring_run(struct vc_ring *ring)
{
	int r = enter_use(ring);

	return r < 0 ? r : leave_use(ring, vc__ring_drain(ring));
}

int vc_ring_run(struct vc_ring *ring)
{
	int r = vc_ring_attach(ring);

	if (r < 0 || is_closed(ring))
		return r;
	r = vc__ring_run(ring);
	return r == -ESHUTDOWN ? 0 : r;
}

void vc__ring_stop_task(struct vc_ring_task *task)
{
	struct vc_ring *ring = vc_container_of(task, struct vc_ring, stop);

	ring->is_stopping = true;
	vc__ring_cancel_waits(ring);
}

int vc_ring_stop(struct vc_ring *ring)
{
	if (!ring)
		return vc_error_set(-EINVAL, "io", NULL, "a ring is needed");
	(void)vc_ring_post(ring, &ring->stop);
	return 0;
}
