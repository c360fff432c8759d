/* SPDX-License-Identifier: Apache-2.0 */
/* Also covers: acpi_dsdt.c acpi_pci.c acpi_topology.c */
/*
 * ACPI tables of many machines, read back by an independent reader here, and by iasl: each table is
 * disassembled without a warning, and the DSDT, compiled again, is the same to the byte.
 */
#include "boot_fixture.h"

#include "acpi.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ALL_PLATFORM                                                                     \
	(VC_PLATFORM_RTC | VC_PLATFORM_I8042 | VC_PLATFORM_PM | VC_PLATFORM_DEBUG_EXIT | \
	 VC_PLATFORM_PVPANIC | VC_PLATFORM_PCI)

struct shape {
	uint32_t nr_vcpus, id_step, nr_nodes, platform, nr_serials;
	bool has_irqchip;
};

struct made {
	struct vc__acpi acpi;
	struct vc__acpi_machine machine;
	struct vc__layout layout;
	uint32_t ids[4096], nodes[4096];
	uint8_t distances[VC_NUMA_NODES_MAX][VC_NUMA_NODES_MAX];
};

static struct made *make(const struct shape *s)
{
	struct made *d = calloc(1, sizeof(*d));
	struct vc__layout_ram rams[VC_NUMA_NODES_MAX] = { { 0 } };
	uint32_t nr_rams = s->nr_nodes ? s->nr_nodes : 1;

	assert_non_null(d);
	for (uint32_t i = 0; i < nr_rams; i++) {
		rams[i].len_bytes = 2 * VC__GIB;
		rams[i].node = i;
	}
	struct vc__layout_request req = {
		.rams = rams, .nr_rams = nr_rams, .has_acpi = true, .has_pci = true
	};
	assert_result(vc__layout_make(&req, &d->layout), 0);
	for (uint32_t i = 0; i < s->nr_vcpus; i++) {
		d->ids[i] = i * s->id_step;
		d->nodes[i] = i % nr_rams;
	}
	d->distances[0][1] = 33; /* the others by default */
	d->machine = (struct vc__acpi_machine){
		.nr_vcpus = s->nr_vcpus,
		.apic_ids = s->id_step == 1 ? NULL : d->ids,
		.vcpu_nodes = d->nodes,
		.nr_nodes = s->nr_nodes,
		.distances = d->distances,
		.ranges = d->layout.ranges,
		.nr_ranges = d->layout.nr_ranges,
		.platform = s->platform,
		.nr_serials = s->nr_serials,
		.has_irqchip = s->has_irqchip,
		.pci_gpa = d->layout.pci_gpa,
		.pci_bytes = s->nr_serials == 2 ? 0 : d->layout.pci_bytes,
	};
	assert_result(vc__acpi_build(&d->machine, &d->acpi), 0);
	return d;
}

static void drop(struct made *d)
{
	vc__acpi_fini(&d->acpi);
	free(d);
}

static uint64_t get(const uint8_t *p, size_t off, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, p + off, len);
	return v;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* The table that begins at @gpa, whole and with a good sum. */
static const uint8_t *table_at(const struct vc__acpi *a, vc_gpa gpa, const char *signature)
{
	assert_true(gpa >= VC__ACPI_GPA && gpa - VC__ACPI_GPA + 36 <= a->len);
	const uint8_t *t = a->bytes + (gpa - VC__ACPI_GPA);
	uint64_t len = get(t, 4, 4);

	assert_memory_equal(t, signature, 4);
	assert_true(gpa - VC__ACPI_GPA + len <= a->len);
	assert_int_equal(sum(t, len), 0);
	return t;
}

/* Goes the guest's way: RSDP, XSDT, entry. NULL when there is no such table. */
static const uint8_t *find(const struct vc__acpi *a, const char *signature)
{
	const uint8_t *rsdp = a->bytes + (a->rsdp - VC__ACPI_GPA);
	const uint8_t *found = NULL;

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	assert_int_equal(rsdp[15], 2);
	const uint8_t *xsdt = table_at(a, get(rsdp, 24, 8), "XSDT");
	for (uint64_t off = 36; off < get(xsdt, 4, 4); off += 8) {
		const uint8_t *t = a->bytes + (get(xsdt, off, 8) - VC__ACPI_GPA);

		if (memcmp(t, signature, 4) == 0) {
			assert_null(found);
			found = table_at(a, get(xsdt, off, 8), signature);
		}
	}
	return found;
}

