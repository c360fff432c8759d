/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: opening, holds, names, capabilities and limits asked late by many threads, the report. */
#include "cpu_fixture.h"

#include <libvirtcore/fake.h>

#include <errno.h>

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(vc_backend_name(VC_BACKEND_KVM), "kvm");
	assert_string_equal(vc_backend_name(VC_BACKEND_AUTO), "auto");
	assert_string_equal(vc_backend_name((enum vc_backend)17), "unknown");
}

static void refuse(struct vc_host_config cfg, int err, const char *part)
{
	struct vc_host *host = (void *)1;

	cfg.size = sizeof(cfg);
	assert_refused(vc_host_open(&cfg, &host), err, part);
	assert_ptr_equal(host, (void *)1);
}

static void test_refusals(void **state)
{
	static const struct vc_fake_script script = { .nr_scripts = 0 };
	struct vc_host_config tiny = { .size = 1 };
	struct vc_host *host = NULL;

	(void)state;
	refuse((struct vc_host_config){ .backend = 9 }, -EINVAL, "back end 9");
	refuse((struct vc_host_config){ .backend = VC_BACKEND_XEN }, -ENOTSUP, "xen");
	refuse((struct vc_host_config){ .backend = VC_BACKEND_KVM, .fake = &script }, -EINVAL,
	       "script");
	refuse((struct vc_host_config){ .backend = VC_BACKEND_FAKE, .device = "/dev/kvm" }, -EINVAL,
	       "device node");
	assert_refused(vc_host_open(&tiny, &host), -EINVAL, "size");
	assert_refused(vc_host_open(NULL, NULL), -EINVAL, "no place");
	vc_host_close(NULL);
	assert_false(vc_host_has(NULL, VC_CAP_IRQCHIP));
	assert_int_equal(vc_host_limit(NULL, VC_LIMIT_VCPUS), 0);
	assert_refused(vc_host_report(NULL, NULL, NULL), -EINVAL, "");
}

static void test_holds(void **state)
{
	struct vc_host *host = open_host();

	(void)state;
	assert_ptr_equal(vc_host_hold(host), host);
	vc_host_close(host);
	assert_int_equal(vc_host_backend(host), VC_BACKEND_KVM);
	assert_false(vc_host_has(host, VC_CAP_NR));
	assert_int_equal(vc_host_limit(host, VC_LIMIT_NR), 0);
	vc_host_close(host);
}

static void *ask_late(void *opaque)
{
	struct vc_host *host = opaque;
	uint64_t bits = vc_host_limit(host, VC_LIMIT_GPA_BITS);

	assert_true(bits >= 36 && bits <= 52);
	assert_true(vc_host_has(host, VC_CAP_DIRTY_LOG));
	(void)vc_host_has(host, VC_CAP_STEAL_TIME);
	return NULL;
}

static void test_late_tables_from_many_threads(void **state)
{
	struct vc_host *host = open_host();
	pthread_t threads[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_late, host), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	vc_host_close(host);
}

static void collect(void *opaque, const char *line)
{
	char *text = opaque;

	assert_null(strchr(line, '\n'));
	assert_true(strlen(text) + strlen(line) + 2 < 8192);
	strcat(text, line);
	strcat(text, "\n");
}

/* As the kernel has it: the words vmx or svm among the CPU's flags. */
static bool flags_have_hardware(void)
{
	static char line[16384];
	FILE *file = fopen("/proc/cpuinfo", "re");
	bool has = false;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "flags", 5) == 0)
			has |= strstr(line, " vmx ") != NULL || strstr(line, " svm ") != NULL;
	fclose(file);
	return has;
}

static void test_report(void **state)
{
	static char text[8192];
	struct vc_host *host = open_host();

	(void)state;
	assert_result(vc_host_report(host, collect, text), 0);
	assert_non_null(strstr(text, "back end: kvm\n"));
	assert_non_null(strstr(text, "capability dirty-log: yes\n"));
	assert_non_null(strstr(text, flags_have_hardware() ? "capability hardware: yes\n"
							   : "capability hardware: no\n"));
	assert_non_null(strstr(text, "limit vcpus: "));
	assert_non_null(strstr(text, "numa node 0: "));
	assert_null(strstr(text, "(null)"));
	vc_host_close(host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_holds),  cmocka_unit_test(test_late_tables_from_many_threads),
		cmocka_unit_test(test_report),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
