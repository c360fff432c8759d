/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of state streams, shared by writer and reader; drawn in <libvirtcore/snapshot.h>. */
#ifndef VC_BASE_STATE_H
#define VC_BASE_STATE_H

#include <libvirtcore/snapshot.h>

#include <string.h>

#define VC__STATE_MAGIC                                 \
	{                                               \
		'V', 'C', 'S', 'T', 'A', 'T', 'E', '\0' \
	}
#define VC__STATE_FORMAT	1
#define VC__STATE_HEADER_BYTES	24
#define VC__STATE_SECTION_MAGIC 0x54434553u /* "SECT" */
#define VC__STATE_SECTION_BYTES 24	    /* up to the name */

static inline void vc__le_store(uint8_t *at, uint64_t value, unsigned int width)
{
	for (unsigned int i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t vc__le_load(const uint8_t *at, unsigned int width)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < width; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static inline bool vc__state_width_is_valid(unsigned int width)
{
	return width == 1 || width == 2 || width == 4 || width == 8;
}

/* Names end up in messages: printable ASCII, so that nothing in between has to clean them. */
static inline bool vc__state_name_is_valid(const char *name, size_t len)
{
	if (len == 0 || len > VC_STATE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < 0x20 || name[i] > 0x7e)
			return false;
	}
	return true;
}

#endif /* VC_BASE_STATE_H */
