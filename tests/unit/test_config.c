/* SPDX-License-Identifier: Apache-2.0 */
/* Size-versioned structs: older, newer, wrong. Also the helpers of implement.h. */
#include "unit.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>

struct v1 {
	size_t size;
	uint64_t a;
};

struct v2 {
	size_t size;
	uint64_t a;
	uint64_t b;
};

static void same_version(void **state)
{
	struct v2 src = { .size = sizeof(src), .a = 1, .b = 2 }, dst;

	(void)state;
	assert_result(vc_config_copy(&dst, sizeof(dst), &src), 0);
	assert_memory_equal(&dst, &src, sizeof(dst));
}

static void older_caller(void **state)
{
	struct v1 src = { .size = sizeof(src), .a = 1 };
	struct v2 dst;

	(void)state;
	memset(&dst, 0xff, sizeof(dst));
	assert_result(vc_config_copy(&dst, sizeof(dst), &src), 0);
	assert_int_equal(dst.size, sizeof(dst));
	assert_int_equal(dst.a, 1);
	assert_int_equal(dst.b, 0);
}

static void newer_caller(void **state)
{
	struct v2 src = { .size = sizeof(src), .a = 1 };
	struct v1 dst = { 0 };

	(void)state;
	assert_result(vc_config_copy(&dst, sizeof(dst), &src), 0);
	assert_int_equal(dst.size, sizeof(dst));
	assert_int_equal(dst.a, 1);
	dst.a = 9;
	src.b = 1ull << 56;
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -E2BIG, "byte 23");
	assert_int_equal(dst.a, 9);
}

static void wrong_size(void **state)
{
	struct v1 src = { .size = 0 }, dst = { .a = 9 };

	(void)state;
	assert_refused(vc_config_copy(&dst, sizeof(dst), NULL), -EINVAL, "NULL");
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -EINVAL, "size 0");
	src.size = sizeof(size_t) - 1;
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -EINVAL, "size 7");
	src.size = 4097;
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -E2BIG, "size 4097");
	src.size = SIZE_MAX;
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -E2BIG, "expected at most 4096");
	assert_int_equal(dst.a, 9);
}

static void checked_arithmetic(void **state)
{
	uint64_t r = 77;

	(void)state;
	assert_false(vc_add_u64(UINT64_MAX, 1, &r));
	assert_false(vc_mul_u64(1ull << 32, 1ull << 32, &r));
	assert_false(vc_align_up_u64(UINT64_MAX - 1, 4096, &r));
	assert_int_equal(r, 77);
	assert_true(vc_add_u64(UINT64_MAX - 1, 1, &r) && r == UINT64_MAX);
	assert_true(vc_mul_u64(1ull << 31, 1ull << 32, &r) && r == 1ull << 63);
	assert_true(vc_align_up_u64(4097, 4096, &r) && r == 8192);
	assert_true(vc_align_up_u64(0, 4096, &r) && r == 0);
	assert_true(vc_range_within(0, 10, 10));
	assert_true(vc_range_within(10, 0, 10));
	assert_false(vc_range_within(11, 0, 10));
	assert_false(vc_range_within(9, 2, 10));
	assert_false(vc_range_within(1, UINT64_MAX, 10));
}

static void cleanup(void **state)
{
	int was;
	struct pair {
		int first, second;
	} pair = { 1, 2 };

	(void)state;
	{
		vc_auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		vc_auto_close int none = -EBADF;
		vc_auto_free char *p = malloc(10);

		assert_true(fd >= 0 && none < 0 && p);
		was = fd;
	}
	assert_int_equal(fcntl(was, F_GETFD), -1);
	{
		vc_auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		vc_auto_free char *p = malloc(10);
		char *kept;

		was = vc_take_fd(fd);
		kept = vc_take(p);
		assert_int_equal(fd, -EBADF);
		assert_null(p);
		assert_non_null(kept);
		free(kept);
	}
	assert_int_not_equal(fcntl(was, F_GETFD), -1);
	close(was);
	assert_ptr_equal(vc_container_of(&pair.second, struct pair, second), &pair);
}

/* The caller's struct is older, the same, newer; or its size was never set. */
static void results(void **state)
{
	const struct v2 full = { .size = sizeof(full), .a = 1, .b = 2 };
	struct {
		struct v2 v2;
		uint64_t c;
	} newer = { .v2 = { .size = sizeof(newer) }, .c = 9 };
	struct {
		struct v1 v1;
		uint64_t behind;
	} older = { .v1 = { .size = sizeof(struct v1) }, .behind = 9 };

	(void)state;
	assert_result(vc_result_fill(&older, sizeof(struct v1), &full, sizeof(full)), 0);
	assert_int_equal(older.v1.size, sizeof(struct v1));
	assert_int_equal(older.v1.a, 1);
	assert_int_equal(older.behind, 9);
	assert_result(vc_result_fill(&newer, sizeof(struct v1), &full, sizeof(full)), 0);
	assert_int_equal(newer.v2.size, sizeof(newer));
	assert_int_equal(newer.v2.b, 2);
	assert_int_equal(newer.c, 0);
	older.v1.a = 7;
	assert_result(vc_result_fill(&older, sizeof(struct v1), NULL, 0), 0);
	assert_refused(vc_result_fill(NULL, sizeof(struct v1), &full, sizeof(full)), -EINVAL, "");
	older.v1.size = sizeof(struct v1) - 1;
	assert_refused(vc_result_fill(&older, sizeof(struct v1), &full, sizeof(full)), -EINVAL,
		       "size is 15");
	older.v1.size = 4097;
	assert_refused(vc_result_fill(&older, sizeof(struct v1), &full, sizeof(full)), -EINVAL,
		       "size is 4097");
	assert_int_equal(older.v1.a, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_version), cmocka_unit_test(older_caller),
		cmocka_unit_test(newer_caller), cmocka_unit_test(wrong_size),
		cmocka_unit_test(results),	cmocka_unit_test(checked_arithmetic),
		cmocka_unit_test(cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
