/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtqueues: their life, the walk over a request's buffers, and giving requests back. What differs
 * between the two formats of a ring is in virtq_split.c and virtq_packed.c.
 *
 * Runs on the queue's thread: no lock, no allocation, no message once enabled. The ring is the
 * driver's to change at any time: each of its words is loaded once into a local, checked there, and
 * used from there; buffers become pointers in vc_slice_get() only. A request belongs to a
 * generation, and one that comes back after the queue was disabled has no effect on the ring.
 * Leaves out: notifications themselves, which are the transport's.
 * Spec: [virtio 1.3 §2.6] [virtio 1.3 §2.7] [virtio 1.3 §2.8].
 */
#include "virtq.h"

#include <errno.h>
#include <string.h>

/* The most that a chain may hold. [virtio 1.3 §2.7.5.2] */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

int vc__virtq_fail(struct vc_virtq *vq, enum vc_virtq_fault fault)
{
	if (vq->fault == VC_VIRTQ_SOUND)
		vq->fault = fault;
	return -EIO;
}

/* Bytes from @gpa that lie in one range of the map, at most @len; 0 when none do. */
static uint64_t piece_len(const struct vc_mem *mem, vc_gpa gpa, uint64_t len)
{
	struct vc_mem_range range = { .size = sizeof(range) };

	for (size_t i = 0; vc_mem_range(mem, i, &range) == 0; i++) {
		uint64_t off = gpa - range.gpa; /* below its start: beyond any length */

		if (off < range.len_bytes)
			return len < range.len_bytes - off ? len : range.len_bytes - off;
	}
	return 0;
}

/* Adds one slice; @len is what is left of the buffer, and becomes what was taken. */
static int add_slice(struct vc__walk *walk, vc_gpa gpa, uint32_t perm, uint64_t *len)
{
	struct vc_virtq_chain *chain = walk->chain;
	uint32_t nr = chain->nr_readable + chain->nr_writable;
	int r;

	if (nr >= chain->max_slices)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_TOO_LONG);
	r = vc_slice_get(walk->vq->mem, gpa, *len, perm, &chain->slices[nr]);
	if (r == -EFAULT) {
		/* Rare: a buffer that lies in two ranges of RAM, one behind the other. */
		*len = piece_len(walk->vq->mem, gpa, *len);
		if (*len > 0)
			r = vc_slice_get(walk->vq->mem, gpa, *len, perm, &chain->slices[nr]);
	}
	if (r < 0)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_BAD_ADDRESS);
	if (perm == VC_PERM_WRITE)
		chain->nr_writable++;
	else
		chain->nr_readable++;
	return 0;
}

int vc__walk_add(struct vc__walk *walk, const struct vc__desc *desc)
{
	struct vc_virtq_chain *chain = walk->chain;
	bool is_writable = desc->flags & DESC_F_WRITE;
	uint64_t *total = is_writable ? &chain->writable_bytes : &chain->readable_bytes;
	uint64_t len, done;

	if (++walk->nr_descs > walk->vq->nr)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_TOO_LONG);
	if (desc->len == 0)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_EMPTY_BUFFER);
	if (!is_writable && chain->nr_writable > 0)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_BAD_ORDER);
	/* Cannot wrap: at most 2^15 times 2^32. */
	if (chain->readable_bytes + chain->writable_bytes + desc->len > CHAIN_BYTES_MAX)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_TOO_LARGE);
	for (done = 0; done < desc->len; done += len) {
		len = desc->len - done;
		/* An address that wraps is found in no range. */
		if (add_slice(walk, desc->addr + done, is_writable ? VC_PERM_WRITE : VC_PERM_READ,
			      &len) < 0)
			return -EIO;
	}
	*total += desc->len;
	return 0;
}

