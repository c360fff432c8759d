/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may run a vCPU, kicks, completion of accesses. Kicks come from another thread and each is
 * waited for: a lost one shows as a run that does not return within the test's time limit. The
 * number of kicks per mode is the first argument (long tier: 100,000).
 */
#include "cpu_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

static uint32_t nr_kicks = 2000;

static const uint8_t spin[] = { 0xeb, 0xfe };		     /* jmp . */
static const uint8_t out_hlt[] = { 0xe6, 0x10, 0x40, 0xf4 }; /* out %al,$0x10; inc %ax; hlt */

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(vc_exit_name(VC_EXIT_PIO), "pio");
	assert_string_equal(vc_exit_name(VC_EXIT_SHUTDOWN), "triple fault");
	assert_string_equal(vc_exit_name(VC_EXIT_NR), "?");
	assert_string_equal(vc_exit_name((enum vc_exit_kind) - 1), "?");
}

static void test_create_refusals(void **state)
{
	struct vc_vcpu_config cfg = { .size = sizeof(cfg) };
	struct vc_partition_config two = { .max_vcpus = 2 };
	struct vc_vcpu *vcpu = NULL, *untouched = (void *)1;
	struct rig rig;

	(void)state;
	rig_make(&rig, &two);
	assert_refused(vc_vcpu_create(rig.partition, NULL, &vcpu), -EINVAL, "");
	assert_refused(vc_vcpu_create(NULL, &cfg, &vcpu), -EINVAL, "no partition");
	assert_refused(vc_vcpu_create(rig.partition, &cfg, NULL), -EINVAL, "no partition");
	cfg.idx = 2;
	assert_refused(vc_vcpu_create(rig.partition, &cfg, &untouched), -ERANGE, "made for 2");
	assert_ptr_equal(untouched, (void *)1);
	cfg.idx = 1;
	assert_result(vc_vcpu_create(rig.partition, &cfg, &vcpu), 0);
	assert_refused(vc_vcpu_create(rig.partition, &cfg, &untouched), -EEXIST, "vCPU 1");
	vc_vcpu_destroy(vcpu);
	vc_vcpu_destroy(NULL);
	rig_free(&rig);
}

static void *try_elsewhere(void *opaque)
{
	struct rig *rig = opaque;
	struct vc_exit *exit = NULL;

	assert_refused(vc_vcpu_run(rig->vcpu, &exit), -EINVAL, "attached elsewhere");
	assert_null(exit);
	assert_refused(vc_vcpu_attach(rig->vcpu), -EBUSY, "attached");
	assert_refused(vc_vcpu_detach(rig->vcpu), -EINVAL, "not attached to this thread");
	return NULL;
}

static void test_one_thread_owns_it(void **state)
{
	struct vc_exit *exit;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, out_hlt, sizeof(out_hlt));
	assert_int_equal(pthread_create(&thread, NULL, try_elsewhere, &rig), 0);
	pthread_join(thread, NULL);
	assert_refused(vc_vcpu_attach(rig.vcpu), -EBUSY, "attached");
	assert_refused(vc_vcpu_run(rig.vcpu, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_attach(NULL), -EINVAL, "");
	assert_refused(vc_vcpu_kick(NULL), -EINVAL, "");
	assert_result(vc_vcpu_detach(rig.vcpu), 0);
	rig.is_attached = false;
	assert_refused(vc_vcpu_run(rig.vcpu, &exit), -EINVAL, "attached");
	rig_free(&rig);
}

static void test_mask_of_the_thread_is_given_back(void **state)
{
	sigset_t before, inside, after;
	struct rig rig;

	(void)state;
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	rig_code(&rig, NULL, out_hlt, sizeof(out_hlt));
	pthread_sigmask(SIG_BLOCK, NULL, &inside);
	assert_false(sigismember(&before, SIGRTMIN + 1));
	assert_true(sigismember(&inside, SIGRTMIN + 1));
	/* a kick's signal that comes late would end the process if it were let through */
	assert_int_equal(pthread_kill(pthread_self(), SIGRTMIN + 1), 0);
	rig_free(&rig);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	assert_memory_equal(&before, &after, 8); /* what the kernel knows of a set */
}

