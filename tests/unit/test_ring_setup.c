/* SPDX-License-Identifier: Apache-2.0 */
/* Setting up io_urings: older kernels, each refusal of theirs, bad fields of the modes. */
#include "ring_fixture.h"

#include <liburing.h>

static uint32_t unknown_flags, hidden_features;
static int register_err, sparse_err;

int __real_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	int r = params->flags & unknown_flags
			? -EINVAL
			: __real_io_uring_queue_init_params(entries, ring, params);

	if (r == 0)
		ring->features &= ~hidden_features;
	return r;
}

int __real_io_uring_register(unsigned int fd, unsigned int op, void *arg, unsigned int nr);
int __wrap_io_uring_register(unsigned int fd, unsigned int op, void *arg, unsigned int nr);
int __wrap_io_uring_register(unsigned int fd, unsigned int op, void *arg, unsigned int nr)
{
	return register_err ? register_err : __real_io_uring_register(fd, op, arg, nr);
}

int __real_io_uring_register_files_sparse(struct io_uring *ring, unsigned int nr);
int __wrap_io_uring_register_files_sparse(struct io_uring *ring, unsigned int nr);
int __wrap_io_uring_register_files_sparse(struct io_uring *ring, unsigned int nr)
{
	return sparse_err ? sparse_err : __real_io_uring_register_files_sparse(ring, nr);
}

static int create_with(struct vc_ring_config cfg)
{
	struct vc_ring *ring = NULL;
	int r;

	cfg.size = sizeof(cfg);
	r = vc_ring_create(&cfg, &ring);
	if (r < 0)
		assert_null(ring);
	vc_ring_put(ring);
	return r;
}

/* Without deferred task work, and without anything that came after Linux 5.13. */
static void older_kernels(void **state)
{
	static const uint32_t unknown[] = {
		IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	};
	int fd = memory_file(4096);
	char buf[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		struct vc_ring *ring;
		struct traced t, timer = an_op(VC_RING_TIMER, 0);
		struct counted c = { .task.run = counted_run };

		unknown_flags = unknown[i];
		ring = ring_here((struct vc_ring_config){ 0 });
		unknown_flags = 0;
		assert_false(info_of(ring).is_task_deferred);
		assert_true(info_of(ring).is_restricted);
		t = a_read(file_of(ring, fd), buf, 8, 0);
		timer.req.off = 3600ull * 1000 * MS;
		assert_result(vc_ring_submit(ring, &t.req), 0);
		assert_result(vc_ring_submit(ring, &timer.req), 0);
		assert_result(vc_ring_post(ring, &c.task), 0);
		step_until(ring, &t, 1);
		ring_end(ring);
		assert_int_equal(c.nr_runs, 1);
		assert_int_equal(timer.res, -ECANCELED);
	}
	close(fd);
}

static void too_old(void **state)
{
	(void)state;
	unknown_flags = IORING_SETUP_R_DISABLED;
	assert_refused(create_with((struct vc_ring_config){ 0 }), -EOPNOTSUPP, "too old");
	unknown_flags = IORING_SETUP_IOPOLL;
	assert_refused(create_with((struct vc_ring_config){ .mode = VC_RING_IOPOLL }), -EOPNOTSUPP,
		       "too old");
	unknown_flags = 0;
	hidden_features = IORING_FEAT_EXT_ARG;
	assert_refused(create_with((struct vc_ring_config){ 0 }), -EOPNOTSUPP, "too old");
	hidden_features = IORING_FEAT_NODROP;
	assert_refused(create_with((struct vc_ring_config){ 0 }), -EOPNOTSUPP, "too old");
	hidden_features = 0;
}

/* A ring that cannot be restricted is not used unrestricted. */
static void refused_registrations(void **state)
{
	struct vc_ring *ring;

	(void)state;
	sparse_err = -EMFILE;
	assert_refused(create_with((struct vc_ring_config){ 0 }), -EMFILE, "65 files");
	sparse_err = 0;
	register_err = -EINVAL;
	assert_refused(create_with((struct vc_ring_config){ 0 }), -EINVAL, "restricted");
	register_err = 0;
	ring = ring_new((struct vc_ring_config){ 0 });
	register_err = -EBADFD;
	assert_refused(vc_ring_attach(ring), -EBADFD, "enabled");
	assert_refused(vc_ring_start(ring), -EBADFD, "did not start");
	register_err = 0;
	assert_result(vc_ring_attach(ring), 0);
	ring_end(ring);
}

static void fields_of_modes(void **state)
{
	(void)state;
	assert_refused(create_with((struct vc_ring_config){ .mode = VC_RING_SQPOLL,
							    .has_sqpoll_cpu = true,
							    .sqpoll_cpu = 100000 }),
		       -EINVAL, "sqpoll_cpu 100000");
	assert_refused(
		create_with((struct vc_ring_config){ .mode = VC_RING_SQPOLL, .sqpoll_cpu = 1 }),
		-EINVAL, "has_sqpoll_cpu");
	assert_refused(create_with((struct vc_ring_config){ .sqpoll_idle_ms = 1 }), -EINVAL,
		       "not SQPOLL");
}

static void pinned_kernel_thread(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){
		.mode = VC_RING_SQPOLL, .has_sqpoll_cpu = true, .sqpoll_idle_ms = 10 });

	(void)state;
	ring_end(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_kernels),	 cmocka_unit_test(too_old),
		cmocka_unit_test(refused_registrations), cmocka_unit_test(fields_of_modes),
		cmocka_unit_test(pinned_kernel_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