/* A descriptor of an indirect table, which may lie at any address. */
static void load_indirect(const uint8_t *at, struct vc__desc *ret_desc)
{
	uint64_t words[2] = { 0, 0 };

	if ((uintptr_t)at % sizeof(words[0]) == 0) {
		words[0] = vc__load64(at, memory_order_relaxed);
		words[1] = vc__load64(at + 8, memory_order_relaxed);
	} else {
		for (unsigned int i = 0; i < DESC_BYTES; i++) {
			uint64_t byte = atomic_load_explicit((const _Atomic uint8_t *)at + i,
							     memory_order_relaxed);

			words[i / 8] |= byte << 8 * (i % 8);
		}
	}
	ret_desc->addr = words[0];
	ret_desc->len = (uint32_t)words[1];
	ret_desc->flags = (uint16_t)(words[1] >> 32);
	ret_desc->last = (uint16_t)(words[1] >> 48);
}

/* The entries of a table; packed ones have their two last fields the other way round. */
static int walk_table(struct vc__walk *walk, const struct vc_slice *table, bool is_chained)
{
	uint32_t nr = (uint32_t)(table->len / DESC_BYTES), i = 0;
	struct vc__desc desc;

	do {
		load_indirect(vc__part(table, (uint64_t)i * DESC_BYTES), &desc);
		if (!is_chained)
			desc.flags = desc.last & DESC_F_WRITE;
		else if (desc.flags & DESC_F_INDIRECT)
			return vc__virtq_fail(walk->vq, VC_VIRTQ_BAD_INDIRECT);
		if (vc__walk_add(walk, &desc) < 0)
			return -EIO;
		if (is_chained && !(desc.flags & DESC_F_NEXT))
			return 0;
		i = is_chained ? desc.last : i + 1;
	} while (i < nr);
	return is_chained ? vc__virtq_fail(walk->vq, VC_VIRTQ_BAD_NEXT) : 0;
}

int vc__walk_indirect(struct vc__walk *walk, const struct vc__desc *desc, bool is_chained)
{
	struct vc_slice table;
	int r;

	if (!walk->vq->has_indirect || (desc->flags & DESC_F_NEXT) || desc->len == 0 ||
	    desc->len % DESC_BYTES != 0)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_BAD_INDIRECT);
	if (vc_slice_get(walk->vq->mem, desc->addr, desc->len, VC_PERM_READ, &table) < 0)
		return vc__virtq_fail(walk->vq, VC_VIRTQ_BAD_ADDRESS);
	r = walk_table(walk, &table, is_chained);
	vc_slice_put(&table);
	return r;
}

int vc_virtq_create(const struct vc_virtq_config *cfg, struct vc_virtq **ret_vq)
{
	struct vc_virtq_config c;
	struct vc_virtq *vq;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_vq || !c.mem)
		return vc_error_set(-EINVAL, "devices", "virtq", "mem and ret_vq are needed");
	if (c.max_size == 0 || c.max_size > VC_VIRTQ_SIZE_MAX)
		return vc_error_set(-EINVAL, "devices", "virtq", "max_size is %u, expected 1 to %u",
				    c.max_size, VC_VIRTQ_SIZE_MAX);
	vq = calloc(1, sizeof(*vq));
	if (!vq)
		return vc_error_set(-ENOMEM, "devices", "virtq", "no memory");
	vq->mem = c.mem;
	vq->max_size = c.max_size;
	vq->generation = 1;
	vq->slots = calloc(c.max_size, sizeof(*vq->slots));
	vq->order = calloc(c.max_size, sizeof(*vq->order));
	if (!vq->slots || !vq->order) {
		vc_virtq_destroy(vq);
		return vc_error_set(-ENOMEM, "devices", "virtq", "no memory for %u entries",
				    c.max_size);
	}
	*ret_vq = vq;
	return 0;
}

void vc_virtq_destroy(struct vc_virtq *vq)
{
	if (!vq)
		return;
	vc_slice_put(&vq->desc);
	vc_slice_put(&vq->driver);
	vc_slice_put(&vq->device);
	free(vq->order);
	free(vq->slots);
	free(vq);
}

static int get_part(struct vc_virtq *vq, vc_gpa gpa, uint64_t len, uint32_t perm,
		    struct vc_slice *ret)
{
	return vc_slice_get(vq->mem, gpa, len, perm, ret);
}

