/* SPDX-License-Identifier: Apache-2.0 */
/* Opening images: what is taken, what is refused and how, and that nothing is left half open. */
#include "block_unit.h"

#include "blk_file.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <linux/loop.h>

static char path[] = "/var/tmp/vc-open-XXXXXX";
static char other[] = "/var/tmp/vc-open-XXXXXX";
static unsigned int nr_fds;

static struct vc_block_config config(void)
{
	return (struct vc_block_config){
		.kind = VC_BLOCK_FILE, .name = "disk", .path = path, .format = VC_BLOCK_RAW
	};
}

static int open_with(struct vc_block_config cfg)
{
	struct vc__blk_facts facts = { .fd = -EBADF };
	int r = vc__blk_open(&cfg, &facts);

	if (r == 0)
		close(facts.fd);
	else
		assert_int_equal(facts.fd, -EBADF);
	return r;
}

static struct vc__blk_facts facts_of(struct vc_block_config cfg)
{
	struct vc__blk_facts facts;

	assert_result(vc__blk_open(&cfg, &facts), 0);
	return facts;
}

/* Last of all tests: none of them left a descriptor open. */
static void no_fd_left(void **state)
{
	(void)state;
	assert_int_equal(nr_open_fds(), nr_fds);
}

static void a_file(void **state)
{
	struct vc__blk_facts facts = facts_of(config());

	(void)state;
	assert_int_equal(facts.size_bytes, MIB);
	assert_int_equal(facts.block_size, 512);
	assert_int_equal(facts.mem_align, 1);
	assert_int_equal(facts.direct_align, 1);
	assert_true(facts.can_punch);
	assert_false(facts.is_device);
	assert_true(facts.physical_block_size >= 512);
	assert_false(fcntl(facts.fd, F_GETFL) & (O_NONBLOCK | O_APPEND | O_DIRECT));
	assert_true(fcntl(facts.fd, F_GETFD) & FD_CLOEXEC);
	close(facts.fd);
}

