/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host bridge on buses, over a partition of the fake back end that records messages and lines, and
 * devices that note what they were asked.
 */
#ifndef VC_TESTS_PCI_UNIT_H
#define VC_TESTS_PCI_UNIT_H

#include "device_unit.h"
#include "fake_fixture.h"
#include "pci_private.h"

#include <libvirtcore/implement.h>

#include <sys/eventfd.h>

#define ECAM	   0xe0000000ull
#define MEM32	   0xc0000000ull
#define MEM32_LEN  0x10000000ull
#define MEM64	   0x200000000ull
#define MEM64_LEN  0x100000000ull
#define IO	   0xc000ull
#define IO_LEN	   0x4000ull
#define FIRST_LINE 16u

/* Answers with its range and the offset; counts, for threads that race. */
struct tester {
	struct vc_device dev;
	struct vc_pci_function *pci;
	struct vc_access last;
	uint32_t nr_accesses;
	bool is_bad; /* an offset beyond the BAR was seen */
};

static inline void tester_access(struct vc_device *dev, struct vc_access *access)
{
	struct tester *t = vc_container_of(dev, struct tester, dev);

	t->last = *access;
	t->nr_accesses++;
	if (access->range < VC_PCI_BARS &&
	    !vc_range_within(access->off, access->size, t->pci->bars[access->range].len))
		t->is_bad = true;
	if (!access->is_write)
		access->value = 0x5a00000000000000ull | (uint64_t)access->range << 32 | access->off;
}

static inline void tester_reset(struct vc_device *dev)
{
	(void)dev;
}

static inline int tester_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	int r = vc_state_begin(writer, dev->name, 1);

	return r < 0 ? r : vc_state_end(writer);
}

static inline int tester_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	uint32_t version;
	int r = vc_state_open(reader, dev->name, 1, &version);

	return r < 0 ? r : vc_state_close(reader);
}

static inline void tester_destroy(struct vc_device *dev)
{
	struct tester *t = vc_container_of(dev, struct tester, dev);

	vc_pci_function_destroy(t->pci);
	vc_device_fini(dev);
	free(t);
}

static const struct vc_device_ops tester_ops = {
	.type = "tester",
	.access = tester_access,
	.reset = tester_reset,
	.save = tester_save,
	.load = tester_load,
	.destroy = tester_destroy,
};

/* Two memory BARs, one of ports, 66 vectors at 0x1000 of BAR 2, INTA#. */
static inline struct vc_pci_function_config usual_function(void)
{
	return (struct vc_pci_function_config){
		.size = sizeof(struct vc_pci_function_config),
		.vendor_id = 0x1b36,
		.device_id = 0x0005,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x1100,
		.class_code = 0x00ff00,
		.revision = 3,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM32, .len = 0x1000 },
			  { .kind = VC_PCI_BAR_IO, .len = 16 },
			  { .kind = VC_PCI_BAR_MEM64, .is_prefetchable = true, .len = 0x4000 } },
		.nr_vectors = 66,
		.msix_bar = 2,
		.msix_off = 0x1000,
	};
}

static inline struct tester *make_tester(const char *name, const struct vc_pci_function_config *cfg)
{
	struct tester *t = calloc(1, sizeof(*t));
	struct vc_pci_function_config c = *cfg;

	assert_non_null(t);
	assert_result(vc_device_init(&t->dev, &tester_ops, name), 0);
	c.dev = &t->dev;
	assert_result(vc_pci_function_create(&c, &t->pci), 0);
	return t;
}

struct rig {
	struct bed bed;
	struct vc_bus *mmio, *pio;
	struct vc_device *bridge;
	struct vc_irq *lines[VC_PCI_LINES];
};

static inline struct vc_pci_bridge_config usual_bridge(struct rig *rig)
{
	struct vc_pci_bridge_config cfg = { .size = sizeof(cfg), .partition = rig->bed.partition };

	memcpy(cfg.lines, rig->lines, sizeof(cfg.lines));
	cfg.windows[VC_PCI_RANGE_MEM32] = (struct vc_pci_window){ MEM32, MEM32_LEN };
	cfg.windows[VC_PCI_RANGE_MEM64] = (struct vc_pci_window){ MEM64, MEM64_LEN };
	cfg.windows[VC_PCI_RANGE_IO] = (struct vc_pci_window){ IO, IO_LEN };
	return cfg;
}

static inline void rig_make(struct rig *rig)
{
	struct vc_pci_bridge_config cfg;
	unsigned int i;

	memset(rig, 0, sizeof(*rig));
	open_bed(&rig->bed, NULL, 0, 1);
	for (i = 0; i < VC_PCI_LINES; i++)
		assert_result(
			vc_irq_create_line(rig->bed.partition, FIRST_LINE + i, &rig->lines[i]), 0);
	cfg = usual_bridge(rig);
	assert_result(vc_pci_bridge_create(&cfg, &rig->bridge), 0);
	assert_result(vc_bus_create(VC_SPACE_MMIO, &rig->mmio), 0);
	assert_result(vc_bus_create(VC_SPACE_PIO, &rig->pio), 0);
	assert_result(
		vc_bus_claim(rig->mmio, ECAM, VC_PCI_ECAM_BYTES, rig->bridge, VC_PCI_RANGE_ECAM),
		0);
	assert_result(vc_bus_claim(rig->mmio, MEM32, MEM32_LEN, rig->bridge, VC_PCI_RANGE_MEM32),
		      0);
	assert_result(vc_bus_claim(rig->mmio, MEM64, MEM64_LEN, rig->bridge, VC_PCI_RANGE_MEM64),
		      0);
	assert_result(vc_bus_claim(rig->pio, IO, IO_LEN, rig->bridge, VC_PCI_RANGE_IO), 0);
	assert_result(vc_bus_freeze(rig->mmio), 0);
	assert_result(vc_bus_freeze(rig->pio), 0);
}

