/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of every kind: what the kernel says about them afterwards, and giving back. */
#include "mem_fixture.h"

#include "region.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct vc_region *make(struct vc_region_config cfg)
{
	struct vc_region *region = NULL;

	cfg.size = sizeof(cfg);
	assert_result(vc_region_create(&cfg, &region), 0);
	return region;
}

static int fail_to_make(struct vc_region_config cfg)
{
	struct vc_region *region = NULL;
	int r;

	cfg.size = sizeof(cfg);
	r = vc_region_create(&cfg, &region);
	assert_null(region);
	return r;
}

/* The line of /proc/self/smaps that begins with @field, for the mapping at @hva. */
static void smaps_line(const void *hva, const char *field, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool is_here = false;
	unsigned long from, to;

	assert_non_null(f);
	line[0] = '\0';
	while (fgets(line, (int)size, f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_here = (uintptr_t)hva >= from && (uintptr_t)hva < to;
		else if (is_here && strncmp(line, field, strlen(field)) == 0)
			break;
		line[0] = '\0';
	}
	fclose(f);
}

static uint64_t smaps_kib(const struct vc_region *region, const char *field)
{
	char line[512];

	smaps_line(region->hva, field, line, sizeof(line));
	return strtoull(line + strlen(field) + 1, NULL, 10);
}

static bool has_vm_flag(const struct vc_region *region, const char *flag)
{
	char line[512];

	smaps_line(region->hva, "VmFlags:", line, sizeof(line));
	return strstr(line, flag) != NULL;
}

static uint64_t resident_pages(const struct vc_region *region)
{
	size_t nr = region->len_bytes / 4096, found = 0;
	unsigned char *in = calloc(nr, 1);

	assert_int_equal(mincore(region->hva, region->len_bytes, in), 0);
	for (size_t i = 0; i < nr; i++)
		found += in[i] & 1;
	free(in);
	return found;
}

static void anon(void **state)
{
	struct vc_region *r = make((struct vc_region_config){ .len_bytes = MIB(4) });

	(void)state;
	assert_string_equal(r->name, "ram");
	assert_int_equal(r->page_bytes, 4096);
	assert_int_equal((uintptr_t)r->hva % MIB(2), 0);
	assert_true(has_vm_flag(r, " nr"));
	assert_int_equal(smaps_kib(r, "Rss:"), 0);
	r->hva[MIB(4) - 1] = 7;
	assert_refused(vc_region_fd(r), -EOPNOTSUPP, "no file");
	assert_result(vc_region_discard(r, MIB(4) - 4096, 4096), 0);
	assert_int_equal(r->hva[MIB(4) - 1], 0);
	assert_ptr_equal(vc_region_get(r), r);
	vc_region_put(r);
	r->hva[0] = 1; /* still there */
	vc_region_put(r);
	vc_region_put(NULL);
}

static void memfd(void **state)
{
	struct vc_region *r = make((struct vc_region_config){
		.name = "shared", .len_bytes = MIB(1), .kind = VC_REGION_MEMFD });
	int fd = vc_region_fd(r);
	uint8_t *other = mmap(NULL, MIB(1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char path[64], line[256] = "";

	(void)state;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_ptr_not_equal(other, MAP_FAILED);
	other[5] = 42;
	assert_int_equal(r->hva[5], 42);
	/* Whoever has the fd cannot take the pages from under the mapping. */
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)MIB(2)), -1);
	assert_result(vc_region_discard(r, 0, 4096), 0);
	assert_int_equal(other[5], 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, line, sizeof(line) - 1) > 0);
	assert_non_null(strstr(line, "memfd:shared"));
	munmap(other, MIB(1));
	vc_region_put(r);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void flags_reach_the_kernel(void **state)
{
	struct vc_region *r = make((struct vc_region_config){
		.len_bytes = MIB(2),
		.flags = VC_REGION_THP | VC_REGION_NO_DUMP | VC_REGION_MERGEABLE });

	(void)state;
	assert_true(has_vm_flag(r, " hg"));
	assert_true(has_vm_flag(r, " dd"));
	assert_true(has_vm_flag(r, " mg"));
	vc_region_put(r);
	r = make((struct vc_region_config){ .len_bytes = MIB(2), .flags = VC_REGION_NO_THP });
	assert_true(has_vm_flag(r, " nh"));
	assert_false(has_vm_flag(r, " dd"));
	assert_false(has_vm_flag(r, " mg"));
	vc_region_put(r);
	r = make((struct vc_region_config){
		.len_bytes = MIB(1), .kind = VC_REGION_MEMFD, .flags = VC_REGION_MLOCK });
	assert_true(has_vm_flag(r, " lo"));
	assert_int_equal(smaps_kib(r, "Locked:"), 1024);
	vc_region_put(r);
}

