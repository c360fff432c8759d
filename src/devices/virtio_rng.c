/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source of random bytes: the host kernel's, put straight into the guest's buffers. Runs on its
 * ring's thread; no lock, no allocation.
 *
 * A limit holds one request back at a time, by a timer; what comes behind it stays in the queue. A
 * reset or pause gives it out at once: its tokens are taken, so nothing is won by that. A request gets
 * at most 16 KiB, that others on the ring have their turn. Leaves out entropy of the embedder's own.
 * Spec: [virtio 1.3 §5.4]
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/ring_request.h>
#include <libvirtcore/throttle.h>
#include <libvirtcore/virtio.h>
#include <libvirtcore/virtio_devices.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define DEVICE_ID  4
#define QUEUE_SIZE 64u
#define BYTES_MAX  16384u
#define SLICES_MAX 64u
#define RETRY_NS   100000000ull /* the host's pool is not there yet */

struct rng {
	struct vc_virtio virtio;
	struct vc_ring *ring; /* the base holds a reference */
	struct vc_throttle *throttle;
	/* the ring's thread */
	struct vc_virtq_chain chain;
	bool is_holding; /* chain waits for its time */
	bool is_timing;	 /* timer is in flight */
	struct vc_ring_request timer;
	struct vc_slice slices[SLICES_MAX];
};

static struct rng *to_rng(struct vc_virtio *v)
{
	return vc_container_of(v, struct rng, virtio);
}

static uint64_t rng_features(struct vc_virtio *v)
{
	(void)v;
	return 0;
}

static uint64_t wanted(const struct rng *rng)
{
	return rng->chain.writable_bytes < BYTES_MAX ? rng->chain.writable_bytes : BYTES_MAX;
}

/* Fills what the request wants; bytes written, from the first on. */
static uint64_t fill(struct rng *rng)
{
	uint64_t left = wanted(rng), done = 0;

	for (uint32_t i = 0; i < rng->chain.nr_writable && done < left; i++) {
		const struct vc_slice *slice = &rng->slices[rng->chain.nr_readable + i];
		size_t len = slice->len < left - done ? (size_t)slice->len : (size_t)(left - done);

		for (size_t at = 0; at < len;) {
			ssize_t n = getrandom((uint8_t *)slice->ptr + at, len - at, GRND_NONBLOCK);

			if (n < 0 && errno != EINTR)
				return done + at;
			at += n > 0 ? (size_t)n : 0;
		}
		done += len;
	}
	return done;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void serve_held(struct rng *rng);

static void timer_done(struct vc_ring_request *req, int result)
{
	struct rng *rng = vc_container_of(req, struct rng, timer);

	(void)result; /* cancelled: the ring ends, or the device does */
	rng->is_timing = false;
	if (rng->is_holding)
		serve_held(rng);
	vc_virtio_look(&rng->virtio, 0);
}

/* False: no timer is to be had, because the ring is being stopped. */
static bool wait_until(struct rng *rng, uint64_t time_ns)
{
	rng->timer.done = timer_done;
	rng->timer.op = VC_RING_TIMER;
	rng->timer.flags = VC_RING_ABSOLUTE;
	rng->timer.off = time_ns;
	rng->is_timing = rng->is_timing || vc_ring_submit(rng->ring, &rng->timer) == 0;
	return rng->is_timing;
}

/* Gives the request that is held its bytes; one at least, or it waits for the host's pool. */
static void serve_held(struct rng *rng)
{
	uint64_t written = fill(rng);

	if (written == 0 && wanted(rng) > 0 && wait_until(rng, now_ns() + RETRY_NS))
		return;
	rng->is_holding = false;
	(void)vc_virtio_push(&rng->virtio, 0, &rng->chain, (uint32_t)written);
}

/* Takes the next request: 1 = served, 0 = held or none there. */
static int serve_next(struct rng *rng)
{
	uint64_t now, time;
	int r;

	rng->chain.slices = rng->slices;
	rng->chain.max_slices = SLICES_MAX;
	r = vc_virtio_pop(&rng->virtio, 0, &rng->chain);
	if (r <= 0)
		return 0;
	if (rng->chain.nr_readable > 0) {
		vc_virtio_break(&rng->virtio, 0);
		(void)vc_virtio_push(&rng->virtio, 0, &rng->chain, 0);
		return 0;
	}
	rng->is_holding = true;
	now = rng->throttle ? now_ns() : 0;
	time = vc_throttle_reserve(rng->throttle, 1, wanted(rng), now);
	if (time > now && wait_until(rng, time))
		return 0;
	serve_held(rng);
	return !rng->is_holding;
}

static bool rng_kick(struct vc_virtio *v, uint32_t queue)
{
	struct rng *rng = to_rng(v);

	(void)queue;
	if (rng->is_timing)
		return false;
	while (serve_next(rng) == 1)
		;
	return !rng->is_holding;
}

static void rng_quiesce(struct vc_virtio *v, uint32_t queue)
{
	struct rng *rng = to_rng(v);

	(void)queue;
	if (!rng->is_holding)
		return;
	rng->is_holding = false;
	(void)vc_virtio_push(v, 0, &rng->chain, (uint32_t)fill(rng));
}

static bool rng_release(struct vc_virtio *v, uint32_t queue)
{
	struct rng *rng = to_rng(v);

	(void)queue;
	if (rng->is_timing)
		(void)vc_ring_cancel(rng->ring, &rng->timer);
	return !rng->is_timing;
}

static int rng_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	(void)v;
	(void)writer;
	return 0;
}

static int rng_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	(void)v;
	(void)reader;
	return 0;
}

static void rng_destroy(struct vc_virtio *v)
{
	vc_virtio_fini(v);
	free(to_rng(v));
}

static const struct vc_virtio_ops rng_ops = {
	.type = "virtio-rng",
	.id = DEVICE_ID,
	.features = rng_features,
	.kick = rng_kick,
	.quiesce = rng_quiesce,
	.release = rng_release,
	.save = rng_save,
	.load = rng_load,
	.destroy = rng_destroy,
};

int vc_virtio_rng_create(const struct vc_virtio_rng_config *cfg, struct vc_virtio **ret_virtio)
{
	struct vc_virtio_rng_config c;
	struct rng *rng;
	int r = vc_config_copy(&c, sizeof(c), cfg);
	struct vc_virtio_config base = {
		.size = sizeof(base),
		.name = c.name,
		.mem = c.mem,
		.nr_queues = 1,
		.queue_size = QUEUE_SIZE,
		.rings = &c.ring,
		.nr_rings = 1,
	};

	if (r < 0)
		return r;
	if (!ret_virtio)
		return vc_error_set(-EINVAL, "virtio", c.name, "ret_virtio is needed");
	rng = calloc(1, sizeof(*rng));
	if (!rng)
		return vc_error_set(-ENOMEM, "virtio", c.name, "no memory");
	rng->ring = c.ring;
	rng->throttle = c.throttle;
	r = vc_virtio_init(&rng->virtio, &rng_ops, &base);
	if (r < 0) {
		free(rng);
		return r;
	}
	*ret_virtio = &rng->virtio;
	return 0;
}
