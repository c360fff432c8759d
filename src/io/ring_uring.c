/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of a ring that is an io_uring, or two: one that sleeps, and in mode IOPOLL one that
 * polls devices. ring_setup.c makes them, disabled; the thread that enables them is the only one
 * that the kernel lets in.
 *
 * Every request names a registered file or none, so the restriction "registered files only" covers
 * them all; operations that the ring does not use are refused by the kernel, which seccomp could not
 * do. A file whose device cannot be polled is served by the first queue from its first refusal on.
 * [io_uring_enter(2)]
 */
#include "ring_uring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* user_data of what has no request behind it: the answer to a cancel. */
#define NO_REQUEST 0u

#define OPS_POLLED \
	(1u << VC_RING_READ | 1u << VC_RING_WRITE | 1u << VC_RING_READV | 1u << VC_RING_WRITEV)

static struct vc__uring *uring_of(const struct vc_ring *ring)
{
	return ring->engine_data;
}

/* open */

static int uring_open(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	struct vc__uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory for a ring");
	u->ring.ring_fd = u->polled.ring_fd = -1;
	ring->engine_data = u;
	r = vc__uring_setup(ring, u, cfg);
	ring->is_restricted = r == 0;
	ring->is_task_deferred = r == 0 && (u->ring.flags & IORING_SETUP_DEFER_TASKRUN);
	return r;
}

static void uring_close(struct vc_ring *ring)
{
	struct vc__uring *u = uring_of(ring);

	if (u && u->polled.ring_fd >= 0)
		io_uring_queue_exit(&u->polled);
	if (u && u->ring.ring_fd >= 0)
		io_uring_queue_exit(&u->ring);
	if (u)
		free(u->pieces);
	free(u);
}

static int uring_attach(struct vc_ring *ring)
{
	struct vc__uring *u = uring_of(ring);
	int r = io_uring_register((unsigned int)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
				  0);

	if (r == 0 && u->polled.ring_fd >= 0)
		r = io_uring_register((unsigned int)u->polled.ring_fd, IORING_REGISTER_ENABLE_RINGS,
				      NULL, 0);
	return r < 0 ? vc_error_set(r, "io", ring->name, "the ring cannot be enabled: %s",
				    strerrordesc_np(-r))
		     : 0;
}

static int uring_set_file(struct vc_ring *ring, uint32_t file, int fd)
{
	struct vc__uring *u = uring_of(ring);
	int r = io_uring_register_files_update(&u->ring, file, &fd, 1);

	if (r >= 0 && u->polled.ring_fd >= 0) {
		r = io_uring_register_files_update(&u->polled, file, &fd, 1);
		if (r < 0)
			(void)io_uring_register_files_update(&u->ring, file, &(int){ -1 }, 1);
	}
	return r < 0 ? vc_error_set(r, "io", ring->name, "fd %d cannot be registered: %s", fd,
				    strerrordesc_np(-r))
		     : 0;
}

/* requests */

static_assert(sizeof(struct __kernel_timespec) == 2 * sizeof(int64_t),
	      "a request's ring_time holds one");

static void prepare_timer(struct io_uring_sqe *sqe, struct vc_ring_request *req)
{
	struct __kernel_timespec *ts = (void *)req->ring_time;
	bool is_absolute = req->flags & VC_RING_ABSOLUTE;

	ts->tv_sec = (int64_t)(req->off / NS_PER_S);
	ts->tv_nsec = (int64_t)(req->off % NS_PER_S);
	io_uring_prep_timeout(sqe, ts, 0, is_absolute ? IORING_TIMEOUT_ABS : 0);
}

/* With its buffer in registered memory a request differs in these two fields only. */
static void prepare_fixed(struct vc_ring *ring, struct io_uring_sqe *sqe,
			  const struct vc_ring_request *req, uint8_t opcode)
{
	const struct vc__uring *u = uring_of(ring);
	const struct vc__piece *piece;

	if (u->nr_pieces == 0)
		return;
	piece = vc__uring_piece(u, req->buf, req->len);
	if (!piece)
		return;
	sqe->opcode = opcode;
	sqe->buf_index = piece->buf_idx;
	vc__ring_count(&ring->counters.nr_fixed, 1);
}

