/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed buffers: which requests use them, pieces, refusals, and regions that are pinned for them. */
#include "ring_fixture.h"

#include "ring_uring.h"

#include <libvirtcore/region.h>

static int update_err, sparse_err;
static unsigned int nr_updates, fail_from;

int __real_io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned int off,
						const struct iovec *iov, const __u64 *tags,
						unsigned int nr);
int __wrap_io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned int off,
						const struct iovec *iov, const __u64 *tags,
						unsigned int nr);
int __wrap_io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned int off,
						const struct iovec *iov, const __u64 *tags,
						unsigned int nr)
{
	if (update_err && ++nr_updates >= fail_from)
		return update_err;
	return __real_io_uring_register_buffers_update_tag(ring, off, iov, tags, nr);
}

int __real_io_uring_register_buffers_sparse(struct io_uring *ring, unsigned int nr);
int __wrap_io_uring_register_buffers_sparse(struct io_uring *ring, unsigned int nr);
int __wrap_io_uring_register_buffers_sparse(struct io_uring *ring, unsigned int nr)
{
	return sparse_err ? sparse_err : __real_io_uring_register_buffers_sparse(ring, nr);
}

static uint8_t *memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* Writes @len bytes of @p to the file and reads them back there; how many went by fixed buffers. */
static uint64_t there_and_back(struct vc_ring *ring, uint32_t file, uint8_t *p, uint32_t len)
{
	uint64_t before = info_of(ring).nr_fixed;
	struct traced t = a_write(file, p, len, 512);

	memset(p, 0x5a, len);
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 1);
	assert_int_equal(t.res, len);
	memset(p, 0, len);
	t.req.op = VC_RING_READ;
	assert_result(vc_ring_submit(ring, &t.req), 0);
	step_until(ring, &t, 2);
	assert_int_equal(t.res, len);
	assert_int_equal(p[0], 0x5a);
	assert_int_equal(p[len - 1], 0x5a);
	return info_of(ring).nr_fixed - before;
}

static void buffers_within_are_fixed(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ 0 });
	int fd = memory_file(65536);
	uint8_t *p = memory(65536), *q = memory(8192), *other = memory(4096);
	uint64_t each = fixture_mode == VC_RING_WORKERS ? 0 : 2;
	uint32_t file = file_of(ring, fd);

	(void)state;
	assert_result(vc_ring_add_memory(ring, p, 65536), 0);
	assert_result(vc_ring_add_memory(ring, q, 8192), 0);
	assert_result(vc_ring_attach(ring), 0);
	assert_refused(vc_ring_add_memory(ring, other, 4096), -EINVAL, "before a thread attaches");
	assert_int_equal(there_and_back(ring, file, p, 65536 - 512), each);
	assert_int_equal(there_and_back(ring, file, p + 65536 - 1, 1), each);
	assert_int_equal(there_and_back(ring, file, q, 8192), each);
	assert_int_equal(there_and_back(ring, file, q + 100, 4096), each);
	assert_int_equal(there_and_back(ring, file, other, 4096), 0);
	ring_end(ring);
	assert_int_equal(munmap(p, 65536), 0);
	assert_int_equal(munmap(q, 8192), 0);
	assert_int_equal(munmap(other, 4096), 0);
	close(fd);
}

/* The limit of 1 GiB made small: a buffer over a seam goes the ordinary way. */
static void pieces(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ .mode = VC_RING_IOPOLL });
	int fd = memory_file(65536);
	uint8_t *p = memory(40960);
	uint32_t file = file_of(ring, fd);

	(void)state;
	assert_result(vc__uring_add_memory(ring, p + 20480, 20480, 8192), 0); /* 8, 8, 4 KiB */
	assert_result(vc__uring_add_memory(ring, p, 20480, 8192), 0);	      /* below the first */
	assert_refused(vc__uring_add_memory(ring, p + 4096, 4096, 8192), -EEXIST, "added before");
	assert_refused(vc__uring_add_memory(ring, p + 40959, 10, 8192), -EEXIST, "added before");
	assert_refused(vc__uring_add_memory(ring, p + 40960, 4096 * 251, 4096), -ENOSPC,
		       "256 pieces");
	assert_result(vc_ring_attach(ring), 0);
	assert_int_equal(there_and_back(ring, file, p, 8192), 2);
	assert_int_equal(there_and_back(ring, file, p + 8192, 8192), 2);
	assert_int_equal(there_and_back(ring, file, p + 16384, 4096), 2);
	assert_int_equal(there_and_back(ring, file, p + 20480, 8192), 2);
	assert_int_equal(there_and_back(ring, file, p + 36864, 4096), 2);
	assert_int_equal(there_and_back(ring, file, p + 4096, 8192), 0);
	assert_int_equal(there_and_back(ring, file, p + 16384, 8192), 0);
	assert_int_equal(there_and_back(ring, file, p, 40960), 0);
	ring_end(ring);
	assert_int_equal(munmap(p, 40960), 0);
	close(fd);
}

