/* SPDX-License-Identifier: Apache-2.0 */
/* An ISO 9660 image of one directory, with Joliet names. */
#ifndef VC_VM_ISO9660_H
#define VC_VM_ISO9660_H

#include <stddef.h>
#include <stdint.h>

#define VC__ISO_SECTOR_BYTES 2048u
#define VC__ISO_FILES_MAX    8u

struct vc__iso_file {
	const char *name;	/* ASCII, at most 64 characters: what a guest sees */
	const char *short_name; /* 8.3, A-Z 0-9 _ : for readers that know no Joliet */
	const void *data;
	uint32_t len;
};

/*
 * Makes an image with @label (ASCII, at most 16 characters) of up to VC__ISO_FILES_MAX files, given in
 * the order of their names, long and short. *@ret_image is the caller's to free(3). Returns 0 or
 * -ENOMEM.
 */
int vc__iso_make(const char *label, const struct vc__iso_file *files, size_t nr_files,
		 uint8_t **ret_image, size_t *ret_len);

#endif /* VC_VM_ISO9660_H */
