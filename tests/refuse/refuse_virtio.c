/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that virtio.h documents, named function_code; -ENOMEM, -EMFILE are fault_devices'. */
#include "virtio_unit.h"

static void init_einval_e2big(void **state)
{
	struct {
		struct vc_virtio_config cfg;
		uint64_t newer;
	} c = { .cfg = { .size = sizeof(c), .name = "e", .nr_queues = 1 }, .newer = 1 };
	struct vc_virtio_ops ops = echo_ops;
	struct vc_ring *none = NULL;
	struct vc_virtio v;
	struct board b;

	(void)state;
	board_make(&b, false);
	assert_refused(vc_virtio_init(&v, &ops, NULL), -EINVAL, "NULL");
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -E2BIG, "newer");
	c.newer = 0;
	assert_refused(vc_virtio_init(NULL, &ops, &c.cfg), -EINVAL, "device");
	assert_refused(vc_virtio_init(&v, NULL, &c.cfg), -EINVAL, "ops");
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "a ring");
	c.cfg.mem = b.mem;
	c.cfg.rings = &none;
	c.cfg.nr_rings = 1;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "ring 0");
	c.cfg.rings = &b.ring;
	c.cfg.nr_queues = 0;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "0 queues");
	c.cfg.nr_queues = VC_VIRTIO_QUEUES_MAX + 1;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "1 to 64");
	c.cfg.nr_queues = 1;
	c.cfg.queue_size = 24;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "power of two");
	c.cfg.queue_size = 65536;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "32768");
	c.cfg.queue_size = 0;
	c.cfg.name = "";
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "1 to 31");
	c.cfg.name = "e";
	ops.kick = NULL;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "mandatory");
	ops = echo_ops;
	ops.config = NULL;
	assert_refused(vc_virtio_init(&v, &ops, &c.cfg), -EINVAL, "mandatory");
	board_drop(&b);
}

static void mmio_attach_einval_ebusy(void **state)
{
	struct vc_virtio_config cfg = { .size = sizeof(cfg), .name = "e", .nr_queues = 1 };
	struct vc_virtio_ops ops = echo_ops;
	struct vc_virtio v;
	struct board b;

	(void)state;
	board_make(&b, false);
	assert_refused(vc_virtio_mmio_attach(NULL, b.irq), -EINVAL, "device");
	assert_refused(vc_virtio_mmio_attach(&b.echo->v, NULL), -EINVAL, "irq");
	assert_refused(vc_virtio_mmio_attach(&b.echo->v, b.irq), -EBUSY, "transport");
	cfg.mem = b.mem;
	cfg.rings = &b.ring;
	cfg.nr_rings = 1;
	ops.config_bytes = 257;
	assert_result(vc_virtio_init(&v, &ops, &cfg), 0);
	assert_refused(vc_virtio_mmio_attach(&v, b.irq), -EINVAL, "257 bytes");
	vc_virtio_fini(&v);
	board_drop(&b);
}

static void kick_fd_einval(void **state)
{
	struct board b;

	(void)state;
	board_make(&b, false);
	assert_true(vc_virtio_kick_fd(&b.echo->v, 0) >= 0);
	assert_refused(vc_virtio_kick_fd(&b.echo->v, ECHO_QUEUES), -EINVAL, "no queue 2");
	assert_refused(vc_virtio_kick_fd(NULL, 0), -EINVAL, "no queue");
	board_drop(&b);
}

static void pop_eio_push_einval_eio_estale(void **state)
{
	struct echo_slot *slot;
	struct board b;

	(void)state;
	board_make(&b, false);
	board_drive(&b, 0);
	b.echo->is_holding = true;
	assert_true(board_send(&b, 0) >= 0);
	assert_true(board_send(&b, 0) >= 0);
	board_step(&b);
	slot = &b.echo->slots[0];
	assert_refused(vc_virtio_push(&b.echo->v, 0, &slot->chain, 49), -EINVAL, "49 bytes");
	vc_virtio_break(&b.echo->v, 0);
	assert_int_equal(vc_virtio_push(&b.echo->v, 0, &slot->chain, 0), -EIO);
	slot->is_used = false;
	assert_int_equal(vc_virtio_pop(&b.echo->v, 0, &slot->chain), -EIO);
	reg_write(&b, 0x70, 0);
	board_step(&b);
	slot = &b.echo->slots[1];
	assert_int_equal(vc_virtio_push(&b.echo->v, 0, &slot->chain, 0), -ESTALE);
	slot->is_used = false;
	board_step(&b);
	assert_int_equal(board_status(&b), 0);
	board_drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_einval_e2big),
		cmocka_unit_test(mmio_attach_einval_ebusy),
		cmocka_unit_test(kick_fd_einval),
		cmocka_unit_test(pop_eio_push_einval_eio_estale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
