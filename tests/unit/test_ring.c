/* SPDX-License-Identifier: Apache-2.0 */
/* Making rings, counting references, registered files, what is reported. */
#include "ring_fixture.h"

#include <fcntl.h>

static void made_and_reported(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ .name = "r0" });
	struct vc_ring_info info = info_of(ring);

	(void)state;
	assert_int_equal(info.mode, fixture_mode);
	assert_int_equal(info.depth, 128);
	assert_int_equal(info.nr_workers > 0, fixture_mode == VC_RING_WORKERS);
	assert_int_equal(info.is_restricted, fixture_mode != VC_RING_WORKERS);
	assert_int_equal(info.nr_submitted, 0);
	assert_true(vc_ring_fd(ring) >= 0);
	assert_false(vc_ring_is_current(ring));
	assert_refused(vc_ring_fd(NULL), -EINVAL, "needed");
	assert_refused(vc_ring_get_info(NULL, &info), -EINVAL, "needed");
	assert_refused(vc_ring_get_info(ring, NULL), -EINVAL, "");
	assert_refused(vc_ring_stop(NULL), -EINVAL, "needed");
	vc_ring_put(ring);
	vc_ring_put(NULL);
}

static void counted_references(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ 0 });
	uint8_t buf[16];
	int fd = memory_file(4096);
	struct traced t = a_read(file_of(ring, fd), buf, sizeof(buf), 0);

	(void)state;
	assert_ptr_equal(vc_ring_get(ring), ring);
	vc_ring_put(ring);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	vc_ring_put(ring); /* the last one: what is in flight is done first */
	assert_int_equal(t.nr_done, 1);
	assert_int_equal(t.res, sizeof(buf));
	close(fd);
}

static void files_are_handles(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ .nr_files = 3 });
	int fd = memory_file(4096);
	uint32_t a = file_of(ring, fd), b = file_of(ring, fd), c = file_of(ring, fd), d = 77;
	char buf[4] = "";
	struct traced t;

	(void)state;
	assert_int_equal(pwrite(fd, "abc", 3, 0), 3);
	assert_true(a != b && b != c && a != c);
	assert_refused(vc_ring_add_file(ring, fd, 0, &d), -ENFILE, "3 files");
	assert_int_equal(d, 77);
	assert_result(vc_ring_remove_file(ring, b), 0);
	assert_result(vc_ring_attach(ring), 0);
	assert_int_equal(file_of(ring, fd), b);
	assert_result(vc_ring_remove_file(ring, a), 0);
	t = a_read(a, buf, 3, 0);
	assert_refused(vc_ring_submit(ring, &t.req), -EINVAL, "not registered");
	close(fd); /* the ring has it */
	t = a_read(b, buf, 3, 0);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	assert_refused(vc_ring_remove_file(ring, b), -EBUSY, "1 requests");
	step_until(ring, &t, 1);
	assert_string_equal(buf, "abc");
	assert_result(vc_ring_remove_file(ring, b), 0);
	assert_refused(vc_ring_remove_file(ring, b), -EINVAL, "not registered");
	assert_refused(vc_ring_remove_file(ring, 0), -EINVAL, "not registered");
	ring_end(ring);
}

static void sealed(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ .is_sealed = true });
	int fd = memory_file(4096);
	uint32_t file = file_of(ring, fd), other;
	char buf[4];
	struct traced t = a_read(file, buf, 3, 0);

	(void)state;
	assert_result(vc_ring_attach(ring), 0);
	assert_refused(vc_ring_add_file(ring, fd, 0, &other), -EPERM, "sealed");
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, 3);
	assert_result(vc_ring_remove_file(ring, file), 0);
	assert_refused(vc_ring_submit(ring, &t.req), -EINVAL, "not registered");
	ring_end(ring);
	close(fd);
}

static void bad_configs(void **state)
{
	struct vc_ring *ring = NULL;
	static const struct {
		struct vc_ring_config cfg;
		const char *why;
	} bad[] = {
		{ { .mode = VC_RING_WORKERS + 1 }, "mode 4" },
		{ { .depth = VC_RING_DEPTH_MAX + 1 }, "depth 4097" },
		{ { .nr_files = VC_RING_FILES_MAX + 1 }, "nr_files 4097" },
		{ { .ops = 1 }, "unknown operations" },
		{ { .ops = 1ull << (VC_RING_TIMER + 1) }, "unknown operations" },
		{ { .sqpoll_idle_ms = 1 }, "not SQPOLL" },
		{ { .has_sqpoll_cpu = true }, "not SQPOLL" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vc_ring_config cfg = bad[i].cfg;

		cfg.size = sizeof(cfg);
		assert_refused(vc_ring_create(&cfg, &ring), -EINVAL, bad[i].why);
	}
	assert_null(ring);
}

static void names_of_modes(void **state)
{
	(void)state;
	assert_string_equal(vc_ring_mode_name(VC_RING_DEFAULT), "io_uring");
	assert_string_equal(vc_ring_mode_name(VC_RING_SQPOLL), "io_uring, sqpoll");
	assert_string_equal(vc_ring_mode_name(VC_RING_IOPOLL), "io_uring, iopoll");
	assert_string_equal(vc_ring_mode_name(VC_RING_WORKERS), "worker threads");
	assert_string_equal(vc_ring_mode_name(4), "?");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_reported), cmocka_unit_test(counted_references),
		cmocka_unit_test(files_are_handles), cmocka_unit_test(sealed),
		cmocka_unit_test(bad_configs),	     cmocka_unit_test(names_of_modes),
	};

	(void)choose_mode(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
