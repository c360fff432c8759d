/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM vCPUs: creation, entry, exits put into the library's words, kicks. Runs on the vCPU's thread;
 * vc__kvm_vcpu_wake() on any. The kick signal stays blocked in the thread and is opened by KVM_RUN
 * alone (KVM_SET_SIGNAL_MASK): it interrupts the guest and is taken back here, so no handler exists
 * and its disposition does not matter. immediate_exit is written by the vCPU's thread only. Leaves
 * out what an exit means and who may call what when (vcpu.c). [KVM 5 kvm_run]
 */
#include "kvm.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

/* The kernel's signal set; sizeof(sigset_t) of the C library is another. */
#define KERNEL_SIGSET_BYTES 8u

/* KVM_EXIT_MEMORY_FAULT, younger than the headers of the oldest system supported. */
#define EXIT_MEMORY_FAULT 39u

int vc__kvm_vcpu_create(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);
	struct vc__kvm_partition *partition = vc__kvm_partition(vcpu->partition);
	size_t bytes = vc__kvm_host(vcpu->partition->host)->run_bytes;
	int r;

	kvm->fd = ioctl(partition->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->apic_id);
	if (kvm->fd < 0)
		return vc__kvm_fail(vcpu->partition, "KVM_CREATE_VCPU");
	void *run = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, kvm->fd, 0);
	if (run == MAP_FAILED)
		return vc__kvm_fail(vcpu->partition, "mapping of kvm_run");
	kvm->run = run;
	if (vcpu->partition->dirty_ring_entries && (r = vc__kvm_ring_map(vcpu)) < 0)
		return r;
	return nr ? vc__kvm_vcpu_cpuid(vcpu, leaves, nr) : 0;
}

void vc__kvm_vcpu_destroy(struct vc_vcpu *vcpu)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);

	/* mappings first: each holds the whole VM in the kernel, with or without the fd */
	vc__kvm_ring_unmap(vcpu);
	if (kvm->run)
		munmap(kvm->run, vc__kvm_host(vcpu->partition->host)->run_bytes);
	if (kvm->fd >= 0)
		close(kvm->fd);
}

static uint64_t signal_bit(const struct vc_vcpu *vcpu)
{
	return 1ull << (vcpu->partition->kick_signal - 1);
}

/* Takes back kicks that were sent to this thread. Real-time signals queue: all of them. */
static void drain(const struct vc_vcpu *vcpu)
{
	uint64_t set = signal_bit(vcpu);
	struct timespec zero = { 0 };

	while (syscall(SYS_rt_sigtimedwait, &set, NULL, &zero, KERNEL_SIGSET_BYTES) > 0)
		;
}

static int unbind(struct vc__kvm_vcpu *kvm)
{
	uint64_t set = signal_bit(&kvm->vcpu);

	/* without an argument KVM_RUN uses the mask of whoever calls it */
	(void)ioctl(kvm->fd, KVM_SET_SIGNAL_MASK, NULL);
	drain(&kvm->vcpu);
	if (!kvm->was_blocked)
		(void)syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, KERNEL_SIGSET_BYTES);
	return 0;
}

int vc__kvm_vcpu_bind(struct vc_vcpu *vcpu, bool is_on)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);
	uint64_t set = signal_bit(vcpu), old;
	union {
		struct kvm_signal_mask head;
		uint8_t room[sizeof(struct kvm_signal_mask) + KERNEL_SIGSET_BYTES];
	} mask = { .head.len = KERNEL_SIGSET_BYTES };

	if (!is_on)
		return unbind(kvm);
	/* by hand: the C library would leave out signals that it keeps for itself */
	if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, KERNEL_SIGSET_BYTES) < 0)
		return vc__kvm_fail(vcpu->partition, "rt_sigprocmask");
	kvm->was_blocked = old & set;
	kvm->pid = getpid();
	kvm->tid = (int)syscall(SYS_gettid);
	old &= ~set;
	memcpy(mask.head.sigset, &old, sizeof(old));
	if (ioctl(kvm->fd, KVM_SET_SIGNAL_MASK, &mask) < 0) {
		int r = vc__kvm_fail(vcpu->partition, "KVM_SET_SIGNAL_MASK");

		unbind(kvm);
		return r;
	}
	return 0;
}

void vc__kvm_vcpu_wake(struct vc_vcpu *vcpu)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);

	/*
	 * EAGAIN: the user's queue of real-time signals is full of somebody else's. Until there is
	 * room the kick must not be given up, unless the run has ended by itself.
	 */
	while (syscall(SYS_tgkill, kvm->pid, kvm->tid, vcpu->partition->kick_signal) < 0 &&
	       errno == EAGAIN && atomic_load(&vcpu->state) & VC__VCPU_IN_RUN)
		sched_yield();
}

static int exit_pio(struct kvm_run *run, struct vc_exit *exit)
{
	*exit = (struct vc_exit){
		.kind = VC_EXIT_PIO,
		.size = run->io.size,
		.is_write = run->io.direction == KVM_EXIT_IO_OUT,
		.count = run->io.count,
		.addr = run->io.port,
		.data = (uint8_t *)run + run->io.data_offset,
	};
	return 0;
}

