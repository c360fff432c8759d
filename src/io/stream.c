/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams: the far end of a console. Common part, and the kinds that need no peer handling:
 * null, descriptors, file, the embedder's own. stream_pty.c and stream_unix.c have the others.
 *
 * Nothing is buffered here: what the far end does not take stays with the writer, and input stays
 * where it is until the sink has room, so no guest and no peer can make a stream grow. The polling
 * thread calls pollfds and dispatch, any one thread at a time writes. Leaves out: waking the polling
 * thread after a short write (vc_device_wake() does it for devices).
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "stream_private.h"

/* Longest piece of input per dispatch: a fast peer does not keep the polling thread to itself. */
#define READ_MAX 256u

#define ENDED (POLLHUP | POLLERR | POLLNVAL)

/* null */

static int null_open(struct vc_stream *stream, const struct vc_stream_config *cfg)
{
	(void)cfg;
	stream->is_read_out = true;
	return 0;
}

static ssize_t null_read(struct vc_stream *stream, void *buf, size_t len)
{
	(void)stream;
	(void)buf;
	(void)len;
	return 0;
}

static ssize_t null_write(struct vc_stream *stream, const void *buf, size_t len)
{
	(void)stream;
	(void)buf;
	return (ssize_t)len;
}

/* descriptors and file */

static int fds_open(struct vc_stream *stream, const struct vc_stream_config *cfg)
{
	int r = 0;

	if (cfg->in_fd < 0 && cfg->out_fd < 0)
		return vc_error_set(-EINVAL, "io", "stream", "neither in_fd nor out_fd is given");
	stream->is_read_out = cfg->in_fd < 0;
	if (cfg->in_fd >= 0)
		r = vc__end_open(&stream->in, cfg->in_fd, false);
	if (r < 0)
		return vc_error_set(r, "io", "stream", "in_fd %d cannot be read: %s", cfg->in_fd,
				    strerrordesc_np(-r));
	if (cfg->out_fd >= 0)
		r = vc__end_open(&stream->out, cfg->out_fd, true);
	if (r < 0)
		return vc_error_set(r, "io", "stream", "out_fd %d cannot be written: %s",
				    cfg->out_fd, strerrordesc_np(-r));
	return 0;
}

static int file_open(struct vc_stream *stream, const struct vc_stream_config *cfg)
{
	/* 0600: a console shows what its guest's administrator types. */
	int fd = open(cfg->path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		      0600);
	int r = fd < 0 ? -errno : vc__end_adopt(&stream->out, fd, true);

	if (r < 0 && fd >= 0)
		(void)close(fd);
	stream->is_read_out = true;
	return r < 0 ? vc_error_set(r, "io", cfg->path, "cannot be opened to append: %s",
				    strerrordesc_np(-r))
		     : 0;
}

static ssize_t fds_read(struct vc_stream *stream, void *buf, size_t len)
{
	ssize_t n = vc__end_read(&stream->in, buf, len);

	return n < 0 && n != -EAGAIN ? 0 : n; /* a terminal that hung up gives -EIO for ever */
}

/* What an error of write(2) means to the writer: -EAGAIN, or dropped as if taken. */
static ssize_t after_error(int err, size_t len)
{
	return err == EAGAIN || err == EINTR ? -EAGAIN : (ssize_t)len;
}

/* Every character of a console comes this way. */
static ssize_t fds_write(struct vc_stream *stream, const void *buf, size_t len)
{
	ssize_t n;

	if (stream->out.is_free) {
		n = write(stream->out.fd, buf, len);
		return n >= 0 ? n : after_error(errno, len);
	}
	if (stream->out.fd < 0)
		return (ssize_t)len;
	n = vc__end_write(&stream->out, buf, len);
	return n >= 0 ? n : after_error((int)-n, len);
}

static size_t fds_pollfds(struct vc_stream *stream, bool want_read, bool want_write,
			  struct pollfd *fds, size_t nr)
{
	size_t filled = 0;

	if (want_read && filled < nr)
		fds[filled++] = (struct pollfd){ .fd = stream->in.fd, .events = POLLIN };
	if (want_write && filled < nr)
		fds[filled++] = (struct pollfd){ .fd = stream->out.fd, .events = POLLOUT };
	return filled;
}

static unsigned int fds_ready(struct vc_stream *stream, const struct pollfd *fds, size_t nr)
{
	unsigned int ready = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (fds[i].fd == stream->in.fd && (fds[i].revents & (POLLIN | ENDED)))
			ready |= VC__STREAM_READABLE;
		if (fds[i].fd == stream->out.fd && (fds[i].revents & (POLLOUT | ENDED)))
			ready |= VC__STREAM_WRITABLE;
	}
	return ready;
}

