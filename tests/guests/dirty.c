/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes pseudo-random pages and prints the checksum of their list, which the host recomputes
 * with guest_prng.h: for each write, r = guest_prng(&state); page = r % pages; the 8 bytes at
 * base + 4096 * page + (r >> 52 & ~7) become r; sum = guest_sum(sum, page), from GUEST_SUM_INIT in
 * each round. The state runs on from round to round.
 * Parameters: seed (1), count (1000) per round, base (0x1000000), pages (4096), rounds (1),
 * sync (0): a port that gets the number of the finished round (32 bits), for the host to look.
 * Output: "dirty ready", per round "dirty round=R count=N sum=S". base may be above 4 GiB.
 */
#include "guest.h"

int guest_main(const struct guest_info *info)
{
	u64 state = guest_arg(info, "seed", 1), count = guest_arg(info, "count", 1000);
	u64 base = guest_arg(info, "base", 0x1000000), pages = guest_arg(info, "pages", 4096);
	u64 rounds = guest_arg(info, "rounds", 1), at = base;
	u16 sync = (u16)guest_arg(info, "sync", 0);

	if (!pages || base & (GUEST_PAGE_BYTES - 1)) {
		guest_puts("parameters base, pages: a multiple of 4096 and at least one page\n");
		return GUEST_EXIT_USAGE;
	}
	if (base + pages * GUEST_PAGE_BYTES > 1ULL << 32)
		at = (u64)guest_map(base, pages * GUEST_PAGE_BYTES);
	if (!at) {
		guest_puts("parameters base, pages: more than 1 GiB above 4 GiB\n");
		return GUEST_EXIT_USAGE;
	}
	guest_puts("dirty ready\n");
	for (u64 round = 1; round <= rounds; round++) {
		u64 sum = GUEST_SUM_INIT;

		for (u64 i = 0; i < count; i++) {
			u64 r = guest_prng(&state), page = r % pages;

			guest_write64(at + GUEST_PAGE_BYTES * page + (r >> 52 & ~7ULL), r);
			sum = guest_sum(sum, page);
		}
		guest_printf("dirty round=%lu count=%lu sum=0x%lx\n", round, count, sum);
		if (sync)
			guest_out32(sync, (u32)round);
	}
	return 0;
}
