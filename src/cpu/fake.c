/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake back end: a host with a fixed CPU, partitions that record interrupts instead of
 * delivering them, doorbells that played writes ring. What its vCPUs do is in fake_vcpu.c. Records
 * and doorbells are touched from any thread, under one lock per partition.
 *
 * It has every capability whose effect can be seen from outside without a guest that executes; the
 * others are refused as on a host without them: dirty ring, TSC frequency, halt polling, sync regs.
 * An irqfd's signals are read when records are asked for, because no thread runs here.
 */
#include "fake_parts.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <string.h>

#define FIRST_RECORDS 64u

/* A server CPU of 2017 under KVM: AVX-512, nested VMX, 4 cores, no second die. */
static const struct vc__cpuid_leaf cpu[] = {
	{ 0x0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69, false },
	{ 0x1, 0, 0x50654, 0x00080800, 0xf7fa3223, 0x1f8bfbff, false },
	{ 0x2, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000, false },
	{ 0x4, 0, 0x7c004121, 0x01c0003f, 0x3f, 0, true },
	{ 0x4, 1, 0x7c004122, 0x01c0003f, 0x3f, 0, true },
	{ 0x4, 2, 0x7c004143, 0x03c0003f, 0x3ff, 0, true },
	{ 0x4, 3, 0x7c0fc163, 0x02c0003f, 0x9fff, 4, true },
	{ 0x6, 0, 0x4, 0, 0, 0, false },
	{ 0x7, 0, 0, 0xd19f0fbb, 0x0000000c, 0xac000400, true },
	{ 0xb, 0, 1, 2, 0x100, 0, true },
	{ 0xb, 1, 6, 64, 0x201, 0, true },
	{ 0xd, 0, 0x2e7, 0xa88, 0xa88, 0, true },
	{ 0xd, 1, 0xf, 0xa08, 0, 0, true },
	{ 0xd, 2, 0x100, 0x240, 0, 0, true },
	{ 0xd, 5, 0x40, 0x440, 0, 0, true },
	{ 0xd, 6, 0x200, 0x480, 0, 0, true },
	{ 0xd, 7, 0x400, 0x680, 0, 0, true },
	{ 0xd, 9, 0x8, 0xa80, 0, 0, true },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d, false },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0, false },
	{ 0x80000000, 0, 0x80000008, 0, 0, 0, false },
	{ 0x80000001, 0, 0, 0, 0x121, 0x2c100800, false },
	{ 0x80000002, 0, 0x7662696c, 0x63747269, 0x2065726f, 0x656b6166, false },
	{ 0x80000003, 0, 0x55504320, 0, 0, 0, false },
	{ 0x80000006, 0, 0, 0, 0x01006040, 0, false },
	{ 0x80000007, 0, 0, 0, 0, 0x100, false },
	{ 0x80000008, 0, 0x302e, 0x0100d000, 0, 0, false },
};

static struct fake_partition *to_fake(struct vc_partition *partition)
{
	return vc_container_of(partition, struct fake_partition, partition);
}

static int open_host(struct vc_host *host, const struct vc_host_config *cfg)
{
	struct fake_host *fake = vc_container_of(host, struct fake_host, host);
	static const uint8_t caps[] = {
		VC_CAP_IRQCHIP,	   VC_CAP_SPLIT_IRQCHIP, VC_CAP_PIT,	    VC_CAP_IRQFD,
		VC_CAP_IOEVENTFD,  VC_CAP_SIGNAL_MSI,	 VC_CAP_X2APIC_IDS, VC_CAP_DIRTY_LOG,
		VC_CAP_MSR_FILTER, VC_CAP_READONLY_MEM,	 VC_CAP_STATE,	    VC_CAP_NESTED,
		VC_CAP_STEAL_TIME, VC_CAP_PINNABLE_MEM,	 VC_CAP_HARDWARE,
	};

	for (size_t i = 0; i < sizeof(caps); i++)
		host->caps |= 1ull << caps[i];
	host->limits[VC_LIMIT_VCPUS] = 1024;
	host->limits[VC_LIMIT_VCPU_ID] = 4096;
	host->limits[VC_LIMIT_GPA_BITS] = 46; /* as leaf 0x80000008 says */
	host->limits[VC_LIMIT_MEM_SLOTS] = 32764;
	host->limits[VC_LIMIT_SLOT_BYTES] = 1ull << 43;
	if (!cfg->fake)
		return 0;
	fake->script = *cfg->fake;
	return vc__fake_check(&fake->script);
}

