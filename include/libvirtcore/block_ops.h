/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implementing a block end, or a filter in front of another one. In-tree ends use exactly this.
 *
 * The front has checked a request before an end sees it: known operation and flags, within the disk,
 * aligned to block_size, not a change of a read-only disk, iov adding up to len, len above 0.
 */
#ifndef LIBVIRTCORE_BLOCK_OPS_H
#define LIBVIRTCORE_BLOCK_OPS_H

#include <libvirtcore/block.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Slots are mandatory unless said otherwise. */
struct vc_block_ops {
	const char *type; /* "file", "ram": static, for messages */
	/* As vc_block_attach(): what is needed for one ring; given to the slots below. */
	int (*attach)(void *end, struct vc_ring *ring, void **ret_lane);
	/* As vc_block_detach(); nothing is in flight. */
	void (*detach)(void *lane);
	/* Ring thread; must not block. Leads to one vc_block_complete(), from within or later on the
	 * same thread. The end's fields of the request are its own until then, and zero at first. */
	void (*submit)(void *lane, struct vc_block_request *req);
	/* Ring thread: completes with -ECANCELED what it has not begun; optional. */
	void (*cancel)(void *lane);
	/* As vc_block_resize(); optional. */
	int (*resize)(void *end, uint64_t size_bytes, uint64_t *ret_size_bytes);
	void (*close)(void *end); /* control thread, once; may block */
};

struct vc_block_end {
	size_t size;			      /* sizeof(struct vc_block_end) */
	const char *name;		      /* for messages, cut at 63 bytes; copied */
	const struct vc_block_ops *ops;	      /* static */
	void *end;			      /* given to them */
	const struct vc_block_info *info;     /* what it is; copied */
	struct vc_throttle *throttle, *group; /* borrowed until close; NULL = none */
};

/**
 * vc_block_create() - make a disk of an end.
 * @end: copied; what it points to is closed by vc_block_close(), or on failure left to the caller.
 * @ret_block: the disk, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (fields, mandatory slot missing; info: block_size, size_bytes no multiple of
 *          it or 0, no operations or unknown ones), -E2BIG, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_block_create(const struct vc_block_end *end, struct vc_block **ret_block);

/**
 * vc_block_complete() - give a request back.
 * @req: got by submit(); after this the end does not touch it.
 * @result: 0 or -errno.
 * Context: ring thread; runs done(), or, from within a submit(), sees to it that it runs soon.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_block_complete(struct vc_block_request *req, int result);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_BLOCK_OPS_H */
