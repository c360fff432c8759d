/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration space of one function: bytes, and for each byte the bits that a guest can change. So
 * an access of any size at any offset is safe, and sizing a BAR needs no code: its lower bits do not
 * change. What follows from a write is the bridge's (pci.c).
 *
 * Runs on vCPU threads under the bridge's lock. Leaves out header types 1 and 2, expansion ROMs, and
 * extended capabilities: what is beyond 256 bytes is zeros, an empty list. Error reporting, power
 * states and links are not modelled: their bits are what a quiet endpoint in the root complex has.
 * Spec: [PCI 3.0 6.1] [PCI 3.0 6.2.5.1] [PCIe 4.0 7.5.3]
 */
#include "pci_private.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#define CAP_MSIX	   0x11u
#define CAP_EXPRESS	   0x10u
#define EXPRESS_BYTES	   60u
#define MSIX_BYTES	   12u
#define EXPRESS_IS_RCIEP   0x0092u     /* version 2, endpoint in the root complex */
#define DEVICE_ROLE_ERRORS 0x00008000u /* role-based error reporting, which has to be there */
#define DEVICE_CONTROL	   0x78ffu     /* settings that are kept and change nothing */

uint64_t vc__pci_config_read(const struct vc_pci_function *function, uint32_t off, uint32_t size)
{
	uint64_t value = 0;
	uint32_t i;

	for (i = 0; i < size; i++) {
		uint8_t byte = off + i < PCI_CONFIG_BYTES ? function->config[off + i] : 0;

		if (off + i == PCI_STATUS &&
		    atomic_load_explicit(&function->is_intx_high, memory_order_relaxed))
			byte |= STATUS_INTX;
		value |= (uint64_t)byte << (8 * i);
	}
	return value;
}

void vc__pci_config_write(struct vc_pci_function *function, uint32_t off, uint32_t size,
			  uint64_t value)
{
	uint32_t i;

	for (i = 0; i < size && off + i < PCI_CONFIG_BYTES; i++) {
		uint8_t mask = function->writable[off + i];
		uint8_t *byte = &function->config[off + i];

		*byte = (uint8_t)((*byte & ~mask) | ((value >> (8 * i)) & mask));
	}
}

uint16_t vc__pci_config_u16(const struct vc_pci_function *function, uint32_t off)
{
	return (uint16_t)(function->config[off] | function->config[off + 1] << 8);
}

void vc__pci_config_put(struct vc_pci_function *function, uint32_t off, uint32_t size,
			uint32_t value)
{
	uint32_t i;

	for (i = 0; i < size; i++)
		function->config[off + i] = (uint8_t)(value >> (8 * i));
}

static void allow(struct vc_pci_function *function, uint32_t off, uint32_t size, uint32_t mask)
{
	uint32_t i;

	for (i = 0; i < size; i++)
		function->writable[off + i] = (uint8_t)(mask >> (8 * i));
}

void vc__pci_config_reset(struct vc_pci_function *function)
{
	memcpy(function->config, function->at_reset, sizeof(function->config));
}

bool vc__pci_config_bar(const struct vc_pci_function *function, uint32_t n, uint64_t *ret_at)
{
	const struct vc_pci_bar *bar = &function->bars[n];
	bool is_io = bar->kind == VC_PCI_BAR_IO;
	uint64_t at;

	if (bar->kind == VC_PCI_BAR_NONE ||
	    !(vc__pci_config_u16(function, PCI_COMMAND) & (is_io ? COMMAND_IO : COMMAND_MEMORY)))
		return false;
	at = vc__pci_config_read(function, PCI_BAR(n), bar->kind == VC_PCI_BAR_MEM64 ? 8 : 4);
	*ret_at = at & ~(bar->len - 1);
	return true;
}

static void init_bar(struct vc_pci_function *function, uint32_t n)
{
	const struct vc_pci_bar *bar = &function->bars[n];
	uint64_t mask = ~(bar->len - 1);
	uint32_t bits = bar->is_prefetchable ? BAR_PREFETCHABLE : 0;

	if (bar->kind == VC_PCI_BAR_NONE)
		return;
	if (bar->kind == VC_PCI_BAR_IO)
		bits = BAR_IS_IO;
	if (bar->kind == VC_PCI_BAR_MEM64) {
		bits |= BAR_IS_64;
		allow(function, PCI_BAR(n + 1), 4, (uint32_t)(mask >> 32));
	}
	vc__pci_config_put(function, PCI_BAR(n), 4, bits);
	allow(function, PCI_BAR(n), 4, (uint32_t)mask);
}

