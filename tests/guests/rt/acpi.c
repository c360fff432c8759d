/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds ACPI tables by signature, starting from the RSDP of hvm_start_info or, where the loader
 * gave none, of the BIOS area. Checksums are verified: a bad one ends the guest, since the tables
 * are themselves under test. Spec: [ACPI 6.5 5.2.5 - 5.2.8].
 */
#include "rt.h"

static void check_sum(const char *what, u64 at, u32 len)
{
	const u8 *p = (const u8 *)at;
	u8 sum = 0;

	for (u32 i = 0; i < len; i++)
		sum = (u8)(sum + p[i]);
	if (!sum)
		return;
	guest_printf("ACPI: %s at 0x%lx: checksum of %u bytes is 0x%x, not 0\n", what, at, len,
		     sum);
	guest_exit(GUEST_EXIT_FAIL);
}

static u64 find_rsdp(const struct guest_info *info)
{
	if (info->rsdp)
		return info->rsdp;
	for (u64 at = 0xe0000; at < 0x100000; at += 16)
		if (guest_read64(at) == 0x2052545020445352ULL) /* "RSD PTR " */
			return at;
	return 0;
}

u64 guest_acpi_find(const struct guest_info *info, const char *signature)
{
	u64 rsdp = find_rsdp(info), root;
	u32 step, len;

	if (!rsdp)
		return 0;
	check_sum("RSDP", rsdp, 20);
	step = guest_read8(rsdp + 15) >= 2 ? 8 : 4;
	root = step == 8 ? guest_read64(rsdp + 24) : guest_read32(rsdp + 16);
	if (step == 8)
		check_sum("RSDP (extended)", rsdp, 36);
	len = guest_read32(root + 4);
	check_sum(step == 8 ? "XSDT" : "RSDT", root, len);
	for (u32 off = 36; off + step <= len; off += step) {
		u64 at = step == 8 ? guest_read64(root + off) : guest_read32(root + off);
		const char *name = (const char *)at;

		if (name[0] != signature[0] || name[1] != signature[1] || name[2] != signature[2] ||
		    name[3] != signature[3])
			continue;
		check_sum(signature, at, guest_read32(at + 4));
		return at;
	}
	return 0;
}
