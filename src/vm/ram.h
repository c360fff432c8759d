/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM as loaders see it: pieces to write into, zeroing, and where something fits. */
#ifndef VC_VM_RAM_H
#define VC_VM_RAM_H

#include <libvirtcore/boot.h>

struct vc_mem;
struct vc_slice;

/*
 * The writable piece that begins at @gpa: up to @len bytes, less where a region ends. Returns 0, or
 * -EFAULT, -EROFS; sets no message.
 */
int vc__ram_slice(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, struct vc_slice *ret);

/*
 * Makes [@gpa, @gpa + @len) read as zeros. @is_fresh: nothing was ever written there, so memory
 * that the kernel gives out zeroed is not touched. Returns 0, or -EFAULT, -EROFS; sets no message.
 */
int vc__ram_zero(const struct vc_mem *mem, vc_gpa gpa, uint64_t len, bool is_fresh);

/* What vc__ram_place() looks for. */
struct vc__ram_want {
	uint64_t len;	     /* not 0 */
	uint64_t align;	     /* power of two */
	uint64_t min, limit; /* within [min, limit) */
	vc_gpa avoid;	     /* not on [avoid, avoid + avoid_len) */
	uint64_t avoid_len;
	bool is_high; /* the highest place, else the lowest */
};

/* True when [@gpa, @gpa + @len) lies in RAM of the memory map. */
bool vc__ram_has(const struct vc_boot_machine *machine, vc_gpa gpa, uint64_t len);

/* End of the highest RAM below @limit, 0 when there is none. */
vc_gpa vc__ram_top(const struct vc_boot_machine *machine, uint64_t limit);

/* Finds a place in the RAM of the memory map; false when there is none. */
bool vc__ram_place(const struct vc_boot_machine *machine, const struct vc__ram_want *want,
		   vc_gpa *ret_gpa);

#endif /* VC_VM_RAM_H */
