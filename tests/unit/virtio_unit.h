/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device behind MMIO registers, its driver, and the ring that serves it. The device answers
 * each request by the number of bytes that it could write, at once or when it is let.
 */
#ifndef VC_TESTS_VIRTIO_UNIT_H
#define VC_TESTS_VIRTIO_UNIT_H

#include "device_unit.h"
#include "virtq_unit.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/ring.h>
#include <libvirtcore/ring_request.h>
#include <libvirtcore/virtio.h>

#include <stdatomic.h>

#define ECHO_ID	      77u
#define ECHO_FEATURE  (UINT64_C(1) << 3)
#define ECHO_CONFIG   12u
#define ECHO_QUEUES   2u
#define ECHO_SLOTS    8u
#define QUEUE_ENTRIES 16u

enum { ACK = 1, DRIVER_BIT = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };

struct echo_slot {
	struct vc_virtq_chain chain;
	struct vc_slice slices[MAX_SLICES];
	uint32_t queue;
	bool is_used;
};

struct echo {
	struct vc_virtio v;
	uint8_t config[ECHO_CONFIG];
	struct echo_slot slots[ECHO_SLOTS];
	bool is_holding;  /* requests wait for echo_release() */
	bool is_refusing; /* finds every request wrong */
	bool is_lazy;	  /* takes one request at a time, and says that was all */
	unsigned int nr_activated, nr_quiesced, nr_served;
	uint64_t features;
};

static inline struct echo *to_echo(struct vc_virtio *v)
{
	return vc_container_of(v, struct echo, v);
}

static inline uint64_t echo_features(struct vc_virtio *v)
{
	(void)v;
	return ECHO_FEATURE | VC_VIRTIO_F_IN_ORDER;
}

static inline void echo_config(struct vc_virtio *v, const struct vc_virtio_config_access *a)
{
	uint8_t *at = to_echo(v)->config + a->off;

	if (a->is_write)
		memcpy(at, a->buf, a->len);
	else
		memcpy(a->buf, at, a->len);
}

static inline void echo_activate(struct vc_virtio *v, uint32_t queue, uint64_t features)
{
	(void)queue;
	to_echo(v)->nr_activated++;
	to_echo(v)->features = features;
}

static inline void echo_finish(struct echo *e, struct echo_slot *slot)
{
	uint64_t len = slot->chain.writable_bytes;

	slot->is_used = false;
	e->nr_served++;
	(void)vc_virtio_push(&e->v, slot->queue, &slot->chain, (uint32_t)len);
}

static inline bool echo_kick(struct vc_virtio *v, uint32_t queue)
{
	struct echo *e = to_echo(v);

	for (unsigned int i = 0; i < ECHO_SLOTS; i++) {
		struct echo_slot *slot = &e->slots[i];

		if (slot->is_used)
			continue;
		slot->chain.slices = slot->slices;
		slot->chain.max_slices = MAX_SLICES;
		if (vc_virtio_pop(v, queue, &slot->chain) != 1)
			return true;
		slot->queue = queue;
		slot->is_used = true;
		if (e->is_refusing)
			vc_virtio_break(v, queue);
		if (!e->is_holding) {
			echo_finish(e, slot);
			i--;
		}
		if (e->is_lazy)
			return true;
	}
	return false;
}

/* Ring thread: what is held is done. */
static inline void echo_release(struct echo *e)
{
	for (unsigned int i = 0; i < ECHO_SLOTS; i++)
		if (e->slots[i].is_used)
			echo_finish(e, &e->slots[i]);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		vc_virtio_look(&e->v, q);
}

static inline void echo_quiesce(struct vc_virtio *v, uint32_t queue)
{
	(void)queue;
	to_echo(v)->nr_quiesced++;
}

static inline int echo_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	vc_state_put_bytes(writer, to_echo(v)->config, ECHO_CONFIG);
	return 0;
}

static inline int echo_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	return vc_state_get_bytes(reader, to_echo(v)->config, ECHO_CONFIG);
}

static inline void echo_destroy(struct vc_virtio *v)
{
	vc_virtio_fini(v);
	free(to_echo(v));
}

static const struct vc_virtio_ops echo_ops = {
	.type = "echo",
	.id = ECHO_ID,
	.config_bytes = ECHO_CONFIG,
	.features = echo_features,
	.config = echo_config,
	.activate = echo_activate,
	.kick = echo_kick,
	.quiesce = echo_quiesce,
	.save = echo_save,
	.load = echo_load,
	.destroy = echo_destroy,
};

/* The machine around it; `dev` is what a bus would see. */
struct board {
	struct vc_mem *mem;
	uint8_t *ram;
	struct vc_ring *ring;
	struct vc_irq *irq;
	struct echo *echo;
	struct vc_device *dev;
	struct driver drivers[ECHO_QUEUES];
	uint64_t rings_off; /* queues go so much further on */
	atomic_int level;
	atomic_uint nr_raised;
};

static inline int board_set_level(void *opaque, uint32_t pin, bool is_high)
{
	struct board *b = opaque;

	(void)pin;
	if (is_high && atomic_exchange(&b->level, 1) == 0)
		atomic_fetch_add(&b->nr_raised, 1);
	else if (!is_high)
		atomic_store(&b->level, 0);
	return 0;
}

