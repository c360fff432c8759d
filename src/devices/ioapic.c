/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An 82093AA I/O APIC for a split irqchip: pins in, messages to the hypervisor's local APICs out.
 * Registers and EOIs come on vCPU threads, pins on any, all under the device's lock.
 *
 * An edge is sent when it comes and lost when its entry is masked then, as on the chip. A level is
 * sent when the pin is high, the entry open and no EOI awaited; again after the EOI, on opening the
 * entry, or after a change of it. The hypervisor reports EOIs only of vectors that it finds in the
 * pins' routes: an entry's route stays while it is masked, for an EOI may still be due. The polarity
 * bit is stored only: a pin is driven by its meaning. Leaves out: ExtINT (there is no PIC) and
 * extended destinations (ids above 254). Spec: [82093AA data sheet 3.0] [KVM KVM_CAP_SPLIT_IRQCHIP]
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#include "device_private.h"
#include "ioapic.h"

#define REG_SELECT 0x00u
#define REG_WINDOW 0x10u
#define REG_EOI	   0x40u

#define SELECT_ID	   0x00u
#define SELECT_VERSION	   0x01u
#define SELECT_ARBITRATION 0x02u
#define SELECT_ENTRIES	   0x10u

#define VERSION	 (0x20u | (VC_IOAPIC_PINS - 1) << 16)
#define ID_SHIFT 24u

#define MODE_SHIFT  8u
#define MODE_FIXED  0u
#define MODE_LOWEST 1u
#define MODE_SMI    2u
#define MODE_NMI    4u
#define MODE_INIT   5u

#define FIRST_VECTOR 16u /* below are exceptions: a local APIC takes no such message */

/* Messages. [SDM 3A 11.11] */
#define MSI_ADDRESS	 0xfee00000ull
#define MSI_DEST_SHIFT	 12u
#define MSI_LOGICAL	 0x4u
#define MSI_DATA_ASSERT	 0x4000u
#define MSI_DATA_TRIGGER 0x8000u

static struct ioapic *to_ioapic(struct vc_device *dev)
{
	return vc_container_of(dev, struct ioapic, dev);
}

static unsigned int mode_of(uint64_t entry)
{
	return (unsigned int)(entry & ENTRY_MODE) >> MODE_SHIFT;
}

static bool has_vector(uint64_t entry)
{
	return mode_of(entry) == MODE_FIXED || mode_of(entry) == MODE_LOWEST;
}

/* SMI, NMI and INIT have no EOI: they are edges whatever the trigger bit says. */
static bool is_level(uint64_t entry)
{
	return (entry & ENTRY_LEVEL) && has_vector(entry);
}

static bool is_deliverable(uint64_t entry)
{
	unsigned int mode = mode_of(entry);

	if (has_vector(entry))
		return (entry & ENTRY_VECTOR) >= FIRST_VECTOR;
	return mode == MODE_SMI || mode == MODE_NMI || mode == MODE_INIT;
}

static struct vc_msi message_of(uint64_t entry)
{
	struct vc_msi msi = {
		.address = MSI_ADDRESS | entry >> 56 << MSI_DEST_SHIFT,
		.data = (uint32_t)(entry & (ENTRY_VECTOR | ENTRY_MODE)),
	};

	if (entry & ENTRY_LOGICAL)
		msi.address |= MSI_LOGICAL;
	if (is_level(entry))
		msi.data |= MSI_DATA_TRIGGER | MSI_DATA_ASSERT;
	return msi;
}

/* Sends the entry's message if it is open; a level that was taken waits for its EOI. */
static void deliver(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t *entry = &ioapic->entries[pin];
	struct vc_msi msi = message_of(*entry);

	if ((*entry & (ENTRY_MASKED | ENTRY_REMOTE)) || !is_deliverable(*entry))
		return;
	if (vc_irq_send_msi(ioapic->partition, &msi) > 0 && is_level(*entry))
		*entry |= ENTRY_REMOTE;
}

