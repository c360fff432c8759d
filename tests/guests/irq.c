/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts interrupts at one vector and says how many came.
 * Parameters: vector (0x40), count (10) to wait for, pin (none) of the I/O APIC to route to the
 * vector, level=1 for level-triggered, x2apic=1, hlt=1 to wait in hlt instead of spinning,
 * source = ext (default: the host raises the pin or sends an MSI), self (IPIs to itself), timer
 * (local APIC), pit (channel 0, periodic), uart (transmitter empty; prints a dot for each);
 * ack=PORT: the count is written there (32 bits) whenever it has changed; deassert=PORT: the
 * handler writes 0 there (8 bits) before its EOI; settle (0) TSC ticks to wait for too many;
 * extra (0): how many beyond count are no failure.
 * Output: "irq ready vector=V", then "irq count=N". Exits 1 if more came than count + extra.
 */
#include "guest.h"

static u64 nr_seen;
static u16 deassert_port;
static bool is_uart;

/* Ring 0. */
static void on_irq(struct guest_frame *frame)
{
	(void)frame;
	if (is_uart)
		guest_in8(GUEST_SERIAL_PORT + 2); /* IIR: withdraws the transmitter's request */
	if (deassert_port)
		guest_out8(deassert_port, 0);
	__atomic_add_fetch(&nr_seen, 1, __ATOMIC_SEQ_CST);
	guest_lapic_eoi();
}

enum source { EXT, SELF, TIMER, PIT, UART };

static enum source get_source(const struct guest_info *info)
{
	static const char *const names[] = { "ext", "self", "timer", "pit", "uart" };
	char name[16];

	if (!guest_arg_str(info, "source", name, sizeof(name)))
		return EXT;
	for (u32 i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!guest_strcmp(name, names[i]))
			return (enum source)i;
	guest_printf("parameter source: %s is none of ext self timer pit uart\n", name);
	guest_exit(GUEST_EXIT_USAGE);
}

static void start_source(enum source source, u8 vector)
{
	switch (source) {
	case TIMER:
		guest_lapic_write(0x3e0, 0xb);		    /* divide by 1 */
		guest_lapic_write(0x320, 0x20000 | vector); /* periodic */
		guest_lapic_write(0x380, 1000000);
		break;
	case PIT:
		guest_out8(0x43, 0x34); /* channel 0, both bytes, mode 2 */
		guest_out8(0x40, 11932 & 0xff);
		guest_out8(0x40, 11932 >> 8); /* 100 Hz */
		break;
	case UART:
		guest_out8(GUEST_SERIAL_PORT + 4, 0x0b); /* DTR RTS OUT2 */
		guest_out8(GUEST_SERIAL_PORT + 1, 0x02); /* transmitter empty, which it is */
		break;
	case EXT:
	case SELF:
		break;
	}
}

static void provoke(enum source source, u8 vector)
{
	if (source == SELF)
		guest_lapic_icr(0, 0x40000 | vector);
	else if (source == UART)
		guest_out8(GUEST_SERIAL_PORT, '.');
}

static void stop_source(enum source source)
{
	if (source == TIMER)
		guest_lapic_write(0x380, 0);
	else if (source == UART)
		guest_out8(GUEST_SERIAL_PORT + 1, 0);
}

int guest_main(const struct guest_info *info)
{
	enum source source = get_source(info);
	u8 vector = (u8)guest_arg(info, "vector", 0x40);
	u64 count = guest_arg(info, "count", 10), settle = guest_arg(info, "settle", 0);
	u64 pin = guest_arg(info, "pin", ~0ULL), last = 0, started;
	u16 ack = (u16)guest_arg(info, "ack", 0);
	bool in_hlt = guest_arg(info, "hlt", 0);
	const volatile u64 *seen = &nr_seen;

	deassert_port = (u16)guest_arg(info, "deassert", 0);
	is_uart = source == UART;
	guest_set_handler(vector, on_irq);
	guest_out8(0x21, 0xff); /* firmware may have left the 8259s open */
	guest_out8(0xa1, 0xff);
	if (guest_lapic_enable(guest_arg(info, "x2apic", 0))) {
		guest_puts("x2APIC is not there\n");
		return GUEST_EXIT_ABSENT;
	}
	if (pin != ~0ULL)
		guest_ioapic_route((u32)pin, vector, guest_arg(info, "level", 0), guest_lapic_id());
	guest_printf("irq ready vector=0x%x\n", vector);
	guest_sti();
	start_source(source, vector);
	while (last < count) {
		if (source == SELF || (source == UART && last))
			provoke(source, vector);
		while (*seen == last) {
			if (in_hlt)
				guest_hlt_while(seen, last);
			else
				guest_pause();
		}
		last = *seen;
		if (ack)
			guest_out32(ack, (u32)last);
	}
	stop_source(source);
	for (started = guest_rdtsc(); settle && guest_rdtsc() - started < settle;)
		guest_pause();
	guest_cli();
	guest_printf("%sirq count=%lu\n", is_uart ? "\n" : "", *seen);
	return *seen > count + guest_arg(info, "extra", 0) && source != TIMER && source != PIT
		       ? GUEST_EXIT_FAIL
		       : 0;
}
