/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device as the files of this library see it: what the transports read and write of it, and
 * what its registers and its queues' threads share.
 */
#ifndef VC_DEVICES_VIRTIO_H
#define VC_DEVICES_VIRTIO_H

#include <libvirtcore/implement.h>
#include <libvirtcore/ring.h>
#include <libvirtcore/ring_request.h>
#include <libvirtcore/virtio.h>

#include <stdatomic.h>

/* Device status. [virtio 1.3 §2.1] */
#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER	   2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u
#define STATUS_FAILED	   128u
#define STATUS_DRIVERS \
	(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED)

#define VC__VIRTIO_CONFIG_EVENT UINT32_MAX

/* Slots are mandatory; all but signal() run with the device's lock held. */
struct vc__virtio_transport {
	void (*access)(struct vc_virtio *v, struct vc_access *access);
	/* Any thread, lock or not: queue @event was used, or VC__VIRTIO_CONFIG_EVENT. */
	void (*signal)(struct vc_virtio *v, uint32_t event);
	void (*reset)(struct vc_virtio *v);
	void (*save)(struct vc_virtio *v, struct vc_state_writer *writer);
	int (*load)(struct vc_virtio *v, struct vc_state_reader *reader);
	void (*destroy)(struct vc_virtio *v); /* control thread, lock not held */
};

/*
 * An epoch is one use of a queue by the driver, from enable to reset; numbered from 1. Registers
 * want an epoch served or none; the ring's thread says which it serves, drains the old one first,
 * and makes sure of it before it touches the ring of a new one.
 */
struct vc__virtio_queue {
	struct vc_virtio *v;
	struct vc_ring *ring;
	struct vc_virtq *vq;
	uint32_t idx;
	int kick_fd;

	/* Under the device's lock. */
	uint32_t nr_entries; /* as written by the driver */
	vc_gpa desc, driver, device;
	bool is_ready;
	bool is_bound;	    /* the ring's thread has come by */
	uint32_t nr_posted; /* runs of the task to come: it may be posted anew as one begins */
	bool is_quiet;	    /* paused, and nothing in flight */
	bool is_gone;	    /* the ring's thread will not come by again */
	bool is_loaded;	    /* vq was enabled by a load: to be gone on with */
	uint64_t wanted;    /* epoch, 0 = none */
	uint64_t acked;	    /* epoch that is served or drained */

	/* The ring's thread. */
	struct vc_ring_task task;  /* wishes have changed */
	struct vc_ring_task batch; /* end of the batch: flush, look again */
	struct vc_ring_request poll;
	uint32_t file;
	uint64_t served;
	bool is_polling, is_draining, is_paused, must_look, is_deferred, has_left;
	/* It is at work here, or will come by again without being asked. Once a ring refuses posts
	 * this tells whether its thread is still about. */
	atomic_bool is_about;
};

struct vc_virtio_core {
	const struct vc__virtio_transport *transport;
	void *transport_data;
	struct vc__virtio_queue *queues;
	uint32_t nr_queues, queue_size;
	uint64_t refused_features;

	/* Under the device's lock. */
	uint32_t status;
	uint64_t driver_features;
	uint32_t config_generation;
	uint64_t last_epoch, reset_epoch; /* what was begun up to a reset must end */
	bool is_paused, is_dying;
	uint64_t nr_faults; /* times it needed a reset */

	_Atomic uint32_t nr_settled; /* futex: changes when a queue comes to rest */
	/* Between DRIVER_OK and reset: the driver hears of things. A transport that notes a signal
	 * looks again afterwards, for the reset may have come in between. */
	atomic_bool is_live;
};

/* Registers; the device's lock is held. A queue that does not exist is NULL. */
struct vc__virtio_queue *vc__virtio_queue_at(struct vc_virtio *v, uint32_t idx);
uint64_t vc__virtio_offered(struct vc_virtio *v);
void vc__virtio_set_driver_features(struct vc_virtio *v, uint32_t sel, uint32_t value);
uint32_t vc__virtio_get_status(struct vc_virtio *v);
void vc__virtio_set_status(struct vc_virtio *v, uint32_t value);
void vc__virtio_set_ready(struct vc__virtio_queue *q, bool is_ready);
void vc__virtio_reset_queue(struct vc__virtio_queue *q);
bool vc__virtio_is_queue_resetting(const struct vc__virtio_queue *q);
void vc__virtio_config(struct vc_virtio *v, struct vc_access *access, uint64_t off);
void vc__virtio_kick(struct vc__virtio_queue *q);

/* Its queue has broken a rule; the device's lock is held. */
void vc__virtio_fail(struct vc_virtio *v);

/* The queues' side; those with a lock named are called with it held. */
int vc__virtio_queue_init(struct vc__virtio_queue *q, struct vc_virtio *v, uint32_t idx,
			  const struct vc_virtio_config *cfg);
void vc__virtio_queue_fini(struct vc__virtio_queue *q);
void vc__virtio_post(struct vc__virtio_queue *q); /* lock */
/* Takes the kick eventfd back from the ring; false when only the ring's thread may. */
bool vc__virtio_take_file(struct vc__virtio_queue *q);
/* Lets the queues' threads work until @is_so holds for each; lock not held. */
void vc__virtio_await(struct vc_virtio *v, bool (*is_so)(const struct vc__virtio_queue *q));

/* State; the device's lock is held. */
int vc__virtio_save(struct vc_device *dev, struct vc_state_writer *writer);
int vc__virtio_load(struct vc_device *dev, struct vc_state_reader *reader);

#endif /* VC_DEVICES_VIRTIO_H */
