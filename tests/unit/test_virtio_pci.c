/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio over PCI: found by its capabilities, driven through its BAR wherever that is, by doorbells that
 * the hypervisor takes or that are trapped, with messages, with INTA#, and through the window.
 */
#include "pci_unit.h"
#include "virtio.h"
#include "virtio_unit.h"

#define SLOT	   6u
#define COMMON	   0x0000u
#define ISR	   0x1000u
#define DEVICE	   0x2000u
#define NOTIFY	   0x3000u
#define TABLE	   0x4000u
#define BAR	   (MEM32 + 0x80000)
#define OTHER_BAR  (MEM32 + 0x440000)
#define NR_VECTORS (ECHO_QUEUES + 1)

struct pci_board {
	struct rig rig;
	struct vc_mem *mem;
	uint8_t *ram;
	struct vc_ring *ring;
	struct echo *echo;
	struct vc_pci_function *pci;
	uint64_t bar;
	struct driver drivers[ECHO_QUEUES];
};

static struct vc_virtio_ops pci_ops;

static void open_board(struct pci_board *b)
{
	struct vc_ring_config ring = { .size = sizeof(ring), .nr_workers = 1 };
	struct vc_virtio_config cfg = { .size = sizeof(cfg),
					.name = "echo0",
					.nr_queues = ECHO_QUEUES,
					.queue_size = QUEUE_ENTRIES,
					.rings = &b->ring,
					.nr_rings = 1 };

	memset(b, 0, sizeof(*b));
	rig_make(&b->rig);
	b->mem = ram_make(&b->ram);
	cfg.mem = b->mem;
	assert_result(vc_ring_create(&ring, &b->ring), 0);
	b->echo = calloc(1, sizeof(*b->echo));
	assert_non_null(b->echo);
	pci_ops = echo_ops;
	pci_ops.id = 42; /* a PCI id has room for 63 */
	assert_result(vc_virtio_init(&b->echo->v, &pci_ops, &cfg), 0);
	assert_result(vc_virtio_pci_attach(&b->echo->v, &b->pci), 0);
	assert_result(vc_ring_attach(b->ring), 0);
	assert_result(vc_pci_bridge_attach(b->rig.bridge, b->pci, SLOT), 0);
	b->bar = BAR;
	wr_config(&b->rig, SLOT, PCI_BAR(0), 4, (uint32_t)b->bar);
	wr_config(&b->rig, SLOT, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
}

static void close_board(struct pci_board *b)
{
	for (uint32_t q = 0; q < ECHO_QUEUES; q++)
		driver_fini(&b->drivers[q]);
	vc_device_destroy(&b->echo->v.dev);
	(void)vc_ring_stop(b->ring);
	while (vc_ring_step(b->ring, 0) >= 0)
		;
	vc_ring_put(b->ring);
	vc_mem_destroy(b->mem);
	rig_free(&b->rig);
}

static void step(struct pci_board *b)
{
	for (unsigned int i = 0; i < 8; i++)
		(void)vc_ring_step(b->ring, i < 2 ? 2000000 : 0);
}

static uint64_t get(struct pci_board *b, uint32_t off, unsigned int size)
{
	return rd(&b->rig, b->bar + off, size);
}

static void put(struct pci_board *b, uint32_t off, unsigned int size, uint64_t value)
{
	wr(&b->rig, b->bar + off, size, value);
}

static void place_queue(struct pci_board *b, uint32_t queue, const struct driver *d)
{
	put(b, 0x16, 2, queue);
	put(b, 0x18, 2, d->cfg.nr);
	put(b, 0x20, 4, d->desc & UINT32_MAX);
	put(b, 0x24, 4, d->desc >> 32);
	put(b, 0x28, 8, d->drv);
	put(b, 0x30, 8, d->dev);
	put(b, 0x1a, 2, queue);
	put(b, 0x1c, 2, 1);
}

/* From reset to DRIVER_OK; queue i on vector i, configuration on the last. */
static void drive(struct pci_board *b, uint64_t features)
{
	features |= VC_VIRTIO_F_VERSION_1;
	put(b, 0x14, 1, 0);
	step(b);
	assert_int_equal(get(b, 0x14, 1), 0); /* the reset is complete */
	put(b, 0x14, 1, ACK);
	put(b, 0x14, 1, ACK | DRIVER_BIT);
	for (uint32_t sel = 0; sel < 2; sel++) {
		put(b, 0x08, 4, sel);
		put(b, 0x0c, 4, features >> 32 * sel & UINT32_MAX);
	}
	put(b, 0x14, 1, ACK | DRIVER_BIT | FEATURES_OK);
	assert_int_equal(get(b, 0x14, 1), ACK | DRIVER_BIT | FEATURES_OK);
	put(b, 0x10, 2, ECHO_QUEUES);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		struct driver_config cfg = { .ram = b->ram,
					     .gpa = 0x1000 + 0x10000 * q,
					     .nr = QUEUE_ENTRIES,
					     .is_packed = features & VC_VIRTIO_F_RING_PACKED };

		driver_fini(&b->drivers[q]);
		driver_init(&b->drivers[q], &cfg);
		place_queue(b, q, &b->drivers[q]);
	}
	put(b, 0x14, 1, ACK | DRIVER_BIT | FEATURES_OK | DRIVER_OK);
}

