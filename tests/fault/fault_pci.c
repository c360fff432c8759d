/* SPDX-License-Identifier: Apache-2.0 */
/* pci: every allocation and system call of a host bridge with a function fails once. */
#include "fault.h"
#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/fake.h>
#include <libvirtcore/host.h>
#include <libvirtcore/mem.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/pci.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>

static void ignore(void *opaque, enum vc_request request, uint64_t code)
{
	(void)opaque;
	(void)request;
	(void)code;
}

/* A partition of the fake back end, a host bridge over it, and a function with everything. */
static int make_function(struct vc_device *dev, struct vc_pci_function **ret_pci)
{
	static const uint8_t body[6];
	const struct vc_pci_capability cap = {
		.size = sizeof(cap), .id = 9, .len = 8, .bytes = body
	};
	const struct vc_pci_doorbell bell = { .size = sizeof(bell), .len = 2 };
	const struct vc_pci_function_config cfg = {
		.size = sizeof(cfg),
		.dev = dev,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM32, .len = 0x1000 } },
		.nr_vectors = 3,
		.msix_off = 0x800,
	};
	int r = vc_pci_function_create(&cfg, ret_pci);

	if (r == 0)
		r = vc_pci_function_add_capability(*ret_pci, &cap);
	if (r >= 0)
		r = vc_pci_function_add_doorbell(*ret_pci, &bell);
	return r < 0 ? r : 0;
}

struct pci_bed {
	struct vc_partition *partition;
	struct vc_device *dev;
};

static int load_from(struct vc_device *bridge)
{
	struct vc_state_writer *writer = NULL;
	struct vc_state_reader *reader = NULL;
	const void *bytes;
	size_t len;
	int r = vc_state_writer_create(VC_ARCH_X86_64, &writer);

	if (r == 0)
		r = vc_device_save(bridge, writer);
	if (r == 0)
		r = vc_state_finish(writer, &bytes, &len);
	if (r == 0)
		r = vc_state_reader_create(bytes, len, VC_ARCH_X86_64, &reader);
	if (r == 0)
		r = vc_device_load(bridge, reader);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	return r;
}

static int make_pci(void *opaque)
{
	const struct pci_bed *bed = opaque;
	const struct vc_pci_bridge_config cfg = { .size = sizeof(cfg),
						  .partition = bed->partition };
	struct vc_pci_function *pci = NULL;
	struct vc_device *bridge = NULL;
	int r = make_function(bed->dev, &pci);

	if (r == 0)
		r = vc_pci_bridge_create(&cfg, &bridge);
	if (r == 0)
		r = vc_pci_bridge_attach(bridge, pci, 1);
	if (r == 0)
		r = vc_pci_function_vector_fd(pci, 1);
	if (r >= 0)
		r = load_from(bridge);
	fault_may_survive();
	vc_device_destroy(bridge);
	vc_pci_function_destroy(pci);
	return r;
}

static void bridge_and_function(void **state)
{
	struct vc_fake_script script = { NULL, NULL, 0, 0 };
	struct vc_host_config hcfg = { .size = sizeof(hcfg),
				       .backend = VC_BACKEND_FAKE,
				       .fake = &script };
	struct vc_partition_config pcfg = { .size = sizeof(pcfg),
					    .irqchip = VC_IRQCHIP_SPLIT,
					    .max_vcpus = 1 };
	struct vc_request_config ask = { .size = sizeof(ask), .fn = ignore };
	static const char *const may_survive[] = { "read", NULL }; /* of an empty eventfd */
	struct fault_config fault = { .fn = make_pci, .may_survive = may_survive };
	struct pci_bed bed;
	struct vc_host *host;
	struct vc_mem *mem;

	(void)state;
	assert_result(vc_host_open(&hcfg, &host), 0);
	assert_result(vc_mem_create(&mem), 0);
	assert_result(vc_mem_freeze(mem), 0);
	pcfg.mem = mem;
	assert_result(vc_partition_create(host, &pcfg, &bed.partition), 0);
	assert_result(vc_pm_create(&ask, &bed.dev), 0);
	fault.opaque = &bed;
	assert_true(fault_each(&fault) >= 15);
	vc_device_destroy(bed.dev);
	vc_partition_destroy(bed.partition);
	vc_mem_destroy(mem);
	vc_host_close(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bridge_and_function) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
