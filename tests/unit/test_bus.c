/* SPDX-License-Identifier: Apache-2.0 */
/* The bus: claims, look-up, the wholly-in-range rule, widths, what is unclaimed. */
#include "device_unit.h"
#include "plain_device.h"

/* The next allocations that fail: bit 0 the next, bit 1 the one after. */
static unsigned int failing;

void *__wrap_calloc(size_t nr, size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_realloc(void *p, size_t size);

static bool fails_now(void)
{
	bool fails = failing & 1;

	failing >>= 1;
	return fails;
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return fails_now() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size);
}

struct probe {
	struct vc_device dev;
	struct vc_access last;
	unsigned int nr;
	uint64_t answer;
	bool is_silent;
};

static void probe_access(struct vc_device *dev, struct vc_access *access)
{
	struct probe *probe = (struct probe *)(void *)dev;

	probe->last = *access;
	probe->nr++;
	if (!access->is_write && !probe->is_silent)
		access->value = probe->answer;
}

static const struct vc_device_ops probe_ops = PLAIN_OPS("probe", probe_access);

#define NR_PROBES 3u

struct fixture {
	struct vc_bus *bus;
	struct probe probes[NR_PROBES];
};

static int setup(void **state)
{
	static const char *const names[] = { "alpha", "beta", "gamma" };
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	assert_non_null(f);
	for (i = 0; i < NR_PROBES; i++)
		assert_result(vc_device_init(&f->probes[i].dev, &probe_ops, names[i]), 0);
	assert_result(vc_bus_create(VC_SPACE_MMIO, &f->bus), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	size_t i;

	vc_bus_destroy(f->bus);
	for (i = 0; i < NR_PROBES; i++)
		vc_device_destroy(&f->probes[i].dev);
	free(f);
	return 0;
}

static void finds_the_device(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 0x1122334455667788;

	/* out of order, touching */
	assert_result(vc_bus_claim(f->bus, 0x3000, 0x10, &f->probes[2].dev, 7), 0);
	assert_result(vc_bus_claim(f->bus, 0x1000, 0x10, &f->probes[0].dev, 5), 0);
	assert_result(vc_bus_claim(f->bus, 0x1010, 0x8, &f->probes[1].dev, 6), 0);
	assert_result(vc_bus_freeze(f->bus), 0);

	assert_result(vc_bus_access(f->bus, 0x100f, 1, true, &value), 0);
	assert_int_equal(f->probes[0].nr, 1);
	assert_int_equal(f->probes[0].last.off, 0xf);
	assert_int_equal(f->probes[0].last.range, 5);
	assert_int_equal(f->probes[0].last.value, 0x88);
	assert_true(f->probes[0].last.is_write);
	assert_true(value == 0x1122334455667788);

	assert_result(vc_bus_access(f->bus, 0x1010, 8, true, &value), 0);
	assert_int_equal(f->probes[1].nr, 1);
	assert_int_equal(f->probes[1].last.off, 0);
	assert_int_equal(f->probes[1].last.size, 8);
	assert_true(f->probes[1].last.value == value);

	assert_result(vc_bus_access(f->bus, 0x300c, 4, true, &value), 0);
	assert_int_equal(f->probes[2].last.off, 0xc);
	assert_int_equal(f->probes[2].last.value, 0x55667788);
	assert_int_equal(vc_bus_unclaimed(f->bus), 0);
}

static void reads_are_cut_to_size(void **state)
{
	static const unsigned int sizes[] = { 1, 2, 4, 8 };
	struct fixture *f = *state;
	size_t i;

	assert_result(vc_bus_claim(f->bus, 0, 8, &f->probes[0].dev, 0), 0);
	assert_result(vc_bus_freeze(f->bus), 0);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t mask = UINT64_MAX >> (64 - 8 * sizes[i]), value = 0;

		f->probes[0].answer = 0x8182838485868788;
		f->probes[0].is_silent = false;
		assert_result(vc_bus_access(f->bus, 0, sizes[i], false, &value), 0);
		assert_true(value == (f->probes[0].answer & mask));
		assert_true(f->probes[0].last.value == UINT64_MAX);
		f->probes[0].is_silent = true;
		assert_result(vc_bus_access(f->bus, 0, sizes[i], false, &value), 0);
		assert_true(value == mask);
	}
}

