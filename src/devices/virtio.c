/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a virtio device, whatever its transport: status, features, queue set-up, the
 * configuration space, reset. Runs on vCPU and control threads under the device's lock.
 *
 * Nothing here touches a ring: a queue is handed over by an epoch that is wanted and a task that is
 * posted, and taken back in the same way. While what a reset took back is still in flight, status
 * reads NEEDS_RESET alone, not 0: the reset is not complete. A driver that does not wait for that
 * goes on all the same; its queues then wait. What the guest writes is kept, not believed: size and
 * addresses are judged when the queue is enabled.
 * Spec: [virtio 1.3 §2.1] [virtio 1.3 §2.2] [virtio 1.3 §3.1].
 */
#include "virtio.h"

#include <errno.h>
#include <string.h>

#include "device_private.h"

#define QUEUE_SIZE_DEFAULT 256u

/* What the core does for every device. */
#define CORE_FEATURES                                                                \
	(VC_VIRTIO_F_VERSION_1 | VC_VIRTIO_F_INDIRECT_DESC | VC_VIRTIO_F_EVENT_IDX | \
	 VC_VIRTIO_F_RING_PACKED | VC_VIRTIO_F_RING_RESET)

static struct vc_virtio *to_virtio(struct vc_device *dev)
{
	return vc_container_of(dev, struct vc_virtio, dev);
}

struct vc__virtio_queue *vc__virtio_queue_at(struct vc_virtio *v, uint32_t idx)
{
	return idx < v->core->nr_queues ? &v->core->queues[idx] : NULL;
}

uint64_t vc__virtio_offered(struct vc_virtio *v)
{
	uint64_t offered = v->ops->features(v) | CORE_FEATURES;

	return (offered & ~v->core->refused_features) | VC_VIRTIO_F_VERSION_1;
}

void vc__virtio_set_driver_features(struct vc_virtio *v, uint32_t sel, uint32_t value)
{
	struct vc_virtio_core *core = v->core;

	/* Fixed once they are agreed. */
	if (sel > 1 || (core->status & STATUS_FEATURES_OK))
		return;
	core->driver_features &= UINT64_C(0xffffffff) << (sel ? 0 : 32);
	core->driver_features |= (uint64_t)value << 32 * sel;
}

/* Something of before the last reset is still in flight. */
static bool is_resetting(const struct vc_virtio_core *core)
{
	for (uint32_t i = 0; i < core->nr_queues; i++) {
		uint64_t acked = core->queues[i].acked;

		if (acked != 0 && acked <= core->reset_epoch)
			return true;
	}
	return false;
}

uint32_t vc__virtio_get_status(struct vc_virtio *v)
{
	return v->core->status | (is_resetting(v->core) ? STATUS_NEEDS_RESET : 0);
}

static void signal_config(struct vc_virtio *v)
{
	v->core->config_generation++;
	if (v->core->status & STATUS_DRIVER_OK)
		v->core->transport->signal(v, VC__VIRTIO_CONFIG_EVENT);
}

void vc__virtio_fail(struct vc_virtio *v)
{
	if (v->core->status & STATUS_NEEDS_RESET)
		return;
	v->core->status |= STATUS_NEEDS_RESET;
	v->core->nr_faults++;
	signal_config(v);
}

/* Wants the queue served, or not any more. */
static void hand_over(struct vc__virtio_queue *q, bool is_on)
{
	if (!is_on && q->wanted == 0)
		return;
	q->wanted = is_on ? ++q->v->core->last_epoch : 0;
	q->is_loaded = false;
	vc__virtio_post(q);
}

static void clear_queue(struct vc__virtio_queue *q)
{
	q->nr_entries = q->v->core->queue_size;
	q->desc = q->driver = q->device = 0;
	q->is_ready = false;
	hand_over(q, false);
}

static void virtio_reset(struct vc_device *dev)
{
	struct vc_virtio *v = to_virtio(dev);
	struct vc_virtio_core *core = v->core;

	atomic_store(&core->is_live, false);
	core->reset_epoch = core->last_epoch;
	for (uint32_t i = 0; i < core->nr_queues; i++)
		clear_queue(&core->queues[i]);
	core->status = 0;
	core->driver_features = 0;
	if (core->transport)
		core->transport->reset(v);
}

static bool takes_features(struct vc_virtio *v)
{
	uint64_t features = v->core->driver_features;

	return (features & VC_VIRTIO_F_VERSION_1) && !(features & ~vc__virtio_offered(v));
}

