/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The errors of pci.h that the unit tests of src/devices/pci* leave over: configs of another version.
 * Windows, slots, BARs, vectors, doorbells and capabilities are refused in test_pci and its neighbours.
 */
#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/pci.h>
#include <libvirtcore/platform.h>

#include <errno.h>

static void ignore(void *opaque, enum vc_request request, uint64_t code)
{
	(void)opaque;
	(void)request;
	(void)code;
}

static struct vc_device *make(void)
{
	struct vc_request_config cfg = { .size = sizeof(cfg), .fn = ignore };
	struct vc_device *dev;

	assert_result(vc_pm_create(&cfg, &dev), 0);
	return dev;
}

static void newer_configs(void **state)
{
	struct {
		struct vc_pci_function_config known;
		uint64_t more;
	} function = { .known = { .size = sizeof(function) }, .more = 1 };
	struct {
		struct vc_pci_capability known;
		uint64_t more;
	} cap = { .known = { .size = sizeof(cap) }, .more = 1 };
	struct {
		struct vc_pci_doorbell known;
		uint64_t more;
	} bell = { .known = { .size = sizeof(bell) }, .more = 1 };
	struct {
		struct vc_pci_bridge_config known;
		uint64_t more;
	} bridge = { .known = { .size = sizeof(bridge) }, .more = 1 };
	struct vc_device *dev = make(), *none = NULL;
	struct vc_pci_function *pci = NULL;

	(void)state;
	function.known.dev = dev;
	assert_refused(vc_pci_function_create(&function.known, &pci), -E2BIG, "newer");
	assert_null(pci);
	function.more = 0; /* a newer program that asks for nothing new */
	assert_result(vc_pci_function_create(&function.known, &pci), 0);
	assert_refused(vc_pci_function_add_capability(pci, &cap.known), -E2BIG, "newer");
	assert_refused(vc_pci_function_add_doorbell(pci, &bell.known), -E2BIG, "newer");
	assert_refused(vc_pci_bridge_create(&bridge.known, &none), -E2BIG, "newer");
	assert_null(none);
	vc_pci_function_destroy(pci);
	vc_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(newer_configs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
