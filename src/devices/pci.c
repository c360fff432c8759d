/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCIe host bridge: configuration space by ECAM, three windows behind which BARs lie, and four
 * lines that functions share for INTx.
 *
 * Accesses come on vCPU threads under the bridge's lock, which is held while a function's device
 * answers: a BAR never moves under an access. Doorbells, and interrupts by eventfd, come by here only
 * when the guest changes them. A line has a small lock of its own, as devices drive INTx from any
 * thread. Leaves out ports CF8 and CFC, bridges below this one, hot-plug and power management.
 * Spec: [PCIe 4.0 7.2.2] [PCI 3.0 2.2.6] [PCI Firmware 3.2 4.1.1]
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#include "device_private.h"
#include "pci_private.h"

/* A bare host bridge that no driver binds to. */
#define BRIDGE_VENDOR 0x1b36u
#define BRIDGE_DEVICE 0x0008u
#define BRIDGE_CLASS  0x060000u

#define SLOT_SHIFT     15u
#define FUNCTION_SHIFT 12u

static struct pci_bridge *to_bridge(struct vc_device *dev)
{
	return vc_container_of(dev, struct pci_bridge, dev);
}

/* The level of the line that a slot drives; lines_lock is held. */
static int update_line(struct pci_bridge *bridge, const struct vc_pci_function *function)
{
	uint32_t line = function->slot % VC_PCI_LINES, bit = 1u << function->slot;
	uint32_t was = bridge->asserted[line];
	bool is_high = atomic_load_explicit(&function->is_intx_high, memory_order_relaxed) &&
		       !function->is_intx_blocked;

	bridge->asserted[line] = (was & ~bit) | (is_high ? bit : 0);
	if (!bridge->lines[line] || !was == !bridge->asserted[line])
		return 0;
	return vc_irq_set_level(bridge->lines[line], bridge->asserted[line] != 0);
}

int vc__pci_set_intx(struct vc_pci_function *function, bool is_high)
{
	struct pci_bridge *bridge = function->bridge;
	int r = 0;

	if (bridge)
		pthread_mutex_lock(&bridge->lines_lock);
	atomic_store_explicit(&function->is_intx_high, is_high, memory_order_relaxed);
	if (bridge) {
		r = update_line(bridge, function);
		pthread_mutex_unlock(&bridge->lines_lock);
	}
	return r;
}

static void block_intx(struct vc_pci_function *function, bool is_blocked)
{
	struct pci_bridge *bridge = function->bridge;

	pthread_mutex_lock(&bridge->lines_lock);
	function->is_intx_blocked = is_blocked;
	(void)update_line(bridge, function);
	pthread_mutex_unlock(&bridge->lines_lock);
}

void vc__pci_apply(struct vc_pci_function *function, bool has_moved)
{
	uint16_t command = vc__pci_config_u16(function, PCI_COMMAND);
	uint16_t control =
		function->msix_cap ? vc__pci_config_u16(function, function->msix_cap + 2u) : 0;
	bool is_master = command & COMMAND_MASTER, has_msix = control & MSIX_CONTROL_ENABLED;

	atomic_store_explicit(&function->is_master, is_master, memory_order_relaxed);
	/* A message is a write to memory: a function that may not do that keeps it pending. */
	vc__msix_control(&function->msix, has_msix, control & MSIX_CONTROL_MASKED || !is_master);
	block_intx(function, has_msix || command & COMMAND_INTX_DISABLE);
	if (has_moved)
		vc__pci_decode(function->bridge);
}

static bool do_meet(uint32_t off, uint32_t size, uint32_t what, uint32_t len)
{
	return off < what + len && what < off + size;
}

/* A capability that the device has a part in. The bytes are all of it, or the device is not asked. */
static void trap(struct vc_pci_function *function, uint32_t off, struct vc_access *access)
{
	struct vc_access inner = *access;
	uint32_t i;

	for (i = 0; i < access->size; i++)
		if (off + i >= PCI_CONFIG_BYTES || !function->trapped[off + i])
			return;
	inner.range = VC_PCI_RANGE_CONFIG;
	inner.off = off;
	vc__device_lock(function->dev);
	function->dev->ops->access(function->dev, &inner);
	vc__device_unlock(function->dev);
	access->value = inner.value;
}

