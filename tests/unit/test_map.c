/* SPDX-License-Identifier: Apache-2.0 */
/* Placing regions: order, overlap, ends of the address space, look-up, references. */
#include "mem_fixture.h"

#include "map.h"

#include <sys/mman.h>

static void sorted_whatever_the_order(void **state)
{
	static const uint64_t order[] = { 5, 1, 9, 0, 7, 3, 8, 2, 6, 4, 12, 11, 10 };
	struct vc_mem *mem = make_map();
	struct vc_mem_range range = { .size = sizeof(range) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		map_ram(mem, "ram", MIB(order[i]), MIB(1), 0);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		assert_result(vc_mem_range(mem, i, &range), 0);
		assert_int_equal(range.gpa, MIB(i));
	}
	assert_int_equal(vc_mem_range(mem, ARRAY_LEN(order), &range), -ENOENT);
	assert_int_equal(range.gpa, MIB(12));
	vc_mem_destroy(mem);
}

static void range_tells_all(void **state)
{
	struct vc_mem *mem = make_map();
	struct vc_region *region = make_region("rom", KIB(12), VC_REGION_READONLY);
	struct vc_mem_range range = { .size = sizeof(range) };

	(void)state;
	assert_result(vc_mem_map(mem, region, KIB(4), 63), 0);
	assert_result(vc_mem_range(mem, 0, &range), 0);
	assert_int_equal(range.gpa, KIB(4));
	assert_int_equal(range.len_bytes, KIB(12));
	assert_string_equal(range.name, "rom");
	assert_int_equal(range.kind, VC_REGION_ANON);
	assert_int_equal(range.flags, VC_REGION_READONLY);
	assert_int_equal(range.guest_node, 63);
	assert_int_equal(range.page_bytes, 4096);
	assert_int_equal(range.size, sizeof(range));
	vc_region_put(region);
	vc_mem_destroy(mem);
	vc_mem_destroy(NULL);
}

/* The caller's struct may be of another version: nothing is written beyond it, news are zero. */
static void range_of_other_versions(void **state)
{
	struct {
		struct vc_mem_range known;
		uint64_t news[2];
	} range = { .known.size = sizeof(range.known), .news = { 7, 7 } };
	struct vc_mem *mem = make_sample();

	(void)state;
	assert_result(vc_mem_range(mem, 1, &range.known), 0);
	assert_int_equal(range.news[0], 7);
	range.known.size = sizeof(range.known) + 8;
	assert_result(vc_mem_range(mem, 0, &range.known), 0);
	assert_string_equal(range.known.name, "low");
	assert_int_equal(range.news[0], 0);
	assert_int_equal(range.news[1], 7);
	range.known.size = sizeof(range.known) - 1;
	assert_refused(vc_mem_range(mem, 1, &range.known), -EINVAL, "size");
	range.known.size = 4097;
	assert_refused(vc_mem_range(mem, 1, &range.known), -EINVAL, "size is 4097");
	assert_string_equal(range.known.name, "low");
	vc_mem_destroy(mem);
}

static void backing(void **state)
{
	struct vc_mem *mem = make_sample(), *fresh = make_map();
	void *hva = mem;
	char byte = 0;

	(void)state;
	assert_refused(vc_mem_backing(NULL, 0, &hva), -EINVAL, "map");
	assert_refused(vc_mem_backing(mem, 0, NULL), -EINVAL, "place");
	assert_refused(vc_mem_backing(fresh, 0, &hva), -EINVAL, "frozen");
	assert_int_equal(vc_mem_backing(mem, 4, &hva), -ENOENT);
	assert_ptr_equal(hva, mem);
	assert_result(vc_mem_write(mem, 5, "x", 1), 0);
	assert_result(vc_mem_backing(mem, 0, &hva), 0);
	memcpy(&byte, (char *)hva + 5, 1);
	assert_int_equal(byte, 'x');
	vc_mem_destroy(mem);
	vc_mem_destroy(fresh);
}

