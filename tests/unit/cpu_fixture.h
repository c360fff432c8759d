/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One guest on the bare CPU layer, as the tests of src/cpu need it again and again: a host, some
 * memory, a partition, its vCPUs; guest code as bytes in real mode, or an ELF of tests/guests by its
 * PVH note. Without KVM a test is skipped with the reason (rig_skip).
 */
#ifndef VC_TESTS_CPU_FIXTURE_H
#define VC_TESTS_CPU_FIXTURE_H

#include "mem_fixture.h"

#include <libvirtcore/host.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/snapshot.h>
#include <libvirtcore/vcpu.h>
#include <libvirtcore/vcpu_state.h>

#include "../guests/guest_prng.h"

#include <elf.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#define CODE_GPA  0x1000u
#define INFO_GPA  0x6000u /* hvm_start_info, memory map, command line */
#define RIG_BYTES MIB(32)

struct rig {
	struct vc_host *host;
	struct vc_mem *mem;
	struct vc_partition *partition;
	struct vc_cpu_model *model;
	struct vc_vcpu *vcpu; /* the first */
	bool is_attached;
};

static inline struct vc_host *open_host(void)
{
	struct vc_host *host = NULL;

	assert_result(vc_host_open(NULL, &host), 0);
	return host;
}

/* Host, memory and partition; @cfg may be NULL; size and mem are filled in. */
static inline void rig_make(struct rig *rig, const struct vc_partition_config *cfg)
{
	struct vc_partition_config own = cfg ? *cfg : (struct vc_partition_config){ 0 };

	memset(rig, 0, sizeof(*rig));
	rig->host = open_host();
	rig->mem = make_map();
	map_ram(rig->mem, "ram", 0, RIG_BYTES, 0);
	assert_result(vc_mem_freeze(rig->mem), 0);
	own.size = sizeof(own);
	own.mem = rig->mem;
	assert_result(vc_partition_create(rig->host, &own, &rig->partition), 0);
}

static inline struct vc_vcpu *rig_vcpu(struct rig *rig, uint32_t idx)
{
	struct vc_vcpu_config cfg = { .size = sizeof(cfg), .idx = idx, .model = rig->model };
	struct vc_vcpu *vcpu = NULL;

	assert_result(vc_vcpu_create(rig->partition, &cfg, &vcpu), 0);
	return vcpu;
}

/* The CPU model `host` for @nr vCPUs, for guests that leave real mode. */
static inline void rig_model(struct rig *rig, uint32_t nr)
{
	struct vc_cpu_model_config cfg = { .size = sizeof(cfg), .nr_vcpus = nr };

	assert_result(vc_cpu_model_create(rig->host, &cfg, &rig->model), 0);
}

static inline void rig_attach(struct rig *rig)
{
	assert_result(vc_vcpu_attach(rig->vcpu), 0);
	rig->is_attached = true;
}

static inline void rig_free(struct rig *rig)
{
	if (rig->is_attached)
		assert_result(vc_vcpu_detach(rig->vcpu), 0);
	vc_vcpu_destroy(rig->vcpu);
	vc_partition_destroy(rig->partition);
	vc_cpu_model_destroy(rig->model);
	vc_mem_destroy(rig->mem);
	vc_host_close(rig->host);
	memset(rig, 0, sizeof(*rig));
}

/* Puts @vcpu at @code in real mode, all segments at 0. */
static inline void rig_start_code(struct rig *rig, struct vc_vcpu *vcpu, const void *code,
				  size_t len)
{
	struct vc_x86_regs regs = { .rip = CODE_GPA, .rflags = 2, .rsp = CODE_GPA };
	struct vc_x86_sregs sregs;

	assert_result(vc_mem_write(rig->mem, CODE_GPA, code, len), 0);
	assert_result(vc_vcpu_get_regs(vcpu, NULL, &sregs), 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	assert_result(vc_vcpu_set_regs(vcpu, &regs, &sregs), 0);
}

/* The common case: a partition with one vCPU attached here, which is about to run @code. */
static inline void rig_code(struct rig *rig, const struct vc_partition_config *cfg,
			    const void *code, size_t len)
{
	rig_make(rig, cfg);
	rig->vcpu = rig_vcpu(rig, 0);
	rig_attach(rig);
	rig_start_code(rig, rig->vcpu, code, len);
}

static inline struct vc_exit *rig_run(struct rig *rig)
{
	struct vc_exit *exit = NULL;

	assert_result(vc_vcpu_run(rig->vcpu, &exit), 0);
	assert_non_null(exit);
	return exit;
}

/* Runs past interruptions that nobody asked for. */
static inline struct vc_exit *rig_run_on(struct rig *rig)
{
	struct vc_exit *exit;

	do
		exit = rig_run(rig);
	while (exit->kind == VC_EXIT_INTERRUPTED);
	return exit;
}

/* [PVH hvm_start_info, version 1] */
struct pvh_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t nr_memmap, reserved;
	struct {
		uint64_t addr, len;
		uint32_t type, reserved;
	} map[1];
	char text[256];
};

