/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deterministic walk of port and memory accesses, at CPL 3 and in ring 0, each made with the
 * whole register file live and added to a checksum afterwards. Whoever pauses the VM at an exit,
 * saves it and goes on in a new one must see the same accesses and the same sum.
 * Parameters: n (100) steps, seed (1), port (0x700): 4 ports of any width, addr (0xd0000000): one
 * page; pio=0, mmio=0: leave these out; avx=0: leave AVX out (default: used where it is there);
 * ring0=0: no accesses from ring 0; segs=0: DS and ES are not looked at; verbose=1: the sum after
 * each step.
 * The host answers reads with any function of the accesses so far, never of time.
 * Output: "steps n=N avx=A sum=S".
 */
#include "guest.h"

#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

struct steps_regs {
	u64 gpr[16]; /* in encoding order; RSP is not used */
	u64 rflags, ds, es, fs_0, gs_0;
	const void *target;
	u64 avx, pad;
	u8 fx[512];
	u8 ymm[16][32];
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct steps_regs, fx) == 192, "steps_access.S");
_Static_assert(offsetof(struct steps_regs, ymm) == 704, "steps_access.S");

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

void steps_access(struct steps_regs *regs);
extern const char steps_out8[], steps_out16[], steps_out32[], steps_in8[], steps_in16[],
	steps_in32[], steps_outs[], steps_ins[], steps_write8[], steps_write16[], steps_write32[],
	steps_write64[], steps_read8[], steps_read16[], steps_read32[], steps_read64[],
	steps_add32[], steps_movs[], steps_stos[], steps_calc[];

static const char *const pio_pieces[] = { steps_out8, steps_out16, steps_out32, steps_in8,
					  steps_in16, steps_in32,  steps_outs,	steps_ins };
static const char *const mmio_pieces[] = { steps_write8,  steps_write16, steps_write32,
					   steps_write64, steps_read8,	 steps_read16,
					   steps_read32,  steps_read64,	 steps_add32,
					   steps_movs,	  steps_stos };

static struct steps_regs regs;
static u8 buf[64];
static u64 based[2][512]; /* what FS and GS point into */
static u64 rng, sum = GUEST_SUM_INIT, port, addr;
static bool has_segs;

static void randomize(void *at, size_t len)
{
	for (u64 *p = at; len; len -= 8)
		*p++ = guest_prng(&rng);
}

/* Normal numbers on the x87 stack, exceptions masked, any rounding mode. */
static void fill_fpu(void)
{
	u64 r = guest_prng(&rng);

	guest_memset(regs.fx, 0, sizeof(regs.fx));
	*(u16 *)(regs.fx + 0) = (u16)(0x37f | (r & 3) << 10);
	regs.fx[4] = 0xff; /* all eight are in use */
	*(u32 *)(regs.fx + 24) = (u32)(0x1f80 | (r >> 2 & 3) << 13);
	for (u32 i = 0; i < 8; i++) {
		r = guest_prng(&rng);
		*(u64 *)(regs.fx + 32 + 16 * i) = r | 1ULL << 63;
		*(u16 *)(regs.fx + 40 + 16 * i) = (u16)(0x3ff8 + (r & 15) + (r << 11 & 0x8000));
	}
	randomize(regs.fx + 160, 256);
	randomize(regs.ymm, sizeof(regs.ymm));
}

static void fill(void)
{
	u64 r = guest_prng(&rng);

	fill_fpu();
	randomize(regs.gpr, sizeof(regs.gpr));
	randomize(buf, sizeof(buf));
	regs.rflags = 0x3002 | (r & 0x8d5); /* IOPL 3, arithmetic flags */
	regs.ds = r >> 20 & 1 ? 0x2b : 0;
	regs.es = r >> 21 & 1 ? 0x2b : 0;
	if (r >> 22 & 1) {
		guest_wrmsr(MSR_FS_BASE, (u64)&based[0][r >> 32 & 511]);
		guest_wrmsr(MSR_GS_BASE, (u64)&based[1][r >> 48 & 511]);
	}
}

