/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disassembly through libcapstone, version 4 or 5, opened at run time: linked, it would cost every
 * process more memory than all the rest of this library. Any thread that explains a fault; nothing
 * is kept between handles.
 *
 * The few declarations needed stand here, so that building takes no headers and one build serves
 * both versions: they differ in the length of cs_insn.bytes only. Leaves out operands, other
 * architectures and everything but text. Source: [capstone 4.0.2 and 5.0 include/capstone/capstone.h]
 */
#include "disasm.h"

#include <libvirtcore/implement.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CS_ARCH_X86 = 3, CS_MODE_16 = 1 << 1, CS_MODE_32 = 1 << 2, CS_MODE_64 = 1 << 3 };

/* cs_insn as far as it is read; version 5 has 24 bytes where version 4 has 16. */
struct insn_v4 {
	unsigned int id;
	uint64_t address;
	uint16_t size;
	uint8_t bytes[16];
	char mnemonic[32];
	char op_str[160];
};
struct insn_v5 {
	unsigned int id;
	uint64_t address;
	uint16_t size;
	uint8_t bytes[24];
	char mnemonic[32];
	char op_str[160];
};

_Static_assert(offsetof(struct insn_v4, mnemonic) == 34, "cs_insn of capstone 4");
_Static_assert(offsetof(struct insn_v5, mnemonic) == 42, "cs_insn of capstone 5");

struct capstone {
	unsigned int (*version)(int *major, int *minor);
	int (*open)(int arch, int mode, size_t *handle);
	int (*close)(size_t *handle);
	size_t (*disasm)(size_t handle, const uint8_t *code, size_t size, uint64_t address,
			 size_t count, void **insn);
	void (*free)(void *insn, size_t count);
};

struct vc__disasm {
	void *lib;
	struct capstone cs;
	size_t handle;
	int major;
};

static int mode_of(enum vc_x86_mode mode)
{
	switch (mode) {
	case VC_X86_LONG_64:
		return CS_MODE_64;
	case VC_X86_PROTECTED_32:
	case VC_X86_LONG_COMPAT:
		return CS_MODE_32;
	default:
		return CS_MODE_16;
	}
}

static void *open_library(void)
{
	static const char names[][20] = { "libcapstone.so.5", "libcapstone.so.4" };
	void *lib = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !lib; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	return lib;
}

/* A function pointer is as wide as an object pointer wherever dlsym() exists. [POSIX dlsym] */
static bool find(void *lib, const char *name, void *ret_function)
{
	void *at = dlsym(lib, name);

	memcpy(ret_function, &at, sizeof(at));
	return at;
}

static bool find_all(void *lib, struct capstone *cs)
{
	return find(lib, "cs_version", &cs->version) && find(lib, "cs_open", &cs->open) &&
	       find(lib, "cs_close", &cs->close) && find(lib, "cs_disasm", &cs->disasm) &&
	       find(lib, "cs_free", &cs->free);
}

int vc__disasm_open(enum vc_x86_mode mode, struct vc__disasm **ret_disasm)
{
	struct vc__disasm *d = calloc(1, sizeof(*d));
	int minor, r = 0;

	if (!d)
		return vc_error_set(-ENOMEM, "cpu", "disassembler", "no memory");
	d->lib = open_library();
	if (!d->lib) {
		r = vc_error_set(-ENOENT, "cpu", "disassembler",
				 "libcapstone.so.5 or .so.4 is not installed");
	} else if (!find_all(d->lib, &d->cs)) {
		r = vc_error_set(-ENOTSUP, "cpu", "disassembler", "libcapstone lacks a function");
	} else {
		(void)d->cs.version(&d->major, &minor);
		if (d->major != 4 && d->major != 5)
			r = vc_error_set(-ENOTSUP, "cpu", "disassembler",
					 "libcapstone has version %d, expected 4 or 5", d->major);
		else if (d->cs.open(CS_ARCH_X86, mode_of(mode), &d->handle))
			r = vc_error_set(-ENOTSUP, "cpu", "disassembler",
					 "libcapstone was built without x86");
	}
	if (r < 0) {
		vc__disasm_close(d);
		return r;
	}
	*ret_disasm = d;
	return 0;
}

void vc__disasm_close(struct vc__disasm *disasm)
{
	if (!disasm)
		return;
	if (disasm->handle)
		(void)disasm->cs.close(&disasm->handle);
	if (disasm->lib)
		(void)dlclose(disasm->lib);
	free(disasm);
}

int vc__disasm_one(struct vc__disasm *disasm, const uint8_t *bytes, size_t nr_bytes, uint64_t rip,
		   char *text)
{
	const char *mnemonic, *operands;
	void *insn = NULL;
	int size;

	if (!disasm || !bytes || !text)
		return vc_error_set(-EINVAL, "cpu", "disassembler", "no handle, bytes or text");
	if (disasm->cs.disasm(disasm->handle, bytes, nr_bytes, rip, 1, &insn) == 0)
		return -EILSEQ;
	if (disasm->major == 5) {
		const struct insn_v5 *v5 = insn;

		mnemonic = v5->mnemonic;
		operands = v5->op_str;
		size = v5->size;
	} else {
		const struct insn_v4 *v4 = insn;

		mnemonic = v4->mnemonic;
		operands = v4->op_str;
		size = v4->size;
	}
	(void)snprintf(text, VC__DISASM_TEXT, "%s%s%s", mnemonic, *operands ? " " : "", operands);
	disasm->cs.free(insn, 1);
	return size;
}
