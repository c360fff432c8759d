/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrapped calls (-Wl,--wrap): each asks whether it is the one to fail, else passes on.
 *
 * Any thread. close, munmap, free and what else gives things back never fail: no program can do
 * anything about that. The 64-bit names are what the library's objects refer to.
 */
#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#define HERE __builtin_return_address(0)

/* A call that returns @type, and @failed with errno @err when it fails. */
#define CALL(type, name, params, args, failed, err) \
	type __real_##name params;                  \
	type __wrap_##name params;                  \
	type __wrap_##name params                   \
	{                                           \
		if (fault_hits(#name, HERE)) {      \
			errno = (err);              \
			return (failed);            \
		}                                   \
		return __real_##name args;          \
	}

#define CALL_INT(name, params, args, err) CALL(int, name, params, args, -1, err)

/* A call that returns its error (pthreads). */
#define CALL_PTHREAD(name, params, args, err) \
	int __real_##name params;             \
	int __wrap_##name params;             \
	int __wrap_##name params              \
	{                                     \
		if (fault_hits(#name, HERE))  \
			return (err);         \
		return __real_##name args;    \
	}

/* One with an argument behind "...": passing a register more than was given does no harm. */
#define CALL_VARIADIC(name, params, args, last, err) \
	int __real_##name params;                    \
	int __wrap_##name params;                    \
	int __wrap_##name params                     \
	{                                            \
		va_list list;                        \
		unsigned long arg;                   \
                                                     \
		va_start(list, last);                \
		arg = va_arg(list, unsigned long);   \
		va_end(list);                        \
		if (fault_hits(#name, HERE)) {       \
			errno = (err);               \
			return -1;                   \
		}                                    \
		return __real_##name args;           \
	}

CALL_VARIADIC(open, (const char *path, int flags, ...), (path, flags, arg), flags, EMFILE)
CALL_VARIADIC(open64, (const char *path, int flags, ...), (path, flags, arg), flags, EMFILE)
CALL_VARIADIC(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, arg), flags,
	      EMFILE)
CALL_VARIADIC(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, arg), flags,
	      EMFILE)
CALL_VARIADIC(fcntl, (int fd, int cmd, ...), (fd, cmd, arg), cmd, EMFILE)
CALL_VARIADIC(fcntl64, (int fd, int cmd, ...), (fd, cmd, arg), cmd, EMFILE)
CALL_VARIADIC(ioctl, (int fd, unsigned long request, ...), (fd, request, arg), request, ENOMEM)

CALL_INT(memfd_create, (const char *name, unsigned int flags), (name, flags), EMFILE)
CALL_INT(eventfd, (unsigned int count, int flags), (count, flags), EMFILE)
CALL_INT(timerfd_create, (int clock, int flags), (clock, flags), EMFILE)
CALL_INT(epoll_create1, (int flags), (flags), EMFILE)
CALL_INT(pipe2, (int *fds, int flags), (fds, flags), EMFILE)
CALL_INT(socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE)
CALL_INT(dup3, (int from, int to, int flags), (from, to, flags), EMFILE)
CALL_INT(ftruncate, (int fd, off_t len), (fd, len), ENOSPC)
CALL_INT(ftruncate64, (int fd, off_t len), (fd, len), ENOSPC)
CALL_INT(fallocate, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len), ENOSPC)
CALL_INT(fallocate64, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len), ENOSPC)
CALL_INT(fstat, (int fd, void *st), (fd, st), EIO)
CALL_INT(fstat64, (int fd, void *st), (fd, st), EIO)
CALL_INT(fstatfs, (int fd, void *fs), (fd, fs), EIO)
CALL_INT(fstatfs64, (int fd, void *fs), (fd, fs), EIO)
CALL_INT(madvise, (void *p, size_t len, int advice), (p, len, advice), ENOMEM)
CALL_INT(mlock2, (const void *p, size_t len, unsigned int flags), (p, len, flags), ENOMEM)
CALL_INT(mprotect, (void *p, size_t len, int prot), (p, len, prot), ENOMEM)
CALL(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len), -1, EIO)
CALL(ssize_t, pread64, (int fd, void *buf, size_t len, off_t off), (fd, buf, len, off), -1, EIO)
CALL(ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t room), (fd, buf, len, room), -1,
     EIO)
