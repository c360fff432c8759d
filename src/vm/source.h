/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a kernel or an initrd, from a file or from memory, read where they are wanted. */
#ifndef VC_VM_SOURCE_H
#define VC_VM_SOURCE_H

#include <libvirtcore/boot.h>

struct vc_mem;

struct vc__source {
	const char *name;   /* the path, or what it is; borrowed */
	const uint8_t *buf; /* NULL when it is a file */
	uint64_t len;	    /* bytes, as found when it was opened */
	int fd;		    /* -EBADF when it is a buffer or nothing */
};

/*
 * Opens a source; @what ("kernel", "initrd") names a buffer in messages. Neither path nor buffer
 * gives a source of length 0. Never waits: only regular files are taken. Returns 0, or -EINVAL
 * (both, or no regular file), -EISDIR, or what open(2) answered. @ret is untouched on failure.
 */
int vc__source_open(const struct vc_source *src, const char *what, struct vc__source *ret);

/* Closes the file; legal on a source of zeros that has fd -EBADF, and twice. */
void vc__source_close(struct vc__source *s);

/* Copies [@off, @off + @len) to @buf. Returns 0, or -EIO (not there, or no longer), or read's. */
int vc__source_read(const struct vc__source *s, uint64_t off, void *buf, uint64_t len);

/*
 * Reads [@off, @off + @len) straight into guest memory at @gpa; may cross from one region into the
 * next. Returns as vc__source_read(), or -EFAULT (no writable RAM there).
 */
int vc__source_load(const struct vc__source *s, uint64_t off, uint64_t len,
		    const struct vc_mem *mem, vc_gpa gpa);

#endif /* VC_VM_SOURCE_H */