int vc_pci_function_add_capability(struct vc_pci_function *function,
				   const struct vc_pci_capability *user_cap)
{
	struct vc_pci_capability cap;
	uint32_t at;
	int r = vc_config_copy(&cap, sizeof(cap), user_cap);

	if (r < 0)
		return r;
	if (!function || !cap.bytes || cap.len < 3)
		return vc_error_set(-EINVAL, "pci", NULL,
				    "a capability of 3 bytes or more and a function are needed");
	if (function->bridge)
		return vc_error_set(-EBUSY, "pci", function->dev->name,
				    "the function is in a bridge: capabilities are added before");
	at = function->end_cap;
	if (at + cap.len > PCI_CONFIG_BYTES)
		return vc_error_set(-ENOSPC, "pci", function->dev->name,
				    "no room for a capability of %u bytes at 0x%x", cap.len, at);
	vc__pci_config_put(function, at, 1, cap.id);
	memcpy(&function->config[at + 2], cap.bytes, cap.len - 2u);
	if (cap.writable)
		memcpy(&function->writable[at + 2], cap.writable, cap.len - 2u);
	memset(&function->trapped[at + 2], cap.is_trapped, cap.len - 2u);
	vc__pci_config_put(function,
			   function->last_cap ? function->last_cap + 1u : PCI_CAPABILITIES, 1, at);
	function->config[PCI_STATUS] |= STATUS_CAPABILITIES;
	function->last_cap = (uint8_t)at;
	function->end_cap = (uint16_t)(at + ((cap.len + 3u) & ~3u));
	return function->last_cap;
}

/* One of the library's own, with a body of zeros. */
static int add_empty(struct vc_pci_function *function, uint8_t id, uint8_t len)
{
	const uint8_t zeros[EXPRESS_BYTES] = { 0 };
	const struct vc_pci_capability cap = {
		.size = sizeof(cap), .id = id, .len = len, .bytes = zeros
	};

	return vc_pci_function_add_capability(function, &cap);
}

static int add_msix(struct vc_pci_function *function)
{
	const struct vc__msix *msix = &function->msix;
	uint64_t pending = msix->off + MSIX_ENTRY_BYTES * (uint64_t)msix->nr;
	int at = add_empty(function, CAP_MSIX, MSIX_BYTES);

	if (at < 0)
		return at;
	function->msix_cap = (uint8_t)at;
	vc__pci_config_put(function, (uint32_t)at + 2, 2, msix->nr - 1);
	vc__pci_config_put(function, (uint32_t)at + 4, 4, (uint32_t)msix->off | msix->bar);
	vc__pci_config_put(function, (uint32_t)at + 8, 4, (uint32_t)pending | msix->bar);
	allow(function, (uint32_t)at + 2, 2, MSIX_CONTROL_ENABLED | MSIX_CONTROL_MASKED);
	return 0;
}

static int add_express(struct vc_pci_function *function)
{
	int at = add_empty(function, CAP_EXPRESS, EXPRESS_BYTES);

	if (at < 0)
		return at;
	vc__pci_config_put(function, (uint32_t)at + 2, 2, EXPRESS_IS_RCIEP);
	vc__pci_config_put(function, (uint32_t)at + 4, 4, DEVICE_ROLE_ERRORS);
	allow(function, (uint32_t)at + 8, 2, DEVICE_CONTROL);
	return 0;
}

int vc__pci_config_init(struct vc_pci_function *function, const struct vc_pci_function_config *cfg,
			bool is_express)
{
	uint32_t n;
	int r = 0;

	vc__pci_config_put(function, 0x00, 4, cfg->vendor_id | (uint32_t)cfg->device_id << 16);
	vc__pci_config_put(function, 0x08, 4, cfg->revision | cfg->class_code << 8);
	vc__pci_config_put(function, 0x2c, 4,
			   cfg->subsystem_vendor_id | (uint32_t)cfg->subsystem_id << 16);
	allow(function, PCI_COMMAND, 2,
	      COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_PARITY | COMMAND_SERR |
		      COMMAND_INTX_DISABLE);
	allow(function, 0x0c, 1, 0xff); /* cache line size: kept, means nothing */
	for (n = 0; n < VC_PCI_BARS; n++)
		init_bar(function, n);
	if (cfg->has_intx) {
		vc__pci_config_put(function, PCI_PIN, 1, 1);
		allow(function, PCI_LINE, 1, 0xff);
	}
	function->end_cap = PCI_HEADER_END;
	if (is_express)
		r = add_express(function);
	if (r >= 0 && cfg->nr_vectors > 0)
		r = add_msix(function);
	return r < 0 ? r : 0;
}
