/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's devices and interrupt lines: what is added in NEW, and what the builder makes of it.
 *
 * Control thread only, except for a line's level. A line is handed out before there is an irqchip:
 * what the device holds is an ops handle that leads, once built, to the hypervisor's line or to the
 * pin of our I/O APIC. A device never learns which.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Devices that the builder makes: their names and places are kept free from the beginning. */
struct built_device {
	const char *name;
	const struct vc_place *places;
	size_t nr_places;
};

static const struct vc_place rtc_place = { VC_SPACE_PIO, VC__RTC_PORT, VC__RTC_PORTS, 0 };
static const struct vc_place ioapic_place = { VC_SPACE_MMIO, VC_IOAPIC_BASE, VC_IOAPIC_LENGTH, 0 };
static const struct built_device rtc = { "rtc", &rtc_place, 1 };
static const struct built_device ioapic = { "ioapic", &ioapic_place, 1 };
static const struct built_device pci = { VC__PCI_NAME, vc__pci_places, VC__PCI_PLACES };

static int set_line(void *opaque, uint32_t pin, bool is_high)
{
	struct vc__vm_irq *irq = opaque;

	if (irq->line != NULL)
		return vc_irq_set_level(irq->line, is_high);
	if (irq->vm->ioapic != NULL)
		return vc_ioapic_set_level(irq->vm->ioapic, pin, is_high);
	return 0; /* not built: there is no guest to interrupt */
}

static const struct vc_irq_ops line_ops = { .set_level = set_line };

int vc_vm_irq(struct vc_vm *vm, uint32_t gsi, struct vc_irq **ret_irq)
{
	struct vc__vm_irq *irq;
	int r;

	if (vm == NULL || ret_irq == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "a VM and ret_irq are needed");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		return vc_error_set(-EBUSY, "vm", vm->name,
				    "lines are handed out while the VM is new");
	if (gsi >= VC__VM_IRQS || vm->cfg.irqchip == VC_IRQCHIP_NONE)
		return vc_error_set(-EINVAL, "vm", vm->name,
				    "no line %" PRIu32 ": lines are 0 to %u and need an irqchip",
				    gsi, VC__VM_IRQS - 1);
	irq = &vm->irqs[gsi];
	if (irq->handle != NULL)
		return vc_error_set(-EEXIST, "vm", vm->name, "line %" PRIu32 " is taken", gsi);
	irq->vm = vm;
	r = vc_irq_create_ops(&line_ops, irq, gsi, &irq->handle);
	if (r == 0)
		*ret_irq = irq->handle;
	return r;
}

void vc__vm_release_irq(struct vc_vm *vm, uint32_t gsi)
{
	vc_irq_destroy(vm->irqs[gsi].handle);
	vm->irqs[gsi].handle = NULL;
}

int vc__vm_irq_bind(struct vc_vm *vm)
{
	for (uint32_t gsi = 0; gsi < VC__VM_IRQS; gsi++) {
		int r;

		if (vm->irqs[gsi].handle == NULL || vm->cfg.irqchip != VC_IRQCHIP_KERNEL)
			continue;
		r = vc_irq_create_line(vm->partition, gsi, &vm->irqs[gsi].line);
		if (r < 0)
			return r;
	}
	return 0;
}

void vc__vm_irq_unbind(struct vc_vm *vm)
{
	for (uint32_t gsi = 0; gsi < VC__VM_IRQS; gsi++) {
		vc_irq_destroy(vm->irqs[gsi].line);
		vm->irqs[gsi].line = NULL;
	}
}

static const struct vc__vm_device *find_name(const struct vc_vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->nr_devices; i++)
		if (strcmp(vm->devices[i].dev->name, name) == 0)
			return &vm->devices[i];
	return NULL;
}

static bool do_overlap(const struct vc_place *a, const struct vc_place *b)
{
	return a->space == b->space && a->base < b->base + b->len && b->base < a->base + a->len;
}

/* The device that answers somewhere in @place, or NULL. */
static const struct vc_device *find_owner(const struct vc_vm *vm, const struct vc_place *place)
{
	for (size_t d = 0; d < vm->nr_devices; d++)
		for (size_t i = 0; i < vm->devices[d].nr_places; i++)
			if (do_overlap(place, &vm->devices[d].places[i]))
				return vm->devices[d].dev;
	return NULL;
}

