/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform devices of a PC without legacy baggage: UART, CMOS RTC, keyboard controller (reset
 * only), ACPI power management, debug exit, panic notifier, I/O APIC. Each constructor gives a
 * struct vc_device for any bus; vm.h places them at their usual addresses.
 */
#ifndef LIBVIRTCORE_PLATFORM_H
#define LIBVIRTCORE_PLATFORM_H

#include <libvirtcore/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vc_device;
struct vc_irq;
struct vc_partition;
struct vc_stream;

/* What a guest can ask of its machine through a device; a VM takes it by vc_vm_request(). */
enum vc_request {
	VC_REQUEST_POWER_OFF = 0,
	VC_REQUEST_RESET,
	VC_REQUEST_DEBUG_EXIT, /* code = value written */
	VC_REQUEST_PANICKED,   /* the guest's kernel panicked; code = pvpanic bits */
};

/* Runs on a vCPU thread under the device's lock: records the wish and returns at once. */
typedef void (*vc_request_fn)(void *opaque, enum vc_request request, uint64_t code);

struct vc_serial8250_config {
	size_t size;		  /* sizeof(struct vc_serial8250_config) */
	const char *name;	  /* NULL = "serial0" */
	struct vc_irq *irq;	  /* borrowed until destroy; NULL = polled only */
	struct vc_stream *stream; /* moved on success; NULL = nobody there */
};

/**
 * vc_serial8250_create() - a 16550A UART: 8 byte registers, 16-byte FIFOs.
 * @cfg: copied.
 * @ret_dev: the device, owned by the caller; range of 8 bytes; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -EBUSY (stream has a sink), -ENOMEM.
 * Spec: [PC16550D data sheet]   Since: 0.1
 */
VC_API int vc_serial8250_create(const struct vc_serial8250_config *cfg, struct vc_device **ret_dev);

struct vc_rtc_config {
	size_t size;	    /* sizeof(struct vc_rtc_config) */
	const char *name;   /* NULL = "rtc" */
	struct vc_irq *irq; /* borrowed; NULL = no alarm, periodic or update interrupts */
	int64_t offset_s;   /* guest's UTC minus the host's */
	uint64_t mem_low_bytes, mem_high_bytes; /* below and above 4 GiB, for the CMOS size bytes */
};

/**
 * vc_rtc_create() - an MC146818 clock with 128 bytes of CMOS, index and data port.
 * @cfg: copied.
 * @ret_dev: the device, owned by the caller; range of 2 bytes; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -EMFILE, -ENOMEM.
 * Spec: [MC146818A data sheet]   Since: 0.1
 */
VC_API int vc_rtc_create(const struct vc_rtc_config *cfg, struct vc_device **ret_dev);

struct vc_request_config {
	size_t size;	  /* sizeof(struct vc_request_config) */
	const char *name; /* NULL = the device's type */
	vc_request_fn fn; /* not NULL */
	void *opaque;	  /* given to @fn */
};

/**
 * vc_i8042_create() - the part of a keyboard controller that resets the machine.
 * @cfg: copied; gets VC_REQUEST_RESET.
 * @ret_dev: range 0: data port (0x60), range 1: status and command port (0x64), range 2: system
 *           control port A (0x92), 1 byte each; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -ENOMEM.
 * Spec: [IBM PS/2 HITR, Keyboard and Auxiliary Device Controller]   Since: 0.1
 */
VC_API int vc_i8042_create(const struct vc_request_config *cfg, struct vc_device **ret_dev);

/**
 * vc_pm_create() - ACPI hardware-reduced sleep control, sleep status and reset registers.
 * @cfg: copied; gets VC_REQUEST_POWER_OFF (S5) and VC_REQUEST_RESET.
 * @ret_dev: one range of 4 bytes: sleep control, sleep status, reset, reserved; untouched on
 *           failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -ENOMEM.
 * Spec: [ACPI 6.4 4.8.3.7] [ACPI 6.4 4.8.3.6]   Since: 0.1
 */
VC_API int vc_pm_create(const struct vc_request_config *cfg, struct vc_device **ret_dev);

#define VC_PM_S5_TYPE	  5u /* SLP_TYP for S5, as the DSDT's \_S5 says */
#define VC_PM_RESET_VALUE 1u /* value of the FADT's RESET_VALUE */

/**
 * vc_debug_exit_create() - a port that ends a test guest with a code.
 * @cfg: copied; gets VC_REQUEST_DEBUG_EXIT.
 * @ret_dev: one range of 4 bytes; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_debug_exit_create(const struct vc_request_config *cfg, struct vc_device **ret_dev);

/**
 * vc_pvpanic_create() - the port by which a guest kernel tells that it panicked.
 * @cfg: copied; gets VC_REQUEST_PANICKED.
 * @ret_dev: one range of 1 byte; untouched on failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -ENOMEM.
 * Spec: [pvpanic device specification]   Since: 0.1
 */
VC_API int vc_pvpanic_create(const struct vc_request_config *cfg, struct vc_device **ret_dev);

struct vc_ioapic_config {
	size_t size;			/* sizeof(struct vc_ioapic_config) */
	const char *name;		/* NULL = "ioapic" */
	struct vc_partition *partition; /* with VC_IRQCHIP_SPLIT; borrowed until destroy */
};

#define VC_IOAPIC_PINS	 24u
#define VC_IOAPIC_BASE	 0xfec00000u
#define VC_IOAPIC_LENGTH 0x1000u

/**
 * vc_ioapic_create() - an 82093AA I/O APIC (version 0x20, with EOI register) for a split irqchip.
 * @cfg: copied.
 * @ret_dev: the device, owned by the caller; one MMIO range of VC_IOAPIC_LENGTH; untouched on
 *           failure.
 * Context: control thread; does not block.
 * Returns: 0, or -EINVAL, -E2BIG, -ENOTSUP (no split irqchip), -EEXIST (pins taken), -ENOMEM.
 * Spec: [82093AA data sheet]   Since: 0.1
 */
VC_API int vc_ioapic_create(const struct vc_ioapic_config *cfg, struct vc_device **ret_dev);

/**
 * vc_ioapic_set_level() - drive a pin.
 * @dev: made by vc_ioapic_create().
 * @pin: 0 to VC_IOAPIC_PINS - 1.
 * @is_high: level.
 * Context: any thread; takes the device's lock.
 * Returns: 0, or -EINVAL.
 * Spec: [82093AA data sheet 3.2.4]   Since: 0.1
 */
VC_API int vc_ioapic_set_level(struct vc_device *dev, uint32_t pin, bool is_high);

/**
 * vc_ioapic_eoi() - the guest ended an interrupt: re-sends level pins that are still high.
 * @dev: made by vc_ioapic_create().
 * @vector: from the VC_EXIT_IOAPIC_EOI exit.
 * Context: vcpu thread; takes the device's lock.
 * Returns: 0, or -EINVAL.
 * Spec: [82093AA data sheet] [KVM KVM_EXIT_IOAPIC_EOI]   Since: 0.1
 */
VC_API int vc_ioapic_eoi(struct vc_device *dev, uint8_t vector);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_PLATFORM_H */
