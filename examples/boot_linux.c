/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boots a Linux kernel with its console on standard input and output, and says how it ended.
 *
 * usage: boot_linux KERNEL [INITRD [COMMAND-LINE]]
 * KERNEL is a bzImage or an ELF vmlinux. Ends with 0 when the guest powered itself off.
 */
#include <libvirtcore/libvirtcore.h>

#include <poll.h>
#include <stdio.h>

static void print_line(void *opaque, const char *line)
{
	fprintf(opaque, "boot_linux: %s\n", line);
}

/* One line for each fault of the configuration; their number. */
static void print_problem(void *opaque, const struct vc_problem *problem)
{
	fprintf(opaque, "boot_linux: %s: %s: %s\n", problem->subsystem, problem->object,
		problem->message);
}

static int add_console(struct vc_vm *vm)
{
	struct vc_stream_config cfg = {
		.size = sizeof(cfg),
		.kind = VC_STREAM_FDS,
		.in_fd = 0,
		.out_fd = 1,
	};
	struct vc_stream *stream;
	int r = vc_stream_open(&cfg, &stream);

	if (r < 0)
		return r;
	r = vc_vm_add_serial(vm, stream); /* the VM owns the stream from here on */
	if (r < 0)
		vc_stream_close(stream);
	return r;
}

/* Everything that the machine is made of; nothing is opened yet but the console. */
static int configure(struct vc_vm *vm, int argc, char **argv)
{
	struct vc_region_config ram = {
		.size = sizeof(ram),
		.kind = VC_REGION_ANON,
		.len_bytes = 512u << 20,
	};
	struct vc_boot_config boot = {
		.size = sizeof(boot),
		.kind = VC_BOOT_AUTO,
		.kernel.path = argv[1],
		.initrd.path = argc > 2 ? argv[2] : NULL,
		.cmdline = argc > 3 ? argv[3] : "console=ttyS0",
	};
	int r = vc_vm_add_ram(vm, &ram, 0);

	if (r == 0)
		r = add_console(vm);
	if (r >= 0)
		r = vc_vm_add_platform(vm, VC_PLATFORM_RTC | VC_PLATFORM_PM | VC_PLATFORM_PVPANIC);
	return r < 0 ? r : vc_vm_set_boot(vm, &boot);
}

/* Waits for the event that ends the guest; its kind, or -1. */
static int follow(struct vc_vm *vm)
{
	struct pollfd wait = { .fd = vc_vm_event_fd(vm), .events = POLLIN };
	struct vc_event event = { .size = sizeof(event) };

	for (;;) {
		if (poll(&wait, 1, -1) < 0)
			return -1;
		while (vc_vm_next_event(vm, &event) == 1) {
			fprintf(stderr, "boot_linux: guest %s%s%s\n", vc_event_name(event.kind),
				event.text[0] ? ": " : "", event.text);
			if (vc_vm_get_state(vm) == VC_VM_STOPPED)
				return (int)event.kind;
		}
	}
}

static int run(struct vc_vm *vm, int argc, char **argv)
{
	int r = configure(vm, argc, argv);

	if (r == 0 && vc_vm_check(vm, print_problem, stderr) != 0)
		return -1; /* every fault was told */
	if (r == 0)
		r = vc_vm_build(vm);
	if (r == 0)
		r = vc_vm_start(vm);
	if (r < 0) {
		fprintf(stderr, "boot_linux: %s\n", vc_error_message());
		return -1;
	}
	r = follow(vm);
	(void)vc_vm_explain(vm, print_line, stderr); /* says nothing after an orderly end */
	return r == VC_EVENT_POWERED_OFF ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct vc_vm_config cfg = {
		.size = sizeof(cfg),
		.name = "linux",
		.nr_vcpus = 2,
		.irqchip = VC_IRQCHIP_KERNEL,
	};
	struct vc_host *host = NULL;
	struct vc_vm *vm = NULL;
	int r = 1;

	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: boot_linux KERNEL [INITRD [COMMAND-LINE]]\n");
		return 1;
	}
	if (vc_host_open(NULL, &host) < 0 || vc_vm_create(host, &cfg, &vm) < 0)
		fprintf(stderr, "boot_linux: %s\n", vc_error_message());
	else
		r = run(vm, argc, argv) < 0;
	vc_vm_destroy(vm);
	vc_host_close(host);
	return r;
}
