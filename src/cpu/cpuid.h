/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID in neutral form: what a host supports, and what a CPU model gives to one vCPU.
 */
#ifndef VC_CPU_CPUID_H
#define VC_CPU_CPUID_H

#include <libvirtcore/types.h>

struct vc_cpu_model;
struct vc_host;

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

#endif /* VC_CPU_CPUID_H */
