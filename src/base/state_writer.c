/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a state stream into memory: header, sections, end; the layout is in snapshot.h.
 *
 * Runs on the thread that saves, one at a time. The first error sticks, so that an object can put
 * its fields without looking at each: vc_state_end() and vc_state_finish() return it. The lengths
 * and checksums of a section are filled in when it is closed. Writing the bytes to a file is the
 * caller's business.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include "state.h"

#include <errno.h>
#include <string.h>

struct vc_state_writer {
	/* the stream so far */
	uint8_t *buf;
	size_t len, cap;
	/* where each section starts, to refuse a name used before */
	size_t *sections;
	size_t nr_sections, cap_sections;
	/* state */
	enum vc_arch arch;
	int err; /* the first error, 0 when there was none */
	bool is_open, is_finished;
	size_t payload_off; /* of the open section */
	char name[VC_STATE_NAME_MAX + 1];
};

/* Keeps the first error; the message of a later one would hide the cause. */
static int fail(struct vc_state_writer *w, int err, const char *what)
{
	if (!w->err)
		w->err = vc_error_set(err, "state", w->name, "%s", what);
	return w->err;
}

static bool grow(struct vc_state_writer *w, size_t more)
{
	size_t cap = w->cap;
	uint8_t *buf;

	if (more <= w->cap - w->len)
		return true;
	/* @more is at most a section, so neither sum nor doubling can wrap in memory that exists.
	 */
	while (cap - w->len < more)
		cap = cap ? cap * 2 : 4096;
	buf = realloc(w->buf, cap);
	if (!buf) {
		fail(w, -ENOMEM, "no memory for the stream");
		return false;
	}
	w->buf = buf;
	w->cap = cap;
	return true;
}

static void append(struct vc_state_writer *w, const void *bytes, size_t len)
{
	if (len == 0 || !grow(w, len))
		return;
	memcpy(w->buf + w->len, bytes, len);
	w->len += len;
}

int vc_state_writer_create(enum vc_arch arch, struct vc_state_writer **ret_writer)
{
	uint8_t header[VC__STATE_HEADER_BYTES] = VC__STATE_MAGIC;
	struct vc_state_writer *w;

	if (!ret_writer)
		return vc_error_set(-EINVAL, "state", NULL, "no place for the writer");
	if ((unsigned int)arch > VC_ARCH_ARM64)
		return vc_error_set(-EINVAL, "state", NULL, "unknown architecture %u",
				    (unsigned int)arch);
	w = calloc(1, sizeof(*w));
	if (!w)
		return vc_error_set(-ENOMEM, "state", NULL, "no memory for a writer");
	w->arch = arch;
	vc__le_store(header + 8, VC__STATE_FORMAT, 4);
	vc__le_store(header + 12, (uint64_t)arch, 4);
	vc__le_store(header + 16, vc_crc32c_update(0, header, 16), 4);
	append(w, header, sizeof(header));
	if (w->err) {
		int r = w->err;

		vc_state_writer_destroy(w);
		return r;
	}
	*ret_writer = w;
	return 0;
}

void vc_state_writer_destroy(struct vc_state_writer *writer)
{
	if (!writer)
		return;
	free(writer->sections);
	free(writer->buf);
	free(writer);
}

static bool name_is_used(const struct vc_state_writer *w, const char *name, size_t len)
{
	for (size_t i = 0; i < w->nr_sections; i++) {
		const uint8_t *at = w->buf + w->sections[i];

		if (vc__le_load(at + 8, 2) == len &&
		    memcmp(at + VC__STATE_SECTION_BYTES, name, len) == 0)
			return true;
	}
	return false;
}

static bool remember_section(struct vc_state_writer *w)
{
	if (w->nr_sections == w->cap_sections) {
		size_t cap = w->cap_sections ? w->cap_sections * 2 : 16;
		size_t *sections = realloc(w->sections, cap * sizeof(*sections));

		if (!sections) {
			fail(w, -ENOMEM, "no memory for the list of sections");
			return false;
		}
		w->sections = sections;
		w->cap_sections = cap;
	}
	w->sections[w->nr_sections++] = w->len;
	return true;
}