static void close_host(struct vc_host *host)
{
	(void)host;
}

static int load_host(struct vc_host *host, enum vc__host_table table)
{
	if (table == VC__TABLE_CPUID) {
		host->leaves = malloc(sizeof(cpu));
		if (!host->leaves)
			return vc_error_set(-ENOMEM, "fake", "host", "no memory for CPUID");
		memcpy(host->leaves, cpu, sizeof(cpu));
		host->nr_leaves = sizeof(cpu) / sizeof(cpu[0]);
		return 0;
	}
	host->msrs = malloc(FAKE_MSRS * sizeof(*host->msrs));
	if (!host->msrs)
		return vc_error_set(-ENOMEM, "fake", "host", "no memory for MSRs");
	memcpy(host->msrs, vc__fake_msrs, FAKE_MSRS * sizeof(*host->msrs));
	host->nr_msrs = FAKE_MSRS;
	return 0;
}

static int create_partition(struct vc_partition *partition, const struct vc_partition_config *cfg)
{
	struct fake_partition *fake = to_fake(partition);

	pthread_mutex_init(&fake->lock, NULL);
	if (cfg->tsc_khz)
		return vc_error_set(-ENOTSUP, "fake", partition->name,
				    "a TSC of %u kHz: nothing counts time here", cfg->tsc_khz);
	partition->max_gsis = 4096;
	return 0;
}

static void destroy_partition(struct vc_partition *partition)
{
	struct fake_partition *fake = to_fake(partition);

	pthread_mutex_destroy(&fake->lock);
	free(fake->records);
	free(fake->doorbells);
	free(fake->irqs);
}

static int move_state(struct vc_partition *partition, enum vc__partition_part part, void *buf,
		      bool is_set)
{
	struct fake_partition *fake = to_fake(partition);
	const struct {
		void *at;
		size_t bytes;
	} places[] = {
		[VC__PART_CLOCK] = { &fake->clock, sizeof(fake->clock) },
		[VC__PART_PIC] = { fake->pic, sizeof(fake->pic) },
		[VC__PART_IOAPIC] = { &fake->ioapic, sizeof(fake->ioapic) },
		[VC__PART_PIT] = { &fake->pit, sizeof(fake->pit) },
	};

	if (is_set)
		memcpy(places[part].at, buf, places[part].bytes);
	else
		memcpy(buf, places[part].at, places[part].bytes);
	return 0;
}

/* The guest writes nothing: what the host wrote is the front's to add. */
static int set_dirty(struct vc_partition *partition, bool is_on)
{
	(void)partition;
	(void)is_on;
	return 0;
}

static int take_dirty(struct vc_partition *partition, size_t idx, uint64_t *bits, size_t nr_words)
{
	(void)partition;
	(void)idx;
	memset(bits, 0, nr_words * sizeof(*bits));
	return 0;
}

/* Makes room for one more record; false when there is no memory or too many wait. */
static bool grow_records(struct fake_partition *fake)
{
	size_t max = fake->max_records ? 2 * fake->max_records : FIRST_RECORDS;
	struct vc_fake_record *records;

	if (fake->nr_records < fake->max_records)
		return true;
	if (max > VC_FAKE_RECORDS_MAX)
		return false;
	records = malloc(max * sizeof(*records));
	if (!records)
		return false;
	for (size_t i = 0; i < fake->nr_records; i++)
		records[i] = fake->records[(fake->first + i) % fake->max_records];
	free(fake->records);
	fake->records = records;
	fake->max_records = max;
	fake->first = 0;
	return true;
}

