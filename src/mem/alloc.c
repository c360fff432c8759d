/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions: host memory of one kind, got in one call and given back by the last reference.
 *
 * Creating runs on the control thread; references are counted from any thread. The order is: look
 * at the configuration, get the file behind it, map, NUMA policy, advice, lock, touch; on an error
 * everything is given back. Memory that is not touched ahead is mapped with MAP_NORESERVE, so that a
 * guest may be larger than the host; hugetlb never is, since there the reservation is what stands
 * between a guest and SIGBUS. Placing regions in a guest is map.c's business.
 * [mmap(2)] [memfd_create(2)] [madvise(2)]
 */
#include "region.h"
#include "region_check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define HUGE_2M (2ull << 20)

/* A memfd cannot shrink under the mapping, whoever else has it: that would be SIGBUS here. */
static int open_memfd(struct vc_region *region)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	struct rlimit limit;

	if (region->kind == VC_REGION_HUGETLB)
		flags |=
			MFD_HUGETLB | (region->page_bytes == HUGE_2M ? MFD_HUGE_2MB : MFD_HUGE_1GB);
	region->fd = memfd_create(region->name, flags);
	if (region->fd < 0 && region->is_hugetlb && errno != EMFILE && errno != ENFILE)
		return vc__shortage_of_map(region, -errno);
	if (region->fd < 0)
		return vc_error_set(-errno, "mem", region->name, "no memfd could be made");
	/* Beyond this limit the kernel would send SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    region->len_bytes > limit.rlim_cur)
		return vc_error_set(-ENOMEM, "mem", region->name,
				    "%llu MiB needed, files of the process are limited to %llu MiB "
				    "(RLIMIT_FSIZE, ulimit -f)",
				    (unsigned long long)region->len_bytes >> 20,
				    (unsigned long long)limit.rlim_cur >> 20);
	if (ftruncate(region->fd, (off_t)region->len_bytes) < 0)
		return vc_error_set(-errno, "mem", region->name, "the memfd could not be sized");
	if (fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return vc_error_set(-errno, "mem", region->name, "the memfd could not be sealed");
	return 0;
}

/* Large mappings start at 2 MiB, so that host and hypervisor can use huge pages. */
static uint64_t wanted_alignment(const struct vc_region *region)
{
	if (region->is_hugetlb || region->len_bytes < HUGE_2M || (region->flags & VC_REGION_NO_THP))
		return region->page_bytes;
	return HUGE_2M;
}

struct mapping {
	uint64_t len, off;
	int prot, flags, fd;
};

static void *map_at(void *at, const struct mapping *m, int more_flags)
{
	/* without a file exactly -1: what portable programs pass, and valgrind insists on */
	int fd = m->fd >= 0 ? m->fd : -1;
	void *p = mmap(at, m->len, m->prot, m->flags | more_flags, fd, (off_t)m->off);

	return p == MAP_FAILED ? NULL : p;
}

/* Maps at a multiple of @align by cutting it out of a larger reservation. NULL when that fails. */
static void *map_aligned(const struct mapping *m, uint64_t align)
{
	uint64_t room = 0, lead;
	uint8_t *at, *p;

	if (!vc_add_u64(m->len, align, &room))
		return NULL;
	at = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	lead = -(uintptr_t)at & (align - 1);
	p = map_at(at + lead, m, MAP_FIXED);
	if (!p) {
		(void)munmap(at, room);
		return NULL;
	}
	if (lead > 0)
		(void)munmap(at, lead);
	(void)munmap(p + m->len, align - lead);
	return p;
}

static int map(struct vc_region *region, bool is_touched)
{
	bool is_shared = region->fd >= 0 && !(region->flags & VC_REGION_PRIVATE);
	bool is_rom = region->kind == VC_REGION_FILE && (region->flags & VC_REGION_READONLY);
	uint64_t align = wanted_alignment(region);
	struct mapping m = {
		.len = region->len_bytes,
		.off = region->file_off,
		.prot = is_rom ? PROT_READ : PROT_READ | PROT_WRITE,
		.flags = is_shared ? MAP_SHARED : MAP_PRIVATE,
		.fd = region->fd,
	};
	void *p, *aligned = NULL;

	if (region->fd < 0)
		m.flags |= MAP_ANONYMOUS;
	if (!region->is_hugetlb && !is_touched)
		m.flags |= MAP_NORESERVE;
	p = map_at(NULL, &m, 0);
	if (!p && errno == EACCES)
		return vc_error_set(-EACCES, "mem", region->name, "the file is not open for %s",
				    is_rom || !is_shared ? "reading" : "reading and writing");
	if (!p)
		return vc__shortage_of_map(region, -errno);
	if ((uintptr_t)p & (align - 1))
		aligned = map_aligned(&m, align);
	if (aligned) {
		(void)munmap(p, region->len_bytes);
		p = aligned;
	}
	region->hva = p;
	return 0;
}

