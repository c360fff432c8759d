/* SPDX-License-Identifier: Apache-2.0 */
/* The ring's own thread: name, affinity, signals, the config's hook; start, join, and put instead. */
#include "ring_fixture.h"

#include <sched.h>
#include <signal.h>

/* A task that looks at the thread it runs on. */
struct look {
	struct vc_ring_task task;
	char comm[16];
	cpu_set_t cpus;
	bool has_signals_blocked;
	bool is_current;
	struct vc_ring *ring;
};

static void look(struct vc_ring_task *task)
{
	struct look *l = vc_container_of(task, struct look, task);
	sigset_t set;

	assert_int_equal(pthread_getname_np(pthread_self(), l->comm, sizeof(l->comm)), 0);
	assert_int_equal(pthread_getaffinity_np(pthread_self(), sizeof(l->cpus), &l->cpus), 0);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
	l->has_signals_blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGUSR2);
	l->is_current = vc_ring_is_current(l->ring);
	assert_refused(vc_ring_join(l->ring), -EDEADLK, "own thread");
}

static void named_and_pinned(void **state)
{
	cpu_set_t mine, one;
	uint64_t mask[16] = { 0 };
	struct look l = { .task.run = look };
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
	while (!CPU_ISSET(cpu, &mine))
		cpu++;
	mask[cpu / 64] = 1ull << cpu % 64;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	l.ring = ring_new(
		(struct vc_ring_config){ .name = "a-name-that-is-long", .affinity = mask });
	assert_result(vc_ring_post(l.ring, &l.task), 0);
	assert_result(vc_ring_start(l.ring), 0);
	assert_refused(vc_ring_start(l.ring), -EBUSY, "attached");
	assert_refused(vc_ring_attach(l.ring), -EINVAL, "another thread");
	assert_result(vc_ring_stop(l.ring), 0);
	assert_result(vc_ring_join(l.ring), 0);
	assert_string_equal(l.comm, "a-name-that-is-");
	assert_true(CPU_EQUAL(&l.cpus, &one));
	assert_true(l.has_signals_blocked);
	assert_true(l.is_current);
	assert_refused(vc_ring_join(l.ring), -EINVAL, "started");
	assert_refused(vc_ring_start(l.ring), -ESHUTDOWN, "stopped");
	vc_ring_put(l.ring);
	assert_refused(vc_ring_start(NULL), -EINVAL, "needed");
	assert_refused(vc_ring_join(NULL), -EINVAL, "needed");
}

static void put_joins(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ 0 });
	struct counted c = { .task.run = counted_run };

	(void)state;
	assert_result(vc_ring_start(ring), 0);
	assert_result(vc_ring_post(ring, &c.task), 0);
	vc_ring_put(ring);
	assert_int_equal(c.nr_runs, 1);
}

struct last {
	struct vc_ring_task task;
	struct vc_ring *ring;
	int done_fd;
};

static void put_last(struct vc_ring_task *task)
{
	struct last *l = vc_container_of(task, struct last, task);

	vc_ring_put(l->ring);
	assert_int_equal(eventfd_write(l->done_fd, 1), 0);
}

/* The last reference goes on the ring's own thread: nobody is left to join it. */
static void put_on_the_ring(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ 0 });
	struct last l = { .task.run = put_last, .ring = ring, .done_fd = eventfd(0, EFD_CLOEXEC) };
	eventfd_t count;

	(void)state;
	assert_result(vc_ring_start(vc_ring_get(ring)), 0);
	assert_result(vc_ring_post(ring, &l.task), 0);
	vc_ring_put(ring); /* this one or that of the task is the last */
	assert_int_equal(eventfd_read(l.done_fd, &count), 0);
	close(l.done_fd);
}

static void no_such_cpu(void **state)
{
	uint64_t none[16] = { [15] = 1ull << 63 }, empty[16] = { 0 };
	struct vc_ring_config cfg = { .size = sizeof(cfg), .affinity = empty };
	struct vc_ring *ring = NULL;

	(void)state;
	assert_refused(vc_ring_create(&cfg, &ring), -EINVAL, "mask is empty");
	assert_null(ring);
	ring = ring_new((struct vc_ring_config){ .affinity = none });
	assert_refused(vc_ring_start(ring), -EINVAL, "names no CPU");
	assert_result(vc_ring_attach(ring), 0); /* still nobody's */
	ring_end(ring);
}

struct hook {
	unsigned int nr_calls;
	int err;
	char name[32];
};

