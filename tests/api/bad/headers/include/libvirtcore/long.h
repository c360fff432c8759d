/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRTCORE_LONG_H
#define LIBVIRTCORE_LONG_H
#ifdef __cplusplus
extern "C" {
#endif
@GROW@
#ifdef __cplusplus
}
#endif
#endif
