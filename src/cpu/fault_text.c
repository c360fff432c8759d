/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorded fault in words: why the hypervisor gave the vCPU back, what in its state makes that
 * likely, registers, and the instruction. Works on the record alone: any thread, at any time, the
 * guest may be gone. The disassembler is opened here and closed again. The first line says all in
 * one; hints are facts of the record that explain the stop, never guesses that need more. Leaves out
 * symbols and back traces. Sources: [SDM 3A 6, SDM 3C 27.8] [KVM KVM_EXIT_INTERNAL_ERROR]
 */
#include "disasm.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/vcpu_state.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CR0_PE	 (1ull << 0)
#define CR0_PG	 (1ull << 31)
#define CR4_PAE	 (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)

#define LINE_BYTES 256

/* Where lines go. */
struct sink {
	vc_text_fn fn;
	void *opaque;
};

static void say(const struct sink *to, const char *fmt, ...) VC_PRINTF(2, 3);

static void say(const struct sink *to, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	to->fn(to->opaque, line);
}

static const char *mode_name(enum vc_x86_mode mode)
{
	static const char names[][24] = {
		[VC_X86_REAL] = "real mode",
		[VC_X86_PROTECTED_16] = "16-bit protected mode",
		[VC_X86_PROTECTED_32] = "32-bit protected mode",
		[VC_X86_LONG_COMPAT] = "compatibility mode",
		[VC_X86_LONG_64] = "64-bit mode",
	};

	return (unsigned int)mode < sizeof(names) / sizeof(names[0]) ? names[mode]
								     : "no known mode";
}

static const char *internal_error(uint64_t code)
{
	switch (code) {
	case 1:
		return "the hypervisor could not emulate the instruction";
	case 2:
		return "an exception came up while another was being delivered";
	case 3:
		return "the guest left while an interrupt or exception was being delivered";
	case 4:
		return "the guest left for a reason that the hypervisor does not handle";
	default:
		return "internal error of the hypervisor";
	}
}

static const char *entry_failure(uint64_t code)
{
	switch (code & 0xffffffff) {
	case 0x80000021:
	case 0xffffffff: /* VMEXIT_INVALID of AMD, of which KVM keeps 32 bits */
		return "the CPU refused to enter the guest: its state is invalid";
	case 0x80000022:
		return "the CPU refused to enter the guest: an MSR could not be loaded";
	case 0x80000029:
		return "the CPU refused to enter the guest: machine check";
	default:
		return "the CPU refused to enter the guest";
	}
}

static const char *reason(const struct vc_fault *f)
{
	switch (f->kind) {
	case VC_EXIT_SHUTDOWN:
		return "an exception could not be delivered, nor the double fault after it";
	case VC_EXIT_INTERNAL_ERROR:
		return internal_error(f->code);
	case VC_EXIT_FAIL_ENTRY:
		return entry_failure(f->code);
	case VC_EXIT_MEMORY_FAULT:
		return "host memory behind a guest address cannot be had";
	case VC_EXIT_UNKNOWN:
		return "the hypervisor gave a reason that this library does not know";
	case VC_EXIT_HALT:
		return "the guest halted, and no interrupt can wake it";
	case VC_EXIT_MMIO:
		return "access to an address where there is neither memory nor a device";
	case VC_EXIT_CRASH:
		return "the guest reported its own crash";
	default:
		return "no fault: an exit that the program has to handle";
	}
}

static bool is_canonical(const struct vc_fault *f, uint64_t addr)
{
	unsigned int spare = f->sregs.cr4 & CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(addr << spare) >> spare) == addr;
}

static unsigned int idt_entry_bytes(const struct vc_fault *f)
{
	if (f->sregs.efer & EFER_LMA)
		return 16;
	return f->sregs.cr0 & CR0_PE ? 8 : 4;
}

