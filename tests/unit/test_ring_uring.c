/* SPDX-License-Identifier: Apache-2.0 */
/* The fence: what the kernel refuses on a running ring, whoever writes into its submission queue. */
#include "ring_fixture.h"

#include "ring_uring.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

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

/* One system call a batch, not one a request. */
static void enters_are_few(void **state)
{
	enum { NR = 32, ROUNDS = 100 };
	static struct traced reads[NR];
	static char bufs[NR][64];
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = NR });
	int fd = memory_file(4096);
	uint32_t file = file_of(ring, fd);
	uint64_t before;

	(void)state;
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
				assert_true(vc_ring_step(ring, -1) > 0);
	}
	assert_true(info_of(ring).nr_enters - before < NR * ROUNDS / 4);
	ring_end(ring);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_operations_are_refused),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(registrations_are_refused),
		cmocka_unit_test(one_issuer),
		cmocka_unit_test(enters_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
