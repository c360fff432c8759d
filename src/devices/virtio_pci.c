/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of virtio over PCI, modern devices only: one memory BAR with the common, ISR, device
 * and notification structures and MSI-X behind them, each told by a vendor capability, and a window of
 * configuration space on all of them.
 *
 * Registers run on vCPU threads under the device's lock, and the bridge's. A notification rings the
 * queue's eventfd, by a doorbell that moves with the BAR. Signals come from the rings' threads without a
 * lock: to a vector's eventfd, or, where MSI-X is off, to the ISR status and INTA#, which is driven until
 * the two agree. Leaves out: transitional devices, shared memory, notification data.
 * Spec: [virtio 1.3 §4.1].
 */
#include "virtio.h"

#include <libvirtcore/pci.h>
#include <libvirtcore/snapshot.h>

#include <assert.h>
#include <errno.h>

#define VENDOR		0x1af4u
#define DEVICE_FROM	0x1040u
#define DEVICE_ID_MAX	0x3fu
#define REVISION	1u
#define CAP_VENDOR	9u
#define NO_VECTOR	0xffffu
#define NOTIFY_MULTIPLE 4u

/* The BAR. */
#define BAR_BYTES    0x8000u
#define COMMON	     0x0000u
#define COMMON_BYTES 0x40u
#define ISR	     0x1000u
#define CONFIG	     0x2000u
#define CONFIG_BYTES 0x1000u
#define NOTIFY	     0x3000u
#define NOTIFY_BYTES 0x1000u
#define MSIX	     0x4000u
static_assert(VC_VIRTIO_QUEUES_MAX * NOTIFY_MULTIPLE <= NOTIFY_BYTES,
	      "each queue has its doorbell");

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

enum cap_type { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };

/* Behind the capability's own two bytes. [virtio 1.3 §4.1.4] */
struct cap {
	uint8_t len, type, bar, id, padding[2];
	uint32_t off, bytes;
	uint32_t extra; /* notify: multiplier; pci: data */
} __attribute__((packed));
#define CAP_SHORT 16u
#define CAP_LONG  20u
static_assert(sizeof(struct cap) == CAP_LONG - 2, "a capability as it lies in configuration space");

enum reg {
	REG_DEVICE_FEATURE_SEL = 0x00,
	REG_DEVICE_FEATURE = 0x04,
	REG_DRIVER_FEATURE_SEL = 0x08,
	REG_DRIVER_FEATURE = 0x0c,
	REG_CONFIG_VECTOR = 0x10, /* 16 bits */
	REG_NUM_QUEUES = 0x12,
	REG_STATUS = 0x14, /* 8 bits */
	REG_GENERATION = 0x15,
	REG_QUEUE_SEL = 0x16, /* 16 bits from here on */
	REG_QUEUE_SIZE = 0x18,
	REG_QUEUE_VECTOR = 0x1a,
	REG_QUEUE_ENABLE = 0x1c,
	REG_QUEUE_NOTIFY_OFF = 0x1e,
	REG_QUEUE_DESC = 0x20, /* 64 bits, also by halves */
	REG_QUEUE_DRIVER = 0x28,
	REG_QUEUE_DEVICE = 0x30,
	REG_QUEUE_RESET = 0x3a,
};

struct pci {
	struct vc_pci_function *function;
	uint32_t window; /* offset of the capability that is a window on the BAR */
	uint32_t nr_vectors;
	/* under the device's lock */
	uint32_t device_sel, driver_sel;
	uint16_t queue_sel;
	/* read by the rings' threads */
	_Atomic uint32_t isr;
	_Atomic uint16_t
		vectors[VC_VIRTIO_QUEUES_MAX + 1]; /* by queue; the last one of configuration */
	_Atomic int fds[VC_VIRTIO_QUEUES_MAX + 1]; /* by vector; -1: not asked for, or none */
};
#define CONFIG_SOURCE VC_VIRTIO_QUEUES_MAX

static struct pci *to_pci(struct vc_virtio *v)
{
	return v->core->transport_data;
}

/* The last one to drive INTA# looks again afterwards: so it agrees with the status. */
static void update_intx(struct pci *p)
{
	bool is_high;

	do {
		is_high = atomic_load(&p->isr) != 0;
		(void)vc_pci_function_set_intx(p->function, is_high);
	} while ((atomic_load(&p->isr) != 0) != is_high);
}

