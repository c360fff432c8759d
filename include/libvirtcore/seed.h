/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seed image: what cloud-init of a guest reads at its first boot (data source NoCloud), as a small
 * read-only disk. Attach the descriptor as a disk of the VM, or copy it to a file.
 */
#ifndef LIBVIRTCORE_SEED_H
#define LIBVIRTCORE_SEED_H

#include <libvirtcore/boot.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most that the three files of a seed may have together. */
#define VC_SEED_BYTES_MAX (8u << 20)

struct vc_seed_config {
	size_t size;			 /* sizeof(struct vc_seed_config) */
	struct vc_source user_data;	 /* "#cloud-config" and what follows, or a script; needed */
	struct vc_source network_config; /* none = the guest's own default */
	/* The whole file; none = it is made of the two below, which otherwise must be NULL. */
	struct vc_source meta_data;
	/* 1 to 64 of A-Z a-z 0-9 . _ -; cloud-init runs again when it changes. NULL = made of the
	 * other fields, so that another configuration is another instance. */
	const char *instance_id;
	const char *hostname; /* as instance_id; NULL = the image's own */
};

/**
 * vc_seed_create() - make a seed image in memory.
 * @cfg: read during the call only.
 * @ret_fd: a memfd, close-on-exec, sealed against every change, at offset 0; the caller's to close;
 *          untouched on failure.
 * Context: any thread; blocks to read files.
 * Returns: 0, or -EINVAL (NULL, no user data, names, both meta data and its parts, no regular file),
 *          -E2BIG (unknown newer fields), -EFBIG (more than VC_SEED_BYTES_MAX), -EISDIR, -ENOENT,
 *          -EACCES or what else open(2), read(2) and memfd_create(2) answer, -ENOMEM.
 * Spec: [cloud-init NoCloud] [ECMA-119] [Joliet 1995]   Since: 0.1
 */
VC_API int vc_seed_create(const struct vc_seed_config *cfg, int *ret_fd);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_SEED_H */
