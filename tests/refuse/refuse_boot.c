/* SPDX-License-Identifier: Apache-2.0 */
/* Each error that boot.h documents, met once with a message that names thing and reason. */
#include "boot_fixture.h"

#include <sys/stat.h>

static uint8_t bz[BZ_BYTES], elf[ELF_BYTES];
static struct machine m;
static struct vc_boot_config cfg;
static bool has_no_memory;

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);

void *__wrap_malloc(size_t len)
{
	return has_no_memory ? NULL : __real_malloc(len);
}

static int setup(void **state)
{
	(void)state;
	make_machine(&m, 64, 1);
	make_bzimage(bz);
	make_elf(elf);
	cfg = (struct vc_boot_config){ .size = sizeof(cfg),
				       .kernel = { .buf = bz, .len = sizeof(bz) },
				       .cmdline = "quiet" };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_machine(&m);
	return 0;
}

/* Loads as configured: refused, and the result stays as it was. */
static void refused(int err, const char *part)
{
	struct vc_boot_entry e, before;

	memset(&e, 0x5a, sizeof(e));
	before = e;
	assert_refused(vc_boot_load(m.mem, &cfg, &m.boot, &e), err, part);
	assert_memory_equal(&e, &before, sizeof(e));
}

static void einval(void **state)
{
	(void)state;
	cfg.kind = VC_BOOT_FLAT;
	refused(-EINVAL, "a flat image takes neither initrd nor command line");
}

static void e2big(void **state)
{
	struct {
		struct vc_boot_config cfg;
		uint64_t later;
	} newer = { cfg, 1 };
	struct vc_boot_entry e;

	(void)state;
	newer.cfg.size = sizeof(newer);
	assert_refused(vc_boot_load(m.mem, &newer.cfg, &m.boot, &e), -E2BIG, "newer");
}

static void enoexec(void **state)
{
	(void)state;
	cfg.kernel = (struct vc_source){ .buf = "#!/bin/sh\n", .len = 10 };
	refused(-ENOEXEC, "begins with 23 21 2f 62, neither a bzImage nor an ELF file");
	cfg.kernel = (struct vc_source){ .buf = elf, .len = sizeof(elf) };
	put_le(elf, 56, 2, 65);
	refused(-ENOEXEC, "65 program headers, 1 to 64 expected");
}

static void enoent(void **state)
{
	(void)state;
	cfg.kernel = (struct vc_source){ .path = "/nonexistent/vmlinuz" };
	refused(-ENOENT, "/nonexistent/vmlinuz: cannot open the kernel: No such file");
	cfg.kernel = (struct vc_source){ .buf = bz, .len = sizeof(bz) };
	cfg.initrd = (struct vc_source){ .path = "/nonexistent/initrd.img" };
	refused(-ENOENT, "/nonexistent/initrd.img: cannot open the initrd: No such file");
}

static void eacces(void **state)
{
	struct vc_boot_entry e;
	struct temp t;

	(void)state;
	make_temp(&t, bz, sizeof(bz));
	assert_int_equal(chmod(t.path, 0), 0);
	cfg.kernel = (struct vc_source){ .path = t.path };
	bool is_root = geteuid() == 0;
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	assert_refused(vc_boot_load(m.mem, &cfg, &m.boot, &e), -EACCES, "Permission denied");
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	drop_temp(&t);
}

static void eisdir(void **state)
{
	(void)state;
	cfg.kernel = (struct vc_source){ .path = "/tmp" };
	refused(-EISDIR, "/tmp: is a directory, a file was expected as kernel");
}

static void eio(void **state)
{
	(void)state;
	cfg.kernel.len = sizeof(bz) - 100;
	refused(-EIO, "has 9116 bytes, its header says 1024 of setup and 8192 of code");
}

static void enospc_kernel(void **state)
{
	(void)state;
	put_le(bz, 0x260, 4, 0x8000000);
	refused(-ENOSPC, "needs 131072 KiB of RAM, preferably at 0x1000000");
}

static void enospc_initrd(void **state)
{
	uint8_t *big = calloc(1, 64 * VC__MIB);

	(void)state;
	cfg.initrd = (struct vc_source){ .buf = big, .len = 64 * VC__MIB };
	refused(-ENOSPC,
		"initrd of 65536 KiB does not fit: RAM below 0x80000000 ends at 0x4000000");
	free(big);
}

static void enametoolong(void **state)
{
	static char line[2049];

	(void)state;
	memset(line, 'x', 2048);
	cfg.cmdline = line;
	refused(-ENAMETOOLONG, "command line: is 2048 bytes long, this kernel takes 2047");
}

static void efault(void **state)
{
	(void)state;
	cfg.kernel = (struct vc_source){ .buf = elf, .len = sizeof(elf) };
	put_le(elf, ELF_PHDR(1) + 24, 8, 0xc0000);
	refused(-EFAULT, "at 0xc0000, not all of it is RAM");
}

static void enomem(void **state)
{
	(void)state;
	cfg.kernel = (struct vc_source){ .buf = elf, .len = sizeof(elf) };
	has_no_memory = true;
	struct vc_boot_entry e;
	int r = vc_boot_load(m.mem, &cfg, &m.boot, &e);
	has_no_memory = false;
	assert_refused(r, -ENOMEM, "no memory for 60 bytes of notes");
}

static void probe(void **state)
{
	struct vc_source src = { .buf = "\x1f\x8b\x08", .len = 3 };
	enum vc_boot_kind kind = 77;

	(void)state;
	assert_refused(vc_boot_probe(&src, &kind), -ENOEXEC, "is gzip-compressed data");
	src = (struct vc_source){ .path = "/nonexistent/vmlinuz" };
	assert_refused(vc_boot_probe(&src, &kind), -ENOENT, "cannot open the kernel");
	assert_refused(vc_boot_probe(NULL, &kind), -EINVAL, "neither path nor buffer");
	assert_int_equal(kind, 77);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(einval),	     CASE(e2big),	 CASE(enoexec), CASE(enoent),
		CASE(eacces),	     CASE(eisdir),	 CASE(eio),	CASE(enospc_kernel),
		CASE(enospc_initrd), CASE(enametoolong), CASE(efault),	CASE(enomem),
		CASE(probe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
