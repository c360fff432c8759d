/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is written against. A guest is one C file with guest_main(), which runs in long
 * mode at CPL 3 with IOPL 3, interrupts off, the low 4 GiB mapped one to one; its return value is
 * its exit code. Ring 0 is reached by the guest_* calls under "Ring 0" below.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guest_prng.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define GUEST_EXIT_PORT	  0xf4 /* a byte written here ends the run: 0 is success */
#define GUEST_EXIT_TRAP	  0x40 /* + vector: an exception nobody handled */
#define GUEST_EXIT_FAIL	  1    /* a check failed; a line says which */
#define GUEST_EXIT_USAGE  2    /* a parameter is wrong or missing */
#define GUEST_EXIT_ABSENT 3    /* what the guest tests is not there */
#define GUEST_SERIAL_PORT 0x3f8
#define GUEST_MAX_RANGES  64
#define GUEST_PAGE_BYTES  4096ULL

/* [Xen public/arch-x86/hvm/start_info.h] */
struct guest_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	u32 memmap_entries, reserved;
};

struct guest_module {
	u64 paddr, size, cmdline_paddr, reserved;
};

struct guest_range {
	u64 addr, size;
	u32 type, reserved; /* type 1 is RAM */
};

struct guest_info {
	const struct guest_start_info *start;
	const char *cmdline; /* "" when the loader gave none */
	u64 rsdp;	     /* 0 when the loader gave none */
	const struct guest_module *modules;
	u32 nr_modules, nr_ranges;
	struct guest_range ranges[GUEST_MAX_RANGES];
};

int guest_main(const struct guest_info *info);

/* Parameters: words `key=value` of the command line; numbers decimal or 0x hexadecimal. */
u64 guest_arg(const struct guest_info *info, const char *key, u64 fallback);
bool guest_arg_is(const struct guest_info *info, const char *key, const char *value);
/* Copies the value (cut to @bytes - 1) and says whether the key is there. */
bool guest_arg_str(const struct guest_info *info, const char *key, char *buf, size_t bytes);
/* A value `lo-hi` or one number; false when absent. */
bool guest_arg_span(const struct guest_info *info, const char *key, u64 *lo, u64 *hi);

/* Serial console and end. */
void guest_putc(char c);
void guest_puts(const char *s);
/* %c %s %d %u %x %% with l or ll (both 64 bits), a width and a 0 flag. */
void guest_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void guest_exit(int code) __attribute__((noreturn));

void *guest_memset(void *dst, int byte, size_t len);
void *guest_memcpy(void *dst, const void *src, size_t len);
int guest_strcmp(const char *a, const char *b);

/*
 * A pointer to [gpa, gpa + len) anywhere in the physical address space, through a 1 GiB window
 * that is used up in steps of 2 MiB and never recycled; NULL when it is.
 */
void *guest_map(u64 gpa, u64 len);
/* Zeroed RAM behind the image, page aligned, never given back; NULL when there is none. */
void *guest_alloc(u64 len);

/* Interrupts. Vectors from 32 on without a handler are counted and get their EOI. */
struct guest_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};
/* The handler runs in ring 0 (slow where ring 0 is emulated), interrupts off, and does the EOI. */
void guest_set_handler(u32 vector, void (*fn)(struct guest_frame *frame));
u64 guest_irq_count(u32 vector);

/* Ring 0. */
struct guest_cpuid {
	u32 eax, ebx, ecx, edx;
};
int guest_rdmsr(u32 msr, u64 *ret); /* -1 when it is refused with #GP */
int guest_wrmsr(u32 msr, u64 value);
struct guest_cpuid guest_cpuid(u32 leaf, u32 subleaf);
void guest_sti(void);
void guest_cli(void);
/* hlt with interrupts on, unless *word != seen: nothing is lost between the look and the hlt. */
void guest_hlt_while(const volatile u64 *word, u64 seen);
void guest_hlt_forever(void) __attribute__((noreturn)); /* interrupts off */
u64 guest_call_ring0(u64 (*fn)(u64 arg), u64 arg);
/* Allow AVX by CR4.OSXSAVE and XCR0; the resulting XCR0, 0 without XSAVE. */
u64 guest_enable_xsave(void);

/* Local APIC, xAPIC or x2APIC as guest_lapic_enable() left it. All through ring 0 for x2APIC. */
int guest_lapic_enable(bool x2apic); /* -1 when x2APIC is asked for and not there */
u32 guest_lapic_id(void);
u32 guest_lapic_read(u32 reg); /* reg: xAPIC byte offset, as in 0x20 for the ID */
void guest_lapic_write(u32 reg, u32 value);
void guest_lapic_icr(u32 dest, u32 low);
void guest_lapic_eoi(void);

/* I/O APIC at 0xfec00000. */
u32 guest_ioapic_read(u32 reg);
void guest_ioapic_write(u32 reg, u32 value);
void guest_ioapic_route(u32 pin, u8 vector, bool is_level, u32 apic_id);

/*
 * Start the CPU with this APIC id; it runs fn(index, arg) at CPL 3 on its own stack, then halts.
 * Index counts started CPUs, the boot CPU being 0. 0, or -1: out of memory or CPUs, or it did
 * not come up in about two seconds of TSC time at 1 GHz.
 */
int guest_cpu_start(u32 apic_id, void (*fn)(u32 index, void *arg), void *arg);

/* ACPI tables: the physical address of a table by signature, 0 when it is not there. */
u64 guest_acpi_find(const struct guest_info *info, const char *signature);

static inline u8 guest_in8(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u16 guest_in16(u16 port)
{
	u16 v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u32 guest_in32(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void guest_out8(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void guest_out16(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void guest_out32(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

#define GUEST_MMIO(bits)                                           \
	static inline u##bits guest_read##bits(u64 addr)           \
	{                                                          \
		u##bits v;                                         \
                                                                   \
		__asm__ volatile("mov %1, %0"                      \
				 : "=r"(v)                         \
				 : "m"(*(volatile u##bits *)addr)  \
				 : "memory");                      \
		return v;                                          \
	}                                                          \
	static inline void guest_write##bits(u64 addr, u##bits v)  \
	{                                                          \
		__asm__ volatile("mov %1, %0"                      \
				 : "=m"(*(volatile u##bits *)addr) \
				 : "r"(v)                          \
				 : "memory");                      \
	}
GUEST_MMIO(8)
GUEST_MMIO(16)
GUEST_MMIO(32)
GUEST_MMIO(64)
#undef GUEST_MMIO

static inline u64 guest_rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}

static inline void guest_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void guest_spin(u64 rounds)
{
	for (u64 i = 0; i < rounds; i++)
		guest_pause();
}

#endif
