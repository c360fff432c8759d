/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces of the host: found, asked, and configured by rtnetlink, as far as a tap needs it. One
 * routing socket serves both the messages and the ioctls, and belongs to the namespace in which it was
 * opened, wherever its user is. Control thread, but for vc__net_link_is_up(). Leaves out: addresses,
 * routes, making bridges. [rtnetlink(7)] [netdevice(7)] [Linux if_bridge.h]
 */
#include "net_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel answers at once; this is for one that lost the answer. */
#define ANSWER_S 10

#define DEFAULT_VLAN 1u

/* rtnetlink */

struct message {
	struct nlmsghdr head;
	struct ifinfomsg link;
	uint8_t attrs[256];
};

static struct message begin(uint16_t type, uint8_t family, int index)
{
	return (struct message){
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			  .nlmsg_type = type,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			  .nlmsg_seq = 1 },
		.link = { .ifi_family = family, .ifi_index = index },
	};
}

/* There is room for the few that are put in. @data NULL: a nest, to be closed by end_nest(). */
static struct rtattr *put(struct message *msg, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(msg->head.nlmsg_len);
	struct rtattr *attr = (void *)((uint8_t *)msg + at);

	vc_assert(at + RTA_SPACE(len) <= sizeof(*msg));
	attr->rta_type = type;
	attr->rta_len = (uint16_t)RTA_LENGTH(len);
	if (data)
		memcpy(RTA_DATA(attr), data, len);
	msg->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
	return attr;
}

static void end_nest(const struct message *msg, struct rtattr *nest)
{
	nest->rta_len =
		(uint16_t)((const uint8_t *)msg + msg->head.nlmsg_len - (const uint8_t *)nest);
}

/* The first message of the answer; its length, or -errno. */
static int ask(int sock, const struct message *msg, void *answer, size_t size)
{
	const struct nlmsghdr *head = answer;
	const struct nlmsgerr *err = NLMSG_DATA(head);
	ssize_t n;

	if (send(sock, msg, msg->head.nlmsg_len, MSG_NOSIGNAL) < 0)
		return -errno;
	do
		n = recv(sock, answer, size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if ((size_t)n < sizeof(*head) || head->nlmsg_len > (size_t)n)
		return -EPROTO;
	if (head->nlmsg_type != NLMSG_ERROR)
		return (int)head->nlmsg_len;
	return head->nlmsg_len < NLMSG_LENGTH(sizeof(*err)) ? -EPROTO : err->error;
}

static int change(int sock, const struct message *msg)
{
	uint8_t answer[1024] __attribute__((aligned(8)));
	int r = ask(sock, msg, answer, sizeof(answer));

	return r < 0 ? r : 0;
}

/* The attribute of that type among @len bytes of them at @at. */
static const struct rtattr *find(const void *at, size_t len, uint16_t type)
{
	const struct rtattr *attr = at;
	size_t step;

	for (; RTA_OK(attr, len); attr = at) {
		if ((attr->rta_type & NLA_TYPE_MASK) == type)
			return attr;
		step = RTA_ALIGN(attr->rta_len);
		if (step > len)
			return NULL;
		at = (const uint8_t *)at + step;
		len -= step;
	}
	return NULL;
}

static const struct rtattr *find_in(const struct rtattr *nest, uint16_t type)
{
	return nest ? find(RTA_DATA(nest), RTA_PAYLOAD(nest), type) : NULL;
}

/* 1 or 0, or -errno: whether a bridge looks at VLAN tags at all. */
static int filters_vlans(int sock, int bridge)
{
	uint8_t answer[16384] __attribute__((aligned(8)));
	struct message msg = begin(RTM_GETLINK, AF_UNSPEC, bridge);
	const struct nlmsghdr *head = (const void *)answer;
	const struct ifinfomsg *link = NLMSG_DATA(head);
	const struct rtattr *attr;
	int r;

	msg.head.nlmsg_flags = NLM_F_REQUEST;
	r = ask(sock, &msg, answer, sizeof(answer));
	if (r < (int)NLMSG_LENGTH(sizeof(*link)))
		return r < 0 ? r : -EPROTO;
	attr = find(link + 1, IFLA_PAYLOAD(head), IFLA_LINKINFO);
	attr = find_in(find_in(attr, IFLA_INFO_DATA), IFLA_BR_VLAN_FILTERING);
	return attr && RTA_PAYLOAD(attr) >= 1 && *(const uint8_t *)RTA_DATA(attr) != 0;
}

static int set_vlan(int sock, int index, uint16_t type, uint16_t vlan, uint16_t flags)
{
	struct message msg = begin(type, AF_BRIDGE, index);
	struct bridge_vlan_info info = { .flags = flags, .vid = vlan };
	struct rtattr *nest = put(&msg, IFLA_AF_SPEC, NULL, 0);

	(void)put(&msg, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
	end_nest(&msg, nest);
	return change(sock, &msg);
}

/* A new port is in the bridge's default VLAN, which it is taken out of. */
static int join_vlan(int sock, int index, int bridge, const struct vc__net_link *link)
{
	int r = filters_vlans(sock, bridge);

	if (r == 0)
		return vc_error_set(-EOPNOTSUPP, "io", link->ifname,
				    "bridge %s does not filter VLANs: vlan %u would mean nothing",
				    link->bridge, link->vlan);
	if (r > 0)
		r = set_vlan(sock, index, RTM_SETLINK, link->vlan,
			     BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
	if (r == 0 && link->vlan != DEFAULT_VLAN) {
		r = set_vlan(sock, index, RTM_DELLINK, DEFAULT_VLAN, 0);
		r = r == -ENOENT ? 0 : r;
	}
	return r < 0 ? vc_error_set(r, "io", link->ifname, "cannot be put into VLAN %u of %s: %s",
				    link->vlan, link->bridge, strerrordesc_np(-r))
		     : 0;
}

static int join_bridge(int sock, int index, const struct vc__net_link *link)
{
	struct message msg = begin(RTM_SETLINK, AF_UNSPEC, index);
	int bridge = vc__net_link_index(sock, link->bridge);
	uint32_t master = (uint32_t)bridge;
	int r;

	if (bridge < 0)
		return vc_error_set(bridge, "io", link->ifname, "bridge %s: %s", link->bridge,
				    strerrordesc_np(-bridge));
	(void)put(&msg, IFLA_MASTER, &master, sizeof(master));
	r = change(sock, &msg);
	if (r < 0)
		return vc_error_set(r, "io", link->ifname, "cannot be put into bridge %s: %s",
				    link->bridge, strerrordesc_np(-r));
	return link->vlan ? join_vlan(sock, index, bridge, link) : 0;
}

int vc__net_link_configure(int sock, const struct vc__net_link *link)
{
	int index = vc__net_link_index(sock, link->ifname), r = 0;
	struct message msg;

	if (index < 0)
		return vc_error_set(index, "io", link->ifname, "is not there any more");
	msg = begin(RTM_SETLINK, AF_UNSPEC, index);
	(void)put(&msg, IFLA_MTU, &link->mtu, sizeof(link->mtu));
	if (link->mtu)
		r = change(sock, &msg);
	if (r < 0)
		return vc_error_set(r, "io", link->ifname, "cannot have an MTU of %u: %s",
				    link->mtu, strerrordesc_np(-r));
	if (link->bridge)
		r = join_bridge(sock, index, link);
	if (r < 0 || !link->is_up)
		return r;
	msg = begin(RTM_SETLINK, AF_UNSPEC, index);
	msg.link.ifi_flags = msg.link.ifi_change = IFF_UP;
	r = change(sock, &msg);
	return r < 0 ? vc_error_set(r, "io", link->ifname, "cannot be set up: %s",
				    strerrordesc_np(-r))
		     : 0;
}

int vc__net_link_remove(int sock, int index)
{
	struct message msg = begin(RTM_DELLINK, AF_UNSPEC, index);

	return change(sock, &msg);
}

/* ioctls */

static int query(int sock, const char *ifname, unsigned long request, struct ifreq *ifr)
{
	(void)snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	return ioctl(sock, request, ifr) < 0 ? -errno : 0;
}

int vc__net_link_socket(void)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (sock < 0)
		return -errno;
	(void)setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return sock;
}

int vc__net_link_index(int sock, const char *ifname)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };
	int r = query(sock, ifname, SIOCGIFINDEX, &ifr);

	return r < 0 ? r : ifr.ifr_ifindex;
}

