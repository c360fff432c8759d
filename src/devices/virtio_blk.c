/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio disk in front of a block end: features, configuration space, life, state. Registers run on
 * vCPU threads under the device's lock; requests are virtio_blk_queue.c's.
 *
 * What is offered follows from the block end: no flush where nothing is cached, read-only, discard and
 * write-zeroes where it has them. With a cache the guest may turn that off (CONFIG_WCE); a driver that
 * knows of no cache gets durable writes. Leaves out geometry, lifetime, secure erase and zones.
 * Spec: [virtio 1.3 §5.2]
 */
#include "virtio_blk.h"

#include <libvirtcore/ring.h>
#include <libvirtcore/snapshot.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DEVICE_ID	   2
#define QUEUE_SIZE_DEFAULT 256u
#define QUEUE_SIZE_MIN	   4u
#define QUEUE_SIZE_MAX	   1024u
#define QUEUES_MAX	   64u
#define SECTORS_MAX	   0x3fffffu /* of one range: 2 GiB */
#define CONFIG_WRITEBACK   32u

/* [virtio 1.3 §5.2.4]; all little-endian, as this host is. */
struct blk_config {
	uint64_t capacity;
	uint32_t size_max;
	uint32_t seg_max;
	uint32_t geometry;
	uint32_t blk_size;
	uint8_t physical_block_exp;
	uint8_t alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
};
static_assert(sizeof(struct blk_config) == 64 && offsetof(struct blk_config, writeback) == 32 &&
		      offsetof(struct blk_config, max_write_zeroes_sectors) == 48,
	      "[virtio 1.3 §5.2.4]");

static struct virtio_blk *to_blk(struct vc_virtio *v)
{
	return vc_container_of(v, struct virtio_blk, virtio);
}

static bool can(const struct virtio_blk *blk, enum vc_block_op op)
{
	return blk->info.ops >> op & 1;
}

static uint64_t blk_features(struct vc_virtio *v)
{
	const struct virtio_blk *blk = to_blk(v);
	uint64_t features = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_TOPOLOGY;

	features |= blk->info.is_readonly ? BLK_F_RO : 0;
	features |= blk->info.has_cache ? BLK_F_FLUSH | BLK_F_CONFIG_WCE : 0;
	features |= blk->nr_queues > 1 ? BLK_F_MQ : 0;
	features |= can(blk, VC_BLOCK_DISCARD) && !blk->info.is_readonly ? BLK_F_DISCARD : 0;
	features |=
		can(blk, VC_BLOCK_WRITE_ZEROES) && !blk->info.is_readonly ? BLK_F_WRITE_ZEROES : 0;
	return features;
}

static uint8_t log2_of(uint32_t v)
{
	return (uint8_t)(31 - __builtin_clz(v));
}

static void fill_config(const struct virtio_blk *blk, struct blk_config *config)
{
	struct vc_block_info info = { .size = sizeof(info) };
	uint32_t block = blk->info.block_size, align = blk->info.discard_align;

	(void)vc_block_get_info(blk->block, &info); /* for the size that it has now */
	*config = (struct blk_config){
		.capacity = info.size_bytes >> BLK_SECTOR_SHIFT,
		.seg_max = BLK_SEG_MAX,
		.blk_size = block,
		.physical_block_exp = log2_of(blk->info.physical_block_size / block),
		.min_io_size = (uint16_t)(blk->info.physical_block_size / block),
		.opt_io_size = blk->info.optimal_bytes / block,
		.writeback = atomic_load_explicit(&blk->is_writeback, memory_order_relaxed),
		.num_queues = (uint16_t)blk->nr_queues,
		.max_discard_sectors = SECTORS_MAX,
		.max_discard_seg = BLK_RANGES_MAX,
		.discard_sector_alignment = (align > block ? align : block) >> BLK_SECTOR_SHIFT,
		.max_write_zeroes_sectors = SECTORS_MAX,
		.max_write_zeroes_seg = BLK_RANGES_MAX,
		.write_zeroes_may_unmap = can(blk, VC_BLOCK_DISCARD),
	};
}

