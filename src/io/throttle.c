/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets in the form of one number each: the time at which the bucket would be full again.
 * Taking tokens moves it onwards by what they cost; as long as it lies less than a burst's worth of
 * time ahead they may be used at once, else when that is so. One compare-and-swap takes tokens, so
 * that the rings of a group share a bucket without a lock.
 *
 * Any thread. Costs are rounded up: a rate is never exceeded. Leaves out: waiting, fairness by weight.
 * Spec: [GCRA, ITU-T I.371 Annex A: virtual scheduling]
 */
#include "throttle.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <stdatomic.h>

#define OPS_MAX	  1000000000u
#define BYTES_MAX 1000000000000u
#define BURST_S	  3600u
#define NS_PER_S  1000000000u

/* Times are kept in sixteenths of a nanosecond, or 3 million operations a second would be off by a
 * thousandth; 36 years of uptime fit. */
#define TICKS	    16u
#define TICKS_PER_S ((uint64_t)NS_PER_S * TICKS)

struct bucket {
	_Atomic uint64_t full_at; /* ticks */
	_Atomic uint64_t rate;	  /* tokens a second; 0: no limit */
	_Atomic uint64_t burst;	  /* ticks that full_at may be ahead */
};

struct vc_throttle {
	struct bucket ops, bytes;
	_Atomic uint32_t generation;
};

/* Saturates: a token that costs more than the age of the machine never comes. */
static uint64_t ticks_of(uint64_t nr, uint64_t rate)
{
	unsigned __int128 ticks = ((unsigned __int128)nr * TICKS_PER_S + rate - 1) / rate;

	return ticks > INT64_MAX ? INT64_MAX : (uint64_t)ticks;
}

static void bucket_set(struct bucket *bucket, uint64_t rate, uint64_t burst)
{
	uint64_t ticks = 0;

	if (rate > 0)
		ticks = burst ? ticks_of(burst, rate) : TICKS_PER_S / 10;
	/* Relaxed: whoever meets old and new limits mixed gets one wrong time, and the generation,
	 * stored after, has the time asked for anew. */
	atomic_store_explicit(&bucket->burst, ticks, memory_order_relaxed);
	atomic_store_explicit(&bucket->rate, rate, memory_order_relaxed);
	atomic_store_explicit(&bucket->full_at, 0, memory_order_relaxed);
}

/* Takes @nr tokens; the time in ns at which they may be used. */
static uint64_t bucket_take(struct bucket *bucket, uint64_t nr, uint64_t now_ns)
{
	uint64_t rate = atomic_load_explicit(&bucket->rate, memory_order_relaxed);
	uint64_t burst = atomic_load_explicit(&bucket->burst, memory_order_relaxed);
	uint64_t full_at = atomic_load_explicit(&bucket->full_at, memory_order_relaxed);
	uint64_t now = now_ns * TICKS, cost, from, ahead;

	if (rate == 0 || nr == 0)
		return now_ns;
	cost = ticks_of(nr, rate);
	/* What is larger than the burst goes when the bucket is full, and is paid for afterwards. */
	ahead = cost < burst ? cost : burst;
	do {
		from = full_at > now ? full_at : now;
		if (from > INT64_MAX - (uint64_t)TICKS)
			return INT64_MAX / TICKS;
	} while (!atomic_compare_exchange_weak_explicit(
		&bucket->full_at, &full_at, cost > INT64_MAX - from ? INT64_MAX : from + cost,
		memory_order_relaxed, memory_order_relaxed));
	if (from + ahead <= now + burst)
		return now_ns;
	return (from + ahead - burst + TICKS - 1) / TICKS;
}

static int check_pair(const char *what, uint64_t rate, uint64_t max, uint64_t burst)
{
	if (rate > max)
		return vc_error_set(-EINVAL, "io", "throttle",
				    "%llu %s a second are too many, at most %llu",
				    (unsigned long long)rate, what, (unsigned long long)max);
	if (burst > rate * BURST_S)
		return vc_error_set(-EINVAL, "io", "throttle",
				    "a burst of %llu %s is more than an hour's at %llu a second",
				    (unsigned long long)burst, what, (unsigned long long)rate);
	return 0;
}

static int read_config(const struct vc_throttle_config *cfg, struct vc_throttle_config *ret)
{
	int r = vc_config_copy(ret, sizeof(*ret), cfg);

	if (r < 0)
		return r;
	r = check_pair("operations", ret->ops_per_s, OPS_MAX, ret->ops_burst);
	return r < 0 ? r : check_pair("bytes", ret->bytes_per_s, BYTES_MAX, ret->bytes_burst);
}

static void set_limits(struct vc_throttle *throttle, const struct vc_throttle_config *cfg)
{
	bucket_set(&throttle->ops, cfg->ops_per_s, cfg->ops_burst);
	bucket_set(&throttle->bytes, cfg->bytes_per_s, cfg->bytes_burst);
	/* Release: pairs with vc__throttle_generation(). */
	atomic_fetch_add_explicit(&throttle->generation, 1, memory_order_release);
}

uint32_t vc__throttle_generation(const struct vc_throttle *throttle)
{
	/* Acquire: pairs with set_limits(). */
	return throttle ? atomic_load_explicit(&throttle->generation, memory_order_acquire) : 0;
}

int vc_throttle_create(const struct vc_throttle_config *cfg, struct vc_throttle **ret_throttle)
{
	struct vc_throttle_config c;
	struct vc_throttle *throttle;
	int r = read_config(cfg, &c);

	if (r < 0)
		return r;
	if (!ret_throttle)
		return vc_error_set(-EINVAL, "io", "throttle", "ret_throttle is needed");
	throttle = calloc(1, sizeof(*throttle));
	if (!throttle)
		return vc_error_set(-ENOMEM, "io", "throttle", "no memory");
	set_limits(throttle, &c);
	*ret_throttle = throttle;
	return 0;
}

void vc_throttle_destroy(struct vc_throttle *throttle)
{
	free(throttle);
}

int vc_throttle_set(struct vc_throttle *throttle, const struct vc_throttle_config *cfg)
{
	struct vc_throttle_config c;
	int r = read_config(cfg, &c);

	if (r < 0)
		return r;
	if (!throttle)
		return vc_error_set(-EINVAL, "io", "throttle", "throttle is needed");
	set_limits(throttle, &c);
	return 0;
}

uint64_t vc_throttle_reserve(struct vc_throttle *throttle, uint64_t nr_ops, uint64_t bytes,
			     uint64_t now_ns)
{
	uint64_t ops_at, bytes_at;

	if (!throttle)
		return now_ns;
	ops_at = bucket_take(&throttle->ops, nr_ops, now_ns);
	bytes_at = bucket_take(&throttle->bytes, bytes, now_ns);
	return ops_at > bytes_at ? ops_at : bytes_at;
}
