/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a disk image or block device: what it may be, its locks, its size, what O_DIRECT wants.
 *
 * Control thread. Nothing in the image is ever looked at, so nothing that a guest wrote into it can
 * decide how it is read. A descriptor that the caller gave is left as it was when opening fails. A
 * block device that is opened for writing is claimed with O_EXCL: what is mounted is refused.
 * Leaves out: creating images, and O_DIRECT requests below its alignment (read, change, write back).
 * Spec: [open(2) O_DIRECT], [statx(2) STATX_DIOALIGN], [sysfs-block]
 */
#include "blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#define SECTOR	  512u
#define ALIGN_MAX 4096u

/* How long locks that nobody seems to hold are waited for. */
#define ORPHAN_MS 2000
#define RETRY_MS  5

static int check_fields(const struct vc_block_config *cfg)
{
	bool has_fd = cfg->fd > 0;

	if (!cfg->path == !has_fd)
		return vc_error_set(-EINVAL, "io", cfg->name, "a path or an fd is needed%s",
				    has_fd ? ", not both" : "");
	if (cfg->path && !cfg->path[0])
		return vc_error_set(-EINVAL, "io", cfg->name, "the path is empty");
	if (cfg->format != VC_BLOCK_RAW)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "the format must be given and is never guessed: raw");
	if ((unsigned int)cfg->cache > VC_BLOCK_UNSAFE)
		return vc_error_set(-EINVAL, "io", cfg->name, "cache mode %d is unknown",
				    (int)cfg->cache);
	if (cfg->size_bytes != 0)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "size_bytes is for memory; a file has the size it has");
	return 0;
}

static int refuse_type(mode_t mode, const char *name)
{
	if (S_ISDIR(mode))
		return vc_error_set(-EISDIR, "io", name, "is a directory, no disk image");
	return vc_error_set(-ENOTBLK, "io", name, "is a %s, expected a file or a block device",
			    S_ISFIFO(mode)   ? "pipe"
			    : S_ISSOCK(mode) ? "socket"
					     : "character device");
}

static int refuse_open(const struct vc_block_config *cfg, int err)
{
	char holder[128];

	if (err == -EINVAL && cfg->cache == VC_BLOCK_NONE)
		return vc_error_set(-EOPNOTSUPP, "io", cfg->name,
				    "its file system has no O_DIRECT; another cache mode does "
				    "without");
	if (err == -EBUSY) {
		int fd = open(cfg->path, O_PATH | O_CLOEXEC);

		vc__blk_holder(fd, holder, sizeof(holder));
		if (fd >= 0)
			(void)close(fd);
		if (!holder[0])
			return -EOWNERDEAD;
		return vc_error_set(err, "io", cfg->name,
				    "cannot be opened for writing: it is in use%s", holder);
	}
	if (!cfg->is_readonly && (err == -EACCES || err == -EROFS || err == -EPERM))
		return vc_error_set(err, "io", cfg->name,
				    "cannot be opened for writing: %s; is_readonly opens it for "
				    "reading",
				    strerrordesc_np(-err));
	return vc_error_set(err, "io", cfg->name, "cannot be opened: %s", strerrordesc_np(-err));
}

