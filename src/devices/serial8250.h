/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and state of the UART. [PC16550D data sheet 8] */
#ifndef VC_SERIAL8250_H
#define VC_SERIAL8250_H

#include <libvirtcore/device.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/stream.h>

#define REG_DATA 0u /* RBR, THR; DLL */
#define REG_IER	 1u /* ; DLM */
#define REG_IIR	 2u /* read */
#define REG_FCR	 2u /* write */
#define REG_LCR	 3u
#define REG_MCR	 4u
#define REG_LSR	 5u
#define REG_MSR	 6u
#define REG_SCR	 7u
#define NR_REGS	 8u

#define IER_RDI	 0x01u
#define IER_THRI 0x02u
#define IER_RLSI 0x04u
#define IER_MSI	 0x08u
#define IER_ALL	 0x0fu

#define IIR_NONE    0x01u
#define IIR_MSI	    0x00u
#define IIR_THRI    0x02u
#define IIR_RDI	    0x04u
#define IIR_RLSI    0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFOS   0xc0u

#define FCR_ENABLE   0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_CLEAR_TX 0x04u
#define FCR_DMA	     0x08u
#define FCR_TRIGGER  0xc0u
#define FCR_KEPT     (FCR_ENABLE | FCR_DMA | FCR_TRIGGER)

#define LCR_DLAB 0x80u

#define MCR_DTR	 0x01u
#define MCR_RTS	 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_ALL	 0x1fu

#define LSR_DR	 0x01u
#define LSR_OE	 0x02u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u

#define MSR_DELTAS 0x0fu
#define MSR_CTS	   0x10u
#define MSR_DSR	   0x20u
#define MSR_RI	   0x40u
#define MSR_DCD	   0x80u

#define FIFO_LEN      16u
#define DIVISOR_RESET 12u /* 9600 baud of 1.8432 MHz */

struct fifo {
	uint8_t buf[FIFO_LEN];
	uint8_t head; /* next out */
	uint8_t count;
};

struct uart {
	struct vc_device dev;
	struct vc_irq *irq;
	struct vc_stream *stream; /* NULL = nobody there */
	bool is_raised;		  /* what the irq was told last */

	uint8_t ier, fcr, lcr, mcr, scr;
	uint16_t divisor;
	bool is_overrun;      /* LSR.OE */
	bool is_thre_pending; /* THRE event not yet seen through IIR */
	uint8_t msr;	      /* lines and deltas */
	struct fifo rx, tx;
};

/* serial8250_state.c */
int vc__uart_save(struct vc_device *dev, struct vc_state_writer *writer);
int vc__uart_load(struct vc_device *dev, struct vc_state_reader *reader);
/* serial8250.c: MSR's upper half; */
uint8_t vc__uart_lines(const struct uart *uart);
/* brings stream, irq and polling thread in line with registers just loaded. */
void vc__uart_resume(struct uart *uart);

#endif /* VC_SERIAL8250_H */
