/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's layout, judged page by page by an oracle that knows only the rules. */
#include "unit.h"

#include "layout.h"

#include <errno.h>

#define GIB VC__GIB
#define MIB VC__MIB

/* Sorted, not empty, not overlapping; and what it says of one address, 0 = nothing. */
static int type_at(const struct vc__layout *l, vc_gpa gpa)
{
	int found = 0;

	for (size_t i = 0; i < l->nr_e820; i++)
		if (gpa >= l->e820[i].gpa && gpa - l->e820[i].gpa < l->e820[i].len_bytes) {
			assert_int_equal(found, 0); /* two say something */
			found = l->e820[i].type;
		}
	return found;
}

static bool is_ram(const struct vc__layout *l, vc_gpa gpa)
{
	for (size_t i = 0; i < l->nr_ranges; i++)
		if (gpa >= l->ranges[i].gpa && gpa - l->ranges[i].gpa < l->ranges[i].len_bytes)
			return true;
	return false;
}

static void check_order(const struct vc__layout *l)
{
	vc_gpa end = 0;

	for (size_t i = 0; i < l->nr_e820; i++) {
		assert_true(l->e820[i].len_bytes > 0);
		assert_true(l->e820[i].gpa >= end);
		end = l->e820[i].gpa + l->e820[i].len_bytes;
	}
	end = 0;
	for (size_t i = 0; i < l->nr_ranges; i++) {
		assert_true(l->ranges[i].len_bytes > 0);
		assert_true(l->ranges[i].gpa >= end);
		end = l->ranges[i].gpa + l->ranges[i].len_bytes;
	}
}

/* Every piece is placed once and whole, in order. */
static void check_pieces(const struct vc__layout_request *req, const struct vc__layout *l)
{
	uint64_t low = 0, high = 0;
	size_t at = 0;

	for (size_t i = 0; i < req->nr_rams; i++) {
		for (uint64_t off = 0; off < req->rams[i].len_bytes; at++) {
			const struct vc__layout_range *r = &l->ranges[at];

			assert_true(at < l->nr_ranges);
			assert_int_equal(r->ram, i);
			assert_int_equal(r->off, off);
			assert_int_equal(r->node, req->rams[i].node);
			if (req->rams[i].page_bytes)
				assert_int_equal(r->gpa % req->rams[i].page_bytes, 0);
			assert_true(r->gpa >= 4 * GIB || r->gpa + r->len_bytes <= 3 * GIB);
			*(r->gpa < 4 * GIB ? &low : &high) += r->len_bytes;
			off += r->len_bytes;
		}
	}
	assert_int_equal(at, l->nr_ranges);
	assert_int_equal(l->low_bytes, low);
	assert_int_equal(l->high_bytes, high);
	assert_true(high == 0 || low == 3 * GIB);
}

/* What the map says must be so at each page near a border, whatever made the border. */
static void check_types(const struct vc__layout_request *req, const struct vc__layout *l)
{
	vc_gpa borders[600];
	size_t nr = 0;

	for (size_t i = 0; i < l->nr_e820; i++) {
		borders[nr++] = l->e820[i].gpa;
		borders[nr++] = l->e820[i].gpa + l->e820[i].len_bytes;
	}
	for (size_t i = 0; i < l->nr_ranges; i++) {
		borders[nr++] = l->ranges[i].gpa;
		borders[nr++] = l->ranges[i].gpa + l->ranges[i].len_bytes;
	}
	static const vc_gpa fixed[] = { 0x9fc00, 0xa0000, 0xe0000, 0xff000, MIB, 3 * GIB, 4 * GIB };
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		borders[nr++] = fixed[i];

	for (size_t i = 0; i < nr * 2; i++) {
		vc_gpa gpa = borders[i / 2] - i % 2;
		bool in_fixed = false;
		int want = is_ram(l, gpa) ? VC_E820_RAM : 0;

		for (size_t k = 0; k < req->nr_fixed; k++)
			in_fixed |= gpa - req->fixed[k].gpa < req->fixed[k].len_bytes;
		if (in_fixed || (gpa >= 0x9fc00 && gpa < MIB))
			want = VC_E820_RESERVED;
		if (gpa >= 0xe0000 && gpa < 0xff000 && req->has_acpi)
			want = VC_E820_ACPI;
		if (req->has_pci && gpa - 0xe0000000 < MIB)
			want = VC_E820_RESERVED;
		if (type_at(l, gpa) != want)
			print_error("at 0x%llx\n", (unsigned long long)gpa);
		assert_int_equal(type_at(l, gpa), want);
	}
}

