/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds: allocations and mappings of the code under test, fds, threads. */
#ifndef VC_TESTS_FAULT_HELD_H
#define VC_TESTS_FAULT_HELD_H

#include <stdbool.h>

/* Remembers what is held now; what is held more than that later counts as leaked. */
void held_start(void);

/* Compares; prints what is too much, with the place it came from. True when all went back. */
bool held_check(void);

#endif /* VC_TESTS_FAULT_HELD_H */
