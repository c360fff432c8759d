/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's NUMA nodes: what they have, and the policy of a region.
 *
 * Runs on the control thread. Nodes are read from /sys at each call, nothing is cached; the system
 * calls are made directly, libnuma is not needed. A policy is set on a mapping without pages, so
 * nothing has to be moved; a file on tmpfs that has pages gets it twice, the second time to move them.
 * [mbind(2)]
 */
#include "region.h"
#include "sysfs.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define NODE_DIR "/sys/devices/system/node"

static int read_node_mask(const char *path, uint64_t *ret_mask)
{
	char text[1024];
	uint64_t mask = 0;
	int r = vc__sysfs_read(text, sizeof(text), path);

	if (r >= 0)
		r = vc__sysfs_list(text, &mask, VC_NUMA_NODES_MAX);
	if (r < 0)
		return vc_error_set(r, "mem", path, "the list of NUMA nodes cannot be read");
	*ret_mask = mask;
	return 0;
}

/* Reads a small file of node @id into @text. */
static int read_node_file(uint32_t id, const char *name, char *text, size_t size)
{
	char path[96];
	int r;

	(void)snprintf(path, sizeof(path), NODE_DIR "/node%" PRIu32 "/%s", id, name);
	r = vc__sysfs_read(text, size, path);
	return r < 0 ? vc_error_set(r, "mem", path, "the NUMA node cannot be read") : 0;
}

/* Huge pages of a size that the host does not have count as none. */
static void read_huge(uint32_t id, unsigned int kib, uint64_t *ret_total, uint64_t *ret_free)
{
	char path[96];

	(void)snprintf(path, sizeof(path),
		       NODE_DIR "/node%" PRIu32 "/hugepages/hugepages-%ukB/nr_hugepages", id, kib);
	if (vc__sysfs_u64(path, ret_total) < 0)
		*ret_total = 0;
	(void)snprintf(path, sizeof(path),
		       NODE_DIR "/node%" PRIu32 "/hugepages/hugepages-%ukB/free_hugepages", id,
		       kib);
	if (vc__sysfs_u64(path, ret_free) < 0)
		*ret_free = 0;
}

/* The distances stand in the order of the nodes online, one number each. */
static int parse_distances(const char *text, uint64_t online, uint8_t *distance)
{
	char *end;

	for (unsigned int i = 0; i < VC_NUMA_NODES_MAX; i++) {
		unsigned long d;

		if (!(online >> i & 1))
			continue;
		d = strtoul(text, &end, 10);
		if (end == text || d == 0 || d > 255)
			return -EBADMSG;
		distance[i] = (uint8_t)d;
		text = end;
	}
	return 0;
}

static int read_node(uint32_t id, uint64_t online, struct vc_numa_node *node)
{
	char text[4096];
	int r;

	memset(node, 0, sizeof(*node));
	node->id = id;
	r = read_node_file(id, "meminfo", text, sizeof(text));
	if (r < 0)
		return r;
	node->mem_total_bytes = 1024 * vc__sysfs_field(text, "MemTotal");
	node->mem_free_bytes = 1024 * vc__sysfs_field(text, "MemFree");
	r = read_node_file(id, "distance", text, sizeof(text));
	if (r < 0)
		return r;
	r = parse_distances(text, online, node->distance);
	if (r < 0)
		return vc_error_set(r, "mem", "distance", "distances of node %" PRIu32 ": %s", id,
				    text);
	r = read_node_file(id, "cpulist", text, sizeof(text));
	if (r < 0)
		return r;
	r = vc__sysfs_list(text, node->cpus, sizeof(node->cpus) * 8);
	if (r < 0)
		return vc_error_set(r, "mem", "cpulist", "CPUs of node %" PRIu32 ": %s", id, text);
	read_huge(id, 2048, &node->huge_2m_total, &node->huge_2m_free);
	read_huge(id, 1048576, &node->huge_1g_total, &node->huge_1g_free);
	return 0;
}

int vc_numa_query(struct vc_numa_node *nodes, size_t nr)
{
	uint64_t online;
	size_t found = 0;
	int r = read_node_mask(NODE_DIR "/online", &online);

	if (r < 0)
		return r;
	if (nr > 0 && !nodes)
		return vc_error_set(-EINVAL, "mem", NULL, "no place for %zu nodes", nr);
	for (uint32_t id = 0; id < VC_NUMA_NODES_MAX; id++) {
		if (!(online >> id & 1))
			continue;
		if (found < nr) {
			r = read_node(id, online, &nodes[found]);
			if (r < 0)
				return r;
		}
		found++;
	}
	return (int)found;
}

int vc__numa_check(const struct vc_region *region)
{
	uint64_t present, missing;
	int r;

	if (region->numa == VC_NUMA_DEFAULT)
		return 0;
	r = read_node_mask(NODE_DIR "/has_memory", &present);
	if (r < 0)
		return r;
	missing = region->numa_nodes & ~present;
	if (missing)
		return vc_error_set(
			-ENODEV, "mem", region->name,
			"host node %d does not exist or has no memory (nodes with memory: "
			"mask 0x%" PRIx64 ", " NODE_DIR "/has_memory)",
			__builtin_ctzll(missing), present);
	return 0;
}

int vc__numa_apply(const struct vc_region *region)
{
	static const int modes[] = {
		[VC_NUMA_DEFAULT] = MPOL_DEFAULT,
		[VC_NUMA_BIND] = MPOL_BIND,
		[VC_NUMA_INTERLEAVE] = MPOL_INTERLEAVE,
		[VC_NUMA_PREFERRED] = MPOL_PREFERRED,
	};
	unsigned long mask = region->numa_nodes;
	unsigned int flags = region->numa == VC_NUMA_BIND ? MPOL_MF_STRICT | MPOL_MF_MOVE : 0;

	if (region->numa == VC_NUMA_DEFAULT)
		return 0;
	/* The kernel takes one off the number of bits. */
	if (syscall(SYS_mbind, region->hva, region->len_bytes, modes[region->numa], &mask,
		    sizeof(mask) * 8 + 1, flags) == 0)
		return 0;
	if (errno == ENOSYS)
		return vc_error_set(-EOPNOTSUPP, "mem", region->name,
				    "the host's kernel has no NUMA policies");
	if (errno == EIO)
		return vc_error_set(-EBUSY, "mem", region->name,
				    "pages of the file sit on other nodes and cannot be moved");
	return vc_error_set(-errno, "mem", region->name,
			    "the NUMA policy was refused (nodes: mask 0x%" PRIx64 ")",
			    region->numa_nodes);
}
