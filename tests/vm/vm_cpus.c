/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU models as a guest meets them: what CPUID leaves 1, 0xB and 0x1F say on each vCPU of several
 * topologies, printed by the guest `smp` and compared with the APIC ids that the library gives out.
 */
#include "machine.h"

#include <inttypes.h>

struct shape {
	uint32_t sockets, dies, cores, threads;
};

/* AMD's CPUs tell dies elsewhere (0x8000001e): they have no leaf 0x1f. */
static bool has_die_leaf(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool is_intel = false;
	char line[256];

	assert_non_null(f);
	while (!is_intel && fgets(line, sizeof(line), f))
		is_intel = strstr(line, "GenuineIntel") != NULL;
	fclose(f);
	return is_intel;
}

/* The line of vCPU @idx: four registers of each leaf, as hexadecimal. */
static void expect_leaves(struct machine *m, uint32_t idx, uint32_t id, const struct shape *s)
{
	uint32_t core_shift = s->threads > 1, die_shift = core_shift + (s->cores > 1);
	uint32_t socket_shift = die_shift + (s->dies > 1);
	uint32_t all = s->dies * s->cores * s->threads;
	char text[160];

	snprintf(text, sizeof(text), "cpu %" PRIu32 " apic=%" PRIx32 " lapic=%" PRIx32 " ", idx, id,
		 id);
	if (!console_has(m, text))
		snprintf(text, sizeof(text), "cpu %" PRIu32 " apic=%" PRIu32 " lapic=%" PRIu32 " ",
			 idx, id, id);
	console_wait(m, text);
	snprintf(text, sizeof(text), " b.0=%x,%x,100,%x b.1=%x,%x,201,%x", core_shift, s->threads,
		 id, socket_shift, all, id);
	console_wait(m, text);
	if (s->dies == 1 || !has_die_leaf())
		return;
	snprintf(text, sizeof(text), " 1f.0=%x,%x,100,%x 1f.1=%x,%x,201,%x", core_shift, s->threads,
		 id, die_shift, s->cores * s->threads, id);
	console_wait(m, text);
}

static void run_shape(const struct shape *s)
{
	uint32_t nr = s->sockets * s->dies * s->cores * s->threads;
	struct vc_cpu_model_config model_cfg = { .size = sizeof(model_cfg),
						 .nr_vcpus = nr,
						 .nr_sockets = s->sockets,
						 .nr_dies = s->dies,
						 .nr_cores = s->cores,
						 .nr_threads = s->threads };
	struct machine_config cfg = {
		.guest = "smp.elf",
		.vm = { .nr_vcpus = nr, .irqchip = VC_IRQCHIP_KERNEL, .cpu = &model_cfg },
	};
	struct vc_cpu_model *model = NULL;
	struct machine m;

	machine_start(&m, &cfg);
	machine_done(&m, 0);
	assert_result(vc_cpu_model_create(m.host, &model_cfg, &model), 0);
	for (uint32_t idx = 0; idx < nr; idx++) {
		uint32_t id = 0;

		assert_result(vc_cpu_model_apic_id(model, idx, &id), 0);
		expect_leaves(&m, idx, id, s);
	}
	vc_cpu_model_destroy(model);
	machine_free(&m);
}

static void topologies(void **state)
{
	static const struct shape shapes[] = {
		{ 1, 1, 1, 1 }, { 1, 1, 2, 2 }, { 2, 1, 2, 1 }, { 1, 2, 1, 2 }, { 2, 2, 2, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		run_shape(&shapes[i]);
}

/* What the host lacks stops the build by name, and leaves the VM as it was. */
static void lacking_feature(void **state)
{
	static const char *const features[] = { "+avic", "+vmx" };
	const struct vc_cpu_model_config model = { .size = sizeof(model),
						   .features = features,
						   .nr_features = 2 };
	struct machine_config cfg = {
		.guest = "hello.elf",
		.vm = { .nr_vcpus = 1, .cpu = &model },
	};
	struct machine m;

	(void)state;
	machine_make(&m, &cfg);
	assert_int_equal(vc_vm_build(m.vm), -ENOTSUP);
	assert_non_null(strstr(vc_error_message(), "lacks CPU feature"));
	assert_int_equal(vc_vm_get_state(m.vm), VC_VM_NEW);
	machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topologies),
		cmocka_unit_test(lacking_feature),
	};

	need_kvm();
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
