/* SPDX-License-Identifier: Apache-2.0 */
/* All faults of a configuration at once: each told once with its code and its words, none kept. */
#include "vm_fixture.h"

struct told {
	int err[32];
	char text[32][600];
	int nr;
};

static void note(void *opaque, const struct vc_problem *problem)
{
	struct told *told = opaque;

	assert_true(told->nr < 32);
	told->err[told->nr] = problem->err;
	snprintf(told->text[told->nr++], sizeof(told->text[0]), "%s: %s: %s", problem->subsystem,
		 problem->object, problem->message);
}

static bool was_told(const struct told *told, int err, const char *part)
{
	for (int i = 0; i < told->nr; i++) {
		if (told->err[i] == err && strstr(told->text[i], part))
			return true;
	}
	return false;
}

/* The configuration has exactly one fault, which building meets as well. */
static void expect_one(const struct vc_vm_config *cfg, int err, const char *part)
{
	struct told told = { .nr = 0 };
	struct fixture f;

	open_host(&f, NULL, 0);
	make_vm(&f, cfg);
	assert_result(vc_vm_check(f.vm, note, &told), 1);
	if (!was_told(&told, err, part))
		print_error("told %d: %s\n", told.err[0], told.text[0]);
	assert_true(was_told(&told, err, part));
	assert_refused(vc_vm_build(f.vm), err, part);
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_NEW);
	close_all(&f);
}

static void nothing_wrong(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct told told = { .nr = 0 };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_check(f.vm, note, &told), 0);
	assert_result(vc_vm_check(f.vm, NULL, NULL), 0);
	assert_int_equal(told.nr, 0);
	/* Checking leaves the VM as it was: it can be built, and then no longer be checked. */
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_check(f.vm, note, &told), -EBUSY, "built");
	close_all(&f);
	assert_refused(vc_vm_check(NULL, note, &told), -EINVAL, "VM");
}

static int hook(void *opaque, const struct vc_thread_info *info)
{
	(void)opaque;
	(void)info;
	return 0;
}

static void each_by_itself(void **state)
{
	struct vc_vm_config cfg = basic_config();

	(void)state;
	cfg.nr_vcpus = 256;
	expect_one(&cfg, -EINVAL, "nr_vcpus is 256");
	cfg = basic_config();
	cfg.irqchip = VC_IRQCHIP_SPLIT;
	cfg.has_pit = true;
	expect_one(&cfg, -EINVAL, "PIT");
	cfg = basic_config();
	cfg.halt_poll_ns = -2;
	expect_one(&cfg, -EINVAL, "halt_poll_ns is -2");
	cfg = basic_config();
	cfg.kick_signal = 9;
	expect_one(&cfg, -EINVAL, "signal 9");
	cfg.kick_signal = 999;
	expect_one(&cfg, -EINVAL, "signal 999");
	cfg = basic_config();
	cfg.halt_poll_ns = 1000;
	expect_one(&cfg, -ENOTSUP, "halt-poll");
	cfg = basic_config();
	cfg.tsc_khz = 1000000;
	expect_one(&cfg, -ENOTSUP, "TSC of 1000000 kHz");
	cfg = basic_config();
	cfg.irqchip = 7;
	expect_one(&cfg, -EINVAL, "irqchip 7");
	cfg = basic_config();
	cfg.runner = VC_RUNNER_CALLER;
	cfg.thread_hook = hook;
	expect_one(&cfg, -EINVAL, "thread_hook");
	cfg = basic_config();
	cfg.dirty_ring_entries = 4096;
	expect_one(&cfg, -ENOTSUP, "dirty-ring");
}

