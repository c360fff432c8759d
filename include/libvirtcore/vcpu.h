/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU: created on a partition, attached to one thread, run there until it exits; kicked from any
 * thread. One struct describes every exit, whatever the hypervisor.
 */
#ifndef LIBVIRTCORE_VCPU_H
#define LIBVIRTCORE_VCPU_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_cpu_model;
struct vc_partition;
struct vc_state_reader;
struct vc_state_writer;
struct vc_vcpu;

enum vc_exit_kind {
	VC_EXIT_PIO = 0,	/* addr = port, count items of size bytes at data */
	VC_EXIT_MMIO,		/* addr = guest-physical address, size bytes at data */
	VC_EXIT_HALT,		/* HLT without an irqchip */
	VC_EXIT_INTERRUPTED,	/* kicked, or spurious: nothing happened in the guest */
	VC_EXIT_SHUTDOWN,	/* triple fault */
	VC_EXIT_RESET,		/* the hypervisor says: guest asked for a reset */
	VC_EXIT_POWER_OFF,	/* the hypervisor says: guest asked for power-off */
	VC_EXIT_CRASH,		/* the hypervisor says: guest panicked */
	VC_EXIT_IOAPIC_EOI,	/* addr = vector; split irqchip */
	VC_EXIT_MSR,		/* addr = MSR, 8 bytes at data; `refuse` = 1 gives the guest #GP */
	VC_EXIT_HYPERCALL,	/* addr = number, data = 6 u64 arguments; answer into [0] */
	VC_EXIT_DEBUG,		/* guest debugging stopped it; addr = RIP */
	VC_EXIT_DIRTY_FULL,	/* dirty ring was full; it went into the log: run again */
	VC_EXIT_MEMORY_FAULT,	/* host memory behind addr cannot be had */
	VC_EXIT_FAIL_ENTRY,	/* the CPU refused the guest state; code = hardware reason */
	VC_EXIT_INTERNAL_ERROR, /* emulation failure and the like; code = the hypervisor's */
	VC_EXIT_UNKNOWN,	/* code = the hypervisor's number */
	VC_EXIT_NR,
};

#define VC_EXIT_MAX 32 /* more kinds than there will be: counters are arrays of this length */

/* One exit. `data` points into the hypervisor's page: writing it completes a read at next run. */
struct vc_exit {
	enum vc_exit_kind kind;
	uint8_t size;	 /* bytes per item: 1, 2, 4 or 8 */
	bool is_write;	 /* guest to device */
	uint8_t *refuse; /* MSR: set *refuse to 1 to inject #GP; else NULL */
	uint32_t count;	 /* PIO: items (string instructions), else 1 */
	uint64_t addr;
	void *data;    /* count * size bytes, or NULL */
	uint64_t code; /* for errors */
};

struct vc_vcpu_config {
	size_t size;			  /* sizeof(struct vc_vcpu_config) */
	uint32_t idx;			  /* 0, 1, ...; each once */
	const struct vc_cpu_model *model; /* gives CPUID and APIC id; NULL = no CPUID, id = idx */
};

struct vc_vcpu_stats {
	size_t size;			/* sizeof(struct vc_vcpu_stats), set by the caller */
	uint64_t nr_exits[VC_EXIT_MAX]; /* by enum vc_exit_kind */
	uint64_t nr_kicks;		/* vc_vcpu_kick() calls */
	uint64_t nr_signals;		/* of these, how many needed a signal */
	uint64_t guest_ns;		/* inside run, with vc_partition_config.has_times */
};

/**
 * vc_vcpu_create() - make a vCPU in its architectural reset state.
 * @partition: borrowed until destroy.
 * @cfg: copied.
 * @ret_vcpu: the vCPU, owned by the caller; untouched on failure.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -EINVAL (fields), -E2BIG, -EEXIST (idx used), -ERANGE (beyond max_vcpus or the
 *          hypervisor's ids), -ENOMEM, or what the hypervisor answered.
 * Spec: [KVM KVM_CREATE_VCPU] [KVM KVM_SET_CPUID2]   Since: 0.1
 */
VC_API int vc_vcpu_create(struct vc_partition *partition, const struct vc_vcpu_config *cfg,
			  struct vc_vcpu **ret_vcpu);

/**
 * vc_vcpu_destroy() - free a vCPU.
 * @vcpu: may be NULL; detached.
 * Context: control thread; may block in the kernel.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_vcpu_destroy(struct vc_vcpu *vcpu);

/**
 * vc_vcpu_attach() - make the calling thread the one that runs the vCPU; blocks its kick signal
 * there.
 * @vcpu: not attached.
 * Context: the vCPU's thread from here on; does not block. A thread that several vCPUs are attached
 *          to detaches them in reverse order.
 * Returns: 0, or -EINVAL (NULL), -EBUSY (attached), or what the hypervisor answered.
 * Spec: [KVM KVM_SET_SIGNAL_MASK]   Since: 0.1
 */
