/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a virtio disk: each kind, what is refused and how, broken ones, errors of the host, and
 * resets at any moment on a ring's own thread.
 */
#include "virtio_disk_unit.h"

#include <libvirtcore/block.h>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

static struct disk d;
static uint32_t len;

#define FEATURES_ALL (F_FLUSH | F_CONFIG_WCE | F_DISCARD | F_ZEROES)

static void make(const struct vc_block_info *info, uint64_t features)
{
	disk_make(&d, info);
	board_drive(&d.b, features);
	board_step(&d.b);
}

static int setup(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	make(&info, FEATURES_ALL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_drop(&d);
	return 0;
}

static void put(uint64_t gpa, uint64_t value, size_t size)
{
	memcpy(d.b.ram + gpa, &value, size);
}

static void put_range(unsigned int i, uint64_t sector, uint32_t nr_sectors, uint32_t flags)
{
	put(BYTES_GPA + 16 * i, sector, 8);
	put(BYTES_GPA + 16 * i + 8, nr_sectors, 4);
	put(BYTES_GPA + 16 * i + 12, flags, 4);
}

static void assert_logged(unsigned int i, enum vc_block_op op, uint8_t flags, uint64_t off,
			  uint64_t bytes)
{
	assert_true(i < d.nr_logged);
	assert_int_equal(d.log[i].op, op);
	assert_int_equal(d.log[i].flags, flags);
	assert_int_equal(d.log[i].off, off);
	assert_int_equal(d.log[i].len, bytes);
}

/* Data in pieces that meet no boundary. */
static const struct driver_buf out[] = { { BYTES_GPA, 100, false },
					 { BYTES_GPA + 100, 924, false } };
static const struct driver_buf in[] = { { BYTES_GPA, 1, true }, { BYTES_GPA + 1, 1023, true } };

static void write_then_read(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1024; i++)
		d.b.ram[BYTES_GPA + i] = (uint8_t)(i * 7);
	assert_int_equal(disk_do(&d, BLK_OUT, 3, out, 2, &len), BLK_OK);
	assert_int_equal(len, 1);
	assert_logged(0, VC_BLOCK_WRITE, 0, 3 * 512, 1024);
	assert_memory_equal(d.bytes + 3 * 512, d.b.ram + BYTES_GPA, 1024);
	memset(d.b.ram + BYTES_GPA, 0, 1024);
	assert_int_equal(disk_do(&d, BLK_IN, 3, in, 2, &len), BLK_OK);
	assert_int_equal(len, 1025);
	assert_memory_equal(d.bytes + 3 * 512, d.b.ram + BYTES_GPA, 1024);
	assert_int_equal(d.b.ram[BYTES_GPA + 1024], 0);
}

/* Nothing at all is moved, as other devices do. */
static void no_data(void **state)
{
	(void)state;
	assert_int_equal(disk_do(&d, BLK_IN, 0, NULL, 0, &len), BLK_OK);
	assert_int_equal(disk_do(&d, BLK_OUT, 0, NULL, 0, &len), BLK_OK);
	assert_int_equal(d.nr_logged, 0);
}

static void flush(void **state)
{
	(void)state;
	assert_int_equal(disk_do(&d, BLK_FLUSH, 0, NULL, 0, &len), BLK_OK);
	assert_logged(0, VC_BLOCK_FLUSH, 0, 0, 0);
}

static void flush_of_nothing(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	info.has_cache = false;
	make(&info, 0);
	assert_int_equal(disk_do(&d, BLK_FLUSH, 0, NULL, 0, &len), BLK_OK);
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_OK);
	assert_int_equal(d.nr_logged, 1);
	assert_logged(0, VC_BLOCK_WRITE, 0, 0, 1024);
}

/* A driver that knows of no cache must not need one. [virtio 1.3 §5.2.6.2] */
static void durable_without_flush(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	make(&info, F_DISCARD | F_ZEROES);
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_OK);
	assert_logged(0, VC_BLOCK_WRITE, VC_BLOCK_FUA, 0, 1024);
	put_range(0, 0, 1, 1);
	assert_int_equal(
		disk_do(&d, BLK_ZEROES, 0, &(struct driver_buf){ BYTES_GPA, 16, false }, 1, &len),
		BLK_OK);
	assert_logged(1, VC_BLOCK_WRITE_ZEROES, VC_BLOCK_FUA | VC_BLOCK_UNMAP, 0, 512);
}

