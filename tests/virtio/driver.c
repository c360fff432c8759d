/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a virtqueue. See driver.h.
 *
 * Descriptors of a split ring are free-listed last in, first out, so that heads come in any order;
 * with IN_ORDER they go round. Full barriers stand where the specification asks for them: between
 * what is made available and the look at the device's wish, between the own wish and the look at
 * what is used.
 * Spec: [virtio 1.3 §2.7] [virtio 1.3 §2.8].
 */
#include "driver.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4, F_AVAIL = 0x80, F_USED = 0x8000 };

static void *at(const struct driver *d, uint64_t gpa)
{
	return d->cfg.ram + gpa;
}

static uint16_t get16(const struct driver *d, uint64_t gpa, memory_order order)
{
	return atomic_load_explicit((_Atomic uint16_t *)at(d, gpa), order);
}

static uint32_t get32(const struct driver *d, uint64_t gpa, memory_order order)
{
	return atomic_load_explicit((_Atomic uint32_t *)at(d, gpa), order);
}

static void put16(const struct driver *d, uint64_t gpa, uint16_t value, memory_order order)
{
	atomic_store_explicit((_Atomic uint16_t *)at(d, gpa), value, order);
}

static void put32(const struct driver *d, uint64_t gpa, uint32_t value, memory_order order)
{
	atomic_store_explicit((_Atomic uint32_t *)at(d, gpa), value, order);
}

static void put64(const struct driver *d, uint64_t gpa, uint64_t value)
{
	atomic_store_explicit((_Atomic uint64_t *)at(d, gpa), value, memory_order_relaxed);
}

/* Each part on cache lines of its own: what one side writes does not carry the other's along. */
static uint64_t align_part(uint64_t v)
{
	return (v + 127) & ~UINT64_C(127);
}

/* The parts one behind the other; returns the end. */
static uint64_t place(const struct driver_config *cfg, struct driver *d)
{
	uint64_t nr = cfg->nr;

	d->desc = cfg->gpa;
	d->drv = align_part(d->desc + 16 * nr);
	d->dev = align_part(d->drv + (cfg->is_packed ? 4 : 6 + 2 * nr));
	d->tables = align_part(d->dev + (cfg->is_packed ? 4 : 6 + 8 * nr));
	return d->tables + 16 * nr * cfg->indirect;
}

uint64_t driver_bytes(const struct driver_config *cfg)
{
	struct driver d;

	return place(cfg, &d) - cfg->gpa;
}

void driver_restart(struct driver *d)
{
	uint32_t nr = d->cfg.nr;

	memset(at(d, d->desc), 0, d->end - d->desc);
	memset(d->slots, 0, nr * sizeof(*d->slots));
	for (uint32_t i = 0; i < nr; i++) {
		d->slots[i].next = (uint16_t)((i + 1) % nr);
		d->chain_next[i] = (uint16_t)((i + 1) % nr);
	}
	d->order_first = d->nr_out = d->nr_new = d->batch_left = 0;
	d->nr_free = nr;
	d->first_free = d->avail = d->used = 0;
	d->avail_wrap = d->used_wrap = true;
}

void driver_init(struct driver *d, const struct driver_config *cfg)
{
	memset(d, 0, sizeof(*d));
	d->cfg = *cfg;
	d->end = place(cfg, d);
	d->slots = calloc(cfg->nr, sizeof(*d->slots));
	d->chain_next = calloc(cfg->nr, sizeof(*d->chain_next));
	d->order = calloc(cfg->nr, sizeof(*d->order));
	if (!d->slots || !d->chain_next || !d->order) {
		fprintf(stderr, "driver: no memory\n");
		exit(2);
	}
	driver_restart(d);
}

void driver_fini(struct driver *d)
{
	free(d->slots);
	free(d->chain_next);
	free(d->order);
}

/* One split descriptor, in the ring or in a table. */
static void put_split(const struct driver *d, uint64_t gpa, const struct driver_buf *buf,
		      uint16_t flags, uint16_t next)
{
	put64(d, gpa, buf->gpa);
	put32(d, gpa + 8, buf->len, memory_order_relaxed);
	put16(d, gpa + 12, flags, memory_order_relaxed);
	put16(d, gpa + 14, next, memory_order_relaxed);
}

static uint16_t write_flag(const struct driver_buf *buf)
{
	return buf->is_write ? F_WRITE : 0;
}

static uint64_t table_of(const struct driver *d, uint32_t id)
{
	return d->tables + 16ull * d->cfg.indirect * id;
}

