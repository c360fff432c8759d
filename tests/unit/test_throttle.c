/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets: exact times, the bound over every window of a random load, groups, new limits. */
#include "unit.h"

#include "throttle.h"

#include <errno.h>
#include <pthread.h>

#define MS 1000000ull
#define S  (1000 * MS)

static struct vc_throttle *make(struct vc_throttle_config cfg)
{
	struct vc_throttle *throttle = NULL;

	cfg.size = sizeof(cfg);
	assert_result(vc_throttle_create(&cfg, &throttle), 0);
	return throttle;
}

static void no_limit(void **state)
{
	struct vc_throttle *throttle = make((struct vc_throttle_config){ .ops_per_s = 0 });

	(void)state;
	assert_int_equal(vc_throttle_reserve(throttle, 1000, UINT64_MAX, 7), 7);
	assert_int_equal(vc_throttle_reserve(throttle, 1000, UINT64_MAX, 7), 7);
	assert_int_equal(vc_throttle_reserve(NULL, 1000, UINT64_MAX, 9), 9);
	vc_throttle_destroy(throttle);
	vc_throttle_destroy(NULL);
}

static void burst_then_rate(void **state)
{
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .ops_per_s = 100, .ops_burst = 5 });
	unsigned int i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S);
	for (i = 1; i <= 50; i++)
		assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S + i * 10 * MS);
	/* Nobody came for long: the burst again, and not a token more. */
	for (i = 0; i < 5; i++)
		assert_int_equal(vc_throttle_reserve(throttle, 1, 0, 100 * S), 100 * S);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, 100 * S), 100 * S + 10 * MS);
	vc_throttle_destroy(throttle);
}

static void default_burst(void **state)
{
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .ops_per_s = 1000, .bytes_per_s = 1000000 });
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		assert_int_equal(vc_throttle_reserve(throttle, 1, 1000, S), S);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S + MS);
	assert_int_equal(vc_throttle_reserve(throttle, 0, 5000, S), S + 5 * MS);
	vc_throttle_destroy(throttle);
	/* Less than one in a tenth of a second: still the first goes at once. */
	throttle = make((struct vc_throttle_config){ .ops_per_s = 1 });
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), 2 * S);
	vc_throttle_destroy(throttle);
}

/* The slower of the two decides. */
static void both_buckets(void **state)
{
	struct vc_throttle *throttle = make((struct vc_throttle_config){
		.ops_per_s = 1000, .ops_burst = 1, .bytes_per_s = 1000, .bytes_burst = 1 });

	(void)state;
	assert_int_equal(vc_throttle_reserve(throttle, 1, 1, S), S);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 1000, S), S + MS);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 1, S), S + 1001 * MS);
	vc_throttle_destroy(throttle);
}

/* One that is larger than the burst goes when the bucket is full, and the next waits for it. */
static void larger_than_the_burst(void **state)
{
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .bytes_per_s = 1000, .bytes_burst = 100 });

	(void)state;
	assert_int_equal(vc_throttle_reserve(throttle, 1, 1000, S), S);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 100, S), 2 * S);
	vc_throttle_destroy(throttle);
}

/* Nothing wraps: what cannot be paid for in the machine's life never goes. */
static void enormous(void **state)
{
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .ops_per_s = 1, .ops_burst = 1 });
	uint64_t at;

	(void)state;
	assert_int_equal(vc_throttle_reserve(throttle, UINT64_MAX, 0, S), S);
	at = vc_throttle_reserve(throttle, UINT64_MAX, 0, S);
	assert_true(at > 1000000 * S);
	assert_true(vc_throttle_reserve(throttle, 1, 0, S) >= at);
	assert_true(vc_throttle_reserve(throttle, 1, 0, 2 * S) >= at);
	vc_throttle_destroy(throttle);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

#define NR_OPS 4000u

