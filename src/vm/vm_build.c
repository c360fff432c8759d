/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The builder: from a checked configuration to a machine that could run, or back to NEW.
 *
 * Control thread only. The order is the one that hypervisors are fast in: every memory range, then
 * the irqchip, then vCPUs, then interrupt routes. On any error everything made here is taken down
 * again, so that the caller may mend the configuration and build once more.
 */
#include "vm_impl.h"

#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int vc__vm_layout(struct vc_vm *vm, struct vc__layout *ret_layout)
{
	struct vc__layout_ram rams[VC__LAYOUT_RAMS_MAX];
	struct vc__layout_fixed fixed[VC__LAYOUT_FIXED_MAX];
	struct vc__layout_request req = { .rams = rams,
					  .nr_rams = vm->nr_rams,
					  .fixed = fixed,
					  .nr_fixed = vm->nr_fixed,
					  .phys_bits = (uint32_t)vc_host_limit(vm->host,
									       VC_LIMIT_GPA_BITS),
					  .has_acpi = !vm->cfg.no_acpi,
					  .has_irqchip = vm->cfg.irqchip != VC_IRQCHIP_NONE,
					  .has_pci = vm->platform & VC_PLATFORM_PCI };

	for (size_t i = 0; i < vm->nr_rams; i++) {
		const struct vc_region_config *cfg = &vm->rams[i].cfg;
		uint64_t huge = cfg->page_bytes != 0 ? cfg->page_bytes : 2 * VC__MIB;

		rams[i] = (struct vc__layout_ram){
			.len_bytes = cfg->len_bytes,
			.page_bytes = cfg->kind == VC_REGION_HUGETLB ? huge : 0,
			.node = vm->rams[i].node,
		};
	}
	for (size_t i = 0; i < vm->nr_fixed; i++)
		fixed[i] =
			(struct vc__layout_fixed){ vm->fixed[i].range.name, vm->fixed[i].range.gpa,
						   vm->fixed[i].range.len_bytes };
	return vc__layout_make(&req, ret_layout);
}

/* One placed piece of RAM becomes a region; a RAM that meets the hole becomes two. */
static int map_range(struct vc_vm *vm, const struct vc__layout_range *range)
{
	const struct vc_region_config *whole = &vm->rams[range->ram].cfg;
	struct vc_region_config cfg = *whole;
	struct vc_region *region;
	char name[48];
	int r;

	cfg.size = sizeof(cfg);
	cfg.len_bytes = range->len_bytes;
	if (cfg.kind == VC_REGION_FILE)
		cfg.file_off += range->off;
	snprintf(name, sizeof(name), "%.40s%s", whole->name, range->off != 0 ? "-high" : "");
	cfg.name = name;
	r = vc_region_create(&cfg, &region);
	if (r < 0)
		return r;
	r = vc_mem_map(vm->mem, region, range->gpa, range->node);
	vc_region_put(region);
	return r;
}

static int build_mem(struct vc_vm *vm, const struct vc__layout *layout)
{
	int r = 0;

	for (size_t i = 0; i < layout->nr_ranges && r == 0; i++)
		r = map_range(vm, &layout->ranges[i]);
	for (size_t i = 0; i < vm->nr_fixed && r == 0; i++)
		r = vc_mem_map(vm->mem, vm->fixed[i].region, vm->fixed[i].range.gpa, 0);
	return r < 0 ? r : vc_mem_freeze(vm->mem);
}

static int build_partition(struct vc_vm *vm)
{
	struct vc_partition_config cfg = {
		.size = sizeof(cfg),
		.name = vm->name,
		.mem = vm->mem,
		.log = vm->cfg.log,
		.irqchip = vm->cfg.irqchip,
		.has_pit = vm->cfg.has_pit,
		.tsc_khz = vm->cfg.tsc_khz,
		.halt_poll_ns = vm->cfg.halt_poll_ns,
		.max_vcpus = vm->cfg.nr_vcpus,
		.kick_signal = vm->cfg.kick_signal,
		.has_times = vm->cfg.has_times,
		.dirty_ring_entries = vm->cfg.dirty_ring_entries,
	};

	return vc_partition_create(vm->host, &cfg, &vm->partition);
}

