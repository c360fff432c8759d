/* SPDX-License-Identifier: Apache-2.0 */
/* io: every allocation and system call of opening a stream fails once. */
#include "fault.h"
#include "unit.h"

#include <libvirtcore/stream.h>
#include <libvirtcore/throttle.h>

#include <fcntl.h>
#include <unistd.h>

static int open_one(void *opaque)
{
	const struct vc_stream_config *cfg = opaque;
	struct vc_stream *stream = NULL;
	int r = vc_stream_open(cfg, &stream);

	fault_may_survive();
	vc_stream_close(stream);
	return r;
}

static unsigned int each(struct vc_stream_config cfg, const char *const *may_survive)
{
	struct fault_config fault = {
		.fn = open_one,
		.opaque = &cfg,
		.may_survive = may_survive,
	};

	cfg.size = sizeof(cfg);
	return fault_each(&fault);
}

static void null_stream(void **state)
{
	(void)state;
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_NULL }, NULL) >= 1);
}

/* Where a descriptor cannot be opened anew it is duplicated. */
static const char *const reopen[] = { "open", "open64", NULL };

static void descriptors(void **state)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS };
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	cfg.in_fd = fds[0];
	cfg.out_fd = fds[1];
	assert_true(each(cfg, reopen) >= 5); /* open is not seen where it is fortified */
	close(fds[0]);
	close(fds[1]);
}

static void pty(void **state)
{
	(void)state;
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_PTY }, NULL) >= 2);
}

static void file_and_socket(void **state)
{
	char dir[] = "/tmp/vc-fault-XXXXXX";
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x", dir);
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_FILE, .path = path }, NULL) >=
		    3);
	assert_int_equal(unlink(path), 0);
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_UNIX, .path = path }, NULL) >=
		    4);
	/* also after the runs that failed nothing lies about */
	assert_int_equal(rmdir(dir), 0);
}

static int make_throttle(void *opaque)
{
	struct vc_throttle_config cfg = { .size = sizeof(cfg), .ops_per_s = 1 };
	struct vc_throttle *throttle = NULL;
	int r = vc_throttle_create(&cfg, &throttle);

	(void)opaque;
	vc_throttle_destroy(throttle);
	return r;
}

static void throttle(void **state)
{
	(void)state;
	assert_int_equal(fault_each(&(struct fault_config){ .fn = make_throttle }), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_stream), cmocka_unit_test(descriptors),
		cmocka_unit_test(pty),	       cmocka_unit_test(file_and_socket),
		cmocka_unit_test(throttle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
