/* SPDX-License-Identifier: Apache-2.0 */
/* Also covers: entry_x86.c */
/* Flat images in their four modes. */
#include "boot_fixture.h"

static const uint8_t image[5000] = { 0xf4, 1, 2, 3 };

static int load(struct machine *m, vc_gpa gpa, enum vc_flat_mode mode, struct vc_boot_entry *ret)
{
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kind = VC_BOOT_FLAT,
				      .kernel = { .buf = image, .len = sizeof(image) },
				      .flat_gpa = gpa,
				      .flat_mode = mode };
	return vc_boot_load(m->mem, &cfg, &m->boot, ret);
}

static void check(const struct machine *m, const struct vc_boot_entry *e, vc_gpa gpa)
{
	uint8_t got[sizeof(image)];

	assert_int_equal(e->kind, VC_BOOT_FLAT);
	assert_int_equal(e->kernel_gpa, gpa);
	assert_int_equal(e->kernel_len, sizeof(image));
	assert_int_equal(vc_mem_read(m->mem, gpa, got, sizeof(got)), 0);
	assert_memory_equal(got, image, sizeof(got));
	assert_int_equal(e->sregs.apic_base, 0xfee00900);
}

static void long_64(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 4, 4);
	assert_result(load(&m, 0xffff00, VC_FLAT_LONG_64, &e), -EFAULT);
	assert_result(load(&m, 0x1ff000, VC_FLAT_LONG_64, &e), 0);
	check(&m, &e, 0x1ff000);
	assert_int_equal(e.regs.rip, 0x1ff000);
	assert_int_equal(e.regs.rflags, 2);
	assert_int_equal(e.sregs.cs.dpl, 0);
	assert_int_equal(e.sregs.efer, 0x500);
	/* The stack works, and its page is nobody else's. */
	assert_int_equal(read_mem(&m, e.regs.rsp - 8, 8), 0);
	drop_machine(&m);
}

static void user(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 4, 1);
	assert_result(load(&m, 0x100000, VC_FLAT_LONG_64_USER, &e), 0);
	check(&m, &e, 0x100000);
	assert_int_equal(e.regs.rflags, 0x3002);
	assert_int_equal(e.sregs.cs.selector, 0x33);
	assert_int_equal(e.sregs.cs.dpl, 3);
	assert_int_equal(e.sregs.ss.selector, 0x2b);
	assert_int_equal(e.sregs.ss.dpl, 3);
	/* All levels of the tables let CPL 3 through. */
	uint64_t pml4e = read_mem(&m, e.sregs.cr3, 8);
	assert_int_equal(pml4e & 7, 7);
	uint64_t pdpte = read_mem(&m, pml4e & ~0xfffull, 8);
	assert_int_equal(pdpte & 7, 7);
	assert_int_equal(read_mem(&m, (pdpte & ~0xfffull) + 8, 8), 0x2000e7 & ~0x60u);
	/* The bitmap: 65,536 zeros, then ones, all within the limit. */
	assert_int_equal(e.sregs.tr.selector, 0x40);
	assert_int_equal(e.sregs.tr.limit, 0x2068);
	assert_int_equal(read_mem(&m, e.sregs.tr.base + 0x66, 2), 0x68);
	for (int i = 0; i < 8192; i += 8)
		assert_int_equal(read_mem(&m, e.sregs.tr.base + 0x68 + i, 8), 0);
	assert_int_equal(read_mem(&m, e.sregs.tr.base + 0x2068, 1), 0xff);
	/* In memory the TSS is not busy: the guest can load TR again. */
	uint64_t low = read_mem(&m, e.sregs.gdt.base + 0x40, 8);
	assert_int_equal(low >> 40 & 0x1f, 9);
	assert_int_equal((low >> 16 & 0xffffff) | (low >> 56 << 24), e.sregs.tr.base);
	assert_int_equal(read_mem(&m, e.sregs.gdt.base + 0x48, 8), 0);
	assert_int_equal(e.sregs.gdt.limit, 0x4f);
	drop_machine(&m);
}

