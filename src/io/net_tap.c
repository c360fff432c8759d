/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening taps: found or made, in this or another network namespace, with as many descriptors as
 * queues; what they can do is found out by trying. Control thread. net_link.c configures what was
 * made, net_tap_io.c moves frames.
 *
 * Every tap has a virtio header of 12 bytes in front of a frame, in little-endian. One that was made
 * is gone with its last descriptor, bridge and VLAN with it; so a failure half way leaves nothing, and
 * a persistent one is made so as the last step. [Linux tuntap.rst] [Linux if_tun.h]
 */
#include "net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net_link.h"

/* Linux 6.2; older headers lack them. */
#define TUN_USO4 0x20u
#define TUN_USO6 0x40u

#define VLAN_MAX    4094u
#define MTU_DEFAULT 1500u

static const char device[] = "/dev/net/tun";

/* configuration */

static int check_fds(const struct vc_net_tap_config *cfg)
{
	if (!cfg->fds)
		return 0;
	if (cfg->mode != VC_NET_TAP_EXISTING || cfg->ifname || cfg->has_netns)
		return vc_error_set(-EINVAL, "io", "tap",
				    "fds are of an existing tap: no ifname, no netns");
	for (uint32_t i = 0; i < cfg->nr_queues; i++)
		if (fcntl(cfg->fds[i], F_GETFD) < 0)
			return vc_error_set(-EBADF, "io", "tap", "fd %d is not open", cfg->fds[i]);
	return 0;
}

static int check_made(const struct vc_net_tap_config *cfg, const char *name)
{
	bool is_made = cfg->mode != VC_NET_TAP_EXISTING;

	if ((unsigned int)cfg->mode > VC_NET_TAP_PERSISTENT)
		return vc_error_set(-EINVAL, "io", name, "mode %d is unknown", (int)cfg->mode);
	if (!is_made && (cfg->is_down || cfg->mtu || cfg->bridge || cfg->vlan))
		return vc_error_set(-EINVAL, "io", name,
				    "an existing tap is used as it is: no mtu, bridge, vlan");
	if (cfg->has_owner && cfg->mode != VC_NET_TAP_PERSISTENT)
		return vc_error_set(-EINVAL, "io", name, "only a persistent tap has an owner");
	if (cfg->vlan > VLAN_MAX || (cfg->vlan && !cfg->bridge))
		return vc_error_set(-EINVAL, "io", name, "vlan %u, expected 1 to %u, and a bridge",
				    cfg->vlan, VLAN_MAX);
	return 0;
}

static int check_config(const struct vc_net_tap_config *cfg)
{
	const char *name = cfg->ifname ? cfg->ifname : "tap";

	if (cfg->ifname && strlen(cfg->ifname) >= IFNAMSIZ)
		return vc_error_set(-ENAMETOOLONG, "io", name,
				    "the name of an interface has at most %d bytes", IFNAMSIZ - 1);
	if (cfg->ifname && (!*cfg->ifname || strpbrk(cfg->ifname, "/% \t\n:")))
		return vc_error_set(-EINVAL, "io", name, "is no name of an interface");
	if (!cfg->ifname && !cfg->fds && cfg->mode == VC_NET_TAP_EXISTING)
		return vc_error_set(-EINVAL, "io", name, "an existing tap needs ifname, or fds");
	if (cfg->nr_queues > VC_NET_QUEUES_MAX)
		return vc_error_set(-EINVAL, "io", name, "%u queues, at most %u", cfg->nr_queues,
				    VC_NET_QUEUES_MAX);
	return check_made(cfg, name);
}

/* descriptors */

static int open_device(const char *ifname)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return vc_error_set(-ENOENT, "io", ifname,
				    "%s is not there: is the kernel's module tun loaded?", device);
	return vc_error_set(errno == EPERM ? -EACCES : -errno, "io", ifname, "%s: %s", device,
			    strerrordesc_np(errno));
}