static inline uint32_t find_pvh_entry(const uint8_t *file, const Elf64_Phdr *ph)
{
	uint64_t off = ph->p_offset, end = off + ph->p_filesz;

	while (off + sizeof(Elf64_Nhdr) < end) {
		const Elf64_Nhdr *note = (const void *)(file + off);
		uint64_t desc = off + sizeof(*note) + ((note->n_namesz + 3) & ~3u);
		uint32_t entry;

		if (note->n_type == 18) {
			memcpy(&entry, file + desc, sizeof(entry));
			return entry;
		}
		off = desc + ((note->n_descsz + 3) & ~3u);
	}
	return 0;
}

/* The bytes of the file, and zeros behind them up to the size in memory. */
static inline void load_segment(struct rig *rig, const uint8_t *file, const Elf64_Phdr *ph)
{
	uint8_t *bytes = calloc(1, ph->p_memsz + 1);

	assert_non_null(bytes);
	memcpy(bytes, file + ph->p_offset, ph->p_filesz);
	assert_result(vc_mem_write(rig->mem, ph->p_paddr, bytes, ph->p_memsz), 0);
	free(bytes);
}

/* Loads an ELF of tests/guests; returns its PVH entry. */
static inline uint32_t rig_load_elf(struct rig *rig, const char *name)
{
	char path[512];
	uint32_t entry = 0;

	snprintf(path, sizeof(path), "%s/%s", GUESTS_DIR, name);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	uint8_t *file = calloc(1, MIB(4));
	assert_non_null(file);
	size_t len = fread(file, 1, MIB(4), f);
	fclose(f);
	assert_true(len > sizeof(Elf64_Ehdr));
	const Elf64_Ehdr *eh = (const void *)file;
	const Elf64_Phdr *ph = (const void *)(file + eh->e_phoff);
	for (uint32_t i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			load_segment(rig, file, &ph[i]);
		if (ph[i].p_type == PT_NOTE && !entry)
			entry = find_pvh_entry(file, &ph[i]);
	}
	free(file);
	assert_true(entry != 0);
	return entry;
}

/* Puts the vCPU where the PVH boot protocol wants it. */
static inline void rig_start_pvh(struct rig *rig, uint32_t entry, const char *cmdline)
{
	struct pvh_info info = {
		.magic = 0x336ec578,
		.version = 1,
		.cmdline = INFO_GPA + offsetof(struct pvh_info, text),
		.memmap = INFO_GPA + offsetof(struct pvh_info, map),
		.nr_memmap = 1,
		.map = { { .addr = 0, .len = RIG_BYTES, .type = 1 } },
	};
	struct vc_x86_segment code = { .limit = 0xffffffff,
				       .selector = 8,
				       .type = 11,
				       .s = 1,
				       .present = 1,
				       .db = 1,
				       .g = 1 };
	struct vc_x86_segment data = code;
	struct vc_x86_regs regs = { .rip = entry, .rflags = 2, .rbx = INFO_GPA };
	struct vc_x86_sregs sregs;

	snprintf(info.text, sizeof(info.text), "%s", cmdline);
	assert_result(vc_mem_write(rig->mem, INFO_GPA, &info, sizeof(info)), 0);
	data.selector = 16;
	data.type = 3;
	assert_result(vc_vcpu_get_regs(rig->vcpu, NULL, &sregs), 0);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = (struct vc_x86_segment){ .limit = 0x67, .type = 11, .present = 1 };
	sregs.cr0 = 0x11;
	sregs.cr4 = 0;
	sregs.efer = 0;
	assert_result(vc_vcpu_set_regs(rig->vcpu, &regs, &sregs), 0);
}

/* A partition with one vCPU of model `host` attached here, about to run a guest of tests/guests. */
static inline void rig_guest(struct rig *rig, const struct vc_partition_config *cfg,
			     const char *name, const char *cmdline)
{
	rig_make(rig, cfg);
	rig_model(rig, cfg && cfg->max_vcpus ? cfg->max_vcpus : 1);
	rig->vcpu = rig_vcpu(rig, 0);
	rig_attach(rig);
	rig_start_pvh(rig, rig_load_elf(rig, name), cmdline);
}

