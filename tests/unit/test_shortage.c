/* SPDX-License-Identifier: Apache-2.0 */
/* Which limit was met, and what to do about it: every message from a host as the test wants it. */
#include "mem_fixture.h"

#include "fake_files.h"
#include "region.h"

#include <sys/resource.h>

static struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

int __wrap_getrlimit64(int what, struct rlimit *ret);

int __wrap_getrlimit64(int what, struct rlimit *ret)
{
	(void)what;
	*ret = limit;
	return 0;
}

#define HUGE	     "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NODE	     "/sys/devices/system/node/"
#define NODE_HUGE(n) NODE "node" #n "/hugepages/hugepages-2048kB/"

static const struct fake_file none[] = { { 0 } };

static struct vc_region huge_region(uint64_t len)
{
	return (struct vc_region){ .name = "r",
				   .kind = VC_REGION_HUGETLB,
				   .len_bytes = len,
				   .page_bytes = MIB(2),
				   .is_hugetlb = true };
}

static struct vc_region ram_region(uint64_t len)
{
	return (struct vc_region){ .name = "r", .len_bytes = len, .page_bytes = 4096 };
}

static void too_few_huge_pages(void **state)
{
	static const struct fake_file files[] = {
		{ HUGE "nr_hugepages", "10\n" },
		{ HUGE "free_hugepages", "8\n" },
		{ HUGE "resv_hugepages", "3\n" },
		{ 0 },
	};
	struct vc_region r = huge_region(MIB(40));

	(void)state;
	fake_files = files;
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM,
		       "20 huge pages of 2 MiB needed, 5 are free; reserve more: echo 25 > "
		       "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	assert_refused(vc__shortage_of_pages(&r, -EFAULT), -ENOMEM, "20 huge pages");
	r.len_bytes = MIB(10); /* enough of them: something else is in the way */
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "cgroup");
	assert_refused(vc__shortage_of_pages(&r, -EFAULT), -ENOMEM, "5 of 2 MiB are free");
}

static void odd_counts(void **state)
{
	static const struct fake_file more_promised[] = {
		{ HUGE "nr_hugepages", "10\n" },
		{ HUGE "free_hugepages", "2\n" },
		{ HUGE "resv_hugepages", "3\n" },
		{ 0 },
	};
	static const struct fake_file no_promises[] = {
		{ HUGE "nr_hugepages", "10\n" },
		{ HUGE "free_hugepages", "2\n" },
		{ 0 },
	};
	static const struct fake_file no_free[] = { { HUGE "nr_hugepages", "10\n" }, { 0 } };
	struct vc_region r = huge_region(MIB(40));

	(void)state;
	fake_files = more_promised;
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM,
		       "0 are free; reserve more: echo 30");
	fake_files = no_promises;
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM,
		       "2 are free; reserve more: echo 28");
	fake_files = no_free;
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -EOPNOTSUPP, "no huge pages of 2 MiB");
	fake_files = none;
	assert_refused(vc__shortage_of_map(&r, -ENODEV), -EOPNOTSUPP, "hugepagesz=2M");
}

static void huge_pages_of_nodes(void **state)
{
	static const struct fake_file files[] = {
		{ NODE_HUGE(0) "nr_hugepages", "100\n" },
		{ NODE_HUGE(0) "free_hugepages", "100\n" },
		{ NODE_HUGE(1) "nr_hugepages", "4\n" },
		{ NODE_HUGE(1) "free_hugepages", "3\n" },
		{ NODE_HUGE(2) "nr_hugepages", "2\n" },
		{ NODE_HUGE(2) "free_hugepages", "2\n" },
		{ 0 },
	};
	struct vc_region r = huge_region(MIB(20));

	(void)state;
	fake_files = files;
	assert_result(vc__shortage_check(&r), 0); /* not bound: mmap has counted */
	r.numa = VC_NUMA_BIND;
	r.numa_nodes = 1;
	assert_result(vc__shortage_check(&r), 0);
	r.numa_nodes = 2;
	assert_refused(
		vc__shortage_check(&r), -ENOMEM,
		"10 huge pages of 2 MiB needed, 3 are free on node 1; reserve more: echo 11 > " NODE_HUGE(
			1) "nr_hugepages");
	r.numa_nodes = 6;
	assert_refused(vc__shortage_check(&r), -ENOMEM, "5 are free on the nodes asked for");
	assert_refused(vc__shortage_check(&r), -ENOMEM, "echo 7 > " NODE_HUGE(2) "nr_hugepages");
	r.len_bytes = MIB(10);
	assert_result(vc__shortage_check(&r), 0);
	r.numa_nodes = 1ull << 63;
	assert_refused(vc__shortage_check(&r), -ENOMEM, "0 are free on node 63");
}

