/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in memory are read and written without the ring: these calls fail or come short as told. For
 * programs linked with WRAP preadv64v2 pwritev64v2.
 */
#ifndef VC_TESTS_BLK_HERE_H
#define VC_TESTS_BLK_HERE_H

#include "unit.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

static int here_err, here_short;
static unsigned int nr_here;

ssize_t __real_preadv64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags);
ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags);

static inline bool fails_here(struct iovec *ret_first, const struct iovec *iov)
{
	*ret_first = *iov;
	if (gettid() != getpid()) /* a ring's worker, at what the ring was given */
		return false;
	nr_here++;
	if (here_short && ret_first->iov_len > (size_t)here_short)
		ret_first->iov_len = (size_t)here_short;
	errno = here_err;
	return here_err != 0;
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags)
{
	struct iovec first;

	if (fails_here(&first, iov))
		return -1;
	return here_short && gettid() == getpid() ? __real_preadv64v2(fd, &first, 1, off, flags)
						  : __real_preadv64v2(fd, iov, nr, off, flags);
}

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags)
{
	struct iovec first;

	if (fails_here(&first, iov))
		return -1;
	return here_short && gettid() == getpid() ? __real_pwritev64v2(fd, &first, 1, off, flags)
						  : __real_pwritev64v2(fd, iov, nr, off, flags);
}

#endif /* VC_TESTS_BLK_HERE_H */