static int check_place(const struct vc_vm *vm, const char *name, const struct vc_place *place)
{
	const struct vc_device *owner;
	uint64_t end = 0;

	if (place->space != VC_SPACE_PIO && place->space != VC_SPACE_MMIO)
		return vc_error_set(
			-EINVAL, "vm", name,
			"place 0x%" PRIx64 " is in space %u, PIO (%u) or MMIO (%u) expected",
			place->base, (unsigned int)place->space, VC_SPACE_PIO, VC_SPACE_MMIO);
	if (place->len == 0 || !vc_add_u64(place->base, place->len, &end) ||
	    (place->space == VC_SPACE_PIO && end > 0x10000))
		return vc_error_set(-EINVAL, "vm", name,
				    "place 0x%" PRIx64 " of %" PRIu64 " bytes is outside its space",
				    place->base, place->len);
	owner = find_owner(vm, place);
	if (owner != NULL)
		return vc_error_set(-EEXIST, "vm", name, "place 0x%" PRIx64 " is %s's", place->base,
				    owner->name);
	return 0;
}

/* The name and the place that the builder will need. */
static int keep_free(const struct built_device *built, const char *name,
		     const struct vc__vm_device *slot)
{
	if (strcmp(name, built->name) == 0)
		return vc_error_set(-EEXIST, "vm", name, "there is a device of this name");
	for (size_t i = 0; i < slot->nr_places; i++)
		for (size_t k = 0; k < built->nr_places; k++)
			if (do_overlap(&slot->places[i], &built->places[k]))
				return vc_error_set(-EEXIST, "vm", name,
						    "place 0x%" PRIx64 " is %s's",
						    slot->places[i].base, built->name);
	return 0;
}

static int check_places(const struct vc_vm *vm, const char *name, const struct vc__vm_device *slot)
{
	int r = 0;

	for (size_t i = 0; i < slot->nr_places && r == 0; i++) {
		r = check_place(vm, name, &slot->places[i]);
		for (size_t k = 0; k < i && r == 0; k++)
			if (do_overlap(&slot->places[i], &slot->places[k]))
				r = vc_error_set(-EINVAL, "vm", name,
						 "its own places 0x%" PRIx64 " and 0x%" PRIx64
						 " overlap",
						 slot->places[k].base, slot->places[i].base);
	}
	if (r == 0 && (vm->platform & VC_PLATFORM_RTC) && !slot->is_built)
		r = keep_free(&rtc, name, slot);
	if (r == 0 && vm->cfg.irqchip == VC_IRQCHIP_SPLIT && !slot->is_built)
		r = keep_free(&ioapic, name, slot);
	if (r == 0 && (vm->platform & VC_PLATFORM_PCI) && !slot->is_built)
		r = keep_free(&pci, name, slot);
	return r;
}

int vc__vm_reserve(struct vc_vm *vm, const char *name, const struct vc__vm_device *slot,
		   size_t nr_before)
{
	struct vc__vm_device *grown;
	int r;

	if (find_name(vm, name) != NULL)
		return vc_error_set(-EEXIST, "vm", name, "there is a device of this name");
	r = check_places(vm, name, slot);
	if (r < 0)
		return r;
	grown = reallocarray(vm->devices, vm->nr_devices + nr_before + 1, sizeof(*grown));
	if (grown == NULL)
		return vc_error_set(-ENOMEM, "vm", name, "no memory for a device");
	vm->devices = grown;
	return 0;
}

/* After the reservation: the VM owns the device. */
void vc__vm_take(struct vc_vm *vm, const struct vc__vm_device *slot)
{
	vm->devices[vm->nr_devices++] = *slot;
	vc_device_set_wake(slot->dev, vc__vm_wake_poller, vm);
}

int vc__vm_refuse_unless_new(const struct vc_vm *vm)
{
	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	if (vc_vm_get_state(vm) != VC_VM_NEW)
		return vc_error_set(-EBUSY, "vm", vm->name,
				    "devices are added while the VM is new");
	return 0;
}

int vc_vm_add_device(struct vc_vm *vm, struct vc_device *dev, const struct vc_place *places,
		     size_t nr_places)
{
	struct vc__vm_device slot = { .dev = dev, .nr_places = nr_places };
	int r = vc__vm_refuse_unless_new(vm);

	if (r < 0)
		return r;
	if (dev == NULL || (places == NULL && nr_places > 0) || nr_places > VC__VM_PLACES_MAX)
		return vc_error_set(-EINVAL, "vm", vm->name,
				    "a device with 0 to %u places is needed, found %zu",
				    VC__VM_PLACES_MAX, nr_places);
	if (nr_places > 0)
		memcpy(slot.places, places, nr_places * sizeof(places[0]));
	r = vc__vm_reserve(vm, dev->name, &slot, 0);
	if (r == 0)
		vc__vm_take(vm, &slot);
	return r;
}

