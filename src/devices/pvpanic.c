/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The panic notifier: a guest kernel reads which events the port knows and writes those that
 * happened. vCPU threads, under the device's lock.
 *
 * Events that the port does not offer are ignored, so that a newer guest's bits never look like a
 * panic. Leaves out: the shutdown event, which power-off already tells. Spec: [pvpanic device
 * specification]
 */
#include <libvirtcore/implement.h>

#include <errno.h>

#include "request_device.h"

#define PANICKED     0x01u
#define CRASH_LOADED 0x02u /* a crash kernel takes over */
#define EVENTS	     (PANICKED | CRASH_LOADED)

static void pvpanic_access(struct vc_device *dev, struct vc_access *access)
{
	struct vc__request_device *d = vc__request_device_of(dev);

	if (!access->is_write)
		access->value = EVENTS;
	else if (access->value & EVENTS)
		d->fn(d->opaque, VC_REQUEST_PANICKED, access->value & EVENTS);
}

static const struct vc_device_ops pvpanic_ops = {
	.type = "pvpanic",
	.access = pvpanic_access,
	.reset = vc__request_device_reset,
	.save = vc__request_device_save,
	.load = vc__request_device_load,
	.destroy = vc__request_device_destroy,
};

int vc_pvpanic_create(const struct vc_request_config *cfg, struct vc_device **ret_dev)
{
	struct vc__request_device *d;
	int r;

	if (!ret_dev)
		return vc_error_set(-EINVAL, "devices", "pvpanic", "ret_dev is needed");
	r = vc__request_device_create(cfg, &pvpanic_ops, &d);
	if (r < 0)
		return r;
	*ret_dev = &d->dev;
	return 0;
}
