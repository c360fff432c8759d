/* SPDX-License-Identifier: Apache-2.0 */
/* Names and places of CPU features, against this machine's kernel; dependencies; levels. */
#include "unit.h"

#include "cpuid_features.h"

#include <errno.h>

static void names_go_both_ways(void **state)
{
	unsigned int nr = 0;

	(void)state;
	for (unsigned int f = 0; f < VC__CPU_WORDS * 32; f++) {
		const char *name = vc__feature_name(f);

		if (!name)
			continue;
		nr++;
		assert_int_equal(vc__feature_find(name), f);
	}
	assert_true(nr > 250);
	assert_int_equal(VC__F_avx2, VC__7_EBX * 32 + 5);
	assert_string_equal(vc__feature_name(VC__F_avx2), "avx2");
	assert_null(vc__feature_name(VC__1_EDX * 32 + 10));
}

static void other_spellings(void **state)
{
	(void)state;
	assert_int_equal(vc__feature_find("kvm-steal-time"), VC__F_kvm_steal_time);
	assert_int_equal(vc__feature_find("sse4.2"), VC__F_sse4_2);
	assert_int_equal(vc__feature_find("invtsc"), VC__F_nonstop_tsc);
	assert_int_equal(vc__feature_find("tsc-deadline"), VC__F_tsc_deadline_timer);
	assert_int_equal(vc__feature_find("lzcnt"), VC__F_abm);
}

static void unknown_names(void **state)
{
	(void)state;
	assert_int_equal(vc__feature_find(""), -ENOENT);
	assert_int_equal(vc__feature_find("avx22"), -ENOENT);
	assert_int_equal(vc__feature_find("av"), -ENOENT);
	assert_int_equal(vc__feature_find("AVX2"), -ENOENT);
	assert_int_equal(vc__feature_find("avx2 "), -ENOENT);
}

static void places_are_distinct(void **state)
{
	(void)state;
	for (unsigned int a = 0; a < VC__CPU_WORDS; a++) {
		const struct vc__cpu_word_place *p = vc__feature_place(a);

		assert_true(p->function != 0 && p->reg < 4);
		for (unsigned int b = 0; b < a; b++) {
			const struct vc__cpu_word_place *q = vc__feature_place(b);

			assert_false(p->function == q->function && p->index == q->index &&
				     p->reg == q->reg);
		}
	}
}

static struct vc__feature_set full_set(void)
{
	struct vc__feature_set set;

	memset(&set, 0xff, sizeof(set));
	return set;
}

static void closing_takes_dependants(void **state)
{
	struct vc__feature_set set = full_set();

	(void)state;
	vc__feature_close(&set);
	assert_true(vc__feature_in(&set, VC__F_avx512_fp16));

	vc__feature_drop(&set, VC__F_xsave);
	vc__feature_close(&set);
	assert_false(vc__feature_in(&set, VC__F_avx));
	assert_false(vc__feature_in(&set, VC__F_avx2));
	assert_false(vc__feature_in(&set, VC__F_avx512_vbmi2));
	assert_false(vc__feature_in(&set, VC__F_amx_int8));
	assert_false(vc__feature_in(&set, VC__F_pku));
	assert_true(vc__feature_in(&set, VC__F_sse4_2));
	assert_true(vc__feature_in(&set, VC__F_bmi2));
}

static void no_hypervisor_no_services(void **state)
{
	struct vc__feature_set set = full_set();

	(void)state;
	vc__feature_drop(&set, VC__F_hypervisor);
	vc__feature_close(&set);
	for (unsigned int f = VC__KVM_EAX * 32; f < VC__CPU_WORDS * 32; f++)
		if (vc__feature_name(f))
			assert_false(vc__feature_in(&set, f));
}

static void bases_come_along(void **state)
{
	struct vc__feature_set set = { 0 };

	(void)state;
	vc__feature_add(&set, VC__F_avx512_vbmi2);
	vc__feature_add_bases(&set);
	assert_true(vc__feature_in(&set, VC__F_avx512bw));
	assert_true(vc__feature_in(&set, VC__F_avx512f));
	assert_true(vc__feature_in(&set, VC__F_avx2));
	assert_true(vc__feature_in(&set, VC__F_xsave));
	assert_true(vc__feature_in(&set, VC__F_fpu));
	assert_false(vc__feature_in(&set, VC__F_fma));

	struct vc__feature_set closed = set;

	vc__feature_close(&closed);
	assert_memory_equal(&closed, &set, sizeof(set));
}

