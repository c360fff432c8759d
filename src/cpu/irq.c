/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vc_irq: one handle for lines, messages and pins of somebody else's controller. Raising is for any
 * thread and takes no lock; a message is read through a sequence counter, so that a raise never sees
 * half of a change. Changing a message takes the partition's small lock (cold path: the guest
 * programs a vector). Routes and irqfds are made when an fd is asked for and not before: a message
 * without one is sent by itself. While a message is masked its fd is nobody's: signals wait in it.
 * Leaves out pending bits of masked messages that are raised, which are the device's.
 */
#include "backend.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <sys/eventfd.h>

/* Lines of the irqchip; routes of messages begin above. [KVM KVM_CAP_SPLIT_IRQCHIP] */
#define NR_LINES 24u

static int refuse_null(void)
{
	return vc_error_set(-EINVAL, "cpu", "irq", "an argument that is needed is NULL");
}

static struct vc_irq *alloc_irq(enum vc__irq_kind kind, struct vc_partition *partition)
{
	struct vc_irq *irq = calloc(1, sizeof(*irq));

	if (!irq)
		return NULL;
	irq->kind = kind;
	irq->partition = partition;
	irq->fd = -EBADF;
	return irq;
}

int vc_irq_create_line(struct vc_partition *partition, uint32_t gsi, struct vc_irq **ret_irq)
{
	if (!partition || !ret_irq)
		return refuse_null();
	if (gsi >= NR_LINES)
		return vc_error_set(-EINVAL, "cpu", partition->name, "line %u, expected 0 to %u",
				    gsi, NR_LINES - 1);
	if (partition->irqchip != VC_IRQCHIP_KERNEL || !partition->host->ops->irq_line)
		return vc_error_set(-ENOTSUP, "cpu", partition->name,
				    "lines need the irqchip of the hypervisor");
	struct vc_irq *irq = alloc_irq(VC__IRQ_LINE, partition);
	if (!irq)
		return vc__no_memory(partition->name, "an interrupt");
	irq->gsi = gsi;
	*ret_irq = irq;
	return 0;
}

static void write_message(struct vc_irq *irq, const struct vc_msi *msi)
{
	uint32_t seq = atomic_load_explicit(&irq->seq, memory_order_relaxed);

	/* sequentially consistent on purpose: no fence needed, and this is the cold path */
	atomic_store(&irq->seq, seq + 1);
	atomic_store(&irq->is_open, msi != NULL);
	if (msi) {
		atomic_store(&irq->address, msi->address);
		atomic_store(&irq->data, msi->data);
	}
	atomic_store(&irq->seq, seq + 2);
}

bool vc__irq_message(struct vc_irq *irq, struct vc_msi *ret_msi)
{
	uint32_t seq;
	bool is_open;

	do {
		seq = atomic_load(&irq->seq);
		is_open = atomic_load(&irq->is_open);
		ret_msi->address = atomic_load(&irq->address);
		ret_msi->data = atomic_load(&irq->data);
		/* pairs with write_message() */
	} while (seq & 1 || atomic_load(&irq->seq) != seq);
	return is_open;
}

bool vc__irq_listens(struct vc_irq *irq)
{
	struct vc_msi msi;

	return irq->fd >= 0 && (irq->kind != VC__IRQ_MSI || vc__irq_message(irq, &msi));
}

/* Puts a message into the partition's sorted list, at its gsi or at the first free one. */
static int add_message(struct vc_irq *irq, bool has_gsi)
{
	struct vc_partition *partition = irq->partition;
	struct vc_irq **at = &partition->messages;
	uint32_t gsi = has_gsi ? irq->gsi : NR_LINES;

	while (*at && (*at)->gsi < gsi)
		at = &(*at)->next;
	while (*at && (*at)->gsi == gsi) {
		if (has_gsi)
			return vc_error_set(-EEXIST, "cpu", partition->name, "pin %u is taken",
					    gsi);
		at = &(*at)->next;
		gsi++;
	}
	if (partition->max_gsis && gsi >= partition->max_gsis)
		return vc_error_set(-ENOSPC, "cpu", partition->name,
				    "no interrupt route free, all %u are taken",
				    partition->max_gsis);
	irq->gsi = gsi;
	irq->next = *at;
	*at = irq;
	return 0;
}

static void remove_message(struct vc_irq *irq)
{
	struct vc_irq **at = &irq->partition->messages;

	while (*at && *at != irq)
		at = &(*at)->next;
	if (*at)
		*at = irq->next;
}

static int create_message(struct vc_irq *irq, bool has_gsi, struct vc_irq **ret_irq)
{
	struct vc_partition *partition = irq->partition;

	pthread_mutex_lock(&partition->irq_lock);
	int r = add_message(irq, has_gsi);
	pthread_mutex_unlock(&partition->irq_lock);
	if (r < 0) {
		free(irq);
		return r;
	}
	*ret_irq = irq;
	return 0;
}

int vc_irq_create_msi(struct vc_partition *partition, const struct vc_msi *msi,
		      struct vc_irq **ret_irq)
{
	if (!partition || !ret_irq)
		return refuse_null();
	if (partition->irqchip == VC_IRQCHIP_NONE || !partition->host->ops->irq_msi)
		return vc_error_set(-ENOTSUP, "cpu", partition->name, "messages need an irqchip");
	struct vc_irq *irq = alloc_irq(VC__IRQ_MSI, partition);
	if (!irq)
		return vc__no_memory(partition->name, "an interrupt");
	write_message(irq, msi);
	return create_message(irq, false, ret_irq);
}

