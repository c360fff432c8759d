/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses libvirtcore-base alone. */
#include <libvirtcore/error.h>
#include <libvirtcore/snapshot.h>

#include <stdio.h>

int main(void)
{
	struct vc_log *log = 0;
	const uint32_t want = VC_VERSION_MAJOR << 16 | VC_VERSION_MINOR << 8 | VC_VERSION_PATCH;

	if (vc_version_get() != want)
		return 1;
	if (vc_log_create(0, &log) >= 0 || log)
		return 2;
	printf("base: %s\n", vc_error_message());
	return 0;
}
