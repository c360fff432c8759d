/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boots a Linux kernel with PCI: a test card (memory, ports, MSI-X, INTA#) in slot 1, in slot 2 a UART
 * of the library's put behind a function as it is, with its interrupt on INTA#, and in slot 3 a virtio
 * entropy source (of letters) that a ring's thread serves. Through the public API alone, as a program
 * of somebody else's would.
 *
 * usage: pci_guest KERNEL INITRD COMMAND-LINE [kernel|split]
 * Ends with 0 when the guest powered itself off. What comes out of the UART is printed as `uart: ...`.
 */
#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/libvirtcore.h>
#include <libvirtcore/pci.h>
#include <libvirtcore/ring.h>
#include <libvirtcore/snapshot.h>
#include <libvirtcore/virtio.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/*
 * Registers of the card in BAR 0, 32 bits each: 0 drives INTA# with bit 0, 4 sends the vector that is
 * written, 8 counts the accesses, 12 holds what is written. BAR 2 is memory beyond 4 GiB that answers
 * with its offset; BAR 1 is ports that answer with theirs.
 */
struct card {
	struct vc_device dev;
	struct vc_pci_function *pci;
	uint32_t nr_accesses, scratch;
};

static void access_registers(struct card *card, struct vc_access *access)
{
	uint32_t value = (uint32_t)access->value;

	card->nr_accesses++;
	if (!access->is_write)
		access->value = access->off == 8    ? card->nr_accesses
				: access->off == 12 ? card->scratch
						    : 0;
	else if (access->off == 0)
		(void)vc_pci_function_set_intx(card->pci, value & 1);
	else if (access->off == 4)
		(void)vc_pci_function_raise(card->pci, value);
	else if (access->off == 12)
		card->scratch = value;
}

static void card_access(struct vc_device *dev, struct vc_access *access)
{
	struct card *card = vc_container_of(dev, struct card, dev);

	if (access->range == 0)
		access_registers(card, access);
	else if (!access->is_write)
		access->value = access->off;
}

static void card_reset(struct vc_device *dev)
{
	struct card *card = vc_container_of(dev, struct card, dev);

	(void)vc_pci_function_set_intx(card->pci, false);
	card->nr_accesses = card->scratch = 0;
}

static int card_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	struct card *card = vc_container_of(dev, struct card, dev);
	int r = vc_state_begin(writer, dev->name, 1);

	if (r < 0)
		return r;
	vc_state_put_u64(writer, card->scratch, 4);
	return vc_state_end(writer);
}

static int card_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct card *card = vc_container_of(dev, struct card, dev);
	uint32_t version;
	int r = vc_state_open(reader, dev->name, 1, &version);

	if (r < 0)
		return r;
	card->scratch = (uint32_t)vc_state_get_u64(reader, 4);
	return vc_state_close(reader);
}

static void card_destroy(struct vc_device *dev)
{
	struct card *card = vc_container_of(dev, struct card, dev);

	vc_pci_function_destroy(card->pci);
	vc_device_fini(dev);
	free(card);
}

static const struct vc_device_ops card_ops = {
	.type = "card",
	.access = card_access,
	.reset = card_reset,
	.save = card_save,
	.load = card_load,
	.destroy = card_destroy,
};

static int add_card(struct vc_vm *vm)
{
	struct vc_pci_function_config cfg = {
		.size = sizeof(cfg),
		.vendor_id = 0x1b36,
		.device_id = 0x0005, /* PCI test device */
		.class_code = 0x00ff00,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_MEM32, .len = 0x2000 },
			  { .kind = VC_PCI_BAR_IO, .len = 32 },
			  { .kind = VC_PCI_BAR_MEM64, .is_prefetchable = true, .len = 1 << 20 } },
		.nr_vectors = 4,
		.msix_off = 0x1000,
	};
	struct card *card = calloc(1, sizeof(*card));
	int r = card ? vc_device_init(&card->dev, &card_ops, "card") : -ENOMEM;

	cfg.dev = card ? &card->dev : NULL;
	if (r == 0)
		r = vc_pci_function_create(&cfg, &card->pci);
	if (r == 0)
		r = vc_vm_add_pci(vm, card->pci, 1);
	if (r < 0 && card)
		card_destroy(&card->dev);
	return r;
}

