/* SPDX-License-Identifier: Apache-2.0 */
/* Seed images: what is in them, that nobody can change them, what is refused, what may fail. */
#include "unit.h"

#include <libvirtcore/seed.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vc_seed_config cfg;
static char image[1 << 20];
static int fd = -1;
static int nr_left = INT_MAX; /* calls that still succeed */
static int nr_open;	      /* memfds made */

static bool fails(void)
{
	return nr_left-- <= 0;
}

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);
void *__real_calloc(size_t nr, size_t len);
void *__wrap_calloc(size_t nr, size_t len);
int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __real_fcntl64(int f, int cmd, ...);
int __wrap_fcntl64(int f, int cmd, ...);
ssize_t __real_pwrite64(int f, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int f, const void *buf, size_t len, off_t off);

void *__wrap_malloc(size_t len)
{
	return nr_left != INT_MAX && fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t nr, size_t len)
{
	return nr_left != INT_MAX && fails() ? NULL : __real_calloc(nr, len);
}

int __wrap_memfd_create(const char *name, unsigned int flags)
{
	errno = EMFILE;
	if (nr_left != INT_MAX && fails())
		return -1;
	nr_open++;
	return __real_memfd_create(name, flags);
}

int __wrap_fcntl64(int f, int cmd, ...)
{
	va_list args;
	long argument;

	va_start(args, cmd);
	argument = va_arg(args, long);
	va_end(args);
	errno = EPERM;
	return nr_left != INT_MAX && fails() ? -1 : __real_fcntl64(f, cmd, argument);
}

ssize_t __wrap_pwrite64(int f, const void *buf, size_t len, off_t off)
{
	errno = ENOSPC;
	if (nr_left != INT_MAX && fails())
		return -1;
	return __real_pwrite64(f, buf, len < 1000 ? len : 1000, off); /* a part at a time */
}

static int setup(void **state)
{
	(void)state;
	cfg = (struct vc_seed_config){ .size = sizeof(cfg),
				       .user_data = { .buf = "#cloud-config\n", .len = 14 } };
	fd = -1;
	nr_left = INT_MAX;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (fd >= 0)
		(void)close(fd);
	return 0;
}

/* Makes the image and reads it to memory as a string with zero bytes in it. */
static size_t make(void)
{
	ssize_t n;

	assert_result(vc_seed_create(&cfg, &fd), 0);
	n = pread(fd, image, sizeof(image), 0);
	assert_true(n > 0);
	return (size_t)n;
}

static bool has(const char *text, size_t len)
{
	return memmem(image, len, text, strlen(text)) != NULL;
}

static void contents(void **state)
{
	size_t len;

	(void)state;
	cfg.hostname = "guest-1";
	cfg.instance_id = "i-7";
	cfg.network_config = (struct vc_source){ .buf = "version: 2\n", .len = 11 };
	len = make();
	assert_true(has("#cloud-config\n", len));
	assert_true(has("version: 2\n", len));
	assert_true(has("instance-id: i-7\nlocal-hostname: guest-1\n", len));
	assert_true(has("NETWORK_.CON", len));
}

static void no_network_config(void **state)
{
	(void)state;
	assert_false(has("NETWORK_", make()));
}

static void meta_data_of_its_own(void **state)
{
	size_t len;

	(void)state;
	cfg.meta_data = (struct vc_source){ .buf = "instance-id: x\n", .len = 15 };
	len = make();
	assert_true(has("instance-id: x\n", len));
	assert_false(has("iid-", len));
}

/* The made instance-id follows what is in the seed. */
static void instance_follows_contents(void **state)
{
	char first[64];
	size_t len = make();
	const char *found = memmem(image, len, "instance-id: iid-", 17);

	(void)state;
	assert_non_null(found);
	snprintf(first, sizeof(first), "%.25s", found);
	assert_true(has(first, len));
	(void)close(fd);
	cfg.user_data.buf = "#cloud-confiG\n";
	assert_false(has(first, make()));
	(void)close(fd);
	cfg.user_data.buf = "#cloud-config\n";
	cfg.hostname = "h";
	assert_false(has(first, make()));
}

static void sealed(void **state)
{
	(void)state;
	(void)make();
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
}

static void refused(int err, const char *part)
{
	int r = -77;

	assert_refused(vc_seed_create(&cfg, &r), err, part);
	assert_int_equal(r, -77);
}

static void bad_fields(void **state)
{
	char name[66];

	(void)state;
	assert_refused(vc_seed_create(NULL, &fd), -EINVAL, "");
	assert_refused(vc_seed_create(&cfg, NULL), -EINVAL, "descriptor");
	cfg.hostname = "two words";
	refused(-EINVAL, "hostname: \"two words\"");
	cfg.hostname = "";
	refused(-EINVAL, "hostname");
	memset(name, 'n', 65);
	name[65] = '\0';
	cfg.hostname = NULL;
	cfg.instance_id = name;
	refused(-EINVAL, "instance-id");
	cfg.instance_id = "a\nlocal-hostname: b";
	refused(-EINVAL, "instance-id");
	cfg.instance_id = "i";
	cfg.meta_data.buf = "x";
	refused(-EINVAL, "both the file and its instance-id");
	cfg.instance_id = NULL;
	cfg.user_data.buf = NULL;
	cfg.user_data.len = 0;
	refused(-EINVAL, "user-data: none given");
	cfg.user_data.path = "/nonexistent/user-data";
	refused(-ENOENT, "/nonexistent/user-data");
	cfg.user_data.path = "/";
	refused(-EISDIR, "/");
	cfg.user_data.path = "/dev/null";
	refused(-EINVAL, "a character device");
}

static void too_big(void **state)
{
	void *big = calloc(1, VC_SEED_BYTES_MAX);

	(void)state;
	assert_non_null(big);
	cfg.network_config = (struct vc_source){ .buf = big, .len = VC_SEED_BYTES_MAX };
	refused(-EFBIG, "there is room for 8388594 of 8388608");
	cfg.network_config.len -= 14;
	assert_result(vc_seed_create(&cfg, &fd), 0);
	free(big);
}

/* Each allocation and each system call fails once. */
static void every_call_fails(void **state)
{
	int r = -1;

	(void)state;
	cfg.network_config = cfg.user_data;
	for (int nr = 0; r < 0; nr++) {
		nr_left = nr;
		r = vc_seed_create(&cfg, &fd);
		nr_left = INT_MAX;
		assert_true(r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENOSPC || r == -EPERM);
		assert_true(nr < 100);
	}
	assert_true(nr_open > 10);
	assert_int_equal(fd, open("/dev/null", O_RDONLY) - 1); /* none was left open */
	(void)close(fd + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(contents, setup, teardown),
		cmocka_unit_test_setup_teardown(no_network_config, setup, teardown),
		cmocka_unit_test_setup_teardown(meta_data_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(instance_follows_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(too_big, setup, teardown),
		cmocka_unit_test_setup_teardown(every_call_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
