/* SPDX-License-Identifier: Apache-2.0 */
/* A ring on a NUMA node: the node's CPUs, lists that cannot be read, policies left as they were. */
#include "ring_fixture.h"

#include "fake_files.h"
#include "ring_private.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>

#define NODE0 "/sys/devices/system/node/node0/cpulist"

static void lists(void **state)
{
	static const struct {
		const char *text;
		uint64_t first, last;
		int r;
	} cases[] = {
		{ "0-3,8\n", 0x10f, 0, 0 },
		{ "63-64,1023\n", 1ull << 63, 1ull << 63, 0 },
		{ "\n", 0, 0, 0 }, /* a node of memory alone */
		{ "3-1\n", 0, 0, -ENODEV },
		{ "1024\n", 0, 0, -ENODEV },
		{ "0-99999999999999999999\n", 0, 0, -ENODEV },
		{ "x\n", 0, 0, -ENODEV },
		{ "1-\n", 0, 0, -ENODEV },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct fake_file files[] = { { NODE0, cases[i].text }, { 0 } };
		uint64_t cpus[16] = { 0 };

		fake_files = files;
		assert_int_equal(vc__ring_node_cpus("r", 0, cpus), cases[i].r);
		assert_int_equal(cpus[0], cases[i].first);
		assert_int_equal(cpus[15], cases[i].last);
	}
	fake_files = NULL;
}

static void no_such_node(void **state)
{
	static const struct fake_file none[] = { { 0 } };
	struct vc_ring_config cfg = { .size = sizeof(cfg), .has_numa_node = true, .numa_node = 7 };
	struct vc_ring *ring = NULL;

	(void)state;
	fake_files = none;
	assert_refused(vc_ring_create(&cfg, &ring), -ENODEV, "no NUMA node 7");
	fake_files = NULL;
	cfg.has_numa_node = false;
	assert_refused(vc_ring_create(&cfg, &ring), -EINVAL, "has_numa_node");
	assert_null(ring);
}

static int policy_now(void)
{
	int mode = -1;

	assert_int_equal(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0), 0);
	return mode;
}

static void policies(void **state)
{
	struct vc__ring_policy was;

	(void)state;
	if (syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0) < 0) {
		print_message("no NUMA policies in this kernel\n");
		return;
	}
	assert_int_equal(policy_now(), MPOL_DEFAULT);
	vc__ring_prefer_node(0, &was);
	assert_int_equal(policy_now(), MPOL_PREFERRED);
	vc__ring_restore_policy(&was);
	assert_int_equal(policy_now(), MPOL_DEFAULT);
	vc__ring_prefer_node(4096, &was); /* none: nothing done, nothing restored */
	assert_int_equal(policy_now(), MPOL_DEFAULT);
	vc__ring_restore_policy(&was);
	assert_int_equal(policy_now(), MPOL_DEFAULT);
}

struct look {
	struct vc_ring_task task;
	int policy;
	cpu_set_t cpus;
};

static void look(struct vc_ring_task *task)
{
	struct look *l = vc_container_of(task, struct look, task);

	l->policy = policy_now();
	assert_int_equal(sched_getaffinity(0, sizeof(l->cpus), &l->cpus), 0);
}

static void a_thread_on_its_node(void **state)
{
	struct look l = { .task.run = look };
	struct vc_ring *ring;

	(void)state;
	if (access(NODE0, R_OK) != 0 || syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0) < 0) {
		print_message("no NUMA nodes on this host\n");
		return;
	}
	ring = ring_new((struct vc_ring_config){ .has_numa_node = true });
	assert_int_equal(policy_now(), MPOL_DEFAULT);
	assert_result(vc_ring_post(ring, &l.task), 0);
	assert_result(vc_ring_start(ring), 0);
	vc_ring_put(ring);
	assert_int_equal(l.policy, MPOL_PREFERRED);
	assert_true(CPU_COUNT(&l.cpus) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(no_such_node),
		cmocka_unit_test(policies),
		cmocka_unit_test(a_thread_on_its_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
