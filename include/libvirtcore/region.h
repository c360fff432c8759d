/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory for guests: regions of one kind (anonymous, memfd, hugetlb, file, or lent by a
 * hypervisor) with NUMA policy and flags. A region is counted and may be mapped into several VMs
 * (mem.h). Also: what the host's NUMA nodes have.
 */
#ifndef LIBVIRTCORE_REGION_H
#define LIBVIRTCORE_REGION_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vc_region_kind {
	VC_REGION_ANON = 0,    /* private anonymous memory */
	VC_REGION_MEMFD = 1,   /* shared memfd: can be handed to another process */
	VC_REGION_HUGETLB = 2, /* memfd of huge pages, see page_bytes */
	/* An embedder's file, see fd, file_off, VC_REGION_PRIVATE. It must not become shorter while
	 * the region lives: the kernel answers every touch of a page beyond its end with SIGBUS, to
	 * a thread of ours or the embedder's that reads or writes guest memory (PRIVATE too, unless
	 * the page was written before), and this library installs no handler; a vCPU ends with a
	 * memory fault. The same holds for a file that cannot be read (media error) or, on a full
	 * file system, for holes. vc_region_create() and vc_mem_freeze() look at the length, nothing
	 * does later. A file that others may truncate: copy it into a MEMFD, which is sealed. */
	VC_REGION_FILE = 3,
	VC_REGION_FOREIGN = 4, /* memory somebody else maps (a hypervisor lends it), see foreign */
};

enum vc_region_flag {
	VC_REGION_READONLY = 1u << 0,  /* guest writes exit as MMIO; slices for writing are refused.
					* FILE is mapped read-only; other kinds are filled with
					* vc_region_write() before they are placed */
	VC_REGION_PRIVATE = 1u << 1,   /* FILE: copy on write, the file keeps its content */
	VC_REGION_THP = 1u << 2,       /* ask for transparent huge pages */
	VC_REGION_NO_THP = 1u << 3,    /* refuse transparent huge pages */
	VC_REGION_MERGEABLE = 1u << 4, /* let KSM merge equal pages (MADV_MERGEABLE); private memory
					* only: ANON, or FILE with PRIVATE */
	VC_REGION_MLOCK = 1u << 5,     /* touch and lock into RAM; counts against RLIMIT_MEMLOCK */
	VC_REGION_NO_DUMP = 1u << 6,   /* leave out of the host process's core dumps */
	VC_REGION_PREFAULT = 1u << 7,  /* touch every page before vc_region_create() returns; a
					* PRIVATE or READONLY file is only read in */
	VC_REGION_PINNED = 1u << 8,    /* pages will be pinned (VFIO, fixed buffers): excludes
					* MERGEABLE, PRIVATE and vc_region_discard(); needs PREFAULT */
};

enum vc_numa_policy {
	VC_NUMA_DEFAULT = 0, /* the process's own policy */
	VC_NUMA_BIND = 1,    /* only nodes of the mask; populated before create returns */
	VC_NUMA_INTERLEAVE = 2,
	VC_NUMA_PREFERRED = 3, /* one node in the mask */
};

#define VC_NUMA_NODES_MAX 64u

/* Memory lent by a hypervisor back end: how to give it back when the region dies. */
struct vc_region_foreign {
	void *hva; /* page-aligned mapping of the whole region */
	/* Called once, by the last vc_region_put(); not when vc_region_create() fails. May be NULL. */
	void (*release)(void *opaque, void *hva, uint64_t len_bytes);
	void *opaque;
};

struct vc_region_config {
	size_t size;	  /* sizeof(struct vc_region_config) */
	const char *name; /* for messages and state streams: 1 to VC_STATE_NAME_MAX printable ASCII
			     * bytes; NULL = "ram"; copied */
	uint64_t len_bytes; /* multiple of the page size in use; not 0 */
	/* backing */
	enum vc_region_kind kind;
	uint32_t flags;			  /* enum vc_region_flag */
	uint64_t page_bytes;		  /* HUGETLB: 2 MiB or 1 GiB; 0 = 2 MiB; else must be 0 */
	int fd;				  /* FILE: duplicated; else must be 0 */
	uint64_t file_off;		  /* FILE: page-aligned; bytes */
	struct vc_region_foreign foreign; /* FOREIGN; all zero else */
	/* placement on the host */
	enum vc_numa_policy numa;
	uint64_t numa_nodes;	   /* bit per host node; needed unless numa is DEFAULT */
	uint32_t prefault_threads; /* threads that touch pages, gone before return, at most 256;
				    * 0 = caller's; with PREFAULT, MLOCK or BIND only */
};

struct vc_region;