static void open_vectors(struct pci_board *b)
{
	for (uint32_t v = 0; v < NR_VECTORS; v++) {
		put(b, TABLE + 16 * v, 8, 0xfee00000);
		put(b, TABLE + 16 * v + 8, 8, 0x40 + v);
	}
	set_msix(&b->rig, SLOT, MSIX_CONTROL_ENABLED);
}

static void add_request(struct pci_board *b, uint32_t queue)
{
	struct driver_buf bufs[2] = { { DATA_GPA, 16, false }, { DATA_GPA + 64, 48, true } };

	assert_true(driver_add(&b->drivers[queue], bufs, 2) >= 0);
	(void)driver_publish(&b->drivers[queue]);
}

/* As a driver looks for them. */
static void capabilities(void **state)
{
	static const struct {
		uint32_t off, len, size;
	} wanted[] = { { 0 },	       { COMMON, 0x40, 16 },	    { NOTIFY, 4 * ECHO_QUEUES, 20 },
		       { ISR, 1, 16 }, { DEVICE, ECHO_CONFIG, 16 }, { 0, 0, 20 } };
	struct pci_board b;
	uint32_t at, nr = 0;

	(void)state;
	open_board(&b);
	assert_int_equal(rd_config(&b.rig, SLOT, 0, 4), (0x1040 + 42) << 16 | 0x1af4);
	assert_int_equal(rd_config(&b.rig, SLOT, 8, 1), 1);
	for (at = rd_config(&b.rig, SLOT, PCI_CAPABILITIES, 1); at;
	     at = rd_config(&b.rig, SLOT, at + 1, 1)) {
		uint32_t type = rd_config(&b.rig, SLOT, at + 3, 1);

		if (rd_config(&b.rig, SLOT, at, 1) != 9)
			continue;
		assert_in_range(type, 1, 5);
		assert_int_equal(rd_config(&b.rig, SLOT, at + 2, 1), wanted[type].size);
		assert_int_equal(rd_config(&b.rig, SLOT, at + 4, 1), 0);
		assert_int_equal(rd_config(&b.rig, SLOT, at + 8, 4), wanted[type].off);
		assert_int_equal(rd_config(&b.rig, SLOT, at + 12, 4), wanted[type].len);
		if (type == 2)
			assert_int_equal(rd_config(&b.rig, SLOT, at + 16, 4), 4);
		nr++;
	}
	assert_int_equal(nr, 5);
	assert_int_equal(get(&b, 0x12, 2), ECHO_QUEUES);
	assert_int_equal(get(&b, 0x10, 2), 0xffff);
	put(&b, 0x16, 2, 1);
	assert_int_equal(get(&b, 0x18, 2), QUEUE_ENTRIES);
	assert_int_equal(get(&b, 0x1e, 2), 1);
	close_board(&b);
}