static void deliver_if_high(struct ioapic *ioapic, unsigned int pin)
{
	if (is_level(ioapic->entries[pin]) && (ioapic->levels >> pin & 1))
		deliver(ioapic, pin);
}

static void update_route(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t entry = ioapic->entries[pin];
	struct vc_msi msi = message_of(entry);
	uint32_t bit = 1u << pin;

	if (!is_level(entry)) {
		if (ioapic->routed & bit)
			(void)vc_irq_set_msi(ioapic->pins[pin], NULL);
		ioapic->routed &= ~bit;
	} else if (!(entry & ENTRY_MASKED) || (entry & ENTRY_REMOTE)) {
		(void)vc_irq_set_msi(ioapic->pins[pin], &msi);
		ioapic->routed |= bit;
	}
}

static void write_entry(struct ioapic *ioapic, unsigned int pin, bool is_high, uint32_t value)
{
	uint64_t *entry = &ioapic->entries[pin], was = *entry;
	uint64_t half = is_high ? 0xffffffff00000000ull : 0xffffffffull;
	uint64_t wanted = is_high ? (uint64_t)value << 32 : value;

	*entry = (was & ~half) | (was & ENTRY_READ_ONLY) | (wanted & half & ENTRY_WRITABLE);
	/* An entry that is made edge-triggered awaits nothing: drivers clear a stuck one so. */
	if (!is_level(*entry))
		*entry &= ~ENTRY_REMOTE;
	if (*entry == was)
		return;
	/* A masked entry with its EOI due keeps the route that the EOI comes by. */
	if (!(*entry & ENTRY_MASKED) || !is_level(*entry))
		update_route(ioapic, pin);
	deliver_if_high(ioapic, pin);
}

static void write_window(struct ioapic *ioapic, uint32_t value)
{
	unsigned int select = ioapic->selected;

	if (select == SELECT_ID)
		ioapic->id = value >> ID_SHIFT & ID_MAX;
	else if (select >= SELECT_ENTRIES && select < SELECT_ENTRIES + 2 * VC_IOAPIC_PINS)
		write_entry(ioapic, (select - SELECT_ENTRIES) / 2, select & 1, value);
}

static uint32_t read_window(const struct ioapic *ioapic)
{
	unsigned int select = ioapic->selected;

	if (select == SELECT_ID || select == SELECT_ARBITRATION)
		return (uint32_t)ioapic->id << ID_SHIFT;
	if (select == SELECT_VERSION)
		return VERSION;
	if (select >= SELECT_ENTRIES && select < SELECT_ENTRIES + 2 * VC_IOAPIC_PINS)
		return (uint32_t)(ioapic->entries[(select - SELECT_ENTRIES) / 2] >>
				  (select & 1 ? 32 : 0));
	return 0;
}

static void end_of_interrupt(struct ioapic *ioapic, uint8_t vector)
{
	unsigned int pin;

	for (pin = 0; pin < VC_IOAPIC_PINS; pin++) {
		uint64_t *entry = &ioapic->entries[pin];

		if (!(*entry & ENTRY_REMOTE) || (*entry & ENTRY_VECTOR) != vector)
			continue;
		*entry &= ~ENTRY_REMOTE;
		deliver_if_high(ioapic, pin);
	}
}

/* The chip has 32-bit registers on 16-byte boundaries; anything else hits nothing. */
static void ioapic_access(struct vc_device *dev, struct vc_access *access)
{
	struct ioapic *ioapic = to_ioapic(dev);
	uint32_t value = (uint32_t)access->value;

	if (access->size != 4)
		return;
	if (access->is_write && access->off == REG_SELECT)
		ioapic->selected = (uint8_t)value;
	else if (access->is_write && access->off == REG_WINDOW)
		write_window(ioapic, value);
	else if (access->is_write && access->off == REG_EOI)
		end_of_interrupt(ioapic, (uint8_t)value);
	else if (!access->is_write && access->off == REG_SELECT)
		access->value = ioapic->selected;
	else if (!access->is_write && access->off == REG_WINDOW)
		access->value = read_window(ioapic);
}

