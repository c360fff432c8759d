/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables of a machine: RSDP, XSDT, FADT (hardware-reduced), MADT, DSDT, with PCI MCFG and,
 * with NUMA nodes, SRAT and SLIT. All lie in the ACPI area of layout.h, the RSDP at its beginning.
 */
#ifndef VC_VM_ACPI_H
#define VC_VM_ACPI_H

#include "layout.h"

struct vc_mem;

struct vc__acpi_machine {
	/* processors */
	uint32_t nr_vcpus;
	const uint32_t *apic_ids;   /* by vCPU; NULL = its index */
	const uint32_t *vcpu_nodes; /* by vCPU; NULL = all on node 0 */
	/* memory: nr_nodes 0 = no SRAT and SLIT */
	uint32_t nr_nodes;
	const uint8_t (
		*distances)[VC_NUMA_NODES_MAX]; /* by node; 0 = 10 self, 20 others; NULL = all */
	const struct vc__layout_range *ranges;	/* for SRAT */
	size_t nr_ranges;
	/* devices */
	uint32_t platform; /* enum vc_platform */
	uint32_t nr_serials;
	bool has_irqchip; /* LAPICs and IOAPIC are there */
	vc_gpa pci_gpa;	  /* with VC_PLATFORM_PCI: the window of 64 bits, if it has bytes */
	uint64_t pci_bytes;
};

#define VC__ACPI_TABLES_MAX 8u

/* The tables as bytes, to be placed at VC__ACPI_GPA. */
struct vc__acpi {
	uint8_t *bytes;
	size_t len;
	vc_gpa rsdp;
	struct {
		char signature[5];
		vc_gpa gpa;
		uint32_t len; /* bytes */
	} tables[VC__ACPI_TABLES_MAX];
	size_t nr_tables;
};

/*
 * Makes the tables. Returns 0, or -EINVAL (a node or vCPU number out of range), -ENOSPC (more than
 * the area holds: sizes named), -ENOMEM. @ret is untouched on failure. Any thread.
 */
int vc__acpi_build(const struct vc__acpi_machine *machine, struct vc__acpi *ret);

/* Frees what vc__acpi_build() made. */
void vc__acpi_fini(struct vc__acpi *acpi);

/*
 * Builds the tables, writes them and the reset entry into guest memory and tells the RSDP. Errors as
 * above, or -EFAULT.
 */
int vc__acpi_write(const struct vc_mem *mem, const struct vc__acpi_machine *machine,
		   vc_gpa *ret_rsdp);

#endif /* VC_VM_ACPI_H */
