/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses libvirtcore-cpu: the fake back end opens on every machine. */
#include <libvirtcore/host.h>
#include <libvirtcore/vcpu_state.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct vc_host_config cfg;
	struct vc_host *host = 0;
	int ok;

	memset(&cfg, 0, sizeof(cfg));
	cfg.size = sizeof(cfg);
	cfg.backend = VC_BACKEND_FAKE;
	ok = !vc_host_open(&cfg, &host) && vc_host_backend(host) == VC_BACKEND_FAKE;
	vc_host_close(host);
	printf("cpu: %s %s\n", vc_exit_name(VC_EXIT_PIO), ok ? "ok" : "failed");
	return !ok;
}
