/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vc_partition: one guest as the hypervisor knows it. This file checks configurations and states
 * and owns the object; the hypervisor's side is behind host->ops. Control thread throughout, but
 * for the lock over messages, which any thread may take (irq.c). Leaves out devices and life cycle:
 * those are the layers above.
 */
#include "backend.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/mem.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#define PAGE_BYTES	 4096ull
#define MSR_EXITS_MAX	 16u
#define RING_ENTRIES_MIN 1024u

static int need_cap(struct vc_host *host, const char *name, enum vc_cap cap)
{
	if (vc_host_has(host, cap))
		return 0;
	return vc_error_set(-ENOTSUP, "cpu", name, "%s cannot do %s here",
			    vc_backend_name(host->ops->backend), vc__cap_name(cap));
}

static int check_signal(const char *name, int sig)
{
	switch (sig) {
	case SIGKILL:
	case SIGSTOP:
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGSYS:
		break;
	default:
		/* between the last classic one and SIGRTMIN lie those of the C library */
		if ((sig > 0 && sig < 32) || (sig >= SIGRTMIN && sig <= SIGRTMAX))
			return 0;
	}
	return vc_error_set(-EINVAL, "cpu", name, "signal %d cannot be used for kicks", sig);
}

static int check_msr_exits(const char *name, const struct vc_partition_config *cfg)
{
	if (cfg->nr_msr_exits > MSR_EXITS_MAX || (cfg->nr_msr_exits && !cfg->msr_exits))
		return vc_error_set(-EINVAL, "cpu", name,
				    "%zu MSR ranges given, at most %u allowed", cfg->nr_msr_exits,
				    MSR_EXITS_MAX);
	for (size_t i = 0; i < cfg->nr_msr_exits; i++) {
		const struct vc_msr_range *range = &cfg->msr_exits[i];
		uint64_t end = (uint64_t)range->first + range->nr;

		if (range->nr == 0 || end > 1ull << 32 || !(range->reads || range->writes))
			return vc_error_set(-EINVAL, "cpu", name,
					    "MSR range %zu (%#x, %u long) is empty, too long, or "
					    "neither for reads nor for writes",
					    i, range->first, range->nr);
	}
	return 0;
}

static int check_irqchip(const char *name, const struct vc_partition_config *cfg)
{
	if ((unsigned int)cfg->irqchip > VC_IRQCHIP_SPLIT)
		return vc_error_set(-EINVAL, "cpu", name, "irqchip %d is unknown",
				    (int)cfg->irqchip);
	if (cfg->has_pit && cfg->irqchip != VC_IRQCHIP_KERNEL)
		return vc_error_set(-EINVAL, "cpu", name,
				    "the PIT exists only with the in-kernel irqchip");
	return 0;
}

static int check_config(const char *name, struct vc_host *host,
			const struct vc_partition_config *cfg)
{
	uint32_t entries = cfg->dirty_ring_entries;
	uint64_t max_entries = vc_host_limit(host, VC_LIMIT_DIRTY_RING_ENTRIES);
	uint64_t max_vcpus = vc_host_limit(host, VC_LIMIT_VCPUS);
	int r;

	if (cfg->halt_poll_ns < -1 || cfg->halt_poll_ns > UINT32_MAX)
		return vc_error_set(-EINVAL, "cpu", name,
				    "halt poll: halt_poll_ns is %lld, -1 to 4294967295 expected",
				    (long long)cfg->halt_poll_ns);
	if (cfg->max_vcpus > max_vcpus)
		return vc_error_set(-ERANGE, "cpu", name, "%u vCPUs, the limit is %llu",
				    cfg->max_vcpus, (unsigned long long)max_vcpus);
	if ((r = check_irqchip(name, cfg)) < 0 || (r = check_msr_exits(name, cfg)) < 0)
		return r;
	if (cfg->kick_signal && (r = check_signal(name, cfg->kick_signal)) < 0)
		return r;
	if (entries && ((r = need_cap(host, name, VC_CAP_DIRTY_RING)) < 0))
		return r;
	if (entries && (entries < RING_ENTRIES_MIN || entries & (entries - 1)))
		return vc_error_set(-EINVAL, "cpu", name,
				    "dirty ring of %u entries, expected a power of two from %u",
				    entries, RING_ENTRIES_MIN);
	if (entries > max_entries)
		return vc_error_set(-ERANGE, "cpu", name, "dirty ring of %u entries, limit %llu",
				    entries, (unsigned long long)max_entries);
	return 0;
}

