/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that a KVM host is asked for at their first use, under the host's lock: which CPUID leaves
 * it supports, with the capabilities that only they tell, and which MSRs make up a saved vCPU. And what
 * the CPU itself says of VT-x and SVM, any thread.
 *
 * Leaves out what a model makes of the leaves (cpuid_x86.c). [KVM 4.3 KVM_GET_MSR_INDEX_LIST]
 * [KVM 4.46 KVM_GET_SUPPORTED_CPUID]
 */
#include "kvm.h"

#include <string.h>

#define CPUID_KVM_FEATURES 0x40000001u
#define CPUID_BRAND_FIRST  0x80000002u
#define CPUID_BRAND_LAST   0x80000004u
#define HYPERVISOR_BIT	   (1u << 31) /* 1.ECX */
#define VMX_BIT		   (1u << 5)  /* leaf 1, ECX */
#define SVM_BIT		   (1u << 2)  /* leaf 0x80000001, ECX */
#define TSC_DEADLINE_BIT   (1u << 24) /* leaf 1, ECX */
#define KVM_STEAL_TIME_BIT (1u << 5)
#define MSRS_MAX	   1024u

/* What the CPU itself says to this process. */
static void ask_cpu(struct vc__cpuid_leaf *leaf)
{
	__asm__("cpuid"
		: "=a"(leaf->eax), "=b"(leaf->ebx), "=c"(leaf->ecx), "=d"(leaf->edx)
		: "a"(leaf->function), "c"(0));
}

/* Where KVM itself runs in a guest, CPUID costs microseconds: nobody pays who does not ask. */
static bool has_hardware(void)
{
	struct vc__cpuid_leaf basic = { .function = 1 }, top = { .function = 0x80000000u };
	struct vc__cpuid_leaf extended = { .function = 0x80000001u };

	ask_cpu(&basic);
	ask_cpu(&top);
	if (top.eax >= extended.function)
		ask_cpu(&extended);
	return basic.ecx & VMX_BIT || extended.ecx & SVM_BIT;
}

/* A leaf as KVM offers it, and what KVM leaves to its user: the hypervisor bit, the CPU's name. */
static struct vc__cpuid_leaf offered_leaf(const struct kvm_cpuid_entry2 *e)
{
	struct vc__cpuid_leaf leaf = {
		.function = e->function,
		.index = e->index,
		.has_index = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = e->eax,
		.ebx = e->ebx,
		.ecx = e->ecx,
		.edx = e->edx,
	};

	if (leaf.function == 1)
		leaf.ecx |= HYPERVISOR_BIT;
	if (leaf.function >= CPUID_BRAND_FIRST && leaf.function <= CPUID_BRAND_LAST)
		ask_cpu(&leaf);
	return leaf;
}

static int load_cpuid(struct vc__kvm_host *kvm)
{
	size_t bytes =
		sizeof(struct kvm_cpuid2) + VC__CPUID_LEAVES_MAX * sizeof(struct kvm_cpuid_entry2);
	vc_auto_free struct kvm_cpuid2 *all = malloc(bytes);
	uint64_t late = 0;

	if (!all)
		return vc__no_memory("host", "a table of the host");
	*all = (struct kvm_cpuid2){ .nent = VC__CPUID_LEAVES_MAX };
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, all) < 0)
		return vc_error_set(-errno, "kvm", "host", "KVM_GET_SUPPORTED_CPUID: %s",
				    strerrordesc_np(errno));
	struct vc__cpuid_leaf *leaves = calloc(all->nent, sizeof(*leaves));
	if (!leaves)
		return vc__no_memory("host", "a table of the host");
	kvm->host.limits[VC_LIMIT_GPA_BITS] = 36;
	for (uint32_t i = 0; i < all->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &all->entries[i];

		leaves[i] = offered_leaf(e);
		if ((e->function == 1 && e->ecx & VMX_BIT) ||
		    (e->function == 0x80000001u && e->ecx & SVM_BIT))
			late |= 1ull << VC_CAP_NESTED;
		if (e->function == CPUID_KVM_FEATURES && e->eax & KVM_STEAL_TIME_BIT)
			late |= 1ull << VC_CAP_STEAL_TIME;
		if (e->function == 0x80000008u && e->eax & 0xff)
			kvm->host.limits[VC_LIMIT_GPA_BITS] = e->eax & 0xff;
	}
	if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE) <= 0)
		late &= ~(1ull << VC_CAP_NESTED);
	/* older kernels tell this by an extension only [KVM KVM_CAP_TSC_DEADLINE_TIMER] */
	for (uint32_t i = 0; i < all->nent; i++)
		if (leaves[i].function == 1 &&
		    ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			leaves[i].ecx |= TSC_DEADLINE_BIT;
	kvm->host.late_has |= late;
	kvm->host.leaves = leaves;
	kvm->host.nr_leaves = all->nent;
	return 0;
}

static int load_msrs(struct vc__kvm_host *kvm)
{
	vc_auto_free struct kvm_msr_list *list = calloc(1, sizeof(*list) + MSRS_MAX * 4);

	if (!list)
		return vc__no_memory("host", "a table of the host");
	list->nmsrs = MSRS_MAX;
	if (ioctl(kvm->fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return vc_error_set(-errno, "kvm", "host", "KVM_GET_MSR_INDEX_LIST: %s",
				    strerrordesc_np(errno));
	uint32_t *msrs = calloc(list->nmsrs + 1u, sizeof(*msrs));
	if (!msrs)
		return vc__no_memory("host", "a table of the host");
	memcpy(msrs, list->indices, list->nmsrs * sizeof(*msrs));
	kvm->host.msrs = msrs;
	kvm->host.nr_msrs = list->nmsrs;
	return 0;
}

int vc__kvm_host_load(struct vc_host *host, enum vc__host_table table)
{
	switch (table) {
	case VC__TABLE_CPUID:
		return load_cpuid(vc__kvm_host(host));
	case VC__TABLE_MSRS:
		return load_msrs(vc__kvm_host(host));
	case VC__TABLE_CPU:
		host->late_has |= (uint64_t)has_hardware() << VC_CAP_HARDWARE;
		return 0;
	case VC__TABLES:
		break;
	}
	return -EINVAL;
}