int vc__net_link_is_up(int sock, const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = 0 };
	int r = query(sock, ifname, SIOCGIFFLAGS, &ifr);

	return r < 0 ? r : (ifr.ifr_flags & IFF_UP) != 0;
}

int vc__net_link_mtu(int sock, const char *ifname)
{
	struct ifreq ifr = { .ifr_mtu = 0 };
	int r = query(sock, ifname, SIOCGIFMTU, &ifr);

	return r < 0 ? r : ifr.ifr_mtu;
}

int vc__net_link_refuse(int sock, const char *ifname, bool has_many_queues)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&info };

	if (query(sock, ifname, SIOCETHTOOL, &ifr) < 0 || strcmp(info.driver, "tun") != 0)
		return vc_error_set(-EINVAL, "io", ifname, "is no tap");
	if (strcmp(info.bus_info, "tap") != 0)
		return vc_error_set(-EINVAL, "io", ifname, "is a tun device, expected a tap");
	return vc_error_set(-EINVAL, "io", ifname, "is a tap made for %s",
			    has_many_queues ? "one queue: nr_queues must be 1, or it be made with "
					      "multi_queue"
					    : "other uses");
}

/* namespaces */

int vc__net_link_enter(int netns_fd, int *ret_own)
{
	vc_auto_close int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (own < 0)
		return vc_error_set(-errno, "io", "net", "/proc/thread-self/ns/net: %s",
				    strerrordesc_np(errno));
	/* Who may not enter its own namespace could not come back. */
	if (setns(own, CLONE_NEWNET) < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return vc_error_set(errno == EINVAL ? -EBADF : -errno, "io", "net",
				    "the network namespace cannot be entered: %s",
				    strerrordesc_np(errno));
	*ret_own = vc_take_fd(own);
	return 0;
}

int vc__net_link_leave(int own)
{
	int r = setns(own, CLONE_NEWNET) < 0 ? -errno : 0;

	(void)close(own);
	return r < 0 ? vc_error_set(r, "io", "net", "no way back into the network namespace: %s",
				    strerrordesc_np(-r))
		     : 0;
}
