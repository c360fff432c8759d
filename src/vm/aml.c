/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AML writer. Control thread only. A length stands before what it measures and takes 1 to 4 bytes
 * itself, so things are written first and their length is inserted when they end. Leaves out fields,
 * names of more than one segment, and operators: the DSDT here states facts, and the body of its one
 * method is written as bytes. Errors stick in the byte string. [ACPI 6.4 20.2] [ACPI 6.4 6.4]
 */
#include "aml.h"

#include <assert.h>
#include <string.h>

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
	AML_IF = 0xa0,
	METHOD_SERIALIZED = 0x08,
	RESOURCE_IRQ = 0x23, /* small item 4, 3 bytes: mask and flags */
	RESOURCE_IO = 0x47,  /* small item 8, 7 bytes */
	RESOURCE_END = 0x79, /* small item 15, 1 byte: checksum, 0 = none */
	RESOURCE_MEMORY32 = 0x86,
	RESOURCE_DWORD = 0x87,
	RESOURCE_WORD = 0x88,
	RESOURCE_QWORD = 0x8a,
	PRODUCER_FIXED = 0x0c, /* handed on to devices below; both ends are what they are */
};

static void put_name(struct vc__bytes *b, const char *name)
{
	vc__bytes_put(b, name, strlen(name));
}

/* A PkgLength counts its own bytes too. [ACPI 6.4 20.2.4] */
static void insert_pkg_length(struct vc__bytes *b, size_t at)
{
	if (b->err)
		return;
	size_t len = b->len - at;
	uint8_t enc[4];
	unsigned int nr = 1;
	if (len + 1 < 0x40) {
		enc[0] = (uint8_t)(len + 1);
	} else {
		nr = len + 2 < 1u << 12 ? 2 : len + 3 < 1u << 20 ? 3 : 4;
		size_t total = len + nr;
		enc[0] = (uint8_t)((nr - 1) << 6 | (total & 0xf));
		for (unsigned int i = 1; i < nr; i++)
			enc[i] = (uint8_t)(total >> (8 * i - 4));
	}
	vc__bytes_insert(b, at, enc, nr);
}
static_assert(VC__BYTES_MAX < (1u << 28) - 4, "a PkgLength holds 28 bits");

void vc__aml_name(struct vc__bytes *b, const char *name)
{
	vc__bytes_u8(b, AML_NAME);
	put_name(b, name);
}

void vc__aml_integer(struct vc__bytes *b, uint64_t v)
{
	if (v <= 1) {
		vc__bytes_u8(b, v ? AML_ONE : AML_ZERO);
	} else if (v <= 0xff) {
		vc__bytes_u8(b, AML_BYTE);
		vc__bytes_u8(b, (uint8_t)v);
	} else if (v <= 0xffff) {
		vc__bytes_u8(b, AML_WORD);
		vc__bytes_u16(b, (uint16_t)v);
	} else if (v <= 0xffffffff) {
		vc__bytes_u8(b, AML_DWORD);
		vc__bytes_u32(b, (uint32_t)v);
	} else {
		vc__bytes_u8(b, AML_QWORD);
		vc__bytes_u64(b, v);
	}
}

void vc__aml_string(struct vc__bytes *b, const char *text)
{
	vc__bytes_u8(b, AML_STRING);
	vc__bytes_put(b, text, strlen(text) + 1);
}

void vc__aml_eisaid(struct vc__bytes *b, const char *id)
{
	uint32_t v = 0;
	for (unsigned int i = 0; i < 3; i++)
		v = v << 5 | ((uint32_t)id[i] & 0x1f);
	for (unsigned int i = 3; i < 7; i++)
		v = v << 4 | (uint32_t)(id[i] <= '9' ? id[i] - '0' : id[i] - 'A' + 10);
	/* Stored most significant byte first, and always as a DWord. */
	vc__bytes_u8(b, AML_DWORD);
	vc__bytes_u32(b, __builtin_bswap32(v));
}

struct vc__aml_mark vc__aml_scope_begin(struct vc__bytes *b, const char *name)
{
	vc__bytes_u8(b, AML_SCOPE);
	struct vc__aml_mark mark = { b->len };
	put_name(b, name);
	return mark;
}

struct vc__aml_mark vc__aml_device_begin(struct vc__bytes *b, const char *name)
{
	vc__bytes_u8(b, AML_EXT);
	vc__bytes_u8(b, AML_EXT_DEVICE);
	struct vc__aml_mark mark = { b->len };
	put_name(b, name);
	return mark;
}

