/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recording block end; see recorder.h. A test's tool: it allocates for each request.
 *
 * An answer is in the log before whoever asked can see it, a request before anything below can: what
 * follows in the log has happened later.
 */
#include "recorder.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lane {
	struct recorder *recorder;
	struct vc_block_queue *queue;
};

/* One request on its way below. */
struct passed {
	struct vc_block_request req;
	struct vc_block_request *from;
	struct recorder *recorder;
	struct record record;
};

uint64_t recorder_new_id(struct recorder *recorder)
{
	uint64_t id;

	(void)pthread_mutex_lock(&recorder->lock);
	id = recorder->next_id++;
	(void)pthread_mutex_unlock(&recorder->lock);
	return id;
}

void recorder_note(struct recorder *recorder, const struct record *record, const struct iovec *iov,
		   uint32_t nr_iov)
{
	uint64_t left = record->len;
	bool ok;

	(void)pthread_mutex_lock(&recorder->lock);
	ok = fwrite(record, sizeof(*record), 1, recorder->log) == 1;
	if (record->kind == RECORD_SUBMIT && record->op == VC_BLOCK_WRITE)
		for (uint32_t i = 0; ok && i < nr_iov && left > 0; i++) {
			size_t n = iov[i].iov_len < left ? iov[i].iov_len : (size_t)left;

			ok = n == 0 || fwrite(iov[i].iov_base, n, 1, recorder->log) == 1;
			left -= n;
		}
	recorder->has_failed |= !ok;
	(void)pthread_mutex_unlock(&recorder->lock);
}

static void passed_done(struct vc_block_request *req, int result)
{
	struct passed *passed = vc_container_of(req, struct passed, req);
	struct vc_block_request *from = passed->from;

	passed->record.kind = RECORD_DONE;
	passed->record.result = result;
	recorder_note(passed->recorder, &passed->record, NULL, 0);
	free(passed);
	vc_block_complete(from, result);
}

static void record_submit(void *opaque, struct vc_block_request *req)
{
	struct lane *lane = opaque;
	struct passed *passed = calloc(1, sizeof(*passed));
	int r;

	if (!passed) {
		vc_block_complete(req, -ENOMEM);
		return;
	}
	passed->from = req;
	passed->recorder = lane->recorder;
	passed->req = (struct vc_block_request){ .done = passed_done,
						 .op = req->op,
						 .flags = req->flags,
						 .nr_iov = req->nr_iov,
						 .off = req->off,
						 .len = req->len,
						 .iov = req->iov };
	passed->record = (struct record){ .kind = RECORD_SUBMIT,
					  .op = req->op,
					  .flags = req->flags | lane->recorder->always,
					  .id = recorder_new_id(lane->recorder),
					  .off = req->off,
					  .len = req->op == VC_BLOCK_FLUSH ? 0 : req->len };
	recorder_note(lane->recorder, &passed->record, req->iov, req->nr_iov);
	r = vc_block_submit(lane->queue, &passed->req);
	if (r < 0) {
		free(passed);
		vc_block_complete(req, r);
	}
}

static int record_attach(void *end, struct vc_ring *ring, void **ret_lane)
{
	struct recorder *recorder = end;
	struct lane *lane = calloc(1, sizeof(*lane));
	int r;

	if (!lane)
		return -ENOMEM;
	lane->recorder = recorder;
	r = vc_block_attach(recorder->below, ring, &lane->queue);
	if (r < 0) {
		free(lane);
		return r;
	}
	*ret_lane = lane;
	return 0;
}

static void record_detach(void *opaque)
{
	struct lane *lane = opaque;

	(void)vc_block_detach(lane->queue);
	free(lane);
}

static void record_cancel(void *opaque)
{
	struct lane *lane = opaque;

	(void)vc_block_cancel(lane->queue);
}

static int record_resize(void *end, uint64_t size_bytes, uint64_t *ret_size_bytes)
{
	struct recorder *recorder = end;
	struct vc_block_info info = { .size = sizeof(info) };
	int r = vc_block_resize(recorder->below, size_bytes);

	if (r == 0)
		r = vc_block_get_info(recorder->below, &info);
	if (r == 0)
		*ret_size_bytes = info.size_bytes;
	return r;
}

static void record_close(void *end)
{
	struct recorder *recorder = end;

	(void)vc_block_close(recorder->below);
	(void)pthread_mutex_destroy(&recorder->lock);
}

static const struct vc_block_ops record_ops = {
	.type = "recorder",
	.attach = record_attach,
	.detach = record_detach,
	.submit = record_submit,
	.cancel = record_cancel,
	.resize = record_resize,
	.close = record_close,
};

int recorder_create(struct recorder *recorder, struct vc_block *below, FILE *log,
		    struct vc_block **ret_block)
{
	struct vc_block_info info = { .size = sizeof(info) };
	struct vc_block_end end = { .size = sizeof(end),
				    .name = "recorder",
				    .ops = &record_ops,
				    .end = recorder,
				    .info = &info };
	int r = vc_block_get_info(below, &info);

	if (r < 0)
		return r;
	memset(recorder, 0, sizeof(*recorder));
	recorder->below = below;
	recorder->log = log;
	recorder->always = info.has_cache ? 0 : VC_BLOCK_FUA;
	(void)pthread_mutex_init(&recorder->lock, NULL);
	return vc_block_create(&end, ret_block);
}
