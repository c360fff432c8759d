/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host: a hypervisor's handle, its capabilities and limits, asked once and shared by any number
 * of VMs; CPU models derived from it; and the script of the fake back end.
 */
#ifndef LIBVIRTCORE_HOST_H
#define LIBVIRTCORE_HOST_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vc_backend {
	VC_BACKEND_AUTO = 0, /* the first that opens: kvm; xen where it is built in; never fake */
	VC_BACKEND_KVM = 1,
	VC_BACKEND_XEN = 2,
	VC_BACKEND_FAKE = 3, /* plays exits from a script, records interrupts */
};

/* What a back end may or may not be able to do. A call that needs a missing one gives -ENOTSUP. */
enum vc_cap {
	VC_CAP_IRQCHIP = 0,   /* PIC, IOAPIC, LAPIC in the hypervisor */
	VC_CAP_SPLIT_IRQCHIP, /* LAPIC in the hypervisor, IOAPIC ours */
	VC_CAP_PIT,
	VC_CAP_IRQFD,
	VC_CAP_IOEVENTFD,
	VC_CAP_SIGNAL_MSI,
	VC_CAP_X2APIC_IDS, /* APIC ids above 254 */
	VC_CAP_DIRTY_LOG,
	VC_CAP_DIRTY_RING,
	VC_CAP_READONLY_MEM,
	VC_CAP_MSR_FILTER,
	VC_CAP_TSC_CONTROL,
	VC_CAP_HALT_POLL,
	VC_CAP_SYNC_REGS,
	VC_CAP_STATE,  /* registers, irqchip, clock can be saved and loaded */
	VC_CAP_NESTED, /* guests can be given VMX or SVM */
	VC_CAP_STEAL_TIME,
	VC_CAP_PINNABLE_MEM, /* guest memory is the process's own and can be pinned */
	/* the CPU runs guest kernels itself (VT-x, SVM); without it they are emulated */
	VC_CAP_HARDWARE,
	VC_CAP_NR,
};

enum vc_limit {
	VC_LIMIT_VCPUS = 0,  /* per VM */
	VC_LIMIT_VCPU_ID,    /* highest id + 1 */
	VC_LIMIT_GPA_BITS,   /* guest-physical address width */
	VC_LIMIT_MEM_SLOTS,  /* ranges of a memory map */
	VC_LIMIT_SLOT_BYTES, /* longest range */
	VC_LIMIT_DIRTY_RING_ENTRIES,
	VC_LIMIT_NR,
};

struct vc_fake_script; /* fake.h */

struct vc_host_config {
	size_t size; /* sizeof(struct vc_host_config) */
	enum vc_backend backend;
	const char *device;		   /* kvm: path of the device node, NULL = "/dev/kvm" */
	const struct vc_fake_script *fake; /* fake: what vCPUs play; borrowed until close */
};

struct vc_host;

/**
 * vc_host_open() - open a hypervisor.
 * @cfg: copied; NULL means all defaults.
 * @ret_host: the host, owned by the caller; untouched on failure.
 * Context: any thread; may block shortly.
 * Returns: 0, or -EINVAL (fields), -E2BIG, -ENOENT (no device node: the message says what is
 *          missing), -EACCES (no permission: the message names the group), -ENODEV (device does not
 *          answer, or API version), -ENOTSUP (back end not built in), -ENOMEM, -EMFILE.
 * Spec: [KVM KVM_GET_API_VERSION] [KVM KVM_CHECK_EXTENSION]   Since: 0.1
 */
VC_API int vc_host_open(const struct vc_host_config *cfg, struct vc_host **ret_host);

/**
 * vc_host_close() - drop the caller's hold; VMs made from it keep what they need.
 * @host: may be NULL.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_host_close(struct vc_host *host);

/**
 * vc_host_hold() - take another hold on a host, for an object that outlives its maker's.
 * @host: must not be NULL.
 * Context: any thread; does not block.
 * Returns: @host; each hold is dropped by one vc_host_close().
 * Spec: none.   Since: 0.1
 */
