/* SPDX-License-Identifier: Apache-2.0 */
/* vc-run: runs one virtual machine. It parses and prints; the rest is the library's. */
#include "console.h"
#include "options.h"
#include <libvirtcore/libvirtcore.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum exit_code {
	EXIT_ERROR = 1, /* before the guest ran */
	EXIT_PANIC = 4,
	EXIT_INTERNAL = 5,
	EXIT_DEBUG = 32, /* plus the guest's code, which is not 0 */
	EXIT_DEBUG_LAST = 127,
	EXIT_SIGNAL = 128, /* plus its number */
};

struct program {
	struct options *options;
	struct console console;
	struct vc_host *host;
	struct vc_stream *stream;
	const char *path; /* of the console, if it has one */
	struct vc_vm *vm;
	struct vc_ring *ring; /* of the disks */
	int signal_fd;
	int signal; /* that ended us, or 0 */
	bool has_panicked;
	unsigned int nr_told; /* lines about the guest, and in which second */
	time_t told_at;
	int code; /* exit code that the last event asks for */
};

static int fail(const char *message)
{
	fprintf(stderr, "vc-run: %s\n", message);
	return EXIT_ERROR;
}

static void print_line(void *opaque, const char *line)
{
	fprintf(opaque, "%s%s\n", opaque == stderr ? "vc-run: " : "", line);
}

static void print_problem(void *opaque, const struct vc_problem *problem)
{
	fprintf(opaque, "vc-run: %s: %s%s%s\n", problem->subsystem, problem->object,
		problem->object[0] != '\0' ? ": " : "", problem->message);
}

/* Signals arrive by a descriptor; blocked before any thread is made, so that none gets them. */
static int open_signals(struct program *program)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	program->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGPIPE); /* a console whose reader has gone is no reason to die */
	sigprocmask(SIG_BLOCK, &set, NULL);
	return program->signal_fd < 0 ? -errno : 0;
}

static void take_signals(struct program *program)
{
	struct signalfd_siginfo info;

	while (read(program->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCONT) {
			console_set_raw(&program->console); /* the shell has changed it */
		} else {
			program->signal = (int)info.ssi_signo;
			(void)vc_vm_stop(program->vm);
		}
	}
}

/* The exit code, should this event have ended the VM. */
static int exit_code(const struct program *program, const struct vc_event *event)
{
	static const int codes[] = {
		[VC_EVENT_POWERED_OFF] = 0,	  [VC_EVENT_RESET] = 2,
		[VC_EVENT_TRIPLE_FAULT] = 3,	  [VC_EVENT_PANICKED] = EXIT_PANIC,
		[VC_EVENT_ERROR] = EXIT_INTERNAL, [VC_EVENT_HALTED] = 6,
		[VC_EVENT_STOPPED] = 0,
	};

	if (event->kind == VC_EVENT_DEBUG_EXIT && event->code != 0)
		return event->code < EXIT_DEBUG_LAST - EXIT_DEBUG ? EXIT_DEBUG + (int)event->code
								  : EXIT_DEBUG_LAST;
	if (event->kind == VC_EVENT_STOPPED && program->signal != 0)
		return EXIT_SIGNAL + program->signal;
	if (program->has_panicked &&
	    (event->kind == VC_EVENT_STOPPED || event->kind == VC_EVENT_RESET))
		return EXIT_PANIC;
	return codes[event->kind];
}

/* A guest may reset for ever: at most ten lines a second, then how many were held back. */
static bool may_tell(struct program *program, time_t now)
{
	if (now != program->told_at && program->nr_told > 10)
		fprintf(stderr, "vc-run: guest: %u lines held back\n", program->nr_told - 10);
	if (now != program->told_at)
		program->nr_told = 0;
	program->told_at = now;
	return ++program->nr_told <= 10;
}

static void take_events(struct program *program)
{
	struct vc_event event = { .size = sizeof(event) };

	while (vc_vm_next_event(program->vm, &event) == 1) {
		program->code = exit_code(program, &event);
		if (event.kind == VC_EVENT_PANICKED) {
			program->has_panicked = true;
			/* Its last words are out. What else it would do is spin, or reset. */
			if (program->options->on_reset != 1 + VC_ON_RESET_REBOOT)
				(void)vc_vm_stop(program->vm);
		}
		if (event.kind != VC_EVENT_POWERED_OFF && event.kind != VC_EVENT_DEBUG_EXIT &&
		    event.kind != VC_EVENT_STOPPED &&
		    (program->options->on_reset != 1 + VC_ON_RESET_REBOOT ||
		     may_tell(program, time(NULL))))
			fprintf(stderr, "vc-run: guest: %s%s%s\n", vc_event_name(event.kind),
				event.text[0] != '\0' ? ": " : "", event.text);
	}
}

