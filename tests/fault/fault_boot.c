/* SPDX-License-Identifier: Apache-2.0 */
/* boot: every allocation and system call of loading a kernel and writing tables fails once. */
#include "boot_fixture.h"
#include "fault.h"

#include "acpi.h"

struct job {
	struct machine m;
	struct vc_boot_config cfg;
};

static int load(void *opaque)
{
	struct job *job = opaque;
	struct vc_boot_entry e;

	return vc_boot_load(job->m.mem, &job->cfg, &job->m.boot, &e);
}

static int write_tables(void *opaque)
{
	struct job *job = opaque;
	struct vc__acpi_machine am = { .nr_vcpus = 255,
				       .platform = VC_PLATFORM_PM | VC_PLATFORM_RTC,
				       .nr_serials = 4,
				       .has_irqchip = true };
	vc_gpa rsdp;

	return vc__acpi_write(job->m.mem, &am, &rsdp);
}

static unsigned int each(int (*fn)(void *opaque), struct job *job)
{
	struct fault_config fault = { .fn = fn, .opaque = job };

	return fault_each(&fault);
}

static void files(void **state)
{
	static uint8_t elf[ELF_BYTES], bz[BZ_BYTES];
	struct temp kernel[2], initrd;
	struct job job = { .cfg = { .size = sizeof(job.cfg) } };

	(void)state;
	make_machine(&job.m, 64, 3);
	make_elf(elf);
	make_bzimage(bz);
	make_temp(&kernel[0], elf, sizeof(elf));
	make_temp(&kernel[1], bz, sizeof(bz));
	make_temp(&initrd, "initrd", 6);
	for (int i = 0; i < 2; i++) {
		job.cfg.kernel.path = kernel[i].path;
		job.cfg.initrd.path = initrd.path;
		/* Two files opened and looked at, each read in several pieces. */
		assert_true(each(load, &job) >= 8);
		drop_temp(&kernel[i]);
	}
	drop_temp(&initrd);
	drop_machine(&job.m);
}

static void tables(void **state)
{
	struct job job;

	(void)state;
	make_machine(&job.m, 4, 1);
	assert_true(each(write_tables, &job) >= 4);
	drop_machine(&job.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
