/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says which limit was met when the host does not give memory, and what to do about it.
 *
 * Runs on the control thread, on failing paths only, apart from vc__shortage_check(), which looks
 * before pages are touched because the kernel's own answer to a short node or a short host is to
 * kill a process. The figures are read after the fact and may have moved: they explain, nothing is
 * decided by them once the kernel has refused.
 */
#include "region.h"
#include "sysfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#define MIB(bytes) ((bytes) >> 20)

/* Huge pages of the host (node < 0) or of one node. */
struct huge_pages {
	uint64_t total, available; /* available: free and not promised to others */
	char knob[128];		   /* the file that sets their number */
};

static int read_huge_pages(uint64_t page_bytes, int node, struct huge_pages *ret)
{
	char dir[96], path[128];
	uint64_t promised = 0;
	int r;

	if (node < 0)
		(void)snprintf(dir, sizeof(dir), "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB",
			       page_bytes / 1024);
	else
		(void)snprintf(dir, sizeof(dir),
			       "/sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB",
			       node, page_bytes / 1024);
	(void)snprintf(ret->knob, sizeof(ret->knob), "%s/nr_hugepages", dir);
	r = vc__sysfs_u64(ret->knob, &ret->total);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/free_hugepages", dir);
	r = vc__sysfs_u64(path, &ret->available);
	if (r < 0)
		return r;
	/* Promises are kept for the whole host only. */
	(void)snprintf(path, sizeof(path), "%s/resv_hugepages", dir);
	if (node < 0 && vc__sysfs_u64(path, &promised) == 0)
		ret->available -= promised < ret->available ? promised : ret->available;
	return 0;
}

static int say_huge_short(const struct vc_region *region, const struct huge_pages *have,
			  uint64_t needed, const char *where)
{
	uint64_t missing = needed > have->available ? needed - have->available : 0;

	return vc_error_set(-ENOMEM, "mem", region->name,
			    "%" PRIu64 " huge pages of %" PRIu64 " MiB needed, %" PRIu64
			    " are free%s; reserve more: echo %" PRIu64 " > %s",
			    needed, MIB(region->page_bytes), have->available, where,
			    have->total + missing, have->knob);
}

static int explain_huge(const struct vc_region *region, int err)
{
	struct huge_pages have;
	int r = read_huge_pages(region->page_bytes, -1, &have);

	if (r < 0)
		return vc_error_set(-EOPNOTSUPP, "mem", region->name,
				    "the host's kernel has no huge pages of %" PRIu64
				    " MiB (no %s; boot with hugepagesz=%" PRIu64 "M)",
				    MIB(region->page_bytes), have.knob, MIB(region->page_bytes));
	if (have.available >= region->len_bytes / region->page_bytes)
		return vc_error_set(-ENOMEM, "mem", region->name,
				    "the kernel refused huge pages (error %d) though %" PRIu64
				    " of %" PRIu64 " MiB are free: a cgroup's hugetlb limit or a "
				    "cpuset stands in the way, or they have just gone",
				    -err, have.available, MIB(region->page_bytes));
	return say_huge_short(region, &have, region->len_bytes / region->page_bytes, "");
}

/* The bound nodes together must have the pages: mmap() counts the whole host's. */
static int check_huge_nodes(const struct vc_region *region)
{
	uint64_t needed = region->len_bytes / region->page_bytes, found = 0;
	struct huge_pages have = { 0 };
	char where[48];
	int last = 0;

	for (int node = 0; node < (int)VC_NUMA_NODES_MAX; node++) {
		if (!(region->numa_nodes >> node & 1))
			continue;
		if (read_huge_pages(region->page_bytes, node, &have) == 0)
			found += have.available;
		last = node;
	}
	if (found >= needed)
		return 0;
	(void)snprintf(where, sizeof(where), " on %s %d",
		       region->numa_nodes == 1ull << last ? "node"
							  : "the nodes asked for, the last is",
		       last);
	have.available = found;
	return say_huge_short(region, &have, needed, where);
}

/* Bytes of a node that the kernel can hand out: free, or file pages it can drop. */
static uint64_t node_bytes(int node)
{
	char path[64], text[4096];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	if (vc__sysfs_read(text, sizeof(text), path) < 0)
		return 0;
	return 1024 *
	       (vc__sysfs_field(text, "MemFree") + vc__sysfs_field(text, "Active(file)") +
		vc__sysfs_field(text, "Inactive(file)") + vc__sysfs_field(text, "SReclaimable"));
}

