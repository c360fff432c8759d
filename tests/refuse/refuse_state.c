/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of host.h, partition.h, vcpu.h, vcpu_state.h and irq.h that no real hypervisor gives at
 * will: a vCPU that runs for as long as the test wants, a host that lacks something, streams made up.
 * By the fake back end, so that they are met on any machine.
 */
#include "fake_fixture.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static int missing = -1; /* the capability that hosts lack */

bool __real_vc_host_has(const struct vc_host *host, enum vc_cap cap);
bool __wrap_vc_host_has(const struct vc_host *host, enum vc_cap cap);
bool __wrap_vc_host_has(const struct vc_host *host, enum vc_cap cap)
{
	return (int)cap != missing && __real_vc_host_has(host, cap);
}

static struct vc_state_writer *new_writer(void)
{
	struct vc_state_writer *writer = NULL;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	return writer;
}

static struct vc_state_reader *read_back(struct vc_state_writer *writer)
{
	struct vc_state_reader *reader = NULL;
	const void *buf;
	size_t len;

	assert_result(vc_state_finish(writer, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	return reader;
}

/* A stream with one section of @len zeros; none without a name. */
static struct vc_state_reader *stream(struct vc_state_writer **ret_writer, const char *name,
				      uint32_t version, size_t len)
{
	struct vc_state_writer *writer = new_writer();

	if (name) {
		assert_result(vc_state_begin(writer, name, version), 0);
		for (size_t i = 0; i < len; i++)
			vc_state_put_u64(writer, 0, 1);
		assert_result(vc_state_end(writer), 0);
	}
	*ret_writer = writer;
	return read_back(writer);
}

static void drop(struct vc_state_reader *reader, struct vc_state_writer *writer)
{
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

static int load_vcpu(struct vc_vcpu *vcpu, const char *name, uint32_t version, size_t len)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader = stream(&writer, name, version, len);
	int r = vc_vcpu_load(vcpu, reader);

	drop(reader, writer);
	return r;
}

static int load_partition(struct vc_partition *partition, const char *name, uint32_t version,
			  size_t len)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader = stream(&writer, name, version, len);
	int r = vc_partition_load(partition, reader);

	drop(reader, writer);
	return r;
}

static void load_enoent_ebadmsg_eprotonosupport(void **state)
{
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	assert_refused(load_vcpu(bed.vcpus[0], NULL, 0, 0), -ENOENT, "vcpu0: no such section");
	assert_refused(load_vcpu(bed.vcpus[0], "vcpu1", 1, 8), -ENOENT, "vcpu0");
	assert_refused(load_vcpu(bed.vcpus[0], "vcpu0", 1, 8), -EBADMSG, "vcpu0");
	assert_refused(load_vcpu(bed.vcpus[0], "vcpu0", 2, 8), -EPROTONOSUPPORT, "version 2");
	assert_refused(load_partition(bed.partition, NULL, 0, 0), -ENOENT, "partition");
	assert_refused(load_partition(bed.partition, "partition", 1, 3), -EBADMSG, "partition");
	assert_refused(load_partition(bed.partition, "partition", 9, 10), -EPROTONOSUPPORT,
		       "version 9");
	/* all zeros is a partition without irqchip, which this one is not */
	assert_refused(load_partition(bed.partition, "partition", 1, 10), -EXDEV, "irqchip 0");
	close_bed(&bed);
}

/* Saves the vCPU, and gives its last MSR another number. */
static struct vc_state_reader *foreign_msr(struct vc_vcpu *vcpu,
					   struct vc_state_writer **ret_writer)
{
	struct vc_state_writer *writer = new_writer(), *other = new_writer();
	struct vc_state_reader *reader;
	uint32_t version;

	assert_result(vc_vcpu_save(vcpu, writer), 0);
	reader = read_back(writer);
	assert_result(vc_state_open(reader, "vcpu0", 1, &version), 0);
	size_t len = vc_state_left(reader);
	uint8_t *bytes = malloc(len);
	assert_non_null(bytes);
	assert_result(vc_state_get_bytes(reader, bytes, len), 0);
	memcpy(bytes + len - 12, "\x78\x56\x34\x12\1", 5);
	drop(reader, writer);
	assert_result(vc_state_begin(other, "vcpu0", version), 0);
	vc_state_put_bytes(other, bytes, len);
	assert_result(vc_state_end(other), 0);
	free(bytes);
	*ret_writer = other;
	return read_back(other);
}

static void load_enotsup_msr(void **state)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	reader = foreign_msr(bed.vcpus[0], &writer);
	assert_refused(vc_vcpu_load(bed.vcpus[0], reader), -ENOTSUP, "MSR 0x12345678");
	drop(reader, writer);
	close_bed(&bed);
}

