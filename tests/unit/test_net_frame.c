/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between two guests: pieces of any size, headers that lie, checksums left open. */
#include "net_unit.h"

#include "net_frame.h"

/* @len bytes in pieces of random sizes, empty ones among them. */
static uint32_t cut(uint8_t *buf, size_t len, struct iovec *iov, uint64_t *seed)
{
	uint32_t nr = 0;

	while (len > 0) {
		size_t n;

		*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
		n = (*seed >> 33) % 24;
		if (n > len || nr == 60)
			n = len;
		iov[nr++] = (struct iovec){ .iov_base = buf, .iov_len = n };
		buf += n;
		len -= n;
	}
	return nr;
}

/* Copies a frame of @len bytes, header and all. */
static int copy(const uint8_t *from, uint8_t *to, uint32_t len, uint32_t accepted)
{
	struct iovec in[64], out[64];
	uint8_t source[2048];
	uint64_t seed = len;
	struct vc_net_request frame = { .iov = out, .len = len }, slot = { .iov = in, .len = 2048 };

	memcpy(source, from, len);
	frame.nr_iov = cut(source, len, out, &seed);
	slot.nr_iov = cut(to, 2048, in, &seed);
	return vc__net_frame_copy(&slot, &frame, accepted);
}

static void pieces(void **state)
{
	uint8_t from[2048] = { 0 }, to[2048];

	(void)state;
	for (uint32_t i = 12; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7);
	for (uint32_t len = 26; len < 1500; len++) {
		memset(to, 0, sizeof(to));
		assert_int_equal(copy(from, to, len, 0), len);
		assert_memory_equal(from, to, len);
	}
}

static void headers(void **state)
{
	static const struct {
		const char
			*header; /* flags, gso type, hdr_len, gso_size, csum_start, csum_offset */
		uint32_t accepted;
		int result;
	} cases[] = {
		{ "\0\0\0\0\0\0\0\0\0", 0, 112 },
		{ "\1\0\0\0\0\0\x22\0\x10", 1, 112 },
		{ "\1\1\x36\0\x14\0\x22\0\x10", 3, 112 },
		{ "\1\x81\x36\0\x14\0\x22\0\x10", 11, 112 },
		{ "\1\4\x36\0\x14\0\x22\0\x10", 5, 112 },
		{ "\1\5\x36\0\x14\0\x22\0\6", 17, 112 },
		/* not accepted */
		{ "\1\1\x36\0\x14\0\x22\0\x10", 5, -EOPNOTSUPP },
		{ "\1\x81\x36\0\x14\0\x22\0\x10", 3, -EOPNOTSUPP },
		{ "\1\5\x36\0\x14\0\x22\0\6", 15, -EOPNOTSUPP },
		/* contradictions */
		{ "\0\1\x36\0\x14\0\x22\0\x10", 31, -EINVAL },	 /* large, no checksum open */
		{ "\1\1\x36\0\0\0\x22\0\x10", 31, -EINVAL },	 /* pieces of 0 */
		{ "\1\2\x36\0\x14\0\x22\0\x10", 31, -EINVAL },	 /* no such type */
		{ "\1\3\x36\0\x14\0\x22\0\x10", 31, -EINVAL },	 /* UFO */
		{ "\1\x85\x36\0\x14\0\x22\0\x10", 31, -EINVAL }, /* ECN of UDP */
		{ "\0\x80\0\0\0\0\0\0\0", 31, -EINVAL },
		{ "\1\1\x65\0\x14\0\x22\0\x10", 31, -EINVAL }, /* headers longer than the frame */
		{ "\1\0\0\0\0\0\x53\0\x10", 31, -EINVAL },     /* checksum behind the end */
		{ "\1\0\0\0\0\0\xff\xff\xff", 31, -EINVAL },
		{ "\1\0\0\0\0\0\2\0\x10", 31, -EINVAL }, /* in the Ethernet header */
	};
	uint8_t from[2048] = { 0 }, to[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memcpy(from, cases[i].header, 9);
		assert_int_equal(copy(from, to, 112, cases[i].accepted), cases[i].result);
		if (cases[i].result > 0)
			assert_memory_equal(from, to, 112);
	}
}

/* What only a device may say is not passed on. */
static void flags_of_a_device(void **state)
{
	uint8_t from[2048] = { 0x06, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 }, to[2048];

	(void)state;
	assert_int_equal(copy(from, to, 112, 31), 112);
	assert_memory_equal(to, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
}

/* [RFC 768]: a datagram from 192.0.2.1 to 192.0.2.2; the sum by another way of counting. */
static void checksums(void **state)
{
	uint8_t from[2048] = { 1, 0, 0, 0, 0, 0, 34, 0, 6, 0 }, to[2048];
	uint32_t sum, len;

	(void)state;
	for (len = 12 + 34 + 8; len < 400; len++) {
		uint32_t pseudo = 0xc000 + 0x0201 + 0xc000 + 0x0202 + 17 + (len - 46);

		for (uint32_t i = 46; i < len; i++)
			from[i] = (uint8_t)(i * 31);
		pseudo = (pseudo & 0xffff) + (pseudo >> 16);
		from[46 + 6] = (uint8_t)(pseudo >> 8);
		from[46 + 7] = (uint8_t)pseudo;
		assert_int_equal(copy(from, to, len, 0), len);
		assert_int_equal(to[0], 0);
		sum = 0xc000 + 0x0201 + 0xc000 + 0x0202 + 17 + (len - 46);
		for (uint32_t i = 46; i < len; i += 2)
			sum += (uint32_t)to[i] << 8 | (i + 1 < len ? to[i + 1] : 0);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(sum, 0xffff);
	}
	/* A sum of 0 is sent as ones. */
	memset(from + 46, 0, 8);
	from[46] = from[47] = 0xff;
	assert_int_equal(copy(from, to, 54, 0), 54);
	assert_memory_equal(to + 46 + 6, "\xff\xff", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces),
		cmocka_unit_test(headers),
		cmocka_unit_test(flags_of_a_device),
		cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