static void refused(void **state)
{
	static const struct {
		int err, r;
		const char *why;
	} cases[] = { { -ENOMEM, -ENOMEM, "RLIMIT_MEMLOCK" },
		      { -EFAULT, -EOPNOTSUPP, "cannot pin" },
		      { -EOPNOTSUPP, -EOPNOTSUPP, "cannot pin" },
		      { -EBUSY, -EBUSY, "cannot be registered" } };
	uint8_t *p = memory(8192);
	struct vc_ring *ring;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		ring = ring_new((struct vc_ring_config){ .mode = VC_RING_IOPOLL });
		update_err = cases[i / 2].err;
		nr_updates = 0;
		fail_from = 1 + i % 2; /* the first queue, or the second */
		assert_refused(vc_ring_add_memory(ring, p, 8192), cases[i / 2].r, cases[i / 2].why);
		update_err = 0;
		vc_ring_put(ring);
	}
	ring = ring_new((struct vc_ring_config){ .mode = VC_RING_IOPOLL });
	sparse_err = -ENOMEM;
	assert_refused(vc_ring_add_memory(ring, p, 8192), -ENOMEM, "RLIMIT_MEMLOCK");
	sparse_err = 0;
	assert_refused(vc_ring_add_memory(ring, NULL, 8192), -EINVAL, "needed");
	assert_refused(vc_ring_add_memory(ring, p, 0), -EINVAL, "needed");
	assert_refused(vc_ring_add_memory(ring, p, UINT64_MAX), -EINVAL, "needed");
	assert_refused(vc_ring_add_memory(NULL, p, 8192), -EINVAL, "needed");
	vc_ring_put(ring);
	assert_int_equal(munmap(p, 8192), 0);
}

static int pin(void *opaque, void *hva, uint64_t len_bytes)
{
	return vc_ring_add_memory(opaque, hva, len_bytes);
}

static struct vc_region *region_with(const char *name, uint32_t flags)
{
	struct vc_region_config cfg = {
		.size = sizeof(cfg), .name = name, .len_bytes = 1 << 20, .flags = flags
	};
	struct vc_region *region = NULL;

	assert_result(vc_region_create(&cfg, &region), 0);
	return region;
}

/* A guest's memory is given to a ring when nothing may take its pages back, and then nothing does. */
static void pinned_regions(void **state)
{
	struct vc_ring *ring = ring_new((struct vc_ring_config){ 0 });
	struct vc_region *ram = region_with("ram0", VC_REGION_PINNED | VC_REGION_PREFAULT);
	struct vc_region *loose = region_with("loose", VC_REGION_PREFAULT);

	(void)state;
	assert_refused(vc_region_pin(loose, pin, ring), -EBUSY, "loose");
	assert_result(vc_region_discard(loose, 0, 4096), 0);
	assert_result(vc_region_pin(ram, pin, ring), 0);
	assert_refused(vc_region_discard(ram, 0, 4096), -EBUSY, "ram0");
	if (fixture_mode != VC_RING_WORKERS)
		assert_refused(vc_region_pin(ram, pin, ring), -EEXIST, "added before");
	vc_ring_put(ring);
	vc_region_put(ram);
	vc_region_put(loose);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_within_are_fixed),
		cmocka_unit_test(pieces),
		cmocka_unit_test(refused),
		cmocka_unit_test(pinned_regions),
	};

	(void)choose_mode(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
