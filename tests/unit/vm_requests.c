/* SPDX-License-Identifier: Apache-2.0 */
/* What a device of the program's asks of its VM in the guest's name, in each state, from any thread. */
#include "vm_fixture.h"

#include <poll.h>

#define NR_RESETS 500
#define STILL_MS  100 /* what is not held back happens far sooner */

/* A device of the program's that passes each byte written on as a request. */
struct asker {
	struct vc_device dev;
	struct vc_vm *vm;
};

static void asker_access(struct vc_device *dev, struct vc_access *access)
{
	struct asker *asker = vc_container_of(dev, struct asker, dev);

	assert_result(vc_vm_request(asker->vm, (enum vc_request)access->value, 7), 0);
}

static void own_device_asks(void **state)
{
	static const struct {
		struct vc_fake_step steps[2];
		enum vc_event_kind kind, last;
		uint64_t code;
	} table[] = {
		{ { OUT8(0x700, VC_REQUEST_POWER_OFF) }, VC_EVENT_POWERED_OFF, 0, 0 },
		{ { OUT8(0x700, VC_REQUEST_RESET), POWER_OFF },
		  VC_EVENT_RESET,
		  VC_EVENT_POWERED_OFF,
		  0 },
		{ { OUT8(0x700, VC_REQUEST_DEBUG_EXIT) }, VC_EVENT_DEBUG_EXIT, 0, 7 },
		{ { OUT8(0x700, VC_REQUEST_PANICKED), POWER_OFF },
		  VC_EVENT_PANICKED,
		  VC_EVENT_POWERED_OFF,
		  7 },
	};
	static const struct vc_device_ops ops = PLAIN_OPS("asker", asker_access);
	struct vc_vm_config cfg = basic_config();

	(void)state;
	cfg.on_reset = VC_ON_RESET_REBOOT;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct asker asker;
		struct fixture f;

		open_host(&f, table[i].steps, ARRAY_LEN(table[i].steps));
		make_vm(&f, &cfg);
		asker.vm = f.vm;
		add_own(&f, &asker.dev, &ops);
		assert_result(vc_vm_build(f.vm), 0);
		run_vm(&f);
		assert_int_equal(expect_event(f.vm, table[i].kind).code, table[i].code);
		if (table[i].last)
			expect_event(f.vm, table[i].last);
		expect_no_event(f.vm);
		close_all(&f);
	}
}

static void wait_event(struct vc_vm *vm, enum vc_event_kind kind)
{
	struct pollfd fd = { .fd = vc_vm_event_fd(vm), .events = POLLIN };

	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	expect_event(vm, kind);
}

/* From a thread that is no vCPU's, of a guest whose vCPUs run, or wait halted for ever. */
static void another_thread_asks(void **state)
{
	static const struct vc_fake_step halt[] = { { .kind = VC_EXIT_HALT } };
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	start_busy(&f, VC_ON_RESET_REBOOT);
	assert_result(vc_vm_request(f.vm, VC_REQUEST_RESET, 0), 0);
	wait_event(f.vm, VC_EVENT_RESET);
	assert_result(vc_vm_request(f.vm, VC_REQUEST_POWER_OFF, 0), 0);
	assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	close_all(&f);

	cfg.nr_vcpus = 2;
	open_host(&f, halt, ARRAY_LEN(halt));
	build_vm(&f, &cfg);
	assert_result(vc_vm_start(f.vm), 0);
	do
		assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	while (stats.nr_exits[VC_EXIT_HALT] == 0);
	assert_result(vc_vm_request(f.vm, VC_REQUEST_POWER_OFF, 0), 0);
	assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	close_all(&f);
}

/* A VM that stands still is left alone: what was asked is granted as soon as it runs. */
static void requests_wait_for_the_guest(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x3f8, 'a'), DEBUG_EXIT(1) };
	struct pollfd fd = { .events = POLLIN };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, steps, ARRAY_LEN(steps));
	build_vm(&f, &cfg);
	assert_result(vc_vm_request(f.vm, VC_REQUEST_POWER_OFF, 0), 0);
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_BUILT);
	run_vm(&f);
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	assert_string_equal(f.console.text, "");
	close_all(&f);

	start_busy(&f, VC_ON_RESET_REBOOT);
	assert_result(vc_vm_pause(f.vm), 0);
	assert_result(vc_vm_request(f.vm, VC_REQUEST_RESET, 0), 0);
	fd.fd = vc_vm_event_fd(f.vm);
	assert_int_equal(poll(&fd, 1, STILL_MS), 0);
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_PAUSED);
	assert_result(vc_vm_resume(f.vm), 0);
	wait_event(f.vm, VC_EVENT_RESET);
	assert_result(vc_vm_pause(f.vm), 0);
	assert_result(vc_vm_request(f.vm, VC_REQUEST_RESET, 0), 0);
	assert_result(vc_vm_stop(f.vm), 0);
	close_all(&f);
}

/* The next one comes just as the vCPUs are let go again after the last: none waits for ever. */
static void requests_race_with_resets(void **state)
{
	struct fixture f;

	(void)state;
	start_busy(&f, VC_ON_RESET_REBOOT);
	for (int i = 0; i < NR_RESETS; i++) {
		assert_result(vc_vm_request(f.vm, VC_REQUEST_RESET, 0), 0);
		wait_event(f.vm, VC_EVENT_RESET);
	}
	close_all(&f);
}

static void *ask_for_resets(void *opaque)
{
	for (int i = 0; i < NR_RESETS; i++)
		assert_result(vc_vm_request(opaque, VC_REQUEST_RESET, 0), 0);
	assert_result(vc_vm_request(opaque, VC_REQUEST_POWER_OFF, 0), 0);
	return NULL;
}

static void requests_race_with_pauses(void **state)
{
	struct vc_event event = { .size = sizeof(event) };
	pthread_t thread;
	struct fixture f;

	(void)state;
	start_busy(&f, VC_ON_RESET_REBOOT);
	assert_int_equal(pthread_create(&thread, NULL, ask_for_resets, f.vm), 0);
	while (vc_vm_pause(f.vm) == 0)
		assert_result(vc_vm_resume(f.vm), 0);
	pthread_join(thread, NULL);
	assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
	/* those that came together are one; all of them and the power-off: none */
	assert_int_equal(vc_vm_next_event(f.vm, &event), 1);
	if (event.kind == VC_EVENT_RESET)
		event = expect_event(f.vm, VC_EVENT_POWERED_OFF);
	assert_int_equal(event.kind, VC_EVENT_POWERED_OFF);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_device_asks),
		cmocka_unit_test(another_thread_asks),
		cmocka_unit_test(requests_wait_for_the_guest),
		cmocka_unit_test(requests_race_with_resets),
		cmocka_unit_test(requests_race_with_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
