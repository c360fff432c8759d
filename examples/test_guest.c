/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test harness with a virtual machine for each test (cmocka): code of the guest is what is tested,
 * here 100 additions of bytes, and two tests of the harness itself. Each test makes its VM, runs it
 * under a time limit, looks at console and exit code, and gives everything back.
 *
 * Exit code 77 (skipped) where there is no hypervisor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libvirtcore/libvirtcore.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GUEST_GPA     0x100000u
#define TIME_LIMIT_MS 5000
#define NR_ADDITIONS  100

/* What one run of a guest gave. */
struct outcome {
	struct vc_event event; /* STOPPED by us when the time limit passed */
	char console[64];
	size_t console_len;
};

static ssize_t console_write(void *opaque, const void *buf, size_t len)
{
	struct outcome *outcome = opaque;
	size_t room = sizeof(outcome->console) - outcome->console_len;

	memcpy(outcome->console + outcome->console_len, buf, len < room ? len : room);
	outcome->console_len += len < room ? len : room;
	return (ssize_t)len;
}

static const struct vc_stream_ops console_ops = { .write = console_write };

static struct vc_vm *make_vm(struct vc_host *host, const uint8_t *code, size_t len,
			     struct outcome *outcome)
{
	struct vc_vm_config cfg = { .size = sizeof(cfg), .nr_vcpus = 1 };
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 2u << 20 };
	struct vc_stream_config console = {
		.size = sizeof(console),
		.kind = VC_STREAM_OPS,
		.ops = &console_ops,
		.opaque = outcome,
	};
	struct vc_boot_config boot = {
		.size = sizeof(boot),
		.kind = VC_BOOT_FLAT,
		.kernel = { .buf = code, .len = len },
		.flat_gpa = GUEST_GPA,
		.flat_mode = VC_FLAT_LONG_64_USER,
	};
	struct vc_stream *stream;
	struct vc_vm *vm;

	assert_return_code(vc_vm_create(host, &cfg, &vm), 0);
	assert_return_code(vc_vm_add_ram(vm, &ram, 0), 0);
	assert_return_code(vc_stream_open(&console, &stream), 0);
	assert_return_code(vc_vm_add_serial(vm, stream), 0);
	assert_return_code(vc_vm_add_platform(vm, VC_PLATFORM_DEBUG_EXIT), 0);
	assert_return_code(vc_vm_set_boot(vm, &boot), 0);
	return vm;
}

/* Runs guest code in a VM of its own, for at most @limit_ms. */
static void run_guest(struct vc_host *host, const uint8_t *code, size_t len, int limit_ms,
		      struct outcome *outcome)
{
	struct vc_vm *vm;

	memset(outcome, 0, sizeof(*outcome));
	outcome->event.size = sizeof(outcome->event);
	vm = make_vm(host, code, len, outcome);
	if (vc_vm_build(vm) < 0 || vc_vm_start(vm) < 0)
		fail_msg("%s", vc_error_message());
	if (vc_vm_wait(vm, limit_ms) == -ETIMEDOUT)
		assert_return_code(vc_vm_stop(vm), 0);
	assert_int_equal(vc_vm_next_event(vm, &outcome->event), 1);
	vc_vm_destroy(vm);
}

struct addition {
	struct vc_host *host;
	uint8_t a, b;
};

/* The guest adds, prints the sum as one byte, and exits with it. */
static void test_addition(void **state)
{
	const struct addition *addition = *state;
	uint8_t sum = (uint8_t)(addition->a + addition->b);
	const uint8_t code[] = {
		0xb6, 0x03,	   0xb2, 0xf8, /* mov $0x3f8, %dx */
		0xb0, addition->a,	       /* mov $a, %al */
		0x04, addition->b,	       /* add $b, %al */
		0xee,			       /* out %al, %dx */
		0xe6, 0xf4,		       /* out %al, $0xf4 */
		0xeb, 0xfe,		       /* jmp . */
	};
	struct outcome outcome;

	run_guest(addition->host, code, sizeof(code), TIME_LIMIT_MS, &outcome);
	assert_int_equal(outcome.event.kind, VC_EVENT_DEBUG_EXIT);
	assert_int_equal(outcome.event.code, sum);
	assert_int_equal(outcome.console_len, 1);
	assert_int_equal((uint8_t)outcome.console[0], sum);
}

/* A guest that never ends is ended by the time limit. */
static void test_endless(void **state)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp . */
	struct outcome outcome;

	run_guest(*state, code, sizeof(code), 100, &outcome);
	assert_int_equal(outcome.event.kind, VC_EVENT_STOPPED);
}

/* A guest that crashes says so: an undefined instruction without any handler. */
static void test_crash(void **state)
{
	static const uint8_t code[] = { 0x0f, 0x0b }; /* ud2 */
	struct outcome outcome;

	run_guest(*state, code, sizeof(code), TIME_LIMIT_MS, &outcome);
	assert_int_equal(outcome.event.kind, VC_EVENT_TRIPLE_FAULT);
}

int main(void)
{
	static char names[NR_ADDITIONS][24];
	static struct addition additions[NR_ADDITIONS];
	struct CMUnitTest tests[NR_ADDITIONS + 2] = { { 0 } };
	struct vc_host *host;
	int r = vc_host_open(NULL, &host);

	if (r < 0) {
		printf("skipped: %s\n", vc_error_message());
		return 77;
	}
	for (int i = 0; i < NR_ADDITIONS; i++) {
		additions[i] =
			(struct addition){ host, (uint8_t)(7 * i + 1), (uint8_t)(29 * i + 3) };
		snprintf(names[i], sizeof(names[i]), "add %u and %u", additions[i].a,
			 additions[i].b);
		tests[i] = (struct CMUnitTest){ .name = names[i],
						.test_func = test_addition,
						.initial_state = &additions[i] };
	}
	tests[NR_ADDITIONS] = (struct CMUnitTest)cmocka_unit_test_prestate(test_endless, host);
	tests[NR_ADDITIONS + 1] = (struct CMUnitTest)cmocka_unit_test_prestate(test_crash, host);
	r = cmocka_run_group_tests_name("guest", tests, NULL, NULL);
	vc_host_close(host);
	return r;
}
