/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses libvirtcore-mem: a region, a map, a slice. */
#include <libvirtcore/mem.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct vc_region_config cfg;
	struct vc_region *region = 0;
	struct vc_mem *mem = 0;
	struct vc_slice slice;
	int ok;

	memset(&cfg, 0, sizeof(cfg));
	cfg.size = sizeof(cfg);
	cfg.len_bytes = 1u << 20;
	ok = !vc_region_create(&cfg, &region) && !vc_mem_create(&mem) &&
	     !vc_mem_map(mem, region, 0, 0) && !vc_mem_freeze(mem) &&
	     !vc_slice_get(mem, 4096, 16, VC_PERM_READ | VC_PERM_WRITE, &slice);
	if (ok) {
		memset(slice.ptr, 1, 16);
		vc_slice_put(&slice);
	}
	vc_mem_destroy(mem);
	vc_region_put(region);
	printf("mem: %s\n", ok ? "ok" : "failed");
	return !ok;
}
