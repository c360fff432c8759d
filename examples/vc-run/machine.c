/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options to a VM: each value to the field of the library that it stands for. What a value may
 * be is the library's to judge.
 */
#include "options.h"
#include <libvirtcore/fake.h>
#include <libvirtcore/libvirtcore.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_BYTES (256ull << 20)
#define PLATFORM                                                                         \
	(VC_PLATFORM_RTC | VC_PLATFORM_I8042 | VC_PLATFORM_PM | VC_PLATFORM_DEBUG_EXIT | \
	 VC_PLATFORM_PVPANIC)

/* What --hypervisor fake plays: one byte to the serial port, then power-off. */
static const struct vc_fake_step fake_steps[] = {
	{ .kind = VC_EXIT_PIO, .size = 1, .is_write = true, .addr = 0x3f8, .value = '!' },
	{ .kind = VC_EXIT_POWER_OFF },
};
static const struct vc_fake_step *const fake_scripts[] = { fake_steps };
static const struct vc_fake_script fake = { fake_scripts, (const size_t[]){ 2 }, 1, 0 };

/* A choice as the library's enum has it; not given is its zero. */
static int choice(int value)
{
	return value > 0 ? value - 1 : 0;
}

int machine_open_host(struct options *options, struct vc_host **ret_host)
{
	const int backend = choice(options->hypervisor);
	struct vc_host_config cfg = { .size = sizeof(cfg), .backend = (enum vc_backend)backend };

	cfg.fake = backend == VC_BACKEND_FAKE ? &fake : NULL;
	return vc_host_open(&cfg, ret_host);
}

static int create(struct options *options, struct vc_host *host, struct vc_vm **ret_vm)
{
	const struct cpu *cpu = &options->cpu[0];
	const uint64_t *affinity[256] = { NULL };
	const struct vc_cpu_model_config model = {
		.size = sizeof(model),
		.name = cpu->model,
		.features = cpu->features.words,
		.nr_features = cpu->features.nr,
		.nr_sockets = (uint32_t)cpu->sockets,
		.nr_dies = (uint32_t)cpu->dies,
		.nr_cores = (uint32_t)cpu->cores,
		.nr_threads = (uint32_t)cpu->threads,
		.has_nested = cpu->nested == SWITCH_ON,
	};
	struct vc_vm_config cfg = {
		.size = sizeof(cfg),
		.nr_vcpus = (uint32_t)options->nr_cpus,
		.cpu = &model,
		.irqchip = (enum vc_irqchip)(VC_IRQCHIP_KERNEL + choice(options->irqchip)),
		.has_pit = options->pit == SWITCH_ON,
		.tsc_khz = (uint32_t)options->tsc_khz,
		.halt_poll_ns = options->halt_poll_ns,
		.has_times = options->stats == SWITCH_ON,
		.on_reset = (enum vc_on_reset)choice(options->on_reset),
		.runner = VC_RUNNER_VCPUS, /* main.c polls for signals anyhow */
	};

	for (size_t i = 0; i < options->nr_pins; i++) {
		if (options->pins[i].cpu >= options->nr_cpus)
			return reader_fault(&options->reader, "--pin: no vCPU %d: the VM has %d",
					    (int)options->pins[i].cpu, (int)options->nr_cpus);
		affinity[options->pins[i].cpu] = options->pins[i].host.words;
	}
	if (options->nr_pins > 0 && options->nr_cpus <= 255)
		cfg.vcpu_affinity = affinity;
	return vc_vm_create(host, &cfg, ret_vm);
}

static int add_node(struct vc_vm *vm, const struct node *node)
{
	uint32_t vcpus[256];
	struct vc_vm_node cfg = { .size = sizeof(cfg), .vcpus = vcpus };
	int r;

	for (uint32_t i = 0; i < 256; i++)
		if (node->cpus.words[i / 64] >> (i % 64) & 1)
			vcpus[cfg.nr_vcpus++] = i;
	memcpy(cfg.distance, node->distances.values, sizeof(cfg.distance));
	r = vc_vm_add_node(vm, &cfg);
	return r < 0 ? r : 0;
}

