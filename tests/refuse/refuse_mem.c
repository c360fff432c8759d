/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that mem.h documents, named function_code. -ENOMEM is in tests/fault. */
#include "mem_fixture.h"

static void create_einval(void **state)
{
	(void)state;
	assert_refused(vc_mem_create(NULL), -EINVAL, "no place");
}

static void map_refusals(void **state)
{
	struct vc_mem *mem = make_map();
	struct vc_region *region = make_region("ram1", MIB(1), 0);

	(void)state;
	assert_refused(vc_mem_map(NULL, region, 0, 0), -EINVAL, "no map");
	assert_refused(vc_mem_map(mem, NULL, 0, 0), -EINVAL, "no region");
	assert_refused(vc_mem_map(mem, region, 0x800, 0), -EINVAL, "0x800 is no multiple");
	assert_refused(vc_mem_map(mem, region, 0, 64), -EINVAL, "64");
	assert_refused(vc_mem_map(mem, region, 0 - MIB(1), 0), -EOVERFLOW, "64-bit");
	assert_result(vc_mem_map(mem, region, MIB(4), 0), 0);
	assert_refused(vc_mem_map(mem, region, MIB(5) - 4096, 0), -EEXIST,
		       "0x4ff000-0x5fefff overlaps ram1 at 0x400000-0x4fffff");
	assert_result(vc_mem_freeze(mem), 0);
	assert_refused(vc_mem_map(mem, region, MIB(8), 0), -EBUSY, "frozen");
	vc_region_put(region);
	vc_mem_destroy(mem);
}

static void freeze_refusals(void **state)
{
	struct vc_mem *mem = make_map();

	(void)state;
	assert_refused(vc_mem_freeze(NULL), -EINVAL, "no map");
	assert_result(vc_mem_freeze(mem), 0);
	assert_refused(vc_mem_freeze(mem), -EALREADY, "frozen");
	vc_mem_destroy(mem);
}

static void range_refusals(void **state)
{
	struct vc_mem *mem = make_sample();
	struct vc_mem_range range = { .size = sizeof(range), .gpa = 77 };

	(void)state;
	assert_refused(vc_mem_range(NULL, 0, &range), -EINVAL, "no map");
	assert_refused(vc_mem_range(mem, 0, NULL), -EINVAL, "no place");
	assert_int_equal(vc_mem_range(mem, 4, &range), -ENOENT);
	assert_int_equal(vc_mem_range(mem, SIZE_MAX, &range), -ENOENT);
	assert_int_equal(range.gpa, 77);
	range.size = 8;
	assert_refused(vc_mem_range(mem, 0, &range), -EINVAL, "size is 8");
	vc_mem_destroy(mem);
}

static void backing_refusals(void **state)
{
	struct vc_mem *mem = make_sample();
	void *hva;

	(void)state;
	assert_refused(vc_mem_backing(NULL, 0, &hva), -EINVAL, "map");
	assert_int_equal(vc_mem_backing(mem, 4, &hva), -ENOENT);
	vc_mem_destroy(mem);
}

/* Guests cause these: no message is set, whatever stood there stays. */
static void slice_read_write_refusals(void **state)
{
	struct vc_mem *mem = make_sample(), *fresh = make_map();
	struct vc_slice slice = { .len = 77 };
	uint8_t byte = 1;

	(void)state;
	vc_mem_create(NULL);
	assert_int_equal(vc_slice_get(mem, KIB(72), 1, VC_PERM_READ, &slice), -EFAULT);
	assert_int_equal(vc_slice_get(mem, KIB(64) - 1, 2, VC_PERM_READ, &slice), -EFAULT);
	assert_int_equal(vc_slice_get(mem, KIB(64), 1, VC_PERM_WRITE, &slice), -EROFS);
	assert_int_equal(vc_slice_get(mem, 0, 0, VC_PERM_READ, &slice), -EINVAL);
	assert_int_equal(vc_slice_get(mem, 0, 1, 0, &slice), -EINVAL);
	assert_int_equal(vc_slice_get(mem, 0, 1, 8, &slice), -EINVAL);
	assert_int_equal(vc_slice_get(fresh, 0, 1, VC_PERM_READ, &slice), -EINVAL);
	assert_int_equal(slice.len, 77);
	assert_int_equal(vc_mem_read(mem, KIB(72), &byte, 1), -EFAULT);
	assert_int_equal(vc_mem_read(fresh, 0, &byte, 1), -EINVAL);
	assert_int_equal(vc_mem_write(mem, KIB(72), &byte, 1), -EFAULT);
	assert_int_equal(vc_mem_write(mem, KIB(64), &byte, 1), -EROFS);
	assert_int_equal(vc_mem_write(fresh, 0, &byte, 1), -EINVAL);
	assert_string_equal(vc_error_message(), "mem: no place for the map");
	vc_mem_destroy(mem);
	vc_mem_destroy(fresh);
}

static void dirty_refusals(void **state)
{
	struct vc_mem *mem = make_sample(), *fresh = make_map();
	uint64_t bits[4];

	(void)state;
	assert_refused(vc_mem_dirty_start(NULL), -EINVAL, "no map");
	assert_refused(vc_mem_dirty_start(fresh), -EINVAL, "not frozen");
	assert_refused(vc_mem_dirty_take(mem, 0, bits, 4), -EINVAL, "no dirty log");
	assert_result(vc_mem_dirty_start(mem), 0);
	assert_refused(vc_mem_dirty_start(mem), -EALREADY, "runs");
	assert_refused(vc_mem_dirty_take(NULL, 0, bits, 4), -EINVAL, "no map");
	assert_refused(vc_mem_dirty_take(mem, 0, NULL, 4), -EINVAL, "no place");
	assert_refused(vc_mem_dirty_take(mem, 2, bits, 3), -EINVAL, "expected 4");
	assert_int_equal(vc_mem_dirty_take(mem, 4, bits, 4), -ENOENT);
	vc_mem_destroy(mem);
	vc_mem_destroy(fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_einval),    cmocka_unit_test(map_refusals),
		cmocka_unit_test(freeze_refusals),  cmocka_unit_test(range_refusals),
		cmocka_unit_test(backing_refusals), cmocka_unit_test(slice_read_write_refusals),
		cmocka_unit_test(dirty_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
