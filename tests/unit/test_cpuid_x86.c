/* SPDX-License-Identifier: Apache-2.0 */
/* CPU models: names, feature lists, refusals, nested virtualization, description. */
#include "cpuid_fixture.h"

/* Fails the allocation that a test asks for; see WRAP in cpu.cmake. */
static int fail_calloc;
void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size)
{
	return fail_calloc && fail_calloc-- == 1 ? NULL : __real_calloc(nr, size);
}

static struct vc_host *open_fake(void)
{
	struct vc_host_config cfg = { .size = sizeof(cfg), .backend = VC_BACKEND_FAKE };
	struct vc_host *host = NULL;

	assert_result(vc_host_open(&cfg, &host), 0);
	return host;
}

static void host_gives_what_it_can(void **state)
{
	static const char *const there[] = {
		"avx512f", "avx2",	 "x2apic",    "tsc_deadline_timer",
		"lm",	   "hypervisor", "kvmclock",  "kvm_steal_time",
		"erms",	   "invtsc",	 "kvm_pv_eoi"
	};
	struct table table;

	(void)state;
	assert_result(make_table(&intel, "host", NULL, 0, &table), 0);
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		assert_true(has(&table, there[i]));
	assert_false(has(&table, "vmx"));
	assert_int_equal(leaf_of(&table, 1, 0).eax, 0x806f8);
	assert_int_equal(leaf_of(&table, 0xa, 0).eax, 0x07300402);
	assert_int_equal(leaf_of(&table, 0x80000008, 0).eax, 0x3934);
	assert_int_equal(leaf_of(&table, 0x40000000, 0).ebx, 0x4b4d564b);
}

static void host_keeps_bits_without_a_name(void **state)
{
	struct vc__cpuid_leaf leaves[ARRAY_LEN(intel_leaves)];
	struct vc__cpuid_host host = intel;
	struct table table;

	(void)state;
	memcpy(leaves, intel_leaves, sizeof(leaves));
	host.leaves = leaves;
	leaves[9].edx |= 1u << 5; /* leaf 7, no name in the table */
	assert_result(make_table(&host, "host", NULL, 0, &table), 0);
	assert_int_equal(leaf_of(&table, 7, 0).edx >> 5 & 1, 1);
	assert_result(make_table(&host, "x86-64-v3", NULL, 0, &table), 0);
	assert_int_equal(leaf_of(&table, 7, 0).edx >> 5 & 1, 0);
}

static void levels(void **state)
{
	struct table two, three;

	(void)state;
	assert_result(make_table(&intel, "x86-64-v2", NULL, 0, &two), 0);
	assert_result(make_table(&intel, "x86-64-v3", NULL, 0, &three), 0);
	assert_true(has(&two, "sse4_2") && has(&two, "cx16") && has(&two, "popcnt"));
	assert_false(has(&two, "xsave") || has(&two, "avx") || has(&two, "bmi1"));
	assert_true(has(&two, "x2apic") && has(&two, "tsc_deadline_timer") &&
		    has(&two, "hypervisor") && has(&two, "kvmclock") && has(&two, "invtsc"));
	assert_int_equal(leaf_of(&two, 0xd, 0).eax, 0);
	assert_true(has(&three, "avx2") && has(&three, "fma") && has(&three, "movbe") &&
		    has(&three, "abm"));
	assert_false(has(&three, "avx512f") || has(&three, "erms") || has(&three, "amx_tile"));
	assert_int_equal(leaf_of(&three, 0xd, 0).eax, 7);
	assert_int_equal(leaf_of(&three, 0xd, 0).ecx, 0x340);
	assert_int_equal(leaf_of(&three, 0xa, 0).eax, 0); /* no counters */
	assert_int_equal(leaf_of(&three, 0, 0).ebx, 0x756e6547);
}

static void levels_on_amd(void **state)
{
	struct table table;

	(void)state;
	assert_result(make_table(&amd, "x86-64-v3", NULL, 0, &table), 0);
	assert_true(has(&table, "avx2") && has(&table, "topoext") && has(&table, "ibpb"));
	assert_false(has(&table, "svm") || has(&table, "sse4a"));
	assert_int_equal(leaf_of(&table, 0x8000000a, 0).ebx, 0);
	/* the mirror of leaf 1 stays a mirror, less what only 0x80000001 has */
	assert_int_equal(leaf_of(&table, 0x80000001, 0).edx & 0x0183f3ff,
			 leaf_of(&table, 1, 0).edx & 0x0183f3ff);
}

