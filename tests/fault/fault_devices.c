/* SPDX-License-Identifier: Apache-2.0 */
/* devices: every allocation and system call of making a bus full of devices fails once. */
#include "fault.h"
#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/snapshot.h>
#include <libvirtcore/ring.h>
#include <libvirtcore/stream.h>
#include <libvirtcore/virtio.h>
#include <libvirtcore/virtq.h>

#include <errno.h>

static int set_level(void *opaque, uint32_t pin, bool is_high)
{
	(void)opaque;
	(void)pin;
	(void)is_high;
	return 0;
}

static const struct vc_irq_ops irq_ops = { .set_level = set_level };

static void ignore(void *opaque, enum vc_request request, uint64_t code)
{
	(void)opaque;
	(void)request;
	(void)code;
}

/* The stream is moved on success only: until then it is ours to close. */
static int make_uart(struct vc_irq *irq, struct vc_device **ret_dev)
{
	struct vc_stream_config far = { .size = sizeof(far), .kind = VC_STREAM_NULL };
	struct vc_serial8250_config cfg = { .size = sizeof(cfg), .irq = irq };
	int r = vc_stream_open(&far, &cfg.stream);

	if (r < 0)
		return r;
	r = vc_serial8250_create(&cfg, ret_dev);
	if (r < 0)
		vc_stream_close(cfg.stream);
	return r;
}

static int save_all(struct vc_device *const *devs, size_t nr)
{
	struct vc_state_writer *writer = NULL;
	size_t i;
	int r = vc_state_writer_create(VC_ARCH_X86_64, &writer);

	for (i = 0; i < nr && r == 0; i++)
		r = vc_device_save(devs[i], writer);
	vc_state_writer_destroy(writer);
	return r;
}

#define NR_DEVICES 6u

static int make_devices(struct vc_irq *irq, struct vc_device **devs)
{
	struct vc_request_config ask = { .size = sizeof(ask), .fn = ignore };
	struct vc_rtc_config rtc = { .size = sizeof(rtc), .irq = irq };
	int r = make_uart(irq, &devs[0]);

	if (r == 0)
		r = vc_rtc_create(&rtc, &devs[1]);
	if (r == 0)
		r = vc_i8042_create(&ask, &devs[2]);
	if (r == 0)
		r = vc_pm_create(&ask, &devs[3]);
	if (r == 0)
		r = vc_debug_exit_create(&ask, &devs[4]);
	return r < 0 ? r : vc_pvpanic_create(&ask, &devs[5]);
}

static int make_all(void *opaque)
{
	struct vc_device *devs[NR_DEVICES] = { NULL };
	struct vc_irq *irq = NULL;
	struct vc_bus *bus = NULL;
	size_t i;
	int r = vc_irq_create_ops(&irq_ops, NULL, 0, &irq);

	(void)opaque;
	if (r == 0)
		r = make_devices(irq, devs);
	if (r == 0)
		r = vc_bus_create(VC_SPACE_PIO, &bus);
	for (i = 0; i < NR_DEVICES && r == 0; i++)
		r = vc_bus_claim(bus, 16 * i, 8, devs[i], 0);
	if (r == 0)
		r = save_all(devs, NR_DEVICES);
	fault_may_survive();
	vc_bus_destroy(bus);
	for (i = 0; i < NR_DEVICES; i++)
		vc_device_destroy(devs[i]);
	vc_irq_destroy(irq);
	return r;
}

static void bus_and_devices(void **state)
{
	struct fault_config fault = { .fn = make_all };

	(void)state;
	assert_true(fault_each(&fault) >= 17);
}

static int make_queue(void *opaque)
{
	struct vc_virtq_config cfg = { .size = sizeof(cfg), .max_size = 256 };
	struct vc_virtq *vq = NULL;
	struct vc_mem *mem = NULL;
	int r = vc_mem_create(&mem);

	(void)opaque;
	cfg.mem = mem;
	if (r == 0)
		r = vc_virtq_create(&cfg, &vq);
	fault_may_survive();
	vc_virtq_destroy(vq);
	vc_mem_destroy(mem);
	return r;
}

static void queue(void **state)
{
	struct fault_config fault = { .fn = make_queue };

	(void)state;
	assert_true(fault_each(&fault) >= 4);
}

static uint64_t no_features(struct vc_virtio *v)
{
	(void)v;
	return 0;
}

static bool no_kick(struct vc_virtio *v, uint32_t idx)
{
	(void)v;
	(void)idx;
	return true;
}

static int no_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	(void)v;
	(void)writer;
	return 0;
}

static int no_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	(void)v;
	(void)reader;
	return 0;
}

static const struct vc_virtio_ops nothing_ops = {
	.type = "nothing",
	.id = 1,
	.features = no_features,
	.kick = no_kick,
	.save = no_save,
	.load = no_load,
	.destroy = vc_virtio_fini,
};

/* Its ring is there before and after. */
static int make_virtio(void *opaque)
{
	struct vc_ring *ring = opaque;
	struct vc_virtio_config cfg = {
		.size = sizeof(cfg),
		.name = "nothing",
		.nr_queues = 2,
		.rings = &ring,
		.nr_rings = 1,
	};
	struct vc_irq *irq = NULL;
	struct vc_mem *mem = NULL;
	struct vc_virtio v;
	int r = vc_mem_create(&mem);

	if (r == 0)
		r = vc_irq_create_ops(&irq_ops, NULL, 0, &irq);
	cfg.mem = mem;
	if (r == 0)
		r = vc_virtio_init(&v, &nothing_ops, &cfg);
	if (r == 0) {
		r = vc_virtio_mmio_attach(&v, irq);
		fault_may_survive();
		vc_device_destroy(&v.dev);
	}
	vc_irq_destroy(irq);
	vc_mem_destroy(mem);
	return r;
}

static void virtio(void **state)
{
	struct vc_ring_config cfg = { .size = sizeof(cfg), .nr_workers = 1 };
	struct fault_config fault = { .fn = make_virtio };
	struct vc_ring *ring;

	(void)state;
	assert_result(vc_ring_create(&cfg, &ring), 0);
	fault.opaque = ring;
	assert_true(fault_each(&fault) >= 10);
	vc_ring_put(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bus_and_devices),
		cmocka_unit_test(queue),
		cmocka_unit_test(virtio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
