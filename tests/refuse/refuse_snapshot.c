/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that snapshot.h documents, named function_code. -ENOMEM is in tests/fault. */
#include "unit.h"

#include <libvirtcore/snapshot.h>

#include <errno.h>

static struct vc_state_writer *writer(void)
{
	struct vc_state_writer *w = NULL;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &w), 0);
	return w;
}

/* A stream with the sections "a" (version 2, 4 bytes) and "b" (version 1, empty). */
static const void *stream(struct vc_state_writer *w, size_t *len)
{
	const void *buf = NULL;

	assert_result(vc_state_begin(w, "a", 2), 0);
	vc_state_put_u64(w, 5, 4);
	assert_result(vc_state_end(w), 0);
	assert_result(vc_state_begin(w, "b", 1), 0);
	assert_result(vc_state_end(w), 0);
	assert_result(vc_state_finish(w, &buf, len), 0);
	return buf;
}

static struct vc_state_reader *reader(struct vc_state_writer *w)
{
	struct vc_state_reader *r = NULL;
	size_t len;
	const void *buf = stream(w, &len);

	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &r), 0);
	return r;
}

static void writer_create_einval(void **state)
{
	struct vc_state_writer *w = NULL;

	(void)state;
	assert_refused(vc_state_writer_create(VC_ARCH_X86_64, NULL), -EINVAL, "no place");
	assert_refused(vc_state_writer_create((enum vc_arch)3, &w), -EINVAL, "architecture 3");
	assert_null(w);
}

static void begin_einval(void **state)
{
	struct vc_state_writer *w = writer();
	char name[VC_STATE_NAME_MAX + 2];
	size_t len;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[VC_STATE_NAME_MAX + 1] = '\0';
	assert_refused(vc_state_begin(NULL, "x", 1), -EINVAL, "no writer");
	assert_refused(vc_state_begin(w, NULL, 1), -EINVAL, "no name");
	assert_refused(vc_state_begin(w, "", 1), -EINVAL, "1 to 64");
	assert_refused(vc_state_begin(w, name, 1), -EINVAL, "1 to 64");
	assert_refused(vc_state_begin(w, "a\n", 1), -EINVAL, "printable");
	assert_refused(vc_state_begin(w, "x", 0), -EINVAL, "version 0");
	stream(w, &len);
	assert_refused(vc_state_begin(w, "x", 1), -EINVAL, "finished");
	vc_state_writer_destroy(w);
}

static void begin_ebusy_eexist(void **state)
{
	struct vc_state_writer *w = writer();

	(void)state;
	assert_result(vc_state_begin(w, "x", 1), 0);
	assert_refused(vc_state_begin(w, "y", 1), -EBUSY, "section x is open");
	assert_result(vc_state_end(w), 0);
	assert_refused(vc_state_begin(w, "x", 1), -EEXIST, "x");
	assert_result(vc_state_begin(w, "y", 1), 0); /* neither is the end of the writer */
	vc_state_writer_destroy(w);
}

static void put_without_a_section(void **state)
{
	struct vc_state_writer *w = writer();

	(void)state;
	vc_state_put_bytes(NULL, "x", 1);
	vc_state_put_u64(NULL, 1, 1);
	vc_state_put_u64(w, 1, 1);
	assert_refused(vc_state_begin(w, "x", 1), -EINVAL, "no section is open");
	vc_state_writer_destroy(w);
}

