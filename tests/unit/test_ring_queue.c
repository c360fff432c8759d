/* SPDX-License-Identifier: Apache-2.0 */
/* A ring's requests: every operation, the line when the depth is reached, chains, cancels, refusals. */
#include "ring_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>

static void reads_and_writes(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	int fd = memory_file(8192);
	uint32_t file = file_of(ring, fd);
	char a[] = "hello, ", b[] = "ring", in[16] = "", x[5] = "", y[8] = "";
	struct iovec out_iov[] = { { a, 7 }, { b, 4 } }, in_iov[] = { { x, 4 }, { y, 7 } };
	struct traced t = an_op(VC_RING_WRITEV, file);

	(void)state;
	t.req.iov = out_iov;
	t.req.len = 2;
	t.req.off = 100;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 11);
	t = a_read(file, in, 11, 100);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_string_equal(in, "hello, ring");
	t = an_op(VC_RING_READV, file);
	t.req.iov = in_iov;
	t.req.len = 2;
	t.req.off = 100;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_string_equal(x, "hell");
	assert_string_equal(y, "o, ring");
	t = a_write(file, b, 4, 8190); /* grows the file */
	t.req.flags = VC_RING_DSYNC;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 4);
	t = a_read(file, in, 16, 8192); /* short at the end */
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 2);
	ring_end(ring);
	close(fd);
}

static void flushes_and_holes(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	int fd = memory_file(8192);
	uint32_t file = file_of(ring, fd);
	struct traced t = an_op(VC_RING_FSYNC, file);
	char buf[2] = "x";

	(void)state;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 0);
	t = an_op(VC_RING_FDATASYNC, file);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 0);
	assert_int_equal(pwrite(fd, "y", 1, 4096), 1);
	t = an_op(VC_RING_FALLOCATE, file);
	t.req.arg = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	t.req.off = 4096;
	t.req.size_bytes = 4096;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 0);
	assert_int_equal(pread(fd, buf, 1, 4096), 1);
	assert_int_equal(buf[0], 0);
	ring_end(ring);
	close(fd);
}

static void errors_are_results(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct traced t;
	char buf[8];

	(void)state;
	assert_true(fd >= 0);
	t = a_write(file_of(ring, fd), buf, 8, 0);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, -ENOSPC);
	t = a_read(t.req.file, (void *)16, 8, 0);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, -EFAULT);
	ring_end(ring);
	close(fd);
}

/* A poll tells each new event, an eventfd need never be read, and it survives a full queue. */
static void polls(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct traced t = an_op(VC_RING_POLL, file_of(ring, fd));

	(void)state;
	t.req.arg = POLLIN;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	assert_result(vc_ring_step(ring, 0), 0);
	for (unsigned int i = 1; i <= 10; i++) {
		t.nr_done = 0;
		assert_int_equal(eventfd_write(fd, 1), 0);
		step_past(ring, &t, 1);
		assert_int_equal(t.res, POLLIN);
	}
	assert_result(vc_ring_step(ring, 0), 0);
	for (unsigned int i = 0; i < 3000; i++)
		assert_int_equal(eventfd_write(fd, 1), 0);
	while (vc_ring_step(ring, 0) > 0)
		;
	t.nr_done = 0;
	assert_int_equal(eventfd_write(fd, 1), 0);
	step_past(ring, &t, 1);
	assert_result(vc_ring_cancel(ring, &t.req), 0);
	assert_result(vc_ring_cancel(ring, &t.req), 0); /* asked already */
	while (t.res != -ECANCELED)
		step_past(ring, &t, t.nr_done + 1);
	assert_int_equal(t.res, -ECANCELED);
	ring_end(ring);
	close(fd);
}

/* More polls than the completion queue has places: each is told. */
static void polls_in_excess(void **state)
{
	enum { NR = 700 };
	static struct traced t[NR];
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 1 });
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t file = file_of(ring, fd);

	(void)state;
	for (unsigned int i = 0; i < NR; i++) {
		t[i] = an_op(VC_RING_POLL, file);
		t[i].req.arg = POLLIN;
		assert_result(vc_ring_submit(ring, &t[i].req), 0);
	}
	while (info_of(ring).nr_in_flight < NR)
		assert_true(vc_ring_step(ring, 0) >= 0);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < NR; i++)
			t[i].nr_done = 0;
		assert_int_equal(eventfd_write(fd, 1), 0);
		for (unsigned int i = 0; i < NR; i++)
			if (t[i].nr_done == 0)
				step_past(ring, &t[i], 1);
		while (vc_ring_step(ring, 0) > 0)
			;
	}
	ring_end(ring);
	for (unsigned int i = 0; i < NR; i++)
		assert_int_equal(t[i].res, -ECANCELED);
	close(fd);
}

