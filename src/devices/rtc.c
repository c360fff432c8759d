/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An MC146818 clock. Registers run on vCPU threads, the timer on the polling thread, both under the
 * device's lock. Time is the host's plus an offset; flags in C follow from the host's clocks when
 * somebody looks, and a timer runs only for a flag that is enabled and not yet set: an interrupt
 * that the guest does not acknowledge costs nothing.
 *
 * A read of A with UIP clear promises that the time will not change while it is read: it latches the
 * time, which then holds for HOLD_NS. So no driver has to wait and none reads half of an update. UIP
 * is shown only to who polls A alone, waiting for its edge. Leaves out: square wave, daylight
 * saving, the 4.19 and 1.05 MHz dividers (stopped). Spec: [MC146818A data sheet]
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "device_private.h"
#include "rtc.h"

#define HOLD_NS	      20000000ll
#define UPDATE_NS     2228000ll /* UIP before and during an update */
#define HALF_SECOND   500000000u
#define PORT_INDEX    0u
#define INDEX	      0x7fu
#define B_INTERRUPTS  (B_PERIODIC | B_ALARM | B_UPDATE)
#define B_SQUARE_WAVE 0x08u

/* CMOS bytes that firmware and boot loaders of old read. */
#define CMOS_BASE_KIB	  0x15u
#define CMOS_EXT_KIB	  0x17u
#define CMOS_EXT_KIB_2	  0x30u
#define CMOS_ABOVE_16_MIB 0x34u /* in 64 KiB */
#define CMOS_ABOVE_4_GIB  0x5bu /* in 64 KiB, 3 bytes */

static struct rtc *to_rtc(struct vc_device *dev)
{
	return vc_container_of(dev, struct rtc, dev);
}

static int64_t now_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* The guest's time: seconds, and in *ret_ns the rest. */
static int64_t guest_time(const struct rtc *rtc, uint32_t *ret_ns)
{
	struct timespec ts;
	uint64_t ns;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	ns = (uint64_t)ts.tv_nsec + rtc->offset_ns;
	*ret_ns = (uint32_t)(ns % NS_PER_S);
	return ts.tv_sec + rtc->offset_s + (int64_t)(ns / NS_PER_S);
}

/* Makes the guest's time be @s seconds and @ns from now on. */
static void set_guest_time(struct rtc *rtc, int64_t s, uint32_t ns)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	rtc->offset_s = s - ts.tv_sec - (ns < ts.tv_nsec);
	rtc->offset_ns = (uint32_t)((ns + NS_PER_S - ts.tv_nsec) % NS_PER_S);
	rtc->last_s = s;
}

bool vc__rtc_is_running(const struct rtc *rtc)
{
	return !(rtc->b & B_SET) && (rtc->a & A_DIVIDER) == A_RUNNING;
}

static int64_t period_ns(const struct rtc *rtc)
{
	unsigned int rate = rtc->a & A_RATE;

	if (rate == 0 || (rtc->a & A_DIVIDER) != A_RUNNING)
		return 0;
	/* Rates 1 and 2 repeat 8 and 9. */
	return (NS_PER_S << ((rate < 3 ? rate + 7 : rate) - 1)) / 32768;
}

static bool is_time_byte(unsigned int index)
{
	return index == RTC_CENTURY || index == RTC_WEEKDAY || index == RTC_DAY ||
	       index == RTC_MONTH || index == RTC_YEAR || (index < RTC_WEEKDAY && index % 2 == 0);
}

/* The running time into the bytes. */
static void latch(struct rtc *rtc)
{
	uint32_t ns;

	vc__rtc_encode(rtc->bytes, rtc->b, guest_time(rtc, &ns));
	rtc->latched_ns = now_ns(CLOCK_MONOTONIC);
}

/* Sets the flags of all that happened since the last look. */
static void catch_up(struct rtc *rtc)
{
	int64_t period = period_ns(rtc), mono = now_ns(CLOCK_MONOTONIC), s;
	uint32_t ns;

	if (vc__rtc_is_running(rtc)) {
		s = guest_time(rtc, &ns);
		if (s != rtc->last_s)
			rtc->c |= C_UPDATE;
		if (s > rtc->last_s && vc__rtc_next_alarm(rtc->bytes, rtc->b, rtc->last_s) <= s)
			rtc->c |= C_ALARM;
		rtc->last_s = s;
	}
	if (period && mono >= rtc->next_periodic_ns) {
		rtc->c |= C_PERIODIC;
		rtc->next_periodic_ns += (mono - rtc->next_periodic_ns) / period * period + period;
	}
}

