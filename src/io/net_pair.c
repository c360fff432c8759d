/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two network ends that are joined: what one sends the other receives. Made together, closed in any
 * order, attached to the same or to different rings, or to none. Control thread, any thread for the
 * offloads; what happens to a frame is in net_pair_io.c. What both ends share is counted, because a
 * wake-up may be on its way to a ring whose end has been closed.
 */
#include "net_pair.h"

#include <errno.h>

#define FRAMES_DEFAULT 256u
#define FRAMES_MAX     4096u
#define WAIT_DEFAULT   100u
#define WAIT_MAX       60000u
#define MTU_DEFAULT    1500u
#define MTU_MAX	       65535u
#define NS_PER_MS      1000000ull

void vc__pair_put(struct vc__pair *pair)
{
	/* Release and acquire: whoever frees it sees what the other has done. */
	if (atomic_fetch_sub_explicit(&pair->nr_refs, 1, memory_order_acq_rel) != 1)
		return;
	free(pair->cells);
	free(pair);
}

static int pair_set_offloads(void *opaque, uint32_t offloads)
{
	struct vc__pair_end *end = opaque;

	atomic_store_explicit(&end->offloads, offloads, memory_order_relaxed);
	return 0;
}

static void pair_close(void *opaque)
{
	vc__pair_put(((struct vc__pair_end *)opaque)->pair);
}

static const struct vc_net_ops pair_ops = {
	.type = "pair",
	.attach = vc__pair_attach,
	.detach = vc__pair_detach,
	.receive = vc__pair_receive,
	.send = vc__pair_send,
	.cancel = vc__pair_cancel,
	.set_offloads = pair_set_offloads,
	.close = pair_close,
};

/* open */

static int check_config(const struct vc_net_pair_config *cfg)
{
	const char *name = cfg->names[0] ? cfg->names[0] : "pair";

	if (cfg->nr_queues > VC_NET_QUEUES_MAX)
		return vc_error_set(-EINVAL, "io", name, "%u queues, at most %u", cfg->nr_queues,
				    VC_NET_QUEUES_MAX);
	if (cfg->nr_frames > FRAMES_MAX || (cfg->nr_frames & (cfg->nr_frames - 1)))
		return vc_error_set(-EINVAL, "io", name,
				    "nr_frames %u, expected a power of two up to %u",
				    cfg->nr_frames, FRAMES_MAX);
	if (cfg->wait_ms > WAIT_MAX)
		return vc_error_set(-EINVAL, "io", name, "wait_ms %u, at most %u", cfg->wait_ms,
				    WAIT_MAX);
	if (cfg->mtu > MTU_MAX)
		return vc_error_set(-EINVAL, "io", name, "mtu %u, at most %u", cfg->mtu, MTU_MAX);
	return cfg->has_offloads ? vc__net_check_offloads(name, cfg->offloads) : 0;
}

static struct vc__pair *make_pair(const struct vc_net_pair_config *cfg)
{
	uint32_t nr_sides = 2 * (cfg->nr_queues ? cfg->nr_queues : 1);
	struct vc__pair *pair = calloc(1, sizeof(*pair) + nr_sides * sizeof(pair->sides[0]));

	if (!pair)
		return NULL;
	pair->nr_queues = nr_sides / 2;
	pair->nr_frames = cfg->nr_frames ? cfg->nr_frames : FRAMES_DEFAULT;
	pair->wait_ns = (cfg->wait_ms ? cfg->wait_ms : WAIT_DEFAULT) * NS_PER_MS;
	atomic_init(&pair->nr_refs, 1);
	pair->cells = calloc((size_t)nr_sides * pair->nr_frames, sizeof(*pair->cells));
	if (!pair->cells) {
		free(pair);
		return NULL;
	}
	for (uint32_t i = 0; i < nr_sides; i++) {
		pair->sides[i].pair = pair;
		pair->sides[i].row.cells = &pair->cells[(size_t)i * pair->nr_frames];
		pair->sides[i].bell.run = vc__pair_run_bell;
	}
	for (uint32_t i = 0; i < 2; i++) {
		pair->ends[i].pair = pair;
		pair->ends[i].sides = &pair->sides[i * pair->nr_queues];
		pair->ends[i].peer = &pair->ends[1 - i];
	}
	return pair;
}

static int make_net(struct vc__pair *pair, const struct vc_net_pair_config *cfg, uint32_t i,
		    struct vc_net **ret_net)
{
	uint32_t offloads = cfg->has_offloads ? cfg->offloads : VC_NET_OFFLOADS_ALL;
	struct vc_net_info info = { .size = sizeof(info),
				    .nr_queues = pair->nr_queues,
				    .offloads = offloads,
				    .tx_offloads = offloads,
				    .mtu = cfg->mtu ? cfg->mtu : MTU_DEFAULT };
	struct vc_net_end end = { .size = sizeof(end),
				  .name = cfg->names[i] ? cfg->names[i] : "pair",
				  .ops = &pair_ops,
				  .end = &pair->ends[i],
				  .info = &info,
				  .rx_limit = cfg->rx_limits[i],
				  .tx_limit = cfg->tx_limits[i] };
	int r = vc__net_random_mac(cfg->macs[i], info.mac);

	if (r == 0)
		r = vc_net_create(&end, ret_net);
	if (r == 0)
		atomic_fetch_add_explicit(&pair->nr_refs, 1, memory_order_relaxed);
	return r;
}

int vc_net_open_pair(const struct vc_net_pair_config *cfg, struct vc_net *ret_nets[2])
{
	struct vc_net *nets[2] = { NULL, NULL };
	struct vc_net_pair_config c;
	struct vc__pair *pair;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_nets)
		return vc_error_set(-EINVAL, "io", "pair", "ret_nets is needed");
	r = check_config(&c);
	if (r < 0)
		return r;
	pair = make_pair(&c);
	if (!pair)
		return vc_error_set(-ENOMEM, "io", "pair", "no memory");
	r = make_net(pair, &c, 0, &nets[0]);
	if (r == 0)
		r = make_net(pair, &c, 1, &nets[1]);
	if (r < 0)
		(void)vc_net_close(nets[0]);
	vc__pair_put(pair); /* the one of this function */
	if (r < 0)
		return r;
	ret_nets[0] = nets[0];
	ret_nets[1] = nets[1];
	return 0;
}