static void levels_hold_together(void **state)
{
	struct vc__feature_set two, three, wanted, closed;

	(void)state;
	vc__feature_level(2, &two, &wanted);
	vc__feature_level(3, &three, &wanted);
	for (unsigned int w = 0; w < VC__CPU_WORDS; w++)
		assert_int_equal(two.words[w] & ~three.words[w], 0);
	assert_true(vc__feature_in(&two, VC__F_cx16) && vc__feature_in(&two, VC__F_sse4_2));
	assert_false(vc__feature_in(&two, VC__F_avx));
	assert_true(vc__feature_in(&three, VC__F_avx2) && vc__feature_in(&three, VC__F_movbe));
	closed = three;
	vc__feature_close(&closed);
	assert_memory_equal(&closed, &three, sizeof(three));
}

/* The flags line of /proc/cpuinfo, with a space at both ends; NULL when there is none. */
static char *read_flags(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *line = NULL, *flags = NULL;
	size_t cap = 0;
	ssize_t len;

	while (f && !flags && (len = getline(&line, &cap, f)) > 0) {
		if (strncmp(line, "flags", 5))
			continue;
		line[len - 1] = ' ';
		flags = strdup(strchr(line, ':') + 1);
	}
	free(line);
	if (f)
		fclose(f);
	return flags;
}

/* By the instruction itself: the header <cpuid.h> is hidden by ours of that name. */
static void ask_cpu(uint32_t function, uint32_t index, uint32_t *r)
{
	__asm__("cpuid"
		: "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		: "0"(function), "2"(index));
}

static bool cpu_has(unsigned int feature)
{
	const struct vc__cpu_word_place *at = vc__feature_place(feature / 32);
	uint32_t r[4];

	ask_cpu(at->function & 0xf0000000, 0, r);
	if (at->function > r[0])
		return false;
	ask_cpu(at->function, at->index, r);
	return r[at->reg] >> feature % 32 & 1;
}

/*
 * An independent list of names and places: what the kernel prints must be set where the table says.
 * The other way round a kernel may hide what it does not use, so these only must be few.
 */
static void as_the_kernel_prints(void **state)
{
	/* the kernel makes these up from other bits, or prints them for bits of another vendor */
	static const char *const made_up[] = { "ibrs", "ibpb", "stibp", "ssbd", "lfence_rdtsc" };
	char *flags = read_flags(), *save = NULL;
	unsigned int nr_known = 0, nr_hidden = 0;

	(void)state;
	assert_non_null(flags);
	char *copy = strdup(flags);

	for (char *flag = strtok_r(copy, " ", &save); flag; flag = strtok_r(NULL, " ", &save)) {
		int feature = vc__feature_find(flag);
		bool is_made_up = false;

		for (size_t i = 0; i < ARRAY_LEN(made_up); i++)
			is_made_up |= !strcmp(flag, made_up[i]);
		if (feature < 0 || is_made_up)
			continue;
		nr_known++;
		if (!cpu_has((unsigned int)feature))
			print_error("%s: in /proc/cpuinfo, not where the table says\n", flag);
		assert_true(cpu_has((unsigned int)feature));
	}
	for (unsigned int f = 0; f < VC__KVM_EAX * 32; f++) {
		char word[32];

		if (!vc__feature_name(f) || !cpu_has(f))
			continue;
		snprintf(word, sizeof(word), " %s ", vc__feature_name(f));
		if (!strstr(flags, word)) {
			print_message("%s: set in CPUID, not in /proc/cpuinfo\n",
				      vc__feature_name(f));
			nr_hidden++;
		}
	}
	assert_true(nr_known >= 40);
	assert_true(nr_hidden < nr_known);
	free(copy);
	free(flags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(other_spellings),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(places_are_distinct),
		cmocka_unit_test(closing_takes_dependants),
		cmocka_unit_test(no_hypervisor_no_services),
		cmocka_unit_test(bases_come_along),
		cmocka_unit_test(levels_hold_together),
		cmocka_unit_test(as_the_kernel_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