struct line {
	char text[128];
	size_t len;
};

static ssize_t print_uart(void *opaque, const void *buf, size_t len)
{
	struct line *line = opaque;

	for (size_t i = 0; i < len; i++) {
		char c = ((const char *)buf)[i];

		if (c >= ' ' && line->len < sizeof(line->text))
			line->text[line->len++] = c;
		if (c != '\n')
			continue;
		printf("uart: %.*s\n", (int)line->len, line->text);
		line->len = 0;
	}
	return (ssize_t)len;
}

static int drive_intx(void *opaque, uint32_t pin, bool is_high)
{
	struct vc_pci_function **pci = opaque;

	(void)pin;
	return *pci ? vc_pci_function_set_intx(*pci, is_high) : 0;
}

static const struct vc_stream_ops uart_end = { .write = print_uart };
static const struct vc_irq_ops uart_intx = { .set_level = drive_intx };

struct uart {
	struct vc_pci_function *pci;
	struct vc_irq *irq;
	struct line line;
};

static int add_uart(struct vc_vm *vm, struct uart *uart)
{
	struct vc_stream_config far = {
		.size = sizeof(far), .kind = VC_STREAM_OPS, .ops = &uart_end, .opaque = &uart->line
	};
	struct vc_serial8250_config cfg = { .size = sizeof(cfg), .name = "pci-uart" };
	struct vc_pci_function_config pci = {
		.size = sizeof(pci),
		.vendor_id = 0x1b36,
		.device_id = 0x0002, /* PCI 16550A */
		.class_code = 0x070002,
		.has_intx = true,
		.bars = { { .kind = VC_PCI_BAR_IO, .len = 8 } },
	};
	int r = vc_irq_create_ops(&uart_intx, &uart->pci, 0, &uart->irq);

	cfg.irq = uart->irq;
	if (r == 0)
		r = vc_stream_open(&far, &cfg.stream);
	if (r == 0)
		r = vc_serial8250_create(&cfg, &pci.dev);
	if (r == 0)
		r = vc_pci_function_create(&pci, &uart->pci);
	return r < 0 ? r : vc_vm_add_pci(vm, uart->pci, 2);
}

#define RNG_SLICES 16u

struct rng {
	struct vc_virtio v;
	uint64_t nr_bytes;
};

static uint64_t rng_features(struct vc_virtio *v)
{
	(void)v;
	return VC_VIRTIO_F_IN_ORDER;
}

static bool rng_kick(struct vc_virtio *v, uint32_t queue)
{
	struct rng *rng = vc_container_of(v, struct rng, v);
	struct vc_slice slices[RNG_SLICES];
	struct vc_virtq_chain chain = { .slices = slices, .max_slices = RNG_SLICES };

	while (vc_virtio_pop(v, queue, &chain) == 1) {
		for (uint32_t i = 0; i < chain.nr_writable; i++) {
			char *at = slices[chain.nr_readable + i].ptr;

			for (uint64_t k = 0; k < slices[chain.nr_readable + i].len; k++)
				at[k] = (char)('a' + rng->nr_bytes++ % 26);
		}
		(void)vc_virtio_push(v, queue, &chain, (uint32_t)chain.writable_bytes);
	}
	return true;
}

static int rng_save(struct vc_virtio *v, struct vc_state_writer *writer)
{
	(void)v;
	(void)writer;
	return 0;
}

static int rng_load(struct vc_virtio *v, struct vc_state_reader *reader)
{
	(void)v;
	(void)reader;
	return 0;
}

static void rng_destroy(struct vc_virtio *v)
{
	vc_virtio_fini(v);
	free(vc_container_of(v, struct rng, v));
}

static const struct vc_virtio_ops rng_ops = {
	.type = "virtio-rng",
	.id = 4,
	.features = rng_features,
	.kick = rng_kick,
	.save = rng_save,
	.load = rng_load,
	.destroy = rng_destroy,
};

