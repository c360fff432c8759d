/* SPDX-License-Identifier: Apache-2.0 */
/* Also covers: elf_image.c */
/* PVH kernels: segments, start info, register state, and ELF files that lie. */
#include "boot_fixture.h"

static uint8_t elf[ELF_BYTES];

static int load(struct machine *m, struct vc_boot_entry *ret)
{
	return load_buf(m, VC_BOOT_PVH, elf, sizeof(elf), ret);
}

static void check_start_info(const struct machine *m, const struct vc_boot_entry *e)
{
	struct {
		uint32_t magic, version, flags, nr_modules;
		uint64_t modlist, cmdline, rsdp, memmap;
		uint32_t nr_memmap, reserved;
	} si;

	assert_int_equal(e->regs.rbx, e->params_gpa);
	assert_int_equal(vc_mem_read(m->mem, e->params_gpa, &si, sizeof(si)), 0);
	assert_int_equal(si.magic, 0x336ec578);
	assert_int_equal(si.version, 1);
	assert_int_equal(si.flags, 0);
	assert_int_equal(si.nr_modules, e->initrd_len ? 1 : 0);
	assert_int_equal(si.cmdline, e->cmdline_gpa);
	assert_int_equal(si.rsdp, m->boot.rsdp);
	assert_int_equal(si.nr_memmap, m->boot.nr_ranges);
	assert_int_equal(si.reserved, 0);
	if (e->initrd_len) {
		assert_int_equal(read_mem(m, si.modlist, 8), e->initrd_gpa);
		assert_int_equal(read_mem(m, si.modlist + 8, 8), e->initrd_len);
		assert_int_equal(read_mem(m, si.modlist + 16, 8), 0);
	}
	for (uint32_t i = 0; i < si.nr_memmap; i++) {
		vc_gpa at = si.memmap + 24 * i;

		assert_int_equal(read_mem(m, at, 8), m->boot.ranges[i].gpa);
		assert_int_equal(read_mem(m, at + 8, 8), m->boot.ranges[i].len_bytes);
		assert_int_equal(read_mem(m, at + 16, 8), m->boot.ranges[i].type);
	}
}

static void check_loaded(const struct machine *m, const struct vc_boot_entry *e)
{
	uint8_t got[ELF_SEGMENT];

	assert_int_equal(e->kernel_gpa, ELF_TEXT_GPA);
	assert_int_equal(e->kernel_len, ELF_DATA_GPA + ELF_SEGMENT + ELF_BSS - ELF_TEXT_GPA);
	assert_int_equal(vc_mem_read(m->mem, ELF_TEXT_GPA, got, sizeof(got)), 0);
	assert_memory_equal(got, elf + ELF_TEXT_OFF, sizeof(got));
	assert_int_equal(vc_mem_read(m->mem, ELF_DATA_GPA, got, sizeof(got)), 0);
	assert_memory_equal(got, elf + ELF_DATA_OFF, sizeof(got));
	for (uint32_t off = 0; off < ELF_BSS; off++)
		assert_int_equal(read_mem(m, ELF_DATA_GPA + ELF_SEGMENT + off, 1), 0);
	/* [Xen hvm/start_info.h]: flat 32-bit segments, paging off. */
	assert_int_equal(e->regs.rip, ELF_ENTRY);
	assert_int_equal(e->regs.rflags, 2);
	assert_int_equal(e->sregs.cr0, 0x11);
	assert_int_equal(e->sregs.cr4, 0);
	assert_int_equal(e->sregs.efer, 0);
	assert_int_equal(e->sregs.cs.type & 0xa, 0xa);
	assert_int_equal(e->sregs.cs.base, 0);
	assert_int_equal(e->sregs.cs.limit, 0xffffffff);
	assert_int_equal(e->sregs.cs.db, 1);
	assert_int_equal(e->sregs.cs.l, 0);
	assert_int_equal(e->sregs.ss.type & 0xa, 2);
	assert_int_equal(e->sregs.tr.type, 11);
	assert_int_equal(e->sregs.tr.limit, 0x67);
}

