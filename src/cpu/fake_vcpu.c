/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs of the fake back end: play a script of exits, take answers to reads, wait to be woken at the
 * script's end. Runs on the vCPU's thread; a wake comes from any.
 *
 * Waking follows KVM's rules: it ends the run in progress or the next one at its entry, several of
 * them are one, none is lost. A pending read is completed at the next entry, an immediate one
 * included, and only then is its answer recorded. Registers and the like are stored and given back,
 * nothing executes. Leaves out dirty pages, string accesses in parts and time.
 */
#include "fake_parts.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#define XSAVE_LEGACY 576u /* x87, SSE and the header [SDM 1 13.4] */

const uint32_t vc__fake_msrs[FAKE_MSRS] = {
	0x10,	    0x1b,	0x174,	    0x175,	0x176,	    0x1a0,
	0x277,	    0x6e0,	0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083,
	0xc0000084, 0xc0000102, 0xc0000103, 0x4b564d01,
};

static struct fake_vcpu *to_fake(struct vc_vcpu *vcpu)
{
	return vc_container_of(vcpu, struct fake_vcpu, vcpu);
}

static struct fake_partition *fake_of(struct vc_vcpu *vcpu)
{
	return vc_container_of(vcpu->partition, struct fake_partition, partition);
}

static uint32_t size_of(const struct vc_fake_step *step)
{
	if (step->kind == VC_EXIT_MSR || step->kind == VC_EXIT_HYPERCALL)
		return 8;
	return step->size ? step->size : 1;
}

static int check_step(const struct vc_fake_step *step, size_t script, size_t idx)
{
	uint32_t size = size_of(step), max = step->kind == VC_EXIT_PIO ? 4 : 8;

	if ((unsigned int)step->kind >= VC_EXIT_NR)
		return vc_error_set(-EINVAL, "fake", "script", "script %zu, step %zu: exit %d",
				    script, idx, (int)step->kind);
	if (size > max || size & (size - 1))
		return vc_error_set(-EINVAL, "fake", "script",
				    "script %zu, step %zu: %u bytes in a %s exit", script, idx,
				    size, vc_exit_name(step->kind));
	if (step->count > 1 && step->kind != VC_EXIT_PIO)
		return vc_error_set(-EINVAL, "fake", "script",
				    "script %zu, step %zu: %u items in a %s exit", script, idx,
				    step->count, vc_exit_name(step->kind));
	if (step->count > FAKE_DATA_BYTES / size)
		return vc_error_set(-EINVAL, "fake", "script",
				    "script %zu, step %zu: %u items of %u bytes, room for %u bytes",
				    script, idx, step->count, size, FAKE_DATA_BYTES);
	if (step->kind == VC_EXIT_PIO && !vc_range_within(step->addr, size, 0x10000))
		return vc_error_set(-EINVAL, "fake", "script",
				    "script %zu, step %zu: port %#llx of %u bytes", script, idx,
				    (unsigned long long)step->addr, size);
	return 0;
}

