/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make ACPI tables share; the machine's side is acpi.h. */
#ifndef VC_VM_ACPI_PRIVATE_H
#define VC_VM_ACPI_PRIVATE_H

#include "acpi.h"
#include "bytes.h"

#define VC__ACPI_HEADER_BYTES 36u

/* ids from here on do not fit into the 8-bit structures of MADT and SRAT (255 is broadcast) */
#define VC__ACPI_X2APIC_FROM 255u

/* Begins a table: its header with length and checksum still open; returns where it starts. */
size_t vc__acpi_table_begin(struct vc__bytes *b, const char *signature, uint8_t revision);

/* The bodies of the tables, each behind its header. */
void vc__acpi_put_dsdt(struct vc__bytes *b, const struct vc__acpi_machine *m);
/* ... the part of the DSDT, inside \_SB, that is about PCI */
void vc__acpi_put_pci(struct vc__bytes *b, const struct vc__acpi_machine *m);
void vc__acpi_put_mcfg(struct vc__bytes *b);
void vc__acpi_put_madt(struct vc__bytes *b, const struct vc__acpi_machine *m);
void vc__acpi_put_srat(struct vc__bytes *b, const struct vc__acpi_machine *m);
void vc__acpi_put_slit(struct vc__bytes *b, const struct vc__acpi_machine *m);

#endif /* VC_VM_ACPI_PRIVATE_H */