static void one_round(struct pci_board *b, uint64_t features, bool has_msix)
{
	drive(b, features);
	step(b);
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t queue = i % ECHO_QUEUES, len = 0;

		if (i % 8 == 7) { /* it moves, and goes on there */
			b->bar = b->bar == BAR ? OTHER_BAR : BAR;
			wr_config(&b->rig, SLOT, PCI_BAR(0), 4, (uint32_t)b->bar);
		}
		add_request(b, queue);
		put(b, NOTIFY + 4 * queue, 2, queue);
		step(b);
		assert_true(driver_take(&b->drivers[queue], &len) >= 0);
		assert_int_equal(len, 48);
		if (has_msix) {
			expect_message(&b->rig, 0x40 + queue);
			expect_silence(&b->rig);
			continue;
		}
		expect_line(&b->rig, SLOT % 4, true);
		expect_silence(&b->rig);
		assert_int_equal(get(b, ISR, 1), 1);
		expect_line(&b->rig, SLOT % 4, false);
		assert_int_equal(get(b, ISR, 1), 0);
	}
}

static void requests(void **state)
{
	static const uint64_t features[] = { 0, VC_VIRTIO_F_RING_PACKED };

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(features); f++)
		for (int has_msix = 0; has_msix < 2; has_msix++) {
			struct pci_board b;

			open_board(&b);
			if (has_msix)
				open_vectors(&b);
			one_round(&b, features[f], has_msix);
			close_board(&b);
		}
}

/* A masked vector's completions wait; so do those of a function that may not write memory. */
static void masked(void **state)
{
	struct pci_board b;

	(void)state;
	open_board(&b);
	open_vectors(&b);
	drive(&b, 0);
	step(&b);
	put(&b, TABLE + 12, 4, 1);
	add_request(&b, 0);
	put(&b, NOTIFY, 2, 0);
	step(&b);
	expect_silence(&b.rig);
	assert_int_equal(get(&b, TABLE + 16 * NR_VECTORS, 8), 1);
	put(&b, TABLE + 12, 4, 0);
	expect_message(&b.rig, 0x40);
	/* configuration has a vector of its own, and counts */
	uint64_t generation = get(&b, 0x15, 1);
	vc_virtio_config_changed(&b.echo->v);
	expect_message(&b.rig, 0x40 + ECHO_QUEUES);
	assert_int_equal(get(&b, 0x15, 1), generation + 1);
	/* one that is not there is refused, one taken back is silent */
	put(&b, 0x10, 2, NR_VECTORS);
	assert_int_equal(get(&b, 0x10, 2), 0xffff);
	vc_virtio_config_changed(&b.echo->v);
	expect_silence(&b.rig);
	close_board(&b);
}

static void configuration(void **state)
{
	uint32_t window = 0, at;
	struct pci_board b;

	(void)state;
	open_board(&b);
	put(&b, DEVICE + 4, 4, 0x11223344);
	assert_int_equal(get(&b, DEVICE + 5, 1), 0x33);
	assert_int_equal(get(&b, DEVICE + 2, 8), 0x112233440000);
	assert_int_equal(get(&b, DEVICE + ECHO_CONFIG - 2, 4), 0);
	for (at = rd_config(&b.rig, SLOT, PCI_CAPABILITIES, 1); at;
	     at = rd_config(&b.rig, SLOT, at + 1, 1))
		if (rd_config(&b.rig, SLOT, at, 1) == 9 && rd_config(&b.rig, SLOT, at + 3, 1) == 5)
			window = at;
	assert_true(window != 0);
	wr_config(&b.rig, SLOT, window + 4, 1, 0);
	wr_config(&b.rig, SLOT, window + 8, 4, DEVICE + 4);
	wr_config(&b.rig, SLOT, window + 12, 4, 4);
	assert_int_equal(rd_config(&b.rig, SLOT, window + 16, 4), 0x11223344);
	wr_config(&b.rig, SLOT, window + 16, 4, 0x55667788);
	assert_int_equal(get(&b, DEVICE + 4, 4), 0x55667788);
	wr_config(&b.rig, SLOT, window + 8, 4, 0x12);
	wr_config(&b.rig, SLOT, window + 12, 4, 2);
	assert_int_equal(rd_config(&b.rig, SLOT, window + 16, 2), ECHO_QUEUES);
	/* any window: nothing but the registers is ever reached */
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t seed = i * 2654435761u;

		wr_config(&b.rig, SLOT, window + 4, 1, i % 7 == 0);
		wr_config(&b.rig, SLOT, window + 8, 4, i % 5 ? seed >> 16 : seed);
		wr_config(&b.rig, SLOT, window + 12, 4, i % 3 ? 1u << i % 4 : seed);
		wr_config(&b.rig, SLOT, window + 16, 1 << i % 3, seed);
		(void)rd_config(&b.rig, SLOT, window + 16, 1 << i % 3);
	}
	close_board(&b);
}

