/* SPDX-License-Identifier: Apache-2.0 */
/* The UART: registers, FIFOs, sources and their order, modem lines, back-pressure, Linux's probe. */
#include "uart_unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

static int setup(void **state)
{
	*state = make_rig();
	return 0;
}

static int teardown(void **state)
{
	free_rig(*state);
	return 0;
}

static void expect_reset_state(struct vc_device *dev)
{
	assert_int_equal(in8(dev, REG_IER), 0);
	assert_int_equal(in8(dev, REG_IIR), IIR_NONE);
	assert_int_equal(in8(dev, REG_LCR), 0);
	assert_int_equal(in8(dev, REG_MCR), 0);
	assert_int_equal(in8(dev, REG_LSR), LSR_THRE | LSR_TEMT);
	assert_int_equal(in8(dev, REG_MSR), MSR_DCD | MSR_DSR | MSR_CTS);
	assert_int_equal(in8(dev, REG_SCR), 0);
	assert_int_equal(in8(dev, REG_DATA), 0);
	out8(dev, REG_LCR, LCR_DLAB);
	assert_int_equal(in8(dev, REG_DATA), DIVISOR_RESET);
	assert_int_equal(in8(dev, REG_IER), 0);
	out8(dev, REG_LCR, 0);
}

static void plain_registers(void **state)
{
	struct rig *rig = *state;
	unsigned int v;

	expect_reset_state(rig->dev);
	for (v = 0; v < 256; v++) {
		out8(rig->dev, REG_SCR, (uint8_t)v);
		assert_int_equal(in8(rig->dev, REG_SCR), v);
		out8(rig->dev, REG_LCR, (uint8_t)v);
		assert_int_equal(in8(rig->dev, REG_LCR), v);
		out8(rig->dev, REG_MCR, (uint8_t)v);
		assert_int_equal(in8(rig->dev, REG_MCR), v & MCR_ALL);
		out8(rig->dev, REG_LSR, (uint8_t)v);
		out8(rig->dev, REG_MSR, (uint8_t)v);
	}
	out8(rig->dev, REG_LCR, 0);
	for (v = 0; v < 256; v++) {
		out8(rig->dev, REG_IER, (uint8_t)v);
		assert_int_equal(in8(rig->dev, REG_IER), v & IER_ALL);
	}
	out8(rig->dev, REG_LCR, LCR_DLAB | 3);
	out8(rig->dev, REG_DATA, 0x34);
	out8(rig->dev, REG_IER, 0x12);
	assert_int_equal(in8(rig->dev, REG_DATA), 0x34);
	assert_int_equal(in8(rig->dev, REG_IER), 0x12);
	out8(rig->dev, REG_LCR, 3);
	assert_int_equal(rig->nr_out, 0); /* the divisor was not sent */
	vc_device_reset(rig->dev);
	expect_reset_state(rig->dev);
}

static void wide_accesses_are_split(void **state)
{
	struct rig *rig = *state;

	(void)device_access(rig->dev, 0, REG_SCR - 1, 2, true, 0x5a00);
	assert_int_equal(in8(rig->dev, REG_SCR), 0x5a);
	assert_int_equal(device_access(rig->dev, 0, REG_LSR, 2, false, 0), 0xb060);
	(void)device_access(rig->dev, 0, 0, 8, true, 0x7700001b00030041);
	assert_int_equal(rig->nr_out, 1);
	assert_int_equal(in8(rig->dev, REG_SCR), 0x77);
	/* a device never gets these from a bus; it survives them all the same */
	(void)device_access(rig->dev, 0, 4, 8, true, UINT64_MAX);
}

static void sends_at_once(void **state)
{
	struct rig *rig = *state;
	const char *c;

	for (c = "hello"; *c; c++) {
		out8(rig->dev, REG_DATA, (uint8_t)*c);
		assert_int_equal(in8(rig->dev, REG_LSR), LSR_THRE | LSR_TEMT);
	}
	assert_int_equal(rig->nr_out, 5);
	assert_memory_equal(rig->out, "hello", 5);
	assert_int_equal(rig->nr_wakes, 0);
}

