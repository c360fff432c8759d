/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving the frames of a tap: one lane for each queue on its ring. Runs on the ring's thread.
 *
 * Many reads are in flight, each into a slot of the user's, and each completes with one frame. How
 * many, the window, follows the traffic, because the kernel wakes all that wait whenever one frame
 * comes: it doubles when all of them came back in one batch and halves when few did. Slots beyond it
 * are idle. Reads and writes go to the ring at the end of a batch, hence one io_uring_enter for it.
 *
 * An interface that is down refuses writes (-EIO), one that is deleted refuses everything (-EBADFD).
 * Frames to be sent are lost then, slots are kept; a timer looks until things are well again. What
 * has been deleted and made anew is attached to again by vc_net_refresh(). [Linux tuntap.rst]
 */
#include "net_tap.h"

#include <errno.h>

#define WINDOW_MAX 64u
#define TRIES	   8u /* of what was interrupted */
#define LOOK_NS	   200000000u

enum { IS_ASKED_BACK = 1 }; /* end_step of a slot that is being read into */

struct list {
	struct vc_net_request *first, *last;
};

struct lane {
	struct vc__tap *tap;
	struct vc_net_queue *queue; /* NULL: detached */
	struct vc_ring *ring;
	uint32_t file;
	bool is_ordered; /* worker threads would overtake each other: one read, one write at a time */
	/* Attached, starter queued, timer armed, in a loop of callbacks: freed when none is left. */
	uint32_t nr_holds;
	struct list idle, reading;
	struct list outbox; /* is_ordered: the first is being written */
	uint32_t nr_reading, nr_landed, window;
	struct vc_ring_task starter;
	struct vc_ring_request timer;
	bool is_timer_armed;
	bool is_stalled; /* no reads until the timer has looked */
	bool is_over;	 /* the ring stops */
};

static void push(struct list *list, struct vc_net_request *req)
{
	req->end_next = NULL;
	req->end_prev = list->last;
	if (list->last)
		list->last->end_next = req;
	else
		list->first = req;
	list->last = req;
}

static void push_front(struct list *list, struct vc_net_request *req)
{
	req->end_prev = NULL;
	req->end_next = list->first;
	if (list->first)
		list->first->end_prev = req;
	else
		list->last = req;
	list->first = req;
}

static void unlink_from(struct list *list, struct vc_net_request *req)
{
	if (req->end_prev)
		req->end_prev->end_next = req->end_next;
	else
		list->first = req->end_next;
	if (req->end_next)
		req->end_next->end_prev = req->end_prev;
	else
		list->last = req->end_prev;
}

static void put(struct lane *lane)
{
	if (--lane->nr_holds == 0)
		free(lane);
}

/* Those that there are now: a callback may bring more. */
static void cancel_idle(struct lane *lane)
{
	struct vc_net_request *req = lane->idle.first, *next;

	lane->idle = (struct list){ NULL, NULL };
	for (; req; req = next) {
		next = req->end_next;
		vc_net_complete(req, -ECANCELED);
	}
}

static void end(struct lane *lane)
{
	lane->is_over = true;
	cancel_idle(lane);
}

/* The link, and its timer */

static void arm(struct lane *lane)
{
	if (lane->is_timer_armed)
		return;
	lane->is_timer_armed = vc_ring_submit(lane->ring, &lane->timer) == 0;
	if (lane->is_timer_armed)
		lane->nr_holds++;
	else
		end(lane);
}

/* Before the request's completion, after which the lane may be gone. */
static void set_up(struct lane *lane)
{
	if (atomic_load_explicit(&lane->tap->is_gone, memory_order_relaxed))
		atomic_store_explicit(&lane->tap->is_gone, false, memory_order_relaxed);
	vc_net_tell_link(lane->queue, true);
}

static void set_down(struct lane *lane, int err)
{
	if (err == -EBADFD)
		atomic_store_explicit(&lane->tap->is_gone, true, memory_order_relaxed);
	vc_net_tell_link(lane->queue, false);
}

static void start_soon(struct lane *lane)
{
	if (vc_ring_defer(lane->ring, &lane->starter) == 0)
		lane->nr_holds++;
}

