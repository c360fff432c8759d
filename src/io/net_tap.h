/* SPDX-License-Identifier: Apache-2.0 */
/* What net_tap.c, which opens taps, and net_tap_io.c, which moves their frames, share. */
#ifndef VC_NET_TAP_H
#define VC_NET_TAP_H

#include "net.h"

struct vc__tap {
	char ifname[16];
	int sock; /* of the interface's namespace: net_link.h */
	uint32_t nr_queues;
	uint32_t offloads; /* switched on, enum vc_net_offload */
	uint32_t nr_active;
	int made_index; /* of an interface that is to go at close; 0 = none */
	/* A queue has met -EBADFD: the interface was deleted. Written by rings and vc_net_refresh(). */
	_Atomic bool is_gone;
	/* Given by descriptor, and not in the namespace of this process: cannot be asked. */
	bool is_foreign;
	int fds[]; /* one a queue */
};

/* On any thread; does not block. One that cannot be asked is up until a write says otherwise. */
bool vc__tap_is_up(const struct vc__tap *tap);

/* The slots of its table of functions that move frames. */
int vc__tap_attach(void *end, struct vc_net_queue *queue, uint32_t queue_idx, struct vc_ring *ring,
		   void **ret_lane);
void vc__tap_detach(void *lane);
void vc__tap_receive(void *lane, struct vc_net_request *req);
void vc__tap_send(void *lane, struct vc_net_request *req);
void vc__tap_cancel(void *lane);

#endif /* VC_NET_TAP_H */
