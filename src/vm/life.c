/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life cycle: one barrier by which all vCPUs stop, and what is done once they have.
 *
 * Whoever wants the vCPUs to stop sets a bit of `asked` and kicks them all (vc__vm_ask(), any thread,
 * no lock). Each vCPU completes its pending access and parks. The last one to park settles: it stops
 * the VM, resets it, or declares it PAUSED. vCPUs that nobody runs count as parked, so with a
 * caller's threads the control thread may be the one to settle. No vCPU runs while somebody settles.
 */
#include "vm_impl.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define ASK_STOPS \
	(VC__ASK_STOP | VC__ASK_POWER_OFF | VC__ASK_DEBUG_EXIT | VC__ASK_ERROR | VC__ASK_HALTED)
#define ASK_RESETS (VC__ASK_RESET | VC__ASK_TRIPLE_FAULT)

void vc__vm_kick_all(struct vc_vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++)
		(void)vc_vcpu_kick(vm->cpus[i].vcpu);
}

void vc__vm_ask(struct vc_vm *vm, unsigned int what)
{
	/* Release: what the asker recorded is seen by the settler. Pairs with settle(). */
	atomic_fetch_or_explicit(&vm->asked, what, memory_order_release);
	vc__vm_kick_all(vm);
}

static bool is_all_parked(const struct vc_vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++)
		if (vm->cpus[i].in_loop && !vm->cpus[i].is_parked)
			return false;
	return true;
}

static void put_stop_events(struct vc_vm *vm, unsigned int asked)
{
	static const struct {
		unsigned int ask;
		enum vc_event_kind kind;
	} table[] = {
		{ VC__ASK_POWER_OFF, VC_EVENT_POWERED_OFF }, { VC__ASK_RESET, VC_EVENT_RESET },
		{ VC__ASK_DEBUG_EXIT, VC_EVENT_DEBUG_EXIT }, { VC__ASK_HALTED, VC_EVENT_HALTED },
		{ VC__ASK_STOP, VC_EVENT_STOPPED },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct vc_event event = { .kind = table[i].kind };

		if (!(asked & table[i].ask))
			continue;
		if (event.kind == VC_EVENT_DEBUG_EXIT)
			event.code = atomic_load_explicit(&vm->asked_code, memory_order_relaxed);
		vc__events_put_held(vm, &event);
	}
	if (!(asked & (VC__ASK_ERROR | VC__ASK_TRIPLE_FAULT)))
		return;
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vc_event *event = &vm->cpus[i].stop_event;

		if (event->object[0] != '\0')
			vc__events_put_held(vm, event);
		event->object[0] = '\0';
	}
}

/* Everything back to power-on and the kernel loaded again. */
static int reset_machine(struct vc_vm *vm)
{
	int r;

	atomic_fetch_add_explicit(&vm->nr_resets, 1, memory_order_relaxed);
	vc__vm_virtio_pause(vm); /* nobody writes to memory that the kernel is loaded to again */
	for (size_t i = 0; i < vm->nr_devices; i++)
		vc_device_reset(vm->devices[i].dev);
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		r = vc_vcpu_reset(vm->cpus[i].vcpu);
		if (r < 0)
			return r;
		vm->cpus[i].is_halted = false;
		vm->cpus[i].has_fault = false;
	}
	if (vm->cfg.irqchip != VC_IRQCHIP_NONE) {
		r = vc_partition_reset(vm->partition);
		if (r < 0)
			return r;
	}
	r = vc__vm_load_guest(vm, false);
	vc__vm_virtio_resume(vm);
	return r;
}

static void set_state(struct vc_vm *vm, enum vc_vm_state state)
{
	/* Release: who sees the state sees what led to it. Pairs with vc_vm_get_state(). */
	atomic_store_explicit(&vm->state, state, memory_order_release);
}

static void stop_now(struct vc_vm *vm, unsigned int asked)
{
	/* One step for whoever reads events: neither is met without the other. */
	pthread_mutex_lock(&vm->event_lock);
	set_state(vm, VC_VM_STOPPED);
	put_stop_events(vm, asked);
	pthread_mutex_unlock(&vm->event_lock);
}

