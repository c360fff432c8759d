/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network ends: what a network card sends to and receives from. A tap, that is, an interface of the
 * host, found or made; or one end of a pair, whose other end is another card of this process.
 * Moving frames, and implementing an end of your own: net_ops.h.
 */
#ifndef LIBVIRTCORE_NET_H
#define LIBVIRTCORE_NET_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_net;
struct vc_throttle;

#define VC_NET_QUEUES_MAX 256u /* queue pairs */

/* What a frame may leave for its receiver to do; told in its header. */
enum vc_net_offload {
	VC_NET_CSUM = 1u << 0, /* the checksum of TCP and UDP */
	VC_NET_TSO4 =
		1u << 1, /* up to 64 KiB of TCP in one frame, IPv4; needs CSUM, as all below */
	VC_NET_TSO6 = 1u << 2, /* the same, IPv6 */
	VC_NET_ECN = 1u << 3,  /* such frames with ECN; needs TSO4 or TSO6 */
	VC_NET_USO = 1u << 4,  /* many UDP datagrams in one frame; Linux 6.2 */
};

#define VC_NET_OFFLOADS_ALL 31u

enum vc_net_tap_mode {
	VC_NET_TAP_EXISTING = 0,   /* used as it is; one made with `ip tuntap` and an owner needs no
				    * privilege */
	VC_NET_TAP_NEW = 1,	   /* made, configured, and gone at close */
	VC_NET_TAP_PERSISTENT = 2, /* made, configured, and there until `ip link del` */
};

struct vc_net_tap_config {
	size_t size; /* sizeof(struct vc_net_tap_config) */
	enum vc_net_tap_mode mode;
	const char *ifname; /* 1 to 15 bytes; when made, NULL = "vcnet" and a number; copied */
	uint32_t nr_queues; /* queue pairs, each with a descriptor; 0 = 1 */
	uint8_t mac[6];	    /* of the guest's card; zeroes = a random one, told by info */
	bool has_offloads;  /* offer no more than these */
	uint32_t offloads;  /* enum vc_net_offload; else all that the kernel has */
	const int *fds;	    /* instead of ifname, EXISTING: nr_queues open taps (TUNSETIFF done with
			       * IFF_TAP, IFF_NO_PI, IFF_VNET_HDR); moved on success */
	bool has_netns;	    /* find or make it in another network namespace */
	int netns_fd;	    /* of /proc/PID/ns/net or the like; borrowed during the call */
	/* when made */
	bool is_down;	    /* leave it down */
	uint32_t mtu;	    /* 0 = the kernel's 1500 */
	const char *bridge; /* put it into this bridge; NULL = none */
	uint16_t vlan;	    /* untagged in this VLAN of a filtering bridge, 1 to 4094; 0 = as the
			       * bridge has it */
	bool has_owner;	    /* PERSISTENT: who may open it without privilege */
	uint32_t owner_uid;
	/* limits, borrowed until close, shared by as many as use them; NULL = none */
	struct vc_throttle *rx_limit; /* towards the guest */
	struct vc_throttle *tx_limit; /* from the guest */
};

/* What each of both ends of a pair is given. */
struct vc_net_pair_config {
	size_t size;	      /* sizeof(struct vc_net_pair_config) */
	const char *names[2]; /* for messages; NULL = "pair"; copied */
	uint8_t macs[2][6];   /* zeroes = random ones */
	uint32_t nr_queues;   /* queue pairs, number for number; 0 = 1 */
	uint32_t nr_frames;   /* held for a receiver, each queue and way, a power of two up to 4096;
				* 0 = 256. What is beyond waits with the sender. */
	uint32_t wait_ms;  /* a frame for which the receiver has no buffer for so long is dropped,
				* or a guest could stop another one's card; 0 = 100 */
	uint32_t mtu;	   /* told; 0 = 1500 */
	bool has_offloads; /* offer no more than these: nothing is computed under way, a frame
				* that leaves to do what its receiver has not accepted is dropped */
	uint32_t offloads;
	struct vc_throttle *rx_limits[2], *tx_limits[2];
};

