/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which BAR answers where: a table made anew whenever a BAR or a decode bit changes, and the doorbells
 * that move with it. Runs on vCPU threads under the bridge's lock.
 *
 * A BAR answers when its space is decoded and it lies wholly in one of the bridge's windows: so a
 * guest can put one on RAM or on another device, and nothing happens but that it is gone. Of BARs that
 * overlap the one in the lower slot, then of the lower number, answers; the other is gone as well. Only
 * BARs that answer have their doorbells with the hypervisor. One that it does not take is trapped, and
 * rings the same eventfd from here. Spec: [PCI 3.0 6.2.5.1] [KVM KVM_IOEVENTFD]
 */
#include "pci_private.h"

#include <libvirtcore/implement.h>

#include <string.h>

/* Number of mappings that begin at or below (@is_io, @addr). */
static size_t count_up_to(const struct pci_bridge *bridge, bool is_io, uint64_t addr)
{
	size_t low = 0, high = bridge->nr_mappings;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct pci_mapping *m = &bridge->mappings[mid];

		if (m->is_io != is_io ? m->is_io < is_io : m->base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_in_window(const struct pci_bridge *bridge, const struct pci_mapping *m)
{
	static const enum vc_pci_range memory[] = { VC_PCI_RANGE_MEM32, VC_PCI_RANGE_MEM64 };
	const struct vc_pci_window *w = &bridge->windows[VC_PCI_RANGE_IO];
	size_t i;

	if (m->is_io)
		return m->base >= w->base &&
		       vc_range_within(m->base - w->base, m->len, w->len_bytes);
	for (i = 0; i < sizeof(memory) / sizeof(memory[0]); i++) {
		w = &bridge->windows[memory[i]];
		if (m->base >= w->base && vc_range_within(m->base - w->base, m->len, w->len_bytes))
			return true;
	}
	return false;
}

/* Enters a BAR unless it is out of reach or meets one that is there. */
static bool enter(struct pci_bridge *bridge, const struct pci_mapping *m)
{
	struct pci_mapping *all = bridge->mappings;
	size_t at;

	if (!is_in_window(bridge, m))
		return false;
	at = count_up_to(bridge, m->is_io, m->base);
	if (at > 0 && all[at - 1].is_io == m->is_io && m->base - all[at - 1].base < all[at - 1].len)
		return false;
	if (at < bridge->nr_mappings && all[at].is_io == m->is_io &&
	    all[at].base - m->base < m->len)
		return false;
	memmove(&all[at + 1], &all[at], (bridge->nr_mappings - at) * sizeof(*all));
	all[at] = *m;
	bridge->nr_mappings++;
	return true;
}

static void unwire(struct vc_pci_function *function, uint32_t bar)
{
	size_t i;

	for (i = 0; i < function->nr_doorbells; i++) {
		if (function->doorbells[i].cfg.bar != bar)
			continue;
		vc_doorbell_destroy(function->doorbells[i].wired);
		function->doorbells[i].wired = NULL;
	}
}

void vc__pci_unwire(struct vc_pci_function *function)
{
	uint32_t bar;

	for (bar = 0; bar < VC_PCI_BARS; bar++) {
		unwire(function, bar);
		function->is_mapped[bar] = false;
	}
}

static void place(struct pci_bridge *bridge, struct vc_pci_function *function, uint32_t bar)
{
	struct pci_mapping m = { .len = function->bars[bar].len,
				 .function = function,
				 .bar = (uint8_t)bar,
				 .is_io = function->bars[bar].kind == VC_PCI_BAR_IO };
	bool is_mapped = vc__pci_config_bar(function, bar, &m.base) && enter(bridge, &m);

	if (function->is_mapped[bar] && !(is_mapped && function->mapped_at[bar] == m.base))
		unwire(function, bar);
	function->is_mapped[bar] = is_mapped;
	function->mapped_at[bar] = m.base;
}

static void wire(struct vc_partition *partition, struct vc_pci_function *function)
{
	size_t i;

	for (i = 0; i < function->nr_doorbells; i++) {
		struct pci_doorbell *d = &function->doorbells[i];
		struct vc_doorbell_config cfg = {
			.size = sizeof(cfg),
			.space = function->bars[d->cfg.bar].kind == VC_PCI_BAR_IO ? VC_SPACE_PIO
										  : VC_SPACE_MMIO,
			.addr = function->mapped_at[d->cfg.bar] + d->cfg.off,
			.len = d->cfg.len,
			.has_match = d->cfg.has_match,
			.match = d->cfg.match,
			.has_fd = true,
			.fd = d->fd,
		};

		/* Where this fails, writes are trapped. */
		if (function->is_mapped[d->cfg.bar] && !d->wired)
			(void)vc_doorbell_create(partition, &cfg, &d->wired);
	}
}

void vc__pci_decode(struct pci_bridge *bridge)
{
	uint32_t slot, bar;

	bridge->nr_mappings = 0;
	for (slot = 0; slot < VC_PCI_SLOTS; slot++)
		for (bar = 0; bridge->functions[slot] && bar < VC_PCI_BARS; bar++)
			place(bridge, bridge->functions[slot], bar);
	/* After all that left: one may come to where another was. */
	for (slot = 0; slot < VC_PCI_SLOTS; slot++)
		if (bridge->functions[slot])
			wire(bridge->partition, bridge->functions[slot]);
}

const struct pci_mapping *vc__pci_find(const struct pci_bridge *bridge, bool is_io, uint64_t addr,
				       uint32_t size)
{
	size_t nr = count_up_to(bridge, is_io, addr);
	const struct pci_mapping *m = nr > 0 ? &bridge->mappings[nr - 1] : NULL;

	return m && m->is_io == is_io && vc_range_within(addr - m->base, size, m->len) ? m : NULL;
}

static bool ring(const struct vc_pci_function *function, uint32_t bar, uint64_t off,
		 const struct vc_access *access)
{
	const uint64_t one = 1;
	size_t i;

	for (i = 0; i < function->nr_doorbells; i++) {
		const struct vc_pci_doorbell *d = &function->doorbells[i].cfg;

		if (d->bar != bar || d->off != off || (d->len != 0 && d->len != access->size) ||
		    (d->has_match && d->match != access->value))
			continue;
		(void)!write(function->doorbells[i].fd, &one, sizeof(one));
		return true;
	}
	return false;
}

void vc__pci_bar_access(const struct pci_mapping *mapping, uint64_t addr, struct vc_access *access)
{
	struct vc_pci_function *function = mapping->function;
	struct vc_access inner = *access;

	inner.range = mapping->bar;
	inner.off = addr - mapping->base;
	if (access->is_write && ring(function, inner.range, inner.off, access))
		return;
	if (vc__msix_owns(&function->msix, inner.range, inner.off, inner.size)) {
		if (inner.off < function->msix.off)
			return;
		inner.off -= function->msix.off;
		vc__msix_access(&function->msix, &inner);
	} else {
		vc_device_lock(function->dev);
		function->dev->ops->access(function->dev, &inner);
		vc_device_unlock(function->dev);
	}
	access->value = inner.value;
}