static void read_only(void **state)
{
	struct vc_block_config cfg = config();
	struct vc__blk_facts facts;

	(void)state;
	cfg.is_readonly = true;
	assert_int_equal(chmod(path, 0400), 0);
	facts = facts_of(cfg);
	assert_int_equal(fcntl(facts.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_false(facts.can_punch);
	close(facts.fd);
	assert_int_equal(chmod(path, 0600), 0);
}

static void fields(void **state)
{
	struct vc_block_config cfg = config();

	(void)state;
	cfg.format = 0;
	assert_refused(open_with(cfg), -EINVAL, "never guessed");
	cfg = config();
	cfg.fd = 5;
	assert_refused(open_with(cfg), -EINVAL, "not both");
	cfg = config();
	cfg.path = NULL;
	assert_refused(open_with(cfg), -EINVAL, "a path or an fd is needed");
	cfg.path = "";
	assert_refused(open_with(cfg), -EINVAL, "empty");
	cfg = config();
	cfg.cache = VC_BLOCK_UNSAFE + 1;
	assert_refused(open_with(cfg), -EINVAL, "cache mode 4");
	cfg = config();
	cfg.size_bytes = MIB;
	assert_refused(open_with(cfg), -EINVAL, "size_bytes");
}

static void missing(void **state)
{
	struct vc_block_config cfg = config();

	(void)state;
	cfg.path = "/nonexistent/disk";
	assert_refused(open_with(cfg), -ENOENT, "disk: cannot be opened: No such file");
}

static void wrong_kinds(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vc_block_config cfg = config();
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	cfg.path = "/tmp";
	assert_refused(open_with(cfg), -EISDIR, "is a directory");
	cfg.path = "/dev/null";
	assert_refused(open_with(cfg), -ENOTBLK, "is a character device");
	cfg.path = other;
	(void)unlink(other);
	/* Nobody writes to it: opening it as usual would block. */
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_refused(open_with(cfg), -ENOTBLK, "is a pipe");
	(void)unlink(other);
	strcpy(addr.sun_path, other);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_refused(open_with(cfg), -ENOTBLK, "is a socket");
	(void)unlink(other);
	close(sock);
}

static void odd_sizes(void **state)
{
	struct vc_block_config cfg = config();

	(void)state;
	assert_int_equal(truncate(path, 513), 0);
	assert_refused(open_with(cfg), -EINVAL, "has 513 bytes, expected a multiple of 512");
	assert_int_equal(truncate(path, 0), 0);
	assert_refused(open_with(cfg), -EINVAL, "is empty");
	assert_int_equal(truncate(path, 512), 0);
	assert_result(open_with(cfg), 0);
	cfg.block_size = 4096;
	assert_refused(open_with(cfg), -EINVAL, "has 512 bytes, expected a multiple of 4096");
	assert_int_equal(truncate(path, MIB), 0);
	assert_result(open_with(cfg), 0);
}

/* A descriptor is taken on success and is as it was after a refusal. */
static void descriptors(void **state)
{
	struct vc_block_config cfg = config();
	struct vc__blk_facts facts;
	int ro = open(path, O_RDONLY | O_CLOEXEC);
	int rw = open(path, O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC), fds[2];

	(void)state;
	cfg.path = NULL;
	cfg.fd = ro;
	assert_refused(open_with(cfg), -EBADF, "not open for reading and writing");
	cfg.fd = 1000;
	assert_refused(open_with(cfg), -EBADF, "fd 1000");
	cfg.fd = rw;
	cfg.block_size = 4096;
	assert_int_equal(truncate(path, 512), 0);
	assert_refused(open_with(cfg), -EINVAL, "multiple of 4096");
	assert_int_equal(fcntl(rw, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
	assert_int_equal(truncate(path, MIB), 0);
	facts = facts_of(cfg);
	assert_int_equal(facts.fd, rw);
	assert_false(fcntl(rw, F_GETFL) & (O_APPEND | O_NONBLOCK));
	close(rw);
	cfg.fd = open(path, O_PATH | O_CLOEXEC);
	assert_refused(open_with(cfg), -EBADF, "not open");
	close(cfg.fd);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	cfg.fd = fds[1];
	assert_refused(open_with(cfg), -ENOTBLK, "is a pipe");
	close(fds[0]);
	close(fds[1]);
	close(ro);
}

static void twice(void **state)
{
	struct vc_block_config cfg = config();
	struct vc__blk_facts facts = facts_of(cfg);

	(void)state;
	assert_refused(open_with(cfg), -EBUSY, "in use by this process");
	cfg.is_shared = true;
	assert_result(open_with(cfg), 0);
	cfg = config();
	cfg.is_readonly = true;
	assert_refused(open_with(cfg), -EBUSY, "in use for writing");
	close(facts.fd);
	assert_result(open_with(cfg), 0);
	/* What is refused later than the lock gives it back. */
	cfg = config();
	cfg.block_size = 4096;
	assert_int_equal(truncate(path, 512), 0);
	cfg.path = NULL;
	cfg.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_refused(open_with(cfg), -EINVAL, "multiple of 4096");
	assert_result(open_with(config()), 0);
	close(cfg.fd);
	assert_int_equal(truncate(path, MIB), 0);
}

static void direct(void **state)
{
	struct vc_block_config cfg = config();
	struct vc__blk_facts facts;
	int r;

	(void)state;
	cfg.cache = VC_BLOCK_NONE;
	r = vc__blk_open(&cfg, &facts);
	if (r == -EOPNOTSUPP) {
		assert_refused(r, -EOPNOTSUPP, "O_DIRECT");
		skip();
	}
	assert_result(r, 0);
	assert_true(facts.is_direct);
	assert_true(facts.direct_align >= 512 && facts.direct_align <= 4096);
	assert_true(facts.block_size >= facts.direct_align);
	assert_true(facts.mem_align >= 1 && facts.mem_align <= 4096);
	assert_true(fcntl(facts.fd, F_GETFL) & O_DIRECT);
	close(facts.fd);
}

/* memfd has no O_DIRECT before Linux 6.6; the caller's descriptor stays as it was. */
static void no_direct(void **state)
{
	struct vc_block_config cfg = config();
	int fd = memfd_create("disk", MFD_CLOEXEC), r;

	(void)state;
	assert_int_equal(ftruncate(fd, MIB), 0);
	cfg.path = NULL;
	cfg.fd = fd;
	cfg.cache = VC_BLOCK_NONE;
	r = open_with(cfg);
	if (r == 0)
		skip();
	assert_refused(r, -EOPNOTSUPP, "O_DIRECT");
	assert_false(fcntl(fd, F_GETFL) & O_DIRECT);
	close(fd);
}

/* In a name space of its own a mount can be made read-only. */
static int open_on_readonly_mount(void)
{
	struct vc_block_config cfg = config();
	char dir[] = "/var/tmp/vc-ro-XXXXXX", image[64];
	int r = 77;

	cfg.path = image;
	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, NULL) < 0)
		goto out;
	(void)snprintf(image, sizeof(image), "%s/image", dir);
	close(open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	if (truncate(image, MIB) < 0 || mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		goto out;
	r = open_with(cfg) == -EROFS && strstr(vc_error_message(), "is_readonly opens it") ? 0 : 1;
	cfg.is_readonly = true;
	if (open_with(cfg) != 0)
		r = 1;
out:
	(void)umount(dir);
	(void)rmdir(dir);
	return r;
}

static void readonly_file_system(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(open_on_readonly_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* A loop device over @file, or -1 where there is none to be had. */
static int loop_over(const char *file, char *ret_path, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr, loop, is_ro = 0;
	int fd = open(file, O_RDWR | O_CLOEXEC);

	nr = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	(void)snprintf(ret_path, size, "/dev/loop%d", nr);
	loop = nr < 0 ? -1 : open(ret_path, O_RDWR | O_CLOEXEC);
	if (loop >= 0 && (ioctl(loop, LOOP_SET_FD, fd) < 0 || ioctl(loop, BLKROSET, &is_ro) < 0)) {
		close(loop);
		loop = -1;
	}
	close(fd);
	return loop;
}

static void block_device(void **state)
{
	struct vc_block_config cfg = config();
	struct vc__blk_facts facts;
	char device[32];
	int loop = loop_over(path, device, sizeof(device)), one = 1;

	(void)state;
	if (loop < 0)
		skip();
	cfg.path = device;
	cfg.cache = VC_BLOCK_NONE;
	facts = facts_of(cfg);
	assert_true(facts.is_device);
	assert_int_equal(facts.size_bytes, MIB);
	assert_true(facts.direct_align >= 512);
	/* Claimed: also by another node, or mount(2), it cannot be taken. */
	assert_refused(open_with(cfg), -EBUSY, "in use by this process");
	close(facts.fd);
	/* Set read-only by its administrator. */
	assert_int_equal(ioctl(loop, BLKROSET, &one), 0);
	assert_true(open_with(cfg) == -EROFS || open_with(cfg) == -EACCES);
	assert_non_null(strstr(vc_error_message(), "is_readonly opens it"));
	cfg.is_readonly = true;
	assert_result(open_with(cfg), 0);
	one = 0;
	assert_int_equal(ioctl(loop, BLKROSET, &one), 0);
	assert_int_equal(ioctl(loop, LOOP_CLR_FD, 0), 0);
	close(loop);
	assert_refused(open_with(cfg), -EINVAL, "is empty");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file),
		cmocka_unit_test(read_only),
		cmocka_unit_test(fields),
		cmocka_unit_test(missing),
		cmocka_unit_test(wrong_kinds),
		cmocka_unit_test(odd_sizes),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(twice),
		cmocka_unit_test(direct),
		cmocka_unit_test(no_direct),
		cmocka_unit_test(readonly_file_system),
		cmocka_unit_test(block_device),
		cmocka_unit_test(no_fd_left),
	};
	int failed;

	make_image(path, MIB);
	make_image(other, MIB);
	nr_fds = nr_open_fds();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)unlink(other);
	return failed;
}
