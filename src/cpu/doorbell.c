/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vc_doorbell: a guest write that signals an eventfd and does not exit. Control thread; the fd may
 * be polled from any. Leaves out who answers it, and the trap that serves where a hypervisor cannot
 * do this (the bus of the layer above).
 */
#include "backend.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <sys/eventfd.h>

static int check_config(const char *name, const struct vc_doorbell_config *cfg)
{
	uint32_t len = cfg->len;
	uint64_t space_bytes = cfg->space == VC_SPACE_PIO ? 0x10000 : UINT64_MAX;

	if (cfg->space != VC_SPACE_PIO && cfg->space != VC_SPACE_MMIO)
		return vc_error_set(-EINVAL, "cpu", name, "doorbell in address space %d",
				    (int)cfg->space);
	if (len > 8 || len & (len - 1) || (cfg->space == VC_SPACE_PIO && (len == 0 || len == 8)))
		return vc_error_set(-EINVAL, "cpu", name,
				    "doorbell of %u bytes, expected 1, 2, 4, or with MMIO 8, 0 for "
				    "any",
				    len);
	if (!vc_range_within(cfg->addr, len, space_bytes))
		return vc_error_set(-EINVAL, "cpu", name, "doorbell at %#llx is past the end",
				    (unsigned long long)cfg->addr);
	if (cfg->has_match && len == 0)
		return vc_error_set(-EINVAL, "cpu", name, "a match needs a length");
	if (cfg->has_match && len < 8 && cfg->match >> (8 * len))
		return vc_error_set(-EINVAL, "cpu", name, "%#llx is no value of %u bytes",
				    (unsigned long long)cfg->match, len);
	return 0;
}

int vc_doorbell_create(struct vc_partition *partition, const struct vc_doorbell_config *user_cfg,
		       struct vc_doorbell **ret_doorbell)
{
	struct vc_doorbell_config cfg;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (!partition || !ret_doorbell)
		return vc_error_set(-EINVAL, "cpu", "doorbell", "no partition or no place for it");
	if ((r = check_config(partition->name, &cfg)) < 0)
		return r;
	if (!vc_host_has(partition->host, VC_CAP_IOEVENTFD))
		return vc_error_set(-ENOTSUP, "cpu", partition->name, "no %s here",
				    vc__cap_name(VC_CAP_IOEVENTFD));
	vc_auto_close int fd = cfg.has_fd ? -EBADF : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!cfg.has_fd && fd < 0)
		return vc_error_set(-errno, "cpu", partition->name, "no eventfd");
	struct vc_doorbell *doorbell = calloc(1, sizeof(*doorbell));
	if (!doorbell)
		return vc__no_memory(partition->name, "a doorbell");
	doorbell->partition = partition;
	doorbell->cfg = cfg;
	doorbell->fd = cfg.has_fd ? cfg.fd : fd;
	r = partition->host->ops->doorbell_wire(doorbell, true);
	if (r < 0) {
		free(doorbell);
		return r;
	}
	(void)vc_take_fd(fd);
	*ret_doorbell = doorbell;
	return 0;
}

void vc_doorbell_destroy(struct vc_doorbell *doorbell)
{
	if (!doorbell)
		return;
	(void)doorbell->partition->host->ops->doorbell_wire(doorbell, false);
	if (!doorbell->cfg.has_fd)
		close(doorbell->fd);
	free(doorbell);
}

int vc_doorbell_fd(const struct vc_doorbell *doorbell)
{
	if (!doorbell)
		return vc_error_set(-EINVAL, "cpu", "doorbell", "no doorbell given");
	return doorbell->fd;
}
