/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose threads a virtual machine runs on: the default runner's, or the embedder's own, who then
 * calls the functions below from its threads and its poll(2) loop.
 */
#ifndef LIBVIRTCORE_RUNNER_H
#define LIBVIRTCORE_RUNNER_H

#include <libvirtcore/types.h>

#include <poll.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_vm;

/* Who runs vCPUs and polls streams. */
enum vc_runner {
	VC_RUNNER_THREADS = 0, /* one thread a vCPU and one that polls, made by vc_vm_start() */
	VC_RUNNER_CALLER = 1,  /* the embedder calls vc_vm_run_vcpu() and vc_vm_dispatch() */
	VC_RUNNER_VCPUS = 2,   /* one thread a vCPU; the embedder calls vc_vm_dispatch() */
};

/* A thread that the default runner starts; the hook runs on it once name and affinity are set. */
struct vc_thread_info {
	const char *name; /* "vm/cpu0", "vm/ctl"; also the thread's comm, cut at 15 bytes */
	bool is_vcpu;
	uint32_t idx; /* vCPU index */
};

/**
 * vc_vm_run_vcpu() - run one vCPU on the calling thread, exits handled, until the VM stops.
 * @vm: RUNNING or PAUSED (parked until resumed), with VC_RUNNER_CALLER.
 * @idx: vCPU, run by no other thread.
 * Context: becomes the vcpu thread; blocks.
 * Returns: 0 when the VM is STOPPED, or -EBUSY (state, or runs elsewhere), -EINVAL (idx, runner).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_run_vcpu(struct vc_vm *vm, uint32_t idx);

/**
 * vc_vm_pollfds() - descriptors of streams and timers to poll.
 * @vm: BUILT or later, with VC_RUNNER_CALLER or VC_RUNNER_VCPUS.
 * @fds: filled; may be NULL when @nr is 0.
 * @nr: length of @fds.
 * Context: polling thread; does not block. Ask again before every poll(2).
 * Returns: entries needed (may exceed @nr, then the rest is left out), or -EINVAL, -EBUSY.
 * Spec: [poll(2)]   Since: 0.1
 */
VC_API int vc_vm_pollfds(struct vc_vm *vm, struct pollfd *fds, size_t nr);

/**
 * vc_vm_dispatch() - act on what poll(2) found.
 * @vm: BUILT or later, with VC_RUNNER_CALLER or VC_RUNNER_VCPUS. Output that a slow peer had not
 *        taken when the VM stopped goes out only by further rounds.
 * @fds: as filled by vc_vm_pollfds(), with revents.
 * @nr: their number.
 * Context: polling thread; does not block.
 * Returns: 0, or -EINVAL, -EBUSY.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_dispatch(struct vc_vm *vm, const struct pollfd *fds, size_t nr);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_RUNNER_H */
