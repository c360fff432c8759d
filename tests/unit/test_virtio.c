/* SPDX-License-Identifier: Apache-2.0 */
/* The status machine, features, reset with requests in flight, needs-reset, pause. */
#include "virtio_unit.h"

static void traffic(struct board *b, uint32_t queue, unsigned int nr)
{
	uint32_t len;

	for (unsigned int i = 0; i < nr; i++) {
		int id = board_send(b, queue);

		assert_true(id >= 0);
		board_step(b);
		assert_int_equal(driver_take(&b->drivers[queue], &len), id);
		assert_int_equal(len, 48);
		assert_int_equal(atomic_load(&b->level), 1);
		assert_int_equal(reg_read(b, 0x60), 1);
		reg_write(b, 0x64, 1);
		assert_int_equal(atomic_load(&b->level), 0);
		(void)driver_calls_on(&b->drivers[queue]);
	}
}

static void from_reset_to_traffic(void **state)
{
	const uint64_t kinds[] = { 0, VC_VIRTIO_F_EVENT_IDX, VC_VIRTIO_F_RING_PACKED,
				   VC_VIRTIO_F_RING_PACKED | VC_VIRTIO_F_EVENT_IDX |
					   VC_VIRTIO_F_IN_ORDER | ECHO_FEATURE };
	struct board b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		board_make(&b, false);
		board_drive(&b, kinds[i]);
		assert_int_equal(board_status(&b), 15);
		board_step(&b);
		assert_int_equal(b.echo->nr_activated, ECHO_QUEUES);
		assert_int_equal(b.echo->features, kinds[i] | VC_VIRTIO_F_VERSION_1);
		traffic(&b, 0, 40);
		traffic(&b, 1, 40);
		/* And all over again. */
		board_drive(&b, kinds[i]);
		board_step(&b);
		traffic(&b, 1, 3);
		board_drop(&b);
	}
}

/* No bit before those it needs, none cleared but by a reset. */
static void status_machine(void **state)
{
	struct board b;

	(void)state;
	board_make(&b, false);
	assert_int_equal(board_status(&b), 0);
	reg_write(&b, 0x70, DRIVER_OK);
	assert_int_equal(board_status(&b), 0);
	reg_write(&b, 0x70, ACK | FEATURES_OK);
	assert_int_equal(board_status(&b), ACK);
	reg_write(&b, 0x70, ACK | DRIVER_BIT | FEATURES_OK); /* without VERSION_1 */
	assert_int_equal(board_status(&b), ACK | DRIVER_BIT);
	reg_write(&b, 0x70, ACK | DRIVER_BIT | DRIVER_OK);
	assert_int_equal(board_status(&b), ACK | DRIVER_BIT);

	board_agree(&b, VC_VIRTIO_F_VERSION_1 | 1u << 30); /* one that is not offered */
	assert_int_equal(board_status(&b), ACK | DRIVER_BIT);
	board_agree(&b, VC_VIRTIO_F_VERSION_1 | ECHO_FEATURE);
	assert_int_equal(board_status(&b), ACK | DRIVER_BIT | FEATURES_OK);
	reg_write(&b, 0x24, 0);
	reg_write(&b, 0x20, 1); /* too late */
	reg_write(&b, 0x70, NEEDS_RESET | 128 | ACK);
	assert_int_equal(board_status(&b), 128 | ACK | DRIVER_BIT | FEATURES_OK);
	reg_write(&b, 0x70, DRIVER_OK);
	assert_int_equal(board_status(&b), 128 | 15);
	assert_int_equal(b.echo->v.core != NULL, 1);
	reg_write(&b, 0x70, 0);
	board_step(&b);
	assert_int_equal(board_status(&b), 0);
	board_drop(&b);
}

static void refused_features(void **state)
{
	struct vc_virtio_config cfg = { .size = sizeof(cfg), .name = "e", .nr_queues = 1 };
	struct board b;

	(void)state;
	board_make(&b, false);
	reg_write(&b, 0x14, 0);
	assert_int_equal(reg_read(&b, 0x10), ECHO_FEATURE | 1u << 28 | 1u << 29);
	reg_write(&b, 0x14, 1);
	assert_int_equal(reg_read(&b, 0x10), 1u << 0 | 1u << 2 | 1u << 3 | 1u << 8);
	reg_write(&b, 0x14, 2);
	assert_int_equal(reg_read(&b, 0x10), 0);
	vc_device_destroy(b.dev);
	b.echo = calloc(1, sizeof(*b.echo));
	cfg.mem = b.mem;
	cfg.rings = &b.ring;
	cfg.nr_rings = 1;
	cfg.refused_features = UINT64_MAX;
	assert_result(vc_virtio_init(&b.echo->v, &echo_ops, &cfg), 0);
	assert_result(vc_virtio_mmio_attach(&b.echo->v, b.irq), 0);
	b.dev = &b.echo->v.dev;
	reg_write(&b, 0x14, 0);
	assert_int_equal(reg_read(&b, 0x10), 0);
	reg_write(&b, 0x14, 1);
	assert_int_equal(reg_read(&b, 0x10), 1); /* VERSION_1 cannot be refused */
	board_drop(&b);
}