/* A fixed device: its name, constructor, places. RTC and I/O APIC come with the builder. */
struct fixed_device {
	uint32_t platform;
	const char *name;
	int (*create)(const struct vc_request_config *cfg, struct vc_device **ret_dev);
	struct vc_place places[3];
	size_t nr_places;
};

static const struct fixed_device fixed_devices[] = {
	{ VC_PLATFORM_I8042,
	  "i8042",
	  vc_i8042_create,
	  { { VC_SPACE_PIO, 0x60, 1, 0 },
	    { VC_SPACE_PIO, 0x64, 1, 1 },
	    { VC_SPACE_PIO, 0x92, 1, 2 } },
	  3 },
	{ VC_PLATFORM_PM,
	  "pm",
	  vc_pm_create,
	  { { VC_SPACE_PIO, VC__PM_PORT, VC__PM_PORTS, 0 } },
	  1 },
	{ VC_PLATFORM_DEBUG_EXIT,
	  "debug-exit",
	  vc_debug_exit_create,
	  { { VC_SPACE_PIO, VC__DEBUG_EXIT_PORT, VC__DEBUG_EXIT_PORTS, 0 } },
	  1 },
	{ VC_PLATFORM_PVPANIC,
	  "pvpanic",
	  vc_pvpanic_create,
	  { { VC_SPACE_PIO, VC__PVPANIC_PORT, 1, 0 } },
	  1 },
};

#define PLATFORM_ALL                                                                     \
	(VC_PLATFORM_RTC | VC_PLATFORM_I8042 | VC_PLATFORM_PM | VC_PLATFORM_DEBUG_EXIT | \
	 VC_PLATFORM_PVPANIC | VC_PLATFORM_PCI)

#define FIXED_NR (sizeof(fixed_devices) / sizeof(fixed_devices[0]))

/* A guest's wish that comes too late, because somebody has just stopped the VM, is nobody's loss. */
static void pass_on(void *opaque, enum vc_request request, uint64_t code)
{
	(void)vc_vm_request(opaque, request, code);
}

/* Makes the @nr-th of several fixed devices; the VM takes none before all are made. */
static int make_fixed(struct vc_vm *vm, const struct fixed_device *fixed, size_t nr,
		      struct vc__vm_device *slot)
{
	struct vc_request_config cfg = {
		.size = sizeof(cfg), .name = fixed->name, .fn = pass_on, .opaque = vm
	};
	int r;

	*slot = (struct vc__vm_device){ .nr_places = fixed->nr_places,
					.platform = fixed->platform };
	memcpy(slot->places, fixed->places, sizeof(fixed->places));
	r = vc__vm_reserve(vm, fixed->name, slot, nr);
	return r < 0 ? r : fixed->create(&cfg, &slot->dev);
}

/* The builder makes the clock; its name, place and line are taken now. */
static int reserve_rtc(struct vc_vm *vm, size_t nr_before)
{
	struct vc__vm_device slot = { .nr_places = 1, .places = { rtc_place } };
	struct vc_irq *irq;
	int r = vc__vm_reserve(vm, rtc.name, &slot, nr_before);

	if (r == 0 && vm->cfg.irqchip != VC_IRQCHIP_NONE)
		r = vc_vm_irq(vm, VC__RTC_GSI, &irq);
	return r;
}

int vc_vm_add_platform(struct vc_vm *vm, uint32_t devices)
{
	struct vc__vm_device slots[FIXED_NR];
	size_t nr = 0;
	int r = vc__vm_refuse_unless_new(vm);

	if (r < 0)
		return r;
	if (devices & ~PLATFORM_ALL)
		return vc_error_set(-EINVAL, "vm", vm->name,
				    "unknown platform device bits 0x%" PRIx32,
				    devices & ~PLATFORM_ALL);
	if (devices & vm->platform)
		return vc_error_set(-EEXIST, "vm", vm->name,
				    "platform devices 0x%" PRIx32 " are there already",
				    devices & vm->platform);
	for (size_t i = 0; i < FIXED_NR && r == 0; i++) {
		if (!(devices & fixed_devices[i].platform))
			continue;
		r = make_fixed(vm, &fixed_devices[i], nr, &slots[nr]);
		nr += r == 0;
	}
	if (r == 0 && (devices & VC_PLATFORM_PCI))
		r = vc__vm_pci_reserve(vm, nr);
	if (r == 0 && (devices & VC_PLATFORM_RTC)) {
		r = reserve_rtc(vm, nr);
		if (r < 0 && (devices & VC_PLATFORM_PCI))
			vc__vm_pci_release(vm);
	}
	for (size_t i = 0; i < nr; i++) {
		if (r < 0)
			vc_device_destroy(slots[i].dev);
		else
			vc__vm_take(vm, &slots[i]);
	}
	if (r == 0)
		vm->platform |= devices;
	return r;
}

