/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hammers ports and MMIO addresses with pseudo-random values, widths and strings.
 * Parameters: count (1000), seed (1), ports (0-0xffff), skip (none) and skip2 and skip3: spans of
 * ports to leave alone, as the exit port (4 wide) always is; mmio (0xd0000000-0xdfffffff), mmio2 (same):
 * spans of addresses below 4 GiB; share (50): how many of 100 accesses go to ports; verbose=1: a
 * line per access. The checksum is over what was done, not over what was read, and so the same
 * everywhere. Output: "hostile_pio done n=N sum=S".
 */
#include "guest.h"

#define NR_SKIPS 4

static struct span {
	u64 lo, hi;
} skips[NR_SKIPS] = { { GUEST_EXIT_PORT, GUEST_EXIT_PORT + 3 } };
static u32 nr_skips = 1;
static u8 buf[256 * 8];
static bool verbose;

static bool skipped(u64 port, u64 bytes)
{
	for (u32 i = 0; i < nr_skips; i++)
		if (port <= skips[i].hi && port + bytes > skips[i].lo)
			return true;
	return false;
}

static void touch_port(u16 port, u64 kind, u32 value, u64 nr)
{
	u8 *p = buf;

	switch (kind) {
	case 0:
		guest_out8(port, (u8)value);
		break;
	case 1:
		guest_out16(port, (u16)value);
		break;
	case 2:
		guest_out32(port, value);
		break;
	case 3:
		guest_in8(port);
		break;
	case 4:
		guest_in16(port);
		break;
	case 5:
		guest_in32(port);
		break;
	case 6:
		__asm__ volatile("rep outsl" : "+S"(p), "+c"(nr) : "d"(port) : "memory");
		break;
	default:
		__asm__ volatile("rep insw" : "+D"(p), "+c"(nr) : "d"(port) : "memory");
		break;
	}
}

static void touch_addr(u64 addr, u64 kind, u64 value, u64 nr)
{
	u8 *p = buf;

	switch (kind) {
	case 0:
		guest_write8(addr, (u8)value);
		break;
	case 1:
		guest_write16(addr, (u16)value);
		break;
	case 2:
		guest_write32(addr, (u32)value);
		break;
	case 3:
		guest_write64(addr, value);
		break;
	case 4:
		guest_read8(addr);
		guest_read16(addr);
		break;
	case 5:
		guest_read32(addr);
		break;
	case 6:
		guest_read64(addr);
		break;
	default:
		nr &= 15;
		__asm__ volatile("rep movsb" : "+S"(addr), "+D"(p), "+c"(nr) : : "memory");
		break;
	}
}

static u64 pick(const struct span *span, u64 r)
{
	return span->lo + r % (span->hi - span->lo + 1);
}

int guest_main(const struct guest_info *info)
{
	struct span ports = { 0, 0xffff }, mmio[2] = { { 0xd0000000, 0xdfffffff } };
	u64 count = guest_arg(info, "count", 1000), state = guest_arg(info, "seed", 1);
	u64 share = guest_arg(info, "share", 50), sum = GUEST_SUM_INIT;
	static const char *const names[] = { "skip", "skip2", "skip3" };

	verbose = guest_arg(info, "verbose", 0);
	guest_arg_span(info, "ports", &ports.lo, &ports.hi);
	guest_arg_span(info, "mmio", &mmio[0].lo, &mmio[0].hi);
	mmio[1] = mmio[0];
	guest_arg_span(info, "mmio2", &mmio[1].lo, &mmio[1].hi);
	for (u32 i = 0; i < 3; i++)
		if (guest_arg_span(info, names[i], &skips[nr_skips].lo, &skips[nr_skips].hi))
			nr_skips++;
	for (u64 i = 0; i < count; i++) {
		u64 r = guest_prng(&state), value = guest_prng(&state), kind = r >> 8 & 7;
		bool is_pio = (r >> 32) % 100 < share;
		u64 at = is_pio ? pick(&ports, value >> 32) : pick(&mmio[r >> 12 & 1], value >> 32);

		if (is_pio && (at > 0xffff || skipped(at, 4)))
			continue;
		sum = guest_sum(sum, at << 8 | kind);
		if (verbose)
			guest_printf("%s 0x%lx kind=%lu\n", is_pio ? "pio" : "mmio", at, kind);
		if (is_pio)
			touch_port((u16)at, kind, (u32)value, r >> 16 & 255);
		else
			touch_addr(at, kind, value, r >> 16 & 255);
	}
	guest_printf("\nhostile_pio done n=%lu sum=0x%lx\n", count, sum);
	return 0;
}
