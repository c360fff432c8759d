/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the devices of this library only: how accesses wider than a byte reach devices that have
 * byte registers.
 */
#ifndef VC_DEVICE_PRIVATE_H
#define VC_DEVICE_PRIVATE_H

#include <libvirtcore/device.h>

/* One byte register; *value is in for writes, out for reads (starts as 0xff). */
typedef void (*vc__byte_fn)(struct vc_device *dev, uint32_t off, bool is_write, uint8_t *value);

/* Splits an access into byte accesses in ascending order, as an ISA bus does. */
void vc__device_access_bytes(struct vc_device *dev, struct vc_access *access, vc__byte_fn fn);

#endif /* VC_DEVICE_PRIVATE_H */
