/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vc_vm as the files of src/vm share it: what was configured, what was built, who runs.
 *
 * Threads: configuration and built objects are written by the control thread in NEW and while no
 * vCPU runs, and are read-only for everybody else (pthread_create and the lock order them). `lock`
 * guards the life-cycle fields below it. It and a device's lock are never held together: what a
 * device asks for on a vCPU thread goes through `asked`, which is atomic, as the state is.
 */
#ifndef VC_VM_IMPL_H
#define VC_VM_IMPL_H

#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/libvirtcore.h>
#include <libvirtcore/pci.h>

#include "acpi.h"
#include "layout.h"
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>

#define VC__VM_IRQS	  24u
#define VC__VM_VCPUS_MAX  255u
#define VC__VM_SERIALS	  4u
#define VC__VM_PLACES_MAX 16u
#define VC__VM_EVENTS	  32u

/* RAM as configured; the builder cuts it into placed regions. */
struct vc__vm_ram {
	struct vc_region_config cfg; /* name is owned, fd a duplicate */
	uint32_t node;
};

/* A region of the embedder's at a fixed address. */
struct vc__vm_fixed {
	struct vc_region *region;  /* a reference */
	struct vc_mem_range range; /* where it will be; name is the region's */
};

struct vc__vm_node {
	uint32_t *vcpus;
	size_t nr_vcpus;
	uint8_t distance[VC_NUMA_NODES_MAX];
};

/* A device with its places; the VM owns the device. */
struct vc__vm_device {
	struct vc_device *dev;
	struct vc_place places[VC__VM_PLACES_MAX];
	size_t nr_places;
	uint32_t platform; /* the VC_PLATFORM_ bit it stands for, 0 = an embedder's or a UART */
	bool is_built;	   /* made by vc_vm_build(), gone when that is undone */
	struct vc_virtio *virtio; /* what dev is part of, if it is */
};

/* A line handed out in NEW; bound to the irqchip by the builder. */
struct vc__vm_irq {
	struct vc_vm *vm;
	struct vc_irq *handle; /* what devices hold; NULL = line not taken */
	struct vc_irq *line;   /* in-kernel irqchip's line, once built */
};

/* One vCPU and whoever runs it. */
struct vc__vm_cpu {
	struct vc_vm *vm;
	struct vc_vcpu *vcpu;
	uint32_t idx;
	pthread_t thread; /* valid while in_loop or has_thread */
	bool has_thread;  /* made by the runner, to be joined */
	bool in_loop;	  /* under lock: inside the run loop */
	bool is_parked;	  /* under lock: in the loop, but waiting */
	bool is_halted;	  /* HLT without an irqchip: only a reset wakes it */
	int start_err;	  /* what the thread hook or attach said */
	bool has_fault;
	struct vc_fault fault;	    /* what stopped it, when has_fault */
	struct vc_event stop_event; /* for VC__ASK_ERROR and VC__ASK_TRIPLE_FAULT */
};

/* What the guest, a vCPU or the control thread wants of all vCPUs; bits of vc_vm.asked. */
enum vc__vm_ask {
	VC__ASK_PAUSE = 1u << 0,
	VC__ASK_STOP = 1u << 1,
	VC__ASK_POWER_OFF = 1u << 2,
	VC__ASK_RESET = 1u << 3,
	VC__ASK_TRIPLE_FAULT = 1u << 4,
	VC__ASK_DEBUG_EXIT = 1u << 5,
	VC__ASK_ERROR = 1u << 6,
	VC__ASK_HALTED = 1u << 7,
};

/* The machine as its tables tell it to the guest. */
struct vc__vm_shape {
	struct vc__layout layout;
	struct vc__acpi_machine acpi;		 /* points into what follows */
	uint32_t *apic_ids, *vcpu_nodes;	 /* by vCPU */
	uint8_t (*distances)[VC_NUMA_NODES_MAX]; /* by node */
};

struct vc_vm {
	/* configuration: NEW only */
	char name[32];
	struct vc_vm_config cfg;
	struct vc_host *host;
	struct vc_cpu_model_config cpu; /* points to the two below */
	char *cpu_name;
	char **cpu_features;
	uint64_t (*affinity)[16]; /* per vCPU, or NULL */
	bool *has_affinity;
	struct vc__vm_ram *rams;
	size_t nr_rams;
	struct vc__vm_fixed *fixed;
	size_t nr_fixed;
	struct vc__vm_node *nodes;
	size_t nr_nodes;
	struct vc__vm_device *devices;
	size_t nr_devices;
	uint32_t platform; /* VC_PLATFORM_ bits */
	uint32_t nr_serials;
	struct vc_pci_function *pci[VC_PCI_SLOTS]; /* their devices are among those above */
	struct vc__vm_irq irqs[VC__VM_IRQS];
	struct vc_boot_config boot;
	char *boot_strings[3]; /* kernel path, initrd path, command line */
	bool has_boot;
	struct vc_mem *mem;	     /* empty until it is built, because devices are made with it */
	struct vc__boot_files files; /* open from build on when a reset loads again */

	/* built */
	struct vc_partition *partition;
	struct vc_cpu_model *model;
	struct vc__vm_cpu *cpus;
	struct vc_bus *pio, *mmio;
	struct vc_device *ioapic; /* one of devices */
	struct vc__vm_shape shape;
	struct vc_boot_entry entry;