/* Every window between two operations of a random load holds the promise, and no time is wasted. */
static void bound_of_every_window(void **state)
{
	static uint64_t at[NR_OPS], sum[NR_OPS + 1];
	const uint64_t rate = 333333, burst = 10007, most = 20000;
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .bytes_per_s = rate, .bytes_burst = burst });
	uint64_t seed = 1, now = S;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < NR_OPS; i++) {
		uint64_t bytes = next_random(&seed) % most + 1;

		if (next_random(&seed) % 50 == 0)
			now += next_random(&seed) % S;
		now = vc_throttle_reserve(throttle, 1, bytes, now);
		at[i] = now;
		sum[i + 1] = sum[i] + bytes;
	}
	for (i = 0; i < NR_OPS; i += 7)
		for (j = i; j < NR_OPS; j++) {
			uint64_t allowed = (at[j] - at[i]) * rate / S + 1 + burst;

			assert_true(sum[j + 1] - sum[i] <= allowed + most);
		}
	/* Kept busy it gives what it promises, to a thousandth. */
	i = NR_OPS - 1;
	now = at[i];
	for (j = 0, sum[0] = 0; j < 10000; j++, sum[0] += 1000)
		now = vc_throttle_reserve(throttle, 1, 1000, now);
	assert_true(sum[0] * S / rate * 999 / 1000 < now - at[i] + 2 * burst * S / rate);
	assert_true(now - at[i] < sum[0] * S / rate * 1001 / 1000);
	vc_throttle_destroy(throttle);
}

#define NR_EACH 1000000u

struct taker {
	struct vc_throttle *throttle;
	pthread_barrier_t *start;
	uint64_t last;
};

static void *take_many(void *opaque)
{
	struct taker *taker = opaque;

	(void)pthread_barrier_wait(taker->start);
	for (unsigned int i = 0; i < NR_EACH; i++) {
		uint64_t at = vc_throttle_reserve(taker->throttle, 1, 0, S);

		assert_true(at > taker->last || at == S);
		taker->last = at;
	}
	return NULL;
}

/* Members of a group on threads of their own: no token is lost and none is given twice. */
static void share_once(void)
{
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .ops_per_s = 1000000, .ops_burst = 1 });
	pthread_barrier_t start;
	struct taker takers[2] = { { .throttle = throttle, .start = &start },
				   { .throttle = throttle, .start = &start } };
	pthread_t thread;

	assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, take_many, &takers[1]), 0);
	(void)take_many(&takers[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_barrier_destroy(&start), 0);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S + 2 * NR_EACH * 1000ull);
	vc_throttle_destroy(throttle);
}

/* On a busy machine the two may run one after the other, but not always. */
static void group(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < (HAS_TSAN ? 2 : 20); i++)
		share_once();
}

static void new_limits(void **state)
{
	struct vc_throttle *throttle =
		make((struct vc_throttle_config){ .ops_per_s = 1, .ops_burst = 1 });
	struct vc_throttle_config fast = { .size = sizeof(fast),
					   .ops_per_s = 1000,
					   .ops_burst = 1 };
	uint32_t generation = vc__throttle_generation(throttle);

	(void)state;
	(void)vc_throttle_reserve(throttle, 1000, 0, S);
	assert_true(vc_throttle_reserve(throttle, 1, 0, S) > 900 * S);
	assert_result(vc_throttle_set(throttle, &fast), 0);
	assert_int_not_equal(vc__throttle_generation(throttle), generation);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S);
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S + MS);
	fast.ops_burst = 3600001;
	assert_refused(vc_throttle_set(throttle, &fast), -EINVAL, "hour");
	assert_int_equal(vc_throttle_reserve(throttle, 1, 0, S), S + 2 * MS);
	assert_int_equal(vc__throttle_generation(NULL), 0);
	vc_throttle_destroy(throttle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit),
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(default_burst),
		cmocka_unit_test(both_buckets),
		cmocka_unit_test(larger_than_the_burst),
		cmocka_unit_test(enormous),
		cmocka_unit_test(bound_of_every_window),
		cmocka_unit_test(group),
		cmocka_unit_test(new_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
