/* SPDX-License-Identifier: Apache-2.0 */
/* What a test's own device needs that has no state: nothing to reset, to save, to load or to free. */
#ifndef VC_TESTS_PLAIN_DEVICE_H
#define VC_TESTS_PLAIN_DEVICE_H

#include <libvirtcore/device.h>

static inline void plain_access(struct vc_device *dev, struct vc_access *access)
{
	(void)dev, (void)access;
}

static inline void plain_reset(struct vc_device *dev)
{
	(void)dev;
}

static inline int plain_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	(void)dev, (void)writer;
	return 0;
}

static inline int plain_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	(void)dev, (void)reader;
	return 0;
}

/* Ops of a device called @name that has but this access of its own. */
#define PLAIN_OPS(name, access_fn)                                                               \
	{                                                                                        \
		.type = (name), .access = (access_fn), .reset = plain_reset, .save = plain_save, \
		.load = plain_load, .destroy = vc_device_fini,                                   \
	}

#endif /* VC_TESTS_PLAIN_DEVICE_H */
