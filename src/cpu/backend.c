/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hypervisors this library was built for. A back end is one const table; adding one means
 * adding its file to the build and its line here. Any thread. What the slots mean: backend.h. Which
 * one is chosen when nobody says: host.c.
 */
#include "backend.h"

#include <libvirtcore/implement.h>

#include <errno.h>

static const struct vc__backend_ops *const backends[] = {
	&vc__backend_kvm,
	&vc__backend_fake,
};

const struct vc__backend_ops *vc__backend_find(enum vc_backend backend)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (backends[i]->backend == backend)
			return backends[i];
	}
	return NULL;
}

int vc__no_memory(const char *object, const char *what)
{
	return vc_error_set(-ENOMEM, "cpu", object, "no memory for %s", what);
}
