/* SPDX-License-Identifier: Apache-2.0 */
/* What stream.c and the kinds of stream share. */
#ifndef VC_STREAM_PRIVATE_H
#define VC_STREAM_PRIVATE_H

#include <libvirtcore/stream.h>

#include <stdatomic.h>

#include "stream_end.h"

/* What vc__stream_kind.ready() found. */
#define VC__STREAM_READABLE 1u
#define VC__STREAM_WRITABLE 2u

/*
 * One kind of stream. Slots answer like struct vc_stream_ops, and know about peers: read() gives 0
 * only when no input can ever come again, write() takes bytes that nobody will get.
 */
struct vc__stream_kind {
	int (*open)(struct vc_stream *stream, const struct vc_stream_config *cfg);
	ssize_t (*read)(struct vc_stream *stream, void *buf, size_t len);
	ssize_t (*write)(struct vc_stream *stream, const void *buf, size_t len);
	size_t (*pollfds)(struct vc_stream *stream, bool want_read, bool want_write,
			  struct pollfd *fds, size_t nr);
	/* Takes in connections and hang-ups; returns VC__STREAM_* bits. */
	unsigned int (*ready)(struct vc_stream *stream, const struct pollfd *fds, size_t nr);
	void (*close)(struct vc_stream *stream); /* also after a failed open() */
};

struct vc_stream {
	const struct vc__stream_kind *kind;
	const struct vc_stream_sink *sink;
	void *sink_opaque;
	/* Set by the writing thread, cleared by the polling thread: relaxed, a lock or the caller's
	 * wake orders them. */
	atomic_bool is_short;
	bool is_read_out; /* input has ended for ever */

	/* FDS, FILE; PTY: both the master, owned by out */
	struct vc__end in, out;
	/* PTY, UNIX */
	char *path;
	atomic_bool has_peer; /* read by the writing thread: relaxed */
	int timer_fd;	      /* PTY: looks for the next peer; UNIX: accepts again */
	/* UNIX */
	int listen_fd;
	int peer_fd;	    /* always open: see stream_unix.c */
	bool is_hung;	    /* the peer closed; input of its may be left */
	bool is_peer_done;  /* the peer sends no more */
	bool is_backlogged; /* accept(2) failed: timer_fd tells when to try again */
	dev_t dev;	    /* of the socket file that we made */
	ino_t ino;
	/* OPS */
	const struct vc_stream_ops *ops;
	void *opaque;
};

extern const struct vc__stream_kind vc__stream_pty;
extern const struct vc__stream_kind vc__stream_unix;

#endif /* VC_STREAM_PRIVATE_H */
