/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that only rings make, wrapped as in fault_calls.c; liburing returns its errors. */
#include "fault.h"

#include <errno.h>
#include <sys/epoll.h>

#include <liburing.h>

#define HERE __builtin_return_address(0)

#define URING(name, params, args, err)       \
	int __real_##name params;            \
	int __wrap_##name params;            \
	int __wrap_##name params             \
	{                                    \
		if (fault_hits(#name, HERE)) \
			return -(err);       \
		return __real_##name args;   \
	}

URING(io_uring_queue_init_params,
      (unsigned int nr, struct io_uring *u, struct io_uring_params *params), (nr, u, params),
      ENOMEM)
URING(io_uring_register, (unsigned int fd, unsigned int op, void *arg, unsigned int nr),
      (fd, op, arg, nr), ENOMEM)
URING(io_uring_register_files_sparse, (struct io_uring * u, unsigned int nr), (u, nr), ENOMEM)
URING(io_uring_register_files_update,
      (struct io_uring * u, unsigned int off, int *fds, unsigned int nr), (u, off, fds, nr), ENOMEM)
URING(io_uring_submit, (struct io_uring * u), (u), EAGAIN)
URING(io_uring_submit_and_wait, (struct io_uring * u, unsigned int nr), (u, nr), EINTR)
URING(io_uring_submit_and_get_events, (struct io_uring * u), (u), EBUSY)

/* Taking an entry out does not fail. */
int __real_epoll_ctl(int fd, int op, int target, struct epoll_event *ev);
int __wrap_epoll_ctl(int fd, int op, int target, struct epoll_event *ev);
int __wrap_epoll_ctl(int fd, int op, int target, struct epoll_event *ev)
{
	if (op != EPOLL_CTL_DEL && fault_hits("epoll_ctl", HERE)) {
		errno = ENOSPC;
		return -1;
	}
	return __real_epoll_ctl(fd, op, target, ev);
}

int __real_epoll_wait(int fd, struct epoll_event *ev, int nr, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *ev, int nr, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *ev, int nr, int timeout_ms)
{
	if (fault_hits("epoll_wait", HERE)) {
		errno = EINTR;
		return -1;
	}
	return __real_epoll_wait(fd, ev, nr, timeout_ms);
}
