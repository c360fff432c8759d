/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's counters: what a scripted guest did is what they say, in numbers and in text. */
#include "vm_fixture.h"

static void keep(void *opaque, const char *line)
{
	char *text = opaque;

	assert_true(strlen(text) + strlen(line) + 2 < 4096);
	strcat(strcat(text, line), "\n");
}

static void counts_what_happened(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x3f8, 'a'), OUT8(0x1234, 1), IN8(0x1235),
						     DEBUG_EXIT(7) };
	struct vc_vm_config cfg = basic_config();
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	char text[4096] = "";
	struct fixture f;

	(void)state;
	open_host(&f, steps, ARRAY_LEN(steps));
	build_vm(&f, &cfg);
	assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	assert_int_equal(stats.nr_exits[VC_EXIT_PIO], 0);
	run_vm(&f);
	assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	assert_int_equal(stats.nr_exits[VC_EXIT_PIO], 4);
	assert_int_equal(stats.nr_exits[VC_EXIT_MMIO], 0);
	assert_int_equal(stats.nr_unclaimed_pio, 2);
	assert_int_equal(stats.nr_unclaimed_mmio, 0);
	assert_int_equal(stats.nr_resets, 0);
	assert_result(vc_vm_report_stats(f.vm, keep, text), 0);
	assert_non_null(strstr(text, "cpu0: exit pio: 4\n"));
	assert_non_null(strstr(text, "unclaimed accesses: pio 2, mmio 0\n"));
	assert_non_null(strstr(text, "resets: 0\n"));
	assert_null(strstr(text, "time in guest"));
	assert_null(strstr(text, "all: "));
	close_all(&f);
}

static void two_vcpus_are_summed(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x1234, 1), DEBUG_EXIT(0) };
	struct vc_vm_config cfg = basic_config();
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	char text[4096] = "";
	struct fixture f;

	(void)state;
	cfg.nr_vcpus = 2;
	cfg.has_times = true;
	open_host(&f, steps, ARRAY_LEN(steps));
	build_vm(&f, &cfg);
	run_vm(&f);
	assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	assert_int_equal(stats.nr_exits[VC_EXIT_PIO], 2);
	assert_result(vc_vm_report_stats(f.vm, keep, text), 0);
	assert_non_null(strstr(text, "cpu1: exits "));
	assert_non_null(strstr(text, "all: exit pio: 2\n"));
	assert_non_null(strstr(text, "all: time in guest: "));
	close_all(&f);
}

static void refuses(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	char text[4096] = "";
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_get_stats(f.vm, &stats), -EBUSY, "new");
	assert_refused(vc_vm_report_stats(f.vm, keep, text), -EBUSY, "new");
	assert_refused(vc_vm_get_stats(NULL, &stats), -EINVAL, "needed");
	assert_result(vc_vm_build(f.vm), 0);
	stats.size = 0;
	assert_refused(vc_vm_get_stats(f.vm, &stats), -EINVAL, "size is 0");
	assert_refused(vc_vm_get_stats(f.vm, NULL), -EINVAL, "needed");
	assert_refused(vc_vm_get_stats(f.vm, NULL), -EINVAL, "needed");
	assert_refused(vc_vm_report_stats(NULL, keep, text), -EINVAL, "needed");
	assert_refused(vc_vm_report_stats(f.vm, NULL, NULL), -EINVAL, "needed");
	assert_string_equal(text, "");
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_what_happened),
		cmocka_unit_test(two_vcpus_are_summed),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
