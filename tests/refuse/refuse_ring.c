/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of ring.h and ring_request.h that only a host can give; the unit tests have the others. */
#include "ring_fixture.h"

struct io_uring;
struct io_uring_params;

static int setup_err;

int __real_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	return setup_err ? setup_err : __real_io_uring_queue_init_params(entries, ring, params);
}

static struct vc_ring *ring;

static int create_with(int err, struct vc_ring_config cfg)
{
	int r;

	cfg.size = sizeof(cfg);
	setup_err = err;
	r = vc_ring_create(&cfg, &ring);
	setup_err = 0;
	return r;
}

static void create_einval(void **state)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg) };

	(void)state;
	assert_refused(vc_ring_create(NULL, &ring), -EINVAL, "");
	assert_refused(vc_ring_create(&cfg, NULL), -EINVAL, "ret_ring");
}

static void create_e2big(void **state)
{
	struct {
		struct vc_ring_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_ring_create(&cfg.known, &ring), -E2BIG, "");
}

/* The message says what forbids it, and what to do. */
static void create_without_io_uring(void **state)
{
	(void)state;
	assert_refused(create_with(-EPERM, (struct vc_ring_config){ 0 }), -EPERM,
		       "kernel.io_uring_disabled");
	assert_refused(create_with(-EPERM, (struct vc_ring_config){ 0 }), -EPERM, "nr_workers");
	assert_refused(create_with(-ENOSYS, (struct vc_ring_config){ 0 }), -ENOSYS, "no io_uring");
	assert_refused(create_with(-EINVAL, (struct vc_ring_config){ 0 }), -EOPNOTSUPP, "too old");
	assert_refused(create_with(-ENFILE, (struct vc_ring_config){ 0 }), -ENFILE,
		       "cannot be set up");
	assert_null(ring);
}

static void files(void **state)
{
	struct vc_ring *r0 = ring_here((struct vc_ring_config){ 0 });
	uint32_t file;

	(void)state;
	assert_refused(vc_ring_add_file(r0, -1, 0, &file), -EBADF, "fd -1");
	assert_refused(vc_ring_add_file(r0, 0, 1u << 1, &file), -EINVAL, "flags");
	assert_refused(vc_ring_add_file(r0, 0, 0, NULL), -EINVAL, "ret_file");
	assert_refused(vc_ring_add_file(NULL, 0, 0, &file), -EINVAL, "needed");
	assert_result(vc_ring_stop(r0), 0);
	while (vc_ring_step(r0, -1) >= 0)
		;
	assert_refused(vc_ring_add_file(r0, 0, 0, &file), -ESHUTDOWN, "stopped");
	vc_ring_put(r0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_einval),
		cmocka_unit_test(create_e2big),
		cmocka_unit_test(create_without_io_uring),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