static void access_config(struct vc_pci_function *function, uint32_t off, struct vc_access *access)
{
	bool has_moved;

	if (!access->is_write) {
		access->value = vc__pci_config_read(function, off, access->size);
		trap(function, off, access);
		return;
	}
	has_moved = do_meet(off, access->size, PCI_COMMAND, 1) ||
		    do_meet(off, access->size, PCI_BAR(0), 4 * VC_PCI_BARS);
	vc__pci_config_write(function, off, access->size, access->value);
	if (has_moved || do_meet(off, access->size, PCI_COMMAND, 2) ||
	    (function->msix_cap && do_meet(off, access->size, function->msix_cap + 2u, 2)))
		vc__pci_apply(function, has_moved);
	trap(function, off, access);
}

/* Functions that are not there, and accesses that cross into the next one: ones, and nothing. */
static void access_ecam(struct pci_bridge *bridge, struct vc_access *access)
{
	uint32_t off = (uint32_t)(access->off % PCI_FUNCTION_BYTES);
	uint32_t slot = (uint32_t)(access->off >> SLOT_SHIFT);
	uint32_t number = (uint32_t)(access->off >> FUNCTION_SHIFT & 7);

	if (slot < VC_PCI_SLOTS && number == 0 && bridge->functions[slot] &&
	    off + access->size <= PCI_FUNCTION_BYTES)
		access_config(bridge->functions[slot], off, access);
}

static void bridge_access(struct vc_device *dev, struct vc_access *access)
{
	struct pci_bridge *bridge = to_bridge(dev);
	const struct pci_mapping *mapping;
	uint64_t addr;

	if (access->range == VC_PCI_RANGE_ECAM) {
		access_ecam(bridge, access);
		return;
	}
	if (access->range >= VC_PCI_RANGE_NR)
		return; /* the host bridge as a function has no BARs */
	addr = bridge->windows[access->range].base + access->off;
	mapping = vc__pci_find(bridge, access->range == VC_PCI_RANGE_IO, addr, access->size);
	if (mapping)
		vc__pci_bar_access(mapping, addr, access);
}

/* The devices are reset on their own. */
static void bridge_reset(struct vc_device *dev)
{
	struct pci_bridge *bridge = to_bridge(dev);
	uint32_t slot;

	for (slot = 0; slot < VC_PCI_SLOTS; slot++) {
		if (!bridge->functions[slot])
			continue;
		(void)vc__pci_set_intx(bridge->functions[slot], false);
		vc__pci_config_reset(bridge->functions[slot]);
		vc__pci_apply(bridge->functions[slot], false);
		vc__msix_reset(&bridge->functions[slot]->msix);
	}
	vc__pci_decode(bridge);
}

static void let_go(struct pci_bridge *bridge, struct vc_pci_function *function)
{
	vc__pci_unwire(function);
	function->is_intx_blocked = true;
	(void)update_line(bridge, function);
	vc__msix_detach(&function->msix);
	bridge->functions[function->slot] = NULL;
	function->bridge = NULL;
}

void vc__pci_detach(struct vc_pci_function *function)
{
	struct pci_bridge *bridge = function->bridge;

	if (!bridge)
		return;
	vc__device_lock(&bridge->dev);
	let_go(bridge, function);
	vc__pci_decode(bridge);
	vc__device_unlock(&bridge->dev);
}

static void bridge_destroy(struct vc_device *dev)
{
	struct pci_bridge *bridge = to_bridge(dev);
	struct vc_pci_function *own = bridge->functions[0];
	uint32_t slot;

	for (slot = 0; slot < VC_PCI_SLOTS; slot++)
		if (bridge->functions[slot])
			let_go(bridge, bridge->functions[slot]);
	vc_pci_function_destroy(own);
	pthread_mutex_destroy(&bridge->lines_lock);
	vc_device_fini(dev);
	free(bridge);
}