static void full_stream_withholds_thre(void **state)
{
	struct rig *rig = *state;
	unsigned int i;

	out8(rig->dev, REG_FCR, FCR_ENABLE);
	out8(rig->dev, REG_MCR, MCR_OUT2);
	rig->window = 3;
	for (i = 0; i < 100; i++)
		out8(rig->dev, REG_DATA, (uint8_t)('a' + i));
	assert_int_equal(rig->nr_out, 3);
	assert_int_equal(rig->nr_wakes, 1);
	assert_int_equal(in8(rig->dev, REG_LSR), 0);
	out8(rig->dev, REG_IER, IER_THRI);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_NONE);
	turn(rig);
	assert_int_equal(rig->nr_out, 3);
	rig->window = 10;
	turn(rig);
	assert_int_equal(rig->nr_out, 13);
	assert_int_equal(in8(rig->dev, REG_LSR), 0);
	assert_false(rig->level);
	rig->window = 100;
	turn(rig);
	/* what fitted the FIFO arrives in order; what was written without THRE is lost */
	assert_int_equal(rig->nr_out, 3 + FIFO_LEN);
	assert_memory_equal(rig->out, "abcdefghijklmnopqrs", 3 + FIFO_LEN);
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_THRE | LSR_TEMT);
	assert_true(rig->level);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_THRI);
	assert_false(rig->level);
	out8(rig->dev, REG_DATA, '!');
	assert_true(rig->level);
}

static void without_fifo_one_waits(void **state)
{
	struct rig *rig = *state;

	rig->window = 0;
	out8(rig->dev, REG_DATA, 'a');
	out8(rig->dev, REG_DATA, 'b');
	assert_int_equal(in8(rig->dev, REG_LSR), 0);
	rig->window = 9;
	turn(rig);
	assert_int_equal(rig->nr_out, 1);
	assert_int_equal(rig->out[0], 'a');
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_THRE | LSR_TEMT);
}

static void receives_to_its_room(void **state)
{
	struct rig *rig = *state;
	unsigned int i, wakes;

	type_in(rig, "0123456789abcdefghij");
	assert_string_equal(rig->in, "123456789abcdefghij"); /* no FIFO: one */
	assert_int_equal(in8(rig->dev, REG_LSR) & LSR_DR, LSR_DR);
	assert_int_equal(in8(rig->dev, REG_DATA), '0');
	assert_int_equal(rig->nr_wakes, 1);
	assert_int_equal(in8(rig->dev, REG_LSR) & LSR_DR, 0);
	out8(rig->dev, REG_FCR, FCR_ENABLE);
	turn(rig);
	assert_string_equal(rig->in, "hij");
	turn(rig);
	assert_string_equal(rig->in, "hij"); /* full: stays where it is */
	wakes = rig->nr_wakes;
	for (i = 0; i < 16; i++)
		assert_int_equal(in8(rig->dev, REG_DATA), "123456789abcdefg"[i]);
	assert_int_equal(rig->nr_wakes, wakes + 1); /* once, when room came */
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_THRE | LSR_TEMT);
	turn(rig);
	assert_string_equal(rig->in, "");
	out8(rig->dev, REG_FCR, FCR_ENABLE | FCR_CLEAR_RX);
	assert_int_equal(in8(rig->dev, REG_LSR) & LSR_DR, 0);
}

