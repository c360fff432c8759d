/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: open, attached, resized, described, closed. What happens to a request is in block_queue.c.
 *
 * Control thread, but for attach and detach, which also run on the threads of rings: hence a lock for
 * the list of queues, which no request ever takes. The size is the one fact that may change while
 * requests are under way; it only grows then. Leaves out: formats, block status and snapshots, for
 * which vc_block_op has room.
 */
#include "block.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KNOWN_OPS                                                            \
	(1u << VC_BLOCK_READ | 1u << VC_BLOCK_WRITE | 1u << VC_BLOCK_FLUSH | \
	 1u << VC_BLOCK_DISCARD | 1u << VC_BLOCK_WRITE_ZEROES)

#define BLOCK_SIZE_MIN 512u
#define BLOCK_SIZE_MAX 4096u

static bool is_power_of_2(uint32_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

static int check_end(const struct vc_block_end *end, const struct vc_block_info *info)
{
	const struct vc_block_ops *ops = end->ops;
	const char *name = end->name ? end->name : "block";

	if (!ops || !ops->type || !ops->attach || !ops->detach || !ops->submit || !ops->close)
		return vc_error_set(-EINVAL, "io", name,
				    "ops need type, attach, detach, submit and close");
	if (!is_power_of_2(info->block_size) || info->block_size < BLOCK_SIZE_MIN ||
	    info->block_size > BLOCK_SIZE_MAX)
		return vc_error_set(-EINVAL, "io", name,
				    "block_size is %u, expected 512, 1024, 2048 or 4096",
				    info->block_size);
	if (info->size_bytes == 0 || info->size_bytes % info->block_size != 0)
		return vc_error_set(-EINVAL, "io", name,
				    "has %llu bytes, expected a multiple of %u above 0",
				    (unsigned long long)info->size_bytes, info->block_size);
	if (info->ops == 0 || (info->ops & ~KNOWN_OPS))
		return vc_error_set(-EINVAL, "io", name,
				    "operations 0x%x: none, or unknown ones beyond 0x%x", info->ops,
				    KNOWN_OPS);
	return 0;
}

int vc_block_create(const struct vc_block_end *end, struct vc_block **ret_block)
{
	struct vc_block_end e;
	struct vc_block_info info;
	struct vc_block *block;
	int r = vc_config_copy(&e, sizeof(e), end);

	if (r == 0)
		r = vc_config_copy(&info, sizeof(info), e.info);
	if (r < 0)
		return r;
	if (!ret_block)
		return vc_error_set(-EINVAL, "io", "block", "ret_block is needed");
	r = check_end(&e, &info);
	if (r < 0)
		return r;
	block = calloc(1, sizeof(*block));
	if (!block)
		return vc_error_set(-ENOMEM, "io", e.name, "no memory");
	r = pthread_mutex_init(&block->lock, NULL);
	if (r != 0) {
		free(block);
		return vc_error_set(-r, "io", e.name, "no lock: %s", strerrordesc_np(r));
	}
	(void)snprintf(block->name, sizeof(block->name), "%s", e.name ? e.name : e.ops->type);
	block->ops = e.ops;
	block->end = e.end;
	block->info = info;
	block->limits[0] = e.throttle;
	block->limits[1] = e.group;
	atomic_init(&block->size_bytes, info.size_bytes);
	*ret_block = block;
	return 0;
}

int vc_block_open(const struct vc_block_config *cfg, struct vc_block **ret_block)
{
	struct vc_block_config c;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_block)
		return vc_error_set(-EINVAL, "io", "block", "ret_block is needed");
	if (!c.name)
		c.name = c.path ? c.path : "block";
	if (c.block_size != 0 && (!is_power_of_2(c.block_size) || c.block_size < BLOCK_SIZE_MIN ||
				  c.block_size > BLOCK_SIZE_MAX))
		return vc_error_set(-EINVAL, "io", c.name,
				    "block_size is %u, expected 512, 1024, 2048 or 4096",
				    c.block_size);
	if (c.kind == VC_BLOCK_FILE)
		return vc__blk_file_open(&c, ret_block);
	if (c.kind == VC_BLOCK_RAM)
		return vc__blk_ram_open(&c, ret_block);
	return vc_error_set(-EINVAL, "io", c.name, "kind %d is unknown", (int)c.kind);
}

static bool has_queues(struct vc_block *block)
{
	bool has;

	(void)pthread_mutex_lock(&block->lock);
	has = block->queues != NULL;
	(void)pthread_mutex_unlock(&block->lock);
	return has;
}

int vc_block_close(struct vc_block *block)
{
	if (!block)
		return 0;
	if (has_queues(block))
		return vc_error_set(-EBUSY, "io", block->name, "a queue is attached");
	block->ops->close(block->end);
	(void)pthread_mutex_destroy(&block->lock);
	free(block);
	return 0;
}

