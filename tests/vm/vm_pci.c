/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI on a real hypervisor: a guest finds a card, moves its BAR with the doorbell in it, and takes its
 * interrupts as messages, by eventfd, masked, and by INTA#. `long`: 10,000 moves.
 */
#include "machine.h"

#include <libvirtcore/pci.h>

#include <sys/eventfd.h>

struct card {
	struct vc_device dev;
	struct vc_pci_function *pci;
	uint32_t scratch, nr_rings;
	int bell;
};

static void read_register(struct card *card, struct vc_access *access)
{
	eventfd_t nr = 0;

	if (access->off == 12)
		access->value = card->scratch;
	if (access->off == 16) {
		if (eventfd_read(card->bell, &nr) == 0)
			card->nr_rings += (uint32_t)nr;
		access->value = card->nr_rings;
	}
}

static void card_access(struct vc_device *dev, struct vc_access *access)
{
	struct card *card = vc_container_of(dev, struct card, dev);
	uint32_t value = (uint32_t)access->value;

	if (!access->is_write)
		read_register(card, access);
	else if (access->off == 0)
		(void)vc_pci_function_set_intx(card->pci, value & 1);
	else if (access->off == 4)
		(void)vc_pci_function_raise(card->pci, value);
	else if (access->off == 8)
		(void)eventfd_write(vc_pci_function_vector_fd(card->pci, value), 1);
	else if (access->off == 12)
		card->scratch = value;
	else
		card->nr_rings += 1000000; /* a doorbell's write, which is not to come here */
}

static void card_reset(struct vc_device *dev)
{
	(void)dev;
}

static int card_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	int r = vc_state_begin(writer, dev->name, 1);

	return r < 0 ? r : vc_state_end(writer);
}

static int card_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	uint32_t version;
	int r = vc_state_open(reader, dev->name, 1, &version);

	return r < 0 ? r : vc_state_close(reader);
}

static void card_destroy(struct vc_device *dev)
{
	struct card *card = vc_container_of(dev, struct card, dev);

	vc_pci_function_destroy(card->pci);
	vc_device_fini(dev);
}

static const struct vc_device_ops card_ops = {
	.type = "card",
	.access = card_access,
	.reset = card_reset,
	.save = card_save,
	.load = card_load,
	.destroy = card_destroy,
};

static void add_card(struct machine *m, struct card *card)
{
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .off = 0x40, .len = 4 };
	struct vc_pci_function_config cfg = {
		.size = sizeof(cfg),
		.dev = &card->dev,
		.vendor_id = 0x1b36,
		.device_id = 0x0005,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM32, .len = 0x10000 } },
		.nr_vectors = 4,
		.msix_off = 0x8000,
	};

	assert_result(vc_device_init(&card->dev, &card_ops, "card"), 0);
	assert_result(vc_pci_function_create(&cfg, &card->pci), 0);
	card->bell = vc_pci_function_add_doorbell(card->pci, &bell);
	assert_true(card->bell >= 0);
	assert_int_equal(vc_vm_add_pci(m->vm, card->pci, 5), 5);
}

static void drive(enum vc_irqchip irqchip, uint64_t moves)
{
	char line[64];
	struct machine_config cfg = { .guest = "pci.elf", .cmdline = line, .vm.irqchip = irqchip };
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct card card = { .scratch = 0 };
	struct machine m;

	snprintf(line, sizeof(line), "count=20 pin=17 moves=%llu", (unsigned long long)moves);
	machine_make(&m, &cfg);
	add_card(&m, &card);
	assert_result(vc_vm_build(m.vm), 0);
	assert_result(vc_vm_start(m.vm), 0);
	machine_done(&m, 0);
	assert_true(console_has(&m, "pci slot=5 bar=0x10000"));
	assert_int_equal(console_number(&m, "pci msix="), 40);
	/* with ring 0 emulated a level comes twice now and then, in the lab never */
	assert_in_range(console_number(&m, "pci intx="), 21, is_in_lab() ? 21 : 42);
	assert_int_equal(console_number(&m, "pci rings="), moves);
	assert_result(vc_vm_get_stats(m.vm, &stats), 0);
	print_message("%llu moves, %llu MMIO exits, INTA# %llu times\n", (unsigned long long)moves,
		      (unsigned long long)stats.nr_exits[VC_EXIT_MMIO],
		      (unsigned long long)console_number(&m, "pci intx="));
	machine_free(&m);
}

static uint64_t nr_moves = 60;

static void kernel_irqchip(void **state)
{
	(void)state;
	drive(VC_IRQCHIP_KERNEL, nr_moves);
}

static void split_irqchip(void **state)
{
	(void)state;
	drive(VC_IRQCHIP_SPLIT, nr_moves);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_irqchip),
		cmocka_unit_test(split_irqchip),
	};

	need_kvm();
	if (argc > 1 && strcmp(argv[1], "long") == 0)
		nr_moves = 10000;
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
