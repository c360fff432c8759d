/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86 state of KVM vCPUs, between the library's forms and KVM's structs, field by field. vCPU's thread,
 * or any while the vCPU does not run. Leaves out the order in which state is put back (state_x86.c)
 * and which MSRs there are (kvm_tables.c). [KVM 4.11-4.35]
 */
#include "kvm.h"

#include <assert.h>
#include <string.h>

#define CHUNK 32u /* MSRs a call */

#ifndef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
#error "Linux 6.0 headers or newer are needed"
#endif

int vc__kvm_vcpu_cpuid(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr)
{
	vc_auto_free struct kvm_cpuid2 *all =
		calloc(1, sizeof(*all) + nr * sizeof(struct kvm_cpuid_entry2));

	if (!all)
		return vc__no_memory(vcpu->partition->name, "CPUID leaves");
	all->nent = (uint32_t)nr;
	for (size_t i = 0; i < nr; i++) {
		all->entries[i] = (struct kvm_cpuid_entry2){
			.function = leaves[i].function,
			.index = leaves[i].index,
			.flags = leaves[i].has_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0u,
			.eax = leaves[i].eax,
			.ebx = leaves[i].ebx,
			.ecx = leaves[i].ecx,
			.edx = leaves[i].edx,
		};
	}
	if (ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_CPUID2, all) < 0)
		return vc__kvm_fail(vcpu->partition, "KVM_SET_CPUID2");
	return 0;
}

/* The same registers in the same order, so that one copy does. */
static_assert(sizeof(struct vc_x86_regs) == sizeof(struct kvm_regs), "general registers");
static_assert(offsetof(struct vc_x86_regs, rsp) == offsetof(struct kvm_regs, rsp), "rsp");
static_assert(offsetof(struct vc_x86_regs, r15) == offsetof(struct kvm_regs, r15), "r15");
static_assert(offsetof(struct vc_x86_regs, rflags) == offsetof(struct kvm_regs, rflags), "rflags");

static int get_regs(struct vc_vcpu *vcpu, void *buf)
{
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_GET_REGS, buf) < 0 ? -errno : 0;
}

static int set_regs(struct vc_vcpu *vcpu, const void *buf)
{
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_REGS, buf) < 0 ? -errno : 0;
}

/* No padding, which an initialiser may leave as it finds it: callers compare whole structs. */
static_assert(offsetof(struct vc_x86_segment, reserved) + 9 == sizeof(struct vc_x86_segment),
	      "segment");

/* Names are the same on both sides, so one list of them serves both ways. */
#define SEGMENT_OF(from)                                                                          \
	{                                                                                         \
		.base = (from).base, .limit = (from).limit, .selector = (from).selector,          \
		.type = (from).type, .s = (from).s, .dpl = (from).dpl, .present = (from).present, \
		.avl = (from).avl, .l = (from).l, .db = (from).db, .g = (from).g,                 \
		.unusable = (from).unusable,                                                      \
	}
#define SREGS_OF(from)                                                                            \
	{                                                                                         \
		.cs = SEGMENT_OF((from).cs), .ds = SEGMENT_OF((from).ds),                         \
		.es = SEGMENT_OF((from).es), .fs = SEGMENT_OF((from).fs),                         \
		.gs = SEGMENT_OF((from).gs), .ss = SEGMENT_OF((from).ss),                         \
		.tr = SEGMENT_OF((from).tr), .ldt = SEGMENT_OF((from).ldt),                       \
		.gdt = { .base = (from).gdt.base, .limit = (from).gdt.limit },                    \
		.idt = { .base = (from).idt.base, .limit = (from).idt.limit }, .cr0 = (from).cr0, \
		.cr2 = (from).cr2, .cr3 = (from).cr3, .cr4 = (from).cr4, .cr8 = (from).cr8,       \
		.efer = (from).efer, .apic_base = (from).apic_base,                               \
	}

static int get_sregs(struct vc_vcpu *vcpu, void *buf)
{
	struct kvm_sregs s;

	if (ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_GET_SREGS, &s) < 0)
		return -errno;
	*(struct vc_x86_sregs *)buf = (struct vc_x86_sregs)SREGS_OF(s);
	return 0;
}