static void end_einval(void **state)
{
	static const struct {
		uint64_t value;
		unsigned int width;
	} bad[] = { { 256, 1 }, { 1 << 16, 2 }, { 1ull << 32, 4 }, { 0, 0 }, { 0, 3 }, { 0, 16 } };
	struct vc_state_writer *w = writer();

	(void)state;
	assert_refused(vc_state_end(NULL), -EINVAL, "no writer");
	assert_refused(vc_state_end(w), -EINVAL, "none is open");
	vc_state_writer_destroy(w);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		w = writer();
		assert_result(vc_state_begin(w, "x", 1), 0);
		vc_state_put_u64(w, bad[i].value, bad[i].width);
		assert_refused(vc_state_end(w), -EINVAL, "does not fit");
		vc_state_writer_destroy(w);
	}
	w = writer();
	assert_result(vc_state_begin(w, "x", 1), 0);
	vc_state_put_bytes(w, NULL, 1);
	assert_refused(vc_state_end(w), -EINVAL, "NULL");
	vc_state_writer_destroy(w);
}

static void end_efbig(void **state)
{
	struct vc_state_writer *w = writer();
	uint8_t byte = 0;

	(void)state;
	assert_result(vc_state_begin(w, "x", 1), 0);
	vc_state_put_bytes(w, &byte, (size_t)VC_STATE_SECTION_MAX + 1); /* refused unread */
	assert_refused(vc_state_end(w), -EFBIG, "64 MiB");
	vc_state_writer_destroy(w);
	w = writer();
	assert_result(vc_state_begin(w, "x", 1), 0);
	vc_state_put_bytes(w, &byte, SIZE_MAX);
	assert_refused(vc_state_end(w), -EFBIG, "64 MiB");
	vc_state_writer_destroy(w);
}

static void finish_einval_ebusy(void **state)
{
	struct vc_state_writer *w = writer();
	const void *buf = NULL;
	size_t len = 7;

	(void)state;
	assert_refused(vc_state_finish(NULL, &buf, &len), -EINVAL, "no writer");
	assert_refused(vc_state_finish(w, NULL, &len), -EINVAL, "no place");
	assert_refused(vc_state_finish(w, &buf, NULL), -EINVAL, "no place");
	assert_result(vc_state_begin(w, "x", 1), 0);
	assert_refused(vc_state_finish(w, &buf, &len), -EBUSY, "x: the section is still open");
	assert_null(buf);
	assert_int_equal(len, 7);
	vc_state_writer_destroy(w);
}

static void reader_create_refusals(void **state)
{
	struct vc_state_writer *w = writer();
	struct vc_state_reader *r = NULL;
	size_t len;
	const void *buf = stream(w, &len);
	uint8_t copy[256];

	(void)state;
	assert_refused(vc_state_reader_create(NULL, 1, VC_ARCH_X86_64, &r), -EINVAL, "no stream");
	assert_refused(vc_state_reader_create(buf, len, VC_ARCH_X86_64, NULL), -EINVAL, "no place");
	assert_refused(vc_state_reader_create(buf, len, VC_ARCH_ARM64, &r), -EXDEV,
		       "architecture 1, expected 2");
	assert_refused(vc_state_reader_create(buf, 0, VC_ARCH_X86_64, &r), -EBADMSG, "at byte 0");
	assert_refused(vc_state_reader_create(buf, len - 1, VC_ARCH_X86_64, &r), -EBADMSG,
		       "without an end section");
	assert_true(len < sizeof(copy));
	memcpy(copy, buf, len);
	copy[24 + 24 + 1 + 4] ^= 1;
	assert_refused(vc_state_reader_create(copy, len, VC_ARCH_X86_64, &r), -EBADMSG,
		       "at byte 24: wrong checksum of a section's content");
	/* The header of a stream of format 2; its checksum was computed by hand (CRC-32C). */
	memcpy(copy, "VCSTATE\0\2\0\0\0\1\0\0\0", 16);
	memcpy(copy + 16, "\x64\x77\xc9\x8c", 4);
	assert_refused(vc_state_reader_create(copy, len, VC_ARCH_X86_64, &r), -EPROTONOSUPPORT,
		       "format 2");
	assert_null(r);
	vc_state_writer_destroy(w);
}

