/* SPDX-License-Identifier: Apache-2.0 */
/* Streams as a whole: sinks, short writes, ends of input, the kinds without peers, refusals. */
#include "stream_unit.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct drain drain;

static void null_swallows(void **state)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_NULL };
	struct vc_stream *stream = open_stream(&cfg, &drain);
	struct pollfd fds[2];

	(void)state;
	assert_int_equal(vc_stream_write(stream, "abc", 3), 3);
	assert_int_equal(vc_stream_write(stream, NULL, 0), 0);
	assert_int_equal(vc_stream_pollfds(stream, fds, 2), 0);
	assert_result(vc_stream_dispatch(stream, NULL, 0), 0);
	assert_null(vc_stream_path(stream));
	vc_stream_close(stream);
	vc_stream_close(NULL);
}

static void pipes_both_ways(void **state)
{
	int in[2], out[2];
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS };
	struct vc_stream *stream;

	(void)state;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	cfg.in_fd = in[0];
	cfg.out_fd = out[1];
	stream = open_stream(&cfg, &drain);
	close(in[0]);
	close(out[1]);
	assert_int_equal(turn(stream, 0), 0);
	assert_int_equal(write(in[1], "hello", 5), 5);
	expect_input(stream, &drain, "hello");
	assert_int_equal(vc_stream_write(stream, "world", 5), 5);
	expect_output(out[0], "world");

	close(in[1]); /* end of input: seen once, then never polled again */
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "more", 4), 4);
	expect_output(out[0], "more");
	close(out[0]); /* nobody reads: dropped, and no SIGPIPE */
	assert_int_equal(vc_stream_write(stream, "gone", 4), 4);
	vc_stream_close(stream);
}

static void short_writes_come_back(void **state)
{
	int out[2];
	char buf[65536];
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS, .in_fd = -1 };
	struct vc_stream *stream;
	size_t total;

	(void)state;
	assert_int_equal(pipe(out), 0);
	cfg.out_fd = out[1];
	stream = open_stream(&cfg, &drain);
	total = fill(stream);
	assert_true(total > 0);
	assert_int_equal(vc_stream_write(stream, "x", 1), 0);
	settle(stream); /* full: nothing to do, and not busy */
	assert_int_equal(drain.nr_writable, 0);
	while (total > 0) {
		ssize_t n = read(out[0], buf, sizeof(buf));

		assert_true(n > 0);
		total -= (size_t)n;
	}
	assert_int_equal(turn(stream, MUST_MS), 1);
	assert_int_equal(drain.nr_writable, 1);
	settle(stream);
	assert_int_equal(drain.nr_writable, 1);
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	close(out[0]);
	close(out[1]);
	vc_stream_close(stream);
}

static void reader_that_leaves_frees_the_writer(void **state)
{
	int out[2];
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS, .in_fd = -1 };
	struct vc_stream *stream;

	(void)state;
	assert_int_equal(pipe(out), 0);
	cfg.out_fd = out[1];
	stream = open_stream(&cfg, &drain);
	close(out[1]);
	(void)fill(stream);
	close(out[0]);
	assert_int_equal(turn(stream, MUST_MS), 1);
	assert_int_equal(drain.nr_writable, 1);
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	settle(stream);
	vc_stream_close(stream);
}

