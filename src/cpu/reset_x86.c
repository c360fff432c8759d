/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architectural reset state of an x86 vCPU and the power-on state of the irqchip and the PIT,
 * written over whatever there is: how a guest is rebooted without making its VM anew. vCPU's thread,
 * or any while the vCPU does not run. Leaves out the TSC, which goes on as it does over INIT, and
 * memory. The FPU is put as FNINIT leaves it. [SDM 3A 10.1.1 table 10-1, 12.4.7] [82C54] [8259A]
 */
#include "backend.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#define APIC_BASE	  0xfee00000ull
#define APIC_BASE_BSP	  (1ull << 8)
#define APIC_BASE_ENABLED (1ull << 11)

/* Offsets in the LAPIC page. [SDM 3A 11.4.1 table 11-1] */
#define LAPIC_ID      0x20u
#define LAPIC_VERSION 0x30u
#define LAPIC_DFR     0xe0u
#define LAPIC_SVR     0xf0u
#define LAPIC_CMCI    0x2f0u
#define LAPIC_LVT     0x320u
#define NR_LVT	      6u

#define LVT_MASKED 0x10000u

/* MSRs that reset clears or sets; what a host's list lacks is passed over. */
static const struct vc__msr reset_msrs[] = {
	{ 0x3a, 0 },  /* FEATURE_CONTROL */
	{ 0x48, 0 },  /* SPEC_CTRL */
	{ 0x174, 0 }, /* SYSENTER_CS, ESP, EIP */
	{ 0x175, 0 },
	{ 0x176, 0 },
	{ 0x17a, 0 }, /* MCG_STATUS */
	{ 0x1a0, 1 }, /* MISC_ENABLE: fast strings */
	{ 0x1c4, 0 }, /* XFD, XFD_ERR */
	{ 0x1c5, 0 },
	{ 0x1d9, 0 },			  /* DEBUGCTL */
	{ 0x277, 0x0007040600070406ull }, /* PAT */
	{ 0x2ff, 0 },			  /* MTRRdefType: all off, uncached */
	{ 0x6e0, 0 },			  /* TSC_DEADLINE */
	{ 0xda0, 0 },			  /* XSS */
	{ 0xc0000081u, 0 },		  /* STAR, LSTAR, CSTAR, FMASK */
	{ 0xc0000082u, 0 },
	{ 0xc0000083u, 0 },
	{ 0xc0000084u, 0 },
	{ 0xc0000102u, 0 }, /* KERNEL_GS_BASE */
	{ 0xc0000103u, 0 }, /* TSC_AUX */
	{ 0x11, 0 },	    /* paravirtual clock, old numbers */
	{ 0x12, 0 },
	{ 0x4b564d00u, 0 }, /* paravirtual clock, asynchronous page faults, steal time, */
	{ 0x4b564d01u, 0 }, /* EOI, poll control */
	{ 0x4b564d02u, 0 },
	{ 0x4b564d03u, 0 },
	{ 0x4b564d04u, 0 },
	{ 0x4b564d05u, 1 },
	{ 0x4b564d06u, 0 },
};

static int set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len)
{
	int r = vcpu->partition->host->ops->vcpu_set(vcpu, part, buf, len);

	return r < 0 ? r : 0;
}

static int reset_regs(struct vc_vcpu *vcpu)
{
	const struct vc_x86_segment data = { .limit = 0xffff, .type = 3, .s = 1, .present = 1 };
	const struct vc_x86_table table = { .limit = 0xffff };
	bool has_lapic = vcpu->partition->irqchip != VC_IRQCHIP_NONE;
	struct vc_x86_regs regs = { .rip = 0xfff0, .rflags = 2, .rdx = 0x600 };
	struct vc_x86_sregs sregs = {
		.cs = { .base = 0xffff0000,
			.limit = 0xffff,
			.selector = 0xf000,
			.type = 11,
			.s = 1,
			.present = 1 },
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.tr = { .limit = 0xffff, .type = 11, .present = 1 },
		.ldt = { .limit = 0xffff, .type = 2, .present = 1 },
		.gdt = table,
		.idt = table,
		.cr0 = 0x60000010,
		.apic_base = APIC_BASE | (has_lapic ? APIC_BASE_ENABLED : 0) |
			     (vcpu->idx == 0 ? APIC_BASE_BSP : 0),
	};

	int r = set(vcpu, VC__PART_SREGS, &sregs, sizeof(sregs));
	return r < 0 ? r : set(vcpu, VC__PART_REGS, &regs, sizeof(regs));
}

static int reset_fpu(struct vc_vcpu *vcpu)
{
	const struct vc__backend_ops *ops = vcpu->partition->host->ops;
	const uint64_t xcr0 = 1;
	const uint16_t fcw = 0x37f;
	const uint32_t mxcsr = 0x1f80;

	int len = ops->vcpu_get(vcpu, VC__PART_XSAVE, NULL, 0);
	if (len < 576)
		return len < 0 ? len : -EINVAL;
	vc_auto_free uint8_t *area = calloc(1, (size_t)len);
	if (!area)
		return vc__no_memory(vcpu->partition->name, "an XSAVE area");
	/* XSTATE_BV 3: x87 and SSE as written here, all others in their initial state */
	memcpy(area, &fcw, sizeof(fcw));
	memcpy(area + 24, &mxcsr, sizeof(mxcsr));
	area[512] = 3;
	int r = set(vcpu, VC__PART_XCR0, &xcr0, sizeof(xcr0));
	if (r < 0 && r != -ENOTSUP)
		return r;
	return set(vcpu, VC__PART_XSAVE, area, (size_t)len);
}

