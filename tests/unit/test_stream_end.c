/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that somebody else shares: never blocked on, flags left alone, no signals. */
#include "unit.h"

#include "stream_end.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static void fill_it(const struct vc__end *end)
{
	static const char block[4096];
	size_t done = 0;
	ssize_t n;

	while ((n = vc__end_write(end, block, sizeof(block))) > 0)
		assert_true((done += (size_t)n) < 64u << 20);
	assert_int_equal(n, -EAGAIN);
}

static void check_pair(int in, int out, enum vc__end_how how)
{
	struct vc__end r, w;
	int in_flags = fcntl(in, F_GETFL), out_flags = fcntl(out, F_GETFL);
	char buf[8];

	assert_int_equal(vc__end_open(&r, in, false), 0);
	assert_int_equal(vc__end_open(&w, out, true), 0);
	assert_int_equal(r.how, how);
	assert_int_equal(w.how, how);
	assert_true(fcntl(r.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(w.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(vc__end_read(&r, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(vc__end_write(&w, "a", 1), 1);
	assert_int_equal(vc__end_read(&r, buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 'a');
	fill_it(&w);
	assert_int_equal(fcntl(in, F_GETFL), in_flags);
	assert_int_equal(fcntl(out, F_GETFL), out_flags);
	vc__end_close(&r);
	vc__end_close(&w);
	vc__end_close(&w);
}

static void pipe_and_socket(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	check_pair(fds[0], fds[1], VC__END_PLAIN);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_pair(fds[0], fds[1], VC__END_SOCKET);
	close(fds[0]);
	close(fds[1]);
}

static int open_pty(char *path, size_t len)
{
	struct termios termios;
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(fd >= 0);
	assert_int_equal(grantpt(fd) | unlockpt(fd), 0);
	assert_int_equal(ptsname_r(fd, path, len), 0);
	assert_int_equal(tcgetattr(fd, &termios), 0);
	cfmakeraw(&termios);
	assert_int_equal(tcsetattr(fd, TCSANOW, &termios), 0);
	return fd;
}

/* The terminal of a shell: opened anew, so that its own flags stay as they are. */
static void terminal_is_opened_anew(void **state)
{
	char path[64];
	int master = open_pty(path, sizeof(path));
	int slave = open(path, O_RDWR | O_NOCTTY);
	struct vc__end r, w;
	char buf[8];

	(void)state;
	assert_true(slave >= 0);
	assert_int_equal(vc__end_open(&r, slave, false), 0);
	assert_int_equal(vc__end_open(&w, slave, true), 0);
	assert_int_equal(r.how, VC__END_PLAIN);
	assert_int_equal(w.how, VC__END_PLAIN);
	assert_false(fcntl(slave, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(r.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(vc__end_read(&r, buf, 8), -EAGAIN);
	assert_int_equal(write(master, "key", 3), 3);
	assert_int_equal(vc__end_read(&r, buf, 8), 3);
	fill_it(&w);
	vc__end_close(&r);
	vc__end_close(&w);
	close(slave);
	close(master);
}

/* A pty master cannot be opened anew: that would be another pty. Polled, a byte at a time. */
static void master_is_polled(void **state)
{
	char path[64];
	int master = open_pty(path, sizeof(path));
	int slave = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct vc__end r, w;
	char buf[8];

	(void)state;
	assert_int_equal(vc__end_open(&r, master, false), 0);
	assert_int_equal(vc__end_open(&w, master, true), 0);
	assert_int_equal(r.how, VC__END_POLLED);
	assert_int_equal(vc__end_read(&r, buf, 8), -EAGAIN);
	assert_int_equal(vc__end_write(&w, "ab", 2), 1);
	assert_int_equal(read(slave, buf, 8), 1);
	assert_int_equal(vc__end_write(&w, "ab", 0), 0);
	assert_int_equal(write(slave, "xyz", 3), 3);
	assert_int_equal(vc__end_read(&r, buf, 8), 3);
	fill_it(&w);
	vc__end_close(&r);
	vc__end_close(&w);
	close(slave);
	close(master);
}

/* A file that others append to as well keeps its one offset. */
static void file_keeps_its_offset(void **state)
{
	FILE *file = tmpfile();
	struct vc__end r, w;
	char buf[16];

	(void)state;
	assert_non_null(file);
	assert_int_equal(vc__end_open(&w, fileno(file), true), 0);
	assert_int_equal(vc__end_open(&r, fileno(file), false), 0);
	assert_int_equal(vc__end_write(&w, "one", 3), 3);
	assert_int_equal(write(fileno(file), "two", 3), 3);
	assert_int_equal(vc__end_write(&w, "six", 3), 3);
	assert_int_equal(vc__end_read(&r, buf, 16), 0);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	assert_int_equal(vc__end_read(&r, buf, 16), 9);
	assert_memory_equal(buf, "onetwosix", 9);
	vc__end_close(&r);
	vc__end_close(&w);
	fclose(file);
}

static sigset_t pending_now(void)
{
	sigset_t set;

	assert_int_equal(sigpending(&set), 0);
	return set;
}

/* SIGPIPE keeps its default action here: had it been sent, the test would be dead. */
static void no_sigpipe(void **state)
{
	struct vc__end w;
	sigset_t was, now, block, pending;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(vc__end_open(&w, fds[1], true), 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &was), 0);
	assert_int_equal(vc__end_write(&w, "a", 1), -EPIPE);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	assert_int_equal(sigismember(&now, SIGPIPE), sigismember(&was, SIGPIPE));
	pending = pending_now();
	assert_false(sigismember(&pending, SIGPIPE));

	/* blocked by the caller: nothing new is left pending, something old is */
	sigemptyset(&block);
	sigaddset(&block, SIGPIPE);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &block, NULL), 0);
	assert_int_equal(vc__end_write(&w, "a", 1), -EPIPE);
	pending = pending_now();
	assert_false(sigismember(&pending, SIGPIPE));
	assert_int_equal(pthread_kill(pthread_self(), SIGPIPE), 0);
	assert_int_equal(vc__end_write(&w, "a", 1), -EPIPE);
	pending = pending_now();
	assert_true(sigismember(&pending, SIGPIPE));
	assert_int_equal(sigwaitinfo(&block, NULL), SIGPIPE);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &was, NULL), 0);
	vc__end_close(&w);
}

static void no_sigpipe_from_sockets_nor_sigxfsz_from_files(void **state)
{
	FILE *file = tmpfile();
	struct rlimit was, small;
	struct vc__end w;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(vc__end_open(&w, fds[1], true), 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(vc__end_write(&w, "a", 1), -EPIPE);
	vc__end_close(&w);

	assert_non_null(file);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 4;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(vc__end_open(&w, fileno(file), true), 0);
	assert_int_equal(vc__end_write(&w, "abcdef", 6), 4);
	assert_int_equal(vc__end_write(&w, "ef", 2), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	vc__end_close(&w);
	fclose(file);
}

static void refuses(void **state)
{
	struct vc__end end = { .fd = 77 };
	int null_in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int null_out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int path = open("/dev/null", O_PATH | O_CLOEXEC);
	int event = eventfd(0, EFD_CLOEXEC);
	char buf[8];

	(void)state;
	assert_int_equal(vc__end_open(&end, -1, false), -EBADF);
	assert_int_equal(vc__end_open(&end, null_in, true), -EBADF);
	assert_int_equal(vc__end_open(&end, null_out, false), -EBADF);
	assert_int_equal(vc__end_open(&end, path, false), -EBADF);
	assert_int_equal(end.fd, 77);
	assert_int_equal(vc__end_open(&end, null_in, false), 0);
	assert_int_equal(vc__end_read(&end, buf, 8), 0);
	vc__end_close(&end);
	assert_int_equal(vc__end_open(&end, null_out, true), 0);
	assert_int_equal(vc__end_write(&end, "abc", 3), 3);
	vc__end_close(&end);
	/* a kind of descriptor that nobody expects: still does not block */
	assert_int_equal(vc__end_open(&end, event, false), 0);
	assert_int_equal(vc__end_read(&end, buf, 8), -EAGAIN);
	vc__end_close(&end);
	close(null_in);
	close(null_out);
	close(path);
	close(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipe_and_socket),
		cmocka_unit_test(terminal_is_opened_anew),
		cmocka_unit_test(master_is_polled),
		cmocka_unit_test(file_keeps_its_offset),
		cmocka_unit_test(no_sigpipe),
		cmocka_unit_test(no_sigpipe_from_sockets_nor_sigxfsz_from_files),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
