/* SPDX-License-Identifier: Apache-2.0 */
/* Recording of faults: modes, code bytes through every kind of page table, tables that lead away. */
#include "fake_fixture.h"

#define CR0_PE	 1ull
#define CR0_PG	 (1ull << 31)
#define CR4_PSE	 (1ull << 4)
#define CR4_PAE	 (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define EFER_LMA (1ull << 10)

static const char code[] = "\x0f\x0b\x48\x89\xe5\xf4\xeb\xfd\x90\x90\x90\x90\x90\x90\x90";

struct cpu {
	struct vc_x86_regs regs;
	struct vc_x86_sregs sregs;
};

static struct vc_fault fault_of(struct bed *bed, const struct cpu *cpu)
{
	const struct vc_exit exit = { .kind = VC_EXIT_SHUTDOWN, .code = 5 };
	struct vc_fault fault;

	assert_result(vc_vcpu_set_regs(bed->vcpus[0], &cpu->regs, &cpu->sregs), 0);
	assert_result(vc_vcpu_get_fault(bed->vcpus[0], &exit, &fault), 0);
	assert_int_equal(fault.kind, VC_EXIT_SHUTDOWN);
	assert_int_equal(fault.code, 5);
	assert_int_equal(fault.addr, UINT64_MAX);
	assert_memory_equal(&fault.regs, &cpu->regs, sizeof(cpu->regs));
	assert_memory_equal(&fault.sregs, &cpu->sregs, sizeof(cpu->sregs));
	return fault;
}

static void put(struct bed *bed, uint64_t gpa, uint64_t value, size_t width)
{
	assert_result(vc_mem_write(bed->mem, gpa, &value, width), 0);
}

static void put_code(struct bed *bed, uint64_t gpa)
{
	assert_result(vc_mem_write(bed->mem, gpa, code, sizeof(code) - 1), 0);
}

static void expect_code(const struct vc_fault *fault, uint32_t nr)
{
	assert_int_equal(fault->nr_bytes, nr);
	assert_memory_equal(fault->bytes, code, nr);
}

static void modes(void **state)
{
	static const struct {
		uint64_t cr0, efer, rflags;
		uint8_t l, db;
		enum vc_x86_mode mode;
	} cases[] = {
		{ 0, 0, 2, 0, 0, VC_X86_REAL },
		{ CR0_PE, 0, 2, 0, 0, VC_X86_PROTECTED_16 },
		{ CR0_PE, 0, 2, 0, 1, VC_X86_PROTECTED_32 },
		{ CR0_PE, 0, 2 | 1 << 17, 0, 1, VC_X86_REAL }, /* virtual 8086 */
		{ CR0_PE | CR0_PG, EFER_LMA, 2, 0, 1, VC_X86_LONG_COMPAT },
		{ CR0_PE | CR0_PG, EFER_LMA, 2, 1, 0, VC_X86_LONG_64 },
		{ CR0_PE, 0, 2, 1, 0, VC_X86_PROTECTED_16 }, /* L means nothing here */
	};
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cpu cpu = {
			.regs.rflags = cases[i].rflags,
			.sregs = { .cr0 = cases[i].cr0,
				   .efer = cases[i].efer,
				   .cs = { .l = cases[i].l, .db = cases[i].db } },
		};

		assert_int_equal(fault_of(&bed, &cpu).mode, cases[i].mode);
	}
	close_bed(&bed);
}