static void aim(const char *piece)
{
	u64 r = guest_prng(&rng);

	regs.target = piece;
	regs.gpr[RDX] = port + (r & 3) * (piece == steps_in8 || piece == steps_out8);
	regs.gpr[RBX] = addr + (r >> 8 & 0x7f8);
	if (piece == steps_outs || piece == steps_ins || piece == steps_movs ||
	    piece == steps_stos) {
		regs.gpr[RCX] = (r >> 24 & 7) + 1;
		regs.gpr[RSI] = piece == steps_movs ? regs.gpr[RBX] : (u64)buf;
		regs.gpr[RDI] = piece == steps_stos ? regs.gpr[RBX] : (u64)buf;
	}
}

static void add_bytes(const void *at, size_t len)
{
	for (const u64 *p = at; len; len -= 8)
		sum = guest_sum(sum, *p++);
}

static u32 read_xcr0(void)
{
	u32 lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo;
}

static void add_registers(void)
{
	for (u32 i = 0; i < 16; i++) {
		u64 in_buf = regs.gpr[i] - (u64)buf;

		/* where the buffer lies is the linker's affair */
		sum = guest_sum(sum, in_buf <= sizeof(buf) ? in_buf : regs.gpr[i]);
	}
	sum = guest_sum(sum, regs.rflags & 0xcd5);
	if (has_segs)
		sum = guest_sum(sum, regs.ds << 16 | regs.es);
	sum = guest_sum(sum, regs.fs_0);
	sum = guest_sum(sum, regs.gs_0);
	/* FCW and FSW but for C1, which software CPUs do not set */
	sum = guest_sum(sum, *(u32 *)regs.fx & ~(0x200u << 16));
	sum = guest_sum(sum, *(u32 *)(regs.fx + 24)); /* MXCSR */
	for (u32 i = 0; i < 8; i++) {
		sum = guest_sum(sum, *(u64 *)(regs.fx + 32 + 16 * i));
		sum = guest_sum(sum, *(u16 *)(regs.fx + 40 + 16 * i));
	}
	add_bytes(regs.fx + 160, 256);
	if (regs.avx) {
		add_bytes(regs.ymm, sizeof(regs.ymm));
		sum = guest_sum(sum, read_xcr0() & 7);
	}
	add_bytes(buf, sizeof(buf));
}

static u64 pio_in_ring0(u64 value)
{
	guest_out32((u16)port, (u32)value);
	return guest_in32((u16)port) + value;
}

static u64 mmio_in_ring0(u64 value)
{
	guest_write64(addr + 0x800, value);
	return guest_read64(addr + 0x800) + value;
}

static void step(bool pio, bool mmio, bool ring0)
{
	u64 r = guest_prng(&rng);
	bool is_pio = pio && (!mmio || r & 1);

	if (ring0 && (pio || mmio) && !(r >> 1 & 15)) {
		sum = guest_sum(sum, guest_call_ring0(is_pio ? pio_in_ring0 : mmio_in_ring0, r));
		return;
	}
	fill();
	if (is_pio)
		aim(pio_pieces[(r >> 8) % (sizeof(pio_pieces) / sizeof(pio_pieces[0]))]);
	else if (mmio)
		aim(mmio_pieces[(r >> 8) % (sizeof(mmio_pieces) / sizeof(mmio_pieces[0]))]);
	else
		aim(steps_calc);
	steps_access(&regs);
	add_registers();
}

int guest_main(const struct guest_info *info)
{
	u64 n = guest_arg(info, "n", 100);
	bool pio = guest_arg(info, "pio", 1), mmio = guest_arg(info, "mmio", 1);
	bool ring0 = guest_arg(info, "ring0", 1), verbose = guest_arg(info, "verbose", 0);

	rng = guest_arg(info, "seed", 1);
	port = guest_arg(info, "port", 0x700);
	addr = guest_arg(info, "addr", 0xd0000000);
	has_segs = guest_arg(info, "segs", 1);
	regs.avx = guest_arg(info, "avx", 1) && (guest_enable_xsave() & 4);
	randomize(based, sizeof(based));
	guest_wrmsr(MSR_FS_BASE, (u64)based[0]);
	guest_wrmsr(MSR_GS_BASE, (u64)based[1]);
	for (u64 i = 0; i < n; i++) {
		step(pio, mmio, ring0);
		if (verbose)
			guest_printf("%lu 0x%lx\n", i, sum);
	}
	guest_printf("steps n=%lu avx=%lu sum=0x%lx\n", n, regs.avx, sum);
	return 0;
}