static int open_fds(struct vc__tap *tap)
{
	for (uint32_t i = 0; i < tap->nr_queues; i++) {
		tap->fds[i] = open_device(tap->ifname);
		if (tap->fds[i] < 0)
			return tap->fds[i];
	}
	tap->sock = vc__net_link_socket();
	return tap->sock < 0 ? vc_error_set(tap->sock, "io", tap->ifname, "no routing socket: %s",
					    strerrordesc_np(-tap->sock))
			     : 0;
}

/* Both kinds of descriptor keep the namespace in which they were opened. */
static int open_fds_there(struct vc__tap *tap, const struct vc_net_tap_config *cfg)
{
	int own = -1, r, back;

	if (!cfg->has_netns)
		return open_fds(tap);
	r = vc__net_link_enter(cfg->netns_fd, &own);
	if (r < 0)
		return r;
	r = open_fds(tap);
	back = vc__net_link_leave(own);
	return back < 0 ? back : r;
}

static int refuse_iff(const struct vc__tap *tap, int err, bool is_new)
{
	const char *name = tap->ifname;

	switch (err) {
	case -EBUSY:
		return is_new ? vc_error_set(-EEXIST, "io", name, "is there already")
			      : vc_error_set(-EBUSY, "io", name,
					     "is in use: all its queues are attached");
	case -E2BIG:
		return vc_error_set(-EBUSY, "io", name, "is in use: no queue is left");
	case -EPERM:
		return vc_error_set(-EPERM, "io", name,
				    is_new ? "a tap cannot be made without CAP_NET_ADMIN"
					   : "belongs to somebody else, and CAP_NET_ADMIN is not "
					     "there: `ip tuntap add %s mode tap user NAME`",
				    name);
	case -EINVAL:
		if (!is_new)
			return vc__net_link_refuse(tap->sock, name, tap->nr_queues > 1);
		/* fallthrough */
	default:
		return vc_error_set(err, "io", name, "is refused as a tap: %s",
				    strerrordesc_np(-err));
	}
}

static int set_iff(int fd, const char *ifname, int flags, struct ifreq *ifr)
{
	*ifr = (struct ifreq){
		.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags),
	};
	(void)snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	return ioctl(fd, TUNSETIFF, ifr) < 0 ? -errno : 0;
}

/* Attaches every descriptor; the interface is there, or with @is_new comes into being. */
static int join(struct vc__tap *tap, bool is_new)
{
	int flags = tap->nr_queues > 1 ? IFF_MULTI_QUEUE : 0, r = 0;
	struct ifreq ifr;

	if (!is_new && vc__net_link_index(tap->sock, tap->ifname) < 0)
		return vc_error_set(-ENODEV, "io", tap->ifname, "there is no such interface");
	for (uint32_t i = 0; i < tap->nr_queues; i++) {
		r = set_iff(tap->fds[i], tap->ifname, flags | (is_new && i == 0 ? IFF_TUN_EXCL : 0),
			    &ifr);
		/* One queue of an interface that was made for many. */
		if (r == -EINVAL && tap->nr_queues == 1 && !is_new)
			r = set_iff(tap->fds[i], tap->ifname, IFF_MULTI_QUEUE, &ifr);
		if (r < 0)
			return refuse_iff(tap, r, is_new && i == 0);
		memcpy(tap->ifname, ifr.ifr_name, sizeof(tap->ifname));
	}
	return 0;
}

