/* SPDX-License-Identifier: Apache-2.0 */
/* Frames through a pair: on one ring and on two threads', with too few slots, with an end that goes
 * away, is cancelled or whose ring stops. */
#include "net_unit.h"

#include <pthread.h>
#include <stdatomic.h>

struct both {
	struct vc_ring *ring;
	struct vc_net *nets[2];
	struct vc_net_queue *queues[2];
};

static void open_both(struct vc_net_pair_config cfg, struct vc_net **nets)
{
	cfg.size = sizeof(cfg);
	assert_result(vc_net_open_pair(&cfg, nets), 0);
}

static void start(struct both *b, struct vc_net_pair_config cfg)
{
	b->ring = ring_here((struct vc_ring_config){ .depth = 64 });
	open_both(cfg, b->nets);
	for (uint32_t i = 0; i < 2; i++)
		b->queues[i] = attach_queue(b->nets[i], b->ring, 0);
}

static void finish(struct both *b)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (b->queues[i])
			assert_result(vc_net_cancel(b->queues[i]), 0);
		while (vc_net_detach(b->queues[i]) == -EBUSY)
			assert_true(vc_ring_step(b->ring, 5000 * MS) >= 0);
	}
	assert_result(vc_net_close(b->nets[1]), 0);
	assert_result(vc_net_close(b->nets[0]), 0);
	ring_end(b->ring);
}

