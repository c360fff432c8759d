/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on a file: against a model with everything cut short, interrupted and cut anew; each error
 * at each submission; what comes after a lost flush; copies for O_DIRECT; and that iovecs come back.
 */
#include "blk_here.h"
#include "blk_script.h"

#include <limits.h>

#include "blk_file.h"

#define DISK_BYTES MIB

static char path[] = "/var/tmp/vc-io-XXXXXX";
static char data[256 * KIB] __attribute__((aligned(4096)));

struct bed {
	struct vc_ring *ring;
	struct vc_block *block;
	struct vc_block_queue *queue;
};

/* One for all: a ring with a thread of the kernel takes long to end. NULL: one for each. */
static struct vc_ring *shared_ring;

/* False where there is no O_DIRECT. */
static bool set_up(struct bed *bed, enum vc_block_cache cache)
{
	struct vc_block_config cfg = { .size = sizeof(cfg),
				       .kind = VC_BLOCK_FILE,
				       .path = path,
				       .format = VC_BLOCK_RAW,
				       .cache = cache };
	int r = vc_block_open(&cfg, &bed->block);

	if (cache == VC_BLOCK_NONE && r == -EOPNOTSUPP)
		return false;
	assert_result(r, 0);
	script_start(NULL);
	script_fd = open(path, O_RDWR | O_CLOEXEC);
	bed->ring = shared_ring ? shared_ring : new_ring();
	bed->queue = attach_block(bed->block, bed->ring);
	return true;
}

static void tear_down(struct bed *bed)
{
	close(script_fd);
	end_block(bed->block, bed->queue);
	if (bed->ring != shared_ring)
		end_ring(bed->ring);
}

static uint64_t fate_seed, fate_align;

/* One submission in four ends early; no request meets more of these in a row than are put up with. */
static struct fate random_fate(const struct vc_ring_request *io, unsigned int nr)
{
	static const int errors[] = { -EAGAIN, -EINTR };
	struct fate fate = { .is_set = next_random(&fate_seed) % 4 == 0 };
	bool moves = io->op != VC_RING_FALLOCATE && io->op != VC_RING_FDATASYNC;

	(void)nr;
	if (moves && next_random(&fate_seed) % 2 == 0)
		fate.short_to =
			(next_random(&fate_seed) % len_of(io) / fate_align + 1) * fate_align;
	else
		fate.res = errors[next_random(&fate_seed) % 2];
	return fate;
}

/* A place of its own for each request in flight, so that their order does not matter. */
#define NR_SLOTS   16u
#define SLOT_BYTES (DISK_BYTES / NR_SLOTS)

struct slot {
	struct io io;
	char *buf, *model;
	uint64_t off, seed;
	struct iovec iov[4];
};

static char buffers[NR_SLOTS][SLOT_BYTES + 4096] __attribute__((aligned(4096)));
static char models[NR_SLOTS][SLOT_BYTES];

static void submit_random(struct bed *bed, struct slot *slot, uint32_t block_size)
{
	enum vc_block_op op = (enum vc_block_op)(next_random(&slot->seed) % 5 + 1);
	uint64_t nr = SLOT_BYTES / block_size;
	uint64_t off = next_random(&slot->seed) % nr * block_size;
	uint64_t len = (next_random(&slot->seed) % (nr - off / block_size) + 1) * block_size;
	uint64_t skew = next_random(&slot->seed) % 3 ? 0 : next_random(&slot->seed) % 4096, at = 0;

	slot->off = off;
	set_io(&slot->io, op, slot->off + (uint64_t)(slot->model - models[0]), slot->buf + skew,
	       op == VC_BLOCK_FLUSH ? 0 : len);
	slot->io.req.flags = op == VC_BLOCK_WRITE_ZEROES ? next_random(&slot->seed) % 4 : 0;
	if (op == VC_BLOCK_READ || op == VC_BLOCK_WRITE) {
		slot->io.req.nr_iov = (uint32_t)(next_random(&slot->seed) % 4 + 1);
		for (unsigned int i = 0; i < slot->io.req.nr_iov; i++) {
			uint64_t n = next_random(&slot->seed) % (len - at + 1);

			if (i == slot->io.req.nr_iov - 1)
				n = len - at;
			slot->io.iov[i] = (struct iovec){ slot->buf + skew + at, n };
			at += n;
		}
	}
	memcpy(slot->iov, slot->io.iov, sizeof(slot->iov));
	if (op == VC_BLOCK_WRITE)
		memset(slot->buf + skew, (int)next_random(&slot->seed), len);
	assert_result(vc_block_submit(bed->queue, &slot->io.req), 0);
}

