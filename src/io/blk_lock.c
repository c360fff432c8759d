/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on disk images: one writer and nobody else, or any number of readers.
 *
 * Open file description locks, which a second opening in the same process meets as well. They lie on
 * the bytes that QEMU uses (100 + n: holds permission n, 200 + n: does not share it; n = 0 reading,
 * 1 writing, 3 resizing), so that an image is safe from either program. Control thread. The holder
 * is looked for in /proc only after a refusal; what is not ours to read there stays unknown.
 * Spec: [fcntl(2) F_OFD_SETLK], [proc(5) fdinfo]
 */
#include "blk_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define HELD	 100
#define UNSHARED 200
#define NR_BYTES 4
#define READING	 0
#define WRITING	 1
#define RESIZING 3

/* Descriptors looked at in search of a holder. */
#define LOOKED_AT_MAX 100000u

struct byte_range {
	short start, len;
};

static const struct byte_range writer_locks[] = { { HELD, NR_BYTES }, { UNSHARED, NR_BYTES } };
static const struct byte_range reader_locks[] = { { HELD + READING, 1 },
						  { UNSHARED + WRITING, 1 },
						  { UNSHARED + RESIZING, 1 } };
/* What a reader must not find: somebody who writes, resizes, or shares no reading. */
static const struct byte_range reader_fears[] = { { HELD + WRITING, 1 },
						  { HELD + RESIZING, 1 },
						  { UNSHARED + READING, 1 } };

static struct flock lock_of(short type, struct byte_range range)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = range.start, .l_len = range.len
	};
}

/* The text of /proc/PID/@rest, ended by a zero byte; its length, 0 when it cannot be read. */
static size_t read_proc(const char *pid, const char *rest, char *text, size_t size)
{
	char path[320];
	vc_auto_close int fd = -EBADF;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, rest);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	n = n < 0 ? 0 : n;
	text[n] = '\0';
	return (size_t)n;
}

/* True when a line "lock: 1: OFDLCK ADVISORY WRITE -1 MAJOR:MINOR:INODE ..." is about @file. */
static bool tells_lock(const char *text, const char *file)
{
	const char *line;

	for (line = strstr(text, "lock:\t"); line; line = strstr(line + 1, "lock:\t")) {
		const char *at = strstr(line, file), *end = strchr(line, '\n');

		if (at && (!end || at < end))
			return true;
	}
	return false;
}

/* Looks through the descriptors of one process; @own is not counted. */
static bool holds_lock(const char *pid, const char *file, const char *own, unsigned int *nr)
{
	char dir[300], rest[300], text[1024];
	struct dirent *entry;
	bool holds = false;
	DIR *fds;

	(void)snprintf(dir, sizeof(dir), "/proc/%s/fdinfo", pid);
	fds = opendir(dir);
	if (!fds)
		return false;
	while (!holds && ++*nr < LOOKED_AT_MAX && (entry = readdir(fds))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    (own && strcmp(entry->d_name, own) == 0))
			continue;
		(void)snprintf(rest, sizeof(rest), "fdinfo/%s", entry->d_name);
		holds = read_proc(pid, rest, text, sizeof(text)) > 0 && tells_lock(text, file);
	}
	(void)closedir(fds);
	return holds;
}

static void name_holder(const char *pid, const char *self, char *text, size_t size)
{
	char comm[64];

	(void)read_proc(pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (strcmp(pid, self) == 0)
		(void)snprintf(text, size, " by this process, %s", pid);
	else
		(void)snprintf(text, size, " by process %s (%s)", pid, comm);
}

void vc__blk_holder(int fd, char *text, size_t size)
{
	char file[64], own[16], self[16];
	struct dirent *entry;
	unsigned int nr = 0;
	struct stat st;
	DIR *proc;

	text[0] = '\0';
	proc = fstat(fd, &st) == 0 ? opendir("/proc") : NULL;
	if (!proc)
		return;
	(void)snprintf(file, sizeof(file), " %02x:%02x:%llu ", major(st.st_dev), minor(st.st_dev),
		       (unsigned long long)st.st_ino);
	(void)snprintf(own, sizeof(own), "%d", fd);
	(void)snprintf(self, sizeof(self), "%d", (int)getpid());
	while (text[0] == '\0' && nr < LOOKED_AT_MAX && (entry = readdir(proc))) {
		bool is_self = strcmp(entry->d_name, self) == 0;

		if (isdigit((unsigned char)entry->d_name[0]) &&
		    holds_lock(entry->d_name, file, is_self ? own : NULL, &nr))
			name_holder(entry->d_name, self, text, size);
	}
	(void)closedir(proc);
}

static int refuse(int fd, int err, bool is_write, const char *name)
{
	char holder[128];

	vc__blk_unlock(fd);
	if (err != -EBUSY)
		return vc_error_set(-EOPNOTSUPP, "io", name,
				    "cannot be locked there: %s; is_shared goes without",
				    strerrordesc_np(-err));
	vc__blk_holder(fd, holder, sizeof(holder));
	if (!holder[0])
		return -EOWNERDEAD;
	return vc_error_set(-EBUSY, "io", name, "cannot be opened for %s: it is in use%s%s",
			    is_write ? "writing" : "reading", is_write ? "" : " for writing",
			    holder);
}

static int take(int fd, short type, const struct byte_range *ranges, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct flock lock = lock_of(type, ranges[i]);

		if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
			return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	}
	return 0;
}

/* Asked after ours are taken: of two who come at once at least one sees the other. */
static int look_for(int fd, const struct byte_range *ranges, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct flock lock = lock_of(F_WRLCK, ranges[i]);

		if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
			return -errno;
		if (lock.l_type != F_UNLCK)
			return -EBUSY;
	}
	return 0;
}

int vc__blk_lock(int fd, bool is_write, const char *name)
{
	int r;

	if (is_write)
		r = take(fd, F_WRLCK, writer_locks, sizeof(writer_locks) / sizeof(writer_locks[0]));
	else
		r = take(fd, F_RDLCK, reader_locks, sizeof(reader_locks) / sizeof(reader_locks[0]));
	if (r == 0 && !is_write)
		r = look_for(fd, reader_fears, sizeof(reader_fears) / sizeof(reader_fears[0]));
	return r < 0 ? refuse(fd, r, is_write, name) : 0;
}

void vc__blk_unlock(int fd)
{
	size_t i;

	/* Not left to close(2): a ring's or a child's duplicate would keep them. */
	for (i = 0; i < sizeof(writer_locks) / sizeof(writer_locks[0]); i++) {
		struct flock lock = lock_of(F_UNLCK, writer_locks[i]);

		(void)fcntl(fd, F_OFD_SETLK, &lock);
	}
}
