/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and state of the I/O APIC. [82093AA data sheet 3.0] */
#ifndef VC_IOAPIC_H
#define VC_IOAPIC_H

#include <libvirtcore/device.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/platform.h>

/* Redirection entries. */
#define ENTRY_VECTOR	0x00000000000000ffull
#define ENTRY_MODE	0x0000000000000700ull
#define ENTRY_LOGICAL	0x0000000000000800ull
#define ENTRY_PENDING	0x0000000000001000ull /* read-only; messages are never pending here: 0 */
#define ENTRY_LOW	0x0000000000002000ull
#define ENTRY_REMOTE	0x0000000000004000ull /* read-only: waits for an EOI */
#define ENTRY_LEVEL	0x0000000000008000ull
#define ENTRY_MASKED	0x0000000000010000ull
#define ENTRY_DEST	0xff00000000000000ull
#define ENTRY_READ_ONLY (ENTRY_PENDING | ENTRY_REMOTE)
#define ENTRY_WRITABLE                                                                        \
	(ENTRY_VECTOR | ENTRY_MODE | ENTRY_LOGICAL | ENTRY_LOW | ENTRY_LEVEL | ENTRY_MASKED | \
	 ENTRY_DEST)

#define ID_MAX 15u

struct ioapic {
	struct vc_device dev;
	struct vc_partition *partition;
	struct vc_irq *pins[VC_IOAPIC_PINS]; /* tell the hypervisor whose EOI to report */

	uint8_t selected, id;
	uint32_t levels; /* bit per pin: driven high */
	uint64_t entries[VC_IOAPIC_PINS];
	uint32_t routed; /* bit per pin: pins[] has a message; not state */
};

/* ioapic.c: routes and messages in line with entries just loaded. */
void vc__ioapic_resume(struct ioapic *ioapic);

/* ioapic_state.c */
int vc__ioapic_save(struct vc_device *dev, struct vc_state_writer *writer);
int vc__ioapic_load(struct vc_device *dev, struct vc_state_reader *reader);

#endif /* VC_IOAPIC_H */
