/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What i8042, pm, debug_exit and pvpanic share: a callback that takes the guest's wish, at most two
 * byte registers, and their state.
 *
 * Section version 1: the latches, one byte each. Runs on vCPU and control threads under the
 * device's lock; the callback only records. Leaves out: the registers' meaning, which each has.
 */
#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <string.h>

#include "request_device.h"

#define STATE_VERSION 1u

struct vc__request_device *vc__request_device_of(struct vc_device *dev)
{
	return vc_container_of(dev, struct vc__request_device, dev);
}

int vc__request_device_create(const struct vc_request_config *cfg, const struct vc_device_ops *ops,
			      struct vc__request_device **ret_dev)
{
	struct vc_request_config c;
	struct vc__request_device *dev;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!c.fn)
		return vc_error_set(-EINVAL, "devices", c.name ? c.name : ops->type,
				    "fn is needed: who takes the request");
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return vc_error_set(-ENOMEM, "devices", ops->type, "no memory");
	r = vc_device_init(&dev->dev, ops, c.name ? c.name : ops->type);
	if (r < 0) {
		free(dev);
		return r;
	}
	dev->fn = c.fn;
	dev->opaque = c.opaque;
	*ret_dev = dev;
	return 0;
}

void vc__request_device_reset(struct vc_device *dev)
{
	struct vc__request_device *d = vc__request_device_of(dev);

	memset(d->latches, 0, sizeof(d->latches));
}

int vc__request_device_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	const struct vc__request_device *d = vc__request_device_of(dev);
	int r = vc_state_begin(writer, dev->name, STATE_VERSION);

	if (r < 0)
		return r;
	vc_state_put_bytes(writer, d->latches, sizeof(d->latches));
	return vc_state_end(writer);
}

int vc__request_device_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct vc__request_device *d = vc__request_device_of(dev);
	uint8_t latches[VC__NR_LATCHES];
	uint32_t version;
	size_t i;
	int r = vc_state_open(reader, dev->name, STATE_VERSION, &version);

	if (r < 0)
		return r;
	(void)vc_state_get_bytes(reader, latches, sizeof(latches));
	r = vc_state_close(reader);
	if (r < 0)
		return r;
	for (i = 0; i < VC__NR_LATCHES; i++)
		if (latches[i] & ~d->masks[i])
			return vc_error_set(-EBADMSG, "devices", dev->name,
					    "register %zu is 0x%02x, bits it has are 0x%02x", i,
					    latches[i], d->masks[i]);
	memcpy(d->latches, latches, sizeof(latches));
	return 0;
}

void vc__request_device_destroy(struct vc_device *dev)
{
	struct vc__request_device *d = vc__request_device_of(dev);

	vc_device_fini(dev);
	free(d);
}