/* The earliest of the events that would interrupt, as host UTC; INT64_MAX for none. */
static int64_t next_event_ns(const struct rtc *rtc)
{
	uint8_t wanted = rtc->b & B_INTERRUPTS & (uint8_t)~rtc->c;
	int64_t real = now_ns(CLOCK_REALTIME), at = INT64_MAX, s = INT64_MAX;

	if ((wanted & B_PERIODIC) && period_ns(rtc))
		at = real + rtc->next_periodic_ns - now_ns(CLOCK_MONOTONIC);
	if (!vc__rtc_is_running(rtc))
		return at;
	if (wanted & B_ALARM)
		s = vc__rtc_next_alarm(rtc->bytes, rtc->b, rtc->last_s);
	if (wanted & B_UPDATE)
		s = rtc->last_s + 1;
	if (s != INT64_MAX) {
		int64_t due = (s - rtc->offset_s) * NS_PER_S - rtc->offset_ns;

		at = due < at ? due : at;
	}
	return at;
}

static void arm(const struct rtc *rtc)
{
	struct itimerspec its = { 0 };
	int64_t at;

	if (rtc->timer_fd < 0)
		return;
	at = next_event_ns(rtc);
	if (at != INT64_MAX) {
		at = at > 0 ? at : 1;
		its.it_value.tv_sec = at / NS_PER_S;
		its.it_value.tv_nsec = at % NS_PER_S;
	}
	/* A step of the host's clock moves alarm and update: then read() fails, and it is armed anew. */
	(void)timerfd_settime(rtc->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its,
			      NULL);
}

static void update_irq(struct rtc *rtc)
{
	bool is_high = rtc->c & rtc->b & B_INTERRUPTS;

	if (is_high == rtc->is_raised || !rtc->irq)
		return;
	rtc->is_raised = is_high;
	(void)vc_irq_set_level(rtc->irq, is_high);
}

static void settle(struct rtc *rtc)
{
	catch_up(rtc);
	update_irq(rtc);
	arm(rtc);
}

/* After a change of A or B that may have stopped or started the clock. */
static void stop_or_start(struct rtc *rtc, bool was_running, uint8_t was_b, uint8_t was_a)
{
	bool is_running = vc__rtc_is_running(rtc);
	struct timespec ts;
	uint32_t ns = HALF_SECOND;

	rtc->latched_ns = 0; /* the format may have changed */
	if (is_running == was_running)
		return;
	if (was_running) {
		uint8_t b = rtc->b;

		rtc->b = was_b; /* what was counted, in the format in which it was */
		latch(rtc);
		rtc->b = b;
		return;
	}
	/* A released divider makes its first update half a second later; SET leaves it running. */
	if ((was_a & A_DIVIDER) == A_RUNNING) {
		(void)clock_gettime(CLOCK_REALTIME, &ts);
		ns = (uint32_t)((ts.tv_nsec + rtc->offset_ns) % NS_PER_S);
	}
	set_guest_time(rtc, vc__rtc_decode(rtc->bytes, rtc->b), ns);
}

static void write_a(struct rtc *rtc, uint8_t value)
{
	bool was_running = vc__rtc_is_running(rtc);
	int64_t was_period = period_ns(rtc);
	uint8_t was = rtc->a;

	rtc->a = value & (uint8_t)~A_UIP;
	stop_or_start(rtc, was_running, rtc->b, was);
	if (period_ns(rtc) != was_period)
		rtc->next_periodic_ns = now_ns(CLOCK_MONOTONIC) + period_ns(rtc);
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_running = vc__rtc_is_running(rtc);
	uint8_t was = rtc->b;

	if (value & B_SET)
		value &= (uint8_t)~B_UPDATE;
	rtc->b = value;
	stop_or_start(rtc, was_running, was, rtc->a);
}

