/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device behind its MMIO registers at a guest's mercy: accesses of every width to every
 * place in any state, rings rewritten, completions early and late, resets of device and queue, pause,
 * state saved, loaded, and loaded from anybody. What must hold: no access outside of memory; a reset
 * is complete once everything has come back, and then a driver by the book finds the device at work.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/ring.h>
#include <libvirtcore/snapshot.h>
#include <libvirtcore/virtio.h>

#include <errno.h>
#include <string.h>

#include "driver.h"
#include "ram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NR_QUEUES    2u
#define NR_ENTRIES   8u
#define NR_SLOTS     6u
#define MAX_SLICES   8u
#define CONFIG_BYTES 9u
#define AREA_GPA     UINT64_C(0x1000)
#define AREA_BYTES   0x800u
#define STATE_MAX    2048u

struct slot {
	struct vc_virtq_chain chain;
	struct vc_slice slices[MAX_SLICES];
	uint32_t queue;
	bool is_used;
};

/* All but the input stays from one input to the next: each ends with a reset. */
struct fuzz {
	struct vc_virtio v;
	struct vc_mem *mem;
	uint8_t *ram;
	struct vc_ring *ring;
	struct vc_irq *irq;
	struct slot slots[NR_SLOTS];
	uint8_t config[CONFIG_BYTES];
	bool is_high;
	const uint8_t *data;
	size_t size;
};

static struct fuzz fuzz;

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static uint64_t take(unsigned int len)
{
	uint64_t value = 0;

	for (; len > 0 && fuzz.size > 0; len--, fuzz.data++, fuzz.size--)
		value = value << 8 | *fuzz.data;
	return value;
}

static uint64_t features(struct vc_virtio *v)
{
	(void)v;
	return VC_VIRTIO_F_IN_ORDER | 7;
}

static void config(struct vc_virtio *v, const struct vc_virtio_config_access *a)
{
	(void)v;
	if (a->is_write)
		memcpy(fuzz.config + a->off, a->buf, a->len);
	else
		memcpy(a->buf, fuzz.config + a->off, a->len);
}

static bool kick(struct vc_virtio *v, uint32_t queue)
{
	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &fuzz.slots[i];
		int r;

		if (slot->is_used)
			continue;
		slot->chain.slices = slot->slices;
		slot->chain.max_slices = MAX_SLICES;
		r = vc_virtio_pop(v, queue, &slot->chain);
		must(r == 1 || r == 0 || r == -EIO);
		if (r != 1)
			return true;
		slot->queue = queue;
		slot->is_used = true;
	}
	return false;
}

/* Gives back some of what is held, or all. */
static void finish(unsigned int which)
{
	uint8_t bytes[64] = { 0 };

	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &fuzz.slots[i];
		size_t len;
		int r;

		if (!slot->is_used || !(which >> i & 1))
			continue;
		len = vc_virtq_read(&slot->chain, 0, bytes, sizeof(bytes));
		len = vc_virtq_write(&slot->chain, 0, bytes, len);
		slot->is_used = false;
		r = vc_virtio_push(&fuzz.v, slot->queue, &slot->chain, (uint32_t)len);
		must(r == 0 || r == -ESTALE || r == -EIO);
	}
	for (uint32_t q = 0; q < NR_QUEUES; q++)
		vc_virtio_look(&fuzz.v, q);
}

static int save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	(void)v;
	vc_state_put_bytes(writer, fuzz.config, CONFIG_BYTES);
	return 0;
}

static int load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	(void)v;
	return vc_state_get_bytes(reader, fuzz.config, CONFIG_BYTES);
}

static const struct vc_virtio_ops ops = {
	.type = "fuzz",
	.id = 1,
	.config_bytes = CONFIG_BYTES,
	.features = features,
	.config = config,
	.kick = kick,
	.save = save,
	.load = load,
	.destroy = vc_virtio_fini,
};

static int set_level(void *opaque, uint32_t pin, bool is_high)
{
	(void)opaque, (void)pin;
	fuzz.is_high = is_high;
	return 0;
}