/**
 * vc_net_open_tap() - open a tap of the host, or make one.
 * @cfg: copied; see struct vc_net_tap_config.
 * @ret_net: the end, owned by the caller; untouched on failure, when nothing that was made stays.
 * Context: control thread; may block. With has_netns the calling thread enters that namespace and
 *          is back in its own when this returns; it needs CAP_SYS_ADMIN in both.
 * Returns: 0, or -EINVAL (fields; not a tap; made for one queue, or for several), -E2BIG, -ENODEV (no
 *          such interface or bridge), -EEXIST (to be made, but there), -EBUSY (all its queues are in
 *          use), -EPERM (CAP_NET_ADMIN, or the owner), -EACCES, -ENOENT (/dev/net/tun),
 *          -ENAMETOOLONG, -EBADF (fds, netns_fd), -EOPNOTSUPP (kernel without bridges, VLANs, or
 *          several queues), -ENOMEM, -EMFILE or what else the kernel says.
 * Spec: [Linux tuntap.rst]   Since: 0.1
 */
VC_API int vc_net_open_tap(const struct vc_net_tap_config *cfg, struct vc_net **ret_net);

/**
 * vc_net_open_pair() - make two ends that are joined: what one sends the other receives.
 * @cfg: copied; see struct vc_net_pair_config.
 * @ret_nets: both ends, owned by the caller and closed in any order; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (fields), -E2BIG, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_open_pair(const struct vc_net_pair_config *cfg, struct vc_net *ret_nets[2]);

/**
 * vc_net_close() - close an end: a tap that was made for it is gone when this returns.
 * @net: may be NULL; has no queue attached any more.
 * Context: control thread; may block in close(2).
 * Returns: 0, or -EBUSY (a queue is attached; it stays open).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_close(struct vc_net *net);

struct vc_net_info {
	size_t size;	       /* sizeof(struct vc_net_info), set by the caller */
	char ifname[16];       /* of a tap, else empty */
	uint32_t nr_queues;    /* queue pairs there are */
	uint32_t nr_active;    /* of these, in use; see vc_net_set_queues() */
	uint32_t offloads;     /* enum vc_net_offload: can be switched on towards the guest */
	uint32_t offloads_now; /* switched on; see vc_net_set_offloads() */
	uint32_t tx_offloads;  /* accepted from the guest */
	uint32_t mtu;
	uint8_t mac[6];
	bool is_link_up;   /* a tap: up, and there; a pair: somebody is attached at the other end */
	bool has_steering; /* vc_net_set_steering() */
};

/**
 * vc_net_get_info() - tell abilities, address and state of an end.
 * @net: the end.
 * @ret_info: its size set; filled.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_get_info(const struct vc_net *net, struct vc_net_info *ret_info);

/**
 * vc_net_refresh() - look at the interface again: its MTU, and whether it is up. One that was deleted
 * and made anew is attached to again; queues that stood still go on.
 * @net: the end.
 * Context: control thread, not within another call on @net; may block.
 * Returns: 0, or -EINVAL (NULL), -ENODEV (the interface is not there), or what vc_net_open_tap()
 *          says of it.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_refresh(struct vc_net *net);

struct vc_net_stats {
	size_t size; /* sizeof(struct vc_net_stats), set by the caller */
	/* towards the guest and from it; bytes without the header in front */
	uint64_t nr_received, bytes_received;
	uint64_t nr_sent, bytes_sent;
	uint64_t nr_receive_errors; /* the end could not read; tried again */
	uint64_t nr_send_errors;    /* frames lost: link down, refused, no room at the peer */
	uint64_t nr_refused;	    /* of these, by a check before anything was done */
	uint64_t nr_throttled;	    /* frames that had to wait for a limit */
	uint64_t nr_resumed;	    /* interrupted, not now: tried again at once */
	uint64_t nr_link_changes;
};

/**
 * vc_net_get_stats() - sum up the counters of all queues, past ones included.
 * @net: the end.
 * @ret_stats: its size set; filled.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_net_get_stats(const struct vc_net *net, struct vc_net_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_NET_H */
