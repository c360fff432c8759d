/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams: the non-blocking far end of a console. A stream makes no thread; whoever owns the
 * poll loop (the runner's polling thread, or the embedder) polls its descriptors and dispatches.
 */
#ifndef LIBVIRTCORE_STREAM_H
#define LIBVIRTCORE_STREAM_H

#include <libvirtcore/types.h>

#include <poll.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vc_stream_kind {
	VC_STREAM_NULL = 0, /* swallows output, gives no input */
	/* A pair of descriptors, e.g. stdin and stdout. Terminals and pipes are opened anew, so that
	 * flags which others share stay; where that is not allowed each byte is polled for, and a
	 * rival reader or writer in between can hold a call up. */
	VC_STREAM_FDS = 1,
	/* A new pseudo-terminal; see vc_stream_path(). Output while nobody has it open is dropped.
	 * Who opens it gets what is written from then on; input is looked for 4 times a second until
	 * somebody is known to be there. */
	VC_STREAM_PTY = 2,
	VC_STREAM_FILE = 3, /* output appended to a file; no input */
	/* Listens on a unix socket, one peer at a time; the next waits in the backlog, also while
	 * the process has no descriptor left for it. */
	VC_STREAM_UNIX = 4,
	VC_STREAM_OPS = 5, /* the embedder's own */
};

/* An embedder's stream. Called on the polling thread or on a thread that writes: own your locks. */
struct vc_stream_ops {
	/* Both return bytes moved, 0 (read: end for ever), -EAGAIN or another -errno; never block.
	 * Without read there is no input; write is needed. */
	ssize_t (*read)(void *opaque, void *buf, size_t len);
	ssize_t (*write)(void *opaque, const void *buf, size_t len);
	/* Fills at most @nr entries with fds to poll, returns how many; when one of them is ready
	 * both directions are tried. Needed with read. Without it write is never asked again: what
	 * it does not take counts as taken, and is lost. */
	size_t (*pollfds)(void *opaque, bool want_read, bool want_write, struct pollfd *fds,
			  size_t nr);
	void (*close)(void *opaque); /* called once; optional */
};

struct vc_stream_config {
	size_t size; /* sizeof(struct vc_stream_config) */
	enum vc_stream_kind kind;
	int in_fd, out_fd; /* FDS: duplicated; -1 = none; their file status flags are left alone */
	const char *path;  /* FILE, UNIX: where; copied. An existing socket file is refused */
	const struct vc_stream_ops *ops; /* OPS: borrowed until close */
	void *opaque;			 /* OPS */
};

/* Who consumes a stream: called on the polling thread, inside vc_stream_dispatch(). */
struct vc_stream_sink {
	size_t (*room)(void *opaque); /* bytes that received() will take now */
	void (*received)(void *opaque, const uint8_t *buf, size_t len);
	void (*writable)(void *opaque); /* after a write was short */
};

struct vc_stream;

#define VC_STREAM_POLLFDS_MAX 2u

/**
 * vc_stream_open() - open the far end of a console.
 * @cfg: copied.
 * @ret_stream: the stream, owned by the caller; untouched on failure.
 * Context: any thread; may block shortly in open(2).
 * Returns: 0, or -EINVAL (fields or ops that the kind needs or does not have), -E2BIG,
 *          -EADDRINUSE (something is at the socket path: named), -EACCES, -ENOENT, -ENOTDIR (a
 *          parent is no directory), -EISDIR (FILE: a directory), -ENXIO (FILE: a pipe that nobody
 *          reads), -EBADF, -ENAMETOOLONG, -EMFILE, -ENOMEM, or what else open(2), bind(2) or the
 *          terminal driver says.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_stream_open(const struct vc_stream_config *cfg, struct vc_stream **ret_stream);

/**
 * vc_stream_close() - close a stream; a socket file that it made is removed.
 * @stream: may be NULL; unused by any device.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_stream_close(struct vc_stream *stream);

/**
 * vc_stream_path() - where a pseudo-terminal or socket can be reached.
 * @stream: may be NULL.
 * Context: any thread; does not block.
 * Returns: the path, owned by the stream, or NULL (the kind has none, or no stream).
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_stream_path(const struct vc_stream *stream);

/**
 * vc_stream_set_sink() - say who consumes the stream.
 * @stream: the stream.
 * @sink: borrowed until replaced; NULL = nobody, input stays where it is.
 * @opaque: given to @sink.
 * Context: control thread, while nobody polls; does not block.
 * Returns: 0, or -EINVAL, -EBUSY (there is a sink already).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_stream_set_sink(struct vc_stream *stream, const struct vc_stream_sink *sink,
			      void *opaque);

/**
 * vc_stream_write() - hand bytes to the far end.
 * @stream: the stream.
 * @buf: bytes.
 * @len: their number.
 * Context: any thread, one at a time; never blocks.
 * Returns: bytes taken, 0 to @len. Fewer than @len: writable() will be called. With no peer, or one
 *          that is gone, all are taken and dropped. With a NULL argument 0, and a message.
 * Spec: none.   Since: 0.1
 */
VC_API size_t vc_stream_write(struct vc_stream *stream, const void *buf, size_t len);

/**
 * vc_stream_pollfds() - what to poll now.
 * @stream: the stream.
 * @fds: filled.
 * @nr: length of @fds; VC_STREAM_POLLFDS_MAX is always enough.
 * Context: polling thread; does not block.
 * Returns: entries filled, 0 when there is nothing to wait for or an argument is NULL.
 * Spec: [poll(2)]   Since: 0.1
 */
VC_API size_t vc_stream_pollfds(struct vc_stream *stream, struct pollfd *fds, size_t nr);

/**
 * vc_stream_dispatch() - act on what poll(2) found: accept, read into the sink, tell it of room.
 * @stream: the stream.
 * @fds: as filled by vc_stream_pollfds(), with revents.
 * @nr: their number.
 * Context: polling thread; never blocks.
 * Returns: 0, or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_stream_dispatch(struct vc_stream *stream, const struct pollfd *fds, size_t nr);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_STREAM_H */