static void test_complete_finishes_the_access(void **state)
{
	struct vc_x86_regs regs;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, out_hlt, sizeof(out_hlt));
	assert_result(vc_vcpu_complete(rig.vcpu), 0); /* nothing is pending */
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
	assert_result(vc_vcpu_complete(rig.vcpu), 0);
	assert_result(vc_vcpu_get_regs(rig.vcpu, &regs, NULL), 0);
	assert_int_equal(regs.rip, CODE_GPA + 2); /* behind the out, before the inc */
	assert_int_equal(regs.rax & 0xffff, 0);
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	assert_result(vc_vcpu_get_regs(rig.vcpu, &regs, NULL), 0);
	assert_int_equal(regs.rax & 0xffff, 1);
	assert_refused(vc_vcpu_complete(NULL), -EINVAL, "");
	rig_free(&rig);
}

/* A read over the end of a page comes out in two parts: completing the first gives the second. */
static void test_complete_hands_back_a_further_part(void **state)
{
	struct vc_exit *exit;
	struct world world;
	struct rig rig;
	uint32_t nr = 0;

	(void)state;
	world_init(&world);
	rig_guest(&rig, NULL, "exits.elf", "ports=0 mmio=0 forms=1");
	while (!world.is_over) {
		exit = rig_run(&rig);
		world_answer(&world, exit);
		if (vc_vcpu_complete(rig.vcpu) != 1)
			continue;
		nr++;
		/* the exit is the same object, now about the second part; asking again changes
		 * nothing */
		assert_result(vc_vcpu_complete(rig.vcpu), 1);
	}
	assert_int_equal(world.code, 0);
	assert_true(nr > 0);
	rig_free(&rig);
}

static void test_msrs_and_registers(void **state)
{
	struct vc_x86_regs regs = { .rax = 1, .r15 = 0xfedcba9876543210, .rip = 7, .rflags = 2 };
	struct vc_x86_regs found;
	uint64_t value = 77;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, spin, sizeof(spin));
	assert_result(vc_vcpu_set_regs(rig.vcpu, &regs, NULL), 0);
	assert_result(vc_vcpu_get_regs(rig.vcpu, &found, NULL), 0);
	assert_memory_equal(&found, &regs, sizeof(regs));
	assert_result(vc_vcpu_set_msr(rig.vcpu, 0x174, 0x1234), 0);
	assert_result(vc_vcpu_get_msr(rig.vcpu, 0x174, &value), 0);
	assert_int_equal(value, 0x1234);
	value = 77;
	assert_refused(vc_vcpu_get_msr(rig.vcpu, 0x12345678, &value), -ENOENT, "0x12345678");
	assert_int_equal(value, 77);
	assert_refused(vc_vcpu_set_msr(rig.vcpu, 0x12345678, 1), -ENOENT, "0x12345678");
	assert_refused(vc_vcpu_get_msr(rig.vcpu, 0x174, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_get_regs(NULL, &found, NULL), -EINVAL, "");
	rig_free(&rig);
}

static void test_kick_before_the_run(void **state)
{
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, spin, sizeof(spin));
	assert_result(vc_vcpu_kick(rig.vcpu), 0);
	assert_result(vc_vcpu_kick(rig.vcpu), 0);
	assert_int_equal(rig_run(&rig)->kind, VC_EXIT_INTERRUPTED);
	assert_result(vc_vcpu_get_stats(rig.vcpu, &stats), 0);
	assert_int_equal(stats.nr_kicks, 2);
	assert_int_equal(stats.nr_signals, 0);
	assert_int_equal(stats.nr_exits[VC_EXIT_INTERRUPTED], 1);
	rig_free(&rig);
}

/* A kick that comes with an exit on its way does not swallow the exit, nor the exit the kick. */
static void test_kick_between_runs_completes_the_access(void **state)
{
	struct vc_x86_regs regs;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, out_hlt, sizeof(out_hlt));
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
	assert_result(vc_vcpu_kick(rig.vcpu), 0);
	assert_int_equal(rig_run(&rig)->kind, VC_EXIT_INTERRUPTED);
	assert_result(vc_vcpu_get_regs(rig.vcpu, &regs, NULL), 0);
	assert_int_equal(regs.rip, CODE_GPA + 2);
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	rig_free(&rig);
}

struct kicker {
	struct vc_vcpu *vcpu;
	atomic_uint asked, answered;
	atomic_bool is_over;
};

static void *kick_and_wait(void *opaque)
{
	struct kicker *k = opaque;

	for (uint32_t i = 1; i <= nr_kicks; i++) {
		atomic_store(&k->asked, i);
		assert_result(vc_vcpu_kick(k->vcpu), 0);
		/* a spurious interruption may answer early, so that kicks meet runs everywhere */
		while (atomic_load(&k->answered) < i)
			sched_yield();
	}
	atomic_store(&k->is_over, true);
	vc_vcpu_kick(k->vcpu);
	return NULL;
}

