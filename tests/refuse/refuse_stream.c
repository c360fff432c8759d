/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that stream.h documents, named function_code; -ENOMEM is fault_io's. */
#include "unit.h"

#include <libvirtcore/stream.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vc_stream *stream;

static int open_with(struct vc_stream_config cfg)
{
	cfg.size = sizeof(cfg);
	return vc_stream_open(&cfg, &stream);
}

static ssize_t never_read(void *opaque, void *buf, size_t len)
{
	(void)opaque, (void)buf, (void)len;
	return -EAGAIN;
}

static ssize_t never_write(void *opaque, const void *buf, size_t len)
{
	(void)opaque, (void)buf, (void)len;
	return -EAGAIN;
}

static void open_einval(void **state)
{
	static const struct vc_stream_ops deaf = { .read = never_read, .write = never_write };

	(void)state;
	assert_refused(vc_stream_open(NULL, &stream), -EINVAL, "");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_OPS + 1 }), -EINVAL,
		       "kind 6");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_FILE }), -EINVAL,
		       "path");
	assert_refused(open_with((struct vc_stream_config){ .path = "x" }), -EINVAL, "path");
	assert_refused(open_with((struct vc_stream_config){ .out_fd = 7 }), -EINVAL, "descriptors");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_OPS }), -EINVAL,
		       "need write");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_OPS, .ops = &deaf }),
		       -EINVAL, "need pollfds");
	assert_refused(open_with((struct vc_stream_config){
			       .kind = VC_STREAM_FDS, .in_fd = -1, .out_fd = -1 }),
		       -EINVAL, "neither");
	assert_null(stream);
}

static void open_e2big(void **state)
{
	struct {
		struct vc_stream_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_stream_open(&cfg.known, &stream), -E2BIG, "newer version");
	assert_null(stream);
}

static void open_eaddrinuse(void **state)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_UNIX, .path = "/tmp" };

	(void)state;
	assert_refused(open_with(cfg), -EADDRINUSE, "/tmp");
	assert_int_equal(access("/tmp", F_OK), 0);
}

static void open_eacces(void **state)
{
	/* sysfs refuses to open for writing what has no store, to root as well. */
	struct vc_stream_config cfg = {
		.kind = VC_STREAM_FILE,
		.path = "/sys/kernel/uevent_seqnum",
	};

	(void)state;
	if (access(cfg.path, F_OK) < 0) {
		print_message("skipped: no %s here\n", cfg.path);
		skip();
	}
	assert_refused(open_with(cfg), -EACCES, cfg.path);
}

static void open_enoent(void **state)
{
	(void)state;
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_FILE,
							    .path = "/nonexistent/f" }),
		       -ENOENT, "/nonexistent/f");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_UNIX,
							    .path = "/nonexistent/s" }),
		       -ENOENT, "/nonexistent/s");
}

static void open_enotdir_eisdir_enxio(void **state)
{
	char path[] = "/tmp/vc-pipe-XXXXXX";

	(void)state;
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_FILE,
							    .path = "/dev/null/f" }),
		       -ENOTDIR, "/dev/null/f");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_UNIX,
							    .path = "/dev/null/s" }),
		       -ENOTDIR, "/dev/null/s");
	assert_refused(
		open_with((struct vc_stream_config){ .kind = VC_STREAM_FILE, .path = "/tmp" }),
		-EISDIR, "/tmp");
	assert_int_equal(close(mkstemp(path)), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_FILE, .path = path }),
		       -ENXIO, path);
	assert_int_equal(unlink(path), 0);
	assert_null(stream);
}

static void open_ebadf(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_refused(open_with((struct vc_stream_config){
			       .kind = VC_STREAM_FDS, .in_fd = 1000000, .out_fd = -1 }),
		       -EBADF, "in_fd 1000000");
	assert_refused(open_with((struct vc_stream_config){
			       .kind = VC_STREAM_FDS, .in_fd = -1, .out_fd = fd }),
		       -EBADF, "cannot be written");
	close(fd);
}

static void open_enametoolong(void **state)
{
	char path[120];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_UNIX, .path = path }),
		       -ENAMETOOLONG, "xxx");
	assert_int_equal(access(path, F_OK), -1);
}

static void open_emfile(void **state)
{
	struct rlimit was, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_PTY }), -EMFILE,
		       "pty");
	assert_refused(open_with((struct vc_stream_config){ .kind = VC_STREAM_UNIX,
							    .path = "/tmp/vc-never" }),
		       -EMFILE, "/tmp/vc-never");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_null(stream);
}

static size_t no_room(void *opaque)
{
	(void)opaque;
	return 0;
}

static void take(void *opaque, const uint8_t *buf, size_t len)
{
	(void)opaque;
	(void)buf;
	(void)len;
}

static void nothing(void *opaque)
{
	(void)opaque;
}

static void set_sink_einval_ebusy_dispatch_einval(void **state)
{
	static const struct vc_stream_sink sink = { no_room, take, nothing };
	static const struct vc_stream_sink half = { no_room, take, NULL };

	(void)state;
	assert_result(open_with((struct vc_stream_config){ .kind = VC_STREAM_NULL }), 0);
	assert_refused(vc_stream_set_sink(stream, &half, NULL), -EINVAL, "sink");
	assert_refused(vc_stream_set_sink(NULL, &sink, NULL), -EINVAL, "sink");
	assert_result(vc_stream_set_sink(stream, &sink, NULL), 0);
	assert_refused(vc_stream_set_sink(stream, &sink, NULL), -EBUSY, "sink already");
	assert_refused(vc_stream_dispatch(NULL, NULL, 0), -EINVAL, "stream");
	assert_refused(vc_stream_dispatch(stream, NULL, 1), -EINVAL, "descriptors");
	vc_stream_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_einval),
		cmocka_unit_test(open_e2big),
		cmocka_unit_test(open_eaddrinuse),
		cmocka_unit_test(open_eacces),
		cmocka_unit_test(open_enoent),
		cmocka_unit_test(open_enotdir_eisdir_enxio),
		cmocka_unit_test(open_ebadf),
		cmocka_unit_test(open_enametoolong),
		cmocka_unit_test(open_emfile),
		cmocka_unit_test(set_sink_einval_ebusy_dispatch_einval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
