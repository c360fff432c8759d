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

/* Checks a range against the entry it must lie in and makes the pointer. */
static int mint(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, uint32_t perm, void **ret)
{
	const struct vc__mem_entry *e;
	size_t idx = vc__mem_find(mem, gpa);

	if (idx == mem->nr)
		return -EFAULT;
	e = &mem->entries[idx];
	if (gpa < e->gpa || !vc_range_within(gpa - e->gpa, len, e->len_bytes))
		return -EFAULT;
	if (perm & ~e->perm)
		return -EROFS;
	*ret = e->hva + (gpa - e->gpa);
	return 0;
}

/* Bytes from @gpa to the end of its entry, at most @len; 0 when there is no RAM. */
static uint64_t span(const struct vc_mem *mem, vc_gpa gpa, uint64_t len)
{
	size_t idx = vc__mem_find(mem, gpa);
	const struct vc__mem_entry *e;
	uint64_t left;

	if (idx == mem->nr)
		return 0;
	e = &mem->entries[idx];
	if (gpa < e->gpa)
		return 0;
	left = e->len_bytes - (gpa - e->gpa);
	return left < len ? left : len;
}

int vc_slice_get(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, uint32_t perm,
		 struct vc_slice *ret_slice)
{
	void *ptr;
	int r;

	if (!mem || !ret_slice || !mem->is_frozen || len == 0)
		return -EINVAL;
	if (perm == 0 || (perm & ~(uint32_t)(VC_PERM_READ | VC_PERM_WRITE)))
		return -EINVAL;
	r = mint(mem, gpa, len, perm, &ptr);
	if (r < 0)
		return r;
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
		n = span(mem, gpa, len);
		r = n > 0 ? mint(mem, gpa, n, VC_PERM_READ, &ptr) : -EFAULT;
		if (r < 0)
			return r;
		memcpy(to, ptr, n);
	}
	return 0;
}

int vc_mem_write(const struct vc_mem *mem, vc_gpa gpa, const void *buf, uint64_t len)
{
	const uint8_t *from = buf;
	uint64_t n;
	void *ptr;
	int r;

	if (!mem || !mem->is_frozen || (!buf && len > 0))
		return -EINVAL;
	/* All or nothing: the map is frozen, so what passes here passes below. */
	for (uint64_t done = 0; done < len; done += n) {
		n = span(mem, gpa + done, len - done);
		r = n > 0 ? mint(mem, gpa + done, n, VC_PERM_WRITE, &ptr) : -EFAULT;
		if (r < 0)
			return r;
	}
	for (; len > 0; gpa += n, from += n, len -= n) {
		n = span(mem, gpa, len);
		r = mint(mem, gpa, n, VC_PERM_WRITE, &ptr);
		vc_assert(r == 0);
		memcpy(ptr, from, n);
		vc_mem_dirty_mark(mem, gpa, n);
	}
	return 0;
}
