/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM: opening the device, what it can do, and making a VM of it. Control thread, opening on any.
 * The order in vc__kvm_partition_create() is for speed as well: memory slots before the irqchip,
 * because making one lets the next change of slots wait for a grace period of several ms. A guest's
 * user space cannot end its VM: emulation failures at CPL 3 stay the guest's own #UD, so
 * KVM_CAP_EXIT_ON_EMULATION_FAILURE is left off. Leaves out vCPUs, interrupts and the dirty log,
 * which have files of their own. [KVM api.rst]
 */
#include "kvm.h"

#include <libvirtcore/mem.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define API_VERSION 12
#define MIB	    (1ull << 20)

/* Pages that KVM keeps for itself on CPUs which cannot run real mode: identity map and TSS. */
#define PRIVATE_BYTES (4 * 4096ull)
#define PRIVATE_TOP   0xfffc0000ull

#ifndef KVM_CAP_X86_TRIPLE_FAULT_EVENT
#define KVM_CAP_X86_TRIPLE_FAULT_EVENT 218
#endif

int vc__kvm_fail(const struct vc_partition *partition, const char *what)
{
	int err = errno;

	return vc_error_set(-err, "kvm", partition->name, "%s: %s", what, strerrordesc_np(err));
}

/* Finds a group's name without the name service, which a static program cannot use. */
static void find_group(unsigned int gid, char *name, size_t len)
{
	char line[512];
	FILE *file = fopen("/etc/group", "re");

	snprintf(name, len, "%u", gid);
	while (file && fgets(line, sizeof(line), file)) {
		unsigned int found;
		char *colon = strchr(line, ':');

		if (!colon || sscanf(colon, ":%*[^:]:%u:", &found) != 1 || found != gid)
			continue;
		snprintf(name, len, "%.*s", (int)(colon - line), line);
		break;
	}
	if (file)
		fclose(file);
}

static int open_failed(const char *path, int err)
{
	char group[64];
	struct stat st;

	switch (err) {
	case ENOENT:
	case ENXIO:
		return vc_error_set(-ENOENT, "kvm", path,
				    "no such device: KVM is not there (is the module kvm_intel or "
				    "kvm_amd loaded, virtualization on in the firmware?)");
	case EACCES:
	case EPERM:
		if (stat(path, &st) < 0)
			break;
		find_group(st.st_gid, group, sizeof(group));
		return vc_error_set(-EACCES, "kvm", path,
				    "no permission: mode %03o, group %s; this user is not in it",
				    st.st_mode & 0777u, group);
	}
	return vc_error_set(-err, "kvm", path, "cannot be opened: %s", strerrordesc_np(err));
}

static int check(const struct vc__kvm_host *kvm, int extension)
{
	int r = ioctl(kvm->fd, KVM_CHECK_EXTENSION, extension);

	return r > 0 ? r : 0;
}

