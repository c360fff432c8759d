/* SPDX-License-Identifier: Apache-2.0 */
/* BARs where a guest puts them: moved, on each other, on nothing, toggled under accesses. */
#include "pci_unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static void moving(void **state)
{
	struct rig rig;
	struct tester *t;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, NULL);
	place_bars(&rig, 1);
	for (uint64_t at = MEM32; at < MEM32 + MEM32_LEN; at += MEM32_LEN / 64) {
		wr_config(&rig, 1, PCI_BAR(0), 4, (uint32_t)at);
		assert_int_equal(rd(&rig, at + 0xff8, 8), 0x5a00000000000ff8);
		assert_int_equal(rd(&rig, (at ^ MEM32_LEN / 2) + 0xff8, 8), UINT64_MAX);
	}
	/* one byte of the address at a time */
	wr_config(&rig, 1, PCI_BAR(0) + 3, 1, 0xc1);
	wr_config(&rig, 1, PCI_BAR(0) + 2, 1, 0x23);
	wr_config(&rig, 1, PCI_BAR(0) + 1, 1, 0x45);
	assert_int_equal(rd(&rig, 0xc1234000, 4), 0);
	/* the last place of a window, and one step further */
	wr_config(&rig, 1, PCI_BAR(0), 4, (uint32_t)(MEM32 + MEM32_LEN - 0x1000));
	assert_int_equal(rd(&rig, MEM32 + MEM32_LEN - 8, 8), 0x5a00000000000ff8);
	wr_config(&rig, 1, PCI_BAR(0), 4, (uint32_t)(MEM32 + MEM32_LEN));
	assert_int_equal(rd(&rig, MEM32 + MEM32_LEN - 8, 8), UINT64_MAX);
	/* a 64-bit BAR may be in either window */
	wr_config(&rig, 1, PCI_BAR(3), 4, 0);
	wr_config(&rig, 1, PCI_BAR(2), 4, (uint32_t)MEM32 + 0x8000);
	assert_int_equal(rd(&rig, MEM32 + 0x8000, 8), 0x5a00000200000000);
	/* each space has its bit */
	wr_config(&rig, 1, PCI_COMMAND, 1, COMMAND_IO);
	assert_int_equal(rd(&rig, MEM32 + 0x8000, 8), UINT64_MAX);
	assert_int_equal(rd(&rig, BAR1(1), 4), 0);
	wr_config(&rig, 1, PCI_COMMAND, 1, COMMAND_MEMORY);
	assert_int_equal(rd(&rig, MEM32 + 0x8000, 8), 0x5a00000200000000);
	assert_int_equal(rd(&rig, BAR1(1), 4), 0xffffffff);
	assert_false(t->is_bad);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* RAM, the I/O APIC, the local APICs, other ports, the end of the world: it is just gone. */
static void outside_of_windows(void **state)
{
	static const uint64_t places[] = { 0x1000,	0x1000000,	    0xfec00000,
					   0xfee00000,	0xfffff000,	    MEM32 - 0x1000,
					   0x100000000, 0xfffffffffffff000, MEM64 + MEM64_LEN };
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .bar = 2, .len = 4 };
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);
	struct rig rig;

	(void)state;
	assert_true(vc_pci_function_add_doorbell(t->pci, &bell) >= 0);
	bell.bar = 1;
	assert_true(vc_pci_function_add_doorbell(t->pci, &bell) >= 0);
	rig_make(&rig);
	assert_result(vc_pci_bridge_attach(rig.bridge, t->pci, 1), 0);
	place_bars(&rig, 1);
	assert_non_null(t->pci->doorbells[0].wired);
	assert_non_null(t->pci->doorbells[1].wired);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		wr_config(&rig, 1, PCI_BAR(2), 4, (uint32_t)places[i]);
		wr_config(&rig, 1, PCI_BAR(3), 4, (uint32_t)(places[i] >> 32));
		assert_null(
			t->pci->doorbells[0].wired); /* or it would ring for another's register */
		assert_int_equal(rd(&rig, places[i], 4), 0xffffffff);
	}
	wr_config(&rig, 1, PCI_BAR(1), 4, 0x3f0);
	assert_null(t->pci->doorbells[1].wired);
	wr_config(&rig, 1, PCI_BAR(1), 4, 0x1c000); /* ports end at 64 Ki */
	assert_null(t->pci->doorbells[1].wired);
	assert_int_equal(t->nr_accesses, 0);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* The lower slot answers; the other comes back when the first has gone. */
