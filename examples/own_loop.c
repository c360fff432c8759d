/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM without any thread of the library's: the vCPU runs on a thread that this program made, and
 * the console's descriptors and the VM's events are polled in the program's own loop, together with
 * whatever else it waits for (here: a timer that ends a guest which takes too long).
 *
 * usage: own_loop GUEST [COMMAND-LINE]
 * Console on standard input and output. Ends with the code of the guest's debug exit, 0 after a
 * power-off, 1 otherwise.
 */
#include <libvirtcore/libvirtcore.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIME_LIMIT_S 60
#define OWN_FDS	     2u
#define MAX_FDS	     16u

static void *run_vcpu(void *opaque)
{
	struct vc_vm *vm = opaque;

	/* Returns when the VM has stopped. The thread's name, priority, CPUs are our business. */
	if (vc_vm_run_vcpu(vm, 0) < 0)
		fprintf(stderr, "own_loop: %s\n", vc_error_message());
	return NULL;
}

static int configure(struct vc_vm *vm, const char *path, const char *cmdline)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 64u << 20 };
	struct vc_stream_config console = {
		.size = sizeof(console),
		.kind = VC_STREAM_FDS,
		.in_fd = 0,
		.out_fd = 1,
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
		vc_stream_close(stream);
		return r;
	}
	r = vc_vm_add_platform(vm, VC_PLATFORM_DEBUG_EXIT | VC_PLATFORM_PM);
	return r < 0 ? r : vc_vm_set_boot(vm, &boot);
}

/* Takes what has happened; the exit code once the VM has stopped, -1 before. */
static int take_events(struct vc_vm *vm)
{
	struct vc_event event = { .size = sizeof(event) };

	while (vc_vm_next_event(vm, &event) == 1) {
		if (vc_vm_get_state(vm) != VC_VM_STOPPED)
			continue;
		if (event.kind == VC_EVENT_DEBUG_EXIT)
			return (int)event.code;
		if (event.kind != VC_EVENT_POWERED_OFF)
			fprintf(stderr, "own_loop: guest %s %s\n", vc_event_name(event.kind),
				event.text);
		return event.kind != VC_EVENT_POWERED_OFF;
	}
	return -1;
}

/* The program's loop: two descriptors of its own, then those of the VM, asked for each time. */
static int loop(struct vc_vm *vm, int timer_fd)
{
	struct pollfd fds[MAX_FDS] = {
		{ .fd = vc_vm_event_fd(vm), .events = POLLIN },
		{ .fd = timer_fd, .events = POLLIN },
	};
	int code = -1;

	while (code < 0) {
		int nr = vc_vm_pollfds(vm, fds + OWN_FDS, MAX_FDS - OWN_FDS);

		if (nr < 0 || (size_t)nr > MAX_FDS - OWN_FDS || poll(fds, OWN_FDS + nr, -1) < 0)
			return 1;
		if (fds[1].revents != 0)
			(void)vc_vm_stop(vm); /* its event ends this loop */
		(void)vc_vm_dispatch(vm, fds + OWN_FDS, (size_t)nr);
		if (fds[0].revents != 0)
			code = take_events(vm);
	}
	return code;
}

static int run(struct vc_vm *vm, int timer_fd)
{
	struct itimerspec limit = { .it_value.tv_sec = TIME_LIMIT_S };
	pthread_t thread;
	int code = 1;

	if (vc_vm_build(vm) < 0 || vc_vm_start(vm) < 0) {
		fprintf(stderr, "own_loop: %s\n", vc_error_message());
		return 1;
	}
	if (timerfd_settime(timer_fd, 0, &limit, NULL) < 0 ||
	    pthread_create(&thread, NULL, run_vcpu, vm) != 0) {
		perror("own_loop");
		return 1;
	}
	code = loop(vm, timer_fd);
	(void)vc_vm_stop(vm); /* makes vc_vm_run_vcpu() return, should the loop have failed */
	pthread_join(thread, NULL);
	return code;
}

int main(int argc, char **argv)
{
	struct vc_vm_config cfg = {
		.size = sizeof(cfg),
		.nr_vcpus = 1,
		.irqchip = VC_IRQCHIP_KERNEL,
		.runner = VC_RUNNER_CALLER,
	};
	int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct vc_host *host = NULL;
	struct vc_vm *vm = NULL;
	int code = 1;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: own_loop GUEST [COMMAND-LINE]\n");
		return 1;
	}
	if (vc_host_open(NULL, &host) < 0 || vc_vm_create(host, &cfg, &vm) < 0 ||
	    configure(vm, argv[1], argc > 2 ? argv[2] : NULL) < 0)
		fprintf(stderr, "own_loop: %s\n", vc_error_message());
	else
		code = run(vm, timer_fd);
	vc_vm_destroy(vm);
	vc_host_close(host);
	close(timer_fd);
	return code;
}
