/* SPDX-License-Identifier: Apache-2.0 */
/* What the DSDT names, and what it must not; that iasl understands it is test_acpi's. */
#include "unit.h"

#include "acpi_private.h"

#include <libvirtcore/vm.h>

static struct vc__bytes make(const struct vc__acpi_machine *m)
{
	struct vc__bytes b = { 0 };

	vc__acpi_put_dsdt(&b, m);
	assert_int_equal(b.err, 0);
	return b;
}

static unsigned int count(const struct vc__bytes *b, const char *bytes, size_t len)
{
	unsigned int nr = 0;

	for (size_t i = 0; i + len <= b->len; i++)
		nr += memcmp(b->buf + i, bytes, len) == 0;
	return nr;
}

/* Number of times that a name or id is there. */
static unsigned int has(const struct vc__acpi_machine *m, const char *bytes, size_t len)
{
	struct vc__bytes b = make(m);
	unsigned int nr = count(&b, bytes, len);

	vc__bytes_fini(&b);
	return nr;
}

#define HAS(m, text) has(m, text, sizeof(text) - 1)

static void bare(void **state)
{
	const struct vc__acpi_machine m = { .nr_vcpus = 1 };
	struct vc__bytes b = make(&m);

	(void)state;
	/* Scope(\_SB_) and one processor: nothing else. */
	assert_int_equal(b.len, 1 + 1 + 5 + 2 + 1 + 4 + 5 + 10 + 5 + 1);
	vc__bytes_fini(&b);
}

static void processors(void **state)
{
	struct vc__acpi_machine m = { .nr_vcpus = 300 };

	(void)state;
	assert_int_equal(HAS(&m, "ACPI0007"), 300);
	assert_int_equal(HAS(&m, "C000\x08_HID"), 1);
	assert_int_equal(HAS(&m, "C12B\x08_HID"), 1); /* 299 */
	assert_int_equal(HAS(&m, "C12C\x08_HID"), 0);
	/* _UID 299, as a word: the number that the MADT has */
	assert_int_equal(HAS(&m, "_UID\x0b\x2b\x01"), 1);
}

static void devices(void **state)
{
	static const struct {
		uint32_t bit;
		const char *id;
		size_t len;
	} ids[] = {
		{ VC_PLATFORM_PM, "\\_S5_\x12\x07\x04\x0a\x05", 10 },
		{ VC_PLATFORM_RTC, "\x0c\x41\xd0\x0b\x00", 5 }, /* PNP0B00 */
		{ VC_PLATFORM_PVPANIC, "QEMU0001", 8 },
	};

	(void)state;
	for (uint32_t platform = 0; platform < 32; platform++) {
		struct vc__acpi_machine m = { .nr_vcpus = 1, .platform = platform };

		for (size_t i = 0; i < ARRAY_LEN(ids); i++)
			assert_int_equal(has(&m, ids[i].id, ids[i].len),
					 (platform & ids[i].bit) != 0);
		/* Never a keyboard (PNP0303, PNP0F13) or a PCI root (PNP0A03, PNP0A08). */
		assert_int_equal(HAS(&m, "\x41\xd0\x03\x03"), 0);
		assert_int_equal(HAS(&m, "\x41\xd0\x0f\x13"), 0);
		assert_int_equal(HAS(&m, "\x41\xd0\x0a\x03"), 0);
		assert_int_equal(HAS(&m, "\x41\xd0\x0a\x08"), 0);
	}
}

static void serials(void **state)
{
	static const char *const resources[] = {
		"\x47\x01\xf8\x03\xf8\x03\x01\x08\x23\x10\x00\x01\x79",
		"\x47\x01\xf8\x02\xf8\x02\x01\x08\x23\x08\x00\x01\x79",
		"\x47\x01\xe8\x03\xe8\x03\x01\x08\x23\x20\x00\x01\x79",
		"\x47\x01\xe8\x02\xe8\x02\x01\x08\x23\x80\x00\x01\x79",
	};

	(void)state;
	for (uint32_t nr = 0; nr <= 4; nr++) {
		struct vc__acpi_machine m = { .nr_vcpus = 1, .nr_serials = nr };

		assert_int_equal(HAS(&m, "\x0c\x41\xd0\x05\x01"), nr); /* PNP0501 */
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(has(&m, resources[i], 13), i < nr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare),
		cmocka_unit_test(processors),
		cmocka_unit_test(devices),
		cmocka_unit_test(serials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
