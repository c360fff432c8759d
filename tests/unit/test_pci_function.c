/* SPDX-License-Identifier: Apache-2.0 */
/* What a function may be made of, and its doorbells. */
#include "pci_unit.h"

static void refuse_config(const struct vc_pci_function_config *bad, const char *part)
{
	struct vc_pci_function_config cfg = *bad;
	struct vc_pci_function *none = NULL;
	struct tester t;

	assert_result(vc_device_init(&t.dev, &tester_ops, "a"), 0);
	cfg.dev = &t.dev;
	assert_refused(vc_pci_function_create(&cfg, &none), -EINVAL, part);
	assert_null(none);
	vc_device_fini(&t.dev);
}

static void refused_configs(void **state)
{
	struct vc_pci_function_config cfg = usual_function();
	struct vc_pci_function *none = NULL;

	(void)state;
	assert_int_equal(vc_pci_function_create(NULL, &none), -EINVAL);
	assert_refused(vc_pci_function_create(&cfg, NULL), -EINVAL, "ret_function");
	assert_refused(vc_pci_function_create(&cfg, &none), -EINVAL, "device");
	cfg.vendor_id = 0xffff;
	refuse_config(&cfg, "0xffff");
	cfg = usual_function();
	cfg.class_code = 0x1000000;
	refuse_config(&cfg, "0x1000000");
	cfg = usual_function();
	cfg.bars[0].kind = (enum vc_pci_bar_kind)4;
	refuse_config(&cfg, "kind 4");
	cfg = usual_function();
	cfg.bars[0].len = 0x1800;
	refuse_config(&cfg, "BAR 0 has 6144");
	cfg.bars[0].len = 0;
	refuse_config(&cfg, "BAR 0 has 0");
	cfg.bars[0].len = 8;
	refuse_config(&cfg, "BAR 0 has 8");
	cfg.bars[0].len = 1ull << 32;
	refuse_config(&cfg, "BAR 0 has 4294967296");
	cfg = usual_function();
	cfg.bars[1].len = 512;
	refuse_config(&cfg, "BAR 1 has 512");
	cfg = usual_function();
	cfg.bars[1].is_prefetchable = true;
	refuse_config(&cfg, "prefetchable");
	cfg = usual_function();
	cfg.bars[4].len = 16;
	refuse_config(&cfg, "BAR 4 is none");
	cfg = usual_function();
	cfg.bars[3] = cfg.bars[0];
	refuse_config(&cfg, "BAR 2 is of 64 bits");
	cfg = usual_function();
	cfg.bars[5] = cfg.bars[2];
	refuse_config(&cfg, "BAR 5 is of 64 bits");
	cfg = usual_function();
	cfg.nr_vectors = VC_PCI_VECTORS_MAX + 1;
	refuse_config(&cfg, "2049 vectors");
	cfg = usual_function();
	cfg.msix_bar = 1;
	refuse_config(&cfg, "BAR 1, which is no memory");
	cfg.msix_bar = 3;
	refuse_config(&cfg, "BAR 3, which is no memory");
	cfg.msix_bar = 6;
	refuse_config(&cfg, "BAR 6, which is no memory");
	cfg = usual_function();
	cfg.msix_off = 4;
	refuse_config(&cfg, "multiple of 8");
	cfg.msix_off = 0x4000 - 1064;
	refuse_config(&cfg, "BAR 2, which has");
	assert_int_equal(vc_pci_msix_bytes(0), 0);
	assert_int_equal(vc_pci_msix_bytes(64), 1024 + 8);
	assert_int_equal(vc_pci_msix_bytes(65), 1040 + 16);
	vc_pci_function_destroy(NULL);
}

