/* SPDX-License-Identifier: Apache-2.0 */
/* Also covers: ram.c */
/* What all formats share: telling them apart, configurations, and Debian's kernels themselves. */
#include "boot_fixture.h"

static uint8_t bz[BZ_BYTES], elf[ELF_BYTES];

static int probe(const void *buf, size_t len, enum vc_boot_kind *kind)
{
	struct vc_source src = { .buf = buf, .len = len };

	return vc_boot_probe(&src, kind);
}

static void probes(void **state)
{
	static const struct {
		const char *bytes, *part;
		size_t len;
	} cases[] = {
		{ "", "is empty", 0 },
		{ "a", "begins with 61 00 00 00", 1 },
		{ "\x1f\x8b\x08", "gzip", 3 },
		{ "\xfd"
		  "7zXZ\0",
		  "xz", 6 },
		{ "\x28\xb5\x2f\xfd", "zstd", 4 },
		{ "\x02\x21\x4c\x18", "LZ4", 4 },
		{ "BZh9", "bzip2", 4 },
		{ "070701", "initrd?", 6 },
		{ "MZ", "EFI program", 2 },
		{ "!<arch>\n", "Debian package", 8 },
		{ "hello, world", "begins with 68 65 6c 6c, neither", 12 },
	};
	enum vc_boot_kind kind = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_refused(probe(cases[i].bytes, cases[i].len, &kind), -ENOEXEC, cases[i].part);
	assert_refused(vc_boot_probe(NULL, &kind), -EINVAL, "neither path nor buffer");
	assert_refused(probe(NULL, 0, &kind), -EINVAL, "neither path nor buffer");
	assert_refused(probe(NULL, 1, &kind), -EINVAL, "neither path nor buffer");
	make_elf(elf);
	assert_refused(probe(elf, 40, &kind), -EIO, "has 40 bytes");
	put_le(elf, 56, 2, 1);
	assert_refused(probe(elf, sizeof(elf), &kind), -ENOEXEC, "no PVH entry note");
	assert_int_equal(kind, 77);

	make_elf(elf);
	make_bzimage(bz);
	assert_result(probe(elf, sizeof(elf), &kind), 0);
	assert_int_equal(kind, VC_BOOT_PVH);
	assert_result(probe(bz, sizeof(bz), &kind), 0);
	assert_int_equal(kind, VC_BOOT_BZIMAGE);
}

