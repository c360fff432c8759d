/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two files of the fake back end share: its host, partition and vCPU.
 */
#ifndef VC_CPU_FAKE_PARTS_H
#define VC_CPU_FAKE_PARTS_H

#include "backend.h"

#include <libvirtcore/fake.h>

#define FAKE_DATA_BYTES 4096u /* room for the data of one exit, as much as KVM has */
#define FAKE_MSRS	16u

struct fake_host {
	struct vc_host host;
	struct vc_fake_script script; /* borrowed arrays; all zero = no script */
};

struct fake_partition {
	struct vc_partition partition;
	pthread_mutex_t lock;		/* over all that follows */
	struct vc_fake_record *records; /* ring, grown as needed to VC_FAKE_RECORDS_MAX */
	size_t first, nr_records, max_records;
	bool has_overflow;
	const struct vc_doorbell **doorbells;
	size_t nr_doorbells;
	struct vc_irq **irqs; /* those with an fd */
	size_t nr_irqs;
	/* state that is only kept */
	struct vc__x86_clock clock;
	struct vc__x86_pic pic[2];
	struct vc__x86_ioapic ioapic;
	struct vc__x86_pit pit;
};

struct fake_vcpu {
	struct vc_vcpu vcpu;
	_Atomic uint32_t is_woken; /* a futex */
	/* where in the script */
	const struct vc_fake_step *steps;
	size_t nr_steps, next;
	uint64_t nr_rounds; /* still to play, this one included */
	bool is_answered;   /* the last exit was a read, its answer is not yet recorded */
	uint8_t refuse;
	/* state that is only kept */
	struct vc_x86_regs regs;
	struct vc_x86_sregs sregs;
	struct vc__x86_debug debug;
	struct vc__x86_events events;
	uint64_t xcr0;
	enum vc__run_state run_state;
	struct vc__msr msrs[FAKE_MSRS];
	uint8_t lapic[VC_LAPIC_BYTES];
	uint8_t *xsave;
	size_t xsave_bytes;
	_Alignas(8) uint8_t data[FAKE_DATA_BYTES];
};

/* fake.c: appends a record; any thread. */
void vc__fake_record(struct fake_partition *fake, enum vc_fake_kind kind, uint64_t addr,
		     uint64_t value);

/* fake.c: rings the doorbell that a write hits; false when there is none. vCPU thread. */
bool vc__fake_ring(struct fake_partition *fake, const struct vc_fake_step *step);

/* fake_vcpu.c: the MSRs that a fake vCPU has, FAKE_MSRS of them. */
extern const uint32_t vc__fake_msrs[FAKE_MSRS];

/* fake_vcpu.c: refuses scripts that no vCPU could play, with a message. */
int vc__fake_check(const struct vc_fake_script *script);

/* fake_vcpu.c: slots of the ops table */
int vc__fake_vcpu_create(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr);
void vc__fake_vcpu_destroy(struct vc_vcpu *vcpu);
int vc__fake_vcpu_bind(struct vc_vcpu *vcpu, bool is_on);
int vc__fake_vcpu_run(struct vc_vcpu *vcpu, bool is_immediate);
void vc__fake_vcpu_wake(struct vc_vcpu *vcpu);
int vc__fake_vcpu_get(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len);
int vc__fake_vcpu_set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len);
int vc__fake_vcpu_msrs(struct vc_vcpu *vcpu, struct vc__msr *msrs, size_t nr, bool is_set);

#endif /* VC_CPU_FAKE_PARTS_H */