/* Tables and stack without which no exception can be delivered. */
static void hint_delivery(const struct vc_fault *f, const struct sink *to)
{
	const struct vc_x86_sregs *s = &f->sregs;
	unsigned int entries = (s->idt.limit + 1u) / idt_entry_bytes(f);

	if (s->idt.limit == 0)
		say(to, "hint: IDT limit is 0: there are no handlers, any exception ends this way");
	else if (entries <= 14)
		say(to, "hint: the IDT has %u entries: no handler for %s", entries,
		    entries <= 8    ? "#DF, #GP and #PF"
		    : entries <= 13 ? "#GP and #PF"
				    : "#PF");
	if ((s->cr0 & CR0_PE) && s->gdt.limit == 0)
		say(to, "hint: GDT limit is 0: no handler's code segment can be loaded");
	if ((s->cr0 & CR0_PE) && s->cs.dpl == 3 && (s->tr.unusable || s->tr.limit < 0x67))
		say(to, "hint: running at CPL 3 without a usable TSS: exceptions have no stack");
	if (s->cr2)
		say(to, "hint: the last page fault was at CR2 = %#llx%s",
		    (unsigned long long)s->cr2,
		    f->regs.rsp - s->cr2 < 0x10000 || s->cr2 - f->regs.rsp < 0x1000
			    ? ", close to RSP: the stack ran out or is not mapped"
			    : "");
}

static bool all_bytes(const struct vc_fault *f, uint8_t value)
{
	for (uint32_t i = 0; i < f->nr_bytes; i++)
		if (f->bytes[i] != value)
			return false;
	return f->nr_bytes >= 8;
}

/* What the place it stopped at says. */
static void hint_code(const struct vc_fault *f, const struct sink *to)
{
	if (f->mode == VC_X86_LONG_64 && !is_canonical(f, f->regs.rip))
		say(to, "hint: RIP is no canonical address: a wild jump or return");
	else if (f->nr_bytes == 0)
		say(to, "hint: no code can be read at RIP: not mapped, or not memory");
	else if (all_bytes(f, 0))
		say(to, "hint: the code is all zeros: execution ran into empty memory");
	else if (all_bytes(f, 0xff))
		say(to, "hint: the code is all ones: execution ran into erased or absent memory");
	else if (f->nr_bytes >= 2 && f->bytes[0] == 0x0f && f->bytes[1] == 0x0b)
		say(to, "hint: the instruction is ud2, which programs use to stop on purpose");
	if (f->mode == VC_X86_LONG_64 && !is_canonical(f, f->regs.rsp))
		say(to, "hint: RSP is no canonical address");
	else if (f->regs.rsp == 0)
		say(to, "hint: RSP is 0: no stack was set up");
}

static const char *paging(const struct vc_x86_sregs *s)
{
	if (!(s->cr0 & CR0_PG))
		return "off";
	if (s->efer & EFER_LMA)
		return s->cr4 & CR4_LA57 ? "5-level" : "4-level";
	return s->cr4 & CR4_PAE ? "PAE" : "32-bit";
}

static void hint_state(const struct vc_fault *f, const struct sink *to)
{
	const struct vc_x86_sregs *s = &f->sregs;

	if (f->kind == VC_EXIT_FAIL_ENTRY && (s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE))
		say(to, "hint: CR0 has paging without protection");
	if (f->kind == VC_EXIT_FAIL_ENTRY && (s->cr0 & CR0_PG) && (s->efer & EFER_LME) &&
	    !(s->cr4 & CR4_PAE))
		say(to, "hint: long mode is on without CR4.PAE");
	if (f->kind == VC_EXIT_FAIL_ENTRY && s->cs.l && s->cs.db)
		say(to, "hint: CS says both 64-bit (L) and 32-bit (D)");
	if (f->addr != UINT64_MAX)
		say(to, "guest-physical address %#llx", (unsigned long long)f->addr);
}

static void tell_segment(const struct sink *to, const char *name, const struct vc_x86_segment *s)
{
	say(to, "%-4s %04x base %016llx limit %08x type %x s %u dpl %u p %u l %u db %u g %u%s",
	    name, s->selector, (unsigned long long)s->base, s->limit, s->type, s->s, s->dpl,
	    s->present, s->l, s->db, s->g, s->unusable ? " unusable" : "");
}

