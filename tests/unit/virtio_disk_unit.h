/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio disk on a board, in front of a block end that keeps a log, fails when told to, and may hold
 * its requests back.
 */
#ifndef VC_TESTS_VIRTIO_DISK_UNIT_H
#define VC_TESTS_VIRTIO_DISK_UNIT_H

#include "virtio_unit.h"

#include <libvirtcore/block_ops.h>
#include <libvirtcore/virtio_devices.h>

#define DISK_BYTES 65536u
#define DISK_LOG   64u
#define HEADER_GPA DATA_GPA
#define STATUS_GPA (DATA_GPA + 0x100)
#define BYTES_GPA  (DATA_GPA + 0x1000)
#define AREA_BYTES 0x2000u /* header, status and bytes of one request */

enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4, BLK_GET_ID = 8, BLK_DISCARD = 11, BLK_ZEROES = 13 };
enum { BLK_OK = 0, BLK_IOERR = 1, BLK_UNSUPP = 2, BLK_NO_STATUS = 0xff };

#define F_FLUSH	     (UINT64_C(1) << 9)
#define F_CONFIG_WCE (UINT64_C(1) << 11)
#define F_DISCARD    (UINT64_C(1) << 13)
#define F_ZEROES     (UINT64_C(1) << 14)

struct disk_log {
	uint8_t op, flags;
	uint64_t off, len;
};

struct disk {
	struct board b;
	struct vc_virtio *v;
	struct vc_block *block;
	struct vc_block_info info;
	uint8_t bytes[DISK_BYTES];
	uint64_t area; /* the next request lies so much further on */
	int result;    /* of every request */
	bool is_holding;
	struct vc_block_request *held[DISK_LOG];
	unsigned int nr_held, nr_logged, nr_closed;
	struct disk_log log[DISK_LOG];
};

static inline int disk_attach(void *end, struct vc_ring *ring, void **ret_lane)
{
	(void)ring;
	*ret_lane = end;
	return 0;
}

static inline void disk_detach(void *lane)
{
	(void)lane;
}

static inline void disk_carry_out(struct disk *d, struct vc_block_request *req)
{
	uint8_t *at = d->bytes + req->off;

	for (uint32_t i = 0; i < req->nr_iov && d->result == 0; i++) {
		if (req->op == VC_BLOCK_READ)
			memcpy(req->iov[i].iov_base, at, req->iov[i].iov_len);
		else
			memcpy(at, req->iov[i].iov_base, req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
	vc_block_complete(req, d->result);
}

static inline void disk_submit(void *lane, struct vc_block_request *req)
{
	struct disk *d = lane;

	d->log[d->nr_logged++ % DISK_LOG] =
		(struct disk_log){ req->op, req->flags, req->off, req->len };
	if (d->is_holding)
		d->held[d->nr_held++] = req;
	else
		disk_carry_out(d, req);
}

/* What is held goes on; on the ring's thread. */
static inline void disk_let_go(struct disk *d)
{
	d->is_holding = false;
	for (unsigned int i = 0; i < d->nr_held; i++)
		disk_carry_out(d, d->held[i]);
	d->nr_held = 0;
}

static inline void disk_close(void *end)
{
	((struct disk *)end)->nr_closed++;
}

static const struct vc_block_ops disk_ops = {
	.type = "test",
	.attach = disk_attach,
	.detach = disk_detach,
	.submit = disk_submit,
	.close = disk_close,
};

static inline struct vc_block_info disk_info(void)
{
	return (struct vc_block_info){
		.size = sizeof(struct vc_block_info),
		.size_bytes = DISK_BYTES,
		.block_size = 512,
		.physical_block_size = 4096,
		.optimal_bytes = 16384,
		.mem_align = 1,
		.discard_align = 4096,
		.ops = 1u << VC_BLOCK_READ | 1u << VC_BLOCK_WRITE | 1u << VC_BLOCK_FLUSH |
		       1u << VC_BLOCK_DISCARD | 1u << VC_BLOCK_WRITE_ZEROES,
		.has_cache = true,
	};
}

static inline struct vc_virtio_blk_config disk_config(struct disk *d)
{
	return (struct vc_virtio_blk_config){
		.size = sizeof(struct vc_virtio_blk_config),
		.name = "disk0",
		.mem = d->b.mem,
		.block = d->block,
		.rings = &d->b.ring,
		.nr_rings = 1,
		.nr_queues = ECHO_QUEUES,
		.queue_size = QUEUE_ENTRIES,
		.serial = "SERIAL-1",
	};
}

static inline void disk_make_block(struct disk *d)
{
	struct vc_block_end end = {
		.size = sizeof(end), .name = "test", .ops = &disk_ops, .end = d, .info = &d->info
	};

	assert_result(vc_block_create(&end, &d->block), 0);
}

/* @d is zeroed but for info. */
static inline void disk_open(struct disk *d)
{
	board_open(&d->b);
	disk_make_block(d);
}

static inline void disk_start(struct disk *d, const struct vc_virtio_blk_config *cfg,
			      bool has_thread)
{
	assert_result(vc_virtio_blk_create(cfg, &d->v), 0);
	assert_result(vc_virtio_mmio_attach(d->v, d->b.irq), 0);
	d->b.dev = &d->v->dev;
	board_start(&d->b, has_thread);
}

static inline void disk_make(struct disk *d, const struct vc_block_info *info)
{
	struct vc_virtio_blk_config cfg;

	memset(d, 0, sizeof(*d));
	d->info = *info;
	disk_open(d);
	cfg = disk_config(d);
	disk_start(d, &cfg, false);
}

static inline void disk_drop(struct disk *d)
{
	board_drop(&d->b);
	assert_int_equal(d->nr_closed, 1);
}

/* Makes a request of queue 0 available: header, @bufs in between, status; its id. */
static inline int disk_send(struct disk *d, uint32_t type, uint64_t sector,
			    const struct driver_buf *bufs, uint32_t nr)
{
	struct driver_buf all[QUEUE_ENTRIES] = { { HEADER_GPA + d->area, 16, false } };
	uint32_t words[2] = { type, 0 };
	int id;

	memcpy(d->b.ram + HEADER_GPA + d->area, words, 8);
	memcpy(d->b.ram + HEADER_GPA + d->area + 8, &sector, 8);
	d->b.ram[STATUS_GPA + d->area] = BLK_NO_STATUS;
	for (uint32_t i = 0; i < nr; i++) {
		all[1 + i] = bufs[i];
		all[1 + i].gpa += d->area;
	}
	all[1 + nr] = (struct driver_buf){ STATUS_GPA + d->area, 1, true };
	id = driver_add(&d->b.drivers[0], all, nr + 2);
	assert_true(id >= 0);
	if (driver_publish(&d->b.drivers[0]))
		reg_write(&d->b, 0x50, 0);
	return id;
}

/* The whole of a request; its status, and the bytes that are said to be written. */
static inline uint8_t disk_do(struct disk *d, uint32_t type, uint64_t sector,
			      const struct driver_buf *bufs, uint32_t nr, uint32_t *ret_len)
{
	int id = disk_send(d, type, sector, bufs, nr);

	board_step(&d->b);
	assert_int_equal(driver_take(&d->b.drivers[0], ret_len), id);
	return d->b.ram[STATUS_GPA];
}

#endif /* VC_TESTS_VIRTIO_DISK_UNIT_H */
