/* SPDX-License-Identifier: Apache-2.0 */
/* The disk on a file: what it says of itself, the flushes of each cache mode, its size, its close. */
#include "blk_script.h"

#include <fcntl.h>

static char path[] = "/var/tmp/vc-file-XXXXXX";
static char data[64 * KIB] __attribute__((aligned(4096)));

static const enum vc_block_cache modes[] = { VC_BLOCK_WRITEBACK, VC_BLOCK_NONE,
					     VC_BLOCK_WRITETHROUGH, VC_BLOCK_UNSAFE };

/* NULL where the file system has no O_DIRECT. */
static struct vc_block *open_mode(enum vc_block_cache cache)
{
	struct vc_block_config cfg = { .size = sizeof(cfg),
				       .kind = VC_BLOCK_FILE,
				       .path = path,
				       .format = VC_BLOCK_RAW,
				       .cache = cache,
				       .block_size = 4096 };
	struct vc_block *block = NULL;
	int r = vc_block_open(&cfg, &block);

	if (cache == VC_BLOCK_NONE && r == -EOPNOTSUPP)
		return NULL;
	assert_result(r, 0);
	return block;
}

/* Counts the fdatasyncs and synchronous writes of one request of each kind. */
struct promise {
	unsigned int write_dsync, discard_sync, flush_sync, fua_dsync, zeroes_fua_sync;
	bool has_cache;
};

static const struct promise promises[] = {
	[VC_BLOCK_WRITEBACK] = { 0, 0, 1, 1, 1, true },
	[VC_BLOCK_NONE] = { 0, 0, 1, 1, 1, true },
	[VC_BLOCK_WRITETHROUGH] = { 1, 1, 0, 1, 1, false },
	[VC_BLOCK_UNSAFE] = { 0, 0, 0, 0, 0, true },
};

static unsigned int dsyncs_of_write(struct vc_ring *ring, struct vc_block_queue *queue,
				    uint8_t flags)
{
	struct io io;

	script_start(NULL);
	set_io(&io, VC_BLOCK_WRITE, 0, data, 4096);
	io.req.flags = flags;
	assert_int_equal(run_io(ring, queue, &io), 0);
	assert_int_equal(script.nr_sent, 1);
	return (script.sent[0].flags & VC_RING_DSYNC) != 0;
}

static unsigned int syncs_of(struct vc_ring *ring, struct vc_block_queue *queue,
			     enum vc_block_op op, uint8_t flags)
{
	struct io io;

	script_start(NULL);
	set_io(&io, op, 0, NULL, op == VC_BLOCK_FLUSH ? 0 : 4096);
	io.req.flags = flags;
	assert_int_equal(run_io(ring, queue, &io), 0);
	return nr_sent_of(VC_RING_FDATASYNC);
}

static void flushes_of_each_mode(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(modes); i++) {
		const struct promise *promise = &promises[modes[i]];
		struct vc_block *block = open_mode(modes[i]);
		struct vc_ring *ring;
		struct vc_block_queue *queue;

		if (!block)
			continue;
		ring = new_ring();
		queue = attach_block(block, ring);
		assert_int_equal(info_of(block).has_cache, promise->has_cache);
		assert_int_equal(dsyncs_of_write(ring, queue, 0), promise->write_dsync);
		assert_int_equal(dsyncs_of_write(ring, queue, VC_BLOCK_FUA), promise->fua_dsync);
		assert_int_equal(syncs_of(ring, queue, VC_BLOCK_FLUSH, 0), promise->flush_sync);
		assert_int_equal(syncs_of(ring, queue, VC_BLOCK_DISCARD, 0), promise->discard_sync);
		assert_int_equal(syncs_of(ring, queue, VC_BLOCK_WRITE_ZEROES, VC_BLOCK_FUA),
				 promise->zeroes_fua_sync);
		end_block(block, queue);
		end_ring(ring);
	}
}

static uint64_t allocated(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* Space that a discard, or zeroing with VC_BLOCK_UNMAP, gives back; what lies there reads as zero. */
static void holes(void **state)
{
	static char zeroes[64 * KIB], buf[64 * KIB];
	struct vc_ring *ring = new_ring();
	struct vc_block *block = open_mode(VC_BLOCK_WRITEBACK);
	struct vc_block_queue *queue = attach_block(block, ring);
	struct io io;

	(void)state;
	memset(data, 7, sizeof(data));
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(do_io(ring, queue, VC_BLOCK_WRITE, 0, data, sizeof(data)), 0);
		assert_int_equal(do_io(ring, queue, VC_BLOCK_FLUSH, 0, NULL, 0), 0);
		assert_true(allocated() >= sizeof(data));
		set_io(&io, i == 0 ? VC_BLOCK_DISCARD : VC_BLOCK_WRITE_ZEROES, 0, NULL,
		       sizeof(data));
		io.req.flags = i == 1 ? VC_BLOCK_UNMAP : 0;
		assert_int_equal(run_io(ring, queue, &io), 0);
		assert_true(i == 2 || allocated() == 0);
		memset(buf, 1, sizeof(buf));
		assert_int_equal(do_io(ring, queue, VC_BLOCK_READ, 0, buf, sizeof(buf)), 0);
		assert_memory_equal(buf, zeroes, sizeof(buf));
	}
	end_block(block, queue);
	end_ring(ring);
}

