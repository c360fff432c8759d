/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on their way through the front: checked, told once, never from within, counted; no memory
 * and no lock on that way. */
#include "net_script.h"

/* Calls made while armed: the front's, the end's and the ring's, this test being linked statically. */
static unsigned int nr_calls;
static bool is_armed;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

void *__wrap_malloc(size_t size)
{
	nr_calls += is_armed;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	nr_calls += is_armed;
	return __real_calloc(nr, size);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	nr_calls += is_armed;
	return __real_pthread_mutex_lock(lock);
}

struct fixture {
	struct script_end script;
	struct vc_ring *ring;
	struct vc_net *net;
	struct vc_net_queue *queue;
	unsigned int nr_links;
	bool is_up;
};

static void link_changed(void *opaque, bool is_up)
{
	struct fixture *f = opaque;

	f->nr_links++;
	f->is_up = is_up;
}

static void start(struct fixture *f)
{
	struct vc_net_queue_config cfg = { .size = sizeof(cfg),
					   .link_changed = link_changed,
					   .opaque = f };

	*f = (struct fixture){ .is_up = true };
	f->ring = ring_here((struct vc_ring_config){ .depth = 8 });
	f->net = script_net(&f->script, NULL, NULL);
	assert_result(vc_net_attach(f->net, &cfg, f->ring, &f->queue), 0);
}

static void finish(struct fixture *f)
{
	assert_result(vc_net_detach(f->queue), 0);
	assert_result(vc_net_close(f->net), 0);
	ring_end(f->ring);
}

static void told_once(void **state)
{
	struct frame in, out;
	struct fixture f;

	(void)state;
	start(&f);
	assert_result(vc_net_receive(f.queue, slot(&in, 1526)), 0);
	assert_int_equal(in.req.len, 1526);
	assert_result(vc_net_send(f.queue, packet(&out, 60, 1)), 0);
	assert_refused(vc_net_send(f.queue, &out.req), -EBUSY, "in flight already");
	assert_refused(vc_net_receive(f.queue, &in.req), -EBUSY, "in flight already");
	assert_refused(vc_net_detach(f.queue), -EBUSY, "2 requests are in flight");
	script_complete(&f.script, 100);
	assert_int_equal(in.nr_done, 1);
	assert_int_equal(in.result, 100);
	script_complete(&f.script, -EIO);
	assert_int_equal(out.result, -EIO);
	assert_int_equal(net_stats(f.net).nr_received, 1);
	assert_int_equal(net_stats(f.net).bytes_received, 88);
	assert_int_equal(net_stats(f.net).nr_send_errors, 1);
	assert_int_equal(net_stats(f.net).nr_sent, 0);
	finish(&f);
}

