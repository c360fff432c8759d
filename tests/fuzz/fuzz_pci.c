/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host bridge at a guest's mercy: configuration space, BARs, MSI-X, doorbells, INTx, resets, state
 * saved, loaded, and loaded from anybody. The cpu layer is played by this file and judges: doorbells
 * lie in windows and on no other's place, a closed vector sends nothing, a line is high exactly as
 * long as a function that may says so, no device sees an offset outside of its BAR.
 */
#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/snapshot.h>

#include "pci_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NR_FUNCTIONS 2u
#define NR_VECTORS   3u
#define NR_BELLS     8u
#define STATE_MAX    8192u
#define STATES_MAX   2u
#define ECAM	     0xe0000000ull
#define MEM32	     0xc0000000ull
#define MEM32_LEN    0x40000ull
#define MEM64	     0x100000000ull
#define MEM64_LEN    0x40000ull
#define IO	     0xc000ull
#define IO_LEN	     0x200ull

struct vc_irq {
	struct vc_partition *partition; /* of a message; NULL for a line */
	int fd;
	bool is_open, is_high;
};

struct vc_doorbell {
	struct vc_partition *partition;
	struct vc_doorbell_config cfg;
};

struct device {
	struct vc_device dev;
	struct vc_pci_function *pci;
	int bell;
};

/* Stands for a partition as well, of which nothing is known here. */
struct vc_partition {
	const uint8_t *data;
	size_t size;
	struct vc_bus *mmio, *pio;
	struct vc_device *bridge;
	struct device devices[NR_FUNCTIONS];
	struct vc_irq lines[VC_PCI_LINES];
	struct vc_doorbell *bells[NR_BELLS];
	unsigned int nr_states; /* saved and loaded: they cost more than all else */
};

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

int vc_irq_create_msi(struct vc_partition *partition, const struct vc_msi *msi,
		      struct vc_irq **ret_irq)
{
	must(!msi);
	*ret_irq = calloc(1, sizeof(**ret_irq));
	must(*ret_irq != NULL);
	(*ret_irq)->partition = partition;
	(*ret_irq)->fd = -1;
	return 0;
}

void vc_irq_destroy(struct vc_irq *irq)
{
	if (irq && irq->fd >= 0)
		close(irq->fd);
	free(irq);
}

int vc_irq_set_msi(struct vc_irq *irq, const struct vc_msi *msi)
{
	uint64_t nr;

	must(irq->partition && !(msi && msi->address & 3));
	irq->is_open = msi != NULL;
	if (irq->is_open && irq->fd >= 0)
		(void)!read(irq->fd, &nr, sizeof(nr));
	return 0;
}

int vc_irq_pulse(struct vc_irq *irq)
{
	must(irq->partition && irq->is_open);
	return 0;
}

int vc_irq_fd(struct vc_irq *irq)
{
	if (irq->fd < 0)
		irq->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return irq->fd;
}

int vc_irq_set_level(struct vc_irq *irq, bool is_high)
{
	must(!irq->partition && irq->is_high != is_high);
	irq->is_high = is_high;
	return 0;
}

static bool is_within(uint64_t addr, uint64_t base, uint64_t len)
{
	return addr >= base && addr - base < len;
}

int vc_doorbell_create(struct vc_partition *partition, const struct vc_doorbell_config *cfg,
		       struct vc_doorbell **ret_doorbell)
{
	struct vc_doorbell *bell = calloc(1, sizeof(*bell));
	size_t i, at = NR_BELLS;

	must(bell && cfg->has_fd && cfg->fd >= 0);
	must(cfg->space == VC_SPACE_PIO ? is_within(cfg->addr, IO, IO_LEN)
					: is_within(cfg->addr, MEM32, MEM32_LEN) ||
						  is_within(cfg->addr, MEM64, MEM64_LEN));
	for (i = 0; i < NR_BELLS; i++) {
		if (!partition->bells[i])
			at = i;
		else
			must(partition->bells[i]->cfg.addr != cfg->addr ||
			     partition->bells[i]->cfg.space != cfg->space);
	}
	must(at < NR_BELLS);
	bell->partition = partition;
	bell->cfg = *cfg;
	partition->bells[at] = bell;
	*ret_doorbell = bell;
	return 0;
}

