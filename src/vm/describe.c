/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole machine in words: what is configured, and where the builder puts or has put it.
 *
 * Control thread only. Everything is worked out from the configuration, so that a VM in NEW is
 * described exactly as it would be built; what cannot be worked out is said with its reason.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct text {
	vc_text_fn fn;
	void *opaque;
};

static void say(const struct text *to, const char *fmt, ...) VC_PRINTF(2, 3);

static void say(const struct text *to, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	to->fn(to->opaque, line);
}

static const char *irqchip_name(enum vc_irqchip irqchip)
{
	switch (irqchip) {
	case VC_IRQCHIP_NONE:
		return "none";
	case VC_IRQCHIP_KERNEL:
		return "kernel";
	case VC_IRQCHIP_SPLIT:
		return "split";
	}
	return "?";
}

static const char *e820_name(enum vc_e820_type type)
{
	switch (type) {
	case VC_E820_RAM:
		return "RAM";
	case VC_E820_RESERVED:
		return "reserved";
	case VC_E820_ACPI:
		return "ACPI";
	}
	return "?";
}

static void describe_memory(const struct vc_vm *vm, const struct vc__vm_shape *shape,
			    const struct text *to)
{
	for (size_t i = 0; i < shape->layout.nr_ranges; i++) {
		const struct vc__layout_range *r = &shape->layout.ranges[i];

		say(to, "memory: 0x%012" PRIx64 " %" PRIu64 " KiB %s node %" PRIu32, r->gpa,
		    r->len_bytes >> 10, vm->rams[r->ram].cfg.name, r->node);
	}
	for (size_t i = 0; i < vm->nr_fixed; i++)
		say(to, "memory: 0x%012" PRIx64 " %" PRIu64 " KiB %s (fixed)",
		    vm->fixed[i].range.gpa, vm->fixed[i].range.len_bytes >> 10,
		    vm->fixed[i].range.name);
	for (size_t i = 0; i < shape->layout.nr_e820; i++) {
		const struct vc_e820_range *r = &shape->layout.e820[i];

		say(to, "e820: 0x%012" PRIx64 "-0x%012" PRIx64 " %s", r->gpa,
		    r->gpa + r->len_bytes - 1, e820_name(r->type));
	}
}

static void describe_pci(const struct vc_vm *vm, const struct vc__layout *layout,
			 const struct text *to)
{
	bool is_new = vc_vm_get_state(vm) == VC_VM_NEW; /* then it is in no list */

	for (size_t i = 0; is_new && i < VC__PCI_PLACES; i++)
		say(to, "device: pci (pci) %s 0x%" PRIx64 "-0x%" PRIx64,
		    vc__pci_places[i].space == VC_SPACE_PIO ? "pio" : "mmio",
		    vc__pci_places[i].base, vc__pci_places[i].base + vc__pci_places[i].len - 1);
	if (is_new && layout->pci_bytes != 0)
		say(to, "device: pci (pci) mmio 0x%" PRIx64 "-0x%" PRIx64, layout->pci_gpa,
		    layout->pci_gpa + layout->pci_bytes - 1);
	for (uint32_t slot = 1; slot < VC_PCI_SLOTS; slot++) {
		const struct vc_device *dev = vc_pci_function_device(vm->pci[slot]);
		uint32_t id = vc_pci_function_config(vm->pci[slot], 0, 4);

		if (dev != NULL)
			say(to, "device: %s (%s) pci 00:%02x.0 %04x:%04x, GSI %" PRIu32, dev->name,
			    dev->ops->type, slot, id & 0xffff, id >> 16,
			    VC__PCI_GSI + slot % VC_PCI_LINES);
	}
}

