/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stop at an exit, save, load into a fresh VM, go on there: the guest must see the same accesses and
 * print the same sum as without. The short tier does it at a sample of exits, the long one at all.
 *
 * The stop is exact: the access itself asks for it, from inside the device, so that the vCPU that
 * made the access completes it and parks.
 *
 * kvm_pvm, where guests run without VT-x or SVM, enters a fresh vCPU with DS and ES of 0 whatever
 * KVM_SET_SREGS was given (and KVM_GET_SREGS tells): only the lab looks at these two.
 */
#include "machine.h"

#include "vm_impl.h"

static bool is_long;

struct walk {
	struct machine *m;
	uint64_t stop_at; /* access number; 0 = none */
};

static const struct machine_config base = { .guest = "steps.elf",
					    .ram_bytes = MIB(8),
					    .vm.runner = VC_RUNNER_THREADS };

/* On the vCPU's thread, in the access: a pause asked for here holds before the next instruction. */
static void stop_here(void *opaque)
{
	struct walk *walk = opaque;

	if (walk->m->box.nr == walk->stop_at)
		vc__vm_ask(walk->m->vm, VC__ASK_PAUSE);
}

static void wait_paused(struct machine *m)
{
	uint64_t until = now_ms() + WAIT_MS;

	while (vc_vm_get_state(m->vm) == VC_VM_RUNNING && now_ms() < until)
		sched_yield();
	assert_int_equal(vc_vm_get_state(m->vm), VC_VM_PAUSED);
}

static void copy_ram(struct machine *to, const struct machine *from)
{
	struct vc_slice a, b;

	assert_result(vc_slice_get(vc_vm_mem(from->vm), 0, MIB(8), VC_PERM_READ, &a), 0);
	assert_result(vc_slice_get(vc_vm_mem(to->vm), 0, MIB(8), VC_PERM_WRITE, &b), 0);
	memcpy(b.ptr, a.ptr, MIB(8));
	vc_slice_put(&a);
	vc_slice_put(&b);
}

static void move(struct machine *to, struct machine *from, const struct machine_config *cfg)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *buf;
	size_t len;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_vm_save(from->vm, writer), 0);
	assert_result(vc_state_finish(writer, &buf, &len), 0);
	machine_build(to, cfg);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_vm_load(to->vm, reader), 0);
	copy_ram(to, from);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

struct result {
	uint64_t nr, sum;
	char last[128]; /* line that the guest ends with */
};

static void get_result(struct machine *m, struct result *ret)
{
	const char *at;

	machine_done(m, 0);
	ret->nr = m->box.nr;
	ret->sum = m->box.sum;
	at = strstr(m->console.text, "steps n=");
	assert_non_null(at);
	snprintf(ret->last, sizeof(ret->last), "%s", at);
}

static void run_whole(const struct machine_config *cfg, struct result *ret)
{
	struct machine m;

	machine_start(&m, cfg);
	get_result(&m, ret);
	machine_free(&m);
}

/* The same with a move at access @at. */
static void run_moved(const struct machine_config *cfg, uint64_t at, struct result *ret)
{
	struct machine from, to;
	struct walk walk = { &from, at };

	machine_build(&from, cfg);
	from.box.accessed = stop_here;
	from.box.opaque = &walk;
	assert_result(vc_vm_start(from.vm), 0);
	wait_paused(&from);
	/* a string or page-crossing access goes on to its end before it counts as complete */
	assert_true(from.box.nr >= at);
	move(&to, &from, cfg);
	machine_free(&from);
	assert_result(vc_vm_start(to.vm), 0);
	get_result(&to, ret);
	machine_free(&to);
}

static void moved_everywhere(const char *line, enum vc_irqchip irqchip, uint64_t step)
{
	struct machine_config cfg = base;
	struct result want, have;
	uint64_t nr = 0;

	char full[64];

	/* the software CPU of the lab says that it has AVX, but guests cannot use it */
	snprintf(full, sizeof(full), "%s segs=%d avx=%d", line, is_in_lab(), !is_in_lab());
	cfg.cmdline = full;
	cfg.vm.irqchip = irqchip;
	run_whole(&cfg, &want);
	assert_true(want.nr > 10);
	for (uint64_t at = 1; at < want.nr; at += step, nr++) {
		run_moved(&cfg, at, &have);
		if (have.sum != want.sum || strcmp(have.last, want.last) != 0)
			print_error("moved at access %llu: %s, not %s\n", (unsigned long long)at,
				    have.last, want.last);
		assert_int_equal(have.nr, want.nr);
		assert_int_equal(have.sum, want.sum);
		assert_string_equal(have.last, want.last);
	}
	printf("%s: %llu accesses, moved at %llu of them\n", full, (unsigned long long)want.nr,
	       (unsigned long long)nr);
}

static void without_irqchip(void **state)
{
	(void)state;
	moved_everywhere("n=100 seed=1", VC_IRQCHIP_NONE, is_long ? 1 : 13);
}

static void in_kernel_irqchip(void **state)
{
	(void)state;
	moved_everywhere("n=100 seed=2", VC_IRQCHIP_KERNEL, is_long ? 1 : 17);
}

static void split_irqchip(void **state)
{
	(void)state;
	moved_everywhere("n=100 seed=3", VC_IRQCHIP_SPLIT, is_long ? 1 : 19);
}

static void odd_machine_is_refused(void **state)
{
	struct machine_config cfg = base, other = base;
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	struct machine from, to;
	struct walk walk = { &from, 5 };
	const void *buf;
	size_t len;

	(void)state;
	cfg.cmdline = "n=20 avx=0";
	machine_build(&from, &cfg);
	from.box.accessed = stop_here;
	from.box.opaque = &walk;
	assert_result(vc_vm_start(from.vm), 0);
	wait_paused(&from);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_vm_save(from.vm, writer), 0);
	assert_result(vc_state_finish(writer, &buf, &len), 0);
	other.ram_bytes = MIB(16);
	other.cmdline = cfg.cmdline;
	machine_build(&to, &other);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_refused(vc_vm_load(to.vm, reader), -EXDEV, "RAM below 4 GiB");
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	machine_free(&to);
	machine_free(&from);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_irqchip),
		cmocka_unit_test(in_kernel_irqchip),
		cmocka_unit_test(split_irqchip),
		cmocka_unit_test(odd_machine_is_refused),
	};

	need_kvm();
	is_long = argc > 1 && strcmp(argv[1], "long") == 0;
	return end_program(cmocka_run_group_tests(tests, NULL, NULL));
}
