/* SPDX-License-Identifier: Apache-2.0 */
/* bzImages: where they go, what the zero page says, and headers that lie. */
#include "boot_fixture.h"

static uint8_t bz[BZ_BYTES];
#define CODE (bz + BZ_SETUP_BYTES)

static int load(struct machine *m, struct vc_boot_entry *ret)
{
	return load_buf(m, VC_BOOT_BZIMAGE, bz, sizeof(bz), ret);
}

static void check_zero_page(const struct machine *m, const struct vc_boot_entry *e)
{
	uint8_t zp[4096];

	assert_int_equal(e->params_gpa % 4096, 0);
	assert_int_equal(vc_mem_read(m->mem, e->params_gpa, zp, sizeof(zp)), 0);
	/* The header as the file has it, but for what a loader writes. */
	assert_memory_equal(zp + 0x1fe, bz + 0x1fe, 0x210 - 0x1fe);
	assert_memory_equal(zp + 0x22c, bz + 0x22c, 0x23c - 0x22c);
	assert_memory_equal(zp + 0x258, bz + 0x258, 0x26c - 0x258);
	assert_int_equal(zp[0x210], 0xff);
	assert_int_equal(zp[0x1ef], 0); /* sentinel */
	uint64_t v = 0;
	memcpy(&v, zp + 0x228, 4);
	assert_int_equal(v, e->cmdline_gpa);
	memcpy(&v, zp + 0x218, 4);
	assert_int_equal(v, e->initrd_gpa);
	memcpy(&v, zp + 0x21c, 4);
	assert_int_equal(v, e->initrd_len);
	memcpy(&v, zp + 0x70, 8);
	assert_int_equal(v, m->boot.rsdp);
	assert_int_equal(zp[0x1e8], m->boot.nr_ranges);
	for (size_t i = 0; i < m->boot.nr_ranges; i++) {
		uint64_t gpa, len;
		uint32_t type;

		memcpy(&gpa, zp + 0x2d0 + 20 * i, 8);
		memcpy(&len, zp + 0x2d0 + 20 * i + 8, 8);
		memcpy(&type, zp + 0x2d0 + 20 * i + 16, 4);
		assert_int_equal(gpa, m->boot.ranges[i].gpa);
		assert_int_equal(len, m->boot.ranges[i].len_bytes);
		assert_int_equal(type, m->boot.ranges[i].type);
	}
	/* The screen: all zeros, or Linux would drive a VGA. */
	for (size_t i = 0; i < 0x40; i++)
		assert_int_equal(zp[i], 0);
}

/* The 64-bit state, and that its page tables map the low 4 GiB to themselves. */
static void check_entry(const struct machine *m, const struct vc_boot_entry *e)
{
	assert_int_equal(e->regs.rip, e->kernel_gpa + 0x200);
	assert_int_equal(e->regs.rsi, e->params_gpa);
	assert_int_equal(e->regs.rflags, 2);
	assert_int_equal(e->sregs.cs.selector, 0x10);
	assert_int_equal(e->sregs.cs.l, 1);
	assert_int_equal(e->sregs.ds.selector, 0x18);
	assert_int_equal(e->sregs.cr0 & 0x80000001, 0x80000001);
	assert_int_equal(e->sregs.efer, 0x500);
	assert_int_equal(e->sregs.cr4 & 0x20, 0x20);
	for (uint64_t gpa = 0; gpa < 4 * VC__GIB; gpa += 0x1234567) {
		uint64_t pml4e = read_mem(m, e->sregs.cr3 + (gpa >> 39) * 8, 8);
		uint64_t pdpte = read_mem(m, (pml4e & ~0xfffull) + (gpa >> 30) * 8, 8);
		uint64_t pde = read_mem(m, (pdpte & ~0xfffull) + (gpa >> 21 & 511) * 8, 8);

		assert_int_equal(pml4e & 7, 3);
		assert_int_equal(pdpte & 0x87, 3);
		assert_int_equal(pde & 0x87, 0x83);
		assert_int_equal(pde & ~0x1fffffull, gpa & ~0x1fffffull);
	}
	/* What the GDT says of CS and DS is what the hidden parts have. */
	assert_int_equal(read_mem(m, e->sregs.gdt.base + 0x10, 8), 0x00af9b000000ffff);
	assert_int_equal(read_mem(m, e->sregs.gdt.base + 0x18, 8), 0x00cf93000000ffff);
}

