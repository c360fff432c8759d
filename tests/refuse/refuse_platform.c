/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that platform.h documents, named function_code; -ENOMEM is fault_devices'. */
#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/host.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/mem.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/stream.h>

#include <errno.h>
#include <sys/resource.h>

static struct vc_device *dev;

static void ignore(void *opaque, enum vc_request request, uint64_t code)
{
	(void)opaque;
	(void)request;
	(void)code;
}

static void serial8250_create_einval_e2big(void **state)
{
	struct {
		struct vc_serial8250_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_serial8250_create(NULL, &dev), -EINVAL, "");
	assert_refused(vc_serial8250_create(&cfg.known, &dev), -E2BIG, "newer version");
	cfg.unknown = 0;
	assert_refused(vc_serial8250_create(&cfg.known, NULL), -EINVAL, "ret_dev");
	cfg.known.name = "a name that has more than 31 bytes";
	assert_refused(vc_serial8250_create(&cfg.known, &dev), -EINVAL, "1 to 31");
	assert_null(dev);
}

static void serial8250_create_ebusy(void **state)
{
	struct vc_stream_config far = { .size = sizeof(far), .kind = VC_STREAM_NULL };
	struct vc_serial8250_config cfg = { .size = sizeof(cfg) };
	struct vc_device *first;

	(void)state;
	assert_result(vc_stream_open(&far, &cfg.stream), 0);
	assert_result(vc_serial8250_create(&cfg, &first), 0);
	assert_refused(vc_serial8250_create(&cfg, &dev), -EBUSY, "sink");
	assert_null(dev);
	vc_device_destroy(first);
}

static int set_level(void *opaque, uint32_t pin, bool is_high)
{
	(void)opaque;
	(void)pin;
	(void)is_high;
	return 0;
}

static void rtc_create_einval_e2big(void **state)
{
	struct {
		struct vc_rtc_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_rtc_create(&cfg.known, &dev), -E2BIG, "newer version");
	cfg.unknown = 0;
	assert_refused(vc_rtc_create(&cfg.known, NULL), -EINVAL, "ret_dev");
	cfg.known.offset_s = INT64_MAX;
	assert_refused(vc_rtc_create(&cfg.known, &dev), -EINVAL, "offset");
	assert_null(dev);
}

