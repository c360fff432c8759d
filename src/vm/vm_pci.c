/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI in a VM: the host bridge at its places, and the functions that the embedder puts behind it.
 *
 * Control thread only. Functions and their devices are taken in NEW; the bridge is made by the builder,
 * as its window of 64 bits lies behind all RAM, and its vectors need the partition. Undone, the bridge
 * lets go of its functions, which are then as before. Leaves out hot-plug and buses behind bridges.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

const struct vc_place vc__pci_places[VC__PCI_PLACES] = {
	{ VC_SPACE_MMIO, VC__PCI_ECAM_GPA, VC_PCI_ECAM_BYTES, VC_PCI_RANGE_ECAM },
	{ VC_SPACE_MMIO, VC__PCI_MEM32_GPA, VC__PCI_MEM32_BYTES, VC_PCI_RANGE_MEM32 },
	{ VC_SPACE_PIO, VC__PCI_IO_PORT, VC__PCI_IO_PORTS, VC_PCI_RANGE_IO },
};

static void release_lines(struct vc_vm *vm, uint32_t nr)
{
	while (nr > 0)
		vc__vm_release_irq(vm, VC__PCI_GSI + --nr);
}

void vc__vm_pci_release(struct vc_vm *vm)
{
	release_lines(vm, VC_PCI_LINES);
}

/* The builder makes the bridge; its name, places and lines are taken now. */
int vc__vm_pci_reserve(struct vc_vm *vm, size_t nr_before)
{
	struct vc__vm_device slot = { .nr_places = VC__PCI_PLACES };
	struct vc_irq *irq;
	uint32_t i;
	int r;

	for (i = 0; i < VC__PCI_PLACES; i++)
		slot.places[i] = vc__pci_places[i];
	r = vc__vm_reserve(vm, VC__PCI_NAME, &slot, nr_before);
	for (i = 0; i < VC_PCI_LINES && r == 0; i++)
		r = vc_vm_irq(vm, VC__PCI_GSI + i, &irq);
	if (r < 0 && i > 0 && i <= VC_PCI_LINES)
		release_lines(vm, i - 1); /* the last one was not had */
	return r;
}

static int find_slot(const struct vc_vm *vm, const char *name, uint32_t wanted)
{
	uint32_t slot;

	if (wanted >= VC_PCI_SLOTS)
		return vc_error_set(-EINVAL, "vm", name, "slot %" PRIu32 ", expected 1 to %u",
				    wanted, VC_PCI_SLOTS - 1);
	if (wanted != 0 && vm->pci[wanted] != NULL)
		return vc_error_set(-EEXIST, "vm", name, "slot %" PRIu32 " is %s's", wanted,
				    vc_pci_function_device(vm->pci[wanted])->name);
	if (wanted != 0)
		return (int)wanted;
	for (slot = 1; slot < VC_PCI_SLOTS; slot++)
		if (vm->pci[slot] == NULL)
			return (int)slot;
	return vc_error_set(-ENOSPC, "vm", name, "all %u slots are taken", VC_PCI_SLOTS - 1);
}

int vc_vm_add_pci(struct vc_vm *vm, struct vc_pci_function *function, uint32_t wanted)
{
	struct vc__vm_device device = { .dev = vc_pci_function_device(function) };
	int slot, r = vc__vm_refuse_unless_new(vm);

	if (r < 0)
		return r;
	if (function == NULL)
		return vc_error_set(-EINVAL, "vm", vm->name, "a PCI function is needed");
	if (strcmp(device.dev->name, VC__PCI_NAME) == 0)
		return vc_error_set(-EEXIST, "vm", VC__PCI_NAME, "is the host bridge's own name");
	slot = find_slot(vm, device.dev->name, wanted);
	if (slot < 0)
		return slot;
	r = vc__vm_reserve(vm, device.dev->name, &device, 0);
	if (r == 0 && !(vm->platform & VC_PLATFORM_PCI))
		r = vc_vm_add_platform(vm, VC_PLATFORM_PCI);
	if (r < 0)
		return r;
	vc__vm_take(vm, &device);
	vm->pci[slot] = function;
	return slot;
}

static int attach_all(struct vc_vm *vm, struct vc_device *bridge)
{
	int r = 0;

	for (uint32_t slot = 1; slot < VC_PCI_SLOTS && r == 0; slot++)
		if (vm->pci[slot] != NULL)
			r = vc_pci_bridge_attach(bridge, vm->pci[slot], slot);
	return r;
}

int vc__vm_pci_build(struct vc_vm *vm)
{
	const struct vc__layout *layout = &vm->shape.layout;
	struct vc__vm_device slot = { .nr_places = VC__PCI_PLACES,
				      .platform = VC_PLATFORM_PCI,
				      .is_built = true };
	struct vc_pci_bridge_config cfg = { .size = sizeof(cfg),
					    .name = VC__PCI_NAME,
					    .partition = vm->partition };
	int r;

	for (uint32_t i = 0; i < VC__PCI_PLACES; i++) {
		const struct vc_place *place = &vc__pci_places[i];

		slot.places[i] = *place;
		if (place->range != VC_PCI_RANGE_ECAM)
			cfg.windows[place->range] =
				(struct vc_pci_window){ place->base, place->len };
	}
	if (layout->pci_bytes != 0) {
		cfg.windows[VC_PCI_RANGE_MEM64] =
			(struct vc_pci_window){ layout->pci_gpa, layout->pci_bytes };
		slot.places[slot.nr_places++] =
			(struct vc_place){ VC_SPACE_MMIO, layout->pci_gpa, layout->pci_bytes,
					   VC_PCI_RANGE_MEM64 };
	}
	for (uint32_t i = 0; i < VC_PCI_LINES; i++)
		cfg.lines[i] = vm->irqs[VC__PCI_GSI + i].handle;
	r = vc__vm_reserve(vm, VC__PCI_NAME, &slot, 0);
	if (r == 0)
		r = vc_pci_bridge_create(&cfg, &slot.dev);
	if (r == 0)
		r = attach_all(vm, slot.dev);
	if (r < 0)
		vc_device_destroy(slot.dev);
	else
		vc__vm_take(vm, &slot);
	return r;
}
