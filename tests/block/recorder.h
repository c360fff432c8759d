/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block end that stands before another one and writes down, in the order in which it happens, what
 * is asked of it and what is answered: from the log it can be proved that flushes are real.
 *
 * The log is a file of entries, the submission of a write followed by its data, so that a VMM that is
 * killed leaves it behind and images of a crash at any moment can be made of it (crash_image.h).
 */
#ifndef VC_TESTS_RECORDER_H
#define VC_TESTS_RECORDER_H

#include <libvirtcore/block_ops.h>

#include <pthread.h>
#include <stdio.h>

enum record_kind {
	RECORD_SUBMIT = 1,
	RECORD_DONE = 2,
};

/* Whose entry it is: of the recorder, or of a spy below it, who sees what the host is asked for. */
enum record_layer {
	RECORD_DISK = 0,
	RECORD_HOST = 1,
};

struct record {
	uint8_t kind, layer;
	uint8_t op;    /* enum vc_block_op */
	uint8_t flags; /* VC_BLOCK_FUA: durable when done */
	int32_t result;
	uint64_t id; /* one for each request of a layer, increasing */
	uint64_t off, len;
};

struct recorder {
	struct vc_block *below;
	uint8_t always; /* flags that every request has: VC_BLOCK_FUA when @below has no cache */
	pthread_mutex_t lock; /* of what follows: rings have threads of their own */
	FILE *log;
	uint64_t next_id;
	bool has_failed; /* the log is not whole: the disk is full */
};

/*
 * A disk that passes everything on to @below, which is the recorder's from now on, and logs to @log,
 * which stays the caller's. @recorder lives as long as the disk. 0 or -errno.
 */
int recorder_create(struct recorder *recorder, struct vc_block *below, FILE *log,
		    struct vc_block **ret_block);

/* Appends an entry of @layer; @iov has the data of a write that is submitted. Any thread. */
void recorder_note(struct recorder *recorder, const struct record *record, const struct iovec *iov,
		   uint32_t nr_iov);

/* An id that no other entry has. */
uint64_t recorder_new_id(struct recorder *recorder);

#endif /* VC_TESTS_RECORDER_H */
