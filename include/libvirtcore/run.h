/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a virtual machine that vm.h assembled: life cycle, events, statistics, state, and the
 * calls by which a program runs vCPUs and polls streams on its own threads.
 */
#ifndef LIBVIRTCORE_RUN_H
#define LIBVIRTCORE_RUN_H

#include <libvirtcore/vcpu.h>
#include <libvirtcore/vcpu_state.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_mem;
struct vc_partition;
struct vc_state_reader;
struct vc_state_writer;
struct vc_vm;

enum vc_vm_state {
	VC_VM_NEW = 0,
	VC_VM_BUILT = 1,
	VC_VM_RUNNING = 2,
	VC_VM_PAUSED = 3,
	VC_VM_STOPPED = 4,
};

/**
 * vc_vm_get_state() - tell where a VM stands.
 * @vm: the VM.
 * Context: any thread; does not block.
 * Returns: the state.
 * Spec: none.   Since: 0.1
 */
VC_API enum vc_vm_state vc_vm_get_state(const struct vc_vm *vm);

/**
 * vc_vm_state_name() - "new", "built", "running", "paused", "stopped".
 * @state: the state.
 * Context: any thread; does not block.
 * Returns: a static string, "?" for other values.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_vm_state_name(enum vc_vm_state state);

/**
 * vc_vm_start() - let the guest run.
 * @vm: BUILT; RUNNING afterwards, still BUILT on failure. The runner's threads are made
 *        here, all signals blocked in them; with VC_RUNNER_CALLER vc_vm_run_vcpu() may be called
 *        from now on.
 * Context: control thread; returns when all threads have passed their hook.
 * Returns: 0, or -EBUSY (state, or a load failed), -EAGAIN (threads), -EINVAL (affinity without such
 *          a CPU), or what the hook returned (-ECANCELED when that is above 0).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_start(struct vc_vm *vm);

/**
 * vc_vm_pause() - stop all vCPUs at an instruction boundary, accesses completed.
 * @vm: RUNNING; PAUSED afterwards.
 * Context: control thread; blocks until every vCPU is parked.
 * Returns: 0, or -EBUSY (state; also when the guest stopped meanwhile), -EDEADLK (called on a vCPU
 *          thread, or by a device or stream while it is polled or dispatched).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_pause(struct vc_vm *vm);

/**
 * vc_vm_resume() - go on after a pause.
 * @vm: PAUSED; RUNNING afterwards.
 * Context: control thread; does not block.
 * Returns: 0, or -EBUSY (state).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_resume(struct vc_vm *vm);

/**
 * vc_vm_stop() - end the guest now, as pulling the plug does; vCPUs leave, state stays readable.
 * @vm: BUILT, RUNNING or PAUSED; STOPPED afterwards. In STOPPED nothing happens.
 * Context: control thread; blocks until every vCPU is parked.
 * Returns: 0, or -EBUSY (NEW), -EDEADLK (as vc_vm_pause()).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_stop(struct vc_vm *vm);

/**
 * vc_vm_wait() - wait until the VM has stopped, by itself or by vc_vm_stop().
 * @vm: BUILT or later.
 * @timeout_ms: -1 = for ever.
 * Context: any thread; blocks.
 * Returns: 0, or -ETIMEDOUT, -EBUSY (NEW), -EDEADLK (as vc_vm_pause()), -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_wait(struct vc_vm *vm, int timeout_ms);

enum vc_event_kind {
	VC_EVENT_POWERED_OFF = 1, /* the guest asked for it; the VM is STOPPED */
	VC_EVENT_RESET,		  /* STOPPED, or running again with VC_ON_RESET_REBOOT */
	VC_EVENT_TRIPLE_FAULT,	  /* as RESET, by a triple fault; text explains */
	VC_EVENT_DEBUG_EXIT,	  /* STOPPED; code = value written to the debug-exit port */
	VC_EVENT_PANICKED,	  /* the guest's kernel told so; it may go on or reset */
	VC_EVENT_ERROR,	  /* STOPPED; internal error; err, text: first line of the explanation */
	VC_EVENT_HALTED,  /* STOPPED: every vCPU halted and nothing can wake one (no irqchip) */
	VC_EVENT_STOPPED, /* vc_vm_stop() */
};

struct vc_event {
	size_t size; /* sizeof(struct vc_event), set by the caller */
	enum vc_event_kind kind;
	char object[32]; /* "cpu0", a device's name, "" */
	int err;	 /* -errno, 0 = none */
	uint64_t code;
	uint32_t nr; /* times it happened since it was last read (coalesced), 1 or more */
	char text[160];
};

