/* SPDX-License-Identifier: Apache-2.0 */
/* The fake back end's vCPUs: every exit kind, answers, ends of scripts, kicks, stored state. */
#include "fake_fixture.h"

#include "fake_parts.h"

#include <libvirtcore/implement.h>

#include <pthread.h>
#include <stdatomic.h>

static void every_kind_once(void **state)
{
	struct vc_fake_step steps[VC_EXIT_NR];
	struct bed bed = { 0 };

	(void)state;
	for (unsigned int k = 0; k < VC_EXIT_NR; k++)
		steps[k] = (struct vc_fake_step){ .kind = k,
						  .addr = 0x100 + k,
						  .code = 0x200 + k,
						  .is_write = true,
						  .value = k };
	open_bed(&bed, steps, VC_EXIT_NR, 1);
	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	for (unsigned int k = 0; k < VC_EXIT_NR; k++) {
		const struct vc_exit *exit = next_exit(bed.vcpus[0]);
		bool has_data = k == VC_EXIT_PIO || k == VC_EXIT_MMIO || k == VC_EXIT_MSR ||
				k == VC_EXIT_HYPERCALL;

		assert_int_equal(exit->kind, k);
		assert_int_equal(exit->addr, 0x100 + k);
		assert_int_equal(exit->code, 0x200 + k);
		assert_int_equal(exit->count, 1);
		assert_int_equal(exit->data != NULL, has_data);
		assert_int_equal(exit->refuse != NULL, k == VC_EXIT_MSR);
		if (has_data)
			assert_int_equal(*(uint8_t *)exit->data, k);
	}
	struct vc_vcpu_stats stats = { .size = sizeof(stats) };

	assert_result(vc_vcpu_get_stats(bed.vcpus[0], &stats), 0);
	for (unsigned int k = 0; k < VC_EXIT_NR; k++)
		assert_int_equal(stats.nr_exits[k], 1);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
}

static void data_of_accesses(void **state)
{
	static const struct vc_fake_step steps[] = {
		{ .kind = VC_EXIT_PIO,
		  .size = 2,
		  .count = 3,
		  .addr = 0x3f8,
		  .is_write = true,
		  .value = 0x1234 },
		{ .kind = VC_EXIT_MMIO,
		  .size = 8,
		  .addr = 0xd0000000,
		  .is_write = true,
		  .value = 0x1122334455667788 },
		{ .kind = VC_EXIT_MMIO, .size = 4, .addr = 0xd0000008 },
		{ .kind = VC_EXIT_PIO, .size = 1, .count = 4096, .addr = 0x60 },
		{ .kind = VC_EXIT_MSR, .addr = 0x10 },
		{ .kind = VC_EXIT_MSR, .addr = 0x11 },
		{ .kind = VC_EXIT_HYPERCALL, .addr = 11, .value = 0xaa },
	};
	struct bed bed = { 0 };
	struct vc_exit *exit;

	(void)state;
	open_bed(&bed, steps, ARRAY_LEN(steps), 1);
	struct vc_vcpu *vcpu = bed.vcpus[0];

	assert_result(vc_vcpu_attach(vcpu), 0);
	exit = next_exit(vcpu);
	assert_int_equal(exit->size * exit->count, 6);
	assert_memory_equal(exit->data, "\x34\x12\x34\x12\x34\x12", 6);
	exit = next_exit(vcpu);
	assert_int_equal(*(uint64_t *)exit->data, 0x1122334455667788);

	exit = next_exit(vcpu);
	assert_int_equal(*(uint32_t *)exit->data, 0);
	expect_no_record(bed.partition); /* not complete yet */
	*(uint32_t *)exit->data = 0xcafe;
	exit = next_exit(vcpu);
	expect_record(bed.partition, VC_FAKE_READ, 0xd0000008, 0xcafe);
	memset(exit->data, 0x77, 4096);
	exit = next_exit(vcpu);
	expect_record(bed.partition, VC_FAKE_READ, 0x60, 0x77);

	*(uint64_t *)exit->data = 1ull << 40;
	exit = next_exit(vcpu);
	expect_record(bed.partition, VC_FAKE_READ, 0x10, 1ull << 40);
	*exit->refuse = 1;
	exit = next_exit(vcpu);
	expect_no_record(bed.partition);
	assert_int_equal(((uint64_t *)exit->data)[0], 0xaa);
	assert_int_equal(((uint64_t *)exit->data)[5], 0);
	((uint64_t *)exit->data)[0] = 0xbb;
	assert_result(vc_vcpu_complete(vcpu), 0);
	expect_record(bed.partition, VC_FAKE_READ, 11, 0xbb);
	assert_result(vc_vcpu_complete(vcpu), 0);
	expect_no_record(bed.partition);
	assert_result(vc_vcpu_detach(vcpu), 0);
	close_bed(&bed);
}