/*
 * Resets with the lock dropped, because devices are reset under theirs and what they call may ask
 * for the VM's state. Nobody runs meanwhile: `asked` keeps its bits, so vCPUs that come stay parked.
 */
static void reset_and_tell(struct vc_vm *vm, unsigned int asked)
{
	int r;

	vm->is_settling = true;
	pthread_mutex_unlock(&vm->lock);
	r = reset_machine(vm);
	if (r < 0)
		vc__vm_fail(&vm->cpus[0], r, NULL);
	pthread_mutex_lock(&vm->lock);
	vm->is_settling = false;
	/* Release: pairs with vc__vm_cpu_loop(), whose vCPU may have come meanwhile. */
	atomic_fetch_and_explicit(&vm->asked, ~ASK_RESETS, memory_order_release);
	pthread_mutex_lock(&vm->event_lock);
	if (r == 0)
		put_stop_events(vm, asked & ASK_RESETS);
	pthread_mutex_unlock(&vm->event_lock);
}

/*
 * Lock held (dropped on the way), every vCPU parked: do what was asked for. What devices ask of a
 * PAUSED VM waits until it goes on, for its state may be being read.
 */
static void settle(struct vc_vm *vm)
{
	unsigned int asked;

	if (vm->is_settling)
		return; /* another thread is at it and will see what is asked now */
	for (;;) {
		/* Acquire: pairs with vc__vm_ask(). */
		asked = atomic_load_explicit(&vm->asked, memory_order_acquire);
		if (vm->state == VC_VM_STOPPED ||
		    (vm->state == VC_VM_PAUSED && !(asked & VC__ASK_STOP)))
			return;
		if (asked & ASK_STOPS ||
		    (asked & ASK_RESETS && vm->cfg.on_reset == VC_ON_RESET_STOP)) {
			stop_now(vm, asked);
			break;
		}
		if (!(asked & ASK_RESETS)) {
			if (asked & VC__ASK_PAUSE)
				set_state(vm, VC_VM_PAUSED);
			break;
		}
		reset_and_tell(vm, asked);
	}
	pthread_cond_broadcast(&vm->changed);
}

/* Finishes the access of the last exit; one that crosses a page or is a string has several parts. */
static void complete_access(struct vc__vm_cpu *cpu)
{
	struct vc_exit *exit;

	/* A failure on the way is met again by the next run, or by whoever reads the state. */
	while (vc_vcpu_complete(cpu->vcpu) == 1)
		if (vc_vcpu_run(cpu->vcpu, &exit) == 0)
			vc__vm_handle_exit(cpu, exit);
}

/* Parks this vCPU until nothing is asked any more. False: the loop has to end. */
static bool park(struct vc__vm_cpu *cpu)
{
	struct vc_vm *vm = cpu->vm;
	bool is_going_on;

	complete_access(cpu);
	pthread_mutex_lock(&vm->lock);
	cpu->is_parked = true;
	pthread_cond_broadcast(&vm->changed); /* for halted vCPUs */
	for (;;) {
		/* also for what was asked while all were parked */
		if (is_all_parked(vm))
			settle(vm);
		if (vm->state == VC_VM_STOPPED ||
		    atomic_load_explicit(&vm->asked, memory_order_relaxed) == 0)
			break;
		pthread_cond_wait(&vm->changed, &vm->lock);
	}
	is_going_on = vm->state != VC_VM_STOPPED;
	cpu->is_parked = !is_going_on;
	pthread_mutex_unlock(&vm->lock);
	return is_going_on;
}