static void timers(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	struct traced soon = an_op(VC_RING_TIMER, 0), late = soon, at = soon;
	int64_t start = clock_ns();

	(void)state;
	soon.req.off = 20 * MS;
	late.req.off = 3600ll * 1000 * MS;
	at.req.off = (uint64_t)(start + 40 * MS);
	at.req.flags = VC_RING_ABSOLUTE;
	assert_result(vc_ring_submit(ring, &late.req), 0);
	assert_result(vc_ring_submit(ring, &at.req), 0);
	assert_result(vc_ring_submit(ring, &soon.req), 0);
	step_until(ring, &soon, 1);
	assert_true(clock_ns() - start >= 20 * MS);
	step_until(ring, &at, 1);
	assert_true(clock_ns() - start >= 40 * MS);
	assert_int_equal(soon.res, 0);
	assert_int_equal(at.res, 0);
	assert_result(vc_ring_cancel(ring, &late.req), 0);
	step_until(ring, &late, 1);
	assert_int_equal(late.res, -ECANCELED);
	assert_refused(vc_ring_cancel(ring, &late.req), -ENOENT, "not in flight");
	ring_end(ring);
}

/* More than the depth waits in line, in order, and never is an error; polls do not count. */
static void the_line(void **state)
{
	enum { NR = 1000 };
	static struct traced reads[NR], polls_of[40];
	static uint8_t bufs[NR];
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 4 });
	int fd = memory_file(NR), quiet = eventfd(0, EFD_CLOEXEC);
	uint32_t file = file_of(ring, fd), idle = file_of(ring, quiet);
	unsigned int i;

	(void)state;
	for (i = 0; i < NR; i++)
		assert_int_equal(pwrite(fd, &(uint8_t){ (uint8_t)(i * 7) }, 1, i), 1);
	for (i = 0; i < ARRAY_LEN(polls_of); i++) {
		polls_of[i] = an_op(VC_RING_POLL, idle);
		polls_of[i].req.arg = POLLIN;
		assert_result(vc_ring_submit(ring, &polls_of[i].req), 0);
	}
	for (i = 0; i < NR; i++) {
		reads[i] = a_read(file, &bufs[i], 1, i);
		assert_result(vc_ring_submit(ring, &reads[i].req), 0);
		assert_true(info_of(ring).nr_in_flight <= 4 + 1 + ARRAY_LEN(polls_of));
	}
	assert_refused(vc_ring_submit(ring, &reads[NR - 1].req), -EBUSY, "not been completed");
	assert_refused(vc_ring_remove_file(ring, file), -EBUSY, "1000 requests");
	for (i = 0; i < NR; i++) {
		step_until(ring, &reads[i], 1);
		assert_int_equal(reads[i].res, 1);
		assert_int_equal(bufs[i], (uint8_t)(i * 7));
	}
	assert_true(info_of(ring).nr_backlogged >= NR - 4);
	ring_end(ring);
	for (i = 0; i < ARRAY_LEN(polls_of); i++)
		assert_int_equal(polls_of[i].res, -ECANCELED);
	close(fd);
	close(quiet);
}

