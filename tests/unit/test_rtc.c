/* SPDX-License-Identifier: Apache-2.0 */
/* The clock: reads that never tear, setting, formats, the three interrupts, CMOS bytes. */
#include "rtc_unit.h"

static void expect_time(struct vc_device *dev, unsigned int h, unsigned int m, unsigned int s)
{
	assert_int_equal(rd(dev, RTC_A) & A_UIP, 0);
	assert_int_equal(rd(dev, RTC_HOURS), h);
	assert_int_equal(rd(dev, RTC_MINUTES), m);
	assert_int_equal(rd(dev, RTC_SECONDS), s);
}

static void tells_the_time(void **state)
{
	struct vc_device *dev;

	(void)state;
	restart_clocks();
	dev = make_rtc(NULL, 0);
	expect_time(dev, 0x12, 0x00, 0x00);
	assert_int_equal(rd(dev, RTC_DAY), 0x15);
	assert_int_equal(rd(dev, RTC_MONTH), 0x11);
	assert_int_equal(rd(dev, RTC_YEAR), 0x23);
	assert_int_equal(rd(dev, RTC_CENTURY), 0x20);
	assert_int_equal(rd(dev, RTC_WEEKDAY), 4);
	assert_int_equal(rd(dev, RTC_A), A_RESET);
	assert_int_equal(rd(dev, RTC_B), B_24_HOURS);
	assert_int_equal(rd(dev, RTC_D), D_VALID);
	pass_ns(3661 * NS_PER_S);
	expect_time(dev, 0x13, 0x01, 0x01);
	wr(dev, RTC_B, B_BINARY | B_24_HOURS); /* the format changes, the time does not */
	expect_time(dev, 13, 1, 1);
	wr(dev, RTC_B, B_BINARY);
	expect_time(dev, 0x81, 1, 1);
	wr(dev, RTC_B, 0);
	expect_time(dev, 0x81, 0x01, 0x01);
	vc_device_destroy(dev);
	dev = make_rtc(NULL, -3600);
	expect_time(dev, 0x12, 0x01, 0x01);
	vc_device_destroy(dev);
}

/* Linux's mc146818_get_time() at every microsecond around a change of second, the clock running. */
static void linux_never_waits_and_never_misreads(void **state)
{
	struct vc_device *dev;
	int us;

	(void)state;
	restart_clocks();
	real_ns += 59 * NS_PER_S + 59 * 60 * NS_PER_S; /* 12:59:59: every field will change */
	dev = make_rtc(NULL, 0);
	pass_ns(NS_PER_S - 3000000);
	for (us = 0; us < 6000; us++) {
		unsigned int again = 0, s, m, h;

		do {
			assert_true(again++ < 2);
			s = rd(dev, RTC_SECONDS);
			pass_ns(300);
			assert_int_equal(rd(dev, RTC_A) & A_UIP, 0); /* would wait a millisecond */
			pass_ns(300);
		} while (s != rd(dev, RTC_SECONDS));
		pass_ns(400);
		m = rd(dev, RTC_MINUTES);
		h = rd(dev, RTC_HOURS);
		assert_int_equal(rd(dev, RTC_A) & A_UIP, 0);
		if (s != rd(dev, RTC_SECONDS))
			continue;
		assert_true((h == 0x12 && m == 0x59 && s == 0x59) ||
			    (h == 0x13 && m == 0 && s == 0));
	}
	/* and as older kernels do: A once, then all fields with exits of a whole millisecond */
	restart_clocks();
	real_ns += 59 * NS_PER_S + 59 * 60 * NS_PER_S;
	vc_device_reset(dev);
	for (us = 0; us < 1000; us++) {
		unsigned int s, m, h;

		restart_clocks();
		real_ns += 3599 * NS_PER_S + us * 1000000ll;
		mono_ns += us * NS_PER_S;
		assert_int_equal(rd(dev, RTC_A) & A_UIP, 0);
		s = rd(dev, RTC_SECONDS);
		pass_ns(5000000);
		m = rd(dev, RTC_MINUTES);
		pass_ns(5000000);
		h = rd(dev, RTC_HOURS);
		assert_true((h == 0x12 && m == 0x59 && s == 0x59) ||
			    (h == 0x13 && m == 0 && s == 0));
	}
	vc_device_destroy(dev);
}

