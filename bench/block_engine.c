/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block engine alone: DEPTH requests of BYTES each kept in flight on one ring for SECONDS, at
 * random places of a file. Prints requests a second, CPU time and system calls for each of them.
 * usage: block_engine FILE read|write writeback|none BYTES DEPTH SECONDS
 */
#include <libvirtcore/block.h>
#include <libvirtcore/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define DEPTH_MAX 1024u

struct load {
	struct vc_block_queue *queue;
	struct vc_ring *ring;
	double end;
	uint64_t seed, nr_blocks, nr_done;
	uint32_t block_bytes, nr_in_flight;
	bool is_over, has_failed;
};

struct slot {
	struct vc_block_request req;
	struct iovec iov;
	struct load *load;
};

static void fail(const char *what)
{
	fprintf(stderr, "block_engine: %s: %s\n", what, vc_error_message());
	exit(1);
}

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of the whole process: the kernel's workers for it count. */
static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void submit(struct slot *slot)
{
	struct load *load = slot->load;

	load->seed = load->seed * 6364136223846793005u + 1442695040888963407u;
	slot->req.off = (load->seed >> 20) % load->nr_blocks * load->block_bytes;
	if (vc_block_submit(load->queue, &slot->req) < 0)
		load->has_failed = true;
	else
		load->nr_in_flight++;
}

static void done(struct vc_block_request *req, int result)
{
	struct slot *slot = (struct slot *)req; /* its first member */
	struct load *load = slot->load;

	load->nr_in_flight--;
	load->has_failed |= result < 0;
	if (++load->nr_done % 256 == 0)
		load->is_over = seconds_of(CLOCK_MONOTONIC) >= load->end;
	if (!load->is_over && !load->has_failed)
		submit(slot);
	if (load->nr_in_flight == 0)
		(void)vc_ring_stop(load->ring);
}

static void prepare(struct slot *slots, struct load *load, uint32_t depth, uint8_t op)
{
	char *buffers = aligned_alloc(4096, (size_t)depth * load->block_bytes);
	uint32_t i;

	if (!buffers)
		fail("memory");
	memset(buffers, 1, (size_t)depth * load->block_bytes);
	for (i = 0; i < depth; i++) {
		slots[i].load = load;
		slots[i].iov.iov_base = buffers + (size_t)i * load->block_bytes;
		slots[i].iov.iov_len = load->block_bytes;
		slots[i].req.op = op;
		slots[i].req.done = done;
		slots[i].req.len = load->block_bytes;
		slots[i].req.iov = &slots[i].iov;
		slots[i].req.nr_iov = 1;
	}
}

int main(int argc, char **argv)
{
	static struct slot slots[DEPTH_MAX];
	struct vc_block_config cfg = { .size = sizeof(cfg),
				       .kind = VC_BLOCK_FILE,
				       .format = VC_BLOCK_RAW };
	struct vc_ring_config ring_cfg = { .size = sizeof(ring_cfg) };
	struct vc_ring_info before = { .size = sizeof(before) }, after = { .size = sizeof(after) };
	struct vc_block_info info = { .size = sizeof(info) };
	struct load load = { .seed = 1 };
	struct vc_block *block;
	struct vc_ring *ring;
	double wall, cpu;
	uint32_t depth, i;

	if (argc != 7) {
		fprintf(stderr, "usage: block_engine FILE read|write writeback|none BYTES DEPTH "
				"SECONDS\n");
		return 2;
	}
	cfg.path = argv[1];
	cfg.is_readonly = strcmp(argv[2], "read") == 0;
	cfg.cache = strcmp(argv[3], "none") == 0 ? VC_BLOCK_NONE : VC_BLOCK_WRITEBACK;
	load.block_bytes = (uint32_t)strtoul(argv[4], NULL, 10);
	depth = (uint32_t)strtoul(argv[5], NULL, 10);
	depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
	ring_cfg.depth = depth;
	if (vc_block_open(&cfg, &block) < 0 || vc_block_get_info(block, &info) < 0)
		fail("open");
	if (vc_ring_create(&ring_cfg, &ring) < 0 || vc_ring_attach(ring) < 0 ||
	    vc_block_attach(block, ring, &load.queue) < 0)
		fail("ring");
	load.nr_blocks = info.size_bytes / load.block_bytes;
	prepare(slots, &load, depth, cfg.is_readonly ? VC_BLOCK_READ : VC_BLOCK_WRITE);
	wall = seconds_of(CLOCK_MONOTONIC);
	cpu = cpu_seconds();
	(void)vc_ring_get_info(ring, &before);
	load.ring = ring;
	load.end = wall + strtod(argv[6], NULL);
	for (i = 0; i < depth; i++)
		submit(&slots[i]);
	if (vc_ring_run(ring) < 0)
		fail("run");
	(void)vc_ring_get_info(ring, &after);
	wall = seconds_of(CLOCK_MONOTONIC) - wall;
	cpu = cpu_seconds() - cpu;
	if (load.has_failed)
		fail("request");
	printf("{\"iops\": %.0f, \"cpu_us\": %.3f, \"enters\": %.4f}\n",
	       (double)load.nr_done / wall, cpu * 1e6 / (double)load.nr_done,
	       (double)(after.nr_enters - before.nr_enters) / (double)load.nr_done);
	return 0;
}