/* What the status was; reading it takes it back. */
static uint32_t acknowledge(struct pci *p)
{
	uint32_t was = atomic_exchange(&p->isr, 0);

	if (was != 0)
		update_intx(p);
	return was;
}

static void send(struct pci *p, uint16_t vector)
{
	const uint64_t one = 1;
	int fd = vector < p->nr_vectors ? atomic_load(&p->fds[vector]) : -1;

	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
	else if (vector < p->nr_vectors)
		(void)vc_pci_function_raise(p->function, vector);
}

static void pci_signal(struct vc_virtio *v, uint32_t event)
{
	struct pci *p = to_pci(v);
	bool is_config = event == VC__VIRTIO_CONFIG_EVENT;

	if (vc_pci_function_has_msix(p->function)) {
		send(p, atomic_load(&p->vectors[is_config ? CONFIG_SOURCE : event]));
		return;
	}
	if (atomic_fetch_or(&p->isr, is_config ? ISR_CONFIG : ISR_QUEUE) == 0)
		update_intx(p);
	/* Pairs with the reset, which ends being live before it clears the status. */
	if (!atomic_load(&v->core->is_live))
		(void)acknowledge(p);
}

/* A vector that is not there is answered with none, which tells the driver. */
static void set_vector(struct pci *p, uint32_t source, uint32_t vector)
{
	if (vector >= p->nr_vectors)
		vector = NO_VECTOR;
	else if (atomic_load(&p->fds[vector]) < 0)
		atomic_store(&p->fds[vector], vc_pci_function_vector_fd(p->function, vector));
	atomic_store(&p->vectors[source], (uint16_t)vector);
}

static uint32_t read_queue(struct vc_virtio *v, uint32_t reg)
{
	struct pci *p = to_pci(v);
	const struct vc__virtio_queue *q = vc__virtio_queue_at(v, p->queue_sel);

	if (!q)
		return reg == REG_QUEUE_VECTOR ? NO_VECTOR : 0;
	switch (reg) {
	case REG_QUEUE_SIZE:
		return q->nr_entries;
	case REG_QUEUE_VECTOR:
		return atomic_load(&p->vectors[q->idx]);
	case REG_QUEUE_ENABLE:
		return q->is_ready;
	case REG_QUEUE_NOTIFY_OFF:
		return q->idx;
	case REG_QUEUE_RESET:
		return vc__virtio_is_queue_resetting(q);
	default:
		return 0;
	}
}

static uint32_t half_of(uint64_t value, uint32_t sel)
{
	return sel > 1 ? 0 : (uint32_t)(value >> 32 * sel);
}

static uint32_t read_common(struct vc_virtio *v, uint32_t reg)
{
	struct pci *p = to_pci(v);

	switch (reg) {
	case REG_DEVICE_FEATURE_SEL:
		return p->device_sel;
	case REG_DEVICE_FEATURE:
		return half_of(vc__virtio_offered(v), p->device_sel);
	case REG_DRIVER_FEATURE_SEL:
		return p->driver_sel;
	case REG_DRIVER_FEATURE:
		return half_of(v->core->driver_features, p->driver_sel);
	case REG_CONFIG_VECTOR:
		return atomic_load(&p->vectors[CONFIG_SOURCE]);
	case REG_NUM_QUEUES:
		return v->core->nr_queues;
	case REG_STATUS:
		return vc__virtio_get_status(v);
	case REG_GENERATION:
		return v->core->config_generation & 0xff;
	case REG_QUEUE_SEL:
		return p->queue_sel;
	default:
		return read_queue(v, reg);
	}
}

/* Size and addresses are fixed once the queue is enabled; only a reset disables it. */
static void write_queue(struct vc_virtio *v, uint32_t reg, uint32_t value)
{
	struct pci *p = to_pci(v);
	struct vc__virtio_queue *q = vc__virtio_queue_at(v, p->queue_sel);

	if (!q)
		return;
	if (reg == REG_QUEUE_VECTOR)
		set_vector(p, q->idx, value);
	else if (reg == REG_QUEUE_ENABLE && value == 1)
		vc__virtio_set_ready(q, true);
	else if (reg == REG_QUEUE_RESET && value == 1)
		vc__virtio_reset_queue(q);
	else if (reg == REG_QUEUE_SIZE && !q->is_ready)
		q->nr_entries = value;
}