/* Fills the table of @id; what refers to it. */
static struct driver_buf fill_table(const struct driver *d, uint32_t id,
				    const struct driver_buf *bufs, uint32_t nr)
{
	uint64_t table = table_of(d, id);

	for (uint32_t i = 0; i < nr; i++) {
		uint16_t next = i + 1 < nr ? F_NEXT : 0;

		if (d->cfg.is_packed) { /* no links; id before flags */
			put_split(d, table + 16 * i, &bufs[i], 0, write_flag(&bufs[i]));
			continue;
		}
		put_split(d, table + 16 * i, &bufs[i], next | write_flag(&bufs[i]),
			  next ? (uint16_t)(i + 1) : 0);
	}
	return (struct driver_buf){ .gpa = table, .len = 16 * nr };
}

static int add_split(struct driver *d, const struct driver_buf *bufs, uint32_t nr, bool is_table)
{
	uint16_t head = d->first_free, idx = head;

	for (uint32_t i = 0; i < nr; i++) {
		uint16_t flags = (uint16_t)(write_flag(&bufs[i]) | (is_table ? F_INDIRECT : 0));
		uint16_t next = d->chain_next[idx];

		if (i + 1 < nr)
			flags |= F_NEXT;
		put_split(d, d->desc + 16u * idx, &bufs[i], flags, i + 1 < nr ? next : 0);
		if (i + 1 < nr)
			idx = next;
	}
	d->first_free = d->chain_next[idx];
	put16(d, d->drv + 4 + 2 * ((d->avail + d->nr_new) % d->cfg.nr), head, memory_order_relaxed);
	d->nr_new++;
	return head;
}

static void step(const struct driver *d, uint16_t *pos, bool *wrap, uint32_t nr)
{
	uint32_t next = *pos + nr;

	*wrap ^= next >= d->cfg.nr;
	*pos = (uint16_t)(next % d->cfg.nr);
}

static int add_packed(struct driver *d, const struct driver_buf *bufs, uint32_t nr, bool is_table)
{
	uint16_t id = d->first_free;

	d->first_free = d->slots[id].next;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t gpa = d->desc + 16u * d->avail;
		uint16_t flags =
			(uint16_t)(write_flag(&bufs[i]) | (is_table ? F_INDIRECT : 0) |
				   (i + 1 < nr ? F_NEXT : 0) | (d->avail_wrap ? F_AVAIL : F_USED));

		put64(d, gpa, bufs[i].gpa);
		put32(d, gpa + 8, bufs[i].len, memory_order_relaxed);
		put16(d, gpa + 12, id, memory_order_relaxed);
		if (d->nr_new > 0 || i > 0) {
			put16(d, gpa + 14, flags, memory_order_relaxed);
		} else {
			d->first_pos = d->avail;
			d->first_flags = flags;
		}
		step(d, &d->avail, &d->avail_wrap, 1);
	}
	d->nr_new += nr;
	return id;
}

int driver_add(struct driver *d, const struct driver_buf *bufs, uint32_t nr)
{
	bool is_table = d->cfg.indirect > 0 && nr <= d->cfg.indirect;
	uint32_t nr_descs = is_table ? 1 : nr;
	struct driver_buf table;
	int id;

	if (nr == 0 || nr_descs > d->nr_free)
		return -1;
	if (is_table) {
		table = fill_table(d, d->first_free, bufs, nr);
		bufs = &table;
	}
	id = d->cfg.is_packed ? add_packed(d, bufs, nr_descs, is_table)
			      : add_split(d, bufs, nr_descs, is_table);
	d->nr_free -= nr_descs;
	d->slots[id].nr_descs = nr_descs;
	d->slots[id].is_out = true;
	d->order[(d->order_first + d->nr_out++) % d->cfg.nr] = (uint16_t)id;
	return id;
}

/* From the position before the new ones up to now, the event's place included? */
static bool passes(uint16_t event, uint16_t now, uint32_t nr)
{
	return (uint16_t)(now - event - 1) < nr;
}

static bool publish_packed(struct driver *d)
{
	uint32_t word;
	uint16_t event;

	put16(d, d->desc + 16u * d->first_pos + 14, d->first_flags, memory_order_seq_cst);
	word = get32(d, d->dev, memory_order_seq_cst);
	if (word >> 16 < 2 || !d->cfg.has_event_idx)
		return word >> 16 != 1;
	event = word & 0x7fff;
	if ((word >> 15 & 1) != d->avail_wrap)
		event = (uint16_t)(event - d->cfg.nr);
	return passes(event, d->avail, d->nr_new);
}

