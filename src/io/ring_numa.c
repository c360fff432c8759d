/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring near its device: the CPUs of a NUMA node, and memory from there.
 *
 * Runs on the control thread while a ring is made, so that what the kernel allocates for it lies on
 * the node, and on the ring's own thread when that starts. A policy that cannot be had is no error:
 * the ring is only slower. The system calls are made directly, libnuma is not needed.
 * [set_mempolicy(2)] [sysfs-devices-node]
 */
#include "ring_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define CPUS_MAX  1024u
#define NODES_MAX 1024u

/* "0-3,8": sets a bit of @cpus for each; false for what cannot be understood. */
static bool parse_list(const char *text, uint64_t *cpus)
{
	char *end;

	while (*text >= '0' && *text <= '9') {
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last >= CPUS_MAX || first > last)
			return false;
		for (; first <= last; first++)
			cpus[first / 64] |= 1ull << first % 64;
		text = *end == ',' ? end + 1 : end;
	}
	return *text == '\0' || *text == '\n';
}

int vc__ring_node_cpus(const char *name, uint32_t node, uint64_t *ret_cpus)
{
	uint64_t cpus[CPUS_MAX / 64] = { 0 };
	char path[64], text[4096];
	vc_auto_close int fd = -EBADF;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vc_error_set(-ENODEV, "io", name, "this host has no NUMA node %u", node);
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return vc_error_set(-errno, "io", name, "%s cannot be read: %s", path,
				    strerrordesc_np(errno));
	text[n] = '\0';
	if (!parse_list(text, cpus))
		return vc_error_set(-ENODEV, "io", name, "%s cannot be understood", path);
	memcpy(ret_cpus, cpus, sizeof(cpus));
	return 0;
}

void vc__ring_prefer_node(uint32_t node, struct vc__ring_policy *ret_was)
{
	unsigned long nodes[NODES_MAX / (8 * sizeof(long))] = { 0 };

	static_assert(sizeof(nodes) == sizeof(ret_was->nodes), "one mask for both calls");
	*ret_was = (struct vc__ring_policy){ .mode = -1 };
	if (node >= NODES_MAX ||
	    syscall(SYS_get_mempolicy, &ret_was->mode, ret_was->nodes, NODES_MAX, NULL, 0) < 0) {
		ret_was->mode = -1;
		return;
	}
	nodes[node / (8 * sizeof(long))] = 1ul << node % (8 * sizeof(long));
	(void)syscall(SYS_set_mempolicy, MPOL_PREFERRED, nodes, NODES_MAX);
}

void vc__ring_restore_policy(const struct vc__ring_policy *was)
{
	if (was->mode >= 0)
		(void)syscall(SYS_set_mempolicy, was->mode,
			      was->mode == MPOL_DEFAULT ? NULL : was->nodes, NODES_MAX);
}