static struct vc__layout make(struct vc__layout_request *req)
{
	struct vc__layout l;

	assert_result(vc__layout_make(req, &l), 0);
	check_order(&l);
	check_pieces(req, &l);
	check_types(req, &l);
	return l;
}

static void sizes(void **state)
{
	static const uint64_t lens[] = {
		MIB,	 MIB + 4096,	 2 * MIB, 128 * MIB, 3 * GIB - 4096,
		3 * GIB, 3 * GIB + 4096, 4 * GIB, 64 * GIB,  VC__TIB - 4096,
		VC__TIB
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct vc__layout_ram ram = { .len_bytes = lens[i] };
		struct vc__layout_request req = { .rams = &ram, .nr_rams = 1 };

		for (int flags = 0; flags < 8; flags++) {
			req.has_acpi = flags & 1;
			req.has_irqchip = flags & 2;
			req.has_pci = flags & 4;
			struct vc__layout l = make(&req);
			assert_int_equal(l.nr_ranges, lens[i] > 3 * GIB ? 2 : 1);
			assert_int_equal(type_at(&l, 0x10000), VC_E820_RAM);
		}
	}
}

static void nodes(void **state)
{
	struct vc__layout_ram rams[] = {
		{ .len_bytes = GIB, .node = 0, .page_bytes = GIB },
		{ .len_bytes = 4 * GIB, .node = 1, .page_bytes = GIB }, /* meets the hole */
		{ .len_bytes = 6 * MIB, .node = 2, .page_bytes = 2 * MIB },
		{ .len_bytes = 12288, .node = 3 },
	};
	struct vc__layout_request req = { .rams = rams, .nr_rams = 4 };

	(void)state;
	struct vc__layout l = make(&req);
	assert_int_equal(l.nr_ranges, 5);
	assert_int_equal(l.ranges[2].gpa, 4 * GIB);
	assert_int_equal(l.ranges[2].off, 2 * GIB);
	assert_int_equal(l.ranges[4].gpa, 6 * GIB + 6 * MIB);
}

static void many_pieces(void **state)
{
	static struct vc__layout_ram rams[VC__LAYOUT_RAMS_MAX];
	struct vc__layout_request req = { .rams = rams, .nr_rams = ARRAY_LEN(rams) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rams); i++)
		rams[i].len_bytes = 24 * MIB + (i % 5) * 4096 + 4096;
	struct vc__layout l = make(&req);
	assert_int_equal(l.nr_ranges, VC__LAYOUT_RAMS_MAX + 1); /* one was cut */
	req.nr_rams++;
	assert_refused(vc__layout_make(&req, &l), -E2BIG, "129 pieces of RAM");
}

