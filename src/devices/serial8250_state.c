/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The UART's section of a state stream: save, load, and what of a loaded one is refused.
 *
 * Version 1: ier fcr lcr mcr scr, divisor (u16), overrun, thre pending, msr deltas, then per
 * direction (rx, tx) a count and that many bytes, oldest first. Modem lines, LSR and the interrupt
 * follow from these. Runs on the control thread under the device's lock. Leaves out: the stream,
 * whose far end is not part of a machine.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <string.h>

#include "serial8250.h"

#define STATE_VERSION 1u

static void put_fifo(struct vc_state_writer *writer, const struct fifo *fifo)
{
	unsigned int i;

	vc_state_put_u64(writer, fifo->count, 1);
	for (i = 0; i < fifo->count; i++)
		vc_state_put_u64(writer, fifo->buf[(fifo->head + i) % FIFO_LEN], 1);
}

int vc__uart_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	const struct uart *uart = vc_container_of(dev, struct uart, dev);
	int r = vc_state_begin(writer, dev->name, STATE_VERSION);

	if (r < 0)
		return r;
	vc_state_put_u64(writer, uart->ier, 1);
	vc_state_put_u64(writer, uart->fcr, 1);
	vc_state_put_u64(writer, uart->lcr, 1);
	vc_state_put_u64(writer, uart->mcr, 1);
	vc_state_put_u64(writer, uart->scr, 1);
	vc_state_put_u64(writer, uart->divisor, 2);
	vc_state_put_u64(writer, uart->is_overrun, 1);
	vc_state_put_u64(writer, uart->is_thre_pending, 1);
	vc_state_put_u64(writer, uart->msr & MSR_DELTAS, 1);
	put_fifo(writer, &uart->rx);
	put_fifo(writer, &uart->tx);
	return vc_state_end(writer);
}

struct loaded {
	uint8_t ier, fcr, lcr, mcr, scr;
	uint16_t divisor;
	uint8_t is_overrun, is_thre_pending, deltas;
	struct fifo rx, tx;
};

static void get_fifo(struct vc_state_reader *reader, struct fifo *fifo)
{
	fifo->count = (uint8_t)vc_state_get_u64(reader, 1);
	if (fifo->count <= FIFO_LEN)
		(void)vc_state_get_bytes(reader, fifo->buf, fifo->count);
}

static const char *bad_field(const struct loaded *s)
{
	unsigned int size = s->fcr & FCR_ENABLE ? FIFO_LEN : 1;

	if (s->ier & ~IER_ALL)
		return "ier";
	if ((s->fcr & ~FCR_KEPT) || (s->fcr && !(s->fcr & FCR_ENABLE)))
		return "fcr";
	if (s->mcr & ~MCR_ALL)
		return "mcr";
	if (s->is_overrun > 1)
		return "overrun";
	if (s->is_thre_pending > 1 || (s->is_thre_pending && s->tx.count > 0))
		return "thre";
	if (s->deltas & ~MSR_DELTAS)
		return "msr";
	if (s->rx.count > size)
		return "receive count";
	return s->tx.count > size ? "transmit count" : NULL;
}

int vc__uart_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct uart *uart = vc_container_of(dev, struct uart, dev);
	struct loaded s = { 0 };
	const char *bad;
	uint32_t version;
	int r = vc_state_open(reader, dev->name, STATE_VERSION, &version);

	if (r < 0)
		return r;
	s.ier = (uint8_t)vc_state_get_u64(reader, 1);
	s.fcr = (uint8_t)vc_state_get_u64(reader, 1);
	s.lcr = (uint8_t)vc_state_get_u64(reader, 1);
	s.mcr = (uint8_t)vc_state_get_u64(reader, 1);
	s.scr = (uint8_t)vc_state_get_u64(reader, 1);
	s.divisor = (uint16_t)vc_state_get_u64(reader, 2);
	s.is_overrun = (uint8_t)vc_state_get_u64(reader, 1);
	s.is_thre_pending = (uint8_t)vc_state_get_u64(reader, 1);
	s.deltas = (uint8_t)vc_state_get_u64(reader, 1);
	get_fifo(reader, &s.rx);
	get_fifo(reader, &s.tx);
	bad = bad_field(&s);
	r = vc_state_close(reader);
	if (bad)
		return vc_error_set(-EBADMSG, "devices", dev->name,
				    "state has a value that a UART cannot have in: %s", bad);
	if (r < 0)
		return r;

	dev->ops->reset(dev);
	uart->ier = s.ier;
	uart->fcr = s.fcr;
	uart->lcr = s.lcr;
	uart->mcr = s.mcr;
	uart->scr = s.scr;
	uart->divisor = s.divisor;
	uart->is_overrun = s.is_overrun;
	uart->is_thre_pending = s.is_thre_pending;
	uart->rx = s.rx;
	uart->tx = s.tx;
	uart->msr = (uint8_t)(vc__uart_lines(uart) | s.deltas);
	vc__uart_resume(uart);
	return 0;
}