/* Who waits for the edge of UIP sees it, before the second changes. */
static void uip_for_those_who_poll_it(void **state)
{
	struct vc_device *dev;
	unsigned int nr = 0;

	(void)state;
	restart_clocks();
	dev = make_rtc(NULL, 0);
	out8(dev, 0, RTC_A);
	while (!(in8(dev, 1) & A_UIP)) {
		pass_ns(100000);
		assert_true(nr++ < 20000);
	}
	assert_true(real_ns % NS_PER_S >= NS_PER_S - 2500000);
	while (in8(dev, 1) & A_UIP)
		pass_ns(100000);
	assert_true(real_ns % NS_PER_S < 1000000);
	assert_int_equal(rd(dev, RTC_SECONDS), 1);
	vc_device_destroy(dev);
}

/* A guest that reads no A, as firmware does: still sees seconds go by. */
static void seconds_alone_advance(void **state)
{
	struct vc_device *dev;
	unsigned int i;

	(void)state;
	restart_clocks();
	dev = make_rtc(NULL, 0);
	out8(dev, 0, RTC_SECONDS);
	for (i = 0; i < 300; i++) {
		unsigned int s = in8(dev, 1);
		int64_t lag = real_ns / 1000000 - (NOON + (s >> 4) * 10 + (s & 15)) * 1000;

		assert_true(lag >= 0 && lag <= 1030);
		pass_ns(10000000);
	}
	vc_device_destroy(dev);
}

static void guest_sets_the_time(void **state)
{
	struct vc_device *dev;

	(void)state;
	restart_clocks();
	dev = make_rtc(NULL, 0);
	pass_ns(250000000);
	/* as Linux's mc146818_set_time(): SET, divider reset, fields, both back */
	wr(dev, RTC_B, B_24_HOURS | B_SET | B_UPDATE);
	assert_int_equal(rd(dev, RTC_B), B_24_HOURS | B_SET); /* SET ends UIE */
	wr(dev, RTC_A, 0x70);
	wr(dev, RTC_CENTURY, 0x19);
	wr(dev, RTC_YEAR, 0x99);
	wr(dev, RTC_MONTH, 0x12);
	wr(dev, RTC_DAY, 0x31);
	wr(dev, RTC_HOURS, 0x23);
	wr(dev, RTC_MINUTES, 0x59);
	wr(dev, RTC_SECONDS, 0x59);
	pass_ns(70 * NS_PER_S); /* stopped all the while */
	assert_int_equal(rd(dev, RTC_SECONDS), 0x59);
	assert_int_equal(rd(dev, RTC_A), 0x70);
	wr(dev, RTC_B, B_24_HOURS);
	wr(dev, RTC_A, A_RESET);
	pass_ns(499000000);
	expect_time(dev, 0x23, 0x59, 0x59);
	pass_ns(30000000); /* the first update comes half a second after the divider's release */
	expect_time(dev, 0x00, 0x00, 0x00);
	assert_int_equal(rd(dev, RTC_CENTURY), 0x20);
	assert_int_equal(rd(dev, RTC_YEAR), 0x00);
	assert_int_equal(rd(dev, RTC_DAY), 0x01);
	assert_int_equal(rd(dev, RTC_MONTH), 0x01);
	/* a single field without SET */
	pass_ns(100000000);
	wr(dev, RTC_MINUTES, 0x30);
	expect_time(dev, 0x00, 0x30, 0x00);
	pass_ns(NS_PER_S);
	expect_time(dev, 0x00, 0x30, 0x01);
	/* SET alone leaves the phase of the second as it was */
	wr(dev, RTC_B, B_24_HOURS | B_SET);
	wr(dev, RTC_HOURS, 0x07);
	wr(dev, RTC_B, B_24_HOURS);
	expect_time(dev, 0x07, 0x30, 0x01);
	/* a reset changes no time: the battery keeps it, and starts a clock left stopped */
	wr(dev, RTC_B, B_SET); /* 12 hours */
	wr(dev, RTC_HOURS, 0x83);
	vc_device_reset(dev);
	expect_time(dev, 0x15, 0x30, 0x01);
	pass_ns(NS_PER_S);
	expect_time(dev, 0x15, 0x30, 0x02);
	vc_device_destroy(dev);
}