static void fixed_regions(void **state)
{
	struct vc__layout_ram ram = { .len_bytes = 5 * GIB };
	static struct vc__layout_fixed f[VC__LAYOUT_FIXED_MAX];
	struct vc__layout_request req = { .rams = &ram,
					  .nr_rams = 1,
					  .fixed = f,
					  .nr_fixed = ARRAY_LEN(f),
					  .has_acpi = true,
					  .has_irqchip = true };

	(void)state;
	/* Downwards, some touching, in the hole and above all RAM. */
	for (size_t i = 0; i < ARRAY_LEN(f); i++) {
		f[i].name = "rom";
		f[i].gpa = (i % 2 ? 0xd0000000 : 8 * GIB) - i / 2 * 4096 * (i % 4 < 2 ? 1 : 2);
		f[i].len_bytes = 4096;
	}
	struct vc__layout l;
	assert_refused(vc__layout_make(&req, &l), -EEXIST, "lie on rom");
	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		f[i].gpa = (i % 2 ? 0xd0000000 : 8 * GIB) - i * 4096;
	make(&req);
}

/* Behind all that is there, on a GiB, within the address width. */
static void pci_window(void **state)
{
	struct vc__layout_ram ram = { .len_bytes = GIB };
	struct vc__layout_fixed rom = { "rom", 0xe0000000, 0x1000 };
	struct vc__layout_request req = { .rams = &ram, .nr_rams = 1 };
	struct vc__layout l = make(&req);

	(void)state;
	assert_int_equal(l.pci_bytes, 0);
	req.has_pci = true;
	l = make(&req);
	assert_int_equal(l.pci_gpa, 4 * GIB);
	assert_int_equal(l.pci_bytes, 64 * GIB);
	ram.len_bytes = 3 * GIB + 4096;
	l = make(&req);
	assert_int_equal(l.pci_gpa, 5 * GIB);
	req.phys_bits = 36;
	l = make(&req);
	assert_int_equal(l.pci_gpa + l.pci_bytes, 64 * GIB);
	ram.len_bytes = 63 * GIB;
	l = make(&req);
	assert_int_equal(l.pci_bytes, 0); /* no room: RAM ends at 64 GiB */
	req.phys_bits = 40;
	req.fixed = &rom;
	req.nr_fixed = 1;
	assert_refused(vc__layout_make(&req, &l), -EEXIST, "PCI's window");
	rom.gpa = 0xe0100000;
	l = make(&req);
	assert_int_equal(l.pci_gpa, 64 * GIB);
	rom.gpa = 0xbffff000;
	ram.len_bytes = GIB;
	make(&req);
	rom.len_bytes = 0x2000;
	assert_refused(vc__layout_make(&req, &l), -EEXIST, "PCI's window");
	rom.gpa = 100 * GIB + 0x1000;
	l = make(&req);
	assert_int_equal(l.pci_gpa, 101 * GIB);
}

static void refused(struct vc__layout_request *req, int err, const char *part)
{
	struct vc__layout l = { .nr_ranges = 77 };

	assert_refused(vc__layout_make(req, &l), err, part);
	assert_int_equal(l.nr_ranges, 77);
}

static void refuse_ram(void **state)
{
	struct vc__layout_ram rams[2] = { { .len_bytes = MIB - 4096 } };
	struct vc__layout_request req = { .rams = rams };

	(void)state;
	refused(&req, -EINVAL, "no RAM");
	req.nr_rams = 1;
	refused(&req, -ERANGE, "at least 1048576");
	rams[0].len_bytes = VC__TIB + 4096;
	refused(&req, -ERANGE, "at most 1048576 (1 TiB)");
	rams[0].len_bytes = MIB + 1;
	refused(&req, -EINVAL, "multiple of 4096");
	rams[0] = (struct vc__layout_ram){ .len_bytes = 3 * MIB, .page_bytes = 2 * MIB };
	refused(&req, -EINVAL, "multiple of 2097152");
	rams[0] = (struct vc__layout_ram){ .len_bytes = 3 * MIB, .page_bytes = MIB };
	refused(&req, -EINVAL, "2 MiB or 1 GiB expected");
	rams[0] = (struct vc__layout_ram){ .len_bytes = 3 * MIB, .node = 64 };
	refused(&req, -EINVAL, "node 64");

	req.nr_rams = 2;
	rams[0] = (struct vc__layout_ram){ .len_bytes = 4 * MIB };
	rams[1] = (struct vc__layout_ram){ .len_bytes = GIB, .page_bytes = GIB };
	refused(&req, -EINVAL, "larger pages first");
	rams[1] = (struct vc__layout_ram){ .len_bytes = 0 };
	refused(&req, -EINVAL, "RAM 1: 0 bytes");
	rams[1].len_bytes = UINT64_MAX - 4095;
	refused(&req, -EOVERFLOW, "2^64");
}