static int check_caps(const char *name, struct vc_host *host, const struct vc_partition_config *cfg)
{
	int r = 0;

	if (cfg->irqchip == VC_IRQCHIP_KERNEL)
		r = need_cap(host, name, VC_CAP_IRQCHIP);
	else if (cfg->irqchip == VC_IRQCHIP_SPLIT)
		r = need_cap(host, name, VC_CAP_SPLIT_IRQCHIP);
	if (r == 0 && cfg->has_pit)
		r = need_cap(host, name, VC_CAP_PIT);
	if (r == 0 && cfg->nr_msr_exits)
		r = need_cap(host, name, VC_CAP_MSR_FILTER);
	if (r == 0 && cfg->halt_poll_ns)
		r = need_cap(host, name, VC_CAP_HALT_POLL);
	return r;
}

/* A range that the hypervisor cannot take is refused by name before anything is made. */
static int check_memory(const char *name, struct vc_host *host, const struct vc_mem *mem)
{
	uint64_t slot_bytes = vc_host_limit(host, VC_LIMIT_SLOT_BYTES);
	uint64_t slots = vc_host_limit(host, VC_LIMIT_MEM_SLOTS);
	struct vc_mem_range range = { .size = sizeof(range) };
	struct vc_slice slice;
	size_t idx = 0;
	int r;

	/* whether there is RAM at 0 does not matter: an unfrozen map has no slices at all */
	r = vc_slice_get(mem, 0, 1, VC_PERM_READ, &slice);
	if (r == -EINVAL)
		return vc_error_set(r, "cpu", name, "the memory map is not frozen");
	if (r == 0)
		vc_slice_put(&slice);
	for (; (r = vc_mem_range(mem, idx, &range)) == 0; idx++) {
		uint64_t last = range.gpa + range.len_bytes - 1;

		if (idx >= slots)
			return vc_error_set(-ERANGE, "cpu", name, "more than %llu memory ranges",
					    (unsigned long long)slots);
		if (range.len_bytes > slot_bytes)
			return vc_error_set(-ERANGE, "cpu", range.name,
					    "range of %llu bytes, a slot has at most %llu",
					    (unsigned long long)range.len_bytes,
					    (unsigned long long)slot_bytes);
		if (range.flags & VC_REGION_READONLY &&
		    (r = need_cap(host, range.name, VC_CAP_READONLY_MEM)) < 0)
			return r;
		/* every 64-bit CPU has 36 bits, and asking how many there are takes long */
		if (last >> 36 == 0)
			continue;
		uint64_t bits = vc_host_limit(host, VC_LIMIT_GPA_BITS);
		if (bits < 64 && last >> bits)
			return vc_error_set(-ERANGE, "cpu", range.name,
					    "range ends at %#llx, guest addresses have %llu bits",
					    (unsigned long long)last, (unsigned long long)bits);
	}
	return r == -ENOENT ? 0 : r;
}

/* All that can be told without the hypervisor's making anything; @cfg is whole. */
static int check_all(const char *name, struct vc_host *host, const struct vc_partition_config *cfg)
{
	int r = check_config(name, host, cfg);

	if (r == 0)
		r = check_caps(name, host, cfg);
	if (r == 0 && cfg->mem)
		r = check_memory(name, host, cfg->mem);
	return r;
}

int vc_partition_check(struct vc_host *host, const struct vc_partition_config *user_cfg)
{
	struct vc_partition_config cfg;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (!host)
		return vc_error_set(-EINVAL, "cpu", "partition", "no host given");
	return check_all(cfg.name ? cfg.name : "guest", host, &cfg);
}

int vc_partition_create(struct vc_host *host, const struct vc_partition_config *user_cfg,
			struct vc_partition **ret_partition)
{
	struct vc_partition_config cfg;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	const char *name = cfg.name ? cfg.name : "guest";
	if (!host || !ret_partition)
		return vc_error_set(-EINVAL, "cpu", name, "no host or no place for the result");
	if (!cfg.mem)
		return vc_error_set(-EINVAL, "cpu", name, "no memory map given");
	if ((r = check_all(name, host, &cfg)) < 0)
		return r;
	cfg.max_vcpus = cfg.max_vcpus ? cfg.max_vcpus : 1;

	struct vc_partition *partition = calloc(1, host->ops->partition_bytes);
	char *own_name = strdup(name);
	if (!partition || !own_name) {
		free(partition);
		free(own_name);
		return vc__no_memory(name, "the partition's record");
	}
	partition->name = own_name;
	partition->host = vc_host_hold(host);
	partition->irq_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	partition->mem = cfg.mem;
	partition->log = cfg.log;
	partition->irqchip = cfg.irqchip;
	partition->has_pit = cfg.has_pit;
	partition->has_times = cfg.has_times;
	partition->max_vcpus = cfg.max_vcpus;
	partition->kick_signal = cfg.kick_signal ? cfg.kick_signal : SIGRTMIN + 1;
	partition->dirty_ring_entries = cfg.dirty_ring_entries;
	r = host->ops->partition_create(partition, &cfg);
	if (r < 0) {
		vc_partition_destroy(partition);
		return r;
	}
	*ret_partition = partition;
	return 0;
}