static const struct vc_device_ops bridge_ops = {
	.type = "pci",
	.access = bridge_access,
	.reset = bridge_reset,
	.save = vc__pci_save,
	.load = vc__pci_load,
	.destroy = bridge_destroy,
};

static int attach(struct pci_bridge *bridge, struct vc_pci_function *function, uint32_t slot)
{
	int r = vc__msix_attach(&function->msix, bridge->partition);

	if (r < 0)
		return r;
	memcpy(function->at_reset, function->config, sizeof(function->at_reset));
	function->bridge = bridge;
	function->slot = slot;
	bridge->functions[slot] = function;
	vc__pci_apply(function, true);
	return 0;
}

static int check_windows(const char *name, const struct vc_pci_bridge_config *c)
{
	uint64_t end = 0;
	uint32_t i;

	for (i = 0; i < VC_PCI_RANGE_NR; i++) {
		const struct vc_pci_window *w = &c->windows[i];
		uint64_t max = i == VC_PCI_RANGE_IO	 ? 0x10000
			       : i == VC_PCI_RANGE_MEM32 ? 1ull << 32
							 : UINT64_MAX;

		if (w->len_bytes == 0)
			continue;
		if (i == VC_PCI_RANGE_ECAM || !vc_add_u64(w->base, w->len_bytes, &end) || end > max)
			return vc_error_set(-EINVAL, "pci", name,
					    "window %u does not lie in its address space", i);
	}
	return 0;
}

int vc_pci_bridge_create(const struct vc_pci_bridge_config *user_cfg, struct vc_device **ret_dev)
{
	struct vc_pci_function_config own = { .vendor_id = BRIDGE_VENDOR,
					      .device_id = BRIDGE_DEVICE,
					      .class_code = BRIDGE_CLASS };
	struct vc_pci_function *function = NULL;
	struct vc_pci_bridge_config c;
	struct pci_bridge *bridge;
	int r = vc_config_copy(&c, sizeof(c), user_cfg);

	if (r == 0 && (!ret_dev || !c.partition))
		r = vc_error_set(-EINVAL, "pci", c.name, "ret_dev and partition are needed");
	if (r == 0)
		r = check_windows(c.name, &c);
	if (r < 0)
		return r;
	bridge = calloc(1, sizeof(*bridge));
	if (!bridge)
		return vc_error_set(-ENOMEM, "pci", c.name, "no memory for a host bridge");
	bridge->partition = c.partition;
	memcpy(bridge->windows, c.windows, sizeof(bridge->windows));
	memcpy(bridge->lines, c.lines, sizeof(bridge->lines));
	r = vc_device_init(&bridge->dev, &bridge_ops, c.name ? c.name : "pci");
	own.dev = &bridge->dev;
	if (r == 0)
		r = vc__pci_function_create(&own, false, &function);
	if (r < 0) {
		free(bridge);
		return r;
	}
	bridge->lines_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	(void)attach(bridge, function, 0); /* it has no vectors: nothing can fail */
	*ret_dev = &bridge->dev;
	return 0;
}

int vc_pci_bridge_attach(struct vc_device *dev, struct vc_pci_function *function, uint32_t slot)
{
	struct pci_bridge *bridge;
	int r;

	if (!dev || dev->ops != &bridge_ops || !function)
		return vc_error_set(-EINVAL, "pci", dev ? dev->name : NULL,
				    "a host bridge and a function are needed");
	bridge = to_bridge(dev);
	if (slot == 0 || slot >= VC_PCI_SLOTS)
		return vc_error_set(-EINVAL, "pci", function->dev->name,
				    "slot %u, expected 1 to %u", slot, VC_PCI_SLOTS - 1);
	if (function->bridge)
		return vc_error_set(-EBUSY, "pci", function->dev->name,
				    "the function is in slot %u of a bridge", function->slot);
	if (bridge->functions[slot])
		return vc_error_set(-EEXIST, "pci", function->dev->name, "slot %u is %s's", slot,
				    bridge->functions[slot]->dev->name);
	vc__device_lock(dev);
	r = attach(bridge, function, slot);
	vc__device_unlock(dev);
	return r;
}