struct vc__aml_mark vc__aml_package_begin(struct vc__bytes *b, uint8_t nr_elements)
{
	vc__bytes_u8(b, AML_PACKAGE);
	struct vc__aml_mark mark = { b->len };
	vc__bytes_u8(b, nr_elements);
	return mark;
}

struct vc__aml_mark vc__aml_method_begin(struct vc__bytes *b, const char *name, uint8_t nr_args)
{
	vc__bytes_u8(b, AML_METHOD);
	struct vc__aml_mark mark = { b->len };
	put_name(b, name);
	vc__bytes_u8(b, METHOD_SERIALIZED | nr_args);
	return mark;
}

struct vc__aml_mark vc__aml_if_begin(struct vc__bytes *b)
{
	vc__bytes_u8(b, AML_IF);
	return (struct vc__aml_mark){ b->len };
}

void vc__aml_buffer(struct vc__bytes *b, const void *bytes, size_t len)
{
	vc__bytes_u8(b, AML_BUFFER);
	struct vc__aml_mark mark = { b->len };
	vc__aml_integer(b, len);
	vc__bytes_put(b, bytes, len);
	vc__aml_end(b, mark);
}

void vc__aml_end(struct vc__bytes *b, struct vc__aml_mark mark)
{
	insert_pkg_length(b, mark.at);
}

struct vc__aml_mark vc__aml_resources_begin(struct vc__bytes *b)
{
	vc__bytes_u8(b, AML_BUFFER);
	return (struct vc__aml_mark){ b->len };
}

void vc__aml_io(struct vc__bytes *b, uint16_t port, uint8_t nr_ports)
{
	vc__bytes_u8(b, RESOURCE_IO);
	vc__bytes_u8(b, 1); /* decodes 16 bits */
	vc__bytes_u16(b, port);
	vc__bytes_u16(b, port);
	vc__bytes_u8(b, 1); /* alignment */
	vc__bytes_u8(b, nr_ports);
}

void vc__aml_irq(struct vc__bytes *b, uint32_t irq)
{
	vc__bytes_u8(b, RESOURCE_IRQ);
	vc__bytes_u16(b, (uint16_t)(1u << irq));
	vc__bytes_u8(b, 0x01); /* edge, active high, not shared */
}

void vc__aml_memory32_fixed(struct vc__bytes *b, uint32_t base, uint32_t len)
{
	vc__bytes_u8(b, RESOURCE_MEMORY32);
	vc__bytes_u16(b, 9);
	vc__bytes_u8(b, 1); /* read and write */
	vc__bytes_u32(b, base);
	vc__bytes_u32(b, len);
}

static void put_sized(struct vc__bytes *b, unsigned int width, uint64_t v)
{
	vc__bytes_put(b, &v, width); /* both are little-endian */
}

/* An address space descriptor: no granularity, no translation. [ACPI 6.4 6.4.3.5] */
void vc__aml_window(struct vc__bytes *b, enum vc__aml_window kind, uint64_t base, uint64_t len)
{
	static const struct {
		uint8_t tag, type, flags, width;
	} kinds[] = {
		[VC__AML_BUS] = { RESOURCE_WORD, 2, 0, 2 },
		[VC__AML_IO] = { RESOURCE_WORD, 1, 3, 2 },	  /* all ports */
		[VC__AML_MEMORY] = { RESOURCE_DWORD, 0, 1, 4 },	  /* uncached, read and write */
		[VC__AML_PREFETCH] = { RESOURCE_QWORD, 0, 7, 8 }, /* the same, prefetchable */
	};
	unsigned int width = kinds[kind].width;

	vc__bytes_u8(b, kinds[kind].tag);
	vc__bytes_u16(b, (uint16_t)(3 + 5 * width));
	vc__bytes_u8(b, kinds[kind].type);
	vc__bytes_u8(b, PRODUCER_FIXED);
	vc__bytes_u8(b, kinds[kind].flags);
	put_sized(b, width, 0);
	put_sized(b, width, base);
	put_sized(b, width, base + len - 1);
	put_sized(b, width, 0);
	put_sized(b, width, len);
}

void vc__aml_resources_end(struct vc__bytes *b, struct vc__aml_mark mark)
{
	vc__bytes_u8(b, RESOURCE_END);
	vc__bytes_u8(b, 0);
	if (b->err)
		return;
	/* The buffer's size comes before its bytes, its PkgLength before both. */
	struct vc__bytes size = { 0 };
	vc__aml_integer(&size, b->len - mark.at);
	if (size.err)
		b->err = size.err;
	else
		vc__bytes_insert(b, mark.at, size.buf, size.len);
	vc__bytes_fini(&size);
	insert_pkg_length(b, mark.at);
}
