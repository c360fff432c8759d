/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up of every guest but `byte`: from the PVH entry (32-bit protected mode, paging off,
 * EBX = hvm_start_info) to rt_main() in long mode at CPL 3 with IOPL 3. Where ring 0 is emulated
 * instruction by instruction, time to CPL 3 is the number of instructions executed here: so page
 * tables, GDT, IDT and TSS are laid out by the assembler and nothing is built at run time.
 * Application processors enter at rt_ap_entry32 from the trampoline in ap_boot.S.
 * Spec: [Xen pvh.pandoc], [SDM 3A 4.5 4-level paging], [SDM 3A 8.7 TSS in 64-bit mode].
 */
#include "asm.h"

	.section .note.pvh, "a", @note
	.long	4, 8, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	rt_pvh_entry

	.section .text.entry, "ax", @progbits
	.code32
	.globl	rt_pvh_entry
rt_pvh_entry:
	cld
	mov	%ebx, %edi			/* first argument of rt_main */
	mov	$rt_main, %ebp
	mov	$rt_stack_top, %ebx
	mov	$RT_TSS_SEL, %esi
	lgdt	rt_gdt_ptr

	/* EDI argument, EBP function, EBX its stack, ESI selector of the TSS; GDT loaded. */
	.globl	rt_ap_entry32
rt_ap_entry32:
	mov	$rt_pml4, %eax
	mov	%eax, %cr3
	mov	$RT_CR4, %eax
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx
	mov	$RT_EFER, %eax
	xor	%edx, %edx
	wrmsr
	mov	$RT_CR0, %eax
	mov	%eax, %cr0
	ljmp	$RT_KERNEL_CS, $1f

	.code64
1:	lidt	rt_idt_ptr
	ltr	%si
	mov	$RT_KERNEL_SS, %eax
	mov	%eax, %ss
	mov	$RT_USER_SS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%ebx, %esp
	push	$RT_USER_SS
	lea	-8(%rbx), %rcx			/* as if called: RSP is 8 off a multiple of 16 */
	push	%rcx
	push	$RT_USER_FLAGS
	push	$RT_USER_CS
	push	%rbp
	iretq

	/*
	 * Identity map of the low 4 GiB in 2 MiB user pages, accessed and dirty set beforehand so
	 * that no walk has to write. Entry 4 of the PDPT is the window of guest_map().
	 */
	.section .data.tables, "aw", @progbits
	.balign	4096
	.globl	rt_pml4
rt_pml4:
	.quad	rt_pdpt + 0x27
	.fill	511, 8, 0
rt_pdpt:
	.quad	rt_pd + 0x27, rt_pd + 0x1027, rt_pd + 0x2027, rt_pd + 0x3027
	.quad	rt_window_pd + 0x27
	.fill	507, 8, 0
rt_pd:
	.set	i, 0
	.rept	2048
	.quad	(i << 21) + 0xe7
	.set	i, i + 1
	.endr

	/* rt_isr_lo and rt_isr_hi come from the linker script; stubs are 16 bytes apart. */
	.balign	16
	.globl	rt_idt
rt_idt:
	.set	i, 0
	.rept	256
	.word	rt_isr_lo + i * 16, RT_KERNEL_CS
	.if i == 8
	.byte	1
	.elseif i == 2
	.byte	2
	.else
	.byte	0
	.endif
	.if i == 3 || i == 4
	.byte	0xee				/* interrupt gate, DPL 3 */
	.else
	.byte	0x8e
	.endif
	.word	rt_isr_hi
	.quad	0
	.set	i, i + 1
	.endr

	.globl	rt_gdt
rt_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff		/* 0x08 ring 0 code, 32 bits */
	.quad	0x00af9b000000ffff		/* 0x10 ring 0 code, 64 bits */
	.quad	0x00cf93000000ffff		/* 0x18 ring 0 data */
	.quad	0x00cffb000000ffff		/* 0x23 ring 3 code, 32 bits */
	.quad	0x00cff3000000ffff		/* 0x2b ring 3 data */
	.quad	0x00affb000000ffff		/* 0x33 ring 3 code, 64 bits */
	.quad	0
	.word	rt_tss_limit, rt_tss_lo		/* 0x40 TSS; parts of its address: linker script */
	.byte	rt_tss_mid, 0x89, 0, rt_tss_hi
	.quad	0
	.globl	rt_gdt_end
rt_gdt_end:

	.globl	rt_gdt_ptr, rt_idt_ptr
rt_gdt_ptr:
	.word	rt_gdt_end - rt_gdt - 1
	.quad	rt_gdt
	.balign	8
rt_idt_ptr:
	.word	256 * 16 - 1
	.quad	rt_idt

	/*
	 * The I/O bitmap of zeros is what lets CPL 3 use ports where the host forgets IOPL. It lies
	 * right behind the TSS of CPU 0; the TSSs of the other CPUs (ap_boot.S) share it.
	 */
	.balign	16
	.globl	rt_tss0
rt_tss0:
	.long	0
	.quad	rt_ring0_stack_top, 0, 0, 0
	.quad	rt_df_stack_top, rt_nmi_stack_top, 0, 0, 0, 0, 0
	.quad	0
	.word	0, RT_TSS_BYTES
	.globl	rt_iomap
rt_iomap:
	.fill	RT_IOMAP_LEN - 1, 1, 0
	.byte	0xff

	.section .bss.window, "aw", @nobits
	.balign	4096
	.globl	rt_window_pd
rt_window_pd:
	.skip	4096

	.section .bss.stacks, "aw", @nobits
	.balign	16
	.skip	1024
rt_df_stack_top:
	.skip	1024
rt_nmi_stack_top:
	.skip	4096
rt_ring0_stack_top:
	.skip	16384
	.globl	rt_stack_top
rt_stack_top:

	.section .note.GNU-stack, "", @progbits
