/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Save and load: a guest that is paused at each of its exits, saved, and loaded into a fresh
 * partition makes the same accesses and prints the same sum as one that was left alone.
 */
#include "cpu_fixture.h"

#include <errno.h>

/* Returns NULL when the vCPU's access has a further part, which comes out first. */
static struct vc_state_writer *save(struct rig *rig)
{
	struct vc_state_writer *writer = NULL;

	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_partition_save(rig->partition, writer), 0);
	int r = vc_vcpu_save(rig->vcpu, writer);
	if (r == 0)
		return writer;
	assert_refused(r, -EAGAIN, "further part");
	vc_state_writer_destroy(writer);
	return NULL;
}

static void load(struct rig *rig, struct vc_state_writer *writer)
{
	struct vc_state_reader *reader = NULL;
	const void *buf;
	size_t len;

	assert_result(vc_state_finish(writer, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_partition_load(rig->partition, reader), 0);
	assert_result(vc_vcpu_load(rig->vcpu, reader), 0);
	assert_result(vc_state_done(reader), 0);
	vc_state_reader_destroy(reader);
}

/* Everything of the guest is made anew, but for its memory and its model. */
static bool move(struct rig *rig, struct vc_partition_config cfg)
{
	struct vc_state_writer *writer = save(rig);

	if (!writer)
		return false;
	assert_result(vc_vcpu_detach(rig->vcpu), 0);
	vc_vcpu_destroy(rig->vcpu);
	vc_partition_destroy(rig->partition);
	cfg.size = sizeof(cfg);
	cfg.mem = rig->mem;
	assert_result(vc_partition_create(rig->host, &cfg, &rig->partition), 0);
	rig->vcpu = rig_vcpu(rig, 0);
	assert_result(vc_vcpu_attach(rig->vcpu), 0);
	load(rig, writer);
	vc_state_writer_destroy(writer);
	return true;
}

static void run_steps(const struct vc_partition_config *cfg, bool moves, struct world *world)
{
	const char *cmdline = steps_parameters();
	struct rig rig;
	uint32_t nr = 0;

	world_init(world);
	rig_guest(&rig, cfg, "steps.elf", cmdline);
	while (!world->is_over) {
		struct vc_exit *exit = rig_run(&rig);
		uint32_t before = world->nr;

		assert_true(exit->kind == VC_EXIT_PIO || exit->kind == VC_EXIT_MMIO ||
			    exit->kind == VC_EXIT_INTERRUPTED);
		world_answer(world, exit);
		/* the console's accesses are all alike; each of the others is a place of its own */
		if (!moves || world->nr == before || world->is_over)
			continue;
		nr += move(&rig, *cfg);
	}
	if (world->code)
		fail_msg("code %#x (%s): %s", world->code, moves ? "moved" : "left alone",
			 world->console.text);
	assert_true(!moves || nr > 50);
	rig_free(&rig);
}

static void check_same(struct vc_partition_config cfg)
{
	static struct world plain, moved;

	run_steps(&cfg, false, &plain);
	run_steps(&cfg, true, &moved);
	assert_int_equal(moved.nr, plain.nr);
	assert_int_equal(moved.sum, plain.sum);
	assert_string_equal(moved.console.text, plain.console.text);
	print_message("%u accesses, %s", plain.nr, plain.console.text);
}

static void test_same_transcript_bare(void **state)
{
	(void)state;
	check_same((struct vc_partition_config){ .irqchip = VC_IRQCHIP_NONE });
}

static void test_same_transcript_irqchip(void **state)
{
	(void)state;
	check_same((struct vc_partition_config){ .irqchip = VC_IRQCHIP_KERNEL, .has_pit = true });
}

static void test_same_transcript_split(void **state)
{
	(void)state;
	check_same((struct vc_partition_config){ .irqchip = VC_IRQCHIP_SPLIT });
}

static void test_save_twice_is_equal(void **state)
{
	struct vc_state_writer *first = NULL, *second = NULL;
	const void *buf[2];
	size_t len[2];
	struct rig rig;

	(void)state;
	/* no clock and no counter in it: the vCPU alone, never run */
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &first), 0);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &second), 0);
	assert_result(vc_vcpu_save(rig.vcpu, first), 0);
	assert_result(vc_vcpu_save(rig.vcpu, second), 0);
	assert_result(vc_state_finish(first, &buf[0], &len[0]), 0);
	assert_result(vc_state_finish(second, &buf[1], &len[1]), 0);
	assert_int_equal(len[0], len[1]);
	assert_true(len[0] > 1000);
	vc_state_writer_destroy(first);
	vc_state_writer_destroy(second);
	rig_free(&rig);
}

static void load_section(struct rig *rig, struct vc_state_writer *writer, int want,
			 const char *part)
{
	struct vc_state_reader *reader = NULL;
	const void *buf;
	size_t len;

	assert_result(vc_state_finish(writer, &buf, &len), 0);
	assert_result(vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader), 0);
	if (rig->vcpu)
		assert_refused(vc_vcpu_load(rig->vcpu, reader), want, part);
	else
		assert_refused(vc_partition_load(rig->partition, reader), want, part);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
}

static void test_broken_streams_change_nothing(void **state)
{
	struct vc_state_writer *writer = NULL;
	struct vc_x86_regs before, after;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.vcpu = rig_vcpu(&rig, 0);
	assert_result(vc_vcpu_get_regs(rig.vcpu, &before, NULL), 0);
	/* no section */
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	load_section(&rig, writer, -ENOENT, "vcpu0");
	/* too short */
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "vcpu0", 1), 0);
	vc_state_put_u64(writer, 0, 8);
	assert_result(vc_state_end(writer), 0);
	load_section(&rig, writer, -EBADMSG, "vcpu0");
	/* of the future */
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "vcpu0", 99), 0);
	assert_result(vc_state_end(writer), 0);
	load_section(&rig, writer, -EPROTONOSUPPORT, "vcpu0");
	/* lengths that nobody could mean */
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "vcpu0", 1), 0);
	for (uint32_t i = 0; i < 4000; i++)
		vc_state_put_u64(writer, i < 500 ? 0 : 0xff, 1);
	assert_result(vc_state_end(writer), 0);
	load_section(&rig, writer, -EBADMSG, "");
	assert_result(vc_vcpu_get_regs(rig.vcpu, &after, NULL), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	rig_free(&rig);
}

static void test_other_irqchip_is_refused(void **state)
{
	struct vc_partition_config cfg = { .irqchip = VC_IRQCHIP_SPLIT };
	struct vc_state_writer *writer = NULL;
	struct rig rig, other;

	(void)state;
	rig_make(&rig, &cfg);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_partition_save(rig.partition, writer), 0);
	rig_make(&other, NULL);
	load_section(&other, writer, -EXDEV, "irqchip");
	assert_refused(vc_partition_save(rig.partition, NULL), -EINVAL, "");
	assert_refused(vc_partition_load(NULL, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_save(NULL, NULL), -EINVAL, "");
	assert_refused(vc_vcpu_load(NULL, NULL), -EINVAL, "");
	rig_free(&other);
	rig_free(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_transcript_bare),
		cmocka_unit_test(test_same_transcript_irqchip),
		cmocka_unit_test(test_same_transcript_split),
		cmocka_unit_test(test_save_twice_is_equal),
		cmocka_unit_test(test_broken_streams_change_nothing),
		cmocka_unit_test(test_other_irqchip_is_refused),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
