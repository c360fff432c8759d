/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest guest: one byte to the serial port, then exit with 0 by port 0xf4. Only
 * instructions whose encoding and meaning are the same in real, protected and long mode, so the
 * flat binary (the .text alone, position independent) runs in whatever mode it is entered.
 */
	.section .note.pvh, "a", @note
	.long	4, 8, 18
	.asciz	"Xen"
	.quad	rt_pvh_entry

	.text
	.code32
	.globl	rt_pvh_entry
rt_pvh_entry:
	mov	$0x03, %dh
	mov	$0xf8, %dl
	mov	$'!', %al
	out	%al, %dx
	mov	$0, %al
	out	%al, $0xf4
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
