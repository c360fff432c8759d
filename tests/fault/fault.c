/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop that makes one call after the other fail.
 *
 * Runs on the test's thread; calls are counted from any thread while a run is on. A run in which
 * threads race may meet its Nth call elsewhere than the one before: what is checked holds for any.
 */
#include "fault.h"
#include "fault_held.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtcore/implement.h>

#define MAX_CALLS 100000u
#define MAX_NAMES 64u

extern const char __executable_start;

struct seen {
	const char *_Atomic name;
	_Atomic unsigned int nr;
};

static _Atomic unsigned int nr_calls; /* of this run */
static _Atomic unsigned int fail_at;  /* 0: none */
static _Atomic bool is_counting, is_taking_down, was_hit, was_hit_late;
static const char *_Atomic hit_call;
static const void *_Atomic hit_from;
static struct seen seen[MAX_NAMES];

/* Counts a call by name; the names are string literals, equal ones may have several addresses. */
static void count(const char *call)
{
	for (size_t i = 0; i < MAX_NAMES; i++) {
		const char *none = NULL;

		atomic_compare_exchange_strong(&seen[i].name, &none, call);
		if (strcmp(seen[i].name, call) == 0) {
			seen[i].nr++;
			return;
		}
	}
}

bool fault_hits(const char *call, const void *from)
{
	unsigned int nr;

	if (!is_counting)
		return false;
	nr = ++nr_calls;
	if (!fail_at)
		count(call);
	if (nr != fail_at)
		return false;
	hit_call = call;
	hit_from = from;
	was_hit_late = is_taking_down;
	was_hit = true;
	return true;
}

void fault_may_survive(void)
{
	is_taking_down = true;
}

unsigned int fault_count(const char *call)
{
	for (size_t i = 0; i < MAX_NAMES && seen[i].name; i++) {
		if (strcmp(seen[i].name, call) == 0)
			return seen[i].nr;
	}
	return 0;
}

static bool is_listed(const char *const *names, const char *name)
{
	for (; names && *names; names++) {
		if (strcmp(*names, name) == 0)
			return true;
	}
	return false;
}

static int run(const struct fault_config *cfg, unsigned int n)
{
	int r;

	vc_error_set(-EXFULL, "fault", NULL, "no message was set");
	held_start();
	nr_calls = 0;
	fail_at = n;
	is_taking_down = was_hit = was_hit_late = false;
	is_counting = true;
	r = cfg->fn(cfg->opaque);
	is_counting = false;
	return r;
}

static size_t image_offset(const void *at)
{
	return (size_t)((const char *)at - &__executable_start);
}

/* What must hold after a run in which a call was made to fail. */
static bool check(const struct fault_config *cfg, int r)
{
	struct vc_error last;
	bool ok = held_check();

	if (r == 0 && was_hit && !was_hit_late && !is_listed(cfg->may_survive, hit_call)) {
		fprintf(stderr, "the failure went unnoticed: 0 returned\n");
		ok = false;
	}
	vc_error_last(&last);
	if (r < 0 && !cfg->is_silent && last.code != r) {
		fprintf(stderr, "returned %d, the message is of %d: %s\n", r, last.code,
			vc_error_message());
		ok = false;
	}
	return ok;
}

bool fault_try(const struct fault_config *cfg, unsigned int *ret_nr, char *why, size_t size)
{
	unsigned int n;
	int r;

	/* The first run lets libc make what it keeps; the second one counts. */
	r = run(cfg, 0);
	if (r == 0) {
		memset(seen, 0, sizeof(seen));
		r = run(cfg, 0);
	}
	if (r != 0 || !check(cfg, r)) {
		snprintf(why, size, "without a failing call: returned %d (%s)", r,
			 vc_error_message());
		return false;
	}
	for (n = 1; n < MAX_CALLS; n++) {
		r = run(cfg, n);
		if (!check(cfg, r)) {
			snprintf(why, size,
				 "call %u failing (%s at image offset 0x%zx): returned %d (%s)", n,
				 was_hit ? hit_call : "none", was_hit ? image_offset(hit_from) : 0,
				 r, vc_error_message());
			return false;
		}
		if (!was_hit) {
			*ret_nr = n - 1;
			return true;
		}
	}
	snprintf(why, size, "more than %u calls", MAX_CALLS);
	return false;
}

unsigned int fault_each(const struct fault_config *cfg)
{
	unsigned int nr = 0;
	char why[1024];

	if (!fault_try(cfg, &nr, why, sizeof(why)))
		fail_msg("%s", why);
	return nr;
}
