/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86 state of KVM vCPUs, between the library's forms and KVM's structs, field by field; and the two
 * tables that a host is asked for late (supported CPUID, MSRs to save). vCPU's thread, or any while
 * the vCPU does not run; tables under the host's lock. Leaves out the order in which state is put
 * back (state_x86.c). [KVM 4.11-4.35]
 */
#include "kvm.h"

#include <assert.h>
#include <string.h>

#define CPUID_KVM_FEATURES 0x40000001u
#define CPUID_BRAND_FIRST  0x80000002u
#define CPUID_BRAND_LAST   0x80000004u
#define HYPERVISOR_BIT	   (1u << 31) /* 1.ECX */
#define VMX_BIT		   (1u << 5)  /* leaf 1, ECX */
#define SVM_BIT		   (1u << 2)  /* leaf 0x80000001, ECX */
#define TSC_DEADLINE_BIT   (1u << 24) /* leaf 1, ECX */
#define KVM_STEAL_TIME_BIT (1u << 5)
#define MSRS_MAX	   1024u
#define CHUNK		   32u

#ifndef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
#error "Linux 6.0 headers or newer are needed"
#endif

/* What the CPU itself says to this process. */
static void ask_cpu(struct vc__cpuid_leaf *leaf)
{
	__asm__("cpuid"
		: "=a"(leaf->eax), "=b"(leaf->ebx), "=c"(leaf->ecx), "=d"(leaf->edx)
		: "a"(leaf->function), "c"(0));
}

bool vc__kvm_cpu_has_hardware(void)
{
	struct vc__cpuid_leaf basic = { .function = 1 }, top = { .function = 0x80000000u };
	struct vc__cpuid_leaf extended = { .function = 0x80000001u };

	ask_cpu(&basic);
	ask_cpu(&top);
	if (top.eax >= extended.function)
		ask_cpu(&extended);
	return basic.ecx & VMX_BIT || extended.ecx & SVM_BIT;
}

/* A leaf as KVM offers it, and what KVM leaves to its user: the hypervisor bit, the CPU's name. */
static struct vc__cpuid_leaf offered_leaf(const struct kvm_cpuid_entry2 *e)
{
	struct vc__cpuid_leaf leaf = {
		.function = e->function,
		.index = e->index,
		.has_index = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = e->eax,
		.ebx = e->ebx,
		.ecx = e->ecx,
		.edx = e->edx,
	};

	if (leaf.function == 1)
		leaf.ecx |= HYPERVISOR_BIT;
	if (leaf.function >= CPUID_BRAND_FIRST && leaf.function <= CPUID_BRAND_LAST)
		ask_cpu(&leaf);
	return leaf;
}

static int load_cpuid(struct vc__kvm_host *kvm)
{
	size_t bytes =
		sizeof(struct kvm_cpuid2) + VC__CPUID_LEAVES_MAX * sizeof(struct kvm_cpuid_entry2);
	vc_auto_free struct kvm_cpuid2 *all = calloc(1, bytes);
	uint64_t late = 0;

	if (!all)
		return vc__no_memory("host", "a table of the host");
	all->nent = VC__CPUID_LEAVES_MAX;
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, all) < 0)
		return vc_error_set(-errno, "kvm", "host", "KVM_GET_SUPPORTED_CPUID: %s",
				    strerrordesc_np(errno));
	struct vc__cpuid_leaf *leaves = calloc(all->nent, sizeof(*leaves));
	if (!leaves)
		return vc__no_memory("host", "a table of the host");
	kvm->host.limits[VC_LIMIT_GPA_BITS] = 36;
	for (uint32_t i = 0; i < all->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &all->entries[i];

		leaves[i] = offered_leaf(e);
		if ((e->function == 1 && e->ecx & VMX_BIT) ||
		    (e->function == 0x80000001u && e->ecx & SVM_BIT))
			late |= 1ull << VC_CAP_NESTED;
		if (e->function == CPUID_KVM_FEATURES && e->eax & KVM_STEAL_TIME_BIT)
			late |= 1ull << VC_CAP_STEAL_TIME;
		if (e->function == 0x80000008u && e->eax & 0xff)
			kvm->host.limits[VC_LIMIT_GPA_BITS] = e->eax & 0xff;
	}
	if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE) <= 0)
		late &= ~(1ull << VC_CAP_NESTED);
	/* older kernels tell this by an extension only [KVM KVM_CAP_TSC_DEADLINE_TIMER] */
	for (uint32_t i = 0; i < all->nent; i++)
		if (leaves[i].function == 1 &&
		    ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			leaves[i].ecx |= TSC_DEADLINE_BIT;
	kvm->host.late_has = late;
	kvm->host.leaves = leaves;
	kvm->host.nr_leaves = all->nent;
	return 0;
}

