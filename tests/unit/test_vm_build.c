/* SPDX-License-Identifier: Apache-2.0 */
/* Building is all or nothing: after a failure the VM is as before, can be mended and built. */
#include "vm_fixture.h"

static void fails_and_is_mended(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_boot_config boot = { .size = sizeof(boot), .kernel.path = "/nonexistent" };
	struct vc_mem_range range = { .size = sizeof(range) };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	for (int i = 0; i < 2; i++) {
		assert_refused(vc_vm_build(f.vm), -ENOENT, "/nonexistent");
		assert_int_equal(vc_vm_get_state(f.vm), VC_VM_NEW);
		assert_result(vc_mem_range(vc_vm_mem(f.vm), 0, &range), -ENOENT);
		assert_null(vc_vm_partition(f.vm));
		assert_null(vc_vm_vcpu(f.vm, 0));
	}
	static const uint8_t halt[] = { 0xf4 };
	boot = (struct vc_boot_config){ .size = sizeof(boot),
					.kind = VC_BOOT_FLAT,
					.kernel = { .buf = halt, .len = sizeof(halt) },
					.flat_gpa = 0x8000,
					.flat_mode = VC_FLAT_REAL_16 };
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	assert_result(vc_vm_build(f.vm), 0);
	close_all(&f);
}

static void first_vcpu_starts_where_the_image_is(void **state)
{
	static const uint8_t image[] = { 0x90, 0x90, 0xf4 };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kind = VC_BOOT_FLAT,
				       .kernel = { .buf = image, .len = sizeof(image) },
				       .flat_gpa = 0x8000,
				       .flat_mode = VC_FLAT_REAL_16 };
	struct vc_vm_config cfg = basic_config();
	struct vc_x86_regs regs;
	struct vc_x86_sregs sregs;
	uint8_t found[sizeof(image)];
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vcpu_get_regs(vc_vm_vcpu(f.vm, 0), &regs, &sregs), 0);
	assert_int_equal(sregs.cs.base + regs.rip, 0x8000);
	assert_result(vc_mem_read(vc_vm_mem(f.vm), 0x8000, found, sizeof(found)), 0);
	assert_memory_equal(found, image, sizeof(image));
	close_all(&f);
}

/* RAM larger than the space below the hole goes on at 4 GiB, as one region in two places. */
static void ram_goes_around_the_hole(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 5ull << 30 };
	struct vc_mem_range range = { .size = sizeof(range) };
	uint64_t total = 0;
	bool is_high = false;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_vm_add_ram(f.vm, &ram, 0), 0);
	assert_result(vc_vm_build(f.vm), 0);
	for (size_t i = 0; vc_mem_range(vc_vm_mem(f.vm), i, &range) == 0; i++) {
		assert_true(range.gpa + range.len_bytes <= 0xfec00000 || range.gpa >= 1ull << 32);
		is_high |= range.gpa == 1ull << 32;
		total += range.len_bytes;
	}
	assert_true(is_high);
	assert_int_equal(total, 5ull << 30);
	close_all(&f);
}

static void many_vcpus(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	cfg.nr_vcpus = 255;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_build(f.vm), 0);
	assert_non_null(vc_vm_vcpu(f.vm, 254));
	assert_null(vc_vm_vcpu(f.vm, 255));
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fails_and_is_mended),
		cmocka_unit_test(first_vcpu_starts_where_the_image_is),
		cmocka_unit_test(ram_goes_around_the_hole),
		cmocka_unit_test(many_vcpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
