/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First C code of a guest, at CPL 3: checks and copies what the loader left (hvm_start_info),
 * calls guest_main() and leaves through the exit port. Also the little memory there is to give:
 * RAM behind the image, and the window onto physical addresses above 4 GiB.
 * Spec: [Xen public/arch-x86/hvm/start_info.h].
 */
#include "rt.h"

static struct guest_info rt_info;
static u64 window_used; /* 2 MiB entries of the window's page directory */
u64 rt_free_from, rt_free_end;
const struct guest_start_info *rt_start;

void guest_exit(int code)
{
	guest_out8(GUEST_EXIT_PORT, (u8)code);
	/* nobody listens on the port */
	if (guest_arg(&rt_info, "again", 0))
		guest_out8(0x64, 0xfe);
	guest_hlt_forever();
}

void *guest_memset(void *dst, int byte, size_t len)
{
	void *p = dst;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(len) : "a"(byte) : "memory");
	return dst;
}

void *guest_memcpy(void *dst, const void *src, size_t len)
{
	void *p = dst;

	__asm__ volatile("rep movsb" : "+D"(p), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

/* The compiler calls these for structs. */
void *memset(void *dst, int byte, size_t len)
{
	return guest_memset(dst, byte, len);
}

void *memcpy(void *dst, const void *src, size_t len)
{
	return guest_memcpy(dst, src, len);
}

int guest_strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

static void copy_ranges(const struct guest_start_info *start)
{
	const struct guest_range *map = (const struct guest_range *)start->memmap_paddr;
	u32 nr = start->version >= 1 && map ? start->memmap_entries : 0;

	if (nr > GUEST_MAX_RANGES) {
		guest_printf("memory map has %u entries, the guest holds %u\n", nr,
			     GUEST_MAX_RANGES);
		guest_exit(GUEST_EXIT_FAIL);
	}
	for (u32 i = 0; i < nr; i++)
		rt_info.ranges[i] = map[i];
	rt_info.nr_ranges = nr;
}

/* RAM from the end of the image to the first thing the loader put behind it. */
static void find_free(void)
{
	u64 image = (u64)rt_image_start;

	rt_free_from = (u64)rt_image_end;
	for (u32 i = 0; i < rt_info.nr_ranges; i++) {
		const struct guest_range *r = &rt_info.ranges[i];

		if (r->type == 1 && r->addr <= image && image - r->addr < r->size)
			rt_free_end = r->addr + r->size;
	}
	const u64 left_by_loader[] = { (u64)rt_info.start, (u64)rt_info.cmdline,
				       (u64)rt_info.modules, rt_info.start->memmap_paddr };

	for (u32 i = 0; i < sizeof(left_by_loader) / sizeof(left_by_loader[0]); i++)
		if (left_by_loader[i] >= rt_free_from && left_by_loader[i] < rt_free_end)
			rt_free_end = left_by_loader[i];
	for (u32 i = 0; i < rt_info.nr_modules; i++)
		if (rt_info.modules[i].paddr >= rt_free_from &&
		    rt_info.modules[i].paddr < rt_free_end)
			rt_free_end = rt_info.modules[i].paddr;
	if (rt_free_end > 1ULL << 32)
		rt_free_end = 1ULL << 32;
}

void *guest_alloc(u64 len)
{
	u64 at = rt_free_from;

	len = (len + GUEST_PAGE_BYTES - 1) & ~(GUEST_PAGE_BYTES - 1);
	if (at >= rt_free_end || len > rt_free_end - at)
		return NULL;
	rt_free_from = at + len;
	return guest_memset((void *)at, 0, len);
}

void *guest_map(u64 gpa, u64 len)
{
	u64 first = gpa >> 21, nr = len ? ((gpa + len - 1) >> 21) - first + 1 : 0;
	u64 virt = (4ULL << 30) + (window_used << 21) + (gpa & 0x1fffff);

	if (!nr || nr > 512 - window_used)
		return NULL;
	for (u64 i = 0; i < nr; i++)
		rt_window_pd[window_used++] = ((first + i) << 21) | 0xe7;
	return (void *)virt;
}

void rt_main(struct guest_start_info *start)
{
	if (!start || start->magic != 0x336ec578) {
		guest_printf("no hvm_start_info at 0x%lx\n", (u64)start);
		guest_exit(GUEST_EXIT_FAIL);
	}
	rt_start = start;
	rt_info.start = start;
	rt_info.cmdline = start->cmdline_paddr ? (const char *)start->cmdline_paddr : "";
	rt_info.rsdp = start->rsdp_paddr;
	rt_info.modules = (const struct guest_module *)start->modlist_paddr;
	rt_info.nr_modules = start->nr_modules;
	copy_ranges(start);
	find_free();
	guest_exit(guest_main(&rt_info));
}