static void find_caps(struct vc__kvm_host *kvm)
{
	static const struct {
		enum vc_cap cap;
		int extension;
	} plain[] = {
		{ VC_CAP_IRQCHIP, KVM_CAP_IRQCHIP },
		{ VC_CAP_SPLIT_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP },
		{ VC_CAP_PIT, KVM_CAP_PIT2 },
		{ VC_CAP_IRQFD, KVM_CAP_IRQFD },
		{ VC_CAP_IOEVENTFD, KVM_CAP_IOEVENTFD },
		{ VC_CAP_SIGNAL_MSI, KVM_CAP_SIGNAL_MSI },
		{ VC_CAP_READONLY_MEM, KVM_CAP_READONLY_MEM },
		{ VC_CAP_HALT_POLL, KVM_CAP_HALT_POLL },
		{ VC_CAP_SYNC_REGS, KVM_CAP_SYNC_REGS },
		{ VC_CAP_TSC_CONTROL, KVM_CAP_VM_TSC_CONTROL },
	};
	static const int state[] = {
		KVM_CAP_XSAVE,	      KVM_CAP_XCRS,	KVM_CAP_VCPU_EVENTS, KVM_CAP_DEBUGREGS,
		KVM_CAP_ADJUST_CLOCK, KVM_CAP_MP_STATE, KVM_CAP_PIT_STATE2,
	};
	uint64_t caps =
		1ull << VC_CAP_DIRTY_LOG | 1ull << VC_CAP_PINNABLE_MEM | 1ull << VC_CAP_STATE;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (check(kvm, plain[i].extension))
			caps |= 1ull << plain[i].cap;
	}
	for (size_t i = 0; i < sizeof(state) / sizeof(state[0]); i++) {
		if (!check(kvm, state[i]))
			caps &= ~(1ull << VC_CAP_STATE);
	}
	if ((check(kvm, KVM_CAP_X2APIC_API) & 3) == 3)
		caps |= 1ull << VC_CAP_X2APIC_IDS;
	if (check(kvm, KVM_CAP_X86_MSR_FILTER) && check(kvm, KVM_CAP_X86_USER_SPACE_MSR))
		caps |= 1ull << VC_CAP_MSR_FILTER;
	/* x86 orders memory strongly: the old name of the ring means the same here */
	int ring_bytes = check(kvm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
	kvm->is_ring_acq_rel = ring_bytes > 0;
	ring_bytes = ring_bytes ? ring_bytes : check(kvm, KVM_CAP_DIRTY_LOG_RING);
	if (ring_bytes)
		caps |= 1ull << VC_CAP_DIRTY_RING;
	kvm->host.limits[VC_LIMIT_DIRTY_RING_ENTRIES] =
		(uint64_t)ring_bytes / sizeof(struct kvm_dirty_gfn);
	kvm->host.caps = caps;
	kvm->host.late_caps[VC__TABLE_CPUID] = 1ull << VC_CAP_NESTED | 1ull << VC_CAP_STEAL_TIME;
	kvm->host.late_caps[VC__TABLE_CPU] = 1ull << VC_CAP_HARDWARE;
}

static void find_limits(struct vc__kvm_host *kvm)
{
	uint64_t *limits = kvm->host.limits;
	int vcpus = check(kvm, KVM_CAP_MAX_VCPUS);
	int ids = check(kvm, KVM_CAP_MAX_VCPU_ID);

	limits[VC_LIMIT_VCPUS] = vcpus ? (uint64_t)vcpus : 4; /* [KVM 4.7: 4 when unknown] */
	limits[VC_LIMIT_VCPU_ID] = ids ? (uint64_t)ids : limits[VC_LIMIT_VCPUS];
	limits[VC_LIMIT_MEM_SLOTS] = (uint64_t)check(kvm, KVM_CAP_NR_MEMSLOTS);
	/* [linux kvm_host.h KVM_MEM_MAX_NR_PAGES] */
	limits[VC_LIMIT_SLOT_BYTES] = ((1ull << 31) - 1) * 4096;
	kvm->has_max_vcpu_id = ids > 0;
}

