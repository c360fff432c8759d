/* SPDX-License-Identifier: Apache-2.0 */
/* Chips in KVM: what is written into them is read back, also by way of a guest's programming. */
#include "cpu_fixture.h"

#include "backend.h"

static int get(struct rig *rig, enum vc__partition_part part, void *buf)
{
	return rig->host->ops->partition_state(rig->partition, part, buf, false);
}

static int set(struct rig *rig, enum vc__partition_part part, void *buf)
{
	return rig->host->ops->partition_state(rig->partition, part, buf, true);
}

/* mov $0x5a,%al; out %al,$0x21; mov $0xa5,%al; out %al,$0xa1; mov $0x34,%al; out %al,$0x43;
 * mov $0x9c,%al; out %al,$0x40; mov $0x2e,%al; out %al,$0x40; out %al,$0x80; hlt */
static const uint8_t program[] = { 0xb0, 0x5a, 0xe6, 0x21, 0xb0, 0xa5, 0xe6, 0xa1,
				   0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x9c, 0xe6, 0x40,
				   0xb0, 0x2e, 0xe6, 0x40, 0xe6, 0x80, 0xf4 };

static void test_guest_programs_survive_a_move(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_KERNEL, .has_pit = true };
	struct vc__x86_pic pics[2];
	struct vc__x86_pit pit;
	struct rig rig, other;

	(void)state;
	rig_code(&rig, &cfg, program, sizeof(program));
	assert_int_equal(rig_run_on(&rig)->addr, 0x80);
	assert_result(get(&rig, VC__PART_PIC, pics), 0);
	assert_result(get(&rig, VC__PART_PIT, &pit), 0);
	assert_int_equal(pics[0].imr, 0x5a);
	assert_int_equal(pics[1].imr, 0xa5);
	assert_int_equal(pit.channel[0].mode, 2);
	assert_int_equal(pit.channel[0].count, 0x2e9c);
	assert_true(pit.channel[0].count_load_ns >= 0 &&
		    pit.channel[0].count_load_ns < 60000000000);
	rig_make(&other, &cfg);
	assert_result(set(&other, VC__PART_PIC, pics), 0);
	assert_result(set(&other, VC__PART_PIT, &pit), 0);
	memset(pics, 0, sizeof(pics));
	memset(&pit, 0, sizeof(pit));
	assert_result(get(&other, VC__PART_PIC, pics), 0);
	assert_result(get(&other, VC__PART_PIT, &pit), 0);
	assert_int_equal(pics[0].imr, 0x5a);
	assert_int_equal(pics[1].imr, 0xa5);
	assert_int_equal(pit.channel[0].mode, 2);
	assert_int_equal(pit.channel[0].count, 0x2e9c);
	/* and a reset wipes it */
	assert_result(vc_partition_reset(other.partition), 0);
	assert_result(get(&other, VC__PART_PIC, pics), 0);
	assert_result(get(&other, VC__PART_PIT, &pit), 0);
	assert_int_equal(pics[0].imr, 0);
	assert_int_equal(pit.channel[0].count, 0x10000);
	rig_free(&other);
	rig_free(&rig);
}

static void test_ioapic(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_KERNEL };
	struct vc__x86_ioapic ioapic, again;
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	assert_result(get(&rig, VC__PART_IOAPIC, &ioapic), 0);
	assert_int_equal(ioapic.base, 0xfec00000);
	ioapic.redirection[5] = 0x0300000000010041; /* masked, level off, vector 0x41, CPU 3 */
	ioapic.select = 0x1a;
	assert_result(set(&rig, VC__PART_IOAPIC, &ioapic), 0);
	assert_result(get(&rig, VC__PART_IOAPIC, &again), 0);
	assert_memory_equal(ioapic.redirection, again.redirection, sizeof(ioapic.redirection));
	assert_int_equal(again.select, 0x1a);
	assert_result(vc_partition_reset(rig.partition), 0);
	assert_result(get(&rig, VC__PART_IOAPIC, &again), 0);
	assert_int_equal(again.redirection[5], 0x10000);
	rig_free(&rig);
}

static void test_clock_goes_on_from_what_is_set(void **state)
{
	struct vc__x86_clock clock = { .ns = 1000000000000 };
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_result(set(&rig, VC__PART_CLOCK, &clock), 0);
	assert_result(get(&rig, VC__PART_CLOCK, &clock), 0);
	assert_true(clock.ns >= 1000000000000 && clock.ns < 1060000000000);
	rig_free(&rig);
}

static void test_chips_that_are_not_there(void **state)
{
	struct vc__x86_ioapic ioapic = { 0 };
	struct vc__x86_pit pit = { 0 };
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_true(get(&rig, VC__PART_IOAPIC, &ioapic) < 0);
	assert_non_null(strstr(vc_error_message(), "cannot read the IOAPIC"));
	assert_true(set(&rig, VC__PART_PIT, &pit) < 0);
	assert_non_null(strstr(vc_error_message(), "cannot write the PIT"));
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_programs_survive_a_move),
		cmocka_unit_test(test_ioapic),
		cmocka_unit_test(test_clock_goes_on_from_what_is_set),
		cmocka_unit_test(test_chips_that_are_not_there),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
