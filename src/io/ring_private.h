/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring's inside: what its parts share. ring.c makes and frees it, ring_loop.c turns it,
 * ring_queue.c has the requests, ring_post.c the tasks; an engine moves requests.
 */
#ifndef VC_RING_PRIVATE_H
#define VC_RING_PRIVATE_H

#include <libvirtcore/ring_request.h>

#include <libvirtcore/implement.h>

#include <stdatomic.h>

/* Where a request is: its ring_state. */
enum {
	VC__RING_IDLE = 0,
	VC__RING_LINKED,    /* in a chain whose head is in line */
	VC__RING_IN_LINE,   /* in the backlog, the head of its chain */
	VC__RING_FLYING,    /* with the engine */
	VC__RING_ENDING,    /* with the engine, which was asked to cancel it */
	VC__RING_OWED,	    /* with the engine, which had no room to be asked */
	VC__RING_CANCELLED, /* never was with the engine; its callback is due */
};

/* vc_ring.owner_state */
enum { VC__RING_FREE = 0, VC__RING_ATTACHING, VC__RING_OWNED };

/* vc_ring.use: whether its thread is in vc_ring_step() or vc_ring_run(), and frees it at the end. */
enum { VC__RING_UNUSED = 0, VC__RING_BUSY, VC__RING_ABANDONED };

struct vc__ring_list {
	struct vc_ring_request *first, *last;
};

struct vc__ring_file {
	bool is_used;
	uint32_t flags;	      /* enum vc_ring_file_flag */
	uint32_t nr_requests; /* taken and not completed */
};

/*
 * What moves requests: io_uring, or worker threads. On the ring's thread but for open, close and
 * set_file before attach.
 */
struct vc__ring_engine {
	int (*open)(struct vc_ring *ring, const struct vc_ring_config *cfg);
	/* The calling thread becomes the one that enters. */
	int (*attach)(struct vc_ring *ring);
	/* @fd -1 = clears the slot. */
	int (*set_file)(struct vc_ring *ring, uint32_t file, int fd);
	/* Optional: pins memory, in pieces of at most @piece_bytes. */
	int (*add_memory)(struct vc_ring *ring, uint8_t *base, uint64_t len, uint64_t piece_bytes);
	/* Takes a whole chain, or answers false: no room before the next enter(). */
	bool (*start)(struct vc_ring *ring, struct vc_ring_request *req, uint32_t nr);
	/* Asks for the end of a request that it has; false: no room before the next enter(). */
	bool (*cancel)(struct vc_ring *ring, struct vc_ring_request *req);
	/* Submits what it took; waits for the first completion as long as told, -1 = for ever. An
	 * interrupted wait, a full queue and time that ran out are 0. */
	int (*enter)(struct vc_ring *ring, int64_t timeout_ns);
	/* Submits what it took, if there is any; 1: has to be entered again at once. */
	int (*flush)(struct vc_ring *ring);
	/* vc__ring_complete() for each completion that is there. */
	void (*reap)(struct vc_ring *ring);
	int (*fd)(const struct vc_ring *ring);
	void (*close)(struct vc_ring *ring); /* also after a failed open() */
};

/* Written by the ring's thread, read by any: relaxed. */
struct vc__ring_counters {
	_Atomic uint64_t nr_enters, nr_submitted, nr_completed, nr_backlogged, nr_rearmed, nr_tasks,
		nr_fixed;
	_Atomic uint32_t nr_in_flight;
};

struct vc_ring {
	char *name;
	enum vc_ring_mode mode;
	uint32_t depth, nr_files, nr_workers;
	uint64_t ops;
	bool is_sealed;
	bool is_restricted, is_task_deferred; /* set by the engine */
	const struct vc__ring_engine *engine;
	void *engine_data; /* the engine's own, freed by its close() */
	struct vc__ring_file *files;
	int wake_fd;
	atomic_uint nr_refs;

	atomic_uint owner_state; /* VC__RING_OWNED releases owner */
	pthread_t owner;	 /* the thread that attached */
	atomic_uint use;	 /* VC__RING_BUSY and the like */
	bool is_stopping;	 /* drains */
	bool is_mail_closed;
	_Atomic bool is_closed;	     /* drained; written by the ring's thread */
	struct vc_ring_task stop;    /* posted by vc_ring_stop() */
	struct vc_ring_request wake; /* the poll of wake_fd */