/* Write, then flush: the flush starts when the write has succeeded in full, else is cancelled. */
static void chains(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 8 });
	int fd = memory_file(4096), full = open("/dev/full", O_RDWR | O_CLOEXEC);
	uint32_t file = file_of(ring, fd), full_file = file_of(ring, full);
	char buf[64] = "data";
	struct traced write = a_write(file, buf, 4, 0), flush = an_op(VC_RING_FDATASYNC, file);
	struct traced many[9];

	(void)state;
	write.req.then = &flush.req;
	assert_result(vc_ring_submit(ring, &write.req), 0);
	assert_refused(vc_ring_submit(ring, &flush.req), -EBUSY, "not been completed");
	step_until(ring, &flush, 1);
	assert_int_equal(write.res, 4);
	assert_int_equal(flush.res, 0);
	write.req.file = full_file;
	assert_result(vc_ring_submit(ring, &write.req), 0);
	step_until(ring, &flush, 2);
	assert_int_equal(write.res, -ENOSPC);
	assert_int_equal(flush.res, -ECANCELED);
	write = a_read(file, buf, 64, 4090); /* short */
	write.req.then = &flush.req;
	assert_result(vc_ring_submit(ring, &write.req), 0);
	step_until(ring, &flush, 3);
	assert_int_equal(write.res, 6);
	assert_int_equal(flush.res, -ECANCELED);
	for (unsigned int i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = an_op(VC_RING_FDATASYNC, file);
		many[i].req.then = i + 1 < ARRAY_LEN(many) ? &many[i + 1].req : NULL;
	}
	assert_refused(vc_ring_submit(ring, &many[0].req), -EINVAL, "more requests linked");
	many[0].req.then = NULL; /* a chain that the depth has no room for waits in line whole */
	assert_result(vc_ring_submit(ring, &many[0].req), 0);
	assert_result(vc_ring_submit(ring, &many[1].req), 0);
	assert_int_equal(info_of(ring).nr_backlogged, 8);
	assert_result(vc_ring_cancel(ring, &many[3].req), 0); /* ends with its chain */
	step_until(ring, &many[8], 1);
	for (unsigned int i = 0; i < ARRAY_LEN(many); i++)
		assert_int_equal(many[i].nr_done, 1);
	assert_result(vc_ring_submit(ring, &many[0].req), 0);
	assert_result(vc_ring_submit(ring, &many[1].req), 0);
	assert_result(vc_ring_cancel(ring, &many[1].req), 0); /* with all that is linked to it */
	step_until(ring, &many[8], 2);
	assert_int_equal(many[0].res, 0);
	for (unsigned int i = 1; i < ARRAY_LEN(many); i++)
		assert_int_equal(many[i].res, -ECANCELED);
	ring_end(ring);
	close(fd);
	close(full);
}

static void cancel_everywhere(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 1 });
	int fds[2], fd = memory_file(4096);
	char buf[8];
	struct traced wait, busy, line, then;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	wait = a_read(file_of(ring, fds[0]), buf, 8, 0);
	wait.req.flags = VC_RING_WAITS;
	busy = a_read(file_of(ring, fd), buf, 8, 0);
	line = then = busy;
	line.req.op = VC_RING_FSYNC;
	assert_result(vc_ring_submit(ring, &wait.req), 0);
	assert_result(vc_ring_submit(ring, &busy.req), 0);
	assert_result(vc_ring_submit(ring, &line.req), 0);
	assert_result(vc_ring_cancel(ring, &line.req), 0); /* in line */
	assert_int_equal(line.nr_done, 0);		   /* never from within */
	assert_result(vc_ring_submit(ring, &then.req), 0);
	step_until(ring, &then, 1);
	assert_int_equal(busy.res, 8);
	assert_int_equal(line.nr_done, 1);
	assert_int_equal(line.res, -ECANCELED);
	assert_int_equal(wait.nr_done, 0);
	assert_result(vc_ring_cancel(ring, &wait.req), 0); /* in the kernel */
	step_until(ring, &wait, 1);
	assert_int_equal(wait.res, -ECANCELED);
	assert_result(vc_ring_submit(ring, &wait.req), 0);
	assert_int_equal(write(fds[1], "12345678", 8), 8);
	step_until(ring, &wait, 2);
	assert_int_equal(wait.res, 8);
	ring_end(ring);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

/* More cancels than the submission queue has places: those in excess are asked for later. */
static void many_cancels(void **state)
{
	enum { NR = 500 };
	static struct traced timers_of[NR];
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 1 });
	unsigned int i;

	(void)state;
	for (i = 0; i < NR; i++) {
		timers_of[i] = an_op(VC_RING_TIMER, 0);
		timers_of[i].req.off = 3600ull * 1000 * MS;
		assert_result(vc_ring_submit(ring, &timers_of[i].req), 0);
	}
	while (info_of(ring).nr_in_flight < NR)
		assert_true(vc_ring_step(ring, 0) >= 0);
	for (i = 0; i < NR; i++)
		assert_result(vc_ring_cancel(ring, &timers_of[i].req), 0);
	for (i = 0; i < NR; i++)
		while (!timers_of[i].nr_done)
			assert_true(vc_ring_step(ring, 5000 * MS) >= 0);
	for (i = 0; i < NR; i++)
		assert_int_equal(timers_of[i].res, -ECANCELED);
	ring_end(ring);
}

