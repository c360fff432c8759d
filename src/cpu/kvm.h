/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the KVM back end share. Only kvm*.c include this.
 */
#ifndef VC_CPU_KVM_H
#define VC_CPU_KVM_H

#include "backend.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sys/ioctl.h>

struct vc__kvm_host {
	struct vc_host host;
	int fd;
	uint32_t run_bytes; /* of a vCPU's shared page(s) */
	bool has_manual_protect, has_xsave2, has_exception_payload, has_triple_fault,
		has_max_vcpu_id;
	bool is_ring_acq_rel;
};

struct vc__kvm_partition {
	struct vc_partition partition;
	int fd;
	bool is_manual; /* reading the dirty log does not clear it */
	/* ring mode with a log running; the lock guards it and all rings' read positions */
	struct vc__kvm_dirty *dirty;
	pthread_mutex_t dirty_lock;
};

struct vc__kvm_vcpu {
	struct vc_vcpu vcpu;
	int fd;
	struct kvm_run *run; /* shared with the kernel */
	struct kvm_dirty_gfn *ring;
	uint32_t ring_idx; /* next entry to look at, counts without wrapping */
	int pid, tid;	   /* where a kick is sent; written before a run can begin */
	bool was_blocked;  /* the kick signal, before attach */
};

static inline struct vc__kvm_host *vc__kvm_host(struct vc_host *host)
{
	return vc_container_of(host, struct vc__kvm_host, host);
}

static inline struct vc__kvm_partition *vc__kvm_partition(struct vc_partition *partition)
{
	return vc_container_of(partition, struct vc__kvm_partition, partition);
}

static inline struct vc__kvm_vcpu *vc__kvm_vcpu(struct vc_vcpu *vcpu)
{
	return vc_container_of(vcpu, struct vc__kvm_vcpu, vcpu);
}

/* Sets the message for an ioctl that failed with errno; returns -errno. */
int vc__kvm_fail(const struct vc_partition *partition, const char *what);

/* kvm_tables.c */
int vc__kvm_host_load(struct vc_host *host, enum vc__host_table table);

/* kvm_x86.c */
int vc__kvm_vcpu_get(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len);
int vc__kvm_vcpu_set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len);
int vc__kvm_vcpu_msrs(struct vc_vcpu *vcpu, struct vc__msr *msrs, size_t nr, bool is_set);
int vc__kvm_vcpu_cpuid(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr);

/* kvm_chips.c */
int vc__kvm_partition_state(struct vc_partition *partition, enum vc__partition_part part, void *buf,
			    bool is_set);

/* kvm_vcpu.c */
int vc__kvm_vcpu_create(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr);
void vc__kvm_vcpu_destroy(struct vc_vcpu *vcpu);
int vc__kvm_vcpu_bind(struct vc_vcpu *vcpu, bool is_on);
int vc__kvm_vcpu_run(struct vc_vcpu *vcpu, bool is_immediate);
void vc__kvm_vcpu_wake(struct vc_vcpu *vcpu);

/* kvm_irq.c */
int vc__kvm_irq_line(struct vc_partition *partition, uint32_t gsi, bool is_high);
int vc__kvm_irq_msi(struct vc_partition *partition, const struct vc_msi *msi);
int vc__kvm_irq_wire(struct vc_irq *irq, bool is_on);
int vc__kvm_doorbell_wire(struct vc_doorbell *doorbell, bool is_on);

/* kvm.c: tells KVM about one range of the memory map, logged or not */
int vc__kvm_slot_set(struct vc_partition *partition, size_t idx, bool is_logged);

/* kvm_dirty.c */
int vc__kvm_ring_map(struct vc_vcpu *vcpu);
void vc__kvm_ring_unmap(struct vc_vcpu *vcpu);
int vc__kvm_ring_full(struct vc_vcpu *vcpu);
int vc__kvm_dirty_set(struct vc_partition *partition, bool is_on);
int vc__kvm_dirty_take(struct vc_partition *partition, size_t idx, uint64_t *bits, size_t nr_words);

#endif /* VC_CPU_KVM_H */
