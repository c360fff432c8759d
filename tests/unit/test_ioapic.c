/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O APIC: window, messages, edges, levels with EOI and resend, masks, routes for EOIs. */
#include "ioapic_unit.h"

static void registers(void **state)
{
	struct vc_device *dev = make_ioapic();
	unsigned int reg, pin;

	(void)state;
	assert_int_equal(rd32(dev, 1), 0x00170020);
	assert_int_equal(rd32(dev, 0), 0);
	wr32(dev, 0, 0xffffffff);
	assert_int_equal(rd32(dev, 0), 0x0f000000);
	assert_int_equal(rd32(dev, 2), 0x0f000000);
	wr32(dev, 1, 0);
	assert_int_equal(rd32(dev, 1), 0x00170020);
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		assert_true(entry_of(dev, pin) == ENTRY_MASKED);
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		program(dev, pin, (uint64_t)(pin + 1) << 56 | ENTRY_MASKED | (0x30 + pin));
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		assert_true(entry_of(dev, pin) ==
			    ((uint64_t)(pin + 1) << 56 | ENTRY_MASKED | (0x30 + pin)));
	/* read-only and reserved bits */
	program(dev, 3, UINT64_MAX);
	assert_true(entry_of(dev, 3) == (ENTRY_WRITABLE));
	for (reg = 0; reg < 256; reg++) {
		if (reg > 2 && (reg < 0x10 || reg >= 0x10 + 2 * VC_IOAPIC_PINS)) {
			wr32(dev, (uint8_t)reg, UINT32_MAX);
			assert_int_equal(rd32(dev, (uint8_t)reg), 0);
		}
	}
	assert_int_equal(device_access(dev, 0, 0, 4, false, 0), 0xff); /* the selector reads back */
	vc_device_reset(dev);
	assert_int_equal(rd32(dev, 0), 0);
	assert_true(entry_of(dev, 3) == ENTRY_MASKED);
	assert_int_equal(nr_sent, 0);
	vc_device_destroy(dev);
}

static void only_whole_registers(void **state)
{
	static const unsigned int sizes[] = { 1, 2, 8 };
	struct vc_device *dev = make_ioapic();
	size_t i;
	uint32_t off;

	(void)state;
	(void)device_access(dev, 0, 0, 4, true, 1);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t ones = UINT64_MAX >> (64 - 8 * sizes[i]);

		(void)device_access(dev, 0, 0, sizes[i], true, 0);
		assert_true(device_access(dev, 0, 0x10, sizes[i], false, 0) == ones);
	}
	for (off = 0; off < 0x1000 - 3; off++) {
		if (off == 0 || off == 0x10)
			continue;
		assert_true(device_access(dev, 0, off, 4, false, 0) == UINT32_MAX);
		if (off != 0x40)
			(void)device_access(dev, 0, off, 4, true, 0);
	}
	assert_int_equal(device_access(dev, 0, 0x10, 4, false, 0), 0x00170020);
	vc_device_destroy(dev);
}

static void edges(void **state)
{
	struct vc_device *dev = make_ioapic();

	(void)state;
	program(dev, 4, 0x0200000000000000ull | 0x31);
	assert_result(vc_ioapic_set_level(dev, 4, true), 0);
	assert_int_equal(nr_sent, 1);
	assert_true(sent[0].address == 0xfee02000);
	assert_int_equal(sent[0].data, 0x31);
	assert_result(vc_ioapic_set_level(dev, 4, true), 0); /* still high: no edge */
	assert_int_equal(nr_sent, 1);
	assert_result(vc_ioapic_set_level(dev, 4, false), 0);
	assert_result(vc_ioapic_set_level(dev, 4, true), 0);
	assert_int_equal(nr_sent, 2);
	assert_true(entry_of(dev, 4) == (0x0200000000000000ull | 0x31)); /* awaits no EOI */
	assert_result(vc_ioapic_eoi(dev, 0x31), 0);
	assert_int_equal(nr_sent, 2);
	/* an edge to a masked entry is lost */
	program(dev, 4, ENTRY_MASKED | 0x31);
	assert_result(vc_ioapic_set_level(dev, 4, false), 0);
	assert_result(vc_ioapic_set_level(dev, 4, true), 0);
	program(dev, 4, 0x31);
	assert_int_equal(nr_sent, 2);
	assert_int_equal(nr_routings, 0); /* edges cost no routes */
	vc_device_destroy(dev);
}

