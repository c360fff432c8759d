/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends, or tries to, in one of the ways a hypervisor must survive and name.
 * Parameter mode: triple (a fault with no IDT), hlt (interrupts off, for ever), jump (to an
 * address that is not mapped: #PF), ud2, div, gp, cpl0 (ud2 in ring 0), rom (write to `addr`, then read
 * it back), avx (32-byte store to `addr`, default 0xd0000000: outside of RAM KVM cannot emulate it),
 * fetch (jump to `addr`), spin.
 * Output: "fault mode=M", then what mode rom read, or "fault survived" where nothing happened.
 */
#include "guest.h"

static u64 do_ud2(u64 arg)
{
	__asm__ volatile("ud2");
	return arg;
}

static u64 do_triple(u64 arg)
{
	static const struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) no_idt;

	__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
	return arg;
}

static void write_rom(u64 addr)
{
	u64 before = guest_read64(addr), after;

	guest_write64(addr, ~before);
	after = guest_read64(addr);
	guest_printf("rom 0x%lx before=0x%lx after=0x%lx\n", addr, before, after);
}

static void store_avx(u64 addr)
{
	if (!(guest_enable_xsave() & 4)) {
		guest_puts("AVX is not there\n");
		guest_exit(GUEST_EXIT_ABSENT);
	}
	__asm__ volatile("vpxor %%xmm0, %%xmm0, %%xmm0; vmovdqu %%ymm0, %0"
			 : "=m"(*(volatile u8(*)[32])addr));
}

static bool is(const char *mode, const char *name)
{
	return !guest_strcmp(mode, name);
}

static void run(const char *mode, u64 addr)
{
	u32 zero = 0, q = 1;

	if (is(mode, "triple"))
		guest_call_ring0(do_triple, 0);
	else if (is(mode, "hlt"))
		guest_hlt_forever();
	else if (is(mode, "jump"))
		((void (*)(void))0x7f0000000000)();
	else if (is(mode, "fetch"))
		((void (*)(void))addr)();
	else if (is(mode, "ud2"))
		__asm__ volatile("ud2" : : "c"(0));
	else if (is(mode, "cpl0"))
		guest_call_ring0(do_ud2, 0);
	else if (is(mode, "div"))
		__asm__ volatile("divl %1" : "+a"(q) : "r"(zero), "d"(0) : "cc");
	else if (is(mode, "gp"))
		guest_read8(1ULL << 63);
	else if (is(mode, "rom"))
		write_rom(addr);
	else if (is(mode, "avx"))
		store_avx(addr);
	else if (is(mode, "spin"))
		guest_spin(~0ULL);
	else {
		guest_puts("parameter mode: none of triple hlt jump fetch ud2 cpl0 div gp rom avx "
			   "spin\n");
		guest_exit(GUEST_EXIT_USAGE);
	}
}

int guest_main(const struct guest_info *info)
{
	char mode[16];

	guest_arg_str(info, "mode", mode, sizeof(mode));
	guest_printf("fault mode=%s\n", mode);
	run(mode, guest_arg(info, "addr", 0xd0000000));
	guest_puts("fault survived\n");
	return 0;
}