static void write_common(struct vc_virtio *v, uint32_t reg, uint32_t value)
{
	struct pci *p = to_pci(v);

	switch (reg) {
	case REG_DEVICE_FEATURE_SEL:
		p->device_sel = value;
		break;
	case REG_DRIVER_FEATURE_SEL:
		p->driver_sel = value;
		break;
	case REG_DRIVER_FEATURE:
		vc__virtio_set_driver_features(v, p->driver_sel, value);
		break;
	case REG_CONFIG_VECTOR:
		set_vector(p, CONFIG_SOURCE, value);
		break;
	case REG_STATUS:
		vc__virtio_set_status(v, value);
		break;
	case REG_QUEUE_SEL:
		p->queue_sel = (uint16_t)value;
		break;
	default:
		write_queue(v, reg, value);
		break;
	}
}

/* The queue's address that an offset is in, or NULL. */
static vc_gpa *address_at(struct vc_virtio *v, uint32_t off)
{
	struct vc__virtio_queue *q = vc__virtio_queue_at(v, to_pci(v)->queue_sel);

	if (!q)
		return NULL;
	switch (off & ~7u) {
	case REG_QUEUE_DESC:
		return &q->desc;
	case REG_QUEUE_DRIVER:
		return &q->driver;
	default:
		return &q->device;
	}
}

/* 64 bits at once or by halves. */
static void access_address(struct vc_virtio *v, struct vc_access *access, uint32_t off)
{
	vc_gpa *gpa = address_at(v, off);
	const struct vc__virtio_queue *q = vc__virtio_queue_at(v, to_pci(v)->queue_sel);
	unsigned int shift = 8 * (off & 7);
	uint64_t mask = (access->size == 8 ? UINT64_MAX : UINT32_MAX) << shift;

	if (!gpa || off % access->size != 0 || access->size < 4)
		return;
	if (!access->is_write)
		access->value = (*gpa & mask) >> shift;
	else if (!q->is_ready)
		*gpa = (*gpa & ~mask) | access->value << shift;
}

static unsigned int width_of(uint32_t off)
{
	if (off == REG_STATUS || off == REG_GENERATION)
		return 1;
	return off < REG_CONFIG_VECTOR ? 4 : 2;
}

/* Each field by its own width; anything else reads as 0 and writes nothing. */
static void access_common(struct vc_virtio *v, struct vc_access *access, uint32_t off)
{
	unsigned int width = width_of(off);

	if (!access->is_write)
		access->value = 0;
	if (off >= REG_QUEUE_DESC && off < REG_QUEUE_DEVICE + 8)
		access_address(v, access, off);
	else if (access->size != width || off % width != 0)
		return;
	else if (access->is_write)
		write_common(v, off, (uint32_t)access->value);
	else
		access->value = read_common(v, off);
}

/* Only from the window, and where a doorbell has another width: else the bridge has rung already. */
static void notify(struct vc_virtio *v, const struct vc_access *access, uint32_t off)
{
	struct vc__virtio_queue *q = vc__virtio_queue_at(v, off / NOTIFY_MULTIPLE);

	if (access->is_write && off % NOTIFY_MULTIPLE == 0 && q)
		vc__virtio_kick(q);
}

static void access_bar(struct vc_virtio *v, struct vc_access *access)
{
	uint32_t off = (uint32_t)access->off;

	if (off < COMMON + COMMON_BYTES) {
		access_common(v, access, off - COMMON);
		return;
	}
	if (off >= CONFIG && off < CONFIG + CONFIG_BYTES) {
		vc__virtio_config(v, access, off - CONFIG);
		return;
	}
	if (off >= NOTIFY && off < NOTIFY + NOTIFY_BYTES)
		notify(v, access, off - NOTIFY);
	if (!access->is_write)
		access->value = off == ISR ? acknowledge(to_pci(v)) : 0;
}

