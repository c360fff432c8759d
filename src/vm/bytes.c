/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing string of little-endian bytes. Control thread only. Numbers are taken apart by shifts,
 * so the host's byte order does not matter. Deliberately no reading side: tables are written once
 * and belong to the guest. The spec of what is written lies with the users (AML, ACPI tables).
 */
#include "bytes.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

/* Makes room for @len more bytes; false when there is none. */
static bool grow(struct vc__bytes *b, size_t len)
{
	if (b->err)
		return false;
	if (len > VC__BYTES_MAX - b->len) {
		b->err = -EOVERFLOW;
		return false;
	}
	if (b->len + len <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 1024;
	while (cap < b->len + len)
		cap *= 2;
	uint8_t *buf = realloc(b->buf, cap);
	if (!buf) {
		b->err = -ENOMEM;
		return false;
	}
	b->buf = buf;
	b->cap = cap;
	return true;
}

static void put_number(struct vc__bytes *b, uint64_t v, size_t len)
{
	uint8_t le[8];
	for (size_t i = 0; i < len; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	vc__bytes_put(b, le, len);
}

static void set_number(struct vc__bytes *b, size_t off, uint64_t v, size_t len)
{
	if (b->err || !vc_range_within(off, len, b->len))
		return;
	for (size_t i = 0; i < len; i++)
		b->buf[off + i] = (uint8_t)(v >> (8 * i));
}

void vc__bytes_fini(struct vc__bytes *b)
{
	free(b->buf);
	*b = (struct vc__bytes){ 0 };
}

void vc__bytes_put(struct vc__bytes *b, const void *src, size_t len)
{
	if (!len || !grow(b, len))
		return;
	memcpy(b->buf + b->len, src, len);
	b->len += len;
}

void vc__bytes_zero(struct vc__bytes *b, size_t len)
{
	if (!len || !grow(b, len))
		return;
	memset(b->buf + b->len, 0, len);
	b->len += len;
}

void vc__bytes_u8(struct vc__bytes *b, uint8_t v)
{
	put_number(b, v, 1);
}

void vc__bytes_u16(struct vc__bytes *b, uint16_t v)
{
	put_number(b, v, 2);
}

void vc__bytes_u32(struct vc__bytes *b, uint32_t v)
{
	put_number(b, v, 4);
}

void vc__bytes_u64(struct vc__bytes *b, uint64_t v)
{
	put_number(b, v, 8);
}

void vc__bytes_insert(struct vc__bytes *b, size_t off, const void *src, size_t len)
{
	if (off > b->len || !len || !grow(b, len))
		return;
	memmove(b->buf + off + len, b->buf + off, b->len - off);
	memcpy(b->buf + off, src, len);
	b->len += len;
}

void vc__bytes_set_u32(struct vc__bytes *b, size_t off, uint32_t v)
{
	set_number(b, off, v, 4);
}

void vc__bytes_set_u64(struct vc__bytes *b, size_t off, uint64_t v)
{
	set_number(b, off, v, 8);
}
