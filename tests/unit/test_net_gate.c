/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits on both ways: order kept, rates kept, changed and cancelled while frames wait. */
#include "net_script.h"

#include <libvirtcore/throttle.h>

struct fixture {
	struct script_end script;
	struct vc_throttle *rx_limit, *tx_limit;
	struct vc_ring *ring;
	struct vc_net *net;
	struct vc_net_queue *queue;
};

static struct vc_throttle *limit_of(uint64_t ops_per_s, uint64_t burst)
{
	struct vc_throttle_config cfg = { .size = sizeof(cfg),
					  .ops_per_s = ops_per_s,
					  .ops_burst = burst };
	struct vc_throttle *limit = NULL;

	assert_result(vc_throttle_create(&cfg, &limit), 0);
	return limit;
}

static void start(struct fixture *f, struct vc_throttle *rx_limit, struct vc_throttle *tx_limit)
{
	*f = (struct fixture){ .rx_limit = rx_limit, .tx_limit = tx_limit };
	f->ring = ring_here((struct vc_ring_config){ .depth = 8 });
	f->net = script_net(&f->script, rx_limit, tx_limit);
	f->queue = attach_queue(f->net, f->ring, 0);
}

static void finish(struct fixture *f)
{
	assert_result(vc_net_detach(f->queue), 0);
	assert_result(vc_net_close(f->net), 0);
	vc_throttle_destroy(f->rx_limit);
	vc_throttle_destroy(f->tx_limit);
	ring_end(f->ring);
}

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 * MS + now.tv_nsec;
}

/* 200 a second, one at once: 20 more take 100 ms, in order. */
static void sent_at_the_rate(void **state)
{
	struct frame out[21];
	struct fixture f;
	int64_t began;

	(void)state;
	start(&f, NULL, limit_of(200, 1));
	f.script.is_instant = true;
	began = now_ns();
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_result(vc_net_send(f.queue, packet(&out[i], 60, 1)), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++) {
		for (unsigned int later = i + 1; later < ARRAY_LEN(out) && !out[i].nr_done; later++)
			assert_int_equal(out[later].nr_done, 0);
		assert_int_equal(wait_frame(f.ring, &out[i]), 0);
	}
	assert_true(now_ns() - began >= 95 * MS);
	assert_int_equal(net_stats(f.net).nr_throttled, 20);
	finish(&f);
}

static void received_at_the_rate(void **state)
{
	struct frame in[11];
	struct fixture f;
	int64_t began;

	(void)state;
	start(&f, limit_of(100, 1), NULL);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		assert_result(vc_net_receive(f.queue, slot(&in[i], 1526)), 0);
	began = now_ns();
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		script_complete(&f.script, 100);
	assert_int_equal(in[0].nr_done, 1);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		assert_int_equal(wait_frame(f.ring, &in[i]), 100);
	assert_true(now_ns() - began >= 95 * MS);
	assert_int_equal(net_stats(f.net).nr_throttled, 10);
	finish(&f);
}

/* A frame that would wait for an hour: cancelled, or let go by another limit. */
static void waiting_for_long(void **state)
{
	struct vc_throttle_config faster = { .size = sizeof(faster), .ops_per_s = 1000000 };
	struct vc_throttle_config slow = { .size = sizeof(slow),
					   .bytes_per_s = 1,
					   .bytes_burst = 61 };
	struct vc_throttle *limit = NULL;
	struct frame out[3], in[2];
	struct fixture f;

	(void)state;
	assert_result(vc_throttle_create(&slow, &limit), 0);
	start(&f, limit_of(1, 1), limit);
	f.script.is_instant = true;
	for (unsigned int i = 0; i < 3; i++)
		assert_result(vc_net_send(f.queue, packet(&out[i], 61, 1)), 0);
	assert_int_equal(wait_frame(f.ring, &out[0]), 0);
	assert_result(vc_net_cancel(f.queue), 0);
	assert_int_equal(wait_frame(f.ring, &out[1]), -ECANCELED);
	assert_int_equal(wait_frame(f.ring, &out[2]), -ECANCELED);
	assert_result(vc_net_send(f.queue, packet(&out[1], 61, 1)), 0);
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	assert_int_equal(out[1].nr_done, 0);
	assert_result(vc_throttle_set(limit, &faster), 0);
	assert_int_equal(wait_frame(f.ring, &out[1]), 0); /* within a second */
	/* Received, held back, and given up with the ring. */
	f.script.is_instant = false;
	for (unsigned int i = 0; i < 2; i++) {
		assert_result(vc_net_receive(f.queue, slot(&in[i], 1526)), 0);
		script_complete(&f.script, 100);
	}
	assert_int_equal(in[0].result, 100);
	assert_int_equal(in[1].nr_done, 0);
	assert_result(vc_ring_stop(f.ring), 0);
	while (vc_ring_step(f.ring, -1) >= 0)
		;
	assert_int_equal(in[1].result, -ECANCELED);
	assert_result(vc_net_detach(f.queue), 0);
	assert_result(vc_net_close(f.net), 0);
	vc_throttle_destroy(f.rx_limit);
	vc_throttle_destroy(f.tx_limit);
	vc_ring_put(f.ring);
}

/* The queue goes while its timer runs. */
static void detached_with_a_timer(void **state)
{
	struct frame out[2];
	struct fixture f;

	(void)state;
	start(&f, NULL, limit_of(1, 1));
	f.script.is_instant = true;
	for (unsigned int i = 0; i < 2; i++)
		assert_result(vc_net_send(f.queue, packet(&out[i], 60, 1)), 0);
	assert_int_equal(wait_frame(f.ring, &out[0]), 0);
	assert_result(vc_net_cancel(f.queue), 0);
	assert_int_equal(wait_frame(f.ring, &out[1]), -ECANCELED);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sent_at_the_rate),
		cmocka_unit_test(received_at_the_rate),
		cmocka_unit_test(waiting_for_long),
		cmocka_unit_test(detached_with_a_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
