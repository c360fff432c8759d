/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For those who *implement* things on top of the library (devices, streams, backings) and for the
 * library's own layers: setting errors, writing log lines, checked arithmetic, cleanup attributes,
 * thread roles. A program that only uses VMs never includes this. C only, GNU attributes needed.
 */
#ifndef LIBVIRTCORE_IMPLEMENT_H
#define LIBVIRTCORE_IMPLEMENT_H

#include <libvirtcore/error.h>

#include <stdlib.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * vc_error_set() - leave the message of a failure for the calling thread.
 * @err: negative errno; returned as it is, so that `return vc_error_set(...)` reads well.
 * @subsystem: short static string: "mem", "cpu", "kvm", "boot", ...
 * @object: name of the thing meant, or NULL; copied, cut at 95 bytes.
 * @fmt: printf format of what was found and what was expected; cut at 512 bytes. In both, control
 *       characters that came from files or guests are replaced by '?'.
 * Context: any thread; does not block; does not change errno.
 * Returns: @err.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_error_set(int err, const char *subsystem, const char *object, const char *fmt, ...)
	VC_PRINTF(4, 5);

/**
 * vc_log_write() - hand a record to a log sink, within its level and rate.
 * @log: the sink; NULL is allowed and drops the record.
 * @level: the record's level.
 * @subsystem: short static string.
 * @object: name of the thing meant, or NULL.
 * @fmt: printf format of the text; cut at 512 bytes, control characters replaced by '?'.
 * Context: any thread, vCPU threads included; runs the embedder's callback; keeps errno.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_log_write(struct vc_log *log, enum vc_log_level level, const char *subsystem,
			 const char *object, const char *fmt, ...) VC_PRINTF(5, 6);

/**
 * vc_config_copy() - read a size-versioned config struct of any earlier or later version.
 * @dst: the callee's own struct, whose first member is `size_t size`; filled whole: what the caller
 *       does not have is zero, its size is @dst_size; untouched on failure.
 * @dst_size: its size, bytes.
 * @src: the caller's struct, whose first member is `size_t size`.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (@src NULL, size below sizeof(size_t)), -E2BIG (the caller's struct is
 *          newer and has a nonzero byte in what this library does not know, or its size is above
 *          4096 bytes: never set).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_config_copy(void *dst, size_t dst_size, const void *src);

/**
 * vc_result_fill() - fill a size-versioned struct that the caller allocated, of whatever version.
 * @ret: the caller's struct, whose first member `size_t size` it has set; what this library does
 *       not know of it becomes zero, its size stays; untouched on failure.
 * @first_size: bytes that the struct had in its first version.
 * @src: the callee's own, whole struct; NULL = only look at @ret.
 * @src_size: its size, bytes.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (@ret NULL, size below @first_size or above 4096 bytes: never set).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_result_fill(void *ret, size_t first_size, const void *src, size_t src_size);

/**
 * vc_crc32c_update() - CRC-32C (Castagnoli) of a block, continuing from an earlier one.
 * @crc: 0 to start, or the value returned for what came before.
 * @buf: bytes.
 * @len: their number.
 * Context: any thread; does not block.
 * Returns: the checksum.
 * Spec: [RFC 3720 B.4]   Since: 0.1
 */
VC_API uint32_t vc_crc32c_update(uint32_t crc, const void *buf, size_t len);

/* Checked arithmetic: true and *ret set when the result fits, false otherwise (*ret untouched). */
static inline bool vc_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t r;
	return !__builtin_add_overflow(a, b, &r) && (*ret = r, true);
}

static inline bool vc_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t r;
	return !__builtin_mul_overflow(a, b, &r) && (*ret = r, true);
}

/* True when [off, off + len) lies within [0, total); len 0 is within when off <= total. */
static inline bool vc_range_within(uint64_t off, uint64_t len, uint64_t total)
{
	return off <= total && len <= total - off;
}

/* Rounds up to a power of two; false when the result does not fit. */
static inline bool vc_align_up_u64(uint64_t v, uint64_t align, uint64_t *ret)
{
	uint64_t r = 0;
	return vc_add_u64(v, align - 1, &r) && (*ret = r & ~(align - 1), true);
}

/* Cleanup attributes: a local that closes or frees itself at the end of its scope. */
static inline void vc_close_p(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void vc_free_p(void *p)
{
	free(*(void **)p);
}

#define vc_auto_close __attribute__((cleanup(vc_close_p)))
#define vc_auto_free  __attribute__((cleanup(vc_free_p)))

/* Hands a pointer or fd over: yields the value and leaves NULL or -EBADF behind. */
#define vc_take(p)                                       \
	({                                               \
		__typeof__(&(p)) vc_take_at = &(p);      \
		__typeof__(p) vc_take_was = *vc_take_at; \
		*vc_take_at = NULL;                      \
		vc_take_was;                             \
	})
#define vc_take_fd(fd)                         \
	({                                     \
		int *vc_take_at = &(fd);       \
		int vc_take_was = *vc_take_at; \
		*vc_take_at = -9;              \
		vc_take_was;                   \
	})

/* The struct around an embedded member; checks that the member has the pointer's type. */
#define vc_container_of(ptr, type, member)                                    \
	({                                                                    \
		__typeof__(((type *)0)->member) *vc_member = (ptr);           \
		(type *)(void *)((char *)vc_member - offsetof(type, member)); \
	})

/* Invariants that a reviewer can prove; never about guest, file or caller data. */
#ifdef NDEBUG
#define vc_assert(cond) ((void)sizeof(cond))
#else
#define vc_assert(cond) ((cond) ? (void)0 : __builtin_trap())
#endif

/*
 * Thread roles and lock annotations: checked by clang's -Wthread-safety, nothing under gcc.
 * A function marked VC_ON(role) runs on the thread that holds the role only.
 */
#ifdef __clang__
#define VC_CAPABILITY(name)  __attribute__((capability(name)))
#define VC_ON(role)	     __attribute__((requires_capability(role)))
#define VC_GUARDED_BY(lock)  __attribute__((guarded_by(lock)))
#define VC_ACQUIRES(...)     __attribute__((acquire_capability(__VA_ARGS__)))
#define VC_RELEASES(...)     __attribute__((release_capability(__VA_ARGS__)))
#define VC_UNCHECKED_THREADS __attribute__((no_thread_safety_analysis))
#else
#define VC_CAPABILITY(name)
#define VC_ON(role)
#define VC_GUARDED_BY(lock)
#define VC_ACQUIRES(...)
#define VC_RELEASES(...)
#define VC_UNCHECKED_THREADS
#endif
#define VC_ANY_THREAD /* documentation only */

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_IMPLEMENT_H */
