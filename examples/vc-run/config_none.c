/* SPDX-License-Identifier: Apache-2.0 */
/* In place of config_json.c where json-c was missing when vc-run was built. */
#include "options.h"

int config_json_load(struct options *options, const char *path)
{
	return reader_fault(&options->reader, "%.120s: vc-run was built without json-c", path);
}
