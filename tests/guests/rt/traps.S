/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 256 interrupt stubs (16 bytes each, on a page of their own) and the two ways behind them:
 * vectors 32 and above without a handler are counted and acknowledged here in a dozen
 * instructions (ring 0 is slow where it is emulated); everything else becomes a struct rt_frame
 * for rt_trap() in monitor.c, which runs in ring 0 as well.
 */
#include "asm.h"

	.section .text.isr, "ax", @progbits
	.balign	4096
	.globl	rt_isr
rt_isr:
	.set	i, 0
	.rept	256
	.balign	16
	.if !(i == 8 || (i >= 10 && i <= 14) || i == 17 || i == 21 || i == 29 || i == 30)
	push	$0				/* where the CPU pushes no error code */
	.endif
	push	$i
	.if i < 32
	jmp	rt_trap_entry
	.else
	jmp	rt_irq_entry
	.endif
	.set	i, i + 1
	.endr
	.balign	16

rt_irq_entry:
	push	%rax
	push	%rcx
	push	%rdx
	mov	24(%rsp), %eax
	cmpq	$0, rt_handlers(, %rax, 8)
	jne	2f
	lock incq rt_irq_counts(, %rax, 8)
	cmp	$RT_SPURIOUS_VECTOR, %eax
	je	1f
	xor	%eax, %eax
	cmp	%al, rt_lapic_x2
	jne	3f
	mov	$0xfee000b0, %ecx
	mov	%eax, (%rcx)
1:	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq
3:	mov	$0x80b, %ecx
	xor	%edx, %edx
	wrmsr
	jmp	1b
2:	pop	%rdx
	pop	%rcx
	pop	%rax

rt_trap_entry:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp			/* the C side wants an aligned stack */
	and	$-16, %rsp
	call	rt_trap
	mov	%rbp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	/* Ring 0: MSR accesses that a #GP skips; rt_trap() knows the two labels. */
	.section .text.msr, "ax", @progbits
	.globl	rt_rdmsr, rt_rdmsr_insn, rt_rdmsr_bad
rt_rdmsr:					/* int rt_rdmsr(u32 msr, u64 *ret) */
	mov	%edi, %ecx
rt_rdmsr_insn:
	rdmsr
	mov	%eax, (%rsi)
	mov	%edx, 4(%rsi)
	xor	%eax, %eax
	ret
rt_rdmsr_bad:
	mov	$-1, %eax
	ret

	.globl	rt_wrmsr, rt_wrmsr_insn
rt_wrmsr:					/* int rt_wrmsr(u32 msr, u64 value) */
	mov	%edi, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
rt_wrmsr_insn:
	wrmsr
	xor	%eax, %eax
	ret

	.section .note.GNU-stack, "", @progbits
