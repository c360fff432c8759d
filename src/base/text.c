/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people, made from data that nobody vouches for: names in files, guest output, arguments.
 *
 * Runs on any thread, vCPU threads included, so it takes no lock, allocates nothing and keeps
 * errno. A line that ends up on a terminal or in a log must not move the cursor or forge a second
 * line: C0, DEL and the C1 controls in UTF-8 become '?'. Other bytes pass, valid UTF-8 or not.
 */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void clean(char *buf)
{
	unsigned char *p = (unsigned char *)buf;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
}

/* Bytes of the UTF-8 sequence that starts with @lead. */
static size_t sequence_len(unsigned char lead)
{
	if (lead >= 0xf0)
		return 4;
	if (lead >= 0xe0)
		return 3;
	return lead >= 0xc0 ? 2 : 1;
}

/* Takes away the first part of a UTF-8 sequence whose rest was cut off. */
static void trim_cut(char *buf, size_t len)
{
	size_t at = len;

	while (at > 0 && len - at < 3 && ((unsigned char)buf[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && at - 1 + sequence_len((unsigned char)buf[at - 1]) > len)
		buf[at - 1] = '\0';
}

void vc__text_format(char *buf, size_t size, const char *fmt, va_list args)
{
	int saved = errno;
	int n = vsnprintf(buf, size, fmt, args);

	if (n < 0)
		buf[0] = '\0';
	else if ((size_t)n >= size)
		trim_cut(buf, size - 1);
	clean(buf);
	errno = saved;
}

void vc__text_copy(char *buf, size_t size, const char *src)
{
	size_t len = src ? strnlen(src, size) : 0;

	if (len == size)
		len--;
	if (len > 0)
		memcpy(buf, src, len);
	buf[len] = '\0';
	if (src && len == size - 1 && src[len])
		trim_cut(buf, len);
	clean(buf);
}