/* The reset is over when the last request has come back, which then has no effect. */
static void reset_in_flight(void **state)
{
	static uint8_t before[RAM_BYTES];
	struct board b;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	b.echo->is_holding = true;
	for (unsigned int i = 0; i < 3; i++)
		assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	reg_write(&b, 0x70, 0);
	assert_int_equal(board_status(&b), NEEDS_RESET);
	board_step(&b);
	assert_int_equal(board_status(&b), NEEDS_RESET);
	assert_int_equal(b.echo->nr_quiesced, ECHO_QUEUES);
	memcpy(before, b.ram, sizeof(before));
	echo_release(b.echo);
	board_step(&b);
	assert_int_equal(board_status(&b), 0);
	assert_memory_equal(before, b.ram, sizeof(before));
	assert_int_equal(atomic_load(&b.level), 0);
	b.echo->is_holding = false;
	board_drive(&b, 0);
	board_step(&b);
	traffic(&b, 0, 3);
	board_drop(&b);
}

/* A driver that does not wait for that: its queues begin when the old ones are empty. */
static void driver_does_not_wait(void **state)
{
	struct board b;
	uint32_t len;
	int id;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	b.echo->is_holding = true;
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	board_drive(&b, VC_VIRTIO_F_RING_PACKED);
	id = board_send(&b, 0);
	board_step(&b);
	assert_int_equal(board_status(&b), 15 | NEEDS_RESET);
	assert_int_equal(b.echo->nr_served, 0);
	b.echo->is_holding = false;
	echo_release(b.echo);
	board_step(&b);
	assert_int_equal(board_status(&b), 15);
	assert_int_equal(driver_take(&b.drivers[0], &len), id);
	assert_int_equal(b.echo->nr_served, 2);
	board_drop(&b);
}

/* One queue reset alone, and put elsewhere. */
static void ring_reset(void **state)
{
	struct board b;

	(void)state;
	board_make(&b, false);
	board_drive(&b, VC_VIRTIO_F_RING_RESET);
	board_step(&b);
	b.echo->is_holding = true;
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	reg_write(&b, 0x30, 0);
	reg_write(&b, 0xc0, 1);
	assert_int_equal(reg_read(&b, 0xc0), 1);
	board_step(&b);
	assert_int_equal(reg_read(&b, 0xc0), 1);
	assert_int_equal(board_status(&b), 15);
	b.echo->is_holding = false;
	traffic(&b, 1, 3);
	echo_release(b.echo);
	board_step(&b);
	assert_int_equal(reg_read(&b, 0xc0), 0);
	assert_int_equal(reg_read(&b, 0x44), 0);
	driver_restart(&b.drivers[0]);
	board_place(&b, 0, &b.drivers[0]);
	board_step(&b);
	traffic(&b, 0, 3);
	board_drop(&b);
}

/* A guest that lies: the device says so once, and is as new after a reset. */
static void needs_reset(void **state)
{
	struct board b;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		board_make(&b, false);
		board_drive(&b, 0);
		board_step(&b);
		if (i == 0) { /* the ring */
			memset(b.ram + b.drivers[0].desc, 0xff, 16);
			memset(b.ram + b.drivers[0].drv + 2, 1, 1);
			reg_write(&b, 0x50, 0);
		} else if (i == 1) { /* what is in a request */
			b.echo->is_refusing = true;
			assert_true(board_send(&b, 0) >= 0);
		} else { /* where the ring is */
			board_agree(&b, VC_VIRTIO_F_VERSION_1);
			b.drivers[0].drv = RAM_END;
			board_place(&b, 0, &b.drivers[0]);
			reg_write(&b, 0x70, DRIVER_OK);
		}
		board_step(&b);
		assert_int_equal(board_status(&b), 15 | NEEDS_RESET);
		assert_int_equal(reg_read(&b, 0x60) & 2, 2);
		assert_int_equal(b.echo->nr_served, i == 1);
		b.echo->is_refusing = false;
		board_drive(&b, 0);
		board_step(&b);
		assert_int_equal(board_status(&b), 15);
		traffic(&b, 0, 2);
		board_drop(&b);
	}
}

static void config_space(void **state)
{
	struct board b;
	uint32_t generation;

	(void)state;
	board_make(&b, false);
	reg_write(&b, 0x100, 0x04030201);
	assert_int_equal(device_access(b.dev, 0, 0x101, 1, false, 0), 2);
	assert_int_equal(device_access(b.dev, 0, 0x102, 2, false, 0), 0x0403);
	assert_int_equal(device_access(b.dev, 0, 0x100, 8, false, 0), 0x04030201);
	/* Over the end there is nothing. */
	(void)device_access(b.dev, 0, 0x10a, 4, true, UINT32_MAX);
	assert_int_equal(device_access(b.dev, 0, 0x10a, 4, false, 0), 0);
	assert_int_equal(device_access(b.dev, 0, 0x1f8, 8, false, 0), 0);
	generation = reg_read(&b, 0xfc);
	vc_virtio_config_changed(&b.echo->v);
	assert_int_equal(reg_read(&b, 0xfc), generation + 1);
	assert_int_equal(reg_read(&b, 0x60), 0);
	board_drive(&b, 0);
	vc_virtio_config_changed(&b.echo->v);
	assert_int_equal(reg_read(&b, 0x60), 2);
	board_drop(&b);
}

