/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot loaders: put a kernel, an initrd and a command line into guest memory and say in what state
 * the first vCPU starts. vm.h uses them; a program with its own machine can too.
 */
#ifndef LIBVIRTCORE_BOOT_H
#define LIBVIRTCORE_BOOT_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_mem;
struct vc_vm;

enum vc_boot_kind {
	VC_BOOT_AUTO = 0,    /* bzImage or ELF by their magic; never flat */
	VC_BOOT_BZIMAGE = 1, /* Linux boot protocol 2.12+, 64-bit entry */
	VC_BOOT_PVH = 2,     /* ELF64 with a PVH entry note, 32-bit entry */
	VC_BOOT_FLAT = 3,    /* bytes at flat_gpa, entered at their start */
};

/* Mode that a flat image starts in. */
enum vc_flat_mode {
	VC_FLAT_LONG_64 = 0,	  /* paging on (low 4 GiB identity-mapped), flat segments, CPL 0 */
	VC_FLAT_LONG_64_USER = 1, /* the same at CPL 3, IOPL 3, TSS with I/O bitmap of zeros */
	VC_FLAT_PROTECTED_32 = 2, /* paging off, flat segments */
	VC_FLAT_REAL_16 = 3,	  /* CS:IP = flat_gpa >> 4 : 0; flat_gpa below 1 MiB */
};

/* Bytes from a file or from memory: exactly one of path and buf, or neither for "none". */
struct vc_source {
	const char *path;
	const void *buf;
	size_t len; /* bytes at buf */
};

struct vc_boot_config {
	size_t size; /* sizeof(struct vc_boot_config) */
	enum vc_boot_kind kind;
	struct vc_source kernel;
	struct vc_source initrd;     /* not with FLAT */
	const char *cmdline;	     /* NULL = ""; not with FLAT */
	vc_gpa flat_gpa;	     /* FLAT */
	enum vc_flat_mode flat_mode; /* FLAT */
};

/* Type of a stretch of the guest's memory map, numbers as in E820. [ACPI 6.4 15] */
enum vc_e820_type {
	VC_E820_RAM = 1,
	VC_E820_RESERVED = 2,
	VC_E820_ACPI = 3,
};

struct vc_e820_range {
	vc_gpa gpa;
	uint64_t len_bytes;
	enum vc_e820_type type;
};

#define VC_E820_MAX 128u

/* What the kernel is told about its machine. */
struct vc_boot_machine {
	const struct vc_e820_range *ranges; /* sorted, not overlapping */
	size_t nr_ranges;		    /* at most VC_E820_MAX */
	vc_gpa rsdp;			    /* ACPI root pointer, 0 = none */
};

/* What was loaded where, and how the first vCPU starts. */
struct vc_boot_entry {
	enum vc_boot_kind kind;
	struct vc_x86_regs regs;
	struct vc_x86_sregs sregs;
	vc_gpa kernel_gpa, initrd_gpa, cmdline_gpa, params_gpa;
	uint64_t kernel_len, initrd_len; /* bytes; kernel_len includes its BSS */
};

/**
 * vc_boot_load() - load a kernel into guest memory.
 * @mem: frozen map; RAM at 0 to 640 KiB is needed for boot structures.
 * @cfg: copied during the call.
 * @machine: copied during the call.
 * @ret_entry: filled; untouched on failure.
 * Context: control thread; reads files.
 * Returns: 0, or -EINVAL (fields; a FIFO or device instead of a file; a flat image on boot
 *          structures or on a range of type ACPI), -E2BIG, -ENOEXEC (no such format, or header fields that cannot
 *          be: named), -ENOENT, -EACCES, -EISDIR or what else open(2) answered (file: named), -EIO
 *          (file shorter than its header says), -ENOSPC (kernel or initrd does not fit: sizes named), -ENAMETOOLONG (command line
 *          longer than the kernel takes), -EFAULT (a segment where there is no RAM), -ENOMEM.
 * Spec: [Linux x86 boot protocol] [Xen start_info.h] [ELF-64]   Since: 0.1
 */
VC_API int vc_boot_load(const struct vc_mem *mem, const struct vc_boot_config *cfg,
			const struct vc_boot_machine *machine, struct vc_boot_entry *ret_entry);

/**
 * vc_boot_probe() - tell what a file is without loading it.
 * @kernel: the bytes.
 * @ret_kind: BZIMAGE or PVH; untouched on failure.
 * Context: any thread; reads the file's beginning.
 * Returns: 0, or -ENOEXEC (neither: the message says what was found), or as vc_boot_load() for
 *          files.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_boot_probe(const struct vc_source *kernel, enum vc_boot_kind *ret_kind);

/**
 * vc_vm_set_boot() - say what to boot; files are opened by vc_vm_build().
 * @vm: NEW.
 * @boot: strings copied; buffers borrowed until destroy.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -EBUSY (not NEW), -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vm_set_boot(struct vc_vm *vm, const struct vc_boot_config *boot);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_BOOT_H */
