/* SPDX-License-Identifier: Apache-2.0 */
/* Frames through a tap: both ways, in order, in batches; the link gone and back; short, interrupted
 * and failed reads and writes at every place. */
#include "net_unit.h"

#include <pthread.h>

/* What the kernel's answers are replaced by: the ring is asked for what it would have been, and the
 * result is another one. */
static struct {
	int op; /* enum vc_ring_op to meddle with */
	int nr; /* how many of them */
	int res;
	void (*done)(struct vc_ring_request *req, int res);
} script;

static void meddled_done(struct vc_ring_request *req, int res)
{
	(void)res;
	req->done = script.done;
	req->done(req, script.res);
}

int __real_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *req);
int __wrap_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *req);

/* A read or write that fails does nothing: a timer stands in for it. */
int __wrap_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *req)
{
	if (script.nr == 0 || req->op != script.op)
		return __real_vc_ring_submit(ring, req);
	script.nr--;
	script.done = req->done;
	req->done = meddled_done;
	req->op = VC_RING_TIMER;
	req->flags = 0;
	req->file = 0;
	req->off = 0;
	return __real_vc_ring_submit(ring, req);
}

static void meddle(int op, int nr, int res)
{
	script.op = op;
	script.nr = nr;
	script.res = res;
}

struct fixture {
	struct vc_ring *ring;
	struct vc_net *net;
	struct vc_net_queue *queue;
	int host;
	int nr_link;
	bool is_up;
};

static void link_changed(void *opaque, bool is_up)
{
	struct fixture *f = opaque;

	assert_true(vc_ring_is_current(f->ring));
	f->nr_link++;
	f->is_up = is_up;
}

static void start(struct fixture *f)
{
	struct vc_net_queue_config cfg = { .size = sizeof(cfg),
					   .link_changed = link_changed,
					   .opaque = f };

	*f = (struct fixture){ .is_up = true };
	f->ring = ring_here((struct vc_ring_config){ .depth = 128 });
	f->net = new_tap((struct vc_net_tap_config){ .ifname = "vct0" });
	assert_result(vc_net_attach(f->net, &cfg, f->ring, &f->queue), 0);
	f->host = host_of("vct0");
}

static void finish(struct fixture *f)
{
	meddle(0, 0, 0);
	assert_result(vc_net_cancel(f->queue), 0);
	while (vc_net_detach(f->queue) == -EBUSY)
		assert_true(vc_ring_step(f->ring, 5000 * MS) >= 0);
	assert_result(vc_net_close(f->net), 0);
	assert_false(is_interface("vct0"));
	close(f->host);
	ring_end(f->ring);
}

static void to_the_guest(void **state)
{
	struct fixture f;
	struct frame frames[4];

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		assert_result(vc_net_receive(f.queue, slot(&frames[i], 1526)), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		host_sends(f.host, 60 + i, (uint8_t)(1 + i));
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++) {
		assert_int_equal(wait_frame(f.ring, &frames[i]), 72 + i);
		assert_int_equal(tag_of(&frames[i]), 1 + i);
	}
	assert_int_equal(net_stats(f.net).nr_received, 4);
	assert_int_equal(net_stats(f.net).bytes_received, 60 + 61 + 62 + 63);
	finish(&f);
}

static void from_the_guest(void **state)
{
	struct fixture f;
	struct frame frames[4];

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		assert_result(vc_net_send(f.queue, packet(&frames[i], 60 + i, (uint8_t)(1 + i))),
			      0);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++) {
		assert_int_equal(wait_frame(f.ring, &frames[i]), 0);
		assert_int_equal(host_receives(f.host, 60 + i), 1 + i);
	}
	assert_int_equal(net_stats(f.net).nr_sent, 4);
	assert_int_equal(net_stats(f.net).bytes_sent, 60 + 61 + 62 + 63);
	finish(&f);
}

/* 4,000 frames into 64 slots that are handed over again: in order, each once, few entries. */
static struct {
	struct frame frames[64];
	struct vc_net_queue *queue;
	uint32_t nr, nr_wrong;
} flow;

static void flow_done(struct vc_net_request *req, int result)
{
	struct frame *frame = vc_container_of(req, struct frame, req);

	if (result == -ECANCELED)
		return;
	flow.nr_wrong += result != 72 || tag_of(frame) != (uint8_t)flow.nr;
	flow.nr++;
	assert_result(vc_net_receive(flow.queue, req), 0);
}

