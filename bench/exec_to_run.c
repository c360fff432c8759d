/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at a program that uses KVM from outside, without a debugger: a system-call filter sends a
 * notice at each KVM_RUN and lets everything else pass at full speed. Any program can be measured,
 * with any number of threads, and all of them alike.
 * usage: exec_to_run time PROGRAM ARG...            us from exec to the first KVM_RUN
 *        exec_to_run pss N GUEST_BYTES PROGRAM ARG...  memory, held at the Nth KVM_RUN
 *        exec_to_run cpu PROGRAM ARG...             CPU and wall time of the whole run, no filter
 * Prints one JSON line; the program's own output goes to /dev/null. Exit code 1 if it failed.
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIME_LIMIT_MS 20000

/* Shared with the child: when it called exec, and the CPU time it had used by then. */
struct shared {
	struct timespec exec_at, cpu_at_exec;
};

struct child {
	pid_t pid;
	int listener;
	struct shared *shared;
};

static double us_of(const struct timespec *t)
{
	return (double)t->tv_sec * 1e6 + (double)t->tv_nsec / 1e3;
}

static double us_between(const struct timespec *from, const struct timespec *to)
{
	return us_of(to) - us_of(from);
}

/* KVM_RUN's number is in the low half of the second argument; KVM's fds have no other use of it. */
static int make_listener(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err(1, "no_new_privs");
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			      &program);
	if (fd < 0)
		err(1, "seccomp filter with a listener");
	return fd;
}

static void send_fd(int sock, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec io = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) != 1)
		err(1, "sending the listener");
}

static int receive_fd(int sock)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec io = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		errx(1, "no listener came from the child");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void exec_program(struct shared *shared, char **argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		err(1, "/dev/null");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &shared->cpu_at_exec);
	clock_gettime(CLOCK_MONOTONIC, &shared->exec_at);
	execv(argv[0], argv);
	err(127, "%s", argv[0]);
}

static struct child start(char **argv, int is_filtered)
{
	struct child child = { .listener = -1 };
	int socks[2];

	child.shared = mmap(NULL, sizeof(*child.shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child.shared == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		err(1, "starting");
	child.pid = fork();
	if (child.pid < 0)
		err(1, "fork");
	if (child.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (is_filtered)
			send_fd(socks[1], make_listener());
		exec_program(child.shared, argv);
	}
	close(socks[1]);
	if (is_filtered)
		child.listener = receive_fd(socks[0]);
	close(socks[0]);
	return child;
}

/* Waits for the next KVM_RUN; 0 when the program ended instead. */
static int next_run(const struct child *child, uint64_t *ret_id, struct timespec *ret_at)
{
	struct pollfd p = { .fd = child->listener, .events = POLLIN };
	struct seccomp_notif notice;
	int r = poll(&p, 1, TIME_LIMIT_MS);

	clock_gettime(CLOCK_MONOTONIC, ret_at);
	if (r == 0)
		errx(1, "no KVM_RUN within %d ms", TIME_LIMIT_MS);
	if (r < 0 || !(p.revents & POLLIN))
		return 0;
	memset(&notice, 0, sizeof(notice));
	if (ioctl(child->listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) < 0)
		return 0;
	*ret_id = notice.id;
	return 1;
}

static void let_run(const struct child *child, uint64_t id)
{
	struct seccomp_notif_resp answer = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (ioctl(child->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT)
		err(1, "answering a notice");
}

static void finish(const struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

/* CPU time of all threads so far, to the nanosecond; steadier than the clock on a busy machine. */
static double cpu_us_of(pid_t pid)
{
	char path[300];
	double sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		unsigned long long ns = 0;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, d->d_name);
		FILE *f = fopen(path, "re");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += (double)ns / 1e3;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return sum;
}

static int tell_time(char **argv)
{
	struct child child = start(argv, 1);
	struct timespec at;
	uint64_t id;

	if (!next_run(&child, &id, &at))
		errx(1, "%s ended without a KVM_RUN", argv[0]);

	double cpu_us = cpu_us_of(child.pid) - us_of(&child.shared->cpu_at_exec);

	finish(&child);
	printf("{\"exec_to_run_us\": %.1f, \"cpu_to_run_us\": %.1f}\n",
	       us_between(&child.shared->exec_at, &at), cpu_us);
	return 0;
}

/* Sums of a process's mappings, kB; guest memory by its length apart. */
struct sums {
	unsigned long rss, pss, anon, guest_rss;
};

static void add_mapping(struct sums *sums, const unsigned long *kb, unsigned long guest_kb)
{
	/* size, rss, pss, anonymous */
	if (guest_kb && kb[0] >= guest_kb) {
		sums->guest_rss += kb[1];
		return;
	}
	sums->rss += kb[1];
	sums->pss += kb[2];
	sums->anon += kb[3];
}

static struct sums read_smaps(pid_t pid, unsigned long guest_kb)
{
	static const char *const fields[] = { "Size:", "Rss:", "Pss:", "Anonymous:" };
	struct sums sums = { 0 };
	unsigned long kb[4] = { 0 };
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f)) {
		if (isxdigit((unsigned char)line[0]) && strchr(line, '-')) {
			add_mapping(&sums, kb, guest_kb);
			memset(kb, 0, sizeof(kb));
		}
		for (int i = 0; i < 4; i++)
			if (!strncmp(line, fields[i], strlen(fields[i])))
				kb[i] = strtoul(line + strlen(fields[i]), NULL, 10);
	}
	add_mapping(&sums, kb, guest_kb);
	fclose(f);
	return sums;
}

static int tell_pss(unsigned long nr, unsigned long guest_kb, char **argv)
{
	struct child child = start(argv, 1);
	struct timespec at;
	unsigned long i;
	uint64_t id;

	for (i = 1; next_run(&child, &id, &at) && i < nr; i++)
		let_run(&child, id);
	if (i < nr)
		errx(1, "%s ended before KVM_RUN %lu", argv[0], nr);

	struct sums sums = read_smaps(child.pid, guest_kb);

	finish(&child);
	printf("{\"pss_kib\": %lu, \"rss_kib\": %lu, \"anon_kib\": %lu, \"guest_rss_kib\": %lu}\n",
	       sums.pss, sums.rss, sums.anon, sums.guest_rss);
	return 0;
}

static int tell_cpu(char **argv)
{
	struct child child = start(argv, 0);
	struct timespec at;
	struct rusage use;
	int status;

	if (wait4(child.pid, &status, 0, &use) < 0)
		err(1, "wait");
	clock_gettime(CLOCK_MONOTONIC, &at);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "%s failed, status %#x", argv[0], (unsigned int)status);
	printf("{\"cpu_us\": %.1f, \"wall_us\": %.1f}\n",
	       (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
		       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) -
		       us_of(&child.shared->cpu_at_exec),
	       us_between(&child.shared->exec_at, &at));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "time"))
		return tell_time(argv + 2);
	if (argc >= 3 && !strcmp(argv[1], "cpu"))
		return tell_cpu(argv + 2);
	if (argc >= 5 && !strcmp(argv[1], "pss"))
		return tell_pss(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10) / 1024,
				argv + 4);
	fprintf(stderr,
		"usage: exec_to_run time|cpu PROGRAM ARG... | pss N GUEST_BYTES PROGRAM ARG...\n");
	return 2;
}
