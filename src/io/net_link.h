/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces of the host: asked and configured by a routing socket of their network namespace. */
#ifndef VC_NET_LINK_H
#define VC_NET_LINK_H

#include <libvirtcore/implement.h>

struct vc__net_link {
	const char *ifname;
	uint32_t mtu;	    /* 0 = as it is */
	const char *bridge; /* NULL = none */
	uint16_t vlan;	    /* 0 = none */
	bool is_up;
};

/* A descriptor, or -errno. */
int vc__net_link_socket(void);
/* The number of an interface; -ENODEV. */
int vc__net_link_index(int sock, const char *ifname);
/* Whether it is up and has a carrier; -ENODEV. No blocking, no lock of the kernel's. */
int vc__net_link_is_up(int sock, const char *ifname);
/* -ENODEV */
int vc__net_link_mtu(int sock, const char *ifname);
/* Says why TUNSETIFF refused an interface that is there: -EINVAL with a message. */
int vc__net_link_refuse(int sock, const char *ifname, bool has_many_queues);
/* Size, bridge and VLAN first, up last: no frame goes where it should not. */
int vc__net_link_configure(int sock, const struct vc__net_link *link);

/* Deletes an interface. */
int vc__net_link_remove(int sock, int index);

/* The calling thread enters another network namespace; @ret_own: the way back. */
int vc__net_link_enter(int netns_fd, int *ret_own);
int vc__net_link_leave(int own);

#endif /* VC_NET_LINK_H */