static void many_in_batches(void **state)
{
	struct fixture f;
	uint64_t nr_enters, nr_sent = 0;

	(void)state;
	start(&f);
	flow.queue = f.queue;
	flow.nr = flow.nr_wrong = 0;
	for (unsigned int i = 0; i < ARRAY_LEN(flow.frames); i++) {
		(void)slot(&flow.frames[i], 1526);
		flow.frames[i].req.done = flow_done;
		assert_result(vc_net_receive(f.queue, &flow.frames[i].req), 0);
	}
	nr_enters = info_of(f.ring).nr_enters;
	while (nr_sent < 4000) {
		for (unsigned int i = 0; i < 400; i++)
			host_sends(f.host, 60, (uint8_t)nr_sent++);
		while (flow.nr < nr_sent)
			assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
	}
	assert_int_equal(flow.nr_wrong, 0);
	nr_enters = info_of(f.ring).nr_enters - nr_enters;
	if (info_of(f.ring).mode != VC_RING_WORKERS)
		assert_true(nr_enters < 4000 / 4);
	finish(&f);
}

static void cancelled(void **state)
{
	struct fixture f;
	struct frame frames[80];

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		assert_result(vc_net_receive(f.queue, slot(&frames[i], 1526)), 0);
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	assert_refused(vc_net_detach(f.queue), -EBUSY, "80 requests are in flight");
	assert_result(vc_net_cancel(f.queue), 0);
	assert_result(vc_net_cancel(f.queue), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		assert_int_equal(wait_frame(f.ring, &frames[i]), -ECANCELED);
	/* It goes on. */
	assert_result(vc_net_receive(f.queue, slot(&frames[0], 1526)), 0);
	host_sends(f.host, 60, 7);
	assert_int_equal(wait_frame(f.ring, &frames[0]), 72);
	finish(&f);
}

static void ring_stopped(void **state)
{
	struct fixture f;
	struct frame frames[5];

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		assert_result(vc_net_receive(f.queue, slot(&frames[i], 1526)), 0);
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	assert_result(vc_ring_stop(f.ring), 0);
	while (vc_ring_step(f.ring, -1) >= 0)
		;
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		assert_int_equal(frames[i].result, -ECANCELED);
	assert_refused(vc_net_receive(f.queue, slot(&frames[0], 1526)), -ESHUTDOWN, "stopping");
	assert_refused(vc_net_send(f.queue, packet(&frames[0], 60, 1)), -ESHUTDOWN, "stopping");
	assert_result(vc_net_detach(f.queue), 0);
	assert_result(vc_net_close(f.net), 0);
	close(f.host);
	vc_ring_put(f.ring);
}

/* Down: frames are lost and the link is told; up: both ways again, without anybody's doing. */
static void down_and_up(void **state)
{
	struct fixture f;
	struct frame in, out;

	(void)state;
	start(&f);
	assert_result(vc_net_receive(f.queue, slot(&in, 1526)), 0);
	assert_int_equal(set_flags("vct0", false), 0);
	assert_result(vc_net_send(f.queue, packet(&out, 60, 1)), 0);
	assert_int_equal(wait_frame(f.ring, &out), -ENETDOWN);
	while (f.nr_link < 1)
		assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
	assert_false(f.is_up);
	assert_false(net_info(f.net).is_link_up);
	assert_int_equal(net_stats(f.net).nr_send_errors, 1);
	assert_int_equal(set_flags("vct0", true), 0);
	while (f.nr_link < 2)
		assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
	assert_true(f.is_up);
	assert_true(net_info(f.net).is_link_up);
	close(f.host);
	f.host = host_of("vct0");
	assert_result(vc_net_send(f.queue, packet(&out, 60, 2)), 0);
	assert_int_equal(wait_frame(f.ring, &out), 0);
	assert_int_equal(host_receives(f.host, 60), 2);
	host_sends(f.host, 60, 3);
	assert_int_equal(wait_frame(f.ring, &in), 72);
	assert_int_equal(net_stats(f.net).nr_link_changes, 2);
	finish(&f);
}

static void delete_interface(const char *ifname)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "ip link del %s", ifname);
	assert_int_equal(system(command), 0); /* NOLINT: the test's own name */
}

/* Deleted under the reads: the slots are kept, and filled when it is made anew and attached to. */
static void deleted_and_made_again(void **state)
{
	struct fixture f;
	struct frame in[3], out;

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++)
		assert_result(vc_net_receive(f.queue, slot(&in[i], 1526)), 0);
	assert_true(vc_ring_step(f.ring, 0) >= 0);
	delete_interface("vct0");
	while (f.nr_link < 1)
		assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
	assert_false(f.is_up);
	assert_result(vc_net_send(f.queue, packet(&out, 60, 1)), 0);
	assert_int_equal(wait_frame(f.ring, &out), -ENETDOWN);
	assert_refused(vc_net_refresh(f.net), -ENODEV, "no such interface");
	assert_int_equal(system("ip tuntap add vct0 mode tap && ip link set vct0 mtu 1400 up"), 0);
	assert_result(vc_net_refresh(f.net), 0);
	assert_int_equal(net_info(f.net).mtu, 1400);
	while (f.nr_link < 2)
		assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
	assert_true(f.is_up);
	close(f.host);
	f.host = host_of("vct0");
	assert_result(vc_net_send(f.queue, packet(&out, 60, 2)), 0);
	assert_int_equal(wait_frame(f.ring, &out), 0);
	assert_int_equal(host_receives(f.host, 60), 2);
	for (unsigned int i = 0; i < ARRAY_LEN(in); i++) {
		host_sends(f.host, 60, (uint8_t)(5 + i));
		while (in[0].nr_done + in[1].nr_done + in[2].nr_done == i)
			assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
	}
	/* Into whichever slot. */
	assert_int_equal(tag_of(&in[0]) + tag_of(&in[1]) + tag_of(&in[2]), 5 + 6 + 7);
	delete_interface("vct0"); /* it was made to stay */
	finish(&f);
}

