/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRTCORE_INL_H
#define LIBVIRTCORE_INL_H
#ifdef __cplusplus
extern "C" {
#endif
static inline int vc_long_inline(int x)
{
	x++;
	x++;
	x++;
	x++;
	x++;
	return x;
}
#ifdef __cplusplus
}
#endif
#endif
