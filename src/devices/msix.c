/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X: a table of messages that the guest writes in a BAR, masks for each and for all, and the
 * pending bits of those that were raised while masked. Table accesses come on vCPU threads, raises on
 * any; a small lock orders them and is the last one taken.
 *
 * A vector is open when MSI-X is on, neither mask is set and the function may write memory; only then
 * its interrupt has a message. What is raised before waits: as a pending bit, or in the eventfd, for
 * those who signal it without coming by here. Leaves out messages to addresses that are no interrupt
 * controller's: the layer below drops them. Spec: [PCI 3.0 6.8.2] [PCI 3.0 6.8.3.4]
 */
#include "msix.h"

#include <libvirtcore/implement.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#define ADDRESS_BITS 0xfffffffffffffffcull /* the lower two are read-only */

static bool is_pending(const struct vc__msix *msix, uint32_t v)
{
	return msix->pending[v / 64] >> (v % 64) & 1;
}

static void set_pending(struct vc__msix *msix, uint32_t v, bool is_set)
{
	uint64_t bit = 1ull << (v % 64);

	msix->pending[v / 64] = (msix->pending[v / 64] & ~bit) | (is_set ? bit : 0);
}

static bool is_enabled(const struct vc__msix *msix)
{
	return atomic_load_explicit(&msix->is_enabled, memory_order_relaxed);
}

/* Release: pairs with vc_pci_function_has_msix(). */
static void enable(struct vc__msix *msix, bool enabled)
{
	atomic_store_explicit(&msix->is_enabled, enabled, memory_order_release);
}

static bool is_open(const struct vc__msix *msix, uint32_t v)
{
	return is_enabled(msix) && !msix->is_masked && !(msix->entries[v].control & MSIX_MASKED);
}

/* Brings a vector's interrupt in line with its entry; @has_changed: the message has. */
static void update(struct vc__msix *msix, uint32_t v, bool has_changed)
{
	struct vc__msix_vector *vector = &msix->vectors[v];
	struct vc_msi msi = { msix->entries[v].address, msix->entries[v].data };
	bool open = is_open(msix, v);

	if (!vector->irq || (open == vector->is_open && !(open && has_changed)))
		return;
	/* The fd's signals are sent by the layer below when the message is set. */
	(void)vc_irq_set_msi(vector->irq, open ? &msi : NULL);
	vector->is_open = open;
	if (open && is_pending(msix, v)) {
		set_pending(msix, v, false);
		(void)vc_irq_pulse(vector->irq);
	}
}

static void update_all(struct vc__msix *msix)
{
	uint32_t v;

	for (v = 0; v < msix->nr; v++)
		update(msix, v, false);
}

/* What was raised for nobody: with MSI-X off a function pends nothing. */
static void forget_raised(struct vc__msix *msix)
{
	uint64_t nr;
	uint32_t v;

	memset(msix->pending, 0, vc__msix_nr_words(msix) * sizeof(msix->pending[0]));
	for (v = 0; v < msix->nr; v++)
		if (msix->vectors[v].fd >= 0)
			(void)!read(msix->vectors[v].fd, &nr, sizeof(nr));
}

int vc__msix_init(struct vc__msix *msix, uint32_t nr, uint32_t bar, uint64_t off)
{
	uint32_t v;

	msix->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	msix->nr = nr;
	msix->bar = bar;
	msix->off = off;
	msix->entries = calloc(nr + 1, sizeof(*msix->entries));
	msix->vectors = calloc(nr + 1, sizeof(*msix->vectors));
	msix->pending = calloc(nr / 64 + 1, sizeof(*msix->pending));
	if (!msix->entries || !msix->vectors || !msix->pending)
		return -ENOMEM;
	for (v = 0; v < nr; v++) {
		msix->entries[v].control = MSIX_MASKED;
		msix->vectors[v].fd = -EBADF;
	}
	return 0;
}

void vc__msix_fini(struct vc__msix *msix)
{
	free(msix->entries);
	free(msix->vectors);
	free(msix->pending);
	pthread_mutex_destroy(&msix->lock);
}

int vc__msix_attach(struct vc__msix *msix, struct vc_partition *partition)
{
	uint32_t v;
	int r = 0;

	for (v = 0; v < msix->nr && r == 0; v++)
		r = vc_irq_create_msi(partition, NULL, &msix->vectors[v].irq);
	if (r < 0)
		vc__msix_detach(msix);
	return r;
}

void vc__msix_detach(struct vc__msix *msix)
{
	uint32_t v;

	for (v = 0; v < msix->nr; v++) {
		vc_irq_destroy(msix->vectors[v].irq);
		msix->vectors[v] = (struct vc__msix_vector){ .fd = -EBADF };
	}
}

void vc__msix_control(struct vc__msix *msix, bool enabled, bool masked)
{
	bool was_enabled;

	pthread_mutex_lock(&msix->lock);
	was_enabled = is_enabled(msix);
	if (enabled != was_enabled) {
		/* Before anybody can see that it is on: nothing raised from then on is lost. */
		if (enabled)
			forget_raised(msix);
		enable(msix, enabled);
	}
	if (enabled != was_enabled || masked != msix->is_masked) {
		msix->is_masked = masked;
		update_all(msix);
	}
	if (was_enabled && !enabled)
		forget_raised(msix);
	pthread_mutex_unlock(&msix->lock);
}