static void trigger_levels(void **state)
{
	static const unsigned int levels[] = { 1, 4, 8, 14 };
	struct rig *rig = *state;
	unsigned int i, n;

	out8(rig->dev, REG_MCR, MCR_OUT2);
	out8(rig->dev, REG_IER, IER_RDI);
	for (i = 0; i < 4; i++) {
		out8(rig->dev, REG_FCR, (uint8_t)(FCR_ENABLE | FCR_CLEAR_RX | i << 6));
		assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_NONE);
		for (n = 1; n <= 16; n++) {
			type_in(rig, "x");
			assert_int_equal(in8(rig->dev, REG_IIR),
					 IIR_FIFOS | (n >= levels[i] ? IIR_RDI : IIR_TIMEOUT));
			assert_true(rig->level);
		}
		for (n = 15; n > 0; n--) {
			(void)in8(rig->dev, REG_DATA);
			assert_int_equal(in8(rig->dev, REG_IIR),
					 IIR_FIFOS | (n >= levels[i] ? IIR_RDI : IIR_TIMEOUT));
		}
		(void)in8(rig->dev, REG_DATA);
		assert_false(rig->level);
	}
	/* no FIFO, no timeout */
	out8(rig->dev, REG_FCR, 0);
	type_in(rig, "x");
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_RDI);
}

/* All four sources at once, served in the order of the data sheet. */
static void priorities(void **state)
{
	struct rig *rig = *state;
	unsigned int i;

	out8(rig->dev, REG_FCR, FCR_ENABLE);
	out8(rig->dev, REG_MCR, MCR_LOOP | MCR_OUT1 | MCR_DTR);
	for (i = 0; i < 17; i++)
		out8(rig->dev, REG_DATA, (uint8_t)i);
	out8(rig->dev, REG_MCR, MCR_OUT2);
	assert_false(rig->level);
	out8(rig->dev, REG_IER, IER_ALL);
	assert_true(rig->level);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_RLSI);
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_OE | LSR_DR | LSR_THRE | LSR_TEMT);
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_DR | LSR_THRE | LSR_TEMT);
	for (i = 0; i < 16; i++) {
		assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_RDI);
		assert_int_equal(in8(rig->dev, REG_DATA), i); /* FIFO kept, the 17th lost */
	}
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_THRI);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_MSI);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_MSI); /* reading does not end it */
	assert_true(rig->level);
	(void)in8(rig->dev, REG_MSR);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_FIFOS | IIR_NONE);
	assert_false(rig->level);
}

static void thre_events(void **state)
{
	struct rig *rig = *state;

	out8(rig->dev, REG_MCR, MCR_OUT2);
	/* Linux: enabling the source with an empty register interrupts, each time */
	out8(rig->dev, REG_IER, IER_THRI);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_THRI);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_NONE);
	out8(rig->dev, REG_IER, IER_THRI); /* was on: no event */
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_NONE);
	out8(rig->dev, REG_IER, 0);
	out8(rig->dev, REG_IER, IER_THRI);
	assert_true(rig->level);
	/* a write is served at once; sixteen of them are one edge */
	rig->nr_raised = 0;
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_THRI);
	out8(rig->dev, REG_DATA, 'a');
	out8(rig->dev, REG_DATA, 'b');
	assert_int_equal(rig->nr_raised, 1);
	/* a higher source hides it without ending it */
	out8(rig->dev, REG_IER, IER_THRI | IER_RDI);
	type_in(rig, "x");
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_RDI);
	(void)in8(rig->dev, REG_DATA);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_THRI);
}

static void out2_gates_the_pin(void **state)
{
	struct rig *rig = *state;

	out8(rig->dev, REG_IER, IER_RDI);
	type_in(rig, "x");
	assert_false(rig->level);
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_RDI);
	out8(rig->dev, REG_MCR, MCR_OUT2);
	assert_true(rig->level);
	out8(rig->dev, REG_MCR, MCR_OUT2 | MCR_LOOP); /* loopback drives the pin OUT2 inactive */
	assert_false(rig->level);
	out8(rig->dev, REG_MCR, MCR_OUT2);
	assert_true(rig->level);
	out8(rig->dev, REG_MCR, MCR_DTR | MCR_RTS);
	assert_false(rig->level);
	out8(rig->dev, REG_MCR, MCR_OUT2);
	vc_device_reset(rig->dev);
	assert_false(rig->level);
}