static void refuse_width(void **state)
{
	struct vc__layout_ram ram = { .len_bytes = 63 * GIB };
	struct vc__layout_fixed f = { .name = "flash", .gpa = 64 * GIB, .len_bytes = 4096 };
	struct vc__layout_request req = { .rams = &ram, .nr_rams = 1, .phys_bits = 36 };

	(void)state;
	make(&req); /* ends at 64 GiB exactly */
	req.fixed = &f;
	req.nr_fixed = 1;
	refused(&req, -ERANGE, "flash ends at 0x1000001000");
	req.nr_fixed = 0;
	ram.len_bytes += 4096;
	refused(&req, -ERANGE, "have 36 bits");
	req.phys_bits = 37;
	make(&req);
	req.phys_bits = 64;
	make(&req);
}

static void refuse_fixed(void **state)
{
	static const struct {
		vc_gpa gpa;
		uint64_t len;
		int err;
		const char *part;
	} cases[] = {
		{ 0xd0000000, 0, -EINVAL, "multiples of 4096" },
		{ 0xd0000001, 4096, -EINVAL, "multiples of 4096" },
		{ 0xd0000000, 4097, -EINVAL, "multiples of 4096" },
		{ UINT64_MAX - 4095, 4096, -EOVERFLOW, "beyond 2^64" },
		{ 0, 4096, -EEXIST, "on RAM 0" },
		{ 0xf0000, 65536, -EEXIST, "on RAM 0" },
		{ 3 * GIB - 4096, 8192, -EEXIST, "on RAM 0" },
		{ 4 * GIB - 4096, 8192, -EEXIST, "on the IOAPIC|on RAM 0" },
		{ 0xfec00000, 4096, -EEXIST, "IOAPIC" },
		{ 0xfebff000, 8192, -EEXIST, "IOAPIC" },
		{ 0xfeefe000, 4096, -EEXIST, "LAPIC" },
	};
	struct vc__layout_ram ram = { .len_bytes = 5 * GIB };
	struct vc__layout_fixed f = { .name = "rom" };
	struct vc__layout_request req = {
		.rams = &ram, .nr_rams = 1, .fixed = &f, .nr_fixed = 1, .has_irqchip = true
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *part = strchr(cases[i].part, '|');

		f.gpa = cases[i].gpa;
		f.len_bytes = cases[i].len;
		refused(&req, cases[i].err, part ? part + 1 : cases[i].part);
	}
	req.has_irqchip = false; /* then nothing is there */
	f = (struct vc__layout_fixed){ .name = "rom", .gpa = 0xfec00000, .len_bytes = 4096 };
	make(&req);
	req.nr_fixed = VC__LAYOUT_FIXED_MAX + 1;
	refused(&req, -E2BIG, "65 regions");
}

static void serial_places(void **state)
{
	static const uint16_t ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
	static const uint32_t gsis[] = { 4, 3, 5, 7 };

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(vc__serial_port(i), ports[i]);
		assert_int_equal(vc__serial_gsi(i), gsis[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pci_window),	 cmocka_unit_test(sizes),
		cmocka_unit_test(nodes),	 cmocka_unit_test(many_pieces),
		cmocka_unit_test(fixed_regions), cmocka_unit_test(refuse_ram),
		cmocka_unit_test(refuse_width),	 cmocka_unit_test(refuse_fixed),
		cmocka_unit_test(serial_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
