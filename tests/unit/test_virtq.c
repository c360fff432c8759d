/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for queues of either format, against an independent driver: every buffer arrives as it
 * was sent, in order or not; requests that outlive their queue; notifications; wrong calls.
 */
#include "virtq_unit.h"

#include "virtq.h"

#define NR	  8u
#define MAX_BUFS  6u
#define NR_ROUNDS 20000u

static const struct driver_config kinds[] = {
	{ .nr = NR },
	{ .nr = NR, .has_event_idx = true },
	{ .nr = NR, .indirect = MAX_BUFS },
	{ .nr = NR, .is_in_order = true },
	{ .nr = NR, .is_in_order = true, .has_event_idx = true, .indirect = MAX_BUFS },
	{ .nr = 1, .has_event_idx = true },
	{ .nr = NR, .is_packed = true },
	{ .nr = 7, .is_packed = true, .has_event_idx = true },
	{ .nr = NR, .is_packed = true, .indirect = MAX_BUFS },
	{ .nr = 5, .is_packed = true, .is_in_order = true },
	{ .nr = NR, .is_packed = true, .is_in_order = true, .has_event_idx = true, .indirect = 3 },
	{ .nr = 1, .is_packed = true, .has_event_idx = true },
};

/* A request as the driver sent it. */
struct sent {
	struct driver_buf bufs[MAX_BUFS];
	uint32_t nr, written;
	bool is_done;
};

/* In the device's hands. */
struct held {
	struct vc_virtq_chain chain;
	struct vc_slice slices[MAX_BUFS];
};

struct traffic {
	struct pair pair;
	struct sent sent[NR];
	struct held held[NR];
	uint32_t nr_held, seed;
	uint16_t order[NR]; /* of ids, as they were sent */
	uint32_t nr_order;
	uint64_t nr_taken;
};

static uint32_t draw(struct traffic *t, uint32_t below)
{
	t->seed = t->seed * 1664525u + 1013904223u;
	return (t->seed >> 8) % below;
}

static void send_some(struct traffic *t)
{
	struct sent next;
	int id;

	for (uint32_t n = draw(t, 4); n > 0; n--) {
		uint32_t nr_out;

		memset(&next, 0, sizeof(next));
		next.nr = 1 + draw(t, MAX_BUFS);
		nr_out = draw(t, next.nr + 1);
		for (uint32_t i = 0; i < next.nr; i++)
			next.bufs[i] = (struct driver_buf){
				.gpa = DATA_GPA + draw(t, 0x10000),
				.len = 1 + draw(t, 4096),
				.is_write = i >= nr_out,
			};
		id = driver_add(&t->pair.driver, next.bufs, next.nr);
		if (id < 0)
			break;
		t->sent[id] = next;
		t->order[t->nr_order++] = (uint16_t)id;
	}
	(void)driver_publish(&t->pair.driver);
}

static void check_chain(struct traffic *t, const struct vc_virtq_chain *chain)
{
	const struct sent *sent = &t->sent[chain->id];
	uint64_t bytes[2] = { 0, 0 };

	assert_int_equal(chain->nr_readable + chain->nr_writable, sent->nr);
	for (uint32_t i = 0; i < sent->nr; i++) {
		const struct driver_buf *buf = &sent->bufs[i];

		assert_int_equal(chain->slices[i].gpa, buf->gpa);
		assert_int_equal(chain->slices[i].len, buf->len);
		assert_ptr_equal(chain->slices[i].ptr, t->pair.ram + buf->gpa);
		assert_int_equal(chain->slices[i].perm,
				 buf->is_write ? VC_PERM_WRITE : VC_PERM_READ);
		assert_int_equal(i >= chain->nr_readable, buf->is_write);
		bytes[buf->is_write] += buf->len;
	}
	assert_int_equal(chain->readable_bytes, bytes[0]);
	assert_int_equal(chain->writable_bytes, bytes[1]);
}

static void serve_some(struct traffic *t)
{
	for (;;) {
		struct held *held = &t->held[t->nr_held];

		if (t->nr_held == NR)
			break;
		held->chain.slices = held->slices;
		held->chain.max_slices = MAX_BUFS;
		if (vc_virtq_pop(t->pair.vq, &held->chain) == 0)
			break;
		check_chain(t, &held->chain);
		t->nr_held++;
	}
	assert_int_equal(vc_virtq_in_flight(t->pair.vq), t->nr_held);
	for (uint32_t n = draw(t, NR + 1); n > 0 && t->nr_held > 0; n--) {
		struct held *held = &t->held[draw(t, t->nr_held)];
		struct sent *sent = &t->sent[held->chain.id];

		sent->written = draw(t, (uint32_t)held->chain.writable_bytes + 1);
		sent->is_done = true;
		assert_result(vc_virtq_push(t->pair.vq, &held->chain, sent->written), 0);
		*held = t->held[--t->nr_held];
		held->chain.slices = held->slices;
	}
	(void)vc_virtq_flush(t->pair.vq);
}

