/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assembling a virtual machine: configuration, checking, building. Running it: run.h. Devices of the
 * program's own: vm_device.h.
 *
 *	NEW --build--> BUILT --start--> RUNNING <--pause/resume--> PAUSED
 *	                                   |                          |
 *	                                   +---------> STOPPED <------+
 *
 * Configuration is legal in NEW only. vc_vm_build() opens every resource or none; the caller may
 * drop privileges after it. vc_vm_destroy() is legal in any state.
 */
#ifndef LIBVIRTCORE_VM_H
#define LIBVIRTCORE_VM_H

#include <libvirtcore/boot.h>
#include <libvirtcore/host.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/region.h>
#include <libvirtcore/runner.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_device;
struct vc_irq;
struct vc_stream;
struct vc_vm;

enum vc_on_reset {
	VC_ON_RESET_STOP = 0,	/* the VM stops; its event says reset */
	VC_ON_RESET_REBOOT = 1, /* devices and vCPUs are reset, the kernel is loaded again */
};

struct vc_vm_config {
	size_t size;	    /* sizeof(struct vc_vm_config) */
	const char *name;   /* 1 to 31 bytes; NULL = "vm"; copied */
	struct vc_log *log; /* borrowed until destroy; may be NULL */
	/* processors */
	uint32_t nr_vcpus;		       /* 0 is refused */
	const struct vc_cpu_model_config *cpu; /* NULL = host model; its nr_vcpus is that above */
	const uint64_t *const *vcpu_affinity;  /* per vCPU a mask of 16 words of host CPUs, or NULL;
					       * not with VC_RUNNER_CALLER */
	/* interrupts and time, as in struct vc_partition_config */
	enum vc_irqchip irqchip;
	bool has_pit;
	uint32_t tsc_khz;
	int64_t halt_poll_ns;
	int kick_signal;
	uint32_t dirty_ring_entries;
	bool has_times;
	/* running */
	enum vc_runner runner;
	/* not 0: start fails; not with VC_RUNNER_CALLER */
	int (*thread_hook)(void *opaque, const struct vc_thread_info *info);
	void *thread_opaque;
	enum vc_on_reset on_reset;
	bool no_acpi; /* give the guest no ACPI tables */
};

/**
 * vc_vm_create() - begin a VM.
 * @host: held until destroy.
 * @cfg: copied, with what it points to.
 * @ret_vm: the VM in NEW, owned by the caller; untouched on failure.
 * Context: control thread; does not block. Values are judged by vc_vm_check() and vc_vm_build().
 * Returns: 0, or -EINVAL (NULL, sizes, name, CPU features without a list), -E2BIG, -ENOMEM, -EMFILE.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_create(struct vc_host *host, const struct vc_vm_config *cfg,
			struct vc_vm **ret_vm);

/**
 * vc_vm_destroy() - stop and free a VM and all it owns; the process is where it was before.
 * @vm: may be NULL; any state; no other thread may be inside a call on it or about to make one. vCPU
 *        threads of the caller's that run in vc_vm_run_vcpu() are made to return; one that may not
 *        have got there yet has to be joined before: vc_vm_stop() ends it.
 * Context: control thread; blocks until vCPU threads are gone.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_vm_destroy(struct vc_vm *vm);

/* A guest NUMA node. Without any, all vCPUs and memory are node 0 and no SRAT is made. */
struct vc_vm_node {
	size_t size;	       /* sizeof(struct vc_vm_node) */
	const uint32_t *vcpus; /* indices; copied */
	size_t nr_vcpus;
	uint8_t distance[VC_NUMA_NODES_MAX]; /* to node i, 10 to 254; 0 = 10 self, 20 others */
};

/**
 * vc_vm_add_node() - add a guest NUMA node; nodes count from 0 in order of addition.
 * @vm: NEW.
 * @node: copied.
 * Context: control thread; does not block.
 * Returns: the node's number, or -EINVAL, -E2BIG, -EBUSY (not NEW), -ENOSPC (64 nodes), -ENOMEM.
 * Spec: [ACPI 6.4 5.2.16] [ACPI 6.4 5.2.17]   Since: 0.1
 */
