/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding all faults of a configuration at once.
 *
 * Control thread only. Two depths: vc__vm_check_config() looks at values alone and is what the
 * builder runs first; vc_vm_check() goes on to everything that can be tried without keeping it: the
 * CPU model, the layout, memory without its pages, tables, the kernel's header. Each step that fails
 * is one fault, told with the message that the failing call left; steps that need an earlier one to
 * have worked are passed over when it did not.
 */
#include "vm_impl.h"

#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct check {
	struct vc_vm *vm;
	vc_problem_fn fn;
	void *opaque;
	int nr;
	/* the first fault, which a failing build returns */
	int err;
	char object[64], text[512];
};

/* Counts and tells the fault that the thread's error holds. */
static void tell(struct check *c, int err)
{
	struct vc_error last;
	struct vc_problem problem;

	vc_error_last(&last);
	problem = (struct vc_problem){ err, last.subsystem, last.object, last.message };
	if (c->nr++ == 0) {
		c->err = err;
		snprintf(c->object, sizeof(c->object), "%s", last.object);
		snprintf(c->text, sizeof(c->text), "%s", last.message);
	}
	if (c->fn != NULL)
		c->fn(c->opaque, &problem);
}

/* Takes the result of one step; true when it held. */
static bool holds(struct check *c, int r)
{
	if (r < 0)
		tell(c, r);
	return r >= 0;
}

static void check_cpus(struct check *c)
{
	const struct vc_vm_config *cfg = &c->vm->cfg;
	uint64_t max = vc_host_limit(c->vm->host, VC_LIMIT_VCPUS);

	if (cfg->nr_vcpus == 0)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "nr_vcpus is 0: a VM has at least one vCPU"));
	if (cfg->nr_vcpus > 255)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "nr_vcpus is %" PRIu32 ": at most 255 are supported",
				     cfg->nr_vcpus));
	else if (max != 0 && cfg->nr_vcpus > max)
		tell(c, vc_error_set(-ERANGE, "vm", c->vm->name,
				     "nr_vcpus is %" PRIu32 ": this host allows %" PRIu64,
				     cfg->nr_vcpus, max));
	if (cfg->nr_vcpus > 1 && cfg->irqchip == VC_IRQCHIP_NONE)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "%" PRIu32
				     " vCPUs without an irqchip: the others could not start",
				     cfg->nr_vcpus));
	if (cfg->vcpu_affinity != NULL && cfg->runner != VC_RUNNER_THREADS)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "vcpu_affinity needs the default runner's threads"));
}

static void check_irqchip(struct check *c)
{
	const struct vc_vm_config *cfg = &c->vm->cfg;
	struct vc_host *host = c->vm->host;

	if ((uint32_t)cfg->irqchip > VC_IRQCHIP_SPLIT || (uint32_t)cfg->runner > VC_RUNNER_CALLER ||
	    (uint32_t)cfg->on_reset > VC_ON_RESET_REBOOT)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "irqchip, runner or on_reset has an unknown value"));
	if (cfg->irqchip == VC_IRQCHIP_KERNEL && !vc_host_has(host, VC_CAP_IRQCHIP))
		tell(c, vc_error_set(-ENOTSUP, "vm", c->vm->name,
				     "this host has no in-kernel irqchip"));
	if (cfg->irqchip == VC_IRQCHIP_SPLIT && !vc_host_has(host, VC_CAP_SPLIT_IRQCHIP))
		tell(c,
		     vc_error_set(-ENOTSUP, "vm", c->vm->name, "this host has no split irqchip"));
	if (cfg->has_pit && cfg->irqchip != VC_IRQCHIP_KERNEL)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "the PIT exists only with the in-kernel irqchip"));
	if (cfg->tsc_khz != 0 && !vc_host_has(host, VC_CAP_TSC_CONTROL))
		tell(c, vc_error_set(-ENOTSUP, "vm", c->vm->name,
				     "tsc_khz is %" PRIu32 ": this host cannot set the TSC's rate",
				     cfg->tsc_khz));
	if (cfg->halt_poll_ns < -1 || cfg->halt_poll_ns > UINT32_MAX)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "halt_poll_ns is %" PRId64 ": -1 to 4294967295 expected",
				     cfg->halt_poll_ns));
}

