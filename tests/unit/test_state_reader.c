/* SPDX-License-Identifier: Apache-2.0 */
/* Reading state back: round trips, and streams that lie. Run under ASAN it also shows that nothing
 * is read behind the end: every stream is an exact heap block. */
#include "unit.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <stdlib.h>

#define HEADER 24
#define CPU_AT HEADER			 /* section "cpu", 8 bytes */
#define RAM_AT (CPU_AT + 24 + 3 + 4 + 8) /* section "ram", 3 bytes */
#define END_AT (RAM_AT + 24 + 3 + 4 + 3)

struct stream {
	uint8_t *buf;
	size_t len;
};

static void put_le(uint8_t *at, uint64_t v, unsigned int width)
{
	for (unsigned int i = 0; i < width; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* A stream of two sections, in a block of exactly its size. */
static struct stream sample(void)
{
	struct vc_state_writer *w = NULL;
	struct stream s;
	const void *buf;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &w), 0);
	assert_result(vc_state_begin(w, "cpu", 3), 0);
	vc_state_put_u64(w, 0x1122334455667788, 8);
	assert_result(vc_state_end(w), 0);
	assert_result(vc_state_begin(w, "ram", 1), 0);
	vc_state_put_bytes(w, "abc", 3);
	assert_result(vc_state_end(w), 0);
	assert_result(vc_state_finish(w, &buf, &s.len), 0);
	assert_int_equal(s.len, END_AT + 28);
	s.buf = malloc(s.len);
	memcpy(s.buf, buf, s.len);
	vc_state_writer_destroy(w);
	return s;
}

/* Makes the checksums right again after a field was changed. */
static void seal(struct stream s, size_t section, size_t name_len)
{
	put_le(s.buf + 16, vc_crc32c_update(0, s.buf, 16), 4);
	put_le(s.buf + section + 24 + name_len, vc_crc32c_update(0, s.buf + section, 24 + name_len),
	       4);
}

static int try_open(struct stream s)
{
	struct vc_state_reader *r = NULL;
	int err = vc_state_reader_create(s.buf, s.len, VC_ARCH_X86_64, &r);

	if (err < 0)
		assert_null(r);
	vc_state_reader_destroy(r);
	return err;
}

static void round_trip(void **state)
{
	struct stream s = sample();
	struct vc_state_reader *r = NULL;
	uint32_t version = 0;
	char ram[3];

	(void)state;
	assert_result(vc_state_reader_create(s.buf, s.len, VC_ARCH_X86_64, &r), 0);
	assert_int_equal(vc_state_left(r), 0);
	assert_result(vc_state_open(r, "ram", 1, &version), 0);
	assert_int_equal(vc_state_left(r), 3);
	assert_result(vc_state_get_bytes(r, ram, 3), 0);
	assert_result(vc_state_get_bytes(r, NULL, 0), 0);
	assert_memory_equal(ram, "abc", 3);
	assert_result(vc_state_close(r), 0);
	assert_refused(vc_state_done(r), -EBADMSG, "cpu");
	assert_result(vc_state_open(r, "cpu", 9, &version), 0);
	assert_int_equal(version, 3);
	assert_int_equal(vc_state_get_u64(r, 1), 0x88);
	assert_int_equal(vc_state_get_u64(r, 2), 0x6677);
	assert_int_equal(vc_state_get_u64(r, 4), 0x22334455);
	assert_int_equal(vc_state_left(r), 1);
	assert_int_equal(vc_state_get_u64(r, 1), 0x11);
	assert_result(vc_state_close(r), 0);
	assert_result(vc_state_done(r), 0);
	vc_state_reader_destroy(r);
	vc_state_reader_destroy(NULL);
	free(s.buf);
}

/* Too short: zeros and a sticking error, and the next section can still be read. */
static void short_section(void **state)
{
	struct stream s = sample();
	struct vc_state_reader *r = NULL;
	uint8_t bytes[16];
	uint32_t version;

	(void)state;
	assert_result(vc_state_reader_create(s.buf, s.len, VC_ARCH_X86_64, &r), 0);
	assert_result(vc_state_open(r, "cpu", 3, &version), 0);
	memset(bytes, 0xff, sizeof(bytes));
	assert_refused(vc_state_get_bytes(r, bytes, 9), -EBADMSG, "cpu: after 0 bytes");
	assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0\0\xff", 10);
	assert_int_equal(vc_state_get_u64(r, 1), 0);
	assert_result(vc_state_get_bytes(r, bytes, 0), -EBADMSG);
	assert_result(vc_state_close(r), -EBADMSG);
	assert_result(vc_state_open(r, "ram", 1, &version), 0);
	assert_int_equal(vc_state_get_u64(r, 2), 0x6261);
	assert_refused(vc_state_close(r), -EBADMSG, "ram: after 2 bytes: bytes left over");
	assert_result(vc_state_done(r), 0);
	vc_state_reader_destroy(r);
	free(s.buf);
}

