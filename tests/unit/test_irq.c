/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts into a guest that counts them: every way in, every one delivered once. The guest tells
 * each number at port 0x710 before it waits for the next.
 */
#include "cpu_fixture.h"

#include <errno.h>

#define ACK	0x710
#define VECTOR	0x40u
#define MSI_ANY ((struct vc_msi){ .address = 0xfee00000, .data = VECTOR })

static const uint32_t nr_wanted = 200;

static void start(struct rig *rig, struct world *world, enum vc_irqchip irqchip, const char *extra)
{
	struct vc_partition_config cfg = { .irqchip = irqchip };
	char cmdline[96];

	world_init(world);
	snprintf(cmdline, sizeof(cmdline), "vector=0x40 count=%u ack=0x710 %s", nr_wanted, extra);
	rig_guest(rig, &cfg, "irq.elf", cmdline);
	rig_until(rig, world, "irq ready vector=0x40\n");
}

/* Runs until the guest has seen interrupt @nr; returns the number of EOI exits on the way. */
static uint32_t await_ack(struct rig *rig, struct world *world, uint32_t nr)
{
	uint32_t nr_eois = 0;

	for (;;) {
		struct vc_exit *exit = rig_run(rig);

		nr_eois += exit->kind == VC_EXIT_IOAPIC_EOI && exit->addr == VECTOR;
		if (exit->kind == VC_EXIT_PIO && exit->addr == ACK) {
			assert_int_equal(*(uint32_t *)exit->data, nr);
			return nr_eois;
		}
		world_answer(world, exit);
		assert_false(world->is_over);
	}
}

enum way { PULSE, SIGNAL_FD, SEND };

static void raise_once(struct rig *rig, struct vc_irq *irq, enum way way)
{
	const uint64_t one = 1;
	struct vc_msi msi = MSI_ANY;

	switch (way) {
	case PULSE:
		assert_result(vc_irq_pulse(irq), 0);
		break;
	case SIGNAL_FD:
		assert_int_equal(write(vc_irq_fd(irq), &one, sizeof(one)), sizeof(one));
		break;
	case SEND:
		assert_result(vc_irq_send_msi(rig->partition, &msi), 1);
		break;
	}
}

static void deliver_all(struct rig *rig, struct world *world, struct vc_irq *irq, enum way way)
{
	for (uint32_t i = 1; i <= nr_wanted; i++) {
		raise_once(rig, irq, way);
		(void)await_ack(rig, world, i);
	}
	rig_finish(rig, world);
	assert_int_equal(world->code, 0);
	assert_int_equal(console_number(&world->console, "irq count="), nr_wanted);
}

static void try_line(enum way way)
{
	struct vc_irq *irq = NULL;
	struct world world;
	struct rig rig;

	start(&rig, &world, VC_IRQCHIP_KERNEL, "pin=10");
	assert_result(vc_irq_create_line(rig.partition, 10, &irq), 0);
	deliver_all(&rig, &world, irq, way);
	vc_irq_destroy(irq);
	rig_free(&rig);
}

static void try_msi(enum vc_irqchip irqchip, enum way way, const char *extra)
{
	struct vc_msi msi = MSI_ANY;
	struct vc_irq *irq = NULL;
	struct world world;
	struct rig rig;

	start(&rig, &world, irqchip, extra);
	assert_result(vc_irq_create_msi(rig.partition, &msi, &irq), 0);
	deliver_all(&rig, &world, irq, way);
	vc_irq_destroy(irq);
	rig_free(&rig);
}

static void test_line_pulse(void **state)
{
	(void)state;
	try_line(PULSE);
}

static void test_line_fd(void **state)
{
	(void)state;
	try_line(SIGNAL_FD);
}

static void test_msi_pulse(void **state)
{
	(void)state;
	try_msi(VC_IRQCHIP_KERNEL, PULSE, "");
	try_msi(VC_IRQCHIP_SPLIT, PULSE, "x2apic=1");
}

static void test_msi_fd(void **state)
{
	(void)state;
	try_msi(VC_IRQCHIP_KERNEL, SIGNAL_FD, "");
	try_msi(VC_IRQCHIP_SPLIT, SIGNAL_FD, "");
	try_msi(VC_IRQCHIP_SPLIT, SIGNAL_FD, "hlt=1");
}

static void test_msi_send(void **state)
{
	(void)state;
	try_msi(VC_IRQCHIP_SPLIT, SEND, "");
}