static int add_rng(struct vc_vm *vm, struct vc_ring *ring)
{
	struct vc_virtio_config cfg = { .size = sizeof(cfg),
					.name = "rng0",
					.mem = vc_vm_mem(vm),
					.nr_queues = 1,
					.rings = &ring,
					.nr_rings = 1 };
	struct vc_pci_function *pci;
	struct rng *rng = calloc(1, sizeof(*rng));
	int r = rng ? vc_virtio_init(&rng->v, &rng_ops, &cfg) : -ENOMEM;

	if (r < 0) {
		free(rng);
		return r;
	}
	r = vc_virtio_pci_attach(&rng->v, &pci);
	if (r == 0)
		r = vc_vm_add_pci(vm, pci, 3);
	if (r < 0)
		rng_destroy(&rng->v);
	return r;
}

static int configure(struct vc_vm *vm, char **argv, struct uart *uart, struct vc_ring *ring)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 512u << 20 };
	struct vc_boot_config boot = { .size = sizeof(boot),
				       .kernel.path = argv[1],
				       .initrd.path = argv[2],
				       .cmdline = argv[3] };
	struct vc_stream_config console = {
		.size = sizeof(console), .kind = VC_STREAM_FDS, .in_fd = 0, .out_fd = 1
	};
	struct vc_stream *stream;
	int r = vc_vm_add_ram(vm, &ram, 0);

	if (r == 0)
		r = vc_stream_open(&console, &stream);
	if (r == 0)
		r = vc_vm_add_serial(vm, stream);
	if (r >= 0)
		r = vc_vm_add_platform(vm, VC_PLATFORM_RTC | VC_PLATFORM_PM);
	if (r >= 0)
		r = add_card(vm);
	if (r >= 0)
		r = add_uart(vm, uart);
	if (r >= 0)
		r = add_rng(vm, ring);
	return r < 0 ? r : vc_vm_set_boot(vm, &boot);
}

static int run(struct vc_vm *vm)
{
	struct pollfd wait = { .fd = vc_vm_event_fd(vm), .events = POLLIN };
	struct vc_event event = { .size = sizeof(event) };

	while (poll(&wait, 1, -1) >= 0) {
		while (vc_vm_next_event(vm, &event) == 1) {
			fprintf(stderr, "pci_guest: %s %s\n", vc_event_name(event.kind),
				event.text);
			if (vc_vm_get_state(vm) == VC_VM_STOPPED)
				return event.kind == VC_EVENT_POWERED_OFF ? 0 : 1;
		}
	}
	return 1;
}

static void print(void *opaque, const char *line)
{
	(void)opaque;
	if (strstr(line, "pci") || strstr(line, "acpi"))
		fprintf(stderr, "pci_guest: %s\n", line);
}

int main(int argc, char **argv)
{
	struct vc_vm_config cfg = {
		.size = sizeof(cfg),
		.nr_vcpus = 2,
		.irqchip = argc > 4 && strcmp(argv[4], "split") == 0 ? VC_IRQCHIP_SPLIT
								     : VC_IRQCHIP_KERNEL,
	};
	struct vc_ring_config ring_cfg = { .size = sizeof(ring_cfg), .nr_workers = 1 };
	struct vc_ring *ring = NULL;
	struct vc_host *host = NULL;
	struct vc_vm *vm = NULL;
	struct uart uart = { NULL, NULL, { "", 0 } };
	int code = 1;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc < 4 || vc_host_open(NULL, &host) < 0 || vc_vm_create(host, &cfg, &vm) < 0 ||
	    vc_ring_create(&ring_cfg, &ring) < 0 || vc_ring_start(ring) < 0 ||
	    configure(vm, argv, &uart, ring) < 0 || vc_vm_describe(vm, print, NULL) < 0 ||
	    vc_vm_build(vm) < 0 || vc_vm_start(vm) < 0)
		fprintf(stderr, "pci_guest: %s\n", vc_error_message());
	else
		code = run(vm);
	vc_vm_destroy(vm);
	if (ring) {
		(void)vc_ring_stop(ring);
		(void)vc_ring_join(ring);
	}
	vc_ring_put(ring);
	vc_pci_function_destroy(uart.pci);
	vc_irq_destroy(uart.irq);
	vc_host_close(host);
	return code;
}
