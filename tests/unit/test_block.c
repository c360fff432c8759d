/* SPDX-License-Identifier: Apache-2.0 */
/* Disks as objects: made of an end, attached to rings, resized, described, counted, closed. */
#include "block_unit.h"

#include <libvirtcore/block_ops.h>

/* An end that takes everything, of a size that can be set. */
struct sized {
	uint64_t becomes;
	int resize_result;
	unsigned int nr_lanes, nr_closed;
	int attach_result;
};

static int sized_attach(void *end, struct vc_ring *ring, void **ret_lane)
{
	struct sized *sized = end;

	(void)ring;
	if (sized->attach_result < 0)
		return vc_error_set(sized->attach_result, "io", "sized", "not today");
	sized->nr_lanes++;
	*ret_lane = end;
	return 0;
}

static void sized_detach(void *lane)
{
	((struct sized *)lane)->nr_lanes--;
}

static void sized_submit(void *lane, struct vc_block_request *req)
{
	(void)lane;
	vc_block_complete(req, 0);
}

static int sized_resize(void *end, uint64_t size_bytes, uint64_t *ret_size_bytes)
{
	struct sized *sized = end;

	if (sized->resize_result < 0)
		return vc_error_set(sized->resize_result, "io", "sized", "cannot");
	*ret_size_bytes = size_bytes ? size_bytes : sized->becomes;
	return 0;
}

static void sized_close(void *end)
{
	((struct sized *)end)->nr_closed++;
}

static const struct vc_block_ops sized_ops = {
	.type = "sized",
	.attach = sized_attach,
	.detach = sized_detach,
	.submit = sized_submit,
	.resize = sized_resize,
	.close = sized_close,
};

static struct vc_block *create(struct sized *sized)
{
	struct vc_block_info info = {
		.size = sizeof(info), .size_bytes = MIB, .block_size = 512, .ops = 0x3e
	};
	struct vc_block_end end = {
		.size = sizeof(end), .ops = &sized_ops, .end = sized, .info = &info
	};
	struct vc_block *block = NULL;

	assert_result(vc_block_create(&end, &block), 0);
	return block;
}

static void made_of_an_end(void **state)
{
	struct sized sized = { .becomes = 0 };
	struct vc_block *block = create(&sized);

	(void)state;
	assert_int_equal(info_of(block).size_bytes, MIB);
	assert_int_equal(info_of(block).ops, 0x3e);
	assert_result(vc_block_close(block), 0);
	assert_int_equal(sized.nr_closed, 1);
	assert_result(vc_block_close(NULL), 0);
	assert_result(vc_block_detach(NULL), 0);
}

/* A newer program with an older library, and the other way round. */
static void info_of_any_version(void **state)
{
	struct sized sized = { .becomes = 0 };
	struct vc_block *block = create(&sized);
	struct {
		struct vc_block_info known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 5 };

	(void)state;
	assert_result(vc_block_get_info(block, &newer.known), 0);
	assert_int_equal(newer.unknown, 0);
	newer.known.size = 8;
	assert_refused(vc_block_get_info(block, &newer.known), -EINVAL, "size");
	assert_result(vc_block_close(block), 0);
}

static void many_rings(void **state)
{
	struct sized sized = { .becomes = 0 };
	struct vc_block *block = create(&sized);
	struct vc_ring *rings[2] = { new_ring(), new_ring() };
	struct vc_block_queue *queues[3];
	struct vc_block_stats stats;

	(void)state;
	queues[0] = attach_block(block, rings[0]);
	queues[1] = attach_block(block, rings[1]);
	queues[2] = attach_block(block, rings[1]);
	assert_int_equal(sized.nr_lanes, 3);
	assert_int_equal(do_io(rings[0], queues[0], VC_BLOCK_DISCARD, 0, NULL, 512), 0);
	assert_int_equal(do_io(rings[1], queues[1], VC_BLOCK_DISCARD, 0, NULL, 1024), 0);
	assert_int_equal(do_io(rings[1], queues[2], VC_BLOCK_DISCARD, 0, NULL, 2048), 0);
	assert_int_equal(do_io(rings[1], queues[2], VC_BLOCK_READ, 0, NULL, 0), 0);
	/* The first, middle and last of the list go; what they did stays counted. */
	assert_result(vc_block_detach(queues[1]), 0);
	assert_result(vc_block_detach(queues[0]), 0);
	stats = stats_of(block);
	assert_int_equal(stats.nr[VC_BLOCK_DISCARD], 3);
	assert_int_equal(stats.bytes[VC_BLOCK_DISCARD], 3584);
	assert_int_equal(stats.nr[VC_BLOCK_READ], 1);
	assert_result(vc_block_detach(queues[2]), 0);
	assert_int_equal(stats_of(block).nr[VC_BLOCK_DISCARD], 3);
	assert_int_equal(sized.nr_lanes, 0);
	assert_result(vc_block_close(block), 0);
	end_ring(rings[0]);
	end_ring(rings[1]);
}

static void attach_fails(void **state)
{
	struct sized sized = { .attach_result = -ENFILE };
	struct vc_block *block = create(&sized);
	struct vc_ring *ring = new_ring();
	struct vc_block_queue *queue = NULL;

	(void)state;
	assert_refused(vc_block_attach(block, ring, &queue), -ENFILE, "not today");
	assert_null(queue);
	assert_result(vc_block_close(block), 0);
	end_ring(ring);
}

static void resized(void **state)
{
	struct sized sized = { .becomes = 3 * MIB };
	struct vc_block *block = create(&sized);
	struct vc_ring *ring = new_ring();
	struct vc_block_queue *queue = attach_block(block, ring);

	(void)state;
	assert_int_equal(do_io(ring, queue, VC_BLOCK_DISCARD, MIB, NULL, 512), -ERANGE);
	assert_result(vc_block_resize(block, 2 * MIB), 0);
	assert_int_equal(info_of(block).size_bytes, 2 * MIB);
	assert_int_equal(do_io(ring, queue, VC_BLOCK_DISCARD, MIB, NULL, MIB), 0);
	assert_refused(vc_block_resize(block, MIB), -EBUSY, "cannot shrink");
	assert_refused(vc_block_resize(block, 1000), -EINVAL, "no multiple");
	sized.resize_result = -ENOSPC;
	assert_refused(vc_block_resize(block, 4 * MIB), -ENOSPC, "cannot");
	assert_int_equal(info_of(block).size_bytes, 2 * MIB);
	sized.resize_result = 0;
	assert_result(vc_block_resize(block, 0), 0);
	assert_int_equal(info_of(block).size_bytes, 3 * MIB);
	sized.becomes = 513;
	assert_refused(vc_block_resize(block, 0), -EINVAL, "has 513 bytes now");
	assert_int_equal(info_of(block).size_bytes, 3 * MIB);
	assert_result(vc_block_detach(queue), 0);
	assert_result(vc_block_resize(block, MIB), 0);
	assert_result(vc_block_close(block), 0);
	end_ring(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_of_an_end), cmocka_unit_test(info_of_any_version),
		cmocka_unit_test(many_rings),	  cmocka_unit_test(attach_fails),
		cmocka_unit_test(resized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
