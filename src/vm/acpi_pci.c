/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ACPI says of PCI: the MCFG table, and in the DSDT the host bridge with its windows, its
 * interrupt routing, and _OSC; and that the configuration space is nobody else's. Control thread only.
 * Lines are wired to pins of the I/O APIC: no links, nothing to choose. _OSC lets the guest have
 * whatever it asks for, as there is no firmware that would want any of it.
 * Leaves out hot-plug, _DSM, and slots' own devices. [PCI Firmware 3.2 4.1.2] [ACPI 6.4 6.2.11] [ACPI 6.4 6.2.13]
 */
#include "acpi_private.h"

#include <libvirtcore/pci.h>

#include "aml.h"

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_BYTE = 0x0a,
	AML_ARG0 = 0x68,
	AML_ARG1 = 0x69,
	AML_ARG3 = 0x6b,
	AML_OR = 0x7d,
	AML_CREATE_DWORD_FIELD = 0x8a,
	AML_NOT = 0x92,
	AML_EQUAL = 0x93,
	AML_RETURN = 0xa4,
	/* first word of the result of _OSC */
	OSC_UNKNOWN_UUID = 0x04,
	OSC_UNKNOWN_REVISION = 0x08,
};

/* 33DB4D5B-1FF7-401C-9657-7441C03DD766: PCI host bridge. [PCI Firmware 3.2 4.5.1] */
static const uint8_t osc_uuid[16] = { 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
				      0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66 };

/* Or (CDW1, bit, CDW1) */
static void put_or(struct vc__bytes *b, uint8_t bit)
{
	vc__bytes_u8(b, AML_OR);
	vc__bytes_put(b, "CDW1", 4);
	vc__bytes_u8(b, AML_BYTE);
	vc__bytes_u8(b, bit);
	vc__bytes_put(b, "CDW1", 4);
}

static void put_return(struct vc__bytes *b)
{
	vc__bytes_u8(b, AML_RETURN);
	vc__bytes_u8(b, AML_ARG3);
}

/*
 * CreateDWordField (Arg3, 0, CDW1)
 * If (Arg0 == uuid) { If (Arg1 != 1) { CDW1 |= 8 }  Return (Arg3) }
 * CDW1 |= 4
 * Return (Arg3)
 */
static void put_osc(struct vc__bytes *b)
{
	static const uint8_t field[] = {
		AML_CREATE_DWORD_FIELD, AML_ARG3, AML_ZERO, 'C', 'D', 'W', '1'
	};
	static const uint8_t other_revision[] = { AML_NOT, AML_EQUAL, AML_ARG1, AML_ONE };
	struct vc__aml_mark method = vc__aml_method_begin(b, "_OSC", 4);

	vc__bytes_put(b, field, sizeof(field));
	struct vc__aml_mark known = vc__aml_if_begin(b);
	vc__bytes_u8(b, AML_EQUAL);
	vc__bytes_u8(b, AML_ARG0);
	vc__aml_buffer(b, osc_uuid, sizeof(osc_uuid));
	struct vc__aml_mark revision = vc__aml_if_begin(b);
	vc__bytes_put(b, other_revision, sizeof(other_revision));
	put_or(b, OSC_UNKNOWN_REVISION);
	vc__aml_end(b, revision);
	put_return(b);
	vc__aml_end(b, known);
	put_or(b, OSC_UNKNOWN_UUID);
	put_return(b);
	vc__aml_end(b, method);
}

/* INTA# of each slot: the only pin that a function here can have. */
static void put_routes(struct vc__bytes *b)
{
	vc__aml_name(b, "_PRT");
	struct vc__aml_mark all = vc__aml_package_begin(b, VC_PCI_SLOTS - 1);

	for (uint32_t slot = 1; slot < VC_PCI_SLOTS; slot++) {
		struct vc__aml_mark one = vc__aml_package_begin(b, 4);

		vc__aml_integer(b, slot << 16 | 0xffff); /* all functions of the slot */
		vc__aml_integer(b, 0);
		vc__aml_integer(b, 0); /* no link: the number is a GSI */
		vc__aml_integer(b, VC__PCI_GSI + slot % VC_PCI_LINES);
		vc__aml_end(b, one);
	}
	vc__aml_end(b, all);
}

static void put_windows(struct vc__bytes *b, const struct vc__acpi_machine *m)
{
	vc__aml_name(b, "_CRS");
	struct vc__aml_mark res = vc__aml_resources_begin(b);

	vc__aml_window(b, VC__AML_BUS, 0, 1);
	vc__aml_window(b, VC__AML_IO, VC__PCI_IO_PORT, VC__PCI_IO_PORTS);
	vc__aml_window(b, VC__AML_MEMORY, VC__PCI_MEM32_GPA, VC__PCI_MEM32_BYTES);
	if (m->pci_bytes)
		vc__aml_window(b, VC__AML_PREFETCH, m->pci_gpa, m->pci_bytes);
	vc__aml_resources_end(b, res);
}

/* A guest believes MCFG only where the place is somebody's. */
static void put_ecam(struct vc__bytes *b)
{
	struct vc__aml_mark dev = vc__aml_device_begin(b, "ECAM");

	vc__aml_name(b, "_HID");
	vc__aml_eisaid(b, "PNP0C02");
	vc__aml_name(b, "_CRS");
	struct vc__aml_mark res = vc__aml_resources_begin(b);
	vc__aml_memory32_fixed(b, VC__PCI_ECAM_GPA, VC_PCI_ECAM_BYTES);
	vc__aml_resources_end(b, res);
	vc__aml_end(b, dev);
}

void vc__acpi_put_pci(struct vc__bytes *b, const struct vc__acpi_machine *m)
{
	struct vc__aml_mark dev = vc__aml_device_begin(b, "PCI0");

	vc__aml_name(b, "_HID");
	vc__aml_eisaid(b, "PNP0A08");
	vc__aml_name(b, "_CID");
	vc__aml_eisaid(b, "PNP0A03");
	vc__aml_name(b, "_SEG");
	vc__aml_integer(b, 0);
	vc__aml_name(b, "_BBN");
	vc__aml_integer(b, 0);
	vc__aml_name(b, "_UID");
	vc__aml_integer(b, 0);
	put_windows(b, m);
	put_routes(b);
	put_osc(b);
	vc__aml_end(b, dev);
	put_ecam(b);
}

void vc__acpi_put_mcfg(struct vc__bytes *b)
{
	vc__bytes_u64(b, 0);
	vc__bytes_u64(b, VC__PCI_ECAM_GPA);
	vc__bytes_u16(b, 0); /* segment */
	vc__bytes_u8(b, 0);  /* first bus */
	vc__bytes_u8(b, (VC_PCI_ECAM_BYTES >> 20) - 1);
	vc__bytes_u32(b, 0);
}