static void modem_lines_loop_back(void **state)
{
	struct rig *rig = *state;
	unsigned int mcr;

	assert_int_equal(in8(rig->dev, REG_MSR), 0xb0);
	for (mcr = 0; mcr < 16; mcr++) {
		unsigned int lines = (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
				     (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);

		out8(rig->dev, REG_MCR, (uint8_t)(MCR_LOOP | mcr));
		assert_int_equal(in8(rig->dev, REG_MSR) & 0xf0, lines);
		assert_int_equal(in8(rig->dev, REG_MSR) & 0x0f, 0); /* deltas end with a read */
	}
	out8(rig->dev, REG_MCR, MCR_LOOP);
	(void)in8(rig->dev, REG_MSR);
	out8(rig->dev, REG_MCR, MCR_LOOP | MCR_OUT1); /* leading edge of RI: no delta */
	assert_int_equal(in8(rig->dev, REG_MSR), MSR_RI);
	out8(rig->dev, REG_MCR, MCR_LOOP | MCR_RTS); /* trailing edge: TERI; and DCTS */
	assert_int_equal(in8(rig->dev, REG_MSR), MSR_CTS | 0x04 | 0x01);
}

static void data_loops_back(void **state)
{
	struct rig *rig = *state;

	out8(rig->dev, REG_MCR, MCR_LOOP);
	rig->in = "outside";
	turn(rig);
	assert_string_equal(rig->in, "outside"); /* kept for later */
	out8(rig->dev, REG_DATA, 'i');
	assert_int_equal(rig->nr_out, 0);
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_DR | LSR_THRE | LSR_TEMT);
	out8(rig->dev, REG_DATA, 'j'); /* without FIFO the newer replaces */
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_OE | LSR_DR | LSR_THRE | LSR_TEMT);
	assert_int_equal(in8(rig->dev, REG_DATA), 'j');
	rig->nr_wakes = 0;
	out8(rig->dev, REG_MCR, 0);
	assert_int_equal(rig->nr_wakes, 1);
	turn(rig);
	assert_int_equal(in8(rig->dev, REG_DATA), 'o');
}

static void fcr_clears(void **state)
{
	struct rig *rig = *state;

	out8(rig->dev, REG_FCR, FCR_TRIGGER | FCR_CLEAR_RX); /* nothing counts without ENABLE */
	assert_int_equal(in8(rig->dev, REG_IIR), IIR_NONE);
	out8(rig->dev, REG_FCR, FCR_ENABLE);
	rig->window = 0;
	out8(rig->dev, REG_DATA, 'a');
	type_in(rig, "xyz");
	out8(rig->dev, REG_FCR, FCR_ENABLE | FCR_CLEAR_TX);
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_DR | LSR_THRE | LSR_TEMT);
	out8(rig->dev, REG_DATA, 'b');
	out8(rig->dev, REG_FCR, FCR_ENABLE | FCR_CLEAR_RX);
	assert_int_equal(in8(rig->dev, REG_LSR), 0);
	type_in(rig, "xyz");
	out8(rig->dev, REG_FCR, 0); /* a change of mode clears both */
	assert_int_equal(in8(rig->dev, REG_LSR), LSR_THRE | LSR_TEMT);
	rig->window = 9;
	turn(rig);
	assert_int_equal(rig->nr_out, 0);
}

