/* SPDX-License-Identifier: Apache-2.0 */
/* PCI in a VM: slots, places and lines kept free, built and undone, reset, saved, described. */
#include "vm_fixture.h"

#include "vm_impl.h"

#define ECAM 0xe0000000ull

struct probe {
	struct vc_device dev;
	struct vc_pci_function *pci;
	int *nr_destroyed;
	uint32_t nr_resets;
};

static void probe_access(struct vc_device *dev, struct vc_access *access)
{
	struct probe *probe = vc_container_of(dev, struct probe, dev);

	if (access->is_write)
		(void)vc_pci_function_raise(probe->pci, 0);
	else
		access->value = 0x77;
}

static void probe_reset(struct vc_device *dev)
{
	vc_container_of(dev, struct probe, dev)->nr_resets++;
}

static int probe_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	int r = vc_state_begin(writer, dev->name, 1);

	return r < 0 ? r : vc_state_end(writer);
}

static int probe_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	uint32_t version;
	int r = vc_state_open(reader, dev->name, 1, &version);

	return r < 0 ? r : vc_state_close(reader);
}

static void probe_destroy(struct vc_device *dev)
{
	struct probe *probe = vc_container_of(dev, struct probe, dev);

	++*probe->nr_destroyed;
	vc_pci_function_destroy(probe->pci);
	vc_device_fini(dev);
	free(probe);
}

static const struct vc_device_ops probe_ops = { "probe",    probe_access,  probe_reset, probe_save,
						probe_load, probe_destroy, NULL,	NULL };

static struct probe *new_probe(const char *name, int *nr_destroyed)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	struct vc_pci_function_config cfg = {
		.size = sizeof(cfg),
		.vendor_id = 0x1b36,
		.device_id = 5,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM32, .len = 0x1000 } },
		.nr_vectors = 1,
		.msix_off = 0x800,
	};

	assert_non_null(probe);
	probe->nr_destroyed = nr_destroyed;
	assert_result(vc_device_init(&probe->dev, &probe_ops, name), 0);
	cfg.dev = &probe->dev;
	assert_result(vc_pci_function_create(&cfg, &probe->pci), 0);
	return probe;
}

#define MMIO_WRITE(bytes, at, what)                                                    \
	{                                                                              \
		.kind = VC_EXIT_MMIO, .size = (bytes), .is_write = true, .addr = (at), \
		.value = (what)                                                        \
	}
#define MMIO_READ(bytes, at)                                        \
	{                                                           \
		.kind = VC_EXIT_MMIO, .size = (bytes), .addr = (at) \
	}
#define CONFIG(slot, off) (ECAM + ((slot) << 15) + (off))

/* A guest finds the function, places its BAR, opens its vector and makes it fire. */
static void guest_drives_it(void **state)
{
	static const struct vc_fake_step steps[] = {
		MMIO_READ(4, CONFIG(3, 0)),
		MMIO_READ(4, CONFIG(4, 0)),
		MMIO_WRITE(4, CONFIG(3, 0x10), 0xc0100000),
		MMIO_WRITE(2, CONFIG(3, 4), 6),
		MMIO_READ(1, 0xc0100010),
		MMIO_WRITE(8, 0xc0100800, 0xfee00000),
		MMIO_WRITE(8, 0xc0100808, 0x55),
		MMIO_WRITE(2, CONFIG(3, 0x7e), 0x8000),
		MMIO_WRITE(1, 0xc0100010, 1),
		DEBUG_EXIT(0),
	};
	static const struct vc_fake_record wanted[] = {
		{ VC_FAKE_READ, CONFIG(3, 0), 0x00051b36 },
		{ VC_FAKE_READ, CONFIG(4, 0), 0xffffffff },
		{ VC_FAKE_READ, 0xc0100010, 0x77 },
		{ VC_FAKE_MSI, 0xfee00000, 0x55 },
	};
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_KERNEL, VC_IRQCHIP_SPLIT };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chips); c++) {
		struct vc_vm_config cfg = basic_config();
		struct vc_fake_record record;
		int nr_destroyed = 0;
		struct fixture f;
		size_t i = 0;

		cfg.irqchip = chips[c];
		open_host(&f, steps, ARRAY_LEN(steps));
		make_vm(&f, &cfg);
		assert_int_equal(vc_vm_add_pci(f.vm, new_probe("p", &nr_destroyed)->pci, 3), 3);
		assert_result(vc_vm_build(f.vm), 0);
		run_vm(&f);
		while (vc_fake_next_record(f.vm->partition, &record) == 1) {
			if (record.kind == VC_FAKE_KICK || record.kind == VC_FAKE_IRQ_LEVEL)
				continue;
			assert_true(i < ARRAY_LEN(wanted));
			assert_int_equal(record.kind, wanted[i].kind);
			assert_int_equal(record.addr, wanted[i].addr);
			assert_int_equal(record.value, wanted[i].value);
			i++;
		}
		assert_int_equal(i, ARRAY_LEN(wanted));
		close_all(&f);
		assert_int_equal(nr_destroyed, 1);
	}
}

