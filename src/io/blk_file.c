/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk on a file or a block device: opened, attached, resized, closed; its requests are in
 * blk_file_io.c. Control thread, attach and detach also on the threads of rings.
 *
 * What a cache mode promises: writeback and none: a flush is an fdatasync(2); writethrough: each write
 * carries RWF_DSYNC, discards and zeroing are followed by an fdatasync, a flush has nothing left to
 * do; unsafe: none of that. Leaves out: growing a file when somebody writes behind its end.
 */
#include "blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

static void file_detach(void *opaque)
{
	struct vc__blk_lane *lane = opaque;

	if (lane->ring_file)
		(void)vc_ring_remove_file(lane->ring, lane->ring_file);
	vc__bounce_fini(&lane->bounce);
	free(lane);
}

static int file_attach(void *end, struct vc_ring *ring, void **ret_lane)
{
	struct vc__blk_file *file = end;
	struct vc__blk_lane *lane = calloc(1, sizeof(*lane));
	int r = 0;

	if (!lane)
		return vc_error_set(-ENOMEM, "io", "block", "no memory");
	lane->file = file;
	lane->ring = ring;
	if (file->facts.is_direct)
		r = vc__bounce_init(&lane->bounce);
	if (r < 0)
		(void)vc_error_set(r, "io", "block", "no buffers: %s", strerrordesc_np(-r));
	else
		r = vc_ring_add_file(ring, file->facts.fd,
				     file->facts.is_direct ? VC_RING_FILE_POLLED : 0,
				     &lane->ring_file);
	if (r < 0) {
		file_detach(lane);
		return r;
	}
	*ret_lane = lane;
	return 0;
}

static int file_resize(void *end, uint64_t size_bytes, uint64_t *ret_size_bytes)
{
	struct vc__blk_file *file = end;
	uint64_t size = 0;
	int r = 0;

	if (size_bytes > INT64_MAX)
		return vc_error_set(-EFBIG, "io", "block", "%llu bytes are too many for a file",
				    (unsigned long long)size_bytes);
	if (size_bytes != 0 && file->facts.is_device)
		return vc_error_set(-EOPNOTSUPP, "io", "block",
				    "a block device has the size it has");
	r = size_bytes != 0 ? vc__blk_check_limit(size_bytes, "block") : 0;
	if (r < 0)
		return r;
	if (size_bytes != 0 && ftruncate(file->facts.fd, (off_t)size_bytes) < 0)
		r = -errno;
	/* There no flush will come that made it durable. */
	if (r == 0 && file->cache == VC_BLOCK_WRITETHROUGH && fdatasync(file->facts.fd) < 0)
		r = -errno;
	if (r == 0)
		r = vc__blk_size(file->facts.fd, file->facts.is_device, &size);
	if (r < 0)
		return vc_error_set(r, "io", "block", "size of %llu bytes: %s",
				    (unsigned long long)size_bytes, strerrordesc_np(-r));
	*ret_size_bytes = size;
	return 0;
}

static void file_close(void *end)
{
	struct vc__blk_file *file = end;

	if (file->is_locked)
		vc__blk_unlock(file->facts.fd);
	if (file->facts.fd >= 0)
		(void)close(file->facts.fd);
	if (file->zeroes)
		(void)munmap(file->zeroes, VC__ZEROES_BYTES);
	free(file);
}

static const struct vc_block_ops file_ops = {
	.type = "file",
	.attach = file_attach,
	.detach = file_detach,
	.submit = vc__blk_file_submit,
	.cancel = vc__blk_file_cancel,
	.resize = file_resize,
	.close = file_close,
};

static struct vc_block_info describe(const struct vc_block_config *cfg,
				     const struct vc__blk_facts *facts)
{
	struct vc_block_info info = {
		.size = sizeof(info),
		.size_bytes = facts->size_bytes,
		.block_size = facts->block_size,
		.physical_block_size = facts->physical_block_size,
		.optimal_bytes = facts->optimal_bytes,
		.mem_align = facts->mem_align,
		.discard_align = facts->discard_align,
		.ops = 1u << VC_BLOCK_READ | 1u << VC_BLOCK_FLUSH,
		.is_readonly = cfg->is_readonly,
		.has_cache = !cfg->is_readonly && cfg->cache != VC_BLOCK_WRITETHROUGH,
	};

	if (!cfg->is_readonly)
		info.ops |= 1u << VC_BLOCK_WRITE | 1u << VC_BLOCK_WRITE_ZEROES;
	if (facts->can_punch)
		info.ops |= 1u << VC_BLOCK_DISCARD;
	return info;
}

/* Reading it maps the one page of zeroes that the kernel has. */
static void *map_zeroes(void)
{
	void *mem = mmap(NULL, VC__ZEROES_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* The caller's descriptor stays the caller's, as it was. */
static void give_fd_back(const struct vc_block_config *cfg, struct vc__blk_file *file)
{
	if (cfg->path)
		return;
	if (file->is_locked)
		vc__blk_unlock(file->facts.fd);
	file->is_locked = false;
	(void)fcntl(file->facts.fd, F_SETFL, file->facts.fd_flags);
	file->facts.fd = -EBADF;
}

int vc__blk_file_open(const struct vc_block_config *cfg, struct vc_block **ret_block)
{
	struct vc__blk_file *file = calloc(1, sizeof(*file));
	struct vc_block_end end = { .size = sizeof(end),
				    .name = cfg->name,
				    .ops = &file_ops,
				    .end = file,
				    .throttle = cfg->throttle,
				    .group = cfg->group };
	struct vc_block_info info;
	int r = 0;

	if (file)
		file->zeroes = map_zeroes();
	if (!file || !file->zeroes)
		r = vc_error_set(-ENOMEM, "io", cfg->name, "no memory");
	if (r == 0)
		r = vc__blk_open(cfg, &file->facts);
	if (r < 0) {
		if (file && file->zeroes)
			(void)munmap(file->zeroes, VC__ZEROES_BYTES);
		free(file);
		return r;
	}
	file->cache = cfg->cache;
	file->is_locked = !cfg->is_shared;
	info = describe(cfg, &file->facts);
	end.info = &info;
	r = vc_block_create(&end, ret_block);
	if (r < 0) {
		give_fd_back(cfg, file);
		file_close(file);
	}
	return r;
}
