/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that listens on a unix socket and talks to one peer at a time; the next waits in the
 * backlog until the first has gone, or, when accept(2) lacks a descriptor, for a timer.
 *
 * The writing thread sends while the polling thread may drop the peer. So that its descriptor number
 * never comes to mean something else in between, peer_fd is one number for life: dup3() puts the
 * peer's socket there, or, while there is none, a socket that is connected to nothing. A peer that
 * closed while input of its is unread (is_hung) keeps its place until that was read or somebody else
 * connects. Leaves out: passing descriptors, peer credentials (the file's mode, 0600, decides who
 * may connect). Spec: [unix(7)]
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "stream_private.h"

#define RETRY_NS 100000000 /* between attempts to accept */

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int bind_path(struct vc_stream *stream, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	/* The mode of the socket before bind() becomes that of the file. */
	if (fchmod(stream->listen_fd, 0600) < 0 ||
	    bind(stream->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (lstat(path, &st) == 0) {
		stream->dev = st.st_dev;
		stream->ino = st.st_ino;
	}
	return listen(stream->listen_fd, 1) < 0 ? -errno : 0;
}

static int unix_open(struct vc_stream *stream, const struct vc_stream_config *cfg)
{
	int r;

	stream->path = strdup(cfg->path);
	if (!stream->path)
		return vc_error_set(-ENOMEM, "io", cfg->path, "no memory");
	stream->listen_fd = new_socket();
	stream->peer_fd = stream->listen_fd < 0 ? -EBADF : new_socket();
	if (stream->listen_fd < 0 || stream->peer_fd < 0) {
		r = stream->listen_fd < 0 ? stream->listen_fd : stream->peer_fd;
		return vc_error_set(r, "io", cfg->path, "no socket: %s", strerrordesc_np(-r));
	}
	stream->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (stream->timer_fd < 0)
		return vc_error_set(-errno, "io", cfg->path, "no timer: %s",
				    strerrordesc_np(errno));
	r = bind_path(stream, cfg->path);
	if (r == -EADDRINUSE)
		return vc_error_set(r, "io", cfg->path,
				    "exists; remove it if no other program listens there");
	if (r < 0)
		return vc_error_set(r, "io", cfg->path, "cannot listen there: %s",
				    strerrordesc_np(-r));
	return 0;
}

static void drop_peer(struct vc_stream *stream)
{
	vc_auto_close int nobody = new_socket();

	atomic_store_explicit(&stream->has_peer, false, memory_order_relaxed);
	/* Out of descriptors the dead peer's socket stays until the next connection. */
	if (nobody >= 0)
		(void)dup3(nobody, stream->peer_fd, O_CLOEXEC);
	stream->is_hung = false;
	stream->is_peer_done = false;
}

/* Leaves the listener alone until the timer has fired; without a timer it stays as it was. */
static void retry_later(struct vc_stream *stream)
{
	const struct itimerspec once = { .it_value.tv_nsec = RETRY_NS };

	stream->is_backlogged = timerfd_settime(stream->timer_fd, 0, &once, NULL) == 0;
}

static bool take_peer(struct vc_stream *stream)
{
	vc_auto_close int fd = accept4(stream->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	stream->is_backlogged = false;
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		retry_later(stream);
	if (fd < 0 || dup3(fd, stream->peer_fd, O_CLOEXEC) < 0)
		return false;
	stream->is_hung = false;
	stream->is_peer_done = false;
	atomic_store_explicit(&stream->has_peer, true, memory_order_relaxed);
	return true;
}

static ssize_t unix_read(struct vc_stream *stream, void *buf, size_t len)
{
	ssize_t n = recv(stream->peer_fd, buf, len, MSG_DONTWAIT);

	if (n > 0)
		return n;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		stream->is_peer_done = true;
	if (stream->is_peer_done && stream->is_hung)
		drop_peer(stream);
	return -EAGAIN;
}

static ssize_t unix_write(struct vc_stream *stream, const void *buf, size_t len)
{
	ssize_t n;

	if (!atomic_load_explicit(&stream->has_peer, memory_order_relaxed))
		return (ssize_t)len;
	do {
		n = send(stream->peer_fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? -EAGAIN : (ssize_t)len;
}

static size_t unix_pollfds(struct vc_stream *stream, bool want_read, bool want_write,
			   struct pollfd *fds, size_t nr)
{
	bool has_peer = atomic_load_explicit(&stream->has_peer, memory_order_relaxed);
	short events = (short)((want_read && !stream->is_peer_done ? POLLIN : 0) |
			       (want_write ? POLLOUT : 0));
	size_t filled = 0;

	if ((!has_peer || stream->is_hung) && filled < nr)
		fds[filled++] = (struct pollfd){ .fd = stream->is_backlogged ? stream->timer_fd
									     : stream->listen_fd,
						 .events = POLLIN };
	/* With no events poll(2) still tells of the hang-up: wanted once, not again and again. */
	if (has_peer && (events || !stream->is_hung) && filled < nr)
		fds[filled++] = (struct pollfd){ .fd = stream->peer_fd, .events = events };
	return filled;
}

static unsigned int peer_ready(struct vc_stream *stream, short revents)
{
	unsigned int ready = 0;

	if (revents & (POLLHUP | POLLERR))
		stream->is_hung = true;
	if (stream->is_hung && stream->is_peer_done)
		drop_peer(stream);
	else if (revents & (POLLIN | POLLHUP | POLLERR))
		ready |= VC__STREAM_READABLE;
	if (revents & (POLLOUT | POLLHUP | POLLERR))
		ready |= VC__STREAM_WRITABLE;
	return ready;
}

static unsigned int unix_ready(struct vc_stream *stream, const struct pollfd *fds, size_t nr)
{
	unsigned int ready = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!fds[i].revents)
			continue;
		/* A new peer ends an old one's backlog: its successor gets the output. */
		if ((fds[i].fd == stream->listen_fd || fds[i].fd == stream->timer_fd) &&
		    take_peer(stream))
			return VC__STREAM_WRITABLE;
		if (fds[i].fd == stream->peer_fd)
			ready |= peer_ready(stream, fds[i].revents);
	}
	return ready;
}

static void unix_close(struct vc_stream *stream)
{
	struct stat st;

	/* Only the file that we made: somebody may have put another in its place. */
	if (stream->ino && lstat(stream->path, &st) == 0 && st.st_dev == stream->dev &&
	    st.st_ino == stream->ino)
		(void)unlink(stream->path);
	if (stream->listen_fd >= 0)
		(void)close(stream->listen_fd);
	if (stream->peer_fd >= 0)
		(void)close(stream->peer_fd);
	if (stream->timer_fd >= 0)
		(void)close(stream->timer_fd);
}

const struct vc__stream_kind vc__stream_unix = {
	.open = unix_open,
	.read = unix_read,
	.write = unix_write,
	.pollfds = unix_pollfds,
	.ready = unix_ready,
	.close = unix_close,
};
