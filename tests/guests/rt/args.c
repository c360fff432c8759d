/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of a guest: `key=value` words of the PVH command line. Words it does not know are
 * left alone, because some loaders append their own. A value that is not a number where one is
 * wanted ends the guest with GUEST_EXIT_USAGE.
 */
#include "rt.h"

static const char *find_value(const struct guest_info *info, const char *key)
{
	const char *p = info->cmdline;

	while (*p) {
		const char *k = key;

		while (*p == ' ')
			p++;
		while (*k && *p == *k)
			p++, k++;
		if (!*k && *p == '=')
			return p + 1;
		while (*p && *p != ' ')
			p++;
	}
	return NULL;
}

static bool at_end(const char *p)
{
	return !*p || *p == ' ';
}

static const char *parse_number(const char *p, u64 *ret)
{
	u64 base = 10, v = 0;
	const char *from;

	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	for (from = p;; p++) {
		u64 digit = *p >= 'a' && *p <= 'f' ? (u64)(*p - 'a' + 10) : (u64)(*p - '0');

		if (*p < '0' || digit >= base || (*p > '9' && *p < 'a'))
			break;
		v = v * base + digit;
	}
	*ret = v;
	return p > from ? p : NULL;
}

static void refuse(const char *key)
{
	guest_printf("parameter %s: not a number\n", key);
	guest_exit(GUEST_EXIT_USAGE);
}

u64 guest_arg(const struct guest_info *info, const char *key, u64 fallback)
{
	const char *p = find_value(info, key);
	u64 v;

	if (!p)
		return fallback;
	p = parse_number(p, &v);
	if (!p || !at_end(p))
		refuse(key);
	return v;
}

bool guest_arg_span(const struct guest_info *info, const char *key, u64 *lo, u64 *hi)
{
	const char *p = find_value(info, key);

	if (!p)
		return false;
	p = parse_number(p, lo);
	if (!p)
		refuse(key);
	*hi = *lo;
	if (*p == '-')
		p = parse_number(p + 1, hi);
	if (!p || !at_end(p) || *hi < *lo)
		refuse(key);
	return true;
}

bool guest_arg_str(const struct guest_info *info, const char *key, char *buf, size_t bytes)
{
	const char *p = find_value(info, key);
	size_t n = 0;

	if (p)
		for (; !at_end(p) && n + 1 < bytes; p++)
			buf[n++] = *p;
	buf[n] = '\0';
	return p != NULL;
}

bool guest_arg_is(const struct guest_info *info, const char *key, const char *value)
{
	const char *p = find_value(info, key);

	if (!p)
		return false;
	while (*value && *p == *value)
		p++, value++;
	return !*value && at_end(p);
}