static int set_sregs(struct vc_vcpu *vcpu, const void *buf)
{
	const struct vc_x86_sregs *sregs = buf;
	struct kvm_sregs s = SREGS_OF(*sregs);

	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_SREGS, &s) < 0 ? -errno : 0;
}

/* The size of the XSAVE area depends on what the process may use (AMX), so it is asked each time. */
static size_t xsave_bytes(const struct vc_vcpu *vcpu)
{
	int r = -1;

	if (vc__kvm_host(vcpu->partition->host)->has_xsave2)
		r = ioctl(vc__kvm_partition(vcpu->partition)->fd, KVM_CHECK_EXTENSION,
			  KVM_CAP_XSAVE2);
	return r > (int)sizeof(struct kvm_xsave) ? (size_t)r : sizeof(struct kvm_xsave);
}

static int get_xsave(struct vc_vcpu *vcpu, void *buf)
{
	bool is_long = vc__kvm_host(vcpu->partition->host)->has_xsave2;

	return ioctl(vc__kvm_vcpu(vcpu)->fd, is_long ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, buf) < 0
		       ? -errno
		       : 0;
}

static int set_xsave(struct vc_vcpu *vcpu, const void *buf)
{
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_XSAVE, buf) < 0 ? -errno : 0;
}

static int get_lapic(struct vc_vcpu *vcpu, void *buf)
{
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_GET_LAPIC, buf) < 0 ? -errno : 0;
}

static int set_lapic(struct vc_vcpu *vcpu, const void *buf)
{
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_LAPIC, buf) < 0 ? -errno : 0;
}

static int get_debug(struct vc_vcpu *vcpu, void *buf)
{
	struct vc__x86_debug *ret = buf;
	struct kvm_debugregs d;

	if (ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_GET_DEBUGREGS, &d) < 0)
		return -errno;
	memcpy(ret->dr, d.db, sizeof(ret->dr));
	ret->dr6 = d.dr6;
	ret->dr7 = d.dr7;
	return 0;
}

static int set_debug(struct vc_vcpu *vcpu, const void *buf)
{
	const struct vc__x86_debug *debug = buf;
	struct kvm_debugregs d = { .dr6 = debug->dr6, .dr7 = debug->dr7 };

	memcpy(d.db, debug->dr, sizeof(d.db));
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_DEBUGREGS, &d) < 0 ? -errno : 0;
}

static int get_xcr0(struct vc_vcpu *vcpu, void *buf)
{
	struct kvm_xcrs x;

	if (ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_GET_XCRS, &x) < 0)
		return -errno;
	for (uint32_t i = 0; i < x.nr_xcrs && i < KVM_MAX_XCRS; i++) {
		if (x.xcrs[i].xcr != 0)
			continue;
		*(uint64_t *)buf = x.xcrs[i].value;
		return 0;
	}
	return -ENOTSUP;
}

static int set_xcr0(struct vc_vcpu *vcpu, const void *buf)
{
	const uint64_t *xcr0 = buf;
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0] = { .xcr = 0, .value = *xcr0 } };

	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_XCRS, &x) < 0 ? -errno : 0;
}

