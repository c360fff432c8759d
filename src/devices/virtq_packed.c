/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings: one ring of descriptors that driver and device write in turn, and an event
 * suppression word for each side.
 *
 * Runs on the queue's thread. A descriptor is the driver's or ours by two bits of its flags, held
 * against a wrap counter; flags are loaded first (acquire), and of a batch of used descriptors the
 * first is shown last, so that the driver sees all or none. Two places need a store to be seen
 * before a load is made: those flags before the driver's event word, and our event word before the
 * flags of the next descriptor. Each pairs with the driver's barrier between the same two words.
 * Spec: [virtio 1.3 §2.8].
 */
#include "virtq.h"

#include <errno.h>

/* Offsets in a descriptor. [virtio 1.3 §2.8.13] */
#define AT_LEN	 8u
#define AT_ID	 12u
#define AT_FLAGS 14u

/* An event suppression word: offset, wrap counter, flags. [virtio 1.3 §2.8.14] */
#define EVENT_WRAP    (1u << 15)
#define EVENT_ENABLE  (0u << 16)
#define EVENT_DISABLE (1u << 16)
#define EVENT_DESC    (2u << 16)
#define EVENT_FLAGS   (3u << 16)

static bool takes_size(uint32_t nr)
{
	(void)nr;
	return true;
}

static void lengths(uint32_t nr, uint64_t *ret_driver, uint64_t *ret_device)
{
	(void)nr;
	*ret_driver = *ret_device = 4;
}

static uint8_t *desc_at(const struct vc_virtq *vq, uint32_t pos)
{
	return vc__part(&vq->desc, (uint64_t)pos * DESC_BYTES);
}

/* Steps over @nr descriptors of the ring, at most its size. */
static void advance(const struct vc_virtq *vq, uint16_t *pos, bool *wrap, uint32_t nr)
{
	uint32_t next = *pos + nr;

	if (next >= vq->nr) {
		next -= vq->nr;
		*wrap = !*wrap;
	}
	*pos = (uint16_t)next;
}

/* Made available in this turn of the ring: one bit as the wrap counter, the other not. */
static bool is_avail(uint16_t flags, bool wrap)
{
	return !(flags & DESC_F_AVAIL) != wrap && !(flags & DESC_F_USED) == wrap;
}

/* The flags first: what they make available was written before them. */
static void load_desc(const struct vc_virtq *vq, uint32_t pos, memory_order order,
		      struct vc__desc *ret_desc)
{
	const uint8_t *at = desc_at(vq, pos);

	ret_desc->flags = vc__load16(at + AT_FLAGS, order);
	ret_desc->addr = vc__load64(at, memory_order_relaxed);
	ret_desc->len = vc__load32(at + AT_LEN, memory_order_relaxed);
	ret_desc->last = vc__load16(at + AT_ID, memory_order_relaxed);
}

/* Walks the list that @desc begins; there it leaves its last descriptor. *@nr: in the ring. */
static int walk_list(struct vc__walk *walk, struct vc__desc *desc, uint32_t *nr)
{
	struct vc_virtq *vq = walk->vq;
	uint32_t room = vq->nr - vq->nr_descs_out;

	*nr = 1;
	if (desc->flags & DESC_F_INDIRECT)
		return room == 0 ? vc__virtq_fail(vq, VC_VIRTQ_BAD_INDEX)
				 : vc__walk_indirect(walk, desc, false);
	for (;; (*nr)++) {
		/* What is in flight has not come back to the driver: it cannot be there anew. */
		if (*nr > room)
			return vc__virtq_fail(vq, VC_VIRTQ_BAD_INDEX);
		if (desc->flags & DESC_F_INDIRECT)
			return vc__virtq_fail(vq, VC_VIRTQ_BAD_INDIRECT);
		if (vc__walk_add(walk, desc) < 0)
			return -EIO;
		if (!(desc->flags & DESC_F_NEXT))
			return 0;
		load_desc(vq, (vq->next_avail + *nr) % vq->nr, memory_order_relaxed, desc);
	}
}

