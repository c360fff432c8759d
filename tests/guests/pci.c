/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives a PCI test card, 1b36:0005, that it finds by the MCFG table: sizes and places its BAR, moves it,
 * takes its MSI-X messages with and without masks, its INTA#, and rings its doorbell.
 * Registers of BAR 0 (64 KiB, 32 bits each): 0 drives INTA#; 4 sends the vector written; 8 signals the
 * eventfd of the vector written; 12 holds what is written; 16 how often the doorbell at 0x40 rang.
 * MSI-X at 0x8000. Parameters: count (10) interrupts of each kind; moves (50) of the BAR, or switches
 * of its decode bit, with a ring before each; pin (17) of the I/O APIC that INTA# is on.
 * Output: "pci slot=S bar=LEN", "pci msix=N masked=M", "pci intx=N", "pci rings=N". Exits 1 if any is
 * not what it has to be. Spec: [PCI 3.0 6], [PCI Firmware 3.2 4.1.2].
 */
#include "guest.h"

#define CARD_ID	    0x00051b36u
#define PLACE	    0xc0010000u
#define OTHER_PLACE 0xc5550000u
#define TABLE	    0x8000u
#define NR_VECTORS  4u
#define PENDING	    (TABLE + 16 * NR_VECTORS)
#define VECTOR	    0x50
#define INTX_VECTOR 0x60
#define DOORBELL    0x40u

static u64 config; /* of the card */
static u32 bar = PLACE;
static u64 nr_seen, nr_intx;

static void on_message(struct guest_frame *frame)
{
	(void)frame;
	__atomic_add_fetch(&nr_seen, 1, __ATOMIC_SEQ_CST);
	guest_lapic_eoi();
}

/* A level: taken back at its source before the EOI. */
static void on_intx(struct guest_frame *frame)
{
	(void)frame;
	guest_write32(bar, 0);
	__atomic_add_fetch(&nr_intx, 1, __ATOMIC_SEQ_CST);
	guest_lapic_eoi();
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	guest_printf("pci: %s\n", what);
	guest_exit(GUEST_EXIT_FAIL);
}

static void wait_for(const volatile u64 *word, u64 wanted, const char *what)
{
	u64 started = guest_rdtsc();

	while (*word < wanted) {
		guest_pause();
		check(guest_rdtsc() - started < 60000000000ULL, what);
	}
}

static void find_card(const struct guest_info *info)
{
	u64 mcfg = guest_acpi_find(info, "MCFG"), ecam;

	if (!mcfg) {
		guest_puts("no MCFG\n");
		guest_exit(GUEST_EXIT_ABSENT);
	}
	ecam = guest_read64(mcfg + 44);
	check(guest_read32(ecam) != 0xffffffff, "no host bridge");
	for (u32 slot = 1; slot < 32 && !config; slot++) {
		if (guest_read32(ecam + (slot << 15)) != CARD_ID)
			continue;
		config = ecam + (slot << 15);
		guest_write32(config + 0x10, 0xffffffff);
		guest_printf("pci slot=%u bar=0x%x\n", slot, ~guest_read32(config + 0x10) + 1);
	}
	check(config != 0, "no card");
}

static u32 find_msix(void)
{
	u32 at = guest_read8(config + 0x34);

	while (at && guest_read8(config + at) != 0x11)
		at = guest_read8(config + at + 1);
	check(at != 0, "no MSI-X");
	return at;
}

static void place(u32 at)
{
	guest_write32(config + 0x10, at);
	guest_write16(config + 4, 6);
	bar = at;
	guest_write32(bar + 12, 0x600df00d);
	check(guest_read32(bar + 12) == 0x600df00d, "the BAR does not answer");
}

static void take_messages(u32 cap, u64 count)
{
	u64 nr_masked = 0;

	for (u32 v = 0; v < NR_VECTORS; v++) {
		guest_write32(bar + TABLE + 16 * v, 0xfee00000 | guest_lapic_id() << 12);
		guest_write32(bar + TABLE + 16 * v + 8, VECTOR + v);
		guest_write32(bar + TABLE + 16 * v + 12, 0);
		guest_set_handler(VECTOR + v, on_message);
	}
	guest_write16(config + cap + 2, 0x8000);
	for (u64 i = 0; i < count; i++) {
		u32 v = i % NR_VECTORS, how = i & 1 ? 8 : 4;

		guest_write32(bar + how, v);
		wait_for(&nr_seen, 2 * i + 1, "a message is missing");
		/* masked it pends, opened it comes */
		guest_write32(bar + TABLE + 16 * v + 12, 1);
		guest_write32(bar + how, v);
		check(guest_read32(bar + PENDING) == 1u << v, "no pending bit");
		nr_masked += nr_seen == 2 * i + 1;
		guest_write32(bar + TABLE + 16 * v + 12, 0);
		wait_for(&nr_seen, 2 * i + 2, "a pending message is missing");
		check(guest_read32(bar + PENDING) == 0, "a pending bit is left");
	}
	guest_printf("pci msix=%lu masked=%lu\n", nr_seen, nr_masked);
	check(nr_seen == 2 * count && nr_masked == count, "a masked vector was heard");
	guest_write16(config + cap + 2, 0);
}

/* A level may come twice where ring 0 is emulated. */
static void take_intx(u32 pin, u64 count)
{
	u64 last = 0;

	guest_set_handler(INTX_VECTOR, on_intx);
	guest_ioapic_route(pin, INTX_VECTOR, true, guest_lapic_id());
	for (u64 i = 0; i < count; i++) {
		last = nr_intx;
		guest_write32(bar, 1);
		wait_for(&nr_intx, last + 1, "INTA# is missing");
	}
	last = nr_intx;
	/* disabled it shows in the status, and waits */
	guest_write16(config + 4, 0x406);
	guest_write32(bar, 1);
	check(guest_read16(config + 6) & 8, "INTA# is not in the status");
	check(nr_intx == last, "INTA# came though disabled");
	guest_write16(config + 4, 6);
	wait_for(&nr_intx, last + 1, "INTA# is missing after it was enabled");
	guest_printf("pci intx=%lu\n", nr_intx);
}

static void move_and_ring(u64 moves)
{
	for (u64 i = 0; i < moves; i++) {
		guest_write32(bar + DOORBELL, (u32)i);
		if (i % 3) {
			guest_write16(config + 4, 4);
			check(guest_read32(bar + 12) == 0xffffffff, "it answers undecoded");
			guest_write16(config + 4, 6);
		} else {
			u32 was = bar;

			place(bar == PLACE ? OTHER_PLACE : PLACE);
			check(guest_read32(was + 12) == 0xffffffff, "it answers where it was");
		}
	}
	guest_printf("pci rings=%lu\n", (u64)guest_read32(bar + 16));
	check(guest_read32(bar + 16) == (u32)moves, "rings were lost");
}

int guest_main(const struct guest_info *info)
{
	u64 count = guest_arg(info, "count", 10);
	u32 cap;

	guest_out8(0x21, 0xff);
	guest_out8(0xa1, 0xff);
	find_card(info);
	cap = find_msix();
	place(PLACE);
	guest_lapic_enable(false);
	guest_sti();
	take_messages(cap, count);
	take_intx((u32)guest_arg(info, "pin", 17), count);
	move_and_ring(guest_arg(info, "moves", 50));
	return 0;
}
