/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU models, the tables: reads feature sets out of a host's CPUID leaves and writes a model's
 * leaves from them: feature words, XSAVE components and sizes, maximum leaf numbers. Whatever would
 * tell a guest of something it does not have is taken out. Pure work on tables: any thread.
 *
 * Consistent means: no feature without what it needs, no feature whose registers XSAVE cannot save,
 * no XSAVE component whose feature is absent, no leaf whose feature is absent. Leaves out which
 * features are wanted (cpuid_x86.c) and topology (cpuid_topology.c).
 * Sources: [SDM 2A CPUID] [SDM 1 13.2] [APM 3 E] [KVM cpuid.rst]
 */
#include "cpuid_model.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#define KVM_LEAF     0x40000000u
#define EXT_LEAF     0x80000000u
#define AMD_MIRRORED 0x0183f3ffu /* bits of 0x80000001 EDX that repeat leaf 1 EDX on AMD */
#define XSAVE_LEGACY 576u	 /* x87, SSE and the header */

/* XSAVE components that guests may have, and a feature that each belongs to. [SDM 1 13.1] */
static const struct {
	uint8_t component;
	bool is_supervisor;
	uint16_t feature;
} components[] = {
	{ 2, false, VC__F_avx },       { 3, false, VC__F_mpx },	     { 4, false, VC__F_mpx },
	{ 5, false, VC__F_avx512f },   { 6, false, VC__F_avx512f },  { 7, false, VC__F_avx512f },
	{ 8, true, VC__F_intel_pt },   { 9, false, VC__F_pku },	     { 11, true, VC__F_shstk },
	{ 12, true, VC__F_shstk },     { 15, true, VC__F_arch_lbr }, { 17, false, VC__F_amx_tile },
	{ 18, false, VC__F_amx_tile }, { 19, false, VC__F_apx },     { 62, false, VC__F_lwp },
};

/* Leaves that mean something only with a feature. */
static const struct {
	uint32_t function;
	uint16_t feature;
} leaf_needs[] = {
	{ 0x12, VC__F_sgx },
	{ 0x14, VC__F_intel_pt },
	{ 0x1c, VC__F_arch_lbr },
	{ 0x1d, VC__F_amx_tile },
	{ 0x1e, VC__F_amx_tile },
	{ 0x24, VC__F_avx10 },
	{ KVM_LEAF, VC__F_hypervisor },
	{ KVM_LEAF + 1, VC__F_hypervisor },
	{ 0x8000000a, VC__F_svm },
	{ 0x8000001e, VC__F_topoext },
};

