/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a state stream, one by one against the layout in snapshot.h. */
#include "unit.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>

static uint64_t le(const uint8_t *at, unsigned int width)
{
	uint64_t v = 0;

	while (width--)
		v = v << 8 | at[width];
	return v;
}

static struct vc_state_writer *make(void)
{
	struct vc_state_writer *w = NULL;

	assert_result(vc_state_writer_create(VC_ARCH_ARM64, &w), 0);
	return w;
}

static void empty_stream(void **state)
{
	struct vc_state_writer *w = make();
	const uint8_t *p;
	const void *buf, *again;
	size_t len, len_again;

	(void)state;
	assert_result(vc_state_finish(w, &buf, &len), 0);
	p = buf;
	assert_int_equal(len, 24 + 28);
	assert_memory_equal(p, "VCSTATE\0", 8);
	assert_int_equal(le(p + 8, 4), 1);
	assert_int_equal(le(p + 12, 4), VC_ARCH_ARM64);
	assert_int_equal(le(p + 16, 4), vc_crc32c_update(0, p, 16));
	assert_int_equal(le(p + 20, 4), 0);
	assert_memory_equal(p + 24, "SECT", 4);
	assert_int_equal(le(p + 28, 4), 0);
	assert_int_equal(le(p + 32, 2), 0);
	assert_int_equal(le(p + 34, 2), VC_ARCH_ARM64);
	assert_int_equal(le(p + 36, 4), 0);
	assert_int_equal(le(p + 40, 8), 0);
	assert_int_equal(le(p + 48, 4), vc_crc32c_update(0, p + 24, 24));
	assert_result(vc_state_finish(w, &again, &len_again), 0);
	assert_ptr_equal(buf, again);
	assert_int_equal(len, len_again);
	vc_state_writer_destroy(w);
}

static void one_section(void **state)
{
	static const uint8_t payload[] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
					   0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 'r',  'a',  'w' };
	struct vc_state_writer *w = make();
	const uint8_t *s;
	const void *buf;
	size_t len;

	(void)state;
	assert_result(vc_state_begin(w, "cpu0", 7), 0);
	vc_state_put_u64(w, 0x11, 1);
	vc_state_put_u64(w, 0x3322, 2);
	vc_state_put_u64(w, 0x77665544, 4);
	vc_state_put_u64(w, 0xffeeddccbbaa9988, 8);
	vc_state_put_bytes(w, "raw", 3);
	vc_state_put_bytes(w, NULL, 0);
	assert_result(vc_state_end(w), 0);
	assert_result(vc_state_finish(w, &buf, &len), 0);
	s = (const uint8_t *)buf + 24;
	assert_int_equal(len, 24 + 24 + 4 + 4 + sizeof(payload) + 28);
	assert_memory_equal(s, "SECT", 4);
	assert_int_equal(le(s + 4, 4), 7);
	assert_int_equal(le(s + 8, 2), 4);
	assert_int_equal(le(s + 10, 2), VC_ARCH_ARM64);
	assert_int_equal(le(s + 12, 4), vc_crc32c_update(0, payload, sizeof(payload)));
	assert_int_equal(le(s + 16, 8), sizeof(payload));
	assert_memory_equal(s + 24, "cpu0", 4);
	assert_int_equal(le(s + 28, 4), vc_crc32c_update(0, s, 28));
	assert_memory_equal(s + 32, payload, sizeof(payload));
	vc_state_writer_destroy(w);
	vc_state_writer_destroy(NULL);
}

static void the_largest_section(void **state)
{
	struct vc_state_writer *w = make();
	uint8_t *big = calloc(1, VC_STATE_SECTION_MAX);
	const void *buf;
	size_t len;

	(void)state;
	assert_non_null(big);
	assert_result(vc_state_begin(w, "big", 1), 0);
	vc_state_put_bytes(w, big, VC_STATE_SECTION_MAX);
	assert_result(vc_state_end(w), 0);
	assert_result(vc_state_finish(w, &buf, &len), 0);
	assert_int_equal(len, 24 + 31 + (size_t)VC_STATE_SECTION_MAX + 28);
	vc_state_writer_destroy(w);

	w = make();
	assert_result(vc_state_begin(w, "big", 1), 0);
	vc_state_put_bytes(w, big, VC_STATE_SECTION_MAX);
	vc_state_put_u64(w, 0, 1);
	assert_refused(vc_state_end(w), -EFBIG, "big");
	free(big);
	vc_state_writer_destroy(w);
}

static void many_sections(void **state)
{
	struct vc_state_writer *w = make();
	char name[16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		assert_result(vc_state_begin(w, name, 1), 0);
		vc_state_put_u64(w, (uint64_t)i, 8);
		assert_result(vc_state_end(w), 0);
	}
	assert_refused(vc_state_begin(w, "o150", 1), -EEXIST, "o150");
	assert_result(vc_state_begin(w, "o15", 1), -EEXIST);
	assert_result(vc_state_begin(w, "o1500", 1), 0);
	vc_state_writer_destroy(w);
}

/* The first error sticks and keeps its message, whatever is called after it. */
static void first_error_sticks(void **state)
{
	struct vc_state_writer *w = make();
	const void *buf = NULL;
	size_t len = 0;

	(void)state;
	assert_result(vc_state_begin(w, "rtc", 1), 0);
	vc_state_put_u64(w, 256, 1);
	vc_state_put_u64(w, 1, 3);
	vc_state_put_bytes(w, "x", 1);
	assert_refused(vc_state_end(w), -EINVAL, "rtc: a value does not fit");
	assert_result(vc_state_begin(w, "next", 1), -EINVAL);
	assert_result(vc_state_end(w), -EINVAL);
	assert_result(vc_state_finish(w, &buf, &len), -EINVAL);
	assert_null(buf);
	vc_state_writer_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_stream),	       cmocka_unit_test(one_section),
		cmocka_unit_test(the_largest_section), cmocka_unit_test(many_sections),
		cmocka_unit_test(first_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
