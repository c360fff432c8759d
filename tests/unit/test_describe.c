/* SPDX-License-Identifier: Apache-2.0 */
/* The machine in words: the same before and after it is built, and reasons where it cannot be. */
#include "vm_fixture.h"

struct lines {
	char text[16384];
};

static void keep(void *opaque, const char *line)
{
	struct lines *lines = opaque;
	size_t len = strlen(lines->text);

	assert_null(strchr(line, '\n'));
	assert_true(len + strlen(line) + 2 < sizeof(lines->text));
	sprintf(lines->text + len, "%s\n", line);
}

/* The text from where @part begins; it has to be there. */
static const char *from(const char *text, const char *part)
{
	const char *at = strstr(text, part);

	if (!at)
		print_error("\"%s\" is not in:\n%s", part, text);
	assert_non_null(at);
	return at;
}

static void whole_machine(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct lines before = { "" }, after = { "" };
	struct fixture f;

	(void)state;
	cfg.name = "probe";
	cfg.has_pit = true;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_describe(f.vm, keep, &before), 0);
	from(before.text, "vm: probe, new, hypervisor fake\n");
	from(before.text, "vm: 1 vCPUs, irqchip kernel, PIT\n");
	from(before.text, "memory: 0x000000000000 2048 KiB ");
	from(before.text, "e820: ");
	from(before.text, "acpi: FACP at 0x");
	from(before.text, "acpi: APIC at 0x");
	from(before.text, " pio 0x3f8-0x3ff\n");
	from(before.text, "interrupt: GSI 4 serial0\n");
	from(before.text, "device: rtc (rtc) pio 0x70-0x71\n");
	from(before.text, "interrupt: GSI 8 rtc\n");
	from(before.text, "boot: none\n");
	/* What is told of memory and tables is what is built. */
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_describe(f.vm, keep, &after), 0);
	from(after.text, "vm: probe, built, ");
	const char *was = from(before.text, "memory: "), *is = from(after.text, "memory: ");
	size_t len = (size_t)(from(before.text, "device: ") - was);
	assert_true(strlen(is) >= len);
	assert_memory_equal(was, is, len);
	close_all(&f);
}

static void reasons(void **state)
{
	struct vc_vm_config cfg = { .size = sizeof(cfg), .nr_vcpus = 1, .no_acpi = true };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kernel.path = "/nonexistent/vmlinuz",
				       .initrd.path = "/nonexistent/initrd",
				       .cmdline = "quiet" };
	struct lines lines = { "" };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	assert_result(vc_vm_describe(f.vm, keep, &lines), 0);
	from(lines.text, "irqchip none\n");
	from(lines.text, "acpi: none\n");
	from(lines.text, "boot: kernel /nonexistent/vmlinuz\n");
	from(lines.text, "boot: initrd /nonexistent/initrd\n");
	from(lines.text, "boot: command line quiet\n");
	assert_null(strstr(lines.text, "interrupt: "));
	close_all(&f);
}

static void refuses(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct lines lines = { "" };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_describe(NULL, keep, &lines), -EINVAL, "needed");
	assert_refused(vc_vm_describe(f.vm, NULL, NULL), -EINVAL, "needed");
	assert_string_equal(lines.text, "");
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_machine),
		cmocka_unit_test(reasons),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
