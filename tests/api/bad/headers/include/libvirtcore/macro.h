/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRTCORE_MACRO_H
#define LIBVIRTCORE_MACRO_H
#ifdef __cplusplus
extern "C" {
#endif
#define VC_TWICE(x) ((x) * (x))
#define VC_ONCE(x) (sizeof(x) + (x))
#ifdef __cplusplus
}
#endif
#endif
