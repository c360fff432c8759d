/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: one io_uring and the one thread that enters it. Created by the control thread, disabled and
 * restricted; enabled by the thread that attaches, which alone submits, waits and runs callbacks.
 * Other threads post tasks to it. A ring serves any number of users; what they do on it is in
 * ring_request.h. No thread is made unless vc_ring_start() or worker threads are asked for.
 */
#ifndef LIBVIRTCORE_RING_H
#define LIBVIRTCORE_RING_H

#include <libvirtcore/types.h>

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vc_ring_mode {
	/* io_uring; worker threads where the kernel forbids it and nr_workers is above 0 */
	VC_RING_DEFAULT = 0,
	/* io_uring whose submissions a kernel thread picks up: no system call while it is awake */
	VC_RING_SQPOLL = 1,
	/* DEFAULT, and a second io_uring that polls devices for the reads and writes of files added
	 * with VC_RING_FILE_POLLED; the ring's thread does not sleep while such a one is in flight */
	VC_RING_IOPOLL = 2,
	VC_RING_WORKERS = 3, /* worker threads, io_uring or not */
};

#define VC_RING_DEPTH_MAX 4096u
#define VC_RING_FILES_MAX 4096u

struct vc_ring_config {
	size_t size;	  /* sizeof(struct vc_ring_config) */
	const char *name; /* for messages, and for the thread of vc_ring_start(), cut at 15 bytes;
			   * NULL = "ring"; copied */
	enum vc_ring_mode mode;
	uint32_t depth;	   /* requests in flight, the rest waits in line; 0 = 128 */
	uint32_t nr_files; /* files that can be registered at once; 0 = 64 */
	/* what its ends may do */
	uint64_t ops;	/* bit (1 << enum vc_ring_op) for each operation; 0 = all there are */
	bool is_sealed; /* no file may be added once a thread has attached */
	/* SQPOLL */
	uint32_t sqpoll_idle_ms; /* the kernel's thread sleeps after that; 0 = 1000 */
	bool has_sqpoll_cpu;	 /* pin it */
	uint32_t sqpoll_cpu;
	/* threads, all signals blocked in them */
	const uint64_t
		*affinity;  /* of the thread of vc_ring_start(): mask of 16 words of host CPUs;
				   * copied; NULL = not pinned */
	bool has_numa_node; /* the ring's memory and, without affinity, its thread go there */
	uint32_t numa_node;
	uint32_t nr_workers; /* at most 64; 0 = none: refuse where io_uring is forbidden */
	/* Makes a joinable thread named @name that runs main_fn(arg), on the control thread; NULL =
	 * the library calls pthread_create(3). Returns 0 or -errno. */
	int (*make_thread)(void *opaque, const char *name, void *(*main_fn)(void *), void *arg,
			   pthread_t *ret_thread);
	void *thread_opaque;
};

/* Something to run on the ring's thread, embedded in the poster's storage; zeroed before its first
 * use but for run. It may be posted again as soon as run() has been called, also from within. */
struct vc_ring_task {
	void (*run)(struct vc_ring_task *task);
	/* the ring's */
	struct vc_ring_task *ring_next;
	uint32_t ring_queued;
};

struct vc_ring;

/**
 * vc_ring_create() - make a ring, disabled and restricted.
 * @cfg: copied; see struct vc_ring_config.
 * @ret_ring: a ring with one reference, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (fields), -E2BIG (unknown newer fields), -EPERM, -ENOSYS (the kernel forbids
 *          or lacks io_uring, and there are no workers), -EOPNOTSUPP (kernel without what the mode
 *          needs), -ENODEV (numa_node), -EAGAIN (threads), -EMFILE, -ENFILE, -ENOMEM, or what
 *          make_thread answered.
 * Spec: [io_uring_setup(2)]   Since: 0.1
 */
VC_API int vc_ring_create(const struct vc_ring_config *cfg, struct vc_ring **ret_ring);

/**
 * vc_ring_get() - take another reference; each user of a ring, a poster above all, holds one.
 * @ring: must not be NULL.
 * Context: any thread; does not block.
 * Returns: @ring.
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_ring *vc_ring_get(struct vc_ring *ring);

/**
 * vc_ring_put() - drop a reference; the last one stops the ring, drains it and frees it.
 * @ring: may be NULL. Tasks posted to a ring to which no thread ever attached are dropped. A ring
 *        that another thread steps must have stopped before: else what is in flight could still
 *        write to its users' memory, and the ring is left as it is, for ever, with a message.
 * Context: any thread; the last one blocks until what is in flight is done, unless vc_ring_run() is
 *          still busy with the ring: then that frees it.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_ring_put(struct vc_ring *ring);

/**
 * vc_ring_attach() - make the calling thread the ring's, for good, and enable the ring.
 * @ring: no thread has attached. A thread may own many rings.
 * Context: becomes the ring thread; does not block.
 * Returns: 0, also when this thread has attached before, or -EINVAL (NULL, another thread's ring),
 *          -ESHUTDOWN (stopped), or what the kernel says.
 * Spec: [io_uring_register(2) ENABLE_RINGS]   Since: 0.1
 */
