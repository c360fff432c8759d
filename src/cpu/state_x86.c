/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86 state as this library writes it down: named fields, registers, XSAVE area and LAPIC page in
 * their architectural formats, MSRs by number; nothing shaped by a hypervisor. One function per
 * struct serves both directions, so that what is written and what is read cannot drift apart. A
 * section is read as a whole before any of it is applied. Control thread, or the vCPU's; no vCPU
 * runs. Leaves out a guest's own nested guests. [SDM 3A 10.1.1, 11.4.1, 13.4]
 */
#include "backend.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERSION	     1u
#define MSRS_MAX     1024u
#define XSAVE_MAX    65536u
#define TSC_DEADLINE 0x6e0u

/* A stream in one of its directions. */
struct walk {
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
};

/* All that a vCPU consists of. The two areas and the list are the image's own. */
struct image {
	uint32_t apic_id;
	struct vc_x86_regs regs;
	struct vc_x86_sregs sregs;
	struct vc__x86_debug debug;
	struct vc__x86_events events;
	enum vc__run_state run_state;
	bool has_xcr0, has_lapic;
	uint64_t xcr0;
	uint8_t lapic[VC_LAPIC_BYTES];
	uint32_t xsave_len, nr_msrs;
	uint8_t *xsave;
	struct vc__msr *msrs;
};

static uint64_t walk_int(const struct walk *w, uint64_t value, unsigned int width)
{
	if (!w->writer)
		return vc_state_get_u64(w->reader, width);
	vc_state_put_u64(w->writer, value, width);
	return value;
}

static void walk_u64(const struct walk *w, uint64_t *v)
{
	*v = walk_int(w, *v, 8);
}

static void walk_u32(const struct walk *w, uint32_t *v)
{
	*v = (uint32_t)walk_int(w, *v, 4);
}

static void walk_u16(const struct walk *w, uint16_t *v)
{
	*v = (uint16_t)walk_int(w, *v, 2);
}

static void walk_u8(const struct walk *w, uint8_t *v)
{
	*v = (uint8_t)walk_int(w, *v, 1);
}

static void walk_bool(const struct walk *w, bool *v)
{
	*v = walk_int(w, *v, 1) != 0;
}

static void walk_bytes(const struct walk *w, void *buf, size_t len)
{
	if (w->writer)
		vc_state_put_bytes(w->writer, buf, len);
	else
		(void)vc_state_get_bytes(w->reader, buf, len);
}