static void taking_out_a_base(void **state)
{
	static const char *const list[] = { "-avx" };
	struct table table;

	(void)state;
	assert_result(make_table(&intel, "host", list, 1, &table), 0);
	assert_false(has(&table, "avx") || has(&table, "avx2") || has(&table, "avx512vl") ||
		     has(&table, "fma") || has(&table, "vaes"));
	assert_true(has(&table, "xsave") && has(&table, "aes"));
}

static void adding_brings_bases(void **state)
{
	static const char *const list[] = { "+avx2", "+kvm-hint-dedicated" };
	struct table table;
	struct vc__cpuid_leaf leaves[ARRAY_LEN(intel_leaves)];
	struct vc__cpuid_host host = intel;

	(void)state;
	memcpy(leaves, intel_leaves, sizeof(leaves));
	host.leaves = leaves;
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++)
		if (leaves[i].function == 0x40000001)
			leaves[i].edx = 1;
	assert_result(make_table(&host, "x86-64-v2", list, 2, &table), 0);
	assert_true(has(&table, "avx2") && has(&table, "avx") && has(&table, "xsave"));
	assert_false(has(&table, "fma"));
	assert_int_equal(leaf_of(&table, 0xd, 0).eax, 7);
	assert_true(has(&table, "kvm_hint_dedicated"));
}

static void order_does_not_matter(void **state)
{
	static const char *const a[] = { "-avx512f", "+sse4a", "-pku", "-sse4a" };
	static const char *const b[] = { "+pcid", "-pku", "-avx512f" };
	static const char *const c[] = { "-avx512f", "+pcid", "-pku" };
	struct table one, two;

	(void)state;
	assert_refused(make_table(&intel, "host", a, 4, &one), -EINVAL, "sse4a is both");
	assert_result(make_table(&intel, "host", b, 3, &one), 0);
	assert_result(make_table(&intel, "host", c, 3, &two), 0);
	assert_int_equal(one.nr, two.nr);
	assert_memory_equal(one.leaves, two.leaves, one.nr * sizeof(one.leaves[0]));
}

static void what_the_host_lacks_is_named(void **state)
{
	static const char *const sse4a[] = { "+sse4a" }, *const amx[] = { "+amx_tile" };
	static const char *const several[] = { "+sse4a", "+xop", "+avic" };
	static const char *const absent[] = { "-sse4a" };
	struct table table;

	(void)state;
	assert_refused(make_table(&intel, "host", sse4a, 1, &table), -ENOTSUP,
		       "(test) lacks CPU feature sse4a,");
	assert_refused(make_table(&intel, "host", amx, 1, &table), -ENOTSUP, "amx_tile");
	/* sse4a, xop, avic and svm, which avic needs and this host has not */
	assert_refused(make_table(&intel, "host", several, 3, &table), -ENOTSUP, "and 3 more");
	assert_result(make_table(&intel, "host", absent, 1, &table), 0);
}

static void level_on_a_host_below_it(void **state)
{
	static const char *const without[] = { "-pni" };
	struct vc__cpuid_leaf leaves[ARRAY_LEN(intel_leaves)];
	struct vc__cpuid_host host = intel;
	struct table table;

	(void)state;
	memcpy(leaves, intel_leaves, sizeof(leaves));
	host.leaves = leaves;
	leaves[1].ecx &= ~1u; /* pni, and so all that needs it */
	assert_refused(make_table(&host, "x86-64-v2", NULL, 0, &table), -ENOTSUP,
		       "lacks CPU feature pni and 3 more");
	assert_result(make_table(&host, "host", NULL, 0, &table), 0);
	assert_false(has(&table, "sse4_2"));
	assert_result(make_table(&host, "x86-64-v2", without, 1, &table), 0);
	assert_true(has(&table, "popcnt"));
}

