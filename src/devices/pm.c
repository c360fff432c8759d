/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI power management of a hardware-reduced machine: sleep control, sleep status, reset register.
 * vCPU threads, under the device's lock.
 *
 * Only S5 is a state of this machine; other sleep types do nothing, as no _Sx object offers them.
 * The wake status bit is never set: a guest that goes to S5 does not come back. Leaves out: S1-S4,
 * power button and wake events. Spec: [ACPI 6.4 4.8.3.7] [ACPI 6.4 4.8.3.6]
 */
#include <libvirtcore/implement.h>

#include <errno.h>

#include "device_private.h"
#include "request_device.h"

#define REG_SLEEP_CONTROL 0u
#define REG_SLEEP_STATUS  1u
#define REG_RESET	  2u

#define SLEEP_TYPE	 0x1cu
#define SLEEP_TYPE_SHIFT 2u
#define SLEEP_ENABLE	 0x20u

/* latches[0]: the sleep type last written; the enable bit reads as 0 */

static void access_byte(struct vc_device *dev, uint32_t off, bool is_write, uint8_t *value)
{
	struct vc__request_device *d = vc__request_device_of(dev);

	if (!is_write) {
		*value = off == REG_SLEEP_CONTROL ? d->latches[0] : 0;
		return;
	}
	if (off == REG_SLEEP_CONTROL) {
		d->latches[0] = *value & SLEEP_TYPE;
		if ((*value & SLEEP_ENABLE) && d->latches[0] >> SLEEP_TYPE_SHIFT == VC_PM_S5_TYPE)
			d->fn(d->opaque, VC_REQUEST_POWER_OFF, 0);
	} else if (off == REG_RESET && *value == VC_PM_RESET_VALUE) {
		d->fn(d->opaque, VC_REQUEST_RESET, 0);
	}
}

static void pm_access(struct vc_device *dev, struct vc_access *access)
{
	vc__device_access_bytes(dev, access, access_byte);
}

static const struct vc_device_ops pm_ops = {
	.type = "pm",
	.access = pm_access,
	.reset = vc__request_device_reset,
	.save = vc__request_device_save,
	.load = vc__request_device_load,
	.destroy = vc__request_device_destroy,
};

int vc_pm_create(const struct vc_request_config *cfg, struct vc_device **ret_dev)
{
	struct vc__request_device *d;
	int r;

	if (!ret_dev)
		return vc_error_set(-EINVAL, "devices", "pm", "ret_dev is needed");
	r = vc__request_device_create(cfg, &pm_ops, &d);
	if (r < 0)
		return r;
	d->masks[0] = SLEEP_TYPE;
	*ret_dev = &d->dev;
	return 0;
}
