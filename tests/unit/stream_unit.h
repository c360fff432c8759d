/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of streams share: a sink with a limit, and one turn of a poll loop. */
#ifndef VC_TESTS_STREAM_UNIT_H
#define VC_TESTS_STREAM_UNIT_H

#include "unit.h"

#include <libvirtcore/stream.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* How long a turn waits for something that must come. */
#define MUST_MS 5000

struct drain {
	size_t room;
	uint8_t got[65536];
	size_t nr_got;
	unsigned int nr_writable;
};

static inline size_t drain_room(void *opaque)
{
	return ((struct drain *)opaque)->room;
}

static inline void drain_received(void *opaque, const uint8_t *buf, size_t len)
{
	struct drain *drain = opaque;

	assert_true(len > 0 && len <= drain->room);
	assert_true(drain->nr_got + len <= sizeof(drain->got));
	memcpy(drain->got + drain->nr_got, buf, len);
	drain->nr_got += len;
	drain->room -= len;
}

static inline void drain_writable(void *opaque)
{
	((struct drain *)opaque)->nr_writable++;
}

static const struct vc_stream_sink drain_sink = {
	.room = drain_room,
	.received = drain_received,
	.writable = drain_writable,
};

static inline struct vc_stream *open_stream(const struct vc_stream_config *cfg, struct drain *drain)
{
	struct vc_stream_config c = *cfg;
	struct vc_stream *stream = NULL;

	c.size = sizeof(c);
	assert_result(vc_stream_open(&c, &stream), 0);
	memset(drain, 0, sizeof(*drain));
	drain->room = 4096;
	assert_result(vc_stream_set_sink(stream, &drain_sink, drain), 0);
	return stream;
}

/* One turn: how many descriptors were ready; the stream acts on them. */
static inline int turn(struct vc_stream *stream, int timeout_ms)
{
	struct pollfd fds[VC_STREAM_POLLFDS_MAX];
	size_t nr = vc_stream_pollfds(stream, fds, VC_STREAM_POLLFDS_MAX);
	int r;

	if (nr == 0)
		return 0;
	r = poll(fds, nr, timeout_ms);
	assert_true(r >= 0);
	assert_result(vc_stream_dispatch(stream, fds, nr), 0);
	return r;
}

/* Turns until nothing is ready; red when that never happens: a busy loop. */
static inline void settle(struct vc_stream *stream)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		if (turn(stream, 0) == 0)
			return;
	fail_msg("the stream keeps its poll loop busy");
}

static inline void expect_input(struct vc_stream *stream, struct drain *drain, const char *text)
{
	size_t len = strlen(text);

	while (drain->nr_got < len)
		assert_true(turn(stream, MUST_MS) > 0);
	assert_int_equal(drain->nr_got, len);
	assert_memory_equal(drain->got, text, len);
	drain->nr_got = 0;
}

static inline void expect_output(int fd, const char *text)
{
	char buf[256];
	size_t len = strlen(text), done = 0;

	while (done < len) {
		struct pollfd one = { .fd = fd, .events = POLLIN };
		ssize_t n;

		assert_int_equal(poll(&one, 1, MUST_MS), 1);
		n = read(fd, buf + done, len - done);
		assert_true(n > 0);
		done += (size_t)n;
	}
	assert_memory_equal(buf, text, len);
}

/* Fills the far end until a write is short; the number of bytes that it took. */
static inline size_t fill(struct vc_stream *stream)
{
	static const char block[4096] = "fill";
	size_t n, done = 0;

	do {
		n = vc_stream_write(stream, block, sizeof(block));
		done += n;
		assert_true(done < 64u << 20);
	} while (n == sizeof(block));
	return done;
}

/* A thread that writes to a stream all the time, as a guest does. */
struct writer {
	struct vc_stream *stream;
	pthread_t thread;
	atomic_bool is_over;
};

static inline void *keep_writing(void *opaque)
{
	struct writer *writer = opaque;

	while (!atomic_load(&writer->is_over))
		(void)vc_stream_write(writer->stream, "0123456789", 10);
	return NULL;
}

static inline void start_writer(struct writer *writer, struct vc_stream *stream)
{
	writer->stream = stream;
	atomic_init(&writer->is_over, false);
	assert_int_equal(pthread_create(&writer->thread, NULL, keep_writing, writer), 0);
}

static inline void stop_writer(struct writer *writer)
{
	atomic_store(&writer->is_over, true);
	assert_int_equal(pthread_join(writer->thread, NULL), 0);
}

#endif /* VC_TESTS_STREAM_UNIT_H */