static void timer_done(struct vc_ring_request *io, int res)
{
	struct lane *lane = vc_container_of(io, struct lane, timer);
	bool is_up;

	lane->is_timer_armed = false;
	if (!lane->queue) {
		put(lane);
		return;
	}
	is_up = vc__tap_is_up(lane->tap);
	vc_net_tell_link(lane->queue, is_up);
	lane->is_stalled = false;
	start_soon(lane);
	if (!is_up || res < 0)
		arm(lane);
	put(lane);
}

/* Receiving */

static bool is_passing(int res)
{
	return res == -EINTR || res == -EAGAIN;
}

static void retry_read(struct lane *lane, struct vc_net_request *req, int res)
{
	struct vc__net_counters *counters = &lane->queue->counters;

	push_front(&lane->idle, req);
	if (is_passing(res) && ++req->end_tries < TRIES) {
		vc__net_count(&counters->nr_resumed, 1);
		start_soon(lane);
		return;
	}
	req->end_tries = 0;
	vc__net_count(&counters->nr_receive_errors, 1);
	lane->is_stalled = true;
	/* -EFAULT: waited for when the interface was deleted. */
	if (res == -EBADFD || res == -EFAULT)
		set_down(lane, -EBADFD);
	arm(lane);
}

static void read_done(struct vc_ring_request *io, int res)
{
	struct vc_net_request *req = vc_container_of(io, struct vc_net_request, io);
	struct lane *lane = req->queue->lane;
	bool is_asked_back = req->end_step == IS_ASKED_BACK;

	unlink_from(&lane->reading, req);
	lane->nr_reading--;
	if (res >= (int)(VC_NET_HDR_LEN + VC_NET_FRAME_MIN) && (uint32_t)res <= req->len) {
		if (lane->nr_landed++ == 0)
			start_soon(lane);
		set_up(lane);
		vc_net_complete(req, res);
	} else if (res == -ECANCELED || is_asked_back) {
		lane->nr_holds++;
		if (!is_asked_back) /* by a stop of the ring */
			end(lane);
		vc_net_complete(req, -ECANCELED);
		put(lane);
	} else {
		retry_read(lane, req, res);
	}
}

/* The kernel need not fetch an iovec of one entry. */
static void set_buffers(const struct lane *lane, struct vc_net_request *req, enum vc_ring_op one,
			enum vc_ring_op many)
{
	struct vc_ring_request *io = &req->io;

	io->file = lane->file;
	if (req->nr_iov == 1) {
		io->op = (uint8_t)one;
		io->buf = req->iov->iov_base;
		io->len = req->len;
	} else {
		io->op = (uint8_t)many;
		io->iov = req->iov;
		io->len = req->nr_iov;
	}
}

static bool start_read(struct lane *lane, struct vc_net_request *req)
{
	req->end_step = 0;
	req->io.done = read_done;
	req->io.flags = VC_RING_WAITS;
	set_buffers(lane, req, VC_RING_READ, VC_RING_READV);
	if (vc_ring_submit(lane->ring, &req->io) < 0)
		return false;
	unlink_from(&lane->idle, req);
	push(&lane->reading, req);
	lane->nr_reading++;
	return true;
}

/* At the end of a batch: what it brought says how many reads to have. */
static void run_starter(struct vc_ring_task *task)
{
	struct lane *lane = vc_container_of(task, struct lane, starter);
	uint32_t window_max = lane->is_ordered ? 1 : WINDOW_MAX;

	if (lane->nr_landed >= lane->window && lane->window < window_max)
		lane->window *= 2;
	else if (lane->nr_landed > 0 && lane->nr_landed <= lane->window / 4)
		lane->window /= 2;
	lane->nr_landed = 0;
	while (lane->idle.first && lane->nr_reading < lane->window && !lane->is_stalled)
		if (!start_read(lane, lane->idle.first))
			end(lane);
	put(lane);
}

