/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that vm.h, run.h, runner.h and boot.h document for VMs and no unit test provokes. */
#include "vm_fixture.h"

#include <libvirtcore/snapshot.h>

#include <poll.h>

static bool is_stateless, is_threadless;

bool __real_vc_host_has(const struct vc_host *host, enum vc_cap cap);
bool __wrap_vc_host_has(const struct vc_host *host, enum vc_cap cap);
bool __wrap_vc_host_has(const struct vc_host *host, enum vc_cap cap)
{
	return !(is_stateless && cap == VC_CAP_STATE) && __real_vc_host_has(host, cap);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *opaque);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *opaque);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *opaque)
{
	return is_threadless ? EAGAIN : __real_pthread_create(thread, attr, fn, opaque);
}

/* A later version's struct with a member set that this one does not know. */
static void newer_structs(void **state)
{
	struct {
		struct vc_vm_node node;
		uint64_t unknown;
	} node = { .node.size = sizeof(node), .unknown = 1 };
	struct {
		struct vc_region_config ram;
		uint64_t unknown;
	} ram = { .ram.size = sizeof(ram), .unknown = 1 };
	struct {
		struct vc_boot_config boot;
		uint64_t unknown;
	} boot = { .boot.size = sizeof(boot), .unknown = 1 };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_add_node(f.vm, &node.node), -E2BIG, "newer");
	assert_refused(vc_vm_add_ram(f.vm, &ram.ram, 0), -E2BIG, "newer");
	assert_refused(vc_vm_set_boot(f.vm, &boot.boot), -E2BIG, "newer");
	assert_refused(vc_vm_set_boot(f.vm, NULL), -EINVAL, "");
	close_all(&f);
}

static void start_eagain(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	build_vm(&f, &cfg);
	is_threadless = true;
	assert_refused(vc_vm_start(f.vm), -EAGAIN, "thread 1 of 2");
	is_threadless = false;
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_BUILT);
	assert_result(vc_vm_start(f.vm), 0);
	close_all(&f);
}

static void dispatch_ebusy(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	cfg.runner = VC_RUNNER_CALLER;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_dispatch(f.vm, NULL, 0), -EBUSY, "new");
	close_all(&f);
}

static void state_enotsup(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	struct fixture f;
	const void *buf;
	size_t len;

	(void)state;
	open_host(&f, NULL, 0);
	build_vm(&f, &cfg);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_finish(writer, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	is_stateless = true;
	assert_refused(vc_vm_load(f.vm, reader), -ENOTSUP, "fake");
	assert_result(vc_vm_start(f.vm), 0);
	assert_result(vc_vm_pause(f.vm), 0);
	assert_refused(vc_vm_save(f.vm, writer), -ENOTSUP, "fake");
	is_stateless = false;
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	close_all(&f);
}

/* A stream with one section, "vm", of this version and content. */
static struct vc_state_reader *one_section(struct vc_state_writer *writer, uint32_t version,
					   uint64_t nr_vcpus)
{
	struct vc_state_reader *reader;
	const void *buf;
	size_t len;

	if (version > 0) {
		assert_result(vc_state_begin(writer, "vm", version), 0);
		vc_state_put_u64(writer, nr_vcpus, 4);
		assert_result(vc_state_end(writer), 0);
	}
	assert_result(vc_state_finish(writer, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	return reader;
}

static void load_refuses(struct vc_vm *vm, uint32_t version, int err, const char *part)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	reader = one_section(writer, version, 1);
	assert_refused(vc_vm_load(vm, reader), err, part);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

static void load_ebusy_enoent_ebadmsg_eprotonosupport(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	struct fixture f;

	(void)state;
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	reader = one_section(writer, 0, 0);
	assert_refused(vc_vm_load(f.vm, reader), -EBUSY, "new");
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_load(f.vm, reader), -ENOENT, "vm");
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	load_refuses(f.vm, 2, -EPROTONOSUPPORT, "version 2");
	load_refuses(f.vm, 1, -EBADMSG, "ends before the irqchip");
	assert_int_equal(vc_vm_get_state(f.vm), VC_VM_BUILT);
	close_all(&f);
}

struct caller {
	struct vc_device dev;
	struct vc_vm *vm;
	int nr;
};

static void caller_access(struct vc_device *dev, struct vc_access *access)
{
	struct caller *c = vc_container_of(dev, struct caller, dev);

	(void)access;
	assert_refused(vc_vm_pause(c->vm), -EDEADLK, "vCPU thread");
	assert_refused(vc_vm_stop(c->vm), -EDEADLK, "vCPU thread");
	assert_refused(vc_vm_wait(c->vm, 0), -EDEADLK, "vCPU thread");
	c->nr++;
}

static void pause_stop_wait_edeadlk(void **state)
{
	static const struct vc_fake_step steps[] = { OUT8(0x700, 0), POWER_OFF };
	static const struct vc_device_ops ops = PLAIN_OPS("caller", caller_access);
	struct vc_vm_config cfg = basic_config();
	struct caller c = { .vm = NULL };
	struct fixture f;

	(void)state;
	open_host(&f, steps, ARRAY_LEN(steps));
	make_vm(&f, &cfg);
	c.vm = f.vm;
	add_own(&f, &c.dev, &ops);
	assert_result(vc_vm_build(f.vm), 0);
	run_vm(&f);
	assert_int_equal(c.nr, 1);
	close_all(&f);
}

static void request_einval_ebusy(void **state)
{
	static const struct vc_fake_step steps[] = { POWER_OFF };
	struct vc_vm_config cfg = basic_config();
	struct fixture f;

	(void)state;
	open_host(&f, steps, ARRAY_LEN(steps));
	make_vm(&f, &cfg);
	assert_refused(vc_vm_request(NULL, VC_REQUEST_RESET, 0), -EINVAL, "a VM");
	assert_refused(vc_vm_request(f.vm, (enum vc_request)4, 0), -EINVAL, "0 to 3");
	assert_refused(vc_vm_request(f.vm, (enum vc_request) - 1, 0), -EINVAL, "found -1");
	assert_refused(vc_vm_request(f.vm, VC_REQUEST_PANICKED, 0), -EBUSY, "the VM is new");
	assert_result(vc_vm_build(f.vm), 0);
	run_vm(&f);
	assert_refused(vc_vm_request(f.vm, VC_REQUEST_PANICKED, 0), -EBUSY, "the VM is stopped");
	expect_event(f.vm, VC_EVENT_POWERED_OFF);
	expect_no_event(f.vm);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newer_structs),
		cmocka_unit_test(start_eagain),
		cmocka_unit_test(dispatch_ebusy),
		cmocka_unit_test(state_enotsup),
		cmocka_unit_test(load_ebusy_enoent_ebadmsg_eprotonosupport),
		cmocka_unit_test(pause_stop_wait_edeadlk),
		cmocka_unit_test(request_einval_ebusy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