static void refuse_config(void **state)
{
	const struct vc_boot_config good = { .size = sizeof(good),
					     .kernel = { .buf = bz, .len = sizeof(bz) } };
	struct vc_boot_config c;
	struct vc_boot_entry e = { .kernel_gpa = 77 };
	struct {
		struct vc_boot_config cfg;
		uint64_t newer;
	} later = { good, 1 };
	struct machine m;

	(void)state;
	make_bzimage(bz);
	make_machine(&m, 64, 1);
#define REFUSED(err, part) assert_refused(vc_boot_load(m.mem, &c, &m.boot, &e), err, part)
	assert_int_equal(vc_boot_load(m.mem, NULL, &m.boot, &e), -EINVAL);
	assert_refused(vc_boot_load(NULL, &good, &m.boot, &e), -EINVAL, "NULL");
	assert_refused(vc_boot_load(m.mem, &good, NULL, &e), -EINVAL, "NULL");
	assert_refused(vc_boot_load(m.mem, &good, &m.boot, NULL), -EINVAL, "NULL");
	c = good;
	c.size = 3;
	assert_int_equal(vc_boot_load(m.mem, &c, &m.boot, &e), -EINVAL);
	later.cfg.size = sizeof(later);
	assert_int_equal(vc_boot_load(m.mem, &later.cfg, &m.boot, &e), -E2BIG);
	c = good;
	c.kind = 4;
	REFUSED(-EINVAL, "kind 4");
	c = good;
	c.kernel.buf = NULL;
	REFUSED(-EINVAL, "kernel: neither path nor buffer");
	c = good;
	c.kernel.path = "/";
	REFUSED(-EINVAL, "both");
	c = good;
	c.initrd.len = 1;
	REFUSED(-EINVAL, "initrd: 1 bytes at NULL");
	c.initrd = (struct vc_source){ .buf = "" };
	REFUSED(-EINVAL, "the initrd is empty");
	c.initrd = (struct vc_source){ .path = "/nonexistent/initrd" };
	REFUSED(-ENOENT, "cannot open the initrd");
	c = good;
	c.flat_gpa = 4096;
	REFUSED(-EINVAL, "belong to flat");
	c = good;
	c.flat_mode = VC_FLAT_REAL_16;
	REFUSED(-EINVAL, "belong to flat");
	c = good;
	c.kind = VC_BOOT_FLAT;
	c.flat_gpa = 0x100000;
	c.cmdline = "x";
	REFUSED(-EINVAL, "neither initrd nor command line");
	c.cmdline = NULL;
	c.initrd.path = "/x";
	REFUSED(-EINVAL, "neither initrd nor command line");
	c.initrd.path = NULL;
	c.flat_mode = 4;
	REFUSED(-EINVAL, "flat_mode");
	c.flat_mode = 0;
	c.kernel.len = 0;
	REFUSED(-ENOEXEC, "is empty");
	c = good;
	c.kind = VC_BOOT_PVH;
	REFUSED(-ENOEXEC, "is no ELF file");
	make_elf(elf);
	c.kind = VC_BOOT_BZIMAGE;
	c.kernel = (struct vc_source){ .buf = elf, .len = sizeof(elf) };
	REFUSED(-ENOEXEC, "is no bzImage");
#undef REFUSED
	assert_int_equal(e.kernel_gpa, 77);
	assert_true(is_blank(&m));
	drop_machine(&m);
}

static void refuse_memory_map(void **state)
{
	static struct vc_e820_range r[VC_E820_MAX + 1];
	struct vc_boot_machine bad = { .ranges = r };
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_bzimage(bz);
	make_machine(&m, 64, 1);
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = bz, .len = sizeof(bz) } };
#define REFUSED(err, part) assert_refused(vc_boot_load(m.mem, &cfg, &bad, &e), err, part)
	REFUSED(-ENOSPC, "RAM below 4 GiB ends at 0x0");
	bad.nr_ranges = VC_E820_MAX + 1;
	REFUSED(-EINVAL, "129 ranges, at most 128");
	bad.nr_ranges = 2;
	r[0] = (struct vc_e820_range){ 0, 8192, VC_E820_RAM };
	r[1] = (struct vc_e820_range){ 4096, 8192, VC_E820_RAM };
	REFUSED(-EINVAL, "range 1");
	r[1] = (struct vc_e820_range){ 8192, 0, VC_E820_RAM };
	REFUSED(-EINVAL, "range 1: 0x0 bytes");
	r[1] = (struct vc_e820_range){ 8192, UINT64_MAX, VC_E820_RAM };
	REFUSED(-EINVAL, "range 1");
	r[0] = (struct vc_e820_range){ 65536, 4096, VC_E820_RAM };
	r[1] = (struct vc_e820_range){ 0, 4096, VC_E820_RAM };
	REFUSED(-EINVAL, "out of order");
	bad.ranges = NULL;
	REFUSED(-EINVAL, "NULL");
	/* The map promises RAM that is not there: found when the kernel is loaded. */
	bad.ranges = r;
	bad.nr_ranges = 1;
	r[0] = (struct vc_e820_range){ VC__GIB, VC__GIB, VC_E820_RAM };
	REFUSED(-EFAULT, "no writable RAM at 0x40000000");
#undef REFUSED
	drop_machine(&m);
}

