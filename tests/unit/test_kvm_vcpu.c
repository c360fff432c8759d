/* SPDX-License-Identifier: Apache-2.0 */
/* Exits of real guests: sizes, directions, strings, kinds. */
#include "cpu_fixture.h"

#include <sys/mman.h>

static void test_pio_sizes_and_directions(void **state)
{
	/* mov $0x11223344,%eax; out %al,$0x10; out %ax,$0x12; out %eax,$0x14; in $0x20,%al;
	 * in $0x22,%ax; in $0x24,%eax; mov %eax,(0x3000); hlt */
	static const uint8_t code[] = { 0x66, 0xb8, 0x44, 0x33, 0x22, 0x11, 0xe6, 0x10, 0xe7,
					0x12, 0x66, 0xe7, 0x14, 0xe4, 0x20, 0xe5, 0x22, 0x66,
					0xe5, 0x24, 0x66, 0xa3, 0x00, 0x30, 0xf4 };
	static const struct {
		uint16_t port;
		uint8_t size;
		bool is_write;
	} want[] = {
		{ 0x10, 1, true },  { 0x12, 2, true },	{ 0x14, 4, true },
		{ 0x20, 1, false }, { 0x22, 2, false }, { 0x24, 4, false },
	};
	const uint32_t out = 0x11223344, in = 0xcafef00d;
	uint32_t found = 0;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, code, sizeof(code));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct vc_exit *exit = rig_run_on(&rig);

		assert_int_equal(exit->kind, VC_EXIT_PIO);
		assert_int_equal(exit->addr, want[i].port);
		assert_int_equal(exit->size, want[i].size);
		assert_int_equal(exit->is_write, want[i].is_write);
		assert_int_equal(exit->count, 1);
		assert_null(exit->refuse);
		if (exit->is_write)
			assert_memory_equal(exit->data, &out, exit->size);
		else
			memcpy(exit->data, &in, exit->size);
	}
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	assert_result(vc_mem_read(rig.mem, 0x3000, &found, 4), 0);
	assert_int_equal(found, in);
	rig_free(&rig);
}

static void test_string_pio_has_a_count(void **state)
{
	/* mov $0x2000,%si; mov $5,%cx; mov $0x30,%dx; cld; rep outsw; mov $0x2100,%di; mov $7,%cx;
	 * rep insb; hlt */
	static const uint8_t code[] = { 0xbe, 0x00, 0x20, 0xb9, 0x05, 0x00, 0xba,
					0x30, 0x00, 0xfc, 0xf3, 0x6f, 0xbf, 0x00,
					0x21, 0xb9, 0x07, 0x00, 0xf3, 0x6c, 0xf4 };
	uint16_t out[5] = { 1, 2, 0x3333, 4, 0xffff }, got[5];
	uint8_t in[7] = { 9, 8, 7, 6, 5, 4, 3 }, found[7];
	size_t nr_out = 0, nr_in = 0;
	struct vc_exit *exit;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, code, sizeof(code));
	assert_result(vc_mem_write(rig.mem, 0x2000, out, sizeof(out)), 0);
	while ((exit = rig_run_on(&rig))->kind == VC_EXIT_PIO) {
		assert_int_equal(exit->addr, 0x30);
		if (exit->is_write) {
			assert_int_equal(exit->size, 2);
			assert_true(nr_out + exit->count <= ARRAY_LEN(out));
			memcpy(&got[nr_out], exit->data, 2 * exit->count);
			nr_out += exit->count;
		} else {
			assert_int_equal(exit->size, 1);
			assert_true(nr_in + exit->count <= ARRAY_LEN(in));
			memcpy(exit->data, &in[nr_in], exit->count);
			nr_in += exit->count;
		}
	}
	assert_int_equal(exit->kind, VC_EXIT_HALT);
	assert_int_equal(nr_out, ARRAY_LEN(out));
	assert_int_equal(nr_in, ARRAY_LEN(in));
	assert_memory_equal(got, out, sizeof(out));
	assert_result(vc_mem_read(rig.mem, 0x2100, found, sizeof(found)), 0);
	assert_memory_equal(found, in, sizeof(in));
	rig_free(&rig);
}