/* Testers are destroyed by those who made them, before or after. */
static inline void rig_free(struct rig *rig)
{
	unsigned int i;

	vc_bus_destroy(rig->mmio);
	vc_bus_destroy(rig->pio);
	vc_device_destroy(rig->bridge);
	for (i = 0; i < VC_PCI_LINES; i++)
		vc_irq_destroy(rig->lines[i]);
	close_bed(&rig->bed);
}

static inline struct tester *rig_add(struct rig *rig, const char *name, uint32_t slot,
				     const struct vc_pci_function_config *cfg)
{
	struct vc_pci_function_config usual = usual_function();
	struct tester *t = make_tester(name, cfg ? cfg : &usual);

	assert_result(vc_pci_bridge_attach(rig->bridge, t->pci, slot), 0);
	return t;
}

static inline uint64_t rd(struct rig *rig, uint64_t addr, unsigned int size)
{
	uint64_t value = 0;

	(void)vc_bus_access(addr < 0x10000 ? rig->pio : rig->mmio, addr, size, false, &value);
	return value;
}

static inline void wr(struct rig *rig, uint64_t addr, unsigned int size, uint64_t value)
{
	(void)vc_bus_access(addr < 0x10000 ? rig->pio : rig->mmio, addr, size, true, &value);
}

static inline uint64_t config_at(uint32_t slot, uint32_t off)
{
	return ECAM + ((uint64_t)slot << 15) + off;
}

static inline uint32_t rd_config(struct rig *rig, uint32_t slot, uint32_t off, unsigned int size)
{
	return (uint32_t)rd(rig, config_at(slot, off), size);
}

static inline void wr_config(struct rig *rig, uint32_t slot, uint32_t off, unsigned int size,
			     uint32_t value)
{
	wr(rig, config_at(slot, off), size, value);
}

/* The first capability of this id, or 0. */
static inline uint32_t find_cap(struct rig *rig, uint32_t slot, uint8_t id)
{
	uint32_t at = rd_config(rig, slot, PCI_CAPABILITIES, 1), nr = 0;

	while (at && rd_config(rig, slot, at, 1) != id && nr++ < 48)
		at = rd_config(rig, slot, at + 1, 1);
	return at;
}

/* BARs of usual_function() at usual places; everything decoded. */
static inline void place_bars(struct rig *rig, uint32_t slot)
{
	wr_config(rig, slot, PCI_BAR(0), 4, (uint32_t)MEM32 + slot * 0x10000);
	wr_config(rig, slot, PCI_BAR(1), 4, (uint32_t)IO + slot * 0x100);
	wr_config(rig, slot, PCI_BAR(2), 4, slot * 0x10000);
	wr_config(rig, slot, PCI_BAR(3), 4, MEM64 >> 32);
	wr_config(rig, slot, PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

#define BAR0(slot)     (MEM32 + (slot)*0x10000ull)
#define BAR1(slot)     (IO + (slot)*0x100ull)
#define BAR2(slot)     (MEM64 + (slot)*0x10000ull)
#define ENTRY(slot, v) (BAR2(slot) + 0x1000 + 16ull * (v))
#define PBA(slot)      (BAR2(slot) + 0x1000 + 16 * 66)

/* What the control register of MSI-X is set to. */
static inline void set_msix(struct rig *rig, uint32_t slot, uint32_t bits)
{
	wr_config(rig, slot, find_cap(rig, slot, 0x11) + 2, 2, bits);
}

static inline void program_vector(struct rig *rig, uint32_t slot, uint32_t v, uint32_t data)
{
	wr(rig, ENTRY(slot, v), 4, 0xfee00000);
	wr(rig, ENTRY(slot, v) + 4, 4, 0);
	wr(rig, ENTRY(slot, v) + 8, 4, data);
	wr(rig, ENTRY(slot, v) + 12, 4, 0);
}

static inline void expect_message(struct rig *rig, uint32_t data)
{
	expect_record(rig->bed.partition, VC_FAKE_MSI, 0xfee00000, data);
}

static inline void expect_line(struct rig *rig, uint32_t line, bool is_high)
{
	expect_record(rig->bed.partition, VC_FAKE_IRQ_LEVEL, FIRST_LINE + line, is_high);
}

static inline void expect_silence(struct rig *rig)
{
	expect_no_record(rig->bed.partition);
}

static inline uint64_t rings(int fd)
{
	eventfd_t nr = 0;

	return eventfd_read(fd, &nr) == 0 ? nr : 0;
}

#endif /* VC_TESTS_PCI_UNIT_H */
