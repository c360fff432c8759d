/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in words: a summary for every kind, hints where they belong and nowhere else, code. */
#include "unit.h"

#include <libvirtcore/vcpu_state.h>

#include <dlfcn.h>
#include <errno.h>

static bool no_library;
void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
	return no_library ? NULL : __real_dlopen(name, flags);
}

struct text {
	char all[8192], first[200];
	size_t len;
};

static void collect(void *opaque, const char *line)
{
	struct text *text = opaque;

	assert_false(strchr(line, '\n'));
	if (text->len == 0)
		snprintf(text->first, sizeof(text->first), "%s", line);
	text->len += (size_t)snprintf(text->all + text->len, sizeof(text->all) - text->len, "%s\n",
				      line);
	assert_true(text->len < sizeof(text->all));
}

/* A record with nothing wrong in it: 64-bit kernel code. */
static struct vc_fault sane(enum vc_exit_kind kind)
{
	return (struct vc_fault){
		.kind = kind,
		.mode = VC_X86_LONG_64,
		.regs = { .rip = 0xffffffff81000000,
			  .rsp = 0xffffc90000013f00,
			  .rflags = 0x46,
			  .rax = 0x1234567890 },
		.sregs = { .cr0 = 0x80050033,
			   .cr3 = 0x1000,
			   .cr4 = 0x20,
			   .efer = 0xd01,
			   .cs = { .l = 1, .present = 1, .s = 1, .type = 11, .selector = 0x10 },
			   .tr.limit = 0x206f,
			   .gdt.limit = 0x7f,
			   .idt.limit = 0xfff },
		.addr = UINT64_MAX,
		.nr_bytes = 15,
		.bytes = { 0x48, 0x8b, 0x07, 0xf4, 0xeb, 0xfd, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
			   0x90, 0x90, 0x90 },
	};
}

static int explain(const struct vc_fault *fault, struct text *ret)
{
	memset(ret, 0, sizeof(*ret));
	return vc_fault_explain(fault, collect, ret);
}

static void expect(const struct vc_fault *fault, const char *part)
{
	struct text text;

	assert_true(explain(fault, &text) >= 0);
	if (!strstr(text.all, part))
		print_error("lacks \"%s\":\n%s", part, text.all);
	assert_non_null(strstr(text.all, part));
}

static void expect_not(const struct vc_fault *fault, const char *part)
{
	struct text text;

	assert_true(explain(fault, &text) >= 0);
	if (strstr(text.all, part))
		print_error("has \"%s\":\n%s", part, text.all);
	assert_null(strstr(text.all, part));
}

static void first_line_says_all(void **state)
{
	static const char *const parts[VC_EXIT_NR] = {
		[VC_EXIT_PIO] = "pio in 64-bit mode at 0xffffffff81000000: no fault",
		[VC_EXIT_MMIO] = "mmio in 64-bit mode at 0xffffffff81000000: access to an address",
		[VC_EXIT_HALT] = "halt in 64-bit mode at 0xffffffff81000000: the guest halted",
		[VC_EXIT_SHUTDOWN] =
			"triple fault in 64-bit mode at 0xffffffff81000000: an exception",
		[VC_EXIT_CRASH] = "the guest reported its own crash",
		[VC_EXIT_MEMORY_FAULT] = "memory fault in 64-bit mode at 0xffffffff81000000: host",
		[VC_EXIT_FAIL_ENTRY] = "the CPU refused to enter the guest",
		[VC_EXIT_INTERNAL_ERROR] = "internal error of the hypervisor",
		[VC_EXIT_UNKNOWN] = "a reason that this library does not know",
	};
	struct text text;

	(void)state;
	for (unsigned int k = 0; k <= VC_EXIT_NR; k++) {
		struct vc_fault fault = sane(k);

		assert_true(explain(&fault, &text) >= 0);
		assert_true(strlen(text.first) > 20);
		assert_non_null(strstr(text.first, vc_exit_name(k)));
		if (k < VC_EXIT_NR && parts[k])
			assert_non_null(strstr(text.first, parts[k]));
		assert_null(strstr(text.all, "hint:"));
	}
}

