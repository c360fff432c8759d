/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vc_vcpu: who runs it, how it is kicked, what it exited with. Runs on the vCPU's own thread but for
 * vc_vcpu_kick() (any thread, lock-free) and what says otherwise in the header. A kick is a flag
 * that each run looks at before it enters the guest, and a wake of the back end when a run is in
 * progress; together no kick can fall between the two. Leaves out how the guest is entered and woken
 * (kvm_vcpu.c) and what an exit means (the layers above).
 */
#include "backend.h"

#include <libvirtcore/implement.h>

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <time.h>

static_assert(VC_EXIT_NR <= VC_EXIT_MAX, "counters hold every kind of exit");

static const char *const exit_names[VC_EXIT_NR] = {
	[VC_EXIT_PIO] = "pio",
	[VC_EXIT_MMIO] = "mmio",
	[VC_EXIT_HALT] = "halt",
	[VC_EXIT_INTERRUPTED] = "interrupted",
	[VC_EXIT_SHUTDOWN] = "triple fault",
	[VC_EXIT_RESET] = "reset",
	[VC_EXIT_POWER_OFF] = "power-off",
	[VC_EXIT_CRASH] = "crash",
	[VC_EXIT_IOAPIC_EOI] = "ioapic-eoi",
	[VC_EXIT_MSR] = "msr",
	[VC_EXIT_HYPERCALL] = "hypercall",
	[VC_EXIT_DEBUG] = "debug",
	[VC_EXIT_DIRTY_FULL] = "dirty ring full",
	[VC_EXIT_MEMORY_FAULT] = "memory fault",
	[VC_EXIT_FAIL_ENTRY] = "entry failure",
	[VC_EXIT_INTERNAL_ERROR] = "internal error",
	[VC_EXIT_UNKNOWN] = "unknown",
};

const char *vc_exit_name(enum vc_exit_kind kind)
{
	return (unsigned int)kind < VC_EXIT_NR ? exit_names[kind] : "?";
}

/* Counters have one writer, so that a plain add does; readers take any value of the moment. */
static void count(_Atomic uint64_t *counter, uint64_t more)
{
	uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, was + more, memory_order_relaxed);
}

static bool is_mine(const struct vc_vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->owner, memory_order_relaxed) == pthread_self();
}

bool vc__vcpu_is_idle(const struct vc_vcpu *vcpu)
{
	/* acquire: pairs with the end of a run; what the run left behind is seen */
	return !(atomic_load_explicit(&vcpu->state, memory_order_acquire) & VC__VCPU_IN_RUN);
}

/* The checks that all functions on a vCPU that must stand still have in common. */
static int check_idle(const struct vc_vcpu *vcpu)
{
	if (!vcpu)
		return vc_error_set(-EINVAL, "cpu", "vcpu", "no vCPU given");
	if (!vc__vcpu_is_idle(vcpu))
		return vc_error_set(-EBUSY, "cpu", vcpu->partition->name, "vCPU %u is running",
				    vcpu->idx);
	return 0;
}

static int check_new(struct vc_partition *partition, const struct vc_vcpu_config *cfg,
		     uint32_t apic_id)
{
	uint64_t max_id = vc_host_limit(partition->host, VC_LIMIT_VCPU_ID);

	if (cfg->idx >= partition->max_vcpus)
		return vc_error_set(-ERANGE, "cpu", partition->name,
				    "vCPU %u, the partition was made for %u", cfg->idx,
				    partition->max_vcpus);
	if (apic_id >= max_id)
		return vc_error_set(-ERANGE, "cpu", partition->name,
				    "vCPU %u has APIC id %u, ids go up to %llu", cfg->idx, apic_id,
				    (unsigned long long)max_id - 1);
	if (apic_id > 254 && partition->irqchip != VC_IRQCHIP_NONE &&
	    !vc_host_has(partition->host, VC_CAP_X2APIC_IDS))
		return vc_error_set(-ERANGE, "cpu", partition->name,
				    "vCPU %u has APIC id %u, ids go up to 254 without %s", cfg->idx,
				    apic_id, vc__cap_name(VC_CAP_X2APIC_IDS));
	for (const struct vc_vcpu *vcpu = partition->vcpus; vcpu; vcpu = vcpu->next) {
		if (vcpu->idx == cfg->idx || vcpu->apic_id == apic_id)
			return vc_error_set(-EEXIST, "cpu", partition->name,
					    "vCPU %u or APIC id %u is there already", cfg->idx,
					    apic_id);
	}
	return 0;
}

