/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What users of a ring do on it: register files, submit requests, cancel them. For those who
 * implement ends (disks, taps) and for programs that do I/O with a ring of their own.
 *
 * A request lives in its user's storage, one per slot, and takes no memory and no lock.
 */
#ifndef LIBVIRTCORE_RING_REQUEST_H
#define LIBVIRTCORE_RING_REQUEST_H

#include <libvirtcore/ring.h>

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Results are those of the system calls: bytes moved, possibly fewer than asked, or -errno. */
enum vc_ring_op {
	VC_RING_READ = 1,      /* buf, len, off */
	VC_RING_WRITE = 2,     /* buf, len, off */
	VC_RING_READV = 3,     /* iov, len = entries, off */
	VC_RING_WRITEV = 4,    /* iov, len = entries, off */
	VC_RING_FSYNC = 5,     /* result 0 */
	VC_RING_FDATASYNC = 6, /* result 0 */
	VC_RING_FALLOCATE = 7, /* arg = mode, off, size_bytes; result 0 */
	/* arg = poll(2) events; until cancelled: result > 0 = events, told at each new one, now
	 * and then twice (edge: what stays ready is not told for ever; an eventfd need not be read);
	 * < 0 = this was the last */
	VC_RING_POLL = 8,
	VC_RING_TIMER = 9, /* off = nanoseconds; result 0 when the time has come */
};

enum vc_ring_flag {
	/* READ, WRITE and their kin: may wait for ever for a peer (tap, socket, pipe); does not count
	 * in the depth and is cancelled by a stop. The file is not O_NONBLOCK. A write to a pipe or
	 * socket that nobody reads any more raises SIGPIPE on the ring's thread: block it there, as
	 * vc_ring_start() does. */
	VC_RING_WAITS = 1u << 0,
	VC_RING_DSYNC = 1u << 1,    /* WRITE, WRITEV: on stable storage when completed */
	VC_RING_ABSOLUTE = 1u << 2, /* TIMER: off is a time of CLOCK_MONOTONIC */
};

/* The most requests linked by `then`. */
#define VC_RING_CHAIN_MAX 8u

/* Zeroed before its first use. The ring's from vc_ring_submit() until its (last) callback, which
 * may submit it again. Buffers and iovecs must stay until then. */
struct vc_ring_request {
	/* Called on the ring's thread, never from within vc_ring_submit() or vc_ring_cancel(). */
	void (*done)(struct vc_ring_request *req, int res);
	uint8_t op;    /* enum vc_ring_op */
	uint8_t flags; /* enum vc_ring_flag */
	uint16_t reserved;
	uint32_t file; /* from vc_ring_add_file(); TIMER: 0 */
	uint32_t len;
	uint32_t arg;
	uint64_t off;
	uint64_t size_bytes;
	void *buf;
	const struct iovec *iov;
	/* Starts when this one has succeeded in full, and is cancelled (-ECANCELED) when it failed
	 * or came short: write, then flush. Taken with this one; not for POLL, TIMER and WAITS. */
	struct vc_ring_request *then;
	/* the ring's */
	struct vc_ring_request *ring_next, *ring_prev, *ring_owed;
	int64_t ring_time[2];
	uint32_t ring_state;
};

enum vc_ring_file_flag {
	VC_RING_FILE_POLLED = 1u << 0, /* IOPOLL: an O_DIRECT file; where its device cannot be
					* polled, it is served as any other */
};

/**
 * vc_ring_add_file() - register a file: requests name files by their handle only.
 * @ring: before a thread has attached, or later unless is_sealed.
 * @fd: duplicated.
 * @flags: enum vc_ring_file_flag.
 * @ret_file: the handle, above 0; untouched on failure.
 * Context: control thread before a thread has attached, else ring thread; does not block.
 * Returns: 0, or -EINVAL (NULL, flags, another thread), -EBADF, -ENFILE (nr_files are registered),
 *          -EPERM (sealed), -EMFILE, -ENOMEM, -ESHUTDOWN.
 * Spec: [io_uring_register(2) FILES_UPDATE]   Since: 0.1
 */
