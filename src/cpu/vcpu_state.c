/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rest of a vCPU's state, as the public functions give it out: FPU, LAPIC, save, load, reset,
 * counters. vCPU's thread, or any while the vCPU does not run (counters: any time). Leaves out what
 * a saved vCPU consists of and in which order it is put back (state_x86.c), and what stopped one
 * (fault.c).
 */
#include "backend.h"

#include <libvirtcore/implement.h>

#include <errno.h>

/* Tries before a repeated access is given up that goes on although its count was set to one. */
#define COMPLETIONS_MAX 8u

static int check_idle(const struct vc_vcpu *vcpu, const void *arg)
{
	if (!vcpu || !arg)
		return vc_error_set(-EINVAL, "cpu", "vcpu", "an argument that is needed is NULL");
	if (!vc__vcpu_is_idle(vcpu))
		return vc_error_set(-EBUSY, "cpu", vcpu->partition->name, "vCPU %u is running",
				    vcpu->idx);
	return 0;
}

static int check_lapic(const struct vc_vcpu *vcpu, const void *page)
{
	int r = check_idle(vcpu, page);

	if (r == 0 && vcpu->partition->irqchip == VC_IRQCHIP_NONE)
		return vc_error_set(-EINVAL, "cpu", vcpu->partition->name,
				    "a partition without irqchip has no LAPICs");
	return r;
}

int vc_vcpu_get_xsave(struct vc_vcpu *vcpu, void *buf, size_t len)
{
	int r = check_idle(vcpu, vcpu);

	if (r < 0)
		return r;
	if (!buf && len)
		return vc_error_set(-EINVAL, "cpu", vcpu->partition->name, "no buffer given");
	return vcpu->partition->host->ops->vcpu_get(vcpu, VC__PART_XSAVE, buf, len);
}

int vc_vcpu_set_xsave(struct vc_vcpu *vcpu, const void *buf, size_t len)
{
	int r = check_idle(vcpu, buf);

	if (r < 0)
		return r;
	r = vcpu->partition->host->ops->vcpu_set(vcpu, VC__PART_XSAVE, buf, len);
	return r < 0 ? r : 0;
}

int vc_vcpu_get_lapic(struct vc_vcpu *vcpu, void *ret_page)
{
	int r = check_lapic(vcpu, ret_page);

	if (r < 0)
		return r;
	r = vcpu->partition->host->ops->vcpu_get(vcpu, VC__PART_LAPIC, ret_page, VC_LAPIC_BYTES);
	return r < 0 ? r : 0;
}

int vc_vcpu_set_lapic(struct vc_vcpu *vcpu, const void *page)
{
	int r = check_lapic(vcpu, page);

	if (r < 0)
		return r;
	r = vcpu->partition->host->ops->vcpu_set(vcpu, VC__PART_LAPIC, page, VC_LAPIC_BYTES);
	return r < 0 ? r : 0;
}

static int check_state(const struct vc_vcpu *vcpu, const void *stream)
{
	int r = check_idle(vcpu, stream);

	if (r == 0 && !vc_host_has(vcpu->partition->host, VC_CAP_STATE))
		return vc_error_set(-ENOTSUP, "cpu", vcpu->partition->name,
				    "the hypervisor cannot give out or take in state");
	return r;
}

int vc_vcpu_save(struct vc_vcpu *vcpu, struct vc_state_writer *writer)
{
	int r = check_state(vcpu, writer);

	if (r < 0)
		return r;
	r = vc_vcpu_complete(vcpu);
	if (r < 0)
		return r;
	if (r > 0)
		return vc_error_set(-EAGAIN, "cpu", vcpu->partition->name,
				    "vCPU %u: its access has a further part; run it, then save",
				    vcpu->idx);
	return vc__vcpu_save_x86(vcpu, writer);
}

/* Whatever the vCPU was about to do is dropped. */
static int abandon_access(struct vc_vcpu *vcpu)
{
	struct vc_x86_regs regs;
	int r;

	for (uint32_t i = 0; (r = vc_vcpu_complete(vcpu)) > 0; i++) {
		if (i == COMPLETIONS_MAX)
			return vc_error_set(-EIO, "cpu", vcpu->partition->name,
					    "vCPU %u: its access does not end", vcpu->idx);
		/*
		 * A repeated instruction ends when its count does. Not 0 but 1: the item whose
		 * answer is there is to be used up, else it would serve the next access.
		 */
		r = vc_vcpu_get_regs(vcpu, &regs, NULL);
		if (r < 0)
			return r;
		regs.rcx = 1;
		r = vc_vcpu_set_regs(vcpu, &regs, NULL);
		if (r < 0)
			return r;
		vcpu->has_exit = false;
	}
	return r;
}

int vc_vcpu_load(struct vc_vcpu *vcpu, struct vc_state_reader *reader)
{
	int r = check_state(vcpu, reader);

	if (r < 0 || (r = abandon_access(vcpu)) < 0)
		return r;
	return vc__vcpu_load_x86(vcpu, reader);
}

int vc_vcpu_reset(struct vc_vcpu *vcpu)
{
	int r = check_state(vcpu, vcpu);

	if (r < 0 || (r = abandon_access(vcpu)) < 0)
		return r;
	return vc__vcpu_reset_x86(vcpu);
}

/* What the struct had in its first version. */
#define STATS_FIRST_BYTES (offsetof(struct vc_vcpu_stats, guest_ns) + sizeof(uint64_t))

int vc_vcpu_get_stats(const struct vc_vcpu *vcpu, struct vc_vcpu_stats *ret_stats)
{
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };

	if (!vcpu || !ret_stats)
		return vc_error_set(-EINVAL, "cpu", "vcpu", "an argument that is needed is NULL");
	for (uint32_t i = 0; i < VC_EXIT_NR; i++)
		stats.nr_exits[i] = atomic_load_explicit(&vcpu->nr_exits[i], memory_order_relaxed);
	stats.nr_kicks = atomic_load_explicit(&vcpu->nr_kicks, memory_order_relaxed);
	stats.nr_signals = atomic_load_explicit(&vcpu->nr_signals, memory_order_relaxed);
	stats.guest_ns = atomic_load_explicit(&vcpu->guest_ns, memory_order_relaxed);
	return vc_result_fill(ret_stats, STATS_FIRST_BYTES, &stats, sizeof(stats));
}
