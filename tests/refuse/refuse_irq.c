/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that irq.h documents, by the shared library, on a real hypervisor. */
#include "cpu_fixture.h"

#include <errno.h>

static const struct vc_msi msi = { .address = 0xfee00000, .data = 0x40 };

static void without_irqchip(void **state)
{
	struct vc_irq *irq = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_refused(vc_irq_create_line(rig.partition, 1, &irq), -ENOTSUP, "irqchip");
	assert_refused(vc_irq_create_msi(rig.partition, &msi, &irq), -ENOTSUP, "irqchip");
	assert_refused(vc_irq_create_pin(rig.partition, 1, &irq), -ENOTSUP, "split");
	assert_refused(vc_irq_send_msi(rig.partition, &msi), -ENOTSUP, "irqchip");
	assert_null(irq);
	rig_free(&rig);
}

static void with_split_irqchip(void **state)
{
	struct vc_partition_config split = { .irqchip = VC_IRQCHIP_SPLIT };
	struct vc_irq *irq = NULL, *again = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, &split);
	assert_refused(vc_irq_create_line(rig.partition, 24, &irq), -EINVAL, "line 24");
	assert_refused(vc_irq_create_line(rig.partition, 1, &irq), -ENOTSUP, "irqchip");
	assert_refused(vc_irq_create_pin(rig.partition, 24, &irq), -EINVAL, "pin 24");
	assert_refused(vc_irq_create_msi(NULL, &msi, &irq), -EINVAL, "");
	assert_refused(vc_irq_send_msi(rig.partition, NULL), -EINVAL, "");
	assert_null(irq);
	assert_result(vc_irq_create_pin(rig.partition, 3, &irq), 0);
	assert_refused(vc_irq_create_pin(rig.partition, 3, &again), -EEXIST, "pin 3");
	vc_irq_destroy(irq);
	rig_free(&rig);
}

static void handles(void **state)
{
	struct vc_partition_config kernel = { .irqchip = VC_IRQCHIP_KERNEL };
	struct vc_irq *line = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, &kernel);
	assert_refused(vc_irq_set_level(NULL, true), -EINVAL, "");
	assert_refused(vc_irq_pulse(NULL), -EINVAL, "");
	assert_refused(vc_irq_fd(NULL), -EINVAL, "");
	assert_refused(vc_irq_set_msi(NULL, &msi), -EINVAL, "");
	assert_result(vc_irq_create_line(rig.partition, 23, &line), 0);
	assert_refused(vc_irq_set_msi(line, &msi), -EINVAL, "not a message");
	vc_irq_destroy(line);
	rig_free(&rig);
}

static void doorbells(void **state)
{
	struct vc_doorbell_config cfg = { .size = sizeof(cfg), .addr = 0x30, .len = 2 };
	struct vc_doorbell *doorbell = NULL, *again = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_result(vc_doorbell_create(rig.partition, &cfg, &doorbell), 0);
	assert_refused(vc_doorbell_create(rig.partition, &cfg, &again), -EEXIST, "port 0x30");
	cfg.len = 3;
	assert_refused(vc_doorbell_create(rig.partition, &cfg, &again), -EINVAL, "3 bytes");
	assert_refused(vc_doorbell_create(NULL, &cfg, &again), -EINVAL, "");
	assert_refused(vc_doorbell_fd(NULL), -EINVAL, "no doorbell");
	assert_null(again);
	vc_doorbell_destroy(doorbell);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_irqchip),
		cmocka_unit_test(with_split_irqchip),
		cmocka_unit_test(handles),
		cmocka_unit_test(doorbells),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
