/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device saved in the middle of its work, loaded into another one; what is refused. */
#include "virtio_unit.h"

/* Another device at the same memory takes the state over and goes on. */
static void take_over(struct board *b)
{
	uint8_t bytes[PAYLOAD_MAX], again[PAYLOAD_MAX];
	struct echo *next = board_make_echo(b);
	size_t len;

	vc_virtio_pause(&b->echo->v);
	len = save_payload(b->dev, bytes, sizeof(bytes));
	vc_device_destroy(b->dev);
	b->echo = next;
	b->dev = &next->v.dev;
	assert_result(load_payload(b->dev, 1, bytes, len), 0);
	assert_int_equal(save_payload(b->dev, again, sizeof(again)), len);
	assert_memory_equal(again, bytes, len);
	vc_virtio_resume(&next->v);
	board_step(b);
}

static void work_goes_on(void **state)
{
	const uint64_t kinds[] = { 0, VC_VIRTIO_F_EVENT_IDX,
				   VC_VIRTIO_F_RING_PACKED | VC_VIRTIO_F_EVENT_IDX };
	struct board b;
	uint32_t len;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		board_make(&b, false);
		take_over(&b); /* a fresh one */
		board_drive(&b, kinds[k]);
		take_over(&b); /* nobody has served it yet */
		for (unsigned int i = 0; i < 40; i++) {
			int id = board_send(&b, i % 2);

			assert_true(id >= 0);
			if (i % 3 == 0)
				take_over(&b);
			board_step(&b);
			assert_int_equal(driver_take(&b.drivers[i % 2], &len), id);
			(void)driver_calls_on(&b.drivers[i % 2]);
			if (i % 7 == 0)
				take_over(&b); /* with its interrupt pending */
			assert_int_equal(atomic_load(&b.level), 1);
			reg_write(&b, 0x64, 1);
		}
		assert_int_equal(board_status(&b), 15);
		board_drop(&b);
	}
}

/* Being served, it is neither saved nor loaded. */
static void not_while_served(void **state)
{
	struct vc_state_writer *writer;
	uint8_t bytes[PAYLOAD_MAX];
	struct board b;
	size_t len;

	(void)state;
	board_make(&b, false);
	len = save_payload(b.dev, bytes, sizeof(bytes));
	board_drive(&b, 0);
	board_step(&b);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_refused(vc_device_save(b.dev, writer), -EBUSY, "pause the device first");
	vc_state_writer_destroy(writer);
	assert_refused(load_payload(b.dev, 1, bytes, len), -EBUSY, "reset the device first");
	board_step(&b); /* a load that fails resets */
	assert_int_equal(board_status(&b), 0);
	assert_result(load_payload(b.dev, 1, bytes, len), 0);
	board_drop(&b);
}

/* Reset between load and resume: the loaded queues are nobody's. */
static void reset_after_load(void **state)
{
	uint8_t bytes[PAYLOAD_MAX];
	struct board b;
	uint32_t out;
	size_t len;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	board_step(&b);
	vc_virtio_pause(&b.echo->v);
	len = save_payload(b.dev, bytes, sizeof(bytes));
	vc_virtio_resume(&b.echo->v);
	reg_write(&b, 0x70, 0);
	board_step(&b);
	assert_result(load_payload(b.dev, 1, bytes, len), 0);
	vc_device_reset(b.dev);
	vc_virtio_resume(&b.echo->v);
	board_step(&b);
	assert_int_equal(board_status(&b), 0);
	board_drive(&b, VC_VIRTIO_F_RING_PACKED);
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	assert_true(driver_take(&b.drivers[0], &out) >= 0);
	board_drop(&b);
}

/* Each byte with each bit flipped: refused with the device as after a reset, or taken as it is. */
static void every_bit(void **state)
{
	uint8_t good[PAYLOAD_MAX], bad[PAYLOAD_MAX], fresh[PAYLOAD_MAX], again[PAYLOAD_MAX];
	unsigned int nr_refused = 0;
	size_t len, fresh_len;
	struct board b;

	(void)state;
	board_make(&b, false);
	fresh_len = save_payload(b.dev, fresh, sizeof(fresh));
	board_drive(&b, VC_VIRTIO_F_RING_PACKED);
	board_step(&b);
	vc_virtio_pause(&b.echo->v);
	len = save_payload(b.dev, good, sizeof(good));
	vc_device_reset(b.dev);
	board_step(&b);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		int r;

		memcpy(bad, good, len);
		bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
		r = load_payload(b.dev, 1, bad, len);
		assert_true(r == 0 || r == -EBADMSG);
		if (r == 0) {
			assert_int_equal(save_payload(b.dev, again, sizeof(again)), len);
			vc_device_reset(b.dev);
			board_step(&b);
			continue;
		}
		nr_refused++;
		board_step(&b);
		/* But for the generation and the configuration space everything is as it was. */
		assert_int_equal(save_payload(b.dev, again, sizeof(again)), fresh_len);
		assert_memory_equal(again, fresh, 9);
		assert_memory_equal(again + 13, fresh + 13, fresh_len - 13 - ECHO_CONFIG);
	}
	assert_true(nr_refused > len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(load_payload(b.dev, 1, good, i), -EBADMSG);
	assert_int_equal(load_payload(b.dev, 1, good, len + 1), -EBADMSG);
	assert_int_equal(load_payload(b.dev, 2, good, len), -EPROTONOSUPPORT);
	board_drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_goes_on),
		cmocka_unit_test(not_while_served),
		cmocka_unit_test(reset_after_load),
		cmocka_unit_test(every_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
