/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device's queues on the threads of their rings: beginning and ending to serve, kicks,
 * completions, notifications.
 *
 * Data path: a kick comes in by the poll of an eventfd; the device pops and pushes; at the end of the
 * ring's batch one flush publishes and one notification goes out. No lock, no allocation. Control
 * path: registers change what is wanted and post a task, which reads that under the device's lock
 * and settles it: an epoch that is not wanted any more is disabled at once, so that its completions
 * go nowhere, and is over when the last of them has come. Leaves out: registers (virtio.c).
 * Spec: [virtio 1.3 §2.6.1] [virtio 1.3 §2.7.7.2].
 */
#include "virtio.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "device_private.h"

/* Looks at one queue in a row, before others have their turn. */
#define LOOKS_MAX 4u

/* What the registers want, as read under the device's lock. */
struct wishes {
	uint64_t wanted;
	uint64_t features;
	bool is_paused, is_dying;
};

static void wake_waiters(struct vc_virtio_core *core)
{
	atomic_fetch_add_explicit(&core->nr_settled, 1, memory_order_release);
	(void)syscall(SYS_futex, &core->nr_settled, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static bool is_served(const struct vc__virtio_queue *q)
{
	return q->served != 0 && !q->is_draining && !q->is_paused;
}

/* Each callback of the ring's begins and ends with these, but for the last one of all. */
static void come_in(struct vc__virtio_queue *q)
{
	atomic_store_explicit(&q->is_about, true, memory_order_relaxed);
}

/* Release: pairs with vc__virtio_post(). */
static void go_out(struct vc__virtio_queue *q)
{
	bool is_about = q->is_polling || q->is_deferred || vc_virtq_in_flight(q->vq) > 0;

	atomic_store_explicit(&q->is_about, is_about, memory_order_release);
}

static void defer(struct vc__virtio_queue *q)
{
	/* A device may look at a queue that is gone, while another of its queues is not. */
	if (!q->is_deferred && !q->has_left)
		q->is_deferred = vc_ring_defer(q->ring, &q->batch) >= 0;
}

static void flush(struct vc__virtio_queue *q)
{
	if (vc_virtq_flush(q->vq))
		q->v->core->transport->signal(q->v, q->idx);
}

static void fail(struct vc__virtio_queue *q)
{
	vc__device_lock(&q->v->dev);
	if (q->wanted == q->served)
		vc__virtio_fail(q->v);
	vc__device_unlock(&q->v->dev);
}

/* Has the device empty the queue; asks for a notification once it is empty. */
static void look(struct vc__virtio_queue *q)
{
	for (unsigned int i = 0; i < LOOKS_MAX; i++) {
		bool is_empty;

		if (!is_served(q))
			return;
		vc_virtq_disarm(q->vq);
		is_empty = q->v->ops->kick(q->v, q->idx);
		flush(q);
		if (!is_empty || vc_virtq_get_fault(q->vq) != VC_VIRTQ_SOUND ||
		    !vc_virtq_arm(q->vq))
			return;
	}
	q->must_look = true;
	defer(q);
}

static void poll_done(struct vc_ring_request *req, int res)
{
	struct vc__virtio_queue *q = vc_container_of(req, struct vc__virtio_queue, poll);

	come_in(q);
	if (res >= 0) {
		look(q);
	} else {
		q->is_polling = false;
		defer(q); /* a queue that goes waits for this */
	}
	go_out(q);
}

/* Once: the kick eventfd is the ring's to poll from here on. */
static int begin_polling(struct vc__virtio_queue *q)
{
	int r = 0;

	if (q->is_polling)
		return 0;
	if (q->file == 0)
		r = vc_ring_add_file(q->ring, q->kick_fd, 0, &q->file);
	if (r < 0)
		return r;
	memset(&q->poll, 0, sizeof(q->poll));
	q->poll.done = poll_done;
	q->poll.op = VC_RING_POLL;
	q->poll.file = q->file;
	q->poll.arg = POLLIN;
	r = vc_ring_submit(q->ring, &q->poll);
	q->is_polling = r == 0;
	return r;
}

/*
 * Makes sure that the epoch is still wanted, before the ring of it is touched. A queue that a load
 * enabled has nothing to be enabled: its layout has no size.
 */
static bool claim(struct vc__virtio_queue *q, uint64_t epoch, struct vc_virtq_layout *layout)
{
	bool is_mine;

	vc__device_lock(&q->v->dev);
	is_mine = q->wanted == epoch && !q->v->core->is_paused;
	if (is_mine) {
		q->acked = epoch;
		*layout = (struct vc_virtq_layout){
			.size = q->is_loaded ? 0 : sizeof(*layout),
			.features = q->v->core->driver_features,
			.nr_entries = q->nr_entries,
			.desc = q->desc,
			.driver = q->driver,
			.device = q->device,
		};
		q->is_loaded = false;
	}
	vc__device_unlock(&q->v->dev);
	return is_mine;
}

static void start(struct vc__virtio_queue *q, const struct wishes *wishes)
{
	struct vc_virtq_layout layout;
	int r;

	if (!claim(q, wishes->wanted, &layout))
		return;
	q->served = wishes->wanted;
	r = begin_polling(q);
	if (r == 0 && layout.size != 0) {
		vc_virtq_disable(q->vq); /* should a load have enabled it, and a reset come then */
		r = vc_virtq_enable(q->vq, &layout);
	}
	if (r < 0) {
		vc_virtq_break(q->vq, VC_VIRTQ_BAD_RING);
		fail(q);
		return;
	}
	if (q->v->ops->activate)
		q->v->ops->activate(q->v, q->idx, wishes->features);
}

/* The epoch ends: at once for the ring, and for good when nothing is in flight. */
static bool drain(struct vc__virtio_queue *q)
{
	if (!q->is_draining) {
		q->is_draining = true;
		vc_virtq_disable(q->vq);
		if (q->v->ops->quiesce)
			q->v->ops->quiesce(q->v, q->idx);
	}
	if (vc_virtq_in_flight(q->vq) > 0)
		return false;
	q->is_draining = false;
	q->served = 0;
	vc__device_lock(&q->v->dev);
	q->acked = 0;
	vc__device_unlock(&q->v->dev);
	wake_waiters(q->v->core);
	return true;
}

bool vc__virtio_take_file(struct vc__virtio_queue *q)
{
	if (q->file != 0 && vc_ring_remove_file(q->ring, q->file) < 0)
		return false;
	q->file = 0;
	return true;
}

/* True for the last time that this thread has to do with it: not even a task may be left. */
static bool leave(struct vc__virtio_queue *q)
{
	bool is_last;

	if (q->is_deferred)
		return false;
	if (q->is_polling) {
		(void)vc_ring_cancel(q->ring, &q->poll);
		return false;
	}
	if (q->v->ops->release && !q->v->ops->release(q->v, q->idx))
		return false;
	(void)vc__virtio_take_file(q);
	vc__device_lock(&q->v->dev);
	is_last = q->nr_posted == 0;
	if (is_last) {
		q->has_left = q->is_gone = true;
		wake_waiters(q->v->core);
	}
	vc__device_unlock(&q->v->dev);
	return is_last;
}

static void rest(struct vc__virtio_queue *q)
{
	if (!q->is_paused) {
		q->is_paused = true;
		if (q->served != 0 && q->v->ops->quiesce)
			q->v->ops->quiesce(q->v, q->idx);
	}
	if (vc_virtq_in_flight(q->vq) > 0)
		return;
	flush(q);
	vc__device_lock(&q->v->dev);
	q->is_quiet = q->v->core->is_paused;
	vc__device_unlock(&q->v->dev);
	wake_waiters(q->v->core);
}

/*
 * Does what is wanted, as far as it can be done now; the rest when more has come back. True when the
 * queue is gone for this thread, and its memory with it.
 */
static bool settle(struct vc__virtio_queue *q)
{
	struct vc_virtio_core *core = q->v->core;
	struct wishes wishes;

	vc__device_lock(&q->v->dev);
	wishes.wanted = q->wanted;
	wishes.features = core->driver_features;
	wishes.is_paused = core->is_paused;
	wishes.is_dying = core->is_dying;
	q->is_bound = true;
	if (!wishes.is_paused)
		q->is_quiet = false;
	vc__device_unlock(&q->v->dev);

	if (q->served != 0 && q->served != wishes.wanted && !drain(q))
		return false;
	if (q->served == 0 && wishes.wanted != 0)
		start(q, &wishes);
	if (wishes.is_dying)
		return leave(q);
	if (wishes.is_paused) {
		rest(q);
		return false;
	}
	q->is_paused = false;
	look(q);
	return false;
}

static void run_task(struct vc_ring_task *task)
{
	struct vc__virtio_queue *q = vc_container_of(task, struct vc__virtio_queue, task);

	come_in(q);
	vc__device_lock(&q->v->dev);
	q->nr_posted--;
	vc__device_unlock(&q->v->dev);
	if (!settle(q))
		go_out(q);
}

static void run_batch(struct vc_ring_task *task)
{
	struct vc__virtio_queue *q = vc_container_of(task, struct vc__virtio_queue, batch);
	bool must_look = q->must_look, is_gone = false;

	come_in(q);
	q->is_deferred = q->must_look = false;
	flush(q);
	/* Polls end when the ring is being stopped: then kicks come to nobody. */
	if (!is_served(q) || (!q->is_polling && begin_polling(q) < 0))
		is_gone = settle(q);
	else if (must_look)
		look(q);
	if (!is_gone)
		go_out(q);
}

void vc__virtio_post(struct vc__virtio_queue *q)
{
	int r = vc_ring_post(q->ring, &q->task);

	if (r == 0)
		q->nr_posted++;
	if (r >= 0)
		return;
	/*
	 * The ring was stopped. When its thread has left, too, nobody else is there; until then who
	 * waits for that asks again. Acquire: pairs with go_out().
	 */
	if (q->nr_posted > 0 || atomic_load_explicit(&q->is_about, memory_order_acquire))
		return;
	if (q->wanted == 0) {
		q->acked = 0;
		vc_virtq_disable(q->vq);
	}
	q->is_quiet = true;
	q->is_gone = q->v->core->is_dying;
}

/* Whether it holds for all; else which ring is waited for, by its first queue. */
static struct vc__virtio_queue *find_not(struct vc_virtio *v,
					 bool (*is_so)(const struct vc__virtio_queue *q))
{
	struct vc__virtio_queue *found = NULL;

	vc__device_lock(&v->dev);
	for (uint32_t i = 0; i < v->core->nr_queues && !found; i++)
		if (!is_so(&v->core->queues[i]))
			found = &v->core->queues[i];
	vc__device_unlock(&v->dev);
	return found;
}

/* Sleeps until some queue has come to rest; not long, for its ring may have been stopped. */
static void wait_for(struct vc__virtio_queue *q, uint32_t seen)
{
	const struct timespec patience = { .tv_nsec = 100000000 };
	long r = -1;

	errno = ETIMEDOUT;
	if (!vc_ring_is_current(q->ring))
		r = syscall(SYS_futex, &q->v->core->nr_settled, FUTEX_WAIT_PRIVATE, seen, &patience,
			    NULL, 0);
	else if (vc_ring_step(q->ring, -1) >= 0)
		return;
	if (r == 0 || errno != ETIMEDOUT)
		return;
	vc__device_lock(&q->v->dev);
	vc__virtio_post(q);
	vc__device_unlock(&q->v->dev);
}

void vc__virtio_await(struct vc_virtio *v, bool (*is_so)(const struct vc__virtio_queue *q))
{
	for (;;) {
		/* Acquire: pairs with wake_waiters(), after which nothing is missed. */
		uint32_t seen = atomic_load_explicit(&v->core->nr_settled, memory_order_acquire);
		struct vc__virtio_queue *q = find_not(v, is_so);

		if (!q)
			return;
		wait_for(q, seen);
	}
}

int vc__virtio_queue_init(struct vc__virtio_queue *q, struct vc_virtio *v, uint32_t idx,
			  const struct vc_virtio_config *cfg)
{
	struct vc_virtq_config queue = {
		.size = sizeof(queue),
		.mem = cfg->mem,
		.max_size = cfg->queue_size,
	};
	int r;

	q->v = v;
	q->idx = idx;
	q->nr_entries = cfg->queue_size;
	q->task.run = run_task;
	q->batch.run = run_batch;
	q->ring = vc_ring_get(cfg->rings[idx % cfg->nr_rings]);
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0)
		return vc_error_set(-errno, "devices", cfg->name, "no eventfd");
	/* Once the ring has a thread only that may give it files: then it does so when it begins. */
	r = vc_ring_add_file(q->ring, q->kick_fd, 0, &q->file);
	if (r < 0 && r != -EINVAL)
		return r;
	return vc_virtq_create(&queue, &q->vq);
}

void vc__virtio_queue_fini(struct vc__virtio_queue *q)
{
	if (q->ring)
		(void)vc__virtio_take_file(q);
	vc_virtq_destroy(q->vq);
	if (q->kick_fd >= 0)
		close(q->kick_fd);
	vc_ring_put(q->ring);
}

int vc_virtio_pop(struct vc_virtio *v, uint32_t queue, struct vc_virtq_chain *chain)
{
	struct vc__virtio_queue *q = &v->core->queues[queue];
	int r;

	if (!is_served(q))
		return 0;
	r = vc_virtq_pop(q->vq, chain);
	if (r < 0)
		fail(q);
	return r;
}

int vc_virtio_push(struct vc_virtio *v, uint32_t queue, struct vc_virtq_chain *chain,
		   uint32_t written)
{
	struct vc__virtio_queue *q = &v->core->queues[queue];
	int r = vc_virtq_push(q->vq, chain, written);

	if (r == -EINVAL)
		return r;
	defer(q);
	if (!q->is_deferred)
		go_out(q); /* the ring has ended */
	return r;
}

void vc_virtio_look(struct vc_virtio *v, uint32_t queue)
{
	struct vc__virtio_queue *q = &v->core->queues[queue];

	q->must_look = true;
	defer(q);
}

void vc_virtio_break(struct vc_virtio *v, uint32_t queue)
{
	struct vc__virtio_queue *q = &v->core->queues[queue];

	vc_virtq_break(q->vq, VC_VIRTQ_BAD_REQUEST);
	fail(q);
}
