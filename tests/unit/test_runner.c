/* SPDX-License-Identifier: Apache-2.0 */
/* Whose threads: the runner's hook, affinity and failures; the caller's threads and poll loop. */
#include "vm_fixture.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

static const struct vc_fake_step print_and_end[] = { OUT8(0x3f8, 'x'), POWER_OFF };

struct hook {
	atomic_int nr_vcpus, nr_controls;
	int fail_vcpu; /* index, -1 = none */
	int fail_with; /* 0 = -EACCES */
	bool fail_control;
};

static int note_thread(void *opaque, const struct vc_thread_info *info)
{
	struct hook *hook = opaque;

	assert_non_null(strchr(info->name, '/'));
	if (!info->is_vcpu) {
		atomic_fetch_add(&hook->nr_controls, 1);
		return hook->fail_control ? -EPERM : 0;
	}
	atomic_fetch_add(&hook->nr_vcpus, 1);
	if ((int)info->idx != hook->fail_vcpu)
		return 0;
	return hook->fail_with ? hook->fail_with : -EACCES;
}

static void hook_runs_on_every_thread(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct hook hook = { .fail_vcpu = -1 };
	struct fixture f;

	(void)state;
	cfg.nr_vcpus = 3;
	cfg.thread_hook = note_thread;
	cfg.thread_opaque = &hook;
	open_host(&f, print_and_end, ARRAY_LEN(print_and_end));
	build_vm(&f, &cfg);
	run_vm(&f);
	assert_int_equal(hook.nr_vcpus, 3);
	assert_int_equal(hook.nr_controls, 1);
	close_all(&f);
}

static void failing_hook_fails_start(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct hook hook = { .fail_vcpu = 1 };
	struct fixture f;

	(void)state;
	cfg.nr_vcpus = 3;
	cfg.thread_hook = note_thread;
	cfg.thread_opaque = &hook;
	open_host(&f, print_and_end, ARRAY_LEN(print_and_end));
	build_vm(&f, &cfg);
	assert_refused(vc_vm_start(f.vm), -EACCES, "cpu1");
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_BUILT);
	hook.fail_with = 1; /* no errno, but no consent either */
	assert_refused(vc_vm_start(f.vm), -ECANCELED, "cpu1");
	hook.fail_vcpu = -1;
	hook.fail_control = true;
	assert_refused(vc_vm_start(f.vm), -EPERM, "control");
	hook.fail_control = false;
	run_vm(&f); /* nothing was left behind by the failures */
	assert_string_equal(f.console.text, "x");
	close_all(&f);
}

static void affinity_is_set_or_refused(void **state)
{
	uint64_t here[16] = { 0 }, nowhere[16] = { 0 };
	const uint64_t *masks[] = { here };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;
	cpu_set_t allowed;
	int first = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(first, &allowed))
		first++;
	here[first / 64] = 1ull << (first % 64);
	nowhere[15] = 1ull << 63;
	cfg.vcpu_affinity = masks;
	open_host(&f, print_and_end, ARRAY_LEN(print_and_end));
	build_vm(&f, &cfg);
	run_vm(&f);
	vc_vm_destroy(f.vm);
	masks[0] = nowhere;
	build_vm(&f, &cfg);
	assert_refused(vc_vm_start(f.vm), -EINVAL, "cpu0");
	close_all(&f);
}

static void *run_first(void *opaque)
{
	return (void *)(intptr_t)vc_vm_run_vcpu(opaque, 0);
}

