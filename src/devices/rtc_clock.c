/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock's calendar: between UTC seconds and the bytes of the chip, binary or BCD, 24 or 12
 * hours, and when an alarm is due. Pure functions, any thread.
 *
 * The C library's gmtime and timegm are not used: they take a lock and read TZ. Bytes that are no
 * time (the guest wrote them) give some time within four digits of year or a little above, never an
 * error: the chip does not check either. Leaves out: daylight saving, day-of-month alarm.
 * Spec: [MC146818A data sheet, Time, Calendar and Alarm Locations]
 */
#include <libvirtcore/implement.h>

#include "rtc.h"

#define DAYS_TO_1970 719162 /* from 0001-01-01, proleptic Gregorian */
#define S_PER_DAY    86400
#define HOURS_PM     0x80u
#define ALARM_ANY    0xc0u

static const uint16_t days_before_month[] = { 0,   31,	59,  90,  120, 151, 181,
					      212, 243, 273, 304, 334, 365 };

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 0001-01-01 to the first day of @year, which is 1 or later. */
static int64_t days_before_year(int64_t year)
{
	int64_t y = year - 1;

	return 365 * y + y / 4 - y / 100 + y / 400;
}

/* Days before @month (0 to 12) in @year. */
static int64_t days_before(int64_t year, unsigned int month)
{
	return days_before_month[month] + (month > 1 && is_leap(year));
}

static unsigned int from_chip(uint8_t value, uint8_t b)
{
	return b & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t to_chip(unsigned int value, uint8_t b)
{
	return (uint8_t)(b & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned int hours_from_chip(uint8_t value, uint8_t b)
{
	if (b & B_24_HOURS)
		return from_chip(value, b);
	return from_chip(value & (uint8_t)~HOURS_PM, b) % 12 + (value & HOURS_PM ? 12 : 0);
}

static uint8_t hours_to_chip(unsigned int hours, uint8_t b)
{
	if (b & B_24_HOURS)
		return to_chip(hours, b);
	return (uint8_t)(to_chip((hours + 11) % 12 + 1, b) | (hours >= 12 ? HOURS_PM : 0));
}

int64_t vc__rtc_decode(const uint8_t *bytes, uint8_t b)
{
	int64_t year = from_chip(bytes[RTC_CENTURY], b) * 100 + from_chip(bytes[RTC_YEAR], b);
	unsigned int month = from_chip(bytes[RTC_MONTH], b), day = from_chip(bytes[RTC_DAY], b);
	int64_t days;

	year = year ? year : 1;
	month = month ? (month - 1) % 12 : 0;
	days = days_before_year(year) + days_before(year, month) + day - 1 - DAYS_TO_1970;
	return days * S_PER_DAY + hours_from_chip(bytes[RTC_HOURS], b) * 3600 +
	       from_chip(bytes[RTC_MINUTES], b) * 60 + from_chip(bytes[RTC_SECONDS], b);
}

void vc__rtc_encode(uint8_t *bytes, uint8_t b, int64_t seconds)
{
	int64_t days = seconds / S_PER_DAY, rest = seconds % S_PER_DAY, year;
	unsigned int month = 1;

	if (rest < 0) {
		rest += S_PER_DAY;
		days--;
	}
	days += DAYS_TO_1970;
	if (days < 0)
		days = rest = 0; /* before the year 1: its first second */
	/* An estimate that is at most one too high: 146097 days are 400 years. */
	year = days * 400 / 146097 + 1;
	while (days_before_year(year + 1) <= days)
		year++;
	while (days_before_year(year) > days)
		year--;
	bytes[RTC_WEEKDAY] = to_chip((unsigned int)((days + 1) % 7) + 1, b); /* Sunday = 1 */
	days -= days_before_year(year);
	while (month < 12 && days_before(year, month) <= days)
		month++;
	bytes[RTC_DAY] = to_chip((unsigned int)(days - days_before(year, month - 1)) + 1, b);
	bytes[RTC_MONTH] = to_chip(month, b);
	bytes[RTC_YEAR] = to_chip((unsigned int)(year % 100), b);
	bytes[RTC_CENTURY] = to_chip((unsigned int)(year / 100 % 100), b);
	bytes[RTC_HOURS] = hours_to_chip((unsigned int)rest / 3600, b);
	bytes[RTC_MINUTES] = to_chip((unsigned int)rest / 60 % 60, b);
	bytes[RTC_SECONDS] = to_chip((unsigned int)rest % 60, b);
}

static bool is_any(uint8_t value)
{
	return (value & ALARM_ANY) == ALARM_ANY;
}

int64_t vc__rtc_next_alarm(const uint8_t *bytes, uint8_t b, int64_t after)
{
	uint8_t h = bytes[RTC_HOURS_ALARM], m = bytes[RTC_MINUTES_ALARM];
	uint8_t s = bytes[RTC_SECONDS_ALARM];
	int64_t at = after + 1, end = after + S_PER_DAY;

	/* Skips whole hours and minutes that do not match: at most 24 + 60 + 60 steps. */
	while (at <= end) {
		unsigned int of_day = (unsigned int)((at % S_PER_DAY + S_PER_DAY) % S_PER_DAY);

		if (!is_any(h) && of_day / 3600 != hours_from_chip(h, b))
			at += 3600 - of_day % 3600;
		else if (!is_any(m) && of_day / 60 % 60 != from_chip(m, b))
			at += 60 - of_day % 60;
		else if (!is_any(s) && of_day % 60 != from_chip(s, b))
			at++;
		else
			return at;
	}
	return INT64_MAX;
}