static void levels(void **state)
{
	struct vc_device *dev = make_ioapic();
	const uint64_t entry = ENTRY_LEVEL | 0x41;

	(void)state;
	program(dev, 10, entry);
	assert_true(pins[10].is_routed);
	assert_int_equal(pins[10].msi.data, 0xc041);
	assert_result(vc_ioapic_set_level(dev, 10, true), 0);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(sent[0].data, 0xc041);
	assert_true(entry_of(dev, 10) == (entry | ENTRY_REMOTE));
	assert_result(vc_ioapic_set_level(dev, 10, true), 0);
	assert_int_equal(nr_sent, 1); /* the EOI is due */
	assert_result(vc_ioapic_eoi(dev, 0x42), 0);
	assert_int_equal(nr_sent, 1);
	assert_result(vc_ioapic_eoi(dev, 0x41), 0);
	assert_int_equal(nr_sent, 2); /* still high: again */
	assert_result(vc_ioapic_set_level(dev, 10, false), 0);
	assert_result(vc_ioapic_eoi(dev, 0x41), 0);
	assert_int_equal(nr_sent, 2);
	assert_true(entry_of(dev, 10) == entry);
	/* the chip's own EOI register does the same */
	assert_result(vc_ioapic_set_level(dev, 10, true), 0);
	(void)device_access(dev, 0, 0x40, 4, true, 0x41);
	assert_int_equal(nr_sent, 4);
	vc_device_destroy(dev);
}

static void masks_of_levels(void **state)
{
	struct vc_device *dev = make_ioapic();
	const uint64_t entry = ENTRY_LEVEL | 0x41;

	(void)state;
	program(dev, 9, entry | ENTRY_MASKED);
	assert_false(pins[9].is_routed);
	assert_result(vc_ioapic_set_level(dev, 9, true), 0);
	assert_int_equal(nr_sent, 0);
	program(dev, 9, entry); /* opened while high */
	assert_int_equal(nr_sent, 1);
	/* masked with the EOI due: the route by which it comes stays */
	program(dev, 9, entry | ENTRY_MASKED);
	assert_true(pins[9].is_routed);
	assert_true(entry_of(dev, 9) & ENTRY_REMOTE);
	assert_result(vc_ioapic_eoi(dev, 0x41), 0);
	assert_int_equal(nr_sent, 1);
	program(dev, 9, entry);
	assert_int_equal(nr_sent, 2);
	/* made an edge and a level again, as drivers do to clear a stuck one */
	program(dev, 9, ENTRY_MASKED | 0x41);
	assert_false(pins[9].is_routed);
	assert_false(entry_of(dev, 9) & ENTRY_REMOTE);
	program(dev, 9, entry);
	assert_true(pins[9].is_routed);
	assert_int_equal(nr_sent, 3);
	vc_device_reset(dev);
	assert_false(pins[9].is_routed);
	vc_device_destroy(dev);
}

static void several_pins_one_vector(void **state)
{
	struct vc_device *dev = make_ioapic();

	(void)state;
	program(dev, 20, ENTRY_LEVEL | 0x51);
	program(dev, 21, ENTRY_LEVEL | 0x51);
	program(dev, 22, ENTRY_LEVEL | 0x52);
	assert_result(vc_ioapic_set_level(dev, 20, true), 0);
	assert_result(vc_ioapic_set_level(dev, 21, true), 0);
	assert_result(vc_ioapic_set_level(dev, 22, true), 0);
	assert_result(vc_ioapic_set_level(dev, 20, false), 0);
	nr_sent = 0;
	assert_result(vc_ioapic_eoi(dev, 0x51), 0);
	assert_int_equal(nr_sent, 1);
	assert_false(entry_of(dev, 20) & ENTRY_REMOTE);
	assert_true(entry_of(dev, 21) & ENTRY_REMOTE);
	assert_true(entry_of(dev, 22) & ENTRY_REMOTE);
	vc_device_destroy(dev);
}