static int load_msrs(struct vc__kvm_host *kvm)
{
	vc_auto_free struct kvm_msr_list *list = calloc(1, sizeof(*list) + MSRS_MAX * 4);

	if (!list)
		return vc__no_memory("host", "a table of the host");
	list->nmsrs = MSRS_MAX;
	if (ioctl(kvm->fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return vc_error_set(-errno, "kvm", "host", "KVM_GET_MSR_INDEX_LIST: %s",
				    strerrordesc_np(errno));
	uint32_t *msrs = calloc(list->nmsrs + 1u, sizeof(*msrs));
	if (!msrs)
		return vc__no_memory("host", "a table of the host");
	memcpy(msrs, list->indices, list->nmsrs * sizeof(*msrs));
	kvm->host.msrs = msrs;
	kvm->host.nr_msrs = list->nmsrs;
	return 0;
}

int vc__kvm_host_load(struct vc_host *host, enum vc__host_table table)
{
	switch (table) {
	case VC__TABLE_CPUID:
		return load_cpuid(vc__kvm_host(host));
	case VC__TABLE_MSRS:
		return load_msrs(vc__kvm_host(host));
	}
	return -EINVAL;
}

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

static int get_regs(int fd, struct vc_x86_regs *ret)
{
	struct kvm_regs r;

	if (ioctl(fd, KVM_GET_REGS, &r) < 0)
		return -errno;
	memcpy(ret, &r, sizeof(*ret));
	return 0;
}

static int set_regs(int fd, const struct vc_x86_regs *regs)
{
	struct kvm_regs r;

	memcpy(&r, regs, sizeof(r));
	return ioctl(fd, KVM_SET_REGS, &r) < 0 ? -errno : 0;
}

static struct vc_x86_segment from_kvm(const struct kvm_segment *s)
{
	return (struct vc_x86_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->type,
		.s = s->s,
		.dpl = s->dpl,
		.present = s->present,
		.avl = s->avl,
		.l = s->l,
		.db = s->db,
		.g = s->g,
		.unusable = s->unusable,
	};
}

static struct kvm_segment to_kvm(const struct vc_x86_segment *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->type,
		.s = s->s,
		.dpl = s->dpl,
		.present = s->present,
		.avl = s->avl,
		.l = s->l,
		.db = s->db,
		.g = s->g,
		.unusable = s->unusable,
	};
}

static int get_sregs(int fd, struct vc_x86_sregs *ret)
{
	struct kvm_sregs s;

	if (ioctl(fd, KVM_GET_SREGS, &s) < 0)
		return -errno;
	*ret = (struct vc_x86_sregs){
		.cs = from_kvm(&s.cs),
		.ds = from_kvm(&s.ds),
		.es = from_kvm(&s.es),
		.fs = from_kvm(&s.fs),
		.gs = from_kvm(&s.gs),
		.ss = from_kvm(&s.ss),
		.tr = from_kvm(&s.tr),
		.ldt = from_kvm(&s.ldt),
		.gdt = { .base = s.gdt.base, .limit = s.gdt.limit },
		.idt = { .base = s.idt.base, .limit = s.idt.limit },
		.cr0 = s.cr0,
		.cr2 = s.cr2,
		.cr3 = s.cr3,
		.cr4 = s.cr4,
		.cr8 = s.cr8,
		.efer = s.efer,
		.apic_base = s.apic_base,
	};
	return 0;
}

static int set_sregs(int fd, const struct vc_x86_sregs *sregs)
{
	struct kvm_sregs s = {
		.cs = to_kvm(&sregs->cs),
		.ds = to_kvm(&sregs->ds),
		.es = to_kvm(&sregs->es),
		.fs = to_kvm(&sregs->fs),
		.gs = to_kvm(&sregs->gs),
		.ss = to_kvm(&sregs->ss),
		.tr = to_kvm(&sregs->tr),
		.ldt = to_kvm(&sregs->ldt),
		.gdt = { .base = sregs->gdt.base, .limit = sregs->gdt.limit },
		.idt = { .base = sregs->idt.base, .limit = sregs->idt.limit },
		.cr0 = sregs->cr0,
		.cr2 = sregs->cr2,
		.cr3 = sregs->cr3,
		.cr4 = sregs->cr4,
		.cr8 = sregs->cr8,
		.efer = sregs->efer,
		.apic_base = sregs->apic_base,
	};

	return ioctl(fd, KVM_SET_SREGS, &s) < 0 ? -errno : 0;
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

static int get_xsave(const struct vc_vcpu *vcpu, int fd, void *buf, size_t len)
{
	size_t bytes = xsave_bytes(vcpu);
	bool is_long = vc__kvm_host(vcpu->partition->host)->has_xsave2;

	if (len < bytes)
		return (int)bytes;
	return ioctl(fd, is_long ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, buf) < 0 ? -errno : (int)bytes;
}

static int set_xsave(const struct vc_vcpu *vcpu, int fd, const void *buf, size_t len)
{
	size_t bytes = xsave_bytes(vcpu);

	if (len != bytes)
		return vc_error_set(-EINVAL, "kvm", vcpu->partition->name,
				    "XSAVE area of %zu bytes, this CPU's has %zu", len, bytes);
	return ioctl(fd, KVM_SET_XSAVE, buf) < 0 ? -errno : 0;
}

static int get_debug(int fd, struct vc__x86_debug *ret)
{
	struct kvm_debugregs d;

	if (ioctl(fd, KVM_GET_DEBUGREGS, &d) < 0)
		return -errno;
	memcpy(ret->dr, d.db, sizeof(ret->dr));
	ret->dr6 = d.dr6;
	ret->dr7 = d.dr7;
	return 0;
}

static int set_debug(int fd, const struct vc__x86_debug *debug)
{
	struct kvm_debugregs d = { .dr6 = debug->dr6, .dr7 = debug->dr7 };

	memcpy(d.db, debug->dr, sizeof(d.db));
	return ioctl(fd, KVM_SET_DEBUGREGS, &d) < 0 ? -errno : 0;
}

static int get_xcr0(int fd, uint64_t *ret)
{
	struct kvm_xcrs x;

	if (ioctl(fd, KVM_GET_XCRS, &x) < 0)
		return -errno;
	for (uint32_t i = 0; i < x.nr_xcrs && i < KVM_MAX_XCRS; i++) {
		if (x.xcrs[i].xcr != 0)
			continue;
		*ret = x.xcrs[i].value;
		return 0;
	}
	return -ENOTSUP;
}

static int set_xcr0(int fd, const uint64_t *xcr0)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0] = { .xcr = 0, .value = *xcr0 } };

	return ioctl(fd, KVM_SET_XCRS, &x) < 0 ? -errno : 0;
}

