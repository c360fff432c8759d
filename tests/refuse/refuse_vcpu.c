/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that vcpu.h and vcpu_state.h document, by the shared library, on a real hypervisor. */
#include "cpu_fixture.h"

#include <errno.h>

static void create(void **state)
{
	struct vc_vcpu_config cfg = { .size = sizeof(cfg) };
	struct {
		struct vc_vcpu_config cfg;
		uint64_t newer;
	} big = { .cfg.size = sizeof(big), .newer = 1 };
	struct vc_vcpu *none = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_refused(vc_vcpu_create(rig.partition, NULL, &none), -EINVAL, "");
	assert_refused(vc_vcpu_create(rig.partition, &big.cfg, &none), -E2BIG, "");
	assert_refused(vc_vcpu_create(rig.partition, &cfg, &none), -EEXIST, "vCPU 0");
	cfg.idx = 1;
	assert_refused(vc_vcpu_create(rig.partition, &cfg, &none), -ERANGE, "made for 1");
	assert_null(none);
	rig_free(&rig);
}

static void attach_and_run(void **state)
{
	struct vc_exit *exit = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_refused(vc_vcpu_attach(NULL), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_run(rig.vcpu, &exit), -EINVAL, "attached");
	assert_refused(vc_vcpu_detach(rig.vcpu), -EINVAL, "not attached");
	rig_attach(&rig);
	assert_refused(vc_vcpu_attach(rig.vcpu), -EBUSY, "attached");
	assert_refused(vc_vcpu_run(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_run(NULL, &exit), -EINVAL, "");
	assert_refused(vc_vcpu_kick(NULL), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_complete(NULL), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_detach(NULL), -EINVAL, "");
	assert_null(exit);
	rig_free(&rig);
}

static void registers(void **state)
{
	struct vc_x86_sregs sregs;
	uint64_t value;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_refused(vc_vcpu_get_regs(NULL, NULL, NULL), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_set_regs(NULL, NULL, NULL), -EINVAL, "no vCPU");
	assert_result(vc_vcpu_get_regs(rig.vcpu, NULL, &sregs), 0);
	sregs.cr0 = 0x80000000; /* paging without protection */
	assert_refused(vc_vcpu_set_regs(rig.vcpu, NULL, &sregs), -EINVAL, "system registers");
	assert_refused(vc_vcpu_get_msr(rig.vcpu, 0x12345678, &value), -ENOENT, "0x12345678");
	assert_refused(vc_vcpu_set_msr(rig.vcpu, 0x12345678, 0), -ENOENT, "0x12345678");
	assert_refused(vc_vcpu_get_msr(NULL, 0x10, &value), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_set_msr(NULL, 0x10, 0), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_reset(NULL), -EINVAL, "");
	rig_free(&rig);
}

static void state_parts(void **state)
{
	uint8_t page[VC_LAPIC_BYTES];
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_refused(vc_vcpu_get_xsave(rig.vcpu, NULL, 8), -EINVAL, "no buffer");
	assert_refused(vc_vcpu_set_xsave(rig.vcpu, page, 8), -EINVAL, "XSAVE area");
	assert_refused(vc_vcpu_get_lapic(rig.vcpu, page), -EINVAL, "no LAPICs");
	assert_refused(vc_vcpu_set_lapic(rig.vcpu, page), -EINVAL, "no LAPICs");
	assert_refused(vc_vcpu_get_stats(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_get_stats(NULL, &stats), -EINVAL, "");
	stats.size = sizeof(stats) - 1;
	assert_refused(vc_vcpu_get_stats(rig.vcpu, &stats), -EINVAL, "size is");
	assert_refused(vc_vcpu_save(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_load(rig.vcpu, NULL), -EINVAL, "");
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(create),
		cmocka_unit_test(attach_and_run),
		cmocka_unit_test(registers),
		cmocka_unit_test(state_parts),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