void vc_doorbell_destroy(struct vc_doorbell *bell)
{
	size_t i;

	for (i = 0; bell && i < NR_BELLS; i++)
		if (bell->partition->bells[i] == bell)
			bell->partition->bells[i] = NULL;
	free(bell);
}

static uint64_t take(struct vc_partition *m, unsigned int len)
{
	uint64_t value = 0;

	for (; len > 0 && m->size > 0; len--, m->data++, m->size--)
		value = value << 8 | *m->data;
	return value;
}

/* A device that checks, and raises what it is written. */
static void device_access(struct vc_device *dev, struct vc_access *access)
{
	struct device *d = vc_container_of(dev, struct device, dev);

	if (access->range == VC_PCI_RANGE_CONFIG) {
		must(access->off >= PCI_HEADER_END &&
		     access->off + access->size <= PCI_CONFIG_BYTES);
		return;
	}
	must(access->range < VC_PCI_BARS &&
	     vc_range_within(access->off, access->size, d->pci->bars[access->range].len));
	if (!access->is_write)
		access->value = access->off;
	else if (access->off & 1)
		(void)vc_pci_function_set_intx(d->pci, access->value & 1);
	else
		(void)vc_pci_function_raise(d->pci, (uint32_t)access->value % 4);
}

static void device_reset(struct vc_device *dev)
{
	(void)dev;
}

static int device_state(struct vc_device *dev, struct vc_state_writer *writer)
{
	(void)dev, (void)writer;
	return 0;
}

static int device_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	(void)dev, (void)reader;
	return 0;
}

static void device_destroy(struct vc_device *dev)
{
	struct device *d = vc_container_of(dev, struct device, dev);

	vc_pci_function_destroy(d->pci);
	vc_device_fini(dev);
}

static const struct vc_device_ops device_ops = {
	"fuzzed",    device_access,  device_reset, device_state,
	device_load, device_destroy, NULL,	   NULL,
};

static void make_device(struct vc_partition *m, unsigned int idx)
{
	static const uint8_t body[5], mask[5] = { 0xff, 0xff, 0xff, 0xff, 0xff };
	const struct vc_pci_capability cap = { .size = sizeof(cap),
					       .id = 9,
					       .len = 7,
					       .bytes = body,
					       .writable = mask,
					       .is_trapped = true };
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .bar = 1, .off = 8, .len = 2 };
	struct device *d = &m->devices[idx];
	struct vc_pci_function_config cfg = {
		.size = sizeof(cfg),
		.dev = &d->dev,
		.vendor_id = 0x1b36,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM64, .len = 0x8000 },
			  { 0 },
			  { .kind = VC_PCI_BAR_IO, .len = 64 },
			  { .kind = VC_PCI_BAR_MEM32, .len = 0x4000 } },
		.nr_vectors = NR_VECTORS,
		.msix_bar = idx == 1 ? 3 : 0,
		.msix_off = 0x40,
	};

	must(vc_device_init(&d->dev, &device_ops, "fuzzed") == 0);
	must(vc_pci_function_create(&cfg, &d->pci) == 0);
	must(vc_pci_function_add_capability(d->pci, &cap) > 0);
	bell.bar = idx == 1 ? 2 : 0;
	d->bell = vc_pci_function_add_doorbell(d->pci, &bell);
	must(d->bell >= 0);
	/* 1 and 5 share a line */
	must(vc_pci_bridge_attach(m->bridge, d->pci, idx == 0 ? 1 : 5) == 0);
}