/* Full maps fit into both kinds of parameters. */
static void full_memory_map(void **state)
{
	static struct vc_e820_range r[VC_E820_MAX];
	struct vc_boot_machine full = { .ranges = r, .nr_ranges = VC_E820_MAX };
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_bzimage(bz);
	make_elf(elf);
	make_machine(&m, 64, 1);
	r[0] = (struct vc_e820_range){ 0, 64 * VC__MIB, VC_E820_RAM };
	for (size_t i = 1; i < VC_E820_MAX; i++)
		r[i] = (struct vc_e820_range){ i * VC__GIB, 4096, VC_E820_RESERVED };
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = bz, .len = sizeof(bz) } };
	assert_result(vc_boot_load(m.mem, &cfg, &full, &e), 0);
	assert_int_equal(read_mem(&m, e.params_gpa + 0x1e8, 1), 128);
	assert_int_equal(read_mem(&m, e.params_gpa + 0x2d0 + 127 * 20, 8), 127 * VC__GIB);
	cfg.kernel = (struct vc_source){ .buf = elf, .len = sizeof(elf) };
	assert_result(vc_boot_load(m.mem, &cfg, &full, &e), 0);
	uint64_t memmap = read_mem(&m, e.params_gpa + 40, 8);
	assert_int_equal(read_mem(&m, memmap + 127 * 24, 8), 127 * VC__GIB);
	drop_machine(&m);
}

static void refuse_no_low_ram(void **state)
{
	struct vc_region_config rc = { .size = sizeof(rc), .len_bytes = 64 * VC__MIB };
	const struct vc_e820_range r = { VC__GIB, 64 * VC__MIB, VC_E820_RAM };
	struct vc_boot_machine machine = { .ranges = &r, .nr_ranges = 1 };
	struct vc_boot_entry e;
	struct vc_region *region;
	struct vc_mem *mem;

	(void)state;
	make_bzimage(bz);
	assert_result(vc_region_create(&rc, &region), 0);
	assert_result(vc_mem_create(&mem), 0);
	assert_result(vc_mem_map(mem, region, VC__GIB, 0), 0);
	assert_result(vc_mem_freeze(mem), 0);
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .buf = bz, .len = sizeof(bz) } };
	assert_refused(vc_boot_load(mem, &cfg, &machine, &e), -EFAULT, "need it at 0 to 640 KiB");
	vc_region_put(region);
	vc_mem_destroy(mem);
}

static void files(void **state)
{
	struct temp kernel, initrd;
	struct vc_boot_entry e;
	struct machine m;

	(void)state;
	make_bzimage(bz);
	make_temp(&kernel, bz, sizeof(bz));
	make_temp(&initrd, "initrd", 6);
	make_machine(&m, 64, 2);
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kernel = { .path = kernel.path },
				      .initrd = { .path = initrd.path },
				      .cmdline = "" };
	int before = dup(0);
	close(before);
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(read_mem(&m, e.initrd_gpa, 6), 0x647274696e69);
	assert_int_equal(read_mem(&m, e.cmdline_gpa, 1), 0);
	enum vc_boot_kind kind;
	struct vc_source src = { .path = initrd.path };
	assert_refused(vc_boot_probe(&src, &kind), -ENOEXEC, initrd.path);
	cfg.initrd.path = "/";
	assert_refused(vc_boot_load(m.mem, &cfg, &m.boot, &e), -EISDIR, "/: is a directory");
	int after = dup(0);
	close(after);
	assert_int_equal(after, before); /* no file stayed open */
	drop_machine(&m);
	drop_temp(&kernel);
	drop_temp(&initrd);
}

