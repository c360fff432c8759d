/* SPDX-License-Identifier: Apache-2.0 */
/* An I/O APIC before a hypervisor that only takes notes. */
#ifndef VC_TESTS_IOAPIC_UNIT_H
#define VC_TESTS_IOAPIC_UNIT_H

#include "device_unit.h"
#include "ioapic.h"

#include <libvirtcore/irq.h>

struct vc_irq {
	bool is_made, is_routed;
	struct vc_msi msi;
};

static struct vc_irq pins[VC_IOAPIC_PINS];
static struct vc_msi sent[64];
static unsigned int nr_sent, nr_routings;
static int send_answer;
static int pin_answer;
static unsigned int failing_pin;

int __wrap_vc_irq_create_pin(struct vc_partition *partition, uint32_t pin, struct vc_irq **ret_irq);
void __wrap_vc_irq_destroy(struct vc_irq *irq);
int __wrap_vc_irq_set_msi(struct vc_irq *irq, const struct vc_msi *msi);
int __wrap_vc_irq_send_msi(struct vc_partition *partition, const struct vc_msi *msi);

int __wrap_vc_irq_create_pin(struct vc_partition *partition, uint32_t pin, struct vc_irq **ret_irq)
{
	assert_ptr_equal(partition, pins);
	assert_true(pin < VC_IOAPIC_PINS && !pins[pin].is_made);
	if (pin_answer && pin == failing_pin)
		return pin_answer;
	pins[pin].is_made = true;
	*ret_irq = &pins[pin];
	return 0;
}

void __wrap_vc_irq_destroy(struct vc_irq *irq)
{
	if (!irq)
		return;
	assert_true(irq->is_made);
	memset(irq, 0, sizeof(*irq));
}

int __wrap_vc_irq_set_msi(struct vc_irq *irq, const struct vc_msi *msi)
{
	assert_true(irq->is_made);
	nr_routings++;
	irq->is_routed = msi != NULL;
	if (msi)
		irq->msi = *msi;
	return 0;
}

int __wrap_vc_irq_send_msi(struct vc_partition *partition, const struct vc_msi *msi)
{
	assert_ptr_equal(partition, pins);
	assert_true(nr_sent < ARRAY_LEN(sent));
	sent[nr_sent++] = *msi;
	return send_answer;
}

static inline struct vc_device *make_ioapic(void)
{
	struct vc_ioapic_config cfg = {
		.size = sizeof(cfg),
		.partition = (struct vc_partition *)pins,
	};
	struct vc_device *dev;

	memset(pins, 0, sizeof(pins));
	nr_sent = nr_routings = 0;
	send_answer = 1;
	pin_answer = 0;
	assert_result(vc_ioapic_create(&cfg, &dev), 0);
	return dev;
}

static inline uint32_t rd32(struct vc_device *dev, uint8_t reg)
{
	(void)device_access(dev, 0, 0, 4, true, reg);
	return (uint32_t)device_access(dev, 0, 0x10, 4, false, 0);
}

static inline void wr32(struct vc_device *dev, uint8_t reg, uint32_t value)
{
	(void)device_access(dev, 0, 0, 4, true, reg);
	(void)device_access(dev, 0, 0x10, 4, true, value);
}

/* As a driver does: the upper half first. */
static inline void program(struct vc_device *dev, unsigned int pin, uint64_t entry)
{
	wr32(dev, (uint8_t)(0x11 + 2 * pin), (uint32_t)(entry >> 32));
	wr32(dev, (uint8_t)(0x10 + 2 * pin), (uint32_t)entry);
}

static inline uint64_t entry_of(struct vc_device *dev, unsigned int pin)
{
	return rd32(dev, (uint8_t)(0x10 + 2 * pin)) | (uint64_t)rd32(dev, (uint8_t)(0x11 + 2 * pin))
							      << 32;
}

#endif /* VC_TESTS_IOAPIC_UNIT_H */
