/* SPDX-License-Identifier: Apache-2.0 */
/* Packed rings written by hand: layouts that are legal but odd, and every way in which they lie. */
#include "virtq_unit.h"

#define NR 4u

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 0x80, USED = 0x8000 };

#define WORDS(id, flags) ((uint32_t)(flags) << 16 | (id))

static void make(struct pair *p, uint32_t indirect)
{
	struct driver_config cfg = { .nr = NR, .is_packed = true, .indirect = indirect };

	pair_make(p, &cfg);
}

static uint64_t desc(const struct pair *p, unsigned int idx)
{
	return p->driver.desc + 16 * idx;
}

/* One queue, one list from descriptor 0 on, one fault. */
static void lie(const uint32_t (*descs)[3], unsigned int nr, uint32_t indirect,
		enum vc_virtq_fault fault)
{
	struct pair p;

	make(&p, indirect);
	for (unsigned int i = 0; i < nr; i++)
		put_desc(&p, desc(&p, i), descs[i][0], descs[i][1], descs[i][2] | AVAIL << 16);
	expect_broken(&p, fault);
	pair_drop(&p);
}

#define LIE(fault, indirect, ...)                 \
	lie((const uint32_t[][3]){ __VA_ARGS__ }, \
	    sizeof((const uint32_t[][3]){ __VA_ARGS__ }) / 12, (indirect), (fault))

static void lying_descriptors(void **state)
{
	uint32_t data = DATA_GPA;

	(void)state;
	LIE(VC_VIRTQ_EMPTY_BUFFER, 0, { data, 0, 0 });
	LIE(VC_VIRTQ_BAD_ADDRESS, 0, { RAM_END, 1, 0 });
	LIE(VC_VIRTQ_BAD_ADDRESS, 0, { ROM_GPA, 1, WORDS(0, WRITE) });
	LIE(VC_VIRTQ_BAD_ORDER, 0, { data, 1, WORDS(0, NEXT | WRITE) }, { data, 1, 0 });
	LIE(VC_VIRTQ_BAD_HEAD, 0, { data, 1, WORDS(NR, 0) });
	LIE(VC_VIRTQ_BAD_HEAD, 0, { data, 1, WORDS(0xffff, 0) });
	/* A list that never ends is as long as the ring. */
	LIE(VC_VIRTQ_BAD_INDEX, 0, { data, 1, WORDS(0, NEXT) }, { data, 1, WORDS(0, NEXT) },
	    { data, 1, WORDS(0, NEXT) }, { data, 1, WORDS(0, NEXT) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 0, { data, 16, WORDS(0, INDIRECT) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 16, WORDS(0, INDIRECT | NEXT) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 8, WORDS(0, NEXT) },
	    { data, 16, WORDS(0, INDIRECT) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 0, WORDS(0, INDIRECT) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 17, WORDS(0, INDIRECT) });
	LIE(VC_VIRTQ_BAD_ADDRESS, 4, { RAM_END - 16, 32, WORDS(0, INDIRECT) });
	LIE(VC_VIRTQ_EMPTY_BUFFER, 4, { data, 16, WORDS(0, INDIRECT) });
}

/* More in flight than the ring holds: by id, by descriptors. */
static void lying_rings(void **state)
{
	struct vc_virtq_chain chain = { 0 };
	struct vc_slice slices[MAX_SLICES];
	struct pair p;

	(void)state;
	chain.slices = slices;
	chain.max_slices = MAX_SLICES;
	make(&p, 0);
	put_desc(&p, desc(&p, 0), DATA_GPA, 8, WORDS(2, AVAIL));
	put_desc(&p, desc(&p, 1), DATA_GPA, 8, WORDS(2, AVAIL));
	assert_result(vc_virtq_pop(p.vq, &chain), 1);
	expect_broken(&p, VC_VIRTQ_HEAD_TWICE);
	assert_int_equal(vc_virtq_push(p.vq, &chain, 0), -EIO);
	pair_drop(&p);

	/* Three in flight; a list of two then ends in them. */
	make(&p, 0);
	for (unsigned int i = 0; i < 3; i++)
		put_desc(&p, desc(&p, i), DATA_GPA, 8, WORDS(0, AVAIL | (i < 2 ? NEXT : 0)));
	put_desc(&p, desc(&p, 3), DATA_GPA, 8, WORDS(1, AVAIL | NEXT));
	assert_result(vc_virtq_pop(p.vq, &chain), 1);
	assert_int_equal(chain.nr_readable, 3);
	expect_broken(&p, VC_VIRTQ_BAD_INDEX);
	assert_int_equal(vc_virtq_push(p.vq, &chain, 0), -EIO);
	pair_drop(&p);

	/* All in flight, and the first available again: as a buffer, as a table. */
	for (unsigned int flags = 0; flags <= INDIRECT; flags += INDIRECT) {
		make(&p, 4);
		for (unsigned int i = 0; i < NR; i++)
			put_desc(&p, desc(&p, i), DATA_GPA, 16,
				 WORDS(0, AVAIL | (i + 1 < NR ? NEXT : 0)));
		assert_result(vc_virtq_pop(p.vq, &chain), 1);
		put_desc(&p, desc(&p, 0), DATA_GPA, 16, WORDS(1, USED | flags));
		expect_broken(&p, VC_VIRTQ_BAD_INDEX);
		assert_int_equal(vc_virtq_push(p.vq, &chain, 0), -EIO);
		pair_drop(&p);
	}
}

/* The two bits in all four ways: one of them is available. */
static void available_bits(void **state)
{
	const uint32_t flags[] = { 0, USED, AVAIL | USED, AVAIL };
	struct vc_virtq_chain chain = { 0 };
	struct pair p;

	(void)state;
	make(&p, 0);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		put_desc(&p, desc(&p, 0), DATA_GPA, 8, WORDS(0, flags[i]));
		assert_int_equal(vc_virtq_arm(p.vq), flags[i] == AVAIL);
		assert_result(vc_virtq_pop(p.vq, &chain), flags[i] == AVAIL);
	}
	assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
	pair_drop(&p);
}

