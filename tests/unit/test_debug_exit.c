/* SPDX-License-Identifier: Apache-2.0 */
/* The debug-exit port: every size of write gives its value, reads give 0. */
#include "device_unit.h"

static void gives_the_code(void **state)
{
	struct wishes wishes = { 0 };
	struct vc_request_config cfg = { .size = sizeof(cfg),
					 .fn = record_wish,
					 .opaque = &wishes };
	struct vc_device *dev;
	uint8_t buf[PAYLOAD_MAX];
	size_t len;

	(void)state;
	assert_result(vc_debug_exit_create(&cfg, &dev), 0);
	out8(dev, 0, 0x10);
	assert_int_equal(wishes.last, VC_REQUEST_DEBUG_EXIT);
	assert_int_equal(wishes.code, 0x10);
	(void)device_access(dev, 0, 0, 2, true, 0xbeef);
	assert_int_equal(wishes.code, 0xbeef);
	(void)device_access(dev, 0, 0, 4, true, 0xdeadbeef);
	assert_int_equal(wishes.code, 0xdeadbeef);
	assert_int_equal(wishes.nr, 3);
	out8(dev, 1, 1);
	assert_int_equal(wishes.nr, 3);
	assert_int_equal(device_access(dev, 0, 0, 4, false, 0), 0);
	len = save_payload(dev, buf, sizeof(buf));
	assert_result(load_payload(dev, 1, buf, len), 0);
	refuse_byte(dev, buf, len, 0, 1);
	assert_int_equal(wishes.nr, 3);
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(gives_the_code) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
