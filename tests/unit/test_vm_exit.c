/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of exit, played by the fake back end, ends as it should. */
#include "vm_fixture.h"

/* Plays the steps on one vCPU until the VM stops by itself. */
static void play(struct fixture *f, const struct vc_fake_step *steps, size_t nr)
{
	struct vc_vm_config cfg = basic_config();

	open_host(f, steps, nr);
	build_vm(f, &cfg);
	run_vm(f);
}

static void pio_reaches_the_device(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x3f8, 'h'), OUT8(0x3f8, 'i'),
						     POWER_OFF };
	struct fixture f;

	(void)state;
	play(&f, steps, ARRAY_LEN(steps));
	assert_string_equal(f.console.text, "hi");
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	expect_no_event(f.vm);
	close_all(&f);
}

static void string_pio_moves_every_item(void **state)
{
	static const struct vc_fake_step steps[] = {
		{ .kind = VC_EXIT_PIO,
		  .size = 1,
		  .is_write = true,
		  .count = 7,
		  .addr = 0x3f8,
		  .value = '=' },
		POWER_OFF,
	};
	struct fixture f;

	(void)state;
	play(&f, steps, ARRAY_LEN(steps));
	assert_string_equal(f.console.text, "=======");
	close_all(&f);
}

static void empty_space_reads_ones_and_counts(void **state)
{
	static const struct vc_fake_step steps[] = {
		IN8(0x1234),
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0xd0000000 },
		{ .kind = VC_EXIT_MMIO,
		  .size = 8,
		  .is_write = true,
		  .addr = 0xd0000000,
		  .value = 1 },
		POWER_OFF,
	};
	static const uint64_t want[] = { 0xff, 0xffffffff };
	struct vc_fake_record record;
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct fixture f;
	size_t nr = 0;

	(void)state;
	play(&f, steps, ARRAY_LEN(steps));
	assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	assert_int_equal(stats.nr_unclaimed_pio, 1);
	assert_int_equal(stats.nr_unclaimed_mmio, 2);
	while (vc_fake_next_record(vc_vm_partition(f.vm), &record) == 1)
		if (record.kind == VC_FAKE_READ)
			assert_int_equal(record.value, want[nr++]);
	assert_int_equal(nr, 2);
	close_all(&f);
}

/* The VM stops with one event of this kind. */
static void stops_with(const struct vc_fake_step *steps, size_t nr, enum vc_event_kind kind,
		       struct vc_event *ret_event)
{
	struct fixture f;

	play(&f, steps, nr);
	*ret_event = expect_event(f.vm, kind);
	expect_no_event(f.vm);
	close_all(&f);
}

static void each_end_is_typed(void **state)
{
	static const struct vc_fake_step power_off[] = { { .kind = VC_EXIT_POWER_OFF } };
	static const struct vc_fake_step reset[] = { { .kind = VC_EXIT_RESET } };
	static const struct vc_fake_step pm_reset[] = { RESET };
	static const struct vc_fake_step triple[] = { { .kind = VC_EXIT_SHUTDOWN } };
	static const struct vc_fake_step debug[] = { DEBUG_EXIT(42) };
	struct vc_event event = { .size = sizeof(event) };

	(void)state;
	stops_with(power_off, 1, VC_EVENT_POWERED_OFF, &event);
	stops_with(reset, 1, VC_EVENT_RESET, &event);
	stops_with(pm_reset, 1, VC_EVENT_RESET, &event);
	stops_with(triple, 1, VC_EVENT_TRIPLE_FAULT, &event);
	assert_string_equal(event.object, "cpu0");
	stops_with(debug, 1, VC_EVENT_DEBUG_EXIT, &event);
	assert_int_equal(event.code, 42);
}

static void errors_are_explained(void **state)
{
	static const enum vc_exit_kind kinds[] = { VC_EXIT_MEMORY_FAULT,   VC_EXIT_FAIL_ENTRY,
						   VC_EXIT_INTERNAL_ERROR, VC_EXIT_UNKNOWN,
						   VC_EXIT_DEBUG,	   VC_EXIT_HYPERCALL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct vc_fake_step step = { .kind = kinds[i], .code = 77 };
		struct vc_event event = { .size = sizeof(event) };

		stops_with(&step, 1, VC_EVENT_ERROR, &event);
		assert_int_equal(event.err, -EIO);
		assert_string_equal(event.object, "cpu0");
		assert_non_null(strstr(event.text, vc_exit_name(kinds[i])));
	}
}

static void run_that_fails_is_an_error(void **state)
{
	static const struct vc_fake_step steps[] = { { .err = -ENXIO } };
	struct vc_event event = { .size = sizeof(event) };

	(void)state;
	stops_with(steps, 1, VC_EVENT_ERROR, &event);
	assert_int_equal(event.err, -ENXIO);
}

