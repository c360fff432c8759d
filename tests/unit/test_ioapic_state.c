/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O APIC's section: levels, awaited EOIs and routes come back; impossible entries do not. */
#include "ioapic_unit.h"

/* Offsets in the payload of version 1. */
enum { SELECTED, ID, LEVELS, ENTRIES = 6, LENGTH = 198 };

static void goes_on_after_load(void **state)
{
	struct vc_device *dev = make_ioapic();
	uint8_t buf[PAYLOAD_MAX], again[PAYLOAD_MAX];

	(void)state;
	wr32(dev, 0, 0x05000000);
	program(dev, 4, 0x0100000000000000ull | 0x31);			  /* edge */
	program(dev, 10, ENTRY_LEVEL | 0x41);				  /* EOI due, high */
	program(dev, 11, ENTRY_LEVEL | ENTRY_LOW | ENTRY_LOGICAL | 0x42); /* idle */
	assert_result(vc_ioapic_set_level(dev, 4, true), 0);
	assert_result(vc_ioapic_set_level(dev, 10, true), 0);
	program(dev, 10, ENTRY_LEVEL | ENTRY_MASKED | 0x41); /* masked since */
	assert_int_equal(rd32(dev, 1), 0x00170020);
	assert_int_equal(save_payload(dev, buf, sizeof(buf)), LENGTH);
	vc_device_destroy(dev);

	dev = make_ioapic();
	assert_result(load_payload(dev, 1, buf, LENGTH), 0);
	assert_int_equal(nr_sent, 0);
	assert_true(pins[10].is_routed && pins[11].is_routed && !pins[4].is_routed);
	assert_int_equal(device_access(dev, 0, 0x10, 4, false, 0), 0x00170020); /* selected */
	assert_int_equal(save_payload(dev, again, sizeof(again)), LENGTH);
	assert_memory_equal(again, buf, LENGTH);
	assert_result(vc_ioapic_set_level(dev, 4, true), 0); /* was high: no edge */
	assert_int_equal(nr_sent, 0);
	program(dev, 10, ENTRY_LEVEL | 0x41);
	assert_int_equal(nr_sent, 0);
	assert_result(vc_ioapic_eoi(dev, 0x41), 0);
	assert_int_equal(nr_sent, 1);
	vc_device_destroy(dev);
}

/* A level that could not be sent before goes out after the load. */
static void waiting_level_is_sent(void **state)
{
	struct vc_device *dev = make_ioapic();
	uint8_t buf[PAYLOAD_MAX];

	(void)state;
	send_answer = 0;
	program(dev, 7, ENTRY_LEVEL | 0x41);
	assert_result(vc_ioapic_set_level(dev, 7, true), 0);
	assert_int_equal(save_payload(dev, buf, sizeof(buf)), LENGTH);
	vc_device_destroy(dev);
	dev = make_ioapic();
	assert_result(load_payload(dev, 1, buf, LENGTH), 0);
	assert_int_equal(nr_sent, 1);
	assert_true(entry_of(dev, 7) & ENTRY_REMOTE);
	vc_device_destroy(dev);
}

static void hostile_values_are_refused(void **state)
{
	struct vc_device *dev = make_ioapic();
	uint8_t buf[PAYLOAD_MAX];
	unsigned int pin, byte;

	(void)state;
	assert_int_equal(save_payload(dev, buf, sizeof(buf)), LENGTH);
	refuse_byte(dev, buf, LENGTH, ID, 16);
	refuse_byte(dev, buf, LENGTH, LEVELS + 3, 1);
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++) {
		size_t at = ENTRIES + 8 * pin;

		refuse_byte(dev, buf, LENGTH, at + 1, 0x10); /* pending */
		refuse_byte(dev, buf, LENGTH, at + 1, 0x40); /* EOI of an edge */
		refuse_byte(dev, buf, LENGTH, at + 1, 0xc4); /* EOI of an NMI */
		refuse_byte(dev, buf, LENGTH, at + 2, 0x02); /* reserved, and so on */
		for (byte = 3; byte < 7; byte++)
			refuse_byte(dev, buf, LENGTH, at + byte, 0x80);
	}
	refuse_shapes(dev);
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_after_load),
		cmocka_unit_test(waiting_level_is_sent),
		cmocka_unit_test(hostile_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
