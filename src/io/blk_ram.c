/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory: zeroes at first, gone at close.
 *
 * Requests are done where they are submitted, on the ring's thread, and complete at the end of the
 * batch. Memory is taken page by page when it is first written; discards give whole pages back.
 * Leaves out: huge pages, NUMA, contents from a file (copy them in).
 */
#include "block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

struct ram {
	char *mem;
	uint64_t size_bytes;
	uint64_t page_bytes;
};

/* Zeroes that give whole pages back; what is left of pages at both ends is written. */
static void zero(struct ram *ram, uint64_t off, uint64_t len)
{
	uint64_t end = off + len, first = off, last = end & ~(ram->page_bytes - 1);

	if (!vc_align_up_u64(off, ram->page_bytes, &first) || first >= last ||
	    madvise(ram->mem + first, last - first, MADV_DONTNEED) < 0) {
		memset(ram->mem + off, 0, len);
		return;
	}
	memset(ram->mem + off, 0, first - off);
	memset(ram->mem + last, 0, end - last);
}

static void transfer(struct ram *ram, const struct vc_block_request *req)
{
	char *at = ram->mem + req->off;
	uint32_t i;

	for (i = 0; i < req->nr_iov; i++) {
		if (req->op == VC_BLOCK_READ)
			memcpy(req->iov[i].iov_base, at, req->iov[i].iov_len);
		else
			memcpy(at, req->iov[i].iov_base, req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
}

static void ram_submit(void *lane, struct vc_block_request *req)
{
	struct ram *ram = lane;

	if (req->op == VC_BLOCK_READ || req->op == VC_BLOCK_WRITE)
		transfer(ram, req);
	else if (req->op != VC_BLOCK_FLUSH)
		zero(ram, req->off, req->len);
	vc_block_complete(req, 0);
}

static int ram_attach(void *end, struct vc_ring *ring, void **ret_lane)
{
	(void)ring;
	*ret_lane = end;
	return 0;
}

static void ram_detach(void *lane)
{
	(void)lane;
}

static void ram_close(void *end)
{
	struct ram *ram = end;

	(void)munmap(ram->mem, ram->size_bytes);
	free(ram);
}

static const struct vc_block_ops ram_ops = {
	.type = "ram",
	.attach = ram_attach,
	.detach = ram_detach,
	.submit = ram_submit,
	.close = ram_close,
};

static int check_fields(const struct vc_block_config *cfg, uint32_t block_size)
{
	if (cfg->path || cfg->fd > 0 || cfg->format != 0 || cfg->cache != 0 || cfg->is_shared)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "a disk in memory has no path, fd, format, cache or sharing");
	if (cfg->size_bytes == 0 || cfg->size_bytes % block_size != 0 ||
	    cfg->size_bytes > PTRDIFF_MAX)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "has %llu bytes, expected a multiple of %u above 0",
				    (unsigned long long)cfg->size_bytes, block_size);
	return 0;
}

int vc__blk_ram_open(const struct vc_block_config *cfg, struct vc_block **ret_block)
{
	uint32_t block_size = cfg->block_size ? cfg->block_size : 512;
	struct vc_block_info info = {
		.size = sizeof(info),
		.size_bytes = cfg->size_bytes,
		.block_size = block_size,
		.physical_block_size = 4096,
		.mem_align = 1,
		.discard_align = block_size,
		.ops = 1u << VC_BLOCK_READ | 1u << VC_BLOCK_FLUSH,
		.is_readonly = cfg->is_readonly,
	};
	struct vc_block_end end = { .size = sizeof(end),
				    .name = cfg->name,
				    .ops = &ram_ops,
				    .info = &info,
				    .throttle = cfg->throttle,
				    .group = cfg->group };
	struct ram *ram;
	int r = check_fields(cfg, block_size);

	if (r < 0)
		return r;
	if (!cfg->is_readonly)
		info.ops |=
			1u << VC_BLOCK_WRITE | 1u << VC_BLOCK_DISCARD | 1u << VC_BLOCK_WRITE_ZEROES;
	ram = calloc(1, sizeof(*ram));
	if (!ram)
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory");
	ram->size_bytes = cfg->size_bytes;
	ram->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	ram->mem = mmap(NULL, cfg->size_bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram->mem == MAP_FAILED) {
		free(ram);
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory for %llu bytes",
				    (unsigned long long)cfg->size_bytes);
	}
	end.end = ram;
	r = vc_block_create(&end, ret_block);
	if (r < 0)
		ram_close(ram);
	return r;
}
