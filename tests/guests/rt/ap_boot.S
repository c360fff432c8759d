/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First instructions of an application processor: 16-bit code that smp.c copies to a page below
 * 1 MiB (position independent but for the segment), then 32-bit code in the image, which joins
 * the boot CPU's way at rt_ap_entry32. One CPU starts at a time, so plain variables do.
 * Spec: [SDM 3A 9.4.4.2 AP initialization].
 */
#include "asm.h"

	.section .text.ap_boot, "ax", @progbits
	.globl	rt_ap_blob, rt_ap_blob_end
	.code16
rt_ap_blob:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	rt_ap_blob_gdt - rt_ap_blob
	mov	$0x11, %eax			/* ET PE; caches on */
	mov	%eax, %cr0
	ljmpl	$0x08, $rt_ap_start32
	.balign	8
rt_ap_blob_gdt:
	.word	RT_TSS_SEL + 16 * RT_MAX_CPUS - 1
	.long	rt_ap_gdt
rt_ap_blob_end:

	.code32
rt_ap_start32:
	mov	$RT_KERNEL_SS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	rt_ap_index, %edi
	mov	rt_ap_stack, %ebx
	mov	$rt_ap_main, %ebp
	mov	%edi, %esi
	shl	$4, %esi
	add	$RT_TSS_SEL, %esi
	jmp	rt_ap_entry32

	.section .note.GNU-stack, "", @progbits