	/* vc_ring_start() */
	pthread_t thread;
	bool has_thread;
	int run_result;
	bool has_affinity, has_numa_node;
	uint64_t affinity[16];
	uint32_t numa_node;
	int (*make_thread)(void *opaque, const char *name, void *(*main_fn)(void *), void *arg,
			   pthread_t *ret_thread);
	void *thread_opaque;

	uint32_t nr_room;	      /* requests that the depth still allows */
	struct vc__ring_list line;    /* the backlog */
	struct vc__ring_list waits;   /* with the engine, may take for ever; wake among them */
	struct vc__ring_list ended;   /* CANCELLED */
	struct vc_ring_request *owed; /* OWED, linked by ring_owed */
	uint32_t nr_callbacks;	      /* since the step began */
	struct vc__ring_counters counters;

	/* Tasks of this thread, in order; those of others, last first. */
	struct vc_ring_task *deferred, **deferred_end;
	_Atomic(struct vc_ring_task *) mail;
};

static inline void vc__ring_count(_Atomic uint64_t *counter, uint64_t nr)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + nr,
			      memory_order_relaxed);
}

static inline void vc__ring_count_flying(struct vc_ring *ring, int nr)
{
	_Atomic uint32_t *now = &ring->counters.nr_in_flight;

	atomic_store_explicit(now, atomic_load_explicit(now, memory_order_relaxed) + (uint32_t)nr,
			      memory_order_relaxed);
}

static inline bool vc__ring_may_wait(const struct vc_ring_request *req)
{
	return req->op == VC_RING_POLL || req->op == VC_RING_TIMER || (req->flags & VC_RING_WAITS);
}

/* ring.c: the ring is gone afterwards. */
void vc__ring_free(struct vc_ring *ring);
/* -EINVAL unless the calling thread is the ring's. */
int vc__ring_check_owner(const struct vc_ring *ring);

/* ring_queue.c */
void vc__ring_start_wake(struct vc_ring *ring);
/* What the engine could not do after all: it is started anew. */
void vc__ring_retry(struct vc_ring *ring, struct vc_ring_request *req);
void vc__ring_complete(struct vc_ring *ring, struct vc_ring_request *req, int res, bool is_last);
/* Hands the engine what it has room for; false: more would go after the next enter(). */
bool vc__ring_refill(struct vc_ring *ring);
void vc__ring_finish_cancelled(struct vc_ring *ring);
void vc__ring_cancel_waits(struct vc_ring *ring);
bool vc__ring_is_idle(const struct vc_ring *ring);

/* ring_post.c */
bool vc__ring_has_tasks(const struct vc_ring *ring);
void vc__ring_run_mail(struct vc_ring *ring);
void vc__ring_run_deferred(struct vc_ring *ring);
/* Refuses further posts, runs those that were accepted. */
void vc__ring_close_mail(struct vc_ring *ring);
void vc__ring_wake(struct vc_ring *ring);

/* ring_loop.c: on the ring's thread; turns the ring until it has stopped and drained. */
int vc__ring_drain(struct vc_ring *ring);
/* The same between callbacks only; -ESHUTDOWN: the last reference went, and the ring is gone. */
int vc__ring_run(struct vc_ring *ring);

/* What vc_ring_stop() posts. */
void vc__ring_stop_task(struct vc_ring_task *task);

/* ring_thread.c */
int vc__ring_make_thread(struct vc_ring *ring, const char *name, void *(*main_fn)(void *),
			 void *arg, pthread_t *ret_thread);

/* ring_numa.c */
struct vc__ring_policy {
	int mode;
	unsigned long nodes[16];
};

/* -ENODEV without such a node; else its CPUs, 16 words. */
int vc__ring_node_cpus(const char *name, uint32_t node, uint64_t *ret_cpus);
/* The calling thread's memory comes from @node while it can. */
void vc__ring_prefer_node(uint32_t node, struct vc__ring_policy *ret_was);
void vc__ring_restore_policy(const struct vc__ring_policy *was);

extern const struct vc__ring_engine vc__ring_uring;
extern const struct vc__ring_engine vc__ring_pool;

#endif /* VC_RING_PRIVATE_H */
