/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exit of a vCPU: find the device and carry the access out, or record what the guest asked for.
 *
 * Runs on the vCPU's thread, once per exit: no lock of the VM, no allocation, and the bus takes only
 * the lock of the device that answers. What needs all vCPUs to stop (power-off, reset, errors) is
 * asked for here and done in life.c, where they have stopped.
 */
#include "vm_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * Items of 1, 2, 4 or 8 bytes, at any alignment; the host is little-endian like the guest. Spelled
 * out, bytes first, because this is the hottest path there is: a copy of a length that the compiler
 * does not know is a call.
 */
static inline uint64_t load_item(const void *data, unsigned int size)
{
	uint64_t value = 0;

	if (size == 1)
		return *(const uint8_t *)data;
	if (size == 4)
		memcpy(&value, data, 4);
	else if (size == 2)
		memcpy(&value, data, 2);
	else
		memcpy(&value, data, 8);
	return value;
}

static inline void store_item(void *data, unsigned int size, uint64_t value)
{
	if (size == 1)
		*(uint8_t *)data = (uint8_t)value;
	else if (size == 4)
		memcpy(data, &value, 4);
	else if (size == 2)
		memcpy(data, &value, 2);
	else
		memcpy(data, &value, 8);
}

static inline void write_item(struct vc_bus *bus, const struct vc_exit *exit, const void *data)
{
	uint64_t value = load_item(data, exit->size);

	(void)vc_bus_access(bus, exit->addr, exit->size, true, &value);
}

/* A size that no bus knows is answered as empty space answers. */
static __attribute__((noinline)) void read_item(struct vc_bus *bus, const struct vc_exit *exit,
						void *data)
{
	uint64_t value;

	if (vc_bus_access(bus, exit->addr, exit->size, false, &value) < 0)
		value = UINT64_MAX;
	store_item(data, exit->size, value);
}

/*
 * The usual access. Out of line, so that the frame of the other exits is not set up for it; without
 * a canary, for there is no array in this frame.
 */
static __attribute__((noinline, no_stack_protector)) void access_one(struct vc_bus *bus,
								     const struct vc_exit *exit)
{
	if (exit->is_write)
		write_item(bus, exit, exit->data);
	else
		read_item(bus, exit, exit->data);
}

/* String instructions: all items at one port. */
static void access_many(struct vc_bus *bus, const struct vc_exit *exit)
{
	uint8_t *data = exit->data;

	for (uint32_t i = 0; i < exit->count; i++, data += exit->size) {
		if (exit->is_write)
			write_item(bus, exit, data);
		else
			read_item(bus, exit, data);
	}
}

/* Records what stopped this vCPU; life.c makes it an event once all have stopped. */
static void record_fault(struct vc__vm_cpu *cpu, enum vc_event_kind kind, int err,
			 const struct vc_exit *exit)
{
	struct vc_event *event = &cpu->stop_event;

	*event = (struct vc_event){ .kind = kind, .err = err };
	snprintf(event->object, sizeof(event->object), "cpu%" PRIu32, cpu->idx);
	if (exit == NULL) {
		snprintf(event->text, sizeof(event->text), "%s", vc_error_message());
		return;
	}
	event->code = exit->code;
	cpu->has_fault = vc_vcpu_get_fault(cpu->vcpu, exit, &cpu->fault) == 0;
	snprintf(event->text, sizeof(event->text), "%s at RIP 0x%" PRIx64 ", code %" PRIu64,
		 vc_exit_name(exit->kind), cpu->has_fault ? cpu->fault.regs.rip : 0, exit->code);
}

void vc__vm_fail(struct vc__vm_cpu *cpu, int err, const struct vc_exit *exit)
{
	record_fault(cpu, VC_EVENT_ERROR, err, exit);
	vc_log_write(cpu->vm->cfg.log, VC_LOG_ERROR, "vm", cpu->vm->name, "%s: %s",
		     cpu->stop_event.object, cpu->stop_event.text);
	vc__vm_ask(cpu->vm, VC__ASK_ERROR);
}

