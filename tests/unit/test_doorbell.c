/* SPDX-License-Identifier: Apache-2.0 */
/* Doorbells: what rings, what exits, what is refused. */
#include "cpu_fixture.h"

#include <errno.h>
#include <sys/eventfd.h>

static struct vc_doorbell *bell(struct rig *rig, struct vc_doorbell_config cfg)
{
	struct vc_doorbell *doorbell = NULL;

	cfg.size = sizeof(cfg);
	assert_result(vc_doorbell_create(rig->partition, &cfg, &doorbell), 0);
	return doorbell;
}

static uint64_t rings(struct vc_doorbell *doorbell)
{
	uint64_t nr = 0;

	return read(vc_doorbell_fd(doorbell), &nr, sizeof(nr)) == sizeof(nr) ? nr : 0;
}

static void test_ports_and_matches(void **state)
{
	/* mov $1,%ax; out %ax,$0x30; inc %ax; out %ax,$0x30; inc %ax; out %ax,$0x30;
	 * out %al,$0x30; out %ax,$0x40; hlt */
	static const uint8_t code[] = { 0xb8, 0x01, 0x00, 0xe7, 0x30, 0x40, 0xe7, 0x30,
					0x40, 0xe7, 0x30, 0xe6, 0x30, 0xe7, 0x40, 0xf4 };
	struct vc_doorbell *one, *two, *any;
	struct vc_exit *exit;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, code, sizeof(code));
	one = bell(&rig, (struct vc_doorbell_config){
				 .addr = 0x30, .len = 2, .has_match = true, .match = 1 });
	two = bell(&rig, (struct vc_doorbell_config){
				 .addr = 0x30, .len = 2, .has_match = true, .match = 2 });
	any = bell(&rig, (struct vc_doorbell_config){ .addr = 0x40, .len = 2 });
	exit = rig_run_on(&rig); /* 1 and 2 ring, 3 comes out */
	assert_int_equal(exit->kind, VC_EXIT_PIO);
	assert_int_equal(*(uint16_t *)exit->data, 3);
	exit = rig_run_on(&rig); /* another width */
	assert_int_equal(exit->kind, VC_EXIT_PIO);
	assert_int_equal(exit->size, 1);
	assert_int_equal(rig_run_on(&rig)->kind, VC_EXIT_HALT);
	assert_int_equal(rings(one), 1);
	assert_int_equal(rings(two), 1);
	assert_int_equal(rings(any), 1);
	assert_int_equal(rings(any), 0); /* non-blocking */
	vc_doorbell_destroy(one);
	vc_doorbell_destroy(two);
	vc_doorbell_destroy(any);
	rig_free(&rig);
}

static void test_destroyed_doorbells_exit_again(void **state)
{
	/* out %ax,$0x30; jmp back */
	static const uint8_t code[] = { 0xe7, 0x30, 0xe7, 0x32, 0xeb, 0xfa };
	struct vc_doorbell *doorbell;
	struct rig rig;

	(void)state;
	rig_code(&rig, NULL, code, sizeof(code));
	doorbell = bell(&rig, (struct vc_doorbell_config){ .addr = 0x30, .len = 2 });
	assert_int_equal(rig_run_on(&rig)->addr, 0x32);
	assert_int_equal(rig_run_on(&rig)->addr, 0x32);
	assert_int_equal(rings(doorbell), 2);
	vc_doorbell_destroy(doorbell);
	assert_int_equal(rig_run_on(&rig)->addr, 0x30);
	vc_doorbell_destroy(NULL);
	rig_free(&rig);
}

static void test_memory_doorbell(void **state)
{
	struct vc_doorbell *four, *any;
	struct world world;
	struct rig rig;

	(void)state;
	world_init(&world);
	/* one place: writes of 1, 2, 4, 8 bytes, each followed by a read */
	rig_guest(&rig, NULL, "exits.elf", "ports=0 mmio=1 addr=0xd0000000");
	four = bell(&rig, (struct vc_doorbell_config){
				  .space = VC_SPACE_MMIO, .addr = 0xd0000000, .len = 4 });
	rig_finish(&rig, &world);
	assert_int_equal(world.nr, 7);
	assert_int_equal(rings(four), 1);
	vc_doorbell_destroy(four);
	rig_free(&rig);

	world_init(&world);
	rig_guest(&rig, NULL, "exits.elf", "ports=0 mmio=1 addr=0xd0000000");
	any = bell(&rig, (struct vc_doorbell_config){ .space = VC_SPACE_MMIO, .addr = 0xd0000000 });
	rig_finish(&rig, &world);
	assert_int_equal(world.nr, 4);
	assert_int_equal(rings(any), 4);
	vc_doorbell_destroy(any);
	rig_free(&rig);
}