static void durable_when_switched(void **state)
{
	(void)state;
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 0);
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_OK);
	assert_logged(0, VC_BLOCK_WRITE, VC_BLOCK_FUA, 0, 1024);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 1);
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_OK);
	assert_logged(1, VC_BLOCK_WRITE, 0, 0, 1024);
}

static void get_id(void **state)
{
	static const uint8_t serial[20] = "SERIAL-1";
	const struct driver_buf whole = { BYTES_GPA, 20, true }, part = { BYTES_GPA, 3, true };

	(void)state;
	assert_int_equal(disk_do(&d, BLK_GET_ID, 0, &whole, 1, &len), BLK_OK);
	assert_int_equal(len, 21);
	assert_memory_equal(d.b.ram + BYTES_GPA, serial, 20);
	memset(d.b.ram + BYTES_GPA, 0xee, 20);
	assert_int_equal(disk_do(&d, BLK_GET_ID, 0, &part, 1, &len), BLK_OK);
	assert_memory_equal(d.b.ram + BYTES_GPA, "SER\xee", 4);
}

static void ranges(void **state)
{
	const struct driver_buf two = { BYTES_GPA, 32, false };

	(void)state;
	put_range(0, 8, 8, 0);
	put_range(1, 64, 2, 0);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &two, 1, &len), BLK_OK);
	assert_logged(0, VC_BLOCK_DISCARD, 0, 8 * 512, 8 * 512);
	assert_logged(1, VC_BLOCK_DISCARD, 0, 64 * 512, 2 * 512);
	put_range(1, 64, 2, 1);
	assert_int_equal(disk_do(&d, BLK_ZEROES, 0, &two, 1, &len), BLK_OK);
	assert_logged(2, VC_BLOCK_WRITE_ZEROES, 0, 8 * 512, 8 * 512);
	assert_logged(3, VC_BLOCK_WRITE_ZEROES, VC_BLOCK_UNMAP, 64 * 512, 2 * 512);
}

static void bad_ranges(void **state)
{
	struct driver_buf buf = { BYTES_GPA, 16, false };

	(void)state;
	put_range(0, 0, 1, 1);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_UNSUPP);
	put_range(0, 0, 1, 2);
	assert_int_equal(disk_do(&d, BLK_ZEROES, 0, &buf, 1, &len), BLK_UNSUPP);
	put_range(0, 0, 0, 0);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_IOERR);
	put_range(0, UINT64_MAX, 1, 0);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_IOERR);
	put_range(0, 0, UINT32_MAX, 0);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_IOERR);
	buf.len = 15;
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_IOERR);
	buf.len = 17 * 16;
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_IOERR);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, NULL, 0, &len), BLK_IOERR);
	assert_int_equal(d.nr_logged, 0);
}

/* The first range is done, the second cannot be. */
static void half_of_the_ranges(void **state)
{
	const struct driver_buf two = { BYTES_GPA, 32, false };

	(void)state;
	put_range(0, 0, 1, 0);
	put_range(1, DISK_BYTES / 512, 1, 0);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &two, 1, &len), BLK_IOERR);
	assert_int_equal(d.nr_logged, 1);
}

static void not_agreed(void **state)
{
	struct vc_block_info info = disk_info();
	const struct driver_buf buf = { BYTES_GPA, 16, false };

	(void)state;
	make(&info, F_FLUSH);
	put_range(0, 0, 1, 0);
	assert_int_equal(disk_do(&d, BLK_DISCARD, 0, &buf, 1, &len), BLK_UNSUPP);
	assert_int_equal(disk_do(&d, BLK_ZEROES, 0, &buf, 1, &len), BLK_UNSUPP);
	assert_int_equal(disk_do(&d, 14, 0, &buf, 1, &len), BLK_UNSUPP); /* secure erase */
	assert_int_equal(disk_do(&d, UINT32_MAX, 0, &buf, 1, &len), BLK_UNSUPP);
	assert_int_equal(d.nr_logged, 0);
}

