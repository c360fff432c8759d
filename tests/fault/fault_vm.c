/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm: every allocation and system call of create, build, start, stop and destroy fails once, on the
 * fake back end and on KVM. After a failed build the VM is still NEW: it is built once more, which
 * has to work, and destroyed.
 */
#include "fault.h"
#include "vm_fixture.h"

#include <sched.h>
#include <time.h>

struct plan {
	struct vc_host_config host;
	struct vc_vm_config vm;
	bool is_file; /* RAM of two kinds, a memfd among them */
};

/* in $0x70, %al for ever, in long mode */
static const uint8_t code[] = { 0xe4, 0x70, 0xeb, 0xfc };

struct parts {
	struct vc_host *host;
	struct vc_vm *vm;
	struct console console;
};

static int add_console(struct parts *p)
{
	struct vc_stream_config scfg = { .size = sizeof(scfg),
					 .kind = VC_STREAM_OPS,
					 .ops = &console_ops,
					 .opaque = &p->console };
	struct vc_stream *stream;
	int r = vc_stream_open(&scfg, &stream);

	if (r < 0)
		return r;
	r = vc_vm_add_serial(p->vm, stream);
	if (r < 0)
		vc_stream_close(stream);
	return r < 0 ? r : 0;
}

static int configure(struct parts *p, const struct plan *plan)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 4 << 20 };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kind = VC_BOOT_FLAT,
				       .kernel = { .buf = code, .len = sizeof(code) },
				       .flat_gpa = 0x100000,
				       .flat_mode = VC_FLAT_LONG_64_USER };
	const uint32_t first = 0;
	struct vc_vm_node node = { .size = sizeof(node), .vcpus = &first, .nr_vcpus = 1 };
	const uint32_t platform = VC_PLATFORM_RTC | VC_PLATFORM_I8042 | VC_PLATFORM_PM |
				  VC_PLATFORM_DEBUG_EXIT | VC_PLATFORM_PVPANIC;
	int r;

	if ((r = vc_vm_create(p->host, &plan->vm, &p->vm)) < 0 ||
	    (r = vc_vm_add_node(p->vm, &node)) < 0 || (r = vc_vm_add_ram(p->vm, &ram, 0)) < 0)
		return r;
	ram.kind = VC_REGION_MEMFD;
	ram.name = "second";
	if (plan->is_file && (r = vc_vm_add_ram(p->vm, &ram, 0)) < 0)
		return r;
	if ((r = add_console(p)) < 0 || (r = vc_vm_add_platform(p->vm, platform)) < 0)
		return r;
	return vc_vm_set_boot(p->vm, &boot);
}

/* A build that failed is tried again, now that nothing fails any more. */
static int build(struct parts *p)
{
	struct vc_error first;
	int r = vc_vm_build(p->vm);

	if (r == 0)
		return 0;
	vc_error_last(&first);
	assert_int_equal(vc_vm_get_state(p->vm), VC_VM_NEW);
	/* a host that could not be asked for a capability or a limit stays without it */
	if (vc_host_backend(p->host) == VC_BACKEND_FAKE || (r != -ENOTSUP && r != -ERANGE))
		assert_result(vc_vm_build(p->vm), 0);
	return vc_error_set(first.code, "vm", NULL, "%s", first.message);
}

/* As build(); the VM is BUILT after a failed start. */
static int start(struct parts *p)
{
	struct vc_error first;
	int r = vc_vm_start(p->vm);

	if (r == 0)
		return 0;
	vc_error_last(&first);
	assert_int_equal(vc_vm_get_state(p->vm), VC_VM_BUILT);
	assert_result(vc_vm_start(p->vm), 0);
	assert_result(vc_vm_stop(p->vm), 0);
	return vc_error_set(first.code, "vm", NULL, "%s", first.message);
}

/* Lets the guest make some exits; a VM that stops by itself says why. */
static int run(struct parts *p)
{
	time_t until = time(NULL) + 10;
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct vc_event event = { .size = sizeof(event) };

	do {
		int r = vc_vm_get_stats(p->vm, &stats);

		if (r < 0)
			return r;
		sched_yield();
		assert_true(time(NULL) < until);
	} while (stats.nr_exits[VC_EXIT_PIO] < 3 && vc_vm_get_state(p->vm) == VC_VM_RUNNING);
	while (vc_vm_next_event(p->vm, &event) == 1)
		if (event.kind == VC_EVENT_ERROR)
			return vc_error_set(event.err, "vm", NULL, "%s", event.text);
	return 0;
}

static int live(void *opaque)
{
	const struct plan *plan = opaque;
	struct parts p = { .vm = NULL };
	int r = vc_host_open(&plan->host, &p.host);

	if (r == 0)
		r = configure(&p, plan);
	if (r == 0)
		r = build(&p);
	if (r == 0)
		r = start(&p);
	if (r == 0)
		r = run(&p);
	fault_may_survive();
	if (r == 0)
		r = vc_vm_pause(p.vm);
	if (r == 0)
		r = vc_vm_resume(p.vm);
	if (r == 0)
		r = vc_vm_stop(p.vm);
	vc_vm_destroy(p.vm);
	vc_host_close(p.host);
	return r;
}

/*
 * A capability that cannot be asked counts as missing; aligning is no must; kicks and waits of the
 * fake back end are tried again; the polling thread reads only to empty.
 */
static const char *const survivable[] = { "ioctl",  "syscall",	  "read",   "madvise",
					  "mmap64", "__read_chk", "open64", "pthread_mutex_init",
					  NULL };

static void try(const struct plan *plan, unsigned int least)
{
	struct fault_config fault = { .fn = live,
				      .opaque = (void *)(uintptr_t)plan,
				      .may_survive = survivable };
	unsigned int nr = fault_each(&fault);

	printf("%u calls failed in turn\n", nr);
	assert_true(nr >= least);
}

static void fake(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x80, 1), OUT8(0x80, 2), OUT8(0x80, 3) };
	static const struct vc_fake_step *const scripts[] = { steps };
	static const size_t nr_steps[] = { ARRAY_LEN(steps) };
	static const struct vc_fake_script script = { scripts, nr_steps, 1, 0 };
	struct plan plan = {
		.host = { .size = sizeof(plan.host), .backend = VC_BACKEND_FAKE, .fake = &script },
		.vm = { .size = sizeof(plan.vm), .nr_vcpus = 2, .irqchip = VC_IRQCHIP_SPLIT }
	};

	(void)state;
	try(&plan, 60);
	plan.vm.irqchip = VC_IRQCHIP_KERNEL;
	plan.vm.on_reset = VC_ON_RESET_REBOOT;
	plan.is_file = true;
	try(&plan, 60);
}

static void kvm(void **state)
{
	struct plan plan = { .host = { .size = sizeof(plan.host), .backend = VC_BACKEND_KVM },
			     .vm = { .size = sizeof(plan.vm),
				     .nr_vcpus = 2,
				     .irqchip = VC_IRQCHIP_KERNEL,
				     .has_pit = true } };
	struct vc_host *host;

	(void)state;
	if (vc_host_open(&plan.host, &host) < 0) {
		printf("SKIP: %s\n", vc_error_message());
		skip();
	}
	vc_host_close(host);
	try(&plan, 80);
	plan.vm.has_pit = false;
	plan.vm.irqchip = VC_IRQCHIP_SPLIT;
	plan.is_file = true;
	try(&plan, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fake), cmocka_unit_test(kvm) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
