/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ready-made virtio devices. Each is a struct vc_virtio: give it a transport (virtio.h), then put it
 * into a VM.
 */
#ifndef LIBVIRTCORE_VIRTIO_DEVICES_H
#define LIBVIRTCORE_VIRTIO_DEVICES_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_block;
struct vc_mem;
struct vc_ring;
struct vc_throttle;
struct vc_virtio;

/* What a guest is told when the host could not read or write. */
enum vc_disk_error_policy {
	VC_DISK_ERROR_REPORT = 0, /* an I/O error */
	VC_DISK_ERROR_IGNORE = 1, /* success; counted by vc_virtio_blk_nr_ignored() */
};

struct vc_virtio_blk_config {
	size_t size;		      /* sizeof(struct vc_virtio_blk_config) */
	const char *name;	      /* of the device, unique in a VM; copied */
	const struct vc_mem *mem;     /* frozen before a guest runs; borrowed until destroy */
	struct vc_block *block;	      /* moved on success: closed with the device */
	struct vc_ring *const *rings; /* queue i is served by ring i % nr_rings */
	uint32_t nr_rings;
	uint32_t nr_queues;  /* 1 to 64; 0 = 1 */
	uint32_t queue_size; /* entries: a power of two from 4 to 1024; 0 = 256 */
	const char *serial;  /* up to 20 bytes of printable ASCII; NULL = none; copied */
	enum vc_disk_error_policy on_error;
	uint64_t refused_features; /* feature bits that are never offered */
};

/**
 * vc_virtio_blk_create() - make a disk of a guest's.
 * @cfg: copied. The disk's size, block size, abilities and whether it can be written are those of
 *       the block end. A guest that does not know of caches gets writes that are durable when they
 *       complete; one that may toggle the cache does so in configuration space.
 * @ret_virtio: owned by the caller, until a VM takes it; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (fields), -E2BIG, -EMFILE, -ENOMEM.
 * Spec: [virtio 1.3 §5.2]   Since: 0.1
 */
VC_API int vc_virtio_blk_create(const struct vc_virtio_blk_config *cfg,
				struct vc_virtio **ret_virtio);

/**
 * vc_virtio_blk_resized() - tell the guest that vc_block_resize() has changed its disk.
 * @virtio: made by vc_virtio_blk_create().
 * Context: any thread that is not inside the device's ops; takes the device's lock.
 * Returns: 0, or -EINVAL (NULL, another device).
 * Spec: [virtio 1.3 §5.2.6]   Since: 0.1
 */
VC_API int vc_virtio_blk_resized(struct vc_virtio *virtio);

/**
 * vc_virtio_blk_nr_ignored() - how many errors VC_DISK_ERROR_IGNORE kept from the guest.
 * @virtio: made by vc_virtio_blk_create().
 * Context: any thread; does not block.
 * Returns: the number since creation; 0 for another device.
 * Spec: none.   Since: 0.1
 */
VC_API uint64_t vc_virtio_blk_nr_ignored(const struct vc_virtio *virtio);

struct vc_virtio_rng_config {
	size_t size;		      /* sizeof(struct vc_virtio_rng_config) */
	const char *name;	      /* of the device, unique in a VM; copied */
	const struct vc_mem *mem;     /* frozen before a guest runs; borrowed until destroy */
	struct vc_ring *ring;	      /* serves its one queue; a reference is taken */
	struct vc_throttle *throttle; /* borrowed until destroy; NULL = no limit */
};

/**
 * vc_virtio_rng_create() - make a source of random bytes, those of getrandom(2).
 * @cfg: copied.
 * @ret_virtio: owned by the caller, until a VM takes it; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (fields), -E2BIG, -EMFILE, -ENOMEM.
 * Spec: [virtio 1.3 §5.4]   Since: 0.1
 */
VC_API int vc_virtio_rng_create(const struct vc_virtio_rng_config *cfg,
				struct vc_virtio **ret_virtio);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VIRTIO_DEVICES_H */
