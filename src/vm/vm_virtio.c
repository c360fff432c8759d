/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio devices in a VM: put behind the host bridge, brought to rest while the VM is paused, reset or
 * loaded, woken again. Control thread; a reset comes on the vCPU thread that settles it.
 *
 * Their queues are served on threads of rings, which know nothing of the VM's states: so what stops
 * the vCPUs is followed by a pause of each device, which waits until nothing is in flight. The rings
 * have threads of their own and outlive the VM. Leaves out virtio over MMIO, which an embedder can
 * place with vc_vm_add_device(). Spec: [virtio 1.3 §2.1.2]
 */
#include "vm_impl.h"

#include <libvirtcore/virtio.h>

#include <errno.h>

int vc_vm_add_virtio(struct vc_vm *vm, struct vc_virtio *virtio, uint32_t slot)
{
	struct vc_pci_function *function;
	int r = vc__vm_refuse_unless_new(vm);

	if (r < 0)
		return r;
	if (virtio == NULL)
		return vc_error_set(-EINVAL, "vm", vm->name, "a virtio device is needed");
	r = vc_virtio_pci_attach(virtio, &function);
	if (r < 0)
		return r;
	r = vc_vm_add_pci(vm, function, slot);
	if (r > 0)
		vm->devices[vm->nr_devices - 1].virtio = virtio;
	return r;
}

void vc__vm_virtio_pause(struct vc_vm *vm)
{
	for (size_t i = 0; i < vm->nr_devices; i++)
		if (vm->devices[i].virtio != NULL)
			vc_virtio_pause(vm->devices[i].virtio);
}

void vc__vm_virtio_resume(struct vc_vm *vm)
{
	for (size_t i = 0; i < vm->nr_devices; i++)
		if (vm->devices[i].virtio != NULL)
			vc_virtio_resume(vm->devices[i].virtio);
}