static const struct vc_irq_ops board_irq_ops = { .set_level = board_set_level };

static inline struct echo *board_make_echo(struct board *b)
{
	struct vc_virtio_config cfg = {
		.size = sizeof(cfg),
		.name = "echo0",
		.mem = b->mem,
		.nr_queues = ECHO_QUEUES,
		.queue_size = QUEUE_ENTRIES,
		.rings = &b->ring,
		.nr_rings = 1,
	};
	struct echo *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	assert_result(vc_virtio_init(&e->v, &echo_ops, &cfg), 0);
	assert_result(vc_virtio_mmio_attach(&e->v, b->irq), 0);
	return e;
}

/* Without a device. */
static inline void board_open(struct board *b)
{
	struct vc_ring_config ring = { .size = sizeof(ring), .nr_workers = 1 };

	memset(b, 0, sizeof(*b));
	b->mem = ram_make(&b->ram);
	assert_result(vc_ring_create(&ring, &b->ring), 0);
	assert_result(vc_irq_create_ops(&board_irq_ops, b, 0, &b->irq), 0);
}

/* The ring is stepped by the test, or has a thread. */
static inline void board_start(struct board *b, bool has_thread)
{
	assert_result(has_thread ? vc_ring_start(b->ring) : vc_ring_attach(b->ring), 0);
}

static inline void board_make(struct board *b, bool has_thread)
{
	board_open(b);
	b->echo = board_make_echo(b);
	b->dev = &b->echo->v.dev;
	board_start(b, has_thread);
}

static inline void board_drop(struct board *b)
{
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		driver_fini(&b->drivers[q]);
	vc_device_destroy(b->dev);
	(void)vc_ring_stop(b->ring);
	if (vc_ring_is_current(b->ring))
		while (vc_ring_step(b->ring, 0) >= 0)
			;
	else
		assert_result(vc_ring_join(b->ring), 0);
	vc_ring_put(b->ring);
	vc_irq_destroy(b->irq);
	vc_mem_destroy(b->mem);
}

/* Whatever can be done now. */
static inline void board_step(struct board *b)
{
	for (unsigned int i = 0; i < 8; i++)
		(void)vc_ring_step(b->ring, i < 2 ? 2000000 : 0);
}

static inline uint32_t reg_read(struct board *b, uint32_t off)
{
	return (uint32_t)device_access(b->dev, 0, off, 4, false, 0);
}

static inline void reg_write(struct board *b, uint32_t off, uint32_t value)
{
	(void)device_access(b->dev, 0, off, 4, true, value);
}

static inline uint32_t board_status(struct board *b)
{
	return reg_read(b, 0x70);
}

/* Up to FEATURES_OK, as a driver does it. */
static inline void board_agree(struct board *b, uint64_t features)
{
	reg_write(b, 0x70, 0);
	reg_write(b, 0x70, ACK);
	reg_write(b, 0x70, ACK | DRIVER_BIT);
	reg_write(b, 0x24, 0);
	reg_write(b, 0x20, (uint32_t)features);
	reg_write(b, 0x24, 1);
	reg_write(b, 0x20, (uint32_t)(features >> 32));
	reg_write(b, 0x70, ACK | DRIVER_BIT | FEATURES_OK);
}

static inline void board_place(struct board *b, uint32_t queue, const struct driver *d)
{
	reg_write(b, 0x30, queue);
	reg_write(b, 0x38, d->cfg.nr);
	reg_write(b, 0x80, (uint32_t)d->desc);
	reg_write(b, 0x84, (uint32_t)(d->desc >> 32));
	reg_write(b, 0x90, (uint32_t)d->drv);
	reg_write(b, 0x94, (uint32_t)(d->drv >> 32));
	reg_write(b, 0xa0, (uint32_t)d->dev);
	reg_write(b, 0xa4, (uint32_t)(d->dev >> 32));
	reg_write(b, 0x44, 1);
}

/* A driver that takes it from reset to DRIVER_OK with all queues. */
static inline void board_drive(struct board *b, uint64_t features)
{
	board_agree(b, features | VC_VIRTIO_F_VERSION_1);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		struct driver_config cfg = {
			.ram = b->ram,
			.gpa = 0x1000 + 0x10000 * q + b->rings_off,
			.nr = QUEUE_ENTRIES,
			.is_packed = features & VC_VIRTIO_F_RING_PACKED,
			.has_event_idx = features & VC_VIRTIO_F_EVENT_IDX,
			.is_in_order = features & VC_VIRTIO_F_IN_ORDER,
		};

		driver_fini(&b->drivers[q]);
		driver_init(&b->drivers[q], &cfg);
		board_place(b, q, &b->drivers[q]);
	}
	reg_write(b, 0x70, ACK | DRIVER_BIT | FEATURES_OK | DRIVER_OK);
}

static inline int board_send(struct board *b, uint32_t queue)
{
	struct driver_buf bufs[2] = { { DATA_GPA, 16, false }, { DATA_GPA + 64, 48, true } };
	int id = driver_add(&b->drivers[queue], bufs, 2);

	if (id >= 0 && driver_publish(&b->drivers[queue]))
		reg_write(b, 0x50, queue);
	return id;
}

#endif /* VC_TESTS_VIRTIO_UNIT_H */
