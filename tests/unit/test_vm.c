/* SPDX-License-Identifier: Apache-2.0 */
/* Configuring a VM: what is copied, what is refused at once, what destroy gives back. */
#include "vm_fixture.h"

#include <fcntl.h>
#include <unistd.h>

static void create(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_vm *vm = NULL;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	assert_refused(vc_vm_create(NULL, &cfg, &vm), -EINVAL, "needed");
	assert_refused(vc_vm_create(f.host, NULL, &vm), -EINVAL, "needed");
	assert_refused(vc_vm_create(f.host, &cfg, NULL), -EINVAL, "needed");
	cfg.size = 4;
	assert_refused(vc_vm_create(f.host, &cfg, &vm), -EINVAL, "size 4");
	cfg = basic_config();
	cfg.name = "";
	assert_refused(vc_vm_create(f.host, &cfg, &vm), -EINVAL, "1 to 31 bytes, found 0");
	cfg.name = "abcdefghijklmnopqrstuvwxyz012345";
	assert_refused(vc_vm_create(f.host, &cfg, &vm), -EINVAL, "found 32");
	assert_null(vm);
	struct {
		struct vc_vm_config cfg;
		uint64_t newer;
	} big = { .cfg = basic_config(), .newer = 1 };
	big.cfg.size = sizeof(big);
	assert_refused(vc_vm_create(f.host, &big.cfg, &vm), -E2BIG, "newer version");
	close_all(&f);
}

/* The CPU model is a struct of its own version, copied with its strings. */
static void cpu_is_copied(void **state)
{
	char name[] = "x86-64-v2", feature[] = "-avx2";
	const char *features[] = { feature };
	struct {
		struct vc_cpu_model_config cpu;
		uint64_t newer;
	} big = { .cpu = { .size = sizeof(big) }, .newer = 1 };
	struct vc_cpu_model_config cpu = { .size = 0 };
	struct vc_vm_config cfg = basic_config();
	struct vc_vm *vm = NULL;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	cfg.cpu = &cpu;
	assert_refused(vc_vm_create(f.host, &cfg, &vm), -EINVAL, "size 0");
	cfg.cpu = &big.cpu;
	assert_refused(vc_vm_create(f.host, &cfg, &vm), -E2BIG, "newer version");
	cfg.cpu = &cpu;
	cpu = (struct vc_cpu_model_config){ .size = sizeof(cpu), .nr_features = 1 };
	assert_refused(vc_vm_create(f.host, &cfg, &vm), -EINVAL, "1 features but no list");
	assert_null(vm);
	/* one of an older version: nothing behind the name */
	cpu = (struct vc_cpu_model_config){ .size = offsetof(struct vc_cpu_model_config, features),
					    .name = "nonesuch",
					    .features = features,
					    .nr_features = 77 };
	assert_result(vc_vm_create(f.host, &cfg, &vm), 0);
	vc_vm_destroy(vm);
	cpu = (struct vc_cpu_model_config){
		.size = sizeof(cpu), .name = name, .features = features, .nr_features = 1
	};
	make_vm(&f, &cfg);
	memset(name, 'x', sizeof(name) - 1);
	memset(feature, 'x', sizeof(feature) - 1);
	memset(&cpu, 0xff, sizeof(cpu));
	assert_result(vc_vm_build(f.vm), 0);
	close_all(&f);
}

static void strings_are_copied(void **state)
{
	char name[] = "copied", path[] = "/nonexistent/kernel", ram_name[] = "low";
	struct vc_vm_config cfg = basic_config();
	struct vc_region_config ram = { .size = sizeof(ram), .name = ram_name, .len_bytes = 2048 };
	struct vc_boot_config boot = { .size = sizeof(boot), .kernel.path = path };
	struct fixture f;

	(void)state;
	cfg.name = name;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_vm_add_ram(f.vm, &ram, 0), 0);
	memset(ram_name, 'x', sizeof(ram_name) - 1);
	assert_refused(vc_vm_build(f.vm), -EINVAL, "low: length 2048");
	assert_refused(vc_vm_start(f.vm), -EBUSY, "new");
	/* Saying it again replaces it. */
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	boot.cmdline = "quiet";
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	memset(name, 'x', sizeof(name) - 1);
	memset(path, 'x', sizeof(path) - 1);
	assert_refused(vc_vm_start(f.vm), -EBUSY, "copied");
	close_all(&f);
}