static void do_halt(struct vc__vm_cpu *cpu)
{
	struct vc_vm *vm = cpu->vm;
	bool is_all = true;

	/* Without an irqchip nothing ever wakes this vCPU; with one the hypervisor keeps HLT. */
	pthread_mutex_lock(&vm->lock);
	cpu->is_halted = true;
	for (uint32_t i = 0; i < vm->cfg.nr_vcpus; i++)
		is_all = is_all && vm->cpus[i].is_halted;
	pthread_mutex_unlock(&vm->lock);
	if (is_all)
		vc__vm_ask(vm, VC__ASK_HALTED);
}

static __attribute__((noinline)) void handle_other(struct vc__vm_cpu *cpu, struct vc_exit *exit)
{
	struct vc_vm *vm = cpu->vm;

	switch (exit->kind) {
	case VC_EXIT_PIO: /* one item: done before this */
		access_many(vm->pio, exit);
		return;
	case VC_EXIT_MMIO:
		return;
	case VC_EXIT_INTERRUPTED:
		return;
	case VC_EXIT_IOAPIC_EOI:
		if (vm->ioapic != NULL)
			(void)vc_ioapic_eoi(vm->ioapic, (uint8_t)exit->addr);
		return;
	case VC_EXIT_HALT:
		do_halt(cpu);
		return;
	case VC_EXIT_DIRTY_FULL:
		return; /* the entries were taken into the log's bitmap before this exit came out */
	case VC_EXIT_POWER_OFF:
		(void)vc_vm_request(vm, VC_REQUEST_POWER_OFF, 0);
		return;
	case VC_EXIT_RESET:
		(void)vc_vm_request(vm, VC_REQUEST_RESET, 0);
		return;
	case VC_EXIT_CRASH:
		(void)vc_vm_request(vm, VC_REQUEST_PANICKED, exit->code);
		return;
	case VC_EXIT_SHUTDOWN:
		record_fault(cpu, VC_EVENT_TRIPLE_FAULT, 0, exit);
		vc__vm_ask(vm, VC__ASK_TRIPLE_FAULT);
		return;
	case VC_EXIT_MSR: /* none is asked for by this layer: as hardware without it */
		*exit->refuse = 1;
		return;
	case VC_EXIT_HYPERCALL:
	case VC_EXIT_DEBUG:
	case VC_EXIT_MEMORY_FAULT:
	case VC_EXIT_FAIL_ENTRY:
	case VC_EXIT_INTERNAL_ERROR:
	case VC_EXIT_UNKNOWN:
	case VC_EXIT_NR:
		break;
	}
	vc__vm_fail(cpu, -EIO, exit);
}

void vc__vm_handle_exit(struct vc__vm_cpu *cpu, struct vc_exit *exit)
{
	if (exit->kind == VC_EXIT_PIO && exit->count == 1)
		access_one(cpu->vm->pio, exit);
	else if (exit->kind == VC_EXIT_MMIO)
		access_one(cpu->vm->mmio, exit);
	else
		handle_other(cpu, exit);
}

/* Passes lines on and counts them. */
struct counted {
	vc_text_fn fn;
	void *opaque;
	int nr;
};

static void count_line(void *opaque, const char *line)
{
	struct counted *counted = opaque;

	counted->nr++;
	counted->fn(counted->opaque, line);
}

int vc_vm_explain(struct vc_vm *vm, vc_text_fn fn, void *opaque)
{
	struct counted counted = { fn, opaque, 0 };

	if (vm == NULL || fn == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "a VM and a text callback are needed");
	if (vc_vm_get_state(vm) != VC_VM_STOPPED)
		return vc_error_set(-EBUSY, "vm", vm->name, "nothing to explain: the VM is %s",
				    vc_vm_state_name(vc_vm_get_state(vm)));
	for (uint32_t i = 0; vm->cpus != NULL && i < vm->cfg.nr_vcpus; i++)
		if (vm->cpus[i].has_fault)
			(void)vc_fault_explain(&vm->cpus[i].fault, count_line, &counted);
	return counted.nr;
}