/* The window: an access to its data is one to the place of the BAR that its fields tell. */
static void access_window(struct vc_virtio *v, struct vc_access *access)
{
	struct pci *p = to_pci(v);
	uint32_t bar = vc_pci_function_config(p->function, p->window + 4, 1);
	uint32_t off = vc_pci_function_config(p->function, p->window + 8, 4);
	uint32_t len = vc_pci_function_config(p->function, p->window + 12, 4);
	struct vc_access inner = *access;

	if (access->off != p->window + CAP_SHORT || bar != 0 || len != access->size || len > 4 ||
	    off % len != 0 || !vc_range_within(off, len, MSIX))
		return;
	inner.range = 0;
	inner.off = off;
	inner.value = access->is_write ? access->value : UINT64_MAX;
	access_bar(v, &inner);
	access->value = inner.value;
}

static void pci_access(struct vc_virtio *v, struct vc_access *access)
{
	if (access->range == VC_PCI_RANGE_CONFIG)
		access_window(v, access);
	else
		access_bar(v, access);
}

static void pci_reset(struct vc_virtio *v)
{
	struct pci *p = to_pci(v);

	p->device_sel = p->driver_sel = p->queue_sel = 0;
	for (uint32_t i = 0; i <= CONFIG_SOURCE; i++)
		atomic_store(&p->vectors[i], NO_VECTOR);
	(void)acknowledge(p);
}

static void pci_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	struct pci *p = to_pci(v);

	vc_state_put_u64(writer, p->device_sel, 4);
	vc_state_put_u64(writer, p->driver_sel, 4);
	vc_state_put_u64(writer, p->queue_sel, 2);
	vc_state_put_u64(writer, atomic_load(&p->isr), 1);
	vc_state_put_u64(writer, atomic_load(&p->vectors[CONFIG_SOURCE]), 2);
	for (uint32_t i = 0; i < v->core->nr_queues; i++)
		vc_state_put_u64(writer, atomic_load(&p->vectors[i]), 2);
}

static int load_vector(struct vc_virtio *v, struct vc_state_reader *reader, uint32_t source)
{
	struct pci *p = to_pci(v);
	uint32_t vector = (uint32_t)vc_state_get_u64(reader, 2);

	if (vector >= p->nr_vectors && vector != NO_VECTOR)
		return vc_error_set(-EBADMSG, "devices", v->dev.name,
				    "impossible value: vector %u of %u", vector, p->nr_vectors);
	set_vector(p, source, vector);
	return 0;
}

static int pci_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	struct pci *p = to_pci(v);
	uint32_t isr;
	int r;

	p->device_sel = (uint32_t)vc_state_get_u64(reader, 4);
	p->driver_sel = (uint32_t)vc_state_get_u64(reader, 4);
	p->queue_sel = (uint16_t)vc_state_get_u64(reader, 2);
	isr = (uint32_t)vc_state_get_u64(reader, 1);
	if (isr & ~(ISR_QUEUE | ISR_CONFIG))
		return vc_error_set(-EBADMSG, "devices", v->dev.name,
				    "impossible value: ISR status");
	r = load_vector(v, reader, CONFIG_SOURCE);
	for (uint32_t i = 0; i < v->core->nr_queues && r == 0; i++)
		r = load_vector(v, reader, i);
	if (r < 0)
		return r;
	atomic_store(&p->isr, isr);
	update_intx(p);
	return 0;
}

static void pci_destroy(struct vc_virtio *v)
{
	struct pci *p = to_pci(v);

	vc_pci_function_destroy(p->function);
	free(p);
}

static const struct vc__virtio_transport pci_transport = {
	.access = pci_access,
	.signal = pci_signal,
	.reset = pci_reset,
	.save = pci_save,
	.load = pci_load,
	.destroy = pci_destroy,
};

static int add_cap(struct pci *p, enum cap_type type, uint32_t off, uint32_t bytes)
{
	const struct cap writable = {
		.bar = 0xff, .off = UINT32_MAX, .bytes = UINT32_MAX, .extra = UINT32_MAX
	};
	bool is_long = type == CAP_NOTIFY || type == CAP_PCI;
	struct cap cap = { .len = is_long ? CAP_LONG : CAP_SHORT,
			   .type = (uint8_t)type,
			   .off = off,
			   .bytes = bytes,
			   .extra = type == CAP_NOTIFY ? NOTIFY_MULTIPLE : 0 };
	struct vc_pci_capability c = { .size = sizeof(c),
				       .id = CAP_VENDOR,
				       .len = cap.len,
				       .bytes = &cap,
				       .writable = type == CAP_PCI ? &writable : NULL,
				       .is_trapped = type == CAP_PCI };

	return vc_pci_function_add_capability(p->function, &c);
}

