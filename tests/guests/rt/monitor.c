/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring 0 half of the run-time: what a guest at CPL 3 cannot do itself (a marked ud2), handlers
 * that guests install, and the report of an exception nobody expected. The report only saves the
 * frame here and returns into CPL 3 to print it, where the host runs code at full speed.
 * Everything here may be executed by an instruction emulator: plain integer code, kept short.
 */
#include "rt.h"

void (*rt_handlers[256])(struct guest_frame *frame);
volatile u64 rt_irq_counts[256];
u8 rt_lapic_x2;

static struct {
	struct guest_frame frame;
	u64 cr2;
	u32 taken;
} rt_report;

static void report_trap(void)
{
	const struct guest_frame *f = &rt_report.frame;

	guest_printf("\nTRAP vector=%lu error=0x%lx rip=0x%lx cpl=%u cr2=0x%lx rsp=0x%lx\n",
		     f->vector, f->error, f->rip, (unsigned int)(f->cs & 3), rt_report.cr2, f->rsp);
	guest_exit(GUEST_EXIT_TRAP + (int)f->vector);
}

static void stop_here(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void prepare_report(struct guest_frame *frame)
{
	if (__atomic_exchange_n(&rt_report.taken, 1, __ATOMIC_ACQ_REL))
		stop_here(); /* another CPU, or the report itself, failed first */
	rt_report.frame = *frame;
	__asm__ volatile("mov %%cr2, %0" : "=r"(rt_report.cr2));
	frame->rip = (u64)report_trap;
	frame->cs = RT_USER_CS;
	frame->ss = RT_USER_SS;
	frame->rflags = RT_USER_FLAGS;
	frame->rsp = (u64)rt_stack_top - 8;
}

static void do_cpuid(struct guest_frame *frame)
{
	struct guest_cpuid *c = (struct guest_cpuid *)frame->rsi;

	__asm__ volatile("cpuid"
			 : "=a"(c->eax), "=b"(c->ebx), "=c"(c->ecx), "=d"(c->edx)
			 : "a"((u32)frame->rdi), "c"((u32)(frame->rdi >> 32)));
}

static void serve(struct guest_frame *frame)
{
	switch (frame->rax) {
	case RT_OP_RDMSR:
		frame->rax = (u64)rt_rdmsr((u32)frame->rdi, (u64 *)frame->rsi);
		return;
	case RT_OP_WRMSR:
		frame->rax = (u64)rt_wrmsr((u32)frame->rdi, frame->rsi);
		return;
	case RT_OP_CPUID:
		do_cpuid(frame);
		return;
	case RT_OP_STI:
		frame->rflags |= 0x200;
		return;
	case RT_OP_CLI:
		frame->rflags &= ~0x200ULL;
		return;
	case RT_OP_HLT_WHILE:
		if (*(volatile u64 *)frame->rdi == frame->rsi)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		return;
	case RT_OP_CALL:
		frame->rax = ((u64(*)(u64))frame->rdi)(frame->rsi);
		return;
	default:
		stop_here();
	}
}

void rt_trap(struct guest_frame *frame)
{
	if (frame->vector == RT_MONITOR_VECTOR && frame->rcx == RT_MONITOR_MAGIC &&
	    frame->cs == RT_USER_CS) {
		frame->rip += 2;
		serve(frame);
	} else if (rt_handlers[frame->vector]) {
		rt_handlers[frame->vector](frame);
	} else if (frame->vector == 13 &&
		   (frame->rip == (u64)rt_rdmsr_insn || frame->rip == (u64)rt_wrmsr_insn)) {
		frame->rip = (u64)rt_rdmsr_bad;
	} else if (frame->vector == 2) {
		__atomic_add_fetch(&rt_irq_counts[2], 1, __ATOMIC_SEQ_CST);
	} else {
		prepare_report(frame);
	}
}

void guest_set_handler(u32 vector, void (*fn)(struct guest_frame *frame))
{
	rt_handlers[vector & 0xff] = fn;
}

u64 guest_irq_count(u32 vector)
{
	return rt_irq_counts[vector & 0xff];
}

int guest_rdmsr(u32 msr, u64 *ret)
{
	return (int)rt_monitor(RT_OP_RDMSR, msr, (u64)ret);
}

int guest_wrmsr(u32 msr, u64 value)
{
	return (int)rt_monitor(RT_OP_WRMSR, msr, value);
}

struct guest_cpuid guest_cpuid(u32 leaf, u32 subleaf)
{
	struct guest_cpuid c;

	rt_monitor(RT_OP_CPUID, (u64)subleaf << 32 | leaf, (u64)&c);
	return c;
}

void guest_sti(void)
{
	rt_monitor(RT_OP_STI, 0, 0);
}

void guest_cli(void)
{
	rt_monitor(RT_OP_CLI, 0, 0);
}

void guest_hlt_while(const volatile u64 *word, u64 seen)
{
	rt_monitor(RT_OP_HLT_WHILE, (u64)word, seen);
}

void guest_hlt_forever(void)
{
	rt_monitor(RT_OP_HLT_FOREVER, 0, 0);
	__builtin_unreachable();
}

u64 guest_call_ring0(u64 (*fn)(u64 arg), u64 arg)
{
	return rt_monitor(RT_OP_CALL, (u64)fn, arg);
}

static u64 enable_xsave(u64 xcr0)
{
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1ULL << 18));
	__asm__ volatile("xsetbv" : : "a"((u32)xcr0), "d"((u32)(xcr0 >> 32)), "c"(0));
	return xcr0;
}

u64 guest_enable_xsave(void)
{
	struct guest_cpuid c = guest_cpuid(1, 0);

	if (!(c.ecx & 1u << 26))
		return 0;
	return guest_call_ring0(enable_xsave, (c.ecx & 1u << 28) ? 7 : 3);
}
