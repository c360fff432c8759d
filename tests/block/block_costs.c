/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request costs: no allocation and no lock, with 32 in flight less than a quarter of a system
 * call; counted in calls that this program's linking makes come by here.
 */
#include "block_unit.h"

#include <libvirtcore/throttle.h>

#include <pthread.h>

#define DISK_BYTES  (16 * MIB)
#define NR_REQUESTS 100000u
#define DEPTH	    32u

static _Atomic unsigned int nr_counted;
static bool is_counting;

#define counted(name, result, params, args) \
	result __real_##name params;        \
	result __wrap_##name params;        \
	result __wrap_##name params         \
	{                                   \
		nr_counted += is_counting;  \
		return __real_##name args;  \
	}

counted(malloc, void *, (size_t size),
	(size)) counted(calloc, void *, (size_t nr, size_t size),
			(nr, size)) counted(realloc, void *, (void *p, size_t size), (p, size))
	counted(aligned_alloc, void *, (size_t align, size_t size), (align, size))
		counted(free, void, (void *p), (p))
			counted(pthread_mutex_lock, int, (pthread_mutex_t * lock), (lock))
				counted(pthread_spin_lock, int, (pthread_spinlock_t * lock), (lock))
					counted(pthread_rwlock_rdlock, int,
						(pthread_rwlock_t * lock), (lock))
						counted(sem_wait, int, (void *sem), (sem))

							struct load {
	struct vc_block_queue *queue;
	unsigned int nr_left, nr_in_flight;
	uint64_t seed;
};

struct slot {
	struct vc_block_request req;
	struct iovec iov;
	struct load *load;
};

static void next(struct vc_block_request *req, int result)
{
	static const uint8_t ops[] = { VC_BLOCK_READ, VC_BLOCK_READ, VC_BLOCK_READ,
				       VC_BLOCK_WRITE };
	struct slot *slot = vc_container_of(req, struct slot, req);
	struct load *load = slot->load;

	assert_int_equal(result, 0);
	load->nr_in_flight--;
	if (load->nr_left == 0)
		return;
	load->nr_left--;
	load->nr_in_flight++;
	req->op = ops[next_random(&load->seed) % ARRAY_LEN(ops)];
	req->off = next_random(&load->seed) % (DISK_BYTES / 4096) * 4096;
	assert_result(vc_block_submit(load->queue, req), 0);
}

/* System calls for each request. */
static double run(struct vc_block *block)
{
	static char data[DEPTH][4096];
	static struct slot slots[DEPTH];
	struct vc_ring *ring = new_ring();
	struct load load = { .queue = attach_block(block, ring), .nr_left = NR_REQUESTS };
	struct vc_ring_info before = { .size = sizeof(before) }, after = { .size = sizeof(after) };

	memset(slots, 0, sizeof(slots));
	nr_counted = 0;
	is_counting = true;
	(void)vc_ring_get_info(ring, &before);
	for (unsigned int i = 0; i < DEPTH; i++) {
		slots[i].load = &load;
		slots[i].iov = (struct iovec){ data[i], 4096 };
		slots[i].req = (struct vc_block_request){
			.done = next, .len = 4096, .nr_iov = 1, .iov = &slots[i].iov
		};
		load.nr_in_flight++;
		next(&slots[i].req, 0);
	}
	while (load.nr_in_flight > 0)
		assert_true(vc_ring_step(ring, MUST_NS) >= 0);
	is_counting = false;
	(void)vc_ring_get_info(ring, &after);
	assert_int_equal(stats_of(block).nr_failed, 0);
	assert_result(vc_block_detach(load.queue), 0);
	end_ring(ring);
	return (double)(after.nr_enters - before.nr_enters) / NR_REQUESTS;
}

static void in_memory(void **state)
{
	struct vc_block *block = open_ram(DISK_BYTES);

	(void)state;
	assert_true(run(block) < 0.25);
	assert_int_equal(nr_counted, 0);
	assert_result(vc_block_close(block), 0);
}

static void with_limits(void **state)
{
	struct vc_throttle_config limits = { .size = sizeof(limits),
					     .ops_per_s = 1000000000,
					     .bytes_per_s = 1000000000000 };
	struct vc_throttle *throttle = NULL;
	struct vc_block *block;

	(void)state;
	assert_result(vc_throttle_create(&limits, &throttle), 0);
	block = open_block((struct vc_block_config){ .kind = VC_BLOCK_RAM,
						     .size_bytes = DISK_BYTES,
						     .throttle = throttle,
						     .group = throttle });
	(void)run(block);
	assert_int_equal(nr_counted, 0);
	assert_result(vc_block_close(block), 0);
	vc_throttle_destroy(throttle);
}

/* In the page cache; how many system calls is the kernel's choice where it works on threads. */
static void on_a_file(void **state)
{
	char path[] = "/var/tmp/vc-costs-XXXXXX";
	struct vc_block *block;
	double enters;

	(void)state;
	make_image(path, DISK_BYTES);
	block = open_file(path, VC_BLOCK_UNSAFE);
	enters = run(block);
	print_message("%.3f system calls for each request\n", enters);
	assert_int_equal(nr_counted, 0);
	assert_result(vc_block_close(block), 0);
	(void)unlink(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory),
		cmocka_unit_test(with_limits),
		cmocka_unit_test(on_a_file),
	};

	choose_engine(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