/* Interrupted and not now: the frame arrives, once. */
static void passing_errors(void **state)
{
	static const int errors[] = { -EINTR, -EAGAIN };
	struct fixture f;
	struct frame frame;

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(errors); i++) {
		meddle(VC_RING_WRITEV, 3, errors[i]);
		assert_result(vc_net_send(f.queue, packet(&frame, 60, 1)), 0);
		assert_int_equal(wait_frame(f.ring, &frame), 0);
		meddle(VC_RING_READV, 3, errors[i]);
		assert_result(vc_net_receive(f.queue, slot(&frame, 1526)), 0);
		host_sends(f.host, 60, 9);
		assert_int_equal(wait_frame(f.ring, &frame), 72);
		assert_int_equal(tag_of(&frame), 9);
	}
	assert_true(net_stats(f.net).nr_resumed >= 6);
	assert_int_equal(net_stats(f.net).nr_receive_errors, 0);
	finish(&f);
}

/* For ever "not now": the writer is told, the reader waits for the timer and goes on. */
static void lasting_errors(void **state)
{
	struct fixture f;
	static const int errors[] = { -EAGAIN, -EIO, -ENOMEM, -EFAULT, 0, 5 };
	struct frame frame;

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(errors); i++) {
		uint64_t before = net_stats(f.net).nr_receive_errors;

		meddle(VC_RING_READV, errors[i] == -EAGAIN ? 8 : 1, errors[i]);
		assert_result(vc_net_receive(f.queue, slot(&frame, 1526)), 0);
		while (net_stats(f.net).nr_receive_errors == before)
			assert_true(vc_ring_step(f.ring, 5000 * MS) >= 0);
		host_sends(f.host, 60, (uint8_t)i);
		assert_int_equal(wait_frame(f.ring, &frame), 72);
		assert_int_equal(tag_of(&frame), i);
	}
	finish(&f);
}

static void failed_writes(void **state)
{
	static const struct {
		int res, told;
	} cases[] = {
		{ -EIO, -ENETDOWN },  { -EBADFD, -ENETDOWN }, { -ENOMEM, -ENOMEM },
		{ -EINVAL, -EINVAL }, { 20, -EIO },	      { 0, -EIO },
	};
	struct fixture f;
	struct frame frame;

	(void)state;
	start(&f);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		meddle(VC_RING_WRITEV, 1, cases[i].res);
		assert_result(vc_net_send(f.queue, packet(&frame, 60, 1)), 0);
		assert_int_equal(wait_frame(f.ring, &frame), cases[i].told);
		assert_result(vc_net_send(f.queue, packet(&frame, 60, (uint8_t)(20 + i))), 0);
		assert_int_equal(wait_frame(f.ring, &frame), 0);
		assert_int_equal(host_receives(f.host, 60), 20 + i);
	}
	assert_int_equal(net_stats(f.net).nr_send_errors, ARRAY_LEN(cases));
	finish(&f);
}

/* A header that the kernel refuses: that frame alone. */
static void bad_header(void **state)
{
	struct fixture f;
	struct frame frame;

	(void)state;
	start(&f);
	(void)packet(&frame, 60, 1);
	frame.buf[1] = 0x7f; /* gso_type */
	assert_result(vc_net_send(f.queue, &frame.req), 0);
	assert_int_equal(wait_frame(f.ring, &frame), -EINVAL);
	assert_result(vc_net_send(f.queue, packet(&frame, 60, 2)), 0);
	assert_int_equal(wait_frame(f.ring, &frame), 0);
	assert_int_equal(host_receives(f.host, 60), 2);
	finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_the_guest),	   cmocka_unit_test(from_the_guest),
		cmocka_unit_test(many_in_batches), cmocka_unit_test(cancelled),
		cmocka_unit_test(ring_stopped),	   cmocka_unit_test(down_and_up),
		cmocka_unit_test(bad_header),	   cmocka_unit_test(deleted_and_made_again),
		cmocka_unit_test(passing_errors),  cmocka_unit_test(lasting_errors),
		cmocka_unit_test(failed_writes),
	};

	(void)choose_mode(argc, argv);
	own_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
