/* SPDX-License-Identifier: Apache-2.0 */
/* The path through the front, before an end of the test's own: checks, order, limits, cancelling. */
#include "block_unit.h"

#include <libvirtcore/block_ops.h>
#include <libvirtcore/throttle.h>

#include <time.h>

#define DISK_BYTES (64 * KIB)

/* An end that keeps what it gets until it is told to complete it, or completes it at once. */
struct fake {
	struct vc_block_request *got[64];
	unsigned int nr_got, nr_canceled;
	bool is_instant;
	int result;
	bool is_closed;
};

static int fake_attach(void *end, struct vc_ring *ring, void **ret_lane)
{
	(void)ring;
	*ret_lane = end;
	return 0;
}

static void fake_detach(void *lane)
{
	(void)lane;
}

static void fake_submit(void *lane, struct vc_block_request *req)
{
	struct fake *fake = lane;

	assert_int_equal(req->end_off, 0);
	assert_int_equal(req->end_step, 0);
	assert_true(fake->nr_got < ARRAY_LEN(fake->got));
	fake->got[fake->nr_got++] = req;
	req->end_off = req->end_step = 1;
	if (fake->is_instant)
		vc_block_complete(req, fake->result);
}

static void fake_cancel(void *lane)
{
	struct fake *fake = lane;

	while (fake->nr_canceled < fake->nr_got)
		vc_block_complete(fake->got[fake->nr_canceled++], -ECANCELED);
}

static void fake_close(void *end)
{
	((struct fake *)end)->is_closed = true;
}

static const struct vc_block_ops fake_ops = {
	.type = "fake",
	.attach = fake_attach,
	.detach = fake_detach,
	.submit = fake_submit,
	.cancel = fake_cancel,
	.close = fake_close,
};

struct bed {
	struct vc_ring *ring;
	struct vc_block *block;
	struct vc_block_queue *queue;
	struct fake fake;
	struct vc_throttle *limit, *group;
};

static struct vc_throttle *limit_of(uint64_t ops_per_s, uint64_t bytes_per_s)
{
	struct vc_throttle_config cfg = { .size = sizeof(cfg),
					  .ops_per_s = ops_per_s,
					  .ops_burst = ops_per_s ? 1 : 0,
					  .bytes_per_s = bytes_per_s,
					  .bytes_burst = bytes_per_s ? 512 : 0 };
	struct vc_throttle *throttle = NULL;

	if (ops_per_s || bytes_per_s)
		assert_result(vc_throttle_create(&cfg, &throttle), 0);
	return throttle;
}

static void set_up(struct bed *bed, const struct vc_block_info *change, uint64_t ops_per_s,
		   uint64_t group_ops_per_s)
{
	struct vc_block_info info = {
		.size = sizeof(info), .size_bytes = DISK_BYTES, .block_size = 512, .ops = 0x3e
	};
	struct vc_block_end end = { .size = sizeof(end),
				    .name = "disk",
				    .ops = &fake_ops,
				    .end = &bed->fake,
				    .info = change ? change : &info };

	memset(bed, 0, sizeof(*bed));
	end.throttle = bed->limit = limit_of(ops_per_s, 0);
	end.group = bed->group = limit_of(group_ops_per_s, 0);
	bed->ring = new_ring();
	assert_result(vc_block_create(&end, &bed->block), 0);
	bed->queue = attach_block(bed->block, bed->ring);
}

static void tear_down(struct bed *bed)
{
	end_block(bed->block, bed->queue);
	assert_true(bed->fake.is_closed);
	end_ring(bed->ring);
	vc_throttle_destroy(bed->limit);
	vc_throttle_destroy(bed->group);
}

static char buffer[DISK_BYTES];

static int refused(struct bed *bed, enum vc_block_op op, uint64_t off, uint64_t len, uint8_t flags)
{
	unsigned int nr_got = bed->fake.nr_got;
	struct io io;
	int r;

	set_io(&io, op, off, buffer, len);
	io.req.flags = flags;
	r = run_io(bed->ring, bed->queue, &io);
	assert_int_equal(bed->fake.nr_got, nr_got);
	return r;
}

