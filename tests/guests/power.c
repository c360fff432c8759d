/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Powers off or resets the machine through its registers.
 * Parameters: do = off (default) or reset by the ACPI hardware-reduced registers, or i8042 (0xfe
 * to port 0x64), cf9 (6 to port 0xcf9). For off and reset the register is the one of the FADT,
 * or reg=ADDRESS with space=io (default) or mem, value=V (8 bits; off: type=5 gives S5's value).
 * Output: "power do=D space=S reg=R value=V"; if the machine still runs, "power survived", exit 1.
 * Spec: [ACPI 6.5 4.8.3.7 sleep control, 4.8.3.6 reset, 5.2.9 FADT].
 */
#include "guest.h"

#define FADT_RESET_REG	 116
#define FADT_RESET_VALUE 128
#define FADT_SLEEP_CTL	 244

struct reg {
	u64 addr;
	bool is_io;
	u8 value;
};

static bool from_fadt(const struct guest_info *info, bool is_off, struct reg *ret)
{
	u64 fadt = guest_acpi_find(info, "FACP");
	u32 off = is_off ? FADT_SLEEP_CTL : FADT_RESET_REG;

	if (!fadt || guest_read32(fadt + 4) < off + 12)
		return false;
	ret->is_io = guest_read8(fadt + off) == 1;
	ret->addr = guest_read64(fadt + off + 4);
	ret->value = is_off ? ret->value : guest_read8(fadt + FADT_RESET_VALUE);
	return ret->addr != 0;
}

static struct reg choose(const struct guest_info *info)
{
	/* SLP_TYP in bits 2-4, SLP_EN in bit 5 */
	struct reg reg = { .is_io = true, .value = (u8)(guest_arg(info, "type", 5) << 2 | 0x20) };
	bool is_off = true;

	if (guest_arg_is(info, "do", "i8042"))
		return (struct reg){ 0x64, true, 0xfe };
	if (guest_arg_is(info, "do", "cf9"))
		return (struct reg){ 0xcf9, true, 6 };
	if (guest_arg_is(info, "do", "reset"))
		is_off = false;
	reg.addr = guest_arg(info, "reg", 0);
	if (reg.addr)
		reg.is_io = !guest_arg_is(info, "space", "mem");
	else if (!from_fadt(info, is_off, &reg)) {
		guest_puts("no register given and none in the FADT\n");
		guest_exit(GUEST_EXIT_ABSENT);
	}
	reg.value = (u8)guest_arg(info, "value", reg.value);
	return reg;
}

int guest_main(const struct guest_info *info)
{
	struct reg reg = choose(info);
	char what[8];

	if (!guest_arg_str(info, "do", what, sizeof(what)))
		guest_memcpy(what, "off", 4);
	guest_printf("power do=%s space=%s reg=0x%lx value=0x%x\n", what, reg.is_io ? "io" : "mem",
		     reg.addr, reg.value);
	if (reg.is_io)
		guest_out8((u16)reg.addr, reg.value);
	else
		guest_write8(reg.addr, reg.value);
	guest_spin(10000000);
	guest_puts("power survived\n");
	return GUEST_EXIT_FAIL;
}
