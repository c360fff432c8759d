/* SPDX-License-Identifier: Apache-2.0 */
/* Network ends: every allocation and system call of opening and attaching one fails once; what had
 * been made by then is gone. */
#include "fault.h"
#include "net_unit.h"

#include <libvirtcore/throttle.h>

struct ends {
	struct vc_net_tap_config tap;
	struct vc_net_pair_config pair;
	struct vc_ring *ring;
};

static int use(struct vc_net *net, struct vc_ring *ring)
{
	struct vc_net_queue_config cfg = { .size = sizeof(cfg) };
	struct vc_net_queue *queue = NULL;
	int r = vc_net_attach(net, &cfg, ring, &queue);

	fault_may_survive();
	(void)vc_net_detach(queue);
	return r;
}

static int open_tap(void *opaque)
{
	const struct ends *ends = opaque;
	struct vc_net *net = NULL;
	int r = vc_net_open_tap(&ends->tap, &net);

	if (r == 0)
		r = use(net, ends->ring);
	fault_may_survive();
	(void)vc_net_close(net);
	assert_false(is_interface("vct0"));
	return r;
}

static int open_pair(void *opaque)
{
	const struct ends *ends = opaque;
	struct vc_net *nets[2] = { NULL, NULL };
	int r = vc_net_open_pair(&ends->pair, nets);

	if (r == 0)
		r = use(nets[1], ends->ring);
	fault_may_survive();
	(void)vc_net_close(nets[0]);
	(void)vc_net_close(nets[1]);
	return r;
}

/* What the kernel cannot do, or cannot be asked, is not offered. */
static const char *const unknown[] = { "ioctl", NULL };

static void every_call(void **state)
{
	struct vc_throttle_config limits = { .size = sizeof(limits), .ops_per_s = 1 };
	struct vc_throttle *limit = NULL;
	struct ends ends = {
		.tap = { .size = sizeof(ends.tap), .mode = VC_NET_TAP_NEW, .ifname = "vct0" },
		.pair = { .size = sizeof(ends.pair), .nr_queues = 2 },
	};
	struct fault_config fault = { .fn = open_tap, .opaque = &ends, .may_survive = unknown };

	(void)state;
	ends.ring = ring_new((struct vc_ring_config){ .depth = 8 });
	assert_result(vc_throttle_create(&limits, &limit), 0);
	ends.tap.rx_limit = ends.tap.tx_limit = limit;
	ends.pair.rx_limits[1] = ends.pair.tx_limits[1] = limit;
	assert_true(fault_each(&fault) >= 15);
	ends.tap.nr_queues = 3;
	ends.tap.mtu = 1400;
	assert_true(fault_each(&fault) >= 20);
	ends.tap.has_netns = true;
	ends.tap.netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fault_each(&fault) >= 21);
	close(ends.tap.netns_fd);
	fault.fn = open_pair;
	assert_true(fault_each(&fault) >= 10);
	vc_throttle_destroy(limit);
	vc_ring_put(ends.ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_call) };

	own_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
