/* SPDX-License-Identifier: Apache-2.0 */
/* Machines to boot and kernels to boot on them, made by hand, for the tests of src/vm. */
#ifndef VC_BOOT_FIXTURE_H
#define VC_BOOT_FIXTURE_H

#include "unit.h"

#include "layout.h"
#include "load.h"

#include <libvirtcore/mem.h>

#include <elf.h>
#include <errno.h>
#include <unistd.h>

#define FIXTURE static inline __attribute__((unused))

struct machine {
	struct vc__layout layout;
	struct vc_mem *mem;
	struct vc_boot_machine boot;
};

/* RAM of @mib MiB; @nr_regions pieces, so that structures and kernels cross their borders. */
FIXTURE void make_machine(struct machine *m, uint64_t mib, size_t nr_regions)
{
	struct vc__layout_ram rams[8] = { { 0 } };
	uint64_t part = mib * VC__MIB / nr_regions & ~0xfffull;
	for (size_t i = 0; i < nr_regions; i++)
		rams[i].len_bytes = part;
	rams[nr_regions - 1].len_bytes = mib * VC__MIB - part * (nr_regions - 1);
	struct vc__layout_request req = { .rams = rams, .nr_rams = nr_regions, .has_acpi = true };
	assert_int_equal(vc__layout_make(&req, &m->layout), 0);
	assert_int_equal(vc_mem_create(&m->mem), 0);
	for (size_t i = 0; i < m->layout.nr_ranges; i++) {
		struct vc_region_config cfg = { .size = sizeof(cfg),
						.len_bytes = m->layout.ranges[i].len_bytes };
		struct vc_region *region;
		assert_int_equal(vc_region_create(&cfg, &region), 0);
		assert_int_equal(vc_mem_map(m->mem, region, m->layout.ranges[i].gpa, 0), 0);
		vc_region_put(region);
	}
	assert_int_equal(vc_mem_freeze(m->mem), 0);
	m->boot = (struct vc_boot_machine){ .ranges = m->layout.e820,
					    .nr_ranges = m->layout.nr_e820,
					    .rsdp = VC__ACPI_GPA };
}

FIXTURE void drop_machine(struct machine *m)
{
	vc_mem_destroy(m->mem);
}

FIXTURE uint64_t read_mem(const struct machine *m, vc_gpa gpa, size_t len)
{
	uint64_t v = 0;
	assert_int_equal(vc_mem_read(m->mem, gpa, &v, len), 0);
	return v;
}

/* All RAM reads as zeros. */
FIXTURE bool is_blank(const struct machine *m)
{
	for (size_t i = 0; i < m->layout.nr_ranges; i++) {
		const struct vc__layout_range *r = &m->layout.ranges[i];
		for (uint64_t off = 0; off < r->len_bytes; off += 4096) {
			uint64_t page[512];
			assert_int_equal(vc_mem_read(m->mem, r->gpa + off, page, 4096), 0);
			for (size_t k = 0; k < 512; k++)
				if (page[k])
					return false;
		}
	}
	return true;
}

/* A file with a life of its own. */
struct temp {
	char path[64];
};

FIXTURE void make_temp(struct temp *t, const void *buf, size_t len)
{
	(void)snprintf(t->path, sizeof(t->path), "/tmp/vc-boot-XXXXXX");
	int fd = mkstemp(t->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), len);
	close(fd);
}

FIXTURE void drop_temp(struct temp *t)
{
	unlink(t->path);
}

/* ---- bzImage: one setup sector, then code */

#define BZ_SETUP_BYTES 1024u
#define BZ_CODE_BYTES  8192u
#define BZ_BYTES       (BZ_SETUP_BYTES + BZ_CODE_BYTES)

FIXTURE void put_le(uint8_t *p, size_t off, size_t len, uint64_t v)
{
	for (size_t i = 0; i < len; i++)
		p[off + i] = (uint8_t)(v >> (8 * i));
}

FIXTURE void make_bzimage(uint8_t *p)
{
	memset(p, 0, BZ_BYTES);
	p[0x1f1] = 1;
	put_le(p, 0x1f4, 4, BZ_CODE_BYTES / 16);
	put_le(p, 0x1fe, 2, 0xaa55);
	p[0x200] = 0xeb;
	p[0x201] = 0x6a; /* header ends at 0x26c */
	memcpy(p + 0x202, "HdrS", 4);
	put_le(p, 0x206, 2, 0x20f);
	p[0x211] = 0x01;
	put_le(p, 0x22c, 4, 0x7fffffff);
	put_le(p, 0x230, 4, 0x200000);
	p[0x234] = 1;
	put_le(p, 0x236, 2, 1);
	put_le(p, 0x238, 4, 2047);
	put_le(p, 0x258, 8, 0x1000000);
	put_le(p, 0x260, 4, 0x400000);
	for (size_t i = 0; i < BZ_CODE_BYTES; i++)
		p[BZ_SETUP_BYTES + i] = (uint8_t)(i * 7 + (i >> 8) + 1);
}

