/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between this library and a hypervisor: the ops table of a back end and the objects it
 * works on. The front (host.c, partition.c, vcpu.c, irq.c, doorbell.c) checks arguments and states,
 * owns the objects and their threads; a back end only talks to its hypervisor.
 *
 * A back end embeds the front's struct as the first thing it knows about an object
 *
 *	struct kvm_vcpu { struct vc_vcpu vcpu; int fd; ... };
 *
 * and gets it back with vc_container_of(). The front allocates X_bytes, zeroed, fills in its own
 * part, calls X_create, and on any error calls X_destroy on the half-built object.
 */
#ifndef VC_CPU_BACKEND_H
#define VC_CPU_BACKEND_H

#include <libvirtcore/host.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/vcpu.h>
#include <libvirtcore/vcpu_state.h>

#include <pthread.h>
#include <stdatomic.h>

#include "cpuid.h"
#include "state_x86.h"

/* Tables that a host is asked for at their first use, because asking takes long. */
enum vc__host_table {
	VC__TABLE_CPUID = 0, /* leaves, nr_leaves; also VC_LIMIT_GPA_BITS */
	VC__TABLE_MSRS,	     /* msrs, nr_msrs: what a saved vCPU consists of */
	VC__TABLE_CPU,	     /* nothing but capabilities: the processor's own word */
	VC__TABLES,
};

struct vc_host {
	const struct vc__backend_ops *ops;
	atomic_uint nr_refs;
	uint64_t caps; /* bit per enum vc_cap; set by host_open */
	uint64_t
		late_caps[VC__TABLES]; /* those that only a table tells: late_has counts for them */
	uint64_t limits[VC_LIMIT_NR];
	pthread_mutex_t lock; /* over what follows; read-only once loaded */
	uint32_t loaded;      /* bit per enum vc__host_table */
	uint64_t late_has;
	struct vc__cpuid_leaf *leaves;
	size_t nr_leaves;
	uint32_t *msrs;
	size_t nr_msrs;
};

struct vc_partition {
	struct vc_host *host; /* counted */
	struct vc_mem *mem;
	struct vc_log *log;
	char *name;
	/* configuration, constant */
	enum vc_irqchip irqchip;
	bool has_pit, has_times;
	uint32_t max_vcpus;
	int kick_signal;
	uint32_t dirty_ring_entries;
	uint32_t max_gsis; /* routes, lines included; 0 = none; set by partition_create */
	/* control thread */
	struct vc_vcpu *vcpus; /* list */
	uint32_t nr_vcpus;
	bool is_logging;
	/* interrupts that have a message, any thread under the lock: cold path */
	pthread_mutex_t irq_lock;
	struct vc_irq *messages; /* list, sorted by gsi */
};

/* Bits of vc_vcpu.state; above them the number of kickers that are inside vcpu_wake. */
#define VC__VCPU_IN_RUN 1u
#define VC__VCPU_KICKER 2u

struct vc_vcpu {
	struct vc_partition *partition;
	const struct vc__backend_ops *ops; /* the host's; here for the sake of every run */
	struct vc_vcpu *next;
	uint32_t idx, apic_id;
	/* crossing threads, see vc_vcpu_kick() */
	_Atomic pthread_t owner; /* thread attached, 0 = none */
	atomic_uint state;
	atomic_bool is_kicked;
	bool has_times; /* the partition's */
	/* vCPU's thread */
	bool is_pending; /* the last run gave an exit; if it is an access, the next completes it */
	bool has_exit;	 /* completing it gave `exit`, which the next run returns */
	struct vc_exit exit;
	/* written by the vCPU's thread (kicks: by anyone), read by any */
	_Atomic uint64_t nr_exits[VC_EXIT_NR];
	_Atomic uint64_t nr_kicks, nr_signals, guest_ns;
};

enum vc__irq_kind {
	VC__IRQ_LINE = 0,
	VC__IRQ_MSI,
	VC__IRQ_OPS,
};

struct vc_irq {
	enum vc__irq_kind kind;
	uint32_t gsi; /* line, route of a message, or pin for ops */
	struct vc_partition *partition;
	int fd;	       /* eventfd, -1 until asked for */
	bool is_pin;   /* of a split irqchip: its route is there without an fd as well */
	bool is_wired; /* the hypervisor listens to fd; the back end's */
	const struct vc_irq_ops *ops;
	void *opaque;
	/* message: written under partition->irq_lock, read by any thread through seq */
	struct vc_irq *next;
	atomic_uint seq; /* odd while being written */
	_Atomic uint64_t address;
	_Atomic uint32_t data;
	atomic_bool is_open; /* not masked */
};

struct vc_doorbell {
	struct vc_partition *partition;
	struct vc_doorbell_config cfg;
	int fd; /* cfg.fd when the caller gave one */
};

/* Parts of a vCPU that vcpu_get and vcpu_set move; the comment names the type behind the pointer. */
enum vc__vcpu_part {
	VC__PART_REGS = 0,  /* struct vc_x86_regs; mandatory */
	VC__PART_SREGS,	    /* struct vc_x86_sregs; mandatory */
	VC__PART_XSAVE,	    /* bytes, standard format; get gives the size when len is too small */
	VC__PART_LAPIC,	    /* VC_LAPIC_BYTES bytes */
	VC__PART_DEBUG,	    /* struct vc__x86_debug */
	VC__PART_XCR0,	    /* uint64_t */
	VC__PART_EVENTS,    /* struct vc__x86_events */
	VC__PART_RUN_STATE, /* enum vc__run_state */
};