static void without_paging(void **state)
{
	struct bed bed = { 0 };
	struct cpu cpu = { .regs.rip = 0x234, .sregs.cs.base = 0x7c000 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	put_code(&bed, 0x7c234);
	struct vc_fault fault = fault_of(&bed, &cpu);

	expect_code(&fault, 15);
	/* to the end of memory, and past it */
	put_code(&bed, MIB(1) - 15);
	cpu.regs.rip = MIB(1) - 15 - 0x7c000;
	fault = fault_of(&bed, &cpu);
	expect_code(&fault, 15);
	cpu.regs.rip += 10;
	fault = fault_of(&bed, &cpu);
	assert_int_equal(fault.nr_bytes, 5);
	assert_memory_equal(fault.bytes, code + 10, 5);
	cpu.regs.rip = 0xfff0;
	cpu.sregs.cs.base = 0xffff0000;
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	close_bed(&bed);
}

static void paging_32(void **state)
{
	struct bed bed = { 0 };
	struct cpu cpu = {
		.regs.rip = 0xc0801234,
		.sregs = { .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .cr4 = CR4_PSE, .cs.db = 1 },
	};

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	put(&bed, 0x1000 + 0x302 * 4, 0x2001, 4);
	put(&bed, 0x2000 + 1 * 4, 0x5001, 4);
	put_code(&bed, 0x5234);
	struct vc_fault fault = fault_of(&bed, &cpu);

	expect_code(&fault, 15);
	put(&bed, 0x2000 + 1 * 4, 0x5000, 4); /* not present */
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	/* 4 MiB page, at 0 */
	put(&bed, 0x1000 + 0x302 * 4, 0x81, 4);
	put_code(&bed, 0x1234);
	fault = fault_of(&bed, &cpu);
	expect_code(&fault, 15);
	/* without CR4.PSE the bit means nothing: entry 1 of a table at 0 is not there */
	cpu.sregs.cr4 = 0;
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	close_bed(&bed);
}

static void paging_pae(void **state)
{
	struct bed bed = { 0 };
	struct cpu cpu = {
		.regs.rip = 0xc0401234,
		.sregs = { .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1020, .cr4 = CR4_PAE, .cs.db = 1 },
	};

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	put(&bed, 0x1020 + 3 * 8, 0x2001, 8);
	put(&bed, 0x2000 + 2 * 8, 0x3001, 8);
	put(&bed, 0x3000 + 1 * 8, 0x5001 | 1ull << 63, 8); /* NX is no part of the address */
	put_code(&bed, 0x5234);
	struct vc_fault fault = fault_of(&bed, &cpu);

	expect_code(&fault, 15);
	put(&bed, 0x2000 + 2 * 8, MIB(16) | 0x81, 8); /* 2 MiB page */
	put_code(&bed, MIB(16) + 0x1234);
	fault = fault_of(&bed, &cpu);
	expect_code(&fault, 15);
	close_bed(&bed);
}

/* Long mode with everything on the way to a page of 4 KiB; @top is 0x1000 or the level above. */
static struct cpu long_mode(struct bed *bed, uint64_t rip)
{
	struct cpu cpu = {
		.regs.rip = rip,
		.sregs = { .cr0 = CR0_PE | CR0_PG,
			   .cr3 = 0x1000 | 0x18,
			   .cr4 = CR4_PAE,
			   .efer = EFER_LMA,
			   .cs = { .l = 1, .base = 0x5555 } },
	};

	put(bed, 0x1000 + (rip >> 39 & 511) * 8, 0x2003, 8);
	put(bed, 0x2000 + (rip >> 30 & 511) * 8, 0x3003, 8);
	put(bed, 0x3000 + (rip >> 21 & 511) * 8, 0x4003, 8);
	put(bed, 0x4000 + (rip >> 12 & 511) * 8, 0x5003, 8);
	return cpu;
}

static void paging_4_levels(void **state)
{
	const uint64_t rip = 0xffffffff81234ff8;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	struct cpu cpu = long_mode(&bed, rip);

	/* over the end of the page: what follows is elsewhere */
	assert_result(vc_mem_write(bed.mem, 0x5ff8, code, 8), 0);
	assert_result(vc_mem_write(bed.mem, 0x9000, code + 8, 7), 0);
	struct vc_fault fault = fault_of(&bed, &cpu);

	expect_code(&fault, 8);
	put(&bed, 0x4000 + ((rip >> 12 & 511) + 1) * 8, 0x9003, 8);
	fault = fault_of(&bed, &cpu);
	expect_code(&fault, 15);

	put(&bed, 0x3000 + (rip >> 21 & 511) * 8, 0x83, 8); /* 2 MiB at 0 */
	put_code(&bed, rip & 0x1fffff & 0xfffff);
	cpu.regs.rip = rip & ~0x100000ull;
	fault = fault_of(&bed, &cpu);
	assert_int_equal(fault.nr_bytes, 15);
	put(&bed, 0x2000 + (rip >> 30 & 511) * 8, 0x83, 8); /* 1 GiB at 0 */
	cpu.regs.rip = 0xffffffff80006000;
	put_code(&bed, 0x6000);
	fault = fault_of(&bed, &cpu);
	expect_code(&fault, 15);
	close_bed(&bed);
}

static void paging_5_levels(void **state)
{
	const uint64_t rip = 0xff12345600001100;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	struct cpu cpu = long_mode(&bed, rip);

	put(&bed, 0x8000 + (rip >> 48 & 511) * 8, 0x1003, 8);
	cpu.sregs.cr3 = 0x8000;
	cpu.sregs.cr4 |= CR4_LA57;
	put_code(&bed, 0x5100);
	struct vc_fault fault = fault_of(&bed, &cpu);

	expect_code(&fault, 15);
	close_bed(&bed);
}

static void tables_that_lead_away(void **state)
{
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	struct cpu cpu = long_mode(&bed, 0x400000);

	/* tables no memory, at the end of the address space, and one that is its own page */
	cpu.sregs.cr3 = MIB(8);
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	cpu.sregs.cr3 = 0x000ffffffffff000;
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	cpu.sregs.cr3 = UINT64_MAX;
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	cpu.sregs.cr3 = 0xa000;
	put(&bed, 0xa000, 0xa003, 8);
	cpu.regs.rip = 0;
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 15);
	put(&bed, 0xa000, 0xffffffffffffff7f, 8);
	assert_int_equal(fault_of(&bed, &cpu).nr_bytes, 0);
	/* around the end of the address space */
	cpu = long_mode(&bed, 0xfffffffffffffffa);
	assert_result(vc_mem_write(bed.mem, 0x5ffa, code, 6), 0);
	struct vc_fault fault = fault_of(&bed, &cpu);

	expect_code(&fault, 6);
	close_bed(&bed);
}