static void ioapic_reset(struct vc_device *dev)
{
	struct ioapic *ioapic = to_ioapic(dev);
	unsigned int pin;

	ioapic->selected = 0;
	ioapic->id = 0;
	ioapic->levels = 0;
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++) {
		ioapic->entries[pin] = ENTRY_MASKED;
		update_route(ioapic, pin);
	}
}

void vc__ioapic_resume(struct ioapic *ioapic)
{
	unsigned int pin;

	for (pin = 0; pin < VC_IOAPIC_PINS; pin++) {
		update_route(ioapic, pin);
		deliver_if_high(ioapic, pin);
	}
}

static void ioapic_destroy(struct vc_device *dev)
{
	struct ioapic *ioapic = to_ioapic(dev);
	unsigned int pin;

	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		vc_irq_destroy(ioapic->pins[pin]);
	vc_device_fini(dev);
	free(ioapic);
}

static const struct vc_device_ops ioapic_ops = {
	.type = "ioapic",
	.access = ioapic_access,
	.reset = ioapic_reset,
	.save = vc__ioapic_save,
	.load = vc__ioapic_load,
	.destroy = ioapic_destroy,
};

int vc_ioapic_create(const struct vc_ioapic_config *cfg, struct vc_device **ret_dev)
{
	struct vc_ioapic_config c;
	struct ioapic *ioapic;
	unsigned int pin;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_dev || !c.partition)
		return vc_error_set(-EINVAL, "devices", c.name ? c.name : "ioapic",
				    "ret_dev and partition are needed");
	ioapic = calloc(1, sizeof(*ioapic));
	if (!ioapic)
		return vc_error_set(-ENOMEM, "devices", c.name, "no memory");
	r = vc_device_init(&ioapic->dev, &ioapic_ops, c.name ? c.name : "ioapic");
	if (r < 0) {
		free(ioapic);
		return r;
	}
	ioapic->partition = c.partition;
	for (pin = 0; pin < VC_IOAPIC_PINS && r == 0; pin++)
		r = vc_irq_create_pin(c.partition, pin, &ioapic->pins[pin]);
	if (r < 0) {
		vc_device_destroy(&ioapic->dev);
		return r;
	}
	ioapic_reset(&ioapic->dev);
	*ret_dev = &ioapic->dev;
	return 0;
}

static int refuse_other(const struct vc_device *dev)
{
	if (!dev || dev->ops != &ioapic_ops)
		return vc_error_set(-EINVAL, "devices", dev ? dev->name : "ioapic",
				    "the device is no I/O APIC");
	return 0;
}

int vc_ioapic_set_level(struct vc_device *dev, uint32_t pin, bool is_high)
{
	struct ioapic *ioapic;
	bool was_high;
	int r = refuse_other(dev);

	if (r < 0)
		return r;
	if (pin >= VC_IOAPIC_PINS)
		return vc_error_set(-EINVAL, "devices", dev->name, "pin %u, expected 0 to %u", pin,
				    VC_IOAPIC_PINS - 1);
	ioapic = to_ioapic(dev);
	vc__device_lock(dev);
	was_high = ioapic->levels >> pin & 1;
	ioapic->levels = (ioapic->levels & ~(1u << pin)) | (uint32_t)is_high << pin;
	if (is_high && (!was_high || is_level(ioapic->entries[pin])))
		deliver(ioapic, pin);
	vc__device_unlock(dev);
	return 0;
}

int vc_ioapic_eoi(struct vc_device *dev, uint8_t vector)
{
	int r = refuse_other(dev);

	if (r < 0)
		return r;
	vc__device_lock(dev);
	end_of_interrupt(to_ioapic(dev), vector);
	vc__device_unlock(dev);
	return 0;
}
