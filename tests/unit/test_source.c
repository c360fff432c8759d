/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel and initrd bytes from files that do what they please. */
#include "boot_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct vc__source open_path(const char *path)
{
	struct vc_source src = { .path = path };
	struct vc__source s;

	assert_result(vc__source_open(&src, "kernel", &s), 0);
	return s;
}

static void buffer(void **state)
{
	struct vc_source src = { .buf = "hello", .len = 5 };
	struct vc__source s;
	char got[6] = "";

	(void)state;
	assert_result(vc__source_open(&src, "initrd", &s), 0);
	assert_int_equal(s.len, 5);
	assert_result(vc__source_read(&s, 1, got, 4), 0);
	assert_string_equal(got, "ello");
	assert_result(vc__source_read(&s, 5, got, 0), 0);
	assert_refused(vc__source_read(&s, 2, got, 4), -EIO, "initrd: has 5 bytes");
	assert_refused(vc__source_read(&s, UINT64_MAX, got, 2), -EIO, "has 5 bytes");
	vc__source_close(&s);
	vc__source_close(&s);
}

static void nothing(void **state)
{
	struct vc_source src = { 0 };
	struct vc__source s = { .len = 7 };

	(void)state;
	assert_result(vc__source_open(&src, "initrd", &s), 0);
	assert_int_equal(s.len, 0);
	assert_int_equal(s.fd, -EBADF);
}

static void refuse_kinds(void **state)
{
	struct vc_source src = { .path = "/", .buf = "x", .len = 1 };
	struct vc__source s = { .len = 77 };
	char fifo[64], sock[64];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)state;
	assert_refused(vc__source_open(&src, "kernel", &s), -EINVAL, "both");
	src = (struct vc_source){ .len = 1 };
	assert_refused(vc__source_open(&src, "kernel", &s), -EINVAL, "NULL");
	src = (struct vc_source){ .path = "/" };
	assert_refused(vc__source_open(&src, "kernel", &s), -EISDIR, "/: is a directory");
	src.path = "/dev/zero";
	assert_refused(vc__source_open(&src, "kernel", &s), -EINVAL, "a character device");
	src.path = "/nonexistent/kernel";
	assert_refused(vc__source_open(&src, "kernel", &s), -ENOENT, "/nonexistent/kernel");
	src.path = "";
	assert_refused(vc__source_open(&src, "kernel", &s), -ENOENT, "No such file");

	/* A FIFO with nobody at its other end: a plain open(2) would wait for ever. */
	(void)snprintf(fifo, sizeof(fifo), "/tmp/vc-boot-fifo-%d", getpid());
	(void)snprintf(sock, sizeof(sock), "/tmp/vc-boot-sock-%d", getpid());
	assert_int_equal(mkfifo(fifo, 0600), 0);
	src.path = fifo;
	alarm(10);
	assert_refused(vc__source_open(&src, "kernel", &s), -EINVAL, "a FIFO");
	alarm(0);
	unlink(fifo);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", sock);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	src.path = sock;
	assert_refused(vc__source_open(&src, "kernel", &s), -ENXIO, "cannot open");
	close(fd);
	unlink(sock);
	assert_int_equal(s.len, 77);
}

static void refuse_permission(void **state)
{
	struct temp t;
	struct vc_source src = { .path = t.path };
	struct vc__source s;

	(void)state;
	make_temp(&t, "x", 1);
	assert_int_equal(chmod(t.path, 0), 0);
	bool is_root = geteuid() == 0;
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	int r = vc__source_open(&src, "kernel", &s);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_refused(r, -EACCES, "Permission denied");
	drop_temp(&t);
}

/* A file is read straight into RAM, across the borders of regions. */
static void load_across_regions(void **state)
{
	struct machine m;
	struct temp t;
	size_t len = 3 * VC__MIB;
	uint8_t *bytes = malloc(len), *got = malloc(len);

	(void)state;
	make_machine(&m, 8, 8);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 12));
	make_temp(&t, bytes, len);
	struct vc__source s = open_path(t.path);
	assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
	assert_result(vc__source_load(&s, 0, len, m.mem, 0x123456), 0);
	assert_int_equal(vc_mem_read(m.mem, 0x123456, got, len), 0);
	assert_memory_equal(got, bytes, len);
	assert_int_equal(read_mem(&m, 0x123455, 1), 0);
	assert_int_equal(read_mem(&m, 0x123456 + len, 8), 0);

	assert_refused(vc__source_load(&s, 1, len, m.mem, 0), -EIO, "were expected");
	assert_refused(vc__source_load(&s, 0, len, m.mem, 6 * VC__MIB), -EFAULT, "no writable RAM");
	assert_refused(vc__source_load(&s, 0, 1, m.mem, UINT64_MAX), -EFAULT, "no writable RAM");
	vc__source_close(&s);
	drop_temp(&t);
	drop_machine(&m);
	free(bytes);
	free(got);
}

static void shrinks(void **state)
{
	struct temp t;
	uint8_t got[8192], bytes[8192] = { 1 };

	(void)state;
	make_temp(&t, bytes, sizeof(bytes));
	struct vc__source s = open_path(t.path);
	assert_int_equal(truncate(t.path, 5000), 0);
	assert_refused(vc__source_read(&s, 0, got, sizeof(got)), -EIO, "shrank while it was read");
	assert_int_equal(truncate(t.path, 0), 0);
	assert_refused(vc__source_read(&s, 0, got, 1), -EIO, "ends at 0, had 8192");
	vc__source_close(&s);
	drop_temp(&t);
}

/* What is added after opening is not the kernel's. */
static void grows(void **state)
{
	struct temp t;
	uint8_t got[8192], bytes[100] = { 1 };

	(void)state;
	make_temp(&t, bytes, sizeof(bytes));
	struct vc__source s = open_path(t.path);
	assert_int_equal(truncate(t.path, 1 << 20), 0);
	assert_int_equal(s.len, 100);
	assert_refused(vc__source_read(&s, 0, got, 101), -EIO, "has 100 bytes");
	assert_result(vc__source_read(&s, 0, got, 100), 0);
	vc__source_close(&s);
	drop_temp(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer),
		cmocka_unit_test(nothing),
		cmocka_unit_test(refuse_kinds),
		cmocka_unit_test(refuse_permission),
		cmocka_unit_test(load_across_regions),
		cmocka_unit_test(shrinks),
		cmocka_unit_test(grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
