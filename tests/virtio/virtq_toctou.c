/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that changes its mind: a second thread rewrites rings, descriptors, tables and event words
 * while the device pops, reads, writes and pushes. usage: virtq_toctou [long]
 *
 * Whatever is popped must be sound in itself: lengths that add up, slices that lie in RAM, their
 * pointers where their addresses say. When the queue breaks it is set up anew. Built with sanitizers
 * it also tells of every access outside of guest memory.
 */
#include <libvirtcore/virtq.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "driver.h"
#include "ram.h"

#define NR	   16u
#define MAX_SLICES 24u
#define QUEUE_GPA  UINT64_C(0x1000)
#define DATA_GPA   UINT64_C(0x80000)
#define SHORT_POPS 2000000u
#define LONG_POPS  100000000u

struct test {
	struct vc_mem *mem;
	struct driver driver;
	struct vc_virtq *vq;
	struct vc_virtq_layout layout;
	atomic_bool is_over;
	uint64_t nr_popped, nr_broken;
};

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "virtq_toctou: %s\n", what);
	abort();
}

/* What a field may be changed to: mostly good, in some way. */
static uint64_t pick(uint32_t *seed)
{
	const uint64_t picks[] = { 0,	       1,	   NR - 1,	 NR,	   16,
				   32,	       DATA_GPA,   MORE_GPA - 8, ROM_GPA,  RAM_END - 1,
				   UINT64_MAX, UINT32_MAX, 0x7fff,	 1u << 16, 2u << 16 };

	return picks[draw(seed) % (sizeof(picks) / sizeof(picks[0]))];
}

/* A field of the ring or of a table: addresses, lengths, flags, indices, each of its own width. */
static void *rewrite(void *opaque)
{
	struct test *t = opaque;
	uint8_t *ram = t->driver.cfg.ram;
	uint32_t seed = 3;

	while (!atomic_load_explicit(&t->is_over, memory_order_relaxed)) {
		uint64_t gpa = t->driver.desc + draw(&seed) % (t->driver.end - t->driver.desc);
		uint64_t value = pick(&seed);
		uint64_t flip = 1ull << draw(&seed) % 16;

		switch (draw(&seed) % 8) {
		case 0:
			atomic_store_explicit((_Atomic uint64_t *)(void *)(ram + (gpa & ~7ull)),
					      value, memory_order_relaxed);
			break;
		case 1:
			atomic_store_explicit((_Atomic uint32_t *)(void *)(ram + (gpa & ~3ull)),
					      (uint32_t)value, memory_order_relaxed);
			break;
		case 2:
			atomic_store_explicit((_Atomic uint16_t *)(void *)(ram + (gpa & ~1ull)),
					      (uint16_t)value, memory_order_relaxed);
			break;
		case 3:
			atomic_fetch_xor_explicit((_Atomic uint16_t *)(void *)(ram + (gpa & ~1ull)),
						  (uint16_t)flip, memory_order_relaxed);
			break;
		default: /* lengths that are all good, but not the same */
			gpa = t->driver.desc + 16 * (gpa % NR) + 8;
			atomic_store_explicit((_Atomic uint32_t *)(void *)(ram + gpa),
					      1 + (uint32_t)flip % 64, memory_order_relaxed);
		}
	}
	return NULL;
}

static void check(const struct test *t, const struct vc_virtq_chain *chain)
{
	uint64_t bytes[2] = { 0, 0 };

	must(chain->nr_readable + chain->nr_writable <= MAX_SLICES, "too many slices");
	must(chain->id < NR, "id beyond the ring");
	for (uint32_t i = 0; i < chain->nr_readable + chain->nr_writable; i++) {
		const struct vc_slice *s = &chain->slices[i];
		bool is_writable = i >= chain->nr_readable;

		must(s->len > 0 && s->gpa < RAM_END && s->len <= RAM_END - s->gpa,
		     "a slice beyond memory");
		must(!is_writable || s->gpa + s->len <= ROM_GPA, "ROM to be written");
		must(s->perm == (is_writable ? VC_PERM_WRITE : VC_PERM_READ), "permission");
		must(s->gpa >= RAM_BYTES || s->ptr == (void *)(t->driver.cfg.ram + s->gpa),
		     "pointer and address differ");
		bytes[is_writable] += s->len;
	}
	must(bytes[0] == chain->readable_bytes && bytes[1] == chain->writable_bytes,
	     "lengths do not add up");
}