static uint8_t read_a(struct rtc *rtc)
{
	bool is_polled = rtc->has_polled_a;
	uint32_t ns;

	rtc->has_polled_a = true;
	if (!vc__rtc_is_running(rtc))
		return rtc->a;
	(void)guest_time(rtc, &ns);
	if (is_polled && ns >= NS_PER_S - UPDATE_NS)
		return rtc->a | A_UIP;
	latch(rtc);
	return rtc->a;
}

static void write_byte(struct rtc *rtc, unsigned int index, uint8_t value)
{
	bool is_running_time = is_time_byte(index) && vc__rtc_is_running(rtc);
	uint32_t ns = 0;

	if (index > RTC_D && index != RTC_CENTURY) {
		rtc->bytes[index] = value;
		return;
	}
	catch_up(rtc); /* with the alarm as it was until now */
	switch (index) {
	case RTC_A:
		write_a(rtc, value);
		break;
	case RTC_B:
		write_b(rtc, value);
		break;
	case RTC_C:
	case RTC_D:
		break; /* read-only */
	default:
		if (is_running_time) {
			(void)guest_time(rtc, &ns);
			latch(rtc);
		}
		rtc->bytes[index] = value;
		if (is_running_time)
			set_guest_time(rtc, vc__rtc_decode(rtc->bytes, rtc->b), ns);
	}
	settle(rtc);
}

static uint8_t read_byte(struct rtc *rtc, unsigned int index)
{
	uint8_t c;

	switch (index) {
	case RTC_A:
		return read_a(rtc);
	case RTC_B:
		return rtc->b;
	case RTC_C:
		catch_up(rtc);
		c = rtc->c | (rtc->c & rtc->b & B_INTERRUPTS ? C_IRQ : 0);
		rtc->c = 0;
		settle(rtc);
		return c;
	case RTC_D:
		return D_VALID;
	default:
		if (is_time_byte(index) && vc__rtc_is_running(rtc) &&
		    (!rtc->latched_ns || now_ns(CLOCK_MONOTONIC) - rtc->latched_ns > HOLD_NS))
			latch(rtc);
		return rtc->bytes[index];
	}
}

static void access_byte(struct vc_device *dev, uint32_t off, bool is_write, uint8_t *value)
{
	struct rtc *rtc = to_rtc(dev);
	unsigned int index = rtc->index & INDEX;

	if (off == PORT_INDEX) {
		if (is_write)
			rtc->index = *value;
		else
			*value = rtc->index;
		return;
	}
	if (is_write || index != RTC_A)
		rtc->has_polled_a = false;
	if (is_write)
		write_byte(rtc, index, *value);
	else
		*value = read_byte(rtc, index);
}

static void rtc_access(struct vc_device *dev, struct vc_access *access)
{
	vc__device_access_bytes(dev, access, access_byte);
}

/* The reset line leaves time and RAM alone: a battery keeps them. A stopped clock is started, as
 * firmware would. */
static void rtc_reset(struct vc_device *dev)
{
	struct rtc *rtc = to_rtc(dev);
	bool was_running = vc__rtc_is_running(rtc);
	uint8_t was_a = rtc->a, was_b = rtc->b;

	/* The format is kept until the time is understood. */
	rtc->a = A_RESET;
	rtc->b = was_b & (B_BINARY | B_24_HOURS);
	stop_or_start(rtc, was_running, was_b, was_a);
	rtc->b = B_RESET;
	rtc->c = 0;
	rtc->index = 0;
	rtc->has_polled_a = false;
	rtc->bytes[RTC_SECONDS_ALARM] = rtc->bytes[RTC_MINUTES_ALARM] = 0;
	rtc->bytes[RTC_HOURS_ALARM] = 0;
	vc__rtc_resume(rtc);
}

void vc__rtc_resume(struct rtc *rtc)
{
	uint32_t ns;

	rtc->latched_ns = 0;
	if (vc__rtc_is_running(rtc))
		rtc->last_s = guest_time(rtc, &ns);
	rtc->next_periodic_ns = now_ns(CLOCK_MONOTONIC) + period_ns(rtc);
	settle(rtc);
}

