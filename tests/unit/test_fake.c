/* SPDX-License-Identifier: Apache-2.0 */
/* The fake back end's host and partition: capabilities, records, interrupts, doorbells, state. */
#include "fake_fixture.h"

#include "fake_parts.h"

#include <libvirtcore/implement.h>

#include <pthread.h>
#include <unistd.h>

static int fail_malloc, fail_realloc;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return fail_malloc && fail_malloc-- == 1 ? NULL : __real_malloc(size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
	return fail_realloc && fail_realloc-- == 1 ? NULL : __real_realloc(p, size);
}

static void capabilities(void **state)
{
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	assert_int_equal(vc_host_backend(bed.host), VC_BACKEND_FAKE);
	assert_true(vc_host_has(bed.host, VC_CAP_IRQCHIP));
	assert_true(vc_host_has(bed.host, VC_CAP_IOEVENTFD));
	assert_true(vc_host_has(bed.host, VC_CAP_STATE));
	assert_true(vc_host_has(bed.host, VC_CAP_HARDWARE));
	assert_false(vc_host_has(bed.host, VC_CAP_DIRTY_RING));
	assert_false(vc_host_has(bed.host, VC_CAP_TSC_CONTROL));
	assert_int_equal(vc_host_limit(bed.host, VC_LIMIT_VCPU_ID), 4096);
	assert_int_equal(vc_host_limit(bed.host, VC_LIMIT_GPA_BITS), 46);
	close_bed(&bed);
}

static void what_it_cannot_do_is_refused(void **state)
{
	struct vc_partition_config cfg = { .size = sizeof(cfg), .tsc_khz = 1000000 };
	struct vc_partition *partition = NULL;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	cfg.mem = bed.mem;
	assert_int_equal(vc_partition_create(bed.host, &cfg, &partition), -ENOTSUP);
	cfg.tsc_khz = 0;
	cfg.halt_poll_ns = 1000;
	assert_int_equal(vc_partition_create(bed.host, &cfg, &partition), -ENOTSUP);
	cfg.halt_poll_ns = 0;
	cfg.dirty_ring_entries = 4096;
	assert_int_equal(vc_partition_create(bed.host, &cfg, &partition), -ENOTSUP);
	assert_null(partition);
	close_bed(&bed);
}

static void interrupts_are_recorded(void **state)
{
	const struct vc_msi first = { 0xfee00000, 0x31 }, second = { 0xfee01000, 0x4032 };
	struct bed bed = { 0 };
	struct vc_irq *line = NULL, *msi = NULL;

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	assert_result(vc_irq_create_line(bed.partition, 4, &line), 0);
	assert_result(vc_irq_create_msi(bed.partition, NULL, &msi), 0);
	assert_result(vc_irq_set_level(line, true), 0);
	assert_result(vc_irq_set_level(line, false), 0);
	assert_result(vc_irq_pulse(msi), 0); /* masked: goes nowhere */
	assert_result(vc_irq_set_msi(msi, &first), 0);
	assert_result(vc_irq_pulse(msi), 0);
	assert_result(vc_irq_send_msi(bed.partition, &second), 1);
	expect_record(bed.partition, VC_FAKE_IRQ_LEVEL, 4, 1);
	expect_record(bed.partition, VC_FAKE_IRQ_LEVEL, 4, 0);
	expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, 0x31);
	expect_record(bed.partition, VC_FAKE_MSI, 0xfee01000, 0x4032);
	expect_no_record(bed.partition);
	vc_irq_destroy(line);
	vc_irq_destroy(msi);
	close_bed(&bed);
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void irqfds(void **state)
{
	const struct vc_msi first = { 0xfee00000, 0x31 }, second = { 0xfee00000, 0x32 };
	struct bed bed = { 0 };
	struct vc_irq *line = NULL, *msi = NULL, *other = NULL;
	int fds[3];

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	assert_result(vc_irq_create_line(bed.partition, 5, &line), 0);
	assert_result(vc_irq_create_msi(bed.partition, &first, &msi), 0);
	assert_result(vc_irq_create_msi(bed.partition, NULL, &other), 0);
	fds[0] = vc_irq_fd(line);
	fds[1] = vc_irq_fd(msi);
	fds[2] = vc_irq_fd(other);
	assert_true(fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0);
	signal_fd(fds[2]); /* masked */
	signal_fd(fds[1]);
	signal_fd(fds[1]);
	expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, 0x31);
	expect_no_record(bed.partition);
	assert_result(vc_irq_set_msi(msi, &second), 0);
	signal_fd(fds[1]);
	expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, 0x32);
	signal_fd(fds[0]);
	expect_record(bed.partition, VC_FAKE_IRQ_LEVEL, 5, 1);
	expect_record(bed.partition, VC_FAKE_IRQ_LEVEL, 5, 0);
	vc_irq_destroy(msi);
	vc_irq_destroy(line);
	expect_record(bed.partition, VC_FAKE_IRQ_LEVEL, 5, 0); /* lowered on its way out */
	expect_no_record(bed.partition);
	vc_irq_destroy(other);
	close_bed(&bed);
}

