/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bus: which device answers at an address. Claims are kept sorted; once frozen nothing changes, so
 * that every vCPU thread looks up without a lock, and takes only the lock of the device it found. A
 * small table of hints, fixed at freeze, spares most look-ups the search.
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

#include "device_private.h"

#define PIO_LAST 0xffffu

/* Hints: which range an address of this block probably is in. */
#define NR_HINTS   256u
#define PIO_SHIFT  3u
#define MMIO_SHIFT 12u

struct range {
	uint64_t base;
	uint64_t len;
	struct vc_device *dev;
	uint32_t number; /* the device's own */
};

/* By size of access; 0 for those that are none. */
static const uint64_t masks[] = { 0, UINT8_MAX, UINT16_MAX, 0, UINT32_MAX, 0, 0, 0, UINT64_MAX };
#define NR_MASKS (sizeof(masks) / sizeof(masks[0]))

struct vc_bus {
	struct range *ranges; /* by base, disjoint */
	size_t nr_ranges;
	bool is_frozen;
	uint8_t shift;
	uint8_t hints[NR_HINTS]; /* set by freeze; any value is right, a good one is quick */
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
		nr /= 2; /* of an odd number one may be looked at twice */
	}
	return at;
}

static bool is_within(const struct range *range, uint64_t addr, unsigned int size)
{
	return vc_range_within(addr - range->base, size, range->len);
}

static const struct range *search(const struct vc_bus *bus, uint64_t addr, unsigned int size)
{
	size_t nr = count_up_to(bus, addr);

	return nr && is_within(&bus->ranges[nr - 1], addr, size) ? &bus->ranges[nr - 1] : NULL;
}

/* Where to look first. There is a ranges[0] always, on an empty bus one of no length. */
static const struct range *guess(const struct vc_bus *bus, uint64_t addr)
{
	return &bus->ranges[bus->hints[addr >> bus->shift & (NR_HINTS - 1)]];
}

/* One hint per block and range, for a large range as many as there are. */
static void fill_hints(struct vc_bus *bus)
{
	size_t i;

	for (i = 0; i < bus->nr_ranges && i <= UINT8_MAX; i++) {
		const struct range *range = &bus->ranges[i];
		uint64_t block = range->base >> bus->shift;
		uint64_t nr = ((range->base + (range->len - 1)) >> bus->shift) - block;
		uint64_t k;

		for (k = 0; k <= nr && k < NR_HINTS; k++)
			bus->hints[(block + k) & (NR_HINTS - 1)] = (uint8_t)i;
	}
}

int vc_bus_create(enum vc_space space, struct vc_bus **ret_bus)
{
	struct vc_bus *bus;

	if (!ret_bus)
		return vc_error_set(-EINVAL, "devices", "bus", "ret_bus is needed");
	if (space != VC_SPACE_PIO && space != VC_SPACE_MMIO)
		return vc_error_set(-EINVAL, "devices", "bus", "space %d is unknown", (int)space);
	bus = calloc(1, sizeof(*bus));
	if (bus)
		bus->ranges = calloc(1, sizeof(*bus->ranges));
	if (!bus || !bus->ranges) {
		free(bus);
		return vc_error_set(-ENOMEM, "devices", "bus", "no memory");
	}
	bus->space = space;
	bus->shift = space == VC_SPACE_PIO ? PIO_SHIFT : MMIO_SHIFT;
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

	ranges = realloc(bus->ranges, (bus->nr_ranges + 1) * sizeof(*ranges));
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
	fill_hints(bus);
	bus->is_frozen = true;
	return 0;
}

static __attribute__((cold, noinline)) int refuse_access(const struct vc_bus *bus,
							 unsigned int size)
{
	return vc_error_set(-EINVAL, "devices", "bus",
			    "access of %u bytes to a bus that is%s frozen", size,
			    bus && bus->is_frozen ? "" : " not");
}

static __attribute__((cold, noinline)) int count_unclaimed(struct vc_bus *bus, uint64_t mask,
							   bool is_write, uint64_t *value)
{
	atomic_fetch_add_explicit(&bus->nr_unclaimed, 1, memory_order_relaxed);
	if (!is_write)
		*value = mask;
	return 1;
}

/*
 * Reads and writes apart: each then keeps only what it needs over the call. Without a canary, for
 * there is no array in these frames.
 */
static __attribute__((noinline, no_stack_protector)) int
write_to(const struct range *range, uint64_t addr, unsigned int size, uint64_t value)
{
	struct vc_device *dev = range->dev;
	struct vc_access access = {
		.range = range->number,
		.size = (uint8_t)size,
		.is_write = true,
		.off = addr - range->base,
		.value = value,
	};

	vc__device_lock(dev);
	dev->ops->access(dev, &access);
	vc__device_unlock(dev);
	return 0;
}

static __attribute__((noinline, no_stack_protector)) int
read_from(const struct range *range, uint64_t addr, unsigned int size, uint64_t *value)
{
	struct vc_device *dev = range->dev;
	struct vc_access access = {
		.range = range->number,
		.size = (uint8_t)size,
		.off = addr - range->base,
		.value = UINT64_MAX,
	};

	vc__device_lock(dev);
	dev->ops->access(dev, &access);
	vc__device_unlock(dev);
	*value = access.value & masks[size];
	return 0;
}

/* A wrong guess, or nobody there. */
static __attribute__((noinline)) int access_searched(struct vc_bus *bus, uint64_t addr,
						     unsigned int size, bool is_write,
						     uint64_t *value)
{
	const struct range *range = search(bus, addr, size);

	if (!range)
		return count_unclaimed(bus, masks[size], is_write, value);
	if (is_write)
		return write_to(range, addr, size, *value & masks[size]);
	return read_from(range, addr, size, value);
}

/* Calls at its ends only, so that the usual access needs no frame here. */
int vc_bus_access(struct vc_bus *bus, uint64_t addr, unsigned int size, bool is_write,
		  uint64_t *value)
{
	uint64_t mask = size < NR_MASKS ? masks[size] : 0;
	const struct range *range;

	if (!bus || !mask || !bus->is_frozen || !value)
		return refuse_access(bus, size);
	range = guess(bus, addr);
	if (!is_within(range, addr, size))
		return access_searched(bus, addr, size, is_write, value);
	if (is_write)
		return write_to(range, addr, size, *value & mask);
	return read_from(range, addr, size, value);
}

uint64_t vc_bus_unclaimed(const struct vc_bus *bus)
{
	return !bus ? 0 : atomic_load_explicit(&bus->nr_unclaimed, memory_order_relaxed);
}