static int exit_mmio(struct kvm_run *run, struct vc_exit *exit)
{
	*exit = (struct vc_exit){
		.kind = VC_EXIT_MMIO,
		.size = (uint8_t)run->mmio.len,
		.is_write = run->mmio.is_write,
		.count = 1,
		.addr = run->mmio.phys_addr,
		.data = run->mmio.data,
	};
	return 0;
}

static int exit_msr(struct kvm_run *run, struct vc_exit *exit)
{
	*exit = (struct vc_exit){
		.kind = VC_EXIT_MSR,
		.size = 8,
		.is_write = run->exit_reason == KVM_EXIT_X86_WRMSR,
		.refuse = &run->msr.error,
		.count = 1,
		.addr = run->msr.index,
		.data = &run->msr.data,
	};
	return 0;
}

static void exit_system_event(const struct kvm_run *run, struct vc_exit *exit)
{
	static const enum vc_exit_kind kinds[] = {
		[KVM_SYSTEM_EVENT_SHUTDOWN] = VC_EXIT_POWER_OFF,
		[KVM_SYSTEM_EVENT_RESET] = VC_EXIT_RESET,
		[KVM_SYSTEM_EVENT_CRASH] = VC_EXIT_CRASH,
	};
	uint32_t type = run->system_event.type;

	exit->code = type;
	if (type >= KVM_SYSTEM_EVENT_SHUTDOWN && type <= KVM_SYSTEM_EVENT_CRASH)
		exit->kind = kinds[type];
}

/* Exits that are not on anybody's fast path. */
static int exit_rare(struct kvm_run *run, struct vc_exit *exit)
{
	*exit = (struct vc_exit){ .kind = VC_EXIT_UNKNOWN, .count = 1, .code = run->exit_reason };
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		exit->kind = VC_EXIT_SHUTDOWN;
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(run, exit);
		break;
	case KVM_EXIT_HYPERCALL:
		exit->kind = VC_EXIT_HYPERCALL;
		exit->size = 8;
		exit->addr = run->hypercall.nr;
		exit->data = run->hypercall.args;
		break;
	case KVM_EXIT_DEBUG:
		exit->kind = VC_EXIT_DEBUG;
		exit->addr = run->debug.arch.pc;
		exit->code = run->debug.arch.exception;
		break;
	case KVM_EXIT_DIRTY_RING_FULL:
		exit->kind = VC_EXIT_DIRTY_FULL;
		break;
	case KVM_EXIT_FAIL_ENTRY:
		exit->kind = VC_EXIT_FAIL_ENTRY;
		exit->code = run->fail_entry.hardware_entry_failure_reason;
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit->kind = VC_EXIT_INTERNAL_ERROR;
		exit->code = run->internal.suberror;
		break;
	}
	return 0;
}

static int translate(struct kvm_run *run, struct vc_exit *exit)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return exit_pio(run, exit);
	case KVM_EXIT_MMIO:
		return exit_mmio(run, exit);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		return exit_msr(run, exit);
	case KVM_EXIT_HLT:
		*exit = (struct vc_exit){ .kind = VC_EXIT_HALT, .count = 1 };
		return 0;
	case KVM_EXIT_IOAPIC_EOI:
		*exit = (struct vc_exit){
			.kind = VC_EXIT_IOAPIC_EOI,
			.count = 1,
			.addr = run->eoi.vector,
		};
		return 0;
	default:
		return exit_rare(run, exit);
	}
}

/* KVM_RUN failed with @err. */
static int run_failed(struct vc__kvm_vcpu *kvm, int err)
{
	struct vc_exit *exit = &kvm->vcpu.exit;
	uint64_t gpa = ~0ull;
	char what[48];

	switch (err) {
	case EFAULT:
	case EHWPOISON:
		/* since Linux 6.8 the page that could not be had is named: flags, gpa, size */
		if (kvm->run->exit_reason == EXIT_MEMORY_FAULT)
			memcpy(&gpa, &kvm->run->padding[8], sizeof(gpa));
		*exit = (struct vc_exit){
			.kind = VC_EXIT_MEMORY_FAULT,
			.count = 1,
			.addr = gpa,
			.code = (uint64_t)err,
		};
		return 0;
	}
	errno = err;
	snprintf(what, sizeof(what), "vCPU %u: KVM_RUN", kvm->vcpu.idx);
	return vc__kvm_fail(kvm->vcpu.partition, what);
}

int vc__kvm_vcpu_run(struct vc_vcpu *vcpu, bool is_immediate)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);
	struct kvm_run *run = kvm->run;
	int r;

	if (vcpu->is_pending && vcpu->exit.kind == VC_EXIT_HYPERCALL)
		run->hypercall.ret = run->hypercall.args[0];
	run->immediate_exit = is_immediate;
	/* EAGAIN: the vCPU has just been started by another one */
	do
		r = ioctl(kvm->fd, KVM_RUN, 0);
	while (r < 0 && errno == EAGAIN);
	if (r == 0 && run->exit_reason == KVM_EXIT_DIRTY_RING_FULL &&
	    (r = vc__kvm_ring_full(vcpu)) < 0)
		return r;
	if (r == 0)
		return translate(run, &vcpu->exit);
	if (errno != EINTR)
		return run_failed(kvm, errno);
	drain(vcpu);
	return -EINTR;
}
