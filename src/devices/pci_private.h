/* SPDX-License-Identifier: Apache-2.0 */
/* A PCI function and the bridge, as the files of src/devices/pci* share them. */
#ifndef VC_PCI_PRIVATE_H
#define VC_PCI_PRIVATE_H

#include <libvirtcore/device.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/pci.h>

#include "msix.h"

#include <pthread.h>
#include <stdatomic.h>

/* Configuration space: what is beyond these bytes reads as zeros. [PCI 3.0 6.1] */
#define PCI_CONFIG_BYTES   256u
#define PCI_FUNCTION_BYTES 4096u
#define PCI_COMMAND	   0x04u
#define PCI_STATUS	   0x06u
#define PCI_BAR(n)	   (0x10u + 4u * (n))
#define PCI_CAPABILITIES   0x34u
#define PCI_LINE	   0x3cu
#define PCI_PIN		   0x3du
#define PCI_HEADER_END	   0x40u

#define COMMAND_IO	     0x0001u
#define COMMAND_MEMORY	     0x0002u
#define COMMAND_MASTER	     0x0004u
#define COMMAND_PARITY	     0x0040u
#define COMMAND_SERR	     0x0100u
#define COMMAND_INTX_DISABLE 0x0400u
#define STATUS_INTX	     0x08u
#define STATUS_CAPABILITIES  0x10u

#define BAR_IS_IO	 0x1u
#define BAR_IS_64	 0x4u
#define BAR_PREFETCHABLE 0x8u

#define MSIX_CONTROL_MASKED  0x4000u
#define MSIX_CONTROL_ENABLED 0x8000u

struct pci_doorbell {
	struct vc_pci_doorbell cfg;
	int fd;
	struct vc_doorbell *wired; /* where its BAR is, when the hypervisor took it */
};

struct pci_bridge;

struct vc_pci_function {
	struct vc_device *dev;
	struct vc_pci_bar bars[VC_PCI_BARS];
	bool has_intx;
	struct pci_doorbell *doorbells;
	size_t nr_doorbells;
	struct vc__msix msix;
	uint8_t msix_cap;		    /* offset, 0 = none */
	uint8_t last_cap;		    /* offset of the last capability, 0 = none */
	uint16_t end_cap;		    /* first byte behind the capabilities */
	uint8_t at_reset[PCI_CONFIG_BYTES]; /* taken when it comes into a bridge */

	/* under the bridge's lock, once there is one */
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t writable[PCI_CONFIG_BYTES];
	bool trapped[PCI_CONFIG_BYTES];
	uint64_t mapped_at[VC_PCI_BARS];
	bool is_mapped[VC_PCI_BARS];
	atomic_bool is_master; /* the bit of `command`, for any thread */

	struct pci_bridge *bridge; /* NULL = in none */
	uint32_t slot;
	/* under the bridge's lines_lock */
	atomic_bool is_intx_high; /* what the device says */
	bool is_intx_blocked;	  /* disabled, or MSI-X is on */
};

/* A BAR that answers. */
struct pci_mapping {
	uint64_t base, len;
	struct vc_pci_function *function;
	uint8_t bar;
	bool is_io;
};

struct pci_bridge {
	struct vc_device dev; /* its lock is the bridge's */
	struct vc_partition *partition;
	struct vc_pci_window windows[VC_PCI_RANGE_NR];
	struct vc_pci_function *functions[VC_PCI_SLOTS];
	struct pci_mapping mappings[VC_PCI_SLOTS * VC_PCI_BARS]; /* disjoint; by space, then base */
	size_t nr_mappings;

	pthread_mutex_t lines_lock; /* after the devices' locks */
	struct vc_irq *lines[VC_PCI_LINES];
	uint32_t asserted[VC_PCI_LINES]; /* bit per slot */
};

/* pci_config.c: one function's configuration space. @size 1 to 8, @off + @size within 4096. */
uint64_t vc__pci_config_read(const struct vc_pci_function *function, uint32_t off, uint32_t size);
void vc__pci_config_write(struct vc_pci_function *function, uint32_t off, uint32_t size,
			  uint64_t value);
uint16_t vc__pci_config_u16(const struct vc_pci_function *function, uint32_t off);
void vc__pci_config_put(struct vc_pci_function *function, uint32_t off, uint32_t size,
			uint32_t value);
/* Everything that the guest can change, as at power-on. */
void vc__pci_config_reset(struct vc_pci_function *function);
/* Header, BARs and MSI-X capability of a config that was checked; 0 or -ENOSPC. */
int vc__pci_config_init(struct vc_pci_function *function, const struct vc_pci_function_config *cfg,
			bool is_express);
/* Where a BAR is, whether it answers or not; false when it is no BAR or its space is not decoded. */
bool vc__pci_config_bar(const struct vc_pci_function *function, uint32_t bar, uint64_t *ret_at);

/* pci_function.c: the bridge's own, without an express capability. */
int vc__pci_function_create(const struct vc_pci_function_config *cfg, bool is_express,
			    struct vc_pci_function **ret_function);

/* pci_decode.c: which BAR answers where. The bridge's lock is held. */
void vc__pci_decode(struct pci_bridge *bridge);
/* Takes a function's doorbells from the hypervisor; they are trapped until the next decode. */
void vc__pci_unwire(struct vc_pci_function *function);
/* NULL = nobody; else the one mapping that the access lies in wholly. */
const struct pci_mapping *vc__pci_find(const struct pci_bridge *bridge, bool is_io, uint64_t addr,
				       uint32_t size);
/* An access that the hypervisor did not take: to a doorbell, to MSI-X, or to the device. */
void vc__pci_bar_access(const struct pci_mapping *mapping, uint64_t addr, struct vc_access *access);

/* pci.c: what follows from configuration space just changed. @has_moved: BARs or their decoding. */
void vc__pci_apply(struct vc_pci_function *function, bool has_moved);
int vc__pci_set_intx(struct vc_pci_function *function, bool is_high);
void vc__pci_detach(struct vc_pci_function *function);

/* pci_state.c */
int vc__pci_save(struct vc_device *dev, struct vc_state_writer *writer);
int vc__pci_load(struct vc_device *dev, struct vc_state_reader *reader);

#endif /* VC_PCI_PRIVATE_H */