static void fds_close(struct vc_stream *stream)
{
	vc__end_close(&stream->in);
	vc__end_close(&stream->out);
}

/* the embedder's own */

static int ops_open(struct vc_stream *stream, const struct vc_stream_config *cfg)
{
	if (!cfg->ops || !cfg->ops->write)
		return vc_error_set(-EINVAL, "io", "stream", "ops need write");
	if (cfg->ops->read && !cfg->ops->pollfds)
		return vc_error_set(-EINVAL, "io", "stream",
				    "ops with read need pollfds: else nobody would ask them");
	stream->is_read_out = !cfg->ops->read;
	stream->ops = cfg->ops;
	stream->opaque = cfg->opaque;
	return 0;
}

static ssize_t ops_read(struct vc_stream *stream, void *buf, size_t len)
{
	ssize_t n = stream->ops->read(stream->opaque, buf, len);

	return n > (ssize_t)len ? (ssize_t)len : n;
}

static ssize_t ops_write(struct vc_stream *stream, const void *buf, size_t len)
{
	ssize_t n = stream->ops->write(stream->opaque, buf, len);

	/* Nothing would tell when to come again with the rest. */
	if (!stream->ops->pollfds)
		return (ssize_t)len;
	if (n < 0)
		return n == -EAGAIN ? n : (ssize_t)len;
	return n > (ssize_t)len ? (ssize_t)len : n;
}

static size_t ops_pollfds(struct vc_stream *stream, bool want_read, bool want_write,
			  struct pollfd *fds, size_t nr)
{
	size_t filled;

	if (!stream->ops->pollfds)
		return 0;
	filled = stream->ops->pollfds(stream->opaque, want_read, want_write, fds, nr);
	return filled < nr ? filled : nr;
}

/* Only the embedder knows what its descriptors mean: one that is ready has both directions tried. */
static unsigned int ops_ready(struct vc_stream *stream, const struct pollfd *fds, size_t nr)
{
	size_t i;

	(void)stream;
	for (i = 0; i < nr; i++)
		if (fds[i].revents)
			return VC__STREAM_READABLE | VC__STREAM_WRITABLE;
	return 0;
}

static void ops_close(struct vc_stream *stream)
{
	if (stream->ops && stream->ops->close)
		stream->ops->close(stream->opaque);
}

static const struct vc__stream_kind null_kind = {
	.open = null_open,
	.read = null_read,
	.write = null_write,
	.pollfds = fds_pollfds,
	.ready = fds_ready,
	.close = fds_close,
};

static const struct vc__stream_kind fds_kind = {
	.open = fds_open,
	.read = fds_read,
	.write = fds_write,
	.pollfds = fds_pollfds,
	.ready = fds_ready,
	.close = fds_close,
};

static const struct vc__stream_kind file_kind = {
	.open = file_open,
	.read = fds_read,
	.write = fds_write,
	.pollfds = fds_pollfds,
	.ready = fds_ready,
	.close = fds_close,
};

static const struct vc__stream_kind ops_kind = {
	.open = ops_open,
	.read = ops_read,
	.write = ops_write,
	.pollfds = ops_pollfds,
	.ready = ops_ready,
	.close = ops_close,
};

static const struct vc__stream_kind *const kinds[] = {
	[VC_STREAM_NULL] = &null_kind,	     [VC_STREAM_FDS] = &fds_kind,
	[VC_STREAM_PTY] = &vc__stream_pty,   [VC_STREAM_FILE] = &file_kind,
	[VC_STREAM_UNIX] = &vc__stream_unix, [VC_STREAM_OPS] = &ops_kind,
};

/* A field that the kind does not have is a misunderstanding; 0 and -1 count as no descriptor. */
static int check_fields(const struct vc_stream_config *cfg)
{
	bool has_path = cfg->kind == VC_STREAM_FILE || cfg->kind == VC_STREAM_UNIX;

	if ((unsigned int)cfg->kind > VC_STREAM_OPS)
		return vc_error_set(-EINVAL, "io", "stream", "kind %d is unknown", (int)cfg->kind);
	if (has_path && (!cfg->path || !cfg->path[0]))
		return vc_error_set(-EINVAL, "io", "stream", "this kind needs a path");
	if (!has_path && cfg->path)
		return vc_error_set(-EINVAL, "io", cfg->path, "this kind of stream has no path");
	if (cfg->kind != VC_STREAM_FDS && (cfg->in_fd > 0 || cfg->out_fd > 0))
		return vc_error_set(-EINVAL, "io", "stream",
				    "this kind of stream has no descriptors");
	if (cfg->kind != VC_STREAM_OPS && (cfg->ops || cfg->opaque))
		return vc_error_set(-EINVAL, "io", "stream", "this kind of stream has no ops");
	return 0;
}

