/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli), bit-reversed polynomial 0x82f63b78. [RFC 3720 B.4]
 *
 * Runs on any thread. Where the CPU has SSE4.2 its crc32 instruction is used, 8 bytes at a time.
 * Whether it has is asked of libc, which keeps it in read-only data: the compiler's own way brings
 * a constructor and writable data along, and CPUID traps in a virtual machine. Else a table of 256
 * words, written out by the preprocessor: the CRC is linear, so the entry of a byte is the sum
 * (xor) of the entries of its bits, and eight constants are all there is to check.
 */
#include <libvirtcore/implement.h>

#include "crc32c.h"

#include <string.h>
#if defined(__x86_64__)
#include <sys/platform/x86.h>
#endif

#define BIT_ENTRY(n, bit, entry) (((n) >> (bit)&1) ? (entry) : 0u)
#define ENTRY(n)                                                       \
	(BIT_ENTRY(n, 0, 0xf26b8303u) ^ BIT_ENTRY(n, 1, 0xe13b70f7u) ^ \
	 BIT_ENTRY(n, 2, 0xc79a971fu) ^ BIT_ENTRY(n, 3, 0x8ad958cfu) ^ \
	 BIT_ENTRY(n, 4, 0x105ec76fu) ^ BIT_ENTRY(n, 5, 0x20bd8edeu) ^ \
	 BIT_ENTRY(n, 6, 0x417b1dbcu) ^ BIT_ENTRY(n, 7, 0x82f63b78u))
#define ENTRIES_4(n)  ENTRY(n), ENTRY((n) + 1), ENTRY((n) + 2), ENTRY((n) + 3)
#define ENTRIES_16(n) ENTRIES_4(n), ENTRIES_4((n) + 4), ENTRIES_4((n) + 8), ENTRIES_4((n) + 12)
#define ENTRIES_64(n) \
	ENTRIES_16(n), ENTRIES_16((n) + 16), ENTRIES_16((n) + 32), ENTRIES_16((n) + 48)

static const uint32_t table[256] = { ENTRIES_64(0), ENTRIES_64(64), ENTRIES_64(128),
				     ENTRIES_64(192) };

uint32_t vc__crc32c_table(uint32_t crc, const void *buf, size_t len)
{
	const unsigned char *p = buf;

	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const void *buf,
							    size_t len)
{
	const unsigned char *p = buf;
	uint64_t state = (uint32_t)~crc, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		state = __builtin_ia32_crc32di(state, word);
	}
	for (; len > 0; p++, len--)
		state = __builtin_ia32_crc32qi((uint32_t)state, *p);
	return ~(uint32_t)state;
}

uint32_t vc_crc32c_update(uint32_t crc, const void *buf, size_t len)
{
	if (x86_cpu_active(x86_cpu_SSE4_2))
		return crc_sse42(crc, buf, len);
	return vc__crc32c_table(crc, buf, len);
}
#else
uint32_t vc_crc32c_update(uint32_t crc, const void *buf, size_t len)
{
	return vc__crc32c_table(crc, buf, len);
}
#endif