static void overlapping(void **state)
{
	struct tester *a, *b;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	b = rig_add(&rig, "b", 9, NULL);
	a = rig_add(&rig, "a", 3, NULL);
	place_bars(&rig, 9);
	place_bars(&rig, 3);
	for (uint64_t at = BAR2(9) - 0x4000; at <= BAR2(9) + 0x4000; at += 0x4000) {
		wr_config(&rig, 3, PCI_BAR(2), 4, (uint32_t)at);
		(void)rd(&rig, BAR2(9), 4);
		assert_int_equal(b->nr_accesses > 0, at != BAR2(9));
		assert_int_equal(a->nr_accesses > 0, at == BAR2(9));
		a->nr_accesses = b->nr_accesses = 0;
	}
	/* one within the other, from either side */
	wr_config(&rig, 3, PCI_BAR(2), 4, 0);
	wr_config(&rig, 9, PCI_BAR(2), 4, 0x10000);
	wr_config(&rig, 3, PCI_BAR(3), 4, 0);
	wr_config(&rig, 9, PCI_BAR(3), 4, 0);
	wr_config(&rig, 3, PCI_BAR(0), 4, (uint32_t)MEM32 + 0x12000);
	wr_config(&rig, 9, PCI_BAR(2), 4, (uint32_t)MEM32 + 0x10000);
	(void)rd(&rig, MEM32 + 0x10000, 4);
	assert_int_equal(b->nr_accesses, 0);
	(void)rd(&rig, MEM32 + 0x12000, 4);
	assert_int_equal(a->nr_accesses, 1);
	wr_config(&rig, 3, PCI_COMMAND, 2, 0);
	(void)rd(&rig, MEM32 + 0x12000, 4);
	assert_int_equal(b->nr_accesses, 1);
	/* a function's own BARs, too: the lower number answers */
	wr_config(&rig, 9, PCI_BAR(0), 4, (uint32_t)MEM32 + 0x11000);
	(void)rd(&rig, MEM32 + 0x11000, 4);
	assert_int_equal(b->last.range, 0);
	assert_int_equal(rd(&rig, MEM32 + 0x12000, 4), 0xffffffff);
	rig_free(&rig);
	vc_device_destroy(&a->dev);
	vc_device_destroy(&b->dev);
}

static uint64_t bell_at(const struct tester *t, size_t i)
{
	/* what the hypervisor was told; the fake has no other face */
	const struct pci_doorbell *d = &t->pci->doorbells[i];

	return d->wired ? t->pci->mapped_at[d->cfg.bar] + d->cfg.off : 0;
}