/* O_NONBLOCK so that a pipe put in the file's place in between does not hold the caller up. */
static int open_path(const struct vc_block_config *cfg)
{
	int flags = (cfg->is_readonly ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	int fd;

	if (stat(cfg->path, &st) < 0)
		return refuse_open(cfg, -errno);
	/* Some devices act when they are opened. */
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return refuse_type(st.st_mode, cfg->name);
	if (cfg->cache == VC_BLOCK_NONE)
		flags |= O_DIRECT;
	if (S_ISBLK(st.st_mode) && !cfg->is_readonly && !cfg->is_shared)
		flags |= O_EXCL;
	fd = open(cfg->path, flags);
	return fd < 0 ? refuse_open(cfg, -errno) : fd;
}

/* The kind of thing behind the descriptor, and whether it is open for what is wanted. */
static int check_fd(const struct vc_block_config *cfg, int fd, struct vc__blk_facts *facts)
{
	int flags = fcntl(fd, F_GETFL), is_ro = 0;
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return vc_error_set(-errno, "io", cfg->name, "fd %d: %s", fd,
				    strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return refuse_type(st.st_mode, cfg->name);
	if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY ||
	    (!cfg->is_readonly && (flags & O_ACCMODE) != O_RDWR))
		return vc_error_set(-EBADF, "io", cfg->name, "fd %d is not open for %s", fd,
				    cfg->is_readonly ? "reading" : "reading and writing");
	facts->fd_flags = flags;
	facts->is_device = S_ISBLK(st.st_mode);
	if (facts->is_device && !cfg->is_readonly && ioctl(fd, BLKROGET, &is_ro) == 0 && is_ro)
		return refuse_open(cfg, -EROFS);
	return 0;
}

/* io_uring gives up early on O_NONBLOCK files, and O_APPEND would move every write. */
static int set_flags(const struct vc_block_config *cfg, const struct vc__blk_facts *facts)
{
	int flags = facts->fd_flags & ~(O_NONBLOCK | O_APPEND | O_DIRECT);

	if (cfg->cache == VC_BLOCK_NONE)
		flags |= O_DIRECT;
	return fcntl(facts->fd, F_SETFL, flags) < 0 ? refuse_open(cfg, -errno) : 0;
}

int vc__blk_size(int fd, bool is_device, uint64_t *ret_size_bytes)
{
	struct stat st;
	uint64_t size;

	if (is_device ? ioctl(fd, BLKGETSIZE64, &size) < 0 : fstat(fd, &st) < 0)
		return -errno;
	*ret_size_bytes = is_device ? size : (uint64_t)st.st_size;
	return 0;
}

/* A write behind the limit is not only refused: the kernel sends SIGXFSZ with it. */
int vc__blk_check_limit(uint64_t size_bytes, const char *name)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
	    size_bytes <= limit.rlim_cur)
		return 0;
	return vc_error_set(-EFBIG, "io", name,
			    "%llu bytes are more than this process may write to a file: %llu "
			    "(RLIMIT_FSIZE)",
			    (unsigned long long)size_bytes, (unsigned long long)limit.rlim_cur);
}

static uint32_t ioctl_u32(int fd, unsigned long request, uint32_t otherwise)
{
	unsigned int v = 0;

	return ioctl(fd, request, &v) == 0 && v != 0 ? v : otherwise;
}

static bool is_align(uint32_t v)
{
	return v != 0 && (v & (v - 1)) == 0 && v <= ALIGN_MAX;
}

/* Where the kernel does not tell: the least that it takes. */
static uint32_t try_align(int fd)
{
	vc_auto_free void *mem = aligned_alloc(ALIGN_MAX, ALIGN_MAX);
	uint32_t align = SECTOR;

	while (mem && align < ALIGN_MAX && pread(fd, mem, align, 0) < 0 && errno == EINVAL)
		align *= 2;
	return mem ? align : ALIGN_MAX;
}

static int find_direct_align(const char *name, struct vc__blk_facts *facts)
{
	struct statx sx;

	if (statx(facts->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
	    (sx.stx_mask & STATX_DIOALIGN)) {
		if (sx.stx_dio_offset_align == 0)
			return vc_error_set(-EOPNOTSUPP, "io", name,
					    "has no O_DIRECT; another cache mode does without");
		facts->direct_align = sx.stx_dio_offset_align;
		facts->mem_align = sx.stx_dio_mem_align;
	}
	if (facts->is_device && facts->direct_align == 1)
		facts->direct_align = ioctl_u32(facts->fd, BLKSSZGET, 1);
	if (facts->direct_align == 1)
		facts->direct_align = try_align(facts->fd);
	if (facts->mem_align == 1)
		facts->mem_align = facts->direct_align;
	if (!is_align(facts->direct_align) || !is_align(facts->mem_align))
		return vc_error_set(-EOPNOTSUPP, "io", name,
				    "O_DIRECT wants offsets in steps of %u bytes, at most %u work",
				    facts->direct_align, ALIGN_MAX);
	return 0;
}

/* A limit of a block device's queue; a partition has its disk's. 0 when it is not told. */
static uint64_t queue_limit(dev_t dev, const char *limit)
{
	static const char *const parents[] = { "", "../" };
	char path[128], text[32];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		vc_auto_close int fd = -EBADF;
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev),
			       minor(dev), parents[i], limit);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			return strtoull(text, NULL, 10);
		}
	}
	return 0;
}

/* Holes can be made behind the end without changing anything. */
static bool can_punch(int fd, uint64_t size_bytes)
{
	uint64_t off = 0;

	return vc_align_up_u64(size_bytes, ALIGN_MAX, &off) && off < INT64_MAX - ALIGN_MAX &&
	       fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, ALIGN_MAX) ==
		       0;
}

static uint32_t power_of_2_within(uint32_t v, uint32_t min, uint32_t max)
{
	uint32_t p = min;

	while (p < v && p < max)
		p *= 2;
	return p;
}