static void append(struct fake_partition *fake, enum vc_fake_kind kind, uint64_t addr,
		   uint64_t value)
{
	if (!grow_records(fake)) {
		fake->has_overflow = true;
		return;
	}
	fake->records[(fake->first + fake->nr_records++) % fake->max_records] =
		(struct vc_fake_record){ .kind = kind, .addr = addr, .value = value };
}

void vc__fake_record(struct fake_partition *fake, enum vc_fake_kind kind, uint64_t addr,
		     uint64_t value)
{
	pthread_mutex_lock(&fake->lock);
	append(fake, kind, addr, value);
	pthread_mutex_unlock(&fake->lock);
}

static int set_line(struct vc_partition *partition, uint32_t gsi, bool is_high)
{
	vc__fake_record(to_fake(partition), VC_FAKE_IRQ_LEVEL, gsi, is_high);
	return 0;
}

static int send_msi(struct vc_partition *partition, const struct vc_msi *msi)
{
	vc__fake_record(to_fake(partition), VC_FAKE_MSI, msi->address, msi->data);
	return 1;
}

/* What the irqfds were signalled since the last look; signals of one fd coalesce, as in a kernel. */
static void read_irqs(struct fake_partition *fake)
{
	struct vc_msi msi;
	uint64_t nr;

	for (size_t i = 0; i < fake->nr_irqs; i++) {
		struct vc_irq *irq = fake->irqs[i];

		if (!vc__irq_listens(irq)) /* just masked: they wait */
			continue;
		if (read(irq->fd, &nr, sizeof(nr)) != sizeof(nr))
			continue;
		if (irq->kind == VC__IRQ_LINE) {
			append(fake, VC_FAKE_IRQ_LEVEL, irq->gsi, 1);
			append(fake, VC_FAKE_IRQ_LEVEL, irq->gsi, 0);
		} else if (vc__irq_message(irq, &msi)) {
			append(fake, VC_FAKE_MSI, msi.address, msi.data);
		}
	}
}

int vc_fake_next_record(struct vc_partition *partition, struct vc_fake_record *ret_record)
{
	int r = 1;

	if (!partition || !ret_record || partition->host->ops != &vc__backend_fake)
		return vc_error_set(-EINVAL, "fake", partition ? partition->name : "partition",
				    "no partition of the fake back end, or no place for a record");

	struct fake_partition *fake = to_fake(partition);

	pthread_mutex_lock(&fake->lock);
	read_irqs(fake);
	if (fake->has_overflow) {
		fake->has_overflow = false;
		r = vc_error_set(-EOVERFLOW, "fake", partition->name,
				 "records lost: more than %u were waiting", VC_FAKE_RECORDS_MAX);
	} else if (fake->nr_records == 0) {
		r = 0;
	} else {
		*ret_record = fake->records[fake->first];
		fake->first = (fake->first + 1) % fake->max_records;
		fake->nr_records--;
	}
	pthread_mutex_unlock(&fake->lock);
	return r;
}

static int add_irq(struct fake_partition *fake, struct vc_irq *irq)
{
	struct vc_irq **irqs;

	if (irq->is_wired)
		return 0;
	irqs = realloc(fake->irqs, (fake->nr_irqs + 1) * sizeof(*irqs));
	if (!irqs)
		return vc_error_set(-ENOMEM, "fake", fake->partition.name,
				    "no memory for an irqfd");
	fake->irqs = irqs;
	fake->irqs[fake->nr_irqs++] = irq;
	irq->is_wired = true;
	return 0;
}

static int wire_irq(struct vc_irq *irq, bool is_on)
{
	struct fake_partition *fake = to_fake(irq->partition);
	int r = 0;

	pthread_mutex_lock(&fake->lock);
	/* signals sent so far go out by the message as it was, but for the change just made */
	read_irqs(fake);
	if (is_on && vc__irq_listens(irq)) {
		r = add_irq(fake, irq);
	} else if (irq->is_wired) {
		size_t i = 0;

		while (fake->irqs[i] != irq)
			i++;
		fake->irqs[i] = fake->irqs[--fake->nr_irqs];
		irq->is_wired = false;
	}
	pthread_mutex_unlock(&fake->lock);
	return r;
}