/* The CPUID table of the new vCPU, to be freed by the caller; none without a model. */
static int get_leaves(const struct vc_partition *partition, const struct vc_vcpu_config *cfg,
		      struct vc__cpuid_leaf **ret_leaves)
{
	if (!cfg->model)
		return 0;
	vc_auto_free struct vc__cpuid_leaf *leaves = malloc(VC__CPUID_LEAVES_MAX * sizeof(*leaves));
	if (!leaves)
		return vc__no_memory(partition->name, "a vCPU");
	int nr = vc__cpu_model_cpuid(cfg->model, cfg->idx, leaves, VC__CPUID_LEAVES_MAX);
	if (nr < 0)
		return nr;
	if (partition->irqchip == VC_IRQCHIP_NONE)
		vc__cpuid_drop_lapic(cfg->model, leaves, (size_t)nr);
	*ret_leaves = vc_take(leaves);
	return nr;
}

int vc_vcpu_create(struct vc_partition *partition, const struct vc_vcpu_config *user_cfg,
		   struct vc_vcpu **ret_vcpu)
{
	struct vc_vcpu_config cfg;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (!partition || !ret_vcpu)
		return vc_error_set(-EINVAL, "cpu", "vcpu",
				    "no partition or no place for the vCPU");
	uint32_t apic_id = cfg.idx;
	if (cfg.model && (r = vc_cpu_model_apic_id(cfg.model, cfg.idx, &apic_id)) < 0)
		return r;
	if ((r = check_new(partition, &cfg, apic_id)) < 0)
		return r;
	vc_auto_free struct vc__cpuid_leaf *leaves = NULL;
	int nr_leaves = get_leaves(partition, &cfg, &leaves);
	if (nr_leaves < 0)
		return nr_leaves;

	struct vc_vcpu *vcpu = calloc(1, partition->host->ops->vcpu_bytes);
	if (!vcpu)
		return vc__no_memory(partition->name, "a vCPU");
	vcpu->partition = partition;
	vcpu->ops = partition->host->ops;
	vcpu->has_times = partition->has_times;
	vcpu->idx = cfg.idx;
	vcpu->apic_id = apic_id;
	vcpu->next = partition->vcpus;
	partition->vcpus = vcpu;
	partition->nr_vcpus++;
	r = partition->host->ops->vcpu_create(vcpu, leaves, (size_t)nr_leaves);
	if (r < 0) {
		vc_vcpu_destroy(vcpu);
		return r;
	}
	*ret_vcpu = vcpu;
	return 0;
}

void vc_vcpu_destroy(struct vc_vcpu *vcpu)
{
	if (!vcpu)
		return;
	vc_assert(!atomic_load(&vcpu->owner));
	struct vc_partition *partition = vcpu->partition;
	struct vc_vcpu **at = &partition->vcpus;

	while (*at != vcpu)
		at = &(*at)->next;
	*at = vcpu->next;
	partition->nr_vcpus--;
	partition->host->ops->vcpu_destroy(vcpu);
	free(vcpu);
}

int vc_vcpu_attach(struct vc_vcpu *vcpu)
{
	pthread_t nobody = 0;

	if (!vcpu)
		return vc_error_set(-EINVAL, "cpu", "vcpu", "no vCPU given");
	if (!atomic_compare_exchange_strong(&vcpu->owner, &nobody, pthread_self()))
		return vc_error_set(-EBUSY, "cpu", vcpu->partition->name,
				    "vCPU %u is attached to a thread", vcpu->idx);
	int r = vcpu->partition->host->ops->vcpu_bind(vcpu, true);
	if (r < 0)
		atomic_store(&vcpu->owner, 0);
	return r < 0 ? r : 0;
}