void vc_partition_destroy(struct vc_partition *partition)
{
	if (!partition)
		return;
	vc_assert(!partition->vcpus && !partition->messages);
	vc_partition_dirty_stop(partition);
	partition->host->ops->partition_destroy(partition);
	pthread_mutex_destroy(&partition->irq_lock);
	free(partition->name);
	vc_host_close(partition->host);
	free(partition);
}

struct vc_host *vc_partition_host(const struct vc_partition *partition)
{
	return partition ? partition->host : NULL;
}

static int check_idle(const struct vc_partition *partition)
{
	for (const struct vc_vcpu *vcpu = partition->vcpus; vcpu; vcpu = vcpu->next) {
		if (!vc__vcpu_is_idle(vcpu))
			return vc_error_set(-EBUSY, "cpu", partition->name, "vCPU %u is running",
					    vcpu->idx);
	}
	return 0;
}

int vc_partition_reset(struct vc_partition *partition)
{
	if (!partition)
		return vc_error_set(-EINVAL, "cpu", "partition", "no partition given");
	int r = need_cap(partition->host, partition->name, VC_CAP_STATE);
	if (r < 0 || (r = check_idle(partition)) < 0)
		return r;
	return vc__partition_reset_x86(partition);
}

int vc_partition_save(struct vc_partition *partition, struct vc_state_writer *writer)
{
	if (!partition || !writer)
		return vc_error_set(-EINVAL, "cpu", "partition", "no partition or no stream given");
	int r = need_cap(partition->host, partition->name, VC_CAP_STATE);
	if (r < 0 || (r = check_idle(partition)) < 0)
		return r;
	return vc__partition_save_x86(partition, writer);
}

int vc_partition_load(struct vc_partition *partition, struct vc_state_reader *reader)
{
	if (!partition || !reader)
		return vc_error_set(-EINVAL, "cpu", "partition", "no partition or no stream given");
	int r = need_cap(partition->host, partition->name, VC_CAP_STATE);
	if (r < 0 || (r = check_idle(partition)) < 0)
		return r;
	return vc__partition_load_x86(partition, reader);
}

int vc_partition_dirty_start(struct vc_partition *partition)
{
	if (!partition)
		return vc_error_set(-EINVAL, "cpu", "partition", "no partition given");
	int r = need_cap(partition->host, partition->name, VC_CAP_DIRTY_LOG);
	if (r < 0)
		return r;
	if (partition->is_logging)
		return vc_error_set(-EALREADY, "cpu", partition->name,
				    "the dirty log runs already");
	r = vc_mem_dirty_start(partition->mem);
	if (r < 0)
		return r;
	r = partition->host->ops->dirty_set(partition, true);
	if (r < 0) {
		vc_mem_dirty_stop(partition->mem);
		return r;
	}
	partition->is_logging = true;
	return 0;
}

int64_t vc_partition_dirty_take(struct vc_partition *partition, size_t idx, uint64_t *bits,
				size_t nr_words)
{
	struct vc_mem_range range = { .size = sizeof(range) };
	int64_t nr = 0;

	if (!partition || !bits || !partition->is_logging)
		return vc_error_set(-EINVAL, "cpu", partition ? partition->name : "partition",
				    "no dirty log runs, or no bits given");
	int r = vc_mem_range(partition->mem, idx, &range);
	if (r < 0)
		return r;
	uint64_t pages = range.len_bytes / PAGE_BYTES;
	if (nr_words < (pages + 63) / 64)
		return vc_error_set(-EINVAL, "cpu", range.name,
				    "%zu words for the bits of %llu pages", nr_words,
				    (unsigned long long)pages);
	r = partition->host->ops->dirty_take(partition, idx, bits, nr_words);
	if (r < 0)
		return r;
	/* what devices and loaders wrote is unknown to the hypervisor */
	int64_t nr_host = vc_mem_dirty_take(partition->mem, idx, bits, nr_words);
	if (nr_host < 0)
		return nr_host;
	for (size_t i = 0; i < nr_words; i++)
		nr += __builtin_popcountll(bits[i]);
	return nr;
}

void vc_partition_dirty_stop(struct vc_partition *partition)
{
	if (!partition || !partition->is_logging)
		return;
	(void)partition->host->ops->dirty_set(partition, false);
	vc_mem_dirty_stop(partition->mem);
	partition->is_logging = false;
}
