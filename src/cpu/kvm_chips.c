/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chips and the clock inside KVM, between the library's forms and KVM's structs: PICs, IOAPIC,
 * PIT, paravirtual clock. Control thread, no vCPU runs. Leaves out LAPICs, which belong to their
 * vCPUs, and what the fields mean together (state_x86.c). [KVM 4.27, 4.28, 4.29, 4.71, 4.72]
 */
#include "kvm.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static int get_chip(int fd, uint32_t id, struct kvm_irqchip *chip)
{
	*chip = (struct kvm_irqchip){ .chip_id = id };
	return ioctl(fd, KVM_GET_IRQCHIP, chip) < 0 ? -errno : 0;
}

static int set_chip(int fd, struct kvm_irqchip *chip)
{
	return ioctl(fd, KVM_SET_IRQCHIP, chip) < 0 ? -errno : 0;
}

/* Sixteen registers of one byte each, named and ordered alike. */
static_assert(sizeof(struct vc__x86_pic) == sizeof(struct kvm_pic_state), "PIC");
static_assert(offsetof(struct vc__x86_pic, elcr_mask) == offsetof(struct kvm_pic_state, elcr_mask),
	      "PIC");

static int move_pics(int fd, struct vc__x86_pic *pics, bool is_set)
{
	struct kvm_irqchip chip;
	int r = 0;

	for (uint32_t i = 0; i < 2 && r == 0; i++) {
		if (is_set) {
			memset(&chip, 0, sizeof(chip));
			chip.chip_id = i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER;
			memcpy(&chip.chip.pic, &pics[i], sizeof(pics[i]));
			r = set_chip(fd, &chip);
			continue;
		}
		r = get_chip(fd, i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER, &chip);
		memcpy(&pics[i], &chip.chip.pic, sizeof(pics[i]));
	}
	return r;
}

static_assert(KVM_IOAPIC_NUM_PINS == VC__IOAPIC_PINS, "IOAPIC pins");

static int move_ioapic(int fd, struct vc__x86_ioapic *ioapic, bool is_set)
{
	struct kvm_irqchip chip;
	struct kvm_ioapic_state *kvm = &chip.chip.ioapic;

	if (is_set) {
		memset(&chip, 0, sizeof(chip));
		chip.chip_id = KVM_IRQCHIP_IOAPIC;
		kvm->base_address = ioapic->base;
		kvm->ioregsel = ioapic->select;
		kvm->id = ioapic->id;
		kvm->irr = ioapic->irr;
		for (uint32_t i = 0; i < VC__IOAPIC_PINS; i++)
			kvm->redirtbl[i].bits = ioapic->redirection[i];
		return set_chip(fd, &chip);
	}
	int r = get_chip(fd, KVM_IRQCHIP_IOAPIC, &chip);
	if (r < 0)
		return r;
	ioapic->base = kvm->base_address;
	ioapic->select = kvm->ioregsel;
	ioapic->id = kvm->id;
	ioapic->irr = kvm->irr;
	for (uint32_t i = 0; i < VC__IOAPIC_PINS; i++)
		ioapic->redirection[i] = kvm->redirtbl[i].bits;
	return 0;
}

/* The clock in which the kernel says when a counter was loaded; 0 for channel 0, a timer. */
static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* What has the same name on both sides: all but the time. */
#define CHANNEL_FIELDS(c)                                                                      \
	.count = (c)->count, .latched_count = (c)->latched_count,                              \
	.count_latched = (c)->count_latched, .status_latched = (c)->status_latched,            \
	.status = (c)->status, .read_state = (c)->read_state, .write_state = (c)->write_state, \
	.write_latch = (c)->write_latch, .rw_mode = (c)->rw_mode, .mode = (c)->mode,           \
	.bcd = (c)->bcd, .gate = (c)->gate

static int get_pit(int fd, struct vc__x86_pit *pit)
{
	struct kvm_pit_state2 kvm;

	if (ioctl(fd, KVM_GET_PIT2, &kvm) < 0)
		return -errno;
	int64_t now = now_ns();
	for (uint32_t i = 0; i < 3; i++) {
		const struct kvm_pit_channel_state *c = &kvm.channels[i];

		pit->channel[i] = (struct vc__x86_pit_channel){
			CHANNEL_FIELDS(c),
			.count_load_ns = c->count_load_time ? now - c->count_load_time : 0,
		};
	}
	pit->is_hpet_legacy = kvm.flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->is_speaker_on = kvm.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	return 0;
}

static int set_pit(int fd, const struct vc__x86_pit *pit)
{
	struct kvm_pit_state2 kvm = {
		.flags = (pit->is_hpet_legacy ? KVM_PIT_FLAGS_HPET_LEGACY : 0u) |
			 (pit->is_speaker_on ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0u),
	};
	int64_t now = now_ns();

	for (uint32_t i = 0; i < 3; i++) {
		const struct vc__x86_pit_channel *c = &pit->channel[i];

		kvm.channels[i] = (struct kvm_pit_channel_state){
			CHANNEL_FIELDS(c),
			.count_load_time = c->count_load_ns ? now - c->count_load_ns : 0,
		};
	}
	return ioctl(fd, KVM_SET_PIT2, &kvm) < 0 ? -errno : 0;
}

static int move_clock(int fd, struct vc__x86_clock *clock, bool is_set)
{
	struct kvm_clock_data kvm = { .clock = is_set ? clock->ns : 0 };

	if (ioctl(fd, is_set ? KVM_SET_CLOCK : KVM_GET_CLOCK, &kvm) < 0)
		return -errno;
	clock->ns = kvm.clock;
	return 0;
}

int vc__kvm_partition_state(struct vc_partition *partition, enum vc__partition_part part, void *buf,
			    bool is_set)
{
	static const char *const names[] = {
		[VC__PART_CLOCK] = "clock",
		[VC__PART_PIC] = "PICs",
		[VC__PART_IOAPIC] = "IOAPIC",
		[VC__PART_PIT] = "PIT",
	};
	int fd = vc__kvm_partition(partition)->fd;
	int r = -EINVAL;

	switch (part) {
	case VC__PART_CLOCK:
		r = move_clock(fd, buf, is_set);
		break;
	case VC__PART_PIC:
		r = move_pics(fd, buf, is_set);
		break;
	case VC__PART_IOAPIC:
		r = move_ioapic(fd, buf, is_set);
		break;
	case VC__PART_PIT:
		r = is_set ? set_pit(fd, buf) : get_pit(fd, buf);
		break;
	}
	if (r < 0)
		return vc_error_set(r, "kvm", partition->name, "cannot %s the %s: %s",
				    is_set ? "write" : "read", names[part], strerrordesc_np(-r));
	return 0;
}
