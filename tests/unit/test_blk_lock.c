/* SPDX-License-Identifier: Apache-2.0 */
/* Locks on images: one writer or many readers, the holder named, QEMU's bytes, free again at once. */
#include "block_unit.h"

#include "blk_file.h"

#include <signal.h>
#include <sys/wait.h>

static char path[] = "/var/tmp/vc-lock-XXXXXX";

static int opened(int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void one_writer(void **state)
{
	int a = opened(O_RDWR), b = opened(O_RDWR), c = opened(O_RDONLY);

	(void)state;
	assert_result(vc__blk_lock(a, true, "disk"), 0);
	assert_refused(vc__blk_lock(b, true, "disk"), -EBUSY,
		       "disk: cannot be opened for writing: it is in use by this process");
	assert_refused(vc__blk_lock(c, false, "disk"), -EBUSY,
		       "cannot be opened for reading: it is in use for writing by this process");
	vc__blk_unlock(a);
	assert_result(vc__blk_lock(b, true, "disk"), 0);
	vc__blk_unlock(b);
	close(a);
	close(b);
	close(c);
}

static void many_readers(void **state)
{
	int a = opened(O_RDONLY), b = opened(O_RDONLY), c = opened(O_RDWR);

	(void)state;
	assert_result(vc__blk_lock(a, false, "disk"), 0);
	assert_result(vc__blk_lock(b, false, "disk"), 0);
	assert_refused(vc__blk_lock(c, true, "disk"), -EBUSY, "in use");
	vc__blk_unlock(a);
	assert_refused(vc__blk_lock(c, true, "disk"), -EBUSY, "in use");
	vc__blk_unlock(b);
	/* A refused one holds nothing. */
	assert_result(vc__blk_lock(a, false, "disk"), 0);
	vc__blk_unlock(a);
	assert_result(vc__blk_lock(c, true, "disk"), 0);
	close(c);
	close(a);
	close(b);
}

/* Runs @fn in a child that stays until it is killed. */
static pid_t holder(void (*fn)(void))
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		(void)!write(fds[1], "x", 1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void lock_for_writing(void)
{
	if (vc__blk_lock(open(path, O_RDWR), true, "disk") < 0)
		_exit(1);
}

static void names_the_holder(void **state)
{
	int fd = opened(O_RDWR);
	pid_t pid = holder(lock_for_writing);
	char text[64];

	(void)state;
	(void)snprintf(text, sizeof(text), "by process %d (test_blk_lock)", (int)pid);
	assert_refused(vc__blk_lock(fd, true, "disk"), -EBUSY, text);
	assert_refused(vc__blk_lock(fd, false, "disk"), -EBUSY, text);
	end(pid);
	assert_result(vc__blk_lock(fd, true, "disk"), 0);
	close(fd);
}

static void set_read_lock(int fd, off_t byte)
{
	struct flock lock = { .l_type = F_RDLCK, .l_start = byte, .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		_exit(1);
}

/* As QEMU has an image open for writing: it holds and does not share writing. */
static void lock_as_qemu_writes(void)
{
	int fd = open(path, O_RDWR);

	set_read_lock(fd, 100);
	set_read_lock(fd, 101);
	set_read_lock(fd, 201);
	set_read_lock(fd, 203);
}

static void lock_as_qemu_reads(void)
{
	int fd = open(path, O_RDONLY);

	set_read_lock(fd, 100);
	set_read_lock(fd, 201);
	set_read_lock(fd, 203);
}

static void beside_qemu(void **state)
{
	int fd = opened(O_RDWR);
	pid_t pid = holder(lock_as_qemu_writes);

	(void)state;
	assert_refused(vc__blk_lock(fd, true, "disk"), -EBUSY, "in use");
	assert_refused(vc__blk_lock(fd, false, "disk"), -EBUSY, "in use for writing");
	end(pid);
	pid = holder(lock_as_qemu_reads);
	assert_refused(vc__blk_lock(fd, true, "disk"), -EBUSY, "in use");
	assert_result(vc__blk_lock(fd, false, "disk"), 0);
	end(pid);
	close(fd);
}

/* A duplicate that is still open somewhere, as in a ring, does not keep them. */
static void free_with_a_duplicate_open(void **state)
{
	int a = opened(O_RDWR), dup_of_a = fcntl(a, F_DUPFD_CLOEXEC, 0), b = opened(O_RDWR);

	(void)state;
	assert_result(vc__blk_lock(a, true, "disk"), 0);
	vc__blk_unlock(a);
	close(a);
	assert_result(vc__blk_lock(b, true, "disk"), 0);
	close(b);
	close(dup_of_a);
}

/* What is not a regular holder, or gone: no name, no failure. */
static void unknown_holder(void **state)
{
	char text[64] = "x";
	int fd = opened(O_RDWR);

	(void)state;
	vc__blk_holder(fd, text, sizeof(text));
	assert_string_equal(text, "");
	close(fd);
	vc__blk_holder(-1, text, sizeof(text));
	assert_string_equal(text, "");
	assert_refused(vc__blk_lock(-1, true, "disk"), -EOPNOTSUPP, "cannot be locked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_writer),
		cmocka_unit_test(many_readers),
		cmocka_unit_test(names_the_holder),
		cmocka_unit_test(beside_qemu),
		cmocka_unit_test(free_with_a_duplicate_open),
		cmocka_unit_test(unknown_holder),
	};
	int failed;

	make_image(path, MIB);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
