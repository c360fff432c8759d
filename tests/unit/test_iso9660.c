/* SPDX-License-Identifier: Apache-2.0 */
/* ISO 9660 images, read back by bsdtar: names, contents, sizes at the edges of a sector. */
#include "iso9660.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *image;
static size_t image_len;
static char path[64];

static int teardown(void **state)
{
	(void)state;
	free(image);
	image = NULL;
	if (path[0] != '\0')
		(void)unlink(path);
	path[0] = '\0';
	return 0;
}

static void make(const struct vc__iso_file *files, size_t nr)
{
	FILE *f;
	int fd;

	assert_result(vc__iso_make("cidata", files, nr, &image, &image_len), 0);
	snprintf(path, sizeof(path), "/tmp/test_iso9660-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_int_equal(fwrite(image, 1, image_len, f), image_len);
	assert_int_equal(fclose(f), 0);
}

/* What another program says of the image; @len bytes of room. */
static size_t ask(const char *program, const char *member, char *ret, size_t len)
{
	char command[256];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "%s %s %s", program, path, member);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(ret, 1, len - 1, pipe);
	ret[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
	return n;
}

static void skip_without(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	if (system(command) != 0) { /* NOLINT: a fixed string */
		print_message("SKIP: no %s\n", program);
		skip();
	}
}

static void names(void **state)
{
	static const struct vc__iso_file files[] = {
		{ "meta-data", "META_DAT.A", "m", 1 },
		{ "network-config", "NETWORK_.CON", "nn", 2 },
		{ "user-data", "USER_DAT.A", "uuu", 3 },
	};
	char text[256];

	(void)state;
	skip_without("bsdtar");
	make(files, 3);
	(void)ask("bsdtar -tf", "", text, sizeof(text));
	assert_string_equal(text, ".\nmeta-data\nnetwork-config\nuser-data\n");
	(void)ask("bsdtar -xOf", "network-config", text, sizeof(text));
	assert_string_equal(text, "nn");
	(void)ask("bsdtar --options '!joliet' -tf", "", text, sizeof(text));
	assert_string_equal(text, ".\nMETA_DAT.A\nNETWORK_.CON\nUSER_DAT.A\n");
}

static void label(void **state)
{
	static const struct vc__iso_file file = { "a", "A", "a", 1 };
	char text[256];

	(void)state;
	skip_without("blkid");
	make(&file, 1);
	(void)ask("blkid -p -o value -s TYPE -s LABEL", "", text, sizeof(text));
	assert_non_null(strstr(text, "cidata\n"));
	assert_non_null(strstr(text, "iso9660\n"));
}

static void sizes(void **state)
{
	static const uint32_t lens[] = { 0, 1, 2047, 2048, 2049, 100000 };
	static char data[100000], found[100001];

	(void)state;
	skip_without("bsdtar");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 2048);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct vc__iso_file files[] = { { "a", "A", data, lens[i] },
						{ "b", "B", "end", 3 } };

		make(files, 2);
		assert_int_equal(image_len % VC__ISO_SECTOR_BYTES, 0);
		assert_int_equal(ask("bsdtar -xOf", "a", found, sizeof(found)), lens[i]);
		assert_memory_equal(found, data, lens[i]);
		assert_int_equal(ask("bsdtar -xOf", "b", found, sizeof(found)), 3);
		(void)teardown(NULL);
	}
}

/* No times, no addresses: the same files make the same image. */
static void equal_images(void **state)
{
	static const struct vc__iso_file file = { "a", "A", "a", 1 };
	uint8_t *other;
	size_t other_len;

	(void)state;
	make(&file, 1);
	assert_result(vc__iso_make("cidata", &file, 1, &other, &other_len), 0);
	assert_int_equal(other_len, image_len);
	assert_memory_equal(other, image, image_len);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(names, teardown),
		cmocka_unit_test_teardown(label, teardown),
		cmocka_unit_test_teardown(sizes, teardown),
		cmocka_unit_test_teardown(equal_images, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