static void loads(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	for (size_t nr_regions = 1; nr_regions <= 8; nr_regions += 7) {
		make_machine(&m, 8, nr_regions);
		make_elf(elf);
		assert_result(load(&m, &e), 0);
		assert_int_equal(e.kind, VC_BOOT_PVH);
		check_loaded(&m, &e);
		check_start_info(&m, &e);
		drop_machine(&m);
	}
}

/* What an earlier boot left is gone, the BSS too; fresh memory is not touched for it. */
static void zeroes_bss(void **state)
{
	uint8_t junk[ELF_BSS + 16];
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 8, 1);
	make_elf(elf);
	memset(junk, 0xaa, sizeof(junk));
	assert_int_equal(vc_mem_write(m.mem, ELF_DATA_GPA + ELF_SEGMENT, junk, sizeof(junk)), 0);
	assert_result(load(&m, &e), 0);
	check_loaded(&m, &e);
	assert_int_equal(read_mem(&m, ELF_DATA_GPA + ELF_SEGMENT + ELF_BSS, 1), 0xaa);

	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = elf, .len = sizeof(elf) } };
	assert_int_equal(vc_mem_write(m.mem, ELF_DATA_GPA + ELF_SEGMENT, junk, 1), 0);
	struct vc__boot_files files;
	assert_result(vc__boot_open(&cfg, &files), 0);
	assert_result(vc__boot_load(m.mem, &files, &m.boot, true, &e), 0);
	vc__boot_close(&files);
	assert_int_equal(read_mem(&m, ELF_DATA_GPA + ELF_SEGMENT, 1), 0xaa);
	drop_machine(&m);
}

static void initrd(void **state)
{
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = elf, .len = sizeof(elf) },
				      .initrd = { .buf = "initrd", .len = 6 } };
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 8, 3);
	make_elf(elf);
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(e.initrd_gpa, 8 * VC__MIB - 4096);
	assert_int_equal(read_mem(&m, e.initrd_gpa, 6), 0x647274696e69);
	check_start_info(&m, &e);
	drop_machine(&m);
}

static void elf32(void **state)
{
	Elf32_Ehdr h = { .e_type = ET_EXEC,
			 .e_machine = EM_386,
			 .e_phoff = 0x40,
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = 3 };
	Elf32_Phdr p[3] = {
		{ .p_type = PT_LOAD,
		  .p_offset = ELF_TEXT_OFF,
		  .p_paddr = ELF_TEXT_GPA,
		  .p_filesz = ELF_SEGMENT,
		  .p_memsz = ELF_SEGMENT },
		{ .p_type = PT_LOAD,
		  .p_offset = ELF_DATA_OFF,
		  .p_paddr = ELF_DATA_GPA,
		  .p_filesz = ELF_SEGMENT,
		  .p_memsz = ELF_SEGMENT + ELF_BSS },
		{ .p_type = PT_NOTE, .p_offset = ELF_NOTE_OFF, .p_filesz = ELF_NOTES_LEN - 4 },
	};
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_elf(elf);
	memset(elf, 0, ELF_NOTE_OFF);
	memcpy(h.e_ident, "\177ELF\1\1\1", 7);
	memcpy(elf, &h, sizeof(h));
	memcpy(elf + 0x40, p, sizeof(p));
	put_le(elf, ELF_XEN_NOTE + 4, 4, 4); /* a 32-bit address */
	make_machine(&m, 8, 1);
	assert_result(load(&m, &e), 0);
	check_loaded(&m, &e);
	elf[18] = EM_X86_64;
	assert_refused(load(&m, &e), -ENOEXEC, "ELF32 for machine 62, 3 (x86)");
	drop_machine(&m);
}

