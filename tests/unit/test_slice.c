/* SPDX-License-Identifier: Apache-2.0 */
/* The one door: what it lets through, to the byte, and what it refuses. */
#include "mem_fixture.h"

struct probe {
	uint64_t gpa, len;
	uint32_t perm;
	int want;
};

/* The map is drawn in mem_fixture.h. */
static const struct probe probes[] = {
	{ 0, 1, VC_PERM_READ, 0 },
	{ 0, KIB(64), VC_PERM_READ | VC_PERM_WRITE, 0 },
	{ 0, KIB(64) + 1, VC_PERM_READ, -EFAULT }, /* into the next region, though it touches */
	{ KIB(64) - 1, 1, VC_PERM_WRITE, 0 },
	{ KIB(64) - 1, 2, VC_PERM_READ, -EFAULT },
	{ KIB(64), KIB(8), VC_PERM_READ, 0 },
	{ KIB(64), 1, VC_PERM_WRITE, -EROFS },
	{ KIB(64), 1, VC_PERM_READ | VC_PERM_WRITE, -EROFS },
	{ KIB(64), KIB(9), VC_PERM_WRITE, -EROFS }, /* both wrong */
	{ KIB(72), 1, VC_PERM_READ, -EFAULT },	    /* the hole */
	{ KIB(72), MIB(1), VC_PERM_READ, -EFAULT },
	{ MIB(1) - 1, 2, VC_PERM_READ, -EFAULT },
	{ MIB(1), MIB(1), VC_PERM_WRITE, 0 },
	{ MIB(1) + 1, MIB(1), VC_PERM_WRITE, -EFAULT },
	{ MIB(1) + 1, UINT64_MAX, VC_PERM_READ, -EFAULT },	    /* wraps around to 1 MiB */
	{ MIB(1) + 1, UINT64_MAX - MIB(1), VC_PERM_READ, -EFAULT }, /* up to the last byte */
	{ MIB(2), 1, VC_PERM_READ, -EFAULT },
	{ 0, UINT64_MAX, VC_PERM_READ, -EFAULT },
	{ TOP_GPA, KIB(64), VC_PERM_READ, 0 },
	{ TOP_GPA + KIB(64) - 1, 1, VC_PERM_READ, 0 },
	{ TOP_GPA + KIB(64) - 1, 2, VC_PERM_READ, -EFAULT },
	{ TOP_GPA + KIB(64), 1, VC_PERM_READ, -EFAULT },
	{ UINT64_MAX, 1, VC_PERM_READ, -EFAULT },
	{ UINT64_MAX, UINT64_MAX, VC_PERM_READ, -EFAULT },
	{ 0, 0, VC_PERM_READ, -EINVAL },
	{ 0, 1, 0, -EINVAL },
	{ 0, 1, 4, -EINVAL },
	{ 0, 1, UINT32_MAX, -EINVAL },
};

static void get(void **state)
{
	struct vc_mem *mem = make_sample();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		const struct probe *p = &probes[i];
		struct vc_slice slice = { .len = 77 };
		int r = vc_slice_get(mem, p->gpa, p->len, p->perm, &slice);

		if (r != p->want)
			print_error("probe %zu\n", i);
		assert_int_equal(r, p->want);
		if (r < 0) {
			assert_int_equal(slice.len, 77);
			assert_null(slice.ptr);
			continue;
		}
		assert_int_equal(slice.gpa, p->gpa);
		assert_int_equal(slice.len, p->len);
		assert_int_equal(slice.perm, p->perm);
		assert_ptr_equal(slice.mem, mem);
		vc_slice_put(&slice);
		assert_null(slice.ptr);
		assert_null(slice.mem);
		vc_slice_put(&slice);
	}
	vc_slice_put(NULL);
	vc_mem_destroy(mem);
}

/* The pointer is the one of the region, at the right offset. */
static void pointer(void **state)
{
	struct vc_mem *mem = make_sample();
	struct vc_mem_range range = { .size = sizeof(range) };
	struct vc_slice slice;
	void *hva;

	(void)state;
	for (size_t i = 0; vc_mem_range(mem, i, &range) == 0; i++) {
		assert_result(vc_mem_backing(mem, i, &hva), 0);
		for (uint64_t off = 0; off < range.len_bytes; off += 4095) {
			assert_int_equal(
				vc_slice_get(mem, range.gpa + off, 1, VC_PERM_READ, &slice), 0);
			assert_ptr_equal(slice.ptr, (uint8_t *)hva + off);
		}
	}
	vc_mem_destroy(mem);
}

