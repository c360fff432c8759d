/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output on the first serial port, polled: the line status register is read once per emptied
 * transmitter, that is every 16 bytes where the port says it has FIFOs and every byte where not.
 * Not locked: with several CPUs the boot CPU does the talking.
 * Spec: [PC16550D 8.0 registers].
 */
#include <stdarg.h>
#include "rt.h"

static u8 fifo_bytes; /* 0: the port was not looked at yet */
static u8 room;

static void open_port(void)
{
	guest_out8(GUEST_SERIAL_PORT + 2, 0x01); /* FCR: FIFOs on */
	fifo_bytes = (guest_in8(GUEST_SERIAL_PORT + 2) & 0xc0) == 0xc0 ? 16 : 1;
}

void guest_putc(char c)
{
	if (!fifo_bytes)
		open_port();
	if (!room) {
		while (!(guest_in8(GUEST_SERIAL_PORT + 5) & 0x20))
			guest_pause();
		room = fifo_bytes;
	}
	room--;
	guest_out8(GUEST_SERIAL_PORT, (u8)c);
}

void guest_puts(const char *s)
{
	while (*s)
		guest_putc(*s++);
}

static void put_number(u64 v, u32 base, int width, char pad)
{
	char buf[24];
	int n = 0;

	do {
		u32 digit = (u32)(v % base);

		buf[n++] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
		v /= base;
	} while (v);
	for (; width > n; width--)
		guest_putc(pad);
	while (n)
		guest_putc(buf[--n]);
}

static void put_signed(int64_t v, int width, char pad)
{
	if (v < 0)
		guest_putc('-');
	put_number(v < 0 ? 0 - (u64)v : (u64)v, 10, width, pad);
}

void guest_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		bool is_long = false;
		char pad = ' ';
		int width = 0;

		if (*fmt != '%') {
			guest_putc(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == '0')
			pad = *fmt++;
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + *fmt++ - '0';
		for (; *fmt == 'l'; fmt++)
			is_long = true;
		if (*fmt == 'x' || *fmt == 'u')
			put_number(is_long ? va_arg(ap, u64) : va_arg(ap, u32),
				   *fmt == 'x' ? 16 : 10, width, pad);
		else if (*fmt == 'd')
			put_signed(is_long ? va_arg(ap, int64_t) : va_arg(ap, int), width, pad);
		else if (*fmt == 's')
			guest_puts(va_arg(ap, const char *));
		else
			guest_putc(*fmt == 'c' ? (char)va_arg(ap, int) : *fmt);
	}
	va_end(ap);
}