/* Bits are only ever added; FEATURES_OK and DRIVER_OK each need what comes before. */
void vc__virtio_set_status(struct vc_virtio *v, uint32_t value)
{
	struct vc_virtio_core *core = v->core;
	uint32_t added = value & STATUS_DRIVERS & ~core->status;

	if (value == 0) {
		virtio_reset(&v->dev);
		return;
	}
	core->status |= added & (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FAILED);
	if ((added & STATUS_FEATURES_OK) && (core->status & STATUS_DRIVER) && takes_features(v))
		core->status |= STATUS_FEATURES_OK;
	if (!(added & STATUS_DRIVER_OK) || !(core->status & STATUS_FEATURES_OK))
		return;
	core->status |= STATUS_DRIVER_OK;
	atomic_store(&core->is_live, true);
	for (uint32_t i = 0; i < core->nr_queues; i++)
		if (core->queues[i].is_ready)
			hand_over(&core->queues[i], true);
}

void vc__virtio_set_ready(struct vc__virtio_queue *q, bool is_ready)
{
	struct vc_virtio_core *core = q->v->core;
	bool is_live = core->status & STATUS_DRIVER_OK;

	if (is_ready == q->is_ready)
		return;
	/* With DRIVER_OK set queues are as they are, but for those that were reset alone. */
	if (is_ready && is_live && !(core->driver_features & VC_VIRTIO_F_RING_RESET))
		return;
	q->is_ready = is_ready;
	if (is_live || !is_ready)
		hand_over(q, is_ready);
}

void vc__virtio_reset_queue(struct vc__virtio_queue *q)
{
	if (q->v->core->driver_features & VC_VIRTIO_F_RING_RESET)
		clear_queue(q);
}

bool vc__virtio_is_queue_resetting(const struct vc__virtio_queue *q)
{
	return q->wanted == 0 && q->acked != 0;
}

void vc__virtio_config(struct vc_virtio *v, struct vc_access *access, uint64_t off)
{
	uint8_t bytes[8] = { 0 };
	struct vc_virtio_config_access c = {
		.is_write = access->is_write,
		.off = (uint32_t)off,
		.len = access->size,
		.buf = bytes,
	};

	if (c.is_write)
		memcpy(bytes, &access->value, sizeof(bytes));
	if (vc_range_within(off, access->size, v->ops->config_bytes))
		v->ops->config(v, &c);
	if (!c.is_write)
		memcpy(&access->value, bytes, sizeof(bytes));
}

