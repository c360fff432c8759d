/* SPDX-License-Identifier: Apache-2.0 */
/* The UART's section: what is saved comes back and works on; what a UART cannot be is refused. */
#include "uart_unit.h"

static void goes_on_after_load(void **state)
{
	struct rig *a = make_rig(), *b = make_rig();
	uint8_t buf[PAYLOAD_MAX], again[PAYLOAD_MAX];
	unsigned int i;
	size_t len;

	(void)state;
	out8(a->dev, REG_LCR, LCR_DLAB | 3);
	out8(a->dev, REG_DATA, 1);
	out8(a->dev, REG_IER, 2);
	out8(a->dev, REG_LCR, 3);
	out8(a->dev, REG_SCR, 0x5a);
	out8(a->dev, REG_FCR, FCR_ENABLE | FCR_TRIGGER);
	out8(a->dev, REG_MCR, MCR_OUT2 | MCR_DTR | MCR_RTS);
	/* wrapped FIFOs, both with something in them */
	type_in(a, "0123456789");
	for (i = 0; i < 8; i++)
		(void)in8(a->dev, REG_DATA);
	type_in(a, "abcdefghijkl");
	a->window = 0;
	for (i = 0; i < 16; i++)
		out8(a->dev, REG_DATA, (uint8_t)('A' + i));
	a->window = 12;
	turn(a);
	for (i = 0; i < 8; i++)
		out8(a->dev, REG_DATA, (uint8_t)('a' + i));
	out8(a->dev, REG_IER, IER_RDI | IER_THRI);
	assert_true(a->level);

	len = save_payload(a->dev, buf, sizeof(buf));
	b->window = 5;
	b->nr_wakes = 0;
	assert_result(load_payload(b->dev, 1, buf, len), 0);
	assert_true(b->level);
	assert_true(b->nr_wakes > 0);
	assert_memory_equal(b->out, "MNOPa", 5); /* the stream is offered what waited, at once */
	assert_int_equal(in8(b->dev, REG_SCR), 0x5a);
	assert_int_equal(in8(b->dev, REG_MCR), MCR_OUT2 | MCR_DTR | MCR_RTS);
	assert_int_equal(in8(b->dev, REG_IIR), IIR_FIFOS | IIR_RDI);
	b->window = 100;
	turn(b);
	assert_memory_equal(b->out, "MNOPabcdefgh", 12);
	for (i = 0; i < 14; i++)
		assert_int_equal(in8(b->dev, REG_DATA), "89abcdefghijkl"[i]);
	assert_int_equal(in8(b->dev, REG_LSR), LSR_THRE | LSR_TEMT);
	out8(b->dev, REG_LCR, LCR_DLAB);
	assert_int_equal(in8(b->dev, REG_DATA), 1);
	assert_int_equal(in8(b->dev, REG_IER), 2);

	/* a section that was loaded is saved as it was */
	a->window = b->window = 0;
	assert_result(load_payload(b->dev, 1, buf, len), 0);
	assert_int_equal(save_payload(b->dev, again, sizeof(again)), len);
	assert_memory_equal(again, buf, len);
	free_rig(a);
	free_rig(b);
}

static void overrun_and_deltas_go_along(void **state)
{
	struct rig *a = make_rig(), *b = make_rig();
	uint8_t buf[PAYLOAD_MAX];
	size_t len;

	(void)state;
	out8(a->dev, REG_MCR, MCR_LOOP | MCR_OUT1);
	out8(a->dev, REG_DATA, 'a');
	out8(a->dev, REG_DATA, 'b');
	out8(a->dev, REG_IER, IER_RLSI);
	len = save_payload(a->dev, buf, sizeof(buf));
	assert_result(load_payload(b->dev, 1, buf, len), 0);
	assert_int_equal(in8(b->dev, REG_IIR), IIR_RLSI);
	assert_int_equal(in8(b->dev, REG_LSR), LSR_OE | LSR_DR | LSR_THRE | LSR_TEMT);
	assert_int_equal(in8(b->dev, REG_MSR), in8(a->dev, REG_MSR));
	assert_int_equal(in8(b->dev, REG_DATA), 'b');
	free_rig(a);
	free_rig(b);
}

/* Offsets in the payload of version 1. */
enum { IER, FCR, LCR, MCR, SCR, DIVISOR, OVERRUN = 7, THRE, MSR, RX, RX0, TX = 12, TX0 };

static void hostile_values_are_refused(void **state)
{
	struct rig *rig = make_rig();
	uint8_t buf[PAYLOAD_MAX];
	size_t len;

	(void)state;
	out8(rig->dev, REG_FCR, FCR_ENABLE);
	type_in(rig, "r");
	rig->window = 0;
	out8(rig->dev, REG_DATA, 't');
	len = save_payload(rig->dev, buf, sizeof(buf));
	assert_int_equal(len, 14);
	assert_int_equal(buf[RX0], 'r');
	assert_int_equal(buf[TX0], 't');
	refuse_byte(rig->dev, buf, len, IER, 0x10);
	refuse_byte(rig->dev, buf, len, FCR, FCR_ENABLE | FCR_CLEAR_RX);
	refuse_byte(rig->dev, buf, len, FCR, FCR_TRIGGER);
	refuse_byte(rig->dev, buf, len, MCR, 0x20);
	refuse_byte(rig->dev, buf, len, OVERRUN, 2);
	refuse_byte(rig->dev, buf, len, THRE, 2);
	refuse_byte(rig->dev, buf, len, THRE, 1); /* with a byte waiting */
	refuse_byte(rig->dev, buf, len, MSR, 0x10);
	refuse_byte(rig->dev, buf, len, RX, 17);
	refuse_byte(rig->dev, buf, len, RX, 255);
	refuse_byte(rig->dev, buf, len, RX, 0);
	refuse_byte(rig->dev, buf, len, TX, 17);
	refuse_byte(rig->dev, buf, len, TX, 2);
	refuse_shapes(rig->dev);

	/* without FIFOs one byte each is all */
	memset(buf, 0, sizeof(buf));
	buf[RX] = 1;
	assert_int_equal(load_payload(rig->dev, 1, buf, 13), 0);
	buf[RX] = 2;
	assert_int_equal(load_payload(rig->dev, 1, buf, 14), -EBADMSG);
	buf[RX] = 0;
	buf[RX + 1] = 2;
	assert_int_equal(load_payload(rig->dev, 1, buf, 14), -EBADMSG);
	free_rig(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_after_load),
		cmocka_unit_test(overrun_and_deltas_go_along),
		cmocka_unit_test(hostile_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
