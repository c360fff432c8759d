/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings written by hand: layouts that are legal but odd, and every way in which they lie. */
#include "virtq_unit.h"

#define NR 4u

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

#define WORDS(flags, next) ((uint32_t)(next) << 16 | (flags))

static void make(struct pair *p, uint32_t indirect)
{
	struct driver_config cfg = { .nr = NR, .indirect = indirect };

	pair_make(p, &cfg);
}

static uint64_t desc(const struct pair *p, unsigned int idx)
{
	return p->driver.desc + 16 * idx;
}

/* Makes @head available as the next. */
static void offer(struct pair *p, unsigned int head)
{
	unsigned int idx = get_u16(p, p->driver.drv + 2);

	put_u16(p, p->driver.drv + 4 + 2 * (idx % NR), head);
	put_u16(p, p->driver.drv + 2, idx + 1);
}

/* One queue, one chain from descriptor 0 on, one fault. */
static void lie(const uint32_t (*descs)[3], unsigned int nr, uint32_t indirect,
		enum vc_virtq_fault fault)
{
	struct pair p;

	make(&p, indirect);
	for (unsigned int i = 0; i < nr; i++)
		put_desc(&p, desc(&p, i), descs[i][0], descs[i][1], descs[i][2]);
	offer(&p, 0);
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
	LIE(VC_VIRTQ_BAD_ADDRESS, 0, { RAM_END - 1, 2, 0 });
	LIE(VC_VIRTQ_BAD_ADDRESS, 0, { ROM_GPA, 1, WRITE });
	LIE(VC_VIRTQ_BAD_ADDRESS, 0, { MORE_GPA, (uint32_t)(MORE_BYTES + 1), WRITE });
	LIE(VC_VIRTQ_BAD_ADDRESS, 0, { data, UINT32_MAX, 0 });
	LIE(VC_VIRTQ_BAD_ORDER, 0, { data, 1, WORDS(NEXT | WRITE, 1) }, { data, 1, 0 });
	LIE(VC_VIRTQ_BAD_NEXT, 0, { data, 1, WORDS(NEXT, NR) });
	LIE(VC_VIRTQ_BAD_NEXT, 0, { data, 1, WORDS(NEXT, 0xffff) });
	LIE(VC_VIRTQ_TOO_LONG, 0, { data, 1, WORDS(NEXT, 0) });
	LIE(VC_VIRTQ_TOO_LONG, 0, { data, 1, WORDS(NEXT, 1) }, { data, 1, WORDS(NEXT, 0) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 0, { data, 16, INDIRECT });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 16, WORDS(INDIRECT | NEXT, 1) });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 0, INDIRECT });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 15, INDIRECT });
	LIE(VC_VIRTQ_BAD_INDIRECT, 4, { data, 24, INDIRECT });
	LIE(VC_VIRTQ_BAD_ADDRESS, 4, { RAM_END - 16, 32, INDIRECT });
	/* The table is empty memory: its first buffer has no length. */
	LIE(VC_VIRTQ_EMPTY_BUFFER, 4, { data, 16, INDIRECT });
}

static void lying_rings(void **state)
{
	struct vc_virtq_chain chain;
	struct vc_slice slices[MAX_SLICES];
	struct pair p;

	(void)state;
	make(&p, 0);
	put_u16(&p, p.driver.drv + 2, NR + 1);
	expect_broken(&p, VC_VIRTQ_BAD_INDEX);
	pair_drop(&p);

	make(&p, 0);
	put_u16(&p, p.driver.drv + 2, 0xffff); /* back by one */
	expect_broken(&p, VC_VIRTQ_BAD_INDEX);
	pair_drop(&p);

	make(&p, 0);
	offer(&p, NR);
	expect_broken(&p, VC_VIRTQ_BAD_HEAD);
	pair_drop(&p);

	make(&p, 0);
	put_desc(&p, desc(&p, 2), DATA_GPA, 8, 0);
	offer(&p, 2);
	offer(&p, 2);
	chain = (struct vc_virtq_chain){ .slices = slices, .max_slices = MAX_SLICES };
	assert_result(vc_virtq_pop(p.vq, &chain), 1);
	expect_broken(&p, VC_VIRTQ_HEAD_TWICE);
	assert_int_equal(vc_virtq_push(p.vq, &chain, 0), -EIO);
	pair_drop(&p);
}

