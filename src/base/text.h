/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded text that is safe to show: shared by the error message and the log. */
#ifndef VC_BASE_TEXT_H
#define VC_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* Longest text of an error or a log record, bytes without the terminating NUL. */
#define VC_TEXT_MAX 512
/* Longest name of an object that is kept with it. */
#define VC_OBJECT_MAX 96

/*
 * Formats into @buf of @size bytes (at least 1), cut at the end, control characters replaced.
 * Allocates nothing for the conversions that the library uses; keeps errno.
 */
void vc__text_format(char *buf, size_t size, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Copies @src (NULL = "") into @buf of @size bytes, cut and cleaned in the same way. */
void vc__text_copy(char *buf, size_t size, const char *src);

#endif /* VC_BASE_TEXT_H */
