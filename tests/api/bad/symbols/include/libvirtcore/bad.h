/* SPDX-License-Identifier: Apache-2.0 */
#define VC_API __attribute__((visibility("default")))
VC_API int vc_bad_unmapped(void);
VC_API int vc_badname(void);
