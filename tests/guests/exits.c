/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes every kind of PIO and MMIO access once per place and adds what it read to a checksum.
 * Parameters: port (0x700), ports (4): a range, each port with every width of `widths` (124, the
 * digits are bytes), out then in; string (0): also rep outs and rep ins of that many elements,
 * forwards and backwards; addr (0xd0000000), mmio (1) 8-byte steps, widths 1 2 4 8, write then
 * read; forms=1: the other instructions that touch memory (movzx, and, xchg, rep movs, rep
 * stos, push, an access across a page end) at addr; seed (1) of what is written; verbose=1: a
 * line per read. Order and values depend on nothing else, so the host can predict every access.
 * Output: "exits n=READS sum=S" over all values read.
 */
#include "guest.h"

#define MAX_STRING 4096

static u64 rng, sum = GUEST_SUM_INIT, nr_reads;
static bool verbose;
static u8 buf[MAX_STRING * 4];

static void note(const char *what, u64 at, u64 value)
{
	nr_reads++;
	sum = guest_sum(sum, value);
	if (verbose)
		guest_printf("%s 0x%lx = 0x%lx\n", what, at, value);
}

static void one_port(u16 port, char width)
{
	u32 v = (u32)guest_prng(&rng);

	switch (width) {
	case '1':
		guest_out8(port, (u8)v);
		note("in8", port, guest_in8(port));
		return;
	case '2':
		guest_out16(port, (u16)v);
		note("in16", port, guest_in16(port));
		return;
	case '4':
		guest_out32(port, v);
		note("in32", port, guest_in32(port));
		return;
	default:
		guest_printf("parameter widths: %c is none of 1 2 4\n", width);
		guest_exit(GUEST_EXIT_USAGE);
	}
}

static void do_outs(u16 port, char width, const u8 *from, u64 nr)
{
	if (width == '1')
		__asm__ volatile("rep outsb" : "+S"(from), "+c"(nr) : "d"(port) : "memory");
	else if (width == '2')
		__asm__ volatile("rep outsw" : "+S"(from), "+c"(nr) : "d"(port) : "memory");
	else
		__asm__ volatile("rep outsl" : "+S"(from), "+c"(nr) : "d"(port) : "memory");
}

static void do_ins(u16 port, char width, u8 *to, u64 nr)
{
	if (width == '1')
		__asm__ volatile("rep insb" : "+D"(to), "+c"(nr) : "d"(port) : "memory");
	else if (width == '2')
		__asm__ volatile("rep insw" : "+D"(to), "+c"(nr) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(to), "+c"(nr) : "d"(port) : "memory");
}

static void string_port(u16 port, char width, u64 nr, bool is_backward)
{
	u64 bytes = nr * (u64)(width - '0');
	u8 *at = is_backward ? buf + bytes - (width - '0') : buf;

	for (u64 i = 0; i < bytes; i++)
		buf[i] = (u8)guest_prng(&rng);
	if (is_backward)
		__asm__ volatile("std");
	do_outs(port, width, at, nr);
	do_ins(port, width, at, nr);
	__asm__ volatile("cld");
	for (u64 i = 0; i < bytes; i++)
		note(is_backward ? "ins (down)" : "ins", port, buf[i]);
}

static void one_addr(u64 addr)
{
	guest_write8(addr, (u8)guest_prng(&rng));
	note("read8", addr, guest_read8(addr));
	guest_write16(addr, (u16)guest_prng(&rng));
	note("read16", addr, guest_read16(addr));
	guest_write32(addr, (u32)guest_prng(&rng));
	note("read32", addr, guest_read32(addr));
	guest_write64(addr, guest_prng(&rng));
	note("read64", addr, guest_read64(addr));
}

static void string_forms(u64 addr)
{
	u64 from = addr, to = (u64)buf, nr = 8, four = 4;

	__asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(nr) : : "memory");
	for (u32 i = 0; i < 8; i++)
		note("movs", addr + i, buf[i]);
	from = (u64)buf;
	to = addr;
	nr = 8;
	__asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(nr) : : "memory");
	to = addr;
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(four) : "a"(0x5a5aa5a5) : "memory");
	from = addr;
	__asm__ volatile("lodsl" : "=a"(nr), "+S"(from) : : "memory");
	note("lods", addr, (u32)nr);
}

static void memory_forms(u64 addr)
{
	volatile u32 *m = (volatile u32 *)addr;
	u64 v = 0;

	__asm__ volatile("movzbl %1, %k0" : "=r"(v) : "m"(*(volatile u8 *)addr));
	note("movzx", addr, v);
	__asm__ volatile("movswq %1, %0" : "=r"(v) : "m"(*(volatile u16 *)addr));
	note("movsx", addr, v);
	__asm__ volatile("movl $0x12345678, %0" : "=m"(*m));
	__asm__ volatile("andl $0xff00ff, %0" : "+m"(*m));
	__asm__ volatile("orl %1, %0" : "+m"(*m) : "r"(0x80000001));
	__asm__ volatile("addw $3, %0" : "+m"(*(volatile u16 *)addr));
	__asm__ volatile("notb %0" : "+m"(*(volatile u8 *)addr));
	v = 0xc001d00d;
	__asm__ volatile("xchgl %k0, %1" : "+r"(v), "+m"(*m));
	note("xchg", addr, (u32)v);
	__asm__ volatile("cmpl %2, %1; sete %b0" : "=q"(v) : "m"(*m), "r"(0xc001d00d));
	note("cmp", addr, v & 1);
	__asm__ volatile("testb $0x80, %1; setne %b0" : "=q"(v) : "m"(*(volatile u8 *)addr));
	note("test", addr, v & 1);
	__asm__ volatile("pushq %1; popq %0" : "=r"(v) : "m"(*(volatile u64 *)addr));
	note("push", addr, v);
	guest_write64(addr + 0xffc, 0x1122334455667788); /* 4 bytes on either page */
	note("read64 (2 pages)", addr + 0xffc, guest_read64(addr + 0xffc));
	string_forms(addr);
}

int guest_main(const struct guest_info *info)
{
	u64 port = guest_arg(info, "port", 0x700), ports = guest_arg(info, "ports", 4);
	u64 addr = guest_arg(info, "addr", 0xd0000000), mmio = guest_arg(info, "mmio", 1);
	u64 string = guest_arg(info, "string", 0);
	char widths[8];

	verbose = guest_arg(info, "verbose", 0);
	rng = guest_arg(info, "seed", 1);
	if (!guest_arg_str(info, "widths", widths, sizeof(widths)))
		guest_memcpy(widths, "124", 4);
	if (string > MAX_STRING) {
		guest_printf("parameter string: at most %u\n", MAX_STRING);
		return GUEST_EXIT_USAGE;
	}
	for (u64 p = port; p < port + ports && p <= 0xffff; p++)
		for (const char *w = widths; *w; w++) {
			one_port((u16)p, *w);
			if (string) {
				string_port((u16)p, *w, string, false);
				string_port((u16)p, *w, string, true);
			}
		}
	for (u64 i = 0; i < mmio; i++)
		one_addr(addr + 8 * i);
	if (guest_arg(info, "forms", 0))
		memory_forms(addr);
	guest_printf("exits n=%lu sum=0x%lx\n", nr_reads, sum);
	return 0;
}
