/* SPDX-License-Identifier: Apache-2.0 */
/* The panic notifier: offers two events, tells of these and of no others. */
#include "device_unit.h"

static void tells_of_known_events(void **state)
{
	struct wishes wishes = { 0 };
	struct vc_request_config cfg = { .size = sizeof(cfg),
					 .fn = record_wish,
					 .opaque = &wishes };
	struct vc_device *dev;
	uint8_t buf[PAYLOAD_MAX];
	unsigned int value, nr = 0;
	size_t len;

	(void)state;
	assert_result(vc_pvpanic_create(&cfg, &dev), 0);
	assert_int_equal(in8(dev, 0), 3);
	for (value = 0; value < 256; value++) {
		out8(dev, 0, (uint8_t)value);
		nr += (value & 3) != 0;
		assert_int_equal(wishes.nr, nr);
		if (value & 3) {
			assert_int_equal(wishes.last, VC_REQUEST_PANICKED);
			assert_int_equal(wishes.code, value & 3);
		}
	}
	len = save_payload(dev, buf, sizeof(buf));
	refuse_byte(dev, buf, len, 1, 1);
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tells_of_known_events) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
