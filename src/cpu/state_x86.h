/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of x86 state that the public headers do not name, in neutral form: back ends translate
 * between these and what their hypervisor wants, state_x86.c writes them into state streams.
 */
#ifndef VC_CPU_STATE_X86_H
#define VC_CPU_STATE_X86_H

#include <libvirtcore/types.h>

struct vc_partition;
struct vc_state_reader;
struct vc_state_writer;
struct vc_vcpu;

/* Debug registers. */
struct vc__x86_debug {
	uint64_t dr[4];
	uint64_t dr6, dr7;
};

/* What is on its way into the CPU: exception, interrupt, NMI, SMI. */
struct vc__x86_events {
	uint64_t exception_payload;
	uint32_t exception_error;
	uint8_t exception_vector;
	bool exception_injected, exception_pending, exception_has_error, exception_has_payload;
	bool interrupt_injected, interrupt_soft;
	uint8_t interrupt_vector;
	uint8_t interrupt_shadow; /* bit 0 MOV SS, bit 1 STI */
	bool nmi_injected, nmi_pending, nmi_masked;
	uint32_t sipi_vector;
	bool smm, smm_pending, smm_inside_nmi;
	bool latched_init;
	bool triple_fault_pending;
};

/* Whether the CPU executes. */
enum vc__run_state {
	VC__RUN_RUNNABLE = 0,
	VC__RUN_UNINITIALIZED, /* an AP before INIT */
	VC__RUN_INIT_RECEIVED, /* waits for SIPI */
	VC__RUN_SIPI_RECEIVED,
	VC__RUN_HALTED,
	VC__RUN_NR,
};

struct vc__msr {
	uint32_t index;
	uint64_t value;
};

/* 8259 pair. Order of fields is that of the stream. [8259A data sheet] */
struct vc__x86_pic {
	uint8_t last_irr, irr, imr, isr;
	uint8_t priority_add, irq_base, read_reg_select, poll;
	uint8_t special_mask, init_state, auto_eoi, rotate_on_auto_eoi;
	uint8_t special_fully_nested_mode, init4, elcr, elcr_mask;
};

#define VC__IOAPIC_PINS 24u

/* IOAPIC; redirection entries in their architectural format. [82093AA] */
struct vc__x86_ioapic {
	uint64_t base;
	uint32_t select, id, irr;
	uint64_t redirection[VC__IOAPIC_PINS];
};

/* 8254. [82C54] */
struct vc__x86_pit_channel {
	uint32_t count;
	uint16_t latched_count;
	uint8_t count_latched, status_latched, status;
	uint8_t read_state, write_state, write_latch, rw_mode, mode, bcd, gate;
	int64_t count_load_ns; /* before the moment of saving; relative, so that it can move */
};

struct vc__x86_pit {
	struct vc__x86_pit_channel channel[3];
	bool is_hpet_legacy, is_speaker_on;
};

/* Guest's paravirtual clock: nanoseconds since it began. */
struct vc__x86_clock {
	uint64_t ns;
};

/* state_x86.c, reached through vc_partition_save() and the like. Control or vCPU thread. */
int vc__partition_save_x86(struct vc_partition *partition, struct vc_state_writer *writer);
int vc__partition_reset_x86(struct vc_partition *partition);
int vc__partition_load_x86(struct vc_partition *partition, struct vc_state_reader *reader);
int vc__vcpu_save_x86(struct vc_vcpu *vcpu, struct vc_state_writer *writer);
int vc__vcpu_load_x86(struct vc_vcpu *vcpu, struct vc_state_reader *reader);
int vc__vcpu_reset_x86(struct vc_vcpu *vcpu);

#endif /* VC_CPU_STATE_X86_H */