VC_API int vc_ring_attach(struct vc_ring *ring);

/**
 * vc_ring_step() - submit what waits, wait for completions and posts, run their callbacks.
 * @ring: attached. What callbacks submit is on its way when this returns.
 * @timeout_ns: how long to wait for the first; 0 = not at all, -1 = for ever.
 * Context: ring thread, not from a callback; blocks as told. A signal ends the wait.
 * Returns: callbacks run, 0 or more, or -EINVAL (NULL, another thread's ring, from a callback),
 *          -ESHUTDOWN (stopped and drained), or what the kernel says.
 * Spec: [io_uring_enter(2)]   Since: 0.1
 */
VC_API int vc_ring_step(struct vc_ring *ring, int64_t timeout_ns);

/**
 * vc_ring_fd() - an fd that is readable (level, not edge) when vc_ring_step() has something to do.
 * @ring: any state.
 * Context: any thread; does not block.
 * Returns: the fd, owned by the ring, to be polled only; or -EINVAL.
 * Spec: [poll(2)]   Since: 0.1
 */
VC_API int vc_ring_fd(const struct vc_ring *ring);

/**
 * vc_ring_run() - attach, and step until the ring is stopped and drained.
 * @ring: no thread has attached, or this one has.
 * Context: becomes the ring thread; blocks. Not from a callback.
 * Returns: 0 when stopped, or -EINVAL, -ESHUTDOWN (was stopped before), or what the kernel says.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_run(struct vc_ring *ring);

/**
 * vc_ring_start() - make a thread that runs the ring: named, pinned, all signals blocked in it.
 * @ring: no thread has attached.
 * Context: control thread; returns when the new thread has attached.
 * Returns: 0, or -EINVAL (NULL; affinity without a CPU that is there), -EBUSY (a thread has attached),
 *          -ESHUTDOWN (stopped), -EAGAIN (no thread), or what make_thread or the kernel says.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_start(struct vc_ring *ring);

/**
 * vc_ring_join() - wait for the end of the thread of vc_ring_start(), after vc_ring_stop().
 * @ring: started.
 * Context: control thread; blocks until the ring has drained.
 * Returns: what vc_ring_run() returned on that thread, or -EINVAL (NULL, not started, or joined
 *          before), -EDEADLK (called on the ring's thread).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_join(struct vc_ring *ring);

/**
 * vc_ring_stop() - let the ring finish what it has, and end.
 * @ring: any state; a second stop does nothing. Polls, timers and requests that may wait for ever are
 *        cancelled; others and those in line are completed; posts that were accepted are run. Then
 *        vc_ring_step() returns -ESHUTDOWN and vc_ring_run() 0.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_stop(struct vc_ring *ring);

/**
 * vc_ring_post() - have a task run on the ring's thread; any number of posts in a row wake it once.
 * @ring: any state; the caller's reference keeps it.
 * @task: stays the caller's; untouched until it has run. What was written before this call is seen by
 *        the task.
 * Context: any thread, callbacks included; does not block: no lock, no allocation.
 * Returns: 0, or 1 (it waits already: it will run once, if the call that queued it was accepted),
 *          -EINVAL (NULL), -ESHUTDOWN (drained: it will not run).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_post(struct vc_ring *ring, struct vc_ring_task *task);

struct vc_ring_info {
	size_t size;		/* sizeof(struct vc_ring_info), set by the caller */
	enum vc_ring_mode mode; /* in use */
	uint32_t depth, nr_workers;
	bool is_restricted;    /* the kernel refuses other operations and unregistered files */
	bool is_task_deferred; /* completions are worked off on the ring's thread only */
	/* counters */
	uint64_t nr_enters;	/* system calls made to submit and to wait */
	uint64_t nr_submitted;	/* requests taken */
	uint64_t nr_completed;	/* requests whose last callback was called */
	uint64_t nr_backlogged; /* requests that had to wait in line */
	uint64_t nr_rearmed;	/* polls that the kernel ended and the ring set up again */
	uint64_t nr_tasks;	/* posts run */
	uint64_t nr_fixed;	/* requests with a buffer in memory of vc_ring_add_memory() */
	uint32_t nr_in_flight;	/* requests now in the kernel or with workers */
};

/**
 * vc_ring_get_info() - tell which mode is in use, and the counters.
 * @ring: any state.
 * @ret_info: its size set; filled.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_get_info(const struct vc_ring *ring, struct vc_ring_info *ret_info);

/**
 * vc_ring_mode_name() - "io_uring", "io_uring, sqpoll", "io_uring, iopoll", "worker threads".
 * @mode: the mode.
 * Context: any thread; does not block.
 * Returns: a static string, "?" for other values.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_ring_mode_name(enum vc_ring_mode mode);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_RING_H */