CALL(ssize_t, __pread64_chk, (int fd, void *buf, size_t len, off_t off, size_t room),
     (fd, buf, len, off, room), -1, EIO)

CALL_PTHREAD(pthread_create,
	     (pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
	     (thread, attr, fn, arg), EAGAIN)
CALL_PTHREAD(pthread_attr_init, (pthread_attr_t * attr), (attr), ENOMEM)
CALL_PTHREAD(pthread_attr_setsigmask_np, (pthread_attr_t * attr, const sigset_t *set), (attr, set),
	     ENOMEM)
CALL_PTHREAD(pthread_mutex_init, (pthread_mutex_t * m, const pthread_mutexattr_t *a), (m, a),
	     ENOMEM)
CALL_PTHREAD(pthread_cond_init, (pthread_cond_t * c, const pthread_condattr_t *a), (c, a), ENOMEM)

/* Six arguments, whatever the system call takes. */
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);
long __wrap_syscall(long nr, ...)
{
	unsigned long a[6];
	va_list list;

	va_start(list, nr);
	for (size_t i = 0; i < 6; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	/* a wake of who is there and one's own id have no way to fail, and sleepers to lose */
	bool is_safe = nr == SYS_futex || nr == SYS_tgkill || nr == SYS_gettid;

	if (!is_safe && fault_hits("syscall", HERE)) {
		errno = ENOSYS;
		return -1;
	}
	return __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define MMAP(name)                                                                         \
	void *__real_##name(void *at, size_t len, int prot, int flags, int fd, off_t off); \
	void *__wrap_##name(void *at, size_t len, int prot, int flags, int fd, off_t off); \
	void *__wrap_##name(void *at, size_t len, int prot, int flags, int fd, off_t off)  \
	{                                                                                  \
		void *p;                                                                   \
                                                                                           \
		if (fault_hits(#name, HERE)) {                                             \
			errno = ENOMEM;                                                    \
			return MAP_FAILED;                                                 \
		}                                                                          \
		p = __real_##name(at, len, prot, flags, fd, off);                          \
		if (p != MAP_FAILED)                                                       \
			fault_mapped(p, len, HERE);                                        \
		return p;                                                                  \
	}

MMAP(mmap)
MMAP(mmap64)

int __real_munmap(void *p, size_t len);
int __wrap_munmap(void *p, size_t len);
int __wrap_munmap(void *p, size_t len)
{
	int r = __real_munmap(p, len);

	if (r == 0)
		fault_unmapped(p, len);
	return r;
}

/* Allocations: NULL with ENOMEM, and a line in the books. */
#define ALLOCATION(name, params, args)       \
	void *__real_##name params;          \
	void *__wrap_##name params;          \
	void *__wrap_##name params           \
	{                                    \
		void *p;                     \
                                             \
		if (fault_hits(#name, HERE)) \
			goto fail;           \
		p = __real_##name args;      \
		fault_allocated(p, HERE);    \
		return p;                    \
	fail:                                \
		errno = ENOMEM;              \
		return NULL;                 \
	}

ALLOCATION(malloc, (size_t size), (size))
ALLOCATION(calloc, (size_t nr, size_t size), (nr, size))
ALLOCATION(aligned_alloc, (size_t align, size_t size), (align, size))
ALLOCATION(strdup, (const char *s), (s))
ALLOCATION(strndup, (const char *s, size_t len), (s, len))

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
	uintptr_t was = (uintptr_t)p;
	void *now;

	if (fault_hits("realloc", HERE)) {
		errno = ENOMEM;
		return NULL;
	}
	now = __real_realloc(p, size);
	if (now) {
		fault_freed((void *)was);
		fault_allocated(now, HERE);
	}
	return now;
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	fault_freed(p);
	__real_free(p);
}
