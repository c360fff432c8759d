/* SPDX-License-Identifier: Apache-2.0 */
/* Topology: APIC ids, and leaves that a decoder written from the manuals takes apart again. */
#include "cpuid_fixture.h"

static struct vc__topology topo(uint32_t sockets, uint32_t dies, uint32_t cores, uint32_t threads,
				uint32_t vcpus)
{
	struct vc_cpu_model_config cfg = {
		.size = sizeof(cfg),
		.nr_sockets = sockets,
		.nr_dies = dies,
		.nr_cores = cores,
		.nr_threads = threads,
		.nr_vcpus = vcpus,
	};
	struct vc__topology t;

	assert_result(vc__topology_init(&t, &cfg), 0);
	return t;
}

static void defaults(void **state)
{
	struct vc__topology t = topo(0, 0, 0, 0, 6);

	(void)state;
	assert_int_equal(t.nr_sockets, 1);
	assert_int_equal(t.nr_dies, 1);
	assert_int_equal(t.nr_cores, 6);
	assert_int_equal(t.nr_threads, 1);
	assert_int_equal(t.socket_shift, 3);
	t = topo(2, 0, 0, 2, 9);
	assert_int_equal(t.nr_cores, 3); /* 2 x 3 x 2 holds 9 */
}

static void ids_are_packed_by_powers_of_two(void **state)
{
	struct vc__topology t = topo(2, 3, 3, 2, 36);

	(void)state;
	assert_int_equal(t.core_shift, 1);
	assert_int_equal(t.die_shift, 3);
	assert_int_equal(t.socket_shift, 5);
	assert_int_equal(vc__topology_apic_id(&t, 0), 0);
	assert_int_equal(vc__topology_apic_id(&t, 1), 1);
	assert_int_equal(vc__topology_apic_id(&t, 5), 2 << 1 | 1);
	assert_int_equal(vc__topology_apic_id(&t, 6), 1 << 3);
	assert_int_equal(vc__topology_apic_id(&t, 18), 1 << 5);
	assert_int_equal(vc__topology_apic_id(&t, 35), 1 << 5 | 2 << 3 | 2 << 1 | 1);
}

static void ids_are_distinct(void **state)
{
	static const uint32_t shapes[][4] = {
		{ 1, 1, 255, 1 }, { 3, 2, 5, 3 },  { 255, 1, 1, 1 },
		{ 1, 1, 1, 255 }, { 2, 4, 16, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const uint32_t *s = shapes[i];
		uint32_t nr = s[0] * s[1] * s[2] * s[3], last = 0;
		struct vc__topology t = topo(s[0], s[1], s[2], s[3], nr);

		for (uint32_t idx = 0; idx < nr; idx++) {
			uint32_t id = vc__topology_apic_id(&t, idx);

			assert_true(idx == 0 ? id == 0 : id > last);
			last = id;
		}
	}
}

static void refusals(void **state)
{
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg) };
	struct vc__topology t, before;

	(void)state;
	memset(&t, 0x5a, sizeof(t));
	before = t;
	assert_refused(vc__topology_init(&t, &cfg), -EINVAL, "0 vCPUs");
	cfg.nr_vcpus = 9;
	cfg.nr_sockets = 2;
	cfg.nr_cores = 4;
	assert_refused(vc__topology_init(&t, &cfg), -EINVAL,
		       "2 sockets x 1 dies x 4 cores x 1 threads does not hold 9 vCPUs");
	cfg.nr_sockets = cfg.nr_dies = cfg.nr_cores = cfg.nr_threads = UINT32_MAX;
	assert_refused(vc__topology_init(&t, &cfg), -EINVAL, "more than 31 bits");
	cfg.nr_cores = 0;
	assert_refused(vc__topology_init(&t, &cfg), -EINVAL, "more than 31 bits");
	assert_memory_equal(&t, &before, sizeof(t));
}

/* The leaves of vCPU @idx of a model of that shape. */
static struct vc_cpu_model *make(const struct vc__cpuid_host *host, uint32_t sockets, uint32_t dies,
				 uint32_t cores, uint32_t threads)
{
	struct vc_cpu_model_config cfg = {
		.size = sizeof(cfg),
		.nr_sockets = sockets,
		.nr_dies = dies,
		.nr_cores = cores,
		.nr_threads = threads,
		.nr_vcpus = sockets * dies * cores * threads,
	};
	struct vc_cpu_model *model = NULL;

	assert_result(vc__cpu_model_create(host, &cfg, &model), 0);
	return model;
}