int vc_vm_add_serial(struct vc_vm *vm, struct vc_stream *stream)
{
	struct vc__vm_device slot = { .nr_places = 1 };
	char name[16];
	struct vc_serial8250_config cfg = { .size = sizeof(cfg), .name = name, .stream = stream };
	int r = vc__vm_refuse_unless_new(vm);

	if (r < 0)
		return r;
	if (vm->nr_serials == VC__VM_SERIALS)
		return vc_error_set(-ENOSPC, "vm", vm->name, "there are %u UARTs already",
				    VC__VM_SERIALS);
	snprintf(name, sizeof(name), "serial%" PRIu32, vm->nr_serials);
	slot.places[0] = (struct vc_place){ VC_SPACE_PIO, vc__serial_port(vm->nr_serials),
					    VC__SERIAL_PORTS, 0 };
	r = vc__vm_reserve(vm, name, &slot, 0);
	if (r == 0 && vm->cfg.irqchip != VC_IRQCHIP_NONE)
		r = vc_vm_irq(vm, vc__serial_gsi(vm->nr_serials), &cfg.irq);
	if (r < 0)
		return r;
	r = vc_serial8250_create(&cfg, &slot.dev);
	if (r < 0) {
		if (cfg.irq != NULL)
			vc__vm_release_irq(vm, vc__serial_gsi(vm->nr_serials));
		return r;
	}
	vc__vm_take(vm, &slot);
	return (int)vm->nr_serials++;
}

static int build_rtc(struct vc_vm *vm, uint64_t low_bytes, uint64_t high_bytes)
{
	struct vc__vm_device slot = { .nr_places = 1,
				      .platform = VC_PLATFORM_RTC,
				      .is_built = true };
	struct vc_rtc_config cfg = { .size = sizeof(cfg),
				     .name = rtc.name,
				     .irq = vm->irqs[VC__RTC_GSI].handle,
				     .mem_low_bytes = low_bytes,
				     .mem_high_bytes = high_bytes };
	int r;

	slot.places[0] = rtc_place;
	r = vc__vm_reserve(vm, cfg.name, &slot, 0);
	if (r == 0)
		r = vc_rtc_create(&cfg, &slot.dev);
	if (r == 0)
		vc__vm_take(vm, &slot);
	return r;
}

static int build_ioapic(struct vc_vm *vm)
{
	struct vc__vm_device slot = { .nr_places = 1, .is_built = true };
	struct vc_ioapic_config cfg = { .size = sizeof(cfg),
					.name = ioapic.name,
					.partition = vm->partition };
	int r;

	slot.places[0] = ioapic_place;
	r = vc__vm_reserve(vm, cfg.name, &slot, 0);
	if (r == 0)
		r = vc_ioapic_create(&cfg, &slot.dev);
	if (r < 0)
		return r;
	vc__vm_take(vm, &slot);
	vm->ioapic = slot.dev;
	return 0;
}

/* What lies at [@base, @base + @len) so that no access to it ever comes out; NULL = nothing. */
static const char *find_cover(const struct vc_vm *vm, const struct vc__layout *layout,
			      const struct vc_place *place)
{
	const struct vc_place lapic = { VC_SPACE_MMIO, VC__LAPIC_GPA, VC__LAPIC_BYTES, 0 };
	const struct vc_place window = { VC_SPACE_MMIO, layout->pci_gpa, layout->pci_bytes, 0 };

	for (size_t i = 0; i < layout->nr_ranges; i++) {
		const struct vc__layout_range *r = &layout->ranges[i];

		if (do_overlap(place, &(struct vc_place){ VC_SPACE_MMIO, r->gpa, r->len_bytes, 0 }))
			return vm->rams[r->ram].cfg.name;
	}
	/* writes to a region that is read-only do come out: a flash chip, for one */
	for (size_t i = 0; i < vm->nr_fixed; i++) {
		const struct vc_mem_range *r = &vm->fixed[i].range;

		if (!(r->flags & VC_REGION_READONLY) &&
		    do_overlap(place, &(struct vc_place){ VC_SPACE_MMIO, r->gpa, r->len_bytes, 0 }))
			return r->name;
	}
	if (layout->pci_bytes != 0 && do_overlap(place, &window))
		return "PCI's window of 64 bits";
	if (vm->cfg.irqchip != VC_IRQCHIP_NONE && do_overlap(place, &lapic))
		return "the local APICs";
	if (vm->cfg.irqchip == VC_IRQCHIP_KERNEL && do_overlap(place, &ioapic_place))
		return "the hypervisor's I/O APIC";
	return NULL;
}