/* Timers that expire before their cancel could be asked for: each ends once, with what came first. */
static void cancelled_too_late(void **state)
{
	enum { NR = 500 };
	static struct traced timers_of[NR];
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 1 });
	int64_t due_ns = clock_ns() + 20 * MS;
	unsigned int i;

	(void)state;
	for (i = 0; i < NR; i++) {
		timers_of[i] = an_op(VC_RING_TIMER, 0);
		timers_of[i].req.off = (uint64_t)due_ns;
		timers_of[i].req.flags = VC_RING_ABSOLUTE;
		assert_result(vc_ring_submit(ring, &timers_of[i].req), 0);
	}
	while (info_of(ring).nr_in_flight + info_of(ring).nr_completed < NR)
		assert_true(vc_ring_step(ring, 0) >= 0);
	while (clock_ns() < due_ns + 2 * MS)
		sched_yield();
	for (i = 0; i < NR; i++) {
		int r = vc_ring_cancel(ring, &timers_of[i].req);

		assert_true(r == 0 || timers_of[i].nr_done == 1);
	}
	for (i = 0; i < NR; i++) {
		step_until(ring, &timers_of[i], 1);
		assert_true(timers_of[i].res == 0 || timers_of[i].res == -ECANCELED);
	}
	ring_end(ring);
}

static void refused_fields(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){
		.ops = 1ull << VC_RING_READ | 1ull << VC_RING_READV | 1ull << VC_RING_TIMER });
	int fd = memory_file(4096);
	uint32_t file = file_of(ring, fd);
	char buf[8];
	struct traced ok = a_read(file, buf, 8, 0), t;

	(void)state;
#define REFUSED(err, why, ...)                                              \
	do {                                                                \
		t = ok;                                                     \
		__VA_ARGS__;                                                \
		assert_refused(vc_ring_submit(ring, &t.req), (err), (why)); \
		assert_int_equal(t.req.ring_state, 0);                      \
	} while (0)
	REFUSED(-EINVAL, "no such operation", t.req.op = 0);
	REFUSED(-EINVAL, "no such operation", t.req.op = VC_RING_TIMER + 1);
	t = a_write(file, buf, 8, 0);
	assert_refused(vc_ring_submit(ring, &t.req), -EPERM, "not among those");
	REFUSED(-EINVAL, "no callback", t.req.done = NULL);
	REFUSED(-EINVAL, "flags", t.req.flags = VC_RING_DSYNC);
	REFUSED(-EINVAL, "flags", t.req.flags = VC_RING_ABSOLUTE);
	REFUSED(-EINVAL, "not registered", t.req.file = 0);
	REFUSED(-EINVAL, "not registered", t.req.file = file + 1);
	REFUSED(-EINVAL, "not registered", t.req.file = UINT32_MAX);
	REFUSED(-EINVAL, "no file", t.req.op = VC_RING_TIMER);
	REFUSED(-EINVAL, "above the limit", t.req.off = UINT64_MAX);
	REFUSED(-EINVAL, "above the limit", t.req.len = UINT32_MAX);
	REFUSED(-EINVAL, "no buffer", t.req.buf = NULL);
	REFUSED(-EINVAL, "iovec", t.req.op = VC_RING_READV);
	REFUSED(-EINVAL, "iovec", t.req.op = VC_RING_READV; t.req.iov = (void *)buf;
		t.req.len = IOV_MAX + 1);
	REFUSED(-EINVAL, "cannot be linked", t.req.flags = VC_RING_WAITS; t.req.then = &ok.req);
	assert_refused(vc_ring_submit(ring, NULL), -EINVAL, "request is needed");
	assert_refused(vc_ring_cancel(ring, NULL), -EINVAL, "request is needed");
	ring_end(ring);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),   cmocka_unit_test(flushes_and_holes),
		cmocka_unit_test(errors_are_results), cmocka_unit_test(polls),
		cmocka_unit_test(polls_in_excess),    cmocka_unit_test(timers),
		cmocka_unit_test(the_line),	      cmocka_unit_test(chains),
		cmocka_unit_test(cancel_everywhere),  cmocka_unit_test(many_cancels),
		cmocka_unit_test(cancelled_too_late), cmocka_unit_test(refused_fields),
	};

	(void)choose_mode(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