static void rtc_create_emfile(void **state)
{
	static const struct vc_irq_ops ops = { .set_level = set_level };
	struct vc_rtc_config cfg = { .size = sizeof(cfg) };
	struct rlimit was, none;

	(void)state;
	assert_result(vc_irq_create_ops(&ops, NULL, 8, &cfg.irq), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_refused(vc_rtc_create(&cfg, &dev), -EMFILE, "timer");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_null(dev);
	vc_irq_destroy(cfg.irq);
}

struct newer {
	struct vc_request_config known;
	uint64_t unknown;
};

static void requests_create_einval(void **state)
{
	struct vc_request_config cfg = { .size = sizeof(cfg), .fn = ignore };

	(void)state;
	assert_refused(vc_i8042_create(&cfg, NULL), -EINVAL, "ret_dev");
	assert_refused(vc_pm_create(&cfg, NULL), -EINVAL, "ret_dev");
	assert_refused(vc_debug_exit_create(&cfg, NULL), -EINVAL, "ret_dev");
	assert_refused(vc_pvpanic_create(&cfg, NULL), -EINVAL, "ret_dev");
	cfg.fn = NULL;
	assert_refused(vc_i8042_create(&cfg, &dev), -EINVAL, "fn is needed");
	assert_refused(vc_pm_create(&cfg, &dev), -EINVAL, "fn is needed");
	assert_refused(vc_debug_exit_create(&cfg, &dev), -EINVAL, "fn is needed");
	assert_refused(vc_pvpanic_create(&cfg, &dev), -EINVAL, "fn is needed");
	assert_null(dev);
}

static void requests_create_e2big(void **state)
{
	struct newer cfg = { .known = { .size = sizeof(cfg), .fn = ignore }, .unknown = 1 };

	(void)state;
	assert_refused(vc_i8042_create(&cfg.known, &dev), -E2BIG, "newer version");
	assert_refused(vc_pm_create(&cfg.known, &dev), -E2BIG, "newer version");
	assert_refused(vc_debug_exit_create(&cfg.known, &dev), -E2BIG, "newer version");
	assert_refused(vc_pvpanic_create(&cfg.known, &dev), -E2BIG, "newer version");
	assert_null(dev);
}

static void ioapic_create_einval_e2big(void **state)
{
	struct {
		struct vc_ioapic_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_ioapic_create(&cfg.known, &dev), -E2BIG, "newer version");
	cfg.unknown = 0;
	assert_refused(vc_ioapic_create(&cfg.known, &dev), -EINVAL, "partition");
	assert_null(dev);
}

/* A partition of the fake back end, which has memory but no guest. */
struct bed {
	struct vc_host *host;
	struct vc_mem *mem;
	struct vc_partition *partition;
};

static void make_bed(struct bed *bed, enum vc_irqchip irqchip)
{
	struct vc_host_config host = { .size = sizeof(host), .backend = VC_BACKEND_FAKE };
	struct vc_partition_config cfg = { .size = sizeof(cfg), .irqchip = irqchip };

	assert_result(vc_host_open(&host, &bed->host), 0);
	assert_result(vc_mem_create(&bed->mem), 0);
	assert_result(vc_mem_freeze(bed->mem), 0);
	cfg.mem = bed->mem;
	assert_result(vc_partition_create(bed->host, &cfg, &bed->partition), 0);
}

static void free_bed(struct bed *bed)
{
	vc_partition_destroy(bed->partition);
	vc_mem_destroy(bed->mem);
	vc_host_close(bed->host);
}

static void ioapic_create_enotsup(void **state)
{
	static const enum vc_irqchip others[] = { VC_IRQCHIP_NONE, VC_IRQCHIP_KERNEL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct vc_ioapic_config cfg = { .size = sizeof(cfg) };
		struct bed bed;

		make_bed(&bed, others[i]);
		cfg.partition = bed.partition;
		assert_refused(vc_ioapic_create(&cfg, &dev), -ENOTSUP, "split");
		assert_null(dev);
		free_bed(&bed);
	}
}

/* The second one takes nothing away from the first, nor keeps the pins before the one taken. */
static void ioapic_create_eexist(void **state)
{
	struct vc_ioapic_config cfg = { .size = sizeof(cfg) };
	struct vc_device *first;
	struct vc_irq *pin;
	struct bed bed;

	(void)state;
	make_bed(&bed, VC_IRQCHIP_SPLIT);
	cfg.partition = bed.partition;
	assert_result(vc_irq_create_pin(bed.partition, 23, &pin), 0);
	assert_refused(vc_ioapic_create(&cfg, &dev), -EEXIST, "pin 23");
	vc_irq_destroy(pin);
	assert_result(vc_ioapic_create(&cfg, &first), 0);
	assert_refused(vc_ioapic_create(&cfg, &dev), -EEXIST, "pin 0");
	assert_null(dev);
	vc_device_destroy(first);
	assert_result(vc_ioapic_create(&cfg, &first), 0);
	vc_device_destroy(first);
	free_bed(&bed);
}

static void ioapic_set_level_eoi_einval(void **state)
{
	struct vc_request_config cfg = { .size = sizeof(cfg), .fn = ignore };
	struct vc_device *other;

	(void)state;
	assert_result(vc_pm_create(&cfg, &other), 0);
	assert_refused(vc_ioapic_set_level(other, 0, true), -EINVAL, "no I/O APIC");
	assert_refused(vc_ioapic_set_level(NULL, 0, true), -EINVAL, "no I/O APIC");
	assert_refused(vc_ioapic_eoi(other, 0x30), -EINVAL, "no I/O APIC");
	vc_device_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serial8250_create_einval_e2big),
		cmocka_unit_test(serial8250_create_ebusy),
		cmocka_unit_test(rtc_create_einval_e2big),
		cmocka_unit_test(rtc_create_emfile),
		cmocka_unit_test(requests_create_einval),
		cmocka_unit_test(requests_create_e2big),
		cmocka_unit_test(ioapic_create_einval_e2big),
		cmocka_unit_test(ioapic_create_enotsup),
		cmocka_unit_test(ioapic_create_eexist),
		cmocka_unit_test(ioapic_set_level_eoi_einval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
