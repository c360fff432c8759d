/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues on a ring's own thread, with a device that takes its time: resets at any moment with
 * requests in flight, of the device and of one queue, pauses, destruction; run under the thread
 * sanitizer too. Once a reset is complete nobody may write to the guest's memory any more: the
 * driver fills it with a pattern and looks at it a little later.
 */
#include "virtio_unit.h"

#include <unistd.h>

#define NR_RESETS  10000u
#define DATA_BYTES 0x4000u
#define PATTERN	   0xa5

/* A request waits for a timer, then all of its writable bytes are written. */
struct slow_slot {
	struct vc_ring_request timer;
	struct vc_virtq_chain chain;
	struct vc_slice slices[MAX_SLICES];
	struct slow *slow;
	uint32_t queue;
	bool is_used;
};

struct slow {
	struct vc_virtio v;
	struct vc_ring *ring;
	struct slow_slot slots[ECHO_SLOTS];
	uint32_t seed;
	uint64_t nr_served, nr_late;
};

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void slow_done(struct vc_ring_request *req, int res)
{
	struct slow_slot *slot = vc_container_of(req, struct slow_slot, timer);
	struct slow *slow = slot->slow;
	uint64_t len = slot->chain.writable_bytes;
	uint8_t bytes[256];

	(void)res;
	memset(bytes, 0x5a, sizeof(bytes));
	(void)vc_virtq_write(&slot->chain, 0, bytes, sizeof(bytes));
	slot->is_used = false;
	if (vc_virtio_push(&slow->v, slot->queue, &slot->chain, (uint32_t)len) == 0)
		slow->nr_served++;
	else
		slow->nr_late++;
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		vc_virtio_look(&slow->v, q);
}

static bool slow_kick(struct vc_virtio *v, uint32_t queue)
{
	struct slow *slow = vc_container_of(v, struct slow, v);

	for (unsigned int i = 0; i < ECHO_SLOTS; i++) {
		struct slow_slot *slot = &slow->slots[i];

		if (slot->is_used)
			continue;
		slot->chain.slices = slot->slices;
		slot->chain.max_slices = MAX_SLICES;
		if (vc_virtio_pop(v, queue, &slot->chain) != 1)
			return true;
		memset(&slot->timer, 0, sizeof(slot->timer));
		slot->timer.op = VC_RING_TIMER;
		slot->timer.done = slow_done;
		slot->timer.off = draw(&slow->seed, 100000);
		slot->slow = slow;
		slot->queue = queue;
		slot->is_used = vc_ring_submit(slow->ring, &slot->timer) == 0;
		if (!slot->is_used)
			(void)vc_virtio_push(v, queue, &slot->chain, 0);
	}
	return false;
}

static uint64_t slow_features(struct vc_virtio *v)
{
	(void)v;
	return 0;
}

static int slow_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	(void)v, (void)writer;
	return 0;
}

static int slow_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	(void)v, (void)reader;
	return 0;
}

static void slow_destroy(struct vc_virtio *v)
{
	vc_virtio_fini(v);
}

static const struct vc_virtio_ops slow_ops = {
	.type = "slow",
	.id = 1,
	.features = slow_features,
	.kick = slow_kick,
	.save = slow_save,
	.load = slow_load,
	.destroy = slow_destroy,
};

static void make(struct board *b, struct slow *slow)
{
	struct vc_virtio_config cfg = {
		.size = sizeof(cfg),
		.name = "slow",
		.nr_queues = ECHO_QUEUES,
		.queue_size = QUEUE_ENTRIES,
		.nr_rings = 1,
	};

	board_make(b, true);
	vc_device_destroy(b->dev);
	memset(slow, 0, sizeof(*slow));
	cfg.mem = b->mem;
	cfg.rings = &b->ring;
	slow->ring = b->ring;
	assert_result(vc_virtio_init(&slow->v, &slow_ops, &cfg), 0);
	assert_result(vc_virtio_mmio_attach(&slow->v, b->irq), 0);
	b->dev = &slow->v.dev;
}

static void await_reset(struct board *b)
{
	while (board_status(b) != 0)
		; /* as a driver does */
}

/* The memory is the driver's alone now. */
static void look_for_writes(struct board *b, uint32_t *seed)
{
	uint8_t *data = b->ram + DATA_GPA;

	memset(data, PATTERN, DATA_BYTES);
	if (draw(seed, 8) == 0)
		usleep(draw(seed, 150));
	for (uint32_t i = 0; i < DATA_BYTES; i++)
		assert_int_equal(data[i], PATTERN);
}