static void touched_ahead(void **state)
{
	static const enum vc_region_kind kinds[] = { VC_REGION_ANON, VC_REGION_MEMFD };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct vc_region *r =
			make((struct vc_region_config){ .len_bytes = MIB(4), .kind = kinds[i] });

		assert_int_equal(resident_pages(r), 0);
		vc_region_put(r);
		r = make((struct vc_region_config){
			.len_bytes = MIB(4), .kind = kinds[i], .flags = VC_REGION_PREFAULT });
		assert_int_equal(resident_pages(r), 1024);
		assert_false(has_vm_flag(r, " nr"));
		vc_region_put(r);
	}
}

static int make_file(char *path, uint64_t len)
{
	int fd;

	strcpy(path, "/tmp/vc-alloc-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd > 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void shared_file(void **state)
{
	char path[32];
	int fd = make_file(path, MIB(1));
	struct vc_region *r = make((struct vc_region_config){ .len_bytes = KIB(64),
							      .kind = VC_REGION_FILE,
							      .fd = fd,
							      .file_off = KIB(8),
							      .flags = VC_REGION_PREFAULT });
	char byte = 0;

	(void)state;
	assert_int_not_equal(vc_region_fd(r), fd);
	r->hva[3] = 'x';
	assert_int_equal(pread(fd, &byte, 1, KIB(8) + 3), 1);
	assert_int_equal(byte, 'x');
	assert_result(vc_region_discard(r, 0, 4096), 0);
	assert_int_equal(r->hva[3], 0);
	assert_int_equal(pread(fd, &byte, 1, KIB(8) + 3), 1);
	assert_int_equal(byte, 0);
	vc_region_put(r);
	close(fd);
	unlink(path);
}

/* A ROM is filled before it is placed; once in a map only by guest address, and not read-only. */
static void written_before_it_is_placed(void **state)
{
	struct vc_region *r = make((struct vc_region_config){
		.name = "rom", .len_bytes = KIB(8), .flags = VC_REGION_READONLY });
	struct vc_mem *mem = make_map();
	char text[4] = "";

	(void)state;
	assert_result(vc_region_write(r, KIB(8) - 3, "rom", 3), 0);
	assert_result(vc_region_write(r, KIB(8), NULL, 0), 0);
	assert_refused(vc_region_write(r, KIB(8) - 2, "rom", 3), -EINVAL, "rom");
	assert_refused(vc_region_write(r, UINT64_MAX, "rom", 3), -EINVAL, "rom");
	assert_refused(vc_region_write(r, 0, NULL, 1), -EINVAL, "no bytes");
	assert_refused(vc_region_write(NULL, 0, "rom", 3), -EINVAL, "no region");
	assert_result(vc_mem_map(mem, r, 0xf0000, 0), 0);
	assert_refused(vc_region_write(r, 0, "rom", 3), -EBUSY, "in a map");
	assert_result(vc_mem_freeze(mem), 0);
	assert_int_equal(vc_mem_write(mem, 0xf0000, "x", 1), -EROFS);
	assert_result(vc_mem_read(mem, 0xf0000 + KIB(8) - 3, text, 3), 0);
	assert_string_equal(text, "rom");
	vc_mem_destroy(mem);
	assert_result(vc_region_write(r, 0, "rom", 3), 0);
	vc_region_put(r);
}

static void written_file(void **state)
{
	char path[32], byte = 0;
	int fd = make_file(path, MIB(1));
	struct vc_region_config cfg = { .len_bytes = MIB(1), .kind = VC_REGION_FILE, .fd = fd };
	struct vc_region *r = make(cfg);

	(void)state;
	assert_result(vc_region_write(r, 0, "w", 1), 0);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'w');
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_refused(vc_region_write(r, MIB(1) - 1, "w", 1), -EFBIG, "4096 bytes");
	assert_int_equal(ftruncate(fd, (off_t)MIB(1)), 0);
	vc_region_put(r);
	cfg.flags = VC_REGION_READONLY;
	r = make(cfg);
	assert_refused(vc_region_write(r, 0, "w", 1), -EROFS, "read-only");
	vc_region_put(r);
	close(fd);
	unlink(path);
}

static void private_and_readonly_file(void **state)
{
	char path[32], byte = 0;
	int rw = make_file(path, MIB(1)), fd = open(path, O_RDONLY | O_CLOEXEC);
	struct vc_region *r;

	(void)state;
	assert_int_equal(pwrite(rw, "rom", 3, 0), 3);
	r = make((struct vc_region_config){ .len_bytes = MIB(1),
					    .kind = VC_REGION_FILE,
					    .fd = fd,
					    .flags = VC_REGION_PRIVATE | VC_REGION_PREFAULT });
	assert_int_equal(smaps_kib(r, "Anonymous:"), 0);
	r->hva[0] = 'X';
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'r');
	vc_region_put(r);
	r = make((struct vc_region_config){ .len_bytes = MIB(1),
					    .kind = VC_REGION_FILE,
					    .fd = fd,
					    .flags = VC_REGION_READONLY | VC_REGION_PREFAULT });
	assert_memory_equal(r->hva, "rom", 3);
	assert_false(has_vm_flag(r, " wr"));
	vc_region_put(r);
	assert_refused(fail_to_make((struct vc_region_config){
			       .len_bytes = MIB(1), .kind = VC_REGION_FILE, .fd = fd }),
		       -EACCES, "reading and writing");
	close(fd);
	close(rw);
	unlink(path);
}

