/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper: the first and only program of the lab machine's own (process 1 of its initramfs).
 *
 * It loads the modules, mounts the outside machine's file system (9p read-only below, tmpfs above)
 * and makes it the root, holds one idle VM open for the whole run (closing a machine's last VM
 * switches SVM off, which the software CPU does not bear for long), runs the command, carries its
 * output over virtio-serial ports, beats on the control port so that a silent machine is told from
 * a quiet command, and says how the command ended. One thread. What to do comes from /job in the
 * initramfs, written by `lab`: argv, env, cwd, token, beat (seconds), outs, mods, modtree,
 * huge1g.
 * It never powers off: the harness ends the machine when it has the exit line and all output.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum port { PORT_CTL, PORT_OUT, PORT_ERR, NR_PORTS };

struct job {
	char **argv;
	char **env;
	char **outs; /* directories to come back, as absolute paths */
	char **mods; /* further modules to load, by name */
	char *cwd;
	char *token;
	char *huge_1g; /* number of 1 GiB pages that must be there, in decimal */
	char *modtree; /* unpacked lib/modules/VERSION outside */
	long beat_s;
};

static int ctl_fd = -1;

static void write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	write_all(ctl_fd >= 0 ? ctl_fd : STDERR_FILENO, line, (size_t)n);
}

/* The machine is of no use: tell the harness why and wait to be ended. */
static void give_up(const char *word, const char *what, const char *name, const char *why)
{
	say("%s %s %s: %s\n", word, what, name, why);
	for (;;)
		pause();
}

static void fail(const char *what, const char *name)
{
	give_up("fail", what, name, strerror(errno));
}

/* As fail(), where another boot could not help: the fault is in what was asked for. */
static void refuse(const char *what, const char *name, const char *why)
{
	give_up("refuse", what, name, why);
}

static char *read_file(const char *path, size_t *ret_len)
{
	struct stat st;
	char *buf;
	size_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		fail("open", path);
	buf = calloc(1, (size_t)st.st_size + 1);
	if (!buf)
		fail("calloc", path);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, buf + len, (size_t)st.st_size - len);

		if (n <= 0)
			fail("read", path);
		len += (size_t)n;
	}
	close(fd);
	*ret_len = len;
	return buf;
}

/* A file of NUL-terminated strings as a NULL-terminated vector. */
static char **read_vector(const char *path)
{
	size_t len, count = 0, i = 0;
	char *buf = read_file(path, &len);
	char **vec;

	for (size_t off = 0; off < len; off++)
		count += buf[off] == '\0';
	vec = calloc(count + 1, sizeof(*vec));
	if (!vec)
		fail("calloc", path);
	for (size_t off = 0; i < count; off += strlen(buf + off) + 1)
		vec[i++] = buf + off;
	return vec;
}

static void read_job(struct job *job)
{
	size_t len;

	job->argv = read_vector("/job/argv");
	job->env = read_vector("/job/env");
	job->outs = read_vector("/job/outs");
	job->mods = read_vector("/job/mods");
	job->cwd = read_file("/job/cwd", &len);
	job->token = read_file("/job/token", &len);
	job->huge_1g = read_file("/job/huge1g", &len);
	job->modtree = read_file("/job/modtree", &len);
	job->beat_s = strtol(read_file("/job/beat", &len), NULL, 10);
}

/* /mod holds them numbered in the order of their dependencies. */
static void load_modules(void)
{
	struct dirent **names;
	int count = scandir("/mod", &names, NULL, alphasort);

	if (count < 0)
		fail("scandir", "/mod");
	for (int i = 0; i < count; i++) {
		char path[300];
		int fd;

		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/mod/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			fail("load", path);
		close(fd);
	}
}

/* The ports come up by work queue after virtio_console is loaded. */
static int open_port(int nr)
{
	const struct timespec tick = { .tv_nsec = 1000 * 1000 };
	char path[32];

	snprintf(path, sizeof(path), "/dev/vport0p%d", nr + 1);
	for (int tries = 0; tries < 10000; tries++) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		nanosleep(&tick, NULL);
	}
	fail("open", path);
	return -1;
}

static void mount_at(const char *type, const char *src, const char *dir, unsigned long flags,
		     const char *data)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		fail("mkdir", dir);
	if (mount(src, dir, type, flags, data) < 0)
		fail("mount", dir);
}

