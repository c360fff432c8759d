/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel and initrd bytes: files or buffers, read straight into guest memory by pread(2). Control
 * thread only. Files are hostile: a FIFO or device is refused without waiting for it, the length is
 * that at opening, and a file that shrinks meanwhile is an error, never a hang or a short kernel.
 * Leaves out mapping files (a truncation would be a SIGBUS) and pipes. [open(2)] [pread(2)]
 */
#include "source.h"

#include "ram.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SUBSYSTEM "boot"

/* What can be opened and is neither a file nor a directory; a socket cannot. */
static const char *type_name(mode_t mode)
{
	if (S_ISFIFO(mode))
		return "a FIFO";
	return S_ISCHR(mode) ? "a character device" : "a block device";
}

int vc__source_open(const struct vc_source *src, const char *what, struct vc__source *ret)
{
	struct vc__source s = { .name = what, .fd = -EBADF };
	if (src->path && src->buf)
		return vc_error_set(-EINVAL, SUBSYSTEM, what, "both a path and a buffer given");
	if (!src->path) {
		if (!src->buf && src->len)
			return vc_error_set(-EINVAL, SUBSYSTEM, what, "%zu bytes at NULL",
					    src->len);
		s.buf = src->buf;
		s.len = src->len;
		*ret = s;
		return 0;
	}
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	vc_auto_close int fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		int err = -errno;
		return vc_error_set(err, SUBSYSTEM, src->path, "cannot open the %s: %s", what,
				    strerrordesc_np(-err));
	}
	struct stat st;
	if (fstat(fd, &st) < 0) {
		int err = -errno;
		return vc_error_set(err, SUBSYSTEM, src->path, "fstat: %s", strerrordesc_np(-err));
	}
	if (S_ISDIR(st.st_mode))
		return vc_error_set(-EISDIR, SUBSYSTEM, src->path,
				    "is a directory, a file was expected as %s", what);
	if (!S_ISREG(st.st_mode))
		return vc_error_set(-EINVAL, SUBSYSTEM, src->path,
				    "is %s, a regular file was expected as %s",
				    type_name(st.st_mode), what);
	s.name = src->path;
	s.len = (uint64_t)st.st_size;
	s.fd = vc_take_fd(fd);
	*ret = s;
	return 0;
}

void vc__source_close(struct vc__source *s)
{
	vc_close_p(&s->fd);
	*s = (struct vc__source){ .fd = -EBADF };
}

static int check_range(const struct vc__source *s, uint64_t off, uint64_t len)
{
	if (vc_range_within(off, len, s->len))
		return 0;
	return vc_error_set(
		-EIO, SUBSYSTEM, s->name, "has %llu bytes, %llu bytes at offset %llu were expected",
		(unsigned long long)s->len, (unsigned long long)len, (unsigned long long)off);
}

/* Reads a range known to be within the length found at opening. */
static int read_file(const struct vc__source *s, uint64_t off, uint8_t *buf, uint64_t len)
{
	while (len) {
		size_t want = len < 1u << 30 ? (size_t)len : 1u << 30;
		ssize_t got = pread(s->fd, buf, want, (off_t)off);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = -errno;
			return vc_error_set(err, SUBSYSTEM, s->name, "reading at offset %llu: %s",
					    (unsigned long long)off, strerrordesc_np(-err));
		}
		if (!got)
			return vc_error_set(
				-EIO, SUBSYSTEM, s->name,
				"shrank while it was read: ends at %llu, had %llu bytes",
				(unsigned long long)off, (unsigned long long)s->len);
		buf += got;
		off += (uint64_t)got;
		len -= (uint64_t)got;
	}
	return 0;
}

static int fetch(const struct vc__source *s, uint64_t off, uint8_t *buf, uint64_t len)
{
	if (s->fd >= 0)
		return read_file(s, off, buf, len);
	if (len)
		memcpy(buf, s->buf + off, len);
	return 0;
}

int vc__source_read(const struct vc__source *s, uint64_t off, void *buf, uint64_t len)
{
	int r = check_range(s, off, len);
	return r ? r : fetch(s, off, buf, len);
}

int vc__source_load(const struct vc__source *s, uint64_t off, uint64_t len,
		    const struct vc_mem *mem, vc_gpa gpa)
{
	int r = check_range(s, off, len);
	while (!r && len) {
		struct vc_slice slice;
		r = vc__ram_slice(mem, gpa, len, &slice);
		if (r < 0)
			return vc_error_set(r, SUBSYSTEM, s->name,
					    "no writable RAM at 0x%llx for %llu bytes",
					    (unsigned long long)gpa, (unsigned long long)len);
		uint64_t part = slice.len;
		r = fetch(s, off, slice.ptr, part);
		vc_slice_put(&slice);
		off += part;
		gpa += part;
		len -= part;
	}
	return r;
}
