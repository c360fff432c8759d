/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every function of a VM with random arguments in a random order: no state and no value may crash
 * it, an error has a message, and the states change only as they may. On the fake back end.
 * Usage: vm_misuse [CALLS [SEED]]
 */
#include "vm_fixture.h"

#include "../guests/guest_prng.h"

#include <poll.h>

static uint64_t rng;
static unsigned long nr_wanted = 100000;

static uint64_t any(uint64_t below)
{
	return guest_prng(&rng) % below;
}

/* Mostly a small number, now and then an odd one. */
static uint64_t odd_number(void)
{
	static const uint64_t odd[] = { 0,	    1,		2,	    255,
					256,	    4095,	4096,	    1u << 31,
					UINT32_MAX, 1ull << 46, 1ull << 63, UINT64_MAX };

	return any(4) ? any(8) : odd[any(ARRAY_LEN(odd))];
}

struct subject {
	struct vc_host *host;
	struct vc_vm *vm;
	struct console console;
	struct vc_event event;
};

static void say_nothing(void *opaque, const char *line)
{
	(void)opaque;
	assert_non_null(line);
}

static void note_problem(void *opaque, const struct vc_problem *problem)
{
	(void)opaque;
	assert_true(problem->err < 0 && problem->message[0] != '\0');
}

static int hook(void *opaque, const struct vc_thread_info *info)
{
	(void)opaque;
	assert_non_null(info->name);
	return 0;
}

static struct vc_vm *or_null(struct subject *s)
{
	return any(16) ? s->vm : NULL;
}

static int do_node(struct subject *s)
{
	uint32_t vcpus[2] = { (uint32_t)odd_number(), (uint32_t)odd_number() };
	struct {
		struct vc_vm_node node;
		uint8_t newer[4096]; /* a later version's members, unset */
	} own = { .node = { .size = any(8) ? sizeof(own.node) : any(5000),
			    .vcpus = any(8) ? vcpus : NULL,
			    .nr_vcpus = any(3) } };

	own.node.distance[any(4)] = (uint8_t)any(256);
	return vc_vm_add_node(or_null(s), any(8) ? &own.node : NULL);
}

static int do_ram(struct subject *s)
{
	struct vc_region_config ram = { .size = sizeof(ram),
					.len_bytes = any(3) ? 1ull << (20 + any(4)) : odd_number(),
					.kind = any(6) ? 0 : (enum vc_region_kind)any(8),
					.flags = any(6) ? 0 : (uint32_t)any(64),
					.fd = any(8) ? 0 : -1 };

	return vc_vm_add_ram(or_null(s), any(8) ? &ram : NULL, any(4) ? 0 : (uint32_t)odd_number());
}

static int do_region(struct subject *s)
{
	struct vc_region_config cfg = { .size = sizeof(cfg), .len_bytes = 4096 };
	struct vc_region *region = NULL;
	int r;

	if (any(4))
		assert_result(vc_region_create(&cfg, &region), 0);
	r = vc_vm_add_region(or_null(s), region, any(2) ? 0xe0000000 : odd_number());
	vc_region_put(region);
	return r;
}

static void asked(void *opaque, enum vc_request request, uint64_t code)
{
	(void)opaque, (void)request, (void)code;
}

/* A refused device stays ours. */
static int do_device(struct subject *s)
{
	struct vc_place places[20] = { { (enum vc_space)any(2), odd_number(), odd_number(), 0 },
				       { VC_SPACE_PIO, 0x900 + any(64), 1 + any(8), 1 } };
	char name[8];
	struct vc_request_config cfg = { .size = sizeof(cfg), .name = name, .fn = asked };
	struct vc_device *dev;
	int r;

	snprintf(name, sizeof(name), "d%u", (unsigned int)any(6));
	assert_result(vc_pvpanic_create(&cfg, &dev), 0);
	r = vc_vm_add_device(or_null(s), dev, any(8) ? &places[any(2)] : NULL, any(19));
	if (r < 0)
		vc_device_destroy(dev);
	return r;
}