VC_API int vc_vcpu_attach(struct vc_vcpu *vcpu);

/**
 * vc_vcpu_detach() - let another thread attach; consumes leftover kicks, restores the signal mask.
 * @vcpu: attached to the calling thread.
 * Context: vcpu thread; does not block.
 * Returns: 0, or -EINVAL (not attached to this thread).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vcpu_detach(struct vc_vcpu *vcpu);

/**
 * vc_vcpu_run() - enter the guest until something has to be done.
 * @vcpu: attached to the calling thread.
 * @ret_exit: the exit, owned by the vCPU, valid until its next run; untouched on failure.
 * Context: vcpu thread; blocks for as long as the guest runs.
 * Returns: 0, or -EINVAL (not attached here), or what the hypervisor answered. A kick is exit
 *          VC_EXIT_INTERRUPTED, never an error.
 * Spec: [KVM KVM_RUN]   Since: 0.1
 */
VC_API int vc_vcpu_run(struct vc_vcpu *vcpu, struct vc_exit **ret_exit);

/**
 * vc_vcpu_kick() - make the present or the next run return with VC_EXIT_INTERRUPTED.
 * @vcpu: the vCPU.
 * Context: any thread; does not block; lock-free. Kicks coalesce, none is lost.
 * Returns: 0, or -EINVAL (NULL).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vcpu_kick(struct vc_vcpu *vcpu);

/**
 * vc_vcpu_complete() - finish the access of the last exit without running guest code, so that
 * registers and state are whole.
 * @vcpu: attached to the calling thread, or to none.
 * Context: vcpu thread; does not block.
 * Returns: 0, or 1 (the access has a further part: the next vc_vcpu_run() returns its exit without
 *          entering the guest; handle it, then complete again), -EINVAL (attached elsewhere), -EBUSY
 *          (running), or what the hypervisor answered. After VC_EXIT_INTERRUPTED nothing is pending.
 * Spec: [KVM immediate_exit]   Since: 0.1
 */
VC_API int vc_vcpu_complete(struct vc_vcpu *vcpu);

/**
 * vc_vcpu_reset() - bring a vCPU back to its architectural reset state.
 * @vcpu: not running. The first vCPU is then runnable, others wait for INIT and start-up IPIs.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -EINVAL, -EBUSY (running), -ENOTSUP, or what the hypervisor answered.
 * Spec: [SDM 3A 10.1.1]   Since: 0.1
 */
VC_API int vc_vcpu_reset(struct vc_vcpu *vcpu);

/**
 * vc_vcpu_get_regs() - read general and system registers.
 * @vcpu: not running.
 * @ret_regs: filled; may be NULL.
 * @ret_sregs: filled; may be NULL.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -EINVAL, -EBUSY (running), or what the hypervisor answered.
 * Spec: [KVM KVM_GET_REGS] [KVM KVM_GET_SREGS]   Since: 0.1
 */
VC_API int vc_vcpu_get_regs(struct vc_vcpu *vcpu, struct vc_x86_regs *ret_regs,
			    struct vc_x86_sregs *ret_sregs);

/**
 * vc_vcpu_set_regs() - write general and system registers.
 * @vcpu: not running.
 * @regs: may be NULL: left alone.
 * @sregs: may be NULL: left alone.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -EINVAL (a state the CPU cannot be in), -EBUSY (running), or what the hypervisor
 *          answered.
 * Spec: [KVM KVM_SET_REGS] [KVM KVM_SET_SREGS]   Since: 0.1
 */
VC_API int vc_vcpu_set_regs(struct vc_vcpu *vcpu, const struct vc_x86_regs *regs,
			    const struct vc_x86_sregs *sregs);

/**
 * vc_vcpu_get_msr() - read one model-specific register.
 * @vcpu: not running.
 * @msr: its number.
 * @ret_value: its value; untouched on failure.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -ENOENT (no such MSR), -EINVAL, -EBUSY (running), or what the hypervisor answered.
 * Spec: [KVM KVM_GET_MSRS]   Since: 0.1
 */
VC_API int vc_vcpu_get_msr(struct vc_vcpu *vcpu, uint32_t msr, uint64_t *ret_value);

/**
 * vc_vcpu_set_msr() - write one model-specific register.
 * @vcpu: not running.
 * @msr: its number.
 * @value: the value.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -ENOENT (no such MSR, or value refused), -EINVAL, -EBUSY (running).
 * Spec: [KVM KVM_SET_MSRS]   Since: 0.1
 */
VC_API int vc_vcpu_set_msr(struct vc_vcpu *vcpu, uint32_t msr, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VCPU_H */
