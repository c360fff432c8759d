/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as the tests of CPU models need them: one of Intel's kind, one of AMD's. */
#ifndef VC_TESTS_CPUID_FIXTURE_H
#define VC_TESTS_CPUID_FIXTURE_H

#include "unit.h"

#include "cpuid_model.h"

#include <errno.h>

/* AVX-512, AMX's leaf without its state, nested VMX; unlike the fake back end's on purpose. */
static const struct vc__cpuid_leaf intel_leaves[] = {
	{ 0x0, 0, 0x20, 0x756e6547, 0x6c65746e, 0x49656e69, false },
	{ 0x1, 0, 0x806f8, 0x05200800, 0xfffa3223, 0x1f8bfbff, false },
	{ 0x2, 0, 0x00feff01, 0xf0, 0, 0, false },
	{ 0x4, 0, 0xfc004121, 0x02c0003f, 0x3f, 0, true },
	{ 0x4, 1, 0xfc004122, 0x01c0003f, 0x3f, 0, true },
	{ 0x4, 2, 0xfc01c143, 0x03c0003f, 0x7ff, 0, true },
	{ 0x4, 3, 0xfc1fc163, 0x0380003f, 0x1bfff, 4, true },
	{ 0x4, 4, 0, 0, 0, 0, true },
	{ 0x6, 0, 0x4, 0, 0, 0, false },
	{ 0x7, 0, 0x2, 0xf1bf07ab, 0x1b415fce, 0xffdd4432, true },
	{ 0x7, 1, 0x1c30, 0, 0, 0, true },
	{ 0x7, 2, 0, 0, 0, 0x17, true },
	{ 0xa, 0, 0x07300402, 0, 0, 0x8604, false },
	{ 0xb, 0, 1, 2, 0x100, 5, true },
	{ 0xb, 1, 7, 112, 0x201, 5, true },
	{ 0xd, 0, 0x2e7, 0xa88, 0xa88, 0, true },
	{ 0xd, 1, 0xf, 0xa08, 0x1800, 0, true },
	{ 0xd, 2, 0x100, 0x240, 0, 0, true },
	{ 0xd, 5, 0x40, 0x440, 0, 0, true },
	{ 0xd, 6, 0x200, 0x480, 0, 0, true },
	{ 0xd, 7, 0x400, 0x680, 0, 0, true },
	{ 0xd, 9, 0x8, 0xa80, 0, 0, true },
	{ 0xd, 11, 0x10, 0, 1, 0, true },
	{ 0xd, 12, 0x18, 0, 1, 0, true },
	{ 0x1d, 0, 1, 0, 0, 0, true },
	{ 0x1f, 0, 1, 2, 0x100, 5, true },
	{ 0x1f, 1, 7, 112, 0x201, 5, true },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d, false },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0, false },
	{ 0x80000000, 0, 0x80000008, 0, 0, 0, false },
	{ 0x80000001, 0, 0, 0, 0x121, 0x2c100800, false },
	{ 0x80000002, 0, 0x65746e49, 0x2952286c, 0x6f655820, 0x2952286e, false },
	{ 0x80000006, 0, 0, 0, 0x08007040, 0, false },
	{ 0x80000007, 0, 0, 0, 0, 0x100, false },
	{ 0x80000008, 0, 0x3934, 0x0100d200, 0x7777, 0, false },
};

/* Zen 2 with SVM. */
static const struct vc__cpuid_leaf amd_leaves[] = {
	{ 0x0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65, false },
	{ 0x1, 0, 0x830f10, 0x09400800, 0xfef83203, 0x178bfbff, false },
	{ 0x6, 0, 0x4, 0, 0, 0, false },
	{ 0x7, 0, 0, 0x219c01a9, 0x00000004, 0, true },
	{ 0xb, 0, 1, 2, 0x100, 9, true },
	{ 0xb, 1, 7, 128, 0x201, 9, true },
	{ 0xd, 0, 0x7, 0x340, 0x340, 0, true },
	{ 0xd, 1, 0xf, 0x340, 0, 0, true },
	{ 0xd, 2, 0x100, 0x240, 0, 0, true },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d, false },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0, false },
	{ 0x80000000, 0, 0x80000021, 0x68747541, 0x444d4163, 0x69746e65, false },
	{ 0x80000001, 0, 0x830f10, 0, 0x00c001f7, 0x2fd3fbff, false },
	{ 0x80000007, 0, 0, 0, 0, 0x100, false },
	{ 0x80000008, 0, 0x3030, 0x0100d205, 0x707f, 0, false },
	{ 0x8000000a, 0, 1, 8, 0, 0x0001bcff, false },
	{ 0x8000001d, 0, 0x4121, 0x01c0003f, 0x3f, 0, true },
	{ 0x8000001d, 1, 0x4122, 0x01c0003f, 0x3f, 0, true },
	{ 0x8000001d, 2, 0x4143, 0x01c0003f, 0x3ff, 2, true },
	{ 0x8000001d, 3, 0x1c163, 0x03c0003f, 0x3fff, 1, true },
	{ 0x8000001e, 0, 9, 0x104, 0x003, 0, false },
	{ 0x80000021, 0, 0x45, 0, 0, 0, false },
	{ 0x80000026, 0, 1, 2, 0x100, 9, true },
};

static const struct vc__cpuid_host intel = { "test", intel_leaves, ARRAY_LEN(intel_leaves), 4095 };
static const struct vc__cpuid_host amd = { "test", amd_leaves, ARRAY_LEN(amd_leaves), 4095 };

/* A model's leaves for one vCPU. */
struct table {
	struct vc__cpuid_leaf leaves[VC__CPUID_LEAVES_MAX];
	size_t nr;
};

static inline void read_table(const struct vc_cpu_model *model, uint32_t idx, struct table *ret)
{
	int nr = vc__cpu_model_cpuid(model, idx, ret->leaves, ARRAY_LEN(ret->leaves));

	assert_true(nr > 0);
	ret->nr = (size_t)nr;
}

/* A leaf of a table; absent ones are all zeros, as a CPU answers. */
static inline struct vc__cpuid_leaf leaf_of(struct table *table, uint32_t function, uint32_t index)
{
	static const struct vc__cpuid_leaf zeros;
	const struct vc__cpuid_leaf *leaf =
		vc__cpuid_find(table->leaves, table->nr, function, index);

	return leaf ? *leaf : zeros;
}

static inline bool has(struct table *table, const char *name)
{
	int feature = vc__feature_find(name);

	assert_true(feature >= 0);
	const struct vc__cpu_word_place *at = vc__feature_place((unsigned int)feature / 32);
	struct vc__cpuid_leaf leaf = leaf_of(table, at->function, at->index);

	return *vc__cpuid_reg(&leaf, at->reg) >> feature % 32 & 1;
}

/* Makes a model of one vCPU from a list of features, and reads its table. */
static inline int make_table(const struct vc__cpuid_host *host, const char *name,
			     const char *const *features, size_t nr_features, struct table *ret)
{
	struct vc_cpu_model_config cfg = {
		.size = sizeof(cfg),
		.name = name,
		.features = features,
		.nr_features = nr_features,
		.nr_vcpus = 1,
	};
	struct vc_cpu_model *model = NULL;
	int r = vc__cpu_model_create(host, &cfg, &model);

	if (r < 0) {
		assert_null(model);
		return r;
	}
	read_table(model, 0, ret);
	vc_cpu_model_destroy(model);
	return 0;
}

#endif /* VC_TESTS_CPUID_FIXTURE_H */