int vc__vm_make_model(struct vc_vm *vm, struct vc_cpu_model **ret_model)
{
	struct vc_cpu_model_config cfg = vm->cpu;

	cfg.nr_vcpus = vm->cfg.nr_vcpus;
	return vc_cpu_model_create(vm->host, &cfg, ret_model);
}

static int build_vcpus(struct vc_vm *vm)
{
	int r = 0;

	vm->cpus = calloc(vm->cfg.nr_vcpus, sizeof(vm->cpus[0]));
	if (vm->cpus == NULL)
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for %" PRIu32 " vCPUs",
				    vm->cfg.nr_vcpus);
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus && r == 0; i++) {
		struct vc_vcpu_config cfg = { .size = sizeof(cfg), .idx = i, .model = vm->model };

		vm->cpus[i].vm = vm;
		vm->cpus[i].idx = i;
		r = vc_vcpu_create(vm->partition, &cfg, &vm->cpus[i].vcpu);
	}
	return r;
}

/* Which node each vCPU belongs to; the first node has those that none names. */
static void fill_vcpu_nodes(const struct vc_vm *vm, uint32_t *vcpu_nodes)
{
	for (uint32_t n = 0; n < vm->nr_nodes; n++)
		for (size_t i = 0; i < vm->nodes[n].nr_vcpus; i++)
			if (vm->nodes[n].vcpus[i] < vm->cfg.nr_vcpus)
				vcpu_nodes[vm->nodes[n].vcpus[i]] = n;
}

void vc__vm_shape_fini(struct vc__vm_shape *shape)
{
	free(shape->apic_ids);
	free(shape->vcpu_nodes);
	free(shape->distances);
	memset(shape, 0, sizeof(*shape));
}

int vc__vm_shape_init(struct vc_vm *vm, const struct vc_cpu_model *model,
		      struct vc__vm_shape *shape)
{
	int r = vc__vm_layout(vm, &shape->layout);

	if (r < 0)
		return r;
	shape->apic_ids = calloc(vm->cfg.nr_vcpus, sizeof(shape->apic_ids[0]));
	shape->vcpu_nodes = calloc(vm->cfg.nr_vcpus, sizeof(shape->vcpu_nodes[0]));
	shape->distances = calloc(vm->nr_nodes + 1, sizeof(shape->distances[0]));
	if (!shape->apic_ids || !shape->vcpu_nodes || !shape->distances) {
		vc__vm_shape_fini(shape);
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for the machine's shape");
	}
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		shape->apic_ids[i] = i;
		(void)vc_cpu_model_apic_id(model, i, &shape->apic_ids[i]);
	}
	fill_vcpu_nodes(vm, shape->vcpu_nodes);
	for (size_t i = 0; i < vm->nr_nodes; i++)
		memcpy(shape->distances[i], vm->nodes[i].distance, sizeof(shape->distances[i]));
	shape->acpi = (struct vc__acpi_machine){
		.nr_vcpus = vm->cfg.nr_vcpus,
		.apic_ids = shape->apic_ids,
		.vcpu_nodes = shape->vcpu_nodes,
		.nr_nodes = (uint32_t)vm->nr_nodes,
		.distances = (const uint8_t(*)[VC_NUMA_NODES_MAX])shape->distances,
		.ranges = shape->layout.ranges,
		.nr_ranges = shape->layout.nr_ranges,
		.platform = vm->platform,
		.nr_serials = vm->nr_serials,
		.has_irqchip = vm->cfg.irqchip != VC_IRQCHIP_NONE,
		.pci_gpa = shape->layout.pci_gpa,
		.pci_bytes = shape->layout.pci_bytes,
	};
	return 0;
}

