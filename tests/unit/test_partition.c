/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions: refusals of each bad configuration, many vCPUs, nothing left after many cycles. */
#include "cpu_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>

static uint32_t nr_cycles = 300;

static void refuse(struct vc_partition_config cfg, int err, const char *part)
{
	struct vc_partition *partition = (void *)1;
	struct vc_host *host = open_host();
	struct vc_mem *mem = make_sample();

	cfg.size = sizeof(cfg);
	cfg.mem = mem;
	assert_refused(vc_partition_create(host, &cfg, &partition), err, part);
	assert_ptr_equal(partition, (void *)1);
	/* told the same without making anything, and memory apart from the rest */
	assert_refused(vc_partition_check(host, &cfg), err, part);
	cfg = (struct vc_partition_config){ .size = sizeof(cfg), .irqchip = VC_IRQCHIP_SPLIT };
	assert_result(vc_partition_check(host, &cfg), 0);
	vc_mem_destroy(mem);
	vc_host_close(host);
}

static void test_refusals(void **state)
{
	static const struct vc_msr_range none = { .first = 0x10, .nr = 0, .reads = true };
	static const struct vc_msr_range neither = { .first = 0x10, .nr = 1 };
	static const struct vc_msr_range past = { .first = ~0u, .nr = 2, .writes = true };

	(void)state;
	refuse((struct vc_partition_config){ .has_pit = true }, -EINVAL, "PIT");
	refuse((struct vc_partition_config){ .has_pit = true, .irqchip = VC_IRQCHIP_SPLIT },
	       -EINVAL, "PIT");
	refuse((struct vc_partition_config){ .irqchip = 7 }, -EINVAL, "irqchip 7");
	refuse((struct vc_partition_config){ .max_vcpus = 1000000 }, -ERANGE, "1000000 vCPUs");
	refuse((struct vc_partition_config){ .halt_poll_ns = -2 }, -EINVAL, "halt poll");
	refuse((struct vc_partition_config){ .kick_signal = SIGKILL }, -EINVAL, "signal 9");
	refuse((struct vc_partition_config){ .kick_signal = SIGSEGV }, -EINVAL, "signal 11");
	refuse((struct vc_partition_config){ .kick_signal = 32 }, -EINVAL, "signal 32");
	refuse((struct vc_partition_config){ .kick_signal = 65 }, -EINVAL, "signal 65");
	refuse((struct vc_partition_config){ .kick_signal = -1 }, -EINVAL, "signal -1");
	refuse((struct vc_partition_config){ .dirty_ring_entries = 1000 }, -EINVAL, "power of two");
	refuse((struct vc_partition_config){ .dirty_ring_entries = 64 }, -EINVAL, "power of two");
	refuse((struct vc_partition_config){ .dirty_ring_entries = 1u << 30 }, -ERANGE, "limit");
	refuse((struct vc_partition_config){ .nr_msr_exits = 17, .msr_exits = &none }, -EINVAL,
	       "at most 16");
	refuse((struct vc_partition_config){ .nr_msr_exits = 1 }, -EINVAL, "MSR ranges");
	refuse((struct vc_partition_config){ .nr_msr_exits = 1, .msr_exits = &none }, -EINVAL,
	       "MSR range 0");
	refuse((struct vc_partition_config){ .nr_msr_exits = 1, .msr_exits = &neither }, -EINVAL,
	       "MSR range 0");
	refuse((struct vc_partition_config){ .nr_msr_exits = 1, .msr_exits = &past }, -EINVAL,
	       "MSR range 0");
	/* the sample's top range ends just below 2^64 */
	refuse((struct vc_partition_config){ 0 }, -ERANGE, "guest addresses have");
}

static void test_null_and_unfrozen(void **state)
{
	struct vc_partition_config cfg = { .size = sizeof(cfg) };
	struct vc_partition *partition = NULL;
	struct vc_host *host = open_host();
	struct vc_mem *mem = make_map();

	(void)state;
	assert_refused(vc_partition_create(host, NULL, &partition), -EINVAL, "");
	assert_refused(vc_partition_create(host, &cfg, &partition), -EINVAL, "memory map");
	cfg.mem = mem;
	assert_refused(vc_partition_create(NULL, &cfg, &partition), -EINVAL, "no host");
	assert_null(vc_partition_host(NULL));
	assert_refused(vc_partition_check(NULL, &cfg), -EINVAL, "no host");
	assert_refused(vc_partition_check(host, NULL), -EINVAL, "NULL");
	assert_int_equal(vc_host_backend(NULL), VC_BACKEND_AUTO);
	assert_refused(vc_partition_create(host, &cfg, NULL), -EINVAL, "no host");
	map_ram(mem, "ram", 0, MIB(1), 0);
	assert_refused(vc_partition_create(host, &cfg, &partition), -EINVAL, "frozen");
	assert_null(partition);
	vc_partition_destroy(NULL);
	assert_refused(vc_partition_reset(NULL), -EINVAL, "");
	vc_mem_destroy(mem);
	vc_host_close(host);
}