/**
 * vc_vm_event_fd() - an fd that is readable while events wait; poll it, do not read it.
 * @vm: any state.
 * Context: any thread; does not block.
 * Returns: the fd, owned by the VM, or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_event_fd(const struct vc_vm *vm);

/**
 * vc_vm_next_event() - take the oldest event. At most one of each kind and object waits.
 * @vm: any state.
 * @ret_event: its size set; filled; untouched when there is none.
 * Context: any thread; does not block.
 * Returns: 1, 0 (none), or -EINVAL (NULL, size: the event waits on).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_next_event(struct vc_vm *vm, struct vc_event *ret_event);

/**
 * vc_event_name() - "powered off", "reset", "triple fault", ...
 * @kind: the kind.
 * Context: any thread; does not block.
 * Returns: a static string, "?" for other values.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_event_name(enum vc_event_kind kind);

/**
 * vc_vm_explain() - why the VM stopped by an error or a triple fault, in full.
 * @vm: STOPPED.
 * @fn: called once a line; not at all when there is nothing to explain.
 * @opaque: given to @fn.
 * Context: control thread; opens the disassembler's library at its first use.
 * Returns: lines given, or -EBUSY (not STOPPED), -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_explain(struct vc_vm *vm, vc_text_fn fn, void *opaque);

struct vc_vm_stats {
	size_t size; /* sizeof(struct vc_vm_stats), set by the caller */
	/* of all vCPUs together, as in struct vc_vcpu_stats */
	uint64_t nr_exits[VC_EXIT_MAX];
	uint64_t nr_kicks, nr_signals, guest_ns;
	uint64_t nr_unclaimed_pio, nr_unclaimed_mmio;
	uint64_t nr_resets;
};

/**
 * vc_vm_get_stats() - read a VM's counters.
 * @vm: BUILT or later.
 * @ret_stats: its size set; filled.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size), -EBUSY (NEW).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_get_stats(const struct vc_vm *vm, struct vc_vm_stats *ret_stats);

/**
 * vc_vm_report_stats() - the counters as text, vCPU by vCPU.
 * @vm: BUILT or later.
 * @fn: called once a line.
 * @opaque: given to @fn.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL, -EBUSY (NEW).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_report_stats(const struct vc_vm *vm, vc_text_fn fn, void *opaque);

/**
 * vc_vm_save() - write the state of vCPUs, irqchip, clock and devices; not the content of RAM.
 * @vm: PAUSED.
 * @writer: no section open; afterwards holds one section an object.
 * Context: control thread; does not block.
 * Returns: 0, or -EBUSY (state), -ENOTSUP (back end), -ENOMEM, or what a device answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_save(struct vc_vm *vm, struct vc_state_writer *writer);

/**
 * vc_vm_load() - read back what vc_vm_save() wrote into a VM built the same way; RAM content is the
 * caller's to bring.
 * @vm: BUILT; still BUILT afterwards, also on failure (then only fit to be destroyed or loaded
 *        again).
 * @reader: all sections must be known and read.
 * Context: control thread; does not block.
 * Returns: 0, or -EBUSY (state), -EBADMSG, -ENOENT, -EXDEV, -EPROTONOSUPPORT, -ENOTSUP.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_load(struct vc_vm *vm, struct vc_state_reader *reader);

/**
 * vc_vm_vcpu() - a vCPU, for registers and state while it does not run.
 * @vm: BUILT or later.
 * @idx: 0 to nr_vcpus - 1.
 * Context: any thread; does not block.
 * Returns: the vCPU, borrowed until destroy, or NULL.
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_vcpu *vc_vm_vcpu(const struct vc_vm *vm, uint32_t idx);

/**
 * vc_vm_mem() - the guest-physical map, for slices.
 * @vm: any state; the map is empty and not frozen in NEW, so devices can be made with it.
 * Context: any thread; does not block.
 * Returns: the map, borrowed until destroy, or NULL without a VM.
 * Spec: none.   Since: 0.1
 */
VC_API const struct vc_mem *vc_vm_mem(const struct vc_vm *vm);

/**
 * vc_vm_partition() - the hypervisor's side of the VM, for its dirty log and messages.
 * @vm: BUILT or later.
 * Context: any thread; does not block.
 * Returns: the partition, borrowed until destroy, or NULL in NEW.
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_partition *vc_vm_partition(const struct vc_vm *vm);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_RUN_H */
