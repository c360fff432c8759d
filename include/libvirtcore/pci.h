/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions, and the PCIe host bridge that they sit behind.
 *
 * A function is the PCI side of a device: configuration space, BARs, capabilities, MSI-X, INTx and
 * doorbells. The device is a struct vc_device as any other: an access to its BAR n arrives at its
 * access() with range n and the offset in the BAR, wherever the guest has put that. The bridge has one
 * bus of 32 slots; vm_device.h puts functions into it. Lock order: the bridge's, then the device's; of
 * the calls here only attach and destroy take the bridge's.
 */
#ifndef LIBVIRTCORE_PCI_H
#define LIBVIRTCORE_PCI_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_device;
struct vc_irq;
struct vc_partition;
struct vc_pci_function;

#define VC_PCI_SLOTS	    32u /* 0 is the bridge's own */
#define VC_PCI_BARS	    6u
#define VC_PCI_VECTORS_MAX  2048u
#define VC_PCI_RANGE_CONFIG 8u /* range of accesses to trapped capabilities */

enum vc_pci_bar_kind {
	VC_PCI_BAR_NONE = 0,
	VC_PCI_BAR_IO,
	VC_PCI_BAR_MEM32,
	VC_PCI_BAR_MEM64, /* the next BAR is its upper half and has to be NONE */
};

struct vc_pci_bar {
	enum vc_pci_bar_kind kind;
	bool is_prefetchable; /* memory only */
	uint64_t len;	      /* bytes, a power of two: I/O 4 to 256, memory 16 or more */
};

struct vc_pci_function_config {
	size_t size;	       /* sizeof(struct vc_pci_function_config) */
	struct vc_device *dev; /* borrowed until destroy: what it is the PCI side of */
	uint16_t vendor_id;    /* not 0xffff */
	uint16_t device_id, subsystem_vendor_id, subsystem_id;
	uint32_t class_code; /* 24 bits: class, subclass, interface */
	uint8_t revision;
	bool has_intx;
	struct vc_pci_bar bars[VC_PCI_BARS];
	/* MSI-X: table and pending bits take vc_pci_msix_bytes() of a memory BAR */
	uint32_t nr_vectors, msix_bar;
	uint64_t msix_off; /* multiple of 8 */
};

/* Bytes that the table and the pending bits of @nr vectors take, one behind the other. */
static inline uint64_t vc_pci_msix_bytes(uint32_t nr)
{
	return 16ull * nr + (nr + 63ull) / 64 * 8;
}

/**
 * vc_pci_function_create() - make the PCI side of a device: express endpoint, header of type 0.
 * @cfg: copied.
 * @ret_function: owned by the caller, usually by the device; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (ids, class, a BAR's kind or length, MSI-X outside of its BAR: named),
 *          -E2BIG, -ENOMEM.
 * Spec: [PCI 3.0 6.1] [PCI 3.0 6.2.5] [PCIe 4.0 7.5.3]   Since: 0.1
 */
VC_API int vc_pci_function_create(const struct vc_pci_function_config *cfg,
				  struct vc_pci_function **ret_function);

/**
 * vc_pci_function_destroy() - free a function; takes it out of its bridge before.
 * @function: may be NULL.
 * Context: control thread, no vCPU running; may block in the kernel.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_pci_function_destroy(struct vc_pci_function *function);

struct vc_pci_capability {
	size_t size; /* sizeof(struct vc_pci_capability) */
	uint8_t id;
	uint8_t len;	      /* bytes with id and pointer: 3 or more */
	const void *bytes;    /* the len - 2 behind these; copied */
	const void *writable; /* as many: bits that the guest can change; NULL = none; copied */
	bool is_trapped; /* accesses within the len - 2 bytes reach access(), VC_PCI_RANGE_CONFIG, with
			  * their offset: writes when stored, reads with what is stored as value */
};

/**
 * vc_pci_function_add_capability() - append to the list of capabilities.
 * @function: in no bridge yet.
 * @cap: copied.
 * Context: control thread; does not block.
 * Returns: its offset, or -EINVAL, -E2BIG, -EBUSY (in a bridge), -ENOSPC (192 bytes are full).
 * Spec: [PCI 3.0 6.7]   Since: 0.1
 */
VC_API int vc_pci_function_add_capability(struct vc_pci_function *function,
					  const struct vc_pci_capability *cap);

struct vc_pci_doorbell {
	size_t size;	/* sizeof(struct vc_pci_doorbell) */
	uint32_t bar;	/* I/O or memory */
	uint32_t len;	/* bytes of the write: 1, 2, 4, 8; 0 = any (memory only) */
	uint64_t off;	/* in the BAR */
	bool has_match; /* only writes of `match` ring it */
	bool has_fd;	/* `fd`, an eventfd of the caller's, is rung, borrowed until destroy */
	int fd;
	uint64_t match;
};

/**
 * vc_pci_function_add_doorbell() - signal an eventfd for writes to a place of a BAR.
 * @function: in no bridge yet.
 * @doorbell: copied. Such a write never reaches the device; it moves with the BAR, and is trapped
 *            where and while the hypervisor does not take it.
 * Context: control thread; does not block.
 * Returns: the eventfd, non-blocking, the function's if not the caller's, or -EINVAL, -E2BIG, -EEXIST
 *          (two that one write could ring), -EBUSY (in a bridge), -EMFILE, -ENOMEM.
 * Spec: [KVM KVM_IOEVENTFD]   Since: 0.1
 */
