/* SPDX-License-Identifier: Apache-2.0 */
/* The fault loop itself: what it must find, it finds; what is clean, it passes. */
#include "fault.h"
#include "unit.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum fault_kind {
	CLEAN,
	KEEPS_FD,
	KEEPS_MEMORY,
	KEEPS_MAPPING,
	KEEPS_PIECE,
	KEEPS_THREAD,
	HIDES,
	MUTE
};

static int pipe_fds[2];
static void *volatile kept; /* also keeps the compiler from leaving allocations out */

static void *wait_for_end(void *arg)
{
	char byte;

	return read(pipe_fds[0], &byte, 1) < 0 ? arg : NULL;
}

/* Two files and some memory; each kind goes wrong in its way when the second file fails. */
static int work(void *opaque)
{
	enum fault_kind kind = *(enum fault_kind *)opaque;
	void *memory = kept = malloc(10);
	int one = -1, two = -1, r = -ENOMEM;
	uint8_t *pages = MAP_FAILED;
	pthread_t thread;

	if (memory)
		pages = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages != MAP_FAILED)
		one = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (one >= 0)
		two = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = two >= 0 || (kind == HIDES && one >= 0) ? 0 : -ENOMEM;
	if (r < 0 && !(kind == MUTE && one >= 0))
		vc_error_set(r, "test", NULL, "failed");
	if (r == 0 || one < 0)
		kind = CLEAN;

	if (kind == KEEPS_THREAD)
		pthread_create(&thread, NULL, wait_for_end, NULL);
	if (kind != KEEPS_FD && one >= 0)
		close(one);
	if (two >= 0)
		close(two);
	if (kind != KEEPS_MEMORY)
		free(memory);
	if (pages != MAP_FAILED && kind == KEEPS_PIECE) {
		munmap(pages, 4096);
		munmap(pages + 2 * 4096, 4096);
	} else if (pages != MAP_FAILED && kind != KEEPS_MAPPING) {
		munmap(pages, 3 * 4096);
	}
	return r;
}

static bool try_kind(enum fault_kind kind, char *why, size_t size)
{
	struct fault_config cfg = { .fn = work, .opaque = &kind };
	unsigned int nr = 0;
	bool ok = fault_try(&cfg, &nr, why, size);

	if (ok)
		assert_int_equal(nr, 4);
	return ok;
}

static void clean_passes(void **state)
{
	char why[512] = "";

	(void)state;
	if (!try_kind(CLEAN, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(fault_count("malloc"), 1);
	assert_int_equal(fault_count("open64"), 2);
	assert_int_equal(fault_count("nothing"), 0);
}

static void faults_are_found(void **state)
{
	char why[512];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	for (int kind = KEEPS_FD; kind <= MUTE; kind++) {
		why[0] = '\0';
		if (try_kind((enum fault_kind)kind, why, sizeof(why)))
			fail_msg("kind %d went unnoticed", kind);
		assert_non_null(strstr(why, "call 4 failing (open64"));
		if (kind == KEEPS_THREAD)
			assert_int_equal(write(pipe_fds[1], "x", 1), 1);
		if (kind == KEEPS_MEMORY)
			free(kept);
	}
}

/* What is failing only after fault_may_survive(), or is listed, may come out as success. */
static int survives(void *opaque)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)opaque;
	if (fd >= 0)
		close(fd);
	fault_may_survive();
	kept = malloc(10);
	free(kept);
	return 0;
}

static void survival(void **state)
{
	static const char *const listed[] = { "open64", NULL };
	struct fault_config cfg = { .fn = survives, .may_survive = listed };
	unsigned int nr;
	char why[512];

	(void)state;
	assert_int_equal(fault_each(&cfg), 2);
	cfg.may_survive = NULL;
	assert_false(fault_try(&cfg, &nr, why, sizeof(why)));
	assert_non_null(strstr(why, "call 1 failing (open64"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_passes),
		cmocka_unit_test(faults_are_found),
		cmocka_unit_test(survival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
