/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads in place of an io_uring: chosen when the kernel forbids that, and what is theirs
 * alone. What both engines do is in test_ring_*.workers. Also covers: ring_perform.c
 */
#include "ring_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>

struct io_uring;
struct io_uring_params;

static int setup_err;

int __real_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	return setup_err ? setup_err : __real_io_uring_queue_init_params(entries, ring, params);
}

static void chosen_when_forbidden(void **state)
{
	static const int errs[] = { -EPERM, -ENOSYS, -EINVAL };
	char buf[4];
	int fd = memory_file(4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		struct vc_ring *ring;
		struct traced t;

		setup_err = errs[i];
		ring = ring_here((struct vc_ring_config){ .nr_workers = 2 });
		setup_err = 0;
		assert_int_equal(info_of(ring).mode, VC_RING_WORKERS);
		assert_int_equal(info_of(ring).nr_workers, 2);
		assert_false(info_of(ring).is_restricted);
		t = a_read(file_of(ring, fd), buf, 4, 0);
		assert_result(vc_ring_submit(ring, &t.req), 0);
		step_until(ring, &t, 1);
		assert_int_equal(t.res, 4);
		ring_end(ring);
	}
	close(fd);
}

static void not_chosen_for_want_of_memory(void **state)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg), .nr_workers = 2 };
	struct vc_ring *ring = NULL;

	(void)state;
	setup_err = -ENOMEM;
	assert_refused(vc_ring_create(&cfg, &ring), -ENOMEM, "cannot be set up");
	setup_err = 0;
	cfg.nr_workers = 65;
	assert_refused(vc_ring_create(&cfg, &ring), -EINVAL, "nr_workers 65");
	cfg.nr_workers = 0;
	cfg.mode = VC_RING_WORKERS;
	assert_refused(vc_ring_create(&cfg, &ring), -EINVAL, "needs nr_workers");
	assert_null(ring);
}

static unsigned int nr_made;

static int make_two(void *opaque, const char *name, void *(*main_fn)(void *), void *arg,
		    pthread_t *ret_thread)
{
	char want[16];

	(void)snprintf(want, sizeof(want), "ring/io%u", nr_made);
	assert_string_equal(name, want);
	assert_null(opaque);
	return nr_made++ == 2 ? -EAGAIN : -pthread_create(ret_thread, NULL, main_fn, arg);
}

/* The third thread cannot be had: the two are gone when create returns. */
static void too_few_threads(void **state)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg),
				      .mode = VC_RING_WORKERS,
				      .nr_workers = 3,
				      .make_thread = make_two };
	struct vc_ring *ring = NULL;

	(void)state;
	nr_made = 0;
	assert_refused(vc_ring_create(&cfg, &ring), -EAGAIN, "ring/io2");
	assert_null(ring);
}

