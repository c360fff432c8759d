/* SPDX-License-Identifier: Apache-2.0 */
/* The five states: every verb in every state, the barrier, reset, races between guest and control. */
#include "vm_fixture.h"

#include <poll.h>
#include <semaphore.h>
#include <unistd.h>

static void states_refuse_by_name(void **state)
{
	static const struct vc_fake_step steps[] = { DEBUG_EXIT(0) };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, steps, 1);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_start(f.vm), -EBUSY, "new");
	assert_refused(vc_vm_pause(f.vm), -EBUSY, "new");
	assert_refused(vc_vm_resume(f.vm), -EBUSY, "new");
	assert_refused(vc_vm_stop(f.vm), -EBUSY, "new");
	assert_refused(vc_vm_wait(f.vm, 0), -EBUSY, "new");
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_build(f.vm), -EBUSY, "built");
	assert_refused(vc_vm_pause(f.vm), -EBUSY, "built");
	assert_refused(vc_vm_resume(f.vm), -EBUSY, "built");
	assert_int_equal(vc_vm_wait(f.vm, 0), -ETIMEDOUT);
	run_vm(&f);
	assert_refused(vc_vm_start(f.vm), -EBUSY, "stopped");
	assert_refused(vc_vm_pause(f.vm), -EBUSY, "stopped");
	assert_refused(vc_vm_resume(f.vm), -EBUSY, "stopped");
	assert_result(vc_vm_stop(f.vm), 0);
	close_all(&f);
}

static void null_is_refused(void **state)
{
	(void)state;
	assert_refused(vc_vm_start(NULL), -EINVAL, "no VM");
	assert_refused(vc_vm_pause(NULL), -EINVAL, "no VM");
	assert_refused(vc_vm_resume(NULL), -EINVAL, "no VM");
	assert_refused(vc_vm_stop(NULL), -EINVAL, "no VM");
	assert_refused(vc_vm_wait(NULL, 0), -EINVAL, "wait");
	assert_refused(vc_vm_build(NULL), -EINVAL, "no VM");
	vc_vm_destroy(NULL);
	for (int s = VC_VM_NEW; s <= VC_VM_STOPPED; s++)
		assert_string_not_equal(vc_vm_state_name((enum vc_vm_state)s), "?");
	assert_string_equal(vc_vm_state_name((enum vc_vm_state)99), "?");
}

static void stop_before_start(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	build_vm(&f, &cfg);
	assert_result(vc_vm_stop(f.vm), 0);
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_STOPPED);
	expect_event(f.vm, VC_EVENT_STOPPED);
	assert_result(vc_vm_wait(f.vm, -1), 0);
	close_all(&f);
}

static void pause_holds_and_resume_goes_on(void **state)
{
	struct vc_vm_stats before = { .size = sizeof(before) }, after = before;
	struct fixture f;

	(void)state;
	start_busy(&f, VC_ON_RESET_STOP);
	for (int i = 0; i < 200; i++) {
		assert_result(vc_vm_pause(f.vm), 0);
		assert_int_equal(vc_vm_get_state(f.vm), VC_VM_PAUSED);
		assert_result(vc_vm_get_stats(f.vm, &before), 0);
		assert_refused(vc_vm_pause(f.vm), -EBUSY, "paused");
		assert_result(vc_vm_get_stats(f.vm, &after), 0);
		assert_memory_equal(before.nr_exits, after.nr_exits, sizeof(after.nr_exits));
		assert_result(vc_vm_resume(f.vm), 0);
	}
	/* It still runs: its exits go on being counted. */
	do
		assert_result(vc_vm_get_stats(f.vm, &after), 0);
	while (after.nr_exits[VC_EXIT_PIO] == before.nr_exits[VC_EXIT_PIO]);
	assert_result(vc_vm_pause(f.vm), 0);
	assert_result(vc_vm_stop(f.vm), 0);
	expect_event(f.vm, VC_EVENT_STOPPED);
	expect_no_event(f.vm);
	close_all(&f);
}

static void destroy_in_every_state(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	close_all(&f);
	open_host(&f, NULL, 0);
	build_vm(&f, &cfg);
	close_all(&f);
	start_busy(&f, VC_ON_RESET_STOP);
	close_all(&f);
	start_busy(&f, VC_ON_RESET_STOP);
	assert_result(vc_vm_pause(f.vm), 0);
	close_all(&f);
}

