/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the books of what the code under test holds.
 *
 * Allocations and mappings are counted where the wrapped calls pass by, so that what libc keeps for
 * itself (arenas, stacks of ended threads) is not in the way; fds and threads are read from /proc.
 * A thread that was joined may stand there a moment longer, so their number is given a second.
 * Any thread may call; one lock around everything.
 */
#include "fault.h"
#include "fault_held.h"

#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_HELD 8192

extern const char __executable_start;

struct held {
	uintptr_t at, end; /* at == 0: free entry */
	const void *from;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held allocations[MAX_HELD], mappings[MAX_HELD];
static bool is_on, is_full;
static char fds_before[4096];
static unsigned int threads_before;

static void add(struct held *list, void *p, size_t len, const void *from)
{
	pthread_mutex_lock(&lock);
	size_t i = 0;

	while (is_on && i < MAX_HELD && list[i].at)
		i++;
	if (is_on && i < MAX_HELD)
		list[i] = (struct held){ (uintptr_t)p, (uintptr_t)p + len, from };
	is_full |= i == MAX_HELD;
	pthread_mutex_unlock(&lock);
}

void fault_allocated(void *p, const void *from)
{
	if (p)
		add(allocations, p, 1, from);
}

void fault_freed(void *p)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; p && i < MAX_HELD; i++) {
		if (allocations[i].at == (uintptr_t)p)
			allocations[i].at = 0;
	}
	pthread_mutex_unlock(&lock);
}

/* Cuts [p, p + len) out of what is mapped; a hole in the middle leaves two pieces. */
void fault_unmapped(void *p, size_t len)
{
	uintptr_t at = (uintptr_t)p, end = at + len;
	struct held rest[16];
	size_t nr_rest = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < MAX_HELD; i++) {
		struct held *m = &mappings[i];

		if (!m->at || m->end <= at || m->at >= end)
			continue;
		if (m->end > end && nr_rest < 16)
			rest[nr_rest++] = (struct held){ end, m->end, m->from };
		if (m->at < at)
			m->end = at;
		else
			m->at = 0;
	}
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < nr_rest; i++)
		add(mappings, (void *)rest[i].at, rest[i].end - rest[i].at, rest[i].from);
}

void fault_mapped(void *p, size_t len, const void *from)
{
	fault_unmapped(p, len); /* MAP_FIXED replaces */
	add(mappings, p, len, from);
}

/* The numbers and targets of all open fds as one text; returns the number of entries of @dir. */
static unsigned int list_dir(const char *dir, char *text, size_t size)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned int nr = 0;
	size_t used = 0;

	while (d && (e = readdir(d))) {
		char path[64], target[128] = "";

		if (e->d_name[0] == '.' || (text && atoi(e->d_name) == dirfd(d)))
			continue;
		nr++;
		if (!text)
			continue;
		snprintf(path, sizeof(path), "%s/%.16s", dir, e->d_name);
		if (readlink(path, target, sizeof(target) - 1) < 0)
			continue;
		/* a file that somebody else removes meanwhile is the same file */
		target[strcspn(target, "(")] = '\0';
		used += (size_t)snprintf(text + used, size - used, "%.16s %s\n", e->d_name, target);
		if (used >= size)
			used = size - 1;
	}
	if (d)
		closedir(d);
	return nr;
}

void held_start(void)
{
	pthread_mutex_lock(&lock);
	memset(allocations, 0, sizeof(allocations));
	memset(mappings, 0, sizeof(mappings));
	is_on = true;
	is_full = false;
	pthread_mutex_unlock(&lock);
	list_dir("/proc/self/fd", fds_before, sizeof(fds_before));
	threads_before = list_dir("/proc/self/task", NULL, 0);
}

static bool check_list(const struct held *list, const char *what)
{
	bool is_empty = true;

	for (size_t i = 0; i < MAX_HELD; i++) {
		if (!list[i].at)
			continue;
		is_empty = false;
		fprintf(stderr, "left behind: %s of 0x%zx bytes, made at image offset 0x%zx\n",
			what, (size_t)(list[i].end - list[i].at),
			(size_t)((const char *)list[i].from - &__executable_start));
	}
	return is_empty;
}

static bool check_threads(void)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int nr = 0;

	for (int i = 0; i < 1000; i++) {
		nr = list_dir("/proc/self/task", NULL, 0);
		if (nr <= threads_before)
			return true;
		nanosleep(&ms, NULL);
	}
	fprintf(stderr, "left behind: %u threads, before %u\n", nr, threads_before);
	return false;
}

bool held_check(void)
{
	char fds[sizeof(fds_before)];
	bool ok = check_threads();

	pthread_mutex_lock(&lock);
	is_on = false;
	ok &= check_list(allocations, "allocation");
	ok &= check_list(mappings, "mapping");
	if (is_full)
		fprintf(stderr, "more than %d things held: raise MAX_HELD\n", MAX_HELD);
	ok &= !is_full;
	pthread_mutex_unlock(&lock);
	list_dir("/proc/self/fd", fds, sizeof(fds));
	if (strcmp(fds, fds_before) != 0) {
		fprintf(stderr, "fds before:\n%sfds now:\n%s", fds_before, fds);
		ok = false;
	}
	return ok;
}
