/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the disk on a file or block device share. */
#ifndef VC_BLK_FILE_H
#define VC_BLK_FILE_H

#include "block.h"

/* What was found at opening. */
struct vc__blk_facts {
	int fd;	      /* owned */
	int fd_flags; /* that it had */
	bool is_device;
	bool is_direct;
	bool can_punch;	       /* fallocate(2) makes holes */
	bool is_resident;      /* tmpfs: its pages are in memory, no transfer waits for a device */
	uint32_t block_size;   /* of requests */
	uint32_t direct_align; /* O_DIRECT: of offsets and lengths; else 1 */
	uint32_t mem_align;    /* O_DIRECT: of buffers; else 1 */
	uint32_t discard_align;
	uint32_t physical_block_size;
	uint32_t optimal_bytes;
	uint64_t size_bytes;
};

/* Opens, locks and looks; nothing stays open on failure. @cfg->fd is not closed, and moved. */
int vc__blk_open(const struct vc_block_config *cfg, struct vc__blk_facts *ret_facts);

/* -EFBIG, with a message, when RLIMIT_FSIZE would end the process for a write below @size_bytes. */
int vc__blk_check_limit(uint64_t size_bytes, const char *name);

/* The size of an open file or block device. */
int vc__blk_size(int fd, bool is_device, uint64_t *ret_size_bytes);

/*
 * blk_lock.c: fails with -EBUSY, naming the holder; or, without a message, with -EOWNERDEAD: it is
 * held, and no process that can be looked at holds it. @name is for messages.
 */
int vc__blk_lock(int fd, bool is_write, const char *name);
void vc__blk_unlock(int fd);

/* The text for who holds locks on the file behind @fd, "" where that cannot be known. */
void vc__blk_holder(int fd, char *text, size_t size);

#define VC__BOUNCE_BYTES 131072u
#define VC__BOUNCE_NR	 8u

/* Copies for O_DIRECT of what is not aligned: a few buffers a lane, and a line of who waits. */
struct vc__bounce {
	void *mem;     /* NULL: not needed */
	uint32_t free; /* bit of each buffer */
	struct vc__block_list waiting;
};

int vc__bounce_init(struct vc__bounce *bounce);
void vc__bounce_fini(struct vc__bounce *bounce);
void *vc__bounce_take(struct vc__bounce *bounce); /* NULL: none is free */
void vc__bounce_give(struct vc__bounce *bounce, void *buf);
/* Copies between a buffer and bytes [off, off + len) of an iovec. */
void vc__bounce_gather(void *buf, const struct vc_block_request *req, uint64_t off, size_t len);
void vc__bounce_scatter(const void *buf, const struct vc_block_request *req, uint64_t off,
			size_t len);

/* An open file; what changes while it is in use is shared by all rings. */
struct vc__blk_file {
	struct vc__blk_facts facts;
	enum vc_block_cache cache;
	bool is_locked;
	void *zeroes; /* VC__ZEROES_BYTES that read as zero and take no memory */
	/* Relaxed: each is a hint, or sticks. */
	atomic_bool has_no_zero_range;
	_Atomic int sync_error; /* -errno of a flush that failed with the page cache between */
};

#define VC__ZEROES_BYTES 1048576u

/* One file on one ring. */
struct vc__blk_lane {
	struct vc__blk_file *file;
	struct vc_ring *ring;
	uint32_t ring_file;
	struct vc__bounce bounce;
	bool is_starting; /* those who waited for a buffer */
};

/* blk_file_io.c */
void vc__blk_file_submit(void *lane, struct vc_block_request *req);
void vc__blk_file_cancel(void *lane);

#endif /* VC_BLK_FILE_H */
