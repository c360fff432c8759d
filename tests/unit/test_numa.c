/* SPDX-License-Identifier: Apache-2.0 */
/* The host's nodes, real and made up, and what is asked of mbind(2). Real binding to two nodes is
 * tests/lab/numa_test.c. */
#include "mem_fixture.h"

#include "fake_files.h"
#include "region.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

static long mbind_args[6];
static int mbind_errno, nr_mbind;

long __wrap_syscall(long nr, ...);

long __wrap_syscall(long nr, ...)
{
	va_list args;

	assert_int_equal(nr, SYS_mbind);
	nr_mbind++;
	va_start(args, nr);
	for (size_t i = 0; i < ARRAY_LEN(mbind_args); i++)
		mbind_args[i] = va_arg(args, long);
	va_end(args);
	mbind_args[3] = (long)*(unsigned long *)mbind_args[3];
	errno = mbind_errno;
	return mbind_errno ? -1 : 0;
}

#define NODE "/sys/devices/system/node/"

/* Nodes 0 and 3, of which 3 has 1 GiB pages and no CPUs; node 5 has no memory. */
static const struct fake_file two_nodes[] = {
	{ NODE "online", "0,3,5\n" },
	{ NODE "has_memory", "0,3\n" },
	{ NODE "node0/meminfo", "\nNode 0 MemTotal:       4096 kB\nNode 0 MemFree:  1024 kB\n" },
	{ NODE "node3/meminfo", "\nNode 3 MemTotal:       8192 kB\nNode 3 MemFree:  2048 kB\n" },
	{ NODE "node5/meminfo", "\nNode 5 MemTotal: 0 kB\nNode 5 MemFree: 0 kB\n" },
	{ NODE "node0/distance", "10 21 255\n" },
	{ NODE "node3/distance", "21 10 31\n" },
	{ NODE "node5/distance", "255 31 10\n" },
	{ NODE "node0/cpulist", "0-3,1023\n" },
	{ NODE "node3/cpulist", "\n" },
	{ NODE "node5/cpulist", "4\n" },
	{ NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", "7\n" },
	{ NODE "node0/hugepages/hugepages-2048kB/free_hugepages", "5\n" },
	{ NODE "node3/hugepages/hugepages-1048576kB/nr_hugepages", "3\n" },
	{ NODE "node3/hugepages/hugepages-1048576kB/free_hugepages", "2\n" },
	{ 0 },
};

static void made_up_nodes(void **state)
{
	struct vc_numa_node n[4];

	(void)state;
	fake_files = two_nodes;
	memset(n, 0xff, sizeof(n));
	assert_result(vc_numa_query(n, 4), 3);
	assert_int_equal(n[0].id, 0);
	assert_int_equal(n[0].mem_total_bytes, MIB(4));
	assert_int_equal(n[0].mem_free_bytes, MIB(1));
	assert_int_equal(n[0].huge_2m_total, 7);
	assert_int_equal(n[0].huge_2m_free, 5);
	assert_int_equal(n[0].huge_1g_total, 0);
	assert_int_equal(n[0].distance[0], 10);
	assert_int_equal(n[0].distance[1], 0);
	assert_int_equal(n[0].distance[3], 21);
	assert_int_equal(n[0].distance[5], 255);
	assert_int_equal(n[0].cpus[0], 0xf);
	assert_int_equal(n[0].cpus[15], 1ull << 63);
	assert_int_equal(n[1].id, 3);
	assert_int_equal(n[1].mem_total_bytes, MIB(8));
	assert_int_equal(n[1].huge_1g_total, 3);
	assert_int_equal(n[1].huge_1g_free, 2);
	assert_int_equal(n[1].cpus[0], 0);
	assert_int_equal(n[2].id, 5);
	assert_int_equal(n[2].cpus[0], 1 << 4);
	assert_int_equal(n[3].id, UINT32_MAX); /* not touched */

	memset(n, 0xff, sizeof(n));
	assert_result(vc_numa_query(n, 1), 3);
	assert_int_equal(n[1].id, UINT32_MAX);
	assert_result(vc_numa_query(NULL, 0), 3);
	assert_refused(vc_numa_query(NULL, 1), -EINVAL, "no place");
}

static void unreadable_nodes(void **state)
{
	static const char *const changed[] = { "online",	"node3/meminfo",  "node3/distance",
					       "node3/cpulist", "node3/distance", "node3/distance",
					       "node3/cpulist", "online" };
	static const char *const text[] = { NULL, NULL, NULL, NULL, "10 x", "0 0 0", "a", "0-" };
	struct fake_file files[ARRAY_LEN(two_nodes)];
	struct vc_numa_node n[4];
	char path[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
		memcpy(files, two_nodes, sizeof(files));
		snprintf(path, sizeof(path), NODE "%s", changed[i]);
		for (struct fake_file *f = files; f->path; f++) {
			if (strcmp(f->path, path) == 0)
				f->text = text[i];
		}
		fake_files = files;
		assert_refused(vc_numa_query(n, 4), text[i] ? -EBADMSG : -EACCES,
			       strrchr(path, '/') + 1);
	}
	fake_files = (const struct fake_file[]){ { 0 } };
	assert_refused(vc_numa_query(n, 4), -ENOENT, "online");
	fake_files = NULL;
}

/* Whatever this machine is: sums and distances make sense. */
static void real_nodes(void **state)
{
	struct vc_numa_node n[VC_NUMA_NODES_MAX];
	int nr;

	(void)state;
	fake_files = NULL;
	nr = vc_numa_query(n, VC_NUMA_NODES_MAX);
	if (nr == -ENOENT)
		skip();
	assert_in_range(nr, 1, VC_NUMA_NODES_MAX);
	for (int i = 0; i < nr; i++) {
		assert_true(n[i].mem_free_bytes <= n[i].mem_total_bytes);
		assert_true(n[i].huge_2m_free <= n[i].huge_2m_total);
		assert_int_equal(n[i].distance[n[i].id], 10);
		for (int j = 0; j < nr; j++)
			assert_true(n[i].distance[n[j].id] >= 10);
	}
}

static void nodes_must_have_memory(void **state)
{
	struct vc_region r = { .name = "r", .numa = VC_NUMA_BIND, .numa_nodes = 9 };

	(void)state;
	fake_files = two_nodes;
	assert_result(vc__numa_check(&r), 0);
	r.numa_nodes = 1 << 5;
	assert_refused(vc__numa_check(&r), -ENODEV, "node 5 does not exist or has no memory");
	r.numa_nodes = 1ull << 63 | 1;
	assert_refused(vc__numa_check(&r), -ENODEV, "node 63");
	r.numa = VC_NUMA_DEFAULT;
	assert_result(vc__numa_check(&r), 0);
	r.numa = VC_NUMA_INTERLEAVE;
	fake_files = (const struct fake_file[]){ { 0 } };
	assert_refused(vc__numa_check(&r), -ENOENT, "has_memory");
	fake_files = NULL;
}

static void what_mbind_is_told(void **state)
{
	static uint8_t page[4096];
	struct vc_region r = { .name = "r",
			       .hva = page,
			       .len_bytes = 4096,
			       .numa = VC_NUMA_BIND,
			       .numa_nodes = 1ull << 63 | 1 };

	(void)state;
	mbind_errno = 0;
	assert_result(vc__numa_apply(&r), 0);
	assert_ptr_equal((void *)mbind_args[0], page);
	assert_int_equal(mbind_args[1], 4096);
	assert_int_equal((int)mbind_args[2], MPOL_BIND);
	assert_int_equal(mbind_args[3], 1ull << 63 | 1);
	assert_int_equal(mbind_args[4], 65);
	assert_int_equal((unsigned int)mbind_args[5], MPOL_MF_STRICT | MPOL_MF_MOVE);
	r.numa = VC_NUMA_INTERLEAVE;
	assert_result(vc__numa_apply(&r), 0);
	assert_int_equal((int)mbind_args[2], MPOL_INTERLEAVE);
	assert_int_equal((unsigned int)mbind_args[5], 0);
	r.numa = VC_NUMA_PREFERRED;
	assert_result(vc__numa_apply(&r), 0);
	assert_int_equal((int)mbind_args[2], MPOL_PREFERRED);
	nr_mbind = 0;
	r.numa = VC_NUMA_DEFAULT;
	assert_result(vc__numa_apply(&r), 0);
	assert_int_equal(nr_mbind, 0);
	r.numa = VC_NUMA_BIND;
	mbind_errno = ENOSYS;
	assert_refused(vc__numa_apply(&r), -EOPNOTSUPP, "no NUMA policies");
	mbind_errno = EIO;
	assert_refused(vc__numa_apply(&r), -EBUSY, "other nodes");
	mbind_errno = EINVAL;
	assert_refused(vc__numa_apply(&r), -EINVAL, "mask 0x8000000000000001");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_up_nodes),      cmocka_unit_test(unreadable_nodes),
		cmocka_unit_test(real_nodes),	      cmocka_unit_test(nodes_must_have_memory),
		cmocka_unit_test(what_mbind_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
