/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts into KVM and doorbells out of it. Lines and single messages are one ioctl, from any
 * thread. The routing table is written as a whole each time a message with an fd or a pin changes,
 * under the partition's lock over messages; the lines' own routes stay in it. Leaves out resampling
 * irqfds, which a split irqchip refuses. [KVM 4.25, 4.52, 4.59, 4.71, 4.75]
 */
#include "kvm.h"

#include <string.h>

/* Inputs of the two PICs; of these the slave has the upper half. */
#define PIC_PINS 16u

int vc__kvm_irq_line(struct vc_partition *partition, uint32_t gsi, bool is_high)
{
	struct kvm_irq_level line = { .irq = gsi, .level = is_high };

	if (ioctl(vc__kvm_partition(partition)->fd, KVM_IRQ_LINE, &line) < 0)
		return vc__kvm_fail(partition, "KVM_IRQ_LINE");
	return 0;
}

int vc__kvm_irq_msi(struct vc_partition *partition, const struct vc_msi *msi)
{
	struct kvm_msi kvm_msi = {
		.address_lo = (uint32_t)msi->address,
		.address_hi = (uint32_t)(msi->address >> 32),
		.data = msi->data,
	};

	int r = ioctl(vc__kvm_partition(partition)->fd, KVM_SIGNAL_MSI, &kvm_msi);
	return r < 0 ? vc__kvm_fail(partition, "KVM_SIGNAL_MSI") : r > 0;
}

static bool has_route(const struct vc_irq *irq)
{
	return irq->is_pin || irq->fd >= 0;
}

/* Routes of the in-kernel chips, as KVM makes them itself: both PICs and the IOAPIC. */
static uint32_t add_lines(struct kvm_irq_routing_entry *entries)
{
	uint32_t nr = 0;

	for (uint32_t gsi = 0; gsi < VC__IOAPIC_PINS; gsi++) {
		struct kvm_irq_routing_entry *e = &entries[nr++];

		e->gsi = gsi;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e->u.irqchip.pin = gsi;
		if (gsi >= PIC_PINS)
			continue;
		e = &entries[nr++];
		e->gsi = gsi;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip =
			gsi < PIC_PINS / 2 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
		e->u.irqchip.pin = gsi % (PIC_PINS / 2);
	}
	return nr;
}

/* KVM refuses a whole table for one such: what a guest programs must not cost others their routes. */
static bool is_refused(const struct vc_msi *msi)
{
	return msi->address >> 32 & 0xff;
}

static int set_routes(struct vc_partition *partition)
{
	size_t nr_max = VC__IOAPIC_PINS + PIC_PINS;
	struct vc_msi msi;

	for (struct vc_irq *irq = partition->messages; irq; irq = irq->next)
		nr_max += has_route(irq);
	vc_auto_free struct kvm_irq_routing *table =
		calloc(1, sizeof(*table) + nr_max * sizeof(struct kvm_irq_routing_entry));
	if (!table)
		return vc__no_memory(partition->name, "the table of routes");
	if (partition->irqchip == VC_IRQCHIP_KERNEL)
		table->nr = add_lines(table->entries);
	for (struct vc_irq *irq = partition->messages; irq; irq = irq->next) {
		if (!has_route(irq) || !vc__irq_message(irq, &msi) || is_refused(&msi))
			continue;
		struct kvm_irq_routing_entry *e = &table->entries[table->nr++];
		e->gsi = irq->gsi;
		e->type = KVM_IRQ_ROUTING_MSI;
		e->u.msi.address_lo = (uint32_t)msi.address;
		e->u.msi.address_hi = (uint32_t)(msi.address >> 32);
		e->u.msi.data = msi.data;
	}
	if (ioctl(vc__kvm_partition(partition)->fd, KVM_SET_GSI_ROUTING, table) < 0)
		return vc__kvm_fail(partition, "KVM_SET_GSI_ROUTING");
	return 0;
}

static int set_irqfd(struct vc_irq *irq, bool is_on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)irq->fd,
		.gsi = irq->gsi,
		.flags = is_on ? 0u : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (ioctl(vc__kvm_partition(irq->partition)->fd, KVM_IRQFD, &irqfd) < 0)
		return vc__kvm_fail(irq->partition, "KVM_IRQFD");
	irq->is_wired = is_on;
	return 0;
}

int vc__kvm_irq_wire(struct vc_irq *irq, bool is_on)
{
	bool is_listening = is_on && vc__irq_listens(irq);
	int r = 0;

	/* Before the route goes: a signal on its way arrives or stays in the fd. */
	if (!is_listening && irq->is_wired)
		r = set_irqfd(irq, false);
	/* The route of a message that was only masked stays, unused. */
	if (r == 0 && irq->kind == VC__IRQ_MSI && (!is_on || irq->is_pin || is_listening))
		r = set_routes(irq->partition);
	if (r == 0 && is_listening && !irq->is_wired)
		r = set_irqfd(irq, true);
	return r;
}

int vc__kvm_doorbell_wire(struct vc_doorbell *doorbell, bool is_on)
{
	const struct vc_doorbell_config *cfg = &doorbell->cfg;
	struct kvm_ioeventfd kvm = {
		.datamatch = cfg->match,
		.addr = cfg->addr,
		.len = cfg->len,
		.fd = doorbell->fd,
		.flags = (cfg->space == VC_SPACE_PIO ? KVM_IOEVENTFD_FLAG_PIO : 0u) |
			 (cfg->has_match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u) |
			 (is_on ? 0u : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	if (ioctl(vc__kvm_partition(doorbell->partition)->fd, KVM_IOEVENTFD, &kvm) == 0)
		return 0;
	int err = errno;
	return vc_error_set(-err, "kvm", doorbell->partition->name,
			    "doorbell of %u bytes at %s %#llx: %s", cfg->len,
			    cfg->space == VC_SPACE_PIO ? "port" : "address",
			    (unsigned long long)cfg->addr, strerrordesc_np(err));
}