/* The guest predicts nothing: it sums what it read, and so do we. */
static void test_all_widths_in_long_mode(void **state)
{
	static const uint8_t widths[] = { 1, 2, 4, 8 };
	uint64_t sum = GUEST_SUM_INIT;
	uint32_t nr = 0, nr_seen[2][9] = { 0 };
	struct world world;
	struct rig rig;

	(void)state;
	world_init(&world);
	rig_guest(&rig, NULL, "exits.elf", "ports=4 mmio=3");
	while (!world.is_over) {
		struct vc_exit *exit = rig_run(&rig);
		uint64_t value = 0;

		world_answer(&world, exit);
		if (world.nr == nr)
			continue;
		nr = world.nr;
		nr_seen[exit->kind == VC_EXIT_MMIO][exit->size]++;
		if (exit->is_write)
			continue;
		memcpy(&value, exit->data, exit->size);
		sum = guest_sum(sum, value);
	}
	assert_int_equal(world.code, 0);
	assert_int_equal(console_number(&world.console, "sum="), sum);
	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		assert_int_equal(nr_seen[1][widths[i]], 6);
		assert_int_equal(nr_seen[0][widths[i]], widths[i] == 8 ? 0 : 8);
	}
	rig_free(&rig);
}

static void test_triple_fault_is_shutdown(void **state)
{
	struct vc_exit *exit;
	struct world world;
	struct rig rig;

	(void)state;
	world_init(&world);
	rig_guest(&rig, NULL, "fault.elf", "mode=triple");
	while ((exit = rig_run_on(&rig))->kind == VC_EXIT_PIO)
		world_answer(&world, exit);
	assert_int_equal(exit->kind, VC_EXIT_SHUTDOWN);
	rig_free(&rig);
}

/* The host takes a page of its own memory away and gives it back. */
static void test_memory_that_cannot_be_had(void **state)
{
	const uint64_t base = MIB(16), len = KIB(64);
	void *ram;
	struct vc_exit *exit;
	struct world world;
	struct rig rig;

	(void)state;
	world_init(&world);
	rig_guest(&rig, NULL, "dirty.elf", "base=0x1000000 pages=16 count=4");
	assert_result(vc_mem_backing(rig.mem, 0, &ram), 0);
	char *hva = (char *)ram + base;
	assert_int_equal(munmap(hva, len), 0);
	while ((exit = rig_run_on(&rig))->kind == VC_EXIT_PIO)
		world_answer(&world, exit);
	assert_int_equal(exit->kind, VC_EXIT_MEMORY_FAULT);
	assert_true(exit->addr == UINT64_MAX || (exit->addr >= base && exit->addr < base + len));
	assert_ptr_equal(mmap(hva, len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 hva);
	rig_finish(&rig, &world);
	assert_int_equal(world.code, 0);
	rig_free(&rig);
}

static void test_read_only_memory_exits_as_mmio(void **state)
{
	/* mov $0x2000,%ax; mov %ax,%ds; movb $0x5a,(0x10); mov (0x10),%al; out %al,$0x10; hlt */
	static const uint8_t code[] = { 0xb8, 0x00, 0x20, 0x8e, 0xd8, 0xc6, 0x06, 0x10,
					0x00, 0x5a, 0xa0, 0x10, 0x00, 0xe6, 0x10, 0xf4 };
	struct vc_partition_config cfg = { .size = sizeof(cfg) };
	struct rig rig = { .host = open_host(), .mem = make_map() };
	struct vc_exit *exit;

	(void)state;
	map_ram(rig.mem, "ram", 0, 0x20000, 0);
	map_ram(rig.mem, "rom", 0x20000, 0x1000, VC_REGION_READONLY);
	assert_result(vc_mem_freeze(rig.mem), 0);
	cfg.mem = rig.mem;
	assert_result(vc_partition_create(rig.host, &cfg, &rig.partition), 0);
	rig.vcpu = rig_vcpu(&rig, 0);
	rig_attach(&rig);
	rig_start_code(&rig, rig.vcpu, code, sizeof(code));
	exit = rig_run_on(&rig);
	assert_int_equal(exit->kind, VC_EXIT_MMIO);
	assert_true(exit->is_write);
	assert_int_equal(exit->addr, 0x20010);
	assert_int_equal(*(uint8_t *)exit->data, 0x5a);
	exit = rig_run_on(&rig);
	assert_int_equal(exit->kind, VC_EXIT_PIO);
	assert_int_equal(*(uint8_t *)exit->data, 0);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pio_sizes_and_directions),
		cmocka_unit_test(test_string_pio_has_a_count),
		cmocka_unit_test(test_all_widths_in_long_mode),
		cmocka_unit_test(test_triple_fault_is_shutdown),
		cmocka_unit_test(test_memory_that_cannot_be_had),
		cmocka_unit_test(test_read_only_memory_exits_as_mmio),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
