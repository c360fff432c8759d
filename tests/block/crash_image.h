/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk may hold after a crash, made of a log of recorder.h.
 *
 * A write is durable once it was done with VC_BLOCK_FUA, or once a flush was done that was submitted
 * after it was done. Of any other write that was submitted each sector of 512 bytes is there or not,
 * as the seed has it. Discards and zeroing are writes of zeroes.
 */
#ifndef VC_TESTS_CRASH_IMAGE_H
#define VC_TESTS_CRASH_IMAGE_H

#include "recorder.h"

struct crash_entry {
	struct record record;
	const uint8_t *data; /* of a write that is submitted */
	size_t submit_idx;   /* DONE: where it was submitted */
};

struct crash_log {
	uint8_t *bytes;
	struct crash_entry *entries;
	size_t nr;
	/* By the index of a submission: of its answer, and of what made a write durable; else
	 * SIZE_MAX. */
	size_t *done_at, *durable_at;
};

/* Reads a whole log; what is left of a last entry that was cut off is dropped. 0 or -errno. */
int crash_log_read(FILE *file, enum record_layer layer, bool all_layers, struct crash_log *ret_log);
void crash_log_free(struct crash_log *log);

/*
 * Changes @image, which holds the disk as it was when the log began, into what it may be after a crash
 * right behind entry @upto - 1, as @layer has it.
 */
void crash_image(const struct crash_log *log, enum record_layer layer, size_t upto, uint64_t seed,
		 uint8_t *image, uint64_t size_bytes);

#endif /* VC_TESTS_CRASH_IMAGE_H */