static int do_platform(struct subject *s)
{
	return vc_vm_add_platform(or_null(s), (uint32_t)(any(4) ? any(32) : odd_number()));
}

static int do_boot(struct subject *s)
{
	static const uint8_t code[4] = { 0xf4 };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kind = (enum vc_boot_kind)any(5),
				       .kernel = { .buf = code, .len = any(5) },
				       .cmdline = any(2) ? "a=b" : NULL,
				       .flat_gpa = any(2) ? 0x100000 : odd_number(),
				       .flat_mode = (enum vc_flat_mode)any(5) };

	if (any(3)) {
		boot.kind = VC_BOOT_FLAT;
		boot.cmdline = NULL;
		boot.kernel.len = 4;
		boot.flat_mode = VC_FLAT_LONG_64;
		boot.flat_gpa = 0x90000;
	}
	return vc_vm_set_boot(or_null(s), any(8) ? &boot : NULL);
}

static int do_irq(struct subject *s)
{
	struct vc_irq *irq;

	return vc_vm_irq(or_null(s), (uint32_t)any(32), any(8) ? &irq : NULL);
}

static int do_save(struct subject *s)
{
	struct vc_state_writer *writer;
	int r;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	r = vc_vm_save(or_null(s), any(8) ? writer : NULL);
	vc_state_writer_destroy(writer);
	return r;
}

static int do_text(struct subject *s)
{
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	vc_text_fn fn = any(8) ? say_nothing : NULL;

	switch (any(4)) {
	case 0:
		return vc_vm_describe(or_null(s), fn, NULL);
	case 1:
		return vc_vm_explain(or_null(s), fn, NULL);
	case 2:
		return vc_vm_report_stats(or_null(s), fn, NULL);
	default:
		return vc_vm_get_stats(or_null(s), any(8) ? &stats : NULL);
	}
}

static int do_poll(struct subject *s)
{
	struct pollfd fds[32] = { { .fd = -1 } };
	size_t nr = any(33);

	/* dispatch gets what pollfds gave: other numbers are the caller's own affair */
	if (any(2))
		return vc_vm_pollfds(or_null(s), any(8) ? fds : NULL, nr);
	return vc_vm_dispatch(or_null(s), any(2) ? fds : NULL, 0);
}

static int do_life(struct subject *s)
{
	switch (any(8)) {
	case 0:
		return vc_vm_build(or_null(s));
	case 1:
		return vc_vm_start(or_null(s));
	case 2:
		return vc_vm_pause(or_null(s));
	case 3:
		return vc_vm_resume(or_null(s));
	case 4:
		return any(4) ? 0 : vc_vm_stop(or_null(s));
	case 5:
		return vc_vm_wait(or_null(s), any(4) ? 0 : -2);
	case 6:
		s->event.size = any(8) ? sizeof(s->event) : any(sizeof(s->event));
		return vc_vm_next_event(or_null(s), any(8) ? &s->event : NULL);
	default:
		return vc_vm_check(or_null(s), any(8) ? note_problem : NULL, NULL);
	}
}

static int do_request(struct subject *s)
{
	return vc_vm_request(or_null(s), (enum vc_request)any(5), odd_number());
}

static int do_ask(struct subject *s)
{
	struct vc_vm *vm = or_null(s);

	(void)vc_vm_mem(vm);
	(void)vc_vm_partition(vm);
	(void)vc_vm_vcpu(vm, (uint32_t)odd_number());
	assert_non_null(vc_vm_state_name((enum vc_vm_state)odd_number()));
	assert_non_null(vc_event_name((enum vc_event_kind)odd_number()));
	(void)vc_vm_get_state(vm);
	return vc_vm_event_fd(vm);
}

static int do_run(struct subject *s)
{
	/* one that can be run would not return */
	return vc_vm_run_vcpu(or_null(s), 300 + (uint32_t)any(100));
}

