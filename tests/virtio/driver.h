/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a virtqueue, for tests and benches: written from the specification alone, it
 * shares no line with the device's side.
 *
 * Split and packed, indirect tables, event indices, in-order use; one thread at a time. It lives in
 * the process of the device and reaches guest memory by one host pointer, `ram`.
 */
#ifndef VC_TESTS_VIRTIO_DRIVER_H
#define VC_TESTS_VIRTIO_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct driver_config {
	uint8_t *ram; /* guest address 0 */
	uint64_t gpa; /* where the queue goes; multiple of 16 */
	uint32_t nr;  /* entries */
	bool is_packed, has_event_idx, is_in_order;
	uint32_t indirect; /* entries of an indirect table; 0 = chains in the ring */
};

struct driver_buf {
	uint64_t gpa;
	uint32_t len;
	bool is_write; /* the device writes it */
};

struct driver_slot {
	uint32_t nr_descs; /* of the ring */
	uint16_t next;	   /* free list */
	bool is_out;
};

struct driver {
	struct driver_config cfg;
	uint64_t desc, drv, dev, tables, end; /* guest addresses; end: first byte behind it all */
	struct driver_slot *slots;	      /* by id */
	uint16_t *chain_next;		      /* split: the driver's own copy of the links */
	uint16_t *order;		      /* in order: ids as made available */
	uint32_t order_first, nr_out;
	uint32_t nr_free;     /* descriptors of the ring */
	uint16_t first_free;  /* split: descriptors; packed: ids */
	uint16_t avail, used; /* split: free-running; packed: positions */
	bool avail_wrap, used_wrap;
	uint32_t nr_new;		 /* added since the last publication */
	uint16_t first_pos, first_flags; /* packed: shown last */
	uint32_t batch_left;		 /* in order: of a used batch, those still to be returned */
	uint32_t batch_len;		 /* what the last of the batch has written */
};

/* Bytes of guest memory that such a queue takes. */
uint64_t driver_bytes(const struct driver_config *cfg);

/* Lays the queue out and zeroes it. Ends the process when memory is short. */
void driver_init(struct driver *d, const struct driver_config *cfg);
void driver_fini(struct driver *d);

/* As from a fresh queue, for use after a reset. */
void driver_restart(struct driver *d);

/* Adds a request: its id, or -1 when there is no room. Readable buffers come first. */
int driver_add(struct driver *d, const struct driver_buf *bufs, uint32_t nr);

/* Shows the device what was added; true when it wants a notification. */
bool driver_publish(struct driver *d);

/* Takes a used request back: its id, or -1 when there is none; @ret_len: bytes written. */
int driver_take(struct driver *d, uint32_t *ret_len);

/* No notifications; and again: true when something is used already. */
void driver_calls_off(struct driver *d);
bool driver_calls_on(struct driver *d);

/* Something is used and not taken. */
bool driver_has_used(const struct driver *d);

#endif /* VC_TESTS_VIRTIO_DRIVER_H */
