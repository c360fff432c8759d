/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implementing a device, and the bus that finds it. In-tree devices use exactly this.
 *
 * A device embeds struct vc_device. Register accesses, reset, save, load and polling run under its
 * lock, which the callers below take: a device never takes it itself inside an op. It sees offsets
 * into its ranges, never absolute addresses.
 */
#ifndef LIBVIRTCORE_DEVICE_H
#define LIBVIRTCORE_DEVICE_H

#include <libvirtcore/types.h>

#include <poll.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_bus;
struct vc_device;
struct vc_state_reader;
struct vc_state_writer;

/* One register access. */
struct vc_access {
	uint32_t range; /* number given to vc_bus_claim() */
	uint8_t size;	/* bytes: 1, 2, 4 or 8 */
	bool is_write;
	uint64_t off;	/* in the range; off + size is within it */
	uint64_t value; /* write: zero-extended; read: starts as all ones, cut to size after */
};
/* Slots are mandatory unless said otherwise. All run with the device's lock held. */
struct vc_device_ops {
	const char *type; /* "serial8250": static, for messages */
	/* vCPU thread; must not block; may raise irqs and write streams. */
	void (*access)(struct vc_device *dev, struct vc_access *access);
	/* Control or vCPU thread, no vCPU running: back to power-on. */
	void (*reset)(struct vc_device *dev);
	/* Control thread, no vCPU running: one section named after the device. */
	int (*save)(struct vc_device *dev, struct vc_state_writer *writer);
	int (*load)(struct vc_device *dev, struct vc_state_reader *reader);
	/* Control thread; frees the device; lock not held. */
	void (*destroy)(struct vc_device *dev);
	/* Polling thread; optional, both or none: as vc_stream_pollfds() and _dispatch(). */
	size_t (*pollfds)(struct vc_device *dev, struct pollfd *fds, size_t nr);
	void (*dispatch)(struct vc_device *dev, const struct pollfd *fds, size_t nr);
};

#define VC_DEVICE_POLLFDS_MAX 4u

/* The base of every device. Fields are set by vc_device_init() and read-only for the device. */
struct vc_device {
	const struct vc_device_ops *ops;
	char name[32];		    /* unique in a VM; key of the state section */
	uint32_t lock;		    /* for vc_device_lock() */
	void (*wake)(void *opaque); /* set by vc_device_set_wake() */
	void *wake_opaque;
};

/**
 * vc_device_init() - set up the base of a device.
 * @dev: embedded in the device's own struct.
 * @ops: static.
 * @name: 1 to 31 bytes; copied.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (name, mandatory slot missing, one poll slot without the other).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_device_init(struct vc_device *dev, const struct vc_device_ops *ops, const char *name);

/**
 * vc_device_fini() - release the base; called by the device's destroy().
 * @dev: initialised.
 * Context: control thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_fini(struct vc_device *dev);

/**
 * vc_device_destroy() - free a device that no bus and no VM uses.
 * @dev: may be NULL.
 * Context: control thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_destroy(struct vc_device *dev);

/**
 * vc_device_reset() - take the lock and reset a device.
 * @dev: the device; nothing happens without one.
 * Context: control or vcpu thread, no vCPU of the VM running; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_reset(struct vc_device *dev);

/**
 * vc_device_save() - take the lock and save a device.
 * @dev: the device.
 * @writer: state stream.
 * Context: control thread, no vCPU of the VM running; does not block.
 * Returns: 0, or -EINVAL (NULL), or what the writer answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_device_save(struct vc_device *dev, struct vc_state_writer *writer);

/**
 * vc_device_load() - take the lock and load a device; on failure it is reset.
 * @dev: the device.
 * @reader: state stream.
 * Context: control thread, no vCPU of the VM running; does not block.
 * Returns: 0, or -EINVAL (NULL), -EBADMSG (impossible values: named), or what the reader answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_device_load(struct vc_device *dev, struct vc_state_reader *reader);

/**
 * vc_device_pollfds() - take the lock and ask a device what to poll.
 * @dev: the device.
 * @fds: filled.
 * @nr: length of @fds; VC_DEVICE_POLLFDS_MAX is always enough.
 * Context: polling thread; does not block.
 * Returns: entries filled, 0 when the device has nothing to poll.
 * Spec: [poll(2)]   Since: 0.1
 */
