/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host bridge's section of a state stream: all functions' configuration space, vectors and INTx.
 *
 * Version 1: number of functions (u8), then for each: slot (u8), 256 bytes of configuration space,
 * INTx (u8), number of vectors (u16), their entries (u64 address, u32 data, u32 control), pending
 * bits (u64 for 64 vectors). What waits in eventfds is saved as pending. Where BARs answer follows
 * from the rest. Runs on the control thread under the bridge's lock. Leaves out what the devices
 * behind the functions are made of: they have sections of their own.
 */
#include "pci_private.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <string.h>

#define STATE_VERSION 1u

struct loaded {
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t is_intx_high;
	struct vc__msix_entry *entries;
	uint64_t *pending;
};

static uint32_t count_functions(const struct pci_bridge *bridge)
{
	uint32_t slot, nr = 0;

	for (slot = 0; slot < VC_PCI_SLOTS; slot++)
		nr += bridge->functions[slot] != NULL;
	return nr;
}

static void save_function(struct vc_pci_function *function, struct vc_state_writer *writer)
{
	struct vc__msix *msix = &function->msix;
	uint64_t pending[VC_PCI_VECTORS_MAX / 64];
	uint32_t v;

	vc_state_put_u64(writer, function->slot, 1);
	vc_state_put_bytes(writer, function->config, sizeof(function->config));
	vc_state_put_u64(writer,
			 atomic_load_explicit(&function->is_intx_high, memory_order_relaxed), 1);
	vc_state_put_u64(writer, msix->nr, 2);
	for (v = 0; v < msix->nr; v++) {
		vc_state_put_u64(writer, msix->entries[v].address, 8);
		vc_state_put_u64(writer, msix->entries[v].data, 4);
		vc_state_put_u64(writer, msix->entries[v].control, 4);
	}
	vc__msix_get_pending(msix, pending);
	for (v = 0; v < vc__msix_nr_words(msix); v++)
		vc_state_put_u64(writer, pending[v], 8);
}

int vc__pci_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	struct pci_bridge *bridge = vc_container_of(dev, struct pci_bridge, dev);
	uint32_t slot;
	int r = vc_state_begin(writer, dev->name, STATE_VERSION);

	if (r < 0)
		return r;
	vc_state_put_u64(writer, count_functions(bridge), 1);
	for (slot = 0; slot < VC_PCI_SLOTS; slot++)
		if (bridge->functions[slot])
			save_function(bridge->functions[slot], writer);
	return vc_state_end(writer);
}

static int load_vectors(const struct vc__msix *msix, struct vc_state_reader *reader,
			struct loaded *l)
{
	uint32_t v;

	l->entries = calloc(msix->nr + 1, sizeof(*l->entries));
	l->pending = calloc(msix->nr / 64 + 1, sizeof(*l->pending));
	if (!l->entries || !l->pending)
		return vc_error_set(-ENOMEM, "pci", NULL, "no memory for %u vectors", msix->nr);
	for (v = 0; v < msix->nr; v++) {
		l->entries[v].address = vc_state_get_u64(reader, 8);
		l->entries[v].data = (uint32_t)vc_state_get_u64(reader, 4);
		l->entries[v].control = (uint32_t)vc_state_get_u64(reader, 4);
	}
	for (v = 0; v < vc__msix_nr_words(msix); v++)
		l->pending[v] = vc_state_get_u64(reader, 8);
	return 0;
}

static bool is_enabled(const struct vc_pci_function *function, const struct loaded *l)
{
	return function->msix_cap && l->config[function->msix_cap + 3u] & MSIX_CONTROL_ENABLED >> 8;
}