static void take_all(struct traffic *t)
{
	uint32_t len;
	int id;

	while ((id = driver_take(&t->pair.driver, &len)) >= 0) {
		uint32_t i = 0;

		assert_true(t->sent[id].is_done);
		assert_int_equal(len, t->sent[id].written);
		t->sent[id].is_done = false;
		while (t->order[i] != id)
			i++;
		if (t->pair.driver.cfg.is_in_order)
			assert_int_equal(i, 0);
		memmove(&t->order[i], &t->order[i + 1], (--t->nr_order - i) * sizeof(t->order[0]));
		t->nr_taken++;
	}
}

static void traffic_of_every_kind(void **state)
{
	static struct traffic t;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		memset(&t, 0, sizeof(t));
		t.seed = (uint32_t)k + 1;
		pair_make(&t.pair, &kinds[k]);
		for (uint32_t i = 0; i < NR_ROUNDS; i++) {
			send_some(&t);
			serve_some(&t);
			take_all(&t);
		}
		assert_int_equal(vc_virtq_get_fault(t.pair.vq), VC_VIRTQ_SOUND);
		assert_true(t.nr_taken > NR_ROUNDS / 16);
		while (t.nr_held > 0 || t.nr_order > 0) {
			serve_some(&t);
			take_all(&t);
		}
		assert_int_equal(t.pair.driver.nr_free, kinds[k].nr);
		pair_drop(&t.pair);
	}
}

static struct vc_virtq_chain pop_one(struct pair *p)
{
	struct vc_virtq_chain chain = { .slices = p->slices, .max_slices = MAX_SLICES };

	assert_result(vc_virtq_pop(p->vq, &chain), 1);
	return chain;
}

static int send_one(struct pair *p, bool *ret_wants)
{
	struct driver_buf bufs[2] = { { DATA_GPA, 16, false }, { DATA_GPA + 64, 16, true } };
	int id = driver_add(&p->driver, bufs, p->driver.cfg.nr > 1 ? 2 : 1);

	assert_true(id >= 0);
	*ret_wants = driver_publish(&p->driver);
	return id;
}

/* A disabled queue's request comes back: the ring, which may be another's by now, stays as it is. */
static void late_completion_is_dropped(void **state)
{
	static uint8_t before[DATA_GPA];
	struct pair p;
	bool wants;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct vc_virtq_chain old;
		struct vc_slice slices[MAX_SLICES];
		uint32_t len;
		int id;

		pair_make(&p, &kinds[k]);
		(void)send_one(&p, &wants);
		old = pop_one(&p);
		memcpy(slices, p.slices, sizeof(slices));
		old.slices = slices;
		vc_virtq_disable(p.vq);
		assert_int_equal(vc_virtq_in_flight(p.vq), 1);
		assert_result(vc_virtq_pop(p.vq, &(struct vc_virtq_chain){ 0 }), 0);

		driver_restart(&p.driver);
		assert_result(vc_virtq_enable(p.vq, &p.layout), 0);
		id = send_one(&p, &wants);
		memcpy(before, p.ram, sizeof(before));
		assert_int_equal(vc_virtq_push(p.vq, &old, 0), -ESTALE);
		assert_false(vc_virtq_flush(p.vq));
		assert_memory_equal(p.ram, before, sizeof(before));
		assert_int_equal(vc_virtq_in_flight(p.vq), 0);

		old = pop_one(&p);
		assert_int_equal(old.id, id);
		assert_result(vc_virtq_push(p.vq, &old, 0), 0);
		assert_true(vc_virtq_flush(p.vq));
		assert_int_equal(driver_take(&p.driver, &len), id);
		pair_drop(&p);
	}
}

/* Neither side is told of what it did not ask for, and each of what it did. */
static void notifications(void **state)
{
	struct pair p;
	bool wants;
	uint32_t len;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		pair_make(&p, &kinds[k]);
		for (unsigned int i = 0; i < 300; i++) {
			struct vc_virtq_chain chain;
			bool device_sleeps = i % 3 == 0, driver_sleeps = i % 5 < 2;

			if (device_sleeps)
				assert_false(vc_virtq_arm(p.vq));
			else
				vc_virtq_disarm(p.vq);
			(void)send_one(&p, &wants);
			assert_int_equal(wants, device_sleeps);
			assert_true(vc_virtq_arm(p.vq));
			chain = pop_one(&p);
			if (driver_sleeps)
				assert_false(driver_calls_on(&p.driver));
			else
				driver_calls_off(&p.driver);
			assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
			assert_int_equal(vc_virtq_flush(p.vq), driver_sleeps);
			assert_false(vc_virtq_flush(p.vq));
			assert_true(driver_calls_on(&p.driver));
			assert_true(driver_take(&p.driver, &len) >= 0);
		}
		pair_drop(&p);
	}
}

