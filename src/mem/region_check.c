/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a region's configuration may say: sizes, flags that exclude each other, fields that belong
 * to another kind, and the file an embedder brings.
 *
 * Runs on the control thread. A field that would have no effect is refused, never passed over: the
 * message names it. What takes pages away (KSM, discard, copy on write) and what pins them exclude
 * each other here.
 */
#include "region_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define ALL_FLAGS ((VC_REGION_PINNED << 1) - 1)

#define refuse(cfg, ...) vc_error_set(-EINVAL, "mem", (cfg)->name, __VA_ARGS__)

uint64_t vc__region_page_bytes(const struct vc_region_config *cfg)
{
	if (cfg->kind != VC_REGION_HUGETLB)
		return (uint64_t)sysconf(_SC_PAGESIZE);
	return cfg->page_bytes ? cfg->page_bytes : 2ull << 20;
}

bool vc__region_is_touched(const struct vc_region_config *cfg)
{
	return (cfg->flags & (VC_REGION_PREFAULT | VC_REGION_MLOCK)) || cfg->numa == VC_NUMA_BIND;
}

static int check_name(const struct vc_region_config *cfg)
{
	size_t len = strnlen(cfg->name, VC_STATE_NAME_MAX + 1);

	if (len == 0 || len > VC_STATE_NAME_MAX)
		return refuse(cfg, "a name has 1 to %u bytes", VC_STATE_NAME_MAX);
	for (size_t i = 0; i < len; i++) {
		if (cfg->name[i] < 0x20 || cfg->name[i] > 0x7e)
			return refuse(cfg, "a name is printable ASCII");
	}
	return 0;
}

static int check_sizes(const struct vc_region_config *cfg)
{
	uint64_t page = vc__region_page_bytes(cfg), end = 0;

	if (cfg->page_bytes != 0 && cfg->kind != VC_REGION_HUGETLB)
		return refuse(cfg, "page_bytes is for hugetlb regions only");
	if (page & (page - 1) ||
	    (cfg->kind == VC_REGION_HUGETLB && page != 2ull << 20 && page != 1ull << 30))
		return refuse(cfg, "page_bytes is %" PRIu64 ", expected 2 MiB or 1 GiB", page);
	if (cfg->len_bytes == 0)
		return refuse(cfg, "the length is 0");
	if (cfg->len_bytes % page != 0)
		return refuse(cfg, "length 0x%" PRIx64 " is no multiple of the page size, %" PRIu64,
			      cfg->len_bytes, page);
	if (cfg->file_off % page != 0)
		return refuse(cfg,
			      "file_off 0x%" PRIx64 " is no multiple of the page size, %" PRIu64,
			      cfg->file_off, page);
	if (!vc_add_u64(cfg->file_off, cfg->len_bytes, &end) || end > INT64_MAX)
		return refuse(cfg, "length 0x%" PRIx64 " is more than any file or mapping can have",
			      cfg->len_bytes);
	return 0;
}

/* Fields of other kinds must be zero. */
static int check_kind(const struct vc_region_config *cfg)
{
	const struct vc_region_foreign *f = &cfg->foreign;
	bool is_foreign = cfg->kind == VC_REGION_FOREIGN;

	if (cfg->fd != 0 && cfg->kind != VC_REGION_FILE)
		return refuse(cfg, "fd is for file regions only");
	if (cfg->file_off != 0 && cfg->kind != VC_REGION_FILE)
		return refuse(cfg, "file_off is for file regions only");
	if (!is_foreign && (f->hva || f->release || f->opaque))
		return refuse(cfg, "foreign is for foreign regions only");
	if (!is_foreign)
		return 0;
	if (!f->hva || (uintptr_t)f->hva % vc__region_page_bytes(cfg) != 0)
		return refuse(cfg, "foreign.hva is %p, expected a page-aligned mapping", f->hva);
	if (cfg->flags & ~(uint32_t)(VC_REGION_READONLY | VC_REGION_NO_DUMP))
		return refuse(cfg, "foreign memory takes the flags READONLY and NO_DUMP only");
	if (cfg->numa != VC_NUMA_DEFAULT)
		return refuse(cfg, "foreign memory takes no NUMA policy");
	return 0;
}

static bool has_both(uint32_t flags, uint32_t one, uint32_t other)
{
	return (flags & one) && (flags & other);
}

static int check_flags(const struct vc_region_config *cfg)
{
	uint32_t flags = cfg->flags;
	bool is_cow = cfg->kind == VC_REGION_FILE && (flags & VC_REGION_PRIVATE);

	if (flags & ~ALL_FLAGS)
		return refuse(cfg, "unknown flags 0x%x", flags & ~ALL_FLAGS);
	if ((flags & VC_REGION_PRIVATE) && cfg->kind != VC_REGION_FILE)
		return refuse(cfg, "PRIVATE is for file regions only");
	if (has_both(flags, VC_REGION_THP, VC_REGION_NO_THP))
		return refuse(cfg, "THP and NO_THP exclude each other");
	if ((flags & (VC_REGION_THP | VC_REGION_NO_THP)) && cfg->kind == VC_REGION_HUGETLB)
		return refuse(cfg, "THP and NO_THP have no meaning for hugetlb pages");
	if (has_both(flags, VC_REGION_PINNED, VC_REGION_MERGEABLE))
		return refuse(cfg, "PINNED and MERGEABLE exclude each other");
	if (has_both(flags, VC_REGION_PINNED, VC_REGION_PRIVATE))
		return refuse(cfg, "PINNED and PRIVATE exclude each other");
	if ((flags & VC_REGION_PINNED) && !(flags & VC_REGION_PREFAULT))
		return refuse(cfg, "PINNED needs PREFAULT");
	if ((flags & VC_REGION_MERGEABLE) && cfg->kind != VC_REGION_ANON && !is_cow)
		return refuse(cfg, "MERGEABLE needs private memory: anon, or file with PRIVATE");
	return 0;
}

