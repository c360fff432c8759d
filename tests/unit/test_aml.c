/* SPDX-License-Identifier: Apache-2.0 */
/* AML byte by byte; that whole tables mean the right thing is test_acpi's, by iasl. */
#include "unit.h"

#include "aml.h"

#define IS(b, ...) is(&(b), (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void is(struct vc__bytes *b, const uint8_t *want, size_t len)
{
	assert_int_equal(b->err, 0);
	assert_int_equal(b->len, len);
	assert_memory_equal(b->buf, want, len);
	vc__bytes_fini(b);
}

static void data_objects(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	vc__aml_integer(&b, 0);
	vc__aml_integer(&b, 1);
	vc__aml_integer(&b, 2);
	vc__aml_integer(&b, 255);
	vc__aml_integer(&b, 256);
	vc__aml_integer(&b, 0x10000);
	vc__aml_integer(&b, 0x100000000);
	IS(b, 0, 1, 0x0a, 2, 0x0a, 255, 0x0b, 0, 1, 0x0c, 0, 0, 1, 0, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
	vc__aml_string(&b, "Hi");
	IS(b, 0x0d, 'H', 'i', 0);
	vc__aml_eisaid(&b, "PNP0501"); /* as in every DSDT with a UART */
	IS(b, 0x0c, 0x41, 0xd0, 0x05, 0x01);
	vc__aml_eisaid(&b, "PNP0B00");
	IS(b, 0x0c, 0x41, 0xd0, 0x0b, 0x00);
	vc__aml_name(&b, "\\_S5_");
	IS(b, 0x08, '\\', '_', 'S', '5', '_');
}

static void nesting(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	struct vc__aml_mark scope = vc__aml_scope_begin(&b, "\\_SB_");
	struct vc__aml_mark dev = vc__aml_device_begin(&b, "ABCD");
	struct vc__aml_mark pkg = vc__aml_package_begin(&b, 1);
	vc__aml_integer(&b, 5);
	vc__aml_end(&b, pkg);
	vc__aml_end(&b, dev);
	vc__aml_end(&b, scope);
	IS(b, 0x10, 18, '\\', '_', 'S', 'B', '_', 0x5b, 0x82, 10, 'A', 'B', 'C', 'D', 0x12, 4, 1,
	   0x0a, 5);
}

static void resources(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	struct vc__aml_mark res = vc__aml_resources_begin(&b);
	vc__aml_io(&b, 0x3f8, 8);
	vc__aml_irq(&b, 4);
	vc__aml_irq(&b, 15);
	vc__aml_resources_end(&b, res);
	IS(b, 0x11, 21, 0x0a, 18, 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x23, 0x10, 0, 1, 0x23, 0, 0x80,
	   1, 0x79, 0);
}

static void methods_and_windows(void **state)
{
	struct vc__bytes b = { 0 };

	(void)state;
	struct vc__aml_mark method = vc__aml_method_begin(&b, "ABCD", 2);
	struct vc__aml_mark cond = vc__aml_if_begin(&b);
	vc__aml_integer(&b, 1);
	vc__aml_end(&b, cond);
	vc__aml_buffer(&b, "xyz", 3);
	vc__aml_end(&b, method);
	IS(b, 0x14, 16, 'A', 'B', 'C', 'D', 0x0a, 0xa0, 2, 1, 0x11, 6, 0x0a, 3, 'x', 'y', 'z');

	struct vc__aml_mark res = vc__aml_resources_begin(&b);
	vc__aml_memory32_fixed(&b, 0x12345000, 0x6000);
	vc__aml_window(&b, VC__AML_BUS, 0, 2);
	vc__aml_resources_end(&b, res);
	IS(b, 0x11, 33, 0x0a, 30, 0x86, 9, 0, 1, 0, 0x50, 0x34, 0x12, 0, 0x60, 0, 0, 0x88, 13, 0, 2,
	   0x0c, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x79, 0);
}

/* Decodes a PkgLength as an interpreter does. */
static size_t pkg_length(const uint8_t *p, size_t *ret_nr)
{
	size_t nr = p[0] >> 6, len = nr ? p[0] & 0xf : p[0] & 0x3f;

	for (size_t i = 0; i < nr; i++)
		len |= (size_t)p[1 + i] << (4 + 8 * i);
	*ret_nr = nr + 1;
	return len;
}

/* Around every size at which the length itself grows. */
static void lengths(void **state)
{
	static const size_t edges[] = { 0x3f, 0xfff, 0xfffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		for (size_t len = edges[i] - 12; len < edges[i] + 3; len++) {
			struct vc__bytes b = { 0 };
			size_t nr;
			struct vc__aml_mark m = vc__aml_scope_begin(&b, "\\_SB_");

			vc__bytes_zero(&b, len - 5);
			vc__aml_end(&b, m);
			assert_int_equal(b.err, 0);
			assert_int_equal(pkg_length(b.buf + 1, &nr), b.len - 1);
			assert_int_equal(b.len, 1 + nr + len);
			/* The shortest encoding: one byte less would not hold it. */
			assert_true(nr == 1 ||
				    len + nr - 1 >= (nr == 2 ? 0x40u : 1u << (8 * nr - 12)));
			assert_memory_equal(b.buf + 1 + nr, "\\_SB_", 5);
			vc__bytes_fini(&b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_objects), cmocka_unit_test(nesting),
		cmocka_unit_test(resources),	cmocka_unit_test(methods_and_windows),
		cmocka_unit_test(lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