/* Tables, kernel, first vCPU's registers: what a reset has to do again. */
int vc__vm_load_guest(struct vc_vm *vm, bool is_fresh)
{
	const struct vc__layout *layout = &vm->shape.layout;
	struct vc_boot_machine machine = { .ranges = layout->e820, .nr_ranges = layout->nr_e820 };
	struct vc_boot_entry entry;
	int r = 0;

	if (!vm->cfg.no_acpi)
		r = vc__acpi_write(vm->mem, &vm->shape.acpi, &machine.rsdp);
	if (r < 0 || !vm->has_boot)
		return r;
	if (!vm->files.is_open)
		r = vc__boot_open(&vm->boot, &vm->files);
	if (r == 0)
		r = vc__boot_load(vm->mem, &vm->files, &machine, is_fresh, &entry);
	/* A reset finds them open, whatever rights the process has by then. */
	if (r < 0 || vm->cfg.on_reset != VC_ON_RESET_REBOOT)
		vc__boot_close(&vm->files);
	if (r < 0)
		return r;
	/* Loaded again it is the same, and somebody may be reading it. */
	if (vc_vm_get_state(vm) == VC_VM_NEW)
		vm->entry = entry;
	return vc_vcpu_set_regs(vm->cpus[0].vcpu, &entry.regs, &entry.sregs);
}

/* RAM that a file stands behind has what the file has. */
static bool is_ram_zero(const struct vc_vm *vm)
{
	for (size_t i = 0; i < vm->nr_rams; i++)
		if (vm->rams[i].cfg.kind == VC_REGION_FILE)
			return false;
	return true;
}

/* Before anything is made of them. */
static int check_places(const struct vc_vm *vm)
{
	int r = 0;

	for (size_t d = 0; d < vm->nr_devices; d++)
		for (size_t i = 0; i < vm->devices[d].nr_places && r == 0; i++)
			r = vc__vm_place_check(vm, &vm->shape.layout, &vm->devices[d], i);
	return r;
}

static int build_all(struct vc_vm *vm)
{
	int r = vc__vm_make_model(vm, &vm->model);

	if (r == 0)
		r = vc__vm_shape_init(vm, vm->model, &vm->shape);
	if (r == 0)
		r = check_places(vm);
	if (r == 0)
		r = build_mem(vm, &vm->shape.layout);
	if (r == 0)
		r = build_partition(vm);
	if (r == 0)
		r = build_vcpus(vm);
	if (r == 0)
		r = vc__vm_irq_bind(vm);
	if (r == 0)
		r = vc__vm_devices_build(vm, vm->shape.layout.low_bytes,
					 vm->shape.layout.high_bytes);
	return r < 0 ? r : vc__vm_load_guest(vm, is_ram_zero(vm));
}

int vc_vm_build(struct vc_vm *vm)
{
	int r;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		return vc_error_set(-EBUSY, "vm", vm->name, "cannot build: the VM is %s",
				    vc_vm_state_name(vc_vm_get_state(vm)));
	r = vc__vm_check_config(vm);
	if (r == 0)
		r = build_all(vm);
	if (r < 0) {
		vc__vm_unbuild(vm);
		return r;
	}
	pthread_mutex_lock(&vm->lock);
	vm->state = VC_VM_BUILT;
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

void vc__vm_unbuild(struct vc_vm *vm)
{
	vc__boot_close(&vm->files);
	vc__vm_devices_unbuild(vm);
	vc__vm_irq_unbind(vm);
	for (uint32_t i = 0; vm->cpus != NULL && i < vm->cfg.nr_vcpus; i++)
		vc_vcpu_destroy(vm->cpus[i].vcpu);
	free(vm->cpus);
	vm->cpus = NULL;
	vc_cpu_model_destroy(vm->model);
	vm->model = NULL;
	vc_partition_destroy(vm->partition);
	vm->partition = NULL;
	vc_mem_clear(vm->mem);
	vc__vm_shape_fini(&vm->shape);
}
