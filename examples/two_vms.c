/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two virtual machines side by side in one process, each with a console of the program's own, and
 * afterwards the process as it was: the same open files and threads.
 *
 * usage: two_vms GUEST   (an ELF guest that prints a line and exits, e.g. tests/guests' hello.elf)
 */
#include <libvirtcore/libvirtcore.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* The far end of a console: keeps what the guest printed. */
struct capture {
	char text[256];
	size_t len;
};

/* Called on the VM's vCPU thread; main() reads the text only after that thread has gone. */
static ssize_t capture_write(void *opaque, const void *buf, size_t len)
{
	struct capture *capture = opaque;
	size_t room = sizeof(capture->text) - 1 - capture->len;
	size_t nr = len < room ? len : room;

	memcpy(capture->text + capture->len, buf, nr);
	capture->len += nr;
	return (ssize_t)len;
}

static const struct vc_stream_ops capture_ops = { .write = capture_write };

static int configure(struct vc_vm *vm, const char *path, const char *cmdline,
		     struct capture *capture)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 16u << 20 };
	struct vc_stream_config console = {
		.size = sizeof(console),
		.kind = VC_STREAM_OPS,
		.ops = &capture_ops,
		.opaque = capture,
	};
	struct vc_boot_config boot = {
		.size = sizeof(boot),
		.kernel.path = path,
		.cmdline = cmdline,
	};
	struct vc_stream *stream;
	int r = vc_vm_add_ram(vm, &ram, 0);

	if (r == 0)
		r = vc_stream_open(&console, &stream);
	if (r < 0)
		return r;
	r = vc_vm_add_serial(vm, stream);
	if (r < 0) {
		vc_stream_close(stream); /* not taken: still ours */
		return r;
	}
	r = vc_vm_add_platform(vm, VC_PLATFORM_DEBUG_EXIT);
	return r < 0 ? r : vc_vm_set_boot(vm, &boot);
}

static int start(struct vc_host *host, const char *path, const char *name, struct capture *capture,
		 struct vc_vm **ret_vm)
{
	struct vc_vm_config cfg = {
		.size = sizeof(cfg), .name = name, .nr_vcpus = 1, .irqchip = VC_IRQCHIP_SPLIT
	};
	char cmdline[64];
	int r = vc_vm_create(host, &cfg, ret_vm);

	if (r < 0)
		return r;
	snprintf(cmdline, sizeof(cmdline), "text=%s", name);
	r = configure(*ret_vm, path, cmdline, capture);
	if (r == 0)
		r = vc_vm_build(*ret_vm);
	return r < 0 ? r : vc_vm_start(*ret_vm);
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	while (dir != NULL && readdir(dir) != NULL)
		nr++;
	if (dir != NULL)
		closedir(dir);
	return nr;
}

static int run_both(struct vc_host *host, const char *path)
{
	static const char *const names[2] = { "first", "second" };
	struct capture captures[2] = { { .len = 0 } };
	struct vc_vm *vms[2] = { NULL };
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++)
		r = start(host, path, names[i], &captures[i], &vms[i]);
	for (int i = 0; i < 2 && r == 0; i++)
		r = vc_vm_wait(vms[i], 10000);
	if (r < 0)
		fprintf(stderr, "two_vms: %s\n", vc_error_message());
	for (int i = 0; i < 2; i++) {
		vc_vm_destroy(vms[i]); /* stops it if need be; its threads are gone afterwards */
		printf("%s", captures[i].text);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct vc_host *host = NULL;
	int nr_fds = count_entries("/proc/self/fd"), nr_threads = count_entries("/proc/self/task");
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: two_vms GUEST\n");
		return 1;
	}
	r = vc_host_open(NULL, &host);
	if (r < 0)
		fprintf(stderr, "two_vms: %s\n", vc_error_message());
	else
		r = run_both(host, argv[1]);
	vc_host_close(host);
	nr_fds -= count_entries("/proc/self/fd");
	nr_threads -= count_entries("/proc/self/task");
	printf("left behind: %d files, %d threads\n", -nr_fds, -nr_threads);
	return r < 0 || nr_fds != 0 || nr_threads != 0;
}
