/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No notification is lost: driver and device on two threads, queue depth 1, both asking for
 * notifications only when they are about to sleep, then waiting for their eventfd and for nothing
 * else. usage: virtq_wakeup [long | NUMBER]: round trips for each kind of queue.
 *
 * Before one side publishes and the other says its wish, they meet, then go on after some
 * nanoseconds more or less, so that the two steps overlap in every way. Who waits for seconds while
 * the ring holds something for it has lost a notification.
 */
#include <libvirtcore/virtq.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "ram.h"

#define SHORT_TRIPS 100000u
#define TSAN_TRIPS  20000u
#define LONG_TRIPS  100000000u
#define TRIES	    30000u  /* looks at a bell before sleeping on its eventfd */
#define PATIENCE_MS 3000    /* of a waiting side, before it looks at the ring; then once more */
#define WAITS_MAX   40u	    /* with nothing in the ring: the other side is gone */
#define MEET_TRIES  100000u /* looks at whether the other side has come */
#define DELAY_MAX   300u    /* turns of an empty loop: about 100 ns */

#ifdef __SANITIZE_THREAD__
#define DEFAULT_TRIPS TSAN_TRIPS
#else
#define DEFAULT_TRIPS SHORT_TRIPS
#endif

/* An eventfd; who is about to sleep on it looks for a moment whether it was rung. */
struct bell {
	int fd;
	atomic_uint nr;
	unsigned int nr_heard; /* the waiting side's */
};

enum { DRIVER, DEVICE };

struct test {
	struct vc_mem *mem;
	struct driver driver;
	struct vc_virtq *vq;
	struct bell kick, call;
	uint32_t nr_trips;
	atomic_bool is_over;
	/* How often each side has come to a meeting; on lines of their own. */
	struct {
		_Alignas(64) atomic_uint nr;
	} met[2];
};

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Waits for the other side, not for ever: it may be kept from running. */
static void meet(struct test *t, int side, uint32_t *seed)
{
	unsigned int nr = atomic_load_explicit(&t->met[side].nr, memory_order_relaxed) + 1;

	atomic_store_explicit(&t->met[side].nr, nr, memory_order_release);
	for (unsigned int i = 0; i < MEET_TRIES; i++)
		if ((int)(atomic_load_explicit(&t->met[!side].nr, memory_order_acquire) - nr) >= 0)
			break;
	nr = draw(seed);
	/* Now and then so late that the other side sleeps already. */
	for (uint32_t n = nr % 64 == 0 ? 20 * DELAY_MAX : nr % DELAY_MAX; n > 0; n--)
		atomic_signal_fence(memory_order_seq_cst);
}

static void die(const char *what)
{
	fprintf(stderr, "virtq_wakeup: %s\n", what);
	_exit(1);
}

static void ring(struct bell *bell)
{
	uint64_t one = 1;

	if (write(bell->fd, &one, sizeof(one)) != sizeof(one))
		die("eventfd");
	atomic_fetch_add_explicit(&bell->nr, 1, memory_order_release);
}

static bool was_rung(struct bell *bell)
{
	uint64_t nr;

	bell->nr_heard = atomic_load_explicit(&bell->nr, memory_order_acquire);
	return read(bell->fd, &nr, sizeof(nr)) == sizeof(nr);
}

static bool sleep_on(struct bell *bell)
{
	struct pollfd p = { .fd = bell->fd, .events = POLLIN };

	return poll(&p, 1, PATIENCE_MS) > 0 && was_rung(bell);
}

/* Until it is rung; the ring is looked at only to tell why that takes so long. */
static void await(struct test *t, struct bell *bell, bool (*is_owed)(struct test *t))
{
	for (unsigned int i = 0; i < TRIES; i++)
		if (atomic_load_explicit(&bell->nr, memory_order_acquire) != bell->nr_heard &&
		    was_rung(bell))
			return;
	for (unsigned int i = 0; i < WAITS_MAX; i++) {
		if (sleep_on(bell) || (bell == &t->kick && atomic_load(&t->is_over)))
			return;
		/* Between publication and notification the other side may be kept from running. */
		if (is_owed(t) && !sleep_on(bell))
			die(bell == &t->kick ? "the device's wake-up is lost"
					     : "the driver's wake-up is lost");
	}
	die("the other side does nothing");
}

static bool owed_to_driver(struct test *t)
{
	return driver_has_used(&t->driver);
}

static bool owed_to_device(struct test *t)
{
	return vc_virtq_arm(t->vq);
}

