/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topology in CPUID: which leaves say how many threads, cores, dies and sockets there are, which
 * caches they share, and which APIC id each vCPU has. Pure functions on leaves: any thread.
 *
 *	APIC id   | socket | die | core | thread |      a field is as wide as its count needs,
 *	                   ^     ^      ^               so ids have gaps when a count is no
 *	        socket_shift  die_shift  core_shift     power of two
 *
 * What the host said in these fields describes the host and is overwritten everywhere. Leaves out
 * hybrid cores and asymmetric sockets.
 * Sources: [SDM 2A CPUID 1, 4, 0BH, 1FH] [SDM 3A 9.9] [APM 3 E.4.7 8000_0008, 8000_001D, 8000_001E]
 */
#include "cpuid_model.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

/* Level types of leaves 0xB and 0x1F, already in place. */
enum { LEVEL_SMT = 1 << 8, LEVEL_CORE = 2 << 8, LEVEL_DIE = 5 << 8 };

/* Bits that number @count things. */
static uint8_t width_of(uint32_t count)
{
	return count > 1 ? (uint8_t)(32 - __builtin_clz(count - 1)) : 0;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

struct vc__cpuid_leaf *vc__cpuid_find(struct vc__cpuid_leaf *leaves, size_t nr, uint32_t function,
				      uint32_t index)
{
	for (size_t i = 0; i < nr; i++)
		if (leaves[i].function == function &&
		    (!leaves[i].has_index || leaves[i].index == index))
			return &leaves[i];
	return NULL;
}

struct vc__cpuid_leaf *vc__cpuid_add(struct vc__cpuid_list *list, uint32_t function, uint32_t index,
				     bool has_index)
{
	struct vc__cpuid_leaf *leaf = vc__cpuid_find(list->leaves, list->nr, function, index);

	if (leaf)
		return leaf;
	if (list->nr == list->max)
		return NULL;
	leaf = &list->leaves[list->nr++];
	*leaf = (struct vc__cpuid_leaf){ .function = function,
					 .index = index,
					 .has_index = has_index };
	return leaf;
}

void vc__cpuid_remove(struct vc__cpuid_list *list, uint32_t function)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->nr; i++)
		if (list->leaves[i].function != function)
			list->leaves[kept++] = list->leaves[i];
	list->nr = kept;
}

int vc__topology_init(struct vc__topology *topo, const struct vc_cpu_model_config *cfg)
{
	struct vc__topology t = {
		.nr_sockets = cfg->nr_sockets ? cfg->nr_sockets : 1,
		.nr_dies = cfg->nr_dies ? cfg->nr_dies : 1,
		.nr_cores = cfg->nr_cores,
		.nr_threads = cfg->nr_threads ? cfg->nr_threads : 1,
		.nr_vcpus = cfg->nr_vcpus,
	};
	uint64_t others = 0, total = 0;

	if (t.nr_vcpus == 0)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "model for 0 vCPUs: at least 1 expected");
	if (!vc_mul_u64((uint64_t)t.nr_sockets * t.nr_dies, t.nr_threads, &others))
		others = UINT64_MAX;
	if (t.nr_cores == 0)
		t.nr_cores = (uint32_t)((t.nr_vcpus - 1) / others + 1);
	if (!vc_mul_u64(others, t.nr_cores, &total))
		total = UINT64_MAX;
	if (total < t.nr_vcpus)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "topology of %u sockets x %u dies x %u cores x %u threads "
				    "does not hold %u vCPUs",
				    t.nr_sockets, t.nr_dies, t.nr_cores, t.nr_threads, t.nr_vcpus);

	uint32_t core_shift = width_of(t.nr_threads);
	uint32_t die_shift = core_shift + width_of(t.nr_cores);
	uint32_t socket_shift = die_shift + width_of(t.nr_dies);

	/* Id 0xffffffff is the broadcast: stay a bit below. */
	if (socket_shift + width_of(t.nr_sockets) > 31)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "topology of %u sockets x %u dies x %u cores x %u threads "
				    "needs APIC ids of more than 31 bits",
				    t.nr_sockets, t.nr_dies, t.nr_cores, t.nr_threads);
	t.core_shift = (uint8_t)core_shift;
	t.die_shift = (uint8_t)die_shift;
	t.socket_shift = (uint8_t)socket_shift;
	*topo = t;
	return 0;
}

uint32_t vc__topology_apic_id(const struct vc__topology *topo, uint32_t idx)
{
	uint32_t thread = idx % topo->nr_threads;
	uint32_t core = idx / topo->nr_threads % topo->nr_cores;
	uint32_t die = idx / topo->nr_threads / topo->nr_cores % topo->nr_dies;
	uint32_t socket = idx / topo->nr_threads / topo->nr_cores / topo->nr_dies;

	return socket << topo->socket_shift | die << topo->die_shift | core << topo->core_shift |
	       thread;
}

uint32_t vc__topology_socket_threads(const struct vc__topology *topo)
{
	return topo->nr_dies * topo->nr_cores * topo->nr_threads;
}

/* One level of leaf 0xB or 0x1F: @shift to the id of the next level, @nr threads below it. */
struct level {
	uint32_t type, shift, nr;
};

