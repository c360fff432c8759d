/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors and log, as a user of the library meets them.
 *
 * Every function returns 0 or a positive value on success and -errno on failure. Where the number
 * alone does not name the cause, the failing call leaves a message for its thread.
 */
#ifndef LIBVIRTCORE_ERROR_H
#define LIBVIRTCORE_ERROR_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the headers; compare with vc_version_get() for that of the library at run time. */
#define VC_VERSION_MAJOR 0
#define VC_VERSION_MINOR 1
#define VC_VERSION_PATCH 0

/**
 * vc_version_get() - tell the version of the library that is loaded.
 * Context: any thread; does not block.
 * Returns: major << 16 | minor << 8 | patch.
 * Spec: none.   Since: 0.1
 */
VC_API uint32_t vc_version_get(void);

/* The last error of the calling thread. */
struct vc_error {
	int code;	       /* the -errno that was returned with it, 0 when there was none */
	const char *subsystem; /* "mem", "cpu", "kvm", "boot", ...; "" when there was none */
	const char *object;    /* name of the region, vCPU, file ... meant, or "" */
	const char *message;   /* what was found and what was expected; one line, no newline */
};

/**
 * vc_error_last() - read the last error that a call set on this thread.
 * @ret: filled; the strings belong to the thread and live until its next failing call.
 * Context: any thread; does not block.
 * Returns: nothing. Successful calls do not clear the error.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_error_last(struct vc_error *ret);

/**
 * vc_error_message() - the last error of this thread as one line for people.
 * Context: any thread; does not block.
 * Returns: "subsystem: object: message", or "" when there was none; valid until the thread's next
 *          failing call; never NULL.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_error_message(void);

enum vc_log_level {
	VC_LOG_ERROR = 0,
	VC_LOG_WARNING = 1,
	VC_LOG_INFO = 2,
	VC_LOG_DEBUG = 3,
};

/* One log record; the strings are valid during the call only. */
struct vc_log_record {
	enum vc_log_level level;
	const char *subsystem;
	const char *object;
	const char *text;
	uint64_t nr_suppressed; /* records dropped by the rate limit since the last one delivered */
};

/* Runs on whatever thread logs, a vCPU thread included: must not block and not call back. */
typedef void (*vc_log_fn)(void *opaque, const struct vc_log_record *record);

struct vc_log_config {
	size_t size;		 /* sizeof(struct vc_log_config) */
	vc_log_fn fn;		 /* NULL: records are counted and dropped */
	void *opaque;		 /* given to @fn; must outlive the log */
	enum vc_log_level level; /* the highest level delivered; 0 = errors only */
	uint32_t rate_per_s;	 /* records per second that a guest can cause; 0 = 10 */
	uint32_t burst;		 /* records at once; 0 = 20 */
};

struct vc_log;

/**
 * vc_log_create() - make a log sink with a rate limit, for one VM or several.
 * @cfg: copied; see struct vc_log_config.
 * @ret_log: the sink, owned by the caller; untouched on failure.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (@cfg or @ret_log NULL, size too small, level out of range), -E2BIG
 *          (unknown newer fields), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_log_create(const struct vc_log_config *cfg, struct vc_log **ret_log);

/**
 * vc_log_destroy() - free a log sink.
 * @log: may be NULL; no object may use it any more.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_log_destroy(struct vc_log *log);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_ERROR_H */