static void make(struct vc_partition *m)
{
	struct vc_pci_bridge_config cfg = {
		.size = sizeof(cfg),
		.partition = m,
		.windows = { [VC_PCI_RANGE_MEM32] = { MEM32, MEM32_LEN },
			     [VC_PCI_RANGE_MEM64] = { MEM64, MEM64_LEN },
			     [VC_PCI_RANGE_IO] = { IO, IO_LEN } },
	};
	unsigned int i;

	for (i = 0; i < VC_PCI_LINES; i++)
		cfg.lines[i] = &m->lines[i];
	must(vc_pci_bridge_create(&cfg, &m->bridge) == 0);
	must(vc_bus_create(VC_SPACE_MMIO, &m->mmio) == 0);
	must(vc_bus_create(VC_SPACE_PIO, &m->pio) == 0);
	must(vc_bus_claim(m->mmio, ECAM, VC_PCI_ECAM_BYTES, m->bridge, VC_PCI_RANGE_ECAM) == 0);
	must(vc_bus_claim(m->mmio, MEM32, MEM32_LEN, m->bridge, VC_PCI_RANGE_MEM32) == 0);
	must(vc_bus_claim(m->mmio, MEM64, MEM64_LEN, m->bridge, VC_PCI_RANGE_MEM64) == 0);
	must(vc_bus_claim(m->pio, IO, IO_LEN, m->bridge, VC_PCI_RANGE_IO) == 0);
	must(vc_bus_freeze(m->mmio) == 0);
	must(vc_bus_freeze(m->pio) == 0);
	for (i = 0; i < NR_FUNCTIONS; i++)
		make_device(m, i);
}

static void take_down(struct vc_partition *m)
{
	unsigned int i;

	vc_bus_destroy(m->mmio);
	vc_bus_destroy(m->pio);
	/* in either order */
	vc_device_destroy(&m->devices[0].dev);
	vc_device_destroy(m->bridge);
	for (i = 1; i < NR_FUNCTIONS; i++)
		vc_device_destroy(&m->devices[i].dev);
	for (i = 0; i < NR_BELLS; i++)
		must(!m->bells[i]);
}

static void one_access(struct vc_partition *m, struct vc_bus *bus, uint64_t addr)
{
	unsigned int bits = (unsigned int)take(m, 1), size = 1u << (bits & 3);
	uint64_t mask = UINT64_MAX >> (64 - 8 * size), value = take(m, bits & 8 ? size : 1);

	if (bits & 0x10) /* addresses that a BAR can have */
		value = (value << 14) | (bits & 0x20 ? MEM32 : 0);
	value &= mask;
	(void)vc_bus_access(bus, addr, size, bits & 4, &value);
	must((bits & 4) || value <= mask);
}

/* What the lines have to be, worked out from nothing but configuration space. */
static void check_lines(const struct vc_partition *m)
{
	bool is_high[VC_PCI_LINES] = { false };
	unsigned int i;

	for (i = 0; i < NR_FUNCTIONS; i++) {
		const struct vc_pci_function *f = m->devices[i].pci;
		uint32_t command = vc_pci_function_config(f, PCI_COMMAND, 4);

		if ((command >> 16 & STATUS_INTX) && !(command & COMMAND_INTX_DISABLE) &&
		    !(vc_pci_function_config(f, f->msix_cap + 2u, 2) & MSIX_CONTROL_ENABLED))
			is_high[f->slot % VC_PCI_LINES] = true;
	}
	for (i = 0; i < VC_PCI_LINES; i++)
		must(m->lines[i].is_high == is_high[i]);
}

/* A doorbell is with the hypervisor only where its BAR is, and that is decoded. */
static void check_bells(const struct vc_partition *m)
{
	unsigned int i, k;

	for (i = 0; i < NR_BELLS; i++) {
		const struct vc_doorbell_config *bell = m->bells[i] ? &m->bells[i]->cfg : NULL;

		for (k = 0; bell && k < NR_FUNCTIONS; k++) {
			const struct vc_pci_function *f = m->devices[k].pci;
			bool is_io = bell->space == VC_SPACE_PIO;
			uint32_t low = vc_pci_function_config(f, PCI_BAR(is_io ? 2 : 0), 4);
			uint64_t high = is_io ? 0 : vc_pci_function_config(f, PCI_BAR(1), 4);

			if (m->devices[k].bell != bell->fd)
				continue;
			must((high << 32 | (low & ~0xfu)) + 8 == bell->addr);
			must(vc_pci_function_config(f, PCI_COMMAND, 2) &
			     (is_io ? COMMAND_IO : COMMAND_MEMORY));
		}
	}
}

