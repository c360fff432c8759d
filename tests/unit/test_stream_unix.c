/* SPDX-License-Identifier: Apache-2.0 */
/* A console on a unix socket: peers come and go one at a time, files of others are left alone. */
#include "stream_unit.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct drain drain;
static char dir[] = "/tmp/vc-unix-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/console", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static struct vc_stream *listen_there(void)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_UNIX, .path = path };

	return open_stream(&cfg, &drain);
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void peers_come_and_go(void **state)
{
	struct vc_stream *stream = listen_there();
	unsigned int i;

	(void)state;
	assert_string_equal(vc_stream_path(stream), path);
	assert_int_equal(vc_stream_write(stream, "nobody", 6), 6);
	for (i = 0; i < 20; i++) {
		int fd = dial();

		settle(stream);
		assert_int_equal(vc_stream_write(stream, "login:", 6), 6);
		expect_output(fd, "login:");
		assert_int_equal(write(fd, "root", 4), 4);
		if (i % 2)
			close(fd); /* with input unread */
		expect_input(stream, &drain, "root");
		if (i % 2 == 0)
			close(fd);
		settle(stream);
		assert_int_equal(vc_stream_write(stream, "gone", 4), 4);
		drain.room = 4096;
	}
	vc_stream_close(stream);
	assert_int_equal(access(path, F_OK), -1);
}

static void second_peer_waits(void **state)
{
	struct vc_stream *stream = listen_there();
	int first = dial(), second;

	(void)state;
	settle(stream);
	second = dial();
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "1st", 3), 3);
	expect_output(first, "1st");
	close(first);
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "2nd", 3), 3);
	expect_output(second, "2nd");
	close(second);
	settle(stream);
	vc_stream_close(stream);
}

/* `echo x | nc -U`: input ends, output still flows. */
static void half_closed_peer_listens(void **state)
{
	struct vc_stream *stream = listen_there();
	int fd = dial();

	(void)state;
	assert_int_equal(write(fd, "cmd", 3), 3);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect_input(stream, &drain, "cmd");
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "answer", 6), 6);
	expect_output(fd, "answer");
	close(fd);
	settle(stream);
	fd = dial();
	settle(stream);
	assert_int_equal(write(fd, "next", 4), 4);
	expect_input(stream, &drain, "next");
	close(fd);
	vc_stream_close(stream);
}

static void slow_peer_holds_the_writer(void **state)
{
	struct vc_stream *stream = listen_there();
	int fd = dial();
	char buf[65536];

	(void)state;
	settle(stream);
	assert_true(fill(stream) > 0);
	settle(stream);
	assert_int_equal(drain.nr_writable, 0);
	while (drain.nr_writable == 0) {
		assert_true(read(fd, buf, sizeof(buf)) > 0);
		(void)turn(stream, 0);
	}
	(void)fill(stream);
	drain.nr_writable = 0;
	close(fd); /* it left: the writer is let go */
	while (drain.nr_writable == 0)
		assert_true(turn(stream, MUST_MS) > 0);
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	settle(stream);
	vc_stream_close(stream);
}

/* A dead peer's input waits for room, unless somebody new connects. */
static void hang_up_without_room(void **state)
{
	struct vc_stream *stream = listen_there();
	int fd = dial();

	(void)state;
	settle(stream);
	drain.room = 0;
	assert_int_equal(write(fd, "kept", 4), 4);
	close(fd);
	settle(stream);
	drain.room = 100;
	expect_input(stream, &drain, "kept");
	settle(stream);

	fd = dial();
	settle(stream);
	drain.room = 0;
	assert_int_equal(write(fd, "lost", 4), 4);
	close(fd);
	settle(stream);
	fd = dial();
	settle(stream);
	drain.room = 100;
	assert_int_equal(write(fd, "new", 3), 3);
	expect_input(stream, &drain, "new");
	close(fd);
	vc_stream_close(stream);
}

/* From now on no new descriptor can be had; returns the limit to put back. */
static struct rlimit use_up_descriptors(void)
{
	int next = dup(STDOUT_FILENO);
	struct rlimit was, now;

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	now = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return was;
}

/* A peer that cannot be accepted waits, the poll loop sleeps, and the peer before it stays. */
static void peers_wait_for_descriptors(void **state)
{
	struct vc_stream *stream = listen_there();
	int first = dial(), second;
	struct rlimit was;

	(void)state;
	settle(stream);
	drain.room = 0;
	assert_int_equal(write(first, "kept", 4), 4);
	close(first);
	settle(stream);
	second = dial();
	was = use_up_descriptors();
	settle(stream);
	drain.room = 100;
	expect_input(stream, &drain, "kept");
	settle(stream);
	assert_true(turn(stream, MUST_MS) > 0); /* it tries again, in vain */
	settle(stream);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(write(second, "late", 4), 4);
	expect_input(stream, &drain, "late");
	assert_int_equal(vc_stream_write(stream, "login:", 6), 6);
	expect_output(second, "login:");
	close(second);
	vc_stream_close(stream);
}

static void reset_by_peer(void **state)
{
	struct vc_stream *stream = listen_there();
	int fd = dial();

	(void)state;
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "unread", 6), 6);
	close(fd); /* with our output unread: ECONNRESET */
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	settle(stream);
	fd = dial();
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "again", 5), 5);
	expect_output(fd, "again");
	close(fd);
	vc_stream_close(stream);
}

static void files_of_others_stay(void **state)
{
	struct vc_stream_config cfg = {
		.size = sizeof(cfg),
		.kind = VC_STREAM_UNIX,
		.path = path,
	};
	char longer[200];
	struct vc_stream *stream, *none = (struct vc_stream *)&cfg;
	struct stat st;
	int fd;

	(void)state;
	stream = listen_there();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_refused(vc_stream_open(&cfg, &none), -EADDRINUSE, path);
	assert_int_equal(access(path, F_OK), 0); /* the failed one did not remove it */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	vc_stream_close(stream);
	assert_int_equal(access(path, F_OK), 0); /* not ours any more */
	assert_refused(vc_stream_open(&cfg, &none), -EADDRINUSE, path);
	assert_int_equal(unlink(path), 0);

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	cfg.path = longer;
	assert_int_equal(vc_stream_open(&cfg, &none), -ENAMETOOLONG);
	cfg.path = "/nonexistent/console";
	assert_refused(vc_stream_open(&cfg, &none), -ENOENT, "/nonexistent/console");
	assert_ptr_equal(none, &cfg);
}

/* One thread writes while another takes and loses peers: for the thread sanitizer above all. */
static void writer_on_another_thread(void **state)
{
	struct vc_stream *stream = listen_there();
	struct writer writer;
	unsigned int i;
	char buf[4096];

	(void)state;
	start_writer(&writer, stream);
	for (i = 0; i < 50; i++) {
		int fd = dial();

		assert_true(turn(stream, MUST_MS) > 0);
		assert_true(read(fd, buf, sizeof(buf)) > 0);
		close(fd);
		(void)turn(stream, MUST_MS);
	}
	stop_writer(&writer);
	vc_stream_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_come_and_go),
		cmocka_unit_test(second_peer_waits),
		cmocka_unit_test(half_closed_peer_listens),
		cmocka_unit_test(slow_peer_holds_the_writer),
		cmocka_unit_test(hang_up_without_room),
		cmocka_unit_test(peers_wait_for_descriptors),
		cmocka_unit_test(reset_by_peer),
		cmocka_unit_test(files_of_others_stay),
		cmocka_unit_test(writer_on_another_thread),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
