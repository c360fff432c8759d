/* SPDX-License-Identifier: Apache-2.0 */
/* The host bridge: configuration by ECAM, windows, INTx on shared lines, reset, refusals. */
#include "pci_unit.h"

static void the_bridge_itself(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rd_config(&rig, 0, 0, 4), 0x00081b36);
	assert_int_equal(rd_config(&rig, 0, 8, 4), 0x06000000);
	assert_int_equal(rd_config(&rig, 0, 0x0e, 1), 0);
	assert_int_equal(rd_config(&rig, 0, PCI_STATUS, 2), 0);
	/* nobody else: no slot, and no other function of its own */
	assert_int_equal(rd_config(&rig, 1, 0, 4), 0xffffffff);
	assert_int_equal(rd(&rig, ECAM + 0x1000, 4), 0xffffffff);
	assert_int_equal(rd(&rig, ECAM + VC_PCI_ECAM_BYTES - 4, 4), 0xffffffff);
	assert_int_equal(rd(&rig, MEM32, 4), 0xffffffff);
	assert_int_equal(rd(&rig, IO, 2), 0xffff);
	wr(&rig, MEM64, 8, 1);
	/* a capability list that crosses into the next function is none */
	assert_int_equal(rd(&rig, ECAM + 0xffc, 8), UINT64_MAX);
	assert_int_equal(rd(&rig, ECAM + 0xff8, 8), 0);
	rig_free(&rig);
}

static void windows_lead_to_bars(void **state)
{
	struct tester *a, *b;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	a = rig_add(&rig, "a", 1, NULL);
	b = rig_add(&rig, "b", 31, NULL);
	assert_int_equal(rd(&rig, BAR0(1), 4), 0xffffffff); /* not decoded */
	place_bars(&rig, 1);
	place_bars(&rig, 31);
	assert_int_equal(rd(&rig, BAR0(1) + 8, 8), 0x5a00000000000008);
	assert_int_equal(rd(&rig, BAR1(1) + 4, 4), 4);
	assert_int_equal(rd(&rig, BAR2(31) + 0x3ff8, 8), 0x5a00000200003ff8);
	assert_int_equal(a->nr_accesses, 2);
	assert_int_equal(b->nr_accesses, 1);
	wr(&rig, BAR2(31) + 3, 2, 0xabcdef);
	assert_int_equal(b->last.value, 0xcdef);
	assert_int_equal(b->last.off, 3);
	assert_int_equal(b->last.range, 2);
	assert_true(b->last.is_write);
	/* over the end of a BAR: nobody */
	assert_int_equal(rd(&rig, BAR0(1) + 0xffc, 8), UINT64_MAX);
	assert_int_equal(a->nr_accesses, 2);
	vc_device_destroy(&a->dev);
	assert_int_equal(rd(&rig, BAR0(1), 4), 0xffffffff);
	assert_int_equal(rd_config(&rig, 1, 0, 4), 0xffffffff);
	rig_free(&rig);
	vc_device_destroy(&b->dev);
}

/* Slots 1 and 5 share a line: it is high as long as one of them says so. */
static void intx_is_shared(void **state)
{
	struct tester *a, *b;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	a = rig_add(&rig, "a", 1, NULL);
	b = rig_add(&rig, "b", 5, NULL);
	assert_int_equal(rd_config(&rig, 1, PCI_PIN, 1), 1);
	assert_result(vc_pci_function_set_intx(a->pci, true), 0);
	expect_line(&rig, 1, true);
	assert_true(rd_config(&rig, 1, PCI_STATUS, 2) & STATUS_INTX);
	assert_result(vc_pci_function_set_intx(b->pci, true), 0);
	assert_result(vc_pci_function_set_intx(a->pci, true), 0);
	assert_result(vc_pci_function_set_intx(a->pci, false), 0);
	expect_silence(&rig);
	/* disabled it is still seen in the status */
	wr_config(&rig, 5, PCI_COMMAND, 2, COMMAND_INTX_DISABLE);
	expect_line(&rig, 1, false);
	assert_true(rd_config(&rig, 5, PCI_STATUS, 2) & STATUS_INTX);
	wr_config(&rig, 5, PCI_COMMAND, 2, 0);
	expect_line(&rig, 1, true);
	/* MSI-X and INTx exclude each other */
	set_msix(&rig, 5, MSIX_CONTROL_ENABLED);
	expect_line(&rig, 1, false);
	set_msix(&rig, 5, 0);
	expect_line(&rig, 1, true);
	vc_device_reset(rig.bridge);
	expect_line(&rig, 1, false);
	assert_false(rd_config(&rig, 5, PCI_STATUS, 2) & STATUS_INTX);
	/* a function that leaves takes its level along */
	assert_result(vc_pci_function_set_intx(a->pci, true), 0);
	expect_line(&rig, 1, true);
	vc_device_destroy(&a->dev);
	expect_line(&rig, 1, false);
	rig_free(&rig);
	assert_result(vc_pci_function_set_intx(b->pci, true), 0); /* to nobody */
	vc_device_destroy(&b->dev);
}

