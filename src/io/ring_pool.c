/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of a ring where io_uring is forbidden: worker threads make the blocking calls, the
 * ring's thread waits in epoll. Same API, same order, same results; slower.
 *
 * What is finite goes to the workers, a batch at a time under one lock; chains stay with one worker.
 * Polls, timers and what may wait for ever never block a worker: the ring's thread has them in epoll
 * (edge: an eventfd need not be read), in a timerfd, and does the read or write itself once its file
 * is ready. Finished requests come back on a stack, and an eventfd when that was empty. [epoll(7)]
 */
#include "ring_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#define NS_PER_S  1000000000ll
#define NS_PER_MS 1000000ll

static struct vc__pool *pool_of(const struct vc_ring *ring)
{
	return ring->engine_data;
}

/* While the engine has a request: ring_time[0] is its fd or deadline, [1] its result. */

static void push_done(struct vc__pool *pool, struct vc_ring_request *req, int64_t res)
{
	struct vc_ring_request *head = atomic_load_explicit(&pool->done, memory_order_relaxed);

	req->ring_time[1] = res;
	do
		req->ring_owed = head;
	/* Release: pairs with reap_done(). */
	while (!atomic_compare_exchange_weak_explicit(&pool->done, &head, req, memory_order_release,
						      memory_order_relaxed));
	if (!head)
		(void)!write(pool->done_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

/* The worker's part */

static void perform_chain(struct vc__pool *pool, struct vc_ring_request *req)
{
	bool is_failed = false;

	while (req) {
		struct vc_ring_request *then = req->then; /* the user's again once it is pushed */
		int fd = (int)(req->ring_time[0] >> 1);
		bool is_stream = req->ring_time[0] & 1;
		int64_t res = is_failed ? -ECANCELED : vc__ring_perform(req, fd, is_stream);

		is_failed = is_failed || (then && res != vc__ring_full_result(req));
		push_done(pool, req, res);
		req = then;
	}
}

static struct vc_ring_request *take_job(struct vc__pool *pool)
{
	struct vc_ring_request *req;

	pthread_mutex_lock(&pool->lock);
	while (!pool->jobs && !pool->is_ending)
		pthread_cond_wait(&pool->has_jobs, &pool->lock);
	req = pool->jobs;
	if (req) {
		pool->jobs = req->ring_owed;
		if (!pool->jobs)
			pool->jobs_end = &pool->jobs;
	}
	pthread_mutex_unlock(&pool->lock);
	return req;
}

static void *worker_main(void *opaque)
{
	struct vc__pool *pool = opaque;
	struct vc_ring_request *req;
	char comm[16];

	(void)snprintf(comm, sizeof(comm), "%.12s/io", pool->ring->name);
	(void)pthread_setname_np(pthread_self(), comm);
	while ((req = take_job(pool)) != NULL)
		perform_chain(pool, req);
	return NULL;
}

/* open and close */

static int watch(struct vc__pool *pool, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	return epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int open_fds(struct vc__pool *pool)
{
	int r;

	pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (pool->epoll_fd < 0)
		return -errno;
	pool->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->done_fd < 0)
		return -errno;
	pool->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pool->timer_fd < 0)
		return -errno;
	r = watch(pool, pool->done_fd, EPOLLIN | EPOLLET, NULL);
	if (r == 0)
		r = watch(pool, pool->ring->wake_fd, EPOLLIN | EPOLLET, NULL);
	return r < 0 ? r : watch(pool, pool->timer_fd, EPOLLIN | EPOLLET, pool);
}

static int make_workers(struct vc_ring *ring, uint32_t nr)
{
	struct vc__pool *pool = pool_of(ring);
	char name[80];
	int r;

	while (pool->nr_workers < nr) {
		(void)snprintf(name, sizeof(name), "%s/io%u", ring->name, pool->nr_workers);
		r = vc__ring_make_thread(ring, name, worker_main, pool,
					 &pool->workers[pool->nr_workers]);
		if (r < 0)
			return r;
		pool->nr_workers++;
	}
	return 0;
}

static int pool_open(struct vc_ring *ring, const struct vc_ring_config *cfg)
{
	struct vc__pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (!pool)
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory for worker threads");
	ring->engine_data = pool;
	pool->ring = ring;
	pool->epoll_fd = pool->done_fd = pool->timer_fd = -1;
	pool->deadline_ns = INT64_MAX;
	pool->jobs_end = &pool->jobs;
	pool->batch_end = &pool->batch;
	pool->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	pool->has_jobs = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	pool->workers = calloc(cfg->nr_workers, sizeof(*pool->workers));
	pool->files = calloc(ring->nr_files, sizeof(*pool->files));
	for (uint32_t i = 0; pool->files && i < ring->nr_files; i++)
		pool->files[i].fd = -1;
	if (!pool->workers || !pool->files)
		return vc_error_set(-ENOMEM, "io", cfg->name, "no memory for worker threads");
	r = open_fds(pool);
	if (r < 0)
		return vc_error_set(r, "io", cfg->name, "no descriptors for worker threads: %s",
				    strerrordesc_np(-r));
	return make_workers(ring, cfg->nr_workers);
}

static void pool_close(struct vc_ring *ring)
{
	struct vc__pool *pool = pool_of(ring);
	const int fds[] = { pool ? pool->epoll_fd : -1, pool ? pool->done_fd : -1,
			    pool ? pool->timer_fd : -1 };

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->is_ending = true;
	pthread_cond_broadcast(&pool->has_jobs);
	pthread_mutex_unlock(&pool->lock);
	while (pool->nr_workers > 0)
		(void)pthread_join(pool->workers[--pool->nr_workers], NULL);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);

	for (uint32_t i = 0; pool->files && i < ring->nr_files; i++)
		if (pool->files[i].fd >= 0)
			(void)close(pool->files[i].fd);
	pthread_cond_destroy(&pool->has_jobs);
	pthread_mutex_destroy(&pool->lock);
	free(pool->files);
	free(pool->workers);
	free(pool);
}

