/* SPDX-License-Identifier: Apache-2.0 */
/* Ends, resets and faults of real guests, and the state machine under load. */
#include "machine.h"

#include <stdlib.h>

static bool is_long;

static void ends_with(const char *guest, const char *line, enum vc_irqchip irqchip,
		      enum vc_event_kind kind)
{
	struct machine_config cfg = { .guest = guest, .cmdline = line, .vm.irqchip = irqchip };
	struct machine m;

	machine_start(&m, &cfg);
	machine_end(&m, kind);
	machine_free(&m);
}

static void each_way_out_is_typed(void **state)
{
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_NONE, VC_IRQCHIP_KERNEL,
						 VC_IRQCHIP_SPLIT };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chips); c++) {
		ends_with("power.elf", "do=off", chips[c], VC_EVENT_POWERED_OFF);
		ends_with("power.elf", "do=reset", chips[c], VC_EVENT_RESET);
		ends_with("power.elf", "do=i8042", chips[c], VC_EVENT_RESET);
		ends_with("fault.elf", "mode=triple", chips[c], VC_EVENT_TRIPLE_FAULT);
	}
}

/* Given to the box, whose other port the guest writes: a device of the program's, as any other. */
struct asker {
	struct vc_vm *vm;
	int result;
};

static void pass_on(void *opaque, const struct vc_access *access)
{
	struct asker *asker = opaque;

	asker->result = vc_vm_request(asker->vm, (enum vc_request)access->value, 7);
}

