/* SPDX-License-Identifier: Apache-2.0 */
/* What a loader needs of an ELF file: its segments and its PVH entry. */
#ifndef VC_VM_ELF_IMAGE_H
#define VC_VM_ELF_IMAGE_H

#include "source.h"

#define VC__ELF_SEGMENTS_MAX 64u

/* A loadable segment: [off, off + file_len) of the file, then zeros up to mem_len. */
struct vc__elf_segment {
	uint64_t off, file_len;
	vc_gpa gpa;
	uint64_t mem_len; /* not 0, not less than file_len; gpa + mem_len does not wrap */
};

struct vc__elf_image {
	struct vc__elf_segment segments[VC__ELF_SEGMENTS_MAX];
	size_t nr_segments; /* not 0 */
	uint32_t entry;	    /* physical, within a segment */
	bool has_entry;
	bool is_linux; /* has notes of Linux's own */
};

/*
 * Reads and checks headers and notes of an x86 ELF file. Returns 0, or -ENOEXEC (what is wrong is
 * named), -EIO (file shorter than its headers say), -ENOMEM. @ret is undefined on failure.
 */
int vc__elf_read(const struct vc__source *file, struct vc__elf_image *ret);

#endif /* VC_VM_ELF_IMAGE_H */
