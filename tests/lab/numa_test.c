/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the pages of a region really are, asked of the kernel by move_pages(2) and numa_maps. Runs on
 * a machine with two NUMA nodes and a 1 GiB page on each, as root (it reserves 2 MiB pages):
 *
 *	tests/lab/lab kvm --numa --hugepages-1g 2 --memory 8192 build/release/tests/lab/numa_test
 *
 * On any other it skips (77) and says what is missing.
 */
#include "mem_fixture.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct vc_numa_node nodes[2];

/* A region in a map of its own, so that its pages can be looked at. */
struct placed {
	struct vc_mem *mem;
	struct vc_mem_range range;
	void *hva;
};

static struct placed place(struct vc_region_config cfg)
{
	struct placed p = { .mem = make_map(), .range.size = sizeof(p.range) };
	struct vc_region *region = NULL;

	cfg.size = sizeof(cfg);
	assert_result(vc_region_create(&cfg, &region), 0);
	assert_result(vc_mem_map(p.mem, region, 0, 0), 0);
	vc_region_put(region);
	assert_result(vc_mem_range(p.mem, 0, &p.range), 0);
	assert_result(vc_mem_freeze(p.mem), 0);
	assert_result(vc_mem_backing(p.mem, 0, &p.hva), 0);
	return p;
}

static int fail_to_place(struct vc_region_config cfg)
{
	struct vc_region *region = NULL;
	int r;

	cfg.size = sizeof(cfg);
	r = vc_region_create(&cfg, &region);
	assert_null(region);
	return r;
}

/* Counts the pages on nodes 0 and 1; a page that is not there fails the test. */
static void count_pages(const struct placed *p, size_t step, size_t *ret_on)
{
	size_t nr = p->range.len_bytes / step;
	void **pages = calloc(nr, sizeof(*pages));
	int *status = calloc(nr, sizeof(*status));

	for (size_t i = 0; i < nr; i++)
		pages[i] = (uint8_t *)p->hva + i * step;
	assert_int_equal(syscall(SYS_move_pages, 0, nr, pages, NULL, status, 0), 0);
	ret_on[0] = ret_on[1] = 0;
	for (size_t i = 0; i < nr; i++) {
		if (status[i] != 0 && status[i] != 1)
			fail_msg("page %zu of %zu: status %d", i, nr, status[i]);
		ret_on[status[i]]++;
	}
	free(pages);
	free(status);
}

static void assert_all_on(const struct placed *p, size_t step, unsigned int node)
{
	size_t on[2];

	count_pages(p, step, on);
	assert_int_equal(on[node], p->range.len_bytes / step);
	assert_int_equal(on[!node], 0);
}

/* The policy that the kernel shows for the mapping. */
static void assert_policy(const struct placed *p, const char *policy)
{
	FILE *f = fopen("/proc/self/numa_maps", "r");
	char line[512], want[32];
	bool found = false;

	assert_non_null(f);
	snprintf(want, sizeof(want), "%lx ", (unsigned long)p->hva);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, want, strlen(want)) != 0)
			continue;
		found = true;
		if (strncmp(line + strlen(want), policy, strlen(policy)) != 0)
			fail_msg("expected %s: %s", policy, line);
	}
	fclose(f);
	assert_true(found);
}

static int need_two_nodes(void **state)
{
	int nr = vc_numa_query(nodes, 2);

	(void)state;
	if (nr < 2) {
		printf("skipped: 2 NUMA nodes needed, %d found\n", nr);
		exit(77);
	}
	if (nodes[0].huge_1g_free < 1 || nodes[1].huge_1g_free < 1) {
		printf("skipped: a free 1 GiB page on each node needed, found %llu and %llu\n",
		       (unsigned long long)nodes[0].huge_1g_free,
		       (unsigned long long)nodes[1].huge_1g_free);
		exit(77);
	}
	return 0;
}

static void two_nodes(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nodes[i].id, i);
		assert_int_equal(nodes[i].distance[i], 10);
		assert_true(nodes[i].distance[!i] > 10);
		assert_true(nodes[i].mem_total_bytes > GIB(1));
		assert_true(nodes[i].mem_free_bytes <= nodes[i].mem_total_bytes);
		assert_true(nodes[i].cpus[0] != 0);
	}
	assert_int_equal(nodes[0].cpus[0] & nodes[1].cpus[0], 0);
}

static void bind(void **state)
{
	static const enum vc_region_kind kinds[] = { VC_REGION_ANON, VC_REGION_MEMFD };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (unsigned int node = 0; node < 2; node++) {
			for (uint32_t threads = 0; threads <= 4; threads += 4) {
				struct placed p = place((struct vc_region_config){
					.len_bytes = MIB(128),
					.kind = kinds[k],
					.numa = VC_NUMA_BIND,
					.numa_nodes = 1u << node,
					.prefault_threads = threads,
				});

				assert_all_on(&p, 4096, node);
				assert_policy(&p, node ? "bind:1" : "bind:0");
				vc_mem_destroy(p.mem);
			}
		}
	}
}