static int check_nodes(const struct vc_region *region)
{
	uint64_t found = 0;
	int last = 0;

	for (int node = 0; node < (int)VC_NUMA_NODES_MAX; node++) {
		if (!(region->numa_nodes >> node & 1))
			continue;
		found += node_bytes(node);
		last = node;
	}
	if (found >= region->len_bytes)
		return 0;
	return vc_error_set(-ENOMEM, "mem", region->name,
			    "%" PRIu64 " MiB needed, %" PRIu64
			    " MiB free on the nodes of mask 0x%" PRIx64
			    " (last: /sys/devices/system/node/node%d/meminfo)",
			    MIB(region->len_bytes), MIB(found), region->numa_nodes, last);
}

static int check_host(const struct vc_region *region)
{
	char text[4096];
	uint64_t found;

	if (vc__sysfs_read(text, sizeof(text), "/proc/meminfo") < 0)
		return 0; /* no /proc: the kernel will say */
	found = 1024 * (vc__sysfs_field(text, "MemAvailable") + vc__sysfs_field(text, "SwapFree"));
	if (found >= region->len_bytes)
		return 0;
	return vc_error_set(-ENOMEM, "mem", region->name,
			    "%" PRIu64 " MiB to be touched at once, %" PRIu64
			    " MiB are available (MemAvailable and SwapFree of /proc/meminfo)",
			    MIB(region->len_bytes), MIB(found));
}

int vc__shortage_check(const struct vc_region *region)
{
	if (region->kind == VC_REGION_FILE)
		return 0; /* its pages may be there already */
	if (region->is_hugetlb)
		return region->numa == VC_NUMA_BIND ? check_huge_nodes(region) : 0;
	return region->numa == VC_NUMA_BIND ? check_nodes(region) : check_host(region);
}

/* Bytes of address space the process has mapped. */
static uint64_t mapped_bytes(void)
{
	uint64_t pages = 0;

	if (vc__sysfs_u64("/proc/self/statm", &pages) < 0)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int vc__shortage_of_map(const struct vc_region *region, int err)
{
	uint64_t len = region->len_bytes, mode = 0;
	struct rlimit limit;
	char text[4096];

	if (region->is_hugetlb)
		return explain_huge(region, err);
	if (err != -ENOMEM)
		return vc_error_set(err, "mem", region->name, "mapping %" PRIu64 " MiB failed",
				    MIB(len));
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    (len > limit.rlim_cur || mapped_bytes() > limit.rlim_cur - len))
		return vc_error_set(-ENOMEM, "mem", region->name,
				    "%" PRIu64 " MiB needed, the address space of the process is "
				    "limited to %" PRIu64 " MiB (RLIMIT_AS, ulimit -v)",
				    MIB(len), MIB((uint64_t)limit.rlim_cur));
	if (len >= 1ull << 46)
		return vc_error_set(-ENOMEM, "mem", region->name,
				    "%" PRIu64 " MiB needed, more than the address space of a "
				    "process has left",
				    MIB(len));
	if (vc__sysfs_u64("/proc/sys/vm/overcommit_memory", &mode) == 0 && mode == 2 &&
	    vc__sysfs_read(text, sizeof(text), "/proc/meminfo") > 0)
		return vc_error_set(-ENOMEM, "mem", region->name,
				    "%" PRIu64 " MiB needed, overcommit does not allow it: "
				    "vm.overcommit_memory is 2, %" PRIu64 " MiB of at most %" PRIu64
				    " MiB are committed",
				    MIB(len), vc__sysfs_field(text, "Committed_AS") / 1024,
				    vc__sysfs_field(text, "CommitLimit") / 1024);
	return vc_error_set(-ENOMEM, "mem", region->name,
			    "%" PRIu64 " MiB needed, the kernel refused to map them "
			    "(vm.overcommit_memory is %" PRIu64
			    "; or vm.max_map_count, or a cgroup's limit)",
			    MIB(len), mode);
}

int vc__shortage_of_pages(const struct vc_region *region, int err)
{
	if (err == -EINVAL)
		return vc_error_set(-EOPNOTSUPP, "mem", region->name,
				    "pages cannot be touched ahead: the kernel lacks "
				    "MADV_POPULATE_WRITE (Linux 5.14)");
	if (region->kind == VC_REGION_FILE)
		return vc_error_set(-ENOMEM, "mem", region->name,
				    "pages of the file could not be read in (error %d)", -err);
	if (region->is_hugetlb)
		return explain_huge(region, err);
	return vc_error_set(-ENOMEM, "mem", region->name,
			    "the kernel had no pages left (error %d) while %" PRIu64
			    " MiB were touched",
			    -err, MIB(region->len_bytes));
}

int vc__shortage_of_lock(const struct vc_region *region, int err)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		return vc_error_set(err, "mem", region->name, "mlock failed");
	return vc_error_set(-EPERM, "mem", region->name,
			    "%" PRIu64 " MiB to be locked, the limit of the process is %" PRIu64
			    " KiB (RLIMIT_MEMLOCK, ulimit -l; none with CAP_IPC_LOCK)",
			    MIB(region->len_bytes), (uint64_t)limit.rlim_cur / 1024);
}