static void out_of_the_disk(void **state)
{
	static const uint64_t sectors[] = { DISK_BYTES / 512 - 1, DISK_BYTES / 512,
					    UINT64_C(1) << 55, UINT64_MAX };
	const struct driver_buf odd = { BYTES_GPA, 511, true };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(disk_do(&d, BLK_IN, sectors[i], in, 2, &len), BLK_IOERR);
		assert_int_equal(len, 0); /* not even the status is without a gap */
		assert_int_equal(disk_do(&d, BLK_OUT, sectors[i], out, 2, &len), BLK_IOERR);
		assert_int_equal(len, 1);
	}
	assert_int_equal(disk_do(&d, BLK_IN, 0, &odd, 1, &len), BLK_IOERR);
	assert_int_equal(d.nr_logged, 0);
	assert_int_equal(board_status(&d.b) & NEEDS_RESET, 0);
}

static void readonly(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	info.is_readonly = true;
	make(&info, 0);
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_IOERR);
	assert_int_equal(disk_do(&d, BLK_IN, 0, in, 2, &len), BLK_OK);
	assert_int_equal(d.nr_logged, 1);
}

static void host_errors(void **state)
{
	(void)state;
	d.result = -ENOSPC;
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_IOERR);
	d.result = -EIO;
	assert_int_equal(disk_do(&d, BLK_FLUSH, 0, NULL, 0, &len), BLK_IOERR);
	assert_int_equal(disk_do(&d, BLK_IN, 0, in, 2, &len), BLK_IOERR);
	d.result = -EOPNOTSUPP;
	assert_int_equal(disk_do(&d, BLK_FLUSH, 0, NULL, 0, &len), BLK_UNSUPP);
	d.result = 0;
	assert_int_equal(disk_do(&d, BLK_IN, 0, in, 2, &len), BLK_OK);
	assert_int_equal(vc_virtio_blk_nr_ignored(d.v), 0);
}

/* Ignored are the host's errors, not the guest's. */
static void ignored_errors(void **state)
{
	struct vc_virtio_blk_config cfg;

	(void)state;
	memset(&d, 0, sizeof(d));
	d.info = disk_info();
	disk_open(&d);
	cfg = disk_config(&d);
	cfg.on_error = VC_DISK_ERROR_IGNORE;
	disk_start(&d, &cfg, false);
	board_drive(&d.b, F_FLUSH);
	d.result = -EIO;
	assert_int_equal(disk_do(&d, BLK_OUT, 0, out, 2, &len), BLK_OK);
	assert_int_equal(vc_virtio_blk_nr_ignored(d.v), 1);
	assert_int_equal(disk_do(&d, BLK_OUT, DISK_BYTES, out, 2, &len), BLK_IOERR);
	assert_int_equal(vc_virtio_blk_nr_ignored(d.v), 1);
}

static void send_raw(const struct driver_buf *bufs, uint32_t nr)
{
	assert_true(driver_add(&d.b.drivers[0], bufs, nr) >= 0);
	if (driver_publish(&d.b.drivers[0]))
		reg_write(&d.b, 0x50, 0);
	board_step(&d.b);
}

static void short_header(void **state)
{
	const struct driver_buf bufs[] = { { HEADER_GPA, 15, false }, { STATUS_GPA, 1, true } };

	(void)state;
	send_raw(bufs, 2);
	assert_int_equal(board_status(&d.b) & NEEDS_RESET, NEEDS_RESET);
	board_drive(&d.b, F_FLUSH);
	board_step(&d.b);
	assert_int_equal(disk_do(&d, BLK_FLUSH, 0, NULL, 0, &len), BLK_OK);
}

static void no_status(void **state)
{
	const struct driver_buf buf = { HEADER_GPA, 16, false };

	(void)state;
	send_raw(&buf, 1);
	assert_int_equal(board_status(&d.b) & NEEDS_RESET, NEEDS_RESET);
	assert_int_equal(d.nr_logged, 0);
}

