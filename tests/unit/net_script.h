/* SPDX-License-Identifier: Apache-2.0 */
/* A network end that does what the test says: keeps requests until told, or completes them at once. */
#ifndef VC_TESTS_NET_SCRIPT_H
#define VC_TESTS_NET_SCRIPT_H

#include "net_unit.h"

struct script_end {
	struct vc_net_queue *queue; /* the last that was attached */
	unsigned int nr_lanes, nr_closed, nr_cancels, nr_kept;
	int attach_result, change_result;
	bool is_instant; /* completes within the call, with: */
	int instant_result;
	uint32_t offloads, nr_queues;
	struct vc_net_request *kept[64];
};

static int script_attach(void *end, struct vc_net_queue *queue, uint32_t queue_idx,
			 struct vc_ring *ring, void **ret_lane)
{
	struct script_end *script = end;

	(void)ring;
	(void)queue_idx;
	if (script->attach_result < 0)
		return vc_error_set(script->attach_result, "io", "script", "not today");
	script->nr_lanes++;
	script->queue = queue;
	*ret_lane = end;
	return 0;
}

static void script_detach(void *lane)
{
	((struct script_end *)lane)->nr_lanes--;
}

static void script_take(void *lane, struct vc_net_request *req)
{
	struct script_end *script = lane;

	if (script->is_instant)
		vc_net_complete(req, script->instant_result);
	else
		script->kept[script->nr_kept++] = req;
}

/* The first that was kept. */
static inline void script_complete(struct script_end *script, int result)
{
	struct vc_net_request *req = script->kept[0];

	assert_true(script->nr_kept > 0);
	memmove(&script->kept[0], &script->kept[1], --script->nr_kept * sizeof(script->kept[0]));
	vc_net_complete(req, result);
}

static void script_cancel(void *lane)
{
	struct script_end *script = lane;

	script->nr_cancels++;
	while (script->nr_kept > 0)
		script_complete(script, -ECANCELED);
}

static int script_set_offloads(void *end, uint32_t offloads)
{
	struct script_end *script = end;

	if (script->change_result == 0)
		script->offloads = offloads;
	return script->change_result;
}

static int script_set_queues(void *end, uint32_t nr)
{
	struct script_end *script = end;

	if (script->change_result == 0)
		script->nr_queues = nr;
	return script->change_result;
}

static int script_refresh(void *end, struct vc_net_info *info)
{
	info->mtu = 1234;
	info->is_link_up = false;
	return ((struct script_end *)end)->change_result;
}

static void script_close(void *end)
{
	((struct script_end *)end)->nr_closed++;
}

static const struct vc_net_ops script_ops = {
	.type = "script",
	.attach = script_attach,
	.detach = script_detach,
	.receive = script_take,
	.send = script_take,
	.cancel = script_cancel,
	.set_offloads = script_set_offloads,
	.set_queues = script_set_queues,
	.refresh = script_refresh,
	.close = script_close,
};

static inline struct vc_net *script_net(struct script_end *script, struct vc_throttle *rx_limit,
					struct vc_throttle *tx_limit)
{
	struct vc_net_info info = { .size = sizeof(info),
				    .nr_queues = 2,
				    .offloads = VC_NET_CSUM | VC_NET_TSO4,
				    .mtu = 1500,
				    .is_link_up = true };
	struct vc_net_end end = { .size = sizeof(end),
				  .name = "script",
				  .ops = &script_ops,
				  .end = script,
				  .info = &info,
				  .rx_limit = rx_limit,
				  .tx_limit = tx_limit };
	struct vc_net *net = NULL;

	assert_result(vc_net_create(&end, &net), 0);
	return net;
}

#endif /* VC_TESTS_NET_SCRIPT_H */
