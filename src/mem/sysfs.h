/* SPDX-License-Identifier: Apache-2.0 */
/* Small text files of the kernel: one number, a list of ranges, "field: number" lines. */
#ifndef VC_MEM_SYSFS_H
#define VC_MEM_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a file into @buf as a string (cut at @size - 1). Returns its length or -errno. */
int vc__sysfs_read(char *buf, size_t size, const char *path);

/* Reads the number at the start of a file. Returns 0, -errno, or -EBADMSG (no number). */
int vc__sysfs_u64(const char *path, uint64_t *ret);

/* Sets the bits of a list such as "0-3,8"; numbers from @nr_bits up are passed over. */
int vc__sysfs_list(const char *text, uint64_t *bits, size_t nr_bits);

/* The number behind "@name:" in @text, 0 when it is not there. */
uint64_t vc__sysfs_field(const char *text, const char *name);

#endif /* VC_MEM_SYSFS_H */
