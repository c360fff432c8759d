/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform devices at a guest's mercy: accesses of every size and address, bytes that arrive,
 * a far end that takes few, pins, EOIs, resets, state saved, loaded, and loaded from anybody. The
 * interrupt side of the cpu layer is played by this file. What must hold: whatever a device saves it
 * also loads, and saves again the same; nothing grows; a refused load leaves a device that works.
 */
#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/snapshot.h>
#include <libvirtcore/stream.h>

#include "ioapic.h"
#include "serial8250.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NR_DEVICES 7u
#define STATE_MAX  4096u

/* The machine of one input, and what is left of the input. */
struct machine {
	const uint8_t *data;
	size_t size;
	struct vc_bus *pio, *mmio;
	struct vc_device *devs[NR_DEVICES]; /* the last is the I/O APIC */
	struct vc_stream *stream;
	struct vc_irq *irq;
	size_t window, nr_in;
	uint64_t nr_requests;
};

struct vc_irq {
	struct vc_device *ioapic; /* of a line; NULL for a pin's message */
};

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

int vc_irq_create_pin(struct vc_partition *partition, uint32_t pin, struct vc_irq **ret_irq)
{
	(void)partition;
	(void)pin;
	*ret_irq = calloc(1, sizeof(**ret_irq));
	return *ret_irq ? 0 : -ENOMEM;
}

void vc_irq_destroy(struct vc_irq *irq)
{
	free(irq);
}

int vc_irq_set_msi(struct vc_irq *irq, const struct vc_msi *msi)
{
	must(irq && !irq->ioapic && (!msi || msi->data & 0x8000));
	return 0;
}

int vc_irq_send_msi(struct vc_partition *partition, const struct vc_msi *msi)
{
	must(partition && msi->address >> 20 == 0xfee && msi->data <= 0xc7ff);
	return msi->address & 0x8000 ? 0 : 1; /* half of all targets do not exist */
}

int vc_irq_set_level(struct vc_irq *irq, bool is_high)
{
	return vc_ioapic_set_level(irq->ioapic, 4, is_high);
}

static uint64_t take(struct machine *m, unsigned int len)
{
	uint64_t value = 0;

	for (; len > 0 && m->size > 0; len--, m->data++, m->size--)
		value = value << 8 | *m->data;
	return value;
}

static ssize_t far_read(void *opaque, void *buf, size_t len)
{
	struct machine *m = opaque;
	size_t n = m->nr_in < len ? m->nr_in : len;

	memset(buf, 'i', n);
	m->nr_in -= n;
	return n ? (ssize_t)n : -EAGAIN;
}

static ssize_t far_write(void *opaque, const void *buf, size_t len)
{
	struct machine *m = opaque;
	size_t n = m->window < len ? m->window : len;

	(void)buf;
	must(len <= FIFO_LEN);
	m->window -= n;
	return n ? (ssize_t)n : -EAGAIN;
}

static size_t far_pollfds(void *opaque, bool want_read, bool want_write, struct pollfd *fds,
			  size_t nr)
{
	(void)opaque, (void)want_read, (void)want_write;
	must(nr > 0);
	fds[0] = (struct pollfd){ .fd = -1 };
	return 1;
}

static const struct vc_stream_ops far_ops = { far_read, far_write, far_pollfds, NULL };

static void count_request(void *opaque, enum vc_request request, uint64_t code)
{
	struct machine *m = opaque;

	must(request <= VC_REQUEST_PANICKED && code <= UINT32_MAX);
	m->nr_requests++;
}

static void claim_all(struct machine *m)
{
	static const struct {
		uint16_t base, len;
		uint8_t dev, range;
	} at[] = {
		{ 0x3f8, 8, 0, 0 }, { 0x70, 2, 1, 0 }, { 0x60, 1, 2, 0 }, { 0x64, 1, 2, 1 },
		{ 0x92, 1, 2, 2 },  { 0x80, 4, 3, 0 }, { 0xf4, 4, 4, 0 }, { 0xf8, 1, 5, 0 },
	};
	size_t i;

	must(vc_bus_create(VC_SPACE_PIO, &m->pio) == 0);
	must(vc_bus_create(VC_SPACE_MMIO, &m->mmio) == 0);
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		must(vc_bus_claim(m->pio, at[i].base, at[i].len, m->devs[at[i].dev], at[i].range) ==
		     0);
	must(vc_bus_claim(m->mmio, VC_IOAPIC_BASE, VC_IOAPIC_LENGTH, m->devs[6], 0) == 0);
	must(vc_bus_freeze(m->pio) == 0);
	must(vc_bus_freeze(m->mmio) == 0);
}

static void make(struct machine *m)
{
	struct vc_stream_config far = {
		.size = sizeof(far), .kind = VC_STREAM_OPS, .ops = &far_ops, .opaque = m
	};
	struct vc_serial8250_config uart = { .size = sizeof(uart) };
	struct vc_rtc_config rtc = { .size = sizeof(rtc), .mem_low_bytes = 1u << 27 };
	struct vc_request_config ask = { .size = sizeof(ask), .fn = count_request, .opaque = m };
	struct vc_ioapic_config ioapic = { .size = sizeof(ioapic),
					   .partition = (struct vc_partition *)m };

	must(vc_ioapic_create(&ioapic, &m->devs[6]) == 0);
	m->irq = calloc(1, sizeof(*m->irq));
	must(m->irq != NULL);
	m->irq->ioapic = m->devs[6];
	must(vc_stream_open(&far, &m->stream) == 0);
	uart.stream = m->stream;
	uart.irq = m->irq;
	must(vc_serial8250_create(&uart, &m->devs[0]) == 0);
	must(vc_rtc_create(&rtc, &m->devs[1]) == 0);
	must(vc_i8042_create(&ask, &m->devs[2]) == 0);
	must(vc_pm_create(&ask, &m->devs[3]) == 0);
	must(vc_debug_exit_create(&ask, &m->devs[4]) == 0);
	must(vc_pvpanic_create(&ask, &m->devs[5]) == 0);
	claim_all(m);
}