static void reboot_goes_on(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x3f8, 'a'), RESET,
						     OUT8(0x3f8, 'b'), { .kind = VC_EXIT_SHUTDOWN },
						     OUT8(0x3f8, 'c'), POWER_OFF };
	struct vc_vm_config cfg = basic_config();
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct fixture f;

	(void)state;
	cfg.on_reset = VC_ON_RESET_REBOOT;
	open_host(&f, steps, ARRAY_LEN(steps));
	build_vm(&f, &cfg);
	run_vm(&f);
	assert_string_equal(f.console.text, "abc");
	expect_event(f.vm, VC_EVENT_RESET);
	expect_event(f.vm, VC_EVENT_TRIPLE_FAULT);
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	expect_no_event(f.vm);
	assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	assert_int_equal(stats.nr_resets, 2);
	close_all(&f);
}

/* Control thread and guest race for the end: whoever wins, the VM stops once and both return. */
static void pause_races_with_power_off(void **state)
{
	static const struct vc_fake_step steps[] = { IN8(0x3fd), IN8(0x3fd), POWER_OFF };
	struct vc_vm_config cfg = basic_config();

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct fixture f;
		int r;

		open_host(&f, steps, ARRAY_LEN(steps));
		build_vm(&f, &cfg);
		assert_result(vc_vm_start(f.vm), 0);
		r = vc_vm_pause(f.vm);
		if (r == 0)
			assert_result(vc_vm_resume(f.vm), 0);
		else
			assert_int_equal(r, -EBUSY);
		assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
		expect_event(f.vm, VC_EVENT_POWERED_OFF);
		close_all(&f);
	}
}

/* A device one of whose ops calls what a program calls. */
struct caller {
	struct vc_device dev;
	struct vc_vm *vm;
	int results[3];
};

/* A device that keeps its vCPU for a while and sees whether a pause returns meanwhile. */
struct slow {
	struct vc_device dev;
	sem_t inside, paused;
	int result;
};

#define SLOW_MS 200 /* a pause that waits for nobody returns far sooner */

static void slow_access(struct vc_device *dev, struct vc_access *access)
{
	struct slow *slow = vc_container_of(dev, struct slow, dev);
	struct timespec at;

	(void)access;
	sem_post(&slow->inside);
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += SLOW_MS * 1000000l;
	at.tv_sec += at.tv_nsec / 1000000000l;
	at.tv_nsec %= 1000000000l;
	slow->result = sem_timedwait(&slow->paused, &at) < 0 ? errno : 0;
}

static void pause_waits_for_an_access(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x700, 0), POWER_OFF };
	static const struct vc_device_ops ops = PLAIN_OPS("slow", slow_access);
	struct vc_vm_config cfg = basic_config();
	struct slow slow = { .result = 0 };
	struct fixture f;

	(void)state;
	sem_init(&slow.inside, 0, 0);
	sem_init(&slow.paused, 0, 0);
	open_host(&f, steps, ARRAY_LEN(steps));
	make_vm(&f, &cfg);
	add_own(&f, &slow.dev, &ops);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_start(f.vm), 0);
	sem_wait(&slow.inside);
	assert_result(vc_vm_pause(f.vm), 0);
	sem_post(&slow.paused);
	assert_result(vc_vm_stop(f.vm), 0);
	assert_int_equal(slow.result, ETIMEDOUT);
	close_all(&f);
	sem_destroy(&slow.inside);
	sem_destroy(&slow.paused);
}

/* A flat kernel in a file of its own. */
static void write_kernel(char *path)
{
	static const uint8_t hlt[64] = { 0xf4 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, hlt, sizeof(hlt)), sizeof(hlt));
	close(fd);
}

static void build_from_file(struct fixture *f, const struct vc_fake_step *steps, size_t nr,
			    const char *path)
{
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kind = VC_BOOT_FLAT,
				       .kernel.path = path,
				       .flat_gpa = 0x100000 };
	struct vc_vm_config cfg = basic_config();

	cfg.on_reset = VC_ON_RESET_REBOOT;
	open_host(f, steps, nr);
	make_vm(f, &cfg);
	assert_result(vc_vm_set_boot(f->vm, &boot), 0);
	assert_result(vc_vm_build(f->vm), 0);
}

/* What build opened serves every boot: the file may be out of reach by then. */
static void reboot_without_the_file(void **state)
{
	static const struct vc_fake_step steps[] = { RESET, RESET, POWER_OFF };
	char path[] = "/tmp/vc-life-XXXXXX";
	struct fixture f;

	(void)state;
	write_kernel(path);
	build_from_file(&f, steps, ARRAY_LEN(steps), path);
	assert_int_equal(unlink(path), 0);
	run_vm(&f);
	assert_int_equal(expect_event(f.vm, VC_EVENT_RESET).nr, 2);
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	expect_no_event(f.vm);
	close_all(&f);
}