/* A file that has become shorter is noticed before anybody touches what is gone. */
static void freeze_looks_at_files(void **state)
{
	struct vc_region_config cfg = {
		.size = sizeof(cfg), .kind = VC_REGION_FILE, .name = "disk", .len_bytes = KIB(64)
	};
	struct vc_mem *mem = make_map();
	struct vc_region *region;

	(void)state;
	cfg.fd = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(cfg.fd, KIB(64)), 0);
	assert_result(vc_region_create(&cfg, &region), 0);
	assert_result(vc_mem_map(mem, region, 0, 0), 0);
	assert_int_equal(ftruncate(cfg.fd, KIB(60)), 0);
	assert_refused(vc_mem_freeze(mem), -EFBIG, "disk");
	assert_int_equal(ftruncate(cfg.fd, KIB(64)), 0);
	assert_result(vc_mem_freeze(mem), 0);
	vc_region_put(region);
	vc_mem_destroy(mem);
	close(cfg.fd);
}

struct place {
	uint64_t gpa, len;
	int want;
};

/* Every way two ranges can meet; the one in the map is [1 MiB, 2 MiB). */
static void overlap(void **state)
{
	static const struct place all[] = {
		{ MIB(1), MIB(1), -EEXIST },	      /* the same */
		{ 0, MIB(1), 0 },		      /* up to it */
		{ MIB(2), MIB(1), 0 },		      /* from its end */
		{ 0, MIB(1) + KIB(4), -EEXIST },      /* into its first page */
		{ MIB(2) - KIB(4), KIB(8), -EEXIST }, /* from its last page */
		{ MIB(1) + KIB(4), KIB(4), -EEXIST }, /* within */
		{ 0, MIB(4), -EEXIST },		      /* around it */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct vc_mem *mem = make_map();
		struct vc_region *region = make_region("new", all[i].len, 0);
		int r;

		map_ram(mem, "old", MIB(1), MIB(1), 0);
		r = vc_mem_map(mem, region, all[i].gpa, 0);
		assert_result(r, all[i].want);
		if (r < 0)
			assert_refused(r, -EEXIST, "overlaps old at 0x100000-0x1fffff");
		vc_region_put(region);
		vc_mem_destroy(mem);
	}
}

static void end_of_the_address_space(void **state)
{
	struct vc_mem *mem = make_map();
	struct vc_region *region = make_region("ram", KIB(8), 0);

	(void)state;
	assert_refused(vc_mem_map(mem, region, 0ull - KIB(4), 0), -EOVERFLOW, "beyond");
	assert_refused(vc_mem_map(mem, region, 0ull - KIB(8), 0), -EOVERFLOW, "beyond");
	assert_result(vc_mem_map(mem, region, 0ull - KIB(12), 0), 0);
	vc_region_put(region);
	vc_mem_destroy(mem);
}

/* A refused region is the caller's alone; a mapped one lives as long as the map. */
static void released_bytes(void *opaque, void *hva, uint64_t len)
{
	(void)hva;
	*(uint64_t *)opaque += len;
}

static void references(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	uint64_t released = 0;
	struct vc_region_config cfg = {
		.size = sizeof(cfg),
		.kind = VC_REGION_FOREIGN,
		.len_bytes = sizeof(page),
		.foreign = { .hva = page, .release = released_bytes, .opaque = &released },
	};
	struct vc_region *region = NULL;
	struct vc_mem *one = make_map(), *two = make_map();

	(void)state;
	assert_result(vc_region_create(&cfg, &region), 0);
	assert_result(vc_mem_map(one, region, 0, 0), 0);
	assert_result(vc_mem_map(one, region, KIB(4), 0), 0);
	assert_result(vc_mem_map(two, region, 0, 0), 0);
	assert_result(vc_mem_map(two, region, 0, 0), -EEXIST);
	vc_region_put(region);
	vc_mem_destroy(one);
	assert_int_equal(released, 0);
	vc_mem_destroy(two);
	assert_int_equal(released, sizeof(page));
}

