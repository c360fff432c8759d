/* SPDX-License-Identifier: Apache-2.0 */
/* Network ends as objects: made of an implementation, attached, changed, described, counted, closed. */
#include "net_script.h"

static void made_of_an_end(void **state)
{
	struct script_end script = { .nr_kept = 0 };
	struct vc_net *net = script_net(&script, NULL, NULL);

	(void)state;
	assert_int_equal(net_info(net).nr_queues, 2);
	assert_int_equal(net_info(net).mtu, 1500);
	assert_true(net_info(net).is_link_up);
	assert_false(net_info(net).has_steering);
	assert_result(vc_net_close(net), 0);
	assert_int_equal(script.nr_closed, 1);
	assert_result(vc_net_close(NULL), 0);
	assert_result(vc_net_detach(NULL), 0);
}

/* A newer program with an older library, and the other way round. */
static void info_of_any_version(void **state)
{
	struct script_end script = { .nr_kept = 0 };
	struct vc_net *net = script_net(&script, NULL, NULL);
	struct {
		struct vc_net_info known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 5 };

	(void)state;
	assert_result(vc_net_get_info(net, &newer.known), 0);
	assert_int_equal(newer.unknown, 0);
	assert_result(vc_net_close(net), 0);
}

static void queues_attached(void **state)
{
	struct script_end script = { .is_instant = true };
	struct vc_net *net = script_net(&script, NULL, NULL);
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 8 });
	struct vc_net_queue_config cfg = { .size = sizeof(cfg), .queue_idx = 1 };
	struct vc_net_queue *queues[2], *third = NULL;
	struct frame frame;

	(void)state;
	queues[1] = attach_queue(net, ring, 1);
	queues[0] = attach_queue(net, ring, 0);
	assert_refused(vc_net_attach(net, &cfg, ring, &third), -EBUSY, "queue 1 is attached");
	assert_int_equal(script.nr_lanes, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_result(vc_net_send(queues[i], packet(&frame, 60 + i, 1)), 0);
		assert_int_equal(wait_frame(ring, &frame), 0);
	}
	assert_refused(vc_net_close(net), -EBUSY, "a queue is attached");
	/* What they did stays counted. */
	assert_result(vc_net_detach(queues[1]), 0);
	assert_result(vc_net_detach(queues[0]), 0);
	assert_int_equal(net_stats(net).nr_sent, 2);
	assert_int_equal(net_stats(net).bytes_sent, 121);
	script.attach_result = -ENFILE;
	assert_refused(vc_net_attach(net, &cfg, ring, &third), -ENFILE, "not today");
	script.attach_result = 0;
	third = attach_queue(net, ring, 1);
	assert_result(vc_net_detach(third), 0);
	assert_result(vc_net_close(net), 0);
	assert_int_equal(script.nr_closed, 1);
	ring_end(ring);
}

static void changed(void **state)
{
	struct script_end script = { .nr_kept = 0 };
	struct vc_net *net = script_net(&script, NULL, NULL);

	(void)state;
	assert_result(vc_net_set_offloads(net, VC_NET_CSUM), 0);
	assert_int_equal(script.offloads, VC_NET_CSUM);
	assert_int_equal(net_info(net).offloads_now, VC_NET_CSUM);
	assert_result(vc_net_set_queues(net, 2), 0); /* so it is: nobody is asked */
	assert_int_equal(script.nr_queues, 0);
	assert_result(vc_net_set_queues(net, 1), 0);
	assert_int_equal(script.nr_queues, 1);
	/* What failed has changed nothing. */
	script.change_result = -EIO;
	assert_int_equal(vc_net_set_offloads(net, 0), -EIO);
	assert_int_equal(vc_net_set_queues(net, 2), -EIO);
	assert_int_equal(vc_net_refresh(net), -EIO);
	assert_int_equal(net_info(net).offloads_now, VC_NET_CSUM);
	assert_int_equal(net_info(net).nr_active, 1);
	assert_int_equal(net_info(net).mtu, 1500);
	script.change_result = 0;
	assert_result(vc_net_refresh(net), 0);
	assert_int_equal(net_info(net).mtu, 1234);
	assert_false(net_info(net).is_link_up);
	assert_result(vc_net_close(net), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_of_an_end),
		cmocka_unit_test(info_of_any_version),
		cmocka_unit_test(queues_attached),
		cmocka_unit_test(changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