static void mount_early(void)
{
	mount_at("proc", "proc", "/proc", 0, NULL);
	mount_at("sysfs", "sysfs", "/sys", 0, NULL);
	if (mkdir("/dev", 0755) < 0 && errno != EEXIST)
		fail("mkdir", "/dev");
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, "mode=0755") < 0 && errno != EBUSY)
		fail("mount", "/dev");
}

/* Become the root as switch_root does: a plain chroot would forbid user namespaces inside. */
static void enter_host_root(void)
{
	static const char *const moved[] = { "/dev", "/proc", "/sys" };
	char to[32];

	mount_at("9p", "host", "/lower", MS_RDONLY,
		 "trans=virtio,version=9p2000.L,cache=loose,msize=512000");
	mount_at("tmpfs", "tmpfs", "/rw", 0, "mode=0755");
	if (mkdir("/rw/up", 0755) < 0 || mkdir("/rw/work", 0755) < 0)
		fail("mkdir", "/rw");
	mount_at("overlay", "lab", "/root", 0, "lowerdir=/lower,upperdir=/rw/up,workdir=/rw/work");
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		snprintf(to, sizeof(to), "/root%s", moved[i]);
		if (mount(moved[i], to, NULL, MS_MOVE, NULL) < 0)
			fail("move", moved[i]);
	}
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		fail("chroot", "/root");
}

/* Nodes whose opening loads the driver, as udev would have made them. */
static void make_nodes(void)
{
	static const struct {
		const char *path;
		unsigned int minor;
	} misc[] = {
		{ "/dev/net/tun", 200 },      { "/dev/fuse", 229 },
		{ "/dev/loop-control", 237 }, { "/dev/vhost-net", 238 },
		{ "/dev/vhost-vsock", 241 },  { "/dev/vfio/vfio", 196 },
	};

	mkdir("/dev/net", 0755);
	mkdir("/dev/vfio", 0755);
	for (size_t i = 0; i < sizeof(misc) / sizeof(misc[0]); i++)
		mknod(misc[i].path, S_IFCHR | 0666, makedev(10, misc[i].minor));
	if (symlink("/proc/self/fd", "/dev/fd") < 0 || symlink("fd/0", "/dev/stdin") < 0 ||
	    symlink("fd/1", "/dev/stdout") < 0 || symlink("fd/2", "/dev/stderr") < 0)
		fail("symlink", "/dev/fd");
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		fail("up", "lo");
	close(fd);
}

static void mount_late(const struct job *job)
{
	char path[128], tag[16];
	struct utsname uts;

	mount_at("tmpfs", "tmpfs", "/run", 0, "mode=0755");
	mount_at("tmpfs", "tmpfs", "/dev/shm", 0, "mode=1777");
	mount_at("devpts", "devpts", "/dev/pts", 0, "ptmxmode=0666,mode=0620,gid=5");
	mount_at("cgroup2", "cgroup2", "/sys/fs/cgroup", 0, NULL);
	mount_at("debugfs", "debugfs", "/sys/kernel/debug", 0, NULL);
	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s", uts.release);
	mkdir("/lib/modules", 0755);
	mkdir(path, 0755);
	if (mount(job->modtree, path, NULL, MS_BIND, NULL) < 0)
		fail("bind", job->modtree);
	for (int i = 0; job->outs[i]; i++) {
		snprintf(tag, sizeof(tag), "out%d", i);
		/* cache=mmap: what the command reads there is never stale */
		if (mount(tag, job->outs[i], "9p", 0,
			  "trans=virtio,version=9p2000.L,cache=mmap,msize=512000") < 0)
			refuse("mount", job->outs[i], strerror(errno));
	}
}

static void hold_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		fail("KVM_CREATE_VM", "/dev/kvm");
	fcntl(vm, F_SETFD, FD_CLOEXEC); /* and left open until the machine ends */
	close(kvm);
}

