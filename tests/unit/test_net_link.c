/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces configured: which messages go to the kernel, in which order, and what its answers lead to.
 * A kernel of the test's stands in for the real one, because a bridge is not everywhere to be had.
 */
#include "unit.h"

#include "net_link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TAP    7
#define BRIDGE 9

/* What the kernel was told, as text, and what it answers. */
static struct {
	char log[512];
	int fail_at, error; /* the message of that number, from 1 */
	int nr;
	bool is_filtering, is_mute;
	size_t cut; /* answers end there; 0 = whole */
	uint8_t answer[512];
	size_t answer_len;
} kernel;

int __wrap_ioctl(int fd, unsigned long request, struct ifreq *ifr);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);

int __wrap_ioctl(int fd, unsigned long request, struct ifreq *ifr)
{
	(void)fd;
	if (request == SIOCGIFINDEX && strcmp(ifr->ifr_name, "tap") == 0)
		ifr->ifr_ifindex = TAP;
	else if (request == SIOCGIFINDEX && strcmp(ifr->ifr_name, "br") == 0)
		ifr->ifr_ifindex = BRIDGE;
	else if (request == SIOCGIFMTU && strcmp(ifr->ifr_name, "tap") == 0)
		ifr->ifr_mtu = 1234;
	else if (request == SIOCGIFFLAGS && strcmp(ifr->ifr_name, "tap") == 0)
		ifr->ifr_flags = IFF_UP;
	else {
		errno = ENODEV;
		return -1;
	}
	return 0;
}

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
	size_t at = strlen(kernel.log);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(kernel.log + at, sizeof(kernel.log) - at, fmt, args);
	va_end(args);
}

static void note_vlan(const struct rtattr *attr)
{
	const struct bridge_vlan_info *vlan = RTA_DATA(attr);

	assert_int_equal(attr->rta_type, IFLA_BRIDGE_VLAN_INFO);
	assert_int_equal(RTA_PAYLOAD(attr), sizeof(*vlan));
	note(" vlan %u flags %x", vlan->vid, vlan->flags);
}

static void note_attrs(const void *at, size_t len, bool is_bridge)
{
	const struct rtattr *attr = at;

	while (RTA_OK(attr, len)) {
		if (is_bridge) {
			assert_int_equal(attr->rta_type, IFLA_AF_SPEC);
			note_vlan(RTA_DATA(attr));
		} else {
			assert_int_equal(RTA_PAYLOAD(attr), 4);
			note(" %s %u", attr->rta_type == IFLA_MTU ? "mtu" : "master",
			     *(const uint32_t *)RTA_DATA(attr));
		}
		at = (const uint8_t *)at + RTA_ALIGN(attr->rta_len);
		len -= RTA_ALIGN(attr->rta_len);
		attr = at;
	}
	assert_int_equal(len, 0);
}

/* The facts of a bridge: one nest in another one. */
static void answer_link(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct rtattr mtu;
		uint32_t mtu_value;
		struct rtattr info, data, filtering;
		uint8_t value[4];
	} a = {
		.head = { .nlmsg_len = sizeof(a), .nlmsg_type = RTM_NEWLINK },
		.mtu = { .rta_len = 8, .rta_type = IFLA_MTU },
		.info = { .rta_len = 16, .rta_type = IFLA_LINKINFO },
		.data = { .rta_len = 12, .rta_type = IFLA_INFO_DATA },
		.filtering = { .rta_len = 5, .rta_type = IFLA_BR_VLAN_FILTERING },
		.value = { kernel.is_filtering },
	};

	memcpy(kernel.answer, &a, sizeof(a));
	kernel.answer_len = sizeof(a);
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	const struct nlmsghdr *head = buf;
	const struct ifinfomsg *link = NLMSG_DATA(head);
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
	} ack = { .head = { .nlmsg_len = sizeof(ack), .nlmsg_type = NLMSG_ERROR } };

	(void)fd;
	(void)flags;
	assert_int_equal(head->nlmsg_len, len);
	kernel.nr++;
	ack.err.error = kernel.nr == kernel.fail_at ? kernel.error : 0;
	memcpy(kernel.answer, &ack, sizeof(ack));
	kernel.answer_len = sizeof(ack);
	if (head->nlmsg_type == RTM_GETLINK) {
		if (ack.err.error == 0)
			answer_link();
		note("get %d;", link->ifi_index);
		return (ssize_t)len;
	}
	note("%s%s %d", head->nlmsg_type == RTM_DELLINK ? "del" : "set",
	     link->ifi_family == AF_BRIDGE ? " port" : "", link->ifi_index);
	if (link->ifi_change)
		note(" flags %x/%x", link->ifi_flags, link->ifi_change);
	note_attrs(link + 1, IFLA_PAYLOAD(head), link->ifi_family == AF_BRIDGE);
	note(";");
	return (ssize_t)len;
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	size_t n = kernel.cut ? kernel.cut : kernel.answer_len;

	(void)fd;
	(void)flags;
	if (kernel.is_mute) {
		errno = EAGAIN;
		return -1;
	}
	assert_true(n <= len);
	memcpy(buf, kernel.answer, n);
	return (ssize_t)n;
}

