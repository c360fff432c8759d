/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door from guest addresses to host pointers, and the copies that go through it.
 *
 * Runs on any thread, on every request: no lock, no allocation, no message (guests cause the
 * errors). mint() is the only place that makes a pointer into guest memory out of a guest address;
 * whoever needs one comes by here. Guests change memory while it is read: a caller copies what it
 * checks, once.
 */
#include "map.h"

#include <errno.h>
#include <string.h>

/*
 * Makes the pointer for @gpa, and tells how many of the @len bytes from there lie in the same entry
 * of the map (at least 1).
 */
static int mint(const struct vc_mem *mem, vc_gpa gpa, uint32_t perm, uint64_t *len, void **ret)
{
	const struct vc__mem_entry *e;
	size_t idx = vc__mem_find(mem, gpa);
	uint64_t off;

	if (idx == mem->nr)
		return -EFAULT;
	e = &mem->entries[idx];
	if (gpa < e->gpa)
		return -EFAULT;
	if (perm & ~e->perm)
		return -EROFS;
	off = gpa - e->gpa; /* below len_bytes: the entry ends above gpa */
	if (*len > e->len_bytes - off)
		*len = e->len_bytes - off;
	*ret = e->hva + off;
	return 0;
}

int vc_slice_get(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, uint32_t perm,
		 struct vc_slice *ret_slice)
{
	uint64_t found = len;
	void *ptr;
	int r;

	if (!mem || !ret_slice || !mem->is_frozen || len == 0)
		return -EINVAL;
	if (perm == 0 || (perm & ~(uint32_t)(VC_PERM_READ | VC_PERM_WRITE)))
		return -EINVAL;
	r = mint(mem, gpa, perm, &found, &ptr);
	if (r < 0)
		return r;
	if (found < len)
		return -EFAULT;
	*ret_slice = (struct vc_slice){
		.ptr = ptr,
		.len = len,
		.gpa = gpa,
		.mem = mem,
		.perm = perm,
	};
	return 0;
}

void vc_slice_put(struct vc_slice *slice)
{
	if (!slice)
		return;
	if (slice->mem && (slice->perm & VC_PERM_WRITE))
		vc_mem_dirty_mark(slice->mem, slice->gpa, slice->len);
	*slice = (struct vc_slice){ 0 };
}

int vc_mem_read(const struct vc_mem *mem, vc_gpa gpa, void *buf, uint64_t len)
{
	uint8_t *to = buf;
	uint64_t n;
	void *ptr;
	int r;

	if (!mem || !mem->is_frozen || (!buf && len > 0))
		return -EINVAL;
	for (; len > 0; gpa += n, to += n, len -= n) {
		n = len;
		r = mint(mem, gpa, VC_PERM_READ, &n, &ptr);
		if (r < 0)
			return r;
		memcpy(to, ptr, n);
	}
	return 0;
}

/* Walks the range; @is_trial: only whether it can be written. */
static int write_range(const struct vc_mem *mem, vc_gpa gpa, const uint8_t *from, uint64_t len,
		       bool is_trial)
{
	uint64_t n;
	void *ptr;
	int r;

	for (; len > 0; gpa += n, from += n, len -= n) {
		n = len;
		r = mint(mem, gpa, VC_PERM_WRITE, &n, &ptr);
		if (r < 0)
			return r;
		if (is_trial)
			continue;
		memcpy(ptr, from, n);
		vc_mem_dirty_mark(mem, gpa, n);
	}
	return 0;
}

int vc_mem_write(const struct vc_mem *mem, vc_gpa gpa, const void *buf, uint64_t len)
{
	int r;

	if (!mem || !mem->is_frozen || (!buf && len > 0))
		return -EINVAL;
	/* All or nothing: the map is frozen, so what passes the trial passes. */
	r = write_range(mem, gpa, buf, len, true);
	return r < 0 ? r : write_range(mem, gpa, buf, len, false);
}