/* Every field by every width at every place, in every state of the device. */
static void any_access(void **state)
{
	struct pci_board b;

	(void)state;
	open_board(&b);
	for (uint32_t i = 0; i < 4; i++) {
		if (i & 1)
			drive(&b, i & 2 ? VC_VIRTIO_F_RING_RESET : 0);
		for (uint32_t off = 0; off < 0x5000; off += off < 0x100 ? 1 : 61)
			for (unsigned int size = 1; size <= 8; size *= 2) {
				(void)get(&b, off, size);
				if (off != 0x14)
					put(&b, off, size, off * 2654435761u >> i);
			}
		step(&b);
	}
	put(&b, 0x14, 1, 0);
	step(&b);
	assert_int_equal(get(&b, 0x14, 1), 0);
	drive(&b, 0);
	step(&b);
	add_request(&b, 1);
	put(&b, NOTIFY + 4, 2, 1);
	step(&b);
	assert_true(driver_take(&b.drivers[1], &(uint32_t){ 0 }) >= 0);
	close_board(&b);
}

static void state_goes_along(void **state)
{
	uint8_t buf[4096], after[4096];
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	struct pci_board a, b;
	const void *bytes;
	size_t len, n;

	(void)state;
	open_board(&a);
	drive(&a, 0);
	step(&a);
	put(&a, 0x10, 2, 1);
	vc_virtio_config_changed(&a.echo->v);
	vc_virtio_pause(&a.echo->v);
	len = save_payload(&a.echo->v.dev, buf, sizeof(buf));
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_device_save(&a.echo->v.dev, writer), 0);
	assert_result(vc_device_save(a.rig.bridge, writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &n), 0);
	open_board(&b);
	memcpy(b.ram, a.ram, 0x40000);
	assert_result(vc_state_reader_create(bytes, n, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_device_load(&b.echo->v.dev, reader), 0);
	assert_result(vc_device_load(b.rig.bridge, reader), 0);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	assert_int_equal(save_payload(&b.echo->v.dev, after, sizeof(after)), len);
	assert_memory_equal(buf, after, len);
	assert_int_equal(get(&b, 0x10, 2), 1);
	assert_int_equal(get(&b, ISR, 1), 2);
	assert_int_equal(get(&b, 0x14, 1), 15);
	/* a vector that is not there; the transport's part is before the device's */
	n = len - ECHO_CONFIG - 2 * ECHO_QUEUES;
	buf[n] = NR_VECTORS;
	vc_device_reset(&b.echo->v.dev);
	step(&b);
	assert_refused(load_payload(&b.echo->v.dev, 1, buf, len), -EBADMSG, "vector 3 of 3");
	buf[n] = 0;
	buf[n - 3] = 4;
	assert_refused(load_payload(&b.echo->v.dev, 1, buf, len), -EBADMSG, "ISR");
	vc_virtio_resume(&a.echo->v);
	close_board(&a);
	close_board(&b);
}

static void refusals(void **state)
{
	struct vc_pci_function *none = NULL;
	struct pci_board b;

	(void)state;
	open_board(&b);
	assert_refused(vc_virtio_pci_attach(&b.echo->v, &none), -EBUSY, "transport");
	assert_refused(vc_virtio_pci_attach(NULL, &none), -EINVAL, "device");
	assert_refused(vc_virtio_pci_attach(&b.echo->v, NULL), -EINVAL, "ret_function");
	b.echo->v.core->transport = NULL;
	pci_ops.id = 64;
	assert_refused(vc_virtio_pci_attach(&b.echo->v, &none), -EINVAL, "id 64");
	pci_ops.id = 42;
	pci_ops.config_bytes = 4097;
	assert_refused(vc_virtio_pci_attach(&b.echo->v, &none), -EINVAL, "4097 bytes");
	assert_null(none);
	pci_ops.config_bytes = ECHO_CONFIG;
	vc_pci_function_destroy(b.pci);
	free(b.echo->v.core->transport_data);
	close_board(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities), cmocka_unit_test(requests),
		cmocka_unit_test(masked),	cmocka_unit_test(configuration),
		cmocka_unit_test(any_access),	cmocka_unit_test(state_goes_along),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