VC_API int vc_pci_function_add_doorbell(struct vc_pci_function *function,
					const struct vc_pci_doorbell *doorbell);

/**
 * vc_pci_function_device() - the device that a function belongs to.
 * @function: may be NULL.
 * Context: any thread; does not block.
 * Returns: the device, NULL without a function.
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_device *vc_pci_function_device(const struct vc_pci_function *function);

/**
 * vc_pci_function_config() - read configuration space as the guest has it.
 * @function: the function.
 * @off: bytes.
 * @size: 1, 2 or 4.
 * Context: inside the device's access(), or control thread while no vCPU runs; does not block.
 * Returns: the value; ones for what is not within the first 256 bytes.
 * Spec: none.   Since: 0.1
 */
VC_API uint32_t vc_pci_function_config(const struct vc_pci_function *function, uint32_t off,
				       uint32_t size);

/**
 * vc_pci_function_raise() - send a vector's message, or set its pending bit while it is masked.
 * @function: the function.
 * @vector: below nr_vectors.
 * Context: any thread; takes the function's small lock.
 * Returns: 1, or 0 (MSI-X is off: nothing was done, use vc_pci_function_set_intx()), -EINVAL.
 * Spec: [PCI 3.0 6.8.2.9]   Since: 0.1
 */
VC_API int vc_pci_function_raise(struct vc_pci_function *function, uint32_t vector);

/**
 * vc_pci_function_vector_fd() - an eventfd whose signal is a vc_pci_function_raise() without a lock.
 * @function: in a bridge.
 * @vector: below nr_vectors.
 * Context: any thread; may block in the kernel at the first call. What is signalled while the vector
 *          is masked waits in the fd and shows as its pending bit.
 * Returns: the fd, non-blocking, owned by the function, or -EINVAL (vector), -EBUSY (in no bridge),
 *          -ENOTSUP (the hypervisor takes no fds), -EMFILE.
 * Spec: [KVM KVM_IRQFD]   Since: 0.1
 */
VC_API int vc_pci_function_vector_fd(struct vc_pci_function *function, uint32_t vector);

/**
 * vc_pci_function_has_msix() - whether the guest has MSI-X on; else INTx is what it listens to.
 * @function: the function.
 * Context: any thread; does not block.
 * Returns: true or false.
 * Spec: [PCI 3.0 6.8.2.3]   Since: 0.1
 */
VC_API bool vc_pci_function_has_msix(const struct vc_pci_function *function);

/**
 * vc_pci_function_set_intx() - drive INTA#, a level; the bridge ors those that share a line.
 * @function: with has_intx.
 * @is_high: asserted; stays so until taken back.
 * Context: any thread; takes a small lock of the bridge's.
 * Returns: 0, or -EINVAL (NULL, no INTx), or what the line answered.
 * Spec: [PCI 3.0 2.2.6] [PCI 3.0 6.2.3]   Since: 0.1
 */
VC_API int vc_pci_function_set_intx(struct vc_pci_function *function, bool is_high);

/**
 * vc_pci_function_is_master() - whether the guest lets the function read and write its memory.
 * @function: the function.
 * Context: any thread; does not block.
 * Returns: true or false.
 * Spec: [PCI 3.0 6.2.2]   Since: 0.1
 */
VC_API bool vc_pci_function_is_master(const struct vc_pci_function *function);

/* Where the bridge answers: the number of each of its ranges on the buses. */
enum vc_pci_range {
	VC_PCI_RANGE_ECAM = 0, /* VC_PCI_ECAM_BYTES */
	VC_PCI_RANGE_MEM32,
	VC_PCI_RANGE_MEM64,
	VC_PCI_RANGE_IO,
	VC_PCI_RANGE_NR,
};

#define VC_PCI_ECAM_BYTES (1ull << 20)
#define VC_PCI_LINES	  4u

struct vc_pci_bridge_config {
	size_t size;			/* sizeof(struct vc_pci_bridge_config) */
	const char *name;		/* NULL = "pci" */
	struct vc_partition *partition; /* with an irqchip; borrowed until destroy */
	struct vc_irq
		*lines[VC_PCI_LINES]; /* borrowed, NULL = none; INTA# of slot s drives s % 4 */
	struct vc_pci_window {
		uint64_t base, len_bytes; /* 0 = none */
	} windows[VC_PCI_RANGE_NR];	  /* but for ECAM */
};

/**
 * vc_pci_bridge_create() - a PCIe host bridge with one bus, an empty one but for itself.
 * @cfg: copied.
 * @ret_dev: the device, owned by the caller; place each range at its window; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -ENOMEM.
 * Spec: [PCIe 4.0 7.2.2]   Since: 0.1
 */
VC_API int vc_pci_bridge_create(const struct vc_pci_bridge_config *cfg, struct vc_device **ret_dev);

/**
 * vc_pci_bridge_attach() - put a function into a slot.
 * @dev: made by vc_pci_bridge_create(); destroyed, it lets go of its functions.
 * @function: in no bridge; borrowed.
 * @slot: 1 to 31.
 * Context: control thread, no vCPU running; may block in the kernel.
 * Returns: 0, or -EINVAL, -EEXIST (slot taken), -EBUSY (in a bridge), -ENOTSUP (partition without
 *          irqchip), -ENOSPC (interrupt routes), -EMFILE, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_pci_bridge_attach(struct vc_device *dev, struct vc_pci_function *function,
				uint32_t slot);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_PCI_H */
