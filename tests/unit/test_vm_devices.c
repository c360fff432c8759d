/* SPDX-License-Identifier: Apache-2.0 */
/* What is added to a VM: places and names once each, lines, and who owns a device after a refusal. */
#include "vm_fixture.h"

struct probe {
	struct vc_device dev;
	int *nr_destroyed;
	uint64_t last;
};

static void probe_access(struct vc_device *dev, struct vc_access *access)
{
	struct probe *probe = vc_container_of(dev, struct probe, dev);

	if (access->is_write)
		probe->last = access->value << 8 | access->off;
	else
		access->value = 0x5a;
}

static void probe_destroy(struct vc_device *dev)
{
	struct probe *probe = vc_container_of(dev, struct probe, dev);

	++*probe->nr_destroyed;
	vc_device_fini(dev);
	free(probe);
}

static const struct vc_device_ops probe_ops = {
	.type = "probe",
	.access = probe_access,
	.reset = plain_reset,
	.save = plain_save,
	.load = plain_load,
	.destroy = probe_destroy,
};

static struct probe *new_probe(const char *name, int *nr_destroyed)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	assert_non_null(probe);
	probe->nr_destroyed = nr_destroyed;
	assert_result(vc_device_init(&probe->dev, &probe_ops, name), 0);
	return probe;
}

static void answers_where_it_was_placed(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x502, 7), DEBUG_EXIT(0) };
	static const struct vc_place place = { VC_SPACE_PIO, 0x500, 4, 0 };
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;
	struct fixture f;

	(void)state;
	open_host(&f, steps, ARRAY_LEN(steps));
	make_vm(&f, &cfg);
	struct probe *probe = new_probe("probe", &nr_destroyed);
	assert_result(vc_vm_add_device(f.vm, &probe->dev, &place, 1), 0);
	assert_result(vc_vm_build(f.vm), 0);
	run_vm(&f);
	assert_int_equal(probe->last, 7 << 8 | 2);
	close_all(&f);
	assert_int_equal(nr_destroyed, 1);
}

static void refused_devices_stay_the_callers(void **state)
{
	static const struct vc_place serial = { VC_SPACE_PIO, 0x3ff, 1, 0 };
	static const struct vc_place beyond = { VC_SPACE_PIO, 0xffff, 2, 0 };
	static const struct vc_place none = { VC_SPACE_MMIO, 0x1000, 0, 0 };
	static const struct vc_place wraps = { VC_SPACE_MMIO, UINT64_MAX, 2, 0 };
	static const struct vc_place free_place = { VC_SPACE_PIO, 0x500, 4, 0 };
	static const struct vc_place many[17];
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	struct probe *probe = new_probe("probe", &nr_destroyed);
	struct probe *twin = new_probe("probe", &nr_destroyed);
	assert_refused(vc_vm_add_device(NULL, &probe->dev, NULL, 0), -EINVAL, "no VM");
	assert_refused(vc_vm_add_device(f.vm, NULL, NULL, 0), -EINVAL, "device");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, NULL, 1), -EINVAL, "places");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, many, 17), -EINVAL, "found 17");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &serial, 1), -EEXIST, "serial0");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &beyond, 1), -EINVAL, "0xffff");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &none, 1), -EINVAL, "0 bytes");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &wraps, 1), -EINVAL, "outside");
	assert_result(vc_vm_add_device(f.vm, &probe->dev, &free_place, 1), 0);
	assert_refused(vc_vm_add_device(f.vm, &twin->dev, NULL, 0), -EEXIST, "name");
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_add_device(f.vm, &twin->dev, NULL, 0), -EBUSY, "new");
	close_all(&f);
	assert_int_equal(nr_destroyed, 1);
	vc_device_destroy(&twin->dev);
	assert_int_equal(nr_destroyed, 2);
}

