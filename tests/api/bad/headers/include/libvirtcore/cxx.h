/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRTCORE_CXX_H
#define LIBVIRTCORE_CXX_H
#ifdef __cplusplus
extern "C" {
#endif
int vc_cxx_get(int class);
#ifdef __cplusplus
}
#endif
#endif
