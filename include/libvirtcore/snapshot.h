/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State streams: how every stateful object writes itself down and reads itself back.
 *
 * A stream is a header and a sequence of sections. A section is keyed by object name, object
 * version and architecture, carries its length and a CRC-32C, and is read as a whole or not at all.
 * Inside a section values are little-endian and have no tags: the version says what is there.
 *
 *	header   "VCSTATE\0" u32 format version (1), u32 arch, u32 CRC of the 16 bytes before, u32 0
 *	section  u32 0x54434553 ("SECT"), u32 version, u16 name_len, u16 arch, u32 CRC of payload,
 *	         u64 payload_len, name bytes, u32 CRC of all header bytes incl. name, payload
 *	end      a section with empty name and empty payload
 */
#ifndef LIBVIRTCORE_SNAPSHOT_H
#define LIBVIRTCORE_SNAPSHOT_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_state_writer;
struct vc_state_reader;

/* Bounds of the format: a longer name or section is refused by writer and reader alike. */
#define VC_STATE_NAME_MAX    64u
#define VC_STATE_SECTION_MAX (64u << 20)

/**
 * vc_state_writer_create() - begin a state stream in memory.
 * @arch: the guest's architecture, written into the header.
 * @ret_writer: the writer, owned by the caller; untouched on failure.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (@ret_writer NULL, @arch unknown), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_writer_create(enum vc_arch arch, struct vc_state_writer **ret_writer);

/**
 * vc_state_writer_destroy() - drop a writer and the bytes it holds.
 * @writer: may be NULL.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_state_writer_destroy(struct vc_state_writer *writer);

/**
 * vc_state_begin() - open a section.
 * @writer: no section may be open.
 * @name: object name, 1 to VC_STATE_NAME_MAX printable ASCII bytes, unique in the stream; copied.
 * @version: the object's own version of its layout, 1 or more.
 * Context: one thread at a time; does not block.
 * Returns: 0, or -EINVAL (NULL, name, version, stream finished), -EBUSY (a section is open),
 *          -EEXIST (name used before), -ENOMEM, or the first error of the writer.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_begin(struct vc_state_writer *writer, const char *name, uint32_t version);

/**
 * vc_state_put_bytes() - append raw bytes to the open section.
 * @writer: a section must be open.
 * @buf: bytes; may be NULL when @len is 0.
 * @len: their number.
 * Context: one thread at a time; does not block. An error sticks: it is returned by vc_state_end().
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_state_put_bytes(struct vc_state_writer *writer, const void *buf, size_t len);

/**
 * vc_state_put_u64() - append an integer of 1, 2, 4 or 8 bytes, little-endian.
 * @writer: a section must be open.
 * @value: the value; must fit @width.
 * @width: bytes: 1, 2, 4 or 8.
 * Context: one thread at a time; does not block. An error sticks: it is returned by vc_state_end().
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_state_put_u64(struct vc_state_writer *writer, uint64_t value, unsigned int width);

/**
 * vc_state_end() - close the open section.
 * @writer: a section must be open.
 * Context: one thread at a time; does not block.
 * Returns: 0, or -EINVAL (none open, or a value did not fit), -EFBIG (section too long), -ENOMEM.
 *          After an error the writer is of no use but to be destroyed.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_end(struct vc_state_writer *writer);

/**
 * vc_state_finish() - end the stream and look at its bytes.
 * @writer: no section may be open; after this no more can be begun.
 * @ret_buf: the bytes, owned by the writer until it is destroyed.
 * @ret_len: their number.
 * Context: one thread at a time; does not block.
 * Returns: 0, or -EINVAL (NULL), -EBUSY (a section is open), -ENOMEM, or the first error of the
 *          writer.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_finish(struct vc_state_writer *writer, const void **ret_buf, size_t *ret_len);

/**
 * vc_state_reader_create() - open a stream for reading; checks all of it first.
 * @buf: the bytes; borrowed, must outlive the reader and not change.
 * @len: their number.
 * @arch: the architecture expected.
 * @ret_reader: the reader, owned by the caller; untouched on failure.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL), -EBADMSG (magic, checksum, length, a name used twice: the message
 *          says where), -EPROTONOSUPPORT (format version), -EXDEV (another architecture), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_reader_create(const void *buf, size_t len, enum vc_arch arch,
				  struct vc_state_reader **ret_reader);

/**
 * vc_state_reader_destroy() - drop a reader.
 * @reader: may be NULL.
 * Context: any thread; does not block.
 * Returns: nothing.
 * Spec: none.   Since: 0.1
 */
VC_API void vc_state_reader_destroy(struct vc_state_reader *reader);

/**
 * vc_state_open() - position on a section by name.
 * @reader: any earlier section must have been closed.
 * @name: the object's name.
 * @max_version: the newest layout the caller understands.
 * @ret_version: the section's version, 1 to @max_version; untouched on failure.
 * Context: one thread at a time; does not block.
 * Returns: 0, or -ENOENT (no such section), -EPROTONOSUPPORT (newer), -EBUSY (another is open),
 *          -EALREADY (this section was read before), -EINVAL (NULL).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_open(struct vc_state_reader *reader, const char *name, uint32_t max_version,
			 uint32_t *ret_version);

/**
 * vc_state_get_bytes() - take raw bytes from the open section.
 * @reader: a section must be open.
 * @buf: filled; zeroed when the section is too short.
 * @len: bytes wanted.
 * Context: one thread at a time; does not block. An error sticks: it is returned by
 *          vc_state_close().
 * Returns: 0, or -EBADMSG (the section is too short), -EINVAL (no section is open, or NULL).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_get_bytes(struct vc_state_reader *reader, void *buf, size_t len);

/**
 * vc_state_get_u64() - take an integer of 1, 2, 4 or 8 bytes.
 * @reader: a section must be open.
 * @width: bytes: 1, 2, 4 or 8.
 * Context: one thread at a time; does not block. An error sticks: it is returned by
 *          vc_state_close().
 * Returns: the value; 0 when the section is too short, none is open, or @width is another.
 * Spec: none.   Since: 0.1
 */
VC_API uint64_t vc_state_get_u64(struct vc_state_reader *reader, unsigned int width);

/**
 * vc_state_left() - bytes of the open section not yet taken.
 * @reader: a section must be open.
 * Context: one thread at a time; does not block.
 * Returns: the number, 0 when none is open.
 * Spec: none.   Since: 0.1
 */
VC_API size_t vc_state_left(const struct vc_state_reader *reader);

/**
 * vc_state_close() - close the open section, with or without an error in it; everything in it must
 *                    have been taken.
 * @reader: a section must be open.
 * Context: one thread at a time; does not block.
 * Returns: 0, or -EBADMSG (too short, or bytes left over), -EINVAL (none open, or a mistake of the
 *          caller's in between: a wrong width, NULL).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_close(struct vc_state_reader *reader);

/**
 * vc_state_done() - check that every section of the stream was read.
 * @reader: no section may be open.
 * Context: one thread at a time; does not block.
 * Returns: 0, or -EBADMSG (a section nobody asked for: the message names it), -EBUSY (one is open),
 *          -EINVAL (NULL).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_state_done(struct vc_state_reader *reader);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_SNAPSHOT_H */