static int check_placement(const struct vc_region_config *cfg)
{
	uint64_t nodes = cfg->numa_nodes;

	if ((unsigned int)cfg->numa > VC_NUMA_PREFERRED)
		return refuse(cfg, "unknown NUMA policy %u", (unsigned int)cfg->numa);
	if (cfg->numa == VC_NUMA_DEFAULT && nodes != 0)
		return refuse(cfg, "numa_nodes is set without a NUMA policy");
	if (cfg->numa != VC_NUMA_DEFAULT && nodes == 0)
		return refuse(cfg, "a NUMA policy needs numa_nodes");
	if (cfg->numa == VC_NUMA_PREFERRED && (nodes & (nodes - 1)))
		return refuse(cfg, "the policy PREFERRED takes one node");
	if (cfg->prefault_threads > VC__POPULATE_THREADS_MAX)
		return refuse(cfg, "%u prefault threads, expected at most %u",
			      cfg->prefault_threads, VC__POPULATE_THREADS_MAX);
	if (cfg->prefault_threads > 0 && !vc__region_is_touched(cfg))
		return refuse(cfg, "prefault_threads is set, but nothing is touched ahead "
				   "(PREFAULT, MLOCK or the NUMA policy BIND)");
	return 0;
}

int vc__region_check(const struct vc_region_config *cfg)
{
	int r = check_name(cfg);

	if (r == 0 && (unsigned int)cfg->kind > VC_REGION_FOREIGN)
		r = refuse(cfg, "unknown kind %u", (unsigned int)cfg->kind);
	if (r == 0)
		r = check_flags(cfg);
	if (r == 0)
		r = check_kind(cfg);
	if (r == 0)
		r = check_sizes(cfg);
	if (r == 0)
		r = check_placement(cfg);
	return r;
}

/* hugetlbfs has its own page size, and only memory file systems heed a NUMA policy. */
static int check_filesystem(struct vc_region *region)
{
	struct statfs fs;
	bool is_tmpfs;

	if (fstatfs(region->fd, &fs) < 0)
		return vc_error_set(-errno, "mem", region->name,
				    "the file system of the file cannot be asked");
	region->is_hugetlb = fs.f_type == HUGETLBFS_MAGIC;
	is_tmpfs = fs.f_type == TMPFS_MAGIC;
	if (region->is_hugetlb) {
		region->page_bytes = (uint64_t)fs.f_bsize;
		if (region->len_bytes % region->page_bytes || region->file_off % region->page_bytes)
			return vc_error_set(-EINVAL, "mem", region->name,
					    "length or file_off is no multiple of %" PRIu64
					    ", the page size of its hugetlbfs",
					    region->page_bytes);
	}
	if (region->numa != VC_NUMA_DEFAULT && !region->is_hugetlb && !is_tmpfs)
		return vc_error_set(-EINVAL, "mem", region->name,
				    "a file outside tmpfs and hugetlbfs takes no NUMA policy");
	return 0;
}

int vc__region_check_file(const struct vc_region *region)
{
	struct stat st;

	if (region->kind != VC_REGION_FILE)
		return 0;
	if (fstat(region->fd, &st) < 0)
		return vc_error_set(-errno, "mem", region->name, "the file cannot be asked");
	if (!S_ISREG(st.st_mode))
		return vc_error_set(-EINVAL, "mem", region->name,
				    "the descriptor is of no regular file");
	if (!vc_range_within(region->file_off, region->len_bytes, (uint64_t)st.st_size))
		return vc_error_set(-EFBIG, "mem", region->name,
				    "the file has %" PRIu64 " bytes, %" PRIu64
				    " are needed from offset %" PRIu64,
				    (uint64_t)st.st_size, region->len_bytes, region->file_off);
	return 0;
}

int vc__region_open_file(struct vc_region *region, int fd)
{
	int r;

	region->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (region->fd < 0)
		return vc_error_set(-errno, "mem", region->name, "fd %d cannot be duplicated", fd);
	r = vc__region_check_file(region);
	return r < 0 ? r : check_filesystem(region);
}

int vc__region_check_discard(const struct vc_region *region, uint64_t off, uint64_t len_bytes)
{
	if (region->kind == VC_REGION_FOREIGN || (region->flags & VC_REGION_PRIVATE))
		return vc_error_set(
			-EOPNOTSUPP, "mem", region->name,
			"pages of a foreign or private file region are not ours to give "
			"back");
	if (region->flags & VC_REGION_READONLY)
		return vc_error_set(-EROFS, "mem", region->name, "the region is read-only");
	if (region->flags & (VC_REGION_PINNED | VC_REGION_MLOCK))
		return vc_error_set(-EBUSY, "mem", region->name, "the region is %s",
				    region->flags & VC_REGION_PINNED ? "pinned (VC_REGION_PINNED)"
								     : "locked (VC_REGION_MLOCK)");
	if (off % region->page_bytes || len_bytes % region->page_bytes ||
	    !vc_range_within(off, len_bytes, region->len_bytes))
		return vc_error_set(-EINVAL, "mem", region->name,
				    "0x%" PRIx64 " bytes at offset 0x%" PRIx64
				    ": expected multiples of %" PRIu64 " within 0x%" PRIx64,
				    len_bytes, off, region->page_bytes, region->len_bytes);
	return 0;
}