static void own_device_asks(void **state)
{
	static const struct {
		const char *line;
		enum vc_event_kind kind;
		uint64_t code;
	} runs[] = { { "do=off reg=0x710 value=0", VC_EVENT_POWERED_OFF, 0 },
		     { "do=off reg=0x710 value=1", VC_EVENT_RESET, 0 },
		     { "do=off reg=0x710 value=2", VC_EVENT_DEBUG_EXIT, 7 },
		     { "do=off reg=0x710 value=3", VC_EVENT_PANICKED, 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		const struct machine_config cfg = { .guest = "power.elf",
						    .cmdline = runs[i].line,
						    .vm.irqchip = VC_IRQCHIP_KERNEL };
		struct asker asker = { .result = 1 };
		struct machine m;

		machine_make(&m, &cfg);
		asker.vm = m.vm;
		m.box.acked = pass_on;
		m.box.opaque = &asker;
		assert_result(vc_vm_build(m.vm), 0);
		assert_result(vc_vm_start(m.vm), 0);
		assert_int_equal(machine_end(&m, runs[i].kind).code, runs[i].code);
		assert_int_equal(asker.result, 0);
		machine_free(&m);
	}
}

/* Asked by no vCPU, of vCPUs that are in the guest and would stay there. */
static void another_thread_asks(void **state)
{
	static const char *const lines[] = { "mode=spin", "mode=hlt" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const struct machine_config cfg = { .guest = "kick.elf",
						    .cmdline = lines[i],
						    .vm = { .irqchip = VC_IRQCHIP_KERNEL,
							    .nr_vcpus = 2 } };
		struct machine m;

		machine_start(&m, &cfg);
		console_wait(&m, "kick ready");
		assert_result(vc_vm_request(m.vm, VC_REQUEST_POWER_OFF, 0), 0);
		machine_end(&m, VC_EVENT_POWERED_OFF);
		machine_free(&m);
	}
}

static void cf9_is_nobodys(void **state)
{
	const struct machine_config cfg = { .guest = "power.elf", .cmdline = "do=cf9" };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	machine_done(&m, 1);
	assert_true(console_has(&m, "power survived"));
	machine_free(&m);
}

struct lines {
	char text[8192];
};

static void collect(void *opaque, const char *line)
{
	struct lines *lines = opaque;
	size_t len = strlen(lines->text);

	snprintf(lines->text + len, sizeof(lines->text) - len, "%s\n", line);
}

static void triple_fault_is_explained(void **state)
{
	const struct machine_config cfg = { .guest = "fault.elf",
					    .cmdline = "mode=triple",
					    .vm.irqchip = VC_IRQCHIP_KERNEL };
	struct lines lines = { "" };
	struct vc_event event = { .size = sizeof(event) };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	event = machine_end(&m, VC_EVENT_TRIPLE_FAULT);
	assert_string_equal(event.object, "cpu0");
	assert_non_null(strstr(event.text, "triple fault at RIP 0x"));
	assert_true(vc_vm_explain(m.vm, collect, &lines) > 3);
	assert_non_null(strstr(lines.text, "rip"));
	machine_free(&m);
}

/* What the guest itself takes as an exception is no business of the VM's. */
static void guests_own_faults(void **state)
{
	static const struct {
		const char *line;
		uint64_t code;
	} runs[] = { { "mode=ud2", 0x46 },
		     { "mode=div", 0x40 },
		     { "mode=gp", 0x4d },
		     { "mode=jump", 0x4e },
		     { "mode=cpl0", 0x46 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		const struct machine_config cfg = { .guest = "fault.elf",
						    .cmdline = runs[i].line,
						    .vm.irqchip = VC_IRQCHIP_KERNEL };
		struct machine m;

		machine_start(&m, &cfg);
		machine_done(&m, runs[i].code);
		assert_true(console_has(&m, "TRAP vector="));
		machine_free(&m);
	}
}

/* Code in no memory: KVM cannot emulate it; whatever it says is an end with an explanation. */
static void fetch_from_nowhere(void **state)
{
	const struct machine_config cfg = { .guest = "fault.elf",
					    .cmdline = "mode=fetch addr=0xd8000000",
					    .vm.irqchip = VC_IRQCHIP_KERNEL };
	struct lines lines = { "" };
	struct vc_event event = { .size = sizeof(event) };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	assert_result(vc_vm_wait(m.vm, WAIT_MS), 0);
	assert_int_equal(vc_vm_next_event(m.vm, &event), 1);
	if (event.kind == VC_EVENT_ERROR) {
		assert_int_equal(event.err, -EIO);
		assert_true(vc_vm_explain(m.vm, collect, &lines) > 3);
		assert_non_null(strstr(lines.text, "d8000000"));
	} else {
		assert_int_equal(event.kind, VC_EVENT_DEBUG_EXIT); /* taken as an exception */
	}
	machine_free(&m);
}

/* Stores that no emulator knows, into a device: an end or an exception, never a hang. */
static void store_that_cannot_be_emulated(void **state)
{
	const struct machine_config cfg = { .guest = "fault.elf",
					    .cmdline = "mode=avx",
					    .vm.irqchip = VC_IRQCHIP_KERNEL };
	struct vc_event event = { .size = sizeof(event) };
	struct machine m;

	(void)state;
	if (is_in_lab())
		skip_case("guests of the software CPU cannot use AVX");
	machine_start(&m, &cfg);
	assert_result(vc_vm_wait(m.vm, WAIT_MS), 0);
	assert_int_equal(vc_vm_next_event(m.vm, &event), 1);
	assert_true(event.kind == VC_EVENT_ERROR || event.kind == VC_EVENT_DEBUG_EXIT);
	machine_free(&m);
}

static void rom_is_not_written(void **state)
{
	const struct machine_config cfg = { .guest = "fault.elf",
					    .cmdline = "mode=rom addr=0xe0000000" };
	struct vc_region_config rom = {
		.size = sizeof(rom), .name = "rom", .len_bytes = 4096, .flags = VC_REGION_READONLY
	};
	struct vc_region *region;
	struct machine m;

	(void)state;
	assert_result(vc_region_create(&rom, &region), 0);
	machine_make(&m, &cfg);
	assert_result(vc_vm_add_region(m.vm, region, 0xe0000000), 0);
	vc_region_put(region);
	assert_result(vc_vm_build(m.vm), 0);
	assert_result(vc_vm_start(m.vm), 0);
	machine_done(&m, 0);
	assert_int_equal(console_number(&m, "before="), console_number(&m, "after="));
	machine_free(&m);
}

/* The guest resets its machine again and again; each time it comes up as the first time. */
static void reboots(const char *guest, const char *line, enum vc_irqchip irqchip, uint32_t nr_vcpus)
{
	const uint64_t nr = is_long ? 500 : 10;
	struct machine_config cfg = {
		.guest = guest,
		.cmdline = line,
		.vm = { .irqchip = irqchip, .nr_vcpus = nr_vcpus, .on_reset = VC_ON_RESET_REBOOT }
	};
	uint64_t seen = 0, until = now_ms() + WAIT_MS;
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct vc_event event = { .size = sizeof(event) };
	struct machine m;

	machine_start(&m, &cfg);
	do {
		assert_result(vc_vm_get_stats(m.vm, &stats), 0);
		sched_yield();
	} while (stats.nr_resets < nr && vc_vm_get_state(m.vm) == VC_VM_RUNNING &&
		 now_ms() < until);
	assert_result(vc_vm_stop(m.vm), 0);
	while (vc_vm_next_event(m.vm, &event) == 1) {
		if (event.kind == VC_EVENT_ERROR)
			print_error("%s\n", event.text);
		assert_true(event.kind == VC_EVENT_RESET || event.kind == VC_EVENT_STOPPED ||
			    event.kind == VC_EVENT_TRIPLE_FAULT);
		seen += event.kind != VC_EVENT_STOPPED ? event.nr : 0;
	}
	assert_true(seen >= nr);
	assert_true(m.box.nr_resets >= nr); /* devices are reset with the rest */
	machine_free(&m);
}

static void reboot_in_place(void **state)
{
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_NONE, VC_IRQCHIP_KERNEL,
						 VC_IRQCHIP_SPLIT };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(chips); c++) {
		reboots("power.elf", "do=reset", chips[c], 1);
		reboots("fault.elf", "mode=triple", chips[c], 1);
	}
}