/* More descriptors in tables than the queue has entries, and tables that lie. */
static void lying_tables(void **state)
{
	static const struct {
		uint32_t len, words[2];
		enum vc_virtq_fault fault;
	} tables[] = {
		{ 32, { WORDS(NEXT, 2), 0 }, VC_VIRTQ_BAD_NEXT },
		{ 32, { WORDS(NEXT, 0), 0 }, VC_VIRTQ_TOO_LONG },
		{ 32, { WORDS(NEXT, 1), WORDS(NEXT, 0) }, VC_VIRTQ_TOO_LONG },
		{ 32, { WORDS(NEXT, 1), INDIRECT }, VC_VIRTQ_BAD_INDIRECT },
		{ 32, { WORDS(NEXT | WRITE, 1), 0 }, VC_VIRTQ_BAD_ORDER },
		{ 16, { WORDS(NEXT, 1), 0 }, VC_VIRTQ_BAD_NEXT },
	};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		make(&p, 4);
		put_desc(&p, desc(&p, 0), DATA_GPA, tables[i].len, INDIRECT);
		put_desc(&p, DATA_GPA, DATA_GPA, 1, tables[i].words[0]);
		put_desc(&p, DATA_GPA + 16, DATA_GPA, 1, tables[i].words[1]);
		offer(&p, 0);
		expect_broken(&p, tables[i].fault);
		pair_drop(&p);
	}
}

/* More than 2^32 bytes in all; a guest with less memory has to use the same bytes again. */
static void too_large_in_all(void **state)
{
	const uint64_t gib = UINT64_C(1) << 30;
	struct vc_region_config region = { .size = sizeof(region), .len_bytes = 2 * gib };
	struct vc_virtq_config cfg = { .size = sizeof(cfg), .max_size = NR };
	struct driver_config own = { .nr = NR, .gpa = QUEUE_GPA };
	struct driver_buf bufs[] = {
		{ gib, gib, false }, { gib, gib, false }, { gib, gib, true }, { 1, gib, true }
	};
	struct vc_virtq_chain chain = { 0 };
	struct vc_slice slice, slices[NR];
	struct vc_region *r;
	struct pair p = { 0 };

	(void)state;
	assert_result(vc_mem_create(&p.mem), 0);
	assert_result(vc_region_create(&region, &r), 0);
	assert_result(vc_mem_map(p.mem, r, 0, 0), 0);
	vc_region_put(r);
	assert_result(vc_mem_freeze(p.mem), 0);
	assert_result(vc_slice_get(p.mem, 0, gib, VC_PERM_WRITE, &slice), 0);
	own.ram = slice.ptr;
	driver_init(&p.driver, &own);
	cfg.mem = p.mem;
	assert_result(vc_virtq_create(&cfg, &p.vq), 0);
	p.layout = layout_of(&p.driver);
	assert_result(vc_virtq_enable(p.vq, &p.layout), 0);

	assert_true(driver_add(&p.driver, bufs, 4) >= 0);
	(void)driver_publish(&p.driver);
	chain.slices = slices;
	chain.max_slices = NR;
	assert_result(vc_virtq_pop(p.vq, &chain), 1); /* 4 GiB exactly */
	assert_true(chain.writable_bytes == 2 * gib);
	assert_result(vc_virtq_push(p.vq, &chain, (uint32_t)(2 * gib)), 0);
	bufs[3].len++;
	(void)vc_virtq_flush(p.vq);
	assert_true(driver_take(&p.driver, &(uint32_t){ 0 }) >= 0);
	assert_true(driver_add(&p.driver, bufs, 4) >= 0);
	(void)driver_publish(&p.driver);
	expect_broken(&p, VC_VIRTQ_TOO_LARGE);
	pair_drop(&p);
}

