/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing string of bytes, little-endian, for tables that are made in memory. An error sticks:
 * later calls do nothing, and the maker asks once at the end.
 */
#ifndef VC_VM_BYTES_H
#define VC_VM_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct vc__bytes {
	uint8_t *buf;
	size_t len, cap;
	int err; /* 0, -ENOMEM or -EOVERFLOW (more than VC__BYTES_MAX) */
};

#define VC__BYTES_MAX (1u << 24)

/* Frees the bytes; the struct is empty again. */
void vc__bytes_fini(struct vc__bytes *b);

/* Appends. */
void vc__bytes_put(struct vc__bytes *b, const void *src, size_t len);
void vc__bytes_zero(struct vc__bytes *b, size_t len);
void vc__bytes_u8(struct vc__bytes *b, uint8_t v);
void vc__bytes_u16(struct vc__bytes *b, uint16_t v);
void vc__bytes_u32(struct vc__bytes *b, uint32_t v);
void vc__bytes_u64(struct vc__bytes *b, uint64_t v);

/* Puts bytes between what lies before and behind @off; nothing when @off is past the end. */
void vc__bytes_insert(struct vc__bytes *b, size_t off, const void *src, size_t len);

/* Overwrites 4 or 8 bytes at @off; nothing when they are not there. */
void vc__bytes_set_u32(struct vc__bytes *b, size_t off, uint32_t v);
void vc__bytes_set_u64(struct vc__bytes *b, size_t off, uint64_t v);

#endif /* VC_VM_BYTES_H */