static void update_interrupt(void **state)
{
	struct vc_irq *irq;
	struct vc_device *dev;

	(void)state;
	restart_clocks();
	dev = make_rtc(&irq, 0);
	pass_ns(400000000);
	assert_true(armed_ns == 0);
	wr(dev, RTC_B, B_24_HOURS | B_UPDATE);
	assert_true(armed_ns == (NOON + 1) * NS_PER_S);
	pass_ns(600000000);
	fire(dev);
	assert_true(level);
	assert_true(armed_ns == 0); /* not acknowledged: no more timers */
	assert_int_equal(rd(dev, RTC_C), C_IRQ | C_UPDATE | C_PERIODIC);
	assert_false(level);
	assert_true(armed_ns == (NOON + 2) * NS_PER_S);
	assert_int_equal(rd(dev, RTC_C), 0);
	/* flags are set whether enabled or not */
	wr(dev, RTC_B, B_24_HOURS);
	assert_true(armed_ns == 0);
	pass_ns(NS_PER_S);
	assert_int_equal(rd(dev, RTC_C), C_UPDATE | C_PERIODIC);
	assert_false(level);
	/* the host's clock steps back: the timer is cancelled, the flag says that time changed */
	wr(dev, RTC_B, B_24_HOURS | B_UPDATE);
	real_ns -= 3600 * NS_PER_S;
	assert_int_equal(rd(dev, RTC_C) & C_UPDATE, C_UPDATE);
	assert_true(armed_ns == (real_ns / NS_PER_S + 1) * NS_PER_S);
	vc_device_destroy(dev);
	vc_irq_destroy(irq);
}

static void periodic_interrupt(void **state)
{
	struct vc_irq *irq;
	struct vc_device *dev;
	int64_t start;
	unsigned int i;

	(void)state;
	restart_clocks();
	dev = make_rtc(&irq, 0);
	start = real_ns;
	wr(dev, RTC_A, A_RUNNING | 15); /* 2 Hz */
	wr(dev, RTC_B, B_24_HOURS | B_PERIODIC);
	assert_true(armed_ns == start + NS_PER_S / 2);
	for (i = 1; i <= 5; i++) {
		pass_ns(armed_ns - real_ns + 1000); /* a poller that is late does not drift */
		fire(dev);
		assert_true(level);
		assert_int_equal(rd(dev, RTC_C) & (C_IRQ | C_PERIODIC), C_IRQ | C_PERIODIC);
		assert_true(armed_ns == start + (i + 1) * NS_PER_S / 2);
	}
	assert_int_equal(nr_raised, 5);
	/* periods missed are one interrupt */
	pass_ns(10 * NS_PER_S);
	fire(dev);
	assert_int_equal(nr_raised, 6);
	wr(dev, RTC_A, A_RUNNING | 6);
	(void)rd(dev, RTC_C);
	assert_true(armed_ns - real_ns == NS_PER_S / 1024);
	wr(dev, RTC_A, A_RUNNING | 1); /* as rate 8 */
	assert_true(armed_ns - real_ns == NS_PER_S / 256);
	wr(dev, RTC_A, A_RUNNING | 3);
	assert_true(armed_ns - real_ns == NS_PER_S / 8192);
	wr(dev, RTC_A, A_RUNNING);
	assert_true(armed_ns == 0);
	wr(dev, RTC_A, 0x76);
	assert_true(armed_ns == 0);
	vc_device_destroy(dev);
	vc_irq_destroy(irq);
}

static void alarm_interrupt(void **state)
{
	struct vc_irq *irq;
	struct vc_device *dev;

	(void)state;
	restart_clocks();
	dev = make_rtc(&irq, 7);
	wr(dev, RTC_HOURS_ALARM, 0x12);
	wr(dev, RTC_MINUTES_ALARM, 0x05);
	wr(dev, RTC_SECONDS_ALARM, 0x00);
	wr(dev, RTC_B, B_24_HOURS | B_ALARM);
	assert_true(armed_ns == (NOON + 300 - 7) * NS_PER_S);
	pass_ns(armed_ns - real_ns);
	fire(dev);
	assert_true(level);
	assert_int_equal(rd(dev, RTC_C) & (C_IRQ | C_ALARM), C_IRQ | C_ALARM);
	assert_true(armed_ns == (NOON + 300 - 7 + 86400) * NS_PER_S);
	wr(dev, RTC_MINUTES_ALARM, 0x99);
	assert_true(armed_ns == 0);
	wr(dev, RTC_MINUTES_ALARM, 0xff);
	wr(dev, RTC_HOURS_ALARM, 0xff);
	assert_true(armed_ns == real_ns + 60 * NS_PER_S);
	/* read back as they were written */
	assert_int_equal(rd(dev, RTC_MINUTES_ALARM), 0xff);
	/* SET: no update, no alarm */
	wr(dev, RTC_B, B_24_HOURS | B_ALARM | B_SET);
	assert_true(armed_ns == 0);
	pass_ns(3600 * NS_PER_S);
	assert_int_equal(rd(dev, RTC_C) & C_ALARM, 0);
	vc_device_reset(dev);
	assert_int_equal(rd(dev, RTC_B), B_24_HOURS);
	vc_device_destroy(dev);
	vc_irq_destroy(irq);
}