static int configure(struct vc__net_link link)
{
	kernel.log[0] = 0;
	kernel.nr = 0;
	link.ifname = link.ifname ? link.ifname : "tap";
	return vc__net_link_configure(3, &link);
}

static void messages(void **state)
{
	(void)state;
	kernel.is_filtering = true;
	assert_result(configure((struct vc__net_link){ .is_up = true }), 0);
	assert_string_equal(kernel.log, "set 7 flags 1/1;");
	assert_result(configure((struct vc__net_link){ .mtu = 9000 }), 0);
	assert_string_equal(kernel.log, "set 7 mtu 9000;");
	assert_result(configure((struct vc__net_link){ .bridge = "br", .is_up = true }), 0);
	assert_string_equal(kernel.log, "set 7 master 9;set 7 flags 1/1;");
	/* Up when it is in its VLAN, and in no other one, and not before. */
	assert_result(configure((struct vc__net_link){
			      .mtu = 1400, .bridge = "br", .vlan = 42, .is_up = true }),
		      0);
	assert_string_equal(kernel.log, "set 7 mtu 1400;set 7 master 9;get 9;"
					"set port 7 vlan 42 flags 6;del port 7 vlan 1 flags 0;"
					"set 7 flags 1/1;");
	assert_result(configure((struct vc__net_link){ .bridge = "br", .vlan = 1 }), 0);
	assert_string_equal(kernel.log, "set 7 master 9;get 9;set port 7 vlan 1 flags 6;");
	assert_result(vc__net_link_remove(3, 11), 0);
}

/* A bridge that lets every VLAN through would join what is to be apart. */
static void bridge_without_filter(void **state)
{
	(void)state;
	kernel.is_filtering = false;
	assert_refused(
		configure((struct vc__net_link){ .bridge = "br", .vlan = 42, .is_up = true }),
		-EOPNOTSUPP, "bridge br does not filter VLANs");
	assert_string_equal(kernel.log, "set 7 master 9;get 9;");
	kernel.is_filtering = true;
}

static void each_message_refused(void **state)
{
	static const char *const texts[] = { "MTU of 1400",  "into bridge br", "into VLAN 42",
					     "into VLAN 42", "into VLAN 42",   "be set up" };

	(void)state;
	kernel.error = -EPERM;
	for (kernel.fail_at = 1; kernel.fail_at <= 6; kernel.fail_at++)
		assert_refused(configure((struct vc__net_link){
				       .mtu = 1400, .bridge = "br", .vlan = 42, .is_up = true }),
			       -EPERM, texts[kernel.fail_at - 1]);
	/* It was in no default VLAN. */
	kernel.fail_at = 5;
	kernel.error = -ENOENT;
	assert_result(configure((struct vc__net_link){
			      .mtu = 1400, .bridge = "br", .vlan = 42, .is_up = true }),
		      0);
	kernel.fail_at = 0;
	assert_refused(configure((struct vc__net_link){ .bridge = "other" }), -ENODEV,
		       "bridge other");
	assert_refused(configure((struct vc__net_link){ .ifname = "gone" }), -ENODEV,
		       "not there any more");
}

/* Answers that end too early, or do not come. */
static void broken_answers(void **state)
{
	(void)state;
	for (kernel.cut = 1; kernel.cut < sizeof(struct nlmsghdr) + 20; kernel.cut++)
		assert_refused(configure((struct vc__net_link){ .is_up = true }), -EPROTO,
			       "set up");
	kernel.cut = 0;
	kernel.is_mute = true;
	assert_refused(configure((struct vc__net_link){ .is_up = true }), -ETIMEDOUT, "set up");
	kernel.is_mute = false;
}

static void asked(void **state)
{
	(void)state;
	assert_int_equal(vc__net_link_index(3, "tap"), TAP);
	assert_int_equal(vc__net_link_index(3, "gone"), -ENODEV);
	assert_int_equal(vc__net_link_mtu(3, "tap"), 1234);
	assert_int_equal(vc__net_link_mtu(3, "gone"), -ENODEV);
	assert_int_equal(vc__net_link_is_up(3, "tap"), 1);
	assert_int_equal(vc__net_link_is_up(3, "gone"), -ENODEV);
	assert_refused(vc__net_link_refuse(3, "tap", false), -EINVAL, "is no tap");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(bridge_without_filter),
		cmocka_unit_test(each_message_refused),
		cmocka_unit_test(broken_answers),
		cmocka_unit_test(asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
