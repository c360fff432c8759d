/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor that somebody else may share, used without ever blocking. See stream_end.c. */
#ifndef VC_STREAM_END_H
#define VC_STREAM_END_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum vc__end_how {
	VC__END_PLAIN = 0, /* cannot block: our own non-blocking description, or a regular file */
	VC__END_SOCKET,	   /* MSG_DONTWAIT */
	VC__END_POLLED,	   /* blocking and shared: poll first, then one byte */
};

struct vc__end {
	int fd; /* ours; -1 = none */
	enum vc__end_how how;
	int signal;   /* that a write here may raise: SIGPIPE, SIGXFSZ; 0 = none */
	bool is_free; /* plain and without signal: write(2) is all it takes */
};

/* Takes its own descriptor on what @fd is open on. -EBADF when that has not the direction. */
int vc__end_open(struct vc__end *end, int fd, bool is_write);

/* Moves @fd, which is non-blocking and nobody else's. */
int vc__end_adopt(struct vc__end *end, int fd, bool is_write);

void vc__end_close(struct vc__end *end);

/* Bytes moved, 0 (read: end of file), or -errno; -EAGAIN when it would have blocked. */
ssize_t vc__end_read(const struct vc__end *end, void *buf, size_t len);
ssize_t vc__end_write(const struct vc__end *end, const void *buf, size_t len);

#endif /* VC_STREAM_END_H */
