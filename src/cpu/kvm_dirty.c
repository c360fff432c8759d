/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that a KVM guest writes. Default: KVM's bitmap per slot, read and then cleared (which
 * protects the pages again) before the caller looks at them, so that a write in between is seen by
 * the next take. Option: one ring per vCPU, whose entries are gathered into bitmaps of ours by the
 * control thread, and by a vCPU's own thread when its ring is full; a lock lets one of them gather
 * at a time. Either may report a page that was only read; none that was written is missed. vCPUs may
 * run. Leaves out host writes (vc_mem_dirty_take). [KVM 4.8, 4.117, 8.29]
 */
#include "kvm.h"

#include <libvirtcore/mem.h>

#include <string.h>
#include <sys/mman.h>

/* Pages cleared at a time, multiple of 64: the guest's faults wait for as long as one clear lasts. */
#define CLEAR_PAGES (1u << 18)

/* Bitmaps of ring mode, one per range of the memory map. */
struct vc__kvm_dirty {
	size_t nr_ranges;
	struct {
		uint64_t nr_pages;
		uint64_t *bits;
	} ranges[];
};

static size_t ring_bytes(const struct vc_vcpu *vcpu)
{
	return vcpu->partition->dirty_ring_entries * sizeof(struct kvm_dirty_gfn);
}

int vc__kvm_ring_map(struct vc_vcpu *vcpu)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);
	void *ring = mmap(NULL, ring_bytes(vcpu), PROT_READ | PROT_WRITE, MAP_SHARED, kvm->fd,
			  KVM_DIRTY_LOG_PAGE_OFFSET * 4096);

	if (ring == MAP_FAILED)
		return vc__kvm_fail(vcpu->partition, "mapping of the dirty ring");
	kvm->ring = ring;
	return 0;
}

static void free_dirty(struct vc__kvm_dirty *dirty)
{
	for (size_t i = 0; dirty && i < dirty->nr_ranges; i++)
		free(dirty->ranges[i].bits);
	free(dirty);
}

/* A bitmap for each range of the map; NULL when there is no memory. */
static struct vc__kvm_dirty *alloc_dirty(const struct vc_mem *mem)
{
	struct vc_mem_range range = { .size = sizeof(range) };
	size_t nr = 0;

	while (vc_mem_range(mem, nr, &range) == 0)
		nr++;
	struct vc__kvm_dirty *dirty = calloc(1, sizeof(*dirty) + nr * sizeof(dirty->ranges[0]));
	if (!dirty)
		return NULL;
	dirty->nr_ranges = nr;
	for (size_t i = 0; i < nr && vc_mem_range(mem, i, &range) == 0; i++) {
		dirty->ranges[i].nr_pages = range.len_bytes / 4096;
		dirty->ranges[i].bits = calloc((dirty->ranges[i].nr_pages + 63) / 64, 8);
		if (!dirty->ranges[i].bits) {
			free_dirty(dirty);
			return NULL;
		}
	}
	return dirty;
}

static bool is_logged(const struct vc_mem_range *range)
{
	return !(range->flags & VC_REGION_READONLY);
}

