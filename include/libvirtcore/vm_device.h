/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the program's own in a VM: where they answer, what they interrupt and ask with. How one is
 * written: device.h; the PCI side of one: pci.h.
 */
#ifndef LIBVIRTCORE_VM_DEVICE_H
#define LIBVIRTCORE_VM_DEVICE_H

#include <libvirtcore/platform.h>
#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_device;
struct vc_irq;
struct vc_pci_function;
struct vc_virtio;
struct vc_vm;

/* Where a device of the embedder's answers. */
struct vc_place {
	enum vc_space space;
	uint64_t base, len; /* bytes */
	uint32_t range;	    /* number that access() gets */
};

/**
 * vc_vm_add_device() - add a device of the embedder's.
 * @vm: NEW.
 * @dev: moved on success (the VM destroys it), the caller's on failure.
 * @places: copied.
 * @nr_places: their number, at most 16.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL, space or length of a place, places that overlap each other), -EEXIST
 *          (name or place taken: named), -EBUSY (not NEW), -ENOMEM. A place on RAM, on the local APICs
 *          or on the hypervisor's I/O APIC is a fault of the whole: see vc_vm_check().
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_add_device(struct vc_vm *vm, struct vc_device *dev, const struct vc_place *places,
			    size_t nr_places);

/**
 * vc_vm_add_pci() - add a device of the embedder's as a PCI function; adds VC_PLATFORM_PCI if needed.
 * @vm: NEW.
 * @function: with all its capabilities and doorbells; its device is moved on success (the VM destroys
 *            it, and it the function), the caller's on failure.
 * @slot: 1 to 31; 0 = the first free one.
 * Context: control thread; does not block.
 * Returns: the slot, or -EINVAL (NULL, slot, VM without irqchip), -EEXIST (slot, name, or what the host
 *          bridge needs is taken: named), -EBUSY (not NEW), -ENOSPC (no slot free), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_add_pci(struct vc_vm *vm, struct vc_pci_function *function, uint32_t slot);

/**
 * vc_vm_add_virtio() - add a virtio device, by PCI; adds VC_PLATFORM_PCI if needed.
 * @vm: NEW.
 * @virtio: made with vc_vm_mem() of this VM, without a transport; moved on success, the caller's to
 *          destroy on failure. Its rings are run by threads of their own (vc_ring_start()): a pause, a
 *          reset and destroy wait for them. They end after the VM.
 * @slot: 1 to 31; 0 = the first free one.
 * Context: control thread; does not block.
 * Returns: the slot, or what vc_virtio_pci_attach() and vc_vm_add_pci() say.
 * Spec: [virtio 1.3 §4.1]   Since: 0.1
 */
VC_API int vc_vm_add_virtio(struct vc_vm *vm, struct vc_virtio *virtio, uint32_t slot);

/**
 * vc_vm_irq() - an interrupt line of the machine, for a device; works once the VM is built.
 * @vm: NEW.
 * @gsi: 0 to 23, each once.
 * @ret_irq: borrowed from the VM until destroy; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (gsi, or VM without irqchip), -EEXIST (taken), -EBUSY (not NEW), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_irq(struct vc_vm *vm, uint32_t gsi, struct vc_irq **ret_irq);

/**
 * vc_vm_request() - tell a VM what its guest wants, as a device does that takes the guest's word.
 * @vm: BUILT, RUNNING or PAUSED; granted as soon as its vCPUs run.
 * @request: power-off, reset, debug exit or panic; one of the same kind may still be waiting.
 * @code: of a debug exit or a panic: for the event.
 * Context: any thread, also inside a device's ops; does not block.
 * Returns: 0, or -EINVAL (NULL, unknown request), -EBUSY (NEW, STOPPED).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_request(struct vc_vm *vm, enum vc_request request, uint64_t code);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VM_DEVICE_H */