static void check_random(struct slot *slot)
{
	const struct vc_block_request *req = &slot->io.req;
	char *model = slot->model + slot->off;

	assert_int_equal(slot->io.nr_done, 1);
	assert_int_equal(slot->io.result, 0);
	assert_memory_equal(slot->iov, slot->io.iov, sizeof(slot->iov));
	if (req->op == VC_BLOCK_READ)
		assert_memory_equal(req->iov[0].iov_base, model, req->len);
	else if (req->op == VC_BLOCK_WRITE)
		memcpy(model, req->iov[0].iov_base, req->len);
	else
		memset(model, 0, req->op == VC_BLOCK_FLUSH ? 0 : req->len);
}

static void against_a_model(void **state)
{
	static const enum vc_block_cache modes[] = { VC_BLOCK_WRITEBACK, VC_BLOCK_NONE,
						     VC_BLOCK_WRITETHROUGH, VC_BLOCK_UNSAFE };
	static struct slot slots[NR_SLOTS];
	/* On a busy machine each turn waits for the kernel's thread to have its own. */
	const unsigned int nr_rounds = engine == VC_RING_SQPOLL ? 16 : 40;
	struct bed bed;

	(void)state;
	for (unsigned int m = 0; m < ARRAY_LEN(modes); m++) {
		assert_int_equal(truncate(path, 0), 0);
		assert_int_equal(truncate(path, DISK_BYTES), 0);
		if (!set_up(&bed, modes[m]))
			continue;
		memset(models, 0, sizeof(models));
		fate_seed = m;
		fate_align = modes[m] == VC_BLOCK_NONE ? info_of(bed.block).block_size : 1;
		for (unsigned int round = 0; round < nr_rounds; round++) {
			script_start(round % 4 ? random_fate : NULL);
			for (unsigned int i = 0; i < NR_SLOTS; i++) {
				slots[i].buf = buffers[i];
				slots[i].model = models[i];
				slots[i].seed = slots[i].seed * 3 + i + 1;
				submit_random(&bed, &slots[i], info_of(bed.block).block_size);
			}
			for (unsigned int i = 0; i < NR_SLOTS; i++) {
				(void)wait_io(bed.ring, &slots[i].io);
				check_random(&slots[i]);
			}
		}
		assert_true(stats_of(bed.block).nr_resumed > 10 || nr_here > 0);
		assert_int_equal(stats_of(bed.block).nr_failed, 0);
		assert_true(modes[m] != VC_BLOCK_NONE || stats_of(bed.block).nr_bounced > 10);
		tear_down(&bed);
	}
}

/* The submission numbered fail_nr ends with fail_err, others as they do. */
static unsigned int fail_nr;
static int fail_err;
static bool fail_refuses;

static struct fate fail_one(const struct vc_ring_request *io, unsigned int nr)
{
	struct fate fate = { .is_set = nr == fail_nr, .res = fail_err };

	(void)io;
	if (fail_refuses)
		fate.refuse = fail_err;
	return fate;
}

struct job {
	enum vc_block_op op;
	uint8_t flags;
	uint64_t skew;
};

static const struct job jobs[] = {
	{ VC_BLOCK_READ, 0, 0 },
	{ VC_BLOCK_READ, 0, 3 },
	{ VC_BLOCK_WRITE, 0, 0 },
	{ VC_BLOCK_WRITE, 0, 3 },
	{ VC_BLOCK_WRITE, VC_BLOCK_FUA, 0 },
	{ VC_BLOCK_FLUSH, 0, 0 },
	{ VC_BLOCK_DISCARD, 0, 0 },
	{ VC_BLOCK_DISCARD, VC_BLOCK_FUA, 0 },
	{ VC_BLOCK_WRITE_ZEROES, 0, 0 },
	{ VC_BLOCK_WRITE_ZEROES, VC_BLOCK_UNMAP | VC_BLOCK_FUA, 0 },
};

/* Longer than one copy's buffer. */
#define JOB_BYTES (VC__BOUNCE_BYTES + 4096u)

static int do_job(struct bed *bed, const struct job *job)
{
	struct io io;

	set_io(&io, job->op, 0, data + job->skew, job->op == VC_BLOCK_FLUSH ? 0 : JOB_BYTES);
	io.req.flags = job->flags;
	return run_io(bed->ring, bed->queue, &io);
}

