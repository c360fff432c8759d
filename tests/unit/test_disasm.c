/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disassembly: known instructions in each mode, thousands of a real program against objdump, the
 * layouts of capstone 4 and 5, what happens without the library. Skipped where libcapstone is not
 * installed, the reason is printed.
 */
#include "unit.h"

#include "disasm.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>

static int fail_calloc;
void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size)
{
	return fail_calloc && fail_calloc-- == 1 ? NULL : __real_calloc(nr, size);
}

static const char *lib_name = "libcapstone.so.5"; /* the one installed */

/* dlopen finds what a test allows: real library, a stand-in, or nothing. */
static const char *only_name, *stand_in;
void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
	assert_true(flags & RTLD_LOCAL || !(flags & RTLD_GLOBAL));
	if (only_name && strcmp(name, only_name))
		return NULL;
	return __real_dlopen(stand_in ? stand_in : name, flags);
}

static int one(enum vc_x86_mode mode, const char *bytes, size_t nr, uint64_t rip, char *text)
{
	struct vc__disasm *d = NULL;

	assert_result(vc__disasm_open(mode, &d), 0);
	int r = vc__disasm_one(d, (const uint8_t *)bytes, nr, rip, text);

	vc__disasm_close(d);
	return r;
}

static void known_instructions(void **state)
{
	static const struct {
		enum vc_x86_mode mode;
		const char *bytes;
		int len;
		const char *text;
	} cases[] = {
		{ VC_X86_LONG_64, "\x0f\x0b\x90\x90", 2, "ud2" },
		{ VC_X86_LONG_64, "\xf4\x90\x90\x90", 1, "hlt" },
		{ VC_X86_LONG_64, "\x48\x8b\x07\x90", 3, "mov rax, qword ptr [rdi]" },
		{ VC_X86_LONG_64, "\xeb\xfe\x90\x90", 2, "jmp 0x1000" },
		{ VC_X86_PROTECTED_32, "\x48\x8b\x07\x90", 1, "dec eax" },
		{ VC_X86_LONG_COMPAT, "\x40\x90\x90\x90", 1, "inc eax" },
		{ VC_X86_PROTECTED_32, "\xb8\x01\x00\x00\x00", 5, "mov eax, 1" },
		{ VC_X86_PROTECTED_16, "\xb8\x34\x12\x90", 3, "mov ax, 0x1234" },
		{ VC_X86_REAL, "\xea\x5b\xe0\x00\xf0", 5, "ljmp 0xf000:0xe05b" },
	};
	char text[VC__DISASM_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(
			one(cases[i].mode, cases[i].bytes, cases[i].len < 4 ? 4 : 5, 0x1000, text),
			cases[i].len);
		assert_string_equal(text, cases[i].text);
	}
}

static void no_instruction(void **state)
{
	struct vc__disasm *d = NULL;
	char text[VC__DISASM_TEXT] = "same";

	(void)state;
	assert_result(vc__disasm_open(VC_X86_LONG_64, &d), 0);
	assert_int_equal(vc__disasm_one(d, (const uint8_t *)"\x06\x06", 2, 0, text), -EILSEQ);
	assert_int_equal(vc__disasm_one(d, (const uint8_t *)"\x48\xb8\x01", 3, 0, text), -EILSEQ);
	assert_int_equal(vc__disasm_one(d, (const uint8_t *)"", 0, 0, text), -EILSEQ);
	assert_string_equal(text, "same");
	assert_refused(vc__disasm_one(NULL, (const uint8_t *)"", 1, 0, text), -EINVAL, "no handle");
	assert_refused(vc__disasm_one(d, NULL, 1, 0, text), -EINVAL, "no handle");
	assert_refused(vc__disasm_one(d, (const uint8_t *)"", 1, 0, NULL), -EINVAL, "or text");
	vc__disasm_close(d);
	vc__disasm_close(NULL);
}

/* One line of objdump -d -M intel -w: address, bytes, instruction. */
struct line {
	uint64_t addr;
	uint8_t bytes[16];
	int nr;
	char mnemonic[16];
};

static bool parse(char *text, struct line *ret)
{
	char *colon = strchr(text, ':'), *at, *tab;

	if (!colon || colon[1] != '\t' || !(tab = strchr(colon + 2, '\t')))
		return false;
	*ret = (struct line){ .addr = strtoull(text, NULL, 16) };
	for (at = colon + 2; at < tab && isxdigit((unsigned char)*at); at += 3)
		if (ret->nr < 16)
			ret->bytes[ret->nr++] = (uint8_t)strtoul(at, NULL, 16);
	return sscanf(tab, "%15s", ret->mnemonic) == 1;
}

