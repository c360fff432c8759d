/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hammers the eight registers of a 16550 with pseudo-random accesses of every width, strings
 * included, then puts the port back into a sane state to say so.
 * Parameters: base (0x3f8), count (1000), seed (1), wide=0: accesses of one byte only.
 * Interrupts stay off in the CPU; whether the
 * port raises its line is its own affair. Output: much noise, then a line "hostile_uart done n=N".
 */
#include "guest.h"

static u8 buf[64 * 4];
static bool is_wide;

static void one_access(u16 base, u64 r)
{
	u16 port = (u16)(base + (r & 7));
	u32 value = (u32)(r >> 32);
	u64 nr = r >> 16 & 63;
	u8 *p = buf;

	switch (r >> 8 & (is_wide ? 7 : 3)) {
	case 0:
	case 1:
		guest_out8(port, (u8)value);
		break;
	case 2:
	case 3:
		guest_in8(port);
		break;
	case 4:
		guest_out16(port, (u16)value);
		guest_in16(port);
		break;
	case 5:
		guest_out32(port, value);
		guest_in32(port);
		break;
	case 6:
		__asm__ volatile("rep outsb" : "+S"(p), "+c"(nr) : "d"(port) : "memory");
		break;
	default:
		__asm__ volatile("rep insb" : "+D"(p), "+c"(nr) : "d"(port) : "memory");
		break;
	}
}

/* 8 bits, divisor 1, FIFOs on and empty, no loop-back, no interrupts. */
static void restore(u16 base)
{
	guest_out8(base + 3, 0x80);
	guest_out8(base, 1);
	guest_out8(base + 1, 0);
	guest_out8(base + 3, 0x03);
	guest_out8(base + 1, 0);
	guest_out8(base + 4, 0x03);
	guest_out8(base + 2, 0x07);
}

int guest_main(const struct guest_info *info)
{
	u16 base = (u16)guest_arg(info, "base", GUEST_SERIAL_PORT);
	u64 count = guest_arg(info, "count", 1000), state = guest_arg(info, "seed", 1);

	is_wide = guest_arg(info, "wide", 1);
	for (u64 i = 0; i < count; i++)
		one_access(base, guest_prng(&state));
	restore(base);
	guest_printf("\nhostile_uart done n=%lu\n", count);
	return 0;
}
