/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of /sys and /proc as the test wants them (link with -Wl,--wrap=open64): what is in
 * fake_files is read from there, what else begins with /sys/ or /proc/ does not exist.
 */
#ifndef VC_TESTS_FAKE_FILES_H
#define VC_TESTS_FAKE_FILES_H

#include "unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct fake_file {
	const char *path, *text; /* text NULL: exists, cannot be read */
};

static const struct fake_file *fake_files; /* ends with an empty entry; NULL: the real ones */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
	const struct fake_file *f = fake_files;
	int fd;

	if (!f || (strncmp(path, "/sys/", 5) != 0 && strncmp(path, "/proc/", 6) != 0))
		return __real_open64(path, flags, 0600);
	while (f->path && strcmp(f->path, path) != 0)
		f++;
	if (!f->path || !f->text) {
		errno = f->path ? EACCES : ENOENT;
		return -1;
	}
	fd = memfd_create("fake", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->text, strlen(f->text)), strlen(f->text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

#endif /* VC_TESTS_FAKE_FILES_H */