/* A table has as many buffers as it is long; of its flags only one counts. [virtio 1.3 §2.8.7] */
static void tables(void **state)
{
	struct vc_virtq_chain chain = { 0 };
	struct pair p;

	(void)state;
	make(&p, 4);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	put_desc(&p, desc(&p, 0), DATA_GPA, 32, WORDS(3, AVAIL | INDIRECT | WRITE));
	put_desc(&p, DATA_GPA, DATA_GPA + 1, 2, WORDS(77, NEXT | INDIRECT | AVAIL | USED));
	put_desc(&p, DATA_GPA + 16, DATA_GPA + 3, 4, WORDS(77, WRITE));
	assert_result(vc_virtq_pop(p.vq, &chain), 1);
	assert_int_equal(chain.id, 3);
	assert_int_equal(chain.readable_bytes, 2);
	assert_int_equal(chain.writable_bytes, 4);
	assert_result(vc_virtq_push(p.vq, &chain, 4), 0);
	assert_int_equal(get_u16(&p, desc(&p, 0) + 14), AVAIL | INDIRECT | WRITE);
	assert_true(vc_virtq_flush(p.vq));
	assert_int_equal(get_u16(&p, desc(&p, 0) + 14), AVAIL | USED | WRITE);
	assert_int_equal(get_u32(&p, desc(&p, 0) + 8), 4);
	assert_int_equal(get_u16(&p, desc(&p, 0) + 12), 3);

	put_desc(&p, desc(&p, 1), DATA_GPA, 16 * (NR + 1), WORDS(0, AVAIL | INDIRECT));
	for (unsigned int i = 0; i <= NR; i++)
		put_desc(&p, DATA_GPA + 16 * i, DATA_GPA, 1, 0);
	expect_broken(&p, VC_VIRTQ_TOO_LONG);
	pair_drop(&p);
}