static void only_wholly_in_range(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	assert_result(vc_bus_claim(f->bus, 0x1000, 4, &f->probes[0].dev, 0), 0);
	assert_result(vc_bus_claim(f->bus, 0x1004, 2, &f->probes[1].dev, 0), 0);
	assert_result(vc_bus_claim(f->bus, UINT64_MAX - 3, 4, &f->probes[2].dev, 0), 0);
	assert_result(vc_bus_freeze(f->bus), 0);

	value = 1;
	assert_int_equal(vc_bus_access(f->bus, 0xfff, 2, false, &value), 1); /* from below */
	assert_int_equal(value, 0xffff);
	assert_int_equal(vc_bus_access(f->bus, 0x1002, 4, false, &value), 1); /* over a seam */
	assert_true(value == 0xffffffff);
	assert_int_equal(vc_bus_access(f->bus, 0x1004, 4, true, &value), 1);  /* over the end */
	assert_int_equal(vc_bus_access(f->bus, 0x1000, 8, false, &value), 1); /* over a whole one */
	assert_true(value == UINT64_MAX);
	assert_int_equal(vc_bus_access(f->bus, 0x1006, 1, false, &value), 1);
	assert_int_equal(value, 0xff);
	assert_int_equal(vc_bus_access(f->bus, 0, 1, true, &value), 1);
	assert_int_equal(vc_bus_access(f->bus, UINT64_MAX - 1, 4, true, &value), 1); /* wraps */
	assert_int_equal(vc_bus_unclaimed(f->bus), 7);
	assert_int_equal(f->probes[0].nr + f->probes[1].nr + f->probes[2].nr, 0);

	assert_int_equal(vc_bus_access(f->bus, UINT64_MAX - 3, 4, true, &value), 0);
	assert_int_equal(f->probes[2].last.off, 0);
	assert_int_equal(vc_bus_access(f->bus, UINT64_MAX, 1, true, &value), 0);
	assert_int_equal(f->probes[2].last.off, 3);
}

/* Every address around every range, for all numbers of ranges: against a linear search. */
static void agrees_with_linear_search(void **state)
{
	struct fixture *f = *state;
	unsigned int nr, i, addr;

	for (nr = 0; nr <= 17; nr++) {
		struct vc_bus *bus;

		assert_result(vc_bus_create(VC_SPACE_PIO, &bus), 0);
		for (i = 0; i < nr; i++) { /* in an order that is not sorted: 19 is prime */
			unsigned int at = (i * 7) % 19;

			assert_result(
				vc_bus_claim(bus, 10 + 10 * at, 3 + at % 8, &f->probes[0].dev, at),
				0);
		}
		assert_result(vc_bus_freeze(bus), 0);
		for (addr = 0; addr < 230; addr++) {
			unsigned int nr_before = f->probes[0].nr;
			uint64_t value;
			bool is_in;
			int r = vc_bus_access(bus, addr, 1, false, &value);

			assert_int_equal(r == 0, f->probes[0].nr == nr_before + 1);
			is_in = false;
			for (i = 0; i < nr; i++) {
				unsigned int base = 10 + 10 * ((i * 7) % 19);

				is_in |= addr >= base && addr < base + 3 + ((i * 7) % 19) % 8;
			}
			assert_int_equal(r == 0, is_in);
			if (r == 0)
				assert_int_equal(10 + 10 * f->probes[0].last.range +
							 f->probes[0].last.off,
						 addr);
		}
		vc_bus_destroy(bus);
	}
}

static void refuses_claims(void **state)
{
	struct fixture *f = *state;
	struct vc_device *dev = &f->probes[0].dev;
	struct vc_bus *pio, *untouched = (struct vc_bus *)f;

	assert_refused(vc_bus_create((enum vc_space)7, &untouched), -EINVAL, "space 7");
	assert_ptr_equal(untouched, f);
	assert_int_equal(vc_bus_create(VC_SPACE_PIO, NULL), -EINVAL);
	assert_result(vc_bus_create(VC_SPACE_PIO, &pio), 0);
	assert_refused(vc_bus_claim(pio, 0xffff, 2, dev, 0), -EINVAL, "0xffff");
	assert_refused(vc_bus_claim(pio, 0x10000, 1, dev, 0), -EINVAL, "0x10000");
	assert_refused(vc_bus_claim(pio, 0, 0, dev, 0), -EINVAL, "0 bytes");
	assert_result(vc_bus_claim(pio, 0, 0x10000, dev, 0), 0);
	vc_bus_destroy(pio);
	vc_bus_destroy(NULL);

	assert_int_equal(vc_bus_claim(NULL, 0, 1, dev, 0), -EINVAL);
	assert_int_equal(vc_bus_claim(f->bus, 0, 1, NULL, 0), -EINVAL);
	assert_refused(vc_bus_claim(f->bus, UINT64_MAX, 2, dev, 0), -EINVAL, "space");
	assert_result(vc_bus_claim(f->bus, 0x100, 0x10, dev, 0), 0);
	/* each way to overlap, and both are named */
	assert_refused(vc_bus_claim(f->bus, 0x100, 0x10, &f->probes[1].dev, 0), -EEXIST, "alpha");
	assert_refused(vc_bus_claim(f->bus, 0xff, 2, &f->probes[1].dev, 0), -EEXIST, "beta");
	assert_refused(vc_bus_claim(f->bus, 0x10f, 1, dev, 0), -EEXIST, "0x10f");
	assert_refused(vc_bus_claim(f->bus, 0x104, 2, dev, 0), -EEXIST, "overlaps");
	assert_refused(vc_bus_claim(f->bus, 0x80, 0x1000, dev, 0), -EEXIST, "overlaps");
	assert_result(vc_bus_claim(f->bus, 0x110, 1, dev, 0), 0);
	assert_result(vc_bus_claim(f->bus, 0xff, 1, dev, 0), 0);

	assert_int_equal(vc_bus_freeze(NULL), -EINVAL);
	assert_int_equal(vc_bus_unclaimed(NULL), 0);
	assert_result(vc_bus_freeze(f->bus), 0);
	assert_refused(vc_bus_freeze(f->bus), -EALREADY, "frozen");
	assert_refused(vc_bus_claim(f->bus, 0x5000, 1, dev, 0), -EBUSY, "frozen");
}