static void codes_in_words(void **state)
{
	static const struct {
		enum vc_exit_kind kind;
		uint64_t code;
		const char *part;
	} cases[] = {
		{ VC_EXIT_INTERNAL_ERROR, 1, "could not emulate the instruction" },
		{ VC_EXIT_INTERNAL_ERROR, 2, "while another was being delivered" },
		{ VC_EXIT_INTERNAL_ERROR, 3, "while an interrupt or exception" },
		{ VC_EXIT_INTERNAL_ERROR, 4, "does not handle" },
		{ VC_EXIT_INTERNAL_ERROR, 99, "hypervisor's code 0x63" },
		{ VC_EXIT_FAIL_ENTRY, 0x80000021, "its state is invalid" },
		{ VC_EXIT_FAIL_ENTRY, UINT64_MAX, "its state is invalid" },
		{ VC_EXIT_FAIL_ENTRY, 0x80000022, "an MSR could not be loaded" },
		{ VC_EXIT_FAIL_ENTRY, 0x80000029, "machine check" },
		{ VC_EXIT_UNKNOWN, 0x1f, "hypervisor's code 0x1f" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vc_fault fault = sane(cases[i].kind);

		fault.code = cases[i].code;
		expect(&fault, cases[i].part);
	}
}

static void no_handlers(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_SHUTDOWN);

	(void)state;
	fault.sregs.idt.limit = 0;
	expect(&fault, "IDT limit is 0: there are no handlers");
	fault.sregs.idt.limit = 8 * 16 - 1;
	expect(&fault, "the IDT has 8 entries: no handler for #DF, #GP and #PF");
	fault.sregs.idt.limit = 13 * 16 - 1;
	expect(&fault, "13 entries: no handler for #GP and #PF");
	fault.sregs.idt.limit = 14 * 16 - 1;
	expect(&fault, "14 entries: no handler for #PF");
	fault.sregs.idt.limit = 15 * 16 - 1;
	expect_not(&fault, "entries");
	/* entries are smaller in the older modes */
	fault.mode = VC_X86_PROTECTED_32;
	fault.sregs.efer = 0;
	fault.sregs.idt.limit = 15 * 8 - 1;
	expect_not(&fault, "entries");
	fault.mode = VC_X86_REAL;
	fault.sregs.cr0 = 0x10;
	fault.sregs.idt.limit = 0x3ff;
	expect_not(&fault, "entries");
	/* a table that is missing explains a triple fault only */
	fault = sane(VC_EXIT_HALT);
	fault.sregs.idt.limit = 0;
	expect_not(&fault, "hint:");
}

static void tables_and_stacks(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_SHUTDOWN);

	(void)state;
	fault.sregs.gdt.limit = 0;
	expect(&fault, "GDT limit is 0");
	fault = sane(VC_EXIT_SHUTDOWN);
	fault.sregs.cs.dpl = 3;
	fault.sregs.tr.limit = 0;
	expect(&fault, "CPL 3 without a usable TSS");
	fault = sane(VC_EXIT_SHUTDOWN);
	fault.sregs.cr2 = 0xdead000;
	expect(&fault, "last page fault was at CR2 = 0xdead000\n");
	fault.sregs.cr2 = fault.regs.rsp - 8;
	expect(&fault, "close to RSP: the stack ran out");
	fault = sane(VC_EXIT_SHUTDOWN);
	fault.regs.rsp = 0;
	expect(&fault, "RSP is 0");
	fault.regs.rsp = 0x800000000000;
	expect(&fault, "RSP is no canonical address");
	fault.sregs.cr4 |= 1 << 12; /* 57 bits */
	expect_not(&fault, "canonical");
}

static void places(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_SHUTDOWN);

	(void)state;
	memcpy(fault.bytes, "\x0f\x0b", 2);
	expect(&fault, "the instruction is ud2");
	memset(fault.bytes, 0, sizeof(fault.bytes));
	expect(&fault, "all zeros");
	memset(fault.bytes, 0xff, sizeof(fault.bytes));
	expect(&fault, "all ones");
	fault.nr_bytes = 0;
	expect(&fault, "no code can be read at RIP");
	expect(&fault, "(code unreadable)");
	expect_not(&fault, "code 0x");
	fault.regs.rip = 0x1000000000000000;
	expect(&fault, "RIP is no canonical address");
}