/* What others opened. */
static int adopt_fd(struct vc__tap *tap, uint32_t i, int fd)
{
	const unsigned int wanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq ifr = { .ifr_flags = 0 };

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return vc_error_set(-EINVAL, "io", "tap", "fd %d is no tap: %s", fd,
				    strerrordesc_np(errno));
	if (((unsigned int)ifr.ifr_flags & wanted) != wanted)
		return vc_error_set(-EINVAL, "io", ifr.ifr_name,
				    "fd %d needs IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", fd);
	if (i > 0 && strncmp(tap->ifname, ifr.ifr_name, sizeof(tap->ifname)) != 0)
		return vc_error_set(-EINVAL, "io", tap->ifname, "fd %d is of %s", fd, ifr.ifr_name);
	if (fcntl(fd, F_SETFL, O_RDWR) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return vc_error_set(-errno, "io", ifr.ifr_name, "fd %d: %s", fd,
				    strerrordesc_np(errno));
	memcpy(tap->ifname, ifr.ifr_name, sizeof(tap->ifname));
	return 0;
}

/* abilities */

static uint32_t kernel_offloads(uint32_t offloads)
{
	return (offloads & VC_NET_CSUM ? TUN_F_CSUM : 0u) |
	       (offloads & VC_NET_TSO4 ? TUN_F_TSO4 : 0u) |
	       (offloads & VC_NET_TSO6 ? TUN_F_TSO6 : 0u) |
	       (offloads & VC_NET_ECN ? TUN_F_TSO_ECN : 0u) |
	       (offloads & VC_NET_USO ? TUN_USO4 | TUN_USO6 : 0u);
}

static int set_offloads(void *end, uint32_t offloads)
{
	struct vc__tap *tap = end;

	if (ioctl(tap->fds[0], TUNSETOFFLOAD, (unsigned long)kernel_offloads(offloads)) < 0)
		return vc_error_set(errno == EINVAL ? -EOPNOTSUPP : -errno, "io", tap->ifname,
				    "offloads 0x%x: %s", offloads, strerrordesc_np(errno));
	tap->offloads = offloads;
	return 0;
}

static int set_header(const struct vc__tap *tap)
{
	int len = VC_NET_HDR_LEN, is_le = 1;

	if (ioctl(tap->fds[0], TUNSETVNETHDRSZ, &len) < 0)
		return vc_error_set(-errno, "io", tap->ifname, "no header of %d bytes: %s", len,
				    strerrordesc_np(errno));
	if (ioctl(tap->fds[0], TUNSETVNETLE, &is_le) < 0)
		return vc_error_set(-errno, "io", tap->ifname, "no little-endian header: %s",
				    strerrordesc_np(errno));
	return 0;
}

/* Each is tried with what it needs; none is on afterwards. */
static int probe_offloads(struct vc__tap *tap, uint32_t wanted, uint32_t *ret_offloads)
{
	static const uint32_t tries[] = {
		VC_NET_CSUM,
		VC_NET_CSUM | VC_NET_TSO4,
		VC_NET_CSUM | VC_NET_TSO6,
		VC_NET_CSUM | VC_NET_TSO4 | VC_NET_ECN,
		VC_NET_CSUM | VC_NET_TSO6 | VC_NET_ECN,
		VC_NET_CSUM | VC_NET_USO,
	};
	uint32_t found = 0;
	int r;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		if (!(tries[i] & ~wanted) && set_offloads(tap, tries[i]) == 0)
			found |= tries[i];
	r = set_offloads(tap, 0);
	*ret_offloads = found;
	return r;
}

static int switch_queue(const struct vc__tap *tap, uint32_t i, bool is_on)
{
	struct ifreq ifr = { .ifr_flags = is_on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (ioctl(tap->fds[i], TUNSETQUEUE, &ifr) < 0)
		return vc_error_set(-errno, "io", tap->ifname, "queue %u cannot be switched %s: %s",
				    i, is_on ? "on" : "off", strerrordesc_np(errno));
	return 0;
}

/* The last goes first and comes last: the others keep their numbers. */
static int set_queues(void *end, uint32_t nr)
{
	struct vc__tap *tap = end;
	int r = 0;

	while (r == 0 && tap->nr_active > nr) {
		r = switch_queue(tap, tap->nr_active - 1, false);
		tap->nr_active -= r == 0;
	}
	while (r == 0 && tap->nr_active < nr) {
		r = switch_queue(tap, tap->nr_active, true);
		tap->nr_active += r == 0;
	}
	return r;
}

static int set_steering(void *end, int bpf_fd)
{
	const struct vc__tap *tap = end;

	if (ioctl(tap->fds[0], TUNSETSTEERINGEBPF, &bpf_fd) == 0)
		return 0;
	return vc_error_set(errno == ENOTTY ? -EOPNOTSUPP : -errno, "io", tap->ifname,
			    "fd %d does not steer: %s", bpf_fd, strerrordesc_np(errno));
}

/* refresh and close */

bool vc__tap_is_up(const struct vc__tap *tap)
{
	if (atomic_load_explicit(&tap->is_gone, memory_order_relaxed))
		return false;
	return tap->is_foreign || vc__net_link_is_up(tap->sock, tap->ifname) > 0;
}

/* A descriptor stays good when its interface is deleted, and takes another one of the name. */
static int rejoin(struct vc__tap *tap)
{
	uint32_t nr_active = tap->nr_active;
	struct ifreq ifr;
	int r;

	if (ioctl(tap->fds[0], TUNGETIFF, &ifr) == 0)
		return 0;
	r = join(tap, false);
	if (r < 0)
		return r;
	tap->nr_active = tap->nr_queues;
	r = set_header(tap);
	if (r == 0)
		r = set_offloads(tap, tap->offloads);
	return r < 0 ? r : set_queues(tap, nr_active);
}

static int refresh(void *end, struct vc_net_info *info)
{
	struct vc__tap *tap = end;
	int r = rejoin(tap);

	if (r < 0)
		return r;
	/* Relaxed: a ring that sees it late looks again in a moment. */
	atomic_store_explicit(&tap->is_gone, false, memory_order_relaxed);
	r = vc__net_link_mtu(tap->sock, tap->ifname);
	if (r > 0)
		info->mtu = (uint32_t)r;
	info->is_link_up = vc__tap_is_up(tap);
	return 0;
}

/* It goes with its last descriptor, but a ring that has stopped keeps its own for a while. */
static void remove_made(const struct vc__tap *tap)
{
	struct ifreq ifr;

	if (ioctl(tap->fds[0], TUNGETIFF, &ifr) == 0 &&
	    vc__net_link_index(tap->sock, ifr.ifr_name) == tap->made_index)
		(void)vc__net_link_remove(tap->sock, tap->made_index);
}

static void close_tap(void *end)
{
	struct vc__tap *tap = end;

	if (tap->made_index > 0)
		remove_made(tap);
	for (uint32_t i = 0; i < tap->nr_queues; i++)
		if (tap->fds[i] >= 0)
			(void)close(tap->fds[i]);
	if (tap->sock >= 0)
		(void)close(tap->sock);
	free(tap);
}

static const struct vc_net_ops tap_ops = {
	.type = "tap",
	.attach = vc__tap_attach,
	.detach = vc__tap_detach,
	.receive = vc__tap_receive,
	.send = vc__tap_send,
	.cancel = vc__tap_cancel,
	.set_offloads = set_offloads,
	.set_queues = set_queues,
	.set_steering = set_steering,
	.refresh = refresh,
	.close = close_tap,
};

/* open */

static int open_tap(struct vc__tap *tap, const struct vc_net_tap_config *cfg)
{
	bool is_new = cfg->mode != VC_NET_TAP_EXISTING;
	int r;

	if (!cfg->fds) {
		(void)snprintf(tap->ifname, sizeof(tap->ifname), "%s",
			       cfg->ifname ? cfg->ifname : "vcnet%d");
		r = open_fds_there(tap, cfg);
		return r < 0 ? r : join(tap, is_new);
	}
	tap->sock = vc__net_link_socket();
	if (tap->sock < 0)
		return vc_error_set(tap->sock, "io", "tap", "no routing socket: %s",
				    strerrordesc_np(-tap->sock));
	for (uint32_t i = 0; i < tap->nr_queues; i++) {
		r = adopt_fd(tap, i, cfg->fds[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int configure(struct vc__tap *tap, const struct vc_net_tap_config *cfg)
{
	struct vc__net_link link = { .ifname = tap->ifname,
				     .mtu = cfg->mtu,
				     .bridge = cfg->bridge,
				     .vlan = cfg->vlan,
				     .is_up = !cfg->is_down };
	int r;

	if (cfg->mode == VC_NET_TAP_EXISTING)
		return 0;
	r = vc__net_link_configure(tap->sock, &link);
	if (r < 0 || cfg->mode != VC_NET_TAP_PERSISTENT)
		return r;
	if (cfg->has_owner && ioctl(tap->fds[0], TUNSETOWNER, (unsigned long)cfg->owner_uid) < 0)
		return vc_error_set(-errno, "io", tap->ifname, "cannot belong to user %u: %s",
				    cfg->owner_uid, strerrordesc_np(errno));
	return ioctl(tap->fds[0], TUNSETPERSIST, 1UL) < 0
		       ? vc_error_set(-errno, "io", tap->ifname, "cannot be kept: %s",
				      strerrordesc_np(errno))
		       : 0;
}

static int finish(struct vc__tap *tap, const struct vc_net_tap_config *cfg, struct vc_net **ret_net)
{
	uint32_t wanted = cfg->has_offloads ? cfg->offloads : VC_NET_OFFLOADS_ALL;
	struct vc_net_info info = { .size = sizeof(info), .nr_queues = tap->nr_queues };
	struct vc_net_end end = { .size = sizeof(end),
				  .name = tap->ifname,
				  .ops = &tap_ops,
				  .end = tap,
				  .info = &info,
				  .rx_limit = cfg->rx_limit,
				  .tx_limit = cfg->tx_limit };
	int r = vc__net_random_mac(cfg->mac, info.mac);

	if (r == 0)
		r = set_header(tap);
	if (r == 0)
		r = probe_offloads(tap, wanted, &info.offloads);
	if (r == 0)
		r = configure(tap, cfg);
	if (r < 0)
		return r;
	memcpy(info.ifname, tap->ifname, sizeof(info.ifname));
	info.tx_offloads = wanted;
	r = vc__net_link_mtu(tap->sock, tap->ifname);
	tap->is_foreign = r < 0 && cfg->fds;
	info.mtu = r < 0 ? MTU_DEFAULT : (uint32_t)r;
	info.is_link_up = vc__tap_is_up(tap);
	if (cfg->mode == VC_NET_TAP_NEW)
		tap->made_index = vc__net_link_index(tap->sock, tap->ifname);
	r = vc_net_create(&end, ret_net);
	if (r < 0 && cfg->mode == VC_NET_TAP_PERSISTENT)
		(void)ioctl(tap->fds[0], TUNSETPERSIST, 0UL);
	return r;
}

int vc_net_open_tap(const struct vc_net_tap_config *cfg, struct vc_net **ret_net)
{
	struct vc_net_tap_config c;
	struct vc__tap *tap;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!ret_net)
		return vc_error_set(-EINVAL, "io", "tap", "ret_net is needed");
	c.nr_queues = c.nr_queues ? c.nr_queues : 1;
	r = check_config(&c);
	if (r == 0)
		r = check_fds(&c);
	if (r == 0 && c.has_offloads)
		r = vc__net_check_offloads(c.ifname, c.offloads);
	if (r < 0)
		return r;
	tap = calloc(1, sizeof(*tap) + c.nr_queues * sizeof(tap->fds[0]));
	if (!tap)
		return vc_error_set(-ENOMEM, "io", c.ifname, "no memory");
	tap->sock = -1;
	tap->nr_queues = tap->nr_active = c.nr_queues;
	memset(tap->fds, 0xff, c.nr_queues * sizeof(tap->fds[0]));
	r = open_tap(tap, &c);
	if (r == 0 && c.fds)
		memcpy(tap->fds, c.fds, c.nr_queues * sizeof(tap->fds[0]));
	if (r == 0)
		r = finish(tap, &c, ret_net);
	if (r < 0 && c.fds) /* the caller's still */
		memset(tap->fds, 0xff, c.nr_queues * sizeof(tap->fds[0]));
	if (r < 0)
		close_tap(tap);
	return r;
}
