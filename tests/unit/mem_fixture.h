/* SPDX-License-Identifier: Apache-2.0 */
/* Maps and regions as the tests of the memory layer need them again and again. */
#ifndef VC_TESTS_MEM_FIXTURE_H
#define VC_TESTS_MEM_FIXTURE_H

#include "unit.h"

#include <libvirtcore/mem.h>

#include <errno.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)

static inline struct vc_region *make_region(const char *name, uint64_t len, uint32_t flags)
{
	struct vc_region_config cfg = {
		.size = sizeof(cfg),
		.name = name,
		.len_bytes = len,
		.flags = flags,
	};
	struct vc_region *region = NULL;

	assert_result(vc_region_create(&cfg, &region), 0);
	assert_non_null(region);
	return region;
}

/* Maps a fresh region, whose only reference goes to the map. */
static inline void map_ram(struct vc_mem *mem, const char *name, uint64_t gpa, uint64_t len,
			   uint32_t flags)
{
	struct vc_region *region = make_region(name, len, flags);

	assert_result(vc_mem_map(mem, region, gpa, 0), 0);
	vc_region_put(region);
}

static inline struct vc_mem *make_map(void)
{
	struct vc_mem *mem = NULL;

	assert_result(vc_mem_create(&mem), 0);
	return mem;
}

/*
 * The map most tests use, frozen: "low" 64 KiB at 0, "rom" 8 KiB at 64 KiB (read-only, touching
 * low), a hole, "high" 1 MiB at 1 MiB, "top" 64 KiB ending 4096 bytes below 2^64.
 */
#define TOP_GPA (UINT64_MAX - KIB(64) - 4095)

static inline struct vc_mem *make_sample(void)
{
	struct vc_mem *mem = make_map();

	map_ram(mem, "high", MIB(1), MIB(1), 0);
	map_ram(mem, "low", 0, KIB(64), 0);
	map_ram(mem, "top", TOP_GPA, KIB(64), 0);
	map_ram(mem, "rom", KIB(64), KIB(8), VC_REGION_READONLY);
	assert_result(vc_mem_freeze(mem), 0);
	return mem;
}

#endif /* VC_TESTS_MEM_FIXTURE_H */