static void prepare(struct vc_ring *ring, struct io_uring_sqe *sqe, struct vc_ring_request *req)
{
	int rw_flags = req->flags & VC_RING_DSYNC ? RWF_DSYNC : 0;
	int file = (int)req->file;

	switch ((enum vc_ring_op)req->op) {
	case VC_RING_READ:
		io_uring_prep_read(sqe, file, req->buf, req->len, req->off);
		prepare_fixed(ring, sqe, req, IORING_OP_READ_FIXED);
		break;
	case VC_RING_WRITE:
		io_uring_prep_write(sqe, file, req->buf, req->len, req->off);
		prepare_fixed(ring, sqe, req, IORING_OP_WRITE_FIXED);
		sqe->rw_flags = rw_flags;
		break;
	case VC_RING_READV:
		io_uring_prep_readv(sqe, file, req->iov, req->len, req->off);
		break;
	case VC_RING_WRITEV:
		io_uring_prep_writev2(sqe, file, req->iov, req->len, req->off, rw_flags);
		break;
	case VC_RING_FSYNC:
		io_uring_prep_fsync(sqe, file, 0);
		break;
	case VC_RING_FDATASYNC:
		io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
		break;
	case VC_RING_FALLOCATE:
		io_uring_prep_fallocate(sqe, file, (int)req->arg, (off_t)req->off,
					(off_t)req->size_bytes);
		break;
	case VC_RING_POLL:
		io_uring_prep_poll_multishot(sqe, file, req->arg);
		break;
	case VC_RING_TIMER:
		prepare_timer(sqe, req);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE | (req->then ? IOSQE_IO_LINK : 0);
	io_uring_sqe_set_data(sqe, req);
}

/* Writes that must be stable when completed are left to the queue that sleeps. */
static bool is_polled(const struct vc_ring *ring, const struct vc_ring_request *req)
{
	return uring_of(ring)->polled.ring_fd >= 0 && !req->then && !req->flags &&
	       (OPS_POLLED >> req->op & 1) && (ring->files[req->file].flags & VC_RING_FILE_POLLED);
}

/* A chain goes out in one piece: links do not reach across two submissions. */
static bool uring_start(struct vc_ring *ring, struct vc_ring_request *req, uint32_t nr)
{
	struct vc__uring *u = uring_of(ring);
	bool has_polled = nr == 1 && is_polled(ring, req);
	struct io_uring *queue = has_polled ? &u->polled : &u->ring;

	if (io_uring_sq_space_left(queue) < nr)
		return false;
	for (; req; req = req->then)
		prepare(ring, io_uring_get_sqe(queue), req);
	u->nr_polled += has_polled;
	return true;
}

static bool uring_cancel(struct vc_ring *ring, struct vc_ring_request *req)
{
	struct io_uring_sqe *sqe;

	if (is_polled(ring, req)) /* the device has it: it ends soon by itself */
		return true;
	sqe = io_uring_get_sqe(&uring_of(ring)->ring);
	if (!sqe)
		return false;
	io_uring_prep_cancel(sqe, req, 0);
	sqe->flags |= IOSQE_FIXED_FILE; /* required of all, though it names no file */
	sqe->user_data = NO_REQUEST;
	return true;
}

/* turning */

static int judge(const struct vc_ring *ring, int r)
{
	switch (r) {
	case -EINTR:
	case -ETIME:
	case -EAGAIN: /* no memory for a request now: it stays in the queue */
	case -EBUSY:  /* completions have to be taken first */
		return 0;
	default:
		return r >= 0 ? 0
			      : vc_error_set(r, "io", ring->name, "io_uring_enter: %s",
					     strerrordesc_np(-r));
	}
}

static int after_enter(struct vc_ring *ring, int r)
{
	vc__ring_count(&ring->counters.nr_enters, 1);
	return judge(ring, r);
}

/* Without waiting, and without a system call where the kernel has nothing to do for us. */
static int enter_now(struct vc_ring *ring, struct io_uring *u)
{
	uint32_t flags = IO_URING_READ_ONCE(*u->sq.kflags);

	if ((u->flags & IORING_SETUP_SQPOLL) &&
	    !(flags & (IORING_SQ_NEED_WAKEUP | IORING_SQ_CQ_OVERFLOW)))
		return judge(ring, io_uring_submit(u)); /* its thread sees what is published */
	if ((u->flags & IORING_SETUP_TASKRUN_FLAG) && io_uring_sq_ready(u) == 0 &&
	    !(flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
		return 0;
	return after_enter(ring, io_uring_submit_and_get_events(u));
}

static int uring_enter(struct vc_ring *ring, int64_t timeout_ns)
{
	struct vc__uring *both = uring_of(ring);
	struct io_uring *u = &both->ring;
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;
	int r;

	if (both->nr_polled > 0) {
		r = after_enter(ring, io_uring_submit_and_get_events(&both->polled));
		if (r < 0)
			return r;
		timeout_ns = 0;
	}
	if (timeout_ns == 0 || ((u->flags & IORING_SETUP_SQPOLL) && io_uring_cq_ready(u) > 0))
		return enter_now(ring, u);
	if (timeout_ns < 0)
		return after_enter(ring, io_uring_submit_and_wait(u, 1));
	ts.tv_sec = timeout_ns / (int64_t)NS_PER_S;
	ts.tv_nsec = timeout_ns % (int64_t)NS_PER_S;
	return after_enter(ring, io_uring_submit_and_wait_timeout(u, &cqe, 1, &ts, NULL));
}

static int uring_flush(struct vc_ring *ring)
{
	struct vc__uring *both = uring_of(ring);
	int r = 0;

	if (both->ring.flags & IORING_SETUP_SQPOLL)
		r = judge(ring, io_uring_submit(&both->ring));
	else if (io_uring_sq_ready(&both->ring))
		r = after_enter(ring, io_uring_submit(&both->ring));
	if (r == 0 && both->nr_polled > 0 && io_uring_sq_ready(&both->polled))
		r = after_enter(ring, io_uring_submit(&both->polled));
	return r < 0 ? r : both->nr_polled > 0;
}

static void reap_one(struct vc_ring *ring, const struct io_uring_cqe *cqe)
{
	struct vc_ring_request *req = io_uring_cqe_get_data(cqe);
	bool is_last = !(cqe->flags & IORING_CQE_F_MORE);
	int res = cqe->res;

	io_uring_cq_advance(&uring_of(ring)->ring, 1);
	if (!req)
		return;
	if (req->op == VC_RING_TIMER && res == -ETIME)
		res = 0;
	vc__ring_complete(ring, req, res, is_last);
}

/* Where its device cannot be polled, a file's requests go to the other queue from now on. */
static void reap_polled(struct vc_ring *ring, const struct io_uring_cqe *cqe)
{
	struct vc__uring *u = uring_of(ring);
	struct vc_ring_request *req = io_uring_cqe_get_data(cqe);
	int res = cqe->res;

	io_uring_cq_advance(&u->polled, 1);
	u->nr_polled--;
	if (res != -EOPNOTSUPP) {
		vc__ring_complete(ring, req, res, true);
		return;
	}
	ring->files[req->file].flags &= ~(uint32_t)VC_RING_FILE_POLLED;
	vc__ring_retry(ring, req);
}

static void uring_reap(struct vc_ring *ring)
{
	struct vc__uring *u = uring_of(ring);
	struct io_uring_cqe *cqe;
	unsigned int nr;

	/* Those that come meanwhile are for the next turn: no storm of events keeps this one. */
	for (nr = io_uring_cq_ready(&u->ring); nr > 0; nr--) {
		if (io_uring_peek_cqe(&u->ring, &cqe) < 0)
			break;
		reap_one(ring, cqe);
	}
	if (u->nr_polled == 0)
		return;
	for (nr = io_uring_cq_ready(&u->polled); nr > 0; nr--) {
		if (io_uring_peek_cqe(&u->polled, &cqe) < 0)
			break;
		reap_polled(ring, cqe);
	}
}

static int uring_fd(const struct vc_ring *ring)
{
	return uring_of(ring)->ring.ring_fd;
}

const struct vc__ring_engine vc__ring_uring = {
	.open = uring_open,
	.attach = uring_attach,
	.set_file = uring_set_file,
	.add_memory = vc__uring_add_memory,
	.start = uring_start,
	.cancel = uring_cancel,
	.enter = uring_enter,
	.flush = uring_flush,
	.reap = uring_reap,
	.fd = uring_fd,
	.close = uring_close,
};
