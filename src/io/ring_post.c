/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: posted to a ring by any thread, or deferred by its own to the end of a batch.
 *
 * The mailbox is a stack that posters push onto and the ring's thread takes whole, in the order of
 * the posts. Who finds it empty writes the eventfd, whose multishot poll ends the ring's wait; the
 * count is never read. When the ring has drained, the stack is taken a last time and replaced by a
 * mark that refuses further posts: a post is either run or refused, and a flood of them holds up no
 * stop.
 */
#include "ring_private.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* The end of the mailbox; never run. */
#define CLOSED ((struct vc_ring_task *)1)

static_assert(sizeof(atomic_uint) == sizeof(uint32_t), "a task's flag is used as an atomic");

static atomic_uint *queued_of(struct vc_ring_task *task)
{
	return (atomic_uint *)&task->ring_queued;
}

void vc__ring_wake(struct vc_ring *ring)
{
	uint64_t one = 1;

	(void)!write(ring->wake_fd, &one, sizeof(one));
}

int vc_ring_post(struct vc_ring *ring, struct vc_ring_task *task)
{
	struct vc_ring_task *head;

	if (!ring || !task || !task->run)
		return vc_error_set(-EINVAL, "io", ring ? ring->name : NULL,
				    "a ring, and a task with run, are needed");
	/* Acquire and release: the run that clears the flag sees what this caller wrote before. */
	if (atomic_exchange_explicit(queued_of(task), 1, memory_order_acq_rel))
		return 1;
	head = atomic_load_explicit(&ring->mail, memory_order_relaxed);
	do {
		if (head == CLOSED) {
			atomic_store_explicit(queued_of(task), 0, memory_order_release);
			return vc_error_set(-ESHUTDOWN, "io", ring->name, "the ring has stopped");
		}
		task->ring_next = head;
		/* Release: pairs with vc__ring_run_mail(). */
	} while (!atomic_compare_exchange_weak_explicit(
		&ring->mail, &head, task, memory_order_release, memory_order_relaxed));
	/* The ring's own thread looks into the mailbox before it waits. */
	if (!head && !vc_ring_is_current(ring))
		vc__ring_wake(ring);
	return 0;
}

static bool has_mail(const struct vc_ring *ring)
{
	const struct vc_ring_task *head = atomic_load_explicit(&ring->mail, memory_order_relaxed);

	return head && head != CLOSED;
}

bool vc__ring_has_tasks(const struct vc_ring *ring)
{
	return ring->deferred || has_mail(ring);
}

static void run_task(struct vc_ring *ring, struct vc_ring_task *task)
{
	/* Free to be posted again from here on; pairs with vc_ring_post(). */
	(void)atomic_exchange_explicit(queued_of(task), 0, memory_order_acq_rel);
	ring->nr_callbacks++;
	vc__ring_count(&ring->counters.nr_tasks, 1);
	task->run(task);
}

/* Takes the stack and leaves @mark in its place. */
static void take_mail(struct vc_ring *ring, struct vc_ring_task *mark)
{
	struct vc_ring_task *task, *next, *in_order = NULL;

	/* Acquire: pairs with vc_ring_post(). */
	task = atomic_exchange_explicit(&ring->mail, mark, memory_order_acquire);
	for (; task; task = next) {
		next = task->ring_next;
		task->ring_next = in_order;
		in_order = task;
	}
	for (; in_order; in_order = next) {
		next = in_order->ring_next;
		run_task(ring, in_order);
	}
}

void vc__ring_run_mail(struct vc_ring *ring)
{
	if (has_mail(ring))
		take_mail(ring, NULL);
}

void vc__ring_close_mail(struct vc_ring *ring)
{
	take_mail(ring, CLOSED);
}

int vc_ring_defer(struct vc_ring *ring, struct vc_ring_task *task)
{
	int r = vc__ring_check_owner(ring);

	if (r < 0)
		return r;
	if (!task || !task->run)
		return vc_error_set(-EINVAL, "io", ring->name, "a task with run is needed");
	if (atomic_load_explicit(&ring->is_closed, memory_order_relaxed))
		return vc_error_set(-ESHUTDOWN, "io", ring->name, "the ring has stopped");
	if (atomic_exchange_explicit(queued_of(task), 1, memory_order_acq_rel))
		return 1;
	task->ring_next = NULL;
	*ring->deferred_end = task;
	ring->deferred_end = &task->ring_next;
	return 0;
}

/* Those deferred meanwhile are for the next batch. */
void vc__ring_run_deferred(struct vc_ring *ring)
{
	struct vc_ring_task *task = ring->deferred, *next;

	ring->deferred = NULL;
	ring->deferred_end = &ring->deferred;
	for (; task; task = next) {
		next = task->ring_next;
		run_task(ring, task);
	}
}