static uint32_t memory_flags(const struct memory *memory)
{
	uint32_t flags = memory->thp == SWITCH_ON ? VC_REGION_THP : 0;
	flags |= memory->thp == SWITCH_OFF ? VC_REGION_NO_THP : 0;
	flags |= memory->ksm == SWITCH_ON ? VC_REGION_MERGEABLE : 0;
	flags |= memory->mlock == SWITCH_ON ? VC_REGION_MLOCK : 0;
	flags |= memory->dump == SWITCH_OFF ? VC_REGION_NO_DUMP : 0;
	flags |= memory->is_private == SWITCH_ON ? VC_REGION_PRIVATE : 0;
	return flags | (memory->prefault_threads > 0 ? VC_REGION_PREFAULT : 0);
}

static int add_memory(struct vc_vm *vm, const struct memory *memory, struct reader *reader)
{
	struct vc_region_config cfg = {
		.size = sizeof(cfg),
		.len_bytes = memory->size_bytes != 0 ? memory->size_bytes : MEMORY_BYTES,
		.kind = (enum vc_region_kind)choice(memory->kind),
		.flags = memory_flags(memory),
		.page_bytes = memory->page_bytes,
		.file_off = memory->offset_bytes,
		.numa = (enum vc_numa_policy)memory->policy, /* its zero is none of the choices */
		.numa_nodes = memory->host_nodes.words[0],
		.prefault_threads = (uint32_t)memory->prefault_threads,
	};
	int r;

	if ((choice(memory->kind) == VC_REGION_FILE) != (memory->path != NULL))
		return reader_fault(reader, "--memory: kind=file needs path=, other kinds none");
	if (memory->path != NULL) {
		cfg.fd = open(memory->path,
			      O_CLOEXEC | (memory->is_private == SWITCH_ON ? O_RDONLY : O_RDWR));
		if (cfg.fd < 0)
			return reader_fault(reader, "--memory: %.120s: %s", memory->path,
					    strerror(errno));
	}
	r = vc_vm_add_ram(vm, &cfg, (uint32_t)memory->node);
	if (memory->path != NULL)
		close(cfg.fd); /* duplicated */
	return r;
}

static int set_boot(struct vc_vm *vm, struct options *options)
{
	struct vc_boot_config boot = {
		.size = sizeof(boot),
		.kernel.path = options->kernel,
		.initrd.path = options->initrd,
		.cmdline = options->append,
	};

	if (options->kernel != NULL)
		return vc_vm_set_boot(vm, &boot);
	return choice(options->hypervisor) == VC_BACKEND_FAKE
		       ? 0
		       : reader_fault(&options->reader, "--kernel: needed: nothing to boot");
}

static int configure(struct options *options, struct vc_vm *vm, struct vc_stream **stream)
{
	static const struct memory usual = { 0 };
	int r = options->nr_memories == 0 ? add_memory(vm, &usual, &options->reader) : 0;

	for (size_t i = 0; i < options->nr_nodes && r == 0; i++)
		r = add_node(vm, &options->nodes[i]);
	for (size_t i = 0; i < options->nr_memories && r == 0; i++)
		r = add_memory(vm, &options->memories[i], &options->reader);
	if (r == 0)
		r = vc_vm_add_serial(vm, *stream);
	if (r < 0)
		return r;
	*stream = NULL; /* the VM's now */
	r = vc_vm_add_platform(vm, PLATFORM);
	return r < 0 ? r : set_boot(vm, options);
}

int machine_create(struct options *options, struct vc_host *host, struct vc_stream **stream,
		   struct vc_vm **ret_vm)
{
	struct vc_vm *vm = NULL;
	int r = create(options, host, &vm);

	if (r == 0)
		r = configure(options, vm, stream);
	if (r < 0)
		vc_vm_destroy(vm);
	else
		*ret_vm = vm;
	return r;
}
