/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest virtual machine: one vCPU, a serial port, and 14 bytes of guest that print '!'.
 * usage: hello [GUEST]   GUEST: another guest, an ELF file with a PVH note or flat code.
 * Ends with what the guest wrote to its debug-exit port, or with 1 and a line that says why.
 */
#include <libvirtcore/libvirtcore.h>

#include <stdio.h>

static const uint8_t guest_code[] = {
	0xb6, 0x03, 0xb2, 0xf8, /* mov $0x3f8, %dx */
	0xb0, '!',  0xee,	/* mov $'!', %al; out %al, %dx: to the serial port */
	0xb0, 0x00, 0xe6, 0xf4, /* mov $0, %al; out %al, $0xf4: exit with 0 */
	0xf4, 0xeb, 0xfd,	/* hlt, for ever */
};

static int run(struct vc_vm *vm, const char *path)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 128u << 20 };
	struct vc_stream_config out = { sizeof(out), VC_STREAM_FDS, .in_fd = -1, .out_fd = 1 };
	struct vc_boot_config boot = { sizeof(boot), .kernel.path = path };
	struct vc_stream *stream;
	int r;

	if (path == NULL)
		boot.kernel = (struct vc_source){ .buf = guest_code, .len = sizeof(guest_code) };
	if (vc_boot_probe(&boot.kernel, &boot.kind) < 0) { /* no format that has a header */
		boot.kind = VC_BOOT_FLAT;
		boot.flat_gpa = 0x100000;
		boot.flat_mode = path != NULL ? VC_FLAT_LONG_64_USER : VC_FLAT_PROTECTED_32;
	}
	(void)((r = vc_vm_add_ram(vm, &ram, 0)) < 0 || (r = vc_stream_open(&out, &stream)) < 0 ||
	       (r = vc_vm_add_serial(vm, stream)) < 0 ||
	       (r = vc_vm_add_platform(vm, VC_PLATFORM_DEBUG_EXIT | VC_PLATFORM_PM)) < 0 ||
	       (r = vc_vm_set_boot(vm, &boot)) < 0 || (r = vc_vm_build(vm)) < 0 ||
	       (r = vc_vm_start(vm)) < 0 || (r = vc_vm_wait(vm, -1)) < 0);
	return r;
}

int main(int argc, char **argv)
{
	struct vc_vm_config cfg = { sizeof(cfg), .nr_vcpus = 1, .irqchip = VC_IRQCHIP_KERNEL };
	struct vc_event event = { .size = sizeof(event) };
	struct vc_host *host = NULL;
	struct vc_vm *vm = NULL;

	if (vc_host_open(NULL, &host) < 0 || vc_vm_create(host, &cfg, &vm) < 0 ||
	    run(vm, argc > 1 ? argv[1] : NULL) < 0)
		fprintf(stderr, "hello: %s\n", vc_error_message());
	else if (vc_vm_next_event(vm, &event) == 1 && event.kind != VC_EVENT_DEBUG_EXIT)
		fprintf(stderr, "hello: %s: %s\n", vc_event_name(event.kind), event.text);
	vc_vm_destroy(vm);
	vc_host_close(host);
	return event.kind == VC_EVENT_DEBUG_EXIT ? (int)event.code : 1;
}