static void lists_that_make_no_sense(void **state)
{
	static const struct {
		const char *list[2];
		const char *message;
	} cases[] = {
		{ { "avx2" }, "\"avx2\": expected + or -" },
		{ { "" }, "\"\": expected + or -" },
		{ { "+" }, "unknown CPU feature \"\"" },
		{ { "+avx3" }, "unknown CPU feature \"avx3\"" },
		{ { "-AVX2" }, "unknown CPU feature \"AVX2\"" },
		{ { "+ht" }, "ht follows from the topology" },
		{ { "-cmp_legacy" }, "cmp_legacy follows from the topology" },
		{ { "+avx2", "-avx2" }, "avx2 is both" },
		{ { "+avx2", "-avx" }, "avx is both" },
		{ { "-xsave", "+avx512f" }, "xsave is both" },
		{ { "+avx2", NULL }, "\"(null)\": expected + or -" },
	};
	struct table table;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_refused(make_table(&intel, "host", cases[i].list,
					  cases[i].list[1] || i == 10 ? 2 : 1, &table),
			       -EINVAL, cases[i].message);
	assert_refused(make_table(&intel, "host", NULL, 1, &table), -EINVAL,
		       "1 CPU features at NULL");
	assert_refused(make_table(&intel, "qemu64", NULL, 0, &table), -EINVAL,
		       "unknown CPU model \"qemu64\": expected host, x86-64-v2 or x86-64-v3");
}

static void nested(void **state)
{
	static const char *const clash[] = { "-svm" }, *const less[] = { "-npt" };
	static const char *const by_name[] = { "+vmx" };
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg), .nr_vcpus = 1, .has_nested = true };
	struct vc_cpu_model *model = NULL;
	struct table table;

	(void)state;
	cfg.name = "x86-64-v3";
	assert_result(vc__cpu_model_create(&amd, &cfg, &model), 0);
	read_table(model, 0, &table);
	vc_cpu_model_destroy(model);
	assert_true(has(&table, "svm") && has(&table, "npt") && has(&table, "vgif"));
	assert_int_equal(leaf_of(&table, 0x8000000a, 0).ebx, 8);
	assert_false(has(&table, "vmx"));

	cfg.features = less;
	cfg.nr_features = 1;
	assert_result(vc__cpu_model_create(&amd, &cfg, &model), 0);
	read_table(model, 0, &table);
	vc_cpu_model_destroy(model);
	assert_true(has(&table, "svm") && !has(&table, "npt"));

	model = NULL;
	cfg.features = clash;
	assert_refused(vc__cpu_model_create(&amd, &cfg, &model), -EINVAL, "svm is both");
	assert_null(model);

	cfg.features = NULL;
	cfg.nr_features = 0;
	assert_result(vc__cpu_model_create(&intel, &cfg, &model), 0);
	read_table(model, 0, &table);
	vc_cpu_model_destroy(model);
	assert_true(has(&table, "vmx"));
	assert_result(make_table(&intel, "host", by_name, 1, &table), 0);
	assert_true(has(&table, "vmx"));
}

static void apic_ids(void **state)
{
	struct vc_cpu_model_config cfg = {
		.size = sizeof(cfg), .nr_vcpus = 5, .nr_cores = 3, .nr_sockets = 2
	};
	struct vc__cpuid_host small = intel;
	struct vc__cpuid_leaf leaf;
	struct vc_cpu_model *model = NULL;
	uint32_t id = 77;

	(void)state;
	assert_result(vc__cpu_model_create(&intel, &cfg, &model), 0);
	assert_result(vc_cpu_model_apic_id(model, 4, &id), 0);
	assert_int_equal(id, 5);
	assert_refused(vc_cpu_model_apic_id(model, 5, &id), -EINVAL, "vCPU 5: model has 5");
	assert_refused(vc_cpu_model_apic_id(NULL, 0, &id), -EINVAL, "vCPU 0");
	assert_refused(vc_cpu_model_apic_id(model, 0, NULL), -EINVAL, "vCPU 0");
	assert_int_equal(id, 5);
	assert_refused(vc__cpu_model_cpuid(model, 5, &leaf, 1), -EINVAL, "made for 5 vCPUs");
	leaf.function = 0x1234;
	assert_true(vc__cpu_model_cpuid(model, 0, &leaf, 1) > 1);
	assert_int_equal(leaf.function, 0x1234);
	vc_cpu_model_destroy(model);

	small.max_apic_id = 4;
	model = NULL;
	assert_refused(vc__cpu_model_create(&small, &cfg, &model), -EINVAL,
		       "needs APIC id 5, the highest here is 4");
	assert_null(model);
}

