/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting up the io_urings of a ring: flags by mode and by what the kernel knows, a table of files,
 * restrictions to the ring's operations and registered files. On the control thread, disabled.
 *
 * Features are found by trying, never by version. liburing 2.3's shared library lacks
 * io_uring_enable_rings() and io_uring_register_restrictions(): io_uring_register() does both.
 * [io_uring_setup(2)] [io_uring_register(2)]
 */
#include "ring_uring.h"

#include <errno.h>
#include <string.h>

static int refuse_setup(const struct vc_ring_config *cfg, int err)
{
	switch (err) {
	case -EPERM:
		return vc_error_set(
			-EPERM, "io", cfg->name,
			"io_uring is forbidden here (sysctl kernel.io_uring_disabled, or "
			"seccomp); nr_workers above 0 does the same with threads");
	case -ENOSYS:
		return vc_error_set(-ENOSYS, "io", cfg->name,
				    "this kernel has no io_uring; nr_workers above 0 does the same "
				    "with threads");
	case -EINVAL:
		return vc_error_set(-EOPNOTSUPP, "io", cfg->name,
				    "this kernel's io_uring is too old for the mode");
	default:
		return vc_error_set(err, "io", cfg->name, "io_uring cannot be set up: %s",
				    strerrordesc_np(-err));
	}
}

/* A completion queue so long that polls of many doorbells seldom find it full. */
static uint32_t cq_entries(uint32_t depth)
{
	return depth < 128 ? 512 : depth * 4;
}

#define BEST (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL)

/* From what is best to what Linux 5.13 has; a kernel that does not know a flag says EINVAL. */
static const uint32_t default_tries[] = {
	BEST,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	0,
};
/* The flag tells the thread that spins on the other queue when to enter this one. */
static const uint32_t beside_polled_tries[] = {
	BEST | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
};
static const uint32_t polled_tries[] = {
	IORING_SETUP_IOPOLL | BEST,
	IORING_SETUP_IOPOLL,
};
/* Deferring and a kernel thread that submits exclude each other. */
static const uint32_t sqpoll_tries[] = {
	IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SQPOLL,
};

struct tries {
	const uint32_t *flags;
	size_t nr;
};

#define TRIES(array) ((struct tries){ (array), sizeof(array) / sizeof((array)[0]) })

static int try_setup(struct io_uring *u, struct tries tries, uint32_t depth,
		     const struct vc_ring_config *cfg)
{
	int r = -EINVAL;

	for (size_t i = 0; r == -EINVAL && i < tries.nr; i++) {
		struct io_uring_params params = {
			.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | tries.flags[i],
			.cq_entries = cq_entries(depth),
		};

		if (tries.flags[i] & IORING_SETUP_SQPOLL) {
			params.sq_thread_idle = cfg->sqpoll_idle_ms ? cfg->sqpoll_idle_ms : 1000;
			params.sq_thread_cpu = cfg->sqpoll_cpu;
			params.flags |= cfg->has_sqpoll_cpu ? IORING_SETUP_SQ_AFF : 0;
		}
		r = io_uring_queue_init_params(depth + SQ_SPARE, u, &params);
	}
	if (r < 0) {
		u->ring_fd = -1;
		if (r == -EINVAL && cfg->has_sqpoll_cpu)
			return vc_error_set(-EINVAL, "io", cfg->name,
					    "sqpoll_cpu %u is no CPU of this host that may be used",
					    cfg->sqpoll_cpu);
		return refuse_setup(cfg, r);
	}
	if (!(u->features & IORING_FEAT_EXT_ARG) || !(u->features & IORING_FEAT_NODROP))
		return refuse_setup(cfg, -EINVAL);
	return 0;
}

struct allowed {
	uint8_t op; /* enum vc_ring_op; 0 = always */
	uint8_t opcode;
};

static const struct allowed main_ops[] = {
	{ VC_RING_READ, IORING_OP_READ },
	{ VC_RING_WRITE, IORING_OP_WRITE },
	{ VC_RING_READ, IORING_OP_READ_FIXED }, /* names registered memory only */
	{ VC_RING_WRITE, IORING_OP_WRITE_FIXED },
	{ VC_RING_READV, IORING_OP_READV },
	{ VC_RING_WRITEV, IORING_OP_WRITEV },
	{ VC_RING_FSYNC, IORING_OP_FSYNC },
	{ VC_RING_FDATASYNC, IORING_OP_FSYNC },
	{ VC_RING_FALLOCATE, IORING_OP_FALLOCATE },
	{ VC_RING_TIMER, IORING_OP_TIMEOUT },
	{ 0, IORING_OP_POLL_ADD }, /* the ring's own eventfd */
	{ 0, IORING_OP_ASYNC_CANCEL },
};
#define NR_MAIN_OPS   (sizeof(main_ops) / sizeof(main_ops[0]))
#define NR_POLLED_OPS 6u /* the first: what a device can be polled for */

static int restrict_to(const struct vc_ring *ring, struct io_uring *u, size_t nr_ops)
{
	struct io_uring_restriction res[NR_MAIN_OPS + 3] = { 0 };
	unsigned int nr = 0;

	for (size_t i = 0; i < nr_ops; i++) {
		if (main_ops[i].op && !(ring->ops >> main_ops[i].op & 1))
			continue;
		res[nr].opcode = IORING_RESTRICTION_SQE_OP;
		res[nr++].sqe_op = main_ops[i].opcode;
	}
	res[nr].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[nr++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	res[nr].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	res[nr++].sqe_flags = IOSQE_FIXED_FILE;
	if (!ring->is_sealed) {
		res[nr].opcode = IORING_RESTRICTION_REGISTER_OP;
		res[nr++].register_op = IORING_REGISTER_FILES_UPDATE;
	}
	return io_uring_register((unsigned int)u->ring_fd, IORING_REGISTER_RESTRICTIONS, res, nr);
}

static int fence(const struct vc_ring *ring, struct io_uring *u, size_t nr_ops)
{
	int r = io_uring_register_files_sparse(u, ring->nr_files);

	if (r < 0)
		return vc_error_set(r, "io", ring->name, "%u files cannot be registered: %s",
				    ring->nr_files, strerrordesc_np(-r));
	r = restrict_to(ring, u, nr_ops);
	return r < 0 ? vc_error_set(r, "io", ring->name, "the ring cannot be restricted: %s",
				    strerrordesc_np(-r))
		     : 0;
}

int vc__uring_setup(struct vc_ring *ring, struct vc__uring *u, const struct vc_ring_config *cfg)
{
	struct tries tries = TRIES(default_tries);
	int r;

	if (cfg->mode == VC_RING_SQPOLL)
		tries = TRIES(sqpoll_tries);
	if (cfg->mode == VC_RING_IOPOLL)
		tries = TRIES(beside_polled_tries);
	r = try_setup(&u->ring, tries, ring->depth, cfg);
	if (r == 0)
		r = fence(ring, &u->ring, NR_MAIN_OPS);
	if (r < 0 || cfg->mode != VC_RING_IOPOLL)
		return r;
	r = try_setup(&u->polled, TRIES(polled_tries), ring->depth, cfg);
	return r < 0 ? r : fence(ring, &u->polled, NR_POLLED_OPS);
}
