/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: made by the control thread, counted, registered files, counters.
 *
 * ring_loop.c turns a ring, ring_queue.c has its requests and ring_post.c its tasks; ring_uring.c and
 * ring_pool.c are the engines that do the I/O. Which one it is gets decided here, once, and is told
 * by vc_ring_get_info(). File 0 of every ring is its own eventfd, so that a request whose handle was
 * forgotten names no file.
 */
#include "ring_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

#define DEPTH_DEFAULT 128u
#define FILES_DEFAULT 64u
#define OPS_ALL	      (((1ull << (VC_RING_TIMER + 1)) - 1) & ~1ull)
#define NAME_MAX_LEN  64u
#define WORKERS_MAX   64u

static int check_threads(const struct vc_ring_config *cfg)
{
	uint64_t any = 0;

	for (size_t i = 0; cfg->affinity && i < 16; i++)
		any |= cfg->affinity[i];
	if (cfg->affinity && !any)
		return vc_error_set(-EINVAL, "io", cfg->name, "the affinity mask is empty");
	if (cfg->nr_workers > WORKERS_MAX)
		return vc_error_set(-EINVAL, "io", cfg->name, "nr_workers %u, at most %u",
				    cfg->nr_workers, WORKERS_MAX);
	if (cfg->mode == VC_RING_WORKERS && cfg->nr_workers == 0)
		return vc_error_set(-EINVAL, "io", cfg->name, "mode WORKERS needs nr_workers");
	if (cfg->numa_node && !cfg->has_numa_node)
		return vc_error_set(-EINVAL, "io", cfg->name, "numa_node without has_numa_node");
	return 0;
}

static int check_config(const struct vc_ring_config *cfg)
{
	const char *name = cfg->name;

	if ((unsigned int)cfg->mode > VC_RING_WORKERS)
		return vc_error_set(-EINVAL, "io", name, "mode %d is unknown", (int)cfg->mode);
	if (cfg->depth > VC_RING_DEPTH_MAX)
		return vc_error_set(-EINVAL, "io", name, "depth %u, at most %u", cfg->depth,
				    VC_RING_DEPTH_MAX);
	if (cfg->nr_files > VC_RING_FILES_MAX)
		return vc_error_set(-EINVAL, "io", name, "nr_files %u, at most %u", cfg->nr_files,
				    VC_RING_FILES_MAX);
	if (cfg->ops & ~OPS_ALL)
		return vc_error_set(-EINVAL, "io", name, "ops 0x%llx has unknown operations",
				    (unsigned long long)cfg->ops);
	if (cfg->mode != VC_RING_SQPOLL &&
	    (cfg->sqpoll_idle_ms || cfg->has_sqpoll_cpu || cfg->sqpoll_cpu))
		return vc_error_set(-EINVAL, "io", name, "sqpoll fields, but mode is not SQPOLL");
	if (cfg->sqpoll_cpu && !cfg->has_sqpoll_cpu)
		return vc_error_set(-EINVAL, "io", name, "sqpoll_cpu without has_sqpoll_cpu");
	return check_threads(cfg);
}

static int fill(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	ring->mode = cfg->mode;
	ring->depth = ring->nr_room = cfg->depth ? cfg->depth : DEPTH_DEFAULT;
	ring->nr_files = 1 + (cfg->nr_files ? cfg->nr_files : FILES_DEFAULT);
	ring->ops = cfg->ops ? cfg->ops : OPS_ALL;
	ring->is_sealed = cfg->is_sealed;
	ring->make_thread = cfg->make_thread;
	ring->thread_opaque = cfg->thread_opaque;
	ring->name = strndup(cfg->name ? cfg->name : "ring", NAME_MAX_LEN);
	ring->files = calloc(ring->nr_files, sizeof(*ring->files));
	if (!ring->name || !ring->files)
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory for a ring");
	ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->wake_fd < 0)
		return vc_error_set(-errno, "io", cfg->name, "no eventfd for a ring: %s",
				    strerrordesc_np(errno));
	return 0;
}

/* Without an affinity of its own a ring's thread goes where its node is. */
static int place(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	int r = 0;

	ring->has_affinity = cfg->affinity || cfg->has_numa_node;
	ring->has_numa_node = cfg->has_numa_node;
	ring->numa_node = cfg->numa_node;
	if (cfg->has_numa_node)
		r = vc__ring_node_cpus(cfg->name, cfg->numa_node, ring->affinity);
	if (r == 0 && cfg->affinity)
		memcpy(ring->affinity, cfg->affinity, sizeof(ring->affinity));
	return r;
}

