/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files with whatever program headers and notes. What must hold is in fuzz_boot.h. */
#include "fuzz_boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct bed bed;

	if (!bed.mem)
		make_bed(&bed);
	load_input(&bed, VC_BOOT_PVH, data, len);
	return 0;
}