static void checks(void **state)
{
	struct bed bed;
	struct io io;

	(void)state;
	set_up(&bed, NULL, 0, 0);
	assert_int_equal(refused(&bed, 0, 0, 512, 0), -EOPNOTSUPP);
	assert_int_equal(refused(&bed, 6, 0, 512, 0), -EOPNOTSUPP);
	assert_int_equal(refused(&bed, 255, 0, 512, 0), -EOPNOTSUPP);
	assert_int_equal(refused(&bed, VC_BLOCK_READ, 1, 512, 0), -EINVAL);
	assert_int_equal(refused(&bed, VC_BLOCK_READ, 0, 511, 0), -EINVAL);
	assert_int_equal(refused(&bed, VC_BLOCK_READ, DISK_BYTES, 512, 0), -ERANGE);
	assert_int_equal(refused(&bed, VC_BLOCK_WRITE, DISK_BYTES - 512, 1024, 0), -ERANGE);
	assert_int_equal(refused(&bed, VC_BLOCK_DISCARD, UINT64_MAX - 511, 512, 0), -ERANGE);
	assert_int_equal(refused(&bed, VC_BLOCK_WRITE_ZEROES, 512, UINT64_MAX - 511, 0), -ERANGE);
	assert_int_equal(refused(&bed, VC_BLOCK_READ, 0, 512, VC_BLOCK_FUA), -EINVAL);
	assert_int_equal(refused(&bed, VC_BLOCK_WRITE, 0, 512, VC_BLOCK_UNMAP), -EINVAL);
	assert_int_equal(refused(&bed, VC_BLOCK_WRITE_ZEROES, 0, 512, 0x80), -EINVAL);
	/* iov and len differ, or overflow. */
	set_io(&io, VC_BLOCK_READ, 0, buffer, 512);
	io.iov[0].iov_len = 1024;
	assert_int_equal(run_io(bed.ring, bed.queue, &io), -EINVAL);
	set_io(&io, VC_BLOCK_READ, 0, buffer, 512);
	io.iov[0].iov_len = SIZE_MAX;
	io.iov[1].iov_len = 513;
	io.req.nr_iov = 2;
	assert_int_equal(run_io(bed.ring, bed.queue, &io), -EINVAL);
	set_io(&io, VC_BLOCK_READ, 0, buffer, 512);
	io.req.iov = NULL;
	assert_int_equal(run_io(bed.ring, bed.queue, &io), -EINVAL);
	assert_int_equal(stats_of(bed.block).nr_refused, 15);
	assert_int_equal(stats_of(bed.block).nr_failed, 15);
	/* Nothing to do is done. */
	assert_int_equal(refused(&bed, VC_BLOCK_READ, DISK_BYTES, 0, 0), 0);
	assert_int_equal(bed.fake.nr_got, 0);
	tear_down(&bed);
}

static void readonly(void **state)
{
	struct vc_block_info info = { .size = sizeof(info),
				      .size_bytes = DISK_BYTES,
				      .block_size = 512,
				      .ops = 0x0a,
				      .is_readonly = true };
	struct bed bed;

	(void)state;
	set_up(&bed, &info, 0, 0);
	bed.fake.is_instant = true;
	assert_int_equal(refused(&bed, VC_BLOCK_WRITE, 0, 512, 0), -EROFS);
	assert_int_equal(refused(&bed, VC_BLOCK_DISCARD, 0, 512, 0), -EROFS);
	assert_int_equal(refused(&bed, VC_BLOCK_WRITE_ZEROES, 0, 512, 0), -EROFS);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_READ, 0, buffer, 512), 0);
	tear_down(&bed);
}

static void no_such_ability(void **state)
{
	struct vc_block_info info = {
		.size = sizeof(info), .size_bytes = DISK_BYTES, .block_size = 4096, .ops = 0x06
	};
	struct bed bed;

	(void)state;
	set_up(&bed, &info, 0, 0);
	assert_int_equal(refused(&bed, VC_BLOCK_DISCARD, 0, 4096, 0), -EOPNOTSUPP);
	assert_int_equal(refused(&bed, VC_BLOCK_FLUSH, 0, 0, 0), -EOPNOTSUPP);
	assert_int_equal(refused(&bed, VC_BLOCK_READ, 512, 4096, 0), -EINVAL);
	tear_down(&bed);
}