/* Every segment that readelf sees lies where it says, byte for byte; returns their number. */
static int check_segments(const struct machine *m, const char *path)
{
	static uint8_t want[65536], got[sizeof(want)];
	char command[512], line[512];
	int nr = 0;

	(void)snprintf(command, sizeof(command), "readelf -lW '%s'", path);
	FILE *list = popen(command, "r");
	FILE *file = fopen(path, "rbe");
	assert_true(list && file);
	while (fgets(line, sizeof(line), list)) {
		unsigned long long off, virt, phys, file_len, mem_len;

		if (sscanf(line, " LOAD %llx %llx %llx %llx %llx", &off, &virt, &phys, &file_len,
			   &mem_len) != 5)
			continue;
		nr++;
		assert_int_equal(fseek(file, (long)off, SEEK_SET), 0);
		for (uint64_t at = 0; at < mem_len; at += sizeof(want)) {
			size_t len = mem_len - at < sizeof(want) ? mem_len - at : sizeof(want);
			size_t in_file = at >= file_len	       ? 0
					 : file_len - at < len ? file_len - at
							       : len;
			memset(want, 0, sizeof(want));
			assert_int_equal(fread(want, 1, in_file, file), in_file);
			assert_int_equal(vc_mem_read(m->mem, phys + at, got, len), 0);
			assert_memory_equal(got, want, len);
		}
	}
	fclose(file);
	assert_int_equal(pclose(list), 0);
	return nr;
}

/* The PVH entry as readelf shows it: the description of the note of type 0x12, byte by byte. */
static uint64_t readelf_entry(const char *path)
{
	char command[512], line[512];
	uint64_t entry = 0;
	bool is_next = false;

	(void)snprintf(command, sizeof(command), "readelf -nW '%s'", path);
	FILE *list = popen(command, "r");
	assert_non_null(list);
	while (fgets(line, sizeof(line), list)) {
		char *desc = strstr(line, "description data:");

		is_next |= strstr(line, "(0x00000012)") != NULL;
		if (!desc || !is_next)
			continue;
		is_next = false;
		char *at = desc + strlen("description data:");
		for (int i = 0; i < 8 && *at && *at != '\n'; i++)
			entry |= (uint64_t)strtoul(at, &at, 16) << (8 * i);
	}
	assert_int_equal(pclose(list), 0);
	return entry;
}

/* A kernel fetched by scripts/fetch-kernel: what is loaded against what binutils say of it. */
static void check_debian(const char *path, enum vc_boot_kind kind)
{
	struct vc_boot_config cfg = { .size = sizeof(cfg), .kernel.path = path };
	struct vc_boot_entry e;
	struct machine m;

	make_machine(&m, 128, 3);
	assert_result(vc_boot_load(m.mem, &cfg, &m.boot, &e), 0);
	assert_int_equal(e.kind, kind);
	assert_int_equal(e.kernel_gpa, 0x1000000);
	if (kind == VC_BOOT_PVH) {
		assert_true(check_segments(&m, path) >= 3);
		assert_int_equal(e.regs.rip, readelf_entry(path));
	} else {
		assert_true(read_mem(&m, e.regs.rip, 8) != 0);
	}
	drop_machine(&m);
}

static void debian_kernels(void **state)
{
	static const struct {
		const char *name;
		enum vc_boot_kind kind;
	} kernels[] = {
		{ "kernel-cloud/bzimage", VC_BOOT_BZIMAGE },
		{ "kernel-cloud/vmlinux", VC_BOOT_PVH },
		{ "kernel-full/bzimage", VC_BOOT_BZIMAGE },
		{ "kernel-full/vmlinux", VC_BOOT_PVH },
	};
	const char *cache = getenv("LIBVIRTCORE_CACHE"), *home = getenv("HOME");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
		char path[256];

		(void)snprintf(path, sizeof(path), "%s%s/%s",
			       cache  ? cache
			       : home ? home
				      : "",
			       cache ? "" : "/.cache/libvirtcore/lab", kernels[i].name);
		if (access(path, R_OK) != 0) {
			print_message("%s is not there (scripts/fetch-kernel gets it)\n", path);
			skip();
		}
		check_debian(path, kernels[i].kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes),
		cmocka_unit_test(refuse_config),
		cmocka_unit_test(refuse_memory_map),
		cmocka_unit_test(full_memory_map),
		cmocka_unit_test(refuse_no_low_ram),
		cmocka_unit_test(files),
		cmocka_unit_test(debian_kernels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
