/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of options, and how a value finds its place. Names are the same on the command line
 * and in a configuration file.
 */
#include "options.h"
#include <string.h>

#define OF(type, member) offsetof(struct type, member)

const struct field run_fields[] = {
	{ "config", FIELD_TEXT, OF(options, config), 0, 0, NULL },
	{ "dry-run", FIELD_SWITCH, OF(options, dry_run), 0, 0, NULL },
	{ "host", FIELD_SWITCH, OF(options, host), 0, 0, NULL },
	{ "version", FIELD_SWITCH, OF(options, version), 0, 0, NULL },
	{ "help", FIELD_SWITCH, OF(options, help), 0, 0, NULL },
	{ 0 },
};

const struct field option_fields[] = {
	{ "kernel", FIELD_TEXT, OF(options, kernel), 0, 0, NULL },
	{ "initrd", FIELD_TEXT, OF(options, initrd), 0, 0, NULL },
	{ "append", FIELD_TEXT, OF(options, append), 0, 0, NULL },
	{ "console", FIELD_TEXT, OF(options, console), 0, 0, NULL },
	{ "cpus", FIELD_NUMBER, OF(options, nr_cpus), 0, UINT32_MAX, "a number from 1 to 255" },
	{ "tsc-khz", FIELD_NUMBER, OF(options, tsc_khz), 0, UINT32_MAX, NULL },
	{ "halt-poll-ns", FIELD_NUMBER, OF(options, halt_poll_ns), -1, UINT32_MAX, NULL },
	{ "hypervisor", FIELD_CHOICE, OF(options, hypervisor), 0, 0, "auto|kvm|xen|fake" },
	{ "irqchip", FIELD_CHOICE, OF(options, irqchip), 0, 0, "kernel|split" },
	{ "on-reset", FIELD_CHOICE, OF(options, on_reset), 0, 0, "stop|reboot" },
	{ "pit", FIELD_SWITCH, OF(options, pit), 0, 0, NULL },
	{ "stats", FIELD_SWITCH, OF(options, stats), 0, 0, NULL },
	{ "rng", FIELD_SWITCH, OF(options, rng), 0, 0, NULL },
	{ 0 },
};

static const struct field memory_fields[] = {
	{ "size", FIELD_SIZE, OF(memory, size_bytes), 1, 0, NULL },
	{ "kind", FIELD_CHOICE, OF(memory, kind), 0, 0, "anon|memfd|hugetlb|file" },
	{ "page", FIELD_SIZE, OF(memory, page_bytes), 1, 0, NULL },
	{ "path", FIELD_TEXT, OF(memory, path), 0, 0, NULL },
	{ "offset", FIELD_SIZE, OF(memory, offset_bytes), 0, 0, NULL },
	{ "private", FIELD_SWITCH, OF(memory, is_private), 0, 0, NULL },
	{ "thp", FIELD_SWITCH, OF(memory, thp), 0, 0, NULL },
	{ "ksm", FIELD_SWITCH, OF(memory, ksm), 0, 0, NULL },
	{ "mlock", FIELD_SWITCH, OF(memory, mlock), 0, 0, NULL },
	{ "dump", FIELD_SWITCH, OF(memory, dump), 0, 0, NULL },
	{ "prefault", FIELD_NUMBER, OF(memory, prefault_threads), 0, 256, NULL },
	{ "host-nodes", FIELD_SET, OF(memory, host_nodes), 0, 63, NULL },
	{ "policy", FIELD_CHOICE, OF(memory, policy), 0, 0, "bind|interleave|preferred" },
	{ "node", FIELD_NUMBER, OF(memory, node), 0, 63, NULL },
	{ 0 },
};

static const struct field cpu_fields[] = {
	{ "model", FIELD_TEXT, OF(cpu, model), 0, 0, NULL },
	{ "features", FIELD_WORDS, OF(cpu, features), 0, 0, NULL },
	{ "sockets", FIELD_NUMBER, OF(cpu, sockets), 1, 255, NULL },
	{ "dies", FIELD_NUMBER, OF(cpu, dies), 1, 255, NULL },
	{ "cores", FIELD_NUMBER, OF(cpu, cores), 1, 255, NULL },
	{ "threads", FIELD_NUMBER, OF(cpu, threads), 1, 255, NULL },
	{ "nested", FIELD_SWITCH, OF(cpu, nested), 0, 0, NULL },
	{ 0 },
};

