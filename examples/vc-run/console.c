/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of the guest's serial port. On a terminal it is a stream of this program's own, because
 * of the escape key; anything else the library does.
 */
#include "console.h"
#include <libvirtcore/libvirtcore.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CTRL_A 0x01

/* The terminal once more, so that O_NONBLOCK does not appear in the shell behind us. */
static int reopen(const char *path, int fd, int flags)
{
	int own = isatty(fd) ? open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;

	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static bool is_ready(int fd, short events)
{
	return poll(&(struct pollfd){ .fd = fd, .events = events }, 1, 0) > 0;
}

/* Takes Ctrl-A sequences out of what was typed: x quits, Ctrl-A is itself, else both keys count. */
static size_t filter(struct console *console, const uint8_t *typed, size_t len, uint8_t *ret)
{
	size_t nr = 0;

	for (size_t i = 0; i < len; i++) {
		if (!console->has_escape && typed[i] == CTRL_A) {
			console->has_escape = true;
			continue;
		}
		if (console->has_escape && typed[i] == 'x')
			(void)eventfd_write(console->quit_fd, 1);
		else if (console->has_escape && typed[i] != CTRL_A)
			ret[nr++] = CTRL_A;
		if (!console->has_escape || typed[i] != 'x')
			ret[nr++] = typed[i];
		console->has_escape = false;
	}
	return nr;
}

static ssize_t tty_read(void *opaque, void *buf, size_t len)
{
	struct console *console = opaque;
	uint8_t typed[64];
	ssize_t n;

	/* A Ctrl-A of the last call may add one byte. */
	if (len < 2 || !is_ready(console->in_fd, POLLIN))
		return -EAGAIN;
	n = read(console->in_fd, typed, len - 1 < sizeof(typed) ? len - 1 : sizeof(typed));
	if (n <= 0)
		return n < 0 ? -errno : 0;
	n = (ssize_t)filter(console, typed, (size_t)n, buf);
	return n > 0 ? n : -EAGAIN; /* 0 would be the end */
}

static ssize_t tty_write(void *opaque, const void *buf, size_t len)
{
	struct console *console = opaque;
	ssize_t n;

	if (!is_ready(console->out_fd, POLLOUT))
		return -EAGAIN;
	n = write(console->out_fd, buf, len < 256 ? len : 256);
	return n < 0 ? -errno : n;
}

static size_t tty_pollfds(void *opaque, bool want_read, bool want_write, struct pollfd *fds,
			  size_t nr)
{
	const struct console *console = opaque;
	size_t used = 0;

	if (want_read && used < nr)
		fds[used++] = (struct pollfd){ .fd = console->in_fd, .events = POLLIN };
	if (want_write && used < nr)
		fds[used++] = (struct pollfd){ .fd = console->out_fd, .events = POLLOUT };
	return used;
}

static const struct vc_stream_ops tty_ops = {
	.read = tty_read,
	.write = tty_write,
	.pollfds = tty_pollfds,
};

static int open_stdio(struct console *console, struct vc_stream_config *cfg)
{
	console->is_tty = tcgetattr(STDIN_FILENO, &console->cooked) == 0;
	if (!console->is_tty) {
		cfg->kind = VC_STREAM_FDS;
		cfg->in_fd = STDIN_FILENO;
		cfg->out_fd = STDOUT_FILENO;
		return 0;
	}
	cfg->kind = VC_STREAM_OPS;
	cfg->ops = &tty_ops;
	cfg->opaque = console;
	console->in_fd = reopen("/proc/self/fd/0", STDIN_FILENO, O_RDONLY);
	console->out_fd = reopen("/proc/self/fd/1", STDOUT_FILENO, O_WRONLY);
	console->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return console->in_fd < 0 || console->out_fd < 0 || console->quit_fd < 0 ? -errno : 0;
}

int console_open(struct console *console, const char *spec, bool is_dry,
		 struct vc_stream **ret_stream)
{
	struct vc_stream_config cfg = { .size = sizeof(cfg), .kind = VC_STREAM_NULL };
	bool is_there;
	int r = 0;

	if (strcmp(spec, "stdio") == 0) {
		r = is_dry ? 0 : open_stdio(console, &cfg);
	} else if (strcmp(spec, "pty") == 0) {
		cfg.kind = VC_STREAM_PTY;
	} else if (strncmp(spec, "file:", 5) == 0 || strncmp(spec, "unix:", 5) == 0) {
		cfg.kind = spec[0] == 'f' ? VC_STREAM_FILE : VC_STREAM_UNIX;
		cfg.path = spec + 5;
	} else if (strcmp(spec, "null") != 0) {
		return -EINVAL;
	}
	if (!is_dry)
		return r < 0 ? r : vc_stream_open(&cfg, ret_stream);
	if (cfg.path == NULL)
		return 0;
	is_there = access(cfg.path, F_OK) == 0;
	if (is_there && cfg.kind == VC_STREAM_UNIX)
		return -EADDRINUSE;
	r = is_there ? access(cfg.path, W_OK) : access(dirname(strdupa(cfg.path)), W_OK | X_OK);
	return r < 0 ? -errno : 0;
}

void console_set_raw(struct console *console)
{
	struct termios raw = console->cooked;

	if (!console->is_tty)
		return;
	cfmakeraw(&raw);
	raw.c_oflag = console->cooked.c_oflag; /* lines of this program stay lines */
	console->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void console_restore(struct console *console)
{
	if (console->is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &console->cooked);
	console->is_raw = false;
}

void console_close(struct console *console)
{
	console_restore(console);
	close(console->in_fd);
	close(console->out_fd);
	close(console->quit_fd);
}
