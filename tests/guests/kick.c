/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a vCPU in one state while the host kicks it, pauses it or ends it.
 * Parameters: mode = spin (default; no exits), pio, mmio, hlt (interrupts on, none comes), off
 * (hlt with interrupts off); port (0x700), addr (0xd0000000); rounds (for ever) of the loop.
 * Output: "kick ready mode=M counter=0xA stop=0xB": 64-bit words in guest memory; the loop counts
 * in the first and ends when the host makes the second non-zero; then "kick done".
 */
#include "guest.h"

static struct {
	volatile u64 counter;
	volatile u64 stop;
} shared __attribute__((aligned(64)));

int guest_main(const struct guest_info *info)
{
	u64 rounds = guest_arg(info, "rounds", ~0ULL), addr = guest_arg(info, "addr", 0xd0000000);
	u16 port = (u16)guest_arg(info, "port", 0x700);
	u64 never = 0;
	char mode[8];

	if (!guest_arg_str(info, "mode", mode, sizeof(mode)))
		guest_memcpy(mode, "spin", 5);
	guest_printf("kick ready mode=%s counter=0x%lx stop=0x%lx\n", mode, (u64)&shared.counter,
		     (u64)&shared.stop);
	for (; rounds && !shared.stop; rounds--) {
		shared.counter++;
		if (!guest_strcmp(mode, "pio"))
			guest_in8(port);
		else if (!guest_strcmp(mode, "mmio"))
			guest_read32(addr);
		else if (!guest_strcmp(mode, "hlt"))
			guest_hlt_while(&never, 0);
		else if (!guest_strcmp(mode, "off"))
			guest_hlt_forever();
		else if (guest_strcmp(mode, "spin")) {
			guest_puts("parameter mode: none of spin pio mmio hlt off\n");
			return GUEST_EXIT_USAGE;
		}
	}
	guest_puts("kick done\n");
	return 0;
}
