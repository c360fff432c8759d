/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving frames, for devices; and implementing an end, or a filter in front of one. In-tree devices
 * and ends use exactly this.
 *
 * A queue pair of an end is attached to a ring and used on its thread alone. Each frame begins with
 * the 12 bytes of struct virtio_net_hdr_v1, little-endian [virtio 1.3 §5.1.6]; num_buffers is the
 * device's and has any value.
 */
#ifndef LIBVIRTCORE_NET_OPS_H
#define LIBVIRTCORE_NET_OPS_H

#include <libvirtcore/net.h>
#include <libvirtcore/ring_request.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VC_NET_HDR_LEN	 12u
#define VC_NET_FRAME_MIN 14u
#define VC_NET_FRAME_MAX 65553u /* 65,535 bytes of IP, Ethernet, a VLAN tag; without the header */

struct vc_net_queue;

/*
 * One frame, or the slot for one. Zeroed before its first use; the library's from vc_net_receive()
 * or vc_net_send() until done(), which may hand it over again. iov and buffers stay until then.
 */
struct vc_net_request {
	/* On the ring's thread, exactly once, never from within a call on the queue. A slot: bytes
	 * received, header and all (as many as it holds: a longer frame was cut), or -ECANCELED.
	 * A frame: 0, or -EINVAL (iov, length, header), -ENETDOWN (link down), -ENOBUFS (no room
	 * with the receiver for too long), -EAGAIN, -EIO, -ECANCELED or what else the host says. */
	void (*done)(struct vc_net_request *req, int result);
	const struct iovec *iov;
	uint32_t nr_iov; /* 1 to 1024 */
	uint32_t len;	 /* the front's: sum of iov */
	/* the end's */
	struct vc_ring_request io;
	struct vc_net_request *end_next, *end_prev;
	uint32_t end_tries, end_step;
	/* the front's */
	struct vc_net_queue *queue;
	struct vc_net_request *next;
	int32_t result;
	uint8_t state, is_send;
	uint16_t reserved;
};

struct vc_net_queue_config {
	size_t size;	    /* sizeof(struct vc_net_queue_config) */
	uint32_t queue_idx; /* below nr_queues, attached once at a time */
	/* Told on the ring's thread when the link goes and comes; it counts as up at first. NULL =
	 * not told. Not from within a call on the queue. */
	void (*link_changed)(void *opaque, bool is_up);
	void *opaque;
};

/**
 * vc_net_attach() - make a queue pair of an end usable on a ring.
 * @net: the end.
 * @cfg: copied.
 * @ring: referenced until detach.
 * @ret_queue: owned by the caller; untouched on failure.
 * Context: control thread before a thread has attached to the ring, else ring thread.
 * Returns: 0, or -EINVAL (NULL, fields), -E2BIG, -EBUSY (that queue is attached), -ENOMEM, or what
 *          vc_ring_add_file() says.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_attach(struct vc_net *net, const struct vc_net_queue_config *cfg,
			 struct vc_ring *ring, struct vc_net_queue **ret_queue);

/**
 * vc_net_detach() - take a queue pair away.
 * @queue: may be NULL; has no request any more: see vc_net_cancel().
 * Context: ring thread, or any one thread before one has attached and after the ring was drained.
 * Returns: 0, or -EBUSY (requests are in flight; it stays).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_detach(struct vc_net_queue *queue);

/**
 * vc_net_receive() - give a slot for one frame. Frames are told of in the order in which they came;
 * which of the slots is used next is not defined.
 * @queue: the queue.
 * @req: iov of VC_NET_HDR_LEN + VC_NET_FRAME_MIN bytes at least.
 * Context: ring thread, callbacks included; does not block: no system call, lock or allocation.
 * Returns: 0, done() will be called; or, and it will not, -EINVAL (NULL, no done, iov, another
 *          thread), -EBUSY (in flight already), -ESHUTDOWN (the ring is stopping).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_receive(struct vc_net_queue *queue, struct vc_net_request *req);

/**
 * vc_net_send() - hand a frame over; it goes out with the ring's next batch, in order.
 * @queue: the queue.
 * @req: see struct vc_net_request; what is wrong with its iov is told to done().
 * Context: ring thread, callbacks included; does not block: no system call, lock or allocation.
 * Returns: 0, done() will be called; or, and it will not, -EINVAL (NULL, no done, another thread),
 *          -EBUSY (in flight already), -ESHUTDOWN (the ring is stopping).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_send(struct vc_net_queue *queue, struct vc_net_request *req);

/**
 * vc_net_cancel() - have all slots, and the frames that wait, come back; soon, not from within.
 * @queue: the queue; stays usable.
 * Context: ring thread, callbacks included; does not block.
 * Returns: 0, or -EINVAL (NULL, another thread).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_cancel(struct vc_net_queue *queue);

/**
 * vc_net_set_offloads() - say what frames towards the guest may leave to do.
 * @net: the end; none are on at first.
 * @offloads: among info.offloads.
 * Context: any one thread; one short system call.
 * Returns: 0, or -EINVAL (NULL, one without what it needs), -EOPNOTSUPP (not among them), or what the
 *          kernel says.
 * Spec: [virtio 1.3 §5.1.6.5.6.1]   Since: 0.1
 */