static void find(void **state)
{
	struct vc_mem *mem = make_sample();

	(void)state;
	assert_int_equal(mem->nr, 4);
	assert_int_equal(vc__mem_find(mem, 0), 0);
	assert_int_equal(vc__mem_find(mem, KIB(64) - 1), 0);
	assert_int_equal(vc__mem_find(mem, KIB(64)), 1);
	assert_int_equal(vc__mem_find(mem, KIB(72) - 1), 1);
	assert_int_equal(vc__mem_find(mem, KIB(72)), 2);
	assert_int_equal(vc__mem_find(mem, MIB(2) - 1), 2);
	assert_int_equal(vc__mem_find(mem, MIB(2)), 3);
	assert_int_equal(vc__mem_find(mem, TOP_GPA + KIB(64) - 1), 3);
	assert_int_equal(vc__mem_find(mem, TOP_GPA + KIB(64)), 4);
	assert_int_equal(vc__mem_find(mem, UINT64_MAX), 4);
	vc_mem_destroy(mem);
}

static void freeze(void **state)
{
	struct vc_mem *mem = make_map();
	struct vc_region *region = make_region("ram", KIB(4), 0);

	(void)state;
	assert_result(vc_mem_freeze(mem), 0);
	assert_refused(vc_mem_freeze(mem), -EALREADY, "frozen");
	assert_refused(vc_mem_map(mem, region, 0, 0), -EBUSY, "ram: the map is frozen");
	assert_int_equal(vc__mem_find(mem, 0), 0);
	vc_region_put(region);
	vc_mem_destroy(mem);
}

/* Empty and open again, and the region is let go. */
static void clear(void **state)
{
	struct vc_region *region = make_region("ram", KIB(4), 0);
	struct vc_mem_range range = { .size = sizeof(range) };
	struct vc_mem *mem;

	(void)state;
	assert_result(vc_mem_create(&mem), 0);
	for (int i = 0; i < 2; i++) {
		assert_result(vc_mem_map(mem, region, MIB(1), 0), 0);
		assert_result(vc_mem_freeze(mem), 0);
		assert_result(vc_mem_dirty_start(mem), 0);
		vc_mem_clear(mem);
		assert_int_equal(vc_mem_range(mem, 0, &range), -ENOENT);
	}
	vc_mem_clear(NULL);
	vc_region_put(region);
	vc_mem_destroy(mem);
}

static void bad_arguments(void **state)
{
	struct vc_mem *mem = make_map();
	struct vc_region *region = make_region("ram", KIB(4), 0);
	struct vc_mem_range range = { .size = sizeof(range) };

	(void)state;
	assert_refused(vc_mem_create(NULL), -EINVAL, "map");
	assert_refused(vc_mem_map(NULL, region, 0, 0), -EINVAL, "no map");
	assert_refused(vc_mem_map(mem, NULL, 0, 0), -EINVAL, "no region");
	assert_refused(vc_mem_map(mem, region, 1, 0), -EINVAL, "0x1 is no multiple");
	assert_refused(vc_mem_map(mem, region, 0, 64), -EINVAL, "guest node 64");
	assert_refused(vc_mem_freeze(NULL), -EINVAL, "no map");
	assert_refused(vc_mem_range(NULL, 0, &range), -EINVAL, "no map");
	assert_refused(vc_mem_range(mem, 0, NULL), -EINVAL, "no place");
	assert_int_equal(vc_mem_range(mem, 0, &range), -ENOENT);
	vc_region_put(region);
	vc_mem_destroy(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_whatever_the_order),
		cmocka_unit_test(range_tells_all),
		cmocka_unit_test(range_of_other_versions),
		cmocka_unit_test(backing),
		cmocka_unit_test(freeze_looks_at_files),
		cmocka_unit_test(overlap),
		cmocka_unit_test(end_of_the_address_space),
		cmocka_unit_test(references),
		cmocka_unit_test(find),
		cmocka_unit_test(freeze),
		cmocka_unit_test(clear),
		cmocka_unit_test(bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
