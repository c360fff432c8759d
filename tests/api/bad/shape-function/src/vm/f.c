/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One.
 * Two.
 * Three.
 */

static void big(void)
{
@GROW@
}

static void wide(int a, int b, int c, int d, int e, int f)
{
}

static void deep(void)
{
	if (a)
		for (;;) {
			while (b) {
				if (c)
					d();
			}
		}
}

static void cond(void)
{
#ifdef X
	a();
#endif
}
