/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the disk on a file or block device. Runs on the ring's thread.
 *
 * A request is one ring request at a time: a transfer, continued until all of it is done; a transfer
 * by way of an aligned copy; an fallocate(2), or zeroes written where there is none; and, where the
 * cache mode or VC_BLOCK_FUA wants it, an fdatasync(2) behind these. What came short is sent on from
 * where it stopped; what was interrupted or met a shortage is tried again, a few times without
 * progress; anything else is the request's result. A flush that failed with the page cache between
 * has lost data that was reported as written, and the kernel tells so only once: from then on every
 * flush fails. Leaves out: order between requests, of which a disk has none.
 * Spec: [virtio 1.3 §5.2.6.2] for what a flush covers; [fsync(2) ERRORS]
 */
#include "blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

/* Attempts without progress before -EAGAIN or -EINTR is the answer. */
#define TRIES_MAX 16u
/* One transfer of a single buffer; more would not fit the kernel's limit. */
#define PIECE_MAX (1u << 30)
/* What is copied on the ring's thread, of a file that is in memory. */
#define HERE_MAX 65536u

enum step {
	STEP_TRANSFER = 0,
	STEP_BOUNCE,
	STEP_ALLOCATE, /* fallocate(2) */
	STEP_FILL,     /* zeroes are written */
	STEP_SYNC,
};

enum end_flag {
	HAS_SAVED = 1u << 0, /* end_iov has what iov[end_idx] was */
};

static void go_on(struct vc_block_request *req);

static struct vc__blk_lane *lane_of(const struct vc_block_request *req)
{
	return req->queue->lane;
}

static bool is_write(const struct vc_block_request *req)
{
	return req->op == VC_BLOCK_WRITE;
}

/* Whether it must be durable before it completes. */
static bool is_durable(const struct vc_block_request *req)
{
	enum vc_block_cache cache = lane_of(req)->file->cache;

	if (cache == VC_BLOCK_UNSAFE)
		return false;
	return cache == VC_BLOCK_WRITETHROUGH || (req->flags & VC_BLOCK_FUA);
}

static void restore_iov(struct vc_block_request *req)
{
	if (req->end_flags & HAS_SAVED)
		req->iov[req->end_idx] = req->end_iov;
	req->end_flags &= (uint16_t)~HAS_SAVED;
}

/* One that fails at once comes by here again: then the loop that is under way goes on. */
static void start_waiting(struct vc__blk_lane *lane)
{
	if (lane->is_starting)
		return;
	lane->is_starting = true;
	while (lane->bounce.waiting.first && lane->bounce.free)
		go_on(vc__block_list_pop(&lane->bounce.waiting));
	lane->is_starting = false;
}

static void finish(struct vc_block_request *req, int result)
{
	struct vc__blk_lane *lane = lane_of(req);

	restore_iov(req);
	if (req->end_data[0]) {
		vc__bounce_give(&lane->bounce, req->end_data[0]);
		req->end_data[0] = NULL;
		/* Before the request goes, and perhaps the lane with it. */
		start_waiting(lane);
	}
	vc_block_complete(req, result);
}

/* Data that was reported as written is gone: no flush may say otherwise any more. */
static void note_sync_error(struct vc_block_request *req, int err)
{
	struct vc__blk_file *file = lane_of(req)->file;
	bool was_begun = err != -ECANCELED && err != -EAGAIN && err != -EINTR && err != -ENOMEM;

	if (!file->facts.is_direct && was_begun)
		atomic_store_explicit(&file->sync_error, err, memory_order_relaxed);
}

static void send(struct vc_block_request *req)
{
	struct vc__blk_lane *lane = lane_of(req);
	int r;

	req->io.file = lane->ring_file;
	r = vc_ring_submit(lane->ring, &req->io);
	if (r < 0)
		finish(req, r);
}

/* transfers */

/* Moves on by what was transferred since; the split entry is put back in the end. */
static void advance_iov(struct vc_block_request *req, uint64_t nr)
{
	while (nr > 0) {
		struct iovec *iov = &req->iov[req->end_idx];

		if (nr >= iov->iov_len) {
			nr -= iov->iov_len;
			restore_iov(req);
			req->end_idx++;
			continue;
		}
		if (!(req->end_flags & HAS_SAVED))
			req->end_iov = *iov;
		req->end_flags |= HAS_SAVED;
		iov->iov_base = (char *)iov->iov_base + nr;
		iov->iov_len -= nr;
		nr = 0;
	}
}

static void send_transfer(struct vc_block_request *req)
{
	struct vc_ring_request *io = &req->io;
	uint32_t nr_left = req->nr_iov - req->end_idx;

	if (nr_left == 1) {
		const struct iovec *iov = &req->iov[req->end_idx];

		io->op = is_write(req) ? VC_RING_WRITE : VC_RING_READ;
		io->buf = iov->iov_base;
		io->len = iov->iov_len < PIECE_MAX ? (uint32_t)iov->iov_len : PIECE_MAX;
	} else {
		io->op = is_write(req) ? VC_RING_WRITEV : VC_RING_READV;
		io->iov = &req->iov[req->end_idx];
		io->len = nr_left < IOV_MAX ? nr_left : IOV_MAX;
	}
	io->off = req->off + req->end_off;
	io->flags = is_write(req) && is_durable(req) ? VC_RING_DSYNC : 0;
	send(req);
}

