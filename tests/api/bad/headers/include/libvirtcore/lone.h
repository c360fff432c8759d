/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRTCORE_LONE_H
#define LIBVIRTCORE_LONE_H
#ifdef __cplusplus
extern "C" {
#endif
int vc_lone_get(uint32_t x);
#ifdef __cplusplus
}
#endif
#endif
