/* SPDX-License-Identifier: Apache-2.0 */
/* Touching ahead: every page once, by any number of threads, which are gone afterwards. */
#include "mem_fixture.h"

#include "region.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

/* madvise, watched: pages asked for, threads that asked, and one that fails. */
static _Atomic uint64_t bytes_touched;
static _Atomic unsigned int nr_calls, nr_unblocked, fail_at, nr_interrupts;
static _Atomic int fail_with, last_advice;

int __real_madvise(void *p, size_t len, int advice);
int __wrap_madvise(void *p, size_t len, int advice);

int __wrap_madvise(void *p, size_t len, int advice)
{
	sigset_t mask;

	if (nr_interrupts > 0) {
		nr_interrupts--;
		errno = EINTR;
		return -1;
	}
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	nr_unblocked += !sigismember(&mask, SIGUSR1);
	last_advice = advice;
	if (++nr_calls == fail_at) {
		errno = fail_with;
		return -1;
	}
	bytes_touched += len;
	return __real_madvise(p, len, advice);
}

static int fail_create;

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	if (fail_create > 0 && --fail_create == 0)
		return EAGAIN;
	return __real_pthread_create(t, a, fn, arg);
}

static void reset(void)
{
	bytes_touched = 0;
	nr_calls = nr_unblocked = fail_at = nr_interrupts = 0;
	fail_create = 0;
}

static struct vc_region region_of(uint64_t len)
{
	struct vc_region r = { .name = "r", .len_bytes = len, .page_bytes = 4096, .fd = -EBADF };

	r.hva = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r.hva, MAP_FAILED);
	return r;
}

static unsigned int nr_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned int nr = 0;

	for (struct dirent *e = readdir(d); e; e = readdir(d))
		nr += e->d_name[0] != '.';
	closedir(d);
	return nr;
}

/* As many as at the start, when a sanitizer has made the one it makes at the first thread. */
static unsigned int nr_threads_before;

static void *do_nothing(void *arg)
{
	return arg;
}

static int count_threads(void **state)
{
	pthread_t thread;

	(void)state;
	if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
		return -1;
	pthread_join(thread, NULL);
	nr_threads_before = nr_threads();
	return 0;
}

/* A joined thread may be listed a moment longer. */
static bool threads_are_gone(void)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 1000 && nr_threads() > nr_threads_before; i++)
		nanosleep(&ms, NULL);
	return nr_threads() == nr_threads_before;
}

static void whole_by_any_number_of_threads(void **state)
{
	static const uint64_t sizes[] = { 4096, MIB(32), MIB(32) + 4096, MIB(160) - 4096 };
	static const uint32_t threads[] = { 0, 1, 2, 3, 256 };

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
			struct vc_region r = region_of(sizes[s]);

			reset();
			assert_int_equal(vc__region_populate(&r, threads[t]), 0);
			assert_int_equal(bytes_touched, sizes[s]);
			assert_int_equal(last_advice, MADV_POPULATE_WRITE);
			/* Signals are blocked on our threads, and as they were on the caller's. */
			assert_int_equal(nr_unblocked, threads[t] ? 0 : nr_calls);
			munmap(r.hva, r.len_bytes);
		}
	}
	assert_true(threads_are_gone());
}

static void huge_pages_are_not_split(void **state)
{
	struct vc_region r = region_of(GIB(1));

	(void)state;
	reset();
	r.page_bytes = GIB(1);
	fail_at = 1; /* the test has no such page: look at the call only */
	fail_with = ENOMEM;
	assert_int_equal(vc__region_populate(&r, 2), -ENOMEM);
	assert_int_equal(nr_calls, 1);
	munmap(r.hva, r.len_bytes);
}

static void files_that_are_not_written(void **state)
{
	struct vc_region r = region_of(KIB(64));

	(void)state;
	r.kind = VC_REGION_FILE;
	assert_int_equal(vc__region_populate(&r, 0), 0);
	assert_int_equal(last_advice, MADV_POPULATE_WRITE);
	r.flags = VC_REGION_PRIVATE;
	assert_int_equal(vc__region_populate(&r, 0), 0);
	assert_int_equal(last_advice, MADV_POPULATE_READ);
	r.flags = VC_REGION_READONLY;
	assert_int_equal(vc__region_populate(&r, 0), 0);
	assert_int_equal(last_advice, MADV_POPULATE_READ);
	munmap(r.hva, r.len_bytes);
}

static void the_first_error_comes_out(void **state)
{
	(void)state;
	for (uint32_t threads = 0; threads <= 3; threads++) {
		struct vc_region r = region_of(MIB(160));

		reset();
		fail_at = 2;
		fail_with = EFAULT;
		assert_int_equal(vc__region_populate(&r, threads), -EFAULT);
		assert_true(bytes_touched < MIB(160));
		munmap(r.hva, r.len_bytes);
	}
	assert_true(threads_are_gone());
}

static void interrupted_calls_go_on(void **state)
{
	struct vc_region r = region_of(KIB(64));

	(void)state;
	reset();
	nr_interrupts = 3;
	assert_int_equal(vc__region_populate(&r, 0), 0);
	assert_int_equal(bytes_touched, KIB(64));
	munmap(r.hva, r.len_bytes);
}

static void no_thread(void **state)
{
	(void)state;
	for (int nth = 1; nth <= 3; nth++) {
		struct vc_region r = region_of(MIB(96));
		char part[32];

		reset();
		fail_create = nth;
		snprintf(part, sizeof(part), "thread %d of 3", nth);
		assert_refused(vc__region_populate(&r, 3), -EAGAIN, part);
		munmap(r.hva, r.len_bytes);
	}
	assert_true(threads_are_gone());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_by_any_number_of_threads),
		cmocka_unit_test(huge_pages_are_not_split),
		cmocka_unit_test(files_that_are_not_written),
		cmocka_unit_test(the_first_error_comes_out),
		cmocka_unit_test(interrupted_calls_go_on),
		cmocka_unit_test(no_thread),
	};

	return cmocka_run_group_tests(tests, count_threads, NULL);
}
