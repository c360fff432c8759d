/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's configuration: create, what is added in NEW, destroy.
 *
 * Control thread only. Everything given is copied or takes a reference, so that the caller's structs
 * may go; nothing is judged here beyond what would make the copy itself wrong: vc_vm_check() and
 * vc_vm_build() do that for the whole.
 */
#include "vm_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define RAMS_MAX  64u
#define FIXED_MAX 64u

static int refuse_unless_new(const struct vc_vm *vm, const char *what)
{
	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		return vc_error_set(-EBUSY, "vm", vm->name, "cannot add %s: the VM is %s", what,
				    vc_vm_state_name(vc_vm_get_state(vm)));
	return 0;
}

/* Appends a zeroed element to an array of the VM; NULL when there is no memory. */
static void *append(void **array, size_t *nr, size_t element_size)
{
	uint8_t *grown = reallocarray(*array, *nr + 1, element_size);

	if (grown == NULL)
		return NULL;
	*array = grown;
	grown += *nr * element_size;
	memset(grown, 0, element_size);
	++*nr;
	return grown;
}

static int copy_string(char **ret_copy, const char *s)
{
	*ret_copy = s != NULL ? strdup(s) : NULL;
	return s != NULL && *ret_copy == NULL ? -ENOMEM : 0;
}

static int copy_cpu(struct vc_vm *vm)
{
	struct vc_cpu_model_config *cpu = &vm->cpu;
	int r;

	cpu->size = sizeof(*cpu);
	if (vm->cfg.cpu != NULL) {
		r = vc_config_copy(cpu, sizeof(*cpu), vm->cfg.cpu);
		vm->cfg.cpu = cpu;
		if (r < 0)
			return r;
	}
	if (cpu->nr_features > 0 && cpu->features == NULL)
		return vc_error_set(-EINVAL, "vm", vm->name, "cpu: %zu features but no list",
				    cpu->nr_features);
	if (copy_string(&vm->cpu_name, cpu->name) < 0)
		return -ENOMEM;
	if (cpu->nr_features > 0) {
		vm->cpu_features = calloc(cpu->nr_features, sizeof(char *));
		if (vm->cpu_features == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < cpu->nr_features; i++)
			if (copy_string(&vm->cpu_features[i], cpu->features[i]) < 0)
				return -ENOMEM;
	}
	cpu->name = vm->cpu_name;
	cpu->features = (const char *const *)vm->cpu_features;
	return 0;
}

static int copy_affinity(struct vc_vm *vm)
{
	const uint64_t *const *from = vm->cfg.vcpu_affinity;

	if (from == NULL || vm->cfg.nr_vcpus == 0)
		return 0;
	vm->affinity = calloc(vm->cfg.nr_vcpus, sizeof(vm->affinity[0]));
	vm->has_affinity = calloc(vm->cfg.nr_vcpus, sizeof(bool));
	if (vm->affinity == NULL || vm->has_affinity == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		vm->has_affinity[i] = from[i] != NULL;
		if (from[i] != NULL)
			memcpy(vm->affinity[i], from[i], sizeof(vm->affinity[i]));
	}
	return 0;
}

static int init_sync(struct vc_vm *vm)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_mutex_init(&vm->lock, NULL);
	if (r != 0)
		return -r;
	r = pthread_condattr_init(&attr);
	if (r == 0) {
		(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		r = pthread_cond_init(&vm->changed, &attr);
		pthread_condattr_destroy(&attr);
	}
	if (r != 0)
		pthread_mutex_destroy(&vm->lock);
	return -r;
}

static int begin(struct vc_vm *vm, const struct vc_vm_config *cfg)
{
	int r = vc_config_copy(&vm->cfg, sizeof(vm->cfg), cfg);

	if (r < 0)
		return r;
	r = init_sync(vm);
	return r < 0 ? vc_error_set(r, "vm", NULL, "no lock for a VM") : 0;
}

static int fill_new(struct vc_vm *vm)
{
	const char *name = vm->cfg.name != NULL ? vm->cfg.name : "vm";
	int r;

	if (name[0] == '\0' || strlen(name) >= sizeof(vm->name))
		return vc_error_set(-EINVAL, "vm", name,
				    "a VM's name has 1 to %zu bytes, found %zu",
				    sizeof(vm->name) - 1, strlen(name));
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->cfg.name = vm->name;
	r = copy_cpu(vm);
	if (r == 0)
		r = copy_affinity(vm);
	if (r == -ENOMEM)
		return vc_error_set(r, "vm", vm->name, "no memory for the configuration");
	if (r < 0)
		return r;
	vm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->wake_fd < 0)
		return vc_error_set(-errno, "vm", vm->name,
				    "no eventfd for the polling thread: %m");
	r = vc_mem_create(&vm->mem);
	return r < 0 ? r : vc__events_init(vm);
}

