/* SPDX-License-Identifier: Apache-2.0 */
/* The base of devices: what init refuses, that every op runs under the lock, splitting of bytes. */
#include "device_unit.h"

#include "device_private.h"

#include <pthread.h>

struct probe {
	struct vc_device dev;
	unsigned int nr_resets, nr_locked;
	int load_answer;
	uint8_t bytes[8];
	unsigned int nr_wakes;
};

static struct probe *of(struct vc_device *dev)
{
	return (struct probe *)(void *)dev;
}

static void note_lock(struct vc_device *dev)
{
	assert_int_equal(dev->lock, 1);
	of(dev)->nr_locked++;
}

static void byte(struct vc_device *dev, uint32_t off, bool is_write, uint8_t *value)
{
	if (is_write)
		of(dev)->bytes[off] = *value;
	else if (off != 2)
		*value = of(dev)->bytes[off];
}

static void probe_access(struct vc_device *dev, struct vc_access *access)
{
	note_lock(dev);
	vc__device_access_bytes(dev, access, byte);
}

static void probe_reset(struct vc_device *dev)
{
	note_lock(dev);
	of(dev)->nr_resets++;
}

static int probe_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	assert_null(writer);
	note_lock(dev);
	return -EXDEV;
}

static int probe_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	assert_null(reader);
	note_lock(dev);
	return of(dev)->load_answer;
}

static size_t probe_pollfds(struct vc_device *dev, struct pollfd *fds, size_t nr)
{
	assert_int_equal(nr, 4);
	note_lock(dev);
	fds[0].fd = 17;
	return 1;
}

static void probe_dispatch(struct vc_device *dev, const struct pollfd *fds, size_t nr)
{
	assert_int_equal(nr, 1);
	assert_int_equal(fds[0].fd, 17);
	note_lock(dev);
	vc_device_wake(dev);
}

static const struct vc_device_ops whole = {
	.type = "probe",
	.access = probe_access,
	.reset = probe_reset,
	.save = probe_save,
	.load = probe_load,
	.destroy = vc_device_fini,
	.pollfds = probe_pollfds,
	.dispatch = probe_dispatch,
};

static void count_wake(void *opaque)
{
	++*(unsigned int *)opaque;
}

static void runs_under_the_lock(void **state)
{
	struct probe p = { .load_answer = 0 };
	struct pollfd fds[VC_DEVICE_POLLFDS_MAX];

	(void)state;
	assert_result(vc_device_init(&p.dev, &whole, "p"), 0);
	assert_string_equal(p.dev.name, "p");
	vc_device_reset(&p.dev);
	assert_int_equal(p.nr_resets, 1);
	assert_int_equal(vc_device_save(&p.dev, NULL), -EXDEV);
	assert_int_equal(vc_device_load(&p.dev, NULL), 0);
	assert_int_equal(p.nr_resets, 1);
	p.load_answer = -EBADMSG;
	assert_int_equal(vc_device_load(&p.dev, NULL), -EBADMSG);
	assert_int_equal(p.nr_resets, 2); /* a load that failed resets */
	assert_int_equal(vc_device_pollfds(&p.dev, fds, 4), 1);
	vc_device_dispatch(&p.dev, fds, 1); /* nobody to wake yet */
	vc_device_set_wake(&p.dev, count_wake, &p.nr_wakes);
	vc_device_dispatch(&p.dev, fds, 1);
	assert_int_equal(p.nr_wakes, 1);
	assert_int_equal(p.nr_locked, 8);
	assert_int_equal(p.dev.lock, 0);
	vc_device_destroy(&p.dev);
	vc_device_destroy(NULL);
	vc_device_reset(NULL);
	assert_int_equal(vc_device_save(NULL, NULL), -EINVAL);
	assert_int_equal(vc_device_load(NULL, NULL), -EINVAL);
}

