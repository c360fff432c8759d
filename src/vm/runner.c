/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose threads: the default runner (a thread a vCPU and one that polls) and the calls by which an
 * embedder does the same, or the polling alone, on its own threads.
 *
 * The runner's threads pass their hook before the VM is RUNNING; if one fails, all leave and start
 * fails. The polling thread lives until destroy, so that output which a slow peer had not taken when
 * the guest stopped still goes out.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Enters the run loop under the caller's attachment; returns when the VM has stopped. */
static void run_loop(struct vc__vm_cpu *cpu)
{
	(void)vc__vm_cpu_loop(cpu);
	(void)vc_vcpu_detach(cpu->vcpu);
	pthread_mutex_lock(&cpu->vm->lock);
	cpu->in_loop = false;
	cpu->is_parked = false;
	pthread_cond_broadcast(&cpu->vm->changed);
	pthread_mutex_unlock(&cpu->vm->lock);
}

static int set_affinity(const struct vc_vm *vm, uint32_t idx)
{
	cpu_set_t set;
	int r;

	if (vm->affinity == NULL || !vm->has_affinity[idx])
		return 0;
	CPU_ZERO(&set);
	memcpy(&set, vm->affinity[idx], sizeof(set)); /* both 1024 bits, CPU 0 in bit 0 */
	r = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (r != 0)
		return vc_error_set(-r, "vm", vm->name,
				    "cpu%" PRIu32 ": its affinity mask names no CPU of this host",
				    idx);
	return 0;
}

/* Name, affinity, hook: what every thread of the runner does first. */
static int open_thread(struct vc_vm *vm, bool is_vcpu, uint32_t idx)
{
	char name[48];
	struct vc_thread_info info = { .name = name, .is_vcpu = is_vcpu, .idx = idx };
	char comm[16];
	int r;

	if (is_vcpu)
		snprintf(name, sizeof(name), "%s/cpu%" PRIu32, vm->name, idx);
	else
		snprintf(name, sizeof(name), "%s/ctl", vm->name);
	snprintf(comm, sizeof(comm), "%.15s", name);
	(void)pthread_setname_np(pthread_self(), comm);
	r = is_vcpu ? set_affinity(vm, idx) : 0;
	if (r == 0 && vm->cfg.thread_hook != NULL)
		r = vm->cfg.thread_hook(vm->cfg.thread_opaque, &info);
	return r <= 0 ? r : -ECANCELED; /* a refusal, but no errno */
}

/*
 * Tells that this thread is ready (or why not) and waits for the others; true when the VM runs. The
 * last one lets all go, start included, so that with a single vCPU its thread never sleeps here.
 */
static bool report_ready(struct vc_vm *vm, int err, int *ret_err)
{
	bool is_last, is_going_on;

	pthread_mutex_lock(&vm->lock);
	*ret_err = err;
	vm->nr_opening--;
	vm->is_aborted |= err != 0;
	is_last = vm->is_aborted || vm->nr_opening == 0;
	if (is_last && !vm->is_aborted)
		vc__vm_open(vm);
	while (vm->nr_opening > 0 && !vm->is_aborted)
		pthread_cond_wait(&vm->changed, &vm->lock);
	is_going_on = !vm->is_aborted;
	pthread_mutex_unlock(&vm->lock);
	if (is_last) /* not under the lock, which whoever wakes up wants */
		pthread_cond_broadcast(&vm->changed);
	return is_going_on;
}

static void *vcpu_main(void *opaque)
{
	struct vc__vm_cpu *cpu = opaque;
	int r = open_thread(cpu->vm, true, cpu->idx);

	if (r == 0)
		r = vc_vcpu_attach(cpu->vcpu);
	if (r < 0) {
		(void)report_ready(cpu->vm, r, &cpu->start_err);
		return NULL;
	}
	if (report_ready(cpu->vm, 0, &cpu->start_err))
		run_loop(cpu);
	else
		(void)vc_vcpu_detach(cpu->vcpu);
	return NULL;
}

/* Between the two this thread may hold a device's lock: the barrier must not wait for it. */
static void enter_poll(struct vc_vm *vm)
{
	atomic_store_explicit(&vm->poller, pthread_self(), memory_order_relaxed);
}

static void leave_poll(struct vc_vm *vm)
{
	atomic_store_explicit(&vm->poller, 0, memory_order_relaxed);
}

