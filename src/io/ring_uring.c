/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of a ring that is an io_uring. Made disabled on the control thread, which registers
 * files and restrictions; the thread that enables it is the only one that the kernel lets in.
 *
 * Every request names a registered file or none, so the restriction "registered files only" covers
 * them all; operations that the ring does not use are refused by the kernel, which seccomp could not
 * do. liburing 2.3's shared library lacks io_uring_enable_rings() and io_uring_register_restrictions():
 * io_uring_register() does both. [io_uring_setup(2)] [io_uring_register(2)]
 */
#include "ring_uring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* user_data of what has no request behind it: the answer to a cancel. */
#define NO_REQUEST 0u

static struct vc__uring *uring_of(const struct vc_ring *ring)
{
	return ring->engine_data;
}

/* open */

static int refuse_setup(const struct vc_ring_config *cfg, int err)
{
	switch (err) {
	case -EPERM:
		return vc_error_set(
			-EPERM, "io", cfg->name,
			"io_uring is forbidden here (sysctl kernel.io_uring_disabled, or "
			"seccomp); nr_workers above 0 does the same with threads");
	case -ENOSYS:
		return vc_error_set(-ENOSYS, "io", cfg->name,
				    "this kernel has no io_uring; nr_workers above 0 does the same "
				    "with threads");
	case -EINVAL:
		return vc_error_set(-EOPNOTSUPP, "io", cfg->name,
				    "this kernel's io_uring is too old for the mode");
	default:
		return vc_error_set(err, "io", cfg->name, "io_uring cannot be set up: %s",
				    strerrordesc_np(-err));
	}
}

/* A completion queue so long that polls of many doorbells seldom find it full. */
static uint32_t cq_entries(uint32_t depth)
{
	return depth < 128 ? 512 : depth * 4;
}

/* From what is best to what Linux 5.13 has; a kernel that does not know a flag says EINVAL. */
static int setup(struct vc__uring *u, uint32_t depth)
{
	static const uint32_t tries[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
		0,
	};
	int r = -EINVAL;

	for (size_t i = 0; r == -EINVAL && i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct io_uring_params params = {
			.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | tries[i],
			.cq_entries = cq_entries(depth),
		};

		r = io_uring_queue_init_params(depth + SQ_SPARE, &u->ring, &params);
	}
	return r;
}

struct allowed {
	uint8_t op; /* enum vc_ring_op */
	uint8_t opcode;
};

static int restrict_ops(struct vc_ring *ring)
{
	static const struct allowed allowed[] = {
		{ VC_RING_READ, IORING_OP_READ },
		{ VC_RING_WRITE, IORING_OP_WRITE },
		{ VC_RING_READV, IORING_OP_READV },
		{ VC_RING_WRITEV, IORING_OP_WRITEV },
		{ VC_RING_FSYNC, IORING_OP_FSYNC },
		{ VC_RING_FDATASYNC, IORING_OP_FSYNC },
		{ VC_RING_FALLOCATE, IORING_OP_FALLOCATE },
		{ VC_RING_TIMER, IORING_OP_TIMEOUT },
		{ 0, IORING_OP_POLL_ADD }, /* the ring's own eventfd */
		{ 0, IORING_OP_ASYNC_CANCEL },
	};
	struct io_uring_restriction res[sizeof(allowed) / sizeof(allowed[0]) + 3] = { 0 };
	unsigned int nr = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (allowed[i].op && !(ring->ops >> allowed[i].op & 1))
			continue;
		res[nr].opcode = IORING_RESTRICTION_SQE_OP;
		res[nr++].sqe_op = allowed[i].opcode;
	}
	res[nr].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[nr++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	res[nr].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	res[nr++].sqe_flags = IOSQE_FIXED_FILE;
	if (!ring->is_sealed) {
		res[nr].opcode = IORING_RESTRICTION_REGISTER_OP;
		res[nr++].register_op = IORING_REGISTER_FILES_UPDATE;
	}
	return io_uring_register((unsigned int)uring_of(ring)->ring.ring_fd,
				 IORING_REGISTER_RESTRICTIONS, res, nr);
}