/* The accesses of Linux's autoconfig() and serial8250_do_startup(), and what they must find. */
static void linux_finds_a_16550a(void **state)
{
	struct rig *rig = *state;
	struct vc_device *dev = rig->dev;
	uint8_t iir;

	out8(dev, REG_IER, 0);
	assert_int_equal(in8(dev, REG_IER) & 0x0f, 0);
	out8(dev, REG_IER, 0x0f);
	assert_int_equal(in8(dev, REG_IER) & 0x0f, 0x0f);
	out8(dev, REG_IER, 0);
	out8(dev, REG_MCR, MCR_LOOP | 0x0a);
	assert_int_equal(in8(dev, REG_MSR) & 0xf0, 0x90);
	out8(dev, REG_MCR, 0);
	out8(dev, REG_LCR, 0xbf);
	out8(dev, 2, 0); /* EFR of other chips */
	out8(dev, REG_LCR, 0);
	out8(dev, REG_FCR, FCR_ENABLE);
	assert_int_equal(in8(dev, REG_IIR) >> 6, 3);
	out8(dev, REG_LCR, LCR_DLAB);
	assert_int_not_equal(in8(dev, 2), 0); /* no EFR */
	out8(dev, REG_LCR, 0xbf);
	assert_int_not_equal(in8(dev, 2), 0);
	out8(dev, REG_LCR, 0xe0); /* no National Semiconductor bank */
	iir = in8(dev, 2);
	out8(dev, REG_LCR, 0);
	out8(dev, REG_MCR, MCR_LOOP);
	out8(dev, REG_LCR, 0xe0);
	assert_int_equal(in8(dev, 2), iir);
	out8(dev, REG_LCR, 0);
	out8(dev, REG_MCR, 0);
	out8(dev, REG_FCR, FCR_ENABLE | 0x20); /* no 64-byte FIFO */
	assert_int_equal(in8(dev, REG_IIR) & 0x20, 0);
	out8(dev, REG_FCR, FCR_ENABLE);
	out8(dev, REG_IER, 0x40); /* no UUE of the XScale */
	assert_int_equal(in8(dev, REG_IER), 0);

	out8(dev, REG_FCR, FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX);
	out8(dev, REG_FCR, 0);
	assert_int_not_equal(in8(dev, REG_LSR), 0xff);
	out8(dev, REG_MCR, MCR_OUT2);
	out8(dev, REG_IER, IER_THRI); /* no UART_BUG_THRE, no UART_BUG_TXEN */
	assert_int_equal(in8(dev, REG_IIR) & IIR_NONE, 0);
	out8(dev, REG_IER, 0);
	out8(dev, REG_IER, IER_THRI);
	assert_int_equal(in8(dev, REG_IIR) & IIR_NONE, 0);
	out8(dev, REG_IER, 0);
	assert_int_equal(rig->nr_out, 0);
}

#define NR_CHARS 20000u

struct reader {
	int fd;
	unsigned int sum, nr;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	uint8_t buf[512];
	ssize_t n, i;

	while ((n = read(reader->fd, buf, sizeof(buf))) > 0)
		for (i = 0; i < n; i++, reader->nr++)
			reader->sum = reader->sum * 31 + buf[i];
	return NULL;
}

struct poller {
	struct vc_device *dev;
	int wake[2];
	atomic_bool is_over;
};

static void wake_poller(void *opaque)
{
	struct poller *poller = opaque;

	assert_int_equal(write(poller->wake[1], "w", 1), 1);
}

static void *poll_it(void *arg)
{
	struct poller *poller = arg;
	struct pollfd fds[1 + VC_DEVICE_POLLFDS_MAX] = {
		{ .fd = poller->wake[0], .events = POLLIN },
	};
	char buf[64];

	while (!atomic_load(&poller->is_over)) {
		size_t nr = vc_device_pollfds(poller->dev, fds + 1, VC_DEVICE_POLLFDS_MAX);

		assert_true(poll(fds, 1 + nr, 10000) > 0); /* a lost wake would end here */
		if (fds[0].revents)
			assert_true(read(poller->wake[0], buf, sizeof(buf)) > 0);
		vc_device_dispatch(poller->dev, fds + 1, nr);
	}
	return NULL;
}