static int packed_walk(struct vc__walk *walk)
{
	struct vc_virtq *vq = walk->vq;
	struct vc__desc desc;
	uint32_t nr;

	/* Acquire: pairs with the driver's barrier before it writes the first one's flags. */
	load_desc(vq, vq->next_avail, memory_order_acquire, &desc);
	if (!is_avail(desc.flags, vq->avail_wrap))
		return 0;
	if (walk_list(walk, &desc, &nr) < 0)
		return -EIO;
	if (desc.last >= vq->nr)
		return vc__virtq_fail(vq, VC_VIRTQ_BAD_HEAD);
	if (vq->slots[desc.last].state != VC__SLOT_FREE)
		return vc__virtq_fail(vq, VC_VIRTQ_HEAD_TWICE);
	walk->chain->id = desc.last;
	vq->slots[desc.last].nr_descs = (uint16_t)nr;
	vq->nr_descs_out += nr;
	advance(vq, &vq->next_avail, &vq->avail_wrap, nr);
	return 1;
}

static void packed_put_used(struct vc_virtq *vq, uint16_t id, uint32_t written)
{
	uint32_t nr_descs = vq->slots[id].nr_descs;
	uint8_t *at = desc_at(vq, vq->next_used);
	uint16_t flags = vq->used_wrap ? DESC_F_AVAIL | DESC_F_USED : 0;

	if (written > 0)
		flags |= DESC_F_WRITE;
	vc__store32(at + AT_LEN, written, memory_order_relaxed);
	vc__store16(at + AT_ID, id, memory_order_relaxed);
	if (vq->nr_unflushed > 0) {
		vc__store16(at + AT_FLAGS, flags, memory_order_release);
	} else {
		vq->first_pos = vq->next_used;
		vq->first_flags = flags;
	}
	vq->nr_unflushed += nr_descs;
	vq->nr_descs_out -= nr_descs;
	advance(vq, &vq->next_used, &vq->used_wrap, nr_descs);
}

/* Whether the driver wants to know of the descriptors used since the last flush. */
static bool wants_event(const struct vc_virtq *vq, uint32_t word)
{
	uint16_t event = (uint16_t)(word & ~EVENT_WRAP);

	if ((word & EVENT_FLAGS) == EVENT_DISABLE)
		return false;
	if ((word & EVENT_FLAGS) != EVENT_DESC || !vq->has_event_idx)
		return true;
	/* In the turn of the ring before this one: counted from this one's start. */
	if (!(word & EVENT_WRAP) == vq->used_wrap)
		event = (uint16_t)(event - vq->nr);
	return vc__has_passed(event, vq->next_used, vq->nr_unflushed);
}

static bool packed_publish(struct vc_virtq *vq)
{
	bool wants;

	/*
	 * Sequentially consistent, store then load: pairs with the driver's barrier between its
	 * event word and its look at the flags.
	 */
	vc__store16(desc_at(vq, vq->first_pos) + AT_FLAGS, vq->first_flags, memory_order_seq_cst);
	wants = wants_event(vq, vc__load32(vq->driver.ptr, memory_order_seq_cst));
	vc_mem_dirty_mark(vq->mem, vq->desc.gpa, vq->desc.len);
	return wants;
}

static void packed_disarm(struct vc_virtq *vq)
{
	vc__store32(vq->device.ptr, EVENT_DISABLE, memory_order_relaxed);
	vc_mem_dirty_mark(vq->mem, vq->device.gpa, vq->device.len);
}

static bool packed_arm(struct vc_virtq *vq)
{
	uint32_t word = EVENT_ENABLE;
	uint16_t flags;

	if (vq->has_event_idx)
		word = EVENT_DESC | vq->next_avail | (vq->avail_wrap ? EVENT_WRAP : 0);
	/*
	 * Both sequentially consistent: pairs with the driver's barrier between the flags of what
	 * it makes available and its look at our event word.
	 */
	vc__store32(vq->device.ptr, word, memory_order_seq_cst);
	flags = vc__load16(desc_at(vq, vq->next_avail) + AT_FLAGS, memory_order_seq_cst);
	vc_mem_dirty_mark(vq->mem, vq->device.gpa, vq->device.len);
	return is_avail(flags, vq->avail_wrap);
}

const struct vc__virtq_format vc__virtq_packed = {
	.desc_perm = VC_PERM_READ | VC_PERM_WRITE,
	.driver_align = 4,
	.takes_size = takes_size,
	.lengths = lengths,
	.walk = packed_walk,
	.put_used = packed_put_used,
	.publish = packed_publish,
	.disarm = packed_disarm,
	.arm = packed_arm,
};
