/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the kernel's small text files under /sys and /proc.
 *
 * Runs on the control thread. No stdio, no allocation: such files are read to explain why memory is
 * short. What cannot be parsed is an error of its own (-EBADMSG), never a made-up number.
 */
#include <libvirtcore/implement.h>

#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int vc__sysfs_read(char *buf, size_t size, const char *path)
{
	vc_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (int)len;
}

/* Decimal digits at *@at, which is moved behind them. */
static bool parse_number(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (!vc_mul_u64(v, 10, &v) || !vc_add_u64(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret = v;
	return true;
}

int vc__sysfs_u64(const char *path, uint64_t *ret)
{
	char buf[64];
	const char *at = buf;
	int r = vc__sysfs_read(buf, sizeof(buf), path);

	if (r < 0)
		return r;
	return parse_number(&at, ret) ? 0 : -EBADMSG;
}

int vc__sysfs_list(const char *text, uint64_t *bits, size_t nr_bits)
{
	uint64_t first, last;

	while (*text && *text != '\n') {
		if (!parse_number(&text, &first))
			return -EBADMSG;
		last = first;
		if (*text == '-') {
			text++;
			if (!parse_number(&text, &last) || last < first)
				return -EBADMSG;
		}
		for (uint64_t i = first; i <= last && i < nr_bits; i++)
			bits[i / 64] |= 1ull << i % 64;
		if (*text == ',')
			text++;
	}
	return 0;
}

uint64_t vc__sysfs_field(const char *text, const char *name)
{
	size_t len = strlen(name);
	uint64_t v = 0;

	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name)) {
		bool is_word = p == text || p[-1] == ' ' || p[-1] == '\n';

		if (!is_word || p[len] != ':')
			continue;
		p += len + 1;
		p += strspn(p, " \t");
		return parse_number(&p, &v) ? v : 0;
	}
	return 0;
}
