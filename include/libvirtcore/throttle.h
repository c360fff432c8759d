/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets: how many operations and bytes a second a disk, a network card or a group of them
 * may have. No thread, no timer and no lock: a bucket tells when something may go, its user waits.
 */
#ifndef LIBVIRTCORE_THROTTLE_H
#define LIBVIRTCORE_THROTTLE_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Over any time of t seconds at most rate * t + burst goes through, and one operation more where one
 * is larger than the whole burst. Time that nobody uses fills the burst up again.
 */
struct vc_throttle_config {
	size_t size;	      /* sizeof(struct vc_throttle_config) */
	uint64_t ops_per_s;   /* 0 = no limit; at most 1e9 */
	uint64_t bytes_per_s; /* 0 = no limit; at most 1e12 */
	uint64_t ops_burst;   /* 0 = a tenth of a second's; at most an hour's */
	uint64_t bytes_burst; /* 0 = a tenth of a second's; at most an hour's */
};

struct vc_throttle;

/**
 * vc_throttle_create() - make a pair of token buckets, both full.
 * @cfg: copied.
 * @ret_throttle: the buckets, owned by the caller; untouched on failure.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL, rate or burst out of range, a burst without its rate), -E2BIG,
 *          -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_throttle_create(const struct vc_throttle_config *cfg,
			      struct vc_throttle **ret_throttle);

/**
 * vc_throttle_destroy() - free buckets that nothing uses any more.
 * @throttle: may be NULL.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_throttle_destroy(struct vc_throttle *throttle);

/**
 * vc_throttle_set() - change the limits while they are in use; both buckets are full again.
 * @throttle: the buckets.
 * @cfg: copied.
 * Context: any thread, one at a time; does not block. What waits already is asked anew by disks of
 *          this library within a second.
 * Returns: 0, or -EINVAL, -E2BIG, as vc_throttle_create().
 * Spec: none.   Since: 0.1
 */
VC_API int vc_throttle_set(struct vc_throttle *throttle, const struct vc_throttle_config *cfg);

/**
 * vc_throttle_reserve() - take tokens now and learn when they may be used.
 * @throttle: the buckets; NULL = no limit.
 * @nr_ops: operations.
 * @bytes: bytes.
 * @now_ns: CLOCK_MONOTONIC; it may be a little old.
 * Context: any thread, several at once; never blocks. Those who come together get times one after
 *          the other, so that a group shares in the order in which it asks.
 * Returns: the time at which it may go, CLOCK_MONOTONIC; @now_ns when it may go at once.
 * Spec: [GCRA, ITU-T I.371 Annex A: virtual scheduling]   Since: 0.1
 */
VC_API uint64_t vc_throttle_reserve(struct vc_throttle *throttle, uint64_t nr_ops, uint64_t bytes,
				    uint64_t now_ns);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_THROTTLE_H */