static void misuse(void **state)
{
	struct bed bed;
	struct io io;

	(void)state;
	set_up(&bed, NULL, 0, 0);
	set_io(&io, VC_BLOCK_READ, 0, buffer, 512);
	assert_refused(vc_block_submit(NULL, &io.req), -EINVAL, "needed");
	assert_refused(vc_block_submit(bed.queue, NULL), -EINVAL, "needed");
	assert_refused(vc_block_cancel(NULL), -EINVAL, "needed");
	io.req.done = NULL;
	assert_refused(vc_block_submit(bed.queue, &io.req), -EINVAL, "done");
	io.req.done = io_note;
	assert_result(vc_block_submit(bed.queue, &io.req), 0);
	assert_refused(vc_block_submit(bed.queue, &io.req), -EBUSY, "in flight");
	assert_refused(vc_block_detach(bed.queue), -EBUSY, "1 requests are in flight");
	assert_refused(vc_block_close(bed.block), -EBUSY, "attached");
	vc_block_complete(bed.fake.got[0], -ENOSPC);
	assert_int_equal(wait_io(bed.ring, &io), -ENOSPC);
	tear_down(&bed);
}

/* done() submits again: what completes at once must not pile up on the stack. */
struct again {
	struct vc_block_request req;
	struct iovec iov;
	struct bed *bed;
	unsigned int nr_left;
	char *lowest;
};

static void submit_again(struct vc_block_request *req, int result)
{
	struct again *again = vc_container_of(req, struct again, req);
	char *here =
		__builtin_frame_address(0); /* not a local's: sanitizers keep those elsewhere */

	assert_int_equal(result, 0);
	if (!again->lowest || here < again->lowest)
		again->lowest = here;
	again->bed->fake.nr_got = 0;
	if (--again->nr_left > 0)
		assert_result(vc_block_submit(again->bed->queue, req), 0);
}

static void never_within_submit(void **state)
{
	struct again again = { .nr_left = 10000 };
	struct bed bed;
	char *first;

	(void)state;
	set_up(&bed, NULL, 0, 0);
	bed.fake.is_instant = true;
	again.bed = &bed;
	again.iov = (struct iovec){ .iov_base = buffer, .iov_len = 512 };
	again.req = (struct vc_block_request){ .done = submit_again,
					       .op = VC_BLOCK_READ,
					       .len = 512,
					       .iov = &again.iov,
					       .nr_iov = 1 };
	assert_result(vc_block_submit(bed.queue, &again.req), 0);
	assert_int_equal(again.nr_left, 10000);
	assert_true(vc_ring_step(bed.ring, MUST_NS) >= 0);
	first = again.lowest;
	while (again.nr_left > 0)
		assert_true(vc_ring_step(bed.ring, MUST_NS) >= 0);
	assert_true(first - again.lowest < 4096);
	assert_int_equal(stats_of(bed.block).nr[VC_BLOCK_READ], 10000);
	assert_int_equal(stats_of(bed.block).bytes[VC_BLOCK_READ], 10000 * 512);
	tear_down(&bed);
}

/* The last done() may take everything away. */
static void detach_from_done(struct vc_block_request *req, int result)
{
	struct bed *bed = vc_container_of(req, struct again, req)->bed;

	(void)result;
	assert_result(vc_block_detach(bed->queue), 0);
	bed->queue = NULL;
}

static void detached_by_the_last(void **state)
{
	struct again again = { .iov = { .iov_base = buffer, .iov_len = 512 } };
	struct bed bed;

	(void)state;
	for (unsigned int is_instant = 0; is_instant < 2; is_instant++) {
		set_up(&bed, NULL, 0, 0);
		bed.fake.is_instant = is_instant;
		again.bed = &bed;
		again.req = (struct vc_block_request){ .done = detach_from_done,
						       .op = VC_BLOCK_READ,
						       .len = 512,
						       .iov = &again.iov,
						       .nr_iov = 1 };
		assert_result(vc_block_submit(bed.queue, &again.req), 0);
		if (!is_instant)
			vc_block_complete(bed.fake.got[0], 0);
		while (bed.queue)
			assert_true(vc_ring_step(bed.ring, MUST_NS) >= 0);
		assert_int_equal(stats_of(bed.block).nr[VC_BLOCK_READ], 1);
		tear_down(&bed);
	}
}

static void in_order(void **state)
{
	struct bed bed;
	struct io ios[8];

	(void)state;
	set_up(&bed, NULL, 0, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
		set_io(&ios[i], VC_BLOCK_WRITE, i * 512, buffer, 512);
		assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
		assert_ptr_equal(bed.fake.got[i], &ios[i].req);
	}
	assert_result(vc_block_cancel(bed.queue), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++)
		assert_int_equal(ios[i].nr_done, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++)
		assert_int_equal(wait_io(bed.ring, &ios[i]), -ECANCELED);
	assert_int_equal(stats_of(bed.block).nr_failed, 0);
	tear_down(&bed);
}

