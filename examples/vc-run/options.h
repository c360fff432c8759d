/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that can be said to vc-run, and the tables by which it is read.
 */
#ifndef VC_RUN_OPTIONS_H
#define VC_RUN_OPTIONS_H

#include "field.h"

#define MEMORIES_MAX 64
#define NODES_MAX    64
#define PINS_MAX     255
#define DISKS_MAX    24
/* --memory */
struct memory {
	uint64_t size_bytes, page_bytes, offset_bytes;
	const char *path;
	int kind, policy;
	int thp, ksm, mlock, dump, is_private; /* enum switch_value */
	int64_t prefault_threads, node;
	struct bits host_nodes;
};
/* --cpu */
struct cpu {
	const char *model;
	struct words features;
	int64_t sockets, dies, cores, threads;
	int nested; /* enum switch_value */
};
/* --node */
struct node {
	struct bits cpus;
	struct numbers distances;
};
/* --pin */
struct pin {
	int64_t cpu;
	struct bits host;
};
/* --disk */
struct disk {
	const char *path, *serial;
	int is_readonly, cache; /* enum switch_value, choice */
	int64_t queues;
};
/* --seed */
struct seed {
	const char *user_data, *meta_data, *network_config, *instance_id, *hostname;
};
/* Choices are in the order of the library's enums; 0 = not given, so each is one more. */
struct options {
	struct reader reader;
	/* the machine */
	const char *kernel, *initrd, *append, *console;
	int64_t nr_cpus, tsc_khz, halt_poll_ns;
	int hypervisor, irqchip, on_reset;
	int pit, stats, rng; /* enum switch_value */
	struct cpu cpu[1];
	struct memory memories[MEMORIES_MAX];
	struct node nodes[NODES_MAX];
	struct pin pins[PINS_MAX];
	struct disk disks[DISKS_MAX];
	struct seed seed[1];
	size_t nr_cpu_models, nr_memories, nr_nodes, nr_pins, nr_disks, nr_seeds;
	/* this run only: not in a configuration file */
	const char *config;
	int dry_run, host, version, help; /* enum switch_value */
	/* lists that the command line has begun: it replaces those of the file */
	bool is_command_line;
	uint32_t begun;
	int next_arg;	/* index of the argument that is read next */
	char place[96]; /* of the configuration file: where the reading stands */
};

/* A list of objects at the top level; NULL: the name is that of a single value, or of nothing. */
struct list {
	const char *name;
	const struct field *fields;
	size_t off, item_size, max, nr_off; /* of the array in struct options */
};
extern const struct field option_fields[], run_fields[];

const struct list *list_find(const char *name);
/* The next object of a list, to be filled; NULL: too many. */
void *list_begin(struct options *options, const struct list *list);
/* Fills an object of a list from text as on the command line. */
int list_set_text(struct options *options, const struct list *list, void *object, const char *text);
/* Sets an option of the pass that is on from text. Both: 0, or -1 and options->reader.fault. */
int option_set(struct options *options, const char *name, const char *value);

/* args.c, config_json.c: 0, or -1 and options->reader.fault */
int args_parse(struct options *options, int argc, char **argv);
void args_help(void);
int config_json_load(struct options *options, const char *path);
int config_json_parse(struct options *options, const char *path, const char *text, size_t len);

struct vc_host;
struct vc_ring;
struct vc_stream;
struct vc_vm;
/* machine.c: 0, or negative with options->reader.fault or, if that is empty, the library's message */
int machine_open_host(struct options *options, struct vc_host **ret_host);
/* *stream is taken over and set to NULL as soon as the VM owns it. */
int machine_create(struct options *options, struct vc_host *host, struct vc_stream **stream,
		   struct vc_vm **ret_vm);
/* disks.c: as above; *ret_ring, if it is set, is to be ended after the VM, whatever the result. */
int disks_add(struct options *options, struct vc_vm *vm, struct vc_ring **ret_ring);
void disks_end(struct vc_ring *ring);

#endif
