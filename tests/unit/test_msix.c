/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X: messages, masks of every kind, pending bits, eventfds, and a hostile table. */
#include "pci_unit.h"

#include <pthread.h>
#include <stdatomic.h>

#define SLOT 2u
#define NR   66u

static struct tester *open_rig(struct rig *rig)
{
	struct tester *t;

	rig_make(rig);
	t = rig_add(rig, "a", SLOT, NULL);
	place_bars(rig, SLOT);
	return t;
}

static void close_rig(struct rig *rig, struct tester *t)
{
	rig_free(rig);
	vc_device_destroy(&t->dev);
}

static void messages(void **state)
{
	struct rig rig;
	struct tester *t = open_rig(&rig);

	(void)state;
	assert_int_equal(rd(&rig, ENTRY(SLOT, 65) + 12, 4), 1); /* masked from the start */
	program_vector(&rig, SLOT, 0, 0x30);
	program_vector(&rig, SLOT, 65, 0x41);
	/* off: the device is told so */
	assert_int_equal(vc_pci_function_raise(t->pci, 0), 0);
	assert_false(vc_pci_function_has_msix(t->pci));
	expect_silence(&rig);
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED);
	assert_true(vc_pci_function_has_msix(t->pci));
	expect_silence(&rig);
	assert_int_equal(vc_pci_function_raise(t->pci, 65), 1);
	expect_message(&rig, 0x41);
	assert_int_equal(vc_pci_function_raise(t->pci, 0), 1);
	expect_message(&rig, 0x30);
	wr(&rig, ENTRY(SLOT, 0) + 8, 4, 0x31); /* changed while open */
	assert_int_equal(vc_pci_function_raise(t->pci, 0), 1);
	expect_message(&rig, 0x31);
	expect_silence(&rig);
	close_rig(&rig, t);
}

static void masks_of_one(void **state)
{
	struct rig rig;
	struct tester *t = open_rig(&rig);

	(void)state;
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED);
	program_vector(&rig, SLOT, 64, 0x40);
	wr(&rig, ENTRY(SLOT, 64) + 12, 4, 0xffffffff);
	assert_int_equal(rd(&rig, ENTRY(SLOT, 64) + 12, 4), 1);
	assert_int_equal(vc_pci_function_raise(t->pci, 64), 1);
	assert_int_equal(vc_pci_function_raise(t->pci, 64), 1);
	expect_silence(&rig);
	assert_int_equal(rd(&rig, PBA(SLOT) + 8, 8), 1);
	assert_int_equal(rd(&rig, PBA(SLOT) + 8, 4), 1);
	assert_int_equal(rd(&rig, PBA(SLOT), 8), 0);
	wr(&rig, PBA(SLOT) + 8, 8, 0); /* read-only */
	assert_int_equal(rd(&rig, PBA(SLOT) + 8, 8), 1);
	wr(&rig, ENTRY(SLOT, 64) + 8, 8, 0x44); /* message and mask in one */
	expect_message(&rig, 0x44);
	expect_silence(&rig);
	assert_int_equal(rd(&rig, PBA(SLOT) + 8, 8), 0);
	close_rig(&rig, t);
}

static void masks_of_all(void **state)
{
	struct rig rig;
	struct tester *t = open_rig(&rig);
	uint32_t v;

	(void)state;
	for (v = 0; v < NR; v++)
		program_vector(&rig, SLOT, v, 0x30 + v);
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED | MSIX_CONTROL_MASKED);
	for (v = 0; v < NR; v += 2)
		assert_int_equal(vc_pci_function_raise(t->pci, v), 1);
	expect_silence(&rig);
	assert_int_equal(rd(&rig, PBA(SLOT), 8), 0x5555555555555555);
	assert_int_equal(rd(&rig, PBA(SLOT) + 4, 4), 0x55555555);
	/* a function that may not write memory sends nothing either, and loses nothing */
	wr_config(&rig, SLOT, PCI_COMMAND, 2, COMMAND_MEMORY);
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED);
	expect_silence(&rig);
	wr_config(&rig, SLOT, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
	for (v = 0; v < NR; v += 2)
		expect_message(&rig, 0x30 + v);
	expect_silence(&rig);
	assert_int_equal(rd(&rig, PBA(SLOT), 8), 0);
	/* switched off it forgets */
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED | MSIX_CONTROL_MASKED);
	assert_int_equal(vc_pci_function_raise(t->pci, 1), 1);
	set_msix(&rig, SLOT, MSIX_CONTROL_MASKED);
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED);
	expect_silence(&rig);
	close_rig(&rig, t);
}

/* Who signals the fd need not know of masks: the signal waits, shows, and is sent once. */
static void eventfds(void **state)
{
	struct rig rig;
	struct tester *t = open_rig(&rig);
	int fd = vc_pci_function_vector_fd(t->pci, 1);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(vc_pci_function_vector_fd(t->pci, 1), fd);
	assert_int_equal(eventfd_write(fd, 1), 0); /* MSI-X is off: forgotten */
	program_vector(&rig, SLOT, 1, 0x50);
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED);
	expect_silence(&rig);
	assert_int_equal(eventfd_write(fd, 1), 0);
	expect_message(&rig, 0x50);
	wr(&rig, ENTRY(SLOT, 1) + 12, 4, 1);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	expect_silence(&rig);
	assert_int_equal(rd(&rig, PBA(SLOT), 8), 2);
	wr(&rig, ENTRY(SLOT, 1) + 12, 4, 0);
	expect_message(&rig, 0x50);
	expect_silence(&rig);
	assert_int_equal(rd(&rig, PBA(SLOT), 8), 0);
	/* raised and signalled: at least one, no pending bit is left */
	wr(&rig, ENTRY(SLOT, 1) + 12, 4, 1);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_int_equal(vc_pci_function_raise(t->pci, 1), 1);
	wr(&rig, ENTRY(SLOT, 1) + 12, 4, 0);
	expect_message(&rig, 0x50);
	assert_int_equal(rd(&rig, PBA(SLOT), 8), 0);
	close_rig(&rig, t);
}

