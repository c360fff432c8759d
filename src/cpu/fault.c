/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording of a stopped vCPU: mode, registers, the bytes at RIP. Runs on the vCPU's thread right
 * after the exit and allocates nothing; putting it into words is for later and for any thread
 * (fault_text.c). The bytes are found by walking the guest's own page tables through slices, so that
 * every back end is served alike and a hostile table leads nowhere: each step reads one entry of
 * guest RAM or ends the walk. Leaves out protection keys, SMAP and the like: reading code for people
 * is not an access of the guest. Source: [SDM 3A 4.3 to 4.5]
 */
#include "backend.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>

#include <errno.h>
#include <string.h>

#define CR0_PE	   (1ull << 0)
#define CR0_PG	   (1ull << 31)
#define CR4_PSE	   (1ull << 4)
#define CR4_PAE	   (1ull << 5)
#define CR4_LA57   (1ull << 12)
#define EFER_LMA   (1ull << 10)
#define RFLAGS_VM  (1ull << 17)
#define PTE_P	   (1ull << 0)
#define PTE_PS	   (1ull << 7)
#define PAGE_BYTES 4096ull

/* Physical address bits of a table entry; bits 52 to 62 are the system's, 63 is NX. */
#define PTE_ADDR 0x000ffffffffff000ull

static enum vc_x86_mode mode_of(const struct vc_x86_regs *regs, const struct vc_x86_sregs *sregs)
{
	if (!(sregs->cr0 & CR0_PE) || (regs->rflags & RFLAGS_VM))
		return VC_X86_REAL;
	if (sregs->efer & EFER_LMA)
		return sregs->cs.l ? VC_X86_LONG_64 : VC_X86_LONG_COMPAT;
	return sregs->cs.db ? VC_X86_PROTECTED_32 : VC_X86_PROTECTED_16;
}

/* One table entry of @width bytes. */
static bool read_entry(const struct vc_mem *mem, vc_gpa gpa, unsigned int width, uint64_t *ret)
{
	*ret = 0;
	return vc_mem_read(mem, gpa, ret, width) == 0 && (*ret & PTE_P);
}

/* 32-bit paging: two levels of 1024 entries, 4 MiB pages with CR4.PSE. */
static bool walk_32(const struct vc_mem *mem, const struct vc_x86_sregs *s, uint64_t addr,
		    vc_gpa *ret)
{
	uint64_t entry;

	if (!read_entry(mem, (s->cr3 & 0xfffff000) + (addr >> 22 & 0x3ff) * 4, 4, &entry))
		return false;
	if ((s->cr4 & CR4_PSE) && (entry & PTE_PS)) {
		/* bits 13 to 20 of the entry are address bits 32 to 39 (PSE-36) */
		*ret = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | (addr & 0x3fffff);
		return true;
	}
	if (!read_entry(mem, (entry & 0xfffff000) + (addr >> 12 & 0x3ff) * 4, 4, &entry))
		return false;
	*ret = (entry & 0xfffff000) | (addr & 0xfff);
	return true;
}

/* PAE, 4-level and 5-level paging: @shift is that of the topmost level. */
static bool walk_64(const struct vc_mem *mem, uint64_t table, unsigned int shift, uint64_t addr,
		    vc_gpa *ret)
{
	for (;; shift -= 9) {
		uint64_t entry, page = (1ull << shift) - 1;

		if (!read_entry(mem, table + (addr >> shift & 0x1ff) * 8, 8, &entry))
			return false;
		if (shift == 12 || ((shift == 21 || shift == 30) && (entry & PTE_PS))) {
			*ret = (entry & PTE_ADDR & ~page) | (addr & page);
			return true;
		}
		table = entry & PTE_ADDR;
	}
}

/* Guest-physical address of a linear one. */
static bool walk(const struct vc_mem *mem, const struct vc_x86_sregs *s, uint64_t addr, vc_gpa *ret)
{
	uint64_t entry;

	if (!(s->cr0 & CR0_PG)) {
		*ret = addr;
		return true;
	}
	if (s->efer & EFER_LMA)
		return walk_64(mem, s->cr3 & PTE_ADDR, s->cr4 & CR4_LA57 ? 48 : 39, addr, ret);
	if (!(s->cr4 & CR4_PAE))
		return walk_32(mem, s, addr, ret);
	/* PAE: four entries of 1 GiB at an address of 32 bytes alignment, none of them a page */
	if (!read_entry(mem, (s->cr3 & 0xffffffe0) + (addr >> 30 & 3) * 8, 8, &entry))
		return false;
	return walk_64(mem, entry & PTE_ADDR, 21, addr, ret);
}

/* Bytes at RIP, as many as can be read; none is a fact too. */
static uint32_t read_code(const struct vc_mem *mem, const struct vc_fault *fault, uint8_t *bytes,
			  uint32_t len)
{
	bool is_64 = fault->mode == VC_X86_LONG_64;
	uint64_t addr = fault->regs.rip + (is_64 ? 0 : fault->sregs.cs.base);
	uint32_t nr = 0;

	while (nr < len) {
		uint64_t at = is_64 ? addr + nr : (addr + nr) & 0xffffffff;
		uint64_t left = PAGE_BYTES - at % PAGE_BYTES;
		uint32_t part = left < len - nr ? (uint32_t)left : len - nr;
		vc_gpa gpa;

		if (!walk(mem, &fault->sregs, at, &gpa) ||
		    vc_mem_read(mem, gpa, bytes + nr, part) < 0)
			break;
		nr += part;
	}
	return nr;
}

int vc_vcpu_get_fault(struct vc_vcpu *vcpu, const struct vc_exit *exit, struct vc_fault *ret_fault)
{
	struct vc_fault fault = { .addr = UINT64_MAX };
	int r;

	if (!vcpu || !exit || !ret_fault)
		return vc_error_set(-EINVAL, "cpu", "fault", "no vCPU, no exit or no place");
	fault.kind = exit->kind;
	fault.code = exit->code;
	if (exit->kind == VC_EXIT_MMIO || exit->kind == VC_EXIT_MEMORY_FAULT)
		fault.addr = exit->addr;
	r = vc_vcpu_get_regs(vcpu, &fault.regs, &fault.sregs);
	if (r < 0)
		return r;
	fault.mode = mode_of(&fault.regs, &fault.sregs);
	fault.nr_bytes = read_code(vcpu->partition->mem, &fault, fault.bytes, sizeof(fault.bytes));
	*ret_fault = fault;
	return 0;
}
