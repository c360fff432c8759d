/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands between a disk and its ring: writes down what is submitted, and lets chosen requests end
 * otherwise. For programs linked with WRAP vc_ring_submit.
 */
#ifndef VC_TESTS_BLK_SCRIPT_H
#define VC_TESTS_BLK_SCRIPT_H

#include "block_unit.h"

#include <sys/uio.h>

#define TRACE_MAX 65536u

/* One submission. */
struct sent {
	uint8_t op, flags;
	uint32_t arg;
	uint64_t off, len;
};

/* What a request is to end with; for a transfer cut above 0 it is done up to so many bytes. */
struct fate {
	bool is_set;
	int res;	   /* below 0: this, and nothing was done */
	uint64_t short_to; /* above 0: transfer at most so much */
	int refuse;	   /* below 0: vc_ring_submit() says so */
};

static struct {
	struct sent sent[TRACE_MAX];
	unsigned int nr_sent;
	struct fate (*decide)(const struct vc_ring_request *io, unsigned int nr);
} script;

struct delayed {
	void (*done)(struct vc_ring_request *req, int res);
	struct vc_ring_request *io;
	int res;
	struct vc_ring_task task;
	bool is_used;
};

static struct delayed delayed[256];

static inline void tell_delayed(struct vc_ring_task *task)
{
	struct delayed *d = vc_container_of(task, struct delayed, task);
	struct vc_ring_request *io = d->io;
	int res = d->res;

	d->is_used = false;
	io->done(io, res);
}

int __real_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *io);
int __wrap_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *io);

static inline uint64_t len_of(const struct vc_ring_request *io)
{
	uint64_t len = 0;

	if (io->op == VC_RING_FALLOCATE)
		return io->size_bytes;
	if (io->op != VC_RING_READV && io->op != VC_RING_WRITEV)
		return io->op == VC_RING_FDATASYNC ? 0 : io->len;
	for (uint32_t i = 0; i < io->len; i++)
		len += io->iov[i].iov_len;
	return len;
}

/* Fails without having been sent. */
static inline int end_later(struct vc_ring *ring, struct vc_ring_request *io, int res)
{
	unsigned int i = 0;

	while (delayed[i].is_used)
		assert_true(++i < ARRAY_LEN(delayed));
	delayed[i] =
		(struct delayed){ .io = io, .res = res, .is_used = true, .task.run = tell_delayed };
	return vc_ring_defer(ring, &delayed[i].task) < 0 ? -ESHUTDOWN : 0;
}

/* Transfers less than was asked, without the ring's help: the file is reached by its fd. */
static int script_fd = -1;

static inline int transfer_less(const struct vc_ring_request *io, uint64_t len)
{
	bool is_write = io->op == VC_RING_WRITE || io->op == VC_RING_WRITEV;
	bool is_vector = io->op == VC_RING_READV || io->op == VC_RING_WRITEV;
	struct iovec one = { .iov_base = io->buf, .iov_len = io->len };
	const struct iovec *iov = is_vector ? io->iov : &one;
	uint64_t done = 0;

	for (; done < len; iov++) {
		size_t n = iov->iov_len < len - done ? iov->iov_len : len - done;
		off_t at = (off_t)(io->off + done);
		ssize_t r = is_write ? pwrite(script_fd, iov->iov_base, n, at)
				     : pread(script_fd, iov->iov_base, n, at);

		assert_int_equal(r, n);
		done += n;
	}
	return (int)done;
}

int __wrap_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *io)
{
	struct fate fate = { .is_set = false };
	unsigned int nr = script.nr_sent;

	if (io->op == VC_RING_TIMER)
		return __real_vc_ring_submit(ring, io);
	assert_true(nr < TRACE_MAX);
	script.sent[script.nr_sent++] = (struct sent){
		.op = io->op, .flags = io->flags, .arg = io->arg, .off = io->off, .len = len_of(io)
	};
	if (script.decide)
		fate = script.decide(io, nr);
	if (fate.is_set && fate.refuse < 0)
		return fate.refuse;
	if (fate.is_set && fate.short_to > 0 && fate.short_to < len_of(io))
		return end_later(ring, io, transfer_less(io, fate.short_to));
	if (fate.is_set && fate.short_to == 0)
		return end_later(ring, io, fate.res);
	return __real_vc_ring_submit(ring, io);
}

static inline void script_start(struct fate (*decide)(const struct vc_ring_request *io,
						      unsigned int nr))
{
	script.nr_sent = 0;
	script.decide = decide;
}

/* How often an operation was submitted since script_start(). */
static inline unsigned int nr_sent_of(enum vc_ring_op op)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < script.nr_sent; i++)
		nr += script.sent[i].op == op;
	return nr;
}

#endif /* VC_TESTS_BLK_SCRIPT_H */
