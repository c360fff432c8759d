/* SPDX-License-Identifier: Apache-2.0 */
/* Constants shared by the assembly and the C half of the guests' run-time; no C in here. */
#ifndef GUEST_RT_ASM_H
#define GUEST_RT_ASM_H

#define RT_KERNEL_CS  0x10
#define RT_KERNEL_SS  0x18
#define RT_USER_SS    0x2b
#define RT_USER_CS    0x33
#define RT_TSS_SEL    0x40   /* of CPU 0; CPU n has RT_TSS_SEL + 16 * n in the big GDT */
#define RT_USER_FLAGS 0x3002 /* IOPL 3, interrupts off */

#define RT_CR0	0x80010033 /* PG WP NE ET MP PE */
#define RT_CR4	0x620	   /* PAE OSFXSR OSXMMEXCPT */
#define RT_EFER 0x100	   /* LME */

#define RT_MAX_CPUS  512
#define RT_TSS_BYTES 0x68
#define RT_IOMAP_LEN 8193 /* a bit per port, all zero, and the closing byte of ones */

#define RT_MONITOR_VECTOR  6	      /* ud2 */
#define RT_MONITOR_MAGIC   0x74736575 /* in RCX: the ud2 of rt_monitor() */
#define RT_SPURIOUS_VECTOR 0xff

#endif
