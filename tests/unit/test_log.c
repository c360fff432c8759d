/* SPDX-License-Identifier: Apache-2.0 */
/* The log sink: level, rate, burst, count of what was dropped. The clock is the test's. */
#include "unit.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define MS 1000000ull

static _Atomic uint64_t clock_ns;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ns = clock_ns;

	(void)id;
	ts->tv_sec = (time_t)(ns / 1000000000ull);
	ts->tv_nsec = (long)(ns % 1000000000ull);
	return 0;
}

struct seen {
	_Atomic unsigned int nr;
	_Atomic uint64_t nr_suppressed;
	char line[1024];
	size_t text_len;
};

static void see(void *opaque, const struct vc_log_record *record)
{
	struct seen *seen = opaque;

	seen->nr++;
	seen->nr_suppressed += record->nr_suppressed;
	if (seen->text_len != SIZE_MAX) {
		seen->text_len = strlen(record->text);
		snprintf(seen->line, sizeof(seen->line), "%u|%s|%s|%s", (unsigned int)record->level,
			 record->subsystem, record->object, record->text);
	}
	errno = EDOM; /* a callback that does not care */
}

static struct vc_log *make(struct seen *seen, enum vc_log_level level, uint32_t rate,
			   uint32_t burst)
{
	struct vc_log_config cfg = {
		.size = sizeof(cfg),
		.fn = see,
		.opaque = seen,
		.level = level,
		.rate_per_s = rate,
		.burst = burst,
	};
	struct vc_log *log = NULL;

	clock_ns = 5000 * MS;
	assert_result(vc_log_create(&cfg, &log), 0);
	return log;
}

static void delivers(void **state)
{
	struct seen seen = { 0 };
	struct vc_log *log = make(&seen, VC_LOG_INFO, 0, 0);

	(void)state;
	errno = EPIPE;
	vc_log_write(log, VC_LOG_INFO, "dev", "serial0", "got %d", 7);
	assert_int_equal(errno, EPIPE);
	assert_string_equal(seen.line, "2|dev|serial0|got 7");
	vc_log_write(log, VC_LOG_ERROR, NULL, NULL, "a\nb");
	assert_string_equal(seen.line, "0|||a?b");
	vc_log_write(log, VC_LOG_DEBUG, "dev", NULL, "too low");
	assert_int_equal(seen.nr, 2);
	vc_log_write(log, VC_LOG_INFO, "dev", NULL, "%0600d", 1);
	assert_int_equal(seen.text_len, 512);
	vc_log_write(NULL, VC_LOG_ERROR, "dev", NULL, "nobody");
	assert_int_equal(seen.nr, 3);
	vc_log_destroy(log);
	vc_log_destroy(NULL);
}

static void burst_then_rate(void **state)
{
	struct seen seen = { 0 };
	struct vc_log *log = make(&seen, VC_LOG_ERROR, 10, 5);

	(void)state;
	for (int i = 0; i < 100; i++)
		vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "flood");
	assert_int_equal(seen.nr, 5);
	assert_int_equal(seen.nr_suppressed, 0);
	clock_ns += 99 * MS;
	vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "too early");
	assert_int_equal(seen.nr, 5);
	clock_ns += 1 * MS;
	vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "one more");
	assert_int_equal(seen.nr, 6);
	assert_int_equal(seen.nr_suppressed, 96);
	/* A long rest fills the bucket, not more. */
	clock_ns += 3600 * 1000 * MS;
	for (int i = 0; i < 100; i++)
		vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "flood");
	assert_int_equal(seen.nr, 11);
	vc_log_destroy(log);
}

static void defaults_and_extremes(void **state)
{
	struct seen seen = { 0 };
	struct vc_log *log = make(&seen, VC_LOG_ERROR, 0, 0);

	(void)state;
	for (int i = 0; i < 100; i++)
		vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "flood");
	assert_int_equal(seen.nr, 20);
	clock_ns += 1000 * MS;
	for (int i = 0; i < 100; i++)
		vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "flood");
	assert_int_equal(seen.nr, 30);
	vc_log_destroy(log);

	log = make(&seen, VC_LOG_ERROR, 1, UINT32_MAX);
	seen.nr = 0;
	for (int i = 0; i < 1000; i++)
		vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "flood");
	assert_int_equal(seen.nr, 1000);
	vc_log_destroy(log);

	log = make(&seen, VC_LOG_ERROR, UINT32_MAX, 1);
	vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "unlimited");
	vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "unlimited");
	assert_int_equal(seen.nr, 1002);
	vc_log_destroy(log);
}

/* Without a callback records are dropped, whatever their number. */
static void no_callback(void **state)
{
	struct vc_log_config cfg = { .size = sizeof(cfg) };
	struct vc_log *log = NULL;

	(void)state;
	assert_result(vc_log_create(&cfg, &log), 0);
	for (int i = 0; i < 100; i++)
		vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "nobody listens");
	vc_log_destroy(log);
}

static void *flood(void *opaque)
{
	for (int i = 0; i < 10000; i++)
		vc_log_write(opaque, VC_LOG_ERROR, "dev", NULL, "flood %d", i);
	return NULL;
}

/* From many threads: never more than the burst, and every record is either seen or counted. */
static void many_threads(void **state)
{
	struct seen seen = { .text_len = SIZE_MAX };
	struct vc_log *log = make(&seen, VC_LOG_ERROR, 10, 1000);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood, log), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(seen.nr, 1000);
	clock_ns += 1000 * MS;
	vc_log_write(log, VC_LOG_ERROR, "dev", NULL, "last");
	assert_int_equal(seen.nr + seen.nr_suppressed, 40001);
	vc_log_destroy(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers),
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(defaults_and_extremes),
		cmocka_unit_test(no_callback),
		cmocka_unit_test(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