static void loads(void **state)
{
	struct vc_boot_entry e;
	uint8_t got[BZ_CODE_BYTES];
	struct machine m;

	(void)state;
	for (size_t nr_regions = 1; nr_regions <= 8; nr_regions += 7) {
		make_machine(&m, 64, nr_regions);
		make_bzimage(bz);
		assert_result(load(&m, &e), 0);
		assert_int_equal(e.kind, VC_BOOT_BZIMAGE);
		assert_int_equal(e.kernel_gpa, 0x1000000);
		assert_int_equal(e.kernel_len, 0x400000);
		assert_int_equal(e.initrd_len, 0);
		assert_int_equal(vc_mem_read(m.mem, e.kernel_gpa, got, sizeof(got)), 0);
		assert_memory_equal(got, CODE, sizeof(got));
		char cmdline[32];
		assert_int_equal(vc_mem_read(m.mem, e.cmdline_gpa, cmdline, 14), 0);
		assert_string_equal(cmdline, "console=ttyS0");
		check_zero_page(&m, &e);
		check_entry(&m, &e);
		drop_machine(&m);
	}
}

/* Where the preferred place has no RAM the lowest aligned one is taken. */
static void places(void **state)
{
	static const struct {
		uint64_t mib, pref, align, init_size, want;
	} cases[] = {
		{ 64, 0x1000000, 0x200000, 0x400000, 0x1000000 },
		{ 16, 0x1000000, 0x200000, 0x400000, 0x200000 },
		{ 20, 0x1000000, 0x200000, 0x400000, 0x1000000 }, /* up to the last byte */
		{ 20, 0x1000000, 0x200000, 0x400001, 0x200000 },
		{ 64, 0x1100000, 0x200000, 0x400000, 0x200000 }, /* preferred is not aligned */
		{ 64, 0x90000, 0x1000, 0x400000, 0x100000 },
		{ 64, 0, 0x1000, 0x400000, 0x100000 },
		{ 64, UINT64_MAX, 0x1000, 0x400000, 0x100000 },
		{ 64, 0xfffff000, 0x1000, 0x400000, 0x100000 },
		{ 64, 0x1000000, 0x1000000, 0x3000000, 0x1000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vc_boot_entry e;
		struct machine m;

		make_machine(&m, cases[i].mib, 1);
		make_bzimage(bz);
		put_le(bz, 0x258, 8, cases[i].pref);
		put_le(bz, 0x230, 4, cases[i].align);
		put_le(bz, 0x260, 4, cases[i].init_size);
		assert_result(load(&m, &e), 0);
		assert_int_equal(e.kernel_gpa, cases[i].want);
		drop_machine(&m);
	}
}

static void initrd(void **state)
{
	uint8_t *bytes = calloc(1, 8 * VC__MIB);
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = bz, .len = sizeof(bz) },
				      .initrd = { .buf = bytes, .len = 5001 } };
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	memset(bytes, 0x5a, 5001);
	make_machine(&m, 64, 4);
	make_bzimage(bz);
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(e.initrd_gpa, 64 * VC__MIB - 8192);
	assert_int_equal(e.initrd_len, 5001);
	assert_int_equal(read_mem(&m, e.initrd_gpa + 5000, 2), 0x5a);
	check_zero_page(&m, &e);
	/* Below what the kernel can reach. */
	put_le(bz, 0x22c, 4, 0xffffff);
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(e.initrd_gpa, 16 * VC__MIB - 8192);
	put_le(bz, 0x22c, 4, 0xffffffff); /* plus one: 4 GiB, not 0 */
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(e.initrd_gpa, 64 * VC__MIB - 8192);
	/* Under the kernel when there is no room above it. */
	put_le(bz, 0x260, 4, 0x3000000 - 4096);
	cfg.initrd.len = 5 * VC__MIB;
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(e.initrd_gpa, 11 * VC__MIB);
	put_le(bz, 0x258, 8, 0x200000);
	put_le(bz, 0x260, 4, 0x3d00000);
	assert_refused(vc_boot_load(m.mem, &cfg, &m.boot, &e), -ENOSPC,
		       "initrd of 5120 KiB does not fit");
	drop_machine(&m);
	free(bytes);
}