static const struct field node_fields[] = {
	{ "cpus", FIELD_SET, OF(node, cpus), 0, 254, NULL },
	{ "distance", FIELD_NUMBERS, OF(node, distances), 0, 254, NULL },
	{ 0 },
};

static const struct field pin_fields[] = {
	{ "cpu", FIELD_NUMBER, OF(pin, cpu), 0, 254, NULL },
	{ "host", FIELD_SET, OF(pin, host), 0, BITS_MAX - 1, NULL },
	{ 0 },
};

static const struct field disk_fields[] = {
	{ "path", FIELD_TEXT, OF(disk, path), 0, 0, NULL },
	{ "readonly", FIELD_SWITCH, OF(disk, is_readonly), 0, 0, NULL },
	{ "cache", FIELD_CHOICE, OF(disk, cache), 0, 0, "writeback|none|writethrough|unsafe" },
	{ "serial", FIELD_TEXT, OF(disk, serial), 0, 0, NULL },
	{ "queues", FIELD_NUMBER, OF(disk, queues), 1, 64, NULL },
	{ 0 },
};

static const struct field seed_fields[] = {
	{ "user-data", FIELD_TEXT, OF(seed, user_data), 0, 0, NULL },
	{ "meta-data", FIELD_TEXT, OF(seed, meta_data), 0, 0, NULL },
	{ "network-config", FIELD_TEXT, OF(seed, network_config), 0, 0, NULL },
	{ "instance-id", FIELD_TEXT, OF(seed, instance_id), 0, 0, NULL },
	{ "hostname", FIELD_TEXT, OF(seed, hostname), 0, 0, NULL },
	{ 0 },
};

#define LIST(items, nr, max) \
	OF(options, items), sizeof(((struct options *)NULL)->items[0]), (max), OF(options, nr)

static const struct list lists[] = {
	{ "memory", memory_fields, LIST(memories, nr_memories, MEMORIES_MAX) },
	{ "cpu", cpu_fields, LIST(cpu, nr_cpu_models, 1) },
	{ "node", node_fields, LIST(nodes, nr_nodes, NODES_MAX) },
	{ "pin", pin_fields, LIST(pins, nr_pins, PINS_MAX) },
	{ "disk", disk_fields, LIST(disks, nr_disks, DISKS_MAX) },
	{ "seed", seed_fields, LIST(seed, nr_seeds, 1) },
};

const struct list *list_find(const char *name)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(lists[i].name, name) == 0)
			return &lists[i];
	return NULL;
}

void *list_begin(struct options *options, const struct list *list)
{
	size_t *nr = (size_t *)(void *)((char *)options + list->nr_off);
	char *items = (char *)options + list->off;

	/* The command line's first one throws away what the file had. */
	if (options->is_command_line && !(options->begun & 1u << (list - lists))) {
		options->begun |= 1u << (list - lists);
		*nr = 0;
	}
	if (*nr == list->max) {
		(void)reader_fault(&options->reader, "more than %zu of them", list->max);
		return NULL;
	}
	items += (*nr)++ * list->item_size;
	return memset(items, 0, list->item_size);
}

/* "CPU=HOSTCPUS" */
static int set_pin(struct reader *reader, struct pin *pin, const char *text)
{
	const char *equals = strchr(text, '=');
	char *cpu = equals != NULL ? reader_keep(reader, text, (size_t)(equals - text)) : NULL;

	if (cpu == NULL)
		return reader_fault(reader, "'%.60s': CPU=HOSTCPUS expected, as in 0=2-3", text);
	if (field_set(reader, &pin_fields[0], pin, cpu) < 0)
		return -1;
	return field_set(reader, &pin_fields[1], pin, equals + 1);
}

int list_set_text(struct options *options, const struct list *list, void *object, const char *text)
{
	if (list->fields == pin_fields)
		return set_pin(&options->reader, object, text);
	return fields_set_text(&options->reader, list->fields, object, text);
}

int option_set(struct options *options, const char *name, const char *value)
{
	const struct field *field =
		field_find(options->is_command_line ? option_fields : run_fields, name);
	const struct list *list = list_find(name);
	void *object;

	if (field != NULL)
		return field_set(&options->reader, field, options, value);
	if (list == NULL)
		return reader_fault(&options->reader, "no such option");
	object = list_begin(options, list);
	return object != NULL ? list_set_text(options, list, object, value) : -1;
}