static void test_host_outlives_its_closing(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	vc_host_close(rig.host);
	rig.host = NULL;
	assert_int_equal(vc_host_backend(vc_partition_host(rig.partition)), VC_BACKEND_KVM);
	rig.vcpu = rig_vcpu(&rig, 0);
	rig_free(&rig);
}

static uint32_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static uint32_t count_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	uint32_t nr = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		nr += c == '\n';
	fclose(f);
	return nr;
}

/* Everything that a partition can have, used once. */
static void cycle(uint32_t i)
{
	static const uint8_t code[] = { 0xe6, 0x10, 0xf4 }; /* out %al,$0x10; hlt */
	struct vc_partition_config cfg = {
		.irqchip = (enum vc_irqchip)(i % 3),
		.has_pit = i % 3 == VC_IRQCHIP_KERNEL,
		.dirty_ring_entries = i % 2 ? 1024 : 0,
	};
	struct vc_doorbell_config bell = { .size = sizeof(bell), .addr = 0x700, .len = 2 };
	const struct vc_msi msi = { .address = 0xfee00000, .data = 0x40 };
	struct vc_doorbell *doorbell = NULL;
	struct vc_irq *irq = NULL;
	struct rig rig;

	rig_code(&rig, &cfg, code, sizeof(code));
	assert_result(vc_doorbell_create(rig.partition, &bell, &doorbell), 0);
	if (cfg.irqchip != VC_IRQCHIP_NONE) {
		assert_result(vc_irq_create_msi(rig.partition, &msi, &irq), 0);
		assert_true(vc_irq_fd(irq) >= 0);
	}
	assert_result(vc_partition_dirty_start(rig.partition), 0);
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
	vc_irq_destroy(irq);
	vc_doorbell_destroy(doorbell);
	rig_free(&rig);
}

static void test_cycles_leave_nothing(void **state)
{
	uint32_t fds, maps;

	(void)state;
	for (uint32_t i = 0; i < 12; i++)
		cycle(i);
	fds = count_fds();
	maps = count_lines("/proc/self/maps");
	for (uint32_t i = 0; i < nr_cycles; i++)
		cycle(i);
	assert_int_equal(count_fds(), fds);
	/* the allocator may take another arena; a leak would be one mapping per cycle */
	assert_true(count_lines("/proc/self/maps") < maps + 8);
}

static void test_many_vcpus(void **state)
{
	enum { NR = 288 };
	struct vc_partition_config cfg = { .max_vcpus = NR, .irqchip = VC_IRQCHIP_SPLIT };
	static struct vc_vcpu *vcpus[NR];
	uint32_t page[VC_LAPIC_BYTES / 4], id;
	struct vc_x86_sregs sregs;
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	rig_model(&rig, NR);
	for (uint32_t i = 0; i < NR; i++)
		vcpus[i] = rig_vcpu(&rig, i);
	/* the last one has an id that the xAPIC cannot hold, and knows it in x2APIC mode */
	assert_result(vc_cpu_model_apic_id(rig.model, NR - 1, &id), 0);
	assert_true(id > 254);
	assert_result(vc_vcpu_get_regs(vcpus[NR - 1], NULL, &sregs), 0);
	sregs.apic_base |= 1u << 10 | 1u << 11;
	assert_result(vc_vcpu_set_regs(vcpus[NR - 1], NULL, &sregs), 0);
	assert_result(vc_vcpu_get_lapic(vcpus[NR - 1], page), 0);
	assert_int_equal(page[0x20 / 4], id);
	for (uint32_t i = 0; i < NR; i++)
		vc_vcpu_destroy(vcpus[i]);
	rig_free(&rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_null_and_unfrozen),
		cmocka_unit_test(test_host_outlives_its_closing),
		cmocka_unit_test(test_many_vcpus),
		cmocka_unit_test(test_cycles_leave_nothing),
	};
	int skip = rig_skip();

	if (argc > 1)
		nr_cycles = (uint32_t)strtoul(argv[1], NULL, 0);
	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