/* Until the VM has stopped, then once more: for output still held and the reason of the end. */
static void follow(struct program *program)
{
	enum { OWN_FDS = 3, VM_FDS = 32, PATIENCE_MS = 1000 }; /* VM_FDS: more than it has */
	struct pollfd fds[OWN_FDS + VM_FDS] = {
		{ .fd = vc_vm_event_fd(program->vm), .events = POLLIN },
		{ .fd = program->signal_fd, .events = POLLIN },
		{ .fd = program->console.quit_fd, .events = POLLIN },
	};
	int wait_ms = PATIENCE_MS;
	bool is_last;

	do {
		int nr = vc_vm_pollfds(program->vm, fds + OWN_FDS, VM_FDS), nr_ready;

		is_last = vc_vm_get_state(program->vm) == VC_VM_STOPPED;
		nr_ready = poll(fds, (nfds_t)(OWN_FDS + nr), is_last ? 0 : wait_ms);
		if (nr_ready > 0)
			(void)vc_vm_dispatch(program->vm, fds + OWN_FDS, (size_t)nr);
		/* It still runs. Test guests are through by then, a Linux may be hanging. */
		if (nr_ready == 0 && !is_last && !vc_host_has(program->host, VC_CAP_HARDWARE))
			fprintf(stderr,
				"vc-run: warning: no VT-x or SVM here: the host emulates the kernel's code; Linux may hang\n");
		wait_ms = nr_ready == 0 ? -1 : wait_ms;
		take_signals(program);
		if (fds[2].revents & POLLIN)
			(void)vc_vm_stop(program->vm);
		take_events(program);
	} while (!is_last);
	(void)may_tell(program, 0);
}

static int dry_run(struct program *program)
{
	int nr = vc_vm_check(program->vm, print_problem, stderr);

	if (nr < 0 || vc_vm_describe(program->vm, print_line, stdout) < 0)
		return fail(vc_error_message());
	return nr > 0 ? EXIT_ERROR : program->code;
}

static int run_vm(struct program *program)
{
	if (vc_vm_build(program->vm) < 0)
		return fail(vc_error_message());
	if (program->path != NULL)
		fprintf(stderr, "vc-run: console: %s\n", program->path);
	console_set_raw(&program->console);
	if (vc_vm_start(program->vm) < 0)
		return fail(vc_error_message());
	follow(program);
	console_restore(&program->console);
	(void)vc_vm_explain(program->vm, print_line, stderr);
	if (program->options->stats == SWITCH_ON)
		(void)vc_vm_report_stats(program->vm, print_line, stderr);
	return program->code;
}

static int open_console(struct program *program, bool is_dry)
{
	struct reader *reader = &program->options->reader;
	const char *spec = program->options->console;
	int r = console_open(&program->console, spec, is_dry, &program->stream);

	program->path = vc_stream_path(program->stream);
	if (r == 0)
		return 0;
	(void)reader_fault(reader, "--console: %.120s: %s", spec,
			   r != -EINVAL ? strerror(-r)
					: "stdio, pty, file:PATH, unix:PATH or null expected");
	r = fail(vc_error_message()[0] != '\0' ? vc_error_message() : reader->fault);
	reader->fault[0] = '\0'; /* told: a dry run goes on */
	return r;
}

static int run_options(struct program *program)
{
	const char *fault = program->options->reader.fault;
	bool is_dry = program->options->dry_run != 0;

	if (open_signals(program) < 0)
		return fail("signals: no descriptor");
	if (machine_open_host(program->options, &program->host) < 0)
		return fail(vc_error_message());
	if (program->options->host)
		return vc_host_report(program->host, print_line, stdout) < 0
			       ? fail(vc_error_message())
			       : 0;
	program->code = open_console(program, is_dry);
	if (program->code != 0 && !is_dry)
		return program->code;
	if (machine_create(program->options, program->host, &program->stream, &program->vm) < 0 ||
	    disks_add(program->options, program->vm, &program->ring) < 0)
		return fail(fault[0] != '\0' ? fault : vc_error_message());
	return is_dry ? dry_run(program) : run_vm(program);
}

int main(int argc, char **argv)
{
	static struct options options; /* long lists, of which only pages in use come to be */
	struct program program = { .options = &options, .signal_fd = -1 };
	int code = 0, fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		; /* none of ours must become one of the standard three */
	close(fd);
	program.console = (struct console){ .in_fd = -1, .out_fd = -1, .quit_fd = -1 };
	options.nr_cpus = 1;
	options.console = "stdio";
	if (args_parse(&options, argc, argv) < 0)
		code = fail(options.reader.fault);
	else if (options.help)
		args_help();
	else if (options.version)
		printf("vc-run %d.%d.%d\n", VC_VERSION_MAJOR, VC_VERSION_MINOR, VC_VERSION_PATCH);
	else
		code = run_options(&program);
	if (fflush(stdout) != 0 || ferror(stdout))
		code = fail("standard output: not all could be written");
	vc_vm_destroy(program.vm);
	disks_end(program.ring);
	vc_stream_close(program.stream);
	console_close(&program.console);
	vc_host_close(program.host);
	close(program.signal_fd);
	reader_fini(&options.reader);
	return code;
}
