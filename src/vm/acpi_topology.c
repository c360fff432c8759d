/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that say which processors, interrupt controllers and NUMA nodes there are: MADT, SRAT,
 * SLIT. Control thread only. APIC ids below 255 get the short structures, others the x2APIC ones.
 * Leaves out local NMIs, thread and cache topology (CPUID has it), hot-pluggable memory.
 * [ACPI 6.4 5.2.12] [ACPI 6.4 5.2.16] [ACPI 6.4 5.2.17]
 */
#include "acpi_private.h"

#include <libvirtcore/platform.h>

enum {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_X2APIC = 9,
	SRAT_LAPIC = 0,
	SRAT_MEMORY = 1,
	SRAT_X2APIC = 2,
	IS_ENABLED = 1,
};

static uint32_t apic_id(const struct vc__acpi_machine *m, uint32_t idx)
{
	return m->apic_ids ? m->apic_ids[idx] : idx;
}

static void put_madt_cpu(struct vc__bytes *b, uint32_t uid, uint32_t id)
{
	if (uid < VC__ACPI_X2APIC_FROM && id < VC__ACPI_X2APIC_FROM) {
		vc__bytes_u8(b, MADT_LAPIC);
		vc__bytes_u8(b, 8);
		vc__bytes_u8(b, (uint8_t)uid);
		vc__bytes_u8(b, (uint8_t)id);
		vc__bytes_u32(b, IS_ENABLED);
		return;
	}
	vc__bytes_u8(b, MADT_X2APIC);
	vc__bytes_u8(b, 16);
	vc__bytes_u16(b, 0);
	vc__bytes_u32(b, id);
	vc__bytes_u32(b, IS_ENABLED);
	vc__bytes_u32(b, uid);
}

void vc__acpi_put_madt(struct vc__bytes *b, const struct vc__acpi_machine *m)
{
	vc__bytes_u32(b, (uint32_t)VC__LAPIC_GPA);
	/* No PCAT_COMPAT: a guest must not touch the 8259s, even where the hypervisor has some. */
	vc__bytes_u32(b, 0);
	for (uint32_t i = 0; i < m->nr_vcpus; i++)
		put_madt_cpu(b, i, apic_id(m, i));

	vc__bytes_u8(b, MADT_IOAPIC);
	vc__bytes_u8(b, 12);
	vc__bytes_u16(b, 0); /* id: what the hardware says after reset, so nobody rewrites it */
	vc__bytes_u32(b, VC_IOAPIC_BASE);
	vc__bytes_u32(b, 0); /* first GSI */
	/* No overrides: GSIs are ISA's interrupt numbers, KVM's PIT at pin 0 too; edge, active high. */
}

static void put_srat_cpu(struct vc__bytes *b, uint32_t id, uint32_t node)
{
	if (id < VC__ACPI_X2APIC_FROM) {
		vc__bytes_u8(b, SRAT_LAPIC);
		vc__bytes_u8(b, 16);
		vc__bytes_u8(b, (uint8_t)node);
		vc__bytes_u8(b, (uint8_t)id);
		vc__bytes_u32(b, IS_ENABLED);
		vc__bytes_zero(b, 8); /* SAPIC EID, node's upper bytes, clock domain */
		return;
	}
	vc__bytes_u8(b, SRAT_X2APIC);
	vc__bytes_u8(b, 24);
	vc__bytes_u16(b, 0);
	vc__bytes_u32(b, node);
	vc__bytes_u32(b, id);
	vc__bytes_u32(b, IS_ENABLED);
	vc__bytes_zero(b, 8); /* clock domain */
}

void vc__acpi_put_srat(struct vc__bytes *b, const struct vc__acpi_machine *m)
{
	vc__bytes_u32(b, 1); /* reserved, "for backward compatibility" */
	vc__bytes_u64(b, 0);
	for (uint32_t i = 0; i < m->nr_vcpus; i++)
		put_srat_cpu(b, apic_id(m, i), m->vcpu_nodes ? m->vcpu_nodes[i] : 0);
	for (size_t i = 0; i < m->nr_ranges; i++) {
		vc__bytes_u8(b, SRAT_MEMORY);
		vc__bytes_u8(b, 40);
		vc__bytes_u32(b, m->ranges[i].node);
		vc__bytes_u16(b, 0);
		vc__bytes_u64(b, m->ranges[i].gpa);
		vc__bytes_u64(b, m->ranges[i].len_bytes);
		vc__bytes_u32(b, 0);
		vc__bytes_u32(b, IS_ENABLED);
		vc__bytes_u64(b, 0);
	}
}

void vc__acpi_put_slit(struct vc__bytes *b, const struct vc__acpi_machine *m)
{
	vc__bytes_u64(b, m->nr_nodes);
	for (uint32_t from = 0; from < m->nr_nodes; from++) {
		for (uint32_t to = 0; to < m->nr_nodes; to++) {
			uint8_t distance = m->distances ? m->distances[from][to] : 0;
			if (!distance)
				distance = from == to ? 10 : 20;
			vc__bytes_u8(b, distance);
		}
	}
}