int vc_vcpu_detach(struct vc_vcpu *vcpu)
{
	if (!vcpu || !is_mine(vcpu))
		return vc_error_set(-EINVAL, "cpu", vcpu ? vcpu->partition->name : "vcpu",
				    "the vCPU is not attached to this thread");
	/*
	 * A kicker that saw the last run in progress may be about to wake this thread: after this
	 * loop none is left that could send to a thread that has gone on to other things.
	 */
	while (atomic_load(&vcpu->state) >= VC__VCPU_KICKER)
		sched_yield();
	int r = vcpu->partition->host->ops->vcpu_bind(vcpu, false);
	atomic_store(&vcpu->owner, 0);
	return r < 0 ? r : 0;
}

int vc_vcpu_kick(struct vc_vcpu *vcpu)
{
	if (!vcpu)
		return vc_error_set(-EINVAL, "cpu", "vcpu", "no vCPU given");
	atomic_fetch_add_explicit(&vcpu->nr_kicks, 1, memory_order_relaxed);
	/* kicked before and not yet answered: who did that sees to it that the run ends */
	if (atomic_exchange(&vcpu->is_kicked, true))
		return 0;
	/*
	 * Flag first, then a look at the state; enter() does it the other way round. All four are
	 * sequentially consistent: either the run sees the flag, or we see the run.
	 */
	if (atomic_fetch_add(&vcpu->state, VC__VCPU_KICKER) & VC__VCPU_IN_RUN) {
		atomic_fetch_add_explicit(&vcpu->nr_signals, 1, memory_order_relaxed);
		vcpu->partition->host->ops->vcpu_wake(vcpu);
	}
	atomic_fetch_sub(&vcpu->state, VC__VCPU_KICKER);
	return 0;
}

static bool needs_completion(enum vc_exit_kind kind)
{
	return kind == VC_EXIT_PIO || kind == VC_EXIT_MMIO || kind == VC_EXIT_MSR ||
	       kind == VC_EXIT_HYPERCALL;
}

/* One entry: 0 with vcpu->exit filled, -EINTR with all accesses complete, or another -errno. */
static inline int enter(struct vc_vcpu *vcpu, bool is_immediate)
{
	atomic_fetch_or(&vcpu->state, VC__VCPU_IN_RUN);
	/* pairs with vc_vcpu_kick() */
	bool is_kicked = atomic_load(&vcpu->is_kicked);
	int r = vcpu->ops->vcpu_run(vcpu, is_immediate || is_kicked);
	/* release: pairs with vc__vcpu_is_idle() */
	atomic_fetch_and(&vcpu->state, ~VC__VCPU_IN_RUN);
	vcpu->is_pending = r == 0;
	return r;
}

/* Out of line: its clock structs would cost every run a larger frame. */
static __attribute__((noinline)) int enter_timed(struct vc_vcpu *vcpu)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	int r = enter(vcpu, false);
	clock_gettime(CLOCK_MONOTONIC, &to);
	count(&vcpu->guest_ns,
	      (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec));
	return r;
}

static __attribute__((cold, noinline)) int refuse_run(const struct vc_vcpu *vcpu)
{
	return vc_error_set(-EINVAL, "cpu", vcpu ? vcpu->partition->name : "vcpu",
			    "no vCPU, no place for the exit, or attached elsewhere");
}

static __attribute__((cold, noinline)) void note_interrupted(struct vc_vcpu *vcpu)
{
	/* an exchange: what a kicker wrote before its kick is seen; later ones count anew */
	(void)atomic_exchange(&vcpu->is_kicked, false);
	vcpu->exit = (struct vc_exit){ .kind = VC_EXIT_INTERRUPTED, .count = 1 };
}

