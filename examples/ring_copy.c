/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies a file with a ring of its own thread: 16 slots, each reads a piece, writes it, takes the
 * next; when all are through, one flush. Links only the io layer. Where io_uring is forbidden the
 * same program runs on four worker threads.
 *
 * usage: ring_copy FROM TO
 */
#include <libvirtcore/error.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/ring_request.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NR_SLOTS    16u
#define PIECE_BYTES 262144u

struct copy;

/* One piece on its way: the request is first a read, then a write, then a read again. */
struct slot {
	struct vc_ring_request req;
	struct copy *copy;
	uint32_t left; /* bytes of the piece that have not been read, then written */
	uint8_t buf[PIECE_BYTES];
};

struct copy {
	struct vc_ring *ring;
	uint32_t from, to; /* handles */
	uint64_t next_off, len;
	unsigned int nr_busy;
	int err;
	struct vc_ring_request flush;
	struct slot slots[NR_SLOTS];
};

static void piece_done(struct vc_ring_request *req, int res);

static void end(struct copy *copy, int err)
{
	if (err < 0 && copy->err == 0)
		copy->err = err;
	if (--copy->nr_busy == 0)
		(void)vc_ring_stop(copy->ring);
}

static void submit(struct copy *copy, struct vc_ring_request *req)
{
	int r = vc_ring_submit(copy->ring, req);

	if (r < 0)
		end(copy, r);
}

static void next_piece(struct slot *slot)
{
	struct copy *copy = slot->copy;
	uint64_t left = copy->len - copy->next_off;

	if (left == 0 || copy->err < 0) {
		if (copy->nr_busy == 1 && copy->err == 0)
			submit(copy, &copy->flush);
		else
			end(copy, 0);
		return;
	}
	slot->left = left < PIECE_BYTES ? (uint32_t)left : PIECE_BYTES;
	slot->req = (struct vc_ring_request){ .done = piece_done,
					      .op = VC_RING_READ,
					      .file = copy->from,
					      .buf = slot->buf,
					      .len = slot->left,
					      .off = copy->next_off };
	copy->next_off += slot->left;
	submit(copy, &slot->req);
}

/* Less than asked is no error: the rest of the piece is asked for again. */
static void piece_done(struct vc_ring_request *req, int res)
{
	struct slot *slot = vc_container_of(req, struct slot, req);

	if (res <= 0) {
		end(slot->copy, res < 0 ? res : -ENODATA); /* the file became shorter */
		return;
	}
	slot->left -= (uint32_t)res;
	req->off += (uint64_t)res;
	req->buf = (uint8_t *)req->buf + res;
	req->len = slot->left;
	if (slot->left == 0 && req->op == VC_RING_WRITE) {
		next_piece(slot);
		return;
	}
	if (slot->left == 0) { /* read in full: now write it */
		slot->left = req->len = (uint32_t)((uint8_t *)req->buf - slot->buf);
		req->off -= slot->left;
		req->buf = slot->buf;
		req->op = VC_RING_WRITE;
		req->file = slot->copy->to;
	}
	submit(slot->copy, req);
}

static void flush_done(struct vc_ring_request *req, int res)
{
	end(vc_container_of(req, struct copy, flush), res);
}

static int run(struct copy *copy)
{
	int r = vc_ring_attach(copy->ring);

	if (r < 0)
		return r;
	copy->flush.done = flush_done;
	copy->flush.op = VC_RING_FDATASYNC;
	copy->flush.file = copy->to;
	copy->nr_busy = NR_SLOTS;
	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		copy->slots[i].copy = copy;
		next_piece(&copy->slots[i]);
	}
	r = vc_ring_run(copy->ring);
	return r < 0 ? r : copy->err;
}

static int copy_file(struct copy *copy, int from, int to)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg), .name = "copy", .nr_workers = 4 };
	struct vc_ring_info info = { .size = sizeof(info) };
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return -errno;
	copy->len = (uint64_t)st.st_size;
	if ((r = vc_ring_create(&cfg, &copy->ring)) < 0 ||
	    (r = vc_ring_add_file(copy->ring, from, 0, &copy->from)) < 0 ||
	    (r = vc_ring_add_file(copy->ring, to, 0, &copy->to)) < 0 || (r = run(copy)) < 0)
		return r;
	(void)vc_ring_get_info(copy->ring, &info);
	printf("%" PRIu64 " bytes by %s: %" PRIu64 " requests, %" PRIu64 " system calls\n",
	       copy->len, vc_ring_mode_name(info.mode), info.nr_completed, info.nr_enters);
	return 0;
}

int main(int argc, char **argv)
{
	struct copy *copy = calloc(1, sizeof(*copy));
	int from = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int to = from < 0 ? -1 : open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = copy && to >= 0 ? copy_file(copy, from, to) : -errno;

	if (argc != 3)
		fprintf(stderr, "usage: ring_copy FROM TO\n");
	else if (r < 0)
		fprintf(stderr, "ring_copy: %s; %s\n", strerror(-r), vc_error_message());
	if (copy)
		vc_ring_put(copy->ring);
	free(copy);
	return argc == 3 && r == 0 ? 0 : 1;
}
