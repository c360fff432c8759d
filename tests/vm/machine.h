/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole VM on a real hypervisor around one small guest of tests/guests: RAM, console, platform
 * devices and `box`, a device that answers reads with a function of all accesses so far. A program
 * begins with need_kvm(), which skips it (77, reason printed) where there is no hypervisor.
 */
#ifndef VC_TESTS_VM_MACHINE_H
#define VC_TESTS_VM_MACHINE_H

#include "unit.h"

#include <libvirtcore/device.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/libvirtcore.h>
#include <libvirtcore/mem.h>
#include <libvirtcore/snapshot.h>

#include "../guests/guest_prng.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define MIB(n)	(1ull * (n) << 20)
#define GIB(n)	(1ull * (n) << 30)
#define WAIT_MS 120000 /* far beyond what anything here takes, on a software CPU too */

#define BOX_PORT  0x700u /* 8 ports */
#define BOX_ACK	  0x710u /* 8 ports, range 1 */
#define BOX_ADDR  0xd0000000u
#define BOX_BYTES 0x10000u

/* What the guest printed: written on vCPU threads, waited for on the control thread. */
struct console {
	pthread_mutex_t lock;
	pthread_cond_t grown;
	char *text;
	size_t len, max, nr_lost;
};

struct box {
	struct vc_device dev;
	uint64_t sum;		/* over all accesses of ranges 0 and 2 */
	uint64_t nr;		/* these accesses */
	uint64_t read_sum;	/* over the values read alone, as `exits` makes it */
	uint32_t nr_seen[2][9]; /* [is_mmio][size] */
	uint64_t nr_resets;	/* times it was reset */
	uint64_t last_ack;	/* last value written to range 1 */
	/* called after each access of range 1; may be NULL */
	void (*acked)(void *opaque, const struct vc_access *access);
	/* called after each access of the other ranges; may be NULL */
	void (*accessed)(void *opaque);
	void *opaque;
};

struct machine_config {
	const char *guest;    /* "hello.elf" */
	const char *cmdline;  /* its parameters */
	uint64_t ram_bytes;   /* 0 = 32 MiB */
	uint32_t no_platform; /* VC_PLATFORM_ bits left out */
	bool is_fixture_irq;  /* take line @gsi into machine.irq */
	uint32_t gsi;
	struct vc_vm_config vm; /* size, nr_vcpus (1), irqchip as given */
};

struct machine {
	struct vc_host *host;
	struct vc_vm *vm;
	struct console console;
	struct box box;
	bool is_box_taken;
	struct vc_irq *irq;
};

void need_kvm(void);
bool is_in_lab(void);
uint32_t skip_count(void); /* cases that skip_case() left out */
void skip_case(const char *why);
int end_program(int failed); /* main's result: 77 when every case was skipped */

/* Opens the host and assembles the VM; not built yet. */
void machine_make(struct machine *m, const struct machine_config *cfg);
/* The same, built. */
void machine_build(struct machine *m, const struct machine_config *cfg);
void machine_start(struct machine *m, const struct machine_config *cfg);
void machine_free(struct machine *m);

/* Waits for the VM's end, which has to be of this kind; frees nothing. */
struct vc_event machine_end(struct machine *m, enum vc_event_kind kind);
/* The guest said it is done: debug exit with this code. */
void machine_done(struct machine *m, uint64_t code);
/* Start to end: the guest ran well and printed @text. */
void machine_run(const struct machine_config *cfg, const char *text);

/* Waits until the console has @text; the position behind it. */
size_t console_wait(struct machine *m, const char *text);
bool console_has(struct machine *m, const char *text);
/* The number behind the last occurrence of @key. */
uint64_t console_number(struct machine *m, const char *key);

uint64_t now_ms(void);

#endif /* VC_TESTS_VM_MACHINE_H */
