/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake back end: vCPUs play exits from a script, and what reaches the guest side (interrupts,
 * answers to reads) is recorded. Devices, buses and run loops are tested with it on any machine.
 */
#ifndef LIBVIRTCORE_FAKE_H
#define LIBVIRTCORE_FAKE_H

#include <libvirtcore/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_partition;

/* One exit to play. */
struct vc_fake_step {
	enum vc_exit_kind kind;
	uint8_t size; /* bytes per item; PIO, MMIO; 0 = what the kind has */
	bool is_write;
	uint32_t count; /* PIO items; 0 = 1 */
	uint64_t addr;
	uint64_t value; /* writes: each item; hypercall: first argument */
	uint64_t code;	/* for errors */
	int err;	/* not 0: run fails with this -errno instead of an exit */
};

/* What each vCPU plays. At the end of its script a vCPU waits to be kicked. */
struct vc_fake_script {
	const struct vc_fake_step *const *steps; /* per vCPU; the last serves further vCPUs */
	const size_t *nr_steps;			 /* per vCPU */
	size_t nr_scripts;
	uint64_t repeats; /* times each script is played; 0 = once */
};

enum vc_fake_kind {
	VC_FAKE_IRQ_LEVEL = 0, /* addr = gsi, value = level */
	VC_FAKE_MSI,	       /* addr, value = address and data */
	VC_FAKE_READ,	       /* answer to a played read: addr, value (first item) */
	VC_FAKE_KICK,	       /* addr = vCPU index */
};

struct vc_fake_record {
	enum vc_fake_kind kind;
	uint64_t addr;
	uint64_t value;
};

#define VC_FAKE_RECORDS_MAX 4096u

/**
 * vc_fake_next_record() - take the oldest record of a fake partition.
 * @partition: made on a host with VC_BACKEND_FAKE.
 * @ret_record: filled; untouched when there is none.
 * Context: any thread; takes a lock of the fake back end.
 * Returns: 1, 0 (none), or -EINVAL (another back end), -EOVERFLOW (once, when more than
 *          VC_FAKE_RECORDS_MAX were waiting and the newest were dropped).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_fake_next_record(struct vc_partition *partition, struct vc_fake_record *ret_record);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_FAKE_H */