int vc_block_attach(struct vc_block *block, struct vc_ring *ring, struct vc_block_queue **ret_queue)
{
	struct vc_block_queue *queue;
	int r;

	if (!block || !ring || !ret_queue)
		return vc_error_set(-EINVAL, "io", "block",
				    "a disk, a ring and ret_queue are needed");
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return vc_error_set(-ENOMEM, "io", block->name, "no memory");
	queue->block = block;
	queue->ring = ring;
	queue->ops = block->ops;
	r = vc__block_queue_init(queue);
	if (r == 0)
		r = block->ops->attach(block->end, ring, &queue->lane);
	if (r < 0) {
		vc__block_queue_fini(queue);
		free(queue);
		return r;
	}
	(void)vc_ring_get(ring);
	(void)pthread_mutex_lock(&block->lock);
	queue->next = block->queues;
	block->queues = queue;
	(void)pthread_mutex_unlock(&block->lock);
	*ret_queue = queue;
	return 0;
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_counters(struct vc_block_stats *stats, const struct vc__block_counters *counters)
{
	unsigned int i;

	for (i = 0; i < VC_BLOCK_NR_OPS; i++) {
		stats->nr[i] += counted(&counters->nr[i]);
		stats->bytes[i] += counted(&counters->bytes[i]);
	}
	stats->nr_failed += counted(&counters->nr_failed);
	stats->nr_refused += counted(&counters->nr_refused);
	stats->nr_throttled += counted(&counters->nr_throttled);
	stats->nr_bounced += counted(&counters->nr_bounced);
	stats->nr_resumed += counted(&counters->nr_resumed);
}

int vc_block_detach(struct vc_block_queue *queue)
{
	struct vc_block_queue **at;
	struct vc_block *block;

	if (!queue)
		return 0;
	block = queue->block;
	if (queue->nr_in_flight > 0)
		return vc_error_set(-EBUSY, "io", block->name, "%u requests are in flight",
				    queue->nr_in_flight);
	(void)pthread_mutex_lock(&block->lock);
	for (at = &block->queues; *at != queue; at = &(*at)->next)
		;
	*at = queue->next;
	add_counters(&block->past, &queue->counters);
	(void)pthread_mutex_unlock(&block->lock);
	queue->ops->detach(queue->lane);
	vc__block_queue_fini(queue);
	vc_ring_put(queue->ring);
	free(queue);
	return 0;
}

int vc_block_get_info(const struct vc_block *block, struct vc_block_info *ret_info)
{
	struct vc_block_info info;

	if (!block)
		return vc_error_set(-EINVAL, "io", "block", "a disk is needed");
	info = block->info;
	info.size_bytes = counted(&block->size_bytes);
	return vc_result_fill(ret_info, sizeof(info), &info, sizeof(info));
}

int vc_block_resize(struct vc_block *block, uint64_t size_bytes)
{
	uint64_t was, is = 0;
	int r;

	if (!block)
		return vc_error_set(-EINVAL, "io", "block", "a disk is needed");
	was = counted(&block->size_bytes);
	if (size_bytes % block->info.block_size != 0)
		return vc_error_set(-EINVAL, "io", block->name,
				    "%llu bytes are no multiple of the block size, %u",
				    (unsigned long long)size_bytes, block->info.block_size);
	if (!block->ops->resize)
		return vc_error_set(-EOPNOTSUPP, "io", block->name,
				    "this kind of disk (%s) cannot change its size",
				    block->ops->type);
	if (size_bytes != 0 && block->info.is_readonly)
		return vc_error_set(-EROFS, "io", block->name, "is open for reading only");
	/* A write that is under way behind the new end would undo it. */
	if (size_bytes != 0 && size_bytes < was && has_queues(block))
		return vc_error_set(-EBUSY, "io", block->name,
				    "cannot shrink from %llu to %llu bytes while a queue is "
				    "attached",
				    (unsigned long long)was, (unsigned long long)size_bytes);
	r = block->ops->resize(block->end, size_bytes, &is);
	if (r < 0)
		return r;
	if (is == 0 || is % block->info.block_size != 0)
		return vc_error_set(-EINVAL, "io", block->name,
				    "has %llu bytes now, expected a multiple of %u above 0",
				    (unsigned long long)is, block->info.block_size);
	atomic_store_explicit(&block->size_bytes, is, memory_order_relaxed);
	return 0;
}

int vc_block_get_stats(const struct vc_block *block, struct vc_block_stats *ret_stats)
{
	const struct vc_block_queue *queue;
	struct vc_block_stats stats;
	struct vc_block *b = (struct vc_block *)block; /* for its lock alone */

	if (!block)
		return vc_error_set(-EINVAL, "io", "block", "a disk is needed");
	(void)pthread_mutex_lock(&b->lock);
	stats = block->past;
	for (queue = block->queues; queue; queue = queue->next)
		add_counters(&stats, &queue->counters);
	(void)pthread_mutex_unlock(&b->lock);
	return vc_result_fill(ret_stats, sizeof(stats), &stats, sizeof(stats));
}
