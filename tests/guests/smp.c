/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the other CPUs and prints what each says of itself: its APIC id by the local APIC and
 * CPUID leaves 1, 0xB and 0x1F (both levels). Which CPUs there are comes from the MADT, or is
 * 0..cpus-1 where there is no ACPI. Then every CPU adds `adds` to one counter with locked adds,
 * and the boot CPU sends each one an IPI. Exits 1 if a CPU stays away, or ids disagree.
 * Parameters: cpus (all of the MADT), x2apic=1 (default: when an id is above 254), adds (1000),
 * quiet=1: no line per CPU, time=1: a line with the TSC ticks until all had worked.
 */
#include "guest.h"

#define MAX_CPUS   512
#define IPI_VECTOR 0x51
#define NR_LEAVES  5

static const u32 leaves[NR_LEAVES][2] = {
	{ 1, 0 }, { 0xb, 0 }, { 0xb, 1 }, { 0x1f, 0 }, { 0x1f, 1 }
};

static struct cpu {
	u32 apic_id; /* what we sent the SIPI to */
	u32 lapic_id;
	struct guest_cpuid leaf[NR_LEAVES];
} cpus[MAX_CPUS];
static u32 nr_cpus, max_leaf, max_id, nr_done;
static u64 total, nr_adds;

static void work(u32 index, void *arg)
{
	struct cpu *cpu = arg;

	(void)index;
	cpu->lapic_id = guest_lapic_id();
	for (u32 i = 0; i < NR_LEAVES; i++)
		if (leaves[i][0] <= max_leaf)
			cpu->leaf[i] = guest_cpuid(leaves[i][0], leaves[i][1]);
	for (u64 i = 0; i < nr_adds; i++)
		__atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&nr_done, 1, __ATOMIC_ACQ_REL); /* pairs with wait_done() */
}

static void work_then_idle(u32 index, void *arg)
{
	work(index, arg);
	guest_sti();
	for (;;)
		guest_hlt_while(&total, total);
}

static void add_cpu(u32 apic_id, u32 flags)
{
	if (!(flags & 1) || nr_cpus == MAX_CPUS)
		return;
	cpus[nr_cpus++].apic_id = apic_id;
	if (apic_id > max_id)
		max_id = apic_id;
}

static void find_cpus(const struct guest_info *info)
{
	u64 madt = guest_acpi_find(info, "APIC"), want = guest_arg(info, "cpus", 0);

	if (!madt) {
		for (u32 i = 0; i < (want ? want : 1); i++)
			add_cpu(i, 1);
		return;
	}
	for (u64 at = madt + 44, end = madt + guest_read32(madt + 4); at + 2 <= end;) {
		u8 type = guest_read8(at), len = guest_read8(at + 1);

		if (type == 0)
			add_cpu(guest_read8(at + 3), guest_read32(at + 4));
		else if (type == 9)
			add_cpu(guest_read32(at + 4), guest_read32(at + 8));
		at += len < 2 ? 2 : len;
	}
	if (want && want < nr_cpus)
		nr_cpus = (u32)want;
}

static bool wait_done(u32 want, u32 *word)
{
	u64 start = guest_rdtsc();

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < want) {
		if (guest_rdtsc() - start > 20000000000ULL)
			return false;
		guest_pause();
	}
	return true;
}

static void print_cpu(u32 index)
{
	const struct cpu *cpu = &cpus[index];

	guest_printf("cpu %u apic=%u lapic=%u", index, cpu->apic_id, cpu->lapic_id);
	for (u32 i = 0; i < NR_LEAVES; i++) {
		const struct guest_cpuid *c = &cpu->leaf[i];

		if (leaves[i][0] <= max_leaf)
			guest_printf(" %x.%u=%x,%x,%x,%x", leaves[i][0], leaves[i][1], c->eax,
				     c->ebx, c->ecx, c->edx);
	}
	guest_putc('\n');
}

static int report_cpu(u32 index, bool print)
{
	const struct cpu *cpu = &cpus[index];
	int r = 0;

	if (print)
		print_cpu(index);
	if (cpu->lapic_id != cpu->apic_id || cpu->leaf[0].ebx >> 24 != (cpu->apic_id & 0xff))
		r = GUEST_EXIT_FAIL;
	if (max_leaf >= 0xb && cpu->leaf[1].ebx && cpu->leaf[1].edx != cpu->apic_id)
		r = GUEST_EXIT_FAIL;
	if (r)
		guest_printf("cpu %u: its ids disagree\n", index);
	return r;
}

static int send_ipis(void)
{
	for (u32 i = 1; i < nr_cpus; i++)
		guest_lapic_icr(cpus[i].apic_id, IPI_VECTOR);
	for (u64 start = guest_rdtsc(); guest_irq_count(IPI_VECTOR) < nr_cpus - 1; guest_pause())
		if (guest_rdtsc() - start > 20000000000ULL)
			break;
	guest_printf("ipis %lu of %u\n", guest_irq_count(IPI_VECTOR), nr_cpus - 1);
	return guest_irq_count(IPI_VECTOR) == nr_cpus - 1 ? 0 : GUEST_EXIT_FAIL;
}

int guest_main(const struct guest_info *info)
{
	u64 started = guest_rdtsc();
	int r = 0;

	find_cpus(info);
	nr_adds = guest_arg(info, "adds", 1000);
	max_leaf = guest_cpuid(0, 0).eax;
	if (guest_lapic_enable(guest_arg(info, "x2apic", max_id > 254))) {
		guest_puts("x2APIC is not there\n");
		return GUEST_EXIT_ABSENT;
	}
	for (u32 i = 1; i < nr_cpus; i++) {
		if (guest_cpu_start(cpus[i].apic_id, work_then_idle, &cpus[i])) {
			guest_printf("cpu %u apic=%u does not start\n", i, cpus[i].apic_id);
			return GUEST_EXIT_FAIL;
		}
	}
	work(0, &cpus[0]);
	if (!wait_done(nr_cpus, &nr_done)) {
		guest_printf("only %u of %u CPUs worked\n", nr_done, nr_cpus);
		return GUEST_EXIT_FAIL;
	}
	started = guest_rdtsc() - started;
	for (u32 i = 0; i < nr_cpus; i++)
		r |= report_cpu(i, !guest_arg(info, "quiet", 0));
	r |= send_ipis();
	if (guest_arg(info, "time", 0))
		guest_printf("ticks %lu\n", started);
	guest_printf("smp cpus=%u total=%lu\n", nr_cpus, total);
	return total == nr_cpus * nr_adds ? r : GUEST_EXIT_FAIL;
}
