/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bus: which device answers at an address. Claims are kept sorted; once frozen nothing changes, so
 * that every vCPU thread looks up without a lock, and takes only the lock of the device it found.
 *
 * An access belongs to a range only when it lies wholly within it: a device never sees an offset
 * past its end, and no access is split over two devices. Leaves out: moving ranges (a PCI bridge
 * holds its windows as one range), last-hit caches (shared state on the hottest path).
 */
#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define PIO_LAST 0xffffu

struct range {
	uint64_t base;
	uint64_t len;
	struct vc_device *dev;
	uint32_t number; /* the device's own */
};

struct vc_bus {
	struct range *ranges; /* by base, disjoint */
	size_t nr_ranges;
	bool is_frozen;
	enum vc_space space;
	atomic_uint_fast64_t nr_unclaimed; /* statistics only: relaxed */
};

/* Number of ranges with a base at or below @addr. */
static size_t count_up_to(const struct vc_bus *bus, uint64_t addr)
{
	size_t at = 0, nr = bus->nr_ranges;

	while (nr > 0) {
		size_t half = (nr + 1) / 2;

		if (bus->ranges[at + half - 1].base <= addr)
			at += half;
		nr -= half;
	}
	return at;
}

static const struct range *find(const struct vc_bus *bus, uint64_t addr, unsigned int size)
{
	size_t nr = count_up_to(bus, addr);
	const struct range *range;

	if (nr == 0)
		return NULL;
	range = &bus->ranges[nr - 1];
	return vc_range_within(addr - range->base, size, range->len) ? range : NULL;
}

int vc_bus_create(enum vc_space space, struct vc_bus **ret_bus)
{
	struct vc_bus *bus;

	if (!ret_bus || (space != VC_SPACE_PIO && space != VC_SPACE_MMIO))
		return vc_error_set(-EINVAL, "devices", "bus", "space %d is unknown", (int)space);
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return vc_error_set(-ENOMEM, "devices", "bus", "no memory");
	bus->space = space;
	atomic_init(&bus->nr_unclaimed, 0);
	*ret_bus = bus;
	return 0;
}

void vc_bus_destroy(struct vc_bus *bus)
{
	if (!bus)
		return;
	free(bus->ranges);
	free(bus);
}

static int refuse_overlap(const struct range *range, uint64_t base, uint64_t len,
			  const struct vc_device *dev)
{
	return vc_error_set(-EEXIST, "devices", dev->name,
			    "0x%" PRIx64 "-0x%" PRIx64 " overlaps %s at 0x%" PRIx64 "-0x%" PRIx64,
			    base, base + (len - 1), range->dev->name, range->base,
			    range->base + (range->len - 1));
}

int vc_bus_claim(struct vc_bus *bus, uint64_t base, uint64_t len, struct vc_device *dev,
		 uint32_t range)
{
	struct range *ranges;
	uint64_t last = 0;
	size_t at;

	if (!bus || !dev)
		return vc_error_set(-EINVAL, "devices", "bus", "bus and device are needed");
	if (len == 0 || !vc_add_u64(base, len - 1, &last) ||
	    (bus->space == VC_SPACE_PIO && last > PIO_LAST))
		return vc_error_set(-EINVAL, "devices", dev->name,
				    "%" PRIu64 " bytes at 0x%" PRIx64
				    " do not lie in the address space",
				    len, base);
	if (bus->is_frozen)
		return vc_error_set(-EBUSY, "devices", dev->name, "the bus is frozen");
	at = count_up_to(bus, base);
	if (at > 0 && base - bus->ranges[at - 1].base < bus->ranges[at - 1].len)
		return refuse_overlap(&bus->ranges[at - 1], base, len, dev);
	if (at < bus->nr_ranges && bus->ranges[at].base <= last)
		return refuse_overlap(&bus->ranges[at], base, len, dev);

	ranges = reallocarray(bus->ranges, bus->nr_ranges + 1, sizeof(*ranges));
	if (!ranges)
		return vc_error_set(-ENOMEM, "devices", dev->name, "no memory");
	memmove(&ranges[at + 1], &ranges[at], (bus->nr_ranges - at) * sizeof(*ranges));
	ranges[at] = (struct range){ .base = base, .len = len, .dev = dev, .number = range };
	bus->ranges = ranges;
	bus->nr_ranges++;
	return 0;
}

int vc_bus_freeze(struct vc_bus *bus)
{
	if (!bus)
		return vc_error_set(-EINVAL, "devices", "bus", "bus is needed");
	if (bus->is_frozen)
		return vc_error_set(-EALREADY, "devices", "bus", "the bus is frozen");
	bus->is_frozen = true;
	return 0;
}

int vc_bus_access(struct vc_bus *bus, uint64_t addr, unsigned int size, bool is_write,
		  uint64_t *value)
{
	const struct range *range;
	struct vc_access access;
	uint64_t mask;

	if (!bus || !value || size - 1 > 7 || (size & (size - 1)) || !bus->is_frozen)
		return vc_error_set(-EINVAL, "devices", "bus",
				    "access of %u bytes to a bus that is%s frozen", size,
				    bus && bus->is_frozen ? "" : " not");
	mask = UINT64_MAX >> (64 - 8 * size);
	range = find(bus, addr, size);
	if (!range) {
		atomic_fetch_add_explicit(&bus->nr_unclaimed, 1, memory_order_relaxed);
		if (!is_write)
			*value = mask;
		return 1;
	}
	access.range = range->number;
	access.size = (uint8_t)size;
	access.is_write = is_write;
	access.off = addr - range->base;
	access.value = is_write ? *value & mask : UINT64_MAX;
	pthread_mutex_lock(&range->dev->lock);
	range->dev->ops->access(range->dev, &access);
	pthread_mutex_unlock(&range->dev->lock);
	if (!is_write)
		*value = access.value & mask;
	return 0;
}

uint64_t vc_bus_unclaimed(const struct vc_bus *bus)
{
	return atomic_load_explicit(&bus->nr_unclaimed, memory_order_relaxed);
}
