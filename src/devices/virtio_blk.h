/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio disk as its two files see it: registers and life, and the way of a request. */
#ifndef VC_DEVICES_VIRTIO_BLK_H
#define VC_DEVICES_VIRTIO_BLK_H

#include <libvirtcore/block.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/virtio.h>
#include <libvirtcore/virtio_devices.h>

#include <stdatomic.h>

/* Feature bits. [virtio 1.3 §5.2.3] */
#define BLK_F_SEG_MAX	   (UINT64_C(1) << 2)
#define BLK_F_RO	   (UINT64_C(1) << 5)
#define BLK_F_BLK_SIZE	   (UINT64_C(1) << 6)
#define BLK_F_FLUSH	   (UINT64_C(1) << 9)
#define BLK_F_TOPOLOGY	   (UINT64_C(1) << 10)
#define BLK_F_CONFIG_WCE   (UINT64_C(1) << 11)
#define BLK_F_MQ	   (UINT64_C(1) << 12)
#define BLK_F_DISCARD	   (UINT64_C(1) << 13)
#define BLK_F_WRITE_ZEROES (UINT64_C(1) << 14)

enum {
	BLK_SECTOR_SHIFT = 9,
	BLK_SERIAL_BYTES = 20,
	BLK_SEG_MAX = 126, /* buffers of data; two more for header and status */
	/* room for header, data and status, one of them in two stretches of memory */
	BLK_SLICES_MAX = BLK_SEG_MAX + 4,
	BLK_RANGES_MAX = 16, /* of one discard or write-zeroes */
};

/* One request, from pop to push. A queue has one for each entry; memory comes with first use. */
struct blk_slot {
	struct blk_lane *lane;
	struct blk_slot *next; /* free ones */
	struct vc_block_request io;
	struct vc_virtq_chain chain;
	uint32_t type;
	uint32_t range_idx, nr_ranges; /* discard, write-zeroes: done so far, and in all */
	uint64_t written;	       /* bytes at the head of the writable buffers */
	struct vc_slice slices[BLK_SLICES_MAX];
	struct iovec iov[BLK_SLICES_MAX];
};

/* One queue: all its fields are the ring thread's. */
struct blk_lane {
	struct virtio_blk *blk;
	uint32_t idx;
	uint64_t features;
	struct vc_ring *ring;
	struct vc_block_queue *queue; /* NULL until the queue is first served */
	struct blk_slot *slots, *free;
	uint32_t nr_slots, nr_used; /* those behind nr_used have never been in use */
};

struct virtio_blk {
	struct vc_virtio virtio;
	struct vc_block *block;
	struct vc_block_info info; /* but for its size, which may change */
	enum vc_disk_error_policy on_error;
	uint32_t nr_queues;
	char serial[BLK_SERIAL_BYTES];
	atomic_bool is_writeback; /* set under the device's lock, read by the rings' threads */
	_Atomic uint64_t nr_ignored;
	struct blk_lane *lanes;
};

/* virtio_blk_queue.c, ring thread: take what is there. As vc_virtio_ops.kick. */
bool vc__blk_kick(struct vc_virtio *v, uint32_t queue);

#endif /* VC_DEVICES_VIRTIO_BLK_H */
