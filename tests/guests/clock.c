/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the clocks: TSC, kvmclock (where CPUID says there is one) and the CMOS RTC.
 * Parameters: samples (1000) of TSC and kvmclock, which must not go back (exit 1); need=kvmclock
 * or need=rtc: exit 3 where it is missing. Output: "tsc samples=N", "kvmclock ns=T flags=F
 * wall=SECONDS" or "kvmclock none", "rtc YYYY-MM-DD hh:mm:ss" or "rtc none".
 * Spec: [KVM x86/msr.rst KVM_SYSTEM_TIME_NEW, KVM_WALL_CLOCK_NEW], [MC146818A].
 */
#include "guest.h"

#define MSR_WALL_CLOCK_NEW  0x4b564d00
#define MSR_SYSTEM_TIME_NEW 0x4b564d01

static struct pvclock {
	u32 version, pad;
	u64 tsc_timestamp, system_time;
	u32 mul;
	int8_t shift;
	u8 flags, pad2[2];
} clock_page __attribute__((aligned(64)));
static struct {
	u32 version, sec, nsec;
} wall __attribute__((aligned(64)));

static u64 read_kvmclock(void)
{
	const volatile struct pvclock *c = &clock_page;
	u32 version;
	u64 ns;

	do {
		u64 delta;

		version = c->version;
		delta = guest_rdtsc() - c->tsc_timestamp;
		delta = c->shift < 0 ? delta >> -c->shift : delta << c->shift;
		ns = c->system_time + (u64)(((unsigned __int128)delta * c->mul) >> 32);
	} while (version & 1 || version != c->version);
	return ns;
}

static bool has_kvmclock(void)
{
	struct guest_cpuid c = guest_cpuid(0x40000000, 0);

	/* "KVMKVMKVM"; feature bit 3: the new MSRs */
	return c.ebx == 0x4b4d564b && c.ecx == 0x564b4d56 && guest_cpuid(0x40000001, 0).eax & 8;
}

static int sample_kvmclock(u64 samples)
{
	u64 last = 0;

	if (guest_wrmsr(MSR_SYSTEM_TIME_NEW, (u64)&clock_page | 1) ||
	    guest_wrmsr(MSR_WALL_CLOCK_NEW, (u64)&wall)) {
		guest_puts("kvmclock: its MSRs are refused\n");
		return GUEST_EXIT_FAIL;
	}
	for (u64 i = 0; i < samples; i++) {
		u64 now = read_kvmclock();

		if (now < last) {
			guest_printf("kvmclock goes back: %lu after %lu\n", now, last);
			return GUEST_EXIT_FAIL;
		}
		last = now;
	}
	guest_printf("kvmclock ns=%lu flags=%u wall=%u\n", last, clock_page.flags, wall.sec);
	return 0;
}

static u8 cmos(u8 reg)
{
	guest_out8(0x70, reg);
	return guest_in8(0x71);
}

static u32 decode(u8 v, bool is_binary)
{
	return is_binary ? v : (v >> 4) * 10u + (v & 15);
}

static bool read_rtc(void)
{
	u8 b, now[6];
	static const u8 regs[6] = { 9, 8, 7, 4, 2, 0 };

	for (u32 i = 0; cmos(0x0a) & 0x80; i++)
		if (i == 100000)
			return false;
	for (u32 i = 0; i < 6; i++)
		now[i] = cmos(regs[i]);
	b = cmos(0x0b);
	if (!(cmos(0x0d) & 0x80))
		return false;
	guest_printf("rtc 20%02u-%02u-%02u %02u:%02u:%02u\n", decode(now[0], b & 4),
		     decode(now[1], b & 4), decode(now[2], b & 4), decode(now[3] & 0x7f, b & 4),
		     decode(now[4], b & 4), decode(now[5], b & 4));
	return true;
}

int guest_main(const struct guest_info *info)
{
	u64 samples = guest_arg(info, "samples", 1000), last = 0;
	int r = 0;

	for (u64 i = 0; i < samples; i++) {
		u64 now = guest_rdtsc();

		if (now < last) {
			guest_printf("TSC goes back: %lu after %lu\n", now, last);
			return GUEST_EXIT_FAIL;
		}
		last = now;
	}
	guest_printf("tsc samples=%lu\n", samples);
	if (has_kvmclock()) {
		r = sample_kvmclock(samples);
	} else {
		guest_puts("kvmclock none\n");
		if (guest_arg_is(info, "need", "kvmclock"))
			r = GUEST_EXIT_ABSENT;
	}
	if (!read_rtc()) {
		guest_puts("rtc none\n");
		if (guest_arg_is(info, "need", "rtc"))
			r = GUEST_EXIT_ABSENT;
	}
	return r;
}