int vc__virtq_start(struct vc_virtq *vq, const struct vc_virtq_layout *layout)
{
	bool is_packed = layout->features & VC_VIRTIO_F_RING_PACKED;
	const struct vc__virtq_format *format = is_packed ? &vc__virtq_packed : &vc__virtq_split;
	uint64_t driver_len, device_len;

	/* Enabled from here on, even if broken: disable is what mends it. */
	vq->format = format;
	vq->layout = *layout;
	vq->fault = VC_VIRTQ_BAD_RING;
	if (layout->nr_entries == 0 || layout->nr_entries > vq->max_size ||
	    !format->takes_size(layout->nr_entries))
		return -EFAULT;
	if (layout->desc % DESC_BYTES || layout->driver % format->driver_align ||
	    layout->device % 4)
		return -EFAULT;
	format->lengths(layout->nr_entries, &driver_len, &device_len);
	if (get_part(vq, layout->desc, (uint64_t)layout->nr_entries * DESC_BYTES, format->desc_perm,
		     &vq->desc) < 0 ||
	    get_part(vq, layout->driver, driver_len, VC_PERM_READ, &vq->driver) < 0 ||
	    get_part(vq, layout->device, device_len, VC_PERM_WRITE, &vq->device) < 0)
		return -EFAULT;
	vq->nr = (uint16_t)layout->nr_entries;
	vq->has_indirect = layout->features & VC_VIRTIO_F_INDIRECT_DESC;
	vq->has_event_idx = layout->features & VC_VIRTIO_F_EVENT_IDX;
	vq->is_in_order = layout->features & VC_VIRTIO_F_IN_ORDER;
	vq->fault = VC_VIRTQ_SOUND;
	return 0;
}

int vc_virtq_enable(struct vc_virtq *vq, const struct vc_virtq_layout *layout)
{
	struct vc_virtq_layout l;
	int r = vc_config_copy(&l, sizeof(l), layout);

	if (r < 0)
		return r;
	if (!vq)
		return vc_error_set(-EINVAL, "devices", "virtq", "a queue is needed");
	if (vq->format)
		return vc_error_set(-EBUSY, "devices", "virtq", "the queue is enabled");
	vq->avail_wrap = vq->used_wrap = true;
	return vc__virtq_start(vq, &l);
}

void vc_virtq_disable(struct vc_virtq *vq)
{
	vc_slice_put(&vq->desc);
	vc_slice_put(&vq->driver);
	vc_slice_put(&vq->device);
	memset(vq->slots, 0, vq->max_size * sizeof(*vq->slots));
	vq->layout = (struct vc_virtq_layout){ 0 };
	vq->format = NULL;
	vq->fault = VC_VIRTQ_SOUND;
	vq->next_avail = vq->next_used = vq->seen_avail = vq->nr = 0;
	vq->must_signal = false;
	vq->nr_unflushed = vq->nr_descs_out = 0;
	vq->order_first = vq->nr_order = 0;
	if (++vq->generation == 0)
		vq->generation = 1;
}

int vc_virtq_pop(struct vc_virtq *vq, struct vc_virtq_chain *chain)
{
	struct vc__walk walk = { .vq = vq, .chain = chain };
	struct vc__virtq_slot *slot;
	int r;

	chain->nr_readable = chain->nr_writable = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	chain->generation = 0;
	if (!vq->format)
		return 0;
	if (vq->fault != VC_VIRTQ_SOUND)
		return -EIO;
	r = vq->format->walk(&walk);
	if (r <= 0)
		return r;
	slot = &vq->slots[chain->id];
	slot->state = VC__SLOT_OUT;
	if (vq->is_in_order)
		vq->order[(vq->order_first + vq->nr_order++) % vq->max_size] = chain->id;
	chain->generation = vq->generation;
	vq->nr_out++;
	return 1;
}

/* One request is done for good: its id may come again. */
static void retire(struct vc_virtq *vq, uint16_t id)
{
	struct vc__virtq_slot *slot = &vq->slots[id];

	vq->format->put_used(vq, id, slot->written);
	slot->state = VC__SLOT_FREE;
}