static void check_fadt(const struct made *d, const struct shape *s)
{
	const uint8_t *t = find(&d->acpi, "FACP");
	bool has_pm = s->platform & VC_PLATFORM_PM;

	assert_int_equal(get(t, 4, 4), 276);
	assert_int_equal(get(t, 40, 4), get(t, 140, 8));
	table_at(&d->acpi, get(t, 140, 8), "DSDT");
	assert_true(get(t, 112, 4) & 1 << 20); /* hardware-reduced */
	assert_int_equal(get(t, 112, 4) >> 10 & 1, has_pm);
	/* No VGA, no keyboard, and the clock as it is. */
	assert_int_equal(get(t, 109, 2), 4 | (s->platform & VC_PLATFORM_RTC ? 0 : 32));
	assert_int_equal(get(t, 120, 8), has_pm ? 0x602 : 0);
	assert_int_equal(t[128], has_pm);
	assert_int_equal(get(t, 248, 8), has_pm ? 0x600 : 0);
	assert_int_equal(get(t, 260, 8), has_pm ? 0x601 : 0);
}

static void check_mcfg(const struct made *d, const struct shape *s)
{
	const uint8_t *t = find(&d->acpi, "MCFG");

	assert_int_equal(t != NULL, (s->platform & VC_PLATFORM_PCI) != 0);
	if (!t)
		return;
	assert_int_equal(get(t, 4, 4), 60);
	assert_int_equal(get(t, 44, 8), 0xe0000000);
	assert_int_equal(get(t, 52, 8), 0); /* segment 0, bus 0 to 0 */
}

static void check_madt(const struct made *d, const struct shape *s)
{
	const uint8_t *t = find(&d->acpi, "APIC");
	uint32_t nr_cpus = 0, nr_ioapics = 0;

	assert_int_equal(t != NULL, s->has_irqchip);
	if (!t)
		return;
	assert_int_equal(get(t, 36, 4), 0xfee00000);
	assert_int_equal(get(t, 40, 4), 0); /* no 8259s */
	for (uint64_t off = 44; off < get(t, 4, 4); off += t[off + 1]) {
		const uint8_t *e = t + off;
		uint32_t id = nr_cpus * s->id_step;

		assert_true(e[1] >= 8 && off + e[1] <= get(t, 4, 4));
		switch (e[0]) {
		case 0:
			assert_int_equal(e[1], 8);
			assert_int_equal(e[2], nr_cpus++);
			assert_int_equal(e[3], id);
			assert_int_equal(get(e, 4, 4), 1);
			break;
		case 9:
			assert_int_equal(e[1], 16);
			assert_true(id >= 255 || nr_cpus >= 255);
			assert_int_equal(get(e, 4, 4), id);
			assert_int_equal(get(e, 8, 4), 1);
			assert_int_equal(get(e, 12, 4), nr_cpus++);
			break;
		case 1:
			assert_int_equal(get(e, 4, 4), 0xfec00000);
			assert_int_equal(get(e, 8, 4), 0);
			nr_ioapics++;
			break;
		default:
			fail_msg("MADT entry of type %u", e[0]);
		}
	}
	assert_int_equal(nr_cpus, s->nr_vcpus);
	assert_int_equal(nr_ioapics, 1);
}

static void check_srat(const struct made *d, const struct shape *s)
{
	const uint8_t *t = find(&d->acpi, "SRAT");
	uint32_t nr_cpus = 0;
	size_t nr_mem = 0;

	assert_int_equal(t != NULL, s->nr_nodes > 0);
	if (!t)
		return;
	for (uint64_t off = 48; off < get(t, 4, 4); off += t[off + 1]) {
		const uint8_t *e = t + off;
		uint32_t id = nr_cpus * s->id_step, node = nr_cpus % s->nr_nodes;

		if (e[0] == 1) {
			const struct vc__layout_range *r = &d->layout.ranges[nr_mem++];

			assert_int_equal(get(e, 2, 4), r->node);
			assert_int_equal(get(e, 8, 8), r->gpa);
			assert_int_equal(get(e, 16, 8), r->len_bytes);
			assert_int_equal(get(e, 28, 4), 1);
			assert_int_equal(e[1], 40);
			continue;
		}
		nr_cpus++;
		assert_int_equal(e[0], id < 255 ? 0 : 2);
		assert_int_equal(e[1], id < 255 ? 16 : 24);
		assert_int_equal(get(e, 4, 4), id < 255 ? 1 : node);
		assert_int_equal(id < 255 ? e[2] : node, node);
		assert_int_equal(id < 255 ? e[3] : get(e, 8, 4), id);
	}
	assert_int_equal(nr_cpus, s->nr_vcpus);
	assert_int_equal(nr_mem, d->layout.nr_ranges);

	t = find(&d->acpi, "SLIT");
	assert_int_equal(get(t, 36, 8), s->nr_nodes);
	assert_int_equal(get(t, 4, 4), 44 + s->nr_nodes * s->nr_nodes);
	for (uint32_t i = 0; i < s->nr_nodes * s->nr_nodes; i++)
		assert_int_equal(t[44 + i], i == 1 && s->nr_nodes > 1 ? 33
					    : i % (s->nr_nodes + 1)   ? 20
								      : 10);
}