static int make_thread(void *opaque, const char *name, void *(*main_fn)(void *), void *arg,
		       pthread_t *ret_thread)
{
	struct hook *hook = opaque;

	hook->nr_calls++;
	(void)snprintf(hook->name, sizeof(hook->name), "%s", name);
	return hook->err ? hook->err : -pthread_create(ret_thread, NULL, main_fn, arg);
}

static void made_by_the_hook(void **state)
{
	struct hook hook = { 0 };
	struct vc_ring *ring = ring_new((struct vc_ring_config){
		.name = "hooked", .make_thread = make_thread, .thread_opaque = &hook });

	(void)state;
	hook.nr_calls = 0; /* workers have been made */
	hook.err = -EAGAIN;
	assert_refused(vc_ring_start(ring), -EAGAIN, "cannot be made");
	hook.err = 7;
	assert_refused(vc_ring_start(ring), -ECANCELED, "cannot be made");
	hook.err = 0;
	assert_result(vc_ring_start(ring), 0);
	assert_int_equal(hook.nr_calls, 3);
	assert_string_equal(hook.name, "hooked");
	vc_ring_put(ring);
}

/* A user of a ring among others: reads its part of the file over and over, then tells. */
struct user {
	struct vc_ring_task begin;
	struct vc_ring_request req;
	struct vc_ring *ring;
	int done_fd;
	unsigned int nr_left;
	uint8_t want, buf[512];
};

static void user_read(struct vc_ring_request *req, int res)
{
	struct user *user = vc_container_of(req, struct user, req);

	assert_true(vc_ring_is_current(user->ring));
	assert_int_equal(res, sizeof(user->buf));
	assert_int_equal(user->buf[0], user->want);
	assert_int_equal(user->buf[sizeof(user->buf) - 1], user->want);
	memset(user->buf, 0, sizeof(user->buf));
	if (--user->nr_left > 0)
		assert_result(vc_ring_submit(user->ring, req), 0);
	else
		assert_int_equal(eventfd_write(user->done_fd, 1), 0);
}

static void user_begin(struct vc_ring_task *task)
{
	struct user *user = vc_container_of(task, struct user, begin);

	assert_result(vc_ring_submit(user->ring, &user->req), 0);
}

/* Seven users over three rings, each with a thread of its own. */
static void users_over_rings(void **state)
{
	enum { NR_USERS = 7, NR_RINGS = 3 };
	static struct user users[NR_USERS];
	struct vc_ring *rings[NR_RINGS];
	int fd = memory_file(NR_USERS * 512), done_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	eventfd_t count;

	(void)state;
	for (unsigned int i = 0; i < NR_RINGS; i++)
		rings[i] = ring_new((struct vc_ring_config){ .depth = 2 });
	for (unsigned int i = 0; i < NR_USERS; i++) {
		struct user *user = &users[i];
		uint8_t text[512];

		*user = (struct user){ .begin.run = user_begin,
				       .ring = vc_ring_get(rings[i % NR_RINGS]),
				       .done_fd = done_fd,
				       .nr_left = 1000,
				       .want = (uint8_t)(i + 1) };
		user->req.done = user_read;
		user->req.op = VC_RING_READ;
		user->req.file = file_of(user->ring, fd);
		user->req.buf = user->buf;
		user->req.len = sizeof(user->buf);
		user->req.off = i * sizeof(user->buf);
		memset(text, user->want, sizeof(text));
		assert_int_equal(pwrite(fd, text, sizeof(text), (off_t)user->req.off), 512);
		assert_result(vc_ring_post(user->ring, &user->begin), 0);
	}
	for (unsigned int i = 0; i < NR_RINGS; i++)
		assert_result(vc_ring_start(rings[i]), 0);
	for (unsigned int i = 0; i < NR_USERS; i++)
		assert_int_equal(eventfd_read(done_fd, &count), 0);
	for (unsigned int i = 0; i < NR_USERS; i++)
		vc_ring_put(users[i].ring);
	for (unsigned int i = 0; i < NR_RINGS; i++)
		vc_ring_put(rings[i]);
	close(done_fd);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_and_pinned),
		cmocka_unit_test(put_joins),
		cmocka_unit_test(no_such_cpu),
		cmocka_unit_test(made_by_the_hook),
		cmocka_unit_test(users_over_rings),
		/* the last: liburing's munmap(2) is not seen by the thread sanitizer, which would
		 * hold another ring at the same place for that of the thread nobody joins */
		cmocka_unit_test(put_on_the_ring),
	};

	(void)choose_mode(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
