/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of virtio over MMIO, version 2: one page of registers, one interrupt line.
 *
 * Registers run on vCPU threads under the device's lock. They are 32 bits wide; other accesses to
 * them are ignored and read as 0; the configuration space takes any. The interrupt status is set by
 * the rings' threads without that lock, so the line is driven by whoever changed the status, again
 * and again until the two agree. Leaves out: shared memory regions, the legacy interface.
 * Spec: [virtio 1.3 §4.2].
 */
#include "virtio.h"

#include <libvirtcore/irq.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>

#define MAGIC	  0x74726976u
#define VERSION	  2u
#define VENDOR_ID 0x56434f52u
#define CONFIG	  0x100u

#define INT_USED   1u
#define INT_CONFIG 2u

enum reg {
	REG_MAGIC = 0x00,
	REG_VERSION = 0x04,
	REG_DEVICE_ID = 0x08,
	REG_VENDOR_ID = 0x0c,
	REG_DEVICE_FEATURES = 0x10,
	REG_DEVICE_FEATURES_SEL = 0x14,
	REG_DRIVER_FEATURES = 0x20,
	REG_DRIVER_FEATURES_SEL = 0x24,
	REG_QUEUE_SEL = 0x30,
	REG_QUEUE_NUM_MAX = 0x34,
	REG_QUEUE_NUM = 0x38,
	REG_QUEUE_READY = 0x44,
	REG_QUEUE_NOTIFY = 0x50,
	REG_INTERRUPT_STATUS = 0x60,
	REG_INTERRUPT_ACK = 0x64,
	REG_STATUS = 0x70,
	REG_QUEUE_DESC = 0x80, /* and 4 further on the upper half, as of the next two */
	REG_QUEUE_DRIVER = 0x90,
	REG_QUEUE_DEVICE = 0xa0,
	REG_SHM_LEN = 0xb0,
	REG_SHM_BASE = 0xb8,
	REG_QUEUE_RESET = 0xc0,
	REG_CONFIG_GENERATION = 0xfc,
};

struct mmio {
	struct vc_irq *irq;
	uint32_t device_sel, driver_sel, queue_sel;
	_Atomic uint32_t interrupts;
};

static struct mmio *to_mmio(struct vc_virtio *v)
{
	return v->core->transport_data;
}

/* The last one to drive the line looks again afterwards: so it agrees with the status. */
static void update_line(struct mmio *m)
{
	bool is_high;

	do {
		is_high = atomic_load(&m->interrupts) != 0;
		(void)vc_irq_set_level(m->irq, is_high);
	} while ((atomic_load(&m->interrupts) != 0) != is_high);
}

static void acknowledge(struct mmio *m, uint32_t bits)
{
	uint32_t was = atomic_fetch_and(&m->interrupts, ~bits);

	if (was != 0 && (was & ~bits) == 0)
		update_line(m);
}

static void mmio_signal(struct vc_virtio *v, uint32_t event)
{
	struct mmio *m = to_mmio(v);
	uint32_t bit = event == VC__VIRTIO_CONFIG_EVENT ? INT_CONFIG : INT_USED;

	if (atomic_fetch_or(&m->interrupts, bit) == 0)
		update_line(m);
	/* Pairs with the reset, which ends being live before it clears the status. */
	if (!atomic_load(&v->core->is_live))
		acknowledge(m, UINT32_MAX);
}

static uint32_t read_queue(struct vc_virtio *v, uint32_t reg)
{
	const struct vc__virtio_queue *q = vc__virtio_queue_at(v, to_mmio(v)->queue_sel);

	if (!q)
		return 0;
	switch (reg) {
	case REG_QUEUE_NUM_MAX:
		return v->core->queue_size;
	case REG_QUEUE_READY:
		return q->is_ready;
	default: /* REG_QUEUE_RESET */
		return vc__virtio_is_queue_resetting(q);
	}
}

static uint32_t read_reg(struct vc_virtio *v, uint32_t reg)
{
	struct mmio *m = to_mmio(v);

	switch (reg) {
	case REG_MAGIC:
		return MAGIC;
	case REG_VERSION:
		return VERSION;
	case REG_DEVICE_ID:
		return v->ops->id;
	case REG_VENDOR_ID:
		return VENDOR_ID;
	case REG_DEVICE_FEATURES:
		return m->device_sel > 1 ? 0
					 : (uint32_t)(vc__virtio_offered(v) >> 32 * m->device_sel);
	case REG_QUEUE_NUM_MAX:
	case REG_QUEUE_READY:
	case REG_QUEUE_RESET:
		return read_queue(v, reg);
	case REG_INTERRUPT_STATUS:
		return atomic_load(&m->interrupts);
	case REG_STATUS:
		return vc__virtio_get_status(v);
	case REG_SHM_LEN:
	case REG_SHM_LEN + 4:
	case REG_SHM_BASE:
	case REG_SHM_BASE + 4:
		return UINT32_MAX; /* there is no such region */
	case REG_CONFIG_GENERATION:
		return v->core->config_generation;
	default:
		return 0;
	}
}

static void set_half(vc_gpa *gpa, bool is_upper, uint32_t value)
{
	if (is_upper)
		*gpa = (*gpa & UINT32_MAX) | (uint64_t)value << 32;
	else
		*gpa = (*gpa & ~(uint64_t)UINT32_MAX) | value;
}

