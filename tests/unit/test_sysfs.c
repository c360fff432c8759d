/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's small files: what is understood, what is refused. */
#include "unit.h"

#include "sysfs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/vc-sysfs-XXXXXX";

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void reads(void **state)
{
	char buf[8];

	(void)state;
	put("abc\n");
	assert_int_equal(vc__sysfs_read(buf, sizeof(buf), path), 4);
	assert_string_equal(buf, "abc\n");
	put("0123456789");
	assert_int_equal(vc__sysfs_read(buf, sizeof(buf), path), 7);
	assert_string_equal(buf, "0123456");
	put("");
	assert_int_equal(vc__sysfs_read(buf, sizeof(buf), path), 0);
	assert_string_equal(buf, "");
	assert_int_equal(vc__sysfs_read(buf, sizeof(buf), "/nonexistent/file"), -ENOENT);
	assert_int_equal(vc__sysfs_read(buf, sizeof(buf), "/"), -EISDIR);
}

static void numbers(void **state)
{
	uint64_t v = 7;

	(void)state;
	put("18446744073709551615\n");
	assert_int_equal(vc__sysfs_u64(path, &v), 0);
	assert_int_equal(v, UINT64_MAX);
	put("12 34");
	assert_int_equal(vc__sysfs_u64(path, &v), 0);
	assert_int_equal(v, 12);
	put("18446744073709551616");
	assert_int_equal(vc__sysfs_u64(path, &v), -EBADMSG);
	put("99999999999999999999999");
	assert_int_equal(vc__sysfs_u64(path, &v), -EBADMSG);
	put("-1");
	assert_int_equal(vc__sysfs_u64(path, &v), -EBADMSG);
	put("");
	assert_int_equal(vc__sysfs_u64(path, &v), -EBADMSG);
	assert_int_equal(vc__sysfs_u64("/nonexistent/file", &v), -ENOENT);
	assert_int_equal(v, 12);
}

static void lists(void **state)
{
	static const char *const bad[] = { "x",	 "1-", "1-x", "3-1",
					   "-1", ",",  "1,x", "99999999999999999999" };
	uint64_t bits[2] = { 0 };

	(void)state;
	assert_int_equal(vc__sysfs_list("0-3,8,63-65\n", bits, 128), 0);
	assert_int_equal(bits[0], 0x800000000000010full);
	assert_int_equal(bits[1], 3);
	assert_int_equal(vc__sysfs_list("", bits, 128), 0);
	assert_int_equal(vc__sysfs_list("\n", bits, 128), 0);
	memset(bits, 0, sizeof(bits));
	assert_int_equal(vc__sysfs_list("0-18446744073709551615", bits, 66), 0);
	assert_int_equal(bits[0], UINT64_MAX);
	assert_int_equal(bits[1], 3);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(vc__sysfs_list(bad[i], bits, 128), -EBADMSG);
}

static void fields(void **state)
{
	static const char text[] = "Node 0 MemTotal:       24731100 kB\n"
				   "Node 0 MemFree:\t 11 kB\n"
				   "Node 0 Inactive(file): 5 kB\n"
				   "HugeMemFree: 9\n"
				   "Odd: text\n";

	(void)state;
	assert_int_equal(vc__sysfs_field(text, "MemTotal"), 24731100);
	assert_int_equal(vc__sysfs_field(text, "MemFree"), 11);
	assert_int_equal(vc__sysfs_field(text, "Inactive(file)"), 5);
	assert_int_equal(vc__sysfs_field(text, "HugeMemFree"), 9);
	assert_int_equal(vc__sysfs_field(text, "Mem"), 0);
	assert_int_equal(vc__sysfs_field(text, "Odd"), 0);
	assert_int_equal(vc__sysfs_field(text, "Absent"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(numbers),
		cmocka_unit_test(lists),
		cmocka_unit_test(fields),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
