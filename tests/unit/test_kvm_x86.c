/* SPDX-License-Identifier: Apache-2.0 */
/* Every part of a vCPU's state is read back as it was written. */
#include "cpu_fixture.h"

#include "backend.h"

#include <errno.h>

static int get(struct rig *rig, enum vc__vcpu_part part, void *buf, size_t len)
{
	return rig->host->ops->vcpu_get(rig->vcpu, part, buf, len);
}

static int set(struct rig *rig, enum vc__vcpu_part part, const void *buf, size_t len)
{
	return rig->host->ops->vcpu_set(rig->vcpu, part, buf, len) < 0 ? -1 : 0;
}

static void make(struct rig *rig, enum vc_irqchip irqchip)
{
	struct vc_partition_config cfg = { .irqchip = irqchip };

	rig_make(rig, &cfg);
	rig_model(rig, 1);
	rig->vcpu = rig_vcpu(rig, 0);
}

static void test_sregs(void **state)
{
	struct vc_x86_sregs sregs, again;
	struct rig rig;

	(void)state;
	make(&rig, VC_IRQCHIP_NONE);
	assert_result(vc_vcpu_get_regs(rig.vcpu, NULL, &sregs), 0);
	sregs.fs.base = 0x123456789;
	sregs.gs.base = 0xffff888000000000;
	sregs.gs.limit = 0xfffff;
	sregs.gdt = (struct vc_x86_table){ .base = 0x5000, .limit = 0x27 };
	sregs.idt = (struct vc_x86_table){ .base = 0x6000, .limit = 0xfff };
	sregs.cr2 = 0xdeadbeef;
	sregs.cr4 |= 0x200;
	assert_result(vc_vcpu_set_regs(rig.vcpu, NULL, &sregs), 0);
	assert_result(vc_vcpu_get_regs(rig.vcpu, NULL, &again), 0);
	assert_memory_equal(&sregs, &again, sizeof(sregs));
	/* paging without protection: no CPU can be like that */
	sregs.cr0 = 0x80000000;
	assert_refused(vc_vcpu_set_regs(rig.vcpu, NULL, &sregs), -EINVAL, "system registers");
	rig_free(&rig);
}

static void test_debug_xcr0_and_run_state(void **state)
{
	struct vc__x86_debug debug = { .dr = { 1, 2, 3, 4 }, .dr6 = 0xffff0ff1, .dr7 = 0x401 };
	struct vc__x86_debug debug_again;
	enum vc__run_state halted = VC__RUN_HALTED, run_state = VC__RUN_RUNNABLE;
	uint64_t xcr0 = 3, xcr0_again = 0;
	struct rig rig;

	(void)state;
	make(&rig, VC_IRQCHIP_SPLIT);
	assert_result(set(&rig, VC__PART_DEBUG, &debug, sizeof(debug)), 0);
	assert_int_equal(get(&rig, VC__PART_DEBUG, &debug_again, sizeof(debug)), sizeof(debug));
	assert_memory_equal(&debug, &debug_again, sizeof(debug));
	assert_result(set(&rig, VC__PART_XCR0, &xcr0, sizeof(xcr0)), 0);
	assert_int_equal(get(&rig, VC__PART_XCR0, &xcr0_again, sizeof(xcr0)), sizeof(xcr0));
	assert_int_equal(xcr0_again, 3);
	assert_result(set(&rig, VC__PART_RUN_STATE, &halted, sizeof(halted)), 0);
	get(&rig, VC__PART_RUN_STATE, &run_state, sizeof(run_state));
	assert_int_equal(run_state, VC__RUN_HALTED);
	run_state = VC__RUN_NR;
	assert_int_equal(set(&rig, VC__PART_RUN_STATE, &run_state, sizeof(run_state)), -1);
	/* a length that is not the part's */
	assert_int_equal(set(&rig, VC__PART_DEBUG, &debug, 8), -1);
	assert_int_equal(get(&rig, VC__PART_DEBUG, NULL, 0), sizeof(debug));
	rig_free(&rig);
}

static void test_events(void **state)
{
	struct vc__x86_events events = {
		.exception_pending = true,
		.exception_vector = 14,
		.exception_has_error = true,
		.exception_error = 7,
		.exception_has_payload = true,
		.exception_payload = 0x1234,
		.nmi_pending = true,
		.nmi_masked = true,
		.interrupt_shadow = 2,
	};
	struct vc__x86_events again;
	struct rig rig;

	(void)state;
	make(&rig, VC_IRQCHIP_SPLIT);
	assert_result(set(&rig, VC__PART_EVENTS, &events, sizeof(events)), 0);
	assert_int_equal(get(&rig, VC__PART_EVENTS, &again, sizeof(again)), sizeof(again));
	assert_true(again.exception_pending || again.exception_injected);
	assert_int_equal(again.exception_vector, 14);
	assert_int_equal(again.exception_error, 7);
	assert_true(again.nmi_pending && again.nmi_masked);
	rig_free(&rig);
}

/* More than fit into one call; the first that is refused ends it. */
static void test_many_msrs(void **state)
{
	struct vc__msr msrs[100];
	struct rig rig;

	(void)state;
	make(&rig, VC_IRQCHIP_NONE);
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++)
		msrs[i] = (struct vc__msr){ .index = i % 2 ? 0x175 : 0x176, .value = i };
	assert_int_equal(rig.host->ops->vcpu_msrs(rig.vcpu, msrs, 100, true), 100);
	assert_int_equal(rig.host->ops->vcpu_msrs(rig.vcpu, msrs, 100, false), 100);
	assert_int_equal(msrs[0].value, 98);
	assert_int_equal(msrs[99].value, 99);
	msrs[70].index = 0x12345678;
	assert_int_equal(rig.host->ops->vcpu_msrs(rig.vcpu, msrs, 100, true), 70);
	assert_int_equal(rig.host->ops->vcpu_msrs(rig.vcpu, msrs, 100, false), 70);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sregs),
		cmocka_unit_test(test_debug_xcr0_and_run_state),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_many_msrs),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
