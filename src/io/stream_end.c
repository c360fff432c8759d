/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a stream on a descriptor that other processes may share, such as a terminal.
 *
 * O_NONBLOCK belongs to the open file description: set on a terminal it would appear in the shell
 * behind it. So terminals and pipes are opened anew through /proc/self/fd; sockets take
 * MSG_DONTWAIT; regular files never block in poll(2)'s sense. What cannot be opened anew (a terminal
 * of another user, a pty master, no /proc) is polled before each byte: a rival that gets in between
 * can then block the call. SIGPIPE and SIGXFSZ, sent to the writing thread, are blocked around
 * writes where they can arise and taken back, so that no disposition of the process matters. Runs on
 * the thread that reads or writes. Leaves out: job control (SIGTTIN, SIGTTOU) of a terminal.
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <linux/major.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "stream_end.h"

static bool is_slave_tty(int fd)
{
	unsigned int nr;

	/* Opening a master's device node again would make another pty: TIOCGPTN knows masters. */
	return isatty(fd) && ioctl(fd, TIOCGPTN, &nr) < 0;
}

static int reopen(int fd, bool is_write)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (is_write ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* null, zero, full and the like take any write at once. */
static bool is_memory_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == MEM_MAJOR;
}

/* The limit of a file's size is asked here, once: a write that cannot meet one costs no masking. */
static int signal_of(mode_t mode, bool is_write)
{
	struct rlimit limit;

	if (!is_write)
		return 0;
	if (S_ISFIFO(mode))
		return SIGPIPE;
	if (S_ISREG(mode) && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		return SIGXFSZ;
	return 0;
}

int vc__end_open(struct vc__end *end, int fd, bool is_write)
{
	struct vc__end e = { .fd = -1, .how = VC__END_POLLED };
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((flags & O_ACCMODE) == (is_write ? O_RDONLY : O_WRONLY) || (flags & O_PATH))
		return -EBADF;
	if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && is_slave_tty(fd))) {
		e.fd = reopen(fd, is_write);
		if (e.fd >= 0)
			e.how = VC__END_PLAIN;
	} else if (S_ISSOCK(st.st_mode)) {
		e.how = VC__END_SOCKET;
	} else if (S_ISREG(st.st_mode) || (is_write && is_memory_device(&st))) {
		e.how = VC__END_PLAIN;
	}
	if (e.fd < 0)
		e.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (e.fd < 0)
		return -errno;
	e.signal = signal_of(st.st_mode, is_write);
	e.is_free = e.how == VC__END_PLAIN && !e.signal;
	*end = e;
	return 0;
}

int vc__end_adopt(struct vc__end *end, int fd, bool is_write)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*end = (struct vc__end){ .fd = fd, .how = VC__END_PLAIN };
	end->signal = signal_of(st.st_mode, is_write);
	end->is_free = !end->signal;
	return 0;
}

void vc__end_close(struct vc__end *end)
{
	if (end->fd >= 0)
		(void)close(end->fd);
	end->fd = -1;
}

static bool is_ready(int fd, short events)
{
	struct pollfd one = { .fd = fd, .events = events };

	return poll(&one, 1, 0) > 0;
}

ssize_t vc__end_read(const struct vc__end *end, void *buf, size_t len)
{
	ssize_t n;

	do {
		if (end->how == VC__END_SOCKET)
			n = recv(end->fd, buf, len, MSG_DONTWAIT);
		else if (end->how == VC__END_POLLED && !is_ready(end->fd, POLLIN))
			return -EAGAIN;
		else
			n = read(end->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* A thread that had the signal pending before keeps it: ours and its own cannot be told apart. */
static ssize_t write_without_signal(const struct vc__end *end, const void *buf, size_t len)
{
	static const struct timespec at_once = { 0, 0 };
	sigset_t one, was, pending;
	bool was_pending = false;
	ssize_t n;

	(void)sigemptyset(&one);
	(void)sigaddset(&one, end->signal);
	(void)pthread_sigmask(SIG_BLOCK, &one, &was);
	if (sigismember(&was, end->signal) && sigpending(&pending) == 0)
		was_pending = sigismember(&pending, end->signal);
	n = write(end->fd, buf, len);
	if (n < 0)
		n = -errno;
	if ((n == -EPIPE || n == -EFBIG) && !was_pending)
		while (sigtimedwait(&one, NULL, &at_once) < 0 && errno == EINTR)
			;
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
	return n;
}

static ssize_t write_once(const struct vc__end *end, const void *buf, size_t len)
{
	ssize_t n;

	if (end->how == VC__END_SOCKET)
		n = send(end->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (end->signal)
		return write_without_signal(end, buf, len);
	else
		n = write(end->fd, buf, len);
	return n < 0 ? -errno : n;
}

ssize_t vc__end_write(const struct vc__end *end, const void *buf, size_t len)
{
	ssize_t n;

	if (end->how == VC__END_POLLED) {
		if (!is_ready(end->fd, POLLOUT))
			return -EAGAIN;
		len = len > 0;
	}
	do {
		n = write_once(end, buf, len);
	} while (n == -EINTR);
	return n;
}
