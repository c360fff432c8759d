/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program is killed in the midst of its requests: the image can be opened at once by the next one,
 * and from then on nothing of the dead one's arrives in it.
 * usage: block_kill [default|workers|sqpoll|iopoll [KILLS]]
 */
#include "block_unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define DISK_BYTES (16 * MIB)
#define NR_SLOTS   32u
#define IO_BYTES   65536u

static char path[] = "/var/tmp/vc-kill-XXXXXX";
static unsigned int nr_kills = 50;
static char data[IO_BYTES] __attribute__((aligned(4096)));

struct slot {
	struct vc_block_request req;
	struct iovec iov;
	struct vc_block_queue *queue;
	uint64_t seed;
};

static void write_again(struct vc_block_request *req, int result)
{
	struct slot *slot = vc_container_of(req, struct slot, req);
	bool is_flush = next_random(&slot->seed) % 64 == 0;

	if (result < 0)
		_exit(2);
	req->op = is_flush ? VC_BLOCK_FLUSH : VC_BLOCK_WRITE;
	req->off = next_random(&slot->seed) % (DISK_BYTES / IO_BYTES) * IO_BYTES;
	memset(data, (int)slot->seed, 64);
	if (vc_block_submit(slot->queue, req) < 0)
		_exit(3);
}

/* Never returns; writes a byte to @fd when its requests are on their way. */
static void load(int fd, enum vc_block_cache cache)
{
	static struct slot slots[NR_SLOTS];
	struct vc_ring *ring = new_ring();
	struct vc_block_queue *queue = attach_block(open_file(path, cache), ring);

	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		slots[i].queue = queue;
		slots[i].seed = (uint64_t)getpid() * NR_SLOTS + i;
		slots[i].iov = (struct iovec){ data, sizeof(data) };
		slots[i].req = (struct vc_block_request){
			.done = write_again, .iov = &slots[i].iov, .nr_iov = 1, .len = sizeof(data)
		};
		write_again(&slots[i].req, 0);
	}
	for (unsigned int nr = 0;; nr++) {
		if (vc_ring_step(ring, -1) < 0)
			_exit(4);
		if (nr == 2 && write(fd, "x", 1) != 1)
			_exit(5);
	}
}

static uint64_t digest(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const uint64_t *words = mmap(NULL, DISK_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t sum = 0;

	assert_ptr_not_equal(words, MAP_FAILED);
	for (size_t i = 0; i < DISK_BYTES / sizeof(*words); i++)
		sum = sum * 31 + words[i];
	assert_int_equal(munmap((void *)words, DISK_BYTES), 0);
	close(fd);
	return sum;
}

static void kill_one(enum vc_block_cache cache)
{
	struct vc_block *block;
	int fds[2], status;
	uint64_t before;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		load(fds[1], cache);
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	block = open_file(path, VC_BLOCK_WRITEBACK);
	before = digest();
	assert_int_equal(digest(), before);
	assert_int_equal(digest(), before);
	assert_result(vc_block_close(block), 0);
}

static void killed_and_opened(void **state)
{
	struct vc_block_config cfg = { .size = sizeof(cfg),
				       .kind = VC_BLOCK_FILE,
				       .path = path,
				       .format = VC_BLOCK_RAW,
				       .cache = VC_BLOCK_NONE };
	struct vc_block *block = NULL;
	bool has_direct = vc_block_open(&cfg, &block) == 0;

	(void)state;
	assert_result(vc_block_close(block), 0);
	for (unsigned int i = 0; i < nr_kills; i++)
		kill_one(i % 2 && has_direct ? VC_BLOCK_NONE : VC_BLOCK_WRITEBACK);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed_and_opened) };
	int failed;

	choose_engine(argc, argv);
	if (argc > 2)
		nr_kills = (unsigned int)strtoul(argv[2], NULL, 10);
	make_image(path, DISK_BYTES);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
