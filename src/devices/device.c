/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of every device: its name, its lock, and the doors through which all but the bus enter.
 *
 * A device's ops run with its lock held; the bus (bus.c) and the functions here are the only places
 * that take it. Leaves out: any list of devices (the VM has one) and any thread.
 */
#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "device_private.h"

int vc_device_init(struct vc_device *dev, const struct vc_device_ops *ops, const char *name)
{
	size_t len;

	if (!dev || !ops || !name)
		return vc_error_set(-EINVAL, "devices", name, "device, ops and name are needed");
	len = strnlen(name, sizeof(dev->name));
	if (len == 0 || len == sizeof(dev->name))
		return vc_error_set(-EINVAL, "devices", name,
				    "name has %zu bytes or more, expected 1 to %zu", len,
				    sizeof(dev->name) - 1);
	if (!ops->type || !ops->access || !ops->reset || !ops->save || !ops->load || !ops->destroy)
		return vc_error_set(-EINVAL, "devices", name,
				    "ops lack a slot: type, access, reset, save, load and destroy "
				    "are mandatory");
	if (!ops->pollfds != !ops->dispatch)
		return vc_error_set(-EINVAL, "devices", name,
				    "ops have %s without %s: both or none",
				    ops->pollfds ? "pollfds" : "dispatch",
				    ops->pollfds ? "dispatch" : "pollfds");
	dev->ops = ops;
	dev->lock = 0;
	dev->wake = NULL;
	dev->wake_opaque = NULL;
	memset(dev->name, 0, sizeof(dev->name));
	memcpy(dev->name, name, len);
	return 0;
}

void vc_device_fini(struct vc_device *dev)
{
	vc_assert(dev->lock == 0);
	(void)dev;
}

void vc_device_destroy(struct vc_device *dev)
{
	if (dev)
		dev->ops->destroy(dev);
}

void vc_device_reset(struct vc_device *dev)
{
	if (!dev)
		return;
	vc__device_lock(dev);
	dev->ops->reset(dev);
	vc__device_unlock(dev);
}

int vc_device_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	int r;

	if (!dev)
		return vc_error_set(-EINVAL, "devices", NULL, "a device is needed");
	vc__device_lock(dev);
	r = dev->ops->save(dev, writer);
	vc__device_unlock(dev);
	return r;
}

int vc_device_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	int r;

	if (!dev)
		return vc_error_set(-EINVAL, "devices", NULL, "a device is needed");
	vc__device_lock(dev);
	r = dev->ops->load(dev, reader);
	if (r < 0)
		dev->ops->reset(dev);
	vc__device_unlock(dev);
	return r;
}

size_t vc_device_pollfds(struct vc_device *dev, struct pollfd *fds, size_t nr)
{
	size_t filled;

	if (!dev->ops->pollfds)
		return 0;
	vc__device_lock(dev);
	filled = dev->ops->pollfds(dev, fds, nr);
	vc__device_unlock(dev);
	return filled;
}

void vc_device_dispatch(struct vc_device *dev, const struct pollfd *fds, size_t nr)
{
	if (!dev->ops->dispatch)
		return;
	vc__device_lock(dev);
	dev->ops->dispatch(dev, fds, nr);
	vc__device_unlock(dev);
}

void vc__device_lock_contended(struct vc_device *dev)
{
	_Atomic uint32_t *word = vc__device_lock_word(dev);

	while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
		(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void vc__device_wake_waiter(struct vc_device *dev)
{
	(void)syscall(SYS_futex, vc__device_lock_word(dev), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void vc_device_lock(struct vc_device *dev)
{
	vc__device_lock(dev);
}

void vc_device_unlock(struct vc_device *dev)
{
	vc__device_unlock(dev);
}

void vc_device_set_wake(struct vc_device *dev, void (*wake)(void *opaque), void *opaque)
{
	dev->wake = wake;
	dev->wake_opaque = opaque;
}

void vc_device_wake(struct vc_device *dev)
{
	if (dev->wake)
		dev->wake(dev->wake_opaque);
}

void vc__device_access_bytes(struct vc_device *dev, struct vc_access *access, vc__byte_fn fn)
{
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < access->size; i++) {
		uint8_t byte = access->is_write ? (uint8_t)(access->value >> (8 * i)) : 0xff;

		fn(dev, (uint32_t)access->off + i, access->is_write, &byte);
		value |= (uint64_t)byte << (8 * i);
	}
	if (!access->is_write)
		access->value = value;
}