int vc_vcpu_run(struct vc_vcpu *vcpu, struct vc_exit **ret_exit)
{
	int r = 0;

	if (!vcpu || !ret_exit || !is_mine(vcpu))
		return refuse_run(vcpu);
	if (vcpu->has_exit)
		vcpu->has_exit = false;
	else
		r = vcpu->has_times ? enter_timed(vcpu) : enter(vcpu, false);
	if (r < 0) {
		if (r != -EINTR)
			return r;
		note_interrupted(vcpu);
	}
	count(&vcpu->nr_exits[vcpu->exit.kind], 1);
	*ret_exit = &vcpu->exit;
	return 0;
}

int vc_vcpu_complete(struct vc_vcpu *vcpu)
{
	int r = check_idle(vcpu);

	if (r < 0)
		return r;
	if (vcpu->has_exit)
		return 1;
	if (!vcpu->is_pending || !needs_completion(vcpu->exit.kind))
		return 0;
	pthread_t owner = atomic_load_explicit(&vcpu->owner, memory_order_relaxed);
	if (owner && owner != pthread_self())
		return vc_error_set(-EINVAL, "cpu", vcpu->partition->name,
				    "vCPU %u is attached to another thread", vcpu->idx);
	r = enter(vcpu, true);
	if (r == -EINTR)
		return 0;
	if (r < 0)
		return r;
	vcpu->has_exit = true;
	return 1;
}

int vc_vcpu_get_regs(struct vc_vcpu *vcpu, struct vc_x86_regs *ret_regs,
		     struct vc_x86_sregs *ret_sregs)
{
	int r = check_idle(vcpu);

	if (r < 0)
		return r;
	const struct vc__backend_ops *ops = vcpu->partition->host->ops;
	if (ret_regs && (r = ops->vcpu_get(vcpu, VC__PART_REGS, ret_regs, sizeof(*ret_regs))) < 0)
		return r;
	if (ret_sregs)
		r = ops->vcpu_get(vcpu, VC__PART_SREGS, ret_sregs, sizeof(*ret_sregs));
	return r < 0 ? r : 0;
}

int vc_vcpu_set_regs(struct vc_vcpu *vcpu, const struct vc_x86_regs *regs,
		     const struct vc_x86_sregs *sregs)
{
	int r = check_idle(vcpu);

	if (r < 0)
		return r;
	const struct vc__backend_ops *ops = vcpu->partition->host->ops;
	/* the mode first: general registers are checked against it by no hypervisor */
	if (sregs && (r = ops->vcpu_set(vcpu, VC__PART_SREGS, sregs, sizeof(*sregs))) < 0)
		return r;
	if (regs)
		r = ops->vcpu_set(vcpu, VC__PART_REGS, regs, sizeof(*regs));
	return r < 0 ? r : 0;
}

int vc_vcpu_get_msr(struct vc_vcpu *vcpu, uint32_t msr, uint64_t *ret_value)
{
	struct vc__msr one = { .index = msr };
	int r = check_idle(vcpu);

	if (r < 0)
		return r;
	if (!ret_value)
		return vc_error_set(-EINVAL, "cpu", vcpu->partition->name,
				    "no place for the value");
	r = vcpu->partition->host->ops->vcpu_msrs(vcpu, &one, 1, false);
	if (r < 0)
		return r;
	if (r == 0)
		return vc_error_set(-ENOENT, "cpu", vcpu->partition->name, "no MSR %#x", msr);
	*ret_value = one.value;
	return 0;
}

int vc_vcpu_set_msr(struct vc_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vc__msr one = { .index = msr, .value = value };
	int r = check_idle(vcpu);

	if (r < 0)
		return r;
	r = vcpu->partition->host->ops->vcpu_msrs(vcpu, &one, 1, true);
	if (r < 0)
		return r;
	if (r == 0)
		return vc_error_set(-ENOENT, "cpu", vcpu->partition->name,
				    "no MSR %#x, or it does not take %#llx", msr,
				    (unsigned long long)value);
	return 0;
}