int vc_stream_open(const struct vc_stream_config *cfg, struct vc_stream **ret_stream)
{
	struct vc_stream_config c;
	struct vc_stream *stream;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_stream)
		return vc_error_set(-EINVAL, "io", "stream", "ret_stream is needed");
	r = check_fields(&c);
	if (r < 0)
		return r;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return vc_error_set(-ENOMEM, "io", "stream", "no memory");
	stream->kind = kinds[c.kind];
	stream->in.fd = stream->out.fd = -1;
	stream->timer_fd = stream->listen_fd = stream->peer_fd = -1;
	atomic_init(&stream->is_short, false);
	atomic_init(&stream->has_peer, false);
	r = stream->kind->open(stream, &c);
	if (r < 0) {
		vc_stream_close(stream);
		return r;
	}
	*ret_stream = stream;
	return 0;
}

void vc_stream_close(struct vc_stream *stream)
{
	if (!stream)
		return;
	stream->kind->close(stream);
	free(stream->path);
	free(stream);
}

const char *vc_stream_path(const struct vc_stream *stream)
{
	return stream ? stream->path : NULL;
}

int vc_stream_set_sink(struct vc_stream *stream, const struct vc_stream_sink *sink, void *opaque)
{
	if (!stream || (sink && (!sink->room || !sink->received || !sink->writable)))
		return vc_error_set(-EINVAL, "io", "stream",
				    "a stream, and a sink with room, received and writable, "
				    "are needed");
	if (sink && stream->sink)
		return vc_error_set(-EBUSY, "io", "stream", "the stream has a sink already");
	stream->sink = sink;
	stream->sink_opaque = opaque;
	return 0;
}

/* The far end took @done of @len bytes at first: offers the rest until it takes no more. */
static __attribute__((noinline)) size_t write_rest(struct vc_stream *stream, const char *buf,
						   size_t len, size_t done)
{
	while (done < len) {
		ssize_t n = stream->kind->write(stream, buf + done, len - done);

		if (n <= 0) {
			atomic_store_explicit(&stream->is_short, true, memory_order_relaxed);
			break;
		}
		done += (size_t)n;
	}
	return done;
}

size_t vc_stream_write(struct vc_stream *stream, const void *buf, size_t len)
{
	ssize_t n;

	if (__builtin_expect(!stream || (!buf && len > 0), 0)) {
		(void)vc_error_set(-EINVAL, "io", "stream", "stream and bytes are needed");
		return 0;
	}
	n = stream->kind->write(stream, buf, len);
	if (n == (ssize_t)len)
		return len;
	return write_rest(stream, buf, len, n > 0 ? (size_t)n : 0);
}

static size_t room_of(const struct vc_stream *stream)
{
	if (!stream->sink || stream->is_read_out)
		return 0;
	return stream->sink->room(stream->sink_opaque);
}

size_t vc_stream_pollfds(struct vc_stream *stream, struct pollfd *fds, size_t nr)
{
	if (!stream || (!fds && nr > 0)) {
		(void)vc_error_set(-EINVAL, "io", "stream", "stream and descriptors are needed");
		return 0;
	}
	return stream->kind->pollfds(stream, room_of(stream) > 0,
				     atomic_load_explicit(&stream->is_short, memory_order_relaxed),
				     fds, nr);
}

static void take_input(struct vc_stream *stream)
{
	size_t room = room_of(stream);
	uint8_t buf[READ_MAX];
	ssize_t n;

	if (room == 0)
		return;
	n = stream->kind->read(stream, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n > 0)
		stream->sink->received(stream->sink_opaque, buf, (size_t)n);
	else if (n != -EAGAIN)
		stream->is_read_out = true;
}

int vc_stream_dispatch(struct vc_stream *stream, const struct pollfd *fds, size_t nr)
{
	unsigned int ready;

	if (!stream || (!fds && nr > 0))
		return vc_error_set(-EINVAL, "io", "stream", "stream and descriptors are needed");
	ready = stream->kind->ready(stream, fds, nr);
	if ((ready & VC__STREAM_WRITABLE) &&
	    atomic_exchange_explicit(&stream->is_short, false, memory_order_relaxed) &&
	    stream->sink)
		stream->sink->writable(stream->sink_opaque);
	if (ready & VC__STREAM_READABLE)
		take_input(stream);
	return 0;
}
