/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of the guest's serial port. A terminal is made raw while the guest runs; Ctrl-A x on
 * it makes quit_fd readable.
 */
#ifndef VC_RUN_CONSOLE_H
#define VC_RUN_CONSOLE_H

#include <stdbool.h>
#include <termios.h>

struct vc_stream;

struct console {
	int in_fd, out_fd;     /* the terminal, opened for this program alone */
	int quit_fd;	       /* eventfd */
	bool is_tty, is_raw;   /* standard input is a terminal; it is raw now */
	bool has_escape;       /* the last byte read was Ctrl-A */
	struct termios cooked; /* as it was found */
};

/*
 * Opens "stdio", "pty", "file:PATH", "unix:PATH" or "null"; -errno, -EINVAL for anything else.
 * @is_dry: the same, but nothing is opened; what stands in the way of PATH is told.
 */
int console_open(struct console *console, const char *spec, bool is_dry,
		 struct vc_stream **ret_stream);
/* Both do nothing where standard input is no terminal. */
void console_set_raw(struct console *console);
void console_restore(struct console *console);
void console_close(struct console *console);

#endif
