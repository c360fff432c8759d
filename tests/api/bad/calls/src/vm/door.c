/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One.
 * Two.
 * Three.
 */
/* vc_mem_backing() in a comment is no call. */
{
	r = vc_mem_backing(mem, 0, &hva);
}