static uint64_t signals_in(struct vc_irq *irq)
{
	uint64_t nr = 0;

	return read(vc_irq_fd(irq), &nr, sizeof(nr)) == sizeof(nr) ? nr : 0;
}

/* Lines keep their routes when messages are routed, and a second message does not cut the first. */
static void test_routes_live_together(void **state)
{
	struct vc_irq *line = NULL, *msi_irq[3] = { NULL };
	struct vc_msi msi = MSI_ANY;
	struct world world;
	struct rig rig;

	(void)state;
	start(&rig, &world, VC_IRQCHIP_KERNEL, "pin=10");
	assert_result(vc_irq_create_line(rig.partition, 10, &line), 0);
	for (size_t i = 0; i < ARRAY_LEN(msi_irq); i++) {
		assert_result(vc_irq_create_msi(rig.partition, i ? &msi : NULL, &msi_irq[i]), 0);
		assert_true(vc_irq_fd(msi_irq[i]) >= 0);
	}
	raise_once(&rig, line, PULSE);
	(void)await_ack(&rig, &world, 1);
	raise_once(&rig, msi_irq[2], SIGNAL_FD);
	(void)await_ack(&rig, &world, 2);
	vc_irq_destroy(msi_irq[2]);
	raise_once(&rig, msi_irq[1], SIGNAL_FD);
	(void)await_ack(&rig, &world, 3);
	/* the first has been masked all the time: signals wait, raises are dropped */
	raise_once(&rig, msi_irq[0], SIGNAL_FD);
	raise_once(&rig, msi_irq[0], SIGNAL_FD);
	assert_result(vc_irq_pulse(msi_irq[0]), 0);
	raise_once(&rig, line, PULSE);
	(void)await_ack(&rig, &world, 4);
	assert_int_equal(signals_in(msi_irq[0]), 2);
	raise_once(&rig, msi_irq[0], SIGNAL_FD);
	assert_result(vc_irq_set_msi(msi_irq[0], &msi), 0);
	(void)await_ack(&rig, &world, 5);
	assert_int_equal(signals_in(msi_irq[0]), 0);
	raise_once(&rig, msi_irq[0], SIGNAL_FD);
	(void)await_ack(&rig, &world, 6);
	assert_result(vc_irq_set_msi(msi_irq[0], NULL), 0);
	assert_result(vc_irq_pulse(msi_irq[0]), 0);
	raise_once(&rig, line, PULSE);
	(void)await_ack(&rig, &world, 7);
	vc_irq_destroy(msi_irq[0]);
	vc_irq_destroy(msi_irq[1]);
	vc_irq_destroy(line);
	rig_free(&rig);
}

/* The message of a level pin makes the end of its interrupt an exit. */
static void test_pin_of_split_irqchip(void **state)
{
	struct vc_msi level = { .address = 0xfee00000, .data = VECTOR | 1u << 14 | 1u << 15 };
	struct vc_irq *pin = NULL, *again = NULL;
	uint32_t nr_eois = 0;
	struct world world;
	struct rig rig;

	(void)state;
	start(&rig, &world, VC_IRQCHIP_SPLIT, "");
	assert_result(vc_irq_create_pin(rig.partition, 5, &pin), 0);
	assert_refused(vc_irq_create_pin(rig.partition, 5, &again), -EEXIST, "pin 5");
	assert_refused(vc_irq_create_pin(rig.partition, 24, &again), -EINVAL, "pin 24");
	assert_result(vc_irq_pulse(pin), 0); /* masked: dropped */
	assert_result(vc_irq_set_msi(pin, &level), 0);
	for (uint32_t i = 1; i <= 50; i++) {
		assert_result(vc_irq_set_level(pin, true), 0);
		nr_eois += await_ack(&rig, &world, i);
	}
	print_message("%u EOI exits of 50\n", nr_eois);
	assert_int_equal(nr_eois, 50);
	vc_irq_destroy(pin);
	rig_free(&rig);
}

struct pin_log {
	uint32_t nr, pin;
	bool is_high;
};

static int log_level(void *opaque, uint32_t pin, bool is_high)
{
	struct pin_log *log = opaque;

	log->nr++;
	log->pin = pin;
	log->is_high = is_high;
	return 0;
}