int vc__fake_check(const struct vc_fake_script *script)
{
	if (script->nr_scripts && (!script->steps || !script->nr_steps))
		return vc_error_set(-EINVAL, "fake", "script", "%zu scripts at NULL",
				    script->nr_scripts);
	for (size_t i = 0; i < script->nr_scripts; i++) {
		if (script->nr_steps[i] && !script->steps[i])
			return vc_error_set(-EINVAL, "fake", "script", "script %zu is NULL", i);
		for (size_t k = 0; k < script->nr_steps[i]; k++) {
			int r = check_step(&script->steps[i][k], i, k);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void reset(struct fake_vcpu *fake)
{
	struct vc_x86_segment data = { .limit = 0xffff, .type = 3, .s = 1, .present = 1 };
	struct vc_x86_segment code = data, tss = data;
	bool is_first = fake->vcpu.idx == 0;

	code.base = 0xffff0000;
	code.selector = 0xf000;
	code.type = 11;
	tss.type = 11;
	tss.s = 0;
	fake->regs = (struct vc_x86_regs){ .rip = 0xfff0, .rflags = 2, .rdx = 0x600 };
	fake->sregs = (struct vc_x86_sregs){
		.cs = code,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.tr = tss,
		.ldt = { .limit = 0xffff, .type = 2, .present = 1 },
		.gdt.limit = 0xffff,
		.idt.limit = 0xffff,
		.cr0 = 0x60000010,
		.apic_base = 0xfee00800 | (is_first ? 0x100 : 0),
	};
	fake->debug = (struct vc__x86_debug){ .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	fake->xcr0 = 1;
	fake->run_state = is_first ? VC__RUN_RUNNABLE : VC__RUN_UNINITIALIZED;
	for (size_t i = 0; i < FAKE_MSRS; i++)
		fake->msrs[i].index = vc__fake_msrs[i];
}

int vc__fake_vcpu_create(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr)
{
	struct fake_vcpu *fake = to_fake(vcpu);
	const struct vc_fake_script *script =
		&vc_container_of(vcpu->partition->host, struct fake_host, host)->script;

	fake->xsave_bytes = XSAVE_LEGACY;
	for (size_t i = 0; i < nr; i++)
		if (leaves[i].function == 0xd && leaves[i].index == 0)
			fake->xsave_bytes = leaves[i].ecx;
	fake->xsave = calloc(1, fake->xsave_bytes);
	if (!fake->xsave)
		return vc_error_set(-ENOMEM, "fake", vcpu->partition->name, "no memory for vCPU %u",
				    vcpu->idx);
	reset(fake);
	if (script->nr_scripts) {
		size_t which = vcpu->idx < script->nr_scripts ? vcpu->idx : script->nr_scripts - 1;

		fake->steps = script->steps[which];
		fake->nr_steps = script->nr_steps[which];
		fake->nr_rounds = script->repeats ? script->repeats : 1;
	}
	return 0;
}

void vc__fake_vcpu_destroy(struct vc_vcpu *vcpu)
{
	free(to_fake(vcpu)->xsave);
}

int vc__fake_vcpu_bind(struct vc_vcpu *vcpu, bool is_on)
{
	/* as with a signal: what was sent to this thread is consumed when it goes on */
	if (!is_on)
		atomic_store(&to_fake(vcpu)->is_woken, 0);
	return 0;
}

void vc__fake_vcpu_wake(struct vc_vcpu *vcpu)
{
	struct fake_vcpu *fake = to_fake(vcpu);

	/* pairs with take_wake(); the waiter re-reads the word under the kernel's futex lock */
	atomic_store(&fake->is_woken, 1);
	(void)syscall(SYS_futex, &fake->is_woken, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Consumes a wake. */
static bool take_wake(struct fake_vcpu *fake)
{
	return atomic_load_explicit(&fake->is_woken, memory_order_relaxed) &&
	       atomic_exchange(&fake->is_woken, 0);
}

static void wait_wake(struct fake_vcpu *fake)
{
	while (!take_wake(fake))
		(void)syscall(SYS_futex, &fake->is_woken, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* The next step, or NULL at the end. */
static const struct vc_fake_step *next_step(struct fake_vcpu *fake)
{
	if (fake->next == fake->nr_steps) {
		if (fake->nr_rounds <= 1 || fake->nr_steps == 0)
			return NULL;
		fake->nr_rounds--;
		fake->next = 0;
	}
	return &fake->steps[fake->next++];
}

/* The access of the last exit: what the answer was. */
static void complete(struct fake_vcpu *fake)
{
	const struct vc_exit *exit = &fake->vcpu.exit;
	uint64_t value = 0;

	if (!fake->is_answered)
		return;
	fake->is_answered = false;
	if (exit->refuse && *exit->refuse)
		return; /* the guest got an exception instead */
	memcpy(&value, fake->data, exit->size);
	vc__fake_record(fake_of(&fake->vcpu), VC_FAKE_READ, exit->addr, value);
}

static void fill_data(struct fake_vcpu *fake, const struct vc_fake_step *step)
{
	struct vc_exit *exit = &fake->vcpu.exit;
	size_t bytes = (size_t)exit->count * exit->size;

	exit->data = fake->data;
	if (step->kind == VC_EXIT_HYPERCALL) {
		memset(fake->data, 0, 6 * sizeof(uint64_t));
		memcpy(fake->data, &step->value, sizeof(step->value));
	} else if (!step->is_write) {
		memset(fake->data, 0, bytes);
	} else {
		for (size_t off = 0; off < bytes; off += exit->size)
			memcpy(fake->data + off, &step->value, exit->size);
	}
	fake->is_answered = !step->is_write || step->kind == VC_EXIT_HYPERCALL;
}

static void fill_exit(struct fake_vcpu *fake, const struct vc_fake_step *step)
{
	struct vc_exit *exit = &fake->vcpu.exit;

	*exit = (struct vc_exit){
		.kind = step->kind,
		.is_write = step->is_write,
		.count = step->count ? step->count : 1,
		.addr = step->addr,
		.code = step->code,
	};
	switch (step->kind) {
	case VC_EXIT_MSR:
		fake->refuse = 0;
		exit->refuse = &fake->refuse;
		/* fallthrough */
	case VC_EXIT_PIO:
	case VC_EXIT_MMIO:
	case VC_EXIT_HYPERCALL:
		exit->size = (uint8_t)size_of(step);
		fill_data(fake, step);
		break;
	default:
		break;
	}
}

static int interrupted(struct fake_vcpu *fake)
{
	if (atomic_load_explicit(&fake->vcpu.is_kicked, memory_order_relaxed))
		vc__fake_record(fake_of(&fake->vcpu), VC_FAKE_KICK, fake->vcpu.idx, 0);
	return -EINTR;
}

int vc__fake_vcpu_run(struct vc_vcpu *vcpu, bool is_immediate)
{
	struct fake_vcpu *fake = to_fake(vcpu);
	const struct vc_fake_step *step;

	complete(fake);
	do {
		if (take_wake(fake) || is_immediate)
			return interrupted(fake);
		step = next_step(fake);
		if (!step) {
			wait_wake(fake);
			return interrupted(fake);
		}
		if (step->err)
			return vc_error_set(step->err < 0 ? step->err : -step->err, "fake",
					    vcpu->partition->name, "the script says so");
	} while (vc__fake_ring(fake_of(vcpu), step));
	fill_exit(fake, step);
	return 0;
}

/* Where a part of fixed size is kept; NULL for the others. */
static void *place_of(struct fake_vcpu *fake, enum vc__vcpu_part part, size_t *ret_bytes)
{
	const struct {
		void *at;
		size_t bytes;
	} places[] = {
		[VC__PART_REGS] = { &fake->regs, sizeof(fake->regs) },
		[VC__PART_SREGS] = { &fake->sregs, sizeof(fake->sregs) },
		[VC__PART_XSAVE] = { fake->xsave, fake->xsave_bytes },
		[VC__PART_LAPIC] = { fake->lapic, sizeof(fake->lapic) },
		[VC__PART_DEBUG] = { &fake->debug, sizeof(fake->debug) },
		[VC__PART_XCR0] = { &fake->xcr0, sizeof(fake->xcr0) },
		[VC__PART_EVENTS] = { &fake->events, sizeof(fake->events) },
		[VC__PART_RUN_STATE] = { &fake->run_state, sizeof(fake->run_state) },
	};

	if ((unsigned int)part >= sizeof(places) / sizeof(places[0]))
		return NULL;
	*ret_bytes = places[part].bytes;
	return places[part].at;
}

int vc__fake_vcpu_get(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len)
{
	size_t bytes;
	const void *at = place_of(to_fake(vcpu), part, &bytes);

	if (!at)
		return vc_error_set(-ENOTSUP, "fake", vcpu->partition->name, "no part %d",
				    (int)part);
	if (len >= bytes)
		memcpy(buf, at, bytes);
	else if (part != VC__PART_XSAVE)
		return vc_error_set(-EINVAL, "fake", vcpu->partition->name,
				    "part %d has %zu bytes, room for %zu", (int)part, bytes, len);
	return (int)bytes;
}

int vc__fake_vcpu_set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len)
{
	size_t bytes;
	void *at = place_of(to_fake(vcpu), part, &bytes);

	if (!at)
		return vc_error_set(-ENOTSUP, "fake", vcpu->partition->name, "no part %d",
				    (int)part);
	if (len != bytes)
		return vc_error_set(-EINVAL, "fake", vcpu->partition->name,
				    "part %d has %zu bytes, not %zu", (int)part, bytes, len);
	memcpy(at, buf, bytes);
	return 0;
}

int vc__fake_vcpu_msrs(struct vc_vcpu *vcpu, struct vc__msr *msrs, size_t nr, bool is_set)
{
	struct fake_vcpu *fake = to_fake(vcpu);
	size_t i, k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < FAKE_MSRS && fake->msrs[k].index != msrs[i].index; k++)
			;
		if (k == FAKE_MSRS)
			break;
		if (is_set)
			fake->msrs[k].value = msrs[i].value;
		else
			msrs[i].value = fake->msrs[k].value;
	}
	return (int)i;
}