VC_API size_t vc_device_pollfds(struct vc_device *dev, struct pollfd *fds, size_t nr);

/**
 * vc_device_dispatch() - take the lock and hand poll(2)'s results to a device.
 * @dev: the device.
 * @fds: as filled before, with revents.
 * @nr: their number.
 * Context: polling thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_dispatch(struct vc_device *dev, const struct pollfd *fds, size_t nr);

/**
 * vc_device_lock() - take a device's lock, for entries that are none of its ops.
 * @dev: the device; the calling thread does not hold it.
 * Context: any thread; blocks while another thread is inside the device.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_lock(struct vc_device *dev);

/**
 * vc_device_unlock() - give a device's lock back.
 * @dev: locked by this thread.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_unlock(struct vc_device *dev);

/**
 * vc_device_set_wake() - say who has to ask for a device's pollfds again.
 * @dev: the device.
 * @wake: called on any thread, possibly under the device's lock: must not block nor call back; NULL
 *        = nobody polls.
 * @opaque: given to @wake.
 * Context: control thread, before the device is used; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_set_wake(struct vc_device *dev, void (*wake)(void *opaque), void *opaque);

/**
 * vc_device_wake() - tell the polling thread that a device's pollfds changed outside dispatch().
 * @dev: the device; e.g. its stream took less than was written, or room for input came back.
 * Context: any thread, inside the device's ops; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_device_wake(struct vc_device *dev);

/**
 * vc_bus_create() - make an empty bus.
 * @space: I/O ports (0 to 0xffff) or guest-physical addresses.
 * @ret_bus: the bus, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bus_create(enum vc_space space, struct vc_bus **ret_bus);

/**
 * vc_bus_destroy() - free a bus; devices stay.
 * @bus: may be NULL.
 * Context: control thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_bus_destroy(struct vc_bus *bus);

/**
 * vc_bus_claim() - give an address range to a device.
 * @bus: not frozen.
 * @base: first address.
 * @len: bytes, not 0.
 * @dev: borrowed until the bus is destroyed.
 * @range: handed to the device's access() so that it can tell its ranges apart.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (range outside the space, NULL), -EEXIST (overlap: both named), -EBUSY
 *          (frozen), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bus_claim(struct vc_bus *bus, uint64_t base, uint64_t len, struct vc_device *dev,
			uint32_t range);

/**
 * vc_bus_freeze() - end changes; from now on look-ups need no lock.
 * @bus: the bus.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -EALREADY.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bus_freeze(struct vc_bus *bus);

/**
 * vc_bus_access() - carry out one guest access.
 * @bus: frozen.
 * @addr: absolute address.
 * @size: bytes: 1, 2, 4 or 8.
 * @is_write: direction.
 * @value: in or out; an unclaimed read gives all ones of @size bytes.
 * Context: any thread; takes the device's lock.
 * Returns: 0, or 1 (unclaimed, or not wholly in one range: counted), or -EINVAL (size, not frozen).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bus_access(struct vc_bus *bus, uint64_t addr, unsigned int size, bool is_write,
			 uint64_t *value);

/**
 * vc_bus_unclaimed() - how many accesses found nobody.
 * @bus: the bus.
 * Context: any thread; does not block.
 * Returns: the number since creation, 0 without a bus.
 * Spec: none.   Since: 0.1
 */
VC_API uint64_t vc_bus_unclaimed(const struct vc_bus *bus);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_DEVICE_H */