static void test_ops(void **state)
{
	static const struct vc_irq_ops ops = { .set_level = log_level };
	static const struct vc_irq_ops empty = { .set_level = NULL };
	struct pin_log log = { 0 };
	struct vc_irq *irq = NULL;

	(void)state;
	assert_refused(vc_irq_create_ops(&empty, &log, 3, &irq), -EINVAL, "");
	assert_refused(vc_irq_create_ops(NULL, &log, 3, &irq), -EINVAL, "");
	assert_result(vc_irq_create_ops(&ops, &log, 3, &irq), 0);
	assert_result(vc_irq_set_level(irq, true), 0);
	assert_true(log.nr == 1 && log.pin == 3 && log.is_high);
	assert_result(vc_irq_pulse(irq), 0);
	assert_true(log.nr == 3 && !log.is_high);
	assert_refused(vc_irq_fd(irq), -ENOTSUP, "no fd");
	assert_refused(vc_irq_set_msi(irq, NULL), -EINVAL, "not a message");
	vc_irq_destroy(irq);
	assert_int_equal(log.nr, 4); /* lowered first */
	vc_irq_destroy(NULL);
}

static void test_refusals(void **state)
{
	struct vc_partition_config split = { .irqchip = VC_IRQCHIP_SPLIT };
	struct vc_msi msi = MSI_ANY;
	struct vc_irq *irq = NULL;
	struct rig bare, rig;

	(void)state;
	rig_make(&bare, NULL);
	assert_refused(vc_irq_create_line(bare.partition, 1, &irq), -ENOTSUP, "irqchip");
	assert_refused(vc_irq_create_msi(bare.partition, &msi, &irq), -ENOTSUP, "irqchip");
	assert_refused(vc_irq_create_pin(bare.partition, 1, &irq), -ENOTSUP, "split");
	assert_refused(vc_irq_send_msi(bare.partition, &msi), -ENOTSUP, "irqchip");
	rig_make(&rig, &split);
	assert_refused(vc_irq_create_line(rig.partition, 24, &irq), -EINVAL, "line 24");
	assert_refused(vc_irq_create_line(rig.partition, 1, &irq), -ENOTSUP, "irqchip");
	assert_refused(vc_irq_create_line(NULL, 1, &irq), -EINVAL, "");
	assert_refused(vc_irq_create_msi(rig.partition, &msi, NULL), -EINVAL, "");
	assert_refused(vc_irq_create_pin(NULL, 1, &irq), -EINVAL, "");
	assert_refused(vc_irq_send_msi(rig.partition, NULL), -EINVAL, "");
	assert_refused(vc_irq_set_level(NULL, true), -EINVAL, "");
	assert_refused(vc_irq_pulse(NULL), -EINVAL, "");
	assert_refused(vc_irq_set_msi(NULL, NULL), -EINVAL, "");
	assert_refused(vc_irq_fd(NULL), -EINVAL, "");
	assert_null(irq);
	rig_free(&rig);
	rig_free(&bare);
}

static atomic_bool changers_stop;

static void *change(void *opaque)
{
	struct vc_msi msi = MSI_ANY;

	for (uint32_t i = 0; !atomic_load(&changers_stop); i++) {
		/* address and data belong together: either both of one or both of the other */
		msi.address = 0xfee00000 | (i % 2) << 12;
		msi.data = VECTOR + i % 2;
		assert_result(vc_irq_set_msi(opaque, &msi), 0);
	}
	return NULL;
}

/* A message is changed by one thread while others raise it: never half of each (TSAN as well). */
static void test_change_while_raising(void **state)
{
	struct vc_partition_config split = { .irqchip = VC_IRQCHIP_SPLIT };
	struct vc_irq *irq = NULL;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_make(&rig, &split);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_result(vc_irq_create_msi(rig.partition, NULL, &irq), 0);
	assert_true(vc_irq_fd(irq) >= 0);
	atomic_store(&changers_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, change, irq), 0);
	for (uint32_t i = 0; i < 2000; i++)
		assert_result(vc_irq_pulse(irq), 0);
	atomic_store(&changers_stop, true);
	pthread_join(thread, NULL);
	vc_irq_destroy(irq);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_pulse),
		cmocka_unit_test(test_line_fd),
		cmocka_unit_test(test_msi_pulse),
		cmocka_unit_test(test_msi_fd),
		cmocka_unit_test(test_msi_send),
		cmocka_unit_test(test_routes_live_together),
		cmocka_unit_test(test_pin_of_split_irqchip),
		cmocka_unit_test(test_ops),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_change_while_raising),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