static void slots(void **state)
{
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;
	struct probe *spare;
	struct fixture f;
	char name[16];

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_int_equal(vc_vm_add_pci(f.vm, new_probe("two", &nr_destroyed)->pci, 2), 2);
	assert_true(f.vm->platform & VC_PLATFORM_PCI);
	spare = new_probe("spare", &nr_destroyed);
	assert_refused(vc_vm_add_pci(f.vm, spare->pci, 2), -EEXIST, "two's");
	assert_refused(vc_vm_add_pci(f.vm, spare->pci, 32), -EINVAL, "slot 32");
	assert_refused(vc_vm_add_pci(f.vm, NULL, 0), -EINVAL, "function");
	assert_refused(vc_vm_add_pci(NULL, spare->pci, 0), -EINVAL, "no VM");
	for (int i = 1; i < 31; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(vc_vm_add_pci(f.vm, new_probe(name, &nr_destroyed)->pci, 0),
				 i + (i > 1));
	}
	assert_refused(vc_vm_add_pci(f.vm, spare->pci, 0), -ENOSPC, "31 slots");
	vc_device_destroy(&spare->dev);
	assert_result(vc_vm_build(f.vm), 0);
	spare = new_probe("spare", &nr_destroyed);
	assert_refused(vc_vm_add_pci(f.vm, spare->pci, 0), -EBUSY, "new");
	vc_device_destroy(&spare->dev);
	close_all(&f);
	assert_int_equal(nr_destroyed, 33);
}

/* Refused, nothing is left: neither the host bridge's lines nor its places. */
static void refused_platform(void **state)
{
	static const struct vc_place taken[] = { { VC_SPACE_MMIO, ECAM + 0xff000, 0x2000, 0 },
						 { VC_SPACE_MMIO, 0xc0000000, 1, 0 },
						 { VC_SPACE_PIO, 0xffff, 1, 0 } };
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;
	struct vc_irq *irq;
	struct probe *pci = new_probe("pci", &nr_destroyed);
	struct probe *p = new_probe("p", &nr_destroyed), *other;
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		open_host(&f, NULL, 0);
		make_vm(&f, &cfg);
		other = new_probe("other", &nr_destroyed);
		assert_result(vc_vm_add_device(f.vm, &other->dev, &taken[i], 1), 0);
		assert_refused(vc_vm_add_pci(f.vm, p->pci, 0), -EEXIST, "other's");
		for (uint32_t gsi = 16; gsi < 20; gsi++)
			assert_result(vc_vm_irq(f.vm, gsi, &irq), 0);
		close_all(&f);
	}
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_irq(f.vm, 18, &irq), 0);
	assert_refused(vc_vm_add_pci(f.vm, p->pci, 0), -EEXIST, "line 18");
	assert_result(vc_vm_irq(f.vm, 16, &irq), 0);
	assert_result(vc_vm_irq(f.vm, 17, &irq), 0);
	assert_refused(vc_vm_add_pci(f.vm, pci->pci, 0), -EEXIST, "own name");
	close_all(&f);
	/* the other way round */
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_add_platform(f.vm, VC_PLATFORM_PCI), 0);
	other = new_probe("other", &nr_destroyed);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		assert_refused(vc_vm_add_device(f.vm, &other->dev, &taken[i], 1), -EEXIST, "pci's");
	assert_refused(vc_vm_add_device(f.vm, &pci->dev, NULL, 0), -EEXIST, "of this name");
	assert_refused(vc_vm_irq(f.vm, 19, &irq), -EEXIST, "line 19");
	assert_refused(vc_vm_add_platform(f.vm, VC_PLATFORM_PCI), -EEXIST, "already");
	close_all(&f);
	/* without an irqchip there is no PCI */
	cfg.irqchip = VC_IRQCHIP_NONE;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_add_pci(f.vm, p->pci, 0), -EINVAL, "irqchip");
	close_all(&f);
	vc_device_destroy(&pci->dev);
	vc_device_destroy(&p->dev);
	vc_device_destroy(&other->dev);
}

