/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COUNT writes to the UART's data register through the whole stack on the fake back end, output to
 * /dev/null. bench/run counts its instructions with callgrind: exit to next entry is what
 * vc_vm_run_vcpu() costs, less what vc__fake_vcpu_run() costs inside it.
 * usage: uart_fake COUNT [null]   null: no stream behind the UART
 */
#include <libvirtcore/fake.h>
#include <libvirtcore/libvirtcore.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t code[] = { 0xf4 };

static int build(struct vc_vm *vm, struct vc_stream *stream)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 2u << 20 };
	struct vc_boot_config boot = { sizeof(boot), .kernel = { .buf = code, .len = sizeof(code) },
				       .kind = VC_BOOT_FLAT };
	int r;

	boot.flat_gpa = 0x100000;
	boot.flat_mode = VC_FLAT_LONG_64_USER;
	(void)((r = vc_vm_add_ram(vm, &ram, 0)) < 0 || (r = vc_vm_add_serial(vm, stream)) < 0 ||
	       (r = vc_vm_set_boot(vm, &boot)) < 0 || (r = vc_vm_build(vm)) < 0 ||
	       (r = vc_vm_start(vm)) < 0);
	return r;
}

int main(int argc, char **argv)
{
	size_t nr = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct vc_fake_step *steps = calloc(nr + 1, sizeof(*steps));
	const struct vc_fake_step *list[] = { steps };
	const size_t lens[] = { nr + 1 };
	struct vc_fake_script script = { list, lens, 1, 0 };
	struct vc_host_config host_cfg = { sizeof(host_cfg), VC_BACKEND_FAKE, .fake = &script };
	struct vc_vm_config cfg = { sizeof(cfg), .nr_vcpus = 1, .irqchip = VC_IRQCHIP_KERNEL };
	struct vc_stream_config out = { sizeof(out), VC_STREAM_FDS, .in_fd = -1, .out_fd = null };
	struct vc_stream *stream = NULL;
	struct vc_host *host = NULL;
	struct vc_vm *vm = NULL;
	int r;

	if (nr == 0 || null < 0 || !steps) {
		fprintf(stderr, "usage: uart_fake COUNT [null]\n");
		return 2;
	}
	for (size_t i = 0; i < nr; i++)
		steps[i] = (struct vc_fake_step){ .kind = VC_EXIT_PIO,
						  .size = 1,
						  .is_write = true,
						  .addr = 0x3f8,
						  .value = 'x' };
	steps[nr].kind = VC_EXIT_POWER_OFF;
	cfg.runner = VC_RUNNER_CALLER;
	if (argc > 2 && !strcmp(argv[2], "null"))
		out = (struct vc_stream_config){ sizeof(out), VC_STREAM_NULL, -1,  -1,
						 NULL,	      NULL,	      NULL };
	(void)((r = vc_host_open(&host_cfg, &host)) < 0 ||
	       (r = vc_stream_open(&out, &stream)) < 0 || (r = vc_vm_create(host, &cfg, &vm)) < 0 ||
	       (r = build(vm, stream)) < 0 || (r = vc_vm_run_vcpu(vm, 0)) < 0);
	if (r < 0)
		fprintf(stderr, "uart_fake: %s\n", vc_error_message());
	vc_vm_destroy(vm);
	vc_host_close(host);
	free(steps);
	return r < 0;
}
