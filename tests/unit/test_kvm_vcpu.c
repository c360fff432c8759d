/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits of real guests: sizes, directions, strings, kinds. Those that no guest can bring about here
 * (they need a fault of the CPU, of the host, or another KVM) are written into the shared page in
 * KVM's place. And a kick that finds the queue of signals full.
 */
#include "cpu_fixture.h"

#include "kvm.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* What the next KVM_RUN leaves in the shared page and returns, when there is one. */
struct answer {
	struct kvm_run run;
	int err;
};
static const struct answer *answer;
static struct kvm_run *page;

/* The queue of signals has room again as soon as somebody yields. */
static atomic_uint nr_yields;
static struct rlimit room;

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_sched_yield(void);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct answer *now = answer;
	va_list ap;

	va_start(ap, request);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (request != KVM_RUN || !now)
		return __real_ioctl(fd, request, arg);
	answer = NULL;
	memcpy(page, &now->run, sizeof(now->run));
	errno = now->err;
	return now->err ? -1 : 0;
}

int __wrap_sched_yield(void)
{
	atomic_fetch_add(&nr_yields, 1);
	return setrlimit(RLIMIT_SIGPENDING, &room);
}

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

/* A vCPU whose shared page the test writes. */
static void make_answered(struct rig *rig)
{
	static const uint8_t hlt[] = { 0xf4 };

	rig_code(rig, NULL, hlt, sizeof(hlt));
	page = vc__kvm_vcpu(rig->vcpu)->run;
}

static struct vc_exit *run_answered(struct rig *rig, const struct answer *now)
{
	answer = now;
	return rig_run(rig);
}

static void test_rare_exits(void **state)
{
	static const struct {
		struct answer answer;
		struct vc_exit want;
	} table[] = {
		{ { .run = { .exit_reason = KVM_EXIT_SYSTEM_EVENT,
			     .system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN } },
		  { .kind = VC_EXIT_POWER_OFF, .code = KVM_SYSTEM_EVENT_SHUTDOWN } },
		{ { .run = { .exit_reason = KVM_EXIT_SYSTEM_EVENT,
			     .system_event.type = KVM_SYSTEM_EVENT_RESET } },
		  { .kind = VC_EXIT_RESET, .code = KVM_SYSTEM_EVENT_RESET } },
		{ { .run = { .exit_reason = KVM_EXIT_SYSTEM_EVENT,
			     .system_event.type = KVM_SYSTEM_EVENT_CRASH } },
		  { .kind = VC_EXIT_CRASH, .code = KVM_SYSTEM_EVENT_CRASH } },
		{ { .run = { .exit_reason = KVM_EXIT_SYSTEM_EVENT, .system_event.type = 99 } },
		  { .kind = VC_EXIT_UNKNOWN, .code = 99 } },
		{ { .run = { .exit_reason = KVM_EXIT_DEBUG,
			     .debug.arch = { .pc = 0x1234, .exception = 3 } } },
		  { .kind = VC_EXIT_DEBUG, .addr = 0x1234, .code = 3 } },
		{ { .run = { .exit_reason = KVM_EXIT_FAIL_ENTRY,
			     .fail_entry.hardware_entry_failure_reason = 0x80000021 } },
		  { .kind = VC_EXIT_FAIL_ENTRY, .code = 0x80000021 } },
		{ { .run = { .exit_reason = KVM_EXIT_INTERNAL_ERROR,
			     .internal.suberror = KVM_INTERNAL_ERROR_EMULATION } },
		  { .kind = VC_EXIT_INTERNAL_ERROR, .code = KVM_INTERNAL_ERROR_EMULATION } },
		{ { .run = { .exit_reason = KVM_EXIT_IOAPIC_EOI, .eoi.vector = 0x31 } },
		  { .kind = VC_EXIT_IOAPIC_EOI, .addr = 0x31 } },
		{ { .run = { .exit_reason = KVM_EXIT_EPR } },
		  { .kind = VC_EXIT_UNKNOWN, .code = KVM_EXIT_EPR } },
		/* memory that is broken, as Linux before and since 6.8 tells it */
		{ { .run = { .exit_reason = KVM_EXIT_UNKNOWN }, .err = EHWPOISON },
		  { .kind = VC_EXIT_MEMORY_FAULT, .addr = UINT64_MAX, .code = EHWPOISON } },
		{ { .run = { .exit_reason = 39, .padding = { [9] = 0x50 } }, .err = EFAULT },
		  { .kind = VC_EXIT_MEMORY_FAULT, .addr = 0x5000, .code = EFAULT } },
	};
	struct rig rig;

	(void)state;
	make_answered(&rig);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct vc_exit *exit = run_answered(&rig, &table[i].answer);

		assert_int_equal(exit->kind, table[i].want.kind);
		assert_int_equal(exit->addr, table[i].want.addr);
		assert_int_equal(exit->code, table[i].want.code);
		assert_int_equal(exit->count, 1);
		assert_null(exit->data);
	}
	rig_free(&rig);
}

