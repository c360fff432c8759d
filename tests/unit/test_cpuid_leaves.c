/* SPDX-License-Identifier: Apache-2.0 */
/* Consistency of the leaves: XSAVE sizes follow features, maxima follow leaves, nothing is loose. */
#include "cpuid_fixture.h"

static void offered_is_consistent(void **state)
{
	struct vc__feature_set set;

	(void)state;
	vc__cpuid_offered(&intel, &set);
	assert_true(vc__feature_in(&set, VC__F_avx512_fp16));
	/* leaf 7 has AMX, leaf 0xD cannot save it */
	assert_false(vc__feature_in(&set, VC__F_amx_tile));
	assert_false(vc__feature_in(&set, VC__F_amx_int8));
	/* set by topology or by the CPU while it runs */
	assert_false(vc__feature_in(&set, VC__F_ht));
	assert_int_equal(set.words[VC__1_ECX] >> 27 & 1, 0);
	assert_int_equal(set.words[VC__7_ECX] >> 4 & 1, 0);
	vc__cpuid_offered(&amd, &set);
	assert_int_equal(set.words[VC__X1_EDX] & 0x0183f3ff, 0);
	assert_true(vc__feature_in(&set, VC__F_syscall));
}

static void empty_host_offers_nothing(void **state)
{
	const struct vc__cpuid_host none = { "test", NULL, 0, 0 };
	struct vc__feature_set set, zeros = { 0 };

	(void)state;
	vc__cpuid_offered(&none, &set);
	assert_memory_equal(&set, &zeros, sizeof(set));
}

/* Sizes as the manual has them: the last enabled component's end. [SDM 1 13.4] */
static void xsave_sizes_follow_features(void **state)
{
	static const struct {
		const char *feature;
		uint32_t xcr0, bytes;
	} cases[] = {
		{ "+avx", 0x2e7, 0xa88 },
		{ "-pku", 0xe7, 0xa80 },
		{ "-avx512f", 0x207, 0xa88 }, /* a hole: PKRU stays at its place */
		{ "-avx", 0x203, 0xa88 },
	};
	struct table table;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_result(make_table(&intel, "host", &cases[i].feature, 1, &table), 0);
		assert_int_equal(leaf_of(&table, 0xd, 0).eax, cases[i].xcr0);
		assert_int_equal(leaf_of(&table, 0xd, 0).ebx, 576);
		assert_int_equal(leaf_of(&table, 0xd, 0).ecx, cases[i].bytes);
		assert_int_equal(leaf_of(&table, 0xd, 1).ebx, 576);
		for (uint32_t c = 2; c < 10; c++)
			assert_int_equal(leaf_of(&table, 0xd, c).eax != 0, cases[i].xcr0 >> c & 1);
	}
}

static void supervisor_state_needs_xsaves(void **state)
{
	static const char *const no_xsaves[] = { "-xsaves" };
	static const char *const no_avx_pku[] = { "-avx", "-pku" };
	struct table table;

	(void)state;
	assert_result(make_table(&intel, "host", NULL, 0, &table), 0);
	assert_int_equal(leaf_of(&table, 0xd, 1).ecx, 0x1800);
	assert_int_equal(leaf_of(&table, 0xd, 11).eax, 0x10);
	assert_result(make_table(&intel, "host", no_xsaves, 1, &table), 0);
	assert_false(has(&table, "shstk"));
	assert_int_equal(leaf_of(&table, 0xd, 1).ecx, 0);
	assert_int_equal(leaf_of(&table, 0xd, 11).eax, 0);
	assert_result(make_table(&intel, "host", no_avx_pku, 2, &table), 0);
	assert_int_equal(leaf_of(&table, 0xd, 0).eax, 3);
	assert_int_equal(leaf_of(&table, 0xd, 0).ecx, 576);
}

static void no_xsave_empty_leaf(void **state)
{
	static const char *const list[] = { "-xsave" };
	struct table table;

	(void)state;
	assert_result(make_table(&intel, NULL, list, 1, &table), 0);
	for (size_t i = 0; i < table.nr; i++)
		if (table.leaves[i].function == 0xd)
			assert_int_equal(table.leaves[i].index | table.leaves[i].eax |
						 table.leaves[i].ebx | table.leaves[i].ecx,
					 0);
	assert_false(has(&table, "avx2"));
	assert_false(has(&table, "xsaveopt"));
	assert_true(has(&table, "aes"));
}