int vc_irq_create_pin(struct vc_partition *partition, uint32_t pin, struct vc_irq **ret_irq)
{
	if (!partition || !ret_irq)
		return refuse_null();
	if (pin >= NR_LINES)
		return vc_error_set(-EINVAL, "cpu", partition->name, "pin %u, expected 0 to %u",
				    pin, NR_LINES - 1);
	if (partition->irqchip != VC_IRQCHIP_SPLIT || !partition->host->ops->irq_msi)
		return vc_error_set(-ENOTSUP, "cpu", partition->name, "pins need a split irqchip");
	struct vc_irq *irq = alloc_irq(VC__IRQ_MSI, partition);
	if (!irq)
		return vc__no_memory(partition->name, "an interrupt");
	irq->gsi = pin;
	irq->is_pin = true;
	write_message(irq, NULL);
	return create_message(irq, true, ret_irq);
}

int vc_irq_create_ops(const struct vc_irq_ops *ops, void *opaque, uint32_t pin,
		      struct vc_irq **ret_irq)
{
	if (!ops || !ops->set_level || !ret_irq)
		return refuse_null();
	struct vc_irq *irq = alloc_irq(VC__IRQ_OPS, NULL);
	if (!irq)
		return vc__no_memory("irq", "an interrupt");
	irq->gsi = pin;
	irq->ops = ops;
	irq->opaque = opaque;
	*ret_irq = irq;
	return 0;
}

void vc_irq_destroy(struct vc_irq *irq)
{
	if (!irq)
		return;
	if (irq->kind != VC__IRQ_MSI)
		(void)vc_irq_set_level(irq, false);
	if (irq->partition) {
		struct vc_partition *partition = irq->partition;
		const struct vc__backend_ops *ops = partition->host->ops;

		pthread_mutex_lock(&partition->irq_lock);
		remove_message(irq);
		if (ops->irq_wire && (irq->is_pin || irq->fd >= 0))
			(void)ops->irq_wire(irq, false);
		pthread_mutex_unlock(&partition->irq_lock);
	}
	if (irq->fd >= 0)
		close(irq->fd);
	free(irq);
}

static int send_message(struct vc_irq *irq)
{
	struct vc_msi msi;

	if (!vc__irq_message(irq, &msi))
		return 0;
	int r = irq->partition->host->ops->irq_msi(irq->partition, &msi);
	return r < 0 ? r : 0;
}

int vc_irq_set_level(struct vc_irq *irq, bool is_high)
{
	if (!irq)
		return refuse_null();
	switch (irq->kind) {
	case VC__IRQ_LINE:
		return irq->partition->host->ops->irq_line(irq->partition, irq->gsi, is_high);
	case VC__IRQ_MSI:
		return is_high ? send_message(irq) : 0;
	case VC__IRQ_OPS:
		return irq->ops->set_level(irq->opaque, irq->gsi, is_high);
	}
	return -EINVAL;
}

int vc_irq_pulse(struct vc_irq *irq)
{
	int r = vc_irq_set_level(irq, true);

	if (r < 0 || irq->kind == VC__IRQ_MSI)
		return r;
	return vc_irq_set_level(irq, false);
}

/*
 * A message with an fd, just changed. What waited in the fd is taken out before and signalled again
 * after: a hypervisor that finds it there sends it but would not take it out.
 */
static int rewire(struct vc_irq *irq)
{
	bool is_opened = !irq->is_wired && vc__irq_listens(irq);
	uint64_t nr_waiting = 0;

	if (is_opened && read(irq->fd, &nr_waiting, sizeof(nr_waiting)) < 0)
		nr_waiting = 0;
	int r = irq->partition->host->ops->irq_wire(irq, true);
	if (nr_waiting > 0)
		(void)!write(irq->fd, &nr_waiting, sizeof(nr_waiting));
	return r;
}

int vc_irq_set_msi(struct vc_irq *irq, const struct vc_msi *msi)
{
	int r = 0;

	if (!irq)
		return refuse_null();
	if (irq->kind != VC__IRQ_MSI)
		return vc_error_set(-EINVAL, "cpu", "irq", "the interrupt is not a message");
	struct vc_partition *partition = irq->partition;
	const struct vc__backend_ops *ops = partition->host->ops;
	pthread_mutex_lock(&partition->irq_lock);
	write_message(irq, msi);
	if (ops->irq_wire && (irq->is_pin || irq->fd >= 0))
		r = rewire(irq);
	pthread_mutex_unlock(&partition->irq_lock);
	return r;
}

int vc_irq_fd(struct vc_irq *irq)
{
	if (!irq)
		return refuse_null();
	if (irq->fd >= 0)
		return irq->fd;
	if (irq->kind == VC__IRQ_OPS || !vc_host_has(irq->partition->host, VC_CAP_IRQFD))
		return vc_error_set(-ENOTSUP, "cpu", "irq", "%s",
				    irq->kind == VC__IRQ_OPS ? "a pin of a device has no fd"
							     : "the hypervisor takes no fds");
	struct vc_partition *partition = irq->partition;
	vc_auto_close int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return vc_error_set(-errno, "cpu", partition->name, "no eventfd");
	pthread_mutex_lock(&partition->irq_lock);
	irq->fd = fd;
	int r = partition->host->ops->irq_wire(irq, true);
	if (r < 0)
		irq->fd = -EBADF;
	pthread_mutex_unlock(&partition->irq_lock);
	return r < 0 ? r : vc_take_fd(fd);
}

int vc_irq_send_msi(struct vc_partition *partition, const struct vc_msi *msi)
{
	if (!partition || !msi)
		return refuse_null();
	if (partition->irqchip == VC_IRQCHIP_NONE || !partition->host->ops->irq_msi)
		return vc_error_set(-ENOTSUP, "cpu", partition->name, "messages need an irqchip");
	return partition->host->ops->irq_msi(partition, msi);
}
