/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as the system calls that it stands for: what a ring's workers do, and its own thread
 * once a file that may wait for ever is ready.
 *
 * Returns results as io_uring does. Ready is not enough for a call not to block: a write may be
 * longer than the room there is, another reader may have been quicker. So the latter asks for as
 * much as goes at once, in the way that each kind of file knows. [preadv2(2)] [send(2)]
 */
#include "ring_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* The iovecs of a request, one where it has a plain buffer. */
static struct msghdr message_of(const struct vc_ring_request *req, struct iovec *one)
{
	bool is_single = req->op == VC_RING_READ || req->op == VC_RING_WRITE;

	*one = (struct iovec){ .iov_base = req->buf, .iov_len = req->len };
	return (struct msghdr){ .msg_iov = is_single ? one : (struct iovec *)(uintptr_t)req->iov,
				.msg_iovlen = is_single ? 1 : req->len };
}

/* @flags: RWF_NOWAIT or 0. */
static ssize_t move(const struct vc_ring_request *req, int fd, bool is_stream, int flags)
{
	struct iovec one;
	struct msghdr msg = message_of(req, &one);
	off_t off = is_stream ? -1 : (off_t)req->off; /* -1: no position */

	if (req->op == VC_RING_READ || req->op == VC_RING_READV)
		return preadv2(fd, msg.msg_iov, (int)msg.msg_iovlen, off, flags);
	flags |= req->flags & VC_RING_DSYNC ? RWF_DSYNC : 0;
	return pwritev2(fd, msg.msg_iov, (int)msg.msg_iovlen, off, flags);
}

int64_t vc__ring_perform(const struct vc_ring_request *req, int fd, bool is_stream)
{
	ssize_t n;

	do {
		switch (req->op) {
		case VC_RING_FSYNC:
			n = fsync(fd);
			break;
		case VC_RING_FDATASYNC:
			n = fdatasync(fd);
			break;
		case VC_RING_FALLOCATE:
			n = fallocate(fd, (int)req->arg, (off_t)req->off, (off_t)req->size_bytes);
			break;
		default:
			n = move(req, fd, is_stream, 0);
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int64_t vc__ring_full_result(const struct vc_ring_request *req)
{
	int64_t sum = 0;

	switch (req->op) {
	case VC_RING_READ:
	case VC_RING_WRITE:
		return req->len;
	case VC_RING_READV:
	case VC_RING_WRITEV:
		for (uint32_t i = 0; i < req->len; i++)
			sum += (int64_t)req->iov[i].iov_len;
		return sum;
	default:
		return 0;
	}
}

int64_t vc__ring_perform_ready(const struct vc_ring_request *req, int fd, bool is_stream)
{
	bool is_read = req->op == VC_RING_READ || req->op == VC_RING_READV;
	struct iovec one;
	struct msghdr msg = message_of(req, &one);
	ssize_t n;

	n = is_read ? recvmsg(fd, &msg, MSG_DONTWAIT)
		    : sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == ENOTSOCK)
		n = move(req, fd, is_stream, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP) /* a tap: moves one whole frame, or says -EAGAIN */
		return vc__ring_perform(req, fd, is_stream);
	return n < 0 ? -errno : n;
}
