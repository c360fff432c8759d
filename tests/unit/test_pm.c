/* SPDX-License-Identifier: Apache-2.0 */
/* Power management: S5 with the enable bit and nothing else powers off; the reset value resets. */
#include "device_unit.h"

static struct vc_device *make(struct wishes *wishes)
{
	struct vc_request_config cfg = { .size = sizeof(cfg), .fn = record_wish, .opaque = wishes };
	struct vc_device *dev;

	memset(wishes, 0, sizeof(*wishes));
	assert_result(vc_pm_create(&cfg, &dev), 0);
	return dev;
}

static void sleep_control(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);
	unsigned int value, nr = 0;

	(void)state;
	for (value = 0; value < 256; value++) {
		out8(dev, 0, (uint8_t)value);
		nr += (value & 0x20) && ((value >> 2) & 7) == VC_PM_S5_TYPE;
		assert_int_equal(wishes.nr, nr);
		assert_int_equal(in8(dev, 0), value & 0x1c);
	}
	assert_true(nr > 0);
	assert_int_equal(wishes.last, VC_REQUEST_POWER_OFF);
	vc_device_destroy(dev);
}

static void reset_register(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);
	unsigned int value;

	(void)state;
	for (value = 0; value < 256; value++)
		out8(dev, 2, (uint8_t)value);
	assert_int_equal(wishes.nr, 1);
	assert_int_equal(wishes.last, VC_REQUEST_RESET);
	assert_int_equal(in8(dev, 2), 0);
	vc_device_destroy(dev);
}

static void status_and_the_rest(void **state)
{
	struct wishes wishes;
	struct vc_device *dev = make(&wishes);

	(void)state;
	out8(dev, 1, 0xff);
	out8(dev, 3, 0xff);
	assert_int_equal(in8(dev, 1), 0);
	assert_int_equal(in8(dev, 3), 0);
	assert_int_equal(wishes.nr, 0);
	/* wide accesses reach each register */
	(void)device_access(dev, 0, 0, 4, true, 0x00010000);
	assert_int_equal(wishes.last, VC_REQUEST_RESET);
	(void)device_access(dev, 0, 0, 2, true, 0x20 | VC_PM_S5_TYPE << 2);
	assert_int_equal(wishes.last, VC_REQUEST_POWER_OFF);
	assert_int_equal(device_access(dev, 0, 0, 4, false, 0), VC_PM_S5_TYPE << 2);
	vc_device_destroy(dev);
}

static void state_goes_along(void **state)
{
	struct wishes wishes, others;
	struct vc_device *dev = make(&wishes), *next = make(&others);
	uint8_t buf[PAYLOAD_MAX];
	size_t len;

	(void)state;
	out8(dev, 0, 3 << 2);
	len = save_payload(dev, buf, sizeof(buf));
	assert_result(load_payload(next, 1, buf, len), 0);
	assert_int_equal(in8(next, 0), 3 << 2);
	refuse_byte(next, buf, len, 0, 0x20);
	refuse_byte(next, buf, len, 1, 0x01);
	vc_device_reset(dev);
	assert_int_equal(in8(dev, 0), 0);
	vc_device_destroy(dev);
	vc_device_destroy(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleep_control),
		cmocka_unit_test(reset_register),
		cmocka_unit_test(status_and_the_rest),
		cmocka_unit_test(state_goes_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
