/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables: puts them together, with their sums, at VC__ACPI_GPA. Control thread only. The
 * machine is hardware-reduced: no SMI, no SCI, no PM timer, no FACS; power-off and reset are three
 * 8-bit registers. That also makes Linux pass by the 8259s, the PIT and the HPET, and together with
 * the boot flags of the FADT it spares it a keyboard probe (10,000 exits when nobody answers), the
 * VGA probe and, without a clock, 11 s of looking for one.
 * Bodies: acpi_dsdt.c, acpi_pci.c, acpi_topology.c. [ACPI 6.4 5.2] [ACPI 6.4 4.1]
 */
#include "acpi_private.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>
#include <libvirtcore/platform.h>

#include <errno.h>
#include <string.h>

#define SUBSYSTEM "acpi"

enum {
	RSDP_BYTES = 36,
	TABLE_ALIGN = 16,
	HEADER_LEN_OFF = 4,
	HEADER_SUM_OFF = 9,
	/* FADT flags, see [ACPI 6.4 table 5.10] */
	FADT_WBINVD = 1 << 0,
	FADT_PROC_C1 = 1 << 2,
	FADT_PWR_BUTTON = 1 << 4, /* set: not a fixed-feature button */
	FADT_SLP_BUTTON = 1 << 5,
	FADT_RESET_REG_SUP = 1 << 10,
	FADT_HW_REDUCED = 1 << 20,
	/* IAPC_BOOT_ARCH, see [ACPI 6.4 table 5.11] */
	BOOT_NO_VGA = 1 << 2,
	BOOT_NO_CMOS_RTC = 1 << 5,
	SPACE_IO = 1,
	ACCESS_BYTE = 1,
};

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;
	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + p[i]);
	return s;
}

size_t vc__acpi_table_begin(struct vc__bytes *b, const char *signature, uint8_t revision)
{
	vc__bytes_zero(b, (TABLE_ALIGN - b->len % TABLE_ALIGN) % TABLE_ALIGN);
	size_t at = b->len;
	vc__bytes_put(b, signature, 4);
	vc__bytes_u32(b, 0); /* length */
	vc__bytes_u8(b, revision);
	vc__bytes_u8(b, 0); /* checksum */
	vc__bytes_put(b, "VCORE ", 6);
	vc__bytes_put(b, "VCMACHIN", 8);
	vc__bytes_u32(b, 1);
	vc__bytes_put(b, "VCOR", 4);
	vc__bytes_u32(b, 1);
	return at;
}

/* Closes the table that starts at @at and enters it into the list. */
static void end_table(struct vc__bytes *b, size_t at, struct vc__acpi *acpi)
{
	if (b->err)
		return;
	uint32_t len = (uint32_t)(b->len - at);
	vc__bytes_set_u32(b, at + HEADER_LEN_OFF, len);
	b->buf[at + HEADER_SUM_OFF] = (uint8_t)-sum(b->buf + at, len);

	size_t nr = acpi->nr_tables++;
	vc_assert(nr < VC__ACPI_TABLES_MAX);
	memcpy(acpi->tables[nr].signature, b->buf + at, 4);
	acpi->tables[nr].gpa = VC__ACPI_GPA + at;
	acpi->tables[nr].len = len;
}

/* Generic address of a byte-wide port; port 0 = none. [ACPI 6.4 5.2.3.2] */
static void put_gas(struct vc__bytes *b, uint16_t port)
{
	vc__bytes_u8(b, port ? SPACE_IO : 0);
	vc__bytes_u8(b, port ? 8 : 0);
	vc__bytes_u8(b, 0);
	vc__bytes_u8(b, port ? ACCESS_BYTE : 0);
	vc__bytes_u64(b, port);
}