/* Leaves of the levelled models: identity, caches, features, XSAVE, topology, address widths. */
static const uint32_t level_leaves[] = {
	0x0,	    0x1,	0x2,	    0x4,	0x6,	      0x7,
	0xb,	    0xd,	0x1f,	    KVM_LEAF,	KVM_LEAF + 1, EXT_LEAF,
	0x80000001, 0x80000002, 0x80000003, 0x80000004, 0x80000005,   0x80000006,
	0x80000007, 0x80000008, 0x8000000a, 0x8000001d, 0x8000001e,   0x80000021,
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

uint32_t *vc__cpuid_reg(struct vc__cpuid_leaf *leaf, unsigned int reg)
{
	uint32_t *const regs[] = { &leaf->eax, &leaf->ebx, &leaf->ecx, &leaf->edx };

	return regs[reg];
}

struct vc__cpuid_leaf vc__cpuid_host_leaf(const struct vc__cpuid_host *host, uint32_t function,
					  uint32_t index)
{
	for (size_t i = 0; i < host->nr_leaves; i++) {
		const struct vc__cpuid_leaf *leaf = &host->leaves[i];

		if (leaf->function == function && (!leaf->has_index || leaf->index == index))
			return *leaf;
	}
	return (struct vc__cpuid_leaf){ .function = function, .index = index };
}

struct vc__feature_set vc__feature_without(const struct vc__feature_set *a,
					   const struct vc__feature_set *b)
{
	struct vc__feature_set set;

	for (unsigned int w = 0; w < VC__CPU_WORDS; w++)
		set.words[w] = a->words[w] & ~b->words[w];
	return set;
}

/* Components of XCR0 and IA32_XSS that the host has, with a place in the save area. */
static uint64_t host_xstate(const struct vc__cpuid_host *host)
{
	uint64_t mask = 0, placed = 0;

	for (size_t i = 0; i < host->nr_leaves; i++) {
		const struct vc__cpuid_leaf *leaf = &host->leaves[i];

		if (leaf->function != 0xd)
			continue;
		if (leaf->index == 0)
			mask |= (uint64_t)leaf->edx << 32 | leaf->eax;
		else if (leaf->index == 1)
			mask |= (uint64_t)leaf->edx << 32 | leaf->ecx;
		else if (leaf->index < 63 && leaf->eax != 0)
			placed |= 1ull << leaf->index;
	}
	return mask & (placed | 3); /* x87 and SSE have no leaf of their own */
}

void vc__cpuid_offered(const struct vc__cpuid_host *host, struct vc__feature_set *ret_set)
{
	uint64_t xstate = host_xstate(host);

	for (unsigned int w = 0; w < VC__CPU_WORDS; w++) {
		const struct vc__cpu_word_place *at = vc__feature_place(w);
		struct vc__cpuid_leaf leaf = vc__cpuid_host_leaf(host, at->function, at->index);

		ret_set->words[w] = *vc__cpuid_reg(&leaf, at->reg);
	}
	ret_set->words[VC__1_ECX] &= ~(1u << 27); /* osxsave: follows CR4 */
	ret_set->words[VC__7_ECX] &= ~(1u << 4);  /* ospke: the same */
	ret_set->words[VC__X1_EDX] &= ~AMD_MIRRORED;
	vc__feature_drop(ret_set, VC__F_ht);
	vc__feature_drop(ret_set, VC__F_cmp_legacy);
	for (size_t i = 0; i < COUNT(components); i++)
		if (!(xstate >> components[i].component & 1))
			vc__feature_drop(ret_set, components[i].feature);
	vc__feature_close(ret_set);
}

static bool is_leaf_kept(const struct vc_cpu_model *model, const struct vc__cpuid_leaf *leaf)
{
	for (size_t i = 0; i < COUNT(leaf_needs); i++)
		if (leaf_needs[i].function == leaf->function &&
		    !vc__feature_in(&model->features, leaf_needs[i].feature))
			return false;
	if (model->kind->level == 0)
		return true;
	for (size_t i = 0; i < COUNT(level_leaves); i++)
		if (level_leaves[i] == leaf->function)
			return true;
	return false;
}

/* Puts the feature words where they belong; leaves that only would hold zeros are not made. */
static int write_features(const struct vc__feature_set *set, bool is_amd,
			  struct vc__cpuid_list *list)
{
	for (unsigned int w = 0; w < VC__CPU_WORDS; w++) {
		const struct vc__cpu_word_place *at = vc__feature_place(w);
		struct vc__cpuid_leaf *leaf =
			vc__cpuid_find(list->leaves, list->nr, at->function, at->index);
		uint32_t value = set->words[w];

		if (w == VC__X1_EDX && is_amd)
			value |= set->words[VC__1_EDX] & AMD_MIRRORED;
		if (!leaf && value)
			leaf = vc__cpuid_add(list, at->function, at->index, at->has_index);
		if (!leaf && value)
			return -E2BIG;
		if (leaf)
			*vc__cpuid_reg(leaf, at->reg) = value;
	}
	return 0;
}

/* Components of XCR0, or of IA32_XSS, that the model's features have. */
static uint64_t model_xstate(const struct vc__feature_set *set, bool is_supervisor)
{
	uint64_t mask = is_supervisor ? 0 : 3;

	if (is_supervisor && !vc__feature_in(set, VC__F_xsaves))
		return 0;
	for (size_t i = 0; i < COUNT(components); i++)
		if (components[i].is_supervisor == is_supervisor &&
		    vc__feature_in(set, components[i].feature))
			mask |= 1ull << components[i].component;
	return mask;
}

/*
 * No XSAVE: one empty subleaf stays. Some KVMs, themselves in a guest, else ask the processor for what
 * is missing, at microseconds a time.
 */
static void clear_xsave(struct vc__cpuid_list *list)
{
	bool had_leaf = vc__cpuid_find(list->leaves, list->nr, 0xd, 0) != NULL;

	vc__cpuid_remove(list, 0xd);
	if (had_leaf)
		(void)vc__cpuid_add(list, 0xd, 0, true); /* room: one was just removed */
}

/* XSAVE: the components of the features that are there, and the sizes that follow. */
static void write_xsave(const struct vc_cpu_model *model, uint64_t xstate,
			struct vc__cpuid_list *list)
{
	uint64_t user = model_xstate(&model->features, false) & xstate;
	uint64_t super = model_xstate(&model->features, true) & xstate;
	struct vc__cpuid_leaf *leaf;
	uint32_t bytes = XSAVE_LEGACY;
	size_t kept = 0;

	if (!vc__feature_in(&model->features, VC__F_xsave)) {
		clear_xsave(list);
		return;
	}
	for (size_t i = 0; i < list->nr; i++) {
		leaf = &list->leaves[i];
		if (leaf->function == 0xd && leaf->index >= 2) {
			if (leaf->index > 62 || !((user | super) >> leaf->index & 1))
				continue;
			if ((user >> leaf->index & 1) && leaf->ebx + leaf->eax > bytes)
				bytes = leaf->ebx + leaf->eax;
		}
		list->leaves[kept++] = *leaf;
	}
	list->nr = kept;
	leaf = vc__cpuid_find(list->leaves, list->nr, 0xd, 0);
	if (leaf) {
		leaf->eax = (uint32_t)user;
		leaf->ebx = XSAVE_LEGACY; /* of what is on at reset; follows XCR0 later */
		leaf->ecx = bytes;
		leaf->edx = (uint32_t)(user >> 32);
	}
	leaf = vc__cpuid_find(list->leaves, list->nr, 0xd, 1);
	if (leaf) {
		leaf->ebx = XSAVE_LEGACY;
		leaf->ecx = (uint32_t)super;
		leaf->edx = (uint32_t)(super >> 32);
	}
}

/* Empty leaves say the same as absent ones; the first of each range stays, with the new maximum. */
static void prune(struct vc__cpuid_list *list)
{
	uint32_t max_basic = 0, max_ext = EXT_LEAF, max_sub7 = 0;
	size_t kept = 0;

	for (size_t i = 0; i < list->nr; i++) {
		struct vc__cpuid_leaf leaf = list->leaves[i];

		bool is_first = !(leaf.function & ~(EXT_LEAF | KVM_LEAF)) ||
				((leaf.function == 7 || leaf.function == 0xd) && leaf.index == 0);

		if (leaf.function == 7 && leaf.index == 0)
			leaf.eax = 0;
		if (!(leaf.eax | leaf.ebx | leaf.ecx | leaf.edx) && !is_first)
			continue;
		list->leaves[kept++] = leaf;
		if (leaf.function < KVM_LEAF && leaf.function > max_basic)
			max_basic = leaf.function;
		if (leaf.function >= EXT_LEAF && leaf.function > max_ext)
			max_ext = leaf.function;
		if (leaf.function == 7 && leaf.index > max_sub7)
			max_sub7 = leaf.index;
	}
	list->nr = kept;
	for (size_t i = 0; i < list->nr; i++) {
		struct vc__cpuid_leaf *leaf = &list->leaves[i];

		if (leaf->function == 0)
			leaf->eax = max_basic;
		else if (leaf->function == EXT_LEAF)
			leaf->eax = max_ext;
		else if (leaf->function == KVM_LEAF)
			leaf->eax = KVM_LEAF + 1;
		else if (leaf->function == 7 && leaf->index == 0)
			leaf->eax = max_sub7;
	}
}

int vc__cpuid_write(struct vc_cpu_model *model, const struct vc__cpuid_host *host, size_t max)
{
	struct vc__cpuid_list list = { model->leaves, 0, max };
	int r;

	for (size_t i = 0; i < host->nr_leaves; i++)
		if (is_leaf_kept(model, &host->leaves[i]))
			list.leaves[list.nr++] = host->leaves[i];
	r = write_features(&model->features, model->is_amd, &list);
	if (r == 0)
		r = vc__topology_write(&model->topo, model->is_amd, &list);
	if (r < 0)
		return vc_error_set(r, "cpu", "model", "more than %zu CPUID leaves", max);
	write_xsave(model, host_xstate(host), &list);
	prune(&list);
	model->nr_leaves = list.nr;
	return 0;
}

void vc__cpuid_drop_lapic(const struct vc_cpu_model *model, struct vc__cpuid_leaf *leaves,
			  size_t nr)
{
	struct vc__feature_set left = model->features, gone;

	vc__feature_drop(&left, VC__F_apic);
	vc__feature_close(&left);
	gone = vc__feature_without(&model->features, &left);
	for (unsigned int w = 0; w < VC__CPU_WORDS; w++) {
		const struct vc__cpu_word_place *at = vc__feature_place(w);
		struct vc__cpuid_leaf *leaf = vc__cpuid_find(leaves, nr, at->function, at->index);

		if (!leaf)
			continue;
		*vc__cpuid_reg(leaf, at->reg) &= ~gone.words[w];
		if (w == VC__X1_EDX)
			leaf->edx &= ~(gone.words[VC__1_EDX] & AMD_MIRRORED);
	}
}