static void refuses_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 42;
	unsigned int size;

	assert_result(vc_bus_claim(f->bus, 0, 0x100, &f->probes[0].dev, 0), 0);
	assert_refused(vc_bus_access(f->bus, 0, 1, false, &value), -EINVAL, "not frozen");
	assert_result(vc_bus_freeze(f->bus), 0);
	for (size = 0; size < 300; size++)
		if (size != 1 && size != 2 && size != 4 && size != 8)
			assert_int_equal(vc_bus_access(f->bus, 0, size, false, &value), -EINVAL);
	assert_int_equal(vc_bus_access(f->bus, 0, UINT32_MAX, false, &value), -EINVAL);
	assert_int_equal(vc_bus_access(NULL, 0, 1, false, &value), -EINVAL);
	assert_int_equal(vc_bus_access(f->bus, 0, 1, false, NULL), -EINVAL);
	assert_int_equal(value, 42);
	assert_int_equal(f->probes[0].nr, 0);
	assert_int_equal(vc_bus_unclaimed(f->bus), 0);
}

static void failing_allocations(void **state)
{
	struct fixture *f = *state;
	struct vc_bus *bus = NULL;
	uint64_t value = 0;

	failing = 1;
	assert_refused(vc_bus_create(VC_SPACE_PIO, &bus), -ENOMEM, "no memory");
	failing = 2;
	assert_refused(vc_bus_create(VC_SPACE_PIO, &bus), -ENOMEM, "no memory");
	assert_null(bus);
	assert_result(vc_bus_claim(f->bus, 0x1000, 4, &f->probes[0].dev, 0), 0);
	failing = 1;
	assert_refused(vc_bus_claim(f->bus, 0x2000, 4, &f->probes[1].dev, 0), -ENOMEM, "beta");
	assert_result(vc_bus_freeze(f->bus), 0);
	assert_result(vc_bus_access(f->bus, 0x1000, 4, true, &value), 0); /* what was, is */
	assert_int_equal(vc_bus_access(f->bus, 0x2000, 4, true, &value), 1);
}

/* More ranges than hints, a range over all blocks, and neighbours that share a block. */
static void many_and_large(void **state)
{
	struct fixture *f = *state;
	uint64_t i, value = 0;

	assert_result(vc_bus_claim(f->bus, 1ull << 40, 1ull << 40, &f->probes[1].dev, 0), 0);
	for (i = 0; i < 600; i++)
		assert_result(
			vc_bus_claim(f->bus, i * 0x800, 0x700, &f->probes[0].dev, (uint32_t)i), 0);
	assert_result(vc_bus_freeze(f->bus), 0);
	for (i = 0; i < 600; i++) {
		assert_result(vc_bus_access(f->bus, i * 0x800 + 0x6fc, 4, true, &value), 0);
		assert_int_equal(f->probes[0].last.range, i);
		assert_int_equal(f->probes[0].last.off, 0x6fc);
		assert_int_equal(vc_bus_access(f->bus, i * 0x800 + 0x6fd, 4, true, &value), 1);
	}
	for (i = 0; i < 600; i++) {
		assert_result(vc_bus_access(f->bus, (1ull << 40) + (i << 30), 8, true, &value), 0);
		assert_true(f->probes[1].last.off == i << 30);
	}
	assert_int_equal(vc_bus_unclaimed(f->bus), 600);
}

static void empty_bus(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 0;

	assert_result(vc_bus_freeze(f->bus), 0);
	assert_int_equal(vc_bus_access(f->bus, 0, 8, false, &value), 1);
	assert_true(value == UINT64_MAX);
	assert_int_equal(vc_bus_unclaimed(f->bus), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_are_cut_to_size, setup, teardown),
		cmocka_unit_test_setup_teardown(only_wholly_in_range, setup, teardown),
		cmocka_unit_test_setup_teardown(agrees_with_linear_search, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_claims, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_accesses, setup, teardown),
		cmocka_unit_test_setup_teardown(failing_allocations, setup, teardown),
		cmocka_unit_test_setup_teardown(many_and_large, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_bus, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
