/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where everything lies in the guest-physical space of an x86 machine.
 *
 *	0          boot structures (below), then RAM up to the EBDA
 *	0x9fc00    reserved, though RAM is behind it (the legacy hole has no devices)
 *	0xe0000    ACPI tables
 *	0xff000    the reset entry, up to 1 MiB
 *	1 MiB      RAM, up to 3 GiB at most
 *	3 GiB      no RAM: with PCI its window of 32 bits, at 3.5 GiB its configuration space; IOAPIC,
 *	           LAPIC, regions and devices of the embedder's
 *	4 GiB      the rest of RAM, then with PCI its window of 64 bits
 */
#ifndef VC_VM_LAYOUT_H
#define VC_VM_LAYOUT_H

#include <libvirtcore/boot.h>
#include <libvirtcore/vm.h>

#include <assert.h>

#define VC__MIB (1ull << 20)
#define VC__GIB (1ull << 30)
#define VC__TIB (1ull << 40)

/* The big picture. */
#define VC__EBDA_GPA	    0x9fc00ull
#define VC__ACPI_GPA	    0xe0000ull
#define VC__ACPI_BYTES	    0x1f000ull
#define VC__RESET_GPA	    0xff000ull /* what a jump to the BIOS's reset entry finds */
#define VC__LOW_RAM_MAX	    (3 * VC__GIB)
#define VC__HIGH_RAM_GPA    (4 * VC__GIB)
#define VC__IOAPIC_GPA	    0xfec00000ull
#define VC__IOAPIC_BYTES    0x1000ull
#define VC__LAPIC_GPA	    0xfee00000ull
#define VC__LAPIC_BYTES	    0x100000ull /* MSIs are addressed to the whole of it */
#define VC__PCI_MEM32_GPA   0xc0000000ull
#define VC__PCI_MEM32_BYTES 0x10000000ull
#define VC__PCI_ECAM_GPA    0xe0000000ull  /* one bus of 256 that fit below 0xf0000000 */
#define VC__PCI_MEM64_BYTES (64 * VC__GIB) /* or what the address width leaves */
#define VC__RAM_BYTES_MIN   VC__MIB
#define VC__RAM_BYTES_MAX   VC__TIB

/* Boot structures; each row begins behind the one before. Page 0 stays as it is: all zeros. */
#define VC__GDT_GPA	      0x1000ull
#define VC__GDT_BYTES	      0x1000ull
#define VC__TSS_GPA	      0x2000ull /* with an I/O bitmap of zeros behind it */
#define VC__TSS_BYTES	      0x3000ull
#define VC__START_INFO_GPA    0x5000ull /* hvm_start_info, modules, memory map */
#define VC__START_INFO_BYTES  0x1000ull
#define VC__ZERO_PAGE_GPA     0x6000ull /* struct boot_params */
#define VC__ZERO_PAGE_BYTES   0x1000ull
#define VC__PAGE_TABLES_GPA   0x7000ull /* PML4, PDPT, 4 page directories */
#define VC__PAGE_TABLES_BYTES 0x6000ull
#define VC__BOOT_STACK_GPA    0xd000ull
#define VC__BOOT_STACK_BYTES  0x1000ull
#define VC__BOOT_STRUCTS_END  0xe000ull
#define VC__CMDLINE_GPA	      0x20000ull
#define VC__CMDLINE_BYTES     0x10000ull
static_assert(VC__GDT_GPA + VC__GDT_BYTES <= VC__TSS_GPA, "GDT meets TSS");
static_assert(VC__TSS_GPA + VC__TSS_BYTES <= VC__START_INFO_GPA, "TSS meets start info");
static_assert(VC__START_INFO_GPA + VC__START_INFO_BYTES <= VC__ZERO_PAGE_GPA,
	      "start info meets zero page");
static_assert(VC__ZERO_PAGE_GPA + VC__ZERO_PAGE_BYTES <= VC__PAGE_TABLES_GPA,
	      "zero page meets page tables");
static_assert(VC__PAGE_TABLES_GPA + VC__PAGE_TABLES_BYTES <= VC__BOOT_STACK_GPA,
	      "page tables meet stack");
static_assert(VC__BOOT_STACK_GPA + VC__BOOT_STACK_BYTES <= VC__BOOT_STRUCTS_END,
	      "stack passes the end of the boot structures");