/* One changed field, and what is said of it. Nothing may be written by any. */
static void refuse_headers(void **state)
{
	static const struct changed cases[] = {
		{ 0x1fe, 2, 0x55aa, -ENOEXEC, "no Linux setup header" },
		{ 0x202, 4, 0x53726448 ^ 1, -ENOEXEC, "no Linux setup header" },
		{ 0x206, 2, 0x20b, -ENOEXEC, "boot protocol 2.11" },
		{ 0x201, 1, 0x61, -ENOEXEC, "setup header ends at 0x263" },
		{ 0x201, 1, 0x8f, -ENOEXEC, "setup header ends at 0x291" },
		{ 0x211, 1, 0, -ENOEXEC, "is a zImage" },
		{ 0x236, 2, 0xfffe, -ENOEXEC, "no 64-bit entry" },
		{ 0x1f4, 4, 0xffffffff, -EIO, "of setup and 68719476720 of code" },
		{ 0x1f4, 4, BZ_CODE_BYTES / 16 + 1, -EIO, "1024 of setup and 8208 of code" },
		{ 0x1f1, 1, 0xff, -EIO, "131072 of setup" },
		{ 0x1f4, 4, 0, -ENOEXEC, "0 bytes of code" },
		{ 0x1f4, 4, 0x20, -ENOEXEC, "512 bytes of code" },
		{ 0x260, 4, 0, -ENOEXEC, "init_size 0x0" },
		{ 0x260, 4, BZ_CODE_BYTES - 1, -ENOEXEC, "init_size 0x1fff" },
		{ 0x260, 4, 0xffffffff, -ENOSPC, "needs 4194303 KiB" },
		{ 0x230, 4, 0, -ENOEXEC, "kernel_alignment 0x0" },
		{ 0x230, 4, 0x300000, -ENOEXEC, "kernel_alignment 0x300000" },
		{ 0x230, 4, 1, -ENOEXEC, "kernel_alignment 0x1" },
		{ 0x238, 4, 12, -ENAMETOOLONG, "13 bytes long, this kernel takes 12" },
		{ 0x238, 4, 0, -ENAMETOOLONG, "this kernel takes 0" },
	};
	const struct good good = { 64, VC_BOOT_BZIMAGE, make_bzimage, bz, sizeof(bz) };

	(void)state;
	refuse_changed(&good, cases, ARRAY_LEN(cases));
}

static void refuse_short(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 32, 1);
	make_bzimage(bz);
	for (size_t len = 0; len < sizeof(bz); len += len < 0x280 ? 1 : 61) {
		uint8_t *copy = malloc(len ? len : 1); /* so that ASAN sees a read too far */
		memcpy(copy, bz, len);
		int r = load_buf(&m, VC_BOOT_BZIMAGE, copy, len, &e);
		/* Only the padding of the last 16 bytes may be missing. */
		if (len + 15 < sizeof(bz))
			assert_true(r == -EIO || r == -ENOEXEC);
		free(copy);
	}
	assert_true(is_blank(&m));
	drop_machine(&m);
}

static void refuse_not_relocatable(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 16, 1);
	make_bzimage(bz);
	bz[0x234] = 0;
	assert_refused(load(&m, &e), -ENOSPC, "at 0x1000000, RAM below 4 GiB ends at 0x1000000");
	put_le(bz, 0x258, 8, 0x812000); /* alignment does not matter to it */
	assert_result(load(&m, &e), 0);
	assert_int_equal(e.kernel_gpa, 0x812000);
	drop_machine(&m);
}

/* The file may not make the kernel follow its pointers. */
static void hostile_fields(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 64, 1);
	make_bzimage(bz);
	put_le(bz, 0x250, 8, 0x1000000); /* setup_data */
	put_le(bz, 0x23c, 4, 3);	 /* hardware_subarch */
	put_le(bz, 0x240, 8, UINT64_MAX);
	put_le(bz, 0x218, 8, UINT64_MAX); /* ramdisk */
	put_le(bz, 0x228, 4, 0xffffffff); /* command line */
	bz[0x211] |= 0x80;
	assert_result(load(&m, &e), 0);
	assert_int_equal(read_mem(&m, e.params_gpa + 0x250, 8), 0);
	assert_int_equal(read_mem(&m, e.params_gpa + 0x23c, 4), 0);
	assert_int_equal(read_mem(&m, e.params_gpa + 0x240, 8), 0);
	assert_int_equal(read_mem(&m, e.params_gpa + 0x211, 1), 1);
	check_zero_page(&m, &e);
	drop_machine(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),	  cmocka_unit_test(places),
		cmocka_unit_test(initrd),	  cmocka_unit_test(refuse_headers),
		cmocka_unit_test(refuse_short),	  cmocka_unit_test(refuse_not_relocatable),
		cmocka_unit_test(hostile_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
