/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of devices share: accesses as a bus makes them, state sections as bytes. */
#ifndef VC_TESTS_DEVICE_UNIT_H
#define VC_TESTS_DEVICE_UNIT_H

#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>

static inline uint64_t device_access(struct vc_device *dev, uint32_t range, uint64_t off,
				     unsigned int size, bool is_write, uint64_t value)
{
	uint64_t mask = UINT64_MAX >> (64 - 8 * size);
	struct vc_access access = {
		.range = range,
		.size = (uint8_t)size,
		.is_write = is_write,
		.off = off,
		.value = is_write ? value & mask : UINT64_MAX,
	};

	vc_device_lock(dev);
	dev->ops->access(dev, &access);
	vc_device_unlock(dev);
	return access.value & mask;
}

static inline uint8_t in8(struct vc_device *dev, uint64_t off)
{
	return (uint8_t)device_access(dev, 0, off, 1, false, 0);
}

static inline void out8(struct vc_device *dev, uint64_t off, uint8_t value)
{
	(void)device_access(dev, 0, off, 1, true, value);
}

/* The payload of the section that the device saves now; its length. */
static inline size_t save_payload(struct vc_device *dev, uint8_t *buf, size_t max)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	uint32_t version;
	size_t len;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_device_save(dev, writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &len), 0);
	assert_result(vc_state_reader_create(bytes, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_state_open(reader, dev->name, 1, &version), 0);
	assert_int_equal(version, 1);
	len = vc_state_left(reader);
	assert_true(len <= max);
	assert_result(vc_state_get_bytes(reader, buf, len), 0);
	assert_result(vc_state_close(reader), 0);
	assert_result(vc_state_done(reader), 0);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	return len;
}

/* What vc_device_load() says of a section with this payload. */
static inline int load_payload(struct vc_device *dev, uint32_t version, const uint8_t *buf,
			       size_t len)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	size_t nr_bytes;
	int r;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, dev->name, version), 0);
	vc_state_put_bytes(writer, buf, len);
	assert_result(vc_state_end(writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &nr_bytes), 0);
	assert_result(vc_state_reader_create(bytes, nr_bytes, VC_ARCH_X86_64, &reader), 0);
	r = vc_device_load(dev, reader);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	return r;
}

#define PAYLOAD_MAX 1024u

/* One byte of a good payload made bad: refused, and the device is as after a reset. */
static inline void refuse_byte(struct vc_device *dev, const uint8_t *good, size_t len, size_t at,
			       uint8_t bad)
{
	uint8_t buf[PAYLOAD_MAX], fresh[PAYLOAD_MAX], after[PAYLOAD_MAX];
	size_t fresh_len;

	vc_device_reset(dev);
	fresh_len = save_payload(dev, fresh, sizeof(fresh));
	memcpy(buf, good, len);
	assert_result(load_payload(dev, 1, buf, len), 0);
	buf[at] = bad;
	if (load_payload(dev, 1, buf, len) != -EBADMSG) {
		print_error("byte %zu = 0x%02x was taken\n", at, bad);
		fail();
	}
	assert_int_equal(save_payload(dev, after, sizeof(after)), fresh_len);
	assert_memory_equal(after, fresh, fresh_len);
}

/* Every length but the right one, a newer version, and a stream without the section. */
static inline void refuse_shapes(struct vc_device *dev)
{
	uint8_t buf[PAYLOAD_MAX + 1] = { 0 };
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	size_t i, nr_bytes, len;

	vc_device_reset(dev);
	len = save_payload(dev, buf, PAYLOAD_MAX);
	for (i = 0; i <= len + 1; i++)
		assert_int_equal(load_payload(dev, 1, buf, i), i == len ? 0 : -EBADMSG);
	assert_int_equal(load_payload(dev, 2, buf, len), -EPROTONOSUPPORT);

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &nr_bytes), 0);
	assert_result(vc_state_reader_create(bytes, nr_bytes, VC_ARCH_X86_64, &reader), 0);
	assert_int_equal(vc_device_load(dev, reader), -ENOENT);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

/* A guest's wishes, recorded. */
struct wishes {
	unsigned int nr;
	enum vc_request last;
	uint64_t code;
};

static inline void record_wish(void *opaque, enum vc_request request, uint64_t code)
{
	struct wishes *wishes = opaque;

	wishes->nr++;
	wishes->last = request;
	wishes->code = code;
}

#endif /* VC_TESTS_DEVICE_UNIT_H */
