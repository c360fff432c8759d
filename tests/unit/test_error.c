/* SPDX-License-Identifier: Apache-2.0 */
/* The last error: per thread, bounded, allocates nothing, keeps errno. */
#include "unit.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>

static int nr_allocations;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	nr_allocations++;
	return __real_malloc(size);
}

/* What a thread's function returns when it saw something wrong. */
static char *const failure = (char *)&nr_allocations;

/* Runs @fn on a thread of its own, where no error was set yet. */
static void on_fresh_thread(void *(*fn)(void *))
{
	pthread_t thread;
	void *failed;

	assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
}

static void *look_at_nothing(void *arg)
{
	struct vc_error e;

	(void)arg;
	vc_error_last(&e);
	if (e.code != 0 || strcmp(e.subsystem, "") || strcmp(e.object, "") || strcmp(e.message, ""))
		return failure;
	return strcmp(vc_error_message(), "") ? failure : NULL;
}

static void none_at_first_and_none_from_elsewhere(void **state)
{
	(void)state;
	vc_error_set(-EIO, "test", "main", "of this thread");
	on_fresh_thread(look_at_nothing);
	assert_string_equal(vc_error_message(), "test: main: of this thread");
}

static void set_and_read(void **state)
{
	struct vc_error e;

	(void)state;
	errno = ENOTTY;
	assert_int_equal(vc_error_set(-EINVAL, "mem", "ram0", "length %d, expected %d", 3, 4096),
			 -EINVAL);
	assert_int_equal(errno, ENOTTY);
	vc_error_last(&e);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.subsystem, "mem");
	assert_string_equal(e.object, "ram0");
	assert_string_equal(e.message, "length 3, expected 4096");
	assert_string_equal(vc_error_message(), "mem: ram0: length 3, expected 4096");

	vc_error_set(-EIO, "mem", NULL, "short");
	assert_string_equal(vc_error_message(), "mem: short");
	vc_error_last(&e);
	assert_string_equal(e.object, "");
	vc_error_set(-EIO, NULL, NULL, "shorter");
	assert_string_equal(vc_error_message(), "shorter");
}

/* A layer that adds to the message of the one below passes the old text as an argument. */
static void may_quote_the_last_one(void **state)
{
	struct vc_error e;

	(void)state;
	vc_error_set(-EIO, "mem", "ram0", "inner");
	vc_error_last(&e);
	vc_error_set(-EIO, "vm", e.object, "outer (%s)", e.message);
	assert_string_equal(vc_error_message(), "vm: ram0: outer (inner)");
	vc_error_set(-EIO, "vm", NULL, "%s", vc_error_message());
	assert_string_equal(vc_error_message(), "vm: vm: ram0: outer (inner)");
}

static void long_and_hostile_text(void **state)
{
	char text[4096];
	struct vc_error e;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[1] = '\n';
	vc_error_set(-EIO, text, text, "%s", text);
	vc_error_last(&e);
	assert_int_equal(strlen(e.message), 512);
	assert_int_equal(strlen(e.object), 95);
	assert_int_equal(e.message[1], '?');
	assert_int_equal(e.object[1], '?');
	assert_string_equal(strstr(vc_error_message(), e.message), e.message);
}

static void *set_on_fresh_thread(void *arg)
{
	int before = nr_allocations;

	(void)arg;
	for (int i = 0; i < 100; i++)
		vc_error_set(-EIO, "subsystem", "object", "%s %d %zu %llx", "text", i, (size_t)i,
			     5ull);
	return nr_allocations == before ? NULL : failure;
}

static void allocates_nothing(void **state)
{
	(void)state;
	on_fresh_thread(set_on_fresh_thread);
}

static void version(void **state)
{
	(void)state;
	assert_int_equal(vc_version_get(),
			 VC_VERSION_MAJOR << 16 | VC_VERSION_MINOR << 8 | VC_VERSION_PATCH);
	assert_int_equal(vc_version_get(), 0x000100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_at_first_and_none_from_elsewhere),
		cmocka_unit_test(set_and_read),
		cmocka_unit_test(may_quote_the_last_one),
		cmocka_unit_test(long_and_hostile_text),
		cmocka_unit_test(allocates_nothing),
		cmocka_unit_test(version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
