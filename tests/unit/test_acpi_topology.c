/* SPDX-License-Identifier: Apache-2.0 */
/* MADT, SRAT and SLIT byte by byte, at the border between the two forms of APIC ids. */
#include "unit.h"

#include "acpi_private.h"

#define IS(b, ...) is(&(b), (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void is(struct vc__bytes *b, const uint8_t *want, size_t len)
{
	assert_int_equal(b->err, 0);
	assert_int_equal(b->len, len);
	assert_memory_equal(b->buf, want, len);
	vc__bytes_fini(b);
}

#define IOAPIC 1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0

static void madt(void **state)
{
	static const uint32_t ids[] = { 0, 254, 255 };
	struct vc__acpi_machine m = { .nr_vcpus = 3, .apic_ids = ids };
	struct vc__bytes b = { 0 };

	(void)state;
	vc__acpi_put_madt(&b, &m);
	IS(b, 0, 0, 0xe0, 0xfe, 0, 0, 0, 0,		      /* the LAPICs' address; no 8259s */
	   0, 8, 0, 0, 1, 0, 0, 0,			      /* uid 0, id 0 */
	   0, 8, 1, 254, 1, 0, 0, 0,			      /* uid 1, id 254 */
	   9, 16, 0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, /* id 255, uid 2 */
	   IOAPIC);
}

static void srat(void **state)
{
	static const uint32_t ids[] = { 3, 256 }, nodes[] = { 1, 2 };
	static const struct vc__layout_range range = { .gpa = 0x100000000,
						       .len_bytes = 0x8000000,
						       .node = 2 };
	const struct vc__acpi_machine m = { .nr_vcpus = 2,
					    .apic_ids = ids,
					    .vcpu_nodes = nodes,
					    .nr_nodes = 3,
					    .ranges = &range,
					    .nr_ranges = 1 };
	struct vc__bytes b = { 0 };

	(void)state;
	vc__acpi_put_srat(&b, &m);
	IS(b, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,	    /* reserved */
	   0, 16, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* node 1, id 3 */
	   2, 24, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 2, 256 */
	   1, 40, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1,
	   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void slit(void **state)
{
	static const uint8_t given[2][VC_NUMA_NODES_MAX] = { { 11, 0 }, { 40, 12 } };
	struct vc__acpi_machine m = { .nr_nodes = 2, .distances = given };
	struct vc__bytes b = { 0 };

	(void)state;
	vc__acpi_put_slit(&b, &m);
	IS(b, 2, 0, 0, 0, 0, 0, 0, 0, 11, 20, 40, 12);
	m.distances = NULL;
	vc__acpi_put_slit(&b, &m);
	IS(b, 2, 0, 0, 0, 0, 0, 0, 0, 10, 20, 20, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(madt),
		cmocka_unit_test(srat),
		cmocka_unit_test(slit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
