/* SPDX-License-Identifier: Apache-2.0 */
/* Byte strings: order, growth, the bound, and that an error sticks. */
#include "unit.h"

#include "bytes.h"

#include <errno.h>

static int fail_after = -1;

void *__real_realloc(void *p, size_t len);
void *__wrap_realloc(void *p, size_t len);

void *__wrap_realloc(void *p, size_t len)
{
	if (fail_after == 0)
		return NULL;
	if (fail_after > 0)
		fail_after--;
	return __real_realloc(p, len);
}

static void numbers(void **state)
{
	struct vc__bytes b = { 0 };
	static const uint8_t want[] = { 1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8, 0, 0 };

	(void)state;
	vc__bytes_u8(&b, 1);
	vc__bytes_u16(&b, 0x0203);
	vc__bytes_u32(&b, 0x04050607);
	vc__bytes_u64(&b, 0x08090a0b0c0d0e0full);
	vc__bytes_zero(&b, 2);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.buf, want, sizeof(want));
	vc__bytes_fini(&b);
	assert_null(b.buf);
}

static void insert_and_set(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	vc__bytes_put(&b, "abcdefghijkl", 12);
	vc__bytes_insert(&b, 0, "<", 1);
	vc__bytes_insert(&b, 13, ">", 1);
	vc__bytes_insert(&b, 4, "--", 2);
	vc__bytes_insert(&b, 99, "no", 2);
	assert_int_equal(b.len, 16);
	assert_memory_equal(b.buf, "<abc--defghijkl>", 16);
	vc__bytes_set_u32(&b, 12, 0x64636261);
	vc__bytes_set_u32(&b, 13, 0); /* does not fit: nothing */
	vc__bytes_set_u64(&b, 0, 0x3837363534333231ull);
	vc__bytes_set_u64(&b, SIZE_MAX, 0);
	assert_memory_equal(b.buf, "12345678fghiabcd", 16);
	vc__bytes_fini(&b);
}

static void grows_to_its_bound(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	vc__bytes_zero(&b, VC__BYTES_MAX - 1);
	vc__bytes_u8(&b, 7);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.buf[VC__BYTES_MAX - 1], 7);
	vc__bytes_u8(&b, 8);
	assert_int_equal(b.err, -EOVERFLOW);
	assert_int_equal(b.len, VC__BYTES_MAX);
	vc__bytes_fini(&b);
}

static void error_sticks(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	vc__bytes_u8(&b, 1);
	fail_after = 0;
	vc__bytes_zero(&b, 4096);
	fail_after = -1;
	assert_int_equal(b.err, -ENOMEM);
	vc__bytes_u8(&b, 2);
	vc__bytes_insert(&b, 0, "x", 1);
	vc__bytes_set_u32(&b, 0, 5);
	assert_int_equal(b.len, 1);
	assert_int_equal(b.buf[0], 1);
	vc__bytes_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(insert_and_set),
		cmocka_unit_test(grows_to_its_bound),
		cmocka_unit_test(error_sticks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