static void errors_come_out(void **state)
{
	static const struct vc_fake_step steps[] = {
		{ .kind = VC_EXIT_HALT },
		{ .err = -EFAULT },
		{ .err = ENOMEM },
		{ .kind = VC_EXIT_HALT },
	};
	struct bed bed = { 0 };
	struct vc_exit *exit = NULL;

	(void)state;
	open_bed(&bed, steps, ARRAY_LEN(steps), 1);
	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	next_exit(bed.vcpus[0]);
	assert_refused(vc_vcpu_run(bed.vcpus[0], &exit), -EFAULT, "the script says so");
	assert_refused(vc_vcpu_run(bed.vcpus[0], &exit), -ENOMEM, "the script says so");
	assert_null(exit);
	assert_int_equal(next_exit(bed.vcpus[0])->kind, VC_EXIT_HALT);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
}

static void rounds(void **state)
{
	static const struct vc_fake_step steps[] = { { .kind = VC_EXIT_PIO, .addr = 1 },
						     { .kind = VC_EXIT_PIO, .addr = 2 } };
	struct bed bed = { .script.repeats = 3 };

	(void)state;
	open_bed(&bed, steps, ARRAY_LEN(steps), 1);
	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(next_exit(bed.vcpus[0])->addr, 1 + i % 2);
	assert_result(vc_vcpu_kick(bed.vcpus[0]), 0);
	assert_int_equal(next_exit(bed.vcpus[0])->kind, VC_EXIT_INTERRUPTED);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
}

static void script_of_each_vcpu(void **state)
{
	static const struct vc_fake_step zero[] = { { .kind = VC_EXIT_MMIO, .addr = 0x10 } };
	static const struct vc_fake_step one[] = { { .kind = VC_EXIT_MMIO, .addr = 0x11 } };
	static const struct vc_fake_step *const scripts[] = { zero, one };
	static const size_t nr[] = { 1, 1 };
	struct bed bed = { .script = { .steps = scripts, .nr_steps = nr, .nr_scripts = 2 } };

	(void)state;
	open_bed(&bed, NULL, 0, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_result(vc_vcpu_attach(bed.vcpus[i]), 0);
		assert_int_equal(next_exit(bed.vcpus[i])->addr, i == 0 ? 0x10 : 0x11);
		assert_result(vc_vcpu_detach(bed.vcpus[i]), 0);
	}
	close_bed(&bed);
}

static void without_a_script(void **state)
{
	struct vc_host_config host = { .size = sizeof(host), .backend = VC_BACKEND_FAKE };
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	assert_result(vc_vcpu_kick(bed.vcpus[0]), 0);
	assert_int_equal(next_exit(bed.vcpus[0])->kind, VC_EXIT_INTERRUPTED);
	expect_record(bed.partition, VC_FAKE_KICK, 0, 0);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
	assert_result(vc_host_open(&host, &bed.host), 0);
	vc_host_close(bed.host);
}

/* Kicks before a run coalesce into one, which ends that run before any step is played. */
static void kicks_before_a_run(void **state)
{
	static const struct vc_fake_step steps[] = { { .kind = VC_EXIT_MMIO, .addr = 0x10 } };
	struct bed bed = { 0 };

	(void)state;
	open_bed(&bed, steps, 1, 1);
	assert_result(vc_vcpu_attach(bed.vcpus[0]), 0);
	for (int i = 0; i < 5; i++)
		assert_result(vc_vcpu_kick(bed.vcpus[0]), 0);
	assert_int_equal(next_exit(bed.vcpus[0])->kind, VC_EXIT_INTERRUPTED);
	assert_int_equal(next_exit(bed.vcpus[0])->kind, VC_EXIT_MMIO);
	expect_record(bed.partition, VC_FAKE_KICK, 0, 0);
	assert_result(vc_vcpu_detach(bed.vcpus[0]), 0);
	close_bed(&bed);
}

struct kicked {
	struct vc_vcpu *vcpu;
	atomic_uint nr_seen, nr_sent;
	unsigned int nr_kicks;
};

