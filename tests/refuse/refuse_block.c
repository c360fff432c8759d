/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that block.h and block_ops.h document, named function_code; -ENOMEM is fault_io's. */
#include "block_unit.h"

#include <libvirtcore/block_ops.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char path[] = "/var/tmp/vc-refuse-XXXXXX";
static struct vc_block *block;
static struct vc_ring *ring;
static struct vc_block_queue *queue;

static int open_with(struct vc_block_config cfg)
{
	cfg.size = sizeof(cfg);
	cfg.kind = cfg.kind ? cfg.kind : VC_BLOCK_FILE;
	cfg.format = VC_BLOCK_RAW;
	return vc_block_open(&cfg, &block);
}

static void open_einval(void **state)
{
	struct vc_block_config cfg = { .size = sizeof(cfg), .kind = VC_BLOCK_FILE, .path = path };

	(void)state;
	assert_refused(vc_block_open(NULL, &block), -EINVAL, "");
	assert_refused(vc_block_open(&cfg, NULL), -EINVAL, "ret_block");
	assert_refused(vc_block_open(&cfg, &block), -EINVAL, "never guessed");
	assert_refused(open_with((struct vc_block_config){ .kind = 9 }), -EINVAL, "kind 9");
	assert_refused(open_with((struct vc_block_config){ .path = path, .block_size = 1000 }),
		       -EINVAL, "block_size is 1000");
	assert_refused(open_with((struct vc_block_config){ .path = path, .block_size = 8192 }),
		       -EINVAL, "block_size is 8192");
	cfg = (struct vc_block_config){ .size = sizeof(cfg), .kind = VC_BLOCK_RAM };
	assert_refused(vc_block_open(&cfg, &block), -EINVAL, "0 bytes");
	cfg.size_bytes = 1000;
	assert_refused(vc_block_open(&cfg, &block), -EINVAL, "1000 bytes");
	cfg.size_bytes = UINT64_MAX - 511;
	assert_refused(vc_block_open(&cfg, &block), -EINVAL, "bytes");
	cfg.size_bytes = 512;
	cfg.path = path;
	assert_refused(vc_block_open(&cfg, &block), -EINVAL, "no path");
	assert_null(block);
}

static void open_e2big(void **state)
{
	struct {
		struct vc_block_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_block_open(&cfg.known, &block), -E2BIG, "newer version");
	assert_null(block);
}

static void open_things_that_are_no_images(void **state)
{
	(void)state;
	assert_refused(open_with((struct vc_block_config){ .path = "/nonexistent/x" }), -ENOENT,
		       "No such file");
	assert_refused(open_with((struct vc_block_config){ .path = "/tmp" }), -EISDIR, "directory");
	assert_refused(open_with((struct vc_block_config){ .path = "/dev/zero" }), -ENOTBLK,
		       "character device");
	assert_refused(open_with((struct vc_block_config){ .fd = 999 }), -EBADF, "fd 999");
	/* sysfs refuses to open for writing what has no store, to root as well. */
	assert_refused(open_with((struct vc_block_config){ .path = "/sys/kernel/uevent_seqnum" }),
		       -EACCES, "is_readonly opens it for reading");
	assert_refused(open_with((struct vc_block_config){ .path = "/proc/version",
							   .is_readonly = true,
							   .cache = VC_BLOCK_NONE }),
		       -EOPNOTSUPP, "O_DIRECT");
	assert_null(block);
}

static void open_ebusy(void **state)
{
	struct vc_block *first;

	(void)state;
	assert_result(open_with((struct vc_block_config){ .path = path }), 0);
	first = block;
	block = NULL;
	assert_refused(open_with((struct vc_block_config){ .path = path }), -EBUSY, "in use by");
	assert_null(block);
	assert_result(vc_block_close(first), 0);
}

