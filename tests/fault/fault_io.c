/* SPDX-License-Identifier: Apache-2.0 */
/* io: every allocation and system call of opening a stream fails once. */
#include "fault.h"
#include "unit.h"

#include <libvirtcore/block.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/stream.h>
#include <libvirtcore/throttle.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_one(void *opaque)
{
	const struct vc_stream_config *cfg = opaque;
	struct vc_stream *stream = NULL;
	int r = vc_stream_open(cfg, &stream);

	fault_may_survive();
	vc_stream_close(stream);
	return r;
}

static unsigned int each(struct vc_stream_config cfg, const char *const *may_survive)
{
	struct fault_config fault = {
		.fn = open_one,
		.opaque = &cfg,
		.may_survive = may_survive,
	};

	cfg.size = sizeof(cfg);
	return fault_each(&fault);
}

static void null_stream(void **state)
{
	(void)state;
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_NULL }, NULL) >= 1);
}

/* Where a descriptor cannot be opened anew it is duplicated. */
static const char *const reopen[] = { "open", "open64", NULL };

static void descriptors(void **state)
{
	struct vc_stream_config cfg = { .kind = VC_STREAM_FDS };
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	cfg.in_fd = fds[0];
	cfg.out_fd = fds[1];
	assert_true(each(cfg, reopen) >= 5); /* open is not seen where it is fortified */
	close(fds[0]);
	close(fds[1]);
}

static void pty(void **state)
{
	(void)state;
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_PTY }, NULL) >= 2);
}

static void file_and_socket(void **state)
{
	char dir[] = "/tmp/vc-fault-XXXXXX";
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x", dir);
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_FILE, .path = path }, NULL) >=
		    3);
	assert_int_equal(unlink(path), 0);
	assert_true(each((struct vc_stream_config){ .kind = VC_STREAM_UNIX, .path = path }, NULL) >=
		    4);
	/* also after the runs that failed nothing lies about */
	assert_int_equal(rmdir(dir), 0);
}

static int make_throttle(void *opaque)
{
	struct vc_throttle_config cfg = { .size = sizeof(cfg), .ops_per_s = 1 };
	struct vc_throttle *throttle = NULL;
	int r = vc_throttle_create(&cfg, &throttle);

	(void)opaque;
	vc_throttle_destroy(throttle);
	return r;
}

static void throttle(void **state)
{
	(void)state;
	assert_int_equal(fault_each(&(struct fault_config){ .fn = make_throttle }), 1);
}

struct disk {
	struct vc_block_config cfg;
	struct vc_ring *ring;
	bool has_fd; /* cfg.path is opened here, and its descriptor handed over */
};

static int open_disk(void *opaque)
{
	const struct disk *disk = opaque;
	struct vc_block_config cfg = disk->cfg;
	struct vc_block *block = NULL;
	struct vc_block_queue *queue = NULL;
	int r;

	if (disk->has_fd) {
		cfg.fd = open(cfg.path, O_RDWR | O_CLOEXEC);
		cfg.path = NULL;
		if (cfg.fd < 0)
			return vc_error_set(-errno, "io", "disk", "cannot be opened");
	}
	r = vc_block_open(&cfg, &block);
	if (r < 0 && disk->has_fd)
		close(cfg.fd);
	if (r == 0)
		r = vc_block_attach(block, disk->ring, &queue);
	fault_may_survive();
	(void)vc_block_detach(queue);
	(void)vc_block_close(block);
	return r;
}

/* Without these there is less to know of a disk, or another way to learn it. */
static const char *const unknown[] = { "fallocate",  "fallocate64", "aligned_alloc", "read",
				       "__read_chk", "pread64",	    "__pread64_chk", "ioctl",
				       "fstat",	     "fstat64",	    "fstatfs",	     "fstatfs64",
				       NULL };

static void disks(void **state)
{
	struct vc_throttle_config limits = { .size = sizeof(limits), .ops_per_s = 1 };
	struct vc_ring_config ring = { .size = sizeof(ring) };
	char path[] = "/tmp/vc-fault-XXXXXX";
	struct disk disk = {
		.cfg = { .size = sizeof(disk.cfg), .kind = VC_BLOCK_RAM, .size_bytes = 4096 }
	};
	struct fault_config fault = { .fn = open_disk, .opaque = &disk, .may_survive = unknown };
	int fd = mkstemp(path), r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
	r = vc_ring_create(&ring, &disk.ring);
	if (r == -EPERM || r == -ENOSYS) {
		(void)unlink(path);
		skip();
	}
	assert_result(r, 0);
	assert_result(vc_throttle_create(&limits, &disk.cfg.throttle), 0);
	assert_true(fault_each(&fault) >= 5);
	disk.cfg.kind = VC_BLOCK_FILE;
	disk.cfg.size_bytes = 0;
	disk.cfg.path = path;
	disk.cfg.format = VC_BLOCK_RAW;
	assert_true(fault_each(&fault) >= 12);
	disk.has_fd = true;
	assert_true(fault_each(&fault) >= 12);
	disk.cfg.cache = VC_BLOCK_NONE;
	if (open_disk(&disk) == 0)
		assert_true(fault_each(&fault) >= 13);
	vc_throttle_destroy(disk.cfg.throttle);
	vc_ring_put(disk.ring);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_stream), cmocka_unit_test(descriptors),
		cmocka_unit_test(pty),	       cmocka_unit_test(file_and_socket),
		cmocka_unit_test(throttle),    cmocka_unit_test(disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
