/* SPDX-License-Identifier: Apache-2.0 */
/* Several vCPUs: all start, have the ids that the model says, get interrupts; memory of every size. */
#include "machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>

static bool is_long;

/* Leaf 0xb of each vCPU and its APIC ids, as the guest sees them, are those of the model. */
static void check_topology(struct machine *m, uint32_t nr, const struct vc_cpu_model_config *cpu)
{
	struct vc_cpu_model_config cfg = *cpu;
	struct vc_cpu_model *model;

	cfg.size = sizeof(cfg);
	cfg.nr_vcpus = nr;
	assert_result(vc_cpu_model_create(m->host, &cfg, &model), 0);
	for (uint32_t i = 0; i < nr; i++) {
		unsigned int apic = 0, lapic = 0;
		uint32_t id;
		char key[32];
		const char *at;

		assert_result(vc_cpu_model_apic_id(model, i, &id), 0);
		snprintf(key, sizeof(key), "cpu %u apic=", i);
		at = strstr(m->console.text, key);
		assert_non_null(at);
		assert_int_equal(sscanf(at + strlen(key), "%u lapic=%u", &apic, &lapic), 2);
		assert_int_equal(apic, id);
		assert_int_equal(lapic, id);
		at = strstr(at, " b.0=");
		if (at != NULL) { /* EDX of each of its leaves is the x2APIC id */
			unsigned int a, b, c, d;

			assert_int_equal(sscanf(at, " b.0=%x,%x,%x,%x", &a, &b, &c, &d), 4);
			assert_int_equal(d, id);
			assert_int_equal(b & 0xffff, cpu->nr_threads ? cpu->nr_threads : 1);
		}
	}
	vc_cpu_model_destroy(model);
}

static void run_smp(uint32_t nr, enum vc_irqchip irqchip, const struct vc_cpu_model_config *cpu)
{
	struct machine_config cfg = { .guest = "smp.elf",
				      .cmdline = "adds=200",
				      .ram_bytes = MIB(64),
				      .vm = { .nr_vcpus = nr, .irqchip = irqchip, .cpu = cpu } };
	struct machine m;
	char text[64];

	machine_start(&m, &cfg);
	machine_done(&m, 0);
	snprintf(text, sizeof(text), "smp cpus=%u total=%u", nr, nr * 200);
	assert_true(console_has(&m, text));
	check_topology(&m, nr, cpu);
	machine_free(&m);
}

static void few(void **state)
{
	static const uint32_t nrs[] = { 1, 2, 4 };
	const struct vc_cpu_model_config plain = { .size = sizeof(plain), .nr_cores = 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nrs); i++) {
		run_smp(nrs[i], VC_IRQCHIP_KERNEL, &plain);
		run_smp(nrs[i], VC_IRQCHIP_SPLIT, &plain);
	}
}

static void topologies(void **state)
{
	const struct vc_cpu_model_config threads = { .size = sizeof(threads),
						     .nr_cores = 2,
						     .nr_threads = 2 };
	const struct vc_cpu_model_config sockets = {
		.size = sizeof(sockets), .nr_sockets = 2, .nr_cores = 3, .nr_threads = 1
	};

	(void)state;
	run_smp(4, VC_IRQCHIP_KERNEL, &threads);
	run_smp(6, VC_IRQCHIP_KERNEL, &sockets); /* ids with a gap */
}

static void most(void **state)
{
	const struct vc_cpu_model_config plain = { .size = sizeof(plain), .nr_cores = 0 };
	/* ids above 254: sockets of 3 cores leave gaps of one in four */
	const struct vc_cpu_model_config gaps = {
		.size = sizeof(gaps), .nr_sockets = 85, .nr_cores = 3, .nr_threads = 1
	};

	(void)state;
	if (is_in_lab() && !is_long)
		skip_case("255 vCPUs on a software CPU are for the long tier");
	run_smp(255, VC_IRQCHIP_KERNEL, &plain);
	if (is_long) {
		run_smp(255, VC_IRQCHIP_SPLIT, &plain);
		run_smp(255, VC_IRQCHIP_SPLIT, &gaps);
	}
}