/* One changed number. Nothing may be written by any. */
static void refuse_headers(void **state)
{
	static const struct changed cases[] = {
		{ 0, 1, 0x7e, -ENOEXEC, "is no ELF file" },
		{ 4, 1, 3, -ENOEXEC, "neither ELF32 nor ELF64" },
		{ 5, 1, 2, -ENOEXEC, "little-endian" },
		{ 16, 2, ET_REL, -ENOEXEC, "ELF type 1" },
		{ 18, 2, EM_AARCH64, -ENOEXEC, "for machine 183, 62 (x86)" },
		{ 32, 8, UINT64_MAX - 8, -EIO, "has 12288 bytes" },
		{ 32, 8, ELF_BYTES - 60, -EIO, "has 12288 bytes" },
		{ 54, 2, 32, -ENOEXEC, "program headers of 32 bytes" },
		{ 56, 2, 0, -ENOEXEC, "0 program headers" },
		{ 56, 2, 65, -ENOEXEC, "65 program headers, 1 to 64" },
		{ 56, 2, 1, -ENOEXEC, "no PVH entry note" },
		/* first segment: offset, address, length in the file, in memory */
		{ ELF_PHDR(0) + 8, 8, ELF_BYTES - 1, -EIO, "a segment of 4096 at offset" },
		{ ELF_PHDR(0) + 8, 8, UINT64_MAX, -EIO, "a segment of 4096 at offset" },
		{ ELF_PHDR(0) + 24, 8, UINT64_MAX - 99, -ENOEXEC, "ends beyond 2^64" },
		{ ELF_PHDR(0) + 24, 8, ELF_DATA_GPA - 1, -ENOEXEC, "lies in no segment" },
		{ ELF_PHDR(0) + 24, 8, 0xfff000, -ENOEXEC, "lies in no segment" },
		{ ELF_PHDR(0) + 32, 8, ELF_SEGMENT + 1, -ENOEXEC, "4097 bytes in the file, 4096" },
		{ ELF_PHDR(0) + 40, 8, ELF_SEGMENT - 1, -ENOEXEC, "4096 bytes in the file, 4095" },
		{ ELF_PHDR(0) + 40, 8, VC__GIB, -ENOSPC, "RAM ends at 0x800000" },
		/* second segment */
		{ ELF_PHDR(1) + 24, 8, ELF_TEXT_GPA + 0xfff, -ENOEXEC, "overlap" },
		{ ELF_PHDR(1) + 24, 8, 0x800000 - ELF_SEGMENT - ELF_BSS + 1, -ENOSPC, "RAM ends" },
		{ ELF_PHDR(1) + 24, 8, 0x9f000, -EFAULT, "not all of it is RAM" },
		{ ELF_PHDR(1) + 24, 8, 0xe0000, -EFAULT, "not all of it is RAM" },
		{ ELF_PHDR(1) + 24, 8, 0xa000, -EFAULT, "boot structures" },
		{ ELF_PHDR(1) + 24, 8, 0x2f000, -EFAULT, "boot structures" },
		{ ELF_PHDR(1) + 40, 8, UINT64_MAX, -ENOEXEC, "ends beyond 2^64" },
		{ ELF_PHDR(1) + 40, 8, UINT64_MAX - ELF_DATA_GPA, -ENOSPC, "RAM ends at 0x800000" },
		/* notes */
		{ ELF_PHDR(2) + 32, 8, 65537, -ENOEXEC, "65537 bytes of notes" },
		{ ELF_PHDR(2) + 32, 8, UINT64_MAX, -ENOEXEC, "bytes of notes" },
		{ ELF_PHDR(2) + 32, 8, 0, -ENOEXEC, "no PVH entry note" },
		{ ELF_PHDR(2) + 32, 8, 40, -ENOEXEC, "no PVH entry note" },
		{ ELF_PHDR(2) + 8, 8, ELF_BYTES - 8, -EIO, "were expected" },
		{ ELF_NOTE_OFF, 4, UINT32_MAX, -ENOEXEC, "a note of" },
		{ ELF_NOTE_OFF + 4, 4, UINT32_MAX, -ENOEXEC, "a note of" },
		{ ELF_NOTE_OFF + 4, 4, 0x7fffffff, -ENOEXEC, "a note of" },
		{ ELF_XEN_NOTE, 4, 5, -ENOEXEC, "a note of 16 bytes" },
		{ ELF_XEN_NOTE + 4, 4, 3, -ENOEXEC, "PVH note of 3 bytes" },
		{ ELF_XEN_NOTE + 4, 4, 9, -ENOEXEC, "a note of 13 bytes" },
		{ ELF_XEN_NOTE + 8, 4, 17, -ENOEXEC, "no PVH entry note" },
		{ ELF_XEN_NOTE + 16, 8, 1ull << 32, -ENOEXEC, "PVH entry 0x100000000" },
		{ ELF_XEN_NOTE + 16, 8, ELF_TEXT_GPA - 1, -ENOEXEC, "lies in no segment" },
		{ ELF_XEN_NOTE + 16, 8, ELF_TEXT_GPA + ELF_SEGMENT, -ENOEXEC,
		  "lies in no segment" },
		/* in a BSS there is no code */
		{ ELF_XEN_NOTE + 16, 8, ELF_DATA_GPA + ELF_SEGMENT, -ENOEXEC, "lies in no" },
	};
	const struct good good = { 8, VC_BOOT_PVH, make_elf, elf, sizeof(elf) };

	(void)state;
	refuse_changed(&good, cases, ARRAY_LEN(cases));
}

