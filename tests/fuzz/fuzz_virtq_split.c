/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a split ring: see fuzz_virtq.h. */
#include "fuzz_virtq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz = { .features = 0 };

	return fuzz_one(&fuzz, data, size);
}