struct advice {
	uint32_t flag;
	int advice;
	const char *what;
};

static int advise(const struct vc_region *region)
{
	static const struct advice all[] = {
		{ VC_REGION_THP, MADV_HUGEPAGE, "transparent huge pages (VC_REGION_THP)" },
		{ VC_REGION_NO_THP, MADV_NOHUGEPAGE, "transparent huge pages (VC_REGION_NO_THP)" },
		{ VC_REGION_MERGEABLE, MADV_MERGEABLE, "page merging (KSM, VC_REGION_MERGEABLE)" },
		{ VC_REGION_NO_DUMP, MADV_DONTDUMP, "exclusion from core dumps" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!(region->flags & all[i].flag))
			continue;
		if (madvise(region->hva, region->len_bytes, all[i].advice) == 0)
			continue;
		if (errno == EINVAL)
			return vc_error_set(-EOPNOTSUPP, "mem", region->name,
					    "the host's kernel does not offer %s", all[i].what);
		return vc_error_set(-errno, "mem", region->name, "%s: refused by the kernel",
				    all[i].what);
	}
	return 0;
}

/* Pages are locked as they come and then all touched: so the threads can share the work. */
static int lock_and_touch(const struct vc_region *region, bool is_touched, uint32_t nr_threads)
{
	int r;

	if ((region->flags & VC_REGION_MLOCK) &&
	    mlock2(region->hva, region->len_bytes, MLOCK_ONFAULT) < 0)
		return vc__shortage_of_lock(region, -errno);
	if (!is_touched)
		return 0;
	r = vc__region_populate(region, nr_threads);
	if (r < 0 && r != -EAGAIN)
		return vc__shortage_of_pages(region, r);
	/* Pages that the file had already can be moved only now that they are mapped. */
	if (r == 0 && region->kind == VC_REGION_FILE && region->numa == VC_NUMA_BIND)
		r = vc__numa_apply(region);
	return r;
}

/* Gives back what a region holds. Foreign memory goes back only once the region was complete. */
static void release(struct vc_region *region)
{
	if (region->kind == VC_REGION_FOREIGN) {
		if (region->hva && region->foreign.release)
			region->foreign.release(region->foreign.opaque, region->hva,
						region->len_bytes);
	} else if (region->hva) {
		(void)munmap(region->hva, region->len_bytes);
	}
	if (region->fd >= 0)
		(void)close(region->fd);
	free(region);
}

static int acquire_foreign(struct vc_region *region)
{
	if ((region->flags & VC_REGION_NO_DUMP) &&
	    madvise(region->foreign.hva, region->len_bytes, MADV_DONTDUMP) < 0)
		return vc_error_set(-EOPNOTSUPP, "mem", region->name,
				    "foreign memory cannot be left out of core dumps (error %d)",
				    errno);
	region->hva = region->foreign.hva;
	return 0;
}

static int acquire(struct vc_region *region, const struct vc_region_config *cfg)
{
	bool is_touched = vc__region_is_touched(cfg);
	int r = 0;

	if (region->kind == VC_REGION_FOREIGN)
		return acquire_foreign(region);
	if (region->kind == VC_REGION_MEMFD || region->kind == VC_REGION_HUGETLB)
		r = open_memfd(region);
	else if (region->kind == VC_REGION_FILE)
		r = vc__region_open_file(region, cfg->fd);
	if (r == 0)
		r = vc__numa_check(region);
	if (r == 0 && is_touched)
		r = vc__shortage_check(region);
	if (r == 0)
		r = map(region, is_touched);
	if (r == 0)
		r = vc__numa_apply(region);
	if (r == 0)
		r = advise(region);
	if (r == 0)
		r = lock_and_touch(region, is_touched, cfg->prefault_threads);
	return r;
}

