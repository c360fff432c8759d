/* SPDX-License-Identifier: Apache-2.0 */
/* A region as the files of this layer see it. */
#ifndef VC_MEM_REGION_H
#define VC_MEM_REGION_H

#include <libvirtcore/implement.h>
#include <libvirtcore/region.h>
#include <libvirtcore/snapshot.h>

#include <stdatomic.h>

struct vc_region {
	_Atomic uint32_t nr_refs;
	_Atomic uint32_t nr_maps; /* that it is in */
	char name[VC_STATE_NAME_MAX + 1];
	/* as configured */
	enum vc_region_kind kind;
	uint32_t flags; /* enum vc_region_flag */
	uint64_t len_bytes;
	uint64_t page_bytes;
	enum vc_numa_policy numa;
	uint64_t numa_nodes;
	struct vc_region_foreign foreign;
	/* resources, released by vc_region_put() */
	uint8_t *hva; /* NULL until mapped */
	int fd;	      /* memfd, hugetlb, file; -EBADF else */
	uint64_t file_off;
	bool is_hugetlb; /* a file on hugetlbfs too */
};

/* Most threads that may touch pages of one region. */
#define VC__POPULATE_THREADS_MAX 256u

/*
 * Touches every page by @nr_threads threads (0: this one), which are gone when it returns.
 * Returns 0, -EAGAIN with a message (no thread), or the kernel's -errno without one.
 */
int vc__region_populate(const struct vc_region *region, uint32_t nr_threads);

/* Checks that the region's nodes are there and have memory. Returns 0 or -errno with a message. */
int vc__numa_check(const struct vc_region *region);

/* Gives the mapping its NUMA policy. Returns 0 or -errno with a message. */
int vc__numa_apply(const struct vc_region *region);

/* Checks, before pages are touched, that they are likely to be there: the kernel would answer with
 * its OOM killer. Returns 0 or -ENOMEM with a message. */
int vc__shortage_check(const struct vc_region *region);

/* Explain why the kernel refused; each sets the message and returns -errno. */
int vc__shortage_of_map(const struct vc_region *region, int err);
int vc__shortage_of_pages(const struct vc_region *region, int err);
int vc__shortage_of_lock(const struct vc_region *region, int err);

#endif /* VC_MEM_REGION_H */