static void fill(struct test *t, uint32_t *seed)
{
	struct driver_buf bufs[3];
	uint32_t nr = 1 + draw(seed) % 3;

	for (uint32_t i = 0; i < nr; i++)
		bufs[i] = (struct driver_buf){ DATA_GPA + 64 * i, 64, i > 0 };
	(void)driver_add(&t->driver, bufs, nr);
	(void)driver_publish(&t->driver);
}

/* The ring cannot be trusted any more, on either side: all anew. */
static void restart(struct test *t)
{
	vc_virtq_disable(t->vq);
	driver_restart(&t->driver);
	(void)vc_virtq_enable(t->vq, &t->layout);
}

static void serve(struct test *t, uint32_t nr_pops)
{
	struct vc_slice slices[NR][MAX_SLICES];
	struct vc_virtq_chain held[NR];
	uint8_t header[16] = { 0 };
	uint32_t seed = 9, nr_held = 0;

	/* On until the other thread has had its say, should this one have run alone at first. */
	for (uint32_t i = 0; i < nr_pops || t->nr_broken < 100; i++) {
		struct vc_virtq_chain *chain = &held[nr_held];
		int r;

		fill(t, &seed);
		*chain = (struct vc_virtq_chain){ .slices = slices[nr_held],
						  .max_slices = MAX_SLICES };
		r = vc_virtq_pop(t->vq, chain);
		if (r == 1) {
			check(t, chain);
			(void)vc_virtq_read(chain, 0, header, sizeof(header));
			(void)vc_virtq_write(chain, 0, header, sizeof(header));
			t->nr_popped++;
			nr_held++;
		}
		if (nr_held == NR || r != 1 || draw(&seed) % 4 == 0)
			for (; nr_held > 0; nr_held--)
				(void)vc_virtq_push(t->vq, &held[nr_held - 1], 0);
		(void)vc_virtq_flush(t->vq);
		(void)vc_virtq_arm(t->vq);
		t->nr_broken += r < 0;
		if (r < 0 || i % 32 == 0)
			restart(t);
	}
	for (; nr_held > 0; nr_held--)
		(void)vc_virtq_push(t->vq, &held[nr_held - 1], 0);
	must(vc_virtq_in_flight(t->vq) == 0, "requests are lost");
}

static void run(const struct driver_config *cfg, uint32_t nr_pops)
{
	struct vc_virtq_config queue = { .size = sizeof(queue), .max_size = NR };
	struct driver_config own = *cfg;
	struct test t = { 0 };
	pthread_t thread;

	t.mem = ram_make(&own.ram);
	own.gpa = QUEUE_GPA;
	driver_init(&t.driver, &own);
	queue.mem = t.mem;
	ram_must(vc_virtq_create(&queue, &t.vq));
	t.layout = (struct vc_virtq_layout){
		.size = sizeof(t.layout),
		.features = VC_VIRTIO_F_EVENT_IDX | VC_VIRTIO_F_INDIRECT_DESC |
			    (cfg->is_packed ? VC_VIRTIO_F_RING_PACKED : 0) |
			    (cfg->is_in_order ? VC_VIRTIO_F_IN_ORDER : 0),
		.nr_entries = NR,
		.desc = t.driver.desc,
		.driver = t.driver.drv,
		.device = t.driver.dev,
	};
	must(pthread_create(&thread, NULL, rewrite, &t) == 0, "no thread");
	serve(&t, nr_pops);
	atomic_store(&t.is_over, true);
	pthread_join(thread, NULL);
	printf("%s: %llu popped, %llu times broken\n", cfg->is_packed ? "packed" : "split",
	       (unsigned long long)t.nr_popped, (unsigned long long)t.nr_broken);
	must(t.nr_popped > nr_pops / 100, "nothing was tried");
	vc_virtq_destroy(t.vq);
	driver_fini(&t.driver);
	vc_mem_destroy(t.mem);
}

int main(int argc, char **argv)
{
	const struct driver_config kinds[] = {
		{ .nr = NR, .has_event_idx = true },
		{ .nr = NR, .has_event_idx = true, .indirect = 3 },
		{ .nr = NR, .has_event_idx = true, .is_packed = true },
		{ .nr = NR,
		  .has_event_idx = true,
		  .is_packed = true,
		  .is_in_order = true,
		  .indirect = 3 },
	};
	bool is_long = argc > 1 && strcmp(argv[1], "long") == 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		run(&kinds[i], (is_long ? LONG_POPS : SHORT_POPS) / 4);
	return 0;
}
