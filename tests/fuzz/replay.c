/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files and directories of inputs, once each: what libFuzzer's -runs=0 does,
 * in builds that have no libFuzzer (gcc, every sanitizer, coverage). One process, one thread; each
 * input is an exact heap block, so that a sanitizer sees a read behind its end.
 */
#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int nr_inputs; /* nftw() takes no argument for its callback */

static int replay_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	size_t size = (size_t)st->st_size;
	uint8_t *data;
	FILE *f;

	(void)at;
	if (type != FTW_F)
		return 0;
	f = fopen(path, "rbe");
	data = malloc(size ? size : 1);
	if (!f || !data || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	fclose(f);
	/* Said before: when the input ends the process, this is its name. */
	fprintf(stderr, "%s (%zu bytes)\n", path, size);
	alarm(10);
	(void)LLVMFuzzerTestOneInput(data, size);
	alarm(0);
	free(data);
	nr_inputs++;
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (nftw(argv[i], replay_file, 8, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 2;
		}
	}
	if (nr_inputs == 0) {
		fprintf(stderr, "%s: no inputs\n", argv[0]);
		return 2;
	}
	printf("%u inputs replayed\n", nr_inputs);
	return 0;
}