static void input_waits_for_room(void **state)
{
	int in[2];
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS, .out_fd = -1 };
	struct vc_stream *stream;
	struct pollfd fds[2];
	int left;

	(void)state;
	assert_int_equal(pipe(in), 0);
	cfg.in_fd = in[0];
	stream = open_stream(&cfg, &drain);
	drain.room = 3;
	assert_int_equal(write(in[1], "abcdef", 6), 6);
	settle(stream);
	assert_int_equal(drain.nr_got, 3);
	assert_int_equal(vc_stream_pollfds(stream, fds, 2), 0);
	/* even a dispatch that nobody asked for takes nothing */
	fds[0] = (struct pollfd){ .fd = in[0], .revents = POLLIN };
	assert_result(vc_stream_dispatch(stream, fds, 1), 0);
	assert_int_equal(drain.nr_got, 3);
	drain.room = 1;
	settle(stream);
	assert_int_equal(drain.nr_got, 4);

	assert_result(vc_stream_set_sink(stream, NULL, NULL), 0);
	assert_int_equal(vc_stream_pollfds(stream, fds, 2), 0); /* nobody: stays where it is */
	assert_int_equal(read(in[0], fds, 2), 2);
	left = vc_stream_set_sink(stream, &drain_sink, &drain);
	assert_int_equal(left, 0);
	close(in[0]);
	close(in[1]);
	vc_stream_close(stream);
}

static void one_direction_only(void **state)
{
	int fds[2];
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS, .out_fd = -1 };
	struct vc_stream *stream;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	cfg.in_fd = fds[0];
	stream = open_stream(&cfg, &drain);
	assert_int_equal(vc_stream_write(stream, "dropped", 7), 7);
	vc_stream_close(stream);
	cfg.in_fd = -1;
	cfg.out_fd = fds[1];
	stream = open_stream(&cfg, &drain);
	assert_int_equal(turn(stream, 0), 0);
	vc_stream_close(stream);
	close(fds[0]);
	close(fds[1]);
}

static void file_is_appended_to(void **state)
{
	char path[] = "/tmp/vc-stream-XXXXXX";
	struct vc_stream_config cfg = { .kind = VC_STREAM_FILE, .path = path };
	int fd = mkstemp(path);
	struct vc_stream *stream;
	struct pollfd fds[2];
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "one ", 4), 4);
	stream = open_stream(&cfg, &drain);
	assert_int_equal(vc_stream_write(stream, "two", 3), 3);
	assert_int_equal(vc_stream_pollfds(stream, fds, 2), 0);
	assert_null(vc_stream_path(stream));
	vc_stream_close(stream);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	expect_output(fd, "one two");
	assert_int_equal(unlink(path), 0);
	close(fd);
	stream = open_stream(&cfg, &drain); /* made when it is not there, for its owner only */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	vc_stream_close(stream);
	assert_int_equal(unlink(path), 0);
}

static void full_device_drops(void **state)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_FILE, .path = "/dev/full" };
	struct vc_stream *stream = open_stream(&cfg, &drain);

	(void)state;
	assert_int_equal(vc_stream_write(stream, "abc", 3), 3);
	settle(stream);
	vc_stream_close(stream);
}

struct own {
	const char *input;
	size_t window; /* bytes that write takes */
	size_t nr_written, nr_closed;
	ssize_t answer;
	bool lies;
};

static ssize_t own_read(void *opaque, void *buf, size_t len)
{
	struct own *own = opaque;
	size_t n = strlen(own->input);

	if (own->answer <= 0)
		return own->answer;
	n = n < len ? n : len;
	memcpy(buf, own->input, n);
	own->input += n;
	return own->lies ? (ssize_t)len + 100 : (ssize_t)n;
}

static ssize_t own_write(void *opaque, const void *buf, size_t len)
{
	struct own *own = opaque;
	size_t n = own->window < len ? own->window : len;

	(void)buf;
	if (own->lies)
		return (ssize_t)len + 7;
	own->window -= n;
	own->nr_written += n;
	return n ? (ssize_t)n : -EAGAIN;
}

static void own_close(void *opaque)
{
	((struct own *)opaque)->nr_closed++;
}

static size_t own_pollfds(void *opaque, bool want_read, bool want_write, struct pollfd *fds,
			  size_t nr)
{
	(void)opaque;
	(void)want_read;
	fds[0] = (struct pollfd){ .fd = 1, .events = want_write ? POLLOUT : POLLIN };
	return nr + 5;
}

static const struct vc_stream_ops own_ops = {
	.read = own_read,
	.write = own_write,
	.pollfds = own_pollfds,
	.close = own_close,
};