/* HLT without an irqchip: nothing to run until somebody asks for something. */
static void wait_halted(struct vc__vm_cpu *cpu)
{
	struct vc_vm *vm = cpu->vm;

	pthread_mutex_lock(&vm->lock);
	while (cpu->is_halted && atomic_load_explicit(&vm->asked, memory_order_relaxed) == 0)
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

/* Runs a vCPU that is attached to this thread and marked in_loop until the VM has stopped. */
int vc__vm_cpu_loop(struct vc__vm_cpu *cpu)
{
	struct vc_vm *vm = cpu->vm;
	struct vc_exit *exit;
	int r;

	for (;;) {
		/*
		 * A bit set after this load is followed by a kick, which ends the next run. Acquire:
		 * what was done to the vCPU until a bit was taken back is seen.
		 */
		if (atomic_load_explicit(&vm->asked, memory_order_acquire) != 0) {
			if (!park(cpu))
				return 0;
			continue;
		}
		if (cpu->is_halted) {
			wait_halted(cpu);
			continue;
		}
		r = vc_vcpu_run(cpu->vcpu, &exit);
		if (r < 0)
			vc__vm_fail(cpu, r, NULL);
		else
			vc__vm_handle_exit(cpu, exit);
	}
}

/* A thread that the barrier may be waiting for: a vCPU's, or one inside a device's poll op. */
bool vc__vm_on_own_thread(const struct vc_vm *vm)
{
	if (atomic_load_explicit(&vm->poller, memory_order_relaxed) == pthread_self())
		return true;
	for (uint32_t i = 0; vm->cpus != NULL && i < vm->cfg.nr_vcpus; i++)
		if (vm->cpus[i].in_loop && pthread_equal(vm->cpus[i].thread, pthread_self()))
			return true;
	return false;
}

void vc__vm_open(struct vc_vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++)
		vm->cpus[i].in_loop = vm->cfg.runner != VC_RUNNER_CALLER;
	set_state(vm, VC_VM_RUNNING);
}

static int refuse_state(const struct vc_vm *vm, const char *verb)
{
	return vc_error_set(-EBUSY, "vm", vm->name, "cannot %s: the VM is %s", verb,
			    vc_vm_state_name(vm->state));
}

