/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints one line and exits. Parameters: text=WORD (default "hello"), code=N the exit code.
 * Output: "WORD from cpl 3".
 */
#include "guest.h"

int guest_main(const struct guest_info *info)
{
	char text[64];
	u16 cs;

	if (!guest_arg_str(info, "text", text, sizeof(text)))
		guest_memcpy(text, "hello", 6);
	__asm__("mov %%cs, %0" : "=r"(cs));
	guest_printf("%s from cpl %u\n", text, cs & 3u);
	return (int)guest_arg(info, "code", 0);
}
