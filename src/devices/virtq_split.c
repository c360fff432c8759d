/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings: a table of descriptors, the ring of what the driver made available, the ring of what
 * the device used.
 *
 * Runs on the queue's thread. The load of avail->idx acquires what the driver wrote before it. Two
 * places need a store to be seen before a load is made, which a release does not give: used->idx
 * before the driver's event index, and our event index before avail->idx. Each pairs with the full
 * barrier that the driver has between the same two words; without it both sides go to sleep.
 * Leaves out: the legacy layout and guest-endian rings.
 * Spec: [virtio 1.3 §2.7].
 */
#include "virtq.h"

#include <errno.h>

/* Offsets in the available and the used ring. [virtio 1.3 §2.7.6] [virtio 1.3 §2.7.8] */
#define RING_FLAGS  0u
#define RING_IDX    2u
#define RING_FIRST  4u
#define AVAIL_ENTRY 2u
#define USED_ENTRY  8u

#define AVAIL_F_NO_INTERRUPT 1u
#define USED_F_NO_NOTIFY     1u

static bool takes_size(uint32_t nr)
{
	return (nr & (nr - 1)) == 0;
}

/* With the event field at the end, which is there always. [virtio 1.3 §2.7] */
static void lengths(uint32_t nr, uint64_t *ret_driver, uint64_t *ret_device)
{
	*ret_driver = RING_FIRST + AVAIL_ENTRY * (uint64_t)nr + 2;
	*ret_device = RING_FIRST + USED_ENTRY * (uint64_t)nr + 2;
}

static uint8_t *used_event(const struct vc_virtq *vq)
{
	return vc__part(&vq->driver, RING_FIRST + AVAIL_ENTRY * (uint64_t)vq->nr);
}

static uint8_t *avail_event(const struct vc_virtq *vq)
{
	return vc__part(&vq->device, RING_FIRST + USED_ENTRY * (uint64_t)vq->nr);
}

static void load_desc(const struct vc_virtq *vq, uint16_t idx, struct vc__desc *ret_desc)
{
	const uint8_t *at = vc__part(&vq->desc, (uint64_t)idx * DESC_BYTES);
	uint64_t second;

	ret_desc->addr = vc__load64(at, memory_order_relaxed);
	second = vc__load64(at + 8, memory_order_relaxed);
	ret_desc->len = (uint32_t)second;
	ret_desc->flags = (uint16_t)(second >> 32);
	ret_desc->last = (uint16_t)(second >> 48);
}

/* From its head on, at most as many as the queue has; vc__walk_add() counts. */
static int walk_chain(struct vc__walk *walk, uint16_t idx)
{
	struct vc_virtq *vq = walk->vq;
	struct vc__desc desc;

	for (;;) {
		load_desc(vq, idx, &desc);
		if (desc.flags & DESC_F_INDIRECT)
			return vc__walk_indirect(walk, &desc, true);
		if (vc__walk_add(walk, &desc) < 0)
			return -EIO;
		if (!(desc.flags & DESC_F_NEXT))
			return 0;
		if (desc.last >= vq->nr)
			return vc__virtq_fail(vq, VC_VIRTQ_BAD_NEXT);
		idx = desc.last;
	}
}

static int split_walk(struct vc__walk *walk)
{
	struct vc_virtq *vq = walk->vq;
	uint32_t at = vq->next_avail & (vq->nr - 1u);
	uint16_t head;

	if (vq->next_avail == vq->seen_avail) {
		/* Acquire: pairs with the driver's barrier before it moves idx. */
		vq->seen_avail = vc__load16(vc__part(&vq->driver, RING_IDX), memory_order_acquire);
		if (vq->next_avail == vq->seen_avail)
			return 0;
	}
	if ((uint16_t)(vq->seen_avail - vq->next_avail) > vq->nr)
		return vc__virtq_fail(vq, VC_VIRTQ_BAD_INDEX);
	head = vc__load16(vc__part(&vq->driver, RING_FIRST + (uint64_t)AVAIL_ENTRY * at),
			  memory_order_relaxed);
	if (head >= vq->nr)
		return vc__virtq_fail(vq, VC_VIRTQ_BAD_HEAD);
	if (vq->slots[head].state != VC__SLOT_FREE)
		return vc__virtq_fail(vq, VC_VIRTQ_HEAD_TWICE);
	if (walk_chain(walk, head) < 0)
		return -EIO;
	walk->chain->id = head;
	vq->next_avail++;
	return 1;
}

static void split_put_used(struct vc_virtq *vq, uint16_t id, uint32_t written)
{
	uint8_t *at = vc__part(&vq->device,
			       RING_FIRST + USED_ENTRY * (uint64_t)(vq->next_used & (vq->nr - 1u)));

	vc__store32(at, id, memory_order_relaxed);
	vc__store32(at + 4, written, memory_order_relaxed);
	vq->next_used++;
	vq->nr_unflushed++;
}

static bool split_publish(struct vc_virtq *vq)
{
	bool wants;

	/*
	 * Sequentially consistent, store then load: pairs with the driver's barrier between its
	 * used_event (or flags) and its look at used->idx.
	 */
	vc__store16(vc__part(&vq->device, RING_IDX), vq->next_used, memory_order_seq_cst);
	if (vq->has_event_idx)
		wants = vc__has_passed(vc__load16(used_event(vq), memory_order_seq_cst),
				       vq->next_used, vq->nr_unflushed);
	else
		wants = !(vc__load16(vc__part(&vq->driver, RING_FLAGS), memory_order_seq_cst) &
			  AVAIL_F_NO_INTERRUPT);
	vc_mem_dirty_mark(vq->mem, vq->device.gpa, vq->device.len);
	return wants;
}

static void split_disarm(struct vc_virtq *vq)
{
	/* With event indices nothing is to be done: ours is behind, and stays there until armed. */
	if (vq->has_event_idx)
		return;
	vc__store16(vc__part(&vq->device, RING_FLAGS), USED_F_NO_NOTIFY, memory_order_relaxed);
	vc_mem_dirty_mark(vq->mem, vq->device.gpa, 2);
}

static bool split_arm(struct vc_virtq *vq)
{
	uint16_t idx;

	/*
	 * Both sequentially consistent: pairs with the driver's barrier between avail->idx and its
	 * look at our event index (or flags).
	 */
	if (vq->has_event_idx)
		vc__store16(avail_event(vq), vq->next_avail, memory_order_seq_cst);
	else
		vc__store16(vc__part(&vq->device, RING_FLAGS), 0, memory_order_seq_cst);
	idx = vc__load16(vc__part(&vq->driver, RING_IDX), memory_order_seq_cst);
	vc_mem_dirty_mark(vq->mem, vq->device.gpa, vq->device.len);
	return idx != vq->next_avail;
}

const struct vc__virtq_format vc__virtq_split = {
	.desc_perm = VC_PERM_READ,
	.driver_align = 2,
	.takes_size = takes_size,
	.lengths = lengths,
	.walk = split_walk,
	.put_used = split_put_used,
	.publish = split_publish,
	.disarm = split_disarm,
	.arm = split_arm,
};
