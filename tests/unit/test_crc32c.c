/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: known values, chaining, and the instruction against the table. [RFC 3720 B.4] */
#include "unit.h"

#include <libvirtcore/implement.h>

#include "crc32c.h"

#include <string.h>

typedef uint32_t (*crc_fn)(uint32_t crc, const void *buf, size_t len);

static const crc_fn ways[] = { vc_crc32c_update, vc__crc32c_table };

static void known_values(void **state)
{
	uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (unsigned int i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		assert_int_equal(ways[i](0, "123456789", 9), 0xe3069283u);
		assert_int_equal(ways[i](0, zeros, 32), 0x8a9136aau);
		assert_int_equal(ways[i](0, ones, 32), 0x62a8ab43u);
		assert_int_equal(ways[i](0, up, 32), 0x46dd794eu);
		assert_int_equal(ways[i](0, down, 32), 0x113fdb5cu);
		assert_int_equal(ways[i](0, NULL, 0), 0);
		assert_int_equal(ways[i](0x12345678, NULL, 0), 0x12345678);
	}
}

static void chains_at_every_cut(void **state)
{
	uint8_t bytes[67];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 11);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		uint32_t whole = vc__crc32c_table(0, bytes, len);

		for (size_t cut = 0; cut <= len; cut++) {
			uint32_t crc = vc_crc32c_update(0, bytes, cut);

			assert_int_equal(vc_crc32c_update(crc, bytes + cut, len - cut), whole);
		}
	}
}

static void one_bit_is_seen(void **state)
{
	uint8_t bytes[40] = { 1, 2, 3 };
	uint32_t good = vc_crc32c_update(0, bytes, sizeof(bytes));

	(void)state;
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(vc_crc32c_update(0, bytes, sizeof(bytes)), good);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(chains_at_every_cut),
		cmocka_unit_test(one_bit_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