/* Nothing is visible before the flush, all of it after, with one notification. */
static void one_flush_for_a_batch(void **state)
{
	struct driver_config both[] = { { .nr = NR }, { .nr = NR, .is_packed = true } };
	struct driver_buf buf = { DATA_GPA, 8, true };
	struct vc_virtq_chain chain;
	struct pair p;
	uint32_t len;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(both); k++) {
		pair_make(&p, &both[k]);
		for (uint32_t i = 0; i < NR; i++)
			assert_true(driver_add(&p.driver, &buf, 1) >= 0);
		assert_result(vc_virtq_pop(p.vq, &(struct vc_virtq_chain){ 0 }), 0);
		assert_true(driver_publish(&p.driver));
		for (uint32_t i = 0; i < NR; i++) {
			chain = pop_one(&p);
			assert_int_equal(vc_virtq_write(&chain, 0, "abcdefgh", 8), 8);
			assert_result(vc_virtq_push(p.vq, &chain, i), 0);
			assert_false(driver_has_used(&p.driver));
		}
		assert_true(vc_virtq_flush(p.vq));
		for (uint32_t i = 0; i < NR; i++) {
			assert_true(driver_take(&p.driver, &len) >= 0);
			assert_int_equal(len, i);
		}
		assert_int_equal(driver_take(&p.driver, &len), -1);
		assert_memory_equal(p.ram + DATA_GPA, "abcdefgh", 8);
		pair_drop(&p);
	}
}

/* A buffer over the border of two ranges of RAM comes as two slices; over the end it breaks. */
static void buffers_over_borders(void **state)
{
	struct driver_buf bufs[] = { { MORE_GPA - 5, 9, false }, { MORE_GPA - 1, 2, true } };
	struct vc_virtq_chain chain;
	uint8_t seven[7];
	struct pair p;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		if (kinds[k].nr == 1)
			continue;
		pair_make(&p, &kinds[k]);
		assert_true(driver_add(&p.driver, bufs, 2) >= 0);
		(void)driver_publish(&p.driver);
		memcpy(p.ram + MORE_GPA - 5, "12345", 5);
		assert_int_equal(vc_mem_write(p.mem, MORE_GPA, "6789", 4), 0);
		chain = pop_one(&p);
		assert_int_equal(chain.nr_readable, 2);
		assert_int_equal(chain.nr_writable, 2);
		assert_int_equal(vc_virtq_read(&chain, 1, seven, 7), 7);
		assert_memory_equal(seven, "2345678", 7);
		assert_int_equal(vc_virtq_read(&chain, 8, seven, 7), 1);
		assert_int_equal(vc_virtq_read(&chain, 0, seven, 1), 1);
		assert_int_equal(seven[0], '1');
		assert_int_equal(vc_virtq_read(&chain, 9, seven, 7), 0);
		assert_int_equal(vc_virtq_write(&chain, 1, "xyz", 3), 1);
		assert_result(vc_virtq_push(p.vq, &chain, 2), 0);

		bufs[1].gpa = RAM_END - 1;
		assert_true(driver_add(&p.driver, bufs, 2) >= 0);
		bufs[1].gpa = MORE_GPA - 1;
		(void)driver_publish(&p.driver);
		expect_broken(&p, VC_VIRTQ_BAD_ADDRESS);
		pair_drop(&p);
	}
}

/* What the caller has no room for is the driver's fault: too long. */
static void no_room_for_slices(void **state)
{
	struct vc_virtq_chain chain = { 0 };
	struct vc_slice slice;
	struct pair p;
	bool wants;

	(void)state;
	pair_make(&p, &kinds[0]);
	(void)send_one(&p, &wants);
	chain.slices = &slice;
	chain.max_slices = 1;
	assert_int_equal(vc_virtq_pop(p.vq, &chain), -EIO);
	assert_int_equal(vc_virtq_get_fault(p.vq), VC_VIRTQ_TOO_LONG);
	pair_drop(&p);
}