static void bad_files(void **state)
{
	char path[32];
	int fd = make_file(path, KIB(64)), write_only = open(path, O_WRONLY | O_CLOEXEC);
	struct vc_region_config cfg = { .len_bytes = KIB(64), .kind = VC_REGION_FILE, .fd = 9999 };

	(void)state;
	assert_refused(fail_to_make(cfg), -EBADF, "fd 9999");
	cfg.fd = write_only;
	cfg.flags = VC_REGION_READONLY;
	assert_refused(fail_to_make(cfg), -EACCES, "for reading");
	cfg.flags = 0;
	cfg.fd = fd;
	cfg.file_off = KIB(4);
	assert_refused(fail_to_make(cfg), -EFBIG, "65536 bytes, 65536 are needed from offset 4096");
	cfg.file_off = 0;
	cfg.len_bytes = KIB(68);
	assert_refused(fail_to_make(cfg), -EFBIG, "69632");
	cfg.len_bytes = KIB(64);
	cfg.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_refused(fail_to_make(cfg), -EINVAL, "no regular file");
	close(cfg.fd);
	close(write_only);
	close(fd);
	unlink(path);
}

static unsigned int nr_released;

static void release(void *opaque, void *hva, uint64_t len)
{
	nr_released++;
	assert_int_equal(munmap(hva, len), 0);
	assert_string_equal(opaque, "lent");
}

static void foreign(void **state)
{
	static char lent[] = "lent";
	struct vc_region_config cfg = {
		.size = sizeof(cfg),
		.len_bytes = KIB(64),
		.kind = VC_REGION_FOREIGN,
		.flags = VC_REGION_NO_DUMP,
		.foreign = { .release = release, .opaque = lent },
	};
	struct vc_region *r = NULL;

	(void)state;
	cfg.foreign.hva =
		mmap(NULL, KIB(64), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_refused(fail_to_make((struct vc_region_config){
			       .len_bytes = KIB(64),
			       .kind = VC_REGION_FOREIGN,
			       .foreign = cfg.foreign,
			       .flags = VC_REGION_PREFAULT,
		       }),
		       -EINVAL, "NO_DUMP only");
	assert_int_equal(nr_released, 0);
	assert_result(vc_region_create(&cfg, &r), 0);
	assert_ptr_equal(r->hva, cfg.foreign.hva);
	assert_true(has_vm_flag(r, " dd"));
	assert_refused(vc_region_fd(r), -EOPNOTSUPP, "no file");
	vc_region_put(r);
	assert_int_equal(nr_released, 1);
	/* Not a mapping at all: the region is not made and nothing is released. */
	assert_refused(fail_to_make(cfg), -EOPNOTSUPP, "core dumps");
	assert_int_equal(nr_released, 1);
}

static uint64_t free_huge_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned long nr = 0;

	if (f) {
		if (fscanf(f, "%lu", &nr) != 1)
			nr = 0;
		fclose(f);
	}
	return nr;
}

/* Reserved by mmap() already, so that no later touch can fail. */
static void hugetlb(void **state)
{
	uint64_t before = free_huge_pages();
	struct vc_region *r;

	(void)state;
	if (before < 2) {
		print_message("skipped: 2 free huge pages needed, %u found\n",
			      (unsigned int)before);
		skip();
	}
	r = make((struct vc_region_config){ .len_bytes = MIB(4), .kind = VC_REGION_HUGETLB });
	assert_int_equal(r->page_bytes, MIB(2));
	assert_int_equal((uintptr_t)r->hva % MIB(2), 0);
	assert_true(has_vm_flag(r, " ht"));
	assert_false(has_vm_flag(r, " nr"));
	assert_int_equal(smaps_kib(r, "KernelPageSize:"), 2048);
	assert_int_equal(free_huge_pages(), before);
	memset(r->hva, 1, MIB(4));
	assert_int_equal(free_huge_pages(), before - 2);
	assert_refused(vc_region_discard(r, 0, 4096), -EINVAL, "multiples of 2097152");
	assert_result(vc_region_discard(r, 0, MIB(2)), 0);
	assert_int_equal(free_huge_pages(), before - 1);
	assert_int_equal(r->hva[MIB(2)], 1);
	assert_int_equal(ftruncate(vc_region_fd(r), 0), -1);
	vc_region_put(r);
	assert_int_equal(free_huge_pages(), before);
}