/* Only the switch of the cache can be written. [virtio 1.3 §5.2.6.2] */
static void blk_access_config(struct vc_virtio *v, const struct vc_virtio_config_access *access)
{
	struct virtio_blk *blk = to_blk(v);
	struct blk_config config;

	if (!access->is_write) {
		fill_config(blk, &config);
		memcpy(access->buf, (const uint8_t *)&config + access->off, access->len);
	} else if (access->off == CONFIG_WRITEBACK && access->len == 1 && blk->info.has_cache) {
		atomic_store_explicit(&blk->is_writeback, access->buf[0] != 0,
				      memory_order_relaxed);
	}
}

static void blk_activate(struct vc_virtio *v, uint32_t queue, uint64_t features)
{
	struct virtio_blk *blk = to_blk(v);
	struct blk_lane *lane = &blk->lanes[queue];

	lane->features = features;
	if (!lane->queue && vc_block_attach(blk->block, lane->ring, &lane->queue) < 0)
		vc_virtio_break(v, queue);
}

static bool blk_release(struct vc_virtio *v, uint32_t queue)
{
	struct blk_lane *lane = &to_blk(v)->lanes[queue];

	(void)vc_block_detach(lane->queue);
	lane->queue = NULL;
	return true;
}

static int blk_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	vc_state_put_u64(writer,
			 atomic_load_explicit(&to_blk(v)->is_writeback, memory_order_relaxed), 1);
	return 0;
}

static int blk_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	struct virtio_blk *blk = to_blk(v);
	uint64_t is_writeback = vc_state_get_u64(reader, 1);

	if (is_writeback > blk->info.has_cache)
		return vc_error_set(-EBADMSG, "virtio", v->dev.name,
				    "writeback is %" PRIu64 ", but the disk %s", is_writeback,
				    blk->info.has_cache ? "has a cache" : "has no cache");
	atomic_store_explicit(&blk->is_writeback, is_writeback, memory_order_relaxed);
	return 0;
}

static void free_blk(struct virtio_blk *blk)
{
	for (uint32_t i = 0; blk->lanes && i < blk->nr_queues; i++)
		free(blk->lanes[i].slots);
	free(blk->lanes);
	free(blk);
}

static void blk_destroy(struct vc_virtio *v)
{
	struct virtio_blk *blk = to_blk(v);

	vc_virtio_fini(v);
	(void)vc_block_close(blk->block);
	free_blk(blk);
}

static const struct vc_virtio_ops blk_ops = {
	.type = "virtio-blk",
	.id = DEVICE_ID,
	.config_bytes = sizeof(struct blk_config),
	.features = blk_features,
	.config = blk_access_config,
	.activate = blk_activate,
	.kick = vc__blk_kick,
	.release = blk_release,
	.save = blk_save,
	.load = blk_load,
	.destroy = blk_destroy,
};

