/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vc-run's configuration files, whatever bytes they hold: read or refused, with one line of reason,
 * and what was read stays within the tables.
 */
#include "options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static void check_numbers(const struct options *options)
{
	must(options->nr_cpus >= 0 && options->nr_cpus <= UINT32_MAX);
	must(options->halt_poll_ns >= -1 && options->hypervisor <= 4 && options->irqchip <= 2);
	must(options->nr_memories <= MEMORIES_MAX && options->nr_nodes <= NODES_MAX);
	must(options->nr_pins <= PINS_MAX && options->nr_cpu_models <= 1);
	must(options->cpu[0].features.nr <= WORDS_MAX);
	for (size_t i = 0; i < options->nr_nodes; i++)
		must(options->nodes[i].distances.nr <= NUMBERS_MAX);
	for (size_t i = 0; i < options->nr_pins; i++)
		must(options->pins[i].cpu >= 0 && options->pins[i].cpu <= 254);
	for (size_t i = 0; i < options->nr_memories; i++)
		must(options->memories[i].node >= 0 && options->memories[i].node <= 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct options *options = calloc(1, sizeof(*options));
	char *text = malloc(len + 1);
	int r;

	must(options != NULL && text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	r = config_json_parse(options, "f.json", text, len);
	check_numbers(options);
	if (r < 0) {
		must(strncmp(options->reader.fault, "f.json: ", 8) == 0);
		must(options->reader.fault[8] != '\0');
		for (const char *c = options->reader.fault; *c != '\0'; c++)
			must(!iscntrl((unsigned char)*c));
	}
	reader_fini(&options->reader);
	free(options);
	free(text);
	return 0;
}