static int get_events(struct vc_vcpu *vcpu, void *buf)
{
	struct kvm_vcpu_events e;

	if (ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		return -errno;
	*(struct vc__x86_events *)buf = (struct vc__x86_events){
		.exception_payload = e.exception_payload,
		.exception_error = e.exception.error_code,
		.exception_vector = e.exception.nr,
		.exception_injected = e.exception.injected,
		.exception_pending = e.exception.pending,
		.exception_has_error = e.exception.has_error_code,
		.exception_has_payload = e.exception_has_payload,
		.interrupt_injected = e.interrupt.injected,
		.interrupt_soft = e.interrupt.soft,
		.interrupt_vector = e.interrupt.nr,
		.interrupt_shadow = e.interrupt.shadow,
		.nmi_injected = e.nmi.injected,
		.nmi_pending = e.nmi.pending,
		.nmi_masked = e.nmi.masked,
		.sipi_vector = e.sipi_vector,
		.smm = e.smi.smm,
		.smm_pending = e.smi.pending,
		.smm_inside_nmi = e.smi.smm_inside_nmi,
		.latched_init = e.smi.latched_init,
		.triple_fault_pending = e.triple_fault.pending,
	};
	return 0;
}

static int set_events(struct vc_vcpu *vcpu, const void *buf)
{
	const struct vc__kvm_host *host = vc__kvm_host(vcpu->partition->host);
	const struct vc__x86_events *ev = buf;
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM,
		.exception = {
			.injected = ev->exception_injected,
			.pending = ev->exception_pending,
			.nr = ev->exception_vector,
			.has_error_code = ev->exception_has_error,
			.error_code = ev->exception_error,
		},
		.interrupt = {
			.injected = ev->interrupt_injected,
			.nr = ev->interrupt_vector,
			.soft = ev->interrupt_soft,
			.shadow = ev->interrupt_shadow,
		},
		.nmi = {
			.injected = ev->nmi_injected,
			.pending = ev->nmi_pending,
			.masked = ev->nmi_masked,
		},
		.sipi_vector = ev->sipi_vector,
		.smi = {
			.smm = ev->smm,
			.pending = ev->smm_pending,
			.smm_inside_nmi = ev->smm_inside_nmi,
			.latched_init = ev->latched_init,
		},
		.triple_fault.pending = ev->triple_fault_pending,
		.exception_has_payload = ev->exception_has_payload,
		.exception_payload = ev->exception_payload,
	};

	/* these two KVM knows only where the partition has enabled them */
	if (host->has_triple_fault)
		e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (host->has_exception_payload)
		e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_VCPU_EVENTS, &e) < 0 ? -errno : 0;
}

static const uint32_t mp_states[VC__RUN_NR] = {
	[VC__RUN_RUNNABLE] = KVM_MP_STATE_RUNNABLE,
	[VC__RUN_UNINITIALIZED] = KVM_MP_STATE_UNINITIALIZED,
	[VC__RUN_INIT_RECEIVED] = KVM_MP_STATE_INIT_RECEIVED,
	[VC__RUN_SIPI_RECEIVED] = KVM_MP_STATE_SIPI_RECEIVED,
	[VC__RUN_HALTED] = KVM_MP_STATE_HALTED,
};

/* True when the guest is a hypervisor at work: what is then read belongs to two guests at once. */
static bool is_nesting(int fd)
{
	struct kvm_nested_state state = { .size = sizeof(state) };

	if (ioctl(fd, KVM_GET_NESTED_STATE, &state) < 0)
		return errno == E2BIG;
	return state.flags & KVM_STATE_NESTED_GUEST_MODE ||
	       (state.format == KVM_STATE_NESTED_FORMAT_VMX && state.hdr.vmx.vmxon_pa != ~0ull);
}

static int get_run_state(struct vc_vcpu *vcpu, void *buf)
{
	int fd = vc__kvm_vcpu(vcpu)->fd;
	enum vc__run_state *ret = buf;
	struct kvm_mp_state state;

	if (is_nesting(fd))
		return -ENOTSUP;
	if (ioctl(fd, KVM_GET_MP_STATE, &state) < 0)
		return -errno;
	/* an AP's reset hold is a wait for INIT as well */
	*ret = VC__RUN_UNINITIALIZED;
	for (uint32_t i = 0; i < VC__RUN_NR; i++) {
		if (mp_states[i] == state.mp_state)
			*ret = (enum vc__run_state)i;
	}
	return 0;
}

static int set_run_state(struct vc_vcpu *vcpu, const void *buf)
{
	enum vc__run_state run_state = *(const enum vc__run_state *)buf;
	struct kvm_mp_state state;

	if ((unsigned int)run_state >= VC__RUN_NR)
		return -EINVAL;
	state.mp_state = mp_states[run_state];
	return ioctl(vc__kvm_vcpu(vcpu)->fd, KVM_SET_MP_STATE, &state) < 0 ? -errno : 0;
}