static void refusals_set_no_message(void **state)
{
	struct vc_mem *mem = make_sample();
	struct vc_slice slice;
	uint8_t byte = 0;

	(void)state;
	vc_mem_map(mem, NULL, 0, 0);
	assert_int_equal(vc_slice_get(mem, MIB(8), 1, VC_PERM_READ, &slice), -EFAULT);
	assert_int_equal(vc_mem_read(mem, MIB(8), &byte, 1), -EFAULT);
	assert_int_equal(vc_mem_write(mem, KIB(64), &byte, 1), -EROFS);
	assert_string_equal(vc_error_message(), "mem: no map or no region");
	vc_mem_destroy(mem);
}

static void not_frozen_or_nothing(void **state)
{
	struct vc_mem *mem = make_map();
	struct vc_slice slice;
	uint8_t byte = 0;

	(void)state;
	map_ram(mem, "ram", 0, KIB(4), 0);
	assert_int_equal(vc_slice_get(mem, 0, 1, VC_PERM_READ, &slice), -EINVAL);
	assert_int_equal(vc_mem_read(mem, 0, &byte, 1), -EINVAL);
	assert_int_equal(vc_mem_write(mem, 0, &byte, 1), -EINVAL);
	assert_result(vc_mem_freeze(mem), 0);
	assert_int_equal(vc_slice_get(NULL, 0, 1, VC_PERM_READ, &slice), -EINVAL);
	assert_int_equal(vc_slice_get(mem, 0, 1, VC_PERM_READ, NULL), -EINVAL);
	assert_int_equal(vc_mem_read(NULL, 0, &byte, 1), -EINVAL);
	assert_int_equal(vc_mem_read(mem, 0, NULL, 1), -EINVAL);
	assert_int_equal(vc_mem_read(mem, 0, NULL, 0), 0);
	assert_int_equal(vc_mem_write(NULL, 0, &byte, 1), -EINVAL);
	assert_int_equal(vc_mem_write(mem, 0, NULL, 1), -EINVAL);
	assert_int_equal(vc_mem_write(mem, MIB(5), NULL, 0), 0);
	vc_mem_destroy(mem);
}

/* Copies cross from region to region, and not into a hole. */
static void copies(void **state)
{
	struct vc_mem *mem = make_map();
	uint8_t out[KIB(12)], in[KIB(12)];

	(void)state;
	map_ram(mem, "a", KIB(4), KIB(4), 0);
	map_ram(mem, "b", KIB(8), KIB(4), 0);
	map_ram(mem, "c", KIB(12), KIB(4), 0);
	map_ram(mem, "rom", KIB(16), KIB(4), VC_REGION_READONLY);
	assert_result(vc_mem_freeze(mem), 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + 1);
	assert_int_equal(vc_mem_write(mem, KIB(4), out, sizeof(out)), 0);
	assert_int_equal(vc_mem_read(mem, KIB(4), in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(vc_mem_read(mem, KIB(8) - 3, in, 6), 0);
	assert_memory_equal(in, out + KIB(4) - 3, 6);
	assert_int_equal(vc_mem_read(mem, KIB(4) - 1, in, 2), -EFAULT);
	assert_int_equal(vc_mem_read(mem, KIB(20) - 1, in, 2), -EFAULT);
	assert_int_equal(vc_mem_read(mem, UINT64_MAX, in, 2), -EFAULT);
	assert_int_equal(vc_mem_read(mem, KIB(16) - 1, in, 2), 0);
	vc_mem_destroy(mem);
}

/* A write that cannot be done wholly leaves every byte as it was. */
static void a_write_is_all_or_nothing(void **state)
{
	struct vc_mem *mem = make_map();
	uint8_t ones[KIB(8)], in[KIB(8)], zeros[KIB(8)] = { 0 };

	(void)state;
	memset(ones, 1, sizeof(ones));
	map_ram(mem, "a", 0, KIB(4), 0);
	map_ram(mem, "rom", KIB(4), KIB(4), VC_REGION_READONLY);
	map_ram(mem, "b", KIB(12), KIB(4), 0);
	assert_result(vc_mem_freeze(mem), 0);
	assert_int_equal(vc_mem_write(mem, KIB(4) - 1, ones, 2), -EROFS);
	assert_int_equal(vc_mem_write(mem, KIB(16) - 1, ones, 2), -EFAULT);
	assert_int_equal(vc_mem_write(mem, KIB(12) - 1, ones, 2), -EFAULT);
	assert_int_equal(vc_mem_read(mem, 0, in, KIB(8)), 0);
	assert_memory_equal(in, zeros, KIB(8));
	assert_int_equal(vc_mem_read(mem, KIB(12), in, KIB(4)), 0);
	assert_memory_equal(in, zeros, KIB(4));
	vc_mem_destroy(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get),
		cmocka_unit_test(pointer),
		cmocka_unit_test(refusals_set_no_message),
		cmocka_unit_test(not_frozen_or_nothing),
		cmocka_unit_test(copies),
		cmocka_unit_test(a_write_is_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