/*
 * Each error at each submission of each kind of request: it is the result (or was got round), the
 * request completes, and everything works again. Only a flush of the page cache that failed stays so.
 */
static void each_error_at_each_call(enum vc_block_cache cache, int err, bool refuses)
{
	unsigned int nr_failed = 0;

	for (unsigned int j = 0; j < ARRAY_LEN(jobs); j++) {
		struct bed bed;
		bool was_sync;
		int r;

		for (unsigned int nr = 0;; nr++) {
			if (!set_up(&bed, cache))
				return;
			fail_nr = nr;
			fail_err = err;
			fail_refuses = refuses;
			script_start(fail_one);
			r = do_job(&bed, &jobs[j]);
			was_sync =
				nr < script.nr_sent && (script.sent[nr].op == VC_RING_FDATASYNC ||
							(script.sent[nr].flags & VC_RING_DSYNC));
			if (nr >= script.nr_sent) {
				assert_int_equal(r, 0);
				tear_down(&bed);
				break;
			}
			nr_failed += r < 0;
			assert_true(r == 0 || r == err);
			assert_true(r == err || (err != -EIO && err != -ENOSPC));
			script_start(NULL);
			for (unsigned int again = 0; again < ARRAY_LEN(jobs); again++) {
				bool stays = jobs[again].op == VC_BLOCK_FLUSH && was_sync &&
					     cache != VC_BLOCK_NONE && cache != VC_BLOCK_UNSAFE;

				r = do_job(&bed, &jobs[again]);
				assert_true(r == 0 || (stays && r == err));
			}
			tear_down(&bed);
		}
	}
	assert_true(nr_failed > 0 || err == -EAGAIN || err == -EINTR);
}

static void errors_of_requests(void **state)
{
	static const int errors[] = { -EIO,    -ENOSPC,	    -EAGAIN,   -EINTR,
				      -EINVAL, -EOPNOTSUPP, -ECANCELED };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(errors); i++)
		for (int cache = VC_BLOCK_WRITEBACK; cache <= (int)VC_BLOCK_UNSAFE; cache++)
			each_error_at_each_call((enum vc_block_cache)cache, errors[i], false);
}

/* The ring takes nothing: stopping, or not allowed. */
static void errors_of_the_ring(void **state)
{
	(void)state;
	for (int cache = VC_BLOCK_WRITEBACK; cache <= (int)VC_BLOCK_UNSAFE; cache++) {
		each_error_at_each_call((enum vc_block_cache)cache, -EPERM, true);
		each_error_at_each_call((enum vc_block_cache)cache, -ESHUTDOWN, true);
	}
}

static unsigned int nr_shortages;

static struct fate shortage(const struct vc_ring_request *io, unsigned int nr)
{
	(void)io;
	return (struct fate){ .is_set = nr < nr_shortages, .res = nr % 2 ? -EAGAIN : -EINTR };
}

static void shortages_end(void **state)
{
	struct bed bed;

	(void)state;
	assert_true(set_up(&bed, VC_BLOCK_WRITEBACK));
	for (unsigned int j = 0; j < ARRAY_LEN(jobs); j++) {
		nr_shortages = 15;
		script_start(shortage);
		assert_int_equal(do_job(&bed, &jobs[j]), 0);
		nr_shortages = UINT_MAX;
		script_start(shortage);
		assert_int_equal(do_job(&bed, &jobs[j]), -EAGAIN);
		assert_int_equal(script.nr_sent, 16);
		script_start(NULL);
		assert_int_equal(do_job(&bed, &jobs[j]), 0);
	}
	tear_down(&bed);
}

static struct fate one_byte(const struct vc_ring_request *io, unsigned int nr)
{
	(void)io, (void)nr;
	return (struct fate){ .is_set = true, .short_to = 1 };
}

static struct fate nothing(const struct vc_ring_request *io, unsigned int nr)
{
	(void)io, (void)nr;
	return (struct fate){ .is_set = true, .res = 0 };
}