/* The clock's line is taken: PCI, asked for in the same call, gives back its own. */
static void all_or_nothing(void **state)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 2 << 20 };
	struct vc_vm_config cfg = basic_config();
	struct vc_irq *irq;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_vm_add_ram(f.vm, &ram, 0), 0);
	assert_result(vc_vm_irq(f.vm, 8, &irq), 0);
	assert_refused(vc_vm_add_platform(f.vm, VC_PLATFORM_PCI | VC_PLATFORM_RTC), -EEXIST,
		       "line 8");
	for (uint32_t gsi = 16; gsi < 20; gsi++)
		assert_result(vc_vm_irq(f.vm, gsi, &irq), 0);
	assert_result(vc_vm_build(f.vm), 0);
	close_all(&f);
}

static void note(void *opaque, const struct vc_problem *problem)
{
	strncat(opaque, problem->message, 500);
}

/* What lies in the way is told by check, and a build that fails can be repeated. */
static void faults(void **state)
{
	static const struct vc_place in_window = { VC_SPACE_MMIO, 1ull << 32, 0x1000, 0 };
	struct vc_region_config rom = { .size = sizeof(rom), .len_bytes = 0x1000 };
	struct vc_vm_config cfg = basic_config();
	struct vc_region *region;
	char text[2048] = "";
	int nr_destroyed = 0;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	struct probe *p = new_probe("p", &nr_destroyed), *other = new_probe("other", &nr_destroyed);
	assert_int_equal(vc_vm_add_pci(f.vm, p->pci, 0), 1);
	assert_result(vc_vm_add_device(f.vm, &other->dev, &in_window, 1), 0);
	assert_int_equal(vc_vm_check(f.vm, note, text), 1);
	assert_non_null(strstr(text, "PCI's window of 64 bits"));
	assert_refused(vc_vm_build(f.vm), -EEXIST, "PCI's window of 64 bits");
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_NEW);
	close_all(&f);

	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_vm_add_platform(f.vm, VC_PLATFORM_PCI), 0);
	assert_result(vc_region_create(&rom, &region), 0);
	assert_result(vc_vm_add_region(f.vm, region, ECAM + 0x1000), 0);
	vc_region_put(region);
	assert_refused(vc_vm_build(f.vm), -EEXIST, "configuration space");
	close_all(&f);
	assert_int_equal(nr_destroyed, 2);
}

