/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states in which a first vCPU starts: 64-bit (CPL 0 or 3), 32-bit, 16-bit; with the GDT, page
 * tables and TSS that they need. Control thread only. Leaves out IDTs: until the guest has its own,
 * interrupts are off and an exception is a triple fault. The low 4 GiB are mapped one to one, in
 * 2 MiB pages because every 64-bit CPU has those.
 * [SDM 3A 3.4] [SDM 3A 4.5] [SDM 3A 8.7] [Linux x86 boot protocol, 64-bit] [Xen hvm/start_info.h]
 */
#include "load.h"

#include "layout.h"

#include <libvirtcore/implement.h>

#include <string.h>

enum {
	CR0_PE = 1 << 0,
	CR0_ET = 1 << 4,
	CR0_NE = 1 << 5,
	CR4_PAE = 1 << 5,
	EFER_LME = 1 << 8,
	EFER_LMA = 1 << 10,
	RFLAGS_ONE = 1 << 1, /* always set */
	RFLAGS_IOPL_3 = 3 << 12,
	PTE_PRESENT = 1 << 0,
	PTE_WRITE = 1 << 1,
	PTE_USER = 1 << 2,
	PTE_LARGE = 1 << 7,
	TYPE_DATA = 0x3,
	TYPE_CODE = 0xb,
	TYPE_LDT = 0x2,
	TYPE_TSS = 0xb, /* busy; 16 or 32 or 64 bits go by the mode */
	TYPE_TSS_FREE = 0x9,
	/* Selectors; Linux wants 0x10 and 0x18. */
	SEL_CODE_32 = 0x08,
	SEL_CODE_64 = 0x10,
	SEL_DATA = 0x18,
	SEL_USER_DATA = 0x28 | 3,
	SEL_USER_CODE_64 = 0x30 | 3,
	SEL_TSS = 0x40,
	NR_GDT = 10,
	TSS_BYTES = 0x68,
	TSS_IOMAP_OFF = 0x66,
	/* The byte behind the bitmap must be there, all ones. [SDM 1 19.5.2] */
	TSS_LIMIT = TSS_BYTES + 0x2000,
	NR_PD = 4,
	PT_ENTRIES = 512,
};
#define CR0_PG	      (1ull << 31)
#define APIC_BASE_BSP (VC__LAPIC_GPA | 1u << 11 | 1u << 8) /* enabled, boot processor */

static_assert(TSS_LIMIT < VC__TSS_BYTES, "TSS and I/O bitmap fit");
static_assert(NR_GDT * 8 <= VC__GDT_BYTES, "GDT fits");
static_assert((2 + NR_PD) * 4096 <= VC__PAGE_TABLES_BYTES, "page tables fit");

static struct vc_x86_segment flat(uint16_t selector, uint8_t type, bool is_long)
{
	return (struct vc_x86_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.s = 1,
		.dpl = selector & 3,
		.present = 1,
		.l = is_long,
		.db = !is_long,
		.g = 1,
	};
}

/* The descriptor in memory that belongs to a segment register's hidden part. */
static uint64_t descriptor(const struct vc_x86_segment *s)
{
	uint64_t limit = s->g ? s->limit >> 12 : s->limit;
	uint64_t access =
		s->type | (uint64_t)s->s << 4 | (uint64_t)s->dpl << 5 | (uint64_t)s->present << 7;
	uint64_t flags = s->avl | (uint64_t)s->l << 1 | (uint64_t)s->db << 2 | (uint64_t)s->g << 3;
	return (limit & 0xffff) | (s->base & 0xffffff) << 16 | access << 40 |
	       (limit >> 16 & 0xf) << 48 | flags << 52 | (s->base >> 24 & 0xff) << 56;
}

static void set_data(struct vc_x86_sregs *s, struct vc_x86_segment data)
{
	s->ds = s->es = s->fs = s->gs = s->ss = data;
}

/* What is the same in all modes: task register, no LDT, the boot processor's APIC. */
static void set_common(struct vc_boot_entry *entry)
{
	entry->regs = (struct vc_x86_regs){ .rflags = RFLAGS_ONE };
	entry->sregs = (struct vc_x86_sregs){
		.tr = { .limit = 0x67, .type = TYPE_TSS, .present = 1 },
		.ldt = { .type = TYPE_LDT, .unusable = 1 },
		.cr0 = CR0_ET,
		.apic_base = APIC_BASE_BSP,
	};
}