static void check_node_vcpus(struct check *c, size_t n, uint64_t seen[4])
{
	const struct vc__vm_node *node = &c->vm->nodes[n];

	for (size_t i = 0; i < node->nr_vcpus; i++) {
		uint32_t v = node->vcpus[i];

		if (v >= c->vm->cfg.nr_vcpus || v > 255 || (seen[v / 64] >> (v % 64) & 1))
			tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
					     "NUMA node %zu: vCPU %" PRIu32
					     " is named twice or is not there",
					     n, v));
		else
			seen[v / 64] |= 1ull << (v % 64);
	}
}

static void check_nodes(struct check *c)
{
	const struct vc_vm *vm = c->vm;
	size_t nr = vm->nr_nodes > 0 ? vm->nr_nodes : 1;
	uint64_t seen[4] = { 0 };

	for (size_t i = 0; i < vm->nr_rams; i++)
		if (vm->rams[i].node >= nr)
			tell(c, vc_error_set(-EINVAL, "vm", vm->rams[i].cfg.name,
					     "is on NUMA node %" PRIu32 ", the VM has %zu",
					     vm->rams[i].node, nr));
	for (size_t n = 0; n < vm->nr_nodes; n++) {
		check_node_vcpus(c, n, seen);
		for (size_t i = 0; i < VC_NUMA_NODES_MAX; i++) {
			unsigned int d = vm->nodes[n].distance[i];

			if (d != 0 && (i >= nr || d < 10 || d == 255))
				tell(c,
				     vc_error_set(-EINVAL, "vm", vm->name,
						  "NUMA node %zu: distance %u to node %zu: 10 to "
						  "254 expected, and a node that is there",
						  n, d, i));
		}
	}
}

static void check_ram_config(struct check *c)
{
	const struct vc_vm *vm = c->vm;
	uint64_t total = 0;

	for (size_t i = 0; i < vm->nr_rams; i++) {
		const struct vc_region_config *ram = &vm->rams[i].cfg;

		if (ram->len_bytes == 0 || (ram->len_bytes & 4095) != 0)
			tell(c,
			     vc_error_set(-EINVAL, "vm", ram->name,
					  "length %" PRIu64 " is no multiple of 4096 bytes above 0",
					  ram->len_bytes));
		if (!vc_add_u64(total, ram->len_bytes, &total))
			total = UINT64_MAX;
	}
	if (total < VC__RAM_BYTES_MIN)
		tell(c, vc_error_set(-ERANGE, "vm", vm->name,
				     "%" PRIu64 " bytes of RAM: a VM has 1 MiB or more", total));
}

static void check_config(struct check *c)
{
	check_cpus(c);
	check_irqchip(c);
	check_nodes(c);
	check_ram_config(c);
}

int vc__vm_check_config(struct vc_vm *vm)
{
	struct check c = { .vm = vm };

	check_config(&c);
	if (c.nr == 0)
		return 0;
	return vc_error_set(c.err, "vm", c.object, "%s", c.text);
}

/* A NUMA policy is tried on a single page: binding means populating. */
static void check_ram_policy(struct check *c, const struct vc_region_config *ram)
{
	struct vc_region_config one = *ram;
	struct vc_region *region;

	if (ram->numa == VC_NUMA_DEFAULT)
		return;
	one.len_bytes = 4096;
	one.flags &= ~(uint32_t)(VC_REGION_MLOCK | VC_REGION_PREFAULT | VC_REGION_PINNED);
	if (ram->kind == VC_REGION_HUGETLB)
		one.len_bytes = ram->page_bytes != 0 ? ram->page_bytes : 2 * VC__MIB;
	if (holds(c, vc_region_create(&one, &region)))
		vc_region_put(region);
}

