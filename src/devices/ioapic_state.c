/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The I/O APIC's section of a state stream: save, load, and what of a loaded one is refused.
 *
 * Version 1: selected register, id, levels of the pins (u32), 24 entries (u64). Routes follow from
 * these. Runs on the control thread under the device's lock. Leaves out: interrupts that the local
 * APICs took, which are in their own state.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <string.h>

#include "ioapic.h"

#define STATE_VERSION 1u

int vc__ioapic_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	const struct ioapic *ioapic = vc_container_of(dev, struct ioapic, dev);
	unsigned int pin;
	int r = vc_state_begin(writer, dev->name, STATE_VERSION);

	if (r < 0)
		return r;
	vc_state_put_u64(writer, ioapic->selected, 1);
	vc_state_put_u64(writer, ioapic->id, 1);
	vc_state_put_u64(writer, ioapic->levels, 4);
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		vc_state_put_u64(writer, ioapic->entries[pin], 8);
	return vc_state_end(writer);
}

struct loaded {
	uint8_t selected, id;
	uint32_t levels;
	uint64_t entries[VC_IOAPIC_PINS];
};

/* An EOI can only be due of an interrupt that has one. */
static bool is_bad_entry(uint64_t entry)
{
	bool is_level = (entry & ENTRY_LEVEL) && (entry & ENTRY_MODE) <= 0x100;

	return (entry & ~(ENTRY_WRITABLE | ENTRY_REMOTE)) || ((entry & ENTRY_REMOTE) && !is_level);
}

static int check(const struct vc_device *dev, const struct loaded *s)
{
	unsigned int pin;

	if (s->id > ID_MAX)
		return vc_error_set(-EBADMSG, "devices", dev->name, "id is %u, expected 0 to %u",
				    s->id, ID_MAX);
	if (s->levels >> VC_IOAPIC_PINS)
		return vc_error_set(-EBADMSG, "devices", dev->name, "levels of pins beyond %u",
				    VC_IOAPIC_PINS - 1);
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		if (is_bad_entry(s->entries[pin]))
			return vc_error_set(-EBADMSG, "devices", dev->name,
					    "entry of pin %u is 0x%llx, which it cannot be", pin,
					    (unsigned long long)s->entries[pin]);
	return 0;
}

int vc__ioapic_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct ioapic *ioapic = vc_container_of(dev, struct ioapic, dev);
	struct loaded s;
	uint32_t version;
	unsigned int pin;
	int r = vc_state_open(reader, dev->name, STATE_VERSION, &version);

	if (r < 0)
		return r;
	s.selected = (uint8_t)vc_state_get_u64(reader, 1);
	s.id = (uint8_t)vc_state_get_u64(reader, 1);
	s.levels = (uint32_t)vc_state_get_u64(reader, 4);
	for (pin = 0; pin < VC_IOAPIC_PINS; pin++)
		s.entries[pin] = vc_state_get_u64(reader, 8);
	r = vc_state_close(reader);
	if (r == 0)
		r = check(dev, &s);
	if (r < 0)
		return r;
	ioapic->selected = s.selected;
	ioapic->id = s.id;
	ioapic->levels = s.levels;
	memcpy(ioapic->entries, s.entries, sizeof(ioapic->entries));
	vc__ioapic_resume(ioapic);
	return 0;
}