static void most_vectors(void **state)
{
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t;
	struct rig rig;

	(void)state;
	cfg.bars[2].len = 0x10000;
	cfg.nr_vectors = VC_PCI_VECTORS_MAX;
	cfg.msix_off = 0;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, &cfg);
	place_bars(&rig, 1);
	wr(&rig, BAR2(1) + 16 * 2047, 8, 0xfee00000);
	wr(&rig, BAR2(1) + 16 * 2047 + 8, 8, 0x77);
	set_msix(&rig, 1, MSIX_CONTROL_ENABLED);
	assert_int_equal(vc_pci_function_raise(t->pci, 2047), 1);
	expect_message(&rig, 0x77);
	assert_int_equal(vc_pci_function_raise(t->pci, 2046), 1);
	assert_int_equal(rd(&rig, BAR2(1) + 16 * 2048 + 8 * 31, 8), 1ull << 62);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void no_frills(void **state)
{
	struct vc_pci_function_config cfg = { .size = sizeof(cfg), .vendor_id = 0x1b36 };
	struct tester *t;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, &cfg);
	assert_int_equal(rd_config(&rig, 1, PCI_PIN, 1), 0);
	assert_int_equal(find_cap(&rig, 1, 0x11), 0);
	assert_refused(vc_pci_function_set_intx(t->pci, true), -EINVAL, "INTx");
	assert_refused(vc_pci_function_set_intx(NULL, true), -EINVAL, "INTx");
	assert_refused(vc_pci_function_raise(t->pci, 0), -EINVAL, "there are 0");
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void refused_doorbells(void **state)
{
	struct vc_pci_doorbell good = { .size = sizeof(good), .off = 16, .len = 2 };
	const struct {
		struct vc_pci_doorbell cfg;
		const char *part;
	} bad[] = {
		{ { .bar = 6, .len = 2 }, "BAR 6" },
		{ { .bar = 3, .len = 2 }, "BAR 3" },
		{ { .bar = 0, .off = 0xfff, .len = 2 }, "0xfff" },
		{ { .bar = 0, .off = 0x1000 }, "0x1000" },
		{ { .bar = 0, .off = UINT64_MAX, .len = 4 }, "BAR 0" },
		{ { .bar = 2, .off = 0x1000, .len = 4 }, "0x1000" }, /* MSI-X is there */
		{ { .bar = 2, .off = 0xffe, .len = 4 }, "0xffe" },
		{ { .bar = 0, .len = 4, .has_fd = true, .fd = -1 }, "no fd" },
		{ { .bar = 0, .len = 3 }, "3 bytes" },
		{ { .bar = 0, .len = 16 }, "16 bytes" },
		{ { .bar = 1, .len = 8 }, "8 bytes" },
		{ { .bar = 1, .len = 0 }, "0 bytes" },
		{ { .bar = 0, .len = 0, .has_match = true }, "0 bytes" },
		{ { .bar = 0, .len = 2, .has_match = true, .match = 0x10000 }, "2 bytes" },
	};
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);
	struct rig rig;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		struct vc_pci_doorbell doorbell = bad[i].cfg;

		doorbell.size = sizeof(doorbell);
		assert_refused(vc_pci_function_add_doorbell(t->pci, &doorbell), -EINVAL,
			       bad[i].part);
	}
	assert_true(vc_pci_function_add_doorbell(t->pci, &good) >= 0);
	assert_refused(vc_pci_function_add_doorbell(t->pci, &good), -EEXIST, "0x10 already");
	good.len = 0;
	assert_refused(vc_pci_function_add_doorbell(t->pci, &good), -EEXIST, "0x10 already");
	good.len = 4;
	good.has_match = true;
	for (good.match = 0; good.match < 4; good.match++)
		assert_true(vc_pci_function_add_doorbell(t->pci, &good) >= 0);
	good.match = 3;
	assert_refused(vc_pci_function_add_doorbell(t->pci, &good), -EEXIST, "0x10 already");
	assert_refused(vc_pci_function_add_doorbell(NULL, &good), -EINVAL, "no function");
	assert_int_equal(vc_pci_function_add_doorbell(t->pci, NULL), -EINVAL);
	rig_make(&rig);
	assert_result(vc_pci_bridge_attach(rig.bridge, t->pci, 1), 0);
	assert_refused(vc_pci_function_add_doorbell(t->pci, &good), -EBUSY, "bridge");
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* The partition has no irqchip: a function with vectors finds no place, nothing is left of it. */
static void attach_undone(void **state)
{
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);
	struct vc_partition_config pcfg = { .size = sizeof(pcfg) };
	struct vc_pci_bridge_config bcfg;
	struct vc_device *bridge;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	pcfg.mem = rig.bed.mem;
	pcfg.max_vcpus = 1;
	struct vc_partition *bare;
	assert_result(vc_partition_create(rig.bed.host, &pcfg, &bare), 0);
	bcfg = usual_bridge(&rig);
	bcfg.partition = bare;
	assert_result(vc_pci_bridge_create(&bcfg, &bridge), 0);
	assert_refused(vc_pci_bridge_attach(bridge, t->pci, 1), -ENOTSUP, "irqchip");
	assert_result(vc_pci_bridge_attach(rig.bridge, t->pci, 1), 0);
	vc_device_destroy(bridge);
	vc_partition_destroy(bare);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_configs), cmocka_unit_test(most_vectors),
		cmocka_unit_test(no_frills),	   cmocka_unit_test(refused_doorbells),
		cmocka_unit_test(attach_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