/* Entry 0 is the wake-up; then each device's, whose number is kept for poll_act(). */
static size_t poll_fill(struct vc_vm *vm, struct pollfd *fds, size_t room)
{
	size_t nr = 1;

	enter_poll(vm);
	if (room > 0)
		fds[0] = (struct pollfd){ .fd = vm->wake_fd, .events = POLLIN };
	for (size_t i = 0; i < vm->nr_devices; i++) {
		struct pollfd own[VC_DEVICE_POLLFDS_MAX];
		size_t nr_own = vc_device_pollfds(vm->devices[i].dev, own, VC_DEVICE_POLLFDS_MAX);
		size_t nr_fit = nr >= room ? 0 : room - nr < nr_own ? room - nr : nr_own;

		if (nr_fit > 0)
			memcpy(&fds[nr], own, nr_fit * sizeof(own[0]));
		vm->poll_counts[i] = (uint8_t)nr_fit;
		nr += nr_own;
	}
	leave_poll(vm);
	return nr;
}

static void poll_act(struct vc_vm *vm, const struct pollfd *fds, size_t nr)
{
	size_t at = 1;
	uint64_t count;

	enter_poll(vm);
	if (nr > 0 && fds[0].revents != 0)
		(void)!read(vm->wake_fd, &count, sizeof(count));
	for (size_t i = 0; i < vm->nr_devices && at < nr; i++) {
		size_t nr_own = vm->poll_counts[i];

		if (nr_own > nr - at)
			nr_own = nr - at;
		if (nr_own > 0)
			vc_device_dispatch(vm->devices[i].dev, &fds[at], nr_own);
		at += nr_own;
	}
	leave_poll(vm);
}

/* One round of polling; @timeout_ms as for poll(2). */
static void poll_once(struct vc_vm *vm, struct pollfd *fds, size_t room, int timeout_ms)
{
	size_t nr = poll_fill(vm, fds, room);

	if (poll(fds, (nfds_t)nr, timeout_ms) > 0)
		poll_act(vm, fds, nr);
}

static void *control_main(void *opaque)
{
	struct vc_vm *vm = opaque;
	size_t room = 1 + vm->nr_devices * VC_DEVICE_POLLFDS_MAX;
	int r = open_thread(vm, false, 0);

	if (!report_ready(vm, r, &vm->control_err))
		return NULL;
	/* Acquire: pairs with vc__runner_join(). */
	while (!atomic_load_explicit(&vm->has_control_ended, memory_order_acquire))
		poll_once(vm, vm->control_fds, room, -1);
	poll_once(vm, vm->control_fds, room, 0); /* a last chance for output that is still held */
	return NULL;
}

void vc__vm_wake_poller(void *opaque)
{
	struct vc_vm *vm = opaque;
	uint64_t one = 1;

	(void)!write(vm->wake_fd, &one, sizeof(one)); /* full means: awake already */
}

static bool has_pollable(const struct vc_vm *vm)
{
	for (size_t i = 0; i < vm->nr_devices; i++)
		if (vm->devices[i].dev->ops->pollfds != NULL)
			return true;
	return false;
}

/* A thread with every signal blocked: the embedder's handlers run on the embedder's threads. */
static int make_thread(pthread_t *ret_thread, void *(*main_fn)(void *), void *opaque)
{
	pthread_attr_t attr;
	sigset_t all;
	int r = pthread_attr_init(&attr);

	if (r != 0)
		return r;
	(void)sigfillset(&all);
	r = pthread_attr_setsigmask_np(&attr, &all);
	if (r == 0)
		r = pthread_create(ret_thread, &attr, main_fn, opaque);
	(void)pthread_attr_destroy(&attr);
	return r;
}

static int thread_failed(const struct vc_vm *vm, int err, uint32_t idx)
{
	return vc_error_set(-err, "vm", vm->name,
			    "thread %" PRIu32 " of %" PRIu32 " cannot be made: %s", idx + 1,
			    vm->cfg.nr_vcpus + 1, strerror(err));
}

static int make_threads(struct vc_vm *vm, bool has_control)
{
	int r;

	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		r = make_thread(&vm->cpus[i].thread, vcpu_main, &vm->cpus[i]);
		vm->cpus[i].has_thread = r == 0;
		if (r != 0)
			return thread_failed(vm, r, i);
	}
	r = has_control ? make_thread(&vm->control, control_main, vm) : 0;
	vm->has_control = has_control && r == 0;
	return r == 0 ? 0 : thread_failed(vm, r, vm->cfg.nr_vcpus);
}

/* The thread's own message stayed with it; what can be told apart is told again. */
static const char *start_reason(const struct vc_vm *vm, uint32_t idx)
{
	int err = vm->cpus[idx].start_err;

	if (err == -EINVAL && vm->affinity != NULL && vm->has_affinity[idx])
		return "its affinity mask names no CPU of this host, or its hook refused";
	return strerror(-err);
}

/* The first thread that failed its hook, affinity or attachment. */
static int find_start_error(struct vc_vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++)
		if (vm->cpus[i].start_err < 0)
			return vc_error_set(vm->cpus[i].start_err, "vm", vm->name,
					    "the thread of cpu%" PRIu32 " did not start: %s", i,
					    start_reason(vm, i));
	if (vm->control_err < 0)
		return vc_error_set(vm->control_err, "vm", vm->name,
				    "the control thread did not start: %s",
				    strerror(-vm->control_err));
	return 0;
}