static void reset_and_state(void **state)
{
	static const struct vc_fake_step steps[] = {
		MMIO_WRITE(4, CONFIG(1, 0x10), 0xc0100000),
		MMIO_WRITE(2, CONFIG(1, 4), 6),
		RESET,
	};
	struct vc_vm_config cfg = basic_config();
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	int nr_destroyed = 0;
	struct fixture a, b;
	const void *buf;
	size_t len;

	(void)state;
	cfg.on_reset = VC_ON_RESET_REBOOT;
	open_host_for(&a, steps, ARRAY_LEN(steps), 1);
	make_vm(&a, &cfg);
	struct probe *p = new_probe("p", &nr_destroyed), *q = new_probe("p", &nr_destroyed);
	assert_int_equal(vc_vm_add_pci(a.vm, p->pci, 0), 1);
	assert_result(vc_vm_build(a.vm), 0);
	assert_result(vc_vm_start(a.vm), 0);
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	do {
		assert_result(vc_vm_get_stats(a.vm, &stats), 0);
		sched_yield();
	} while (stats.nr_resets == 0);
	assert_result(vc_vm_pause(a.vm), 0);
	assert_int_equal(p->nr_resets, 1);
	assert_int_equal(vc_pci_function_config(p->pci, 4, 2), 0);
	assert_int_equal(vc_pci_function_config(p->pci, 0x10, 4), 0);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_vm_save(a.vm, writer), 0);
	assert_result(vc_state_finish(writer, &buf, &len), 0);
	open_host(&b, NULL, 0);
	make_vm(&b, &cfg);
	assert_int_equal(vc_vm_add_pci(b.vm, q->pci, 0), 1);
	assert_result(vc_vm_build(b.vm), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_vm_load(b.vm, reader), 0);
	vc_state_reader_destroy(reader);
	close_all(&b);
	/* a machine without PCI, and one with the function elsewhere */
	open_host(&b, NULL, 0);
	build_vm(&b, &cfg);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_refused(vc_vm_load(b.vm, reader), -EXDEV, "platform devices");
	vc_state_reader_destroy(reader);
	close_all(&b);
	open_host(&b, NULL, 0);
	make_vm(&b, &cfg);
	q = new_probe("p", &nr_destroyed);
	assert_int_equal(vc_vm_add_pci(b.vm, q->pci, 7), 7);
	assert_result(vc_vm_build(b.vm), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_refused(vc_vm_load(b.vm, reader), -EBADMSG, "slot 1");
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	close_all(&b);
	close_all(&a);
	assert_int_equal(nr_destroyed, 3);
}

static void keep_line(void *opaque, const char *line)
{
	char *text = opaque;

	if (strstr(line, "pci") || strstr(line, "MCFG") || strstr(line, "reserved"))
		sprintf(text + strlen(text), "%.100s\n", line);
}

static void described(void **state)
{
	static const char *const lines[] = {
		"device: pci (pci) mmio 0xe0000000-0xe00fffff\n",
		"device: pci (pci) mmio 0xc0000000-0xcfffffff\n",
		"device: pci (pci) pio 0xc000-0xffff\n",
		"device: pci (pci) mmio 0x100000000-0x10ffffffff\n",
		"device: p (probe) pci 00:09.0 1b36:0005, GSI 17\n",
		"e820: 0x0000e0000000-0x0000e00fffff reserved\n",
		"acpi: MCFG at ",
	};
	struct vc_vm_config cfg = basic_config();
	char text[4096] = "", built[4096] = "";
	int nr_destroyed = 0;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_int_equal(vc_vm_add_pci(f.vm, new_probe("p", &nr_destroyed)->pci, 9), 9);
	assert_result(vc_vm_describe(f.vm, keep_line, text), 0);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_describe(f.vm, keep_line, built), 0);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (!strstr(text, lines[i]) || !strstr(built, lines[i]))
			print_error("%s not in\n%s\nor\n%s", lines[i], text, built);
		assert_non_null(strstr(text, lines[i]));
		assert_non_null(strstr(built, lines[i]));
	}
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_drives_it),  cmocka_unit_test(slots),
		cmocka_unit_test(refused_platform), cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(faults),	    cmocka_unit_test(reset_and_state),
		cmocka_unit_test(described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