static void take_down(struct machine *m)
{
	size_t i;

	vc_bus_destroy(m->pio);
	vc_bus_destroy(m->mmio);
	for (i = 0; i < NR_DEVICES; i++)
		vc_device_destroy(m->devs[i]);
	vc_irq_destroy(m->irq);
}

static void one_access(struct machine *m, bool is_mmio)
{
	unsigned int bits = (unsigned int)take(m, 1), size = 1u << (bits & 3);
	uint64_t mask = UINT64_MAX >> (64 - 8 * size);
	uint64_t addr = take(m, 2), value = bits & 0x10 ? take(m, size) : take(m, 1);

	/* The high bits of an MMIO address are always ours, else nothing would ever hit. */
	addr = is_mmio ? VC_IOAPIC_BASE + addr % 0x1010 : addr & 0x3ff;
	if (vc_bus_access(is_mmio ? m->mmio : m->pio, addr, size, bits & 4, &value) == 1 &&
	    !(bits & 4))
		must(value == mask);
	if (!(bits & 4))
		must(value <= mask);
}

/* Saves one device into @buf as a stream; its length. */
static size_t save(struct vc_device *dev, uint8_t *buf)
{
	struct vc_state_writer *writer;
	const void *bytes;
	size_t len;

	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_device_save(dev, writer) == 0);
	must(vc_state_finish(writer, &bytes, &len) == 0 && len <= STATE_MAX);
	memcpy(buf, bytes, len);
	vc_state_writer_destroy(writer);
	return len;
}

static int load(struct vc_device *dev, const uint8_t *buf, size_t len)
{
	struct vc_state_reader *reader;
	int r;

	must(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader) == 0);
	r = vc_device_load(dev, reader);
	vc_state_reader_destroy(reader);
	return r;
}

static void save_and_load(struct machine *m, unsigned int idx)
{
	uint8_t before[STATE_MAX], after[STATE_MAX];
	size_t len = save(m->devs[idx], before), window = m->window;

	m->window = 0; /* a UART offers what waits at once: here nobody takes it */
	must(load(m->devs[idx], before, len) == 0);
	/* A level that found no target may find one now, and a clock's flags go on. */
	if (idx != 1 && idx != 6)
		must(save(m->devs[idx], after) == len && memcmp(before, after, len) == 0);
	m->window = window;
}

/* A section with bytes of the input in it, or with some of a good one's replaced. */
static void load_anything(struct machine *m, unsigned int idx)
{
	struct vc_state_writer *writer;
	uint8_t payload[256];
	const void *bytes;
	size_t i, len = (size_t)take(m, 1);
	int r;

	for (i = 0; i < len; i++)
		payload[i] = (uint8_t)take(m, 1);
	must(vc_state_writer_create(VC_ARCH_X86_64, &writer) == 0);
	must(vc_state_begin(writer, m->devs[idx]->name, 1) == 0);
	vc_state_put_bytes(writer, payload, len);
	must(vc_state_end(writer) == 0);
	must(vc_state_finish(writer, &bytes, &len) == 0);
	r = load(m->devs[idx], bytes, len);
	must(r == 0 || r == -EBADMSG);
	vc_state_writer_destroy(writer);
	save_and_load(m, idx);
}

/* One turn of a polling thread that finds the far end ready. */
static void poll_uart(struct machine *m)
{
	struct pollfd fds[VC_DEVICE_POLLFDS_MAX];
	size_t nr = vc_device_pollfds(m->devs[0], fds, VC_DEVICE_POLLFDS_MAX);

	must(nr == 1);
	fds[0].revents = POLLIN | POLLOUT;
	vc_device_dispatch(m->devs[0], fds, nr);
}

static void step(struct machine *m)
{
	unsigned int op = (unsigned int)take(m, 1), idx = (op >> 4) % NR_DEVICES;

	switch (op & 15) {
	case 0:
		m->nr_in += take(m, 1);
		break;
	case 1:
		m->window += take(m, 1);
		break;
	case 2:
		poll_uart(m);
		break;
	case 3:
		vc_device_reset(m->devs[idx]);
		break;
	case 4:
		save_and_load(m, idx);
		break;
	case 5:
		load_anything(m, idx);
		break;
	case 6:
		(void)vc_ioapic_set_level(m->devs[6], (uint32_t)take(m, 1) % 32, op & 0x10);
		break;
	case 7:
		must(vc_ioapic_eoi(m->devs[6], (uint8_t)take(m, 1)) == 0);
		break;
	default:
		one_access(m, (op & 15) >= 13);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { .data = data, .size = size };

	make(&m);
	while (m.size > 0)
		step(&m);
	save_and_load(&m,
		      0); /* of the others inputs ask: all of them would take most of the time */
	/* The far end takes everything: nothing may be left waiting. */
	m.window = SIZE_MAX;
	poll_uart(&m);
	must(vc_container_of(m.devs[0], struct uart, dev)->tx.count == 0);
	take_down(&m);
	return 0;
}