static void odd_places(void **state)
{
	static const struct vc_place space = { (enum vc_space)7, 0xd0000000, 4, 0 };
	static const struct vc_place twice[] = { { VC_SPACE_PIO, 0x500, 4, 0 },
						 { VC_SPACE_PIO, 0x502, 2, 1 } };
	static const struct vc_place at_rtc = { VC_SPACE_PIO, 0x71, 1, 0 };
	static const struct vc_place at_ioapic = { VC_SPACE_MMIO, 0xfec00010, 4, 0 };
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	cfg.irqchip = VC_IRQCHIP_SPLIT;
	make_vm(&f, &cfg);
	struct probe *probe = new_probe("probe", &nr_destroyed);
	struct probe *named = new_probe("ioapic", &nr_destroyed);
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &space, 1), -EINVAL, "space 7");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, twice, 2), -EINVAL, "0x502 overlap");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &at_rtc, 1), -EEXIST, "rtc");
	assert_refused(vc_vm_add_device(f.vm, &probe->dev, &at_ioapic, 1), -EEXIST, "ioapic");
	assert_refused(vc_vm_add_device(f.vm, &named->dev, NULL, 0), -EEXIST, "name");
	assert_result(vc_vm_check(f.vm, NULL, NULL), 0);
	assert_result(vc_vm_build(f.vm), 0);
	close_all(&f);
	vc_device_destroy(&probe->dev);
	vc_device_destroy(&named->dev);
}

/* Where no access would ever come out: told by check, refused by build. */
static void unreachable_places(void **state)
{
	static const struct {
		struct vc_place place;
		int err;
		const char *part;
	} table[] = {
		{ { VC_SPACE_MMIO, 0x100000, 0x1000, 0 }, -EEXIST, "lies on ram" },
		{ { VC_SPACE_MMIO, 0x1fffff, 2, 0 }, -EEXIST, "lies on ram" },
		{ { VC_SPACE_MMIO, 0xfee01000, 0x10, 0 }, -EEXIST, "local APICs" },
		{ { VC_SPACE_MMIO, 0xfec00fff, 1, 0 }, -EEXIST, "I/O APIC" },
		{ { VC_SPACE_MMIO, 1ull << 60, 8, 0 }, -ERANGE, "46 bits" },
		{ { VC_SPACE_MMIO, 0x200000, 8, 0 }, 0, "" },
	};
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct fixture f;

		open_host(&f, NULL, 0);
		make_vm(&f, &cfg);
		struct probe *probe = new_probe("probe", &nr_destroyed);
		assert_result(vc_vm_add_device(f.vm, &probe->dev, &table[i].place, 1), 0);
		assert_result(vc_vm_check(f.vm, NULL, NULL), table[i].err != 0);
		if (table[i].err != 0)
			assert_refused(vc_vm_build(f.vm), table[i].err, table[i].part);
		else
			assert_result(vc_vm_build(f.vm), 0);
		close_all(&f);
	}
}

static size_t sink_room(void *opaque)
{
	(void)opaque;
	return 1;
}

static void sink_receive(void *opaque, const uint8_t *buf, size_t len)
{
	(void)opaque;
	(void)buf;
	(void)len;
}

static void sink_wake(void *opaque)
{
	(void)opaque;
}

