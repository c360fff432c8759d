/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies for O_DIRECT of buffers that are not aligned as the device wants them.
 *
 * A lane has a few buffers, which take memory only once they were used; a request takes one and goes
 * through it piece by piece. Runs on the ring's thread. Leaves out: offsets and lengths that are not
 * aligned, which the front refuses: they would need reading before writing.
 */
#include "blk_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int vc__bounce_init(struct vc__bounce *bounce)
{
	void *mem = mmap(NULL, (size_t)VC__BOUNCE_NR * VC__BOUNCE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	vc__block_list_init(&bounce->waiting);
	if (mem == MAP_FAILED)
		return -errno;
	bounce->mem = mem;
	bounce->free = (1u << VC__BOUNCE_NR) - 1;
	return 0;
}

void vc__bounce_fini(struct vc__bounce *bounce)
{
	if (bounce->mem)
		(void)munmap(bounce->mem, (size_t)VC__BOUNCE_NR * VC__BOUNCE_BYTES);
	bounce->mem = NULL;
}

void *vc__bounce_take(struct vc__bounce *bounce)
{
	unsigned int idx;

	if (bounce->free == 0)
		return NULL;
	idx = (unsigned int)__builtin_ctz(bounce->free);
	bounce->free &= bounce->free - 1;
	return (char *)bounce->mem + (size_t)idx * VC__BOUNCE_BYTES;
}

void vc__bounce_give(struct vc__bounce *bounce, void *buf)
{
	size_t idx = (size_t)((char *)buf - (char *)bounce->mem) / VC__BOUNCE_BYTES;

	bounce->free |= 1u << idx;
}

/* Walks over bytes [off, off + len) of an iovec; one of @to and @from is the buffer. */
static void copy(void *to, const void *from, const struct vc_block_request *req, uint64_t off,
		 size_t len)
{
	const struct iovec *iov = req->iov;
	size_t done = 0;

	for (; off >= iov->iov_len; iov++)
		off -= iov->iov_len;
	for (; done < len; iov++, off = 0) {
		size_t n = iov->iov_len - off < len - done ? iov->iov_len - off : len - done;
		char *at = (char *)iov->iov_base + off;

		if (n == 0)
			continue;
		if (to)
			memcpy((char *)to + done, at, n);
		else
			memcpy(at, (const char *)from + done, n);
		done += n;
	}
}

void vc__bounce_gather(void *buf, const struct vc_block_request *req, uint64_t off, size_t len)
{
	copy(buf, NULL, req, off, len);
}

void vc__bounce_scatter(const void *buf, const struct vc_block_request *req, uint64_t off,
			size_t len)
{
	copy(NULL, buf, req, off, len);
}
