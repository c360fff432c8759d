/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition: one guest as the hypervisor knows it - a memory map, an interrupt controller, vCPUs,
 * a clock - with no devices. struct vc_vm (vm.h) is built on it; a program that wants only a bare
 * vCPU uses it directly.
 */
#ifndef LIBVIRTCORE_PARTITION_H
#define LIBVIRTCORE_PARTITION_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_host;
struct vc_log;
struct vc_mem;
struct vc_partition;
struct vc_state_reader;
struct vc_state_writer;

enum vc_irqchip {
	VC_IRQCHIP_NONE = 0,   /* no APIC at all */
	VC_IRQCHIP_KERNEL = 1, /* PIC, IOAPIC and LAPICs in the hypervisor */
	VC_IRQCHIP_SPLIT = 2,  /* LAPICs in the hypervisor; the IOAPIC is a device of ours */
};

/* MSRs whose accesses come out as exits instead of being handled by the hypervisor. */
struct vc_msr_range {
	uint32_t first;
	uint32_t nr;	    /* not 0 */
	bool reads, writes; /* at least one */
};

struct vc_partition_config {
	size_t size;	    /* sizeof(struct vc_partition_config) */
	const char *name;   /* for messages; NULL = "guest"; copied */
	struct vc_mem *mem; /* frozen; borrowed until destroy */
	struct vc_log *log; /* borrowed until destroy; may be NULL */
	/* interrupts and time */
	enum vc_irqchip irqchip;
	bool has_pit;	      /* only with VC_IRQCHIP_KERNEL */
	uint32_t tsc_khz;     /* 0 = the host's */
	int64_t halt_poll_ns; /* 0 = the host's default, -1 = never, else the longest poll */
	/* vCPUs */
	uint32_t max_vcpus; /* how many may be created; 0 = 1 */
	int kick_signal;    /* sent to a vCPU's thread by vc_vcpu_kick(), kept blocked there; 0 =
			     * SIGRTMIN + 1; no handler is installed */
	const struct vc_msr_range *msr_exits; /* copied */
	size_t nr_msr_exits;		      /* at most 16 */
	bool has_times;			      /* measure time in guest, see struct vc_vcpu_stats */
	/* dirty log */
	uint32_t dirty_ring_entries; /* 0 = bitmap; else a power of two */
};

/**
 * vc_partition_check() - judge a configuration as vc_partition_create() does before it makes
 * anything.
 * @host: asked for capabilities and limits.
 * @cfg: as for vc_partition_create(); without @mem, memory is not judged.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or the first fault: -EINVAL, -E2BIG, -ENOTSUP or -ERANGE as vc_partition_create()
 *          gives them. Whether the host's TSC can have another rate only making one tells.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_partition_check(struct vc_host *host, const struct vc_partition_config *cfg);

/**
 * vc_partition_create() - make the hypervisor's side of a guest: all memory, then the irqchip.
 * @host: held until destroy.
 * @cfg: copied; see struct vc_partition_config.
 * @ret_partition: the partition, owned by the caller; untouched on failure.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -EINVAL (fields; PIT without the in-kernel irqchip; map not frozen), -E2BIG,
 *          -ENOTSUP (capability missing: named), -ERANGE (memory beyond a limit: named), -ENOMEM,
 *          -EMFILE, or what the hypervisor answered.
 * Spec: [KVM KVM_CREATE_VM] [KVM KVM_SET_USER_MEMORY_REGION] [KVM KVM_CREATE_IRQCHIP] Since: 0.1
 */
VC_API int vc_partition_create(struct vc_host *host, const struct vc_partition_config *cfg,
			       struct vc_partition **ret_partition);

/**
 * vc_partition_destroy() - free a partition; its vCPUs, irqs and doorbells must be gone before.
 * @partition: may be NULL.
 * Context: control thread; may block in the kernel.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_partition_destroy(struct vc_partition *partition);

/**
 * vc_partition_host() - the host that a partition was made on.
 * @partition: the partition.
 * Context: any thread; does not block.
 * Returns: the host, held by the partition; NULL without one.
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_host *vc_partition_host(const struct vc_partition *partition);

/**
 * vc_partition_reset() - bring irqchip and PIT back to power-on; memory and clock stay.
 * @partition: no vCPU may run.
 * Context: any thread while no vCPU runs; may block in the kernel.
 * Returns: 0, or -EINVAL, -ENOTSUP, or what the hypervisor answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_partition_reset(struct vc_partition *partition);

/**
 * vc_partition_save() - write irqchip, PIT, clock and paravirtual clock into a state stream.
 * @partition: no vCPU may run.
 * @writer: sections "partition" and, as the irqchip is, "irqchip", "pit".
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -ENOTSUP, -EBUSY (a vCPU runs), -ENOMEM, or what the hypervisor answered.
 * Spec: [KVM KVM_GET_IRQCHIP] [KVM KVM_GET_CLOCK] [KVM KVM_GET_PIT2]   Since: 0.1
 */
VC_API int vc_partition_save(struct vc_partition *partition, struct vc_state_writer *writer);

/**
 * vc_partition_load() - read back what vc_partition_save() wrote, into a fresh partition.
 * @partition: same irqchip and PIT; no vCPU may run.
 * @reader: the stream.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -EBADMSG, -EPROTONOSUPPORT, -ENOENT (section missing), -EXDEV (other irqchip),
 *          -ENOTSUP, -EBUSY, or what the hypervisor answered.
 * Spec: [KVM KVM_SET_IRQCHIP] [KVM KVM_SET_CLOCK] [KVM KVM_SET_PIT2]   Since: 0.1
 */
VC_API int vc_partition_load(struct vc_partition *partition, struct vc_state_reader *reader);

/**
 * vc_partition_dirty_start() - log the pages that the guest and the host write from here on.
 * @partition: the partition; also starts the log of its memory map.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -EALREADY, -ENOTSUP, -ENOMEM, or what the hypervisor answered.
 * Spec: [KVM KVM_MEM_LOG_DIRTY_PAGES]   Since: 0.1
 */
VC_API int vc_partition_dirty_start(struct vc_partition *partition);

/**
 * vc_partition_dirty_take() - pages of one range written since the last take, guest's and host's.
 * @partition: dirty log started. Pages that were not written may be reported too, none is missed.
 * @idx: index as for vc_mem_range().
 * @bits: overwritten; one bit per 4 KiB page.
 * @nr_words: 64-bit words in @bits.
 * Context: control thread; vCPUs may run.
 * Returns: number of bits set, or -EINVAL (no log, @bits too small), -ENOENT, or what the
 *          hypervisor answered.
 * Spec: [KVM KVM_GET_DIRTY_LOG] [KVM KVM_RESET_DIRTY_RINGS]   Since: 0.1
 */
VC_API int64_t vc_partition_dirty_take(struct vc_partition *partition, size_t idx, uint64_t *bits,
				       size_t nr_words);

/**
 * vc_partition_dirty_stop() - end the dirty log.
 * @partition: no effect when none runs.
 * Context: control thread; no vCPU may run.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_partition_dirty_stop(struct vc_partition *partition);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_PARTITION_H */
