/* SPDX-License-Identifier: Apache-2.0 */
/* A console on a pseudo-terminal: raw, nobody there, hang-ups, back again, a reader that stops. */
#include "stream_unit.h"

#include <sys/resource.h>
#include <termios.h>

static struct drain drain;

static struct vc_stream *open_pty(void)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_PTY };

	return open_stream(&cfg, &drain);
}

static int attach(const struct vc_stream *stream)
{
	int fd = open(vc_stream_path(stream), O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void is_raw_both_ways(void **state)
{
	struct vc_stream *stream = open_pty();
	struct termios termios;
	int fd = attach(stream), round;

	(void)state;
	for (round = 0; round < 2; round++) {
		assert_int_equal(tcgetattr(fd, &termios), 0);
		assert_int_equal(termios.c_lflag & (ICANON | ECHO | ISIG), 0);
		assert_int_equal(termios.c_oflag & OPOST, 0);
		assert_int_equal(write(fd, "\x03\r\n\x00x", 5), 5);
		while (drain.nr_got < 5)
			assert_true(turn(stream, MUST_MS) > 0);
		assert_memory_equal(drain.got, "\x03\r\n\x00x", 5);
		drain.nr_got = 0;
		assert_int_equal(vc_stream_write(stream, "a\nb", 3), 3);
		expect_output(fd, "a\nb");
		close(fd);
		settle(stream);
		fd = attach(stream); /* settings outlive the hang-up */
	}
	close(fd);
	vc_stream_close(stream);
}

static void nobody_there(void **state)
{
	struct vc_stream *stream = open_pty();
	static const char block[4096];
	unsigned int i;

	(void)state;
	settle(stream);
	for (i = 0; i < 100; i++)
		assert_int_equal(vc_stream_write(stream, block, sizeof(block)), sizeof(block));
	settle(stream);
	vc_stream_close(stream);
}

static void survives_hang_ups(void **state)
{
	struct vc_stream *stream = open_pty();
	unsigned int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		int fd = attach(stream);

		settle(stream);
		assert_int_equal(write(fd, "last words", 10), 10);
		if (i % 2)
			close(fd);
		expect_input(stream, &drain, "last words");
		if (i % 2 == 0)
			close(fd);
		settle(stream);
		assert_int_equal(vc_stream_write(stream, "x", 1), 1); /* dropped */
		settle(stream);
		drain.room = 4096;
	}
	vc_stream_close(stream);
}

/* The poll loop sleeps while nobody is there, and wakes when somebody opens and types. */
static void wakes_for_the_next_peer(void **state)
{
	struct vc_stream *stream = open_pty();
	int fd = attach(stream);

	(void)state;
	close(fd);
	settle(stream);
	fd = attach(stream);
	assert_true(turn(stream, MUST_MS) > 0);
	assert_int_equal(write(fd, "hi", 2), 2);
	expect_input(stream, &drain, "hi");
	close(fd);
	vc_stream_close(stream);
}

static void slow_reader_holds_the_writer(void **state)
{
	struct vc_stream *stream = open_pty();
	int fd = attach(stream);
	char buf[65536];
	size_t nr = 0;

	(void)state;
	settle(stream);
	/* the kernel moves what was written on in its own time, until its last buffer is full */
	do {
		drain.nr_writable = 0;
		assert_true((nr += fill(stream)) > 0);
		settle(stream);
	} while (drain.nr_writable != 0);
	while (drain.nr_writable == 0) {
		assert_true(read(fd, buf, sizeof(buf)) > 0);
		(void)turn(stream, 0);
	}
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	(void)fill(stream);
	drain.nr_writable = 0;
	close(fd); /* it left: the writer is let go */
	while (drain.nr_writable == 0)
		assert_true(turn(stream, MUST_MS) > 0);
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	settle(stream);
	vc_stream_close(stream);
}

static void hang_up_without_room(void **state)
{
	struct vc_stream *stream = open_pty();
	int fd = attach(stream);

	(void)state;
	drain.room = 0;
	assert_int_equal(write(fd, "kept", 4), 4);
	close(fd);
	settle(stream);
	drain.room = 100;
	expect_input(stream, &drain, "kept");
	settle(stream);
	vc_stream_close(stream);
}

/* The same with a writer that waits: it is let go, and the poll loop sleeps. */
static void hang_up_without_room_while_held(void **state)
{
	struct vc_stream *stream = open_pty();
	int fd = attach(stream);

	(void)state;
	settle(stream);
	drain.room = 0;
	assert_true(fill(stream) > 0);
	assert_int_equal(write(fd, "kept", 4), 4);
	close(fd);
	while (drain.nr_writable == 0)
		assert_true(turn(stream, MUST_MS) > 0);
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	settle(stream);
	drain.room = 100;
	expect_input(stream, &drain, "kept");
	vc_stream_close(stream);
}

/* No turn of the poll loop between the peer's open and the guest's output. */
static void output_reaches_a_new_peer_at_once(void **state)
{
	struct vc_stream *stream = open_pty();
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		int fd = attach(stream);

		assert_int_equal(vc_stream_write(stream, "login:", 6), 6);
		expect_output(fd, "login:");
		close(fd);
		assert_int_equal(vc_stream_write(stream, "nobody", 6), 6);
	}
	vc_stream_close(stream);
}