static int check(const struct vc_virtio_blk_config *c)
{
	size_t len = c->serial ? strlen(c->serial) : 0;

	if (!c->block || !c->mem)
		return vc_error_set(-EINVAL, "virtio", c->name,
				    "a disk and a memory map are needed");
	if (c->queue_size < QUEUE_SIZE_MIN || c->queue_size > QUEUE_SIZE_MAX ||
	    c->queue_size & (c->queue_size - 1))
		return vc_error_set(-EINVAL, "virtio", c->name,
				    "queue_size %u, a power of two from %u to %u expected",
				    c->queue_size, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
	if (c->nr_queues > QUEUES_MAX)
		return vc_error_set(-EINVAL, "virtio", c->name, "%u queues, at most %u expected",
				    c->nr_queues, QUEUES_MAX);
	if ((unsigned int)c->on_error > VC_DISK_ERROR_IGNORE)
		return vc_error_set(-EINVAL, "virtio", c->name, "on_error is %d, unknown",
				    (int)c->on_error);
	for (size_t i = 0; i < len; i++)
		if (len > BLK_SERIAL_BYTES || c->serial[i] < ' ' || c->serial[i] > '~')
			return vc_error_set(-EINVAL, "virtio", c->name,
					    "serial \"%.40s\": up to %d bytes of printable ASCII",
					    c->serial, BLK_SERIAL_BYTES);
	return 0;
}

static int make_lanes(struct virtio_blk *blk, const struct vc_virtio_blk_config *c)
{
	blk->lanes = calloc(c->nr_queues, sizeof(*blk->lanes));
	for (uint32_t i = 0; blk->lanes && i < c->nr_queues; i++) {
		struct blk_lane *lane = &blk->lanes[i];

		lane->blk = blk;
		lane->idx = i;
		lane->ring = c->rings[i % c->nr_rings]; /* the base holds a reference */
		lane->nr_slots = c->queue_size;
		lane->slots = calloc(c->queue_size, sizeof(*lane->slots));
		if (!lane->slots)
			return -ENOMEM;
	}
	return blk->lanes ? 0 : -ENOMEM;
}

static int init_blk(struct virtio_blk *blk, const struct vc_virtio_blk_config *c)
{
	struct vc_virtio_config base = {
		.size = sizeof(base),
		.name = c->name,
		.mem = c->mem,
		.nr_queues = c->nr_queues,
		.queue_size = c->queue_size,
		.rings = c->rings,
		.nr_rings = c->nr_rings,
		.refused_features = c->refused_features,
	};
	int r;

	blk->block = c->block;
	blk->on_error = c->on_error;
	blk->nr_queues = c->nr_queues;
	blk->info.size = sizeof(blk->info);
	if (c->serial)
		memcpy(blk->serial, c->serial, strlen(c->serial));
	r = vc_block_get_info(c->block, &blk->info);
	atomic_init(&blk->is_writeback, blk->info.has_cache);
	if (r == 0)
		r = vc_virtio_init(&blk->virtio, &blk_ops, &base);
	if (r < 0)
		return r;
	r = make_lanes(blk, c);
	if (r < 0) {
		vc_virtio_fini(&blk->virtio);
		return vc_error_set(r, "virtio", c->name, "no memory for %u queues of %u requests",
				    c->nr_queues, c->queue_size);
	}
	return 0;
}

int vc_virtio_blk_create(const struct vc_virtio_blk_config *cfg, struct vc_virtio **ret_virtio)
{
	struct vc_virtio_blk_config c;
	struct virtio_blk *blk;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_virtio)
		return vc_error_set(-EINVAL, "virtio", c.name, "ret_virtio is needed");
	c.nr_queues = c.nr_queues ? c.nr_queues : 1;
	c.queue_size = c.queue_size ? c.queue_size : QUEUE_SIZE_DEFAULT;
	r = check(&c);
	if (r < 0)
		return r;
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return vc_error_set(-ENOMEM, "virtio", c.name, "no memory");
	r = init_blk(blk, &c);
	if (r < 0) {
		free_blk(blk);
		return r;
	}
	*ret_virtio = &blk->virtio;
	return 0;
}

int vc_virtio_blk_resized(struct vc_virtio *virtio)
{
	if (!virtio || virtio->ops != &blk_ops)
		return vc_error_set(-EINVAL, "virtio", virtio ? virtio->dev.name : NULL,
				    "a virtio disk is needed");
	vc_virtio_config_changed(virtio);
	return 0;
}

uint64_t vc_virtio_blk_nr_ignored(const struct vc_virtio *virtio)
{
	const struct virtio_blk *blk;

	if (!virtio || virtio->ops != &blk_ops)
		return 0;
	blk = vc_container_of(virtio, const struct virtio_blk, virtio);
	return atomic_load_explicit(&blk->nr_ignored, memory_order_relaxed);
}