static void describe_devices(const struct vc_vm *vm, const struct vc__vm_shape *shape,
			     const struct text *to)
{
	for (size_t i = 0; i < vm->nr_devices; i++) {
		const struct vc__vm_device *d = &vm->devices[i];

		for (size_t p = 0; p < d->nr_places; p++)
			say(to, "device: %s (%s) %s 0x%" PRIx64 "-0x%" PRIx64, d->dev->name,
			    d->dev->ops->type, d->places[p].space == VC_SPACE_PIO ? "pio" : "mmio",
			    d->places[p].base, d->places[p].base + d->places[p].len - 1);
	}
	if (vc_vm_get_state(vm) == VC_VM_NEW && (vm->platform & VC_PLATFORM_RTC))
		say(to, "device: rtc (rtc) pio 0x%x-0x%x", VC__RTC_PORT,
		    VC__RTC_PORT + VC__RTC_PORTS - 1);
	if (vc_vm_get_state(vm) == VC_VM_NEW && vm->cfg.irqchip == VC_IRQCHIP_SPLIT)
		say(to, "device: ioapic (ioapic) mmio 0x%x-0x%x", VC_IOAPIC_BASE,
		    VC_IOAPIC_BASE + VC_IOAPIC_LENGTH - 1);
	if (vm->platform & VC_PLATFORM_PCI)
		describe_pci(vm, &shape->layout, to);
	for (uint32_t i = 0; i < vm->nr_serials && vm->cfg.irqchip != VC_IRQCHIP_NONE; i++)
		say(to, "interrupt: GSI %" PRIu32 " serial%" PRIu32, vc__serial_gsi(i), i);
	if ((vm->platform & VC_PLATFORM_RTC) && vm->cfg.irqchip != VC_IRQCHIP_NONE)
		say(to, "interrupt: GSI %u rtc", VC__RTC_GSI);
}

static void describe_acpi(const struct vc_vm *vm, const struct vc__vm_shape *shape,
			  const struct text *to)
{
	struct vc__acpi acpi;

	if (vm->cfg.no_acpi) {
		say(to, "acpi: none");
		return;
	}
	if (vc__acpi_build(&shape->acpi, &acpi) < 0) {
		say(to, "acpi: not possible: %s", vc_error_message());
		return;
	}
	for (size_t i = 0; i < acpi.nr_tables; i++)
		say(to, "acpi: %s at 0x%" PRIx64 ", %" PRIu32 " bytes", acpi.tables[i].signature,
		    acpi.tables[i].gpa, acpi.tables[i].len);
	vc__acpi_fini(&acpi);
}

static void describe_boot(const struct vc_vm *vm, const struct text *to)
{
	const struct vc_boot_config *boot = &vm->boot;

	if (!vm->has_boot) {
		say(to, "boot: none");
		return;
	}
	say(to, "boot: kernel %s", boot->kernel.path != NULL ? boot->kernel.path : "(in memory)");
	if (boot->initrd.path != NULL || boot->initrd.buf != NULL)
		say(to, "boot: initrd %s",
		    boot->initrd.path != NULL ? boot->initrd.path : "(in memory)");
	say(to, "boot: command line %s", boot->cmdline != NULL ? boot->cmdline : "");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		say(to, "boot: entry 0x%" PRIx64 ", kernel 0x%" PRIx64 " (%" PRIu64 " bytes)",
		    vm->entry.regs.rip, vm->entry.kernel_gpa, vm->entry.kernel_len);
}

int vc_vm_describe(struct vc_vm *vm, vc_text_fn fn, void *opaque)
{
	const struct text to = { fn, opaque };
	struct vc__vm_shape shape = { 0 };
	struct vc_cpu_model *model = NULL;
	uint32_t nr = vm != NULL ? vm->cfg.nr_vcpus : 0;
	int r;

	if (vm == NULL || fn == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "a VM and a text callback are needed");
	say(&to, "vm: %s, %s, hypervisor %s", vm->name, vc_vm_state_name(vc_vm_get_state(vm)),
	    vc_backend_name(vc_host_backend(vm->host)));
	say(&to, "vm: %" PRIu32 " vCPUs, irqchip %s%s", vm->cfg.nr_vcpus,
	    irqchip_name(vm->cfg.irqchip), vm->cfg.has_pit ? ", PIT" : "");
	r = vc__vm_make_model(vm, &model);
	if (r < 0)
		say(&to, "cpu: not possible: %s", vc_error_message());
	else
		(void)vc_cpu_model_describe(model, fn, opaque);
	if (nr > 0 && nr <= VC__VM_VCPUS_MAX) {
		r = vc__vm_shape_init(vm, model, &shape);
		if (r < 0)
			say(&to, "memory: not possible: %s", vc_error_message());
	}
	vc_cpu_model_destroy(model);
	if (r == 0) {
		describe_memory(vm, &shape, &to);
		describe_acpi(vm, &shape, &to);
	}
	describe_devices(vm, &shape, &to);
	describe_boot(vm, &to);
	vc__vm_shape_fini(&shape);
	return 0;
}