VC_API int vc_vm_add_node(struct vc_vm *vm, const struct vc_vm_node *node);

/**
 * vc_vm_add_ram() - add RAM; the builder places it from 0 up, around the hole below 4 GiB.
 * @vm: NEW.
 * @ram: kind, flags, placement and len_bytes (1 MiB or more in all); copied, as is its fd.
 * @node: guest NUMA node.
 * Context: control thread; does not block: memory is got by vc_vm_build().
 * Returns: 0, or -EINVAL (FOREIGN, NULL), -E2BIG, -EBUSY (not NEW), -EBADF, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_add_ram(struct vc_vm *vm, const struct vc_region_config *ram, uint32_t node);

/**
 * vc_vm_add_region() - place a region of the caller's at a fixed address, as ROM or shared memory.
 * @vm: NEW.
 * @region: a reference is taken on success.
 * @gpa: first address; reserved in the guest's memory map.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -EBUSY (not NEW), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_add_region(struct vc_vm *vm, struct vc_region *region, vc_gpa gpa);

/* Ready-made devices at their usual places, described in ACPI. */
enum vc_platform {
	VC_PLATFORM_RTC = 1u << 0,	  /* ports 0x70-0x71, IRQ 8 */
	VC_PLATFORM_I8042 = 1u << 1,	  /* ports 0x60, 0x64, 0x92: reset only */
	VC_PLATFORM_PM = 1u << 2,	  /* ACPI power-off and reset, ports 0x600-0x603 */
	VC_PLATFORM_DEBUG_EXIT = 1u << 3, /* port 0xf4: stops the VM with a code */
	VC_PLATFORM_PVPANIC = 1u << 4,	  /* port 0x505 */
	VC_PLATFORM_PCI = 1u << 5,	  /* PCIe host bridge; lines 16 to 19; needs an irqchip */
};

/**
 * vc_vm_add_platform() - add ready-made platform devices.
 * @vm: NEW.
 * @devices: enum vc_platform bits; each once.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (unknown bit, PCI without irqchip), -EEXIST (there already, or the place, name or line of one
 *          is taken: named), -EBUSY (not NEW), -ENOMEM; then none was added.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_add_platform(struct vc_vm *vm, uint32_t devices);

/**
 * vc_vm_add_serial() - add a 16550A UART at COM1 to COM4's place and interrupt.
 * @vm: NEW.
 * @stream: its far end; moved on success, the caller's on failure; NULL = nobody there.
 * Context: control thread; does not block.
 * Returns: index of the UART, or -EBUSY (not NEW, or @stream has a sink already), -EEXIST (its ports,
 *          name or line are taken: named), -ENOSPC (four there), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_add_serial(struct vc_vm *vm, struct vc_stream *stream);

/* One fault of a configuration. */
struct vc_problem {
	int err;				  /* -errno that vc_vm_build() would return */
	const char *subsystem, *object, *message; /* as in struct vc_error; valid during the call */
};

typedef void (*vc_problem_fn)(void *opaque, const struct vc_problem *problem);

/**
 * vc_vm_check() - find all faults of the configuration at once, without opening anything for good.
 * @vm: NEW.
 * @fn: called once a fault; may be NULL.
 * @opaque: given to @fn.
 * Context: control thread; reads kernel headers and /sys.
 * Returns: the number of faults (no memory is told as one), or -EINVAL, -EBUSY (not NEW).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_check(struct vc_vm *vm, vc_problem_fn fn, void *opaque);

/**
 * vc_vm_build() - open every resource: memory, partition, vCPUs, devices, kernel; all or nothing.
 * @vm: NEW; BUILT afterwards, still NEW on failure.
 * Context: control thread; reads files, may block while memory is prefaulted.
 * Returns: 0, or -EBUSY (not NEW), or the first fault as vc_vm_check() finds them, or what a layer
 *          below answered: the message names it.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_build(struct vc_vm *vm);

/**
 * vc_vm_describe() - print the whole machine: CPUs, memory map, devices, interrupts, ACPI tables.
 * @vm: NEW (what would be built) or later.
 * @fn: called once a line.
 * @opaque: given to @fn.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_describe(struct vc_vm *vm, vc_text_fn fn, void *opaque);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VM_H */