static void open_refusals(void **state)
{
	struct vc_state_writer *w = writer();
	struct vc_state_reader *r = reader(w);
	uint32_t version = 77;

	(void)state;
	assert_refused(vc_state_open(NULL, "a", 2, &version), -EINVAL, "no reader");
	assert_refused(vc_state_open(r, NULL, 2, &version), -EINVAL, "no reader, name");
	assert_refused(vc_state_open(r, "a", 2, NULL), -EINVAL, "place");
	assert_refused(vc_state_open(r, "c", 2, &version), -ENOENT, "c: no such section");
	assert_refused(vc_state_open(r, "a", 1, &version), -EPROTONOSUPPORT,
		       "version 2, this library reads up to 1");
	assert_int_equal(version, 77);
	assert_result(vc_state_open(r, "b", 1, &version), 0);
	assert_refused(vc_state_open(r, "a", 2, &version), -EBUSY, "section b is open");
	assert_result(vc_state_close(r), 0);
	assert_refused(vc_state_open(r, "b", 1, &version), -EALREADY, "read before");
	vc_state_reader_destroy(r);
	vc_state_writer_destroy(w);
}

static void get_refusals(void **state)
{
	struct vc_state_writer *w = writer();
	struct vc_state_reader *r = reader(w);
	uint32_t version;
	uint8_t bytes[8] = { 1 };

	(void)state;
	assert_refused(vc_state_get_bytes(NULL, bytes, 1), -EINVAL, "no section is open");
	assert_refused(vc_state_get_bytes(r, bytes, 1), -EINVAL, "no section is open");
	assert_int_equal(vc_state_get_u64(NULL, 4), 0);
	assert_int_equal(vc_state_get_u64(r, 4), 0);
	assert_int_equal(vc_state_left(NULL), 0);
	assert_result(vc_state_open(r, "a", 2, &version), 0);
	assert_int_equal(vc_state_get_u64(r, 3), 0);
	assert_refused(vc_state_close(r), -EINVAL, "width");
	vc_state_reader_destroy(r);

	vc_state_writer_destroy(w);
	w = writer();
	r = reader(w);
	assert_result(vc_state_open(r, "a", 2, &version), 0);
	assert_refused(vc_state_get_bytes(r, NULL, 1), -EINVAL, "NULL");
	assert_result(vc_state_close(r), -EINVAL);
	assert_result(vc_state_open(r, "b", 2, &version), 0);
	assert_refused(vc_state_get_bytes(r, bytes, 1), -EBADMSG, "b: after 0 bytes: the section");
	assert_result(vc_state_close(r), -EBADMSG);
	vc_state_reader_destroy(r);
	vc_state_writer_destroy(w);
}

static void close_and_done_refusals(void **state)
{
	struct vc_state_writer *w = writer();
	struct vc_state_reader *r = reader(w);
	uint32_t version;

	(void)state;
	assert_refused(vc_state_close(NULL), -EINVAL, "no section");
	assert_refused(vc_state_close(r), -EINVAL, "no section");
	assert_refused(vc_state_done(NULL), -EINVAL, "no reader");
	assert_refused(vc_state_done(r), -EBADMSG, "section a");
	assert_result(vc_state_open(r, "a", 2, &version), 0);
	assert_refused(vc_state_done(r), -EBUSY, "section a is open");
	assert_refused(vc_state_close(r), -EBADMSG, "bytes left over");
	assert_refused(vc_state_done(r), -EBADMSG, "section b");
	vc_state_reader_destroy(r);
	vc_state_writer_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_create_einval),
		cmocka_unit_test(begin_einval),
		cmocka_unit_test(begin_ebusy_eexist),
		cmocka_unit_test(put_without_a_section),
		cmocka_unit_test(end_einval),
		cmocka_unit_test(end_efbig),
		cmocka_unit_test(finish_einval_ebusy),
		cmocka_unit_test(reader_create_refusals),
		cmocka_unit_test(open_refusals),
		cmocka_unit_test(get_refusals),
		cmocka_unit_test(close_and_done_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