/* The whole map, but sparse: no page is touched, nothing locked. */
static bool make_sparse(struct check *c, const struct vc__layout *layout, struct vc_mem *mem)
{
	const uint32_t touching = VC_REGION_MLOCK | VC_REGION_PREFAULT | VC_REGION_PINNED;
	bool is_whole = true;

	for (size_t i = 0; i < layout->nr_ranges; i++) {
		const struct vc__layout_range *range = &layout->ranges[i];
		struct vc_region_config cfg = c->vm->rams[range->ram].cfg;
		struct vc_region *region;

		cfg.len_bytes = range->len_bytes;
		cfg.flags &= ~touching;
		cfg.numa = VC_NUMA_DEFAULT;
		cfg.numa_nodes = 0;
		cfg.prefault_threads = 0;
		if (cfg.kind == VC_REGION_FILE) {
			cfg.file_off += range->off;
			cfg.flags |= VC_REGION_PRIVATE; /* a trial load leaves the file alone */
		}
		if (!holds(c, vc_region_create(&cfg, &region))) {
			is_whole = false;
			continue;
		}
		is_whole &= holds(c, vc_mem_map(mem, region, range->gpa, range->node));
		vc_region_put(region);
	}
	return is_whole && holds(c, vc_mem_freeze(mem));
}

static bool check_files(struct check *c)
{
	const struct vc_boot_config *boot = &c->vm->boot;
	enum vc_boot_kind kind;
	struct stat st;
	bool is_good = true;

	if (!c->vm->has_boot)
		return false;
	if (boot->kind == VC_BOOT_AUTO)
		is_good = holds(c, vc_boot_probe(&boot->kernel, &kind));
	if (boot->initrd.path != NULL && stat(boot->initrd.path, &st) < 0) {
		tell(c, vc_error_set(-errno, "boot", boot->initrd.path, "initrd: %m"));
		is_good = false;
	}
	return is_good;
}

/* What only the hypervisor's side judges: memory, kick signal, ring. The irqchip was judged above. */
static void check_partition(struct check *c, struct vc_mem *mem)
{
	struct vc_partition_config cfg = {
		.size = sizeof(cfg),
		.name = c->vm->name,
		.mem = mem,
		.kick_signal = c->vm->cfg.kick_signal,
		.dirty_ring_entries = c->vm->cfg.dirty_ring_entries,
	};
	struct vc_partition *partition;

	if (holds(c, vc_partition_create(c->vm->host, &cfg, &partition)))
		vc_partition_destroy(partition);
}

static void load_once(struct check *c, const struct vc_mem *mem,
		      const struct vc_boot_machine *machine)
{
	struct vc__boot_files files;
	struct vc_boot_entry entry;

	if (!holds(c, vc__boot_open(&c->vm->boot, &files)))
		return;
	(void)holds(c, vc__boot_load(mem, &files, machine, true, &entry));
	vc__boot_close(&files);
}

/* Loads the kernel into memory that is thrown away again. */
static void check_boot(struct check *c, const struct vc__layout *layout, bool has_files)
{
	struct vc_boot_machine machine = { .ranges = layout->e820, .nr_ranges = layout->nr_e820 };
	struct vc_mem *mem;

	if (!holds(c, vc_mem_create(&mem)))
		return;
	if (!make_sparse(c, layout, mem))
		has_files = false;
	else
		check_partition(c, mem);
	if (has_files)
		load_once(c, mem, &machine);
	vc_mem_destroy(mem);
}

int vc_vm_check(struct vc_vm *vm, vc_problem_fn fn, void *opaque)
{
	struct check c = { .vm = vm, .fn = fn, .opaque = opaque };
	struct vc__vm_shape shape = { 0 };
	struct vc_cpu_model *model = NULL;
	struct vc__acpi acpi;
	bool has_files;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		return vc_error_set(-EBUSY, "vm", vm->name, "cannot check: the VM is %s",
				    vc_vm_state_name(vc_vm_get_state(vm)));
	check_config(&c);
	has_files = check_files(&c);
	for (size_t i = 0; i < vm->nr_rams; i++)
		check_ram_policy(&c, &vm->rams[i].cfg);
	if (vm->cfg.nr_vcpus != 0 && vm->cfg.nr_vcpus <= 255)
		(void)holds(&c, vc__vm_make_model(vm, &model));
	if (model != NULL && vm->nr_rams > 0 && holds(&c, vc__vm_shape_init(vm, model, &shape))) {
		if (!vm->cfg.no_acpi && holds(&c, vc__acpi_build(&shape.acpi, &acpi)))
			vc__acpi_fini(&acpi);
		check_boot(&c, &shape.layout, has_files);
	}
	vc__vm_shape_fini(&shape);
	vc_cpu_model_destroy(model);
	return c.nr;
}
