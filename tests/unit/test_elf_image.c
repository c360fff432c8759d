/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers and notes as read; what is refused of them is test_load_elf's. */
#include "boot_fixture.h"

#include "elf_image.h"

static uint8_t elf[ELF_BYTES];
static const struct vc__source file = {
	.name = "kernel", .buf = elf, .len = sizeof(elf), .fd = -EBADF
};

static void segments(void **state)
{
	struct vc__elf_image img;

	(void)state;
	make_elf(elf);
	assert_result(vc__elf_read(&file, &img), 0);
	assert_int_equal(img.nr_segments, 2);
	assert_int_equal(img.segments[0].gpa, ELF_TEXT_GPA);
	assert_int_equal(img.segments[0].off, ELF_TEXT_OFF);
	assert_int_equal(img.segments[1].gpa, ELF_DATA_GPA);
	assert_int_equal(img.segments[1].file_len, ELF_SEGMENT);
	assert_int_equal(img.segments[1].mem_len, ELF_SEGMENT + ELF_BSS);
	assert_int_equal(img.entry, ELF_ENTRY);
	assert_true(img.has_entry);
	assert_false(img.is_linux);
}

/* Headers of other types, and segments of nothing, do not count. */
static void passes_over(void **state)
{
	struct vc__elf_image img;

	(void)state;
	make_elf(elf);
	put_le(elf, ELF_PHDR(1), 4, PT_GNU_STACK);
	put_le(elf, ELF_PHDR(1) + 8, 8, UINT64_MAX);
	assert_result(vc__elf_read(&file, &img), 0);
	assert_int_equal(img.nr_segments, 1);
	make_elf(elf);
	put_le(elf, ELF_PHDR(1) + 32, 8, 0);
	put_le(elf, ELF_PHDR(1) + 40, 8, 0);
	assert_result(vc__elf_read(&file, &img), 0);
	assert_int_equal(img.nr_segments, 1);
	put_le(elf, ELF_PHDR(0), 4, PT_NULL);
	assert_refused(vc__elf_read(&file, &img), -ENOEXEC, "no loadable segment");
}

/* Notes padded to 8 bytes, where the segment says so, are found at other places. */
static void wide_notes(void **state)
{
	struct vc__elf_image img;
	uint8_t *n = elf + ELF_NOTE_OFF;

	(void)state;
	make_elf(elf);
	put_le(elf, ELF_PHDR(2) + 48, 8, 8);
	memset(n, 0, ELF_NOTES_LEN);
	put_le(n, 0, 4, 4); /* name 4, description 1: 17 bytes, 24 with padding */
	put_le(n, 4, 4, 1);
	memcpy(n + 12, "GNU", 4);
	put_le(n, 24, 4, 4);
	put_le(n, 28, 4, 8);
	put_le(n, 32, 4, 18);
	memcpy(n + 36, "Xen", 4);
	put_le(n, 40, 8, ELF_ENTRY + 8);
	put_le(elf, ELF_PHDR(2) + 32, 8, 48);
	assert_result(vc__elf_read(&file, &img), 0);
	assert_int_equal(img.entry, ELF_ENTRY + 8);
	put_le(elf, ELF_PHDR(2) + 48, 8, 4);
	assert_refused(vc__elf_read(&file, &img), -ENOEXEC, ""); /* misread: garbage */
}

static void note_of_linux(void **state)
{
	struct vc__elf_image img;

	(void)state;
	make_elf(elf);
	put_le(elf, ELF_NOTE_OFF, 4, 6);
	memcpy(elf + ELF_NOTE_OFF + 12, "Linux", 6);
	assert_result(vc__elf_read(&file, &img), 0);
	assert_true(img.is_linux);
	assert_int_equal(img.entry, ELF_ENTRY);
}

/* Every single byte of headers and notes changed: an answer, whatever it is, and no misread. */
static void any_byte(void **state)
{
	struct vc__elf_image img;

	(void)state;
	for (size_t i = 0; i < ELF_NOTE_OFF + ELF_NOTES_LEN; i++) {
		if (i >= ELF_PHDR(3) && i < ELF_NOTE_OFF)
			continue;
		for (unsigned int bit = 0; bit < 8; bit++) {
			make_elf(elf);
			elf[i] ^= (uint8_t)(1u << bit);
			int r = vc__elf_read(&file, &img);
			assert_true(r == 0 || r == -ENOEXEC || r == -EIO);
			if (r)
				continue;
			assert_in_range(img.nr_segments, 1, VC__ELF_SEGMENTS_MAX);
			for (size_t k = 0; k < img.nr_segments; k++) {
				const struct vc__elf_segment *s = &img.segments[k];

				assert_true(s->mem_len >= s->file_len && s->mem_len > 0);
				assert_true(s->off + s->file_len <= sizeof(elf));
				assert_true(s->gpa + s->mem_len > s->gpa);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments),   cmocka_unit_test(passes_over),
		cmocka_unit_test(wide_notes), cmocka_unit_test(note_of_linux),
		cmocka_unit_test(any_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
