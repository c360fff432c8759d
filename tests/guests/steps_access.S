/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps_access(struct steps_regs *): loads the whole register file (integer, flags, DS and ES,
 * x87, SSE, AVX), makes one access to a port or to memory with all of it live, computes a little,
 * and stores the register file again. The access is the code at `target`, one of the pieces below
 * that end in steps_back. Offsets: struct steps_regs in steps.c.
 */
#define RFLAGS	128
#define DS	136
#define ES	144
#define FS_0	152
#define GS_0	160
#define TARGET	168
#define AVX	176
#define FX	192
#define YMM	704

	.text
	.globl	steps_access
steps_access:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, steps_rsp(%rip)
	mov	%rdi, steps_regs(%rip)
	mov	TARGET(%rdi), %rax
	mov	%rax, steps_target(%rip)
	fxrstor64 FX(%rdi)
	cmpq	$0, AVX(%rdi)
	je	1f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	YMM + 32 * \i(%rdi), %ymm\i
	.endr
1:	mov	DS(%rdi), %rax
	mov	%eax, %ds
	mov	ES(%rdi), %rax
	mov	%eax, %es
	pushq	RFLAGS(%rdi)
	popfq
	mov	(%rdi), %rax
	mov	8(%rdi), %rcx
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rbx
	mov	40(%rdi), %rbp
	mov	48(%rdi), %rsi
	mov	64(%rdi), %r8
	mov	72(%rdi), %r9
	mov	80(%rdi), %r10
	mov	88(%rdi), %r11
	mov	96(%rdi), %r12
	mov	104(%rdi), %r13
	mov	112(%rdi), %r14
	mov	120(%rdi), %r15
	mov	56(%rdi), %rdi
	jmp	*steps_target(%rip)

steps_back:
	paddq	%xmm1, %xmm0
	cvtsi2sd %r15, %xmm6			/* rounds as MXCSR says */
	fadd	%st(1), %st
	mov	%rdi, steps_rdi(%rip)
	mov	steps_regs(%rip), %rdi
	mov	%rax, (%rdi)
	pushfq
	popq	RFLAGS(%rdi)
	mov	%rcx, 8(%rdi)
	mov	%rdx, 16(%rdi)
	mov	%rbx, 24(%rdi)
	mov	%rbp, 40(%rdi)
	mov	%rsi, 48(%rdi)
	mov	%r8, 64(%rdi)
	mov	%r9, 72(%rdi)
	mov	%r10, 80(%rdi)
	mov	%r11, 88(%rdi)
	mov	%r12, 96(%rdi)
	mov	%r13, 104(%rdi)
	mov	%r14, 112(%rdi)
	mov	%r15, 120(%rdi)
	mov	steps_rdi(%rip), %rax
	mov	%rax, 56(%rdi)
	xor	%eax, %eax
	mov	%ds, %eax
	mov	%rax, DS(%rdi)
	mov	%es, %eax
	mov	%rax, ES(%rdi)
	mov	%fs:0, %rax
	mov	%rax, FS_0(%rdi)
	mov	%gs:0, %rax
	mov	%rax, GS_0(%rdi)
	fxsave64 FX(%rdi)
	fninit
	cmpq	$0, AVX(%rdi)
	je	1f
	vxorps	%ymm2, %ymm3, %ymm3
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	%ymm\i, YMM + 32 * \i(%rdi)
	.endr
1:	mov	steps_rsp(%rip), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	cld
	ret

	/* PIO: RDX port, RAX value; strings: RCX elements at RSI or RDI. MMIO: RBX address. */
.macro piece name, insn:vararg
	.globl	\name
\name:
	\insn
	jmp	steps_back
.endm
	piece	steps_out8, out %al, %dx
	piece	steps_out16, out %ax, %dx
	piece	steps_out32, out %eax, %dx
	piece	steps_in8, in %dx, %al
	piece	steps_in16, in %dx, %ax
	piece	steps_in32, in %dx, %eax
	piece	steps_outs, rep outsb
	piece	steps_ins, rep insw
	piece	steps_write8, mov %al, (%rbx)
	piece	steps_write16, mov %ax, (%rbx)
	piece	steps_write32, mov %eax, (%rbx)
	piece	steps_write64, mov %rax, (%rbx)
	piece	steps_read8, mov (%rbx), %al
	piece	steps_read16, movswq (%rbx), %rbp
	piece	steps_read32, mov (%rbx), %r9d
	piece	steps_read64, mov (%rbx), %r13
	piece	steps_add32, add %r12d, (%rbx)
	piece	steps_movs, rep movsb
	piece	steps_stos, rep stosl
	piece	steps_calc, add %r8, %r9

	.bss
	.balign	8
steps_rsp:
	.skip	8
steps_regs:
	.skip	8
steps_target:
	.skip	8
steps_rdi:
	.skip	8

	.section .note.GNU-stack, "", @progbits