static int try_engine(struct vc_ring *ring, const struct vc_ring_config *cfg,
		      const struct vc__ring_engine *engine)
{
	int r;

	ring->engine = engine;
	r = engine->open(ring, cfg);
	if (r < 0) {
		engine->close(ring);
		ring->engine = NULL;
		ring->engine_data = NULL;
	}
	return r;
}

/* io_uring, or worker threads where it is forbidden or too old and they were allowed. */
static int open_engine(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	int r = -ENOSYS;

	if (cfg->mode != VC_RING_WORKERS)
		r = try_engine(ring, cfg, &vc__ring_uring);
	if ((r == -EPERM || r == -ENOSYS || r == -EOPNOTSUPP) && cfg->nr_workers > 0) {
		ring->mode = VC_RING_WORKERS;
		ring->nr_workers = cfg->nr_workers;
		r = try_engine(ring, cfg, &vc__ring_pool);
	}
	return r < 0 ? r : ring->engine->set_file(ring, 0, ring->wake_fd);
}

static int open_placed(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	struct vc__ring_policy was;
	int r = place(ring, cfg);

	if (r < 0)
		return r;
	if (cfg->has_numa_node)
		vc__ring_prefer_node(cfg->numa_node, &was);
	r = open_engine(ring, cfg);
	if (cfg->has_numa_node)
		vc__ring_restore_policy(&was);
	return r;
}

int vc_ring_create(const struct vc_ring_config *cfg, struct vc_ring **ret_ring)
{
	struct vc_ring_config c;
	struct vc_ring *ring;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_ring)
		return vc_error_set(-EINVAL, "io", c.name, "ret_ring is needed");
	r = check_config(&c);
	if (r < 0)
		return r;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return vc_error_set(-ENOMEM, "io", c.name, "no memory for a ring");
	ring->wake_fd = -1;
	ring->deferred_end = &ring->deferred;
	ring->stop.run = vc__ring_stop_task;
	atomic_init(&ring->nr_refs, 1);
	r = fill(ring, &c);
	if (r == 0)
		r = open_placed(ring, &c);
	if (r < 0) {
		vc__ring_free(ring);
		return r;
	}
	*ret_ring = ring;
	return 0;
}

void vc__ring_free(struct vc_ring *ring)
{
	if (ring->engine)
		ring->engine->close(ring);
	if (ring->wake_fd >= 0)
		(void)close(ring->wake_fd);
	free(ring->files);
	free(ring->name);
	free(ring);
}

struct vc_ring *vc_ring_get(struct vc_ring *ring)
{
	(void)atomic_fetch_add_explicit(&ring->nr_refs, 1, memory_order_relaxed);
	return ring;
}

/* What the kernel has could still be written to: its users' memory must be theirs until then. */
static bool is_in_flight(const struct vc_ring *ring)
{
	uint32_t nr = atomic_load_explicit(&ring->counters.nr_in_flight, memory_order_relaxed);

	return nr > 0 && !atomic_load_explicit(&ring->is_closed, memory_order_relaxed);
}

void vc_ring_put(struct vc_ring *ring)
{
	unsigned int busy = VC__RING_BUSY;

	/* Release and acquire: whoever frees it sees what the other holders did. */
	if (!ring || atomic_fetch_sub_explicit(&ring->nr_refs, 1, memory_order_acq_rel) != 1)
		return;
	(void)vc_ring_stop(ring);
	if (ring->has_thread && vc_ring_is_current(ring))
		(void)pthread_detach(ring->thread);
	else if (ring->has_thread)
		(void)vc_ring_join(ring);
	/* Release: pairs with the ring's thread, which frees it when it leaves vc_ring_run(). */
	if (atomic_compare_exchange_strong_explicit(&ring->use, &busy, VC__RING_ABANDONED,
						    memory_order_acq_rel, memory_order_acquire))
		return;
	if (vc_ring_is_current(ring) && vc__ring_drain(ring) < 0)
		return;
	if (!vc_ring_is_current(ring) && is_in_flight(ring)) {
		(void)vc_error_set(-EBUSY, "io", ring->name,
				   "not freed: requests are in flight on another thread's ring");
		return;
	}
	vc__ring_free(ring);
}

