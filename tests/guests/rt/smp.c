/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts application processors by INIT-SIPI, one after the other. Each gets its own TSS in the
 * big GDT; all TSSs share one I/O bitmap of zeros behind them, which fits because 512 of them
 * still leave its offset below 64 KiB. Spec: [SDM 3A 9.4 MP initialization].
 */
#include "rt.h"

#define AP_PAGE	     0x8000ULL /* moved upwards if the loader put something there */
#define AP_PAGE_LAST 0x9e000ULL
#define STACK_BYTES  8192 /* CPL 3 */
#define RING0_BYTES  3072 /* upper part of the page above the CPL 3 stack */
#define WAIT_TICKS   20000000000ULL

struct tss {
	u32 reserved0;
	u32 rsp0_lo, rsp0_hi, rsp12[4], reserved1[2];
	u32 ist[14];
	u32 reserved2[2];
	u16 reserved3, iomap_off;
};
_Static_assert(sizeof(struct tss) == RT_TSS_BYTES, "TSS");

static struct {
	struct tss tss[RT_MAX_CPUS];
	u8 iomap[RT_IOMAP_LEN];
} ap;
u64 rt_ap_gdt[(RT_TSS_SEL + 16 * RT_MAX_CPUS) / 8];
u32 rt_ap_index, rt_ap_stack;
extern char rt_ap_blob[], rt_ap_blob_end[];
extern u64 rt_gdt[];
void rt_ap_main(u32 index) __attribute__((noreturn));

static u64 ap_page;
static u32 nr_cpus = 1;
static u32 ap_up;
static void (*ap_fn)(u32 index, void *arg);
static void *ap_arg;

void rt_ap_main(u32 index)
{
	void (*fn)(u32 index, void *arg) = ap_fn;
	void *arg = ap_arg;

	guest_lapic_enable(rt_lapic_x2);
	__atomic_store_n(&ap_up, index, __ATOMIC_RELEASE); /* pairs with guest_cpu_start() */
	fn(index, arg);
	guest_hlt_forever();
}

static bool page_taken(u64 page, u64 at, u64 len)
{
	return at < page + GUEST_PAGE_BYTES && page < at + len;
}

/* The loader's own structures may lie anywhere in low memory: step over them. */
static u64 find_page(void)
{
	const struct guest_start_info *start = rt_start;
	u64 page = AP_PAGE;

	for (; page < AP_PAGE_LAST; page += GUEST_PAGE_BYTES)
		if (!page_taken(page, (u64)start, sizeof(*start)) &&
		    !page_taken(page, start->cmdline_paddr, 4096) &&
		    !page_taken(page, start->modlist_paddr, 4096) &&
		    !page_taken(page, start->memmap_paddr, 4096) &&
		    !page_taken(page, (u64)rt_image_start, (u64)(rt_image_end - rt_image_start)))
			return page;
	return 0;
}

static int prepare(void)
{
	ap_page = find_page();
	if (!ap_page)
		return -1;
	guest_memcpy((void *)ap_page, rt_ap_blob, (size_t)(rt_ap_blob_end - rt_ap_blob));
	guest_memcpy(rt_ap_gdt, rt_gdt, RT_TSS_SEL);
	ap.iomap[RT_IOMAP_LEN - 1] = 0xff;
	return 0;
}

static int prepare_cpu(u32 index)
{
	struct tss *tss = &ap.tss[index];
	u64 base = (u64)tss, limit = (u64)&ap.iomap[RT_IOMAP_LEN - 1] - base;
	u8 *stack = guest_alloc(STACK_BYTES + GUEST_PAGE_BYTES);

	if (!stack)
		return -1;
	tss->rsp0_lo = (u32)(u64)(stack + STACK_BYTES + GUEST_PAGE_BYTES);
	tss->ist[0] = tss->rsp0_lo - RING0_BYTES / 2; /* double fault: nothing else goes on */
	tss->ist[2] = tss->rsp0_lo - RING0_BYTES;     /* NMI */
	tss->iomap_off = (u16)((u64)ap.iomap - base);
	rt_ap_gdt[RT_TSS_SEL / 8 + 2 * index] = (limit & 0xffff) | (base & 0xffffff) << 16 |
						0x89ULL << 40 | (limit >> 16 & 0xf) << 48 |
						(base >> 24 & 0xff) << 56;
	rt_ap_stack = (u32)(u64)(stack + STACK_BYTES);
	rt_ap_index = index;
	return 0;
}

static bool wait_up(u32 index, u64 ticks)
{
	u64 start = guest_rdtsc();

	while (__atomic_load_n(&ap_up, __ATOMIC_ACQUIRE) != index) {
		if (guest_rdtsc() - start > ticks)
			return false;
		guest_pause();
	}
	return true;
}

int guest_cpu_start(u32 apic_id, void (*fn)(u32 index, void *arg), void *arg)
{
	u32 index = nr_cpus;

	if ((!ap_page && prepare()) || index >= RT_MAX_CPUS || prepare_cpu(index))
		return -1;
	nr_cpus++;
	ap_fn = fn;
	ap_arg = arg;
	guest_lapic_icr(apic_id, 0x4500); /* INIT, assert */
	wait_up(index, 1000000);
	guest_lapic_icr(apic_id, 0x4600 | (u32)(ap_page >> 12));
	if (!wait_up(index, 200000000))
		guest_lapic_icr(apic_id, 0x4600 | (u32)(ap_page >> 12));
	return wait_up(index, WAIT_TICKS) ? 0 : -1;
}