static bool is_listed(const struct vc_host *host, uint32_t msr)
{
	for (size_t i = 0; i < host->nr_msrs; i++) {
		if (host->msrs[i] == msr)
			return true;
	}
	return false;
}

/* One by one: a model without the feature refuses its MSR, which then has nothing to reset. */
static int reset_msr_list(struct vc_vcpu *vcpu)
{
	struct vc_host *host = vcpu->partition->host;
	int r = vc__host_load(host, VC__TABLE_MSRS);

	for (size_t i = 0; r >= 0 && i < sizeof(reset_msrs) / sizeof(reset_msrs[0]); i++) {
		struct vc__msr msr = reset_msrs[i];

		if (is_listed(host, msr.index))
			r = host->ops->vcpu_msrs(vcpu, &msr, 1, true);
	}
	return r < 0 ? r : 0;
}

static void put_u32(uint8_t *page, uint32_t off, uint32_t value)
{
	memcpy(page + off, &value, sizeof(value));
}

static int reset_lapic(struct vc_vcpu *vcpu)
{
	uint8_t page[VC_LAPIC_BYTES];
	uint32_t version;

	if (vcpu->partition->irqchip == VC_IRQCHIP_NONE)
		return 0;
	int r = vcpu->partition->host->ops->vcpu_get(vcpu, VC__PART_LAPIC, page, sizeof(page));
	if (r < 0)
		return r;
	memcpy(&version, page + LAPIC_VERSION, sizeof(version));
	memset(page, 0, sizeof(page));
	put_u32(page, LAPIC_VERSION, version);
	put_u32(page, LAPIC_ID, vcpu->apic_id << 24);
	put_u32(page, LAPIC_DFR, 0xffffffffu);
	put_u32(page, LAPIC_SVR, 0xff);
	/* the seventh entry of the vector table is there when the version says so */
	if ((version >> 16 & 0xff) >= NR_LVT)
		put_u32(page, LAPIC_CMCI, LVT_MASKED);
	for (uint32_t i = 0; i < NR_LVT; i++)
		put_u32(page, LAPIC_LVT + 16 * i, LVT_MASKED);
	return set(vcpu, VC__PART_LAPIC, page, sizeof(page));
}

int vc__vcpu_reset_x86(struct vc_vcpu *vcpu)
{
	const struct vc__x86_debug debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	const struct vc__x86_events events = { 0 };
	bool waits = vcpu->idx != 0 && vcpu->partition->irqchip != VC_IRQCHIP_NONE;
	enum vc__run_state run_state = waits ? VC__RUN_UNINITIALIZED : VC__RUN_RUNNABLE;
	int r;

	if ((r = reset_regs(vcpu)) < 0 || (r = reset_fpu(vcpu)) < 0 ||
	    (r = set(vcpu, VC__PART_DEBUG, &debug, sizeof(debug))) < 0 ||
	    (r = reset_msr_list(vcpu)) < 0 || (r = reset_lapic(vcpu)) < 0 ||
	    (r = set(vcpu, VC__PART_EVENTS, &events, sizeof(events))) < 0)
		return r;
	return set(vcpu, VC__PART_RUN_STATE, &run_state, sizeof(run_state));
}

static int reset_irqchip(struct vc_partition *partition)
{
	struct vc__x86_pic pics[2] = { { .elcr_mask = 0xf8 }, { .elcr_mask = 0xde } };
	struct vc__x86_ioapic ioapic = { .base = 0xfec00000 };
	const struct vc__backend_ops *ops = partition->host->ops;

	for (uint32_t i = 0; i < VC__IOAPIC_PINS; i++)
		ioapic.redirection[i] = 1ull << 16; /* masked */
	int r = ops->partition_state(partition, VC__PART_PIC, pics, true);
	return r < 0 ? r : ops->partition_state(partition, VC__PART_IOAPIC, &ioapic, true);
}

static int reset_pit(struct vc_partition *partition)
{
	struct vc__x86_pit pit = { 0 };

	/* no mode programmed: nothing counts; the gate of the speaker's channel is down */
	for (uint32_t i = 0; i < 3; i++) {
		pit.channel[i].mode = 0xff;
		pit.channel[i].count = 0x10000;
		pit.channel[i].gate = i != 2;
	}
	return partition->host->ops->partition_state(partition, VC__PART_PIT, &pit, true);
}

int vc__partition_reset_x86(struct vc_partition *partition)
{
	int r = 0;

	if (partition->irqchip == VC_IRQCHIP_KERNEL)
		r = reset_irqchip(partition);
	if (r == 0 && partition->has_pit)
		r = reset_pit(partition);
	return r;
}