static void too_many(void **state)
{
	struct machine_config cfg = { .guest = "smp.elf",
				      .vm = { .nr_vcpus = 256, .irqchip = VC_IRQCHIP_KERNEL } };
	struct machine m;

	(void)state;
	machine_make(&m, &cfg);
	assert_refused(vc_vm_build(m.vm), -EINVAL, "255");
	machine_free(&m);
}

/* The ends of every range of RAM hold what is written there; the sum is what was configured. */
static void run_memory(const char *guest, uint64_t bytes, uint64_t least)
{
	struct machine_config cfg = { .guest = guest, .ram_bytes = bytes };
	struct machine m;

	machine_start(&m, &cfg);
	machine_done(&m, 0);
	assert_true(console_number(&m, "bytes=") >= least);
	assert_true(console_number(&m, "bytes=") <= bytes);
	assert_false(console_has(&m, "BAD"));
	machine_free(&m);
}

static void memory_small(void **state)
{
	(void)state;
	run_memory("memtop.low.elf", MIB(1), 512 << 10);
	run_memory("memtop.elf", MIB(2), MIB(1));
	run_memory("memtop.elf", MIB(128), MIB(127));
}

static void memory_around_the_hole(void **state)
{
	(void)state;
	run_memory("memtop.elf", GIB(3), GIB(3) - MIB(1));
	run_memory("memtop.elf", GIB(3) + MIB(2), GIB(3) + MIB(1));
	run_memory("memtop.elf", GIB(5), GIB(5) - MIB(1));
}

static void memory_large(void **state)
{
	(void)state;
	run_memory("memtop.elf", GIB(64), GIB(64) - MIB(1));
}

static void memory_of_a_tebibyte(void **state)
{
	struct vc_host *host = NULL;
	uint64_t bits;

	(void)state;
	if (HAS_TSAN) {
		printf("1 TiB: not tried, the sanitizer leaves no room for it\n");
		return;
	}
	assert_result(vc_host_open(NULL, &host), 0);
	bits = vc_host_limit(host, VC_LIMIT_GPA_BITS);
	vc_host_close(host);
	if (bits <= 40)
		skip_case(
			"this host's guest addresses have 40 bits or fewer: 1 TiB is beyond them");
	run_memory("memtop.elf", GIB(1024), GIB(1024) - MIB(1));
}

/* Above what can be: refused, and the limit that was met is named. */
static void memory_beyond_limits(void **state)
{
	struct machine_config cfg = { .guest = "memtop.elf", .ram_bytes = 1ull << 56 };
	struct rlimit was, small;
	struct machine m;
	int r;

	(void)state;
	machine_make(&m, &cfg);
	r = vc_vm_build(m.vm);
	assert_true(r < 0);
	printf("2^56 bytes: %s\n", vc_error_message());
	assert_non_null(strstr(vc_error_message(), "1 TiB"));
	assert_int_equal(vc_vm_get_state(m.vm), VC_VM_NEW);
	machine_free(&m);

	cfg.ram_bytes = GIB(8);
	machine_make(&m, &cfg);
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	small = was;
	small.rlim_cur = GIB(2);
	/* a sanitizer's shadow is larger than any limit: then there is nothing to see here */
	assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
	r = vc_vm_build(m.vm);
	assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
	assert_int_equal(r, -ENOMEM);
	printf("8 GiB under RLIMIT_AS: %s\n", vc_error_message());
	assert_result(vc_vm_build(m.vm), 0); /* a failed build leaves nothing in the way */
	machine_free(&m);
}

static void memory_below_a_mebibyte(void **state)
{
	struct machine_config cfg = { .guest = "memtop.low.elf", .ram_bytes = 636 << 10 };
	struct machine m;

	(void)state;
	machine_make(&m, &cfg);
	assert_refused(vc_vm_build(m.vm), -ERANGE, "1 MiB");
	machine_free(&m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few),
		cmocka_unit_test(topologies),
		cmocka_unit_test(most),
		cmocka_unit_test(too_many),
		cmocka_unit_test(memory_small),
		cmocka_unit_test(memory_around_the_hole),
		cmocka_unit_test(memory_large),
		cmocka_unit_test(memory_of_a_tebibyte),
		cmocka_unit_test(memory_beyond_limits),
		cmocka_unit_test(memory_below_a_mebibyte),
	};

	need_kvm();
	is_long = argc > 1 && strcmp(argv[1], "long") == 0;
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
