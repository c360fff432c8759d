/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a packed ring: see fuzz_virtq.h. */
#include "fuzz_virtq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz = { .features = VC_VIRTIO_F_RING_PACKED };

	return fuzz_one(&fuzz, data, size);
}