/* Doorbells move with their BAR; where they are not with the hypervisor, the write is trapped. */
static void doorbells(void **state)
{
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .bar = 0, .off = 0x100, .len = 2 };
	struct vc_pci_function_config cfg = usual_function();
	struct tester *a = make_tester("a", &cfg), *b = make_tester("b", &cfg);
	int fds[3], other, own = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct rig rig;

	(void)state;
	fds[0] = vc_pci_function_add_doorbell(a->pci, &bell);
	other = vc_pci_function_add_doorbell(b->pci, &bell);
	bell.off = 0x104;
	bell.has_match = true;
	bell.match = 7;
	fds[1] = vc_pci_function_add_doorbell(a->pci, &bell);
	bell = (struct vc_pci_doorbell){
		.size = sizeof(bell), .bar = 2, .off = 8, .has_fd = true, .fd = own
	};
	fds[2] = vc_pci_function_add_doorbell(a->pci, &bell);
	rig_make(&rig);
	assert_result(vc_pci_bridge_attach(rig.bridge, a->pci, 1), 0);
	assert_result(vc_pci_bridge_attach(rig.bridge, b->pci, 2), 0);
	assert_int_equal(bell_at(a, 0), 0);
	place_bars(&rig, 1);
	assert_int_equal(bell_at(a, 0), BAR0(1) + 0x100);
	assert_int_equal(bell_at(a, 2), BAR2(1) + 8);
	/* trapped writes ring as well; only those that fit */
	wr(&rig, BAR0(1) + 0x100, 2, 1);
	wr(&rig, BAR0(1) + 0x104, 2, 7);
	wr(&rig, BAR2(1) + 8, 8, 7);
	assert_int_equal(a->nr_accesses, 0);
	wr(&rig, BAR0(1) + 0x100, 4, 1);
	wr(&rig, BAR0(1) + 0x104, 2, 8);
	(void)rd(&rig, BAR0(1) + 0x100, 2);
	assert_int_equal(a->nr_accesses, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(rings(fds[i]), 1);
	/* a second function on the same place has none of its own while it does not answer */
	place_bars(&rig, 2);
	wr_config(&rig, 2, PCI_BAR(0), 4, (uint32_t)BAR0(1));
	assert_int_equal(bell_at(b, 0), 0);
	wr(&rig, BAR0(1) + 0x100, 2, 1);
	assert_int_equal(rings(fds[0]), 1);
	assert_int_equal(rings(other), 0);
	/* the first one leaves: in the same moment the place is the other's */
	wr_config(&rig, 1, PCI_BAR(0), 4, (uint32_t)MEM32 + 0x500000);
	assert_int_equal(bell_at(a, 0), MEM32 + 0x500100);
	assert_int_equal(bell_at(b, 0), BAR0(1) + 0x100);
	wr(&rig, BAR0(1) + 0x100, 2, 1);
	assert_int_equal(rings(other), 1);
	vc_device_reset(rig.bridge);
	assert_int_equal(bell_at(a, 0), 0);
	assert_int_equal(bell_at(b, 0), 0);
	rig_free(&rig);
	assert_int_equal(rings(other), 0);
	vc_device_destroy(&a->dev);
	vc_device_destroy(&b->dev);
	assert_int_equal(fds[2], own);
	assert_int_equal(eventfd_write(own, 1), 0); /* still ours */
	close(own);
}

/* The hypervisor takes no doorbell at a place that another one has: it is trapped there. */
static void doorbell_not_taken(void **state)
{
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .bar = 0, .off = 0x100, .len = 2 };
	struct vc_doorbell_config taken = {
		.size = sizeof(taken), .space = VC_SPACE_MMIO, .addr = BAR0(1) + 0x100, .len = 2
	};
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);
	struct vc_doorbell *before;
	struct rig rig;
	int fd;

	(void)state;
	fd = vc_pci_function_add_doorbell(t->pci, &bell);
	rig_make(&rig);
	assert_result(vc_pci_bridge_attach(rig.bridge, t->pci, 1), 0);
	assert_result(vc_doorbell_create(rig.bed.partition, &taken, &before), 0);
	place_bars(&rig, 1);
	assert_null(t->pci->doorbells[0].wired);
	wr(&rig, BAR0(1) + 0x100, 2, 1);
	assert_int_equal(rings(fd), 1);
	vc_doorbell_destroy(before);
	wr_config(&rig, 1, PCI_BAR(0), 4, (uint32_t)BAR0(1));
	assert_non_null(t->pci->doorbells[0].wired);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

struct racer {
	struct rig *rig;
	atomic_bool is_over;
	atomic_uint nr_hits, nr_misses, nr_wrong;
};

/* A vCPU that uses the BAR: each read is answered by the device, or by nobody. */
static void *use_bar(void *opaque)
{
	struct racer *racer = opaque;

	while (!atomic_load(&racer->is_over)) {
		for (uint64_t off = 0; off < 0x100; off += 8) {
			uint64_t value = rd(racer->rig, BAR2(1) + off, 8);

			racer->nr_hits += value == (0x5a00000200000000ull | off);
			racer->nr_misses += value == UINT64_MAX;
			racer->nr_wrong +=
				value != (0x5a00000200000000ull | off) && value != UINT64_MAX;
			wr(racer->rig, BAR2(1) + 0x200, 4, off);
		}
	}
	return NULL;
}

