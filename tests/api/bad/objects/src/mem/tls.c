/* SPDX-License-Identifier: Apache-2.0 */
static _Thread_local int mine;
int vc__tls_next(void);
int vc__tls_next(void)
{
	return ++mine;
}
