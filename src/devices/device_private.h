/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the devices of this library only: how accesses wider than a byte reach devices that have
 * byte registers.
 */
#ifndef VC_DEVICE_PRIVATE_H
#define VC_DEVICE_PRIVATE_H

#include <libvirtcore/device.h>

#include <assert.h>
#include <stdatomic.h>

/*
 * The lock of a device: 0 free, 1 held, 2 held and somebody may sleep in futex(2). Every access of a
 * guest takes it, mostly uncontended: that costs two atomic instructions, a third of what a
 * pthread_mutex_t does.
 */
static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "the lock word is used as an atomic");

static inline _Atomic uint32_t *vc__device_lock_word(struct vc_device *dev)
{
	return (_Atomic uint32_t *)&dev->lock;
}

void vc__device_lock_contended(struct vc_device *dev);
void vc__device_wake_waiter(struct vc_device *dev);

/* Acquire: pairs with the release in vc__device_unlock(). */
static inline void vc__device_lock(struct vc_device *dev)
{
	uint32_t was = 0;

	if (!atomic_compare_exchange_strong_explicit(vc__device_lock_word(dev), &was, 1,
						     memory_order_acquire, memory_order_relaxed))
		vc__device_lock_contended(dev);
}

static inline void vc__device_unlock(struct vc_device *dev)
{
	if (atomic_exchange_explicit(vc__device_lock_word(dev), 0, memory_order_release) == 2)
		vc__device_wake_waiter(dev);
}

/* One byte register; *value is in for writes, out for reads (starts as 0xff). */
typedef void (*vc__byte_fn)(struct vc_device *dev, uint32_t off, bool is_write, uint8_t *value);

/* Splits an access into byte accesses in ascending order, as an ISA bus does. */
void vc__device_access_bytes(struct vc_device *dev, struct vc_access *access, vc__byte_fn fn);

#endif /* VC_DEVICE_PRIVATE_H */
