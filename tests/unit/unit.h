/* SPDX-License-Identifier: Apache-2.0 */
/* What every cmocka test includes first, and a few checks that cmocka lacks. */
#ifndef VC_TESTS_UNIT_H
#define VC_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtcore/error.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Sanitizers take terabytes of address space and have a thread: some limits cannot be tried. */
#if defined(__has_feature)
#define HAS_ASAN __has_feature(address_sanitizer)
#define HAS_TSAN __has_feature(thread_sanitizer)
#else
#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif
#ifdef __SANITIZE_THREAD__
#define HAS_TSAN 1
#else
#define HAS_TSAN 0
#endif
#endif

/* The call failed with @err, left a message for it, and the message contains @part. */
#define assert_refused(call, err, part) assert_refused_at((call), (err), (part), __FILE__, __LINE__)

static inline void assert_refused_at(int64_t found, int err, const char *part, const char *file,
				     int line)
{
	struct vc_error last;

	vc_error_last(&last);
	if (found != err)
		print_error("returned %lld (last error: %s)\n", (long long)found,
			    vc_error_message());
	_assert_int_equal((uint64_t)found, (uint64_t)(int64_t)err, file, line);
	_assert_int_equal((uint64_t)(int64_t)last.code, (uint64_t)(int64_t)err, file, line);
	if (!strstr(vc_error_message(), part))
		print_error("message \"%s\" lacks \"%s\"\n", vc_error_message(), part);
	_assert_true(strstr(vc_error_message(), part) != NULL, part, file, line);
}

/* The call returned @want; says the last error otherwise. */
#define assert_result(call, want) assert_result_at((call), (want), __FILE__, __LINE__)

static inline void assert_result_at(int64_t found, int64_t want, const char *file, int line)
{
	if (found != want)
		print_error("returned %lld (last error: %s)\n", (long long)found,
			    vc_error_message());
	_assert_int_equal((uint64_t)found, (uint64_t)want, file, line);
}

#endif /* VC_TESTS_UNIT_H */
