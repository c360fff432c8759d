/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
int helper(void);
static int counter = 3;
static const char *const names[] = { "a", "b" };
static _Thread_local int mine;
__attribute__((constructor)) static void start(void)
{
	counter++;
	mine++;
}
int helper(void)
{
	static int seen;
	if (seen++ > counter)
		exit(1);
	return names[seen][0];
}