/* Every prefix of a stream, and every stream with one flipped bit, is refused. */
static void truncation_and_bit_flips(void **state)
{
	struct stream s = sample();

	(void)state;
	for (size_t len = 0; len < s.len; len++) {
		struct stream cut = { malloc(len + (len == 0)), len };

		memcpy(cut.buf, s.buf, len);
		assert_int_equal(try_open(cut), -EBADMSG);
		free(cut.buf);
	}
	for (size_t bit = 0; bit < s.len * 8; bit++) {
		s.buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(try_open(s), -EBADMSG);
		s.buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(try_open(s), 0);
	free(s.buf);
}

struct lie {
	const char *message;
	size_t at; /* byte of the field */
	uint64_t value;
	unsigned int width;
	size_t section, name_len; /* whose checksum is made right again */
	int err;
};

/* Fields that lie under a right checksum. */
static void lies(void **state)
{
	static const struct lie all[] = {
		{ "stream format 2", 8, 2, 4, CPU_AT, 3, -EPROTONOSUPPORT },
		{ "architecture 2", 12, 2, 4, CPU_AT, 3, -EXDEV },
		{ "reserved", 20, 1, 4, CPU_AT, 3, -EBADMSG },
		{ "no section begins", CPU_AT, 0, 4, CPU_AT, 3, -EBADMSG },
		{ "version 0", CPU_AT + 4, 0, 4, CPU_AT, 3, -EBADMSG },
		{ "name is too long", CPU_AT + 8, 65, 2, CPU_AT, 3, -EBADMSG },
		{ "name is too long", CPU_AT + 8, 0xffff, 2, CPU_AT, 3, -EBADMSG },
		{ "checksum of a section's header", CPU_AT + 8, 64, 2, CPU_AT, 3, -EBADMSG },
		{ "ends within a section's header", END_AT + 8, 64, 2, END_AT, 0, -EBADMSG },
		{ "another architecture", CPU_AT + 10, 2, 2, CPU_AT, 3, -EBADMSG },
		{ "checksum of a section's content", CPU_AT + 12, 0, 4, CPU_AT, 3, -EBADMSG },
		{ "ends within a section", CPU_AT + 16, 103, 8, CPU_AT, 3, -EBADMSG },
		{ "ends within a section", CPU_AT + 16, 64u << 20, 8, CPU_AT, 3, -EBADMSG },
		{ "longer than the format", CPU_AT + 16, (64u << 20) + 1, 8, CPU_AT, 3, -EBADMSG },
		{ "longer than the format", CPU_AT + 16, UINT64_MAX, 8, CPU_AT, 3, -EBADMSG },
		{ "not printable", CPU_AT + 24, '\n', 1, CPU_AT, 3, -EBADMSG },
		{ "not printable", CPU_AT + 24, 0, 1, CPU_AT, 3, -EBADMSG },
		{ "used before", RAM_AT + 24, 'c' | 'p' << 8 | 'u' << 16, 3, RAM_AT, 3, -EBADMSG },
		{ "end section is not empty", END_AT + 4, 1, 4, END_AT, 0, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct stream s = sample();

		put_le(s.buf + all[i].at, all[i].value, all[i].width);
		seal(s, all[i].section, all[i].name_len);
		assert_refused(try_open(s), all[i].err, all[i].message);
		free(s.buf);
	}
}

/* An end section with content, one in the middle, and bytes behind the end. */
static void wrong_end(void **state)
{
	struct stream s = sample();

	(void)state;
	s.buf = realloc(s.buf, s.len + 1);
	s.buf[s.len++] = 'x';
	assert_refused(try_open(s), -EBADMSG, "bytes follow");
	put_le(s.buf + END_AT + 16, 1, 8);
	put_le(s.buf + END_AT + 12, vc_crc32c_update(0, "x", 1), 4);
	seal(s, END_AT, 0);
	assert_refused(try_open(s), -EBADMSG, "end section is not empty");
	free(s.buf);
}

static void empty_stream(void **state)
{
	struct vc_state_writer *w = NULL;
	struct vc_state_reader *r = NULL;
	const void *buf;
	size_t len;
	uint32_t version = 0;

	(void)state;
	assert_result(vc_state_writer_create(VC_ARCH_NONE, &w), 0);
	assert_result(vc_state_finish(w, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_NONE, &r), 0);
	assert_refused(vc_state_open(r, "any", 1, &version), -ENOENT, "any");
	assert_result(vc_state_done(r), 0);
	vc_state_reader_destroy(r);
	vc_state_writer_destroy(w);
}

/* Look-up among many names, some of them beginnings of others. */
static void many_sections(void **state)
{
	struct vc_state_writer *w = NULL;
	struct vc_state_reader *r = NULL;
	char name[VC_STATE_NAME_MAX + 2];
	const void *buf;
	size_t len;
	uint32_t version;

	(void)state;
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &w), 0);
	memset(name, 'n', sizeof(name));
	for (size_t i = VC_STATE_NAME_MAX; i > 0; i--) {
		name[i] = '\0';
		assert_result(vc_state_begin(w, name, (uint32_t)i), 0);
		assert_result(vc_state_end(w), 0);
	}
	assert_result(vc_state_finish(w, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &r), 0);
	memset(name, 'n', sizeof(name));
	name[VC_STATE_NAME_MAX + 1] = '\0';
	assert_result(vc_state_open(r, name, 100, &version), -ENOENT);
	for (size_t i = 1; i <= VC_STATE_NAME_MAX; i++) {
		memset(name, 'n', sizeof(name));
		name[i] = '\0';
		assert_result(vc_state_open(r, name, 100, &version), 0);
		assert_int_equal(version, i);
		assert_result(vc_state_close(r), 0);
		assert_result(vc_state_open(r, name, 100, &version), -EALREADY);
	}
	assert_result(vc_state_open(r, "", 100, &version), -ENOENT);
	assert_result(vc_state_done(r), 0);
	vc_state_reader_destroy(r);
	vc_state_writer_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(short_section),
		cmocka_unit_test(truncation_and_bit_flips),
		cmocka_unit_test(lies),
		cmocka_unit_test(wrong_end),
		cmocka_unit_test(empty_stream),
		cmocka_unit_test(many_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