static void states_that_cannot_be_entered(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_FAIL_ENTRY);

	(void)state;
	fault.sregs.cr0 &= ~1ull;
	expect(&fault, "paging without protection");
	fault = sane(VC_EXIT_FAIL_ENTRY);
	fault.sregs.cr4 = 0;
	expect(&fault, "long mode is on without CR4.PAE");
	fault = sane(VC_EXIT_FAIL_ENTRY);
	fault.sregs.cs.db = 1;
	expect(&fault, "both 64-bit (L) and 32-bit (D)");
}

static void facts(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_MMIO);

	(void)state;
	fault.addr = 0xfed00000;
	expect(&fault, "guest-physical address 0xfed00000");
	expect(&fault, "rax 0000001234567890");
	expect(&fault, "paging 4-level");
	expect(&fault, "cs   0010 base 0000000000000000");
	fault.sregs.cr4 |= 1 << 12;
	expect(&fault, "paging 5-level");
	fault.sregs.efer = 0;
	expect(&fault, "paging PAE");
	fault.sregs.cr4 = 0;
	expect(&fault, "paging 32-bit");
	fault.sregs.cr0 = 1;
	expect(&fault, "paging off");
}

static void code_is_disassembled(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_INTERNAL_ERROR);
	struct text text;

	(void)state;
	if (explain(&fault, &text) == 1)
		return; /* told by main() */
	assert_non_null(
		strstr(text.all, "code 0xffffffff81000000: 48 8b 07  mov rax, qword ptr [rdi]"));
	assert_non_null(strstr(text.all, "code 0xffffffff81000003: f4  hlt"));
	assert_non_null(strstr(text.all, "code 0xffffffff81000004: eb fd  jmp 0xffffffff81000003"));
	/* the last bytes are half an instruction: not told as one, not lost when it is the first */
	fault.nr_bytes = 4;
	fault.bytes[3] = 0x48;
	assert_int_equal(explain(&fault, &text), 0);
	assert_null(strstr(text.all, "no instruction"));
	memcpy(fault.bytes, "\x06\x07\x0e", 3);
	assert_int_equal(explain(&fault, &text), 0);
	assert_non_null(strstr(text.all, "06 07 0e 48  (no instruction)"));
	/* a record that claims more than it holds */
	fault.nr_bytes = UINT32_MAX;
	assert_int_equal(explain(&fault, &text), 0);
}

static void without_the_library(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_SHUTDOWN);
	struct text text;

	(void)state;
	no_library = true;
	assert_int_equal(explain(&fault, &text), 1);
	no_library = false;
	assert_non_null(strstr(text.all, "code 48 8b 07 f4 eb fd 90"));
	assert_non_null(strstr(text.all, "no disassembler: "));
	assert_non_null(strstr(text.all, "libcapstone"));
}

static void refusals(void **state)
{
	struct vc_fault fault = sane(VC_EXIT_SHUTDOWN);
	struct text text = { 0 };

	(void)state;
	assert_refused(vc_fault_explain(NULL, collect, &text), -EINVAL, "no fault");
	assert_refused(vc_fault_explain(&fault, NULL, NULL), -EINVAL, "nobody");
	assert_int_equal(text.len, 0);
	fault.mode = 77;
	expect(&fault, "in no known mode");
	assert_string_equal(vc_exit_name(VC_EXIT_NR), "?");
	assert_string_equal(vc_exit_name(VC_EXIT_SHUTDOWN), "triple fault");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_line_says_all),
		cmocka_unit_test(codes_in_words),
		cmocka_unit_test(no_handlers),
		cmocka_unit_test(tables_and_stacks),
		cmocka_unit_test(places),
		cmocka_unit_test(states_that_cannot_be_entered),
		cmocka_unit_test(facts),
		cmocka_unit_test(code_is_disassembled),
		cmocka_unit_test(without_the_library),
		cmocka_unit_test(refusals),
	};
	struct vc_fault fault = sane(VC_EXIT_SHUTDOWN);
	struct text text;

	if (explain(&fault, &text) == 1)
		puts("libcapstone is not installed: the disassembly is not looked at");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
