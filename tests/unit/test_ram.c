/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM for loaders: pieces, zeroing, and the search for room against one by brute force. */
#include "boot_fixture.h"

#include "ram.h"

static const struct vc_e820_range ranges[] = {
	{ 0, 0x9000, VC_E820_RAM },	  { 0x9000, 0x3000, VC_E820_RESERVED },
	{ 0x10000, 0x8000, VC_E820_RAM }, { 0x18000, 0x1000, VC_E820_ACPI },
	{ 0x20000, 0x5000, VC_E820_RAM },
};
static const struct vc_boot_machine map = { .ranges = ranges, .nr_ranges = ARRAY_LEN(ranges) };

static bool is_ram(vc_gpa gpa)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (ranges[i].type == VC_E820_RAM && gpa - ranges[i].gpa < ranges[i].len_bytes)
			return true;
	return false;
}

/* Tries every aligned address, page by page; ranges of the map that touch would count as two. */
static bool search(const struct vc__ram_want *w, vc_gpa *ret)
{
	bool found = false;

	for (vc_gpa at = 0; at < 0x30000; at += 0x1000) {
		bool fits = at % w->align == 0 && at >= w->min && at + w->len <= w->limit;

		for (vc_gpa p = at; fits && p < at + w->len; p += 0x1000)
			fits = is_ram(p) && !(p >= w->avoid && p < w->avoid + w->avoid_len);
		if (!fits)
			continue;
		*ret = at;
		if (!w->is_high)
			return true;
		found = true;
	}
	return found;
}

static void place(void **state)
{
	static const uint64_t edges[] = { 0,	   0x3000,  0x9000,  0x12000,
					  0x15000, 0x18000, 0x23000, 0x40000 };
	unsigned int nr_found = 0;

	(void)state;
	for (unsigned int i = 0; i < 8 * 8 * 8 * 8 * 9 * 3 * 2; i++) {
		unsigned int n = i;
		struct vc__ram_want w = { .is_high = n % 2 };
		n /= 2;
		w.align = 0x1000ull << n % 3 * 2;
		n /= 3;
		w.len = 0x1000 * (1 + n % 9);
		n /= 9;
		w.min = edges[n % 8];
		w.limit = edges[n / 8 % 8];
		w.avoid = edges[n / 64 % 8];
		w.avoid_len = edges[n / 512 % 8];
		vc_gpa want = 0, got = 0;
		bool found = search(&w, &want);

		assert_int_equal(vc__ram_place(&map, &w, &got), found);
		assert_int_equal(got, want);
		nr_found += found;
	}
	assert_true(nr_found > 10000);
}

/* Numbers at which sums wrap. */
static void place_extremes(void **state)
{
	struct vc__ram_want w = { .len = UINT64_MAX, .align = 4096, .limit = UINT64_MAX };
	vc_gpa got;

	(void)state;
	assert_false(vc__ram_place(&map, &w, &got));
	w = (struct vc__ram_want){ .len = 1, .align = 1ull << 63, .min = 1, .limit = UINT64_MAX };
	assert_false(vc__ram_place(&map, &w, &got));
	w = (struct vc__ram_want){ .len = 1, .align = 1, .min = UINT64_MAX, .limit = UINT64_MAX };
	assert_false(vc__ram_place(&map, &w, &got));
}

