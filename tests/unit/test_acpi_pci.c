/* SPDX-License-Identifier: Apache-2.0 */
/* What ACPI says of PCI, byte for byte; that iasl understands it is test_acpi's. */
#include "unit.h"

#include "acpi_private.h"

#include <libvirtcore/vm.h>

static struct vc__bytes make(vc_gpa gpa, uint64_t bytes)
{
	const struct vc__acpi_machine m = {
		.nr_vcpus = 1, .platform = VC_PLATFORM_PCI, .pci_gpa = gpa, .pci_bytes = bytes
	};
	struct vc__bytes b = { 0 };

	vc__acpi_put_pci(&b, &m);
	assert_int_equal(b.err, 0);
	return b;
}

static unsigned int count(const struct vc__bytes *b, const void *bytes, size_t len)
{
	unsigned int nr = 0;

	for (size_t i = 0; i + len <= b->len; i++)
		nr += memcmp(b->buf + i, bytes, len) == 0;
	return nr;
}

#define COUNT(b, text) count(b, text, sizeof(text) - 1)

static void host_bridge(void **state)
{
	struct vc__bytes b = make(0x140000000, 0x1000000000);

	(void)state;
	assert_int_equal(COUNT(&b, "PCI0\x08_HID\x0c\x41\xd0\x0a\x08\x08_CID\x0c\x41\xd0\x0a\x03"),
			 1);
	/* bus 0 alone, ports, 32 bits, 64 bits */
	assert_int_equal(COUNT(&b, "\x88\x0d\x00\x02\x0c\x00\0\0\0\0\0\0\0\0\x01\0"), 1);
	assert_int_equal(COUNT(&b, "\x88\x0d\x00\x01\x0c\x03\0\0\x00\xc0\xff\xff\0\0\x00\x40"), 1);
	assert_int_equal(COUNT(&b, "\x87\x17\x00\x00\x0c\x01\0\0\0\0\0\0\0\xc0\xff\xff\xff\xcf"),
			 1);
	assert_int_equal(COUNT(&b, "\x8a\x2b\x00\x00\x0c\x07\0\0\0\0\0\0\0\0"
				   "\0\0\0\x40\x01\0\0\0\xff\xff\xff\x3f\x11\0\0\0"),
			 1);
	/* the place of ECAM is somebody's */
	assert_int_equal(COUNT(&b, "ECAM\x08_HID\x0c\x41\xd0\x0c\x02"), 1);
	assert_int_equal(COUNT(&b, "\x86\x09\x00\x01\0\0\0\xe0\0\0\x10\x00"), 1);
	assert_int_equal(COUNT(&b, "_OSC\x0c"), 1);
	vc__bytes_fini(&b);
	/* no window of 64 bits where there is no room */
	b = make(0, 0);
	assert_int_equal(COUNT(&b, "\x8a\x2b"), 0);
	vc__bytes_fini(&b);
}

static void routes(void **state)
{
	struct vc__bytes b = make(0, 0);

	(void)state;
	for (uint32_t slot = 1; slot < 32; slot++) {
		const uint8_t route[] = {
			0x12,	       0x0b, 4, 0x0c, 0xff, 0xff,
			(uint8_t)slot, 0,    0, 0,    0x0a, (uint8_t)(16 + slot % 4)
		};

		assert_int_equal(count(&b, route, sizeof(route)), 1);
	}
	vc__bytes_fini(&b);
}

static void mcfg(void **state)
{
	static const uint8_t wanted[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xe0,
					  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct vc__bytes b = { 0 };

	(void)state;
	vc__acpi_put_mcfg(&b);
	assert_int_equal(b.len, sizeof(wanted));
	assert_memory_equal(b.buf, wanted, sizeof(wanted));
	vc__bytes_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_bridge),
		cmocka_unit_test(routes),
		cmocka_unit_test(mcfg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