/*
 * What an operating system makes of leaf 0xB or 0x1F [SDM 3A 9.9.5]: shifts by level type, counts,
 * x2APIC id.
 */
struct decoded {
	uint32_t id, shift[6], nr[6];
};

static struct decoded decode(struct table *table, uint32_t function)
{
	struct decoded d = { 0 };

	for (uint32_t i = 0;; i++) {
		struct vc__cpuid_leaf leaf = leaf_of(table, function, i);
		uint32_t type = leaf.ecx >> 8 & 0xff;

		assert_true(i < 6);
		if (i == 0)
			d.id = leaf.edx;
		else if (type)
			assert_int_equal(leaf.edx, d.id);
		if (!type || !leaf.ebx)
			break;
		assert_int_equal(leaf.ecx & 0xff, i);
		d.shift[type] = leaf.eax & 0x1f;
		d.nr[type] = leaf.ebx & 0xffff;
	}
	return d;
}

static void intel_leaves_decode(void **state)
{
	struct vc_cpu_model *model = make(&intel, 2, 1, 3, 2);
	struct table table;

	(void)state;
	for (uint32_t idx = 0; idx < 12; idx++) {
		read_table(model, idx, &table);
		struct decoded d = decode(&table, 0xb);

		assert_int_equal(d.id, (idx / 6) << 3 | (idx % 6));
		assert_int_equal(d.shift[1], 1);
		assert_int_equal(d.shift[2], 3);
		assert_int_equal(d.nr[1], 2);
		assert_int_equal(d.nr[2], 6);
		assert_int_equal(leaf_of(&table, 1, 0).ebx, d.id << 24 | 8 << 16 | 0x0800);
		assert_true(has(&table, "ht"));
		assert_int_equal(leaf_of(&table, 0x1f, 0).ebx, 0);
	}
	vc_cpu_model_destroy(model);
}

static void dies_are_told_by_leaf_1f(void **state)
{
	struct vc_cpu_model *model = make(&intel, 2, 2, 2, 2);
	struct table table;

	(void)state;
	read_table(model, 13, &table);
	struct decoded b = decode(&table, 0xb), f = decode(&table, 0x1f);

	assert_int_equal(f.id, 13);
	assert_int_equal(f.shift[1], 1);
	assert_int_equal(f.shift[2], 2);
	assert_int_equal(f.shift[5], 3);
	assert_int_equal(f.nr[2], 4);
	assert_int_equal(f.nr[5], 8);
	assert_int_equal(b.shift[2], 3); /* leaf 0xB has no dies: all cores of the socket */
	assert_int_equal(b.nr[2], 8);
	assert_true(leaf_of(&table, 0, 0).eax >= 0x1f);
	vc_cpu_model_destroy(model);
}

static void caches_are_shared_inside(void **state)
{
	struct vc_cpu_model *model = make(&intel, 1, 2, 5, 2);
	struct table table;

	(void)state;
	read_table(model, 0, &table);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(leaf_of(&table, 4, i).eax >> 14 & 0xfff, 1);
		assert_int_equal(leaf_of(&table, 4, i).eax >> 26, 15); /* 2 dies x 5 cores */
		assert_int_equal(leaf_of(&table, 4, i).ebx, intel_leaves[3 + i].ebx);
	}
	assert_int_equal(leaf_of(&table, 4, 3).eax >> 14 & 0xfff, 15); /* one die */
	assert_int_equal(leaf_of(&table, 4, 4).eax, 0);
	vc_cpu_model_destroy(model);
}

static void one_cpu_is_no_topology(void **state)
{
	struct vc_cpu_model *model = make(&intel, 1, 1, 1, 1);
	struct table table;

	(void)state;
	read_table(model, 0, &table);
	assert_false(has(&table, "ht"));
	assert_int_equal(leaf_of(&table, 1, 0).ebx, 1 << 16 | 0x0800);
	assert_int_equal(leaf_of(&table, 4, 3).eax >> 14, 0);
	assert_int_equal(leaf_of(&table, 0x80000008, 0).ecx, 0); /* AMD's field */
	vc_cpu_model_destroy(model);
}

