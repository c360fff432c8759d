/* SPDX-License-Identifier: Apache-2.0 */
/* The devices whose whole purpose is to tell the machine of a guest's wish. */
#ifndef VC_REQUEST_DEVICE_H
#define VC_REQUEST_DEVICE_H

#include <libvirtcore/device.h>
#include <libvirtcore/platform.h>

#define VC__NR_LATCHES 2u

struct vc__request_device {
	struct vc_device dev;
	vc_request_fn fn;
	void *opaque;
	uint8_t latches[VC__NR_LATCHES]; /* registers that hold something; 0 at power-on */
	uint8_t masks[VC__NR_LATCHES];	 /* bits that each can have; others are refused at load */
};

/* Named after ops->type when the config has no name. */
int vc__request_device_create(const struct vc_request_config *cfg, const struct vc_device_ops *ops,
			      struct vc__request_device **ret_dev);

struct vc__request_device *vc__request_device_of(struct vc_device *dev);

/* Slots for the ops tables. */
void vc__request_device_reset(struct vc_device *dev);
int vc__request_device_save(struct vc_device *dev, struct vc_state_writer *writer);
int vc__request_device_load(struct vc_device *dev, struct vc_state_reader *reader);
void vc__request_device_destroy(struct vc_device *dev);

#endif /* VC_REQUEST_DEVICE_H */