static void put_fadt(struct vc__bytes *b, const struct vc__acpi_machine *m, vc_gpa dsdt)
{
	bool has_pm = m->platform & VC_PLATFORM_PM;
	uint32_t flags = FADT_HW_REDUCED | FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON |
			 FADT_SLP_BUTTON | (has_pm ? FADT_RESET_REG_SUP : 0);
	/*
	 * The keyboard controller is never announced: ours answers the reset command and nothing
	 * else, and a guest told of a keyboard would wait half a second for it.
	 */
	uint16_t boot = BOOT_NO_VGA;
	if (!(m->platform & VC_PLATFORM_RTC))
		boot |= BOOT_NO_CMOS_RTC;

	vc__bytes_u32(b, 0); /* 36: FACS, none */
	vc__bytes_u32(b, (uint32_t)dsdt);
	vc__bytes_zero(b, 109 - 44); /* fixed hardware, none */
	vc__bytes_u16(b, boot);
	vc__bytes_u8(b, 0);
	vc__bytes_u32(b, flags); /* 112 */
	put_gas(b, has_pm ? VC__PM_PORT + 2 : 0);
	vc__bytes_u8(b, has_pm ? VC_PM_RESET_VALUE : 0);
	vc__bytes_u16(b, 0);
	vc__bytes_u8(b, 4); /* 131: minor version */
	vc__bytes_u64(b, 0);
	vc__bytes_u64(b, dsdt); /* 140 */
	vc__bytes_zero(b, 244 - 148);
	put_gas(b, has_pm ? VC__PM_PORT : 0);
	put_gas(b, has_pm ? VC__PM_PORT + 1 : 0);
	vc__bytes_put(b, "VIRTCORE", 8); /* 268: hypervisor vendor */
}

static void put_xsdt(struct vc__bytes *b, const struct vc__acpi *acpi)
{
	/* The DSDT comes by way of the FADT. */
	for (size_t i = 0; i < acpi->nr_tables; i++)
		if (memcmp(acpi->tables[i].signature, "DSDT", 4) != 0)
			vc__bytes_u64(b, acpi->tables[i].gpa);
}

/* Fills in the room kept at the beginning. [ACPI 6.4 5.2.5.3] */
static void set_rsdp(uint8_t *p, vc_gpa xsdt)
{
	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "VCORE ", 6);
	p[15] = 2; /* revision */
	p[20] = RSDP_BYTES;
	for (int i = 0; i < 8; i++)
		p[24 + i] = (uint8_t)(xsdt >> (8 * i));
	p[8] = (uint8_t)-sum(p, 20);
	p[32] = (uint8_t)-sum(p, RSDP_BYTES);
}

static int check(const struct vc__acpi_machine *m)
{
	if (!m->nr_vcpus || m->nr_vcpus > 0xfff)
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL, "%u vCPUs, 1 to 4095 expected",
				    m->nr_vcpus);
	if (m->nr_serials > VC__SERIALS_MAX)
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL, "%u UARTs, at most %u expected",
				    m->nr_serials, VC__SERIALS_MAX);
	if (m->nr_nodes > VC_NUMA_NODES_MAX)
		return vc_error_set(-EINVAL, SUBSYSTEM, NULL, "%u NUMA nodes, at most %u expected",
				    m->nr_nodes, VC_NUMA_NODES_MAX);
	if (!m->nr_nodes)
		return 0;
	for (uint32_t i = 0; m->vcpu_nodes && i < m->nr_vcpus; i++)
		if (m->vcpu_nodes[i] >= m->nr_nodes)
			return vc_error_set(-EINVAL, SUBSYSTEM, NULL,
					    "vCPU %u is on node %u, there are %u nodes", i,
					    m->vcpu_nodes[i], m->nr_nodes);
	for (size_t i = 0; i < m->nr_ranges; i++)
		if (m->ranges[i].node >= m->nr_nodes)
			return vc_error_set(-EINVAL, SUBSYSTEM, NULL,
					    "RAM at 0x%llx is on node %u, there are %u nodes",
					    (unsigned long long)m->ranges[i].gpa, m->ranges[i].node,
					    m->nr_nodes);
	return 0;
}