int vc__runner_start(struct vc_vm *vm)
{
	bool has_control = vm->cfg.runner == VC_RUNNER_THREADS && has_pollable(vm);
	bool is_aborted;
	int r;

	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++)
		vm->cpus[i].start_err = 0;
	vm->control_err = 0;
	vm->is_aborted = false;
	vm->nr_opening = vm->cfg.nr_vcpus + has_control;
	r = make_threads(vm, has_control);

	pthread_mutex_lock(&vm->lock);
	vm->is_aborted |= r < 0;
	while (vm->nr_opening > 0 && !vm->is_aborted)
		pthread_cond_wait(&vm->changed, &vm->lock);
	is_aborted = vm->is_aborted;
	pthread_mutex_unlock(&vm->lock);
	if (!is_aborted)
		return 0;
	pthread_cond_broadcast(&vm->changed);
	vc__runner_join(vm);
	return r < 0 ? r : find_start_error(vm);
}

void vc__runner_join(struct vc_vm *vm)
{
	for (uint32_t i = 0; vm->cpus != NULL && i < vm->cfg.nr_vcpus; i++) {
		if (vm->cpus[i].has_thread)
			pthread_join(vm->cpus[i].thread, NULL);
		vm->cpus[i].has_thread = false;
	}
	if (!vm->has_control)
		return;
	/* Release: pairs with control_main(). */
	atomic_store_explicit(&vm->has_control_ended, true, memory_order_release);
	vc__vm_wake_poller(vm);
	pthread_join(vm->control, NULL);
	vm->has_control = false;
	atomic_store_explicit(&vm->has_control_ended, false, memory_order_relaxed);
}

/* Marks the vCPU as run by the calling thread. */
static int enter_loop(struct vc_vm *vm, struct vc__vm_cpu *cpu)
{
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (vm->state != VC_VM_RUNNING && vm->state != VC_VM_PAUSED)
		r = vc_error_set(-EBUSY, "vm", vm->name, "cannot run a vCPU: the VM is %s",
				 vc_vm_state_name(vm->state));
	else if (cpu->in_loop)
		r = vc_error_set(-EBUSY, "vm", vm->name, "cpu%" PRIu32 " is run by another thread",
				 cpu->idx);
	if (r == 0) {
		cpu->thread = pthread_self();
		cpu->in_loop = true;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vc_vm_run_vcpu(struct vc_vm *vm, uint32_t idx)
{
	int r;

	if (vm == NULL || idx >= vm->cfg.nr_vcpus || vm->cfg.runner != VC_RUNNER_CALLER)
		return vc_error_set(-EINVAL, "vm", vm ? vm->name : NULL,
				    "no vCPU %" PRIu32 " that a caller's thread could run", idx);
	if (vc_vm_get_state(vm) == VC_VM_STOPPED)
		return 0;
	if (vm->cpus == NULL)
		return vc_error_set(-EBUSY, "vm", vm->name, "cannot run a vCPU: the VM is new");
	r = enter_loop(vm, &vm->cpus[idx]);
	if (r < 0)
		return vc_vm_get_state(vm) == VC_VM_STOPPED ? 0 : r;
	r = vc_vcpu_attach(vm->cpus[idx].vcpu);
	if (r < 0) {
		pthread_mutex_lock(&vm->lock);
		vm->cpus[idx].in_loop = false;
		pthread_cond_broadcast(&vm->changed);
		pthread_mutex_unlock(&vm->lock);
		return r;
	}
	run_loop(&vm->cpus[idx]);
	return 0;
}

static int check_poller(const struct vc_vm *vm)
{
	if (vm == NULL || vm->cfg.runner == VC_RUNNER_THREADS)
		return vc_error_set(-EINVAL, "vm", vm ? vm->name : NULL,
				    "a VM with VC_RUNNER_THREADS is not polled by its caller");
	if (vm->cpus == NULL)
		return vc_error_set(-EBUSY, "vm", vm->name, "nothing to poll: the VM is new");
	return 0;
}

int vc_vm_pollfds(struct vc_vm *vm, struct pollfd *fds, size_t nr)
{
	int r = check_poller(vm);

	if (r == 0 && fds == NULL && nr != 0)
		r = vc_error_set(-EINVAL, "vm", vm->name, "no room for %zu entries", nr);
	return r < 0 ? r : (int)poll_fill(vm, fds, nr);
}

int vc_vm_dispatch(struct vc_vm *vm, const struct pollfd *fds, size_t nr)
{
	int r = check_poller(vm);

	if (r == 0 && fds == NULL && nr != 0)
		r = vc_error_set(-EINVAL, "vm", vm->name, "no entries given, %zu promised", nr);
	if (r < 0)
		return r;
	poll_act(vm, fds, nr);
	return 0;
}
