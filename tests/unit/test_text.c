/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: cut, cleaned, errno kept. */
#include "unit.h"

#include "text.h"

#include <errno.h>
#include <wchar.h>

__attribute__((format(printf, 3, 4))) static void format(char *buf, size_t size, const char *fmt,
							 ...)
{
	va_list args;

	va_start(args, fmt);
	vc__text_format(buf, size, fmt, args);
	va_end(args);
}

static void formats(void **state)
{
	char buf[32];

	(void)state;
	errno = EPIPE;
	format(buf, sizeof(buf), "%s is %d", "it", 7);
	assert_string_equal(buf, "it is 7");
	assert_int_equal(errno, EPIPE);
}

static void a_text_that_cannot_be_formatted_is_empty(void **state)
{
	char buf[8] = "before";

	(void)state;
	/* A wide character that the C locale cannot write: vsnprintf fails with EILSEQ. */
	errno = EPIPE;
	format(buf, sizeof(buf), "%lc", (wint_t)0x20ac);
	assert_string_equal(buf, "");
	assert_int_equal(errno, EPIPE);
}

static void control_characters_go(void **state)
{
	char buf[64];

	(void)state;
	format(buf, sizeof(buf), "%s", "a\033[2Jb\nc\r\td\x7f");
	assert_string_equal(buf, "a?[2Jb?c??d?");
	/* C1 in UTF-8; a letter of two bytes stays; a lone lead byte at the end stays. */
	vc__text_copy(buf, sizeof(buf),
		      "\xc2\x9b"
		      "31m \xc3\xa9 \xc2\xa0 \xc2");
	assert_string_equal(buf, "??31m \xc3\xa9 \xc2\xa0 \xc2");
	vc__text_copy(buf, sizeof(buf), NULL);
	assert_string_equal(buf, "");
}

/* A cut never leaves half a character, at whatever byte it falls. */
static void cuts_between_characters(void **state)
{
	static const char *const chars[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7" };
	char text[64], buf[64];

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chars); c++) {
		size_t width = strlen(chars[c]);

		text[0] = '\0';
		for (int i = 0; i < 12; i++)
			strcat(text, chars[c]);
		for (size_t size = 1; size < sizeof(buf); size++) {
			size_t fits =
				strlen(text) < size ? strlen(text) : (size - 1) / width * width;

			format(buf, size, "%s", text);
			assert_int_equal(strlen(buf), fits);
			vc__text_copy(buf, size, text);
			assert_int_equal(strlen(buf), fits);
			assert_memory_equal(buf, text, fits);
		}
	}
}

/* Bytes that are no UTF-8 are cut as they are, without reading before the buffer. */
static void cuts_nonsense(void **state)
{
	char buf[4];

	(void)state;
	vc__text_copy(buf, sizeof(buf), "\x80\x80\x80\x80\x80");
	assert_string_equal(buf, "\x80\x80\x80");
	vc__text_copy(buf, 1, "abc");
	assert_string_equal(buf, "");
	vc__text_copy(buf, 3, "\x80\x80\x80");
	assert_string_equal(buf, "\x80\x80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(a_text_that_cannot_be_formatted_is_empty),
		cmocka_unit_test(control_characters_go),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(cuts_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