/* ---- ELF64: two segments (the second with a BSS) and a PVH note */

#define ELF_TEXT_GPA  0x100000ull
#define ELF_DATA_GPA  0x203000ull
#define ELF_SEGMENT   0x1000u
#define ELF_BSS	      0x2345u
#define ELF_ENTRY     (ELF_TEXT_GPA + 0x40)
#define ELF_PHDR(i)   (sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr))
#define ELF_NOTE_OFF  0x800u
#define ELF_NOTE_DESC (ELF_NOTE_OFF + 16 + 20 + 16)
#define ELF_NOTES_LEN (20u + 16u + 8u + 16u)
#define ELF_TEXT_OFF  0x1000u
#define ELF_DATA_OFF  0x2000u
#define ELF_BYTES     0x3000u

FIXTURE void put_phdr(uint8_t *p, size_t idx, Elf64_Phdr phdr)
{
	memcpy(p + ELF_PHDR(idx), &phdr, sizeof(phdr));
}

FIXTURE void make_elf(uint8_t *p)
{
	memset(p, 0, ELF_BYTES);
	Elf64_Ehdr h = { .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = 1,
			 .e_entry = 0xdead,
			 .e_phoff = ELF_PHDR(0),
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 3 };
	memcpy(h.e_ident, "\177ELF\2\1\1", 7);
	memcpy(p, &h, sizeof(h));
	put_phdr(p, 0,
		 (Elf64_Phdr){ .p_type = PT_LOAD,
			       .p_offset = ELF_TEXT_OFF,
			       .p_paddr = ELF_TEXT_GPA,
			       .p_filesz = ELF_SEGMENT,
			       .p_memsz = ELF_SEGMENT });
	put_phdr(p, 1,
		 (Elf64_Phdr){ .p_type = PT_LOAD,
			       .p_offset = ELF_DATA_OFF,
			       .p_paddr = ELF_DATA_GPA,
			       .p_filesz = ELF_SEGMENT,
			       .p_memsz = ELF_SEGMENT + ELF_BSS });
	put_phdr(p, 2,
		 (Elf64_Phdr){ .p_type = PT_NOTE,
			       .p_offset = ELF_NOTE_OFF,
			       .p_filesz = ELF_NOTES_LEN,
			       .p_align = 4 });
	/* A stranger's note with odd lengths comes first. */
	uint8_t *n = p + ELF_NOTE_OFF;
	put_le(n, 0, 4, 5);
	put_le(n, 4, 4, 13);
	put_le(n, 8, 4, 18);
	memcpy(n + 12, "Else", 5);
	n += 12 + 8 + 16;
	put_le(n, 0, 4, 4);
	put_le(n, 4, 4, 8);
	put_le(n, 8, 4, 18);
	memcpy(n + 12, "Xen", 4);
	put_le(n, 16, 8, ELF_ENTRY);
	for (size_t i = ELF_TEXT_OFF; i < ELF_BYTES; i++)
		p[i] = (uint8_t)(i * 13 + (i >> 7) + 1);
}
#define ELF_XEN_NOTE (ELF_NOTE_OFF + 36u)

/* ---- loading */

FIXTURE int load_buf(struct machine *m, enum vc_boot_kind kind, const void *buf, size_t len,
		     struct vc_boot_entry *ret)
{
	struct vc_boot_config cfg = { .size = sizeof(cfg),
				      .kind = kind,
				      .kernel = { .buf = buf, .len = len },
				      .cmdline = kind == VC_BOOT_FLAT ? NULL : "console=ttyS0" };
	return vc_boot_load(m->mem, &cfg, &m->boot, ret);
}

/* One changed number of a file, and what is said of it. */
struct changed {
	size_t off, len;
	uint64_t value;
	int err;
	const char *part;
};

/* A good file, made anew each time, and the RAM of the machine that it is for. */
struct good {
	uint64_t mib;
	enum vc_boot_kind kind;
	void (*make)(uint8_t *file);
	uint8_t *file;
	size_t len;
};

/* Nothing may come of any that was changed. */
FIXTURE void refuse_changed(const struct good *good, const struct changed *cases, size_t nr)
{
	struct machine m;

	make_machine(&m, good->mib, 1);
	for (size_t i = 0; i < nr; i++) {
		struct vc_boot_entry e = { .kernel_gpa = 77 };

		good->make(good->file);
		put_le(good->file, cases[i].off, cases[i].len, cases[i].value);
		assert_refused(load_buf(&m, good->kind, good->file, good->len, &e), cases[i].err,
			       cases[i].part);
		assert_int_equal(e.kernel_gpa, 77);
	}
	assert_true(is_blank(&m));
	drop_machine(&m);
}

#endif /* VC_BOOT_FIXTURE_H */
