/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty log: exact bits, ranges that lie, take under writers. */
#include "mem_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

static uint64_t count(struct vc_mem *mem)
{
	uint64_t bits[64], found = 0;

	for (size_t i = 0;; i++) {
		int64_t n;

		memset(bits, 0, sizeof(bits));
		n = vc_mem_dirty_take(mem, i, bits, ARRAY_LEN(bits));
		if (n == -ENOENT)
			return found;
		assert_true(n >= 0);
		found += (uint64_t)n;
	}
}

static void nothing_without_a_log(void **state)
{
	struct vc_mem *mem = make_sample();
	uint64_t bits[64] = { 0 };

	(void)state;
	vc_mem_dirty_mark(mem, 0, KIB(64));
	vc_mem_dirty_mark(NULL, 0, KIB(64));
	assert_refused(vc_mem_dirty_take(mem, 0, bits, 64), -EINVAL, "no dirty log");
	assert_result(vc_mem_dirty_start(mem), 0);
	assert_refused(vc_mem_dirty_start(mem), -EALREADY, "runs");
	assert_int_equal(count(mem), 0);
	vc_mem_dirty_stop(mem);
	vc_mem_dirty_stop(mem);
	vc_mem_dirty_stop(NULL);
	assert_result(vc_mem_dirty_start(mem), 0);
	vc_mem_destroy(mem); /* with the log still running */
}

struct mark {
	uint64_t gpa, len;
	uint64_t pages; /* that count as dirty */
};

static void ranges_are_clipped(void **state)
{
	static const struct mark all[] = {
		{ 0, 0, 0 },
		{ 0, 1, 1 },
		{ 4095, 2, 2 },
		{ 4096, 4096, 1 },
		{ 0, KIB(64), 16 },
		{ KIB(64) - 1, 2, 2 },		  /* the last page of low, the first of rom */
		{ KIB(72), MIB(1) - KIB(72), 0 }, /* the hole, exactly */
		{ KIB(72) - 1, MIB(1) - KIB(72) + 2, 2 },
		{ 0, UINT64_MAX, 16 + 2 + 256 + 16 },
		{ 1, UINT64_MAX, 16 + 2 + 256 + 16 }, /* ends behind the last address */
		{ MIB(1), UINT64_MAX, 256 + 16 },
		{ UINT64_MAX, UINT64_MAX, 0 },
		{ TOP_GPA + KIB(64) - 1, UINT64_MAX, 1 },
	};
	struct vc_mem *mem = make_sample();

	(void)state;
	assert_result(vc_mem_dirty_start(mem), 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		vc_mem_dirty_mark(mem, all[i].gpa, all[i].len);
		assert_int_equal(count(mem), all[i].pages);
		assert_int_equal(count(mem), 0);
	}
	vc_mem_destroy(mem);
}

/* Every page of a region of 200 pages (three words and a bit), alone, and every run from there. */
static void exact_bits(void **state)
{
	struct vc_mem *mem = make_map();
	uint64_t bits[4], want[4];

	(void)state;
	map_ram(mem, "before", 0, KIB(4), 0);
	map_ram(mem, "ram", MIB(1), KIB(4) * 200, 0);
	assert_result(vc_mem_freeze(mem), 0);
	assert_result(vc_mem_dirty_start(mem), 0);
	for (uint64_t first = 0; first < 200; first++) {
		for (uint64_t nr = 1; nr <= 200 - first; nr += 13) {
			memset(bits, 0, sizeof(bits));
			memset(want, 0, sizeof(want));
			for (uint64_t i = first; i < first + nr; i++)
				want[i / 64] |= 1ull << i % 64;
			vc_mem_dirty_mark(mem, MIB(1) + first * 4096 + 17, nr * 4096 - 17);
			assert_int_equal(vc_mem_dirty_take(mem, 1, bits, 4), nr);
			assert_memory_equal(bits, want, sizeof(bits));
		}
	}
	assert_int_equal(count(mem), 0);
	vc_mem_destroy(mem);
}

static void bits_are_added(void **state)
{
	struct vc_mem *mem = make_sample();
	uint64_t bits[4] = { 0x8000000000000001, 0, 0, 7 };

	(void)state;
	assert_result(vc_mem_dirty_start(mem), 0);
	vc_mem_dirty_mark(mem, MIB(1) + KIB(4), 1);
	assert_int_equal(vc_mem_dirty_take(mem, 2, bits, 4), 1);
	assert_int_equal(bits[0], 0x8000000000000003);
	assert_int_equal(bits[3], 7);
	assert_refused(vc_mem_dirty_take(mem, 2, bits, 3), -EINVAL, "3 words, expected 4");
	assert_refused(vc_mem_dirty_take(mem, 2, NULL, 4), -EINVAL, "no place");
	assert_refused(vc_mem_dirty_take(NULL, 2, bits, 4), -EINVAL, "no map");
	assert_int_equal(vc_mem_dirty_take(mem, 4, bits, 4), -ENOENT);
	vc_mem_destroy(mem);
}

