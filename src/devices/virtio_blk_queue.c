/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a disk request: popped, its header copied once and checked, handed to the block end, its
 * status written, pushed. Runs on the queue's ring thread; no lock, no allocation, no system call.
 *
 * What a request asks for may be impossible: that is an I/O error of its own. What is no request at
 * all (a header too short, no room for a status) breaks the queue. The guest may change its buffers at
 * any time: header and ranges are copied to locals first, and only those are looked at.
 * Leaves out lifetime, secure erase, zoned commands: answered as unsupported.
 * Spec: [virtio 1.3 §5.2.6]
 */
#include "virtio_blk.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define RANGE_UNMAP 1u

enum {
	TYPE_IN = 0,
	TYPE_OUT = 1,
	TYPE_FLUSH = 4,
	TYPE_GET_ID = 8,
	TYPE_DISCARD = 11,
	TYPE_WRITE_ZEROES = 13,

	STATUS_OK = 0,
	STATUS_IOERR = 1,
	STATUS_UNSUPP = 2,
};

/* All little-endian, as this host is. */
struct header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};
static_assert(sizeof(struct header) == 16, "[virtio 1.3 §5.2.6] virtio_blk_req");

struct range {
	uint64_t sector;
	uint32_t nr_sectors;
	uint32_t flags;
};
static_assert(sizeof(struct range) == 16, "[virtio 1.3 §5.2.6] virtio_blk_discard_write_zeroes");

/* There is one always: a slot for each entry, and each request in flight has an entry of its own. */
static struct blk_slot *take_slot(struct blk_lane *lane)
{
	struct blk_slot *slot = lane->free;

	if (slot) {
		lane->free = slot->next;
		return slot;
	}
	vc_assert(lane->nr_used < lane->nr_slots);
	slot = &lane->slots[lane->nr_used++];
	slot->lane = lane;
	slot->chain.slices = slot->slices;
	slot->chain.max_slices = BLK_SLICES_MAX;
	return slot;
}

static void put_slot(struct blk_slot *slot)
{
	slot->next = slot->lane->free;
	slot->lane->free = slot;
}

/* The last writable byte is the status. [virtio 1.3 §5.2.6.2] */
static void finish(struct blk_slot *slot, uint8_t status)
{
	struct blk_lane *lane = slot->lane;
	uint64_t at = slot->chain.writable_bytes - 1, written = slot->written;

	(void)vc_virtq_write(&slot->chain, at, &status, 1);
	/* What lies between was not written, so only without a gap does the status count. */
	if (written == at)
		written++;
	(void)vc_virtio_push(&lane->blk->virtio, lane->idx, &slot->chain, (uint32_t)written);
	put_slot(slot);
}

static uint8_t status_of(struct virtio_blk *blk, int result)
{
	if (result == 0)
		return STATUS_OK;
	if (result == -EOPNOTSUPP)
		return STATUS_UNSUPP;
	if (blk->on_error == VC_DISK_ERROR_REPORT || result == -ERANGE || result == -EINVAL ||
	    result == -EROFS)
		return STATUS_IOERR; /* the guest's own mistakes are never ignored */
	atomic_fetch_add_explicit(&blk->nr_ignored, 1, memory_order_relaxed);
	return STATUS_OK;
}

static void complete(struct blk_slot *slot, int result)
{
	finish(slot, status_of(slot->lane->blk, result));
}

/* The bytes of the data as host memory: slices without the header in front or the status behind. */
static uint32_t make_iov(struct blk_slot *slot, bool is_write, uint64_t skip, uint64_t len)
{
	const struct vc_slice *slices =
		is_write ? slot->slices : slot->slices + slot->chain.nr_readable;
	uint32_t nr_slices = is_write ? slot->chain.nr_readable : slot->chain.nr_writable, nr = 0;

	for (uint32_t i = 0; i < nr_slices && len > 0; i++) {
		uint64_t part = slices[i].len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < len ? part - skip : len;
		slot->iov[nr++] = (struct iovec){ (uint8_t *)slices[i].ptr + skip, (size_t)part };
		skip = 0;
		len -= part;
	}
	return nr;
}

/* What a request of the block end does not use stays as the last one left it. */
static void submit(struct blk_slot *slot, enum vc_block_op op, uint8_t flags,
		   void (*done)(struct vc_block_request *io, int result))
{
	int r;

	slot->io.op = (uint8_t)op;
	slot->io.flags = flags;
	slot->io.done = done;
	r = vc_block_submit(slot->lane->queue, &slot->io);
	if (r < 0) /* the ring has ended: nobody else answers the guest */
		complete(slot, -EIO);
}

static void transfer_done(struct vc_block_request *io, int result)
{
	struct blk_slot *slot = vc_container_of(io, struct blk_slot, io);

	if (io->op == VC_BLOCK_READ && result == 0)
		slot->written = io->len;
	complete(slot, result);
}

/* Durable at once, unless the guest knows that there is a cache and lets it be used. */
static bool is_cached(const struct blk_lane *lane)
{
	if (!(lane->features & (BLK_F_FLUSH | BLK_F_CONFIG_WCE)))
		return false;
	return atomic_load_explicit(&lane->blk->is_writeback, memory_order_relaxed);
}

