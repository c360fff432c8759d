/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a virtqueue, split or packed: usable alone, on top of guest memory only (for
 * instance to write a vhost-user back end).
 * A queue belongs to one thread at a time. What the driver wrote is checked once, in
 * vc_virtq_pop(); a driver that breaks the rules breaks its queue and nothing else: the queue then
 * gives out nothing more until it is disabled, and vc_virtq_get_fault() tells why.
 */
#ifndef LIBVIRTCORE_VIRTQ_H
#define LIBVIRTCORE_VIRTQ_H

#include <libvirtcore/mem.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_state_reader;
struct vc_state_writer;
struct vc_virtq;

/* Feature bits that shape a queue; others are ignored here. [virtio 1.3 §6] */
#define VC_VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VC_VIRTIO_F_EVENT_IDX	  (UINT64_C(1) << 29)
#define VC_VIRTIO_F_VERSION_1	  (UINT64_C(1) << 32)
#define VC_VIRTIO_F_RING_PACKED	  (UINT64_C(1) << 34)
#define VC_VIRTIO_F_IN_ORDER	  (UINT64_C(1) << 35)
#define VC_VIRTIO_F_RING_RESET	  (UINT64_C(1) << 40)

#define VC_VIRTQ_SIZE_MAX 32768u
/* Why a queue is broken. */
enum vc_virtq_fault {
	VC_VIRTQ_SOUND = 0,
	VC_VIRTQ_BAD_RING,   /* a part of the ring: size, alignment, or not in one range of RAM */
	VC_VIRTQ_BAD_INDEX,  /* more made available than the ring has room for */
	VC_VIRTQ_BAD_HEAD,   /* no such descriptor or buffer id */
	VC_VIRTQ_HEAD_TWICE, /* head or buffer id is in flight already */
	VC_VIRTQ_BAD_NEXT,   /* a chain leaves its table */
	VC_VIRTQ_TOO_LONG, /* more descriptors than the queue's size, or than the caller has room */
	VC_VIRTQ_BAD_ORDER,    /* a readable buffer after a writable one */
	VC_VIRTQ_EMPTY_BUFFER, /* a buffer of no length */
	VC_VIRTQ_TOO_LARGE,    /* a chain of more than 2^32 bytes */
	VC_VIRTQ_BAD_ADDRESS,  /* a buffer that is no RAM, or RAM that cannot be written */
	VC_VIRTQ_BAD_INDIRECT, /* a table not negotiated, nested, chained, or of odd length */
	VC_VIRTQ_BAD_REQUEST,  /* what is in the buffers: said by the device, vc_virtq_break() */
};

struct vc_virtq_config {
	size_t size;		  /* sizeof(struct vc_virtq_config) */
	const struct vc_mem *mem; /* frozen; borrowed until destroy */
	uint32_t max_size;	  /* entries, 1 to VC_VIRTQ_SIZE_MAX */
};
/* Where the driver put a queue. */
struct vc_virtq_layout {
	size_t size;	     /* sizeof(struct vc_virtq_layout) */
	uint64_t features;   /* negotiated: VC_VIRTIO_F_ bits */
	uint32_t nr_entries; /* a power of two, but for packed queues */
	vc_gpa desc;	     /* descriptor area */
	vc_gpa driver;	     /* available ring, or driver event suppression */
	vc_gpa device;	     /* used ring, or device event suppression */
};

/* One request: its buffers, those that the device reads first. */
struct vc_virtq_chain {
	struct vc_slice *slices; /* set by the caller: room for the buffers */
	uint32_t max_slices;	 /* set by the caller: their number */
	uint32_t nr_readable;
	uint32_t nr_writable; /* they follow the readable ones */
	uint64_t readable_bytes;
	uint64_t writable_bytes;
	uint16_t id;	     /* unique among those in flight, below the queue's size */
	uint32_t generation; /* for vc_virtq_push(); 0 = none */
};
/**
 * vc_virtq_create() - make a queue, disabled.
 * @cfg: copied.
 * @ret_vq: the queue, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (size, no memory map), -E2BIG, -ENOMEM.
 * Spec: [virtio 1.3 §2.6]   Since: 0.1
 */
VC_API int vc_virtq_create(const struct vc_virtq_config *cfg, struct vc_virtq **ret_vq);

/**
 * vc_virtq_destroy() - free a queue.
 * @vq: may be NULL; nothing of it may be in flight.
 * Context: control thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_virtq_destroy(struct vc_virtq *vq);

/**
 * vc_virtq_enable() - begin to serve a ring. From now on its size and addresses are fixed.
 * @vq: disabled.
 * @layout: copied.
 * Context: ring thread, or control thread; does not block.
 * Returns: 0, or -EINVAL (NULL, struct size), -EBUSY (enabled), -E2BIG (struct from a newer version),
 *          -EFAULT (the driver's mistake: the queue is broken with VC_VIRTQ_BAD_RING; sets no
 *          message).
 * Spec: [virtio 1.3 §2.7] [virtio 1.3 §2.8.10]   Since: 0.1
 */
VC_API int vc_virtq_enable(struct vc_virtq *vq, const struct vc_virtq_layout *layout);

/**
 * vc_virtq_disable() - stop serving the ring, at once; also mends a broken queue.
 * @vq: in any state. What is in flight stays so until it is pushed, which then has no effect.
 * Context: ring thread, or control thread; does not block.
 * Returns: nothing.
 * Spec: [virtio 1.3 §2.6.1]   Since: 0.1
 */
VC_API void vc_virtq_disable(struct vc_virtq *vq);

