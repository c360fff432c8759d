/* SPDX-License-Identifier: Apache-2.0 */
/* A ring on the test's own thread, files to use it on, requests that remember how they ended. */
#ifndef VC_TESTS_RING_FIXTURE_H
#define VC_TESTS_RING_FIXTURE_H

#include "unit.h"

#include <libvirtcore/ring_request.h>

#include <libvirtcore/implement.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ll

/* A request with what its callback was told. */
struct traced {
	struct vc_ring_request req;
	unsigned int nr_done;
	int res;
	struct vc_ring_task *post; /* run in the callback */
	struct vc_ring *ring;
};

static inline void traced_done(struct vc_ring_request *req, int res)
{
	struct traced *t = vc_container_of(req, struct traced, req);

	t->nr_done++;
	t->res = res;
	if (t->post)
		t->post->run(t->post);
}

/* A task that counts its runs. */
struct counted {
	struct vc_ring_task task;
	unsigned int nr_runs;
};

static inline void counted_run(struct vc_ring_task *task)
{
	vc_container_of(task, struct counted, task)->nr_runs++;
}

/* The mode that the tests' rings have unless they ask for one: see choose_mode(). */
static enum vc_ring_mode fixture_mode;

/* "workers", "sqpoll", "iopoll": the same tests with another engine. Returns the arguments left. */
static inline int choose_mode(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum vc_ring_mode mode;
	} modes[] = { { "workers", VC_RING_WORKERS },
		      { "sqpoll", VC_RING_SQPOLL },
		      { "iopoll", VC_RING_IOPOLL } };

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(modes); i++) {
		if (strcmp(argv[1], modes[i].name) != 0)
			continue;
		fixture_mode = modes[i].mode;
		return argc - 1;
	}
	return argc;
}

static inline struct vc_ring *ring_new(struct vc_ring_config cfg)
{
	struct vc_ring *ring = NULL;
	int r;

	if (cfg.mode == VC_RING_DEFAULT)
		cfg.mode = fixture_mode;
	if (cfg.mode == VC_RING_SQPOLL && cfg.sqpoll_idle_ms == 0)
		cfg.sqpoll_idle_ms = 1; /* its thread would keep a CPU from the other tests */
	if (cfg.mode == VC_RING_WORKERS && cfg.nr_workers == 0)
		cfg.nr_workers = 3;

	cfg.size = sizeof(cfg);
	r = vc_ring_create(&cfg, &ring);
	if (r == -EPERM || r == -ENOSYS) {
		print_message("SKIP: %s\n", vc_error_message());
		exit(77);
	}
	assert_result(r, 0);
	return ring;
}

/* Attached to the calling thread. */
static inline struct vc_ring *ring_here(struct vc_ring_config cfg)
{
	struct vc_ring *ring = ring_new(cfg);

	assert_result(vc_ring_attach(ring), 0);
	return ring;
}

static inline struct vc_ring_info info_of(const struct vc_ring *ring)
{
	struct vc_ring_info info = { .size = sizeof(info) };

	assert_result(vc_ring_get_info(ring, &info), 0);
	return info;
}

/* Stops the ring on its own thread, steps it to its end, drops the last reference. */
static inline void ring_end(struct vc_ring *ring)
{
	int r;

	assert_result(vc_ring_stop(ring), 0);
	while ((r = vc_ring_step(ring, -1)) >= 0)
		;
	assert_int_equal(r, -ESHUTDOWN);
	assert_int_equal(info_of(ring).nr_submitted, info_of(ring).nr_completed);
	vc_ring_put(ring);
}

static inline int64_t clock_ns(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

/* Steps until the request has been called back @nr times or more; 20 s of nothing: it was lost. */
static inline void step_past(struct vc_ring *ring, const struct traced *t, unsigned int nr)
{
	int64_t give_up_ns = 0;

	while (t->nr_done < nr) {
		int r = vc_ring_step(ring, 1000 * MS);

		assert_true(r >= 0);
		if (r == 0 && give_up_ns == 0)
			give_up_ns = clock_ns() + 20000 * MS;
		assert_true(give_up_ns == 0 || clock_ns() < give_up_ns);
	}
}

/* The same, and not once more. */
static inline void step_until(struct vc_ring *ring, const struct traced *t, unsigned int nr)
{
	step_past(ring, t, nr);
	assert_int_equal(t->nr_done, nr);
}

static inline uint32_t file_of(struct vc_ring *ring, int fd)
{
	uint32_t file = 0;

	assert_result(vc_ring_add_file(ring, fd, 0, &file), 0);
	assert_true(file > 0);
	return file;
}

static inline int memory_file(size_t len)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static inline struct traced a_read(uint32_t file, void *buf, uint32_t len, uint64_t off)
{
	return (struct traced){ .req = { .done = traced_done,
					 .op = VC_RING_READ,
					 .file = file,
					 .buf = buf,
					 .len = len,
					 .off = off } };
}

static inline struct traced a_write(uint32_t file, void *buf, uint32_t len, uint64_t off)
{
	struct traced t = a_read(file, buf, len, off);

	t.req.op = VC_RING_WRITE;
	return t;
}

static inline struct traced an_op(enum vc_ring_op op, uint32_t file)
{
	return (struct traced){ .req = { .done = traced_done, .op = (uint8_t)op, .file = file } };
}

#endif /* VC_TESTS_RING_FIXTURE_H */
