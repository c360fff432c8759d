/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every error that region.h documents, named function_code, met for real. The single fields that
 * give -EINVAL are in tests/unit/test_region_check.c; hosts that are short in every way are in
 * test_shortage.c; what only fails by injection is in tests/fault.
 */
#include "mem_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail_to_make(struct vc_region_config cfg)
{
	struct vc_region *region = NULL;
	int r;

	cfg.size = cfg.size ? cfg.size : sizeof(cfg);
	r = vc_region_create(&cfg, &region);
	assert_null(region);
	return r;
}

/* Runs @fn in a process of its own, without privileges: limits stay there. */
static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(99);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* For children: cmocka's own checks would go on with the tests there. */
static void must_refuse(struct vc_region_config cfg, int err, const char *part)
{
	struct vc_region *region = NULL;
	int r;

	cfg.size = sizeof(cfg);
	r = vc_region_create(&cfg, &region);
	if (r == err && !region && strstr(vc_error_message(), part))
		return;
	fprintf(stderr, "returned %d: %s\n", r, vc_error_message());
	_exit(1);
}

static void limit_to(int what, rlim_t value)
{
	if (setrlimit(what, &(struct rlimit){ value, value }) != 0)
		_exit(98);
}

static void create_einval_e2big(void **state)
{
	(void)state;
	assert_refused(fail_to_make((struct vc_region_config){ .len_bytes = 0 }), -EINVAL,
		       "mem: ram: the length is 0");
	assert_refused(fail_to_make((struct vc_region_config){ .size = 4100 }), -E2BIG, "4100");
	assert_refused(vc_region_create(NULL, NULL), -EINVAL, "no place");
}

