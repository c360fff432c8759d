/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space: header, capabilities, sizing, and a guest that writes anything anywhere. */
#include "pci_unit.h"

static void header(void **state)
{
	struct tester *t;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 4, NULL);
	assert_int_equal(rd_config(&rig, 4, 0x00, 4), 0x00051b36);
	assert_int_equal(rd_config(&rig, 4, 0x02, 2), 0x0005);
	assert_int_equal(rd_config(&rig, 4, 0x08, 4), 0x00ff0003);
	assert_int_equal(rd_config(&rig, 4, 0x2c, 4), 0x11001af4);
	assert_int_equal(rd_config(&rig, 4, 0x0c, 4), 0);
	assert_int_equal(rd_config(&rig, 4, 0x30, 4), 0); /* no ROM */
	assert_int_equal(rd_config(&rig, 4, PCI_STATUS, 2), STATUS_CAPABILITIES);
	assert_int_equal(rd(&rig, config_at(4, 0), 8), 0x0010000000051b36);
	/* nothing extended */
	assert_int_equal(rd_config(&rig, 4, 0x100, 4), 0);
	assert_int_equal(rd_config(&rig, 4, 0xffc, 4), 0);
	assert_int_equal(rd_config(&rig, 4, 0xfe, 4), 0); /* over the end of the 256 bytes */
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void capabilities(void **state)
{
	struct tester *t;
	struct rig rig;
	uint32_t at;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 4, NULL);
	at = find_cap(&rig, 4, 0x10);
	assert_true(at >= 0x40 && at % 4 == 0);
	assert_int_equal(rd_config(&rig, 4, at + 2, 2), 0x92);
	at = find_cap(&rig, 4, 0x11);
	assert_true(at > 0x40 && at % 4 == 0);
	assert_int_equal(rd_config(&rig, 4, at + 1, 1), 0);
	assert_int_equal(rd_config(&rig, 4, at + 2, 2), 65);
	assert_int_equal(rd_config(&rig, 4, at + 4, 4), 0x1002);
	assert_int_equal(rd_config(&rig, 4, at + 8, 4), 0x1422);
	wr_config(&rig, 4, at, 4, 0xffffffff);
	assert_int_equal(rd_config(&rig, 4, at + 2, 2), 0xc041);
	wr_config(&rig, 4, at + 4, 4, 0);
	assert_int_equal(rd_config(&rig, 4, at + 4, 4), 0x1002);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* As a guest finds out how long a BAR is. */