static void protected_32(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 4, 1);
	assert_result(load(&m, 0x30000, VC_FLAT_PROTECTED_32, &e), 0);
	check(&m, &e, 0x30000);
	assert_int_equal(e.sregs.cr0, 0x11);
	assert_int_equal(e.sregs.efer, 0);
	assert_int_equal(e.sregs.cs.db, 1);
	assert_int_equal(read_mem(&m, e.sregs.gdt.base + e.sregs.cs.selector, 8),
			 0x00cf9b000000ffff);
	drop_machine(&m);
}

static void real_16(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 2, 1);
	assert_result(load(&m, 0x7c00, VC_FLAT_REAL_16, &e), 0);
	check(&m, &e, 0x7c00);
	assert_int_equal(e.regs.rip, 0);
	assert_int_equal(e.sregs.cs.base, 0x7c00);
	assert_int_equal(e.sregs.cs.selector, 0x7c0);
	assert_int_equal(e.sregs.cs.limit, 0xffff);
	assert_int_equal(e.sregs.cr0 & 1, 0);
	assert_int_equal(e.sregs.ds.base, 0);
	assert_result(load(&m, 0, VC_FLAT_REAL_16, &e), 0); /* nothing of ours is there */
	check(&m, &e, 0);
	assert_result(load(&m, 0xffff0, VC_FLAT_REAL_16, &e), 0);
	assert_int_equal(e.sregs.cs.selector, 0xffff);
	drop_machine(&m);
}

static void refuse(void **state)
{
	struct vc_boot_entry e = { .kernel_gpa = 77 };
	struct machine m;

	(void)state;
	make_machine(&m, 4, 1);
	assert_refused(load(&m, 0x7c01, VC_FLAT_REAL_16, &e), -EINVAL, "multiple of 16");
	assert_refused(load(&m, 0x100000, VC_FLAT_REAL_16, &e), -EINVAL, "below 1 MiB");
	assert_refused(load(&m, 0, VC_FLAT_LONG_64, &e), -EINVAL, "boot structures");
	assert_refused(load(&m, 0xdfff, VC_FLAT_LONG_64_USER, &e), -EINVAL, "boot structures");
	assert_refused(load(&m, 0x5000, VC_FLAT_PROTECTED_32, &e), -EINVAL, "boot structures");
	assert_refused(load(&m, 1ull << 32, VC_FLAT_LONG_64, &e), -EINVAL, "pass 4 GiB");
	assert_refused(load(&m, 0xffffffff, VC_FLAT_LONG_64, &e), -EINVAL, "pass 4 GiB");
	assert_refused(load(&m, UINT64_MAX, VC_FLAT_LONG_64, &e), -EINVAL, "pass 4 GiB");
	assert_refused(load(&m, 4 * VC__MIB - 4999, VC_FLAT_LONG_64, &e), -EFAULT, "no writable");
	assert_refused(load(&m, 5 * VC__MIB, VC_FLAT_LONG_64, &e), -EFAULT, "no writable RAM");
	assert_refused(load(&m, 0xf0000, VC_FLAT_REAL_16, &e), -EINVAL, "ACPI tables at 0xe0000");
	assert_refused(load(&m, 0xdfff0, VC_FLAT_LONG_64, &e), -EINVAL, "ACPI tables");
	assert_refused(load(&m, 0xfefff, VC_FLAT_PROTECTED_32, &e), -EINVAL, "ACPI tables");
	assert_int_equal(e.kernel_gpa, 77);
	assert_result(load(&m, 0xff000, VC_FLAT_PROTECTED_32, &e), 0);
	assert_result(load(&m, 0xe000, VC_FLAT_LONG_64, &e), 0);
	drop_machine(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_64), cmocka_unit_test(user),   cmocka_unit_test(protected_32),
		cmocka_unit_test(real_16), cmocka_unit_test(refuse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