/* What a guest printed so far on the serial port, fed by rig_serial(). */
struct console {
	char text[4096];
	size_t len;
};

/* Answers the serial port; true when the exit was one of its. */
static inline bool rig_serial(struct console *console, const struct vc_exit *exit)
{
	if (exit->kind != VC_EXIT_PIO || exit->addr < 0x3f8 || exit->addr > 0x3ff)
		return false;
	if (!exit->is_write) {
		memset(exit->data, exit->addr == 0x3fd ? 0x60 : 0, exit->count * exit->size);
		return true;
	}
	for (uint32_t i = 0; exit->addr == 0x3f8 && i < exit->count * exit->size; i++) {
		if (console->len < sizeof(console->text) - 1)
			console->text[console->len++] = ((char *)exit->data)[i];
	}
	return true;
}

/* The world around a guest: a console, answers that depend on what came before, a transcript. */
struct world {
	struct console console;
	uint64_t answers; /* state of the numbers that reads get */
	uint64_t sum;	  /* over kind, place, size and data of every access */
	uint32_t nr;
	int code;
	bool is_over; /* the guest wrote its code to port 0xf4 */
};

static inline void world_init(struct world *world)
{
	*world = (struct world){ .answers = 1, .sum = GUEST_SUM_INIT };
}

static inline void world_answer(struct world *world, const struct vc_exit *exit)
{
	uint8_t *data = exit->data;

	if (rig_serial(&world->console, exit))
		return;
	if (exit->kind == VC_EXIT_PIO && exit->addr == 0xf4 && exit->is_write) {
		world->code = data[0];
		world->is_over = true;
		return;
	}
	if (exit->kind != VC_EXIT_PIO && exit->kind != VC_EXIT_MMIO)
		return;
	world->nr++;
	world->sum = guest_sum(world->sum, (uint64_t)exit->kind << 8 | exit->is_write);
	world->sum = guest_sum(world->sum, exit->addr);
	world->sum = guest_sum(world->sum, (uint64_t)exit->size << 32 | exit->count);
	for (uint32_t i = 0; i < exit->size * exit->count; i++) {
		if (!exit->is_write)
			data[i] = (uint8_t)guest_prng(&world->answers);
		world->sum = guest_sum(world->sum, data[i]);
	}
}

/* Runs the guest to its end; fails on any exit that a tame guest does not make. */
static inline void rig_finish(struct rig *rig, struct world *world)
{
	while (!world->is_over) {
		struct vc_exit *exit = rig_run(rig);

		if (exit->kind != VC_EXIT_PIO && exit->kind != VC_EXIT_MMIO &&
		    exit->kind != VC_EXIT_INTERRUPTED)
			fail_msg("exit %s, code %llu, at %#llx; console: %s",
				 vc_exit_name(exit->kind), (unsigned long long)exit->code,
				 (unsigned long long)exit->addr, world->console.text);
		world_answer(world, exit);
	}
}

/* Runs until the console holds @text. */
static inline void rig_until(struct rig *rig, struct world *world, const char *text)
{
	while (!strstr(world->console.text, text) && !world->is_over)
		world_answer(world, rig_run(rig));
	assert_non_null(strstr(world->console.text, text));
}

/*
 * What steps.elf can be asked for here: AVX is left out where the guest cannot use it although its
 * CPUID has it. That is so in the lab, whose software CPU lets a guest's XSETBV pass unseen by KVM.
 */
static inline const char *steps_parameters(void)
{
	struct world world;
	struct rig rig;

	world_init(&world);
	rig_guest(&rig, NULL, "steps.elf", "n=1");
	rig_finish(&rig, &world);
	rig_free(&rig);
	if (world.code != 0x46)
		return "n=60";
	print_message("no AVX in guests here: XSETBV has no effect\n");
	return "n=60 avx=0";
}

/* The number behind @key in what the guest printed. */
static inline uint64_t console_number(const struct console *console, const char *key)
{
	const char *at = strstr(console->text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 0);
}

/* A test program's main(): skipped with the reason where KVM is not to be had. */
static inline int rig_skip(void)
{
	struct vc_host *host = NULL;

	if (vc_host_open(NULL, &host) == 0) {
		vc_host_close(host);
		return 0;
	}
	printf("skipped: %s\n", vc_error_message());
	return 77;
}

#endif /* VC_TESTS_CPU_FIXTURE_H */