/* The device itself may declare a queue broken; what is in flight then goes nowhere. */
static void broken_by_the_device(void **state)
{
	struct vc_virtq_chain chain;
	struct pair p;
	bool wants;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		pair_make(&p, &kinds[k]);
		(void)send_one(&p, &wants);
		chain = pop_one(&p);
		vc_virtq_break(p.vq, VC_VIRTQ_BAD_REQUEST);
		vc_virtq_break(p.vq, VC_VIRTQ_BAD_RING);
		expect_broken(&p, VC_VIRTQ_BAD_REQUEST);
		assert_int_equal(vc_virtq_push(p.vq, &chain, 0), -EIO);
		vc_virtq_disarm(p.vq);
		assert_false(driver_has_used(&p.driver));
		vc_virtq_disable(p.vq);
		assert_int_equal(vc_virtq_get_fault(p.vq), VC_VIRTQ_SOUND);
		pair_drop(&p);
	}
}

static void wrong_calls(void **state)
{
	struct vc_virtq_chain chain, copy;
	struct pair p;
	bool wants;

	(void)state;
	pair_make(&p, &kinds[0]);
	(void)send_one(&p, &wants);
	chain = pop_one(&p);
	assert_refused(vc_virtq_push(p.vq, &chain, 17), -EINVAL, "more than");
	copy = chain;
	assert_result(vc_virtq_push(p.vq, &chain, 16), 0);
	assert_refused(vc_virtq_push(p.vq, &chain, 0), -EINVAL, "not in flight");
	assert_refused(vc_virtq_push(p.vq, &copy, 0), -EINVAL, "not in flight");
	assert_refused(vc_virtq_enable(p.vq, &p.layout), -EBUSY, "enabled");
	pair_drop(&p);
}

/* What the device writes is in the dirty log: used elements, event words, buffers. */
static void writes_are_dirty(void **state)
{
	struct vc_virtq_chain chain;
	uint64_t bits[RAM_BYTES / 4096 / 64];
	struct pair p;
	bool wants;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		if (kinds[k].nr == 1)
			continue;
		pair_make(&p, &kinds[k]);
		(void)send_one(&p, &wants);
		assert_result(vc_mem_dirty_start(p.mem), 0);
		chain = pop_one(&p);
		assert_result(vc_virtq_push(p.vq, &chain, 1), 0);
		memset(bits, 0, sizeof(bits));
		assert_int_equal(vc_mem_dirty_take(p.mem, 0, bits, ARRAY_LEN(bits)), 1);
		assert_true(bits[DATA_GPA / 4096 / 64] & 1);
		(void)vc_virtq_flush(p.vq);
		assert_int_equal(vc_mem_dirty_take(p.mem, 0, bits, ARRAY_LEN(bits)), 1);
		assert_true(bits[0] & 2);
		(void)vc_virtq_arm(p.vq);
		assert_int_equal(vc_mem_dirty_take(p.mem, 0, bits, ARRAY_LEN(bits)), 1);
		pair_drop(&p);
	}
}

/* Off is off: no words are written, nothing is there. And 0 is no generation. */
static void disabled(void **state)
{
	struct vc_virtq_chain chain;
	struct pair p;
	bool wants;

	(void)state;
	pair_make(&p, &kinds[0]);
	vc_virtq_disable(p.vq);
	(void)send_one(&p, &wants);
	vc_virtq_disarm(p.vq);
	assert_false(vc_virtq_arm(p.vq));
	assert_false(vc_virtq_flush(p.vq));
	p.vq->generation = UINT32_MAX;
	vc_virtq_disable(p.vq);
	assert_int_equal(p.vq->generation, 1);
	assert_result(vc_virtq_enable(p.vq, &p.layout), 0);
	chain = pop_one(&p);
	assert_int_equal(chain.generation, 1);
	assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
	chain.generation = 9; /* of no use, and nothing is out */
	assert_refused(vc_virtq_push(p.vq, &chain, 0), -EINVAL, "not in flight");
	pair_drop(&p);
}

/* Every fault has words of its own. */
static void faults_in_words(void **state)
{
	(void)state;
	for (unsigned int i = 0; i <= VC_VIRTQ_BAD_REQUEST; i++) {
		const char *text = vc_virtq_fault_text((enum vc_virtq_fault)i);

		assert_non_null(text);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(text, vc_virtq_fault_text((enum vc_virtq_fault)j));
	}
	assert_string_equal(vc_virtq_fault_text((enum vc_virtq_fault)99), "unknown fault");
	vc_virtq_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traffic_of_every_kind),
		cmocka_unit_test(late_completion_is_dropped),
		cmocka_unit_test(notifications),
		cmocka_unit_test(one_flush_for_a_batch),
		cmocka_unit_test(buffers_over_borders),
		cmocka_unit_test(no_room_for_slices),
		cmocka_unit_test(broken_by_the_device),
		cmocka_unit_test(wrong_calls),
		cmocka_unit_test(disabled),
		cmocka_unit_test(writes_are_dirty),
		cmocka_unit_test(faults_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