static size_t rtc_pollfds(struct vc_device *dev, struct pollfd *fds, size_t nr)
{
	const struct rtc *rtc = to_rtc(dev);

	if (rtc->timer_fd < 0 || nr == 0)
		return 0;
	fds[0] = (struct pollfd){ .fd = rtc->timer_fd, .events = POLLIN };
	return 1;
}

static void rtc_dispatch(struct vc_device *dev, const struct pollfd *fds, size_t nr)
{
	struct rtc *rtc = to_rtc(dev);
	uint64_t nr_expired;

	if (nr == 0 || rtc->timer_fd < 0 || !fds[0].revents)
		return;
	/* Ignored: -ECANCELED after a step of the host's clock is looked into like an expiry. */
	if (read(rtc->timer_fd, &nr_expired, sizeof(nr_expired)) < 0 && errno == EAGAIN)
		return;
	settle(rtc);
}

static void rtc_destroy(struct vc_device *dev)
{
	struct rtc *rtc = to_rtc(dev);

	if (rtc->timer_fd >= 0)
		(void)close(rtc->timer_fd);
	vc_device_fini(dev);
	free(rtc);
}

static void put_le(uint8_t *at, uint64_t value, uint64_t max, unsigned int len)
{
	unsigned int i;

	value = value < max ? value : max;
	for (i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void fill_sizes(uint8_t *bytes, uint64_t low, uint64_t high)
{
	uint64_t above_1m = low > 1u << 20 ? low - (1u << 20) : 0;
	uint64_t above_16m = low > 16u << 20 ? low - (16u << 20) : 0;
	unsigned int i, sum = 0;

	put_le(&bytes[CMOS_BASE_KIB], low >> 10, 640, 2);
	put_le(&bytes[CMOS_EXT_KIB], above_1m >> 10, 0xffff, 2);
	put_le(&bytes[CMOS_EXT_KIB_2], above_1m >> 10, 0xffff, 2);
	put_le(&bytes[CMOS_ABOVE_16_MIB], above_16m >> 16, 0xffff, 2);
	put_le(&bytes[CMOS_ABOVE_4_GIB], high >> 16, 0xffffff, 3);
	for (i = 0x10; i < 0x2e; i++)
		sum += bytes[i];
	bytes[0x2e] = (uint8_t)(sum >> 8);
	bytes[0x2f] = (uint8_t)sum;
}

static const struct vc_device_ops rtc_ops = {
	.type = "rtc",
	.access = rtc_access,
	.reset = rtc_reset,
	.save = vc__rtc_save,
	.load = vc__rtc_load,
	.destroy = rtc_destroy,
	.pollfds = rtc_pollfds,
	.dispatch = rtc_dispatch,
};

int vc_rtc_create(const struct vc_rtc_config *cfg, struct vc_device **ret_dev)
{
	struct vc_rtc_config c;
	struct rtc *rtc;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_dev)
		return vc_error_set(-EINVAL, "devices", c.name, "ret_dev is needed");
	if (c.offset_s > OFFSET_MAX_S || c.offset_s < -OFFSET_MAX_S)
		return vc_error_set(-EINVAL, "devices", c.name ? c.name : "rtc",
				    "offset of %lld s is beyond what four digits of year hold",
				    (long long)c.offset_s);
	rtc = calloc(1, sizeof(*rtc));
	if (!rtc)
		return vc_error_set(-ENOMEM, "devices", c.name, "no memory");
	r = vc_device_init(&rtc->dev, &rtc_ops, c.name ? c.name : "rtc");
	if (r < 0) {
		free(rtc);
		return r;
	}
	rtc->timer_fd = -1;
	if (c.irq)
		rtc->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c.irq && rtc->timer_fd < 0) {
		r = vc_error_set(-errno, "devices", rtc->dev.name, "no timer");
		vc_device_destroy(&rtc->dev);
		return r;
	}
	rtc->irq = c.irq;
	rtc->offset_s = c.offset_s;
	rtc->a = A_RESET;
	rtc->b = B_RESET;
	fill_sizes(rtc->bytes, c.mem_low_bytes, c.mem_high_bytes);
	vc__rtc_resume(rtc);
	*ret_dev = &rtc->dev;
	return 0;
}