int vc_vm_request(struct vc_vm *vm, enum vc_request request, uint64_t code)
{
	static const unsigned int asks[] = {
		[VC_REQUEST_POWER_OFF] = VC__ASK_POWER_OFF,
		[VC_REQUEST_RESET] = VC__ASK_RESET,
		[VC_REQUEST_DEBUG_EXIT] = VC__ASK_DEBUG_EXIT,
		[VC_REQUEST_PANICKED] = 0, /* stops nobody */
	};
	struct vc_event panicked = { .kind = VC_EVENT_PANICKED, .code = code };
	enum vc_vm_state state = vc_vm_get_state(vm);

	if (vm == NULL || (unsigned int)request >= sizeof(asks) / sizeof(asks[0]))
		return vc_error_set(-EINVAL, "vm", vm != NULL ? vm->name : NULL,
				    "a VM and a request of 0 to %u are needed, found %d",
				    VC_REQUEST_PANICKED, (int)request);
	if (state == VC_VM_NEW || state == VC_VM_STOPPED)
		return vc_error_set(-EBUSY, "vm", vm->name, "no guest that could ask: the VM is %s",
				    vc_vm_state_name(state));
	if (request == VC_REQUEST_PANICKED) {
		vc__events_put(vm, &panicked);
		return 0;
	}
	if (request == VC_REQUEST_DEBUG_EXIT)
		atomic_store_explicit(&vm->asked_code, code, memory_order_relaxed);
	vc__vm_ask(vm, asks[request]);
	/* A kick wakes no vCPU that waits, halted or parked. */
	pthread_mutex_lock(&vm->lock);
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

int vc_vm_start(struct vc_vm *vm)
{
	int r;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	pthread_mutex_lock(&vm->lock);
	r = vm->state == VC_VM_BUILT ? 0 : refuse_state(vm, "start");
	if (r == 0 && vm->is_half_loaded)
		r = vc_error_set(-EBUSY, "vm", vm->name,
				 "cannot start: a load of its state failed half-way");
	pthread_mutex_unlock(&vm->lock);
	if (r < 0)
		return r;
	vc__vm_virtio_resume(vm); /* after a load */
	if (vm->cfg.runner != VC_RUNNER_CALLER)
		return vc__runner_start(vm);
	pthread_mutex_lock(&vm->lock);
	vc__vm_open(vm);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

/* Asks for @what and waits until the state machine has answered. */
static int ask_and_wait(struct vc_vm *vm, unsigned int what)
{
	if (vc__vm_on_own_thread(vm))
		return vc_error_set(
			-EDEADLK, "vm", vm->name,
			"a vCPU thread, or one inside a device, cannot wait for itself");
	vc__vm_ask(vm, what);
	pthread_cond_broadcast(&vm->changed); /* for halted vCPUs */
	for (;;) {
		if (is_all_parked(vm))
			settle(vm);
		if (vm->state != VC_VM_RUNNING &&
		    (what == VC__ASK_PAUSE || vm->state != VC_VM_PAUSED))
			return 0;
		pthread_cond_wait(&vm->changed, &vm->lock);
	}
}

int vc_vm_pause(struct vc_vm *vm)
{
	int r = 0;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	pthread_mutex_lock(&vm->lock);
	if (vm->state == VC_VM_RUNNING)
		r = ask_and_wait(vm, VC__ASK_PAUSE);
	else
		r = refuse_state(vm, "pause");
	if (r == 0 && vm->state != VC_VM_PAUSED)
		r = refuse_state(vm, "pause");
	pthread_mutex_unlock(&vm->lock);
	if (r == 0)
		vc__vm_virtio_pause(vm);
	return r;
}

int vc_vm_resume(struct vc_vm *vm)
{
	int r = 0;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	if (vc_vm_get_state(vm) == VC_VM_PAUSED)
		vc__vm_virtio_resume(vm);
	pthread_mutex_lock(&vm->lock);
	if (vm->state == VC_VM_PAUSED) {
		set_state(vm, VC_VM_RUNNING);
		/* Release: pairs with vc__vm_cpu_loop(). */
		atomic_fetch_and_explicit(&vm->asked, ~VC__ASK_PAUSE, memory_order_release);
		pthread_cond_broadcast(&vm->changed);
	} else {
		r = refuse_state(vm, "resume");
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vc_vm_stop(struct vc_vm *vm)
{
	int r = 0;

	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	pthread_mutex_lock(&vm->lock);
	switch (atomic_load_explicit(&vm->state, memory_order_relaxed)) {
	case VC_VM_NEW:
		r = refuse_state(vm, "stop");
		break;
	case VC_VM_BUILT:
		stop_now(vm, VC__ASK_STOP);
		pthread_cond_broadcast(&vm->changed);
		break;
	case VC_VM_RUNNING:
	case VC_VM_PAUSED:
		r = ask_and_wait(vm, VC__ASK_STOP);
		break;
	case VC_VM_STOPPED:
		break;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static struct timespec deadline_after(int timeout_ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_ms / 1000;
	at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

int vc_vm_wait(struct vc_vm *vm, int timeout_ms)
{
	struct timespec at;
	int r = 0;

	if (vm == NULL || timeout_ms < -1)
		return vc_error_set(-EINVAL, "vm", vm ? vm->name : NULL,
				    "wait needs a VM and a time of -1 or more, found %d ms",
				    timeout_ms);
	at = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
	pthread_mutex_lock(&vm->lock);
	if (vm->state == VC_VM_NEW)
		r = refuse_state(vm, "wait for");
	else if (vc__vm_on_own_thread(vm))
		r = vc_error_set(-EDEADLK, "vm", vm->name,
				 "a vCPU thread, or one inside a device, cannot wait for itself");
	while (r == 0 && vm->state != VC_VM_STOPPED) {
		if (timeout_ms < 0)
			r = -pthread_cond_wait(&vm->changed, &vm->lock);
		else
			r = -pthread_cond_timedwait(&vm->changed, &vm->lock, &at);
	}
	pthread_mutex_unlock(&vm->lock);
	if (r == -ETIMEDOUT)
		return vc_error_set(r, "vm", vm->name, "has not stopped within %d ms", timeout_ms);
	return r;
}

enum vc_vm_state vc_vm_get_state(const struct vc_vm *vm)
{
	/* Acquire: pairs with set_state(). */
	return vm != NULL ? atomic_load_explicit(&vm->state, memory_order_acquire) : VC_VM_NEW;
}

const char *vc_vm_state_name(enum vc_vm_state state)
{
	switch (state) {
	case VC_VM_NEW:
		return "new";
	case VC_VM_BUILT:
		return "built";
	case VC_VM_RUNNING:
		return "running";
	case VC_VM_PAUSED:
		return "paused";
	case VC_VM_STOPPED:
		return "stopped";
	}
	return "?";
}
