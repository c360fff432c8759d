/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that partition.h documents, by the shared library, on a real hypervisor. */
#include "cpu_fixture.h"

#include <errno.h>
#include <signal.h>

static void refuse(struct vc_partition_config cfg, int err, const char *part)
{
	struct vc_partition *none = NULL;
	struct rig rig;

	rig_make(&rig, NULL);
	cfg.size = sizeof(cfg);
	cfg.mem = rig.mem;
	assert_refused(vc_partition_create(rig.host, &cfg, &none), err, part);
	assert_null(none);
	rig_free(&rig);
}

static void create(void **state)
{
	static const struct vc_msr_range empty = { .first = 0x10, .reads = true };

	(void)state;
	refuse((struct vc_partition_config){ .has_pit = true }, -EINVAL, "PIT");
	refuse((struct vc_partition_config){ .irqchip = 7 }, -EINVAL, "irqchip 7");
	refuse((struct vc_partition_config){ .max_vcpus = 1000000 }, -ERANGE, "1000000 vCPUs");
	refuse((struct vc_partition_config){ .halt_poll_ns = -2 }, -EINVAL, "halt poll");
	refuse((struct vc_partition_config){ .kick_signal = SIGKILL }, -EINVAL, "signal 9");
	refuse((struct vc_partition_config){ .dirty_ring_entries = 1000 }, -EINVAL, "power of two");
	refuse((struct vc_partition_config){ .nr_msr_exits = 1, .msr_exits = &empty }, -EINVAL,
	       "MSR range 0");
}

static void memory(void **state)
{
	struct vc_partition_config cfg = { .size = sizeof(cfg) };
	struct vc_partition *none = NULL;
	struct vc_host *host = open_host();
	struct vc_mem *mem = make_map();

	(void)state;
	assert_refused(vc_partition_create(host, &cfg, &none), -EINVAL, "no memory map");
	cfg.mem = mem;
	map_ram(mem, "far", 1ull << 52, MIB(1), 0);
	assert_refused(vc_partition_create(host, &cfg, &none), -EINVAL, "not frozen");
	assert_result(vc_mem_freeze(mem), 0);
	assert_refused(vc_partition_create(host, &cfg, &none), -ERANGE, "guest addresses have");
	assert_null(none);
	vc_mem_destroy(mem);
	vc_host_close(host);
}

static void dirty_log(void **state)
{
	static uint64_t bits[RIG_BYTES / 4096 / 64];
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_refused(vc_partition_dirty_take(rig.partition, 0, bits, ARRAY_LEN(bits)), -EINVAL,
		       "no dirty log");
	assert_result(vc_partition_dirty_start(rig.partition), 0);
	assert_refused(vc_partition_dirty_start(rig.partition), -EALREADY, "already");
	assert_refused(vc_partition_dirty_take(rig.partition, 0, bits, 1), -EINVAL, "1 words");
	assert_int_equal(vc_partition_dirty_take(rig.partition, 5, bits, ARRAY_LEN(bits)), -ENOENT);
	rig_free(&rig);
}

static void save_and_load(void **state)
{
	struct vc_state_writer *writer = NULL;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_refused(vc_partition_save(rig.partition, NULL), -EINVAL, "");
	assert_refused(vc_partition_save(NULL, writer), -EINVAL, "");
	assert_refused(vc_partition_load(rig.partition, NULL), -EINVAL, "");
	assert_refused(vc_partition_reset(NULL), -EINVAL, "");
	vc_state_writer_destroy(writer);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(create),
		cmocka_unit_test(memory),
		cmocka_unit_test(dirty_log),
		cmocka_unit_test(save_and_load),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