static void byte_by_byte(void **state)
{
	char from[512], to[512];
	struct bed bed;
	struct io io;

	(void)state;
	assert_true(set_up(&bed, VC_BLOCK_WRITEBACK));
	for (unsigned int i = 0; i < sizeof(from); i++)
		from[i] = (char)(i * 7);
	for (unsigned int i = 0; i < 2; i++) {
		set_io(&io, i ? VC_BLOCK_READ : VC_BLOCK_WRITE, 512, i ? to : from, 512);
		io.iov[0].iov_len = 5;
		io.iov[1] = (struct iovec){ i ? to + 5 : from + 5, 0 };
		io.iov[2] = (struct iovec){ i ? to + 5 : from + 5, 507 };
		io.req.nr_iov = 3;
		script_start(one_byte);
		assert_int_equal(run_io(bed.ring, bed.queue, &io), 0);
		assert_int_equal(script.nr_sent, 512);
		assert_int_equal(io.iov[0].iov_len, 5);
		assert_int_equal(io.iov[2].iov_len, 507);
	}
	assert_memory_equal(from, to, sizeof(from));
	/* A transfer of nothing has no end: it is an error. */
	script_start(nothing);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_WRITE, 0, data, 512), -EIO);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_READ, 0, data, 512), -EIO);
	assert_int_equal(script.nr_sent, 2);
	script_start(NULL);
	tear_down(&bed);
}

/* With O_DIRECT it goes on from whole blocks; less than one is no progress. */
static void short_and_direct(void **state)
{
	struct bed bed;

	(void)state;
	if (!set_up(&bed, VC_BLOCK_NONE))
		skip();
	script_start(one_byte);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_WRITE, 0, data, 4096), -EIO);
	assert_int_equal(script.nr_sent, 1);
	script_start(NULL);
	tear_down(&bed);
}

static struct fate flush_fails(const struct vc_ring_request *io, unsigned int nr)
{
	(void)nr;
	return (struct fate){ .is_set = io->op == VC_RING_FDATASYNC, .res = -EIO };
}

/* The kernel tells of lost pages once; the guest is told from then on. */
static void lost_flush(void **state)
{
	struct bed bed;

	(void)state;
	assert_true(set_up(&bed, VC_BLOCK_WRITEBACK));
	script_start(flush_fails);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_FLUSH, 0, NULL, 0), -EIO);
	script_start(NULL);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_WRITE, 0, data, 4096), 0);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_FLUSH, 0, NULL, 0), -EIO);
	assert_int_equal(nr_sent_of(VC_RING_FDATASYNC), 0);
	tear_down(&bed);
	if (!set_up(&bed, VC_BLOCK_NONE))
		return;
	script_start(flush_fails);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_FLUSH, 0, NULL, 0), -EIO);
	script_start(NULL);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_FLUSH, 0, NULL, 0), 0);
	tear_down(&bed);
}

static struct fate no_fallocate(const struct vc_ring_request *io, unsigned int nr)
{
	(void)nr;
	return (struct fate){ .is_set = io->op == VC_RING_FALLOCATE, .res = -EOPNOTSUPP };
}

/* As on tmpfs: zeroes are written, and from then on at once; a discard cannot be got round. */
static void zeroes_without_fallocate(void **state)
{
	static char buf[3 * MIB], zeroes[3 * MIB];
	struct bed bed;

	(void)state;
	assert_int_equal(truncate(path, 4 * MIB), 0);
	assert_true(set_up(&bed, VC_BLOCK_WRITEBACK));
	memset(buf, 1, sizeof(buf));
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_WRITE, 512, buf, sizeof(buf)),
				 0);
		script_start(no_fallocate);
		assert_int_equal(
			do_io(bed.ring, bed.queue, VC_BLOCK_WRITE_ZEROES, 512, NULL, sizeof(buf)),
			0);
		assert_int_equal(nr_sent_of(VC_RING_FALLOCATE), 1 - i);
		assert_int_equal(nr_sent_of(VC_RING_WRITE), 3);
		script_start(NULL);
		assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_READ, 512, buf, sizeof(buf)),
				 0);
		assert_memory_equal(buf, zeroes, sizeof(buf));
	}
	script_start(no_fallocate);
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_DISCARD, 0, NULL, 4096), -EOPNOTSUPP);
	script_start(NULL);
	tear_down(&bed);
	assert_int_equal(truncate(path, DISK_BYTES), 0);
}

static void more_pieces_than_the_kernel_takes(void **state)
{
	static struct iovec iov[3000];
	struct bed bed;
	struct io io;

	(void)state;
	assert_true(set_up(&bed, VC_BLOCK_WRITEBACK));
	for (unsigned int i = 0; i < ARRAY_LEN(iov); i++)
		iov[i] = (struct iovec){ data + i * 64, 64 };
	set_io(&io, VC_BLOCK_WRITE, 0, NULL, ARRAY_LEN(iov) * 64 / 512 * 512);
	io.req.iov = iov;
	io.req.nr_iov = (uint32_t)(io.req.len / 64);
	assert_int_equal(run_io(bed.ring, bed.queue, &io), 0);
	assert_int_equal(script.nr_sent, io.req.nr_iov / IOV_MAX + 1);
	tear_down(&bed);
}

