/* SPDX-License-Identifier: Apache-2.0 */
/* FPU and LAPIC of a vCPU, counters; what save, load and reset drop of an access under way. */
#include "cpu_fixture.h"

#include <errno.h>

static void test_xsave(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	int len = vc_vcpu_get_xsave(rig.vcpu, NULL, 0);
	assert_true(len >= 576);
	uint8_t *area = calloc(1, (size_t)len), *again = calloc(1, (size_t)len);
	assert_true(area && again);
	area[0] = 0xa5;
	assert_int_equal(vc_vcpu_get_xsave(rig.vcpu, area, (size_t)len - 1), len);
	assert_int_equal(area[0], 0xa5); /* too small: untouched */
	assert_int_equal(vc_vcpu_get_xsave(rig.vcpu, area, (size_t)len), len);
	/* XMM3, and the bit that says it counts */
	memset(area + 160 + 3 * 16, 0x77, 16);
	area[512] |= 3;
	assert_result(vc_vcpu_set_xsave(rig.vcpu, area, (size_t)len), 0);
	assert_int_equal(vc_vcpu_get_xsave(rig.vcpu, again, (size_t)len), len);
	assert_memory_equal(again + 160 + 3 * 16, area + 160 + 3 * 16, 16);
	assert_refused(vc_vcpu_set_xsave(rig.vcpu, area, (size_t)len - 8), -EINVAL, "XSAVE area");
	assert_refused(vc_vcpu_set_xsave(rig.vcpu, NULL, 0), -EINVAL, "");
	assert_refused(vc_vcpu_get_xsave(rig.vcpu, NULL, 9), -EINVAL, "");
	free(area);
	free(again);
	rig_free(&rig);
}

static void test_lapic(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_SPLIT, .max_vcpus = 3 };
	uint32_t page[VC_LAPIC_BYTES / 4], again[VC_LAPIC_BYTES / 4];
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	rig.vcpu = rig_vcpu(&rig, 2);
	assert_result(vc_vcpu_get_lapic(rig.vcpu, page), 0);
	assert_int_equal(page[0x20 / 4] >> 24, 2);
	page[0x80 / 4] = 0x30; /* task priority */
	assert_result(vc_vcpu_set_lapic(rig.vcpu, page), 0);
	assert_result(vc_vcpu_get_lapic(rig.vcpu, again), 0);
	assert_int_equal(again[0x80 / 4], 0x30);
	assert_refused(vc_vcpu_get_lapic(rig.vcpu, NULL), -EINVAL, "");
	rig_free(&rig);

	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_refused(vc_vcpu_get_lapic(rig.vcpu, page), -EINVAL, "no LAPICs");
	assert_refused(vc_vcpu_set_lapic(rig.vcpu, page), -EINVAL, "no LAPICs");
	rig_free(&rig);
}

static void test_save_waits_for_the_whole_access(void **state)
{
	struct vc_state_writer *writer = NULL;
	struct world world;
	uint32_t nr = 0;
	struct rig rig;

	(void)state;
	world_init(&world);
	rig_guest(&rig, NULL, "exits.elf", "ports=0 mmio=0 forms=1");
	while (!world.is_over) {
		world_answer(&world, rig_run(&rig));
		assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
		int r = vc_vcpu_save(rig.vcpu, writer);
		vc_state_writer_destroy(writer);
		if (r == 0)
			continue;
		/* the second half of an access over a page's end comes first */
		assert_refused(r, -EAGAIN, "further part");
		nr++;
	}
	assert_int_equal(world.code, 0);
	assert_true(nr > 0);
	rig_free(&rig);
}

/* A guest that asks for a reset in the middle of an endless string is reset all the same. */
static void test_reset_drops_a_repeated_access(void **state)
{
	/* mov $0xffffffff,%ecx; mov $0x30,%dx; addr32 rep insb */
	static const uint8_t code[] = { 0x66, 0xb9, 0xff, 0xff, 0xff, 0xff, 0xba,
					0x30, 0x00, 0x67, 0xf3, 0x6c, 0xf4 };
	struct vc_x86_regs regs;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, code, sizeof(code));
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
	assert_result(vc_vcpu_reset(rig.vcpu), 0);
	assert_result(vc_vcpu_get_regs(rig.vcpu, &regs, NULL), 0);
	assert_int_equal(regs.rip, 0xfff0);
	rig_start_code(&rig, rig.vcpu, "\xf4", 1);
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	rig_free(&rig);
}

static void test_refusals(void **state)
{
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_refused(vc_vcpu_get_stats(NULL, &stats), -EINVAL, "");
	assert_refused(vc_vcpu_get_stats(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_save(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_load(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_reset(NULL), -EINVAL, "");
	assert_refused(vc_vcpu_get_xsave(NULL, NULL, 0), -EINVAL, "");
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xsave),
		cmocka_unit_test(test_lapic),
		cmocka_unit_test(test_save_waits_for_the_whole_access),
		cmocka_unit_test(test_reset_drops_a_repeated_access),
		cmocka_unit_test(test_refusals),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