static int add_doorbells(struct vc_virtio *v, struct pci *p)
{
	int r = 0;

	for (uint32_t i = 0; i < v->core->nr_queues && r >= 0; i++) {
		const struct vc_pci_doorbell bell = { .size = sizeof(bell),
						      .off = NOTIFY + NOTIFY_MULTIPLE * i,
						      .has_fd = true,
						      .fd = v->core->queues[i].kick_fd };

		r = vc_pci_function_add_doorbell(p->function, &bell);
	}
	return r;
}

/* What a guest without a driver makes of it. [PCI Code and ID Assignment 1.11] */
static uint32_t class_of(uint32_t id)
{
	switch (id) {
	case 1:
		return 0x020000; /* network, Ethernet */
	case 2:
	case 8:
		return 0x010000; /* mass storage, SCSI */
	case 3:
		return 0x078000; /* communication, other */
	default:
		return 0x00ff00;
	}
}

static int make_function(struct vc_virtio *v, struct pci *p)
{
	const struct vc_pci_function_config cfg = {
		.size = sizeof(cfg),
		.dev = &v->dev,
		.vendor_id = VENDOR,
		.device_id = (uint16_t)(DEVICE_FROM + v->ops->id),
		.subsystem_vendor_id = VENDOR,
		.subsystem_id = (uint16_t)(DEVICE_FROM + v->ops->id),
		.class_code = class_of(v->ops->id),
		.revision = REVISION,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM64, .len = BAR_BYTES } },
		.nr_vectors = p->nr_vectors,
		.msix_off = MSIX,
	};
	int r = vc_pci_function_create(&cfg, &p->function);

	if (r >= 0)
		r = add_cap(p, CAP_COMMON, COMMON, COMMON_BYTES);
	if (r >= 0)
		r = add_cap(p, CAP_ISR, ISR, 1);
	if (r >= 0 && v->ops->config_bytes > 0)
		r = add_cap(p, CAP_DEVICE, CONFIG, v->ops->config_bytes);
	if (r >= 0)
		r = add_cap(p, CAP_NOTIFY, NOTIFY, v->core->nr_queues * NOTIFY_MULTIPLE);
	if (r >= 0)
		r = add_cap(p, CAP_PCI, 0, 0);
	if (r >= 0)
		p->window = (uint32_t)r;
	return r < 0 ? r : add_doorbells(v, p);
}

int vc_virtio_pci_attach(struct vc_virtio *v, struct vc_pci_function **ret_function)
{
	struct pci *p;
	int r;

	if (!v || !ret_function)
		return vc_error_set(-EINVAL, "devices", v ? v->dev.name : "virtio",
				    "device and ret_function are needed");
	if (v->core->transport)
		return vc_error_set(-EBUSY, "devices", v->dev.name, "it has a transport");
	if (v->ops->id > DEVICE_ID_MAX || v->ops->config_bytes > CONFIG_BYTES)
		return vc_error_set(-EINVAL, "devices", v->dev.name,
				    "id %u with %u bytes of configuration space, at most %u and %u "
				    "by PCI",
				    v->ops->id, v->ops->config_bytes, DEVICE_ID_MAX, CONFIG_BYTES);
	p = calloc(1, sizeof(*p));
	if (!p)
		return vc_error_set(-ENOMEM, "devices", v->dev.name, "no memory");
	p->nr_vectors = v->core->nr_queues + 1;
	for (uint32_t i = 0; i <= CONFIG_SOURCE; i++) {
		atomic_init(&p->vectors[i], NO_VECTOR);
		atomic_init(&p->fds[i], -1);
	}
	r = make_function(v, p);
	if (r < 0) {
		vc_pci_function_destroy(p->function);
		free(p);
		return r;
	}
	v->core->transport_data = p;
	v->core->transport = &pci_transport;
	*ret_function = p->function;
	return 0;
}