static int kvm_host_open(struct vc_host *host, const struct vc_host_config *cfg)
{
	struct vc__kvm_host *kvm = vc__kvm_host(host);
	const char *path = cfg->device ? cfg->device : "/dev/kvm";

	kvm->fd = open(path, O_RDWR | O_CLOEXEC);
	if (kvm->fd < 0)
		return open_failed(path, errno);
	int version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return vc_error_set(-ENODEV, "kvm", path, "does not answer as KVM does");
	if (version != API_VERSION)
		return vc_error_set(-ENODEV, "kvm", path, "API version %d, expected %d", version,
				    API_VERSION);
	int bytes = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (bytes < (int)sizeof(struct kvm_run) || !check(kvm, KVM_CAP_IMMEDIATE_EXIT) ||
	    !check(kvm, KVM_CAP_USER_MEMORY) || !check(kvm, KVM_CAP_SET_TSS_ADDR))
		return vc_error_set(-ENODEV, "kvm", path, "too old: no immediate exit");
	kvm->run_bytes = (uint32_t)bytes;
	find_caps(kvm);
	find_limits(kvm);
	kvm->has_manual_protect = check(kvm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & 1;
	kvm->has_xsave2 = check(kvm, KVM_CAP_XSAVE2);
	kvm->has_exception_payload = check(kvm, KVM_CAP_EXCEPTION_PAYLOAD);
	kvm->has_triple_fault = check(kvm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	return 0;
}

static void kvm_host_close(struct vc_host *host)
{
	if (vc__kvm_host(host)->fd >= 0)
		close(vc__kvm_host(host)->fd);
}

static int enable(struct vc__kvm_partition *kvm, uint32_t cap, uint64_t arg, const char *what)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	if (ioctl(kvm->fd, KVM_ENABLE_CAP, &enable) < 0)
		return vc__kvm_fail(&kvm->partition, what);
	return 0;
}

static int filter_msrs(struct vc__kvm_partition *kvm, const struct vc_partition_config *cfg)
{
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	uint32_t longest = 0;

	for (size_t i = 0; i < cfg->nr_msr_exits; i++) {
		const struct vc_msr_range *range = &cfg->msr_exits[i];

		longest = range->nr > longest ? range->nr : longest;
		filter.ranges[i].flags = (range->reads ? KVM_MSR_FILTER_READ : 0u) |
					 (range->writes ? KVM_MSR_FILTER_WRITE : 0u);
		filter.ranges[i].base = range->first;
		filter.ranges[i].nmsrs = range->nr;
	}
	/* one bitmap of zeros serves all: 0 = not allowed in the kernel, so it exits */
	vc_auto_free uint8_t *zeros = calloc(1, (longest + 63) / 64 * 8);
	if (!zeros)
		return vc__no_memory(kvm->partition.name, "the filter of MSRs");
	for (size_t i = 0; i < cfg->nr_msr_exits; i++)
		filter.ranges[i].bitmap = zeros;
	int r = enable(kvm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER, "MSR exits");
	if (r < 0)
		return r;
	if (ioctl(kvm->fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return vc__kvm_fail(&kvm->partition, "KVM_X86_SET_MSR_FILTER");
	return 0;
}

static int set_tsc(struct vc__kvm_partition *kvm, uint32_t khz)
{
	int host_khz = ioctl(kvm->fd, KVM_GET_TSC_KHZ, 0);

	if (host_khz > 0 && (uint32_t)host_khz == khz)
		return 0;
	if (!vc_host_has(kvm->partition.host, VC_CAP_TSC_CONTROL))
		return vc_error_set(-ENOTSUP, "kvm", kvm->partition.name,
				    "TSC of %u kHz: the host's runs at %d and has no tsc-control",
				    khz, host_khz);
	if (ioctl(kvm->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) < 0)
		return vc__kvm_fail(&kvm->partition, "KVM_SET_TSC_KHZ");
	return 0;
}

static int set_dirty(struct vc__kvm_partition *kvm, uint32_t ring_entries)
{
	struct vc__kvm_host *host = vc__kvm_host(kvm->partition.host);

	if (ring_entries)
		return enable(kvm,
			      host->is_ring_acq_rel ? KVM_CAP_DIRTY_LOG_RING_ACQ_REL
						    : KVM_CAP_DIRTY_LOG_RING,
			      (uint64_t)ring_entries * sizeof(struct kvm_dirty_gfn), "dirty ring");
	kvm->is_manual = host->has_manual_protect;
	if (!kvm->is_manual)
		return 0;
	return enable(kvm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
		      "manual protection of dirty pages");
}

/* What must be said before there is a vCPU. */
static int set_options(struct vc__kvm_partition *kvm, const struct vc_partition_config *cfg)
{
	struct vc__kvm_host *host = vc__kvm_host(kvm->partition.host);
	uint64_t max_ids = host->host.limits[VC_LIMIT_VCPU_ID];
	int r = 0;

	/* each level of a topology is rounded up to a power of two: below twice, three times */
	if (host->has_max_vcpu_id && 8ull * cfg->max_vcpus < max_ids)
		r = enable(kvm, KVM_CAP_MAX_VCPU_ID, 8ull * cfg->max_vcpus, "highest vCPU id");
	/* without it ids above 254 are cut off without a word */
	if (r == 0 && cfg->irqchip != VC_IRQCHIP_NONE &&
	    vc_host_has(&host->host, VC_CAP_X2APIC_IDS))
		r = enable(kvm, KVM_CAP_X2APIC_API,
			   KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
			   "x2APIC ids");
	if (r == 0 && host->has_exception_payload)
		r = enable(kvm, KVM_CAP_EXCEPTION_PAYLOAD, 1, "exception payloads");
	if (r == 0 && host->has_triple_fault)
		r = enable(kvm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1, "triple faults as state");
	if (r == 0 && cfg->halt_poll_ns)
		r = enable(kvm, KVM_CAP_HALT_POLL,
			   cfg->halt_poll_ns < 0 ? 0 : (uint64_t)cfg->halt_poll_ns, "halt poll");
	if (r == 0)
		r = set_dirty(kvm, cfg->dirty_ring_entries);
	if (r == 0 && cfg->nr_msr_exits)
		r = filter_msrs(kvm, cfg);
	if (r == 0 && cfg->tsc_khz)
		r = set_tsc(kvm, cfg->tsc_khz);
	return r;
}

/* KVM's own pages go where no memory is: below the firmware's place, lower if that is taken. */
static int place_private(struct vc__kvm_partition *kvm)
{
	uint64_t at = PRIVATE_TOP - PRIVATE_BYTES;
	struct vc_mem_range range = { .size = sizeof(range) };
	size_t nr = 0;

	while (vc_mem_range(kvm->partition.mem, nr, &range) == 0)
		nr++;
	/* ranges are sorted, so one pass downwards finds the highest gap */
	while (nr-- > 0) {
		if (vc_mem_range(kvm->partition.mem, nr, &range) < 0)
			break;
		if (range.gpa >= at + PRIVATE_BYTES || range.gpa + range.len_bytes <= at)
			continue;
		if (range.gpa < PRIVATE_BYTES + MIB) {
			vc_log_write(kvm->partition.log, VC_LOG_WARNING, "kvm", kvm->partition.name,
				     "memory leaves no 16 KiB below 4 GiB: a CPU without "
				     "unrestricted guests cannot run real mode");
			return 0;
		}
		at = (range.gpa & ~4095ull) - PRIVATE_BYTES;
	}
	uint64_t identity = at;
	if (ioctl(kvm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return vc__kvm_fail(&kvm->partition, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(kvm->fd, KVM_SET_TSS_ADDR, (unsigned long)(at + 4096)) < 0)
		return vc__kvm_fail(&kvm->partition, "KVM_SET_TSS_ADDR");
	return 0;
}

int vc__kvm_slot_set(struct vc_partition *partition, size_t idx, bool is_logged)
{
	struct vc_mem_range range = { .size = sizeof(range) };
	void *hva = NULL;
	int r = vc_mem_range(partition->mem, idx, &range);

	if (r == 0)
		r = vc_mem_backing(partition->mem, idx, &hva);
	if (r < 0)
		return r;
	struct kvm_userspace_memory_region slot = {
		.slot = (uint32_t)idx,
		.flags = (range.flags & VC_REGION_READONLY ? KVM_MEM_READONLY : 0u) |
			 (is_logged ? KVM_MEM_LOG_DIRTY_PAGES : 0u),
		.guest_phys_addr = range.gpa,
		.memory_size = range.len_bytes,
		.userspace_addr = (uintptr_t)hva,
	};
	if (ioctl(vc__kvm_partition(partition)->fd, KVM_SET_USER_MEMORY_REGION, &slot) == 0)
		return 0;
	int err = errno;
	return vc_error_set(-err, "kvm", partition->name, "range %s at %#llx, %llu bytes: %s",
			    range.name, (unsigned long long)range.gpa,
			    (unsigned long long)range.len_bytes, strerrordesc_np(err));
}

static int create_irqchip(struct vc__kvm_partition *kvm, const struct vc_partition_config *cfg)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int r = 0;

	if (cfg->irqchip == VC_IRQCHIP_NONE)
		return 0;
	if (cfg->irqchip == VC_IRQCHIP_SPLIT)
		r = enable(kvm, KVM_CAP_SPLIT_IRQCHIP, VC__IOAPIC_PINS, "split irqchip");
	else if (ioctl(kvm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		r = vc__kvm_fail(&kvm->partition, "KVM_CREATE_IRQCHIP");
	if (r == 0 && cfg->has_pit && ioctl(kvm->fd, KVM_CREATE_PIT2, &pit) < 0)
		r = vc__kvm_fail(&kvm->partition, "KVM_CREATE_PIT2");
	return r;
}

static int kvm_partition_create(struct vc_partition *partition,
				const struct vc_partition_config *cfg)
{
	struct vc__kvm_partition *kvm = vc__kvm_partition(partition);
	struct vc__kvm_host *host = vc__kvm_host(partition->host);
	int r;

	kvm->dirty_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	do
		kvm->fd = ioctl(host->fd, KVM_CREATE_VM, 0);
	while (kvm->fd < 0 && errno == EINTR);
	if (kvm->fd < 0)
		return vc__kvm_fail(partition, "KVM_CREATE_VM");
	int routes = ioctl(host->fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);
	partition->max_gsis = routes > 0 ? (uint32_t)routes : 0;
	if ((r = set_options(kvm, cfg)) < 0 || (r = place_private(kvm)) < 0)
		return r;
	for (size_t idx = 0; (r = vc__kvm_slot_set(partition, idx, false)) == 0; idx++)
		;
	if (r != -ENOENT)
		return r;
	return create_irqchip(kvm, cfg);
}

static void kvm_partition_destroy(struct vc_partition *partition)
{
	struct vc__kvm_partition *kvm = vc__kvm_partition(partition);

	if (kvm->fd >= 0)
		close(kvm->fd);
	pthread_mutex_destroy(&kvm->dirty_lock);
}

const struct vc__backend_ops vc__backend_kvm = {
	.backend = VC_BACKEND_KVM,
	.host_bytes = sizeof(struct vc__kvm_host),
	.partition_bytes = sizeof(struct vc__kvm_partition),
	.vcpu_bytes = sizeof(struct vc__kvm_vcpu),
	.host_open = kvm_host_open,
	.host_close = kvm_host_close,
	.host_load = vc__kvm_host_load,
	.partition_create = kvm_partition_create,
	.partition_destroy = kvm_partition_destroy,
	.partition_state = vc__kvm_partition_state,
	.dirty_set = vc__kvm_dirty_set,
	.dirty_take = vc__kvm_dirty_take,
	.vcpu_create = vc__kvm_vcpu_create,
	.vcpu_destroy = vc__kvm_vcpu_destroy,
	.vcpu_bind = vc__kvm_vcpu_bind,
	.vcpu_run = vc__kvm_vcpu_run,
	.vcpu_wake = vc__kvm_vcpu_wake,
	.vcpu_get = vc__kvm_vcpu_get,
	.vcpu_set = vc__kvm_vcpu_set,
	.vcpu_msrs = vc__kvm_vcpu_msrs,
	.irq_line = vc__kvm_irq_line,
	.irq_msi = vc__kvm_irq_msi,
	.irq_wire = vc__kvm_irq_wire,
	.doorbell_wire = vc__kvm_doorbell_wire,
};