/* A guest writes as THRE allows, a slow reader at the far end, the poller between: none is lost. */
static void writer_poller_and_reader(void **state)
{
	struct vc_stream_config far = { .size = sizeof(far), .kind = VC_STREAM_FDS, .in_fd = -1 };
	struct vc_serial8250_config cfg = { .size = sizeof(cfg) };
	struct poller poller = { .is_over = false };
	struct reader reader = { 0 };
	pthread_t reading, polling;
	unsigned int i, sum = 0;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(poller.wake, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	far.out_fd = fds[1];
	assert_result(vc_stream_open(&far, &cfg.stream), 0);
	close(fds[1]);
	assert_result(vc_serial8250_create(&cfg, &poller.dev), 0);
	vc_device_set_wake(poller.dev, wake_poller, &poller);
	reader.fd = fds[0];
	assert_int_equal(pthread_create(&polling, NULL, poll_it, &poller), 0);
	assert_int_equal(pthread_create(&reading, NULL, read_all, &reader), 0);
	out8(poller.dev, REG_FCR, FCR_ENABLE);
	for (i = 0; i < NR_CHARS; i++) {
		while (!(in8(poller.dev, REG_LSR) & LSR_THRE))
			(void)sched_yield();
		out8(poller.dev, REG_DATA, (uint8_t)(i * 7));
		sum = sum * 31 + (uint8_t)(i * 7);
	}
	while (!(in8(poller.dev, REG_LSR) & LSR_TEMT))
		(void)sched_yield();
	atomic_store(&poller.is_over, true);
	wake_poller(&poller);
	assert_int_equal(pthread_join(polling, NULL), 0);
	vc_device_destroy(poller.dev); /* closes the pipe: the reader ends */
	assert_int_equal(pthread_join(reading, NULL), 0);
	assert_int_equal(reader.nr, NR_CHARS);
	assert_int_equal(reader.sum, sum);
	close(fds[0]);
	close(poller.wake[0]);
	close(poller.wake[1]);
}

static void nobody_there(void **state)
{
	struct vc_serial8250_config cfg = { .size = sizeof(cfg), .name = "lone" };
	struct vc_device *dev;
	struct pollfd fds[4];

	(void)state;
	assert_result(vc_serial8250_create(&cfg, &dev), 0);
	assert_string_equal(dev->name, "lone");
	out8(dev, REG_MCR, MCR_OUT2);
	out8(dev, REG_IER, IER_ALL);
	out8(dev, REG_DATA, 'x');
	assert_int_equal(in8(dev, REG_LSR), LSR_THRE | LSR_TEMT);
	assert_int_equal(in8(dev, REG_MSR), 0);
	assert_int_equal(vc_device_pollfds(dev, fds, 4), 0);
	vc_device_dispatch(dev, fds, 0);
	vc_device_destroy(dev);
}

static void refuses(void **state)
{
	struct rig *rig = *state;
	struct vc_serial8250_config cfg = { .size = sizeof(cfg), .stream = rig->stream };
	struct vc_device *dev = (struct vc_device *)&cfg;

	assert_int_equal(vc_serial8250_create(NULL, &dev), -EINVAL);
	assert_int_equal(vc_serial8250_create(&cfg, NULL), -EINVAL);
	assert_refused(vc_serial8250_create(&cfg, &dev), -EBUSY, "sink");
	cfg.stream = NULL;
	cfg.name = "";
	assert_refused(vc_serial8250_create(&cfg, &dev), -EINVAL, "name");
	assert_ptr_equal(dev, &cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(wide_accesses_are_split, setup, teardown),
		cmocka_unit_test_setup_teardown(sends_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(full_stream_withholds_thre, setup, teardown),
		cmocka_unit_test_setup_teardown(without_fifo_one_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(receives_to_its_room, setup, teardown),
		cmocka_unit_test_setup_teardown(trigger_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(priorities, setup, teardown),
		cmocka_unit_test_setup_teardown(thre_events, setup, teardown),
		cmocka_unit_test_setup_teardown(out2_gates_the_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(modem_lines_loop_back, setup, teardown),
		cmocka_unit_test_setup_teardown(data_loops_back, setup, teardown),
		cmocka_unit_test_setup_teardown(fcr_clears, setup, teardown),
		cmocka_unit_test_setup_teardown(linux_finds_a_16550a, setup, teardown),
		cmocka_unit_test(writer_poller_and_reader),
		cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
