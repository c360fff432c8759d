/* SPDX-License-Identifier: Apache-2.0 */
/* After a reset a vCPU is as a new one, and a guest started again does what it did before. */
#include "cpu_fixture.h"

/* But for the type: accessed or not, TSS of 16 or 32 bits, in that AMD's and Intel's differ. */
static void check_segment(struct vc_x86_segment *used, struct vc_x86_segment *fresh)
{
	used->type = fresh->type;
	assert_memory_equal(used, fresh, sizeof(*used));
}

static void check_like_new(struct rig *rig, struct vc_vcpu *used, struct vc_vcpu *fresh)
{
	uint32_t page[2][VC_LAPIC_BYTES / 4];
	struct vc_x86_sregs sregs[2];
	struct vc_x86_regs regs[2];

	assert_result(vc_vcpu_get_regs(used, &regs[0], &sregs[0]), 0);
	assert_result(vc_vcpu_get_regs(fresh, &regs[1], &sregs[1]), 0);
	regs[0].rdx = regs[1].rdx = 0; /* the processor's signature, from its CPUID */
	assert_memory_equal(&regs[0], &regs[1], sizeof(regs[0]));
	assert_int_equal(sregs[0].cs.base, 0xffff0000);
	check_segment(&sregs[0].cs, &sregs[1].cs);
	check_segment(&sregs[0].tr, &sregs[1].tr);
	check_segment(&sregs[0].ldt, &sregs[1].ldt);
	check_segment(&sregs[0].ds, &sregs[1].ds);
	check_segment(&sregs[0].ss, &sregs[1].ss);
	assert_int_equal(sregs[0].cr0, sregs[1].cr0);
	assert_int_equal(sregs[0].cr3, sregs[1].cr3);
	assert_int_equal(sregs[0].cr4, sregs[1].cr4);
	assert_int_equal(sregs[0].efer, sregs[1].efer);
	assert_int_equal(sregs[0].apic_base, sregs[1].apic_base);
	assert_int_equal(sregs[0].idt.limit, sregs[1].idt.limit);
	(void)rig;
	assert_result(vc_vcpu_get_lapic(used, page[0]), 0);
	assert_result(vc_vcpu_get_lapic(fresh, page[1]), 0);
	/* a new boot CPU's LINT0 passes the 8259's interrupts on: that is firmware's doing */
	page[0][0x350 / 4] = page[1][0x350 / 4];
	assert_memory_equal(page[0], page[1], sizeof(page[0]));
}

static void test_registers_are_like_new(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_KERNEL, .has_pit = true };
	struct world world;
	struct rig rig, fresh;
	uint64_t value = 1;

	(void)state;
	world_init(&world);
	rig_guest(&rig, &cfg, "irq.elf", "source=self count=3 x2apic=1");
	rig_finish(&rig, &world);
	assert_int_equal(world.code, 0);
	assert_result(vc_vcpu_set_msr(rig.vcpu, 0x174, 0x55), 0);
	assert_result(vc_vcpu_reset(rig.vcpu), 0);
	assert_result(vc_partition_reset(rig.partition), 0);
	assert_result(vc_vcpu_get_msr(rig.vcpu, 0x174, &value), 0);
	assert_int_equal(value, 0);
	rig_make(&fresh, &cfg);
	rig_model(&fresh, 1);
	fresh.vcpu = rig_vcpu(&fresh, 0);
	check_like_new(&rig, rig.vcpu, fresh.vcpu);
	rig_free(&fresh);
	rig_free(&rig);
}

static void test_a_guest_runs_again(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_KERNEL, .has_pit = true };
	const char *parameters = steps_parameters();
	uint64_t sum = 0;
	uint32_t entry;
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	rig_model(&rig, 1);
	rig.vcpu = rig_vcpu(&rig, 0);
	rig_attach(&rig);
	for (uint32_t i = 0; i < 3; i++) {
		struct world world;

		world_init(&world);
		entry = rig_load_elf(&rig, "steps.elf");
		rig_start_pvh(&rig, entry, parameters);
		/* the second time it is cut off half-way */
		for (uint32_t j = 0; i == 1 && j < 30 && !world.is_over; j++)
			world_answer(&world, rig_run(&rig));
		if (i != 1)
			rig_finish(&rig, &world);
		if (i != 1)
			assert_int_equal(world.code, 0);
		if (i == 2)
			assert_int_equal(world.sum, sum);
		sum = i == 0 ? world.sum : sum;
		assert_result(vc_vcpu_reset(rig.vcpu), 0);
		assert_result(vc_partition_reset(rig.partition), 0);
	}
	rig_free(&rig);
}

/* An AP waits for its start-up IPI again: a run of it only ends by a kick. */
static void test_others_wait_for_init(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_SPLIT, .max_vcpus = 2 };
	struct vc_vcpu *boot;
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	boot = rig_vcpu(&rig, 0);
	rig.vcpu = rig_vcpu(&rig, 1);
	rig_attach(&rig);
	assert_result(vc_vcpu_reset(rig.vcpu), 0);
	assert_result(vc_vcpu_kick(rig.vcpu), 0);
	assert_int_equal(rig_run(&rig)->kind, VC_EXIT_INTERRUPTED);
	vc_vcpu_destroy(boot);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers_are_like_new),
		cmocka_unit_test(test_a_guest_runs_again),
		cmocka_unit_test(test_others_wait_for_init),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