static void master_bit(void **state)
{
	struct tester *t;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, NULL);
	assert_false(vc_pci_function_is_master(t->pci));
	wr_config(&rig, 1, PCI_COMMAND, 1, COMMAND_MASTER);
	assert_true(vc_pci_function_is_master(t->pci));
	assert_int_equal(vc_pci_function_config(t->pci, PCI_COMMAND, 2), COMMAND_MASTER);
	wr_config(&rig, 1, PCI_COMMAND + 1, 1, 0xff);
	assert_true(vc_pci_function_is_master(t->pci));
	vc_device_reset(rig.bridge);
	assert_false(vc_pci_function_is_master(t->pci));
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void reset_is_power_on(void **state)
{
	uint8_t fresh[PAYLOAD_MAX * 4], after[PAYLOAD_MAX * 4];
	struct tester *t;
	struct rig rig;
	size_t len;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, NULL);
	len = save_payload(rig.bridge, fresh, sizeof(fresh));
	place_bars(&rig, 1);
	program_vector(&rig, 1, 3, 0x41);
	set_msix(&rig, 1, MSIX_CONTROL_ENABLED);
	wr_config(&rig, 1, PCI_LINE, 1, 10);
	assert_int_equal(vc_pci_function_raise(t->pci, 5), 1);
	vc_device_reset(rig.bridge);
	assert_int_equal(save_payload(rig.bridge, after, sizeof(after)), len);
	assert_memory_equal(fresh, after, len);
	assert_int_equal(rd(&rig, BAR0(1), 4), 0xffffffff);
	expect_silence(&rig);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void refusals(void **state)
{
	struct vc_device *none = NULL;
	struct vc_pci_bridge_config cfg;
	struct tester *a, *b;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	cfg = usual_bridge(&rig);
	assert_int_equal(vc_pci_bridge_create(NULL, &none), -EINVAL);
	assert_refused(vc_pci_bridge_create(&cfg, NULL), -EINVAL, "ret_dev");
	cfg.windows[VC_PCI_RANGE_IO].len_bytes = 0x10000;
	assert_refused(vc_pci_bridge_create(&cfg, &none), -EINVAL, "window 3");
	cfg = usual_bridge(&rig);
	cfg.windows[VC_PCI_RANGE_MEM64].base = UINT64_MAX;
	assert_refused(vc_pci_bridge_create(&cfg, &none), -EINVAL, "window 2");
	cfg = usual_bridge(&rig);
	cfg.windows[VC_PCI_RANGE_MEM32].len_bytes = 1ull << 31;
	assert_refused(vc_pci_bridge_create(&cfg, &none), -EINVAL, "window 1");
	cfg = usual_bridge(&rig);
	cfg.partition = NULL;
	assert_refused(vc_pci_bridge_create(&cfg, &none), -EINVAL, "partition");
	cfg = usual_bridge(&rig);
	cfg.name = "";
	assert_refused(vc_pci_bridge_create(&cfg, &none), -EINVAL, "name");
	assert_null(none);

	a = rig_add(&rig, "a", 1, NULL);
	b = make_tester("b", &(struct vc_pci_function_config){
				     .size = sizeof(struct vc_pci_function_config) });
	assert_refused(vc_pci_bridge_attach(rig.bridge, a->pci, 2), -EBUSY, "slot 1");
	assert_refused(vc_pci_bridge_attach(rig.bridge, b->pci, 1), -EEXIST, "a's");
	assert_refused(vc_pci_bridge_attach(rig.bridge, b->pci, 0), -EINVAL, "slot 0");
	assert_refused(vc_pci_bridge_attach(rig.bridge, b->pci, 32), -EINVAL, "slot 32");
	assert_refused(vc_pci_bridge_attach(&a->dev, b->pci, 2), -EINVAL, "host bridge");
	assert_refused(vc_pci_bridge_attach(NULL, b->pci, 2), -EINVAL, "host bridge");
	assert_refused(vc_pci_bridge_attach(rig.bridge, NULL, 2), -EINVAL, "function");
	vc_device_destroy(&b->dev);
	rig_free(&rig);
	vc_device_destroy(&a->dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bridge_itself), cmocka_unit_test(windows_lead_to_bars),
		cmocka_unit_test(intx_is_shared),    cmocka_unit_test(master_bit),
		cmocka_unit_test(reset_is_power_on), cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