/* More requests that need a copy than there are buffers: they wait in line, and can be cancelled. */
static void copies_wait_in_line(void **state)
{
	static struct io ios[4 * VC__BOUNCE_NR];
	struct bed bed;
	unsigned int nr_canceled = 0;

	(void)state;
	for (unsigned int is_canceled = 0; is_canceled < 2; is_canceled++) {
		if (!set_up(&bed, VC_BLOCK_NONE))
			skip();
		for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
			set_io(&ios[i], VC_BLOCK_WRITE, i * 4096, data + 1, 4096);
			assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
		}
		assert_int_equal(script.nr_sent, VC__BOUNCE_NR);
		if (is_canceled)
			assert_result(vc_block_cancel(bed.queue), 0);
		for (unsigned int i = 0; i < ARRAY_LEN(ios); i++)
			nr_canceled += wait_io(bed.ring, &ios[i]) == -ECANCELED;
		assert_int_equal(nr_canceled, is_canceled ? 3 * VC__BOUNCE_NR : 0);
		assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_READ, 0, data + 1, 4096), 0);
		tear_down(&bed);
	}
}

/* Of a file in tmpfs: short, interrupted, full; the rest goes by the ring. */
static void files_in_memory(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EINVAL };
	char in_memory[] = "/dev/shm/vc-io-XXXXXX", on_disk[sizeof(path)];
	struct bed bed;

	make_image(in_memory, DISK_BYTES);
	memcpy(on_disk, path, sizeof(path));
	(void)snprintf(path, sizeof(path), "%s", in_memory);
	assert_true(set_up(&bed, VC_BLOCK_WRITEBACK));
	assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_WRITE, 0, data, 4096), 0);
	if (nr_here > 0) {
		for (unsigned int i = 0; i < ARRAY_LEN(errors); i++) {
			here_err = errors[i];
			assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_READ, 0, data, 512),
					 -errors[i]);
			assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_WRITE, 0, data, 512),
					 -errors[i]);
		}
		here_err = EINTR;
		script_start(NULL);
		assert_int_equal(do_io(bed.ring, bed.queue, VC_BLOCK_READ, 0, data, 512), 0);
		assert_int_equal(script.nr_sent, 1);
		here_err = 0;
		here_short = 3;
		tear_down(&bed);
		against_a_model(state);
		here_short = 0;
		against_a_model(state);
	} else {
		tear_down(&bed);
	}
	(void)unlink(path);
	memcpy(path, on_disk, sizeof(path));
}

/* All who wait are told, without a pile of them on the stack, when the ring takes no more. */
static void copies_of_a_stopped_ring(void **state)
{
	static struct io ios[200];
	struct bed bed;

	(void)state;
	end_ring(shared_ring);
	shared_ring = NULL;
	if (!set_up(&bed, VC_BLOCK_NONE))
		skip();
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
		set_io(&ios[i], VC_BLOCK_WRITE, i * 4096, data + 1, 4096);
		assert_result(vc_block_submit(bed.queue, &ios[i].req), 0);
	}
	fail_nr = VC__BOUNCE_NR;
	fail_err = -ESHUTDOWN;
	fail_refuses = true;
	script.decide = fail_one;
	assert_result(vc_ring_stop(bed.ring), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(ios); i++) {
		int r = wait_io(bed.ring, &ios[i]);

		assert_true(r == 0 || r == -ESHUTDOWN);
	}
	script_start(NULL);
	tear_down(&bed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_a_model),
		cmocka_unit_test(errors_of_requests),
		cmocka_unit_test(errors_of_the_ring),
		cmocka_unit_test(shortages_end),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(short_and_direct),
		cmocka_unit_test(lost_flush),
		cmocka_unit_test(zeroes_without_fallocate),
		cmocka_unit_test(more_pieces_than_the_kernel_takes),
		cmocka_unit_test(copies_wait_in_line),
		cmocka_unit_test(files_in_memory),
		cmocka_unit_test(copies_of_a_stopped_ring),
	};
	int failed;

	choose_engine(argc, argv);
	shared_ring = new_ring();
	make_image(path, DISK_BYTES);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
