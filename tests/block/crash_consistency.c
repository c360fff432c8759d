/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flushes are real. A random load goes through a recorder to a disk on a file; a spy between that disk
 * and its rings logs what the host is asked for and when it has answered. Then, for crashes at any
 * moment, an image is made of what the host was asked for, with random subsets of what it was not
 * made to keep: it must hold all that was promised above. Cache mode unsafe shows that this turns red.
 */
#include "block_unit.h"

#include "crash_image.h"
#include "recorder.h"

#define DISK_BYTES MIB
#define SECTOR	   512u
#define NR_SECTORS (DISK_BYTES / SECTOR)
#define NR_SLOTS   24u
#define NR_OPS	   2500u
#define NR_CRASHES 1000u
#define MOST_BYTES 16384u

static char path[] = "/var/tmp/vc-crash-XXXXXX";
static struct recorder recorder;

/* the spy */

struct spied {
	struct vc_ring_request *io;
	void (*done)(struct vc_ring_request *io, int res);
	struct record record;
};

static struct spied spied[256];

int __real_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *io);
int __wrap_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *io);

static void spy_done(struct vc_ring_request *io, int res)
{
	unsigned int i = 0;

	while (spied[i].io != io)
		assert_true(++i < ARRAY_LEN(spied));
	io->done = spied[i].done;
	spied[i].io = NULL;
	spied[i].record.kind = RECORD_DONE;
	spied[i].record.result = res;
	/* A transfer that came short is not all there: it counts as none that is done. */
	if (spied[i].record.op == VC_BLOCK_WRITE && (uint64_t)res < spied[i].record.len)
		spied[i].record.result = -EIO;
	recorder_note(&recorder, &spied[i].record, NULL, 0);
	io->done(io, res);
}

static uint64_t bytes_of(const struct vc_ring_request *io)
{
	uint64_t len = 0;

	for (uint32_t i = 0; io->op == VC_RING_WRITEV && i < io->len; i++)
		len += io->iov[i].iov_len;
	return io->op == VC_RING_WRITEV ? len : io->op == VC_RING_WRITE ? io->len : io->size_bytes;
}

int __wrap_vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *io)
{
	static const uint8_t ops[16] = { [VC_RING_WRITE] = VC_BLOCK_WRITE,
					 [VC_RING_WRITEV] = VC_BLOCK_WRITE,
					 [VC_RING_FALLOCATE] = VC_BLOCK_WRITE_ZEROES,
					 [VC_RING_FDATASYNC] = VC_BLOCK_FLUSH,
					 [VC_RING_FSYNC] = VC_BLOCK_FLUSH };
	struct iovec one = { .iov_base = io->buf, .iov_len = io->len };
	struct record record = { .kind = RECORD_SUBMIT, .layer = RECORD_HOST };
	unsigned int i = 0;

	if (ops[io->op] == 0)
		return __real_vc_ring_submit(ring, io);
	while (spied[i].io)
		assert_true(++i < ARRAY_LEN(spied));
	record.op = ops[io->op];
	record.flags = io->flags & VC_RING_DSYNC ? VC_BLOCK_FUA : 0;
	record.id = recorder_new_id(&recorder);
	record.off = io->off;
	record.len = record.op == VC_BLOCK_FLUSH ? 0 : bytes_of(io);
	spied[i] = (struct spied){ .io = io, .done = io->done, .record = record };
	recorder_note(&recorder, &record, io->op == VC_RING_WRITEV ? io->iov : &one,
		      io->op == VC_RING_WRITEV ? io->len : 1);
	io->done = spy_done;
	return __real_vc_ring_submit(ring, io);
}

/* the load */

struct slot {
	struct io io;
	bool is_busy;
};

static char buffers[NR_SLOTS][MOST_BYTES + 8] __attribute__((aligned(4096)));

/* No two requests of a driver that cares are under way for the same sector. */
static bool overlaps(const struct slot *slots, uint64_t off, uint64_t len)
{
	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		const struct vc_block_request *req = &slots[i].io.req;

		if (slots[i].is_busy && req->op != VC_BLOCK_FLUSH && off < req->off + req->len &&
		    req->off < off + len)
			return true;
	}
	return false;
}

static void pick(struct slot *slot, const struct slot *slots, uint64_t *seed, uint32_t block_size)
{
	static const uint8_t ops[16] = {
		[0] = VC_BLOCK_FLUSH, [1] = VC_BLOCK_WRITE_ZEROES, [2] = VC_BLOCK_DISCARD
	};
	static uint64_t stamp;
	char *buf = buffers[slot - slots] + (next_random(seed) % 4 ? 0 : 8);
	uint8_t op = ops[next_random(seed) % 16];
	uint64_t off, len;

	do {
		len = (next_random(seed) % (MOST_BYTES / block_size) + 1) * block_size;
		off = next_random(seed) % ((DISK_BYTES - len) / block_size) * block_size;
	} while (overlaps(slots, off, len));
	op = op ? op : VC_BLOCK_WRITE;
	set_io(&slot->io, op, off, buf, op == VC_BLOCK_FLUSH ? 0 : len);
	if (op != VC_BLOCK_FLUSH && next_random(seed) % 8 == 0)
		slot->io.req.flags = VC_BLOCK_FUA;
	for (uint64_t at = 0; op == VC_BLOCK_WRITE && at < len; at += SECTOR) {
		stamp++;
		memcpy(buf + at, &stamp, sizeof(stamp));
	}
}