void vc__tap_receive(void *opaque, struct vc_net_request *req)
{
	struct lane *lane = opaque;
	int r = lane->is_over ? -ESHUTDOWN : vc_ring_defer(lane->ring, &lane->starter);

	if (r < 0) {
		vc_net_complete(req, -ESHUTDOWN);
		return;
	}
	push(&lane->idle, req);
	if (r == 0)
		lane->nr_holds++;
}

/* Sending */

static int submit_write(struct lane *lane, struct vc_net_request *req)
{
	req->io.flags = 0;
	set_buffers(lane, req, VC_RING_WRITE, VC_RING_WRITEV);
	return vc_ring_submit(lane->ring, &req->io);
}

static void write_next(struct lane *lane)
{
	struct vc_net_request *req;

	while ((req = lane->outbox.first) != NULL && submit_write(lane, req) < 0) {
		unlink_from(&lane->outbox, req);
		vc_net_complete(req, -ECANCELED);
	}
}

static void write_done(struct vc_ring_request *io, int res)
{
	struct vc_net_request *req = vc_container_of(io, struct vc_net_request, io);
	struct lane *lane = req->queue->lane;

	if (is_passing(res) && ++req->end_tries < TRIES) {
		vc__net_count(&lane->queue->counters.nr_resumed, 1);
		if (submit_write(lane, req) == 0)
			return;
		res = -ECANCELED;
	}
	if (res == (int)req->len) {
		set_up(lane);
		res = 0;
	} else if (res >= 0) {
		res = -EIO;
	} else if (res == -EIO || res == -EBADFD) {
		set_down(lane, res);
		arm(lane);
		res = -ENETDOWN;
	}
	if (lane->is_ordered) {
		unlink_from(&lane->outbox, req);
		write_next(lane);
	}
	vc_net_complete(req, res);
}

void vc__tap_send(void *opaque, struct vc_net_request *req)
{
	struct lane *lane = opaque;
	bool is_first = !lane->outbox.first;

	req->io.done = write_done;
	if (is_first && submit_write(lane, req) < 0)
		vc_net_complete(req, -ESHUTDOWN);
	else if (lane->is_ordered)
		push(&lane->outbox, req);
}

/* The rest */

void vc__tap_cancel(void *opaque)
{
	struct lane *lane = opaque;
	struct vc_net_request *req;

	cancel_idle(lane);
	while (lane->outbox.first != lane->outbox.last) { /* the first is being written */
		req = lane->outbox.last;
		unlink_from(&lane->outbox, req);
		vc_net_complete(req, -ECANCELED);
	}
	for (req = lane->reading.first; req; req = req->end_next) {
		if (req->end_step == IS_ASKED_BACK)
			continue;
		req->end_step = IS_ASKED_BACK;
		(void)vc_ring_cancel(lane->ring, &req->io);
	}
}

int vc__tap_attach(void *end, struct vc_net_queue *queue, uint32_t queue_idx, struct vc_ring *ring,
		   void **ret_lane)
{
	struct vc_ring_info info = { .size = sizeof(info) };
	struct vc__tap *tap = end;
	struct lane *lane = calloc(1, sizeof(*lane));
	int r;

	if (!lane)
		return vc_error_set(-ENOMEM, "io", tap->ifname, "no memory");
	r = vc_ring_add_file(ring, tap->fds[queue_idx], 0, &lane->file);
	if (r < 0) {
		free(lane);
		return r;
	}
	(void)vc_ring_get_info(ring, &info);
	lane->tap = tap;
	lane->queue = queue;
	lane->ring = ring;
	lane->is_ordered = info.mode == VC_RING_WORKERS;
	lane->nr_holds = 1;
	lane->window = 1;
	lane->starter.run = run_starter;
	lane->timer.op = VC_RING_TIMER;
	lane->timer.off = LOOK_NS;
	lane->timer.done = timer_done;
	*ret_lane = lane;
	return 0;
}

/* Nothing is with the ring but, perhaps, the timer and the starter, which find nothing to do. */
void vc__tap_detach(void *opaque)
{
	struct lane *lane = opaque;

	(void)vc_ring_remove_file(lane->ring, lane->file);
	if (lane->is_timer_armed)
		(void)vc_ring_cancel(lane->ring, &lane->timer);
	lane->queue = NULL;
	put(lane);
}