static void kick_guest(const char *mode, enum vc_irqchip irqchip)
{
	struct vc_partition_config cfg = { .irqchip = irqchip };
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };
	struct kicker k = { 0 };
	struct world world;
	pthread_t thread;
	char cmdline[32];
	struct rig rig;

	world_init(&world);
	snprintf(cmdline, sizeof(cmdline), "mode=%s", mode);
	rig_guest(&rig, &cfg, "kick.elf", cmdline);
	rig_until(&rig, &world, "stop=");
	k.vcpu = rig.vcpu;
	assert_int_equal(pthread_create(&thread, NULL, kick_and_wait, &k), 0);
	while (!atomic_load(&k.is_over)) {
		struct vc_exit *exit = rig_run(&rig);

		if (exit->kind == VC_EXIT_INTERRUPTED)
			atomic_store(&k.answered, atomic_load(&k.asked));
		else
			world_answer(&world, exit);
	}
	pthread_join(thread, NULL);
	assert_result(vc_vcpu_get_stats(rig.vcpu, &stats), 0);
	assert_int_equal(stats.nr_kicks, nr_kicks + 1);
	assert_true(stats.nr_signals <= stats.nr_kicks);
	print_message("mode %s: %u kicks answered, %llu signals, %llu exits\n", mode, nr_kicks,
		      (unsigned long long)stats.nr_signals,
		      (unsigned long long)stats.nr_exits[VC_EXIT_PIO]);
	rig_free(&rig);
}

static void test_kick_spinning(void **state)
{
	(void)state;
	kick_guest("spin", VC_IRQCHIP_NONE);
}

static void test_kick_in_exits(void **state)
{
	(void)state;
	kick_guest("pio", VC_IRQCHIP_NONE);
}

static void test_kick_halted(void **state)
{
	(void)state;
	kick_guest("hlt", VC_IRQCHIP_KERNEL);
}

struct busy {
	struct rig *rig;
	int result;
};

/* Another thread meddles with a vCPU that is inside the guest. */
static void *meddle(void *opaque)
{
	struct busy *busy = opaque;
	struct vc_x86_regs regs;
	struct vc_vcpu *vcpu = busy->rig->vcpu;

	while ((busy->result = vc_vcpu_get_regs(vcpu, &regs, NULL)) == 0)
		sched_yield();
	vc_vcpu_kick(vcpu);
	return NULL;
}

static void test_running_vcpu_is_refused(void **state)
{
	struct busy busy = { 0 };
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, spin, sizeof(spin));
	busy.rig = &rig;
	assert_int_equal(pthread_create(&thread, NULL, meddle, &busy), 0);
	assert_int_equal(rig_run(&rig)->kind, VC_EXIT_INTERRUPTED);
	pthread_join(thread, NULL);
	assert_int_equal(busy.result, -EBUSY);
	rig_free(&rig);
}

static void test_times(void **state)
{
	struct vc_partition_config cfg = { .has_times = true };
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };
	struct rig rig;

	(void)state;
	rig_code(&rig, &cfg, out_hlt, sizeof(out_hlt));
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_PIO);
	assert_result(vc_vcpu_get_stats(rig.vcpu, &stats), 0);
	assert_true(stats.guest_ns > 0);
	assert_int_equal(stats.nr_exits[VC_EXIT_PIO], 1);
	rig_free(&rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_create_refusals),
		cmocka_unit_test(test_one_thread_owns_it),
		cmocka_unit_test(test_mask_of_the_thread_is_given_back),
		cmocka_unit_test(test_complete_finishes_the_access),
		cmocka_unit_test(test_complete_hands_back_a_further_part),
		cmocka_unit_test(test_msrs_and_registers),
		cmocka_unit_test(test_kick_before_the_run),
		cmocka_unit_test(test_kick_between_runs_completes_the_access),
		cmocka_unit_test(test_kick_spinning),
		cmocka_unit_test(test_kick_in_exits),
		cmocka_unit_test(test_kick_halted),
		cmocka_unit_test(test_running_vcpu_is_refused),
		cmocka_unit_test(test_times),
	};
	int skip = rig_skip();

	if (argc > 1)
		nr_kicks = (uint32_t)strtoul(argv[1], NULL, 0);
	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
