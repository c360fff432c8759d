/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBVIRTCORE_CONFIG_H
#define LIBVIRTCORE_CONFIG_H
#ifdef __cplusplus
extern "C" {
#endif
struct vc_bad_config {
	int flags;
};
#ifdef __cplusplus
}
#endif
#endif