static void interleave_and_preferred(void **state)
{
	size_t on[2];
	struct placed p = place((struct vc_region_config){
		.len_bytes = MIB(128),
		.flags = VC_REGION_PREFAULT | VC_REGION_NO_THP,
		.numa = VC_NUMA_INTERLEAVE,
		.numa_nodes = 3,
	});

	(void)state;
	count_pages(&p, 4096, on);
	assert_in_range(on[0], 15 * 1024, 17 * 1024);
	assert_policy(&p, "interleave:0-1");
	vc_mem_destroy(p.mem);
	for (unsigned int node = 0; node < 2; node++) {
		p = place((struct vc_region_config){
			.len_bytes = MIB(64),
			.kind = VC_REGION_MEMFD,
			.flags = VC_REGION_PREFAULT,
			.numa = VC_NUMA_PREFERRED,
			.numa_nodes = 1u << node,
		});
		assert_all_on(&p, 4096, node);
		assert_policy(&p, node ? "prefer:1" : "prefer:0");
		vc_mem_destroy(p.mem);
	}
}

static void reserve_2m(unsigned int node, unsigned int nr)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages", node);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%u\n", nr);
	assert_int_equal(fclose(f), 0);
}

static void huge_2m(void **state)
{
	struct vc_region_config cfg = { .len_bytes = MIB(32),
					.kind = VC_REGION_HUGETLB,
					.numa = VC_NUMA_BIND };

	(void)state;
	assert_refused(fail_to_place(cfg), -EINVAL, "numa_nodes");
	cfg.numa_nodes = 2;
	assert_refused(fail_to_place(cfg), -ENOMEM, "16 huge pages of 2 MiB needed, 0 are free");
	reserve_2m(0, 40);
	reserve_2m(1, 16);
	assert_result(vc_numa_query(nodes, 2), 2);
	assert_int_equal(nodes[1].huge_2m_free, 16);
	for (unsigned int node = 0; node < 2; node++) {
		struct placed p;

		cfg.numa_nodes = 1u << node;
		p = place(cfg);
		assert_int_equal(p.range.page_bytes, MIB(2));
		assert_all_on(&p, MIB(2), node);
		vc_mem_destroy(p.mem);
	}
	/* The host has 56, node 1 only 16: an error, not a SIGBUS at some later touch. */
	cfg.len_bytes = MIB(34);
	assert_refused(
		fail_to_place(cfg), -ENOMEM,
		"17 huge pages of 2 MiB needed, 16 are free on node 1; reserve more: echo 17 > "
		"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages");
	reserve_2m(0, 0);
	reserve_2m(1, 0);
}

static void huge_1g(void **state)
{
	struct vc_region_config cfg = { .len_bytes = GIB(1),
					.kind = VC_REGION_HUGETLB,
					.page_bytes = GIB(1),
					.numa = VC_NUMA_BIND };

	(void)state;
	for (unsigned int node = 0; node < 2; node++) {
		struct placed p;

		cfg.numa_nodes = 1u << node;
		p = place(cfg);
		assert_int_equal(p.range.page_bytes, GIB(1));
		assert_int_equal((uintptr_t)p.hva % GIB(1), 0);
		assert_all_on(&p, GIB(1), node);
		memset((uint8_t *)p.hva + GIB(1) - 4096, 1, 4096);
		vc_mem_destroy(p.mem);
	}
	cfg.len_bytes = GIB(2);
	assert_refused(fail_to_place(cfg), -ENOMEM,
		       "2 huge pages of 1024 MiB needed, 1 are free on node 1");
	cfg.numa_nodes = 3; /* both together have them */
	vc_mem_destroy(place(cfg).mem);
	cfg.len_bytes = GIB(3);
	assert_refused(fail_to_place(cfg), -ENOMEM,
		       "3 huge pages of 1024 MiB needed, 2 are free on the nodes asked for");
	cfg.numa = VC_NUMA_DEFAULT;
	cfg.numa_nodes = 0;
	assert_refused(fail_to_place(cfg), -ENOMEM,
		       "3 huge pages of 1024 MiB needed, 2 are free; reserve more: echo 3 > "
		       "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages");
}

/* More than a node has: told before a page is touched, nobody is killed. */
static void short_node(void **state)
{
	struct vc_region_config cfg = { .numa = VC_NUMA_BIND, .numa_nodes = 2 };

	(void)state;
	cfg.len_bytes = nodes[1].mem_total_bytes;
	assert_refused(fail_to_place(cfg), -ENOMEM, "node1/meminfo");
	cfg.numa_nodes = 1u << 5;
	assert_refused(fail_to_place(cfg), -ENODEV, "host node 5");
}

/* A file on tmpfs heeds the policy, one elsewhere is refused; pages that are there move. */
static void files(void **state)
{
	char path[] = "/dev/shm/vc-numa-XXXXXX";
	int fd = mkstemp(path);
	struct vc_region_config cfg = { .len_bytes = MIB(8), .kind = VC_REGION_FILE, .fd = fd };
	struct placed p;

	(void)state;
	assert_true(fd > 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)MIB(8)), 0);
	cfg.numa = VC_NUMA_BIND;
	cfg.numa_nodes = 2;
	p = place(cfg);
	assert_all_on(&p, 4096, 1);
	vc_mem_destroy(p.mem);
	cfg.numa_nodes = 1;
	p = place(cfg);
	assert_all_on(&p, 4096, 0);
	vc_mem_destroy(p.mem);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes),
		cmocka_unit_test(bind),
		cmocka_unit_test(interleave_and_preferred),
		cmocka_unit_test(huge_2m),
		cmocka_unit_test(huge_1g),
		cmocka_unit_test(short_node),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, need_two_nodes, NULL);
}
