/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue's part of its device's section of a state stream.
 *
 * One byte tells whether the queue is enabled; if so follow: fault (u8), features that shape it
 * (u64), entries (u32), the three addresses (u64 each), position (u16), wrap counter (u8). Nothing is
 * in flight when a queue is saved, so one position is both the driver's and the device's. Runs on the
 * control thread while the queue's thread does not. Leaves out: the ring, which is guest memory.
 */
#include <libvirtcore/snapshot.h>

#include <errno.h>

#include "virtq.h"

#define FEATURES                                                                     \
	(VC_VIRTIO_F_INDIRECT_DESC | VC_VIRTIO_F_EVENT_IDX | VC_VIRTIO_F_VERSION_1 | \
	 VC_VIRTIO_F_RING_PACKED | VC_VIRTIO_F_IN_ORDER | VC_VIRTIO_F_RING_RESET)

int vc_virtq_save(const struct vc_virtq *vq, struct vc_state_writer *writer)
{
	bool is_sound;

	if (!vq || !writer)
		return vc_error_set(-EINVAL, "devices", "virtq", "queue and writer are needed");
	is_sound = vq->fault == VC_VIRTQ_SOUND;
	if (vq->nr_out > 0 || (is_sound && vq->nr_unflushed > 0))
		return vc_error_set(-EBUSY, "devices", "virtq",
				    "%u requests are in flight, %u not flushed", vq->nr_out,
				    vq->nr_unflushed);
	vc_state_put_u64(writer, vq->format != NULL, 1);
	if (!vq->format)
		return 0;
	vc_state_put_u64(writer, vq->fault, 1);
	vc_state_put_u64(writer, vq->layout.features & FEATURES, 8);
	vc_state_put_u64(writer, vq->layout.nr_entries, 4);
	vc_state_put_u64(writer, vq->layout.desc, 8);
	vc_state_put_u64(writer, vq->layout.driver, 8);
	vc_state_put_u64(writer, vq->layout.device, 8);
	/* Of a broken queue nobody asks for them again. */
	vc_state_put_u64(writer, is_sound ? vq->next_avail : 0, 2);
	vc_state_put_u64(writer, is_sound ? vq->avail_wrap : 1, 1);
	return 0;
}

static const char *bad_field(const struct vc_virtq_layout *layout, uint64_t fault, uint64_t pos,
			     uint64_t wrap)
{
	bool is_packed = layout->features & VC_VIRTIO_F_RING_PACKED;

	if (fault > VC_VIRTQ_BAD_REQUEST)
		return "fault";
	if (layout->features & ~FEATURES)
		return "features";
	if (pos > 0 && is_packed && pos >= layout->nr_entries)
		return "position";
	return wrap > 1 || (!wrap && !is_packed) ? "wrap counter" : NULL;
}

static int start(struct vc_virtq *vq, const struct vc_virtq_layout *layout, uint64_t fault)
{
	int r = vc__virtq_start(vq, layout);

	/* Only a queue that was broken so may have a ring that is none. */
	if ((r < 0) == (fault == VC_VIRTQ_BAD_RING)) {
		vq->fault = (enum vc_virtq_fault)fault;
		return 0;
	}
	vc_virtq_disable(vq);
	return vc_error_set(-EBADMSG, "devices", "virtq", "ring of %u entries at 0x%llx: %s",
			    layout->nr_entries, (unsigned long long)layout->desc,
			    r < 0 ? vc_virtq_fault_text(VC_VIRTQ_BAD_RING)
				  : "sound, but saved as broken");
}

int vc_virtq_load(struct vc_virtq *vq, struct vc_state_reader *reader)
{
	struct vc_virtq_layout layout = { .size = sizeof(layout) };
	uint64_t enabled, fault, pos, wrap;
	const char *bad;
	int r;

	if (!vq || !reader)
		return vc_error_set(-EINVAL, "devices", "virtq", "queue and reader are needed");
	if (vq->format)
		return vc_error_set(-EBUSY, "devices", "virtq", "the queue is enabled");
	if (vc_state_left(reader) == 0)
		return vc_error_set(-EBADMSG, "devices", "virtq", "the section ends before it");
	enabled = vc_state_get_u64(reader, 1);
	if (enabled > 1)
		return vc_error_set(-EBADMSG, "devices", "virtq", "impossible value: enabled");
	if (!enabled)
		return 0;
	if (vc_state_left(reader) < 1 + 8 + 4 + 3 * 8 + 2 + 1)
		return vc_error_set(-EBADMSG, "devices", "virtq", "the section ends within it");
	fault = vc_state_get_u64(reader, 1);
	layout.features = vc_state_get_u64(reader, 8);
	layout.nr_entries = (uint32_t)vc_state_get_u64(reader, 4);
	layout.desc = vc_state_get_u64(reader, 8);
	layout.driver = vc_state_get_u64(reader, 8);
	layout.device = vc_state_get_u64(reader, 8);
	pos = vc_state_get_u64(reader, 2);
	wrap = vc_state_get_u64(reader, 1);
	bad = bad_field(&layout, fault, pos, wrap);
	if (bad)
		return vc_error_set(-EBADMSG, "devices", "virtq", "impossible value: %s", bad);
	r = start(vq, &layout, fault);
	if (r < 0)
		return r;
	vq->next_avail = vq->next_used = vq->seen_avail = (uint16_t)pos;
	vq->avail_wrap = vq->used_wrap = wrap;
	vq->must_signal = true;
	return 0;
}