static void *drive(void *opaque)
{
	const struct driver_buf buf = { 0x80000, 64, true };
	struct test *t = opaque;
	uint32_t seed = 1, len;

	for (uint32_t i = 0; i < t->nr_trips; i++) {
		if (driver_add(&t->driver, &buf, 1) < 0)
			die("no room for a request");
		meet(t, DRIVER, &seed);
		if (driver_publish(&t->driver))
			ring(&t->kick);
		meet(t, DRIVER, &seed);
		/* More than once when the notification was a late one. */
		while (driver_take(&t->driver, &len) < 0) {
			if (!driver_calls_on(&t->driver))
				await(t, &t->call, owed_to_driver);
			driver_calls_off(&t->driver);
		}
		if (len != i % 64)
			die("wrong length");
	}
	atomic_store(&t->is_over, true);
	ring(&t->kick);
	return NULL;
}

static void serve(struct test *t)
{
	struct vc_slice slice;
	struct vc_virtq_chain chain = { .slices = &slice, .max_slices = 1 };
	uint32_t seed = 7, nr = 0;

	meet(t, DEVICE, &seed);
	while (!atomic_load_explicit(&t->is_over, memory_order_relaxed)) {
		vc_virtq_disarm(t->vq);
		while (vc_virtq_pop(t->vq, &chain) == 1) {
			if (vc_virtq_push(t->vq, &chain, nr++ % 64) < 0)
				die("push");
			meet(t, DEVICE, &seed);
			if (vc_virtq_flush(t->vq))
				ring(&t->call);
			meet(t, DEVICE, &seed);
			if (nr % 2 == 0)
				break; /* and look in vain next time: arm() tells what is there */
		}
		if (!vc_virtq_arm(t->vq))
			await(t, &t->kick, owed_to_device);
	}
	if (vc_virtq_get_fault(t->vq) != VC_VIRTQ_SOUND)
		die(vc_virtq_fault_text(vc_virtq_get_fault(t->vq)));
}

static void run(const struct driver_config *cfg, uint32_t nr_trips)
{
	struct driver_config own = *cfg;
	struct vc_virtq_config queue = { .size = sizeof(queue), .max_size = cfg->nr };
	struct vc_virtq_layout layout = {
		.size = sizeof(layout),
		.features = (cfg->is_packed ? VC_VIRTIO_F_RING_PACKED : 0) |
			    (cfg->has_event_idx ? VC_VIRTIO_F_EVENT_IDX : 0),
		.nr_entries = cfg->nr,
	};
	static struct test t; /* address sanitizers give it too little alignment on the stack */
	struct timespec from, to;
	pthread_t thread;

	t = (struct test){ .nr_trips = nr_trips };
	t.kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.call.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.mem = ram_make(&own.ram);
	own.gpa = 0x1000;
	driver_init(&t.driver, &own);
	queue.mem = t.mem;
	layout.desc = t.driver.desc;
	layout.driver = t.driver.drv;
	layout.device = t.driver.dev;
	ram_must(vc_virtq_create(&queue, &t.vq));
	ram_must(vc_virtq_enable(t.vq, &layout));
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (pthread_create(&thread, NULL, drive, &t) != 0)
		die("no thread");
	serve(&t);
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%s%s: %u round trips, %u kicks, %u calls, %.2f us each\n",
	       cfg->is_packed ? "packed" : "split", cfg->has_event_idx ? ", event idx" : "",
	       nr_trips, atomic_load(&t.kick.nr), atomic_load(&t.call.nr),
	       ((double)(to.tv_sec - from.tv_sec) * 1e6 +
		(double)(to.tv_nsec - from.tv_nsec) / 1e3) /
		       nr_trips);
	fflush(stdout);
	vc_virtq_destroy(t.vq);
	driver_fini(&t.driver);
	vc_mem_destroy(t.mem);
	close(t.kick.fd);
	close(t.call.fd);
}

int main(int argc, char **argv)
{
	const struct driver_config kinds[] = {
		{ .nr = 1, .has_event_idx = true },
		{ .nr = 1, .has_event_idx = true, .is_packed = true },
		{ .nr = 2 },
		{ .nr = 3, .is_packed = true },
	};
	uint32_t nr = DEFAULT_TRIPS;

	if (argc > 1)
		nr = strcmp(argv[1], "long") == 0 ? LONG_TRIPS
						  : (uint32_t)strtoul(argv[1], NULL, 10);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		run(&kinds[i], nr);
	return 0;
}