/* The device has room for fewer requests than the ring: the rest is taken when room comes back. */
static void out_of_slots(void **state)
{
	struct board b;
	uint32_t len;

	(void)state;
	board_make(&b, false);
	board_drive(&b, VC_VIRTIO_F_EVENT_IDX | VC_VIRTIO_F_RING_PACKED);
	b.echo->is_holding = true;
	for (unsigned int i = 0; i < QUEUE_ENTRIES / 2; i++)
		assert_true(board_send(&b, 0) >= 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(board_send(&b, 1) >= 0);
	board_step(&b);
	b.echo->is_holding = false;
	echo_release(b.echo);
	board_step(&b);
	assert_int_equal(b.echo->nr_served, QUEUE_ENTRIES / 2 + 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(driver_take(&b.drivers[1], &len) >= 0);
	board_drop(&b);
}

/* A queue that is never empty does not keep the ring for itself, and is emptied all the same. */
static void always_more(void **state)
{
	struct board b;

	(void)state;
	board_make(&b, false);
	board_drive(&b, VC_VIRTIO_F_EVENT_IDX);
	board_step(&b);
	b.echo->is_lazy = true;
	for (unsigned int i = 0; i < QUEUE_ENTRIES / 2; i++)
		assert_true(driver_add(&b.drivers[0], &(struct driver_buf){ DATA_GPA, 8, true },
				       1) >= 0);
	assert_true(driver_publish(&b.drivers[0]));
	reg_write(&b, 0x50, 0);
	board_step(&b);
	assert_int_equal(b.echo->nr_served, QUEUE_ENTRIES / 2);
	board_drop(&b);
}

/* With its ring stopped a device still resets, pauses and goes; it just is not served. */
static void ring_has_stopped(void **state)
{
	struct board b;
	uint32_t len;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		board_make(&b, false);
		board_drive(&b, 0);
		board_step(&b);
		assert_true(board_send(&b, 0) >= 0);
		assert_result(vc_ring_stop(b.ring), 0);
		while (vc_ring_step(b.ring, -1) >= 0)
			;
		assert_true(driver_take(&b.drivers[0], &len) >= -1);
		assert_int_equal(board_status(&b), 15);
		if (i == 1) {
			vc_virtio_pause(&b.echo->v);
			vc_virtio_resume(&b.echo->v);
		} else if (i == 2) {
			reg_write(&b, 0x70, 0);
			assert_int_equal(board_status(&b), 0);
			board_drive(&b, 0);
			assert_int_equal(board_status(&b), 15);
		}
		board_drop(&b);
	}
}

struct releaser {
	struct vc_ring_task task;
	struct echo *echo;
};

static void release_task(struct vc_ring_task *task)
{
	struct releaser *r = vc_container_of(task, struct releaser, task);

	echo_release(r->echo);
}

/* Paused, what is in flight is completed and seen; what comes then waits for the resume. */
static void pause_and_resume(void **state)
{
	struct releaser releaser = { .task.run = release_task };
	struct board b;
	uint32_t len;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	board_step(&b);
	b.echo->is_holding = true;
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	releaser.echo = b.echo;
	assert_result(vc_ring_post(b.ring, &releaser.task), 0);
	vc_virtio_pause(&b.echo->v);
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	b.echo->is_holding = false;
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	assert_int_equal(driver_take(&b.drivers[0], &len), -1);
	vc_virtio_resume(&b.echo->v);
	board_step(&b);
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	/* A pause before anything was ever served, and one of a paused device. */
	reg_write(&b, 0x70, 0);
	vc_virtio_pause(&b.echo->v);
	vc_virtio_pause(&b.echo->v);
	board_drive(&b, 0);
	board_step(&b);
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	assert_int_equal(driver_take(&b.drivers[0], &len), -1);
	vc_virtio_resume(&b.echo->v);
	board_step(&b);
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	board_drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_reset_to_traffic), cmocka_unit_test(status_machine),
		cmocka_unit_test(refused_features),	 cmocka_unit_test(reset_in_flight),
		cmocka_unit_test(driver_does_not_wait),	 cmocka_unit_test(ring_reset),
		cmocka_unit_test(needs_reset),		 cmocka_unit_test(config_space),
		cmocka_unit_test(out_of_slots),		 cmocka_unit_test(always_more),
		cmocka_unit_test(ring_has_stopped),	 cmocka_unit_test(pause_and_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
