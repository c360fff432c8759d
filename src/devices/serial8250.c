/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A UART whose line is a stream. Registers run on vCPU threads, the stream's sink on the
 * polling thread, both under the device's lock.
 *
 * Time does not pass on the line: what the stream takes has been sent, so THRE follows a write at
 * once and the character timeout is due as soon as less than a trigger level has arrived. What the
 * stream does not take stays in the transmit FIFO (THRE and TEMT off) until it is writable again;
 * input is fetched only for room in the receive FIFO. Nothing grows beyond 2 x 16 bytes. The
 * interrupt pin is gated by OUT2 as on a PC's board, and with that is off in loopback.
 * Leaves out: baud rate, parity and framing errors, break (a stream has none), DMA pins.
 * Spec: [PC16550D data sheet 8]; probing order as Linux's 8250 driver does it.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>

#include <errno.h>
#include <string.h>

#include "device_private.h"
#include "serial8250.h"

static const uint8_t trigger_levels[] = { 1, 4, 8, 14 };

static struct uart *to_uart(struct vc_device *dev)
{
	return vc_container_of(dev, struct uart, dev);
}

/* Without FIFOs there is one holding register in each direction. */
static unsigned int fifo_size(const struct uart *uart)
{
	return uart->fcr & FCR_ENABLE ? FIFO_LEN : 1;
}

static void fifo_clear(struct fifo *fifo)
{
	fifo->head = 0;
	fifo->count = 0;
}

static void fifo_put(struct fifo *fifo, uint8_t byte)
{
	fifo->buf[(fifo->head + fifo->count) % FIFO_LEN] = byte;
	fifo->count++;
}

/* Highest priority first. [PC16550D 8.6 table IV] */
static unsigned int highest_source(const struct uart *uart)
{
	if ((uart->ier & IER_RLSI) && uart->is_overrun)
		return IIR_RLSI;
	if ((uart->ier & IER_RDI) && uart->rx.count > 0) {
		if (!(uart->fcr & FCR_ENABLE) || uart->rx.count >= trigger_levels[uart->fcr >> 6])
			return IIR_RDI;
		return IIR_TIMEOUT;
	}
	if ((uart->ier & IER_THRI) && uart->is_thre_pending)
		return IIR_THRI;
	if ((uart->ier & IER_MSI) && (uart->msr & MSR_DELTAS))
		return IIR_MSI;
	return IIR_NONE;
}

static void update_irq(struct uart *uart)
{
	bool is_gated = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) != MCR_OUT2;
	bool is_high = uart->ier && !is_gated && highest_source(uart) != IIR_NONE;

	if (is_high == uart->is_raised || !uart->irq)
		return;
	uart->is_raised = is_high;
	(void)vc_irq_set_level(uart->irq, is_high);
}

/* Gives the stream what waits; what it leaves is kept, and the polling thread told. */
static void drain_tx(struct uart *uart)
{
	struct fifo *tx = &uart->tx;

	while (tx->count > 0) {
		size_t run = FIFO_LEN - tx->head;
		size_t len = tx->count < run ? tx->count : run;
		size_t done = len;

		if (uart->stream)
			done = vc_stream_write(uart->stream, &tx->buf[tx->head], len);
		tx->head = (uint8_t)((tx->head + done) % FIFO_LEN);
		tx->count = (uint8_t)(tx->count - done);
		if (done < len) {
			vc_device_wake(&uart->dev);
			return;
		}
	}
	uart->is_thre_pending = true;
}

/* A character that arrived: one too many is lost in FIFO mode, replaces the last without. */
static void receive(struct uart *uart, uint8_t byte)
{
	if (uart->rx.count < fifo_size(uart)) {
		fifo_put(&uart->rx, byte);
		return;
	}
	uart->is_overrun = true;
	if (!(uart->fcr & FCR_ENABLE))
		uart->rx.buf[uart->rx.head] = byte;
}

/* The usual case: nothing waits and the stream takes the byte, from the head of the FIFO. */
static inline bool send_now(struct uart *uart, uint8_t byte)
{
	uint8_t *at = &uart->tx.buf[uart->tx.head];

	*at = byte;
	if (uart->stream && !vc_stream_write(uart->stream, at, 1))
		return false;
	uart->is_thre_pending = true;
	return true;
}

static inline void write_data(struct uart *uart, uint8_t byte)
{
	if (uart->mcr & MCR_LOOP) {
		receive(uart, byte);
		uart->is_thre_pending = uart->tx.count == 0;
		return;
	}
	if (uart->tx.count == 0 && send_now(uart, byte))
		return;
	uart->is_thre_pending = false;
	if (uart->tx.count >= fifo_size(uart))
		return; /* written without THRE: lost, as on the chip */
	if (uart->tx.count == 0)
		vc_device_wake(&uart->dev);
	fifo_put(&uart->tx, byte);
}