/* Both ends begin to take part; no slot stays. */
static void link_both(struct both *b)
{
	struct frame slots[2];

	for (uint32_t i = 0; i < 2; i++)
		assert_result(vc_net_receive(b->queues[i], slot(&slots[i], 100)), 0);
	assert_true(vc_ring_step(b->ring, 0) >= 0);
	assert_true(vc_ring_step(b->ring, 0) >= 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_result(vc_net_cancel(b->queues[i]), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(wait_frame(b->ring, &slots[i]), -ECANCELED);
	assert_true(net_info(b->nets[0]).is_link_up && net_info(b->nets[1]).is_link_up);
}

static void both_ways(void **state)
{
	struct frame out[2], in[2];
	struct both b;

	(void)state;
	start(&b, (struct vc_net_pair_config){ .mtu = 9000 });
	assert_int_equal(net_info(b.nets[0]).mtu, 9000);
	assert_memory_not_equal(net_info(b.nets[0]).mac, net_info(b.nets[1]).mac, 6);
	link_both(&b);
	for (uint32_t i = 0; i < 2; i++) {
		assert_result(vc_net_receive(b.queues[i], slot(&in[i], 1526)), 0);
		assert_result(vc_net_send(b.queues[i], packet(&out[i], 60 + i, (uint8_t)(1 + i))),
			      0);
	}
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(wait_frame(b.ring, &in[i]), 72 + 1 - i);
		assert_int_equal(tag_of(&in[i]), 1 + 1 - i);
		assert_int_equal(wait_frame(b.ring, &out[i]), 0);
		assert_memory_equal(in[i].buf, out[1 - i].buf, 72);
	}
	assert_int_equal(net_stats(b.nets[0]).nr_sent, 1);
	assert_int_equal(net_stats(b.nets[0]).bytes_received, 61);
	finish(&b);
}

/* Without a slot for it a frame waits with its sender, in order; nothing is lost. */
static void back_pressure(void **state)
{
	struct frame out[20], in[20];
	struct both b;

	(void)state;
	start(&b, (struct vc_net_pair_config){ .nr_frames = 4, .wait_ms = 60000 });
	link_both(&b);
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_result(vc_net_send(b.queues[0], packet(&out[i], 60, (uint8_t)i)), 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_true(vc_ring_step(b.ring, 0) >= 0);
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_int_equal(out[i].nr_done, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		assert_result(vc_net_receive(b.queues[1], slot(&in[i], 1526)), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++) {
		assert_int_equal(wait_frame(b.ring, &in[i]), 72);
		assert_int_equal(tag_of(&in[i]), i);
		assert_int_equal(wait_frame(b.ring, &out[i]), 0);
	}
	finish(&b);
}

/* A receiver that gives no slots cannot hold up its peer for ever. */
static void dropped_late(void **state)
{
	struct frame out[10], in;
	struct both b;

	(void)state;
	start(&b, (struct vc_net_pair_config){ .nr_frames = 4, .wait_ms = 20 });
	link_both(&b);
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_result(vc_net_send(b.queues[0], packet(&out[i], 60, (uint8_t)i)), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_int_equal(wait_frame(b.ring, &out[i]), -ENOBUFS);
	assert_int_equal(net_stats(b.nets[0]).nr_send_errors, ARRAY_LEN(out));
	assert_result(vc_net_receive(b.queues[1], slot(&in, 1526)), 0);
	assert_result(vc_net_send(b.queues[0], packet(&out[0], 60, 77)), 0);
	assert_int_equal(wait_frame(b.ring, &in), 72);
	assert_int_equal(tag_of(&in), 77);
	/* A slot that is too small is kept for the next. */
	assert_result(vc_net_receive(b.queues[1], slot(&in, 100)), 0);
	assert_result(vc_net_send(b.queues[0], packet(&out[1], 89, 1)), 0);
	assert_int_equal(wait_frame(b.ring, &out[1]), -EMSGSIZE);
	assert_int_equal(in.nr_done, 0);
	finish(&b);
}

/* Nobody there: lost at once. Somebody comes, goes, and comes again. */
static void peer_comes_and_goes(void **state)
{
	struct frame out[8], in;
	struct both b;

	(void)state;
	start(&b, (struct vc_net_pair_config){ .nr_frames = 4, .wait_ms = 60000 });
	assert_result(vc_net_detach(b.queues[1]), 0);
	b.queues[1] = NULL;
	assert_result(vc_net_send(b.queues[0], packet(&out[0], 60, 1)), 0);
	assert_int_equal(wait_frame(b.ring, &out[0]), -ENETDOWN);
	assert_false(net_info(b.nets[0]).is_link_up);
	for (unsigned int turn = 0; turn < 3; turn++) {
		b.queues[1] = attach_queue(b.nets[1], b.ring, 0);
		link_both(&b);
		for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
			assert_result(vc_net_send(b.queues[0], packet(&out[i], 60, 1)), 0);
		assert_true(vc_ring_step(b.ring, 0) >= 0);
		assert_result(vc_net_detach(b.queues[1]), 0);
		for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
			assert_int_equal(wait_frame(b.ring, &out[i]), -ENETDOWN);
		assert_false(net_info(b.nets[0]).is_link_up);
	}
	/* What was taken back is passed over. */
	b.queues[1] = attach_queue(b.nets[1], b.ring, 0);
	assert_result(vc_net_receive(b.queues[1], slot(&in, 1526)), 0);
	while (!net_info(b.nets[0]).is_link_up)
		assert_true(vc_ring_step(b.ring, 5000 * MS) >= 0);
	assert_result(vc_net_send(b.queues[0], packet(&out[0], 60, 9)), 0);
	assert_int_equal(wait_frame(b.ring, &in), 72);
	assert_int_equal(tag_of(&in), 9);
	assert_int_equal(wait_frame(b.ring, &out[0]), 0);
	finish(&b);
}

static void cancelled(void **state)
{
	struct frame out[8], in;
	struct both b;

	(void)state;
	start(&b, (struct vc_net_pair_config){ .nr_frames = 4, .wait_ms = 60000 });
	link_both(&b);
	for (unsigned int turn = 0; turn < 3; turn++) {
		for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
			assert_result(vc_net_send(b.queues[0], packet(&out[i], 60, 1)), 0);
		assert_true(vc_ring_step(b.ring, 0) >= 0);
		assert_result(vc_net_cancel(b.queues[0]), 0);
		for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
			assert_int_equal(wait_frame(b.ring, &out[i]), -ECANCELED);
	}
	assert_result(vc_net_receive(b.queues[1], slot(&in, 1526)), 0);
	assert_result(vc_net_send(b.queues[0], packet(&out[0], 60, 5)), 0);
	assert_int_equal(wait_frame(b.ring, &in), 72);
	assert_int_equal(tag_of(&in), 5);
	finish(&b);
}

static void ring_stopped(void **state)
{
	struct frame out[8], in[2];
	struct both b;

	(void)state;
	start(&b, (struct vc_net_pair_config){ .nr_frames = 4, .wait_ms = 60000 });
	link_both(&b);
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_result(vc_net_send(b.queues[0], packet(&out[i], 60, 1)), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		assert_result(vc_net_receive(b.queues[0], slot(&in[i], 1526)), 0);
	assert_true(vc_ring_step(b.ring, 0) >= 0);
	assert_result(vc_ring_stop(b.ring), 0);
	while (vc_ring_step(b.ring, -1) >= 0)
		;
	for (unsigned int i = 0; i < ARRAY_LEN(out); i++)
		assert_true(out[i].nr_done == 1 && out[i].result < 0);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		assert_int_equal(in[i].result, -ECANCELED);
	assert_refused(vc_net_receive(b.queues[0], slot(&in[0], 1526)), -ESHUTDOWN, "stopping");
	assert_refused(vc_net_send(b.queues[0], packet(&out[0], 60, 1)), -ESHUTDOWN, "stopping");
	for (uint32_t i = 0; i < 2; i++) {
		assert_result(vc_net_detach(b.queues[i]), 0);
		assert_result(vc_net_close(b.nets[i]), 0);
	}
	vc_ring_put(b.ring);
}

/* Two threads: each sends and receives, checks the order, and leaves when it likes. */

#define DEPTH 32u

struct peer {
	struct vc_net *net;
	struct vc_net_queue *queue;
	struct vc_ring *ring;
	pthread_t thread;
	uint32_t nr_to_move;
	uint32_t nr_sent, nr_done, nr_received, nr_wrong, nr_failed;
	bool is_ending, is_rough; /* leaves in the middle, frames may be lost */
	_Atomic bool *other_is_done;
	_Atomic bool is_done;
	struct vc_ring *other_ring; /* to wake its thread, which may wait for is_done */
	struct vc_ring_task wake;
	struct frame in[DEPTH], out[DEPTH];
};

static struct peer *peer_of;

static void set_number(struct frame *frame, uint32_t nr)
{
	memcpy(frame->buf + VC_NET_HDR_LEN + 16, &nr, sizeof(nr));
}

static uint32_t number_of(const struct frame *frame)
{
	uint32_t nr;

	memcpy(&nr, frame->buf + VC_NET_HDR_LEN + 16, sizeof(nr));
	return nr;
}

static struct peer *owner_of(const struct vc_net_request *req)
{
	const char *at = (const char *)req;

	return at >= (const char *)&peer_of[1] ? &peer_of[1] : &peer_of[0];
}

static void in_done(struct vc_net_request *req, int result)
{
	struct frame *frame = vc_container_of(req, struct frame, req);
	struct peer *p = owner_of(req);

	if (result < 0)
		return;
	p->nr_wrong += result != 72 || (!p->is_rough && number_of(frame) != p->nr_received);
	p->nr_received++;
	if (!p->is_ending)
		assert_result(vc_net_receive(p->queue, req), 0);
}

static void out_done(struct vc_net_request *req, int result)
{
	struct frame *frame = vc_container_of(req, struct frame, req);
	struct peer *p = owner_of(req);

	p->nr_done++;
	p->nr_failed += result < 0;
	if (result == -ENETDOWN && !p->is_rough)
		p->nr_sent--; /* the other one was not there yet */
	if (p->is_ending || p->nr_sent == p->nr_to_move)
		return;
	set_number(frame, p->nr_sent++);
	assert_result(vc_net_send(p->queue, req), 0);
}

static void nothing(struct vc_ring_task *task)
{
	(void)task;
}

static bool is_finished(const struct peer *p)
{
	if (p->is_rough)
		return p->nr_done >= p->nr_to_move;
	return p->nr_received >= p->nr_to_move && p->nr_sent == p->nr_to_move;
}

static void *peer_main(void *opaque)
{
	struct peer *p = opaque;

	assert_result(vc_ring_attach(p->ring), 0);
	p->queue = attach_queue(p->net, p->ring, 0);
	for (unsigned int i = 0; i < DEPTH; i++) {
		(void)slot(&p->in[i], 1526);
		p->in[i].req.done = in_done;
		assert_result(vc_net_receive(p->queue, &p->in[i].req), 0);
	}
	while (!p->is_rough && !net_info(p->net).is_link_up)
		assert_true(vc_ring_step(p->ring, 5000 * MS) >= 0);
	for (unsigned int i = 0; i < DEPTH && p->nr_sent < p->nr_to_move; i++) {
		(void)packet(&p->out[i], 60, 0);
		p->out[i].req.done = out_done;
		set_number(&p->out[i], p->nr_sent++);
		assert_result(vc_net_send(p->queue, &p->out[i].req), 0);
	}
	while (!is_finished(p))
		assert_true(vc_ring_step(p->ring, 5000 * MS) >= 0);
	atomic_store(&p->is_done, true);
	(void)vc_ring_post(p->other_ring, &p->wake);
	while (!p->is_rough && !atomic_load(p->other_is_done))
		assert_true(vc_ring_step(p->ring, 5000 * MS) >= 0);
	p->is_ending = true;
	assert_result(vc_net_cancel(p->queue), 0);
	while (vc_net_detach(p->queue) == -EBUSY)
		assert_true(vc_ring_step(p->ring, 5000 * MS) >= 0);
	assert_result(vc_net_close(p->net), 0);
	assert_result(vc_ring_stop(p->ring), 0);
	while (vc_ring_step(p->ring, -1) >= 0)
		;
	return NULL;
}

static void two_threads(uint32_t nr, bool is_rough)
{
	struct peer *peers = calloc(2, sizeof(*peers));
	struct vc_net *nets[2];

	assert_non_null(peers);
	peer_of = peers;
	open_both((struct vc_net_pair_config){ .nr_frames = 16, .wait_ms = is_rough ? 1 : 60000 },
		  nets);
	for (unsigned int i = 0; i < 2; i++) {
		peers[i].net = nets[i];
		peers[i].ring = ring_new((struct vc_ring_config){ .depth = 64 });
		peers[i].nr_to_move = is_rough ? nr >> (i * (nr & 3)) : nr;
		peers[i].is_rough = is_rough;
		peers[i].other_is_done = &peers[1 - i].is_done;
		peers[i].wake.run = nothing;
	}
	for (unsigned int i = 0; i < 2; i++)
		peers[i].other_ring = peers[1 - i].ring;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&peers[i].thread, NULL, peer_main, &peers[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(peers[i].thread, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(peers[i].nr_wrong, 0);
		if (!is_rough)
			assert_int_equal(peers[i].nr_received, nr);
		vc_ring_put(peers[i].ring);
	}
	free(peers);
}

static void in_order_on_two_threads(void **state)
{
	(void)state;
	two_threads(HAS_TSAN || HAS_ASAN ? 5000 : 50000, false);
}

/* Either end goes first, with frames under way in every state. */
static void gone_in_any_order(void **state)
{
	unsigned int before = nr_open_fds();

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		two_threads(1 + 37 * i % 400, true);
	assert_int_equal(nr_open_fds(), before);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(back_pressure),
		cmocka_unit_test(dropped_late),
		cmocka_unit_test(peer_comes_and_goes),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(ring_stopped),
		cmocka_unit_test(in_order_on_two_threads),
		cmocka_unit_test(gone_in_any_order),
	};

	(void)choose_mode(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
