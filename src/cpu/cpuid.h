/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID in neutral form: what a host supports, and what a CPU model gives to one vCPU.
 */
#ifndef VC_CPU_CPUID_H
#define VC_CPU_CPUID_H

#include <libvirtcore/host.h>

/* One leaf or sub-leaf. [SDM 2A CPUID] */
struct vc__cpuid_leaf {
	uint32_t function, index;
	uint32_t eax, ebx, ecx, edx;
	bool has_index; /* index matters; else the leaf answers any ECX */
};

/* More leaves than any host has; a table is at most this long. */
#define VC__CPUID_LEAVES_MAX 256u

/*
 * What the host can give to guests, asked once and kept until the host is closed.
 * Any thread; 0, or -errno. The table is the host's.
 */
int vc__host_cpuid(struct vc_host *host, const struct vc__cpuid_leaf **ret_leaves, size_t *ret_nr);

/*
 * The leaves of vCPU @idx under @model, topology and APIC id filled in. Returns their number (when
 * it exceeds @nr, @leaves is untouched), or -EINVAL. Any thread.
 */
int vc__cpu_model_cpuid(const struct vc_cpu_model *model, uint32_t idx,
			struct vc__cpuid_leaf *leaves, size_t nr);

/* Takes the APIC and what needs it out of a vCPU's leaves, for a partition without an irqchip. */
void vc__cpuid_drop_lapic(const struct vc_cpu_model *model, struct vc__cpuid_leaf *leaves,
			  size_t nr);

/* What a model is worked out from. */
struct vc__cpuid_host {
	const char *name; /* of the back end, for messages */
	const struct vc__cpuid_leaf *leaves;
	size_t nr_leaves;
	uint64_t max_apic_id; /* highest APIC id that a vCPU can have */
};

/* vc_cpu_model_create() on a given table: the same errors and messages. Any thread. */
int vc__cpu_model_create(const struct vc__cpuid_host *host, const struct vc_cpu_model_config *cfg,
			 struct vc_cpu_model **ret_model);

/* The leaf for (function, index), or NULL. */
struct vc__cpuid_leaf *vc__cpuid_find(struct vc__cpuid_leaf *leaves, size_t nr, uint32_t function,
				      uint32_t index);

#endif /* VC_CPU_CPUID_H */
