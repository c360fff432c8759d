/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that device.h documents, named function_code; -ENOMEM is fault_devices'. */
#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>

static void ignore(void *opaque, enum vc_request request, uint64_t code)
{
	(void)opaque;
	(void)request;
	(void)code;
}

static struct vc_device *make(const char *name)
{
	struct vc_request_config cfg = { .size = sizeof(cfg), .fn = ignore, .name = name };
	struct vc_device *dev;

	assert_result(vc_pm_create(&cfg, &dev), 0);
	return dev;
}

static void init_einval(void **state)
{
	struct vc_device *good = make("good"), dev;
	struct vc_device_ops ops = *good->ops;

	(void)state;
	assert_refused(vc_device_init(NULL, &ops, "d"), -EINVAL, "device");
	assert_refused(vc_device_init(&dev, &ops, ""), -EINVAL, "1 to 31");
	assert_refused(vc_device_init(&dev, &ops, "a name that has more than 31 bytes"), -EINVAL,
		       "1 to 31");
	ops.save = NULL;
	assert_refused(vc_device_init(&dev, &ops, "d"), -EINVAL, "mandatory");
	vc_device_destroy(good);
}

static void load_ebadmsg(void **state)
{
	struct vc_device *dev = make("pm");
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	size_t len;

	(void)state;
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "pm", 1), 0);
	vc_state_put_u64(writer, 0x00ff, 2);
	assert_result(vc_state_end(writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &len), 0);
	assert_result(vc_state_reader_create(bytes, len, VC_ARCH_X86_64, &reader), 0);
	assert_refused(vc_device_load(dev, reader), -EBADMSG, "register 0 is 0xff");
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	vc_device_destroy(dev);
}

static void bus_create_einval(void **state)
{
	struct vc_bus *bus = NULL;

	(void)state;
	assert_refused(vc_bus_create((enum vc_space)2, &bus), -EINVAL, "space 2");
	assert_refused(vc_bus_create(VC_SPACE_PIO, NULL), -EINVAL, "ret_bus");
	assert_null(bus);
}

static void bus_claim_einval_eexist_ebusy(void **state)
{
	struct vc_device *a = make("a"), *b = make("b");
	struct vc_bus *bus;

	(void)state;
	assert_result(vc_bus_create(VC_SPACE_PIO, &bus), 0);
	assert_refused(vc_bus_claim(NULL, 0, 1, a, 0), -EINVAL, "bus");
	assert_refused(vc_bus_claim(bus, 0, 1, NULL, 0), -EINVAL, "device");
	assert_refused(vc_bus_claim(bus, 0xfffe, 4, a, 0), -EINVAL, "address space");
	assert_refused(vc_bus_claim(bus, 0, 0, a, 0), -EINVAL, "0 bytes");
	assert_result(vc_bus_claim(bus, 0x600, 4, a, 0), 0);
	assert_refused(vc_bus_claim(bus, 0x603, 4, b, 0), -EEXIST,
		       "b: 0x603-0x606 overlaps a at 0x600-0x603");
	assert_result(vc_bus_freeze(bus), 0);
	assert_refused(vc_bus_claim(bus, 0x700, 4, b, 0), -EBUSY, "frozen");
	vc_bus_destroy(bus);
	vc_device_destroy(a);
	vc_device_destroy(b);
}

static void bus_freeze_einval_ealready(void **state)
{
	struct vc_bus *bus;

	(void)state;
	assert_refused(vc_bus_freeze(NULL), -EINVAL, "bus");
	assert_result(vc_bus_create(VC_SPACE_MMIO, &bus), 0);
	assert_result(vc_bus_freeze(bus), 0);
	assert_refused(vc_bus_freeze(bus), -EALREADY, "frozen");
	vc_bus_destroy(bus);
}

static void bus_access_einval(void **state)
{
	struct vc_bus *bus;
	uint64_t value = 5;

	(void)state;
	assert_result(vc_bus_create(VC_SPACE_MMIO, &bus), 0);
	assert_refused(vc_bus_access(bus, 0, 1, false, &value), -EINVAL, "not frozen");
	assert_result(vc_bus_freeze(bus), 0);
	assert_refused(vc_bus_access(bus, 0, 3, false, &value), -EINVAL, "3 bytes");
	assert_refused(vc_bus_access(bus, 0, 16, false, &value), -EINVAL, "16 bytes");
	assert_int_equal(value, 5);
	vc_bus_destroy(bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_einval),
		cmocka_unit_test(load_ebadmsg),
		cmocka_unit_test(bus_create_einval),
		cmocka_unit_test(bus_claim_einval_eexist_ebusy),
		cmocka_unit_test(bus_freeze_einval_ealready),
		cmocka_unit_test(bus_access_einval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