/* Size and addresses are fixed from ready on. */
static void write_queue(struct vc_virtio *v, uint32_t reg, uint32_t value)
{
	struct vc__virtio_queue *q = vc__virtio_queue_at(v, to_mmio(v)->queue_sel);

	if (!q)
		return;
	if (reg == REG_QUEUE_READY)
		vc__virtio_set_ready(q, value & 1);
	else if (reg == REG_QUEUE_RESET && value == 1)
		vc__virtio_reset_queue(q);
	if (q->is_ready)
		return;
	if (reg == REG_QUEUE_NUM)
		q->nr_entries = value;
	else if ((reg & ~4u) == REG_QUEUE_DESC)
		set_half(&q->desc, reg & 4, value);
	else if ((reg & ~4u) == REG_QUEUE_DRIVER)
		set_half(&q->driver, reg & 4, value);
	else if ((reg & ~4u) == REG_QUEUE_DEVICE)
		set_half(&q->device, reg & 4, value);
}

static void notify(struct vc_virtio *v, uint32_t value)
{
	struct vc__virtio_queue *q = vc__virtio_queue_at(v, value);

	if (q)
		vc__virtio_kick(q);
}

static void write_reg(struct vc_virtio *v, uint32_t reg, uint32_t value)
{
	struct mmio *m = to_mmio(v);

	switch (reg) {
	case REG_DEVICE_FEATURES_SEL:
		m->device_sel = value;
		break;
	case REG_DRIVER_FEATURES:
		vc__virtio_set_driver_features(v, m->driver_sel, value);
		break;
	case REG_DRIVER_FEATURES_SEL:
		m->driver_sel = value;
		break;
	case REG_QUEUE_SEL:
		m->queue_sel = value;
		break;
	case REG_QUEUE_NOTIFY:
		notify(v, value);
		break;
	case REG_INTERRUPT_ACK:
		acknowledge(m, value);
		break;
	case REG_STATUS:
		vc__virtio_set_status(v, value);
		break;
	default:
		write_queue(v, reg, value);
		break;
	}
}

static void mmio_access(struct vc_virtio *v, struct vc_access *access)
{
	if (access->off >= CONFIG) {
		vc__virtio_config(v, access, access->off - CONFIG);
		return;
	}
	if (!access->is_write)
		access->value = 0;
	if (access->size != 4 || access->off % 4 != 0)
		return;
	if (access->is_write)
		write_reg(v, (uint32_t)access->off, (uint32_t)access->value);
	else
		access->value = read_reg(v, (uint32_t)access->off);
}

static void mmio_reset(struct vc_virtio *v)
{
	struct mmio *m = to_mmio(v);

	m->device_sel = m->driver_sel = m->queue_sel = 0;
	acknowledge(m, UINT32_MAX);
}

static void mmio_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	struct mmio *m = to_mmio(v);

	vc_state_put_u64(writer, m->device_sel, 4);
	vc_state_put_u64(writer, m->driver_sel, 4);
	vc_state_put_u64(writer, m->queue_sel, 4);
	vc_state_put_u64(writer, atomic_load(&m->interrupts), 1);
}

static int mmio_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	struct mmio *m = to_mmio(v);
	uint32_t interrupts;

	m->device_sel = (uint32_t)vc_state_get_u64(reader, 4);
	m->driver_sel = (uint32_t)vc_state_get_u64(reader, 4);
	m->queue_sel = (uint32_t)vc_state_get_u64(reader, 4);
	interrupts = (uint32_t)vc_state_get_u64(reader, 1);
	if (interrupts & ~(INT_USED | INT_CONFIG))
		return vc_error_set(-EBADMSG, "devices", v->dev.name,
				    "impossible value: interrupt status");
	atomic_store(&m->interrupts, interrupts);
	update_line(m);
	return 0;
}

static void mmio_destroy(struct vc_virtio *v)
{
	free(to_mmio(v));
}

static const struct vc__virtio_transport mmio_transport = {
	.access = mmio_access,
	.signal = mmio_signal,
	.reset = mmio_reset,
	.save = mmio_save,
	.load = mmio_load,
	.destroy = mmio_destroy,
};

int vc_virtio_mmio_attach(struct vc_virtio *v, struct vc_irq *irq)
{
	struct mmio *m;

	if (!v || !irq)
		return vc_error_set(-EINVAL, "devices", v ? v->dev.name : "virtio",
				    "device and irq are needed");
	if (v->core->transport)
		return vc_error_set(-EBUSY, "devices", v->dev.name, "it has a transport");
	if (v->ops->config_bytes > VC_VIRTIO_MMIO_BYTES - CONFIG)
		return vc_error_set(-EINVAL, "devices", v->dev.name,
				    "configuration space of %u bytes, at most %u by MMIO",
				    v->ops->config_bytes, VC_VIRTIO_MMIO_BYTES - CONFIG);
	m = calloc(1, sizeof(*m));
	if (!m)
		return vc_error_set(-ENOMEM, "devices", v->dev.name, "no memory");
	m->irq = irq;
	atomic_init(&m->interrupts, 0);
	v->core->transport_data = m;
	v->core->transport = &mmio_transport;
	return 0;
}