static const struct vc_irq_ops irq_ops = { .set_level = set_level };

static void make(void)
{
	struct vc_ring_config ring = { .size = sizeof(ring), .nr_workers = 1 };
	struct vc_virtio_config cfg = {
		.size = sizeof(cfg),
		.name = "fuzz",
		.nr_queues = NR_QUEUES,
		.queue_size = NR_ENTRIES,
		.rings = &fuzz.ring,
		.nr_rings = 1,
	};

	fuzz.mem = ram_make(&fuzz.ram);
	cfg.mem = fuzz.mem;
	must(vc_ring_create(&ring, &fuzz.ring) == 0 && vc_ring_attach(fuzz.ring) == 0);
	must(vc_irq_create_ops(&irq_ops, NULL, 0, &fuzz.irq) == 0);
	must(vc_virtio_init(&fuzz.v, &ops, &cfg) == 0);
	must(vc_virtio_mmio_attach(&fuzz.v, fuzz.irq) == 0);
}

static uint64_t reg(uint64_t off, unsigned int size, bool is_write, uint64_t value)
{
	uint64_t mask = UINT64_MAX >> (64 - 8 * size);
	struct vc_access access = {
		.size = (uint8_t)size,
		.is_write = is_write,
		.off = off,
		.value = is_write ? value & mask : UINT64_MAX,
	};

	vc_device_lock(&fuzz.v.dev);
	fuzz.v.dev.ops->access(&fuzz.v.dev, &access);
	vc_device_unlock(&fuzz.v.dev);
	return access.value & mask;
}

static void write32(uint64_t off, uint64_t value)
{
	(void)reg(off, 4, true, value);
}

/* Mostly as a driver does it: 32 bits, aligned, small values. */
static void any_access(unsigned int op)
{
	unsigned int size = op & 0x80 ? 1u << (op >> 5 & 3) : 4;
	uint64_t off =
		op & 0x80 ? take(2) % (VC_VIRTIO_MMIO_BYTES - size + 1) : 4 * (take(1) & 127);

	if (op & 0x10)
		(void)reg(off, size, false, 0);
	else
		(void)reg(off, size, true, op & 0xa0 ? take(size) : take(1) & 31);
}

/* By the book, as far as the input says: features, one queue in the area, DRIVER_OK. */
static void drive(unsigned int op)
{
	uint64_t bits = take(1), at = AREA_GPA + 0x400 * (op >> 4 & 1);

	write32(0x70, 1);
	write32(0x70, 3);
	write32(0x24, 1);
	write32(0x20, 1 | (bits & 4) | (bits & 8) | (bits & 0x10) << 4);
	write32(0x24, 0);
	write32(0x20, (bits & 1) << 28 | (bits & 2) << 28);
	write32(0x70, 11);
	write32(0x30, op >> 4 & 1);
	write32(0x38, 1u << (bits >> 5 & 3));
	write32(0x80, at);
	write32(0x90, at + 0x100);
	write32(0xa0, at + 0x140);
	write32(0x44, 1);
	write32(0x70, 15);
}

static void rewrite(unsigned int op)
{
	uint64_t off = take(2) % AREA_BYTES, value;
	unsigned int width = 2u << (op >> 4) % 4;

	off &= ~(uint64_t)(width - 1);
	value = width < 8 ? take(width) : AREA_GPA + take(2);
	memcpy(fuzz.ram + AREA_GPA + off, &value, width < 8 ? width : 8);
	if (width < 16)
		return;
	value = take(1);
	memcpy(fuzz.ram + AREA_GPA + off + 8, &value, 4);
	value = take(4);
	memcpy(fuzz.ram + AREA_GPA + off + 12, &value, 4);
}

static size_t save_all(uint8_t *buf)
{
	struct vc_state_writer *writer;
	const void *bytes;
	size_t len;

	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_device_save(&fuzz.v.dev, writer) == 0);
	must(vc_state_finish(writer, &bytes, &len) == 0 && len <= STATE_MAX);
	memcpy(buf, bytes, len);
	vc_state_writer_destroy(writer);
	return len;
}

