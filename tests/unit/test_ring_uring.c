/* SPDX-License-Identifier: Apache-2.0 */
/* The fence: what the kernel refuses on a running ring, whoever writes into its submission queue. */
#include "ring_fixture.h"

#include "ring_uring.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

static unsigned int nr_allocations, nr_locks;

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_malloc(size_t len)
{
	nr_allocations++;
	return __real_malloc(len);
}

void *__real_calloc(size_t nr, size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_calloc(size_t nr, size_t len)
{
	nr_allocations++;
	return __real_calloc(nr, len);
}

void *__real_realloc(void *p, size_t len);
void *__wrap_realloc(void *p, size_t len);
void *__wrap_realloc(void *p, size_t len)
{
	nr_allocations++;
	return __real_realloc(p, len);
}

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	nr_locks++;
	return __real_pthread_mutex_lock(lock);
}

static struct traced raw;

/* A place in the queue, as code would take it that got hold of the ring's memory. */
static struct io_uring_sqe *raw_sqe(struct vc_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&((struct vc__uring *)ring->engine_data)->ring);

	assert_non_null(sqe);
	return sqe;
}

/* What the kernel says to what raw_sqe() was filled with. */
static int raw_result(struct vc_ring *ring, struct io_uring_sqe *sqe)
{
	raw = a_read(0, NULL, 0, 0);
	raw.req.ring_state = VC__RING_FLYING;
	ring->nr_room--;
	ring->files[0].nr_requests++;
	vc__ring_count_flying(ring, 1);
	vc__ring_count(&ring->counters.nr_submitted, 1);
	io_uring_sqe_set_data(sqe, &raw.req);
	step_until(ring, &raw, 1);
	return raw.res;
}

static void other_operations_are_refused(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t file = file_of(ring, sock);
	struct io_uring_sqe *sqe;

	(void)state;
	sqe = raw_sqe(ring);
	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	assert_int_equal(raw_result(ring, sqe), -EACCES);
	sqe = raw_sqe(ring);
	io_uring_prep_rw(IORING_OP_SOCKET, sqe, AF_INET, NULL, 0, SOCK_STREAM);
	assert_int_equal(raw_result(ring, sqe), -EACCES);
	sqe = raw_sqe(ring);
	io_uring_prep_connect(sqe, (int)file, (struct sockaddr *)&to, sizeof(to));
	sqe->flags |= IOSQE_FIXED_FILE;
	assert_int_equal(raw_result(ring, sqe), -EACCES);
	for (unsigned int op = 0; op < IORING_OP_LAST; op++) {
		bool is_known = op == IORING_OP_READ || op == IORING_OP_WRITE ||
				op == IORING_OP_READV || op == IORING_OP_WRITEV ||
				op == IORING_OP_READ_FIXED || op == IORING_OP_WRITE_FIXED ||
				op == IORING_OP_FSYNC || op == IORING_OP_FALLOCATE ||
				op == IORING_OP_TIMEOUT || op == IORING_OP_POLL_ADD ||
				op == IORING_OP_ASYNC_CANCEL;

		if (is_known)
			continue;
		sqe = raw_sqe(ring);
		io_uring_prep_rw((int)op, sqe, (int)file, NULL, 0, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		assert_int_equal(raw_result(ring, sqe), -EACCES);
	}
	ring_end(ring);
	close(sock);
}

static void other_files_are_refused(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .ops = 1ull << VC_RING_READ });
	int fd = memory_file(4096);
	uint32_t file = file_of(ring, fd);
	struct io_uring_sqe *sqe;
	char buf[8];

	(void)state;
	sqe = raw_sqe(ring);
	io_uring_prep_read(sqe, fd, buf, 8, 0); /* an open fd, not registered */
	assert_int_equal(raw_result(ring, sqe), -EACCES);
	sqe = raw_sqe(ring);
	io_uring_prep_read(sqe, (int)file, buf, 8, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	assert_int_equal(raw_result(ring, sqe), 8);
	sqe = raw_sqe(ring);
	io_uring_prep_read(sqe, (int)file, buf, 8, 0);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
	assert_int_equal(raw_result(ring, sqe), -EACCES);
	sqe = raw_sqe(ring); /* not among the ring's own */
	io_uring_prep_write(sqe, (int)file, buf, 8, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	assert_int_equal(raw_result(ring, sqe), -EACCES);
	ring_end(ring);
	close(fd);
}

static void registrations_are_refused(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .is_sealed = true });
	struct io_uring *u = &((struct vc__uring *)ring->engine_data)->ring;
	int fd = memory_file(4096);

	(void)state;
	assert_int_equal(io_uring_register_files_update(u, 1, &fd, 1), -EACCES);
	assert_int_equal(io_uring_register_eventfd(u, fd), -EACCES);
	assert_int_equal(
		io_uring_register((unsigned int)u->ring_fd, IORING_REGISTER_RESTRICTIONS, NULL, 0),
		-EACCES);
	ring_end(ring);
	close(fd);
}

