/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames copied from one tap to another, by two tap ends on one ring and by a plain loop of read and
 * write: the same taps of a network namespace of its own, which a burst has been put into before the
 * clock is started. Prints one JSON line per round: seconds of wall clock and of CPU for the burst,
 * both ways; and io_uring_enter calls per frame.
 * usage: net_copy ROUNDS FRAME_BYTES
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/net_ops.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST	  4000 /* below the length that the taps' queues are given */
#define QUEUE_LEN 4096
#define NR_SLOTS  64
#define ETHERTYPE 0x88b5

struct slot {
	struct vc_net_request in, out;
	struct iovec in_iov, out_iov;
	uint8_t buf[2048];
};

static struct vc_net_queue *from, *to;
static struct slot slots[NR_SLOTS];
static int nr_copied;

struct cost {
	double wall, cpu;
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct cost now(void)
{
	return (struct cost){ seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID) };
}

static void must(int r)
{
	if (r < 0)
		errx(1, "%s", vc_error_message());
}

static void sent(struct vc_net_request *req, int result)
{
	struct slot *slot = vc_container_of(req, struct slot, out);

	must(result);
	nr_copied++;
	must(vc_net_receive(from, &slot->in));
}

static void received(struct vc_net_request *req, int result)
{
	struct slot *slot = vc_container_of(req, struct slot, in);

	must(result);
	slot->out_iov.iov_len = (size_t)result;
	must(vc_net_send(to, &slot->out));
}

static struct cost copy_by_ring(struct vc_ring *ring)
{
	struct cost begin = now(), end;

	nr_copied = 0;
	while (nr_copied < BURST)
		must(vc_ring_step(ring, -1));
	end = now();
	return (struct cost){ end.wall - begin.wall, end.cpu - begin.cpu };
}

static struct cost copy_by_loop(const int *fds)
{
	static uint8_t buf[2048];
	struct cost begin = now(), end;

	for (int i = 0; i < BURST; i++) {
		ssize_t n = read(fds[0], buf, sizeof(buf));

		if (n < 0 || write(fds[1], buf, (size_t)n) != n)
			err(1, "read or write");
	}
	end = now();
	return (struct cost){ end.wall - begin.wall, end.cpu - begin.cpu };
}

/* Long enough for a burst, so that what is measured is the middle of it. */
static void set_queue_len(const char *ifname)
{
	struct ifreq ifr = { .ifr_qlen = QUEUE_LEN };
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(sock, SIOCSIFTXQLEN, &ifr) < 0)
		err(1, "%s", ifname);
	close(sock);
}

static int plain_tap(const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR), len = VC_NET_HDR_LEN, sock;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &len) < 0)
		err(1, "%s", ifname);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	ifr.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		err(1, "%s", ifname);
	close(sock);
	set_queue_len(ifname);
	return fd;
}

static struct vc_net_queue *tap_end(const char *ifname, struct vc_ring *ring)
{
	struct vc_net_tap_config cfg = { .size = sizeof(cfg),
					 .mode = VC_NET_TAP_NEW,
					 .ifname = ifname };
	struct vc_net_queue_config queue_cfg = { .size = sizeof(queue_cfg) };
	struct vc_net_queue *queue;
	struct vc_net *net;

	must(vc_net_open_tap(&cfg, &net));
	must(vc_net_attach(net, &queue_cfg, ring, &queue));
	set_queue_len(ifname);
	return queue;
}

static void put_burst(const char *ifname, size_t len)
{
	struct sockaddr_ll to_tap = { .sll_family = AF_PACKET,
				      .sll_ifindex = (int)if_nametoindex(ifname) };
	static uint8_t frame[2048];
	int sock = socket(AF_PACKET, SOCK_RAW, 0);

	memset(frame, 0xff, 6);
	frame[6] = 2;
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	for (int i = 0; i < BURST; i++)
		if (sendto(sock, frame, len, 0, (struct sockaddr *)&to_tap, sizeof(to_tap)) < 0)
			err(1, "%s", ifname);
	close(sock);
}

static void give_slots(void)
{
	for (int i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[i];

		slot->in_iov = (struct iovec){ slot->buf, sizeof(slot->buf) };
		slot->out_iov = slot->in_iov;
		slot->in = (struct vc_net_request){ .done = received,
						    .iov = &slot->in_iov,
						    .nr_iov = 1 };
		slot->out =
			(struct vc_net_request){ .done = sent, .iov = &slot->out_iov, .nr_iov = 1 };
		must(vc_net_receive(from, &slot->in));
	}
}

int main(int argc, char **argv)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg), .depth = 128 };
	struct vc_ring_info before = { .size = sizeof(before) }, after = before;
	int rounds = argc > 1 ? atoi(argv[1]) : 100, fds[2], fd;
	size_t len = argc > 2 ? (size_t)atoi(argv[2]) : 60;
	struct vc_ring *ring;

	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		return warn("a namespace and /dev/net/tun are needed"), 77;
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd >= 0 && write(fd, "1", 1) == 1)
		close(fd);
	must(vc_ring_create(&cfg, &ring));
	must(vc_ring_attach(ring));
	from = tap_end("from", ring);
	to = tap_end("to", ring);
	fds[0] = plain_tap("plain-from");
	fds[1] = plain_tap("plain-to");
	give_slots();
	for (int i = 0; i < rounds; i++) {
		struct cost ours, plain;

		put_burst("from", len);
		vc_ring_get_info(ring, &before);
		ours = copy_by_ring(ring);
		vc_ring_get_info(ring, &after);
		put_burst("plain-from", len);
		plain = copy_by_loop(fds);
		printf("{\"frames\": %d, \"ours\": [%.9f, %.9f], \"plain\": [%.9f, %.9f], "
		       "\"enters\": %.3f}\n",
		       BURST, ours.wall, ours.cpu, plain.wall, plain.cpu,
		       (double)(after.nr_enters - before.nr_enters) / BURST);
	}
	return 0; /* the namespace goes with everything in it */
}