/* The caller's eventfd stays the same while its doorbell moves. */
static void test_moves_with_one_fd(void **state)
{
	/* out %ax,$0x30; out %ax,$0x32; out %ax,$0x34; jmp back */
	static const uint8_t code[] = { 0xe7, 0x30, 0xe7, 0x32, 0xe7, 0x34, 0xeb, 0xf8 };
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct vc_doorbell_config cfg = { .len = 2, .has_fd = true, .fd = fd };
	struct vc_doorbell *doorbell;
	struct rig rig;

	(void)state;
	assert_true(fd >= 0);
	rig_code(&rig, NULL, code, sizeof(code));
	for (int i = 0; i < 20; i++) {
		cfg.addr = i & 1 ? 0x32 : 0x30;
		doorbell = bell(&rig, cfg);
		assert_int_equal(vc_doorbell_fd(doorbell), fd);
		assert_int_equal(rig_run_on(&rig)->addr, i & 1 ? 0x30 : 0x32);
		assert_int_equal(rig_run_on(&rig)->addr, 0x34);
		vc_doorbell_destroy(doorbell);
	}
	eventfd_t nr = 0;
	assert_int_equal(eventfd_read(fd, &nr), 0);
	assert_int_equal(nr, 20);
	cfg.fd = -1;
	cfg.size = sizeof(cfg);
	assert_refused(vc_doorbell_create(rig.partition, &cfg, &doorbell), -EBADF, "port 0x32");
	close(fd);
	rig_free(&rig);
}

static void refuse(struct rig *rig, struct vc_doorbell_config cfg, int err, const char *part)
{
	struct vc_doorbell *doorbell = NULL;

	cfg.size = sizeof(cfg);
	assert_refused(vc_doorbell_create(rig->partition, &cfg, &doorbell), err, part);
	assert_null(doorbell);
}

static void test_refusals(void **state)
{
	struct vc_doorbell *taken, *none = NULL;
	struct vc_doorbell_config good = { .size = sizeof(good), .addr = 0x30, .len = 2 };
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	refuse(&rig, (struct vc_doorbell_config){ .space = 2, .len = 1 }, -EINVAL, "space 2");
	refuse(&rig, (struct vc_doorbell_config){ .len = 3 }, -EINVAL, "3 bytes");
	refuse(&rig, (struct vc_doorbell_config){ .len = 16 }, -EINVAL, "16 bytes");
	refuse(&rig, (struct vc_doorbell_config){ .len = 8 }, -EINVAL, "8 bytes");
	refuse(&rig, (struct vc_doorbell_config){ .len = 0 }, -EINVAL, "0 bytes");
	refuse(&rig, (struct vc_doorbell_config){ .addr = 0xffff, .len = 2 }, -EINVAL, "past");
	refuse(&rig, (struct vc_doorbell_config){ .space = VC_SPACE_MMIO, .addr = ~0ull, .len = 4 },
	       -EINVAL, "past");
	refuse(&rig, (struct vc_doorbell_config){ .space = VC_SPACE_MMIO, .has_match = true },
	       -EINVAL, "match needs");
	refuse(&rig, (struct vc_doorbell_config){ .len = 1, .has_match = true, .match = 256 },
	       -EINVAL, "no value of 1");
	taken = bell(&rig, good);
	refuse(&rig, good, -EEXIST, "port 0x30");
	assert_refused(vc_doorbell_create(NULL, &good, &none), -EINVAL, "");
	assert_refused(vc_doorbell_create(rig.partition, &good, NULL), -EINVAL, "");
	assert_refused(vc_doorbell_create(rig.partition, NULL, &none), -EINVAL, "");
	assert_refused(vc_doorbell_fd(NULL), -EINVAL, "");
	vc_doorbell_destroy(taken);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_and_matches),
		cmocka_unit_test(test_destroyed_doorbells_exit_again),
		cmocka_unit_test(test_memory_doorbell),
		cmocka_unit_test(test_moves_with_one_fd),
		cmocka_unit_test(test_refusals),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
