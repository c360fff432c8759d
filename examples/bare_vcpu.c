/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU and nothing else: no devices, no loader, no threads of the library's; links only the
 * memory and the CPU layer. The guest is 13 bytes in real mode that multiply what they read from
 * port 0x10 and write the product to port 0x11 until they read 0, then halt.
 *
 * usage: bare_vcpu [NUMBER...]      prints the square of each; 0 is a success.
 */
#include <libvirtcore/error.h>
#include <libvirtcore/host.h>
#include <libvirtcore/mem.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/vcpu.h>
#include <libvirtcore/vcpu_state.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES 0x10000u
#define ENTRY	  0x1000u

/* again: in al,0x10; test al,al; jz end; mul al; out 0x11,ax; jmp again; end: hlt */
static const uint8_t guest[] = { 0xe4, 0x10, 0x84, 0xc0, 0x74, 0x06, 0xf6,
				 0xe0, 0xe7, 0x11, 0xeb, 0xf4, 0xf4 };

struct machine {
	struct vc_host *host;
	struct vc_mem *mem;
	struct vc_partition *partition;
	struct vc_vcpu *vcpu;
};

static int make_memory(struct machine *m)
{
	struct vc_region_config cfg = { .size = sizeof(cfg), .len_bytes = RAM_BYTES };
	struct vc_region *region = NULL;
	int r;

	if ((r = vc_mem_create(&m->mem)) < 0 || (r = vc_region_create(&cfg, &region)) < 0)
		return r;
	r = vc_mem_map(m->mem, region, 0, 0);
	vc_region_put(region); /* the map holds it now */
	if (r < 0 || (r = vc_mem_freeze(m->mem)) < 0)
		return r;
	return vc_mem_write(m->mem, ENTRY, guest, sizeof(guest));
}

static int make_machine(struct machine *m)
{
	struct vc_partition_config cfg = { .size = sizeof(cfg) };
	struct vc_vcpu_config vcpu = { .size = sizeof(vcpu) };
	struct vc_x86_regs regs = { .rip = ENTRY, .rflags = 2 };
	struct vc_x86_sregs sregs;
	int r;

	if ((r = vc_host_open(NULL, &m->host)) < 0 || (r = make_memory(m)) < 0)
		return r;
	cfg.mem = m->mem;
	if ((r = vc_partition_create(m->host, &cfg, &m->partition)) < 0 ||
	    (r = vc_vcpu_create(m->partition, &vcpu, &m->vcpu)) < 0 ||
	    (r = vc_vcpu_get_regs(m->vcpu, NULL, &sregs)) < 0)
		return r;
	sregs.cs.base = 0; /* after reset it is at the end of the first 4 GiB */
	sregs.cs.selector = 0;
	return vc_vcpu_set_regs(m->vcpu, &regs, &sregs);
}

/* Runs the guest on the calling thread until it halts. */
static int run(struct vc_vcpu *vcpu, char **numbers)
{
	struct vc_exit *exit;
	uint16_t product;
	int r = vc_vcpu_attach(vcpu);

	while (r == 0 && (r = vc_vcpu_run(vcpu, &exit)) == 0 && exit->kind != VC_EXIT_HALT) {
		if (exit->kind == VC_EXIT_INTERRUPTED)
			continue;
		if (exit->kind != VC_EXIT_PIO) {
			fprintf(stderr, "bare_vcpu: exit %s\n", vc_exit_name(exit->kind));
			r = 1;
		} else if (exit->is_write) {
			memcpy(&product, exit->data, sizeof(product));
			printf("%u\n", product);
		} else {
			*(uint8_t *)exit->data = *numbers ? (uint8_t)atoi(*numbers++) : 0;
		}
	}
	(void)vc_vcpu_detach(vcpu);
	return r;
}

int main(int argc, char **argv)
{
	struct machine m = { 0 };
	int r = make_machine(&m);

	(void)argc;
	if (r == 0)
		r = run(m.vcpu, argv + 1);
	if (r < 0)
		fprintf(stderr, "bare_vcpu: %s\n", vc_error_message());
	vc_vcpu_destroy(m.vcpu);
	vc_partition_destroy(m.partition);
	vc_mem_destroy(m.mem);
	vc_host_close(m.host);
	return r != 0;
}
