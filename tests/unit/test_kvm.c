/* SPDX-License-Identifier: Apache-2.0 */
/* Opening KVM and what cannot be opened; options of a VM; memory in odd places. */
#include "cpu_fixture.h"

#include <errno.h>
#include <sys/wait.h>

static int open_device(const char *path)
{
	struct vc_host_config cfg = { .size = sizeof(cfg), .device = path };
	struct vc_host *host = (void *)1;
	int r = vc_host_open(&cfg, &host);

	if (r == 0)
		vc_host_close(host);
	else
		assert_ptr_equal(host, (void *)1);
	return r;
}

static void test_no_such_device(void **state)
{
	(void)state;
	assert_refused(open_device("/nonexistent/kvm"), -ENOENT, "KVM is not there");
	assert_refused(open_device("/dev/null"), -ENODEV, "does not answer");
}

static void test_no_permission_names_the_group(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		bool is_good = setresgid(65534, 65534, 65534) == 0 &&
			       setresuid(65534, 65534, 65534) == 0 &&
			       (open_device("/dev/kvm") == -EACCES &&
				strstr(vc_error_message(), "group") != NULL);
		if (!is_good)
			fprintf(stderr, "message: %s\n", vc_error_message());
		_exit(is_good ? 0 : access("/dev/kvm", R_OK | W_OK) == 0 ? 77 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: everybody may open /dev/kvm here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* Memory where KVM would put its own pages: it is asked to take others. */
static void test_memory_at_the_private_pages(void **state)
{
	static const uint8_t code[] = { 0xe6, 0x10, 0xf4 };
	struct vc_partition_config cfg = { .size = sizeof(cfg) };
	struct rig rig = { .host = open_host(), .mem = make_map() };

	(void)state;
	map_ram(rig.mem, "ram", 0, MIB(1), 0);
	map_ram(rig.mem, "top", 0xfff00000, MIB(1), 0);
	map_ram(rig.mem, "beyond", GIB(4), MIB(1), 0);
	assert_result(vc_mem_freeze(rig.mem), 0);
	cfg.mem = rig.mem;
	assert_result(vc_partition_create(rig.host, &cfg, &rig.partition), 0);
	rig.vcpu = rig_vcpu(&rig, 0);
	rig_attach(&rig);
	rig_start_code(&rig, rig.vcpu, code, sizeof(code));
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
	rig_free(&rig);
}

static void test_options(void **state)
{
	static const uint8_t code[] = { 0xe6, 0x10, 0xf4 };
	struct vc_partition_config cfg = { .halt_poll_ns = -1, .irqchip = VC_IRQCHIP_KERNEL };
	struct rig rig;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		rig_code(&rig, &cfg, code, sizeof(code));
		assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
		rig_free(&rig);
		cfg.halt_poll_ns = 100000;
	}
}

static void test_tsc_frequency(void **state)
{
	struct vc_partition_config cfg = { .size = sizeof(cfg), .tsc_khz = 1234567 };
	struct vc_partition *partition = NULL;
	struct vc_host *host = open_host();
	struct vc_mem *mem = make_map();

	(void)state;
	assert_result(vc_mem_freeze(mem), 0);
	cfg.mem = mem;
	if (vc_host_has(host, VC_CAP_TSC_CONTROL))
		assert_result(vc_partition_create(host, &cfg, &partition), 0);
	else
		assert_refused(vc_partition_create(host, &cfg, &partition), -ENOTSUP,
			       "1234567 kHz");
	vc_partition_destroy(partition);
	vc_mem_destroy(mem);
	vc_host_close(host);
}

/* Reads and writes of chosen MSRs come out, others do not; a refusal is #GP in the guest. */
static void test_msr_exits(void **state)
{
	/* mov $0x174,%ecx; mov $0x1234,%eax; xor %edx,%edx; wrmsr; rdmsr; out %eax,$0x10; hlt */
	static const uint8_t code[] = { 0x66, 0xb9, 0x74, 0x01, 0x00, 0x00, 0x66, 0xb8,
					0x34, 0x12, 0x00, 0x00, 0x66, 0x31, 0xd2, 0x0f,
					0x30, 0x0f, 0x32, 0x66, 0xe7, 0x10, 0xf4 };
	static const struct vc_msr_range ranges[] = {
		{ .first = 0x170, .nr = 8, .writes = true },
		{ .first = 0x174, .nr = 1, .reads = true },
		{ .first = 0xc0000080, .nr = 4, .reads = true, .writes = true },
	};
	struct vc_partition_config cfg = { .msr_exits = ranges, .nr_msr_exits = 1 };
	const uint64_t answer = 0x55667788;
	struct vc_exit *exit;
	struct rig rig;

	(void)state;
	for (uint32_t nr = 1; nr <= 3; nr += 2) {
		cfg.nr_msr_exits = nr;
		rig_code(&rig, &cfg, code, sizeof(code));
		exit = rig_run_on(&rig);
		assert_int_equal(exit->kind, VC_EXIT_MSR);
		assert_true(exit->is_write);
		assert_int_equal(exit->addr, 0x174);
		assert_int_equal(*(uint64_t *)exit->data, 0x1234);
		assert_non_null(exit->refuse);
		*exit->refuse = 0;
		exit = rig_run_on(&rig);
		if (nr > 1) {
			assert_int_equal(exit->kind, VC_EXIT_MSR);
			assert_false(exit->is_write);
			memcpy(exit->data, &answer, sizeof(answer));
			*exit->refuse = 0;
			exit = rig_run_on(&rig);
		}
		assert_int_equal(exit->kind, VC_EXIT_PIO);
		assert_int_equal(*(uint32_t *)exit->data, nr > 1 ? 0x55667788 : 0);
		assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
		rig_free(&rig);
	}
}

static void test_refused_msr_is_a_fault(void **state)
{
	/* handler of #GP at 0x1100: out %al,$0x20; hlt. Guest: mov $0x174,%ecx; wrmsr; hlt */
	static const uint8_t code[] = { 0x66, 0xb9, 0x74, 0x01, 0x00, 0x00, 0x0f, 0x30, 0xf4 };
	static const uint8_t handler[] = { 0xe6, 0x20, 0xf4 };
	static const uint16_t vector[] = { 0x1100, 0 };
	static const struct vc_msr_range range = { .first = 0x174, .nr = 1, .writes = true };
	struct vc_partition_config cfg = { .msr_exits = &range, .nr_msr_exits = 1 };
	struct vc_exit *exit;
	struct rig rig;

	(void)state;
	rig_code(&rig, &cfg, code, sizeof(code));
	assert_result(vc_mem_write(rig.mem, 0x1100, handler, sizeof(handler)), 0);
	assert_result(vc_mem_write(rig.mem, 13 * 4, vector, sizeof(vector)), 0);
	exit = rig_run_on(&rig);
	assert_int_equal(exit->kind, VC_EXIT_MSR);
	*exit->refuse = 1;
	exit = rig_run_on(&rig);
	assert_int_equal(exit->kind, VC_EXIT_PIO);
	assert_int_equal(exit->addr, 0x20);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_such_device),
		cmocka_unit_test(test_no_permission_names_the_group),
		cmocka_unit_test(test_memory_at_the_private_pages),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_tsc_frequency),
		cmocka_unit_test(test_msr_exits),
		cmocka_unit_test(test_refused_msr_is_a_fault),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
