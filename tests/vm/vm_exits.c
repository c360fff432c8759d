/* SPDX-License-Identifier: Apache-2.0 */
/* Accesses of real guests through the whole VM: sizes, strings, empty space, hostile ones. */
#include "machine.h"

static void hello(void **state)
{
	struct machine_config cfg = { .guest = "hello.elf", .cmdline = "text=salut" };

	(void)state;
	machine_run(&cfg, "salut from cpl 3");
	cfg.vm.irqchip = VC_IRQCHIP_KERNEL;
	cfg.vm.has_pit = true;
	machine_run(&cfg, "salut from cpl 3");
}

static void exit_code_comes_out(void **state)
{
	const struct machine_config cfg = { .guest = "hello.elf", .cmdline = "code=93" };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	machine_done(&m, 93);
	machine_free(&m);
}

/* Each access once, in its width; the guest's sum of what it read is ours of what we answered. */
static void every_width(void **state)
{
	const struct machine_config cfg = { .guest = "exits.elf", .cmdline = "ports=4 mmio=3" };
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	machine_done(&m, 0);
	for (uint32_t size = 1; size <= 8; size *= 2) {
		assert_int_equal(m.box.nr_seen[1][size], 6);
		assert_int_equal(m.box.nr_seen[0][size], size == 8 ? 0 : 8);
	}
	assert_int_equal(console_number(&m, "sum="), m.box.read_sum);
	assert_result(vc_vm_get_stats(m.vm, &stats), 0);
	assert_int_equal(stats.nr_unclaimed_pio, 0);
	assert_int_equal(stats.nr_unclaimed_mmio, 0);
	assert_true(stats.nr_exits[VC_EXIT_MMIO] >= 24);
	machine_free(&m);
}

static void strings_and_forms(void **state)
{
	static const char *const lines[] = { "ports=1 mmio=0 string=40", "ports=1 mmio=1 forms=1",
					     "ports=2 widths=4 mmio=2 string=7 forms=1 seed=9" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct machine_config cfg = { .guest = "exits.elf", .cmdline = lines[i] };
		struct machine m;

		machine_start(&m, &cfg);
		machine_done(&m, 0);
		assert_true(m.box.nr > 0);
		machine_free(&m);
	}
}

static void empty_space_is_counted(void **state)
{
	const struct machine_config cfg = { .guest = "exits.elf",
					    .cmdline = "port=0x900 addr=0xd8000000" };
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	machine_done(&m, 0);
	assert_int_equal(m.box.nr, 0);
	assert_result(vc_vm_get_stats(m.vm, &stats), 0);
	assert_int_equal(stats.nr_unclaimed_pio, 24);
	assert_int_equal(stats.nr_unclaimed_mmio, 8);
	machine_free(&m);
}

/* The same 14 bytes in every mode that a flat image may start in. */
static void flat_in_every_mode(void **state)
{
	static const struct {
		enum vc_flat_mode mode;
		vc_gpa gpa;
	} starts[] = { { VC_FLAT_REAL_16, 0x8000 },
		       { VC_FLAT_PROTECTED_32, 0x100000 },
		       { VC_FLAT_LONG_64, 0x100000 },
		       { VC_FLAT_LONG_64_USER, 0x200000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		const struct machine_config cfg = { .guest = "byte.bin" };
		struct vc_boot_config boot = { .size = sizeof(boot),
					       .kind = VC_BOOT_FLAT,
					       .kernel = { .path = GUESTS_DIR "/byte.bin" },
					       .flat_gpa = starts[i].gpa,
					       .flat_mode = starts[i].mode };
		struct machine m;

		machine_make(&m, &cfg);
		assert_result(vc_vm_set_boot(m.vm, &boot), 0);
		assert_result(vc_vm_build(m.vm), 0);
		assert_result(vc_vm_start(m.vm), 0);
		machine_done(&m, 0);
		assert_string_equal(m.console.text, "!");
		machine_free(&m);
	}
}

static uint64_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long size = 0, resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu %llu", &size, &resident), 2);
	fclose(f);
	return resident * 4;
}

/* Noise on the UART: an end within its time, no memory eaten. */
static void hostile_uart(void **state)
{
	const struct machine_config cfg = { .guest = "hostile_uart.elf",
					    .cmdline = "count=1000",
					    .vm.irqchip = VC_IRQCHIP_KERNEL };
	uint64_t before = resident_kib();
	struct machine m;

	(void)state;
	machine_start(&m, &cfg);
	machine_done(&m, 0);
	assert_true(resident_kib() < before + 48 * 1024); /* 32 MiB of RAM included */
	machine_free(&m);
}

static void hostile_uart_with_nobody_there(void **state)
{
	const struct machine_config cfg = { .guest = "hostile_uart.elf",
					    .cmdline = "base=0x2f8 count=500" };
	struct machine m;

	(void)state;
	machine_make(&m, &cfg);
	assert_result(vc_vm_add_serial(m.vm, NULL), 1);
	assert_result(vc_vm_build(m.vm), 0);
	assert_result(vc_vm_start(m.vm), 0);
	machine_done(&m, 0);
	machine_free(&m);
}

/* Accesses all over; those that end a VM are left out, one after the other seed. */
static void hostile_pio(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 2; seed++) {
		char line[160];
		struct machine_config cfg = { .guest = "hostile_pio.elf",
					      .cmdline = line,
					      .vm.irqchip = seed & 1 ? VC_IRQCHIP_KERNEL
								     : VC_IRQCHIP_NONE };
		uint64_t before = resident_kib();
		struct machine m;

		snprintf(line, sizeof(line),
			 "count=600 seed=%u skip=0x60-0x92 skip2=0xf1-0xf7 skip3=0x5fd-0x603 "
			 "mmio2=0xd0000000-0xd0010000",
			 seed);
		machine_start(&m, &cfg);
		machine_done(&m, 0);
		assert_true(resident_kib() < before + 48 * 1024);
		machine_free(&m);
	}
}

/* With nothing left out the guest may end the VM in any way, but there is an end we can cause. */
static void hostile_pio_unfenced(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 2; seed++) {
		char line[96];
		struct machine_config cfg = { .guest = "hostile_pio.elf",
					      .cmdline = line,
					      .vm.irqchip = VC_IRQCHIP_KERNEL,
					      .vm.on_reset = VC_ON_RESET_REBOOT };
		struct machine m;

		snprintf(line, sizeof(line), "count=100000 seed=%u ports=0x5f0-0x610", seed);
		machine_start(&m, &cfg);
		(void)vc_vm_wait(m.vm, 200);
		assert_result(vc_vm_stop(m.vm), 0);
		machine_free(&m);
	}
}

static void clocks_run(void **state)
{
	struct machine_config cfg = { .guest = "clock.elf",
				      .cmdline = "samples=200 need=rtc",
				      .vm.irqchip = VC_IRQCHIP_KERNEL };

	(void)state;
	machine_run(&cfg, "rtc 20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello),
		cmocka_unit_test(exit_code_comes_out),
		cmocka_unit_test(every_width),
		cmocka_unit_test(strings_and_forms),
		cmocka_unit_test(empty_space_is_counted),
		cmocka_unit_test(flat_in_every_mode),
		cmocka_unit_test(hostile_uart),
		cmocka_unit_test(hostile_uart_with_nobody_there),
		cmocka_unit_test(hostile_pio),
		cmocka_unit_test(hostile_pio_unfenced),
		cmocka_unit_test(clocks_run),
	};

	need_kvm();
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