static void panic_is_told_and_goes_on(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x505, 1),
						     { .kind = VC_EXIT_CRASH, .code = 9 },
						     POWER_OFF };
	struct vc_event event = { .size = sizeof(event) };
	struct fixture f;

	(void)state;
	play(&f, steps, ARRAY_LEN(steps));
	event = expect_event(f.vm, VC_EVENT_PANICKED);
	assert_int_equal(event.nr, 2);	 /* coalesced */
	assert_int_equal(event.code, 9); /* the newer one's */
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	close_all(&f);
}

/* One run through every kind that a guest goes on after; each is counted once. */
static void every_kind_that_goes_on(void **state)
{
	static const struct vc_fake_step steps[] = {
		{ .kind = VC_EXIT_PIO, .size = 4, .addr = 0x1000 },
		{ .kind = VC_EXIT_MMIO, .size = 8, .is_write = true, .addr = 0xd0000000 },
		{ .kind = VC_EXIT_INTERRUPTED },
		{ .kind = VC_EXIT_CRASH, .code = 1 },
		{ .kind = VC_EXIT_IOAPIC_EOI, .addr = 0x40 },
		{ .kind = VC_EXIT_MSR, .addr = 0x174 },
		{ .kind = VC_EXIT_MSR, .addr = 0x174, .is_write = true, .value = 5 },
		{ .kind = VC_EXIT_DIRTY_FULL },
		POWER_OFF,
	};
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_KERNEL, VC_IRQCHIP_SPLIT };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chips); c++) {
		struct vc_vm_config cfg = basic_config();
		struct vc_fake_record record;
		struct vc_vm_stats stats = { .size = sizeof(stats) };
		struct fixture f;

		cfg.irqchip = chips[c];
		open_host(&f, steps, ARRAY_LEN(steps));
		build_vm(&f, &cfg);
		run_vm(&f);
		assert_result(vc_vm_get_stats(f.vm, &stats), 0);
		assert_int_equal(stats.nr_exits[VC_EXIT_PIO], 2);
		assert_int_equal(stats.nr_exits[VC_EXIT_MMIO], 1);
		assert_int_equal(stats.nr_exits[VC_EXIT_CRASH], 1);
		assert_int_equal(stats.nr_exits[VC_EXIT_IOAPIC_EOI], 1);
		assert_int_equal(stats.nr_exits[VC_EXIT_MSR], 2);
		assert_int_equal(stats.nr_exits[VC_EXIT_DIRTY_FULL], 1);
		/* an MSR that nobody asked to see is refused: it has no answer to record */
		while (vc_fake_next_record(vc_vm_partition(f.vm), &record) == 1)
			assert_true(record.kind != VC_FAKE_READ || record.addr != 0x174);
		expect_event(f.vm, VC_EVENT_PANICKED);
		expect_event(f.vm, VC_EVENT_POWERED_OFF);
		close_all(&f);
	}
}

static void halted_without_irqchip_ends(void **state)
{
	static const struct vc_fake_step steps[] = { { .kind = VC_EXIT_HALT } };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	cfg.irqchip = VC_IRQCHIP_NONE;
	open_host(&f, steps, 1);
	build_vm(&f, &cfg);
	run_vm(&f);
	expect_event(f.vm, VC_EVENT_HALTED);
	close_all(&f);
}

static void collect(void *opaque, const char *line)
{
	size_t *nr = opaque;

	assert_non_null(line);
	++*nr;
}

static void explain_only_when_stopped(void **state)
{
	static const struct vc_fake_step steps[] = { { .kind = VC_EXIT_INTERNAL_ERROR,
						       .code = 1 } };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;
	size_t nr = 0;

	(void)state;
	open_host(&f, steps, 1);
	build_vm(&f, &cfg);
	assert_refused(vc_vm_explain(f.vm, collect, &nr), -EBUSY, "built");
	run_vm(&f);
	assert_true(vc_vm_explain(f.vm, collect, &nr) > 0);
	assert_true(nr > 1);
	assert_refused(vc_vm_explain(f.vm, NULL, NULL), -EINVAL, "callback");
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pio_reaches_the_device),
		cmocka_unit_test(string_pio_moves_every_item),
		cmocka_unit_test(empty_space_reads_ones_and_counts),
		cmocka_unit_test(each_end_is_typed),
		cmocka_unit_test(errors_are_explained),
		cmocka_unit_test(run_that_fails_is_an_error),
		cmocka_unit_test(panic_is_told_and_goes_on),
		cmocka_unit_test(every_kind_that_goes_on),
		cmocka_unit_test(halted_without_irqchip_ends),
		cmocka_unit_test(explain_only_when_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
