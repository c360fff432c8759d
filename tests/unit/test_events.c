/* SPDX-License-Identifier: Apache-2.0 */
/* The event queue: order, coalescing, its bound, and an fd that is readable exactly while one waits. */
#include "vm_fixture.h"

#include "vm_impl.h"

#include <poll.h>

static void setup(struct fixture *f)
{
	struct vc_vm_config cfg = basic_config();

	open_host(f, NULL, 0);
	make_vm(f, &cfg);
}

static bool is_readable(struct vc_vm *vm)
{
	struct pollfd p = { .fd = vc_vm_event_fd(vm), .events = POLLIN };

	assert_true(p.fd >= 0);
	return poll(&p, 1, 0) == 1;
}

static void fd_follows_the_queue(void **state)
{
	struct vc_event event = { .size = sizeof(event), .kind = VC_EVENT_PANICKED };
	struct fixture f;

	(void)state;
	setup(&f);
	assert_false(is_readable(f.vm));
	expect_no_event(f.vm);
	vc__events_put(f.vm, &event);
	event.kind = VC_EVENT_RESET;
	vc__events_put(f.vm, &event);
	assert_true(is_readable(f.vm));
	expect_event(f.vm, VC_EVENT_PANICKED);
	assert_true(is_readable(f.vm));
	expect_event(f.vm, VC_EVENT_RESET);
	assert_false(is_readable(f.vm));
	expect_no_event(f.vm);
	assert_false(is_readable(f.vm));
	close_all(&f);
}

static void same_kind_and_object_coalesce(void **state)
{
	struct vc_event event = {
		.size = sizeof(event), .kind = VC_EVENT_ERROR, .object = "cpu0", .err = -EIO
	};
	struct fixture f;

	(void)state;
	setup(&f);
	for (uint64_t i = 0; i < 1000; i++) {
		event.code = i;
		vc__events_put(f.vm, &event);
	}
	snprintf(event.object, sizeof(event.object), "cpu1");
	vc__events_put(f.vm, &event);
	event = expect_event(f.vm, VC_EVENT_ERROR);
	assert_string_equal(event.object, "cpu0");
	assert_int_equal(event.nr, 1000);
	assert_int_equal(event.code, 999);
	event = expect_event(f.vm, VC_EVENT_ERROR);
	assert_string_equal(event.object, "cpu1");
	assert_int_equal(event.nr, 1);
	expect_no_event(f.vm);
	close_all(&f);
}

static void queue_is_bounded(void **state)
{
	struct vc_event event = { .size = sizeof(event), .kind = VC_EVENT_ERROR };
	uint32_t nr_told = 0;
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 100; i++) {
		snprintf(event.object, sizeof(event.object), "cpu%d", i);
		vc__events_put(f.vm, &event);
	}
	for (unsigned int i = 0; i < VC__VM_EVENTS; i++)
		nr_told += expect_event(f.vm, VC_EVENT_ERROR).nr;
	assert_int_equal(nr_told, 100); /* dropped ones are counted into the last */
	expect_no_event(f.vm);
	close_all(&f);
}

static void *put_many(void *opaque)
{
	struct vc_event event = { .size = sizeof(event), .kind = VC_EVENT_PANICKED };

	for (int i = 0; i < 20000; i++)
		vc__events_put(opaque, &event);
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	struct vc_event event = { .size = sizeof(event) };
	uint32_t nr_told = 0;
	pthread_t threads[2];
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, f.vm), 0);
	while (nr_told < 40000) {
		struct pollfd p = { .fd = vc_vm_event_fd(f.vm), .events = POLLIN };

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		while (vc_vm_next_event(f.vm, &event) == 1)
			nr_told += event.nr;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(nr_told, 40000);
	assert_false(is_readable(f.vm));
	close_all(&f);
}

static void bad_arguments_are_refused(void **state)
{
	struct vc_event event = { .size = sizeof(event) };
	struct fixture f;

	(void)state;
	setup(&f);
	assert_refused(vc_vm_event_fd(NULL), -EINVAL, "no VM");
	assert_refused(vc_vm_next_event(NULL, &event), -EINVAL, "no VM");
	assert_refused(vc_vm_next_event(f.vm, NULL), -EINVAL, "no event");
	/* A size that was never set is refused, and the event waits on. */
	vc__events_put(f.vm, &event);
	event.size = 0;
	assert_refused(vc_vm_next_event(f.vm, &event), -EINVAL, "size is 0");
	event.size = sizeof(event);
	assert_int_equal(vc_vm_next_event(f.vm, &event), 1);
	assert_int_equal(event.size, sizeof(event));
	for (int k = VC_EVENT_POWERED_OFF; k <= VC_EVENT_STOPPED; k++)
		assert_string_not_equal(vc_event_name((enum vc_event_kind)k), "?");
	assert_string_equal(vc_event_name((enum vc_event_kind)99), "?");
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fd_follows_the_queue),
		cmocka_unit_test(same_kind_and_object_coalesce),
		cmocka_unit_test(queue_is_bounded),
		cmocka_unit_test(threads_lose_nothing),
		cmocka_unit_test(bad_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