static void memory_of_nodes(void **state)
{
	static const struct fake_file files[] = {
		{ NODE "node0/meminfo",
		  "Node 0 MemFree: 1048576 kB\nNode 0 Active(file): 524288 kB\n"
		  "Node 0 Inactive(file): 262144 kB\nNode 0 SReclaimable: 262144 kB\n" },
		{ NODE "node1/meminfo", "Node 1 MemFree: 1048576 kB\n" },
		{ 0 },
	};
	struct vc_region r = ram_region(GIB(2));

	(void)state;
	fake_files = files;
	r.numa = VC_NUMA_BIND;
	r.numa_nodes = 1;
	assert_result(vc__shortage_check(&r), 0);
	r.len_bytes += 4096;
	assert_refused(vc__shortage_check(&r), -ENOMEM, "2048 MiB needed, 2048 MiB free");
	r.numa_nodes = 3;
	assert_result(vc__shortage_check(&r), 0);
	r.len_bytes = GIB(4);
	assert_refused(vc__shortage_check(&r), -ENOMEM, "node1/meminfo");
	r.numa_nodes = 4;
	assert_refused(vc__shortage_check(&r), -ENOMEM, "0 MiB free on the nodes of mask 0x4");
	r.kind = VC_REGION_FILE; /* may be in memory already */
	assert_result(vc__shortage_check(&r), 0);
}

static void memory_of_the_host(void **state)
{
	static const struct fake_file files[] = {
		{ "/proc/meminfo",
		  "MemTotal: 8388608 kB\nMemAvailable: 1048576 kB\nSwapFree: 1024 kB\n" },
		{ 0 },
	};
	struct vc_region r = ram_region(MIB(1025));

	(void)state;
	fake_files = files;
	assert_result(vc__shortage_check(&r), 0);
	r.len_bytes += 4096;
	assert_refused(vc__shortage_check(&r), -ENOMEM, "1025 MiB are available");
	fake_files = none;
	assert_result(vc__shortage_check(&r), 0); /* no /proc: the kernel will tell */
}

static void mappings(void **state)
{
	static const struct fake_file strict[] = {
		{ "/proc/self/statm", "262144 1 1\n" },
		{ "/proc/sys/vm/overcommit_memory", "2\n" },
		{ "/proc/meminfo", "CommitLimit: 8388608 kB\nCommitted_AS: 7340032 kB\n" },
		{ 0 },
	};
	static const struct fake_file lax[] = {
		{ "/proc/self/statm", "262144 1 1\n" },
		{ "/proc/sys/vm/overcommit_memory", "1\n" },
		{ 0 },
	};
	struct vc_region r = ram_region(GIB(2));

	(void)state;
	fake_files = strict;
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM,
		       "vm.overcommit_memory is 2, 7168 MiB of at most 8192 MiB are committed");
	limit.rlim_cur = GIB(3) - 1; /* 1 GiB is mapped already */
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "RLIMIT_AS");
	limit.rlim_cur = GIB(1);
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "limited to 1024 MiB (RLIMIT_AS");
	limit.rlim_cur = GIB(3);
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "overcommit");
	fake_files = none; /* nothing known to be mapped */
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "vm.max_map_count");
	fake_files = lax;
	limit.rlim_cur = RLIM_INFINITY;
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "vm.max_map_count");
	assert_refused(vc__shortage_of_map(&r, -ENODEV), -ENODEV, "mapping 2048 MiB failed");
	r.len_bytes = TIB(100);
	assert_refused(vc__shortage_of_map(&r, -ENOMEM), -ENOMEM, "address space of a process");
}

static void pages_and_locks(void **state)
{
	struct vc_region r = ram_region(GIB(2));

	(void)state;
	assert_refused(vc__shortage_of_pages(&r, -EINVAL), -EOPNOTSUPP, "MADV_POPULATE_WRITE");
	assert_refused(vc__shortage_of_pages(&r, -ENOMEM), -ENOMEM, "no pages left");
	r.kind = VC_REGION_FILE;
	assert_refused(vc__shortage_of_pages(&r, -EFAULT), -ENOMEM, "pages of the file");
	limit.rlim_cur = KIB(64);
	assert_refused(vc__shortage_of_lock(&r, -ENOMEM), -EPERM,
		       "2048 MiB to be locked, the limit of the process is 64 KiB");
	limit.rlim_cur = RLIM_INFINITY;
	assert_refused(vc__shortage_of_lock(&r, -ENOMEM), -ENOMEM, "mlock failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_few_huge_pages),  cmocka_unit_test(odd_counts),
		cmocka_unit_test(huge_pages_of_nodes), cmocka_unit_test(memory_of_nodes),
		cmocka_unit_test(memory_of_the_host),  cmocka_unit_test(mappings),
		cmocka_unit_test(pages_and_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