static void state_enotsup(void **state)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader = stream(&writer, NULL, 0, 0);
	struct vc_state_writer *unused = new_writer();
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	missing = VC_CAP_STATE;
	assert_refused(vc_vcpu_save(bed.vcpus[0], unused), -ENOTSUP, "state");
	assert_refused(vc_vcpu_load(bed.vcpus[0], reader), -ENOTSUP, "state");
	assert_refused(vc_vcpu_reset(bed.vcpus[0]), -ENOTSUP, "state");
	assert_refused(vc_partition_save(bed.partition, unused), -ENOTSUP, "state");
	assert_refused(vc_partition_load(bed.partition, reader), -ENOTSUP, "state");
	assert_refused(vc_partition_reset(bed.partition), -ENOTSUP, "state");
	missing = VC_CAP_DIRTY_LOG;
	assert_refused(vc_partition_dirty_start(bed.partition), -ENOTSUP, "dirty");
	missing = -1;
	assert_result(vc_partition_dirty_start(bed.partition), 0);
	vc_state_writer_destroy(unused);
	drop(reader, writer);
	close_bed(&bed);
}

static void *run(void *opaque)
{
	struct vc_vcpu *vcpu = opaque;

	assert_result(vc_vcpu_attach(vcpu), 0);
	assert_int_equal(next_exit(vcpu)->kind, VC_EXIT_INTERRUPTED);
	assert_result(vc_vcpu_detach(vcpu), 0);
	return NULL;
}

static void running_ebusy(void **state)
{
	struct vc_state_writer *writer, *unused = new_writer();
	struct vc_state_reader *reader = stream(&writer, NULL, 0, 0);
	struct vc_x86_regs regs;
	struct bed bed = { 0 };
	pthread_t thread;
	uint64_t value;

	(void)state;
	open_bed(&bed, NULL, 0, 1); /* a script at its end: the vCPU waits to be kicked */
	struct vc_vcpu *vcpu = bed.vcpus[0];
	alarm(60);
	assert_int_equal(pthread_create(&thread, NULL, run, vcpu), 0);
	while (vc_vcpu_get_regs(vcpu, &regs, NULL) == 0)
		sched_yield();
	assert_refused(vc_vcpu_get_regs(vcpu, &regs, NULL), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_set_regs(vcpu, &regs, NULL), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_get_msr(vcpu, 0x10, &value), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_set_msr(vcpu, 0x10, 0), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_complete(vcpu), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_reset(vcpu), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_save(vcpu, unused), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_vcpu_load(vcpu, reader), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_partition_save(bed.partition, unused), -EBUSY, "vCPU 0 is running");
	assert_refused(vc_partition_load(bed.partition, reader), -EBUSY, "vCPU 0 is running");
	assert_result(vc_vcpu_kick(vcpu), 0);
	pthread_join(thread, NULL);
	alarm(0);
	assert_result(vc_vcpu_get_regs(vcpu, &regs, NULL), 0);
	vc_state_writer_destroy(unused);
	drop(reader, writer);
	close_bed(&bed);
}

static void host_open(void **state)
{
	struct {
		struct vc_host_config known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };
	struct vc_host_config cfg = { .size = sizeof(cfg), .backend = VC_BACKEND_KVM };
	struct vc_host *host = NULL;

	(void)state;
	assert_refused(vc_host_open(&newer.known, &host), -E2BIG, "newer");
	cfg.device = "/nonexistent/kvm";
	assert_refused(vc_host_open(&cfg, &host), -ENOENT, "/nonexistent/kvm");
	cfg.device = "/dev/null";
	assert_refused(vc_host_open(&cfg, &host), -ENODEV, "does not answer");
	assert_null(host);
}

static void host_open_eacces(void **state)
{
	char path[] = "/tmp/refuse_state.XXXXXX";
	struct vc_host_config cfg = { .size = sizeof(cfg), .device = path };
	struct vc_host *host = NULL;
	bool is_root = geteuid() == 0;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	assert_refused(vc_host_open(&cfg, &host), -EACCES, path);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_null(host);
	close(fd);
	unlink(path);
}

static void create(void **state)
{
	static const char *const amx[] = { "+amx_tile" };
	struct vc_cpu_model_config model = {
		.size = sizeof(model), .features = amx, .nr_features = 1, .nr_vcpus = 1
	};
	struct {
		struct vc_partition_config known;
		uint64_t unknown;
	} partition = { .known.size = sizeof(partition), .unknown = 1 };
	struct {
		struct vc_doorbell_config known;
		uint64_t unknown;
	} bell = { .known = { .size = sizeof(bell), .addr = 0x30, .len = 2 }, .unknown = 1 };
	struct vc_partition *no_partition = NULL;
	struct vc_cpu_model *no_model = NULL;
	struct vc_doorbell *no_bell = NULL;
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	assert_refused(vc_cpu_model_create(bed.host, &model, &no_model), -ENOTSUP, "amx_tile");
	assert_refused(vc_partition_create(bed.host, &partition.known, &no_partition), -E2BIG,
		       "newer");
	assert_refused(vc_doorbell_create(bed.partition, &bell.known, &no_bell), -E2BIG, "newer");
	bell.unknown = 0;
	missing = VC_CAP_IOEVENTFD;
	assert_refused(vc_doorbell_create(bed.partition, &bell.known, &no_bell), -ENOTSUP, "no ");
	missing = -1;
	assert_true(!no_partition && !no_model && !no_bell);
	close_bed(&bed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_enoent_ebadmsg_eprotonosupport),
		cmocka_unit_test(load_enotsup_msr),
		cmocka_unit_test(state_enotsup),
		cmocka_unit_test(running_ebusy),
		cmocka_unit_test(host_open),
		cmocka_unit_test(host_open_eacces),
		cmocka_unit_test(create),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