static void ram_and_regions(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 1 << 20 };
	struct vc_region_config file = {
		.size = sizeof(file), .kind = VC_REGION_FILE, .fd = 9999, .len_bytes = 1 << 20
	};
	struct vc_region *region = NULL;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_refused(vc_vm_add_ram(NULL, &ram, 0), -EINVAL, "no VM");
	assert_refused(vc_vm_add_ram(f.vm, NULL, 0), -EINVAL, "NULL");
	assert_refused(vc_vm_add_ram(f.vm, &file, 0), -EBADF, "fd 9999");
	ram.kind = VC_REGION_FOREIGN;
	assert_refused(vc_vm_add_ram(f.vm, &ram, 0), -EINVAL, "vc_vm_add_region");
	ram.kind = VC_REGION_ANON;
	assert_result(vc_region_create(&ram, &region), 0);
	assert_refused(vc_vm_add_region(f.vm, NULL, 0), -EINVAL, "no region");
	assert_refused(vc_vm_add_region(f.vm, region, 100), -EINVAL, "");
	assert_result(vc_vm_add_region(f.vm, region, 0xfe000000), 0);
	/* The VM has a reference of its own. */
	vc_region_put(region);
	assert_result(vc_vm_add_ram(f.vm, &ram, 0), 0);
	struct vc_mem_range range = { .size = sizeof(range) };
	const struct vc_mem *mem = vc_vm_mem(f.vm);
	assert_result(vc_mem_range(mem, 0, &range), -ENOENT);
	assert_null(vc_vm_partition(f.vm));
	assert_null(vc_vm_vcpu(f.vm, 0));
	assert_result(vc_vm_build(f.vm), 0);
	assert_ptr_equal(vc_vm_mem(f.vm), mem); /* what a device was made with */
	struct vc_slice slice;
	assert_result(vc_slice_get(vc_vm_mem(f.vm), 0xfe000000, 4096, VC_PERM_READ, &slice), 0);
	vc_slice_put(&slice);
	assert_non_null(vc_vm_partition(f.vm));
	assert_non_null(vc_vm_vcpu(f.vm, 0));
	assert_null(vc_vm_vcpu(f.vm, 1));
	assert_refused(vc_vm_add_ram(f.vm, &ram, 0), -EBUSY, "built");
	assert_refused(vc_vm_add_region(f.vm, NULL, 0), -EBUSY, "built");
	close_all(&f);
}

static void nodes_and_kernel_only_when_new(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_vm_node node = { .size = sizeof(node), .nr_vcpus = 1 };
	struct vc_boot_config boot = { .size = sizeof(boot) };
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_add_node(f.vm, &node), -EINVAL, "no list");
	node.nr_vcpus = 0;
	for (int i = 0; i < (int)VC_NUMA_NODES_MAX; i++)
		assert_result(vc_vm_add_node(f.vm, &node), i);
	assert_refused(vc_vm_add_node(f.vm, &node), -ENOSPC, "NUMA nodes");
	vc_vm_destroy(f.vm);
	memset(&f.console, 0, sizeof(f.console));
	build_vm(&f, &cfg);
	assert_refused(vc_vm_add_node(f.vm, &node), -EBUSY, "built");
	assert_refused(vc_vm_set_boot(f.vm, &boot), -EBUSY, "built");
	close_all(&f);
}

static int count_fds(void)
{
	int nr = 0;

	for (int fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static void destroy_gives_back(void **state)
{
	struct vc_vm_config cfg = basic_config();
	int before = count_fds();
	struct fixture f;

	(void)state;
	for (int built = 0; built < 2; built++) {
		open_host(&f, NULL, 0);
		make_vm(&f, &cfg);
		if (built)
			assert_result(vc_vm_build(f.vm), 0);
		assert_true(count_fds() > before);
		close_all(&f);
		assert_int_equal(count_fds(), before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create),
		cmocka_unit_test(cpu_is_copied),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(ram_and_regions),
		cmocka_unit_test(nodes_and_kernel_only_when_new),
		cmocka_unit_test(destroy_gives_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
