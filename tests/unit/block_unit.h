/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of disks share: a ring on the test's own thread, images, requests that remember how
 * they ended. */
#ifndef VC_TESTS_BLOCK_UNIT_H
#define VC_TESTS_BLOCK_UNIT_H

#include "unit.h"

#include <libvirtcore/block.h>
#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024ull
#define MIB (1024 * KIB)

/* How long a step waits for something that must come. */
#define MUST_NS 10000000000ll

/* A request with the outcome that done() was told. */
struct io {
	struct vc_block_request req;
	struct iovec iov[4];
	unsigned int nr_done;
	int result;
};

static inline void io_note(struct vc_block_request *req, int result)
{
	struct io *io = vc_container_of(req, struct io, req);

	io->nr_done++;
	io->result = result;
}

/* Of all rings: set by choose_engine(). */
static enum vc_ring_mode engine = VC_RING_DEFAULT;

/* The program's argument: "workers", "sqpoll", "iopoll": the same tests with another engine. */
static inline void choose_engine(int argc, char **argv)
{
	static const char *const names[] = { [VC_RING_DEFAULT] = "default",
					     [VC_RING_SQPOLL] = "sqpoll",
					     [VC_RING_IOPOLL] = "iopoll",
					     [VC_RING_WORKERS] = "workers" };

	for (unsigned int i = 0; argc > 1 && i < ARRAY_LEN(names); i++)
		if (strcmp(argv[1], names[i]) == 0)
			engine = (enum vc_ring_mode)i;
}

/* A ring of this thread; the test ends as skipped where the kernel forbids io_uring. */
static inline struct vc_ring *new_ring(void)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg),
				      .depth = 64,
				      .mode = engine,
				      .nr_workers = engine == VC_RING_WORKERS ? 4 : 0 };
	struct vc_ring *ring = NULL;
	int r = vc_ring_create(&cfg, &ring);

	if (r == -EPERM || r == -ENOSYS || r == -EOPNOTSUPP) {
		print_message("SKIP: %s\n", vc_error_message());
		exit(77);
	}
	assert_result(r, 0);
	assert_result(vc_ring_attach(ring), 0);
	return ring;
}

/* Stops and drains the ring, and drops it. */
static inline void end_ring(struct vc_ring *ring)
{
	assert_result(vc_ring_stop(ring), 0);
	while (vc_ring_step(ring, -1) >= 0)
		;
	vc_ring_put(ring);
}

static inline struct vc_block *open_block(struct vc_block_config cfg)
{
	struct vc_block *block = NULL;

	cfg.size = sizeof(cfg);
	assert_result(vc_block_open(&cfg, &block), 0);
	return block;
}

static inline struct vc_block *open_ram(uint64_t size_bytes)
{
	return open_block(
		(struct vc_block_config){ .kind = VC_BLOCK_RAM, .size_bytes = size_bytes });
}

static inline struct vc_block *open_file(const char *path, enum vc_block_cache cache)
{
	return open_block((struct vc_block_config){
		.kind = VC_BLOCK_FILE, .path = path, .format = VC_BLOCK_RAW, .cache = cache });
}

static inline struct vc_block_queue *attach_block(struct vc_block *block, struct vc_ring *ring)
{
	struct vc_block_queue *queue = NULL;

	assert_result(vc_block_attach(block, ring, &queue), 0);
	return queue;
}

/* Detaches and closes. */
static inline void end_block(struct vc_block *block, struct vc_block_queue *queue)
{
	assert_result(vc_block_detach(queue), 0);
	assert_result(vc_block_close(block), 0);
}

static inline void set_io(struct io *io, enum vc_block_op op, uint64_t off, void *buf, uint64_t len)
{
	memset(io, 0, sizeof(*io));
	io->iov[0] = (struct iovec){ .iov_base = buf, .iov_len = len };
	io->req.done = io_note;
	io->req.op = (uint8_t)op;
	io->req.off = off;
	io->req.len = len;
	if (op == VC_BLOCK_READ || op == VC_BLOCK_WRITE) {
		io->req.iov = io->iov;
		io->req.nr_iov = 1;
	}
}

/* Steps until done() was called, once. */
static inline int wait_io(struct vc_ring *ring, struct io *io)
{
	while (io->nr_done == 0)
		assert_true(vc_ring_step(ring, MUST_NS) >= 0);
	assert_int_equal(io->nr_done, 1);
	return io->result;
}

/* Submits and waits: what done() was told. */
static inline int run_io(struct vc_ring *ring, struct vc_block_queue *queue, struct io *io)
{
	assert_result(vc_block_submit(queue, &io->req), 0);
	assert_int_equal(io->nr_done, 0);
	return wait_io(ring, io);
}

static inline int do_io(struct vc_ring *ring, struct vc_block_queue *queue, enum vc_block_op op,
			uint64_t off, void *buf, uint64_t len)
{
	struct io io;

	set_io(&io, op, off, buf, len);
	return run_io(ring, queue, &io);
}

static inline struct vc_block_info info_of(const struct vc_block *block)
{
	struct vc_block_info info = { .size = sizeof(info) };

	assert_result(vc_block_get_info(block, &info), 0);
	return info;
}

static inline struct vc_block_stats stats_of(const struct vc_block *block)
{
	struct vc_block_stats stats = { .size = sizeof(stats) };

	assert_result(vc_block_get_stats(block, &stats), 0);
	return stats;
}

/* An image of @size bytes, sparse; its path in @path, which begins as a template of mkstemp(3). */
static inline void make_image(char *path, uint64_t size)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static inline uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static inline unsigned int nr_open_fds(void)
{
	unsigned int nr = 0;

	for (int fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

#endif /* VC_TESTS_BLOCK_UNIT_H */
