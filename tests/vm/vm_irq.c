/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts reach the guest on both irqchips, from every source; vCPUs are kicked out of any state. */
#include "machine.h"

/* Raises the line again each time the guest says that it has counted the last one. */
static void raise_next(void *opaque, const struct vc_access *access)
{
	struct machine *m = opaque;

	if (!access->is_write)
		return;
	if (access->off == 4) /* the handler withdraws a level */
		assert_int_equal(vc_irq_set_level(m->irq, false), 0);
	else if (access->value < 50)
		assert_int_equal(vc_irq_pulse(m->irq), 0);
}

static void raise_level(void *opaque, const struct vc_access *access)
{
	struct machine *m = opaque;

	if (!access->is_write)
		return;
	if (access->off == 4)
		assert_int_equal(vc_irq_set_level(m->irq, false), 0);
	else if (access->value < 50)
		assert_int_equal(vc_irq_set_level(m->irq, true), 0);
}

static void line_interrupts(enum vc_irqchip irqchip, bool is_level)
{
	struct machine_config cfg = {
		.guest = "irq.elf",
		.cmdline = is_level ? "pin=5 level=1 count=50 ack=0x710 deassert=0x714 extra=50"
				    : "pin=5 count=50 ack=0x710",
		.is_fixture_irq = true,
		.gsi = 5,
		.vm.irqchip = irqchip,
	};
	struct machine m;

	machine_build(&m, &cfg);
	m.box.acked = is_level ? raise_level : raise_next;
	m.box.opaque = &m;
	assert_result(vc_vm_start(m.vm), 0);
	console_wait(&m, "irq ready");
	/* Before the guest has opened its mask an edge may be lost to it: the line stays up. */
	assert_result(vc_irq_set_level(m.irq, true), 0);
	if (!is_level)
		assert_result(vc_irq_set_level(m.irq, false), 0);
	machine_done(&m, 0);
	assert_true(console_number(&m, "irq count=") >= 50);
	machine_free(&m);
}

static void edges_in_kernel(void **state)
{
	(void)state;
	line_interrupts(VC_IRQCHIP_KERNEL, false);
}

static void levels_in_kernel(void **state)
{
	(void)state;
	line_interrupts(VC_IRQCHIP_KERNEL, true);
}

static void edges_split(void **state)
{
	(void)state;
	line_interrupts(VC_IRQCHIP_SPLIT, false);
}

static void levels_split(void **state)
{
	(void)state;
	line_interrupts(VC_IRQCHIP_SPLIT, true);
}

/* Raised once and withdrawn when the last has come: all between come because of EOIs. */
static void withdraw_at_last(void *opaque, const struct vc_access *access)
{
	struct machine *m = opaque;

	if (access->is_write && access->off == 4 && ++m->box.nr == 50)
		assert_int_equal(vc_irq_set_level(m->irq, false), 0);
}

static void level_comes_again_after_eoi(void **state)
{
	struct machine_config cfg = {
		.guest = "irq.elf",
		.cmdline = "pin=5 level=1 count=50 deassert=0x714 extra=1",
		.is_fixture_irq = true,
		.gsi = 5,
		.vm.irqchip = VC_IRQCHIP_SPLIT,
	};
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct machine m;

	(void)state;
	machine_build(&m, &cfg);
	m.box.acked = withdraw_at_last;
	m.box.opaque = &m;
	assert_result(vc_irq_set_level(m.irq, true), 0); /* before its entry is open */
	assert_result(vc_vm_start(m.vm), 0);
	machine_done(&m, 0);
	assert_in_range(console_number(&m, "irq count="), 50, 51);
	assert_result(vc_vm_get_stats(m.vm, &stats), 0);
	assert_true(stats.nr_exits[VC_EXIT_IOAPIC_EOI] >= 49);
	machine_free(&m);
}

static void sources_on_both(void **state)
{
	static const char *const lines[] = { "source=self count=20", "source=timer count=5",
					     "source=uart pin=4 count=20 extra=20",
					     "source=self count=20 x2apic=1",
					     "source=timer count=3 hlt=1" };
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_KERNEL, VC_IRQCHIP_SPLIT };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chips); c++)
		for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
			struct machine_config cfg = { .guest = "irq.elf",
						      .cmdline = lines[i],
						      .vm.irqchip = chips[c] };

			machine_run(&cfg, "irq count=");
		}
}

