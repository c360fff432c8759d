/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue in the hands of its driver: the input rewrites every part of the ring and of what it
 * refers to, and in between the queue is enabled anywhere, disabled, popped, pushed in any order
 * and with any length, flushed, armed, saved, loaded, and declared broken. What must hold: no
 * access outside of guest memory, chains that are sound in themselves, ids that are never out twice,
 * and nothing given out once the queue is broken.
 */
#ifndef VC_TESTS_FUZZ_VIRTQ_H
#define VC_TESTS_FUZZ_VIRTQ_H

#include <libvirtcore/snapshot.h>
#include <libvirtcore/virtq.h>

#include <errno.h>
#include <string.h>

#include "ram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AREA_GPA   UINT64_C(0x1000) /* rings and tables are rewritten here */
#define AREA_BYTES 0x400u
#define MAX_NR	   16u
#define MAX_SLICES 12u
#define MAX_HELD   (2 * MAX_NR)

struct held {
	struct vc_virtq_chain chain;
	struct vc_slice slices[MAX_SLICES];
};

/* Memory and queue serve every input; each begins with a disabled queue and empty memory. */
struct fuzz {
	struct vc_mem *mem;
	uint8_t *ram;
	struct vc_virtq *vq;
	const uint8_t *data;
	size_t size;
	uint64_t features; /* of the format */
	struct held held[MAX_HELD];
	uint32_t nr_held;
};

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static uint64_t take(struct fuzz *f, unsigned int len)
{
	uint64_t value = 0;

	for (; len > 0 && f->size > 0; len--, f->data++, f->size--)
		value = value << 8 | *f->data;
	return value;
}

/* Addresses that are worth it: in the area, at the borders of memory, anywhere. */
static uint64_t address(struct fuzz *f)
{
	uint64_t bits = take(f, 2);

	switch (bits >> 14) {
	case 0:
	case 1:
		return AREA_GPA + bits % AREA_BYTES;
	case 2:
		return RAM_BYTES - 0x20 + bits % 0x40;
	default:
		return bits & 0x2000 ? take(f, 8) : RAM_END - 0x20 + bits % 0x40;
	}
}

static void enable(struct fuzz *f)
{
	uint64_t bits = take(f, 2);
	struct vc_virtq_layout layout = {
		.size = sizeof(layout),
		.features = f->features | (bits & 1 ? VC_VIRTIO_F_INDIRECT_DESC : 0) |
			    (bits & 2 ? VC_VIRTIO_F_EVENT_IDX : 0) |
			    (bits & 4 ? VC_VIRTIO_F_IN_ORDER : 0),
		.nr_entries = 1u << (bits >> 3 & 3),
		.desc = AREA_GPA,
		.driver = AREA_GPA + 0x100,
		.device = AREA_GPA + 0x140,
	};
	int r;

	if (bits & 0x20)
		layout.nr_entries = (uint32_t)take(f, 2);
	if (bits & 0x40)
		layout.desc = address(f);
	if (bits & 0x80)
		layout.driver = address(f);
	if (bits & 0x100)
		layout.device = address(f);
	r = vc_virtq_enable(f->vq, &layout);
	must(r == 0 || r == -EBUSY ||
	     (r == -EFAULT && vc_virtq_get_fault(f->vq) == VC_VIRTQ_BAD_RING));
}

static void check(struct fuzz *f, const struct vc_virtq_chain *chain)
{
	uint32_t nr = chain->nr_readable + chain->nr_writable;
	uint64_t bytes[2] = { 0, 0 };

	must(nr > 0 && nr <= MAX_SLICES && chain->id < MAX_NR);
	for (uint32_t i = 0; i < nr; i++) {
		const struct vc_slice *s = &chain->slices[i];

		must(s->len > 0 && s->gpa < RAM_END && s->len <= RAM_END - s->gpa);
		must(s->perm == (i < chain->nr_readable ? VC_PERM_READ : VC_PERM_WRITE));
		bytes[i >= chain->nr_readable] += s->len;
	}
	must(bytes[0] == chain->readable_bytes && bytes[1] == chain->writable_bytes);
	for (uint32_t i = 0; i < f->nr_held; i++)
		must(f->held[i].chain.generation != chain->generation ||
		     f->held[i].chain.id != chain->id);
}

static void pop(struct fuzz *f)
{
	struct held *held = &f->held[f->nr_held];
	enum vc_virtq_fault was = vc_virtq_get_fault(f->vq);
	uint8_t header[32];
	size_t len;
	int r;

	if (f->nr_held == MAX_HELD)
		return;
	held->chain.slices = held->slices;
	held->chain.max_slices = MAX_SLICES;
	r = vc_virtq_pop(f->vq, &held->chain);
	must(r == 1 || r == 0 || r == -EIO);
	must((r == -EIO) == (vc_virtq_get_fault(f->vq) != VC_VIRTQ_SOUND) || (r == 0 && was));
	if (r != 1)
		return;
	must(was == VC_VIRTQ_SOUND);
	check(f, &held->chain);
	len = vc_virtq_read(&held->chain, take(f, 1), header, sizeof(header));
	must(len <= sizeof(header));
	memset(header, 0x11, sizeof(header));
	(void)vc_virtq_write(&held->chain, take(f, 1), header, 4);
	f->nr_held++;
}

static void push(struct fuzz *f)
{
	struct held *held;
	uint64_t at = take(f, 1), written = take(f, 1);
	int r;

	if (f->nr_held == 0)
		return;
	held = &f->held[at % f->nr_held];
	if (written > held->chain.writable_bytes)
		written = held->chain.writable_bytes;
	r = vc_virtq_push(f->vq, &held->chain, (uint32_t)written);
	must(r == 0 || r == -ESTALE || r == -EIO);
	*held = f->held[--f->nr_held];
	held->chain.slices = held->slices;
}