/* The kernel only says in its log when it found fewer 1 GiB pages than it was asked for. */
static void check_hugepages(const char *want)
{
	static const char path[] = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";
	char have[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (strcmp(want, "0") == 0)
		return;
	if (fd < 0 || read(fd, have, sizeof(have) - 1) <= 0)
		fail("read", path);
	close(fd);
	have[strcspn(have, "\n")] = '\0';
	if (strcmp(want, have) != 0)
		refuse("--hugepages-1g", want, have);
}

static void load_more(char **mods)
{
	for (int i = 0; mods[i]; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			execl("/sbin/modprobe", "modprobe", mods[i], (char *)NULL);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
			refuse("modprobe", mods[i], "no such module, or it does not load");
	}
}

static void run_child(const struct job *job, int out, int err)
{
	struct rlimit files = { .rlim_cur = 20000, .rlim_max = 1 << 20 };
	sigset_t none;
	int nul = open("/dev/null", O_RDONLY), saved;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpriority(PRIO_PROCESS, 0, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	umask(022);
	setsid();
	dup2(nul, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(nul);
	if (chdir(job->cwd) < 0) {
		fprintf(stderr, "lab: cannot enter %s: %s\n", job->cwd, strerror(errno));
		_exit(126);
	}
	environ = job->env;
	execvp(job->argv[0], job->argv);
	saved = errno;
	fprintf(stderr, "lab: cannot run %s: %s\n", job->argv[0], strerror(saved));
	_exit(saved == ENOENT ? 127 : 126);
}

/* Move what is there from a pipe to a port; false at the end of the pipe. */
static bool pump(int from, int to, uint64_t *total)
{
	static char buf[64 * 1024];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	write_all(to, buf, (size_t)n);
	*total += (uint64_t)n;
	return true;
}

static void drain(int from, int to, uint64_t *total)
{
	struct pollfd pfd = { .fd = from, .events = POLLIN };

	while (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLIN))
		if (!pump(from, to, total))
			return;
}

/* As process 1: reap everybody; true, with its exit code, once the command itself is gone. */
static bool reap(pid_t pid, int *ret_code)
{
	bool gone = false;
	int status;
	pid_t one;

	while ((one = waitpid(-1, &status, WNOHANG)) > 0) {
		if (one != pid)
			continue;
		gone = true;
		*ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return gone;
}

static int start_beat(long seconds)
{
	struct itimerspec every = { .it_interval.tv_sec = seconds, .it_value.tv_sec = seconds };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0)
		fail("timerfd", "beat");
	return fd;
}

static void make_pipe(int pair[2])
{
	if (pipe2(pair, O_CLOEXEC) < 0)
		fail("pipe2", "output");
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
}

static void run_command(const struct job *job, const int ports[NR_PORTS])
{
	uint64_t total[2] = { 0, 0 }, ticks;
	struct signalfd_siginfo info;
	struct pollfd pfd[4];
	int out[2], err[2], code = -1;
	sigset_t chld;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	make_pipe(out);
	make_pipe(err);
	pfd[0] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = err[0], .events = POLLIN };
	pfd[2] = (struct pollfd){ .fd = start_beat(job->beat_s), .events = POLLIN };
	pfd[3] = (struct pollfd){ .fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK),
				  .events = POLLIN };
	say("token %s\n", job->token);
	pid = fork();
	if (pid < 0)
		fail("fork", job->argv[0]);
	if (pid == 0)
		run_child(job, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	do {
		if (poll(pfd, 4, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents && !pump(pfd[i].fd, ports[PORT_OUT + i], &total[i]))
				pfd[i].fd = -1;
		if (pfd[2].revents && read(pfd[2].fd, &ticks, sizeof(ticks)) > 0)
			say("beat\n");
		if (pfd[3].revents && read(pfd[3].fd, &info, sizeof(info)) < 0)
			continue;
	} while (!reap(pid, &code));
	drain(out[0], ports[PORT_OUT], &total[0]);
	drain(err[0], ports[PORT_ERR], &total[1]);
	sync();
	say("exit %s %d %llu %llu\n", job->token, code, (unsigned long long)total[0],
	    (unsigned long long)total[1]);
}

int main(void)
{
	struct job job = { 0 };
	int ports[NR_PORTS];

	umask(0);
	mount_early();
	read_job(&job);
	load_modules();
	for (int i = 0; i < NR_PORTS; i++)
		ports[i] = open_port(i);
	ctl_fd = ports[PORT_CTL];
	say("up\n");
	setpriority(PRIO_PROCESS, 0, -10);
	sethostname("lab", 3);
	enter_host_root();
	make_nodes();
	mount_late(&job);
	loopback_up();
	hold_vm();
	check_hugepages(job.huge_1g);
	load_more(job.mods);
	run_command(&job, ports);
	for (;;)
		pause();
}