/* ---- iasl */

static int run(const char *dir, const char *const argv[])
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		int fd = open("/dev/null", O_RDWR);

		if ((dir && chdir(dir)) || dup2(fd, 0) < 0)
			_exit(126);
		if (dir)
			fd = open("log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static size_t slurp(const char *dir, const char *name, char *buf, size_t cap)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%.40s/%.15s", dir, name);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	size_t len = fread(buf, 1, cap - 1, f);
	fclose(f);
	buf[len] = 0;
	return len;
}

static void check_log(const char *dir)
{
	static char log[65536];

	slurp(dir, "log", log, sizeof(log));
	bool is_bad = strcasestr(log, "invalid") || strcasestr(log, "incorrect") ||
		      (strcasestr(log, "warning") && !strstr(log, " 0 Warnings")) ||
		      (strcasestr(log, "error") && !strstr(log, " 0 Errors"));
	if (is_bad)
		print_error("%s\n", log);
	assert_false(is_bad);
}

static void check_iasl(const struct made *d)
{
	char dir[] = "/tmp/vc-acpi-XXXXXX", path[64], names[VC__ACPI_TABLES_MAX][16];
	const char *argv[3 + VC__ACPI_TABLES_MAX] = { "iasl", "-d" };
	static char again[65536 * 2];

	assert_non_null(mkdtemp(dir));
	const uint8_t *dsdt = NULL;
	for (size_t i = 0; i < d->acpi.nr_tables; i++) {
		const uint8_t *t = d->acpi.bytes + (d->acpi.tables[i].gpa - VC__ACPI_GPA);

		(void)snprintf(names[i], sizeof(names[i]), "%s.dat", d->acpi.tables[i].signature);
		(void)snprintf(path, sizeof(path), "%.40s/%.15s", dir, names[i]);
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		assert_int_equal(fwrite(t, 1, d->acpi.tables[i].len, f), d->acpi.tables[i].len);
		fclose(f);
		argv[2 + i] = names[i];
		if (memcmp(t, "DSDT", 4) == 0)
			dsdt = t;
	}
	assert_int_equal(run(dir, argv), 0);
	check_log(dir);
	const char *compile[] = { "iasl", "-oa", "-p", "again", "DSDT.dsl", NULL };
	assert_int_equal(run(dir, compile), 0);
	check_log(dir);
	/* Only the compiler's name, its version and so the sum may differ. */
	size_t len = slurp(dir, "again.aml", again, sizeof(again));
	assert_int_equal(len, get(dsdt, 4, 4));
	assert_memory_equal(again, dsdt, 9);
	assert_memory_equal(again + 10, dsdt + 10, 18);
	assert_memory_equal(again + 36, dsdt + 36, len - 36);
	const char *rm[] = { "rm", "-rf", dir, NULL };
	assert_int_equal(run(NULL, rm), 0);
}

/* ---- tests */

static void check(const struct shape *s)
{
	struct made *d = make(s);

	check_fadt(d, s);
	check_madt(d, s);
	check_mcfg(d, s);
	check_srat(d, s);
	check_iasl(d);
	drop(d);
}

static void processors_and_nodes(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 4, 64, 254, 255, 256, 300 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cpus); i++)
		for (uint32_t nodes = 0; nodes <= 4; nodes++)
			check(&(struct shape){ .nr_vcpus = cpus[i],
					       .id_step = 1 + (i + nodes) % 2,
					       .nr_nodes = nodes,
					       .platform = ALL_PLATFORM,
					       .nr_serials = 1,
					       .has_irqchip = true });
}

