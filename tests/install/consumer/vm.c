/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses all of libvirtcore: a VM is made, checked, and thrown away. */
#include <libvirtcore/libvirtcore.h>

#include <stdio.h>
#include <string.h>

static void say(void *opaque, const struct vc_problem *problem)
{
	(void)opaque;
	printf("vm: %s: %s\n", problem->subsystem, problem->message);
}

int main(void)
{
	struct vc_host_config host_cfg;
	struct vc_vm_config cfg;
	struct vc_host *host = 0;
	struct vc_vm *vm = 0;
	int ok;

	memset(&host_cfg, 0, sizeof(host_cfg));
	host_cfg.size = sizeof(host_cfg);
	host_cfg.backend = VC_BACKEND_FAKE;
	memset(&cfg, 0, sizeof(cfg));
	cfg.size = sizeof(cfg);
	ok = !vc_host_open(&host_cfg, &host) && !vc_vm_create(host, &cfg, &vm) &&
	     vc_vm_check(vm, say, 0) > 0;
	vc_vm_destroy(vm);
	vc_host_close(host);
	printf("vm: %s\n", ok ? "ok" : "failed");
	return !ok;
}