static void create_enomem_huge_pages(void **state)
{
	struct vc_region_config cfg = { .len_bytes = GIB(512), .kind = VC_REGION_HUGETLB };
	int r = fail_to_make(cfg);

	(void)state;
	if (r == -EOPNOTSUPP) {
		print_message("skipped: the kernel has no huge pages\n");
		skip();
	}
	assert_refused(r, -ENOMEM, "262144 huge pages of 2 MiB needed");
	assert_refused(r, -ENOMEM, "reserve more: echo ");
	assert_refused(r, -ENOMEM, "> /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
}

static void create_enomem_to_be_touched(void **state)
{
	(void)state;
	assert_refused(fail_to_make((struct vc_region_config){ .len_bytes = TIB(1),
							       .flags = VC_REGION_PREFAULT }),
		       -ENOMEM, "MemAvailable");
	assert_refused(fail_to_make((struct vc_region_config){ .len_bytes = TIB(1),
							       .flags = VC_REGION_MLOCK }),
		       -ENOMEM, "MemAvailable");
}

static void create_enomem_beyond_the_address_space(void **state)
{
	(void)state;
	assert_refused(fail_to_make((struct vc_region_config){ .len_bytes = TIB(1024) }), -ENOMEM,
		       "address space of a process");
	assert_refused(fail_to_make((struct vc_region_config){ .len_bytes = TIB(1024),
							       .kind = VC_REGION_MEMFD }),
		       -ENOMEM, "address space of a process");
}

static void address_space_limit(void)
{
	limit_to(RLIMIT_AS, GIB(4));
	must_refuse((struct vc_region_config){ .len_bytes = GIB(4) }, -ENOMEM,
		    "limited to 4096 MiB (RLIMIT_AS");
}

static void lock_limit(void)
{
	limit_to(RLIMIT_MEMLOCK, 0);
	must_refuse((struct vc_region_config){ .len_bytes = 4096, .flags = VC_REGION_MLOCK },
		    -EPERM, "RLIMIT_MEMLOCK");
}

static void fd_limit(void)
{
	limit_to(RLIMIT_NOFILE, 3);
	must_refuse((struct vc_region_config){ .len_bytes = 4096, .kind = VC_REGION_MEMFD },
		    -EMFILE, "no memfd");
	must_refuse((struct vc_region_config){ .len_bytes = 4096, .kind = VC_REGION_FILE, .fd = 1 },
		    -EMFILE, "fd 1 cannot be duplicated");
}

static void thread_limit(void)
{
	limit_to(RLIMIT_NPROC, 0);
	must_refuse((struct vc_region_config){ .len_bytes = MIB(64),
					       .flags = VC_REGION_PREFAULT,
					       .prefault_threads = 2 },
		    -EAGAIN, "prefault thread 1 of 2");
}

static void create_enomem_eagain_by_limits(void **state)
{
	(void)state;
	if (HAS_ASAN || HAS_TSAN) {
		print_message("skipped: a sanitizer does not bear these limits\n");
		skip();
	}
	in_child(address_space_limit);
	in_child(thread_limit);
}

static void create_eperm_emfile(void **state)
{
	(void)state;
	in_child(lock_limit);
	in_child(fd_limit);
}

static void create_enodev(void **state)
{
	struct vc_region_config cfg = { .len_bytes = 4096, .numa = VC_NUMA_PREFERRED };

	(void)state;
	cfg.numa_nodes = 1ull << 63;
	assert_refused(fail_to_make(cfg), -ENODEV, "host node 63");
	cfg.numa = VC_NUMA_BIND;
	assert_refused(fail_to_make(cfg), -ENODEV, "/sys/devices/system/node/has_memory");
}

static int temporary_file(char *path, uint64_t len)
{
	int fd;

	strcpy(path, "/tmp/vc-refuse-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd > 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void create_ebadf_eacces_efbig(void **state)
{
	struct vc_region_config cfg = { .len_bytes = KIB(8), .kind = VC_REGION_FILE };
	char path[32];
	int fd = temporary_file(path, KIB(8)), read_only = open(path, O_RDONLY | O_CLOEXEC);

	(void)state;
	unlink(path);
	cfg.fd = 12345;
	assert_refused(fail_to_make(cfg), -EBADF, "fd 12345");
	cfg.fd = read_only;
	assert_refused(fail_to_make(cfg), -EACCES, "not open for reading and writing");
	cfg.fd = fd;
	cfg.len_bytes = KIB(12);
	assert_refused(fail_to_make(cfg), -EFBIG, "the file has 8192 bytes");
	close(read_only);
	close(fd);
}

static void create_einval_policy_of_a_file(void **state)
{
	char path[] = "./vc-refuse-XXXXXX";
	int fd = mkstemp(path);
	struct vc_region_config cfg = { .len_bytes = 4096,
					.kind = VC_REGION_FILE,
					.fd = fd,
					.numa = VC_NUMA_BIND,
					.numa_nodes = 1 };
	int r;

	(void)state;
	assert_true(fd > 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, 4096), 0);
	cfg.size = sizeof(cfg);
	r = fail_to_make(cfg);
	assert_refused(r, -EINVAL, "outside tmpfs and hugetlbfs");
	close(fd);
}

static void discard_refusals(void **state)
{
	struct vc_region *plain = make_region("plain", KIB(16), 0);
	struct vc_region *pinned =
		make_region("pinned", KIB(16), VC_REGION_PINNED | VC_REGION_PREFAULT);
	struct vc_region *rom = make_region("rom", KIB(16), VC_REGION_READONLY);

	(void)state;
	assert_refused(vc_region_discard(NULL, 0, 4096), -EINVAL, "no region");
	assert_refused(vc_region_discard(plain, 0, 4095), -EINVAL, "plain");
	assert_refused(vc_region_discard(plain, KIB(16), 4096), -EINVAL, "within 0x4000");
	assert_refused(vc_region_discard(pinned, 0, 4096), -EBUSY, "pinned: the region is pinned");
	assert_refused(vc_region_discard(rom, 0, 4096), -EROFS, "rom");
	vc_region_put(plain);
	vc_region_put(pinned);
	vc_region_put(rom);
}

static int pin(void *opaque, void *hva, uint64_t len_bytes)
{
	*(void **)opaque = hva;
	return len_bytes == KIB(16) ? -ENOSPC : 0;
}

static void pin_refusals(void **state)
{
	struct vc_region *plain = make_region("plain", KIB(16), VC_REGION_PREFAULT);
	struct vc_region *pinned =
		make_region("pinned", KIB(16), VC_REGION_PINNED | VC_REGION_PREFAULT);
	void *hva = NULL;

	(void)state;
	assert_refused(vc_region_pin(NULL, pin, &hva), -EINVAL, "no region");
	assert_refused(vc_region_pin(pinned, NULL, &hva), -EINVAL, "nothing that pins");
	assert_refused(vc_region_pin(plain, pin, &hva), -EBUSY,
		       "plain: its pages may be taken back");
	assert_null(hva);
	assert_result(vc_region_pin(pinned, pin, &hva), -ENOSPC); /* what pin() says */
	assert_non_null(hva);
	vc_region_put(plain);
	vc_region_put(pinned);
}

static void discard_and_fd_eopnotsupp(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	struct vc_region_config cfg = { .size = sizeof(cfg),
					.len_bytes = 4096,
					.kind = VC_REGION_FOREIGN,
					.foreign.hva = page };
	struct vc_region *region = NULL;

	(void)state;
	assert_result(vc_region_create(&cfg, &region), 0);
	assert_refused(vc_region_discard(region, 0, 4096), -EOPNOTSUPP, "foreign");
	assert_refused(vc_region_pin(region, pin, &region), -EOPNOTSUPP, "foreign");
	assert_refused(vc_region_fd(region), -EOPNOTSUPP, "no file");
	assert_refused(vc_region_fd(NULL), -EINVAL, "no region");
	vc_region_put(region);
}

static void numa_query_einval(void **state)
{
	(void)state;
	assert_refused(vc_numa_query(NULL, 1), -EINVAL, "no place");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_einval_e2big),
		cmocka_unit_test(create_enomem_huge_pages),
		cmocka_unit_test(create_enomem_to_be_touched),
		cmocka_unit_test(create_enomem_beyond_the_address_space),
		cmocka_unit_test(create_enomem_eagain_by_limits),
		cmocka_unit_test(create_eperm_emfile),
		cmocka_unit_test(create_enodev),
		cmocka_unit_test(create_ebadf_eacces_efbig),
		cmocka_unit_test(create_einval_policy_of_a_file),
		cmocka_unit_test(discard_refusals),
		cmocka_unit_test(pin_refusals),
		cmocka_unit_test(discard_and_fd_eopnotsupp),
		cmocka_unit_test(numa_query_einval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
