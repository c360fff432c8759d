/* SPDX-License-Identifier: Apache-2.0 */
/* What a region's configuration may say; each refusal names the field. */
#include "mem_fixture.h"

#include "region_check.h"

static uint8_t foreign_page[8192] __attribute__((aligned(4096)));

static void nothing(void *opaque, void *hva, uint64_t len)
{
	(void)opaque;
	(void)hva;
	(void)len;
}

struct refusal {
	const char *part; /* of the message */
	struct vc_region_config cfg;
};

#define OK_ANON .name = "r", .len_bytes = 4096

static const struct refusal refusals[] = {
	{ "1 to 64 bytes", { .name = "", .len_bytes = 4096 } },
	{ "1 to 64 bytes",
	  { .name = "12345678901234567890123456789012345678901234567890123456789012345",
	    .len_bytes = 4096 } },
	{ "printable", { .name = "a\nb", .len_bytes = 4096 } },
	{ "unknown kind 5", { OK_ANON, .kind = 5 } },
	{ "unknown flags 0x200", { OK_ANON, .flags = 0x200 } },
	{ "unknown flags 0x80000000", { OK_ANON, .flags = 0x80000001 } },
	/* sizes */
	{ "length is 0", { .name = "r" } },
	{ "0x1 is no multiple of the page size, 4096", { .name = "r", .len_bytes = 1 } },
	{ "0x1001 is no multiple", { .name = "r", .len_bytes = 4097 } },
	{ "0x1000 is no multiple of the page size, 2097152",
	  { OK_ANON, .kind = VC_REGION_HUGETLB } },
	{ "0x200000 is no multiple of the page size, 1073741824",
	  { .name = "r", .len_bytes = MIB(2), .kind = VC_REGION_HUGETLB, .page_bytes = GIB(1) } },
	{ "page_bytes is 4096",
	  { .name = "r", .len_bytes = MIB(2), .kind = VC_REGION_HUGETLB, .page_bytes = 4096 } },
	{ "page_bytes is 3145728",
	  { .name = "r", .len_bytes = MIB(6), .kind = VC_REGION_HUGETLB, .page_bytes = MIB(3) } },
	{ "hugetlb regions only", { OK_ANON, .page_bytes = 4096 } },
	{ "more than any", { .name = "r", .len_bytes = 1ull << 63 } },
	{ "more than any", { .name = "r", .len_bytes = UINT64_MAX - 4095 } },
	{ "more than any", { OK_ANON, .kind = VC_REGION_FILE, .file_off = UINT64_MAX - 4095 } },
	{ "file_off 0x10 is no multiple", { OK_ANON, .kind = VC_REGION_FILE, .file_off = 16 } },
	/* fields of other kinds */
	{ "fd is for file", { OK_ANON, .fd = 3 } },
	{ "fd is for file", { OK_ANON, .fd = -1, .kind = VC_REGION_MEMFD } },
	{ "file_off is for file", { OK_ANON, .file_off = 4096 } },
	{ "foreign is for foreign", { OK_ANON, .foreign.hva = foreign_page } },
	{ "foreign is for foreign", { OK_ANON, .foreign.release = nothing } },
	{ "foreign is for foreign", { OK_ANON, .foreign.opaque = foreign_page } },
	{ "page-aligned", { OK_ANON, .kind = VC_REGION_FOREIGN } },
	{ "page-aligned", { OK_ANON, .kind = VC_REGION_FOREIGN, .foreign.hva = foreign_page + 1 } },
	{ "READONLY and NO_DUMP only",
	  { OK_ANON, .kind = VC_REGION_FOREIGN, .foreign.hva = foreign_page,
	    .flags = VC_REGION_PREFAULT } },
	{ "no NUMA policy",
	  { OK_ANON, .kind = VC_REGION_FOREIGN, .foreign.hva = foreign_page, .numa = VC_NUMA_BIND,
	    .numa_nodes = 1 } },
	/* flags */
	{ "PRIVATE is for file", { OK_ANON, .flags = VC_REGION_PRIVATE } },
	{ "THP and NO_THP exclude", { OK_ANON, .flags = VC_REGION_THP | VC_REGION_NO_THP } },
	{ "no meaning for hugetlb",
	  { .name = "r", .len_bytes = MIB(2), .kind = VC_REGION_HUGETLB, .flags = VC_REGION_THP } },
	{ "no meaning for hugetlb",
	  { .name = "r",
	    .len_bytes = MIB(2),
	    .kind = VC_REGION_HUGETLB,
	    .flags = VC_REGION_NO_THP } },
	{ "PINNED and MERGEABLE",
	  { OK_ANON, .flags = VC_REGION_PINNED | VC_REGION_MERGEABLE | VC_REGION_PREFAULT } },
	{ "PINNED and PRIVATE",
	  { OK_ANON, .kind = VC_REGION_FILE,
	    .flags = VC_REGION_PINNED | VC_REGION_PRIVATE | VC_REGION_PREFAULT } },
	{ "PINNED needs PREFAULT", { OK_ANON, .flags = VC_REGION_PINNED } },
	{ "MERGEABLE needs private",
	  { OK_ANON, .kind = VC_REGION_MEMFD, .flags = VC_REGION_MERGEABLE } },
	{ "MERGEABLE needs private",
	  { OK_ANON, .kind = VC_REGION_FILE, .flags = VC_REGION_MERGEABLE } },
	/* placement */
	{ "unknown NUMA policy 4", { OK_ANON, .numa = 4, .numa_nodes = 1 } },
	{ "without a NUMA policy", { OK_ANON, .numa_nodes = 1 } },
	{ "needs numa_nodes", { OK_ANON, .numa = VC_NUMA_INTERLEAVE } },
	{ "takes one node", { OK_ANON, .numa = VC_NUMA_PREFERRED, .numa_nodes = 3 } },
	{ "257 prefault threads",
	  { OK_ANON, .prefault_threads = 257, .flags = VC_REGION_PREFAULT } },
	{ "nothing is touched ahead", { OK_ANON, .prefault_threads = 1 } },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		assert_refused(vc__region_check(&refusals[i].cfg), -EINVAL, refusals[i].part);
}

