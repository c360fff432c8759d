/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio disks: what is offered, configuration space, the cache's switch, resize, state, refusals. */
#include "virtio_disk_unit.h"

#include <libvirtcore/snapshot.h>

#include <sys/mman.h>
#include <unistd.h>

static struct disk d;

static int teardown(void **state)
{
	(void)state;
	disk_drop(&d);
	return 0;
}

static uint64_t offered(void)
{
	uint64_t features;

	reg_write(&d.b, 0x14, 1);
	features = (uint64_t)reg_read(&d.b, 0x10) << 32;
	reg_write(&d.b, 0x14, 0);
	return features | reg_read(&d.b, 0x10);
}

static uint64_t config(uint32_t off, uint32_t len)
{
	return device_access(d.b.dev, 0, 0x100 + off, len, false, 0);
}

/* Numbers of [virtio 1.3 §5.2.4]. */
static void configuration(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	disk_make(&d, &info);
	assert_int_equal(config(0, 8), DISK_BYTES / 512);
	assert_int_equal(config(12, 4), 126);
	assert_int_equal(config(20, 4), 512);
	assert_int_equal(config(24, 1), 3);
	assert_int_equal(config(26, 2), 8);
	assert_int_equal(config(28, 4), 32);
	assert_int_equal(config(32, 1), 1);
	assert_int_equal(config(34, 2), ECHO_QUEUES);
	assert_int_equal(config(40, 4), 16);
	assert_int_equal(config(44, 4), 8);
	assert_int_equal(config(52, 4), 16);
	assert_int_equal(config(56, 1), 1);
	assert_int_equal(config(60, 4), 0);
}

static void features_of_all(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	disk_make(&d, &info);
	assert_int_equal(offered() & 0xffffff, 1u << 2 | 1u << 6 | 1u << 9 | 1u << 10 | 1u << 11 |
						       1u << 12 | 1u << 13 | 1u << 14);
}

static void features_of_little(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	info.is_readonly = true;
	info.has_cache = false;
	disk_make(&d, &info);
	assert_int_equal(offered() & 0xffffff, 1u << 2 | 1u << 5 | 1u << 6 | 1u << 10 | 1u << 12);
}

static void only_the_cache_can_be_switched(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	disk_make(&d, &info);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 0);
	assert_int_equal(config(32, 1), 0);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 7);
	assert_int_equal(config(32, 1), 1);
	(void)device_access(d.b.dev, 0, 0x100, 8, true, 1);
	assert_int_equal(config(0, 8), DISK_BYTES / 512);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 4, true, 0);
	assert_int_equal(config(32, 1), 1);
}

static void no_cache_no_switch(void **state)
{
	struct vc_block_info info = disk_info();

	(void)state;
	info.has_cache = false;
	disk_make(&d, &info);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 1);
	assert_int_equal(config(32, 1), 0);
}

static void resized(void **state)
{
	struct vc_block_info info = disk_info();
	struct vc_block_config file = { .size = sizeof(file),
					.kind = VC_BLOCK_FILE,
					.format = VC_BLOCK_RAW };
	struct vc_virtio_blk_config cfg;
	uint32_t generation;

	(void)state;
	memset(&d, 0, sizeof(d));
	d.info = info;
	board_open(&d.b);
	d.nr_closed = 1; /* the file's end is closed unseen */
	file.fd = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(file.fd, 4096), 0);
	assert_result(vc_block_open(&file, &d.block), 0);
	cfg = disk_config(&d);
	disk_start(&d, &cfg, false);
	board_drive(&d.b, 0);
	board_step(&d.b);
	generation = reg_read(&d.b, 0xfc);
	assert_int_equal(config(0, 8), 8);
	assert_result(vc_block_resize(d.block, 8192), 0);
	assert_result(vc_virtio_blk_resized(d.v), 0);
	assert_int_equal(config(0, 8), 16);
	assert_int_not_equal(reg_read(&d.b, 0xfc), generation);
	assert_int_equal(reg_read(&d.b, 0x60), 2); /* configuration changed */
}

