/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dirty log of a whole VM: every page that the guest says it wrote is reported, by bitmap and by
 * ring, with a log that is taken while the guest runs, and with a ring that fills up again and again.
 */
#include "machine.h"

#include <stdlib.h>

#define BASE	 MIB(16)
#define PAGES	 4096u
#define RAM	 MIB(64)
#define NR_WORDS (RAM / 4096 / 64)

static bool is_long;

struct round {
	struct machine *m;
	uint64_t seed, count, state;
	uint64_t *want; /* pages written since the log was started */
	uint64_t *have; /* what was taken */
	uint64_t nr_rounds;
};

static void take(struct round *round)
{
	static uint64_t bits[NR_WORDS];

	assert_true(vc_partition_dirty_take(vc_vm_partition(round->m->vm), 0, bits, NR_WORDS) >= 0);
	for (size_t i = 0; i < NR_WORDS; i++)
		round->have[i] |= bits[i];
}

/* What the guest has written in one more round, by its own rule. */
static void replay(struct round *round)
{
	for (uint64_t i = 0; i < round->count; i++) {
		uint64_t page = BASE / 4096 + guest_prng(&round->state) % PAGES;

		round->want[page / 64] |= 1ull << page % 64;
	}
	round->nr_rounds++;
}

static void check(const struct round *round)
{
	for (size_t i = 0; i < NR_WORDS; i++) {
		if (round->want[i] & ~round->have[i])
			print_error("pages %zu: written %llx, reported %llx\n", 64 * i,
				    (unsigned long long)round->want[i],
				    (unsigned long long)round->have[i]);
		assert_int_equal(round->want[i] & ~round->have[i], 0);
	}
}

/* The log taken by the control thread all the time while the guest writes. */
static void run(uint32_t ring_entries, uint64_t count, uint64_t rounds, bool is_taken_on_the_way)
{
	char line[128];
	struct machine_config cfg = { .guest = "dirty.elf",
				      .cmdline = line,
				      .ram_bytes = RAM,
				      .vm = { .irqchip = VC_IRQCHIP_KERNEL,
					      .dirty_ring_entries = ring_entries } };
	struct round round = { .count = count, .state = 7 };
	struct vc_vm_stats stats = { .size = sizeof(stats) };
	struct machine m;

	snprintf(line, sizeof(line), "seed=7 count=%llu rounds=%llu pages=%u base=0x%llx",
		 (unsigned long long)count, (unsigned long long)rounds, PAGES, BASE);
	machine_build(&m, &cfg);
	round.m = &m;
	round.want = calloc(NR_WORDS, 8);
	round.have = calloc(NR_WORDS, 8);
	assert_true(round.want != NULL && round.have != NULL);
	assert_result(vc_partition_dirty_start(vc_vm_partition(m.vm)), 0);
	assert_result(vc_vm_start(m.vm), 0);
	while (is_taken_on_the_way && vc_vm_wait(m.vm, 1) == -ETIMEDOUT)
		take(&round);
	machine_done(&m, 0);
	take(&round);
	while (round.nr_rounds < rounds)
		replay(&round);
	check(&round);
	assert_result(vc_vm_get_stats(m.vm, &stats), 0);
	printf("ring of %u, taken %s: %llu exits for a full ring\n", ring_entries,
	       is_taken_on_the_way ? "on the way" : "at the end",
	       (unsigned long long)stats.nr_exits[VC_EXIT_DIRTY_FULL]);
	/* a vCPU whose ring is full makes room itself: exits are few, none is for waiting */
	if (ring_entries != 0)
		assert_true(stats.nr_exits[VC_EXIT_DIRTY_FULL] <=
			    1 + (count * rounds + 4096) / (ring_entries / 2));
	if (ring_entries == 1024 && !is_taken_on_the_way)
		assert_true(stats.nr_exits[VC_EXIT_DIRTY_FULL] > 0);
	free(round.want);
	free(round.have);
	machine_free(&m);
}

static bool has_ring(void)
{
	struct vc_host *host = NULL;
	bool has;

	assert_result(vc_host_open(NULL, &host), 0);
	has = vc_host_has(host, VC_CAP_DIRTY_RING);
	vc_host_close(host);
	return has;
}

static void bitmap(void **state)
{
	(void)state;
	run(0, 3000, 2, false);
	run(0, 3000, is_long ? 50 : 4, true);
}

static void ring(void **state)
{
	(void)state;
	if (!has_ring())
		skip_case("this host has no dirty ring");
	run(16384, 3000, 2, false);
	run(4096, 3000, is_long ? 50 : 4, true);
}

/* More pages than the ring has entries, and nobody takes the log until the guest is done. */
static void full_ring(void **state)
{
	(void)state;
	if (!has_ring())
		skip_case("this host has no dirty ring");
	run(1024, 20000, 1, false);
	run(1024, 5000, is_long ? 50 : 4, true);
}

/* Two logs one after the other: the second one is complete by itself. */
static void stop_and_start_again(void **state)
{
	static uint64_t bits[NR_WORDS];
	const uint32_t rings[] = { 0, 1024 };

	(void)state;
	for (size_t i = 0; i < (has_ring() ? 2 : 1); i++) {
		struct machine_config cfg = { .guest = "dirty.elf",
					      .cmdline = "count=3000 rounds=1000000",
					      .ram_bytes = RAM,
					      .vm.dirty_ring_entries = rings[i] };
		struct vc_partition *partition;
		struct machine m;

		machine_start(&m, &cfg);
		partition = vc_vm_partition(m.vm);
		console_wait(&m, "dirty round=1 ");
		for (int k = 0; k < 5; k++) {
			int64_t nr = 0;

			assert_result(vc_vm_pause(m.vm), 0);
			assert_result(vc_partition_dirty_start(partition), 0);
			assert_refused(vc_partition_dirty_start(partition), -EALREADY, "already");
			assert_result(vc_vm_resume(m.vm), 0);
			/* The test's time limit ends it where nothing is ever written. */
			do {
				sched_yield();
				nr = vc_partition_dirty_take(partition, 0, bits, NR_WORDS);
			} while (nr == 0);
			assert_true(nr > 0);
			assert_result(vc_vm_pause(m.vm), 0);
			vc_partition_dirty_stop(partition);
			assert_result(vc_vm_resume(m.vm), 0);
		}
		assert_result(vc_vm_stop(m.vm), 0);
		machine_free(&m);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bitmap),
		cmocka_unit_test(ring),
		cmocka_unit_test(full_ring),
		cmocka_unit_test(stop_and_start_again),
	};

	need_kvm();
	is_long = argc > 1 && strcmp(argv[1], "long") == 0;
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