/* Each kick is answered before the next is sent, so that none may be lost. */
static void *run_kicked(void *arg)
{
	struct kicked *k = arg;

	if (vc_vcpu_attach(k->vcpu) < 0)
		return NULL;
	while (atomic_load(&k->nr_seen) < k->nr_kicks) {
		struct vc_exit *exit;

		if (vc_vcpu_run(k->vcpu, &exit) < 0)
			break;
		if (exit->kind == VC_EXIT_INTERRUPTED)
			atomic_fetch_add(&k->nr_seen, 1);
	}
	(void)vc_vcpu_detach(k->vcpu);
	return k;
}

static void kicks_of(const struct vc_fake_step *steps, size_t nr_steps, uint64_t repeats)
{
	struct bed bed = { .script.repeats = repeats };
	struct kicked k = { .nr_kicks = HAS_TSAN ? 1000 : 10000 }; /* 20 times slower there */
	pthread_t thread;
	void *ret = NULL;

	open_bed(&bed, steps, nr_steps, 1);
	k.vcpu = bed.vcpus[0];
	assert_int_equal(pthread_create(&thread, NULL, run_kicked, &k), 0);
	for (unsigned int i = 0; i < k.nr_kicks; i++) {
		/* a little later each time, so that kicks fall on every step of the next run */
		for (unsigned int spin = i % 400; spin > 0; spin--)
			(void)atomic_load(&k.nr_seen);
		assert_result(vc_vcpu_kick(k.vcpu), 0);
		while (atomic_load(&k.nr_seen) == i)
			sched_yield();
		/* a wake may come after its kick was seen and then ends one more run */
	}
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_ptr_equal(ret, &k);
	assert_true(atomic_load(&k.nr_seen) >= k.nr_kicks);
	close_bed(&bed);
}

static void kicks_while_waiting(void **state)
{
	(void)state;
	kicks_of(NULL, 0, 0);
}

static void kicks_while_playing(void **state)
{
	static const struct vc_fake_step steps[] = { { .kind = VC_EXIT_MMIO, .addr = 0x10 } };

	(void)state;
	kicks_of(steps, 1, UINT64_MAX);
}

static void scripts_that_cannot_be_played(void **state)
{
	static const struct {
		struct vc_fake_step step;
		const char *message;
	} cases[] = {
		{ { .kind = VC_EXIT_NR }, "exit 17" },
		{ { .kind = VC_EXIT_PIO, .size = 3 }, "3 bytes in a pio exit" },
		{ { .kind = VC_EXIT_PIO, .size = 8 }, "8 bytes in a pio exit" },
		{ { .kind = VC_EXIT_MMIO, .size = 16 }, "16 bytes in a mmio exit" },
		{ { .kind = VC_EXIT_MMIO, .size = 4, .count = 2 }, "2 items in a mmio exit" },
		{ { .kind = VC_EXIT_PIO, .size = 4, .count = 1025 }, "room for 4096 bytes" },
		{ { .kind = VC_EXIT_PIO, .size = 4, .addr = 0xfffe }, "port 0xfffe of 4 bytes" },
	};
	const struct vc_fake_step good = { .kind = VC_EXIT_HALT };
	const struct vc_fake_step *list[] = { &good, NULL };
	size_t nr[] = { 1, 1 };
	struct vc_fake_script script = { .steps = list, .nr_steps = nr, .nr_scripts = 2 };
	struct vc_host_config cfg = { .size = sizeof(cfg),
				      .backend = VC_BACKEND_FAKE,
				      .fake = &script };
	struct vc_host *host = NULL;

	(void)state;
	assert_refused(vc_host_open(&cfg, &host), -EINVAL, "script 1 is NULL");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		list[1] = &cases[i].step;
		assert_refused(vc_host_open(&cfg, &host), -EINVAL, cases[i].message);
		assert_non_null(strstr(vc_error_message(), "script 1, step 0"));
	}
	script.steps = NULL;
	assert_refused(vc_host_open(&cfg, &host), -EINVAL, "2 scripts at NULL");
	assert_null(host);
}

