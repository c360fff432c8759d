/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libcapstone.so.5, which Debian 12 does not have: the same functions and version 5's
 * longer cs_insn, but one made-up instruction only. test_disasm loads it from its own directory.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct insn {
	unsigned int id;
	uint64_t address;
	uint16_t size;
	uint8_t bytes[24];
	char mnemonic[32];
	char op_str[160];
	void *detail;
};

#ifndef FAKE_MAJOR
#define FAKE_MAJOR 5
#endif

#define EXPORT __attribute__((visibility("default")))

EXPORT unsigned int cs_version(int *major, int *minor);
EXPORT int cs_open(int arch, int mode, size_t *handle);
EXPORT int cs_close(size_t *handle);
EXPORT size_t cs_disasm(size_t handle, const uint8_t *code, size_t size, uint64_t address,
			size_t count, struct insn **insn);
EXPORT void cs_free(struct insn *insn, size_t count);

unsigned int cs_version(int *major, int *minor)
{
	*major = FAKE_MAJOR;
	*minor = 0;
	return FAKE_MAJOR << 8;
}

int cs_open(int arch, int mode, size_t *handle)
{
	*handle = (size_t)mode;
	return arch == 3 ? 0 : 1;
}

int cs_close(size_t *handle)
{
	*handle = 0;
	return 0;
}

size_t cs_disasm(size_t handle, const uint8_t *code, size_t size, uint64_t address, size_t count,
		 struct insn **insn)
{
	(void)code;
	if (size < 3 || count != 1)
		return 0;
	*insn = calloc(1, sizeof(**insn));
	(*insn)->address = address;
	(*insn)->size = 3;
	memset((*insn)->bytes, 0x55, sizeof((*insn)->bytes));
	strcpy((*insn)->mnemonic, "five");
	strcpy((*insn)->op_str, handle == 8 ? "sixty, four" : "other");
	return 1;
}

void cs_free(struct insn *insn, size_t count)
{
	(void)count;
	free(insn);
}
