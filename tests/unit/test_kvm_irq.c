/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's tables of routes and doorbells at their ends: many of them, and none left free. */
#include "cpu_fixture.h"

#include "backend.h"

#include <errno.h>

enum { NR = 300 };

static void test_many_routes(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_KERNEL };
	static struct vc_irq *irqs[NR];
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	for (uint32_t i = 0; i < NR; i++) {
		struct vc_msi msi = { .address = 0xfee00000, .data = 0x20 + i % 200 };

		assert_result(vc_irq_create_msi(rig.partition, &msi, &irqs[i]), 0);
		assert_true(vc_irq_fd(irqs[i]) >= 0);
		assert_int_equal(irqs[i]->gsi, 24 + i);
	}
	/* a number given back is the next one given out, and its fd is new */
	vc_irq_destroy(irqs[7]);
	assert_result(vc_irq_create_msi(rig.partition, NULL, &irqs[7]), 0);
	assert_int_equal(irqs[7]->gsi, 31);
	assert_true(vc_irq_fd(irqs[7]) >= 0);
	/* a message that KVM cannot route goes nowhere, and takes no other's route along */
	assert_result(vc_irq_set_msi(irqs[8], &(struct vc_msi){ 0x1fee00000, 0x41 }), 0);
	assert_result(vc_irq_set_msi(irqs[9], &(struct vc_msi){ 0xfee00000, 0x42 }), 0);
	assert_int_equal(vc_irq_fd(irqs[7]), vc_irq_fd(irqs[7]));
	for (uint32_t i = 0; i < NR; i++)
		vc_irq_destroy(irqs[i]);
	assert_null(rig.partition->messages);
	rig_free(&rig);
}

static void test_no_route_left(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_SPLIT };
	struct vc_irq *irqs[4] = { NULL }, *none = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	assert_true(rig.partition->max_gsis >= 1024);
	rig.partition->max_gsis = 24 + ARRAY_LEN(irqs);
	for (size_t i = 0; i < ARRAY_LEN(irqs); i++)
		assert_result(vc_irq_create_msi(rig.partition, NULL, &irqs[i]), 0);
	assert_refused(vc_irq_create_msi(rig.partition, NULL, &none), -ENOSPC, "all 28");
	assert_null(none);
	for (size_t i = 0; i < ARRAY_LEN(irqs); i++)
		vc_irq_destroy(irqs[i]);
	rig_free(&rig);
}

/* Messages without an fd take a number but no route: nothing is told to KVM. */
static void test_routes_are_lazy(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_SPLIT };
	struct vc_msi msi = { .address = 0xfee00000, .data = 0x41 };
	struct vc_irq *irq = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, &cfg);
	assert_result(vc_irq_create_msi(rig.partition, &msi, &irq), 0);
	assert_int_equal(irq->fd, -EBADF);
	assert_false(irq->is_wired);
	assert_result(vc_irq_set_msi(irq, NULL), 0);
	assert_true(vc_irq_fd(irq) >= 0);
	assert_false(irq->is_wired); /* masked: signals wait */
	assert_result(vc_irq_set_msi(irq, &msi), 0);
	assert_true(irq->is_wired);
	vc_irq_destroy(irq);
	rig_free(&rig);
}

static void test_many_doorbells(void **state)
{
	static struct vc_doorbell *bells[NR];
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	for (uint32_t i = 0; i < NR; i++) {
		struct vc_doorbell_config cfg = {
			.size = sizeof(cfg),
			.space = VC_SPACE_MMIO,
			.addr = 0xd0000000 + i / 2 * 4,
			.len = 2,
			.has_match = true,
			.match = i,
		};

		assert_result(vc_doorbell_create(rig.partition, &cfg, &bells[i]), 0);
	}
	for (uint32_t i = 0; i < NR; i++)
		vc_doorbell_destroy(bells[i]);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_routes),
		cmocka_unit_test(test_no_route_left),
		cmocka_unit_test(test_routes_are_lazy),
		cmocka_unit_test(test_many_doorbells),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