/* Registers are 4 or 8 bytes on their boundary; all else is as if nobody was there. */
static void only_whole_registers(void **state)
{
	struct rig rig;
	struct tester *t = open_rig(&rig);
	uint64_t first = BAR2(SLOT) + 0x1000, end = first + vc_pci_msix_bytes(NR), off;
	uint32_t nr;

	(void)state;
	assert_int_equal(end - first, 16 * 66 + 16);
	for (off = first; off < end; off += 8)
		wr(&rig, off, 8, 0x0123456789abcdef);
	nr = t->nr_accesses;
	assert_int_equal(nr, 0);
	assert_int_equal(rd(&rig, first, 8),
			 0x0123456789abcdec); /* two bits of the address are 0 */
	assert_int_equal(rd(&rig, first + 8, 8), 0x0000000189abcdef);
	for (off = first - 7; off < end; off++)
		for (unsigned int size = 1; size <= 8; size *= 2) {
			if (off + size <= first || (size >= 4 && off % size == 0 && off >= first))
				continue;
			wr(&rig, off, size, 0);
			assert_int_equal(rd(&rig, off, size), UINT64_MAX >> (64 - 8 * size));
		}
	assert_int_equal(rd(&rig, first, 8), 0x0123456789abcdec);
	nr = t->nr_accesses;
	(void)rd(&rig, first - 8, 8);
	(void)rd(&rig, end, 8);
	assert_int_equal(t->nr_accesses, nr + 2);
	assert_false(t->is_bad);
	close_rig(&rig, t);
}

struct racer {
	struct tester *t;
	atomic_bool is_over;
};

static void *raise_all(void *opaque)
{
	struct racer *racer = opaque;
	int fd = vc_pci_function_vector_fd(racer->t->pci, 3);

	while (!atomic_load(&racer->is_over)) {
		for (uint32_t v = 0; v < 8; v++)
			(void)vc_pci_function_raise(racer->t->pci, v);
		(void)eventfd_write(fd, 1);
		(void)vc_pci_function_has_msix(racer->t->pci);
		(void)vc_pci_function_set_intx(racer->t->pci, !racer->is_over);
		(void)vc_pci_function_set_intx(racer->t->pci, false);
	}
	return NULL;
}

/* The table is rewritten while vectors fire: each message that comes was whole in the table. */
static void rewritten_while_firing(void **state)
{
	struct rig rig;
	struct tester *t = open_rig(&rig);
	struct racer racer = { .t = t };
	struct vc_fake_record record;
	uint64_t nr_seen = 0;
	pthread_t thread;
	int r;

	(void)state;
	set_msix(&rig, SLOT, MSIX_CONTROL_ENABLED);
	assert_int_equal(pthread_create(&thread, NULL, raise_all, &racer), 0);
	for (uint32_t i = 0; i < 5000 || nr_seen < 100; i++) {
		uint32_t v = i % 8;

		wr(&rig, ENTRY(SLOT, v) + 12, 4, 1);
		wr(&rig, ENTRY(SLOT, v), 8, 0xfee00000ull | (uint64_t)(i & 0xff) << 12);
		wr(&rig, ENTRY(SLOT, v) + 8, 4, i & 0xff);
		wr(&rig, ENTRY(SLOT, v) + 12, 4, 0);
		(void)rd(&rig, PBA(SLOT), 8);
		if (i % 64 == 0)
			set_msix(&rig, SLOT, i % 128 ? MSIX_CONTROL_ENABLED : 0);
		while ((r = vc_fake_next_record(rig.bed.partition, &record)) != 0) {
			if (r < 0 || record.kind != VC_FAKE_MSI)
				continue;
			assert_int_equal(record.addr >> 12 & 0xff, record.value);
			nr_seen++;
		}
	}
	atomic_store(&racer.is_over, true);
	pthread_join(thread, NULL);
	close_rig(&rig, t);
}

static void refusals(void **state)
{
	struct vc_pci_function_config cfg = usual_function();
	struct tester *t = make_tester("a", &cfg);

	(void)state;
	assert_refused(vc_pci_function_raise(t->pci, NR), -EINVAL, "vector 66");
	assert_refused(vc_pci_function_raise(NULL, 0), -EINVAL, "vector 0");
	assert_int_equal(vc_pci_function_raise(t->pci, 0), 0);
	assert_refused(vc_pci_function_vector_fd(t->pci, NR), -EINVAL, "vector 66");
	assert_refused(vc_pci_function_vector_fd(t->pci, 0), -EBUSY, "no bridge");
	assert_false(vc_pci_function_has_msix(NULL));
	assert_false(vc_pci_function_is_master(NULL));
	vc_device_destroy(&t->dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(masks_of_one),
		cmocka_unit_test(masks_of_all),
		cmocka_unit_test(eventfds),
		cmocka_unit_test(only_whole_registers),
		cmocka_unit_test(rewritten_while_firing),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