static void messages(void **state)
{
	struct vc_device *dev = make_ioapic();
	unsigned int mode, nr = 0;

	(void)state;
	for (mode = 0; mode < 8; mode++) {
		bool is_sent = mode != 3 && mode != 6 && mode != 7; /* reserved, ExtINT */

		program(dev, 1, 0x8100000000000000ull | ENTRY_LOGICAL | mode << 8 | 0x61);
		assert_result(vc_ioapic_set_level(dev, 1, true), 0);
		assert_result(vc_ioapic_set_level(dev, 1, false), 0);
		nr += is_sent;
		assert_int_equal(nr_sent, nr);
		if (is_sent) {
			assert_true(sent[nr - 1].address == 0xfee81004);
			assert_int_equal(sent[nr - 1].data, mode << 8 | 0x61);
		}
	}
	/* NMI has no EOI, whatever the trigger bit says */
	program(dev, 1, ENTRY_LEVEL | 4u << 8);
	assert_result(vc_ioapic_set_level(dev, 1, true), 0);
	assert_int_equal(nr_sent, nr + 1);
	assert_int_equal(sent[nr].data, 4u << 8);
	assert_false(entry_of(dev, 1) & ENTRY_REMOTE);
	assert_false(pins[1].is_routed);
	/* vectors of exceptions are not sent */
	program(dev, 2, ENTRY_LEVEL | 0x0f);
	assert_result(vc_ioapic_set_level(dev, 2, true), 0);
	assert_int_equal(nr_sent, nr + 1);
	program(dev, 2, ENTRY_LEVEL | 0x10);
	assert_int_equal(nr_sent, nr + 2);
	vc_device_destroy(dev);
}

/* Nobody took it: no EOI will come, so none is awaited. */
static void blocked_messages(void **state)
{
	struct vc_device *dev = make_ioapic();

	(void)state;
	send_answer = 0;
	program(dev, 5, ENTRY_LEVEL | 0x71);
	assert_result(vc_ioapic_set_level(dev, 5, true), 0);
	assert_false(entry_of(dev, 5) & ENTRY_REMOTE);
	send_answer = -EINVAL;
	assert_result(vc_ioapic_set_level(dev, 5, true), 0);
	assert_false(entry_of(dev, 5) & ENTRY_REMOTE);
	send_answer = 1;
	assert_result(vc_ioapic_set_level(dev, 5, true), 0);
	assert_true(entry_of(dev, 5) & ENTRY_REMOTE);
	assert_int_equal(nr_sent, 3);
	vc_device_destroy(dev);
}

static void refuses(void **state)
{
	struct vc_ioapic_config cfg = { .size = sizeof(cfg) };
	struct vc_request_config other = { .size = sizeof(other), .fn = record_wish };
	struct vc_device *dev = (struct vc_device *)&cfg;
	unsigned int pin;

	(void)state;
	assert_int_equal(vc_ioapic_create(NULL, &dev), -EINVAL);
	assert_refused(vc_ioapic_create(&cfg, &dev), -EINVAL, "partition");
	cfg.partition = (struct vc_partition *)pins;
	assert_int_equal(vc_ioapic_create(&cfg, NULL), -EINVAL);
	cfg.name = "";
	assert_refused(vc_ioapic_create(&cfg, &dev), -EINVAL, "name");
	cfg.name = NULL;
	pin_answer = -ENOTSUP;
	for (failing_pin = 0; failing_pin < VC_IOAPIC_PINS; failing_pin++) {
		assert_int_equal(vc_ioapic_create(&cfg, &dev), -ENOTSUP);
		for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
			assert_false(pins[pin].is_made);
	}
	assert_ptr_equal(dev, &cfg);
	dev = make_ioapic();
	assert_refused(vc_ioapic_set_level(dev, VC_IOAPIC_PINS, true), -EINVAL, "pin 24");
	assert_int_equal(vc_ioapic_set_level(NULL, 0, true), -EINVAL);
	assert_int_equal(vc_ioapic_eoi(NULL, 0), -EINVAL);
	vc_device_destroy(dev);
	assert_result(vc_pm_create(&other, &dev), 0);
	assert_refused(vc_ioapic_set_level(dev, 0, true), -EINVAL, "I/O APIC");
	assert_refused(vc_ioapic_eoi(dev, 0), -EINVAL, "I/O APIC");
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),	   cmocka_unit_test(only_whole_registers),
		cmocka_unit_test(edges),	   cmocka_unit_test(levels),
		cmocka_unit_test(masks_of_levels), cmocka_unit_test(several_pins_one_vector),
		cmocka_unit_test(messages),	   cmocka_unit_test(blocked_messages),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
