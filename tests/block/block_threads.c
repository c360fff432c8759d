/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One disk on several rings, each on a thread of its own: queues come and go, requests are cancelled,
 * the disk grows and is counted meanwhile, and a group's limit is shared between them and holds.
 */
#include "block_unit.h"

#include <libvirtcore/throttle.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define NR_THREADS 3u
#define NR_SLOTS   8u
#define NR_ROUNDS  20u
#define NR_EACH	   200u
#define PART_BYTES (64 * KIB)

struct shared {
	struct vc_block *blocks[2];
	_Atomic unsigned int nr_running;
	_Atomic uint64_t nr_done, nr_canceled;
};

struct worker {
	struct shared *shared;
	unsigned int idx;
	pthread_t thread;
};

struct slot {
	struct vc_block_request req;
	struct iovec iov;
	char data[4096];
	struct job *job;
};

/* One queue's life. */
struct job {
	struct worker *worker;
	struct vc_block_queue *queue;
	struct slot slots[NR_SLOTS];
	unsigned int nr_left, nr_in_flight;
	uint64_t seed;
};

static void next(struct vc_block_request *req, int result)
{
	static const uint8_t ops[] = { VC_BLOCK_READ,  VC_BLOCK_WRITE,	 VC_BLOCK_READ,
				       VC_BLOCK_FLUSH, VC_BLOCK_DISCARD, VC_BLOCK_WRITE_ZEROES };
	struct slot *slot = vc_container_of(req, struct slot, req);
	struct job *job = slot->job;
	struct shared *shared = job->worker->shared;

	assert_true(result == 0 || result == -ECANCELED);
	atomic_fetch_add(result ? &shared->nr_canceled : &shared->nr_done, 1);
	job->nr_in_flight--;
	if (job->nr_left == 0)
		return;
	job->nr_left--;
	job->nr_in_flight++;
	req->op = ops[next_random(&job->seed) % ARRAY_LEN(ops)];
	/* Each thread has a part of the disk of its own. */
	req->off = job->worker->idx * PART_BYTES + next_random(&job->seed) % 16 * 4096;
	assert_result(vc_block_submit(job->queue, req), 0);
}

static void live(struct worker *worker, struct vc_ring *ring, unsigned int round)
{
	struct job *job = calloc(1, sizeof(*job));

	job->worker = worker;
	job->seed = worker->idx * 1000 + round;
	job->nr_left = NR_EACH;
	job->queue = attach_block(worker->shared->blocks[(worker->idx + round) % 2], ring);
	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &job->slots[i];

		slot->job = job;
		slot->iov = (struct iovec){ slot->data, sizeof(slot->data) };
		slot->req = (struct vc_block_request){
			.done = next, .len = 4096, .nr_iov = 1, .iov = &slot->iov
		};
		job->nr_in_flight++;
		next(&slot->req, 0);
	}
	while (job->nr_in_flight > 0) {
		assert_true(vc_ring_step(ring, MUST_NS) >= 0);
		if (next_random(&job->seed) % 64 == 0)
			assert_result(vc_block_cancel(job->queue), 0);
	}
	assert_result(vc_block_detach(job->queue), 0);
	free(job);
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	struct vc_ring *ring = new_ring();

	for (unsigned int round = 0; round < NR_ROUNDS; round++)
		live(worker, ring, round);
	end_ring(ring);
	atomic_fetch_sub(&worker->shared->nr_running, 1);
	return NULL;
}

/* What the control thread does meanwhile. */
static void watch(struct shared *shared, uint64_t *grown)
{
	struct vc_block_stats stats;

	for (unsigned int i = 0; i < 2; i++) {
		stats = stats_of(shared->blocks[i]);
		assert_int_equal(stats.nr_refused, 0);
		assert_int_equal(stats.nr_failed, 0);
		assert_true(info_of(shared->blocks[i]).size_bytes >= NR_THREADS * PART_BYTES);
	}
	if (*grown < 64 * MIB)
		assert_result(vc_block_resize(shared->blocks[0], *grown += 4096), 0);
}

static void run(struct vc_block *a, struct vc_block *b, bool can_grow)
{
	struct shared shared = { .blocks = { a, b }, .nr_running = NR_THREADS };
	struct worker workers[NR_THREADS];
	uint64_t grown = can_grow ? MIB : UINT64_MAX, nr = 0;

	for (unsigned int i = 0; i < NR_THREADS; i++) {
		workers[i] = (struct worker){ .shared = &shared, .idx = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	while (atomic_load(&shared.nr_running) > 0)
		watch(&shared, &grown);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int op = 0; op < VC_BLOCK_NR_OPS; op++)
			nr += stats_of(shared.blocks[i]).nr[op];
	/* Each slot was called once more, before its first request. */
	assert_int_equal(nr, shared.nr_done - NR_THREADS * NR_ROUNDS * NR_SLOTS);
	assert_int_equal(nr + shared.nr_canceled, NR_THREADS * NR_ROUNDS * NR_EACH);
	for (unsigned int i = 0; i < 2; i++)
		assert_result(vc_block_close(shared.blocks[i]), 0);
}

static void on_files(void **state)
{
	char a[] = "/var/tmp/vc-threads-XXXXXX", b[] = "/var/tmp/vc-threads-XXXXXX";

	(void)state;
	make_image(a, MIB);
	make_image(b, MIB);
	run(open_file(a, VC_BLOCK_UNSAFE), open_file(b, VC_BLOCK_UNSAFE), true);
	(void)unlink(a);
	(void)unlink(b);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Two disks of a group, on three threads: together they get what the group has, and not more. */
static void a_group(void **state)
{
	const unsigned int rate = 10000, burst = 500, nr = NR_THREADS * NR_ROUNDS * NR_EACH;
	struct vc_throttle_config cfg = { .size = sizeof(cfg),
					  .ops_per_s = rate,
					  .ops_burst = burst };
	struct vc_block_config disk = { .kind = VC_BLOCK_RAM, .size_bytes = MIB };
	double start;

	(void)state;
	assert_result(vc_throttle_create(&cfg, &disk.group), 0);
	start = seconds();
	run(open_block(disk), open_block(disk), false);
	/* What was cancelled in line took no tokens, but for the first of each line. */
	assert_true(seconds() - start >= (double)(nr - burst) / rate * 0.3);
	vc_throttle_destroy(disk.group);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_files),
		cmocka_unit_test(a_group),
	};

	choose_engine(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
