/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a state stream that nobody vouches for; the layout is in snapshot.h.
 *
 * Runs on the thread that loads, one at a time. Creating a reader checks the whole stream (lengths,
 * checksums, order, names) and makes a sorted index, before any object sees a byte; after that
 * every read is bounded by its section. The first error of a section sticks until it is closed, so
 * that an object can take its fields without looking at each. Bytes are borrowed, never copied
 * here.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct section {
	const char *name; /* in the stream, without a NUL */
	const uint8_t *payload;
	size_t payload_len;
	size_t off; /* of its header, for messages */
	uint32_t version;
	uint16_t name_len;
	bool was_read;
};

struct vc_state_reader {
	const uint8_t *buf;
	size_t len;
	enum vc_arch arch;
	struct section *sections; /* sorted by name */
	size_t nr_sections;
	struct section *open;
	size_t taken; /* bytes of the open section */
	int err;      /* first error in the open section */
};

static int bad_at(size_t off, const char *what)
{
	return vc_error_set(-EBADMSG, "state", NULL, "at byte %zu: %s", off, what);
}

static int check_header(const uint8_t *buf, size_t len, enum vc_arch arch)
{
	static const char magic[8] = VC__STATE_MAGIC;
	uint64_t format, found;

	if (len < VC__STATE_HEADER_BYTES)
		return bad_at(len, "the stream ends within its header");
	if (memcmp(buf, magic, sizeof(magic)) != 0)
		return bad_at(0, "no state stream: it does not begin with \"VCSTATE\"");
	if (vc__le_load(buf + 16, 4) != vc_crc32c_update(0, buf, 16))
		return bad_at(16, "wrong checksum of the stream's header");
	if (vc__le_load(buf + 20, 4) != 0)
		return bad_at(20, "a reserved field is not 0");
	format = vc__le_load(buf + 8, 4);
	if (format != VC__STATE_FORMAT)
		return vc_error_set(-EPROTONOSUPPORT, "state", NULL,
				    "stream format %" PRIu64 ", this library reads %d", format,
				    VC__STATE_FORMAT);
	found = vc__le_load(buf + 12, 4);
	if (found != (uint64_t)arch)
		return vc_error_set(-EXDEV, "state", NULL,
				    "the stream is for architecture %" PRIu64 ", expected %u",
				    found, (unsigned int)arch);
	return 0;
}

/*
 * Reads the section at @off into @ret and moves *@next behind it. Returns 1 for the end section, 0
 * for any other, or -EBADMSG. Lengths are checked against what is left, never added up first.
 */
static int parse_section(const struct vc_state_reader *r, size_t off, struct section *ret,
			 size_t *next)
{
	const uint8_t *at = r->buf + off;
	size_t left = r->len - off;
	uint64_t payload_len;
	size_t head_len;

	if (left < VC__STATE_SECTION_BYTES + 4)
		return bad_at(off, "the stream ends without an end section");
	if (vc__le_load(at, 4) != VC__STATE_SECTION_MAGIC)
		return bad_at(off, "no section begins here");
	ret->name_len = (uint16_t)vc__le_load(at + 8, 2);
	if (ret->name_len > VC_STATE_NAME_MAX)
		return bad_at(off, "the section's name is too long");
	head_len = VC__STATE_SECTION_BYTES + ret->name_len;
	if (left < head_len + 4)
		return bad_at(off, "the stream ends within a section's header");
	if (vc__le_load(at + head_len, 4) != vc_crc32c_update(0, at, head_len))
		return bad_at(off, "wrong checksum of a section's header");
	if (vc__le_load(at + 10, 2) != (uint64_t)r->arch)
		return bad_at(off, "the section is for another architecture than its stream");

	left -= head_len + 4;
	payload_len = vc__le_load(at + 16, 8);
	if (payload_len > VC_STATE_SECTION_MAX)
		return bad_at(off, "the section is longer than the format allows (64 MiB)");
	if (payload_len > left)
		return bad_at(off, "the stream ends within a section");
	ret->name = (const char *)at + VC__STATE_SECTION_BYTES;
	ret->payload = at + head_len + 4;
	ret->payload_len = (size_t)payload_len;
	ret->off = off;
	ret->version = (uint32_t)vc__le_load(at + 4, 4);
	ret->was_read = false;
	if (vc__le_load(at + 12, 4) != vc_crc32c_update(0, ret->payload, ret->payload_len))
		return bad_at(off, "wrong checksum of a section's content");
	*next = off + head_len + 4 + ret->payload_len;
	if (ret->name_len > 0)
		return 0;
	if (ret->payload_len > 0 || ret->version != 0)
		return bad_at(off, "the end section is not empty");
	return 1;
}

/* One pass over the stream. Fills r->sections when it is there, else counts only. */
static int walk(struct vc_state_reader *r)
{
	size_t off = VC__STATE_HEADER_BYTES, nr = 0;
	struct section s;
	int is_end;

	for (;;) {
		is_end = parse_section(r, off, &s, &off);
		if (is_end < 0)
			return is_end;
		if (is_end)
			break;
		if (s.version == 0)
			return bad_at(s.off, "the section has version 0");
		if (!vc__state_name_is_valid(s.name, s.name_len))
			return bad_at(s.off, "the section's name is not printable ASCII");
		if (r->sections)
			r->sections[nr] = s;
		nr++;
	}
	if (off != r->len)
		return bad_at(off, "bytes follow the end section");
	r->nr_sections = nr;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct section *x = a, *y = b;
	size_t shorter = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->name, y->name, shorter);

	return c ? c : (int)x->name_len - (int)y->name_len;
}