/* Requests that a busy worker has not begun are taken back, a chain whole. */
static void cancelled_before_begun(void **state)
{
	struct vc_ring *ring =
		ring_here((struct vc_ring_config){ .mode = VC_RING_WORKERS, .nr_workers = 1 });
	int fds[2], fd = memory_file(4096);
	char a[4], b[4];
	struct traced begun, blocked, first, then, other;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	blocked = a_read(file_of(ring, fds[0]), a, 1, 0);
	first = a_read(file_of(ring, fd), b, 4, 0);
	then = other = begun = first;
	begun.req.then = &blocked.req;
	assert_result(vc_ring_submit(ring, &begun.req), 0);
	step_until(ring, &begun, 1); /* from now on the only worker has the chain */
	first.req.then = &then.req;
	assert_result(vc_ring_submit(ring, &first.req), 0);
	assert_result(vc_ring_submit(ring, &other.req), 0);
	assert_result(vc_ring_step(ring, 0), 0);
	assert_result(vc_ring_cancel(ring, &first.req), 0);
	step_until(ring, &then, 1);
	assert_int_equal(first.res, -ECANCELED);
	assert_int_equal(then.res, -ECANCELED);
	assert_result(vc_ring_cancel(ring, &other.req), 0); /* the last in the queue */
	step_until(ring, &other, 1);
	assert_int_equal(other.res, -ECANCELED);
	other.req.op = VC_RING_FSYNC;
	assert_result(vc_ring_submit(ring, &other.req), 0);
	assert_result(vc_ring_cancel(ring, &blocked.req), 0); /* too late */
	assert_result(vc_ring_step(ring, 0), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	step_until(ring, &other, 2);
	assert_int_equal(blocked.res, 1);
	assert_int_equal(other.res, 0);
	ring_end(ring);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

/* A socket without room: the write waits on the ring's thread, which goes on meanwhile. */
static void writes_that_wait(void **state)
{
	static char big[1 << 20];
	struct vc_ring *ring =
		ring_here((struct vc_ring_config){ .mode = VC_RING_WORKERS, .nr_workers = 1 });
	int fds[2];
	struct traced w, r;
	struct iovec iov = { big, sizeof(big) };
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	while (send(fds[0], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	w = an_op(VC_RING_WRITEV, file_of(ring, fds[0]));
	w.req.iov = &iov;
	w.req.len = 1;
	w.req.flags = VC_RING_WAITS;
	r = an_op(VC_RING_READV, w.req.file);
	r.req.iov = &iov;
	r.req.len = 1;
	r.req.flags = VC_RING_WAITS;
	assert_result(vc_ring_submit(ring, &w.req), 0);
	assert_result(vc_ring_submit(ring, &r.req), 0);
	assert_result(vc_ring_step(ring, 0), 0);
	assert_int_equal(w.nr_done, 0);
	while ((n = recv(fds[1], big, sizeof(big), MSG_DONTWAIT)) > 0)
		;
	step_until(ring, &w, 1);
	assert_true(w.res > 0);
	assert_int_equal(send(fds[1], "abc", 3, 0), 3);
	step_until(ring, &r, 1);
	assert_int_equal(r.res, 3);
	assert_memory_equal(big, "abc", 3);
	ring_end(ring);
	close(fds[0]);
	close(fds[1]);
}

/* Two wait for one pipe: the one that comes too late goes on waiting. */
static void two_readers(void **state)
{
	struct vc_ring *ring =
		ring_here((struct vc_ring_config){ .mode = VC_RING_WORKERS, .nr_workers = 1 });
	int fds[2];
	char a, b;
	struct traced t[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	t[0] = a_read(file_of(ring, fds[0]), &a, 1, 0);
	t[0].req.flags = VC_RING_WAITS;
	t[1] = t[0];
	t[1].req.buf = &b;
	assert_result(vc_ring_submit(ring, &t[0].req), 0);
	assert_result(vc_ring_submit(ring, &t[1].req), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	while (t[0].nr_done + t[1].nr_done == 0)
		assert_true(vc_ring_step(ring, 5000 * MS) >= 0);
	assert_result(vc_ring_step(ring, 0), 0);
	assert_int_equal(t[0].nr_done + t[1].nr_done, 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	step_until(ring, &t[0], 1);
	step_until(ring, &t[1], 1);
	assert_true(t[0].res == 1 && t[1].res == 1 && a == 'x' && b == 'x');
	ring_end(ring);
	close(fds[0]);
	close(fds[1]);
}

/* epoll takes no regular files: they never make anybody wait. */
static void regular_files_are_ready(void **state)
{
	struct vc_ring *ring =
		ring_here((struct vc_ring_config){ .mode = VC_RING_WORKERS, .nr_workers = 1 });
	int fd = memory_file(16);
	uint32_t file = file_of(ring, fd);
	char buf[8];
	struct traced t = a_read(file, buf, 8, 12), p = an_op(VC_RING_POLL, file);

	(void)state;
	t.req.flags = VC_RING_WAITS;
	p.req.arg = POLLIN;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	assert_result(vc_ring_submit(ring, &p.req), 0);
	step_until(ring, &t, 1);
	step_until(ring, &p, 1);
	assert_int_equal(t.res, 4);
	assert_int_equal(p.res, -EPERM);
	ring_end(ring);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chosen_when_forbidden),
		cmocka_unit_test(not_chosen_for_want_of_memory),
		cmocka_unit_test(too_few_threads),
		cmocka_unit_test(cancelled_before_begun),
		cmocka_unit_test(writes_that_wait),
		cmocka_unit_test(two_readers),
		cmocka_unit_test(regular_files_are_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