/* What is written to the exit is where KVM looks for it. */
static void test_answers_reach_kvm(void **state)
{
	static const struct answer rdmsr = {
		.run = { .exit_reason = KVM_EXIT_X86_RDMSR, .msr.index = 0x174 },
	};
	static const struct answer wrmsr = {
		.run = { .exit_reason = KVM_EXIT_X86_WRMSR, .msr = { .index = 0x175, .data = 7 } },
	};
	static const struct answer hypercall = {
		.run = { .exit_reason = KVM_EXIT_HYPERCALL,
			 .hypercall = { .nr = 12, .args = { 1, 2, 3 } } },
	};
	struct vc_exit *exit;
	struct rig rig;

	(void)state;
	make_answered(&rig);
	exit = run_answered(&rig, &rdmsr);
	assert_int_equal(exit->kind, VC_EXIT_MSR);
	assert_int_equal(exit->addr, 0x174);
	assert_false(exit->is_write);
	*(uint64_t *)exit->data = 0x1122334455667788;
	assert_int_equal(page->msr.data, 0x1122334455667788);
	*exit->refuse = 1;
	assert_int_equal(page->msr.error, 1);
	exit = run_answered(&rig, &wrmsr);
	assert_true(exit->is_write);
	assert_int_equal(exit->size, 8);
	assert_int_equal(*(uint64_t *)exit->data, 7);
	exit = run_answered(&rig, &hypercall);
	assert_int_equal(exit->kind, VC_EXIT_HYPERCALL);
	assert_int_equal(exit->addr, 12);
	assert_int_equal(((uint64_t *)exit->data)[2], 3);
	*(uint64_t *)exit->data = 42;
	/* the result is put in place by the run that completes the call */
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	assert_int_equal(page->hypercall.ret, 42);
	rig_free(&rig);
}

static void test_run_fails(void **state)
{
	static const struct answer broken = { .err = EIO };
	static const struct answer starting = { .err = EAGAIN };
	struct vc_exit *exit;
	struct rig rig;

	(void)state;
	make_answered(&rig);
	answer = &broken;
	assert_refused(vc_vcpu_run(rig.vcpu, &exit), -EIO, "vCPU 0: KVM_RUN");
	/* one that another vCPU has just started: entered again */
	answer = &starting;
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	assert_null(answer);
	rig_free(&rig);
}

static atomic_bool is_kicked;

/* One kick into a run; one more, should that run have ended by itself. */
static void *kick_twice(void *opaque)
{
	struct vc_vcpu *vcpu = opaque;

	while (!(atomic_load(&vcpu->state) & VC__VCPU_IN_RUN))
		;
	assert_result(vc_vcpu_kick(vcpu), 0);
	atomic_store(&is_kicked, true);
	assert_result(vc_vcpu_kick(vcpu), 0);
	return NULL;
}

/* Somebody else's signals fill the user's queue: the kick waits for room and arrives. */
static void test_kick_with_a_full_queue(void **state)
{
	static const uint8_t spin[] = { 0xeb, 0xfe };
	struct rlimit none;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, spin, sizeof(spin));
	assert_int_equal(getrlimit(RLIMIT_SIGPENDING, &room), 0);
	none = room;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
	assert_int_equal(pthread_create(&thread, NULL, kick_twice, rig.vcpu), 0);
	do
		assert_int_equal(rig_run(&rig)->kind, VC_EXIT_INTERRUPTED);
	while (!atomic_load(&is_kicked));
	pthread_join(thread, NULL);
	assert_true(atomic_load(&nr_yields) >= 1);
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
		cmocka_unit_test(test_rare_exits),
		cmocka_unit_test(test_answers_reach_kvm),
		cmocka_unit_test(test_run_fails),
		cmocka_unit_test(test_kick_with_a_full_queue),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
