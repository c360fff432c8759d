/* SPDX-License-Identifier: Apache-2.0 */
/* A clock on a host whose clocks are the test's; its timer and interrupt recorded. */
#ifndef VC_TESTS_RTC_UNIT_H
#define VC_TESTS_RTC_UNIT_H

#include "device_unit.h"
#include "rtc.h"

#include <libvirtcore/irq.h>

#include <sys/timerfd.h>
#include <time.h>

#define NOON 1700049600ll /* 2023-11-15 12:00:00 UTC, a Wednesday */

static int64_t real_ns, mono_ns, armed_ns;
static bool level;
static unsigned int nr_raised;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *its, struct itimerspec *was);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns = id == CLOCK_REALTIME ? real_ns : mono_ns;

	ts->tv_sec = ns / NS_PER_S;
	ts->tv_nsec = ns % NS_PER_S;
	return 0;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *its, struct itimerspec *was)
{
	assert_true(fd >= 0);
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	assert_null(was);
	armed_ns = its->it_value.tv_sec * NS_PER_S + its->it_value.tv_nsec;
	return 0;
}

static inline int set_level(void *opaque, uint32_t pin, bool is_high)
{
	(void)opaque;
	assert_int_equal(pin, 8);
	nr_raised += is_high && !level;
	level = is_high;
	return 0;
}

static const struct vc_irq_ops irq_ops = { .set_level = set_level };

static inline void pass_ns(int64_t ns)
{
	real_ns += ns;
	mono_ns += ns;
}

static inline uint8_t rd(struct vc_device *dev, uint8_t index)
{
	out8(dev, 0, index);
	return in8(dev, 1);
}

static inline void wr(struct vc_device *dev, uint8_t index, uint8_t value)
{
	out8(dev, 0, index);
	out8(dev, 1, value);
}

static inline void restart_clocks(void)
{
	real_ns = NOON * NS_PER_S;
	mono_ns = 5000 * NS_PER_S;
	armed_ns = 0;
	level = false;
	nr_raised = 0;
}

static inline struct vc_device *make_rtc(struct vc_irq **ret_irq, int64_t offset_s)
{
	struct vc_rtc_config cfg = {
		.size = sizeof(cfg),
		.offset_s = offset_s,
		.mem_low_bytes = 3ull << 30,
		.mem_high_bytes = 5ull << 30,
	};
	struct vc_device *dev;

	if (ret_irq) {
		assert_result(vc_irq_create_ops(&irq_ops, NULL, 8, ret_irq), 0);
		cfg.irq = *ret_irq;
	}
	assert_result(vc_rtc_create(&cfg, &dev), 0);
	return dev;
}

/* What the polling thread does when the armed time has come. */
static inline void fire(struct vc_device *dev)
{
	struct pollfd fds[VC_DEVICE_POLLFDS_MAX];
	size_t nr = vc_device_pollfds(dev, fds, VC_DEVICE_POLLFDS_MAX);
	struct itimerspec now = { .it_value.tv_nsec = 1 };
	extern int __real_timerfd_settime(int, int, const struct itimerspec *, struct itimerspec *);

	assert_int_equal(nr, 1);
	assert_true(armed_ns > 0 && armed_ns <= real_ns);
	assert_int_equal(__real_timerfd_settime(fds[0].fd, 0, &now, NULL), 0);
	assert_int_equal(poll(fds, 1, 5000), 1);
	vc_device_dispatch(dev, fds, nr);
}

#endif /* VC_TESTS_RTC_UNIT_H */