static uint64_t now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* 21 operations with 200 a second and a burst of one take a tenth of a second. */
static void throttled(void **state)
{
	struct io ios[21];
	struct bed bed;
	uint64_t start;

	(void)state;
	for (unsigned int is_group = 0; is_group < 2; is_group++) {
		set_up(&bed, NULL, is_group ? 0 : 200, is_group ? 200 : 100000);
		bed.fake.is_instant = true;
		start = now();
		for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
			set_io(&ios[i], VC_BLOCK_READ, 0, buffer, 512);
			assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
		}
		assert_true(bed.fake.nr_got < 10);
		for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
			assert_int_equal(wait_io(bed.ring, &ios[i]), 0);
			assert_ptr_equal(bed.fake.got[i], &ios[i].req);
		}
		assert_true(now() - start >= 99000000);
		assert_true(stats_of(bed.block).nr_throttled >= 10);
		tear_down(&bed);
	}
}

static void throttled_canceled(void **state)
{
	struct io ios[4];
	struct bed bed;

	(void)state;
	set_up(&bed, NULL, 1, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
		set_io(&ios[i], VC_BLOCK_FLUSH, 0, NULL, 0);
		assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
	}
	assert_int_equal(bed.fake.nr_got, 1);
	bed.fake.nr_canceled = 1;
	assert_result(vc_block_cancel(bed.queue), 0);
	for (unsigned int i = 1; i < ARRAY_LEN(ios); i++)
		assert_int_equal(wait_io(bed.ring, &ios[i]), -ECANCELED);
	assert_int_equal(ios[0].nr_done, 0);
	vc_block_complete(bed.fake.got[0], 0);
	assert_int_equal(wait_io(bed.ring, &ios[0]), 0);
	tear_down(&bed); /* with the timer still set */
}

/* New limits reach who waits for a long time to come. */
static void limits_changed(void **state)
{
	struct vc_throttle_config fast = { .size = sizeof(fast), .ops_per_s = 1000000 };
	struct io ios[3];
	struct bed bed;
	uint64_t start;

	(void)state;
	set_up(&bed, NULL, 1, 0);
	bed.fake.is_instant = true;
	(void)vc_throttle_reserve(bed.limit, 1000, 0, now());
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
		set_io(&ios[i], VC_BLOCK_FLUSH, 0, NULL, 0);
		assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
	}
	start = now();
	assert_result(vc_throttle_set(bed.limit, &fast), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++)
		assert_int_equal(wait_io(bed.ring, &ios[i]), 0);
	assert_true(now() - start < 2500000000u);
	tear_down(&bed);
}

/* A ring that stops gives back what waits for a limit; one that is drained takes nothing. */
static void ring_stops(void **state)
{
	struct io ios[3];
	struct bed bed;

	(void)state;
	set_up(&bed, NULL, 1, 0);
	bed.fake.is_instant = true;
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
		set_io(&ios[i], VC_BLOCK_FLUSH, 0, NULL, 0);
		assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
	}
	assert_result(vc_ring_stop(bed.ring), 0);
	while (vc_ring_step(bed.ring, MUST_NS) >= 0)
		;
	assert_int_equal(ios[0].result, 0);
	assert_int_equal(ios[1].result, -ECANCELED);
	assert_int_equal(ios[2].result, -ECANCELED);
	assert_int_equal(ios[2].nr_done, 1);
	assert_refused(vc_block_submit(bed.queue, &ios[1].req), -ESHUTDOWN, "drained");
	assert_int_equal(ios[1].nr_done, 1);
	end_block(bed.block, bed.queue);
	vc_ring_put(bed.ring);
	vc_throttle_destroy(bed.limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks),
		cmocka_unit_test(readonly),
		cmocka_unit_test(no_such_ability),
		cmocka_unit_test(misuse),
		cmocka_unit_test(never_within_submit),
		cmocka_unit_test(detached_by_the_last),
		cmocka_unit_test(in_order),
		cmocka_unit_test(throttled),
		cmocka_unit_test(throttled_canceled),
		cmocka_unit_test(limits_changed),
		cmocka_unit_test(ring_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