/* Parts of a partition that partition_state moves. */
enum vc__partition_part {
	VC__PART_CLOCK = 0, /* struct vc__x86_clock */
	VC__PART_PIC,	    /* struct vc__x86_pic[2] */
	VC__PART_IOAPIC,    /* struct vc__x86_ioapic */
	VC__PART_PIT,	    /* struct vc__x86_pit */
};

/*
 * All return 0 (or what is said) or -errno with a message set. Optional slots may be NULL; then the
 * capability in brackets is absent and the front refuses the call with -ENOTSUP.
 */
struct vc__backend_ops {
	enum vc_backend backend;
	size_t host_bytes, partition_bytes, vcpu_bytes;

	/* host: sets caps, late_caps and limits; config is complete (vc_config_copy) */
	int (*host_open)(struct vc_host *host, const struct vc_host_config *cfg);
	void (*host_close)(struct vc_host *host);
	/* fills the table (malloc, freed by the front); host->lock is held, called once each */
	int (*host_load)(struct vc_host *host, enum vc__host_table table);

	/* partition: memory first, then irqchip; config is complete and checked by the front */
	int (*partition_create)(struct vc_partition *partition,
				const struct vc_partition_config *cfg);
	void (*partition_destroy)(struct vc_partition *partition);
	/* [STATE] reads a part into buf, or writes it when is_set */
	int (*partition_state)(struct vc_partition *partition, enum vc__partition_part part,
			       void *buf, bool is_set);
	/* [DIRTY_LOG] pages the guest writes; take overwrites bits, one range of the map */
	int (*dirty_set)(struct vc_partition *partition, bool is_on);
	int (*dirty_take)(struct vc_partition *partition, size_t idx, uint64_t *bits,
			  size_t nr_words);

	/* vCPU: leaves may be NULL (no CPUID); apic_id is the hypervisor's id */
	int (*vcpu_create)(struct vc_vcpu *vcpu, const struct vc__cpuid_leaf *leaves, size_t nr);
	void (*vcpu_destroy)(struct vc_vcpu *vcpu);
	/* makes the calling thread fit for runs, or undoes it; kicks waiting are consumed then */
	int (*vcpu_bind)(struct vc_vcpu *vcpu, bool is_on);
	/*
	 * Enters the guest and fills vcpu->exit: 0; or -EINTR (woken: exit is not filled). With
	 * @is_immediate the pending access is completed and no guest code runs: -EINTR, or 0 when
	 * the access has a further part that needs an exit.
	 */
	int (*vcpu_run)(struct vc_vcpu *vcpu, bool is_immediate);
	/* makes the run in progress, or just about to begin, return -EINTR; any thread */
	void (*vcpu_wake)(struct vc_vcpu *vcpu);
	/* get returns the part's size in bytes; -ENOTSUP for parts the hypervisor lacks */
	int (*vcpu_get)(struct vc_vcpu *vcpu, enum vc__vcpu_part part, void *buf, size_t len);
	int (*vcpu_set)(struct vc_vcpu *vcpu, enum vc__vcpu_part part, const void *buf, size_t len);
	/* returns how many were moved; stops at the first that is refused, without a message */
	int (*vcpu_msrs)(struct vc_vcpu *vcpu, struct vc__msr *msrs, size_t nr, bool is_set);

	/* [IRQCHIP] any thread */
	int (*irq_line)(struct vc_partition *partition, uint32_t gsi, bool is_high);
	/* [SIGNAL_MSI] any thread; 1 delivered, 0 blocked by the guest */
	int (*irq_msi)(struct vc_partition *partition, const struct vc_msi *msi);
	/*
	 * [IRQFD] Makes the hypervisor agree with the irq: its route (messages with an fd, pins) and
	 * whether its fd is listened to, see vc__irq_listens(). @is_on false: takes both away. Under partition->irq_lock; a message is in
	 * partition->messages during every call with @is_on, and no more in the last one.
	 */
	int (*irq_wire)(struct vc_irq *irq, bool is_on);
	/* [IOEVENTFD] */
	int (*doorbell_wire)(struct vc_doorbell *doorbell, bool is_on);
};

/* backend.c: the table of an enum value, NULL when not built in. AUTO gives NULL. */
const struct vc__backend_ops *vc__backend_find(enum vc_backend backend);

/* backend.c: -ENOMEM with a message that says for what. */
int vc__no_memory(const char *object, const char *what);

/* host.c; the name of a capability as messages and the report give it */
const char *vc__cap_name(enum vc_cap cap);
int vc__host_load(struct vc_host *host, enum vc__host_table table);

/* vcpu.c: true while no thread is inside the guest with it. */
bool vc__vcpu_is_idle(const struct vc_vcpu *vcpu);

/* irq.c: reads the message as one; false when masked. Any thread. */
bool vc__irq_message(struct vc_irq *irq, struct vc_msi *ret_msi);
/* irq.c: whether signals of the fd are to be taken: those of a masked message wait in it. */
bool vc__irq_listens(struct vc_irq *irq);

extern const struct vc__backend_ops vc__backend_kvm;
extern const struct vc__backend_ops vc__backend_fake;

#endif /* VC_CPU_BACKEND_H */