/* Who may register files now: anybody before a thread has attached, then that thread. */
static int check_files(const struct vc_ring *ring)
{
	if (!ring)
		return vc_error_set(-EINVAL, "io", NULL, "a ring is needed");
	if (atomic_load_explicit(&ring->owner_state, memory_order_acquire) == VC__RING_FREE)
		return 0;
	return vc__ring_check_owner(ring);
}

int vc_ring_add_file(struct vc_ring *ring, int fd, uint32_t flags, uint32_t *ret_file)
{
	int r = check_files(ring);
	uint32_t file;

	if (r < 0)
		return r;
	if (!ret_file || (flags & ~VC_RING_FILE_POLLED))
		return vc_error_set(-EINVAL, "io", ring->name, "ret_file missing or flags unknown");
	if (fcntl(fd, F_GETFD) < 0)
		return vc_error_set(-EBADF, "io", ring->name, "fd %d is not open", fd);
	if (atomic_load_explicit(&ring->is_closed, memory_order_relaxed))
		return vc_error_set(-ESHUTDOWN, "io", ring->name, "the ring has stopped");
	if (ring->is_sealed && vc_ring_is_current(ring))
		return vc_error_set(-EPERM, "io", ring->name,
				    "the ring is sealed: files are added before a thread attaches");
	for (file = 1; file < ring->nr_files && ring->files[file].is_used; file++)
		;
	if (file == ring->nr_files)
		return vc_error_set(-ENFILE, "io", ring->name, "%u files are registered already",
				    ring->nr_files - 1);
	r = ring->engine->set_file(ring, file, fd);
	if (r < 0)
		return r;
	ring->files[file] = (struct vc__ring_file){ .is_used = true, .flags = flags };
	*ret_file = file;
	return 0;
}

int vc_ring_remove_file(struct vc_ring *ring, uint32_t file)
{
	bool is_over = ring && atomic_load_explicit(&ring->is_closed, memory_order_relaxed);
	int r = is_over ? 0 : check_files(ring);

	if (r < 0)
		return r;
	if (file == 0 || file >= ring->nr_files || !ring->files[file].is_used)
		return vc_error_set(-EINVAL, "io", ring->name, "file %u is not registered", file);
	if (ring->files[file].nr_requests > 0)
		return vc_error_set(-EBUSY, "io", ring->name, "file %u has %u requests in flight",
				    file, ring->files[file].nr_requests);
	ring->files[file].is_used = false;
	/* The kernel keeps those of a sealed or stopped ring until that is freed. */
	if (is_over || (ring->is_sealed && vc_ring_is_current(ring)))
		return 0;
	return ring->engine->set_file(ring, file, -1);
}

int vc_ring_fd(const struct vc_ring *ring)
{
	if (!ring)
		return vc_error_set(-EINVAL, "io", NULL, "a ring is needed");
	return ring->engine->fd(ring);
}

int vc_ring_get_info(const struct vc_ring *ring, struct vc_ring_info *ret_info)
{
	const size_t first_size = offsetof(struct vc_ring_info, nr_in_flight) + sizeof(uint32_t);
	struct vc_ring_info info;

	if (!ring)
		return vc_error_set(-EINVAL, "io", NULL, "a ring is needed");
	info = (struct vc_ring_info){
		.mode = ring->mode,
		.depth = ring->depth,
		.nr_workers = ring->nr_workers,
		.is_restricted = ring->is_restricted,
		.is_task_deferred = ring->is_task_deferred,
#define COUNTER(c) .c = atomic_load_explicit(&ring->counters.c, memory_order_relaxed)
		COUNTER(nr_enters),
		COUNTER(nr_submitted),
		COUNTER(nr_completed),
		COUNTER(nr_backlogged),
		COUNTER(nr_rearmed),
		COUNTER(nr_tasks),
		COUNTER(nr_fixed),
		COUNTER(nr_in_flight),
#undef COUNTER
	};
	return vc_result_fill(ret_info, first_size, &info, sizeof(info));
}

const char *vc_ring_mode_name(enum vc_ring_mode mode)
{
	static const char *const names[] = {
		[VC_RING_DEFAULT] = "io_uring",
		[VC_RING_SQPOLL] = "io_uring, sqpoll",
		[VC_RING_IOPOLL] = "io_uring, iopoll",
		[VC_RING_WORKERS] = "worker threads",
	};

	return (unsigned int)mode <= VC_RING_WORKERS ? names[mode] : "?";
}
