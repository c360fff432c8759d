/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock's section of a state stream.
 *
 * Version 1: index a b c, offset to the host's UTC (s as two's complement u64, ns as u32), then the
 * 128 bytes; those of A to D are 0, and those of the time too while it runs: a clock goes on while
 * its machine lies on a disk. Runs on the control thread under the device's lock. Leaves out: the
 * phase of the periodic interrupt, which starts anew.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <string.h>

#include "rtc.h"

#define STATE_VERSION 1u

static const uint8_t time_bytes[] = { RTC_SECONDS, RTC_MINUTES, RTC_HOURS, RTC_WEEKDAY,
				      RTC_DAY,	   RTC_MONTH,	RTC_YEAR,  RTC_CENTURY };

int vc__rtc_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	const struct rtc *rtc = vc_container_of(dev, struct rtc, dev);
	uint8_t bytes[RTC_NR_BYTES];
	size_t i;
	int r = vc_state_begin(writer, dev->name, STATE_VERSION);

	if (r < 0)
		return r;
	memcpy(bytes, rtc->bytes, sizeof(bytes));
	for (i = 0; vc__rtc_is_running(rtc) && i < sizeof(time_bytes); i++)
		bytes[time_bytes[i]] = 0;
	vc_state_put_u64(writer, rtc->index, 1);
	vc_state_put_u64(writer, rtc->a, 1);
	vc_state_put_u64(writer, rtc->b, 1);
	vc_state_put_u64(writer, rtc->c, 1);
	vc_state_put_u64(writer, (uint64_t)rtc->offset_s, 8);
	vc_state_put_u64(writer, rtc->offset_ns, 4);
	vc_state_put_bytes(writer, bytes, sizeof(bytes));
	return vc_state_end(writer);
}

struct loaded {
	uint8_t index, a, b, c;
	int64_t offset_s;
	uint32_t offset_ns;
	uint8_t bytes[RTC_NR_BYTES];
};

static const char *bad_field(const struct loaded *s)
{
	if (s->a & A_UIP)
		return "register A";
	if ((s->b & B_SET) && (s->b & B_UPDATE))
		return "register B";
	if (s->c & ~C_SOURCES)
		return "register C";
	if (s->offset_s > OFFSET_MAX_S || s->offset_s < -OFFSET_MAX_S || s->offset_ns >= NS_PER_S)
		return "offset";
	if (s->bytes[RTC_A] | s->bytes[RTC_B] | s->bytes[RTC_C] | s->bytes[RTC_D])
		return "bytes of A to D";
	return NULL;
}

int vc__rtc_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct rtc *rtc = vc_container_of(dev, struct rtc, dev);
	struct loaded s;
	const char *bad;
	uint32_t version;
	int r = vc_state_open(reader, dev->name, STATE_VERSION, &version);

	if (r < 0)
		return r;
	s.index = (uint8_t)vc_state_get_u64(reader, 1);
	s.a = (uint8_t)vc_state_get_u64(reader, 1);
	s.b = (uint8_t)vc_state_get_u64(reader, 1);
	s.c = (uint8_t)vc_state_get_u64(reader, 1);
	s.offset_s = (int64_t)vc_state_get_u64(reader, 8);
	s.offset_ns = (uint32_t)vc_state_get_u64(reader, 4);
	(void)vc_state_get_bytes(reader, s.bytes, sizeof(s.bytes));
	r = vc_state_close(reader);
	if (r < 0)
		return r;
	bad = bad_field(&s);
	if (bad)
		return vc_error_set(-EBADMSG, "devices", dev->name,
				    "state has a value that a clock cannot have in: %s", bad);
	rtc->index = s.index;
	rtc->a = s.a;
	rtc->b = s.b;
	rtc->c = s.c;
	rtc->offset_s = s.offset_s;
	rtc->offset_ns = s.offset_ns;
	memcpy(rtc->bytes, s.bytes, sizeof(rtc->bytes));
	rtc->has_polled_a = false;
	vc__rtc_resume(rtc);
	return 0;
}