static void reset_that_fails_says_why(void **state)
{
	static const struct vc_fake_step steps[] = { RESET, POWER_OFF };
	char path[] = "/tmp/vc-life-XXXXXX";
	struct vc_event event;
	struct fixture f;

	(void)state;
	write_kernel(path);
	build_from_file(&f, steps, ARRAY_LEN(steps), path);
	assert_int_equal(truncate(path, 3), 0);
	run_vm(&f);
	event = expect_event(f.vm, VC_EVENT_ERROR);
	assert_int_equal(event.err, -EIO);
	assert_non_null(strstr(event.text, "shrank"));
	expect_no_event(f.vm); /* there was no reset */
	unlink(path);
	close_all(&f);
}

/* A device asks for the state while it is reset, under its own lock. */
static void asking_reset(struct vc_device *dev)
{
	struct caller *c = vc_container_of(dev, struct caller, dev);

	c->results[0] = vc_vm_get_state(c->vm);
}

static void state_can_be_asked_during_reset(void **state)
{
	static const struct vc_device_ops ops = { .type = "asking",
						  .access = plain_access,
						  .reset = asking_reset,
						  .save = plain_save,
						  .load = plain_load,
						  .destroy = vc_device_fini };
	static const struct vc_fake_step steps[] = { RESET, POWER_OFF };
	struct vc_vm_config cfg = basic_config();
	struct caller c = { .vm = NULL };
	struct fixture f;

	(void)state;
	cfg.on_reset = VC_ON_RESET_REBOOT;
	open_host(&f, steps, ARRAY_LEN(steps));
	make_vm(&f, &cfg);
	c.vm = f.vm;
	add_own(&f, &c.dev, &ops);
	assert_result(vc_vm_build(f.vm), 0);
	run_vm(&f);
	assert_int_equal(c.results[0], VC_VM_RUNNING);
	close_all(&f);
}

/* A device whose poll op calls the verbs that wait: under its lock that could never end. */
static size_t polling_pollfds(struct vc_device *dev, struct pollfd *fds, size_t nr)
{
	struct caller *c = vc_container_of(dev, struct caller, dev);

	(void)fds;
	(void)nr;
	c->results[0] = vc_vm_pause(c->vm);
	c->results[1] = vc_vm_stop(c->vm);
	c->results[2] = vc_vm_wait(c->vm, -1);
	return 0;
}

static void polling_dispatch(struct vc_device *dev, const struct pollfd *fds, size_t nr)
{
	(void)dev;
	(void)fds;
	(void)nr;
}

static void poll_op_cannot_wait_for_vcpus(void **state)
{
	static const struct vc_device_ops ops = { .type = "polling",
						  .access = plain_access,
						  .reset = plain_reset,
						  .save = plain_save,
						  .load = plain_load,
						  .destroy = vc_device_fini,
						  .pollfds = polling_pollfds,
						  .dispatch = polling_dispatch };
	static const struct vc_fake_step busy[] = { IN8(0x3fd), OUT8(0x80, 0) };
	struct vc_vm_config cfg = basic_config();
	struct caller c = { .vm = NULL };
	struct pollfd fds[16];
	struct fixture f;

	(void)state;
	cfg.runner = VC_RUNNER_CALLER;
	open_host_for(&f, busy, ARRAY_LEN(busy), UINT64_MAX);
	make_vm(&f, &cfg);
	c.vm = f.vm;
	add_own(&f, &c.dev, &ops);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_start(f.vm), 0);
	assert_true(vc_vm_pollfds(f.vm, fds, ARRAY_LEN(fds)) > 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(c.results[i], -EDEADLK);
	assert_result(vc_vm_stop(f.vm), 0);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_refuse_by_name),
		cmocka_unit_test(null_is_refused),
		cmocka_unit_test(stop_before_start),
		cmocka_unit_test(pause_holds_and_resume_goes_on),
		cmocka_unit_test(destroy_in_every_state),
		cmocka_unit_test(reboot_goes_on),
		cmocka_unit_test(pause_races_with_power_off),
		cmocka_unit_test(pause_waits_for_an_access),
		cmocka_unit_test(reboot_without_the_file),
		cmocka_unit_test(reset_that_fails_says_why),
		cmocka_unit_test(state_can_be_asked_during_reset),
		cmocka_unit_test(poll_op_cannot_wait_for_vcpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