static void changes_size(void **state)
{
	struct vc_ring *ring = new_ring();
	struct vc_block *block = open_mode(VC_BLOCK_WRITEBACK);
	struct vc_block_queue *queue = attach_block(block, ring);
	char buf[4096], zeroes[4096] = { 0 };

	(void)state;
	assert_result(vc_block_resize(block, 2 * MIB), 0);
	assert_int_equal(do_io(ring, queue, VC_BLOCK_READ, 2 * MIB - 4096, buf, 4096), 0);
	assert_memory_equal(buf, zeroes, sizeof(buf));
	/* Somebody else made it larger, odd, smaller. */
	assert_int_equal(truncate(path, 3 * MIB), 0);
	assert_result(vc_block_resize(block, 0), 0);
	assert_int_equal(info_of(block).size_bytes, 3 * MIB);
	assert_int_equal(truncate(path, 3 * MIB + 1), 0);
	assert_refused(vc_block_resize(block, 0), -EINVAL, "3145729 bytes now");
	assert_int_equal(truncate(path, MIB), 0);
	/* What lies behind the end of a file that was cut is an error, not zeroes and not a hang. */
	assert_int_equal(do_io(ring, queue, VC_BLOCK_READ, 2 * MIB, buf, 4096), -EIO);
	assert_int_equal(do_io(ring, queue, VC_BLOCK_READ, 0, buf, 4096), 0);
	assert_result(vc_block_resize(block, 0), 0);
	assert_int_equal(info_of(block).size_bytes, MIB);
	assert_refused(vc_block_resize(block, 1ull << 63), -EFBIG, "too many");
	assert_true(vc_block_resize(block, INT64_MAX / 4096 * 4096) < 0);
	assert_int_equal(info_of(block).size_bytes, MIB);
	end_block(block, queue);
	end_ring(ring);
}

/* Its descriptors are closed and its locks are free, also with a ring that lives on. */
static void closes(void **state)
{
	struct vc_ring *ring = new_ring();
	unsigned int nr_fds = nr_open_fds();
	int fd;

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct vc_block *block = open_mode(VC_BLOCK_WRITEBACK);
		struct vc_block_queue *queue = attach_block(block, ring);

		assert_int_equal(do_io(ring, queue, VC_BLOCK_WRITE, 0, data, 4096), 0);
		end_block(block, queue);
		assert_int_equal(nr_open_fds(), nr_fds);
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (unsigned int i = 0; i < 2; i++) {
		struct vc_block *block = open_block((struct vc_block_config){
			.kind = VC_BLOCK_FILE, .fd = fd, .format = VC_BLOCK_RAW });

		assert_result(vc_block_close(block), 0);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	close(fd);
	end_ring(ring);
}

static void readonly(void **state)
{
	struct vc_ring *ring = new_ring();
	struct vc_block *block = open_block((struct vc_block_config){
		.kind = VC_BLOCK_FILE, .path = path, .format = VC_BLOCK_RAW, .is_readonly = true });
	struct vc_block *again = open_block((struct vc_block_config){
		.kind = VC_BLOCK_FILE, .path = path, .format = VC_BLOCK_RAW, .is_readonly = true });
	struct vc_block_queue *queue = attach_block(block, ring);

	(void)state;
	assert_int_equal(do_io(ring, queue, VC_BLOCK_READ, 0, data, 4096), 0);
	assert_int_equal(do_io(ring, queue, VC_BLOCK_WRITE, 0, data, 4096), -EROFS);
	assert_int_equal(do_io(ring, queue, VC_BLOCK_FLUSH, 0, NULL, 0), 0);
	assert_refused(vc_block_resize(block, 2 * MIB), -EROFS, "reading only");
	assert_result(vc_block_close(again), 0);
	end_block(block, queue);
	end_ring(ring);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flushes_of_each_mode),
		cmocka_unit_test(holes),
		cmocka_unit_test(changes_size),
		cmocka_unit_test(closes),
		cmocka_unit_test(readonly),
	};
	int failed;

	choose_engine(argc, argv);
	make_image(path, MIB);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
