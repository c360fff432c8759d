/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two VMs at once, each with an embedder's thread of its own that controls it, one thread a vCPU
 * that the embedder made, one that polls, and one that only looks. Written for the thread sanitizer;
 * without it the results are checked alone. On the fake back end.
 */
#include "vm_fixture.h"

#include <poll.h>
#include <sched.h>

#define NR_VMS	    2
#define NR_VCPUS    2
#define NR_PAUSES   100
#define NR_LIVES    10
#define POLLFDS_MAX 16

struct program {
	struct vc_host *host;
	struct vc_vm *vm;
	enum vc_runner runner;
	struct console console;
	atomic_bool is_over;
	int results[NR_VCPUS];
};

struct vcpu_thread {
	struct program *p;
	uint32_t idx;
};

static void *run_one(void *opaque)
{
	struct vcpu_thread *t = opaque;

	t->p->results[t->idx] = vc_vm_run_vcpu(t->p->vm, t->idx);
	return NULL;
}

static void *poll_all(void *opaque)
{
	struct program *p = opaque;
	struct pollfd fds[POLLFDS_MAX];

	while (!atomic_load(&p->is_over)) {
		int nr = vc_vm_pollfds(p->vm, fds, POLLFDS_MAX);

		if (nr > 0 && poll(fds, (nfds_t)nr, 1) > 0)
			(void)vc_vm_dispatch(p->vm, fds, (size_t)nr);
	}
	return NULL;
}

static void *look(void *opaque)
{
	struct program *p = opaque;
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct vc_event event = { .size = sizeof(event) };

	while (!atomic_load(&p->is_over)) {
		(void)vc_vm_get_state(p->vm);
		(void)vc_vm_get_stats(p->vm, &stats);
		(void)vc_vm_next_event(p->vm, &event);
		(void)vc_vcpu_kick(vc_vm_vcpu(p->vm, 1));
		(void)vc_vm_wait(p->vm, 0);
		sched_yield();
	}
	return NULL;
}

static void make(struct program *p)
{
	struct vc_vm_config cfg = { .size = sizeof(cfg),
				    .nr_vcpus = NR_VCPUS,
				    .irqchip = VC_IRQCHIP_KERNEL,
				    .runner = p->runner,
				    .on_reset = VC_ON_RESET_REBOOT };
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 2 << 20 };
	struct vc_stream_config scfg = { .size = sizeof(scfg),
					 .kind = VC_STREAM_OPS,
					 .ops = &console_ops,
					 .opaque = &p->console };
	struct vc_stream *stream;

	assert_result(vc_vm_create(p->host, &cfg, &p->vm), 0);
	assert_result(vc_vm_add_ram(p->vm, &ram, 0), 0);
	assert_result(vc_stream_open(&scfg, &stream), 0);
	assert_result(vc_vm_add_serial(p->vm, stream), 0);
	assert_result(
		vc_vm_add_platform(p->vm, VC_PLATFORM_PM | VC_PLATFORM_PVPANIC | VC_PLATFORM_RTC),
		0);
	assert_result(vc_vm_build(p->vm), 0);
}

/* Guests reset themselves, so that the VM may be anywhere when it is asked to pause. */
static void control(struct program *p)
{
	struct vc_x86_regs regs;

	for (int i = 0; i < NR_PAUSES; i++) {
		assert_result(vc_vm_pause(p->vm), 0);
		assert_int_equal(vc_vm_get_state(p->vm), VC_VM_PAUSED);
		/* refused while a vCPU runs */
		for (uint32_t k = 0; k < NR_VCPUS; k++)
			assert_result(vc_vcpu_get_regs(vc_vm_vcpu(p->vm, k), &regs, NULL), 0);
		assert_result(vc_vm_resume(p->vm), 0);
	}
	assert_result(vc_vm_stop(p->vm), 0);
}

static void live(struct program *p)
{
	struct vcpu_thread vcpus[NR_VCPUS];
	pthread_t threads[NR_VCPUS], poller, looker;
	const bool is_own = p->runner == VC_RUNNER_CALLER;

	atomic_store(&p->is_over, false);
	memset(&p->console, 0, sizeof(p->console));
	make(p);
	assert_result(vc_vm_start(p->vm), 0);
	assert_int_equal(pthread_create(&looker, NULL, look, p), 0);
	for (uint32_t i = 0; is_own && i < NR_VCPUS; i++) {
		vcpus[i] = (struct vcpu_thread){ p, i };
		assert_int_equal(pthread_create(&threads[i], NULL, run_one, &vcpus[i]), 0);
	}
	if (is_own)
		assert_int_equal(pthread_create(&poller, NULL, poll_all, p), 0);
	control(p);
	atomic_store(&p->is_over, true);
	pthread_join(looker, NULL);
	for (uint32_t i = 0; is_own && i < NR_VCPUS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(p->results[i], 0);
	}
	if (is_own)
		pthread_join(poller, NULL);
	vc_vm_destroy(p->vm);
}

static void *lives(void *opaque)
{
	for (int i = 0; i < NR_LIVES; i++)
		live(opaque);
	return NULL;
}

static void two_embedders(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x3f8, '.'), IN8(0x71), OUT8(0x505, 1),
						     IN8(0x1234), RESET };
	static const enum vc_runner runners[][NR_VMS] = {
		{ VC_RUNNER_CALLER, VC_RUNNER_CALLER },
		{ VC_RUNNER_CALLER, VC_RUNNER_THREADS },
		{ VC_RUNNER_THREADS, VC_RUNNER_THREADS },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(runners); k++) {
		struct program p[NR_VMS] = { { .host = NULL } };
		pthread_t threads[NR_VMS];
		struct fixture f;

		open_host_for(&f, steps, ARRAY_LEN(steps), 1000);
		for (size_t i = 0; i < NR_VMS; i++) {
			p[i].host = f.host;
			p[i].runner = runners[k][i];
			assert_int_equal(pthread_create(&threads[i], NULL, lives, &p[i]), 0);
		}
		for (size_t i = 0; i < NR_VMS; i++)
			pthread_join(threads[i], NULL);
		vc_host_close(f.host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(two_embedders) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