static void load(struct vc_ring *const *rings, struct vc_block_queue *const *queues,
		 uint32_t block_size, uint64_t seed)
{
	static struct slot slots[NR_SLOTS];
	unsigned int nr_left = NR_OPS, nr_busy = 0;

	memset(slots, 0, sizeof(slots));
	while (nr_left > 0 || nr_busy > 0) {
		for (unsigned int i = 0; i < NR_SLOTS; i++) {
			struct slot *slot = &slots[i];

			if (slot->is_busy && slot->io.nr_done) {
				assert_int_equal(slot->io.result, 0);
				slot->is_busy = false;
				nr_busy--;
			}
			if (slot->is_busy || nr_left == 0 || next_random(&seed) % 2)
				continue;
			pick(slot, slots, &seed, block_size);
			assert_result(vc_block_submit(queues[i % 2], &slot->io.req), 0);
			slot->is_busy = true;
			nr_busy++;
			nr_left--;
		}
		for (unsigned int i = 0; i < 2; i++)
			assert_true(vc_ring_step(rings[i], 100000) >= 0);
	}
}

/* the judgement */

static uint64_t stamp_at(const uint8_t *at)
{
	uint64_t stamp;

	memcpy(&stamp, at, sizeof(stamp));
	return stamp;
}

/* Sectors of @image that hold what they must not after a crash before entry @upto. */
static unsigned int count_wrong(const struct crash_log *log, size_t upto, const uint8_t *image)
{
	static bool is_right[NR_SECTORS];
	unsigned int nr_wrong = 0;
	size_t i;

	for (i = 0; i < NR_SECTORS; i++)
		is_right[i] = stamp_at(image + i * SECTOR) == 0;
	for (i = 0; i < upto; i++) {
		const struct crash_entry *entry = &log->entries[i];
		const struct record *record = &entry->record;
		/* A discard may also leave what was there. */
		bool is_promised = log->durable_at[i] < upto && record->op != VC_BLOCK_DISCARD;

		if (record->layer != RECORD_DISK || record->kind != RECORD_SUBMIT ||
		    record->op == VC_BLOCK_READ)
			continue;
		for (uint64_t at = 0; at < record->len; at += SECTOR) {
			size_t sector = (record->off + at) / SECTOR;
			uint64_t stamp = entry->data ? stamp_at(entry->data + at) : 0;
			bool is_this = stamp_at(image + record->off + at) == stamp;

			is_right[sector] = is_this || (is_right[sector] && !is_promised);
		}
	}
	for (i = 0; i < NR_SECTORS; i++)
		nr_wrong += !is_right[i];
	return nr_wrong;
}

/* The request of the disk that a request to the host was made for: the one under way there then. */
static size_t find_owner(const struct crash_log *log, size_t host)
{
	const struct record *inner = &log->entries[host].record;
	size_t i = host;

	while (i-- > 0) {
		const struct record *record = &log->entries[i].record;

		if (record->layer == RECORD_DISK && record->kind == RECORD_SUBMIT &&
		    record->op != VC_BLOCK_FLUSH && log->done_at[i] > host &&
		    record->off <= inner->off &&
		    inner->off + inner->len <= record->off + record->len)
			return i;
	}
	fail_msg("the host was asked for what nobody wanted");
	return 0;
}

/* True when the host need not keep @host at @at, though it was answered above before @before. */
static bool is_forgotten(const struct crash_log *log, size_t host, size_t before, size_t at)
{
	const struct record *record = &log->entries[host].record;

	return record->layer == RECORD_HOST && record->kind == RECORD_SUBMIT &&
	       record->op != VC_BLOCK_FLUSH && log->durable_at[host] > at &&
	       log->done_at[find_owner(log, host)] < before;
}

/* Flushes that were answered without all that had been answered before them being durable. */
static unsigned int count_empty_flushes(const struct crash_log *log)
{
	unsigned int nr = 0;
	size_t i, w;

	for (i = 0; i < log->nr; i++) {
		const struct crash_entry *entry = &log->entries[i];

		if (entry->record.layer != RECORD_DISK || entry->record.kind != RECORD_DONE ||
		    entry->record.op != VC_BLOCK_FLUSH)
			continue;
		for (w = 0; w < entry->submit_idx; w++)
			if (is_forgotten(log, w, entry->submit_idx, i))
				break;
		nr += w < entry->submit_idx;
	}
	return nr;
}