static int check_vectors(const struct vc_pci_function *function, const struct loaded *l)
{
	uint32_t v, nr = function->msix.nr;

	for (v = 0; v < nr; v++)
		if (l->entries[v].address & 3 || l->entries[v].control > MSIX_MASKED)
			return vc_error_set(-EBADMSG, "pci", function->dev->name,
					    "vector %u has bits that no entry has", v);
	for (v = 0; v < vc__msix_nr_words(&function->msix); v++)
		if (l->pending[v] && (!is_enabled(function, l) ||
				      (nr - 64 * v < 64 && l->pending[v] >> (nr - 64 * v))))
			return vc_error_set(-EBADMSG, "pci", function->dev->name,
					    "vectors are pending that cannot be");
	return 0;
}

static int load_function(struct vc_pci_function *function, struct vc_state_reader *reader,
			 struct loaded *l)
{
	uint64_t slot = vc_state_get_u64(reader, 1), nr;
	uint32_t off;
	int r;

	(void)vc_state_get_bytes(reader, l->config, sizeof(l->config));
	l->is_intx_high = (uint8_t)vc_state_get_u64(reader, 1);
	nr = vc_state_get_u64(reader, 2);
	if (slot != function->slot || nr != function->msix.nr ||
	    l->is_intx_high > function->has_intx)
		return vc_error_set(-EBADMSG, "pci", function->dev->name,
				    "the stream has slot %u with %u vectors, here it is slot %u "
				    "with %u, or INTx is high where there is none",
				    (unsigned int)slot, (unsigned int)nr, function->slot,
				    function->msix.nr);
	for (off = 0; off < PCI_CONFIG_BYTES; off++)
		if ((l->config[off] ^ function->config[off]) & ~function->writable[off])
			return vc_error_set(-EBADMSG, "pci", function->dev->name,
					    "byte 0x%x of configuration space is 0x%02x, bits of "
					    "which are fixed as in 0x%02x",
					    off, l->config[off], function->config[off]);
	r = load_vectors(&function->msix, reader, l);
	return r < 0 ? r : check_vectors(function, l);
}

static void commit(struct vc_pci_function *function, const struct loaded *l)
{
	bool is_masked;

	memcpy(function->config, l->config, sizeof(function->config));
	is_masked = (function->msix_cap &&
		     vc__pci_config_u16(function, function->msix_cap + 2u) & MSIX_CONTROL_MASKED) ||
		    !(vc__pci_config_u16(function, PCI_COMMAND) & COMMAND_MASTER);
	vc__msix_load(&function->msix, l->entries, l->pending, is_enabled(function, l), is_masked);
	vc__pci_apply(function, false);
	(void)vc__pci_set_intx(function, l->is_intx_high);
}

static int load_all(struct pci_bridge *bridge, struct vc_state_reader *reader, struct loaded *all)
{
	uint64_t nr = vc_state_get_u64(reader, 1);
	uint32_t slot;
	int r = 0;

	if (nr != count_functions(bridge))
		return vc_error_set(-EBADMSG, "pci", bridge->dev.name,
				    "the stream has %u functions, here there are %u",
				    (unsigned int)nr, count_functions(bridge));
	for (slot = 0; slot < VC_PCI_SLOTS && r == 0; slot++)
		if (bridge->functions[slot])
			r = load_function(bridge->functions[slot], reader, &all[slot]);
	return r;
}

int vc__pci_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct pci_bridge *bridge = vc_container_of(dev, struct pci_bridge, dev);
	struct loaded *all;
	uint32_t version, slot;
	int r = vc_state_open(reader, dev->name, STATE_VERSION, &version);

	if (r < 0)
		return r;
	all = calloc(VC_PCI_SLOTS, sizeof(*all));
	if (!all)
		return vc_error_set(-ENOMEM, "pci", dev->name, "no memory for its state");
	r = load_all(bridge, reader, all);
	if (r == 0)
		r = vc_state_close(reader);
	for (slot = 0; slot < VC_PCI_SLOTS; slot++) {
		if (r == 0 && bridge->functions[slot])
			commit(bridge->functions[slot], &all[slot]);
		free(all[slot].entries);
		free(all[slot].pending);
	}
	free(all);
	if (r == 0)
		vc__pci_decode(bridge);
	return r;
}
