/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The debug-exit port: a test guest ends itself with a code by one write. vCPU threads, under the
 * device's lock.
 *
 * A write that begins at the port's first byte counts, whatever its size; others vanish. Reads give
 * 0, so that a guest can tell the port from an unclaimed one. Leaves out: any state.
 * Spec: none.
 */
#include <libvirtcore/implement.h>

#include <errno.h>

#include "request_device.h"

static void debug_exit_access(struct vc_device *dev, struct vc_access *access)
{
	struct vc__request_device *d = vc__request_device_of(dev);

	if (!access->is_write)
		access->value = 0;
	else if (access->off == 0)
		d->fn(d->opaque, VC_REQUEST_DEBUG_EXIT, access->value);
}

static const struct vc_device_ops debug_exit_ops = {
	.type = "debug_exit",
	.access = debug_exit_access,
	.reset = vc__request_device_reset,
	.save = vc__request_device_save,
	.load = vc__request_device_load,
	.destroy = vc__request_device_destroy,
};

int vc_debug_exit_create(const struct vc_request_config *cfg, struct vc_device **ret_dev)
{
	struct vc__request_device *d;
	int r;

	if (!ret_dev)
		return vc_error_set(-EINVAL, "devices", "debug_exit", "ret_dev is needed");
	r = vc__request_device_create(cfg, &debug_exit_ops, &d);
	if (r < 0)
		return r;
	*ret_dev = &d->dev;
	return 0;
}
