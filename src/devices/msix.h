/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X of one function: table, pending bits, and the interrupts behind them. [PCI 3.0 6.8.2] */
#ifndef VC_MSIX_H
#define VC_MSIX_H

#include <libvirtcore/device.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/pci.h>

#include <pthread.h>
#include <stdatomic.h>

#define MSIX_ENTRY_BYTES 16u
#define MSIX_MASKED	 1u /* vector control */

struct vc__msix_entry {
	uint64_t address;
	uint32_t data, control;
};

/* A vector's own things, none of which is state of the machine. */
struct vc__msix_vector {
	struct vc_irq *irq; /* while in a bridge */
	int fd;		    /* of irq, once somebody asked for it, else -1 */
	bool is_open;	    /* irq has the message of the table */
};

struct vc__msix {
	uint32_t nr;
	uint32_t bar;
	uint64_t off; /* of the table in the BAR; the pending bits are behind it */
	/* all below under the lock, which is taken last of all */
	pthread_mutex_t lock;
	struct vc__msix_entry *entries;
	struct vc__msix_vector *vectors;
	uint64_t *pending;
	bool is_masked; /* the whole function, or it is not allowed to write memory */
	atomic_bool is_enabled;
};

int vc__msix_init(struct vc__msix *msix, uint32_t nr, uint32_t bar, uint64_t off);
void vc__msix_fini(struct vc__msix *msix);
/* Makes or gives back the interrupts. */
int vc__msix_attach(struct vc__msix *msix, struct vc_partition *partition);
void vc__msix_detach(struct vc__msix *msix);

/* What configuration space says; sends what waited when it opens. */
void vc__msix_control(struct vc__msix *msix, bool is_enabled, bool is_masked);
/* All vectors as at power-on; control apart. */
void vc__msix_reset(struct vc__msix *msix);
/* An access to the table or the pending bits; off is in these. */
void vc__msix_access(struct vc__msix *msix, struct vc_access *access);
/* Whether an access to the BAR is one of these, wholly or in part. */
bool vc__msix_owns(const struct vc__msix *msix, uint32_t bar, uint64_t off, uint32_t size);

/* 1, or 0 when MSI-X is off. */
int vc__msix_raise(struct vc__msix *msix, uint32_t vector);
/* The vector's fd, or -EBUSY, -ENOTSUP, -EMFILE. */
int vc__msix_fd(struct vc__msix *msix, uint32_t vector);

/* Pending bits with what waits in fds: what is to be saved. @ret has nr words of 64. */
void vc__msix_get_pending(struct vc__msix *msix, uint64_t *ret);
/* Replaces everything; sends what waits and is open. */
void vc__msix_load(struct vc__msix *msix, const struct vc__msix_entry *entries,
		   const uint64_t *pending, bool is_enabled, bool is_masked);

static inline uint32_t vc__msix_nr_words(const struct vc__msix *msix)
{
	return (msix->nr + 63) / 64;
}

#endif /* VC_MSIX_H */
