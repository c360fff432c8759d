/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posts from many threads into a ring that works and stops: each is run exactly once or refused.
 * The argument says how many there are of them, 100,000 by default.
 */
#include "ring_fixture.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>

#define NR_THREADS 4u
#define NR_SLOTS   16u

/* Not atomic: what posting orders is what the thread sanitizer looks at. */
struct message {
	struct vc_ring_task task;
	atomic_bool is_free;
	uint64_t payload;
	uint64_t *sum;
	uint64_t *nr;
};

struct poster {
	pthread_t thread;
	struct vc_ring *ring;
	struct message slots[NR_SLOTS];
	unsigned int nr_posts;
	uint64_t nr_accepted, nr_refused, sum_accepted;
	uint64_t nr_run, sum_run; /* of the ring's thread */
};

static void take(struct vc_ring_task *task)
{
	struct message *m = vc_container_of(task, struct message, task);

	*m->sum += m->payload;
	*m->nr += 1;
	atomic_store_explicit(&m->is_free, true, memory_order_release);
}

static void *post_all(void *opaque)
{
	struct poster *p = opaque;

	for (unsigned int i = 0; i < p->nr_posts; i++) {
		struct message *m = &p->slots[i % NR_SLOTS];
		int r;

		while (!atomic_load_explicit(&m->is_free, memory_order_acquire))
			sched_yield();
		atomic_store_explicit(&m->is_free, false, memory_order_relaxed);
		m->payload = i + 1;
		r = vc_ring_post(p->ring, &m->task);
		if (r < 0) {
			assert_int_equal(r, -ESHUTDOWN);
			p->nr_refused++;
			break;
		}
		assert_int_equal(r, 0);
		p->nr_accepted++;
		p->sum_accepted += i + 1;
	}
	vc_ring_put(p->ring);
	return NULL;
}

static void start_posters(struct poster *posters, struct vc_ring *ring, unsigned int nr_posts)
{
	for (unsigned int i = 0; i < NR_THREADS; i++) {
		struct poster *p = &posters[i];

		*p = (struct poster){ .ring = vc_ring_get(ring), .nr_posts = nr_posts };
		for (unsigned int j = 0; j < NR_SLOTS; j++) {
			p->slots[j] = (struct message){ .task.run = take,
							.sum = &p->sum_run,
							.nr = &p->nr_run };
			atomic_init(&p->slots[j].is_free, true);
		}
		assert_int_equal(pthread_create(&p->thread, NULL, post_all, p), 0);
	}
}

static void join_posters(struct poster *posters)
{
	for (unsigned int i = 0; i < NR_THREADS; i++) {
		assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
	}
}

static void check_sums(const struct poster *posters)
{
	for (unsigned int i = 0; i < NR_THREADS; i++) {
		assert_int_equal(posters[i].nr_run, posters[i].nr_accepted);
		assert_int_equal(posters[i].sum_run, posters[i].sum_accepted);
	}
}

static void *run_ring(void *opaque)
{
	assert_result(vc_ring_run(opaque), 0);
	return NULL;
}

static unsigned int nr_wanted = 100000;

