/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream on a new pseudo-terminal: we hold the master, whoever wants opens the slave by path.
 *
 * While no slave is open the master is hung up: poll(2) says so at once and for ever. So then the
 * master is not polled: a timer looks whether somebody came, at most LOOK_NS late, and each write
 * looks for itself, so that a new peer misses nothing that is written after its open. Nothing here
 * counts against a limit of the user's, as inotify instances would. What is written with nobody
 * there is dropped. A hang-up is noticed on the polling thread: what was written in between lies in
 * the terminal's own buffer and is thrown away there, so that it is not the next peer's, but for a
 * write in flight, or when no descriptor is left to do it by. Raw mode is set once through the
 * master and stays. Leaves out: window size, modem lines. Spec: [pty(7)] [timerfd_create(2)]
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "stream_private.h"

#define LOOK_NS 250000000 /* between looks for a peer, while there is none */

static int refuse(int err, const char *what)
{
	return vc_error_set(err, "io", "pty", "%s: %s", what, strerrordesc_np(-err));
}

/* The slave by its master: the path may mean something else in another mount namespace. */
static int open_slave(const struct vc_stream *stream)
{
	return ioctl(stream->out.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static short master_state(const struct vc_stream *stream, short events)
{
	struct pollfd master = { .fd = stream->out.fd, .events = events };

	return poll(&master, 1, 0) > 0 ? master.revents : 0;
}

/* Nobody has the slave open. */
static bool is_deserted(const struct vc_stream *stream)
{
	return master_state(stream, 0) & POLLHUP;
}

/* What the peer that left has not read is not for the next one. */
static void forget_output(const struct vc_stream *stream)
{
	vc_auto_close int slave = open_slave(stream);

	if (slave >= 0)
		(void)tcflush(slave, TCIFLUSH);
}

static int start_looking(struct vc_stream *stream)
{
	const struct itimerspec each = { .it_interval.tv_nsec = LOOK_NS,
					 .it_value.tv_nsec = LOOK_NS };
	/* A master counts as hung up only once a slave was open. */
	vc_auto_close int slave = open_slave(stream);

	if (slave < 0)
		return refuse(-errno, "its other end cannot be opened");
	stream->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (stream->timer_fd < 0 || timerfd_settime(stream->timer_fd, 0, &each, NULL) < 0)
		return refuse(-errno, "no timer to look for peers with");
	return 0;
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
	return start_looking(stream);
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

	if (!atomic_load_explicit(&stream->has_peer, memory_order_relaxed) && is_deserted(stream))
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
		fds[0] = (struct pollfd){ .fd = stream->timer_fd, .events = POLLIN };
	else if (events)
		fds[0] = (struct pollfd){ .fd = stream->out.fd, .events = events };
	else
		return 0; /* even with no events poll(2) would report the hang-up, again and again */
	return 1;
}

/* What somebody typed who has left again counts as a peer until it was read. */
static void look(struct vc_stream *stream)
{
	short state = master_state(stream, POLLIN);
	uint64_t nr;

	/* Until it is read the timer does not run: it costs nothing while there is a peer. */
	(void)!read(stream->timer_fd, &nr, sizeof(nr));
	if ((state & POLLIN) || !(state & POLLHUP))
		atomic_store_explicit(&stream->has_peer, true, memory_order_relaxed);
}

/* A peer may have come since poll(2) told of the hang-up: what is its own stays. */
static void take_hang_up(struct vc_stream *stream)
{
	if (!is_deserted(stream))
		return;
	atomic_store_explicit(&stream->has_peer, false, memory_order_relaxed);
	forget_output(stream);
}

static unsigned int pty_ready(struct vc_stream *stream, const struct pollfd *fds, size_t nr)
{
	unsigned int ready = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (fds[i].fd == stream->timer_fd && fds[i].revents)
			look(stream);
		if (fds[i].fd != stream->out.fd || !fds[i].revents)
			continue;
		if (fds[i].revents & POLLIN)
			ready |= VC__STREAM_READABLE;
		else if (fds[i].revents & (POLLHUP | POLLERR))
			take_hang_up(stream);
		if (fds[i].revents & (POLLOUT | POLLHUP | POLLERR))
			ready |= VC__STREAM_WRITABLE;
	}
	return ready;
}

static void pty_close(struct vc_stream *stream)
{
	if (stream->timer_fd >= 0)
		(void)close(stream->timer_fd);
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