/* Larger than the host: no page is there until it is touched. */
static void one_tebibyte(void **state)
{
	static const enum vc_region_kind kinds[] = { VC_REGION_ANON, VC_REGION_MEMFD };

	(void)state;
	if (HAS_TSAN) {
		print_message("1 TiB: not tried, the sanitizer leaves no room for it\n");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct vc_region *r =
			make((struct vc_region_config){ .len_bytes = TIB(1), .kind = kinds[i] });

		r->hva[TIB(1) - 1] = 1;
		r->hva[GIB(512)] = 2;
		assert_true(smaps_kib(r, "Rss:") <= 4096);
		assert_result(vc_region_discard(r, GIB(512), 4096), 0);
		assert_int_equal(r->hva[GIB(512)], 0);
		vc_region_put(r);
	}
}

/* Runs @fn in a child without privileges, whose exit code says whether it went well. */
static void in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int refused_in_child(struct vc_region_config cfg, int err, const char *part)
{
	struct vc_region *region = NULL;
	int r;

	cfg.size = sizeof(cfg);
	r = vc_region_create(&cfg, &region);
	if (r == err && strstr(vc_error_message(), part))
		return 0;
	fprintf(stderr, "returned %d: %s\n", r, vc_error_message());
	return 1;
}

static int over_the_lock_limit(void)
{
	struct rlimit limit = { KIB(64), KIB(64) };

	setrlimit(RLIMIT_MEMLOCK, &limit);
	return refused_in_child(
		(struct vc_region_config){ .len_bytes = MIB(1), .flags = VC_REGION_MLOCK }, -EPERM,
		"limit of the process is 64 KiB (RLIMIT_MEMLOCK");
}

static int over_the_file_limit(void)
{
	struct rlimit limit = { MIB(1), MIB(1) };

	setrlimit(RLIMIT_FSIZE, &limit);
	return refused_in_child(
		(struct vc_region_config){ .len_bytes = MIB(2), .kind = VC_REGION_MEMFD }, -ENOMEM,
		"limited to 1 MiB (RLIMIT_FSIZE");
}

static int out_of_fds(void)
{
	struct rlimit limit = { 0, 0 };

	setrlimit(RLIMIT_NOFILE, &limit);
	return refused_in_child(
		(struct vc_region_config){ .len_bytes = MIB(2), .kind = VC_REGION_MEMFD }, -EMFILE,
		"no memfd");
}

static void limits(void **state)
{
	(void)state;
	in_child(over_the_lock_limit);
	in_child(over_the_file_limit);
	in_child(out_of_fds);
}

static void config_versions(void **state)
{
	struct vc_region_config cfg = { .size = offsetof(struct vc_region_config, kind),
					.name = "old",
					.len_bytes = 4096 };
	struct vc_region *r = NULL;

	(void)state;
	assert_result(vc_region_create(&cfg, &r), 0); /* a caller of an older version */
	vc_region_put(r);
	r = NULL;
	assert_refused(vc_region_create(NULL, &r), -EINVAL, "NULL");
	assert_refused(vc_region_create(&cfg, NULL), -EINVAL, "no place");
	cfg.size = 0;
	assert_refused(vc_region_create(&cfg, &r), -EINVAL, "size 0");
	cfg.size = 5000;
	assert_refused(vc_region_create(&cfg, &r), -E2BIG, "5000");
	assert_null(r);
	assert_refused(vc_region_fd(NULL), -EINVAL, "no region");
	assert_refused(vc_region_discard(NULL, 0, 0), -EINVAL, "no region");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anon),
		cmocka_unit_test(memfd),
		cmocka_unit_test(flags_reach_the_kernel),
		cmocka_unit_test(touched_ahead),
		cmocka_unit_test(shared_file),
		cmocka_unit_test(written_before_it_is_placed),
		cmocka_unit_test(written_file),
		cmocka_unit_test(private_and_readonly_file),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(foreign),
		cmocka_unit_test(hugetlb),
		cmocka_unit_test(one_tebibyte),
		cmocka_unit_test(limits),
		cmocka_unit_test(config_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
