/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the run-time: what its C files and its assembly share. */
#ifndef GUEST_RT_H
#define GUEST_RT_H

#include "../guest.h"
#include "asm.h"

enum rt_op {
	RT_OP_RDMSR = 1,
	RT_OP_WRMSR,
	RT_OP_CPUID,
	RT_OP_STI,
	RT_OP_CLI,
	RT_OP_HLT_WHILE,
	RT_OP_HLT_FOREVER,
	RT_OP_CALL,
};

/*
 * The gate to ring 0 is ud2, not int or syscall: an exception is delivered the same way by every
 * hypervisor and switches stacks, whereas the instruction emulator of KVM refuses int in long mode.
 */
static inline u64 rt_monitor(enum rt_op op, u64 a, u64 b)
{
	u64 r = op;

	__asm__ volatile("ud2" : "+a"(r) : "D"(a), "S"(b), "c"(RT_MONITOR_MAGIC) : "memory");
	return r;
}

extern void (*rt_handlers[256])(struct guest_frame *frame);
extern volatile u64 rt_irq_counts[256];
extern u8 rt_lapic_x2;
extern u64 rt_free_from, rt_free_end;
extern u64 rt_window_pd[512];
extern char rt_image_start[], rt_image_end[], rt_stack_top[];
extern const struct guest_start_info *rt_start;

/* traps.S, ring 0 */
int rt_rdmsr(u32 msr, u64 *ret);
int rt_wrmsr(u32 msr, u64 value);
extern char rt_rdmsr_insn[], rt_wrmsr_insn[], rt_rdmsr_bad[];

void rt_trap(struct guest_frame *frame);
void rt_main(struct guest_start_info *start) __attribute__((noreturn));

#endif