struct verdict {
	unsigned int nr_flushes, nr_empty, nr_wrong;
};

/* The image on the host is what the log says when nothing is lost. */
static void check_final(const uint8_t *image)
{
	static uint8_t found[DISK_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, found, sizeof(found), 0), sizeof(found));
	close(fd);
	for (size_t i = 0; i < NR_SECTORS; i++)
		assert_int_equal(stamp_at(found + i * SECTOR), stamp_at(image + i * SECTOR));
}

static void judge(FILE *file, uint64_t seed, struct verdict *verdict)
{
	static uint8_t image[DISK_BYTES];
	struct crash_log log;

	memset(verdict, 0, sizeof(*verdict));
	assert_int_equal(crash_log_read(file, RECORD_DISK, true, &log), 0);
	assert_true(log.nr > 2 * NR_OPS);
	for (size_t i = 0; i < log.nr; i++)
		verdict->nr_flushes += log.entries[i].record.layer == RECORD_DISK &&
				       log.entries[i].record.kind == RECORD_DONE &&
				       log.entries[i].record.op == VC_BLOCK_FLUSH;
	verdict->nr_empty = count_empty_flushes(&log);
	for (unsigned int i = 0; i < NR_CRASHES; i++) {
		size_t upto = next_random(&seed) % (log.nr + 1);

		memset(image, 0, sizeof(image));
		crash_image(&log, RECORD_HOST, upto, next_random(&seed), image, sizeof(image));
		verdict->nr_wrong += count_wrong(&log, upto, image) > 0;
	}
	crash_log_free(&log);
	/* Everything that was done, kept: what the file holds. */
	assert_int_equal(crash_log_read(file, RECORD_HOST, false, &log), 0);
	for (size_t i = 0; i < log.nr; i++)
		log.durable_at[i] = 0;
	memset(image, 0, sizeof(image));
	crash_image(&log, RECORD_HOST, log.nr, 0, image, sizeof(image));
	check_final(image);
	crash_log_free(&log);
}

/* False where there is no O_DIRECT. */
static bool run_mode(enum vc_block_cache cache, struct verdict *verdict)
{
	struct vc_block_config cfg = { .size = sizeof(cfg),
				       .kind = VC_BLOCK_FILE,
				       .path = path,
				       .format = VC_BLOCK_RAW,
				       .cache = cache };
	struct vc_ring *rings[2] = { new_ring(), new_ring() };
	struct vc_block *below = NULL, *block = NULL;
	struct vc_block_queue *queues[2];
	FILE *log = tmpfile();
	int r;

	assert_non_null(log);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, DISK_BYTES), 0);
	r = vc_block_open(&cfg, &below);
	if (r == -EOPNOTSUPP && cache == VC_BLOCK_NONE)
		return false;
	assert_result(r, 0);
	assert_result(recorder_create(&recorder, below, log, &block), 0);
	for (unsigned int i = 0; i < 2; i++)
		queues[i] = attach_block(block, rings[i]);
	load(rings, queues, info_of(block).block_size, cache + 1);
	assert_false(recorder.has_failed);
	for (unsigned int i = 0; i < 2; i++)
		assert_result(vc_block_detach(queues[i]), 0);
	assert_result(vc_block_close(block), 0);
	for (unsigned int i = 0; i < 2; i++)
		end_ring(rings[i]);
	judge(log, cache, verdict);
	(void)fclose(log);
	assert_true(verdict->nr_flushes > NR_OPS / 32);
	print_message(
		"cache mode %d: %u flushes, %u empty; %u crashes, %u lose what was promised\n",
		(int)cache, verdict->nr_flushes, verdict->nr_empty, NR_CRASHES, verdict->nr_wrong);
	return true;
}

static void holds(enum vc_block_cache cache)
{
	struct verdict verdict;

	if (!run_mode(cache, &verdict))
		skip();
	assert_int_equal(verdict.nr_empty, 0);
	assert_int_equal(verdict.nr_wrong, 0);
}

static void writeback(void **state)
{
	(void)state;
	holds(VC_BLOCK_WRITEBACK);
}

static void none(void **state)
{
	(void)state;
	holds(VC_BLOCK_NONE);
}

static void writethrough(void **state)
{
	(void)state;
	holds(VC_BLOCK_WRITETHROUGH);
}

/* The judgement can tell: where flushes do nothing, most crashes lose something. */
static void unsafe_is_found(void **state)
{
	struct verdict verdict;

	(void)state;
	assert_true(run_mode(VC_BLOCK_UNSAFE, &verdict));
	assert_true(verdict.nr_empty > verdict.nr_flushes / 2);
	assert_true(verdict.nr_wrong > NR_CRASHES / 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writeback),
		cmocka_unit_test(none),
		cmocka_unit_test(writethrough),
		cmocka_unit_test(unsafe_is_found),
	};
	int failed;

	choose_engine(argc, argv);
	make_image(path, DISK_BYTES);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