/* A reset waits for what is in flight; nothing of it comes back to the driver. */
static void reset_in_flight(void **state)
{
	(void)state;
	d.is_holding = true;
	(void)disk_send(&d, BLK_IN, 0, in, 2);
	board_step(&d.b);
	assert_int_equal(d.nr_held, 1);
	reg_write(&d.b, 0x70, 0);
	board_step(&d.b);
	assert_int_not_equal(board_status(&d.b), 0);
	disk_let_go(&d);
	board_step(&d.b);
	assert_int_equal(board_status(&d.b), 0);
	assert_false(driver_has_used(&d.b.drivers[0]));
	board_drive(&d.b, F_FLUSH);
	board_step(&d.b);
	assert_int_equal(disk_do(&d, BLK_IN, 0, in, 2, &len), BLK_OK);
}

#define NR_RESETS 10000u

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void send_some(uint32_t *seed)
{
	uint32_t nr = draw(seed, 4);

	for (d.area = 0; d.area < nr * AREA_BYTES; d.area += AREA_BYTES) {
		uint64_t sector = draw(seed, DISK_BYTES / 512);

		if (draw(seed, 8) == 0)
			(void)disk_send(&d, BLK_FLUSH, 0, NULL, 0);
		else if (draw(seed, 2))
			(void)disk_send(&d, BLK_OUT, sector, out, 2);
		else
			(void)disk_send(&d, BLK_IN, sector, in, 2);
	}
}

/* The driver on this thread, the disk on its ring's, a real file behind; run under TSAN too. */
static void resets_with_io_in_flight(void **state)
{
	struct vc_block_config file = { .size = sizeof(file),
					.kind = VC_BLOCK_FILE,
					.format = VC_BLOCK_RAW };
	struct vc_virtio_blk_config cfg;
	uint32_t seed = 1;

	(void)state;
	memset(&d, 0, sizeof(d));
	d.nr_closed = 1; /* the file's end is closed unseen */
	board_open(&d.b);
	file.fd = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(file.fd, DISK_BYTES), 0);
	assert_result(vc_block_open(&file, &d.block), 0);
	cfg = disk_config(&d);
	disk_start(&d, &cfg, true);
	for (uint32_t i = 0; i < NR_RESETS; i++) {
		board_drive(&d.b, draw(&seed, 2) ? FEATURES_ALL | VC_VIRTIO_F_RING_PACKED
						 : F_FLUSH | VC_VIRTIO_F_EVENT_IDX);
		send_some(&seed);
		reg_write(&d.b, 0x70, 0);
		while (board_status(&d.b) != 0)
			(void)sched_yield();
		/* Nobody but the driver writes there now, which the thread sanitizer sees. */
		memset(d.b.ram + DATA_GPA, 0x77, 4 * AREA_BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write_then_read, setup, teardown),
		cmocka_unit_test_setup_teardown(no_data, setup, teardown),
		cmocka_unit_test_setup_teardown(flush, setup, teardown),
		cmocka_unit_test_teardown(flush_of_nothing, teardown),
		cmocka_unit_test_teardown(durable_without_flush, teardown),
		cmocka_unit_test_setup_teardown(durable_when_switched, setup, teardown),
		cmocka_unit_test_setup_teardown(get_id, setup, teardown),
		cmocka_unit_test_setup_teardown(ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(half_of_the_ranges, setup, teardown),
		cmocka_unit_test_teardown(not_agreed, teardown),
		cmocka_unit_test_setup_teardown(out_of_the_disk, setup, teardown),
		cmocka_unit_test_teardown(readonly, teardown),
		cmocka_unit_test_setup_teardown(host_errors, setup, teardown),
		cmocka_unit_test_teardown(ignored_errors, teardown),
		cmocka_unit_test_setup_teardown(short_header, setup, teardown),
		cmocka_unit_test_setup_teardown(no_status, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_in_flight, setup, teardown),
		cmocka_unit_test_teardown(resets_with_io_in_flight, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
