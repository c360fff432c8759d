/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create, run, destroy, again and again: the process is where it was. Many VMs at once from as many
 * threads. How long taking one down takes.
 */
#include "machine.h"

#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>

#define NR_THREADS 64

static bool is_long;

struct held {
	unsigned int nr_fds, nr_threads, nr_mappings;
	uint64_t resident_kib;
};

static unsigned int count_entries(const char *path)
{
	unsigned int nr = 0;
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		nr++;
	closedir(dir);
	return nr;
}

static struct held look(void)
{
	struct held held = { .nr_fds = count_entries("/proc/self/fd"),
			     .nr_threads = count_entries("/proc/self/task") };
	unsigned long long size, resident;
	char line[1024];
	FILE *f = fopen("/proc/self/maps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		held.nr_mappings++;
	fclose(f);
	malloc_trim(0);
	f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu %llu", &size, &resident), 2);
	fclose(f);
	held.resident_kib = resident * 4;
	return held;
}

static void say_held(const char *when, const struct held *held)
{
	printf("%s: %u fds, %u threads, %u mappings, %llu KiB\n", when, held->nr_fds,
	       held->nr_threads, held->nr_mappings, (unsigned long long)held->resident_kib);
}

/* One life: both irqchips, one and two vCPUs, some without ever running, some paused at their end. */
static void cycle(unsigned int i)
{
	struct machine_config cfg = { .guest = "hello.elf",
				      .ram_bytes = MIB(4),
				      .vm = { .irqchip = (enum vc_irqchip)(i % 3),
					      .nr_vcpus = i % 3 != 0 ? 1 + i / 3 % 2 : 1 } };
	struct machine m;

	if (i % 8 == 7) {
		machine_build(&m, &cfg);
	} else if (i % 8 == 6) {
		cfg.guest = "kick.elf";
		cfg.cmdline = "mode=pio";
		machine_start(&m, &cfg);
		assert_result(vc_vm_pause(m.vm), 0);
	} else {
		machine_start(&m, &cfg);
		machine_done(&m, 0);
	}
	machine_free(&m);
}

static void cycles(void **state)
{
	unsigned int nr = is_long ? 10000 : 300;
	struct held before, after;
	uint64_t from, took;

	(void)state;
	if (is_in_lab() && !is_long)
		nr = 60;
	for (unsigned int i = 0; i < 48; i++) /* what libc and sanitizers keep */
		cycle(i);
	before = look();
	from = now_ms();
	for (unsigned int i = 0; i < nr; i++)
		cycle(i);
	took = now_ms() - from;
	after = look();
	say_held("before", &before);
	say_held("after", &after);
	printf("%u cycles in %llu ms\n", nr, (unsigned long long)took);
	assert_int_equal(after.nr_fds, before.nr_fds);
	assert_int_equal(after.nr_threads, before.nr_threads);
#ifndef __SANITIZE_ADDRESS__
	/* libc keeps stacks of ended threads, up to 40 MiB of address space */
	assert_true(after.nr_mappings <= before.nr_mappings + 8);
	assert_true(after.resident_kib <= before.resident_kib + 1024);
#endif
}

static void *one_vm(void *opaque)
{
	for (unsigned int i = 0; i < (is_long ? 20u : 1u); i++)
		cycle((unsigned int)(uintptr_t)opaque + i);
	return NULL;
}

/* Each in a thread of its own, all at once; a failed check in a thread ends the program. */
static void many_at_once(void **state)
{
	const size_t nr = is_in_lab() ? 16 : NR_THREADS;
	pthread_t threads[NR_THREADS];
	struct held before = look(), after;

	(void)state;
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_vm, (void *)(uintptr_t)i),
				 0);
	for (size_t i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	after = look();
	assert_int_equal(after.nr_fds, before.nr_fds);
	assert_int_equal(after.nr_threads, before.nr_threads);
}

/* All of them built and running at the same moment, in one thread. */
static void many_side_by_side(void **state)
{
	const size_t nr = is_in_lab() ? 16 : NR_THREADS;
	struct machine_config cfg = { .guest = "kick.elf",
				      .cmdline = "mode=hlt",
				      .ram_bytes = MIB(4),
				      .vm.irqchip = VC_IRQCHIP_KERNEL };
	struct machine *m = calloc(nr, sizeof(*m));
	uint64_t from, worst = 0;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < nr; i++)
		machine_start(&m[i], &cfg);
	for (size_t i = 0; i < nr; i++)
		console_wait(&m[i], "kick ready");
	for (size_t i = 0; i < nr; i++) {
		from = now_ms();
		machine_free(&m[i]);
		worst = now_ms() - from > worst ? now_ms() - from : worst;
	}
	printf("%zu VMs: destroy of a running one took at most %llu ms\n", nr,
	       (unsigned long long)worst);
	assert_true(worst < (is_in_lab() ? 20000 : 5000));
	free(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cycles),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(many_side_by_side),
	};

	need_kvm();
	is_long = argc > 1 && strcmp(argv[1], "long") == 0;
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