/* Two doorbells that one write could not tell apart. [KVM KVM_IOEVENTFD] */
static bool is_same_bell(const struct vc_doorbell_config *a, const struct vc_doorbell_config *b)
{
	return a->space == b->space && a->addr == b->addr &&
	       (a->len == 0 || b->len == 0 || a->len == b->len) &&
	       (!a->has_match || !b->has_match || a->match == b->match);
}

static int add_bell(struct fake_partition *fake, const struct vc_doorbell *bell)
{
	const struct vc_doorbell **bells;

	for (size_t i = 0; i < fake->nr_doorbells; i++)
		if (is_same_bell(&fake->doorbells[i]->cfg, &bell->cfg))
			return vc_error_set(-EEXIST, "fake", fake->partition.name,
					    "there is a doorbell at %#llx already",
					    (unsigned long long)bell->cfg.addr);
	bells = realloc(fake->doorbells, (fake->nr_doorbells + 1) * sizeof(*bells));
	if (!bells)
		return vc_error_set(-ENOMEM, "fake", fake->partition.name,
				    "no memory for a doorbell");
	fake->doorbells = bells;
	fake->doorbells[fake->nr_doorbells++] = bell;
	return 0;
}

static int wire_bell(struct vc_doorbell *bell, bool is_on)
{
	struct fake_partition *fake = to_fake(bell->partition);
	int r = 0;

	pthread_mutex_lock(&fake->lock);
	if (is_on) {
		r = add_bell(fake, bell);
	} else {
		size_t i = 0;

		while (fake->doorbells[i] != bell)
			i++;
		fake->doorbells[i] = fake->doorbells[--fake->nr_doorbells];
	}
	pthread_mutex_unlock(&fake->lock);
	return r;
}

static bool is_hit(const struct vc_doorbell_config *bell, const struct vc_fake_step *step)
{
	uint32_t size = step->size ? step->size : 1;
	uint64_t value = size < 8 ? step->value & ((1ull << 8 * size) - 1) : step->value;

	return (bell->space == VC_SPACE_PIO) == (step->kind == VC_EXIT_PIO) &&
	       bell->addr == step->addr && (bell->len == 0 || bell->len == size) &&
	       (!bell->has_match || bell->match == value);
}

bool vc__fake_ring(struct fake_partition *fake, const struct vc_fake_step *step)
{
	uint64_t one = 1;
	bool is_rung = false;

	if (!step->is_write || step->count > 1 ||
	    (step->kind != VC_EXIT_PIO && step->kind != VC_EXIT_MMIO))
		return false;
	pthread_mutex_lock(&fake->lock);
	for (size_t i = 0; i < fake->nr_doorbells && !is_rung; i++) {
		is_rung = is_hit(&fake->doorbells[i]->cfg, step);
		if (is_rung && write(fake->doorbells[i]->fd, &one, sizeof(one)) < 0)
			continue; /* the counter is full: it rings already */
	}
	pthread_mutex_unlock(&fake->lock);
	return is_rung;
}

const struct vc__backend_ops vc__backend_fake = {
	.backend = VC_BACKEND_FAKE,
	.host_bytes = sizeof(struct fake_host),
	.partition_bytes = sizeof(struct fake_partition),
	.vcpu_bytes = sizeof(struct fake_vcpu),
	.host_open = open_host,
	.host_close = close_host,
	.host_load = load_host,
	.partition_create = create_partition,
	.partition_destroy = destroy_partition,
	.partition_state = move_state,
	.dirty_set = set_dirty,
	.dirty_take = take_dirty,
	.vcpu_create = vc__fake_vcpu_create,
	.vcpu_destroy = vc__fake_vcpu_destroy,
	.vcpu_bind = vc__fake_vcpu_bind,
	.vcpu_run = vc__fake_vcpu_run,
	.vcpu_wake = vc__fake_vcpu_wake,
	.vcpu_get = vc__fake_vcpu_get,
	.vcpu_set = vc__fake_vcpu_set,
	.vcpu_msrs = vc__fake_vcpu_msrs,
	.irq_line = set_line,
	.irq_msi = send_msi,
	.irq_wire = wire_irq,
	.doorbell_wire = wire_bell,
};