/* The kernel ends a poll whose event finds the completion queue full: the ring sets it up again. */
static void full_queue_ends_no_poll(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	struct io_uring *u = &((struct vc__uring *)ring->engine_data)->ring;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct traced t = an_op(VC_RING_POLL, file_of(ring, fd));

	(void)state;
	t.req.arg = POLLIN;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	assert_result(vc_ring_step(ring, 0), 0);
	for (unsigned int i = 0; i < 1000; i++) { /* nobody takes the completions */
		assert_int_equal(eventfd_write(fd, 1), 0);
		assert_true(io_uring_submit_and_get_events(u) >= -EBUSY);
	}
	assert_true(io_uring_cq_ready(u) >= 512);
	while (vc_ring_step(ring, 0) > 0)
		;
	assert_true(info_of(ring).nr_rearmed > 0);
	t.nr_done = 0;
	assert_int_equal(eventfd_write(fd, 1), 0);
	step_past(ring, &t, 1);
	assert_int_equal(t.res, POLLIN);
	ring_end(ring);
	close(fd);
}

static void *post_it(void *opaque)
{
	void **ring_and_task = opaque;

	assert_result(vc_ring_post(ring_and_task[0], ring_and_task[1]), 0);
	return NULL;
}

/* The same with the poll behind vc_ring_post(): else the ring would be deaf. */
static void full_queue_makes_none_deaf(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	struct io_uring *u = &((struct vc__uring *)ring->engine_data)->ring;
	struct counted c = { .task.run = counted_run };
	void *ring_and_task[] = { ring, &c.task };
	pthread_t thread;

	(void)state;
	assert_result(vc_ring_step(ring, 0), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(eventfd_write(ring->wake_fd, 1), 0);
		assert_true(io_uring_submit_and_get_events(u) >= -EBUSY);
	}
	while (info_of(ring).nr_rearmed == 0)
		assert_true(vc_ring_step(ring, 0) >= 0);
	for (unsigned int i = 0; i < 20; i++) /* what the queue still has */
		assert_true(vc_ring_step(ring, 0) >= 0);
	assert_int_equal(pthread_create(&thread, NULL, post_it, ring_and_task), 0);
	while (c.nr_runs == 0)
		assert_true(vc_ring_step(ring, 20000 * MS) >= 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	ring_end(ring);
}

/* The kernel itself keeps other threads out where it can. */
static void *enter_it(void *opaque)
{
	struct io_uring *u = opaque;
	int r = io_uring_enter((unsigned int)u->ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL);

	assert_int_equal(r, u->flags & IORING_SETUP_SINGLE_ISSUER ? -EEXIST : 0);
	return NULL;
}

static void one_issuer(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, enter_it,
					&((struct vc__uring *)ring->engine_data)->ring),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	ring_end(ring);
}

static uint64_t enters_of_batches(struct vc_ring *ring, uint32_t file)
{
	enum { NR = 32, ROUNDS = 100 };
	static struct traced reads[NR];
	static char bufs[NR][64];
	uint64_t before;

	assert_result(vc_ring_step(ring, 0), 0);
	before = info_of(ring).nr_enters;
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		for (unsigned int i = 0; i < NR; i++) {
			if (round == 1)
				reads[i] = a_read(file, bufs[i], 64, i * 64);
			assert_result(vc_ring_submit(ring, &reads[i].req), 0);
		}
		for (unsigned int i = 0; i < NR; i++)
			while (reads[i].nr_done < round)
				assert_true(vc_ring_step(ring, -1) >= 0);
	}
	return info_of(ring).nr_enters - before;
}

/* One system call a batch, not one a request; no allocation and no lock at all. */
static void enters_are_few(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 32 });
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC); /* needs no worker of the kernel's */
	uint32_t file = file_of(ring, fd);

	(void)state;
	assert_true(nr_allocations > 0); /* the ring: they are counted */
	nr_allocations = nr_locks = 0;
	assert_true(enters_of_batches(ring, file) < 32 * 100 / 4);
	assert_int_equal(nr_allocations, 0);
	assert_int_equal(nr_locks, 0);
	ring_end(ring);
	close(fd);
}

