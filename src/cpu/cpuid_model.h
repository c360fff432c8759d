/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that work out CPU models share: the model itself, its topology, leaves under
 * construction.
 */
#ifndef VC_CPU_CPUID_MODEL_H
#define VC_CPU_CPUID_MODEL_H

#include "cpuid.h"
#include "cpuid_features.h"

/* An APIC id is socket : die : core : thread, each field wide enough for its count. */
struct vc__topology {
	uint32_t nr_sockets, nr_dies, nr_cores, nr_threads;
	uint32_t nr_vcpus;
	uint8_t core_shift, die_shift, socket_shift;
};

/* A model that can be asked for; level 0 is everything that the host has. */
struct vc__cpu_kind {
	char name[12];
	unsigned int level;
};

struct vc_cpu_model {
	const struct vc__cpu_kind *kind;
	struct vc__topology topo;
	struct vc__feature_set features;
	bool is_amd;
	size_t nr_leaves;
	struct vc__cpuid_leaf leaves[];
};

/* Leaves under construction. */
struct vc__cpuid_list {
	struct vc__cpuid_leaf *leaves;
	size_t nr, max;
};

/* The leaf for (function, index), made empty when it is not there; NULL when the list is full. */
struct vc__cpuid_leaf *vc__cpuid_add(struct vc__cpuid_list *list, uint32_t function, uint32_t index,
				     bool has_index);

/* Takes all leaves of @function out. */
void vc__cpuid_remove(struct vc__cpuid_list *list, uint32_t function);

/* Fills in what the configuration left at 0. Returns 0, or -EINVAL with a message. */
int vc__topology_init(struct vc__topology *topo, const struct vc_cpu_model_config *cfg);

uint32_t vc__topology_apic_id(const struct vc__topology *topo, uint32_t idx);

/* Threads in one socket. */
uint32_t vc__topology_socket_threads(const struct vc__topology *topo);

/* Rewrites what the leaves say about topology, for all vCPUs alike. Returns 0, or -E2BIG. */
int vc__topology_write(const struct vc__topology *topo, bool is_amd, struct vc__cpuid_list *list);

/* Fills in what differs from vCPU to vCPU. */
void vc__topology_write_ids(const struct vc__topology *topo, uint32_t idx,
			    struct vc__cpuid_leaf *leaves, size_t nr);

/* A host leaf, or one of zeros. */
struct vc__cpuid_leaf vc__cpuid_host_leaf(const struct vc__cpuid_host *host, uint32_t function,
					  uint32_t index);

/* EAX, EBX, ECX, EDX of a leaf by number. */
uint32_t *vc__cpuid_reg(struct vc__cpuid_leaf *leaf, unsigned int reg);

/* Features of @a that are not in @b. */
struct vc__feature_set vc__feature_without(const struct vc__feature_set *a,
					   const struct vc__feature_set *b);

/* What the host offers, without what the CPU or the topology sets, and without loose ends. */
void vc__cpuid_offered(const struct vc__cpuid_host *host, struct vc__feature_set *ret_set);

/* Fills in the model's leaves, which have room for @max. Returns 0, or -E2BIG with a message. */
int vc__cpuid_write(struct vc_cpu_model *model, const struct vc__cpuid_host *host, size_t max);

#endif /* VC_CPU_CPUID_MODEL_H */
