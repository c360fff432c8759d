/* SPDX-License-Identifier: Apache-2.0 */
/* Images of a crash; see crash_image.h. */
#include "crash_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define NEVER  SIZE_MAX

static int read_all(FILE *file, uint8_t **ret_bytes, size_t *ret_len)
{
	size_t len = 0, room = 1u << 20, n;
	uint8_t *bytes = malloc(room);

	rewind(file);
	while (bytes && (n = fread(bytes + len, 1, room - len, file)) > 0) {
		uint8_t *more = bytes;

		len += n;
		if (len == room)
			more = realloc(bytes, room *= 2);
		if (!more)
			free(bytes);
		bytes = more;
	}
	if (!bytes)
		return -ENOMEM;
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

static int add_entry(struct crash_log *log, size_t *room, const struct crash_entry *entry)
{
	if (log->nr == *room) {
		size_t more = *room ? *room * 2 : 1024;
		struct crash_entry *entries = realloc(log->entries, more * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		log->entries = entries;
		*room = more;
	}
	log->entries[log->nr++] = *entry;
	return 0;
}

/* Finds the submission of each answer: ids of a layer begin at any number and are dense enough. */
static int pair_up(struct crash_log *log)
{
	uint64_t max = 0;
	size_t *submitted, i;

	for (i = 0; i < log->nr; i++)
		max = log->entries[i].record.id > max ? log->entries[i].record.id : max;
	submitted = calloc(max + 1, sizeof(*submitted));
	if (!submitted)
		return -ENOMEM;
	for (i = 0; i < log->nr; i++) {
		struct crash_entry *entry = &log->entries[i];

		if (entry->record.kind == RECORD_SUBMIT)
			submitted[entry->record.id] = i;
		entry->submit_idx = submitted[entry->record.id];
	}
	free(submitted);
	return 0;
}

/* For each request: where it was done; for each write: the entry after which it is durable. */
static int find_durable(struct crash_log *log)
{
	size_t i, w;

	log->done_at = calloc(log->nr + 1, sizeof(*log->done_at));
	log->durable_at = calloc(log->nr + 1, sizeof(*log->durable_at));
	if (!log->done_at || !log->durable_at)
		return -ENOMEM;
	for (i = 0; i < log->nr; i++)
		log->done_at[i] = log->durable_at[i] = NEVER;
	for (i = 0; i < log->nr; i++) {
		const struct crash_entry *entry = &log->entries[i];
		const struct record *record = &entry->record;
		size_t from = entry->submit_idx;

		if (record->kind != RECORD_DONE || record->result < 0)
			continue;
		log->done_at[from] = i;
		if (record->op != VC_BLOCK_FLUSH && (record->flags & VC_BLOCK_FUA))
			log->durable_at[from] = i;
		/* Everything of this layer that was done before the flush was submitted. */
		for (w = 0; record->op == VC_BLOCK_FLUSH && w < from; w++)
			if (log->entries[w].record.layer == record->layer &&
			    log->done_at[w] < from && log->durable_at[w] == NEVER)
				log->durable_at[w] = i;
	}
	return 0;
}

int crash_log_read(FILE *file, enum record_layer layer, bool all_layers, struct crash_log *ret_log)
{
	struct crash_log log = { .nr = 0 };
	size_t len, at = 0, room = 0;
	int r = read_all(file, &log.bytes, &len);

	while (r == 0 && len - at >= sizeof(struct record)) {
		struct crash_entry entry = { .data = NULL };

		memcpy(&entry.record, log.bytes + at, sizeof(entry.record));
		at += sizeof(entry.record);
		if (entry.record.kind == RECORD_SUBMIT && entry.record.op == VC_BLOCK_WRITE) {
			if (len - at < entry.record.len)
				break;
			entry.data = log.bytes + at;
			at += entry.record.len;
		}
		if (all_layers || entry.record.layer == layer)
			r = add_entry(&log, &room, &entry);
	}
	if (r == 0)
		r = pair_up(&log);
	if (r == 0)
		r = find_durable(&log);
	if (r < 0)
		crash_log_free(&log);
	else
		*ret_log = log;
	return r;
}

void crash_log_free(struct crash_log *log)
{
	free(log->bytes);
	free(log->entries);
	free(log->done_at);
	free(log->durable_at);
	memset(log, 0, sizeof(*log));
}

static bool is_there(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 63;
}

static void apply(const struct crash_entry *entry, bool is_whole, uint64_t *seed, uint8_t *image,
		  uint64_t size_bytes)
{
	const struct record *record = &entry->record;
	uint64_t off = record->off, end = record->off + record->len;

	while (off < end && off < size_bytes) {
		/* Up to the end of the sector: a transfer cut short may begin in its midst. */
		uint64_t n = SECTOR - off % SECTOR;

		n = n < end - off ? n : end - off;
		if (is_whole || is_there(seed)) {
			if (entry->data)
				memcpy(image + off, entry->data + (off - record->off), n);
			else
				memset(image + off, 0, n);
		}
		off += n;
	}
}

void crash_image(const struct crash_log *log, enum record_layer layer, size_t upto, uint64_t seed,
		 uint8_t *image, uint64_t size_bytes)
{
	size_t i;

	for (i = 0; i < upto; i++) {
		const struct crash_entry *entry = &log->entries[i];

		if (entry->record.kind == RECORD_SUBMIT && entry->record.layer == layer &&
		    entry->record.op != VC_BLOCK_FLUSH)
			apply(entry, log->durable_at[i] < upto, &seed, image, size_bytes);
	}
}