void vc__msix_reset(struct vc__msix *msix)
{
	uint32_t v;

	pthread_mutex_lock(&msix->lock);
	for (v = 0; v < msix->nr; v++) {
		msix->entries[v] = (struct vc__msix_entry){ .control = MSIX_MASKED };
		update(msix, v, true);
	}
	forget_raised(msix);
	pthread_mutex_unlock(&msix->lock);
}

bool vc__msix_owns(const struct vc__msix *msix, uint32_t bar, uint64_t off, uint32_t size)
{
	return msix->nr > 0 && bar == msix->bar && off + size > msix->off &&
	       off < msix->off + vc_pci_msix_bytes(msix->nr);
}

static void write_entry(struct vc__msix *msix, uint32_t v, const struct vc__msix_entry *wanted)
{
	struct vc__msix_entry *entry = &msix->entries[v];
	bool has_changed;

	has_changed =
		entry->address != (wanted->address & ADDRESS_BITS) || entry->data != wanted->data;
	entry->address = wanted->address & ADDRESS_BITS;
	entry->data = wanted->data;
	entry->control = wanted->control & MSIX_MASKED;
	update(msix, v, has_changed);
}

/* The bits of a word of 64 vectors: those raised here, and those whose fd was signalled. */
static uint64_t pending_word(const struct vc__msix *msix, uint32_t idx)
{
	struct pollfd fds[64];
	uint64_t word = msix->pending[idx];
	uint32_t i, nr = msix->nr - 64 * idx < 64 ? msix->nr - 64 * idx : 64;
	const struct vc__msix_vector *vectors = &msix->vectors[64 * idx];

	/* An open vector's fd is the hypervisor's, poll() passes over negative ones. */
	for (i = 0; i < nr; i++)
		fds[i] = (struct pollfd){ .fd = vectors[i].is_open ? -1 : vectors[i].fd,
					  .events = POLLIN };
	if (!is_enabled(msix) || poll(fds, nr, 0) <= 0)
		return word;
	for (i = 0; i < nr; i++)
		word |= (uint64_t)(fds[i].revents & POLLIN ? 1 : 0) << i;
	return word;
}

void vc__msix_access(struct vc__msix *msix, struct vc_access *access)
{
	uint64_t off = access->off, table_len = MSIX_ENTRY_BYTES * (uint64_t)msix->nr;
	uint8_t buf[MSIX_ENTRY_BYTES];
	uint32_t v = (uint32_t)(off / MSIX_ENTRY_BYTES);

	/* Only whole registers: anything else reads as ones and writes nothing. */
	if (access->size < 4 || off % access->size)
		return;
	pthread_mutex_lock(&msix->lock);
	if (off < table_len) {
		struct vc__msix_entry entry = msix->entries[v];

		memcpy(buf, &entry, sizeof(buf));
		if (access->is_write) {
			memcpy(buf + off % MSIX_ENTRY_BYTES, &access->value, access->size);
			memcpy(&entry, buf, sizeof(entry));
			write_entry(msix, v, &entry);
		} else {
			access->value = 0;
			memcpy(&access->value, buf + off % MSIX_ENTRY_BYTES, access->size);
		}
	} else if (!access->is_write) {
		access->value = pending_word(msix, (uint32_t)((off - table_len) / 8)) >>
				8 * ((off - table_len) % 8);
	}
	pthread_mutex_unlock(&msix->lock);
}
static_assert(sizeof(struct vc__msix_entry) == MSIX_ENTRY_BYTES &&
		      offsetof(struct vc__msix_entry, data) == 8 &&
		      offsetof(struct vc__msix_entry, control) == 12,
	      "an entry lies in memory as it does in the table");

int vc__msix_raise(struct vc__msix *msix, uint32_t v)
{
	int r = 0;

	pthread_mutex_lock(&msix->lock);
	if (is_enabled(msix)) {
		r = 1;
		if (msix->vectors[v].is_open)
			(void)vc_irq_pulse(msix->vectors[v].irq);
		else
			set_pending(msix, v, true);
	}
	pthread_mutex_unlock(&msix->lock);
	return r;
}

int vc__msix_fd(struct vc__msix *msix, uint32_t v)
{
	int fd = -EBUSY;

	pthread_mutex_lock(&msix->lock);
	if (msix->vectors[v].irq) {
		fd = vc_irq_fd(msix->vectors[v].irq);
		if (fd >= 0)
			msix->vectors[v].fd = fd;
	}
	pthread_mutex_unlock(&msix->lock);
	return fd;
}

void vc__msix_get_pending(struct vc__msix *msix, uint64_t *ret)
{
	uint32_t i;

	pthread_mutex_lock(&msix->lock);
	for (i = 0; i < vc__msix_nr_words(msix); i++)
		ret[i] = pending_word(msix, i);
	pthread_mutex_unlock(&msix->lock);
}

void vc__msix_load(struct vc__msix *msix, const struct vc__msix_entry *entries,
		   const uint64_t *pending, bool enabled, bool masked)
{
	pthread_mutex_lock(&msix->lock);
	enable(msix, false);
	update_all(msix);
	forget_raised(msix);
	memcpy(msix->entries, entries, msix->nr * sizeof(*entries));
	memcpy(msix->pending, pending, vc__msix_nr_words(msix) * sizeof(*pending));
	msix->is_masked = masked;
	enable(msix, enabled);
	update_all(msix);
	pthread_mutex_unlock(&msix->lock);
}