static_assert(VC__BOOT_STRUCTS_END <= VC__CMDLINE_GPA, "boot structures meet command line");
/* Linux puts its mode-switch trampoline right below the EBDA: nothing of ours may be there. */
static_assert(VC__CMDLINE_GPA + VC__CMDLINE_BYTES <= 0x90000, "command line meets EBDA");
static_assert(VC__EBDA_GPA < VC__ACPI_GPA && VC__ACPI_GPA + VC__ACPI_BYTES == VC__RESET_GPA,
	      "ACPI tables end at the reset entry");

/* Platform devices: I/O ports and interrupts (GSI). */
#define VC__RTC_PORT	     0x70u
#define VC__RTC_PORTS	     2u
#define VC__RTC_GSI	     8u
#define VC__PM_PORT	     0x600u
#define VC__PM_PORTS	     4u
#define VC__PVPANIC_PORT     0x505u
#define VC__DEBUG_EXIT_PORT  0xf4u
#define VC__DEBUG_EXIT_PORTS 4u
#define VC__PCI_IO_PORT	     0xc000u
#define VC__PCI_IO_PORTS     0x4000u
#define VC__PCI_GSI	     16u /* and the next three: INTA# of slot s is s % 4 */
#define VC__SERIALS_MAX	     4u
#define VC__SERIAL_PORTS     8u

/* COM1 to COM4 by index. */
static inline uint16_t vc__serial_port(uint32_t idx)
{
	return (uint16_t)((idx & 1 ? 0x2f8 : 0x3f8) - (idx & 2 ? 0x10 : 0));
}

/* A line each: ACPI tells the guest, so that COM3 and COM4 need not share with COM1 and COM2. */
static inline uint32_t vc__serial_gsi(uint32_t idx)
{
	return idx == 0 ? 4 : idx == 1 ? 3 : idx == 2 ? 5 : 7;
}

#define VC__LAYOUT_RAMS_MAX  128u
#define VC__LAYOUT_FIXED_MAX 64u

/* One piece of RAM asked for; they are placed one behind the other in this order. */
struct vc__layout_ram {
	uint64_t len_bytes;
	uint64_t page_bytes; /* 0 = 4096, else 2 MiB or 1 GiB: address and length are multiples */
	uint32_t node;
};

/* A region that has its address already. */
struct vc__layout_fixed {
	const char *name;
	vc_gpa gpa;
	uint64_t len_bytes;
};

struct vc__layout_request {
	const struct vc__layout_ram *rams;
	size_t nr_rams; /* at most VC__LAYOUT_RAMS_MAX */
	const struct vc__layout_fixed *fixed;
	size_t nr_fixed;    /* at most VC__LAYOUT_FIXED_MAX */
	uint32_t phys_bits; /* the guest's physical address width; 0 = not known, not checked */
	bool has_acpi;	    /* the ACPI area counts as such, else as reserved */
	bool has_irqchip;   /* LAPIC and IOAPIC have their pages */
	bool has_pci;	    /* its windows and configuration space have theirs */
};

/* One contiguous piece of placed RAM: the part [off, off + len_bytes) of rams[ram]. */
struct vc__layout_range {
	vc_gpa gpa;
	uint64_t len_bytes;
	uint64_t off; /* not 0: the second part of one that meets the hole */
	uint32_t ram;
	uint32_t node;
};

struct vc__layout {
	struct vc__layout_range ranges[VC__LAYOUT_RAMS_MAX + 1]; /* sorted by address */
	size_t nr_ranges;
	struct vc_e820_range e820[VC_E820_MAX]; /* sorted, not overlapping */
	size_t nr_e820;
	uint64_t low_bytes, high_bytes; /* RAM below and above 4 GiB */
	vc_gpa pci_gpa;			/* PCI's window of 64 bits, behind everything */
	uint64_t pci_bytes;		/* 0 = none: no PCI, or no room */
};

/*
 * Places all RAM and makes the guest's memory map. Returns 0, or -EINVAL (no RAM, alignment),
 * -E2BIG (too many pieces), -ERANGE (below 1 MiB, above 1 TiB, beyond phys_bits), -EEXIST (a fixed
 * region lies on RAM, on another, on an interrupt controller or on PCI: both named), -EOVERFLOW.
 * @ret is untouched on failure. Any thread; allocates nothing.
 */
int vc__layout_make(const struct vc__layout_request *req, struct vc__layout *ret);

#endif /* VC_VM_LAYOUT_H */
