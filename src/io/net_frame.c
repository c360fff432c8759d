/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame on its way from one guest's memory to another's. The sender may change it at any time, so
 * the header is copied out once, checked, and written anew: the receiver gets what was checked. A
 * checksum that was left open is computed for a receiver that does not do it; large frames are not
 * cut up. On the receiver's ring; no lock, no allocation. [virtio 1.3 §5.1.6.2, §5.1.6.4]
 */
#include "net_frame.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define NEEDS_CSUM 1u /* flags; the others say what only a device may say */
#define UDP_CSUM   6u /* its offset there */
#define GSO_NONE   0u
#define GSO_TCPV4  1u
#define GSO_TCPV6  4u
#define GSO_UDP_L4 5u
#define GSO_ECN	   0x80u

struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
static_assert(sizeof(struct header) == VC_NET_HDR_LEN, "[virtio 1.3 §5.1.6]");

/* A place in an iov, whose entries may be of length 0. */
struct place {
	const struct iovec *iov;
	size_t off;
};

static struct place start_of(const struct iovec *iov)
{
	return (struct place){ .iov = iov, .off = 0 };
}

/* The bytes that lie in one piece at @at; it is known that there are some. */
static size_t piece(struct place *at)
{
	while (at->off == at->iov->iov_len) {
		at->iov++;
		at->off = 0;
	}
	return at->iov->iov_len - at->off;
}

static uint8_t *byte_at(const struct place *at)
{
	return (uint8_t *)at->iov->iov_base + at->off;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void copy(struct place *to, struct place *from, size_t len)
{
	while (len > 0) {
		size_t n = least(len, least(piece(to), piece(from)));

		memcpy(byte_at(to), byte_at(from), n);
		to->off += n;
		from->off += n;
		len -= n;
	}
}

static void skip(struct place *at, size_t len)
{
	while (len > 0) {
		size_t n = least(len, piece(at));

		at->off += n;
		len -= n;
	}
}

static struct place place_of(void *buf, size_t len, struct iovec *iov)
{
	*iov = (struct iovec){ .iov_base = buf, .iov_len = len };
	return start_of(iov);
}

/* headers */

/* What the receiver must be ready to do; -EINVAL for what there is not. */
static int needs(const struct header *header)
{
	uint32_t type = header->gso_type & ~GSO_ECN;
	uint32_t offloads = header->flags & NEEDS_CSUM ? VC_NET_CSUM : 0;

	switch (type) {
	case GSO_NONE:
		return header->gso_type == GSO_NONE ? (int)offloads : -EINVAL;
	case GSO_TCPV4:
		offloads |= VC_NET_TSO4;
		break;
	case GSO_TCPV6:
		offloads |= VC_NET_TSO6;
		break;
	case GSO_UDP_L4:
		offloads |= VC_NET_USO;
		break;
	default:
		return -EINVAL;
	}
	if (!(header->flags & NEEDS_CSUM) || header->gso_size == 0 ||
	    (type == GSO_UDP_L4 && type != header->gso_type))
		return -EINVAL;
	return (int)(offloads | (header->gso_type & GSO_ECN ? VC_NET_ECN : 0u));
}

/* Keeps what a driver may say, and that only where it is true of a frame of @len bytes. */
static int sanitize(struct header *header, uint32_t len)
{
	uint32_t start = le16toh(header->csum_start), offset = le16toh(header->csum_offset);
	int offloads = needs(header);

	header->flags &= NEEDS_CSUM;
	header->num_buffers = 0;
	if (offloads < 0)
		return offloads;
	if (!header->flags)
		header->csum_start = header->csum_offset = 0;
	else if (start < VC_NET_FRAME_MIN || start + offset + 2 > len)
		return -EINVAL;
	if (header->gso_type == GSO_NONE)
		header->gso_size = header->hdr_len = 0;
	else if (le16toh(header->hdr_len) > len)
		return -EINVAL;
	return offloads;
}

/* checksums */

/* [RFC 1071], over @len bytes that may lie in any pieces; big-endian words. */
static uint16_t sum_of(struct place at, size_t len)
{
	uint64_t sum = 0;
	bool is_odd = false;

	while (len > 0) {
		size_t n = least(len, piece(&at));
		const uint8_t *bytes = byte_at(&at);

		for (size_t i = 0; i < n; i++, is_odd = !is_odd)
			sum += is_odd ? bytes[i] : (uint32_t)bytes[i] << 8;
		at.off += n;
		len -= n;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The place of the checksum holds that of the pseudo header, which is part of the sum. */
static void complete_csum(const struct vc_net_request *slot, struct header *header, uint32_t len)
{
	uint32_t start = le16toh(header->csum_start), offset = le16toh(header->csum_offset);
	struct place from = start_of(slot->iov), to = start_of(slot->iov), word;
	struct iovec iov;
	uint16_t sum;
	uint8_t bytes[2];

	skip(&from, VC_NET_HDR_LEN + start);
	sum = (uint16_t)~sum_of(from, len - start);
	if (sum == 0 && offset == UDP_CSUM)
		sum = 0xffff; /* 0 would mean that there is none */
	bytes[0] = (uint8_t)(sum >> 8);
	bytes[1] = (uint8_t)sum;
	skip(&to, VC_NET_HDR_LEN + start + offset);
	word = place_of(bytes, sizeof(bytes), &iov);
	copy(&to, &word, sizeof(bytes));
	header->flags = 0;
	header->csum_start = header->csum_offset = 0;
}

int vc__net_frame_copy(const struct vc_net_request *slot, const struct vc_net_request *frame,
		       uint32_t accepted)
{
	struct place from = start_of(frame->iov), to = start_of(slot->iov), local;
	uint32_t len = frame->len - VC_NET_HDR_LEN;
	struct header header;
	struct iovec iov;
	int offloads;

	local = place_of(&header, sizeof(header), &iov);
	copy(&local, &from, sizeof(header));
	offloads = sanitize(&header, len);
	if (offloads < 0)
		return offloads;
	if ((uint32_t)offloads & ~(accepted | VC_NET_CSUM))
		return -EOPNOTSUPP;
	skip(&to, sizeof(header));
	copy(&to, &from, len);
	if ((uint32_t)offloads & ~accepted)
		complete_csum(slot, &header, len);
	to = start_of(slot->iov);
	local = place_of(&header, sizeof(header), &iov);
	copy(&to, &local, sizeof(header));
	return (int)frame->len;
}