static size_t save(struct vc_partition *m, uint8_t *buf)
{
	struct vc_state_writer *writer;
	const void *bytes;
	size_t len;

	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_device_save(m->bridge, writer) == 0);
	must(vc_state_finish(writer, &bytes, &len) == 0 && len <= STATE_MAX);
	memcpy(buf, bytes, len);
	vc_state_writer_destroy(writer);
	return len;
}

static int load(struct vc_partition *m, const uint8_t *buf, size_t len)
{
	struct vc_state_reader *reader;
	int r;

	must(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader) == 0);
	r = vc_device_load(m->bridge, reader);
	vc_state_reader_destroy(reader);
	return r;
}

static void save_and_load(struct vc_partition *m)
{
	uint8_t before[STATE_MAX], after[STATE_MAX];
	size_t len = save(m, before);

	must(load(m, before, len) == 0);
	must(save(m, after) == len && memcmp(before, after, len) == 0);
}

/* The section as it is, with bytes of the input here and there. */
static void load_changed(struct vc_partition *m)
{
	uint8_t buf[STATE_MAX], payload[STATE_MAX];
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	uint32_t version;
	size_t i, nr, len = save(m, buf);
	int r;

	must(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader) == 0);
	must(vc_state_open(reader, "pci", 1, &version) == 0);
	len = vc_state_left(reader);
	must(len <= sizeof(payload) && vc_state_get_bytes(reader, payload, len) == 0);
	vc_state_reader_destroy(reader);
	for (i = 0, nr = take(m, 1) % 8; i < nr; i++)
		payload[take(m, 2) % len] = (uint8_t)take(m, 1);
	if (nr == 7)
		len = take(m, 2) % (len + 1);
	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_state_begin(writer, "pci", 1) == 0);
	vc_state_put_bytes(writer, payload, len);
	must(vc_state_end(writer) == 0);
	must(vc_state_finish(writer, &bytes, &len) == 0);
	r = load(m, bytes, len);
	must(r == 0 || r == -EBADMSG);
	vc_state_writer_destroy(writer);
}

static void step(struct vc_partition *m)
{
	unsigned int op = (unsigned int)take(m, 1);
	struct device *d = &m->devices[(op >> 4) % NR_FUNCTIONS];
	uint64_t nr;

	switch (op & 15) {
	case 0:
		(void)vc_pci_function_raise(d->pci, op >> 6);
		break;
	case 1:
		(void)vc_pci_function_set_intx(d->pci, op >> 7);
		break;
	case 2:
		must(eventfd_write(vc_pci_function_vector_fd(d->pci, op >> 7), 1) == 0);
		break;
	case 3:
		if (op >> 7)
			vc_device_reset(m->bridge);
		break;
	case 4:
		if (m->nr_states++ < STATES_MAX)
			save_and_load(m);
		break;
	case 5:
		if (m->nr_states++ < STATES_MAX)
			load_changed(m);
		break;
	case 6:
		(void)!read(d->bell, &nr, sizeof(nr));
		break;
	case 7:
	case 8:
		one_access(m, m->mmio, MEM32 + take(m, 3) % MEM32_LEN);
		break;
	case 9:
		one_access(m, m->mmio, MEM64 + take(m, 3) % MEM64_LEN);
		break;
	case 10:
		one_access(m, m->pio, IO + take(m, 2) % IO_LEN);
		break;
	default: /* the first 256 bytes of those that are there */
		one_access(m, m->mmio, ECAM + ((uint64_t)d->pci->slot << 15) + take(m, 1));
	}
	check_lines(m);
	check_bells(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vc_partition m = { .data = data, .size = size };

	make(&m);
	while (m.size > 0)
		step(&m);
	take_down(&m);
	return 0;
}
