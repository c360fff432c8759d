/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Register states: what a descriptor in memory says, decoded as the CPU does, is what the hidden
 * part of the register says; and a walk of the page tables as the MMU does it.
 */
#include "boot_fixture.h"

static struct machine m;

static int setup(void **state)
{
	(void)state;
	make_machine(&m, 4, 4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_machine(&m);
	return 0;
}

static struct vc__load make_load(void)
{
	return (struct vc__load){ .mem = m.mem, .machine = &m.boot };
}

/* [SDM 3A figure 3-8] */
static void check_descriptor(const struct vc_x86_sregs *s, const struct vc_x86_segment *seg)
{
	uint32_t idx = seg->selector >> 3;

	assert_true(idx * 8 + 7 <= s->gdt.limit);
	uint64_t d = read_mem(&m, s->gdt.base + idx * 8, 8);
	uint64_t limit = (d & 0xffff) | (d >> 32 & 0xf0000);
	bool g = d >> 55 & 1;

	assert_int_equal((d >> 16 & 0xffffff) | (d >> 56 << 24), seg->base);
	assert_int_equal(g ? limit << 12 | 0xfff : limit, seg->limit);
	assert_int_equal(d >> 40 & 0xf, seg->type);
	assert_int_equal(d >> 44 & 1, seg->s);
	assert_int_equal(d >> 45 & 3, seg->dpl);
	assert_int_equal(d >> 47 & 1, seg->present);
	assert_int_equal(d >> 53 & 1, seg->l);
	assert_int_equal(d >> 54 & 1, seg->db);
	assert_int_equal(g, seg->g);
	assert_int_equal(seg->selector & 3, seg->dpl);
}

/* A linear address through the tables; fails where a level is not there. */
static vc_gpa walk(const struct vc_x86_sregs *s, uint64_t va, bool is_user)
{
	vc_gpa table = s->cr3;

	for (int level = 3; level > 0; level--) {
		uint64_t e = read_mem(&m, table + (va >> (12 + 9 * level) & 511) * 8, 8);

		assert_int_equal(e & 3, 3);
		assert_int_equal(e >> 2 & 1, is_user);
		table = e & 0xffffffffff000;
		if (e & 0x80) {
			assert_int_equal(level, 1);
			return (table & ~0x1fffffull) | (va & 0x1fffff);
		}
	}
	fail_msg("0x%llx is not in a large page", (unsigned long long)va);
	return 0;
}

static void check_long(bool is_user)
{
	static const uint64_t vas[] = {
		0,	    0xfff,	0x1000,	    0x1fffff,	0x200000,
		0x3fffffff, 0x40000000, 0xbfffffff, 0xfec00000, 0xffffffff
	};
	struct vc__load load = make_load();
	struct vc_boot_entry e = { 0 };

	assert_result(vc__entry_long(&load, 0x123456, is_user, &e), 0);
	assert_int_equal(e.regs.rip, 0x123456);
	const struct vc_x86_segment *all[] = { &e.sregs.cs, &e.sregs.ds, &e.sregs.es,
					       &e.sregs.fs, &e.sregs.gs, &e.sregs.ss };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		check_descriptor(&e.sregs, all[i]);
		assert_int_equal(all[i]->dpl, is_user ? 3 : 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(vas); i++)
		assert_int_equal(walk(&e.sregs, vas[i], is_user), vas[i]);
	/* [SDM 3A 4.1.2]: 4-level paging, long mode active. */
	assert_int_equal(e.sregs.cr0 & 0x80000011, 0x80000011);
	assert_int_equal(e.sregs.cr4, 0x20);
	assert_int_equal(e.sregs.efer, 0x500);
	assert_int_equal(e.sregs.tr.present, 1);
	assert_int_equal(e.sregs.tr.type, 11);
	assert_int_equal(e.sregs.ldt.unusable, 1);
	assert_int_equal(e.sregs.apic_base, 0xfee00900);
	/* What has the first entries must end: nothing above 4 GiB is mapped. */
	assert_int_equal(read_mem(&m, e.sregs.cr3 + 8, 8), 0);
	assert_int_equal(read_mem(&m, (read_mem(&m, e.sregs.cr3, 8) & ~0xfffull) + 4 * 8, 8), 0);
}

static void long_mode(void **state)
{
	(void)state;
	check_long(false);
}

static void long_mode_user(void **state)
{
	(void)state;
	check_long(true);
	check_long(false); /* a second boot leaves nothing of the first */
}

static void protected_mode(void **state)
{
	struct vc__load load = make_load();
	struct vc_boot_entry e = { 0 };

	(void)state;
	assert_result(vc__entry_protected(&load, 0x1000, false, &e), 0);
	assert_int_equal(e.sregs.gdt.base, 0);
	assert_true(is_blank(&m));
	assert_int_equal(e.sregs.cr0, 0x11);
	assert_result(vc__entry_protected(&load, 0x1000, true, &e), 0);
	check_descriptor(&e.sregs, &e.sregs.cs);
	check_descriptor(&e.sregs, &e.sregs.ss);
	assert_int_equal(e.sregs.cs.l, 0);
	assert_true(e.regs.rsp != 0);
}

static void real_mode(void **state)
{
	struct vc_boot_entry e = { 0 };

	(void)state;
	vc__entry_real(0xf0000, &e);
	assert_int_equal(e.sregs.cs.base, 0xf0000);
	assert_int_equal(e.sregs.cs.selector, 0xf000);
	assert_int_equal(e.sregs.ss.base, 0);
	assert_int_equal(e.sregs.cr0 & 0x80000001, 0);
	assert_int_equal(e.sregs.idt.limit, 0x3ff);
	assert_int_equal(e.regs.rip, 0);
}

static void refuse_no_ram(void **state)
{
	struct vc_boot_entry e = { 0 };
	struct vc_mem *empty;

	(void)state;
	assert_result(vc_mem_create(&empty), 0);
	assert_result(vc_mem_freeze(empty), 0);
	struct vc__load load = { .mem = empty, .machine = &m.boot };
	assert_refused(vc__entry_long(&load, 0, false, &e), -EFAULT, "0 to 640 KiB");
	assert_refused(vc__entry_long(&load, 0, true, &e), -EFAULT, "0 to 640 KiB");
	assert_refused(vc__entry_protected(&load, 0, true, &e), -EFAULT, "0 to 640 KiB");
	vc_mem_destroy(empty);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(long_mode), CASE(long_mode_user), CASE(protected_mode),
		CASE(real_mode), CASE(refuse_no_ram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
