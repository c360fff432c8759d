/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies out of and into the buffers of a request, wherever the driver split them: a header is found
 * by its offset, never by its descriptor.
 *
 * Runs on the queue's thread. What is copied out may be checked and used; what stays in guest memory
 * may change any time.
 * Spec: [virtio 1.3 §2.7.4].
 */
#include <libvirtcore/virtq.h>

#include <string.h>

/* Copies between @buf and @nr slices from @off on; as far as both go. */
static size_t copy(const struct vc_slice *slices, uint32_t nr, uint64_t off, struct vc_slice local)
{
	bool is_read = local.perm & VC_PERM_WRITE; /* into the local buffer */
	uint8_t *buf = local.ptr;
	size_t done = 0;

	for (uint32_t i = 0; i < nr && done < local.len; i++) {
		uint64_t len = slices[i].len;
		uint8_t *at;

		if (off >= len) {
			off -= len;
			continue;
		}
		at = (uint8_t *)slices[i].ptr + off;
		len -= off;
		if (len > local.len - done)
			len = local.len - done;
		if (is_read)
			memcpy(buf + done, at, len);
		else
			memcpy(at, buf + done, len);
		done += len;
		off = 0;
	}
	return done;
}

size_t vc_virtq_read(const struct vc_virtq_chain *chain, uint64_t off, void *buf, size_t len)
{
	struct vc_slice local = { .ptr = buf, .len = len, .perm = VC_PERM_WRITE };

	return copy(chain->slices, chain->nr_readable, off, local);
}

size_t vc_virtq_write(const struct vc_virtq_chain *chain, uint64_t off, const void *buf, size_t len)
{
	/* Without the permission to write, copy() only reads from it. */
	struct vc_slice local = { .ptr = (void *)(uintptr_t)buf, .len = len, .perm = VC_PERM_READ };

	return copy(chain->slices + chain->nr_readable, chain->nr_writable, off, local);
}