VC_API struct vc_host *vc_host_hold(struct vc_host *host);

/**
 * vc_host_backend() - tell which back end was opened.
 * @host: the host.
 * Context: any thread; does not block.
 * Returns: the back end; VC_BACKEND_AUTO only without a host.
 * Spec: none.   Since: 0.1
 */
VC_API enum vc_backend vc_host_backend(const struct vc_host *host);

/**
 * vc_backend_name() - a back end's name: "kvm", "xen", "fake", "auto".
 * @backend: the back end.
 * Context: any thread; does not block.
 * Returns: a static string, "unknown" for other values.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_backend_name(enum vc_backend backend);

/**
 * vc_host_has() - ask for a capability.
 * @host: the host.
 * @cap: which.
 * Context: any thread; does not block.
 * Returns: true when it is there.
 * Spec: none.   Since: 0.1
 */
VC_API bool vc_host_has(const struct vc_host *host, enum vc_cap cap);

/**
 * vc_host_limit() - ask for a limit.
 * @host: the host.
 * @limit: which.
 * Context: any thread; does not block.
 * Returns: the limit, 0 when unknown.
 * Spec: none.   Since: 0.1
 */
VC_API uint64_t vc_host_limit(const struct vc_host *host, enum vc_limit limit);

/**
 * vc_host_report() - print what the host can do: back end, capabilities, limits, NUMA nodes.
 * @host: the host.
 * @fn: called once a line.
 * @opaque: given to @fn.
 * Context: any thread; reads /sys.
 * Returns: 0, or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_host_report(const struct vc_host *host, vc_text_fn fn, void *opaque);

/* What a VM's CPUs look like. */
struct vc_cpu_model_config {
	size_t size;		     /* sizeof(struct vc_cpu_model_config) */
	const char *name;	     /* "host" (NULL), "x86-64-v2", "x86-64-v3" */
	const char *const *features; /* "+name" or "-name", e.g. "-avx2"; copied */
	size_t nr_features;
	/* topology: product = vCPUs that the model can number; 0 = 1 each, cores = vCPUs */
	uint32_t nr_sockets, nr_dies, nr_cores, nr_threads;
	uint32_t nr_vcpus; /* not 0 */
	bool has_nested;   /* give the guest VMX or SVM */
};

struct vc_cpu_model;

/**
 * vc_cpu_model_create() - work out a CPU model on this host.
 * @host: asked for what it supports.
 * @cfg: copied.
 * @ret_model: the model, owned by the caller; may serve many VMs; untouched on failure.
 * Context: any thread; may block shortly.
 * Returns: 0, or -EINVAL (unknown model or feature, bad sign, topology that does not hold nr_vcpus:
 *          named), -ENOTSUP (the host lacks a feature: named), -E2BIG, -ENOMEM.
 * Spec: [SDM 2A CPUID] [x86-64 psABI 1.1]   Since: 0.1
 */
VC_API int vc_cpu_model_create(struct vc_host *host, const struct vc_cpu_model_config *cfg,
			       struct vc_cpu_model **ret_model);

/**
 * vc_cpu_model_destroy() - free a model.
 * @model: may be NULL; vCPUs made from it keep what they need.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_cpu_model_destroy(struct vc_cpu_model *model);

/**
 * vc_cpu_model_describe() - print name, topology, features and CPUID leaves.
 * @model: the model.
 * @fn: called once a line.
 * @opaque: given to @fn.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_cpu_model_describe(const struct vc_cpu_model *model, vc_text_fn fn, void *opaque);

/**
 * vc_cpu_model_apic_id() - the APIC id of a vCPU under the model's topology.
 * @model: the model.
 * @idx: vCPU index, 0 to nr_vcpus - 1.
 * @ret_id: the id; untouched on failure.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL.
 * Spec: [SDM 3A 9.9]   Since: 0.1
 */
VC_API int vc_cpu_model_apic_id(const struct vc_cpu_model *model, uint32_t idx, uint32_t *ret_id);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_HOST_H */