/* What an end completes at once, and what it is asked back. */
static void never_from_within(void **state)
{
	struct frame in[3], out;
	struct fixture f;

	(void)state;
	start(&f);
	f.script.is_instant = true;
	assert_result(vc_net_send(f.queue, packet(&out, 60, 1)), 0);
	assert_int_equal(out.nr_done, 0);
	assert_int_equal(wait_frame(f.ring, &out), 0);
	f.script.is_instant = false;
	for (unsigned int i = 0; i < 3; i++)
		assert_result(vc_net_receive(f.queue, slot(&in[i], 1526)), 0);
	assert_result(vc_net_cancel(f.queue), 0);
	assert_int_equal(f.script.nr_cancels, 1);
	assert_int_equal(in[0].nr_done, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(wait_frame(f.ring, &in[i]), -ECANCELED);
	assert_int_equal(net_stats(f.net).nr_send_errors, 0);
	finish(&f);
}

static void bad_lengths(void **state)
{
	static uint8_t large[70000];
	struct iovec iov[2] = { { .iov_base = large, .iov_len = SIZE_MAX },
				{ .iov_base = large, .iov_len = 100 } };
	struct frame frame;
	struct fixture f;

	(void)state;
	start(&f);
	f.script.is_instant = true;
	for (unsigned int i = 0; i < 5; i++) {
		(void)packet(&frame, 60, 1);
		switch (i) {
		case 0:
			frame.req.iov = NULL;
			break;
		case 1:
			frame.req.nr_iov = 0;
			break;
		case 2:
			frame.req.iov = iov; /* wraps */
			frame.req.nr_iov = 2;
			break;
		case 3:
			frame.iov[2].iov_len = 4; /* 13 bytes of Ethernet */
			break;
		default:
			iov[0].iov_len = VC_NET_HDR_LEN + VC_NET_FRAME_MAX + 1;
			frame.req.iov = iov;
			frame.req.nr_iov = 1;
		}
		assert_result(vc_net_send(f.queue, &frame.req), 0);
		assert_int_equal(wait_frame(f.ring, &frame), -EINVAL);
		assert_int_equal(net_stats(f.net).nr_refused, i + 1);
	}
	iov[0].iov_len--;
	(void)packet(&frame, 60, 1);
	frame.req.iov = iov;
	frame.req.nr_iov = 1;
	assert_result(vc_net_send(f.queue, &frame.req), 0);
	assert_int_equal(wait_frame(f.ring, &frame), 0);
	finish(&f);
}

static void link_told(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	vc_net_tell_link(f.queue, true);
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	assert_int_equal(f.nr_links, 0);
	vc_net_tell_link(f.queue, false);
	assert_int_equal(f.nr_links, 0); /* soon */
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	assert_int_equal(f.nr_links, 1);
	assert_false(f.is_up);
	assert_false(net_info(f.net).is_link_up);
	/* There and back within a batch is no news; a queue that goes has none either. */
	vc_net_tell_link(f.queue, true);
	vc_net_tell_link(f.queue, false);
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	assert_int_equal(f.nr_links, 1);
	vc_net_tell_link(f.queue, true);
	finish(&f);
	assert_int_equal(f.nr_links, 1);
}

static void once_more(struct vc_net_request *req, int result)
{
	struct frame *frame = vc_container_of(req, struct frame, req);

	frame_note(req, result);
	if (frame->nr_done < 1000)
		assert_result(vc_net_send(req->queue, req), 0);
}

/* 2,000 frames: nothing is allocated, nothing locked. */
static void free_of_charge(void **state)
{
	struct frame frames[2];
	struct fixture f;

	(void)state;
	start(&f);
	f.script.is_instant = true;
	for (unsigned int i = 0; i < 2; i++) {
		(void)packet(&frames[i], 60, 1);
		frames[i].req.done = once_more;
		assert_result(vc_net_send(f.queue, &frames[i].req), 0);
	}
	nr_calls = 0;
	is_armed = true;
	while (frames[0].nr_done < 1000 || frames[1].nr_done < 1000)
		(void)vc_ring_step(f.ring, 0);
	is_armed = false;
	assert_int_equal(nr_calls, 0);
	assert_int_equal(net_stats(f.net).nr_sent, 2000);
	finish(&f);
}

/* The same through both ends of a pair: one copy, and nothing else. */
static void pair_free_of_charge(void **state)
{
	struct vc_net_pair_config cfg = { .size = sizeof(cfg) };
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 8 });
	struct vc_net *nets[2] = { NULL, NULL };
	struct vc_net_queue *queues[2];
	struct frame in, out;

	(void)state;
	assert_result(vc_net_open_pair(&cfg, nets), 0);
	for (unsigned int i = 0; i < 2; i++)
		queues[i] = attach_queue(nets[i], ring, 0);
	assert_result(vc_net_receive(queues[1], slot(&in, 1526)), 0);
	assert_true(vc_ring_step(ring, 0) >= 0);
	nr_calls = 0;
	is_armed = true;
	for (unsigned int i = 0; i < 1000; i++) {
		(void)vc_net_send(queues[0], packet(&out, 60, (uint8_t)i));
		while (in.nr_done == 0 || out.nr_done == 0)
			(void)vc_ring_step(ring, 0);
		if (out.result != 0 || tag_of(&in) != (uint8_t)i)
			break;
		(void)vc_net_receive(queues[1], slot(&in, 1526));
	}
	is_armed = false;
	assert_int_equal(nr_calls, 0);
	assert_int_equal(net_stats(nets[1]).nr_received, 1000);
	assert_result(vc_net_cancel(queues[1]), 0);
	assert_int_equal(wait_frame(ring, &in), -ECANCELED);
	for (unsigned int i = 0; i < 2; i++) {
		assert_result(vc_net_detach(queues[i]), 0);
		assert_result(vc_net_close(nets[i]), 0);
	}
	ring_end(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_once),	  cmocka_unit_test(never_from_within),
		cmocka_unit_test(bad_lengths),	  cmocka_unit_test(link_told),
		cmocka_unit_test(free_of_charge), cmocka_unit_test(pair_free_of_charge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
