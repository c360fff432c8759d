/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues saved and loaded in the middle of their traffic; what of a section is refused.
 * Also covers: virtq_chain.c (by test_virtq, buffers_over_borders).
 */
#include "virtq_unit.h"

#include <libvirtcore/snapshot.h>

#define NR	  7u
#define STATE_MAX 128u

static const struct driver_config kinds[] = {
	{ .nr = 8 },
	{ .nr = 4, .has_event_idx = true, .indirect = 2 },
	{ .nr = NR, .is_packed = true },
	{ .nr = NR, .is_packed = true, .is_in_order = true, .has_event_idx = true },
};

/* The bytes that a queue adds to a section. */
static size_t save(const struct vc_virtq *vq, uint8_t *buf)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	uint32_t version;
	size_t len;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "q", 1), 0);
	assert_result(vc_virtq_save(vq, writer), 0);
	assert_result(vc_state_end(writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &len), 0);
	assert_result(vc_state_reader_create(bytes, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_state_open(reader, "q", 1, &version), 0);
	len = vc_state_left(reader);
	assert_true(len <= STATE_MAX);
	assert_result(vc_state_get_bytes(reader, buf, len), 0);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	return len;
}

static int load(struct vc_virtq *vq, const uint8_t *buf, size_t len)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	uint32_t version;
	size_t total;
	int r;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "q", 1), 0);
	vc_state_put_bytes(writer, buf, len);
	assert_result(vc_state_end(writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &total), 0);
	assert_result(vc_state_reader_create(bytes, total, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_state_open(reader, "q", 1, &version), 0);
	r = vc_virtq_load(vq, reader);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	return r;
}

static void round_trip(struct pair *p)
{
	struct driver_buf buf = { DATA_GPA, 4, true };
	struct vc_virtq_chain chain = { .slices = p->slices, .max_slices = MAX_SLICES };
	int id = driver_add(&p->driver, &buf, 1);
	uint32_t len;

	assert_true(id >= 0);
	(void)driver_publish(&p->driver);
	assert_result(vc_virtq_pop(p->vq, &chain), 1);
	assert_int_equal(chain.id, id);
	assert_result(vc_virtq_push(p->vq, &chain, 3), 0);
	(void)vc_virtq_flush(p->vq);
	assert_int_equal(driver_take(&p->driver, &len), id);
	assert_int_equal(len, 3);
}

/* At every position of several turns of the ring: into a fresh queue, which goes on. */
static void traffic_goes_on(void **state)
{
	struct vc_virtq_config cfg = { .size = sizeof(cfg), .max_size = 256 };
	uint8_t before[STATE_MAX], after[STATE_MAX];
	struct pair p;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		pair_make(&p, &kinds[k]);
		cfg.mem = p.mem;
		for (unsigned int i = 0; i < 40; i++) {
			struct vc_virtq *next;
			size_t len = save(p.vq, before);

			assert_result(vc_virtq_create(&cfg, &next), 0);
			assert_result(load(next, before, len), 0);
			assert_int_equal(save(next, after), len);
			assert_memory_equal(after, before, len);
			vc_virtq_destroy(p.vq);
			p.vq = next;
			round_trip(&p);
		}
		pair_drop(&p);
	}
}

/* After a load nobody knows what was signalled: the first flush asks for it. */
static void first_flush_signals(void **state)
{
	struct driver_buf buf = { DATA_GPA, 4, true };
	struct vc_virtq_chain chain = { 0 };
	uint8_t bytes[STATE_MAX];
	struct pair p;

	(void)state;
	pair_make(&p, &kinds[0]);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	driver_calls_off(&p.driver);
	for (unsigned int i = 0; i < 3; i++) {
		if (i == 1) {
			size_t len = save(p.vq, bytes);

			vc_virtq_disable(p.vq);
			assert_result(load(p.vq, bytes, len), 0);
		}
		assert_true(driver_add(&p.driver, &buf, 1) >= 0);
		(void)driver_publish(&p.driver);
		assert_result(vc_virtq_pop(p.vq, &chain), 1);
		assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
		assert_int_equal(vc_virtq_flush(p.vq), i == 1);
	}
	pair_drop(&p);
}