static int load_all(const uint8_t *buf, size_t len)
{
	struct vc_state_reader *reader;
	int r;

	must(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader) == 0);
	r = vc_device_load(&fuzz.v.dev, reader);
	vc_state_reader_destroy(reader);
	return r;
}

static void step_ring(void)
{
	must(vc_ring_step(fuzz.ring, 0) >= 0);
}

/* Everything comes back: then the reset is complete. */
static void reset(void)
{
	vc_device_reset(&fuzz.v.dev);
	finish(UINT32_MAX);
	for (unsigned int i = 0; i < 4 && reg(0x70, 4, false, 0) != 0; i++)
		step_ring();
	must(reg(0x70, 4, false, 0) == 0 && reg(0x60, 4, false, 0) == 0 && !fuzz.is_high);
}

static void pause_and_load(unsigned int op)
{
	uint8_t before[STATE_MAX], after[STATE_MAX];
	size_t len;

	finish(UINT32_MAX);
	vc_virtio_pause(&fuzz.v);
	len = save_all(before);
	if (op & 0x10) {
		reset();
		must(load_all(before, len) == 0);
		must(save_all(after) == len && memcmp(before, after, len) == 0);
	}
	vc_virtio_resume(&fuzz.v);
	step_ring();
}

static void load_anything(void)
{
	uint8_t payload[256], buf[STATE_MAX];
	size_t len = (size_t)take(1);
	struct vc_state_writer *writer;
	const void *bytes;
	int r;

	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)take(1);
	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_state_begin(writer, fuzz.v.dev.name, 1) == 0);
	vc_state_put_bytes(writer, payload, len);
	must(vc_state_end(writer) == 0 && vc_state_finish(writer, &bytes, &len) == 0);
	must(len <= sizeof(buf));
	memcpy(buf, bytes, len);
	vc_state_writer_destroy(writer);
	reset();
	r = load_all(buf, len);
	must(r == 0 || r == -EBADMSG);
	vc_virtio_resume(&fuzz.v);
}

static void step(void)
{
	unsigned int op = (unsigned int)take(1);

	switch (op & 15) {
	case 0:
	case 1:
		drive(op);
		break;
	case 2:
		finish((unsigned int)take(1));
		break;
	case 3:
	case 4:
		step_ring();
		break;
	case 5:
		if (op & 0x80)
			reset();
		else
			vc_device_reset(&fuzz.v.dev);
		break;
	case 6:
		pause_and_load(op);
		break;
	case 7:
		if (op & 0x80)
			load_anything();
		else
			vc_virtio_config_changed(&fuzz.v);
		break;
	case 8:
		write32(0x50, op >> 4 & 1);
		step_ring();
		break;
	case 9:
	case 10:
	case 11:
		rewrite(op);
		break;
	default:
		any_access(op);
	}
}

/* What a driver finds that knows nothing of all that. */
static void find_at_work(void)
{
	struct driver_config cfg = { .ram = fuzz.ram, .gpa = AREA_GPA, .nr = NR_ENTRIES };
	struct driver_buf buf = { 0x40000, 16, true };
	struct driver driver;
	uint32_t len;

	driver_init(&driver, &cfg);
	write32(0x70, 1);
	write32(0x70, 3);
	write32(0x24, 1);
	write32(0x20, 1);
	write32(0x70, 11);
	write32(0x80, driver.desc);
	write32(0x90, driver.drv);
	write32(0xa0, driver.dev);
	write32(0x44, 1);
	write32(0x70, 15);
	must(driver_add(&driver, &buf, 1) >= 0 && driver_publish(&driver));
	step_ring();
	finish(UINT32_MAX);
	step_ring();
	must(driver_take(&driver, &len) >= 0 && fuzz.is_high);
	driver_fini(&driver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!fuzz.mem)
		make();
	memset(fuzz.ram + AREA_GPA, 0, AREA_BYTES);
	memset(fuzz.config, 0, sizeof(fuzz.config));
	fuzz.data = data;
	fuzz.size = size;
	while (fuzz.size > 0)
		step();
	reset();
	find_at_work();
	reset();
	return 0;
}
