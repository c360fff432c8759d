/* SPDX-License-Identifier: Apache-2.0 */
/* What a region's configuration and calls may say. */
#ifndef VC_MEM_REGION_CHECK_H
#define VC_MEM_REGION_CHECK_H

#include "region.h"

/* Checks all that can be known before anything is opened. Returns 0 or -EINVAL with a message. */
int vc__region_check(const struct vc_region_config *cfg);

/* Page size that lengths and offsets must be multiples of; bytes. */
uint64_t vc__region_page_bytes(const struct vc_region_config *cfg);

/* True when every page is touched before the region is handed out. */
bool vc__region_is_touched(const struct vc_region_config *cfg);

/* Duplicates the embedder's file into the region and checks that it can back it. */
int vc__region_open_file(struct vc_region *region, int fd);

/* Checks that the file behind a region still reaches to its end: a touch beyond is SIGBUS. Returns 0
 * or -errno with a message; 0 for other kinds. */
int vc__region_check_file(const struct vc_region *region);

/* Checks that pages may be given back. Returns 0 or -errno with a message. */
int vc__region_check_discard(const struct vc_region *region, uint64_t off, uint64_t len_bytes);

#endif /* VC_MEM_REGION_CHECK_H */