static int set_slots(struct vc_partition *partition, bool is_on)
{
	struct vc_mem_range range = { .size = sizeof(range) };

	for (size_t idx = 0; vc_mem_range(partition->mem, idx, &range) == 0; idx++) {
		int r = is_logged(&range) ? vc__kvm_slot_set(partition, idx, is_on) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Moves all filled entries of one vCPU's ring into the bitmaps and marks them as read. The kernel
 * fills in order; slot and offset are its own, but they are checked like anybody's.
 */
static uint32_t harvest(struct vc__kvm_vcpu *kvm, struct vc__kvm_dirty *dirty)
{
	uint32_t mask = kvm->vcpu.partition->dirty_ring_entries - 1, nr = 0;

	for (;; nr++) {
		struct kvm_dirty_gfn *gfn = &kvm->ring[kvm->ring_idx & mask];

		/* acquire: pairs with the kernel's release of a filled entry */
		if (!(__atomic_load_n(&gfn->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
			return nr;
		uint32_t slot = gfn->slot & 0xffffu;
		uint64_t page = gfn->offset;
		if (slot < dirty->nr_ranges && page < dirty->ranges[slot].nr_pages)
			dirty->ranges[slot].bits[page / 64] |= 1ull << page % 64;
		__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		kvm->ring_idx++;
	}
}

void vc__kvm_ring_unmap(struct vc_vcpu *vcpu)
{
	struct vc__kvm_vcpu *kvm = vc__kvm_vcpu(vcpu);
	struct vc__kvm_partition *partition = vc__kvm_partition(vcpu->partition);

	if (!kvm->ring)
		return;
	/* the pages outlive the vCPU that wrote them */
	pthread_mutex_lock(&partition->dirty_lock);
	if (partition->dirty)
		(void)harvest(kvm, partition->dirty);
	pthread_mutex_unlock(&partition->dirty_lock);
	munmap(kvm->ring, ring_bytes(vcpu));
	kvm->ring = NULL;
}

/* Lock held. Pages are protected again only after their bits are in: none written later is lost. */
static int harvest_all(struct vc__kvm_partition *kvm)
{
	uint32_t nr = 0;

	for (struct vc_vcpu *vcpu = kvm->partition.vcpus; vcpu; vcpu = vcpu->next)
		nr += harvest(vc__kvm_vcpu(vcpu), kvm->dirty);
	if (nr && ioctl(kvm->fd, KVM_RESET_DIRTY_RINGS, 0) < 0)
		return vc__kvm_fail(&kvm->partition, "KVM_RESET_DIRTY_RINGS");
	return 0;
}

/* On the vCPU's thread: makes room in its ring, without which it could not enter its guest again. */
int vc__kvm_ring_full(struct vc_vcpu *vcpu)
{
	struct vc__kvm_partition *kvm = vc__kvm_partition(vcpu->partition);
	int r = 0;

	pthread_mutex_lock(&kvm->dirty_lock);
	if (kvm->dirty)
		r = harvest_all(kvm);
	pthread_mutex_unlock(&kvm->dirty_lock);
	return r;
}

static void end_rings(struct vc__kvm_partition *kvm)
{
	pthread_mutex_lock(&kvm->dirty_lock);
	/* what is left in the rings would fill them for the next log */
	if (kvm->dirty)
		(void)harvest_all(kvm);
	free_dirty(kvm->dirty);
	kvm->dirty = NULL;
	pthread_mutex_unlock(&kvm->dirty_lock);
}

static int begin_rings(struct vc__kvm_partition *kvm)
{
	struct vc__kvm_dirty *dirty = alloc_dirty(kvm->partition.mem);

	if (!dirty)
		return vc_error_set(-ENOMEM, "kvm", kvm->partition.name,
				    "no memory for the dirty log");
	pthread_mutex_lock(&kvm->dirty_lock);
	kvm->dirty = dirty;
	pthread_mutex_unlock(&kvm->dirty_lock);
	return 0;
}

int vc__kvm_dirty_set(struct vc_partition *partition, bool is_on)
{
	struct vc__kvm_partition *kvm = vc__kvm_partition(partition);
	int r = 0;

	if (is_on && partition->dirty_ring_entries)
		r = begin_rings(kvm);
	if (r == 0)
		r = set_slots(partition, is_on);
	if (r < 0 && is_on)
		(void)set_slots(partition, false);
	if (r < 0 || !is_on)
		end_rings(kvm);
	return r;
}

static int take_ring(struct vc__kvm_partition *kvm, size_t idx, uint64_t *bits)
{
	uint64_t *have = kvm->dirty->ranges[idx].bits;
	size_t bytes = (kvm->dirty->ranges[idx].nr_pages + 63) / 64 * 8;
	int r;

	pthread_mutex_lock(&kvm->dirty_lock);
	r = harvest_all(kvm);
	if (r == 0) {
		memcpy(bits, have, bytes);
		memset(have, 0, bytes);
	}
	pthread_mutex_unlock(&kvm->dirty_lock);
	return r;
}

/* Clears what was read, a part at a time; parts without a bit are left alone. */
static int clear(struct vc__kvm_partition *kvm, size_t idx, uint64_t *bits, uint64_t nr_pages)
{
	for (uint64_t first = 0; first < nr_pages; first += CLEAR_PAGES) {
		uint64_t left = nr_pages - first;
		uint32_t nr = (uint32_t)(left < CLEAR_PAGES ? left : CLEAR_PAGES);
		uint64_t any = 0;
		struct kvm_clear_dirty_log log = {
			.slot = (uint32_t)idx,
			.num_pages = nr,
			.first_page = first,
			.dirty_bitmap = bits + first / 64,
		};

		for (uint32_t i = 0; i < (nr + 63) / 64; i++)
			any |= bits[first / 64 + i];
		if (any && ioctl(kvm->fd, KVM_CLEAR_DIRTY_LOG, &log) < 0)
			return vc__kvm_fail(&kvm->partition, "KVM_CLEAR_DIRTY_LOG");
	}
	return 0;
}

int vc__kvm_dirty_take(struct vc_partition *partition, size_t idx, uint64_t *bits, size_t nr_words)
{
	struct vc__kvm_partition *kvm = vc__kvm_partition(partition);
	struct kvm_dirty_log log = { .slot = (uint32_t)idx, .dirty_bitmap = bits };
	struct vc_mem_range range = { .size = sizeof(range) };
	int r = vc_mem_range(partition->mem, idx, &range);

	if (r < 0)
		return r;
	memset(bits, 0, nr_words * sizeof(*bits));
	if (!is_logged(&range))
		return 0;
	if (kvm->dirty)
		return take_ring(kvm, idx, bits);
	if (ioctl(kvm->fd, KVM_GET_DIRTY_LOG, &log) < 0)
		return vc__kvm_fail(partition, "KVM_GET_DIRTY_LOG");
	return kvm->is_manual ? clear(kvm, idx, bits, range.len_bytes / 4096) : 0;
}
