/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Size-versioned config structs: how a program built against one version of the headers is read by
 * a library of another.
 *
 * Runs on any thread. A struct only ever grows at its end and zero means default, so a shorter one
 * is filled up with zeros and a longer one is taken when what is unknown here is zero. Pointers in
 * the struct are copied as pointers: whoever takes the config copies what they point to. Results
 * that a caller allocates go the other way by the same rule.
 */
#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

/* Larger than any config struct will be; a size beyond it was never set. */
#define CONFIG_SIZE_MAX 4096

int vc_config_copy(void *dst, size_t dst_size, const void *src)
{
	const unsigned char *bytes = src;
	size_t size, known;

	if (!src)
		return vc_error_set(-EINVAL, "config", NULL, "the config struct is NULL");
	memcpy(&size, src, sizeof(size));
	if (size < sizeof(size))
		return vc_error_set(-EINVAL, "config", NULL,
				    "size %zu, expected sizeof the config struct (%zu here)", size,
				    dst_size);
	if (size > CONFIG_SIZE_MAX)
		return vc_error_set(-E2BIG, "config", NULL, "size %zu, expected at most %d", size,
				    CONFIG_SIZE_MAX);
	for (size_t i = dst_size; i < size; i++) {
		if (bytes[i])
			return vc_error_set(-E2BIG, "config", NULL,
					    "byte %zu is set, this library knows %zu bytes: the "
					    "program was built for a newer version",
					    i, dst_size);
	}
	known = size < dst_size ? size : dst_size;
	memset(dst, 0, dst_size);
	memcpy(dst, src, known);
	memcpy(dst, &dst_size, sizeof(dst_size));
	return 0;
}

int vc_result_fill(void *ret, size_t first_size, const void *src, size_t src_size)
{
	size_t size, known;

	if (!ret)
		return vc_error_set(-EINVAL, "config", NULL, "no struct for the result given");
	memcpy(&size, ret, sizeof(size));
	if (size < first_size || size > CONFIG_SIZE_MAX)
		return vc_error_set(-EINVAL, "config", NULL,
				    "the result's size is %zu: set it to sizeof the struct, %zu or "
				    "more",
				    size, first_size);
	if (!src)
		return 0;
	known = size < src_size ? size : src_size;
	memset(ret, 0, size);
	memcpy(ret, src, known);
	memcpy(ret, &size, sizeof(size));
	return 0;
}