static int write_gdt(const struct vc__load *load, struct vc_x86_sregs *sregs)
{
	const struct vc_x86_segment tss = {
		.base = VC__TSS_GPA, .limit = TSS_LIMIT, .type = TYPE_TSS_FREE, .present = 1
	};
	const struct vc_x86_segment code_32 = flat(SEL_CODE_32, TYPE_CODE, false);
	const struct vc_x86_segment code_64 = flat(SEL_CODE_64, TYPE_CODE, true);
	const struct vc_x86_segment data = flat(SEL_DATA, TYPE_DATA, false);
	const struct vc_x86_segment user_data = flat(SEL_USER_DATA, TYPE_DATA, false);
	const struct vc_x86_segment user_code = flat(SEL_USER_CODE_64, TYPE_CODE, true);
	const uint64_t gdt[NR_GDT] = {
		[SEL_CODE_32 / 8] = descriptor(&code_32),
		[SEL_CODE_64 / 8] = descriptor(&code_64),
		[SEL_DATA / 8] = descriptor(&data),
		[SEL_USER_DATA / 8] = descriptor(&user_data),
		[SEL_USER_CODE_64 / 8] = descriptor(&user_code),
		[SEL_TSS / 8] = descriptor(&tss), /* its upper half is zero: below 4 GiB */
	};
	sregs->gdt = (struct vc_x86_table){ .base = VC__GDT_GPA, .limit = sizeof(gdt) - 1 };
	return vc__load_struct(load, VC__GDT_GPA, gdt, sizeof(gdt));
}

/* A TSS without stacks: there is no IDT. Its I/O bitmap of zeros lets CPL 3 at every port. */
static int write_tss(const struct vc__load *load)
{
	const uint16_t iomap = TSS_BYTES;
	const uint8_t end = 0xff;
	int r = vc__load_struct(load, VC__TSS_GPA, NULL, TSS_LIMIT);
	if (!r)
		r = vc__load_struct(load, VC__TSS_GPA + TSS_IOMAP_OFF, &iomap, sizeof(iomap));
	if (!r)
		r = vc__load_struct(load, VC__TSS_GPA + TSS_LIMIT, &end, sizeof(end));
	return r;
}

static int write_page_tables(const struct vc__load *load, bool is_user)
{
	uint64_t flags = PTE_PRESENT | PTE_WRITE | (is_user ? PTE_USER : 0);
	vc_gpa table = VC__PAGE_TABLES_GPA;
	uint64_t page[PT_ENTRIES] = { (table + 4096) | flags };
	int r = vc__load_struct(load, table, page, sizeof(page));

	for (uint64_t i = 0; i < NR_PD; i++)
		page[i] = (table + 4096 * (2 + i)) | flags;
	if (!r)
		r = vc__load_struct(load, table + 4096, page, sizeof(page));

	for (uint64_t i = 0; !r && i < NR_PD; i++) {
		for (uint64_t k = 0; k < PT_ENTRIES; k++)
			page[k] = (i * PT_ENTRIES + k) * 2 * VC__MIB | flags | PTE_LARGE;
		r = vc__load_struct(load, table + 4096 * (2 + i), page, sizeof(page));
	}
	return r;
}

int vc__entry_long(const struct vc__load *load, uint64_t rip, bool is_user,
		   struct vc_boot_entry *entry)
{
	set_common(entry);
	struct vc_x86_sregs *s = &entry->sregs;
	entry->regs.rip = rip;
	entry->regs.rsp = VC__BOOT_STACK_GPA + VC__BOOT_STACK_BYTES;
	s->cs = flat(is_user ? SEL_USER_CODE_64 : SEL_CODE_64, TYPE_CODE, true);
	set_data(s, flat(is_user ? SEL_USER_DATA : SEL_DATA, TYPE_DATA, false));
	s->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	s->cr3 = VC__PAGE_TABLES_GPA;
	s->cr4 = CR4_PAE;
	s->efer = EFER_LME | EFER_LMA;

	int r = write_gdt(load, s);
	if (!r)
		r = write_page_tables(load, is_user);
	if (r || !is_user)
		return r;
	entry->regs.rflags |= RFLAGS_IOPL_3;
	s->tr.selector = SEL_TSS;
	s->tr.base = VC__TSS_GPA;
	s->tr.limit = TSS_LIMIT;
	return write_tss(load);
}

int vc__entry_protected(const struct vc__load *load, uint32_t rip, bool has_gdt,
			struct vc_boot_entry *entry)
{
	set_common(entry);
	struct vc_x86_sregs *s = &entry->sregs;
	entry->regs.rip = rip;
	s->cs = flat(SEL_CODE_32, TYPE_CODE, false);
	set_data(s, flat(SEL_DATA, TYPE_DATA, false));
	s->cr0 = CR0_PE | CR0_ET;
	if (!has_gdt)
		return 0;
	entry->regs.rsp = VC__BOOT_STACK_GPA + VC__BOOT_STACK_BYTES;
	return write_gdt(load, s);
}

void vc__entry_real(uint32_t cs_base, struct vc_boot_entry *entry)
{
	set_common(entry);
	struct vc_x86_sregs *s = &entry->sregs;
	struct vc_x86_segment real = { .limit = 0xffff, .type = TYPE_DATA, .s = 1, .present = 1 };
	set_data(s, real);
	real.type = TYPE_CODE;
	real.base = cs_base;
	real.selector = (uint16_t)(cs_base >> 4);
	s->cs = real;
	s->idt.limit = 0x3ff;
	s->tr.limit = 0xffff;
}