static size_t save(struct fuzz *f, uint8_t *buf, size_t max)
{
	struct vc_state_writer *writer;
	const void *bytes;
	size_t len = 0;

	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_state_begin(writer, "q", 1) == 0);
	if (vc_virtq_save(f->vq, writer) == 0 && vc_state_end(writer) == 0) {
		must(vc_state_finish(writer, &bytes, &len) == 0 && len <= max);
		memcpy(buf, bytes, len);
	} else {
		must(vc_virtq_in_flight(f->vq) > 0 || vc_virtq_get_fault(f->vq) == VC_VIRTQ_SOUND);
	}
	vc_state_writer_destroy(writer);
	return len;
}

static int load(struct fuzz *f, const uint8_t *buf, size_t len)
{
	struct vc_state_reader *reader;
	uint32_t version;
	int r;

	must(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader) == 0);
	must(vc_state_open(reader, "q", 1, &version) == 0);
	r = vc_virtq_load(f->vq, reader);
	if (r == 0)
		r = vc_state_close(reader); /* what is left over is an error, too */
	vc_state_reader_destroy(reader);
	return r;
}

/* What was saved can be loaded, and is then saved the same. */
static void save_and_load(struct fuzz *f)
{
	uint8_t before[256], after[256];
	size_t len = save(f, before, sizeof(before));

	if (len == 0)
		return;
	vc_virtq_disable(f->vq);
	must(load(f, before, len) == 0);
	must(save(f, after, sizeof(after)) == len && memcmp(before, after, len) == 0);
}

static void load_anything(struct fuzz *f)
{
	struct vc_state_writer *writer;
	const void *bytes;
	size_t len = take(f, 1) & 63;
	uint8_t buf[256];

	if (vc_virtq_in_flight(f->vq) > 0)
		return;
	vc_virtq_disable(f->vq);
	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_state_begin(writer, "q", 1) == 0);
	for (; len > 0; len--)
		vc_state_put_u64(writer, take(f, 1), 1);
	must(vc_state_end(writer) == 0 && vc_state_finish(writer, &bytes, &len) == 0);
	must(len <= sizeof(buf));
	memcpy(buf, bytes, len);
	vc_state_writer_destroy(writer);
	(void)load(f, buf, len);
}

/* A field of the area, of 2, 4 or 8 bytes; or a whole descriptor. */
static void rewrite(struct fuzz *f, unsigned int op)
{
	uint64_t off = take(f, 2) % AREA_BYTES, value;
	unsigned int width = 2u << op % 4; /* 2, 4, 8, 16 */

	off &= ~(uint64_t)(width - 1);
	if (width < 8) {
		value = take(f, width);
		memcpy(f->ram + AREA_GPA + off, &value, width);
		return;
	}
	value = address(f);
	memcpy(f->ram + AREA_GPA + off, &value, 8);
	if (width == 8)
		return;
	value = take(f, 1) | take(f, 1) << 24;
	memcpy(f->ram + AREA_GPA + off + 8, &value, 4);
	value = take(f, 4);
	memcpy(f->ram + AREA_GPA + off + 12, &value, 4);
}

/* The next head made available, which a driver of a split ring does in two steps. */
static void offer(struct fuzz *f)
{
	uint16_t head = (uint16_t)take(f, 1), idx;

	memcpy(&idx, f->ram + AREA_GPA + 0x102, 2);
	memcpy(f->ram + AREA_GPA + 0x104 + 2 * (idx % MAX_NR), &head, 2);
	idx++;
	memcpy(f->ram + AREA_GPA + 0x102, &idx, 2);
}

static void step(struct fuzz *f)
{
	unsigned int op = (unsigned int)take(f, 1);

	switch (op & 15) {
	case 0:
		enable(f);
		break;
	case 1:
		vc_virtq_disable(f->vq);
		break;
	case 2:
	case 3:
		pop(f);
		break;
	case 4:
		push(f);
		break;
	case 5:
		(void)vc_virtq_flush(f->vq);
		break;
	case 6:
		(void)vc_virtq_arm(f->vq);
		break;
	case 7:
		vc_virtq_disarm(f->vq);
		break;
	case 8:
		save_and_load(f);
		break;
	case 9:
		if (op & 0x80)
			vc_virtq_break(f->vq, VC_VIRTQ_BAD_REQUEST);
		else
			load_anything(f);
		break;
	case 10:
	case 11:
		offer(f);
		break;
	default:
		rewrite(f, op >> 4);
	}
}

static int fuzz_one(struct fuzz *f, const uint8_t *data, size_t size)
{
	struct vc_virtq_config cfg = { .size = sizeof(cfg), .max_size = MAX_NR };

	if (!f->mem) {
		f->mem = ram_make(&f->ram);
		cfg.mem = f->mem;
		must(vc_virtq_create(&cfg, &f->vq) == 0);
	}
	f->data = data;
	f->size = size;
	memset(f->ram + AREA_GPA, 0, AREA_BYTES);
	enable(f);
	while (f->size > 0)
		step(f);
	while (f->nr_held > 0)
		push(f);
	must(vc_virtq_in_flight(f->vq) == 0);
	(void)vc_virtq_flush(f->vq);
	vc_virtq_disable(f->vq);
	return 0;
}

#endif /* VC_TESTS_FUZZ_VIRTQ_H */