static void disabled_and_broken(void **state)
{
	uint8_t bytes[STATE_MAX];
	struct vc_virtq_layout bad;
	struct pair p;
	size_t len;

	(void)state;
	pair_make(&p, &kinds[0]);
	vc_virtq_disable(p.vq);
	assert_int_equal(save(p.vq, bytes), 1);
	assert_result(load(p.vq, bytes, 1), 0);
	assert_result(vc_virtq_enable(p.vq, &p.layout), 0); /* was disabled still */

	vc_virtq_break(p.vq, VC_VIRTQ_BAD_REQUEST);
	len = save(p.vq, bytes);
	vc_virtq_disable(p.vq);
	assert_result(load(p.vq, bytes, len), 0);
	expect_broken(&p, VC_VIRTQ_BAD_REQUEST);
	vc_virtq_disable(p.vq);

	bad = p.layout;
	bad.desc = RAM_END;
	assert_int_equal(vc_virtq_enable(p.vq, &bad), -EFAULT);
	len = save(p.vq, bytes);
	vc_virtq_disable(p.vq);
	assert_result(load(p.vq, bytes, len), 0);
	expect_broken(&p, VC_VIRTQ_BAD_RING);
	pair_drop(&p);
}

static void in_flight_is_not_saved(void **state)
{
	struct driver_buf buf = { DATA_GPA, 4, true };
	struct vc_virtq_chain chain = { 0 };
	struct vc_state_writer *writer;
	struct pair p;

	(void)state;
	pair_make(&p, &kinds[0]);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "q", 1), 0);
	assert_true(driver_add(&p.driver, &buf, 1) >= 0);
	(void)driver_publish(&p.driver);
	assert_result(vc_virtq_pop(p.vq, &chain), 1);
	assert_refused(vc_virtq_save(p.vq, writer), -EBUSY, "1 requests are in flight");
	assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
	assert_refused(vc_virtq_save(p.vq, writer), -EBUSY, "1 not flushed");
	(void)vc_virtq_flush(p.vq);
	assert_result(vc_virtq_save(p.vq, writer), 0);
	vc_state_writer_destroy(writer);
	pair_drop(&p);
}

/* Each byte made each value: refused, or taken and then saved again the same. */
static void every_byte(void **state)
{
	uint8_t good[STATE_MAX], bad[STATE_MAX], again[STATE_MAX];
	unsigned int nr_refused = 0;
	struct pair p;
	size_t len;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		pair_make(&p, &kinds[k]);
		round_trip(&p);
		len = save(p.vq, good);
		vc_virtq_disable(p.vq);
		for (size_t i = 0; i < len; i++)
			assert_refused(load(p.vq, good, i), -EBADMSG, "section ends");
		for (size_t at = 0; at < 256 * len; at++) {
			int r;

			memcpy(bad, good, len);
			bad[at / 256] = (uint8_t)at;
			r = load(p.vq, bad, len);
			if (r == 0 && bad[0]) {
				assert_int_equal(save(p.vq, again), len);
				assert_memory_equal(again, bad, len - 3);
			}
			assert_true(r == 0 || r == -EBADMSG);
			nr_refused += r < 0;
			if (r < 0)
				assert_int_equal(save(p.vq, again), 1);
			vc_virtq_disable(p.vq);
		}
		pair_drop(&p);
	}
	assert_true(nr_refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traffic_goes_on),	  cmocka_unit_test(first_flush_signals),
		cmocka_unit_test(disabled_and_broken),	  cmocka_unit_test(every_byte),
		cmocka_unit_test(in_flight_is_not_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