static void toggled_under_accesses(void **state)
{
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .bar = 2, .off = 0x200, .len = 4 };
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);
	struct rig rig;
	struct racer racer = { .rig = &rig };
	pthread_t threads[2];
	int fd;

	(void)state;
	fd = vc_pci_function_add_doorbell(t->pci, &bell);
	rig_make(&rig);
	assert_result(vc_pci_bridge_attach(rig.bridge, t->pci, 1), 0);
	place_bars(&rig, 1);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_bar, &racer), 0);
	for (uint32_t i = 0; i < 10000 || !racer.nr_hits || !racer.nr_misses; i++) {
		wr_config(&rig, 1, PCI_COMMAND, 2, i & 1 ? COMMAND_MEMORY : 0);
		if (i % 3 == 0) /* or moves away and back */
			wr_config(&rig, 1, PCI_BAR(2), 4, i & 2 ? 0x10000 : 0x740000);
		if (i % 16 == 0)
			sched_yield();
	}
	atomic_store(&racer.is_over, true);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	wr_config(&rig, 1, PCI_COMMAND, 2, COMMAND_MEMORY);
	wr_config(&rig, 1, PCI_BAR(2), 4, 0x10000);
	assert_int_equal(racer.nr_wrong, 0);
	assert_true(rings(fd) > 0);
	assert_int_equal(bell_at(t, 0), BAR2(1) + 0x200);
	assert_false(t->is_bad);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* All slots taken by six BARs each that come and go: the table holds them, disjoint, in order. */
static void full_table(void **state)
{
	struct vc_pci_function_config cfg = { .size = sizeof(cfg), .vendor_id = 1 };
	struct tester *testers[VC_PCI_SLOTS] = { NULL };
	uint32_t slot, n, seed = 3;
	struct rig rig;

	(void)state;
	for (n = 0; n < VC_PCI_BARS; n++)
		cfg.bars[n] = (struct vc_pci_bar){ .kind = VC_PCI_BAR_MEM32, .len = 0x1000 };
	cfg.bars[4] = (struct vc_pci_bar){ .kind = VC_PCI_BAR_IO, .len = 16 };
	rig_make(&rig);
	for (slot = 1; slot < VC_PCI_SLOTS; slot++) {
		char name[8];

		snprintf(name, sizeof(name), "t%u", slot);
		testers[slot] = rig_add(&rig, name, slot, &cfg);
		wr_config(&rig, slot, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_IO);
		for (n = 0; n < VC_PCI_BARS; n++)
			wr_config(&rig, slot, PCI_BAR(n), 4,
				  n == 4 ? (uint32_t)IO + slot * 16
					 : (uint32_t)MEM32 + slot * 0x8000 + n * 0x1000);
	}
	const struct pci_bridge *bridge = vc_container_of(rig.bridge, struct pci_bridge, dev);
	assert_int_equal(bridge->nr_mappings, 31 * 6);
	for (uint32_t i = 0; i < 2000; i++) {
		seed = seed * 1664525 + 1013904223;
		slot = 1 + (seed >> 8) % 31;
		n = (seed >> 16) % 6;
		wr_config(&rig, slot, PCI_BAR(n), 4,
			  n == 4 ? (uint32_t)IO + (seed >> 20) % 64 * 16
				 : (uint32_t)MEM32 + (seed >> 20) % 256 * 0x1000);
		for (size_t k = 1; k < bridge->nr_mappings; k++) {
			const struct pci_mapping *a = &bridge->mappings[k - 1], *b = a + 1;

			assert_true(a->is_io < b->is_io ||
				    (a->is_io == b->is_io && a->base + a->len <= b->base));
		}
	}
	rig_free(&rig);
	for (slot = 1; slot < VC_PCI_SLOTS; slot++)
		vc_device_destroy(&testers[slot]->dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moving),
		cmocka_unit_test(outside_of_windows),
		cmocka_unit_test(overlapping),
		cmocka_unit_test(doorbells),
		cmocka_unit_test(doorbell_not_taken),
		cmocka_unit_test(toggled_under_accesses),
		cmocka_unit_test(full_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