/* Slices count when they are put, reads never do. */
static void what_marks(void **state)
{
	struct vc_mem *mem = make_sample();
	struct vc_slice slice;
	uint8_t bytes[KIB(8)] = { 0 };

	(void)state;
	assert_int_equal(vc_slice_get(mem, KIB(4), KIB(8), VC_PERM_WRITE, &slice), 0);
	assert_result(vc_mem_dirty_start(mem), 0);
	assert_int_equal(count(mem), 0);
	vc_slice_put(&slice); /* got before the log began: counts */
	assert_int_equal(count(mem), 2);
	assert_int_equal(vc_slice_get(mem, KIB(4), KIB(8), VC_PERM_READ, &slice), 0);
	vc_slice_put(&slice);
	assert_int_equal(vc_mem_read(mem, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(count(mem), 0);
	assert_int_equal(vc_mem_write(mem, KIB(2), bytes, sizeof(bytes)), 0);
	assert_int_equal(count(mem), 3);
	assert_int_equal(vc_mem_write(mem, KIB(64) - 1, bytes, 2), -EROFS);
	assert_int_equal(count(mem), 0);
	vc_mem_destroy(mem);
}

static void states(void **state)
{
	struct vc_mem *mem = make_map();

	(void)state;
	assert_refused(vc_mem_dirty_start(NULL), -EINVAL, "no map");
	assert_refused(vc_mem_dirty_start(mem), -EINVAL, "not frozen");
	assert_result(vc_mem_freeze(mem), 0);
	assert_result(vc_mem_dirty_start(mem), 0); /* an empty map has an empty log */
	vc_mem_dirty_mark(mem, 0, UINT64_MAX);
	assert_int_equal(count(mem), 0);
	vc_mem_destroy(mem);
}

/*
 * Writers stamp pages with a rising number while the log is taken again and again: in the end every
 * page of which the taker has an old copy must have been logged after that copy was made.
 */
#define NR_PAGES  64
#define NR_ROUNDS 2000

struct race {
	struct vc_mem *mem;
	_Atomic uint64_t *stamps; /* the first word of each page */
	_Atomic int nr_running;
	_Atomic unsigned int seed;
};

static void *stamp(void *arg)
{
	struct race *race = arg;
	unsigned int seed = atomic_fetch_add(&race->seed, 1) * 2654435761u;

	for (int i = 0; i < NR_ROUNDS; i++) {
		seed = seed * 1664525 + 1013904223;
		atomic_fetch_add_explicit(&race->stamps[(seed >> 16) % NR_PAGES * 512], 1,
					  memory_order_relaxed);
		vc_mem_dirty_mark(race->mem, (uint64_t)((seed >> 16) % NR_PAGES) * 4096, 8);
	}
	atomic_fetch_sub(&race->nr_running, 1);
	return NULL;
}

static void take_copies(struct race *race, uint64_t *copies)
{
	uint64_t bits = 0;

	assert_true(vc_mem_dirty_take(race->mem, 0, &bits, 1) >= 0);
	for (unsigned int i = 0; i < NR_PAGES; i++) {
		if (bits >> i & 1)
			copies[i] =
				atomic_load_explicit(&race->stamps[i * 512], memory_order_relaxed);
	}
}

static void no_write_is_lost(void **state)
{
	struct race race = { .mem = make_map(), .nr_running = 3 };
	uint64_t copies[NR_PAGES] = { 0 };
	void *ram;
	pthread_t threads[3];

	(void)state;
	map_ram(race.mem, "ram", 0, NR_PAGES * 4096, 0);
	assert_result(vc_mem_freeze(race.mem), 0);
	assert_result(vc_mem_backing(race.mem, 0, &ram), 0);
	race.stamps = ram;
	assert_result(vc_mem_dirty_start(race.mem), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stamp, &race), 0);
	while (atomic_load(&race.nr_running) > 0)
		take_copies(&race, copies);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	take_copies(&race, copies);
	for (unsigned int i = 0; i < NR_PAGES; i++)
		assert_int_equal(copies[i], race.stamps[i * 512]);
	vc_mem_destroy(race.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_without_a_log),
		cmocka_unit_test(ranges_are_clipped),
		cmocka_unit_test(exact_bits),
		cmocka_unit_test(bits_are_added),
		cmocka_unit_test(what_marks),
		cmocka_unit_test(states),
		cmocka_unit_test(no_write_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