static void open_efbig(void **state)
{
	struct rlimit limit, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	low = limit;
	low.rlim_cur = MIB - 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_refused(open_with((struct vc_block_config){ .path = path }), -EFBIG, "RLIMIT_FSIZE");
	assert_result(open_with((struct vc_block_config){ .path = path, .is_readonly = true }), 0);
	assert_result(vc_block_close(block), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* Nor may a resize raise the signal. */
	assert_result(open_with((struct vc_block_config){ .path = path }), 0);
	low.rlim_cur = 2 * MIB;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_refused(vc_block_resize(block, 3 * MIB), -EFBIG, "RLIMIT_FSIZE");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_result(vc_block_close(block), 0);
	block = NULL;
}

static int try_readonly_mount(void)
{
	char dir[] = "/var/tmp/vc-ro-XXXXXX", image[64];
	int r = 77;

	if (mkdtemp(dir) && unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", dir, "tmpfs", 0, NULL) == 0) {
		(void)snprintf(image, sizeof(image), "%s/image", dir);
		close(open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
		if (mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0) {
			assert_refused(open_with((struct vc_block_config){ .path = image }), -EROFS,
				       "is_readonly opens it");
			r = 0;
		}
		(void)umount(dir);
	}
	(void)rmdir(dir);
	return r;
}

static void open_erofs(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(try_readonly_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void attach_close_detach(void **state)
{
	struct io io;

	(void)state;
	ring = new_ring();
	block = open_ram(MIB);
	assert_refused(vc_block_attach(NULL, ring, &queue), -EINVAL, "needed");
	assert_refused(vc_block_attach(block, NULL, &queue), -EINVAL, "needed");
	assert_refused(vc_block_attach(block, ring, NULL), -EINVAL, "needed");
	queue = attach_block(block, ring);
	assert_refused(vc_block_close(block), -EBUSY, "a queue is attached");
	set_io(&io, VC_BLOCK_FLUSH, 0, NULL, 0);
	assert_refused(vc_block_submit(NULL, &io.req), -EINVAL, "needed");
	assert_refused(vc_block_cancel(NULL), -EINVAL, "needed");
	assert_result(vc_block_submit(queue, &io.req), 0);
	assert_refused(vc_block_submit(queue, &io.req), -EBUSY, "in flight");
	assert_refused(vc_block_detach(queue), -EBUSY, "1 requests");
	assert_int_equal(wait_io(ring, &io), 0);
	assert_result(vc_ring_stop(ring), 0);
	while (vc_ring_step(ring, MUST_NS) >= 0)
		;
	assert_refused(vc_block_submit(queue, &io.req), -ESHUTDOWN, "drained");
	end_block(block, queue);
	vc_ring_put(ring);
	block = NULL;
}

static void resize_info_stats(void **state)
{
	struct vc_block_stats stats = { .size = 1 };
	struct vc_block_info info = { .size = 1 };

	(void)state;
	assert_refused(vc_block_resize(NULL, 512), -EINVAL, "a disk");
	assert_refused(vc_block_get_info(NULL, &info), -EINVAL, "a disk");
	assert_refused(vc_block_get_stats(NULL, &stats), -EINVAL, "a disk");
	block = open_ram(MIB);
	assert_refused(vc_block_get_info(block, NULL), -EINVAL, "");
	assert_refused(vc_block_get_info(block, &info), -EINVAL, "size");
	assert_refused(vc_block_get_stats(block, NULL), -EINVAL, "");
	assert_refused(vc_block_get_stats(block, &stats), -EINVAL, "size");
	assert_refused(vc_block_resize(block, 2 * MIB), -EOPNOTSUPP, "cannot change its size");
	assert_result(vc_block_close(block), 0);
	assert_result(open_with((struct vc_block_config){ .path = path, .is_readonly = true }), 0);
	assert_refused(vc_block_resize(block, 2 * MIB), -EROFS, "reading only");
	assert_result(vc_block_close(block), 0);
	assert_result(open_with((struct vc_block_config){ .path = path }), 0);
	assert_refused(vc_block_resize(block, 1000), -EINVAL, "no multiple");
	assert_refused(vc_block_resize(block, 1ull << 63), -EFBIG, "too many");
	ring = new_ring();
	queue = attach_block(block, ring);
	assert_refused(vc_block_resize(block, 512), -EBUSY, "cannot shrink");
	end_block(block, queue);
	end_ring(ring);
	block = NULL;
}

/* Nowhere to put it: a file system with a limit. */
static int try_full_file_system(void)
{
	char dir[] = "/var/tmp/vc-full-XXXXXX";
	int r = 77;

	if (mkdtemp(dir) && unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", dir, "tmpfs", 0, "size=64k") == 0) {
		char image[64], data[4096] = { 1 };
		struct io io;

		(void)snprintf(image, sizeof(image), "%s/image", dir);
		close(open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
		assert_int_equal(truncate(image, MIB), 0);
		assert_result(open_with((struct vc_block_config){ .path = image }), 0);
		ring = new_ring();
		queue = attach_block(block, ring);
		for (uint64_t off = 0; off < 15; off++)
			assert_int_equal(do_io(ring, queue, VC_BLOCK_WRITE, off * 4096, data, 4096),
					 0);
		set_io(&io, VC_BLOCK_WRITE, MIB / 2, data, 4096);
		while (run_io(ring, queue, &io) == 0) {
			set_io(&io, VC_BLOCK_WRITE, io.req.off + 4096, data, 4096);
			assert_true(io.req.off < MIB);
		}
		assert_int_equal(io.result, -ENOSPC);
		/* Once there is room again it is written. */
		assert_int_equal(do_io(ring, queue, VC_BLOCK_DISCARD, 0, NULL, 32 * KIB), 0);
		io.nr_done = 0;
		assert_int_equal(run_io(ring, queue, &io), 0);
		end_block(block, queue);
		end_ring(ring);
		(void)umount(dir);
		r = 0;
	}
	(void)rmdir(dir);
	return r;
}

static void enospc_and_again(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(try_full_file_system());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static int no_attach(void *end, struct vc_ring *r, void **ret_lane)
{
	(void)end, (void)r, (void)ret_lane;
	return -ENOSYS;
}

static void no_detach(void *lane)
{
	(void)lane;
}

static void no_submit(void *lane, struct vc_block_request *req)
{
	(void)lane, (void)req;
}

static void create_einval_e2big(void **state)
{
	struct vc_block_ops ops = { .type = "none",
				    .attach = no_attach,
				    .detach = no_detach,
				    .submit = no_submit,
				    .close = no_detach };
	struct vc_block_info info = {
		.size = sizeof(info), .size_bytes = MIB, .block_size = 512, .ops = 2
	};
	struct vc_block_end end = { .size = sizeof(end), .name = "x", .ops = &ops, .info = &info };
	struct {
		struct vc_block_end known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };

	(void)state;
	assert_refused(vc_block_create(NULL, &block), -EINVAL, "");
	assert_refused(vc_block_create(&end, NULL), -EINVAL, "ret_block");
	assert_refused(vc_block_create(&newer.known, &block), -E2BIG, "newer version");
	end.info = NULL;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "");
	end.info = &info;
	info.block_size = 256;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "block_size is 256");
	info.block_size = 4096;
	info.size_bytes = 512;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "multiple of 4096");
	info.size_bytes = 4096;
	info.ops = 0;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "operations 0x0");
	info.ops = 1u << 15;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "operations 0x8000");
	info.ops = 2;
	ops.submit = NULL;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "ops need");
	end.ops = NULL;
	assert_refused(vc_block_create(&end, &block), -EINVAL, "ops need");
	assert_null(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_einval),
		cmocka_unit_test(open_e2big),
		cmocka_unit_test(open_things_that_are_no_images),
		cmocka_unit_test(open_ebusy),
		cmocka_unit_test(open_efbig),
		cmocka_unit_test(open_erofs),
		cmocka_unit_test(attach_close_detach),
		cmocka_unit_test(resize_info_stats),
		cmocka_unit_test(enospc_and_again),
		cmocka_unit_test(create_einval_e2big),
	};
	int failed;

	make_image(path, MIB);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
