/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implementing a virtio device: the core does status, features, queues, reset, pause and state; the
 * device answers for its configuration space and serves its queues.
 *
 * A device embeds struct vc_virtio, which embeds struct vc_device. Registers run on vCPU threads
 * under the device's lock; each queue is served on the thread of one ring and takes no lock. A
 * transport gives the device its registers: vc_virtio_mmio_attach(), vc_virtio_pci_attach().
 */
#ifndef LIBVIRTCORE_VIRTIO_H
#define LIBVIRTCORE_VIRTIO_H

#include <libvirtcore/device.h>
#include <libvirtcore/virtq.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_irq;
struct vc_pci_function;
struct vc_ring;
struct vc_virtio;
struct vc_virtio_core;

#define VC_VIRTIO_QUEUES_MAX 64u

/* Bytes of configuration space that are read or written. */
struct vc_virtio_config_access {
	bool is_write;
	uint32_t off; /* off + len is within config_bytes */
	uint32_t len; /* 1, 2, 4 or 8 */
	uint8_t *buf; /* reads: zeroed, to be filled */
};

/* Slots are mandatory unless said otherwise. */
struct vc_virtio_ops {
	const char *type;      /* "virtio-rng": static, for messages */
	uint32_t id;	       /* [virtio 1.3 §5] */
	uint32_t config_bytes; /* length of the configuration space, 0 = none */
	/* vCPU thread, lock held: the device's own feature bits, and VC_VIRTIO_F_IN_ORDER if it
	 * likes that; the core adds those of the queues. */
	uint64_t (*features)(struct vc_virtio *v);
	/* vCPU thread, lock held; optional when config_bytes is 0. */
	void (*config)(struct vc_virtio *v, const struct vc_virtio_config_access *access);
	/* The queue's ring thread: @queue begins to be served, with the features agreed. Optional. */
	void (*activate)(struct vc_virtio *v, uint32_t queue, uint64_t features);
	/* The queue's ring thread: pop until there is nothing, then return true; or false when no
	 * more can be taken now: vc_virtio_look() then asks for another call. */
	bool (*kick)(struct vc_virtio *v, uint32_t queue);
	/* The queue's ring thread: take nothing more; push what would wait for ever; the rest is
	 * waited for. After a reset what is pushed is dropped. Optional. */
	void (*quiesce)(struct vc_virtio *v, uint32_t queue);
	/* Nothing is served any more, for good; on the queue's ring thread, or, where no thread runs
	 * that ring, on the one that destroys the device. Returns true, and may be called again; or
	 * false when requests of the device's own are in flight: they are cancelled, and the last
	 * one's callback calls vc_virtio_look(). Optional. */
	bool (*release)(struct vc_virtio *v, uint32_t queue);
	/* Control thread, lock held, nothing in flight: the device's own part of the section. */
	int (*save)(struct vc_virtio *v, struct vc_state_writer *writer);
	int (*load)(struct vc_virtio *v, struct vc_state_reader *reader);
	/* Control thread: calls vc_virtio_fini() and frees the device. */
	void (*destroy)(struct vc_virtio *v);
};

/* The base of every virtio device. Fields are set by vc_virtio_init() and read-only. */
struct vc_virtio {
	struct vc_device dev;
	const struct vc_virtio_ops *ops;
	struct vc_virtio_core *core;
};

struct vc_virtio_config {
	size_t size;		      /* sizeof(struct vc_virtio_config) */
	const char *name;	      /* unique in a VM, 1 to 31 bytes; copied */
	const struct vc_mem *mem;     /* frozen before a guest runs; borrowed until fini */
	uint32_t nr_queues;	      /* 1 to VC_VIRTIO_QUEUES_MAX */
	uint32_t queue_size;	      /* entries at most: a power of two up to 32768; 0 = 256 */
	struct vc_ring *const *rings; /* queue i goes to ring i % nr_rings; a reference is taken */
	uint32_t nr_rings;
	uint64_t refused_features; /* never offered */
};

/**
 * vc_virtio_init() - set up the base of a virtio device.
 * @v: embedded in the device's own struct.
 * @ops: static.
 * @cfg: copied.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (name, mandatory slot missing, queues, no ring), -E2BIG, -EMFILE, -ENOMEM,
 *          or what the ring answers when it is given one more file. After a failure there is
 *          nothing to be released.
 * Spec: [virtio 1.3 §2]   Since: 0.1
 */
VC_API int vc_virtio_init(struct vc_virtio *v, const struct vc_virtio_ops *ops,
			  const struct vc_virtio_config *cfg);

