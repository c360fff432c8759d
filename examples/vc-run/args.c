/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. argp reads it; its own messages have more than one line and no reason, so the
 * errors are told here.
 */
#include "options.h"
#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct argp_option argp_options[] = {
	{ NULL, 0, NULL, 0, "What is booted", 1 },
	{ "kernel", 0x101, "FILE", 0, "Linux bzImage, or ELF file with a PVH note", 1 },
	{ "initrd", 0x102, "FILE", 0, "Initial RAM disk", 1 },
	{ "append", 0x103, "TEXT", 0, "The kernel's command line", 1 },
	{ NULL, 0, NULL, 0, "The machine", 2 },
	{ "cpus", 0x104, "N", 0, "Number of vCPUs (1)", 2 },
	{ "cpu", 0x105, "MODEL[,+F][,-F][,KEY=VALUE...]", 0,
	  "host (default), x86-64-v2, x86-64-v3; sockets=, dies=, cores=, threads=; nested=on", 2 },
	{ "memory", 0x106, "SIZE[,KEY=VALUE...]", 0,
	  "RAM (256M, also without SIZE); kind=anon|memfd|hugetlb|file, page=2M|1G, path=FILE, "
	  "offset=SIZE, private=on, thp=on|off, ksm=on, mlock=on, dump=off, prefault=THREADS, "
	  "host-nodes=LIST, policy=bind|interleave|preferred, node=N",
	  2 },
	{ "node", 0x107, "[cpus=LIST][,distance=N:N...]", 0, "A NUMA node; repeatable", 2 },
	{ "irqchip", 0x108, "kernel|split", 0, "Where the I/O APIC is (kernel)", 2 },
	{ "pit", 0x109, NULL, 0, "Add the 8254 timer; only with --irqchip kernel", 2 },
	{ "tsc-khz", 0x10a, "KHZ", 0, "Rate of the guest's TSC", 2 },
	{ "on-reset", 0x10b, "stop|reboot", 0, "When the guest resets (stop)", 2 },
	{ "console", 0x10c, "END", 0,
	  "The serial port: stdio (Ctrl-A x ends the VM), pty, file:PATH, unix:PATH, null", 2 },
	{ "disk", 0x116, "path=FILE[,KEY=VALUE...]", 0,
	  "A disk, by virtio; repeatable; readonly=on, cache=writeback|none|writethrough|unsafe, "
	  "serial=TEXT, queues=N",
	  2 },
	{ "seed", 0x117, "user-data=FILE[,KEY=VALUE...]", 0,
	  "cloud-init's disk; meta-data=FILE, network-config=FILE, instance-id=ID, hostname=NAME",
	  2 },
	{ "rng", 0x118, NULL, 0, "A source of random bytes, by virtio", 2 },
	{ NULL, 0, NULL, 0, "The host", 3 },
	{ "hypervisor", 0x10d, "auto|kvm|fake", 0, "fake plays a script", 3 },
	{ "pin", 0x10e, "CPU=HOSTCPUS", 0, "Bind a vCPU's thread to host CPUs; repeatable", 3 },
	{ "halt-poll-ns", 0x10f, "NS", 0, "Longest poll of a halted vCPU; -1 = none", 3 },
	{ NULL, 0, NULL, 0, "This run", 4 },
	{ "config", 0x110, "FILE", 0, "Read these options from a JSON file first", 4 },
	{ "stats", 0x111, NULL, 0, "Print statistics to standard error at the end", 4 },
	{ "dry-run", 0x112, NULL, 0, "Print the machine and every error, run nothing", 4 },
	{ "host", 0x113, NULL, 0, "Print what this host can do", 4 },
	{ "version", 0x114, NULL, 0, "Print the version", -1 },
	{ "help", 0x115, NULL, 0, "Print this help", -1 },
	{ 0 },
};

/* Called twice for each option: for those of this run, then, over the file, for the machine's. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	const struct argp_option *o = argp_options;
	char what[64];
	int r;

	if (key < 0x1000 || key == (int)ARGP_KEY_INIT)
		options->next_arg = state->next > 0 ? state->next : 1;
	if (key == ARGP_KEY_ARG)
		return reader_fault(&options->reader, "'%.60s': not an option (see --help)", arg);
	while (o->doc != NULL && (o->name == NULL || o->key != key))
		o++;
	if (o->doc == NULL ||
	    !options->is_command_line != (field_find(run_fields, o->name) != NULL))
		return 0;
	r = option_set(options, o->name, o->arg != NULL ? arg : "on");
	snprintf(what, sizeof(what), "--%s", o->name);
	return r < 0 ? reader_prefix(&options->reader, what) : 0;
}

/* Why argp did not take a word. */
static const char *why_not(const char *word)
{
	size_t len = strcspn(word, "=");

	for (const struct argp_option *o = argp_options; o->doc != NULL; o++)
		if (o->name != NULL && strlen(o->name) + 2 == len &&
		    strncmp(o->name, word + 2, len - 2) == 0)
			return o->arg != NULL ? "its value is missing" : "takes no value";
	return "no such option";
}

static int parse_all(struct options *options, int argc, char **argv)
{
	const unsigned int flags = ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_ERRS | ARGP_NO_EXIT;
	struct argp argp = { .options = argp_options, .parser = parse };

	if (argp_parse(&argp, argc, argv, flags, NULL, options) == 0)
		return 0;
	const char *word = options->next_arg < argc ? argv[options->next_arg] : "?";
	if (options->reader.fault[0] == '\0')
		(void)reader_fault(&options->reader, "%.60s: %s (see --help)", word, why_not(word));
	return -1;
}

int args_parse(struct options *options, int argc, char **argv)
{
	if (parse_all(options, argc, argv) < 0)
		return -1;
	if (options->help || options->version)
		return 0;
	if (options->config != NULL && config_json_load(options, options->config) < 0)
		return -1;
	options->is_command_line = true;
	return parse_all(options, argc, argv);
}

void args_help(void)
{
	struct argp argp = {
		.options = argp_options,
		.doc = "Run a virtual machine.\vExit codes: 0 power-off, 1 error, 2 reset, 3 triple "
		       "fault, 4 panic, 5 internal error, 6 halted, 32+N debug exit, 128+N signal.",
	};

	argp_help(&argp, stdout,
		  ARGP_HELP_SHORT_USAGE | ARGP_HELP_PRE_DOC | ARGP_HELP_LONG | ARGP_HELP_POST_DOC,
		  (char[]){ "vc-run" });
}
