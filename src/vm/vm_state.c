/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading a VM: partition, vCPUs and devices, one section each; RAM is the caller's to
 * bring.
 *
 * Control thread only. A first section tells the machine's shape, so that a stream of another
 * machine is refused before anything is changed. Loading ends in BUILT whatever happens; it never
 * starts a guest.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* What has to be the same on both sides before anything else is read. */
static int save_shape(const struct vc_vm *vm, struct vc_state_writer *writer)
{
	int r = vc_state_begin(writer, "vm", 1);

	if (r < 0)
		return r;
	vc_state_put_u64(writer, vm->cfg.nr_vcpus, 4);
	vc_state_put_u64(writer, vm->cfg.irqchip, 1);
	vc_state_put_u64(writer, vm->cfg.has_pit, 1);
	vc_state_put_u64(writer, vm->platform, 4);
	vc_state_put_u64(writer, vm->nr_serials, 1);
	vc_state_put_u64(writer, vm->shape.layout.low_bytes, 8);
	vc_state_put_u64(writer, vm->shape.layout.high_bytes, 8);
	if (vm->platform & VC_PLATFORM_PCI) {
		vc_state_put_u64(writer, vm->shape.layout.pci_gpa, 8);
		vc_state_put_u64(writer, vm->shape.layout.pci_bytes, 8);
	}
	return vc_state_end(writer);
}

static int expect(const struct vc_vm *vm, struct vc_state_reader *reader, unsigned int width,
		  uint64_t here, const char *what)
{
	bool is_there = vc_state_left(reader) >= width;
	uint64_t there = vc_state_get_u64(reader, width);

	if (!is_there)
		return vc_error_set(-EBADMSG, "vm", vm->name,
				    "section \"vm\" of the stream ends before the %s", what);
	if (there == here)
		return 0;
	return vc_error_set(-EXDEV, "vm", vm->name,
			    "%s is %" PRIu64 " in the stream, %" PRIu64 " here", what, there, here);
}

static int load_shape(const struct vc_vm *vm, struct vc_state_reader *reader)
{
	uint32_t version;
	int r = vc_state_open(reader, "vm", 1, &version);

	if (r < 0)
		return r;
	r = expect(vm, reader, 4, vm->cfg.nr_vcpus, "number of vCPUs");
	if (r == 0)
		r = expect(vm, reader, 1, vm->cfg.irqchip, "irqchip");
	if (r == 0)
		r = expect(vm, reader, 1, vm->cfg.has_pit, "PIT");
	if (r == 0)
		r = expect(vm, reader, 4, vm->platform, "set of platform devices");
	if (r == 0)
		r = expect(vm, reader, 1, vm->nr_serials, "number of UARTs");
	if (r == 0)
		r = expect(vm, reader, 8, vm->shape.layout.low_bytes, "RAM below 4 GiB");
	if (r == 0)
		r = expect(vm, reader, 8, vm->shape.layout.high_bytes, "RAM above 4 GiB");
	if (r == 0 && (vm->platform & VC_PLATFORM_PCI))
		r = expect(vm, reader, 8, vm->shape.layout.pci_gpa, "PCI's window of 64 bits");
	if (r == 0 && (vm->platform & VC_PLATFORM_PCI))
		r = expect(vm, reader, 8, vm->shape.layout.pci_bytes, "length of PCI's window");
	/* After a refusal the rest is unread, and closing would put its own message over this one. */
	return r < 0 ? r : vc_state_close(reader);
}

static int check_state(const struct vc_vm *vm, const void *stream, enum vc_vm_state wanted)
{
	if (vm == NULL || stream == NULL)
		return vc_error_set(-EINVAL, "vm", vm ? vm->name : NULL,
				    "a VM and a state stream are needed");
	if (vc_vm_get_state(vm) != wanted)
		return vc_error_set(-EBUSY, "vm", vm->name, "the VM is %s, it has to be %s",
				    vc_vm_state_name(vc_vm_get_state(vm)),
				    vc_vm_state_name(wanted));
	if (!vc_host_has(vm->host, VC_CAP_STATE))
		return vc_error_set(-ENOTSUP, "vm", vm->name, "back end %s cannot save state",
				    vc_backend_name(vc_host_backend(vm->host)));
	return 0;
}

int vc_vm_save(struct vc_vm *vm, struct vc_state_writer *writer)
{
	int r = check_state(vm, writer, VC_VM_PAUSED);

	if (r == 0)
		r = save_shape(vm, writer);
	for (uint32_t i = 0; r == 0 && i < vm->cfg.nr_vcpus; i++)
		r = vc_vcpu_save(vm->cpus[i].vcpu, writer);
	if (r == 0)
		r = vc_partition_save(vm->partition, writer);
	for (size_t i = 0; r == 0 && i < vm->nr_devices; i++)
		r = vc_device_save(vm->devices[i].dev, writer);
	return r;
}

int vc_vm_load(struct vc_vm *vm, struct vc_state_reader *reader)
{
	int r = check_state(vm, reader, VC_VM_BUILT);

	if (r == 0)
		r = load_shape(vm, reader);
	if (r < 0)
		return r;
	vm->is_half_loaded = true;
	/* Devices last: a line that one holds high reaches an irqchip that is loaded. */
	r = vc_partition_load(vm->partition, reader);
	for (uint32_t i = 0; r == 0 && i < vm->cfg.nr_vcpus; i++)
		r = vc_vcpu_load(vm->cpus[i].vcpu, reader);
	for (size_t i = 0; r == 0 && i < vm->nr_devices; i++)
		r = vc_device_load(vm->devices[i].dev, reader);
	if (r == 0)
		r = vc_state_done(reader);
	vm->is_half_loaded = r < 0;
	return r;
}