/**
 * vc_virtio_fini() - release the base; called by the device's destroy().
 * @v: initialised; its transport goes with it.
 * Context: control thread; blocks until nothing is in flight: each ring that has served it is run by
 *          its thread, or by this one, or was stopped.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_virtio_fini(struct vc_virtio *v);

/**
 * vc_virtio_pop() - take a queue's next request, unless it is to be quiet.
 * @v: the device.
 * @queue: below nr_queues.
 * @chain: as for vc_virtq_pop().
 * Context: the queue's ring thread; does not block.
 * Returns: 1, 0, or -EIO, as vc_virtq_pop(); a broken queue makes the device need a reset.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_virtio_pop(struct vc_virtio *v, uint32_t queue, struct vc_virtq_chain *chain);

/**
 * vc_virtio_push() - give a request back; the driver is told once, at the end of the ring's batch.
 * @v: the device.
 * @queue: that it was popped from.
 * @chain: as for vc_virtq_push().
 * @written: bytes written.
 * Context: the queue's ring thread; does not block.
 * Returns: 0, or -ESTALE (of before a reset: dropped), -EIO (broken: dropped), -EINVAL; as
 *          vc_virtq_push().
 * Spec: none.   Since: 0.1
 */
VC_API int vc_virtio_push(struct vc_virtio *v, uint32_t queue, struct vc_virtq_chain *chain,
			  uint32_t written);

/**
 * vc_virtio_look() - have kick() called at the end of the batch.
 * @v: the device.
 * @queue: below nr_queues.
 * Context: the queue's ring thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_virtio_look(struct vc_virtio *v, uint32_t queue);

/**
 * vc_virtio_break() - the driver broke a rule of the device's: it needs a reset.
 * @v: the device.
 * @queue: the one that is broken; gives out nothing more.
 * Context: the queue's ring thread; takes the device's lock.
 * Returns: nothing.
 * Spec: [virtio 1.3 §2.1.2]   Since: 0.1
 */
VC_API void vc_virtio_break(struct vc_virtio *v, uint32_t queue);

/**
 * vc_virtio_config_changed() - configuration space has other values: tell the driver.
 * @v: the device.
 * Context: any thread that is not inside the device's ops; takes the device's lock.
 * Returns: nothing.
 * Spec: [virtio 1.3 §2.5]   Since: 0.1
 */
VC_API void vc_virtio_config_changed(struct vc_virtio *v);

/**
 * vc_virtio_pause() - bring all queues to rest, with what is in flight completed.
 * @v: the device.
 * Context: control thread; blocks until nothing is in flight, as vc_virtio_fini().
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_virtio_pause(struct vc_virtio *v);

/**
 * vc_virtio_resume() - go on after a pause or a load.
 * @v: the device.
 * Context: control thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_virtio_resume(struct vc_virtio *v);

#define VC_VIRTIO_MMIO_BYTES 0x200u /* one range; configuration space from 0x100 on */

/**
 * vc_virtio_mmio_attach() - give a device the registers of virtio over MMIO, version 2.
 * @v: has no transport. Its vc_device then has one range of VC_VIRTIO_MMIO_BYTES; a write to
 *     offset 0x50 may ring vc_virtio_kick_fd() instead.
 * @irq: borrowed until fini: a level.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL, configuration space above 256 bytes), -EBUSY (has one), -ENOMEM.
 * Spec: [virtio 1.3 §4.2]   Since: 0.1
 */
VC_API int vc_virtio_mmio_attach(struct vc_virtio *v, struct vc_irq *irq);

/**
 * vc_virtio_pci_attach() - give a device the registers of virtio over PCI, modern only.
 * @v: has no transport.
 * @ret_function: for vc_vm_add_pci() or vc_pci_bridge_attach(); owned by the device; untouched on
 *                failure. A vector for each queue and one for configuration; INTA# without MSI-X.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL, id above 63, configuration space above 4096 bytes), -EBUSY (has a
 *          transport), -ENOMEM.
 * Spec: [virtio 1.3 §4.1]   Since: 0.1
 */
VC_API int vc_virtio_pci_attach(struct vc_virtio *v, struct vc_pci_function **ret_function);

/**
 * vc_virtio_kick_fd() - the eventfd that a doorbell of a queue rings.
 * @v: the device.
 * @queue: below nr_queues.
 * Context: control thread; does not block.
 * Returns: the fd, owned by the device, or -EINVAL.
 * Spec: [KVM KVM_IOEVENTFD]   Since: 0.1
 */
VC_API int vc_virtio_kick_fd(const struct vc_virtio *v, uint32_t queue);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VIRTIO_H */
