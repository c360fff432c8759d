/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard controller: three ways to a reset, none by accident, and a quick "not here". */
#include "device_unit.h"

static struct vc_device *make(struct wishes *wishes)
{
	struct vc_request_config cfg = { .size = sizeof(cfg), .fn = record_wish, .opaque = wishes };
	struct vc_device *dev;

	memset(wishes, 0, sizeof(*wishes));
	assert_result(vc_i8042_create(&cfg, &dev), 0);
	return dev;
}

static void out(struct vc_device *dev, uint32_t range, uint8_t value)
{
	(void)device_access(dev, range, 0, 1, true, value);
}

static uint8_t in(struct vc_device *dev, uint32_t range)
{
	return (uint8_t)device_access(dev, range, 0, 1, false, 0);
}

static void pulse_resets(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);
	unsigned int command, nr = 0;

	(void)state;
	for (command = 0; command < 256; command++) {
		out(dev, 1, (uint8_t)command);
		nr += command >= 0xf0 && !(command & 1);
		assert_int_equal(wishes.nr, nr);
	}
	assert_int_equal(nr, 8);
	assert_int_equal(wishes.last, VC_REQUEST_RESET);
	vc_device_destroy(dev);
}

static void output_port_resets(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);

	(void)state;
	out(dev, 0, 0xfe); /* data without the command */
	out(dev, 1, 0xd1);
	out(dev, 0, 0xdf); /* A20 on, no reset */
	out(dev, 0, 0xfe);
	out(dev, 1, 0xd1);
	out(dev, 1, 0xad); /* another command in between */
	out(dev, 0, 0xfe);
	assert_int_equal(wishes.nr, 0);
	out(dev, 1, 0xd1);
	out(dev, 0, 0xfe);
	assert_int_equal(wishes.nr, 1);
	vc_device_destroy(dev);
}

static void port_a_resets_on_the_edge(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);

	(void)state;
	assert_int_equal(in(dev, 2), 0x02);
	out(dev, 2, 0x02);
	assert_int_equal(wishes.nr, 0);
	out(dev, 2, 0x03);
	assert_int_equal(wishes.nr, 1);
	assert_int_equal(in(dev, 2), 0x03);
	out(dev, 2, 0x03);
	assert_int_equal(wishes.nr, 1);
	out(dev, 2, 0x00);
	out(dev, 2, 0x01);
	assert_int_equal(wishes.nr, 2);
	vc_device_reset(dev);
	assert_int_equal(in(dev, 2), 0x02);
	vc_device_destroy(dev);
}

/* As Linux's i8042_flush(): gives up at once; and as kb_wait(): never waits. */
static void drivers_decide_at_once(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);
	unsigned int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		assert_int_equal(in(dev, 1) & 0x03, 0x01);
		assert_int_equal(in(dev, 0), 0xff);
	}
	assert_int_not_equal(in(dev, 1), 0xff);
	/* what an ISA bus would split never gets here: the bus refuses it; offsets are safe */
	assert_int_equal(device_access(dev, 1, 0, 2, false, 0), 0xffff);
	(void)device_access(dev, 1, 0, 4, true, 0xfe);
	(void)device_access(dev, 9, 0, 1, true, 0xfe);
	assert_int_equal(in(dev, 9), 0xff);
	assert_int_equal(wishes.nr, 0);
	vc_device_destroy(dev);
}

static void state_goes_along(void **state)
{
	struct wishes wishes, others;
	struct vc_device *dev = make(&wishes), *next = make(&others);
	uint8_t buf[PAYLOAD_MAX];
	size_t len;

	(void)state;
	out(dev, 1, 0xd1);
	out(dev, 2, 0x01);
	len = save_payload(dev, buf, sizeof(buf));
	assert_result(load_payload(next, 1, buf, len), 0);
	out(next, 2, 0x01);
	assert_int_equal(others.nr, 0); /* no second edge */
	out(next, 0, 0x00);
	assert_int_equal(others.nr, 1);
	refuse_byte(next, buf, len, 0, 2);
	refuse_byte(next, buf, len, 1, 2);
	vc_device_destroy(dev);
	vc_device_destroy(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pulse_resets),
		cmocka_unit_test(output_port_resets),
		cmocka_unit_test(port_a_resets_on_the_edge),
		cmocka_unit_test(drivers_decide_at_once),
		cmocka_unit_test(state_goes_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
