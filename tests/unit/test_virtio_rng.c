/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio's source of random bytes: requests of all sizes, its limit, reset and pause, refusals. */
#include "virtio_unit.h"

#include <libvirtcore/snapshot.h>
#include <libvirtcore/throttle.h>
#include <libvirtcore/virtio_devices.h>

#include <sys/random.h>

static struct board b;
static struct vc_throttle *throttle;
static bool has_no_entropy;

ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

/* Half of what is wanted at a time, as after a signal. */
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	errno = EAGAIN;
	if (has_no_entropy)
		return -1;
	return __real_getrandom(buf, (len + 1) / 2, flags);
}

static struct vc_virtio_rng_config config(void)
{
	return (struct vc_virtio_rng_config){ .size = sizeof(struct vc_virtio_rng_config),
					      .name = "rng0",
					      .mem = b.mem,
					      .ring = b.ring,
					      .throttle = throttle };
}

static void make(uint64_t bytes_per_s)
{
	struct vc_throttle_config limit = { .size = sizeof(limit),
					    .bytes_per_s = bytes_per_s,
					    .bytes_burst = bytes_per_s ? 100 : 0 };
	struct vc_virtio_rng_config cfg;
	struct vc_virtio *v;

	board_open(&b);
	if (bytes_per_s > 0)
		assert_result(vc_throttle_create(&limit, &throttle), 0);
	cfg = config();
	assert_result(vc_virtio_rng_create(&cfg, &v), 0);
	assert_result(vc_virtio_mmio_attach(v, b.irq), 0);
	b.dev = &v->dev;
	board_start(&b, false);
	board_drive(&b, 0);
	board_step(&b);
}

static int teardown(void **state)
{
	(void)state;
	has_no_entropy = false;
	board_drop(&b);
	vc_throttle_destroy(throttle);
	throttle = NULL;
	return 0;
}

static int send(uint64_t gpa, uint32_t len, bool is_write)
{
	struct driver_buf buf = { gpa, len, is_write };
	int id = driver_add(&b.drivers[0], &buf, 1);

	if (driver_publish(&b.drivers[0]))
		reg_write(&b, 0x50, 0);
	return id;
}

/* Bytes that a request got; it is empty of zeroes as far as 64 bytes of them in a row go. */
static uint32_t fetch(uint32_t size)
{
	static const uint8_t zeroes[64];
	uint32_t len = 0;
	int id;

	memset(b.ram + DATA_GPA, 0, size);
	id = send(DATA_GPA, size, true);
	board_step(&b);
	assert_int_equal(driver_take(&b.drivers[0], &len), id);
	for (uint32_t i = 0; i + 64 <= len; i += 64)
		assert_memory_not_equal(b.ram + DATA_GPA + i, zeroes, 64);
	return len;
}

static void bytes(void **state)
{
	(void)state;
	make(0);
	assert_int_equal(fetch(1), 1);
	assert_int_equal(fetch(1000), 1000);
	assert_int_equal(fetch(16384), 16384);
	assert_int_equal(fetch(100000), 16384); /* others have their turn */
}

static void readable_buffer(void **state)
{
	(void)state;
	make(0);
	(void)send(DATA_GPA, 16, false);
	board_step(&b);
	assert_int_equal(board_status(&b) & NEEDS_RESET, NEEDS_RESET);
}

static void wait_for_used(void)
{
	for (unsigned int i = 0; i < 5000 && !driver_has_used(&b.drivers[0]); i++)
		(void)vc_ring_step(b.ring, 1000000);
}

/* The burst goes at once; what is beyond it waits for its time, and what is behind that as well. */
static void limited(void **state)
{
	uint32_t len;

	(void)state;
	make(1000);
	assert_int_equal(fetch(100), 100);
	assert_true(send(DATA_GPA, 50, true) >= 0);
	assert_true(send(DATA_GPA, 50, true) >= 0);
	(void)vc_ring_step(b.ring, 0);
	assert_false(driver_has_used(&b.drivers[0]));
	wait_for_used();
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	assert_int_equal(len, 50);
	wait_for_used();
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
}

static void reset_does_not_wait(void **state)
{
	(void)state;
	make(1);
	assert_int_equal(fetch(100), 100);
	assert_true(send(DATA_GPA, 1000, true) >= 0); /* a quarter of an hour */
	board_step(&b);
	reg_write(&b, 0x70, 0);
	board_step(&b);
	assert_int_equal(board_status(&b), 0);
}

static void pause_gives_it_out(void **state)
{
	struct vc_state_writer *writer;
	uint32_t len;

	(void)state;
	make(1);
	assert_int_equal(fetch(100), 100);
	assert_true(send(DATA_GPA, 1000, true) >= 0);
	board_step(&b);
	vc_virtio_pause(vc_container_of(b.dev, struct vc_virtio, dev));
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	assert_int_equal(len, 1000);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_device_save(b.dev, writer), 0);
	vc_state_writer_destroy(writer);
	vc_virtio_resume(vc_container_of(b.dev, struct vc_virtio, dev));
}

/* Before the host's pool is there: tried again until it is. */
static void no_entropy_yet(void **state)
{
	uint32_t len;

	(void)state;
	make(0);
	has_no_entropy = true;
	assert_true(send(DATA_GPA, 10, true) >= 0);
	board_step(&b);
	assert_false(driver_has_used(&b.drivers[0]));
	has_no_entropy = false;
	wait_for_used();
	assert_true(driver_take(&b.drivers[0], &len) >= 0);
	assert_int_equal(len, 10);
}

static void bad_configurations(void **state)
{
	struct vc_virtio_rng_config cfg;
	struct vc_virtio *v = NULL;

	(void)state;
	make(0);
	cfg = config();
	assert_refused(vc_virtio_rng_create(NULL, &v), -EINVAL, "");
	assert_refused(vc_virtio_rng_create(&cfg, NULL), -EINVAL, "ret_virtio");
	cfg.ring = NULL;
	assert_refused(vc_virtio_rng_create(&cfg, &v), -EINVAL, "ring");
	cfg = config();
	cfg.mem = NULL;
	assert_refused(vc_virtio_rng_create(&cfg, &v), -EINVAL, "memory");
	assert_null(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(bytes, teardown),
		cmocka_unit_test_teardown(readable_buffer, teardown),
		cmocka_unit_test_teardown(limited, teardown),
		cmocka_unit_test_teardown(reset_does_not_wait, teardown),
		cmocka_unit_test_teardown(pause_gives_it_out, teardown),
		cmocka_unit_test_teardown(no_entropy_yet, teardown),
		cmocka_unit_test_teardown(bad_configurations, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
