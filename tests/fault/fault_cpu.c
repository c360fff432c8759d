/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu: every allocation and system call of a host, a partition and what hangs on it fails once. A
 * capability that cannot be asked counts as missing, so that a failed ioctl may also lead to a
 * machine with less; signals are taken back as far as they go.
 */
#include "fault.h"
#include "cpu_fixture.h"

#include <errno.h>

/* The guest writes a port and halts. */
static const uint8_t code[] = { 0xe6, 0x10, 0xf4 };

struct plan {
	struct vc_mem *mem;
	struct vc_partition_config cfg;
};

struct parts {
	struct vc_host *host;
	struct vc_cpu_model *model;
	struct vc_partition *partition;
	struct vc_vcpu *vcpu;
	struct vc_irq *irq;
	struct vc_doorbell *doorbell;
	struct vc_state_writer *writer;
	bool is_attached;
};

static int make_guest(struct parts *p, const struct plan *plan)
{
	struct vc_cpu_model_config model = { .size = sizeof(model), .nr_vcpus = 1 };
	struct vc_vcpu_config vcpu = { .size = sizeof(vcpu) };
	struct vc_x86_regs regs = { .rip = CODE_GPA, .rflags = 2 };
	struct vc_x86_sregs sregs;
	int r;

	if ((r = vc_host_open(NULL, &p->host)) < 0 ||
	    (r = vc_cpu_model_create(p->host, &model, &p->model)) < 0 ||
	    (r = vc_partition_create(p->host, &plan->cfg, &p->partition)) < 0)
		return r;
	vcpu.model = p->model;
	if ((r = vc_vcpu_create(p->partition, &vcpu, &p->vcpu)) < 0 ||
	    (r = vc_vcpu_get_regs(p->vcpu, NULL, &sregs)) < 0)
		return r;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return vc_vcpu_set_regs(p->vcpu, &regs, &sregs);
}

static int make_signals(struct parts *p)
{
	struct vc_doorbell_config bell = { .size = sizeof(bell), .addr = 0x700, .len = 2 };
	const struct vc_msi msi = { .address = 0xfee00000, .data = 0x40 };
	int r;

	if ((r = vc_irq_create_msi(p->partition, &msi, &p->irq)) < 0 ||
	    (r = vc_irq_fd(p->irq)) < 0 || (r = vc_irq_set_msi(p->irq, &msi)) < 0)
		return r;
	return vc_doorbell_create(p->partition, &bell, &p->doorbell);
}

static int use(struct parts *p)
{
	struct vc_exit *exit;
	int64_t nr;
	int r;

	if ((r = vc_partition_dirty_start(p->partition)) < 0 || (r = vc_vcpu_attach(p->vcpu)) < 0)
		return r;
	p->is_attached = true;
	if ((r = vc_vcpu_run(p->vcpu, &exit)) < 0)
		return r;
	static uint64_t bits[MIB(1) / 4096 / 64];
	if ((nr = vc_partition_dirty_take(p->partition, 0, bits, ARRAY_LEN(bits))) < 0)
		return (int)nr;
	if ((r = vc_state_writer_create(VC_ARCH_X86_64, &p->writer)) < 0 ||
	    (r = vc_partition_save(p->partition, p->writer)) < 0 ||
	    (r = vc_vcpu_save(p->vcpu, p->writer)) < 0)
		return r;
	return vc_vcpu_reset(p->vcpu);
}

static int make_all(void *opaque)
{
	struct parts p = { 0 };
	int r = make_guest(&p, opaque);

	if (r == 0)
		r = make_signals(&p);
	if (r == 0)
		r = use(&p);
	fault_may_survive();
	vc_state_writer_destroy(p.writer);
	vc_doorbell_destroy(p.doorbell);
	vc_irq_destroy(p.irq);
	if (p.is_attached)
		(void)vc_vcpu_detach(p.vcpu);
	vc_vcpu_destroy(p.vcpu);
	vc_partition_destroy(p.partition);
	vc_cpu_model_destroy(p.model);
	vc_host_close(p.host);
	return r;
}

static const char *const survivable[] = { "ioctl", "syscall", NULL };

static void try(struct vc_partition_config cfg)
{
	struct plan plan = { .mem = make_map(), .cfg = cfg };
	struct fault_config fault = {
		.fn = make_all,
		.opaque = &plan,
		.may_survive = survivable,
	};

	map_ram(plan.mem, "ram", 0, MIB(1), 0);
	assert_result(vc_mem_freeze(plan.mem), 0);
	assert_result(vc_mem_write(plan.mem, CODE_GPA, code, sizeof(code)), 0);
	plan.cfg.size = sizeof(plan.cfg);
	plan.cfg.mem = plan.mem;
	assert_true(fault_each(&fault) > 60);
	vc_mem_destroy(plan.mem);
}

static void in_kernel_irqchip(void **state)
{
	static const struct vc_msr_range range = { .first = 0x174, .nr = 2, .reads = true };

	(void)state;
	try((struct vc_partition_config){
		.irqchip = VC_IRQCHIP_KERNEL,
		.has_pit = true,
		.msr_exits = &range,
		.nr_msr_exits = 1,
	});
}

static void split_irqchip_and_ring(void **state)
{
	(void)state;
	try((struct vc_partition_config){
		.irqchip = VC_IRQCHIP_SPLIT,
		.dirty_ring_entries = 1024,
	});
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_kernel_irqchip),
		cmocka_unit_test(split_irqchip_and_ring),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
