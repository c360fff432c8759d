/* SPDX-License-Identifier: Apache-2.0 */
/* VMs on the fake back end: a script of exits, a captured console, nothing of a hypervisor. */
#ifndef VC_TESTS_VM_FIXTURE_H
#define VC_TESTS_VM_FIXTURE_H

#include "plain_device.h"
#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/fake.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/libvirtcore.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define WAIT_MS 10000 /* far beyond what anything here takes */

/* What a guest printed; written on a vCPU thread, read once that has parked. */
struct console {
	char text[256];
	size_t len;
};

static inline ssize_t console_write(void *opaque, const void *buf, size_t len)
{
	struct console *console = opaque;

	if (len > sizeof(console->text) - 1 - console->len)
		len = sizeof(console->text) - 1 - console->len;
	memcpy(console->text + console->len, buf, len);
	console->len += len;
	return (ssize_t)len;
}

static const struct vc_stream_ops console_ops = { .write = console_write };

struct fixture {
	struct vc_host *host;
	struct vc_vm *vm;
	struct console console;
	/* a script of up to two vCPUs */
	const struct vc_fake_step *steps[2];
	size_t nr_steps[2];
	struct vc_fake_script script;
};

#define OUT8(port, byte)                                                                          \
	{                                                                                         \
		.kind = VC_EXIT_PIO, .size = 1, .is_write = true, .addr = (port), .value = (byte) \
	}
#define IN8(port)                                              \
	{                                                      \
		.kind = VC_EXIT_PIO, .size = 1, .addr = (port) \
	}
#define POWER_OFF	 OUT8(0x600, 5 << 2 | 1 << 5) /* SLP_TYP 5, SLP_EN */
#define RESET		 OUT8(0x602, 1)
#define DEBUG_EXIT(code) OUT8(0xf4, code)

/* Opens a fake host that plays @steps on the first vCPU, @repeats times; others wait for kicks. */
static inline void open_host_for(struct fixture *f, const struct vc_fake_step *steps, size_t nr,
				 uint64_t repeats)
{
	struct vc_host_config cfg = { .size = sizeof(cfg),
				      .backend = VC_BACKEND_FAKE,
				      .fake = &f->script };

	memset(f, 0, sizeof(*f));
	f->steps[0] = steps;
	f->nr_steps[0] = nr;
	f->script = (struct vc_fake_script){ f->steps, f->nr_steps, 2, repeats };
	assert_result(vc_host_open(&cfg, &f->host), 0);
}

static inline void open_host(struct fixture *f, const struct vc_fake_step *steps, size_t nr)
{
	open_host_for(f, steps, nr, 0);
}

static inline struct vc_vm_config basic_config(void)
{
	return (struct vc_vm_config){ .size = sizeof(struct vc_vm_config),
				      .nr_vcpus = 1,
				      .irqchip = VC_IRQCHIP_KERNEL };
}

/* A VM in NEW: 2 MiB of RAM, console, power management, debug exit, panic notifier. */
static inline void make_vm(struct fixture *f, const struct vc_vm_config *cfg)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 2 << 20 };
	struct vc_stream_config scfg = { .size = sizeof(scfg),
					 .kind = VC_STREAM_OPS,
					 .ops = &console_ops,
					 .opaque = &f->console };
	struct vc_stream *stream;

	assert_result(vc_vm_create(f->host, cfg, &f->vm), 0);
	assert_result(vc_vm_add_ram(f->vm, &ram, 0), 0);
	assert_result(vc_stream_open(&scfg, &stream), 0);
	assert_result(vc_vm_add_serial(f->vm, stream), 0);
	assert_result(vc_vm_add_platform(f->vm, VC_PLATFORM_PM | VC_PLATFORM_DEBUG_EXIT |
							VC_PLATFORM_PVPANIC | VC_PLATFORM_RTC),
		      0);
}

/* Adds a device of the test's to a VM in NEW; it answers at port 0x700, if it has to answer. */
static inline void add_own(struct fixture *f, struct vc_device *dev,
			   const struct vc_device_ops *ops)
{
	const struct vc_place place = { VC_SPACE_PIO, 0x700, 1, 0 };

	assert_result(vc_device_init(dev, ops, ops->type), 0);
	assert_result(vc_vm_add_device(f->vm, dev, &place, 1), 0);
}

static inline void build_vm(struct fixture *f, const struct vc_vm_config *cfg)
{
	make_vm(f, cfg);
	assert_result(vc_vm_build(f->vm), 0);
}

/* Starts the VM and waits for its end. */
static inline void run_vm(struct fixture *f)
{
	assert_result(vc_vm_start(f->vm), 0);
	assert_result(vc_vm_wait(f->vm, WAIT_MS), 0);
	assert_int_equal(vc_vm_get_state(f->vm), VC_VM_STOPPED);
}

/* Two vCPUs whose scripts never end: one exits all the time, one waits to be kicked. */
static inline void start_busy(struct fixture *f, enum vc_on_reset on_reset)
{
	static const struct vc_fake_step busy[] = { IN8(0x3fd), OUT8(0x80, 0) };
	struct vc_vm_config cfg = basic_config();

	open_host_for(f, busy, ARRAY_LEN(busy), UINT64_MAX);
	cfg.nr_vcpus = 2;
	cfg.on_reset = on_reset;
	build_vm(f, &cfg);
	assert_result(vc_vm_start(f->vm), 0);
}

static inline void close_all(struct fixture *f)
{
	vc_vm_destroy(f->vm);
	vc_host_close(f->host);
}

/* The next event has to be this one. */
static inline struct vc_event expect_event(struct vc_vm *vm, enum vc_event_kind kind)
{
	struct vc_event event = { .size = sizeof(event) };

	assert_int_equal(vc_vm_next_event(vm, &event), 1);
	if (event.kind != kind)
		print_error("event %s, expected %s: %s\n", vc_event_name(event.kind),
			    vc_event_name(kind), event.text);
	assert_int_equal(event.kind, kind);
	return event;
}

static inline void expect_no_event(struct vc_vm *vm)
{
	struct vc_event event = { .size = sizeof(event) };

	assert_int_equal(vc_vm_next_event(vm, &event), 0);
}

#endif /* VC_TESTS_VM_FIXTURE_H */