VC_API int vc_ring_add_file(struct vc_ring *ring, int fd, uint32_t flags, uint32_t *ret_file);

/**
 * vc_ring_remove_file() - unregister a file.
 * @ring: as vc_ring_add_file(); also when it is sealed or stopped, then by any one thread.
 * @file: the handle; no request with it may be in flight or in line.
 * Context: control thread before a thread has attached, else ring thread; does not block.
 * Returns: 0, or -EINVAL (no such handle, another thread), -EBUSY (requests name it).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_remove_file(struct vc_ring *ring, uint32_t file);

/**
 * vc_ring_add_memory() - register memory as fixed buffers: its pages stay pinned, and requests READ and
 * WRITE whose buffer lies in it spare the kernel the work of finding them. A gain of 5 to 10 % for
 * small requests at the price of memory that cannot be given back; not the default anywhere.
 * @ring: no thread has attached. Worker threads have no use for it: nothing happens, 0.
 * @base: populated memory that stays mapped until the last vc_ring_put(); a guest's: vc_region_pin().
 * @len_bytes: its length; registered in pieces of at most 1 GiB.
 * Context: control thread; blocks while the kernel pins.
 * Returns: 0, or -EINVAL (NULL, length, a thread has attached), -EEXIST (overlaps memory added
 *          before), -ENOSPC (more than 256 pieces), -ENOMEM (RLIMIT_MEMLOCK), -EOPNOTSUPP (memory
 *          that the kernel cannot pin: of a file), or what else the kernel says; on failure the ring
 *          is only fit to be put.
 * Spec: [io_uring_register(2) BUFFERS_UPDATE]   Since: 0.1
 */
VC_API int vc_ring_add_memory(struct vc_ring *ring, void *base, uint64_t len_bytes);

/**
 * vc_ring_submit() - take a request and those linked to it; they go out with the next batch.
 * @ring: attached. When depth requests are in flight these wait in line, in order.
 * @req: see struct vc_ring_request; on failure no callback is called.
 * Context: ring thread, callbacks included; does not block: no system call, lock or allocation.
 * Returns: 0, or -EINVAL (NULL, fields, handle, chain, another thread), -EPERM (an operation that the
 *          ring was not created for), -EBUSY (taken already), -ESHUTDOWN (drained; or stopping, and
 *          the request could wait for ever).
 * Spec: [io_uring_enter(2)]   Since: 0.1
 */
VC_API int vc_ring_submit(struct vc_ring *ring, struct vc_ring_request *req);

/**
 * vc_ring_cancel() - ask for the end of a request.
 * @ring: attached.
 * @req: the callback comes in any case: with -ECANCELED, or with its result when it was too late. A
 *       disk request that the kernel has begun is not stopped.
 * Context: ring thread, callbacks included; does not block.
 * Returns: 0, or -EINVAL (NULL, another thread), -ENOENT (it is not in flight).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_cancel(struct vc_ring *ring, struct vc_ring_request *req);

/**
 * vc_ring_defer() - have a task run once at the end of this batch, after its callbacks and before the
 * ring submits and waits: the place for one notification per batch.
 * @ring: attached.
 * @task: not posted; untouched until it has run. Deferred from within itself: the next batch.
 * Context: ring thread; does not block.
 * Returns: 0, or 1 (it waits already), -EINVAL (NULL, another thread), -ESHUTDOWN (drained).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_ring_defer(struct vc_ring *ring, struct vc_ring_task *task);

/**
 * vc_ring_is_current() - tell whether the calling thread is the ring's.
 * @ring: any state.
 * Context: any thread; does not block.
 * Returns: true when it has attached to @ring.
 * Spec: none.   Since: 0.1
 */
VC_API bool vc_ring_is_current(const struct vc_ring *ring);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_RING_REQUEST_H */