/**
 * vc_virtq_pop() - take the next request.
 * @vq: the queue.
 * @chain: slices and max_slices are set by the caller and stay the caller's; the rest is filled.
 * Context: ring thread; does not block, takes no lock, allocates nothing.
 * Returns: 1, or 0 (nothing there, or disabled), or -EIO (broken, now or before; sets no message).
 * Spec: [virtio 1.3 §2.7.13] [virtio 1.3 §2.8.21]   Since: 0.1
 */
VC_API int vc_virtq_pop(struct vc_virtq *vq, struct vc_virtq_chain *chain);

/**
 * vc_virtq_push() - give a request back; the driver sees it after vc_virtq_flush().
 * @vq: the queue that it was popped from.
 * @chain: its slices are put back; may be used again.
 * @written: bytes written to its writable buffers, from the first one on without a gap.
 * Context: ring thread; does not block, takes no lock, allocates nothing.
 * Returns: 0, or -ESTALE (the queue was disabled since: dropped; sets no message), -EIO (broken:
 *          dropped; sets no message), -EINVAL (not in flight, more written than there is room).
 * Spec: [virtio 1.3 §2.7.8] [virtio 1.3 §2.8.22]   Since: 0.1
 */
VC_API int vc_virtq_push(struct vc_virtq *vq, struct vc_virtq_chain *chain, uint32_t written);

/**
 * vc_virtq_flush() - show the driver what was pushed: one publication for all.
 * @vq: the queue.
 * Context: ring thread; does not block, takes no lock, allocates nothing.
 * Returns: whether the driver wants one notification for it.
 * Spec: [virtio 1.3 §2.7.7] [virtio 1.3 §2.8.10]   Since: 0.1
 */
VC_API bool vc_virtq_flush(struct vc_virtq *vq);

/**
 * vc_virtq_disarm() - tell the driver that it need not notify: the queue is being looked at anyhow.
 * @vq: the queue.
 * Context: ring thread; does not block.
 * Returns: nothing.
 * Spec: [virtio 1.3 §2.7.10]   Since: 0.1
 */
VC_API void vc_virtq_disarm(struct vc_virtq *vq);

/**
 * vc_virtq_arm() - ask for a notification when something is made available; call it before sleeping.
 * @vq: the queue.
 * Context: ring thread; does not block.
 * Returns: whether something is there already: pop, for no notification may come for it.
 * Spec: [virtio 1.3 §2.7.10]   Since: 0.1
 */
VC_API bool vc_virtq_arm(struct vc_virtq *vq);

/**
 * vc_virtq_break() - declare a queue broken because of what a request holds.
 * @vq: the queue; a first fault stays.
 * @fault: not VC_VIRTQ_SOUND.
 * Context: ring thread; does not block.
 * Returns: nothing.
 * Spec: [virtio 1.3 §2.1.2]   Since: 0.1
 */
VC_API void vc_virtq_break(struct vc_virtq *vq, enum vc_virtq_fault fault);

/**
 * vc_virtq_get_fault() - tell whether and why a queue is broken.
 * @vq: the queue.
 * Context: ring thread; does not block.
 * Returns: the first fault since it was enabled, or VC_VIRTQ_SOUND.
 * Spec: none.   Since: 0.1
 */
VC_API enum vc_virtq_fault vc_virtq_get_fault(const struct vc_virtq *vq);

/**
 * vc_virtq_fault_text() - a fault in words.
 * @fault: any value.
 * Context: any thread; does not block.
 * Returns: a static string.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_virtq_fault_text(enum vc_virtq_fault fault);

/**
 * vc_virtq_in_flight() - how many requests were popped and not pushed, before a disable too.
 * @vq: the queue.
 * Context: ring thread; does not block.
 * Returns: the number.
 * Spec: none.   Since: 0.1
 */
VC_API uint32_t vc_virtq_in_flight(const struct vc_virtq *vq);

/**
 * vc_virtq_read() - copy out of the readable buffers of a request.
 * @chain: popped.
 * @off: bytes from the first readable one.
 * @buf: filled as far as there is something.
 * @len: bytes wanted.
 * Context: ring thread; does not block.
 * Returns: bytes copied.
 * Spec: [virtio 1.3 §2.7.4]   Since: 0.1
 */
VC_API size_t vc_virtq_read(const struct vc_virtq_chain *chain, uint64_t off, void *buf,
			    size_t len);

/**
 * vc_virtq_write() - copy into the writable buffers of a request.
 * @chain: popped.
 * @off: bytes from the first writable one.
 * @buf: bytes.
 * @len: their number.
 * Context: ring thread; does not block.
 * Returns: bytes copied.
 * Spec: [virtio 1.3 §2.7.4]   Since: 0.1
 */
VC_API size_t vc_virtq_write(const struct vc_virtq_chain *chain, uint64_t off, const void *buf,
			     size_t len);

/**
 * vc_virtq_save() - append the queue to the open section of its device.
 * @vq: nothing in flight, everything flushed.
 * @writer: a section must be open.
 * Context: control thread, the ring not running; does not block.
 * Returns: 0, or -EINVAL (NULL), -EBUSY (in flight, or not flushed).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_virtq_save(const struct vc_virtq *vq, struct vc_state_writer *writer);

/**
 * vc_virtq_load() - take the queue from the open section of its device.
 * @vq: disabled; on failure it stays so.
 * @reader: a section must be open.
 * Context: control thread, the ring not running; does not block.
 * Returns: 0, or -EINVAL (NULL), -EBUSY (enabled), -EBADMSG (short, or impossible values: named).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_virtq_load(struct vc_virtq *vq, struct vc_state_reader *reader);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VIRTQ_H */
