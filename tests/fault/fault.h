/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation and system call fails once.
 *
 * A program made with vc_add_fault_test() is linked so that the library's and its own calls to
 * malloc, open, mmap, ioctl, pthread_create ... (the list is in CMakeLists.txt) come by here, where
 * the Nth of them can be made to fail. Nothing has to be prepared in the library.
 */
#ifndef VC_TESTS_FAULT_H
#define VC_TESTS_FAULT_H

#include <stdbool.h>
#include <stddef.h>

struct fault_config {
	/* What is tried: builds and takes down again; 0 or the -errno of what failed. */
	int (*fn)(void *opaque);
	void *opaque;
	/* Calls whose failure need not make @fn fail, because there is another way ("madvise");
	 * ends with NULL, may be NULL. */
	const char *const *may_survive;
	/* @fn is allowed to fail without leaving a message for its thread. */
	bool is_silent;
};

/*
 * Runs @fn once as it is, then again and again, the Nth call failing in run N, until a run makes
 * fewer calls than that. After each run: an error came out (where the failure was met before
 * fault_may_survive()), with a message of its code; and fds, threads, mappings and allocations are
 * as they were. Fails the cmocka test, naming call and place, when not.
 * Returns the number of calls that were made to fail.
 */
unsigned int fault_each(const struct fault_config *cfg);

/* The same without failing the test: false and the reason in @why of @size bytes. */
bool fault_try(const struct fault_config *cfg, unsigned int *ret_nr, char *why, size_t size);

/*
 * For @fn, before it takes down what it built: a call that fails from here on need not make it fail
 * (there is nobody to tell), yet nothing may be left behind.
 */
void fault_may_survive(void);

/* Calls by this name that were seen in the last run of fault_each() without a failure. */
unsigned int fault_count(const char *call);

/* For fault_calls.c: true when the call being made is the one to fail; @from is its caller. */
bool fault_hits(const char *call, const void *from);

/* For fault_calls.c: what is held. */
void fault_allocated(void *p, const void *from);
void fault_freed(void *p);
void fault_mapped(void *p, size_t len, const void *from);
void fault_unmapped(void *p, size_t len);

#endif /* VC_TESTS_FAULT_H */