static void all_at_once(void **state)
{
	static const uint64_t mask[16] = { 1 };
	static const uint64_t *const affinity[] = { mask };
	static const struct vc_cpu_model_config cpu = { .size = sizeof(cpu), .name = "nope" };
	struct vc_vm_config cfg = { .size = sizeof(cfg),
				    .irqchip = VC_IRQCHIP_SPLIT,
				    .has_pit = true,
				    .cpu = &cpu,
				    .runner = VC_RUNNER_CALLER,
				    .vcpu_affinity = affinity };
	struct vc_region_config odd = { .size = sizeof(odd), .name = "odd", .len_bytes = 1000 };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kernel.path = "/nonexistent/vmlinuz" };
	struct told told = { .nr = 0 };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_vm_add_ram(f.vm, &odd, 3), 0);
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	assert_true(vc_vm_check(f.vm, note, &told) >= 6);
	assert_true(was_told(&told, -EINVAL, "nr_vcpus is 0"));
	assert_true(was_told(&told, -EINVAL, "nope"));
	assert_true(was_told(&told, -EINVAL, "the PIT exists only"));
	assert_true(was_told(&told, -EINVAL, "vcpu_affinity"));
	assert_true(was_told(&told, -EINVAL, "odd: length 1000"));
	assert_true(was_told(&told, -EINVAL, "odd: is on NUMA node 3"));
	assert_true(was_told(&told, -ERANGE, "1 MiB or more"));
	assert_true(was_told(&told, -ENOENT, "/nonexistent/vmlinuz"));
	for (int i = 0; i < told.nr; i++)
		assert_null(strchr(told.text[i], '\n'));
	close_all(&f);
}

static void nodes(void **state)
{
	static const uint32_t both[] = { 0, 0 }, beyond[] = { 7 };
	struct vc_vm_node node = { .size = sizeof(node), .vcpus = both, .nr_vcpus = 2 };
	struct vc_vm_config cfg = basic_config();
	struct told told = { .nr = 0 };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_add_node(f.vm, &node), 0);
	node = (struct vc_vm_node){ .size = sizeof(node), .vcpus = beyond, .nr_vcpus = 1 };
	node.distance[0] = 9;
	node.distance[5] = 20;
	assert_result(vc_vm_add_node(f.vm, &node), 1);
	assert_true(vc_vm_check(f.vm, note, &told) >= 4);
	assert_true(was_told(&told, -EINVAL, "NUMA node 0: vCPU 0 is named twice"));
	assert_true(was_told(&told, -EINVAL, "NUMA node 1: vCPU 7"));
	assert_true(was_told(&told, -EINVAL, "NUMA node 1: distance 9 to node 0"));
	assert_true(was_told(&told, -EINVAL, "NUMA node 1: distance 20 to node 5"));
	close_all(&f);
}

/* What start would refuse is told before. */
static void affinity(void **state)
{
	static const uint64_t mask[16] = { [15] = 1ull << 63 };
	static const uint64_t *const nowhere[] = { NULL, mask };
	struct vc_vm_config cfg = basic_config();
	struct told told = { .nr = 0 };
	struct fixture f;

	(void)state;
	cfg.nr_vcpus = 2;
	cfg.vcpu_affinity = nowhere;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_check(f.vm, note, &told), 1);
	assert_true(was_told(&told, -EINVAL, "cpu1: its affinity mask names no CPU"));
	close_all(&f);
}

/* A fault of one part hides none of another: RAM is placed and files are opened all the same. */
static void none_hides_another(void **state)
{
	const struct vc_cpu_model_config cpu = { .size = sizeof(cpu), .name = "nonesuch" };
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 4096 };
	struct vc_region_config huge = { .size = sizeof(huge),
					 .kind = VC_REGION_HUGETLB,
					 .len_bytes = 3 << 20 };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kind = VC_BOOT_PVH,
				       .kernel.path = "/nonexistent/vmlinux",
				       .initrd.path = "/nonexistent/initrd" };
	struct vc_vm_config cfg = basic_config();
	struct told told = { .nr = 0 };
	struct fixture f;

	(void)state;
	cfg.cpu = &cpu;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_vm_add_ram(f.vm, &huge, 0), 0);
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	assert_result(vc_vm_check(f.vm, note, &told), 4);
	assert_true(was_told(&told, -EINVAL, "nonesuch"));
	assert_true(was_told(&told, -EINVAL, "a multiple of 2097152"));
	assert_true(was_told(&told, -ENOENT, "vmlinux"));
	assert_true(was_told(&told, -ENOENT, "initrd"));
	vc_vm_destroy(f.vm);

	/* too little RAM is one fault */
	cfg.cpu = NULL;
	told.nr = 0;
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_vm_add_ram(f.vm, &ram, 0), 0);
	assert_result(vc_vm_check(f.vm, note, &told), 1);
	assert_true(was_told(&told, -ERANGE, "1 MiB or more"));
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_wrong), cmocka_unit_test(each_by_itself),
		cmocka_unit_test(all_at_once),	 cmocka_unit_test(nodes),
		cmocka_unit_test(affinity),	 cmocka_unit_test(none_hides_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
