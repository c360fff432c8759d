/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last error of each thread, and the version of the library.
 *
 * Runs on any thread. The one thread-local of the whole library lives here; a failing call fills
 * it, the caller of the public function reads it. Setting it allocates nothing and keeps errno, so
 * that it can be called at any point of an error path. Successful calls leave it alone.
 */
#include <libvirtcore/implement.h>

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define LINE_MAX_BYTES (VC_TEXT_MAX + VC_OBJECT_MAX + 32)

/* The message is kept as the tail of the line, so that a thread pays for it once. */
struct last_error {
	int code;
	size_t message_off; /* of the message within line */
	const char *subsystem;
	char object[VC_OBJECT_MAX];
	char line[LINE_MAX_BYTES]; /* "subsystem: object: message" */
};

static _Thread_local struct last_error last;

/* Appends "@text: " to the line when there is any text. */
static size_t append_part(size_t at, const char *text)
{
	size_t room = sizeof(last.line) - VC_TEXT_MAX - 1 - at;
	size_t len = strnlen(text, room);

	if (len == 0 || len + 2 > room)
		return at;
	memcpy(last.line + at, text, len);
	memcpy(last.line + at + len, ": ", 2);
	return at + len + 2;
}

int vc_error_set(int err, const char *subsystem, const char *object, const char *fmt, ...)
{
	int saved = errno;
	char message[VC_TEXT_MAX + 1];
	size_t at;
	va_list args;

	/* The arguments may point into the last error: format before anything is overwritten. */
	va_start(args, fmt);
	vc__text_format(message, sizeof(message), fmt, args);
	va_end(args);
	if (object != last.object)
		vc__text_copy(last.object, sizeof(last.object), object);
	last.code = err;
	last.subsystem = subsystem ? subsystem : "";
	at = append_part(0, last.subsystem);
	at = append_part(at, last.object);
	last.message_off = at;
	memcpy(last.line + at, message, sizeof(message));
	errno = saved;
	return err;
}

void vc_error_last(struct vc_error *ret)
{
	*ret = (struct vc_error){
		.code = last.code,
		.subsystem = last.subsystem ? last.subsystem : "",
		.object = last.object,
		.message = last.line + last.message_off,
	};
}

const char *vc_error_message(void)
{
	return last.line;
}

uint32_t vc_version_get(void)
{
	return VC_VERSION_MAJOR << 16 | VC_VERSION_MINOR << 8 | VC_VERSION_PATCH;
}
