/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device's section of a state stream; saved while it is paused, with nothing in flight.
 *
 * Version 1: status (u8), driver's features (u64), configuration generation (u32), number of queues
 * (u32); of each queue: entries (u32), three addresses (u64), ready (u8), and what vc_virtq_save()
 * writes; then the transport's part, then the device's. Runs on the control thread under the device's
 * lock. A loaded device is as one that is paused: vc_virtio_resume() lets its queues go.
 */
#include <libvirtcore/snapshot.h>

#include <errno.h>

#include "virtio.h"
#include "virtq.h"

#define STATE_VERSION 1u

static struct vc_virtio *to_virtio(struct vc_device *dev)
{
	return vc_container_of(dev, struct vc_virtio, dev);
}

static int save_queues(const struct vc_virtio_core *core, struct vc_state_writer *writer)
{
	int r = 0;

	for (uint32_t i = 0; i < core->nr_queues && r == 0; i++) {
		const struct vc__virtio_queue *q = &core->queues[i];

		vc_state_put_u64(writer, q->nr_entries, 4);
		vc_state_put_u64(writer, q->desc, 8);
		vc_state_put_u64(writer, q->driver, 8);
		vc_state_put_u64(writer, q->device, 8);
		vc_state_put_u64(writer, q->is_ready, 1);
		r = vc_virtq_save(q->vq, writer);
	}
	return r;
}

int vc__virtio_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	struct vc_virtio *v = to_virtio(dev);
	const struct vc_virtio_core *core = v->core;
	int r;

	for (uint32_t i = 0; i < core->nr_queues; i++)
		if (core->queues[i].acked != 0 && !core->queues[i].is_quiet)
			return vc_error_set(-EBUSY, "devices", dev->name,
					    "queue %u is being served: pause the device first", i);
	if (!core->transport)
		return vc_error_set(-EINVAL, "devices", dev->name, "it has no transport");
	r = vc_state_begin(writer, dev->name, STATE_VERSION);
	if (r < 0)
		return r;
	vc_state_put_u64(writer, core->status, 1);
	vc_state_put_u64(writer, core->driver_features, 8);
	vc_state_put_u64(writer, core->config_generation, 4);
	vc_state_put_u64(writer, core->nr_queues, 4);
	r = save_queues(core, writer);
	if (r < 0)
		return r;
	core->transport->save(v, writer);
	r = v->ops->save(v, writer);
	return r < 0 ? r : vc_state_end(writer);
}

static int bad(const struct vc_virtio *v, const char *what)
{
	return vc_error_set(-EBADMSG, "devices", v->dev.name, "impossible value: %s", what);
}

static int load_queue(struct vc__virtio_queue *q, struct vc_state_reader *reader)
{
	uint32_t status = q->v->core->status;
	uint64_t ready;
	int r;

	q->nr_entries = (uint32_t)vc_state_get_u64(reader, 4);
	q->desc = vc_state_get_u64(reader, 8);
	q->driver = vc_state_get_u64(reader, 8);
	q->device = vc_state_get_u64(reader, 8);
	ready = vc_state_get_u64(reader, 1);
	if (ready > 1)
		return bad(q->v, "ready");
	q->is_ready = ready;
	vc_virtq_disable(q->vq);
	r = vc_virtq_load(q->vq, reader);
	if (r < 0)
		return r;
	q->is_loaded = q->vq->format != NULL;
	if (q->is_loaded && !(ready && (status & STATUS_DRIVER_OK)))
		return bad(q->v, "a queue enabled that is not ready");
	return 0;
}

static int load_registers(struct vc_virtio *v, struct vc_state_reader *reader)
{
	struct vc_virtio_core *core = v->core;
	uint64_t features, nr_queues;
	uint32_t status, generation;

	status = (uint32_t)vc_state_get_u64(reader, 1);
	features = vc_state_get_u64(reader, 8);
	generation = (uint32_t)vc_state_get_u64(reader, 4);
	nr_queues = vc_state_get_u64(reader, 4);
	if (nr_queues != core->nr_queues)
		return bad(v, "number of queues");
	if ((status & ~(STATUS_DRIVERS | STATUS_NEEDS_RESET)) ||
	    ((status & STATUS_DRIVER_OK) && !(status & STATUS_FEATURES_OK)))
		return bad(v, "status");
	if ((status & STATUS_FEATURES_OK) && (features & ~vc__virtio_offered(v)))
		return bad(v, "features that are not offered");
	core->status = status;
	atomic_store(&core->is_live, (status & STATUS_DRIVER_OK) != 0);
	core->driver_features = features;
	core->config_generation = generation;
	return 0;
}

static int load_all(struct vc_virtio *v, struct vc_state_reader *reader)
{
	struct vc_virtio_core *core = v->core;
	int r = load_registers(v, reader);

	for (uint32_t i = 0; i < core->nr_queues && r == 0; i++)
		r = load_queue(&core->queues[i], reader);
	if (r == 0)
		r = core->transport->load(v, reader);
	if (r == 0)
		r = v->ops->load(v, reader);
	return r < 0 ? r : vc_state_close(reader);
}

int vc__virtio_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct vc_virtio *v = to_virtio(dev);
	struct vc_virtio_core *core = v->core;
	uint32_t version;
	int r;

	for (uint32_t i = 0; i < core->nr_queues; i++)
		if (core->queues[i].acked != 0)
			return vc_error_set(-EBUSY, "devices", dev->name,
					    "queue %u is being served: reset the device first", i);
	if (!core->transport)
		return vc_error_set(-EINVAL, "devices", dev->name, "it has no transport");
	r = vc_state_open(reader, dev->name, STATE_VERSION, &version);
	if (r < 0)
		return r;
	r = load_all(v, reader);
	for (uint32_t i = 0; i < core->nr_queues; i++) {
		struct vc__virtio_queue *q = &core->queues[i];

		if (r < 0) {
			q->is_loaded = false;
			vc_virtq_disable(q->vq);
		} else if (q->is_ready && (core->status & STATUS_DRIVER_OK)) {
			q->wanted = ++core->last_epoch;
		}
	}
	core->is_paused = core->is_paused || r == 0;
	return r;
}