int vc_region_create(const struct vc_region_config *cfg, struct vc_region **ret_region)
{
	struct vc_region_config c;
	struct vc_region *region;
	int r;

	if (!ret_region)
		return vc_error_set(-EINVAL, "mem", NULL, "no place for the region");
	r = vc_config_copy(&c, sizeof(c), cfg);
	if (r < 0)
		return r;
	if (!c.name)
		c.name = "ram";
	r = vc__region_check(&c);
	if (r < 0)
		return r;
	region = calloc(1, sizeof(*region));
	if (!region)
		return vc_error_set(-ENOMEM, "mem", c.name, "no memory for the region's record");
	atomic_init(&region->nr_refs, 1);
	atomic_init(&region->nr_maps, 0);
	(void)strcpy(region->name, c.name);
	region->kind = c.kind;
	region->flags = c.flags;
	region->len_bytes = c.len_bytes;
	region->page_bytes = vc__region_page_bytes(&c);
	region->is_hugetlb = c.kind == VC_REGION_HUGETLB;
	region->numa = c.numa;
	region->numa_nodes = c.numa_nodes;
	region->foreign = c.foreign;
	region->file_off = c.file_off;
	region->fd = -EBADF;
	r = acquire(region, &c);
	if (r < 0) {
		release(region);
		return r;
	}
	*ret_region = region;
	return 0;
}

struct vc_region *vc_region_get(struct vc_region *region)
{
	atomic_fetch_add_explicit(&region->nr_refs, 1, memory_order_relaxed);
	return region;
}

void vc_region_put(struct vc_region *region)
{
	if (!region)
		return;
	/* acq_rel: what others did with the memory comes before it goes; pairs with itself. */
	if (atomic_fetch_sub_explicit(&region->nr_refs, 1, memory_order_acq_rel) == 1)
		release(region);
}

int vc_region_write(struct vc_region *region, uint64_t off, const void *buf, uint64_t len)
{
	int r;

	if (!region || (!buf && len > 0))
		return vc_error_set(-EINVAL, "mem", NULL, "no region or no bytes");
	if (!vc_range_within(off, len, region->len_bytes))
		return vc_error_set(-EINVAL, "mem", region->name,
				    "%llu bytes at offset 0x%llx, the region has 0x%llx",
				    (unsigned long long)len, (unsigned long long)off,
				    (unsigned long long)region->len_bytes);
	/* Acquire: pairs with vc_mem_destroy(), whose guest may have written last. */
	if (atomic_load_explicit(&region->nr_maps, memory_order_acquire) > 0)
		return vc_error_set(-EBUSY, "mem", region->name,
				    "the region is in a map: write by guest address");
	if (region->kind == VC_REGION_FILE && (region->flags & VC_REGION_READONLY))
		return vc_error_set(-EROFS, "mem", region->name, "a read-only file is mapped so");
	r = vc__region_check_file(region);
	if (r == 0 && len > 0)
		memcpy(region->hva + off, buf, len);
	return r;
}

int vc_region_discard(struct vc_region *region, uint64_t off, uint64_t len_bytes)
{
	int r;

	if (!region)
		return vc_error_set(-EINVAL, "mem", NULL, "no region");
	r = vc__region_check_discard(region, off, len_bytes);
	if (r < 0 || len_bytes == 0)
		return r;
	if (region->fd >= 0)
		r = fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(region->file_off + off), (off_t)len_bytes);
	else
		r = madvise(region->hva + off, len_bytes, MADV_DONTNEED);
	if (r < 0)
		return vc_error_set(-errno, "mem", region->name,
				    "%llu bytes at offset 0x%llx could not be given back",
				    (unsigned long long)len_bytes, (unsigned long long)off);
	return 0;
}

int vc_region_pin(struct vc_region *region, int (*pin)(void *opaque, void *hva, uint64_t len_bytes),
		  void *opaque)
{
	if (!region || !pin)
		return vc_error_set(-EINVAL, "mem", NULL, "no region, or nothing that pins it");
	if (region->kind == VC_REGION_FOREIGN)
		return vc_error_set(-EOPNOTSUPP, "mem", region->name,
				    "foreign memory cannot be pinned");
	if (!(region->flags & VC_REGION_PINNED))
		return vc_error_set(-EBUSY, "mem", region->name,
				    "its pages may be taken back: made without VC_REGION_PINNED");
	return pin(opaque, region->hva, region->len_bytes);
}

int vc_region_fd(const struct vc_region *region)
{
	if (!region)
		return vc_error_set(-EINVAL, "mem", NULL, "no region");
	if (region->fd < 0)
		return vc_error_set(-EOPNOTSUPP, "mem", region->name,
				    "the region has no file behind it");
	return region->fd;
}