static void own_ops_are_asked(void **state)
{
	struct own own = { .input = "in", .window = 2, .answer = 1 };
	struct vc_stream_config cfg = { .kind = VC_STREAM_OPS, .ops = &own_ops, .opaque = &own };
	struct vc_stream *stream = open_stream(&cfg, &drain);
	struct pollfd ready = { .fd = 1, .revents = POLLIN };

	(void)state;
	assert_int_equal(vc_stream_write(stream, "abc", 3), 2);
	assert_result(vc_stream_dispatch(stream, &ready, 1), 0); /* both directions are tried */
	assert_int_equal(drain.nr_writable, 1);
	assert_int_equal(drain.nr_got, 2);
	own.answer = -EAGAIN;
	assert_result(vc_stream_dispatch(stream, &ready, 1), 0);
	own.answer = 1;
	own.input = "more";
	assert_result(vc_stream_dispatch(stream, &ready, 1), 0);
	assert_int_equal(drain.nr_got, 6);
	own.lies = true; /* more than was asked for: cut, not believed */
	own.input = "x";
	drain.room = 5;
	assert_result(vc_stream_dispatch(stream, &ready, 1), 0);
	assert_int_equal(drain.nr_got, 11);
	assert_int_equal(vc_stream_write(stream, "abc", 3), 3);
	own.lies = false;
	own.answer = 0; /* the end, for ever */
	drain.room = 5;
	assert_result(vc_stream_dispatch(stream, &ready, 1), 0);
	own.answer = 1;
	own.input = "late";
	assert_result(vc_stream_dispatch(stream, &ready, 1), 0);
	assert_int_equal(drain.nr_got, 11);
	assert_int_equal(own.nr_closed, 0);
	vc_stream_close(stream);
	assert_int_equal(own.nr_closed, 1);
}

static void own_pollfds_are_bounded(void **state)
{
	struct own own = { .input = "in", .answer = 1 };
	struct vc_stream_config cfg = { .kind = VC_STREAM_OPS, .ops = &own_ops, .opaque = &own };
	struct vc_stream *stream;
	struct pollfd fds[2] = { 0 };

	(void)state;
	stream = open_stream(&cfg, &drain);
	assert_int_equal(vc_stream_pollfds(stream, fds, 2), 2);
	assert_int_equal(fds[0].events, POLLIN);
	assert_result(vc_stream_dispatch(stream, fds, 2), 0); /* nothing ready: nothing tried */
	assert_int_equal(drain.nr_got, 0);
	fds[0].revents = POLLIN;
	assert_result(vc_stream_dispatch(stream, fds, 2), 0);
	assert_int_equal(drain.nr_got, 2);
	vc_stream_close(stream);
}

/* Output only: what write does not take is lost, for nobody would come again. */
static void own_ops_without_pollfds_take_all(void **state)
{
	static const struct vc_stream_ops ops = { .write = own_write };
	struct own own = { .window = 2 };
	struct vc_stream_config cfg = { .kind = VC_STREAM_OPS, .ops = &ops, .opaque = &own };
	struct vc_stream *stream = open_stream(&cfg, &drain);
	struct pollfd fds[2];

	(void)state;
	assert_int_equal(vc_stream_pollfds(stream, fds, 2), 0);
	assert_int_equal(vc_stream_write(stream, "abc", 3), 3);
	assert_int_equal(vc_stream_write(stream, "abc", 3), 3);
	assert_int_equal(own.nr_written, 2);
	own.window = 3;
	assert_int_equal(vc_stream_write(stream, "abc", 3), 3);
	assert_int_equal(own.nr_written, 5);
	assert_result(vc_stream_dispatch(stream, NULL, 0), 0);
	assert_int_equal(drain.nr_writable, 0);
	vc_stream_close(stream);
}

