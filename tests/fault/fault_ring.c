/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: every allocation and system call of making, using and dropping one fails once, in each
 * mode. What a batch does comes after fault_may_survive(): a full queue or an interrupted wait is no
 * error there, but nothing may hang, be lost or be left behind.
 */
#include "fault.h"
#include "ring_fixture.h"

struct life {
	struct vc_ring_config cfg;
	int fd;
	bool is_started; /* by vc_ring_start(), else on this thread */
};

static int use_here(struct vc_ring *ring, uint32_t file)
{
	char buf[64];
	struct traced read = a_read(file, buf, sizeof(buf), 0), timer = an_op(VC_RING_TIMER, 0);
	struct traced poll = an_op(VC_RING_POLL, file);
	int r = vc_ring_attach(ring);

	if (r < 0)
		return r;
	fault_may_survive();
	timer.req.off = 3600ull * 1000 * MS;
	poll.req.arg = POLLIN;
	assert_result(vc_ring_submit(ring, &timer.req), 0);
	assert_result(vc_ring_submit(ring, &poll.req), 0);
	assert_result(vc_ring_submit(ring, &read.req), 0);
	assert_result(vc_ring_stop(ring), 0);
	while ((r = vc_ring_step(ring, -1)) >= 0)
		;
	assert_int_equal(r, -ESHUTDOWN);
	assert_int_equal(read.nr_done, 1);
	assert_true(read.res == sizeof(buf) || read.res < 0);
	assert_int_equal(timer.res, -ECANCELED);
	assert_true(poll.nr_done > 0 && poll.res < 0);
	return 0;
}

static int use_there(struct vc_ring *ring)
{
	struct counted c = { .task.run = counted_run };
	int r = vc_ring_start(ring);

	if (r < 0)
		return r;
	fault_may_survive();
	assert_result(vc_ring_post(ring, &c.task), 0);
	assert_result(vc_ring_stop(ring), 0);
	assert_result(vc_ring_join(ring), 0);
	assert_int_equal(c.nr_runs, 1);
	return 0;
}

static int live(void *opaque)
{
	const struct life *life = opaque;
	struct vc_ring *ring = NULL;
	uint32_t file = 0;
	int r = vc_ring_create(&life->cfg, &ring);

	if (r == 0)
		r = vc_ring_add_file(ring, life->fd, 0, &file);
	if (r == 0)
		r = life->is_started ? use_there(ring) : use_here(ring, file);
	fault_may_survive();
	vc_ring_put(ring);
	return r;
}

static unsigned int each(struct vc_ring_config cfg, bool is_started)
{
	struct life life = { .cfg = cfg, .fd = memory_file(4096), .is_started = is_started };
	/* a NUMA policy that cannot be had only makes a ring slower; a batch goes out later */
	static const char *const survived[] = { "syscall",
						"io_uring_submit",
						"io_uring_submit_and_wait",
						"io_uring_submit_and_get_events",
						"epoll_wait",
						NULL };
	struct fault_config fault = { .fn = live, .opaque = &life, .may_survive = survived };
	unsigned int nr;

	life.cfg.size = sizeof(life.cfg);
	nr = fault_each(&fault);
	close(life.fd);
	return nr;
}

static void io_uring_modes(void **state)
{
	(void)state;
	assert_true(each((struct vc_ring_config){ 0 }, false) >= 8);
	assert_true(each((struct vc_ring_config){ 0 }, true) >= 8);
	assert_true(each((struct vc_ring_config){ .mode = VC_RING_SQPOLL }, false) >= 8);
	assert_true(each((struct vc_ring_config){ .mode = VC_RING_IOPOLL }, false) >= 10);
	assert_true(each((struct vc_ring_config){ .has_numa_node = true }, true) >= 8);
}

static void worker_threads(void **state)
{
	const struct vc_ring_config cfg = { .mode = VC_RING_WORKERS, .nr_workers = 2 };

	(void)state;
	assert_true(each(cfg, false) >= 12);
	assert_true(each(cfg, true) >= 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(io_uring_modes),
		cmocka_unit_test(worker_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
