/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of the start-up figures: the least that a program can do with KVM's own interface for one
 * vCPU, 128 MiB, irqchip, PIT, and CPUID as the host has it. Its guest is one `out`, at which the
 * program ends. The order of the calls is the best known: memory before irqchip before vCPU, because
 * a slot placed later waits for the kernel's grace period.
 * usage: floor_kvm
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define RAM_BYTES  (128u << 20)
#define MAX_LEAVES 128

static const uint8_t guest[] = { 0xb0, '!', 0xe6, 0xf4, 0xf4 }; /* mov $'!', %al; out %al, $0xf4 */

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 leaves[MAX_LEAVES];
};

static int call(int fd, unsigned long request, void *arg, const char *name)
{
	int r = ioctl(fd, request, arg);

	if (r < 0)
		err(1, "%s", name);
	return r;
}

static void *map(size_t len, int flags, int fd)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* Real mode at 0. */
static void set_registers(int vcpu)
{
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;

	call(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	call(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	call(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

int main(void)
{
	struct kvm_userspace_memory_region slot = { .memory_size = RAM_BYTES };
	struct kvm_pit_config pit = { .flags = 0 };
	static struct cpuid cpuid;

	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	int vm = call(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	uint8_t *ram = map(RAM_BYTES, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	memcpy(ram, guest, sizeof(guest));
	slot.userspace_addr = (uintptr_t)ram;
	call(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
	call(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	call(vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	int vcpu = call(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	int len = call(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	const struct kvm_run *run = map((size_t)len, MAP_SHARED, vcpu);

	cpuid.head.nent = MAX_LEAVES;
	call(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid, "KVM_GET_SUPPORTED_CPUID");
	call(vcpu, KVM_SET_CPUID2, &cpuid, "KVM_SET_CPUID2");
	set_registers(vcpu);
	call(vcpu, KVM_RUN, NULL, "KVM_RUN");
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != 0xf4)
		errx(1, "exit reason %u, expected an out to port 0xf4", run->exit_reason);
	return 0;
}