static int uring_open(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	struct vc__uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory for a ring");
	u->ring.ring_fd = -1;
	ring->engine_data = u;
	r = setup(u, ring->depth);
	if (r < 0) {
		u->ring.ring_fd = -1;
		return refuse_setup(cfg, r);
	}
	if (!(u->ring.features & IORING_FEAT_EXT_ARG) || !(u->ring.features & IORING_FEAT_NODROP))
		return refuse_setup(cfg, -EINVAL);
	ring->is_task_deferred = u->ring.flags & IORING_SETUP_DEFER_TASKRUN;
	r = io_uring_register_files_sparse(&u->ring, ring->nr_files);
	if (r < 0)
		return vc_error_set(r, "io", cfg->name, "%u files cannot be registered: %s",
				    ring->nr_files, strerrordesc_np(-r));
	r = restrict_ops(ring);
	if (r < 0)
		return vc_error_set(r, "io", cfg->name, "the ring cannot be restricted: %s",
				    strerrordesc_np(-r));
	ring->is_restricted = true;
	return 0;
}

static void uring_close(struct vc_ring *ring)
{
	struct vc__uring *u = uring_of(ring);

	if (u && u->ring.ring_fd >= 0)
		io_uring_queue_exit(&u->ring);
	free(u);
}

static int uring_attach(struct vc_ring *ring)
{
	int r = io_uring_register((unsigned int)uring_of(ring)->ring.ring_fd,
				  IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	return r < 0 ? vc_error_set(r, "io", ring->name, "the ring cannot be enabled: %s",
				    strerrordesc_np(-r))
		     : 0;
}

static int uring_set_file(struct vc_ring *ring, uint32_t file, int fd)
{
	int r = io_uring_register_files_update(&uring_of(ring)->ring, file, &fd, 1);

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

static void prepare(struct io_uring_sqe *sqe, struct vc_ring_request *req)
{
	int rw_flags = req->flags & VC_RING_DSYNC ? RWF_DSYNC : 0;
	int file = (int)req->file;

	switch ((enum vc_ring_op)req->op) {
	case VC_RING_READ:
		io_uring_prep_read(sqe, file, req->buf, req->len, req->off);
		break;
	case VC_RING_WRITE:
		io_uring_prep_write(sqe, file, req->buf, req->len, req->off);
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

/* A chain goes out in one piece: links do not reach across two submissions. */
static bool uring_start(struct vc_ring *ring, struct vc_ring_request *req, uint32_t nr)
{
	struct io_uring *u = &uring_of(ring)->ring;

	if (io_uring_sq_space_left(u) < nr)
		return false;
	for (; req; req = req->then)
		prepare(io_uring_get_sqe(u), req);
	return true;
}

static bool uring_cancel(struct vc_ring *ring, struct vc_ring_request *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring_of(ring)->ring);

	if (!sqe)
		return false;
	io_uring_prep_cancel(sqe, req, 0);
	sqe->flags |= IOSQE_FIXED_FILE; /* required of all, though it names no file */
	sqe->user_data = NO_REQUEST;
	return true;
}

/* turning */

static int after_enter(struct vc_ring *ring, int r)
{
	vc__ring_count(&ring->counters.nr_enters, 1);
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

static int uring_enter(struct vc_ring *ring, int64_t timeout_ns)
{
	struct io_uring *u = &uring_of(ring)->ring;
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	if (timeout_ns == 0)
		return after_enter(ring, io_uring_submit_and_get_events(u));
	if (timeout_ns < 0)
		return after_enter(ring, io_uring_submit_and_wait(u, 1));
	ts.tv_sec = timeout_ns / (int64_t)NS_PER_S;
	ts.tv_nsec = timeout_ns % (int64_t)NS_PER_S;
	return after_enter(ring, io_uring_submit_and_wait_timeout(u, &cqe, 1, &ts, NULL));
}

static int uring_flush(struct vc_ring *ring)
{
	struct io_uring *u = &uring_of(ring)->ring;

	return io_uring_sq_ready(u) ? after_enter(ring, io_uring_submit(u)) : 0;
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

static void uring_reap(struct vc_ring *ring)
{
	struct io_uring *u = &uring_of(ring)->ring;
	struct io_uring_cqe *cqe;

	/* Those that come meanwhile are for the next turn: no storm of events keeps this one. */
	for (unsigned int nr = io_uring_cq_ready(u); nr > 0; nr--) {
		if (io_uring_peek_cqe(u, &cqe) < 0)
			return;
		reap_one(ring, cqe);
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
	.start = uring_start,
	.cancel = uring_cancel,
	.enter = uring_enter,
	.flush = uring_flush,
	.reap = uring_reap,
	.fd = uring_fd,
	.close = uring_close,
};