/* Names that the two disassemblers give to the same instruction. */
static bool is_same_name(const char *ours, const char *theirs)
{
	static const char *const pairs[][2] = {
		{ "nop", "cs" },   { "nop", "data16" }, { "nop", "xchg" },    { "ret", "repz" },
		{ "rep", "repz" }, { "repe", "repz" },	{ "repne", "repnz" }, { "bnd", "bnd" },
		{ "nop", "nop" },  { "movsd", "movs" }, { "stosq", "stos" },
	};
	size_t len = strcspn(ours, " ");

	if (strlen(theirs) == len && !strncmp(ours, theirs, len))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (!strncmp(ours, pairs[i][0], strlen(pairs[i][0])) &&
		    !strcmp(theirs, pairs[i][1]))
			return true;
	return false;
}

/* objdump's own code as objdump sees it. */
static void as_objdump_has_it(void **state)
{
	unsigned int nr = 0, nr_other_name = 0;
	char *text = NULL, ours[VC__DISASM_TEXT];
	struct vc__disasm *d = NULL;
	struct line line;
	size_t cap = 0;

	(void)state;
	FILE *f = popen("objdump -d -M intel -w -j .text $(command -v objdump)", "re");

	assert_non_null(f);
	assert_result(vc__disasm_open(VC_X86_LONG_64, &d), 0);
	while (getline(&text, &cap, f) > 0 && nr < 20000) {
		if (!parse(text, &line) || !strcmp(line.mnemonic, "(bad)"))
			continue;
		int len = vc__disasm_one(d, line.bytes, (size_t)line.nr, line.addr, ours);

		nr++;
		if (len != line.nr)
			print_error("%s  ours: %d bytes, %s\n", text, len, len > 0 ? ours : "none");
		assert_int_equal(len, line.nr);
		if (!is_same_name(ours, line.mnemonic)) {
			print_message("objdump %s, ours %s\n", line.mnemonic, ours);
			nr_other_name++;
		}
	}
	free(text);
	pclose(f);
	vc__disasm_close(d);
	print_message("%u instructions compared, %u under another name\n", nr, nr_other_name);
	assert_true(nr >= 1000);
	assert_true(nr_other_name * 200 <= nr);
}

static void closed_again(void **state)
{
	struct vc__disasm *d = NULL;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_result(vc__disasm_open(VC_X86_LONG_64, &d), 0);
		assert_non_null(__real_dlopen(lib_name, RTLD_NOW | RTLD_NOLOAD));
		void *again = __real_dlopen(lib_name, RTLD_NOW | RTLD_NOLOAD);
		dlclose(again);
		dlclose(again);
		vc__disasm_close(d);
		assert_null(__real_dlopen(lib_name, RTLD_NOW | RTLD_NOLOAD));
	}
}

static void version_5_layout(void **state)
{
	char text[VC__DISASM_TEXT];

	(void)state;
	only_name = "libcapstone.so.5";
	stand_in = FAKE_CAPSTONE5;
	assert_int_equal(one(VC_X86_LONG_64, "\x90\x90\x90", 3, 0, text), 3);
	assert_string_equal(text, "five sixty, four");
	assert_int_equal(one(VC_X86_REAL, "\x90\x90\x90", 3, 0, text), 3);
	assert_string_equal(text, "five other");
	only_name = stand_in = NULL;
}

static void other_versions_are_refused(void **state)
{
	struct vc__disasm *d = NULL;

	(void)state;
	only_name = "libcapstone.so.4";
	stand_in = FAKE_CAPSTONE6;
	assert_refused(vc__disasm_open(VC_X86_LONG_64, &d), -ENOTSUP, "version 6, expected 4 or 5");
	stand_in = "libcmocka.so.0";
	assert_refused(vc__disasm_open(VC_X86_LONG_64, &d), -ENOTSUP, "lacks a function");
	only_name = stand_in = NULL;
	assert_null(d);
}

static void missing(void **state)
{
	struct vc__disasm *d = NULL;

	(void)state;
	only_name = "none";
	assert_refused(vc__disasm_open(VC_X86_LONG_64, &d), -ENOENT, "libcapstone.so.5 or .so.4");
	only_name = NULL;
	fail_calloc = 1;
	assert_refused(vc__disasm_open(VC_X86_LONG_64, &d), -ENOMEM, "no memory");
	assert_null(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_instructions),
		cmocka_unit_test(no_instruction),
		cmocka_unit_test(as_objdump_has_it),
		cmocka_unit_test(closed_again),
		cmocka_unit_test(version_5_layout),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(missing),
	};
	void *lib = __real_dlopen(lib_name, RTLD_NOW);

	if (!lib) {
		lib_name = "libcapstone.so.4";
		lib = __real_dlopen(lib_name, RTLD_NOW);
	}
	if (!lib) {
		puts("SKIP: libcapstone is not installed");
		return 77;
	}
	dlclose(lib);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