static void splits_bytes(void **state)
{
	struct probe p = { .load_answer = 0 };

	(void)state;
	assert_result(vc_device_init(&p.dev, &whole, "p"), 0);
	(void)device_access(&p.dev, 0, 0, 8, true, 0x8877665544332211);
	assert_int_equal(p.bytes[0], 0x11);
	assert_int_equal(p.bytes[7], 0x88);
	(void)device_access(&p.dev, 0, 5, 2, true, 0xaabb);
	assert_int_equal(p.bytes[5], 0xbb);
	assert_int_equal(p.bytes[6], 0xaa);
	assert_int_equal(p.bytes[7], 0x88);
	/* a register that does not answer reads as ones */
	assert_int_equal(device_access(&p.dev, 0, 0, 4, false, 0), 0x44ff2211);
	vc_device_destroy(&p.dev);
}

static void refuses(void **state)
{
	static const char thirty_two[] = "12345678901234567890123456789012";
	struct probe p;
	struct vc_device_ops ops = whole;

	(void)state;
	assert_int_equal(vc_device_init(NULL, &whole, "p"), -EINVAL);
	assert_int_equal(vc_device_init(&p.dev, NULL, "p"), -EINVAL);
	assert_int_equal(vc_device_init(&p.dev, &whole, NULL), -EINVAL);
	assert_refused(vc_device_init(&p.dev, &whole, ""), -EINVAL, "1 to 31");
	assert_refused(vc_device_init(&p.dev, &whole, thirty_two), -EINVAL, "1 to 31");
	assert_result(vc_device_init(&p.dev, &whole, thirty_two + 1), 0);
	assert_int_equal(strlen(p.dev.name), 31);
	vc_device_destroy(&p.dev);

#define REFUSE_WITHOUT(slot) \
	ops = whole;         \
	ops.slot = NULL;     \
	assert_refused(vc_device_init(&p.dev, &ops, "p"), -EINVAL, "ops")
	REFUSE_WITHOUT(type);
	REFUSE_WITHOUT(access);
	REFUSE_WITHOUT(reset);
	REFUSE_WITHOUT(save);
	REFUSE_WITHOUT(load);
	REFUSE_WITHOUT(destroy);
	REFUSE_WITHOUT(pollfds);
	assert_non_null(strstr(vc_error_message(), "dispatch without pollfds"));
	REFUSE_WITHOUT(dispatch);
	assert_non_null(strstr(vc_error_message(), "pollfds without dispatch"));
}

static void without_poll_slots(void **state)
{
	struct vc_device_ops ops = whole;
	struct probe p = { .load_answer = 0 };
	struct pollfd fds[4];

	(void)state;
	ops.pollfds = NULL;
	ops.dispatch = NULL;
	assert_result(vc_device_init(&p.dev, &ops, "p"), 0);
	assert_int_equal(vc_device_pollfds(&p.dev, fds, 4), 0);
	vc_device_dispatch(&p.dev, fds, 0);
	assert_int_equal(p.nr_locked, 0);
	vc_device_destroy(&p.dev);
}

#define NR_THREADS 4u
#define NR_TURNS   50000u

static struct probe contended;
static unsigned int nr_turns; /* not atomic: the lock's to keep right */

static void *take_turns(void *arg)
{
	unsigned int i;

	for (i = 0; i < NR_TURNS; i++) {
		vc_device_lock(arg);
		nr_turns++;
		vc_device_unlock(arg);
	}
	return NULL;
}

static void one_thread_at_a_time(void **state)
{
	pthread_t threads[NR_THREADS];
	unsigned int i;

	(void)state;
	assert_result(vc_device_init(&contended.dev, &whole, "p"), 0);
	for (i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &contended.dev), 0);
	for (i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(nr_turns, NR_THREADS * NR_TURNS);
	vc_device_destroy(&contended.dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_under_the_lock),
		cmocka_unit_test(splits_bytes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(without_poll_slots),
		cmocka_unit_test(one_thread_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