static int make_index(struct vc_state_reader *r)
{
	int err = walk(r);

	if (err < 0 || r->nr_sections == 0)
		return err;
	r->sections = calloc(r->nr_sections, sizeof(*r->sections));
	if (!r->sections)
		return vc_error_set(-ENOMEM, "state", NULL, "no memory for %zu sections",
				    r->nr_sections);
	err = walk(r);
	if (err < 0)
		return err;
	qsort(r->sections, r->nr_sections, sizeof(*r->sections), compare_names);
	for (size_t i = 1; i < r->nr_sections; i++) {
		if (compare_names(&r->sections[i - 1], &r->sections[i]) == 0)
			return bad_at(r->sections[i].off, "a section's name was used before");
	}
	return 0;
}

int vc_state_reader_create(const void *buf, size_t len, enum vc_arch arch,
			   struct vc_state_reader **ret_reader)
{
	struct vc_state_reader *r;
	int err;

	if (!buf || !ret_reader)
		return vc_error_set(-EINVAL, "state", NULL, "no stream or no place for the reader");
	err = check_header(buf, len, arch);
	if (err < 0)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return vc_error_set(-ENOMEM, "state", NULL, "no memory for a reader");
	r->buf = buf;
	r->len = len;
	r->arch = arch;
	err = make_index(r);
	if (err < 0) {
		vc_state_reader_destroy(r);
		return err;
	}
	*ret_reader = r;
	return 0;
}

void vc_state_reader_destroy(struct vc_state_reader *reader)
{
	if (!reader)
		return;
	free(reader->sections);
	free(reader);
}

int vc_state_open(struct vc_state_reader *reader, const char *name, uint32_t max_version,
		  uint32_t *ret_version)
{
	struct section key = { .name = name }, *s;

	if (!reader || !name || !ret_version)
		return vc_error_set(-EINVAL, "state", name, "no reader, name or place for version");
	if (reader->open)
		return vc_error_set(-EBUSY, "state", name, "section %.*s is open",
				    (int)reader->open->name_len, reader->open->name);
	key.name_len = (uint16_t)strnlen(name, VC_STATE_NAME_MAX + 1);
	s = reader->nr_sections == 0 ? NULL
				     : bsearch(&key, reader->sections, reader->nr_sections,
					       sizeof(key), compare_names);
	if (!s)
		return vc_error_set(-ENOENT, "state", name, "no such section in the stream");
	if (s->was_read)
		return vc_error_set(-EALREADY, "state", name, "the section was read before");
	if (s->version > max_version)
		return vc_error_set(-EPROTONOSUPPORT, "state", name,
				    "layout version %" PRIu32 ", this library reads up to %" PRIu32,
				    s->version, max_version);
	s->was_read = true;
	reader->open = s;
	reader->taken = 0;
	reader->err = 0;
	*ret_version = s->version;
	return 0;
}

/* Keeps the first error of the open section and names the section and the place. */
static int fail(struct vc_state_reader *r, int err, const char *what)
{
	char name[VC_STATE_NAME_MAX + 1] = "";

	if (r->err)
		return r->err;
	if (r->open)
		memcpy(name, r->open->name, r->open->name_len);
	r->err = vc_error_set(err, "state", name, "after %zu bytes: %s", r->taken, what);
	return r->err;
}

int vc_state_get_bytes(struct vc_state_reader *reader, void *buf, size_t len)
{
	if (len > 0 && buf)
		memset(buf, 0, len);
	if (!reader || !reader->open)
		return vc_error_set(-EINVAL, "state", NULL, "no section is open");
	if (len > 0 && !buf)
		return fail(reader, -EINVAL, "bytes taken to NULL");
	if (reader->err)
		return reader->err;
	if (!vc_range_within(reader->taken, len, reader->open->payload_len))
		return fail(reader, -EBADMSG, "the section is too short");
	if (len > 0)
		memcpy(buf, reader->open->payload + reader->taken, len);
	reader->taken += len;
	return 0;
}

uint64_t vc_state_get_u64(struct vc_state_reader *reader, unsigned int width)
{
	uint8_t bytes[8];

	if (!reader || !reader->open)
		return 0;
	if (!vc__state_width_is_valid(width)) {
		(void)fail(reader, -EINVAL, "a width that is not 1, 2, 4 or 8");
		return 0;
	}
	if (vc_state_get_bytes(reader, bytes, width) < 0)
		return 0;
	return vc__le_load(bytes, width);
}

size_t vc_state_left(const struct vc_state_reader *reader)
{
	if (!reader || !reader->open)
		return 0;
	return reader->open->payload_len - reader->taken;
}

int vc_state_close(struct vc_state_reader *reader)
{
	int r;

	if (!reader || !reader->open)
		return vc_error_set(-EINVAL, "state", NULL, "no section is open");
	if (!reader->err && vc_state_left(reader) > 0)
		(void)fail(reader, -EBADMSG, "bytes left over in the section");
	r = reader->err;
	reader->open = NULL;
	reader->err = 0;
	return r;
}

int vc_state_done(struct vc_state_reader *reader)
{
	if (!reader)
		return vc_error_set(-EINVAL, "state", NULL, "no reader");
	if (reader->open)
		return vc_error_set(-EBUSY, "state", NULL, "section %.*s is open",
				    (int)reader->open->name_len, reader->open->name);
	for (size_t i = 0; i < reader->nr_sections; i++) {
		const struct section *s = &reader->sections[i];

		if (!s->was_read)
			return vc_error_set(-EBADMSG, "state", NULL,
					    "nobody asked for section %.*s", (int)s->name_len,
					    s->name);
	}
	return 0;
}