static void cmos_bytes(void **state)
{
	struct vc_device *dev;
	unsigned int i, sum = 0;

	(void)state;
	restart_clocks();
	dev = make_rtc(NULL, 0);
	assert_int_equal(rd(dev, 0x15) | rd(dev, 0x16) << 8, 640);
	assert_int_equal(rd(dev, 0x17) | rd(dev, 0x18) << 8, 0xffff);
	assert_int_equal(rd(dev, 0x30) | rd(dev, 0x31) << 8, 0xffff);
	assert_int_equal(rd(dev, 0x34) | rd(dev, 0x35) << 8, (3072 - 16) * 16);
	assert_int_equal(rd(dev, 0x5b) | rd(dev, 0x5c) << 8 | rd(dev, 0x5d) << 16, 5120 * 16);
	for (i = 0x10; i < 0x2e; i++)
		sum += rd(dev, (uint8_t)i);
	assert_int_equal(rd(dev, 0x2e) << 8 | rd(dev, 0x2f), sum);
	for (i = 0x33; i < 0x80; i++)
		wr(dev, (uint8_t)i, (uint8_t)(i * 3));
	for (i = 0x33; i < 0x80; i++)
		assert_int_equal(rd(dev, (uint8_t)(i | 0x80)), (uint8_t)(i * 3)); /* NMI bit set */
	assert_int_equal(in8(dev, 0), 0xff); /* index 0x7f and the NMI bit */
	wr(dev, RTC_C, 0xff);
	wr(dev, RTC_D, 0);
	assert_int_equal(rd(dev, RTC_D), D_VALID);
	assert_int_equal(rd(dev, RTC_C), 0);
	/* two bytes at once: index, then data */
	(void)device_access(dev, 0, 0, 2, true, 0x5a40);
	assert_int_equal(device_access(dev, 0, 0, 2, false, 0), 0x5a40);
	vc_device_reset(dev);
	assert_int_equal(rd(dev, 0x40), 0x5a); /* the battery */
	vc_device_destroy(dev);
}

static void small_memories(void **state)
{
	struct vc_rtc_config cfg = { .size = sizeof(cfg), .mem_low_bytes = 512 << 10 };
	struct vc_device *dev;

	(void)state;
	assert_result(vc_rtc_create(&cfg, &dev), 0);
	assert_int_equal(rd(dev, 0x15) | rd(dev, 0x16) << 8, 512);
	assert_int_equal(rd(dev, 0x17) | rd(dev, 0x18) | rd(dev, 0x34) | rd(dev, 0x5b), 0);
	vc_device_destroy(dev);
	cfg.mem_low_bytes = 1ull << 60;
	cfg.mem_high_bytes = UINT64_MAX;
	assert_result(vc_rtc_create(&cfg, &dev), 0);
	assert_int_equal(rd(dev, 0x34) & rd(dev, 0x35) & rd(dev, 0x5d), 0xff);
	vc_device_destroy(dev);
}

static void refuses(void **state)
{
	struct vc_rtc_config cfg = { .size = sizeof(cfg), .offset_s = INT64_MAX };
	struct vc_device *dev = (struct vc_device *)&cfg;
	struct pollfd fds[4];

	(void)state;
	assert_int_equal(vc_rtc_create(NULL, &dev), -EINVAL);
	assert_int_equal(vc_rtc_create(&cfg, NULL), -EINVAL);
	assert_refused(vc_rtc_create(&cfg, &dev), -EINVAL, "offset");
	cfg.offset_s = INT64_MIN;
	assert_refused(vc_rtc_create(&cfg, &dev), -EINVAL, "offset");
	cfg.offset_s = 0;
	cfg.name = "";
	assert_refused(vc_rtc_create(&cfg, &dev), -EINVAL, "name");
	assert_ptr_equal(dev, &cfg);
	cfg.name = NULL;
	cfg.offset_s = -OFFSET_MAX_S;
	assert_result(vc_rtc_create(&cfg, &dev), 0);
	assert_int_equal(rd(dev, RTC_SECONDS), 0); /* the first second of the calendar */
	assert_int_equal(vc_device_pollfds(dev, fds, 4), 0);
	vc_device_dispatch(dev, fds, 0);
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_time),
		cmocka_unit_test(linux_never_waits_and_never_misreads),
		cmocka_unit_test(uip_for_those_who_poll_it),
		cmocka_unit_test(seconds_alone_advance),
		cmocka_unit_test(guest_sets_the_time),
		cmocka_unit_test(update_interrupt),
		cmocka_unit_test(periodic_interrupt),
		cmocka_unit_test(alarm_interrupt),
		cmocka_unit_test(cmos_bytes),
		cmocka_unit_test(small_memories),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
