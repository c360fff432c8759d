/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the MMIO transport: what they read as, what they ignore, the interrupt line. */
#include "virtio_unit.h"

static void identity(void **state)
{
	struct board b;

	(void)state;
	board_make(&b, false);
	assert_int_equal(reg_read(&b, 0x00), 0x74726976);
	assert_int_equal(reg_read(&b, 0x04), 2);
	assert_int_equal(reg_read(&b, 0x08), ECHO_ID);
	assert_int_not_equal(reg_read(&b, 0x0c), 0);
	reg_write(&b, 0xac, 0);
	for (uint32_t off = 0xb0; off <= 0xbc; off += 4)
		assert_int_equal(reg_read(&b, off), UINT32_MAX);
	board_drop(&b);
}

/* Other widths and unaligned accesses: nothing is changed, 0 is read. */
static void widths(void **state)
{
	struct board b;

	(void)state;
	board_make(&b, false);
	for (uint32_t off = 0; off < 0x100; off++) {
		for (unsigned int size = 1; size <= 8; size *= 2) {
			if (size == 4 && off % 4 == 0)
				continue;
			(void)device_access(b.dev, 0, off, size, true, UINT64_MAX);
			assert_int_equal(device_access(b.dev, 0, off, size, false, 0), 0);
		}
	}
	assert_int_equal(board_status(&b), 0);
	board_drop(&b);
}

/* Every register of every queue number, there or not, in every state. */
static void queue_that_is_not_there(void **state)
{
	const uint32_t numbers[] = { ECHO_QUEUES, 63, 64, 0xffff, 0x10000, UINT32_MAX };
	struct board b;

	(void)state;
	board_make(&b, false);
	board_drive(&b, VC_VIRTIO_F_RING_RESET);
	board_step(&b);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		reg_write(&b, 0x30, numbers[i]);
		assert_int_equal(reg_read(&b, 0x34), 0);
		for (uint32_t off = 0x34; off < 0x100; off += 4)
			if (off != 0x50 && off != 0x64 && off != 0x70)
				reg_write(&b, off, 1);
		reg_write(&b, 0x50, numbers[i]);
		assert_int_equal(reg_read(&b, 0x44), 0);
		assert_int_equal(reg_read(&b, 0xc0), 0);
	}
	board_step(&b);
	assert_int_equal(board_status(&b), 15);
	board_drop(&b);
}

/* What was given with ready stays: the device never looks at the registers again. */
static void fixed_once_ready(void **state)
{
	struct board b;
	uint32_t len;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	board_step(&b);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		reg_write(&b, 0x30, q);
		assert_int_equal(reg_read(&b, 0x34), QUEUE_ENTRIES);
		assert_int_equal(reg_read(&b, 0x44), 1);
		reg_write(&b, 0x38, 0xffff);
		for (uint32_t off = 0x80; off < 0xa8; off += 4)
			reg_write(&b, off, UINT32_MAX);
		assert_true(board_send(&b, q) >= 0);
		board_step(&b);
		assert_true(driver_take(&b.drivers[q], &len) >= 0);
	}
	/* And a queue that was not ready at DRIVER_OK stays out. */
	board_agree(&b, VC_VIRTIO_F_VERSION_1);
	reg_write(&b, 0x70, DRIVER_OK);
	driver_restart(&b.drivers[0]);
	board_place(&b, 0, &b.drivers[0]);
	assert_int_equal(reg_read(&b, 0x44), 0);
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	assert_int_equal(driver_take(&b.drivers[0], &len), -1);
	board_drop(&b);
}

/* The driver stops a queue by ready alone: it reads 0 at once, and is served no more. */
static void ready_taken_back(void **state)
{
	struct board b;
	uint32_t len;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	board_step(&b);
	reg_write(&b, 0x30, 1);
	reg_write(&b, 0x44, 0);
	assert_int_equal(reg_read(&b, 0x44), 0);
	board_step(&b);
	assert_true(board_send(&b, 1) >= 0);
	board_step(&b);
	assert_int_equal(driver_take(&b.drivers[1], &len), -1);
	board_drop(&b);
}

/* A level: up with the first event, down when all are acknowledged. */
static void interrupt_line(void **state)
{
	struct board b;
	uint32_t len;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	board_step(&b);
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	vc_virtio_config_changed(&b.echo->v);
	assert_int_equal(reg_read(&b, 0x60), 3);
	assert_int_equal(atomic_load(&b.nr_raised), 1);
	reg_write(&b, 0x64, 1);
	assert_int_equal(atomic_load(&b.level), 1);
	reg_write(&b, 0x64, 0xfffffffc);
	assert_int_equal(reg_read(&b, 0x60), 2);
	reg_write(&b, 0x64, 2);
	assert_int_equal(atomic_load(&b.level), 0);
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	assert_int_equal(atomic_load(&b.level), 1);
	reg_write(&b, 0x70, 0);
	assert_int_equal(atomic_load(&b.level), 0);
	assert_int_equal(reg_read(&b, 0x60), 0);
	board_drop(&b);
}

/* Any values anywhere, in any order: the device works after a reset. */
static void random_registers(void **state)
{
	uint32_t seed = 77;
	struct board b;
	uint32_t len;

	(void)state;
	board_make(&b, false);
	for (unsigned int i = 0; i < 300; i++) {
		for (unsigned int k = 0; k < 60; k++) {
			uint32_t value;

			seed = seed * 1664525u + 1013904223u;
			value = seed >> 8 & 1 ? seed >> 28 : seed >> 4;
			reg_write(&b, seed >> 20 & 0xfc, value);
			(void)reg_read(&b, seed >> 12 & 0xfc);
		}
		(void)vc_ring_step(b.ring, 0);
		if (i % 10 != 0)
			continue;
		reg_write(&b, 0x70, 0);
		board_step(&b);
		assert_int_equal(board_status(&b), 0);
		board_drive(&b, 0);
		assert_true(board_send(&b, 1) >= 0);
		board_step(&b);
		assert_true(driver_take(&b.drivers[1], &len) >= 0);
	}
	board_drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity),
		cmocka_unit_test(widths),
		cmocka_unit_test(queue_that_is_not_there),
		cmocka_unit_test(fixed_once_ready),
		cmocka_unit_test(ready_taken_back),
		cmocka_unit_test(interrupt_line),
		cmocka_unit_test(random_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
