/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of network ends share: frames that remember how they ended, a namespace of the
 * test's own, the host's side of a tap. */
#ifndef VC_TESTS_NET_UNIT_H
#define VC_TESTS_NET_UNIT_H

#include "ring_fixture.h"

#include <libvirtcore/net_ops.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ETHERTYPE 0x88b5 /* for experiments: nobody on the host answers */

/* A frame or a slot, in pieces that nothing is aligned to. */
struct frame {
	struct vc_net_request req;
	struct iovec iov[3];
	uint8_t buf[2048];
	unsigned int nr_done;
	int result;
};

static inline void frame_note(struct vc_net_request *req, int result)
{
	struct frame *frame = vc_container_of(req, struct frame, req);

	frame->nr_done++;
	frame->result = result;
}

/* @len bytes, header and all. */
static inline struct vc_net_request *slot(struct frame *frame, size_t len)
{
	memset(frame, 0, sizeof(*frame));
	frame->iov[0] = (struct iovec){ .iov_base = frame->buf, .iov_len = 5 };
	frame->iov[1] = (struct iovec){ .iov_base = frame->buf + 5, .iov_len = 16 };
	frame->iov[2] = (struct iovec){ .iov_base = frame->buf + 21, .iov_len = len - 21 };
	frame->req.done = frame_note;
	frame->req.iov = frame->iov;
	frame->req.nr_iov = 3;
	return &frame->req;
}

/* @len bytes of Ethernet behind an empty header, told apart by @tag. */
static inline struct vc_net_request *packet(struct frame *frame, size_t len, uint8_t tag)
{
	uint8_t *eth = frame->buf + VC_NET_HDR_LEN;

	(void)slot(frame, VC_NET_HDR_LEN + len);
	memset(eth, 0xff, 6);
	memcpy(eth + 6, "\x02\0\0\0\0\x01", 6);
	eth[12] = ETHERTYPE >> 8;
	eth[13] = ETHERTYPE & 0xff;
	memset(eth + 14, tag, len - 14);
	return &frame->req;
}

static inline uint8_t tag_of(const struct frame *frame)
{
	return frame->buf[VC_NET_HDR_LEN + 14];
}

/* Steps until done() was called, once. */
static inline int wait_frame(struct vc_ring *ring, const struct frame *frame)
{
	while (frame->nr_done == 0)
		assert_true(vc_ring_step(ring, 5000 * MS) >= 0);
	assert_int_equal(frame->nr_done, 1);
	return frame->result;
}

static inline struct vc_net_queue *attach_queue(struct vc_net *net, struct vc_ring *ring,
						uint32_t idx)
{
	struct vc_net_queue_config cfg = { .size = sizeof(cfg), .queue_idx = idx };
	struct vc_net_queue *queue = NULL;

	assert_result(vc_net_attach(net, &cfg, ring, &queue), 0);
	return queue;
}

static inline struct vc_net_info net_info(const struct vc_net *net)
{
	struct vc_net_info info = { .size = sizeof(info) };

	assert_result(vc_net_get_info(net, &info), 0);
	return info;
}

static inline struct vc_net_stats net_stats(const struct vc_net *net)
{
	struct vc_net_stats stats = { .size = sizeof(stats) };

	assert_result(vc_net_get_stats(net, &stats), 0);
	return stats;
}

/* Taps */

static inline void skip_without(const char *what)
{
	print_message("SKIP: %s: %s\n", what, strerror(errno));
	exit(77);
}

/* A network namespace for this process alone: what the test makes is seen by nobody, and gone with
 * it. IPv6 would send by itself. */
static inline void own_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip_without("no network namespace");
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip_without("/dev/net/tun");
	close(fd);
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
}

static inline struct vc_net *new_tap(struct vc_net_tap_config cfg)
{
	struct vc_net *net = NULL;

	cfg.size = sizeof(cfg);
	cfg.mode = cfg.mode ? cfg.mode : VC_NET_TAP_NEW;
	assert_result(vc_net_open_tap(&cfg, &net), 0);
	return net;
}

static inline int set_flags(const char *ifname, bool is_up)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;
	struct ifreq ifr = { .ifr_flags = 0 };

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	assert_int_equal(ioctl(sock, SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags = (short)(is_up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	r = ioctl(sock, SIOCSIFFLAGS, &ifr);
	close(sock);
	return r;
}

static inline bool is_interface(const char *ifname)
{
	return if_nametoindex(ifname) != 0;
}

/* The host's side: what is sent here the tap receives, and the other way round. */
static inline int host_of(const char *ifname)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETHERTYPE),
				    .sll_ifindex = (int)if_nametoindex(ifname) };
	struct timeval limit = { .tv_sec = 5 };
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE));

	assert_true(sock >= 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return sock;
}

static inline void host_sends(int sock, size_t len, uint8_t tag)
{
	struct frame frame;

	(void)packet(&frame, len, tag);
	assert_int_equal(send(sock, frame.buf + VC_NET_HDR_LEN, len, 0), (ssize_t)len);
}

/* The tag of the next frame from the guest. */
static inline int host_receives(int sock, size_t len)
{
	uint8_t buf[2048];
	struct sockaddr_ll from;
	socklen_t from_len;
	ssize_t n;

	do {
		from_len = sizeof(from);
		n = recvfrom(sock, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);
	} while (n >= 0 && from.sll_pkttype == PACKET_OUTGOING); /* those of host_sends() */
	assert_int_equal(n, len);
	return buf[14];
}

static inline unsigned int nr_open_fds(void)
{
	unsigned int nr = 0;

	for (int fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

#endif /* VC_TESTS_NET_UNIT_H */