static int do_serial(struct subject *s)
{
	return vc_vm_add_serial(or_null(s), NULL);
}

static int do_new(struct subject *s)
{
	struct {
		struct vc_vm_config cfg;
		uint8_t newer[4096];
	} own = { .cfg = { .size = any(16) ? sizeof(own.cfg) : any(5000),
			   .nr_vcpus = any(4) ? 1 + (uint32_t)any(3) : (uint32_t)odd_number(),
			   .irqchip = (enum vc_irqchip)any(4),
			   .has_pit = any(4) == 0,
			   .runner = any(3) ? VC_RUNNER_THREADS : (enum vc_runner)any(4),
			   .thread_hook = any(2) ? hook : NULL,
			   .on_reset = (enum vc_on_reset)any(3),
			   .kick_signal = any(8) ? 0 : (int)any(100),
			   .halt_poll_ns = any(8) ? 0 : (int64_t)odd_number(),
			   .dirty_ring_entries = any(8) ? 0 : (uint32_t)odd_number(),
			   .no_acpi = any(2) == 0 } };
	struct vc_vm *vm;
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 2 << 20 };
	int r;

	if (any(3)) /* one that can be built */
		own.cfg = (struct vc_vm_config){ .size = sizeof(own.cfg),
						 .nr_vcpus = 1 + (uint32_t)any(3),
						 .irqchip = VC_IRQCHIP_KERNEL + any(2),
						 .runner = (enum vc_runner)any(3),
						 .on_reset = (enum vc_on_reset)any(2) };
	r = vc_vm_create(any(16) ? s->host : NULL, &own.cfg, &vm);

	if (r < 0)
		return r;
	vc_vm_destroy(s->vm);
	s->vm = vm;
	if (any(4))
		(void)vc_vm_add_ram(vm, &ram, 0);
	if (any(2))
		(void)vc_vm_build(vm);
	return 0;
}

static void all_calls_in_any_order(void **state)
{
	static int (*const calls[])(struct subject *
				    s) = { do_life, do_life,   do_life,	  do_life,    do_life,
					   do_node, do_ram,    do_region, do_boot,    do_irq,
					   do_save, do_text,   do_poll,	  do_request, do_ask,
					   do_run,  do_serial, do_device, do_platform };
	static const struct vc_fake_step steps[] = {
		OUT8(0x3f8, 'x'), IN8(0x60), OUT8(0x505, 1), { .kind = VC_EXIT_INTERRUPTED }, RESET
	};
	unsigned long nr_by_state[5] = { 0 }, nr_refused = 0;
	struct subject s = { .vm = NULL };
	struct fixture f;

	(void)state;
	open_host_for(&f, steps, ARRAY_LEN(steps), 3);
	s.host = f.host;
	while (do_new(&s) < 0)
		;
	for (unsigned long i = 0; i < nr_wanted; i++) {
		struct vc_error last;
		int r;

		vc_error_set(-EXFULL, "misuse", NULL, "no message was set");
		r = any(40) ? calls[any(ARRAY_LEN(calls))](&s) : do_new(&s);
		vc_error_last(&last);
		if (r < 0 && last.code != r)
			print_error("call %lu: %d, but the message is of %d: %s\n", i, r, last.code,
				    last.message);
		assert_true(r >= 0 || last.code == r);
		nr_refused += r < 0;
		nr_by_state[vc_vm_get_state(s.vm)]++;
	}
	printf("%lu calls, %lu refused; in new %lu, built %lu, running %lu, paused %lu, stopped "
	       "%lu\n",
	       nr_wanted, nr_refused, nr_by_state[0], nr_by_state[1], nr_by_state[2],
	       nr_by_state[3], nr_by_state[4]);
	for (size_t i = 0; i < 5; i++)
		assert_true(nr_by_state[i] > 0);
	vc_vm_destroy(s.vm);
	vc_host_close(f.host);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_calls_in_any_order) };

	if (argc > 1)
		nr_wanted = strtoul(argv[1], NULL, 0);
	rng = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
