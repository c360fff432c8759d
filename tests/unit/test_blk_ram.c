/* SPDX-License-Identifier: Apache-2.0 */
/* The disk in memory against a model, and its give-back of pages. */
#include "block_unit.h"

#include <sys/mman.h>

#define DISK_BYTES (256 * KIB)

static void zeroes_at_first(void **state)
{
	static char buf[DISK_BYTES], none[DISK_BYTES];
	struct vc_ring *ring = new_ring();
	struct vc_block *block = open_ram(DISK_BYTES);
	struct vc_block_queue *queue = attach_block(block, ring);

	(void)state;
	memset(buf, 1, sizeof(buf));
	assert_int_equal(do_io(ring, queue, VC_BLOCK_READ, 0, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, none, sizeof(buf));
	assert_int_equal(do_io(ring, queue, VC_BLOCK_FLUSH, 0, NULL, 0), 0);
	end_block(block, queue);
	end_ring(ring);
}

/* Random requests of all kinds, in several pieces, compared with plain memory. */
static void against_a_model(void **state)
{
	static char model[DISK_BYTES], data[DISK_BYTES], read_back[DISK_BYTES];
	struct vc_ring *ring = new_ring();
	struct vc_block *block = open_ram(DISK_BYTES);
	struct vc_block_queue *queue = attach_block(block, ring);
	uint64_t seed = 7;
	struct io io;

	(void)state;
	for (unsigned int i = 0; i < 4000; i++) {
		enum vc_block_op op = (enum vc_block_op)(next_random(&seed) % 5 + 1);
		uint64_t off = next_random(&seed) % (DISK_BYTES / 512) * 512;
		uint64_t len = next_random(&seed) % ((DISK_BYTES - off) / 512 + 1) * 512;
		uint64_t cut = len ? next_random(&seed) % len : 0;

		set_io(&io, op, off, op == VC_BLOCK_READ ? read_back : data, len);
		if (op == VC_BLOCK_READ || op == VC_BLOCK_WRITE) {
			io.iov[1] = (struct iovec){ (char *)io.iov[0].iov_base + cut, len - cut };
			io.iov[0].iov_len = cut;
			io.req.nr_iov = 2;
		}
		memset(data, (int)i, len);
		assert_int_equal(run_io(ring, queue, &io), 0);
		if (op == VC_BLOCK_READ)
			assert_memory_equal(read_back, model + off, len);
		else if (op == VC_BLOCK_WRITE)
			memcpy(model + off, data, len);
		else if (op != VC_BLOCK_FLUSH)
			memset(model + off, 0, len);
	}
	end_block(block, queue);
	end_ring(ring);
}

static uint64_t resident_kib(void)
{
	unsigned long long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu %llu", &size, &resident), 2);
	(void)fclose(f);
	return resident * 4;
}

static void discard_gives_back(void **state)
{
	const uint64_t len = 64 * MIB;
	struct vc_ring *ring = new_ring();
	struct vc_block *block = open_ram(len);
	struct vc_block_queue *queue = attach_block(block, ring);
	char *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before = resident_kib();

	(void)state;
	if (HAS_TSAN) /* its shadow of the memory stays */
		skip();
	assert_int_equal(do_io(ring, queue, VC_BLOCK_WRITE, 0, data, len), 0);
	assert_true(resident_kib() >= before + 60 * 1024);
	assert_int_equal(do_io(ring, queue, VC_BLOCK_DISCARD, 512, NULL, len - 1024), 0);
	assert_true(resident_kib() <= before + 4 * 1024);
	assert_int_equal(munmap(data, len), 0);
	end_block(block, queue);
	end_ring(ring);
}

static void facts(void **state)
{
	struct vc_block *block = open_block((struct vc_block_config){
		.kind = VC_BLOCK_RAM, .size_bytes = 8192, .block_size = 4096 });

	(void)state;
	assert_int_equal(info_of(block).size_bytes, 8192);
	assert_int_equal(info_of(block).block_size, 4096);
	assert_int_equal(info_of(block).mem_align, 1);
	assert_false(info_of(block).has_cache);
	assert_refused(vc_block_resize(block, 4096), -EOPNOTSUPP, "ram");
	assert_result(vc_block_close(block), 0);
	block = open_block((struct vc_block_config){
		.kind = VC_BLOCK_RAM, .size_bytes = 8192, .is_readonly = true });
	assert_int_equal(info_of(block).ops, 1u << VC_BLOCK_READ | 1u << VC_BLOCK_FLUSH);
	assert_result(vc_block_close(block), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeroes_at_first),
		cmocka_unit_test(against_a_model),
		cmocka_unit_test(discard_gives_back),
		cmocka_unit_test(facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
