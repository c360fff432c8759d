/* SPDX-License-Identifier: Apache-2.0 */
#include <libvirtcore/bad.h>
int vc_bad_undeclared(void);
int vc__bad_private(void);
extern int vc_bad_data;
int vc_bad_data = 1;
int vc_bad_unmapped(void)
{
	return 1;
}
int vc_bad_undeclared(void)
{
	return 2;
}
int vc_badname(void)
{
	return 3;
}
int vc__bad_private(void)
{
	return 4;
}