static void sizing(void **state)
{
	static const struct {
		uint32_t reg, ones, bits;
	} bars[] = {
		{ 0, 0xfffff000, 0 }, { 1, 0xfffffff1, 1 }, { 2, 0xffffc00c, 0xc },
		{ 3, 0xffffffff, 0 }, { 4, 0, 0 },	    { 5, 0, 0 },
	};
	struct tester *t;
	struct rig rig;
	size_t i;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 4, NULL);
	for (i = 0; i < ARRAY_LEN(bars); i++) {
		assert_int_equal(rd_config(&rig, 4, PCI_BAR(bars[i].reg), 4), bars[i].bits);
		wr_config(&rig, 4, PCI_BAR(bars[i].reg), 4, 0xffffffff);
		assert_int_equal(rd_config(&rig, 4, PCI_BAR(bars[i].reg), 4), bars[i].ones);
		wr_config(&rig, 4, PCI_BAR(bars[i].reg), 4, 0);
		assert_int_equal(rd_config(&rig, 4, PCI_BAR(bars[i].reg), 4), bars[i].bits);
	}
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void sizing_beyond_4_gib(void **state)
{
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t;
	struct rig rig;

	(void)state;
	cfg.bars[2].len = 1ull << 36;
	rig_make(&rig);
	t = rig_add(&rig, "a", 4, &cfg);
	wr_config(&rig, 4, PCI_BAR(2), 4, 0xffffffff);
	wr_config(&rig, 4, PCI_BAR(3), 4, 0xffffffff);
	assert_int_equal(rd_config(&rig, 4, PCI_BAR(2), 4), 0xc);
	assert_int_equal(rd_config(&rig, 4, PCI_BAR(3), 4), 0xfffffff0);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* Only what may change does, and a wide access is the same as its bytes one by one. */
static void anything_anywhere(void **state)
{
	uint32_t off, seed = 1;
	struct tester *t;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 4, NULL);
	for (off = 0; off < 2 * PCI_FUNCTION_BYTES; off++) {
		for (unsigned int size = 1; size <= 8; size *= 2) {
			uint8_t before[PCI_CONFIG_BYTES];
			uint64_t value, wide, bytes = 0;

			memcpy(before, t->pci->config, sizeof(before));
			seed = seed * 1664525 + 1013904223;
			value = (uint64_t)seed << 32 | seed * 2654435761u;
			wr(&rig, config_at(4, off), size, value);
			wide = rd(&rig, config_at(4, off), size);
			if (off + size > PCI_FUNCTION_BYTES) {
				assert_int_equal(wide, UINT64_MAX >> (64 - 8 * size));
				assert_memory_equal(before, t->pci->config, sizeof(before));
				continue;
			}
			for (uint32_t i = 0; i < size; i++)
				bytes |= rd(&rig, config_at(4, off + i), 1) << 8 * i;
			assert_int_equal(wide, bytes);
			for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++) {
				uint8_t changed = before[i] ^ t->pci->config[i];

				assert_false(changed & ~t->pci->writable[i]);
				assert_true(!changed || (i >= off && i < off + size));
			}
		}
	}
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void own_capability(void **state)
{
	static const uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 }, mask[6] = { [3] = 0x0f, [4] = 0xff };
	struct vc_pci_capability cap = {
		.size = sizeof(cap), .id = 9, .len = 8, .bytes = bytes, .writable = mask
	};
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);
	struct rig rig;
	int plain, trapped;

	(void)state;
	plain = vc_pci_function_add_capability(t->pci, &cap);
	cap.is_trapped = true;
	cap.id = 10;
	cap.len = 7;
	trapped = vc_pci_function_add_capability(t->pci, &cap);
	assert_true(plain > 0 && trapped == plain + 8);
	rig_make(&rig);
	assert_result(vc_pci_bridge_attach(rig.bridge, t->pci, 4), 0);
	assert_int_equal(find_cap(&rig, 4, 9), plain);
	assert_int_equal(find_cap(&rig, 4, 10), trapped);
	assert_int_equal(find_cap(&rig, 4, 0x11) > 0, 1);
	wr_config(&rig, 4, (uint32_t)plain + 4, 4, 0xffffffff);
	assert_int_equal(rd_config(&rig, 4, (uint32_t)plain + 4, 4), 0x06ff0f03);
	assert_int_equal(t->nr_accesses, 0);
	/* the device sees what was stored, and its answer is what counts */
	wr_config(&rig, 4, (uint32_t)trapped + 5, 1, 0xab);
	assert_int_equal(t->nr_accesses, 1);
	assert_int_equal(t->last.range, VC_PCI_RANGE_CONFIG);
	assert_int_equal(t->last.off, trapped + 5);
	assert_int_equal(t->last.value, 0xab);
	assert_int_equal(vc_pci_function_config(t->pci, (uint32_t)trapped + 5, 1), 0x0b);
	assert_int_equal(rd_config(&rig, 4, (uint32_t)trapped + 4, 2), trapped + 4);
	assert_int_equal(t->nr_accesses, 2);
	assert_int_equal(t->last.value, 0x0b03);
	/* what is partly something else does not reach it */
	(void)rd_config(&rig, 4, (uint32_t)trapped + 4, 4);
	(void)rd_config(&rig, 4, (uint32_t)trapped, 4);
	assert_int_equal(t->nr_accesses, 2);
	/* reset gives back what it was made with */
	vc_device_reset(rig.bridge);
	assert_int_equal(rd_config(&rig, 4, (uint32_t)plain + 4, 4), 0x06050403);

	assert_int_equal(vc_pci_function_config(t->pci, 255, 2), UINT32_MAX);
	assert_int_equal(vc_pci_function_config(t->pci, 0, 8), UINT32_MAX);
	assert_int_equal(vc_pci_function_config(NULL, 0, 4), UINT32_MAX);
	assert_refused(vc_pci_function_add_capability(t->pci, &cap), -EBUSY, "bridge");
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void capabilities_full(void **state)
{
	static const uint8_t zeros[256];
	struct vc_pci_capability cap = { .size = sizeof(cap), .id = 9, .len = 60, .bytes = zeros };
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);

	(void)state;
	/* 0x40: 60 bytes express, 12 MSI-X: 120 are left */
	assert_int_equal(vc_pci_function_add_capability(t->pci, &cap), 0x88);
	cap.len = 61;
	assert_refused(vc_pci_function_add_capability(t->pci, &cap), -ENOSPC, "0xc4");
	cap.len = 57;
	assert_int_equal(vc_pci_function_add_capability(t->pci, &cap), 0xc4);
	cap.len = 3;
	assert_refused(vc_pci_function_add_capability(t->pci, &cap), -ENOSPC, "0x100");
	cap.len = 2;
	assert_refused(vc_pci_function_add_capability(t->pci, &cap), -EINVAL, "3 bytes");
	cap.len = 3;
	cap.bytes = NULL;
	assert_refused(vc_pci_function_add_capability(t->pci, &cap), -EINVAL, "3 bytes");
	assert_refused(vc_pci_function_add_capability(NULL, &cap), -EINVAL, "function");
	assert_int_equal(vc_pci_function_add_capability(t->pci, NULL), -EINVAL);
	vc_device_destroy(&t->dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(sizing),
		cmocka_unit_test(sizing_beyond_4_gib),
		cmocka_unit_test(anything_anywhere),
		cmocka_unit_test(own_capability),
		cmocka_unit_test(capabilities_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