static void records_overflow_once(void **state)
{
	const struct vc_msi msi = { 0xfee00000, 1 };
	struct vc_fake_record record = { .value = 77 };
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	for (unsigned int i = 0; i < VC_FAKE_RECORDS_MAX + 10; i++)
		assert_result(
			vc_irq_send_msi(bed.partition, &(struct vc_msi){ 0xfee00000, i & 0xff }),
			1);
	assert_refused(vc_fake_next_record(bed.partition, &record), -EOVERFLOW, "more than 4096");
	assert_int_equal(record.value, 77);
	for (unsigned int i = 0; i < VC_FAKE_RECORDS_MAX; i++)
		expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, i & 0xff);
	expect_no_record(bed.partition);
	assert_result(vc_irq_send_msi(bed.partition, &msi), 1);
	expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, 1);
	close_bed(&bed);
}

/* The ring wraps and grows in between without mixing up the order. */
static void records_stay_in_order(void **state)
{
	struct bed bed = { 0 };
	uint32_t in = 0, out = 0;

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	for (unsigned int round = 1; round < 200; round++) {
		for (unsigned int i = 0; i < round; i++)
			assert_result(vc_irq_send_msi(bed.partition,
						      &(struct vc_msi){ 0xfee00000, in++ }),
				      1);
		for (unsigned int i = 0; i + 1 < round; i++)
			expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, out++);
	}
	while (out < in)
		expect_record(bed.partition, VC_FAKE_MSI, 0xfee00000, out++);
	expect_no_record(bed.partition);
	close_bed(&bed);
}

static uint64_t rings(const struct vc_doorbell *bell)
{
	uint64_t nr = 0;

	return read(vc_doorbell_fd(bell), &nr, sizeof(nr)) == sizeof(nr) ? nr : 0;
}

static struct vc_doorbell *make_bell(struct vc_partition *partition, enum vc_space space,
				     uint64_t addr, uint32_t len, int match)
{
	struct vc_doorbell_config cfg = {
		.size = sizeof(cfg), .space = space, .addr = addr, .len = len
	};
	struct vc_doorbell *bell = NULL;

	cfg.has_match = match >= 0;
	cfg.match = match >= 0 ? (uint64_t)match : 0;
	assert_result(vc_doorbell_create(partition, &cfg, &bell), 0);
	return bell;
}