static uint8_t read_data(struct uart *uart)
{
	bool was_full = uart->rx.count >= fifo_size(uart);
	uint8_t byte = uart->rx.buf[uart->rx.head];

	if (uart->rx.count == 0)
		return 0;
	uart->rx.head = (uart->rx.head + 1) % FIFO_LEN;
	uart->rx.count--;
	if (was_full)
		vc_device_wake(&uart->dev);
	return byte;
}

/* Modem lines as the chip sees them: looped back from MCR, or those of a cable to somebody. */
uint8_t vc__uart_lines(const struct uart *uart)
{
	if (!(uart->mcr & MCR_LOOP))
		return uart->stream ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
	return (uint8_t)((uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
			 (uart->mcr & MCR_OUT1 ? MSR_RI : 0) |
			 (uart->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* Each delta is its line's bit shifted down; that of RI is set by its trailing edge only. */
static void update_lines(struct uart *uart)
{
	uint8_t lines = vc__uart_lines(uart);
	uint8_t changed = (uart->msr ^ lines) & (uint8_t)~MSR_DELTAS & (uint8_t) ~(lines & MSR_RI);

	uart->msr = (uint8_t)(lines | (uart->msr & MSR_DELTAS) | changed >> 4);
}

static void write_mcr(struct uart *uart, uint8_t value)
{
	bool was_loop = uart->mcr & MCR_LOOP;

	uart->mcr = value & MCR_ALL;
	update_lines(uart);
	if (was_loop && !(uart->mcr & MCR_LOOP))
		vc_device_wake(&uart->dev); /* input was held back */
}

static void write_ier(struct uart *uart, uint8_t value)
{
	value &= IER_ALL;
	/* Enabling the source while the holding register is empty is an event of its own. */
	if ((value & ~uart->ier & IER_THRI) && uart->tx.count == 0)
		uart->is_thre_pending = true;
	uart->ier = value;
}

static void write_fcr(struct uart *uart, uint8_t value)
{
	bool has_toggled = (value ^ uart->fcr) & FCR_ENABLE;
	bool was_full = uart->rx.count >= fifo_size(uart);

	/* The other bits are programmed only together with ENABLE. [PC16550D 8.5] */
	uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
	if (has_toggled || (value & FCR_ENABLE && value & FCR_CLEAR_RX))
		fifo_clear(&uart->rx);
	if (has_toggled || (value & FCR_ENABLE && value & FCR_CLEAR_TX)) {
		if (uart->tx.count > 0)
			uart->is_thre_pending = true;
		fifo_clear(&uart->tx);
	}
	if (was_full)
		vc_device_wake(&uart->dev);
}

static uint8_t read_iir(struct uart *uart)
{
	unsigned int source = highest_source(uart);

	if (source == IIR_THRI)
		uart->is_thre_pending = false;
	return (uint8_t)(source | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

static uint8_t read_lsr(struct uart *uart)
{
	unsigned int lsr = (uart->rx.count > 0 ? LSR_DR : 0) | (uart->is_overrun ? LSR_OE : 0) |
			   (uart->tx.count == 0 ? LSR_THRE | LSR_TEMT : 0);

	uart->is_overrun = false;
	return (uint8_t)lsr;
}

static uint8_t read_msr(struct uart *uart)
{
	uint8_t msr = uart->msr;

	uart->msr &= (uint8_t)~MSR_DELTAS;
	return msr;
}

static void write_reg(struct uart *uart, uint32_t reg, uint8_t value)
{
	bool is_divisor = uart->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (is_divisor)
			uart->divisor = (uint16_t)((uart->divisor & 0xff00u) | value);
		else
			write_data(uart, value);
		break;
	case REG_IER:
		if (is_divisor)
			uart->divisor = (uint16_t)((uart->divisor & 0xffu) | value << 8);
		else
			write_ier(uart, value);
		break;
	case REG_FCR:
		write_fcr(uart, value);
		break;
	case REG_LCR:
		uart->lcr = value;
		break;
	case REG_MCR:
		write_mcr(uart, value);
		break;
	case REG_SCR:
		uart->scr = value;
		break;
	default: /* LSR, MSR: read-only here; the data sheet keeps writes for factory tests */
		break;
	}
}

static uint8_t read_reg(struct uart *uart, uint32_t reg)
{
	bool is_divisor = uart->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return is_divisor ? (uint8_t)uart->divisor : read_data(uart);
	case REG_IER:
		return is_divisor ? (uint8_t)(uart->divisor >> 8) : uart->ier;
	case REG_IIR:
		return read_iir(uart);
	case REG_LCR:
		return uart->lcr;
	case REG_MCR:
		return uart->mcr;
	case REG_LSR:
		return read_lsr(uart);
	case REG_MSR:
		return read_msr(uart);
	default:
		return uart->scr;
	}
}

static void access_byte(struct vc_device *dev, uint32_t off, bool is_write, uint8_t *value)
{
	struct uart *uart = to_uart(dev);

	if (off >= NR_REGS)
		return;
	if (is_write)
		write_reg(uart, off, *value);
	else
		*value = read_reg(uart, off);
}

static void uart_access(struct vc_device *dev, struct vc_access *access)
{
	struct uart *uart = to_uart(dev);

	if (access->size != 1)
		vc__device_access_bytes(dev, access, access_byte);
	else if (access->is_write && access->off == REG_DATA && !(uart->lcr & LCR_DLAB))
		write_data(uart, (uint8_t)access->value); /* hot: a console's every character */
	else if (access->is_write)
		write_reg(uart, (uint32_t)access->off, (uint8_t)access->value);
	else
		access->value = read_reg(uart, (uint32_t)access->off);
	if (uart->ier || uart->is_raised)
		update_irq(uart);
}

static size_t sink_room(void *opaque)
{
	const struct uart *uart = opaque;

	if (uart->mcr & MCR_LOOP)
		return 0;
	return fifo_size(uart) - uart->rx.count;
}

static void sink_received(void *opaque, const uint8_t *buf, size_t len)
{
	struct uart *uart = opaque;
	size_t i;

	for (i = 0; i < len; i++)
		receive(uart, buf[i]);
	update_irq(uart);
}

static void sink_writable(void *opaque)
{
	struct uart *uart = opaque;

	if (uart->tx.count == 0)
		return;
	drain_tx(uart);
	update_irq(uart);
}

static const struct vc_stream_sink sink = {
	.room = sink_room,
	.received = sink_received,
	.writable = sink_writable,
};

static void uart_reset(struct vc_device *dev)
{
	struct uart *uart = to_uart(dev);

	uart->ier = uart->fcr = uart->lcr = uart->mcr = uart->scr = 0;
	uart->divisor = DIVISOR_RESET;
	uart->is_overrun = false;
	uart->is_thre_pending = true;
	memset(&uart->rx, 0, sizeof(uart->rx));
	memset(&uart->tx, 0, sizeof(uart->tx));
	uart->msr = vc__uart_lines(uart);
	vc__uart_resume(uart);
}

void vc__uart_resume(struct uart *uart)
{
	if (uart->tx.count > 0)
		drain_tx(uart);
	update_irq(uart);
	vc_device_wake(&uart->dev);
}

static size_t uart_pollfds(struct vc_device *dev, struct pollfd *fds, size_t nr)
{
	struct uart *uart = to_uart(dev);

	return uart->stream ? vc_stream_pollfds(uart->stream, fds, nr) : 0;
}

static void uart_dispatch(struct vc_device *dev, const struct pollfd *fds, size_t nr)
{
	struct uart *uart = to_uart(dev);

	if (uart->stream)
		(void)vc_stream_dispatch(uart->stream, fds, nr);
}

static void uart_destroy(struct vc_device *dev)
{
	struct uart *uart = to_uart(dev);

	vc_stream_close(uart->stream);
	vc_device_fini(dev);
	free(uart);
}

static const struct vc_device_ops uart_ops = {
	.type = "serial8250",
	.access = uart_access,
	.reset = uart_reset,
	.save = vc__uart_save,
	.load = vc__uart_load,
	.destroy = uart_destroy,
	.pollfds = uart_pollfds,
	.dispatch = uart_dispatch,
};

int vc_serial8250_create(const struct vc_serial8250_config *cfg, struct vc_device **ret_dev)
{
	struct vc_serial8250_config c;
	struct uart *uart;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_dev)
		return vc_error_set(-EINVAL, "devices", c.name, "ret_dev is needed");
	uart = calloc(1, sizeof(*uart));
	if (!uart)
		return vc_error_set(-ENOMEM, "devices", c.name, "no memory");
	r = vc_device_init(&uart->dev, &uart_ops, c.name ? c.name : "serial0");
	if (r < 0) {
		free(uart);
		return r;
	}
	/* The last step that can fail: until it succeeds the stream stays the caller's. */
	r = c.stream ? vc_stream_set_sink(c.stream, &sink, uart) : 0;
	if (r < 0) {
		vc_device_destroy(&uart->dev);
		return r;
	}
	uart->stream = c.stream;
	uart->irq = c.irq;
	uart_reset(&uart->dev);
	*ret_dev = &uart->dev;
	return 0;
}