/* A call that fails leaves nothing behind: the next one with what is right works. */
static void all_or_nothing(void **state)
{
	static const struct vc_stream_sink sink = { sink_room, sink_receive, sink_wake };
	static const struct vc_place at_pvpanic = { VC_SPACE_PIO, 0x505, 1, 0 };
	struct vc_stream_config scfg = { .size = sizeof(scfg) };
	struct vc_stream *used = NULL, *fresh = NULL;
	struct vc_vm_config cfg = basic_config();
	int nr_destroyed = 0;
	struct vc_irq *irq;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	assert_result(vc_vm_create(f.host, &cfg, &f.vm), 0);
	assert_result(vc_stream_open(&scfg, &used), 0);
	assert_result(vc_stream_open(&scfg, &fresh), 0);
	assert_result(vc_stream_set_sink(used, &sink, NULL), 0);
	assert_refused(vc_vm_add_serial(f.vm, used), -EBUSY, "");
	assert_result(vc_vm_add_serial(f.vm, fresh), 0);
	vc_stream_close(used);
	assert_result(vc_vm_irq(f.vm, 3, &irq), 0);
	assert_refused(vc_vm_add_serial(f.vm, NULL), -EEXIST, "line 3");

	struct probe *probe = new_probe("probe", &nr_destroyed);
	assert_result(vc_vm_add_device(f.vm, &probe->dev, &at_pvpanic, 1), 0);
	assert_refused(
		vc_vm_add_platform(f.vm, VC_PLATFORM_RTC | VC_PLATFORM_PM | VC_PLATFORM_PVPANIC),
		-EEXIST, "probe");
	assert_result(vc_vm_add_platform(f.vm, VC_PLATFORM_PM), 0);
	assert_result(vc_vm_irq(f.vm, 8, &irq), 0);
	assert_refused(vc_vm_add_platform(f.vm, VC_PLATFORM_RTC | VC_PLATFORM_DEBUG_EXIT), -EEXIST,
		       "line 8");
	assert_result(vc_vm_add_platform(f.vm, VC_PLATFORM_DEBUG_EXIT), 0);
	close_all(&f);
	assert_int_equal(nr_destroyed, 1);
}

static void lines_are_given_once(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_irq *irq = NULL;
	struct vc_fake_record record;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_irq(NULL, 5, &irq), -EINVAL, "needed");
	assert_refused(vc_vm_irq(f.vm, 5, NULL), -EINVAL, "needed");
	assert_refused(vc_vm_irq(f.vm, 24, &irq), -EINVAL, "no line 24");
	assert_refused(vc_vm_irq(f.vm, 4, &irq), -EEXIST, "line 4");
	assert_null(irq);
	assert_result(vc_vm_irq(f.vm, 5, &irq), 0);
	assert_refused(vc_vm_irq(f.vm, 5, &irq), -EEXIST, "line 5");
	/* Before there is a guest a level goes nowhere; afterwards to the hypervisor's line. */
	assert_result(vc_irq_set_level(irq, true), 0);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_irq_set_level(irq, true), 0);
	assert_result(vc_fake_next_record(vc_vm_partition(f.vm), &record), 1);
	assert_int_equal(record.kind, VC_FAKE_IRQ_LEVEL);
	assert_int_equal(record.addr, 5);
	assert_int_equal(record.value, 1);
	assert_refused(vc_vm_irq(f.vm, 6, &irq), -EBUSY, "new");
	close_all(&f);

	cfg.irqchip = VC_IRQCHIP_NONE;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_irq(f.vm, 5, &irq), -EINVAL, "irqchip");
	close_all(&f);
}

static void platform_and_serials(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_add_platform(f.vm, 1u << 31), -EINVAL, "0x80000000");
	assert_refused(vc_vm_add_platform(f.vm, VC_PLATFORM_PM), -EEXIST, "already");
	assert_refused(vc_vm_add_platform(NULL, VC_PLATFORM_PM), -EINVAL, "no VM");
	assert_result(vc_vm_add_platform(f.vm, VC_PLATFORM_I8042), 0);
	for (int i = 1; i < 4; i++)
		assert_result(vc_vm_add_serial(f.vm, NULL), i);
	assert_refused(vc_vm_add_serial(f.vm, NULL), -ENOSPC, "4 UARTs");
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_add_serial(f.vm, NULL), -EBUSY, "new");
	assert_refused(vc_vm_add_platform(f.vm, VC_PLATFORM_I8042), -EBUSY, "new");
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_where_it_was_placed),
		cmocka_unit_test(refused_devices_stay_the_callers),
		cmocka_unit_test(odd_places),
		cmocka_unit_test(unreachable_places),
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(lines_are_given_once),
		cmocka_unit_test(platform_and_serials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