static void save_to(struct vc_state_writer **ret_writer, const void **ret_buf, size_t *ret_len)
{
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, ret_writer), 0);
	vc_virtio_pause(d.v);
	assert_result(vc_device_save(d.b.dev, *ret_writer), 0);
	assert_result(vc_state_finish(*ret_writer, ret_buf, ret_len), 0);
}

static void state_keeps_the_switch(void **state)
{
	struct vc_block_info info = disk_info();
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *buf;
	size_t len;

	(void)state;
	disk_make(&d, &info);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 0);
	save_to(&writer, &buf, &len);
	vc_virtio_resume(d.v);
	(void)device_access(d.b.dev, 0, 0x100 + 32, 1, true, 1);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_device_load(d.b.dev, reader), 0);
	assert_int_equal(config(32, 1), 0);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

static void state_of_another_disk(void **state)
{
	struct vc_block_info info = disk_info();
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *buf;
	size_t len;

	(void)state;
	disk_make(&d, &info);
	save_to(&writer, &buf, &len);
	disk_drop(&d);
	info.has_cache = false;
	disk_make(&d, &info);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_refused(vc_device_load(d.b.dev, reader), -EBADMSG, "has no cache");
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

static void refused(const struct vc_virtio_blk_config *cfg, const char *part)
{
	struct vc_virtio *v = NULL;

	assert_refused(vc_virtio_blk_create(cfg, &v), -EINVAL, part);
	assert_null(v);
}

static void bad_configurations(void **state)
{
	struct vc_virtio_blk_config good, cfg;
	struct vc_block_info info = disk_info();

	(void)state;
	memset(&d, 0, sizeof(d));
	d.info = info;
	disk_open(&d);
	good = cfg = disk_config(&d);
	assert_refused(vc_virtio_blk_create(NULL, &d.v), -EINVAL, "");
	assert_refused(vc_virtio_blk_create(&good, NULL), -EINVAL, "ret_virtio");
	cfg.block = NULL;
	refused(&cfg, "disk0: a disk and a memory map");
	cfg = good;
	cfg.mem = NULL;
	refused(&cfg, "a disk and a memory map");
	cfg = good;
	cfg.queue_size = 24;
	refused(&cfg, "queue_size 24");
	cfg.queue_size = 2048;
	refused(&cfg, "from 4 to 1024");
	cfg = good;
	cfg.nr_queues = 65;
	refused(&cfg, "65 queues");
	cfg = good;
	cfg.serial = "123456789012345678901";
	refused(&cfg, "serial");
	cfg.serial = "tab\t";
	refused(&cfg, "serial");
	cfg = good;
	cfg.on_error = (enum vc_disk_error_policy)2;
	refused(&cfg, "on_error is 2");
	cfg = good;
	cfg.nr_rings = 0;
	refused(&cfg, "ring");
	cfg = good;
	cfg.name = "";
	refused(&cfg, "");
	assert_refused(vc_virtio_blk_resized(NULL), -EINVAL, "virtio disk");
	assert_int_equal(vc_virtio_blk_nr_ignored(NULL), 0);
	cfg = good;
	cfg.nr_queues = cfg.queue_size = 0; /* the defaults */
	disk_start(&d, &cfg, false);
	assert_int_equal(offered() & 1u << 12, 0);
	assert_int_equal(reg_read(&d.b, 0x34), 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(configuration, teardown),
		cmocka_unit_test_teardown(features_of_all, teardown),
		cmocka_unit_test_teardown(features_of_little, teardown),
		cmocka_unit_test_teardown(only_the_cache_can_be_switched, teardown),
		cmocka_unit_test_teardown(no_cache_no_switch, teardown),
		cmocka_unit_test_teardown(resized, teardown),
		cmocka_unit_test_teardown(state_keeps_the_switch, teardown),
		cmocka_unit_test_teardown(state_of_another_disk, teardown),
		cmocka_unit_test_teardown(bad_configurations, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