	/* life cycle */
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* any of the fields up to asked */
	_Atomic enum vc_vm_state state; /* written under lock once built */
	bool is_settling;		/* a thread does what was asked for, lock dropped */
	bool is_half_loaded;		/* vc_vm_load() failed: not to be started */
	uint32_t nr_opening;		/* start: threads that have still to pass their hooks */
	bool is_aborted;		/* start failed: threads leave */
	_Atomic uint64_t nr_resets;
	pthread_t control;
	bool has_control;
	int control_err;	  /* what the control thread's hook said */
	atomic_uint asked;	  /* enum vc__vm_ask; set with release, pairs with cpu_loop() */
	atomic_ullong asked_code; /* debug exit's value */
	atomic_bool has_control_ended;
	int wake_fd; /* the polling thread's: ask for pollfds again, or end */
	/* what the control thread polls; made here because a thread's first malloc costs an arena */
	struct pollfd *control_fds;
	_Atomic pthread_t poller; /* thread inside devices' poll ops, 0 = none */
	uint8_t *poll_counts; /* per device, entries of the last vc_vm_pollfds(): polling thread */

	/* events */
	pthread_mutex_t event_lock;
	struct vc_event events[VC__VM_EVENTS]; /* oldest first */
	size_t nr_events;
	int event_fd;
};

/* vm_devices.c: interrupt lines, and devices that exist only once the machine's shape is known */
int vc__vm_irq_bind(struct vc_vm *vm);
void vc__vm_irq_unbind(struct vc_vm *vm);
int vc__vm_devices_build(struct vc_vm *vm, uint64_t low_bytes, uint64_t high_bytes);
void vc__vm_devices_unbuild(struct vc_vm *vm);
/* Whether the guest can reach a device's place: 0, or -EEXIST (memory, interrupt controller), -ERANGE. */
int vc__vm_place_check(const struct vc_vm *vm, const struct vc__layout *layout,
		       const struct vc__vm_device *slot, size_t idx);
/*
 * Everything that can fail about taking a device called @name at @slot's places, when @nr_before
 * others are taken first; then taking it.
 */
int vc__vm_reserve(struct vc_vm *vm, const char *name, const struct vc__vm_device *slot,
		   size_t nr_before);
void vc__vm_take(struct vc_vm *vm, const struct vc__vm_device *slot);
/* 0, or -EINVAL (NULL), -EBUSY (not NEW). */
int vc__vm_refuse_unless_new(const struct vc_vm *vm);
/* Takes a line back from a device that was not made after all. */
void vc__vm_release_irq(struct vc_vm *vm, uint32_t gsi);
int vc__vm_claim(struct vc_bus *pio, struct vc_bus *mmio, const struct vc__vm_device *slot);

/* vm_pci.c: places that are the same in every machine, and lines; the bridge itself */
#define VC__PCI_PLACES 3u
extern const struct vc_place vc__pci_places[VC__PCI_PLACES];
#define VC__PCI_NAME "pci"
int vc__vm_pci_reserve(struct vc_vm *vm, size_t nr_before);
void vc__vm_pci_release(struct vc_vm *vm);
int vc__vm_pci_build(struct vc_vm *vm);

/* vm_virtio.c: each virtio device is at rest when the first returns; may block until then. */
void vc__vm_virtio_pause(struct vc_vm *vm);
void vc__vm_virtio_resume(struct vc_vm *vm);

/* vm_check.c */
int vc__vm_check_config(struct vc_vm *vm);

/* vm_build.c: the builder's own parts that others use */
int vc__vm_layout(struct vc_vm *vm, struct vc__layout *ret_layout);
int vc__vm_make_model(struct vc_vm *vm, struct vc_cpu_model **ret_model);
/* @model may be NULL: then APIC ids are indices. */
int vc__vm_shape_init(struct vc_vm *vm, const struct vc_cpu_model *model,
		      struct vc__vm_shape *shape);
void vc__vm_shape_fini(struct vc__vm_shape *shape);
/* @is_fresh: all of RAM is zero, so what has to be need not be written. */
int vc__vm_load_guest(struct vc_vm *vm, bool is_fresh);
void vc__vm_unbuild(struct vc_vm *vm);

/* vm_exit.c: one exit */
void vc__vm_handle_exit(struct vc__vm_cpu *cpu, struct vc_exit *exit);
void vc__vm_fail(struct vc__vm_cpu *cpu, int err, const struct vc_exit *exit);

/* life.c: the barrier and the state machine */
void vc__vm_ask(struct vc_vm *vm, unsigned int what);
int vc__vm_cpu_loop(struct vc__vm_cpu *cpu);
void vc__vm_open(struct vc_vm *vm); /* lock held: its threads are ready, it is RUNNING */
bool vc__vm_on_own_thread(const struct vc_vm *vm);
void vc__vm_kick_all(struct vc_vm *vm);

/* runner.c */
int vc__runner_start(struct vc_vm *vm);
void vc__runner_join(struct vc_vm *vm);
void vc__vm_wake_poller(void *opaque);

/* events.c */
int vc__events_init(struct vc_vm *vm);
void vc__events_fini(struct vc_vm *vm);
void vc__events_put(struct vc_vm *vm, const struct vc_event *event);
void vc__events_put_held(struct vc_vm *vm, const struct vc_event *event); /* event_lock held */

#endif /* VC_VM_IMPL_H */
