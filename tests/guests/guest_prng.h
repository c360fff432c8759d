/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pseudo-random numbers and the checksum of the guests. Plain C99 without any library, so
 * that a test on the host includes it as well and recomputes what a guest prints.
 */
#ifndef GUEST_PRNG_H
#define GUEST_PRNG_H

#include <stdint.h>

#define GUEST_SUM_INIT 0xcbf29ce484222325ULL

/* splitmix64 */
static inline uint64_t guest_prng(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* FNV-1a over the eight bytes of @value, lowest first. */
static inline uint64_t guest_sum(uint64_t sum, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		sum = (sum ^ ((value >> (8 * i)) & 0xff)) * 0x100000001b3ULL;
	return sum;
}

#endif
