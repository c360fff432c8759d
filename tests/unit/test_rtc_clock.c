/* SPDX-License-Identifier: Apache-2.0 */
/* The clock's calendar: against the C library's, in every format, and with bytes that are no time. */
#include "unit.h"

#include "rtc.h"

#include <time.h>

static const uint8_t formats[] = { 0, B_BINARY, B_24_HOURS, B_BINARY | B_24_HOURS };

static unsigned int plain(uint8_t value, uint8_t b)
{
	return b & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static void check_second(int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	size_t i;

	assert_non_null(gmtime_r(&t, &tm));
	for (i = 0; i < ARRAY_LEN(formats); i++) {
		uint8_t bytes[RTC_NR_BYTES] = { 0 }, b = formats[i];
		unsigned int hours;

		vc__rtc_encode(bytes, b, s);
		assert_int_equal(plain(bytes[RTC_SECONDS], b), tm.tm_sec);
		assert_int_equal(plain(bytes[RTC_MINUTES], b), tm.tm_min);
		assert_int_equal(plain(bytes[RTC_WEEKDAY], b), tm.tm_wday + 1);
		assert_int_equal(plain(bytes[RTC_DAY], b), tm.tm_mday);
		assert_int_equal(plain(bytes[RTC_MONTH], b), tm.tm_mon + 1);
		assert_int_equal(plain(bytes[RTC_YEAR], b), (tm.tm_year + 1900) % 100);
		assert_int_equal(plain(bytes[RTC_CENTURY], b), (tm.tm_year + 1900) / 100);
		hours = plain(bytes[RTC_HOURS] & 0x7f, b);
		if (b & B_24_HOURS) {
			assert_int_equal(hours, tm.tm_hour);
		} else {
			assert_int_equal(hours, tm.tm_hour % 12 ? tm.tm_hour % 12 : 12);
			assert_int_equal(bytes[RTC_HOURS] >> 7, tm.tm_hour >= 12);
		}
		assert_true(vc__rtc_decode(bytes, b) == s);
	}
}

static void agrees_with_the_c_library(void **state)
{
	static const int64_t around[] = { 0,	      -1,	    951782400,
					  4107542400, 1709164800,   -2203891200,
					  1763767889, 253402300799, -62135596800 };
	uint64_t x = 88172645463325252ull;
	unsigned int i;
	int d;

	(void)state;
	for (i = 0; i < ARRAY_LEN(around); i++)
		for (d = -90000; d <= 90000; d += 3599)
			if (around[i] + d >= -62135596800 && around[i] + d <= 253402300799)
				check_second(around[i] + d);
	for (i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		check_second((int64_t)(x % 315537897600ull) - 62135596800); /* years 1 to 9999 */
	}
	for (i = 0; i < 3660; i++)
		check_second((int64_t)i * 86400 + 1700000000);
}

static void any_bytes_give_some_time(void **state)
{
	uint64_t x = 1;
	unsigned int i, k;

	(void)state;
	for (i = 0; i < 100000; i++) {
		uint8_t bytes[RTC_NR_BYTES];
		int64_t s;

		for (k = 0; k < sizeof(bytes); k++) {
			x = x * 6364136223846793005ull + 1442695040888963407ull;
			bytes[k] = (uint8_t)(x >> 56);
		}
		if (i % 16 == 0)
			memset(bytes, i % 32 ? 0xff : 0, sizeof(bytes));
		s = vc__rtc_decode(bytes, (uint8_t)i);
		assert_true(s < OFFSET_MAX_S && s > -OFFSET_MAX_S);
		vc__rtc_encode(bytes, (uint8_t)i, s);
	}
	for (i = 0; i < 64; i++) {
		uint8_t bytes[RTC_NR_BYTES];

		vc__rtc_encode(bytes, 0, INT64_MIN >> (i / 2 + 8));
		vc__rtc_encode(bytes, 0, 2 * OFFSET_MAX_S);
	}
}

static int64_t alarm_at(const char *hms, uint8_t b, int64_t after)
{
	uint8_t bytes[RTC_NR_BYTES] = { 0 };

	bytes[RTC_HOURS_ALARM] = (uint8_t)hms[0];
	bytes[RTC_MINUTES_ALARM] = (uint8_t)hms[1];
	bytes[RTC_SECONDS_ALARM] = (uint8_t)hms[2];
	return vc__rtc_next_alarm(bytes, b, after);
}

static void alarms(void **state)
{
	const int64_t noon = 1700049600; /* 2023-11-15 12:00:00 */
	const uint8_t b24 = B_24_HOURS, bin = B_24_HOURS | B_BINARY;

	(void)state;
	assert_true(alarm_at("\x12\x30\x15", b24, noon) == noon + 1815);
	assert_true(alarm_at("\x12\x00\x00", b24, noon) == noon + 86400); /* not now again */
	assert_true(alarm_at("\x12\x00\x00", b24, noon - 1) == noon);
	assert_true(alarm_at("\x11\x59\x59", b24, noon) == noon + 86399);
	assert_true(alarm_at("\x0d\x1e\x0f", bin, noon) == noon + 5415);
	assert_true(alarm_at("\x81\x30\x15", 0, noon) == noon + 5415);	/* 1 PM */
	assert_true(alarm_at("\x12\x00\x00", 0, noon) == noon + 43200); /* 12 AM */
	assert_true(alarm_at("\xff\xff\xff", b24, noon) == noon + 1);
	assert_true(alarm_at("\xc0\xc0\x30", b24, noon) == noon + 30);
	assert_true(alarm_at("\xff\x15\xff", b24, noon) == noon + 900);
	assert_true(alarm_at("\x23\xff\x10", b24, noon) == noon + 11 * 3600 + 10);
	assert_true(alarm_at("\x24\x00\x00", b24, noon) == INT64_MAX);
	assert_true(alarm_at("\xff\x60\xff", b24, noon) == INT64_MAX);
	assert_true(alarm_at("\xff\xff\x7f", bin, noon) == INT64_MAX);
	assert_true(alarm_at("\x23\x59\x58", b24, -2) > -2); /* before 1970 */
	assert_true(alarm_at("\x23\x59\x58", b24, -3) == -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(any_bytes_give_some_time),
		cmocka_unit_test(alarms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