VC_API int vc_net_set_offloads(struct vc_net *net, uint32_t offloads);

/**
 * vc_net_set_queues() - use the first of the queue pairs; frames are spread over those.
 * @net: the end; all are in use at first.
 * @nr: 1 to info.nr_queues.
 * Context: any one thread; short system calls, none when nothing changes.
 * Returns: 0, or -EINVAL (NULL, nr), or what the kernel says.
 * Spec: [virtio 1.3 §5.1.6.5.5]   Since: 0.1
 */
VC_API int vc_net_set_queues(struct vc_net *net, uint32_t nr);

/**
 * vc_net_set_steering() - have a BPF program choose the queue of each frame, by which RSS is done.
 * @net: the end.
 * @bpf_fd: a program of type SOCKET_FILTER that returns a queue's number; borrowed; -1 = the kernel's
 *          own choice by flow.
 * Context: any one thread; one short system call.
 * Returns: 0, or -EINVAL (NULL, not such a program), -EBADF, -EOPNOTSUPP (the end cannot).
 * Spec: [Linux TUNSETSTEERINGEBPF]   Since: 0.1
 */
VC_API int vc_net_set_steering(struct vc_net *net, int bpf_fd);

/* Implementing an end. Slots are mandatory unless said otherwise; those with a lane run on its
 * ring's thread and must not block. */
struct vc_net_ops {
	const char *type; /* "tap", "pair": static, for messages */
	/* As vc_net_attach(); the lane is given to the slots below. */
	int (*attach)(void *end, struct vc_net_queue *queue, uint32_t queue_idx,
		      struct vc_ring *ring, void **ret_lane);
	/* As vc_net_detach(); no request is here. */
	void (*detach)(void *lane);
	/* Lead to one vc_net_complete() each, from within or later. The front has checked iov and
	 * lengths; the end's fields are its own until then, and zero at first but for io. */
	void (*receive)(void *lane, struct vc_net_request *req);
	void (*send)(void *lane, struct vc_net_request *req);
	/* As vc_net_cancel(). */
	void (*cancel)(void *lane);
	/* As the calls of these names; optional. */
	int (*set_offloads)(void *end, uint32_t offloads);
	int (*set_queues)(void *end, uint32_t nr);
	int (*set_steering)(void *end, int bpf_fd);
	int (*refresh)(void *end, struct vc_net_info *info); /* changes mtu and is_link_up */
	void (*close)(void *end);			     /* control thread, once; may block */
};

struct vc_net_end {
	size_t size;				 /* sizeof(struct vc_net_end) */
	const char *name;			 /* for messages, cut at 63 bytes; copied */
	const struct vc_net_ops *ops;		 /* static */
	void *end;				 /* given to them */
	const struct vc_net_info *info;		 /* what it is; copied */
	struct vc_throttle *rx_limit, *tx_limit; /* borrowed until close; NULL = none */
};

/**
 * vc_net_create() - make a network end of an implementation.
 * @end: copied; what it points to is closed by vc_net_close(), or on failure left to the caller.
 * @ret_net: owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (fields, mandatory slot missing, nr_queues), -E2BIG, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_create(const struct vc_net_end *end, struct vc_net **ret_net);

/**
 * vc_net_complete() - give a request back.
 * @req: got by receive() or send(); after this the end does not touch it.
 * @result: what done() is told; -ESHUTDOWN from within receive() or send() is what their caller gets.
 * Context: ring thread; runs done(), or, from within a slot of the end, sees to it that it runs soon.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_net_complete(struct vc_net_request *req, int result);

/**
 * vc_net_tell_link() - say that the link of a queue is up, or down.
 * @queue: given to attach().
 * @is_up: the same as before does nothing.
 * Context: ring thread, after attach(); runs link_changed(), or sees to it that it runs soon.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_net_tell_link(struct vc_net_queue *queue, bool is_up);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_NET_OPS_H */
