/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State streams from anybody. The first byte of an input says what is repaired in the rest before it
 * is read, because a random stream would end at its first checksum: bit 0 checksums, bit 1 magic
 * numbers and version, bit 2 lengths that point outside. A stream that is accepted must be read
 * section by section without error, and written again it must give the same bytes.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include "state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPAIR_CRC    1u
#define REPAIR_MAGIC  2u
#define REPAIR_LENGTH 4u
#define SECTIONS_MAX  64

struct found {
	char name[VC_STATE_NAME_MAX + 1];
	const uint8_t *payload;
	size_t len;
};

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* Length of the section at @at, or 0 when it does not fit; fills @ret. */
static size_t walk_section(uint8_t *at, size_t left, unsigned int repair, struct found *ret)
{
	if (left < VC__STATE_SECTION_BYTES + 4)
		return 0;
	if (repair & REPAIR_MAGIC) {
		vc__le_store(at, VC__STATE_SECTION_MAGIC, 4);
		vc__le_store(at + 10, VC_ARCH_X86_64, 2);
	}
	if (repair & REPAIR_LENGTH)
		vc__le_store(at + 8, vc__le_load(at + 8, 2) % 8, 2);
	size_t name_len = vc__le_load(at + 8, 2), head_len = VC__STATE_SECTION_BYTES + name_len;
	if (name_len > VC_STATE_NAME_MAX || left < head_len + 4)
		return 0;
	left -= head_len + 4;
	if (repair & REPAIR_LENGTH)
		vc__le_store(at + 16, vc__le_load(at + 16, 8) % (left + 1), 8);
	uint64_t len = vc__le_load(at + 16, 8);
	if (len > left)
		return 0;
	memset(ret->name, 0, sizeof(ret->name));
	memcpy(ret->name, at + VC__STATE_SECTION_BYTES, name_len);
	ret->payload = at + head_len + 4;
	ret->len = len;
	if (repair & REPAIR_CRC) {
		vc__le_store(at + 12, vc_crc32c_update(0, ret->payload, len), 4);
		vc__le_store(at + head_len, vc_crc32c_update(0, at, head_len), 4);
	}
	return head_len + 4 + len;
}

static size_t walk(uint8_t *buf, size_t size, unsigned int repair, struct found *ret)
{
	static const uint8_t magic[] = VC__STATE_MAGIC;
	size_t nr = 0, off = VC__STATE_HEADER_BYTES, step;

	if (size < VC__STATE_HEADER_BYTES)
		return 0;
	if (repair & REPAIR_MAGIC) {
		memcpy(buf, magic, sizeof(magic));
		vc__le_store(buf + 8, VC__STATE_FORMAT, 4);
		vc__le_store(buf + 12, VC_ARCH_X86_64, 4);
		vc__le_store(buf + 20, 0, 4);
	}
	if (repair & REPAIR_CRC)
		vc__le_store(buf + 16, vc_crc32c_update(0, buf, 16), 4);
	for (; nr < SECTIONS_MAX; nr++, off += step) {
		step = walk_section(buf + off, size - off, repair, &ret[nr]);
		if (step == 0)
			break;
	}
	return nr;
}

/* Reads one section in pieces whose sizes the content chooses, and writes it again. */
static void copy_section(struct vc_state_reader *r, struct vc_state_writer *w,
			 const struct found *s)
{
	uint32_t version;
	uint8_t buf[16];
	size_t left = s->len;

	must(vc_state_open(r, s->name, UINT32_MAX, &version) == 0);
	must(vc_state_begin(w, s->name, version) == 0);
	must(vc_state_left(r) == s->len);
	while (left > 0) {
		size_t n = 1 + *(s->payload + s->len - left) % sizeof(buf);

		n = n < left ? n : left;
		must(vc_state_get_bytes(r, buf, n) == 0);
		must(memcmp(buf, s->payload + s->len - left, n) == 0);
		vc_state_put_bytes(w, buf, n);
		left -= n;
	}
	must(vc_state_left(r) == 0 && vc_state_close(r) == 0);
	must(vc_state_end(w) == 0);
}

static void check_accepted(struct vc_state_reader *r, const struct found *found, size_t nr,
			   const uint8_t *buf, size_t size)
{
	struct vc_state_writer *w = NULL;
	const void *again;
	size_t len;

	/* The last section found is the empty one that ends the stream. */
	must(nr > 0 && found[nr - 1].name[0] == '\0');
	must(vc_state_writer_create(VC_ARCH_X86_64, &w) == 0);
	for (size_t i = 0; i + 1 < nr; i++)
		copy_section(r, w, &found[i]);
	must(vc_state_done(r) == 0);
	must(vc_state_finish(w, &again, &len) == 0);
	must(len == size && memcmp(again, buf, len) == 0);
	vc_state_writer_destroy(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct found found[SECTIONS_MAX];
	struct vc_state_reader *r = NULL;
	size_t nr;

	if (size < 1)
		return 0;
	/* Exactly as long as the stream: reading beyond its end is seen. */
	vc_auto_free uint8_t *buf = malloc(size - 1 ? size - 1 : 1);
	if (!buf)
		return 0;
	memcpy(buf, data + 1, size - 1);
	nr = walk(buf, size - 1, data[0], found);
	if (vc_state_reader_create(buf, size - 1, VC_ARCH_X86_64, &r) < 0)
		return 0;
	if (nr < SECTIONS_MAX)
		check_accepted(r, found, nr, buf, size - 1);
	vc_state_reader_destroy(r);
	return 0;
}
