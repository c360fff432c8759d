/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: what a block device, a copier or a back end reads from and writes to. An open block end is
 * attached to any number of rings; each attachment is a queue, used on its ring's thread alone.
 * Implementing an end of your own: block_ops.h.
 */
#ifndef LIBVIRTCORE_BLOCK_H
#define LIBVIRTCORE_BLOCK_H

#include <libvirtcore/ring_request.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_block;
struct vc_block_queue;
struct vc_throttle;

enum vc_block_kind {
	VC_BLOCK_FILE = 1, /* a file or a block device */
	VC_BLOCK_RAM = 2,  /* memory: zeroes at first, gone at close */
};

/* Never guessed from what a guest may have written. */
enum vc_block_format {
	VC_BLOCK_RAW = 1,
};

/* What may be lost when the host, not the guest, goes down; what the program does is never lost. */
enum vc_block_cache {
	/* page cache; a completed flush has made all that was completed before it durable */
	VC_BLOCK_WRITEBACK = 0,
	VC_BLOCK_NONE = 1, /* O_DIRECT, flushes as above: the drive may have a cache of its own */
	/* page cache; each write, discard and zeroing is durable when it completes, a flush is free */
	VC_BLOCK_WRITETHROUGH = 2,
	VC_BLOCK_UNSAFE = 3, /* page cache; flushes do nothing */
};

struct vc_block_config {
	size_t size; /* sizeof(struct vc_block_config) */
	enum vc_block_kind kind;
	const char *name;    /* for messages, cut at 63 bytes; NULL = the path; copied */
	uint32_t block_size; /* what offsets and lengths are multiples of: 512 to 4096, a power of
			      * two; 0 = 512, or what O_DIRECT needs there */
	bool is_readonly;
	/* FILE: path or fd */
	bool is_shared;	  /* take no locks: others may write at the same time */
	const char *path; /* borrowed during the call */
	int fd;		  /* opened for what is wanted; moved on success; 0 and -1 = none */
	enum vc_block_format format; /* must be said */
	enum vc_block_cache cache;
	/* RAM */
	uint64_t size_bytes;
	/* limits, borrowed until close; NULL = none */
	struct vc_throttle *throttle; /* of this disk */
	struct vc_throttle *group;    /* of this disk and others */
};

/* More will come (block status, snapshots): their arguments and answers go by iov. */
enum vc_block_op {
	VC_BLOCK_READ = 1,
	VC_BLOCK_WRITE = 2,
	/* No off, len, iov. With the page cache between: once one has failed, data that was reported
	 * as written is lost, and every later one fails too. */
	VC_BLOCK_FLUSH = 3,
	VC_BLOCK_DISCARD = 4, /* gives space back; reads as zeroes or as before from then on */
	VC_BLOCK_WRITE_ZEROES = 5,
};

#define VC_BLOCK_NR_OPS 16u /* room for more */

enum vc_block_flag {
	VC_BLOCK_FUA = 1u << 0,	  /* WRITE, DISCARD, WRITE_ZEROES: durable when completed */
	VC_BLOCK_UNMAP = 1u << 1, /* WRITE_ZEROES: may give the space back */
};

/*
 * Zeroed before its first use; the library's from vc_block_submit() until done(), which may submit
 * it again. Buffers stay until then; the entries of iov change in between and are as before after.
 */
struct vc_block_request {
	/* On the ring's thread, exactly once, never from within vc_block_submit() or
	 * vc_block_cancel(). 0, or -EOPNOTSUPP (see vc_block_info.ops), -EINVAL (flags, alignment,
	 * iov and len differ), -ERANGE (beyond the end), -EROFS, -ECANCELED, -ENOSPC, -EIO or what
	 * else the host says; part of the range may then have been read or written. */
	void (*done)(struct vc_block_request *req, int result);
	uint8_t op;    /* enum vc_block_op */
	uint8_t flags; /* enum vc_block_flag */
	uint16_t reserved;
	uint32_t nr_iov;
	uint64_t off, len; /* bytes; READ, WRITE: len is the sum of iov */
	struct iovec *iov;
	/* the end's */
	struct vc_ring_request io;
	uint64_t end_off;     /* progress */
	struct iovec end_iov; /* saved entry */
	uint32_t end_idx;
	uint8_t end_step, end_tries;
	uint16_t end_flags;
	void *end_data[2];
	/* the front's */
	struct vc_block_queue *queue;
	struct vc_block_request *next;
	int32_t result;
	uint32_t state;
};

