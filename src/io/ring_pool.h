/* SPDX-License-Identifier: Apache-2.0 */
/* The worker threads of a ring: its engine's data. */
#ifndef VC_RING_POOL_H
#define VC_RING_POOL_H

#include "ring_private.h"

#include <sys/epoll.h>

#define POOL_EVENTS 64

struct vc__pool_file {
	int fd;		/* our own; -1 = none */
	bool is_stream; /* has no position */
};

struct vc__pool {
	struct vc_ring *ring;
	/* the ring's thread */
	int epoll_fd, timer_fd;
	int64_t deadline_ns; /* timer_fd's; INT64_MAX = none */
	struct vc__pool_file *files;
	struct vc_ring_request *batch, **batch_end; /* not handed over yet; linked by ring_owed */
	struct epoll_event events[POOL_EVENTS];
	int nr_events;
	/* workers; under lock: jobs, jobs_end, is_ending */
	pthread_t *workers;
	uint32_t nr_workers;
	pthread_mutex_t lock;
	pthread_cond_t has_jobs;
	struct vc_ring_request *jobs;
	struct vc_ring_request **jobs_end;
	bool is_ending;
	/* workers push, the ring's thread takes all */
	_Atomic(struct vc_ring_request *) done;
	int done_fd;
};

/* ring_perform.c: a request by blocking system calls; its result, or -errno. */
int64_t vc__ring_perform(const struct vc_ring_request *req, int fd, bool is_stream);
/* One that may wait, whose file is ready: never blocks, may answer -EAGAIN. */
int64_t vc__ring_perform_ready(const struct vc_ring_request *req, int fd, bool is_stream);
/* What it returns when it has succeeded in full. */
int64_t vc__ring_full_result(const struct vc_ring_request *req);

#endif /* VC_RING_POOL_H */
