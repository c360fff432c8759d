/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of a ring that has none of its embedder's: made on demand, by the config's hook or by
 * pthread_create(3) with all signals blocked; named, pinned, then vc_ring_run().
 *
 * vc_ring_start() returns when that thread has attached, so an affinity or a kernel that does not
 * allow it is the caller's error and not a ring that never answers.
 */
#include "ring_private.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* On vc_ring_start()'s stack until is_done. */
struct starter {
	struct vc_ring *ring;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	int err;
};

static int make_plain(void *(*main_fn)(void *), void *arg, pthread_t *ret_thread)
{
	pthread_attr_t attr;
	sigset_t all;
	int r = pthread_attr_init(&attr);

	if (r != 0)
		return -r;
	(void)sigfillset(&all);
	r = pthread_attr_setsigmask_np(&attr, &all);
	if (r == 0)
		r = pthread_create(ret_thread, &attr, main_fn, arg);
	(void)pthread_attr_destroy(&attr);
	return -r;
}

int vc__ring_make_thread(struct vc_ring *ring, const char *name, void *(*main_fn)(void *),
			 void *arg, pthread_t *ret_thread)
{
	int r;

	if (ring->make_thread)
		r = ring->make_thread(ring->thread_opaque, name, main_fn, arg, ret_thread);
	else
		r = make_plain(main_fn, arg, ret_thread);
	if (r > 0) /* a refusal, but no errno */
		r = -ECANCELED;
	return r < 0 ? vc_error_set(r, "io", ring->name, "thread %s cannot be made: %s", name,
				    strerrordesc_np(-r))
		     : 0;
}

static int pin(const struct vc_ring *ring)
{
	cpu_set_t set;
	int r;

	if (!ring->has_affinity)
		return 0;
	static_assert(sizeof(set) == sizeof(ring->affinity), "1024 bits, CPU 0 in bit 0");
	memcpy(&set, ring->affinity, sizeof(set));
	r = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	return r == 0 ? 0
		      : vc_error_set(-r, "io", ring->name,
				     "the affinity mask names no CPU that this thread may use");
}

static int open_thread(struct vc_ring *ring)
{
	struct vc__ring_policy was;
	char comm[16];
	int r = pin(ring);

	(void)snprintf(comm, sizeof(comm), "%.15s", ring->name);
	(void)pthread_setname_np(pthread_self(), comm);
	if (ring->has_numa_node)
		vc__ring_prefer_node(ring->numa_node, &was);
	return r < 0 ? r : vc_ring_attach(ring);
}

static void *ring_main(void *opaque)
{
	struct starter *starter = opaque;
	struct vc_ring *ring = starter->ring;
	int r = open_thread(ring);

	pthread_mutex_lock(&starter->lock);
	starter->err = r;
	starter->is_done = true;
	pthread_cond_signal(&starter->changed);
	pthread_mutex_unlock(&starter->lock);
	r = r < 0 ? -ESHUTDOWN : vc__ring_run(ring);
	if (r != -ESHUTDOWN)
		ring->run_result = r; /* the ring waits for vc_ring_join() or vc_ring_put() */
	return NULL;
}

static int wait_for_start(struct starter *starter)
{
	pthread_mutex_lock(&starter->lock);
	while (!starter->is_done)
		pthread_cond_wait(&starter->changed, &starter->lock);
	pthread_mutex_unlock(&starter->lock);
	return starter->err;
}

int vc_ring_start(struct vc_ring *ring)
{
	struct starter starter = { .ring = ring,
				   .lock = PTHREAD_MUTEX_INITIALIZER,
				   .changed = PTHREAD_COND_INITIALIZER };
	int r;

	if (!ring)
		return vc_error_set(-EINVAL, "io", NULL, "a ring is needed");
	if (atomic_load_explicit(&ring->is_closed, memory_order_relaxed))
		return vc_error_set(-ESHUTDOWN, "io", ring->name, "the ring has stopped");
	if (ring->has_thread ||
	    atomic_load_explicit(&ring->owner_state, memory_order_acquire) != VC__RING_FREE)
		return vc_error_set(-EBUSY, "io", ring->name, "a thread has attached to the ring");
	r = vc__ring_make_thread(ring, ring->name, ring_main, &starter, &ring->thread);
	if (r < 0)
		return r;
	r = wait_for_start(&starter);
	if (r < 0) {
		(void)pthread_join(ring->thread, NULL);
		return vc_error_set(r, "io", ring->name, "the ring's thread did not start: %s",
				    r == -EINVAL && ring->has_affinity
					    ? "its affinity mask names no CPU that it may use"
					    : strerrordesc_np(-r));
	}
	ring->has_thread = true;
	return 0;
}

int vc_ring_join(struct vc_ring *ring)
{
	if (vc_ring_is_current(ring))
		return vc_error_set(-EDEADLK, "io", ring->name, "this is the ring's own thread");
	if (!ring || !ring->has_thread)
		return vc_error_set(-EINVAL, "io", ring ? ring->name : NULL,
				    "a ring that was started is needed");
	(void)pthread_join(ring->thread, NULL);
	ring->has_thread = false;
	return ring->run_result < 0 ? vc_error_set(ring->run_result, "io", ring->name,
						   "the ring's thread ended: %s",
						   strerrordesc_np(-ring->run_result))
				    : 0;
}
