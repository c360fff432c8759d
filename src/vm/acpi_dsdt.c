/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DSDT: power-off state, processors, UARTs, clock and panic port, as plain facts without a
 * method. Control thread only. PCI's part, with the only method there is, is in acpi_pci.c. Leaves out
 * what the machine does not have, so that the guest does not look for it: no keyboard controller (ours
 * only resets), no interrupt links, no event device. [ACPI 6.4 5.2.11.1] [ACPI 6.4 7.4.2] [ACPI 6.4 8.4]
 */
#include "acpi_private.h"

#include <libvirtcore/platform.h>

#include "aml.h"

#include <stdio.h>

/* \_S5: the value that goes into SLP_TYP of the sleep control register. */
static void put_s5(struct vc__bytes *b)
{
	vc__aml_name(b, "\\_S5_");
	struct vc__aml_mark pkg = vc__aml_package_begin(b, 4);
	vc__aml_integer(b, VC_PM_S5_TYPE);
	for (int i = 0; i < 3; i++)
		vc__aml_integer(b, 0);
	vc__aml_end(b, pkg);
}

/* _UID ties the device to its MADT entry. */
static void put_processor(struct vc__bytes *b, uint32_t idx)
{
	char name[16];
	(void)snprintf(name, sizeof(name), "C%03X", idx & 0xfffu);
	struct vc__aml_mark dev = vc__aml_device_begin(b, name);
	vc__aml_name(b, "_HID");
	vc__aml_string(b, "ACPI0007");
	vc__aml_name(b, "_UID");
	vc__aml_integer(b, idx);
	vc__aml_end(b, dev);
}

static void put_serial(struct vc__bytes *b, uint32_t idx)
{
	char name[16];
	(void)snprintf(name, sizeof(name), "COM%u", (idx & 3u) + 1);
	struct vc__aml_mark dev = vc__aml_device_begin(b, name);
	vc__aml_name(b, "_HID");
	vc__aml_eisaid(b, "PNP0501");
	vc__aml_name(b, "_UID");
	vc__aml_integer(b, idx + 1);
	vc__aml_name(b, "_CRS");
	struct vc__aml_mark res = vc__aml_resources_begin(b);
	vc__aml_io(b, vc__serial_port(idx), VC__SERIAL_PORTS);
	vc__aml_irq(b, vc__serial_gsi(idx));
	vc__aml_resources_end(b, res);
	vc__aml_end(b, dev);
}

static void put_rtc(struct vc__bytes *b)
{
	struct vc__aml_mark dev = vc__aml_device_begin(b, "RTC_");
	vc__aml_name(b, "_HID");
	vc__aml_eisaid(b, "PNP0B00");
	vc__aml_name(b, "_CRS");
	struct vc__aml_mark res = vc__aml_resources_begin(b);
	vc__aml_io(b, VC__RTC_PORT, VC__RTC_PORTS);
	vc__aml_irq(b, VC__RTC_GSI);
	vc__aml_resources_end(b, res);
	vc__aml_end(b, dev);
}

static void put_pvpanic(struct vc__bytes *b)
{
	struct vc__aml_mark dev = vc__aml_device_begin(b, "PEVT");
	vc__aml_name(b, "_HID");
	vc__aml_string(b, "QEMU0001");
	vc__aml_name(b, "_STA");
	vc__aml_integer(b, 0xf);
	vc__aml_name(b, "_CRS");
	struct vc__aml_mark res = vc__aml_resources_begin(b);
	vc__aml_io(b, VC__PVPANIC_PORT, 1);
	vc__aml_resources_end(b, res);
	vc__aml_end(b, dev);
}

void vc__acpi_put_dsdt(struct vc__bytes *b, const struct vc__acpi_machine *m)
{
	if (m->platform & VC_PLATFORM_PM)
		put_s5(b);
	struct vc__aml_mark scope = vc__aml_scope_begin(b, "\\_SB_");
	for (uint32_t i = 0; i < m->nr_vcpus; i++)
		put_processor(b, i);
	for (uint32_t i = 0; i < m->nr_serials; i++)
		put_serial(b, i);
	if (m->platform & VC_PLATFORM_RTC)
		put_rtc(b);
	if (m->platform & VC_PLATFORM_PVPANIC)
		put_pvpanic(b);
	if (m->platform & VC_PLATFORM_PCI)
		vc__acpi_put_pci(b, m);
	vc__aml_end(b, scope);
}
