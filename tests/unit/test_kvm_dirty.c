/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dirty log against a guest whose writes are known: no page it or the host wrote is missing, in
 * bitmap and in ring mode. More may be there (pages that were only read, page tables), but not all.
 */
#include "cpu_fixture.h"

#include <errno.h>

#define FIRST_PAGE 4096u /* of the guest's writes: 16 MiB */
#define NR_PAGES   2048u
#define PER_ROUND  300u
#define NR_ROUNDS  4u
#define ALL_PAGES  (RIG_BYTES / 4096)
#define HOST_PAGE  7000u /* one that only the host writes */

static uint64_t bits[ALL_PAGES / 64], taken[ALL_PAGES / 64];

static bool has(const uint64_t *map, uint64_t page)
{
	return map[page / 64] >> page % 64 & 1;
}

static void take(struct rig *rig)
{
	int64_t nr = vc_partition_dirty_take(rig->partition, 0, taken, ARRAY_LEN(taken));
	int64_t found = 0;

	assert_true(nr >= 0);
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		found += __builtin_popcountll(taken[i]);
		bits[i] |= taken[i];
	}
	assert_int_equal(nr, found);
}

/* Runs one round; a full ring is emptied on the way. */
static uint32_t run_round(struct rig *rig, struct world *world)
{
	uint32_t nr_full = 0;

	for (;;) {
		struct vc_exit *exit = rig_run(rig);

		if (exit->kind == VC_EXIT_DIRTY_FULL) {
			nr_full++;
			take(rig);
			continue;
		}
		if (exit->kind == VC_EXIT_PIO && exit->addr == 0x710)
			return nr_full;
		world_answer(world, exit);
		assert_false(world->is_over);
	}
}

static uint32_t check_rounds(const struct vc_partition_config *cfg)
{
	uint64_t prng = 1;
	uint32_t nr_full = 0;
	struct world world;
	struct rig rig;
	char cmdline[128];

	world_init(&world);
	snprintf(cmdline, sizeof(cmdline), "base=0x1000000 pages=%u count=%u rounds=%u sync=0x710",
		 NR_PAGES, PER_ROUND, NR_ROUNDS);
	rig_guest(&rig, cfg, "dirty.elf", cmdline);
	rig_until(&rig, &world, "dirty ready");
	assert_result(vc_partition_dirty_start(rig.partition), 0);
	for (uint32_t round = 0; round < NR_ROUNDS; round++) {
		uint32_t nr = 0;

		memset(bits, 0, sizeof(bits));
		nr_full += run_round(&rig, &world);
		assert_result(vc_mem_write(rig.mem, HOST_PAGE * 4096 + 5, "x", 1), 0);
		take(&rig);
		assert_true(has(bits, HOST_PAGE));
		for (uint32_t i = 0; i < PER_ROUND; i++) {
			uint64_t page = FIRST_PAGE + guest_prng(&prng) % NR_PAGES;

			if (!has(bits, page))
				fail_msg("round %u: page %llu is missing", round,
					 (unsigned long long)page);
		}
		for (uint32_t i = FIRST_PAGE; i < FIRST_PAGE + NR_PAGES; i++)
			nr += has(bits, i);
		assert_true(nr <= PER_ROUND); /* of these pages none is only read */
	}
	/* after the guest stood still for a take, the next one is empty */
	take(&rig);
	memset(bits, 0, sizeof(bits));
	take(&rig);
	assert_false(has(bits, HOST_PAGE));
	assert_false(has(bits, FIRST_PAGE));
	vc_partition_dirty_stop(rig.partition);
	rig_finish(&rig, &world);
	assert_int_equal(world.code, 0);
	rig_free(&rig);
	return nr_full;
}

static void test_bitmap(void **state)
{
	(void)state;
	check_rounds(&(struct vc_partition_config){ .irqchip = VC_IRQCHIP_KERNEL });
}

static void skip_without_ring(void)
{
	struct vc_host *host = open_host();
	bool has_ring = vc_host_has(host, VC_CAP_DIRTY_RING);

	vc_host_close(host);
	if (!has_ring) {
		print_message("skipped: this KVM has no dirty ring\n");
		skip();
	}
}

static void test_ring(void **state)
{
	struct vc_partition_config cfg = { .dirty_ring_entries = 4096 };

	(void)state;
	skip_without_ring();
	assert_int_equal(check_rounds(&cfg), 0);
}

/* One round of writes by a guest, with the log running; how often its ring was full. */
static uint32_t run_logged(struct rig *rig, uint32_t ring_entries, const char *cmdline)
{
	struct vc_partition_config cfg = { .dirty_ring_entries = ring_entries };
	struct world world;

	skip_without_ring();
	world_init(&world);
	rig_guest(rig, &cfg, "dirty.elf", cmdline);
	rig_until(rig, &world, "dirty ready");
	assert_result(vc_partition_dirty_start(rig->partition), 0);
	memset(bits, 0, sizeof(bits));
	return run_round(rig, &world);
}

/* More writes than the ring holds. */
static void test_full_ring_loses_nothing(void **state)
{
	uint64_t prng = 1;
	struct rig rig;

	(void)state;
	assert_true(run_logged(&rig, 1024, "base=0x1000000 pages=3000 count=6000 sync=0x710") > 0);
	take(&rig);
	for (uint32_t i = 0; i < 6000; i++)
		assert_true(has(bits, FIRST_PAGE + guest_prng(&prng) % 3000));
	rig_free(&rig); /* with the log running */
}

/* Pages written by a vCPU that is gone are reported all the same. */
static void test_ring_of_a_destroyed_vcpu(void **state)
{
	uint64_t prng = 1;
	struct rig rig;

	(void)state;
	(void)run_logged(&rig, 4096, "base=0x1000000 pages=100 count=50 sync=0x710");
	assert_result(vc_vcpu_detach(rig.vcpu), 0);
	vc_vcpu_destroy(rig.vcpu);
	rig.vcpu = NULL;
	rig.is_attached = false;
	take(&rig);
	for (uint32_t i = 0; i < 50; i++)
		assert_true(has(bits, FIRST_PAGE + guest_prng(&prng) % 100));
	rig_free(&rig);
}

static void test_start_stop_and_refusals(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_refused(vc_partition_dirty_take(rig.partition, 0, bits, ARRAY_LEN(bits)), -EINVAL,
		       "no dirty log");
	assert_refused(vc_partition_dirty_start(NULL), -EINVAL, "");
	for (uint32_t i = 0; i < 3; i++) {
		assert_result(vc_partition_dirty_start(rig.partition), 0);
		assert_refused(vc_partition_dirty_start(rig.partition), -EALREADY, "already");
		assert_refused(vc_partition_dirty_take(rig.partition, 0, bits, 3), -EINVAL,
			       "3 words");
		assert_refused(vc_partition_dirty_take(rig.partition, 0, NULL, 0), -EINVAL, "");
		assert_int_equal(vc_partition_dirty_take(rig.partition, 9, bits, ARRAY_LEN(bits)),
				 -ENOENT);
		assert_result(vc_partition_dirty_take(rig.partition, 0, bits, ARRAY_LEN(bits)), 0);
		vc_partition_dirty_stop(rig.partition);
		vc_partition_dirty_stop(rig.partition);
	}
	vc_partition_dirty_stop(NULL);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bitmap),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_full_ring_loses_nothing),
		cmocka_unit_test(test_ring_of_a_destroyed_vcpu),
		cmocka_unit_test(test_start_stop_and_refusals),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
