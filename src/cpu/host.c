/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vc_host: the hypervisor's handle with what it can do, counted because partitions outlive the
 * embedder's hold on it. Any thread. What takes long to ask (CPUID, list of MSRs) is asked at its
 * first use, under the host's lock, and kept until the last hold is dropped. Leaves out: everything
 * a single hypervisor knows, which is behind host->ops.
 */
#include "backend.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/region.h>

#include <errno.h>
#include <stdio.h>

static const char *const backend_names[] = {
	[VC_BACKEND_AUTO] = "auto",
	[VC_BACKEND_KVM] = "kvm",
	[VC_BACKEND_XEN] = "xen",
	[VC_BACKEND_FAKE] = "fake",
};

static const char *const cap_names[VC_CAP_NR] = {
	[VC_CAP_IRQCHIP] = "irqchip",
	[VC_CAP_SPLIT_IRQCHIP] = "split-irqchip",
	[VC_CAP_PIT] = "pit",
	[VC_CAP_IRQFD] = "irqfd",
	[VC_CAP_IOEVENTFD] = "ioeventfd",
	[VC_CAP_SIGNAL_MSI] = "signal-msi",
	[VC_CAP_X2APIC_IDS] = "x2apic-ids",
	[VC_CAP_DIRTY_LOG] = "dirty-log",
	[VC_CAP_DIRTY_RING] = "dirty-ring",
	[VC_CAP_READONLY_MEM] = "readonly-mem",
	[VC_CAP_MSR_FILTER] = "msr-filter",
	[VC_CAP_TSC_CONTROL] = "tsc-control",
	[VC_CAP_HALT_POLL] = "halt-poll",
	[VC_CAP_SYNC_REGS] = "sync-regs",
	[VC_CAP_STATE] = "state",
	[VC_CAP_NESTED] = "nested",
	[VC_CAP_STEAL_TIME] = "steal-time",
	[VC_CAP_PINNABLE_MEM] = "pinnable-mem",
	[VC_CAP_HARDWARE] = "hardware",
};

static const char *const limit_names[VC_LIMIT_NR] = {
	[VC_LIMIT_VCPUS] = "vcpus",
	[VC_LIMIT_VCPU_ID] = "vcpu-ids",
	[VC_LIMIT_GPA_BITS] = "guest-address-bits",
	[VC_LIMIT_MEM_SLOTS] = "memory-slots",
	[VC_LIMIT_SLOT_BYTES] = "slot-bytes",
	[VC_LIMIT_DIRTY_RING_ENTRIES] = "dirty-ring-entries",
};

const char *vc_backend_name(enum vc_backend backend)
{
	if ((unsigned int)backend >= sizeof(backend_names) / sizeof(backend_names[0]))
		return "unknown";
	return backend_names[backend];
}

const char *vc__cap_name(enum vc_cap cap)
{
	return (unsigned int)cap < VC_CAP_NR ? cap_names[cap] : "unknown";
}

struct vc_host *vc_host_hold(struct vc_host *host)
{
	atomic_fetch_add_explicit(&host->nr_refs, 1, memory_order_relaxed);
	return host;
}

void vc_host_close(struct vc_host *host)
{
	/* acq_rel: what other holders did to the tables is seen by the one that frees them */
	if (!host || atomic_fetch_sub_explicit(&host->nr_refs, 1, memory_order_acq_rel) != 1)
		return;
	host->ops->host_close(host);
	pthread_mutex_destroy(&host->lock);
	free(host->leaves);
	free(host->msrs);
	free(host);
}

static int open_backend(const struct vc__backend_ops *ops, const struct vc_host_config *cfg,
			struct vc_host **ret_host)
{
	struct vc_host *host = calloc(1, ops->host_bytes);

	if (!host)
		return vc__no_memory("host", "the host's record");
	host->ops = ops;
	atomic_init(&host->nr_refs, 1);
	host->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	int r = ops->host_open(host, cfg);
	if (r < 0) {
		vc_host_close(host);
		return r;
	}
	*ret_host = host;
	return 0;
}

int vc_host_open(const struct vc_host_config *user_cfg, struct vc_host **ret_host)
{
	static const struct vc_host_config defaults = { .size = sizeof(defaults) };
	struct vc_host_config cfg;

	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg ? user_cfg : &defaults);
	if (r < 0)
		return r;
	if (!ret_host)
		return vc_error_set(-EINVAL, "cpu", "host", "no place for the host given");
	if ((unsigned int)cfg.backend > VC_BACKEND_FAKE)
		return vc_error_set(-EINVAL, "cpu", "host", "back end %d is unknown",
				    (int)cfg.backend);
	enum vc_backend backend = cfg.backend == VC_BACKEND_AUTO ? VC_BACKEND_KVM : cfg.backend;
	if (cfg.device && backend != VC_BACKEND_KVM)
		return vc_error_set(-EINVAL, "cpu", "host", "a device node belongs to kvm, not %s",
				    vc_backend_name(backend));
	if (cfg.fake && backend != VC_BACKEND_FAKE)
		return vc_error_set(-EINVAL, "cpu", "host", "a script belongs to fake, not %s",
				    vc_backend_name(backend));
	const struct vc__backend_ops *ops = vc__backend_find(backend);
	if (!ops)
		return vc_error_set(-ENOTSUP, "cpu", "host", "back end %s is not built in",
				    vc_backend_name(backend));
	return open_backend(ops, &cfg, ret_host);
}