/* Writes the levels, and one of zeros that ends them. */
static int write_leaf(struct vc__cpuid_list *list, uint32_t function, const struct level *levels,
		      uint32_t nr_levels)
{
	for (uint32_t i = 0; i <= nr_levels; i++) {
		struct vc__cpuid_leaf *leaf = vc__cpuid_add(list, function, i, true);

		if (!leaf)
			return -E2BIG;
		leaf->ecx = i;
		if (i == nr_levels)
			break;
		leaf->eax = levels[i].shift;
		leaf->ebx = levels[i].nr & 0xffff;
		leaf->ecx |= levels[i].type;
	}
	return 0;
}

/* Leaf 0xB knows threads and cores; 0x1F knows dies and is given only where there are several. */
static int write_levels(const struct vc__topology *topo, bool is_amd, struct vc__cpuid_list *list)
{
	uint32_t all = vc__topology_socket_threads(topo);
	const struct level plain[] = {
		{ LEVEL_SMT, topo->core_shift, topo->nr_threads },
		{ LEVEL_CORE, topo->socket_shift, all },
	};
	const struct level with_dies[] = {
		{ LEVEL_SMT, topo->core_shift, topo->nr_threads },
		{ LEVEL_CORE, topo->die_shift, topo->nr_cores * topo->nr_threads },
		{ LEVEL_DIE, topo->socket_shift, all },
	};
	int r;

	vc__cpuid_remove(list, 0xb);
	vc__cpuid_remove(list, 0x1f);
	vc__cpuid_remove(list, 0x80000026);
	r = write_leaf(list, 0xb, plain, 2);
	if (r < 0 || is_amd || topo->nr_dies == 1)
		return r;
	return write_leaf(list, 0x1f, with_dies, 3);
}

/* Cache leaves: levels 1 and 2 belong to a core, 3 and above to a die. */
static void write_cache(const struct vc__topology *topo, struct vc__cpuid_leaf *leaf)
{
	uint32_t level = leaf->eax >> 5 & 7;
	uint32_t sharing = 1u << (level < 3 ? topo->core_shift : min_u32(topo->die_shift, 12));

	if ((leaf->eax & 0x1f) == 0) /* no more caches */
		return;
	leaf->eax &= 0x3fff;
	leaf->eax |= min_u32(sharing - 1, 0xfff) << 14;
	if (leaf->function == 4)
		leaf->eax |=
			min_u32((1u << min_u32(topo->socket_shift - topo->core_shift, 6)) - 1, 0x3f)
			<< 26;
}

static void write_amd(const struct vc__topology *topo, struct vc__cpuid_list *list)
{
	struct vc__cpuid_leaf *size = vc__cpuid_find(list->leaves, list->nr, 0x80000008, 0);
	struct vc__cpuid_leaf *id = vc__cpuid_find(list->leaves, list->nr, 0x8000001e, 0);
	uint32_t threads = vc__topology_socket_threads(topo);

	if (size) {
		size->ecx &= ~0xf0ffu;
		size->ecx |= min_u32(threads - 1, 0xff) | min_u32(topo->socket_shift, 15) << 12;
	}
	if (id) {
		id->ebx = min_u32(topo->nr_threads - 1, 0xff) << 8;
		id->ecx = min_u32(topo->nr_dies - 1, 7) << 8;
		id->edx = 0;
	}
}

int vc__topology_write(const struct vc__topology *topo, bool is_amd, struct vc__cpuid_list *list)
{
	uint32_t threads = vc__topology_socket_threads(topo);
	int r = write_levels(topo, is_amd, list);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list->nr; i++) {
		struct vc__cpuid_leaf *leaf = &list->leaves[i];

		switch (leaf->function) {
		case 1:
			leaf->ebx &= 0xff00; /* CLFLUSH size stays */
			leaf->ebx |= min_u32(1u << min_u32(topo->socket_shift, 8), 0xff) << 16;
			leaf->edx &= ~(1u << 28);
			leaf->edx |= (uint32_t)(threads > 1) << 28; /* ht */
			break;
		case 4:
		case 0x8000001d:
			write_cache(topo, leaf);
			break;
		case 0x80000001:
			leaf->ecx &= ~2u;
			leaf->ecx |= (uint32_t)(is_amd && threads > 1) << 1; /* cmp_legacy */
			break;
		case 0x80000008:
			if (!is_amd)
				leaf->ecx = 0;
			break;
		default:
			break;
		}
	}
	if (is_amd)
		write_amd(topo, list);
	return 0;
}

void vc__topology_write_ids(const struct vc__topology *topo, uint32_t idx,
			    struct vc__cpuid_leaf *leaves, size_t nr)
{
	uint32_t id = vc__topology_apic_id(topo, idx);

	for (size_t i = 0; i < nr; i++) {
		struct vc__cpuid_leaf *leaf = &leaves[i];

		switch (leaf->function) {
		case 1:
			leaf->ebx = (leaf->ebx & 0xffffff) | id << 24;
			break;
		case 0xb:
		case 0x1f:
			leaf->edx = id;
			break;
		case 0x8000001e: {
			uint32_t core = (id & ((1u << topo->socket_shift) - 1)) >> topo->core_shift;
			uint32_t node = idx / topo->nr_threads / topo->nr_cores;

			leaf->eax = id;
			leaf->ebx = (leaf->ebx & 0xff00) | (core & 0xff);
			leaf->ecx = (leaf->ecx & 0x700) | (node & 0xff);
			break;
		}
		default:
			break;
		}
	}
}