static void caller_runs_and_polls(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;
	struct pollfd fds[16];
	pthread_t thread;
	void *result;
	int nr;

	(void)state;
	cfg.runner = VC_RUNNER_CALLER;
	open_host(&f, print_and_end, ARRAY_LEN(print_and_end));
	make_vm(&f, &cfg);
	assert_refused(vc_vm_pollfds(f.vm, fds, 16), -EBUSY, "new");
	assert_refused(vc_vm_run_vcpu(f.vm, 0), -EBUSY, "new");
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_run_vcpu(f.vm, 0), -EBUSY, "built");
	nr = vc_vm_pollfds(f.vm, fds, 16);
	assert_true(nr >= 1 && nr <= 16);
	assert_int_equal(vc_vm_pollfds(f.vm, NULL, 0), nr);
	assert_result(vc_vm_dispatch(f.vm, fds, 0), 0);
	assert_result(vc_vm_start(f.vm), 0);
	assert_refused(vc_vm_run_vcpu(f.vm, 1), -EINVAL, "vCPU 1");
	assert_int_equal(pthread_create(&thread, NULL, run_first, f.vm), 0);
	assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
	pthread_join(thread, &result);
	assert_null(result);
	assert_string_equal(f.console.text, "x");
	assert_result(vc_vm_run_vcpu(f.vm, 0), 0); /* stopped: nothing to do */
	close_all(&f);
}

/* The runner makes vCPU threads and no control thread; the caller polls. */
static void caller_only_polls(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct pollfd fds[16];
	struct hook hook = { .fail_vcpu = -1 };
	struct fixture f;
	int nr;

	(void)state;
	cfg.runner = VC_RUNNER_VCPUS;
	cfg.thread_hook = note_thread;
	cfg.thread_opaque = &hook;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_pollfds(f.vm, fds, 16), -EBUSY, "new");
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_start(f.vm), 0);
	assert_int_equal(hook.nr_vcpus, 1);
	assert_int_equal(hook.nr_controls, 0);
	assert_refused(vc_vm_run_vcpu(f.vm, 0), -EINVAL, "caller");
	nr = vc_vm_pollfds(f.vm, fds, 16);
	assert_true(nr >= 1 && nr <= 16);
	assert_true(poll(fds, (nfds_t)nr, 0) >= 0);
	assert_result(vc_vm_dispatch(f.vm, fds, (size_t)nr), 0);
	assert_result(vc_vm_stop(f.vm), 0);
	close_all(&f);
}

static void destroy_makes_callers_threads_return(void **state)
{
	struct vc_vm_config cfg = basic_config();

	(void)state;
	cfg.runner = VC_RUNNER_CALLER;
	for (int i = 0; i < 100; i++) {
		struct fixture f;
		pthread_t thread;
		void *result;

		open_host(&f, NULL, 0);
		build_vm(&f, &cfg);
		assert_result(vc_vm_start(f.vm), 0);
		assert_int_equal(pthread_create(&thread, NULL, run_first, f.vm), 0);
		/* Until the thread is inside: then a second one is refused. */
		while (vc_vm_pause(f.vm) == 0 && vc_vm_resume(f.vm) == 0) {
			struct vc_vm_stats stats = { .size = sizeof(stats) };

			assert_result(vc_vm_get_stats(f.vm, &stats), 0);
			if (stats.nr_exits[VC_EXIT_INTERRUPTED] > 0)
				break;
		}
		close_all(&f);
		pthread_join(thread, &result);
		assert_null(result);
	}
}

static void runners_threads_are_not_the_callers(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct pollfd fds[16];
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	build_vm(&f, &cfg);
	assert_refused(vc_vm_run_vcpu(f.vm, 0), -EINVAL, "caller");
	assert_refused(vc_vm_pollfds(f.vm, fds, 16), -EINVAL, "VC_RUNNER_THREADS");
	assert_refused(vc_vm_dispatch(f.vm, fds, 16), -EINVAL, "VC_RUNNER_THREADS");
	assert_refused(vc_vm_run_vcpu(NULL, 0), -EINVAL, "vCPU");
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hook_runs_on_every_thread),
		cmocka_unit_test(failing_hook_fails_start),
		cmocka_unit_test(affinity_is_set_or_refused),
		cmocka_unit_test(caller_runs_and_polls),
		cmocka_unit_test(caller_only_polls),
		cmocka_unit_test(destroy_makes_callers_threads_return),
		cmocka_unit_test(runners_threads_are_not_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