static void walk_regs(const struct walk *w, struct vc_x86_regs *r)
{
	uint64_t *const all[] = {
		&r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi, &r->rdi, &r->rsp, &r->rbp, &r->r8,
		&r->r9,	 &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15, &r->rip, &r->rflags,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		walk_u64(w, all[i]);
}

static void walk_segment(const struct walk *w, struct vc_x86_segment *s)
{
	uint8_t *const bits[] = { &s->type, &s->s,  &s->dpl, &s->present, &s->avl,
				  &s->l,    &s->db, &s->g,   &s->unusable };

	walk_u64(w, &s->base);
	walk_u32(w, &s->limit);
	walk_u16(w, &s->selector);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		walk_u8(w, bits[i]);
}

static void walk_sregs(const struct walk *w, struct vc_x86_sregs *s)
{
	struct vc_x86_segment *const segments[] = { &s->cs, &s->ds, &s->es, &s->fs,
						    &s->gs, &s->ss, &s->tr, &s->ldt };
	uint64_t *const all[] = { &s->cr0, &s->cr2,  &s->cr3,	   &s->cr4,
				  &s->cr8, &s->efer, &s->apic_base };

	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		walk_segment(w, segments[i]);
	walk_u64(w, &s->gdt.base);
	walk_u16(w, &s->gdt.limit);
	walk_u64(w, &s->idt.base);
	walk_u16(w, &s->idt.limit);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		walk_u64(w, all[i]);
}

static void walk_debug(const struct walk *w, struct vc__x86_debug *d)
{
	for (size_t i = 0; i < 4; i++)
		walk_u64(w, &d->dr[i]);
	walk_u64(w, &d->dr6);
	walk_u64(w, &d->dr7);
}

static void walk_events(const struct walk *w, struct vc__x86_events *e)
{
	bool *const facts[] = {
		&e->exception_injected,	 &e->exception_pending,
		&e->exception_has_error, &e->exception_has_payload,
		&e->interrupt_injected,	 &e->interrupt_soft,
		&e->nmi_injected,	 &e->nmi_pending,
		&e->nmi_masked,		 &e->smm,
		&e->smm_pending,	 &e->smm_inside_nmi,
		&e->latched_init,	 &e->triple_fault_pending,
	};

	walk_u64(w, &e->exception_payload);
	walk_u32(w, &e->exception_error);
	walk_u8(w, &e->exception_vector);
	walk_u8(w, &e->interrupt_vector);
	walk_u8(w, &e->interrupt_shadow);
	walk_u32(w, &e->sipi_vector);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		walk_bool(w, facts[i]);
}

static void free_image(struct image *image)
{
	if (!image)
		return;
	free(image->xsave);
	free(image->msrs);
	free(image);
}

/* Memory for the two parts whose length comes from a host or a stream. */
static int size_image(struct image *image)
{
	if (image->xsave_len > XSAVE_MAX || image->nr_msrs > MSRS_MAX)
		return vc_error_set(-EBADMSG, "cpu", "state",
				    "XSAVE area of %u bytes and %u MSRs, at most %u and %u",
				    image->xsave_len, image->nr_msrs, XSAVE_MAX, MSRS_MAX);
	image->xsave = calloc(1, image->xsave_len + 1u);
	image->msrs = calloc(image->nr_msrs + 1u, sizeof(*image->msrs));
	if (!image->xsave || !image->msrs)
		return vc__no_memory("state", "the image of a vCPU");
	return 0;
}

static int walk_image(const struct walk *w, struct image *image)
{
	uint8_t run_state = (uint8_t)image->run_state;
	int r;

	walk_u32(w, &image->apic_id);
	walk_regs(w, &image->regs);
	walk_sregs(w, &image->sregs);
	walk_debug(w, &image->debug);
	walk_events(w, &image->events);
	walk_u8(w, &run_state);
	if (run_state >= VC__RUN_NR)
		return vc_error_set(-EBADMSG, "cpu", "state", "run state %u is unknown", run_state);
	image->run_state = (enum vc__run_state)run_state;
	walk_bool(w, &image->has_xcr0);
	walk_u64(w, &image->xcr0);
	walk_bool(w, &image->has_lapic);
	if (image->has_lapic)
		walk_bytes(w, image->lapic, sizeof(image->lapic));
	walk_u32(w, &image->xsave_len);
	walk_u32(w, &image->nr_msrs);
	if (w->reader && (r = size_image(image)) < 0)
		return r;
	walk_bytes(w, image->xsave, image->xsave_len);
	for (uint32_t i = 0; i < image->nr_msrs; i++) {
		walk_u32(w, &image->msrs[i].index);
		walk_u64(w, &image->msrs[i].value);
	}
	return 0;
}

/* Reads all MSRs that can be read; the host's list has some that this vCPU's model lacks. */
static int get_msrs(struct vc_vcpu *vcpu, struct image *image)
{
	const struct vc_host *host = vcpu->partition->host;
	size_t from = 0;

	image->nr_msrs = 0;
	while (from < host->nr_msrs) {
		struct vc__msr *msrs = &image->msrs[image->nr_msrs];
		size_t nr = host->nr_msrs - from;

		for (size_t i = 0; i < nr; i++)
			msrs[i] = (struct vc__msr){ .index = host->msrs[from + i] };
		int r = host->ops->vcpu_msrs(vcpu, msrs, nr, false);
		if (r < 0)
			return r;
		image->nr_msrs += (uint32_t)r;
		from += (size_t)r + 1;
	}
	return 0;
}

static int get(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len)
{
	return vcpu->partition->host->ops->vcpu_get(vcpu, part, buf, len);
}

static int set(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len)
{
	int r = vcpu->partition->host->ops->vcpu_set(vcpu, part, buf, len);

	return r < 0 ? r : 0;
}

static int get_image(struct vc_vcpu *vcpu, struct image *image)
{
	const struct vc_host *host = vcpu->partition->host;
	int r = get(vcpu, VC__PART_XSAVE, NULL, 0);

	if (r < 0)
		return r;
	image->apic_id = vcpu->apic_id;
	image->xsave_len = (uint32_t)r;
	image->nr_msrs = (uint32_t)host->nr_msrs;
	if ((r = size_image(image)) < 0 ||
	    (r = get(vcpu, VC__PART_REGS, &image->regs, sizeof(image->regs))) < 0 ||
	    (r = get(vcpu, VC__PART_SREGS, &image->sregs, sizeof(image->sregs))) < 0 ||
	    (r = get(vcpu, VC__PART_DEBUG, &image->debug, sizeof(image->debug))) < 0 ||
	    (r = get(vcpu, VC__PART_EVENTS, &image->events, sizeof(image->events))) < 0 ||
	    (r = get(vcpu, VC__PART_RUN_STATE, &image->run_state, sizeof(image->run_state))) < 0 ||
	    (r = get(vcpu, VC__PART_XSAVE, image->xsave, image->xsave_len)) < 0)
		return r;
	r = get(vcpu, VC__PART_XCR0, &image->xcr0, sizeof(image->xcr0));
	if (r < 0 && r != -ENOTSUP)
		return r;
	image->has_xcr0 = r >= 0;
	image->has_lapic = vcpu->partition->irqchip != VC_IRQCHIP_NONE;
	if (image->has_lapic &&
	    (r = get(vcpu, VC__PART_LAPIC, image->lapic, sizeof(image->lapic))) < 0)
		return r;
	return get_msrs(vcpu, image);
}

/* Writes MSRs; one that is refused is passed over when it has the value already. */
static int set_msrs(struct vc_vcpu *vcpu, struct vc__msr *msrs, size_t nr)
{
	const struct vc__backend_ops *ops = vcpu->partition->host->ops;
	size_t done = 0;

	while (done < nr) {
		int r = ops->vcpu_msrs(vcpu, &msrs[done], nr - done, true);
		if (r < 0)
			return r;
		done += (size_t)r;
		if (done == nr)
			break;
		struct vc__msr have = { .index = msrs[done].index };
		r = ops->vcpu_msrs(vcpu, &have, 1, false);
		if (r < 0)
			return r;
		if (r != 1 || have.value != msrs[done].value)
			return vc_error_set(-ENOTSUP, "cpu", vcpu->partition->name,
					    "vCPU %u: MSR %#x does not take %#llx here", vcpu->idx,
					    msrs[done].index, (unsigned long long)msrs[done].value);
		done++;
	}
	return 0;
}

/* Takes the TSC deadline out of the list: it counts only once the LAPIC's timer is in its mode. */
static bool take_deadline(struct image *image, struct vc__msr *ret)
{
	for (uint32_t i = 0; i < image->nr_msrs; i++) {
		if (image->msrs[i].index != TSC_DEADLINE)
			continue;
		*ret = image->msrs[i];
		memmove(&image->msrs[i], &image->msrs[i + 1],
			(image->nr_msrs - i - 1) * sizeof(*image->msrs));
		image->nr_msrs--;
		return true;
	}
	return false;
}

/*
 * Mode before general registers (which drop pending exceptions), XCR0 before the area it governs,
 * MSRs before the LAPIC (whose mode sregs have set), the deadline after it, events and the run
 * state last.
 */
static int set_image(struct vc_vcpu *vcpu, struct image *image)
{
	struct vc__msr deadline;
	bool has_deadline = take_deadline(image, &deadline);
	int r;

	if ((r = set(vcpu, VC__PART_SREGS, &image->sregs, sizeof(image->sregs))) < 0 ||
	    (r = set(vcpu, VC__PART_REGS, &image->regs, sizeof(image->regs))) < 0 ||
	    (image->has_xcr0 &&
	     (r = set(vcpu, VC__PART_XCR0, &image->xcr0, sizeof(image->xcr0))) < 0) ||
	    (r = set(vcpu, VC__PART_XSAVE, image->xsave, image->xsave_len)) < 0 ||
	    (r = set(vcpu, VC__PART_DEBUG, &image->debug, sizeof(image->debug))) < 0 ||
	    (r = set_msrs(vcpu, image->msrs, image->nr_msrs)) < 0 ||
	    (image->has_lapic &&
	     (r = set(vcpu, VC__PART_LAPIC, image->lapic, sizeof(image->lapic))) < 0) ||
	    (has_deadline && (r = set_msrs(vcpu, &deadline, 1)) < 0) ||
	    (r = set(vcpu, VC__PART_EVENTS, &image->events, sizeof(image->events))) < 0)
		return r;
	return set(vcpu, VC__PART_RUN_STATE, &image->run_state, sizeof(image->run_state));
}

static void name_section(const struct vc_vcpu *vcpu, char *name, size_t len)
{
	snprintf(name, len, "vcpu%u", vcpu->idx);
}

int vc__vcpu_save_x86(struct vc_vcpu *vcpu, struct vc_state_writer *writer)
{
	struct walk w = { .writer = writer };
	char name[VC_STATE_NAME_MAX];

	int r = vc__host_load(vcpu->partition->host, VC__TABLE_MSRS);
	if (r < 0)
		return r;
	struct image *image = calloc(1, sizeof(*image));
	if (!image)
		return vc__no_memory("state", "the image of a vCPU");
	r = get_image(vcpu, image);
	name_section(vcpu, name, sizeof(name));
	if (r >= 0)
		r = vc_state_begin(writer, name, VERSION);
	if (r == 0) {
		r = walk_image(&w, image);
		int end = vc_state_end(writer);
		r = r < 0 ? r : end;
	}
	free_image(image);
	return r;
}

static int check_image(const struct vc_vcpu *vcpu, const struct image *image)
{
	bool has_lapic = vcpu->partition->irqchip != VC_IRQCHIP_NONE;

	if (image->apic_id != vcpu->apic_id)
		return vc_error_set(-EBADMSG, "cpu", vcpu->partition->name,
				    "vCPU %u has APIC id %u, the saved one had %u", vcpu->idx,
				    vcpu->apic_id, image->apic_id);
	if (image->has_lapic != has_lapic)
		return vc_error_set(-EBADMSG, "cpu", vcpu->partition->name,
				    "the saved vCPU %u had %s LAPIC", vcpu->idx,
				    has_lapic ? "no" : "a");
	return 0;
}

int vc__vcpu_load_x86(struct vc_vcpu *vcpu, struct vc_state_reader *reader)
{
	struct walk w = { .reader = reader };
	char name[VC_STATE_NAME_MAX];
	uint32_t version;

	name_section(vcpu, name, sizeof(name));
	int r = vc_state_open(reader, name, VERSION, &version);
	if (r < 0)
		return r;
	struct image *image = calloc(1, sizeof(*image));
	if (!image)
		r = vc__no_memory("state", "the image of a vCPU");
	else
		r = walk_image(&w, image);
	int end = vc_state_close(reader);
	r = r < 0 ? r : end;
	if (r == 0)
		r = check_image(vcpu, image);
	if (r == 0)
		r = set_image(vcpu, image);
	free_image(image);
	return r;
}

static void walk_pic(const struct walk *w, struct vc__x86_pic *p)
{
	uint8_t *const all[] = {
		&p->last_irr,
		&p->irr,
		&p->imr,
		&p->isr,
		&p->priority_add,
		&p->irq_base,
		&p->read_reg_select,
		&p->poll,
		&p->special_mask,
		&p->init_state,
		&p->auto_eoi,
		&p->rotate_on_auto_eoi,
		&p->special_fully_nested_mode,
		&p->init4,
		&p->elcr,
		&p->elcr_mask,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		walk_u8(w, all[i]);
}

static void walk_ioapic(const struct walk *w, struct vc__x86_ioapic *io)
{
	walk_u64(w, &io->base);
	walk_u32(w, &io->select);
	walk_u32(w, &io->id);
	walk_u32(w, &io->irr);
	for (size_t i = 0; i < VC__IOAPIC_PINS; i++)
		walk_u64(w, &io->redirection[i]);
}

static void walk_pit(const struct walk *w, struct vc__x86_pit *pit)
{
	for (size_t i = 0; i < 3; i++) {
		struct vc__x86_pit_channel *c = &pit->channel[i];
		uint8_t *const bytes[] = { &c->count_latched, &c->status_latched, &c->status,
					   &c->read_state,    &c->write_state,	  &c->write_latch,
					   &c->rw_mode,	      &c->mode,		  &c->bcd,
					   &c->gate };

		walk_u32(w, &c->count);
		walk_u16(w, &c->latched_count);
		for (size_t j = 0; j < sizeof(bytes) / sizeof(bytes[0]); j++)
			walk_u8(w, bytes[j]);
		c->count_load_ns = (int64_t)walk_int(w, (uint64_t)c->count_load_ns, 8);
	}
	walk_bool(w, &pit->is_hpet_legacy);
	walk_bool(w, &pit->is_speaker_on);
}

/* What a partition consists of; which of it counts follows from the first two. */
struct chips {
	uint8_t irqchip;
	bool has_pit;
	struct vc__x86_clock clock;
	struct vc__x86_pic pics[2];
	struct vc__x86_ioapic ioapic;
	struct vc__x86_pit pit;
};

static void walk_common(const struct walk *w, struct chips *chips)
{
	walk_u8(w, &chips->irqchip);
	walk_bool(w, &chips->has_pit);
	walk_u64(w, &chips->clock.ns);
}

static void walk_irqchip(const struct walk *w, struct chips *chips)
{
	walk_pic(w, &chips->pics[0]);
	walk_pic(w, &chips->pics[1]);
	walk_ioapic(w, &chips->ioapic);
}

static void walk_timer(const struct walk *w, struct chips *chips)
{
	walk_pit(w, &chips->pit);
}

typedef void (*walk_fn)(const struct walk *w, struct chips *chips);

static int section(const struct walk *w, const char *name, walk_fn fn, struct chips *chips)
{
	uint32_t version;
	int r;

	if (w->writer)
		r = vc_state_begin(w->writer, name, VERSION);
	else
		r = vc_state_open(w->reader, name, VERSION, &version);
	if (r < 0)
		return r;
	fn(w, chips);
	return w->writer ? vc_state_end(w->writer) : vc_state_close(w->reader);
}

static int move_chips(struct vc_partition *partition, struct chips *chips, bool is_set)
{
	const struct vc__backend_ops *ops = partition->host->ops;
	int r = ops->partition_state(partition, VC__PART_CLOCK, &chips->clock, is_set);

	if (r < 0 || partition->irqchip != VC_IRQCHIP_KERNEL)
		return r;
	if ((r = ops->partition_state(partition, VC__PART_PIC, chips->pics, is_set)) < 0 ||
	    (r = ops->partition_state(partition, VC__PART_IOAPIC, &chips->ioapic, is_set)) < 0)
		return r;
	return partition->has_pit
		       ? ops->partition_state(partition, VC__PART_PIT, &chips->pit, is_set)
		       : 0;
}

static int walk_chips(const struct walk *w, struct vc_partition *partition, struct chips *chips)
{
	int r = section(w, "partition", walk_common, chips);

	if (r < 0)
		return r;
	if (chips->irqchip != partition->irqchip || chips->has_pit != partition->has_pit)
		return vc_error_set(
			-EXDEV, "cpu", partition->name,
			"saved with irqchip %u and %s PIT, this partition has %d and %s",
			chips->irqchip, chips->has_pit ? "a" : "no", (int)partition->irqchip,
			partition->has_pit ? "one" : "none");
	if (chips->irqchip == VC_IRQCHIP_KERNEL)
		r = section(w, "irqchip", walk_irqchip, chips);
	if (r == 0 && chips->has_pit)
		r = section(w, "pit", walk_timer, chips);
	return r;
}

int vc__partition_save_x86(struct vc_partition *partition, struct vc_state_writer *writer)
{
	struct chips chips = {
		.irqchip = (uint8_t)partition->irqchip,
		.has_pit = partition->has_pit,
	};
	struct walk w = { .writer = writer };

	int r = move_chips(partition, &chips, false);
	return r < 0 ? r : walk_chips(&w, partition, &chips);
}

int vc__partition_load_x86(struct vc_partition *partition, struct vc_state_reader *reader)
{
	struct chips chips = { 0 };
	struct walk w = { .reader = reader };

	int r = walk_chips(&w, partition, &chips);
	return r < 0 ? r : move_chips(partition, &chips, true);
}