static void reboot_with_interrupts(enum vc_irqchip irqchip, const char *line, uint32_t nr_vcpus)
{
	struct machine_config cfg = {
		.guest = nr_vcpus > 1 ? "smp.elf" : "irq.elf",
		.cmdline = line,
		.no_platform = VC_PLATFORM_DEBUG_EXIT,
		.vm = { .irqchip = irqchip, .nr_vcpus = nr_vcpus, .on_reset = VC_ON_RESET_REBOOT }
	};
	const uint64_t nr = is_long ? 100 : 4;
	uint64_t until = now_ms() + WAIT_MS;
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct machine m;
	size_t found = 0;

	machine_start(&m, &cfg);
	do {
		assert_result(vc_vm_get_stats(m.vm, &stats), 0);
		sched_yield();
	} while (stats.nr_resets < nr && vc_vm_get_state(m.vm) == VC_VM_RUNNING &&
		 now_ms() < until);
	assert_result(vc_vm_stop(m.vm), 0);
	assert_true(stats.nr_resets >= nr);
	for (const char *p = m.console.text;
	     (p = strstr(p, nr_vcpus > 1 ? "smp cpus=" : "irq count=")); p++)
		found++;
	assert_true(found >= nr);
	machine_free(&m);
}

/* Pause, look, resume, in a tight loop beside a guest that exits all the time. */
static void pause_under_load(void **state)
{
	static const char *const lines[] = { "mode=pio", "mode=mmio", "mode=spin" };
	const int rounds = is_long ? 20000 : 300;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct machine_config cfg = { .guest = "kick.elf",
					      .cmdline = lines[i],
					      .vm = { .irqchip = VC_IRQCHIP_KERNEL } };
		struct vc_x86_regs regs, again;
		struct machine m;

		machine_start(&m, &cfg);
		console_wait(&m, "kick ready");
		for (int k = 0; k < rounds; k++) {
			uint64_t nr;

			assert_result(vc_vm_pause(m.vm), 0);
			nr = m.box.nr;
			assert_result(vc_vcpu_get_regs(vc_vm_vcpu(m.vm, 0), &regs, NULL), 0);
			assert_result(vc_vcpu_get_regs(vc_vm_vcpu(m.vm, 0), &again, NULL), 0);
			assert_memory_equal(&regs, &again, sizeof(regs));
			assert_int_equal(nr, m.box.nr);
			assert_result(vc_vm_resume(m.vm), 0);
		}
		assert_result(vc_vm_stop(m.vm), 0);
		machine_free(&m);
	}
}

/* Destroying a running VM takes no longer than a kick and a join. */
static void destroy_is_bounded(void **state)
{
	static const char *const lines[] = { "mode=pio", "mode=mmio", "mode=spin", "mode=hlt" };
	uint64_t worst = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct machine_config cfg = { .guest = "kick.elf",
					      .cmdline = lines[i],
					      .vm = { .irqchip = VC_IRQCHIP_KERNEL,
						      .nr_vcpus = 4 } };
		struct machine m;
		uint64_t from;

		machine_start(&m, &cfg);
		console_wait(&m, "kick ready");
		from = now_ms();
		machine_free(&m);
		worst = now_ms() - from > worst ? now_ms() - from : worst;
	}
	printf("destroy of a running VM of 4 vCPUs: at most %llu ms\n", (unsigned long long)worst);
	assert_true(worst < (is_in_lab() ? 20000 : 5000));
}

static void reboot_with_timer_and_uart(void **state)
{
	(void)state;
	reboot_with_interrupts(VC_IRQCHIP_KERNEL, "source=uart pin=4 count=5 extra=9 again=1", 1);
	reboot_with_interrupts(VC_IRQCHIP_SPLIT, "source=uart pin=4 count=5 extra=9 again=1", 1);
	reboot_with_interrupts(VC_IRQCHIP_KERNEL, "source=timer count=2 again=1", 1);
}

static void reboot_with_other_vcpus(void **state)
{
	(void)state;
	reboot_with_interrupts(VC_IRQCHIP_KERNEL, "quiet=1 again=1", 3);
	reboot_with_interrupts(VC_IRQCHIP_SPLIT, "quiet=1 again=1", 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_out_is_typed),
		cmocka_unit_test(own_device_asks),
		cmocka_unit_test(another_thread_asks),
		cmocka_unit_test(cf9_is_nobodys),
		cmocka_unit_test(triple_fault_is_explained),
		cmocka_unit_test(guests_own_faults),
		cmocka_unit_test(fetch_from_nowhere),
		cmocka_unit_test(store_that_cannot_be_emulated),
		cmocka_unit_test(rom_is_not_written),
		cmocka_unit_test(reboot_in_place),
		cmocka_unit_test(reboot_with_timer_and_uart),
		cmocka_unit_test(reboot_with_other_vcpus),
		cmocka_unit_test(pause_under_load),
		cmocka_unit_test(destroy_is_bounded),
	};

	need_kvm();
	is_long = argc > 1 && strcmp(argv[1], "long") == 0;
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
