/* SPDX-License-Identifier: Apache-2.0 */
/* mem: every allocation and system call of regions and maps fails once. */
#include "fault.h"
#include "mem_fixture.h"

#include <stdio.h>
#include <unistd.h>

/* What a region is made of; the flags that bring the most calls along. */
static int make_one(void *opaque)
{
	const struct vc_region_config *cfg = opaque;
	struct vc_region *region = NULL;
	int r = vc_region_create(cfg, &region);

	if (r == 0 && !(cfg->flags & VC_REGION_MLOCK))
		r = vc_region_discard(region, 0, cfg->len_bytes);
	fault_may_survive();
	vc_region_put(region);
	return r;
}

/* Returns the number of calls that failed in turn. */
static unsigned int each(struct vc_region_config cfg, const char *const *may_survive)
{
	struct fault_config fault = {
		.fn = make_one,
		.opaque = &cfg,
		.may_survive = may_survive,
	};

	cfg.size = sizeof(cfg);
	return fault_each(&fault);
}

/* A second mapping that only aligns the first, and /proc read to judge what is free. */
static const char *const survivable[] = { "mmap64", "open64", "read", "__read_chk", NULL };

static void anon(void **state)
{
	(void)state;
	assert_true(each((struct vc_region_config){ .len_bytes = MIB(1) }, NULL) >= 2);
	assert_true(each(
			    (struct vc_region_config){
				    .len_bytes = MIB(4),
				    .flags = VC_REGION_PREFAULT | VC_REGION_THP |
					     VC_REGION_NO_DUMP | VC_REGION_MERGEABLE,
				    .prefault_threads = 2,
			    },
			    survivable) >= 9);
}

static void anon_without_pages_fails(void **state)
{
	struct vc_region_config cfg = { .size = sizeof(cfg), .len_bytes = KIB(64) };
	struct fault_config fault = { .fn = make_one, .opaque = &cfg };

	(void)state;
	/* No second way here: the failure of mmap must come out. */
	assert_int_equal(fault_each(&fault), 3);
	assert_int_equal(fault_count("mmap64"), 1);
}

static void memfd(void **state)
{
	(void)state;
	assert_true(each(
			    (struct vc_region_config){
				    .len_bytes = KIB(64),
				    .kind = VC_REGION_MEMFD,
				    .flags = VC_REGION_PREFAULT | VC_REGION_MLOCK,
			    },
			    survivable) >= 7);
	assert_int_equal(fault_count("memfd_create"), 1);
	assert_int_equal(fault_count("ftruncate64"), 1);
}

static void bound_to_a_node(void **state)
{
	(void)state;
	assert_true(each(
			    (struct vc_region_config){
				    .len_bytes = KIB(64),
				    .numa = VC_NUMA_BIND,
				    .numa_nodes = 1,
			    },
			    NULL) >= 6);
	assert_int_equal(fault_count("syscall"), 1);
}

static void file(void **state)
{
	char path[] = "/tmp/vc-fault-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd > 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)MIB(1)), 0);
	assert_true(each(
			    (struct vc_region_config){
				    .len_bytes = MIB(1),
				    .kind = VC_REGION_FILE,
				    .fd = fd,
				    .flags = VC_REGION_PREFAULT,
			    },
			    NULL) >= 6);
	close(fd);
}

/* A map of 20 ranges: the list grows twice; the dirty log is one allocation more. */
static int make_maps(void *opaque)
{
	struct vc_region_config cfg = { .size = sizeof(cfg), .len_bytes = KIB(4) };
	struct vc_region *region = NULL;
	struct vc_mem *mem = NULL;
	int r = vc_region_create(&cfg, &region);

	(void)opaque;
	if (r == 0)
		r = vc_mem_create(&mem);
	for (unsigned int i = 0; i < 20 && r == 0; i++)
		r = vc_mem_map(mem, region, i * KIB(8), 0);
	if (r == 0)
		r = vc_mem_freeze(mem);
	if (r == 0)
		r = vc_mem_dirty_start(mem);
	fault_may_survive();
	vc_mem_destroy(mem);
	vc_region_put(region);
	return r;
}

static void map(void **state)
{
	struct fault_config cfg = { .fn = make_maps };

	(void)state;
	assert_int_equal(fault_each(&cfg), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anon),	 cmocka_unit_test(anon_without_pages_fails),
		cmocka_unit_test(memfd), cmocka_unit_test(bound_to_a_node),
		cmocka_unit_test(file),	 cmocka_unit_test(map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
