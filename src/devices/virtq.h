/* SPDX-License-Identifier: Apache-2.0 */
/* A virtqueue as the files of this library see it, and the accesses to words that a driver shares. */
#ifndef VC_DEVICES_VIRTQ_H
#define VC_DEVICES_VIRTQ_H

#include <libvirtcore/implement.h>
#include <libvirtcore/virtq.h>

#include <assert.h>
#include <stdatomic.h>

/* Rings are little-endian, and their words are loaded and stored as they are. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

/* Flags of a descriptor. [virtio 1.3 §2.7.5] [virtio 1.3 §2.8.1] */
#define DESC_F_NEXT	1u
#define DESC_F_WRITE	2u
#define DESC_F_INDIRECT 4u
#define DESC_F_AVAIL	(1u << 7)
#define DESC_F_USED	(1u << 15)

#define DESC_BYTES 16u

/* A descriptor, loaded once. `last` is next in a split ring, and where packed rings have the id. */
struct vc__desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t last;
};

enum vc__slot_state {
	VC__SLOT_FREE = 0,
	VC__SLOT_OUT,  /* popped */
	VC__SLOT_DONE, /* pushed, waits for earlier ones (in order) */
};

/* What is known of a request by its id. */
struct vc__virtq_slot {
	uint32_t written;
	uint16_t nr_descs; /* of the ring, packed only */
	uint8_t state;	   /* enum vc__slot_state */
};

/* A chain while it is walked. */
struct vc__walk {
	struct vc_virtq *vq;
	struct vc_virtq_chain *chain;
	uint32_t nr_descs;
};

struct vc__virtq_format {
	uint32_t desc_perm;
	uint32_t driver_align;
	bool (*takes_size)(uint32_t nr);
	void (*lengths)(uint32_t nr, uint64_t *ret_driver, uint64_t *ret_device);
	/* As vc_virtq_pop(), and tells the number of descriptors; the queue is enabled and sound. */
	int (*walk)(struct vc__walk *walk);
	/* Puts a used element where the driver does not look yet. */
	void (*put_used)(struct vc_virtq *vq, uint16_t id, uint32_t written);
	/* Shows what was put; then the driver's wish, read after the store. */
	bool (*publish)(struct vc_virtq *vq);
	void (*disarm)(struct vc_virtq *vq);
	bool (*arm)(struct vc_virtq *vq);
};

struct vc_virtq {
	const struct vc_mem *mem;
	uint32_t max_size;

	/* Fixed while enabled. */
	const struct vc__virtq_format *format; /* NULL = disabled */
	struct vc_virtq_layout layout;
	struct vc_slice desc, driver, device;
	uint16_t nr;
	bool has_indirect, has_event_idx, is_in_order;

	/*
	 * Positions. Split: free-running. Packed: an index into the ring, and the wrap counter that
	 * goes with it.
	 */
	uint16_t next_avail, next_used;
	uint16_t seen_avail; /* split: the last avail->idx that was loaded */
	bool avail_wrap, used_wrap;

	/* Pushed since the last flush: used elements (split), ring descriptors (packed). */
	uint32_t nr_unflushed;
	uint16_t first_pos, first_flags; /* packed: the one that is shown last */
	bool must_signal;		 /* after a load: nobody knows what was signalled */

	enum vc_virtq_fault fault;
	uint32_t generation;   /* never 0; changes with every disable */
	uint32_t nr_out;       /* popped and not pushed, of any generation */
	uint32_t nr_descs_out; /* packed: ring descriptors of this generation in flight */

	/* In order: ids as they were popped. */
	uint16_t *order;
	uint32_t order_first, nr_order;
	struct vc__virtq_slot *slots; /* by id */
};

extern const struct vc__virtq_format vc__virtq_split, vc__virtq_packed;

/* Breaks the queue; -EIO. */
int vc__virtq_fail(struct vc_virtq *vq, enum vc_virtq_fault fault);

/* Takes one descriptor's buffer into the chain; 0 or -EIO. */
int vc__walk_add(struct vc__walk *walk, const struct vc__desc *desc);

/* Takes an indirect table; 0 or -EIO. Split tables are chained, packed ones are not. */
int vc__walk_indirect(struct vc__walk *walk, const struct vc__desc *desc, bool is_chained);

/* Starts serving @layout at the positions that are set; 0 or -EFAULT. */
int vc__virtq_start(struct vc_virtq *vq, const struct vc_virtq_layout *layout);

/* The driver's words: each is loaded once, into a local. */
static inline uint16_t vc__load16(const void *at, memory_order order)
{
	return atomic_load_explicit((const _Atomic uint16_t *)at, order);
}

static inline uint32_t vc__load32(const void *at, memory_order order)
{
	return atomic_load_explicit((const _Atomic uint32_t *)at, order);
}

static inline uint64_t vc__load64(const void *at, memory_order order)
{
	return atomic_load_explicit((const _Atomic uint64_t *)at, order);
}

static inline void vc__store16(void *at, uint16_t value, memory_order order)
{
	atomic_store_explicit((_Atomic uint16_t *)at, value, order);
}

static inline void vc__store32(void *at, uint32_t value, memory_order order)
{
	atomic_store_explicit((_Atomic uint32_t *)at, value, order);
}

static inline uint8_t *vc__part(const struct vc_slice *part, uint64_t off)
{
	return (uint8_t *)part->ptr + off;
}

/* True when the range of @nr positions that ends before @now holds @event. [virtio 1.3 §2.7.7] */
static inline bool vc__has_passed(uint16_t event, uint16_t now, uint32_t nr)
{
	return (uint16_t)(now - event - 1) < nr;
}

#endif /* VC_DEVICES_VIRTQ_H */