void vc__virtio_kick(struct vc__virtio_queue *q)
{
	uint64_t one = 1;

	/* Full is rung. */
	if (write(q->kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void virtio_access(struct vc_device *dev, struct vc_access *access)
{
	struct vc_virtio *v = to_virtio(dev);

	if (v->core->transport)
		v->core->transport->access(v, access);
}

static void virtio_destroy(struct vc_device *dev)
{
	struct vc_virtio *v = to_virtio(dev);

	v->ops->destroy(v);
}

static const struct vc_device_ops device_ops = {
	.type = "virtio",
	.access = virtio_access,
	.reset = virtio_reset,
	.save = vc__virtio_save,
	.load = vc__virtio_load,
	.destroy = virtio_destroy,
};

static int check_config(const struct vc_virtio_ops *ops, const struct vc_virtio_config *cfg)
{
	if (!ops->type || !ops->features || !ops->kick || !ops->save || !ops->load ||
	    !ops->destroy || (ops->config_bytes > 0 && !ops->config))
		return vc_error_set(-EINVAL, "devices", cfg->name,
				    "ops lack a slot: type, features, kick, save, load, destroy, "
				    "and config with config_bytes are mandatory");
	if (!cfg->mem || !cfg->rings || cfg->nr_rings == 0)
		return vc_error_set(-EINVAL, "devices", cfg->name, "memory and a ring are needed");
	for (uint32_t i = 0; i < cfg->nr_rings; i++)
		if (!cfg->rings[i])
			return vc_error_set(-EINVAL, "devices", cfg->name, "ring %u is NULL", i);
	if (cfg->nr_queues == 0 || cfg->nr_queues > VC_VIRTIO_QUEUES_MAX)
		return vc_error_set(-EINVAL, "devices", cfg->name, "%u queues, expected 1 to %u",
				    cfg->nr_queues, VC_VIRTIO_QUEUES_MAX);
	if (cfg->queue_size > VC_VIRTQ_SIZE_MAX || (cfg->queue_size & (cfg->queue_size - 1)))
		return vc_error_set(-EINVAL, "devices", cfg->name,
				    "queues of %u entries, expected a power of two up to %u",
				    cfg->queue_size, VC_VIRTQ_SIZE_MAX);
	return 0;
}

static void free_core(struct vc_virtio_core *core)
{
	if (core->queues)
		for (uint32_t i = 0; i < core->nr_queues; i++)
			vc__virtio_queue_fini(&core->queues[i]);
	free(core->queues);
	free(core);
}

static int make_core(struct vc_virtio *v, const struct vc_virtio_config *cfg)
{
	struct vc_virtio_core *core = calloc(1, sizeof(*core));
	int r = 0;

	if (core)
		core->queues = calloc(cfg->nr_queues, sizeof(*core->queues));
	if (!core || !core->queues) {
		free(core);
		return vc_error_set(-ENOMEM, "devices", cfg->name, "no memory");
	}
	core->nr_queues = cfg->nr_queues;
	core->queue_size = cfg->queue_size;
	core->refused_features = cfg->refused_features;
	atomic_init(&core->nr_settled, 0);
	atomic_init(&core->is_live, false);
	for (uint32_t i = 0; i < cfg->nr_queues; i++)
		core->queues[i].kick_fd = -EBADF;
	for (uint32_t i = 0; i < cfg->nr_queues && r == 0; i++)
		r = vc__virtio_queue_init(&core->queues[i], v, i, cfg);
	if (r < 0) {
		free_core(core);
		return r;
	}
	v->core = core;
	return 0;
}

int vc_virtio_init(struct vc_virtio *v, const struct vc_virtio_ops *ops,
		   const struct vc_virtio_config *cfg)
{
	struct vc_virtio_config c;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!v || !ops)
		return vc_error_set(-EINVAL, "devices", c.name, "device and ops are needed");
	if (c.queue_size == 0)
		c.queue_size = QUEUE_SIZE_DEFAULT;
	r = check_config(ops, &c);
	if (r == 0)
		r = vc_device_init(&v->dev, &device_ops, c.name);
	if (r < 0)
		return r;
	v->ops = ops;
	v->core = NULL;
	return make_core(v, &c);
}

static bool is_gone(const struct vc__virtio_queue *q)
{
	return q->is_gone;
}

void vc_virtio_fini(struct vc_virtio *v)
{
	struct vc_virtio_core *core = v->core;

	if (!core)
		return;
	vc__device_lock(&v->dev);
	core->is_dying = true;
	for (uint32_t i = 0; i < core->nr_queues; i++) {
		struct vc__virtio_queue *q = &core->queues[i];

		q->wanted = 0;
		/* A ring that never had to do with it is left alone, but for a file it has to give up. */
		if (q->is_bound || q->nr_posted > 0 || !vc__virtio_take_file(q))
			vc__virtio_post(q);
		else
			q->is_gone = true;
	}
	vc__device_unlock(&v->dev);
	vc__virtio_await(v, is_gone);
	for (uint32_t i = 0; v->ops->release && i < core->nr_queues; i++)
		(void)v->ops->release(v, i); /* those whose ring has ended before */
	if (core->transport)
		core->transport->destroy(v);
	free_core(core);
	v->core = NULL;
	vc_device_fini(&v->dev);
}

void vc_virtio_config_changed(struct vc_virtio *v)
{
	vc__device_lock(&v->dev);
	signal_config(v);
	vc__device_unlock(&v->dev);
}

static bool is_quiet(const struct vc__virtio_queue *q)
{
	return q->acked == 0 || q->is_quiet;
}

void vc_virtio_pause(struct vc_virtio *v)
{
	struct vc_virtio_core *core = v->core;

	vc__device_lock(&v->dev);
	core->is_paused = true;
	for (uint32_t i = 0; i < core->nr_queues; i++)
		if (core->queues[i].acked != 0 || core->queues[i].nr_posted > 0)
			vc__virtio_post(&core->queues[i]);
	vc__device_unlock(&v->dev);
	vc__virtio_await(v, is_quiet);
}

void vc_virtio_resume(struct vc_virtio *v)
{
	struct vc_virtio_core *core = v->core;

	vc__device_lock(&v->dev);
	core->is_paused = false;
	for (uint32_t i = 0; i < core->nr_queues; i++)
		if (core->queues[i].wanted != 0 || core->queues[i].acked != 0)
			vc__virtio_post(&core->queues[i]);
	vc__device_unlock(&v->dev);
}

int vc_virtio_kick_fd(const struct vc_virtio *v, uint32_t queue)
{
	if (!v || queue >= v->core->nr_queues)
		return vc_error_set(-EINVAL, "devices", v ? v->dev.name : "virtio",
				    "there is no queue %u", queue);
	return v->core->queues[queue].kick_fd;
}