/* Chained descriptors, then a table; the write flag beside it is nothing. [virtio 1.3 §2.7.5.3] */
static void table_behind_a_chain(void **state)
{
	struct vc_virtq_chain chain = { 0 };
	struct pair p;

	(void)state;
	make(&p, 4);
	put_desc(&p, desc(&p, 3), DATA_GPA, 1, WORDS(NEXT, 1));
	/* A table at an odd address. */
	put_desc(&p, desc(&p, 1), DATA_GPA + 0x101, 48, INDIRECT | WRITE);
	put_desc(&p, DATA_GPA + 0x101, DATA_GPA + 1, 2, WORDS(NEXT, 2));
	put_desc(&p, DATA_GPA + 0x121, DATA_GPA + 3, 4, WRITE);
	offer(&p, 3);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	assert_result(vc_virtq_pop(p.vq, &chain), 1);
	assert_int_equal(chain.id, 3);
	assert_int_equal(chain.nr_readable, 2);
	assert_int_equal(chain.nr_writable, 1);
	assert_int_equal(chain.readable_bytes, 3);
	assert_int_equal(chain.writable_bytes, 4);
	assert_int_equal(p.slices[1].gpa, DATA_GPA + 1);
	assert_int_equal(p.slices[2].gpa, DATA_GPA + 3);
	assert_result(vc_virtq_push(p.vq, &chain, 4), 0);
	assert_true(vc_virtq_flush(p.vq));
	assert_int_equal(get_u16(&p, p.driver.dev + 2), 1);
	assert_int_equal(get_u32(&p, p.driver.dev + 4), 3);
	assert_int_equal(get_u32(&p, p.driver.dev + 8), 4);
	pair_drop(&p);
}

static void bad_ring_at(struct pair *p, struct vc_virtq_layout layout)
{
	assert_int_equal(vc_virtq_enable(p->vq, &layout), -EFAULT);
	assert_int_equal(vc_virtq_get_fault(p->vq), VC_VIRTQ_BAD_RING);
	expect_broken(p, VC_VIRTQ_BAD_RING);
	vc_virtq_disable(p->vq);
}

/* Size and addresses, looked at once when the queue is enabled. */
static void bad_rings(void **state)
{
	const uint32_t sizes[] = { 0, 3, 6, 257, 512, 32769, 0x10004 };
	struct vc_virtq_layout layout;
	struct pair p;

	(void)state;
	make(&p, 0);
	vc_virtq_disable(p.vq);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		layout = p.layout;
		layout.nr_entries = sizes[i];
		bad_ring_at(&p, layout);
	}
	for (unsigned int i = 1; i < 16; i++) {
		layout = p.layout;
		layout.desc += i;
		bad_ring_at(&p, layout);
	}
	layout = p.layout;
	layout.driver += 1;
	bad_ring_at(&p, layout);
	layout = p.layout;
	layout.device += 2;
	bad_ring_at(&p, layout);
	layout = p.layout;
	layout.desc = RAM_END;
	bad_ring_at(&p, layout);
	layout = p.layout;
	layout.driver = UINT64_MAX - 1;
	bad_ring_at(&p, layout);
	layout = p.layout;
	layout.device = ROM_GPA; /* cannot be written */
	bad_ring_at(&p, layout);
	layout.device = MORE_GPA - 16; /* in two ranges */
	bad_ring_at(&p, layout);
	layout = p.layout;
	layout.driver = ROM_GPA; /* this one can */
	assert_result(vc_virtq_enable(p.vq, &layout), 0);
	pair_drop(&p);
}

/* 2^16 requests and more: indices wrap. */
static void indices_wrap(void **state)
{
	struct driver_config cfg = { .nr = 256, .has_event_idx = true };
	struct driver_buf buf = { DATA_GPA, 1, false };
	struct vc_virtq_chain chain = { 0 };
	struct pair p;
	uint32_t len;

	(void)state;
	pair_make(&p, &cfg);
	chain.slices = p.slices;
	chain.max_slices = MAX_SLICES;
	for (uint32_t i = 0; i < 70000; i++) {
		assert_false(vc_virtq_arm(p.vq));
		assert_true(driver_add(&p.driver, &buf, 1) >= 0);
		assert_true(driver_publish(&p.driver));
		assert_result(vc_virtq_pop(p.vq, &chain), 1);
		assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
		assert_false(driver_calls_on(&p.driver));
		assert_true(vc_virtq_flush(p.vq));
		assert_true(driver_take(&p.driver, &len) >= 0);
	}
	pair_drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lying_descriptors),	cmocka_unit_test(lying_rings),
		cmocka_unit_test(lying_tables),		cmocka_unit_test(too_large_in_all),
		cmocka_unit_test(table_behind_a_chain), cmocka_unit_test(bad_rings),
		cmocka_unit_test(indices_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
