/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs as objects: described, several queues, offloads agreed, closed in either order. */
#include "net_unit.h"

static void open_pair(struct vc_net_pair_config cfg, struct vc_net **nets)
{
	cfg.size = sizeof(cfg);
	assert_result(vc_net_open_pair(&cfg, nets), 0);
}

static void described(void **state)
{
	struct vc_net_pair_config cfg = { .nr_queues = 3,
					  .mtu = 9000,
					  .macs = { { 0x52, 0x54, 0, 1, 2, 3 } },
					  .has_offloads = true,
					  .offloads = VC_NET_CSUM | VC_NET_TSO4 };
	struct vc_net_info info;
	struct vc_net *nets[2];

	(void)state;
	open_pair(cfg, nets);
	info = net_info(nets[0]);
	assert_int_equal(info.nr_queues, 3);
	assert_int_equal(info.nr_active, 3);
	assert_int_equal(info.mtu, 9000);
	assert_int_equal(info.offloads, cfg.offloads);
	assert_int_equal(info.tx_offloads, cfg.offloads);
	assert_int_equal(info.offloads_now, 0);
	assert_memory_equal(info.mac, cfg.macs[0], 6);
	assert_string_equal(info.ifname, "");
	assert_false(info.is_link_up);
	assert_false(info.has_steering);
	assert_int_equal(net_info(nets[1]).mac[0] & 3, 2); /* a local one, of one card */
	assert_result(vc_net_set_queues(nets[0], 2), 0);
	assert_int_equal(net_info(nets[0]).nr_active, 2);
	assert_result(vc_net_refresh(nets[0]), 0);
	assert_result(vc_net_close(nets[0]), 0);
	assert_result(vc_net_close(nets[1]), 0);
}

/* Each queue has its own way to the queue of its number. */
static void many_queues(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 64 });
	struct vc_net_queue *queues[2][4];
	struct frame in[4], out[4];
	struct vc_net *nets[2];

	(void)state;
	open_pair((struct vc_net_pair_config){ .nr_queues = 4 }, nets);
	for (uint32_t i = 0; i < 4; i++) {
		queues[0][i] = attach_queue(nets[0], ring, i);
		queues[1][i] = attach_queue(nets[1], ring, i);
		assert_result(vc_net_receive(queues[1][i], slot(&in[i], 1526)), 0);
	}
	assert_true(vc_ring_step(ring, 0) >= 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_result(vc_net_send(queues[0][i], packet(&out[i], 60, (uint8_t)(1 + i))), 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(wait_frame(ring, &in[i]), 72);
		assert_int_equal(tag_of(&in[i]), 1 + i);
		assert_int_equal(wait_frame(ring, &out[i]), 0);
		assert_result(vc_net_detach(queues[0][i]), 0);
		assert_result(vc_net_detach(queues[1][i]), 0);
	}
	assert_result(vc_net_close(nets[1]), 0);
	assert_result(vc_net_close(nets[0]), 0);
	ring_end(ring);
}

/* What the receiver has not accepted is not sent to it: large frames are lost, checksums computed. */
static void offloads_as_accepted(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 64 });
	struct vc_net_queue *queues[2];
	struct frame in, out;
	struct vc_net *nets[2];

	(void)state;
	open_pair((struct vc_net_pair_config){ .wait_ms = 60000 }, nets);
	for (unsigned int i = 0; i < 2; i++)
		queues[i] = attach_queue(nets[i], ring, 0);
	assert_result(vc_net_receive(queues[1], slot(&in, 1526)), 0);
	assert_true(vc_ring_step(ring, 0) >= 0);
	for (unsigned int i = 0; i < 2; i++) {
		(void)packet(&out, 100, 1);
		memcpy(out.buf, "\1\1\x36\0\x14\0\x22\0\x10\0", 10); /* TCP, IPv4, pieces of 20 */
		assert_result(vc_net_send(queues[0], &out.req), 0);
		assert_int_equal(wait_frame(ring, &out), i == 0 ? -EOPNOTSUPP : 0);
		assert_result(vc_net_set_offloads(nets[1], VC_NET_CSUM | VC_NET_TSO4), 0);
		assert_int_equal(net_info(nets[1]).offloads_now, VC_NET_CSUM | VC_NET_TSO4);
	}
	assert_int_equal(wait_frame(ring, &in), 112);
	assert_memory_equal(in.buf, "\1\1\x36\0\x14\0\x22\0\x10\0", 10);
	for (unsigned int i = 0; i < 2; i++) {
		assert_result(vc_net_detach(queues[i]), 0);
		assert_result(vc_net_close(nets[i]), 0);
	}
	ring_end(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(described),
		cmocka_unit_test(many_queues),
		cmocka_unit_test(offloads_as_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
