/* SPDX-License-Identifier: Apache-2.0 */
/* The portable way of vc_crc32c(), under its own name so that the tests can compare the two. */
#ifndef VC_BASE_CRC32C_H
#define VC_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t vc__crc32c_table(uint32_t crc, const void *buf, size_t len);

#endif /* VC_BASE_CRC32C_H */