static size_t bounce_len(const struct vc_block_request *req)
{
	uint64_t left = req->len - req->end_off;

	return left < VC__BOUNCE_BYTES ? (size_t)left : VC__BOUNCE_BYTES;
}

static void send_bounce(struct vc_block_request *req)
{
	struct vc__blk_lane *lane = lane_of(req);
	struct vc_ring_request *io = &req->io;

	if (!req->end_data[0]) {
		req->end_data[0] = vc__bounce_take(&lane->bounce);
		if (!req->end_data[0]) {
			vc__block_list_add(&lane->bounce.waiting, req);
			return;
		}
		vc__block_count(&req->queue->counters.nr_bounced, 1);
	}
	io->op = is_write(req) ? VC_RING_WRITE : VC_RING_READ;
	io->buf = req->end_data[0];
	io->len = (uint32_t)bounce_len(req);
	io->off = req->off + req->end_off;
	io->flags = is_write(req) && is_durable(req) ? VC_RING_DSYNC : 0;
	if (is_write(req))
		vc__bounce_gather(io->buf, req, req->end_off, io->len);
	send(req);
}

/* zeroes and holes */

static void send_allocate(struct vc_block_request *req)
{
	struct vc_ring_request *io = &req->io;
	const struct vc__blk_facts *facts = &lane_of(req)->file->facts;
	bool is_hole = req->op == VC_BLOCK_DISCARD || (req->flags & VC_BLOCK_UNMAP);
	uint64_t off = req->off, end = req->off + req->len;

	if (req->op == VC_BLOCK_DISCARD) {
		/* Inwards: what lies outside of whole blocks of the device stays as it is. */
		end &= ~(uint64_t)(facts->discard_align - 1);
		if (!vc_align_up_u64(off, facts->discard_align, &off) || off >= end) {
			finish(req, 0);
			return;
		}
	}
	io->op = VC_RING_FALLOCATE;
	io->flags = 0;
	io->arg = FALLOC_FL_KEEP_SIZE |
		  (is_hole && facts->can_punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	io->off = off;
	io->size_bytes = end - off;
	send(req);
}

static void send_fill(struct vc_block_request *req)
{
	struct vc_ring_request *io = &req->io;
	uint64_t left = req->len - req->end_off;

	io->op = VC_RING_WRITE;
	io->buf = lane_of(req)->file->zeroes;
	io->len = left < VC__ZEROES_BYTES ? (uint32_t)left : VC__ZEROES_BYTES;
	io->off = req->off + req->end_off;
	io->flags = is_durable(req) ? VC_RING_DSYNC : 0;
	send(req);
}

static void send_sync(struct vc_block_request *req)
{
	req->io.op = VC_RING_FDATASYNC;
	req->io.flags = 0;
	send(req);
}

static void go_on(struct vc_block_request *req)
{
	switch ((enum step)req->end_step) {
	case STEP_TRANSFER:
		send_transfer(req);
		break;
	case STEP_BOUNCE:
		send_bounce(req);
		break;
	case STEP_ALLOCATE:
		send_allocate(req);
		break;
	case STEP_FILL:
		send_fill(req);
		break;
	case STEP_SYNC:
		send_sync(req);
		break;
	}
}

/* @res bytes of a transfer, copy or filling are done: the next piece, or the end. */
static void moved(struct vc_block_request *req, uint32_t res)
{
	uint64_t left = req->len - req->end_off;
	uint32_t align = lane_of(req)->file->facts.direct_align;
	uint64_t nr = res < left ? res : left;

	/* O_DIRECT can go on from whole blocks only; 0 bytes are the end of a file cut short. */
	if (nr < left)
		nr &= ~(uint64_t)(align - 1);
	if (nr == 0) {
		finish(req, -EIO);
		return;
	}
	if (req->end_step == STEP_BOUNCE && !is_write(req))
		vc__bounce_scatter(req->end_data[0], req, req->end_off, nr);
	if (nr == left) {
		finish(req, 0);
		return;
	}
	if (req->io.op == VC_RING_READV || req->io.op == VC_RING_WRITEV || nr < req->io.len)
		vc__block_count(&req->queue->counters.nr_resumed, 1);
	if (req->end_step == STEP_TRANSFER)
		advance_iov(req, nr);
	req->end_off += nr;
	req->end_tries = 0;
	go_on(req);
}

/* True when another way was taken. */
static bool try_otherwise(struct vc_block_request *req, int err)
{
	struct vc__blk_file *file = lane_of(req)->file;

	/* The device is choosier about buffers than it said. */
	if (err == -EINVAL && req->end_step == STEP_TRANSFER && file->facts.is_direct) {
		restore_iov(req);
		req->end_step = STEP_BOUNCE;
		go_on(req);
		return true;
	}
	if ((err == -EAGAIN || err == -EINTR) && ++req->end_tries < TRIES_MAX) {
		vc__block_count(&req->queue->counters.nr_resumed, 1);
		go_on(req);
		return true;
	}
	if (req->end_step == STEP_ALLOCATE && req->op == VC_BLOCK_WRITE_ZEROES &&
	    (err == -EOPNOTSUPP || err == -EINVAL || err == -ENOSYS)) {
		if (!(req->io.arg & FALLOC_FL_PUNCH_HOLE) && err != -EINVAL)
			atomic_store_explicit(&file->has_no_zero_range, true, memory_order_relaxed);
		req->end_step = STEP_FILL;
		go_on(req);
		return true;
	}
	return false;
}

static void io_done(struct vc_ring_request *io, int res)
{
	struct vc_block_request *req = vc_container_of(io, struct vc_block_request, io);

	if (res < 0) {
		if (try_otherwise(req, res))
			return;
		if (req->end_step == STEP_SYNC || ((io->flags & VC_RING_DSYNC) && res == -EIO))
			note_sync_error(req, res);
		finish(req, res);
		return;
	}
	if (req->end_step == STEP_SYNC) {
		finish(req, 0);
	} else if (req->end_step != STEP_ALLOCATE) {
		moved(req, (uint32_t)res);
	} else if (is_durable(req)) {
		req->end_step = STEP_SYNC;
		go_on(req);
	} else {
		finish(req, 0);
	}
}

/*
 * tmpfs has no way to say that it would not wait, so that io_uring hands each transfer to a thread of
 * the kernel's, which costs more than to copy here and now. The rest of a short one goes by the ring.
 */
static bool is_done_here(const struct vc_block_request *req)
{
	return lane_of(req)->file->facts.is_resident && req->len <= HERE_MAX &&
	       req->nr_iov <= IOV_MAX;
}

static void transfer_here(struct vc_block_request *req)
{
	struct vc__blk_lane *lane = lane_of(req);
	int flags = is_durable(req) ? RWF_DSYNC : 0;
	ssize_t n;

	if (is_write(req))
		n = pwritev2(lane->file->facts.fd, req->iov, (int)req->nr_iov, (off_t)req->off,
			     flags);
	else
		n = preadv2(lane->file->facts.fd, req->iov, (int)req->nr_iov, (off_t)req->off, 0);
	req->io.op = is_write(req) ? VC_RING_WRITEV : VC_RING_READV;
	req->io.flags = is_write(req) && flags ? VC_RING_DSYNC : 0;
	io_done(&req->io, n < 0 ? -errno : (int)n);
}

static void flush(struct vc_block_request *req)
{
	struct vc__blk_file *file = lane_of(req)->file;
	int err = atomic_load_explicit(&file->sync_error, memory_order_relaxed);

	if (file->cache == VC_BLOCK_UNSAFE || file->cache == VC_BLOCK_WRITETHROUGH || err < 0) {
		vc_block_complete(req, err);
		return;
	}
	req->end_step = STEP_SYNC;
	go_on(req);
}

/* Whether O_DIRECT takes the buffers as they are. */
static bool is_aligned(const struct vc__blk_facts *facts, const struct vc_block_request *req)
{
	uintptr_t base = 0;
	size_t len = 0;
	uint32_t i;

	for (i = 0; i < req->nr_iov; i++) {
		base |= (uintptr_t)req->iov[i].iov_base;
		len |= req->iov[i].iov_len;
	}
	return !(base & (facts->mem_align - 1)) && !(len & (facts->direct_align - 1));
}

void vc__blk_file_submit(void *opaque, struct vc_block_request *req)
{
	struct vc__blk_lane *lane = opaque;
	struct vc__blk_file *file = lane->file;

	req->io.done = io_done;
	if (req->op == VC_BLOCK_FLUSH) {
		flush(req);
		return;
	}
	if (req->op == VC_BLOCK_READ || req->op == VC_BLOCK_WRITE) {
		if (is_done_here(req)) {
			transfer_here(req);
			return;
		}
		if (file->facts.is_direct && !is_aligned(&file->facts, req))
			req->end_step = STEP_BOUNCE;
	} else if (req->op == VC_BLOCK_DISCARD ||
		   ((req->flags & VC_BLOCK_UNMAP) && file->facts.can_punch) ||
		   !atomic_load_explicit(&file->has_no_zero_range, memory_order_relaxed)) {
		req->end_step = STEP_ALLOCATE;
	} else {
		req->end_step = STEP_FILL;
	}
	go_on(req);
}

void vc__blk_file_cancel(void *opaque)
{
	struct vc__blk_lane *lane = opaque;

	while (lane->bounce.waiting.first)
		vc_block_complete(vc__block_list_pop(&lane->bounce.waiting), -ECANCELED);
}
