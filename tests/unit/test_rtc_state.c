/* SPDX-License-Identifier: Apache-2.0 */
/* The clock's section: time goes on while the machine is away; what a clock cannot be is refused. */
#include "rtc_unit.h"

/* Offsets in the payload of version 1. */
enum { INDEX, A, B, C, OFFSET_S, OFFSET_NS = 12, BYTES = 16, LENGTH = 144 };

static void time_goes_on(void **state)
{
	struct vc_irq *irq;
	struct vc_device *a, *b;
	uint8_t buf[PAYLOAD_MAX], again[PAYLOAD_MAX];

	(void)state;
	restart_clocks();
	a = make_rtc(NULL, 0);
	wr(a, RTC_HOURS, 0x20); /* eight hours ahead of the host */
	wr(a, RTC_SECONDS_ALARM, 0x30);
	wr(a, RTC_MINUTES_ALARM, 0xff);
	wr(a, RTC_HOURS_ALARM, 0xff);
	wr(a, 0x70, 0x77);
	wr(a, RTC_B, B_24_HOURS | B_ALARM);
	assert_int_equal(rd(a, RTC_MINUTES), 0);
	assert_int_equal(save_payload(a, buf, sizeof(buf)), LENGTH);
	pass_ns(600 * NS_PER_S);
	b = make_rtc(&irq, -100000);
	assert_result(load_payload(b, 1, buf, LENGTH), 0);
	assert_int_equal(rd(b, RTC_HOURS), 0x20);
	assert_int_equal(rd(b, RTC_MINUTES), 0x10);
	assert_int_equal(rd(b, 0x70), 0x77);
	assert_true(armed_ns == (NOON + 630) * NS_PER_S);
	assert_false(level);
	pass_ns(30 * NS_PER_S);
	fire(b);
	assert_true(level);
	/* a pending flag raises the pin of the next machine */
	assert_int_equal(save_payload(b, buf, sizeof(buf)), LENGTH);
	vc_device_reset(b);
	assert_false(level);
	assert_result(load_payload(b, 1, buf, LENGTH), 0);
	assert_true(level);
	assert_int_equal(save_payload(b, again, sizeof(again)), LENGTH);
	assert_memory_equal(again, buf, LENGTH);
	vc_device_destroy(a);
	vc_device_destroy(b);
	vc_irq_destroy(irq);
}

static void stopped_stays_stopped(void **state)
{
	struct vc_device *a, *b;
	uint8_t buf[PAYLOAD_MAX];

	(void)state;
	restart_clocks();
	a = make_rtc(NULL, 0);
	b = make_rtc(NULL, 0);
	wr(a, RTC_B, B_24_HOURS | B_SET);
	wr(a, RTC_MINUTES, 0x77); /* no time, kept as it is */
	assert_int_equal(save_payload(a, buf, sizeof(buf)), LENGTH);
	pass_ns(1000 * NS_PER_S);
	assert_result(load_payload(b, 1, buf, LENGTH), 0);
	assert_int_equal(rd(b, RTC_HOURS), 0x12);
	assert_int_equal(rd(b, RTC_MINUTES), 0x77);
	wr(b, RTC_MINUTES, 0x01);
	wr(b, RTC_B, B_24_HOURS);
	assert_int_equal(rd(b, RTC_MINUTES), 0x01);
	vc_device_destroy(a);
	vc_device_destroy(b);
}

static void hostile_values_are_refused(void **state)
{
	struct vc_device *dev;
	uint8_t buf[PAYLOAD_MAX];
	unsigned int i;

	(void)state;
	restart_clocks();
	dev = make_rtc(NULL, 0);
	assert_int_equal(save_payload(dev, buf, sizeof(buf)), LENGTH);
	refuse_byte(dev, buf, LENGTH, A, A_UIP | A_RESET);
	refuse_byte(dev, buf, LENGTH, B, B_SET | B_UPDATE);
	refuse_byte(dev, buf, LENGTH, C, C_IRQ);
	refuse_byte(dev, buf, LENGTH, C, 0x01);
	refuse_byte(dev, buf, LENGTH, OFFSET_S + 7, 0x7f);
	refuse_byte(dev, buf, LENGTH, OFFSET_S + 7, 0x80);
	refuse_byte(dev, buf, LENGTH, OFFSET_NS + 3, 0xff);
	for (i = RTC_A; i <= RTC_D; i++)
		refuse_byte(dev, buf, LENGTH, BYTES + i, 1);
	refuse_shapes(dev);
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_goes_on),
		cmocka_unit_test(stopped_stays_stopped),
		cmocka_unit_test(hostile_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