static int get_events(int fd, struct vc__x86_events *ret)
{
	struct kvm_vcpu_events e;

	if (ioctl(fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		return -errno;
	*ret = (struct vc__x86_events){
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

static int set_events(const struct vc__kvm_host *host, int fd, const struct vc__x86_events *ev)
{
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
	return ioctl(fd, KVM_SET_VCPU_EVENTS, &e) < 0 ? -errno : 0;
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

static int get_run_state(int fd, enum vc__run_state *ret)
{
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

static int set_run_state(int fd, enum vc__run_state run_state)
{
	struct kvm_mp_state state;

	if ((unsigned int)run_state >= VC__RUN_NR)
		return -EINVAL;
	state.mp_state = mp_states[run_state];
	return ioctl(fd, KVM_SET_MP_STATE, &state) < 0 ? -errno : 0;
}

static const struct {
	const char *name;
	size_t bytes;
} parts[] = {
	[VC__PART_REGS] = { "general registers", sizeof(struct vc_x86_regs) },
	[VC__PART_SREGS] = { "system registers", sizeof(struct vc_x86_sregs) },
	[VC__PART_XSAVE] = { "XSAVE area", 0 },
	[VC__PART_LAPIC] = { "LAPIC", VC_LAPIC_BYTES },
	[VC__PART_DEBUG] = { "debug registers", sizeof(struct vc__x86_debug) },
	[VC__PART_XCR0] = { "XCR0", sizeof(uint64_t) },
	[VC__PART_EVENTS] = { "events", sizeof(struct vc__x86_events) },
	[VC__PART_RUN_STATE] = { "run state", sizeof(enum vc__run_state) },
};

static_assert(sizeof(struct kvm_lapic_state) == VC_LAPIC_BYTES, "LAPIC page");

static int finish(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const char *verb, int r)
{
	if (r >= 0)
		return part == VC__PART_XSAVE ? r : (int)parts[part].bytes;
	return vc_error_set(r, "kvm", vcpu->partition->name, "vCPU %u: cannot %s the %s: %s",
			    vcpu->idx, verb, parts[part].name, strerrordesc_np(-r));
}

int vc__kvm_vcpu_get(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len)
{
	int fd = vc__kvm_vcpu(vcpu)->fd;
	int r = -EINVAL;

	if (len < parts[part].bytes)
		return (int)parts[part].bytes;
	switch (part) {
	case VC__PART_REGS:
		r = get_regs(fd, buf);
		break;
	case VC__PART_SREGS:
		r = get_sregs(fd, buf);
		break;
	case VC__PART_XSAVE:
		r = get_xsave(vcpu, fd, buf, len);
		break;
	case VC__PART_LAPIC:
		r = ioctl(fd, KVM_GET_LAPIC, buf) < 0 ? -errno : 0;
		break;
	case VC__PART_DEBUG:
		r = get_debug(fd, buf);
		break;
	case VC__PART_XCR0:
		r = get_xcr0(fd, buf);
		break;
	case VC__PART_EVENTS:
		r = get_events(fd, buf);
		break;
	case VC__PART_RUN_STATE:
		r = get_run_state(fd, buf);
		break;
	}
	return finish(vcpu, part, "read", r);
}

int vc__kvm_vcpu_set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len)
{
	int fd = vc__kvm_vcpu(vcpu)->fd;
	int r = -EINVAL;

	if (part != VC__PART_XSAVE && len != parts[part].bytes)
		return finish(vcpu, part, "write", -EINVAL);
	switch (part) {
	case VC__PART_REGS:
		r = set_regs(fd, buf);
		break;
	case VC__PART_SREGS:
		r = set_sregs(fd, buf);
		break;
	case VC__PART_XSAVE:
		r = set_xsave(vcpu, fd, buf, len);
		break;
	case VC__PART_LAPIC:
		r = ioctl(fd, KVM_SET_LAPIC, buf) < 0 ? -errno : 0;
		break;
	case VC__PART_DEBUG:
		r = set_debug(fd, buf);
		break;
	case VC__PART_XCR0:
		r = set_xcr0(fd, buf);
		break;
	case VC__PART_EVENTS:
		r = set_events(vc__kvm_host(vcpu->partition->host), fd, buf);
		break;
	case VC__PART_RUN_STATE:
		r = set_run_state(fd, *(const enum vc__run_state *)buf);
		break;
	}
	return finish(vcpu, part, "write", r);
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