/**
 * vc_region_create() - get host memory for a guest.
 * @cfg: copied; see struct vc_region_config. Memory that is not touched ahead is not reserved with
 *       the kernel either (hugetlb is): a region may be larger than the host has.
 * @ret_region: a region with one reference, owned by the caller; untouched on failure.
 * Context: control thread; blocks while pages are touched.
 * Returns: 0, or -EINVAL (sizes, alignment, flags that exclude each other, fields that do not
 *          belong to the kind), -E2BIG (unknown newer fields), -ENOMEM (memory, overcommit, or too
 *          few huge pages: the message says how many are free and how to reserve more), -ENODEV (a
 *          NUMA node that the host lacks), -EPERM (MLOCK limit), -EBADF, -EACCES (fd), -EFBIG (file
 *          shorter than asked), -EMFILE, -ENFILE (no fd left), -EBUSY (BIND: pages of the file sit
 *          on other nodes), -EAGAIN (prefault threads), -EOPNOTSUPP (kernel without a flag or
 *          without the huge page size).
 * Spec: [mbind(2)] [memfd_create(2)] [madvise(2)]   Since: 0.1
 */
VC_API int vc_region_create(const struct vc_region_config *cfg, struct vc_region **ret_region);

/**
 * vc_region_get() - take another reference.
 * @region: must not be NULL.
 * Context: any thread; does not block.
 * Returns: @region.
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_region *vc_region_get(struct vc_region *region);

/**
 * vc_region_put() - drop a reference; the last one frees the memory.
 * @region: may be NULL.
 * Context: any thread; blocks while the kernel unmaps.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_region_put(struct vc_region *region);

/**
 * vc_region_write() - fill a part of a region before a guest has it, a ROM's content above all.
 * @region: in no map yet; from then on vc_mem_write() is the way.
 * @off: offset in the region; bytes.
 * @buf: bytes.
 * @len: their number; all are written or none.
 * Context: control thread; blocks while pages are touched.
 * Returns: 0, or -EINVAL (NULL, beyond the region's end), -EBUSY (the region is in a map), -EROFS (a
 *          READONLY file has its content), -EFBIG (the file has become shorter).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_region_write(struct vc_region *region, uint64_t off, const void *buf, uint64_t len);

/**
 * vc_region_discard() - give pages back to the host; they read as zero afterwards.
 * @region: anon, memfd, hugetlb or shared file. A hugetlb page given back may be gone for good:
 *          when none is free at the next touch, that touch ends in SIGBUS or a failing vCPU.
 * @off: offset in the region, multiple of its page size.
 * @len_bytes: multiple of its page size.
 * Context: any thread; may block in the kernel.
 * Returns: 0, or -EINVAL (NULL, range, alignment), -EBUSY (region is pinned or locked: named in the
 *          message), -EROFS (read-only), -EOPNOTSUPP (foreign, private file, or a file system that
 *          cannot).
 * Spec: [fallocate(2) PUNCH_HOLE] [madvise(2) MADV_DONTNEED]   Since: 0.1
 */
VC_API int vc_region_discard(struct vc_region *region, uint64_t off, uint64_t len_bytes);

/**
 * vc_region_fd() - the file behind a region, to hand to another process.
 * @region: memfd, hugetlb or file.
 * Context: any thread; does not block.
 * Returns: the fd, owned by the region, or -EINVAL (NULL), -EOPNOTSUPP (no file behind it).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_region_fd(const struct vc_region *region);

/**
 * vc_region_pin() - hand a region's memory to what pins its pages: fixed buffers of a ring, VFIO.
 * @region: with VC_REGION_PINNED, which keeps all away that takes pages back; must stay until what
 *          pins it has let go. The memory is no way around slices: a lint keeps this call to the
 *          assembly of a machine.
 * @pin: called once with the whole region before this returns: vc_ring_add_memory() or the like.
 * @opaque: given to @pin.
 * Context: control thread; blocks as @pin does.
 * Returns: what @pin returned, or -EINVAL (NULL), -EBUSY (not PINNED: named in the message),
 *          -EOPNOTSUPP (foreign memory cannot be pinned).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_region_pin(struct vc_region *region,
			 int (*pin)(void *opaque, void *hva, uint64_t len_bytes), void *opaque);

/* What the host has, by NUMA node. */
struct vc_numa_node {
	uint32_t id;
	uint64_t mem_total_bytes, mem_free_bytes;
	uint64_t huge_2m_total, huge_2m_free; /* pages */
	uint64_t huge_1g_total, huge_1g_free;
	uint8_t distance[VC_NUMA_NODES_MAX]; /* to node i; 0 = not there */
	uint64_t cpus[16];		     /* bit per host CPU */
};

/**
 * vc_numa_query() - read the host's NUMA nodes.
 * @nodes: array filled in order of id, ids below VC_NUMA_NODES_MAX; may be NULL when @nr is 0.
 * @nr: its length.
 * Context: any thread; reads /sys.
 * Returns: the number of nodes the host has (may exceed @nr), -EINVAL (NULL), -EBADMSG (a file of
 *          the kernel that cannot be understood), or -errno of a file that cannot be read.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_numa_query(struct vc_numa_node *nodes, size_t nr);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_REGION_H */
