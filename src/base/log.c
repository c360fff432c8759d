/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log sink: hands records to the embedder's callback, within a level and a rate.
 *
 * Runs on any thread, several at once; no lock. The rate is a token bucket kept as one number, the
 * time at which the bucket would be full again (the generic cell rate algorithm): a record is let
 * through when that time is not further away than the burst. A guest can cause records, so what is
 * over the rate is counted and the count goes out with the next record. No file, no stderr: where
 * the text goes is the embedder's business.
 */
#include <libvirtcore/implement.h>

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

#define NS_PER_S      1000000000ull
#define DEFAULT_RATE  10
#define DEFAULT_BURST 20

struct vc_log {
	vc_log_fn fn;
	void *opaque;
	enum vc_log_level level;
	uint64_t interval_ns; /* between records at the full rate */
	uint64_t burst_ns;    /* how far full_at_ns may be ahead of now */
	_Atomic uint64_t full_at_ns;
	_Atomic uint64_t nr_suppressed;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Takes one token; the number itself is the state, so relaxed order is enough. */
static bool take_token(struct vc_log *log)
{
	uint64_t now = now_ns();
	uint64_t was = atomic_load_explicit(&log->full_at_ns, memory_order_relaxed);
	uint64_t next;

	do {
		next = (was > now ? was : now) + log->interval_ns;
		if (next - now > log->burst_ns)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&log->full_at_ns, &was, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void vc_log_write(struct vc_log *log, enum vc_log_level level, const char *subsystem,
		  const char *object, const char *fmt, ...)
{
	int saved = errno;
	char name[VC_OBJECT_MAX], text[VC_TEXT_MAX + 1];
	struct vc_log_record record;
	va_list args;

	if (!log || level > log->level)
		return;
	if (!log->fn || !take_token(log)) {
		atomic_fetch_add_explicit(&log->nr_suppressed, 1, memory_order_relaxed);
		goto out;
	}
	va_start(args, fmt);
	vc__text_format(text, sizeof(text), fmt, args);
	va_end(args);
	vc__text_copy(name, sizeof(name), object);
	record = (struct vc_log_record){
		.level = level,
		.subsystem = subsystem ? subsystem : "",
		.object = name,
		.text = text,
		.nr_suppressed =
			atomic_exchange_explicit(&log->nr_suppressed, 0, memory_order_relaxed),
	};
	log->fn(log->opaque, &record);
out:
	errno = saved;
}

int vc_log_create(const struct vc_log_config *cfg, struct vc_log **ret_log)
{
	struct vc_log_config c;
	struct vc_log *log;
	int r;

	if (!ret_log)
		return vc_error_set(-EINVAL, "log", NULL, "no place for the result");
	r = vc_config_copy(&c, sizeof(c), cfg);
	if (r < 0)
		return r;
	if ((unsigned int)c.level > VC_LOG_DEBUG)
		return vc_error_set(-EINVAL, "log", NULL, "level %u, expected 0 to %u",
				    (unsigned int)c.level, VC_LOG_DEBUG);
	log = calloc(1, sizeof(*log));
	if (!log)
		return vc_error_set(-ENOMEM, "log", NULL, "no memory for the sink");
	log->fn = c.fn;
	log->opaque = c.opaque;
	log->level = c.level;
	log->interval_ns = NS_PER_S / (c.rate_per_s ? c.rate_per_s : DEFAULT_RATE);
	log->burst_ns = log->interval_ns * (c.burst ? c.burst : DEFAULT_BURST);
	*ret_log = log;
	return 0;
}

void vc_log_destroy(struct vc_log *log)
{
	free(log);
}