static void retire_in_order(struct vc_virtq *vq)
{
	while (vq->nr_order > 0) {
		uint16_t id = vq->order[vq->order_first];

		if (vq->slots[id].state != VC__SLOT_DONE)
			return;
		vq->order_first = (vq->order_first + 1) % vq->max_size;
		vq->nr_order--;
		retire(vq, id);
	}
}

static void put_slices(struct vc_virtq_chain *chain)
{
	uint32_t nr = chain->nr_readable + chain->nr_writable;

	for (uint32_t i = 0; i < nr; i++)
		vc_slice_put(&chain->slices[i]);
	chain->nr_readable = chain->nr_writable = 0;
	chain->generation = 0;
}

int vc_virtq_push(struct vc_virtq *vq, struct vc_virtq_chain *chain, uint32_t written)
{
	bool is_current = chain->generation == vq->generation;
	struct vc__virtq_slot *slot;

	if (chain->generation == 0 || vq->nr_out == 0 || written > chain->writable_bytes ||
	    (is_current && vq->slots[chain->id].state != VC__SLOT_OUT))
		return vc_error_set(-EINVAL, "devices", "virtq",
				    "request %u is not in flight, or %u bytes are more than its "
				    "buffers hold",
				    chain->id, written);
	vq->nr_out--;
	put_slices(chain);
	if (!is_current)
		return -ESTALE;
	slot = &vq->slots[chain->id];
	slot->state = VC__SLOT_DONE;
	slot->written = written;
	if (vq->fault != VC_VIRTQ_SOUND)
		return -EIO;
	if (vq->is_in_order)
		retire_in_order(vq);
	else
		retire(vq, chain->id);
	return 0;
}

bool vc_virtq_flush(struct vc_virtq *vq)
{
	bool wants;

	if (!vq->format || vq->fault != VC_VIRTQ_SOUND || vq->nr_unflushed == 0)
		return false;
	wants = vq->format->publish(vq) || vq->must_signal;
	vq->must_signal = false;
	vq->nr_unflushed = 0;
	return wants;
}

void vc_virtq_disarm(struct vc_virtq *vq)
{
	if (vq->format && vq->fault == VC_VIRTQ_SOUND)
		vq->format->disarm(vq);
}

bool vc_virtq_arm(struct vc_virtq *vq)
{
	if (!vq->format || vq->fault != VC_VIRTQ_SOUND)
		return false;
	return vq->format->arm(vq);
}

void vc_virtq_break(struct vc_virtq *vq, enum vc_virtq_fault fault)
{
	(void)vc__virtq_fail(vq, fault);
}

enum vc_virtq_fault vc_virtq_get_fault(const struct vc_virtq *vq)
{
	return vq->fault;
}

uint32_t vc_virtq_in_flight(const struct vc_virtq *vq)
{
	return vq->nr_out;
}

const char *vc_virtq_fault_text(enum vc_virtq_fault fault)
{
	static const char *const texts[] = {
		[VC_VIRTQ_SOUND] = "sound",
		[VC_VIRTQ_BAD_RING] = "ring of a wrong size, alignment or address",
		[VC_VIRTQ_BAD_INDEX] = "more made available than the ring holds",
		[VC_VIRTQ_BAD_HEAD] = "head or buffer id out of range",
		[VC_VIRTQ_HEAD_TWICE] = "head or buffer id in flight already",
		[VC_VIRTQ_BAD_NEXT] = "chain leaves its table",
		[VC_VIRTQ_TOO_LONG] = "chain of too many descriptors",
		[VC_VIRTQ_BAD_ORDER] = "readable buffer after a writable one",
		[VC_VIRTQ_EMPTY_BUFFER] = "buffer of no length",
		[VC_VIRTQ_TOO_LARGE] = "chain of more than 2^32 bytes",
		[VC_VIRTQ_BAD_ADDRESS] = "buffer outside of memory",
		[VC_VIRTQ_BAD_INDIRECT] = "wrong indirect table",
		[VC_VIRTQ_BAD_REQUEST] = "wrong request",
	};

	if ((unsigned int)fault >= sizeof(texts) / sizeof(texts[0]))
		return "unknown fault";
	return texts[fault];
}