static int pool_attach(struct vc_ring *ring)
{
	(void)ring;
	return 0;
}

static int pool_set_file(struct vc_ring *ring, uint32_t file, int fd)
{
	struct vc__pool_file *f = &pool_of(ring)->files[file];
	struct vc__pool_file now = { .fd = -1 };

	if (fd >= 0) {
		now.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (now.fd < 0)
			return vc_error_set(-errno, "io", ring->name,
					    "fd %d cannot be duplicated: %s", fd,
					    strerrordesc_np(errno));
		now.is_stream = lseek(now.fd, 0, SEEK_CUR) < 0 && errno == ESPIPE;
	}
	if (f->fd >= 0)
		(void)close(f->fd);
	*f = now;
	return 0;
}

/* Requests of the ring's thread */

static int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void set_timer(struct vc__pool *pool, int64_t deadline_ns)
{
	struct itimerspec when = { 0 };

	pool->deadline_ns = deadline_ns;
	if (deadline_ns == INT64_MAX)
		return; /* a timer that fires for nothing does no harm */
	when.it_value.tv_sec = deadline_ns / NS_PER_S;
	when.it_value.tv_nsec = deadline_ns % NS_PER_S;
	if (deadline_ns == 0)
		when.it_value.tv_nsec = 1; /* 0 would disarm it */
	(void)timerfd_settime(pool->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void start_timer(struct vc__pool *pool, struct vc_ring_request *req)
{
	int64_t now = now_ns();
	bool is_past_all = (int64_t)req->off > INT64_MAX - now;

	if (req->flags & VC_RING_ABSOLUTE)
		req->ring_time[0] = (int64_t)req->off;
	else
		req->ring_time[0] = is_past_all ? INT64_MAX : now + (int64_t)req->off;
	if (req->ring_time[0] < pool->deadline_ns)
		set_timer(pool, req->ring_time[0]);
}

static uint32_t events_of(const struct vc_ring_request *req)
{
	if (req->op == VC_RING_POLL)
		return req->arg | EPOLLET;
	return EPOLLONESHOT |
	       (req->op == VC_RING_READ || req->op == VC_RING_READV ? EPOLLIN : EPOLLOUT);
}

/* epoll has one entry for a descriptor, so each gets its own. */
static void start_watch(struct vc__pool *pool, struct vc_ring_request *req)
{
	int fd = fcntl(pool->files[req->file].fd, F_DUPFD_CLOEXEC, 0);
	int r;

	req->ring_time[0] = fd;
	if (fd < 0) {
		push_done(pool, req, -errno);
		return;
	}
	r = watch(pool, fd, events_of(req), req);
	if (r == 0)
		return;
	(void)close(fd);
	req->ring_time[0] = -1;
	/* A regular file is always ready, and epoll does not take it. */
	if (r == -EPERM && req->op != VC_RING_POLL)
		r = (int)vc__ring_perform(req, pool->files[req->file].fd, false);
	push_done(pool, req, r);
}

static void end_watch(struct vc_ring_request *req)
{
	int fd = (int)req->ring_time[0];

	if (fd >= 0)
		(void)close(fd);
	req->ring_time[0] = -1;
}

static bool pool_start(struct vc_ring *ring, struct vc_ring_request *req, uint32_t nr)
{
	struct vc__pool *pool = pool_of(ring);

	(void)nr;
	if (req == &ring->wake) /* its eventfd has been watched from the start */
		return true;
	if (req->op == VC_RING_TIMER) {
		start_timer(pool, req);
		return true;
	}
	if (vc__ring_may_wait(req)) {
		start_watch(pool, req);
		return true;
	}
	for (struct vc_ring_request *each = req; each; each = each->then) {
		const struct vc__pool_file *f = &pool->files[each->file];

		each->ring_time[0] = (int64_t)f->fd << 1 | f->is_stream;
	}
	req->ring_owed = NULL;
	*pool->batch_end = req;
	pool->batch_end = &req->ring_owed;
	return true;
}

/* A chain that no worker has begun. */
static bool take_back(struct vc__pool *pool, struct vc_ring_request *req)
{
	struct vc_ring_request **at;
	bool is_found = false;

	pthread_mutex_lock(&pool->lock);
	for (at = &pool->jobs; *at && *at != req; at = &(*at)->ring_owed)
		;
	is_found = *at != NULL;
	if (is_found) {
		*at = req->ring_owed;
		if (!*at)
			pool->jobs_end = at;
	}
	pthread_mutex_unlock(&pool->lock);
	return is_found;
}

static bool pool_cancel(struct vc_ring *ring, struct vc_ring_request *req)
{
	struct vc__pool *pool = pool_of(ring);

	if (req->op == VC_RING_TIMER) {
		if (req->ring_time[0] >= 0)
			push_done(pool, req, -ECANCELED);
		req->ring_time[0] = -1;
		return true;
	}
	if (vc__ring_may_wait(req)) {
		int fd = (int)req->ring_time[0];

		if (fd >= 0) {
			(void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
			end_watch(req);
			push_done(pool, req, -ECANCELED);
		}
		return true;
	}
	if (take_back(pool, req)) {
		struct vc_ring_request *then;

		for (; req; req = then) {
			then = req->then;
			push_done(pool, req, -ECANCELED);
		}
	}
	return true;
}

/* turning */

/* One lock for the whole batch. */
static void hand_over(struct vc__pool *pool)
{
	bool is_single = pool->batch && !pool->batch->ring_owed;

	if (!pool->batch)
		return;
	pthread_mutex_lock(&pool->lock);
	*pool->jobs_end = pool->batch;
	pool->jobs_end = pool->batch_end;
	if (is_single)
		pthread_cond_signal(&pool->has_jobs);
	else
		pthread_cond_broadcast(&pool->has_jobs);
	pthread_mutex_unlock(&pool->lock);
	pool->batch = NULL;
	pool->batch_end = &pool->batch;
}

static int pool_enter(struct vc_ring *ring, int64_t timeout_ns)
{
	struct vc__pool *pool = pool_of(ring);
	int timeout_ms = -1, n;

	hand_over(pool);
	if (atomic_load_explicit(&pool->done, memory_order_relaxed))
		timeout_ms = 0;
	else if (timeout_ns >= 0) /* rounded up: never too early */
		timeout_ms = timeout_ns / NS_PER_MS >= INT_MAX
				     ? INT_MAX
				     : (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
	vc__ring_count(&ring->counters.nr_enters, 1);
	n = epoll_wait(pool->epoll_fd, pool->events, POOL_EVENTS, timeout_ms);
	pool->nr_events = n < 0 ? 0 : n;
	if (n < 0 && errno != EINTR)
		return vc_error_set(-errno, "io", ring->name, "epoll_wait: %s",
				    strerrordesc_np(errno));
	return 0;
}

static int pool_flush(struct vc_ring *ring)
{
	hand_over(pool_of(ring));
	return 0;
}

static void reap_timers(struct vc_ring *ring)
{
	struct vc__pool *pool = pool_of(ring);
	struct vc_ring_request *req;
	int64_t next = INT64_MAX, now = now_ns();

	for (req = ring->waits.first; req; req = req->ring_next) {
		if (req->op != VC_RING_TIMER || req->ring_time[0] < 0)
			continue;
		if (req->ring_time[0] <= now) {
			req->ring_time[0] = -1;
			push_done(pool, req, 0);
		} else if (req->ring_time[0] < next) {
			next = req->ring_time[0];
		}
	}
	set_timer(pool, next);
}

static void reap_event(struct vc_ring *ring, const struct epoll_event *ev)
{
	struct vc__pool *pool = pool_of(ring);
	struct vc_ring_request *req = ev->data.ptr;
	struct epoll_event again = { .data.ptr = req };
	const struct vc__pool_file *file;
	int64_t res;

	if (!req) /* a post, or workers are done with something */
		return;
	if (ev->data.ptr == pool) {
		reap_timers(ring);
		return;
	}
	if (req->ring_time[0] < 0) /* cancelled meanwhile */
		return;
	if (req->op == VC_RING_POLL) {
		vc__ring_complete(ring, req, (int)ev->events, false);
		return;
	}
	file = &pool->files[req->file];
	res = vc__ring_perform_ready(req, (int)req->ring_time[0], file->is_stream);
	if (res == -EAGAIN) {
		again.events = events_of(req);
		if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, (int)req->ring_time[0], &again) == 0)
			return;
		res = -errno;
	}
	(void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, (int)req->ring_time[0], NULL);
	end_watch(req);
	push_done(pool, req, res);
}

static void reap_done(struct vc_ring *ring)
{
	struct vc_ring_request *req, *next, *in_order = NULL;

	/* Acquire: pairs with push_done(). */
	req = atomic_exchange_explicit(&pool_of(ring)->done, NULL, memory_order_acquire);
	for (; req; req = next) {
		next = req->ring_owed;
		req->ring_owed = in_order;
		in_order = req;
	}
	for (; in_order; in_order = next) {
		next = in_order->ring_owed;
		vc__ring_complete(ring, in_order, (int)in_order->ring_time[1], true);
	}
}

static void pool_reap(struct vc_ring *ring)
{
	struct vc__pool *pool = pool_of(ring);

	for (int i = 0; i < pool->nr_events; i++)
		reap_event(ring, &pool->events[i]);
	pool->nr_events = 0;
	reap_done(ring);
}

static int pool_fd(const struct vc_ring *ring)
{
	return pool_of(ring)->epoll_fd;
}

const struct vc__ring_engine vc__ring_pool = {
	.open = pool_open,
	.attach = pool_attach,
	.set_file = pool_set_file,
	.start = pool_start,
	.cancel = pool_cancel,
	.enter = pool_enter,
	.flush = pool_flush,
	.reap = pool_reap,
	.fd = pool_fd,
	.close = pool_close,
};
