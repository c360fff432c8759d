/* SPDX-License-Identifier: Apache-2.0 */
/* What net.c, net_queue.c, net_gate.c and the network ends of this library share. */
#ifndef VC_NET_H
#define VC_NET_H

#include <libvirtcore/implement.h>
#include <libvirtcore/net_ops.h>

#include <pthread.h>
#include <stdatomic.h>

#include "throttle.h"

#define VC__NET_NAME_LEN 64u

/* Written by the ring's thread alone, so that adding takes no locked instruction; read by any. */
struct vc__net_counters {
	_Atomic uint64_t nr_received, bytes_received, nr_sent, bytes_sent;
	_Atomic uint64_t nr_receive_errors, nr_send_errors, nr_refused, nr_throttled, nr_resumed;
	_Atomic uint64_t nr_link_changes;
};

struct vc__net_list {
	struct vc_net_request *first, **last;
};

/* A gate's timer: apart, because a cancelled one outlives a detached queue. */
struct vc__net_timer {
	struct vc_ring_request io;
	struct vc__net_gate *gate; /* NULL: to be freed when the ring gives it back */
	bool is_armed;
};

/* Holds frames back as a limit says, in order; without a limit there is no timer, and no gate. */
struct vc__net_gate {
	struct vc_net_queue *queue;
	struct vc_throttle *limit;
	struct vc__net_timer *timer;
	struct vc__net_list waiting;
	bool has_time; /* the first that waits has taken its tokens, and may go at: */
	uint64_t due_ns;
	uint32_t generation; /* of the limit when due_ns was given */
	void (*go)(struct vc_net_queue *queue, struct vc_net_request *req);
};

/* What is told at the end of a batch: apart as well, because it outlives a detached queue. */
struct vc__net_deliver {
	struct vc_ring_task task;
	struct vc_net_queue *queue; /* NULL: to be freed when it has run */
	bool is_queued;
};

/* One queue pair on one ring: all but the counters belongs to the ring's thread. */
struct vc_net_queue {
	struct vc_net *net;
	struct vc_ring *ring;
	void *lane; /* the end's */
	const struct vc_net_ops *ops;
	uint32_t queue_idx, nr_in_flight;
	/* An end is being called: what it completes waits for the end of the batch. */
	uint32_t depth;
	struct vc_net_request *taking; /* within vc_net_receive() or vc_net_send() */
	struct vc__net_list completed;
	struct vc__net_deliver *deliver;
	struct vc__net_gate rx, tx;
	bool is_link_up, is_link_told;
	void (*link_changed)(void *opaque, bool is_up);
	void *opaque;
	struct vc_net_queue *next; /* of the end, under its lock */
	struct vc__net_counters counters;
};

struct vc_net {
	const struct vc_net_ops *ops;
	void *end;
	char name[VC__NET_NAME_LEN];
	struct vc_net_info info; /* but for what may change: */
	_Atomic uint32_t nr_active, offloads_now, mtu;
	_Atomic bool is_link_up;
	struct vc_throttle *rx_limit, *tx_limit;
	pthread_mutex_t lock; /* of the list: attach, detach and statistics, never a frame */
	struct vc_net_queue *queues;
	struct vc_net_stats past; /* of detached queues */
};

static inline void vc__net_list_init(struct vc__net_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static inline void vc__net_list_add(struct vc__net_list *list, struct vc_net_request *req)
{
	req->next = NULL;
	*list->last = req;
	list->last = &req->next;
}

/* NULL when the list is empty. */
static inline struct vc_net_request *vc__net_list_pop(struct vc__net_list *list)
{
	struct vc_net_request *req = list->first;

	if (req)
		list->first = req->next;
	if (!list->first)
		list->last = &list->first;
	return req;
}

static inline void vc__net_count(_Atomic uint64_t *counter, uint64_t nr)
{
	uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, was + nr, memory_order_relaxed);
}

/* net.c */
int vc__net_random_mac(const uint8_t *wanted, uint8_t *ret_mac);
/* -EINVAL when an offload lacks another one that it needs. */
int vc__net_check_offloads(const char *name, uint32_t offloads);

/* net_queue.c */
/* Zeroed but for what attach sets; to be finished also after a failure. */
int vc__net_queue_init(struct vc_net_queue *queue);
void vc__net_queue_fini(struct vc_net_queue *queue);

/* net_gate.c */
int vc__net_gate_init(struct vc__net_gate *gate, struct vc_net_queue *queue,
		      struct vc_throttle *limit,
		      void (*go)(struct vc_net_queue *queue, struct vc_net_request *req));
void vc__net_gate_fini(struct vc__net_gate *gate);
/* Leads to go(), at once or later; or to -ECANCELED. Costs one operation and the frame's bytes. */
void vc__net_gate_pass(struct vc__net_gate *gate, struct vc_net_request *req);
void vc__net_gate_cancel(struct vc__net_gate *gate);

#endif /* VC_NET_H */