static uint8_t fua(const struct blk_lane *lane)
{
	return lane->blk->info.has_cache && !is_cached(lane) ? VC_BLOCK_FUA : 0;
}

static void start_transfer(struct blk_slot *slot, uint64_t sector, bool is_write)
{
	uint64_t skip = is_write ? sizeof(struct header) : 0;
	uint64_t len =
		is_write ? slot->chain.readable_bytes - skip : slot->chain.writable_bytes - 1;

	if (sector >> (64 - BLK_SECTOR_SHIFT)) {
		complete(slot, -ERANGE);
		return;
	}
	if (len == 0) {
		complete(slot, 0);
		return;
	}
	slot->io.off = sector << BLK_SECTOR_SHIFT;
	slot->io.len = len;
	slot->io.iov = slot->iov;
	slot->io.nr_iov = make_iov(slot, is_write, skip, len);
	if (is_write)
		submit(slot, VC_BLOCK_WRITE, fua(slot->lane), transfer_done);
	else
		submit(slot, VC_BLOCK_READ, 0, transfer_done);
}

static void start_flush(struct blk_slot *slot)
{
	if (slot->lane->blk->info.has_cache)
		submit(slot, VC_BLOCK_FLUSH, 0, transfer_done);
	else
		complete(slot, 0);
}

static void get_id(struct blk_slot *slot)
{
	uint64_t room = slot->chain.writable_bytes - 1;
	size_t len = room < BLK_SERIAL_BYTES ? (size_t)room : BLK_SERIAL_BYTES;

	slot->written = vc_virtq_write(&slot->chain, 0, slot->lane->blk->serial, len);
	finish(slot, STATUS_OK);
}

static void start_range(struct blk_slot *slot);

static void range_done(struct vc_block_request *io, int result)
{
	struct blk_slot *slot = vc_container_of(io, struct blk_slot, io);

	if (result == 0 && ++slot->range_idx < slot->nr_ranges)
		start_range(slot);
	else
		complete(slot, result);
}

/* The next range of a discard or write-zeroes. */
static void start_range(struct blk_slot *slot)
{
	uint64_t off = sizeof(struct header) + slot->range_idx * sizeof(struct range);
	bool is_discard = slot->type == TYPE_DISCARD;
	uint8_t flags = fua(slot->lane);
	struct range range;

	(void)vc_virtq_read(&slot->chain, off, &range, sizeof(range));
	if (range.flags & ~(is_discard ? 0 : RANGE_UNMAP)) {
		complete(slot, -EOPNOTSUPP);
		return;
	}
	if (range.nr_sectors == 0 || range.sector >> (64 - BLK_SECTOR_SHIFT)) {
		complete(slot, -ERANGE);
		return;
	}
	slot->io.off = range.sector << BLK_SECTOR_SHIFT;
	slot->io.len = (uint64_t)range.nr_sectors << BLK_SECTOR_SHIFT;
	slot->io.nr_iov = 0;
	if (range.flags & RANGE_UNMAP)
		flags |= VC_BLOCK_UNMAP;
	submit(slot, is_discard ? VC_BLOCK_DISCARD : VC_BLOCK_WRITE_ZEROES, flags, range_done);
}

static void start_ranges(struct blk_slot *slot)
{
	uint64_t len = slot->chain.readable_bytes - sizeof(struct header);
	uint64_t wanted = slot->type == TYPE_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES;

	slot->range_idx = 0;
	slot->nr_ranges = (uint32_t)(len / sizeof(struct range));
	if (!(slot->lane->features & wanted))
		complete(slot, -EOPNOTSUPP);
	else if (len % sizeof(struct range) || slot->nr_ranges == 0 ||
		 slot->nr_ranges > BLK_RANGES_MAX)
		complete(slot, -EINVAL);
	else
		start_range(slot);
}

static void start(struct blk_slot *slot)
{
	struct blk_lane *lane = slot->lane;
	struct header header;

	slot->written = 0;
	if (vc_virtq_read(&slot->chain, 0, &header, sizeof(header)) != sizeof(header) ||
	    slot->chain.writable_bytes == 0) {
		vc_virtio_break(&lane->blk->virtio, lane->idx);
		(void)vc_virtio_push(&lane->blk->virtio, lane->idx, &slot->chain, 0);
		put_slot(slot);
		return;
	}
	slot->type = header.type;
	switch (header.type) {
	case TYPE_IN:
	case TYPE_OUT:
		start_transfer(slot, header.sector, header.type == TYPE_OUT);
		return;
	case TYPE_FLUSH:
		start_flush(slot);
		return;
	case TYPE_GET_ID:
		get_id(slot);
		return;
	case TYPE_DISCARD:
	case TYPE_WRITE_ZEROES:
		start_ranges(slot);
		return;
	default:
		finish(slot, STATUS_UNSUPP);
	}
}

bool vc__blk_kick(struct vc_virtio *v, uint32_t queue)
{
	struct virtio_blk *blk = vc_container_of(v, struct virtio_blk, virtio);
	struct blk_slot *slot = take_slot(&blk->lanes[queue]);

	while (vc_virtio_pop(v, queue, &slot->chain) == 1) {
		start(slot);
		slot = take_slot(&blk->lanes[queue]);
	}
	put_slot(slot);
	return true;
}