static void find_limits(const struct vc_block_config *cfg, struct vc__blk_facts *facts)
{
	uint32_t logical = 1, physical = 1;
	struct stat st = { .st_blksize = 0 };
	struct statfs fs = { .f_type = 0 };

	(void)fstat(facts->fd, &st);
	(void)fstatfs(facts->fd, &fs);
	facts->is_resident = !facts->is_device && !facts->is_direct && fs.f_type == TMPFS_MAGIC;
	if (facts->is_device) {
		logical = ioctl_u32(facts->fd, BLKSSZGET, SECTOR);
		physical = ioctl_u32(facts->fd, BLKPBSZGET, logical);
		facts->optimal_bytes = ioctl_u32(facts->fd, BLKIOOPT, 0);
	} else {
		physical = (uint32_t)st.st_blksize;
	}
	facts->physical_block_size = power_of_2_within(physical, facts->block_size, 65536);
	facts->discard_align = power_of_2_within(logical, facts->block_size, ALIGN_MAX);
	if (!cfg->is_readonly)
		facts->can_punch = facts->is_device
					   ? queue_limit(st.st_rdev, "write_zeroes_max_bytes") > 0
					   : can_punch(facts->fd, facts->size_bytes);
}

static int find_sizes(const struct vc_block_config *cfg, struct vc__blk_facts *facts)
{
	int r = vc__blk_size(facts->fd, facts->is_device, &facts->size_bytes);

	if (r < 0)
		return vc_error_set(r, "io", cfg->name, "has no size: %s", strerrordesc_np(-r));
	if (facts->size_bytes == 0)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "is empty, expected a file of the disk's size");
	if (!facts->is_device && !cfg->is_readonly)
		r = vc__blk_check_limit(facts->size_bytes, cfg->name);
	if (r < 0)
		return r;
	facts->is_direct = cfg->cache == VC_BLOCK_NONE;
	facts->direct_align = facts->mem_align = 1;
	if (facts->is_direct)
		r = find_direct_align(cfg->name, facts);
	if (r < 0)
		return r;
	facts->block_size = cfg->block_size;
	if (facts->block_size == 0)
		facts->block_size = facts->direct_align > SECTOR ? facts->direct_align : SECTOR;
	if (facts->block_size < facts->direct_align)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "block_size is %u, but O_DIRECT needs %u there; another cache "
				    "mode does not",
				    facts->block_size, facts->direct_align);
	if (facts->size_bytes % facts->block_size != 0)
		return vc_error_set(-EINVAL, "io", cfg->name,
				    "has %llu bytes, expected a multiple of %u",
				    (unsigned long long)facts->size_bytes, facts->block_size);
	find_limits(cfg, facts);
	return 0;
}

static int examine(const struct vc_block_config *cfg, struct vc__blk_facts *facts)
{
	int r = set_flags(cfg, facts);

	if (r == 0 && !cfg->is_shared)
		r = vc__blk_lock(facts->fd, !cfg->is_readonly, cfg->name);
	if (r < 0)
		return r;
	r = find_sizes(cfg, facts);
	if (r < 0 && !cfg->is_shared)
		vc__blk_unlock(facts->fd);
	return r;
}

static int try_open(const struct vc_block_config *cfg, struct vc__blk_facts *ret_facts)
{
	struct vc__blk_facts facts = { .fd = cfg->fd };
	vc_auto_close int opened = -EBADF;
	int r;

	if (cfg->path) {
		opened = open_path(cfg);
		if (opened < 0)
			return opened;
		facts.fd = opened;
	}
	r = check_fd(cfg, facts.fd, &facts);
	if (r < 0)
		return r;
	r = examine(cfg, &facts);
	if (r < 0) {
		(void)fcntl(facts.fd, F_SETFL, facts.fd_flags);
		return r;
	}
	(void)vc_take_fd(opened);
	*ret_facts = facts;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * The ring of a process that was killed keeps its files, and with them the locks, until what it had
 * under way is done: rightly so, or those writes would meet the next user's. It takes milliseconds,
 * and there is nothing that tells of its end.
 */
int vc__blk_open(const struct vc_block_config *cfg, struct vc__blk_facts *ret_facts)
{
	int64_t until = now_ms() + ORPHAN_MS;
	int r = check_fields(cfg);

	if (r < 0)
		return r;
	r = try_open(cfg, ret_facts);
	while (r == -EOWNERDEAD && now_ms() < until) {
		(void)poll(NULL, 0, RETRY_MS);
		r = try_open(cfg, ret_facts);
	}
	if (r != -EOWNERDEAD)
		return r;
	return vc_error_set(-EBUSY, "io", cfg->name,
			    "cannot be opened for %s: it is mounted or in use by a program that "
			    "cannot be named",
			    cfg->is_readonly ? "reading" : "writing");
}