static void doorbells_ring_without_an_exit(void **state)
{
	static const struct vc_fake_step steps[] = {
		{ .kind = VC_EXIT_MMIO, .size = 2, .addr = 0x1000, .is_write = true, .value = 0 },
		{ .kind = VC_EXIT_MMIO, .size = 2, .addr = 0x1000, .is_write = true, .value = 1 },
		{ .kind = VC_EXIT_MMIO, .size = 2, .addr = 0x1000, .is_write = true, .value = 1 },
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0x2000, .is_write = true, .value = 9 },
		{ .kind = VC_EXIT_PIO, .size = 1, .addr = 0x1000, .is_write = true },
		/* these miss: value, length, address, a read */
		{ .kind = VC_EXIT_MMIO, .size = 2, .addr = 0x1000, .is_write = true, .value = 7 },
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0x1000, .is_write = true, .value = 1 },
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0x2004, .is_write = true },
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0x2000 },
	};
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, steps, ARRAY_LEN(steps), 1);
	struct vc_doorbell *zero = make_bell(bed.partition, VC_SPACE_MMIO, 0x1000, 2, 0);
	struct vc_doorbell *one = make_bell(bed.partition, VC_SPACE_MMIO, 0x1000, 2, 1);
	struct vc_doorbell *any = make_bell(bed.partition, VC_SPACE_MMIO, 0x2000, 0, -1);
	struct vc_doorbell *port = make_bell(bed.partition, VC_SPACE_PIO, 0x1000, 1, -1);

	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	const struct vc_exit *exit = next_exit(bed.vcpus[0]);

	assert_int_equal(*(uint16_t *)exit->data, 7);
	assert_int_equal(rings(zero), 1);
	assert_int_equal(rings(one), 2);
	assert_int_equal(rings(any), 1);
	assert_int_equal(rings(port), 1);
	assert_int_equal(next_exit(bed.vcpus[0])->size, 4);
	assert_int_equal(next_exit(bed.vcpus[0])->addr, 0x2004);
	assert_false(next_exit(bed.vcpus[0])->is_write);
	assert_int_equal(rings(zero) + rings(one) + rings(any) + rings(port), 0);
	vc_doorbell_destroy(zero);
	vc_doorbell_destroy(one);
	vc_doorbell_destroy(any);
	vc_doorbell_destroy(port);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
}

static void doorbell_taken_away(void **state)
{
	static const struct vc_fake_step steps[] = {
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0x1000, .is_write = true, .value = 5 },
	};
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, steps, ARRAY_LEN(steps), 1);
	struct vc_doorbell *bell = make_bell(bed.partition, VC_SPACE_MMIO, 0x1000, 4, -1);

	vc_doorbell_destroy(bell);
	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	assert_int_equal(next_exit(bed.vcpus[0])->kind, VC_EXIT_MMIO);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
}

static void doorbells_that_clash(void **state)
{
	struct vc_doorbell_config cfg = {
		.size = sizeof(cfg), .space = VC_SPACE_MMIO, .addr = 0x1000, .len = 4
	};
	struct bed bed = { 0 };
	struct vc_doorbell *bell = NULL, *second = NULL;

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	bell = make_bell(bed.partition, VC_SPACE_MMIO, 0x1000, 4, 1);
	assert_refused(vc_doorbell_create(bed.partition, &cfg, &second), -EEXIST, "0x1000");
	cfg.len = 0;
	assert_refused(vc_doorbell_create(bed.partition, &cfg, &second), -EEXIST, "0x1000");
	cfg.len = 2;
	assert_result(vc_doorbell_create(bed.partition, &cfg, &second), 0);
	vc_doorbell_destroy(second);
	cfg.len = 4;
	cfg.has_match = true;
	cfg.match = 2;
	assert_result(vc_doorbell_create(bed.partition, &cfg, &second), 0);
	vc_doorbell_destroy(second);
	vc_doorbell_destroy(bell);
	close_bed(&bed);
}

static void dirty_log_is_the_hosts(void **state)
{
	struct bed bed = { 0 };
	uint64_t bits[4] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	assert_result(vc_partition_dirty_start(bed.partition), 0);
	assert_result(vc_mem_write(bed.mem, 5 * 4096 + 4000, "across two pages", 100 - 84), 0);
	assert_result(vc_mem_write(bed.mem, 9 * 4096, "x", 1), 0);
	assert_result(vc_partition_dirty_take(bed.partition, 0, bits, 4), 2);
	assert_int_equal(bits[0], 1 << 5 | 1 << 9);
	assert_result(vc_partition_dirty_take(bed.partition, 0, bits, 4), 0);
	vc_partition_dirty_stop(bed.partition);
	close_bed(&bed);
}