static void has(void **state)
{
	static const struct {
		vc_gpa gpa;
		uint64_t len;
		bool want;
	} cases[] = {
		{ 0, 0x9000, true },	  { 0, 0x9001, false },
		{ 0x8fff, 1, true },	  { 0x9000, 1, false },
		{ 0x18000, 0x10, false }, { 0x20000, 0x5000, true },
		{ 0x24fff, 2, false },	  { 0x24fff, UINT64_MAX, false },
		{ UINT64_MAX, 1, false }, { 0x10000, 0x8000, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(vc__ram_has(&map, cases[i].gpa, cases[i].len), cases[i].want);
	assert_int_equal(vc__ram_top(&map, UINT64_MAX), 0x25000);
	assert_int_equal(vc__ram_top(&map, 0x25000), 0x25000);
	assert_int_equal(vc__ram_top(&map, 0x22000), 0x22000);
	assert_int_equal(vc__ram_top(&map, 0x20000), 0x18000);
	assert_int_equal(vc__ram_top(&map, 0), 0);
}

static void pieces(void **state)
{
	struct machine m;
	struct vc_slice s;

	(void)state;
	make_machine(&m, 2, 2); /* the border is at 1 MiB */
	assert_int_equal(vc__ram_slice(m.mem, VC__MIB - 3, 10, &s), 0);
	assert_int_equal(s.len, 3);
	vc_slice_put(&s);
	assert_int_equal(vc__ram_slice(m.mem, VC__MIB, UINT64_MAX, &s), 0);
	assert_int_equal(s.len, VC__MIB);
	vc_slice_put(&s);
	assert_int_equal(vc__ram_slice(m.mem, 2 * VC__MIB, 1, &s), -EFAULT);
	assert_int_equal(vc__ram_slice(m.mem, UINT64_MAX, 1, &s), -EFAULT);
	drop_machine(&m);
}

static void zero(void **state)
{
	uint8_t junk[64];
	struct machine m;

	(void)state;
	make_machine(&m, 2, 2);
	memset(junk, 0xee, sizeof(junk));
	assert_int_equal(vc_mem_write(m.mem, VC__MIB - 32, junk, 64), 0);
	assert_int_equal(vc__ram_zero(m.mem, VC__MIB - 31, 62, true), 0); /* said to be fresh */
	assert_int_equal(read_mem(&m, VC__MIB - 4, 8), 0xeeeeeeeeeeeeeeee);
	assert_int_equal(vc__ram_zero(m.mem, VC__MIB - 31, 62, false), 0);
	assert_int_equal(read_mem(&m, VC__MIB - 32, 8), 0xee);
	assert_int_equal(read_mem(&m, VC__MIB - 8, 8), 0);
	assert_int_equal(read_mem(&m, VC__MIB + 24, 8), 0xee00000000000000);
	assert_int_equal(vc__ram_zero(m.mem, 2 * VC__MIB - 1, 2, false), -EFAULT);
	assert_int_equal(vc__ram_zero(m.mem, UINT64_MAX, 0, false), 0);
	drop_machine(&m);
}

/* A file's content is not zeros, fresh or not; ROM is not written. */
static void zero_other_kinds(void **state)
{
	struct vc_region_config rc = { .size = sizeof(rc),
				       .kind = VC_REGION_FILE,
				       .len_bytes = 4096,
				       .flags = VC_REGION_PRIVATE };
	struct vc_region *region;
	struct vc_mem *mem;
	uint8_t junk[4096];
	struct temp t;

	(void)state;
	memset(junk, 0xee, sizeof(junk));
	make_temp(&t, junk, sizeof(junk));
	FILE *f = fopen(t.path, "r+be");
	assert_non_null(f);
	rc.fd = fileno(f);
	assert_result(vc_region_create(&rc, &region), 0);
	fclose(f);
	assert_result(vc_mem_create(&mem), 0);
	assert_result(vc_mem_map(mem, region, 0, 0), 0);
	vc_region_put(region);
	rc = (struct vc_region_config){ .size = sizeof(rc),
					.len_bytes = 4096,
					.flags = VC_REGION_READONLY };
	assert_result(vc_region_create(&rc, &region), 0);
	assert_result(vc_mem_map(mem, region, 4096, 0), 0);
	vc_region_put(region);
	assert_result(vc_mem_freeze(mem), 0);
	assert_int_equal(vc__ram_zero(mem, 8, 4, true), 0);
	assert_int_equal(vc_mem_read(mem, 6, junk, 8), 0);
	assert_memory_equal(junk, "\xee\xee\0\0\0\0\xee\xee", 8);
	assert_int_equal(vc__ram_zero(mem, 4095, 2, false), -EROFS);
	vc_mem_destroy(mem);
	drop_temp(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place), cmocka_unit_test(place_extremes),
		cmocka_unit_test(has),	 cmocka_unit_test(pieces),
		cmocka_unit_test(zero),	 cmocka_unit_test(zero_other_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
