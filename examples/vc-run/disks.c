/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio devices: disks from files, the seed image, random bytes. One ring with a thread of its own
 * serves them all.
 */
#include "options.h"
#include <libvirtcore/libvirtcore.h>
#include <libvirtcore/block.h>
#include <libvirtcore/virtio.h>
#include <libvirtcore/vm_device.h>
#include <stdio.h>
#include <unistd.h>

static int add(struct vc_vm *vm, struct vc_virtio *virtio)
{
	int r = vc_vm_add_virtio(vm, virtio, 0);

	if (r < 0)
		vc_device_destroy(&virtio->dev);
	return r < 0 ? r : 0;
}

/* The block end is the device's, or closed. */
static int add_block(struct vc_vm *vm, struct vc_ring *ring, const char *name,
		     const struct disk *disk, struct vc_block *block)
{
	struct vc_virtio_blk_config cfg = {
		.size = sizeof(cfg),
		.name = name,
		.mem = vc_vm_mem(vm),
		.block = block,
		.rings = &ring,
		.nr_rings = 1,
		.nr_queues = (uint32_t)disk->queues,
		.serial = disk->serial,
	};
	struct vc_virtio *virtio;
	int r = vc_virtio_blk_create(&cfg, &virtio);

	if (r == 0)
		return add(vm, virtio);
	(void)vc_block_close(block);
	return r;
}

static int add_disk(struct vc_vm *vm, struct vc_ring *ring, struct options *options, size_t idx)
{
	const struct disk *disk = &options->disks[idx];
	struct vc_block_config cfg = {
		.size = sizeof(cfg),
		.kind = VC_BLOCK_FILE,
		.format = VC_BLOCK_RAW,
		.path = disk->path,
		.is_readonly = disk->is_readonly == SWITCH_ON,
		.cache = (enum vc_block_cache)(disk->cache > 0 ? disk->cache - 1 : 0),
	};
	struct vc_block *block;
	char name[16];
	int r;

	if (disk->path == NULL)
		return reader_fault(&options->reader, "--disk: path= is needed");
	snprintf(name, sizeof(name), "disk%zu", idx);
	r = vc_block_open(&cfg, &block);
	return r < 0 ? r : add_block(vm, ring, name, disk, block);
}

static int add_seed(struct vc_vm *vm, struct vc_ring *ring, const struct seed *seed)
{
	static const struct disk usual = { 0 };
	const struct vc_seed_config cfg = {
		.size = sizeof(cfg),
		.user_data.path = seed->user_data,
		.meta_data.path = seed->meta_data,
		.network_config.path = seed->network_config,
		.instance_id = seed->instance_id,
		.hostname = seed->hostname,
	};
	struct vc_block_config image = { .size = sizeof(image),
					 .kind = VC_BLOCK_FILE,
					 .format = VC_BLOCK_RAW,
					 .name = "seed",
					 .is_readonly = true };
	struct vc_block *block;
	int r = vc_seed_create(&cfg, &image.fd);

	if (r < 0)
		return r;
	r = vc_block_open(&image, &block);
	if (r == 0)
		return add_block(vm, ring, image.name, &usual, block);
	close(image.fd);
	return r;
}

static int add_rng(struct vc_vm *vm, struct vc_ring *ring)
{
	struct vc_virtio_rng_config cfg = {
		.size = sizeof(cfg), .name = "rng", .mem = vc_vm_mem(vm), .ring = ring
	};
	struct vc_virtio *virtio;
	int r = vc_virtio_rng_create(&cfg, &virtio);

	return r < 0 ? r : add(vm, virtio);
}

int disks_add(struct options *options, struct vc_vm *vm, struct vc_ring **ret_ring)
{
	const struct vc_ring_config cfg = { .size = sizeof(cfg), .name = "vm/io", .nr_workers = 4 };
	int r = 0;

	if (options->nr_disks == 0 && options->nr_seeds == 0 && options->rng != SWITCH_ON)
		return 0;
	r = vc_ring_create(&cfg, ret_ring);
	for (size_t i = 0; r == 0 && i < options->nr_disks; i++)
		r = add_disk(vm, *ret_ring, options, i);
	if (r == 0 && options->nr_seeds > 0)
		r = add_seed(vm, *ret_ring, &options->seed[0]);
	if (r == 0 && options->rng == SWITCH_ON)
		r = add_rng(vm, *ret_ring);
	return r == 0 ? vc_ring_start(*ret_ring) : r;
}

void disks_end(struct vc_ring *ring)
{
	if (ring == NULL)
		return;
	(void)vc_ring_stop(ring);
	(void)vc_ring_join(ring);
	vc_ring_put(ring);
}