static void refuses(void **state)
{
	static const struct vc_stream_ops half = { .read = own_read, .pollfds = own_pollfds };
	static const struct vc_stream_ops deaf = { .read = own_read, .write = own_write };
	static const struct vc_stream_sink no_room = { .received = drain_received };
	struct vc_stream_config cfg = { .size = sizeof(cfg), .kind = (enum vc_stream_kind)6 };
	struct vc_stream *stream = (struct vc_stream *)&cfg;
	struct pollfd fd;

	(void)state;
	assert_int_equal(vc_stream_open(NULL, &stream), -EINVAL);
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "kind 6");
	cfg.kind = VC_STREAM_NULL;
	assert_int_equal(vc_stream_open(&cfg, NULL), -EINVAL);
	cfg.path = "x";
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "path");
	cfg.path = NULL;
	cfg.ops = &own_ops;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "ops");
	cfg.ops = NULL;
	cfg.out_fd = 1;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "descriptors");
	cfg.out_fd = 0;
	cfg.kind = VC_STREAM_FILE;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "path");
	cfg.path = "";
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "path");
	cfg.path = "/nonexistent/file";
	assert_refused(vc_stream_open(&cfg, &stream), -ENOENT, "/nonexistent/file");
	cfg.path = NULL;
	cfg.kind = VC_STREAM_FDS;
	cfg.in_fd = cfg.out_fd = -1;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "in_fd");
	cfg.in_fd = INT_MAX;
	assert_refused(vc_stream_open(&cfg, &stream), -EBADF, "in_fd");
	cfg.in_fd = cfg.out_fd = 0;
	cfg.kind = VC_STREAM_OPS;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "ops");
	cfg.ops = &half;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "ops need write");
	cfg.ops = &deaf;
	assert_refused(vc_stream_open(&cfg, &stream), -EINVAL, "need pollfds");
	assert_ptr_equal(stream, &cfg);

	cfg = (struct vc_stream_config){ .size = sizeof(cfg), .kind = VC_STREAM_NULL };
	assert_result(vc_stream_open(&cfg, &stream), 0);
	assert_refused(vc_stream_set_sink(stream, &no_room, NULL), -EINVAL, "sink");
	assert_int_equal(vc_stream_set_sink(NULL, &drain_sink, NULL), -EINVAL);
	assert_result(vc_stream_set_sink(stream, &drain_sink, &drain), 0);
	assert_refused(vc_stream_set_sink(stream, &drain_sink, &drain), -EBUSY, "sink");
	assert_int_equal(vc_stream_dispatch(NULL, NULL, 0), -EINVAL);
	assert_int_equal(vc_stream_dispatch(stream, NULL, 1), -EINVAL);
	assert_null(vc_stream_path(NULL));
	assert_int_equal(vc_stream_write(NULL, "x", 1), 0);
	assert_non_null(strstr(vc_error_message(), "stream and bytes"));
	assert_int_equal(vc_stream_write(stream, NULL, 1), 0);
	assert_non_null(strstr(vc_error_message(), "stream and bytes"));
	assert_int_equal(vc_stream_pollfds(NULL, &fd, 1), 0);
	assert_non_null(strstr(vc_error_message(), "stream and descriptors"));
	assert_int_equal(vc_stream_pollfds(stream, NULL, 1), 0);
	assert_non_null(strstr(vc_error_message(), "stream and descriptors"));
	vc_stream_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_swallows),
		cmocka_unit_test(pipes_both_ways),
		cmocka_unit_test(short_writes_come_back),
		cmocka_unit_test(reader_that_leaves_frees_the_writer),
		cmocka_unit_test(input_waits_for_room),
		cmocka_unit_test(one_direction_only),
		cmocka_unit_test(file_is_appended_to),
		cmocka_unit_test(full_device_drops),
		cmocka_unit_test(own_ops_are_asked),
		cmocka_unit_test(own_pollfds_are_bounded),
		cmocka_unit_test(own_ops_without_pollfds_take_all),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