static void pit_ticks(void **state)
{
	struct machine_config cfg = { .guest = "irq.elf",
				      .cmdline = "source=pit pin=0 count=5",
				      .vm = { .irqchip = VC_IRQCHIP_KERNEL, .has_pit = true } };

	(void)state;
	machine_run(&cfg, "irq count=");
}

static void message_interrupts(void **state)
{
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_KERNEL, VC_IRQCHIP_SPLIT };
	const struct vc_msi msi = { .address = 0xfee00000, .data = 0x40 };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chips); c++) {
		struct machine_config cfg = { .guest = "irq.elf",
					      .cmdline = "count=1 vector=0x40",
					      .vm.irqchip = chips[c] };
		struct machine m;

		machine_start(&m, &cfg);
		console_wait(&m, "irq ready");
		assert_true(vc_irq_send_msi(vc_vm_partition(m.vm), &msi) >= 0);
		machine_done(&m, 0);
		machine_free(&m);
	}
}

static void wait_change(struct machine *m, uint64_t gpa, uint64_t was)
{
	uint64_t is, until = now_ms() + WAIT_MS;

	do {
		assert_result(vc_mem_read(vc_vm_mem(m->vm), gpa, &is, 8), 0);
		sched_yield();
	} while (is == was && now_ms() < until);
	assert_true(is != was);
}

/* Kicks, pauses, resumes of a guest in each state; its counter stands still while it is paused. */
static void kicked_in(const char *mode, enum vc_irqchip irqchip, bool is_counting)
{
	char line[64];
	struct machine_config cfg = { .guest = "kick.elf", .cmdline = line, .vm.irqchip = irqchip };
	uint64_t counter, stop, was = 0, is = 0, one = 1;
	struct machine m;

	snprintf(line, sizeof(line), "mode=%s", mode);
	machine_start(&m, &cfg);
	console_wait(&m, "stop=0x");
	console_wait(&m, "\n");
	counter = console_number(&m, "counter=");
	stop = console_number(&m, "stop=");
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 10; k++)
			assert_result(vc_vcpu_kick(vc_vm_vcpu(m.vm, 0)), 0);
		assert_result(vc_vm_pause(m.vm), 0);
		assert_int_equal(vc_vm_get_state(m.vm), VC_VM_PAUSED);
		assert_result(vc_mem_read(vc_vm_mem(m.vm), counter, &was, 8), 0);
		assert_result(vc_mem_read(vc_vm_mem(m.vm), counter, &is, 8), 0);
		assert_int_equal(was, is);
		assert_result(vc_vm_resume(m.vm), 0);
		if (is_counting && i % 10 == 0)
			wait_change(&m, counter, was);
	}
	if (is_counting) {
		assert_result(vc_mem_write(vc_vm_mem(m.vm), stop, &one, 8), 0);
		machine_done(&m, 0);
		assert_true(console_has(&m, "kick done"));
	} else {
		assert_result(vc_vm_stop(m.vm), 0);
		machine_end(&m, VC_EVENT_STOPPED);
	}
	machine_free(&m);
}

static void kicks(void **state)
{
	(void)state;
	kicked_in("spin", VC_IRQCHIP_NONE, true);
	kicked_in("pio", VC_IRQCHIP_KERNEL, true);
	kicked_in("mmio", VC_IRQCHIP_SPLIT, true);
	kicked_in("hlt", VC_IRQCHIP_KERNEL, false);
	kicked_in("hlt", VC_IRQCHIP_SPLIT, false);
}

static void kicks_without_interrupts(void **state)
{
	(void)state;
	if (is_in_lab())
		skip_case("a guest that halts with interrupts off starves the lab's timers");
	kicked_in("off", VC_IRQCHIP_KERNEL, false);
	kicked_in("off", VC_IRQCHIP_SPLIT, false);
}

static void halt_without_irqchip_ends(void **state)
{
	struct machine_config cfg = { .guest = "fault.elf", .cmdline = "mode=hlt" };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	machine_end(&m, VC_EVENT_HALTED);
	machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_in_kernel),
		cmocka_unit_test(levels_in_kernel),
		cmocka_unit_test(edges_split),
		cmocka_unit_test(levels_split),
		cmocka_unit_test(level_comes_again_after_eoi),
		cmocka_unit_test(sources_on_both),
		cmocka_unit_test(pit_ticks),
		cmocka_unit_test(message_interrupts),
		cmocka_unit_test(kicks),
		cmocka_unit_test(kicks_without_interrupts),
		cmocka_unit_test(halt_without_irqchip_ends),
	};

	need_kvm();
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
