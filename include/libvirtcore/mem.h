/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest-physical map: places regions (region.h) at guest addresses. A host pointer to guest
 * memory leaves this library only as a *slice*, got for (address, length, permission) and put back.
 */
#ifndef LIBVIRTCORE_MEM_H
#define LIBVIRTCORE_MEM_H

#include <libvirtcore/region.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_mem;

/**
 * vc_mem_create() - make an empty guest-physical map.
 * @ret_mem: the map, owned by the caller; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_create(struct vc_mem **ret_mem);

/**
 * vc_mem_destroy() - free a map and its references to regions.
 * @mem: may be NULL; no slice may be out and no partition may use it.
 * Context: control thread; may block while the kernel unmaps.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_mem_destroy(struct vc_mem *mem);

/**
 * vc_mem_clear() - make a map empty and unfrozen again, for those who hold on to it.
 * @mem: may be NULL; no slice may be out and no partition may use it.
 * Context: control thread; may block while the kernel unmaps.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_mem_clear(struct vc_mem *mem);

/**
 * vc_mem_map() - place a region at a guest-physical address.
 * @mem: not frozen.
 * @region: a reference is taken on success.
 * @gpa: first address; multiple of 4096 bytes (of the huge page size for hugetlb).
 * @guest_node: guest NUMA node that the memory belongs to, for the guest's tables; 0 = first.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (alignment, NULL, node above 63), -EEXIST (overlap: both ranges are
 *          named), -EOVERFLOW (beyond the 64-bit space), -EBUSY (frozen), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_map(struct vc_mem *mem, struct vc_region *region, vc_gpa gpa,
		      uint32_t guest_node);

/**
 * vc_mem_freeze() - end changes; from now on look-ups need no lock.
 * @mem: the map.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL (NULL), -EALREADY (frozen), -EFBIG (the file of a FILE region has become
 *          shorter than the region: named).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_freeze(struct vc_mem *mem);

/* One entry of the map, as a back end or a describer needs it. */
struct vc_mem_range {
	size_t size; /* sizeof(struct vc_mem_range), set by the caller; stays */
	vc_gpa gpa;
	uint64_t len_bytes;
	const char *name; /* the region's */
	enum vc_region_kind kind;
	uint32_t flags; /* enum vc_region_flag */
	uint32_t guest_node;
	uint64_t page_bytes; /* 4096, or the huge page size */
};

/**
 * vc_mem_range() - read entry @idx of the map, sorted by address.
 * @mem: the map.
 * @idx: 0, 1, ...
 * @ret_range: filled as far as its size goes, what this library does not know with zeros; strings
 *             live as long as the region; untouched on failure.
 * Context: any thread once frozen, else the control thread; does not block.
 * Returns: 0, or -ENOENT (past the last; sets no message), -EINVAL (NULL, size below that of the
 *          first version or above 4096).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_range(const struct vc_mem *mem, size_t idx, struct vc_mem_range *ret_range);

/**
 * vc_mem_backing() - tell where the host has entry @idx of the map. For back ends that hand memory
 * to a hypervisor, and for nobody else: it knows no permission and no dirty log. Others use slices,
 * vc_mem_read() and vc_mem_write(), or vc_region_write() before the region is placed.
 * @mem: frozen map.
 * @idx: as for vc_mem_range().
 * @ret_hva: first byte of the entry's mapping; lives as long as the map; untouched on failure.
 * Context: any thread; does not block.
 * Returns: 0, or -ENOENT (past the last; sets no message), -EINVAL (NULL, not frozen).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_backing(const struct vc_mem *mem, size_t idx, void **ret_hva);

enum vc_perm {
	VC_PERM_READ = 1,
	VC_PERM_WRITE = 2,
};

/* A host view of guest memory, contiguous in both spaces. The bytes may change under the reader. */
struct vc_slice {
	void *ptr;
	uint64_t len; /* bytes */
	vc_gpa gpa;
	const struct vc_mem *mem;
	uint32_t perm; /* enum vc_perm bits it was got with */
};

/**
 * vc_slice_get() - turn guest-physical addresses into a host pointer: the only door.
 * @mem: frozen map.
 * @gpa: first address.
 * @len: bytes, not 0; the range must lie in one region.
 * @perm: VC_PERM_READ and/or VC_PERM_WRITE.
 * @ret_slice: filled; untouched on failure.
 * Context: any thread; does not block, takes no lock, allocates nothing.
 * Returns: 0, or -EFAULT (not RAM, or not wholly in one region), -EROFS (write to read-only),
 *          -EINVAL (len 0, perm, not frozen). Sets no message: guests cause these.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_slice_get(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, uint32_t perm,
			struct vc_slice *ret_slice);

/**
 * vc_slice_put() - give a slice back; a slice got for writing counts as dirty from here on.
 * @slice: cleared.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_slice_put(struct vc_slice *slice);

/**
 * vc_mem_read() - copy from guest memory; may cross from one region into the next.
 * @mem: frozen map.
 * @gpa: first address.
 * @buf: filled; undefined on failure.
 * @len: bytes.
 * Context: any thread; does not block.
 * Returns: 0, or -EFAULT (part of the range is no RAM), -EINVAL. Sets no message.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_read(const struct vc_mem *mem, vc_gpa gpa, void *buf, uint64_t len);

/**
 * vc_mem_write() - copy into guest memory; may cross from one region into the next.
 * @mem: frozen map.
 * @gpa: first address.
 * @buf: bytes.
 * @len: their number. Nothing is written unless the whole range is writable RAM.
 * Context: any thread; does not block.
 * Returns: 0, or -EFAULT, -EROFS, -EINVAL. Sets no message.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_write(const struct vc_mem *mem, vc_gpa gpa, const void *buf, uint64_t len);

/**
 * vc_mem_dirty_start() - begin to log pages that the host writes.
 * @mem: frozen map; all bits start at 0. Writers may run: what a slice or a write put into memory is
 *       either in the log, or seen by every read of the memory after this call.
 * Context: control thread; allocates one bit per 4 KiB page.
 * Returns: 0, or -EALREADY, -EINVAL (not frozen), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_mem_dirty_start(struct vc_mem *mem);

/**
 * vc_mem_dirty_stop() - end the log and free its bits.
 * @mem: the map; no effect when not started. No thread may be writing through it.
 * Context: control thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_mem_dirty_stop(struct vc_mem *mem);

/**
 * vc_mem_dirty_mark() - set the bits of a range, as put of a written slice does.
 * @mem: the map; no effect when no log runs.
 * @gpa: first address; parts that are no RAM are passed over.
 * @len: bytes.
 * Context: any thread; lock-free.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_mem_dirty_mark(const struct vc_mem *mem, vc_gpa gpa, uint64_t len);

/**
 * vc_mem_dirty_take() - read and clear the bits of one range of the map.
 * @mem: the map, log started.
 * @idx: index as for vc_mem_range().
 * @bits: one bit per 4 KiB page, first page in bit 0 of word 0; the log is ORed in.
 * @nr_words: 64-bit words in @bits; at least pages / 64 rounded up.
 * Context: control thread; writers may run.
 * Returns: number of bits found set in the log, or -EINVAL (NULL, no log, @bits too small), -ENOENT
 *          (past the last range; sets no message).
 * Spec: none.   Since: 0.1
 */
VC_API int64_t vc_mem_dirty_take(struct vc_mem *mem, size_t idx, uint64_t *bits, size_t nr_words);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_MEM_H */