static void devices(void **state)
{
	(void)state;
	for (uint32_t platform = 0; platform <= ALL_PLATFORM; platform++)
		check(&(struct shape){ .nr_vcpus = 2,
				       .id_step = 1,
				       .platform = platform,
				       .nr_serials = platform % 5,
				       .has_irqchip = platform % 3 != 0 });
}

static void many_nodes(void **state)
{
	(void)state;
	check(&(struct shape){ .nr_vcpus = 64,
			       .id_step = 1,
			       .nr_nodes = 64,
			       .platform = ALL_PLATFORM,
			       .nr_serials = 4,
			       .has_irqchip = true });
}

static void write_to_memory(void **state)
{
	struct machine m;
	vc_gpa rsdp = 0;
	struct vc__acpi_machine am = { .nr_vcpus = 1, .has_irqchip = true };
	char got[8];

	(void)state;
	make_machine(&m, 4, 4);
	assert_result(vc__acpi_write(m.mem, &am, &rsdp), 0);
	assert_int_equal(rsdp, 0xe0000);
	assert_int_equal(vc_mem_read(m.mem, rsdp, got, 8), 0);
	assert_memory_equal(got, "RSD PTR ", 8);
	/* The reset entry, in real mode: a far jump to code that writes 1 to port 0x602, if any. */
	assert_int_equal(read_mem(&m, 0xffff0, 5), 0xf000f000ea);
	assert_int_equal(read_mem(&m, 0xff000, 6), 0xee01b00080ba);
	am.platform = VC_PLATFORM_PM;
	assert_result(vc__acpi_write(m.mem, &am, &rsdp), 0);
	assert_int_equal(read_mem(&m, 0xff000, 6), 0xee01b00602ba);
	assert_int_equal(read_mem(&m, 0xff040, 6), 0);
	drop_machine(&m);

	struct vc_mem *empty;
	assert_result(vc_mem_create(&empty), 0);
	assert_result(vc_mem_freeze(empty), 0);
	rsdp = 77;
	assert_refused(vc__acpi_write(empty, &am, &rsdp), -EFAULT, "no RAM for");
	assert_int_equal(rsdp, 77);
	vc_mem_destroy(empty);
}

static void refuse(void **state)
{
	const uint32_t nodes[] = { 0, 2 };
	const struct vc__layout_range range = { .node = 2 };
	struct vc__acpi_machine m = { 0 };
	struct vc__acpi a = { .len = 77 };

	(void)state;
	assert_refused(vc__acpi_build(&m, &a), -EINVAL, "0 vCPUs");
	m.nr_vcpus = 4096;
	assert_refused(vc__acpi_build(&m, &a), -EINVAL, "4096 vCPUs");
	m.nr_vcpus = 4095;
	m.has_irqchip = true;
	assert_refused(vc__acpi_build(&m, &a), -ENOSPC, "there is room for 126976");
	m.nr_vcpus = 2;
	m.nr_serials = 5;
	assert_refused(vc__acpi_build(&m, &a), -EINVAL, "5 UARTs");
	m.nr_serials = 0;
	m.nr_nodes = 65;
	assert_refused(vc__acpi_build(&m, &a), -EINVAL, "65 NUMA nodes");
	m.nr_nodes = 2;
	m.vcpu_nodes = nodes;
	assert_refused(vc__acpi_build(&m, &a), -EINVAL, "vCPU 1 is on node 2");
	m.vcpu_nodes = NULL;
	m.ranges = &range;
	m.nr_ranges = 1;
	assert_refused(vc__acpi_build(&m, &a), -EINVAL, "RAM at 0x0 is on node 2");
	assert_int_equal(a.len, 77);
}

int main(void)
{
	const struct CMUnitTest without[] = {
		cmocka_unit_test(write_to_memory),
		cmocka_unit_test(refuse),
	};
	const struct CMUnitTest by_iasl[] = {
		cmocka_unit_test(processors_and_nodes),
		cmocka_unit_test(devices),
		cmocka_unit_test(many_nodes),
	};
	const char *version[] = { "iasl", "-v", NULL };
	int r = cmocka_run_group_tests(without, NULL, NULL);

	if (run(NULL, version) != 0) {
		printf("skipped: iasl (package acpica-tools) is not installed, 3 tests\n");
		return r ? r : 77;
	}
	return r + cmocka_run_group_tests(by_iasl, NULL, NULL);
}