/**
 * vc_block_open() - open a disk; for writing nobody else may have it open, for reading nobody may
 * have it open for writing.
 * @cfg: copied; see struct vc_block_config.
 * @ret_block: the end, owned by the caller; untouched on failure.
 * Context: control thread; may block in open(2), and up to 2 seconds for what a killed process still
 *          has under way.
 * Returns: 0, or -EINVAL (fields; size no multiple of block_size, or 0), -E2BIG (newer fields),
 *          -ENOENT, -EACCES, -EROFS (writing, not is_readonly), -EISDIR, -ENOTBLK (a pipe, socket,
 *          terminal), -EBADF (fd, or its mode), -EBUSY (in use: by whom, where it can be known),
 *          -EFBIG (writing, above RLIMIT_FSIZE), -EOPNOTSUPP (no O_DIRECT there, no locks there),
 *          -ENOMEM, -EMFILE or what else open(2) says.
 * Spec: [fcntl(2) F_OFD_SETLK]   Since: 0.1
 */
VC_API int vc_block_open(const struct vc_block_config *cfg, struct vc_block **ret_block);

/**
 * vc_block_close() - close a disk; its locks are free when this returns.
 * @block: may be NULL; has no queue any more. Nothing is flushed.
 * Context: control thread; may block in close(2).
 * Returns: 0, or -EBUSY (a queue is attached; it stays open).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_close(struct vc_block *block);

/**
 * vc_block_attach() - make a queue of a disk on a ring.
 * @block: the disk.
 * @ring: referenced until detach.
 * @ret_queue: the queue, owned by the caller; untouched on failure.
 * Context: control thread before a thread has attached to the ring, else ring thread.
 * Returns: 0, or -EINVAL (NULL), -ENOMEM, or what vc_ring_add_file() says.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_attach(struct vc_block *block, struct vc_ring *ring,
			   struct vc_block_queue **ret_queue);

/**
 * vc_block_detach() - take a queue away.
 * @queue: may be NULL; no request is in flight: see vc_block_cancel().
 * Context: ring thread, or any one thread before one has attached and after the ring was drained.
 * Returns: 0, or -EBUSY (requests are in flight; it stays).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_detach(struct vc_block_queue *queue);

/**
 * vc_block_submit() - hand a request over; it goes out with the ring's next batch.
 * @queue: the queue.
 * @req: see struct vc_block_request; whatever is wrong with it is told to done().
 * Context: ring thread, callbacks included; does not block: no system call, lock or allocation.
 * Returns: 0, done() will be called; or, and it will not, -EINVAL (NULL, no done, another thread),
 *          -EBUSY (in flight already), -ESHUTDOWN (the ring is drained).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_submit(struct vc_block_queue *queue, struct vc_block_request *req);

/**
 * vc_block_cancel() - give back with -ECANCELED what waits for a limit or a buffer; what the host has
 * begun is completed.
 * @queue: the queue.
 * Context: ring thread, callbacks included; does not block.
 * Returns: 0, or -EINVAL (NULL, another thread).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_cancel(struct vc_block_queue *queue);

struct vc_block_info {
	size_t size; /* sizeof(struct vc_block_info), set by the caller */
	uint64_t size_bytes;
	uint32_t block_size;	      /* offsets and lengths are multiples of it */
	uint32_t physical_block_size; /* writes of less than that cost more; block_size or above */
	uint32_t optimal_bytes;	      /* of one request; 0 = unknown */
	uint32_t mem_align;	/* buffers that are not go by way of a copy; 1 = none needed */
	uint32_t discard_align; /* what a discard rounds its range to, inwards */
	uint32_t ops;		/* bit (1 << enum vc_block_op) for each that it can do */
	bool is_readonly;
	bool has_cache; /* a completed write may need a flush to be durable */
};

/**
 * vc_block_get_info() - tell size, alignment and abilities of a disk.
 * @block: the disk.
 * @ret_info: its size set; filled.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_get_info(const struct vc_block *block, struct vc_block_info *ret_info);

/**
 * vc_block_resize() - change the size of a disk, or take over what it has become.
 * @block: the disk; less than before only without queues.
 * @size_bytes: a multiple of block_size; 0 = the size that the file or block device has now.
 * Context: control thread; may block. New bytes read as zeroes.
 * Returns: 0, or -EINVAL (size), -EBUSY (smaller, with queues), -EROFS, -EOPNOTSUPP (a block device
 *          has the size it has; the end cannot), -EFBIG, -ENOSPC or what else ftruncate(2) says.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_resize(struct vc_block *block, uint64_t size_bytes);

struct vc_block_stats {
	size_t size;		      /* sizeof(struct vc_block_stats), set by the caller */
	uint64_t nr[VC_BLOCK_NR_OPS]; /* requests completed without an error, by enum vc_block_op */
	uint64_t bytes[VC_BLOCK_NR_OPS];
	uint64_t nr_failed;    /* completed with an error; -ECANCELED does not count */
	uint64_t nr_refused;   /* of these, by a check before anything was done */
	uint64_t nr_throttled; /* had to wait for a limit */
	uint64_t nr_bounced;   /* went by way of a copy */
	uint64_t nr_resumed;   /* pieces sent again or on: short, interrupted, not now */
};

/**
 * vc_block_get_stats() - sum up the counters of all queues, past ones included.
 * @block: the disk.
 * @ret_stats: its size set; filled.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_get_stats(const struct vc_block *block, struct vc_block_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_BLOCK_H */