/* The kernel's thread takes what is published: reads are begun without a single system call. */
static void sqpoll_submits_alone(void **state)
{
	struct vc_ring *ring = ring_here(
		(struct vc_ring_config){ .mode = VC_RING_SQPOLL, .sqpoll_idle_ms = 10000 });
	int fd = memory_file(4096);
	char buf[8];
	struct traced t = a_read(file_of(ring, fd), buf, 8, 0);
	uint64_t before;

	(void)state;
	assert_int_equal(info_of(ring).mode, VC_RING_SQPOLL);
	assert_false(info_of(ring).is_task_deferred);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1); /* it is awake now, for ten seconds */
	before = info_of(ring).nr_enters;
	for (unsigned int i = 2; i < 100; i++) {
		assert_result(vc_ring_submit(ring, &t.req), 0);
		while (t.nr_done < i)
			assert_true(vc_ring_step(ring, 0) >= 0);
		assert_int_equal(t.res, 8);
	}
	assert_true(info_of(ring).nr_enters <= before + 1);
	ring_end(ring);
	close(fd);
}

/* A file on the disk where the tests are, opened for direct I/O; -1 where that cannot be. */
static int direct_file(size_t len)
{
	char path[] = "ring-direct-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC | O_DIRECT);

	if (fd < 0)
		return -1;
	assert_int_equal(unlink(path), 0);
	if (posix_fallocate(fd, 0, (off_t)len) == 0)
		return fd;
	close(fd);
	return -1;
}

static void write_and_read(struct vc_ring *ring, uint32_t file)
{
	enum { NR = 40, LEN = 4096 };
	static struct traced t[NR];
	static _Alignas(LEN) uint8_t bufs[NR][LEN];
	unsigned int i;

	for (i = 0; i < NR; i++) {
		memset(bufs[i], (int)i + 1, LEN);
		t[i] = a_write(file, bufs[i], LEN, (uint64_t)i * LEN);
		assert_result(vc_ring_submit(ring, &t[i].req), 0);
	}
	for (i = 0; i < NR; i++) {
		step_until(ring, &t[i], 1);
		assert_int_equal(t[i].res, LEN);
		t[i].req.op = VC_RING_READ;
		memset(bufs[i], 0, LEN);
		assert_result(vc_ring_submit(ring, &t[i].req), 0);
	}
	for (i = 0; i < NR; i++) {
		step_until(ring, &t[i], 2);
		assert_int_equal(t[i].res, LEN);
		assert_int_equal(bufs[i][0], i + 1);
		assert_int_equal(bufs[i][LEN - 1], i + 1);
	}
}

/* Direct files through the polled queue, where the device can; others find their way by themselves. */
static void iopoll(void **state)
{
	struct vc_ring *ring =
		ring_here((struct vc_ring_config){ .mode = VC_RING_IOPOLL, .depth = 16 });
	int memory = memory_file(40 * 4096), direct = direct_file(40 * 4096);
	uint32_t file;

	(void)state;
	assert_int_equal(info_of(ring).mode, VC_RING_IOPOLL);
	assert_result(vc_ring_add_file(ring, memory, VC_RING_FILE_POLLED, &file), 0);
	assert_true(ring->files[file].flags & VC_RING_FILE_POLLED);
	write_and_read(ring, file);
	assert_false(ring->files[file].flags & VC_RING_FILE_POLLED); /* memory is no device */
	if (direct >= 0) {
		assert_result(vc_ring_add_file(ring, direct, VC_RING_FILE_POLLED, &file), 0);
		write_and_read(ring, file);
		print_message("files here %s polled\n",
			      ring->files[file].flags & VC_RING_FILE_POLLED ? "are" : "cannot be");
		close(direct);
	}
	ring_end(ring);
	close(memory);
}

/* Cancelled while the polled queue has it, and refused there: it is not begun anew. */
static void iopoll_cancelled(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .mode = VC_RING_IOPOLL });
	int fd = memory_file(4096);
	char buf[8];
	struct traced t = a_read(0, buf, 8, 0);

	(void)state;
	assert_result(vc_ring_add_file(ring, fd, VC_RING_FILE_POLLED, &t.req.file), 0);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	assert_result(vc_ring_cancel(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, -ECANCELED);
	ring_end(ring);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_operations_are_refused),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(registrations_are_refused),
		cmocka_unit_test(full_queue_ends_no_poll),
		cmocka_unit_test(full_queue_makes_none_deaf),
		cmocka_unit_test(one_issuer),
		cmocka_unit_test(enters_are_few),
		cmocka_unit_test(sqpoll_submits_alone),
		cmocka_unit_test(iopoll),
		cmocka_unit_test(iopoll_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
