/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts into a guest and doorbells out of it.
 *
 * An irq is a handle on one interrupt source's way into the guest: a line of the irqchip (GSI), a
 * message (MSI), or a pin of a controller that is itself a device of ours (ops). Whoever holds the
 * handle need not know which. A doorbell turns a guest write into an eventfd signal.
 */
#ifndef LIBVIRTCORE_IRQ_H
#define LIBVIRTCORE_IRQ_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_doorbell;
struct vc_irq;
struct vc_partition;

/* Address and data as the guest programs them. */
struct vc_msi {
	uint64_t address;
	uint32_t data;
};

/* How a pin of an embedder's interrupt controller is driven; called on the raiser's thread. */
struct vc_irq_ops {
	int (*set_level)(void *opaque, uint32_t pin, bool is_high); /* mandatory */
};

/**
 * vc_irq_create_line() - a line of the hypervisor's irqchip.
 * @partition: with VC_IRQCHIP_KERNEL; borrowed until destroy.
 * @gsi: 0 to 23.
 * @ret_irq: the handle, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (gsi, NULL), -ENOTSUP (partition without such an irqchip), -ENOMEM.
 * Spec: [KVM KVM_IRQ_LINE]   Since: 0.1
 */
VC_API int vc_irq_create_line(struct vc_partition *partition, uint32_t gsi,
			      struct vc_irq **ret_irq);

/**
 * vc_irq_create_msi() - a message-signalled interrupt.
 * @partition: with an irqchip; borrowed until destroy.
 * @msi: first address and data, copied; NULL = masked until vc_irq_set_msi().
 * @ret_irq: the handle, owned by the caller; untouched on failure.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -EINVAL, -ENOTSUP (no irqchip), -ENOSPC (routes), -ENOMEM, -EMFILE.
 * Spec: [KVM KVM_SET_GSI_ROUTING] [KVM KVM_IRQFD]   Since: 0.1
 */
VC_API int vc_irq_create_msi(struct vc_partition *partition, const struct vc_msi *msi,
			     struct vc_irq **ret_irq);

/**
 * vc_irq_create_pin() - the message behind a pin of a split irqchip's I/O APIC.
 * @partition: with VC_IRQCHIP_SPLIT; borrowed until destroy.
 * @pin: 0 to 23, each once.
 * @ret_irq: a message, masked; its owner, the I/O APIC, gives it the redirection entry's with
 *           vc_irq_set_msi(). A level-triggered one (bit 15 of data) makes the guest's EOI of its
 *           vector come out as VC_EXIT_IOAPIC_EOI. Owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (pin, NULL), -EEXIST (pin taken), -ENOTSUP (no split irqchip), -ENOMEM.
 * Spec: [KVM KVM_CAP_SPLIT_IRQCHIP] [82093AA data sheet]   Since: 0.1
 */
VC_API int vc_irq_create_pin(struct vc_partition *partition, uint32_t pin, struct vc_irq **ret_irq);

/**
 * vc_irq_create_ops() - a pin of a controller implemented outside the hypervisor.
 * @ops: borrowed until destroy; set_level is mandatory.
 * @opaque: given to @ops.
 * @pin: given to @ops.
 * @ret_irq: the handle, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_irq_create_ops(const struct vc_irq_ops *ops, void *opaque, uint32_t pin,
			     struct vc_irq **ret_irq);

/**
 * vc_irq_destroy() - give a handle back; a line is lowered first.
 * @irq: may be NULL.
 * Context: control thread; may block in the kernel.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_irq_destroy(struct vc_irq *irq);

/**
 * vc_irq_set_level() - raise or lower a line; on an MSI a raise sends the message.
 * @irq: the handle.
 * @is_high: the level wanted.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL), or what the hypervisor answered. A masked message is no error.
 * Spec: [KVM KVM_IRQ_LINE] [KVM KVM_SIGNAL_MSI]   Since: 0.1
 */
VC_API int vc_irq_set_level(struct vc_irq *irq, bool is_high);

/**
 * vc_irq_pulse() - one edge: raise and lower, or send the message once.
 * @irq: the handle.
 * Context: any thread; does not block.
 * Returns: as vc_irq_set_level().
 * Spec: none.   Since: 0.1
 */
VC_API int vc_irq_pulse(struct vc_irq *irq);

/**
 * vc_irq_set_msi() - change a message or mask it.
 * @irq: made by vc_irq_create_msi() or vc_irq_create_pin().
 * @msi: copied; NULL = mask: raises are dropped, signals of its fd wait there and make one interrupt
 *       when the message is set again. One that the hypervisor could not route reaches nobody.
 * Context: any thread, one at a time per partition is not needed; may block in the kernel.
 * Returns: 0, or -EINVAL (not an MSI), or what the hypervisor answered.
 * Spec: [KVM KVM_SET_GSI_ROUTING]   Since: 0.1
 */
VC_API int vc_irq_set_msi(struct vc_irq *irq, const struct vc_msi *msi);

/**
 * vc_irq_fd() - an eventfd whose signal sends the interrupt without entering this library.
 * @irq: MSI, or a line (then each signal is one edge).
 * Context: control thread; may block in the kernel at the first call.
 * Returns: the fd, owned by the handle, or -ENOTSUP (ops handle, or no irqfd), -EINVAL, -EMFILE.
 * Spec: [KVM KVM_IRQFD]   Since: 0.1
 */
VC_API int vc_irq_fd(struct vc_irq *irq);

/**
 * vc_irq_send_msi() - send one message without a handle.
 * @partition: with an irqchip.
 * @msi: the message.
 * Context: any thread; does not block.
 * Returns: 1 delivered, 0 blocked by the guest, or -EINVAL, -ENOTSUP.
 * Spec: [KVM KVM_SIGNAL_MSI]   Since: 0.1
 */
VC_API int vc_irq_send_msi(struct vc_partition *partition, const struct vc_msi *msi);

struct vc_doorbell_config {
	size_t size; /* sizeof(struct vc_doorbell_config) */
	enum vc_space space;
	uint64_t addr;	/* port or guest-physical address */
	uint32_t len;	/* bytes of the write: 1, 2, 4, 8; 0 = any (MMIO only) */
	bool has_match; /* only writes of `match` ring it */
	uint64_t match;
	bool has_fd; /* an eventfd of the caller's rings, borrowed until destroy: it can move on */
	int fd;
};

/**
 * vc_doorbell_create() - signal an eventfd when the guest writes an address, without an exit.
 * @partition: borrowed until destroy.
 * @cfg: copied.
 * @ret_doorbell: owned by the caller; untouched on failure.
 * Context: control thread; may block in the kernel.
 * Returns: 0, or -EINVAL, -E2BIG, -EEXIST (address and match taken), -ENOTSUP, -ENOSPC, -EMFILE,
 *          -EBADF (fd), -ENOMEM.
 * Spec: [KVM KVM_IOEVENTFD]   Since: 0.1
 */
VC_API int vc_doorbell_create(struct vc_partition *partition, const struct vc_doorbell_config *cfg,
			      struct vc_doorbell **ret_doorbell);

/**
 * vc_doorbell_destroy() - take a doorbell away; writes exit again.
 * @doorbell: may be NULL.
 * Context: control thread; may block in the kernel.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_doorbell_destroy(struct vc_doorbell *doorbell);

/**
 * vc_doorbell_fd() - the eventfd that rings.
 * @doorbell: the doorbell.
 * Context: any thread; does not block.
 * Returns: the fd, non-blocking, owned by the doorbell, or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_doorbell_fd(const struct vc_doorbell *doorbell);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_IRQ_H */