/* Writes the header of a section; lengths and checksums follow in close_section(). */
static void open_section(struct vc_state_writer *w, const char *name, size_t len, uint32_t version)
{
	uint8_t head[VC__STATE_SECTION_BYTES + VC_STATE_NAME_MAX + 4] = { 0 };

	vc__le_store(head, VC__STATE_SECTION_MAGIC, 4);
	vc__le_store(head + 4, version, 4);
	vc__le_store(head + 8, len, 2);
	vc__le_store(head + 10, (uint64_t)w->arch, 2);
	memcpy(head + VC__STATE_SECTION_BYTES, name, len);
	append(w, head, VC__STATE_SECTION_BYTES + len + 4);
	w->payload_off = w->len;
}

static void close_section(struct vc_state_writer *w, size_t name_len)
{
	size_t head_len = VC__STATE_SECTION_BYTES + name_len;
	uint8_t *payload = w->buf + w->payload_off;
	uint8_t *head = payload - head_len - 4;
	size_t len = w->len - w->payload_off;

	vc__le_store(head + 12, vc_crc32c_update(0, payload, len), 4);
	vc__le_store(head + 16, len, 8);
	vc__le_store(head + head_len, vc_crc32c_update(0, head, head_len), 4);
}

int vc_state_begin(struct vc_state_writer *writer, const char *name, uint32_t version)
{
	size_t len;

	if (!writer || !name)
		return vc_error_set(-EINVAL, "state", NULL, "no writer or no name");
	if (writer->err)
		return writer->err;
	if (writer->is_open)
		return vc_error_set(-EBUSY, "state", name, "section %s is open", writer->name);
	if (writer->is_finished)
		return vc_error_set(-EINVAL, "state", name, "the stream is finished");
	len = strnlen(name, VC_STATE_NAME_MAX + 1);
	if (!vc__state_name_is_valid(name, len))
		return vc_error_set(-EINVAL, "state", name,
				    "a name has 1 to %u printable ASCII characters",
				    VC_STATE_NAME_MAX);
	if (version == 0)
		return vc_error_set(-EINVAL, "state", name, "version 0, expected 1 or more");
	if (name_is_used(writer, name, len))
		return vc_error_set(-EEXIST, "state", name, "a section of this name was written");

	memcpy(writer->name, name, len + 1);
	if (remember_section(writer))
		open_section(writer, name, len, version);
	writer->is_open = !writer->err;
	return writer->err;
}

void vc_state_put_bytes(struct vc_state_writer *writer, const void *buf, size_t len)
{
	if (!writer || writer->err)
		return;
	if (!writer->is_open)
		fail(writer, -EINVAL, "bytes put while no section is open");
	else if (len > VC_STATE_SECTION_MAX - (writer->len - writer->payload_off))
		fail(writer, -EFBIG, "the section is longer than the format allows (64 MiB)");
	else if (len > 0 && !buf)
		fail(writer, -EINVAL, "bytes put from NULL");
	else
		append(writer, buf, len);
}

void vc_state_put_u64(struct vc_state_writer *writer, uint64_t value, unsigned int width)
{
	uint8_t bytes[8];

	if (!writer || writer->err)
		return;
	if (!vc__state_width_is_valid(width) || (width < 8 && value >> (8 * width))) {
		fail(writer, -EINVAL, "a value does not fit the width given for it");
		return;
	}
	vc__le_store(bytes, value, width);
	vc_state_put_bytes(writer, bytes, width);
}

int vc_state_end(struct vc_state_writer *writer)
{
	if (!writer)
		return vc_error_set(-EINVAL, "state", NULL, "no writer");
	if (!writer->is_open)
		return fail(writer, -EINVAL, "a section ended while none is open");
	writer->is_open = false;
	if (!writer->err)
		close_section(writer, strlen(writer->name));
	return writer->err;
}

int vc_state_finish(struct vc_state_writer *writer, const void **ret_buf, size_t *ret_len)
{
	if (!writer || !ret_buf || !ret_len)
		return vc_error_set(-EINVAL, "state", NULL, "no writer or no place for the bytes");
	if (writer->is_open)
		return vc_error_set(-EBUSY, "state", writer->name, "the section is still open");
	if (!writer->err && !writer->is_finished) {
		writer->name[0] = '\0';
		open_section(writer, "", 0, 0);
		if (!writer->err)
			close_section(writer, 0);
		writer->is_finished = true;
	}
	if (writer->err)
		return writer->err;
	*ret_buf = writer->buf;
	*ret_len = writer->len;
	return 0;
}