/* Of a batch the first is shown last; one that wrote nothing says so. */
static void first_is_shown_last(void **state)
{
	struct vc_virtq_chain chains[2] = { 0 };
	struct vc_slice slices[2];
	struct pair p;

	(void)state;
	make(&p, 0);
	for (unsigned int i = 0; i < 2; i++) {
		chains[i].slices = &slices[i];
		chains[i].max_slices = 1;
		put_desc(&p, desc(&p, i), DATA_GPA, 8, WORDS(i, AVAIL | WRITE));
		assert_result(vc_virtq_pop(p.vq, &chains[i]), 1);
	}
	assert_result(vc_virtq_push(p.vq, &chains[1], 8), 0);
	assert_result(vc_virtq_push(p.vq, &chains[0], 0), 0);
	assert_int_equal(get_u16(&p, desc(&p, 0) + 14), AVAIL | WRITE);
	assert_int_equal(get_u16(&p, desc(&p, 1) + 14), AVAIL | USED);
	assert_true(vc_virtq_flush(p.vq));
	assert_int_equal(get_u16(&p, desc(&p, 0) + 14), AVAIL | USED | WRITE);
	assert_int_equal(get_u16(&p, desc(&p, 0) + 12), 1);
	pair_drop(&p);
}

/* Whether a flush of @nr descriptors from position 0 on asks for an event, by the driver's word. */
static bool asks(uint32_t word, uint32_t nr, uint32_t laps, bool has_event_idx)
{
	struct driver_config cfg = { .nr = NR, .is_packed = true, .has_event_idx = has_event_idx };
	struct driver_buf buf = { DATA_GPA, 1, false };
	struct vc_virtq_chain chain = { 0 };
	struct pair p;
	bool wants;

	pair_make(&p, &cfg);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	for (uint32_t i = 0; i < laps * NR + nr; i++) {
		assert_true(driver_add(&p.driver, &buf, 1) >= 0);
		(void)driver_publish(&p.driver);
		assert_result(vc_virtq_pop(p.vq, &chain), 1);
		assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
		if (i < laps * NR) {
			(void)vc_virtq_flush(p.vq);
			assert_true(driver_take(&p.driver, &(uint32_t){ 0 }) >= 0);
		}
	}
	memcpy(p.ram + p.driver.drv, &word, 4);
	wants = vc_virtq_flush(p.vq);
	pair_drop(&p);
	return wants;
}

static void events(void **state)
{
	const uint32_t wrap = 1u << 15, on = 0, off = 1u << 16, at = 2u << 16;

	(void)state;
	assert_true(asks(on, 1, 0, true));
	assert_true(asks(on, 1, 0, false));
	assert_false(asks(off, 1, 0, true));
	assert_false(asks(off, NR, 0, false));
	assert_true(asks(3u << 16, 1, 0, true)); /* reserved: rather once too often */
	assert_true(asks(at | wrap | 3, 1, 0, false));
	/* The first turn of the ring has wrap counter 1, the second 0. */
	for (uint32_t nr = 1; nr <= NR; nr++) {
		for (uint32_t pos = 0; pos < NR; pos++) {
			assert_int_equal(asks(at | wrap | pos, nr, 0, true), pos < nr);
			assert_false(asks(at | pos, nr, 0, true));
			assert_int_equal(asks(at | pos, nr, 1, true), pos < nr);
			assert_false(asks(at | wrap | pos, nr, 1, true));
		}
	}
}

/* Any number of entries; three parts with alignments of their own. */
static void rings(void **state)
{
	struct vc_virtq_layout layout;
	struct pair p;

	(void)state;
	make(&p, 0);
	vc_virtq_disable(p.vq);
	for (uint32_t nr = 1; nr <= 256; nr += 15) {
		layout = p.layout;
		layout.nr_entries = nr;
		assert_result(vc_virtq_enable(p.vq, &layout), 0);
		vc_virtq_disable(p.vq);
	}
	for (unsigned int i = 0; i < 6; i++) {
		layout = p.layout;
		layout.nr_entries += i == 0 ? 256 : 0;
		layout.nr_entries *= i != 1;
		layout.desc += i == 2 ? 8 : 0;
		layout.driver += i == 3 ? 2 : 0;
		layout.device += i == 4 ? 2 : 0;
		layout.desc = i == 5 ? ROM_GPA : layout.desc; /* must be written */
		assert_int_equal(vc_virtq_enable(p.vq, &layout), -EFAULT);
		expect_broken(&p, VC_VIRTQ_BAD_RING);
		vc_virtq_disable(p.vq);
	}
	pair_drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lying_descriptors),
		cmocka_unit_test(lying_rings),
		cmocka_unit_test(available_bits),
		cmocka_unit_test(tables),
		cmocka_unit_test(first_is_shown_last),
		cmocka_unit_test(events),
		cmocka_unit_test(rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