/* How a part is moved; bytes 0: the XSAVE area, whose size the CPU tells. */
static const struct {
	const char *name;
	size_t bytes;
	int (*get)(struct vc_vcpu *vcpu, void *buf);
	int (*set)(struct vc_vcpu *vcpu, const void *buf);
} parts[] = {
	[VC__PART_REGS] = { "general registers", sizeof(struct vc_x86_regs), get_regs, set_regs },
	[VC__PART_SREGS] = { "system registers", sizeof(struct vc_x86_sregs), get_sregs,
			     set_sregs },
	[VC__PART_XSAVE] = { "XSAVE area", 0, get_xsave, set_xsave },
	[VC__PART_LAPIC] = { "LAPIC", VC_LAPIC_BYTES, get_lapic, set_lapic },
	[VC__PART_DEBUG] = { "debug registers", sizeof(struct vc__x86_debug), get_debug,
			     set_debug },
	[VC__PART_XCR0] = { "XCR0", sizeof(uint64_t), get_xcr0, set_xcr0 },
	[VC__PART_EVENTS] = { "events", sizeof(struct vc__x86_events), get_events, set_events },
	[VC__PART_RUN_STATE] = { "run state", sizeof(enum vc__run_state), get_run_state,
				 set_run_state },
};

static_assert(sizeof(struct kvm_lapic_state) == VC_LAPIC_BYTES, "LAPIC page");

static size_t part_bytes(const struct vc_vcpu *vcpu, enum vc__vcpu_part part)
{
	return parts[part].bytes ? parts[part].bytes : xsave_bytes(vcpu);
}

static int part_failed(const struct vc_vcpu *vcpu, enum vc__vcpu_part part, const char *verb, int r)
{
	return vc_error_set(r, "kvm", vcpu->partition->name, "vCPU %u: cannot %s the %s: %s",
			    vcpu->idx, verb, parts[part].name, strerrordesc_np(-r));
}

int vc__kvm_vcpu_get(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len)
{
	size_t bytes = part_bytes(vcpu, part);
	int r = len < bytes ? 0 : parts[part].get(vcpu, buf);

	return r < 0 ? part_failed(vcpu, part, "read", r) : (int)bytes;
}

int vc__kvm_vcpu_set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len)
{
	size_t bytes = part_bytes(vcpu, part);
	int r;

	if (len != bytes)
		return vc_error_set(-EINVAL, "kvm", vcpu->partition->name,
				    "vCPU %u: %s of %zu bytes, this CPU's has %zu", vcpu->idx,
				    parts[part].name, len, bytes);
	r = parts[part].set(vcpu, buf);
	return r < 0 ? part_failed(vcpu, part, "write", r) : 0;
}

int vc__kvm_vcpu_msrs(struct vc_vcpu *vcpu, struct vc__msr *msrs, size_t nr, bool is_set)
{
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + CHUNK * sizeof(struct kvm_msr_entry)];
	} chunk;
	size_t done = 0;

	while (done < nr) {
		size_t part = nr - done < CHUNK ? nr - done : CHUNK;

		memset(&chunk, 0, sizeof(chunk));
		chunk.head.nmsrs = (uint32_t)part;
		for (size_t i = 0; i < part; i++) {
			chunk.head.entries[i].index = msrs[done + i].index;
			chunk.head.entries[i].data = is_set ? msrs[done + i].value : 0;
		}
		int r = ioctl(vc__kvm_vcpu(vcpu)->fd, is_set ? KVM_SET_MSRS : KVM_GET_MSRS, &chunk);
		if (r < 0)
			return vc__kvm_fail(vcpu->partition,
					    is_set ? "KVM_SET_MSRS" : "KVM_GET_MSRS");
		for (int i = 0; i < r && !is_set; i++)
			msrs[done + (size_t)i].value = chunk.head.entries[i].data;
		done += (size_t)r;
		if ((size_t)r < part)
			break;
	}
	return (int)done;
}
