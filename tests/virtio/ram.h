/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory for tests of virtqueues: "ram" at 0, "more" right behind it (another range, so that a
 * buffer can lie in both), "rom" behind that, and nothing above.
 */
#ifndef VC_TESTS_VIRTIO_RAM_H
#define VC_TESTS_VIRTIO_RAM_H

#include <libvirtcore/error.h>
#include <libvirtcore/mem.h>

#include <stdio.h>
#include <stdlib.h>

#define RAM_BYTES  (UINT64_C(1) << 20)
#define MORE_GPA   RAM_BYTES
#define MORE_BYTES (UINT64_C(64) << 10)
#define ROM_GPA	   (MORE_GPA + MORE_BYTES)
#define ROM_BYTES  (UINT64_C(4) << 10)
#define RAM_END	   (ROM_GPA + ROM_BYTES)

static inline void ram_must(int r)
{
	if (r == 0)
		return;
	fprintf(stderr, "ram: %s\n", vc_error_message());
	abort();
}

static inline void ram_map(struct vc_mem *mem, uint64_t gpa, uint64_t len, uint32_t flags)
{
	struct vc_region_config cfg = { .size = sizeof(cfg), .len_bytes = len, .flags = flags };
	struct vc_region *region = NULL;

	ram_must(vc_region_create(&cfg, &region));
	ram_must(vc_mem_map(mem, region, gpa, 0));
	vc_region_put(region);
}

/* The map; *@ret_ram is where guest address 0 is, good for RAM_BYTES. */
static inline struct vc_mem *ram_make(uint8_t **ret_ram)
{
	struct vc_mem *mem = NULL;
	struct vc_slice slice;

	ram_must(vc_mem_create(&mem));
	ram_map(mem, 0, RAM_BYTES, 0);
	ram_map(mem, MORE_GPA, MORE_BYTES, 0);
	ram_map(mem, ROM_GPA, ROM_BYTES, VC_REGION_READONLY);
	ram_must(vc_mem_freeze(mem));
	ram_must(vc_slice_get(mem, 0, RAM_BYTES, VC_PERM_READ | VC_PERM_WRITE, &slice));
	*ret_ram = slice.ptr;
	return mem;
}

#endif /* VC_TESTS_VIRTIO_RAM_H */
