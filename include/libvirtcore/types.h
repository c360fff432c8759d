/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain data shared by all layers: guest addresses, text sinks, and the register file of a vCPU in
 * the library's own, hypervisor-independent form. Nothing in here is a function.
 */
#ifndef LIBVIRTCORE_TYPES_H
#define LIBVIRTCORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what a shared library exports; everything else is hidden. */
#define VC_API __attribute__((visibility("default")))

/* printf-style argument checking; positions count from 1. */
#define VC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* A guest-physical address, bytes. Never a host pointer: see vc_slice_get(). */
typedef uint64_t vc_gpa;

/* Architectures that state sections are keyed by. */
enum vc_arch {
	VC_ARCH_NONE = 0,
	VC_ARCH_X86_64 = 1,
	VC_ARCH_ARM64 = 2,
};

/*
 * Receives text, one line per call, without a newline. Called on the thread of the function that it
 * was given to, before that function returns; @line is valid during the call only.
 */
typedef void (*vc_text_fn)(void *opaque, const char *line);

/* x86-64 general registers. */
struct vc_x86_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
};

/* One segment register with its hidden part. [SDM 3A 3.4.3] */
struct vc_x86_segment {
	uint64_t base;
	uint32_t limit; /* bytes, last valid offset */
	uint16_t selector;
	uint8_t type; /* 4 bits of the descriptor's type field */
	uint8_t s, dpl, present, avl, l, db, g, unusable;
	uint8_t reserved[9]; /* fills the struct, so that two can be compared */
};

/* GDTR or IDTR. */
struct vc_x86_table {
	uint64_t base;
	uint16_t limit;
	uint16_t reserved[3];
};

/* x86-64 system registers: segments, tables, control registers, APIC base. */
struct vc_x86_sregs {
	struct vc_x86_segment cs, ds, es, fs, gs, ss, tr, ldt;
	struct vc_x86_table gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t efer, apic_base;
};

/* Mode of the CPU when something went wrong, as the explanation of an exit names it. */
enum vc_x86_mode {
	VC_X86_REAL = 0,
	VC_X86_PROTECTED_16,
	VC_X86_PROTECTED_32,
	VC_X86_LONG_COMPAT,
	VC_X86_LONG_64,
};

/* Address space of an access, a bus, a doorbell. */
enum vc_space {
	VC_SPACE_PIO = 0,  /* x86 I/O ports, 0..0xffff */
	VC_SPACE_MMIO = 1, /* guest-physical addresses */
};

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_TYPES_H */