static void none_is_lost(void **state)
{
	static struct poster posters[NR_THREADS];
	struct vc_ring *ring = ring_new((struct vc_ring_config){ 0 });
	pthread_t thread;

	(void)state;
	start_posters(posters, ring, nr_wanted / NR_THREADS);
	assert_int_equal(pthread_create(&thread, NULL, run_ring, ring), 0);
	join_posters(posters);
	assert_result(vc_ring_stop(ring), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		assert_int_equal(posters[i].nr_refused, 0);
	check_sums(posters);
	vc_ring_put(ring);
}

struct stopper {
	struct vc_ring *ring;
	struct poster *posters;
};

/* Reads that post themselves again keep the ring busy while it is stopped. */
struct busy {
	struct traced t;
	char buf[64];
};

static void read_again(struct vc_ring_request *req, int res)
{
	struct busy *b = vc_container_of(req, struct busy, t.req);

	assert_int_equal(res, sizeof(b->buf));
	b->t.nr_done++;
	if (b->t.nr_done % 2 || b->t.nr_done < 200)
		assert_result(vc_ring_submit(b->t.ring, req), 0);
}

static void *run_busy(void *opaque)
{
	struct busy busy[8];
	struct vc_ring *ring = opaque;
	int fd = memory_file(4096);
	uint32_t file;

	assert_result(vc_ring_attach(ring), 0);
	file = file_of(ring, fd);
	for (unsigned int i = 0; i < ARRAY_LEN(busy); i++) {
		busy[i].t = a_read(file, busy[i].buf, sizeof(busy[i].buf), i * 64);
		busy[i].t.req.done = read_again;
		busy[i].t.ring = ring;
		assert_result(vc_ring_submit(ring, &busy[i].t.req), 0);
	}
	assert_result(vc_ring_run(ring), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(busy); i++)
		assert_int_equal(busy[i].t.nr_done, 200);
	close(fd);
	return NULL;
}

static void stops_under_load(void **state)
{
	static struct poster posters[NR_THREADS];
	/* the spinning posters leave little of two CPUs to the kernel's thread of SQPOLL */
	unsigned int nr_rounds = fixture_mode == VC_RING_SQPOLL ? 4 : 20;

	(void)state;
	for (unsigned int round = 0; round < nr_rounds; round++) {
		struct vc_ring *ring = ring_new((struct vc_ring_config){ 0 });
		pthread_t thread;

		start_posters(posters, ring, UINT_MAX); /* until they are refused */
		assert_int_equal(pthread_create(&thread, NULL, run_busy, ring), 0);
		while (info_of(ring).nr_tasks < 100 * round)
			sched_yield();
		assert_result(vc_ring_stop(ring), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		join_posters(posters);
		check_sums(posters);
		for (unsigned int i = 0; i < NR_THREADS; i++)
			assert_int_equal(posters[i].nr_refused, 1);
		vc_ring_put(ring);
	}
}

static void post_twice(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	struct counted c = { .task.run = counted_run };

	(void)state;
	assert_result(vc_ring_post(ring, &c.task), 0);
	assert_result(vc_ring_post(ring, &c.task), 1);
	assert_result(vc_ring_step(ring, -1), 1);
	assert_int_equal(c.nr_runs, 1);
	assert_result(vc_ring_post(ring, &c.task), 0);
	assert_result(vc_ring_step(ring, -1), 1);
	assert_int_equal(c.nr_runs, 2);
	assert_refused(vc_ring_post(ring, NULL), -EINVAL, "needed");
	assert_refused(vc_ring_post(NULL, &c.task), -EINVAL, "needed");
	assert_refused(vc_ring_post(ring, &(struct vc_ring_task){ 0 }), -EINVAL, "needed");
	assert_refused(vc_ring_defer(ring, &(struct vc_ring_task){ 0 }), -EINVAL, "needed");
	assert_result(vc_ring_stop(ring), 0);
	while (vc_ring_step(ring, -1) >= 0)
		;
	assert_refused(vc_ring_post(ring, &c.task), -ESHUTDOWN, "stopped");
	assert_refused(vc_ring_post(ring, &c.task), -ESHUTDOWN, "stopped");
	assert_refused(vc_ring_defer(ring, &c.task), -ESHUTDOWN, "stopped");
	vc_ring_put(ring);
}

struct ordered {
	struct vc_ring_task task;
	unsigned int *next;
	unsigned int nr;
};

static void check_order(struct vc_ring_task *task)
{
	struct ordered *o = vc_container_of(task, struct ordered, task);

	assert_int_equal(*o->next, o->nr);
	(*o->next)++;
}

/* Posts are run in order, before what is deferred. */
static void in_order(void **state)
{
	struct ordered tasks[100];
	unsigned int next = 0;
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(tasks); i++)
		tasks[i] = (struct ordered){ { .run = check_order }, &next, i };
	assert_result(vc_ring_defer(ring, &tasks[99].task), 0);
	for (unsigned int i = 0; i < 99; i++)
		assert_result(vc_ring_post(ring, &tasks[i].task), 0);
	assert_result(vc_ring_step(ring, -1), 100);
	assert_int_equal(next, 100);
	ring_end(ring);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_lost),
		cmocka_unit_test(stops_under_load),
		cmocka_unit_test(post_twice),
		cmocka_unit_test(in_order),
	};

	if (choose_mode(argc, argv) < argc)
		argv++, argc--;
	if (argc > 1)
		nr_wanted = (unsigned int)strtoul(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