static void maxima_follow_leaves(void **state)
{
	struct table table;
	uint32_t max[2] = { 0, 0x80000000 };

	(void)state;
	assert_result(make_table(&intel, NULL, NULL, 0, &table), 0);
	for (size_t i = 0; i < table.nr; i++) {
		uint32_t f = table.leaves[i].function;

		if (f < 0x40000000 && f > max[0])
			max[0] = f;
		if (f >= 0x80000000 && f > max[1])
			max[1] = f;
	}
	assert_int_equal(leaf_of(&table, 0, 0).eax, max[0]);
	assert_int_equal(leaf_of(&table, 0x80000000, 0).eax, max[1]);
	assert_int_equal(leaf_of(&table, 0x40000000, 0).eax, 0x40000001);
	assert_int_equal(leaf_of(&table, 7, 0).eax, 2);
	assert_int_equal(max[0], 0xd); /* 0x1D needs AMX, 0x1F several dies */
}

static void sub_leaf_maximum(void **state)
{
	static const char *const list[] = { "-intel_psfd", "-ipred_ctrl", "-rrsba_ctrl",
					    "-bhi_ctrl" };
	struct table table;

	(void)state;
	assert_result(make_table(&intel, NULL, list, 4, &table), 0);
	assert_int_equal(leaf_of(&table, 7, 0).eax, 1);
	assert_int_equal(leaf_of(&table, 7, 2).edx, 0);
}

static void nothing_is_empty_or_double(void **state)
{
	struct table table;

	(void)state;
	assert_result(make_table(&intel, NULL, NULL, 0, &table), 0);
	for (size_t i = 0; i < table.nr; i++) {
		const struct vc__cpuid_leaf *a = &table.leaves[i];

		if (a->function & 0xfffffff)
			assert_true(a->eax | a->ebx | a->ecx | a->edx);
		for (size_t k = 0; k < i; k++)
			assert_false(a->function == table.leaves[k].function &&
				     a->index == table.leaves[k].index);
	}
}

static void hypervisor_leaves_go_with_the_bit(void **state)
{
	static const char *const list[] = { "-hypervisor" };
	struct table table;

	(void)state;
	assert_result(make_table(&intel, NULL, list, 1, &table), 0);
	for (size_t i = 0; i < table.nr; i++)
		assert_int_not_equal(table.leaves[i].function >> 28, 4);
	assert_false(has(&table, "hypervisor"));
}

static void no_lapic(void **state)
{
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg), .nr_vcpus = 2 };
	struct vc_cpu_model *model = NULL;
	struct table table;

	(void)state;
	assert_result(vc__cpu_model_create(&amd, &cfg, &model), 0);
	read_table(model, 1, &table);
	assert_true(has(&table, "x2apic") && has(&table, "kvm_pv_eoi"));
	assert_int_equal(leaf_of(&table, 0x80000001, 0).edx >> 9 & 1, 1);
	vc__cpuid_drop_lapic(model, table.leaves, table.nr);
	assert_false(has(&table, "apic") || has(&table, "x2apic") || has(&table, "kvm_pv_eoi") ||
		     has(&table, "kvm_asyncpf_int") || has(&table, "extapic"));
	assert_int_equal(leaf_of(&table, 0x80000001, 0).edx >> 9 & 1, 0);
	assert_true(has(&table, "kvmclock") && has(&table, "kvm_asyncpf") && has(&table, "ht"));
	vc_cpu_model_destroy(model);
}

static void too_many_leaves(void **state)
{
	struct vc__cpuid_leaf *many = calloc(VC__CPUID_LEAVES_MAX, sizeof(*many));
	const struct vc__cpuid_host host = { "test", many, VC__CPUID_LEAVES_MAX - 15, 4095 };
	struct table table;

	(void)state;
	assert_non_null(many);
	assert_refused(make_table(&host, NULL, NULL, 0, &table), -E2BIG, "241 CPUID leaves");
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offered_is_consistent),
		cmocka_unit_test(empty_host_offers_nothing),
		cmocka_unit_test(xsave_sizes_follow_features),
		cmocka_unit_test(supervisor_state_needs_xsaves),
		cmocka_unit_test(no_xsave_empty_leaf),
		cmocka_unit_test(maxima_follow_leaves),
		cmocka_unit_test(sub_leaf_maximum),
		cmocka_unit_test(nothing_is_empty_or_double),
		cmocka_unit_test(hypervisor_leaves_go_with_the_bit),
		cmocka_unit_test(no_lapic),
		cmocka_unit_test(too_many_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