static void partition_state_is_kept(void **state)
{
	struct vc__x86_pic pic[2], pic_back[2];
	struct vc__x86_ioapic ioapic, ioapic_back;
	struct vc__x86_clock clock = { .ns = 123 }, clock_back = { 0 };
	const struct vc__backend_ops *ops = &vc__backend_fake;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	memset(pic, 0x12, sizeof(pic));
	memset(&ioapic, 0x34, sizeof(ioapic));
	assert_result(ops->partition_state(bed.partition, VC__PART_PIC, pic, true), 0);
	assert_result(ops->partition_state(bed.partition, VC__PART_IOAPIC, &ioapic, true), 0);
	assert_result(ops->partition_state(bed.partition, VC__PART_CLOCK, &clock, true), 0);
	assert_result(ops->partition_state(bed.partition, VC__PART_PIC, pic_back, false), 0);
	assert_result(ops->partition_state(bed.partition, VC__PART_IOAPIC, &ioapic_back, false), 0);
	assert_result(ops->partition_state(bed.partition, VC__PART_CLOCK, &clock_back, false), 0);
	assert_memory_equal(pic, pic_back, sizeof(pic));
	assert_memory_equal(&ioapic, &ioapic_back, sizeof(ioapic));
	assert_int_equal(clock_back.ns, 123);
	close_bed(&bed);
}

static void others_have_no_records(void **state)
{
	struct vc_fake_record record;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	assert_refused(vc_fake_next_record(NULL, &record), -EINVAL, "no partition of the fake");
	assert_refused(vc_fake_next_record(bed.partition, NULL), -EINVAL, "no place");
	struct vc__backend_ops other = vc__backend_fake;

	bed.host->ops = &other;
	assert_refused(vc_fake_next_record(bed.partition, &record), -EINVAL, "no partition of");
	bed.host->ops = &vc__backend_fake;
	close_bed(&bed);
}

static void no_memory(void **state)
{
	const struct vc_msi msi = { 0xfee00000, 1 };
	struct vc_doorbell_config cfg = {
		.size = sizeof(cfg), .space = VC_SPACE_MMIO, .addr = 0x1000, .len = 4
	};
	struct vc_doorbell *bell = NULL;
	struct vc_fake_record record;
	struct vc_irq *irq = NULL;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	fail_malloc = 1;
	assert_result(vc_irq_send_msi(bed.partition, &msi), 1);
	assert_int_equal(vc_fake_next_record(bed.partition, &record), -EOVERFLOW);
	fail_realloc = 1;
	assert_refused(vc_doorbell_create(bed.partition, &cfg, &bell), -ENOMEM, "doorbell");
	assert_null(bell);
	assert_result(vc_irq_create_msi(bed.partition, &msi, &irq), 0);
	fail_realloc = 1;
	assert_refused(vc_irq_fd(irq), -ENOMEM, "irqfd");
	assert_true(vc_irq_fd(irq) >= 0);
	vc_irq_destroy(irq);
	close_bed(&bed);
}

static void no_memory_for_tables(void **state)
{
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg), .nr_vcpus = 1 };
	struct vc_cpu_model *model = NULL;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	fail_malloc = 1;
	assert_refused(vc_cpu_model_create(bed.host, &cfg, &model), -ENOMEM, "CPUID");
	assert_null(model);
	assert_result(vc_cpu_model_create(bed.host, &cfg, &model), 0);
	vc_cpu_model_destroy(model);
	fail_malloc = 1;
	assert_refused(vc__host_load(bed.host, VC__TABLE_MSRS), -ENOMEM, "MSRs");
	assert_result(vc__host_load(bed.host, VC__TABLE_MSRS), 0);
	assert_int_equal(bed.host->nr_msrs, FAKE_MSRS);
	close_bed(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities),
		cmocka_unit_test(what_it_cannot_do_is_refused),
		cmocka_unit_test(interrupts_are_recorded),
		cmocka_unit_test(irqfds),
		cmocka_unit_test(records_overflow_once),
		cmocka_unit_test(records_stay_in_order),
		cmocka_unit_test(doorbells_ring_without_an_exit),
		cmocka_unit_test(doorbell_taken_away),
		cmocka_unit_test(doorbells_that_clash),
		cmocka_unit_test(dirty_log_is_the_hosts),
		cmocka_unit_test(partition_state_is_kept),
		cmocka_unit_test(others_have_no_records),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(no_memory_for_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