int vc__vm_place_check(const struct vc_vm *vm, const struct vc__layout *layout,
		       const struct vc__vm_device *slot, size_t idx)
{
	const struct vc_place *place = &slot->places[idx];
	uint64_t bits = vc_host_limit(vm->host, VC_LIMIT_GPA_BITS);
	const char *cover;

	if (place->space != VC_SPACE_MMIO)
		return 0;
	cover = find_cover(vm, layout, place);
	if (cover != NULL)
		return vc_error_set(-EEXIST, "vm", slot->dev->name,
				    "place 0x%" PRIx64 " of %" PRIu64
				    " bytes lies on %s: no access would reach it",
				    place->base, place->len, cover);
	if (bits != 0 && bits < 64 && (place->base + place->len - 1) >> bits)
		return vc_error_set(-ERANGE, "vm", slot->dev->name,
				    "place 0x%" PRIx64 " of %" PRIu64
				    " bytes: guest addresses have %" PRIu64 " bits",
				    place->base, place->len, bits);
	return 0;
}

int vc__vm_claim(struct vc_bus *pio, struct vc_bus *mmio, const struct vc__vm_device *slot)
{
	int r = 0;

	for (size_t i = 0; i < slot->nr_places && r == 0; i++) {
		const struct vc_place *p = &slot->places[i];

		r = vc_bus_claim(p->space == VC_SPACE_PIO ? pio : mmio, p->base, p->len, slot->dev,
				 p->range);
	}
	return r;
}

/* The devices that need the machine's shape, then the two buses with all devices on them. */
int vc__vm_devices_build(struct vc_vm *vm, uint64_t low_bytes, uint64_t high_bytes)
{
	int r = 0;

	if (vm->platform & VC_PLATFORM_RTC)
		r = build_rtc(vm, low_bytes, high_bytes);
	if (r == 0 && vm->cfg.irqchip == VC_IRQCHIP_SPLIT)
		r = build_ioapic(vm);
	if (r == 0 && (vm->platform & VC_PLATFORM_PCI))
		r = vc__vm_pci_build(vm);
	if (r == 0)
		r = vc_bus_create(VC_SPACE_PIO, &vm->pio);
	if (r == 0)
		r = vc_bus_create(VC_SPACE_MMIO, &vm->mmio);
	for (size_t i = 0; i < vm->nr_devices && r == 0; i++)
		r = vc__vm_claim(vm->pio, vm->mmio, &vm->devices[i]);
	if (r == 0)
		r = vc_bus_freeze(vm->pio);
	if (r == 0)
		r = vc_bus_freeze(vm->mmio);
	if (r < 0)
		return r;
	vm->poll_counts = calloc(vm->nr_devices + 1, sizeof(vm->poll_counts[0]));
	vm->control_fds =
		calloc(1 + vm->nr_devices * VC_DEVICE_POLLFDS_MAX, sizeof(vm->control_fds[0]));
	if (vm->poll_counts == NULL || vm->control_fds == NULL)
		return vc_error_set(-ENOMEM, "vm", vm->name, "no memory");
	return 0;
}

void vc__vm_devices_unbuild(struct vc_vm *vm)
{
	size_t nr_kept = 0;

	vc_bus_destroy(vm->pio);
	vc_bus_destroy(vm->mmio);
	vm->pio = vm->mmio = NULL;
	vm->ioapic = NULL;
	for (size_t i = 0; i < vm->nr_devices; i++) {
		if (vm->devices[i].is_built)
			vc_device_destroy(vm->devices[i].dev);
		else
			vm->devices[nr_kept++] = vm->devices[i];
	}
	vm->nr_devices = nr_kept;
	free(vm->poll_counts);
	vm->poll_counts = NULL;
	free(vm->control_fds);
	vm->control_fds = NULL;
}
