/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from one guest to another, with their headers looked at on the way. */
#ifndef VC_NET_FRAME_H
#define VC_NET_FRAME_H

#include "net.h"

/*
 * Copies a frame with its header. @slot holds @frame->len bytes; @accepted: enum vc_net_offload, what
 * the receiver is ready to do.
 * Returns its length; or -EINVAL (a header that contradicts itself or the frame), -EOPNOTSUPP (it
 * leaves to do what was not accepted); then nothing of the slot is of use.
 */
int vc__net_frame_copy(const struct vc_net_request *slot, const struct vc_net_request *frame,
		       uint32_t accepted);

#endif /* VC_NET_FRAME_H */
