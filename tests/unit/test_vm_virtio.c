/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio devices in a VM: added, paused and resumed with it, saved, reset, refused. */
#include "vm_fixture.h"

#include "vm_impl.h"

#include <libvirtcore/ring.h>
#include <libvirtcore/virtio.h>

struct probe {
	struct vc_virtio v;
	unsigned int *nr_destroyed;
};

static uint64_t probe_features(struct vc_virtio *v)
{
	(void)v;
	return 0;
}

static bool probe_kick(struct vc_virtio *v, uint32_t queue)
{
	(void)v;
	(void)queue;
	return true;
}

static int probe_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	(void)v;
	(void)writer;
	return 0;
}

static int probe_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	(void)v;
	(void)reader;
	return 0;
}

static void probe_destroy(struct vc_virtio *v)
{
	struct probe *probe = vc_container_of(v, struct probe, v);

	++*probe->nr_destroyed;
	vc_virtio_fini(v);
	free(probe);
}

static const struct vc_virtio_ops probe_ops = {
	.type = "probe",
	.id = 30,
	.features = probe_features,
	.kick = probe_kick,
	.save = probe_save,
	.load = probe_load,
	.destroy = probe_destroy,
};

static unsigned int nr_destroyed;
static struct vc_ring *ring;
static struct fixture f;

static struct vc_virtio *make_probe(const char *name)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	struct vc_virtio_config cfg = { .size = sizeof(cfg),
					.name = name,
					.mem = vc_vm_mem(f.vm),
					.nr_queues = 1,
					.rings = &ring,
					.nr_rings = 1 };

	assert_non_null(probe);
	probe->nr_destroyed = &nr_destroyed;
	assert_result(vc_virtio_init(&probe->v, &probe_ops, &cfg), 0);
	return &probe->v;
}

static void make(const struct vc_fake_step *steps, size_t nr_steps, enum vc_on_reset on_reset)
{
	struct vc_ring_config ring_cfg = { .size = sizeof(ring_cfg), .nr_workers = 1 };
	struct vc_vm_config cfg = { .size = sizeof(cfg),
				    .nr_vcpus = 1,
				    .irqchip = VC_IRQCHIP_SPLIT,
				    .on_reset = on_reset };

	nr_destroyed = 0;
	open_host(&f, steps, nr_steps);
	make_vm(&f, &cfg);
	assert_result(vc_ring_create(&ring_cfg, &ring), 0);
	assert_result(vc_ring_start(ring), 0);
}

static void drop(void)
{
	close_all(&f);
	assert_result(vc_ring_stop(ring), 0);
	assert_result(vc_ring_join(ring), 0);
	vc_ring_put(ring);
}

static void added(void **state)
{
	static const struct vc_fake_step steps[] = { POWER_OFF };
	struct vc_virtio *first, *second;

	(void)state;
	make(steps, 1, VC_ON_RESET_STOP);
	first = make_probe("v0");
	second = make_probe("v1");
	assert_result(vc_vm_add_virtio(f.vm, first, 0), 1);
	assert_result(vc_vm_add_virtio(f.vm, second, 9), 9);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_start(f.vm), 0);
	assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
	drop();
	assert_int_equal(nr_destroyed, 2);
}

/* A build that fails leaves them as they were; the map that they were made with stays. */
static void build_undone(void **state)
{
	static const struct vc_fake_step steps[] = { POWER_OFF };
	struct vc_boot_config boot = { .size = sizeof(boot), .kernel.path = "/nonexistent" };

	(void)state;
	make(steps, 1, VC_ON_RESET_STOP);
	assert_result(vc_vm_add_virtio(f.vm, make_probe("v0"), 0), 1);
	assert_result(vc_vm_set_boot(f.vm, &boot), 0);
	for (int i = 0; i < 2; i++)
		assert_refused(vc_vm_build(f.vm), -ENOENT, "/nonexistent");
	assert_int_equal(nr_destroyed, 0);
	drop();
	assert_int_equal(nr_destroyed, 1);
}

/* Reset comes with the devices at rest, and they go on behind it. */
static void reset(void **state)
{
	static const struct vc_fake_step steps[] = { RESET, POWER_OFF };
	struct vc_vm_stats stats = { .size = sizeof(stats) };

	(void)state;
	make(steps, 2, VC_ON_RESET_REBOOT);
	assert_result(vc_vm_add_virtio(f.vm, make_probe("v0"), 0), 1);
	assert_result(vc_vm_build(f.vm), 0);
	assert_result(vc_vm_start(f.vm), 0);
	assert_result(vc_vm_wait(f.vm, WAIT_MS), 0);
	assert_result(vc_vm_get_stats(f.vm, &stats), 0);
	assert_int_equal(stats.nr_resets, 1);
	drop();
}

static void refused(void **state)
{
	static const struct vc_fake_step steps[] = { POWER_OFF };
	struct vc_virtio *first, *second;

	(void)state;
	make(steps, 1, VC_ON_RESET_STOP);
	first = make_probe("v0");
	second = make_probe("v1");
	assert_refused(vc_vm_add_virtio(NULL, first, 0), -EINVAL, "no VM");
	assert_refused(vc_vm_add_virtio(f.vm, NULL, 0), -EINVAL, "virtio device");
	assert_result(vc_vm_add_virtio(f.vm, first, 3), 3);
	assert_refused(vc_vm_add_virtio(f.vm, second, 3), -EEXIST, "slot 3 is v0's");
	assert_refused(vc_vm_add_virtio(f.vm, first, 4), -EBUSY, "");
	vc_device_destroy(&second->dev);
	assert_int_equal(nr_destroyed, 1);
	assert_result(vc_vm_build(f.vm), 0);
	first = make_probe("v2");
	assert_refused(vc_vm_add_virtio(f.vm, first, 0), -EBUSY, "while the VM is new");
	vc_device_destroy(&first->dev);
	drop();
	assert_int_equal(nr_destroyed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added),
		cmocka_unit_test(build_undone),
		cmocka_unit_test(reset),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