static void amd_leaves_decode(void **state)
{
	struct vc_cpu_model *model = make(&amd, 2, 2, 3, 2);
	struct table table;

	(void)state;
	for (uint32_t idx = 0; idx < 24; idx++) {
		read_table(model, idx, &table);
		uint32_t id = (idx / 12) << 4 | (idx / 6 % 2) << 3 | idx % 6;
		struct vc__cpuid_leaf e = leaf_of(&table, 0x8000001e, 0);

		assert_int_equal(decode(&table, 0xb).id, id);
		assert_int_equal(e.eax, id);
		assert_int_equal(e.ebx >> 8 & 0xff, 1);		/* threads per core - 1 */
		assert_int_equal(e.ebx & 0xff, (id & 15) >> 1); /* core in its socket */
		assert_int_equal(e.ecx >> 8 & 7, 1);		/* nodes per socket - 1 */
		assert_int_equal(e.ecx & 0xff, idx / 6);	/* node */
		assert_int_equal(leaf_of(&table, 0x80000008, 0).ecx & 0xff, 11);
		assert_int_equal(leaf_of(&table, 0x80000008, 0).ecx >> 12 & 15, 4);
		assert_int_equal(leaf_of(&table, 0x80000026, 0).ebx, 0);
		assert_int_equal(leaf_of(&table, 0x1f, 0).ebx, 0);
		assert_true(has(&table, "cmp_legacy"));
	}
	assert_int_equal(leaf_of(&table, 0x8000001d, 2).eax >> 14 & 0xfff, 1);
	assert_int_equal(leaf_of(&table, 0x8000001d, 3).eax >> 14 & 0xfff, 7);
	vc_cpu_model_destroy(model);
}

static void wide_fields_saturate(void **state)
{
	struct vc_cpu_model *model = make(&intel, 1, 1, 300, 2);
	struct table table;

	(void)state;
	read_table(model, 599, &table);
	assert_int_equal(leaf_of(&table, 1, 0).ebx >> 16 & 0xff, 255);
	assert_int_equal(leaf_of(&table, 1, 0).ebx >> 24, 599 & 0xff);
	assert_int_equal(decode(&table, 0xb).id, 599);
	assert_int_equal(leaf_of(&table, 4, 0).eax >> 26, 63);
	vc_cpu_model_destroy(model);
	model = make(&amd, 1, 1, 300, 1);
	read_table(model, 0, &table);
	assert_int_equal(leaf_of(&table, 0x80000008, 0).ecx & 0xff, 255);
	assert_int_equal(leaf_of(&table, 0x8000001d, 3).eax >> 14 & 0xfff, 511);
	vc_cpu_model_destroy(model);
}

static void lists_fill_up(void **state)
{
	struct vc__cpuid_leaf leaves[2];
	struct vc__cpuid_list list = { leaves, 0, 2 };
	struct vc__topology t = topo(1, 1, 4, 1, 4);

	(void)state;
	assert_int_equal(vc__topology_write(&t, false, &list), -E2BIG);
	assert_int_equal(list.nr, 2);
	vc__cpuid_remove(&list, 0xb);
	assert_int_equal(list.nr, 0);
	assert_ptr_equal(vc__cpuid_add(&list, 4, 1, true), &leaves[0]);
	assert_ptr_equal(vc__cpuid_add(&list, 4, 2, true), &leaves[1]);
	assert_ptr_equal(vc__cpuid_add(&list, 4, 1, true), &leaves[0]);
	assert_null(vc__cpuid_add(&list, 4, 3, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(ids_are_packed_by_powers_of_two),
		cmocka_unit_test(ids_are_distinct),
		cmocka_unit_test(refusals),
		cmocka_unit_test(intel_leaves_decode),
		cmocka_unit_test(dies_are_told_by_leaf_1f),
		cmocka_unit_test(caches_are_shared_inside),
		cmocka_unit_test(one_cpu_is_no_topology),
		cmocka_unit_test(amd_leaves_decode),
		cmocka_unit_test(wide_fields_saturate),
		cmocka_unit_test(lists_fill_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