static void from_an_open_host(void **state)
{
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg), .nr_vcpus = 2 };
	struct vc_host *host = open_fake();
	struct vc_cpu_model *model = NULL;

	(void)state;
	cfg.name = "x86-64-v3";
	cfg.has_nested = true;
	assert_result(vc_cpu_model_create(host, &cfg, &model), 0);
	vc_cpu_model_destroy(model);
	vc_cpu_model_destroy(NULL);

	model = NULL;
	assert_refused(vc_cpu_model_create(NULL, &cfg, &model), -EINVAL, "no host");
	assert_refused(vc_cpu_model_create(host, &cfg, NULL), -EINVAL, "no place");
	assert_int_equal(vc_cpu_model_create(host, NULL, &model), -EINVAL);
	cfg.nr_vcpus = 0;
	assert_refused(vc_cpu_model_create(host, &cfg, &model), -EINVAL, "0 vCPUs");
	cfg.nr_vcpus = 5000;
	assert_refused(vc_cpu_model_create(host, &cfg, &model), -EINVAL, "APIC id 4999");
	cfg.size = 3;
	assert_int_equal(vc_cpu_model_create(host, &cfg, &model), -EINVAL);
	assert_null(model);
	vc_host_close(host);
}

static void newer_callers(void **state)
{
	struct {
		struct vc_cpu_model_config cfg;
		uint64_t later;
	} big = { .cfg = { .size = sizeof(big), .nr_vcpus = 1 } };
	struct vc_host *host = open_fake();
	struct vc_cpu_model *model = NULL;

	(void)state;
	big.later = 1;
	assert_int_equal(vc_cpu_model_create(host, &big.cfg, &model), -E2BIG);
	assert_null(model);
	big.later = 0;
	assert_result(vc_cpu_model_create(host, &big.cfg, &model), 0);
	vc_cpu_model_destroy(model);
	vc_host_close(host);
}

struct text {
	char all[16384];
	size_t len;
};

static void collect(void *opaque, const char *line)
{
	struct text *text = opaque;

	assert_true(strlen(line) < 100 && !strchr(line, '\n'));
	text->len += (size_t)snprintf(text->all + text->len, sizeof(text->all) - text->len, "%s\n",
				      line);
	assert_true(text->len < sizeof(text->all));
}

static void description(void **state)
{
	static const char *const list[] = { "-kvmclock" };
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg),
					   .nr_vcpus = 4,
					   .nr_threads = 2,
					   .features = list,
					   .nr_features = 1 };
	struct vc_cpu_model *model = NULL;
	struct text text = { 0 };

	(void)state;
	assert_result(vc__cpu_model_create(&intel, &cfg, &model), 0);
	assert_result(vc_cpu_model_describe(model, collect, &text), 0);
	assert_non_null(strstr(text.all, "model: host\n"));
	assert_non_null(strstr(text.all, "1 sockets, 1 dies, 2 cores, 2 threads for 4 vCPUs\n"));
	assert_non_null(strstr(text.all, " avx512f "));
	assert_non_null(strstr(text.all, " kvm_steal_time"));
	assert_null(strstr(text.all, " kvmclock "));
	assert_non_null(strstr(text.all, "cpuid 0000000b.01: eax 00000002 ebx 00000004"));
	assert_refused(vc_cpu_model_describe(NULL, collect, &text), -EINVAL, "nothing");
	assert_refused(vc_cpu_model_describe(model, NULL, NULL), -EINVAL, "nowhere");
	vc_cpu_model_destroy(model);
}

static void no_memory(void **state)
{
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg), .nr_vcpus = 1 };
	struct vc_cpu_model *model = NULL;

	(void)state;
	fail_calloc = 1;
	assert_refused(vc__cpu_model_create(&intel, &cfg, &model), -ENOMEM, "no memory");
	assert_null(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_gives_what_it_can),
		cmocka_unit_test(host_keeps_bits_without_a_name),
		cmocka_unit_test(levels),
		cmocka_unit_test(levels_on_amd),
		cmocka_unit_test(taking_out_a_base),
		cmocka_unit_test(adding_brings_bases),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(what_the_host_lacks_is_named),
		cmocka_unit_test(level_on_a_host_below_it),
		cmocka_unit_test(lists_that_make_no_sense),
		cmocka_unit_test(nested),
		cmocka_unit_test(apic_ids),
		cmocka_unit_test(from_an_open_host),
		cmocka_unit_test(newer_callers),
		cmocka_unit_test(description),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