static void tell_registers(const struct vc_fault *f, const struct sink *to)
{
	const struct vc_x86_sregs *s = &f->sregs;
	const struct vc_x86_regs *r = &f->regs;
	const struct {
		char name[4];
		uint64_t value;
	} general[] = {
		{ "rax", r->rax }, { "rbx", r->rbx }, { "rcx", r->rcx }, { "rdx", r->rdx },
		{ "rsi", r->rsi }, { "rdi", r->rdi }, { "rbp", r->rbp }, { "rsp", r->rsp },
		{ "r8", r->r8 },   { "r9", r->r9 },   { "r10", r->r10 }, { "r11", r->r11 },
		{ "r12", r->r12 }, { "r13", r->r13 }, { "r14", r->r14 }, { "r15", r->r15 },
	};

	for (size_t i = 0; i < 16; i += 4)
		say(to, "%-3s %016llx  %-3s %016llx  %-3s %016llx  %-3s %016llx", general[i].name,
		    (unsigned long long)general[i].value, general[i + 1].name,
		    (unsigned long long)general[i + 1].value, general[i + 2].name,
		    (unsigned long long)general[i + 2].value, general[i + 3].name,
		    (unsigned long long)general[i + 3].value);
	say(to, "rip %016llx  rflags %08llx", (unsigned long long)r->rip,
	    (unsigned long long)r->rflags);
	say(to, "cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx  efer %llx",
	    (unsigned long long)s->cr0, (unsigned long long)s->cr2, (unsigned long long)s->cr3,
	    (unsigned long long)s->cr4, (unsigned long long)s->efer);
	tell_segment(to, "cs", &s->cs);
	tell_segment(to, "ds", &s->ds);
	tell_segment(to, "es", &s->es);
	tell_segment(to, "fs", &s->fs);
	tell_segment(to, "gs", &s->gs);
	tell_segment(to, "ss", &s->ss);
	tell_segment(to, "tr", &s->tr);
	tell_segment(to, "ldt", &s->ldt);
	say(to, "gdt  base %016llx limit %04x", (unsigned long long)s->gdt.base, s->gdt.limit);
	say(to, "idt  base %016llx limit %04x", (unsigned long long)s->idt.base, s->idt.limit);
}

/* Bytes in hexadecimal, separated by spaces. */
static void hex(const uint8_t *bytes, uint32_t nr, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (uint32_t i = 0; i < nr; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
		*text++ = ' ';
	}
	*text = 0;
}

/* Instructions from RIP on, as far as the bytes go. Returns 1 when there is no disassembler. */
static int tell_code(const struct vc_fault *f, const struct sink *to)
{
	char text[VC__DISASM_TEXT], bytes[3 * sizeof(f->bytes) + 1];
	uint32_t nr = f->nr_bytes < sizeof(f->bytes) ? f->nr_bytes : sizeof(f->bytes);
	struct vc__disasm *disasm;

	if (nr == 0)
		return 0;
	if (vc__disasm_open(f->mode, &disasm) < 0) {
		hex(f->bytes, nr, bytes);
		say(to, "code %s(no disassembler: %s)", bytes, vc_error_message());
		return 1;
	}
	for (uint32_t at = 0; at < nr;) {
		int len = vc__disasm_one(disasm, f->bytes + at, nr - at, f->regs.rip + at, text);
		uint32_t part = len > 0 ? (uint32_t)len : nr - at;

		if (len <= 0 && at)
			break; /* cut off by the end of what was recorded */
		hex(f->bytes + at, part, bytes);
		say(to, "code %#llx: %s %s", (unsigned long long)f->regs.rip + at, bytes,
		    len > 0 ? text : "(no instruction)");
		at += part;
	}
	vc__disasm_close(disasm);
	return 0;
}

int vc_fault_explain(const struct vc_fault *fault, vc_text_fn fn, void *opaque)
{
	struct sink to = { fn, opaque };

	if (!fault || !fn)
		return vc_error_set(-EINVAL, "cpu", "fault", "no fault, or nobody to tell it");
	say(&to, "%s in %s at %#llx: %s%s", vc_exit_name(fault->kind), mode_name(fault->mode),
	    (unsigned long long)fault->regs.rip, reason(fault),
	    fault->nr_bytes ? "" : " (code unreadable)");
	if (fault->kind == VC_EXIT_INTERNAL_ERROR || fault->kind == VC_EXIT_FAIL_ENTRY ||
	    fault->kind == VC_EXIT_UNKNOWN)
		say(&to, "hypervisor's code %#llx", (unsigned long long)fault->code);
	if (fault->kind == VC_EXIT_SHUTDOWN)
		hint_delivery(fault, &to);
	hint_code(fault, &to);
	hint_state(fault, &to);
	say(&to, "paging %s", paging(&fault->sregs));
	tell_registers(fault, &to);
	return tell_code(fault, &to);
}
