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
#include <stdlib.h>
#include <string.h>

struct check {
	struct vc_vm *vm;
	vc_problem_fn fn;
	void *opaque;
	/* what held of the hypervisor's part, for a partition on trial */
	struct vc_partition_config trial;
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
	if (cfg->nr_vcpus > VC__VM_VCPUS_MAX)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "nr_vcpus is %" PRIu32 ": at most %u are supported",
				     cfg->nr_vcpus, VC__VM_VCPUS_MAX));
	else if (max != 0 && cfg->nr_vcpus > max)
		tell(c, vc_error_set(-ERANGE, "vm", c->vm->name,
				     "nr_vcpus is %" PRIu32 ": this host allows %" PRIu64,
				     cfg->nr_vcpus, max));
	if (cfg->nr_vcpus > 1 && cfg->irqchip == VC_IRQCHIP_NONE)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "%" PRIu32
				     " vCPUs without an irqchip: the others could not start",
				     cfg->nr_vcpus));
}

/* One setting of the hypervisor's part, judged by that part's own rules; it then joins the trial. */
static bool check_setting(struct check *c, struct vc_partition_config one)
{
	one.size = sizeof(one);
	one.name = c->vm->name;
	return holds(c, vc_partition_check(c->vm->host, &one));
}

static void check_hypervisor(struct check *c)
{
	const struct vc_vm_config *cfg = &c->vm->cfg;
	struct vc_partition_config irq = { .irqchip = cfg->irqchip, .has_pit = cfg->has_pit };
	struct vc_partition_config poll = { .halt_poll_ns = cfg->halt_poll_ns };
	struct vc_partition_config kick = { .kick_signal = cfg->kick_signal };
	struct vc_partition_config ring = { .dirty_ring_entries = cfg->dirty_ring_entries };

	c->trial = (struct vc_partition_config){ .size = sizeof(c->trial), .name = c->vm->name };
	(void)check_setting(c, irq);
	(void)check_setting(c, poll);
	if (check_setting(c, kick))
		c->trial.kick_signal = cfg->kick_signal;
	if (check_setting(c, ring))
		c->trial.dirty_ring_entries = cfg->dirty_ring_entries;
	c->trial.tsc_khz = cfg->tsc_khz;
}

static void check_running(struct check *c)
{
	const struct vc_vm_config *cfg = &c->vm->cfg;

	if ((uint32_t)cfg->runner > VC_RUNNER_VCPUS || (uint32_t)cfg->on_reset > VC_ON_RESET_REBOOT)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "runner or on_reset has an unknown value"));
	if (cfg->runner != VC_RUNNER_CALLER)
		return;
	if (cfg->vcpu_affinity != NULL)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "vcpu_affinity needs the default runner's threads"));
	if (cfg->thread_hook != NULL)
		tell(c, vc_error_set(-EINVAL, "vm", c->vm->name,
				     "thread_hook needs the default runner's threads"));
}

/* The host's CPUs; false when it does not tell. */
static bool read_host_cpus(uint64_t cpus[16])
{
	struct vc_numa_node *nodes = calloc(VC_NUMA_NODES_MAX, sizeof(*nodes));
	int nr = nodes != NULL ? vc_numa_query(nodes, VC_NUMA_NODES_MAX) : 0;

	memset(cpus, 0, 16 * sizeof(cpus[0]));
	for (int n = 0; n < nr && n < (int)VC_NUMA_NODES_MAX; n++)
		for (size_t i = 0; i < 16; i++)
			cpus[i] |= nodes[n].cpus[i];
	free(nodes);
	return nr > 0;
}

