/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's counters, as numbers and as text.
 *
 * Any thread, in any state from BUILT on. Every value is one atomic load, so that a running vCPU is
 * never held up; the price is that the values are of nearly the same moment only. Rates and time
 * series are the embedder's: nothing is kept here.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_built(const struct vc_vm *vm, const void *ret)
{
	if (vm == NULL || ret == NULL)
		return vc_error_set(-EINVAL, "vm", vm ? vm->name : NULL,
				    "a VM and a place for the answer are needed");
	if (vm->cpus == NULL)
		return vc_error_set(-EBUSY, "vm", vm->name, "no counters: the VM is new");
	return 0;
}

/* What the struct had in its first version. */
#define STATS_FIRST_BYTES (offsetof(struct vc_vm_stats, nr_resets) + sizeof(uint64_t))

int vc_vm_get_stats(const struct vc_vm *vm, struct vc_vm_stats *ret_stats)
{
	struct vc_vm_stats sum = { .size = sizeof(sum) };
	int r = check_built(vm, ret_stats);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vc_vcpu_stats one = { .size = sizeof(one) };

		r = vc_vcpu_get_stats(vm->cpus[i].vcpu, &one);
		if (r < 0)
			return r;
		for (int k = 0; k < VC_EXIT_NR; k++)
			sum.nr_exits[k] += one.nr_exits[k];
		sum.nr_kicks += one.nr_kicks;
		sum.nr_signals += one.nr_signals;
		sum.guest_ns += one.guest_ns;
	}
	sum.nr_unclaimed_pio = vc_bus_unclaimed(vm->pio);
	sum.nr_unclaimed_mmio = vc_bus_unclaimed(vm->mmio);
	sum.nr_resets = atomic_load_explicit(&vm->nr_resets, memory_order_relaxed);
	return vc_result_fill(ret_stats, STATS_FIRST_BYTES, &sum, sizeof(sum));
}

static void report_one(const char *object, const struct vc_vcpu_stats *stats, bool has_times,
		       vc_text_fn fn, void *opaque)
{
	char line[128];
	uint64_t total = 0;

	for (int k = 0; k < VC_EXIT_NR; k++)
		total += stats->nr_exits[k];
	snprintf(line, sizeof(line), "%s: exits %" PRIu64 ", kicks %" PRIu64 ", signals %" PRIu64,
		 object, total, stats->nr_kicks, stats->nr_signals);
	fn(opaque, line);
	for (int k = 0; k < VC_EXIT_NR; k++) {
		if (stats->nr_exits[k] == 0)
			continue;
		snprintf(line, sizeof(line), "%s: exit %s: %" PRIu64, object,
			 vc_exit_name((enum vc_exit_kind)k), stats->nr_exits[k]);
		fn(opaque, line);
	}
	if (!has_times)
		return;
	snprintf(line, sizeof(line), "%s: time in guest: %" PRIu64 ".%03" PRIu64 " ms", object,
		 stats->guest_ns / 1000000, stats->guest_ns / 1000 % 1000);
	fn(opaque, line);
}

int vc_vm_report_stats(const struct vc_vm *vm, vc_text_fn fn, void *opaque)
{
	struct vc_vm_stats sum = { .size = sizeof(sum) };
	struct vc_vcpu_stats all = { .size = sizeof(all) };
	char text[64];
	int r = vc_vm_get_stats(vm, fn != NULL ? &sum : NULL);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vc_vcpu_stats one = { .size = sizeof(one) };

		r = vc_vcpu_get_stats(vm->cpus[i].vcpu, &one);
		if (r < 0)
			return r;
		snprintf(text, sizeof(text), "cpu%" PRIu32, i);
		report_one(text, &one, vm->cfg.has_times, fn, opaque);
	}
	memcpy(all.nr_exits, sum.nr_exits, sizeof(all.nr_exits));
	all.nr_kicks = sum.nr_kicks;
	all.nr_signals = sum.nr_signals;
	all.guest_ns = sum.guest_ns;
	if (vm->cfg.nr_vcpus > 1)
		report_one("all", &all, vm->cfg.has_times, fn, opaque);
	snprintf(text, sizeof(text), "unclaimed accesses: pio %" PRIu64 ", mmio %" PRIu64,
		 sum.nr_unclaimed_pio, sum.nr_unclaimed_mmio);
	fn(opaque, text);
	snprintf(text, sizeof(text), "resets: %" PRIu64, sum.nr_resets);
	fn(opaque, text);
	return 0;
}
