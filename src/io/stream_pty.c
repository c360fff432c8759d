/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream on a new pseudo-terminal: we hold the master, whoever wants opens the slave by path.
 *
 * While no slave is open the master is hung up: poll(2) says so at once and for ever. So then the
 * master is not polled; an inotify watch on the slave's device node tells of the next open, and what
 * is written is dropped. A hang-up is noticed on the polling thread: what the guest writes in
 * between goes into the terminal's own buffer, and once that is full waits for the notice. Raw mode
 * is set once through the master and stays. Leaves out: window size, modem lines.
 * Spec: [pty(7)] [inotify(7)]
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <termios.h>

#include "stream_private.h"

static int refuse(int err, const char *what)
{
	return vc_error_set(err, "io", "pty", "%s: %s", what, strerrordesc_np(-err));
}

static int pty_open(struct vc_stream *stream, const struct vc_stream_config *cfg)
{
	struct termios termios;
	char path[64];
	int r;

	(void)cfg;
	stream->out.fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (stream->out.fd < 0)
		return refuse(-errno, "no new pseudo-terminal");
	if (grantpt(stream->out.fd) < 0 || unlockpt(stream->out.fd) < 0)
		return refuse(-errno, "cannot be unlocked");
	r = ptsname_r(stream->out.fd, path, sizeof(path));
	if (r)
		return refuse(-r, "has no name");
	if (tcgetattr(stream->out.fd, &termios) < 0)
		return refuse(-errno, "has no settings");
	cfmakeraw(&termios);
	if (tcsetattr(stream->out.fd, TCSANOW, &termios) < 0)
		return refuse(-errno, "cannot be made raw");
	stream->path = strdup(path);
	if (!stream->path)
		return refuse(-ENOMEM, "no memory");
	stream->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (stream->watch_fd < 0)
		return refuse(-errno, "no inotify instance to watch it with");
	if (inotify_add_watch(stream->watch_fd, path, IN_OPEN) < 0)
		return vc_error_set(-errno, "io", path, "cannot be watched");
	return 0;
}

/* -EIO is a hang-up, after which input can come again: never the end. */
static ssize_t pty_read(struct vc_stream *stream, void *buf, size_t len)
{
	ssize_t n = vc__end_read(&stream->out, buf, len);

	return n > 0 ? n : -EAGAIN;
}

static ssize_t pty_write(struct vc_stream *stream, const void *buf, size_t len)
{
	ssize_t n;

	if (!atomic_load_explicit(&stream->has_peer, memory_order_relaxed))
		return (ssize_t)len;
	n = vc__end_write(&stream->out, buf, len);
	return n < 0 && n != -EAGAIN ? (ssize_t)len : n;
}

static size_t pty_pollfds(struct vc_stream *stream, bool want_read, bool want_write,
			  struct pollfd *fds, size_t nr)
{
	bool has_peer = atomic_load_explicit(&stream->has_peer, memory_order_relaxed);
	short events = (short)((want_read ? POLLIN : 0) | (want_write ? POLLOUT : 0));

	if (nr == 0)
		return 0;
	if (!has_peer && !want_write)
		fds[0] = (struct pollfd){ .fd = stream->watch_fd, .events = POLLIN };
	else if (events)
		fds[0] = (struct pollfd){ .fd = stream->out.fd, .events = events };
	else
		return 0; /* even with no events poll(2) would report the hang-up, again and again */
	return 1;
}

static void drain_watch(struct vc_stream *stream)
{
	char events[sizeof(struct inotify_event) + NAME_MAX + 1];

	while (read(stream->watch_fd, events, sizeof(events)) > 0)
		;
}

static unsigned int pty_ready(struct vc_stream *stream, const struct pollfd *fds, size_t nr)
{
	unsigned int ready = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (fds[i].fd == stream->watch_fd && fds[i].revents) {
			drain_watch(stream);
			atomic_store_explicit(&stream->has_peer, true, memory_order_relaxed);
		}
		if (fds[i].fd != stream->out.fd || !fds[i].revents)
			continue;
		if (fds[i].revents & POLLIN)
			ready |= VC__STREAM_READABLE;
		else if (fds[i].revents & (POLLHUP | POLLERR))
			atomic_store_explicit(&stream->has_peer, false, memory_order_relaxed);
		if (fds[i].revents & (POLLOUT | POLLHUP | POLLERR))
			ready |= VC__STREAM_WRITABLE;
	}
	return ready;
}

static void pty_close(struct vc_stream *stream)
{
	if (stream->watch_fd >= 0)
		(void)close(stream->watch_fd);
	vc__end_close(&stream->out);
}

const struct vc__stream_kind vc__stream_pty = {
	.open = pty_open,
	.read = pty_read,
	.write = pty_write,
	.pollfds = pty_pollfds,
	.ready = pty_ready,
	.close = pty_close,
};