int vc_vm_create(struct vc_host *host, const struct vc_vm_config *cfg, struct vc_vm **ret_vm)
{
	struct vc_vm *vm;
	int r;

	if (host == NULL || cfg == NULL || ret_vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "host, config and ret_vm are needed");
	vm = calloc(1, sizeof(*vm));
	if (vm == NULL)
		return vc_error_set(-ENOMEM, "vm", NULL, "no memory for a VM");
	vm->wake_fd = vm->event_fd = -EBADF;
	r = begin(vm, cfg);
	if (r < 0) {
		free(vm);
		return r;
	}
	vm->host = vc_host_hold(host);
	r = fill_new(vm);
	if (r < 0) {
		vc_vm_destroy(vm);
		return r;
	}
	*ret_vm = vm;
	return 0;
}

/* Waits until no thread is inside a run loop: those of the runner and those of the caller. */
static void wait_loops_empty(struct vc_vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	for (uint32_t i = 0; vm->cpus != NULL && i < vm->cfg.nr_vcpus; i++)
		while (vm->cpus[i].in_loop)
			pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

/* Before guest memory and the partition go, in which the devices may still be at work. */
static void free_devices(struct vc_vm *vm)
{
	size_t nr_kept = 0;

	for (size_t i = 0; i < vm->nr_devices; i++) {
		if (vm->devices[i].is_built) /* unbuild destroys it */
			vm->devices[nr_kept++] = vm->devices[i];
		else
			vc_device_destroy(vm->devices[i].dev);
	}
	vm->nr_devices = nr_kept;
}

static void free_config(struct vc_vm *vm)
{
	for (size_t i = 0; i < VC__VM_IRQS; i++)
		vc_irq_destroy(vm->irqs[i].handle);
	for (size_t i = 0; i < vm->nr_rams; i++) {
		if (vm->rams[i].cfg.kind == VC_REGION_FILE)
			close(vm->rams[i].cfg.fd);
		free((char *)(uintptr_t)vm->rams[i].cfg.name);
	}
	for (size_t i = 0; i < vm->nr_fixed; i++)
		vc_region_put(vm->fixed[i].region);
	for (size_t i = 0; i < vm->nr_nodes; i++)
		free(vm->nodes[i].vcpus);
	for (size_t i = 0; vm->cpu_features != NULL && i < vm->cpu.nr_features; i++)
		free(vm->cpu_features[i]);
	for (size_t i = 0; i < sizeof(vm->boot_strings) / sizeof(vm->boot_strings[0]); i++)
		free(vm->boot_strings[i]);
	free(vm->devices);
	free(vm->rams);
	free(vm->fixed);
	free(vm->nodes);
	free(vm->cpu_features);
	free(vm->cpu_name);
	free(vm->affinity);
	free(vm->has_affinity);
}

void vc_vm_destroy(struct vc_vm *vm)
{
	if (vm == NULL)
		return;
	if (vc_vm_get_state(vm) != VC_VM_NEW) {
		(void)vc_vm_stop(vm);
		wait_loops_empty(vm);
		vc__runner_join(vm);
		free_devices(vm);
		vc__vm_unbuild(vm);
	}
	free_devices(vm);
	free_config(vm);
	vc_mem_destroy(vm->mem);
	vc__events_fini(vm);
	if (vm->wake_fd >= 0)
		close(vm->wake_fd);
	vc_host_close(vm->host);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

int vc_vm_add_node(struct vc_vm *vm, const struct vc_vm_node *node)
{
	struct vc_vm_node copy;
	struct vc__vm_node *slot;
	uint32_t *vcpus = NULL;
	int r = refuse_unless_new(vm, "a node");

	if (r == 0)
		r = vc_config_copy(&copy, sizeof(copy), node);
	if (r < 0)
		return r;
	if (copy.nr_vcpus > 0 && copy.vcpus == NULL)
		return vc_error_set(-EINVAL, "vm", vm->name, "node: %zu vCPUs but no list",
				    copy.nr_vcpus);
	if (vm->nr_nodes == VC_NUMA_NODES_MAX)
		return vc_error_set(-ENOSPC, "vm", vm->name, "more than %u NUMA nodes",
				    VC_NUMA_NODES_MAX);
	if (copy.nr_vcpus > 0) {
		vcpus = reallocarray(NULL, copy.nr_vcpus, sizeof(*vcpus));
		if (vcpus == NULL)
			return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for a node");
		memcpy(vcpus, copy.vcpus, copy.nr_vcpus * sizeof(*vcpus));
	}
	slot = append((void **)&vm->nodes, &vm->nr_nodes, sizeof(*slot));
	if (slot == NULL) {
		free(vcpus);
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for a node");
	}
	slot->vcpus = vcpus;
	slot->nr_vcpus = copy.nr_vcpus;
	memcpy(slot->distance, copy.distance, sizeof(slot->distance));
	return (int)vm->nr_nodes - 1;
}

/* Makes what a RAM slot owns: its name and, for a file, a duplicate of the fd. */
static int own_ram(struct vc__vm_ram *slot)
{
	char *name = strdup(slot->cfg.name != NULL ? slot->cfg.name : "ram");
	int fd = 0;

	if (name == NULL)
		return vc_error_set(-ENOMEM, "vm", NULL, "no memory for a RAM's name");
	if (slot->cfg.kind == VC_REGION_FILE) {
		fd = fcntl(slot->cfg.fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0) {
			int r = vc_error_set(-errno, "vm", name, "fd %d of the RAM's file: %m",
					     slot->cfg.fd);

			free(name);
			return r;
		}
		slot->cfg.fd = fd;
	}
	slot->cfg.name = name;
	return 0;
}

int vc_vm_add_ram(struct vc_vm *vm, const struct vc_region_config *ram, uint32_t node)
{
	struct vc__vm_ram copy = { .node = node }, *slot;
	int r = refuse_unless_new(vm, "RAM");

	if (r == 0)
		r = vc_config_copy(&copy.cfg, sizeof(copy.cfg), ram);
	if (r < 0)
		return r;
	if (copy.cfg.kind == VC_REGION_FOREIGN)
		return vc_error_set(-EINVAL, "vm", vm->name,
				    "foreign memory is placed with vc_vm_add_region()");
	if (vm->nr_rams == RAMS_MAX)
		return vc_error_set(-EINVAL, "vm", vm->name, "more than %u pieces of RAM",
				    RAMS_MAX);
	slot = append((void **)&vm->rams, &vm->nr_rams, sizeof(*slot));
	if (slot == NULL)
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for a piece of RAM");
	r = own_ram(&copy);
	if (r < 0) {
		vm->nr_rams--;
		return r;
	}
	*slot = copy;
	return 0;
}

/* A map of its own tells what a region is and whether it may lie there. */
static int look_at_region(struct vc_region *region, vc_gpa gpa, struct vc_mem_range *ret_range)
{
	struct vc_mem *mem;
	int r = vc_mem_create(&mem);

	if (r < 0)
		return r;
	r = vc_mem_map(mem, region, gpa, 0);
	if (r == 0)
		r = vc_mem_range(mem, 0, ret_range);
	vc_mem_destroy(mem);
	return r;
}

int vc_vm_add_region(struct vc_vm *vm, struct vc_region *region, vc_gpa gpa)
{
	struct vc__vm_fixed *slot;
	struct vc_mem_range range = { .size = sizeof(range) };
	int r = refuse_unless_new(vm, "a region");

	if (r < 0)
		return r;
	if (region == NULL || vm->nr_fixed == FIXED_MAX)
		return vc_error_set(-EINVAL, "vm", vm->name, "no region given, or more than %u",
				    FIXED_MAX);
	r = look_at_region(region, gpa, &range);
	if (r < 0)
		return r;
	slot = append((void **)&vm->fixed, &vm->nr_fixed, sizeof(*slot));
	if (slot == NULL)
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for a region");
	slot->region = vc_region_get(region);
	slot->range = range;
	return 0;
}

int vc_vm_set_boot(struct vc_vm *vm, const struct vc_boot_config *boot)
{
	struct vc_boot_config copy;
	char *strings[3] = { NULL };
	int r = refuse_unless_new(vm, "a kernel");

	if (r == 0)
		r = vc_config_copy(&copy, sizeof(copy), boot);
	if (r < 0)
		return r;
	if (copy_string(&strings[0], copy.kernel.path) < 0 ||
	    copy_string(&strings[1], copy.initrd.path) < 0 ||
	    copy_string(&strings[2], copy.cmdline) < 0) {
		for (size_t i = 0; i < 3; i++)
			free(strings[i]);
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory for the boot config");
	}
	for (size_t i = 0; i < 3; i++) {
		free(vm->boot_strings[i]);
		vm->boot_strings[i] = strings[i];
	}
	vm->boot = copy;
	vm->boot.kernel.path = strings[0];
	vm->boot.initrd.path = strings[1];
	vm->boot.cmdline = strings[2];
	vm->has_boot = true;
	return 0;
}

const struct vc_mem *vc_vm_mem(const struct vc_vm *vm)
{
	return vm != NULL ? vm->mem : NULL;
}

struct vc_partition *vc_vm_partition(const struct vc_vm *vm)
{
	return vm != NULL ? vm->partition : NULL;
}

struct vc_vcpu *vc_vm_vcpu(const struct vc_vm *vm, uint32_t idx)
{
	return vm != NULL && vm->cpus != NULL && idx < vm->cfg.nr_vcpus ? vm->cpus[idx].vcpu : NULL;
}