static void put_all(struct vc__bytes *b, const struct vc__acpi_machine *m, struct vc__acpi *acpi)
{
	vc__bytes_zero(b, RSDP_BYTES);
	/* Revision 2: integers are 64 bits wide. */
	size_t at = vc__acpi_table_begin(b, "DSDT", 2);
	vc_gpa dsdt = VC__ACPI_GPA + at;
	vc__acpi_put_dsdt(b, m);
	end_table(b, at, acpi);

	at = vc__acpi_table_begin(b, "FACP", 6);
	put_fadt(b, m, dsdt);
	end_table(b, at, acpi);

	if (m->has_irqchip) {
		at = vc__acpi_table_begin(b, "APIC", 5);
		vc__acpi_put_madt(b, m);
		end_table(b, at, acpi);
	}
	if (m->platform & VC_PLATFORM_PCI) {
		at = vc__acpi_table_begin(b, "MCFG", 1);
		vc__acpi_put_mcfg(b);
		end_table(b, at, acpi);
	}
	if (m->nr_nodes) {
		at = vc__acpi_table_begin(b, "SRAT", 3);
		vc__acpi_put_srat(b, m);
		end_table(b, at, acpi);
		at = vc__acpi_table_begin(b, "SLIT", 1);
		vc__acpi_put_slit(b, m);
		end_table(b, at, acpi);
	}
	at = vc__acpi_table_begin(b, "XSDT", 1);
	put_xsdt(b, acpi);
	end_table(b, at, acpi);
	if (!b->err)
		set_rsdp(b->buf, VC__ACPI_GPA + at);
}

int vc__acpi_build(const struct vc__acpi_machine *machine, struct vc__acpi *ret)
{
	int r = check(machine);
	if (r < 0)
		return r;
	struct vc__bytes b = { 0 };
	struct vc__acpi acpi = { .rsdp = VC__ACPI_GPA };
	put_all(&b, machine, &acpi);
	r = b.err;
	if (r < 0) {
		vc__bytes_fini(&b);
		return vc_error_set(r, SUBSYSTEM, NULL, "no memory for the tables of %u vCPUs",
				    machine->nr_vcpus);
	}
	if (b.len > VC__ACPI_BYTES) {
		size_t len = b.len;
		vc__bytes_fini(&b);
		return vc_error_set(-ENOSPC, SUBSYSTEM, NULL,
				    "tables of %u vCPUs take %zu bytes, there is room for %llu",
				    machine->nr_vcpus, len, VC__ACPI_BYTES);
	}
	acpi.bytes = b.buf;
	acpi.len = b.len;
	*ret = acpi;
	return 0;
}

void vc__acpi_fini(struct vc__acpi *acpi)
{
	free(acpi->bytes);
	*acpi = (struct vc__acpi){ 0 };
}

/*
 * A hardware-reduced machine is thought to have EFI: without it Linux's reboot ends in a jump to the
 * BIOS's reset entry, F000:FFF0. The code there writes the reset register, and where there is none
 * makes a triple fault. It runs in real mode with any registers.
 */
static int write_reset_entry(const struct vc_mem *mem, bool has_pm)
{
	static const uint8_t jump[] = { 0xea, 0x00, 0xf0, 0x00, 0xf0 }; /* jmp f000:f000 */
	const uint8_t code[] = {
		0xba,
		has_pm ? (VC__PM_PORT + 2) & 0xff : 0x80, /* mov dx, port; 0x80: nobody */
		has_pm ? (VC__PM_PORT + 2) >> 8 : 0,
		0xb0,
		VC_PM_RESET_VALUE, /* mov al, value */
		0xee,		   /* out dx, al */
		0x2e,
		0x0f,
		0x01,
		0x1e,
		0x40,
		0xf0, /* lidt cs:[f040]: zeros */
		0xcc, /* int3 */
		0xf4,
		0xeb,
		0xfd, /* hlt, again */
	};
	int r = vc_mem_write(mem, VC__RESET_GPA, code, sizeof(code));
	return r < 0 ? r : vc_mem_write(mem, VC__RESET_GPA + 0xff0, jump, sizeof(jump));
}

int vc__acpi_write(const struct vc_mem *mem, const struct vc__acpi_machine *machine,
		   vc_gpa *ret_rsdp)
{
	struct vc__acpi acpi;
	int r = vc__acpi_build(machine, &acpi);
	if (r < 0)
		return r;
	r = vc_mem_write(mem, VC__ACPI_GPA, acpi.bytes, acpi.len);
	if (!r)
		r = write_reset_entry(mem, machine->platform & VC_PLATFORM_PM);
	if (r < 0)
		r = vc_error_set(r, SUBSYSTEM, NULL, "no RAM for %zu bytes of tables at 0x%llx",
				 acpi.len, VC__ACPI_GPA);
	else
		*ret_rsdp = acpi.rsdp;
	vc__acpi_fini(&acpi);
	return r;
}