/* A peer that was seen leaves, and nobody has noticed yet: the next one gets its own output only. */
static void nothing_stays_for_the_next_peer(void **state)
{
	struct vc_stream *stream = open_pty();
	int fd = attach(stream);

	(void)state;
	while (turn(stream, MUST_MS) == 0)
		;
	assert_int_equal(vc_stream_write(stream, "unread", 6), 6);
	close(fd);
	assert_int_equal(vc_stream_write(stream, "stale", 5), 5);
	assert_true(turn(stream, MUST_MS) > 0);
	fd = attach(stream);
	assert_int_equal(vc_stream_write(stream, "fresh", 5), 5);
	expect_output(fd, "fresh");
	close(fd);
	vc_stream_close(stream);
}

/* Nothing is used up that a user has little of: 128 inotify instances is a common limit. */
static void there_can_be_many(void **state)
{
	struct vc_stream *streams[200];
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		streams[i] = open_pty();
	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		int fd = attach(streams[i]);

		assert_int_equal(vc_stream_write(streams[i], "here", 4), 4);
		expect_output(fd, "here");
		close(fd);
		vc_stream_close(streams[i]);
	}
}

/* One thread writes while another gains and loses readers: each reader gets something. */
static void writer_on_another_thread(void **state)
{
	struct vc_stream *stream = open_pty();
	struct writer writer;
	char buf[4096];

	(void)state;
	start_writer(&writer, stream);
	for (unsigned int i = 0; i < 50; i++) {
		int fd = attach(stream);
		struct pollfd peer = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&peer, 1, MUST_MS), 1);
		assert_true(read(fd, buf, sizeof(buf)) > 0);
		close(fd);
		(void)turn(stream, i % 2 ? MUST_MS : 0);
	}
	stop_writer(&writer);
	settle(stream);
	assert_int_equal(vc_stream_write(stream, "x", 1), 1);
	vc_stream_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_raw_both_ways),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(survives_hang_ups),
		cmocka_unit_test(wakes_for_the_next_peer),
		cmocka_unit_test(slow_reader_holds_the_writer),
		cmocka_unit_test(hang_up_without_room),
		cmocka_unit_test(hang_up_without_room_while_held),
		cmocka_unit_test(output_reaches_a_new_peer_at_once),
		cmocka_unit_test(nothing_stays_for_the_next_peer),
		cmocka_unit_test(there_can_be_many),
		cmocka_unit_test(writer_on_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
