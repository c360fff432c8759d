/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local APIC in either mode and the I/O APIC. xAPIC registers are touched from CPL 3 (they are
 * memory), x2APIC registers through the ring 0 monitor. All CPUs use one mode, the one of the
 * first guest_lapic_enable(). Spec: [SDM 3A 11 APIC], [82093AA I/O APIC].
 */
#include "rt.h"

#define MSR_APIC_BASE 0x1b
#define APIC_BASE     0xfee00000ULL
#define IOAPIC_BASE   0xfec00000ULL
#define REG_ID	      0x20
#define REG_EOI	      0xb0
#define REG_SVR	      0xf0
#define REG_ICR	      0x300

u32 guest_lapic_read(u32 reg)
{
	u64 v = 0;

	if (!rt_lapic_x2)
		return guest_read32(APIC_BASE + reg);
	guest_rdmsr(0x800 + (reg >> 4), &v);
	return (u32)v;
}

void guest_lapic_write(u32 reg, u32 value)
{
	if (rt_lapic_x2)
		guest_wrmsr(0x800 + (reg >> 4), value);
	else
		guest_write32(APIC_BASE + reg, value);
}

int guest_lapic_enable(bool x2apic)
{
	u64 base;

	if (x2apic) {
		if (!(guest_cpuid(1, 0).ecx & 1u << 21) || guest_rdmsr(MSR_APIC_BASE, &base) ||
		    guest_wrmsr(MSR_APIC_BASE, base | 0xc00))
			return -1;
		rt_lapic_x2 = 1;
	}
	guest_lapic_write(REG_SVR, 0x100 | RT_SPURIOUS_VECTOR);
	return 0;
}

u32 guest_lapic_id(void)
{
	return rt_lapic_x2 ? guest_lapic_read(REG_ID) : guest_lapic_read(REG_ID) >> 24;
}

void guest_lapic_icr(u32 dest, u32 low)
{
	if (rt_lapic_x2) {
		guest_wrmsr(0x830, (u64)dest << 32 | low);
		return;
	}
	guest_write32(APIC_BASE + REG_ICR + 0x10, dest << 24);
	guest_write32(APIC_BASE + REG_ICR, low);
	while (guest_read32(APIC_BASE + REG_ICR) & 1u << 12)
		guest_pause();
}

/* From a handler, that is in ring 0: no monitor call. */
void guest_lapic_eoi(void)
{
	if (rt_lapic_x2)
		rt_wrmsr(0x80b, 0);
	else
		guest_write32(APIC_BASE + REG_EOI, 0);
}

u32 guest_ioapic_read(u32 reg)
{
	guest_write32(IOAPIC_BASE, reg);
	return guest_read32(IOAPIC_BASE + 0x10);
}

void guest_ioapic_write(u32 reg, u32 value)
{
	guest_write32(IOAPIC_BASE, reg);
	guest_write32(IOAPIC_BASE + 0x10, value);
}

void guest_ioapic_route(u32 pin, u8 vector, bool is_level, u32 apic_id)
{
	guest_ioapic_write(0x10 + 2 * pin, 1u << 16);
	guest_ioapic_write(0x11 + 2 * pin, apic_id << 24);
	guest_ioapic_write(0x10 + 2 * pin, vector | (is_level ? 1u << 15 : 0));
}
