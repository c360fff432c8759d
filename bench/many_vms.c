/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COUNT VMs of 32 MiB in one process, all alive at once: each guest writes one byte to its serial
 * port and halts, its vCPU stays in the kernel. Prints what the process then takes beyond guest
 * memory, and what it took with the first VM alone, so that the cost of a further one follows.
 * usage: many_vms COUNT [hold]   hold: stay until standard input ends (to be looked at from outside)
 */
#include <libvirtcore/libvirtcore.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RAM_BYTES  (32u << 20)
#define TIME_LIMIT 60000

static const uint8_t code[] = {
	0xb6, 0x03, 0xb2, 0xf8, 0xb0, '!', 0xee, /* mov $0x3f8, %dx; mov $'!', %al; out %al, %dx */
	0xf4, 0xeb, 0xfd,			 /* hlt, for ever */
};

struct figures {
	unsigned long pss_kib, rss_kib, guest_kib;
	unsigned int nr_fds, nr_threads;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr > 2 ? nr - 2 : 0;
}

static void add_mapping(struct figures *f, const unsigned long *kb)
{
	if (kb[0] >= RAM_BYTES / 1024) {
		f->guest_kib += kb[1];
		return;
	}
	f->rss_kib += kb[1];
	f->pss_kib += kb[2];
}

static struct figures look(void)
{
	static const char *const fields[] = { "Size:", "Rss:", "Pss:" };
	FILE *smaps = fopen("/proc/self/smaps", "re");
	struct figures f = { 0 };
	unsigned long kb[3] = { 0 };
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (isxdigit((unsigned char)line[0]) && strchr(line, '-')) {
			add_mapping(&f, kb);
			memset(kb, 0, sizeof(kb));
		}
		for (int i = 0; i < 3; i++)
			if (!strncmp(line, fields[i], strlen(fields[i])))
				kb[i] = strtoul(line + strlen(fields[i]), NULL, 10);
	}
	add_mapping(&f, kb);
	if (smaps)
		fclose(smaps);
	f.nr_fds = count_entries("/proc/self/fd");
	f.nr_threads = count_entries("/proc/self/task");
	return f;
}

static int start(struct vc_host *host, int out_fd, struct vc_vm **ret_vm)
{
	struct vc_vm_config cfg = { sizeof(cfg), .nr_vcpus = 1, .irqchip = VC_IRQCHIP_KERNEL };
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = RAM_BYTES };
	struct vc_stream_config out = { sizeof(out), VC_STREAM_FDS, .in_fd = -1, .out_fd = out_fd };
	struct vc_boot_config boot = { sizeof(boot), .kernel = { .buf = code, .len = sizeof(code) },
				       .kind = VC_BOOT_FLAT };
	struct vc_stream *stream = NULL;
	struct vc_vm *vm = NULL;
	int r = vc_vm_create(host, &cfg, &vm);

	boot.flat_gpa = 0x100000;
	boot.flat_mode = VC_FLAT_PROTECTED_32;
	if (r == 0)
		*ret_vm = vm;
	(void)(r < 0 || (r = vc_vm_add_ram(vm, &ram, 0)) < 0 ||
	       (r = vc_stream_open(&out, &stream)) < 0 || (r = vc_vm_add_serial(vm, stream)) < 0 ||
	       (r = vc_vm_set_boot(vm, &boot)) < 0 || (r = vc_vm_build(vm)) < 0 ||
	       (r = vc_vm_start(vm)) < 0);
	return r;
}

/* Every guest's one byte. */
static int wait_bytes(int fd, size_t nr)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[256];

	while (nr > 0) {
		ssize_t got;

		if (poll(&p, 1, TIME_LIMIT) <= 0)
			return -1;
		got = read(fd, buf, nr < sizeof(buf) ? nr : sizeof(buf));
		if (got <= 0)
			return -1;
		nr -= (size_t)got;
	}
	return 0;
}

static int run(struct vc_host *host, struct vc_vm **vms, size_t nr, const int *pipe_fds)
{
	struct figures one = { 0 }, all;
	double from = seconds(), created, printed;
	struct rusage use;

	for (size_t i = 0; i < nr; i++) {
		if (start(host, pipe_fds[1], &vms[i]) < 0) {
			fprintf(stderr, "many_vms: VM %zu: %s\n", i, vc_error_message());
			return 1;
		}
		if (i > 0)
			continue;
		if (wait_bytes(pipe_fds[0], 1) < 0)
			return 1;
		one = look();
		from = seconds();
	}
	created = seconds();
	if (nr > 1 && wait_bytes(pipe_fds[0], nr - 1) < 0) {
		fprintf(stderr, "many_vms: not every guest printed\n");
		return 1;
	}
	printed = seconds();
	all = look();
	getrusage(RUSAGE_SELF, &use);
	printf("{\"vms\": %zu, \"first_pss_kib\": %lu, \"pss_kib\": %lu, \"rss_kib\": %lu, "
	       "\"guest_kib\": %lu, \"fds\": %u, \"threads\": %u, \"create_ms\": %.1f, "
	       "\"all_printed_ms\": %.1f, \"cpu_ms\": %.1f}\n",
	       nr, one.pss_kib, all.pss_kib, all.rss_kib, all.guest_kib, all.nr_fds, all.nr_threads,
	       (created - from) * 1e3, (printed - from) * 1e3,
	       (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
		       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	size_t nr = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	struct vc_vm **vms = calloc(nr + 1, sizeof(struct vc_vm *));
	struct vc_host *host = NULL;
	int pipe_fds[2], r = 1;
	char byte;

	if (nr == 0 || !vms || pipe2(pipe_fds, O_CLOEXEC) < 0) {
		fprintf(stderr, "usage: many_vms COUNT [hold]\n");
		return 2;
	}
	if (vc_host_open(NULL, &host) < 0)
		fprintf(stderr, "many_vms: %s\n", vc_error_message());
	else
		r = run(host, vms, nr, pipe_fds);
	if (r == 0 && argc > 2 && !strcmp(argv[2], "hold"))
		while (read(0, &byte, 1) > 0)
			;
	for (size_t i = 0; i < nr; i++)
		vc_vm_destroy(vms[i]);
	vc_host_close(host);
	free(vms);
	return r;
}
