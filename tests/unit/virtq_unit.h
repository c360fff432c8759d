/* SPDX-License-Identifier: Apache-2.0 */
/* A queue, its driver and their memory, as the tests of virtqueues use them. */
#ifndef VC_TESTS_VIRTQ_UNIT_H
#define VC_TESTS_VIRTQ_UNIT_H

#include "unit.h"

#include <libvirtcore/virtq.h>

#include <errno.h>

#include "driver.h"
#include "ram.h"

#define QUEUE_GPA  UINT64_C(0x1000)
#define DATA_GPA   UINT64_C(0x80000)
#define MAX_SLICES 32u

struct pair {
	struct vc_mem *mem;
	uint8_t *ram;
	struct driver driver;
	struct vc_virtq *vq;
	struct vc_virtq_layout layout;
	struct vc_slice slices[MAX_SLICES];
};

static inline struct vc_virtq_layout layout_of(const struct driver *d)
{
	return (struct vc_virtq_layout){
		.size = sizeof(struct vc_virtq_layout),
		.features = (d->cfg.is_packed ? VC_VIRTIO_F_RING_PACKED : 0) |
			    (d->cfg.has_event_idx ? VC_VIRTIO_F_EVENT_IDX : 0) |
			    (d->cfg.is_in_order ? VC_VIRTIO_F_IN_ORDER : 0) |
			    (d->cfg.indirect ? VC_VIRTIO_F_INDIRECT_DESC : 0),
		.nr_entries = d->cfg.nr,
		.desc = d->desc,
		.driver = d->drv,
		.device = d->dev,
	};
}

static inline void pair_make(struct pair *p, const struct driver_config *cfg)
{
	struct vc_virtq_config queue = { .size = sizeof(queue), .max_size = 256 };
	struct driver_config own = *cfg;

	memset(p, 0, sizeof(*p));
	p->mem = ram_make(&p->ram);
	own.ram = p->ram;
	own.gpa = QUEUE_GPA;
	driver_init(&p->driver, &own);
	assert_true(p->driver.end <= DATA_GPA);
	queue.mem = p->mem;
	assert_result(vc_virtq_create(&queue, &p->vq), 0);
	p->layout = layout_of(&p->driver);
	assert_result(vc_virtq_enable(p->vq, &p->layout), 0);
}

static inline void pair_drop(struct pair *p)
{
	vc_virtq_destroy(p->vq);
	driver_fini(&p->driver);
	vc_mem_destroy(p->mem);
}

/* The driver's mistake is found at the next pop, and nothing is given out any more. */
static inline void expect_broken(struct pair *p, enum vc_virtq_fault fault)
{
	struct vc_virtq_chain chain = { .slices = p->slices, .max_slices = MAX_SLICES };

	if (vc_virtq_pop(p->vq, &chain) != -EIO || vc_virtq_get_fault(p->vq) != fault) {
		print_error("found: %s; expected: %s\n",
			    vc_virtq_fault_text(vc_virtq_get_fault(p->vq)),
			    vc_virtq_fault_text(fault));
		fail();
	}
	assert_int_equal(vc_virtq_pop(p->vq, &chain), -EIO);
	assert_int_equal(chain.generation, 0);
	assert_false(vc_virtq_arm(p->vq));
	assert_false(vc_virtq_flush(p->vq));
}

/* A descriptor written by hand. Split: flags, next. Packed: id, flags. */
static inline void put_desc(struct pair *p, uint64_t gpa, uint64_t addr, uint32_t len,
			    uint32_t words)
{
	memcpy(p->ram + gpa, &addr, 8);
	memcpy(p->ram + gpa + 8, &len, 4);
	memcpy(p->ram + gpa + 12, &words, 4);
}

static inline void put_u16(struct pair *p, uint64_t gpa, unsigned int value)
{
	uint16_t v = (uint16_t)value;

	memcpy(p->ram + gpa, &v, 2);
}

static inline uint16_t get_u16(const struct pair *p, uint64_t gpa)
{
	uint16_t v;

	memcpy(&v, p->ram + gpa, 2);
	return v;
}

static inline uint32_t get_u32(const struct pair *p, uint64_t gpa)
{
	uint32_t v;

	memcpy(&v, p->ram + gpa, 4);
	return v;
}

#endif /* VC_TESTS_VIRTQ_UNIT_H */
