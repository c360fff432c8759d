/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a VM: what happened away from a call, as typed records.
 *
 * A record may be put by any thread and taken by any thread. The queue is bounded because records of
 * the same kind and object coalesce; should it be full all the same, the newest record is dropped and
 * counted into the last one. The eventfd is signalled exactly while records wait, so that a program
 * can poll it without reading it. Rare by nature, hence a small lock and no cleverness.
 */
#include "vm_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

int vc__events_init(struct vc_vm *vm)
{
	int r;

	vm->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->event_fd < 0)
		return vc_error_set(-errno, "vm", vm->name, "no eventfd for events: %m");
	r = pthread_mutex_init(&vm->event_lock, NULL);
	if (r != 0) {
		close(vm->event_fd);
		vm->event_fd = -EBADF;
		return vc_error_set(-r, "vm", vm->name, "no lock for events");
	}
	return 0;
}

void vc__events_fini(struct vc_vm *vm)
{
	if (vm->event_fd < 0)
		return;
	close(vm->event_fd);
	vm->event_fd = -EBADF;
	pthread_mutex_destroy(&vm->event_lock);
}

static struct vc_event *find_same(struct vc_vm *vm, const struct vc_event *event)
{
	for (size_t i = 0; i < vm->nr_events; i++) {
		struct vc_event *e = &vm->events[i];

		if (e->kind == event->kind && strcmp(e->object, event->object) == 0)
			return e;
	}
	return NULL;
}

void vc__events_put_held(struct vc_vm *vm, const struct vc_event *event)
{
	struct vc_event *same;
	uint64_t one = 1;

	same = find_same(vm, event);
	if (same != NULL) {
		uint32_t nr = same->nr;

		*same = *event;
		same->nr = nr == UINT32_MAX ? nr : nr + 1;
	} else if (vm->nr_events == VC__VM_EVENTS) {
		vm->events[VC__VM_EVENTS - 1].nr++;
	} else {
		vm->events[vm->nr_events] = *event;
		vm->events[vm->nr_events++].nr = 1;
	}
	/* Cannot fail: the counter is at most the number of puts since it was last read. */
	(void)!write(vm->event_fd, &one, sizeof(one));
}

void vc__events_put(struct vc_vm *vm, const struct vc_event *event)
{
	pthread_mutex_lock(&vm->event_lock);
	vc__events_put_held(vm, event);
	pthread_mutex_unlock(&vm->event_lock);
}

int vc_vm_event_fd(const struct vc_vm *vm)
{
	if (vm == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no VM given");
	return vm->event_fd;
}

/* What the struct had in its first version. */
#define EVENT_FIRST_BYTES (offsetof(struct vc_event, text) + 160)

int vc_vm_next_event(struct vc_vm *vm, struct vc_event *ret_event)
{
	int r;

	if (vm == NULL || ret_event == NULL)
		return vc_error_set(-EINVAL, "vm", NULL, "no %s given", vm ? "event" : "VM");
	r = vc_result_fill(ret_event, EVENT_FIRST_BYTES, NULL, 0);
	if (r < 0)
		return r;
	pthread_mutex_lock(&vm->event_lock);
	if (vm->nr_events > 0) {
		(void)vc_result_fill(ret_event, EVENT_FIRST_BYTES, &vm->events[0],
				     sizeof(vm->events[0]));
		vm->nr_events--;
		memmove(vm->events, vm->events + 1, vm->nr_events * sizeof(vm->events[0]));
		r = 1;
	}
	if (vm->nr_events == 0) {
		uint64_t count;

		(void)!read(vm->event_fd, &count, sizeof(count));
	}
	pthread_mutex_unlock(&vm->event_lock);
	return r;
}

const char *vc_event_name(enum vc_event_kind kind)
{
	switch (kind) {
	case VC_EVENT_POWERED_OFF:
		return "powered off";
	case VC_EVENT_RESET:
		return "reset";
	case VC_EVENT_TRIPLE_FAULT:
		return "triple fault";
	case VC_EVENT_DEBUG_EXIT:
		return "debug exit";
	case VC_EVENT_PANICKED:
		return "panicked";
	case VC_EVENT_ERROR:
		return "error";
	case VC_EVENT_HALTED:
		return "halted";
	case VC_EVENT_STOPPED:
		return "stopped";
	}
	return "?";
}