enum vc_backend vc_host_backend(const struct vc_host *host)
{
	return host ? host->ops->backend : VC_BACKEND_AUTO;
}

int vc__host_load(struct vc_host *host, enum vc__host_table table)
{
	int r = 0;

	pthread_mutex_lock(&host->lock);
	if (!(host->loaded & 1u << table)) {
		r = host->ops->host_load(host, table);
		if (r >= 0)
			host->loaded |= 1u << table;
	}
	pthread_mutex_unlock(&host->lock);
	return r < 0 ? r : 0;
}

int vc__host_cpuid(struct vc_host *host, const struct vc__cpuid_leaf **ret_leaves, size_t *ret_nr)
{
	int r = vc__host_load(host, VC__TABLE_CPUID);

	if (r < 0)
		return r;
	*ret_leaves = host->leaves;
	*ret_nr = host->nr_leaves;
	return 0;
}

bool vc_host_has(const struct vc_host *host, enum vc_cap cap)
{
	if (!host || (unsigned int)cap >= VC_CAP_NR)
		return false;
	for (unsigned int table = 0; table < VC__TABLES; table++) {
		/* a table is a cache: loading it changes nothing that a caller could tell */
		struct vc_host *cache = (struct vc_host *)(uintptr_t)host;

		if (host->late_caps[table] & 1ull << cap)
			return vc__host_load(cache, (enum vc__host_table)table) == 0 &&
			       (cache->late_has & 1ull << cap);
	}
	return host->caps & 1ull << cap;
}

uint64_t vc_host_limit(const struct vc_host *host, enum vc_limit limit)
{
	if (!host || (unsigned int)limit >= VC_LIMIT_NR)
		return 0;
	if (limit == VC_LIMIT_GPA_BITS &&
	    vc__host_load((struct vc_host *)(uintptr_t)host, VC__TABLE_CPUID) < 0)
		return 0;
	return host->limits[limit];
}

static void report_numa(vc_text_fn fn, void *opaque)
{
	char line[160];
	int nr = vc_numa_query(NULL, 0);

	if (nr <= 0) {
		fn(opaque, "numa: unknown");
		return;
	}
	vc_auto_free struct vc_numa_node *nodes = calloc((size_t)nr, sizeof(*nodes));
	if (!nodes || vc_numa_query(nodes, (size_t)nr) != nr) {
		fn(opaque, "numa: unknown");
		return;
	}
	for (int i = 0; i < nr; i++) {
		snprintf(line, sizeof(line),
			 "numa node %u: %llu MiB, %llu free; 2 MiB pages %llu, %llu free; "
			 "1 GiB pages %llu, %llu free",
			 nodes[i].id, (unsigned long long)(nodes[i].mem_total_bytes >> 20),
			 (unsigned long long)(nodes[i].mem_free_bytes >> 20),
			 (unsigned long long)nodes[i].huge_2m_total,
			 (unsigned long long)nodes[i].huge_2m_free,
			 (unsigned long long)nodes[i].huge_1g_total,
			 (unsigned long long)nodes[i].huge_1g_free);
		fn(opaque, line);
	}
}

int vc_host_report(const struct vc_host *host, vc_text_fn fn, void *opaque)
{
	char line[96];

	if (!host || !fn)
		return vc_error_set(-EINVAL, "cpu", "host", "no host or no function given");
	snprintf(line, sizeof(line), "back end: %s", vc_backend_name(host->ops->backend));
	fn(opaque, line);
	for (unsigned int i = 0; i < VC_CAP_NR; i++) {
		snprintf(line, sizeof(line), "capability %s: %s", cap_names[i],
			 vc_host_has(host, (enum vc_cap)i) ? "yes" : "no");
		fn(opaque, line);
	}
	for (unsigned int i = 0; i < VC_LIMIT_NR; i++) {
		snprintf(line, sizeof(line), "limit %s: %llu", limit_names[i],
			 (unsigned long long)vc_host_limit(host, (enum vc_limit)i));
		fn(opaque, line);
	}
	report_numa(fn, opaque);
	return 0;
}