/* Each mask has a CPU of this host, or no thread could be put there. */
static void check_affinity(struct check *c)
{
	const struct vc_vm *vm = c->vm;
	uint64_t cpus[16];

	if (vm->affinity == NULL || !read_host_cpus(cpus))
		return;
	for (uint32_t v = 0; v < vm->cfg.nr_vcpus; v++) {
		uint64_t common = 0;

		for (size_t i = 0; i < 16; i++)
			common |= vm->affinity[v][i] & cpus[i];
		if (vm->has_affinity[v] && common == 0)
			tell(c, vc_error_set(-EINVAL, "vm", vm->name,
					     "cpu%" PRIu32
					     ": its affinity mask names no CPU of this host",
					     v));
	}
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

/* True when RAM can be placed: what is wrong with it has been told otherwise. */
static bool check_ram_config(struct check *c)
{
	const struct vc_vm *vm = c->vm;
	uint64_t total = 0;
	int nr = c->nr;

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
	return c->nr == nr;
}

/* True when RAM can be placed. */
static bool check_config(struct check *c)
{
	check_cpus(c);
	check_hypervisor(c);
	check_running(c);
	check_nodes(c);
	return check_ram_config(c);
}

int vc__vm_check_config(struct vc_vm *vm)
{
	struct check c = { .vm = vm };

	(void)check_config(&c);
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

static bool check_source(struct check *c, const struct vc_source *from, const char *what)
{
	struct vc__source source;

	if (from->path == NULL)
		return true;
	if (!holds(c, vc__source_open(from, what, &source)))
		return false;
	vc__source_close(&source);
	return true;
}

static bool check_files(struct check *c)
{
	const struct vc_boot_config *boot = &c->vm->boot;
	enum vc_boot_kind kind;
	bool is_good;

	if (!c->vm->has_boot)
		return false;
	if (boot->kind == VC_BOOT_AUTO)
		is_good = holds(c, vc_boot_probe(&boot->kernel, &kind));
	else
		is_good = check_source(c, &boot->kernel, "kernel");
	return check_source(c, &boot->initrd, "initrd") && is_good;
}

/* What only the hypervisor itself can judge, with the settings that held so far. */
static void check_partition(struct check *c, struct vc_mem *mem)
{
	struct vc_partition *partition;

	c->trial.mem = mem;
	if (holds(c, vc_partition_create(c->vm->host, &c->trial, &partition)))
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

/* Memory that is thrown away again, a partition over it, the kernel in it. */
static void check_machine(struct check *c, const struct vc__layout *layout, bool has_files)
{
	struct vc_boot_machine machine = { .ranges = layout->e820, .nr_ranges = layout->nr_e820 };
	struct vc_mem *mem;

	if (!holds(c, vc_mem_create(&mem)))
		return;
	if (make_sparse(c, layout, mem)) {
		check_partition(c, mem);
		if (has_files && layout->nr_ranges > 0)
			load_once(c, mem, &machine);
	}
	vc_mem_destroy(mem);
}

static bool has_vcpus(const struct vc_vm *vm)
{
	return vm->cfg.nr_vcpus > 0 && vm->cfg.nr_vcpus <= VC__VM_VCPUS_MAX;
}

/* One vCPU stands for a number that is wrong itself: the model's other faults are told as well. */
static struct vc_cpu_model *check_model(struct check *c)
{
	struct vc_cpu_model_config cfg = c->vm->cpu;
	struct vc_cpu_model *model;

	cfg.nr_vcpus = has_vcpus(c->vm) ? c->vm->cfg.nr_vcpus : 1;
	return holds(c, vc_cpu_model_create(c->vm->host, &cfg, &model)) ? model : NULL;
}

/* Without a CPU model APIC ids are indices, which changes nothing of what is looked for here. */
static bool check_shape(struct check *c, struct vc_cpu_model *model, struct vc__vm_shape *shape)
{
	struct vc_vm *vm = c->vm;
	struct vc__acpi acpi;
	bool is_placed;

	if (!has_vcpus(vm))
		return holds(c, vc__vm_layout(vm, &shape->layout));
	is_placed = holds(c, vc__vm_shape_init(vm, model, shape));
	if (is_placed && !vm->cfg.no_acpi && holds(c, vc__acpi_build(&shape->acpi, &acpi)))
		vc__acpi_fini(&acpi);
	return is_placed;
}

static void check_places(struct check *c, const struct vc__layout *layout)
{
	for (size_t d = 0; d < c->vm->nr_devices; d++)
		for (size_t i = 0; i < c->vm->devices[d].nr_places; i++)
			(void)holds(c, vc__vm_place_check(c->vm, layout, &c->vm->devices[d], i));
}

int vc_vm_check(struct vc_vm *vm, vc_problem_fn fn, void *opaque)
{
	struct check c = { .vm = vm, .fn = fn, .opaque = opaque };
	struct vc__vm_shape shape = { 0 };
	struct vc_cpu_model *model;
	bool has_files, has_ram;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		return vc_error_set(-EBUSY, "vm", vm->name, "cannot check: the VM is %s",
				    vc_vm_state_name(vc_vm_get_state(vm)));
	has_ram = check_config(&c);
	check_affinity(&c); /* the builder leaves it to start: CPUs come and go */
	has_files = check_files(&c);
	for (size_t i = 0; i < vm->nr_rams; i++)
		check_ram_policy(&c, &vm->rams[i].cfg);
	model = check_model(&c);
	has_ram = has_ram && check_shape(&c, model, &shape);
	vc_cpu_model_destroy(model);
	check_places(&c, &shape.layout);
	check_machine(&c, &shape.layout, has_files && has_ram);
	vc__vm_shape_fini(&shape);
	return c.nr;
}
