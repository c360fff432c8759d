/* SPDX-License-Identifier: Apache-2.0 */
/* What block.c, block_queue.c and the ends of this library share. */
#ifndef VC_BLOCK_H
#define VC_BLOCK_H

#include <libvirtcore/block_ops.h>
#include <libvirtcore/implement.h>

#include <stdatomic.h>

#include "throttle.h"

#define VC__BLOCK_NAME_LEN 64u

/* Written by the ring's thread alone, so that adding takes no locked instruction; read by any. */
struct vc__block_counters {
	_Atomic uint64_t nr[VC_BLOCK_NR_OPS], bytes[VC_BLOCK_NR_OPS];
	_Atomic uint64_t nr_failed, nr_refused, nr_throttled, nr_bounced, nr_resumed;
};

struct vc__block_list {
	struct vc_block_request *first, **last;
};

/* The timer of a queue with limits: apart, because a cancelled one outlives a detached queue. */
struct vc__block_timer {
	struct vc_ring_request io;
	struct vc_block_queue *queue; /* NULL: to be freed when the ring gives it back */
	bool is_armed;
};

/* One disk on one ring: all but the counters belongs to the ring's thread. */
struct vc_block_queue {
	struct vc_block *block;
	struct vc_ring *ring;
	void *lane; /* the end's */
	const struct vc_block_ops *ops;
	uint32_t nr_in_flight;
	/* An end is being called: what it completes waits for the end of the batch. */
	uint32_t depth;
	struct vc__block_list completed;
	struct vc_ring_task deliver;
	/* limits */
	struct vc__block_list waiting;
	struct vc__block_timer *timer;
	uint64_t due_ns;	     /* of the first that waits */
	uint32_t stage;		     /* its limit: 0 = the disk's, 1 = the group's */
	uint32_t generation;	     /* of that limit when due_ns was given */
	struct vc_block_queue *next; /* of the block, under its lock */
	struct vc__block_counters counters;
};

struct vc_block {
	const struct vc_block_ops *ops;
	void *end;
	char name[VC__BLOCK_NAME_LEN];
	struct vc_block_info info; /* but for the size, which may change under way: */
	_Atomic uint64_t size_bytes;
	struct vc_throttle *limits[2];
	pthread_mutex_t lock; /* of the list: attach, detach and statistics, never a request */
	struct vc_block_queue *queues;
	struct vc_block_stats past; /* of detached queues */
};

static inline void vc__block_list_init(struct vc__block_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static inline void vc__block_list_add(struct vc__block_list *list, struct vc_block_request *req)
{
	req->next = NULL;
	*list->last = req;
	list->last = &req->next;
}

/* The list is not empty. */
static inline struct vc_block_request *vc__block_list_pop(struct vc__block_list *list)
{
	struct vc_block_request *req = list->first;

	list->first = req->next;
	if (!list->first)
		list->last = &list->first;
	return req;
}

static inline void vc__block_count(_Atomic uint64_t *counter, uint64_t nr)
{
	uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, was + nr, memory_order_relaxed);
}

/* block_queue.c: sets up the ring's part of @queue and takes it down again. */
int vc__block_queue_init(struct vc_block_queue *queue);
void vc__block_queue_fini(struct vc_block_queue *queue);

/* blk_file.c and blk_ram.c: the kinds of vc_block_open(). */
int vc__blk_file_open(const struct vc_block_config *cfg, struct vc_block **ret_block);
int vc__blk_ram_open(const struct vc_block_config *cfg, struct vc_block **ret_block);

#endif /* VC_BLOCK_H */