static void refuse_short(void **state)
{
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 8, 1);
	make_elf(elf);
	for (size_t len = 0; len < sizeof(elf); len += len < ELF_TEXT_OFF ? 7 : 97) {
		uint8_t *copy = malloc(len ? len : 1);
		memcpy(copy, elf, len);
		assert_refused(load_buf(&m, VC_BOOT_PVH, copy, len, &e), -EIO, "has ");
		free(copy);
	}
	assert_true(is_blank(&m));
	drop_machine(&m);
}

/* 64 segments, none larger than the file: all fine, until one more or until two meet. */
static void many_segments(void **state)
{
	static uint8_t big[ELF_BYTES + 64 * sizeof(Elf64_Phdr)];
	const size_t table = ELF_BYTES;
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 16, 1);
	make_elf(elf);
	memcpy(big, elf, ELF_BYTES);
	put_le(big, 32, 8, table);
	put_le(big, 56, 2, 64);
	memcpy(big + table, elf + ELF_PHDR(0), 3 * sizeof(Elf64_Phdr));
	for (size_t i = 3; i < 64; i++) {
		Elf64_Phdr p = { .p_type = PT_LOAD,
				 .p_paddr = 0x400000 + i * 0x1000,
				 .p_offset = i,
				 .p_filesz = 3,
				 .p_memsz = 0x1000 };
		memcpy(big + table + i * sizeof(p), &p, sizeof(p));
	}
	assert_result(load_buf(&m, VC_BOOT_AUTO, big, sizeof(big), &e), 0);
	assert_int_equal(e.kernel_len, 0x400000 + 64 * 0x1000 - ELF_TEXT_GPA);
	put_le(big, table + 63 * sizeof(Elf64_Phdr) + 40, 8, 0x1001);
	assert_result(load_buf(&m, VC_BOOT_AUTO, big, sizeof(big), &e), 0);
	put_le(big, table + 62 * sizeof(Elf64_Phdr) + 40, 8, 0x1001);
	assert_refused(load_buf(&m, VC_BOOT_AUTO, big, sizeof(big), &e), -ENOEXEC, "overlap");
	drop_machine(&m);
}

/* A note of Linux's own: its command line has a length that it would cut at in silence. */
static void linux_cmdline(void **state)
{
	static char line[3000];
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = elf, .len = sizeof(elf) },
				      .cmdline = line };
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_machine(&m, 8, 1);
	make_elf(elf);
	memset(line, 'x', 2048);
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	put_le(elf, ELF_NOTE_OFF, 4, 6);
	memcpy(elf + ELF_NOTE_OFF + 12, "Linux", 6);
	assert_refused(vc_boot_load(m.mem, &cfg, &m.boot, &e), -ENAMETOOLONG,
		       "is 2048 bytes long, this kernel takes 2047");
	line[2047] = 0;
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	drop_machine(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),	  cmocka_unit_test(zeroes_bss),
		cmocka_unit_test(initrd),	  cmocka_unit_test(elf32),
		cmocka_unit_test(refuse_headers), cmocka_unit_test(refuse_short),
		cmocka_unit_test(many_segments),  cmocka_unit_test(linux_cmdline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
