/* SPDX-License-Identifier: Apache-2.0 */
/* What the boot loaders share: their input, how the first vCPU starts, and each format's door. */
#ifndef VC_VM_LOAD_H
#define VC_VM_LOAD_H

#include "source.h"

struct vc__load {
	const struct vc_mem *mem;
	const struct vc_boot_machine *machine;
	const struct vc_boot_config *cfg;
	struct vc__source kernel, initrd;
	const char *cmdline;  /* never NULL */
	uint64_t cmdline_len; /* without the 0 behind it */
	bool is_fresh;	      /* RAM was never written to */
};

/* What a boot reads from, opened once and read as often as the machine is reset. */
struct vc__boot_files {
	struct vc_boot_config cfg; /* its strings and buffers are borrowed */
	struct vc__source kernel, initrd;
	bool is_open;
};

/* Opens kernel and initrd. Errors as vc_boot_load() for files; nothing stays open then. */
int vc__boot_open(const struct vc_boot_config *cfg, struct vc__boot_files *ret_files);

/* Closes them; legal on zeros, and twice. */
void vc__boot_close(struct vc__boot_files *files);

/*
 * vc_boot_load() from files that are open, with one more fact: @is_fresh, all of RAM is zero. The
 * first boot of a machine then does not touch the kernel's BSS.
 */
int vc__boot_load(const struct vc_mem *mem, const struct vc__boot_files *files,
		  const struct vc_boot_machine *machine, bool is_fresh,
		  struct vc_boot_entry *ret_entry);

/* The formats. Each fills all of @entry but kind; @entry is undefined on failure. */
int vc__load_bzimage(const struct vc__load *load, struct vc_boot_entry *entry);
int vc__load_elf(const struct vc__load *load, struct vc_boot_entry *entry);
int vc__load_flat(const struct vc__load *load, struct vc_boot_entry *entry);

/* Whether the source is of that format: 1, 0, or what reading answered. Sets a message at 0. */
int vc__probe_bzimage(const struct vc__source *kernel);
int vc__probe_elf(const struct vc__source *kernel);

/*
 * Puts the initrd as high as it goes: in RAM below @limit (and 4 GiB), not on the kernel. Returns
 * 0 also when there is none, or -EINVAL (empty), -ENOSPC, or as vc__source_load().
 */
int vc__load_initrd(const struct vc__load *load, uint64_t limit, struct vc_boot_entry *entry);

/*
 * Writes the command line; @max is the longest the kernel takes, without the 0. Returns 0, or
 * -ENAMETOOLONG, -EFAULT.
 */
int vc__load_cmdline(const struct vc__load *load, uint64_t max, struct vc_boot_entry *entry);

/* Writes a boot structure. Returns 0, or -EFAULT: RAM is missing where it must be. */
int vc__load_struct(const struct vc__load *load, vc_gpa gpa, const void *buf, uint64_t len);

/* True when [@gpa, @gpa + @len) is where boot structures or the command line go. */
bool vc__load_is_taken(vc_gpa gpa, uint64_t len);

/*
 * Register states, entry_x86.c; those in long mode write GDT and page tables (and a TSS for CPL 3)
 * into guest memory. @rip is absolute but for real mode, where it is CS's base. Return 0, or
 * -EFAULT.
 */
int vc__entry_long(const struct vc__load *load, uint64_t rip, bool is_user,
		   struct vc_boot_entry *entry);
int vc__entry_protected(const struct vc__load *load, uint32_t rip, bool has_gdt,
			struct vc_boot_entry *entry);
void vc__entry_real(uint32_t cs_base, struct vc_boot_entry *entry);

#endif /* VC_VM_LOAD_H */