static void addresses_of_accesses(void **state)
{
	struct vc_exit exit = { .kind = VC_EXIT_MMIO, .addr = 0xd000 };
	struct vc_fault fault, before;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	assert_result(vc_vcpu_get_fault(bed.vcpus[0], &exit, &fault), 0);
	assert_int_equal(fault.addr, 0xd000);
	exit.kind = VC_EXIT_MEMORY_FAULT;
	assert_result(vc_vcpu_get_fault(bed.vcpus[0], &exit, &fault), 0);
	assert_int_equal(fault.addr, 0xd000);
	exit.kind = VC_EXIT_PIO;
	assert_result(vc_vcpu_get_fault(bed.vcpus[0], &exit, &fault), 0);
	assert_int_equal(fault.addr, UINT64_MAX);
	memset(&fault, 0x5a, sizeof(fault));
	before = fault;
	assert_refused(vc_vcpu_get_fault(NULL, &exit, &fault), -EINVAL, "no vCPU");
	assert_refused(vc_vcpu_get_fault(bed.vcpus[0], NULL, &fault), -EINVAL, "no exit");
	assert_refused(vc_vcpu_get_fault(bed.vcpus[0], &exit, NULL), -EINVAL, "no place");
	assert_memory_equal(&fault, &before, sizeof(fault));
	close_bed(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(without_paging),
		cmocka_unit_test(paging_32),
		cmocka_unit_test(paging_pae),
		cmocka_unit_test(paging_4_levels),
		cmocka_unit_test(paging_5_levels),
		cmocka_unit_test(tables_that_lead_away),
		cmocka_unit_test(addresses_of_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