static bool publish_split(struct driver *d)
{
	uint64_t avail_event = d->dev + 4 + 8ull * d->cfg.nr;

	d->avail = (uint16_t)(d->avail + d->nr_new);
	put16(d, d->drv + 2, d->avail, memory_order_seq_cst);
	if (!d->cfg.has_event_idx)
		return !(get16(d, d->dev, memory_order_seq_cst) & 1);
	return passes(get16(d, avail_event, memory_order_seq_cst), d->avail, d->nr_new);
}

bool driver_publish(struct driver *d)
{
	bool wants = false;

	if (d->nr_new > 0)
		wants = d->cfg.is_packed ? publish_packed(d) : publish_split(d);
	d->nr_new = 0;
	return wants;
}

static bool has_used(const struct driver *d, memory_order order)
{
	uint16_t flags;

	if (!d->cfg.is_packed)
		return get16(d, d->dev + 2, order) != d->used;
	flags = get16(d, d->desc + 16u * d->used + 14, order);
	return !(flags & F_USED) != d->used_wrap && !(flags & F_AVAIL) != d->used_wrap;
}

bool driver_has_used(const struct driver *d)
{
	return has_used(d, memory_order_acquire);
}

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "driver: the device %s\n", what);
		abort();
	}
}

/* The descriptors of @id are the driver's again. */
static void reclaim(struct driver *d, uint32_t id)
{
	struct driver_slot *slot = &d->slots[id];
	uint32_t last = id;

	slot->is_out = false;
	d->nr_free += slot->nr_descs;
	d->order_first = (d->order_first + 1) % d->cfg.nr;
	d->nr_out--;
	if (d->cfg.is_packed) {
		step(d, &d->used, &d->used_wrap, slot->nr_descs);
		slot->next = d->first_free;
		d->first_free = (uint16_t)id;
		return;
	}
	d->used++;
	if (d->cfg.is_in_order)
		return; /* goes round: links never change */
	for (uint32_t i = 1; i < slot->nr_descs; i++)
		last = d->chain_next[last];
	d->chain_next[last] = d->first_free;
	d->first_free = (uint16_t)id;
}

/* How many requests a used element stands for: all up to the one it names. */
static uint32_t batch_of(const struct driver *d, uint32_t id)
{
	uint32_t nr = 1;

	while (nr <= d->nr_out && d->order[(d->order_first + nr - 1) % d->cfg.nr] != id)
		nr++;
	must(nr <= d->nr_out, "used a request that is not out");
	return nr;
}

int driver_take(struct driver *d, uint32_t *ret_len)
{
	uint32_t id, len;

	if (d->batch_left == 0) {
		uint64_t gpa = d->dev + 4 + 8ull * (d->used % d->cfg.nr);

		if (!driver_has_used(d))
			return -1;
		if (d->cfg.is_packed) {
			gpa = d->desc + 16u * d->used;
			len = get32(d, gpa + 8, memory_order_relaxed);
			id = get16(d, gpa + 12, memory_order_relaxed);
		} else {
			id = get32(d, gpa, memory_order_relaxed);
			len = get32(d, gpa + 4, memory_order_relaxed);
		}
		must(id < d->cfg.nr && d->slots[id].is_out, "used a request that is not out");
		if (!d->cfg.is_in_order) {
			*ret_len = len;
			reclaim(d, id);
			return (int)id;
		}
		d->batch_left = batch_of(d, id);
		d->batch_len = len;
	}
	/* Those that a batch skips were used in full. */
	id = d->order[d->order_first];
	*ret_len = --d->batch_left > 0 ? UINT32_MAX : d->batch_len;
	reclaim(d, id);
	return (int)id;
}

void driver_calls_off(struct driver *d)
{
	if (d->cfg.is_packed)
		put32(d, d->drv, 1u << 16, memory_order_relaxed);
	else if (!d->cfg.has_event_idx)
		put16(d, d->drv, 1, memory_order_relaxed);
	/* Else used_event is behind and stays there. */
}

bool driver_calls_on(struct driver *d)
{
	if (d->cfg.is_packed)
		put32(d, d->drv,
		      !d->cfg.has_event_idx ? 0 : 2u << 16 | (uint32_t)d->used_wrap << 15 | d->used,
		      memory_order_seq_cst);
	else if (d->cfg.has_event_idx)
		put16(d, d->drv + 4 + 2ull * d->cfg.nr, d->used, memory_order_seq_cst);
	else
		put16(d, d->drv, 0, memory_order_seq_cst);
	return has_used(d, memory_order_seq_cst);
}