static void send_some(struct board *b, uint32_t *seed)
{
	for (uint32_t n = draw(seed, 12); n > 0; n--) {
		uint32_t queue = draw(seed, ECHO_QUEUES), len;
		struct driver_buf buf = { DATA_GPA + draw(seed, DATA_BYTES - 256), 256, true };

		while (driver_take(&b->drivers[queue], &len) >= 0)
			assert_int_equal(len, 256);
		if (driver_add(&b->drivers[queue], &buf, 1) >= 0 &&
		    driver_publish(&b->drivers[queue]))
			reg_write(b, 0x50, queue);
		if (draw(seed, 8) == 0)
			reg_write(b, 0x64, 3);
	}
}

/* One queue alone, while the other goes on. */
static void reset_queue(struct board *b, uint32_t *seed)
{
	uint32_t queue = draw(seed, ECHO_QUEUES);

	reg_write(b, 0x30, queue);
	reg_write(b, 0xc0, 1);
	while (reg_read(b, 0xc0) != 0)
		;
	driver_restart(&b->drivers[queue]);
	board_place(b, queue, &b->drivers[queue]);
}

static void resets_in_flight(void **state)
{
	const uint64_t kinds[] = { 0, VC_VIRTIO_F_RING_PACKED | VC_VIRTIO_F_EVENT_IDX };
	static struct slow slow;
	uint32_t seed = 11;
	struct board b;

	(void)state;
	make(&b, &slow);
	for (uint32_t i = 0; i < NR_RESETS; i++) {
		board_drive(&b, kinds[i % 2] | VC_VIRTIO_F_RING_RESET);
		send_some(&b, &seed);
		if (draw(&seed, 4) == 0)
			usleep(draw(&seed, 200));
		if (draw(&seed, 8) == 0) {
			reset_queue(&b, &seed);
			send_some(&b, &seed);
		}
		if (draw(&seed, 8) == 0) {
			vc_virtio_pause(&slow.v);
			send_some(&b, &seed);
			vc_virtio_resume(&slow.v);
		}
		assert_int_equal(board_status(&b), 15);
		if (draw(&seed, 8) == 0) {
			/* A driver that does not wait leaves what it had alone. */
			b.rings_off ^= 0x8000;
			board_drive(&b, 0);
			send_some(&b, &seed);
		}
		vc_device_reset(b.dev);
		await_reset(&b);
		assert_int_equal(reg_read(&b, 0x60), 0);
		assert_int_equal(atomic_load(&b.level), 0);
		look_for_writes(&b, &seed);
	}
	board_drive(&b, 0);
	send_some(&b, &seed);
	board_drop(&b);
	assert_true(slow.nr_served > NR_RESETS / 10 && slow.nr_late > NR_RESETS / 10);
}

/* Destroyed with requests in flight, at any moment; its ring goes on. */
static void destroyed_in_flight(void **state)
{
	static struct slow slow;
	uint32_t seed = 5;
	struct board b;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		make(&b, &slow);
		if (i % 4 != 0) {
			board_drive(&b, 0);
			send_some(&b, &seed);
		}
		if (i % 8 == 1)
			usleep(draw(&seed, 300));
		if (i % 16 == 2)
			assert_result(vc_ring_stop(b.ring), 0);
		board_drop(&b);
	}
}

/* A device that was there before the ring's thread, and never used: its files are free again. */
static void files_come_back(void **state)
{
	struct vc_ring_config ring = {
		.size = sizeof(ring),
		.nr_workers = 1,
		.nr_files = ECHO_QUEUES,
	};
	struct board b = { 0 };
	uint32_t len;

	(void)state;
	b.mem = ram_make(&b.ram);
	assert_result(vc_ring_create(&ring, &b.ring), 0);
	assert_result(vc_irq_create_ops(&board_irq_ops, &b, 0, &b.irq), 0);
	b.echo = board_make_echo(&b);
	assert_result(vc_ring_start(b.ring), 0);
	vc_device_destroy(&b.echo->v.dev);
	b.echo = board_make_echo(&b);
	b.dev = &b.echo->v.dev;
	board_drive(&b, 0);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		assert_true(board_send(&b, q) >= 0);
		while (driver_take(&b.drivers[q], &len) < 0)
			assert_int_equal(board_status(&b), 15);
	}
	board_drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_back),
		cmocka_unit_test(resets_in_flight),
		cmocka_unit_test(destroyed_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