static void state_is_kept(void **state)
{
	struct bed bed = { 0 };
	struct vc_x86_regs regs, regs_back;
	struct vc_x86_sregs sregs, sregs_back;
	uint8_t xsave[600], page[VC_LAPIC_BYTES], back[VC_LAPIC_BYTES];
	uint64_t value = 7;

	(void)state;
	open_bed(&bed, NULL, 0, 2);
	struct vc_vcpu *vcpu = bed.vcpus[1];

	assert_result(vc_vcpu_get_regs(vcpu, &regs, &sregs), 0);
	assert_int_equal(regs.rip, 0xfff0);
	assert_int_equal(sregs.cs.base, 0xffff0000);
	assert_int_equal(sregs.cr0, 0x60000010);
	memset(&regs, 0x11, sizeof(regs));
	memset(&sregs, 0x22, sizeof(sregs));
	assert_result(vc_vcpu_set_regs(vcpu, &regs, &sregs), 0);
	assert_result(vc_vcpu_get_regs(vcpu, &regs_back, &sregs_back), 0);
	assert_memory_equal(&regs_back, &regs, sizeof(regs));
	assert_memory_equal(&sregs_back, &sregs, sizeof(sregs));

	assert_result(vc_vcpu_get_xsave(vcpu, NULL, 0), 576);
	memset(xsave, 0x33, sizeof(xsave));
	assert_int_equal(vc_vcpu_set_xsave(vcpu, xsave, 600), -EINVAL);
	memset(page, 0x44, sizeof(page));
	assert_result(vc_vcpu_set_lapic(vcpu, page), 0);
	assert_result(vc_vcpu_get_lapic(vcpu, back), 0);
	assert_memory_equal(back, page, sizeof(page));

	assert_result(vc_vcpu_set_msr(vcpu, 0xc0000102, 0x55), 0);
	assert_result(vc_vcpu_get_msr(vcpu, 0xc0000102, &value), 0);
	assert_int_equal(value, 0x55);
	assert_refused(vc_vcpu_get_msr(vcpu, 0x12345, &value), -ENOENT, "0x12345");
	assert_int_equal(value, 0x55);
	assert_int_equal(vc_vcpu_set_msr(vcpu, 0x12345, 1), -ENOENT);
	/* the other one is untouched */
	assert_result(vc_vcpu_get_regs(bed.vcpus[0], &regs_back, NULL), 0);
	assert_int_equal(regs_back.rip, 0xfff0);
	close_bed(&bed);
}

static void parts_of_wrong_size(void **state)
{
	struct bed bed = { 0 };
	uint8_t buf[64];

	(void)state;
	open_bed(&bed, NULL, 0, 1);
	assert_refused(vc__fake_vcpu_get(bed.vcpus[0], VC__PART_REGS, buf, 64), -EINVAL,
		       "room for 64");
	assert_refused(vc__fake_vcpu_set(bed.vcpus[0], VC__PART_XCR0, buf, 64), -EINVAL,
		       "8 bytes, not 64");
	assert_refused(vc__fake_vcpu_get(bed.vcpus[0], 99, buf, 64), -ENOTSUP, "part 99");
	assert_refused(vc__fake_vcpu_set(bed.vcpus[0], 99, buf, 64), -ENOTSUP, "part 99");
	close_bed(&bed);
}

static void xsave_follows_the_model(void **state)
{
	struct vc_cpu_model_config model_cfg = { .size = sizeof(model_cfg), .nr_vcpus = 1 };
	struct vc_vcpu_config cfg = { .size = sizeof(cfg) };
	struct bed bed = { 0 };
	struct vc_cpu_model *model = NULL;
	struct vc_vcpu *vcpu = NULL;

	(void)state;
	open_bed(&bed, NULL, 0, 0);
	assert_result(vc_cpu_model_create(bed.host, &model_cfg, &model), 0);
	cfg.model = model;
	assert_result(vc_vcpu_create(bed.partition, &cfg, &vcpu), 0);
	vc_cpu_model_destroy(model);
	assert_result(vc_vcpu_get_xsave(vcpu, NULL, 0), 0xa88);
	vc_vcpu_destroy(vcpu);
	close_bed(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_once),
		cmocka_unit_test(data_of_accesses),
		cmocka_unit_test(errors_come_out),
		cmocka_unit_test(rounds),
		cmocka_unit_test(script_of_each_vcpu),
		cmocka_unit_test(without_a_script),
		cmocka_unit_test(kicks_before_a_run),
		cmocka_unit_test(kicks_while_waiting),
		cmocka_unit_test(kicks_while_playing),
		cmocka_unit_test(scripts_that_cannot_be_played),
		cmocka_unit_test(state_is_kept),
		cmocka_unit_test(parts_of_wrong_size),
		cmocka_unit_test(xsave_follows_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