static const struct vc_region_config accepted[] = {
	{ OK_ANON },
	{ .name = "1234567890123456789012345678901234567890123456789012345678901234",
	  .len_bytes = 4096 },
	{ .name = "r", .len_bytes = INT64_MAX & ~4095ull },
	{ .name = "r", .len_bytes = MIB(2), .kind = VC_REGION_HUGETLB },
	{ .name = "r", .len_bytes = MIB(2), .kind = VC_REGION_HUGETLB, .page_bytes = MIB(2) },
	{ .name = "r", .len_bytes = GIB(3), .kind = VC_REGION_HUGETLB, .page_bytes = GIB(1) },
	{ OK_ANON, .kind = VC_REGION_FILE, .fd = 5, .file_off = 4096, .flags = VC_REGION_PRIVATE },
	{ OK_ANON, .kind = VC_REGION_FILE, .flags = VC_REGION_PRIVATE | VC_REGION_MERGEABLE },
	{ OK_ANON, .kind = VC_REGION_FOREIGN, .foreign.hva = foreign_page,
	  .flags = VC_REGION_READONLY | VC_REGION_NO_DUMP },
	{ OK_ANON, .flags = VC_REGION_PINNED | VC_REGION_PREFAULT | VC_REGION_MLOCK | VC_REGION_THP,
	  .prefault_threads = 256 },
	{ OK_ANON, .flags = VC_REGION_MLOCK, .prefault_threads = 1 },
	{ OK_ANON, .numa = VC_NUMA_BIND, .numa_nodes = UINT64_MAX, .prefault_threads = 1 },
	{ OK_ANON, .numa = VC_NUMA_PREFERRED, .numa_nodes = 1ull << 63 },
	{ OK_ANON, .numa = VC_NUMA_INTERLEAVE, .numa_nodes = 3 },
};

static void taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
		assert_result(vc__region_check(&accepted[i]), 0);
}

static void page_sizes_and_touching(void **state)
{
	struct vc_region_config cfg = { .kind = VC_REGION_HUGETLB };

	(void)state;
	assert_int_equal(vc__region_page_bytes(&cfg), MIB(2));
	cfg.page_bytes = GIB(1);
	assert_int_equal(vc__region_page_bytes(&cfg), GIB(1));
	cfg.kind = VC_REGION_ANON;
	assert_int_equal(vc__region_page_bytes(&cfg), 4096);
	assert_false(vc__region_is_touched(&cfg));
	cfg.numa = VC_NUMA_INTERLEAVE;
	assert_false(vc__region_is_touched(&cfg));
	cfg.numa = VC_NUMA_BIND;
	assert_true(vc__region_is_touched(&cfg));
	cfg.numa = VC_NUMA_DEFAULT;
	cfg.flags = VC_REGION_MLOCK;
	assert_true(vc__region_is_touched(&cfg));
	cfg.flags = VC_REGION_PREFAULT;
	assert_true(vc__region_is_touched(&cfg));
}

static void discard(void **state)
{
	struct vc_region r = { .name = "r", .len_bytes = KIB(16), .page_bytes = KIB(4) };

	(void)state;
	assert_result(vc__region_check_discard(&r, 0, KIB(16)), 0);
	assert_result(vc__region_check_discard(&r, KIB(16), 0), 0);
	assert_refused(vc__region_check_discard(&r, 1, KIB(4)), -EINVAL, "multiples of 4096");
	assert_refused(vc__region_check_discard(&r, 0, 1), -EINVAL, "multiples");
	assert_refused(vc__region_check_discard(&r, KIB(4), KIB(16)), -EINVAL, "within 0x4000");
	assert_refused(vc__region_check_discard(&r, KIB(20), 0), -EINVAL, "within");
	assert_refused(vc__region_check_discard(&r, KIB(4), UINT64_MAX - 4095), -EINVAL, "within");
	r.flags = VC_REGION_PINNED;
	assert_refused(vc__region_check_discard(&r, 0, KIB(4)), -EBUSY, "pinned");
	r.flags = VC_REGION_MLOCK;
	assert_refused(vc__region_check_discard(&r, 0, KIB(4)), -EBUSY, "locked");
	r.flags = VC_REGION_READONLY;
	assert_refused(vc__region_check_discard(&r, 0, KIB(4)), -EROFS, "read-only");
	r.flags = VC_REGION_PRIVATE;
	assert_refused(vc__region_check_discard(&r, 0, KIB(4)), -EOPNOTSUPP, "private");
	r.flags = 0;
	r.kind = VC_REGION_FOREIGN;
	assert_refused(vc__region_check_discard(&r, 0, KIB(4)), -EOPNOTSUPP, "foreign");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(taken),
		cmocka_unit_test(page_sizes_and_touching),
		cmocka_unit_test(discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
