/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and state of the clock. [MC146818A data sheet] */
#ifndef VC_RTC_H
#define VC_RTC_H

#include <libvirtcore/device.h>
#include <libvirtcore/platform.h>

#define RTC_SECONDS	  0x00u
#define RTC_SECONDS_ALARM 0x01u
#define RTC_MINUTES	  0x02u
#define RTC_MINUTES_ALARM 0x03u
#define RTC_HOURS	  0x04u
#define RTC_HOURS_ALARM	  0x05u
#define RTC_WEEKDAY	  0x06u
#define RTC_DAY		  0x07u
#define RTC_MONTH	  0x08u
#define RTC_YEAR	  0x09u
#define RTC_A		  0x0au
#define RTC_B		  0x0bu
#define RTC_C		  0x0cu
#define RTC_D		  0x0du
#define RTC_CENTURY	  0x32u
#define RTC_NR_BYTES	  128u

#define A_UIP	  0x80u
#define A_DIVIDER 0x70u
#define A_RUNNING 0x20u /* divider for the 32.768 kHz crystal */
#define A_RATE	  0x0fu
#define A_RESET	  (A_RUNNING | 0x06u)

#define B_SET	   0x80u
#define B_PERIODIC 0x40u
#define B_ALARM	   0x20u
#define B_UPDATE   0x10u
#define B_BINARY   0x04u
#define B_24_HOURS 0x02u
#define B_RESET	   B_24_HOURS

#define C_IRQ	   0x80u
#define C_PERIODIC 0x40u
#define C_ALARM	   0x20u
#define C_UPDATE   0x10u
#define C_SOURCES  (C_PERIODIC | C_ALARM | C_UPDATE)

#define D_VALID 0x80u

/* No date that two digits of century and two of year can say is further away. */
#define OFFSET_MAX_S 1000000000000ll

#define NS_PER_S 1000000000ll

struct rtc {
	struct vc_device dev;
	struct vc_irq *irq; /* NULL = no interrupts, then timer_fd is -1 */
	int timer_fd;
	bool is_raised;

	uint8_t index; /* with the NMI bit */
	uint8_t a, b, c;
	uint8_t bytes[RTC_NR_BYTES]; /* time (as last latched), alarm, RAM; A to D are above */
	/* While running, guest UTC = host UTC + offset; while stopped it is what bytes[] says. */
	int64_t offset_s;
	uint32_t offset_ns;

	/* Not state: follows from the above and the host's clocks. */
	int64_t latched_ns;	  /* monotonic time of the last latch; 0 = none holds */
	bool has_polled_a;	  /* the last access was a read of A too */
	int64_t last_s;		  /* guest second up to which flags were set */
	int64_t next_periodic_ns; /* monotonic */
};

/* rtc_clock.c */
/* UTC seconds that the time bytes say in the format that @b tells; any bytes give some time. */
int64_t vc__rtc_decode(const uint8_t *bytes, uint8_t b);
void vc__rtc_encode(uint8_t *bytes, uint8_t b, int64_t seconds);
/* First second after @after at which the alarm bytes match; INT64_MAX when none ever does. */
int64_t vc__rtc_next_alarm(const uint8_t *bytes, uint8_t b, int64_t after);

/* rtc.c */
bool vc__rtc_is_running(const struct rtc *rtc);
/* Flags, timer and interrupt in line with registers just loaded. */
void vc__rtc_resume(struct rtc *rtc);

/* rtc_state.c */
int vc__rtc_save(struct vc_device *dev, struct vc_state_writer *writer);
int vc__rtc_load(struct vc_device *dev, struct vc_state_reader *reader);

#endif /* VC_RTC_H */
