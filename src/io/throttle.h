/* SPDX-License-Identifier: Apache-2.0 */
/* What the disks need to know of token buckets beyond <libvirtcore/throttle.h>. */
#ifndef VC_THROTTLE_H
#define VC_THROTTLE_H

#include <libvirtcore/throttle.h>

/* Changes with the limits: whoever waits for a time given under another number asks anew. */
uint32_t vc__throttle_generation(const struct vc_throttle *throttle);

#endif /* VC_THROTTLE_H */
