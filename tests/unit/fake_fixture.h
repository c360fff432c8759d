/* SPDX-License-Identifier: Apache-2.0 */
/* A partition on the fake back end with some memory, as the tests of the CPU layer need it. */
#ifndef VC_TESTS_FAKE_FIXTURE_H
#define VC_TESTS_FAKE_FIXTURE_H

#include "mem_fixture.h"

#include <libvirtcore/fake.h>
#include <libvirtcore/host.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/vcpu_state.h>

struct bed {
	struct vc_host *host;
	struct vc_mem *mem; /* 1 MiB at 0, 64 KiB at 16 MiB */
	struct vc_partition *partition;
	struct vc_vcpu *vcpus[4];
	/* one script for all vCPUs */
	struct vc_fake_script script;
	const struct vc_fake_step *steps;
	size_t nr_steps;
};

/* Several scripts can be given by filling bed->script first; else @steps is for every vCPU. */
static inline void open_bed(struct bed *bed, const struct vc_fake_step *steps, size_t nr_steps,
			    uint32_t nr_vcpus)
{
	struct vc_host_config host = { .size = sizeof(host),
				       .backend = VC_BACKEND_FAKE,
				       .fake = &bed->script };
	struct vc_partition_config cfg = { .size = sizeof(cfg),
					   .irqchip = VC_IRQCHIP_KERNEL,
					   .max_vcpus = nr_vcpus };

	bed->steps = steps;
	bed->nr_steps = nr_steps;
	if (bed->script.nr_scripts == 0) {
		bed->script.steps = &bed->steps;
		bed->script.nr_steps = &bed->nr_steps;
		bed->script.nr_scripts = 1;
	}
	assert_result(vc_host_open(&host, &bed->host), 0);
	bed->mem = make_map();
	map_ram(bed->mem, "low", 0, MIB(1), 0);
	map_ram(bed->mem, "high", MIB(16), KIB(64), 0);
	assert_result(vc_mem_freeze(bed->mem), 0);
	cfg.mem = bed->mem;
	assert_result(vc_partition_create(bed->host, &cfg, &bed->partition), 0);
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		struct vc_vcpu_config vcpu = { .size = sizeof(vcpu), .idx = i };

		assert_result(vc_vcpu_create(bed->partition, &vcpu, &bed->vcpus[i]), 0);
	}
}

static inline void close_bed(struct bed *bed)
{
	for (size_t i = 0; i < ARRAY_LEN(bed->vcpus); i++)
		vc_vcpu_destroy(bed->vcpus[i]);
	vc_partition_destroy(bed->partition);
	vc_host_close(bed->host);
	vc_mem_destroy(bed->mem);
	memset(bed, 0, sizeof(*bed));
}

/* The next exit of an attached vCPU. */
static inline struct vc_exit *next_exit(struct vc_vcpu *vcpu)
{
	struct vc_exit *exit = NULL;

	assert_result(vc_vcpu_run(vcpu, &exit), 0);
	assert_non_null(exit);
	return exit;
}

/* The oldest record is this one. */
static inline void expect_record(struct vc_partition *partition, enum vc_fake_kind kind,
				 uint64_t addr, uint64_t value)
{
	struct vc_fake_record record;

	assert_result(vc_fake_next_record(partition, &record), 1);
	assert_int_equal(record.kind, kind);
	assert_int_equal(record.addr, addr);
	assert_int_equal(record.value, value);
}

static inline void expect_no_record(struct vc_partition *partition)
{
	struct vc_fake_record record;

	assert_result(vc_fake_next_record(partition, &record), 0);
}

#endif /* VC_TESTS_FAKE_FIXTURE_H */
