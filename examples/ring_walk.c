/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue without a VM, as a vhost-user back end would serve one: guest memory, a queue on top of
 * it, and a device that answers each request with the same bytes in upper case. The driver's part,
 * which would be the guest, is played here by writes into its memory. Links only -mem and -devices.
 *
 * usage: ring_walk TEXT...
 */
#include <libvirtcore/error.h>
#include <libvirtcore/virtq.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NR	   8u
#define DESC_GPA   0x1000u
#define DRIVER_GPA 0x2000u
#define DEVICE_GPA 0x3000u
#define TEXT_GPA   0x4000u /* one page each: request, then answer */
#define ANSWER_OFF 0x800u
#define TEXT_MAX   256u

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* The driver: one request of two descriptors, made available as the @nr-th. */
static int offer(struct vc_mem *mem, uint16_t nr, const char *text)
{
	uint64_t gpa = TEXT_GPA + 0x1000u * nr;
	uint16_t head = (uint16_t)(2 * nr), avail = (uint16_t)(nr + 1);
	struct desc pair[2] = {
		{ .addr = gpa, .len = (uint32_t)strlen(text), .flags = 1, .next = head + 1 },
		{ .addr = gpa + ANSWER_OFF, .len = TEXT_MAX, .flags = 2 },
	};
	int r = vc_mem_write(mem, gpa, text, strlen(text));

	if (r == 0)
		r = vc_mem_write(mem, DESC_GPA + 16u * head, pair, sizeof(pair));
	if (r == 0)
		r = vc_mem_write(mem, DRIVER_GPA + 4 + 2u * nr, &head, sizeof(head));
	return r < 0 ? r : vc_mem_write(mem, DRIVER_GPA + 2, &avail, sizeof(avail));
}

/* The device: everything that is there, then one notification, if it is wanted. */
static int serve(struct vc_virtq *vq)
{
	struct vc_slice slices[NR];
	struct vc_virtq_chain chain = { .slices = slices, .max_slices = NR };
	char text[TEXT_MAX];
	int r;

	while ((r = vc_virtq_pop(vq, &chain)) == 1) {
		size_t len = vc_virtq_read(&chain, 0, text, sizeof(text));

		for (size_t i = 0; i < len; i++)
			text[i] = (char)toupper((unsigned char)text[i]);
		len = vc_virtq_write(&chain, 0, text, len);
		r = vc_virtq_push(vq, &chain, (uint32_t)len);
		if (r < 0)
			break;
	}
	if (r == -EIO)
		printf("broken: %s\n", vc_virtq_fault_text(vc_virtq_get_fault(vq)));
	if (vc_virtq_flush(vq))
		printf("notify the driver\n");
	return r;
}

/* The driver again: what was used. */
static int collect(struct vc_mem *mem)
{
	struct {
		uint32_t id, len;
	} used;
	char text[TEXT_MAX];
	uint16_t nr;
	int r = vc_mem_read(mem, DEVICE_GPA + 2, &nr, sizeof(nr));

	for (uint16_t i = 0; r == 0 && i < nr; i++) {
		r = vc_mem_read(mem, DEVICE_GPA + 4 + 8u * i, &used, sizeof(used));
		if (r == 0)
			r = vc_mem_read(mem, TEXT_GPA + 0x800u * used.id + ANSWER_OFF, text,
					used.len);
		printf("%.*s\n", r == 0 ? (int)used.len : 0, text);
	}
	return r;
}

static int make_ram(struct vc_mem **ret_mem)
{
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 64u << 10 };
	struct vc_region *region;
	int r = vc_mem_create(ret_mem);

	if (r == 0)
		r = vc_region_create(&ram, &region);
	if (r < 0)
		return r;
	r = vc_mem_map(*ret_mem, region, 0, 0);
	vc_region_put(region);
	return r < 0 ? r : vc_mem_freeze(*ret_mem);
}

static int run(struct vc_mem *mem, struct vc_virtq *vq, int nr, char **texts)
{
	struct vc_virtq_layout layout = {
		.size = sizeof(layout),
		.nr_entries = NR,
		.desc = DESC_GPA,
		.driver = DRIVER_GPA,
		.device = DEVICE_GPA,
	};
	int r = vc_virtq_enable(vq, &layout);

	for (int i = 0; r == 0 && i < nr; i++)
		r = offer(mem, (uint16_t)i, texts[i]);
	if (r == 0)
		r = serve(vq);
	return r < 0 ? r : collect(mem);
}

int main(int argc, char **argv)
{
	struct vc_virtq_config cfg = { .size = sizeof(cfg), .max_size = NR };
	struct vc_virtq *vq = NULL;
	struct vc_mem *mem = NULL;
	int nr = argc - 1 < (int)(NR / 2) ? argc - 1 : (int)(NR / 2);
	int r = make_ram(&mem);

	cfg.mem = mem;
	if (r == 0)
		r = vc_virtq_create(&cfg, &vq);
	if (r == 0)
		r = run(mem, vq, nr, argv + 1);
	if (r < 0)
		fprintf(stderr, "ring_walk: %s\n", vc_error_message());
	vc_virtq_destroy(vq);
	vc_mem_destroy(mem);
	return r < 0;
}
